// SPDX-License-Identifier: BSD-2-Clause
/*
 * The split virtqueue under a driver that breaks the rules of VIRTIO 1.2, "Split Virtqueues". What it gets
 * is a device that stands still until it is reset; nothing that is not the device's is touched.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/virtio_echo.h"

#define SIZE    8    /* of the queue */
#define MAX_IOV 2048 /* more than any chain here has */

#define NEXT     VIRTQ_DESC_F_NEXT
#define WRITE    VIRTQ_DESC_F_WRITE
#define INDIRECT VIRTQ_DESC_F_INDIRECT

#define RAM_END (VRIG_RAM + VRIG_RAM_SIZE)

static struct vrig v;
static struct echo echo;
static struct virtq *q;
static struct iovec iov[MAX_IOV];
static struct virtq_chain chain;
static struct vrig_queue *ring;
static uint64_t buffer; /* 4096 bytes of guest memory */

static int setup(void **state)
{
	(void)state;
	echo_setup(&v, &echo, 1, 1024);
	q = &echo.vdev.queue[0];
	ring = &v.queue[0];
	chain = (struct virtq_chain){ .iov = iov, .max_iov = MAX_IOV };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vrig_finish(&v);
	return 0;
}

static void start(uint64_t features, uint16_t size)
{
	v.allocated = 0;
	vrig_start_size(&v, features, size);
	buffer = vrig_alloc(&v, 4096);
	vrig_interrupts(&v);
	vrig_ack(&v);
}

static void run(void *ctx)
{
	(void)ctx;
	vrig_notify(&v, 0);
	vrig_run(&v);
}

/* The device stands still, and says why in one line; a reset makes it as good as new. */
static void expect_broken(const char *problem)
{
	struct vrig_buf buf[2];

	assert_int_equal(fake_log_lines(run, NULL, problem), 1);
	assert_true(vrig_is_broken(&v));
	assert_int_equal(vrig_used(&v, 0), 0);
	assert_int_equal(vrig_interrupts(&v), 1);
	assert_int_equal(vrig_ack(&v), VIRTIO_INT_CONFIG);

	assert_int_equal(fake_log_lines(run, NULL, ""), 0);
	assert_int_equal(vrig_used(&v, 0), 0);
	assert_int_equal(vrig_interrupts(&v), 0);

	start(0, 4);
	assert_false(vrig_is_broken(&v));
	buf[0] = vrig_out(&v, "abc", 3);
	buf[1] = vrig_in(&v, 4);
	vrig_send(&v, 0, buf, 2);
	assert_int_equal(vrig_get(&v, 0), 3);
	echo.vdev.nr_broken = 0; /* there is a limit to lines, which is not what this is about */
}

/* --- chains that break a rule: in the queue's table, and the same in an indirect one --- */

#define GOOD                       \
	{                          \
		VRIG_RAM, 16, 0, 0 \
	}

