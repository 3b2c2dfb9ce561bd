// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who wants to hear of what (VIRTIO 1.2, "Used Buffer Notification Suppression", "Available Buffer
 * Notification Suppression"): with flags, and with EVENT_IDX also where the indices go around.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/virtio_echo.h"

#define SIZE         8
#define NO_INTERRUPT 1
#define NO_NOTIFY    1

static struct vrig v;
static struct echo echo;
static struct virtq *q;
static struct vrig_queue *ring;
static struct vrig_buf buf;
static struct iovec iov[4];
static struct virtq_chain chain;

static int setup(void **state)
{
	(void)state;
	echo_setup(&v, &echo, 1, SIZE);
	q = &echo.vdev.queue[0];
	ring = &v.queue[0];
	chain = (struct virtq_chain){ .iov = iov, .max_iov = 4 };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vrig_finish(&v);
	return 0;
}

static void start(uint64_t features)
{
	v.allocated = 0;
	vrig_start_size(&v, features, SIZE);
	buf = vrig_in(&v, 8);
}

/* So many chains go to the device and come back; the driver takes them. */
static void pass(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		vrig_add(&v, 0, &buf, 1);
		assert_int_equal(virtq_pop(q, &chain), 1);
		virtq_push(q, chain.head, 0);
		vrig_get(&v, 0);
	}
}

static uint16_t *used_event(void)
{
	return &ring->avail[2 + SIZE];
}

static uint16_t avail_event(void)
{
	return ring->used[2 + 4 * SIZE];
}

/* --- interrupts --- */

static void test_interrupt_by_flag(void **state)
{
	(void)state;
	start(0);
	assert_false(virtq_wants_interrupt(q)); /* nothing was pushed */
	pass(1);
	assert_true(virtq_wants_interrupt(q));
	assert_false(virtq_wants_interrupt(q)); /* for that it has one */
	pass(3);
	assert_true(virtq_wants_interrupt(q));

	ring->avail[0] = NO_INTERRUPT;
	pass(3);
	assert_false(virtq_wants_interrupt(q));
	/* What it did not want to hear of then is no reason later. */
	ring->avail[0] = 0;
	assert_false(virtq_wants_interrupt(q));
	pass(1);
	assert_true(virtq_wants_interrupt(q));
	/* used_event means nothing without the feature. */
	*used_event() = 1000;
	pass(1);
	assert_true(virtq_wants_interrupt(q));
}

/* By the definition: there is an interrupt if the entry at index used_event is among those of the batch. */
static bool is_among(uint16_t first, unsigned int count, uint16_t event)
{
	for (unsigned int i = 0; i < count; i++)
		if ((uint16_t)(first + i) == event)
			return true;
	return false;
}

/* Every batch, every event near it, from before the indices go around until after. */
static void test_interrupt_by_event(void **state)
{
	(void)state;
	start(VIRTIO_F_EVENT_IDX);
	pass(65536 - 40);
	virtq_wants_interrupt(q);
	ring->avail[0] = NO_INTERRUPT; /* "the device MUST ignore the lower bit of flags" */
	for (int distance = -12; distance <= 12; distance++) {
		for (unsigned int count = 1; count <= SIZE; count++) {
			uint16_t first = q->next_used;

			*used_event() = (uint16_t)(first + distance);
			pass(count);
			assert_int_equal(virtq_wants_interrupt(q), is_among(first, count, *used_event()));
			assert_false(virtq_wants_interrupt(q));
		}
	}
}

/* A driver that does not move its event on is left alone, for 65535 entries at least. */
static void test_event_is_behind(void **state)
{
	(void)state;
	start(VIRTIO_F_EVENT_IDX);
	*used_event() = 2;
	for (unsigned int i = 0; i < 65536 + 3; i++) {
		pass(1);
		assert_int_equal(virtq_wants_interrupt(q), i == 2 || i == 65536 + 2);
	}
}

