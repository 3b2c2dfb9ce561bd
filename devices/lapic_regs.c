// SPDX-License-Identifier: BSD-2-Clause
/*
 * The local APIC's register file and its two front ends, the xAPIC page and the x2APIC MSRs.
 * One table is the source of what exists, who may read and write it, its reserved bits and its
 * values after power-up and INIT; docs/interrupts.md shows it (make docs). Tables "Local APIC Register
 * Address Map" and "Local APIC Register Address Map Supported by x2APIC" of the Intel SDM, volume 3.
 */
#include <stddef.h>

#include "devices/lapic.h"
#include "devices/lapic_internal.h"

#define XR  LAPIC_XR
#define XW  LAPIC_XW
#define MR  LAPIC_MR
#define MW  LAPIC_MW
#define ALL (XR | XW | MR | MW)

/* Sections "Local APIC State After Power-Up or Reset" and "... After an INIT Reset". */
#define BOTH(value) LAPIC_RESET_VALUE, LAPIC_RESET_VALUE, (value)
#define MASKED      BOTH(LAPIC_LVT_MASKED)
#define ID          LAPIC_RESET_ID, LAPIC_RESET_KEPT, 0
#define LOGICAL     LAPIC_RESET_LOGICAL, LAPIC_RESET_LOGICAL, 0

/*
 * Integrated APIC, 7 LVT entries, EOI broadcast suppression. Section "Local APIC Version Register".
 */
#define VERSION (0x14u | 6u << 16 | LAPIC_VERSION_NO_BROADCAST)

#define STATUS      (1u << 12) /* delivery status */
#define LINT_STATUS (STATUS | LVT_REMOTE_IRR)

/* clang-format off */
const struct lapic_register lapic_registers[] = {
	{ LAPIC_ID,        1, XR | XW | MR, ID,         0xff000000, 0, "Local APIC ID" },
	{ LAPIC_VERSION,   1, XR | MR, BOTH(VERSION),   0,          0, "Version" },
	{ LAPIC_TPR,       1, ALL,     BOTH(0),         0xff,       0, "Task priority (TPR)" },
	/* Current processors arbitrate and read remotely no more: these two are always 0. */
	{ LAPIC_APR,       1, XR,      BOTH(0),         0,          0, "Arbitration priority (APR)" },
	{ LAPIC_PPR,       1, XR | MR, BOTH(0),         0,          0, "Processor priority (PPR)" },
	{ LAPIC_EOI,       1, XW | MW, BOTH(0),         0,          0, "End of interrupt (EOI)" },
	{ LAPIC_RRD,       1, XR,      BOTH(0),         0,          0, "Remote read (RRD)" },
	{ LAPIC_LDR,       1, XR | XW | MR, LOGICAL,    0xff000000, 0, "Logical destination (LDR)" },
	{ LAPIC_DFR,       1, XR | XW, BOTH(0xffffffff), 0xf0000000, 0, "Destination format (DFR)" },
	{ LAPIC_SVR,       1, ALL,     BOTH(0xff),      0x13ff,     0, "Spurious-interrupt vector (SVR)" },
	{ LAPIC_ISR,       8, XR | MR, BOTH(0),         0,          0, "In service (ISR)" },
	{ LAPIC_TMR,       8, XR | MR, BOTH(0),         0,          0, "Trigger mode (TMR)" },
	{ LAPIC_IRR,       8, XR | MR, BOTH(0),         0,          0, "Interrupt request (IRR)" },
	{ LAPIC_ESR,       1, ALL,     BOTH(0),         0,          0, "Error status (ESR)" },
	{ LAPIC_LVT_CMCI,  1, ALL,     MASKED,          0x107ff,    STATUS, "LVT CMCI" },
	{ LAPIC_ICR_LOW,   1, ALL,     BOTH(0),         0xccfff,    STATUS, "Interrupt command (ICR)" },
	{ LAPIC_ICR_HIGH,  1, XR | XW, BOTH(0),         0xff000000, 0, "Interrupt command, high half" },
	{ LAPIC_LVT_TIMER, 1, ALL,     MASKED,          0x700ff,    STATUS, "LVT timer" },
	{ LAPIC_LVT_THERM, 1, ALL,     MASKED,          0x107ff,    STATUS, "LVT thermal sensor" },
	{ LAPIC_LVT_PERF,  1, ALL,     MASKED,          0x107ff,    STATUS, "LVT performance counters" },
	{ LAPIC_LVT_LINT0, 1, ALL,     MASKED,          0x1a7ff,    LINT_STATUS, "LVT LINT0" },
	{ LAPIC_LVT_LINT1, 1, ALL,     MASKED,          0x1a7ff,    LINT_STATUS, "LVT LINT1" },
	{ LAPIC_LVT_ERROR, 1, ALL,     MASKED,          0x100ff,    STATUS, "LVT error" },
	{ LAPIC_TIMER_ICR, 1, ALL,     BOTH(0),         0xffffffff, 0, "Timer initial count" },
	{ LAPIC_TIMER_CCR, 1, XR | MR, BOTH(0),         0,          0, "Timer current count" },
	{ LAPIC_TIMER_DCR, 1, ALL,     BOTH(0),         0xb,        0, "Timer divide configuration" },
	{ LAPIC_SELF_IPI,  1, MW,      BOTH(0),         0xff,       0, "Self IPI" },
	{ .name = NULL },
};
/* clang-format on */

