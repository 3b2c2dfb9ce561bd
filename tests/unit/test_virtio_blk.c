// SPDX-License-Identifier: BSD-2-Clause
/* The disk with a driver that keeps to VIRTIO 1.2, "Block Device". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/blk_rig.h"

/* "Device configuration layout": offsets. */
enum {
	C_CAPACITY = 0,
	C_SEG_MAX = 12,
	C_BLK_SIZE = 20,
	C_PHYSICAL_BLOCK_EXP = 24,
	C_ALIGNMENT_OFFSET = 25,
	C_MIN_IO_SIZE = 26,
	C_OPT_IO_SIZE = 28,
	C_WRITEBACK = 32,
	C_NUM_QUEUES = 34,
	C_MAX_DISCARD_SECTORS = 36,
	C_MAX_DISCARD_SEG = 40,
	C_DISCARD_SECTOR_ALIGNMENT = 44,
	C_MAX_WRITE_ZEROES_SECTORS = 48,
	C_MAX_WRITE_ZEROES_SEG = 52,
	C_WRITE_ZEROES_MAY_UNMAP = 56,
};

static bool is_filled_with(const uint8_t *data, size_t len, uint8_t value)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != value)
			return false;
	return true;
}

/* --- features and configuration space --- */

static void identity_features_and_configuration(void **state)
{
	struct brig b;

	(void)state;
	brig_init(&b);
	b.disk.bd.physical_block = 4096;
	b.disk.bd.misaligned = 3584;
	b.disk.bd.minimum_io = 65536;
	b.disk.bd.optimal_io = 1 << 20;
	b.disk.bd.discard_granularity = 8192;
	brig_create(&b, 1);
	assert_int_equal(vrig_read(&b.v, V_DEVICE_ID), 2);
	assert_int_equal(vrig_offered(&b.v) & ((1 << 24) - 1),
			 BLK_F_SEG_MAX | BLK_F_BLK_SIZE | BLK_F_TOPOLOGY | BLK_F_ALL);
	assert_int_equal(vrig_config(&b.v, C_CAPACITY, 4), DISK_SECTORS);
	assert_int_equal(vrig_config(&b.v, C_CAPACITY + 4, 4), 0);
	/* With header and status, a request must fit into the queue. */
	vrig_write(&b.v, V_QUEUE_SEL, 0);
	assert_int_equal(vrig_config(&b.v, C_SEG_MAX, 4) + 2, vrig_read(&b.v, V_QUEUE_NUM_MAX));
	assert_int_equal(vrig_config(&b.v, C_BLK_SIZE, 4), 512);
	assert_int_equal(vrig_config(&b.v, C_PHYSICAL_BLOCK_EXP, 1), 3);
	assert_int_equal(vrig_config(&b.v, C_ALIGNMENT_OFFSET, 1), 7);
	assert_int_equal(vrig_config(&b.v, C_MIN_IO_SIZE, 2), 128);
	assert_int_equal(vrig_config(&b.v, C_OPT_IO_SIZE, 4), 2048);
	assert_int_equal(vrig_config(&b.v, C_WRITEBACK, 1), 1);
	assert_int_equal(vrig_config(&b.v, C_NUM_QUEUES, 2), 1);
	assert_true(vrig_config(&b.v, C_MAX_DISCARD_SECTORS, 4) >= 8);
	assert_true(vrig_config(&b.v, C_MAX_DISCARD_SEG, 4) >= 1);
	assert_int_equal(vrig_config(&b.v, C_DISCARD_SECTOR_ALIGNMENT, 4), 16);
	assert_true(vrig_config(&b.v, C_MAX_WRITE_ZEROES_SECTORS, 4) >= 8);
	assert_true(vrig_config(&b.v, C_MAX_WRITE_ZEROES_SEG, 4) >= 1);
	assert_int_equal(vrig_config(&b.v, C_WRITE_ZEROES_MAY_UNMAP, 1), 1);
	brig_finish(&b);
}

