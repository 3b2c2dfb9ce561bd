/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by lapic.c, lapic_regs.c and lapic_timer.c only. */
#ifndef VIREO_DEVICES_LAPIC_INTERNAL_H
#define VIREO_DEVICES_LAPIC_INTERNAL_H

#include "devices/lapic.h"

static inline uint32_t lapic_get(const struct lapic *lapic, uint32_t offset)
{
	return atomic_load_explicit(&lapic->reg[offset >> 4], memory_order_relaxed);
}

static inline void lapic_set(struct lapic *lapic, uint32_t offset, uint32_t value)
{
	atomic_store_explicit(&lapic->reg[offset >> 4], value, memory_order_relaxed);
}

static inline bool lapic_x2apic(const struct lapic *lapic)
{
	return atomic_load_explicit(&lapic->base, memory_order_relaxed) & APIC_BASE_X2APIC;
}

/* lapic.c: records ESR bits and raises the error interrupt. Owner's thread. */
void lapic_error(struct lapic *lapic, uint32_t bits);
void lapic_end_of_interrupt(struct lapic *lapic);
void lapic_send_ipi(struct lapic *lapic, uint32_t low, uint32_t high);
void lapic_self_ipi(struct lapic *lapic, uint8_t vector);

/* lapic_regs.c */
void lapic_reset_registers(struct lapic *lapic);

/* lapic_timer.c */
void lapic_timer_stop(struct lapic *lapic);
void lapic_timer_start(struct lapic *lapic, uint32_t count);
void lapic_timer_set_lvt(struct lapic *lapic, uint32_t value);
void lapic_timer_set_divide(struct lapic *lapic, uint32_t value);
uint32_t lapic_timer_count(const struct lapic *lapic);
bool lapic_timer_set_tsc(struct lapic *lapic, uint64_t value);

#endif
