// SPDX-License-Identifier: BSD-2-Clause
/*
 * The local APIC: what it accepts, in which order it delivers, how interrupts end, what enabling and
 * disabling do. Section titles in quotes are of the Intel SDM, volume 3, chapter "Advanced Programmable
 * Interrupt Controller (APIC)".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/apic_fake.h"

static struct lapic_rig rig;

/* Powered up and software-enabled. */
static int setup(void **state)
{
	(void)state;
	lapic_rig_init(&rig);
	put(&rig, LAPIC_SVR, SVR_ON);
	return 0;
}

/* --- "Interrupt Acceptance for Fixed Interrupts" --- */

static void test_every_legal_vector_goes_through_irr_and_isr(void **state)
{
	(void)state;
	for (unsigned int vector = 16; vector < 256; vector++) {
		assert_true(deliver(&rig, (uint8_t)vector));
		assert_true(in_set(&rig, LAPIC_IRR, vector));
		assert_false(in_set(&rig, LAPIC_ISR, vector));
		assert_int_equal(take(&rig), vector);
		assert_false(in_set(&rig, LAPIC_IRR, vector));
		assert_true(in_set(&rig, LAPIC_ISR, vector));
		eoi(&rig);
		assert_false(in_set(&rig, LAPIC_ISR, vector));
		assert_int_equal(take(&rig), -1);
	}
}

/* "Valid Interrupt Vectors", "Error Handling": 0 to 15 are illegal and never in the IRR. */
static void test_vectors_below_16_are_not_accepted(void **state)
{
	(void)state;
	for (unsigned int vector = 0; vector < 16; vector++) {
		assert_false(deliver(&rig, (uint8_t)vector));
		assert_int_equal(get(&rig, LAPIC_IRR), 0);
		assert_int_equal(lapic_pending(&rig.lapic), -1);
		assert_int_equal(errors(&rig), LAPIC_ESR_RECV_ILLEGAL);
	}
}

/* One of a vector in service and one more pending; further ones merge. */
static void test_at_most_two_of_one_vector(void **state)
{
	(void)state;
	deliver(&rig, 0x41);
	assert_int_equal(take(&rig), 0x41);
	assert_true(deliver(&rig, 0x41));
	assert_true(deliver(&rig, 0x41));
	eoi(&rig);
	assert_int_equal(take(&rig), 0x41);
	eoi(&rig);
	assert_int_equal(take(&rig), -1);
}

static void test_the_processor_is_kicked_for_what_is_new(void **state)
{
	(void)state;
	deliver(&rig, 0x41);
	assert_int_equal(rig.kicks, 1);
	deliver(&rig, 0x42);
	assert_int_equal(rig.kicks, 2);
	take(&rig);
	rig.kicks = 0;
	deliver(&rig, 0x42); /* in service, so this is a new request */
	assert_int_equal(rig.kicks, 1);
}

/* Upon acceptance the TMR bit is cleared for an edge and set for a level. */
static void test_tmr_follows_the_last_trigger_mode(void **state)
{
	(void)state;
	for (unsigned int vector = 16; vector < 256; vector += 13) {
		lapic_accept(&rig.lapic, APIC_FIXED, (uint8_t)vector, true);
		assert_true(in_set(&rig, LAPIC_TMR, vector));
		lapic_accept(&rig.lapic, APIC_FIXED, (uint8_t)vector, false);
		assert_false(in_set(&rig, LAPIC_TMR, vector));
	}
}

/* --- "Task and Processor Priorities" --- */

static void test_the_highest_vector_comes_first(void **state)
{
	static const uint8_t order[] = { 0xfe, 0xf1, 0x80, 0x7f, 0x31, 0x20, 0x10 };

	(void)state;
	for (unsigned int i = 0; i < sizeof(order); i++)
		deliver(&rig, order[(i * 3 + 2) % sizeof(order)]);
	for (unsigned int i = 0; i < sizeof(order); i++) {
		assert_int_equal(take(&rig), order[i]);
		eoi(&rig);
	}
	assert_int_equal(take(&rig), -1);
}