static void only_what_the_host_can_do_is_offered(void **state)
{
	struct brig b;

	(void)state;
	brig_init(&b);
	b.disk.bd.discard_granularity = 0;
	b.disk.bd.logical_block = b.disk.bd.physical_block = 4096;
	brig_create(&b, 4);
	assert_int_equal(vrig_offered(&b.v) & (BLK_F_DISCARD | BLK_F_WRITE_ZEROES | BLK_F_MQ | BLK_F_RO),
			 BLK_F_WRITE_ZEROES | BLK_F_MQ);
	assert_int_equal(vrig_config(&b.v, C_NUM_QUEUES, 2), 4);
	assert_int_equal(vrig_config(&b.v, C_BLK_SIZE, 4), 4096);
	assert_int_equal(vrig_config(&b.v, C_PHYSICAL_BLOCK_EXP, 1), 0);
	assert_int_equal(vrig_config(&b.v, C_WRITE_ZEROES_MAY_UNMAP, 1), 0);
	assert_int_equal(vrig_config(&b.v, C_MAX_DISCARD_SEG, 4), 0);
	/* The unit of the protocol stays 512 bytes. */
	assert_int_equal(vrig_config(&b.v, C_CAPACITY, 4), DISK_SECTORS);
	brig_finish(&b);

	brig_init(&b);
	b.disk.bd.read_only = true;
	brig_create(&b, 1);
	assert_int_equal(vrig_offered(&b.v) & (BLK_F_DISCARD | BLK_F_WRITE_ZEROES | BLK_F_MQ | BLK_F_RO),
			 BLK_F_RO);
	brig_finish(&b);
}

/* --- requests --- */

static void reads_and_writes(void **state)
{
	struct brig b;
	uint8_t data[3 * 512], back[3 * 512];

	(void)state;
	brig_start(&b, BLK_F_ALL);
	assert_int_equal(brig_in(&b, IN, 5, data, sizeof(data)), OK);
	assert_memory_equal(data, b.disk.data + 5 * 512, sizeof(data));
	memset(data, 0x77, sizeof(data));
	assert_int_equal(brig_out(&b, OUT, DISK_SECTORS - 3, data, sizeof(data)), OK);
	assert_memory_equal(b.disk.data + DISK_BYTES - sizeof(data), data, sizeof(data));
	assert_int_equal(brig_in(&b, IN, DISK_SECTORS - 3, back, sizeof(back)), OK);
	assert_memory_equal(back, data, sizeof(data));
	assert_int_equal(vrig_ack(&b.v), VIRTIO_INT_USED);
	brig_finish(&b);
}

/* "Message Framing": a device makes nothing of how a request is cut into buffers. */
static void headers_data_and_status_may_be_cut_anywhere(void **state)
{
	struct blk_header header = { .type = OUT, .sector = 9 };
	const uint8_t *bytes = (const uint8_t *)&header;
	uint8_t data[512], read[512];
	struct brig b;

	(void)state;
	brig_start(&b, BLK_F_ALL);
	memset(data, 0x31, sizeof(data));
	{
		struct vrig_buf buf[] = {
			vrig_out(&b.v, bytes, 1),
			vrig_out(&b.v, bytes + 1, 14),
			vrig_out(&b.v, bytes + 15, 1),
			vrig_out(&b.v, data, 200),
			vrig_out(&b.v, data + 200, 1),
			vrig_out(&b.v, data + 201, 311),
			vrig_in(&b.v, 1),
		};

		assert_int_equal(brig_send(&b, buf, 7), OK);
		assert_memory_equal(b.disk.data + 9 * 512, data, 512);
	}
	{ /* header and data in one */
		uint8_t both[16 + 512];
		struct vrig_buf buf[2];

		header.sector = 10;
		memcpy(both, &header, 16);
		memset(both + 16, 0x32, 512);
		buf[0] = vrig_out(&b.v, both, sizeof(both));
		buf[1] = vrig_in(&b.v, 1);
		assert_int_equal(brig_send(&b, buf, 2), OK);
		assert_true(is_filled_with(b.disk.data + 10 * 512, 512, 0x32));
	}
	{ /* data and status in one, and the data in two */
		struct vrig_buf buf[3];

		header.type = IN;
		buf[0] = vrig_out(&b.v, &header, 16);
		buf[1] = vrig_in(&b.v, 100);
		buf[2] = vrig_in(&b.v, 413);
		assert_int_equal(brig_send(&b, buf, 3), OK);
		memcpy(read, vrig_host(&b.v, buf[1].addr, 100), 100);
		memcpy(read + 100, vrig_host(&b.v, buf[2].addr, 412), 412);
		assert_true(is_filled_with(read, 512, 0x32));
	}
	brig_finish(&b);
}

