// SPDX-License-Identifier: BSD-2-Clause
#include "host/remote_console.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/remote_internal.h"
#define LOG_AREA AREA_CONSOLE
#include "kvm/log.h"

#define CHUNK 4096u

static void tell_loop(struct remote *r)
{
	const uint64_t one = 1;

	(void)!write(r->work.fd, &one, sizeof(one));
}

/* --- the device's side: any thread --- */

/* How much of `len` bytes there is room for; makes room for all of them where the guest does not wait. */
static size_t make_room(struct remote *r, size_t len)
{
	uint64_t room = REMOTE_OUT_SIZE - (r->out_head - r->out_tail);

	if (len <= room)
		return len;
	if (r->is_lossless)
		return (size_t)room;
	if (len > REMOTE_OUT_SIZE)
		len = REMOTE_OUT_SIZE;
	r->lost += len - room;
	r->out_tail += len - room;
	return len;
}

static size_t put(struct chardev *chr, const uint8_t *buf, size_t len)
{
	struct remote *r = (struct remote *)chr;
	size_t taken = len;
	bool tell = false;

	pthread_mutex_lock(&r->lock);
	if (!r->dead) {
		taken = make_room(r, len);
		for (size_t i = 0; i < taken; i++)
			r->out[r->out_head++ % REMOTE_OUT_SIZE] = buf[i];
		r->refused = taken < len;
		tell = r->there && !r->out_busy;
		r->out_busy |= r->there;
	}
	pthread_mutex_unlock(&r->lock);
	if (tell)
		tell_loop(r);
	return taken;
}

static size_t get(struct chardev *chr, uint8_t *buf, size_t len)
{
	struct remote *r = (struct remote *)chr;
	size_t n = 0;
	bool tell;

	pthread_mutex_lock(&r->lock);
	while (n < len && r->in_tail != r->in_head)
		buf[n++] = r->in[r->in_tail++ % REMOTE_IN_SIZE];
	tell = n && r->in_full;
	pthread_mutex_unlock(&r->lock);
	if (tell)
		tell_loop(r);
	return n;
}

static const struct chardev_ops remote_ops = {
	.put = put,
	.get = get,
};

/* --- output: the loop's thread --- */

/* The next bytes to be written; `from` is where they begin. A loss is told before what comes behind it. */
static size_t peek(struct remote *r, uint8_t *buf, size_t len, uint64_t *from)
{
	size_t n = 0;

	pthread_mutex_lock(&r->lock);
	if (r->lost) {
		r->notice_len = (size_t)snprintf(r->notice, sizeof(r->notice),
						 "\r\n[vireo: %llu bytes lost]\r\n",
						 (unsigned long long)r->lost);
		r->notice_sent = 0;
		r->lost = 0;
	}
	*from = r->out_tail;
	while (n < len && *from + n != r->out_head) {
		buf[n] = r->out[(*from + n) % REMOTE_OUT_SIZE];
		n++;
	}
	if (!n)
		r->out_busy = false;
	pthread_mutex_unlock(&r->lock);
	return n;
}

static ssize_t write_some(const struct remote *r, const void *buf, size_t len)
{
	return r->is_socket ? send(r->peer.fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL)
			    : write(r->peer.fd, buf, len);
}

/* A file that is full, a FIFO without a reader: one line, and the guest goes on. */
static void give_up(struct remote *r, int code)
{
	log_warn("%s: %s cannot be written any more (%s); the guest's output to it is dropped", r->name,
		 r->path, strerrordesc_np(code));
	pthread_mutex_lock(&r->lock);
	r->dead = true;
	r->out_tail = r->out_head;
	r->out_busy = false;
	pthread_mutex_unlock(&r->lock);
}

/*
 * Writes what there is, but no more than the ring holds: a guest that goes on writing does not keep the loop from all
 * else. False: the peer has no room now.
 */
