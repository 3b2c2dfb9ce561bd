// SPDX-License-Identifier: BSD-2-Clause
/*
 * The flags and interrupts of the real-time clock against the data sheet of the MC146818A (section
 * titles in quotes are its own): update cycle, periodic interrupt, alarm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/cmos_rig.h"

/* --- update cycle --- */

/* "Update Cycle": with a 32.768 kHz time base UIP is set 244 us before the 1984 us of the update. */
static void test_update_in_progress(void **state)
{
	uint64_t cycle = 244000 + 1984000;

	(void)state;
	assert_int_equal(get(A) & UIP, 0);
	step(NSEC_PER_SEC - cycle - 1);
	assert_int_equal(get(A) & UIP, 0);
	step(1);
	assert_int_equal(get(A), UIP | 0x26);
	step(cycle - 1);
	assert_int_equal(get(A) & UIP, UIP);
	put(B, H24 | SET); /* "clears the UIP status bit" */
	assert_int_equal(get(A) & UIP, 0);
	put(B, H24);
	assert_int_equal(get(A) & UIP, UIP);
	step(1);
	assert_int_equal(get(A) & UIP, 0);
	put(A, DV_RESET);
	for (int i = 0; i < 1000; i++) {
		step(MS);
		assert_int_equal(get(A) & UIP, 0);
	}
}

/* Flags are set whether or not their interrupts are enabled, and reset by reading. */
static void test_flags_for_polling(void **state)
{
	(void)state;
	set_alarm(0x00, 0x00, 0x00);
	put(A, DV_32K | 15);
	get(C);
	step(499 * MS);
	assert_int_equal(get(C), 0);
	step(1 * MS);
	assert_int_equal(get(C), PF);
	step(500 * MS);
	assert_int_equal(get(C), PF | UF);
	step(1000 * MS);
	assert_int_equal(get(C), PF | UF | AF);
	assert_int_equal(get(C), 0);
	assert_int_equal(rig.irqchip.raised[8], 0);
	assert_null(rig.clock.armed);
}

static void test_update_interrupt(void **state)
{
	(void)state;
	step(250 * MS);
	put(B, H24 | UIE);
	assert_true(armed());
	step(750 * MS - 1);
	assert_false(rig_line(&rig));
	step(1);
	assert_true(rig_line(&rig));
	assert_int_equal(get(SECONDS), 0x59);
	assert_int_equal(get(C) & (IRQF | UF), IRQF | UF);
	assert_false(rig_line(&rig));
	step(NSEC_PER_SEC);
	assert_true(rig_line(&rig));
	put(B, H24); /* no longer enabled: not requested, but the flag stays */
	assert_false(rig_line(&rig));
	assert_false(armed());
	assert_int_equal(get(C) & (IRQF | UF), UF);
}

/* "Register B", UIE: "cleared by ... the SET bit going high". */
static void test_set_clears_uie(void **state)
{
	(void)state;
	put(B, H24 | UIE);
	put(B, H24 | UIE | SET);
	assert_int_equal(get(B), H24 | SET);
	step(5 * NSEC_PER_SEC);
	assert_false(rig_line(&rig));
	assert_int_equal(get(C) & UF, 0);
	put(B, H24 | UIE);
	step(NSEC_PER_SEC);
	assert_true(rig_line(&rig));
}

/* "Interrupts": a flag already set when its interrupt becomes enabled activates it at once. */
static void test_enabling_with_flag_set(void **state)
{
	(void)state;
	step(3 * NSEC_PER_SEC);
	put(B, H24 | UIE);
	assert_true(rig_line(&rig));
	assert_false(armed());
	assert_int_equal(get(C) & (IRQF | UF), IRQF | UF);
	assert_false(rig_line(&rig));
	assert_true(armed());
}

/* --- periodic interrupt --- */

/* "Table 5. Periodic Interrupt Rate and Square Wave Output Frequency", column of 32.768 kHz */
static void test_periodic_rates(void **state)
{
	static const unsigned int hertz[] = { 0,   256, 128, 8192, 4096, 2048, 1024, 512,
					      256, 128, 64,  32,   16,   8,    4,    2 };

	(void)state;
	for (unsigned int rate = 0; rate < 16; rate++) {
		unsigned int count = 0;
		uint64_t end;

		put(A, (uint8_t)(DV_32K | rate));
		get(C);
		put(B, H24 | PIE);
		assert_int_equal(armed(), rate != 0);
		end = rig.clock.monotonic + NSEC_PER_SEC;
		while (armed() && fake_clock_next(&rig.clock)->deadline <= end) {
			step(fake_clock_next(&rig.clock)->deadline - rig.clock.monotonic);
			assert_true(rig_line(&rig));
			assert_int_equal(get(C) & (IRQF | PF), IRQF | PF);
			assert_false(rig_line(&rig));
			count++;
		}
		step(end - rig.clock.monotonic);
		assert_int_equal(count, hertz[rate]);
		put(B, H24);
	}
}

