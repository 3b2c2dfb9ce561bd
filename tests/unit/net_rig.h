/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio network card with a driver (virtio_rig.h) and a host side that is the test: frames it was sent
 * are kept, frames to be received are queued up. Include after <cmocka.h>.
 */
#ifndef VIREO_TESTS_UNIT_NET_RIG_H
#define VIREO_TESTS_UNIT_NET_RIG_H

#include <errno.h>

#include "devices/virtio/net.h"
#include "tests/unit/virtio_rig.h"

#define NET_RX   0 /* queues of the first pair */
#define NET_TX   1
#define NET_CTRL 2 /* without multiqueue */

#define NET_OFFLOADS (NETDEV_CSUM | NETDEV_TSO4 | NETDEV_TSO6 | NETDEV_ECN | NETDEV_UFO)

#define FAKE_FRAMES 256

struct fake_frame {
	uint8_t *data;
	size_t size; /* with header */
	unsigned int pair;
};

struct fake_net {
	struct netdev nd;
	struct fake_frame sent[FAKE_FRAMES];
	unsigned int nr_sent;
	unsigned int room; /* frames that send() takes before it says -EAGAIN */
	struct fake_frame input[FAKE_FRAMES];
	unsigned int nr_input, next_input;
	bool wants[NETDEV_MAX_PAIRS];
	unsigned int offloads, pairs;
	bool takes; /* the queues: as vhost does */
	unsigned int destroyed;
};

struct net_rig {
	struct vrig v;
	struct fake_net host;
};

static inline int fake_net_send(struct netdev *nd, unsigned int pair, const struct iovec *iov,
				unsigned int count)
{
	struct fake_net *host = (struct fake_net *)nd;
	struct fake_frame *frame = &host->sent[host->nr_sent];

	if (!host->room)
		return -EAGAIN;
	host->room--;
	assert_true(host->nr_sent < FAKE_FRAMES);
	frame->size = iov_size(iov, count);
	frame->data = malloc(frame->size);
	frame->pair = pair;
	assert_int_equal(iov_read(iov, count, 0, frame->data, frame->size), frame->size);
	host->nr_sent++;
	return 0;
}

static inline ssize_t fake_net_receive(struct netdev *nd, unsigned int pair, const struct iovec *iov,
				       unsigned int count)
{
	struct fake_net *host = (struct fake_net *)nd;
	struct fake_frame *frame = &host->input[host->next_input];

	if (host->next_input == host->nr_input || frame->pair != pair)
		return -EAGAIN;
	host->next_input++;
	return (ssize_t)iov_write(iov, count, 0, frame->data, frame->size);
}

static inline void fake_net_want_input(struct netdev *nd, unsigned int pair, bool want)
{
	((struct fake_net *)nd)->wants[pair] = want;
}

static inline void fake_net_set_offloads(struct netdev *nd, unsigned int offloads)
{
	((struct fake_net *)nd)->offloads = offloads;
}

static inline void fake_net_set_pairs(struct netdev *nd, unsigned int pairs)
{
	struct fake_net *host = (struct fake_net *)nd;

	assert_true(pairs <= nd->max_pairs);
	host->pairs = pairs;
	for (unsigned int i = pairs; i < nd->max_pairs; i++)
		host->wants[i] = false;
	nd->taken = host->takes ? (1u << pairs) - 1 : 0;
}

static inline void fake_net_destroy(struct netdev *nd)
{
	struct fake_net *host = (struct fake_net *)nd;

	for (unsigned int i = 0; i < FAKE_FRAMES; i++) {
		free(host->sent[i].data);
		free(host->input[i].data);
	}
	host->destroyed++;
}

static const struct netdev_ops fake_net_ops = {
	.send = fake_net_send,
	.receive = fake_net_receive,
	.want_input = fake_net_want_input,
	.set_offloads = fake_net_set_offloads,
	.set_pairs = fake_net_set_pairs,
	.destroy = fake_net_destroy,
};

static const uint8_t net_rig_mac[6] = { 0x02, 0x11, 0x22, 0x33, 0x44, 0x55 };

/* Everything up to the plugged-in device. */
static inline void net_setup(struct net_rig *n, unsigned int pairs, unsigned int offloads, uint16_t mtu)
{
	struct err err;

	memset(&n->host, 0, sizeof(n->host));
	n->host.nd = (struct netdev){
		.ops = &fake_net_ops,
		.max_pairs = pairs,
		.offloads = offloads,
		.mtu = mtu,
		.link_up = true,
	};
	n->host.room = UINT32_MAX;
	vrig_init(&n->v);
	assert_int_equal(virtio_net_create(&n->v.vdev, &n->v.mem, "net test", net_rig_mac, &n->host.nd, &err),
			 0);
	vrig_plug(&n->v);
}

static inline void net_teardown(struct net_rig *n)
{
	vrig_finish(&n->v);
	assert_int_equal(n->host.destroyed, 1);
}

/* A frame of `size` bytes with header, which can be told by `seed`; its header is zero. */
static inline void net_make_frame(uint8_t *data, size_t size, unsigned int seed)
{
	for (size_t i = 0; i < size; i++)
		data[i] = i < NETDEV_HEADER ? 0 : (uint8_t)(seed + i * 7 + (i >> 8));
}

/* Frames that wait on the host side. */
static inline void net_input(struct net_rig *n, unsigned int pair, size_t size, unsigned int seed)
{
	struct fake_frame *frame = &n->host.input[n->host.nr_input++];

	assert_true(n->host.nr_input <= FAKE_FRAMES);
	frame->size = size;
	frame->pair = pair;
	frame->data = malloc(size);
	net_make_frame(frame->data, size, seed);
}

/* The host side's event loop, as long as there are frames and the card wants them. */
static inline void net_deliver(struct net_rig *n)
{
	struct fake_net *host = &n->host;

	while (host->next_input < host->nr_input && host->wants[host->input[host->next_input].pair]) {
		host->nd.readable(host->nd.ctx, host->input[host->next_input].pair);
		vrig_run(&n->v);
	}
}

/* A frame of one buffer on queue `queue`; available, not notified. */
static inline uint16_t net_add_frame(struct net_rig *n, unsigned int queue, size_t size, unsigned int seed)
{
	struct vrig_buf buf = { .addr = vrig_alloc(&n->v, size), .len = (uint32_t)size };

	net_make_frame(vrig_host(&n->v, buf.addr, size), size, seed);
	return vrig_add(&n->v, queue, &buf, 1);
}

static inline void net_assert_frame(const uint8_t *data, size_t size, size_t expected, unsigned int seed)
{
	uint8_t *frame = malloc(expected);

	assert_int_equal(size, expected);
	net_make_frame(frame, expected, seed);
	assert_memory_equal(data + NETDEV_HEADER, frame + NETDEV_HEADER, expected - NETDEV_HEADER);
	free(frame);
}

#endif
