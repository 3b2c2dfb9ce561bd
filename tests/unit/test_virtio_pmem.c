// SPDX-License-Identifier: BSD-2-Clause
/* The PMEM device against VIRTIO 1.2, "PMEM Device". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "devices/virtio/pmem.h"
#include "tests/unit/virtio_rig.h"

#define WINDOW_BASE 0x140000000ULL
#define WINDOW_SIZE (6ULL << 20)

/* --- the model, with a host side that flushes when it is told to --- */

struct fake_backend {
	struct pmem_backend backend;
	unsigned int begun;
	bool under_way, destroyed;
};

static void fake_flush(struct pmem_backend *backend)
{
	struct fake_backend *fake = (struct fake_backend *)backend;

	assert_false(fake->under_way); /* one at a time */
	fake->under_way = true;
	fake->begun++;
}

static void fake_destroy(struct pmem_backend *backend)
{
	((struct fake_backend *)backend)->destroyed = true;
}

static struct vrig v;
static struct fake_backend fake;

static void flush_ends(int result)
{
	assert_true(fake.under_way);
	fake.under_way = false;
	fake.backend.flushed(fake.backend.ctx, result);
	vrig_run(&v);
}

static int setup(void **state)
{
	static const struct pmem_backend_ops ops = { .flush = fake_flush, .destroy = fake_destroy };
	struct err err;

	(void)state;
	fake = (struct fake_backend){ .backend.ops = &ops };
	vrig_init(&v);
	assert_int_equal(virtio_pmem_create(&v.vdev, &v.mem, "pmem root", WINDOW_BASE, WINDOW_SIZE,
					    &fake.backend, &err),
			 0);
	vrig_plug(&v);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vrig_finish(&v);
	return !fake.destroyed;
}

/* A request of that type; the address of its answer. */
static uint64_t request(uint32_t type)
{
	struct vrig_buf buf[] = { vrig_out(&v, &type, 4), vrig_in(&v, 4) };

	vrig_send(&v, 0, buf, 2);
	return buf[1].addr;
}

static uint32_t value_at(uint64_t addr)
{
	uint32_t value;

	memcpy(&value, vrig_host(&v, addr, 4), 4);
	return value;
}

static void the_window_is_in_the_configuration_and_a_region(void **state)
{
	(void)state;
	assert_int_equal(vrig_read(&v, V_DEVICE_ID), 27);
	assert_int_equal(vrig_config(&v, 0, 8), WINDOW_BASE);
	assert_int_equal(vrig_config(&v, 8, 8), WINDOW_SIZE);
	vrig_write(&v, V_SHM_SEL, 0);
	assert_int_equal(vrig_read(&v, V_SHM_BASE_LOW), (uint32_t)WINDOW_BASE);
	assert_int_equal(vrig_read(&v, V_SHM_BASE_HIGH), WINDOW_BASE >> 32);
	assert_int_equal(vrig_read(&v, V_SHM_LEN_LOW), WINDOW_SIZE);
	assert_int_equal(vrig_read(&v, V_SHM_LEN_HIGH), 0);
	/* The driver cannot move it. */
	vrig_start(&v, 0);
	vrig_set_config(&v, 0, 4, 0);
	assert_int_equal(vrig_config(&v, 0, 8), WINDOW_BASE);
}

static void a_flush_is_answered_when_the_host_is_done(void **state)
{
	uint64_t answer;

	(void)state;
	vrig_start(&v, 0);
	answer = request(0);
	assert_int_equal(fake.begun, 1);
	assert_int_equal(vrig_used(&v, 0), 0);
	assert_int_equal(vrig_interrupts(&v), 0);
	flush_ends(0);
	assert_int_equal(vrig_get(&v, 0), 4);
	assert_int_equal(value_at(answer), 0);
	assert_int_equal(vrig_interrupts(&v), 1);
	assert_int_equal(fake.begun, 1);
}

static void a_flush_that_fails_is_an_error(void **state)
{
	uint64_t answer;

	(void)state;
	vrig_start(&v, 0);
	answer = request(0);
	flush_ends(-EIO);
	assert_int_equal(vrig_get(&v, 0), 4);
	assert_int_equal(value_at(answer), UINT32_MAX); /* -1 */
	answer = request(0);
	flush_ends(0);
	assert_int_equal(vrig_get(&v, 0), 4);
	assert_int_equal(value_at(answer), 0);
}

/* A flush under way may have passed what was written since: a later request needs one of its own. */
static void requests_that_come_meanwhile_share_the_next_flush(void **state)
{
	uint64_t first, second, third;

	(void)state;
	vrig_start(&v, 0);
	first = request(0);
	second = request(0);
	third = request(0);
	assert_int_equal(fake.begun, 1);
	flush_ends(-EIO);
	assert_int_equal(vrig_used(&v, 0), 1);
	assert_int_equal(value_at(first), UINT32_MAX);
	assert_int_equal(fake.begun, 2);
	flush_ends(0);
	assert_int_equal(vrig_used(&v, 0), 3);
	assert_int_equal(value_at(second), 0);
	assert_int_equal(value_at(third), 0);
	assert_int_equal(fake.begun, 2);
}

