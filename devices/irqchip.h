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
	/*
	 * May be NULL: set_line() up and down does it. One edge on a line that a device keeps low otherwise
	 * (device_class.edge). Any thread, one at a time for each line; as set_line() in all else.
	 */
	void (*pulse)(struct irqchip *chip, uint32_t line);
	/*
	 * May be NULL: no line has one. An eventfd whose writes do what pulse() does without this program,
	 * or -1. Owned by the controller; the same for every call with that line. Any thread.
	 */
	int (*eventfd)(struct irqchip *chip, uint32_t line);
	/*
	 * May be NULL: nobody asks, for the device itself knows. Whether the guest has unmasked `line`. Any
	 * thread, as set_line().
	 */
	bool (*unmasked)(struct irqchip *chip, uint32_t line);
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

static inline void irq_line_pulse(const struct irq_line *line)
{
	if (!line->chip)
		return;
	if (!line->chip->ops->pulse) {
		irq_line_set(line, true);
		irq_line_set(line, false);
		return;
	}
	trace_line(line->line, true);
	line->chip->ops->pulse(line->chip, line->line);
	trace_line(line->line, false);
}

/* -1: the line has none. */
static inline int irq_line_eventfd(const struct irq_line *line)
{
	if (!line->chip || !line->chip->ops->eventfd)
		return -1;
	return line->chip->ops->eventfd(line->chip, line->line);
}

/* Whether the guest lets interrupts of the line through; false where there is no line. */
static inline bool irq_line_unmasked(const struct irq_line *line)
{
	return line->chip &&
	       (!line->chip->ops->unmasked || line->chip->ops->unmasked(line->chip, line->line));
}

#endif
