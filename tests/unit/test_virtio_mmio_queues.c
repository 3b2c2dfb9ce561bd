// SPDX-License-Identifier: BSD-2-Clause
/*
 * How a driver sets queues up and takes them away (VIRTIO 1.2, "Virtqueue Configuration" of "Virtio Over
 * MMIO"; sizes and alignments of "Split Virtqueues").
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/virtio_echo.h"

#define MAX     64 /* descriptors of a queue of this device */
#define QUEUES  3
#define RAM_END (VRIG_RAM + VRIG_RAM_SIZE)

static struct vrig v;
static struct echo echo;

static int setup(void **state)
{
	(void)state;
	echo_setup(&v, &echo, QUEUES, MAX);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vrig_finish(&v);
	return 0;
}

static void negotiate(void)
{
	v.allocated = 0;
	assert_true(vrig_negotiate(&v, VIRTIO_F_VERSION_1));
}

static uint32_t is_ready(uint32_t index)
{
	vrig_write(&v, V_QUEUE_SEL, index);
	return vrig_read(&v, V_QUEUE_READY);
}

static void set_ready(uint32_t index, uint32_t value)
{
	vrig_write(&v, V_QUEUE_SEL, index);
	vrig_write(&v, V_QUEUE_READY, value);
}

static void expect_service(unsigned int index)
{
	struct vrig_buf buf[2] = { vrig_out(&v, "hello", 5), vrig_in(&v, 16) };

	vrig_send(&v, index, buf, 2);
	assert_int_equal(vrig_get(&v, index), 5);
	vrig_interrupts(&v);
}

/* --- which there are --- */

static void test_number(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < QUEUES; i++) {
		vrig_write(&v, V_QUEUE_SEL, i);
		assert_int_equal(vrig_read(&v, V_QUEUE_NUM_MAX), MAX);
		assert_int_equal(vrig_read(&v, V_QUEUE_READY), 0);
	}
	/* "zero (0x0) if the queue is not available" */
	for (uint32_t i = QUEUES; i; i *= 2) {
		vrig_write(&v, V_QUEUE_SEL, i);
		assert_int_equal(vrig_read(&v, V_QUEUE_NUM_MAX), 0);
		assert_int_equal(vrig_read(&v, V_QUEUE_READY), 0);
	}
}

/* What is written to a queue that there is not changes none that there is. */
static void test_number_that_there_is_not(void **state)
{
	static const uint32_t number[] = { QUEUES, VIRTIO_MAX_QUEUES, 0x10000, UINT32_MAX };

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		negotiate();
		vrig_make_rings(&v, 0, 16);
		vrig_write(&v, V_QUEUE_SEL, number[i]);
		vrig_write(&v, V_QUEUE_NUM, 16);
		vrig_write_address(&v, V_QUEUE_DESC_LOW, v.queue[0].desc_addr);
		vrig_write_address(&v, V_QUEUE_DRIVER_LOW, v.queue[0].avail_addr);
		vrig_write_address(&v, V_QUEUE_DEVICE_LOW, v.queue[0].used_addr);
		vrig_write(&v, V_QUEUE_READY, 1);
		vrig_write(&v, V_QUEUE_READY, 0);
		vrig_write(&v, V_QUEUE_NOTIFY, number[i]);
		for (unsigned int k = 0; k < QUEUES; k++) {
			assert_int_equal(is_ready(k), 0);
			assert_int_equal(v.notified[k], 0);
		}
		assert_false(vrig_is_broken(&v));
	}
}

/* --- good ones --- */

static void test_each_by_itself(void **state)
{
	(void)state;
	negotiate();
	vrig_queue(&v, 2, 8); /* the others are not used: a driver may leave queues out */
	vrig_driver_ok(&v);
	assert_int_equal(is_ready(0), 0);
	assert_int_equal(is_ready(1), 0);
	assert_int_equal(is_ready(2), 1);
	assert_int_equal(vrig_read(&v, V_QUEUE_NUM_MAX), MAX);
	expect_service(2);
	for (unsigned int i = 0; i < QUEUES; i++)
		vrig_notify(&v, i);
	vrig_run(&v);
	assert_false(vrig_is_broken(&v));
}

