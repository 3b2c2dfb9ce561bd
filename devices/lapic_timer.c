// SPDX-License-Identifier: BSD-2-Clause
/*
 * The local APIC's timer (Intel SDM volume 3, section "APIC Timer"). Kept as a deadline on the
 * monotonic clock; the current count is derived from it. The owner calls lapic_run_timer() when
 * the deadline may have come, and before anything that depends on it.
 */
#include "devices/lapic.h"
#include "devices/lapic_internal.h"
#include "kvm/log.h"

typedef unsigned __int128 uint128;

static enum lapic_timer_mode timer_mode(uint32_t lvt)
{
	return (enum lapic_timer_mode)(lvt >> 17 & 3);
}

/* Bits 3, 1 and 0 of the divide configuration: 000 is 2, ..., 110 is 128, 111 is 1. */
static uint32_t divisor(const struct lapic *lapic)
{
	uint32_t dcr = lapic_get(lapic, LAPIC_TIMER_DCR);
	uint32_t code = (dcr & 3) | (dcr >> 1 & 4);

	return code == 7 ? 1 : 2u << code;
}

/* Never early: rounds up. At most 2^32 * 128 ticks of a clock of at least 1 Hz: fits 64 bits. */
static uint64_t ticks_to_ns(const struct lapic *lapic, uint64_t ticks)
{
	uint128 n = (uint128)ticks * divisor(lapic) * NSEC_PER_SEC;

	return (uint64_t)((n + lapic->timer_hz - 1) / lapic->timer_hz);
}

static uint64_t ns_to_ticks(const struct lapic *lapic, uint64_t ns)
{
	return (uint64_t)((uint128)ns * lapic->timer_hz / ((uint128)divisor(lapic) * NSEC_PER_SEC));
}

void lapic_timer_stop(struct lapic *lapic)
{
	lapic->timer = (struct lapic_timer){ .deadline = CLOCK_NEVER };
}

/* Sets the period from the initial count, and the deadline `remaining` ticks from now. */
static void arm(struct lapic *lapic, uint32_t initial, uint64_t remaining)
{
	lapic->timer.period = ticks_to_ns(lapic, initial);
	if (timer_mode(lapic_get(lapic, LAPIC_LVT_TIMER)) == LAPIC_TIMER_PERIODIC &&
	    lapic->timer.period < LAPIC_MIN_PERIOD_NS) {
		log_debug_once("a LAPIC timer period of %llu ns was asked for; using %d ns",
			       (unsigned long long)lapic->timer.period, LAPIC_MIN_PERIOD_NS);
		lapic->timer.period = LAPIC_MIN_PERIOD_NS;
	}
	lapic->timer.deadline = clock_monotonic(lapic->clock) + ticks_to_ns(lapic, remaining);
}

void lapic_timer_start(struct lapic *lapic, uint32_t count)
{
	/* In TSC-deadline mode writes to the initial-count register are ignored. */
	if (timer_mode(lapic_get(lapic, LAPIC_LVT_TIMER)) == LAPIC_TIMER_DEADLINE)
		return;

	lapic_run_timer(lapic);
	lapic_set(lapic, LAPIC_TIMER_ICR, count);
	lapic_timer_stop(lapic);
	if (count)
		arm(lapic, count, count);
}

uint32_t lapic_timer_count(const struct lapic *lapic)
{
	const struct lapic_timer *t = &lapic->timer;
	uint32_t lvt = lapic_get(lapic, LAPIC_LVT_TIMER);
	uint64_t now = clock_monotonic(lapic->clock);
	uint64_t left, ticks, initial = lapic_get(lapic, LAPIC_TIMER_ICR);

	if (t->deadline == CLOCK_NEVER || timer_mode(lvt) == LAPIC_TIMER_DEADLINE)
		return 0;
	if (t->deadline > now)
		left = t->deadline - now;
	else if (timer_mode(lvt) == LAPIC_TIMER_PERIODIC)
		left = t->period - (now - t->deadline) % t->period; /* an expiry not yet dealt with */
	else
		return 0;
	ticks = ns_to_ticks(lapic, left);
	return (uint32_t)(ticks < initial ? ticks : initial);
}

