/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The power registers of a hardware-reduced ACPI platform, as the device model implements them and
 * the FADT and the _S5 package describe them (ACPI Specification 6.5, sections "Sleep Control and
 * Status Registers" and "Reset Register"). Each register is one byte in the device's window.
 */
#ifndef VIREO_DEVICES_ACPI_POWER_H
#define VIREO_DEVICES_ACPI_POWER_H

#define ACPI_POWER_SLEEP_CONTROL 0 /* offset of SLEEP_CONTROL_REG */
#define ACPI_POWER_SLEEP_STATUS  1 /* offset of SLEEP_STATUS_REG */
#define ACPI_POWER_RESET         2 /* offset of RESET_REG */
#define ACPI_POWER_SIZE          3 /* bytes of the window */

#define ACPI_POWER_SLP_TYP_S5  5 /* what _S5 names: soft off */
#define ACPI_POWER_RESET_VALUE 1 /* RESET_VALUE */

#endif