static const struct {
	struct virtq_desc desc[4];
	const char *problem;
} chains[] = {
	/* Loops. */
	{ { { VRIG_RAM, 16, NEXT, 0 } }, "a loop" },
	{ { { VRIG_RAM, 16, NEXT, 1 }, { VRIG_RAM, 16, NEXT, 0 } }, "a loop" },
	{ { { VRIG_RAM, 16, NEXT, 1 }, { VRIG_RAM, 16, NEXT, 2 }, { VRIG_RAM, 16, NEXT, 1 } }, "a loop" },
	/* Numbers of descriptors that there are not. */
	{ { { VRIG_RAM, 16, NEXT, SIZE } }, "beyond the end" },
	{ { { VRIG_RAM, 16, NEXT, 0xffff } }, "beyond the end" },
	{ { { VRIG_RAM, 16, NEXT, 1 }, { VRIG_RAM, 16, NEXT, 0x8000 } }, "beyond the end" },
	/* No bytes, wherever. */
	{ { { VRIG_RAM, 0, 0, 0 } }, "no bytes" },
	{ { { VRIG_RAM, 0, WRITE, 0 } }, "no bytes" },
	{ { { 0, 0, NEXT, 1 }, GOOD }, "no bytes" },
	{ { { VRIG_RAM, 16, NEXT, 1 }, { VRIG_RAM, 0, WRITE, 0 } }, "no bytes" },
	/* Memory that is not there, all of it or the end. */
	{ { { 0, 16, 0, 0 } }, "guest memory" },
	{ { { VRIG_RAM - 1, 2, 0, 0 } }, "guest memory" },
	{ { { VRIG_RAM - 1, 1, WRITE, 0 } }, "guest memory" },
	{ { { RAM_END, 1, 0, 0 } }, "guest memory" },
	{ { { RAM_END - 1, 2, WRITE, 0 } }, "guest memory" },
	{ { { VRIG_RAM, (uint32_t)VRIG_RAM_SIZE + 1, 0, 0 } }, "guest memory" },
	{ { { VRIG_RAM, UINT32_MAX, WRITE, 0 } }, "guest memory" },
	{ { { UINT64_MAX, 1, 0, 0 } }, "guest memory" },
	{ { { UINT64_MAX - 15, 16, WRITE, 0 } }, "guest memory" },
	{ { { UINT64_MAX, UINT32_MAX, 0, 0 } }, "guest memory" },
	{ { { 0 - (uint64_t)UINT32_MAX, UINT32_MAX, WRITE, 0 } }, "guest memory" },
	{ { { VRIG_RAM | 1ULL << 63, 16, 0, 0 } }, "guest memory" },
	{ { { VRIG_ROM + VRIG_ROM_SIZE - 1, 2, 0, 0 } }, "guest memory" },
	{ { { VRIG_RAM, 16, NEXT, 1 }, { 0x1000, 16, 0, 0 } }, "guest memory" },
	/* Memory that the guest itself cannot write. */
	{ { { VRIG_ROM, 16, WRITE, 0 } }, "guest memory" },
	{ { { VRIG_ROM, 16, NEXT, 1 }, { VRIG_ROM + 16, 1, WRITE, 0 } }, "guest memory" },
	/* "The driver MUST place any device-writable descriptor elements after any device-readable" ones. */
	{ { { VRIG_RAM, 16, NEXT | WRITE, 1 }, GOOD }, "behind one to write" },
	{ { { VRIG_RAM, 16, NEXT, 1 }, { VRIG_RAM, 1, NEXT | WRITE, 2 }, GOOD }, "behind one to write" },
};

static void test_chains(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		start(0, SIZE);
		memcpy(ring->desc, chains[i].desc, sizeof(chains[i].desc));
		vrig_make_available(&v, 0, 0);
		expect_broken(chains[i].problem);
	}
}

static void test_chains_in_an_indirect_table(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		start(VIRTIO_F_INDIRECT_DESC, SIZE);
		memcpy(vrig_host(&v, buffer, 64), chains[i].desc, sizeof(chains[i].desc));
		ring->desc[3] = (struct virtq_desc){ buffer, 64, INDIRECT, 0 };
		vrig_make_available(&v, 0, 3);
		expect_broken(chains[i].problem);
	}
}

/* A good chain before it is served, and is not seen again after it. */
static void test_good_then_bad(void **state)
{
	(void)state;
	start(0, SIZE);
	ring->desc[0] = (struct virtq_desc){ buffer, 16, WRITE, 0 };
	ring->desc[1] = (struct virtq_desc){ buffer, 0, 0, 0 };
	ring->busy[0] = true;
	ring->chain[0] = 1;
	vrig_make_available(&v, 0, 0);
	vrig_make_available(&v, 0, 1);
	vrig_make_available(&v, 0, 0);
	assert_int_equal(fake_log_lines(run, NULL, "no bytes"), 1);
	assert_int_equal(vrig_get(&v, 0), 0);
	assert_int_equal(vrig_used(&v, 0), 0);
	assert_true(vrig_is_broken(&v));
	assert_int_equal(echo.chains, 1);
}

