// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every device and where it stands: space, base, size, line. docs/machine.md draws the maps.
 */
#include "devices/acpi_power.h"
#include "devices/classes.h"
#include "devices/machine.h"
#include "devices/testdev.h"

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
		.on[PLATFORM_PC] = { SPACE_PIO, 0x600, ACPI_POWER_SIZE, 9 },
	},
	{
		.class = &pl061_class,
		.instances = 1,
		.on[PLATFORM_ARM] = { SPACE_MMIO, 0x40003000, 0x1000, 2 },
	},

	/* What is there only when it is asked for. */
	{
		.class = &virtio_mmio_class,
		.instances = 32,
		.extra = EXTRA_VIRTIO,
		.on[PLATFORM_PC] = { SPACE_MMIO, 0xd0000000, 0x1000, 16 },
		.on[PLATFORM_ARM] = { SPACE_MMIO, 0x40010000, 0x1000, 16 },
	},
	{
		.class = &debug_exit_class,
		.instances = 1,
		.extra = EXTRA_DEBUG_EXIT,
		.on[PLATFORM_PC] = { SPACE_PIO, 0 /* the user says */, DEBUG_EXIT_SIZE, NO_LINE },
	},
	{
		.class = &test_irq_class,
		.instances = 1,
		.extra = EXTRA_TEST_DEVICE,
		.on[PLATFORM_PC] = { SPACE_PIO, 0x2000, TEST_IRQ_SIZE, ALL_LINES },
	},
	{
		.class = &test_scratch_class,
		.instances = 1,
		.extra = EXTRA_TEST_DEVICE,
		.on[PLATFORM_PC] = { SPACE_PIO, 0xe0, TEST_SCRATCH_SIZE, NO_LINE },
	},
	{
		.class = &test_memory_class,
		.instances = 1,
		.extra = EXTRA_TEST_DEVICE,
		.on[PLATFORM_PC] = { SPACE_MMIO, 0xff000000, TEST_MEMORY_SIZE, NO_LINE },
	},
	{
		.class = &fw_cfg_class,
		.instances = 1,
		.extra = EXTRA_TEST_DEVICE,
		.on[PLATFORM_PC] = { SPACE_PIO, 0x510, 2, NO_LINE },
	},
	{ .class = NULL },
};
