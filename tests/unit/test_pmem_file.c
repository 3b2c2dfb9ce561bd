// SPDX-License-Identifier: BSD-2-Clause
/* The file behind a PMEM device, and what becomes of the memory that it is when the host cannot give it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/file_memory.h"
#include "host/pmem_file.h"

#define MIB (1ULL << 20)

static char path[] = "/tmp/vireo-pmem.XXXXXX";
static struct loop loop;
static int flushes, flush_result;

static void told(void *ctx, int result)
{
	(void)ctx;
	flushes++;
	flush_result = result;
	loop_stop(&loop);
}

static int setup_file(void **state)
{
	struct err err;
	int fd;

	(void)state;
	strcpy(path, "/tmp/vireo-pmem.XXXXXX");
	fd = mkstemp(path);
	flushes = 0;
	if (fd < 0 || loop_init(&loop, &err) < 0)
		return -1;
	close(fd);
	return 0;
}

static int teardown_file(void **state)
{
	(void)state;
	loop_finish(&loop);
	return unlink(path);
}

static int open_it(struct pmem_backend **backend, struct pmem_mapping *map, bool read_only, struct err *err)
{
	int ret = pmem_file_open(backend, map, path, read_only, "pmem root", &loop, err);

	if (!ret)
		(*backend)->flushed = told;
	return ret;
}

static void close_it(struct pmem_backend *backend, struct pmem_mapping *map)
{
	backend->ops->destroy(backend);
	munmap(map->host, map->size);
}

static void what_is_written_is_in_the_file(void **state)
{
	struct pmem_backend *backend;
	struct pmem_mapping map;
	char text[5] = "";
	struct err err;
	int fd;

	(void)state;
	assert_int_equal(truncate(path, 4 * MIB), 0);
	assert_int_equal(open_it(&backend, &map, false, &err), 0);
	assert_int_equal(map.size, 4 * MIB);
	assert_int_equal((uintptr_t)map.host % (2 * MIB), 0);
	memcpy((char *)map.host + 3 * MIB, "hello", 5);
	backend->ops->flush(backend);
	assert_int_equal(loop_run(&loop, &err), 0);
	assert_int_equal(flushes, 1);
	assert_int_equal(flush_result, 0);
	fd = open(path, O_RDONLY);
	assert_int_equal(pread(fd, text, 5, 3 * MIB), 5);
	assert_memory_equal(text, "hello", 5);
	close(fd);
	close_it(backend, &map);
}

static void one_that_ends_in_the_middle_cannot_be_written(void **state)
{
	struct pmem_backend *backend;
	struct pmem_mapping map;
	struct err err;

	(void)state;
	assert_int_equal(truncate(path, 4 * MIB + 512), 0);
	assert_int_equal(open_it(&backend, &map, false, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_USER);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, "4194816 bytes"));
	assert_non_null(strstr(err.text, "truncate -s 6M"));
}

static void one_that_ends_in_the_middle_can_be_read(void **state)
{
	struct pmem_backend *backend;
	struct pmem_mapping map;
	struct err err;
	int fd;

	(void)state;
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "end", 3, 2 * MIB + 8192 - 3), 3);
	assert_int_equal(pwrite(fd, "!", 1, 2 * MIB + 8192), 1);
	close(fd);
	assert_int_equal(open_it(&backend, &map, true, &err), 0);
	assert_int_equal(map.size, 4 * MIB);
	assert_memory_equal((char *)map.host + 2 * MIB + 8192 - 3, "end!\0", 5);
	for (uint64_t at = 2 * MIB + 8193; at < 4 * MIB; at++)
		if (((char *)map.host)[at])
			fail_msg("a byte at %#llx", (unsigned long long)at);
	backend->ops->flush(backend);
	assert_int_equal(loop_run(&loop, &err), 0);
	assert_int_equal(flush_result, 0);
	close_it(backend, &map);
}

static void a_file_that_has_shrunk_is_no_stable_storage(void **state)
{
	struct pmem_backend *backend;
	struct pmem_mapping map;
	struct err err;

	(void)state;
	assert_int_equal(truncate(path, 4 * MIB), 0);
	assert_int_equal(open_it(&backend, &map, false, &err), 0);
	memset(map.host, 0x5a, 4 * MIB);
	assert_int_equal(truncate(path, 2 * MIB + 1), 0);
	backend->ops->flush(backend);
	assert_int_equal(loop_run(&loop, &err), 0);
	assert_int_equal(flush_result, -EIO);
	/* Longer again: what was lost remains so. */
	assert_int_equal(truncate(path, 4 * MIB), 0);
	backend->ops->flush(backend);
	assert_int_equal(loop_run(&loop, &err), 0);
	assert_int_equal(flush_result, -EIO);
	assert_int_equal(((uint8_t *)map.host)[2 * MIB], 0x5a);
	assert_int_equal(((uint8_t *)map.host)[3 * MIB], 0);
	close_it(backend, &map);
}

