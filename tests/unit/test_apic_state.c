// SPDX-License-Identifier: BSD-2-Clause
/*
 * The saved state of I/O APICs, of LAPIC timers, and of the whole system of them: what was under way goes
 * on in another one, and a state that cannot be is refused whole, by name. What the fields may hold: Intel
 * 82093AA data sheet; Intel SDM volume 3, chapter "Advanced Programmable Interrupt Controller (APIC)".
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/apic_system.h"

#define CPUS  4
#define LINES 48

static struct apic_state *saved;
static struct err err;

static int setup(void **state)
{
	(void)state;
	start_with_lines(CPUS, LINES);
	saved = calloc(1, apic_state_size(CPUS));
	assert_non_null(saved);
	return 0;
}

static int teardown_state(void **state)
{
	free(saved);
	return teardown(state);
}

/* The state goes to a system that was just built, whose clock says something else. */
static void move(void)
{
	apic_save(apic, saved);
	start_with_lines(CPUS, LINES);
	rig.clock.monotonic = 77777777;
	assert_int_equal(apic_load(apic, saved, &err), 0);
}

static uint32_t ioapic_get(unsigned int i, uint32_t offset)
{
	uint64_t value = 0;

	assert_true(ioapic_class.read(apic->ioapics.dev[i], offset, 4, &value));
	return (uint32_t)value;
}

static void ioapic_put(unsigned int i, uint32_t offset, uint32_t value)
{
	assert_true(ioapic_class.write(apic->ioapics.dev[i], offset, 4, value));
}

/* --- what goes on --- */

static void test_registers_are_the_same(void **state)
{
	(void)state;
	set_entry(0, 1, 0x1a8f1); /* all that is writable, but for the destination mode's and polarity's */
	set_entry(25, 0xff, 0x2031);
	ioapic_put(1, 0, 0);
	ioapic_put(1, 0x10, 9u << 24);
	ioapic_put(0, 0, 0x13);
	put(2, LAPIC_TPR, 0x35);
	move();
	assert_int_equal(ioapic_get(0, 0), 0x13);
	assert_int_equal(ioapic_get(1, 0), 0);
	assert_int_equal(ioapic_get(1, 0x10), 9u << 24);
	assert_int_equal(entry(0), 0x1a8f1);
	assert_int_equal(entry(25), 0x2031);
	assert_int_equal(entry(1), 0x10000);
	assert_int_equal(lapic_mmio_read(&apic->lapic[2], LAPIC_TPR, 4), 0x35);
}

/* A level that is being served: its EOI comes to the new system, where the line is still up. */
static void test_a_level_in_service_goes_on(void **state)
{
	(void)state;
	set_entry(30, 1, RTE_LEVEL | 0x71);
	line(30, true);
	lapic_acknowledge(&apic->lapic[1], 0x71);
	move();
	assert_true(entry(30) & RTE_REMOTE_IRR);
	assert_int_equal(lapic_pending(&apic->lapic[1]), -1); /* a load sends nothing */
	put(1, LAPIC_EOI, 0);
	assert_int_equal(takers(0x71), 1u << 1);
	line(30, false);
	assert_int_equal(takers(0x71), 1u << 1); /* the EOI before had found the line up */
	assert_int_equal(takers(0x71), 0);
	assert_false(entry(30) & RTE_REMOTE_IRR);
}

static void test_pending_interrupts_and_events_go_on(void **state)
{
	(void)state;
	ipi(0, 2, 0x41);
	ipi(0, 3, ICR_MODE(APIC_NMI));
	move();
	assert_int_equal(takers(0x41), 1u << 2);
	assert_int_equal(hit(LAPIC_EVENT_NMI), 1u << 3);
}

/* A line that is up but masked is one when its entry is unmasked. */
static void test_lines_keep_their_levels(void **state)
{
	(void)state;
	line(7, true);
	move();
	set_entry(7, 0, RTE_LEVEL | 0x51);
	assert_int_equal(takers(0x51), 1);
}

/* --- timers: times are relative --- */

