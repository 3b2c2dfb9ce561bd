// SPDX-License-Identifier: BSD-2-Clause
/*
 * The local APIC's register file and its two front ends, the xAPIC page and the x2APIC MSRs.
 * One table is the source of what exists, who may read and write it, its reserved bits and its
 * value after reset. Tables "Local APIC Register Address Map" and "Local APIC Register Address Map
 * Supported by x2APIC" of the Intel SDM, volume 3.
 */
#include <stddef.h>

#include "devices/lapic.h"
#include "devices/lapic_internal.h"

/* Access classes: one letter per front end and direction. */
#define XR  1u /* xAPIC read */
#define XW  2u /* xAPIC write */
#define MR  4u /* x2APIC read */
#define MW  8u /* x2APIC write */
#define ALL (XR | XW | MR | MW)

/*
 * Integrated APIC, 7 LVT entries, EOI broadcast suppression. Section "Local APIC Version Register".
 */
#define VERSION_VALUE (0x14u | 6u << 16 | LAPIC_VERSION_NO_BROADCAST)

struct lapic_register {
	uint16_t offset;
	uint8_t count; /* consecutive registers of this kind */
	uint8_t access;
	uint32_t reset;
	uint32_t writable; /* bits a write sets */
	uint32_t ignored;  /* bits a write may carry to no effect: status. The others are reserved */
};

#define STATUS      (1u << 12)          /* delivery status */
#define LINT_STATUS (STATUS | 1u << 14) /* and remote IRR */

/* In offset order. */
static const struct lapic_register registers[] = {
	{ LAPIC_ID, 1, XR | XW | MR, 0, 0xff000000, 0 }, /* kept by reset */
	{ LAPIC_VERSION, 1, XR | MR, VERSION_VALUE, 0, 0 },
	{ LAPIC_TPR, 1, ALL, 0, 0xff, 0 },
	{ LAPIC_APR, 1, XR, 0, 0, 0 }, /* always 0: current processors have none */
	{ LAPIC_PPR, 1, XR | MR, 0, 0, 0 },
	{ LAPIC_EOI, 1, XW | MW, 0, 0, 0 },
	{ LAPIC_RRD, 1, XR, 0, 0, 0 },                    /* likewise */
	{ LAPIC_LDR, 1, XR | XW | MR, 0, 0xff000000, 0 }, /* derived from the id in x2APIC mode */
	{ LAPIC_DFR, 1, XR | XW, 0xffffffff, 0xf0000000, 0 },
	{ LAPIC_SVR, 1, ALL, 0xff, 0x13ff, 0 },
	{ LAPIC_ISR, 8, XR | MR, 0, 0, 0 },
	{ LAPIC_TMR, 8, XR | MR, 0, 0, 0 },
	{ LAPIC_IRR, 8, XR | MR, 0, 0, 0 },
	{ LAPIC_ESR, 1, ALL, 0, 0, 0 },
	{ LAPIC_LVT_CMCI, 1, ALL, LAPIC_LVT_MASKED, 0x107ff, STATUS },
	{ LAPIC_ICR_LOW, 1, ALL, 0, 0xccfff, STATUS },
	{ LAPIC_ICR_HIGH, 1, XR | XW, 0, 0xff000000, 0 },
	{ LAPIC_LVT_TIMER, 1, ALL, LAPIC_LVT_MASKED, 0x700ff, STATUS },
	{ LAPIC_LVT_THERM, 1, ALL, LAPIC_LVT_MASKED, 0x107ff, STATUS },
	{ LAPIC_LVT_PERF, 1, ALL, LAPIC_LVT_MASKED, 0x107ff, STATUS },
	{ LAPIC_LVT_LINT0, 1, ALL, LAPIC_LVT_MASKED, 0x1a7ff, LINT_STATUS },
	{ LAPIC_LVT_LINT1, 1, ALL, LAPIC_LVT_MASKED, 0x1a7ff, LINT_STATUS },
	{ LAPIC_LVT_ERROR, 1, ALL, LAPIC_LVT_MASKED, 0x100ff, STATUS },
	{ LAPIC_TIMER_ICR, 1, ALL, 0, 0xffffffff, 0 },
	{ LAPIC_TIMER_CCR, 1, XR | MR, 0, 0, 0 },
	{ LAPIC_TIMER_DCR, 1, ALL, 0, 0xb, 0 },
	{ LAPIC_SELF_IPI, 1, MW, 0, 0xff, 0 },
};

