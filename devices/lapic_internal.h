/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared by the files lapic*.c, which are one module, and by those who print or test the register
 * table.
 */
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

static inline bool lapic_present(const struct lapic *lapic)
{
	return atomic_load_explicit(&lapic->base, memory_order_relaxed) & APIC_BASE_ENABLE;
}

/* --- the register table (lapic_regs.c) --- */

/* Access classes: one bit per front end and direction. */
#define LAPIC_XR 1u /* xAPIC read */
#define LAPIC_XW 2u /* xAPIC write */
#define LAPIC_MR 4u /* x2APIC read */
#define LAPIC_MW 8u /* x2APIC write */

/* What a register holds after a reset. */
enum lapic_reset {
	LAPIC_RESET_VALUE,   /* lapic_register.value */
	LAPIC_RESET_ID,      /* the initial id: << 24 in xAPIC mode, as it is in x2APIC mode */
	LAPIC_RESET_LOGICAL, /* 0 in xAPIC mode, derived from the id in x2APIC mode */
	LAPIC_RESET_KEPT,    /* what it held before */
};

struct lapic_register {
	uint16_t offset;
	uint8_t count;  /* consecutive registers of this kind */
	uint8_t access; /* LAPIC_XR... */
	enum lapic_reset power_up, init;
	uint32_t value;
	uint32_t writable; /* bits a write sets; for an x2APIC's ICR, the low half's */
	uint32_t status;   /* bits a write may carry to no effect. All others are reserved */
	const char *name;
};

/* In offset order; ends with a row whose name is NULL. */
extern const struct lapic_register lapic_registers[];

/* The row of the register at `offset`, or NULL. */
const struct lapic_register *lapic_find_register(uint32_t offset);

/* What register `n` of a row holds after a power-up or an INIT in the mode the LAPIC is in. */
uint32_t lapic_reset_value(const struct lapic *lapic, const struct lapic_register *r, uint32_t n, bool init);

/* All registers to their values after power-up or INIT. */
void lapic_reset_registers(struct lapic *lapic, bool init);

/* Bits that are writable in this LAPIC: without TSC-deadline mode there is no bit for it. */
uint32_t lapic_writable(const struct lapic *lapic, const struct lapic_register *r);

/* --- lapic.c --- */

/* In lapic->events beyond what the owner is told: for the LAPIC itself, when it looks. */
#define LAPIC_EVENT_SIPI_SHIFT 8 /* 8 bits: the vector of a SIPI */
#define LAPIC_EVENT_LINT       (1u << 30)
#define LAPIC_EVENT_ERROR      (1u << 31)
#define LAPIC_EVENT_BITS                                                                           \
	(LAPIC_EVENT_NMI | LAPIC_EVENT_INIT | LAPIC_EVENT_SIPI | 0xffu << LAPIC_EVENT_SIPI_SHIFT | \
	 LAPIC_EVENT_LINT | LAPIC_EVENT_ERROR)

/* Records ESR bits and raises the error interrupt. */
void lapic_error(struct lapic *lapic, uint32_t bits);
uint32_t lapic_logical_id(uint32_t id);
uint32_t lapic_compute_ppr(const uint32_t *isr, uint32_t tpr);
void lapic_end_of_interrupt(struct lapic *lapic);
void lapic_send_ipi(struct lapic *lapic, uint32_t low, uint32_t high);
void lapic_self_ipi(struct lapic *lapic, uint8_t vector);

/* In one of the 256-bit sets (LAPIC_ISR, LAPIC_TMR, LAPIC_IRR): a vector's bit; the highest vector, or -1. */
bool lapic_bit(const struct lapic *lapic, uint32_t set, uint8_t vector);
int lapic_highest(const struct lapic *lapic, uint32_t set);

/* --- lapic_pv.c --- */

/* Whether a guest may write `value` to the MSR; false: #GP. */
bool lapic_pv_eoi_valid(const struct lapic *lapic, uint64_t value);
bool lapic_set_pv_eoi(struct lapic *lapic, uint64_t value);

/* --- lapic_lvt.c --- */

#define LVT_DELIVERY(lvt) ((lvt) >> 8 & 7)
#define LVT_REMOTE_IRR    (1u << 14)
#define LVT_LEVEL         (1u << 15)
bool lapic_is_lvt(uint32_t offset);
/* Whether an entry with this value waits for EOIs and so has a remote IRR. */
bool lapic_lvt_is_level(uint32_t offset, uint32_t value);
/* A guest's write; `value` has writable bits only. Not for the timer's. */
void lapic_lvt_write(struct lapic *lapic, uint32_t offset, uint32_t value);
void lapic_lvt_mask_all(struct lapic *lapic);
/* Looks at the pins. */
void lapic_lvt_look(struct lapic *lapic);
/* The level-triggered interrupt `vector` was ended. */
void lapic_lvt_eoi(struct lapic *lapic, uint8_t vector);

/* --- lapic_timer.c --- */

void lapic_timer_stop(struct lapic *lapic);
void lapic_timer_start(struct lapic *lapic, uint32_t count);
void lapic_timer_set_lvt(struct lapic *lapic, uint32_t value);
void lapic_timer_set_divide(struct lapic *lapic, uint32_t value);
uint32_t lapic_timer_count(const struct lapic *lapic);
bool lapic_timer_set_tsc(struct lapic *lapic, uint64_t value);
/* Fills in the timer's part; what is due expires first. */
void lapic_timer_save(struct lapic *lapic, struct lapic_state *state);
/* Takes it over; the registers are loaded. */
void lapic_timer_load(struct lapic *lapic, const struct lapic_state *state);

#endif
