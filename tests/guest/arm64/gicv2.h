/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For guests that judge a GICv2 (Arm, "Generic Interrupt Controller Architecture Specification,
 * architecture version 2.0"). Most is polled: the interrupt is masked in the CPU and acknowledged by
 * hand.
 */
#ifndef GUEST_GICV2_H
#define GUEST_GICV2_H

#include "guest.h"

enum {
	GICD_CTLR = 0x000,
	GICD_TYPER = 0x004,
	GICD_IIDR = 0x008,
	GICD_IGROUPR = 0x080,
	GICD_ISENABLER = 0x100,
	GICD_ICENABLER = 0x180,
	GICD_ISPENDR = 0x200,
	GICD_ICPENDR = 0x280,
	GICD_ISACTIVER = 0x300,
	GICD_ICACTIVER = 0x380,
	GICD_IPRIORITYR = 0x400,
	GICD_ITARGETSR = 0x800,
	GICD_ICFGR = 0xc00,
	GICD_SGIR = 0xf00,
	GICD_CPENDSGIR = 0xf10,
	GICD_SPENDSGIR = 0xf20,
	GICD_PIDR2 = 0xfe8,

	GICC_CTLR = 0x00,
	GICC_PMR = 0x04,
	GICC_BPR = 0x08,
	GICC_IAR = 0x0c,
	GICC_EOIR = 0x10,
	GICC_RPR = 0x14,
	GICC_HPPIR = 0x18,
	GICC_ABPR = 0x1c,
	GICC_AIAR = 0x20,
	GICC_AEOIR = 0x24,
	GICC_AHPPIR = 0x28,
	GICC_APR0 = 0xd0,
	GICC_IIDR = 0xfc,
	GICC_DIR = 0x1000,

	CTLR_GROUP0 = 1,
	CTLR_GROUP1 = 2,
	CTLR_ACKCTL = 4,
	CTLR_FIQEN = 8,
	CTLR_EOIMODE = 1 << 9,

	NONE = 1023,
	OTHER_GROUP = 1022,
	IDLE = 0xff,
};

/* SPIs without a device. */
#define A 40
#define B 41
#define C 42

#define SGI 5

static inline uint32_t dist(unsigned int offset)
{
	return read32(GIC_DIST + offset);
}

static inline void set_dist(unsigned int offset, uint32_t value)
{
	write32(GIC_DIST + offset, value);
	barrier();
}

static inline uint32_t cpu(unsigned int offset)
{
	barrier();
	return read32(GIC_CPU + offset);
}

static inline void set_cpu(unsigned int offset, uint32_t value)
{
	barrier();
	write32(GIC_CPU + offset, value);
	barrier();
}

/* The bit of an interrupt in one of the registers that have a bit for each. */
static inline uint32_t bit(unsigned int offset, unsigned int intid)
{
	return dist(offset + intid / 32 * 4) >> intid % 32 & 1;
}

static inline void set_bit(unsigned int offset, unsigned int intid)
{
	set_dist(offset + intid / 32 * 4, 1u << intid % 32);
}

static inline void set_edge(unsigned int intid, bool edge)
{
	uint32_t at = GICD_ICFGR + intid / 16 * 4, mask = 2u << intid % 16 * 2;

	set_dist(at, edge ? dist(at) | mask : dist(at) & ~mask);
}

static inline void set_priority(unsigned int intid, uint8_t priority)
{
	write8(GIC_DIST + GICD_IPRIORITYR + intid, priority);
}

static inline void make_pending(unsigned int intid, uint8_t priority)
{
	set_priority(intid, priority);
	set_bit(GICD_ISPENDR, intid);
}

static inline void end(uint32_t iar)
{
	set_cpu(GICC_EOIR, iar);
}

/* A, B and C edge-triggered, enabled, for this CPU, idle; the interface open. */
static inline void fresh(void)
{
	for (unsigned int intid = A; intid <= C; intid++) {
		set_bit(GICD_ICENABLER, intid);
		set_bit(GICD_ICPENDR, intid);
		set_bit(GICD_ICACTIVER, intid);
		write8(GIC_DIST + GICD_ITARGETSR + intid, 1);
		set_edge(intid, true);
		set_priority(intid, 0xa0);
		set_bit(GICD_ISENABLER, intid);
	}
	set_cpu(GICC_BPR, 0);
	set_cpu(GICC_PMR, 0xf8);
	set_cpu(GICC_CTLR, CTLR_GROUP0);
	set_dist(GICD_CTLR, CTLR_GROUP0);
}

/* KVM's: its product is 'K'. What it is known to leave out is skipped there. */
static inline bool is_kvm(void)
{
	return dist(GICD_IIDR) >> 24 == 'K';
}

#endif