/* As a device's thread does: it finds zeroes, may write, and goes on. */
static void what_a_file_has_lost_can_be_touched(void **state)
{
	struct pmem_backend *backend;
	struct pmem_mapping map;
	volatile uint8_t *host;
	struct err err;

	(void)state;
	assert_int_equal(truncate(path, 4 * MIB), 0);
	assert_int_equal(open_it(&backend, &map, false, &err), 0);
	host = map.host;
	memset(map.host, 0x5a, 4 * MIB);
	assert_int_equal(truncate(path, 2 * MIB), 0);
	assert_int_equal(host[2 * MIB - 1], 0x5a);
	assert_int_equal(host[3 * MIB], 0);
	host[3 * MIB + 1] = 1;
	host[4 * MIB - 1] = 2;
	assert_int_equal(host[3 * MIB + 1], 1);
	assert_int_equal(host[4 * MIB - 1], 2);
	backend->ops->flush(backend);
	assert_int_equal(loop_run(&loop, &err), 0);
	assert_int_equal(flush_result, -EIO);
	close_it(backend, &map);
}

/* As a vCPU does, which is told by -EFAULT only. */
static void what_a_file_has_lost_is_mended_once(void **state)
{
	unsigned int before = file_memory_mend();
	struct pmem_backend *backend;
	struct pmem_mapping map;
	struct err err;

	(void)state;
	assert_int_equal(truncate(path, 4 * MIB), 0);
	assert_int_equal(open_it(&backend, &map, false, &err), 0);
	assert_int_equal(file_memory_mend(), before);
	assert_false(file_memory_is_lost(map.host));
	assert_int_equal(truncate(path, 2 * MIB), 0);
	assert_true(file_memory_mend() != before);
	assert_true(file_memory_is_lost(map.host));
	before = file_memory_mend();
	assert_int_equal(file_memory_mend(), before);
	assert_int_equal(truncate(path, 0), 0);
	assert_true(file_memory_mend() != before);
	close_it(backend, &map);
	assert_false(file_memory_is_lost(map.host));
}

static const _Atomic bool go_on, give_up = true;

/* A page that the host cannot read, while it is the file's: that has 0x5a everywhere. */
static volatile uint8_t *broken[3];

/* In place of the C library's. */
int madvise(void *at, size_t len, int how)
{
	for (unsigned int i = 0; how == MADV_POPULATE_READ && i < 3; i++) {
		volatile uint8_t *page = broken[i];

		if (page && page >= (uint8_t *)at && page < (uint8_t *)at + len && *page == 0x5a) {
			errno = EFAULT;
			return -1;
		}
	}
	return (int)syscall(SYS_madvise, at, len, how);
}

