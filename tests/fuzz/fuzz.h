/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fuzz targets share. An input is a sequence of operations: a byte that says which, and the
 * bytes of its arguments; where the input ends, so does the run. After every operation the target
 * looks at what must hold of any state.
 */
#ifndef VIREO_TESTS_FUZZ_H
#define VIREO_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/clock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program, and libFuzzer keeps the input, if `condition` does not hold. */
#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* --- the input --- */

struct input {
	const uint8_t *data;
	size_t left;
};

/* `size` bytes, little-endian; zeros after the end. */
static inline uint64_t take(struct input *in, unsigned int size)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < size && in->left; i++, in->left--)
		value |= (uint64_t)*in->data++ << 8 * i;
	return value;
}

/* A number below `n`, which is at most 65536. */
static inline uint32_t take_below(struct input *in, uint32_t n)
{
	return (uint32_t)take(in, n > 256 ? 2 : 1) % n;
}

/* A value in few bytes: a byte somewhere, or as many bytes as there are. */
static inline uint64_t take_value(struct input *in)
{
	uint8_t kind = (uint8_t)take(in, 1);

	if (kind & 0x80)
		return take(in, 1 + (kind & 7));
	return take(in, 1) << (kind & 63);
}

/* --- time --- */

struct fuzz_clock {
	struct clock clock;
	uint64_t now;
};

static inline uint64_t fuzz_clock_monotonic(struct clock *clock)
{
	return ((struct fuzz_clock *)clock)->now;
}

static inline int64_t fuzz_clock_realtime(struct clock *clock)
{
	return (int64_t)((struct fuzz_clock *)clock)->now;
}

/* No interrupt controller arms a timer. */
static inline void fuzz_clock_timer_set(struct clock *clock, struct clock_timer *timer, uint64_t deadline)
{
	(void)clock;
	(void)timer;
	(void)deadline;
	must(!"an interrupt controller that arms a timer of the event loop");
}

static inline void fuzz_clock_init(struct fuzz_clock *clock)
{
	static const struct clock_ops ops = {
		.monotonic = fuzz_clock_monotonic,
		.realtime = fuzz_clock_realtime,
		.timer_set = fuzz_clock_timer_set,
	};

	*clock = (struct fuzz_clock){ .clock.ops = &ops, .now = NSEC_PER_SEC };
}

/* Steps it by up to 2^40 ns, some 18 minutes, a byte's worth at most of the time. */
static inline uint64_t fuzz_clock_step(struct fuzz_clock *clock, struct input *in)
{
	uint64_t ns = take_value(in) & 0xffffffffffULL;

	clock->now += ns;
	return ns;
}

#endif
