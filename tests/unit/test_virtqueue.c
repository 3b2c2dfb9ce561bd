// SPDX-License-Identifier: BSD-2-Clause
/*
 * The split virtqueue against hand-built rings (VIRTIO 1.2, "Split Virtqueues"): what a driver may do.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/virtio_echo.h"

#define MAX_IOV 1024

static struct vrig v;
static struct echo echo;
static struct virtq *q;
static struct iovec iov[MAX_IOV];
static struct virtq_chain chain;

static int setup(void **state)
{
	(void)state;
	echo_setup(&v, &echo, 1, 1024);
	q = &echo.vdev.queue[0];
	chain = (struct virtq_chain){ .iov = iov, .max_iov = MAX_IOV };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vrig_finish(&v);
	return 0;
}

/* The next chain is that one, of `nr_read` buffers to read and `nr_write` to write. */
static void expect_chain(uint16_t head, unsigned int nr_read, unsigned int nr_write)
{
	assert_int_equal(virtq_pop(q, &chain), 1);
	assert_int_equal(chain.head, head);
	assert_int_equal(chain.nr_read, nr_read);
	assert_int_equal(chain.nr_write, nr_write);
}

static void expect_buffer(unsigned int index, const struct vrig_buf *buf)
{
	assert_ptr_equal(chain.iov[index].iov_base, vrig_host(&v, buf->addr, buf->len));
	assert_int_equal(chain.iov[index].iov_len, buf->len);
}

static void expect_none(void)
{
	assert_false(virtq_has_work(q));
	assert_int_equal(virtq_pop(q, &chain), 0);
}

/* Entry `slot` of the used ring, as it lies in memory: little-endian id and length. */
static void expect_used(unsigned int slot, uint32_t id, uint32_t len)
{
	uint32_t entry[2];

	memcpy(entry, (uint8_t *)v.queue[0].used + 4 + 8 * slot, sizeof(entry));
	assert_int_equal(entry[0], id);
	assert_int_equal(entry[1], len);
}

/* --- taking --- */

static void test_direct_chain(void **state)
{
	struct vrig_buf buf[3];
	uint16_t head;

	(void)state;
	vrig_start(&v, 0);
	buf[0] = vrig_out(&v, "abc", 3);
	buf[1] = vrig_out(&v, "defgh", 5);
	buf[2] = vrig_in(&v, 100);
	head = vrig_add(&v, 0, buf, 3);
	assert_true(virtq_has_work(q));
	expect_chain(head, 2, 1);
	assert_int_equal(chain.read_size, 8);
	assert_int_equal(chain.write_size, 100);
	for (unsigned int i = 0; i < 3; i++)
		expect_buffer(i, &buf[i]);
	assert_ptr_equal(chain_in(&chain), &chain.iov[2]);
	expect_none();
	virtq_push(q, head, 7);
	assert_int_equal(vrig_get(&v, 0), 7);
	assert_int_equal(v.queue[0].last_head, head);
}

static void test_only_reads_or_only_writes(void **state)
{
	struct vrig_buf in, out;

	(void)state;
	vrig_start(&v, 0);
	out = vrig_out(&v, "abc", 3);
	in = vrig_in(&v, 9);
	vrig_add(&v, 0, &out, 1);
	vrig_add(&v, 0, &in, 1);
	expect_chain(0, 1, 0);
	assert_int_equal(chain.write_size, 0);
	expect_chain(1, 0, 1);
	assert_int_equal(chain.read_size, 0);
	assert_ptr_equal(chain_in(&chain), chain.iov);
	expect_none();
}

/* Chains come in the order of the available ring, whatever their descriptors' numbers. */
static void test_order(void **state)
{
	static const uint16_t order[] = { 5, 3, 7, 0 };

	(void)state;
	vrig_start_size(&v, 0, 8);
	for (unsigned int i = 0; i < 8; i++)
		v.queue[0].desc[i] = (struct virtq_desc){ .addr = vrig_alloc(&v, 16), .len = 1 + i };
	for (unsigned int i = 0; i < 4; i++)
		vrig_make_available(&v, 0, order[i]);
	for (unsigned int i = 0; i < 4; i++) {
		expect_chain(order[i], 1, 0);
		assert_int_equal(chain.read_size, 1 + order[i]);
	}
	expect_none();
}