static void the_serial_number(void **state)
{
	struct brig b;
	char id[20];

	(void)state;
	brig_start(&b, 0);
	assert_int_equal(brig_in(&b, GET_ID, 0, id, sizeof(id)), OK);
	assert_memory_equal(id, "serial-42\0\0\0\0\0\0\0\0\0\0\0", 20);
	brig_finish(&b);
}

static void flushes(void **state)
{
	struct brig b;

	(void)state;
	brig_start(&b, BLK_F_FLUSH);
	assert_int_equal(brig_out(&b, FLUSH, 0, NULL, 0), OK);
	assert_int_equal(b.disk.last_op, BLOCK_FLUSH);
	b.disk.error = -EIO;
	assert_int_equal(brig_out(&b, FLUSH, 0, NULL, 0), IOERR);
	brig_finish(&b);
}

static void discards_and_zeroes_of_several_ranges(void **state)
{
	const struct blk_range range[3] = { { 8, 8, 0 }, { 100, 1, 0 }, { DISK_SECTORS - 2, 2, 0 } };
	struct brig b;

	(void)state;
	brig_start(&b, BLK_F_ALL);
	assert_int_equal(brig_out(&b, WRITE_ZEROES, 0, range, sizeof(range)), OK);
	assert_int_equal(b.disk.submitted, 3);
	assert_false(b.disk.last_may_unmap);
	assert_true(is_filled_with(b.disk.data + 8 * 512, 8 * 512, 0));
	assert_true(is_filled_with(b.disk.data + 100 * 512, 512, 0));
	assert_true(is_filled_with(b.disk.data + DISK_BYTES - 1024, 1024, 0));
	assert_true(is_filled_with(b.disk.data + 101 * 512, 512, 102));
	assert_int_equal(brig_out(&b, DISCARD, 0, range, sizeof(range)), OK);
	assert_int_equal(b.disk.submitted, 6);
	assert_int_equal(b.disk.last_op, BLOCK_DISCARD);
	assert_true(is_filled_with(b.disk.data + 100 * 512, 512, 0xdd));
	brig_finish(&b);
}

static void the_unmap_flag(void **state)
{
	const struct blk_range unmap[2] = { { 8, 8, 1 }, { 32, 8, 1 } },
			       mixed[2] = { { 8, 8, 1 }, { 32, 8, 0 } };
	struct brig b;

	(void)state;
	brig_start(&b, BLK_F_ALL);
	assert_int_equal(brig_out(&b, WRITE_ZEROES, 0, unmap, sizeof(unmap)), OK);
	assert_true(b.disk.last_may_unmap);
	assert_int_equal(brig_out(&b, WRITE_ZEROES, 0, mixed, sizeof(mixed)), OK);
	assert_false(b.disk.last_may_unmap);
	brig_finish(&b);
}

/* The host refuses the first of several ranges: nothing is done to the others. */
static void errors_of_the_host_become_the_status(void **state)
{
	const struct blk_range range[2] = { { 8, 8, 0 }, { 32, 8, 0 } };
	uint8_t data[512] = { 0 };
	struct brig b;

	(void)state;
	brig_start(&b, BLK_F_ALL);
	b.disk.error = -ENOSPC;
	assert_int_equal(brig_out(&b, OUT, 0, data, sizeof(data)), IOERR);
	assert_int_equal(brig_in(&b, IN, 0, data, sizeof(data)), IOERR);
	assert_true(is_filled_with(data, sizeof(data), 0)); /* the used length says that it was written */
	b.disk.submitted = 0;
	assert_int_equal(brig_out(&b, WRITE_ZEROES, 0, range, sizeof(range)), IOERR);
	assert_int_equal(b.disk.submitted, 1);
	b.disk.error = -EOPNOTSUPP;
	assert_int_equal(brig_out(&b, DISCARD, 0, range, sizeof(range)), UNSUPP);
	b.disk.error = 0;
	assert_int_equal(brig_out(&b, OUT, 0, data, sizeof(data)), OK);
	brig_finish(&b);
}

/* --- batches --- */

static void add_reads(struct brig *b, unsigned int queue, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		struct vrig_buf buf[3] = { brig_header(b, IN, i), vrig_in(&b->v, 512), vrig_in(&b->v, 1) };

		vrig_add_indirect(&b->v, queue, buf, 3, NULL);
	}
}

