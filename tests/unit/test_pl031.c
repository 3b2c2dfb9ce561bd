// SPDX-License-Identifier: BSD-2-Clause
/*
 * Arm's real-time clock against the PL031 Technical Reference Manual (DDI 0224), section titles in
 * quotes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/classes.h"
#include "tests/unit/fake.h"
#include "tests/unit/primecell_rig.h"

/* "Summary of RTC registers" */
enum {
	RTCDR = 0x000,
	RTCMR = 0x004,
	RTCLR = 0x008,
	RTCCR = 0x00c,
	RTCIMSC = 0x010,
	RTCRIS = 0x014,
	RTCMIS = 0x018,
	RTCICR = 0x01c,
};

#define NOW 1709251198u /* seconds since 1970 */

static struct rig rig;

static uint32_t get(unsigned int reg)
{
	return (uint32_t)rig_read(&rig, reg, 4);
}

static void put(unsigned int reg, uint32_t value)
{
	rig_write(&rig, reg, 4, value);
}

static int setup(void **state)
{
	*state = &rig;
	rig_init(&rig);
	rig.clock.realtime = NOW * (int64_t)NSEC_PER_SEC;
	rig_plug(&rig, &pl031_class, 0x40001000, 0x1000, 1);
	return 0;
}

static void step(uint64_t ns)
{
	fake_clock_step(&rig.clock, ns);
}

static void test_reset_values(void **state)
{
	(void)state;
	assert_int_equal(get(RTCDR), NOW);
	assert_int_equal(get(RTCMR), 0);
	assert_int_equal(get(RTCLR), 0);
	assert_int_equal(get(RTCCR), 1); /* started, as firmware would have done */
	assert_int_equal(get(RTCIMSC), 0);
	assert_int_equal(get(RTCRIS), 0);
	assert_int_equal(get(RTCMIS), 0);
	assert_false(rig_line(&rig));
	assert_int_equal(rig.bus.misses, 0);
}

static void test_identification(void **state)
{
	uint32_t peripheral = primecell_rig_identify(&rig);

	(void)state;
	assert_int_equal(peripheral & 0xfff, 0x031); /* part number */
	assert_int_equal(peripheral >> 24, 0);
}

/* The registers are 32 bits wide and answer to nothing else. */
static void test_access_widths(void **state)
{
	(void)state;
	assert_int_equal(rig_read(&rig, RTCDR, 1), rig_unclaimed(1));
	assert_int_equal(rig_read(&rig, RTCDR, 2), rig_unclaimed(2));
	assert_int_equal(rig_read(&rig, RTCDR + 2, 4), rig_unclaimed(4));
	assert_int_equal(rig_read(&rig, 0xffd, 2), rig_unclaimed(2));
	rig_write(&rig, RTCMR, 2, 0x1234);
	rig_write(&rig, RTCMR + 1, 4, 0x1234);
	assert_int_equal(get(RTCMR), 0);
	rig_write(&rig, RTCMR, 8, 0x1111111122222222); /* two registers in one */
	assert_int_equal(get(RTCMR), 0x22222222);
	assert_int_equal(get(RTCLR), 0x11111111);
	assert_int_equal(rig_read(&rig, RTCMR, 8), 0x1111111122222222);
	assert_int_equal(rig.bus.misses, 6);
}

static void test_reserved_and_read_only(void **state)
{
	(void)state;
	assert_int_equal(get(0x020), rig_unclaimed(4));
	assert_int_equal(get(0xfdc), rig_unclaimed(4));
	assert_int_equal(get(RTCICR), rig_unclaimed(4)); /* write-only */
	assert_int_equal(rig.bus.misses, 3);
	put(RTCDR, 5);
	put(RTCRIS, 1);
	put(RTCMIS, 1);
	put(0xfe0, 0xff);
	assert_int_equal(rig.bus.misses, 7);
	assert_int_equal(get(RTCDR), NOW);
	assert_int_equal(get(RTCRIS), 0);
	assert_int_equal(get(0xfe0), 0x31);
}

static void test_counts_seconds(void **state)
{
	(void)state;
	step(NSEC_PER_SEC - 1);
	assert_int_equal(get(RTCDR), NOW);
	step(1);
	assert_int_equal(get(RTCDR), NOW + 1);
	step(86400 * NSEC_PER_SEC);
	assert_int_equal(get(RTCDR), NOW + 86401);
	assert_null(rig.clock.armed);
}

/* "Control Register": "once enabled, any writes ... have no effect". */
static void test_cannot_be_stopped(void **state)
{
	(void)state;
	put(RTCCR, 0);
	assert_int_equal(get(RTCCR), 1);
	step(NSEC_PER_SEC);
	assert_int_equal(get(RTCDR), NOW + 1);
}

static void test_load(void **state)
{
	(void)state;
	put(RTCLR, 1000);
	assert_int_equal(get(RTCLR), 1000);
	assert_int_equal(get(RTCDR), 1000);
	step(10 * NSEC_PER_SEC);
	assert_int_equal(get(RTCDR), 1010);
	assert_int_equal(get(RTCLR), 1000);
	put(RTCLR, 0xffffffff);
	assert_int_equal(get(RTCDR), 0xffffffff);
	step(NSEC_PER_SEC);
	assert_int_equal(get(RTCDR), 0); /* 32 bits wrap */
}

