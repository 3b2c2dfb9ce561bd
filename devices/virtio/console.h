/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console device, in two shapes. One is a console and nothing else: the guest's /dev/hvc0. The other
 * is a set of named ports: the guest's /dev/virtio-ports/NAME.
 *
 * They are two devices because a console's size is in the configuration space only where there are no
 * other ports. With them it is told by VIRTIO_CONSOLE_RESIZE, in which some kernels expect the columns
 * first and others the rows.
 */
#ifndef VIREO_DEVICES_VIRTIO_CONSOLE_H
#define VIREO_DEVICES_VIRTIO_CONSOLE_H

#include "devices/chardev.h"
#include "devices/virtio/virtio.h"

#define CONSOLE_MAX_PORTS ((VIRTIO_MAX_QUEUES - 2) / 2)
#define CONSOLE_NAME_MAX  64 /* bytes of a port's name, without the NUL */

struct console_port {
	const char *name; /* UTF-8; outlives the device */
	struct chardev *chr;
};

/*
 * Create the device, to be owned by the caller; the chardevs are the device's then, those that have a
 * destroy(). 0 or -ENOMEM; then they are the caller's. From 1 to CONSOLE_MAX_PORTS ports. The device's
 * worker must be the main loop, which chardevs call back from.
 */
int virtio_console_create(struct virtio_device **out, const struct guest_mem *mem, const char *name,
			  struct chardev *chr, struct err *err);
int virtio_ports_create(struct virtio_device **out, const struct guest_mem *mem, const char *name,
			const struct console_port *port, unsigned int nr_ports, struct err *err);

#endif
