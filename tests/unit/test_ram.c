// SPDX-License-Identifier: BSD-2-Clause
/* Guest RAM that goes back to the host, as the balloon gives it: what it reads as, and what the host gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kvm/kvm.h"

#define SIZE (8UL << 20)

static size_t page;
static struct kvm_ram ram;

static void map(enum kvm_ram_backing backing)
{
	struct err err;

	page = (size_t)sysconf(_SC_PAGESIZE);
	assert_int_equal(kvm_ram_map(&ram, SIZE, backing, &err), 0);
	memset(ram.host, 0x55, SIZE);
}

static int unmap(void **state)
{
	(void)state;
	kvm_ram_unmap(&ram);
	return 0;
}

/* Bytes that the host has in use for it. */
static size_t in_use(void)
{
	unsigned char core[SIZE / 4096];
	struct stat st;
	size_t pages = 0;

	if (ram.fd >= 0) {
		assert_int_equal(fstat(ram.fd, &st), 0);
		return (size_t)st.st_blocks * 512;
	}
	assert_int_equal(mincore(ram.host, SIZE, core), 0);
	for (size_t i = 0; i < SIZE / page; i++)
		pages += core[i] & 1;
	return pages * page;
}

static void assert_filled(size_t from, size_t to, uint8_t with)
{
	for (size_t i = from; i < to; i++)
		assert_int_equal(ram.host[i], with);
}

static void releases(enum kvm_ram_backing backing)
{
	map(backing);
	assert_int_equal(in_use(), SIZE);
	assert_int_equal(kvm_ram_release(&ram, ram.host + 16 * page, 32 * page), 32 * page);
	assert_int_equal(in_use(), SIZE - 32 * page);
	assert_filled(0, 16 * page, 0x55);
	assert_filled(48 * page, SIZE, 0x55);
	assert_filled(16 * page, 48 * page, 0);
	memset(ram.host + 20 * page, 0x66, page); /* it is there again as soon as it is touched */
	assert_filled(20 * page, 21 * page, 0x66);

	/* All of it, to the last byte. */
	assert_int_equal(kvm_ram_release(&ram, ram.host, SIZE), SIZE);
	assert_int_equal(in_use(), 0);
	assert_filled(0, SIZE, 0);
}

static void test_anonymous(void **state)
{
	(void)state;
	releases(KVM_RAM_ANONYMOUS);
}

static void test_memfd(void **state)
{
	(void)state;
	releases(KVM_RAM_MEMFD);
}

/* As a vhost-user back end may try that was handed it: this process would end when it touched what is missing. */
static void test_keeps_its_size(void **state)
{
	(void)state;
	map(KVM_RAM_MEMFD);
	assert_true(ftruncate(ram.fd, 0) < 0 && errno == EPERM);
	assert_true(ftruncate(ram.fd, (off_t)(2 * SIZE)) < 0 && errno == EPERM);
	assert_filled(0, SIZE, 0x55);
}

/* Exactly the range: of pages that are in it partly, nothing is lost. */
static void test_parts_of_pages(void **state)
{
	(void)state;
	map(KVM_RAM_ANONYMOUS);
	assert_int_equal(kvm_ram_release(&ram, ram.host + 1, page - 1), 0);
	assert_int_equal(kvm_ram_release(&ram, ram.host + 1, 2 * page - 2), 0);
	assert_int_equal(kvm_ram_release(&ram, ram.host, page - 1), 0);
	assert_int_equal(kvm_ram_release(&ram, ram.host + SIZE - 1, 1), 0);
	assert_int_equal(kvm_ram_release(&ram, ram.host + SIZE, 0), 0);
	assert_int_equal(kvm_ram_release(&ram, ram.host, 0), 0);
	assert_filled(0, SIZE, 0x55);
	assert_int_equal(kvm_ram_release(&ram, ram.host + 5 * page + 100, 3 * page), 2 * page);
	assert_filled(0, 6 * page, 0x55);
	assert_filled(6 * page, 8 * page, 0);
	assert_filled(8 * page, SIZE, 0x55);
}

static void test_what_is_not_ram(void **state)
{
	(void)state;
	map(KVM_RAM_ANONYMOUS);
	assert_int_equal(kvm_ram_release(&ram, ram.host - page, 2 * page), -EFAULT);
	assert_int_equal(kvm_ram_release(&ram, ram.host + SIZE - page, 2 * page), -EFAULT);
	assert_int_equal(kvm_ram_release(&ram, ram.host + SIZE + page, page), -EFAULT);
	assert_int_equal(kvm_ram_release(&ram, ram.host + page, SIZE_MAX), -EFAULT);
	assert_int_equal(kvm_ram_release(&ram, NULL, page), -EFAULT);
	assert_filled(0, SIZE, 0x55);
}

/* KVM documentation, KVM_SET_USER_MEMORY_REGION: the lower 21 bits of both addresses are to be the same. */
static void test_begins_where_a_huge_page_can(void **state)
{
	static const enum kvm_ram_backing backings[] = { KVM_RAM_ANONYMOUS, KVM_RAM_MEMFD };

	(void)state;
	for (unsigned int i = 0; i < 8; i++) {
		size_t size = page << i % 4 * 4;
		struct err err;

		assert_int_equal(kvm_ram_map(&ram, size, backings[i / 4], &err), 0);
		assert_int_equal((uintptr_t)ram.host & 0x1fffff, 0);
		memset(ram.host, 0x55, size);
		kvm_ram_unmap(&ram);
	}
}

#define TEST(f) cmocka_unit_test_teardown(f, unmap)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_anonymous),       TEST(test_memfd),
		TEST(test_keeps_its_size),  TEST(test_parts_of_pages),
		TEST(test_what_is_not_ram), TEST(test_begins_where_a_huge_page_can),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
