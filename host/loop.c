// SPDX-License-Identifier: BSD-2-Clause
#include "host/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static uint64_t to_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static uint64_t monotonic(struct clock *clock)
{
	(void)clock;
	return to_ns(CLOCK_MONOTONIC);
}

static int64_t realtime(struct clock *clock)
{
	(void)clock;
	return (int64_t)to_ns(CLOCK_REALTIME);
}

/* With loop->lock held: the timerfd follows the first timer. */
static void set_timerfd(struct loop *loop)
{
	struct itimerspec when = { 0 };

	if (loop->timers) {
		uint64_t deadline = loop->timers->deadline ?: 1; /* 0 would disarm */

		when.it_value.tv_sec = (time_t)(deadline / NSEC_PER_SEC);
		when.it_value.tv_nsec = (long)(deadline % NSEC_PER_SEC);
	}
	timerfd_settime(loop->timer.fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void unlink_timer(struct loop *loop, struct clock_timer *timer)
{
	for (struct clock_timer **p = &loop->timers; *p; p = &(*p)->next) {
		if (*p == timer) {
			*p = timer->next;
			break;
		}
	}
	timer->next = NULL;
}

static void timer_set(struct clock *clock, struct clock_timer *timer, uint64_t deadline)
{
	struct loop *loop = (struct loop *)clock;
	struct clock_timer *first, **p = &loop->timers;

	pthread_mutex_lock(&loop->lock);
	first = loop->timers;
	unlink_timer(loop, timer);
	timer->deadline = deadline;
	if (deadline != CLOCK_NEVER) {
		while (*p && (*p)->deadline <= deadline)
			p = &(*p)->next;
		timer->next = *p;
		*p = timer;
	}
	if (loop->timers != first || first == timer)
		set_timerfd(loop);
	pthread_mutex_unlock(&loop->lock);
}

static const struct clock_ops clock_ops = {
	.monotonic = monotonic,
	.realtime = realtime,
	.timer_set = timer_set,
};

static void timers_ready(void *ctx, uint32_t events)
{
	struct loop *loop = ctx;
	uint64_t expirations;

	(void)events;
	(void)!read(loop->timer.fd, &expirations, sizeof(expirations));

	pthread_mutex_lock(&loop->lock);
	while (loop->timers && loop->timers->deadline <= to_ns(CLOCK_MONOTONIC)) {
		struct clock_timer *timer = loop->timers;

		loop->timers = timer->next;
		timer->next = NULL;
		timer->deadline = CLOCK_NEVER;
		pthread_mutex_unlock(&loop->lock);
		timer->fire(timer->ctx);
		pthread_mutex_lock(&loop->lock);
	}
	set_timerfd(loop);
	pthread_mutex_unlock(&loop->lock);
}

static void woken(void *ctx, uint32_t events)
{
	struct loop *loop = ctx;
	uint64_t count;

	(void)events;
	(void)!read(loop->wake.fd, &count, sizeof(count));
}

int loop_init(struct loop *loop, struct err *err)
{
	int ret;

	*loop = (struct loop){
		.clock.ops = &clock_ops,
		.timer = { .fd = -1, .ready = timers_ready, .ctx = loop },
		.wake = { .fd = -1, .ready = woken, .ctx = loop },
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return err_host(err, errno, "epoll_create for the event loop");
	loop->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	loop->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->timer.fd < 0 || loop->wake.fd < 0) {
		ret = err_host(err, errno, "timerfd or eventfd for the event loop");
		goto fail;
	}
	ret = loop_add(loop, &loop->timer, EPOLLIN, err);
	if (!ret)
		ret = loop_add(loop, &loop->wake, EPOLLIN, err);
	if (!ret)
		return 0;
fail:
	loop_finish(loop);
	return ret;
}

void loop_finish(struct loop *loop)
{
	if (loop->timer.fd >= 0)
		close(loop->timer.fd);
	if (loop->wake.fd >= 0)
		close(loop->wake.fd);
	close(loop->epoll_fd);
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events, struct err *err)
{
	struct epoll_event ev = { .events = events, .data.ptr = source };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &ev) < 0) {
		if (errno == EPERM)
			return -EPERM;
		return err_host(err, errno, "epoll_ctl: watching file descriptor %d", source->fd);
	}
	return 0;
}

void loop_change(struct loop *loop, struct loop_source *source, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = source };

	epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &ev);
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	for (struct loop_source **p = &loop->soon; source->soon && *p; p = &(*p)->next_soon) {
		if (*p == source) {
			*p = source->next_soon;
			source->soon = false;
			break;
		}
	}
}

void loop_soon(struct loop *loop, struct loop_source *source)
{
	struct loop_source **p = &loop->soon;

	if (source->soon)
		return;
	source->soon = true;
	source->next_soon = NULL;
	while (*p)
		p = &(*p)->next_soon;
	*p = source;
}

/* The first of them: one that wants to be called again comes behind all that else is ready. */
static void call_soon(struct loop *loop)
{
	struct loop_source *source = loop->soon;

	if (!source)
		return;
	loop->soon = source->next_soon;
	source->soon = false;
	source->ready(source->ctx, 0);
}

int loop_run(struct loop *loop, struct err *err)
{
	while (!loop->stop) {
		struct epoll_event ev;
		int n;

		call_soon(loop);
		n = epoll_wait(loop->epoll_fd, &ev, 1, loop->soon ? 0 : -1);
		if (n < 0 && errno != EINTR)
			return err_host(err, errno, "epoll_wait in the event loop");
		if (n == 1) {
			struct loop_source *source = ev.data.ptr;

			source->ready(source->ctx, ev.events);
		}
	}
	loop->stop = false;
	return 0;
}

void loop_stop(struct loop *loop)
{
	const uint64_t one = 1;

	loop->stop = true;
	/* A full counter wakes as well as one more would. */
	(void)!write(loop->wake.fd, &one, sizeof(one));
}
