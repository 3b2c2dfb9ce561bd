/* SPDX-License-Identifier: BSD-2-Clause */
/* What net.c and net_ctrl.c share; nobody else includes this. Everything with the device's lock held. */
#ifndef VIREO_DEVICES_VIRTIO_NET_INTERNAL_H
#define VIREO_DEVICES_VIRTIO_NET_INTERNAL_H

#include "devices/virtio/net.h"

/* "Device configuration layout": offsets in the configuration space. */
#define NET_CONFIG_MAC       0
#define NET_CONFIG_STATUS    6
#define NET_CONFIG_MAX_PAIRS 8
#define NET_CONFIG_MTU       10
#define NET_CONFIG_SIZE      12

#define NET_STATUS_LINK_UP 1

/* The buffers that the next frame goes to. Enough of the 1.5 KiB that drivers use for the largest frame. */
#define NET_WINDOW_CHAINS 64
#define NET_WINDOW_IOV    (2 * VIRTIO_NET_QUEUE_SIZE)

struct net_chain {
	uint16_t head;
	uint16_t nr_iov;
	uint32_t size; /* bytes */
};

struct net_window {
	struct iovec iov[NET_WINDOW_IOV + 1]; /* one more for the pair's spare memory */
	struct net_chain chain[NET_WINDOW_CHAINS];
	unsigned int nr_iov, nr_chains;
	uint64_t size; /* bytes of all */
};

struct net_pair {
	unsigned int index;
	bool blocked;     /* the host side has no room: writable() will come */
	uint8_t *spare;   /* NETDEV_MAX_FRAME bytes */
	uint32_t waiting; /* bytes of a frame in `spare` that needs more buffers; 0: there is none */
};

struct virtio_net {
	struct virtio_device vdev;
	struct netdev *nd;     /* owned */
	uint8_t mac[6];        /* as it was configured */
	unsigned int pairs;    /* in use; 0: not active */
	unsigned int offloads; /* bits NETDEV_*, that the driver takes now */
	struct net_pair pair[NETDEV_MAX_PAIRS];
	struct net_window window; /* of whichever queue is worked on */
};

/* The control queue's index: it depends on what the driver has accepted. */
unsigned int net_ctrl_index(const struct virtio_net *net);
void net_run_ctrl(struct virtio_net *net);

/* Tells the host side of the offloads among these features (GUEST_*). */
void net_set_offloads(struct virtio_net *net, uint64_t features);

void net_use_pairs(struct virtio_net *net, unsigned int pairs);

#endif
