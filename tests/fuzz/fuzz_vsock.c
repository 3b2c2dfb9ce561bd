// SPDX-License-Identifier: BSD-2-Clause
/*
 * The socket device (VIRTIO 1.2, "Socket Device"): packets good and bad, programs of the host that come,
 * read, write, stop and go at any moment.
 */
#include <errno.h>

#include "devices/virtio/vsock_internal.h"
#include "tests/fuzz/virtio_fuzz.h"

#define CID     3
#define STREAMS 12
#define PORTS   4 /* that the guest uses, and as many of the host */

struct stream {
	struct vsock_stream stream;
	bool open, send_ended, receive_ended, gone, eof;
	uint32_t room, left; /* bytes it takes, and has to give */
	uint8_t sum;         /* of what it took */
};

static struct {
	struct vsock_host host;
	struct stream stream[STREAMS];
	bool refuses, destroyed;
} host;

static struct stream *new_stream(void)
{
	for (unsigned int i = 0; i < STREAMS; i++) {
		if (!host.stream[i].open) {
			host.stream[i] = (struct stream){ .open = true, .room = 100 };
			return &host.stream[i];
		}
	}
	return NULL;
}

static struct stream *open_stream(struct vsock_stream *stream)
{
	struct stream *s = (struct stream *)stream;

	must(s->open && stream->conn && !host.destroyed);
	return s;
}

static int do_connect(struct vsock_host *h, uint32_t port, struct vsock_stream **out)
{
	struct stream *s = host.refuses ? NULL : new_stream();

	(void)h;
	(void)port;
	if (!s)
		return -ECONNREFUSED;
	*out = &s->stream;
	return 0;
}

static int do_accepted(struct vsock_host *h, struct vsock_stream *stream, uint32_t port)
{
	(void)h;
	must(port >= VSOCK_FIRST_PORT);
	return open_stream(stream)->gone ? -EPIPE : 0;
}

static ssize_t do_send(struct vsock_host *h, struct vsock_stream *stream, const struct iovec *iov,
		       unsigned int count)
{
	struct stream *s = open_stream(stream);
	uint64_t len = iov_size(iov, count);

	(void)h;
	must(len > 0 && !s->send_ended);
	for (unsigned int i = 0; i < count; i++)
		for (size_t k = 0; k < iov[i].iov_len; k++)
			s->sum ^= ((const uint8_t *)iov[i].iov_base)[k];
	if (s->gone)
		return -EPIPE;
	if (!s->room)
		return -EAGAIN;
	if (len > s->room)
		len = s->room;
	s->room -= (uint32_t)len;
	return (ssize_t)len;
}

static ssize_t do_receive(struct vsock_host *h, struct vsock_stream *stream, const struct iovec *iov,
			  unsigned int count)
{
	struct stream *s = open_stream(stream);
	uint64_t len = iov_size(iov, count);
	uint8_t bytes[256];

	(void)h;
	must(len > 0 && !s->receive_ended);
	if (len > s->left)
		len = s->left;
	if (!len)
		return s->eof ? 0 : s->gone ? -ECONNRESET : -EAGAIN;
	if (len > sizeof(bytes))
		len = sizeof(bytes);
	memset(bytes, 0x5a, len);
	must(iov_write(iov, count, 0, bytes, len) == len);
	s->left -= (uint32_t)len;
	return (ssize_t)len;
}

static void do_end_send(struct vsock_host *h, struct vsock_stream *stream)
{
	(void)h;
	must(!open_stream(stream)->send_ended);
	((struct stream *)stream)->send_ended = true;
}

static void do_end_receive(struct vsock_host *h, struct vsock_stream *stream)
{
	(void)h;
	must(!open_stream(stream)->receive_ended);
	((struct stream *)stream)->receive_ended = true;
}

static void do_close(struct vsock_host *h, struct vsock_stream *stream)
{
	struct stream *s = (struct stream *)stream;

	(void)h;
	must(s->open && !stream->conn && !host.destroyed);
	s->open = false;
}

static void do_destroy(struct vsock_host *h)
{
	(void)h;
	for (unsigned int i = 0; i < STREAMS; i++)
		must(!host.stream[i].open);
	must(!host.destroyed);
	host.destroyed = true;
}

static void create(struct vfuzz *v)
{
	static const struct vsock_host_ops ops = {
		.connect = do_connect,
		.accepted = do_accepted,
		.send = do_send,
		.receive = do_receive,
		.end_send = do_end_send,
		.end_receive = do_end_receive,
		.close = do_close,
		.destroy = do_destroy,
	};
	struct err err;

	memset(&host, 0, sizeof(host));
	host.host.ops = &ops;
	must(virtio_vsock_create(&v->vdev, &v->mem, "vsock vsock0", CID, &host.host, &err) == 0);
}

