/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtio devices whose queues are worked on by a vhost-user back end: of the device itself, only features,
 * configuration space and, for a network card, the control queue are here.
 */
#ifndef VIREO_HOST_VHOST_USER_DEVICE_H
#define VIREO_HOST_VHOST_USER_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio/virtio.h"
#include "host/daemon.h"
#include "host/loop.h"
#include "host/vhost_user.h"
#include "kvm/err.h"

struct vhost_user_device_config {
	const char *name;       /* "share src" */
	enum virtio_id id;      /* VIRTIO_ID_FS, VIRTIO_ID_BLOCK or VIRTIO_ID_NET */
	uint64_t features;      /* of the device: those that count if the back end offers them */
	uint64_t own_features;  /* of the device: those that are offered here */
	unsigned int nr_queues; /* for the back end */
	uint16_t queue_size;    /* descriptors of each */
	bool has_control;       /* network card: a control queue behind them */
	const void *config;     /* the configuration space */
	unsigned int config_size;
	const struct guest_mem *mem;
	struct loop *loop;     /* the device's worker */
	struct daemon *daemon; /* the back end, or NULL: ended with the device */
};

/*
 * Makes the device. `vu` and `config->daemon` are taken over, also on failure. 0 or a negative errno.
 *
 * When the back end is lost, every request fails (a network card's link goes down), and the VM goes on.
 */
int vhost_user_device_create(struct virtio_device **out, struct vhost_user *vu,
			     const struct vhost_user_device_config *config, struct err *err);

#endif
