/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The x86 interrupt system in userspace: one LAPIC per vCPU, one I/O APIC, and the routing between
 * them. Implements struct irqchip.
 */
#ifndef VIREO_DEVICES_APIC_H
#define VIREO_DEVICES_APIC_H

#include "devices/device.h"
#include "devices/irqchip.h"
#include "devices/lapic.h"

struct apic {
	struct irqchip chip;
	struct device *ioapic; /* owned; to be put on the MMIO bus by the caller */
	_Atomic uint32_t turn; /* lowest-priority arbitration: where ties begin */
	unsigned int nr_lapics;
	struct lapic lapic[]; /* by APIC id */
};

/* The counting rates that LAPICs are built with. */
struct apic_rates {
	uint32_t timer_hz; /* LAPIC timer, divisor 1; 1 to 1,000,000,000 */
	uint32_t tsc_khz;  /* guest TSC, where TSC-deadline mode is offered; else 0 */
};

/*
 * Creates the system for `nr` vCPUs with APIC ids 0 to nr - 1, of which 0 is the bootstrap
 * processor. Each vCPU must be attached before it or a device runs. apic_destroy() takes NULL.
 */
int apic_create(struct apic **out, unsigned int nr, const struct device_host *host, struct apic_rates rates,
		struct err *err);
void apic_destroy(struct apic *apic);

/* Gives LAPIC `index` its vCPU: see struct lapic_host. Returns the LAPIC, owned by `apic`. */
struct lapic *apic_attach(struct apic *apic, unsigned int index, void (*kick)(void *cpu),
			  uint64_t (*read_tsc)(void *cpu), void *cpu);

#endif
