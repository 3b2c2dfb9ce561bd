// SPDX-License-Identifier: BSD-2-Clause
/*
 * The balloon against VIRTIO 1.2, "Traditional Memory Balloon Device".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "devices/virtio/balloon.h"
#include "tests/unit/virtio_rig.h"

#define MIB 0x100000ULL

/* "Feature bits" */
#define F_STATS          (1ULL << 1)
#define F_DEFLATE_ON_OOM (1ULL << 2)
#define F_REPORTING      (1ULL << 5)

/* "Virtqueues" */
enum {
	INFLATE = 0,
	DEFLATE = 1,
	STATS = 2,
	FREE_PAGES = 3,
	REPORTING = 4,
};

/* "Device configuration layout" */
enum {
	NUM_PAGES = 0,
	ACTUAL = 4,
};

#define FIRST_PAGE ((uint32_t)((VRIG_RAM + 2 * MIB) / BALLOON_PAGE)) /* 512 that the rings do not lie in */

static struct vrig v;

/* What was released, in the order of the calls. */
static struct {
	uint64_t gpa, len;
} released[1024];
static unsigned int nr_released;
static int refuse;

static ssize_t release(void *ctx, void *addr, size_t len)
{
	uint8_t *at = addr;

	assert_ptr_equal(ctx, &v);
	assert_true(len > 0);
	assert_true(at >= v.ram && at - v.ram < (ptrdiff_t)VRIG_RAM_SIZE);
	assert_true(len <= VRIG_RAM_SIZE - (size_t)(at - v.ram));
	if (refuse)
		return -refuse;
	assert_true(nr_released < 1024);
	released[nr_released].gpa = VRIG_RAM + (uint64_t)(at - v.ram);
	released[nr_released++].len = len;
	return (ssize_t)len;
}

static const struct balloon_setup usual = {
	.target = 3 * MIB,
	.deflate_on_oom = true,
	.reporting = true,
};

static void plug(const struct balloon_setup *setup)
{
	struct balloon_setup s = *setup;
	struct err err;

	nr_released = 0;
	refuse = 0;
	vrig_init(&v);
	s.host = (struct balloon_host){ .release = release, .ctx = &v };
	s.clock = &v.rig.clock.clock;
	assert_int_equal(virtio_balloon_create(&v.vdev, &v.mem, "balloon balloon0", &s, &err), 0);
	vrig_plug(&v);
}

static int setup(void **state)
{
	(void)state;
	plug(&usual);
	vrig_start(&v, F_STATS | F_DEFLATE_ON_OOM | F_REPORTING);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vrig_finish(&v);
	return 0;
}

static struct balloon_info info(void)
{
	struct balloon_info i;

	balloon_get_info(v.vdev, &i);
	return i;
}

static void send_pages(unsigned int queue, const uint32_t *page, unsigned int count)
{
	struct vrig_buf buf = vrig_out(&v, page, count * 4);

	vrig_send(&v, queue, &buf, 1);
	assert_int_equal(vrig_get(&v, queue), 0);
}

#define SEND(queue, ...) \
	send_pages(queue, (const uint32_t[]){ __VA_ARGS__ }, sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4)

static void assert_released(unsigned int index, uint32_t page, unsigned int pages)
{
	assert_true(index < nr_released);
	assert_int_equal(released[index].gpa, (uint64_t)page * BALLOON_PAGE);
	assert_int_equal(released[index].len, pages * BALLOON_PAGE);
}

static void test_identity(void **state)
{
	struct balloon_setup plain = usual;

	(void)state;
	plug(&usual);
	assert_int_equal(vrig_read(&v, V_DEVICE_ID), 5);
	assert_int_equal(vrig_offered(&v), VIRTIO_F_TRANSPORT | F_STATS | F_DEFLATE_ON_OOM | F_REPORTING);
	assert_int_equal(vrig_config(&v, NUM_PAGES, 4), 3 * MIB / 4096);
	assert_int_equal(vrig_config(&v, ACTUAL, 4), 0);
	vrig_finish(&v);

	plain.deflate_on_oom = plain.reporting = false;
	plain.target = 0;
	plug(&plain);
	assert_int_equal(vrig_offered(&v), VIRTIO_F_TRANSPORT | F_STATS);
	assert_int_equal(vrig_config(&v, NUM_PAGES, 4), 0);
}

