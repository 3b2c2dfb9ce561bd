// SPDX-License-Identifier: BSD-2-Clause
/* Archives against the format (cpio(5), "New ASCII Format"), field by field. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "boot/cpio.h"
#include "init/embed.h"
#include "tests/unit/cpio_reader.h"
#include "vmm/initramfs.h"

static void entries_of_every_kind(void **state)
{
	struct cpio cpio = { 0 };
	struct entry entry;
	uint32_t inode;
	size_t at;

	(void)state;
	assert_int_equal(cpio_add_directory(&cpio, "d", 0755), 0);
	assert_int_equal(cpio_add_file(&cpio, "d/abc", 0640, "12345", 5), 0);
	assert_int_equal(cpio_add_file(&cpio, "d/empty", 0600, NULL, 0), 0);
	assert_int_equal(cpio_add_char_device(&cpio, "null", 0666, 1, 3), 0);
	assert_int_equal(cpio_end(&cpio), 0);

	at = read_entry(cpio.data, cpio.size, 0, &entry);
	assert_string_equal(entry.name, "d");
	assert_int_equal(entry.mode, S_IFDIR | 0755);
	assert_int_equal(entry.uid, 0);
	assert_int_equal(entry.gid, 0);
	inode = entry.inode;
	at = read_entry(cpio.data, cpio.size, at, &entry);
	assert_string_equal(entry.name, "d/abc");
	assert_int_equal(entry.mode, S_IFREG | 0640);
	assert_int_equal(entry.size, 5);
	assert_memory_equal(entry.data, "12345\0\0\0", 8);
	assert_int_not_equal(entry.inode, inode);
	at = read_entry(cpio.data, cpio.size, at, &entry);
	assert_string_equal(entry.name, "d/empty");
	assert_int_equal(entry.size, 0);
	at = read_entry(cpio.data, cpio.size, at, &entry);
	assert_string_equal(entry.name, "null");
	assert_int_equal(entry.mode, S_IFCHR | 0666);
	assert_int_equal(entry.major, 1);
	assert_int_equal(entry.minor, 3);
	at = read_entry(cpio.data, cpio.size, at, &entry);
	assert_string_equal(entry.name, "TRAILER!!!");
	assert_int_equal(at, cpio.size);
	free(cpio.data);
}

/* Names and contents of all lengths, so that what follows them is padded in every way. */
static void lengths(void **state)
{
	uint8_t bytes[300], *big = calloc(1, 3000000);
	char name[40];
	struct cpio cpio = { 0 };
	struct entry entry;
	size_t at = 0;

	(void)state;
	assert_non_null(big);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	for (unsigned int i = 1; i < 40; i++) {
		snprintf(name, sizeof(name), "%.*s", (int)i, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqr");
		assert_int_equal(cpio_add_file(&cpio, name, 0644, bytes, i * 7), 0);
	}
	big[2999999] = 7;
	assert_int_equal(cpio_add_file(&cpio, "big", 0644, big, 3000000), 0);
	for (unsigned int i = 1; i < 40; i++) {
		at = read_entry(cpio.data, cpio.size, at, &entry);
		assert_int_equal(strlen(entry.name), i);
		assert_int_equal(entry.size, i * 7);
		assert_memory_equal(entry.data, bytes, i * 7);
	}
	assert_int_equal(read_entry(cpio.data, cpio.size, at, &entry), cpio.size);
	assert_memory_equal(entry.data, big, 3000000);
	free(big);
	free(cpio.data);
}

static void too_large_a_file_leaves_the_archive_alone(void **state)
{
	struct cpio cpio = { 0 };

	(void)state;
	assert_int_equal(cpio_add_file(&cpio, "a", 0644, "x", 1ULL << 32), -EFBIG);
	assert_int_equal(cpio.size, 0);
	free(cpio.data);
}

/* The kernel runs /init, which must be an executable for it, and wants /dev/console for its output. */
static void the_builtin_initramfs(void **state)
{
	struct boot_initrd initramfs;
	struct err err;
	bool init = false, console = false;
	struct entry entry = { 0 };

	(void)state;
	assert_int_equal(initramfs_build(&initramfs, NULL, &err), 0);
	for (size_t at = 0; strcmp(entry.name, "TRAILER!!!");) {
		at = read_entry(initramfs.data, initramfs.size, at, &entry);
		if (!strcmp(entry.name, "init")) {
			init = true;
			assert_int_equal(entry.mode, S_IFREG | 0755);
			assert_int_equal(entry.size, init_program_end - init_program);
			assert_memory_equal(entry.data, "\177ELF", 4);
		} else if (!strcmp(entry.name, "dev/console")) {
			console = true;
			assert_int_equal(entry.mode & S_IFMT, S_IFCHR);
			assert_int_equal(entry.major, 5);
			assert_int_equal(entry.minor, 1);
		}
	}
	assert_true(init);
	assert_true(console);
	initramfs_free(&initramfs);
	assert_null(initramfs.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_of_every_kind),
		cmocka_unit_test(lengths),
		cmocka_unit_test(too_large_a_file_leaves_the_archive_alone),
		cmocka_unit_test(the_builtin_initramfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