/* One look at the queue, one batch to the host, one interrupt back. */
static void a_batch_costs_one_commit_and_one_interrupt(void **state)
{
	struct brig b;

	(void)state;
	brig_init(&b);
	brig_create(&b, 1);
	vrig_start_size(&b.v, VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX, 64);
	b.disk.manual = true;
	add_reads(&b, 0, 32);
	assert_true(vrig_is_wanted(&b.v, 0, 32));
	vrig_notify(&b.v, 0);
	assert_int_equal(vrig_run(&b.v), 1);
	assert_int_equal(b.disk.submitted, 32);
	assert_int_equal(b.disk.commits, 1);
	assert_int_equal(vrig_interrupts(&b.v), 0);
	assert_int_equal(fake_disk_run(&b.disk), 32);
	assert_int_equal(vrig_interrupts(&b.v), 1);
	assert_int_equal(vrig_used(&b.v, 0), 32);
	for (unsigned int i = 0; i < 32; i++)
		assert_int_equal(vrig_get(&b.v, 0), 513);
	/* The next one is to be told of again. */
	add_reads(&b, 0, 1);
	assert_true(vrig_is_wanted(&b.v, 0, 1));
	brig_finish(&b);
}

/* First requests, whose interrupts cost the driver enough to try whether it can wait for the next one. */
static void read_first(struct brig *b)
{
	uint8_t data[512];

	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(brig_in(b, IN, 1, data, 512), OK);
		assert_int_equal(vrig_interrupts(&b->v), 1);
		fake_clock_step(&b->v.rig.clock, 100000);
		vrig_ack(&b->v);
	}
}

/* To see whether the driver sends more without it: test_moderation.c has what becomes of that. */
static void an_interrupt_that_is_held_back_comes_later(void **state)
{
	struct brig b;
	uint8_t data[512];

	(void)state;
	brig_start(&b, BLK_F_ALL);
	read_first(&b);
	assert_int_equal(brig_in(&b, IN, 2, data, 512), OK); /* it is in the used ring */
	assert_int_equal(vrig_interrupts(&b.v), 0);
	fake_clock_step(&b.v.rig.clock, 8 * 100000);
	assert_int_equal(vrig_interrupts(&b.v), 1);
	vrig_ack(&b.v);
	/* Who flushes, waits. */
	vrig_start(&b.v, BLK_F_ALL);
	read_first(&b);
	assert_int_equal(brig_in(&b, IN, 1, data, 512), OK);
	assert_int_equal(vrig_interrupts(&b.v), 0);
	assert_int_equal(brig_out(&b, FLUSH, 0, NULL, 0), OK);
	assert_int_equal(vrig_interrupts(&b.v), 1);
	vrig_ack(&b.v);
	/* A reset ends it. */
	vrig_start(&b.v, BLK_F_ALL);
	read_first(&b);
	assert_int_equal(brig_in(&b, IN, 2, data, 512), OK);
	vrig_reset(&b.v);
	fake_clock_step(&b.v.rig.clock, 10000000);
	assert_int_equal(vrig_interrupts(&b.v), 0);
	brig_finish(&b);
}

/* Requests come back in any order, and each gives back its own chain. */
static void requests_may_come_back_in_another_order(void **state)
{
	struct vrig_buf buf[2][3];
	uint16_t head[2];
	struct block_request *first;
	struct brig b;

	(void)state;
	brig_start(&b, 0);
	b.disk.manual = true;
	for (unsigned int i = 0; i < 2; i++) {
		buf[i][0] = brig_header(&b, IN, 7 + i);
		buf[i][1] = vrig_in(&b.v, 512);
		buf[i][2] = vrig_in(&b.v, 1);
		head[i] = vrig_send(&b.v, 0, buf[i], 3);
	}
	first = b.disk.first;
	b.disk.first = first->next;
	first->next = NULL;
	fake_disk_run(&b.disk);
	assert_int_equal(vrig_get(&b.v, 0), 513);
	assert_int_equal(b.v.queue[0].last_head, head[1]);
	assert_int_equal(brig_byte(&b, &buf[1][1]), 9);
	assert_int_equal(brig_byte(&b, &buf[0][1]), 0xee);
	*b.disk.last = first;
	b.disk.last = &first->next;
	fake_disk_run(&b.disk);
	assert_int_equal(vrig_get(&b.v, 0), 513);
	assert_int_equal(b.v.queue[0].last_head, head[0]);
	assert_int_equal(brig_byte(&b, &buf[0][1]), 8);
	brig_finish(&b);
}