static bool drain(struct remote *r)
{
	uint8_t buf[CHUNK];
	uint64_t from;
	size_t all = 0;

	while (r->peer.fd >= 0) {
		size_t len = peek(r, buf, sizeof(buf), &from), notice = r->notice_len - r->notice_sent;
		ssize_t n;

		if (!len && !notice)
			return true;
		if (all >= REMOTE_OUT_SIZE) {
			tell_loop(r);
			return true;
		}
		n = notice ? write_some(r, r->notice + r->notice_sent, notice) : write_some(r, buf, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0 && r->is_lossless)
			give_up(r, errno);
		if (n < 0)
			return true; /* that it is gone comes as an event of its own */
		if (notice) {
			r->notice_sent += (size_t)n;
			continue;
		}
		pthread_mutex_lock(&r->lock);
		if (r->out_tail < from + (uint64_t)n) /* else more than that was dropped meanwhile */
			r->out_tail = from + (uint64_t)n;
		pthread_mutex_unlock(&r->lock);
		all += (size_t)n;
	}
	return true;
}

static void watch(struct remote *r)
{
	uint32_t events = (r->in_done || r->in_full ? 0 : EPOLLIN) | (r->out_waits ? EPOLLOUT : 0);

	if (r->peer.fd < 0 || r->is_ready || r->hung_up || events == r->watched)
		return;
	r->watched = events;
	loop_change(r->loop, &r->peer, events);
}

/* A FIFO that had lost its reader has another one, which has no room now. (A regular file always has.) */
static void watch_again(struct remote *r)
{
	struct err ignored;

	r->is_ready = loop_add(r->loop, &r->peer, EPOLLOUT, &ignored) < 0;
	r->watched = EPOLLOUT;
}

void remote_write(struct remote *r)
{
	bool waits;

	r->out_waits = !drain(r);
	if (r->out_waits && r->is_ready)
		watch_again(r);
	watch(r);
	pthread_mutex_lock(&r->lock);
	waits = r->refused && (r->dead || r->out_head - r->out_tail < REMOTE_OUT_SIZE);
	if (waits)
		r->refused = false;
	pthread_mutex_unlock(&r->lock);
	if (waits && r->chr.writable)
		r->chr.writable(r->chr.ctx);
}

/* --- input: the loop's thread --- */

/* Reads what there is room for. True: there is input that was not there before. */
static bool fetch(struct remote *r)
{
	uint8_t buf[REMOTE_IN_SIZE];
	size_t room;
	ssize_t n;

	pthread_mutex_lock(&r->lock);
	room = REMOTE_IN_SIZE - (size_t)(r->in_head - r->in_tail);
	r->in_full = !room;
	pthread_mutex_unlock(&r->lock);
	if (!room)
		return false;
	do
		n = read(r->peer.fd, buf, room);
	while (n < 0 && errno == EINTR);
	if (n <= 0) {
		/* EIO: the terminal was closed, which is an event of its own if it still is. */
		r->in_done = r->hung_up || !(n < 0 && (errno == EAGAIN || errno == EIO));
		return false;
	}
	pthread_mutex_lock(&r->lock);
	for (ssize_t i = 0; i < n; i++)
		r->in[r->in_head++ % REMOTE_IN_SIZE] = buf[i];
	pthread_mutex_unlock(&r->lock);
	return true;
}

static void drop_peer(struct remote *r)
{
	int fd = r->peer.fd;

	remote_detach(r);
	if (fd != r->master)
		close(fd);
}

/* Who has hung up is read to the end first, which takes as long as the guest takes. */
static void serve_input(struct remote *r)
{
	bool fresh = false;

	while (r->peer.fd >= 0 && !r->in_done && fetch(r)) {
		fresh = true;
		if (!r->hung_up)
			break;
	}
	watch(r);
	if (r->hung_up && r->in_done)
		drop_peer(r);
	if (fresh && r->chr.readable)
		r->chr.readable(r->chr.ctx);
}

/* A terminal that was closed and opened again meanwhile has not hung up. */
static bool is_gone(const struct remote *r)
{
	struct pollfd pfd = { .fd = r->peer.fd };

	return poll(&pfd, 1, 0) > 0 && (pfd.revents & (POLLHUP | POLLERR));
}

