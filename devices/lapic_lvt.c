// SPDX-License-Identifier: BSD-2-Clause
/*
 * The local vector table: how interrupts that come up at the local APIC itself are delivered (Intel SDM
 * volume 3, section "Local Vector Table"). The timer's entry is written through lapic_timer.c.
 */
#include "devices/lapic.h"
#include "devices/lapic_internal.h"
#define LOG_AREA AREA_IRQ
#include "kvm/log.h"

/* lapic->lint: bit per pin whether it is asserted, and whether it became so since the owner looked. */
#define ASSERTED(pin) (1u << (pin))
#define EDGE(pin)     (0x100u << (pin))
#define PINS          2
#define ALL_EDGES     (EDGE(0) | EDGE(1))

static uint32_t lint_offset(unsigned int pin)
{
	return pin ? LAPIC_LVT_LINT1 : LAPIC_LVT_LINT0;
}

bool lapic_is_lvt(uint32_t offset)
{
	return offset == LAPIC_LVT_CMCI || (offset >= LAPIC_LVT_TIMER && offset <= LAPIC_LVT_ERROR);
}

/* LINT1 is edge-triggered whatever its entry says, and so is what has no vector. */
bool lapic_lvt_is_level(uint32_t offset, uint32_t value)
{
	return offset == LAPIC_LVT_LINT0 && (value & LVT_LEVEL) && LVT_DELIVERY(value) == APIC_FIXED;
}

/* An unmasked entry's interrupt by its delivery mode. True if the processor will end it. */
static bool deliver(struct lapic *lapic, uint32_t offset, uint32_t lvt)
{
	/* The timer's entry has a mode of its own there, and the error's none: fixed both. */
	uint32_t mode = offset == LAPIC_LVT_TIMER || offset == LAPIC_LVT_ERROR ? APIC_FIXED
									       : LVT_DELIVERY(lvt);

	switch (mode) {
	case APIC_FIXED:
		return lapic_accept(lapic, APIC_FIXED, (uint8_t)lvt, lapic_lvt_is_level(offset, lvt));
	case APIC_INIT:
		if (offset < LAPIC_LVT_LINT0)
			break; /* not for CMCI, thermal sensor and performance counters */
		lapic_accept(lapic, APIC_INIT, 0, false);
		break;
	case APIC_NMI:
		lapic_accept(lapic, APIC_NMI, 0, false);
		break;
	case APIC_SMI:
		log_debug_once("a local interrupt is to be an SMI; there is no system management mode");
		break;
	case APIC_EXTINT:
		log_debug_once("a local interrupt is to be ExtINT; there is no 8259A to ask for a vector");
		break;
	}
	return false; /* the other modes are reserved */
}

void lapic_local_interrupt(struct lapic *lapic, uint32_t lvt)
{
	uint32_t value = lapic_get(lapic, lvt);

	if (value & LAPIC_LVT_MASKED)
		return;
	/* Section "Generating an Interrupt on Overflow" of the performance counters: masked by delivery. */
	if (lvt == LAPIC_LVT_PERF)
		lapic_set(lapic, lvt, value | LAPIC_LVT_MASKED);
	deliver(lapic, lvt, value);
}

/* --- LINT0 and LINT1 --- */

void lapic_set_lint(struct lapic *lapic, unsigned int pin, bool asserted)
{
	uint32_t old;

	if (pin >= PINS)
		return;
	if (asserted)
		old = atomic_fetch_or(&lapic->lint, ASSERTED(pin));
	else
		old = atomic_fetch_and(&lapic->lint, ~ASSERTED(pin));
	if (asserted == !!(old & ASSERTED(pin)))
		return;
	if (asserted)
		atomic_fetch_or(&lapic->lint, EDGE(pin));
	atomic_fetch_or(&lapic->events, LAPIC_EVENT_LINT);
	lapic->host.kick(lapic->host.cpu);
}

/* What an asserted pin does while its entry is level-triggered. */
static void service_level(struct lapic *lapic, unsigned int pin)
{
	uint32_t offset = lint_offset(pin), lvt = lapic_get(lapic, offset);

	if (!lapic_lvt_is_level(offset, lvt) || (lvt & (LAPIC_LVT_MASKED | LVT_REMOTE_IRR)) ||
	    !(atomic_load(&lapic->lint) & ASSERTED(pin)))
		return;
	if (deliver(lapic, offset, lvt))
		lapic_set(lapic, offset, lvt | LVT_REMOTE_IRR);
}

void lapic_lvt_look(struct lapic *lapic)
{
	uint32_t edges = atomic_fetch_and(&lapic->lint, ~ALL_EDGES);

	for (unsigned int pin = 0; pin < PINS; pin++) {
		uint32_t offset = lint_offset(pin);

		if (lapic_lvt_is_level(offset, lapic_get(lapic, offset)))
			service_level(lapic, pin);
		else if (edges & EDGE(pin)) /* an edge on a masked pin is lost */
			lapic_local_interrupt(lapic, offset);
	}
}

void lapic_lvt_eoi(struct lapic *lapic, uint8_t vector)
{
	uint32_t lvt = lapic_get(lapic, LAPIC_LVT_LINT0);

	if (!(lvt & LVT_REMOTE_IRR) || (uint8_t)lvt != vector)
		return;
	lapic_set(lapic, LAPIC_LVT_LINT0, lvt & ~LVT_REMOTE_IRR);
	service_level(lapic, 0);
}

/* --- the guest --- */

void lapic_lvt_write(struct lapic *lapic, uint32_t offset, uint32_t value)
{
	/* Remote IRR is read-only, and an entry that is not level-triggered has none. */
	if (lapic_lvt_is_level(offset, value))
		value |= lapic_get(lapic, offset) & LVT_REMOTE_IRR;
	lapic_set(lapic, offset, value);
	service_level(lapic, 0);
}

/* Section "Local APIC State After It Has Been Software Disabled": every mask bit is set. */
void lapic_lvt_mask_all(struct lapic *lapic)
{
	for (uint32_t offset = LAPIC_LVT_CMCI; offset <= LAPIC_LVT_ERROR; offset += 16)
		if (lapic_is_lvt(offset))
			lapic_set(lapic, offset, lapic_get(lapic, offset) | LAPIC_LVT_MASKED);
}
