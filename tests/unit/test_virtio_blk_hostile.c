// SPDX-License-Identifier: BSD-2-Clause
/* The disk with a driver that does not keep to VIRTIO 1.2, "Block Device". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/blk_rig.h"

static void requests_beyond_the_end_are_errors(void **state)
{
	static const struct {
		uint64_t sector;
		uint32_t len;
	} bad[] = {
		{ DISK_SECTORS, 512 },           { DISK_SECTORS - 1, 1024 },    { DISK_SECTORS + 1, 512 },
		{ 0, (DISK_SECTORS + 1) * 512 }, { UINT64_MAX, 512 },           { UINT64_MAX - 1, 1024 },
		{ UINT64_MAX / 512, 512 },       { UINT64_MAX / 512 + 1, 512 }, /* wraps to 0 in bytes */
		{ UINT64_MAX / 512 + 1, 1024 },
	};
	static uint8_t data[(DISK_SECTORS + 1) * 512];
	struct brig b;

	(void)state;
	brig_start(&b, BLK_F_ALL);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct blk_range range = { bad[i].sector, bad[i].len / 512, 0 };

		assert_int_equal(brig_in(&b, IN, bad[i].sector, NULL, bad[i].len), IOERR);
		assert_int_equal(brig_out(&b, OUT, bad[i].sector, data, bad[i].len), IOERR);
		assert_int_equal(brig_out(&b, DISCARD, 0, &range, sizeof(range)), IOERR);
		assert_int_equal(brig_out(&b, WRITE_ZEROES, 0, &range, sizeof(range)), IOERR);
	}
	assert_int_equal(b.disk.submitted, 0);
	brig_finish(&b);
}

static void lengths_that_are_no_sectors_are_errors(void **state)
{
	static const uint32_t bad[] = { 0, 1, 511, 513, 1025 };
	uint8_t data[1025] = { 0 };
	struct brig b;

	(void)state;
	brig_start(&b, BLK_F_ALL);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(brig_in(&b, IN, 0, NULL, bad[i]), IOERR);
		assert_int_equal(brig_out(&b, OUT, 0, data, bad[i]), IOERR);
	}
	assert_int_equal(b.disk.submitted, 0);
	brig_finish(&b);
}

/* Nothing of the guest's memory is left in what the used length says was written. */
static void what_a_failed_read_leaves_is_zeroes(void **state)
{
	uint8_t data[1024];
	struct brig b;

	(void)state;
	brig_start(&b, BLK_F_ALL);
	assert_int_equal(brig_in(&b, IN, DISK_SECTORS, data, sizeof(data)), IOERR);
	for (unsigned int i = 0; i < sizeof(data); i++)
		assert_int_equal(data[i], 0);
	brig_finish(&b);
}

static void short_headers_are_errors(void **state)
{
	struct brig b;

	(void)state;
	brig_start(&b, BLK_F_ALL);
	for (uint32_t len = 0; len < 16; len++) {
		struct blk_header header = { .type = IN };
		struct vrig_buf buf[2];
		unsigned int count = 0;

		if (len)
			buf[count++] = vrig_out(&b.v, &header, len);
		buf[count++] = vrig_in(&b.v, 513);
		assert_int_equal(brig_send(&b, buf, count), IOERR);
	}
	assert_int_equal(b.disk.submitted, 0);
	brig_finish(&b);
}

static void send_without_status(void *ctx)
{
	struct brig *b = ctx;

	for (unsigned int i = 0; i < 3; i++) {
		struct vrig_buf buf[2] = { brig_header(b, IN, 0), brig_header(b, IN, 0) };

		vrig_send(&b->v, 0, buf, 2);
	}
}

/* There is nowhere to say it: the device stands still until it is reset, and then works again. */
static void no_room_for_the_status_breaks_the_device(void **state)
{
	struct brig b;
	uint8_t data[512];

	(void)state;
	brig_start(&b, BLK_F_ALL);
	assert_int_equal(fake_log_lines(send_without_status, &b, "disk t: "), 1);
	assert_true(vrig_is_broken(&b.v));
	assert_int_equal(vrig_used(&b.v, 0), 0);
	vrig_start(&b.v, BLK_F_ALL);
	assert_int_equal(brig_in(&b, IN, 0, data, sizeof(data)), OK);
	brig_finish(&b);
}

