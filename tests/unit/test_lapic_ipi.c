// SPDX-License-Identifier: BSD-2-Clause
/*
 * The local APIC as sender and receiver of messages: the ICR, destinations, NMI, INIT and SIPI, and
 * the errors that go with them. Section titles in quotes are of the Intel SDM, volume 3, chapter
 * "Advanced Programmable Interrupt Controller (APIC)".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/apic_fake.h"

static struct lapic_rig rig;

static int setup(void **state)
{
	(void)state;
	lapic_rig_init(&rig);
	put(&rig, LAPIC_SVR, SVR_ON);
	return 0;
}

/* --- "Interrupt Command Register (ICR)" --- */

static void test_icr_says_what_is_sent(void **state)
{
	static const uint8_t modes[] = { APIC_FIXED, APIC_LOWEST, APIC_NMI, APIC_INIT, APIC_STARTUP };

	(void)state;
	for (unsigned int i = 0; i < sizeof(modes) * 8; i++) {
		uint32_t shorthand = i & 3, logical = i >> 2 & 1 ? ICR_LOGICAL : 0, mode = modes[i / 8];
		const struct apic_message *msg = &rig.sent[0];

		rig.nr_sent = 0;
		put(&rig, LAPIC_ICR_HIGH, 0x3c000000);
		assert_int_equal(rig.nr_sent, 0); /* the low half sends */
		put(&rig, LAPIC_ICR_LOW, 0x99 | ICR_ASSERT | ICR_MODE(mode) | logical | ICR_SHORT(shorthand));
		/* "Valid Combinations": no INIT and no startup IPI to its own sender. */
		if (mode >= APIC_INIT && (shorthand == APIC_SELF || shorthand == APIC_ALL)) {
			assert_int_equal(rig.nr_sent, 0);
			continue;
		}
		assert_int_equal(rig.nr_sent, 1);
		assert_int_equal(rig.sender, 5);
		assert_int_equal(msg->dest, 0x3c);
		assert_int_equal(msg->logical, logical != 0);
		assert_false(msg->wide);
		assert_int_equal(msg->delivery, mode);
		assert_int_equal(msg->vector, 0x99);
		assert_int_equal(msg->shorthand, shorthand);
	}
}

/* "Trigger Mode": only of meaning for INIT level de-assert, ignored for all other modes. */
static void test_ipis_are_edges(void **state)
{
	(void)state;
	put(&rig, LAPIC_ICR_LOW, 0x99 | ICR_LEVEL | ICR_ASSERT);
	assert_false(rig.sent[0].level);
	put(&rig, LAPIC_ICR_LOW, 0x99 | ICR_LEVEL);
	assert_int_equal(rig.nr_sent, 2);
	assert_false(rig.sent[1].level);
}

/* "INIT Level De-assert" only set arbitration ids; it must not be an INIT. */
static void test_init_level_deassert_is_no_init(void **state)
{
	(void)state;
	put(&rig, LAPIC_ICR_LOW, ICR_MODE(APIC_INIT) | ICR_LEVEL);
	assert_int_equal(rig.nr_sent, 0);
	put(&rig, LAPIC_ICR_LOW, ICR_MODE(APIC_INIT) | ICR_LEVEL | ICR_ASSERT);
	assert_int_equal(rig.nr_sent, 1);
	put(&rig, LAPIC_ICR_LOW, ICR_MODE(APIC_INIT)); /* edge */
	assert_int_equal(rig.nr_sent, 2);
}

/* "Delivery Status": idle whenever it is read; written bits are dropped. */
static void test_delivery_status_is_idle(void **state)
{
	(void)state;
	put(&rig, LAPIC_ICR_LOW, 0x1099);
	assert_int_equal(get(&rig, LAPIC_ICR_LOW), 0x99);
}

/* "ICR Operation in x2APIC Mode": one 64-bit register with a 32-bit destination. */
static void test_x2apic_icr(void **state)
{
	(void)state;
	enable_x2apic(&rig);
	put_msr(&rig, LAPIC_ICR_LOW, 0xfedcba9800000099ULL | ICR_ASSERT | ICR_LOGICAL);
	assert_int_equal(rig.nr_sent, 1);
	assert_int_equal(rig.sent[0].dest, 0xfedcba98);
	assert_true(rig.sent[0].wide);
	assert_true(rig.sent[0].logical);
	assert_int_equal(rig.sent[0].vector, 0x99);
	assert_true(get_msr(&rig, LAPIC_ICR_LOW) == (0xfedcba9800000099ULL | ICR_ASSERT | ICR_LOGICAL));
	assert_false(lapic_msr_read(&rig.lapic, msr_of(LAPIC_ICR_HIGH), &(uint64_t){ 0 }));
	assert_false(lapic_msr_write(&rig.lapic, msr_of(LAPIC_ICR_HIGH), 0));
}

