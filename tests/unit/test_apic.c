// SPDX-License-Identifier: BSD-2-Clause
/*
 * The interrupt system of a PC: which LAPIC a message reaches, and the whole way of a device's line.
 * Section titles in quotes are of the Intel SDM, volume 3, chapter "Advanced Programmable Interrupt
 * Controller (APIC)".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/apic_system.h"

/* --- IPIs: "Issuing Interprocessor Interrupts" --- */

static void test_the_first_processor_is_the_bootstrap_processor(void **state)
{
	(void)state;
	start(3);
	for (unsigned int cpu = 0; cpu < 3; cpu++) {
		assert_int_equal(lapic_mmio_read(&apic->lapic[cpu], LAPIC_ID, 4), cpu << 24);
		assert_int_equal(!!(apic->lapic[cpu].base & APIC_BASE_BSP), cpu == 0);
	}
}

static void test_shorthands(void **state)
{
	static const struct {
		uint32_t mode, event;
	} modes[] = { { APIC_NMI, LAPIC_EVENT_NMI },
		      { APIC_INIT, LAPIC_EVENT_INIT },
		      { APIC_STARTUP, LAPIC_EVENT_SIPI } };

	(void)state;
	start(4);
	for (unsigned int from = 0; from < 4; from++) {
		ipi(from, 0xff, 0x41 | ICR_SHORT(APIC_SELF)); /* the destination does not count */
		assert_int_equal(takers(0x41), 1u << from);
		ipi(from, 0, 0x41 | ICR_SHORT(APIC_ALL));
		assert_int_equal(takers(0x41), 0xf);
		ipi(from, 0, 0x41 | ICR_SHORT(APIC_OTHERS));
		assert_int_equal(takers(0x41), 0xf & ~(1u << from));
		for (unsigned int i = 0; i < 3; i++) {
			uint32_t low = 0x9a | ICR_MODE(modes[i].mode) | ICR_ASSERT;

			ipi(from, 0, low | ICR_SHORT(APIC_OTHERS));
			assert_int_equal(hit(modes[i].event), 0xf & ~(1u << from));
			ipi(from, 2, low);
			assert_int_equal(hit(modes[i].event), 1u << 2);
		}
	}
}

static void test_ipi_by_physical_id(void **state)
{
	(void)state;
	start(4);
	for (uint32_t dest = 0; dest < 256; dest++) {
		ipi(1, dest, 0x41);
		assert_int_equal(takers(0x41), dest < 4 ? 1u << dest : dest == 255 ? 0xf : 0);
	}
}

/* As Linux's flat driver sets it up: one logical bit each. */
static void test_ipi_by_logical_id(void **state)
{
	(void)state;
	start(8);
	for (unsigned int cpu = 0; cpu < 8; cpu++)
		put(cpu, LAPIC_LDR, 1u << (24 + cpu));
	for (uint32_t dest = 0; dest < 256; dest++) {
		ipi(7, dest, 0x41 | ICR_LOGICAL);
		assert_int_equal(takers(0x41), dest);
	}
	for (unsigned int cpu = 0; cpu < 8; cpu++) { /* two clusters of four */
		put(cpu, LAPIC_DFR, 0x0fffffff);
		put(cpu, LAPIC_LDR, (cpu / 4) << 28 | 1u << (24 + cpu % 4));
	}
	for (uint32_t dest = 0; dest < 255; dest++) {
		ipi(7, dest, 0x41 | ICR_LOGICAL);
		assert_int_equal(takers(0x41), dest < 0x20 ? (dest & 15) << dest / 16 * 4 : 0);
	}
}

/* Each id, those above 255 too, physically and by its cluster; nobody else hears of it. */
static void test_x2apic_ipis_reach_all_ids(void **state)
{
	(void)state;
	start(MAX_CPUS);
	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++)
		lapic_set_base(&apic->lapic[cpu], 0xfee00000 | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	memset(kicks, 0, sizeof(kicks));
	for (uint64_t cpu = 0; cpu < MAX_CPUS; cpu++) {
		uint64_t cluster = cpu >> 4 << 16 | 1u << (cpu & 15);

		assert_true(lapic_msr_write(&apic->lapic[0], 0x830, cpu << 32 | 0x41));
		assert_int_equal(lapic_pending(&apic->lapic[cpu]), 0x41);
		assert_true(lapic_msr_write(&apic->lapic[0], 0x830, cluster << 32 | ICR_LOGICAL | 0x42));
		assert_int_equal(lapic_pending(&apic->lapic[cpu]), 0x42);
	}
	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++)
		assert_int_equal(kicks[cpu], 2);
	assert_true(lapic_msr_write(&apic->lapic[299], 0x830, 0xffffffffULL << 32 | 0x43));
	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++)
		assert_int_equal(lapic_pending(&apic->lapic[cpu]), 0x43);
	assert_true(lapic_msr_write(&apic->lapic[299], 0x830, ICR_SHORT(APIC_OTHERS) | 0x44));
	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++)
		assert_int_equal(lapic_pending(&apic->lapic[cpu]), cpu == 299 ? 0x43 : 0x44);
}

