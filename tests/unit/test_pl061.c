// SPDX-License-Identifier: BSD-2-Clause
/*
 * Arm's GPIO controller against the PL061 Technical Reference Manual (DDI 0190), section titles in quotes,
 * and the power button on its pin 3.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/classes.h"
#include "tests/unit/fake.h"
#include "tests/unit/primecell_rig.h"

/* "Summary of PrimeCell GPIO registers" */
enum {
	GPIODATA = 0x000,
	GPIODIR = 0x400,
	GPIOIS = 0x404,
	GPIOIBE = 0x408,
	GPIOIEV = 0x40c,
	GPIOIE = 0x410,
	GPIORIS = 0x414,
	GPIOMIS = 0x418,
	GPIOIC = 0x41c,
	GPIOAFSEL = 0x420,
};

#define BUTTON 0x08
#define MSEC   1000000ULL

static struct rig rig;

static uint32_t get(unsigned int reg)
{
	return (uint32_t)rig_read(&rig, reg, 1);
}

static void put(unsigned int reg, uint32_t value)
{
	rig_write(&rig, reg, 1, value);
}

/* GPIODATA with a mask in bits 9:2 of the address. */
static unsigned int data(uint8_t mask)
{
	return GPIODATA + mask * 4u;
}

static int setup(void **state)
{
	*state = &rig;
	rig_init(&rig);
	rig_plug(&rig, &pl061_class, 0x40003000, 0x1000, 2);
	return 0;
}

static void step(uint64_t ns)
{
	fake_clock_step(&rig.clock, ns);
}

static bool press(void)
{
	return pl061_class.press_power(rig.dev);
}

static void test_reset_values(void **state)
{
	(void)state;
	for (unsigned int reg = GPIODIR; reg <= GPIOAFSEL; reg += 4)
		if (reg != GPIOIC)
			assert_int_equal(get(reg), 0);
	assert_int_equal(get(data(0xff)), 0);
	assert_false(rig_line(&rig));
	assert_int_equal(rig.bus.misses, 0);
}

static void test_identification(void **state)
{
	(void)state;
	assert_int_equal(primecell_rig_identify(&rig) & 0xfff, 0x061); /* part number */
}

/* Eight bits at every word, by bytes (as Linux does) or words. */
static void test_access_widths(void **state)
{
	(void)state;
	rig_write(&rig, GPIODIR, 4, 0xffffff5a);
	assert_int_equal(rig_read(&rig, GPIODIR, 1), 0x5a);
	assert_int_equal(rig_read(&rig, GPIODIR, 2), 0x5a);
	assert_int_equal(rig_read(&rig, GPIODIR, 4), 0x5a);
	assert_int_equal(rig.bus.misses, 0);
	assert_int_equal(rig_read(&rig, GPIODIR + 1, 1), rig_unclaimed(1));
	rig_write(&rig, GPIODIR + 2, 2, 0xff);
	assert_int_equal(get(GPIODIR), 0x5a);
	assert_int_equal(rig.bus.misses, 2);
}

static void test_registers_keep_what_is_written(void **state)
{
	static const unsigned int regs[] = { GPIODIR, GPIOIS, GPIOIBE, GPIOIEV, GPIOIE, GPIOAFSEL };

	(void)state;
	for (unsigned int i = 0; i < 6; i++) {
		put(regs[i], 0xa0 + i);
		assert_int_equal(get(regs[i]), 0xa0 + i);
	}
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(get(regs[i]), 0xa0 + i);
}

static void test_reserved_and_read_only(void **state)
{
	(void)state;
	assert_int_equal(get(0x424), rig_unclaimed(1));
	assert_int_equal(get(0xfdc), rig_unclaimed(1));
	assert_int_equal(get(GPIOIC), rig_unclaimed(1)); /* write-only */
	assert_int_equal(rig.bus.misses, 3);
	put(GPIORIS, 0xff);
	put(GPIOMIS, 0xff);
	put(0xfe0, 0xff);
	assert_int_equal(rig.bus.misses, 6);
	assert_int_equal(get(GPIORIS), 0);
	assert_int_equal(get(0xfe0), 0x61);
}

/* "Data register": bits 9:2 of the address are the mask; 0x098 is bits 5, 2 and 1, 0x0c4 is bits 5, 4 and 0. */
static void test_the_address_masks_the_data(void **state)
{
	(void)state;
	put(GPIODIR, 0xff);
	put(0x098, 0xfb);
	assert_int_equal(get(data(0xff)), 0x22);
	put(data(0xff), 0xfe);
	assert_int_equal(get(0x0c4), 0x30);
	put(data(0x00), 0x01);
	assert_int_equal(get(data(0xff)), 0xfe);
}

/* "Data register": an input's bit is the pin's, and what is written to it has no effect. */
static void test_inputs_are_not_written(void **state)
{
	(void)state;
	put(GPIODIR, 0x0f);
	put(data(0xff), 0xff);
	assert_int_equal(get(data(0xff)), 0x0f);
	put(GPIODIR, 0xff);
	assert_int_equal(get(data(0xff)), 0x0f);
}

/* "Interrupt control": one edge or the other, or both; latched until cleared. Pins driven by the guest itself. */
static void test_edges(void **state)
{
	(void)state;
	put(GPIODIR, 0xff);
	put(GPIOIEV, 0x01);    /* bit 0: rising; bit 1: falling */
	put(GPIOIBE, 0x04);    /* bit 2: both */
	put(data(0xff), 0x07); /* all rise */
	assert_int_equal(get(GPIORIS), 0x05);
	assert_int_equal(get(GPIOMIS), 0);
	assert_false(rig_line(&rig));
	put(GPIOIE, 0x04);
	assert_int_equal(get(GPIOMIS), 0x04);
	assert_true(rig_line(&rig));
	put(GPIOIC, 0x01);
	assert_int_equal(get(GPIORIS), 0x04);
	assert_true(rig_line(&rig));
	put(GPIOIC, 0x04);
	assert_int_equal(get(GPIORIS), 0);
	assert_false(rig_line(&rig));
	put(data(0xff), 0x00); /* all fall */
	assert_int_equal(get(GPIORIS), 0x06);
	assert_true(rig_line(&rig));
}