static void an_unknown_request_fails_at_once(void **state)
{
	uint64_t answer;

	(void)state;
	vrig_start(&v, 0);
	answer = request(1);
	assert_int_equal(fake.begun, 0);
	assert_int_equal(vrig_get(&v, 0), 4);
	assert_int_equal(value_at(answer), UINT32_MAX);
	assert_int_equal(vrig_interrupts(&v), 1);
}

/* "Message Framing": where the buffers of a request begin and end says nothing. */
static void a_request_may_come_in_single_bytes(void **state)
{
	struct vrig_buf buf[8];

	(void)state;
	vrig_start(&v, 0);
	for (unsigned int i = 0; i < 4; i++) {
		buf[i] = vrig_out(&v, "", 1);
		buf[4 + i] = vrig_in(&v, 1);
	}
	vrig_send(&v, 0, buf, 8);
	flush_ends(-EIO);
	assert_int_equal(vrig_get(&v, 0), 4);
	for (unsigned int i = 4; i < 8; i++)
		assert_int_equal(*(uint8_t *)vrig_host(&v, buf[i].addr, 1), 0xff);
}

static void requests_that_are_too_short_break_the_device(void **state)
{
	struct vrig_buf no_type[] = { vrig_out(&v, "ab", 2), vrig_in(&v, 4) };
	struct vrig_buf no_answer[] = { vrig_out(&v, "abcd", 4), vrig_in(&v, 3) };
	struct vrig_buf nothing[] = { vrig_in(&v, 8) };

	(void)state;
	vrig_start(&v, 0);
	vrig_send(&v, 0, no_type, 2);
	assert_true(vrig_is_broken(&v));
	vrig_start(&v, 0);
	vrig_send(&v, 0, no_answer, 2);
	assert_true(vrig_is_broken(&v));
	vrig_start(&v, 0);
	vrig_send(&v, 0, nothing, 1);
	assert_true(vrig_is_broken(&v));
	assert_int_equal(fake.begun, 0);
	vrig_start(&v, 0);
	request(0);
	flush_ends(0);
	assert_int_equal(vrig_get(&v, 0), 4);
}

static void a_reset_forgets_what_was_asked(void **state)
{
	uint64_t before, after;

	(void)state;
	vrig_start(&v, 0);
	before = request(0);
	request(0);
	vrig_reset(&v);
	vrig_start(&v, 0);
	after = request(0);
	assert_int_equal(fake.begun, 1); /* the old one is still under way */
	flush_ends(0);
	assert_int_equal(value_at(before), 0xeeeeeeee);
	assert_int_equal(vrig_used(&v, 0), 0);
	assert_int_equal(fake.begun, 2);
	flush_ends(0);
	assert_int_equal(vrig_get(&v, 0), 4);
	assert_int_equal(value_at(after), 0);
}

static void a_flush_may_end_while_no_driver_is_there(void **state)
{
	uint64_t answer;

	(void)state;
	vrig_start(&v, 0);
	answer = request(0);
	vrig_reset(&v);
	flush_ends(0);
	assert_int_equal(value_at(answer), 0xeeeeeeee);
	assert_int_equal(vrig_interrupts(&v), 0);
	vrig_start(&v, 0);
	request(0);
	assert_int_equal(fake.begun, 2);
	flush_ends(0);
	assert_int_equal(vrig_get(&v, 0), 4);
}

static void take_the_queue(void *ctx)
{
	(void)ctx;
	vrig_write(&v, V_QUEUE_SEL, 0);
	vrig_write(&v, V_QUEUE_READY, 0);
}

/* As Linux's driver does when it goes. */
static void the_queue_may_go_before_the_reset(void **state)
{
	uint64_t answer;

	(void)state;
	for (unsigned int round = 1; round <= 20; round++) {
		vrig_start(&v, 0);
		answer = request(0);
		assert_int_equal(fake_log_lines(take_the_queue, NULL, ""), 0);
		assert_false(vrig_is_broken(&v));
		flush_ends(0);
		assert_int_equal(value_at(answer), 0xeeeeeeee);
		assert_int_equal(vrig_interrupts(&v), 0);
		vrig_reset(&v);
		assert_int_equal(fake.begun, round);
	}
}

static void a_full_queue_of_requests(void **state)
{
	unsigned int answered = 0;

	(void)state;
	vrig_start(&v, 0);
	for (unsigned int round = 0; round < 20; round++) {
		while (v.queue[0].nr_free >= 2)
			request(round % 5 == 4);
		while (fake.under_way)
			flush_ends(0);
		while (vrig_used(&v, 0)) {
			assert_int_equal(vrig_get(&v, 0), 4);
			answered++;
		}
	}
	assert_int_equal(answered, 20 * 8);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_window_is_in_the_configuration_and_a_region),
		TEST(a_flush_is_answered_when_the_host_is_done),
		TEST(a_flush_that_fails_is_an_error),
		TEST(requests_that_come_meanwhile_share_the_next_flush),
		TEST(an_unknown_request_fails_at_once),
		TEST(a_request_may_come_in_single_bytes),
		TEST(requests_that_are_too_short_break_the_device),
		TEST(a_reset_forgets_what_was_asked),
		TEST(a_flush_may_end_while_no_driver_is_there),
		TEST(the_queue_may_go_before_the_reset),
		TEST(a_full_queue_of_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
