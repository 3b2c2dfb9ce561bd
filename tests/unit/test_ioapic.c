// SPDX-License-Identifier: BSD-2-Clause
/*
 * The I/O APIC against the Intel 82093AA data sheet (section titles in quotes are its own) and, for the
 * EOI register, Intel's I/O Controller Hub data sheets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/ioapic.h"
#include "tests/unit/fake.h"

#define ID       7u
#define GSI_BASE 48u

#define REG_ID  0u
#define REG_VER 1u
#define REG_ARB 2u
#define REG_RTE 0x10u

#define LOGICAL    0x0800u
#define LOW_ACTIVE 0x2000u
#define REMOTE_IRR 0x4000u
#define LEVEL      0x8000u
#define MASKED     0x10000u
#define MODE(mode) ((uint32_t)(mode) << 8)

#define WINDOW 0x10
#define EOI    0x40

static struct rig rig;
static struct apic_message sent; /* the last one */
static unsigned int nr_sent;
static bool accepted; /* whether a LAPIC takes the next ones */

static bool take_message(void *ctx, const struct apic_message *msg)
{
	assert_ptr_equal(ctx, &rig);
	sent = *msg;
	nr_sent++;
	return accepted;
}

/* What each pin sends, as it was last told. */
static struct apic_message route[24];
static bool routed[24];
static unsigned int nr_routed;

static void take_route(void *ctx, uint32_t gsi, const struct apic_message *msg)
{
	assert_ptr_equal(ctx, &rig);
	assert_in_range(gsi, GSI_BASE, GSI_BASE + 23);
	routed[gsi - GSI_BASE] = msg != NULL;
	if (msg)
		route[gsi - GSI_BASE] = *msg;
	nr_routed++;
}

static void connect_to(bool (*deliver)(void *ctx, const struct apic_message *msg))
{
	const struct ioapic_desc place = { .id = ID, .gsi_base = GSI_BASE };
	const struct ioapic_bus bus = { .deliver = deliver, .routed = take_route, .ctx = &rig };

	ioapic_connect(rig.dev, &place, &bus);
}

static int setup(void **state)
{
	*state = &rig;
	memset(routed, 0, sizeof(routed));
	nr_routed = 0;
	rig_init(&rig);
	rig_plug(&rig, &ioapic_class, 0xfec00000, IOAPIC_WINDOW, 0);
	connect_to(take_message);
	nr_sent = 0;
	accepted = true;
	return 0;
}

static uint32_t get(uint32_t reg)
{
	rig_write(&rig, 0, 4, reg);
	return (uint32_t)rig_read(&rig, WINDOW, 4);
}

static void put(uint32_t reg, uint32_t value)
{
	rig_write(&rig, 0, 4, reg);
	rig_write(&rig, WINDOW, 4, value);
}

static uint32_t entry(unsigned int pin)
{
	return get(REG_RTE + 2 * pin);
}

static void set_entry(unsigned int pin, uint32_t low)
{
	put(REG_RTE + 2 * pin, low);
}

static void line(unsigned int pin, bool level)
{
	ioapic_set_line(rig.dev, pin, level);
}

static void pulse(unsigned int pin)
{
	line(pin, true);
	line(pin, false);
}

static void eoi(uint8_t vector)
{
	ioapic_eoi(rig.dev, vector);
}

/* --- registers --- */

/* "I/O APIC Registers": id, version 0x20 with 24 entries, all masked. */
static void test_reset_values(void **state)
{
	(void)state;
	assert_int_equal(rig_read(&rig, 0, 4), 0);
	assert_int_equal(get(REG_ID), ID << 24);
	assert_int_equal(get(REG_VER), 0x00170020);
	assert_int_equal(get(REG_ARB), ID << 24);
	for (unsigned int pin = 0; pin < 24; pin++) {
		assert_int_equal(entry(pin), MASKED);
		assert_int_equal(get(REG_RTE + 2 * pin + 1), 0);
	}
}

/* "I/O Register Select Register": 8 bits; what it selected is read back. */
static void test_register_select(void **state)
{
	(void)state;
	rig_write(&rig, 0, 4, 0xabcdef01);
	assert_int_equal(rig_read(&rig, 0, 4), 1);
	assert_int_equal(rig_read(&rig, WINDOW, 4), 0x00170020);
	rig_write(&rig, 0, 1, REG_ID);
	assert_int_equal(rig_read(&rig, WINDOW, 4), ID << 24);
}

