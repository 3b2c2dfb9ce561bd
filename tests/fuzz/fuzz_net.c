// SPDX-License-Identifier: BSD-2-Clause
/*
 * The network card (VIRTIO 1.2, "Network Device"): a driver that tries everything, and a host side that has
 * frames of any size, or no room.
 */
#include <errno.h>

#include "devices/virtio/net.h"
#include "tests/fuzz/virtio_fuzz.h"

#define FRAMES 8

struct host {
	struct netdev nd;
	bool wants[NETDEV_MAX_PAIRS], waits[NETDEV_MAX_PAIRS];
	unsigned int pairs, offloads;
	unsigned int room; /* frames that are taken */
	uint32_t input[FRAMES];
	unsigned int nr_input;
	unsigned int sent, received;
	uint8_t seed;
};

static uint8_t frame[NETDEV_MAX_FRAME];

static int host_send(struct netdev *nd, unsigned int pair, const struct iovec *iov, unsigned int count)
{
	struct host *h = (struct host *)nd;
	uint64_t size = iov_size(iov, count);

	must(pair < h->pairs && size > NETDEV_HEADER && size <= NETDEV_MAX_FRAME);
	must(!h->waits[pair]); /* until writable() nothing is tried */
	if (!h->room) {
		h->waits[pair] = true;
		return -EAGAIN;
	}
	h->room--;
	must(iov_read(iov, count, 0, frame, size) == size);
	h->sent++;
	return 0;
}

static ssize_t host_receive(struct netdev *nd, unsigned int pair, const struct iovec *iov, unsigned int count)
{
	struct host *h = (struct host *)nd;
	uint32_t size;

	/* Nothing need ever be cut off, and the kernel takes so many buffers. */
	must(pair < h->pairs && iov_size(iov, count) >= NETDEV_MAX_FRAME && count <= 1024);
	if (!h->nr_input)
		return -EAGAIN;
	size = h->input[--h->nr_input];
	memset(frame, 0, NETDEV_HEADER);
	memset(frame + NETDEV_HEADER, h->seed, sizeof(frame) - NETDEV_HEADER);
	h->received++;
	return (ssize_t)iov_write(iov, count, 0, frame, size);
}

static void host_want_input(struct netdev *nd, unsigned int pair, bool want)
{
	must(pair < nd->max_pairs);
	((struct host *)nd)->wants[pair] = want;
}

static void host_set_offloads(struct netdev *nd, unsigned int offloads)
{
	must(!(offloads & ~nd->offloads));
	must(!offloads || offloads & NETDEV_CSUM);
	((struct host *)nd)->offloads = offloads;
}

static void host_set_pairs(struct netdev *nd, unsigned int pairs)
{
	struct host *h = (struct host *)nd;

	must(pairs <= nd->max_pairs);
	h->pairs = pairs;
	for (unsigned int i = pairs; i < nd->max_pairs; i++)
		h->wants[i] = h->waits[i] = false;
}

static void host_destroy(struct netdev *nd)
{
	(void)nd;
}

static const struct netdev_ops ops = {
	.send = host_send,
	.receive = host_receive,
	.want_input = host_want_input,
	.set_offloads = host_set_offloads,
	.set_pairs = host_set_pairs,
	.destroy = host_destroy,
};

static void create(struct vfuzz *v)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	static struct host h;
	uint8_t how = (uint8_t)take(&v->in, 1);
	struct err err;

	h = (struct host){ .nd = { .ops = &ops, .link_up = true }, .room = 2 };
	h.nd.max_pairs = how & 1 ? 3 : 1;
	h.nd.offloads = how & 2 ? NETDEV_CSUM | NETDEV_TSO4 | NETDEV_TSO6 | NETDEV_ECN | NETDEV_UFO : 0;
	h.nd.mtu = how & 4 ? 1500 : 0;
	v->ctx = &h;
	must(virtio_net_create(&v->vdev, &v->mem, "net", mac, &h.nd, &err) == 0);
}