/* A class in service holds back its own class and those below; a higher class interrupts it. */
static void test_nesting_by_class(void **state)
{
	(void)state;
	deliver(&rig, 0x52);
	assert_int_equal(take(&rig), 0x52);
	deliver(&rig, 0x5f);
	deliver(&rig, 0x4f);
	assert_int_equal(take(&rig), -1);
	deliver(&rig, 0x60);
	assert_int_equal(take(&rig), 0x60);
	assert_int_equal(get(&rig, LAPIC_PPR), 0x60);
	eoi(&rig); /* ends 0x60, the highest in service */
	assert_false(in_set(&rig, LAPIC_ISR, 0x60));
	assert_true(in_set(&rig, LAPIC_ISR, 0x52));
	assert_int_equal(get(&rig, LAPIC_PPR), 0x50);
	assert_int_equal(take(&rig), -1);
	eoi(&rig);
	assert_int_equal(take(&rig), 0x5f);
	eoi(&rig);
	assert_int_equal(take(&rig), 0x4f);
	eoi(&rig);
	assert_int_equal(get(&rig, LAPIC_PPR), 0);
}

/*
 * PPR[7:4] is the higher class of TPR and ISRV. PPR[3:0] is TPR[3:0] where the TPR's class is higher
 * and 0 where it is lower; for equal classes the manual allows both.
 */
static void test_ppr_of_every_tpr_and_isrv(void **state)
{
	(void)state;
	for (unsigned int isrv = 0; isrv < 256; isrv += isrv ? 5 : 16) {
		put(&rig, LAPIC_TPR, 0);
		if (isrv) {
			deliver(&rig, (uint8_t)isrv);
			assert_int_equal(take(&rig), isrv);
		}
		for (unsigned int tpr = 0; tpr < 256; tpr++) {
			uint32_t ppr;

			put(&rig, LAPIC_TPR, tpr);
			ppr = get(&rig, LAPIC_PPR);
			assert_int_equal(lapic_priority(&rig.lapic), ppr);
			if (tpr >> 4 > isrv >> 4)
				assert_int_equal(ppr, tpr);
			else if (tpr >> 4 < isrv >> 4)
				assert_int_equal(ppr, isrv & 0xf0);
			else
				assert_true(ppr == (isrv & 0xf0) || ppr == tpr);
		}
		if (isrv)
			eoi(&rig);
	}
}

/* Only vectors of a class above the TPR's are delivered; a TPR of class 15 holds back all. */
static void test_tpr_holds_back_its_class_and_below(void **state)
{
	(void)state;
	for (unsigned int class = 1; class < 16; class ++) {
		uint8_t vector = (uint8_t)(class << 4 | 0xf);

		deliver(&rig, vector);
		for (unsigned int tpr = 0; tpr < 256; tpr++) {
			put(&rig, LAPIC_TPR, tpr);
			assert_int_equal(lapic_pending(&rig.lapic), class > tpr >> 4 ? vector : -1);
		}
		put(&rig, LAPIC_TPR, 0);
		assert_int_equal(take(&rig), vector);
		eoi(&rig);
	}
}

/* "Interaction of Task Priorities between CR8 and APIC". */
static void test_cr8_is_the_upper_half_of_the_tpr(void **state)
{
	(void)state;
	for (unsigned int cr8 = 0; cr8 < 16; cr8++) {
		put(&rig, LAPIC_TPR, 0xaa);
		assert_int_equal(lapic_cr8(&rig.lapic), 0xa);
		lapic_set_cr8(&rig.lapic, (uint8_t)cr8);
		assert_int_equal(lapic_cr8(&rig.lapic), cr8);
		/* MOV to CR8 clears TPR[3:0]; following a CR8 that has not changed does not. */
		assert_int_equal(get(&rig, LAPIC_TPR), cr8 == 0xa ? 0xaa : cr8 << 4);
		assert_int_equal(get(&rig, LAPIC_PPR) & 0xf0, cr8 << 4);
	}
	put(&rig, LAPIC_TPR, 0);
	deliver(&rig, 0x75);
	lapic_set_cr8(&rig.lapic, 7);
	assert_int_equal(take(&rig), -1);
	lapic_set_cr8(&rig.lapic, 6);
	assert_int_equal(take(&rig), 0x75);
}