/* More requests than the disk has in flight, in several queues: none is forgotten. */
static void queues_take_turns_when_there_are_too_many_requests(void **state)
{
	enum { QUEUES = 4, EACH = 120 };
	struct brig b;
	unsigned int most = 0;

	(void)state;
	brig_init(&b);
	brig_create(&b, QUEUES);
	vrig_start_size(&b.v, BLK_F_MQ | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX, 128);
	b.disk.manual = true;
	for (unsigned int i = 0; i < QUEUES; i++) {
		add_reads(&b, i, EACH);
		vrig_notify(&b.v, i);
	}
	vrig_run(&b.v);
	do {
		most = b.disk.in_flight > most ? b.disk.in_flight : most;
	} while (fake_disk_run(&b.disk));
	assert_in_range(most, 128, 256);
	for (unsigned int i = 0; i < QUEUES; i++) {
		assert_int_equal(vrig_used(&b.v, i), EACH);
		add_reads(&b, i, 1);
		assert_true(vrig_is_wanted(&b.v, i, 1)); /* notifications are on again */
	}
	brig_finish(&b);
}

/* --- the cache --- */

static void the_cache_mode_follows_the_driver(void **state)
{
	struct brig b;

	(void)state;
	brig_init(&b);
	brig_create(&b, 1);
	vrig_start(&b.v, BLK_F_FLUSH | BLK_F_CONFIG_WCE);
	assert_true(b.disk.writeback);
	vrig_set_config(&b.v, C_WRITEBACK, 1, 0);
	assert_int_equal(vrig_config(&b.v, C_WRITEBACK, 1), 0);
	assert_false(b.disk.writeback);
	vrig_set_config(&b.v, C_WRITEBACK, 1, 7); /* is neither */
	assert_false(b.disk.writeback);
	vrig_set_config(&b.v, C_WRITEBACK, 1, 1);
	assert_true(b.disk.writeback);
	vrig_set_config(&b.v, C_WRITEBACK, 1, 0);
	vrig_reset(&b.v);
	assert_int_equal(vrig_config(&b.v, C_WRITEBACK, 1), 1);
	assert_true(b.disk.writeback);

	/* Not negotiated: read-only. */
	vrig_start(&b.v, BLK_F_FLUSH);
	vrig_set_config(&b.v, C_WRITEBACK, 1, 0);
	assert_int_equal(vrig_config(&b.v, C_WRITEBACK, 1), 1);
	assert_true(b.disk.writeback);
	/* Who cannot flush gets every write on stable storage. */
	vrig_start(&b.v, 0);
	assert_false(b.disk.writeback);
	vrig_start(&b.v, BLK_F_FLUSH);
	assert_true(b.disk.writeback);
	brig_finish(&b);
}

static void nothing_else_can_be_written(void **state)
{
	struct brig b;

	(void)state;
	brig_start(&b, BLK_F_FLUSH | BLK_F_CONFIG_WCE);
	vrig_set_config(&b.v, C_CAPACITY, 4, 1);
	vrig_set_config(&b.v, C_WRITEBACK, 4, 0);
	vrig_set_config(&b.v, C_NUM_QUEUES, 2, 77);
	assert_int_equal(vrig_config(&b.v, C_CAPACITY, 4), DISK_SECTORS);
	assert_int_equal(vrig_config(&b.v, C_WRITEBACK, 1), 1);
	assert_int_equal(vrig_config(&b.v, C_NUM_QUEUES, 2), 1);
	brig_finish(&b);
}

/* --- another size --- */