static void test_alarm(void **state)
{
	(void)state;
	step(250000000);
	put(RTCMR, NOW + 3);
	put(RTCIMSC, 1);
	assert_int_equal(get(RTCIMSC), 1);
	assert_int_equal(fake_clock_step(&rig.clock, 3 * NSEC_PER_SEC - 250000001), 0);
	assert_false(rig_line(&rig));
	step(1);
	assert_true(rig_line(&rig));
	assert_int_equal(get(RTCRIS), 1);
	assert_int_equal(get(RTCMIS), 1);
	assert_null(rig.clock.armed);
	put(RTCICR, 1);
	assert_false(rig_line(&rig));
	assert_int_equal(get(RTCRIS), 0);
	assert_int_equal(get(RTCMIS), 0);
	/* Still in the same second: it was one event. */
	assert_int_equal(get(RTCDR), NOW + 3);
	assert_int_equal(get(RTCRIS), 0);
}

/* Without an interrupt, by looking: not a second too early. */
static void test_alarm_by_polling(void **state)
{
	(void)state;
	put(RTCMR, NOW + 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(get(RTCRIS), 0);
		step(NSEC_PER_SEC);
	}
	assert_int_equal(get(RTCRIS), 1);
	assert_null(rig.clock.armed);
}

/* The raw status is set, masked or not; the mask decides about the line. */
static void test_mask(void **state)
{
	(void)state;
	put(RTCMR, NOW + 3);
	assert_null(rig.clock.armed);
	step(100 * NSEC_PER_SEC);
	assert_int_equal(get(RTCRIS), 1);
	assert_int_equal(get(RTCMIS), 0);
	assert_false(rig_line(&rig));
	put(RTCIMSC, 0xffffffff);
	assert_int_equal(get(RTCIMSC), 1);
	assert_true(rig_line(&rig));
	assert_int_equal(get(RTCMIS), 1);
	put(RTCIMSC, 0xfffffffe);
	assert_false(rig_line(&rig));
	assert_int_equal(get(RTCRIS), 1);
}

/* "When both values are equal": also when a register is written so. */
static void test_match_by_writing(void **state)
{
	(void)state;
	put(RTCIMSC, 1);
	put(RTCMR, NOW);
	assert_true(rig_line(&rig));
	put(RTCICR, 0); /* "by writing any data value" */
	assert_false(rig_line(&rig));
	put(RTCMR, 77);
	assert_false(rig_line(&rig));
	put(RTCLR, 77);
	assert_true(rig_line(&rig));
}

/* An alarm in the past comes when the counter is there again. */
static void test_alarm_around_the_wrap(void **state)
{
	(void)state;
	put(RTCLR, 0xfffffff0);
	put(RTCMR, 5);
	put(RTCIMSC, 1);
	step(20 * NSEC_PER_SEC);
	assert_false(rig_line(&rig));
	step(NSEC_PER_SEC);
	assert_true(rig_line(&rig));
	assert_int_equal(get(RTCDR), 5);
	put(RTCICR, 1);
	put(RTCMR, 4);
	assert_int_equal(fake_clock_next(&rig.clock)->deadline - rig.clock.monotonic,
			 0xffffffffULL * NSEC_PER_SEC);
}

static void test_alarm_moves(void **state)
{
	(void)state;
	put(RTCMR, NOW + 10);
	put(RTCIMSC, 1);
	step(5 * NSEC_PER_SEC);
	put(RTCMR, NOW + 20);
	step(10 * NSEC_PER_SEC);
	assert_false(rig_line(&rig));
	put(RTCLR, NOW + 18);
	step(2 * NSEC_PER_SEC);
	assert_true(rig_line(&rig));
	put(RTCICR, 1);
	put(RTCIMSC, 0);
	assert_null(rig.clock.armed);
}

static void test_host_clock_is_set(void **state)
{
	(void)state;
	put(RTCMR, NOW + 10);
	put(RTCIMSC, 1);
	rig.clock.realtime -= 3600 * (int64_t)NSEC_PER_SEC;
	assert_int_equal(get(RTCDR), NOW - 3600);
	assert_int_equal(get(RTCRIS), 0);
	rig.clock.realtime += 3700 * (int64_t)NSEC_PER_SEC;
	assert_int_equal(get(RTCDR), NOW + 100);
	assert_int_equal(get(RTCRIS), 1);
	assert_true(rig_line(&rig));
	rig.clock.realtime = -1; /* 1969 */
	assert_int_equal(get(RTCDR), 0xffffffff);
}

static void test_fuzz(void **state)
{
	uint64_t seed = 0x31031031;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t random = fake_random(&seed);

		if (random % 8 == 0)
			step((random >> 8) % (1000 * NSEC_PER_SEC));
		if (random % 8 == 1)
			put((random >> 8) % 8 * 4, get(RTCDR) + (random >> 16) % 16);
		rig_poke(&rig, &seed);

		fake_clock_step(&rig.clock, 0);
		assert_int_equal(rig_line(&rig), get(RTCMIS));
		assert_int_equal(get(RTCMIS), get(RTCRIS) & get(RTCIMSC));
		assert_int_equal(rig.clock.armed != NULL, get(RTCIMSC) && !get(RTCRIS));
		assert_int_equal(get(RTCCR), 1);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reset_values),
		TEST(test_identification),
		TEST(test_access_widths),
		TEST(test_reserved_and_read_only),
		TEST(test_counts_seconds),
		TEST(test_cannot_be_stopped),
		TEST(test_load),
		TEST(test_alarm),
		TEST(test_alarm_by_polling),
		TEST(test_mask),
		TEST(test_match_by_writing),
		TEST(test_alarm_around_the_wrap),
		TEST(test_alarm_moves),
		TEST(test_host_clock_is_set),
		TEST(test_fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