/* --- "Signaling Interrupt Servicing Completion" --- */

static void test_eoi_of_nothing(void **state)
{
	(void)state;
	eoi(&rig);
	assert_int_equal(rig.nr_ended, 0);
	deliver(&rig, 0x41); /* pending is not in service */
	eoi(&rig);
	assert_int_equal(take(&rig), 0x41);
}

/* The EOI of a level-triggered interrupt goes to all I/O APICs, that of an edge does not. */
static void test_eoi_broadcast_of_levels_only(void **state)
{
	(void)state;
	deliver(&rig, 0x41);
	take(&rig);
	eoi(&rig);
	assert_int_equal(rig.nr_ended, 0);
	lapic_accept(&rig.lapic, APIC_FIXED, 0x41, true);
	take(&rig);
	assert_int_equal(rig.nr_ended, 0);
	eoi(&rig);
	assert_int_equal(rig.nr_ended, 1);
	assert_int_equal(rig.ended[0x41], 1);
}

static void test_eoi_register_of_x2apic(void **state)
{
	(void)state;
	enable_x2apic(&rig);
	lapic_accept(&rig.lapic, APIC_FIXED, 0x41, true);
	take(&rig);
	assert_false(lapic_msr_write(&rig.lapic, msr_of(LAPIC_EOI), 1)); /* only 0 may be written */
	assert_int_equal(rig.nr_ended, 0);
	put_msr(&rig, LAPIC_EOI, 0);
	assert_int_equal(rig.ended[0x41], 1);
	assert_int_equal(get_msr(&rig, LAPIC_ISR + 0x20), 0);
}

/* With SVR bit 12 software ends it at the I/O APIC itself; the version register offers the bit. */
static void test_eoi_broadcast_suppression(void **state)
{
	(void)state;
	assert_true(get(&rig, LAPIC_VERSION) & LAPIC_VERSION_NO_BROADCAST);
	put(&rig, LAPIC_SVR, SVR_ON | LAPIC_SVR_NO_BROADCAST);
	lapic_accept(&rig.lapic, APIC_FIXED, 0x41, true);
	take(&rig);
	eoi(&rig);
	assert_int_equal(rig.nr_ended, 0);
	assert_false(in_set(&rig, LAPIC_ISR, 0x41));
	put(&rig, LAPIC_SVR, SVR_ON);
	lapic_accept(&rig.lapic, APIC_FIXED, 0x41, true);
	take(&rig);
	eoi(&rig);
	assert_int_equal(rig.nr_ended, 1);
}

/* --- "Local APIC State After It Has Been Software Disabled" --- */

static void test_software_disabled_accepts_nothing_new_but_init_nmi_sipi(void **state)
{
	uint8_t vector = 0;

	(void)state;
	put(&rig, LAPIC_SVR, 0xff);
	assert_false(lapic_enabled(&rig.lapic));
	assert_false(deliver(&rig, 0x41));
	assert_false(lapic_accept(&rig.lapic, APIC_LOWEST, 0x41, false));
	assert_false(in_set(&rig, LAPIC_IRR, 0x41));
	assert_int_equal(rig.kicks, 0);
	assert_true(lapic_accept(&rig.lapic, APIC_INIT, 0, false));
	assert_true(lapic_accept(&rig.lapic, APIC_STARTUP, 0x9a, false));
	assert_true(lapic_accept(&rig.lapic, APIC_NMI, 0, false));
	assert_int_equal(lapic_take_events(&rig.lapic, &vector),
			 LAPIC_EVENT_NMI | LAPIC_EVENT_INIT | LAPIC_EVENT_SIPI);
	assert_int_equal(vector, 0x9a);
}

