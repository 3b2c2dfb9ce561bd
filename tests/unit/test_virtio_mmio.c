// SPDX-License-Identifier: BSD-2-Clause
/*
 * A virtio-mmio slot, empty and with a device, against VIRTIO 1.2, "MMIO Device Register Layout".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/virtio_echo.h"

/* --- an empty slot --- */

static struct rig rig;

static int setup_empty(void **state)
{
	*state = &rig;
	rig_init(&rig);
	rig_plug(&rig, &virtio_mmio_class, 0xd0000000, 0x1000, 16);
	return 0;
}

static void test_placeholder(void **state)
{
	(void)state;
	assert_int_equal(rig_read(&rig, 0x000, 4), 0x74726976); /* "virt" */
	assert_int_equal(rig_read(&rig, 0x004, 4), 2);
	assert_int_equal(rig_read(&rig, 0x008, 4), 0); /* no device */
	assert_int_equal(rig_read(&rig, 0x00c, 4), 0x4f455256);
	assert_int_equal(rig.bus.misses, 0);
}

/* "only 32 bit wide and aligned reads and writes": anything else has no answer. */
static void test_access_widths(void **state)
{
	(void)state;
	for (unsigned int offset = 0; offset < 0x10; offset++)
		for (unsigned int size = 1; size <= 4; size *= 2)
			if (size != 4 || offset % 4)
				assert_int_equal(rig_read(&rig, offset, size), rig_unclaimed(size));
	assert_int_equal(rig_read(&rig, 0, 8), 0x274726976); /* two registers in one */
}

static void test_nothing_else_is_there(void **state)
{
	(void)state;
	for (unsigned int offset = 0x10; offset < 0x1000; offset += 4)
		assert_int_equal(rig_read(&rig, offset, 4), rig_unclaimed(4));
	for (unsigned int offset = 0; offset < 0x1000; offset += 4)
		rig_write(&rig, offset, 4, 0xffffffff);
	assert_int_equal(rig.bus.misses, 0x1000 / 4 - 4 + 0x1000 / 4);
	assert_int_equal(rig_read(&rig, 0x000, 4), 0x74726976);
}

static void test_empty_fuzz(void **state)
{
	uint64_t seed = 0x76697274;

	(void)state;
	for (int i = 0; i < 20000; i++)
		rig_poke(&rig, &seed);
	assert_int_equal(rig_read(&rig, 0x008, 4), 0);
	assert_int_equal(rig.irqchip.raised[16], 0);
}

/* --- with a device --- */

static struct vrig v;
static struct echo echo;

static int setup(void **state)
{
	(void)state;
	echo_setup(&v, &echo, 2, 64);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vrig_finish(&v);
	return echo.destroyed != 1;
}

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(vrig_read(&v, V_MAGIC), 0x74726976);
	assert_int_equal(vrig_read(&v, V_VERSION), 2);
	assert_int_equal(vrig_read(&v, V_DEVICE_ID), 4); /* "Device Types" */
	assert_int_equal(vrig_read(&v, V_STATUS), 0);
	assert_int_equal(vrig_read(&v, V_INTERRUPT_STATUS), 0);
}

/* --- which accesses there are --- */

enum { R = 1, W = 2 };

/* "MMIO Device Register Layout": every register of version 2, and what a driver may do with it. */
static const struct {
	uint16_t offset;
	uint8_t access;
} registers[] = {
	{ 0x000, R }, { 0x004, R }, { 0x008, R }, { 0x00c, R },     { 0x010, R }, { 0x014, W },
	{ 0x020, W }, { 0x024, W }, { 0x030, W }, { 0x034, R },     { 0x038, W }, { 0x044, R | W },
	{ 0x050, W }, { 0x060, R }, { 0x064, W }, { 0x070, R | W }, { 0x080, W }, { 0x084, W },
	{ 0x090, W }, { 0x094, W }, { 0x0a0, W }, { 0x0a4, W },     { 0x0ac, W }, { 0x0b0, R },
	{ 0x0b4, R }, { 0x0b8, R }, { 0x0bc, R }, { 0x0fc, R },
};