static void test_levels(void **state)
{
	(void)state;
	put(GPIODIR, 0xff);
	put(GPIOIS, 0x03);
	put(GPIOIEV, 0x01); /* bit 0: high, bit 1: low */
	assert_int_equal(get(GPIORIS), 0x02);
	put(GPIOIE, 0x01);
	assert_false(rig_line(&rig));
	put(data(0xff), 0x03);
	assert_int_equal(get(GPIORIS), 0x01);
	assert_true(rig_line(&rig));
	put(GPIOIC, 0xff); /* "clears edges": a level stays */
	assert_int_equal(get(GPIORIS), 0x01);
	assert_true(rig_line(&rig));
	put(data(0xff), 0x00);
	assert_false(rig_line(&rig));
}

/* As Linux's gpio-keys has it: both edges, one interrupt each, the pin looked at in between. */
static void test_the_button(void **state)
{
	(void)state;
	put(GPIOIBE, BUTTON);
	put(GPIOIE, BUTTON);
	assert_true(press());
	assert_true(rig_line(&rig));
	assert_int_equal(get(GPIOMIS), BUTTON);
	put(GPIOIC, BUTTON);
	assert_false(rig_line(&rig));
	step(5 * MSEC);
	assert_int_equal(get(data(BUTTON)), BUTTON);
	step(94 * MSEC);
	assert_int_equal(get(data(BUTTON)), BUTTON);
	assert_false(rig_line(&rig));
	step(1 * MSEC);
	assert_true(rig_line(&rig));
	assert_int_equal(get(data(BUTTON)), 0);
	put(GPIOIC, BUTTON);
	assert_false(rig_line(&rig));
	assert_null(rig.clock.armed);
}

/* However late the guest looks, it finds the button down once. */
static void test_the_button_of_a_slow_guest(void **state)
{
	(void)state;
	put(GPIOIBE, BUTTON);
	put(GPIOIE, BUTTON);
	assert_true(press());
	put(GPIOIC, BUTTON);
	step(60000 * MSEC);
	assert_false(rig_line(&rig));
	assert_int_equal(get(data(0xf7)), 0); /* did not look at it */
	assert_int_equal(get(data(0xff)), BUTTON);
	assert_true(rig_line(&rig)); /* the edge of the release */
	assert_int_equal(get(data(0xff)), 0);
}

/* An edge again, seen or not. */
static void test_the_button_twice(void **state)
{
	(void)state;
	put(GPIOIEV, BUTTON);
	put(GPIOIE, BUTTON);
	for (unsigned int i = 1; i <= 3; i++) {
		assert_true(press());
		assert_int_equal(rig.irqchip.raised[2], i);
		put(GPIOIC, BUTTON);
		assert_false(rig_line(&rig));
		step(i == 2 ? 1000 * MSEC : 50 * MSEC);
	}
	assert_int_equal(get(data(BUTTON)), BUTTON);
	step(100 * MSEC);
	assert_int_equal(get(data(BUTTON)), 0);
}

/* What the guest cannot hear is not said to have been pressed. */
static void test_the_button_of_a_deaf_guest(void **state)
{
	(void)state;
	assert_false(press());
	put(GPIOIE, 0xff & ~BUTTON);
	assert_false(press());
	put(GPIOIE, BUTTON);
	put(GPIODIR, BUTTON); /* an output does not listen */
	assert_false(press());
	assert_null(rig.clock.armed);
	assert_int_equal(get(data(0xff)), 0);
	assert_int_equal(get(GPIORIS), 0);
	put(GPIODIR, 0);
	assert_true(press());
	step(100 * MSEC);
}

/* With the machine gone, nothing is left of a press. */
static void test_destroyed_while_pressed(void **state)
{
	(void)state;
	put(GPIOIE, BUTTON);
	assert_true(press());
	assert_non_null(rig.clock.armed);
}

static void test_fuzz(void **state)
{
	uint64_t seed = 0x61061061;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t random = fake_random(&seed);

		if (random % 8 == 0)
			step((random >> 8) % (200 * MSEC));
		if (random % 8 == 1)
			assert_int_equal(press(), (get(GPIOIE) & ~get(GPIODIR) & BUTTON) != 0);
		rig_poke(&rig, &seed);
		assert_int_equal(rig_line(&rig), get(GPIOMIS) != 0);
		assert_int_equal(get(GPIOMIS), get(GPIORIS) & get(GPIOIE));
		assert_int_equal(get(data(0xff)) & ~get(GPIODIR) & ~BUTTON & 0xff, 0);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reset_values),
		TEST(test_identification),
		TEST(test_access_widths),
		TEST(test_registers_keep_what_is_written),
		TEST(test_reserved_and_read_only),
		TEST(test_the_address_masks_the_data),
		TEST(test_inputs_are_not_written),
		TEST(test_edges),
		TEST(test_levels),
		TEST(test_the_button),
		TEST(test_the_button_of_a_slow_guest),
		TEST(test_the_button_twice),
		TEST(test_the_button_of_a_deaf_guest),
		TEST(test_destroyed_while_pressed),
		TEST(test_fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