/* --- indirect descriptors ("Indirect Descriptors") --- */

static const struct {
	struct virtq_desc desc; /* address: from the buffer on if less than 4096 */
	const char *problem;
	bool not_negotiated;
} indirect[] = {
	{ { 0, 16, INDIRECT, 0 }, "not negotiated", true },
	{ { 0, 16, INDIRECT | NEXT, 1 }, "has a next one", false },
	{ { 0, 16, INDIRECT | NEXT | WRITE, 1 }, "has a next one", false },
	{ { 0, 0, INDIRECT, 0 }, "not a multiple of 16, or 0", false },
	{ { 0, 8, INDIRECT, 0 }, "not a multiple of 16, or 0", false },
	{ { 0, 24, INDIRECT, 0 }, "not a multiple of 16, or 0", false },
	{ { 0, UINT32_MAX, INDIRECT, 0 }, "not a multiple of 16, or 0", false },
	{ { 0, UINT32_MAX - 15, INDIRECT, 0 }, "table that does not lie in guest memory", false },
	{ { RAM_END - 16, 32, INDIRECT, 0 }, "table that does not lie in guest memory", false },
	{ { RAM_END - 15, 16, INDIRECT, 0 }, "table that does not lie in guest memory", false },
	{ { UINT64_MAX - 15, 16, INDIRECT, 0 }, "table that does not lie in guest memory", false },
	{ { VRIG_ROM - 16, 32, INDIRECT, 0 }, "table that does not lie in guest memory", false },
	/* The table in the buffer: its second is indirect itself, its third goes on behind its end. */
	{ { 16, 16, INDIRECT, 0 }, "in an indirect table", false },
	{ { 32, 16, INDIRECT, 0 }, "beyond the end of its indirect table", false },
};

static void test_indirect(void **state)
{
	const struct virtq_desc table[4] = {
		{ VRIG_RAM, 16, 0, 0 },
		{ VRIG_RAM, 16, INDIRECT, 0 },
		{ VRIG_RAM, 16, NEXT, 1 },
		{ VRIG_RAM, 16, 0, 0 },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(indirect) / sizeof(indirect[0]); i++) {
		start(indirect[i].not_negotiated ? 0 : VIRTIO_F_INDIRECT_DESC, SIZE);
		memcpy(vrig_host(&v, buffer, 64), table, sizeof(table));
		ring->desc[0] = indirect[i].desc;
		if (ring->desc[0].addr < 4096)
			ring->desc[0].addr += buffer;
		vrig_make_available(&v, 0, 0);
		expect_broken(indirect[i].problem);
	}
}

/* A table that is its own entry. */
static void test_indirect_to_itself(void **state)
{
	(void)state;
	start(VIRTIO_F_INDIRECT_DESC, SIZE);
	ring->desc[0] = (struct virtq_desc){ ring->desc_addr, 16 * SIZE, INDIRECT, 0 };
	vrig_make_available(&v, 0, 0);
	expect_broken("in an indirect table");
}

/* --- length --- */

static void test_more_buffers_than_the_model_takes(void **state)
{
	(void)state;
	start(0, 64);
	for (uint16_t i = 0; i < 64; i++)
		ring->desc[i] = (struct virtq_desc){ buffer, 16, i < ECHO_MAX_IOV ? NEXT : 0, i + 1 };
	vrig_make_available(&v, 0, 0); /* of one more */
	expect_broken("more buffers than the device takes");
}

/* Indirect tables may be longer than a queue, but not without end. */
static void test_longest_table(void **state)
{
	struct virtq_desc *table;

	(void)state;
	start(VIRTIO_F_INDIRECT_DESC, SIZE);
	ring->desc[0] = (struct virtq_desc){ vrig_alloc(&v, 16 * 1025), 16 * 1025, INDIRECT, 0 };
	table = vrig_host(&v, ring->desc[0].addr, 16 * 1025);
	for (uint16_t i = 0; i < 1025; i++)
		table[i] = (struct virtq_desc){ buffer, 1, i < 1024 ? NEXT : 0, i + 1 };
	vrig_make_available(&v, 0, 0);
	assert_int_equal(virtq_pop(q, &chain), -EPROTO);
	assert_non_null(strstr(q->problem, "longer than"));
}