/* What is pending is held for the processor, what is in service can be ended. */
static void test_software_disabled_holds_what_was_accepted(void **state)
{
	(void)state;
	deliver(&rig, 0x41);
	take(&rig);
	deliver(&rig, 0x51);
	put(&rig, LAPIC_SVR, 0xff);
	assert_true(in_set(&rig, LAPIC_IRR, 0x51));
	assert_true(in_set(&rig, LAPIC_ISR, 0x41));
	assert_int_equal(take(&rig), 0x51);
	eoi(&rig);
	eoi(&rig);
	assert_int_equal(get(&rig, LAPIC_PPR), 0);
}

static void test_software_disabled_can_send_ipis(void **state)
{
	(void)state;
	put(&rig, LAPIC_SVR, 0xff);
	put(&rig, LAPIC_ICR_LOW, 0x41 | ICR_SHORT(APIC_OTHERS));
	assert_int_equal(rig.nr_sent, 1);
}

/* --- "Enabling or Disabling the Local APIC" (IA32_APIC_BASE) --- */

static void test_power_up_base(void **state)
{
	(void)state;
	assert_true(lapic_at(&rig.lapic, 0xfee00000));
	assert_true(lapic_at(&rig.lapic, 0xfee00fff));
	assert_false(lapic_at(&rig.lapic, 0xfedfffff));
	assert_false(lapic_at(&rig.lapic, 0xfee01000));
	assert_false(lapic_at(&rig.lapic, 0));
	assert_false(lapic_at(&rig.lapic, UINT64_MAX));
}

/* "Relocating the Local APIC Registers". */
static void test_the_page_moves_with_the_base(void **state)
{
	(void)state;
	lapic_set_base(&rig.lapic, 0x123456789000ULL | APIC_BASE_ENABLE);
	assert_true(lapic_at(&rig.lapic, 0x123456789abcULL));
	assert_false(lapic_at(&rig.lapic, 0xfee00000));
	assert_true(lapic_enabled(&rig.lapic)); /* no state is lost */
	lapic_set_base(&rig.lapic, 0xffffffffff000ULL | APIC_BASE_ENABLE);
	assert_true(lapic_at(&rig.lapic, 0xfffffffffffffULL));
	assert_false(lapic_at(&rig.lapic, 0x10000000000000ULL));
	assert_false(lapic_at(&rig.lapic, 0));
}

/* Globally disabled the processor has no local APIC: nothing arrives, not even an NMI or INIT. */
static void test_globally_disabled_is_not_there(void **state)
{
	uint8_t vector;

	(void)state;
	deliver(&rig, 0x41);
	rig.kicks = 0;
	lapic_set_base(&rig.lapic, LAPIC_BASE_AT_RESET);
	assert_false(lapic_at(&rig.lapic, 0xfee00000));
	assert_false(lapic_enabled(&rig.lapic));
	assert_int_equal(lapic_pending(&rig.lapic), -1);
	assert_false(deliver(&rig, 0x42));
	assert_false(lapic_accept(&rig.lapic, APIC_NMI, 0, false));
	assert_false(lapic_accept(&rig.lapic, APIC_INIT, 0, false));
	assert_false(lapic_accept(&rig.lapic, APIC_STARTUP, 0x9a, false));
	assert_int_equal(rig.kicks, 0);
	assert_int_equal(lapic_take_events(&rig.lapic, &vector), 0);
}

