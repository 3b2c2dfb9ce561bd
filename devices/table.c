// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every device and where it stands: space, base, size, line. docs/machine.md draws the maps.
 */
#include "devices/acpi_power.h"
#include "devices/classes.h"
#include "devices/machine.h"

const struct device_row device_table[] = {
	{
		.class = &serial_class,
		.instances = 1,
		.on[PLATFORM_PC] = { SPACE_PIO, 0x3f8, 8, 4 },
		.on[PLATFORM_ARM] = { SPACE_MMIO, 0x40000000, 0x1000, 0 },
	},
	{
		.class = &cmos_class,
		.instances = 1,
		.on[PLATFORM_PC] = { SPACE_PIO, 0x70, 2, 8 },
	},
	{
		.class = &pl031_class,
		.instances = 1,
		.on[PLATFORM_ARM] = { SPACE_MMIO, 0x40001000, 0x1000, 1 },
	},
	{
		.class = &pvpanic_class,
		.instances = 1,
		.on[PLATFORM_PC] = { SPACE_PIO, 0x505, 1, NO_LINE },
		.on[PLATFORM_ARM] = { SPACE_MMIO, 0x40002000, 2, NO_LINE },
	},
	{
		.class = &i8042_class,
		.instances = 1,
		.on[PLATFORM_PC] = { SPACE_PIO, 0x60, 5, NO_LINE },
	},
	{
		.class = &acpi_power_class,
		.instances = 1,
		.on[PLATFORM_PC] = { SPACE_PIO, 0x600, ACPI_POWER_SIZE, NO_LINE },
	},
	{
		.class = &virtio_mmio_class,
		.instances = 8,
		.on[PLATFORM_PC] = { SPACE_MMIO, 0xd0000000, 0x1000, 16 },
		.on[PLATFORM_ARM] = { SPACE_MMIO, 0x40010000, 0x1000, 16 },
	},
	{ .class = NULL },
};