static void peer_ready(void *ctx, uint32_t events)
{
	struct remote *r = ctx;

	if (r->peer.fd < 0)
		return;
	if ((events & (EPOLLHUP | EPOLLERR)) && is_gone(r)) {
		loop_remove(r->loop, &r->peer);
		r->hung_up = !r->is_lossless;
		r->is_ready = r->is_lossless; /* a FIFO: the next write says what it is */
	}
	/* A FIFO that is full when it loses its reader does not say that it can be written. */
	if ((events & EPOLLOUT) || r->is_ready)
		remote_write(r);
	serve_input(r);
}

/* The device has put output, or made room for input. */
static void work_ready(void *ctx, uint32_t events)
{
	struct remote *r = ctx;
	uint64_t count;
	bool more;

	(void)events;
	(void)!read(r->work.fd, &count, sizeof(count));
	remote_write(r);
	pthread_mutex_lock(&r->lock);
	more = r->in_full && r->in_head - r->in_tail < REMOTE_IN_SIZE;
	pthread_mutex_unlock(&r->lock);
	if (more)
		serve_input(r);
}

/* --- who is there --- */

int remote_attach(struct remote *r, int fd, struct err *err)
{
	int ret;

	r->peer = (struct loop_source){ .fd = fd, .ready = peer_ready, .ctx = r };
	r->watched = r->in_done ? 0 : EPOLLIN;
	ret = loop_add(r->loop, &r->peer, r->watched, err);
	if (ret < 0 && ret != -EPERM) {
		r->peer.fd = -1;
		return ret;
	}
	r->is_ready = ret < 0; /* a regular file */
	r->hung_up = r->out_waits = r->in_full = false;
	r->notice_len = r->notice_sent = 0;
	pthread_mutex_lock(&r->lock);
	r->there = true;
	r->out_busy = true;
	pthread_mutex_unlock(&r->lock);
	remote_write(r);
	return 0;
}

void remote_detach(struct remote *r)
{
	if (!r->hung_up && !r->is_ready)
		loop_remove(r->loop, &r->peer);
	r->peer.fd = -1;
	r->hung_up = false;
	r->in_done = false;
	pthread_mutex_lock(&r->lock);
	r->there = r->out_busy = false;
	pthread_mutex_unlock(&r->lock);
}

struct remote *remote_new(const char *name, struct loop *loop, struct err *err)
{
	struct remote *r = calloc(1, sizeof(*r));

	if (!r) {
		err_host(err, ENOMEM, "%s", name);
		return NULL;
	}
	r->chr = (struct chardev){ .ops = &remote_ops, .connected = true };
	r->name = name;
	r->loop = loop;
	r->peer.fd = r->master = r->opened.fd = r->listener.fd = -1;
	r->work = (struct loop_source){ .ready = work_ready, .ctx = r };
	r->work.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->work.fd < 0) {
		err_host(err, errno, "eventfd for %s", name);
	} else if (loop_add(loop, &r->work, EPOLLIN, err) < 0) {
		close(r->work.fd);
	} else {
		pthread_mutex_init(&r->lock, NULL);
		return r;
	}
	free(r);
	return NULL;
}

const char *remote_console_path(const struct chardev *chr)
{
	return ((const struct remote *)chr)->path;
}

void remote_console_destroy(struct chardev *chr, bool patient)
{
	struct remote *r = (struct remote *)chr;
	struct pollfd pfd = { .fd = r->peer.fd, .events = POLLOUT };

	while (!drain(r) && patient && r->is_lossless)
		poll(&pfd, 1, -1);
	if (r->peer.fd >= 0)
		drop_peer(r);
	if (r->opened.fd >= 0) {
		loop_remove(r->loop, &r->opened);
		close(r->opened.fd);
	}
	if (r->master >= 0)
		close(r->master);
	if (r->listener.fd >= 0) {
		unix_acceptor_stop(&r->acceptor);
		unix_unlisten(&r->listener);
	}
	loop_remove(r->loop, &r->work);
	close(r->work.fd);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