static void test_enabled_again_is_as_after_reset(void **state)
{
	(void)state;
	put(&rig, LAPIC_ID, 0x77000000);
	put(&rig, LAPIC_TPR, 0x30);
	put(&rig, LAPIC_LDR, 0x04000000);
	put(&rig, LAPIC_DFR, 0);
	put(&rig, LAPIC_TIMER_ICR, 1000);
	deliver(&rig, 0x41);
	take(&rig);
	deliver(&rig, 0x51);
	lapic_set_base(&rig.lapic, LAPIC_BASE_AT_RESET);
	lapic_set_base(&rig.lapic, LAPIC_BASE_AT_RESET | APIC_BASE_ENABLE);
	assert_int_equal(get(&rig, LAPIC_ID), 5u << 24);
	assert_int_equal(get(&rig, LAPIC_SVR), 0xff);
	assert_int_equal(get(&rig, LAPIC_TPR), 0);
	assert_int_equal(get(&rig, LAPIC_PPR), 0);
	assert_int_equal(get(&rig, LAPIC_LDR), 0);
	assert_int_equal(get(&rig, LAPIC_DFR), 0xffffffff);
	assert_int_equal(get(&rig, LAPIC_TIMER_ICR), 0);
	for (unsigned int vector = 0; vector < 256; vector++) {
		assert_false(in_set(&rig, LAPIC_IRR, vector));
		assert_false(in_set(&rig, LAPIC_ISR, vector));
		assert_false(in_set(&rig, LAPIC_TMR, vector));
	}
	assert_true(pass(&rig, 1000 * MS) == CLOCK_NEVER);
}

/* --- "Local APIC State After Receiving an INIT" --- */

static void test_init_resets_all_but_the_id_and_the_base(void **state)
{
	(void)state;
	put(&rig, LAPIC_ID, 0x77000000);
	put(&rig, LAPIC_TPR, 0x30);
	put(&rig, LAPIC_LDR, 0x04000000);
	put(&rig, LAPIC_DFR, 0);
	put(&rig, LAPIC_ICR_HIGH, 0x09000000);
	put(&rig, LAPIC_LVT_LINT0, 0x400);
	put(&rig, LAPIC_LVT_TIMER, 0x41);
	put(&rig, LAPIC_TIMER_DCR, 0xb);
	put(&rig, LAPIC_TIMER_ICR, 1000);
	put(&rig, 0x40, 0); /* an error */
	deliver(&rig, 0x41);
	take(&rig);
	lapic_accept(&rig.lapic, APIC_FIXED, 0x51, true);
	lapic_set_base(&rig.lapic, 0x12345000 | APIC_BASE_ENABLE);

	lapic_init_reset(&rig.lapic);
	assert_true(lapic_at(&rig.lapic, 0x12345000));
	assert_int_equal(get(&rig, LAPIC_ID), 0x77000000);
	for (uint32_t offset = LAPIC_TPR; offset < LAPIC_SVR; offset += 16)
		assert_int_equal(get(&rig, offset), offset == LAPIC_DFR ? 0xffffffff : 0);
	assert_int_equal(get(&rig, LAPIC_SVR), 0xff);
	for (uint32_t offset = LAPIC_ISR; offset < LAPIC_ESR; offset += 16)
		assert_int_equal(get(&rig, offset), 0);
	assert_int_equal(errors(&rig), 0);
	assert_int_equal(get(&rig, LAPIC_ICR_LOW), 0);
	assert_int_equal(get(&rig, LAPIC_ICR_HIGH), 0);
	for (uint32_t offset = LAPIC_LVT_TIMER; offset <= LAPIC_LVT_ERROR; offset += 16)
		assert_int_equal(get(&rig, offset), LAPIC_LVT_MASKED);
	assert_int_equal(get(&rig, LAPIC_TIMER_DCR), 0);
	assert_int_equal(get(&rig, LAPIC_TIMER_ICR), 0);
	assert_int_equal(get(&rig, LAPIC_TIMER_CCR), 0);
	assert_true(pass(&rig, 1000 * MS) == CLOCK_NEVER);
	assert_int_equal(lapic_pending(&rig.lapic), -1);
}

/* "x2APIC State Transitions": INIT in x2APIC mode stays there, with the ids. */
static void test_init_in_x2apic_mode_keeps_the_mode(void **state)
{
	(void)state;
	lapic_rig_init_at(&rig, 0x123, false, 1000000000, 0);
	enable_x2apic(&rig);
	put_msr(&rig, LAPIC_SVR, SVR_ON);
	lapic_init_reset(&rig.lapic);
	assert_int_equal(get_msr(&rig, LAPIC_ID), 0x123);
	assert_int_equal(get_msr(&rig, LAPIC_LDR), 0x12u << 16 | 1u << 3);
	assert_int_equal(get_msr(&rig, LAPIC_SVR), 0xff);
}