static void test_every_size(void **state)
{
	(void)state;
	for (uint16_t size = 1; size <= MAX; size *= 2) {
		negotiate();
		vrig_queue(&v, 0, size);
		vrig_driver_ok(&v);
		for (unsigned int i = 0; i < 3u * size; i++) {
			struct vrig_buf buf = vrig_out(&v, "x", 1);

			vrig_send(&v, 0, &buf, 1);
			vrig_get(&v, 0);
		}
	}
}

/* Without a number the size is the most there can be, as it was before anything was written. */
static void test_size_not_written(void **state)
{
	(void)state;
	negotiate();
	vrig_make_rings(&v, 0, MAX);
	vrig_write(&v, V_QUEUE_SEL, 0);
	vrig_write_address(&v, V_QUEUE_DESC_LOW, v.queue[0].desc_addr);
	vrig_write_address(&v, V_QUEUE_DRIVER_LOW, v.queue[0].avail_addr);
	vrig_write_address(&v, V_QUEUE_DEVICE_LOW, v.queue[0].used_addr);
	vrig_write(&v, V_QUEUE_READY, 1);
	vrig_driver_ok(&v);
	for (unsigned int i = 0; i < 3 * MAX; i++)
		expect_service(0);
}

/* "The driver MUST notify" with the queue's number; it says nothing of the others. */
static void test_notify(void **state)
{
	(void)state;
	vrig_start(&v, 0);
	for (unsigned int i = 0; i < QUEUES; i++) {
		vrig_notify(&v, i);
		for (unsigned int k = 0; k < QUEUES; k++)
			assert_int_equal(v.notified[k], k == i);
		assert_int_equal(vrig_run(&v), 1);
	}
}

/* --- bad ones: not ready, and the driver sees that the device is of no use until a reset --- */

static const struct {
	uint32_t size;
	uint64_t desc, avail, used; /* 0: where it is fine */
	const char *problem;
} bad[] = {
	{ 0, 0, 0, 0, "size" },
	{ 3, 0, 0, 0, "size" },
	{ 63, 0, 0, 0, "size" },
	{ 128, 0, 0, 0, "size" },
	{ 0x10010, 0, 0, 0, "size" },
	{ 0x80000000, 0, 0, 0, "size" },
	{ UINT32_MAX, 0, 0, 0, "size" },
	/* 16 bytes, 2 and 4. */
	{ 16, VRIG_RAM + 8, 0, 0, "aligned" },
	{ 16, VRIG_RAM + 1, 0, 0, "aligned" },
	{ 16, 0, VRIG_RAM + 1, 0, "aligned" },
	{ 16, 0, 0, VRIG_RAM + 2, "aligned" },
	{ 16, 0, 0, VRIG_RAM + 1, "aligned" },
	/* All of an area must be there: 16 * 16, 6 + 2 * 16 and 6 + 8 * 16 bytes. */
	{ 16, 0x1000, 0, 0, "guest memory" },
	{ 16, VRIG_RAM - 16, 0, 0, "guest memory" },
	{ 16, RAM_END - 240, 0, 0, "guest memory" },
	{ 16, RAM_END, 0, 0, "guest memory" },
	{ 16, (uint64_t)-16, 0, 0, "guest memory" },
	{ 16, VRIG_RAM | 1ULL << 52, 0, 0, "guest memory" },
	{ 16, 0, VRIG_RAM - 2, 0, "guest memory" },
	{ 16, 0, RAM_END - 36, 0, "guest memory" },
	{ 16, 0, (uint64_t)-2, 0, "guest memory" },
	{ 16, 0, 0, VRIG_RAM - 4, "guest memory" },
	{ 16, 0, 0, RAM_END - 132, "guest memory" },
	{ 16, 0, 0, (uint64_t)-4, "guest memory" },
	{ 16, 0, 0, VRIG_ROM, "guest memory" }, /* is not to be written */
};

