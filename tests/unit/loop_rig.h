/* SPDX-License-Identifier: BSD-2-Clause */
/* The event loop in a test. Include after <cmocka.h>. */
#ifndef VIREO_TESTS_UNIT_LOOP_RIG_H
#define VIREO_TESTS_UNIT_LOOP_RIG_H

#include "host/loop.h"

/* A timer's callback; `ctx` is the loop. */
static inline void loop_rig_stop(void *ctx)
{
	loop_stop(ctx);
}

/* Lets the loop do all that it can do now, and what that brings about. */
static inline void loop_rig_settle(struct loop *loop)
{
	struct clock_timer end = { .fire = loop_rig_stop, .ctx = loop, .deadline = CLOCK_NEVER };
	struct err err;

	/* In each round the timer comes behind what is ready already. */
	for (int round = 0; round < 6; round++) {
		clock_timer_set(&loop->clock, &end, clock_monotonic(&loop->clock));
		assert_int_equal(loop_run(loop, &err), 0);
	}
}

#endif
