/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One real-time clock on a Thursday evening, as its tests use it. Registers and bits are named as in
 * the data sheet of the MC146818A.
 */
#ifndef VIREO_TESTS_UNIT_CMOS_RIG_H
#define VIREO_TESTS_UNIT_CMOS_RIG_H

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

static struct rig rig; /* one test program each, one clock at a time */

static inline uint8_t get(uint8_t reg)
{
	rig_write(&rig, 0, 1, reg);
	return (uint8_t)rig_read(&rig, 1, 1);
}

static inline void put(uint8_t reg, uint8_t value)
{
	rig_write(&rig, 0, 1, reg);
	rig_write(&rig, 1, 1, value);
}

static inline int setup(void **state)
{
	(void)state;
	rig_init(&rig);
	rig.clock.realtime = LEAP_EVE * (int64_t)NSEC_PER_SEC;
	rig_plug(&rig, &cmos_class, 0x70, 2, 8);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	rig_finish(&rig);
	return 0;
}

static inline void step(uint64_t ns)
{
	fake_clock_step(&rig.clock, ns);
}

static inline bool armed(void)
{
	return rig.clock.armed != NULL;
}

/* The date and time as the registers show them, most significant first. */
static inline void assert_time(uint8_t century, uint8_t year, uint8_t month, uint8_t day, uint8_t hour,
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
static inline void set_time(uint8_t century, uint8_t year, uint8_t month, uint8_t day, uint8_t hour,
			    uint8_t minute, uint8_t second)
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

static inline void set_alarm(uint8_t hour, uint8_t minute, uint8_t second)
{
	put(HOURS_ALARM, hour);
	put(MINUTES_ALARM, minute);
	put(SECONDS_ALARM, second);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