static void test_target(void **state)
{
	uint32_t generation = vrig_read(&v, V_CONFIG_GENERATION);

	(void)state;
	balloon_set_target(v.vdev, 1 * MIB);
	assert_int_equal(vrig_config(&v, NUM_PAGES, 4), 256);
	assert_int_not_equal(vrig_read(&v, V_CONFIG_GENERATION), generation);
	assert_int_equal(vrig_interrupts(&v), 1);
	assert_int_equal(vrig_ack(&v), VIRTIO_INT_CONFIG);
	assert_int_equal(info().target, 1 * MIB);

	/* It is for the next driver too. */
	vrig_start(&v, 0);
	assert_int_equal(vrig_config(&v, NUM_PAGES, 4), 256);
}

/* "actual is updated by the driver"; num_pages is not the driver's to write. */
static void test_actual(void **state)
{
	(void)state;
	vrig_set_config(&v, ACTUAL, 4, 700);
	assert_int_equal(vrig_config(&v, ACTUAL, 4), 700);
	assert_int_equal(info().actual, 700 * 4096);
	vrig_set_config(&v, ACTUAL + 1, 1, 1);
	assert_int_equal(vrig_config(&v, ACTUAL, 4), (700 & 0xff) | 0x100);
	vrig_set_config(&v, NUM_PAGES, 4, 5);
	assert_int_equal(vrig_config(&v, NUM_PAGES, 4), 3 * MIB / 4096);
	vrig_reset(&v);
	assert_int_equal(vrig_config(&v, ACTUAL, 4), 0);
	assert_int_equal(info().actual, 0);
}

/* Neighbours together, in whatever order and however often they are named. */
static void test_inflate(void **state)
{
	(void)state;
	SEND(INFLATE, FIRST_PAGE + 7);
	assert_int_equal(nr_released, 1);
	assert_released(0, FIRST_PAGE + 7, 1);
	assert_int_equal(vrig_interrupts(&v), 1);

	nr_released = 0;
	SEND(INFLATE, FIRST_PAGE + 3, FIRST_PAGE + 1, FIRST_PAGE + 2, FIRST_PAGE + 1, FIRST_PAGE + 9);
	assert_int_equal(nr_released, 2);
	assert_released(0, FIRST_PAGE + 1, 3);
	assert_released(1, FIRST_PAGE + 9, 1);
	assert_int_equal(info().released, 5 * 4096);
}

/* Numbers of pages that are not RAM, or not the guest's to write, around some that are. */
static void test_pages_that_are_not_ram(void **state)
{
	uint32_t first = VRIG_RAM / BALLOON_PAGE, last = first + VRIG_RAM_SIZE / BALLOON_PAGE - 1;

	(void)state;
	SEND(INFLATE, first - 1, last, last + 1, 0, UINT32_MAX, VRIG_ROM / BALLOON_PAGE);
	assert_int_equal(nr_released, 1);
	assert_released(0, last, 1);
	assert_false(vrig_is_broken(&v));
}

/* Half a number at the end, buffers cut anywhere, some that the device may write. */
static void test_odd_buffers(void **state)
{
	const uint32_t page[] = { FIRST_PAGE, FIRST_PAGE + 2, FIRST_PAGE + 4 };
	struct vrig_buf buf[4];

	(void)state;
	buf[0] = vrig_out(&v, page, 3);
	buf[1] = vrig_out(&v, (const uint8_t *)page + 3, 6);
	buf[2] = vrig_out(&v, (const uint8_t *)page + 9, 2);
	buf[3] = vrig_in(&v, 8);
	vrig_send(&v, INFLATE, buf, 4);
	assert_int_equal(vrig_get(&v, INFLATE), 0);
	assert_int_equal(nr_released, 2);
	assert_released(0, FIRST_PAGE, 1);
	assert_released(1, FIRST_PAGE + 2, 1);

	nr_released = 0;
	vrig_send(&v, INFLATE, &buf[3], 1);
	assert_int_equal(vrig_get(&v, INFLATE), 0);
	assert_int_equal(nr_released, 0);
}

/* More numbers than are dealt with at once: each is, and others get their turn meanwhile. */
static void test_a_very_long_list(void **state)
{
	static uint32_t page[2 * MIB / 4];
	struct vrig_buf list;
	unsigned int kicks;

	(void)state;
	for (unsigned int i = 0; i < 20000; i++)
		page[i] = FIRST_PAGE + i / 256; /* so that much of it is one page */
	list = vrig_out(&v, page, 20000 * 4);
	vrig_add(&v, INFLATE, &list, 1);
	vrig_notify(&v, INFLATE);
	kicks = vrig_run(&v);
	assert_int_equal(vrig_get(&v, INFLATE), 0);
	assert_true(kicks > 1);
	assert_released(0, FIRST_PAGE, 4);
	assert_int_equal(released[nr_released - 1].gpa + released[nr_released - 1].len,
			 (FIRST_PAGE + 20000 / 256 + 1) * (uint64_t)BALLOON_PAGE);

	/* A reset in the midst of it: the next list is read from its beginning. */
	vrig_add(&v, INFLATE, &list, 1);
	vrig_notify(&v, INFLATE);
	v.notified[INFLATE] = 0;
	virtio_kick(v.vdev, INFLATE);
	assert_int_equal(vrig_used(&v, INFLATE), 0);
	vrig_start(&v, 0);
	nr_released = 0;
	SEND(INFLATE, FIRST_PAGE + 1);
	assert_int_equal(nr_released, 1);
}