/* A write that faults has no effect. */
static void test_x2apic_icr_reserved_bits(void **state)
{
	(void)state;
	enable_x2apic(&rig);
	put_msr(&rig, LAPIC_ICR_LOW, 0x100000099ULL);
	for (unsigned int bit = 13; bit < 32; bit++) {
		bool reserved = bit == 13 || bit == 16 || bit == 17 || bit >= 20;
		uint64_t value = 0x200000031ULL | 1ULL << bit;

		assert_int_equal(lapic_msr_write(&rig.lapic, msr_of(LAPIC_ICR_LOW), value), !reserved);
		if (!reserved)
			put_msr(&rig, LAPIC_ICR_LOW, 0x100000099ULL);
		assert_true(get_msr(&rig, LAPIC_ICR_LOW) == 0x100000099ULL);
	}
}

/* "SELF IPI Register": edge-triggered and fixed, to oneself; it writes no other register. */
static void test_self_ipi_register(void **state)
{
	(void)state;
	enable_x2apic(&rig);
	put_msr(&rig, LAPIC_SELF_IPI, 0x77);
	assert_int_equal(rig.nr_sent, 0);
	assert_int_equal(get_msr(&rig, LAPIC_ICR_LOW), 0);
	assert_int_equal(take(&rig), 0x77);
	assert_false(lapic_msr_write(&rig.lapic, msr_of(LAPIC_SELF_IPI), 0x100));
}

/* --- "Determining IPI Destination" --- */

static bool matches(uint32_t dest, bool logical, bool wide)
{
	const struct apic_message msg = { .dest = dest, .logical = logical, .wide = wide };

	return lapic_matches(&rig.lapic, &msg);
}

/* "Physical Destination Mode". */
static void test_physical_destinations(void **state)
{
	(void)state;
	for (uint32_t dest = 0; dest < 256; dest++)
		assert_int_equal(matches(dest, false, false), dest == 5 || dest == 0xff);
	put(&rig, LAPIC_ID, 0x3c000000);
	assert_true(matches(0x3c, false, false));
	assert_false(matches(5, false, false));
}

/* "Logical Destination Mode", flat model: one bit per LAPIC. */
static void test_flat_destinations(void **state)
{
	(void)state;
	for (uint32_t dest = 0; dest < 255; dest++) /* no logical id yet */
		assert_false(matches(dest, true, false));
	put(&rig, LAPIC_LDR, 0x24000000);
	for (uint32_t dest = 0; dest < 256; dest++)
		assert_int_equal(matches(dest, true, false), (dest & 0x24) != 0);
}

/* "Logical Destination Mode", cluster model: four bits of cluster, one bit per LAPIC in it. */
static void test_cluster_destinations(void **state)
{
	(void)state;
	put(&rig, LAPIC_DFR, 0x0fffffff);
	put(&rig, LAPIC_LDR, 0x36000000);
	for (uint32_t dest = 0; dest < 255; dest++)
		assert_int_equal(matches(dest, true, false), dest >> 4 == 3 && (dest & 6));
	assert_true(matches(0xff, true, false)); /* to all, in every model */
}

/* "Logical Destination Mode in x2APIC Mode". */
static void test_x2apic_destinations(void **state)
{
	(void)state;
	lapic_rig_init_at(&rig, 0x123, false, 1000000000, 0);
	enable_x2apic(&rig);
	assert_int_equal(get_msr(&rig, LAPIC_LDR), 0x00120008);
	assert_true(matches(0x123, false, true));
	assert_false(matches(0x23, false, true));
	assert_false(matches(0x01000023, false, true));
	assert_true(matches(0xffffffff, false, true));
	assert_true(matches(0xffffffff, true, true));
	assert_false(matches(0xff, false, true)); /* an id like any other */
	assert_true(matches(0x00120008, true, true));
	assert_true(matches(0x0012ffff, true, true));
	assert_false(matches(0x00120007, true, true));
	assert_false(matches(0x00130008, true, true));
	assert_false(matches(0x00120000, true, true));
}