const struct lapic_register *lapic_find_register(uint32_t offset)
{
	for (const struct lapic_register *r = lapic_registers; r->name; r++)
		if (offset >= r->offset && offset < r->offset + 16u * r->count)
			return r;
	return NULL;
}

uint32_t lapic_reset_value(const struct lapic *lapic, const struct lapic_register *r, uint32_t n, bool init)
{
	switch (init ? r->init : r->power_up) {
	case LAPIC_RESET_ID:
		return lapic_x2apic(lapic) ? lapic->initial_id : lapic->initial_id << 24;
	case LAPIC_RESET_LOGICAL:
		return lapic_x2apic(lapic) ? lapic_logical_id(lapic->initial_id) : 0;
	case LAPIC_RESET_KEPT:
		return lapic_get(lapic, r->offset + 16 * n);
	default:
		return r->value;
	}
}

void lapic_reset_registers(struct lapic *lapic, bool init)
{
	for (const struct lapic_register *r = lapic_registers; r->name; r++)
		for (uint32_t n = 0; n < r->count; n++)
			lapic_set(lapic, r->offset + 16 * n, lapic_reset_value(lapic, r, n, init));
}

uint32_t lapic_writable(const struct lapic *lapic, const struct lapic_register *r)
{
	if (r->offset == LAPIC_LVT_TIMER && !lapic->tsc_khz)
		return r->writable & ~(1u << 18);
	return r->writable;
}

static uint32_t read_register(const struct lapic *lapic, uint32_t offset)
{
	if (offset == LAPIC_TIMER_CCR)
		return lapic_timer_count(lapic);
	return lapic_get(lapic, offset);
}

/*
 * Section "Local APIC State After It Has Been Software Disabled": every LVT mask bit is set. What
 * came up before is still accepted.
 */
static void write_svr(struct lapic *lapic, uint32_t value)
{
	lapic_run_timer(lapic);
	lapic_set(lapic, LAPIC_SVR, value);
	if (!(value & LAPIC_SVR_ENABLE))
		lapic_lvt_mask_all(lapic);
}

/* `value` has writable bits only. */
static void write_register(struct lapic *lapic, const struct lapic_register *r, uint32_t value)
{
	uint32_t offset = r->offset;

	/* While software-disabled, mask bits cannot be cleared. */
	if (lapic_is_lvt(offset) && !(lapic_get(lapic, LAPIC_SVR) & LAPIC_SVR_ENABLE))
		value |= LAPIC_LVT_MASKED;

	switch (offset) {
	case LAPIC_TPR:
		lapic_set(lapic, LAPIC_TPR, value);
		lapic_set_cr8(lapic, (uint8_t)(value >> 4)); /* the same, so only the PPR follows */
		break;
	case LAPIC_EOI:
		lapic_end_of_interrupt(lapic);
		break;
	case LAPIC_DFR:
		lapic_set(lapic, LAPIC_DFR, value | 0x0fffffff);
		break;
	case LAPIC_SVR:
		write_svr(lapic, value);
		break;
	case LAPIC_ESR: /* a write latches what came up since the last one */
		lapic_set(lapic, LAPIC_ESR, atomic_exchange(&lapic->errors, 0));
		break;
	case LAPIC_ICR_LOW:
		lapic_set(lapic, LAPIC_ICR_LOW, value);
		lapic_send_ipi(lapic, value, lapic_get(lapic, LAPIC_ICR_HIGH));
		break;
	case LAPIC_LVT_TIMER:
		lapic_timer_set_lvt(lapic, value);
		break;
	case LAPIC_LVT_CMCI:
	case LAPIC_LVT_THERM:
	case LAPIC_LVT_PERF:
	case LAPIC_LVT_LINT0:
	case LAPIC_LVT_LINT1:
	case LAPIC_LVT_ERROR:
		lapic_lvt_write(lapic, offset, value);
		break;
	case LAPIC_TIMER_ICR:
		lapic_timer_start(lapic, value);
		break;
	case LAPIC_TIMER_DCR:
		lapic_timer_set_divide(lapic, value);
		break;
	case LAPIC_SELF_IPI:
		lapic_self_ipi(lapic, (uint8_t)value);
		break;
	default:
		lapic_set(lapic, offset, value);
	}
}

