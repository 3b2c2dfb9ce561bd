/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event loop of the main thread: file descriptors and timers. It is also the clock that
 * devices are given.
 */
#ifndef VIREO_HOST_LOOP_H
#define VIREO_HOST_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/clock.h"
#include "kvm/err.h"

/* A descriptor the loop watches. Embedded in its owner, who keeps it in place while added. */
struct loop_source {
	int fd;
	void (*ready)(void *ctx, uint32_t events); /* EPOLL* bits; the loop's thread, no locks held */
	void *ctx;

	/* The loop's. */
	struct loop_source *next_soon;
	bool soon;
};

struct loop {
	struct clock clock;
	int epoll_fd;
	struct loop_source timer; /* a timerfd */
	struct loop_source wake;  /* an eventfd */
	_Atomic bool stop;
	struct loop_source *soon; /* the loop's thread only */

	pthread_mutex_t lock;       /* guards `timers` and the timerfd's setting; innermost */
	struct clock_timer *timers; /* by deadline */
};

int loop_init(struct loop *loop, struct err *err);
void loop_finish(struct loop *loop);

/*
 * Watches `source` for `events` (EPOLLIN, EPOLLOUT or 0). -EPERM without a message: this kind of
 * file cannot be waited for (a regular file: it is always ready).
 */
int loop_add(struct loop *loop, struct loop_source *source, uint32_t events, struct err *err);
void loop_change(struct loop *loop, struct loop_source *source, uint32_t events);
void loop_remove(struct loop *loop, struct loop_source *source);

/*
 * In the loop's thread: calls source->ready() with no events when the callback that is running has returned,
 * at once and without the kernel. Once, however often it is asked for until then.
 */
void loop_soon(struct loop *loop, struct loop_source *source);

/* Runs until loop_stop(), which any thread (and a callback) may call, before or during. */
int loop_run(struct loop *loop, struct err *err);
void loop_stop(struct loop *loop);

#endif
