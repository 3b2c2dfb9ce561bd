// SPDX-License-Identifier: BSD-2-Clause
#include "host/console_tap.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PIECE 4096u

static void tell_loop(struct console_tap *tap)
{
	const uint64_t one = 1;

	(void)!write(tap->work.fd, &one, sizeof(one));
}

/* --- the device's side: any thread --- */

static size_t put(struct chardev *chr, const uint8_t *buf, size_t len)
{
	struct console_tap *tap = (struct console_tap *)chr;
	size_t room, taken;
	bool tell;

	pthread_mutex_lock(&tap->lock);
	room = TAP_SIZE - (tap->head - tap->tail);
	tap->refused = room < len;
	taken = tap->real->ops->put(tap->real, buf, room < len ? room : len);
	for (size_t i = 0; i < taken; i++)
		tap->ring[tap->head++ % TAP_SIZE] = buf[i];
	tell = !tap->busy && (taken || tap->refused);
	tap->busy |= tell;
	pthread_mutex_unlock(&tap->lock);
	if (tell)
		tell_loop(tap);
	return taken;
}

static size_t get(struct chardev *chr, uint8_t *buf, size_t len)
{
	struct console_tap *tap = (struct console_tap *)chr;

	return tap->real->ops->get(tap->real, buf, len);
}

static const struct chardev_ops tap_ops = {
	.put = put,
	.get = get,
};

/* --- the loop's side --- */

static void copy_facts(struct console_tap *tap)
{
	tap->chr.connected = tap->real->connected;
	tap->chr.columns = tap->real->columns;
	tap->chr.rows = tap->real->rows;
}

static void on_readable(void *ctx)
{
	struct console_tap *tap = ctx;

	if (tap->chr.readable)
		tap->chr.readable(tap->chr.ctx);
}

static void on_writable(void *ctx)
{
	struct console_tap *tap = ctx;

	if (tap->chr.writable)
		tap->chr.writable(tap->chr.ctx);
}

static void on_changed(void *ctx)
{
	struct console_tap *tap = ctx;

	copy_facts(tap);
	if (tap->chr.changed)
		tap->chr.changed(tap->chr.ctx);
}

static void on_broken(void *ctx)
{
	struct console_tap *tap = ctx;

	if (tap->chr.broken)
		tap->chr.broken(tap->chr.ctx);
}

/* Takes the oldest bytes out; with the last ones the loop's work is done. */
static size_t take(struct console_tap *tap, uint8_t *buf, size_t len)
{
	size_t n = 0;

	pthread_mutex_lock(&tap->lock);
	while (n < len && tap->tail != tap->head)
		buf[n++] = tap->ring[tap->tail++ % TAP_SIZE];
	if (!n)
		tap->busy = false;
	pthread_mutex_unlock(&tap->lock);
	return n;
}

/* At most what the ring holds: a guest that goes on writing does not keep the loop from all else. */
static void hear(struct console_tap *tap)
{
	uint8_t buf[PIECE];
	size_t n, all = 0;
	bool waits;

	while (all < TAP_SIZE && (n = take(tap, buf, sizeof(buf))) > 0) {
		tap->heard(tap->ctx, tap->name, buf, n);
		all += n;
	}
	if (all >= TAP_SIZE)
		tell_loop(tap);
	pthread_mutex_lock(&tap->lock);
	waits = tap->refused;
	tap->refused = false;
	pthread_mutex_unlock(&tap->lock);
	if (waits)
		on_writable(tap);
}

static void work_ready(void *ctx, uint32_t events)
{
	struct console_tap *tap = ctx;
	uint64_t count;

	(void)events;
	(void)!read(tap->work.fd, &count, sizeof(count));
	hear(tap);
}

int console_tap_init(struct console_tap *tap, struct chardev *real, const char *name, struct loop *loop,
		     void (*heard)(void *ctx, const char *name, const uint8_t *bytes, size_t len), void *ctx,
		     struct err *err)
{
	int ret;

	memset(tap, 0, sizeof(*tap));
	tap->chr.ops = &tap_ops;
	tap->real = real;
	tap->loop = loop;
	tap->name = name;
	tap->heard = heard;
	tap->ctx = ctx;
	tap->work = (struct loop_source){ .ready = work_ready, .ctx = tap };
	tap->work.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (tap->work.fd < 0)
		return err_host(err, errno, "eventfd for %s", name);
	ret = loop_add(loop, &tap->work, EPOLLIN, err);
	if (ret < 0) {
		close(tap->work.fd);
		return ret;
	}
	pthread_mutex_init(&tap->lock, NULL);
	copy_facts(tap);
	real->readable = on_readable;
	real->writable = on_writable;
	real->changed = on_changed;
	real->broken = on_broken;
	real->ctx = tap;
	return 0;
}

void console_tap_finish(struct console_tap *tap)
{
	hear(tap);
	tap->real->readable = tap->real->writable = tap->real->changed = tap->real->broken = NULL;
	tap->real->ctx = NULL;
	loop_remove(tap->loop, &tap->work);
	close(tap->work.fd);
	pthread_mutex_destroy(&tap->lock);
}
