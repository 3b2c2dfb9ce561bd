// SPDX-License-Identifier: BSD-2-Clause
/* Tracepoints: the ring, the counters, and that the interrupt system tells what happens in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "devices/apic.h"
#include "devices/ioapic.h"
#include "devices/trace.h"
#include "tests/unit/fake.h"

static struct rig rig;

static void start(uint32_t records, bool count, unsigned int threads)
{
	const struct trace_setup setup = {
		.clock = &rig.clock.clock,
		.threads = threads,
		.records = records,
		.count = count,
	};
	struct err err;

	rig_init(&rig);
	assert_int_equal(trace_start(&setup, &err), 0);
}

static int stop(void **state)
{
	(void)state;
	trace_stop();
	return 0;
}

/* --- off --- */

static void test_off_nothing_happens(void **state)
{
	uint64_t lost;

	(void)state;
	assert_false(trace_on());
	assert_int_equal(trace_begin(), 0);
	trace_line(4, true);
	trace_accept(0, APIC_FIXED, 0x31);
	assert_int_equal(trace_sort(&lost), 0);
	assert_int_equal(lost, 0);
	assert_null(trace_counts(0));
}

static void test_counting_alone_records_nothing(void **state)
{
	uint64_t lost;

	(void)state;
	start(0, true, 1);
	assert_int_equal(trace_begin(), 0);
	trace_kick(0);
	assert_int_equal(trace_sort(&lost), 0);
	assert_int_equal(lost, 0);
	assert_int_equal(trace_counts(0)->event[TRACE_KICK], 1);
}

static void test_recording_alone_counts_nothing(void **state)
{
	uint64_t lost;

	(void)state;
	start(10, false, 1);
	trace_kick(3);
	assert_int_equal(trace_sort(&lost), 1);
	assert_int_equal(trace_record(0)->subject, 3);
	assert_null(trace_counts(0));
}

/* --- the ring --- */

static void test_the_last_records_are_kept(void **state)
{
	uint64_t lost;

	(void)state;
	start(100, false, 1);
	for (unsigned int i = 0; i < 100; i++)
		trace_timer_arm(0, i);
	assert_int_equal(trace_sort(&lost), 100);
	assert_int_equal(lost, 0);
	stop(NULL);

	start(100, false, 1);
	for (unsigned int i = 0; i < 1234; i++) {
		rig.clock.monotonic = 5000 + i;
		trace_timer_arm(0, i);
	}
	assert_int_equal(trace_sort(&lost), 100);
	assert_int_equal(lost, 1134);
	for (unsigned int i = 0; i < 100; i++) {
		assert_int_equal(trace_record(i)->arg, 1134 + i);
		assert_int_equal(trace_record(i)->time, 5000 + 1134 + i);
	}
}

static void test_a_ring_with_room_lost_nothing(void **state)
{
	uint64_t lost;

	(void)state;
	start(1000, false, 1);
	for (unsigned int i = 0; i < 3; i++)
		trace_kick(i);
	assert_int_equal(trace_sort(&lost), 3);
	assert_int_equal(lost, 0);
}

/* A span is known at its end and stands at its beginning, before what happened in it. */
static void test_spans_stand_where_they_begin(void **state)
{
	const struct trace_exit exit = { .reason = 2, .access = 1, .write = true, .address = 0x3f8 };
	uint64_t lost, begin;

	(void)state;
	start(10, false, 1);
	begin = trace_begin();
	assert_int_equal(begin, rig.clock.monotonic);
	rig.clock.monotonic += 10;
	trace_line(4, true);
	rig.clock.monotonic += 20;
	trace_exit(7, begin, &exit);
	assert_int_equal(trace_sort(&lost), 2);
	assert_int_equal(trace_record(0)->event, TRACE_EXIT);
	assert_int_equal(trace_record(0)->subject, 7);
	assert_int_equal(trace_record(0)->time, begin);
	assert_int_equal(trace_record(0)->span, 30);
	assert_int_equal(trace_record(0)->reason, 2);
	assert_int_equal(trace_record(0)->arg, 0x3f8);
	assert_true(trace_record(0)->write);
	assert_int_equal(trace_record(1)->event, TRACE_LINE_RAISED);
	assert_int_equal(trace_record(1)->time, begin + 10);
}

static void test_at_one_time_in_order_but_the_longer_span_first(void **state)
{
	uint64_t lost, begin;

	(void)state;
	start(10, false, 1);
	begin = trace_begin();
	trace_line(1, true);
	trace_line(2, true);
	rig.clock.monotonic += 5;
	trace_halt(0, begin);
	rig.clock.monotonic += 5;
	trace_guest(0, begin);
	assert_int_equal(trace_sort(&lost), 4);
	assert_int_equal(trace_record(0)->event, TRACE_GUEST);
	assert_int_equal(trace_record(1)->event, TRACE_HALT);
	assert_int_equal(trace_record(2)->subject, 1);
	assert_int_equal(trace_record(3)->subject, 2);
}