/* All of a cluster above id 255 at once, and one of it by lowest priority. */
static void test_x2apic_clusters_above_255(void **state)
{
	unsigned int taken = 0;

	(void)state;
	start(MAX_CPUS);
	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++)
		lapic_set_base(&apic->lapic[cpu], 0xfee00000 | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	assert_true(lapic_msr_write(&apic->lapic[0], 0x830, 0x12fff0ULL << 32 | ICR_LOGICAL | 0x41));
	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++)
		assert_int_equal(lapic_pending(&apic->lapic[cpu]), cpu >= 292 && cpu < 304 ? 0x41 : -1);
	assert_true(lapic_msr_write(&apic->lapic[0], 0x830,
				    0x12ffffULL << 32 | ICR_LOGICAL | ICR_MODE(APIC_LOWEST) | 0x42));
	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++)
		taken += lapic_pending(&apic->lapic[cpu]) == 0x42;
	assert_int_equal(taken, 1);
}

/* A processor with an id above 255 wakes up in xAPIC mode; an x2APIC starts it, and nobody else. */
static void test_starting_a_processor_above_255(void **state)
{
	uint8_t vector = 0;

	(void)state;
	start(MAX_CPUS);
	ipi(0, 299 & 0xff, ICR_MODE(APIC_INIT) | ICR_ASSERT); /* an xAPIC cannot */
	assert_int_equal(kicks[299], 0);
	assert_int_equal(kicks[299 & 0xff], 1);
	lapic_set_base(&apic->lapic[0], 0xfee00000 | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	memset(kicks, 0, sizeof(kicks));
	assert_true(lapic_msr_write(&apic->lapic[0], 0x830,
				    299ULL << 32 | ICR_MODE(APIC_INIT) | ICR_LEVEL | ICR_ASSERT));
	assert_true(lapic_msr_write(&apic->lapic[0], 0x830, 299ULL << 32 | ICR_MODE(APIC_STARTUP) | 0x9a));
	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++)
		assert_int_equal(kicks[cpu], cpu == 299 ? 2 : 0);
	assert_int_equal(lapic_take_events(&apic->lapic[299], &vector), LAPIC_EVENT_INIT | LAPIC_EVENT_SIPI);
	assert_int_equal(vector, 0x9a);
}

/* Chapter "Multiple-Processor Management", "MP Initialization Protocol". */
static void test_starting_a_processor(void **state)
{
	uint8_t vector = 0;

	(void)state;
	start(2);
	ipi(0, 1, ICR_MODE(APIC_INIT) | ICR_LEVEL | ICR_ASSERT);
	ipi(0, 1, ICR_MODE(APIC_INIT) | ICR_LEVEL);
	assert_int_equal(lapic_take_events(&apic->lapic[1], &vector), LAPIC_EVENT_INIT);
	lapic_init_reset(&apic->lapic[1]);
	ipi(0, 1, ICR_MODE(APIC_STARTUP) | 0x9a);
	assert_int_equal(lapic_take_events(&apic->lapic[1], &vector), LAPIC_EVENT_SIPI);
	assert_int_equal(vector, 0x9a);
	assert_int_equal(kicks[0], 0);
	assert_int_equal(kicks[1], 2);
}

/* "Error Handling": whoever receives an illegal vector notes that, too. */
static void test_an_illegal_vector_at_both_ends(void **state)
{
	(void)state;
	start(3);
	ipi(0, 1, 0x0f);
	for (unsigned int cpu = 0; cpu < 3; cpu++) {
		static const uint32_t expected[] = { LAPIC_ESR_SEND_ILLEGAL, LAPIC_ESR_RECV_ILLEGAL, 0 };

		put(cpu, LAPIC_ESR, 0);
		assert_int_equal(lapic_mmio_read(&apic->lapic[cpu], LAPIC_ESR, 4), expected[cpu]);
	}
	assert_int_equal(takers(0x0f), 0);
}

