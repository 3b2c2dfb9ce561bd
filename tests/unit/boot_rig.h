/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of the boot loaders share: files made by the test, a machine with RAM of its own,
 * and little-endian fields in both.
 */
#ifndef VIREO_TESTS_BOOT_RIG_H
#define VIREO_TESTS_BOOT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot/boot.h"

#define KIB 1024ULL
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

struct rig {
	struct machine m;
	struct guest_mem mem;
	struct boot boot;
	struct boot_entry entry;
	struct err err;
	char dir[64], kernel[80], initrd[80];
};

static inline int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	if (!rig)
		return -1;
	snprintf(rig->dir, sizeof(rig->dir), "%s/vireo-boot-XXXXXX", P_tmpdir);
	if (!mkdtemp(rig->dir))
		return -1;
	snprintf(rig->kernel, sizeof(rig->kernel), "%s/kernel", rig->dir);
	snprintf(rig->initrd, sizeof(rig->initrd), "%s/initrd", rig->dir);
	*state = rig;
	return 0;
}

static inline void rig_unmap(struct rig *rig)
{
	for (unsigned int i = 0; i < rig->mem.count; i++)
		munmap(rig->mem.range[i].host, rig->mem.range[i].size);
	rig->mem.count = 0;
}

static inline int rig_teardown(void **state)
{
	struct rig *rig = *state;

	rig_unmap(rig);
	unlink(rig->kernel);
	unlink(rig->initrd);
	rmdir(rig->dir);
	free(rig);
	return 0;
}

/* A machine with `size` bytes of RAM, all of it full of old bytes as after a restart, or untouched. */
static inline void rig_machine(struct rig *rig, enum platform platform, uint64_t size, bool dirty)
{
	rig_unmap(rig);
	assert_int_equal(machine_init(&rig->m, platform, 2, size, &rig->err), 0);
	for (unsigned int i = 0; i < rig->m.nr_ram; i++) {
		const struct machine_range *r = &rig->m.ram[i];
		void *host = mmap(NULL, r->size, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		assert_ptr_not_equal(host, MAP_FAILED);
		if (dirty)
			memset(host, 0xa5, r->size);
		assert_int_equal(guest_mem_add(&rig->mem, r->base, r->size, host, false), 0);
	}
}

static inline void rig_file(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	assert_int_equal(close(fd), 0);
}

/* A file of that size, without contents on the disk. */
static inline void rig_hole(const char *path, uint64_t size)
{
	rig_file(path, "", 0);
	assert_int_equal(truncate(path, (off_t)size), 0);
}

static inline int rig_load(struct rig *rig, bool with_initrd)
{
	struct boot_request req = { .kernel = rig->kernel, .initrd = with_initrd ? rig->initrd : NULL };

	memset(&rig->boot, 0xa5, sizeof(rig->boot));
	memset(&rig->err, 0, sizeof(rig->err));
	return boot_load(&rig->boot, &req, &rig->m, &rig->mem, &rig->err);
}

/* Loads it all, up to what the first vCPU begins with. */
static inline void rig_boot(struct rig *rig, bool with_initrd)
{
	if (rig_load(rig, with_initrd) != 0 ||
	    boot_finish(&rig->boot, &rig->m, &rig->mem, NULL, 0, &rig->entry, &rig->err) != 0)
		fail_msg("%s", rig->err.text);
}

/* Asserts that loading fails by the user's mistake, with one line that says `why`. */
static inline void rig_expect_refused(struct rig *rig, bool with_initrd, const char *why)
{
	assert_int_equal(rig_load(rig, with_initrd), -EINVAL);
	assert_int_equal(rig->err.kind, ERR_USER);
	assert_null(strchr(rig->err.text, '\n'));
	assert_non_null(strstr(rig->err.text, with_initrd ? rig->initrd : rig->kernel));
	if (!strstr(rig->err.text, why))
		fail_msg("\"%s\" does not say \"%s\"", rig->err.text, why);
}

/* Guest memory, as the guest sees it. */
static inline const uint8_t *rig_ram(const struct rig *rig, uint64_t gpa, uint64_t len)
{
	const uint8_t *p = guest_mem_ptr_read(&rig->mem, gpa, len);

	assert_non_null(p);
	return p;
}

static inline uint64_t get_le(const uint8_t *p, unsigned int bytes)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < bytes; i++)
		value |= (uint64_t)p[i] << 8 * i;
	return value;
}

static inline void put_le(uint8_t *p, unsigned int bytes, uint64_t value)
{
	for (unsigned int i = 0; i < bytes; i++)
		p[i] = (uint8_t)(value >> 8 * i);
}

static inline uint64_t rig_get(const struct rig *rig, uint64_t gpa, unsigned int bytes)
{
	return get_le(rig_ram(rig, gpa, bytes), bytes);
}

/* Bytes that differ from their neighbours, from one part of a file to the next. */
static inline void fill_pattern(uint8_t *p, size_t size, unsigned int seed)
{
	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)(i * 31 + i / 256 + seed);
}

/* What -m the last message asks for, in bytes. */
static inline uint64_t rig_memory_asked_for(const struct rig *rig)
{
	const char *option = strstr(rig->err.text, "-m ");
	unsigned long long mib;

	assert_non_null(option);
	assert_int_equal(sscanf(option, "-m %lluM", &mib), 1);
	return mib * MIB;
}

static inline uint32_t rig_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

#endif
