// SPDX-License-Identifier: BSD-2-Clause
/*
 * What test kernels ask of QEMU's firmware configuration device (QEMU, docs/specs/fw_cfg, "QEMU Firmware
 * Configuration (fw_cfg) Device"), by its traditional interface: an item is selected, then its bytes
 * are read one after the other. Items that are not there read as zeroes, so there are no files.
 */
#include "devices/classes.h"
#include "devices/machine.h"

enum {
	PORT_SELECTOR = 0, /* 16 bits, write only */
	PORT_DATA = 1,     /* 8 bits, read only */

	ITEM_SIGNATURE = 0x00,
	ITEM_ID = 0x01,
	ITEM_RAM_SIZE = 0x03,
	ITEM_NR_CPUS = 0x05,
	ITEM_MAX_CPUS = 0x0f,

	ID_TRADITIONAL = 1, /* the interface by ports; no DMA */
};

#define SIGNATURE 0x554d4551 /* "QEMU" */

struct fw_cfg {
	struct device dev;
	uint64_t item; /* what is left of the selected item, the next byte lowest */
};

static uint64_t item_value(const struct machine *m, uint16_t key)
{
	switch (key) {
	case ITEM_SIGNATURE:
		return SIGNATURE;
	case ITEM_ID:
		return ID_TRADITIONAL;
	case ITEM_RAM_SIZE:
		return machine_ram_size(m);
	case ITEM_NR_CPUS:
	case ITEM_MAX_CPUS:
		return m->nr_cpus;
	default:
		return 0;
	}
}

static bool fw_cfg_read(struct device *dev, uint64_t offset, unsigned int size, uint64_t *value)
{
	struct fw_cfg *f = (struct fw_cfg *)dev;

	if (offset != PORT_DATA || size != 1)
		return false;
	*value = f->item & 0xff;
	f->item >>= 8;
	return true;
}

static bool fw_cfg_write(struct device *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct fw_cfg *f = (struct fw_cfg *)dev;

	if (offset != PORT_SELECTOR || size != 2)
		return false;
	f->item = item_value(dev->host->machine, (uint16_t)value);
	return true;
}

static int fw_cfg_create(struct device *dev, const struct device_host *host, struct err *err)
{
	(void)err;
	((struct fw_cfg *)dev)->item = item_value(host->machine, ITEM_SIGNATURE);
	return 0;
}

const struct device_class fw_cfg_class = {
	.name = "fw-cfg",
	.size = sizeof(struct fw_cfg),
	.access_max = 2,
	.create = fw_cfg_create,
	.read = fw_cfg_read,
	.write = fw_cfg_write,
};
