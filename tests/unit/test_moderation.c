// SPDX-License-Identifier: BSD-2-Clause
/* When a driver is interrupted: drivers of different depths, on a host that does what comes at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "devices/virtio/moderation.h"
#include "tests/unit/fake.h"

#define MSEC 1000000ULL

#define COST 20000 /* ns that an interrupt takes the driver, unless a test says otherwise */

struct world {
	struct fake_clock clock;
	struct clock_timer timer;
	struct moderation m;
	unsigned int outstanding; /* requests whose interrupt the driver waits for */
	unsigned int interrupts;
	unsigned int waits; /* how often the driver had to wait for the timer */
	uint64_t longest;   /* such a wait, ns */
};

static void interrupt(struct world *w)
{
	w->interrupts++;
	w->outstanding = 0;
}

static void fire(void *ctx)
{
	struct world *w = ctx;

	if (moderation_expired(&w->m))
		interrupt(w);
}

/* The driver acknowledges an interrupt `ns` after it was sent. */
static void acknowledge_after(struct world *w, uint64_t ns)
{
	moderation_sending(&w->m);
	fake_clock_step(&w->clock, ns);
	moderation_acknowledged(&w->m);
}

static void world_init(struct world *w, uint64_t cost)
{
	memset(w, 0, sizeof(*w));
	fake_clock_init(&w->clock);
	w->clock.monotonic = 1000 * MSEC;
	w->timer = (struct clock_timer){ .fire = fire, .ctx = w, .deadline = CLOCK_NEVER };
	moderation_init(&w->m, &w->clock.clock, &w->timer);
	acknowledge_after(w, cost);
}

/* The driver can do nothing more until it is interrupted. */
static void wait_for_interrupt(struct world *w)
{
	uint64_t since = w->clock.monotonic;

	w->waits++;
	while (w->outstanding) {
		struct clock_timer *next = fake_clock_next(&w->clock);

		assert_non_null(next); /* or it would wait forever */
		fake_clock_step(&w->clock, next->deadline - w->clock.monotonic);
	}
	if (w->clock.monotonic - since > w->longest)
		w->longest = w->clock.monotonic - since;
}

/* `count` requests, `spacing` ns apart, never more than `depth` without an interrupt. */
static void drive(struct world *w, unsigned int count, unsigned int depth, uint64_t spacing)
{
	w->interrupts = w->waits = 0;
	w->longest = 0;
	for (; count; count--) {
		fake_clock_step(&w->clock, spacing);
		moderation_came(&w->m, 1);
		w->outstanding++;
		if (moderation_done(&w->m, 1, false))
			interrupt(w);
		if (w->outstanding == depth)
			wait_for_interrupt(w);
	}
}

static void one_interrupt_for_many_requests_of_a_deep_driver(void **state)
{
	static const uint64_t spacings[] = { 2000, 10000, 100000, 200000 };

	(void)state;
	for (unsigned int i = 0; i < sizeof(spacings) / sizeof(spacings[0]); i++) {
		struct world w;

		world_init(&w, 5 * spacings[i]);
		drive(&w, 200, 32, spacings[i]); /* that much to find out */
		drive(&w, 10000, 32, spacings[i]);
		assert_in_range(w.interrupts, 10000 / 32, 10000 / 24);
		assert_in_range(w.waits, 0, 10);
		moderation_reset(&w.m);
		assert_null(w.clock.armed);
	}
}

static void a_driver_that_waits_is_interrupted_at_once(void **state)
{
	static const uint64_t spacings[] = { 2000, 50000, 5 * MSEC };

	(void)state;
	for (unsigned int i = 0; i < sizeof(spacings) / sizeof(spacings[0]); i++) {
		struct world w;

		world_init(&w, COST);
		drive(&w, 10000, 1, spacings[i]);
		assert_int_equal(w.interrupts, 10000);
		assert_in_range(w.waits, 0, 8); /* less than one in a thousand */
		assert_in_range(w.longest, 0, 8 * COST);
		moderation_reset(&w.m);
	}
}

