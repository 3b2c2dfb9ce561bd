// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "devices/guestmem.h"

#define RAM_BASE 0x10000ULL
#define RAM_SIZE 0x1000ULL
#define ROM_BASE 0x20000ULL
#define ROM_SIZE 0x100ULL
#define TOP_SIZE 0x80ULL
#define TOP_BASE (UINT64_MAX - (TOP_SIZE - 1)) /* its last byte is the last of the address space */

static uint8_t ram[RAM_SIZE], rom[ROM_SIZE], top[TOP_SIZE];

static struct guest_mem three_ranges(void)
{
	struct guest_mem mem = { 0 };

	memset(ram, 0, sizeof(ram));
	memset(rom, 0x5a, sizeof(rom));
	memset(top, 0, sizeof(top));
	assert_int_equal(guest_mem_add(&mem, RAM_BASE, RAM_SIZE, ram, false), 0);
	assert_int_equal(guest_mem_add(&mem, ROM_BASE, ROM_SIZE, rom, true), 0);
	assert_int_equal(guest_mem_add(&mem, TOP_BASE, TOP_SIZE, top, false), 0);
	return mem;
}

static void finds_every_byte_of_a_range_and_none_beside_it(void **state)
{
	struct guest_mem mem = three_ranges();

	(void)state;
	assert_ptr_equal(guest_mem_ptr_write(&mem, RAM_BASE, 1), ram);
	assert_ptr_equal(guest_mem_ptr_write(&mem, RAM_BASE, RAM_SIZE), ram);
	assert_ptr_equal(guest_mem_ptr_write(&mem, RAM_BASE + RAM_SIZE - 1, 1), ram + RAM_SIZE - 1);
	assert_null(guest_mem_ptr_write(&mem, RAM_BASE - 1, 1));
	assert_null(guest_mem_ptr_write(&mem, RAM_BASE - 1, 2));
	assert_null(guest_mem_ptr_write(&mem, RAM_BASE + RAM_SIZE, 1));
	assert_null(guest_mem_ptr_write(&mem, 0, 1));
}

static void checks_the_whole_length(void **state)
{
	struct guest_mem mem = three_ranges();

	(void)state;
	assert_null(guest_mem_ptr_read(&mem, RAM_BASE, RAM_SIZE + 1));
	assert_null(guest_mem_ptr_read(&mem, RAM_BASE + 1, RAM_SIZE));
	assert_null(guest_mem_ptr_read(&mem, RAM_BASE + RAM_SIZE - 1, 2));
	assert_null(guest_mem_ptr_write(&mem, RAM_BASE + RAM_SIZE - 1, 2));
	assert_null(guest_mem_load(&mem, RAM_BASE + RAM_SIZE - 1, 2));
}

static void lengths_never_wrap_around(void **state)
{
	static const uint64_t hostile[] = {
		UINT64_MAX, UINT64_MAX - RAM_BASE, UINT64_MAX - RAM_BASE + 1, UINT64_MAX - RAM_BASE + 2,
		1ULL << 63, (uint64_t)0 - RAM_SIZE
	};
	struct guest_mem mem = three_ranges();

	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		assert_null(guest_mem_ptr_read(&mem, RAM_BASE, hostile[i]));
		assert_null(guest_mem_ptr_write(&mem, RAM_BASE + RAM_SIZE - 1, hostile[i]));
		assert_null(guest_mem_load(&mem, TOP_BASE, hostile[i]));
		assert_null(guest_mem_ptr_read(&mem, UINT64_MAX, hostile[i]));
	}
}

static void a_range_may_end_at_the_top_of_the_address_space(void **state)
{
	struct guest_mem mem = three_ranges();

	(void)state;
	assert_ptr_equal(guest_mem_ptr_write(&mem, UINT64_MAX, 1), top + TOP_SIZE - 1);
	assert_ptr_equal(guest_mem_ptr_write(&mem, TOP_BASE, TOP_SIZE), top);
	assert_null(guest_mem_ptr_write(&mem, UINT64_MAX, 2));
	assert_null(guest_mem_ptr_write(&mem, TOP_BASE - 1, 1));
}