/* One-shot: the rest of the count is the rest of the count. */
static void test_a_count_goes_on_where_it_was(void **state)
{
	(void)state;
	put(1, LAPIC_TIMER_DCR, 0xb);
	put(1, LAPIC_LVT_TIMER, 0x61);
	put(1, LAPIC_TIMER_ICR, 1000000);
	fake_clock_step(&rig.clock, 400000);
	move();
	assert_int_equal(lapic_mmio_read(&apic->lapic[1], LAPIC_TIMER_CCR, 4), 600000);
	fake_clock_step(&rig.clock, 599999);
	lapic_run_timer(&apic->lapic[1]);
	assert_int_equal(takers(0x61), 0);
	fake_clock_step(&rig.clock, 1);
	assert_true(lapic_run_timer(&apic->lapic[1]) == CLOCK_NEVER);
	assert_int_equal(takers(0x61), 1u << 1);
}

/* Periodic with a divisor: part of a tick is not lost, so the periods stay where they were. */
static void test_periods_keep_their_phase(void **state)
{
	(void)state;
	put(2, LAPIC_TIMER_DCR, 0xa); /* by 128 */
	put(2, LAPIC_LVT_TIMER, 0x20061);
	put(2, LAPIC_TIMER_ICR, 1000); /* 128 us */
	fake_clock_step(&rig.clock, 128000 * 3 + 100100);
	move();
	assert_int_equal(takers(0x61), 1u << 2); /* periods that had passed */
	for (unsigned int i = 0; i < 3; i++) {
		fake_clock_step(&rig.clock, i ? 127999 : 27899);
		lapic_run_timer(&apic->lapic[2]);
		assert_int_equal(takers(0x61), 0);
		fake_clock_step(&rig.clock, 1);
		lapic_run_timer(&apic->lapic[2]);
		assert_int_equal(takers(0x61), 1u << 2);
	}
}

static void test_a_stopped_timer_stays_stopped(void **state)
{
	(void)state;
	put(1, LAPIC_LVT_TIMER, 0x61);
	move();
	fake_clock_step(&rig.clock, 10000000000);
	assert_true(lapic_run_timer(&apic->lapic[1]) == CLOCK_NEVER);
	assert_int_equal(takers(0x61), 0);
}

static uint64_t tsc_at_zero(void *cpu)
{
	(void)cpu;
	return 0;
}

/* "TSC-Deadline Mode": the deadline is a value of the guest's own TSC. */
static void test_a_tsc_deadline_goes_on(void **state)
{
	const struct apic_rates rates = { .timer_hz = 1000000000, .tsc_khz = 2000000 };
	uint64_t value = 0;

	(void)state;
	for (unsigned int turn = 0; turn < 2; turn++) {
		apic_destroy(apic);
		rig_init(&rig);
		assert_int_equal(apic_create(&apic, CPUS, LINES, &rig.host, rates, &err), 0);
		for (unsigned int cpu = 0; cpu < CPUS; cpu++)
			apic_attach(apic, cpu, kick, tsc_at_zero, &kicks[cpu]);
		if (turn)
			break;
		put(1, LAPIC_SVR, SVR_ON);
		put(1, LAPIC_LVT_TIMER, 0x40061);
		assert_true(lapic_msr_write(&apic->lapic[1], LAPIC_MSR_TSC_DEADLINE, 2000000));
		apic_save(apic, saved);
	}
	assert_int_equal(apic_load(apic, saved, &err), 0);
	assert_true(lapic_msr_read(&apic->lapic[1], LAPIC_MSR_TSC_DEADLINE, &value));
	assert_int_equal(value, 2000000);
	fake_clock_step(&rig.clock, 999999);
	lapic_run_timer(&apic->lapic[1]);
	assert_int_equal(takers(0x61), 0);
	fake_clock_step(&rig.clock, 1);
	lapic_run_timer(&apic->lapic[1]);
	assert_int_equal(takers(0x61), 1u << 1);
}

/* --- what the bus of an I/O APIC is told --- */

static struct apic_message route[24];
static unsigned int messages;

static bool count_message(void *ctx, const struct apic_message *msg)
{
	(void)ctx;
	(void)msg;
	messages++;
	return true;
}

static void take_route(void *ctx, uint32_t gsi, const struct apic_message *msg)
{
	(void)ctx;
	if (msg)
		route[gsi] = *msg;
}

