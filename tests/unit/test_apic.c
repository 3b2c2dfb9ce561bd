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

#define MAX_CPUS 254

static struct rig rig;
static struct apic *apic;
static unsigned int kicks[MAX_CPUS];

static void kick(void *cpu)
{
	++*(unsigned int *)cpu;
}

static uint64_t read_tsc(void *cpu)
{
	(void)cpu;
	return 0;
}

static void put(unsigned int cpu, uint32_t offset, uint32_t value)
{
	lapic_mmio_write(&apic->lapic[cpu], offset, 4, value);
}

/* `nr` processors, all software-enabled. */
static void start(unsigned int nr)
{
	const struct apic_rates rates = { .timer_hz = 1000000000 };
	struct err err = { .text = "" };

	apic_destroy(apic);
	rig_init(&rig);
	assert_int_equal(apic_create(&apic, nr, &rig.host, rates, &err), 0);
	memset(kicks, 0, sizeof(kicks));
	for (unsigned int cpu = 0; cpu < nr; cpu++) {
		assert_ptr_equal(apic_attach(apic, cpu, kick, read_tsc, &kicks[cpu]), &apic->lapic[cpu]);
		put(cpu, LAPIC_SVR, SVR_ON);
	}
}

static int teardown(void **state)
{
	(void)state;
	apic_destroy(apic);
	apic = NULL;
	return 0;
}

/* Each takes what is pending and ends it: a bit for each that had just `vector`. */
static uint32_t takers(uint8_t vector)
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
static uint32_t hit(uint32_t event)
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

static void ipi(unsigned int from, uint32_t dest, uint32_t low)
{
	put(from, LAPIC_ICR_HIGH, dest << 24);
	put(from, LAPIC_ICR_LOW, low);
}

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

/* The last APIC id there is, and every other. */
static void test_x2apic_ipis_reach_all_ids(void **state)
{
	(void)state;
	start(MAX_CPUS);
	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++)
		lapic_set_base(&apic->lapic[cpu], 0xfee00000 | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	for (uint64_t cpu = 0; cpu < MAX_CPUS; cpu++) {
		uint64_t cluster = cpu >> 4 << 16 | 1u << (cpu & 15);

		assert_true(lapic_msr_write(&apic->lapic[0], 0x830, cpu << 32 | 0x41));
		assert_int_equal(lapic_pending(&apic->lapic[cpu]), 0x41);
		assert_true(lapic_msr_write(&apic->lapic[0], 0x830, cluster << 32 | ICR_LOGICAL | 0x42));
		assert_int_equal(lapic_pending(&apic->lapic[cpu]), 0x42);
	}
	assert_true(lapic_msr_write(&apic->lapic[0], 0x830, 0xffffffffULL << 32 | 0x43));
	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++)
		assert_int_equal(lapic_pending(&apic->lapic[cpu]), 0x43);
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

/* --- MSI: "Message Address Register Format", "Message Data Register Format" --- */

static void msi(uint64_t addr, uint32_t data)
{
	apic->chip.ops->send_msi(&apic->chip, addr, data);
}

static void test_msi(void **state)
{
	(void)state;
	start(4);
	for (uint32_t dest = 0; dest < 256; dest++) {
		msi(0xfee00000 | dest << 12, 0x71);
		assert_int_equal(takers(0x71), dest < 4 ? 1u << dest : dest == 255 ? 0xf : 0);
	}
	for (unsigned int cpu = 0; cpu < 4; cpu++)
		put(cpu, LAPIC_LDR, 1u << (24 + cpu));
	msi(0xfee00004 | 0x6 << 12, 0x71); /* logical */
	assert_int_equal(takers(0x71), 0x6);
	msi(0xfee00000 | 2 << 12, ICR_MODE(APIC_NMI));
	assert_int_equal(hit(LAPIC_EVENT_NMI), 0x4);
	msi(0xfee00000 | 2 << 12, 0xffff0071); /* bits 31:16 of the data are reserved */
	assert_int_equal(takers(0x71), 0x4);
}

