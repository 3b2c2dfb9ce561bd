/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The queues of a device whose vhost-user back end is lost: every request fails, so that nobody in the
 * guest waits for an answer that never comes.
 */
#ifndef VIREO_HOST_VHOST_USER_LOST_H
#define VIREO_HOST_VHOST_USER_LOST_H

#include "devices/virtio/virtio.h"

/*
 * Takes over a queue that is ready and that a back end has worked on, which touches it no more. What the
 * back end had taken and not given back fails. Nobody has written down what that is: of a file system it is
 * found out by the numbers that requests and answers carry, and where an answer was just being written, by what
 * the rings tell of its descriptors; of others it is what is left if requests were completed in their order.
 * Where that is not certain, some may stay unanswered until the driver resets the device. With the device's lock held; the device is live.
 */
void vhost_user_lost_take(struct virtio_device *vdev, unsigned int index);

/* Lets all that the driver has made available since fail. With the lock held. */
void vhost_user_lost_kick(struct virtio_device *vdev, unsigned int index);

#endif
