// SPDX-License-Identifier: BSD-2-Clause
/*
 * The local APIC's timer against the Intel SDM, volume 3, chapter "Advanced Programmable Interrupt
 * Controller (APIC)", sections "APIC Timer" and "TSC-Deadline Mode". Times come from their words: a
 * count of n ends n * divisor ticks after it was written, not a nanosecond earlier.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/apic_fake.h"

#define ONESHOT  0u
#define PERIODIC (1u << 17)
#define DEADLINE (2u << 17)

#define VECTOR 0xec

/* "Divide Configuration Register": the divisors in the order of bits 3, 1 and 0. */
static const struct {
	uint32_t dcr, divisor;
} divides[] = { { 0x0, 2 },  { 0x1, 4 },  { 0x2, 8 },   { 0x3, 16 },
		{ 0x8, 32 }, { 0x9, 64 }, { 0xa, 128 }, { 0xb, 1 } };

#define NR_DIVIDES    (sizeof(divides) / sizeof(divides[0]))
#define DIVIDE_BY_1   0xb
#define DIVIDE_BY_2   0x0
#define DIVIDE_BY_128 0xa

static struct lapic_rig rig;

/* Enabled, divisor 1, the timer's LVT in `mode`; the timer's clock at `hz`, the TSC at `khz`. */
static void start_at(uint32_t hz, uint32_t khz, uint32_t mode)
{
	lapic_rig_init_at(&rig, 5, false, hz, khz);
	put(&rig, LAPIC_SVR, SVR_ON);
	put(&rig, LAPIC_TIMER_DCR, DIVIDE_BY_1);
	put(&rig, LAPIC_LVT_TIMER, mode | VECTOR);
}

static void start(uint32_t mode)
{
	start_at(1000000000, 2000000, mode);
}

/* Nanoseconds that `ticks` of a clock of `hz` take, whole ones. */
static uint64_t ns_of(uint64_t ticks, uint32_t hz)
{
	return (uint64_t)(((unsigned __int128)ticks * NSEC_PER_SEC + hz - 1) / hz);
}

/* True if the timer's interrupt was pending; it is taken and ended. */
static bool interrupted(void)
{
	int vector = take(&rig);

	if (vector < 0)
		return false;
	assert_int_equal(vector, VECTOR);
	eoi(&rig);
	return true;
}

static bool interrupts_after(uint64_t ns)
{
	pass(&rig, ns);
	return interrupted();
}

/* --- one-shot --- */

static void test_one_shot_with_every_divisor_and_rate(void **state)
{
	static const uint32_t rates[] = { 1000000000, 325000000, 333333333, 24000000, 1000003, 1 };
	static const uint32_t counts[] = { 1, 2, 1000, 123457, 0x7fffffff };

	(void)state;
	for (unsigned int i = 0; i < NR_DIVIDES * 6 * 5; i++) {
		uint32_t hz = rates[i % 6], count = counts[i / 6 % 5], divide = i / 30;
		uint64_t ns = ns_of((uint64_t)count * divides[divide].divisor, hz);

		if (hz == 1 && count > 123457)
			continue; /* test_a_count_beyond_the_clock() */
		start_at(hz, 0, ONESHOT);
		put(&rig, LAPIC_TIMER_DCR, divides[divide].dcr);
		put(&rig, LAPIC_TIMER_ICR, count);
		assert_true(lapic_run_timer(&rig.lapic) == rig.clock.monotonic + ns);
		assert_false(interrupts_after(ns - 1));
		assert_true(interrupts_after(1));
		assert_int_equal(get(&rig, LAPIC_TIMER_CCR), 0);
		assert_true(lapic_run_timer(&rig.lapic) == CLOCK_NEVER); /* once */
		assert_false(interrupts_after(2 * ns));
		assert_int_equal(get(&rig, LAPIC_TIMER_ICR), count);
	}
}

