// SPDX-License-Identifier: BSD-2-Clause
#include "host/console_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * A kernel's serial console is written a byte at a time. Waking the loop for each would cost more than the
 * exit itself, so it is woken for the first one, and then looks again after so long, until nothing has come.
 */
#define BATCH_NS (20 * NSEC_PER_SEC / 1000)

#define PIECE 4096u

static void tell_loop(struct console_watch *watch)
{
	const uint64_t one = 1;

	(void)!write(watch->work.fd, &one, sizeof(one));
}

/* --- the model's side: any thread --- */

static size_t put(struct chardev *chr, const uint8_t *buf, size_t len)
{
	struct watch_end *end = (struct watch_end *)chr;
	struct console_watch *watch = end->watch;
	bool tell, much;
	size_t n = 0;

	pthread_mutex_lock(&watch->lock);
	while (n < len && end->head - end->tail < WATCH_SIZE)
		end->ring[end->head++ % WATCH_SIZE] = buf[n++];
	end->refused = n < len;
	much = !watch->hurry && end->head - end->tail > WATCH_SIZE / 2;
	tell = !watch->busy || much;
	watch->busy = true;
	watch->hurry |= much;
	pthread_mutex_unlock(&watch->lock);
	if (tell)
		tell_loop(watch);
	return n;
}

static size_t get(struct chardev *chr, uint8_t *buf, size_t len)
{
	struct watch_end *end = (struct watch_end *)chr;
	size_t n;

	pthread_mutex_lock(&end->watch->lock);
	n = end->input_len - end->input_taken;
	if (n > len)
		n = len;
	if (n)
		memcpy(buf, end->input + end->input_taken, n);
	end->input_taken += n;
	pthread_mutex_unlock(&end->watch->lock);
	return n;
}

static const struct chardev_ops watch_ops = {
	.put = put,
	.get = get,
};

/* --- the loop's thread --- */

static size_t take(struct console_watch *watch, struct watch_end *end, uint8_t *buf, size_t len)
{
	size_t n = 0;

	pthread_mutex_lock(&watch->lock);
	while (n < len && end->tail != end->head)
		buf[n++] = end->ring[end->tail++ % WATCH_SIZE];
	pthread_mutex_unlock(&watch->lock);
	return n;
}

/* At most what a ring holds: a guest that goes on writing does not keep the loop from all else. */
static bool drain(struct console_watch *watch, enum watch_source source)
{
	struct watch_end *end = &watch->end[source];
	uint8_t buf[PIECE];
	size_t n, all = 0;

	while (all < WATCH_SIZE && (n = take(watch, end, buf, sizeof(buf))) > 0) {
		watch->output(watch->ctx, source, buf, n);
		all += n;
	}
	return all;
}

/* Tells a device that waits for room that there is some. */
static void tell_room(struct console_watch *watch, struct watch_end *end)
{
	bool waits;

	pthread_mutex_lock(&watch->lock);
	waits = end->refused;
	end->refused = false;
	pthread_mutex_unlock(&watch->lock);
	if (waits && end->chr.writable)
		end->chr.writable(end->chr.ctx);
}

/* From here on the next byte wakes the loop, unless one came in between: false. */
static bool may_rest(struct console_watch *watch)
{
	bool rest = true;

	pthread_mutex_lock(&watch->lock);
	for (int i = 0; i < WATCH_SOURCES; i++)
		rest &= watch->end[i].head == watch->end[i].tail;
	watch->busy = !rest;
	pthread_mutex_unlock(&watch->lock);
	return rest;
}

static void serve(struct console_watch *watch)
{
	bool came = false;

	pthread_mutex_lock(&watch->lock);
	watch->hurry = false;
	pthread_mutex_unlock(&watch->lock);
	for (int i = 0; i < WATCH_SOURCES; i++) {
		came |= drain(watch, (enum watch_source)i);
		tell_room(watch, &watch->end[i]);
	}
	if (!came && may_rest(watch))
		watch->pause(watch->ctx);
	else
		clock_timer_set(&watch->loop->clock, &watch->later,
				clock_monotonic(&watch->loop->clock) + BATCH_NS);
}

static void on_later(void *ctx)
{
	serve(ctx);
}

static void work_ready(void *ctx, uint32_t events)
{
	struct console_watch *watch = ctx;
	uint64_t count;

	(void)events;
	(void)!read(watch->work.fd, &count, sizeof(count));
	serve(watch);
}

int console_watch_init(struct console_watch *watch, struct loop *loop,
		       void (*output)(void *ctx, enum watch_source source, const uint8_t *bytes, size_t len),
		       void (*pause)(void *ctx), void *ctx, struct err *err)
{
	int ret;

	memset(watch, 0, sizeof(*watch));
	for (int i = 0; i < WATCH_SOURCES; i++) {
		watch->end[i].chr = (struct chardev){ .ops = &watch_ops, .connected = true };
		watch->end[i].watch = watch;
	}
	watch->loop = loop;
	watch->output = output;
	watch->pause = pause;
	watch->ctx = ctx;
	watch->later = (struct clock_timer){ .fire = on_later, .ctx = watch, .deadline = CLOCK_NEVER };
	watch->work = (struct loop_source){ .ready = work_ready, .ctx = watch };
	watch->work.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (watch->work.fd < 0)
		return err_host(err, errno, "eventfd for the console");
	ret = loop_add(loop, &watch->work, EPOLLIN, err);
	if (ret < 0)
		close(watch->work.fd);
	else
		pthread_mutex_init(&watch->lock, NULL);
	return ret;
}

int console_watch_type(struct console_watch *watch, enum watch_source source, const char *text, size_t len)
{
	struct watch_end *end = &watch->end[source];
	size_t left;
	char *all;

	pthread_mutex_lock(&watch->lock);
	left = end->input_len - end->input_taken;
	all = malloc(left + len + 1);
	if (all) {
		if (left)
			memcpy(all, end->input + end->input_taken, left);
		memcpy(all + left, text, len);
		free(end->input);
		end->input = all;
		end->input_len = left + len;
		end->input_taken = 0;
	}
	pthread_mutex_unlock(&watch->lock);
	if (!all)
		return -ENOMEM;
	if (end->chr.readable)
		end->chr.readable(end->chr.ctx);
	return 0;
}

void console_watch_finish(struct console_watch *watch)
{
	clock_timer_set(&watch->loop->clock, &watch->later, CLOCK_NEVER);
	for (int i = 0; i < WATCH_SOURCES; i++) {
		drain(watch, (enum watch_source)i);
		free(watch->end[i].input);
	}
	loop_remove(watch->loop, &watch->work);
	close(watch->work.fd);
	pthread_mutex_destroy(&watch->lock);
}