static void test_id_is_writable_version_and_arbitration_are_not(void **state)
{
	(void)state;
	put(REG_ID, 0x05ffffff);
	assert_int_equal(get(REG_ID), 0x05000000);
	assert_int_equal(get(REG_ARB), 0x05000000); /* follows the id */
	put(REG_ID, 0xf9000000);                    /* "I/O APIC Identification Register": bits 27:24 */
	assert_int_equal(get(REG_ID), 0x09000000);
	put(REG_ID, 0x05000000);
	put(REG_VER, 0);
	put(REG_ARB, 0);
	assert_int_equal(get(REG_VER), 0x00170020);
	assert_int_equal(get(REG_ARB), 0x05000000);
}

/*
 * "I/O Redirection Table Registers": delivery status and remote IRR are read-only, 55:17 reserved. Of
 * these, 55:49 are more bits of the destination (Linux, "KVM CPUID bits", KVM_FEATURE_MSI_EXT_DEST_ID).
 */
static void test_entry_bits(void **state)
{
	(void)state;
	for (unsigned int pin = 0; pin < 24; pin++) {
		put(REG_RTE + 2 * pin, 0xffffffff);
		put(REG_RTE + 2 * pin + 1, 0xffffffff);
	}
	for (unsigned int pin = 0; pin < 24; pin++) {
		assert_int_equal(entry(pin), 0x0001afff);
		assert_int_equal(get(REG_RTE + 2 * pin + 1), 0xfffe0000);
		put(REG_RTE + 2 * pin, MASKED | pin);
		assert_int_equal(entry(pin), MASKED | pin);
		assert_int_equal(get(REG_RTE + 2 * pin + 1), 0xfffe0000); /* the other half stays */
	}
}

static void test_absent_registers_do_nothing(void **state)
{
	(void)state;
	for (uint32_t reg = 0; reg < 256; reg++)
		if (reg > REG_ARB && (reg < REG_RTE || reg >= REG_RTE + 48))
			put(reg, 0x12345678);
	rig_write(&rig, 0, 4, 0);
	test_reset_values(state);
}

/* "I/O APIC Registers": by 32-bit loads and stores only. */
static void test_dword_accesses_only(void **state)
{
	static const unsigned int sizes[] = { 1, 2, 8 };

	(void)state;
	rig_write(&rig, 0, 4, REG_RTE);
	for (unsigned int i = 0; i < 3; i++) {
		assert_true(rig_read(&rig, 0, sizes[i]) == rig_unclaimed(sizes[i]));
		assert_true(rig_read(&rig, WINDOW, sizes[i]) == rig_unclaimed(sizes[i]));
		rig_write(&rig, WINDOW, sizes[i], 0x99);
		assert_int_equal(rig_read(&rig, WINDOW, 4), MASKED);
	}
	assert_true(rig_read(&rig, EOI, 4) == rig_unclaimed(4)); /* write-only */
	assert_true(rig_read(&rig, 0xffc, 4) == rig_unclaimed(4));
}

/* --- what is sent --- */

static void test_the_message_is_what_the_entry_says(void **state)
{
	static const uint8_t modes[] = { APIC_FIXED, APIC_LOWEST };

	(void)state;
	for (unsigned int i = 0; i < 8; i++) {
		uint32_t logical = i & 1 ? LOGICAL : 0, level = i & 2 ? LEVEL : 0, mode = modes[i >> 2];

		put(REG_RTE + 2 * 9 + 1, 0x3c000000);
		set_entry(9, 0x71 | logical | level | MODE(mode) | LOW_ACTIVE);
		pulse(9);
		assert_int_equal(nr_sent, i + 1);
		assert_int_equal(sent.dest, 0x3c);
		assert_int_equal(sent.logical, logical != 0);
		assert_false(sent.wide);
		assert_int_equal(sent.level, level != 0);
		assert_int_equal(sent.delivery, mode);
		assert_int_equal(sent.vector, 0x71);
		assert_int_equal(sent.shorthand, APIC_DEST_FIELD);
		eoi(0x71);
	}
}

static void test_lines_that_do_not_exist(void **state)
{
	(void)state;
	for (unsigned int pin = 0; pin < 24; pin++)
		set_entry(pin, 0x71);
	line(24, true);
	line(32, true);
	line(UINT32_MAX, true);
	assert_int_equal(nr_sent, 0);
}

static void test_each_pin_has_its_entry(void **state)
{
	(void)state;
	for (unsigned int pin = 0; pin < 24; pin++)
		set_entry(pin, 0x80 + pin);
	for (unsigned int pin = 0; pin < 24; pin++) {
		line(pin, true);
		assert_int_equal(nr_sent, pin + 1);
		assert_int_equal(sent.vector, 0x80 + pin);
	}
}