/* What comes back to a broken device is not shown. */
static void requests_in_flight_when_it_breaks_are_dropped(void **state)
{
	struct brig b;

	(void)state;
	brig_start(&b, BLK_F_ALL);
	b.disk.manual = true;
	{
		struct vrig_buf buf[3] = { brig_header(&b, IN, 0), vrig_in(&b.v, 512), vrig_in(&b.v, 1) };

		vrig_send(&b.v, 0, buf, 3);
	}
	fake_log_lines(send_without_status, &b, "");
	assert_int_equal(fake_disk_run(&b.disk), 1);
	assert_int_equal(vrig_used(&b.v, 0), 0);
	brig_finish(&b);
}

static void unknown_requests_are_unsupported(void **state)
{
	static const uint32_t types[] = {
		2, 3, 5, GET_LIFETIME, 12, SECURE_ERASE, 15, 0x80000000, UINT32_MAX
	};
	uint8_t data[512] = { 0 };
	struct brig b;

	(void)state;
	brig_start(&b, BLK_F_ALL);
	for (unsigned int i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		assert_int_equal(brig_out(&b, types[i], 0, data, sizeof(data)), UNSUPP);
		assert_int_equal(brig_in(&b, types[i], 0, data, sizeof(data)), UNSUPP);
	}
	brig_finish(&b);
}

/* "Device Requirements: Device Operation". */
static void requests_of_features_not_negotiated_are_unsupported(void **state)
{
	const struct blk_range range = { 0, 8, 0 };
	struct brig b;

	(void)state;
	brig_start(&b, 0);
	assert_int_equal(brig_out(&b, FLUSH, 0, NULL, 0), UNSUPP);
	assert_int_equal(brig_out(&b, DISCARD, 0, &range, sizeof(range)), UNSUPP);
	assert_int_equal(brig_out(&b, WRITE_ZEROES, 0, &range, sizeof(range)), UNSUPP);
	assert_int_equal(b.disk.submitted, 0);
	brig_finish(&b);
}

static void a_read_only_disk_is_not_written(void **state)
{
	const struct blk_range range = { 0, 8, 0 };
	uint8_t data[512] = { 0 };
	struct brig b;

	(void)state;
	brig_init(&b);
	b.disk.bd.read_only = true;
	b.disk.bd.can_zero = false;
	b.disk.bd.discard_granularity = 0;
	brig_create(&b, 1);
	vrig_start(&b.v, BLK_F_RO | BLK_F_FLUSH);
	assert_int_equal(brig_out(&b, OUT, 0, data, sizeof(data)), IOERR);
	assert_int_equal(brig_out(&b, DISCARD, 0, &range, sizeof(range)), IOERR);
	assert_int_equal(brig_out(&b, WRITE_ZEROES, 0, &range, sizeof(range)), IOERR);
	assert_int_equal(brig_in(&b, IN, 0, data, sizeof(data)), OK);
	/* Without a word of RO from the driver as well. */
	vrig_start(&b.v, 0);
	assert_int_equal(brig_out(&b, OUT, 0, data, sizeof(data)), IOERR);
	assert_int_equal(brig_in(&b, IN, 0, data, sizeof(data)), OK);
	brig_finish(&b);
}

static void malformed_ranges(void **state)
{
	static struct blk_range many[300];
	const struct blk_range good = { 0, 8, 0 }, empty = { 0, 0, 0 }, unmap = { 0, 8, 1 },
			       reserved = { 0, 8, 2 };
	const struct blk_range second[2] = { { 0, 8, 0 }, { DISK_SECTORS, 1, 0 } };
	struct brig b;

	(void)state;
	for (unsigned int i = 0; i < 300; i++)
		many[i] = good;
	brig_start(&b, BLK_F_ALL);
	for (unsigned int type = DISCARD; type <= WRITE_ZEROES; type += WRITE_ZEROES - DISCARD) {
		assert_int_equal(brig_out(&b, type, 0, NULL, 0), IOERR);
		assert_int_equal(brig_out(&b, type, 0, &good, 15), IOERR);
		assert_int_equal(brig_out(&b, type, 0, many, 17), IOERR);
		assert_int_equal(brig_out(&b, type, 0, &empty, 16), IOERR);
		assert_int_equal(brig_out(&b, type, 0, &reserved, 16), UNSUPP);
		/* More than max_discard_seg and max_write_zeroes_seg. */
		assert_int_equal(brig_out(&b, type, 0, many, sizeof(many)), IOERR);
		assert_int_equal(brig_out(&b, type, 0, many, 16 * (uint32_t)(vrig_config(&b.v, 40, 4) + 1)),
				 IOERR);
		/* One bad range, and nothing is done to the good one before it. */
		assert_int_equal(brig_out(&b, type, 0, second, sizeof(second)), IOERR);
	}
	assert_int_equal(brig_out(&b, DISCARD, 0, &unmap, 16), UNSUPP);
	assert_int_equal(b.disk.submitted, 0);
	assert_int_equal(brig_out(&b, DISCARD, 0, many, 16 * (uint32_t)vrig_config(&b.v, 40, 4)), OK);
	brig_finish(&b);
}