static void set_bad(void *ctx)
{
	unsigned int i = *(unsigned int *)ctx;

	vrig_make_rings(&v, 1, 16);
	vrig_write(&v, V_QUEUE_SEL, 1);
	vrig_write(&v, V_QUEUE_NUM, bad[i].size);
	vrig_write_address(&v, V_QUEUE_DESC_LOW, bad[i].desc ? bad[i].desc : v.queue[1].desc_addr);
	vrig_write_address(&v, V_QUEUE_DRIVER_LOW, bad[i].avail ? bad[i].avail : v.queue[1].avail_addr);
	vrig_write_address(&v, V_QUEUE_DEVICE_LOW, bad[i].used ? bad[i].used : v.queue[1].used_addr);
	vrig_write(&v, V_QUEUE_READY, 1);
}

static void test_bad_queues(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		negotiate();
		v.vdev->nr_broken = 0;
		assert_int_equal(fake_log_lines(set_bad, &i, bad[i].problem), 1);
		assert_int_equal(is_ready(1), 0);
		assert_true(vrig_is_broken(&v));
		assert_int_equal(vrig_interrupts(&v), 0);
		vrig_write(&v, V_STATUS, VIRTIO_STATUS_DRIVER_OK);
		assert_false(vrig_read(&v, V_STATUS) & VIRTIO_STATUS_DRIVER_OK);
		negotiate();
		vrig_queue(&v, 1, 16);
		vrig_driver_ok(&v);
		expect_service(1);
	}
}

/* The longest areas that still fit in front of the end. */
static void test_areas_at_the_end_of_memory(void **state)
{
	static const uint64_t last[3] = { RAM_END - 256, RAM_END - 38, RAM_END - 136 };

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		negotiate();
		vrig_make_rings(&v, 0, 16);
		*(uint64_t *[]){ &v.queue[0].desc_addr, &v.queue[0].avail_addr,
				 &v.queue[0].used_addr }[i] = last[i];
		assert_true(vrig_set_queue(&v, 0));
	}
}

/* --- at the wrong time --- */

/* Its features decide what a queue is like: before they are agreed upon there is none. */
static void test_before_features(void **state)
{
	(void)state;
	vrig_reset(&v);
	vrig_make_rings(&v, 0, 16);
	assert_false(vrig_set_queue(&v, 0));
	assert_false(vrig_is_broken(&v));
	vrig_write(&v, V_STATUS, 3);
	vrig_accept(&v, VIRTIO_F_VERSION_1);
	vrig_write(&v, V_STATUS, 11);
	assert_int_equal(is_ready(0), 0);
	set_ready(0, 1); /* size and addresses are those of before */
	assert_int_equal(is_ready(0), 1);
}

static void test_after_driver_ok(void **state)
{
	(void)state;
	negotiate();
	vrig_queue(&v, 0, 16);
	vrig_driver_ok(&v);
	vrig_make_rings(&v, 1, 16);
	assert_false(vrig_set_queue(&v, 1));
	assert_false(vrig_is_broken(&v));
	expect_service(0);
}

/* A queue that is ready keeps size and addresses, whatever is written. */
static void test_ready_is_fixed(void **state)
{
	static const uint32_t reg[] = { V_QUEUE_NUM,           V_QUEUE_DESC_LOW,       V_QUEUE_DESC_LOW + 4,
					V_QUEUE_DRIVER_LOW,    V_QUEUE_DRIVER_LOW + 4, V_QUEUE_DEVICE_LOW,
					V_QUEUE_DEVICE_LOW + 4 };

	(void)state;
	for (unsigned int live = 0; live < 2; live++) {
		negotiate();
		vrig_queue(&v, 0, 16);
		if (live)
			vrig_driver_ok(&v);
		vrig_write(&v, V_QUEUE_SEL, 0);
		for (unsigned int i = 0; i < 7; i++)
			vrig_write(&v, reg[i], 0x10);
		set_ready(0, 1);
		set_ready(0, 2); /* says nothing */
		set_ready(0, UINT32_MAX);
		assert_int_equal(is_ready(0), 1);
		if (!live)
			vrig_driver_ok(&v);
		for (unsigned int i = 0; i < 40; i++)
			expect_service(0);
	}
}

