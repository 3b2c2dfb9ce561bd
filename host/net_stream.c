// SPDX-License-Identifier: BSD-2-Clause
#include "host/net_stream.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/virtio/queue.h"
#include "host/net_stream_internal.h"
#define LOG_AREA AREA_NET
#include "kvm/log.h"

#define LENGTH    4u /* bytes of the number before each frame */
#define MAX_FRAME (NETDEV_MAX_FRAME - NETDEV_HEADER)

/* Several small frames, or one of any size. */
#define IN_SIZE 131072u

struct stream {
	struct netdev nd;
	struct loop *loop;
	char label[48];
	char *peer;
	struct loop_source source;
	struct daemon *daemon; /* who is at the other end, if it is ours; or NULL */

	pthread_mutex_t lock; /* guards the next five; nothing is called with it held but the loop */
	bool watched;         /* the loop knows the socket */
	bool wanted;          /* readable() is to be called */
	bool blocked;         /* writable() is to be called */
	bool unsent;          /* there is a rest of a frame in `out` */
	bool gone;            /* nothing goes or comes any more */

	/* The worker's thread only. */
	const char *lost_because; /* NULL: it is not lost */
	uint8_t in[IN_SIZE];      /* what came and was not taken yet: in[in_start .. in_end) */
	size_t in_start, in_end;
	uint8_t out[LENGTH +
		    MAX_FRAME]; /* the rest of a frame that went in part: out[out_start .. out_end) */
	size_t out_start, out_end;
	struct iovec part[VIRTQ_MAX_SIZE + 1];
};

static struct stream *to_stream(struct netdev *nd)
{
	return (struct stream *)nd;
}

/* With s->lock held. */
static void watch(struct stream *s)
{
	if (s->watched)
		loop_change(s->loop, &s->source, (s->wanted ? EPOLLIN : 0) | (s->blocked ? EPOLLOUT : 0));
}

/* --- to the peer --- */

static void lost(struct stream *s, const char *why)
{
	if (!s->lost_because)
		s->lost_because = why;
	/* So that the loop comes to know, whatever it waits for. */
	shutdown(s->source.fd, SHUT_RDWR);
}

static int wait_for_room(struct stream *s, bool unsent)
{
	bool watched;

	pthread_mutex_lock(&s->lock);
	s->unsent = unsent;
	watched = s->watched;
	s->blocked = watched;
	watch(s);
	pthread_mutex_unlock(&s->lock);
	return watched ? -EAGAIN : 0;
}

static int stream_send(struct netdev *nd, unsigned int pair, const struct iovec *iov, unsigned int count)
{
	struct stream *s = to_stream(nd);
	uint64_t size = iov_size(iov, count);
	struct msghdr msg = { .msg_iov = s->part };
	uint32_t length;
	ssize_t n;

	(void)pair;
	if (s->out_start < s->out_end)
		return wait_for_room(s, true);
	if (size <= NETDEV_HEADER || size > NETDEV_MAX_FRAME)
		return 0;
	size -= NETDEV_HEADER;
	length = htobe32((uint32_t)size);
	s->part[0] = (struct iovec){ &length, LENGTH };
	msg.msg_iovlen = iov_slice(iov, count, NETDEV_HEADER, size, s->part + 1, VIRTQ_MAX_SIZE);
	if (!msg.msg_iovlen++)
		return 0;

	n = sendmsg(s->source.fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno == EAGAIN)
		return wait_for_room(s, false);
	if (n < 0) {
		lost(s, "takes no frames any more");
		return 0;
	}
	if ((uint64_t)n < LENGTH + size) {
		s->out_start = 0;
		s->out_end = iov_read(s->part, (unsigned int)msg.msg_iovlen, (uint64_t)n, s->out,
				      LENGTH + size - (size_t)n);
		wait_for_room(s, true);
	}
	return 0;
}

