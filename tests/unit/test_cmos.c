// SPDX-License-Identifier: BSD-2-Clause
/*
 * The real-time clock against the data sheet of the MC146818A (section titles in quotes are its own)
 * and against what drivers do with it: RAM, the calendar, setting the time. test_cmos_irq.c has the
 * flags and interrupts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "tests/unit/cmos_rig.h"

/* --- ports and RAM --- */

static void test_ports(void **state)
{
	(void)state;
	assert_int_equal(rig_read(&rig, 0, 1), rig_unclaimed(1)); /* the index is write-only */
	put(0x40, 0x5a);
	put(0xc1, 0xa5); /* bit 7 is the NMI mask, not part of the index */
	assert_int_equal(get(0xc0), 0x5a);
	assert_int_equal(get(0x41), 0xa5);
	rig_write(&rig, 0, 2, 0x7742); /* index and data in one */
	assert_int_equal(get(0x42), 0x77);
	assert_int_equal(rig.bus.misses, 1);
}

static void test_ram(void **state)
{
	(void)state;
	for (unsigned int pass = 0; pass < 2; pass++)
		for (unsigned int i = D + 1; i < 128; i++) {
			if (i == CENTURY)
				continue;
			assert_int_equal(get((uint8_t)i), pass ? (uint8_t)(i * 3 + 1) : 0);
			put((uint8_t)i, (uint8_t)(i * 3 + 1));
		}
	assert_time(0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x58);
}

static void test_control_registers(void **state)
{
	(void)state;
	assert_int_equal(get(A), 0x26);
	assert_int_equal(get(B), H24);
	assert_int_equal(get(C), 0);
	assert_int_equal(get(D), 0x80); /* VRT */
	put(C, 0xff);
	put(D, 0x00);
	assert_int_equal(get(C), 0);
	assert_int_equal(get(D), 0x80);
	put(A, 0xaf); /* UIP is read-only */
	assert_int_equal(get(A), 0x2f);
	put(B, 0x0f);
	assert_int_equal(get(B), 0x0f);
}

/* --- time, calendar --- */

static void test_host_time(void **state)
{
	(void)state;
	assert_time(0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x58);
	assert_int_equal(get(WEEKDAY), 5);
	step(2 * NSEC_PER_SEC - 1);
	assert_time(0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x59);
	step(1);
	assert_time(0x20, 0x24, 0x03, 0x01, 0x00, 0x00, 0x00);
	assert_int_equal(get(WEEKDAY), 6);
	assert_false(armed());
}

static void test_binary(void **state)
{
	(void)state;
	put(B, DM | H24);
	assert_time(20, 24, 2, 29, 23, 59, 58);
	set_time(19, 99, 12, 31, 23, 59, 59);
	assert_time(19, 99, 12, 31, 23, 59, 59);
	step(NSEC_PER_SEC);
	assert_time(20, 0, 1, 1, 0, 0, 0);
}

/* "Time, Calendar, and Alarm Locations": 12-hour mode has 1 to 12, bit 7 is PM. */
static void test_12_hours(void **state)
{
	static const struct {
		uint8_t hour, bcd, binary;
	} cases[] = {
		{ 0, 0x12, 0x0c },  { 1, 0x01, 0x01 },  { 9, 0x09, 0x09 },
		{ 10, 0x10, 0x0a }, { 11, 0x11, 0x0b }, { 12, 0x92, 0x8c },
		{ 13, 0x81, 0x81 }, { 22, 0x90, 0x8a }, { 23, 0x91, 0x8b },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rig.clock.realtime = (LEAP_EVE / 86400 * 86400 + cases[i].hour * 3600) *
				     (int64_t)NSEC_PER_SEC;
		put(B, 0);
		assert_int_equal(get(HOURS), cases[i].bcd);
		put(HOURS, cases[i].bcd);
		assert_int_equal(get(DAY), 0x29);
		put(B, DM);
		assert_int_equal(get(HOURS), cases[i].binary);
		put(HOURS, cases[i].binary);
		put(B, DM | H24);
		assert_int_equal(get(HOURS), cases[i].hour);
		assert_int_equal(get(DAY), 29);
	}
}

