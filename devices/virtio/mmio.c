// SPDX-License-Identifier: BSD-2-Clause
/*
 * A virtio-mmio slot (Virtual I/O Device (VIRTIO) Version 1.2, "Virtio Over MMIO"). No device is
 * plugged in yet: DeviceID 0 says so, and drivers leave such a slot alone without complaint
 * ("MMIO Device Register Layout").
 */
#include "devices/classes.h"

enum {
	REG_MAGIC = 0x000,
	REG_VERSION = 0x004,
	REG_DEVICE_ID = 0x008,
	REG_VENDOR_ID = 0x00c,

	MAGIC = 0x74726976, /* "virt" */
	VERSION = 2,
	NO_DEVICE = 0,
	VENDOR = 0x4f455256, /* "VREO" */
};

static bool virtio_mmio_read(struct device *dev, uint64_t offset, unsigned int size, uint64_t *value)
{
	(void)dev;
	if (size != 4) /* the registers take aligned accesses of 32 bits only */
		return false;
	switch (offset) {
	case REG_MAGIC:
		*value = MAGIC;
		return true;
	case REG_VERSION:
		*value = VERSION;
		return true;
	case REG_DEVICE_ID:
		*value = NO_DEVICE;
		return true;
	case REG_VENDOR_ID:
		*value = VENDOR;
		return true;
	default:
		return false;
	}
}

static bool virtio_mmio_write(struct device *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	(void)dev;
	(void)offset;
	(void)size;
	(void)value;
	return false; /* what a slot without a device has is read-only */
}

static const struct device_prop virtio_mmio_props[] = {
	{ .name = "dma-coherent", .kind = PROP_FLAG },
	{ .name = NULL },
};

const struct device_class virtio_mmio_class = {
	.name = "virtio-mmio",
	.compatible = "virtio,mmio\0",
	.hid = "LNRO0005",
	.props = virtio_mmio_props,
	.size = sizeof(struct device),
	.access_max = 4,
	.read = virtio_mmio_read,
	.write = virtio_mmio_write,
};