/* As a vCPU, which is told by -EFAULT only, and not where. */
static void what_the_host_cannot_read_is_searched_for_and_mended(void **state)
{
	struct pmem_backend *backend;
	struct pmem_mapping map;
	unsigned int before;
	struct err err;
	uint8_t *host;

	(void)state;
	assert_int_equal(truncate(path, 6 * MIB), 0);
	assert_int_equal(open_it(&backend, &map, false, &err), 0);
	host = map.host;
	memset(host, 0x5a, 6 * MIB);
	before = file_memory_mend();
	assert_int_equal(file_memory_search(&go_on), before);
	broken[0] = host + 2 * MIB + 0x10000;
	broken[1] = host + 2 * MIB + 0x30000;
	broken[2] = host + 6 * MIB - 0x10000;
	assert_int_equal(file_memory_search(&give_up), before);
	assert_false(file_memory_is_lost(host));
	assert_int_equal(file_memory_search(&go_on), before + 2); /* a piece of the file at a time */
	assert_true(file_memory_is_lost(host));
	assert_int_equal(*broken[0] | *broken[1], 0);
	assert_int_equal(file_memory_search(&go_on), before + 3);
	assert_int_equal(*broken[2], 0);
	assert_int_equal(file_memory_search(&go_on), before + 3);
	assert_int_equal(file_memory_mend(), before + 3);
	for (uint64_t at = 0; at < 6 * MIB; at += 0x10000)
		assert_int_equal(host[at],
				 host + at == broken[0] || host + at == broken[1] || host + at == broken[2]
					 ? 0
					 : 0x5a);
	backend->ops->flush(backend);
	assert_int_equal(loop_run(&loop, &err), 0);
	assert_int_equal(flush_result, -EIO);
	memset(broken, 0, sizeof(broken));
	close_it(backend, &map);
}

/* The kernel can read what is there: else it says -EFAULT to this as to KVM_RUN. */
static bool kernel_reads(const volatile uint8_t *at)
{
	int pipes[2];
	ssize_t n;

	assert_int_equal(pipe(pipes), 0);
	n = write(pipes[1], (const void *)at, 1);
	assert_true(n == 1 || errno == EFAULT);
	close(pipes[0]);
	close(pipes[1]);
	return n == 1;
}

/* Whether what the kernel cannot give is said: qemu-user takes every advice and does nothing. */
static bool can_ask_for_pages(void)
{
	void *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool refused = madvise(none, 4096, MADV_POPULATE_WRITE) < 0;

	munmap(none, 4096);
	return refused;
}

/* A file with holes, of a file system that is full. */
static void holes_without_room_are_mended(void **state)
{
	char dir[] = "/tmp/vireo-full.XXXXXX", file[64], page[4096] = { 1 };
	struct pmem_backend *backend;
	struct pmem_mapping map;
	volatile uint8_t *host;
	unsigned int before;
	struct err err;
	int fd;

	(void)state;
	if (!can_ask_for_pages()) {
		puts("SKIP full file system: madvise(MADV_POPULATE_WRITE) does nothing here");
		skip();
	}
	assert_non_null(mkdtemp(dir));
	/* In a mount namespace of this program's own, which ends with it. */
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", dir, "tmpfs", 0, "size=8M,huge=never") < 0) {
		printf("SKIP full file system: no tmpfs can be mounted here: %s\n", strerror(errno));
		rmdir(dir);
		skip();
	}
	snprintf(file, sizeof(file), "%s/f", dir);
	fd = open(file, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 12 * MIB), 0);
	/* Two pieces without a hole, the others are one. */
	for (uint64_t at = 0; at < 2 * MIB; at += sizeof(page)) {
		assert_int_equal(pwrite(fd, page, sizeof(page), (off_t)at), sizeof(page));
		assert_int_equal(pwrite(fd, page, sizeof(page), (off_t)(6 * MIB + at)), sizeof(page));
	}
	close(fd);
	assert_int_equal(pmem_file_open(&backend, &map, file, false, "pmem root", &loop, &err), 0);
	backend->flushed = told;
	host = map.host;
	before = file_memory_mend();
	/* There is room: nothing is mended. */
	assert_int_equal(file_memory_search(&go_on), before);
	assert_false(file_memory_is_lost(map.host));

	snprintf(file, sizeof(file), "%s/g", dir);
	fd = open(file, O_CREAT | O_WRONLY, 0600);
	while (write(fd, page, sizeof(page)) == sizeof(page))
		;
	close(fd);
	assert_false(kernel_reads(host + 9 * MIB));
	assert_int_equal(file_memory_search(&go_on), before + 2);
	assert_true(file_memory_is_lost(map.host));
	for (uint64_t at = 0; at < 12 * MIB; at += 4096) {
		bool has_data = at < 2 * MIB || (at >= 6 * MIB && at < 8 * MIB);

		assert_true(kernel_reads(host + at));
		if (at >= 4 * MIB)
			assert_int_equal(host[at], has_data);
	}
	/* What was written there since remains. */
	host[9 * MIB] = 2;
	assert_int_equal(file_memory_search(&go_on), before + 2);
	assert_int_equal(host[9 * MIB], 2);
	backend->ops->flush(backend);
	assert_int_equal(loop_run(&loop, &err), 0);
	assert_int_equal(flush_result, -EIO);
	close_it(backend, &map);
	assert_int_equal(umount(dir), 0);
	rmdir(dir);
}