/* The current count begins at the initial count and goes down by one each divided tick, to 0. */
static void test_the_current_count_goes_down(void **state)
{
	(void)state;
	start(ONESHOT);
	put(&rig, LAPIC_TIMER_DCR, DIVIDE_BY_128);
	put(&rig, LAPIC_TIMER_ICR, 1000);
	assert_int_equal(get(&rig, LAPIC_TIMER_CCR), 1000);
	for (uint32_t gone = 0; gone < 1000; gone++) {
		assert_int_equal(get(&rig, LAPIC_TIMER_CCR), 1000 - gone);
		fake_clock_step(&rig.clock, 127);
		assert_int_equal(get(&rig, LAPIC_TIMER_CCR), 1000 - gone);
		fake_clock_step(&rig.clock, 1);
	}
	assert_int_equal(get(&rig, LAPIC_TIMER_CCR), 0); /* before the owner has looked, too */
	lapic_run_timer(&rig.lapic);
	assert_true(interrupted());
	put(&rig, LAPIC_TIMER_CCR, 77); /* read-only */
	assert_int_equal(get(&rig, LAPIC_TIMER_CCR), 0);
}

/* A write of the initial count starts the count anew; one of 0 stops the timer. */
static void test_writing_the_initial_count(void **state)
{
	(void)state;
	for (uint32_t mode = ONESHOT; mode <= PERIODIC; mode += PERIODIC) {
		start(mode);
		put(&rig, LAPIC_TIMER_ICR, 100000);
		assert_false(interrupts_after(99999));
		put(&rig, LAPIC_TIMER_ICR, 200000);
		assert_int_equal(get(&rig, LAPIC_TIMER_CCR), 200000);
		assert_false(interrupts_after(199999));
		put(&rig, LAPIC_TIMER_ICR, 0);
		assert_int_equal(get(&rig, LAPIC_TIMER_CCR), 0);
		assert_true(pass(&rig, 1000 * MS) == CLOCK_NEVER);
		assert_false(interrupted());
	}
}

/* An expiry is not undone by what the guest writes before anybody has looked. */
static void test_an_expiry_before_a_new_count_is_kept(void **state)
{
	(void)state;
	start(ONESHOT);
	put(&rig, LAPIC_TIMER_ICR, 1000);
	fake_clock_step(&rig.clock, 1000);
	put(&rig, LAPIC_TIMER_ICR, 5000);
	assert_true(interrupted());
	assert_false(interrupts_after(4999));
	assert_true(interrupts_after(1));
}

/* --- periodic --- */

/* The count is reloaded when it ends: the n-th expiry is at n whole periods. */
static void test_periodic_does_not_drift(void **state)
{
	uint32_t hz = 333333333, count = 1000, divisor = 64;
	uint64_t began;

	(void)state;
	start_at(hz, 0, PERIODIC);
	put(&rig, LAPIC_TIMER_DCR, 0x9);
	put(&rig, LAPIC_TIMER_ICR, count);
	began = rig.clock.monotonic;
	for (uint64_t n = 1; n <= 100000; n++) {
		uint64_t due = began + ns_of(n * count * divisor, hz);

		assert_true(lapic_run_timer(&rig.lapic) == due);
		assert_false(interrupts_after(due - 1 - rig.clock.monotonic));
		/* Looked at late, by up to half a period: the next one is not. */
		assert_true(interrupts_after(1 + n % 7 * 13000));
	}
}

/* Periods missed while nobody looked are one interrupt, and the phase is kept. */
static void test_missed_periods_merge(void **state)
{
	(void)state;
	start(PERIODIC);
	put(&rig, LAPIC_TIMER_ICR, 100000);
	assert_true(interrupts_after(12345 * 100000ULL + 40000));
	assert_false(interrupts_after(59999));
	assert_true(interrupts_after(1));
}

static void test_the_current_count_is_reloaded(void **state)
{
	(void)state;
	start(PERIODIC);
	put(&rig, LAPIC_TIMER_ICR, 100000);
	for (unsigned int period = 0; period < 5; period++) {
		/* Whether the owner has looked or not. */
		assert_int_equal(get(&rig, LAPIC_TIMER_CCR), 100000);
		if (period & 1)
			lapic_run_timer(&rig.lapic);
		fake_clock_step(&rig.clock, 99999);
		assert_int_equal(get(&rig, LAPIC_TIMER_CCR), 1);
		fake_clock_step(&rig.clock, 1);
	}
}

