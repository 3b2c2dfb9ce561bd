// SPDX-License-Identifier: BSD-2-Clause
/*
 * The entropy device against VIRTIO 1.2, "Entropy Device", and its limit of bytes in a second.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/virtio/rng.h"
#include "tests/unit/virtio_rig.h"

static struct vrig v;
static struct {
	uint64_t given; /* bytes; the next byte is the low bits of their number */
	size_t most;    /* of one call */
} source;

static size_t fill(void *ctx, void *buf, size_t len)
{
	assert_ptr_equal(ctx, &source);
	assert_true(len > 0);
	if (len > source.most)
		len = source.most;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = (uint8_t)source.given++;
	return len;
}

static void plug(uint32_t rate)
{
	const struct rng_source from = { .fill = fill, .ctx = &source };
	struct err err;

	source.given = 0;
	source.most = SIZE_MAX;
	vrig_init(&v);
	v.rig.clock.monotonic = 5 * NSEC_PER_SEC;
	assert_int_equal(
		virtio_rng_create(&v.vdev, &v.mem, "rng rng0", &from, rate, &v.rig.clock.clock, &err), 0);
	vrig_plug(&v);
}

static int teardown(void **state)
{
	(void)state;
	vrig_finish(&v);
	return 0;
}

static uint16_t ask(uint32_t len)
{
	struct vrig_buf buf = vrig_in(&v, len);

	return vrig_send(&v, 0, &buf, 1);
}

/* "Device ID: 4. Virtqueues: 0 requestq. Feature bits: none currently defined." */
static void test_identity(void **state)
{
	(void)state;
	plug(0);
	assert_int_equal(vrig_read(&v, V_DEVICE_ID), 4);
	assert_int_equal(vrig_offered(&v), VIRTIO_F_TRANSPORT);
	vrig_write(&v, V_QUEUE_SEL, 1);
	assert_int_equal(vrig_read(&v, V_QUEUE_NUM_MAX), 0);
}

static void test_fills_buffers(void **state)
{
	struct vrig_buf buf[3];
	const uint8_t *got;

	(void)state;
	plug(0);
	vrig_start(&v, 0);
	buf[0] = vrig_in(&v, 3);
	buf[1] = vrig_in(&v, 1);
	buf[2] = vrig_in(&v, 60);
	vrig_send(&v, 0, buf, 3);
	assert_int_equal(vrig_get(&v, 0), 64);
	assert_int_equal(vrig_interrupts(&v), 1);
	got = vrig_host(&v, buf[0].addr, 3);
	assert_true(got[0] == 0 && got[1] == 1 && got[2] == 2 && got[3] == 0);
	assert_int_equal(*(uint8_t *)vrig_host(&v, buf[1].addr, 1), 3);
	got = vrig_host(&v, buf[2].addr, 60);
	assert_true(got[0] == 4 && got[59] == 63);
}

/* "The device MUST place one or more random bytes into the buffer, but it MAY use less than the entire". */
static void test_a_large_buffer_gets_a_part(void **state)
{
	struct vrig_buf buf[16];
	uint32_t got;

	(void)state;
	plug(0);
	vrig_start(&v, 0);
	for (int i = 0; i < 16; i++)
		buf[i] = (struct vrig_buf){ .addr = VRIG_RAM + (2 << 20), .len = 2 << 20, .write = true };
	vrig_send(&v, 0, buf, 16);
	got = vrig_get(&v, 0);
	assert_true(got >= 1 && got <= 65536);
	assert_int_equal(source.given, got);
}

static void test_a_source_that_gives_less(void **state)
{
	(void)state;
	plug(0);
	vrig_start(&v, 0);
	source.most = 7;
	ask(64);
	assert_int_equal(vrig_get(&v, 0), 7);
}

/* No number of zeroes passes for randomness: the device stands still and says so. */
static void test_a_source_that_fails(void **state)
{
	(void)state;
	plug(0);
	vrig_start(&v, 0);
	source.most = 0;
	ask(64);
	assert_true(vrig_is_broken(&v));
	assert_int_equal(vrig_used(&v, 0), 0);

	source.most = SIZE_MAX;
	vrig_start(&v, 0);
	ask(64);
	assert_int_equal(vrig_get(&v, 0), 64);
}