/* An xAPIC compares 8 bits: no destination of an x2APIC sender beyond them is among its own. */
static void test_wide_destinations_and_xapic(void **state)
{
	(void)state;
	put(&rig, LAPIC_LDR, 0xff000000);
	assert_true(matches(5, false, true));
	assert_false(matches(0x105, false, true));
	assert_false(matches(0x05000000, false, true));
	assert_true(matches(0x20, true, true));
	assert_false(matches(0x120, true, true));
	assert_false(matches(0x00020020, true, true));
	assert_true(matches(0xffffffff, false, true));
}

/* Before it is in x2APIC mode an id that does not fit in 8 bits has no alias there, and can be started. */
static void test_wide_ids_in_xapic_mode(void **state)
{
	static const uint32_t ids[] = { 0xff, 0x100, 0x123, 0x3ff };

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		lapic_rig_init_at(&rig, ids[i], false, 1000000000, 0);
		assert_true(matches(ids[i], false, true));
		for (uint32_t dest = 0; dest < 255; dest++) {
			assert_false(matches(dest, false, false));
			assert_false(matches(dest, false, true));
		}
		assert_true(matches(0xff, false, false)); /* everyone */
		assert_true(matches(0xffffffff, false, true));
		put(&rig, LAPIC_LDR, 0x20000000); /* logical ids are given by software */
		assert_true(matches(0x20, true, false));
	}
}

/* I/O APIC, MSI and an xAPIC's IPIs reach the first cluster, and 255 is an id to an x2APIC. */
static void test_8_bit_destinations_reach_x2apic(void **state)
{
	(void)state;
	enable_x2apic(&rig);
	assert_true(matches(5, false, false));
	assert_false(matches(6, false, false));
	assert_false(matches(0xff, false, false));
	assert_true(matches(0x20, true, false));
	assert_false(matches(0x10, true, false));
	assert_true(matches(0xff, true, false)); /* all of the cluster's lower half */
	lapic_rig_init_at(&rig, 255, false, 1000000000, 0);
	enable_x2apic(&rig);
	assert_true(matches(0xff, false, false));
	lapic_rig_init_at(&rig, 0x12c, false, 1000000000, 0); /* 15 bits from I/O APIC and MSI */
	enable_x2apic(&rig);
	assert_true(matches(0x12c, false, false));
	assert_false(matches(0x2c, false, false));
}

/* --- NMI, INIT, SIPI and what is not there --- */

static void test_nmi_init_and_sipi_are_events(void **state)
{
	uint8_t vector = 0;

	(void)state;
	assert_int_equal(lapic_take_events(&rig.lapic, &vector), 0);
	assert_true(lapic_accept(&rig.lapic, APIC_NMI, 0x33, false));
	assert_int_equal(rig.kicks, 1);
	assert_true(lapic_accept(&rig.lapic, APIC_NMI, 0, false)); /* merges */
	assert_int_equal(lapic_take_events(&rig.lapic, &vector), LAPIC_EVENT_NMI);
	assert_int_equal(lapic_take_events(&rig.lapic, &vector), 0);
	lapic_accept(&rig.lapic, APIC_INIT, 0, false);
	assert_int_equal(lapic_take_events(&rig.lapic, &vector), LAPIC_EVENT_INIT);
	for (unsigned int page = 0; page < 256; page++) {
		lapic_accept(&rig.lapic, APIC_STARTUP, (uint8_t)page, false);
		assert_int_equal(lapic_take_events(&rig.lapic, &vector), LAPIC_EVENT_SIPI);
		assert_int_equal(vector, page);
	}
	assert_int_equal(lapic_pending(&rig.lapic), -1); /* none has to do with the IRR */
}

/* Chapter "Multiple-Processor Management", "MP Initialization Protocol": the second SIPI finds it running. */
static void test_the_first_sipi_starts(void **state)
{
	uint8_t vector = 0;

	(void)state;
	lapic_accept(&rig.lapic, APIC_INIT, 0, false);
	lapic_accept(&rig.lapic, APIC_STARTUP, 0x9a, false);
	lapic_accept(&rig.lapic, APIC_STARTUP, 0x65, false);
	assert_int_equal(lapic_take_events(&rig.lapic, &vector), LAPIC_EVENT_INIT | LAPIC_EVENT_SIPI);
	assert_int_equal(vector, 0x9a);
}