static void test_a_load_says_the_routes_and_sends_nothing(void **state)
{
	const struct ioapic_desc place = { .id = 0, .gsi_base = 0 };
	const struct ioapic_bus bus = { .deliver = count_message, .routed = take_route };

	(void)state;
	set_entry(3, 2, RTE_LEVEL | 0x71);
	line(3, true);
	apic_save(apic, saved);
	start_with_lines(CPUS, LINES);
	ioapic_connect(apic->ioapics.dev[0], &place, &bus);
	messages = 0;
	assert_int_equal(ioapic_load(apic->ioapics.dev[0], &saved->ioapic[0], &err), 0);
	assert_int_equal(messages, 0);
	assert_int_equal(route[3].vector, 0x71);
	assert_int_equal(route[3].dest, 2);
	assert_true(route[3].level);
}

/* --- what is refused --- */

/* A load says `words`, and the system is as it was. */
static void refuse(const char *words)
{
	struct apic_state *before = calloc(1, apic_state_size(CPUS));
	struct apic_state *after = calloc(1, apic_state_size(CPUS));

	assert_non_null(before);
	assert_non_null(after);
	apic_save(apic, before);
	err.text[0] = '\0';
	assert_int_equal(apic_load(apic, saved, &err), -EINVAL);
	if (!strstr(err.text, words))
		print_error("\"%s\" does not say \"%s\"\n", err.text, words);
	assert_non_null(strstr(err.text, words));
	apic_save(apic, after);
	assert_memory_equal(before, after, apic_state_size(CPUS));
	free(before);
	free(after);
	apic_save(apic, saved); /* a good one again */
}

static void test_another_machines_state(void **state)
{
	(void)state;
	apic_save(apic, saved);
	saved->version = 2;
	refuse("version 2 is unknown; allowed is 1");
	saved->nr_lapics = CPUS + 1;
	refuse("allowed are 4 and 2");
	saved->nr_ioapics = 1;
	refuse("of 4 LAPICs and 1 I/O APICs");
	saved->lapic[3].id = 2; /* the last one is wrong: nothing of the others is taken over */
	saved->lapic[0].reg[LAPIC_TPR >> 4] = saved->lapic[0].reg[LAPIC_PPR >> 4] = 0x20;
	refuse("id 2");
	saved->ioapic[1].version = 0;
	saved->lapic[0].reg[LAPIC_TPR >> 4] = saved->lapic[0].reg[LAPIC_PPR >> 4] = 0x20;
	refuse("I/O APIC state: version 0 is unknown; allowed is 1");
}

static void test_registers_that_cannot_be(void **state)
{
	(void)state;
	apic_save(apic, saved);
	saved->ioapic[0].select = 0x100;
	refuse("IOREGSEL 0x100");
	saved->ioapic[0].id = 16; /* four bits */
	refuse("id 0x10");
	saved->ioapic[1].lines = 1u << 24;
	refuse("lines 0x1000000");
}

/* "I/O Redirection Table Registers": delivery status is never set here, and bits 48:17 are reserved. */
static void test_entries_that_cannot_be(void **state)
{
	(void)state;
	apic_save(apic, saved);
	for (unsigned int bit = 0; bit < 64; bit++) {
		bool reserved = bit == 12 || (bit >= 17 && bit < 49);

		saved->ioapic[1].rte[5] = 0x10000 ^ 1ULL << bit;
		if (reserved)
			refuse("entry 5");
		else if (bit == 14)
			refuse("entry 5 is 0x14000: remote IRR");
		else
			assert_int_equal(apic_load(apic, saved, &err), 0);
		apic_save(apic, saved);
	}
	saved->ioapic[0].rte[0] = RTE_REMOTE_IRR | RTE_LEVEL | 0x71;
	assert_int_equal(apic_load(apic, saved, &err), 0);
	saved->ioapic[0].rte[0] = RTE_REMOTE_IRR | RTE_LEVEL | 0x400 | 0x71; /* an NMI has no EOI */
	refuse("remote IRR is allowed in a level-triggered entry only");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown_state)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_registers_are_the_same),
		TEST(test_a_level_in_service_goes_on),
		TEST(test_pending_interrupts_and_events_go_on),
		TEST(test_lines_keep_their_levels),
		TEST(test_a_count_goes_on_where_it_was),
		TEST(test_periods_keep_their_phase),
		TEST(test_a_stopped_timer_stays_stopped),
		TEST(test_a_tsc_deadline_goes_on),
		TEST(test_a_load_says_the_routes_and_sends_nothing),
		TEST(test_another_machines_state),
		TEST(test_registers_that_cannot_be),
		TEST(test_entries_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
