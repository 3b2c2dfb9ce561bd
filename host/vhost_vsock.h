/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket device by the host kernel: its programs and the guest's reach each other by AF_VSOCK. */
#ifndef VIREO_HOST_VHOST_VSOCK_H
#define VIREO_HOST_VHOST_VSOCK_H

#include "devices/virtio/virtio.h"
#include "host/loop.h"

/*
 * Creates the device of the guest with that CID, to be owned by the caller; `loop` is its worker's. 0; -EINVAL
 * if another VM of this host has the CID; or a negative errno (-ENOENT: there is no /dev/vhost-vsock); with a
 * line in `err`.
 */
int vhost_vsock_create(struct virtio_device **out, const struct guest_mem *mem, const char *name,
		       uint32_t cid, struct loop *loop, struct err *err);

#endif
