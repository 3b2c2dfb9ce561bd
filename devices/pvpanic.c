// SPDX-License-Identifier: BSD-2-Clause
/*
 * The guest's way to say that it panicked (QEMU, docs/specs/pvpanic, "PVPANIC DEVICE"): one byte that
 * reads as the events the device knows and takes the events that happen.
 */
#include "devices/classes.h"

enum {
	REG_EVENTS = 0,

	EVENT_PANICKED = 0x01,     /* for the host to act on */
	EVENT_CRASH_LOADED = 0x02, /* the guest goes on by itself, into its crash kernel */
};

static bool pvpanic_read(struct device *dev, uint64_t offset, unsigned int size, uint64_t *value)
{
	(void)dev;
	(void)size; /* always 1 */
	if (offset != REG_EVENTS)
		return false;
	*value = EVENT_PANICKED | EVENT_CRASH_LOADED;
	return true;
}

static bool pvpanic_write(struct device *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	(void)size; /* always 1 */
	if (offset != REG_EVENTS)
		return false;
	if (value & EVENT_PANICKED)
		dev->host->event(dev->host->ctx, GUEST_PANIC);
	return true;
}

const struct device_class pvpanic_class = {
	.name = "pvpanic",
	.compatible = "qemu,pvpanic-mmio\0",
	.hid = "QEMU0001",
	.size = sizeof(struct device),
	.access_max = 1,
	.read = pvpanic_read,
	.write = pvpanic_write,
};
