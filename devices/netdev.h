/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host side of a network card, as the device model sees it: whole frames, each behind a header of
 * NETDEV_HEADER bytes (struct virtio_net_hdr_v1; VIRTIO 1.2, "Network Device", "Device Operation"; zeroes
 * where the host side knows nothing of offloads).
 *
 * Locks: as in devices/blockdev.h. Neither side ever blocks.
 */
#ifndef VIREO_DEVICES_NETDEV_H
#define VIREO_DEVICES_NETDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define NETDEV_HEADER    12u    /* bytes */
#define NETDEV_MAX_FRAME 65562u /* bytes with header: the largest that offloads make */

/* What the host side and the driver may leave to each other. */
#define NETDEV_CSUM 1u
#define NETDEV_TSO4 2u
#define NETDEV_TSO6 4u
#define NETDEV_ECN  8u
#define NETDEV_UFO  16u

#define NETDEV_MAX_PAIRS 16

struct netdev;
struct virtio_device;

struct netdev_ops {
	/*
	 * Sends one frame of queue pair `pair`. 0: taken, or lost for good as frames may be; -EAGAIN: there
	 * is no room, writable() will be called.
	 */
	int (*send)(struct netdev *nd, unsigned int pair, const struct iovec *iov, unsigned int count);
	/*
	 * Receives one frame into the buffers: its bytes with header, what does not fit being cut off;
	 * -EAGAIN: there is none.
	 */
	ssize_t (*receive)(struct netdev *nd, unsigned int pair, const struct iovec *iov, unsigned int count);
	/*
	 * Whether readable() is to be called for that pair, as long as there are frames; while the driver has
	 * no buffers it is not. At first it is not.
	 */
	void (*want_input)(struct netdev *nd, unsigned int pair, bool want);
	/* The driver can take frames with these offloads (bits NETDEV_*). At first it can take none. */
	void (*set_offloads)(struct netdev *nd, unsigned int offloads);
	/*
	 * So many queue pairs are in use from now on, the first of them; the others want no input. 0: the
	 * device is reset, nothing touches guest memory any more. Says in `taken` which are not the model's
	 * to work on.
	 */
	void (*set_pairs)(struct netdev *nd, unsigned int pairs);
	void (*destroy)(struct netdev *nd);
};

struct netdev {
	const struct netdev_ops *ops;

	/* Facts. */
	unsigned int max_pairs; /* 1 to NETDEV_MAX_PAIRS */
	unsigned int offloads;  /* bits NETDEV_*: what it can take and give */
	uint16_t mtu;           /* bytes; 0: not known */
	bool link_up;
	const char *peer; /* what it is connected to, as a user knows it: a tap's name, a path */

	/*
	 * Bits 1 << pair: the host side works on these queues itself (vhost), in `vdev`, whose queues 2 * pair
	 * and 2 * pair + 1 they are. Changed by set_pairs(), and when what it works
	 * with is lost; with the card's lock held.
	 */
	uint32_t taken;

	/* Set by the model in its create(). The callbacks: the event loop's thread. */
	void (*readable)(void *ctx, unsigned int pair);
	void (*writable)(void *ctx, unsigned int pair);
	void (*link_changed)(void *ctx); /* link_up is new */
	void *ctx;
	struct virtio_device *vdev;
};

#endif