static void ranges_longer_than_offered(void **state)
{
	struct blk_range range = { 0, 0, 0 };
	struct brig b;

	(void)state;
	brig_init(&b);
	b.disk.bd.size = 1ULL << 45;
	brig_create(&b, 1);
	vrig_start(&b.v, BLK_F_ALL);
	range.sectors = (uint32_t)vrig_config(&b.v, 36, 4) + 1;
	assert_int_equal(brig_out(&b, DISCARD, 0, &range, 16), IOERR);
	range.sectors = UINT32_MAX;
	assert_int_equal(brig_out(&b, WRITE_ZEROES, 0, &range, 16), IOERR);
	assert_int_equal(b.disk.submitted, 0);
	brig_finish(&b);
}

static void wrong_room_for_the_serial_number(void **state)
{
	struct brig b;
	uint8_t id[40];

	(void)state;
	brig_start(&b, 0);
	assert_int_equal(brig_in(&b, GET_ID, 0, NULL, 0), IOERR);
	assert_int_equal(brig_in(&b, GET_ID, 0, id, 19), IOERR);
	assert_int_equal(brig_in(&b, GET_ID, 0, id, 40), OK);
	assert_memory_equal(id, "serial-42\0", 10);
	assert_int_equal(id[39], 0);
	brig_finish(&b);
}

/* Buffers that the driver says may be written, where there is nothing to write. */
static void what_was_not_asked_for_is_zeroes(void **state)
{
	uint8_t data[512] = { 0 };
	struct brig b;

	(void)state;
	brig_start(&b, BLK_F_ALL);
	{
		struct vrig_buf buf[4] = { brig_header(&b, OUT, 0), vrig_out(&b.v, data, 512),
					   vrig_in(&b.v, 64), vrig_in(&b.v, 1) };

		assert_int_equal(brig_send(&b, buf, 4), OK);
		assert_int_equal(brig_byte(&b, &buf[2]), 0);
	}
	brig_finish(&b);
}

/* Every answer at once makes room for the next request: the worker gets away from such a driver. */
static void a_driver_that_never_stops_does_not_keep_the_worker(void **state)
{
	struct vrig_buf buf[2];
	struct brig b;
	struct vrig_queue *q;

	(void)state;
	brig_start(&b, 0);
	q = &b.v.queue[0];
	buf[0] = brig_header(&b, 99, 0);
	buf[1] = vrig_in(&b.v, 1);
	vrig_add(&b.v, 0, buf, 2);
	/* The same chain over and over: as many as the ring says there are. */
	for (unsigned int i = 0; i < q->size; i++)
		q->avail[2 + i] = q->avail[2];
	__atomic_store_n(&q->avail[1], (uint16_t)q->size, __ATOMIC_RELEASE);
	virtio_kick(b.v.vdev, 0);
	assert_int_equal(vrig_used(&b.v, 0), q->size);
	/* It asked to be called again, for it did not look whether there are more. */
	assert_int_equal(b.v.notified[0], 1);
	vrig_run(&b.v);
	assert_int_equal(b.v.notified[0], 0);
	brig_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_beyond_the_end_are_errors),
		cmocka_unit_test(lengths_that_are_no_sectors_are_errors),
		cmocka_unit_test(what_a_failed_read_leaves_is_zeroes),
		cmocka_unit_test(short_headers_are_errors),
		cmocka_unit_test(no_room_for_the_status_breaks_the_device),
		cmocka_unit_test(requests_in_flight_when_it_breaks_are_dropped),
		cmocka_unit_test(unknown_requests_are_unsupported),
		cmocka_unit_test(requests_of_features_not_negotiated_are_unsupported),
		cmocka_unit_test(a_read_only_disk_is_not_written),
		cmocka_unit_test(malformed_ranges),
		cmocka_unit_test(ranges_longer_than_offered),
		cmocka_unit_test(wrong_room_for_the_serial_number),
		cmocka_unit_test(what_was_not_asked_for_is_zeroes),
		cmocka_unit_test(a_driver_that_never_stops_does_not_keep_the_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
