// SPDX-License-Identifier: BSD-2-Clause
/* How many virtio-mmio slots a definition takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmm/kinds.h"
#include "vmm/virtio.h"

static const struct device_kind disk = { .name = "disk" };
static const struct device_kind port = { .name = "port", .joined = true };

static unsigned int slots(enum console_choice console, struct device_config *device, unsigned int count)
{
	struct vm_config cfg = { .console = console, .devices = count ? device : NULL };

	for (unsigned int i = 0; i + 1 < count; i++)
		device[i].next = &device[i + 1];
	return virtio_slots(&cfg);
}

static void test_one_each(void **state)
{
	struct device_config device[3] = { { .kind = &disk }, { .kind = &disk }, { .kind = &disk } };

	(void)state;
	assert_int_equal(slots(CONSOLE_SERIAL, NULL, 0), 0);
	assert_int_equal(slots(CONSOLE_NULL, device, 3), 3);
}

static void test_ports_are_one(void **state)
{
	struct device_config device[4] = {
		{ .kind = &port }, { .kind = &disk }, { .kind = &port }, { .kind = &port }
	};
	struct device_config last[2] = { { .kind = &disk }, { .kind = &port } };

	(void)state;
	assert_int_equal(slots(CONSOLE_SERIAL, device, 4), 2);
	assert_int_equal(slots(CONSOLE_SERIAL, last, 2), 2);
}

static void test_the_virtio_console_is_one_more(void **state)
{
	struct device_config device[2] = { { .kind = &port }, { .kind = &port } };

	(void)state;
	assert_int_equal(slots(CONSOLE_VIRTIO, NULL, 0), 1);
	assert_int_equal(slots(CONSOLE_BOTH, NULL, 0), 1);
	assert_int_equal(slots(CONSOLE_BOTH, device, 2), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_each),
		cmocka_unit_test(test_ports_are_one),
		cmocka_unit_test(test_the_virtio_console_is_one_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
