/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The test device's lines and messages (docs/devices.md), and the I/O APICs' registers (Intel 82093AA
 * data sheet, "I/O Advanced Programmable Interrupt Controller").
 */
#ifndef GUEST_LINES_H
#define GUEST_LINES_H

#include "guest.h"

/* Drives line `gsi`. */
static inline void set_line(unsigned int gsi, bool high)
{
	outb((uint16_t)(0x2000 + gsi), high);
}

static inline void send_msi(uint64_t addr, uint32_t data)
{
	outl(0x2020, (uint32_t)addr);
	outl(0x2024, (uint32_t)(addr >> 32));
	outl(0x2028, data);
}

#define NR_PINS 24 /* of each I/O APIC; line n is pin n % 24 of I/O APIC n / 24 */

#define IOAPIC_SELECT(n) (0xfec00000ULL + 0x1000 * (n)) /* docs/machine.md */
#define IOAPIC_WINDOW(n) (IOAPIC_SELECT(n) + 0x10)
#define IOAPIC_EOI(n)    (IOAPIC_SELECT(n) + 0x40)

#define IOAPIC_ID          0x00
#define IOAPIC_VERSION     0x01
#define IOAPIC_ARBITRATION 0x02
#define IOAPIC_ENTRY(pin)  (0x10 + 2 * (pin))

#define RTE_LOWEST     0x00100u
#define RTE_SMI        0x00200u
#define RTE_NMI        0x00400u
#define RTE_INIT       0x00500u
#define RTE_EXTINT     0x00700u
#define RTE_LOGICAL    0x00800u
#define RTE_STATUS     0x01000u
#define RTE_LOW_ACTIVE 0x02000u
#define RTE_REMOTE_IRR 0x04000u
#define RTE_LEVEL      0x08000u
#define RTE_MASKED     0x10000u

static inline uint32_t ioapic_read(unsigned int n, uint32_t reg)
{
	mmio_write(IOAPIC_SELECT(n), reg);
	return mmio_read(IOAPIC_WINDOW(n));
}

static inline void ioapic_write(unsigned int n, uint32_t reg, uint32_t value)
{
	mmio_write(IOAPIC_SELECT(n), reg);
	mmio_write(IOAPIC_WINDOW(n), value);
}

/* The redirection entry of line `gsi`: its lower half. */
static inline uint32_t entry(unsigned int gsi)
{
	return ioapic_read(gsi / NR_PINS, IOAPIC_ENTRY(gsi % NR_PINS));
}

static inline void set_entry(unsigned int gsi, uint32_t low)
{
	ioapic_write(gsi / NR_PINS, IOAPIC_ENTRY(gsi % NR_PINS), low);
}

/* Both halves: `dest` is an APIC id or a logical destination of 8 bits. Masked in between. */
static inline void route(unsigned int gsi, uint32_t dest, uint32_t low)
{
	set_entry(gsi, RTE_MASKED);
	ioapic_write(gsi / NR_PINS, IOAPIC_ENTRY(gsi % NR_PINS) + 1, dest << 24);
	set_entry(gsi, low);
}

#endif