/* An INIT resets the processor: neither an NMI nor a SIPI from before it is kept. */
static void test_init_withdraws_what_came_before(void **state)
{
	uint8_t vector = 0;

	(void)state;
	lapic_accept(&rig.lapic, APIC_STARTUP, 0x10, false);
	lapic_accept(&rig.lapic, APIC_NMI, 0, false);
	lapic_accept(&rig.lapic, APIC_INIT, 0, false);
	assert_int_equal(lapic_take_events(&rig.lapic, &vector), LAPIC_EVENT_INIT);
	lapic_accept(&rig.lapic, APIC_STARTUP, 0x10, false);
	lapic_accept(&rig.lapic, APIC_INIT, 0, false);
	lapic_accept(&rig.lapic, APIC_STARTUP, 0x9a, false);
	assert_int_equal(lapic_take_events(&rig.lapic, &vector), LAPIC_EVENT_INIT | LAPIC_EVENT_SIPI);
	assert_int_equal(vector, 0x9a);
}

static void test_smi_extint_and_reserved_modes_are_ignored(void **state)
{
	static const uint8_t modes[] = { APIC_SMI, APIC_EXTINT, 3 };
	uint8_t vector;

	(void)state;
	for (unsigned int i = 0; i < sizeof(modes); i++)
		assert_false(lapic_accept(&rig.lapic, modes[i], 0x41, false));
	assert_int_equal(rig.kicks, 0);
	assert_int_equal(lapic_take_events(&rig.lapic, &vector), 0);
	assert_int_equal(lapic_pending(&rig.lapic), -1);
	assert_int_equal(errors(&rig), 0);
}

/* --- "Error Handling" --- */

static void test_esr_shows_what_came_up_since_it_was_written(void **state)
{
	(void)state;
	put(&rig, LAPIC_ICR_LOW, 0x05);
	assert_int_equal(get(&rig, LAPIC_ESR), 0);
	put(&rig, LAPIC_ESR, 0xffffffff); /* the value does not matter */
	assert_int_equal(get(&rig, LAPIC_ESR), LAPIC_ESR_SEND_ILLEGAL);
	deliver(&rig, 3);
	assert_int_equal(get(&rig, LAPIC_ESR), LAPIC_ESR_SEND_ILLEGAL);
	assert_int_equal(errors(&rig), LAPIC_ESR_RECV_ILLEGAL);
	assert_int_equal(errors(&rig), 0);
}

/* "Send Illegal Vector": as the result of a write to the ICR. The message goes out all the same. */
static void test_sending_an_illegal_vector(void **state)
{
	(void)state;
	for (uint32_t vector = 0; vector < 17; vector++) {
		uint32_t expected = vector < 16 ? LAPIC_ESR_SEND_ILLEGAL : 0;

		put(&rig, LAPIC_ICR_LOW, vector);
		assert_int_equal(errors(&rig), expected);
		put(&rig, LAPIC_ICR_LOW, vector | ICR_MODE(APIC_LOWEST));
		assert_int_equal(errors(&rig), expected);
		/* An NMI and an INIT have no vector; that of a SIPI is a page. */
		put(&rig, LAPIC_ICR_LOW, vector | ICR_MODE(APIC_NMI));
		put(&rig, LAPIC_ICR_LOW, vector | ICR_MODE(APIC_INIT));
		put(&rig, LAPIC_ICR_LOW, vector | ICR_MODE(APIC_STARTUP));
		assert_int_equal(errors(&rig), 0);
	}
	assert_int_equal(rig.nr_sent, 17 * 5);
}

/* A self IPI is sent and received: both bits. */
static void test_self_ipi_with_an_illegal_vector(void **state)
{
	(void)state;
	enable_x2apic(&rig);
	put_msr(&rig, LAPIC_SELF_IPI, 15);
	put_msr(&rig, LAPIC_ESR, 0);
	assert_int_equal(get_msr(&rig, LAPIC_ESR), LAPIC_ESR_SEND_ILLEGAL | LAPIC_ESR_RECV_ILLEGAL);
	assert_int_equal(lapic_pending(&rig.lapic), -1);
}

static void unmask_error_lvt(uint32_t vector)
{
	put(&rig, LAPIC_LVT_ERROR, vector);
	put(&rig, LAPIC_ESR, 0);
}

