// SPDX-License-Identifier: BSD-2-Clause
/*
 * Power off and reset against the ACPI Specification 6.5, "Sleep Control and Status Registers" and
 * "Reset Register", by the constants that the ACPI tables are made from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/acpi_power.h"
#include "devices/classes.h"
#include "tests/unit/fake.h"

#define SLP_EN       0x20
#define SLP_TYP(typ) ((typ) << 2)

static struct rig rig;

static int setup(void **state)
{
	*state = &rig;
	rig_init(&rig);
	rig_plug(&rig, &acpi_power_class, 0x600, ACPI_POWER_SIZE, 9);
	return 0;
}

static unsigned int events(void)
{
	return rig.events[GUEST_POWEROFF] + rig.events[GUEST_RESET] + rig.events[GUEST_PANIC];
}

static void test_power_off(void **state)
{
	(void)state;
	rig_write(&rig, ACPI_POWER_SLEEP_CONTROL, 1, SLP_TYP(ACPI_POWER_SLP_TYP_S5));
	assert_int_equal(events(), 0);
	rig_write(&rig, ACPI_POWER_SLEEP_CONTROL, 1, SLP_TYP(ACPI_POWER_SLP_TYP_S5) | SLP_EN);
	assert_int_equal(rig.events[GUEST_POWEROFF], 1);
	assert_int_equal(events(), 1);
}

/* Only the state that _S5 names exists. */
static void test_other_sleep_types(void **state)
{
	(void)state;
	for (unsigned int typ = 0; typ < 8; typ++)
		if (typ != ACPI_POWER_SLP_TYP_S5)
			rig_write(&rig, ACPI_POWER_SLEEP_CONTROL, 1, SLP_TYP(typ) | SLP_EN);
	assert_int_equal(events(), 0);
}

/* SLP_EN is write-only and reads 0; reserved bits read 0. */
static void test_sleep_control_reads_back(void **state)
{
	(void)state;
	assert_int_equal(rig_read(&rig, ACPI_POWER_SLEEP_CONTROL, 1), 0);
	rig_write(&rig, ACPI_POWER_SLEEP_CONTROL, 1, 0xff); /* SLP_TYP 7 */
	assert_int_equal(rig_read(&rig, ACPI_POWER_SLEEP_CONTROL, 1), SLP_TYP(7));
	assert_int_equal(events(), 0);
	/* Reserved bits do not matter. */
	rig_write(&rig, ACPI_POWER_SLEEP_CONTROL, 1, 0xc3 | SLP_TYP(ACPI_POWER_SLP_TYP_S5) | SLP_EN);
	assert_int_equal(rig.events[GUEST_POWEROFF], 1);
}

/* WAK_STS: never set, cleared by writing 1. */
static void test_sleep_status(void **state)
{
	(void)state;
	assert_int_equal(rig_read(&rig, ACPI_POWER_SLEEP_STATUS, 1), 0);
	rig_write(&rig, ACPI_POWER_SLEEP_STATUS, 1, 0x80);
	assert_int_equal(rig_read(&rig, ACPI_POWER_SLEEP_STATUS, 1), 0);
	assert_int_equal(events(), 0);
	assert_int_equal(rig.bus.misses, 0);
}

static void test_reset(void **state)
{
	(void)state;
	for (unsigned int value = 0; value < 256; value++)
		if (value != ACPI_POWER_RESET_VALUE)
			rig_write(&rig, ACPI_POWER_RESET, 1, value);
	assert_int_equal(events(), 0);
	assert_int_equal(rig_read(&rig, ACPI_POWER_RESET, 1), rig_unclaimed(1));
	rig_write(&rig, ACPI_POWER_RESET, 1, ACPI_POWER_RESET_VALUE);
	assert_int_equal(rig.events[GUEST_RESET], 1);
	assert_int_equal(events(), 1);
}

/* An edge, and the line is free for the next one. */
static void test_the_button_is_an_edge(void **state)
{
	(void)state;
	assert_true(acpi_power_class.edge);
	for (unsigned int i = 1; i <= 3; i++) {
		assert_true(acpi_power_class.press_power(rig.dev));
		assert_int_equal(rig.irqchip.raised[9], i);
		assert_false(rig_line(&rig));
	}
	assert_int_equal(events(), 0); /* what comes of it is the guest's affair */
}

/* What the guest cannot hear is not said to have been pressed. */
static void test_the_button_of_a_deaf_guest(void **state)
{
	(void)state;
	rig.irqchip.masked[9] = true;
	assert_false(acpi_power_class.press_power(rig.dev));
	assert_int_equal(rig.irqchip.raised[9], 0);
	rig.irqchip.masked[9] = false;
	assert_true(acpi_power_class.press_power(rig.dev));
	assert_int_equal(rig.irqchip.raised[9], 1);
}

static void test_fuzz(void **state)
{
	uint64_t seed = 0x600;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		rig_poke(&rig, &seed);
		assert_int_equal(rig_read(&rig, ACPI_POWER_SLEEP_CONTROL, 1) & ~SLP_TYP(7), 0);
		assert_int_equal(rig_read(&rig, ACPI_POWER_SLEEP_STATUS, 1), 0);
	}
	assert_int_equal(rig.events[GUEST_PANIC], 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_power_off),
		TEST(test_other_sleep_types),
		TEST(test_sleep_control_reads_back),
		TEST(test_sleep_status),
		TEST(test_reset),
		TEST(test_the_button_is_an_edge),
		TEST(test_the_button_of_a_deaf_guest),
		TEST(test_fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
