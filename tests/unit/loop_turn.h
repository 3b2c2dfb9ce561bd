/* SPDX-License-Identifier: BSD-2-Clause */
/* An event loop that a test turns by hand. Include after <cmocka.h>. */
#ifndef VIREO_TESTS_UNIT_LOOP_TURN_H
#define VIREO_TESTS_UNIT_LOOP_TURN_H

#include <sys/epoll.h>

#include "host/loop.h"

/* The next thing that the loop has to do now; false: there is none. */
static inline bool loop_turn_once(struct loop *loop)
{
	struct loop_source *source = loop->soon;
	struct epoll_event ev;

	if (source) {
		loop->soon = source->next_soon;
		source->soon = false;
		source->ready(source->ctx, 0);
	}
	if (epoll_wait(loop->epoll_fd, &ev, 1, 0) != 1)
		return source != NULL;
	source = ev.data.ptr;
	source->ready(source->ctx, ev.events);
	return true;
}

/* All that it has to do now. A loop that has no rest is a failure. */
static inline void loop_turn(struct loop *loop)
{
	unsigned int turns = 0;

	while (loop_turn_once(loop))
		assert_true(++turns < 1000000);
}

#endif
