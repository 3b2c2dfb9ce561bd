// SPDX-License-Identifier: BSD-2-Clause
/*
 * Paravirtual EOI: a LAPIC in user space makes each EOI an exit, and this makes most of them none. Linux,
 * "KVM-specific MSRs", MSR_KVM_PV_EOI_EN: the guest gives a byte of its memory. While bit 0 is set there, the
 * guest may clear it instead of writing the EOI register.
 *
 * The bit is set only while the guest runs, and only if nobody waits for that EOI: the interrupt is an
 * edge, and no other is requested. A request that comes up then kicks the vCPU, as any does: it has left before
 * the request is looked at, and lapic_take_eoi() has settled whether the interrupt is still in service.
 */
#include "devices/guestmem.h"
#include "devices/lapic.h"
#include "devices/lapic_internal.h"

#define PV_EOI_ENABLE  1ULL
#define PV_EOI_ALIGN   4 /* bytes: bit 1 of the MSR is reserved */
#define PV_EOI_PENDING 1u

void lapic_allow_pv_eoi(struct lapic *lapic, const struct guest_mem *mem)
{
	lapic->mem = mem;
}

/* The guest's byte, or NULL. Looked up each time: what is RAM may change. */
static uint8_t *flag(const struct lapic *lapic, uint64_t msr)
{
	return guest_mem_ptr_write(lapic->mem, msr & ~PV_EOI_ENABLE, 1);
}

bool lapic_pv_eoi_valid(const struct lapic *lapic, uint64_t value)
{
	if (!lapic->mem || (value & ~PV_EOI_ENABLE) % PV_EOI_ALIGN)
		return false;
	return !(value & PV_EOI_ENABLE) || flag(lapic, value);
}

bool lapic_set_pv_eoi(struct lapic *lapic, uint64_t value)
{
	if (!lapic_pv_eoi_valid(lapic, value))
		return false;
	lapic->pv_eoi = value;
	return true;
}

void lapic_offer_eoi(struct lapic *lapic)
{
	uint8_t *byte;
	int vector;

	if (!(lapic->pv_eoi & PV_EOI_ENABLE))
		return;
	vector = lapic_highest(lapic, LAPIC_ISR);
	if (vector < 0 || lapic_bit(lapic, LAPIC_TMR, (uint8_t)vector) ||
	    lapic_highest(lapic, LAPIC_IRR) >= 0)
		return;
	byte = flag(lapic, lapic->pv_eoi);
	if (!byte)
		return;
	__atomic_fetch_or(byte, PV_EOI_PENDING, __ATOMIC_RELAXED);
	lapic->eoi_offered = true;
}

void lapic_take_eoi(struct lapic *lapic)
{
	uint8_t *byte;

	if (!lapic->eoi_offered)
		return;
	lapic->eoi_offered = false;
	byte = flag(lapic, lapic->pv_eoi);
	if (byte && !(__atomic_fetch_and(byte, (uint8_t)~PV_EOI_PENDING, __ATOMIC_RELAXED) & PV_EOI_PENDING))
		lapic_end_of_interrupt(lapic);
}