/* "next" of the last descriptor means nothing; neither do flags that no feature has given a meaning. */
static void test_what_does_not_count(void **state)
{
	(void)state;
	vrig_start_size(&v, 0, 8);
	v.queue[0].desc[2] = (struct virtq_desc){
		.addr = vrig_alloc(&v, 16), .len = 16, .flags = 0xfff8 | VIRTQ_DESC_F_WRITE, .next = 0xffff
	};
	vrig_make_available(&v, 0, 2);
	expect_chain(2, 0, 1);
}

static void test_chain_as_long_as_the_queue(void **state)
{
	struct vrig_buf buf[1024];

	(void)state;
	for (unsigned int size = 1; size <= 1024; size *= 2) {
		v.allocated = 0;
		vrig_start_size(&v, 0, (uint16_t)size);
		for (unsigned int i = 0; i < size; i++)
			buf[i] = vrig_in(&v, 16);
		vrig_add(&v, 0, buf, size);
		expect_chain(0, 0, size);
		assert_int_equal(chain.write_size, 16 * size);
		expect_buffer(size - 1, &buf[size - 1]);
	}
}

/* As many buffers as the model takes are fine. */
static void test_most_buffers(void **state)
{
	struct vrig_buf buf[4];

	(void)state;
	vrig_start(&v, 0);
	for (unsigned int i = 0; i < 4; i++)
		buf[i] = vrig_in(&v, 16);
	vrig_add(&v, 0, buf, 4);
	chain.max_iov = 4;
	expect_chain(0, 0, 4);
}

/* Read-only memory holds what the driver writes, tables and buffers; the last byte of a range is its own. */
static void test_any_memory_that_is_there(void **state)
{
	struct vrig_queue *ring = &v.queue[0];
	struct virtq_desc *table = (struct virtq_desc *)v.rom;

	(void)state;
	assert_true(vrig_negotiate(&v, VIRTIO_F_VERSION_1));
	vrig_make_rings(&v, 0, 16);
	ring->desc_addr = VRIG_ROM;
	ring->avail_addr = VRIG_ROM + VRIG_ROM_SIZE - 38;
	ring->avail = (uint16_t *)(v.rom + VRIG_ROM_SIZE - 38);
	ring->used_addr = VRIG_RAM + VRIG_RAM_SIZE - 136; /* the 134 bytes of 16 entries, aligned */
	assert_true(vrig_set_queue(&v, 0));
	vrig_driver_ok(&v);

	table[0] = (struct virtq_desc){ VRIG_ROM + VRIG_ROM_SIZE - 1, 1, VIRTQ_DESC_F_NEXT, 1 };
	table[1] = (struct virtq_desc){ VRIG_RAM, (uint32_t)VRIG_RAM_SIZE, VIRTQ_DESC_F_WRITE, 0 };
	vrig_make_available(&v, 0, 0);
	expect_chain(0, 1, 1);
	assert_ptr_equal(chain.iov[0].iov_base, v.rom + VRIG_ROM_SIZE - 1);
	assert_int_equal(chain.write_size, VRIG_RAM_SIZE);
	virtq_push(q, 0, 99);
	assert_int_equal(v.ram[VRIG_RAM_SIZE - 136 + 2], 1);
}

/* --- indirect descriptors ("Indirect Descriptors") --- */

static void test_indirect_chain(void **state)
{
	struct vrig_buf buf[3];
	uint16_t head;

	(void)state;
	vrig_start(&v, VIRTIO_F_INDIRECT_DESC);
	buf[0] = vrig_out(&v, "abc", 3);
	buf[1] = vrig_in(&v, 100);
	buf[2] = vrig_in(&v, 1);
	head = vrig_add_indirect(&v, 0, buf, 3, NULL);
	expect_chain(head, 1, 2);
	assert_int_equal(chain.write_size, 101);
	for (unsigned int i = 0; i < 3; i++)
		expect_buffer(i, &buf[i]);
	virtq_push(q, head, 101);
	assert_int_equal(vrig_get(&v, 0), 101);
}

