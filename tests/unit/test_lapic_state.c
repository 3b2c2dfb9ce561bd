// SPDX-License-Identifier: BSD-2-Clause
/*
 * A local APIC's saved state: what a round trip keeps, and what no LAPIC can have been in, which is refused
 * with the field named and leaves the LAPIC as it was.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/apic_fake.h"

static struct lapic_rig rig, other;

static int setup(void **state)
{
	(void)state;
	lapic_rig_init(&rig);
	lapic_rig_init(&other);
	put(&rig, LAPIC_SVR, SVR_ON);
	return 0;
}

/* Saves `rig` and loads it into `other`, as a new process would. */
static void move(void)
{
	struct lapic_state state;
	struct err err;

	lapic_save(&rig.lapic, &state);
	assert_int_equal(lapic_load(&other.lapic, &state, &err), 0);
}

/* --- round trips --- */

static void test_nested_interrupts(void **state)
{
	(void)state;
	deliver(&rig, 0x51);
	assert_int_equal(take(&rig), 0x51);
	lapic_accept(&rig.lapic, APIC_FIXED, 0x82, true);
	assert_int_equal(take(&rig), 0x82);
	deliver(&rig, 0x53);
	deliver(&rig, 0x61);
	put(&rig, LAPIC_TPR, 0x24);
	lapic_accept(&rig.lapic, APIC_NMI, 0, false);
	move();

	assert_int_equal(get(&other, LAPIC_PPR), 0x80);
	assert_int_equal(take(&other), -1);
	eoi(&other);
	assert_int_equal(other.ended[0x82], 1);
	assert_int_equal(take(&other), 0x61);
	eoi(&other);
	assert_int_equal(other.nr_ended, 1);
	assert_int_equal(take(&other), -1); /* 0x51 is in service: its class waits */
	eoi(&other);
	assert_int_equal(take(&other), 0x53);
	assert_int_equal(get(&other, LAPIC_TPR), 0x24);
}

static void test_events_errors_and_pins(void **state)
{
	uint8_t vector = 0;

	(void)state;
	put(&rig, LAPIC_LVT_LINT0, 0x8044); /* level-triggered */
	lapic_set_lint(&rig.lapic, 0, true);
	lapic_accept(&rig.lapic, APIC_STARTUP, 0x9a, false);
	deliver(&rig, 3); /* an illegal vector */
	move();

	assert_int_equal(lapic_take_events(&other.lapic, &vector), LAPIC_EVENT_SIPI);
	assert_int_equal(vector, 0x9a);
	assert_int_equal(errors(&other), LAPIC_ESR_RECV_ILLEGAL);
	assert_int_equal(take(&other), 0x44);
	eoi(&other);
	assert_int_equal(take(&other), 0x44); /* still asserted */
	lapic_set_lint(&other.lapic, 0, false);
	eoi(&other);
	assert_int_equal(take(&other), -1);
}

static void test_one_shot_timer_goes_on(void **state)
{
	(void)state;
	put(&rig, LAPIC_TIMER_DCR, 0xb);
	put(&rig, LAPIC_LVT_TIMER, 0x40);
	put(&rig, LAPIC_TIMER_ICR, 1000000);
	pass(&rig, 400000);
	fake_clock_step(&other.clock, 77 * MS); /* another host's clock */
	move();

	assert_int_equal(get(&other, LAPIC_TIMER_CCR), 600000);
	pass(&other, 599999);
	assert_int_equal(take(&other), -1);
	pass(&other, 1);
	assert_int_equal(take(&other), 0x40);
	assert_int_equal(get(&other, LAPIC_TIMER_CCR), 0);
}