/*
 * Section "The Local APIC Block Diagram" asks for 32-bit accesses on 128-bit boundaries and leaves
 * the rest undefined. Here: narrower reads see the bytes of the register, what lies between
 * registers reads as zero, and a write that is not 32 bits wide and aligned does nothing (a wider
 * one writes the register it begins at). Section "Error Handling": an address that holds no
 * register is an error; the wrong direction is none.
 */
uint64_t lapic_mmio_read(struct lapic *lapic, uint32_t offset, unsigned int size)
{
	const struct lapic_register *r = lapic_find_register(offset & ~15u);
	unsigned int shift = (offset & 15) * 8;
	uint64_t value;

	if (!r || !(r->access & (XR | XW))) {
		lapic_error(lapic, LAPIC_ESR_ILLEGAL_REGISTER);
		return 0;
	}
	if (!(r->access & XR) || shift >= 32)
		return 0;
	value = read_register(lapic, offset & ~15u) >> shift;
	return size >= 8 ? value : value & ((1ULL << size * 8) - 1);
}

void lapic_mmio_write(struct lapic *lapic, uint32_t offset, unsigned int size, uint64_t value)
{
	const struct lapic_register *r = lapic_find_register(offset & ~15u);

	if (!r || !(r->access & (XR | XW))) {
		lapic_error(lapic, LAPIC_ESR_ILLEGAL_REGISTER);
		return;
	}
	if (!(r->access & XW) || (offset & 15) || size < 4)
		return;
	/* xAPIC mode has no fault to give for reserved bits: they are dropped. */
	write_register(lapic, r, (uint32_t)value & lapic_writable(lapic, r));
}

/*
 * Sections "x2APIC Register Address Space" and "Reserved Bit Checking": what does not exist or is
 * reserved is #GP.
 */
bool lapic_msr_read(struct lapic *lapic, uint32_t msr, uint64_t *value)
{
	const struct lapic_register *r;
	uint32_t offset = (msr - X2APIC_MSR_FIRST) << 4;

	if (msr == LAPIC_MSR_TSC_DEADLINE) {
		lapic_run_timer(lapic); /* 0 from the expiry on, also of one that is masked */
		*value = lapic->timer.tsc_deadline;
		return lapic->tsc_khz != 0;
	}
	if (msr == LAPIC_MSR_PV_EOI) {
		*value = lapic->pv_eoi;
		return lapic->mem;
	}
	if (!lapic_x2apic(lapic) || msr < X2APIC_MSR_FIRST || msr > X2APIC_MSR_LAST)
		return false;
	r = lapic_find_register(offset);
	if (!r || !(r->access & MR))
		return false;
	*value = read_register(lapic, offset);
	if (offset == LAPIC_ICR_LOW)
		*value |= (uint64_t)lapic_get(lapic, LAPIC_ICR_HIGH) << 32;
	return true;
}

bool lapic_msr_write(struct lapic *lapic, uint32_t msr, uint64_t value)
{
	const struct lapic_register *r;
	uint32_t offset = (msr - X2APIC_MSR_FIRST) << 4, writable;

	if (msr == LAPIC_MSR_TSC_DEADLINE)
		return lapic_timer_set_tsc(lapic, value);
	if (msr == LAPIC_MSR_PV_EOI)
		return lapic_set_pv_eoi(lapic, value);
	if (!lapic_x2apic(lapic) || msr < X2APIC_MSR_FIRST || msr > X2APIC_MSR_LAST)
		return false;
	r = lapic_find_register(offset);
	if (!r || !(r->access & MW))
		return false;
	writable = lapic_writable(lapic, r);

	/* The ICR's high half is the destination, of which nothing is reserved. */
	if ((offset == LAPIC_ICR_LOW ? (uint32_t)value : value) & ~(uint64_t)(writable | r->status))
		return false;
	if (offset == LAPIC_ICR_LOW)
		lapic_set(lapic, LAPIC_ICR_HIGH, (uint32_t)(value >> 32));
	write_register(lapic, r, (uint32_t)value & writable);
	return true;
}