/* A guest that does not acknowledge costs nothing; what it missed is one interrupt. */
static void test_periodic_is_coalesced(void **state)
{
	(void)state;
	put(A, DV_32K | 3);
	put(B, H24 | PIE);
	assert_int_equal(fake_clock_step(&rig.clock, 100 * NSEC_PER_SEC), 1);
	assert_true(rig_line(&rig));
	assert_false(armed());
	assert_int_equal(get(C) & (IRQF | PF), IRQF | PF);
	assert_int_equal(get(C) & (IRQF | PF), 0);
	assert_int_equal(rig.irqchip.raised[8], 1);
	assert_true(armed());
	assert_true(fake_clock_next(&rig.clock)->deadline - rig.clock.monotonic <= NSEC_PER_SEC / 8192 + 1);
}

/* The host is late: the next period counts from now, none is made up for. */
static void test_periodic_late(void **state)
{
	unsigned int fired;

	(void)state;
	put(A, DV_32K | 6);
	put(B, H24 | PIE);
	rig.clock.monotonic += 50 * NSEC_PER_SEC;
	rig.clock.realtime += 50 * (int64_t)NSEC_PER_SEC;
	fired = fake_clock_step(&rig.clock, 0);
	assert_int_equal(fired, 1);
	assert_true(get(C) & PF);
	assert_int_equal(fake_clock_step(&rig.clock, NSEC_PER_SEC / 1024 - 1), 0);
	assert_int_equal(fake_clock_step(&rig.clock, 2), 1);
}

/* SET stops the update cycle, not the divider chain; its reset stops both. */
static void test_periodic_and_set(void **state)
{
	(void)state;
	put(A, DV_32K | 15);
	put(B, H24 | SET | PIE);
	step(500 * MS);
	assert_true(rig_line(&rig));
	assert_int_equal(get(C), IRQF | PF);
	put(A, DV_RESET | 15);
	assert_false(armed());
	step(10 * NSEC_PER_SEC);
	assert_int_equal(get(C), 0);
}

/* --- alarm --- */

static void test_alarm(void **state)
{
	(void)state;
	set_alarm(0x00, 0x00, 0x05); /* in 7 s, past midnight */
	put(B, H24 | AIE);
	assert_int_equal(fake_clock_step(&rig.clock, 7 * NSEC_PER_SEC - 1), 0);
	assert_false(rig_line(&rig));
	step(1);
	assert_true(rig_line(&rig));
	assert_int_equal(get(C) & (IRQF | AF), IRQF | AF);
	assert_false(rig_line(&rig));
	step(86400 * NSEC_PER_SEC - 1);
	assert_false(rig_line(&rig));
	step(1); /* the next day */
	assert_true(rig_line(&rig));
}