/* A packet, mostly of a connection that there may be, and most of all by the rules. */
static void request(struct vfuzz *v, unsigned int queue, struct vfuzz_request *r)
{
	struct vsock_header header = { .src_cid = CID, .dst_cid = VSOCK_HOST_CID, .type = VSOCK_TYPE_STREAM };
	uint8_t how = (uint8_t)take(&v->in, 1);

	if (queue != 1) {
		r->in_len = how & 1 ? 4096 : 1 + take_below(&v->in, 512);
		return;
	}
	header.op = how & 0x0f;
	header.src_port = 1000 + (uint32_t)take_below(&v->in, PORTS);
	header.dst_port = (how & 0x10 ? VSOCK_FIRST_PORT : 50) + take_below(&v->in, PORTS);
	header.flags = how >> 5 & 3;
	header.len = header.op == VSOCK_OP_RW ? take_below(&v->in, 900) : 0;
	header.buf_alloc = how & 0x80 ? (uint32_t)take_value(&v->in) : 65536;
	header.fwd_cnt = how & 0x80 ? (uint32_t)take_value(&v->in) : 0;
	memcpy(r->out, &header, sizeof(header));
	memset(r->out + sizeof(header), 0xa5, header.len);
	r->out_len = (uint32_t)sizeof(header) + header.len;
}

static void outside(struct vfuzz *v)
{
	uint8_t how = (uint8_t)take(&v->in, 1);
	struct stream *s = &host.stream[how % STREAMS];

	if (how & 0x80) {
		host.refuses = how & 1;
		s = how & 2 ? new_stream() : NULL;
		if (s && !host.host.offer(host.host.ctx, &s->stream, 1000 + (how >> 2 & 3)))
			s->open = false;
		return;
	}
	how = (uint8_t)take(&v->in, 1);
	s->room = how & 8 ? 0 : take_below(&v->in, 2000);
	s->left = how & 16 ? 0 : take_below(&v->in, 2000);
	s->gone |= (how & 0xe0) == 0xe0;
	s->eof |= (how & 0xc0) == 0xc0;
	if (s->open)
		host.host.ready(host.host.ctx, &s->stream, how & 7);
}

static void check(struct vfuzz *v)
{
	const struct vsock *model = (const struct vsock *)v->vdev;
	unsigned int conns = 0, streams = 0, open = 0;

	for (unsigned int i = 0; i < VSOCK_BUCKETS; i++) {
		for (const struct vsock_conn *conn = model->bucket[i]; conn; conn = conn->hash_next) {
			conns++;
			streams += conn->stream != NULL;
			must(!conn->stream || conn->stream->conn == conn);
			must(conn->buf_len <= VSOCK_BUFFER && !conn->buf == !conn->buf_len);
			must(conn->state != VSOCK_RESET || (!conn->stream && conn->owed));
			must(!conn->owed || conn->is_ready);
		}
	}
	for (unsigned int i = 0; i < STREAMS; i++)
		open += host.stream[i].open;
	must(conns == model->nr_conns && conns <= VSOCK_MAX_CONNS);
	must(streams == open);
	must(model->nr_refusals <= VSOCK_MAX_REFUSALS);
	if (!(v->vdev->status & VIRTIO_STATUS_DRIVER_OK))
		must(!conns && !model->nr_refusals && !model->ready_first);
}

static void probe(struct vfuzz *v)
{
	struct vsock_header header = {
		.src_cid = CID,
		.dst_cid = VSOCK_HOST_CID,
		.src_port = 1000,
		.dst_port = 50,
		.type = VSOCK_TYPE_STREAM,
		.op = VSOCK_OP_REQUEST,
		.buf_alloc = 1000,
	};
	uint8_t packet[512];
	uint32_t written;

	host.refuses = false;
	must(vfuzz_ask(v, 1, &header, sizeof(header), NULL, 0, &written) && written == 0);
	must(vfuzz_ask(v, 0, "", 0, packet, sizeof(packet), &written) && written == sizeof(header));
	memcpy(&header, packet, sizeof(header));
	must(header.op == VSOCK_OP_RESPONSE && header.src_port == 50 && header.dst_port == 1000);
	must(header.src_cid == VSOCK_HOST_CID && header.dst_cid == CID && header.fwd_cnt == 0);
	must(vfuzz_is_live(v));
}

static void destroyed(struct vfuzz *v)
{
	(void)v;
	must(host.destroyed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct vfuzz_target target = {
		.create = create,
		.request = request,
		.outside = outside,
		.check = check,
		.probe = probe,
		.destroy = destroyed,
	};

	return vfuzz_one(&target, data, size);
}