static void an_access_lies_within_one_range(void **state)
{
	struct guest_mem mem = { 0 };

	(void)state;
	assert_int_equal(guest_mem_add(&mem, 0x1000, 0x800, ram, false), 0);
	assert_int_equal(guest_mem_add(&mem, 0x1800, 0x800, ram + 0x800, false), 0);
	assert_ptr_equal(guest_mem_ptr_read(&mem, 0x17ff, 1), ram + 0x7ff);
	assert_ptr_equal(guest_mem_ptr_read(&mem, 0x1800, 1), ram + 0x800);
	assert_null(guest_mem_ptr_read(&mem, 0x17ff, 2));
}

static void an_empty_access_has_no_address_but_succeeds(void **state)
{
	struct guest_mem mem = three_ranges();
	uint8_t byte = 0x77;

	(void)state;
	assert_null(guest_mem_ptr_read(&mem, RAM_BASE, 0));
	assert_null(guest_mem_ptr_write(&mem, RAM_BASE, 0));
	assert_null(guest_mem_load(&mem, RAM_BASE, 0));
	assert_int_equal(guest_mem_read(&mem, 0xdead0000, &byte, 0), 0);
	assert_int_equal(guest_mem_write(&mem, 0xdead0000, &byte, 0), 0);
	assert_int_equal(byte, 0x77);
}

static void a_guest_cannot_write_to_a_read_only_range(void **state)
{
	struct guest_mem mem = three_ranges();
	uint8_t byte = 1;

	(void)state;
	assert_ptr_equal(guest_mem_ptr_read(&mem, ROM_BASE, ROM_SIZE), rom);
	assert_null(guest_mem_ptr_write(&mem, ROM_BASE, 1));
	assert_int_equal(guest_mem_write(&mem, ROM_BASE, &byte, 1), -EFAULT);
	assert_int_equal(rom[0], 0x5a);
	assert_int_equal(guest_mem_read(&mem, ROM_BASE, &byte, 1), 0);
	assert_int_equal(byte, 0x5a);
	assert_ptr_equal(guest_mem_load(&mem, ROM_BASE, ROM_SIZE), rom);
}

static void nothing_is_loaded_into_a_window(void **state)
{
	struct guest_mem mem = { 0 };
	uint8_t byte = 1;

	(void)state;
	assert_int_equal(guest_mem_add(&mem, RAM_BASE, RAM_SIZE, ram, false), 0);
	assert_int_equal(guest_mem_add_window(&mem, ROM_BASE, ROM_SIZE, rom, false), 0);
	assert_int_equal(guest_mem_add_window(&mem, ROM_BASE, 1, rom, false), -EINVAL);
	assert_null(guest_mem_load(&mem, ROM_BASE, 1));
	assert_ptr_equal(guest_mem_load(&mem, RAM_BASE, 1), ram);
	/* To the guest and to devices it is memory like any other. */
	assert_ptr_equal(guest_mem_ptr_write(&mem, ROM_BASE, ROM_SIZE), rom);
	assert_int_equal(guest_mem_read(&mem, ROM_BASE, &byte, 1), 0);
}

static void copies_all_or_nothing(void **state)
{
	struct guest_mem mem = three_ranges();
	uint8_t in[4] = { 1, 2, 3, 4 }, out[4] = { 9, 9, 9, 9 };

	(void)state;
	assert_int_equal(guest_mem_write(&mem, RAM_BASE + 5, in, 4), 0);
	assert_memory_equal(ram + 5, in, 4);
	assert_int_equal(guest_mem_write(&mem, RAM_BASE + RAM_SIZE - 3, in, 4), -EFAULT);
	assert_int_equal(ram[RAM_SIZE - 3], 0);
	assert_int_equal(guest_mem_read(&mem, RAM_BASE + RAM_SIZE - 3, out, 4), -EFAULT);
	assert_int_equal(out[0], 9);
	assert_int_equal(guest_mem_read(&mem, RAM_BASE + 5, out, 4), 0);
	assert_memory_equal(out, in, 4);
}