/* The model asks after a batch, and the driver may make a batch as long as it likes. */
static void test_very_long_batch(void **state)
{
	static const unsigned int length[] = { 65534, 65535, 65536, 65537, 65536 + 10, 131072 };

	(void)state;
	for (unsigned int i = 0; i < sizeof(length) / sizeof(length[0]); i++) {
		start(0);
		pass(length[i]);
		assert_true(virtq_wants_interrupt(q));
		assert_false(virtq_wants_interrupt(q));

		start(VIRTIO_F_EVENT_IDX);
		pass(length[i]);
		*used_event() = (uint16_t)(q->next_used - 20); /* passed long since */
		assert_true(virtq_wants_interrupt(q));
		pass(length[i]);
		*used_event() = q->next_used; /* comes next */
		assert_false(virtq_wants_interrupt(q));
	}
}

/* In all three ways to give back. */
static void test_interrupt_for_a_flushed_batch(void **state)
{
	(void)state;
	start(VIRTIO_F_EVENT_IDX);
	*used_event() = 2;
	for (unsigned int i = 0; i < 4; i++) {
		vrig_add(&v, 0, &buf, 1);
		assert_int_equal(virtq_pop(q, &chain), 1);
		virtq_fill(q, i, chain.head, 0);
	}
	assert_false(virtq_wants_interrupt(q));
	virtq_flush(q, 4);
	assert_true(virtq_wants_interrupt(q));
}

/* --- notifications --- */

static void test_notify_by_flag(void **state)
{
	(void)state;
	start(0);
	assert_true(vrig_is_wanted(&v, 0, 1));
	virtq_disable_notify(q);
	assert_int_equal(ring->used[0], NO_NOTIFY);
	assert_false(vrig_is_wanted(&v, 0, 1));
	assert_false(virtq_enable_notify(q));
	assert_int_equal(ring->used[0], 0);

	/* What comes meanwhile nobody tells of. */
	virtq_disable_notify(q);
	vrig_add(&v, 0, &buf, 1);
	assert_false(vrig_is_wanted(&v, 0, 1));
	assert_true(virtq_enable_notify(q));
	assert_int_equal(virtq_pop(q, &chain), 1);
	assert_false(virtq_enable_notify(q));
	assert_int_equal(avail_event(), 0); /* there is none */
}

/* The driver tells once for each avail_event, and there is a new one when the device has done its work. */
static void test_notify_by_event(void **state)
{
	(void)state;
	start(VIRTIO_F_EVENT_IDX);
	for (unsigned int i = 0; i < 70000; i++) {
		virtq_disable_notify(q);
		vrig_add(&v, 0, &buf, 1);
		assert_true(vrig_is_wanted(&v, 0, 1)); /* the first since */
		vrig_add(&v, 0, &buf, 1);
		assert_false(vrig_is_wanted(&v, 0, 1));
		assert_true(virtq_enable_notify(q));
		for (unsigned int k = 0; k < 2; k++) {
			assert_int_equal(virtq_pop(q, &chain), 1);
			virtq_push(q, chain.head, 0);
			vrig_get(&v, 0);
		}
		assert_false(virtq_enable_notify(q));
		assert_int_equal(avail_event(), (uint16_t)(2 * (i + 1)));
		assert_int_equal(ring->used[0], 0); /* "The device MUST set flags to 0" */
	}
}

/* What is put back waits, and the model knows: nobody tells of it again. */
static void test_notify_after_unpop(void **state)
{
	(void)state;
	start(VIRTIO_F_EVENT_IDX);
	vrig_add(&v, 0, &buf, 1);
	assert_int_equal(virtq_pop(q, &chain), 1);
	virtq_unpop(q, 1);
	assert_true(virtq_enable_notify(q));
	assert_int_equal(avail_event(), 0);
}

/* A device that is broken does not wait for anything any more. */
static void test_halted(void **state)
{
	(void)state;
	start(0);
	vrig_add(&v, 0, &buf, 1);
	ring->desc[0].len = 0;
	assert_true(virtq_pop(q, &chain) < 0);
	assert_false(virtq_has_work(q));
	assert_false(virtq_enable_notify(q));
	assert_int_equal(virtq_pop(q, &chain), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_interrupt_by_flag),
		TEST(test_interrupt_by_event),
		TEST(test_event_is_behind),
		TEST(test_very_long_batch),
		TEST(test_interrupt_for_a_flushed_batch),
		TEST(test_notify_by_flag),
		TEST(test_notify_by_event),
		TEST(test_notify_after_unpop),
		TEST(test_halted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