/* A driver may not add "a descriptor chain longer than 2^32 bytes in total". All buffers are the same memory. */
static void test_four_gigabytes(void **state)
{
	const uint32_t len = VRIG_RAM_SIZE;

	(void)state;
	for (unsigned int write = 0; write < 2; write++) {
		start(0, 1024);
		for (uint16_t i = 0; i < 1024; i++)
			ring->desc[i] = (struct virtq_desc){ VRIG_RAM, len, NEXT | (write ? WRITE : 0),
							     i + 1 };
		ring->desc[1023].flags &= (uint16_t)~NEXT;
		vrig_make_available(&v, 0, 0);
		assert_int_equal(virtq_pop(q, &chain), -EPROTO);
		assert_non_null(strstr(q->problem, "4 GiB"));
	}
	start(0, 1024);
	for (uint16_t i = 0; i < 1023; i++)
		ring->desc[i] = (struct virtq_desc){ VRIG_RAM, len, NEXT, i + 1 };
	ring->desc[1022].flags = 0;
	vrig_make_available(&v, 0, 0);
	assert_int_equal(virtq_pop(q, &chain), 1);
	assert_int_equal(chain.read_size, 1023 * VRIG_RAM_SIZE);
}

/* --- the available ring --- */

static void test_heads(void **state)
{
	static const uint16_t head[] = { SIZE, SIZE + 1, 0x8000, 0xffff };

	(void)state;
	for (unsigned int i = 0; i < sizeof(head) / sizeof(head[0]); i++) {
		start(0, SIZE);
		vrig_make_available(&v, 0, head[i]);
		expect_broken("beyond the end of the table");
	}
}

/* The index goes on by more than there can be, or back. */
static void test_index_jumps(void **state)
{
	static const uint16_t jump[] = { SIZE + 1, 2 * SIZE, 0x7fff, 0x8000, 0xfff0, 0xffff };

	(void)state;
	for (unsigned int before = 0; before < 3; before++) {
		for (unsigned int i = 0; i < sizeof(jump) / sizeof(jump[0]); i++) {
			struct vrig_buf buf;

			start(0, SIZE);
			buf = vrig_out(&v, "abc", 3);
			for (unsigned int k = 0; k < before; k++) {
				vrig_send(&v, 0, &buf, 1);
				vrig_get(&v, 0);
			}
			vrig_interrupts(&v);
			vrig_ack(&v);
			ring->avail[1] += jump[i];
			expect_broken("more available chains than the queue is long");
		}
	}
}

/* What the device has counts: a driver cannot make it hold more chains than there are descriptors. */
static void test_more_than_the_queue_is_long(void **state)
{
	struct vrig_buf buf;

	(void)state;
	start(0, SIZE);
	echo.hold = true;
	buf = vrig_out(&v, "abc", 3);
	for (unsigned int i = 0; i < SIZE; i++)
		vrig_send(&v, 0, &buf, 1);
	assert_int_equal(echo.chains, SIZE);
	assert_false(vrig_is_broken(&v));
	vrig_make_available(&v, 0, 0);
	echo.hold = false;
	expect_broken("more available chains than the queue is long");
	assert_int_equal(echo.chains, SIZE + 1); /* that of the new start */
}

/* One chain made available many times is as many chains, each given back. */
static void test_the_same_head_twice(void **state)
{
	(void)state;
	start(0, SIZE);
	ring->desc[5] = (struct virtq_desc){ buffer, 16, WRITE, 0 };
	for (unsigned int i = 0; i < SIZE; i++)
		vrig_make_available(&v, 0, 5);
	run(NULL);
	assert_false(vrig_is_broken(&v));
	assert_int_equal(vrig_used(&v, 0), SIZE);
}