/* --- taking one away --- */

static void test_stop_before_driver_ok(void **state)
{
	(void)state;
	negotiate();
	vrig_queue(&v, 0, 16);
	vrig_queue(&v, 1, 16);
	set_ready(0, 0);
	assert_int_equal(is_ready(0), 0);
	assert_int_equal(is_ready(1), 1);
	assert_false(vrig_is_broken(&v));
	vrig_queue(&v, 0, 8); /* elsewhere, and of another size */
	vrig_driver_ok(&v);
	expect_service(0);
	expect_service(1);
}

static void stop_queue(void *ctx)
{
	(void)ctx;
	set_ready(0, 0);
}

/*
 * While the device is in use one queue cannot go without the others (that is RING_RESET). Its memory is the
 * driver's as soon as it reads 0; the whole device must be reset then.
 */
static void test_stop_in_use(void **state)
{
	struct vrig_buf buf;
	uint16_t *used[2];

	(void)state;
	vrig_start(&v, 0);
	echo.resets = 0;
	buf = vrig_out(&v, "abc", 3);
	for (unsigned int i = 0; i < 2; i++) {
		used[i] = v.queue[i].used;
		vrig_add(&v, i, &buf, 1);
		vrig_notify(&v, i);
	}
	assert_int_equal(fake_log_lines(stop_queue, NULL, "queue 0 was taken away while others were in use"),
			 1);
	assert_int_equal(is_ready(0), 0);
	assert_int_equal(echo.resets, 1);
	assert_true(vrig_is_broken(&v));
	assert_int_equal(vrig_interrupts(&v), 1);
	vrig_run(&v);
	assert_int_equal(used[0][1], 0);
	assert_int_equal(used[1][1], 0);
	assert_int_equal(fake_log_lines(stop_queue, NULL, ""), 0);
	vrig_start(&v, 0);
	expect_service(0);
	expect_service(1);
}

/* With no other queue in use there is nothing that the driver had to be told; nor has it done anything wrong. */
static void test_stop_the_only_one_in_use(void **state)
{
	struct vrig_buf buf;
	uint16_t *used;

	(void)state;
	negotiate();
	vrig_queue(&v, 0, MAX);
	vrig_driver_ok(&v);
	expect_service(0);
	echo.resets = 0;
	buf = vrig_out(&v, "abc", 3);
	used = v.queue[0].used;
	vrig_add(&v, 0, &buf, 1);
	vrig_notify(&v, 0);
	assert_int_equal(fake_log_lines(stop_queue, NULL, ""), 0);
	assert_int_equal(is_ready(0), 0);
	assert_int_equal(echo.resets, 1);
	assert_false(vrig_is_broken(&v));
	vrig_run(&v);
	assert_int_equal(used[1], 1); /* the first one only */
	assert_int_equal(vrig_interrupts(&v), 0);
	/* Only a reset brings it back. */
	set_ready(0, 1);
	assert_int_equal(is_ready(0), 0);
	vrig_start(&v, 0);
	expect_service(0);
	expect_service(1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_number),           TEST(test_number_that_there_is_not),
		TEST(test_each_by_itself),   TEST(test_every_size),
		TEST(test_size_not_written), TEST(test_notify),
		TEST(test_bad_queues),       TEST(test_areas_at_the_end_of_memory),
		TEST(test_before_features),  TEST(test_after_driver_ok),
		TEST(test_ready_is_fixed),   TEST(test_stop_before_driver_ok),
		TEST(test_stop_in_use),      TEST(test_stop_the_only_one_in_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