/* "Alarm": 0xc0 to 0xff in a register is "don't care". */
static void test_alarm_wildcards(void **state)
{
	static const struct {
		uint8_t hour, minute, second;
		unsigned int first, next; /* seconds from 23:59:58 to the first, and from there to the next */
	} cases[] = {
		{ 0xff, 0xff, 0xff, 1, 1 },          { 0xc0, 0xc0, 0x30, 32, 60 },
		{ 0xff, 0x01, 0xff, 62, 1 },         { 0xff, 0x30, 0x10, 2 + 1810, 3600 },
		{ 0x00, 0xff, 0xc0, 2, 1 },          { 0x12, 0xfe, 0x00, 2 + 43200, 60 },
		{ 0x23, 0x59, 0xff, 1, 86400 - 59 }, { 0x23, 0x59, 0x58, 86400, 86400 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t start;

		set_time(0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x58);
		set_alarm(cases[i].hour, cases[i].minute, cases[i].second);
		get(C);
		start = rig.clock.monotonic;
		put(B, H24 | AIE);
		step((uint64_t)cases[i].first * NSEC_PER_SEC);
		assert_true(rig_line(&rig));
		assert_int_equal(rig.clock.monotonic - start, cases[i].first * NSEC_PER_SEC);
		get(C);
		assert_false(rig_line(&rig));
		assert_int_equal(fake_clock_next(&rig.clock)->deadline - rig.clock.monotonic,
				 cases[i].next * NSEC_PER_SEC);
		put(B, H24);
	}
}

/* Found by who looks later too, without a timer, however long it was. */
static void test_alarm_is_seen_late(void **state)
{
	(void)state;
	set_alarm(0x12, 0x00, 0x00);
	get(C);
	step(11 * 3600 * NSEC_PER_SEC);
	assert_int_equal(get(C) & AF, 0);
	step(86400 * NSEC_PER_SEC);
	assert_int_equal(get(C) & AF, AF);
	step(30 * 86400 * NSEC_PER_SEC);
	assert_int_equal(get(C) & AF, AF);
}

/* A byte that no time ever equals: no alarm, and no search for one without end. */
static void test_alarm_that_never_comes(void **state)
{
	static const uint8_t never[][3] = {
		{ 0x24, 0xff, 0xff }, { 0xbf, 0xff, 0xff }, { 0xff, 0x60, 0xff },
		{ 0xff, 0x0a, 0xff }, { 0xff, 0xff, 0x99 }, { 0xff, 0xff, 0xbf },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		set_alarm(never[i][0], never[i][1], never[i][2]);
		get(C);
		put(B, H24 | AIE);
		assert_false(armed());
		step(3 * 86400 * NSEC_PER_SEC);
		assert_int_equal(get(C) & AF, 0);
		put(B, H24);
	}
}

/* Every time of day is found from every hour. */
static void test_alarm_search(void **state)
{
	uint64_t seed = 0x146818;

	(void)state;
	put(B, DM | H24);
	for (int i = 0; i < 5000; i++) {
		uint64_t random = fake_random(&seed);
		unsigned int from = random % 86400, to = (random >> 20) % 86400;

		set_time(20, 24, 6, 15, (uint8_t)(from / 3600), (uint8_t)(from / 60 % 60),
			 (uint8_t)(from % 60));
		set_alarm((uint8_t)(to / 3600), (uint8_t)(to / 60 % 60), (uint8_t)(to % 60));
		get(C);
		put(B, DM | H24 | AIE);
		assert_int_equal(fake_clock_next(&rig.clock)->deadline - rig.clock.monotonic,
				 (to > from ? to - from : to + 86400 - from) * NSEC_PER_SEC);
		put(B, DM | H24);
	}
}

static void test_alarm_formats(void **state)
{
	(void)state;
	put(B, AIE); /* 12 hours, BCD */
	set_alarm(0x12, 0x00, 0x00);
	step(2 * NSEC_PER_SEC);
	assert_int_equal(get(C) & AF, AF); /* 12:00:00 AM is midnight */
	set_alarm(0x81, 0x30, 0x00);
	step((13 * 3600 + 1800) * NSEC_PER_SEC - 1);
	assert_int_equal(get(C) & AF, 0);
	step(1);
	assert_int_equal(get(C) & AF, AF); /* 1:30 PM */
	put(B, DM | AIE);
	set_alarm(0x8b, 45, 0); /* 11:45 PM */
	step((10 * 3600 + 900) * NSEC_PER_SEC);
	assert_true(rig_line(&rig));
}

/* Changing the time or the alarm moves the interrupt. */
static void test_alarm_moves(void **state)
{
	(void)state;
	set_alarm(0x05, 0x00, 0x00);
	put(B, H24 | AIE);
	set_time(0x20, 0x24, 0x01, 0x01, 0x04, 0x59, 0x50);
	assert_false(rig_line(&rig));
	put(SECONDS_ALARM, 0x03);
	step(10 * NSEC_PER_SEC);
	assert_false(rig_line(&rig));
	step(3 * NSEC_PER_SEC);
	assert_true(rig_line(&rig));
	get(C);
	put(B, H24 | AIE | SET); /* while the time is held there are no updates to match */
	assert_false(armed());
	step(86400 * NSEC_PER_SEC);
	assert_false(rig_line(&rig));
}

/* --- any guest --- */

static void test_fuzz(void **state)
{
	uint64_t seed = 0x146818146818;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t random = fake_random(&seed);
		bool line;
		uint8_t b, c;

		if (random % 8 == 0)
			step((random >> 8) % (3 * NSEC_PER_SEC));
		if (random % 1024 == 1)
			rig.clock.realtime += (int64_t)((random >> 12) % (200000 * NSEC_PER_SEC)) -
					      100000 * (int64_t)NSEC_PER_SEC;
		if (random % 4 == 2)
			put((uint8_t)(random >> 8) % 16, (uint8_t)(random >> 16));
		rig_poke(&rig, &seed);
		if (random % 16 != 3)
			continue;

		fake_clock_step(&rig.clock, 0);
		line = rig_line(&rig);
		b = get(B);
		assert_false((b & SET) && (b & UIE));
		if (armed()) {
			assert_true(b & (PIE | AIE | UIE));
			assert_false(line);
		}
		assert_int_equal(get(D), 0x80);
		c = get(C);
		assert_int_equal(c & 0x0f, 0);
		assert_int_equal(c & IRQF ? 1 : 0, c & b & (PF | AF | UF) ? 1 : 0);
		assert_true(!line || (c & IRQF));
		assert_false(rig_line(&rig));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_update_in_progress),
		TEST(test_flags_for_polling),
		TEST(test_update_interrupt),
		TEST(test_set_clears_uie),
		TEST(test_enabling_with_flag_set),
		TEST(test_periodic_rates),
		TEST(test_periodic_is_coalesced),
		TEST(test_periodic_late),
		TEST(test_periodic_and_set),
		TEST(test_alarm),
		TEST(test_alarm_wildcards),
		TEST(test_alarm_is_seen_late),
		TEST(test_alarm_that_never_comes),
		TEST(test_alarm_search),
		TEST(test_alarm_formats),
		TEST(test_alarm_moves),
		TEST(test_fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
