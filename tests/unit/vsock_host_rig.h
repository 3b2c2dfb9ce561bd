/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A socket device with a guest (vsock_rig.h) and a host side that does as it is told: streams that take and
 * give as much as a test lets them.
 *
 * Include after <cmocka.h>.
 */
#ifndef VIREO_TESTS_UNIT_VSOCK_HOST_RIG_H
#define VIREO_TESTS_UNIT_VSOCK_HOST_RIG_H

#include <errno.h>

#include "tests/unit/vsock_rig.h"

#define BUFFER (256u << 10) /* what the device says of its own */

#define MAX_GOT (1u << 20)

struct fake_stream {
	struct vsock_stream stream;
	bool used, closed, send_ended, receive_ended;
	uint32_t port;       /* of the host */
	uint32_t accepted;   /* by the guest, under that port */
	uint8_t *got;        /* from the guest, MAX_GOT at most */
	size_t nr_got, room; /* bytes it takes before it says that it cannot */
	size_t due;          /* bytes it must have got in the end */
	bool gone;           /* takes nothing ever again */
	const char *text;    /* for the guest */
	size_t left;         /* bytes of `text`; of nothing but 'x' if that is NULL */
	bool eof;            /* after that */
};

#define MAX_STREAMS 600

static struct {
	struct vsock_host host;
	struct fake_stream *stream[MAX_STREAMS];
	unsigned int nr_streams;
	int refusal; /* what connect() says; 0: yes */
	bool destroyed;
} host;

static inline struct fake_stream *new_stream(void)
{
	struct fake_stream *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	assert_true(host.nr_streams < MAX_STREAMS);
	host.stream[host.nr_streams++] = s;
	s->room = MAX_GOT;
	return s;
}

static inline struct fake_stream *newest(void)
{
	assert_true(host.nr_streams > 0);
	return host.stream[host.nr_streams - 1];
}

static inline int fake_connect(struct vsock_host *h, uint32_t port, struct vsock_stream **out)
{
	struct fake_stream *s;

	(void)h;
	if (host.refusal)
		return host.refusal;
	s = new_stream();
	s->port = port;
	*out = &s->stream;
	return 0;
}

static inline int fake_accepted(struct vsock_host *h, struct vsock_stream *stream, uint32_t port)
{
	struct fake_stream *s = (struct fake_stream *)stream;

	(void)h;
	assert_false(s->closed);
	s->accepted = port;
	return s->gone ? -EPIPE : 0;
}

static inline ssize_t fake_send(struct vsock_host *h, struct vsock_stream *stream, const struct iovec *iov,
				unsigned int count)
{
	struct fake_stream *s = (struct fake_stream *)stream;
	size_t len = (size_t)iov_size(iov, count);

	(void)h;
	assert_false(s->closed);
	assert_false(s->send_ended);
	if (s->gone)
		return -EPIPE;
	if (len > s->room)
		len = s->room;
	if (!len)
		return -EAGAIN;
	if (!s->got)
		s->got = malloc(MAX_GOT);
	assert_non_null(s->got);
	assert_true(s->nr_got + len <= MAX_GOT);
	iov_read(iov, count, 0, s->got + s->nr_got, len);
	s->nr_got += len;
	s->room -= len;
	return (ssize_t)len;
}

static inline ssize_t fake_receive(struct vsock_host *h, struct vsock_stream *stream, const struct iovec *iov,
				   unsigned int count)
{
	struct fake_stream *s = (struct fake_stream *)stream;
	size_t len = (size_t)iov_size(iov, count);

	(void)h;
	assert_false(s->closed);
	if (len > s->left)
		len = s->left;
	if (!len)
		return s->eof ? 0 : -EAGAIN;
	for (size_t i = 0; i < len; i++) {
		char byte = s->text ? *s->text++ : 'x';

		iov_write(iov, count, i, &byte, 1);
	}
	s->left -= len;
	return (ssize_t)len;
}

static inline void fake_end_send(struct vsock_host *h, struct vsock_stream *stream)
{
	(void)h;
	((struct fake_stream *)stream)->send_ended = true;
}

static inline void fake_end_receive(struct vsock_host *h, struct vsock_stream *stream)
{
	(void)h;
	((struct fake_stream *)stream)->receive_ended = true;
}

static inline void fake_close(struct vsock_host *h, struct vsock_stream *stream)
{
	struct fake_stream *s = (struct fake_stream *)stream;

	(void)h;
	assert_false(s->closed);
	assert_null(stream->conn);
	s->closed = true;
}

static inline void fake_destroy(struct vsock_host *h)
{
	(void)h;
	host.destroyed = true;
}

static const struct vsock_host_ops ops = {
	.connect = fake_connect,
	.accepted = fake_accepted,
	.send = fake_send,
	.receive = fake_receive,
	.end_send = fake_end_send,
	.end_receive = fake_end_receive,
	.close = fake_close,
	.destroy = fake_destroy,
};

static struct vsock_rig r;

static inline int setup(void **state)
{
	struct err err;

	(void)state;
	memset(&host, 0, sizeof(host));
	host.host.ops = &ops;
	vrig_init(&r.v);
	assert_int_equal(virtio_vsock_create(&r.v.vdev, &r.v.mem, "vsock vsock0", CID, &host.host, &err), 0);
	vrig_plug(&r.v);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	vrig_finish(&r.v);
	assert_true(host.destroyed);
	for (unsigned int i = 0; i < host.nr_streams; i++) {
		assert_true(host.stream[i]->closed);
		assert_true(host.stream[i]->nr_got >= host.stream[i]->due);
		free(host.stream[i]->got);
		free(host.stream[i]);
	}
	return 0;
}

/* Something has become of a stream of the host's. */
static inline void happens(struct fake_stream *s, unsigned int what)
{
	host.host.ready(host.host.ctx, &s->stream, what);
	vrig_run(&r.v);
}

static inline void program_sends(struct fake_stream *s, const char *text)
{
	s->text = text;
	s->left = strlen(text);
	happens(s, VSOCK_READABLE);
}

/* The guest connects from port 1000 to `port` of the host. */
static inline struct fake_stream *connected(uint32_t port)
{
	guest_say(&r, REQUEST, 1000, port);
	guest_expect(&r, RESPONSE, port, 1000);
	return newest();
}

/* A program of the host is connected to `port` of the guest. */
static inline struct fake_stream *offered(uint32_t port)
{
	struct fake_stream *s = new_stream();

	assert_true(host.host.offer(host.host.ctx, &s->stream, port));
	vrig_run(&r.v);
	return s;
}

static inline struct fake_stream *accepted(uint32_t port)
{
	struct fake_stream *s = offered(port);

	guest_take(&r);
	assert_int_equal(r.last.op, REQUEST);
	guest_say(&r, RESPONSE, port, r.last.src_port);
	return s;
}

#endif
