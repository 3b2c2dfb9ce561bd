/* SPDX-License-Identifier: BSD-2-Clause */
/* One pair of a network card's queues, worked on by the kernel's /dev/vhost-net. host/vhost.h */
#ifndef VIREO_HOST_VHOST_NET_H
#define VIREO_HOST_VHOST_NET_H

#include "host/vhost.h"

struct vhost_net {
	struct vhost vhost;
	int tap; /* the descriptor that frames go to and come from; not owned */
};

/* As vhost_open() and vhost_close(). */
int vhost_net_open(struct vhost_net *vn, struct loop *loop, struct err *err);
void vhost_net_close(struct vhost_net *vn);

/* As vhost_start() and vhost_stop(), with the device's lock held: queues 2 * pair and 2 * pair + 1. */
int vhost_net_start(struct vhost_net *vn, struct virtio_device *vdev, unsigned int pair, int tap,
		    struct err *err);
void vhost_net_stop(struct vhost_net *vn);

#endif