static void test_periodic_timer_keeps_its_phase(void **state)
{
	(void)state;
	put(&rig, LAPIC_TIMER_DCR, 0xb);
	put(&rig, LAPIC_LVT_TIMER, 0x20040);
	put(&rig, LAPIC_TIMER_ICR, 1000000);
	pass(&rig, 1250000);
	assert_int_equal(take(&rig), 0x40);
	eoi(&rig);
	move();
	for (unsigned int i = 0; i < 5; i++) {
		pass(&other, i ? 999999 : 749999);
		assert_int_equal(take(&other), -1);
		pass(&other, 1);
		assert_int_equal(take(&other), 0x40);
		eoi(&other);
	}
}

static void test_what_is_due_is_saved_as_an_interrupt(void **state)
{
	(void)state;
	put(&rig, LAPIC_TIMER_DCR, 0xb);
	put(&rig, LAPIC_LVT_TIMER, 0x40);
	put(&rig, LAPIC_TIMER_ICR, 1000);
	fake_clock_step(&rig.clock, 5000);
	move();
	assert_int_equal(take(&other), 0x40);
}

static void test_tsc_deadline_goes_by_the_tsc(void **state)
{
	(void)state;
	rig.tsc = other.tsc = 1000000;
	put(&rig, LAPIC_LVT_TIMER, 0x40040);
	assert_true(lapic_msr_write(&rig.lapic, LAPIC_MSR_TSC_DEADLINE, 3000000));
	move();
	/* 2,000,000 ticks at 2 GHz */
	pass(&other, 999999);
	assert_int_equal(take(&other), -1);
	pass(&other, 1);
	assert_int_equal(take(&other), 0x40);
}

static void test_x2apic_mode(void **state)
{
	(void)state;
	enable_x2apic(&rig);
	put_msr(&rig, LAPIC_ICR_LOW, 0x1234567800000041);
	move();
	assert_int_equal(get_msr(&other, LAPIC_ID), 5);
	assert_int_equal(get_msr(&other, LAPIC_LDR), 1 << 5);
	assert_int_equal(get_msr(&other, LAPIC_ICR_LOW), 0x1234567800000041);
	assert_false(lapic_at(&other.lapic, LAPIC_BASE_AT_RESET));
}

/* --- what is refused --- */

static struct lapic_state before;

/* A state that the LAPIC can be in, to be spoiled. */
static struct lapic_state good(void)
{
	lapic_save(&rig.lapic, &before);
	return before;
}

static void refuse(const struct lapic_state *state, const char *part)
{
	struct lapic_state after;
	struct err err;

	assert_int_equal(lapic_load(&rig.lapic, state, &err), -EINVAL);
	if (!strstr(err.text, part))
		fail_msg("\"%s\" does not say \"%s\"", err.text, part);
	lapic_save(&rig.lapic, &after);
	assert_memory_equal(&before, &after, sizeof(after));
}

#define REFUSE(part, ...)                      \
	do {                                   \
		struct lapic_state s = good(); \
		__VA_ARGS__;                   \
		refuse(&s, part);              \
	} while (0)

#define REG(offset) s.reg[(offset) >> 4]

static void test_another_lapics_state_is_refused(void **state)
{
	(void)state;
	REFUSE("version 3", s.version = 3);
	REFUSE("version 1", s.version = 1);
	REFUSE("version 0", s.version = 0);
	REFUSE("APIC id 6", s.id = 6);
	REFUSE("7 Hz", s.timer_hz = 7);
}

static void test_impossible_bits_are_refused(void **state)
{
	(void)state;
	REFUSE("IA32_APIC_BASE", s.base |= APIC_BASE_X2APIC, s.base &= ~(uint64_t)APIC_BASE_ENABLE);
	REFUSE("IA32_APIC_BASE", s.base |= 1);
	REFUSE("IA32_APIC_BASE", s.base |= 1ULL << 63);
	REFUSE("pending events", s.events |= 1u << 20);
	REFUSE("set of errors", s.errors |= 1);
	REFUSE("local pins", s.lint |= 4);
}