/* True: nothing is left of the frame that had gone in part. */
static bool send_rest(struct stream *s)
{
	while (s->out_start < s->out_end) {
		ssize_t n = send(s->source.fd, s->out + s->out_start, s->out_end - s->out_start,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno != EAGAIN;
		s->out_start += (size_t)n;
	}
	return true;
}

/* --- from the peer --- */

/* The length of the next frame, when all of it is there; -EAGAIN: it is not; or lost. */
static ssize_t next_frame(struct stream *s)
{
	size_t have = s->in_end - s->in_start;
	uint32_t length;

	if (have < LENGTH)
		return -EAGAIN;
	memcpy(&length, s->in + s->in_start, LENGTH);
	length = be32toh(length);
	if (length > MAX_FRAME) {
		lost(s, "does not send frames behind their lengths");
		return -EPROTO;
	}
	return have - LENGTH < length ? -EAGAIN : (ssize_t)length;
}

/* Reads what is there: 0, -EAGAIN if there is nothing, or lost. */
static int read_more(struct stream *s)
{
	ssize_t n;

	memmove(s->in, s->in + s->in_start, s->in_end - s->in_start);
	s->in_end -= s->in_start;
	s->in_start = 0;
	n = recv(s->source.fd, s->in + s->in_end, IN_SIZE - s->in_end, MSG_DONTWAIT);
	if (n > 0) {
		s->in_end += (size_t)n;
		return 0;
	}
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	lost(s, "has closed its socket");
	return -EPIPE;
}

static ssize_t stream_receive(struct netdev *nd, unsigned int pair, const struct iovec *iov,
			      unsigned int count)
{
	static const uint8_t header[NETDEV_HEADER];
	struct stream *s = to_stream(nd);
	ssize_t length;
	size_t done;

	(void)pair;
	while ((length = s->lost_because ? -EPIPE : next_frame(s)) == -EAGAIN) {
		if (read_more(s) < 0)
			return -EAGAIN;
	}
	if (length < 0)
		return -EAGAIN;
	done = iov_write(iov, count, 0, header, sizeof(header));
	done += iov_write(iov, count, NETDEV_HEADER, s->in + s->in_start + LENGTH, (size_t)length);
	s->in_start += LENGTH + (size_t)length;
	return (ssize_t)done;
}

static void stream_want_input(struct netdev *nd, unsigned int pair, bool want)
{
	struct stream *s = to_stream(nd);

	(void)pair;
	pthread_mutex_lock(&s->lock);
	if (s->wanted != want) {
		s->wanted = want;
		watch(s);
	}
	pthread_mutex_unlock(&s->lock);
}

/* --- the loop --- */

static void lose(struct stream *s)
{
	pthread_mutex_lock(&s->lock);
	s->gone = true;
	s->watched = s->blocked = false;
	loop_remove(s->loop, &s->source);
	pthread_mutex_unlock(&s->lock);

	/* The end of a daemon has its own line. */
	log_line(LOG_AREA, s->daemon ? LOG_INFO : LOG_WARN, "%s: %s %s; the link is down", s->label, s->peer,
		 s->lost_because);
	s->out_start = s->out_end = 0;
	s->nd.link_up = false;
	s->nd.link_changed(s->nd.ctx);
	s->nd.writable(s->nd.ctx, 0);
}

static void ready(void *ctx, uint32_t events)
{
	struct stream *s = ctx;
	bool readable, writable, gone;

	writable = events & EPOLLOUT && send_rest(s);
	pthread_mutex_lock(&s->lock);
	gone = !s->watched;
	readable = events & EPOLLIN && s->wanted;
	writable = writable && s->blocked;
	if (writable) {
		s->blocked = s->unsent = false;
		watch(s);
	}
	pthread_mutex_unlock(&s->lock);
	if (gone) /* the card was reset meanwhile */
		return;

	if (readable)
		s->nd.readable(s->nd.ctx, 0);
	if (events & (EPOLLHUP | EPOLLERR) && !s->lost_because)
		s->lost_because = "has closed its socket";
	if (s->lost_because)
		lose(s);
	else if (writable)
		s->nd.writable(s->nd.ctx, 0);
}

/* --- life --- */

static void stream_set_offloads(struct netdev *nd, unsigned int offloads)
{
	(void)nd;
	(void)offloads;
}

static void stream_set_pairs(struct netdev *nd, unsigned int pairs)
{
	struct stream *s = to_stream(nd);
	struct err err;

	pthread_mutex_lock(&s->lock);
	s->wanted = s->blocked = false;
	if (pairs && !s->watched && !s->gone) {
		s->blocked = s->unsent;
		if (!loop_add(s->loop, &s->source, s->unsent ? EPOLLOUT : 0, &err))
			s->watched = true;
		else
			log_warn("%s: %s", s->label, err.text);
	} else if (!pairs && s->watched) {
		loop_remove(s->loop, &s->source);
		s->watched = false;
	}
	pthread_mutex_unlock(&s->lock);
}

static void stream_destroy(struct netdev *nd)
{
	struct stream *s = to_stream(nd);

	close(s->source.fd);
	daemon_stop(s->daemon);
	pthread_mutex_destroy(&s->lock);
	free(s->peer);
	free(s);
}

static const struct netdev_ops stream_ops = {
	.send = stream_send,
	.receive = stream_receive,
	.want_input = stream_want_input,
	.set_offloads = stream_set_offloads,
	.set_pairs = stream_set_pairs,
	.destroy = stream_destroy,
};

int net_stream_new(struct netdev **out, struct loop *loop, int fd, const char *name, const char *peer,
		   struct err *err)
{
	struct stream *s = calloc(1, sizeof(*s));
	char *copy = strdup(peer);

	if (!s || !copy) {
		free(s);
		free(copy);
		close(fd);
		return err_host(err, ENOMEM, "%s", name);
	}
	s->nd = (struct netdev){ .ops = &stream_ops, .max_pairs = 1, .link_up = true };
	s->loop = loop;
	s->nd.peer = s->peer = copy;
	s->source = (struct loop_source){ .fd = fd, .ready = ready, .ctx = s };
	snprintf(s->label, sizeof(s->label), "%s", name);
	pthread_mutex_init(&s->lock, NULL);
	*out = &s->nd;
	return 0;
}

void net_stream_own_daemon(struct netdev *nd, struct daemon *daemon)
{
	to_stream(nd)->daemon = daemon;
}

int net_stream_connect(struct netdev **out, struct loop *loop, const char *path, const char *name,
		       struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return err_user(err, "%s: socket path '%s' is too long (allowed: up to %zu bytes)", name,
				path, sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_host(err, errno, "%s: socket", name);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int code = errno;

		close(fd);
		return err_host(err, code, "%s: connecting to socket '%s' (start what listens on it first)",
				name, path);
	}
	return net_stream_new(out, loop, fd, name, path, err);
}
