/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The I/O APIC: Intel 82093AA data sheet, with the version 0x20 EOI register (Intel I/O Controller
 * Hub data sheets, "I/O APIC"). A device on the MMIO bus; its device lock guards everything and is
 * the innermost lock of an interrupt's way: line -> here -> LAPIC (atomics only).
 */
#ifndef VIREO_DEVICES_IOAPIC_H
#define VIREO_DEVICES_IOAPIC_H

#include "devices/device.h"
#include "devices/lapic.h"

#define IOAPIC_WINDOW 0x1000ULL /* bytes of address space */
#define IOAPIC_PINS   24

extern const struct device_class ioapic_class;

/*
 * Connects the I/O APIC to the LAPICs: `deliver` sends a message and says whether any LAPIC took
 * it. Call once, before the guest runs. `id` is the APIC id the guest reads at first.
 */
void ioapic_connect(struct device *dev, uint32_t id,
		    bool (*deliver)(void *ctx, const struct apic_message *msg), void *ctx);

/* Drives pin `pin`; a pin that does not exist is ignored. Any thread. */
void ioapic_set_line(struct device *dev, uint32_t pin, bool level);

/* An EOI broadcast for `vector` from a LAPIC. Any thread. */
void ioapic_eoi(struct device *dev, uint8_t vector);

#endif
