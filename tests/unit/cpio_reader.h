/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads archives as cpio(5), "New ASCII Format", has them; a test fails if they are not so. */
#ifndef VIREO_TESTS_CPIO_READER_H
#define VIREO_TESTS_CPIO_READER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

struct entry {
	char name[64];
	uint32_t mode, uid, gid, size, major, minor, inode;
	const uint8_t *data;
};

static inline uint32_t field(const uint8_t *header, unsigned int index)
{
	char digits[9] = { 0 };

	memcpy(digits, header + 6 + index * 8, 8);
	assert_int_equal(strspn(digits, "0123456789abcdefABCDEF"), 8);
	return (uint32_t)strtoul(digits, NULL, 16);
}

/* Reads the entry at `at`; returns where the next one is. */
static inline size_t read_entry(const uint8_t *data, size_t size, size_t at, struct entry *entry)
{
	const uint8_t *header = data + at;
	uint32_t name_size;

	assert_true(size - at >= 110);
	assert_memory_equal(header, "070701", 6);
	name_size = field(header, 11);
	entry->inode = field(header, 0);
	entry->mode = field(header, 1);
	entry->uid = field(header, 2);
	entry->gid = field(header, 3);
	entry->size = field(header, 6);
	entry->major = field(header, 9);
	entry->minor = field(header, 10);
	assert_int_equal(field(header, 12), 0); /* of another format */
	assert_true(name_size <= sizeof(entry->name));
	memcpy(entry->name, header + 110, name_size);
	assert_int_equal(strlen(entry->name) + 1, name_size); /* the NUL is counted */
	at = (at + 110 + name_size + 3) & ~(size_t)3;
	entry->data = data + at;
	return (at + entry->size + 3) & ~(size_t)3;
}

#endif
