// SPDX-License-Identifier: BSD-2-Clause
/*
 * What comes up at the local APIC itself: the entries of the local vector table and the pins LINT0 and
 * LINT1. Section titles in quotes are of the Intel SDM, volume 3, chapter "Advanced Programmable
 * Interrupt Controller (APIC)".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/apic_fake.h"

#define LEVEL      0x8000u
#define REMOTE_IRR 0x4000u
#define LOW_ACTIVE 0x2000u

static struct lapic_rig rig;

static const uint32_t sources[] = { LAPIC_LVT_CMCI, LAPIC_LVT_THERM, LAPIC_LVT_PERF };

static int setup(void **state)
{
	(void)state;
	lapic_rig_init(&rig);
	put(&rig, LAPIC_SVR, SVR_ON);
	return 0;
}

static uint32_t events(void)
{
	uint8_t vector;

	return lapic_take_events(&rig.lapic, &vector);
}

/* The pin moves and the owner looks: what it takes besides interrupts. */
static uint32_t pin(unsigned int n, bool asserted)
{
	lapic_set_lint(&rig.lapic, n, asserted);
	return events();
}

/* --- "Local Vector Table": CMCI, thermal sensor, performance counters --- */

static void test_sources_deliver_what_their_entry_says(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		lapic_local_interrupt(&rig.lapic, sources[i]); /* masked since the reset */
		assert_int_equal(take(&rig), -1);
		put(&rig, sources[i], 0x71);
		lapic_local_interrupt(&rig.lapic, sources[i]);
		assert_false(in_set(&rig, LAPIC_TMR, 0x71));
		assert_int_equal(take(&rig), 0x71);
		eoi(&rig);
		assert_int_equal(rig.nr_ended, 0); /* edges */
		put(&rig, sources[i], ICR_MODE(APIC_NMI) | 0x71);
		lapic_local_interrupt(&rig.lapic, sources[i]);
		assert_int_equal(events(), LAPIC_EVENT_NMI);
		put(&rig, sources[i], LAPIC_LVT_MASKED | 0x71);
		lapic_local_interrupt(&rig.lapic, sources[i]);
		assert_int_equal(take(&rig), -1);
		assert_int_equal(events(), 0);
	}
}

/* "Delivery Mode": INIT and ExtINT are not for these three, SMI finds no one, the others are reserved. */
static void test_sources_and_the_other_modes(void **state)
{
	static const uint8_t modes[] = { APIC_LOWEST, APIC_SMI,     APIC_RESERVED,
					 APIC_INIT,   APIC_STARTUP, APIC_EXTINT };

	(void)state;
	for (unsigned int i = 0; i < 3 * sizeof(modes); i++) {
		put(&rig, sources[i % 3], ICR_MODE(modes[i / 3]) | 0x71);
		lapic_local_interrupt(&rig.lapic, sources[i % 3]);
		assert_int_equal(events(), 0);
		assert_int_equal(take(&rig), -1);
		assert_int_equal(errors(&rig), 0);
	}
}

/* "Mask": handling a performance-counter interrupt sets its mask; software clears it. */
static void test_a_performance_interrupt_masks_its_entry(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		bool masks = sources[i] == LAPIC_LVT_PERF;

		put(&rig, sources[i], 0x71);
		lapic_local_interrupt(&rig.lapic, sources[i]);
		assert_int_equal(get(&rig, sources[i]), masks ? LAPIC_LVT_MASKED | 0x71 : 0x71);
		take(&rig);
		eoi(&rig);
		lapic_local_interrupt(&rig.lapic, sources[i]);
		assert_int_equal(take(&rig), masks ? -1 : 0x71);
		eoi(&rig);
	}
}

/* "Error Handling": a vector below 16 from the table is one received, and interrupts nobody. */
static void test_illegal_vectors_in_the_table(void **state)
{
	(void)state;
	for (uint32_t vector = 0; vector < 16; vector++) {
		for (unsigned int i = 0; i < 3; i++) {
			put(&rig, sources[i], vector);
			lapic_local_interrupt(&rig.lapic, sources[i]);
			assert_int_equal(take(&rig), -1);
			assert_int_equal(errors(&rig), LAPIC_ESR_RECV_ILLEGAL);
		}
		put(&rig, LAPIC_LVT_LINT0, LEVEL | vector);
		pin(0, true);
		assert_int_equal(get(&rig, LAPIC_LVT_LINT0), LEVEL | vector); /* nobody would end it */
		assert_int_equal(errors(&rig), LAPIC_ESR_RECV_ILLEGAL);
		pin(0, false);
		put(&rig, LAPIC_LVT_LINT0, LAPIC_LVT_MASKED);
	}
}

