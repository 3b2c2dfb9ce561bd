// SPDX-License-Identifier: BSD-2-Clause
/* The AML encodings, byte by byte from the ACPI Specification 6.5, chapters 6 and 20. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "boot/aml.h"

#define SIZE (1U << 21)

static uint8_t memory[SIZE];

static struct aml start(void)
{
	struct aml a;

	memset(memory, 0xcc, sizeof(memory));
	aml_init(&a, memory, sizeof(memory));
	return a;
}

#define expect(a, ...)                                                       \
	do {                                                                 \
		static const uint8_t expected_[] = { __VA_ARGS__ };          \
		assert_false((a)->full);                                     \
		assert_int_equal((a)->len, sizeof(expected_));               \
		assert_memory_equal((a)->buf, expected_, sizeof(expected_)); \
	} while (0)

static void integers(void **state)
{
	struct aml a = start();

	(void)state;
	aml_integer(&a, 0);
	aml_integer(&a, 1);
	aml_integer(&a, 2);
	aml_integer(&a, 0xff);
	aml_integer(&a, 0x100);
	aml_integer(&a, 0xffff);
	aml_integer(&a, 0x10000);
	aml_integer(&a, 0xffffffff);
	aml_integer(&a, 0x123456789abcdef0);
	expect(&a, 0x00, 0x01, 0x0a, 0x02, 0x0a, 0xff, 0x0b, 0x00, 0x01, 0x0b, 0xff, 0xff, 0x0c, 0x00, 0x00,
	       0x01, 0x00, 0x0c, 0xff, 0xff, 0xff, 0xff, 0x0e, 0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34,
	       0x12);
}

static void names_and_strings(void **state)
{
	struct aml a = start();

	(void)state;
	aml_name(&a, "_HID");
	aml_string(&a, "AB");
	expect(&a, 0x08, '_', 'H', 'I', 'D', 0x0d, 'A', 'B', 0x00);
}

static void scopes_devices_packages(void **state)
{
	struct aml a = start();
	size_t scope, device, package;

	(void)state;
	scope = aml_scope(&a, "_SB_");
	device = aml_device(&a, "COM1");
	aml_name(&a, "_UID");
	package = aml_package(&a, 2);
	aml_integer(&a, 5);
	aml_integer(&a, 0);
	aml_end(&a, package);
	aml_end(&a, device);
	aml_end(&a, scope);
	expect(&a, 0x10, 0x17, '_', 'S', 'B', '_',                /* ScopeOp, length 23 */
	       0x5b, 0x82, 0x10, 'C', 'O', 'M', '1',              /* DeviceOp, length 16 */
	       0x08, '_', 'U', 'I', 'D', 0x12, 5, 2, 0x0a, 5, 0); /* PackageOp, length 5, 2 elements */
}

static void methods(void **state)
{
	struct aml a = start();
	size_t method;

	(void)state;
	method = aml_method(&a, "_EVT", 1);
	aml_notify(&a, "PWRB", 0x80);
	aml_end(&a, method);
	expect(&a, 0x14, 0x0d, '_', 'E', 'V', 'T', 0x01, /* MethodOp, length 13, one argument */
	       0x86, 'P', 'W', 'R', 'B', 0x0a, 0x80);    /* NotifyOp, name, value */
}

static void buffers(void **state)
{
	struct aml a = start();

	(void)state;
	aml_buffer(&a, "xyz", 3);
	expect(&a, 0x11, 0x06, 0x0a, 0x03, 'x', 'y', 'z');
}

/* A scope whose contents are `content` bytes, its name among them; returns the encoded length field. */
static unsigned int length_of(size_t content, uint8_t encoded[4])
{
	static const uint8_t filler[SIZE];
	struct aml a = start();
	size_t place = aml_scope(&a, "NAME");
	unsigned int bytes;

	aml_bytes(&a, filler, content - 4);
	aml_end(&a, place);
	assert_false(a.full);
	bytes = (unsigned int)(a.len - 1 - content);
	memcpy(encoded, a.buf + 1, 4);
	assert_memory_equal(a.buf + 1 + bytes, "NAME", 4);
	return bytes;
}

/* Each length counts itself: 6 bits in one byte, 12 in two, 20 in three, 28 in four. */
static void package_lengths(void **state)
{
	uint8_t e[4];

	(void)state;
	assert_int_equal(length_of(4, e), 1);
	assert_int_equal(e[0], 5);
	assert_int_equal(length_of(62, e), 1);
	assert_int_equal(e[0], 63);

	assert_int_equal(length_of(63, e), 2); /* 65 = 0x041 */
	assert_int_equal(e[0], 0x41);
	assert_int_equal(e[1], 0x04);
	assert_int_equal(length_of(4093, e), 2); /* 4095 = 0xfff */
	assert_int_equal(e[0], 0x4f);
	assert_int_equal(e[1], 0xff);

	assert_int_equal(length_of(4094, e), 3); /* 4097 = 0x01001 */
	assert_int_equal(e[0], 0x81);
	assert_int_equal(e[1], 0x00);
	assert_int_equal(e[2], 0x01);
	assert_int_equal(length_of(0xfffff - 3, e), 3); /* 0xfffff */
	assert_int_equal(e[0], 0x8f);
	assert_int_equal(e[1], 0xff);
	assert_int_equal(e[2], 0xff);

	assert_int_equal(length_of(0xfffff - 2, e), 4); /* 0x100001 */
	assert_int_equal(e[0], 0xc1);
	assert_int_equal(e[1], 0x00);
	assert_int_equal(e[2], 0x00);
	assert_int_equal(e[3], 0x01);
}

static void resources(void **state)
{
	struct aml a = start();

	(void)state;
	aml_resource_io(&a, 0x3f8, 8);
	aml_resource_memory32(&a, 0xd0001000, 0x1000);
	aml_resource_interrupt(&a, 17, false);
	aml_resource_interrupt(&a, 18, true);
	aml_resource_end(&a);
	expect(&a, 0x47, 0x01, 0xf8, 0x03, 0xf8, 0x03, 0x01, 0x08, /* I/O port, 16-bit decode */
	       0x86, 0x09, 0x00, 0x01, 0x00, 0x10, 0x00, 0xd0, 0x00, 0x10, 0x00, 0x00, /* memory, writable */
	       0x89, 0x06, 0x00, 0x01, 0x01, 0x11, 0x00, 0x00, 0x00, /* consumer, level, high */
	       0x89, 0x06, 0x00, 0x03, 0x01, 0x12, 0x00, 0x00, 0x00, /* consumer, edge, high */
	       0x79, 0x00);
}

/* Whatever the room, nothing is written beyond it and the overflow is noticed. */
static void overflow(void **state)
{
	uint8_t small[64];
	struct aml a;

	(void)state;
	for (size_t room = 0; room < 22; room++) {
		size_t scope, device;

		memset(small, 0xcc, sizeof(small));
		aml_init(&a, small, room);
		scope = aml_scope(&a, "_SB_");
		device = aml_device(&a, "COM1");
		aml_name(&a, "_CRS");
		aml_buffer(&a, "x", 1);
		aml_end(&a, device);
		aml_end(&a, scope);
		assert_true(a.full); /* it takes 22 */
		assert_true(a.len <= room);
		for (size_t i = room; i < sizeof(small); i++)
			assert_int_equal(small[i], 0xcc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers),
		cmocka_unit_test(names_and_strings),
		cmocka_unit_test(scopes_devices_packages),
		cmocka_unit_test(methods),
		cmocka_unit_test(buffers),
		cmocka_unit_test(package_lengths),
		cmocka_unit_test(resources),
		cmocka_unit_test(overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
