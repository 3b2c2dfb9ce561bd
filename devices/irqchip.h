/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interrupt controller, as devices and the program see it: one interface, several
 * implementations, chosen at start and never silently swapped.
 */
#ifndef VIREO_DEVICES_IRQCHIP_H
#define VIREO_DEVICES_IRQCHIP_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/trace.h"

struct irqchip;

struct irqchip_ops {
	/*
	 * Mandatory. Drives line `line` (a GSI on the PC, an SPI number counted from 0 on Arm) to
	 * `level`. Any thread, with the calling device's lock held; never blocks, never calls back
	 * into a device.
	 */
	void (*set_line)(struct irqchip *chip, uint32_t line, bool level);
	/*
	 * Mandatory. Delivers the message-signalled interrupt {addr, data}. `devid` is the sender's
	 * device id, by which an ITS knows it (for PCI the requester id); other controllers ignore it.
	 * Any thread.
	 */
	void (*send_msi)(struct irqchip *chip, uint64_t addr, uint32_t data, uint32_t devid);
};

struct irqchip {
	const struct irqchip_ops *ops;
};

/* One interrupt line of a device: the only thing a device knows of interrupts. */
struct irq_line {
	struct irqchip *chip; /* NULL: the device has no line; driving it does nothing */
	uint32_t line;
};

static inline void irq_line_set(const struct irq_line *line, bool level)
{
	if (!line->chip)
		return;
	trace_line(line->line, level);
	line->chip->ops->set_line(line->chip, line->line, level);
}

#endif
