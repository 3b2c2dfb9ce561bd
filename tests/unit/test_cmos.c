// SPDX-License-Identifier: BSD-2-Clause
/*
 * The real-time clock against the data sheet of the MC146818A (section titles in quotes are its own)
 * and against what drivers do with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "devices/classes.h"
#include "tests/unit/fake.h"

enum {
	SECONDS = 0x00,
	SECONDS_ALARM = 0x01,
	MINUTES = 0x02,
	MINUTES_ALARM = 0x03,
	HOURS = 0x04,
	HOURS_ALARM = 0x05,
	WEEKDAY = 0x06,
	DAY = 0x07,
	MONTH = 0x08,
	YEAR = 0x09,
	A = 0x0a,
	B = 0x0b,
	C = 0x0c,
	D = 0x0d,
	CENTURY = 0x32,

	UIP = 0x80,
	DV_32K = 0x20,
	DV_RESET = 0x70,

	SET = 0x80,
	PIE = 0x40,
	AIE = 0x20,
	UIE = 0x10,
	DM = 0x04,
	H24 = 0x02,

	IRQF = 0x80,
	PF = 0x40,
	AF = 0x20,
	UF = 0x10,
};

#define MS 1000000ULL

/* Thursday 2024-02-29 23:59:58 UTC, and 0 ns */
#define LEAP_EVE 1709251198LL

static struct rig rig;

static uint8_t get(uint8_t reg)
{
	rig_write(&rig, 0, 1, reg);
	return (uint8_t)rig_read(&rig, 1, 1);
}

static void put(uint8_t reg, uint8_t value)
{
	rig_write(&rig, 0, 1, reg);
	rig_write(&rig, 1, 1, value);
}

static int setup(void **state)
{
	(void)state;
	rig_init(&rig);
	rig.clock.realtime = LEAP_EVE * (int64_t)NSEC_PER_SEC;
	rig_plug(&rig, &cmos_class, 0x70, 2, 8);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_finish(&rig);
	return 0;
}

static void step(uint64_t ns)
{
	fake_clock_step(&rig.clock, ns);
}

static bool armed(void)
{
	return rig.clock.armed != NULL;
}

/* The date and time as the registers show them, most significant first. */
static void assert_time(uint8_t century, uint8_t year, uint8_t month, uint8_t day, uint8_t hour,
			uint8_t minute, uint8_t second)
{
	assert_int_equal(get(CENTURY), century);
	assert_int_equal(get(YEAR), year);
	assert_int_equal(get(MONTH), month);
	assert_int_equal(get(DAY), day);
	assert_int_equal(get(HOURS), hour);
	assert_int_equal(get(MINUTES), minute);
	assert_int_equal(get(SECONDS), second);
}

/* Sets date and time in the order of the data sheet: SET, the registers, SET off. */
static void set_time(uint8_t century, uint8_t year, uint8_t month, uint8_t day, uint8_t hour, uint8_t minute,
		     uint8_t second)
{
	uint8_t b = get(B);

	put(B, b | SET);
	put(CENTURY, century);
	put(YEAR, year);
	put(MONTH, month);
	put(DAY, day);
	put(HOURS, hour);
	put(MINUTES, minute);
	put(SECONDS, second);
	put(B, b);
}

static void set_alarm(uint8_t hour, uint8_t minute, uint8_t second)
{
	put(HOURS_ALARM, hour);
	put(MINUTES_ALARM, minute);
	put(SECONDS_ALARM, second);
}

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
		put(B, DM);
		assert_int_equal(get(HOURS), cases[i].binary);
		put(HOURS, cases[i].binary);
		put(B, DM | H24);
		assert_int_equal(get(HOURS), cases[i].hour);
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
		{ 0x00, 0xff, 0xff, 2, 1 },          { 0x12, 0xfe, 0x00, 2 + 43200, 60 },
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

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
