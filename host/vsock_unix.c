// SPDX-License-Identifier: BSD-2-Clause
/*
 * Streams belong to the thread of the loop: it alone frees them, when nothing of it can be at work on
 * them. The model may close one on any thread (a reset); then the socket is closed at once, and the rest
 * is left to the loop.
 *
 * Sockets are watched for edges: what the loop says once is remembered by the model.
 */
#include "host/vsock_unix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "host/unix_accept.h"

#define EVENTS ((uint32_t)EPOLLIN | (uint32_t)EPOLLOUT | (uint32_t)EPOLLRDHUP | (uint32_t)EPOLLET)

#define MAX_LINE 32 /* bytes of "CONNECT PORT\n", and more than that has */

struct unix_stream {
	struct vsock_stream stream; /* first */
	struct loop_source source;
	struct vsock_unix *host;
	bool waiting; /* for its CONNECT: in the list of these */
	struct unix_stream *prev, *next;
};

struct vsock_unix {
	struct vsock_host host; /* first */
	char name[48];
	struct loop *loop;
	struct unix_listener listener;
	struct unix_acceptor acceptor;
	struct loop_source reap;

	/* The loop's thread only. Oldest first. */
	struct unix_stream *first_waiting, *last_waiting;
	unsigned int nr_waiting;

	pthread_mutex_t lock;     /* guards what follows */
	struct unix_stream *dead; /* closed by the model, linked by `next` */
};

static struct unix_stream *stream_of(struct vsock_stream *stream)
{
	return (struct unix_stream *)stream;
}

/* --- streams --- */

static void wait_for_line(struct vsock_unix *u, struct unix_stream *s)
{
	s->waiting = true;
	s->prev = u->last_waiting;
	if (s->prev)
		s->prev->next = s;
	else
		u->first_waiting = s;
	u->last_waiting = s;
	u->nr_waiting++;
}

static void wait_no_more(struct vsock_unix *u, struct unix_stream *s)
{
	*(s->prev ? &s->prev->next : &u->first_waiting) = s->next;
	*(s->next ? &s->next->prev : &u->last_waiting) = s->prev;
	s->prev = s->next = NULL;
	s->waiting = false;
	u->nr_waiting--;
}

static void disconnect(struct unix_stream *s)
{
	loop_remove(s->host->loop, &s->source);
	close(s->source.fd);
	s->source.fd = -1;
}

/* One that the model does not have. */
static void drop(struct vsock_unix *u, struct unix_stream *s)
{
	if (s->waiting)
		wait_no_more(u, s);
	disconnect(s);
	free(s);
}

static void stream_ready(void *ctx, uint32_t events);

/* Takes the socket, in any case. */
static int add_stream(struct vsock_unix *u, int fd, struct unix_stream **out)
{
	struct unix_stream *s = calloc(1, sizeof(*s));
	struct err err;
	int ret = s ? 0 : -ENOMEM;

	if (s) {
		s->host = u;
		s->source = (struct loop_source){ .fd = fd, .ready = stream_ready, .ctx = s };
		ret = loop_add(u->loop, &s->source, EVENTS, &err);
	}
	if (ret < 0) {
		close(fd);
		free(s);
		return ret;
	}
	*out = s;
	return 0;
}

/* --- clients --- */

/* "CONNECT PORT\n", without the end of line: the port, or -1. */
static int64_t parse_line(const char *line, size_t len)
{
	static const char word[] = "CONNECT ";
	const size_t skip = sizeof(word) - 1;
	uint64_t port = 0;

	if (len <= skip || memcmp(line, word, skip) || len - skip > 10)
		return -1;
	for (size_t i = skip; i < len; i++) {
		if (line[i] < '0' || line[i] > '9')
			return -1;
		port = port * 10 + (uint64_t)(line[i] - '0');
	}
	/* The last one is for "any port" and nobody's. */
	return port < UINT32_MAX ? (int64_t)port : -1;
}