#define WRITERS 4
#define EACH    50000

static void *write_many(void *arg)
{
	unsigned int me = 1 + (unsigned int)(uintptr_t)arg;

	trace_thread(me);
	for (unsigned int i = 0; i < EACH; i++)
		trace_route(me, me, i % 1000, i % 1000 + me);
	return NULL;
}

/* From several threads at once: none is torn, and what is not there is counted as lost. */
static void test_several_threads(void **state)
{
	static const uint32_t sizes[] = { 1, 7, 1000, WRITERS * EACH };
	pthread_t thread[WRITERS];

	(void)state;
	for (unsigned int s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		uint64_t lost;
		size_t kept;

		start(sizes[s], true, 1 + WRITERS);
		for (uintptr_t i = 0; i < WRITERS; i++)
			assert_int_equal(pthread_create(&thread[i], NULL, write_many, (void *)i), 0);
		for (unsigned int i = 0; i < WRITERS; i++)
			pthread_join(thread[i], NULL);
		kept = trace_sort(&lost);
		assert_in_range(kept, 1, sizes[s]);
		assert_int_equal(kept + lost, WRITERS * EACH);
		if (sizes[s] == WRITERS * EACH)
			assert_int_equal(lost, 0);
		for (size_t i = 0; i < kept; i++) {
			const struct trace_record *r = trace_record(i);

			assert_in_range(r->thread, 1, WRITERS);
			assert_int_equal(r->subject, r->thread);
			assert_int_equal(r->delivery, r->thread);
			assert_int_equal(r->arg, r->vector + r->thread);
		}
		for (unsigned int i = 1; i <= WRITERS; i++)
			assert_int_equal(trace_counts(i)->event[TRACE_ROUTED], EACH);
		trace_stop();
	}
}

/* --- counting --- */

static void test_each_thread_counts_its_own(void **state)
{
	(void)state;
	start(0, true, 3);
	trace_line(4, true);
	trace_line(4, false);
	trace_thread(2);
	trace_line(4, true);
	trace_line(200, true); /* beyond those that are told apart */
	trace_inject(1, 0x31);
	trace_inject(1, 0x31);
	trace_inject(1, 0xff);
	trace_thread(0);
	assert_int_equal(trace_counts(0)->raised[4], 1);
	assert_int_equal(trace_counts(0)->event[TRACE_LINE_LOWERED], 1);
	assert_int_equal(trace_counts(2)->raised[4], 1);
	assert_int_equal(trace_counts(2)->raised[TRACE_LINES - 1], 1);
	assert_int_equal(trace_counts(2)->taken[0x31], 2);
	assert_int_equal(trace_counts(2)->taken[0xff], 1);
	assert_int_equal(trace_counts(2)->event[TRACE_INJECTED], 3);
	assert_int_equal(trace_counts(1)->event[TRACE_INJECTED], 0);
}

static void exit_at(uint16_t reason, uint64_t address, bool write)
{
	const struct trace_exit exit = { .reason = reason, .access = 4, .write = write, .address = address };

	trace_exit(0, 0, &exit);
}

static uint64_t count_at(uint16_t reason, uint64_t address, bool write)
{
	const struct trace_counts *c = trace_counts(0);
	uint64_t n = 0;

	for (unsigned int i = 0; i < TRACE_PLACES; i++)
		if (c->place[i].reason == reason && c->place[i].address == address &&
		    c->place[i].write == write)
			n += c->place[i].count;
	return n;
}

static void test_exits_by_address(void **state)
{
	const struct trace_exit halt = { .reason = 5 };

	(void)state;
	start(0, true, 1);
	for (int i = 0; i < 5; i++)
		exit_at(6, 0xfee000b0, true);
	exit_at(6, 0xfee000b0, false);
	exit_at(2, 0x3f8, true);
	exit_at(2, 0, false);
	trace_exit(0, 0, &halt);
	assert_int_equal(count_at(6, 0xfee000b0, true), 5);
	assert_int_equal(count_at(6, 0xfee000b0, false), 1);
	assert_int_equal(count_at(2, 0x3f8, true), 1);
	assert_int_equal(count_at(2, 0, false), 1);
	assert_int_equal(trace_counts(0)->exit[6], 6);
	assert_int_equal(trace_counts(0)->exit[5], 1);
	assert_int_equal(trace_counts(0)->elsewhere, 0);
}