/* Read-only buffers and none at all: nothing to fill, given back. */
static void test_nothing_to_fill(void **state)
{
	struct vrig_buf out;

	(void)state;
	plug(1000);
	vrig_start(&v, 0);
	out = vrig_out(&v, "abc", 3);
	vrig_send(&v, 0, &out, 1);
	assert_int_equal(vrig_get(&v, 0), 0);
	assert_int_equal(source.given, 0);
}

/* A second's worth at once; then each request waits until its bytes have been paid for by time. */
static void test_rate(void **state)
{
	(void)state;
	plug(1000);
	vrig_start(&v, 0);
	for (int i = 0; i < 10; i++) {
		ask(100);
		assert_int_equal(vrig_get(&v, 0), 100);
	}
	vrig_interrupts(&v);
	vrig_ack(&v);
	ask(100);
	ask(50);
	assert_int_equal(vrig_used(&v, 0), 0);
	fake_clock_step(&v.rig.clock, NSEC_PER_SEC / 10 - 1);
	assert_int_equal(vrig_used(&v, 0), 0);
	fake_clock_step(&v.rig.clock, 1);
	assert_int_equal(vrig_used(&v, 0), 1);
	assert_int_equal(vrig_get(&v, 0), 100);
	assert_int_equal(vrig_interrupts(&v), 1);
	vrig_ack(&v);
	fake_clock_step(&v.rig.clock, NSEC_PER_SEC / 20);
	assert_int_equal(vrig_get(&v, 0), 50);
	assert_null(v.rig.clock.armed); /* nobody waits */

	/* After a pause of any length it is a second's worth again, no more. */
	fake_clock_step(&v.rig.clock, 3600 * NSEC_PER_SEC);
	ask(4096);
	assert_int_equal(vrig_get(&v, 0), 1000);
	ask(1);
	assert_int_equal(vrig_used(&v, 0), 0);
	fake_clock_step(&v.rig.clock, NSEC_PER_SEC / 1000);
	assert_int_equal(vrig_get(&v, 0), 1);
}

/* However a driver notifies and resets, it gets no more than it is due. */
static void test_rate_cannot_be_tricked(void **state)
{
	(void)state;
	plug(100);
	vrig_start(&v, 0);
	ask(100);
	assert_int_equal(vrig_get(&v, 0), 100);
	for (int round = 0; round < 5; round++) {
		vrig_start(&v, 0);
		ask(10);
		for (int i = 0; i < 100; i++) {
			vrig_notify(&v, 0);
			vrig_run(&v);
		}
		assert_int_equal(vrig_used(&v, 0), 0);
	}
	vrig_reset(&v);
	assert_null(v.rig.clock.armed);
	fake_clock_step(&v.rig.clock, NSEC_PER_SEC / 10);
	assert_int_equal(source.given, 100);
	vrig_start(&v, 0);
	ask(10);
	assert_int_equal(vrig_get(&v, 0), 10);
}

static void test_slowest_rate(void **state)
{
	(void)state;
	plug(1);
	vrig_start(&v, 0);
	ask(64);
	assert_int_equal(vrig_get(&v, 0), 1);
	ask(64);
	fake_clock_step(&v.rig.clock, NSEC_PER_SEC - 1);
	assert_int_equal(vrig_used(&v, 0), 0);
	fake_clock_step(&v.rig.clock, 1);
	assert_int_equal(vrig_get(&v, 0), 1);
}

/* While it waits for time to pass, notifications would be for nothing. */
static void test_waiting_needs_no_notifications(void **state)
{
	(void)state;
	plug(100);
	vrig_start(&v, 0);
	assert_true(vrig_is_wanted(&v, 0, 1));
	ask(100);
	ask(100);
	assert_false(vrig_is_wanted(&v, 0, 1));
	fake_clock_step(&v.rig.clock, NSEC_PER_SEC);
	assert_true(vrig_is_wanted(&v, 0, 1));
}

#define TEST(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_identity),
		TEST(test_fills_buffers),
		TEST(test_a_large_buffer_gets_a_part),
		TEST(test_a_source_that_gives_less),
		TEST(test_a_source_that_fails),
		TEST(test_nothing_to_fill),
		TEST(test_rate),
		TEST(test_rate_cannot_be_tricked),
		TEST(test_slowest_rate),
		TEST(test_waiting_needs_no_notifications),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
