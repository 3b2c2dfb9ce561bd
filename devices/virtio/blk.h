/* SPDX-License-Identifier: BSD-2-Clause */
/* The disk: VIRTIO 1.2, "Block Device". */
#ifndef VIREO_DEVICES_VIRTIO_BLK_H
#define VIREO_DEVICES_VIRTIO_BLK_H

#include "devices/blockdev.h"
#include "devices/clock.h"
#include "devices/virtio/virtio.h"

#define VIRTIO_BLK_ID_BYTES 20 /* of a serial number; ends earlier with a NUL */

/*
 * Makes a disk of `bd`, with `queues` request queues (1 to VIRTIO_MAX_QUEUES). `serial` is what GET_ID
 * answers, at most VIRTIO_BLK_ID_BYTES of it. `clock` is that of the loop in which requests come back. With success the model owns `bd`; else -ENOMEM, and the
 * caller still does.
 */
int virtio_blk_create(struct virtio_device **out, struct blockdev *bd, const struct guest_mem *mem,
		      const char *name, const char *serial, unsigned int queues, struct clock *clock,
		      struct err *err);

/* What the disk's data are on; NULL: it is another device. */
struct blockdev *virtio_blk_backend(struct virtio_device *vdev);

#endif