/* "Local APIC State After It Has Been Software Disabled": every mask is set and stays. */
static void test_software_disable_masks_every_entry(void **state)
{
	static const uint32_t all[] = { LAPIC_LVT_CMCI,  LAPIC_LVT_TIMER, LAPIC_LVT_THERM, LAPIC_LVT_PERF,
					LAPIC_LVT_LINT0, LAPIC_LVT_LINT1, LAPIC_LVT_ERROR };

	(void)state;
	for (unsigned int i = 0; i < 7; i++)
		put(&rig, all[i], 0x71);
	put(&rig, LAPIC_SVR, 0xff);
	for (unsigned int i = 0; i < 7; i++) {
		assert_int_equal(get(&rig, all[i]), LAPIC_LVT_MASKED | 0x71);
		put(&rig, all[i], 0x72);
		assert_int_equal(get(&rig, all[i]), LAPIC_LVT_MASKED | 0x72);
	}
	put(&rig, LAPIC_SVR, SVR_ON);
	for (unsigned int i = 0; i < 7; i++)
		assert_int_equal(get(&rig, all[i]), LAPIC_LVT_MASKED | 0x72);
}

/* --- LINT0 and LINT1 --- */

static void test_pins_by_delivery_mode(void **state)
{
	static const struct {
		uint32_t mode, event;
		int vector;
	} modes[] = {
		{ APIC_FIXED, 0, 0x71 },
		{ APIC_LOWEST, 0, -1 },
		{ APIC_SMI, 0, -1 },
		{ APIC_RESERVED, 0, -1 },
		{ APIC_NMI, LAPIC_EVENT_NMI, -1 },
		{ APIC_INIT, LAPIC_EVENT_INIT, -1 },
		{ APIC_STARTUP, 0, -1 },
		{ APIC_EXTINT, 0, -1 },
	};

	(void)state;
	for (unsigned int n = 0; n < 2; n++)
		for (unsigned int i = 0; i < 8; i++) {
			uint32_t lvt = n ? LAPIC_LVT_LINT1 : LAPIC_LVT_LINT0;

			put(&rig, lvt, ICR_MODE(modes[i].mode) | 0x71);
			assert_int_equal(pin(n, true), modes[i].event);
			assert_int_equal(take(&rig), modes[i].vector);
			eoi(&rig);
			assert_int_equal(pin(n, true), 0); /* no new edge */
			assert_int_equal(pin(n, false), 0);
			assert_int_equal(take(&rig), -1);
			put(&rig, lvt, LAPIC_LVT_MASKED | ICR_MODE(modes[i].mode) | 0x71);
			assert_int_equal(pin(n, true), 0);
			assert_int_equal(take(&rig), -1);
			put(&rig, lvt, ICR_MODE(modes[i].mode) | 0x71); /* the edge is gone */
			assert_int_equal(events(), 0);
			assert_int_equal(take(&rig), -1);
			pin(n, false);
		}
}

static void test_a_pin_kicks_the_processor(void **state)
{
	(void)state;
	put(&rig, LAPIC_LVT_LINT1, ICR_MODE(APIC_NMI));
	rig.kicks = 0;
	lapic_set_lint(&rig.lapic, 1, true);
	assert_int_equal(rig.kicks, 1);
	lapic_set_lint(&rig.lapic, 1, true);
	assert_int_equal(rig.kicks, 1);
	lapic_set_lint(&rig.lapic, 1, false); /* a pulse that the owner has not seen yet */
	assert_int_equal(events(), LAPIC_EVENT_NMI);
	rig.kicks = 0;
	lapic_set_lint(&rig.lapic, 2, true); /* there are two */
	lapic_set_lint(&rig.lapic, UINT32_MAX, true);
	assert_int_equal(rig.kicks, 0);
	assert_int_equal(events(), 0);
}

/* Another thread raises LINT1 while the owner is at the error's entry: not seen yet, and not lost. */
static void raise_lint1(void *cpu)
{
	lapic_set_lint(&((struct lapic_rig *)cpu)->lapic, 1, true);
}

static void test_a_pin_that_moves_while_the_owner_looks(void **state)
{
	uint32_t seen;

	(void)state;
	put(&rig, LAPIC_LVT_LINT1, ICR_MODE(APIC_NMI));
	put(&rig, LAPIC_LVT_ERROR, 0x71);
	deliver(&rig, 5); /* an illegal vector */
	rig.lapic.host.kick = raise_lint1;
	seen = events();
	assert_int_equal(seen | events(), LAPIC_EVENT_NMI);
	assert_int_equal(take(&rig), 0x71);
	assert_int_equal(events(), 0);
}