/* A guest that touches ever new addresses: the table is full some time, and none is forgotten. */
static void test_addresses_are_bounded(void **state)
{
	const uint64_t exits = 100000;
	uint64_t sum, state64 = 1;

	(void)state;
	start(0, true, 1);
	for (uint64_t i = 0; i < exits; i++)
		exit_at(6, fake_random(&state64), i % 2);
	sum = trace_counts(0)->elsewhere;
	assert_true(sum > 0);
	for (unsigned int i = 0; i < TRACE_PLACES; i++)
		sum += trace_counts(0)->place[i].count;
	assert_int_equal(sum, exits);
	assert_int_equal(trace_counts(0)->exit[6], exits);
}

/* --- the interrupt system --- */

static void kick(void *cpu)
{
	(void)cpu;
}

static uint64_t read_tsc(void *cpu)
{
	(void)cpu;
	return 0;
}

static struct apic *create_apic(unsigned int cpus)
{
	const struct apic_rates rates = { .timer_hz = 1000000000 };
	struct apic *apic;
	struct err err;

	assert_int_equal(apic_create(&apic, cpus, 24, &rig.host, rates, &err), 0);
	for (unsigned int i = 0; i < cpus; i++) {
		apic_attach(apic, i, kick, read_tsc, NULL);
		lapic_mmio_write(&apic->lapic[i], LAPIC_SVR, 4, LAPIC_SVR_ENABLE | 0xff);
	}
	return apic;
}

static void set_entry(struct apic *apic, unsigned int pin, uint32_t dest, uint32_t low)
{
	assert_true(ioapic_class.write(apic->ioapics.dev[0], 0, 4, 0x11 + 2 * pin));
	assert_true(ioapic_class.write(apic->ioapics.dev[0], 0x10, 4, dest << 24));
	assert_true(ioapic_class.write(apic->ioapics.dev[0], 0, 4, 0x10 + 2 * pin));
	assert_true(ioapic_class.write(apic->ioapics.dev[0], 0x10, 4, low));
}

/* Each record but those in between that a timer's arming leaves. */
static void expect_records(const struct trace_record *expected, size_t n)
{
	uint64_t lost;

	assert_int_equal(trace_sort(&lost), n);
	for (size_t i = 0; i < n; i++) {
		const struct trace_record *r = trace_record(i);

		assert_int_equal(r->event, expected[i].event);
		assert_int_equal(r->subject, expected[i].subject);
		assert_int_equal(r->vector, expected[i].vector);
		assert_int_equal(r->delivery, expected[i].delivery);
		assert_int_equal(r->arg, expected[i].arg);
	}
}

static void test_a_level_interrupt(void **state)
{
	static const struct trace_record expected[] = {
		{ .event = TRACE_LINE_RAISED, .subject = 4 },
		{ .event = TRACE_ROUTED, .subject = 4, .vector = 0x31, .arg = 1 },
		{ .event = TRACE_ACCEPTED, .subject = 1, .vector = 0x31 },
		{ .event = TRACE_INJECTED, .subject = 1, .vector = 0x31 },
		{ .event = TRACE_LINE_LOWERED, .subject = 4 },
		{ .event = TRACE_EOI, .subject = 1, .vector = 0x31 },
	};
	struct irq_line line;
	struct apic *apic;

	(void)state;
	start(100, false, 3);
	apic = create_apic(2);
	line = (struct irq_line){ .chip = &apic->chip, .line = 4 };
	set_entry(apic, 4, 1, 0x8000 | 0x31);
	irq_line_set(&line, true);
	lapic_acknowledge(&apic->lapic[1], 0x31);
	irq_line_set(&line, false);
	lapic_mmio_write(&apic->lapic[1], LAPIC_EOI, 4, 0);
	expect_records(expected, sizeof(expected) / sizeof(expected[0]));
	apic_destroy(apic);
}

