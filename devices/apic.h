/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The x86 interrupt system in userspace: one LAPIC per vCPU, the I/O APICs, and the routing
 * between them. Implements struct irqchip.
 */
#ifndef VIREO_DEVICES_APIC_H
#define VIREO_DEVICES_APIC_H

#include "devices/device.h"
#include "devices/ioapic.h"
#include "devices/irqchip.h"
#include "devices/lapic.h"

struct apic {
	struct irqchip chip;
	struct ioapics ioapics; /* to be put on the MMIO bus by the caller */
	_Atomic uint32_t turn;  /* lowest-priority arbitration: where ties begin */
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
 * processor, and as many I/O APICs as `nr_gsis` lines need (ioapics_place() says which). Each vCPU must
 * be attached before it or a device runs. apic_destroy() takes NULL.
 */
int apic_create(struct apic **out, unsigned int nr, uint32_t nr_gsis, const struct device_host *host,
		struct apic_rates rates, struct err *err);
void apic_destroy(struct apic *apic);

/* Gives LAPIC `index` its vCPU: see struct lapic_host. Returns the LAPIC, owned by `apic`. */
struct lapic *apic_attach(struct apic *apic, unsigned int index, void (*kick)(void *cpu),
			  uint64_t (*read_tsc)(void *cpu), void *cpu);

/*
 * Messages and MSIs: each MSI that is a message, and each message that an I/O APIC sends, has one
 * image on the other side. False: {addr, data} is no message for a LAPIC, `*msg` is not set.
 */
bool apic_message_from_msi(uint64_t addr, uint32_t data, struct apic_message *msg);
void apic_message_to_msi(const struct apic_message *msg, uint64_t *addr, uint32_t *data);

/* --- saved state --- */

#define APIC_STATE_VERSION 1

struct apic_state {
	uint32_t version; /* APIC_STATE_VERSION */
	uint32_t nr_lapics, nr_ioapics;
	uint32_t turn; /* of lowest-priority arbitration; any value */
	struct ioapic_state ioapic[MACHINE_MAX_IOAPICS];
	struct lapic_state lapic[]; /* nr_lapics */
};

/* Bytes of the state of a system with `nr_lapics` vCPUs. */
size_t apic_state_size(unsigned int nr_lapics);

/*
 * Saves and loads everything; `state` has apic_state_size() bytes. Nothing else may run. A load is for
 * a system of the same make, its vCPUs attached; -EINVAL with the cause for a state that it cannot
 * be in; then nothing has changed.
 */
void apic_save(struct apic *apic, struct apic_state *state);
int apic_load(struct apic *apic, const struct apic_state *state, struct err *err);

#endif
