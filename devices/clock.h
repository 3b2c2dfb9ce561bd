/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time, as devices see it. The program hands in the host's clocks; tests hand in a fake one and
 * step it.
 */
#ifndef VIREO_DEVICES_CLOCK_H
#define VIREO_DEVICES_CLOCK_H

#include <stdint.h>

#define NSEC_PER_SEC 1000000000ULL
#define CLOCK_NEVER  UINT64_MAX /* a deadline that does not come */

struct clock;

/*
 * A one-shot timer. Embedded in its owner, who sets `fire` and `ctx` before the first
 * clock_timer_set() and disarms it before going away. The other fields belong to the clock.
 */
struct clock_timer {
	void (*fire)(void *ctx); /* called once per arming, from the event loop's thread, no locks held */
	void *ctx;

	uint64_t deadline; /* monotonic ns, CLOCK_NEVER when not armed */
	struct clock_timer *next;
};

struct clock_ops {
	uint64_t (*monotonic)(struct clock *clock); /* ns since an arbitrary start; never goes back */
	int64_t (*realtime)(struct clock *clock);   /* ns since 1970-01-01 00:00 UTC */
	void (*timer_set)(struct clock *clock, struct clock_timer *timer, uint64_t deadline);
};

struct clock {
	const struct clock_ops *ops; /* every operation is mandatory and may be called from any thread */
};

static inline uint64_t clock_monotonic(struct clock *clock)
{
	return clock->ops->monotonic(clock);
}

static inline int64_t clock_realtime(struct clock *clock)
{
	return clock->ops->realtime(clock);
}

/* Arms `timer` for `deadline` (monotonic ns), replacing an earlier arming; CLOCK_NEVER disarms. */
static inline void clock_timer_set(struct clock *clock, struct clock_timer *timer, uint64_t deadline)
{
	clock->ops->timer_set(clock, timer, deadline);
}

#endif
