/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simplest virtio device, to test queue and transport with: it writes into a chain what it reads from
 * it, and counts what is asked of it. Its type is that of an entropy source, its queues as many as wanted.
 */
#ifndef VIREO_TESTS_UNIT_VIRTIO_ECHO_H
#define VIREO_TESTS_UNIT_VIRTIO_ECHO_H

#include "tests/unit/virtio_rig.h"

#define ECHO_FEATURE      (1ULL << 3)
#define ECHO_HIGH_FEATURE (1ULL << 40)
#define ECHO_CONFIG_SIZE  10
#define ECHO_MAX_IOV      32

struct echo {
	struct virtio_device vdev;
	struct iovec iov[ECHO_MAX_IOV];
	unsigned int activated, kicked, resets, destroyed;
	unsigned int chains;                      /* taken, in all */
	bool hold;                                /* chains are taken and kept */
	bool fails;                               /* activate() finds that it cannot go on */
	unsigned int written_offset, written_len; /* by the last write_config() */
};

static inline void echo_write_config(struct virtio_device *vdev, unsigned int offset, const void *data,
				     unsigned int len)
{
	struct echo *echo = (struct echo *)vdev;

	assert_true(offset + len <= ECHO_CONFIG_SIZE);
	memcpy(vdev->config + offset, data, len);
	echo->written_offset = offset;
	echo->written_len = len;
}

static inline void echo_activate(struct virtio_device *vdev)
{
	struct echo *echo = (struct echo *)vdev;

	echo->activated++;
	if (echo->fails)
		virtio_broken(vdev, "the echo is gone");
}

static inline void echo_kick(struct virtio_device *vdev, unsigned int index)
{
	struct echo *echo = (struct echo *)vdev;
	struct virtq *q = &vdev->queue[index];
	struct virtq_chain chain = { .iov = echo->iov, .max_iov = ECHO_MAX_IOV };

	assert_true(virtio_is_live(vdev));
	echo->kicked++;
	do {
		virtq_disable_notify(q);
		while (virtio_pop(vdev, index, &chain)) {
			uint64_t done = 0;

			echo->chains++;
			if (echo->hold)
				continue;
			for (unsigned int i = 0; i < chain.nr_read; i++)
				done += iov_write(chain_in(&chain), chain.nr_write, done,
						  chain.iov[i].iov_base, chain.iov[i].iov_len);
			virtq_push(q, chain.head, (uint32_t)done);
		}
	} while (virtio_is_live(vdev) && virtq_enable_notify(q));
	virtio_signal(vdev, index);
}

static inline void echo_reset(struct virtio_device *vdev)
{
	((struct echo *)vdev)->resets++;
}

static inline void echo_destroy(struct virtio_device *vdev)
{
	((struct echo *)vdev)->destroyed++;
	virtio_finish(vdev);
}

static const struct virtio_class echo_class = {
	.name = "virtio-echo",
	.id = VIRTIO_ID_ENTROPY,
	.write_config = echo_write_config,
	.activate = echo_activate,
	.kick = echo_kick,
	.reset = echo_reset,
	.destroy = echo_destroy,
};

/* Everything up to the plugged-in device. `echo` is zeroed. */
static inline void echo_setup(struct vrig *v, struct echo *echo, unsigned int nr_queues, uint16_t queue_size)
{
	struct err err;

	memset(echo, 0, sizeof(*echo));
	vrig_init(v);
	assert_int_equal(virtio_init(&echo->vdev, &echo_class, &v->mem, "echo one",
				     ECHO_FEATURE | ECHO_HIGH_FEATURE, nr_queues, queue_size,
				     ECHO_CONFIG_SIZE, &err),
			 0);
	for (unsigned int i = 0; i < ECHO_CONFIG_SIZE; i++)
		echo->vdev.config[i] = (uint8_t)(0xc0 + i);
	v->vdev = &echo->vdev;
	vrig_plug(v);
}

#endif