/* What is behind the line is for the guest: it stays where it is. */
static void read_line(struct vsock_unix *u, struct unix_stream *s, uint32_t events)
{
	char line[MAX_LINE];
	ssize_t len = recv(s->source.fd, line, sizeof(line), MSG_PEEK);
	const char *end = len > 0 ? memchr(line, '\n', (size_t)len) : NULL;
	int64_t port;

	if (!end) {
		bool may_come = len > 0 ? len < MAX_LINE : len < 0 && (errno == EAGAIN || errno == EINTR);

		if (!may_come || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
			drop(u, s);
		return;
	}
	port = parse_line(line, (size_t)(end - line));
	if (port < 0 || recv(s->source.fd, line, (size_t)(end - line) + 1, 0) != end - line + 1) {
		drop(u, s);
		return;
	}
	wait_no_more(u, s);
	if (!u->host.offer(u->host.ctx, &s->stream, (uint32_t)port))
		drop(u, s);
}

static void stream_ready(void *ctx, uint32_t events)
{
	struct unix_stream *s = ctx;
	struct vsock_unix *u = s->host;
	unsigned int what = 0;

	if (s->waiting) {
		read_line(u, s, events);
		return;
	}
	if (events & (EPOLLIN | EPOLLRDHUP))
		what |= VSOCK_READABLE;
	if (events & EPOLLOUT)
		what |= VSOCK_WRITABLE;
	if (events & (EPOLLHUP | EPOLLERR))
		what |= VSOCK_HANGUP;
	u->host.ready(u->host.ctx, &s->stream, what);
}

static void accept_ready(void *ctx, uint32_t events)
{
	struct vsock_unix *u = ctx;
	struct unix_stream *s;
	int fd = unix_acceptor_take(&u->acceptor);

	(void)events;
	if (fd < 0)
		return;
	if (u->nr_waiting == VSOCK_UNIX_MAX_WAITING)
		drop(u, u->first_waiting);
	if (!add_stream(u, fd, &s))
		wait_for_line(u, s);
}

/* --- the model's operations --- */

static int unix_host_connect(struct vsock_host *host, uint32_t port, struct vsock_stream **out)
{
	struct vsock_unix *u = (struct vsock_unix *)host;
	char path[UNIX_PATH_MAX_LENGTH + 12];
	struct unix_stream *s;
	int fd, ret;

	snprintf(path, sizeof(path), "%s_%lu", u->listener.path, (unsigned long)port);
	fd = unix_connect(path);
	if (fd < 0)
		return fd;
	ret = add_stream(u, fd, &s);
	if (!ret)
		*out = &s->stream;
	return ret;
}

static ssize_t unix_host_send(struct vsock_host *host, struct vsock_stream *stream, const struct iovec *iov,
			      unsigned int count)
{
	const struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = count };
	ssize_t sent;

	(void)host;
	do
		sent = sendmsg(stream_of(stream)->source.fd, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

static ssize_t unix_host_receive(struct vsock_host *host, struct vsock_stream *stream,
				 const struct iovec *iov, unsigned int count)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = count };
	ssize_t got;

	(void)host;
	do
		got = recvmsg(stream_of(stream)->source.fd, &msg, 0);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static int unix_host_accepted(struct vsock_host *host, struct vsock_stream *stream, uint32_t port)
{
	char line[MAX_LINE];
	int len = snprintf(line, sizeof(line), "OK %lu\n", (unsigned long)port);
	const struct iovec iov = { .iov_base = line, .iov_len = (size_t)len };

	/* It is the first that is sent: there is room for it, or the client has gone. */
	return unix_host_send(host, stream, &iov, 1) == len ? 0 : -EPIPE;
}

static void unix_host_end_send(struct vsock_host *host, struct vsock_stream *stream)
{
	(void)host;
	shutdown(stream_of(stream)->source.fd, SHUT_WR);
}

static void unix_host_end_receive(struct vsock_host *host, struct vsock_stream *stream)
{
	(void)host;
	shutdown(stream_of(stream)->source.fd, SHUT_RD);
}

static void unix_host_close(struct vsock_host *host, struct vsock_stream *stream)
{
	const uint64_t one = 1;
	struct vsock_unix *u = (struct vsock_unix *)host;
	struct unix_stream *s = stream_of(stream);

	disconnect(s);
	pthread_mutex_lock(&u->lock);
	s->next = u->dead;
	u->dead = s;
	pthread_mutex_unlock(&u->lock);
	(void)!write(u->reap.fd, &one, sizeof(one));
}

static void free_dead(struct vsock_unix *u)
{
	struct unix_stream *s, *next;

	pthread_mutex_lock(&u->lock);
	s = u->dead;
	u->dead = NULL;
	pthread_mutex_unlock(&u->lock);
	for (; s; s = next) {
		next = s->next;
		free(s);
	}
}

static void reap_ready(void *ctx, uint32_t events)
{
	struct vsock_unix *u = ctx;
	uint64_t count;

	(void)events;
	(void)!read(u->reap.fd, &count, sizeof(count));
	free_dead(u);
}

static void unix_host_destroy(struct vsock_host *host)
{
	struct vsock_unix *u = (struct vsock_unix *)host;

	while (u->first_waiting)
		drop(u, u->first_waiting);
	free_dead(u);
	unix_acceptor_stop(&u->acceptor);
	if (u->reap.fd >= 0) {
		loop_remove(u->loop, &u->reap);
		close(u->reap.fd);
	}
	unix_unlisten(&u->listener);
	pthread_mutex_destroy(&u->lock);
	free(u);
}

static const struct vsock_host_ops ops = {
	.connect = unix_host_connect,
	.accepted = unix_host_accepted,
	.send = unix_host_send,
	.receive = unix_host_receive,
	.end_send = unix_host_end_send,
	.end_receive = unix_host_end_receive,
	.close = unix_host_close,
	.destroy = unix_host_destroy,
};

int vsock_unix_open(struct vsock_host **out, const char *path, const char *name, struct loop *loop,
		    struct err *err)
{
	struct vsock_unix *u;
	int ret;

	if (strlen(path) > VSOCK_UNIX_PATH_MAX)
		return err_user(err, "%s: with \"_\" and a port behind it, the path has at most %zu bytes",
				path, VSOCK_UNIX_PATH_MAX);
	u = calloc(1, sizeof(*u));
	if (!u)
		return err_host(err, ENOMEM, "%s", name);
	u->host.ops = &ops;
	u->loop = loop;
	snprintf(u->name, sizeof(u->name), "%s", name);
	u->reap = (struct loop_source){ .fd = -1, .ready = reap_ready, .ctx = u };
	pthread_mutex_init(&u->lock, NULL);

	ret = unix_listen(&u->listener, path, ACCESSPERMS, err);
	if (!ret) {
		u->reap.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ret = u->reap.fd < 0 ? err_host(err, errno, "eventfd for %s", name) : 0;
	}
	if (!ret)
		ret = loop_add(loop, &u->reap, EPOLLIN, err);
	if (!ret)
		ret = unix_acceptor_start(&u->acceptor, loop, u->listener.fd, u->name, accept_ready, u, err);
	if (ret < 0) {
		unix_host_destroy(&u->host);
		return ret;
	}
	*out = &u->host;
	return 0;
}
