// SPDX-License-Identifier: BSD-2-Clause
/*
 * The panic device against QEMU's docs/specs/pvpanic.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/classes.h"
#include "tests/unit/fake.h"

enum {
	PANICKED = 1,
	CRASH_LOADED = 2,
};

static struct rig rig;

static int setup(void **state)
{
	*state = &rig;
	rig_init(&rig);
	rig_plug(&rig, &pvpanic_class, 0x40002000, 2, 0);
	return 0;
}

/* "On read, the bits recognized by the device are set." */
static void test_supported_events(void **state)
{
	(void)state;
	assert_int_equal(rig_read(&rig, 0, 1), PANICKED | CRASH_LOADED);
	rig_write(&rig, 0, 1, 0);
	assert_int_equal(rig_read(&rig, 0, 1), PANICKED | CRASH_LOADED);
	assert_int_equal(rig.events[GUEST_PANIC], 0);
}

static void test_panic(void **state)
{
	(void)state;
	rig_write(&rig, 0, 1, PANICKED);
	assert_int_equal(rig.events[GUEST_PANIC], 1);
	rig_write(&rig, 0, 1, PANICKED | CRASH_LOADED);
	assert_int_equal(rig.events[GUEST_PANIC], 2);
	assert_int_equal(rig.events[GUEST_RESET] + rig.events[GUEST_POWEROFF], 0);
}

/* Bit 1: "should not affect the execution of the guest". Bits not recognized are ignored. */
static void test_others_are_ignored(void **state)
{
	(void)state;
	for (unsigned int value = 0; value < 256; value += 2)
		rig_write(&rig, 0, 1, value);
	assert_int_equal(rig.events[GUEST_PANIC], 0);
	assert_int_equal(rig.bus.misses, 0);
}

/* One byte; what is above it in wider accesses is not there. */
static void test_one_register(void **state)
{
	(void)state;
	assert_int_equal(rig_read(&rig, 1, 1), rig_unclaimed(1));
	assert_int_equal(rig_read(&rig, 0, 2), rig_unclaimed(1) << 8 | PANICKED | CRASH_LOADED);
	rig_write(&rig, 1, 1, PANICKED);
	rig_write(&rig, 0, 2, PANICKED << 8);
	assert_int_equal(rig.events[GUEST_PANIC], 0);
	assert_int_equal(rig.bus.misses, 4);
	rig_write(&rig, 0, 2, PANICKED);
	assert_int_equal(rig.events[GUEST_PANIC], 1);
}

static void test_fuzz(void **state)
{
	uint64_t seed = 0x505;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		rig_poke(&rig, &seed);
		assert_int_equal(rig_read(&rig, 0, 1), PANICKED | CRASH_LOADED);
	}
	assert_int_equal(rig.events[GUEST_RESET] + rig.events[GUEST_POWEROFF], 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_supported_events), TEST(test_panic), TEST(test_others_are_ignored),
		TEST(test_one_register),     TEST(test_fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
