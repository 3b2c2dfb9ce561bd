/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The I/O APIC: Intel 82093AA data sheet, with the version 0x20 EOI register (Intel I/O Controller
 * Hub data sheets, "I/O APIC"), and the set of them that a machine has. Each is a device on the
 * MMIO bus; its device lock guards everything and is the innermost lock of an interrupt's way:
 * line -> here -> LAPIC (atomics only).
 *
 * Lines are "asserted" or not: which voltage that is, is the business of a board, and there is none.
 * The polarity bit of an entry is kept for the guest to read back and has no other effect.
 */
#ifndef VIREO_DEVICES_IOAPIC_H
#define VIREO_DEVICES_IOAPIC_H

#include "devices/device.h"
#include "devices/lapic.h"
#include "devices/machine.h"

#define IOAPIC_WINDOW 0x1000ULL /* bytes of address space */
#define IOAPIC_PINS   24

extern const struct device_class ioapic_class;

/* What an I/O APIC sends its messages over. Called with its device lock held; must not block. */
struct ioapic_bus {
	/* Mandatory. Sends `msg`; says whether any LAPIC took it. */
	bool (*deliver)(void *ctx, const struct apic_message *msg);
	/*
	 * May be NULL. What the pin of `gsi` sends has changed to `msg`; NULL: nothing, for it is masked
	 * and no EOI is awaited, or its delivery mode does not exist. At first no pin sends anything.
	 */
	void (*routed)(void *ctx, uint32_t gsi, const struct apic_message *msg);
	void *ctx;
};

/*
 * Connects the I/O APIC. Call once, before the guest runs; `bus` is copied. `place` says the id that
 * the guest reads at first and the GSI of pin 0.
 */
void ioapic_connect(struct device *dev, const struct ioapic_desc *place, const struct ioapic_bus *bus);

/* Drives pin `pin`; a pin that does not exist is ignored. Any thread. */
void ioapic_set_line(struct device *dev, uint32_t pin, bool level);

/* Whether the mask bit of pin `pin`'s entry is clear. Any thread. */
bool ioapic_unmasked(struct device *dev, uint32_t pin);

/* An EOI broadcast for `vector` from a LAPIC. Any thread. */
void ioapic_eoi(struct device *dev, uint8_t vector);

/* --- saved state --- */

#define IOAPIC_STATE_VERSION 1

struct ioapic_state {
	uint32_t version; /* IOAPIC_STATE_VERSION */
	uint32_t select;  /* IOREGSEL */
	uint32_t id;      /* the id register's bits 27:24 as a number */
	uint32_t lines;   /* bit per pin: asserted */
	uint64_t rte[IOAPIC_PINS];
};

/*
 * Saves and loads everything but the place and the bus. Nothing else may run. A load sends no
 * message, but says to the bus what the pins send now. -EINVAL with the cause for a state that no
 * I/O APIC can be in; then nothing has changed.
 */
void ioapic_save(struct device *dev, struct ioapic_state *state);
int ioapic_check(const struct ioapic_state *state, struct err *err);
int ioapic_load(struct device *dev, const struct ioapic_state *state, struct err *err);

/* --- all I/O APICs of a machine (ioapics.c) --- */

struct ioapics {
	struct device *dev[MACHINE_MAX_IOAPICS]; /* owned; to be put on the MMIO bus by the caller */
	unsigned int nr;
};

/*
 * Where they stand: as many as `nr_gsis` lines (1 to MACHINE_MAX_IOAPICS * IOAPIC_PINS) need, one
 * page after the other, with ids from 0. I/O APIC ids are of a bus that no longer exists; that they
 * equal LAPICs' does not matter. Returns their number.
 */
unsigned int ioapics_place(uint32_t nr_gsis, struct ioapic_desc place[MACHINE_MAX_IOAPICS]);

/* Creates those that ioapics_place() says. ioapics_destroy() takes what a failed create left. */
int ioapics_create(struct ioapics *all, uint32_t nr_gsis, const struct device_host *host,
		   const struct ioapic_bus *bus, struct err *err);
void ioapics_destroy(struct ioapics *all);

/* As ioapic_set_line(), ioapic_unmasked() and ioapic_eoi(), for the pin of `gsi` and for all. Any thread. */
void ioapics_set_line(const struct ioapics *all, uint32_t gsi, bool level);
bool ioapics_unmasked(const struct ioapics *all, uint32_t gsi);
void ioapics_eoi(const struct ioapics *all, uint8_t vector);

#endif