static void assert_same_as_libc(int64_t unix_seconds)
{
	time_t t = (time_t)unix_seconds;
	struct tm tm;

	assert_non_null(gmtime_r(&t, &tm));
	assert_time((uint8_t)((tm.tm_year + 1900) / 100), (uint8_t)(tm.tm_year % 100),
		    (uint8_t)(tm.tm_mon + 1), (uint8_t)tm.tm_mday, (uint8_t)tm.tm_hour, (uint8_t)tm.tm_min,
		    (uint8_t)tm.tm_sec);
	assert_int_equal(get(WEEKDAY), tm.tm_wday + 1);
}

/* Every day the host's clock can show, from 1970 to 2261. */
static void test_calendar(void **state)
{
	(void)state;
	put(B, DM | H24);
	for (int64_t t = 0; t < INT64_MAX / (int64_t)NSEC_PER_SEC; t += 86400 + 61) {
		rig.clock.realtime = t * (int64_t)NSEC_PER_SEC;
		assert_same_as_libc(t);
	}
}

static void test_host_before_1970(void **state)
{
	(void)state;
	put(B, DM | H24);
	rig.clock.realtime = -1;
	assert_time(19, 69, 12, 31, 23, 59, 59);
	rig.clock.realtime = -(int64_t)NSEC_PER_SEC;
	assert_time(19, 69, 12, 31, 23, 59, 59);
}

/* Every year that century and year can name keeps its days and hands over to the next. */
static void test_all_years(void **state)
{
	(void)state;
	put(B, DM | H24);
	for (int year = 0; year < 10000; year++) {
		bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
		uint8_t c = (uint8_t)(year / 100), y = (uint8_t)(year % 100);
		int next = (year + 1) % 10000;

		set_time(c, y, 2, 28, 23, 59, 59);
		assert_time(c, y, 2, 28, 23, 59, 59);
		step(NSEC_PER_SEC);
		assert_time(c, y, leap ? 2 : 3, leap ? 29 : 1, 0, 0, 0);
		set_time(c, y, 12, 31, 23, 59, 59);
		step(NSEC_PER_SEC);
		assert_time((uint8_t)(next / 100), (uint8_t)(next % 100), 1, 1, 0, 0, 0);
	}
}

/* --- setting the time --- */

/* "Register B", SET: "any update cycle in progress is aborted", the program may write. */
static void test_set_holds_the_time(void **state)
{
	(void)state;
	put(B, H24 | SET);
	step(100 * NSEC_PER_SEC);
	assert_time(0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x58);
	put(SECONDS, 0x07);
	assert_int_equal(get(SECONDS), 0x07);
	put(MINUTES, 0xff); /* only registers, until SET goes off */
	assert_int_equal(get(MINUTES), 0xff);
	put(MINUTES, 0x30);
	put(WEEKDAY, 0x03);
	assert_int_equal(get(WEEKDAY), 0x03);
	put(B, H24);
	assert_time(0x20, 0x24, 0x02, 0x29, 0x23, 0x30, 0x07);
	assert_int_equal(get(WEEKDAY), 5); /* the calendar knows better */
	step(NSEC_PER_SEC);
	assert_int_equal(get(SECONDS), 0x08);
}

/* SET does not touch the divider chain: seconds go on to change when they did. */
static void test_set_keeps_the_phase(void **state)
{
	(void)state;
	step(300 * MS);
	put(B, H24 | SET);
	step(500 * MS);
	put(SECONDS, 0x10);
	put(B, H24);
	step(200 * MS - 1);
	assert_int_equal(get(SECONDS), 0x10);
	step(1);
	assert_int_equal(get(SECONDS), 0x11);
}

/* "Register A", DV bits: "the first update cycle begins one-half second later". Linux sets it so. */
static void test_divider_reset(void **state)
{
	(void)state;
	step(123 * MS);
	put(B, H24 | SET);
	put(A, DV_RESET | 6);
	assert_int_equal(get(A), DV_RESET | 6);
	put(YEAR, 0x30);
	put(MONTH, 0x07);
	put(DAY, 0x15);
	put(HOURS, 0x12);
	put(MINUTES, 0x34);
	put(SECONDS, 0x56);
	step(777 * MS);
	put(B, H24);
	step(10 * NSEC_PER_SEC);
	assert_time(0x20, 0x30, 0x07, 0x15, 0x12, 0x34, 0x56); /* still held by the divider */
	put(A, DV_32K | 6);
	step(500 * MS - 1);
	assert_int_equal(get(SECONDS), 0x56);
	step(1);
	assert_int_equal(get(SECONDS), 0x57);
	step(NSEC_PER_SEC);
	assert_time(0x20, 0x30, 0x07, 0x15, 0x12, 0x34, 0x58);
}

