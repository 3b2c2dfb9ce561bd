// SPDX-License-Identifier: BSD-2-Clause
/*
 * The keyboard controller without a keyboard: resets as guests ask for them, and quick answers for
 * those who look for devices.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/classes.h"
#include "tests/unit/fake.h"

enum {
	DATA = 0,
	COMMAND = 4,
	STATUS = 4,

	OUTPUT_FULL = 0x01,
	INPUT_FULL = 0x02,
	AUX_OUTPUT = 0x20,
	TIMEOUT = 0x40,
};

static struct rig rig;

static int setup(void **state)
{
	*state = &rig;
	rig_init(&rig);
	rig_plug(&rig, &i8042_class, 0x60, 5, 0);
	return 0;
}

static uint8_t status(void)
{
	return (uint8_t)rig_read(&rig, STATUS, 1);
}

/* The answer to a command: it must be there at once. */
static uint8_t ask(uint8_t command)
{
	rig_write(&rig, COMMAND, 1, command);
	assert_true(status() & OUTPUT_FULL);
	return (uint8_t)rig_read(&rig, DATA, 1);
}

static void tell(uint8_t command, uint8_t parameter)
{
	rig_write(&rig, COMMAND, 1, command);
	rig_write(&rig, DATA, 1, parameter);
}

static void test_reset_state(void **state)
{
	(void)state;
	assert_int_equal(status(), 0x14); /* system flag, keyboard not locked, buffers empty */
	assert_int_equal(rig_read(&rig, DATA, 1), 0);
	assert_int_equal(rig.bus.misses, 0);
}

/* 0x61 to 0x63 belong to others. */
static void test_ports(void **state)
{
	(void)state;
	for (unsigned int offset = 1; offset < 4; offset++) {
		assert_int_equal(rig_read(&rig, offset, 1), rig_unclaimed(1));
		rig_write(&rig, offset, 1, 0xfe);
	}
	assert_int_equal(rig.bus.misses, 6);
	assert_int_equal(rig.events[GUEST_RESET], 0);
}

/* "Pulse output bits": bit 0 low is the reset. Linux writes 0xfe when the input buffer is empty. */
static void test_pulse_reset(void **state)
{
	unsigned int resets = 0;

	(void)state;
	for (unsigned int command = 0xf0; command < 0x100; command++) {
		assert_false(status() & INPUT_FULL);
		rig_write(&rig, COMMAND, 1, command);
		resets += !(command & 1);
		assert_int_equal(rig.events[GUEST_RESET], resets);
	}
	rig_write(&rig, DATA, 1, 0xfe); /* as data it is just a byte */
	assert_int_equal(rig.events[GUEST_RESET], resets);
	assert_int_equal(rig.events[GUEST_PANIC] + rig.events[GUEST_POWEROFF], 0);
}

static void test_output_port_reset(void **state)
{
	(void)state;
	assert_int_equal(ask(0xd0), 0x03); /* running, address line 20 enabled */
	tell(0xd1, 0xdf);
	assert_int_equal(ask(0xd0), 0xdf);
	assert_int_equal(rig.events[GUEST_RESET], 0);
	tell(0xd1, 0xde);
	assert_int_equal(rig.events[GUEST_RESET], 1);
	assert_int_equal(ask(0xd0), 0xdf); /* released again */
}

/* Only the byte after the command is its parameter, and only if no command comes between. */
static void test_parameters(void **state)
{
	(void)state;
	rig_write(&rig, COMMAND, 1, 0xd1);
	rig_write(&rig, COMMAND, 1, 0xae);
	rig_write(&rig, DATA, 1, 0x00);
	assert_int_equal(rig.events[GUEST_RESET], 0);
	tell(0xd1, 0x03);
	rig_write(&rig, DATA, 1, 0x00);
	assert_int_equal(rig.events[GUEST_RESET], 0);
}

