// SPDX-License-Identifier: BSD-2-Clause
/*
 * Message-signalled interrupts of a PC. Section titles in quotes are of the Intel SDM, volume 3, chapter
 * "Advanced Programmable Interrupt Controller (APIC)".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/apic_system.h"

/* --- MSI: "Message Address Register Format", "Message Data Register Format" --- */

static void msi(uint64_t addr, uint32_t data)
{
	apic->chip.ops->send_msi(&apic->chip, addr, data, 0);
}

static void test_destinations(void **state)
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

/* --- messages and MSIs are two images of one thing --- */

static bool same(const struct apic_message *a, const struct apic_message *b)
{
	return a->dest == b->dest && a->logical == b->logical && a->wide == b->wide && a->level == b->level &&
	       a->delivery == b->delivery && a->vector == b->vector && a->shorthand == b->shorthand;
}

/* Address and data of a message as the SDM draws them. */
static void test_message_to_msi(void **state)
{
	static const struct {
		struct apic_message msg;
		uint64_t addr;
		uint32_t data;
	} pairs[] = {
		{ { .dest = 0x12, .vector = 0x71 }, 0xfee12000, 0x0071 },
		{ { .dest = 0xff, .logical = true, .vector = 0x41 }, 0xfeeff004, 0x0041 },
		{ { .dest = 3, .level = true, .vector = 0x30 }, 0xfee03000, 0xc030 },
		{ { .dest = 3, .delivery = APIC_LOWEST, .vector = 0x30 }, 0xfee03008, 0x0130 },
		{ { .dest = 3, .delivery = APIC_NMI }, 0xfee03000, 0x0400 },
		{ { .dest = 0x12c, .vector = 0x22 }, 0xfee2c020, 0x0022 },
		{ { .dest = 0x7fff, .vector = 0x22 }, 0xfeefffe0, 0x0022 },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct apic_message msg;
		uint64_t addr;
		uint32_t data;

		apic_message_to_msi(&pairs[i].msg, &addr, &data);
		assert_int_equal(addr, pairs[i].addr);
		assert_int_equal(data, pairs[i].data);
		assert_true(apic_message_from_msi(addr, data, &msg));
		assert_true(same(&msg, &pairs[i].msg));
	}
}

static void test_every_message_comes_back(void **state)
{
	static const uint8_t modes[] = {
		APIC_FIXED, APIC_LOWEST, APIC_SMI, APIC_NMI, APIC_INIT, APIC_EXTINT
	};

	(void)state;
	for (uint32_t dest = 0; dest < 0x8000; dest += dest < 0x200 ? 1 : 0x3f)
		for (unsigned int i = 0; i < sizeof(modes) * 4; i++) {
			const struct apic_message msg = {
				.dest = dest,
				.logical = i & 1,
				.level = i & 2,
				.delivery = modes[i / 4],
				.vector = (uint8_t)(dest * 7 + i),
			};
			struct apic_message back;
			uint64_t addr;
			uint32_t data;

			apic_message_to_msi(&msg, &addr, &data);
			assert_true(apic_message_from_msi(addr, data, &back));
			assert_true(same(&back, &msg));
		}
}

static void test_what_is_no_message(void **state)
{
	struct apic_message msg;

	(void)state;
	assert_false(apic_message_from_msi(0xfed00000, 0x71, &msg));
	assert_false(apic_message_from_msi(0x1fee00000ULL, 0x71, &msg));
	assert_false(apic_message_from_msi(0xfee00000, 0x8071, &msg)); /* level de-assert */
	assert_false(apic_message_from_msi(0xfee00000, ICR_MODE(3), &msg));
	assert_false(apic_message_from_msi(0xfee00000, ICR_MODE(APIC_STARTUP), &msg));
}

/* Ids beyond 8 bits; 255 is an id to an x2APIC and everyone to an xAPIC. */
static void test_extended_destinations(void **state)
{
	(void)state;
	start(MAX_CPUS);
	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++)
		lapic_set_base(&apic->lapic[cpu], 0xfee00000 | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	for (uint64_t cpu = 0; cpu < MAX_CPUS; cpu++) {
		msi(0xfee00000 | (cpu & 0xff) << 12 | cpu >> 8 << 5, 0x71);
		for (unsigned int i = 0; i < MAX_CPUS; i++)
			assert_int_equal(lapic_pending(&apic->lapic[i]), i == cpu ? 0x71 : -1);
		lapic_acknowledge(&apic->lapic[cpu], 0x71);
		assert_true(lapic_msr_write(&apic->lapic[cpu], 0x80b, 0));
	}
	set_entry(4, 299 & 0xff, 0x72);
	assert_true(ioapic_class.write(apic->ioapics.dev[0], 0, 4, 0x11 + 2 * 4));
	assert_true(ioapic_class.write(apic->ioapics.dev[0], 0x10, 4, (299 & 0xff) << 24 | 299 >> 8 << 17));
	line(4, true);
	assert_int_equal(lapic_pending(&apic->lapic[299]), 0x72);
	assert_int_equal(lapic_pending(&apic->lapic[299 & 0xff]), -1);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_destinations),
		TEST(test_msi_redirection_hint_takes_one),
		TEST(test_msi_trigger_mode),
		TEST(test_msi_elsewhere),
		TEST(test_devices_send_no_sipi),
		TEST(test_message_to_msi),
		TEST(test_every_message_comes_back),
		TEST(test_what_is_no_message),
		TEST(test_extended_destinations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