/* --- edge-triggered --- */

static void test_an_edge_is_one_message(void **state)
{
	(void)state;
	set_entry(3, 0x71);
	line(3, true);
	assert_int_equal(nr_sent, 1);
	line(3, true);
	line(3, false);
	line(3, false);
	assert_int_equal(nr_sent, 1);
	line(3, true);
	assert_int_equal(nr_sent, 2);
	assert_int_equal(entry(3), 0x71); /* no remote IRR */
	eoi(0x71);
	assert_int_equal(nr_sent, 2); /* an EOI repeats no edge */
}

/* "Interrupt Mask": an edge on a masked pin is neither delivered nor held pending. */
static void test_an_edge_on_a_masked_pin_is_lost(void **state)
{
	(void)state;
	set_entry(3, MASKED | 0x71);
	line(3, true);
	set_entry(3, 0x71);
	assert_int_equal(nr_sent, 0);
	line(3, false);
	line(3, true);
	assert_int_equal(nr_sent, 1);
}

/* --- level-triggered --- */

/* "Remote IRR" is set when a LAPIC accepts, and cleared by the EOI. */
static void test_a_level_is_held_back_until_its_eoi(void **state)
{
	(void)state;
	set_entry(3, LEVEL | 0x71);
	line(3, true);
	assert_int_equal(nr_sent, 1);
	assert_int_equal(entry(3), LEVEL | REMOTE_IRR | 0x71);
	line(3, false);
	line(3, true);
	assert_int_equal(nr_sent, 1);
	line(3, false);
	assert_int_equal(entry(3), LEVEL | REMOTE_IRR | 0x71);
	eoi(0x71);
	assert_int_equal(entry(3), LEVEL | 0x71);
	assert_int_equal(nr_sent, 1);
}

static void test_a_level_still_up_at_its_eoi_comes_again(void **state)
{
	(void)state;
	set_entry(3, LEVEL | 0x71);
	line(3, true);
	for (unsigned int i = 2; i < 10; i++) {
		eoi(0x71);
		assert_int_equal(nr_sent, i);
		assert_int_equal(entry(3), LEVEL | REMOTE_IRR | 0x71);
	}
}

/* Masked, a level has no effect and is not remembered; unmasked, it counts if it is there. */
static void test_masking_a_level(void **state)
{
	(void)state;
	set_entry(3, LEVEL | MASKED | 0x71);
	line(3, true);
	line(3, false);
	set_entry(3, LEVEL | 0x71);
	assert_int_equal(nr_sent, 0);
	set_entry(3, LEVEL | MASKED | 0x71);
	line(3, true);
	assert_int_equal(nr_sent, 0);
	set_entry(3, LEVEL | 0x71);
	assert_int_equal(nr_sent, 1);
}

/* "Interrupt Mask": once an interrupt is accepted, masking has no effect on it. */
static void test_masking_while_in_service(void **state)
{
	(void)state;
	set_entry(3, LEVEL | 0x71);
	line(3, true);
	set_entry(3, LEVEL | MASKED | 0x71);
	assert_int_equal(entry(3), LEVEL | MASKED | REMOTE_IRR | 0x71);
	set_entry(3, LEVEL | 0x71); /* still in service: not a second time */
	assert_int_equal(nr_sent, 1);
	set_entry(3, LEVEL | MASKED | 0x71);
	eoi(0x71);
	assert_int_equal(entry(3), LEVEL | MASKED | 0x71);
	assert_int_equal(nr_sent, 1);
	set_entry(3, LEVEL | 0x71);
	assert_int_equal(nr_sent, 2);
}

/* An EOI ends every level-triggered entry of its vector, and no other. */
static void test_eoi_is_by_vector(void **state)
{
	(void)state;
	set_entry(3, LEVEL | 0x71);
	set_entry(4, LEVEL | 0x71);
	set_entry(5, LEVEL | 0x72);
	for (unsigned int pin = 3; pin <= 5; pin++)
		pulse(pin);
	eoi(0x70);
	eoi(0);
	for (unsigned int pin = 3; pin <= 5; pin++)
		assert_true(entry(pin) & REMOTE_IRR);
	eoi(0x71);
	assert_false(entry(3) & REMOTE_IRR);
	assert_false(entry(4) & REMOTE_IRR);
	assert_true(entry(5) & REMOTE_IRR);
	assert_int_equal(nr_sent, 3);
}

