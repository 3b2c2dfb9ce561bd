/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that goes on writing while the loop is at it: for each byte that the loop hands on, it writes another. A test
 * program has a write() or send() of its own, which calls flood_goes_on(). Include after <cmocka.h>.
 */
#ifndef VIREO_TESTS_UNIT_FLOOD_RIG_H
#define VIREO_TESTS_UNIT_FLOOD_RIG_H

#include "devices/chardev.h"
#include "tests/unit/loop_turn.h"

static struct {
	struct chardev *chr;
	size_t left, handed_on; /* bytes */
} flood;

/* `n` bytes were handed on: as many come. What else the program writes is shorter. */
static inline void flood_goes_on(ssize_t n)
{
	static const uint8_t text[65536];

	if (!flood.left || n <= 8)
		return;
	flood.handed_on += (size_t)n;
	flood.left -= (size_t)n < flood.left ? (size_t)n : flood.left;
	flood.chr->ops->put(flood.chr, text, (size_t)n);
}

/* Turn by turn, each comes to its end after `most` bytes, which is what is kept for the loop. */
static inline void flood_turns(struct loop *loop, struct chardev *chr, size_t most)
{
	static const uint8_t text[4096];
	unsigned int turns = 0;

	flood.chr = chr;
	flood.left = 10 * most;
	assert_int_equal(chr->ops->put(chr, text, sizeof(text)), sizeof(text));
	for (; flood.left; turns++) {
		flood.handed_on = 0;
		assert_true(loop_turn_once(loop));
		assert_true(flood.handed_on <= most);
	}
	assert_true(turns >= 10);
}

#endif