/* A period so short that the vCPU would do nothing else is stretched; the count stays in range. */
static void test_the_shortest_period(void **state)
{
	static const uint32_t rates[] = { 1000000000, 325000000, 19999 };

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t last, next;

		start_at(rates[i], 0, PERIODIC);
		put(&rig, LAPIC_TIMER_ICR, 1);
		last = rig.clock.monotonic;
		for (unsigned int n = 0; n < 100; n++) {
			assert_in_range(get(&rig, LAPIC_TIMER_CCR), 0, 1);
			next = lapic_run_timer(&rig.lapic);
			assert_true(next - last >= LAPIC_MIN_PERIOD_NS - 1);
			assert_true(next - last <= LAPIC_MIN_PERIOD_NS + ns_of(1, rates[i]));
			assert_true(interrupts_after(next - rig.clock.monotonic));
			last = next;
		}
	}
	start(PERIODIC);
	put(&rig, LAPIC_TIMER_ICR, LAPIC_MIN_PERIOD_NS);
	assert_true(interrupts_after(LAPIC_MIN_PERIOD_NS));
	assert_false(interrupts_after(LAPIC_MIN_PERIOD_NS - 1));
	assert_true(interrupts_after(1));
}

/* --- the LVT: masks, modes, vectors --- */

/* A masked timer counts on; what expires while it is masked is not made up for. */
static void test_the_mask_counts_at_expiry(void **state)
{
	(void)state;
	for (uint32_t mode = ONESHOT; mode <= PERIODIC; mode += PERIODIC) {
		start(mode | LAPIC_LVT_MASKED);
		put(&rig, LAPIC_TIMER_ICR, 100000);
		assert_true(lapic_run_timer(&rig.lapic) == CLOCK_NEVER); /* it wakes nobody */
		fake_clock_step(&rig.clock, 60000);
		assert_int_equal(get(&rig, LAPIC_TIMER_CCR), 40000);
		fake_clock_step(&rig.clock, 40000);
		put(&rig, LAPIC_LVT_TIMER, mode | VECTOR);
		lapic_run_timer(&rig.lapic);
		assert_false(interrupted());
		assert_int_equal(interrupts_after(100000), mode == PERIODIC);
	}
	/* And the other way round: it came before the mask did. */
	start(ONESHOT);
	put(&rig, LAPIC_TIMER_ICR, 1000);
	fake_clock_step(&rig.clock, 1000);
	put(&rig, LAPIC_LVT_TIMER, LAPIC_LVT_MASKED | VECTOR);
	assert_true(interrupted());
}