static const struct lapic_register *find_register(uint32_t offset)
{
	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		const struct lapic_register *r = &registers[i];

		if (offset >= r->offset && offset < r->offset + 16u * r->count)
			return r;
	}
	return NULL;
}

void lapic_reset_registers(struct lapic *lapic)
{
	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		const struct lapic_register *r = &registers[i];

		if (r->offset == LAPIC_ID || (r->offset == LAPIC_LDR && lapic_x2apic(lapic)))
			continue;
		for (uint32_t n = 0; n < r->count; n++)
			lapic_set(lapic, r->offset + 16 * n, r->reset);
	}
}

/* Without TSC-deadline mode the upper bit of the timer mode is reserved. */
static uint32_t writable_bits(const struct lapic *lapic, const struct lapic_register *r)
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

static bool is_lvt(uint32_t offset)
{
	return offset == LAPIC_LVT_CMCI || (offset >= LAPIC_LVT_TIMER && offset <= LAPIC_LVT_ERROR);
}

/*
 * Section "Local APIC State After It Has Been Software Disabled": every LVT mask bit is set. What
 * came up before is still accepted.
 */
static void write_svr(struct lapic *lapic, uint32_t value)
{
	lapic_run_timer(lapic);
	lapic_set(lapic, LAPIC_SVR, value);
	if (value & LAPIC_SVR_ENABLE)
		return;
	for (uint32_t offset = LAPIC_LVT_CMCI; offset <= LAPIC_LVT_ERROR; offset += 16)
		if (is_lvt(offset))
			lapic_set(lapic, offset, lapic_get(lapic, offset) | LAPIC_LVT_MASKED);
}

/* `value` has writable bits only. */
static void write_register(struct lapic *lapic, const struct lapic_register *r, uint32_t value)
{
	uint32_t offset = r->offset;

	/* While software-disabled, mask bits cannot be cleared. */
	if (is_lvt(offset) && !(lapic_get(lapic, LAPIC_SVR) & LAPIC_SVR_ENABLE))
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
	const struct lapic_register *r = find_register(offset & ~15u);
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
	const struct lapic_register *r = find_register(offset & ~15u);

	if (!r || !(r->access & (XR | XW))) {
		lapic_error(lapic, LAPIC_ESR_ILLEGAL_REGISTER);
		return;
	}
	if (!(r->access & XW) || (offset & 15) || size < 4)
		return;
	/* xAPIC mode has no fault to give for reserved bits: they are dropped. */
	write_register(lapic, r, (uint32_t)value & writable_bits(lapic, r));
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
		*value = lapic->timer.tsc_deadline;
		return lapic->tsc_khz != 0;
	}
	if (!lapic_x2apic(lapic) || msr < X2APIC_MSR_FIRST || msr > X2APIC_MSR_LAST)
		return false;
	r = find_register(offset);
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
	if (!lapic_x2apic(lapic) || msr < X2APIC_MSR_FIRST || msr > X2APIC_MSR_LAST)
		return false;
	r = find_register(offset);
	if (!r || !(r->access & MW))
		return false;
	writable = writable_bits(lapic, r);

	/* The ICR's high half is the destination, of which nothing is reserved. */
	if ((offset == LAPIC_ICR_LOW ? (uint32_t)value : value) & ~(uint64_t)(writable | r->ignored))
		return false;
	if (offset == LAPIC_ICR_LOW)
		lapic_set(lapic, LAPIC_ICR_HIGH, (uint32_t)(value >> 32));
	write_register(lapic, r, (uint32_t)value & writable);
	return true;
}