static void test_impossible_registers_are_refused(void **state)
{
	(void)state;
	REFUSE("register 0x020", REG(LAPIC_ID) |= 1);
	REFUSE("register 0x030", REG(LAPIC_VERSION) = 0x15);
	REFUSE("register 0x080", REG(LAPIC_TPR) = 0x100);
	REFUSE("register 0x0a0", REG(LAPIC_PPR) = 0x40);
	REFUSE("register 0x0b0", REG(LAPIC_EOI) = 1);
	REFUSE("register 0x0e0", REG(LAPIC_DFR) = 0xf0000000);
	REFUSE("register 0x0f0", REG(LAPIC_SVR) |= 1u << 10);
	REFUSE("register 0x100", REG(LAPIC_ISR) = 1u << 15);
	REFUSE("register 0x180", REG(LAPIC_TMR) = 1);
	REFUSE("register 0x200", REG(LAPIC_IRR) = 1u << 3);
	REFUSE("register 0x280", REG(LAPIC_ESR) = 1);
	REFUSE("register 0x310", REG(LAPIC_ICR_HIGH) = 1);
	REFUSE("register 0x340", REG(LAPIC_LVT_PERF) |= 1u << 13);
	REFUSE("register 0x350", REG(LAPIC_LVT_LINT0) |= 1u << 14); /* remote IRR of an edge */
	REFUSE("register 0x360", REG(LAPIC_LVT_LINT1) |= 1u << 15 | 1u << 14);
	REFUSE("register 0x390", REG(LAPIC_TIMER_CCR) = 1);
	REFUSE("register 0x3f0", REG(LAPIC_SELF_IPI) = 0x41);
	REFUSE("register 0x000 (absent)", s.reg[0] = 1);
	/* Disabled by the SVR, every entry is masked. */
	REFUSE("register 0x370", REG(LAPIC_SVR) = 0xff, REG(LAPIC_LVT_ERROR) = 0x41);
}

static void test_x2apic_ids_are_derived(void **state)
{
	(void)state;
	enable_x2apic(&rig);
	REFUSE("register 0x020", REG(LAPIC_ID) = 6);
	REFUSE("register 0x0d0", REG(LAPIC_LDR) = 1);
}

static void test_impossible_timers_are_refused(void **state)
{
	(void)state;
	put(&rig, LAPIC_TIMER_ICR, 1000000);
	REFUSE("timer's count", s.ticks_left = 1000001);
	REFUSE("last tick", s.tick_ns = 129 * NSEC_PER_SEC);
	REFUSE("TSC deadline", s.tsc_deadline = 1);
	REFUSE("timer's count", REG(LAPIC_TIMER_ICR) = 0);
	put(&rig, LAPIC_LVT_TIMER, 0x40040);
	REFUSE("timer's count", s.ticks_left = 5);
}

/* TSC-deadline mode where it is not offered. */
static void test_no_deadline_mode(void **state)
{
	(void)state;
	lapic_rig_init_at(&rig, 5, false, 1000000000, 0);
	put(&rig, LAPIC_SVR, SVR_ON);
	REFUSE("register 0x320", REG(LAPIC_LVT_TIMER) = 0x40040);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nested_interrupts, setup),
		cmocka_unit_test_setup(test_events_errors_and_pins, setup),
		cmocka_unit_test_setup(test_one_shot_timer_goes_on, setup),
		cmocka_unit_test_setup(test_periodic_timer_keeps_its_phase, setup),
		cmocka_unit_test_setup(test_what_is_due_is_saved_as_an_interrupt, setup),
		cmocka_unit_test_setup(test_tsc_deadline_goes_by_the_tsc, setup),
		cmocka_unit_test_setup(test_x2apic_mode, setup),
		cmocka_unit_test_setup(test_another_lapics_state_is_refused, setup),
		cmocka_unit_test_setup(test_impossible_bits_are_refused, setup),
		cmocka_unit_test_setup(test_impossible_registers_are_refused, setup),
		cmocka_unit_test_setup(test_x2apic_ids_are_derived, setup),
		cmocka_unit_test_setup(test_impossible_timers_are_refused, setup),
		cmocka_unit_test_setup(test_no_deadline_mode, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