/* "Local APIC State After It Has Been Software Disabled": the LVT is masked. */
static void test_software_disabling_masks_the_timer(void **state)
{
	(void)state;
	start(PERIODIC);
	put(&rig, LAPIC_TIMER_ICR, 100000);
	put(&rig, LAPIC_SVR, 0xff);
	assert_true(pass(&rig, 150000) == CLOCK_NEVER);
	put(&rig, LAPIC_LVT_TIMER, PERIODIC | VECTOR); /* the mask cannot be cleared now */
	assert_int_equal(get(&rig, LAPIC_LVT_TIMER), LAPIC_LVT_MASKED | PERIODIC | VECTOR);
	put(&rig, LAPIC_SVR, SVR_ON);
	assert_false(interrupted());
	put(&rig, LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	assert_false(interrupts_after(49999));
	assert_true(interrupts_after(1));
	/* What came due before is held for the processor, even if nobody had looked yet. */
	fake_clock_step(&rig.clock, 100000);
	put(&rig, LAPIC_SVR, 0xff);
	assert_true(interrupted());
}

/* "Error Handling": an illegal vector from the LVT is a Receive Illegal Vector error. */
static void test_illegal_timer_vector(void **state)
{
	(void)state;
	start(ONESHOT);
	put(&rig, LAPIC_LVT_TIMER, 15);
	put(&rig, LAPIC_TIMER_ICR, 1000);
	assert_int_equal(errors(&rig), 0);
	assert_false(interrupts_after(1000));
	assert_int_equal(errors(&rig), LAPIC_ESR_RECV_ILLEGAL);
}

/* One-shot and periodic share one count: changing between them does not restart it. */
static void test_one_shot_to_periodic_and_back(void **state)
{
	(void)state;
	start(ONESHOT);
	put(&rig, LAPIC_TIMER_ICR, 100000);
	assert_false(interrupts_after(30000));
	put(&rig, LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	assert_int_equal(get(&rig, LAPIC_TIMER_CCR), 70000);
	assert_true(interrupts_after(70000));
	assert_true(interrupts_after(100000));
	pass(&rig, 30000);
	put(&rig, LAPIC_LVT_TIMER, ONESHOT | VECTOR);
	assert_int_equal(get(&rig, LAPIC_TIMER_CCR), 70000);
	assert_true(interrupts_after(70000));
	assert_false(interrupts_after(1000 * MS));
	/* A count that has run out stays at 0 until it is written. */
	put(&rig, LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	assert_true(pass(&rig, 1000 * MS) == CLOCK_NEVER);
	assert_false(interrupted());
}

/* The count goes on at the new rate from where it was. */
static void test_changing_the_divisor_while_running(void **state)
{
	(void)state;
	for (uint32_t mode = ONESHOT; mode <= PERIODIC; mode += PERIODIC) {
		start(mode);
		put(&rig, LAPIC_TIMER_ICR, 100000);
		pass(&rig, 60000);
		put(&rig, LAPIC_TIMER_DCR, DIVIDE_BY_2);
		assert_int_equal(get(&rig, LAPIC_TIMER_CCR), 40000);
		assert_false(interrupts_after(79999));
		assert_true(interrupts_after(1));
		assert_false(interrupts_after(199999));
		assert_int_equal(interrupts_after(1), mode == PERIODIC);
	}
	start(ONESHOT);
	put(&rig, LAPIC_TIMER_DCR, DIVIDE_BY_2); /* nothing runs: nothing starts */
	assert_true(lapic_run_timer(&rig.lapic) == CLOCK_NEVER);
}

/* --- extremes --- */

/* The longest count of the slowest clock: 2^32 * 128 s are more ns than 64 bits hold. */
static void test_a_count_beyond_the_clock(void **state)
{
	uint64_t next;

	(void)state;
	for (uint32_t mode = ONESHOT; mode <= PERIODIC; mode += PERIODIC) {
		start_at(1, 0, mode);
		put(&rig, LAPIC_TIMER_DCR, DIVIDE_BY_128);
		put(&rig, LAPIC_TIMER_ICR, 0xffffffff);
		assert_int_equal(get(&rig, LAPIC_TIMER_CCR), 0xffffffff);
		next = lapic_run_timer(&rig.lapic);
		assert_true(next > 1ULL << 63 && next != CLOCK_NEVER);
		for (unsigned int century = 1; century <= 5; century++) {
			rig.clock.monotonic += 3155760000ULL * NSEC_PER_SEC;
			assert_false(interrupts_after(0));
			assert_int_equal(get(&rig, LAPIC_TIMER_CCR),
					 0xffffffff - century * 3155760000ULL / 128);
		}
	}
	start_at(1000000000, 0, PERIODIC);
	put(&rig, LAPIC_TIMER_DCR, DIVIDE_BY_128);
	put(&rig, LAPIC_TIMER_ICR, 0xffffffff);
	assert_false(interrupts_after(0xffffffffULL * 128 - 1));
	assert_true(interrupts_after(1));
	assert_true(interrupts_after(0xffffffffULL * 128 * 1000000));
}

/* --- TSC-deadline mode --- */

static void arm_tsc(uint64_t value)
{
	assert_true(lapic_msr_write(&rig.lapic, LAPIC_MSR_TSC_DEADLINE, value));
}

static uint64_t armed_tsc(void)
{
	uint64_t value;

	assert_true(lapic_msr_read(&rig.lapic, LAPIC_MSR_TSC_DEADLINE, &value));
	return value;
}

static void test_tsc_deadline(void **state)
{
	(void)state;
	start(DEADLINE);
	rig.tsc = 1000000000000ULL;
	arm_tsc(rig.tsc + 2000001); /* 1 ms and half a ns at 2 GHz */
	assert_true(armed_tsc() == 1000002000001ULL);
	assert_false(interrupts_after(MS));
	assert_true(interrupts_after(1));
	assert_true(armed_tsc() == 0); /* disarmed by firing */
	assert_true(pass(&rig, 1000 * MS) == CLOCK_NEVER);
	assert_false(interrupted());
}

/* A thread that stands still for two seconds, of the four to the deadline, leaves two. */
static void test_tsc_deadline_is_not_early(void **state)
{
	(void)state;
	start(DEADLINE);
	rig.tsc_takes = 2000 * MS;
	arm_tsc(rig.tsc + 8000000000);
	assert_false(interrupts_after(2000 * MS - 1));
	assert_true(interrupts_after(1));
}

static void test_tsc_deadline_in_the_past_fires_at_once(void **state)
{
	(void)state;
	start(DEADLINE);
	rig.tsc = 1000;
	arm_tsc(1000);
	assert_true(interrupts_after(0));
	arm_tsc(1);
	assert_true(interrupts_after(0));
	assert_true(armed_tsc() == 0);
}

static void test_tsc_deadline_of_zero_disarms(void **state)
{
	(void)state;
	start(DEADLINE);
	arm_tsc(1000000);
	arm_tsc(0);
	assert_true(armed_tsc() == 0);
	assert_true(pass(&rig, 1000 * MS) == CLOCK_NEVER);
	assert_false(interrupted());
}

static void test_a_new_tsc_deadline_replaces_the_old(void **state)
{
	(void)state;
	start(DEADLINE);
	arm_tsc(2000000);
	arm_tsc(6000000);
	assert_false(interrupts_after(3 * MS - 1));
	assert_true(interrupts_after(1));
}

/* Writes of the initial count are ignored, the current count is 0. */
static void test_counts_in_tsc_deadline_mode(void **state)
{
	(void)state;
	start(DEADLINE);
	put(&rig, LAPIC_TIMER_ICR, 1000);
	assert_int_equal(get(&rig, LAPIC_TIMER_ICR), 0);
	arm_tsc(2000000);
	put(&rig, LAPIC_TIMER_DCR, DIVIDE_BY_128); /* has no meaning here */
	put(&rig, LAPIC_TIMER_ICR, 0);
	assert_int_equal(get(&rig, LAPIC_TIMER_CCR), 0);
	assert_true(armed_tsc() == 2000000);
	assert_true(interrupts_after(MS));
}

/* In the other modes the MSR reads 0 and ignores writes. */
static void test_the_msr_in_other_modes(void **state)
{
	(void)state;
	for (uint32_t mode = ONESHOT; mode <= PERIODIC; mode += PERIODIC) {
		start(mode);
		arm_tsc(1);
		assert_true(armed_tsc() == 0);
		assert_true(lapic_run_timer(&rig.lapic) == CLOCK_NEVER);
		put(&rig, LAPIC_TIMER_ICR, 100000);
		arm_tsc(1);
		arm_tsc(0);
		assert_false(interrupts_after(99999));
		assert_true(interrupts_after(1));
	}
}

/* Going to TSC-deadline mode and from it disarms what was running. */
static void test_mode_changes_disarm(void **state)
{
	(void)state;
	start(ONESHOT);
	put(&rig, LAPIC_TIMER_ICR, 1000);
	put(&rig, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	assert_true(lapic_run_timer(&rig.lapic) == CLOCK_NEVER);
	arm_tsc(2000000);
	put(&rig, LAPIC_LVT_TIMER, DEADLINE | LAPIC_LVT_MASKED | VECTOR); /* no change of mode */
	put(&rig, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	assert_true(armed_tsc() == 2000000);
	put(&rig, LAPIC_LVT_TIMER, PERIODIC | VECTOR);
	assert_true(armed_tsc() == 0);
	assert_true(pass(&rig, 1000 * MS) == CLOCK_NEVER);
	assert_false(interrupted());
	put(&rig, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	assert_true(armed_tsc() == 0);
}

static void test_masked_tsc_deadline_passes_unseen(void **state)
{
	(void)state;
	start(DEADLINE | LAPIC_LVT_MASKED);
	arm_tsc(2000000);
	assert_true(lapic_run_timer(&rig.lapic) == CLOCK_NEVER);
	assert_true(armed_tsc() == 2000000);
	fake_clock_step(&rig.clock, MS);
	assert_true(armed_tsc() == 0); /* though nobody has looked at the timer in between */
	put(&rig, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	assert_false(interrupts_after(1000 * MS));
}

static void test_tsc_deadline_that_never_comes(void **state)
{
	uint64_t next;

	(void)state;
	start_at(1000000000, 1, DEADLINE); /* the slowest TSC: 2^64 * 1 ms */
	arm_tsc(UINT64_MAX);
	next = lapic_run_timer(&rig.lapic);
	assert_true(next > 1ULL << 63 && next != CLOCK_NEVER);
	rig.clock.monotonic = 1ULL << 63;
	assert_false(interrupts_after(0));
	assert_true(armed_tsc() == UINT64_MAX);
	start_at(1000000000, UINT32_MAX, DEADLINE);
	arm_tsc(UINT64_MAX); /* (2^64 - 1) / (2^32 - 1) = 2^32 + 1 ms */
	assert_false(interrupts_after(4294967297ULL * MS - 1));
	assert_true(interrupts_after(1));
}

/* Without TSC-deadline mode (CPUID.1:ECX[24]) there is no such MSR, and the mode bit is reserved. */
static void test_without_tsc_deadline_mode(void **state)
{
	uint64_t value;

	(void)state;
	start_at(1000000000, 0, ONESHOT);
	assert_false(lapic_msr_read(&rig.lapic, LAPIC_MSR_TSC_DEADLINE, &value));
	assert_false(lapic_msr_write(&rig.lapic, LAPIC_MSR_TSC_DEADLINE, 0));
	put(&rig, LAPIC_LVT_TIMER, DEADLINE | VECTOR);
	assert_int_equal(get(&rig, LAPIC_LVT_TIMER), VECTOR);
	enable_x2apic(&rig);
	assert_false(lapic_msr_write(&rig.lapic, msr_of(LAPIC_LVT_TIMER), DEADLINE | VECTOR));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_shot_with_every_divisor_and_rate),
		cmocka_unit_test(test_the_current_count_goes_down),
		cmocka_unit_test(test_writing_the_initial_count),
		cmocka_unit_test(test_an_expiry_before_a_new_count_is_kept),
		cmocka_unit_test(test_periodic_does_not_drift),
		cmocka_unit_test(test_missed_periods_merge),
		cmocka_unit_test(test_the_current_count_is_reloaded),
		cmocka_unit_test(test_the_shortest_period),
		cmocka_unit_test(test_the_mask_counts_at_expiry),
		cmocka_unit_test(test_software_disabling_masks_the_timer),
		cmocka_unit_test(test_illegal_timer_vector),
		cmocka_unit_test(test_one_shot_to_periodic_and_back),
		cmocka_unit_test(test_changing_the_divisor_while_running),
		cmocka_unit_test(test_a_count_beyond_the_clock),
		cmocka_unit_test(test_tsc_deadline),
		cmocka_unit_test(test_tsc_deadline_is_not_early),
		cmocka_unit_test(test_tsc_deadline_in_the_past_fires_at_once),
		cmocka_unit_test(test_tsc_deadline_of_zero_disarms),
		cmocka_unit_test(test_a_new_tsc_deadline_replaces_the_old),
		cmocka_unit_test(test_counts_in_tsc_deadline_mode),
		cmocka_unit_test(test_the_msr_in_other_modes),
		cmocka_unit_test(test_mode_changes_disarm),
		cmocka_unit_test(test_masked_tsc_deadline_passes_unseen),
		cmocka_unit_test(test_tsc_deadline_that_never_comes),
		cmocka_unit_test(test_without_tsc_deadline_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