static void test_an_ipi_a_message_and_an_nmi(void **state)
{
	static const struct trace_record expected[] = {
		{ .event = TRACE_IPI, .subject = 0, .vector = 0x42, .arg = 1 },
		{ .event = TRACE_ACCEPTED, .subject = 1, .vector = 0x42 },
		{ .event = TRACE_ROUTED, .subject = TRACE_MSI, .vector = 0x55, .arg = 1 },
		{ .event = TRACE_ACCEPTED, .subject = 1, .vector = 0x55 },
		{ .event = TRACE_IPI, .subject = 0, .vector = 0, .delivery = APIC_NMI, .arg = 1 },
		{ .event = TRACE_ACCEPTED, .subject = 1, .vector = 0, .delivery = APIC_NMI },
	};
	struct apic *apic;

	(void)state;
	start(100, false, 3);
	apic = create_apic(2);
	lapic_mmio_write(&apic->lapic[0], LAPIC_ICR_HIGH, 4, 1 << 24);
	lapic_mmio_write(&apic->lapic[0], LAPIC_ICR_LOW, 4, 0x42);
	apic->chip.ops->send_msi(&apic->chip, 0xfee01000, 0x55, 0);
	lapic_mmio_write(&apic->lapic[0], LAPIC_ICR_LOW, 4, APIC_NMI << 8);
	expect_records(expected, sizeof(expected) / sizeof(expected[0]));
	apic_destroy(apic);
}

static void test_a_timer(void **state)
{
	static struct trace_record expected[] = {
		{ .event = TRACE_TIMER_ARMED },
		{ .event = TRACE_TIMER_FIRED, .vector = 0x61 },
		{ .event = TRACE_ACCEPTED, .vector = 0x61 },
	};
	struct apic *apic;

	(void)state;
	start(100, false, 2);
	apic = create_apic(1);
	lapic_mmio_write(&apic->lapic[0], LAPIC_TIMER_DCR, 4, 0xb); /* divide by 1 */
	lapic_mmio_write(&apic->lapic[0], LAPIC_LVT_TIMER, 4, 0x61);
	expected[0].arg = rig.clock.monotonic + 5000;
	lapic_mmio_write(&apic->lapic[0], LAPIC_TIMER_ICR, 4, 5000);
	fake_clock_step(&rig.clock, 4999);
	lapic_run_timer(&apic->lapic[0]);
	fake_clock_step(&rig.clock, 1);
	lapic_run_timer(&apic->lapic[0]);
	expect_records(expected, 3);
	apic_destroy(apic);
}

/* --- what it costs --- */

#define ROUNDS 20000000u
#define TRIES  10
#define AGAIN  __asm__ volatile("" ::: "memory") /* what was tested may have changed */

static double since(const struct timespec *a)
{
	struct timespec b;

	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a->tv_sec) * 1e9 + (double)(b.tv_nsec - a->tv_nsec);
}

/* The least of some tries: a loop with eight tracepoints in each turn, and one without. */
static void cost(void)
{
	double best[2] = { 1e30, 1e30 };

	for (int i = 0; i < 2 * TRIES; i++) {
		struct timespec begin;
		double ns;

		clock_gettime(CLOCK_MONOTONIC, &begin);
		for (unsigned int n = 0; n < ROUNDS; n++) {
			__asm__ volatile("" : : "r"(n) : "memory");
			if (i % 2 == 0)
				continue;
			trace_accept(n, APIC_FIXED, n);
			AGAIN;
			trace_inject(n, n);
			AGAIN;
			trace_eoi(n, n);
			AGAIN;
			trace_line(n, n & 1);
			AGAIN;
			trace_kick(n);
			AGAIN;
			trace_timer_arm(n, n);
			AGAIN;
			trace_timer_fire(n, n);
			AGAIN;
			trace_boot();
			AGAIN;
		}
		ns = since(&begin) / ROUNDS;
		if (ns < best[i % 2])
			best[i % 2] = ns;
	}
	print_message("a tracepoint that is off: %.2f ns (a loop without %.2f ns, with eight %.2f ns)\n",
		      (best[1] - best[0]) / 8, best[0], best[1]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_off_nothing_happens),
		cmocka_unit_test_teardown(test_counting_alone_records_nothing, stop),
		cmocka_unit_test_teardown(test_recording_alone_counts_nothing, stop),
		cmocka_unit_test_teardown(test_the_last_records_are_kept, stop),
		cmocka_unit_test_teardown(test_a_ring_with_room_lost_nothing, stop),
		cmocka_unit_test_teardown(test_spans_stand_where_they_begin, stop),
		cmocka_unit_test_teardown(test_at_one_time_in_order_but_the_longer_span_first, stop),
		cmocka_unit_test_teardown(test_several_threads, stop),
		cmocka_unit_test_teardown(test_each_thread_counts_its_own, stop),
		cmocka_unit_test_teardown(test_exits_by_address, stop),
		cmocka_unit_test_teardown(test_addresses_are_bounded, stop),
		cmocka_unit_test_teardown(test_a_level_interrupt, stop),
		cmocka_unit_test_teardown(test_an_ipi_a_message_and_an_nmi, stop),
		cmocka_unit_test_teardown(test_a_timer, stop),
	};

	if (argc > 1 && !strcmp(argv[1], "cost")) {
		cost();
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