static void test_deflate(void **state)
{
	(void)state;
	SEND(DEFLATE, FIRST_PAGE, FIRST_PAGE + 1, UINT32_MAX);
	assert_int_equal(nr_released, 0);
	assert_int_equal(vrig_interrupts(&v), 1);
}

static void report(unsigned int queue)
{
	struct vrig_buf buf[3] = {
		{ .addr = VRIG_RAM + 2 * MIB, .len = MIB, .write = true },
		{ .addr = VRIG_RAM + 3 * MIB + 4096, .len = 8192, .write = true },
		{ .addr = VRIG_RAM + 4 * MIB - 5000, .len = 5000, .write = true },
	};

	vrig_send(&v, queue, buf, 3);
	assert_int_equal(vrig_get(&v, queue), 0);
	assert_int_equal(nr_released, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(released[i].gpa, buf[i].addr);
		assert_int_equal(released[i].len, buf[i].len);
	}
	nr_released = 0;
}

/* "Free Page Reporting", in its queue and in the one that Linux 6.1 takes for it. */
static void test_reporting(void **state)
{
	struct vrig_buf out = vrig_out(&v, "not to be released", 18);

	(void)state;
	report(REPORTING);
	assert_int_equal(vrig_interrupts(&v), 1);
	report(FREE_PAGES);
	vrig_send(&v, REPORTING, &out, 1);
	assert_int_equal(nr_released, 0);
}

/* Not negotiated, not done. */
static void test_no_reporting(void **state)
{
	struct vrig_buf buf = { .addr = VRIG_RAM + 2 * MIB, .len = MIB, .write = true };

	(void)state;
	vrig_start(&v, 0);
	vrig_send(&v, REPORTING, &buf, 1);
	vrig_send(&v, FREE_PAGES, &buf, 1);
	vrig_send(&v, STATS, &buf, 1);
	assert_int_equal(nr_released, 0);
	assert_false(vrig_is_broken(&v));
}

static void refused(void *ctx)
{
	(void)ctx;
	for (int i = 0; i < 10; i++)
		SEND(INFLATE, FIRST_PAGE + 2 * i);
}

/* A host that cannot: the guest goes on, the log has one line. */
static void test_host_refuses(void **state)
{
	(void)state;
	refuse = ENOMEM;
	assert_int_equal(fake_log_lines(refused, NULL, "balloon balloon0: memory cannot be given back"), 1);
	assert_int_equal(info().released, 0);
	refuse = 0;
	SEND(INFLATE, FIRST_PAGE);
	assert_int_equal(info().released, 4096);
}

/* Persistent memory, that a guest says it does without: that is no failure of the host's. */
static void test_what_is_not_ram(void **state)
{
	(void)state;
	refuse = EFAULT;
	assert_int_equal(fake_log_lines(refused, NULL, "memory cannot be given back"), 0);
	assert_int_equal(info().released, 0);
	refuse = 0;
}

/* --- "Memory Statistics" --- */

struct stat {
	uint16_t tag;
	uint64_t value;
} __attribute__((packed));

static void send_stats(const struct stat *stat, unsigned int count)
{
	struct vrig_buf buf = vrig_out(&v, stat, count * (uint32_t)sizeof(*stat));

	vrig_send(&v, STATS, &buf, 1);
}

static void start_polling(void)
{
	struct balloon_setup polled = usual;

	vrig_finish(&v);
	polled.stats_interval = 10;
	plug(&polled);
	vrig_start(&v, F_STATS);
}

