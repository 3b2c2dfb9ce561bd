/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interrupt system of a PC and processors that only count their kicks.
 *
 * Include after <cmocka.h>.
 */
#ifndef VIREO_TESTS_UNIT_APIC_SYSTEM_H
#define VIREO_TESTS_UNIT_APIC_SYSTEM_H

#include "devices/apic.h"
#include "devices/ioapic.h"
#include "devices/machine.h"
#include "tests/unit/fake.h"

#define SVR_ON               (LAPIC_SVR_ENABLE | 0xff)
#define ICR_LOGICAL          (1u << 11)
#define ICR_ASSERT           (1u << 14)
#define ICR_LEVEL            (1u << 15)
#define ICR_MODE(delivery)   ((uint32_t)(delivery) << 8)
#define ICR_SHORT(shorthand) ((uint32_t)(shorthand) << 18)

#define RTE_LEVEL      0x8000u
#define RTE_REMOTE_IRR 0x4000u

#define MAX_CPUS 320

static struct rig rig;
static struct apic *apic;
static unsigned int kicks[MAX_CPUS];

static inline void kick(void *cpu)
{
	++*(unsigned int *)cpu;
}

static inline uint64_t read_tsc(void *cpu)
{
	(void)cpu;
	return 0;
}

static inline void put(unsigned int cpu, uint32_t offset, uint32_t value)
{
	lapic_mmio_write(&apic->lapic[cpu], offset, 4, value);
}

/* `nr` processors, all software-enabled, and the I/O APICs for `gsis` lines. */
static inline void start_with_lines(unsigned int nr, uint32_t gsis)
{
	const struct apic_rates rates = { .timer_hz = 1000000000 };
	struct err err = { .text = "" };

	apic_destroy(apic);
	rig_init(&rig);
	assert_int_equal(apic_create(&apic, nr, gsis, &rig.host, rates, &err), 0);
	memset(kicks, 0, sizeof(kicks));
	for (unsigned int cpu = 0; cpu < nr; cpu++) {
		assert_ptr_equal(apic_attach(apic, cpu, kick, read_tsc, &kicks[cpu]), &apic->lapic[cpu]);
		put(cpu, LAPIC_SVR, SVR_ON);
	}
}

static inline void start(unsigned int nr)
{
	start_with_lines(nr, 24);
}

static inline int teardown(void **state)
{
	(void)state;
	apic_destroy(apic);
	apic = NULL;
	return 0;
}

/* Each takes what is pending and ends it: a bit for each that had just `vector`. */
static inline uint32_t takers(uint8_t vector)
{
	uint32_t mask = 0;

	for (unsigned int cpu = 0; cpu < apic->nr_lapics && cpu < 32; cpu++) {
		int pending = lapic_pending(&apic->lapic[cpu]);

		if (pending < 0)
			continue;
		assert_int_equal(pending, vector);
		lapic_acknowledge(&apic->lapic[cpu], vector);
		put(cpu, LAPIC_EOI, 0);
		mask |= 1u << cpu;
	}
	return mask;
}

/* A bit for each that has exactly `event`; all are taken. */
static inline uint32_t hit(uint32_t event)
{
	uint32_t mask = 0;

	for (unsigned int cpu = 0; cpu < apic->nr_lapics && cpu < 32; cpu++) {
		uint8_t vector;
		uint32_t events = lapic_take_events(&apic->lapic[cpu], &vector);

		assert_true(events == 0 || events == event);
		mask |= events ? 1u << cpu : 0;
	}
	return mask;
}

static inline void ipi(unsigned int from, uint32_t dest, uint32_t low)
{
	put(from, LAPIC_ICR_HIGH, dest << 24);
	put(from, LAPIC_ICR_LOW, low);
}

/* --- lines and the I/O APICs --- */

static inline uint32_t entry(unsigned int gsi)
{
	uint64_t value = 0;

	assert_true(ioapic_class.write(apic->ioapics.dev[gsi / 24], 0, 4, 0x10 + gsi % 24 * 2));
	assert_true(ioapic_class.read(apic->ioapics.dev[gsi / 24], 0x10, 4, &value));
	return (uint32_t)value;
}

static inline void set_entry(unsigned int gsi, uint32_t dest, uint32_t low)
{
	assert_true(ioapic_class.write(apic->ioapics.dev[gsi / 24], 0, 4, 0x11 + gsi % 24 * 2));
	assert_true(ioapic_class.write(apic->ioapics.dev[gsi / 24], 0x10, 4, dest << 24));
	assert_true(ioapic_class.write(apic->ioapics.dev[gsi / 24], 0, 4, 0x10 + gsi % 24 * 2));
	assert_true(ioapic_class.write(apic->ioapics.dev[gsi / 24], 0x10, 4, low));
}

static inline void line(unsigned int gsi, bool level)
{
	const struct irq_line irq = { .chip = &apic->chip, .line = gsi };

	irq_line_set(&irq, level);
}

#endif
