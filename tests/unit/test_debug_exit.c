// SPDX-License-Identifier: BSD-2-Clause
/* The debug exit, by the convention of QEMU's isa-debug-exit: status (value << 1) | 1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/classes.h"
#include "tests/unit/fake.h"

static struct rig rig;

static int setup(void **state)
{
	*state = &rig;
	rig_init(&rig);
	rig_plug(&rig, &debug_exit_class, 0xf4, 4, 0);
	return 0;
}

static void the_value_becomes_the_status(void **state)
{
	static const struct {
		unsigned int size;
		uint64_t value;
		uint8_t status; /* the low 8 bits of value * 2 + 1 */
	} writes[] = {
		{ 1, 0, 1 },       { 1, 1, 3 },         { 1, 0x7f, 0xff },    { 1, 0x80, 1 },
		{ 1, 0xff, 0xff }, { 2, 0x1234, 0x69 }, { 4, 0x10000003, 7 }, { 4, 0xffffffff, 0xff },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		rig_write(&rig, 0, writes[i].size, writes[i].value);
		assert_int_equal(rig.leaves, i + 1);
		assert_int_equal(rig.status, writes[i].status);
	}
	assert_int_equal(rig.bus.misses, 0);
}

static void each_of_the_ports_will_do(void **state)
{
	(void)state;
	for (unsigned int offset = 0; offset < 4; offset++) {
		rig_write(&rig, offset, 1, offset);
		assert_int_equal(rig.leaves, offset + 1);
		assert_int_equal(rig.status, offset * 2 + 1);
	}
}

static void reading_ends_nothing(void **state)
{
	(void)state;
	for (unsigned int offset = 0; offset < 4; offset++)
		assert_int_equal(rig_read(&rig, offset, 1), 0);
	assert_int_equal(rig_read(&rig, 0, 4), 0);
	assert_int_equal(rig.leaves, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_value_becomes_the_status),
		TEST(each_of_the_ports_will_do),
		TEST(reading_ends_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