/* --- areas and buffers on top of each other: what comes of it stays among them --- */

static void test_overlapping_areas(void **state)
{
	(void)state;
	/* The used ring on top of table and available ring, at every place where it can begin. */
	for (unsigned int offset = 0; offset < 16 * SIZE + 64; offset += 4) {
		start(0, SIZE);
		assert_true(vrig_negotiate(&v, VIRTIO_F_VERSION_1));
		vrig_make_rings(&v, 0, SIZE);
		ring->desc_addr = vrig_alloc(&v, 4096) + 128;
		ring->avail_addr = ring->desc_addr + 16 * SIZE;
		ring->used_addr = ring->desc_addr + offset;
		ring->desc = memset(vrig_host(&v, ring->desc_addr, 1024), 0, 1024);
		ring->avail = vrig_host(&v, ring->avail_addr, 64);
		assert_true(vrig_set_queue(&v, 0));
		for (uint16_t i = 0; i < SIZE; i++)
			ring->desc[i] = (struct virtq_desc){ buffer, 16, WRITE, 0 };
		vrig_driver_ok(&v);
		for (uint16_t i = 0; i < SIZE; i++)
			vrig_make_available(&v, 0, i);
		assert_true(fake_log_lines(run, NULL, "") <= 1);
		for (unsigned int i = 0; i < 128; i++)
			assert_int_equal(((uint8_t *)ring->desc)[-1 - (int)i], 0xee);
	}
}

/* The device is to write its answer over the table and the rings. */
static void test_buffers_over_the_rings(void **state)
{
	uint8_t junk[512];

	(void)state;
	memset(junk, 0xa5, sizeof(junk));
	for (unsigned int what = 0; what < 3; what++) {
		uint64_t at[3];

		start(VIRTIO_F_EVENT_IDX, SIZE);
		at[0] = ring->desc_addr;
		at[1] = ring->avail_addr;
		at[2] = ring->used_addr;
		ring->desc[0] = (struct virtq_desc){ vrig_put(&v, junk, sizeof(junk)), 512, NEXT, 1 };
		ring->desc[1] = (struct virtq_desc){ at[what], 22, WRITE, 0 };
		vrig_make_available(&v, 0, 0);
		assert_true(fake_log_lines(run, NULL, "") <= 1);
		assert_int_equal(fake_log_lines(run, NULL, ""), 0);
		start(0, SIZE);
		assert_false(vrig_is_broken(&v));
	}
}

/* A buffer to read that is the same as one to write is the driver's own affair. */
static void test_overlapping_buffers(void **state)
{
	(void)state;
	start(0, SIZE);
	memcpy(vrig_host(&v, buffer, 8), "abcdefgh", 8);
	ring->desc[0] = (struct virtq_desc){ buffer, 8, NEXT, 1 };
	ring->desc[1] = (struct virtq_desc){ buffer + 16, 8, WRITE, 0 };
	ring->desc[2] = (struct virtq_desc){ buffer + 16, 8, NEXT, 3 };
	ring->desc[3] = (struct virtq_desc){ buffer + 24, 8, WRITE, 0 };
	vrig_make_available(&v, 0, 0);
	vrig_make_available(&v, 0, 2);
	run(NULL);
	assert_false(vrig_is_broken(&v));
	assert_memory_equal(vrig_host(&v, buffer + 24, 8), "abcdefgh", 8);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_chains),
		TEST(test_chains_in_an_indirect_table),
		TEST(test_good_then_bad),
		TEST(test_indirect),
		TEST(test_indirect_to_itself),
		TEST(test_more_buffers_than_the_model_takes),
		TEST(test_longest_table),
		TEST(test_four_gigabytes),
		TEST(test_heads),
		TEST(test_index_jumps),
		TEST(test_more_than_the_queue_is_long),
		TEST(test_the_same_head_twice),
		TEST(test_overlapping_areas),
		TEST(test_buffers_over_the_rings),
		TEST(test_overlapping_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
