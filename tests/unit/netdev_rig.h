/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The card that a struct netdev of host/ works for, played by the test; with an event loop that runs until
 * something is told. Include after <cmocka.h>.
 */
#ifndef VIREO_TESTS_UNIT_NETDEV_RIG_H
#define VIREO_TESTS_UNIT_NETDEV_RIG_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "devices/netdev.h"
#include "devices/virtio/virtio.h"
#include "host/loop.h"

struct netdev_rig {
	struct loop loop;
	struct netdev *nd;
	struct virtio_device vdev;                     /* the card; only its lock is of use */
	unsigned int readable, writable, link_changed; /* calls */
	unsigned int pair;                             /* of the last */
	uint8_t frame[NETDEV_MAX_FRAME];
};

static inline void netdev_rig_readable(void *ctx, unsigned int pair)
{
	struct netdev_rig *rig = ctx;

	rig->readable++;
	rig->pair = pair;
	loop_stop(&rig->loop);
}

static inline void netdev_rig_writable(void *ctx, unsigned int pair)
{
	struct netdev_rig *rig = ctx;

	rig->writable++;
	rig->pair = pair;
	loop_stop(&rig->loop);
}

static inline void netdev_rig_link_changed(void *ctx)
{
	struct netdev_rig *rig = ctx;

	rig->link_changed++;
	loop_stop(&rig->loop);
}

static inline void netdev_rig_init(struct netdev_rig *rig)
{
	struct err err;

	memset(rig, 0, sizeof(*rig));
	pthread_mutex_init(&rig->vdev.lock, NULL);
	assert_int_equal(loop_init(&rig->loop, &err), 0);
}

/* A card takes the host side over and is activated. */
static inline void netdev_rig_attach(struct netdev_rig *rig, struct netdev *nd)
{
	rig->nd = nd;
	nd->readable = netdev_rig_readable;
	nd->writable = netdev_rig_writable;
	nd->link_changed = netdev_rig_link_changed;
	nd->ctx = rig;
	nd->vdev = &rig->vdev;
	nd->ops->set_offloads(nd, 0);
	nd->ops->set_pairs(nd, 1);
}

static inline void netdev_rig_finish(struct netdev_rig *rig)
{
	rig->nd->ops->destroy(rig->nd);
	loop_finish(&rig->loop);
}

/* Runs the loop until it tells something. */
static inline void netdev_rig_wait(struct netdev_rig *rig)
{
	struct err err;

	assert_int_equal(loop_run(&rig->loop, &err), 0);
}

/* Whether nothing is ready that the loop would tell of. */
static inline bool netdev_rig_is_quiet(const struct netdev_rig *rig)
{
	struct epoll_event event;
	uint64_t count;

	(void)!read(rig->loop.wake.fd, &count, sizeof(count)); /* of loop_stop() */
	return epoll_wait(rig->loop.epoll_fd, &event, 1, 0) == 0;
}

/* The bytes of the next frame, which goes to rig->frame; or -EAGAIN. */
static inline ssize_t netdev_rig_receive(struct netdev_rig *rig, unsigned int pair)
{
	struct iovec iov = { rig->frame, sizeof(rig->frame) };

	return rig->nd->ops->receive(rig->nd, pair, &iov, 1);
}

/* A frame of `size` bytes without header, which can be told by `seed`. */
static inline void netdev_rig_make(uint8_t *data, size_t size, unsigned int seed)
{
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(seed + i * 7 + (i >> 8));
}

static inline int netdev_rig_send(struct netdev_rig *rig, unsigned int pair, const void *data, size_t size)
{
	uint8_t header[NETDEV_HEADER] = { 0 };
	struct iovec iov[2] = { { header, sizeof(header) }, { (void *)data, size } };

	return rig->nd->ops->send(rig->nd, pair, iov, 2);
}

#endif
