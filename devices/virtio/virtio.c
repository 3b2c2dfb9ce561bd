// SPDX-License-Identifier: BSD-2-Clause
#include "devices/virtio/virtio.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define LOG_AREA AREA_VIRTIO
#include "kvm/log.h"

/* A guest can break a device, reset it and break it again as often as it likes. */
#define BROKEN_LINES 16

int virtio_init(struct virtio_device *vdev, const struct virtio_class *class, const struct guest_mem *mem,
		const char *name, uint64_t offered, unsigned int nr_queues, uint16_t queue_size,
		unsigned int config_size, struct err *err)
{
	vdev->queue = calloc(nr_queues, sizeof(*vdev->queue));
	if (!vdev->queue)
		return err_host(err, ENOMEM, "%s: %u queues", name, nr_queues);
	for (unsigned int i = 0; i < nr_queues; i++)
		virtq_init(&vdev->queue[i], mem, queue_size);

	vdev->class = class;
	vdev->mem = mem;
	vdev->offered = offered | VIRTIO_F_TRANSPORT;
	vdev->nr_queues = nr_queues;
	vdev->config_size = config_size;
	snprintf(vdev->name, sizeof(vdev->name), "%s", name);
	/* With default attributes neither can fail. */
	pthread_mutex_init(&vdev->lock, NULL);
	pthread_mutex_init(&vdev->irq_lock, NULL);
	return 0;
}

void virtio_finish(struct virtio_device *vdev)
{
	pthread_mutex_destroy(&vdev->irq_lock);
	pthread_mutex_destroy(&vdev->lock);
	free(vdev->queue);
	vdev->queue = NULL;
}

void virtio_destroy(struct virtio_device *vdev)
{
	if (vdev)
		vdev->class->destroy(vdev);
}

bool virtio_is_live(const struct virtio_device *vdev)
{
	return (vdev->status & VIRTIO_STATUS_DRIVER_OK) &&
	       !(vdev->status & (VIRTIO_STATUS_NEEDS_RESET | VIRTIO_STATUS_FAILED));
}

static void interrupt(struct virtio_device *vdev, uint32_t bits)
{
	if (vdev->transport)
		vdev->transport->interrupt(vdev, bits);
}

void virtio_changed(struct virtio_device *vdev)
{
	if (vdev->transport && vdev->transport->changed)
		vdev->transport->changed(vdev);
}

bool virtio_pop(struct virtio_device *vdev, unsigned int index, struct virtq_chain *chain)
{
	struct virtq *q = &vdev->queue[index];
	int ret;

	if (!virtio_is_live(vdev))
		return false;
	ret = virtq_pop(q, chain);
	if (ret < 0)
		virtio_broken(vdev, "queue %u: %s", index, q->problem);
	return ret > 0;
}

bool virtio_signal(struct virtio_device *vdev, unsigned int index)
{
	bool wanted = virtio_is_live(vdev) && virtq_wants_interrupt(&vdev->queue[index]);

	if (wanted)
		interrupt(vdev, VIRTIO_INT_USED);
	return wanted;
}

void virtio_broken(struct virtio_device *vdev, const char *fmt, ...)
{
	char text[256];
	va_list args;

	if (vdev->status & VIRTIO_STATUS_NEEDS_RESET)
		return;
	vdev->status |= VIRTIO_STATUS_NEEDS_RESET;
	for (unsigned int i = 0; i < vdev->nr_queues; i++)
		vdev->queue[i].halted = true;
	if (vdev->nr_broken < BROKEN_LINES) {
		va_start(args, fmt);
		vsnprintf(text, sizeof(text), fmt, args);
		va_end(args);
		log_warn("%s: %s; it stands still until its driver resets it%s", vdev->name, text,
			 ++vdev->nr_broken == BROKEN_LINES ? " (the last line on this device)" : "");
	}
	/* A driver that sees the bit finds the device at rest. */
	if (vdev->class->halt)
		vdev->class->halt(vdev);
	virtio_changed(vdev);
	/* "Device Status Field": a driver that is not ready yet is not told. */
	if (vdev->status & VIRTIO_STATUS_DRIVER_OK)
		interrupt(vdev, VIRTIO_INT_CONFIG);
}

void virtio_config_changed(struct virtio_device *vdev)
{
	vdev->generation++;
	virtio_changed(vdev);
	if (virtio_is_live(vdev))
		interrupt(vdev, VIRTIO_INT_CONFIG);
}

void virtio_kick(struct virtio_device *vdev, unsigned int index)
{
	pthread_mutex_lock(&vdev->lock);
	if (virtio_is_live(vdev) && index < vdev->nr_queues && vdev->queue[index].ready)
		vdev->class->kick(vdev, index);
	pthread_mutex_unlock(&vdev->lock);
}
