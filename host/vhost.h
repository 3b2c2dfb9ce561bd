/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtqueues that the kernel works on (vhost): one /dev/vhost-* with the rings of one device, or of one
 * pair of its queues. Notifications reach it by the eventfd of virtio_device.take_queue(); its
 * interrupts go to the guest by the transport's interrupt_fd(), or, where there is none because the
 * interrupt controller is this program's, by an eventfd that the device's loop watches.
 *
 * vhost_start() and vhost_stop() are called with the device's lock held, on any thread. The halt() of the
 * device's class stops its rings, as its reset() does.
 */
#ifndef VIREO_HOST_VHOST_H
#define VIREO_HOST_VHOST_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio/virtio.h"
#include "host/loop.h"
#include "kvm/err.h"

#define VHOST_MAX_RINGS 2

struct vhost {
	int fd;
	uint64_t features; /* what the kernel's device can; constant after vhost_open() */
	struct loop *loop;
	unsigned int nr_rings; /* constant */
	/*
	 * Lets the rings run, or stops them and waits until nothing of it touches guest memory. 0 or a
	 * negative errno. To be set by the owner before vhost_start().
	 */
	int (*set_running)(struct vhost *vhost, bool running);
	/*
	 * Whether an error that the kernel has met is the host's, and the owner has seen to it; else it is
	 * the driver's. NULL: always the driver's. Set as the other; the event loop's thread, no lock held.
	 */
	bool (*is_host_error)(struct vhost *vhost);

	struct virtio_device *vdev; /* constant after the first vhost_start() */
	unsigned int first;         /* the device's queue that is ring 0 */
	bool running;               /* guarded by the device's lock */
	struct loop_source call[VHOST_MAX_RINGS];
	struct loop_source error;
};

/*
 * Opens `path` with `nr_rings` rings, whose eventfds are watched by `loop` while it runs. 0; or a negative
 * errno with a line in `err` that names the path and, for one that is missing, the module to load
 * (`module`: "vhost_net"); then there is nothing to close.
 */
int vhost_open(struct vhost *vhost, const char *path, const char *module, unsigned int nr_rings,
	       struct loop *loop, struct err *err);

/* The loop does not run any more, or the device was never started. Also for a zeroed struct. */
void vhost_close(struct vhost *vhost);

/*
 * Gives the kernel the queues `first`, first + 1, ... of `vdev`, which is the same each time, with those of
 * `features` that it knows (the driver's choice: vdev->accepted). 0; -ENXIO if one of the queues is not
 * ready; or a negative errno; then all is as before. With `err` there is a line for all of them.
 */
int vhost_start(struct vhost *vhost, struct virtio_device *vdev, unsigned int first, uint64_t features,
		struct err *err);

/* Takes the queues back; when it returns nothing touches guest memory. Fine if it does not run. */
void vhost_stop(struct vhost *vhost);

#endif
