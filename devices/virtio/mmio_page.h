/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers of a virtio-mmio slot, and the page that holds what a read of each is answered with (struct
 * device_host, virtio_pages). Where a guest finds it as memory what it reads is no exit, above all InterruptStatus, which
 * its driver reads for each interrupt; else the slot's reads are answered from there. Stores to InterruptStatus are guarded
 * by virtio_device.irq_lock, all others by the device's lock. Loads need neither.
 */
#ifndef VIREO_DEVICES_VIRTIO_MMIO_PAGE_H
#define VIREO_DEVICES_VIRTIO_MMIO_PAGE_H

#include "devices/virtio/virtio.h"

/* "MMIO Device Register Layout". */
enum {
	REG_MAGIC = 0x000,
	REG_VERSION = 0x004,
	REG_DEVICE_ID = 0x008,
	REG_VENDOR_ID = 0x00c,
	REG_DEVICE_FEATURES = 0x010,
	REG_DEVICE_FEATURES_SEL = 0x014,
	REG_DRIVER_FEATURES = 0x020,
	REG_DRIVER_FEATURES_SEL = 0x024,
	REG_QUEUE_SEL = 0x030,
	REG_QUEUE_NUM_MAX = 0x034,
	REG_QUEUE_NUM = 0x038,
	REG_QUEUE_READY = 0x044,
	REG_QUEUE_NOTIFY = VIRTIO_MMIO_QUEUE_NOTIFY,
	REG_INTERRUPT_STATUS = 0x060,
	REG_INTERRUPT_ACK = 0x064,
	REG_STATUS = 0x070,
	REG_QUEUE_DESC_LOW = 0x080,
	REG_QUEUE_DESC_HIGH = 0x084,
	REG_QUEUE_DRIVER_LOW = 0x090,
	REG_QUEUE_DRIVER_HIGH = 0x094,
	REG_QUEUE_DEVICE_LOW = 0x0a0,
	REG_QUEUE_DEVICE_HIGH = 0x0a4,
	REG_SHM_SEL = 0x0ac,
	REG_SHM_LEN_LOW = 0x0b0,
	REG_SHM_LEN_HIGH = 0x0b4,
	REG_SHM_BASE_LOW = 0x0b8,
	REG_SHM_BASE_HIGH = 0x0bc,
	REG_CONFIG_GENERATION = 0x0fc,
	REG_CONFIG = 0x100, /* from here to the end of the window */
};

/* Stores a register; loads one. */
void mmio_page_put(uint32_t *page, uint64_t offset, uint32_t value);
uint32_t mmio_page_get(const uint32_t *page, uint64_t offset);

/* Stores what changes without the driver's doing: configuration, its generation, and status. */
void mmio_page_put_state(uint32_t *page, const struct virtio_device *vdev);

#endif