/* The EOI register of version 0x20, for guests that suppress the LAPIC's broadcast. */
static void test_eoi_register(void **state)
{
	(void)state;
	set_entry(3, LEVEL | 0x71);
	set_entry(4, LEVEL | 0x72);
	line(3, true);
	pulse(4);
	rig_write(&rig, EOI, 1, 0x72);
	assert_true(entry(4) & REMOTE_IRR); /* not a dword */
	rig_write(&rig, EOI, 4, 0xffffff72);
	assert_false(entry(4) & REMOTE_IRR);
	rig_write(&rig, EOI, 4, 0x71);
	assert_int_equal(nr_sent, 3);
	assert_int_equal(entry(3), LEVEL | REMOTE_IRR | 0x71);
}

/* Kernels end a level whose EOI got lost by making its entry edge-triggered and level-triggered again. */
static void test_the_way_over_edge_clears_remote_irr(void **state)
{
	(void)state;
	set_entry(3, LEVEL | 0x71);
	line(3, true);
	set_entry(3, MASKED | 0x71);
	assert_int_equal(entry(3), MASKED | 0x71);
	set_entry(3, LEVEL | MASKED | 0x71);
	assert_int_equal(nr_sent, 1);
	set_entry(3, LEVEL | 0x71);
	assert_int_equal(nr_sent, 2);
}

static void test_remote_irr_cannot_be_written(void **state)
{
	(void)state;
	set_entry(3, LEVEL | REMOTE_IRR | 0x71);
	assert_int_equal(entry(3), LEVEL | 0x71);
	line(3, true);
	set_entry(3, LEVEL | 0x71);
	assert_int_equal(entry(3), LEVEL | REMOTE_IRR | 0x71);
}

/* What no LAPIC accepted will not be ended: it is tried again at the next occasion. */
static void test_a_level_nobody_takes_is_not_stuck(void **state)
{
	(void)state;
	accepted = false;
	set_entry(3, LEVEL | 0x71);
	line(3, true);
	assert_int_equal(nr_sent, 1);
	assert_int_equal(entry(3), LEVEL | 0x71);
	accepted = true;
	put(REG_RTE + 2 * 3 + 1, 0x01000000); /* a destination that is there */
	assert_int_equal(nr_sent, 2);
	assert_int_equal(entry(3), LEVEL | REMOTE_IRR | 0x71);
}

/* "Delivery Mode": SMI, NMI, INIT and ExtINT are edges even if programmed as levels. No EOI ends them. */
static void test_modes_without_a_vector_are_edges(void **state)
{
	static const uint8_t modes[] = { APIC_SMI, APIC_NMI, APIC_INIT, APIC_EXTINT };

	(void)state;
	for (unsigned int i = 0; i < sizeof(modes); i++) {
		nr_sent = 0;
		set_entry(3, LEVEL | MODE(modes[i]));
		line(3, true);
		assert_int_equal(nr_sent, 1);
		assert_int_equal(sent.delivery, modes[i]);
		assert_false(sent.level);
		assert_int_equal(entry(3), LEVEL | MODE(modes[i]));
		set_entry(3, LEVEL | MODE(modes[i])); /* up, but no new edge */
		line(3, false);
		assert_int_equal(nr_sent, 1);
		line(3, true);
		assert_int_equal(nr_sent, 2);
		line(3, false);
	}
}

/* Codes 3 and 6 are reserved: they must not become anything, least of all a startup IPI. */
static void test_reserved_modes_send_nothing(void **state)
{
	(void)state;
	for (uint32_t mode = 3; mode <= 6; mode += 3) {
		set_entry(3, 0x71 | MODE(mode));
		pulse(3);
		set_entry(4, LEVEL | 0x71 | MODE(mode));
		line(4, true);
		assert_int_equal(entry(4), LEVEL | 0x71 | MODE(mode));
		line(4, false);
	}
	assert_int_equal(nr_sent, 0);
	assert_int_equal(nr_routed, 0);
}

static void test_extended_destinations(void **state)
{
	(void)state;
	put(REG_RTE + 2 * 9 + 1, 0x3c000000 | 0x55 << 17 | 1 << 16);
	set_entry(9, 0x71);
	pulse(9);
	assert_int_equal(sent.dest, 0x553c);
	assert_false(sent.wide); /* 15 bits are not 32 */
	assert_int_equal(get(REG_RTE + 2 * 9 + 1), 0x3c000000 | 0x55 << 17);
}

/* --- what the bus is told --- */

