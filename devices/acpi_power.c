// SPDX-License-Identifier: BSD-2-Clause
/*
 * Power off and reset as the FADT of a hardware-reduced platform offers them (ACPI Specification 6.5,
 * "Sleep Control and Status Registers" and "Reset Register"), and the power button: an edge on its line,
 * which means nothing else, so that no register needs to say what happened ("Interrupt-signaled ACPI
 * events"; boot/acpi.c has the event device and the button).
 */
#include "devices/acpi_power.h"

#include "devices/classes.h"

enum {
	CONTROL_SLP_TYP = 0x1c,
	CONTROL_SLP_TYP_SHIFT = 2,
	CONTROL_SLP_EN = 0x20, /* reads as zero */
};

struct acpi_power {
	struct device dev;
	uint8_t control;
};

static bool acpi_power_read(struct device *dev, uint64_t offset, unsigned int size, uint64_t *value)
{
	struct acpi_power *p = (struct acpi_power *)dev;

	(void)size; /* always 1 */
	switch (offset) {
	case ACPI_POWER_SLEEP_CONTROL:
		*value = p->control;
		return true;
	case ACPI_POWER_SLEEP_STATUS: /* WAK_STS is never set: S5 does not wake */
		*value = 0;
		return true;
	default: /* the reset register is only written */
		return false;
	}
}

static bool acpi_power_write(struct device *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct acpi_power *p = (struct acpi_power *)dev;

	(void)size; /* always 1 */
	switch (offset) {
	case ACPI_POWER_SLEEP_CONTROL:
		p->control = value & CONTROL_SLP_TYP;
		if ((value & CONTROL_SLP_EN) && p->control >> CONTROL_SLP_TYP_SHIFT == ACPI_POWER_SLP_TYP_S5)
			dev->host->event(dev->host->ctx, GUEST_POWEROFF);
		break;
	case ACPI_POWER_RESET:
		if (value == ACPI_POWER_RESET_VALUE)
			dev->host->event(dev->host->ctx, GUEST_RESET);
		break;
	}
	return true;
}

/* An edge on a masked line would be lost. */
static bool acpi_power_press(struct device *dev)
{
	bool heard;

	pthread_mutex_lock(&dev->lock);
	heard = irq_line_unmasked(&dev->irq);
	if (heard)
		irq_line_pulse(&dev->irq);
	pthread_mutex_unlock(&dev->lock);
	return heard;
}

const struct device_class acpi_power_class = {
	.name = "acpi-power",
	.edge = true,
	.size = sizeof(struct acpi_power),
	.access_max = 1,
	.read = acpi_power_read,
	.write = acpi_power_write,
	.press_power = acpi_power_press,
};