static void test_an_error_interrupts(void **state)
{
	uint8_t vector;

	(void)state;
	unmask_error_lvt(0xe0);
	put(&rig, LAPIC_ICR_LOW, 0x05);
	assert_int_equal(take(&rig), 0xe0);
	eoi(&rig);
	errors(&rig);
	rig.kicks = 0;
	deliver(&rig, 3); /* from any thread: the owner hears of it */
	assert_int_equal(rig.kicks, 1);
	assert_int_equal(lapic_take_events(&rig.lapic, &vector), 0);
	assert_int_equal(take(&rig), 0xe0);
}

/* A write of ESR "also rearms the APIC error interrupt triggering mechanism". */
static void test_one_error_interrupt_until_esr_is_written(void **state)
{
	uint8_t vector;

	(void)state;
	unmask_error_lvt(0xe0);
	put(&rig, LAPIC_ICR_LOW, 0x05);
	assert_int_equal(take(&rig), 0xe0);
	eoi(&rig);
	put(&rig, LAPIC_ICR_LOW, 0x06);
	deliver(&rig, 3);
	lapic_take_events(&rig.lapic, &vector);
	assert_int_equal(take(&rig), -1);
	assert_int_equal(errors(&rig), LAPIC_ESR_SEND_ILLEGAL | LAPIC_ESR_RECV_ILLEGAL);
	put(&rig, LAPIC_ICR_LOW, 0x05);
	assert_int_equal(take(&rig), 0xe0);
}

/* Masking "only prevents delivery": errors are recorded all the same. */
static void test_a_masked_error_is_recorded(void **state)
{
	(void)state;
	put(&rig, LAPIC_LVT_ERROR, LAPIC_LVT_MASKED | 0xe0);
	put(&rig, LAPIC_ICR_LOW, 0x05);
	assert_int_equal(take(&rig), -1);
	assert_int_equal(errors(&rig), LAPIC_ESR_SEND_ILLEGAL);
}

/* The error LVT's own vector may be illegal: an error, but not one without end. */
static void test_error_lvt_with_an_illegal_vector(void **state)
{
	(void)state;
	unmask_error_lvt(7);
	put(&rig, LAPIC_ICR_LOW, 0x05);
	assert_int_equal(take(&rig), -1);
	assert_int_equal(errors(&rig), LAPIC_ESR_SEND_ILLEGAL | LAPIC_ESR_RECV_ILLEGAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_icr_says_what_is_sent, setup),
		cmocka_unit_test_setup(test_ipis_are_edges, setup),
		cmocka_unit_test_setup(test_init_level_deassert_is_no_init, setup),
		cmocka_unit_test_setup(test_delivery_status_is_idle, setup),
		cmocka_unit_test_setup(test_x2apic_icr, setup),
		cmocka_unit_test_setup(test_x2apic_icr_reserved_bits, setup),
		cmocka_unit_test_setup(test_self_ipi_register, setup),
		cmocka_unit_test_setup(test_physical_destinations, setup),
		cmocka_unit_test_setup(test_flat_destinations, setup),
		cmocka_unit_test_setup(test_cluster_destinations, setup),
		cmocka_unit_test_setup(test_x2apic_destinations, setup),
		cmocka_unit_test_setup(test_wide_destinations_and_xapic, setup),
		cmocka_unit_test_setup(test_wide_ids_in_xapic_mode, setup),
		cmocka_unit_test_setup(test_8_bit_destinations_reach_x2apic, setup),
		cmocka_unit_test_setup(test_nmi_init_and_sipi_are_events, setup),
		cmocka_unit_test_setup(test_the_first_sipi_starts, setup),
		cmocka_unit_test_setup(test_init_withdraws_what_came_before, setup),
		cmocka_unit_test_setup(test_smi_extint_and_reserved_modes_are_ignored, setup),
		cmocka_unit_test_setup(test_esr_shows_what_came_up_since_it_was_written, setup),
		cmocka_unit_test_setup(test_sending_an_illegal_vector, setup),
		cmocka_unit_test_setup(test_self_ipi_with_an_illegal_vector, setup),
		cmocka_unit_test_setup(test_an_error_interrupts, setup),
		cmocka_unit_test_setup(test_one_error_interrupt_until_esr_is_written, setup),
		cmocka_unit_test_setup(test_a_masked_error_is_recorded, setup),
		cmocka_unit_test_setup(test_error_lvt_with_an_illegal_vector, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