/* Bursts, with pauses between them: what is left at the end of one waits no longer for that. */
static void pauses_do_not_make_it_patient(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, COST);
	drive(&w, 2000, 32, 5000);
	for (unsigned int i = 0; i < 200; i++) {
		fake_clock_step(&w.clock, 1000 * MSEC);
		drive(&w, 100, 32, 5000);
		if (w.outstanding)
			wait_for_interrupt(&w);
		assert_in_range(w.longest, 0, 100000);
	}
	moderation_reset(&w.m);
}

/* It becomes deep, and shallow again. */
static void a_driver_that_changes_its_ways(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, COST);
	drive(&w, 3000, 1, 10000);
	drive(&w, 20000, 16, 10000);
	drive(&w, 5000, 16, 10000);
	assert_in_range(w.interrupts, 5000 / 16, 5000 / 12);
	wait_for_interrupt(&w);
	drive(&w, 1000, 1, 10000);
	assert_in_range(w.waits, 1, 8);
	assert_int_equal(w.interrupts, 1000);
	moderation_reset(&w.m);
}

static void several_at_once_are_tried_at_once(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, COST);
	drive(&w, 10000, 1, 10000); /* it is not tried often any more */
	w.interrupts = 0;
	for (unsigned int i = 0; i < 20; i++) {
		moderation_came(&w.m, 8);
		w.outstanding += 8;
		fake_clock_step(&w.clock, 10000);
		if (moderation_done(&w.m, 8, false))
			interrupt(&w);
		if (w.outstanding >= 32)
			wait_for_interrupt(&w);
	}
	assert_in_range(w.interrupts, 5, 12);
	moderation_reset(&w.m);
}

#define CLIENTS 32
#define STEP    5000ULL /* ns */

/*
 * Has CLIENTS send `count` requests in all, which are done at once. Each client sends one every `pause` ns if they are
 * paced; else it waits for the interrupt, and `pause` ns more. The longest time until a request was told of, ns.
 */
static uint64_t serve(struct world *w, unsigned int count, uint64_t pause, bool paced)
{
	uint64_t next[CLIENTS], since[CLIENTS], longest = 0;
	unsigned int told[CLIENTS]; /* interrupts before that of its request */
	bool waits[CLIENTS] = { false };

	for (unsigned int i = 0; i < CLIENTS; i++)
		next[i] = w->clock.monotonic + pause * i / CLIENTS;
	while (count) {
		fake_clock_step(&w->clock, STEP);
		for (unsigned int i = 0; i < CLIENTS; i++) {
			uint64_t now = w->clock.monotonic;

			if (waits[i] && w->interrupts > told[i]) {
				waits[i] = false;
				longest = now - since[i] > longest ? now - since[i] : longest;
				next[i] = paced ? next[i] + pause : now + pause;
			}
			if (waits[i] || next[i] > now || !count)
				continue;
			count--;
			waits[i] = true;
			since[i] = now;
			told[i] = w->interrupts;
			moderation_came(&w->m, 1);
			w->outstanding++;
			if (moderation_done(&w->m, 1, false))
				interrupt(w);
		}
	}
	return longest;
}

/* They cannot be told from a driver with many requests on their way; so nobody waits for long. */
static void nobody_waits_long_for_others(void **state)
{
	static const uint64_t pauses[] = { 200000, MSEC, 10 * MSEC, 50 * MSEC };

	(void)state;
	for (unsigned int i = 0; i < 2 * sizeof(pauses) / sizeof(pauses[0]); i++) {
		uint64_t pause = pauses[i / 2];
		struct world w;

		world_init(&w, COST);
		assert_in_range(serve(&w, 3000, pause, i % 2), 0, 8 * COST + 2 * STEP);
		/* So seldom that there is nothing to gain: at once. */
		if (pause >= 10 * MSEC)
			assert_in_range(serve(&w, 3000, pause, i % 2), 0, 2 * STEP);
		moderation_reset(&w.m);
	}
}

