// SPDX-License-Identifier: BSD-2-Clause
/*
 * The local APIC's timer (Intel SDM volume 3, section "APIC Timer"). It counts whole ticks from a
 * start on the monotonic clock; the current count and the deadline are derived from that, so that
 * nothing drifts. The owner calls lapic_run_timer() when the deadline may have come, and before
 * anything that depends on it.
 */
#include "devices/lapic.h"
#include "devices/lapic_internal.h"
#include "devices/trace.h"
#define LOG_AREA AREA_IRQ
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

/* `now` + `ns`, at most the last moment the clock knows: what is due later never comes. */
static uint64_t later(uint64_t now, uint128 ns)
{
	return ns < CLOCK_NEVER - 1 - now ? now + (uint64_t)ns : CLOCK_NEVER - 1;
}

/* Whole ticks in `ns`; not more than `ns`, for the rate is at most 1 GHz. */
static uint64_t ns_to_ticks(const struct lapic *lapic, uint64_t ns)
{
	return (uint64_t)((uint128)ns * lapic->timer_hz / ((uint128)divisor(lapic) * NSEC_PER_SEC));
}

/* Rounded up, so that nothing is early. */
static uint128 ticks_to_ns(const struct lapic *lapic, uint64_t ticks)
{
	return ((uint128)ticks * divisor(lapic) * NSEC_PER_SEC + lapic->timer_hz - 1) / lapic->timer_hz;
}

static void set_deadline(struct lapic *lapic)
{
	lapic->timer.deadline = later(lapic->timer.start, ticks_to_ns(lapic, lapic->timer.due));
	trace_timer_arm(lapic->initial_id, lapic->timer.deadline);
}

/* Ticks between two expiries in periodic mode. */
static uint64_t period(const struct lapic *lapic)
{
	uint64_t initial = lapic_get(lapic, LAPIC_TIMER_ICR);
	uint64_t least = ns_to_ticks(lapic, LAPIC_MIN_PERIOD_NS - 1) + 1;

	if (initial >= least)
		return initial;
	log_debug_once("a LAPIC timer period of %u ns was asked for; using %d ns",
		       (unsigned int)ticks_to_ns(lapic, initial), LAPIC_MIN_PERIOD_NS);
	return least;
}

void lapic_timer_stop(struct lapic *lapic)
{
	lapic->timer = (struct lapic_timer){ .deadline = CLOCK_NEVER };
}

void lapic_timer_start(struct lapic *lapic, uint32_t count)
{
	enum lapic_timer_mode mode = timer_mode(lapic_get(lapic, LAPIC_LVT_TIMER));

	/* In TSC-deadline mode writes to the initial-count register are ignored. */
	if (mode == LAPIC_TIMER_DEADLINE)
		return;

	lapic_run_timer(lapic);
	lapic_set(lapic, LAPIC_TIMER_ICR, count);
	lapic_timer_stop(lapic);
	if (!count)
		return;
	lapic->timer.start = clock_monotonic(lapic->clock);
	lapic->timer.due = mode == LAPIC_TIMER_PERIODIC ? period(lapic) : count;
	set_deadline(lapic);
}

/* Ticks until the next expiry; 0 if there is none. */
static uint64_t ticks_left(const struct lapic *lapic)
{
	const struct lapic_timer *t = &lapic->timer;
	enum lapic_timer_mode mode = timer_mode(lapic_get(lapic, LAPIC_LVT_TIMER));
	uint64_t ticks, each;

	if (t->deadline == CLOCK_NEVER || mode == LAPIC_TIMER_DEADLINE)
		return 0;
	ticks = ns_to_ticks(lapic, clock_monotonic(lapic->clock) - t->start);
	if (ticks < t->due)
		return t->due - ticks;
	if (mode != LAPIC_TIMER_PERIODIC)
		return 0;
	each = period(lapic);
	return each - (ticks - t->due) % each; /* after an expiry not yet dealt with */
}

uint32_t lapic_timer_count(const struct lapic *lapic)
{
	uint64_t left = ticks_left(lapic);
	uint32_t initial = lapic_get(lapic, LAPIC_TIMER_ICR);

	return left < initial ? (uint32_t)left : initial;
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
}

void lapic_timer_set_divide(struct lapic *lapic, uint32_t value)
{
	uint64_t left;

	lapic_run_timer(lapic);
	left = ticks_left(lapic);
	lapic_set(lapic, LAPIC_TIMER_DCR, value);
	if (!left)
		return;

	/* The count goes on from where it is, at the new rate. */
	lapic->timer.start = clock_monotonic(lapic->clock);
	lapic->timer.due = left;
	set_deadline(lapic);
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

	/* In this order: a thread that stands still in between makes the deadline late, but never early. */
	tsc = lapic->host.read_tsc(lapic->host.cpu);
	now = clock_monotonic(lapic->clock);
	delta = value > tsc ? ((uint128)(value - tsc) * 1000000 + lapic->tsc_khz - 1) / lapic->tsc_khz : 0;
	lapic->timer.tsc_deadline = value;
	lapic->timer.deadline = later(now, delta);
	trace_timer_arm(lapic->initial_id, lapic->timer.deadline);
	return true;
}

/* The first expiry after `now`; those missed meanwhile are one interrupt. */
static void next_period(struct lapic *lapic, uint64_t now)
{
	struct lapic_timer *t = &lapic->timer;
	uint64_t late = ns_to_ticks(lapic, now - t->start) - t->due, each = period(lapic);

	t->due += (late / each + 1) * each;
	set_deadline(lapic);
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
		trace_timer_fire(lapic->initial_id, (uint8_t)lvt);
		if (timer_mode(lvt) == LAPIC_TIMER_PERIODIC)
			next_period(lapic, now);
		else
			lapic_timer_stop(lapic);
		if (!(lvt & LAPIC_LVT_MASKED))
			lapic_accept(lapic, APIC_FIXED, (uint8_t)lvt, false);
	}
	/* A masked timer counts but wakes nobody. */
	return lvt & LAPIC_LVT_MASKED ? CLOCK_NEVER : t->deadline;
}

void lapic_timer_save(struct lapic *lapic, struct lapic_state *state)
{
	const struct lapic_timer *t = &lapic->timer;
	uint64_t ns, ticks;

	lapic_run_timer(lapic);
	state->tsc_deadline = t->tsc_deadline;
	if (t->deadline == CLOCK_NEVER || t->tsc_deadline)
		return;
	ns = clock_monotonic(lapic->clock) - t->start;
	ticks = ns_to_ticks(lapic, ns);
	if (ticks >= t->due)
		ticks = t->due - 1; /* it came due just now: one tick late is better than never */
	else
		state->tick_ns = ns - (uint64_t)ticks_to_ns(lapic, ticks);
	state->ticks_left = t->due - ticks;
}

void lapic_timer_load(struct lapic *lapic, const struct lapic_state *state)
{
	uint64_t now;

	lapic_timer_stop(lapic);
	if (state->tsc_deadline)
		lapic_timer_set_tsc(lapic, state->tsc_deadline);
	if (!state->ticks_left)
		return;
	now = clock_monotonic(lapic->clock);
	lapic->timer.start = now - (state->tick_ns < now ? state->tick_ns : now);
	lapic->timer.due = state->ticks_left;
	set_deadline(lapic);
}
