/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket device: connections between programs of the guest and programs of the host. */
#ifndef VIREO_DEVICES_VIRTIO_VSOCK_H
#define VIREO_DEVICES_VIRTIO_VSOCK_H

#include "devices/virtio/virtio.h"
#include "devices/vsockdev.h"

/* Context ids ("Socket Device", "Device configuration layout"): what a guest may have. */
#define VSOCK_MIN_CID 3u
#define VSOCK_MAX_CID 0xfffffffeu

#define VSOCK_HOST_CID 2u

#define VSOCK_QUEUES     3 /* to the guest, from the guest, events */
#define VSOCK_QUEUE_SIZE 128

#define VSOCK_MAX_CONNS 512          /* at a time, those included that are about to end */
#define VSOCK_BUFFER    (256u << 10) /* bytes of a connection that its program on the host has not taken yet */
/* Connections with ports of the guest have ports of the host from here on, up to 2^31 - 1. */
#define VSOCK_FIRST_PORT 0x40000000u

/*
 * Creates the device of the guest with that CID, to be owned by the caller. The host side is owned by the
 * device from then on, unless this fails: -ENOMEM.
 */
int virtio_vsock_create(struct virtio_device **out, const struct guest_mem *mem, const char *name,
			uint32_t cid, struct vsock_host *host, struct err *err);

#endif