/* "x2APIC State Transitions": going from xAPIC to x2APIC keeps the state but for the ids. */
static void test_xapic_to_x2apic_keeps_the_state(void **state)
{
	(void)state;
	put(&rig, LAPIC_ID, 0x77000000); /* the x2APIC id is not software's to choose */
	put(&rig, LAPIC_LDR, 0x80000000);
	put(&rig, LAPIC_TPR, 0x20);
	put(&rig, LAPIC_LVT_TIMER, 0x61);
	put(&rig, LAPIC_TIMER_ICR, 1000);
	deliver(&rig, 0x41);
	take(&rig);
	deliver(&rig, 0x51);
	enable_x2apic(&rig);
	assert_false(lapic_at(&rig.lapic, 0xfee00000));
	assert_int_equal(get_msr(&rig, LAPIC_ID), 5);
	assert_int_equal(get_msr(&rig, LAPIC_LDR), 1u << 5);
	assert_int_equal(get_msr(&rig, LAPIC_TPR), 0x20);
	assert_int_equal(get_msr(&rig, LAPIC_PPR), 0x40);
	assert_int_equal(get_msr(&rig, LAPIC_SVR), SVR_ON);
	assert_int_equal(get_msr(&rig, LAPIC_LVT_TIMER), 0x61);
	assert_int_equal(get_msr(&rig, LAPIC_ISR + 0x20), 1u << 1);
	assert_int_equal(get_msr(&rig, LAPIC_IRR + 0x20), 1u << 17);
	pass(&rig, 2000);
	assert_int_equal(take(&rig), 0x61);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_every_legal_vector_goes_through_irr_and_isr, setup),
		cmocka_unit_test_setup(test_vectors_below_16_are_not_accepted, setup),
		cmocka_unit_test_setup(test_at_most_two_of_one_vector, setup),
		cmocka_unit_test_setup(test_the_processor_is_kicked_for_what_is_new, setup),
		cmocka_unit_test_setup(test_tmr_follows_the_last_trigger_mode, setup),
		cmocka_unit_test_setup(test_the_highest_vector_comes_first, setup),
		cmocka_unit_test_setup(test_nesting_by_class, setup),
		cmocka_unit_test_setup(test_ppr_of_every_tpr_and_isrv, setup),
		cmocka_unit_test_setup(test_tpr_holds_back_its_class_and_below, setup),
		cmocka_unit_test_setup(test_cr8_is_the_upper_half_of_the_tpr, setup),
		cmocka_unit_test_setup(test_eoi_of_nothing, setup),
		cmocka_unit_test_setup(test_eoi_broadcast_of_levels_only, setup),
		cmocka_unit_test_setup(test_eoi_register_of_x2apic, setup),
		cmocka_unit_test_setup(test_eoi_broadcast_suppression, setup),
		cmocka_unit_test_setup(test_software_disabled_accepts_nothing_new_but_init_nmi_sipi, setup),
		cmocka_unit_test_setup(test_software_disabled_holds_what_was_accepted, setup),
		cmocka_unit_test_setup(test_software_disabled_can_send_ipis, setup),
		cmocka_unit_test_setup(test_power_up_base, setup),
		cmocka_unit_test_setup(test_the_page_moves_with_the_base, setup),
		cmocka_unit_test_setup(test_globally_disabled_is_not_there, setup),
		cmocka_unit_test_setup(test_enabled_again_is_as_after_reset, setup),
		cmocka_unit_test_setup(test_init_resets_all_but_the_id_and_the_base, setup),
		cmocka_unit_test_setup(test_init_in_x2apic_mode_keeps_the_mode, setup),
		cmocka_unit_test_setup(test_xapic_to_x2apic_keeps_the_state, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
