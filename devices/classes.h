/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The class each device file ends with, for devices/table.c. docs/devices.md describes them.
 */
#ifndef VIREO_DEVICES_CLASSES_H
#define VIREO_DEVICES_CLASSES_H

#include "devices/device.h"

extern const struct device_class serial_class;
extern const struct device_class cmos_class;
extern const struct device_class pl031_class;
extern const struct device_class pl061_class;
extern const struct device_class pvpanic_class;
extern const struct device_class i8042_class;
extern const struct device_class acpi_power_class;
extern const struct device_class virtio_mmio_class;
extern const struct device_class debug_exit_class;
extern const struct device_class test_irq_class;
extern const struct device_class test_scratch_class;
extern const struct device_class test_memory_class;
extern const struct device_class fw_cfg_class;

#endif