static uint8_t access_of(unsigned int offset)
{
	for (unsigned int i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
		if (registers[i].offset == offset)
			return registers[i].access;
	return 0;
}

static bool misses(unsigned int offset, unsigned int size, bool write)
{
	uint64_t before = v.rig.bus.misses;

	if (write)
		rig_write(&v.rig, offset, size, 0);
	else
		rig_read(&v.rig, offset, size);
	return v.rig.bus.misses != before;
}

/* What may not be read or written, and what is not there, has no answer. */
static void test_every_register(void **state)
{
	(void)state;
	for (unsigned int offset = 0; offset < V_CONFIG; offset += 4) {
		assert_int_equal(misses(offset, 4, false), !(access_of(offset) & R));
		assert_int_equal(misses(offset, 4, true), !(access_of(offset) & W));
	}
	assert_int_equal(vrig_read(&v, V_STATUS), 0);
}

/* "The driver MUST only use 32 bit wide and aligned reads and writes" */
static void test_narrow_and_odd_accesses(void **state)
{
	(void)state;
	for (unsigned int offset = 0; offset < V_CONFIG - 4; offset++) {
		for (unsigned int size = 1; size <= 4; size *= 2) {
			if (size == 4 && offset % 4 == 0)
				continue;
			assert_true(misses(offset, size, false));
			assert_true(misses(offset, size, true));
		}
	}
	rig_write(&v.rig, V_STATUS, 1, 1);
	rig_write(&v.rig, V_STATUS, 2, 1);
	assert_int_equal(vrig_read(&v, V_STATUS), 0);
}

/* --- configuration space ("Device Configuration Space") --- */

/* Any width, aligned, from before a driver is there; the echo's 10 bytes, and zeroes to the window's end. */
static void test_config_reads(void **state)
{
	(void)state;
	for (unsigned int size = 1; size <= 4; size *= 2) {
		for (unsigned int offset = 0; offset < 0x1000 - V_CONFIG; offset += size) {
			uint64_t expected = 0;

			for (unsigned int i = 0; i < size; i++)
				if (offset + i < ECHO_CONFIG_SIZE)
					expected |= (0xc0ULL + offset + i) << 8 * i;
			assert_int_equal(vrig_config(&v, offset, size), expected);
		}
	}
	assert_int_equal(vrig_config(&v, 0, 8), 0xc7c6c5c4c3c2c1c0);
	assert_int_equal(v.rig.bus.misses, 0);
	assert_true(misses(V_CONFIG + 1, 2, false));
	assert_true(misses(V_CONFIG + 2, 4, false));
}

static void test_config_writes(void **state)
{
	(void)state;
	vrig_set_config(&v, 1, 1, 0xa1);
	assert_int_equal(echo.written_offset, 1);
	assert_int_equal(echo.written_len, 1);
	vrig_set_config(&v, 2, 2, 0xb3b2);
	assert_int_equal(echo.written_offset, 2);
	assert_int_equal(echo.written_len, 2);
	vrig_set_config(&v, 4, 4, 0xd7d6d5d4);
	assert_int_equal(echo.written_offset, 4);
	assert_int_equal(echo.written_len, 4);
	assert_int_equal(vrig_config(&v, 0, 8), 0xd7d6d5d4b3b2a1c0);
	vrig_set_config(&v, 8, 2, 0xe9e8);
	assert_int_equal(vrig_config(&v, 8, 4), 0xe9e8);
}

/* The model never sees what is not all inside. */
static void test_config_writes_behind_its_end(void **state)
{
	(void)state;
	vrig_set_config(&v, 8, 4, 0xffffffff);
	vrig_set_config(&v, 10, 1, 0xff);
	vrig_set_config(&v, 12, 4, 0xffffffff);
	vrig_set_config(&v, 0xefc, 4, 0xffffffff);
	assert_int_equal(echo.written_len, 0);
	assert_int_equal(vrig_config(&v, 8, 4), 0xc9c8);
}

static void change_config(void)
{
	pthread_mutex_lock(&v.vdev->lock);
	v.vdev->config[0]++;
	virtio_config_changed(v.vdev);
	pthread_mutex_unlock(&v.vdev->lock);
}

/* Two reads of the generation that are the same: what was read between them belongs together. */
static void test_generation(void **state)
{
	uint32_t before = vrig_read(&v, V_CONFIG_GENERATION), now;

	(void)state;
	vrig_config(&v, 0, 4);
	assert_int_equal(vrig_read(&v, V_CONFIG_GENERATION), before);
	for (unsigned int i = 0; i < 3; i++) {
		change_config();
		now = vrig_read(&v, V_CONFIG_GENERATION);
		assert_int_not_equal(now, before);
		before = now;
	}
	/* A model has its configuration as it was at first: a driver in the middle of it must see that. */
	vrig_reset(&v);
	assert_int_not_equal(vrig_read(&v, V_CONFIG_GENERATION), before);
}

/* --- features --- */

static void test_device_features(void **state)
{
	(void)state;
	/* Its own two, INDIRECT_DESC (28), EVENT_IDX (29) and VERSION_1 (32). */
	assert_int_equal(vrig_offered(&v), 1ULL << 3 | 1ULL << 40 | 1ULL << 28 | 1ULL << 29 | 1ULL << 32);
	for (uint32_t sel = 2; sel; sel *= 2) {
		vrig_write(&v, V_DEVICE_FEATURES_SEL, sel);
		assert_int_equal(vrig_read(&v, V_DEVICE_FEATURES), 0);
	}
	vrig_write(&v, V_DEVICE_FEATURES_SEL, 0);
	assert_int_equal(vrig_read(&v, V_DEVICE_FEATURES), 1U << 3 | 3U << 28);
}

/* --- shared memory ("Shared Memory Regions"): a region that is not there is ~0 long, at ~0 --- */

static void expect_region(uint32_t id, uint64_t base, uint64_t size)
{
	vrig_write(&v, V_SHM_SEL, id);
	assert_int_equal(vrig_read(&v, V_SHM_LEN_LOW), (uint32_t)size);
	assert_int_equal(vrig_read(&v, V_SHM_LEN_HIGH), (uint32_t)(size >> 32));
	assert_int_equal(vrig_read(&v, V_SHM_BASE_LOW), (uint32_t)base);
	assert_int_equal(vrig_read(&v, V_SHM_BASE_HIGH), (uint32_t)(base >> 32));
}

static void test_no_shared_memory(void **state)
{
	(void)state;
	expect_region(0, UINT64_MAX, UINT64_MAX);
	expect_region(1, UINT64_MAX, UINT64_MAX);
	expect_region(UINT32_MAX, UINT64_MAX, UINT64_MAX);
}

static void test_shared_memory(void **state)
{
	(void)state;
	v.vdev->shm = (struct virtio_shm){ .id = 1, .base = 0x123456789000, .size = 0x2fedcb000 };
	expect_region(0, UINT64_MAX, UINT64_MAX);
	expect_region(1, 0x123456789000, 0x2fedcb000);
	expect_region(2, UINT64_MAX, UINT64_MAX);
	expect_region(0x101, UINT64_MAX, UINT64_MAX); /* not 1 */
	v.vdev->shm.id = 0;
	expect_region(0, 0x123456789000, 0x2fedcb000);
}

/* --- the whole --- */

static void test_echo(void **state)
{
	struct vrig_buf buf[2];

	(void)state;
	vrig_start(&v, 0);
	buf[0] = vrig_out(&v, "hello", 5);
	buf[1] = vrig_in(&v, 16);
	vrig_send(&v, 1, buf, 2);
	assert_int_equal(vrig_get(&v, 1), 5);
	assert_memory_equal(vrig_host(&v, buf[1].addr, 6), "hello\xee", 6);
	assert_int_equal(vrig_interrupts(&v), 1);
	assert_int_equal(vrig_ack(&v), VIRTIO_INT_USED);
	assert_int_equal(vrig_read(&v, V_INTERRUPT_STATUS), 0);
}

/* Anything at any register while the worker does what it is told; then a driver that finds it as new. */
static void poke(void *ctx)
{
	uint64_t seed = 0x6563686f;

	(void)ctx;
	for (unsigned int i = 0; i < 200000; i++) {
		rig_poke(&v.rig, &seed);
		if (i % 16 == 0)
			vrig_run(&v);
		if (i % 1024 == 0)
			vrig_start(&v, VIRTIO_F_INDIRECT_DESC);
		v.allocated = 0;
	}
}

static void test_poke(void **state)
{
	assert_true(fake_log_lines(poke, NULL, "stands still") <= 16);
	assert_int_equal(v.rig.irqchip.level[VRIG_LINE], false);
	vrig_interrupts(&v);
	test_echo(state);
}

/* --- the page that a guest reads in place of the registers --- */

static uint32_t shown(unsigned int offset)
{
	return v.page[offset / 4];
}

/* All of it is what a read is answered with; ones where nothing answers. */
static void check_page(void)
{
	for (unsigned int offset = 0; offset < VIRTIO_MMIO_PAGE; offset += 4) {
		uint32_t expected = (uint32_t)rig_read(&v.rig, offset, 4);

		if (offset < V_CONFIG && !(access_of(offset) & R))
			expected = UINT32_MAX;
		assert_int_equal(shown(offset), expected);
	}
}

static void test_page(void **state)
{
	(void)state;
	check_page();
	for (unsigned int offset = 0x010; offset < 0x0b0; offset += 4) {
		vrig_write(&v, offset, 1);
		check_page();
	}
	vrig_start(&v, 0);
	check_page();
	assert_int_equal(shown(V_QUEUE_READY), 1);
	vrig_set_config(&v, 4, 4, 0xd7d6d5d4);
	check_page();
	vrig_reset(&v);
	check_page();
}

/* What changes by itself: with a driver or without one, it is there before anybody is told. */
static void test_page_of_news(void **state)
{
	uint32_t generation;

	(void)state;
	for (unsigned int with_driver = 0; with_driver < 2; with_driver++) {
		generation = shown(V_CONFIG_GENERATION);
		v.vdev->config[0]++;
		virtio_config_changed(v.vdev);
		assert_int_equal(shown(V_CONFIG) & 0xff, v.vdev->config[0]);
		assert_int_not_equal(shown(V_CONFIG_GENERATION), generation);
		check_page();
		vrig_start(&v, 0);
	}
	v.vdev->config[1]++;
	virtio_changed(v.vdev);
	check_page();
	virtio_broken(v.vdev, "the echo is gone");
	assert_int_equal(shown(V_STATUS) & VIRTIO_STATUS_NEEDS_RESET, VIRTIO_STATUS_NEEDS_RESET);
	check_page();
}

#define EMPTY(f) cmocka_unit_test_setup_teardown(f, setup_empty, rig_teardown)
#define TEST(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EMPTY(test_placeholder),
		EMPTY(test_access_widths),
		EMPTY(test_nothing_else_is_there),
		EMPTY(test_empty_fuzz),
		TEST(test_identity),
		TEST(test_every_register),
		TEST(test_narrow_and_odd_accesses),
		TEST(test_config_reads),
		TEST(test_config_writes),
		TEST(test_config_writes_behind_its_end),
		TEST(test_generation),
		TEST(test_device_features),
		TEST(test_no_shared_memory),
		TEST(test_shared_memory),
		TEST(test_page),
		TEST(test_page_of_news),
		TEST(test_echo),
		TEST(test_poke),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