/* --- "Lowest Priority Delivery Mode" --- */

static void test_lowest_priority_takes_one(void **state)
{
	(void)state;
	start(4);
	for (unsigned int cpu = 0; cpu < 4; cpu++) {
		put(cpu, LAPIC_LDR, 1u << (24 + cpu));
		put(cpu, LAPIC_TPR, 0x40 - 0x10 * cpu);
	}
	ipi(0, 0xf, 0x71 | ICR_LOGICAL | ICR_MODE(APIC_LOWEST));
	assert_int_equal(takers(0x71), 1u << 3);
	ipi(0, 0x7, 0x71 | ICR_LOGICAL | ICR_MODE(APIC_LOWEST));
	assert_int_equal(takers(0x71), 1u << 2);
	put(3, LAPIC_SVR, 0xff); /* it cannot take part */
	ipi(0, 0xf, 0x71 | ICR_LOGICAL | ICR_MODE(APIC_LOWEST));
	assert_int_equal(takers(0x71), 1u << 2);
	ipi(0, 0x8, 0x71 | ICR_LOGICAL | ICR_MODE(APIC_LOWEST));
	assert_int_equal(takers(0x71), 0);
	ipi(2, 0, 0x71 | ICR_SHORT(APIC_OTHERS) | ICR_MODE(APIC_LOWEST));
	assert_int_equal(takers(0x71), 1u << 1);
}

static void test_equals_take_turns(void **state)
{
	(void)state;
	start(3);
	apic->turn = UINT32_MAX - 5; /* however many there were before */
	for (unsigned int cpu = 0; cpu < 3; cpu++)
		put(cpu, LAPIC_LDR, 1u << (24 + cpu));
	for (unsigned int n = 0; n < 4; n++) {
		uint32_t all = 0;

		for (unsigned int i = 0; i < 4; i++) {
			ipi(0, 0x7, 0x71 | ICR_LOGICAL | ICR_MODE(APIC_LOWEST));
			all |= takers(0x71);
		}
		assert_int_equal(all, 0x7);
	}
	for (unsigned int i = 0; i < 12; i++) { /* one that is alone is always found */
		apic->turn = UINT32_MAX - 5 + i;
		ipi(0, 0x4, 0x71 | ICR_LOGICAL | ICR_MODE(APIC_LOWEST));
		assert_int_equal(takers(0x71), 0x4);
	}
}

/* --- the I/O APIC's way --- */

static void test_a_level_from_line_to_eoi(void **state)
{
	struct lapic *lapic;

	(void)state;
	start(2);
	lapic = &apic->lapic[1];
	set_entry(4, 1, RTE_LEVEL | 0x71);
	line(4, true);
	assert_int_equal(kicks[1], 1);
	assert_int_equal(lapic_pending(lapic), 0x71);
	assert_true(entry(4) & RTE_REMOTE_IRR);
	lapic_acknowledge(lapic, 0x71);
	assert_int_equal(lapic_pending(lapic), -1);
	put(1, LAPIC_EOI, 0); /* the line is still up */
	assert_int_equal(lapic_pending(lapic), 0x71);
	lapic_acknowledge(lapic, 0x71);
	line(4, false);
	put(1, LAPIC_EOI, 0);
	assert_int_equal(lapic_pending(lapic), -1);
	assert_false(entry(4) & RTE_REMOTE_IRR);
}

/* With the broadcast suppressed the I/O APIC hears of the end by its own EOI register. */
static void test_a_level_with_directed_eoi(void **state)
{
	(void)state;
	start(1);
	put(0, LAPIC_SVR, SVR_ON | LAPIC_SVR_NO_BROADCAST);
	set_entry(4, 0, RTE_LEVEL | 0x71);
	line(4, true);
	lapic_acknowledge(&apic->lapic[0], 0x71);
	put(0, LAPIC_EOI, 0);
	assert_true(entry(4) & RTE_REMOTE_IRR);
	assert_int_equal(lapic_pending(&apic->lapic[0]), -1);
	assert_true(ioapic_class.write(apic->ioapics.dev[0], 0x40, 4, 0x71));
	assert_int_equal(lapic_pending(&apic->lapic[0]), 0x71);
}

