/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A GICv2m frame (Arm Server Base System Architecture, "GICv2m Architecture"): one page that turns a
 * write of an INTID into an edge on that shared peripheral interrupt, so that a GIC without an ITS
 * takes message-signalled interrupts. It has no state.
 *
 * The frame owns a range of interrupt lines, which no device drives. Guests make them edge-triggered:
 * each message is a line that goes up and down at once.
 */
#ifndef VIREO_DEVICES_GICV2M_H
#define VIREO_DEVICES_GICV2M_H

#include "devices/device.h"

#define GICV2M_SETSPI 0x040 /* offset of the doorbell, MSI_SETSPI_NS */

extern const struct device_class gicv2m_class;

/*
 * Gives the frame `count` lines (at least 1) from that of its irq_line on. Line n is INTID 32 + n; the
 * last one must be at most INTID 1019. Before any vCPU runs.
 */
void gicv2m_set_lines(struct device *dev, uint32_t count);

/* A message with `data` has come to the doorbell. Any thread, with or without a device's lock held. */
void gicv2m_send(struct device *dev, uint32_t data);

#endif