/* The divider is let go first, then SET. */
static void test_divider_reset_within_set(void **state)
{
	(void)state;
	put(B, H24 | SET);
	put(A, DV_RESET);
	step(NSEC_PER_SEC / 10);
	put(A, DV_32K);
	step(200 * MS); /* at 700 ms of a second */
	put(SECONDS, 0x20);
	put(B, H24);
	step(300 * MS - 1);
	assert_int_equal(get(SECONDS), 0x20);
	step(1);
	assert_int_equal(get(SECONDS), 0x21);
}

static void test_divider_reset_holds_the_time(void **state)
{
	(void)state;
	put(A, 0x60);
	step(10 * NSEC_PER_SEC);
	assert_int_equal(get(SECONDS), 0x58);
	put(SECONDS, 0x40);
	assert_int_equal(get(SECONDS), 0x40);
	assert_int_equal(get(C), 0);
	put(A, 0x26);
	step(500 * MS);
	assert_int_equal(get(SECONDS), 0x41);
}

static void test_write_while_running(void **state)
{
	(void)state;
	step(400 * MS);
	put(MINUTES, 0x15);
	put(YEAR, 0x25); /* 2025 has no February 29 */
	assert_time(0x20, 0x25, 0x03, 0x01, 0x23, 0x15, 0x58);
	step(600 * MS);
	assert_int_equal(get(SECONDS), 0x59);
	put(CENTURY, 0x19);
	assert_time(0x19, 0x25, 0x03, 0x01, 0x23, 0x15, 0x59);
}

/* What is no date becomes one: the surplus is carried on. No byte is out of bounds. */
static void test_impossible_times(void **state)
{
	(void)state;
	set_time(0x20, 0x23, 0x02, 0x30, 0x25, 0x61, 0x61);
	assert_time(0x20, 0x23, 0x03, 0x03, 0x02, 0x02, 0x01);
	set_time(0x20, 0x24, 0x00, 0x00, 0x00, 0x00, 0x00); /* the day before December 1, 2023 */
	assert_time(0x20, 0x23, 0x11, 0x30, 0x00, 0x00, 0x00);
	set_time(0, 0, 0, 0, 0, 0, 0);
	assert_time(0, 0, 0x01, 0x01, 0, 0, 0); /* nothing before the year 0 */
	for (unsigned int b = 0; b < 8; b++) {
		put(B, (uint8_t)b);
		for (unsigned int value = 0; value < 256; value++) {
			uint8_t v = (uint8_t)value;

			set_time(v, v, v, v, v, v, v);
			step(NSEC_PER_SEC);
		}
	}
	put(B, H24);
	set_time(0x20, 0x24, 0x01, 0x02, 0x03, 0x04, 0x05);
	assert_time(0x20, 0x24, 0x01, 0x02, 0x03, 0x04, 0x05);
}

/* The guest's clock follows the host's, also after the guest has set its own. */
static void test_host_clock_is_set(void **state)
{
	(void)state;
	set_time(0x20, 0x00, 0x01, 0x01, 0x12, 0x00, 0x00);
	rig.clock.realtime += 3600 * (int64_t)NSEC_PER_SEC;
	assert_time(0x20, 0x00, 0x01, 0x01, 0x13, 0x00, 0x00);
	rig.clock.realtime -= 2 * 3600 * (int64_t)NSEC_PER_SEC;
	assert_time(0x20, 0x00, 0x01, 0x01, 0x11, 0x00, 0x00);
	get(C);
	assert_int_equal(get(C), 0);
	step(NSEC_PER_SEC);
	assert_int_equal(get(C) & UF, UF);
	set_time(0, 0, 0x01, 0x01, 0, 0, 0);
	rig.clock.realtime -= 3600 * (int64_t)NSEC_PER_SEC;
	assert_time(0, 0, 0x01, 0x01, 0, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ports),
		TEST(test_ram),
		TEST(test_control_registers),
		TEST(test_host_time),
		TEST(test_binary),
		TEST(test_12_hours),
		TEST(test_calendar),
		TEST(test_host_before_1970),
		TEST(test_all_years),
		TEST(test_set_holds_the_time),
		TEST(test_set_keeps_the_phase),
		TEST(test_divider_reset),
		TEST(test_divider_reset_within_set),
		TEST(test_divider_reset_holds_the_time),
		TEST(test_write_while_running),
		TEST(test_impossible_times),
		TEST(test_host_clock_is_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
