// SPDX-License-Identifier: BSD-2-Clause
/*
 * An empty virtio-mmio slot against VIRTIO 1.2, "MMIO Device Register Layout".
 */
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
	(void)state;
	rig_init(&rig);
	rig_plug(&rig, &virtio_mmio_class, 0xd0000000, 0x1000, 16);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_finish(&rig);
	return 0;
}

static void test_placeholder(void **state)
{
	(void)state;
	assert_int_equal(rig_read(&rig, 0x000, 4), 0x74726976); /* "virt" */
	assert_int_equal(rig_read(&rig, 0x004, 4), 2);
	assert_int_equal(rig_read(&rig, 0x008, 4), 0); /* no device */
	assert_int_equal(rig_read(&rig, 0x00c, 4), 0x4f455256);
	assert_int_equal(rig.bus.misses, 0);
}

/* "only 32 bit wide and aligned reads and writes": anything else has no answer. */
static void test_access_widths(void **state)
{
	(void)state;
	for (unsigned int offset = 0; offset < 0x10; offset++)
		for (unsigned int size = 1; size <= 4; size *= 2)
			if (size != 4 || offset % 4)
				assert_int_equal(rig_read(&rig, offset, size), rig_unclaimed(size));
	assert_int_equal(rig_read(&rig, 0, 8), 0x274726976); /* two registers in one */
}

static void test_nothing_else_is_there(void **state)
{
	(void)state;
	for (unsigned int offset = 0x10; offset < 0x1000; offset += 4)
		assert_int_equal(rig_read(&rig, offset, 4), rig_unclaimed(4));
	for (unsigned int offset = 0; offset < 0x1000; offset += 4)
		rig_write(&rig, offset, 4, 0xffffffff);
	assert_int_equal(rig.bus.misses, 0x1000 / 4 - 4 + 0x1000 / 4);
	assert_int_equal(rig_read(&rig, 0x000, 4), 0x74726976);
}

static void test_fuzz(void **state)
{
	uint64_t seed = 0x76697274;

	(void)state;
	for (int i = 0; i < 20000; i++)
		rig_poke(&rig, &seed);
	assert_int_equal(rig_read(&rig, 0x008, 4), 0);
	assert_int_equal(rig.irqchip.raised[16], 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_placeholder),
		TEST(test_access_widths),
		TEST(test_nothing_else_is_there),
		TEST(test_fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