static void test_msi_redirection_hint_takes_one(void **state)
{
	(void)state;
	start(4);
	for (unsigned int cpu = 0; cpu < 4; cpu++) {
		put(cpu, LAPIC_LDR, 1u << (24 + cpu));
		put(cpu, LAPIC_TPR, cpu == 2 ? 0 : 0x20);
	}
	msi(0xfee0000c | 0xf << 12, 0x71);
	assert_int_equal(takers(0x71), 0x4);
	msi(0xfee00004 | 0xf << 12, 0x71 | ICR_MODE(APIC_LOWEST));
	assert_int_equal(takers(0x71), 0x4);
	msi(0xfee00008 | 1 << 12, 0x71); /* physical: the one that is named */
	assert_int_equal(takers(0x71), 0x2);
}

static void test_msi_trigger_mode(void **state)
{
	(void)state;
	start(1);
	msi(0xfee00000, 0x71 | ICR_LEVEL); /* de-assert */
	assert_int_equal(takers(0x71), 0);
	msi(0xfee00000, 0x71 | ICR_LEVEL | ICR_ASSERT);
	assert_true(lapic_mmio_read(&apic->lapic[0], LAPIC_TMR + 0x30, 4) & 1u << 0x11);
	assert_int_equal(takers(0x71), 1);
	msi(0xfee00000, 0x71);
	assert_false(lapic_mmio_read(&apic->lapic[0], LAPIC_TMR + 0x30, 4) & 1u << 0x11);
}

static void test_msi_elsewhere(void **state)
{
	static const uint64_t addrs[] = { 0, 0xfed00000, 0xfef00000, 0x1fee00000ULL, 0xfffffffffee00000ULL };

	(void)state;
	start(1);
	for (unsigned int i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++)
		msi(addrs[i], 0x71);
	assert_int_equal(takers(0x71), 0);
	assert_int_equal(kicks[0], 0);
}

/* --- the I/O APIC's way --- */

static uint32_t entry(unsigned int pin)
{
	uint64_t value = 0;

	assert_true(ioapic_class.write(apic->ioapic, 0, 4, 0x10 + 2 * pin));
	assert_true(ioapic_class.read(apic->ioapic, 0x10, 4, &value));
	return (uint32_t)value;
}

static void set_entry(unsigned int pin, uint32_t dest, uint32_t low)
{
	assert_true(ioapic_class.write(apic->ioapic, 0, 4, 0x11 + 2 * pin));
	assert_true(ioapic_class.write(apic->ioapic, 0x10, 4, dest << 24));
	assert_true(ioapic_class.write(apic->ioapic, 0, 4, 0x10 + 2 * pin));
	assert_true(ioapic_class.write(apic->ioapic, 0x10, 4, low));
}

static void line(unsigned int gsi, bool level)
{
	const struct irq_line irq = { .chip = &apic->chip, .line = gsi };

	irq_line_set(&irq, level);
}

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
	assert_true(ioapic_class.write(apic->ioapic, 0x40, 4, 0x71));
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

/* Startup is the ICR's alone: the code is reserved in redirection table entries and in MSI data. */
static void test_devices_send_no_sipi(void **state)
{
	(void)state;
	start(2);
	set_entry(4, 1, ICR_MODE(APIC_STARTUP) | 0x9a);
	line(4, true);
	msi(0xfee01000, ICR_MODE(APIC_STARTUP) | 0x9a);
	assert_int_equal(hit(LAPIC_EVENT_SIPI), 0);
	assert_int_equal(kicks[1], 0);
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
		TEST(test_starting_a_processor),
		TEST(test_an_illegal_vector_at_both_ends),
		TEST(test_lowest_priority_takes_one),
		TEST(test_equals_take_turns),
		TEST(test_msi),
		TEST(test_msi_redirection_hint_takes_one),
		TEST(test_msi_trigger_mode),
		TEST(test_msi_elsewhere),
		TEST(test_a_level_from_line_to_eoi),
		TEST(test_a_level_with_directed_eoi),
		TEST(test_an_edge_from_line_to_eoi),
		TEST(test_a_level_that_nobody_took),
		TEST(test_devices_send_no_sipi),
		TEST(test_destroying_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