void lapic_timer_set_lvt(struct lapic *lapic, uint32_t value)
{
	enum lapic_timer_mode old = timer_mode(lapic_get(lapic, LAPIC_LVT_TIMER));
	enum lapic_timer_mode mode = timer_mode(value);

	/* What came due so far is judged by the mask as it was. */
	lapic_run_timer(lapic);

	/* Going to or from TSC-deadline mode disarms; one-shot and periodic share one count. */
	if (mode != old && (mode == LAPIC_TIMER_DEADLINE || old == LAPIC_TIMER_DEADLINE)) {
		lapic_timer_stop(lapic);
		lapic_set(lapic, LAPIC_TIMER_ICR, 0);
	}
	lapic_set(lapic, LAPIC_LVT_TIMER, value);

	/* One-shot periods may be shorter than periodic ones: judge anew what is running. */
	if (mode != old && mode == LAPIC_TIMER_PERIODIC && lapic->timer.deadline != CLOCK_NEVER)
		arm(lapic, lapic_get(lapic, LAPIC_TIMER_ICR), lapic_timer_count(lapic));
}

void lapic_timer_set_divide(struct lapic *lapic, uint32_t value)
{
	uint32_t left;

	lapic_run_timer(lapic);
	left = lapic_timer_count(lapic);
	lapic_set(lapic, LAPIC_TIMER_DCR, value);

	/* The count goes on from where it is, at the new rate. */
	if (lapic->timer.deadline != CLOCK_NEVER &&
	    timer_mode(lapic_get(lapic, LAPIC_LVT_TIMER)) != LAPIC_TIMER_DEADLINE)
		arm(lapic, lapic_get(lapic, LAPIC_TIMER_ICR), left);
}

/* Section "TSC-Deadline Mode". */
bool lapic_timer_set_tsc(struct lapic *lapic, uint64_t value)
{
	uint64_t tsc, now;
	uint128 delta;

	if (!lapic->tsc_khz)
		return false;
	/* Outside of TSC-deadline mode the MSR reads as zero and ignores writes. */
	if (timer_mode(lapic_get(lapic, LAPIC_LVT_TIMER)) != LAPIC_TIMER_DEADLINE)
		return true;

	lapic_run_timer(lapic);
	lapic_timer_stop(lapic);
	if (!value)
		return true;

	now = clock_monotonic(lapic->clock);
	tsc = lapic->host.read_tsc(lapic->host.cpu);
	delta = value > tsc ? ((uint128)(value - tsc) * 1000000 + lapic->tsc_khz - 1) / lapic->tsc_khz : 0;
	lapic->timer.tsc_deadline = value;
	/* A deadline beyond the clock's end never comes, but is armed all the same. */
	lapic->timer.deadline = delta < CLOCK_NEVER - 1 - now ? now + (uint64_t)delta : CLOCK_NEVER - 1;
	return true;
}

uint64_t lapic_run_timer(struct lapic *lapic)
{
	struct lapic_timer *t = &lapic->timer;
	uint32_t lvt = lapic_get(lapic, LAPIC_LVT_TIMER);
	uint64_t now;

	if (t->deadline == CLOCK_NEVER)
		return CLOCK_NEVER;

	now = clock_monotonic(lapic->clock);
	if (t->deadline <= now) {
		/* Periodic goes on from the previous deadline, so that it does not drift; periods
		 * missed meanwhile are one interrupt. */
		if (timer_mode(lvt) == LAPIC_TIMER_PERIODIC)
			t->deadline += ((now - t->deadline) / t->period + 1) * t->period;
		else
			lapic_timer_stop(lapic);
		if (!(lvt & LAPIC_LVT_MASKED)) {
			if ((lvt & 0xff) < 16)
				lapic_error(lapic, LAPIC_ESR_RECV_ILLEGAL);
			else
				lapic_accept(lapic, APIC_FIXED, (uint8_t)lvt, false);
		}
	}
	/* A masked timer counts but wakes nobody. */
	return lvt & LAPIC_LVT_MASKED ? CLOCK_NEVER : t->deadline;
}