static void refuses_bad_ranges(void **state)
{
	struct guest_mem mem = three_ranges();

	(void)state;
	assert_int_equal(guest_mem_add(&mem, 0x40000, 0, ram, false), -EINVAL);
	assert_int_equal(guest_mem_add(&mem, 0, 0, ram, false), -EINVAL);
	/* 2^64 and beyond */
	assert_int_equal(guest_mem_add(&mem, UINT64_MAX - 0xfff, 0x1001, ram, false), -EINVAL);
	assert_int_equal(guest_mem_add(&mem, 0x40000, UINT64_MAX, ram, false), -EINVAL);
	/* overlaps: the first byte, the last byte, inside, around, the same */
	assert_int_equal(guest_mem_add(&mem, RAM_BASE - 0x10, 0x11, ram, false), -EINVAL);
	assert_int_equal(guest_mem_add(&mem, RAM_BASE + RAM_SIZE - 1, 0x10, ram, false), -EINVAL);
	assert_int_equal(guest_mem_add(&mem, RAM_BASE + 1, 1, ram, false), -EINVAL);
	assert_int_equal(guest_mem_add(&mem, 0, 0x18000, ram, false), -EINVAL);
	assert_int_equal(guest_mem_add(&mem, RAM_BASE, RAM_SIZE, ram, false), -EINVAL);
	assert_int_equal(guest_mem_add(&mem, UINT64_MAX, 1, ram, false), -EINVAL);
	assert_int_equal(guest_mem_add(&mem, 0, UINT64_MAX, ram, false), -EINVAL);
	assert_int_equal(mem.count, 3);
	/* touching is not overlapping */
	assert_int_equal(guest_mem_add(&mem, RAM_BASE - 0x10, 0x10, ram, false), 0);
	assert_int_equal(guest_mem_add(&mem, RAM_BASE + RAM_SIZE, 0x10, ram, false), 0);
}

static void one_range_can_be_the_whole_address_space_but_one(void **state)
{
	struct guest_mem mem = { 0 };

	(void)state;
	assert_int_equal(guest_mem_add(&mem, 0, UINT64_MAX, ram, false), 0);
	assert_ptr_equal(guest_mem_ptr_read(&mem, 0, UINT64_MAX), ram);
	assert_null(guest_mem_ptr_read(&mem, 1, UINT64_MAX));
	assert_null(guest_mem_ptr_read(&mem, UINT64_MAX, 1));
}

static void the_table_is_bounded(void **state)
{
	struct guest_mem mem = { 0 };

	(void)state;
	for (uint64_t i = 0; i < GUEST_MEM_MAX_RANGES; i++)
		assert_int_equal(guest_mem_add(&mem, i * 0x1000, 0x1000, ram, false), 0);
	assert_int_equal(guest_mem_add(&mem, 0x100000, 0x1000, ram, false), -ENOSPC);
	assert_int_equal(mem.count, GUEST_MEM_MAX_RANGES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_every_byte_of_a_range_and_none_beside_it),
		cmocka_unit_test(checks_the_whole_length),
		cmocka_unit_test(lengths_never_wrap_around),
		cmocka_unit_test(a_range_may_end_at_the_top_of_the_address_space),
		cmocka_unit_test(an_access_lies_within_one_range),
		cmocka_unit_test(an_empty_access_has_no_address_but_succeeds),
		cmocka_unit_test(a_guest_cannot_write_to_a_read_only_range),
		cmocka_unit_test(nothing_is_loaded_into_a_window),
		cmocka_unit_test(copies_all_or_nothing),
		cmocka_unit_test(refuses_bad_ranges),
		cmocka_unit_test(one_range_can_be_the_whole_address_space_but_one),
		cmocka_unit_test(the_table_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