/* "The device MUST ignore the write-only flag ... in the descriptor that refers to an indirect table." */
static void test_indirect_for_writing(void **state)
{
	struct vrig_buf buf;

	(void)state;
	vrig_start(&v, VIRTIO_F_INDIRECT_DESC);
	buf = vrig_out(&v, "abc", 3);
	vrig_add_indirect(&v, 0, &buf, 1, NULL);
	v.queue[0].desc[0].flags |= VIRTQ_DESC_F_WRITE;
	expect_chain(0, 1, 0);
}

/* "zero or more normal chained descriptors followed by a single" one that is indirect */
static void test_indirect_behind_direct(void **state)
{
	struct vrig_buf buf[3];
	uint16_t head;

	(void)state;
	vrig_start(&v, VIRTIO_F_INDIRECT_DESC);
	buf[0] = vrig_out(&v, "abc", 3);
	buf[1] = vrig_out(&v, "de", 2);
	buf[2] = vrig_in(&v, 100);
	head = vrig_add_indirect(&v, 0, buf + 1, 2, NULL);
	v.queue[0].desc[7] = (struct virtq_desc){ buf[0].addr, buf[0].len, VIRTQ_DESC_F_NEXT, head };
	v.queue[0].avail[2] = 7;
	expect_chain(7, 2, 1);
	for (unsigned int i = 0; i < 3; i++)
		expect_buffer(i, &buf[i]);
}

/* A table may lie anywhere, and its first descriptor is number 0, wherever the others are. */
static void test_indirect_at_an_odd_address(void **state)
{
	const uint64_t addr = VRIG_ROM + VRIG_ROM_SIZE - 3 * 16;
	struct virtq_desc table[3] = { 0 };

	(void)state;
	for (unsigned int odd = 0; odd < 16; odd++) {
		vrig_start(&v, VIRTIO_F_INDIRECT_DESC);
		table[0] = (struct virtq_desc){ VRIG_ROM, 7, VIRTQ_DESC_F_NEXT, 2 };
		table[2] = (struct virtq_desc){ VRIG_RAM, 8, VIRTQ_DESC_F_WRITE, 0 };
		memcpy(v.rom + (addr - VRIG_ROM) - odd, table, sizeof(table));
		v.queue[0].desc[9] = (struct virtq_desc){ addr - odd, 48, VIRTQ_DESC_F_INDIRECT, 0 };
		vrig_make_available(&v, 0, 9);
		expect_chain(9, 1, 1);
		assert_int_equal(chain.read_size, 7);
		assert_int_equal(chain.write_size, 8);
	}
}

/* Drivers in use build tables that are longer than a short queue. */
static void test_indirect_longer_than_the_queue(void **state)
{
	struct vrig_buf buf[1024];

	(void)state;
	vrig_start_size(&v, VIRTIO_F_INDIRECT_DESC, 2);
	for (unsigned int i = 0; i < 1024; i++)
		buf[i] = vrig_in(&v, 16);
	vrig_add_indirect(&v, 0, buf, 1024, NULL);
	expect_chain(0, 0, 1024);
	expect_buffer(1023, &buf[1023]);
}

/* Of a long table a chain may use a little. */
static void test_indirect_table_much_longer_than_its_chain(void **state)
{
	struct vrig_buf buf;

	(void)state;
	vrig_start(&v, VIRTIO_F_INDIRECT_DESC);
	buf = vrig_in(&v, 16);
	vrig_add_indirect(&v, 0, &buf, 1, NULL);
	v.queue[0].desc[0].len = 16 * 4096;
	expect_chain(0, 0, 1);
}

/* --- the rings go around --- */