static void test_an_edge_from_line_to_eoi(void **state)
{
	(void)state;
	start(1);
	set_entry(4, 0, 0x71);
	line(4, true);
	lapic_acknowledge(&apic->lapic[0], 0x71);
	line(4, false);
	line(4, true); /* while in service */
	put(0, LAPIC_EOI, 0);
	assert_int_equal(takers(0x71), 1);
}

/* A level to a LAPIC that is not enabled yet arrives once its entry is written again. */
static void test_a_level_that_nobody_took(void **state)
{
	(void)state;
	start(1);
	put(0, LAPIC_SVR, 0xff);
	set_entry(4, 0, RTE_LEVEL | 0x71);
	line(4, true);
	assert_false(entry(4) & RTE_REMOTE_IRR);
	put(0, LAPIC_SVR, SVR_ON);
	set_entry(4, 0, RTE_LEVEL | 0x71);
	assert_int_equal(lapic_pending(&apic->lapic[0]), 0x71);
}

/* As many I/O APICs as there are lines for, each with its own; an EOI reaches all. */
static void test_several_ioapics(void **state)
{
	static const struct {
		uint32_t gsis;
		unsigned int ioapics;
	} counts[] = {
		{ 0, 1 }, { 1, 1 }, { 24, 1 }, { 25, 2 }, { 48, 2 }, { 49, 3 }, { 192, 8 }, { 1000, 8 }
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct ioapic_desc place[MACHINE_MAX_IOAPICS];
		unsigned int nr = counts[i].ioapics;

		start_with_lines(1, counts[i].gsis);
		assert_int_equal(apic->ioapics.nr, nr);
		assert_int_equal(ioapics_place(counts[i].gsis, place), nr);
		for (unsigned int n = 0; n < nr; n++) {
			uint64_t id = 0;

			assert_int_equal(place[n].gsi_base, n * 24);
			assert_int_equal(place[n].pins, 24);
			assert_int_equal(place[n].base, 0xfec00000 + n * 0x1000);
			assert_true(ioapic_class.read(apic->ioapics.dev[n], 0x10, 4, &id));
			assert_int_equal(id, place[n].id << 24);
		}
		line(24 * nr, true); /* no such line */
		line(UINT32_MAX, true);
	}
	start_with_lines(1, 72);
	for (unsigned int gsi = 0; gsi < 72; gsi++)
		set_entry(gsi, 0, RTE_LEVEL | (0x40 + gsi));
	for (unsigned int gsi = 0; gsi < 72; gsi++) {
		line(gsi, true);
		line(gsi, false);
		assert_true(entry(gsi) & RTE_REMOTE_IRR);
		assert_int_equal(takers(0x40 + gsi), 1);
		assert_false(entry(gsi) & RTE_REMOTE_IRR);
	}
}

/* A device may ask whether its line leads anywhere; each of several I/O APICs has its own. */
static void test_a_line_is_unmasked(void **state)
{
	(void)state;
	start_with_lines(1, 48);
	for (unsigned int gsi = 0; gsi < 50; gsi++) {
		const struct irq_line irq = { .chip = &apic->chip, .line = gsi };

		assert_false(irq_line_unmasked(&irq));
		if (gsi >= 48)
			continue; /* there is no such line */
		set_entry(gsi, 0, 0x51);
		assert_true(irq_line_unmasked(&irq));
		set_entry(gsi, 0, 0x51 | 0x10000);
		assert_false(irq_line_unmasked(&irq));
	}
}

static void test_destroying_nothing(void **state)
{
	(void)state;
	apic_destroy(NULL);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_first_processor_is_the_bootstrap_processor),
		TEST(test_shorthands),
		TEST(test_ipi_by_physical_id),
		TEST(test_ipi_by_logical_id),
		TEST(test_x2apic_ipis_reach_all_ids),
		TEST(test_x2apic_clusters_above_255),
		TEST(test_starting_a_processor_above_255),
		TEST(test_starting_a_processor),
		TEST(test_an_illegal_vector_at_both_ends),
		TEST(test_lowest_priority_takes_one),
		TEST(test_equals_take_turns),
		TEST(test_a_level_from_line_to_eoi),
		TEST(test_a_level_with_directed_eoi),
		TEST(test_an_edge_from_line_to_eoi),
		TEST(test_a_level_that_nobody_took),
		TEST(test_several_ioapics),
		TEST(test_a_line_is_unmasked),
		TEST(test_destroying_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
