// SPDX-License-Identifier: BSD-2-Clause
/* Flat binaries: files without a header, entered at their first byte (docs/machine.md). */
#include "tests/unit/boot_rig.h"

#define RAM       0x80000000ULL
#define PLACE     (RAM + 0x80000)
#define FILE_SIZE 0x21000U

static uint8_t file[FILE_SIZE];

static int setup(void **state)
{
	int ret = rig_setup(state);

	if (ret)
		return ret;
	fill_pattern(file, sizeof(file), 11);
	rig_machine(*state, PLATFORM_ARM, 32 * MIB, true);
	return 0;
}

static int load(struct rig *rig, bool with_initrd)
{
	struct boot_request req = {
		.kernel = rig->kernel,
		.initrd = with_initrd ? rig->initrd : NULL,
		.format = KERNEL_FLAT,
	};

	memset(&rig->boot, 0xa5, sizeof(rig->boot));
	return boot_load(&rig->boot, &req, &rig->m, &rig->mem, &rig->err);
}

static void expect_loaded(struct rig *rig)
{
	rig_file(rig->kernel, file, sizeof(file));
	assert_int_equal(load(rig, false), 0);
	assert_memory_equal(rig_ram(rig, PLACE, FILE_SIZE), file, FILE_SIZE);
	assert_int_equal(rig->boot.kernel_start, PLACE);
	assert_int_equal(rig->boot.kernel_end, PLACE + FILE_SIZE);
	assert_int_equal(rig->boot.entry, PLACE);
}

static void it_is_put_at_its_place_as_it_is(void **state)
{
	struct rig *rig = *state;

	expect_loaded(rig);
	assert_int_equal(rig_get(rig, PLACE - 1, 1), 0xa5);
	assert_int_equal(rig_get(rig, PLACE + FILE_SIZE, 1), 0xa5);
}

/* What it needs behind itself nobody knows. */
static void the_rest_is_as_far_away_as_can_be(void **state)
{
	static const char dtb[64] = "tree";
	struct rig *rig = *state;

	rig_file(rig->kernel, file, sizeof(file));
	rig_file(rig->initrd, "initrd", 6);
	assert_int_equal(load(rig, true), 0);
	assert_int_equal(rig->m.initrd.base, RAM + 32 * MIB - 4096);
	assert_int_equal(
		boot_finish(&rig->boot, &rig->m, &rig->mem, dtb, sizeof(dtb), &rig->entry, &rig->err), 0);
	assert_int_equal(rig->entry.mode, BOOT_ARM64);
	assert_int_equal(rig->entry.pc, PLACE);
	assert_int_equal(rig->entry.arg, RAM + 28 * MIB);
}

static void headers_do_not_count(void **state)
{
	struct rig *rig = *state;

	memcpy(file + 56, "ARM\x64", 4); /* an Image that asks for another place */
	put_le(file + 8, 8, 0x200000);
	put_le(file + 16, 8, 0x300000);
	expect_loaded(rig);
	put_le(file, 2, 0x8b1f); /* a gzip file */
	expect_loaded(rig);
}

static void a_file_that_is_too_large_is_refused(void **state)
{
	struct rig *rig = *state;

	rig_hole(rig->kernel, 28 * MIB);
	assert_int_equal(load(rig, false), 0); /* with the device tree behind it */
	rig_hole(rig->kernel, 30 * MIB - 0x80000 + 1);
	assert_int_equal(load(rig, false), -EINVAL);
	assert_non_null(strstr(rig->err.text, "-m 34M"));
	rig_hole(rig->kernel, 32 * MIB);
	assert_int_equal(load(rig, false), -EINVAL);
	assert_non_null(strstr(rig->err.text, "-m 33M"));
}

int main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		test(it_is_put_at_its_place_as_it_is),
		test(the_rest_is_as_far_away_as_can_be),
		test(headers_do_not_count),
		test(a_file_that_is_too_large_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