/* The indices run freely over 16 bits; a queue of 4 goes around 16384 times before that. */
static void test_wrap(void **state)
{
	struct vrig_buf buf[2];

	(void)state;
	vrig_start_size(&v, VIRTIO_F_EVENT_IDX, 4);
	buf[0] = vrig_out(&v, "abc", 3);
	buf[1] = vrig_in(&v, 8);
	for (unsigned int i = 0; i < 70000; i++) {
		assert_false(vrig_is_wanted(&v, 0, 0));
		vrig_set_used_event(&v, 0, 0);
		vrig_add(&v, 0, buf, 2);
		assert_true(vrig_is_wanted(&v, 0, 1));
		vrig_notify(&v, 0);
		vrig_run(&v);
		assert_int_equal(vrig_get(&v, 0), 3);
		assert_int_equal(vrig_interrupts(&v), 1);
		assert_int_equal(vrig_ack(&v), VIRTIO_INT_USED);
	}
	assert_int_equal(v.queue[0].used[1], 70000 - 65536);
}

/* As many chains as the queue has descriptors, always, over the end of ring and index. */
static void test_full_queue_goes_around(void **state)
{
	struct vrig_buf buf;

	(void)state;
	vrig_start_size(&v, 0, 8);
	buf = vrig_in(&v, 8);
	for (unsigned int i = 0; i < 8; i++)
		vrig_add(&v, 0, &buf, 1);
	for (unsigned int i = 0; i < 66000; i++) {
		assert_int_equal(virtq_pop(q, &chain), 1);
		virtq_push(q, chain.head, i);
		assert_int_equal(vrig_get(&v, 0), i);
		assert_int_equal(vrig_add(&v, 0, &buf, 1), chain.head);
	}
	for (unsigned int i = 0; i < 8; i++)
		assert_int_equal(virtq_pop(q, &chain), 1);
	expect_none();
}

/* --- giving back --- */

static void test_out_of_order(void **state)
{
	static const uint16_t order[] = { 2, 0, 3, 1 };
	struct vrig_buf buf;

	(void)state;
	vrig_start_size(&v, 0, 4);
	buf = vrig_in(&v, 64);
	for (unsigned int i = 0; i < 4; i++) {
		vrig_add(&v, 0, &buf, 1);
		assert_int_equal(virtq_pop(q, &chain), 1);
	}
	for (unsigned int i = 0; i < 4; i++) {
		virtq_push(q, order[i], 10 + i);
		expect_used(i, order[i], 10 + i);
		assert_int_equal(v.queue[0].used[1], i + 1);
	}
}

/* Many are shown at once; until then the driver sees none. */
static void test_fill_and_flush(void **state)
{
	struct vrig_buf buf;

	(void)state;
	vrig_start_size(&v, 0, 4);
	buf = vrig_in(&v, 64);
	for (unsigned int turn = 0; turn < 3; turn++) { /* the second time over the end of the ring */
		for (unsigned int i = 0; i < 3; i++) {
			vrig_add(&v, 0, &buf, 1);
			assert_int_equal(virtq_pop(q, &chain), 1);
			virtq_fill(q, i, chain.head, 100 * turn + i);
		}
		assert_int_equal(vrig_used(&v, 0), 0);
		virtq_flush(q, 3);
		assert_int_equal(vrig_used(&v, 0), 3);
		assert_true(virtq_wants_interrupt(q));
		for (unsigned int i = 0; i < 3; i++) {
			expect_used((3 * turn + i) % 4, i, 100 * turn + i);
			assert_int_equal(vrig_get(&v, 0), 100 * turn + i);
		}
	}
	virtq_flush(q, 0);
	assert_int_equal(vrig_used(&v, 0), 0);
	assert_false(virtq_wants_interrupt(q));
}

/* "len" is 32 bits wide. */
static void test_longest_written(void **state)
{
	struct vrig_buf buf;

	(void)state;
	vrig_start_size(&v, 0, 4);
	buf = vrig_in(&v, 64);
	vrig_add(&v, 0, &buf, 1);
	assert_int_equal(virtq_pop(q, &chain), 1);
	virtq_push(q, chain.head, UINT32_MAX);
	assert_int_equal(vrig_get(&v, 0), UINT32_MAX);
}