static void ctrl_request(struct vfuzz *v, struct vfuzz_request *r)
{
	static const uint8_t command[][3] = { /* class, command, bytes of data */
					      { 0, 0, 1 }, { 0, 1, 1 }, { 1, 0, 20 },
					      { 1, 1, 6 }, { 4, 0, 2 }, { 5, 0, 8 }
	};
	const uint8_t *c = command[take_below(&v->in, 6)];

	r->out[0] = c[0];
	r->out[1] = c[1];
	r->out_len = 2u + c[2];
	for (uint32_t i = 2; i < r->out_len; i++)
		r->out[i] = (uint8_t)take(&v->in, 1);
	if (c[0] == 1 && !c[1]) { /* two tables of one address each */
		memcpy(r->out + 2, "\1\0\0\0", 4);
		memcpy(r->out + 12, "\1\0\0\0", 4);
	}
	r->in_len = 1;
}

static void request(struct vfuzz *v, unsigned int queue, struct vfuzz_request *r)
{
	if (queue == v->vdev->nr_queues - 1) {
		ctrl_request(v, r);
	} else if (queue & 1) {
		r->out_len = 20 + take_below(&v->in, 400);
		r->out[0] = (uint8_t)take(&v->in, 1);
		r->out[1] = (uint8_t)take(&v->in, 1);
	} else {
		r->in_len = 1 + take_below(&v->in, 2000);
	}
}

/* The host side's event loop. */
static void deliver(struct vfuzz *v, struct host *h)
{
	for (unsigned int i = 0; i < h->nd.max_pairs; i++) {
		if (h->room && h->waits[i]) {
			h->waits[i] = false;
			h->nd.writable(h->nd.ctx, i);
		}
		for (unsigned int left = 2 * FRAMES; left && h->nr_input && h->wants[i]; left--)
			h->nd.readable(h->nd.ctx, i);
		must(!h->nr_input || !h->wants[i]); /* it takes them or does not want them */
	}
	vfuzz_run(v);
}

static void outside(struct vfuzz *v)
{
	struct host *h = v->ctx;
	uint8_t how = (uint8_t)take(&v->in, 1);

	if (how & 1 && h->nr_input < FRAMES) {
		uint32_t size = how & 8 ? 1 + take_below(&v->in, 2000) : 1 + take_below(&v->in, 65536);

		h->input[h->nr_input++] = size < NETDEV_MAX_FRAME ? size : NETDEV_MAX_FRAME;
		h->seed = (uint8_t)size;
	}
	if (how & 2)
		h->room = how >> 4;
	if (how & 4) {
		h->nd.link_up = !h->nd.link_up;
		h->nd.link_changed(h->nd.ctx);
	}
	deliver(v, h);
}

static void check(struct vfuzz *v)
{
	struct host *h = v->ctx;

	if (!virtio_is_live(v->vdev))
		return;
	must(v->vdev->config[6] == h->nd.link_up);
	for (unsigned int i = h->pairs; i < h->nd.max_pairs; i++)
		must(!h->wants[i]);
}

/* A frame goes out, one comes in, a command is answered. */
static void probe(struct vfuzz *v)
{
	struct host *h = v->ctx;
	uint8_t out[100] = { 0 }, in[200];
	unsigned int sent;
	uint32_t written;

	h->room = 16;
	h->nr_input = 0;
	deliver(v, h);
	sent = h->sent;
	must(vfuzz_ask(v, 1, out, sizeof(out), NULL, 0, &written) && !written && h->sent == sent + 1);

	h->input[h->nr_input++] = 150;
	h->seed = 0x77;
	must(vfuzz_ask(v, 0, out, 0, in, sizeof(in), &written) && written == 150);
	must(in[10] == 1 && !in[11]); /* num_buffers */
	must(in[NETDEV_HEADER] == 0x77 && in[149] == 0x77);

	memcpy(out, "\0\0\1", 3);
	must(vfuzz_ask(v, v->vdev->nr_queues - 1, out, 3, in, 1, &written) && written == 1 && !in[0]);
}

static const struct vfuzz_target target = {
	.create = create,
	.request = request,
	.outside = outside,
	.check = check,
	.probe = probe,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return vfuzz_one(&target, data, size);
}
