// SPDX-License-Identifier: BSD-2-Clause
/* The modules in the built-in initramfs: unpacked, under their own names; and those that cannot be unpacked. */
#include "tests/unit/packer.h"

#include "tests/unit/cpio_reader.h"

#include <stdio.h>
#include <unistd.h>

#include "tests/unit/file_rig.h"
#include "vmm/initramfs.h"

static char dir[64], kernel[96];
static const char *const files[] = { "kernel",  "modules.dep", "modules.builtin", "a.ko",
				     "b.ko.gz", "c.ko.xz",     "d.ko.zst",        "e.ko.lz4" };
static uint8_t packed[16384];
static struct boot_initrd initramfs;
static struct err err;

static void write_file(const char *name, const void *data, size_t size)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file_rig_write(path, data, size);
}

static void write_text(const char *name, const char *text)
{
	write_file(name, text, strlen(text));
}

static void write_packed(const char *name, enum packing packing, const char *text)
{
	write_file(name, packed, pack(packing, text, strlen(text), packed, sizeof(packed)));
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/vireo-initramfs.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(kernel, sizeof(kernel), "%s/kernel", dir);
	write_text("kernel", "....Linux version 6.1.9 (x)....");
	write_text("modules.dep",
		   "a.ko:\nb.ko.gz: a.ko\nc.ko.xz: b.ko.gz a.ko\nd.ko.zst: c.ko.xz\ne.ko.lz4:\n");
	write_text("modules.builtin", "");
	write_text("a.ko", "module a");
	write_packed("b.ko.gz", PACKED_GZIP, "module b");
	write_packed("c.ko.xz", PACKED_XZ, "module c");
	write_packed("d.ko.zst", PACKED_ZSTD, "module d");
	return 0;
}

static int teardown(void **state)
{
	char path[96];

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static int build(const char *module)
{
	const char *const modules[] = { module, NULL };
	const struct initramfs_request req = { .modules = modules, .kernel = kernel, .modules_dir = dir };

	return initramfs_build(&initramfs, &req, &err);
}

static void expect_file(const char *name, const char *text)
{
	struct entry entry = { 0 };

	for (size_t at = 0; strcmp(entry.name, "TRAILER!!!");) {
		at = read_entry(initramfs.data, initramfs.size, at, &entry);
		if (strcmp(entry.name, name) != 0)
			continue;
		assert_int_equal(entry.size, strlen(text));
		assert_memory_equal(entry.data, text, entry.size);
		return;
	}
	fail_msg("%s is not there", name);
}

static void modules_are_unpacked(void **state)
{
	(void)state;
	assert_int_equal(build("d"), 0);
	expect_file("lib/c.ko", "module c");
	expect_file("lib/d.ko", "module d");
	expect_file("modules", "c.ko\nd.ko\n");
	initramfs_free(&initramfs);
	assert_int_equal(build("c"), 0);
	expect_file("lib/a.ko", "module a");
	expect_file("lib/b.ko", "module b");
	expect_file("lib/c.ko", "module c");
	expect_file("modules", "a.ko\nb.ko\nc.ko\n");
	initramfs_free(&initramfs);
}

/* One line: which file, what is wrong with it, what to do. */
static void expect_refused(const char *module, const char *file, const char *why)
{
	assert_int_equal(build(module), -EINVAL);
	assert_int_equal(err.kind, ERR_USER);
	if (!strstr(err.text, dir) || !strstr(err.text, file) || !strstr(err.text, why))
		fail_msg("expected is %s of %s/%s, not: %s", why, dir, file, err.text);
	assert_non_null(strstr(err.text, "--modules DIR"));
}

static void those_that_are_cut_or_damaged(void **state)
{
	static const struct {
		const char *name, *file;
		enum packing packing;
	} kinds[] = { { "b", "b.ko.gz", PACKED_GZIP },
		      { "c", "c.ko.xz", PACKED_XZ },
		      { "d", "d.ko.zst", PACKED_ZSTD } };
	const char text[] = "a module that is not at all as it was written when its kernel was installed";

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		size_t size = pack(kinds[i].packing, text, sizeof(text), packed, sizeof(packed));

		write_file(kinds[i].file, packed, size - 3);
		expect_refused(kinds[i].name, kinds[i].file, "it ends too early");
		write_file(kinds[i].file, packed, size / 2);
		expect_refused(kinds[i].name, kinds[i].file, "it ends too early");
		packed[size / 2] ^= 0x10;
		write_file(kinds[i].file, packed, size);
		expect_refused(kinds[i].name, kinds[i].file, "damaged");
		write_text(kinds[i].file, "\177ELF and so on, not packed at all");
		expect_refused(kinds[i].name, kinds[i].file, "it is no ");
		write_packed(kinds[i].file, kinds[i].packing, "module"); /* the next one needs it */
	}
}

/* 2048 times 128 KiB are all that is taken. */
static void one_that_inflates_to_something_absurd(void **state)
{
	(void)state;
	write_file("d.ko.zst", packed, make_zstd_zeroes(2049, packed, sizeof(packed)));
	expect_refused("d", "d.ko.zst", "256 MiB");
}

static void a_way_to_pack_that_is_not_known(void **state)
{
	(void)state;
	write_text("e.ko.lz4", "something");
	assert_int_equal(build("e"), -EINVAL);
	assert_non_null(strstr(err.text, "e.ko.lz4"));
	assert_non_null(strstr(err.text, ".ko.zst"));
}

static void one_that_is_not_there(void **state)
{
	char path[96];

	(void)state;
	snprintf(path, sizeof(path), "%s/c.ko.xz", dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(build("c"), -EINVAL);
	assert_non_null(strstr(err.text, path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(modules_are_unpacked, setup, teardown),
		cmocka_unit_test_setup_teardown(those_that_are_cut_or_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_inflates_to_something_absurd, setup, teardown),
		cmocka_unit_test_setup_teardown(a_way_to_pack_that_is_not_known, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_is_not_there, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