/* "Remote IRR Flag (Read Only)": set when a level is accepted, reset by its EOI. */
static void test_lint0_by_level(void **state)
{
	(void)state;
	put(&rig, LAPIC_LVT_LINT0, LEVEL | LOW_ACTIVE | 0x71);
	pin(0, true);
	assert_int_equal(get(&rig, LAPIC_LVT_LINT0), LEVEL | REMOTE_IRR | LOW_ACTIVE | 0x71);
	assert_true(in_set(&rig, LAPIC_TMR, 0x71));
	assert_int_equal(take(&rig), 0x71);
	pin(0, false);
	pin(0, true); /* while in service: once */
	assert_int_equal(take(&rig), -1);
	eoi(&rig); /* still asserted: again */
	assert_int_equal(get(&rig, LAPIC_LVT_LINT0), LEVEL | REMOTE_IRR | LOW_ACTIVE | 0x71);
	assert_int_equal(take(&rig), 0x71);
	pin(0, false);
	eoi(&rig);
	assert_int_equal(take(&rig), -1);
	assert_int_equal(get(&rig, LAPIC_LVT_LINT0), LEVEL | LOW_ACTIVE | 0x71);
}

static void test_remote_irr_of_lint0_is_read_only(void **state)
{
	(void)state;
	put(&rig, LAPIC_LVT_LINT0, LEVEL | REMOTE_IRR | 0x71);
	assert_int_equal(get(&rig, LAPIC_LVT_LINT0), LEVEL | 0x71);
	pin(0, true);
	put(&rig, LAPIC_LVT_LINT0, LEVEL | 0x71);
	assert_int_equal(get(&rig, LAPIC_LVT_LINT0), LEVEL | REMOTE_IRR | 0x71);
	assert_int_equal(take(&rig), 0x71);
	put(&rig, LAPIC_LVT_LINT0, LAPIC_LVT_MASKED | 0x71); /* an edge has none */
	assert_int_equal(get(&rig, LAPIC_LVT_LINT0), LAPIC_LVT_MASKED | 0x71);
}

static void test_a_level_of_lint0_waits_for_its_mask(void **state)
{
	(void)state;
	put(&rig, LAPIC_LVT_LINT0, LAPIC_LVT_MASKED | LEVEL | 0x71);
	pin(0, true);
	assert_int_equal(take(&rig), -1);
	put(&rig, LAPIC_LVT_LINT0, LEVEL | 0x71);
	assert_int_equal(take(&rig), 0x71);
	put(&rig, LAPIC_LVT_LINT0, LAPIC_LVT_MASKED | LEVEL | 0x71);
	eoi(&rig);
	assert_int_equal(get(&rig, LAPIC_LVT_LINT0), LAPIC_LVT_MASKED | LEVEL | 0x71);
	assert_int_equal(take(&rig), -1);
}

/* An EOI of another vector, level-triggered as well, is not LINT0's. */
static void test_lint0_is_ended_by_its_vector(void **state)
{
	(void)state;
	put(&rig, LAPIC_LVT_LINT0, LEVEL | 0x71);
	pin(0, true);
	pin(0, false);
	assert_int_equal(take(&rig), 0x71);
	lapic_accept(&rig.lapic, APIC_FIXED, 0x91, true);
	assert_int_equal(take(&rig), 0x91);
	eoi(&rig);
	assert_int_equal(get(&rig, LAPIC_LVT_LINT0), LEVEL | REMOTE_IRR | 0x71);
	eoi(&rig);
	assert_int_equal(get(&rig, LAPIC_LVT_LINT0), LEVEL | 0x71);
}

/* "Trigger Mode": "Level-sensitive interrupts are not supported for LINT1"; no vector, no level. */
static void test_what_is_an_edge_whatever_it_says(void **state)
{
	(void)state;
	put(&rig, LAPIC_LVT_LINT1, LEVEL | 0x71);
	pin(1, true);
	assert_false(in_set(&rig, LAPIC_TMR, 0x71));
	assert_int_equal(take(&rig), 0x71);
	eoi(&rig);
	assert_int_equal(take(&rig), -1);
	assert_int_equal(get(&rig, LAPIC_LVT_LINT1), LEVEL | 0x71);
	put(&rig, LAPIC_LVT_LINT0, LEVEL | ICR_MODE(APIC_NMI));
	assert_int_equal(pin(0, true), LAPIC_EVENT_NMI);
	assert_int_equal(events(), 0);
	assert_int_equal(get(&rig, LAPIC_LVT_LINT0), LEVEL | ICR_MODE(APIC_NMI));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sources_deliver_what_their_entry_says),
		TEST(test_sources_and_the_other_modes),
		TEST(test_a_performance_interrupt_masks_its_entry),
		TEST(test_illegal_vectors_in_the_table),
		TEST(test_software_disable_masks_every_entry),
		TEST(test_pins_by_delivery_mode),
		TEST(test_a_pin_kicks_the_processor),
		TEST(test_a_pin_that_moves_while_the_owner_looks),
		TEST(test_lint0_by_level),
		TEST(test_remote_irr_of_lint0_is_read_only),
		TEST(test_a_level_of_lint0_waits_for_its_mask),
		TEST(test_lint0_is_ended_by_its_vector),
		TEST(test_what_is_an_edge_whatever_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
