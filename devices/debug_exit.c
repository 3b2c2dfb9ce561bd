// SPDX-License-Identifier: BSD-2-Clause
/*
 * Ends the run with a status that the guest chooses, by the convention of QEMU's isa-debug-exit: value v
 * gives (v << 1) | 1, of which a process' exit status has the low 8 bits.
 */
#include "devices/classes.h"

static bool debug_exit_read(struct device *dev, uint64_t offset, unsigned int size, uint64_t *value)
{
	(void)dev;
	(void)offset;
	(void)size;
	*value = 0;
	return true;
}

/* The value as it is written, by an access of whatever width, wherever in the window. */
static bool debug_exit_write(struct device *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	(void)offset;
	(void)size;
	dev->host->leave(dev->host->ctx, (uint8_t)(value << 1 | 1));
	return true;
}

const struct device_class debug_exit_class = {
	.name = "debug-exit",
	.size = sizeof(struct device),
	.access_max = 4,
	.read = debug_exit_read,
	.write = debug_exit_write,
};