static void test_unpop(void **state)
{
	struct vrig_buf buf;

	(void)state;
	vrig_start_size(&v, 0, 4);
	buf = vrig_in(&v, 64);
	for (unsigned int i = 0; i < 3; i++)
		vrig_add(&v, 0, &buf, 1);
	for (uint16_t i = 0; i < 3; i++)
		expect_chain(i, 0, 1);
	virtq_push(q, 0, 1);
	virtq_unpop(q, 2);
	assert_true(virtq_has_work(q));
	expect_chain(1, 0, 1);
	expect_chain(2, 0, 1);
	expect_none();
	virtq_unpop(q, 1);
	/* It is as if it had not been taken: the driver hears of no end of it, and what is new comes behind. */
	assert_int_equal(vrig_get(&v, 0), 1);
	assert_int_equal(vrig_used(&v, 0), 0);
	vrig_add(&v, 0, &buf, 1);
	expect_chain(2, 0, 1);
	expect_chain(0, 0, 1);
	expect_none();
}

/* Over the end of the index. */
static void test_unpop_goes_around(void **state)
{
	struct vrig_buf buf;

	(void)state;
	vrig_start_size(&v, 0, 2);
	buf = vrig_in(&v, 8);
	for (unsigned int i = 0; i < 65535; i++) {
		vrig_add(&v, 0, &buf, 1);
		assert_int_equal(virtq_pop(q, &chain), 1);
		virtq_push(q, chain.head, 0);
		vrig_get(&v, 0);
	}
	vrig_add(&v, 0, &buf, 1);
	vrig_add(&v, 0, &buf, 1);
	expect_chain(0, 0, 1);
	expect_chain(1, 0, 1);
	virtq_unpop(q, 2);
	expect_chain(0, 0, 1);
	expect_chain(1, 0, 1);
	expect_none();
}

/* --- a queue that is not ready --- */

/* A request that comes to its end late, after the driver has taken the queue away, changes nothing. */
static void test_not_ready(void **state)
{
	struct vrig_buf buf;
	uint16_t *used;

	(void)state;
	vrig_start_size(&v, 0, 4);
	used = v.queue[0].used;
	buf = vrig_in(&v, 8);
	vrig_add(&v, 0, &buf, 1);
	assert_int_equal(virtq_pop(q, &chain), 1);
	vrig_reset(&v);
	memset(used, 0xcc, 38);
	virtq_push(q, chain.head, 5);
	virtq_fill(q, 0, chain.head, 5);
	virtq_flush(q, 1);
	virtq_unpop(q, 1);
	virtq_disable_notify(q);
	assert_false(virtq_enable_notify(q));
	assert_false(virtq_wants_interrupt(q));
	expect_none();
	for (unsigned int i = 0; i < 19; i++)
		assert_int_equal(used[i], 0xcccc);
	assert_int_equal(q->size, 1024); /* what it was at first */
}

/* It starts from the beginning again. */
static void test_started_again(void **state)
{
	struct vrig_buf buf;

	(void)state;
	for (unsigned int turn = 0; turn < 3; turn++) {
		vrig_start_size(&v, turn % 2 ? VIRTIO_F_EVENT_IDX : 0, (uint16_t)(4 << turn));
		buf = vrig_in(&v, 8);
		expect_none();
		vrig_add(&v, 0, &buf, 1);
		vrig_add(&v, 0, &buf, 1);
		expect_chain(0, 0, 1);
		virtq_push(q, 0, 1);
		assert_int_equal(vrig_get(&v, 0), 1);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_direct_chain),
		TEST(test_only_reads_or_only_writes),
		TEST(test_order),
		TEST(test_what_does_not_count),
		TEST(test_chain_as_long_as_the_queue),
		TEST(test_most_buffers),
		TEST(test_any_memory_that_is_there),
		TEST(test_indirect_chain),
		TEST(test_indirect_for_writing),
		TEST(test_indirect_behind_direct),
		TEST(test_indirect_at_an_odd_address),
		TEST(test_indirect_longer_than_the_queue),
		TEST(test_indirect_table_much_longer_than_its_chain),
		TEST(test_wrap),
		TEST(test_full_queue_goes_around),
		TEST(test_out_of_order),
		TEST(test_fill_and_flush),
		TEST(test_longest_written),
		TEST(test_unpop),
		TEST(test_unpop_goes_around),
		TEST(test_not_ready),
		TEST(test_started_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