static void nothing_is_held_back_from_a_driver_one_does_not_know(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, COST);
	moderation_reset(&w.m); /* another driver comes */
	drive(&w, 1000, 32, 10000);
	assert_int_equal(w.interrupts, 1000);
	/* What it does not want is no measure. */
	moderation_sending(&w.m);
	moderation_not_sent(&w.m);
	fake_clock_step(&w.clock, COST);
	moderation_acknowledged(&w.m);
	drive(&w, 1000, 32, 10000);
	assert_int_equal(w.interrupts, 1000);
	acknowledge_after(&w, COST);
	drive(&w, 1000, 32, 2000);
	assert_in_range(w.interrupts, 0, 200);
	moderation_reset(&w.m);
}

/* The measure is what an interrupt costs, not what else the driver has to do. */
static void the_shortest_time_to_acknowledge_counts(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, COST);
	for (unsigned int i = 0; i < 10; i++)
		acknowledge_after(&w, 100 * MSEC);
	acknowledge_after(&w, COST);
	assert_in_range(serve(&w, 3000, MSEC, true), 0, 8 * COST + 2 * STEP);
	/* A driver that has become slow is believed in the end, up to a point. */
	for (unsigned int i = 0; i < 2000; i++)
		acknowledge_after(&w, 5 * MSEC);
	drive(&w, 1000, 32, 100000);
	drive(&w, 1000, 32, 100000);
	assert_in_range(w.interrupts, 1000 / 32, 1000 / 24);
	assert_in_range(serve(&w, 3000, 10 * MSEC, true), 0, 10 * MSEC + 2 * STEP);
	moderation_reset(&w.m);
}

static void what_is_urgent_is_not_held_back(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, COST);
	drive(&w, 1000, 32, 10000);
	wait_for_interrupt(&w);
	moderation_came(&w.m, 2);
	assert_false(moderation_done(&w.m, 1, false));
	assert_true(moderation_done(&w.m, 1, true));
	/* And is not told of again. */
	w.interrupts = 0;
	fake_clock_step(&w.clock, 1000 * MSEC);
	assert_int_equal(w.interrupts, 0);
	moderation_reset(&w.m);
}

/* Requests keep coming and nothing is done but the first: it is not held back for long. */
static void nothing_is_held_back_forever(void **state)
{
	struct world w;
	uint64_t since;

	(void)state;
	world_init(&w, COST);
	drive(&w, 1000, 32, 10000);
	wait_for_interrupt(&w);
	since = w.clock.monotonic;
	moderation_came(&w.m, 1);
	w.outstanding = 1;
	assert_false(moderation_done(&w.m, 1, false));
	while (w.outstanding) {
		fake_clock_step(&w.clock, 10000);
		moderation_came(&w.m, 1);
		assert_in_range(w.clock.monotonic - since, 0, 2 * MSEC);
	}
	moderation_reset(&w.m);
}

static void a_reset_forgets(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, COST);
	drive(&w, 1000, 32, 10000);
	wait_for_interrupt(&w);
	moderation_came(&w.m, 1);
	assert_false(moderation_done(&w.m, 1, false));
	moderation_reset(&w.m);
	assert_null(w.clock.armed);
	moderation_came(&w.m, 1);
	assert_true(moderation_done(&w.m, 1, false));
	assert_null(w.clock.armed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_interrupt_for_many_requests_of_a_deep_driver),
		cmocka_unit_test(a_driver_that_waits_is_interrupted_at_once),
		cmocka_unit_test(pauses_do_not_make_it_patient),
		cmocka_unit_test(a_driver_that_changes_its_ways),
		cmocka_unit_test(several_at_once_are_tried_at_once),
		cmocka_unit_test(nobody_waits_long_for_others),
		cmocka_unit_test(nothing_is_held_back_from_a_driver_one_does_not_know),
		cmocka_unit_test(the_shortest_time_to_acknowledge_counts),
		cmocka_unit_test(what_is_urgent_is_not_held_back),
		cmocka_unit_test(nothing_is_held_back_forever),
		cmocka_unit_test(a_reset_forgets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