/* "The device keeps the buffer until it wants new statistics": here it never asks. */
static void test_stats(void **state)
{
	const struct stat stat[] = {
		{ 4, 100 * MIB }, { 5, 200 * MIB }, { 6, 150 * MIB }, { 99, 1 }, { 2, 42 }
	};

	(void)state;
	assert_int_equal(info().known, 0);
	send_stats(stat, 5);
	assert_int_equal(vrig_used(&v, STATS), 0);
	assert_int_equal(info().known, 1 << BALLOON_FREE | 1 << BALLOON_TOTAL | 1 << BALLOON_AVAILABLE |
					       1 << BALLOON_MAJOR_FAULTS);
	assert_int_equal(info().stat[BALLOON_FREE], 100 * MIB);
	assert_int_equal(info().stat[BALLOON_TOTAL], 200 * MIB);
	assert_int_equal(info().stat[BALLOON_AVAILABLE], 150 * MIB);
	assert_int_equal(info().stat[BALLOON_MAJOR_FAULTS], 42);
	assert_int_equal(fake_clock_step(&v.rig.clock, 3600 * NSEC_PER_SEC), 0);
	vrig_reset(&v);
	assert_int_equal(info().known, 0);
}

static void poll_once(void *ctx)
{
	struct stat stat = { 4, *(uint64_t *)ctx };

	fake_clock_step(&v.rig.clock, 10 * NSEC_PER_SEC);
	assert_int_equal(vrig_get(&v, STATS), 0);
	send_stats(&stat, 1);
}

static void test_polled_stats(void **state)
{
	const struct stat first = { 4, 1 };
	uint64_t free = 77 * MIB;

	(void)state;
	start_polling();
	send_stats(&first, 1);
	assert_int_equal(fake_log_lines(poll_once, &free, "77 MiB free"), 1);
	assert_int_equal(info().stat[BALLOON_FREE], 77 * MIB);
	assert_int_equal(vrig_interrupts(&v), 1);
	free = 78 * MIB;
	vrig_ack(&v);
	assert_int_equal(fake_log_lines(poll_once, &free, "78 MiB free"), 1);

	/* A driver that does not answer is not asked again. */
	fake_clock_step(&v.rig.clock, 10 * NSEC_PER_SEC);
	assert_int_equal(vrig_get(&v, STATS), 0);
	assert_int_equal(fake_clock_step(&v.rig.clock, 1000 * NSEC_PER_SEC), 0);
}

/* A driver that is told what to notify of must be told of each of its buffers. */
static void test_stats_again_and_again(void **state)
{
	struct stat stat = { 4, MIB };

	(void)state;
	start_polling();
	vrig_start(&v, F_STATS | VIRTIO_F_EVENT_IDX);
	for (unsigned int i = 0; i < 5; i++, stat.value += MIB) {
		struct vrig_buf buf = vrig_out(&v, &stat, sizeof(stat));

		vrig_add(&v, STATS, &buf, 1);
		assert_true(vrig_is_wanted(&v, STATS, 1));
		vrig_notify(&v, STATS);
		vrig_run(&v);
		assert_int_equal(info().stat[BALLOON_FREE], stat.value);
		fake_clock_step(&v.rig.clock, 10 * NSEC_PER_SEC);
		assert_int_equal(vrig_get(&v, STATS), 0);
	}
	vrig_reset(&v);
}

static void flood(void *ctx)
{
	const struct stat stat = { 4, 5 };

	(void)ctx;
	for (int i = 0; i < 10; i++)
		send_stats(&stat, 1);
}

/* A driver with more than one buffer has one taken. */
static void test_hostile_stats(void **state)
{
	static const uint8_t junk[5000];
	struct vrig_buf buf;

	(void)state;
	start_polling();
	assert_int_equal(fake_log_lines(flood, NULL, "free"), 0);
	assert_int_equal(vrig_used(&v, STATS), 0);
	fake_clock_step(&v.rig.clock, 10 * NSEC_PER_SEC);
	assert_int_equal(vrig_used(&v, STATS), 1);

	vrig_start(&v, F_STATS);
	buf = vrig_out(&v, junk, 5000); /* 500 times tag 0 */
	vrig_send(&v, STATS, &buf, 1);
	assert_int_equal(info().known, 1 << BALLOON_SWAP_IN);
	vrig_reset(&v);
	assert_null(v.rig.clock.armed);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_identity, teardown),
		TEST(test_target),
		TEST(test_actual),
		TEST(test_inflate),
		TEST(test_pages_that_are_not_ram),
		TEST(test_odd_buffers),
		TEST(test_a_very_long_list),
		TEST(test_deflate),
		TEST(test_reporting),
		TEST(test_no_reporting),
		TEST(test_host_refuses),
		TEST(test_what_is_not_ram),
		TEST(test_stats),
		TEST(test_polled_stats),
		TEST(test_stats_again_and_again),
		TEST(test_hostile_stats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