static void test_routes_follow_the_entries(void **state)
{
	(void)state;
	put(REG_RTE + 2 * 9 + 1, 0x3c000000);
	set_entry(9, MASKED | 0x71);
	assert_int_equal(nr_routed, 0); /* masked: nothing yet */
	set_entry(9, LEVEL | LOGICAL | MODE(APIC_LOWEST) | 0x71);
	assert_int_equal(nr_routed, 1);
	assert_true(routed[9] && route[9].level && route[9].logical);
	assert_int_equal(route[9].dest, 0x3c);
	assert_int_equal(route[9].delivery, APIC_LOWEST);
	assert_int_equal(route[9].vector, 0x71);
	set_entry(9, LEVEL | LOGICAL | MODE(APIC_LOWEST) | LOW_ACTIVE | 0x71);
	assert_int_equal(nr_routed, 1); /* polarity changes no message */
	put(REG_RTE + 2 * 9 + 1, 0x3d000000);
	assert_int_equal(nr_routed, 2);
	assert_int_equal(route[9].dest, 0x3d);
	set_entry(9, 0x71);
	assert_false(route[9].level || route[9].logical);
	set_entry(9, MASKED | 0x71);
	assert_int_equal(nr_routed, 4);
	assert_false(routed[9]);
	assert_int_equal(nr_sent, 0);
}

/* An entry that is masked while its EOI is awaited still says which vector that is. */
static void test_a_route_lasts_until_its_eoi(void **state)
{
	(void)state;
	set_entry(3, LEVEL | 0x71);
	line(3, true);
	set_entry(3, LEVEL | MASKED | 0x71);
	assert_int_equal(nr_routed, 1);
	assert_true(routed[3]);
	eoi(0x71);
	assert_int_equal(nr_routed, 2);
	assert_false(routed[3]);
}

static bool take_message_by_route(void *ctx, const struct apic_message *msg)
{
	assert_true(routed[3]);
	assert_int_equal(route[3].vector, msg->vector);
	return take_message(ctx, msg);
}

/* The route is known before anything takes it. */
static void test_routes_come_first(void **state)
{
	(void)state;
	connect_to(take_message_by_route);
	line(3, true);
	set_entry(3, LEVEL | 0x71);
	set_entry(3, LEVEL | MASKED | 0x71);
	eoi(0x71);
	set_entry(3, LEVEL | 0x72);
	assert_int_equal(nr_sent, 2);
}

/* Before it is connected there is nobody to take anything. */
static void test_unconnected(void **state)
{
	(void)state;
	connect_to(NULL);
	set_entry(3, LEVEL | 0x71);
	set_entry(4, 0x72);
	line(3, true);
	line(4, true);
	assert_int_equal(entry(3), LEVEL | 0x71);
}

/* What the mask bit says, of pins that exist. */
static void test_says_what_is_unmasked(void **state)
{
	(void)state;
	for (unsigned int pin = 0; pin < 24; pin++) {
		assert_false(ioapic_unmasked(rig.dev, pin)); /* as after reset */
		set_entry(pin, 0x30 + pin);
		assert_true(ioapic_unmasked(rig.dev, pin));
		set_entry(pin, MASKED | (0x30 + pin));
		assert_false(ioapic_unmasked(rig.dev, pin));
	}
	set_entry(5, LEVEL | 0x35);
	assert_true(ioapic_unmasked(rig.dev, 5));
	assert_false(ioapic_unmasked(rig.dev, 24));
	assert_false(ioapic_unmasked(rig.dev, UINT32_MAX));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reset_values),
		TEST(test_register_select),
		TEST(test_id_is_writable_version_and_arbitration_are_not),
		TEST(test_entry_bits),
		TEST(test_absent_registers_do_nothing),
		TEST(test_dword_accesses_only),
		TEST(test_the_message_is_what_the_entry_says),
		TEST(test_lines_that_do_not_exist),
		TEST(test_each_pin_has_its_entry),
		TEST(test_an_edge_is_one_message),
		TEST(test_an_edge_on_a_masked_pin_is_lost),
		TEST(test_a_level_is_held_back_until_its_eoi),
		TEST(test_a_level_still_up_at_its_eoi_comes_again),
		TEST(test_masking_a_level),
		TEST(test_masking_while_in_service),
		TEST(test_eoi_is_by_vector),
		TEST(test_eoi_register),
		TEST(test_the_way_over_edge_clears_remote_irr),
		TEST(test_remote_irr_cannot_be_written),
		TEST(test_a_level_nobody_takes_is_not_stuck),
		TEST(test_modes_without_a_vector_are_edges),
		TEST(test_reserved_modes_send_nothing),
		TEST(test_extended_destinations),
		TEST(test_routes_follow_the_entries),
		TEST(test_a_route_lasts_until_its_eoi),
		TEST(test_routes_come_first),
		TEST(test_says_what_is_unmasked),
		TEST(test_unconnected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