static void test_command_byte(void **state)
{
	(void)state;
	assert_int_equal(ask(0x20), 0x34); /* system flag, both interfaces off */
	assert_int_equal(ask(0x20), 0x34);
	tell(0x60, 0x61);
	assert_int_equal(ask(0x20), 0x61);
	assert_false(status() & 0x04); /* the system flag is that of the command byte */
	rig_write(&rig, COMMAND, 1, 0xad);
	assert_int_equal(ask(0x20), 0x71);
	rig_write(&rig, COMMAND, 1, 0xa8);
	assert_int_equal(ask(0x20), 0x51);
	rig_write(&rig, COMMAND, 1, 0xae);
	rig_write(&rig, COMMAND, 1, 0xa7);
	assert_int_equal(ask(0x20), 0x61);
}

static void test_self_tests(void **state)
{
	(void)state;
	assert_int_equal(ask(0xaa), 0x55);
	assert_int_equal(ask(0xab), 0x01); /* keyboard: clock line stuck low */
	assert_int_equal(ask(0xa9), 0x01); /* mouse: the same */
	assert_false(status() & (OUTPUT_FULL | AUX_OUTPUT));
}

/* A byte to the keyboard or the mouse times out at once. */
static void test_nobody_answers(void **state)
{
	(void)state;
	for (int mouse = 0; mouse < 2; mouse++) {
		if (mouse)
			rig_write(&rig, COMMAND, 1, 0xd4);
		rig_write(&rig, DATA, 1, 0xf2); /* identify */
		assert_int_equal(status() & (OUTPUT_FULL | TIMEOUT | AUX_OUTPUT), OUTPUT_FULL | TIMEOUT);
		assert_int_equal(rig_read(&rig, DATA, 1), 0xfe);
		assert_int_equal(status() & (OUTPUT_FULL | TIMEOUT), 0);
	}
	assert_int_equal(ask(0xaa), 0x55);
	assert_false(status() & TIMEOUT);
}

/* Linux looks for a mouse by the loopback command: the answer must not come from an auxiliary port. */
static void test_no_mouse(void **state)
{
	(void)state;
	tell(0xd3, 0x5a);
	assert_int_equal(status() & (OUTPUT_FULL | AUX_OUTPUT), OUTPUT_FULL);
	assert_int_equal(rig_read(&rig, DATA, 1), 0x5a);
	tell(0xd2, 0x77);
	assert_int_equal(rig_read(&rig, DATA, 1), 0x77);
}

/* Status bit 3 tells commands from data. */
static void test_command_bit(void **state)
{
	(void)state;
	assert_false(status() & 0x08);
	rig_write(&rig, COMMAND, 1, 0xae);
	assert_true(status() & 0x08);
	rig_write(&rig, DATA, 1, 0);
	assert_false(status() & 0x08);
	assert_true(status() & OUTPUT_FULL);
	rig_write(&rig, COMMAND, 1, 0xae); /* does not take away what has not been read */
	assert_true(status() & OUTPUT_FULL);
	assert_int_equal(rig.bus.misses, 0);
}

static void test_fuzz(void **state)
{
	uint64_t seed = 0x8042;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		rig_poke(&rig, &seed);
		assert_int_equal(status() & (INPUT_FULL | AUX_OUTPUT | 0x80), 0);
		assert_int_equal(status() & 0x10, 0x10);
	}
	assert_int_equal(rig.events[GUEST_PANIC] + rig.events[GUEST_POWEROFF], 0);
	assert_int_equal(ask(0xaa), 0x55);
	assert_int_equal(ask(0xd0) & 1, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reset_state),       TEST(test_ports),          TEST(test_pulse_reset),
		TEST(test_output_port_reset), TEST(test_parameters),     TEST(test_command_byte),
		TEST(test_self_tests),        TEST(test_nobody_answers), TEST(test_no_mouse),
		TEST(test_command_bit),       TEST(test_fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