static void a_longer_disk_reaches_the_driver(void **state)
{
	struct brig b;
	uint32_t generation;
	uint8_t data[512];

	(void)state;
	brig_init(&b);
	b.disk.bd.size = DISK_BYTES / 2;
	brig_create(&b, 1);
	vrig_start(&b.v, 0);
	assert_int_equal(brig_in(&b, IN, DISK_SECTORS - 1, NULL, 512), IOERR);
	vrig_ack(&b.v);
	vrig_interrupts(&b.v);
	generation = vrig_read(&b.v, V_CONFIG_GENERATION);
	b.disk.bd.size = DISK_BYTES;
	b.disk.bd.resized(b.disk.bd.ctx);
	assert_int_equal(vrig_interrupts(&b.v), 1);
	assert_int_equal(vrig_ack(&b.v), VIRTIO_INT_CONFIG);
	assert_int_not_equal(vrig_read(&b.v, V_CONFIG_GENERATION), generation);
	assert_int_equal(vrig_config(&b.v, C_CAPACITY, 4), DISK_SECTORS);
	assert_int_equal(brig_in(&b, IN, DISK_SECTORS - 1, data, 512), OK);
	brig_finish(&b);
}

/* --- reset --- */

/* What was in flight is waited for, and comes back to a driver that knows nothing of it: it is dropped. */
static void requests_in_flight_at_a_reset_are_dropped(void **state)
{
	struct brig b;

	(void)state;
	brig_init(&b);
	brig_create(&b, 1);
	vrig_start_size(&b.v, VIRTIO_F_INDIRECT_DESC, 64);
	b.disk.manual = true;
	add_reads(&b, 0, 10);
	vrig_notify(&b.v, 0);
	vrig_run(&b.v);
	vrig_reset(&b.v);
	assert_int_equal(b.disk.drains > 0, 1);
	assert_int_equal(vrig_interrupts(&b.v), 0);

	/* They come back when there is a new driver. */
	vrig_start_size(&b.v, VIRTIO_F_INDIRECT_DESC, 64);
	assert_int_equal(fake_disk_run(&b.disk), 10);
	assert_int_equal(vrig_used(&b.v, 0), 0);
	assert_int_equal(vrig_interrupts(&b.v), 0);
	add_reads(&b, 0, 3);
	vrig_notify(&b.v, 0);
	vrig_run(&b.v);
	fake_disk_run(&b.disk);
	assert_int_equal(vrig_used(&b.v, 0), 3);
	brig_finish(&b);
}

/* A driver that resets all the time while requests are slow to come back: there are never more of them. */
static void resets_do_not_add_requests(void **state)
{
	struct brig b;

	(void)state;
	brig_init(&b);
	brig_create(&b, 1);
	b.disk.manual = true;
	for (unsigned int i = 0; i < 12; i++) {
		vrig_start_size(&b.v, VIRTIO_F_INDIRECT_DESC, 64);
		add_reads(&b, 0, 60);
		vrig_notify(&b.v, 0);
		vrig_run(&b.v);
	}
	assert_int_equal(b.disk.in_flight, 256);
	while (fake_disk_run(&b.disk))
		;
	assert_int_equal(vrig_used(&b.v, 0), 60); /* those of the last one */
	brig_finish(&b);
}

static void the_end_of_the_vm_is_told_to_the_host_side(void **state)
{
	struct brig b;

	(void)state;
	brig_init(&b);
	brig_create(&b, 1);
	assert_false(b.disk.cancelled);
	b.v.vdev->class->cancel(b.v.vdev);
	assert_true(b.disk.cancelled);
	brig_finish(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identity_features_and_configuration),
		cmocka_unit_test(only_what_the_host_can_do_is_offered),
		cmocka_unit_test(reads_and_writes),
		cmocka_unit_test(headers_data_and_status_may_be_cut_anywhere),
		cmocka_unit_test(the_serial_number),
		cmocka_unit_test(flushes),
		cmocka_unit_test(the_end_of_the_vm_is_told_to_the_host_side),
		cmocka_unit_test(discards_and_zeroes_of_several_ranges),
		cmocka_unit_test(the_unmap_flag),
		cmocka_unit_test(errors_of_the_host_become_the_status),
		cmocka_unit_test(a_batch_costs_one_commit_and_one_interrupt),
		cmocka_unit_test(an_interrupt_that_is_held_back_comes_later),
		cmocka_unit_test(requests_may_come_back_in_another_order),
		cmocka_unit_test(queues_take_turns_when_there_are_too_many_requests),
		cmocka_unit_test(the_cache_mode_follows_the_driver),
		cmocka_unit_test(nothing_else_can_be_written),
		cmocka_unit_test(a_longer_disk_reaches_the_driver),
		cmocka_unit_test(requests_in_flight_at_a_reset_are_dropped),
		cmocka_unit_test(resets_do_not_add_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