/* No two VMs write a file, nor does one write what another reads. */
static void the_file_is_locked(void **state)
{
	struct pmem_backend *first, *second;
	struct pmem_mapping map, other;
	struct err err;

	(void)state;
	assert_int_equal(truncate(path, 2 * MIB), 0);
	assert_int_equal(open_it(&first, &map, false, &err), 0);
	assert_int_equal(open_it(&second, &other, false, &err), -EBUSY);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(open_it(&second, &other, true, &err), -EBUSY);
	close_it(first, &map);
	assert_int_equal(open_it(&first, &map, true, &err), 0);
	assert_int_equal(open_it(&second, &other, true, &err), 0);
	close_it(first, &map);
	close_it(second, &other);
}

/* As a vhost-user program does; the next VM does not wait until it has let go of it. */
static void another_process_can_map_it(void **state)
{
	struct pmem_backend *backend;
	struct pmem_mapping map;
	struct err err;
	uint8_t *copy;
	int fd;

	(void)state;
	assert_int_equal(truncate(path, 2 * MIB), 0);
	assert_int_equal(open_it(&backend, &map, false, &err), 0);
	fd = dup(map.shared_fd);
	copy = mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(copy, MAP_FAILED);
	copy[MIB] = 0x5a;
	assert_int_equal(((uint8_t *)map.host)[MIB], 0x5a);
	close_it(backend, &map);
	assert_int_equal(open_it(&backend, &map, false, &err), 0);
	close_it(backend, &map);
	munmap(copy, 2 * MIB);
	close(fd);
	/* Such programs map for writing. */
	assert_int_equal(open_it(&backend, &map, true, &err), 0);
	assert_int_equal(map.shared_fd, -1);
	close_it(backend, &map);
}

static void what_is_no_file_is_refused(void **state)
{
	struct pmem_backend *backend;
	struct pmem_mapping map;
	struct err err;

	(void)state;
	assert_int_equal(open_it(&backend, &map, false, &err), -EINVAL);
	assert_non_null(strstr(err.text, "empty"));
	assert_int_equal(pmem_file_open(&backend, &map, "/dev/null", true, "x", &loop, &err), -EINVAL);
	assert_non_null(strstr(err.text, "/dev/null is neither"));
	assert_int_equal(pmem_file_open(&backend, &map, "/tmp", true, "x", &loop, &err), -EINVAL);
	assert_non_null(strstr(err.text, "/tmp is a directory"));
	assert_int_equal(pmem_file_open(&backend, &map, "/nowhere/x", true, "x", &loop, &err), -EINVAL);
	assert_non_null(strstr(err.text, "/nowhere/x"));
}

static void it_can_end_while_a_flush_is_under_way(void **state)
{
	(void)state;
	assert_int_equal(truncate(path, 2 * MIB), 0);
	for (unsigned int i = 0; i < 50; i++) {
		struct pmem_backend *backend;
		struct pmem_mapping map;
		struct err err;

		assert_int_equal(open_it(&backend, &map, false, &err), 0);
		memset(map.host, (int)i, map.size);
		backend->ops->flush(backend);
		close_it(backend, &map);
	}
	assert_int_equal(flushes, 0); /* nobody is called back any more */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_file, teardown_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_in_the_file),
		TEST(one_that_ends_in_the_middle_cannot_be_written),
		TEST(one_that_ends_in_the_middle_can_be_read),
		TEST(a_file_that_has_shrunk_is_no_stable_storage),
		TEST(what_a_file_has_lost_can_be_touched),
		TEST(what_a_file_has_lost_is_mended_once),
		TEST(what_the_host_cannot_read_is_searched_for_and_mended),
		TEST(holes_without_room_are_mended),
		TEST(the_file_is_locked),
		TEST(another_process_can_map_it),
		TEST(what_is_no_file_is_refused),
		TEST(it_can_end_while_a_flush_is_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
