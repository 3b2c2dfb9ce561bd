// SPDX-License-Identifier: BSD-2-Clause
/* The firmware configuration device against QEMU's docs/specs/fw_cfg, its items' widths included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/classes.h"
#include "devices/machine.h"
#include "tests/unit/fake.h"

enum { SELECTOR = 0, DATA = 1 };

static struct machine machine;
static struct rig rig;

static int setup(void **state)
{
	struct err err;

	*state = &rig;
	rig_init(&rig);
	if (machine_init(&machine, PLATFORM_PC, 254, 5ULL << 30, &err))
		return -1;
	rig.host.machine = &machine;
	rig_plug(&rig, &fw_cfg_class, 0x510, 2, 0);
	return 0;
}

static uint64_t item(uint16_t key, unsigned int bytes)
{
	uint64_t value = 0;

	rig_write(&rig, SELECTOR, 2, key);
	for (unsigned int i = 0; i < bytes; i++)
		value |= rig_read(&rig, DATA, 1) << 8 * i;
	return value;
}

static void items_tell_of_the_machine(void **state)
{
	(void)state;
	assert_int_equal(item(0x00, 4), 0x554d4551); /* "QEMU" */
	assert_int_equal(item(0x01, 4), 1);          /* the traditional interface alone */
	assert_int_equal(item(0x03, 8), 5ULL << 30);
	assert_int_equal(item(0x05, 2), 254);
	assert_int_equal(item(0x0f, 2), 254);
	assert_int_equal(rig.bus.misses, 0);
}

static void selecting_begins_anew(void **state)
{
	(void)state;
	assert_int_equal(item(0x00, 2), 'Q' | 'E' << 8);
	assert_int_equal(item(0x00, 4), 0x554d4551);
}

static void unknown_items_and_what_is_behind_an_end_read_zero(void **state)
{
	(void)state;
	for (unsigned int key = 0; key < 0x10000; key++)
		if (key > 0x0f || (key != 0 && key != 1 && key != 3 && key != 5 && key != 0x0f))
			assert_int_equal(item((uint16_t)key, 2), 0);
	assert_int_equal(item(0x05, 2), 254);
	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(rig_read(&rig, DATA, 1), 0);
}

static void the_signature_is_selected_first(void **state)
{
	(void)state;
	assert_int_equal(rig_read(&rig, DATA, 1), 'Q');
}

static void it_cannot_be_written(void **state)
{
	(void)state;
	item(0x05, 0);
	rig_write(&rig, DATA, 1, 7);
	rig_write(&rig, SELECTOR, 1, 3); /* half a selector selects nothing */
	assert_int_equal(rig.bus.misses, 2);
	assert_int_equal(rig_read(&rig, DATA, 1), 254);
	assert_int_equal(item(0x05, 2), 254);
}

static void any_access_is_harmless(void **state)
{
	uint64_t seed = 0x510;

	(void)state;
	for (int i = 0; i < 20000; i++)
		rig_poke(&rig, &seed);
	assert_int_equal(item(0x00, 4), 0x554d4551);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(items_tell_of_the_machine),
		TEST(selecting_begins_anew),
		TEST(unknown_items_and_what_is_behind_an_end_read_zero),
		TEST(the_signature_is_selected_first),
		TEST(it_cannot_be_written),
		TEST(any_access_is_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
