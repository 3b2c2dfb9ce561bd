// SPDX-License-Identifier: BSD-2-Clause
/*
 * A driver that changes descriptors while the device reads them. Each is looked at once (VIRTIO 1.2,
 * "Split Virtqueues", says that a driver must not do this; the device must survive it all the same).
 *
 * Between two looks of the device: one of them is at a page that cannot be accessed, and what the driver
 * does meanwhile is done by the handler of the signal that comes of it. And from a second thread, anywhere.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/virtio_echo.h"

#define NEXT     VIRTQ_DESC_F_NEXT
#define WRITE    VIRTQ_DESC_F_WRITE
#define INDIRECT VIRTQ_DESC_F_INDIRECT

static struct vrig v;
static struct echo echo;
static struct virtq *q;
static struct iovec iov[64];
static struct virtq_chain chain;
static struct vrig_queue *ring;

static int setup(void **state)
{
	(void)state;
	echo_setup(&v, &echo, 1, 1024);
	q = &echo.vdev.queue[0];
	ring = &v.queue[0];
	chain = (struct virtq_chain){ .iov = iov, .max_iov = 64 };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vrig_finish(&v);
	return 0;
}

/* --- between two looks --- */

static struct {
	uint8_t *page;
	size_t size;
	void (*change)(void);
	volatile sig_atomic_t hits;
} trap;

static void on_fault(int number, siginfo_t *info, void *context)
{
	const uint8_t *at = info->si_addr;

	(void)context;
	if (at < trap.page || at >= trap.page + trap.size ||
	    mprotect(trap.page, trap.size, PROT_READ | PROT_WRITE)) {
		signal(number, SIG_DFL); /* none of ours: it comes again */
		return;
	}
	trap.hits++;
	trap.change();
}

/* Of the two pages at `gpa` the first that lies in them whole: `change` runs when it is accessed. Its address. */
static uint64_t find_page(uint64_t gpa)
{
	uintptr_t host = (uintptr_t)vrig_host(&v, gpa, 1), size = (uintptr_t)sysconf(_SC_PAGESIZE);

	trap.size = size;
	return gpa + ((host + size - 1) / size * size - host);
}

static void set_trap(uint64_t page, void (*change)(void))
{
	const struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	trap.page = vrig_host(&v, page, trap.size);
	trap.change = change;
	trap.hits = 0;
	assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
	assert_int_equal(mprotect(trap.page, trap.size, PROT_NONE), 0);
}

static void expect_hit(void)
{
	signal(SIGSEGV, SIG_DFL);
	assert_int_equal(trap.hits, 1);
}

/* Everything that the device has read already is something else now. */
static void change_what_was_read(void)
{
	ring->desc[0] = (struct virtq_desc){ UINT64_MAX, UINT32_MAX, INDIRECT | NEXT, 0xffff };
	ring->desc[1] = ring->desc[0];
	ring->avail[1] = 0x7777;
	ring->avail[2] = 0xffff;
}

/* The indirect table is looked at after the descriptor that refers to it. */
static void test_indirect_descriptor(void **state)
{
	struct virtq_desc *table;
	uint64_t page;

	(void)state;
	vrig_start_size(&v, VIRTIO_F_INDIRECT_DESC, 8);
	page = find_page(vrig_alloc(&v, 2 * (uint64_t)sysconf(_SC_PAGESIZE)));
	table = vrig_host(&v, page, 48);
	table[0] = (struct virtq_desc){ VRIG_RAM, 11, NEXT, 2 };
	table[1] = (struct virtq_desc){ UINT64_MAX, 0, NEXT, 9 };
	table[2] = (struct virtq_desc){ VRIG_RAM + 64, 22, WRITE, 0 };
	ring->desc[1] = (struct virtq_desc){ VRIG_RAM + 32, 33, NEXT, 0 };
	ring->desc[0] = (struct virtq_desc){ page, 48, INDIRECT, 0 };
	vrig_make_available(&v, 0, 1);
	set_trap(page, change_what_was_read);
	assert_int_equal(virtq_pop(q, &chain), 1);
	expect_hit();
	assert_int_equal(chain.head, 1);
	assert_int_equal(chain.nr_read, 2);
	assert_int_equal(chain.nr_write, 1);
	assert_ptr_equal(iov[0].iov_base, vrig_host(&v, VRIG_RAM + 32, 1));
	assert_int_equal(iov[0].iov_len, 33);
	assert_int_equal(iov[1].iov_len, 11);
	assert_int_equal(iov[2].iov_len, 22);
	virtq_push(q, chain.head, 22);
	assert_int_equal(ring->used[2], 1); /* what was made available, not what is in the ring now */
}

/* The second half of a table is looked at after the first. */
static void test_direct_descriptor(void **state)
{
	uint64_t page, size = (uint64_t)sysconf(_SC_PAGESIZE);
	const uint16_t number = 512; /* of the first descriptor in that page */

	(void)state;
	assert_true(vrig_negotiate(&v, VIRTIO_F_VERSION_1));
	vrig_make_rings(&v, 0, 1024);
	page = find_page(vrig_alloc(&v, 3 * size) + size);
	ring->desc_addr = page - 16ULL * number;
	ring->desc = vrig_host(&v, ring->desc_addr, 16 * 1024);
	assert_true(vrig_set_queue(&v, 0));
	vrig_driver_ok(&v);
	ring->desc[number] = (struct virtq_desc){ VRIG_RAM + 64, 22, WRITE, 0 };
	ring->desc[0] = (struct virtq_desc){ VRIG_RAM, 11, NEXT, 1 };
	ring->desc[1] = (struct virtq_desc){ VRIG_RAM + 32, 33, NEXT, number };
	vrig_make_available(&v, 0, 0);
	set_trap(page, change_what_was_read);
	assert_int_equal(virtq_pop(q, &chain), 1);
	expect_hit();
	assert_int_equal(chain.head, 0);
	assert_int_equal(chain.nr_read, 2);
	assert_int_equal(iov[0].iov_len, 11);
	assert_int_equal(iov[1].iov_len, 33);
	assert_int_equal(iov[2].iov_len, 22);
	assert_ptr_equal(iov[2].iov_base, vrig_host(&v, VRIG_RAM + 64, 1));
}

/* What is rewritten before it is looked at counts as it is then: here, a chain without end. */
static void go_on_for_ever(void)
{
	ring->desc[0] = (struct virtq_desc){ VRIG_RAM, 1, NEXT, 0 };
	memset(trap.page, 0, 64);
	((struct virtq_desc *)trap.page)[0] = (struct virtq_desc){ VRIG_RAM, 1, NEXT, 0 };
}

static void test_loop_made_meanwhile(void **state)
{
	struct virtq_desc *table;
	uint64_t page;

	(void)state;
	vrig_start_size(&v, VIRTIO_F_INDIRECT_DESC, 8);
	page = find_page(vrig_alloc(&v, 2 * (uint64_t)sysconf(_SC_PAGESIZE)));
	table = vrig_host(&v, page, 48);
	table[0] = (struct virtq_desc){ VRIG_RAM, 11, 0, 0 };
	ring->desc[0] = (struct virtq_desc){ page, 48, INDIRECT, 0 };
	vrig_make_available(&v, 0, 0);
	set_trap(page, go_on_for_ever);
	assert_int_equal(virtq_pop(q, &chain), -EPROTO);
	expect_hit();
	assert_non_null(strstr(q->problem, "a loop"));
}

/* --- from another thread --- */

#define TRIES 1500000

static _Atomic bool started, stop;

/* Halves of 8 bytes, as a CPU writes them; the device may see any two of them together. */
static void *keep_changing(void *arg)
{
	static const struct virtq_desc with[] = {
		{ VRIG_RAM + 64, 16, WRITE, 0 },
		{ VRIG_RAM, UINT32_MAX, NEXT, 1 },
		{ UINT64_MAX, 16, NEXT | WRITE, 0xffff },
		{ VRIG_ROM, 16, WRITE, 0 },
		{ VRIG_RAM + VRIG_RAM_SIZE - 8, 8, NEXT, 1 },
		{ VRIG_RAM + 4096, 64, INDIRECT, 0 },
	};
	uint64_t *half = (uint64_t *)ring->desc, seed = 1, raw[2];

	(void)arg;
	started = true;
	while (!stop) {
		uint64_t random = fake_random(&seed);

		memcpy(raw, &with[random % 6], sizeof(raw));
		random = random >> 8 & (random >> 16 & 1 ? 7 : 1); /* mostly the first: all begin there */
		__atomic_store_n(&half[random], raw[random % 2], __ATOMIC_RELAXED);
	}
	return NULL;
}

/* A table of 8 of which the last refers to an indirect one of 4. */
#define LONGEST (7 + 4)

static bool lies_in(const struct iovec *piece, const uint8_t *base, uint64_t size)
{
	const uint8_t *at = piece->iov_base;

	return at >= base && at < base + size && piece->iov_len <= size - (uint64_t)(at - base);
}

/* NULL, or what is wrong with the chain. Nothing is asserted while the other thread writes to the rig. */
static const char *chain_fault(void)
{
	unsigned int count = chain.nr_read + chain.nr_write;

	if (chain.head != 0)
		return "head";
	if (count < 1 || count > LONGEST)
		return "number of buffers";
	for (unsigned int i = 0; i < count; i++) {
		if (iov[i].iov_len != 8 && iov[i].iov_len != 16 && iov[i].iov_len != 64)
			return "length of a buffer";
		if (!lies_in(&iov[i], v.ram, VRIG_RAM_SIZE) &&
		    !(i < chain.nr_read && lies_in(&iov[i], v.rom, VRIG_ROM_SIZE)))
			return "place of a buffer";
	}
	if (chain.read_size != iov_size(iov, chain.nr_read) ||
	    chain.write_size != iov_size(chain_in(&chain), chain.nr_write))
		return "size";
	return NULL;
}

static void test_another_thread(void **state)
{
	struct virtq_desc *table;
	const char *fault = NULL;
	pthread_t thread;

	(void)state;
	vrig_start_size(&v, VIRTIO_F_INDIRECT_DESC, 8);
	table = vrig_host(&v, VRIG_RAM + 4096, 64);
	for (unsigned int i = 0; i < 4; i++) {
		table[i] = (struct virtq_desc){ VRIG_RAM + 64, 16, WRITE, 0 };
		ring->desc[i] = table[i];
	}
	vrig_make_available(&v, 0, 0);
	started = stop = false;
	assert_int_equal(pthread_create(&thread, NULL, keep_changing, NULL), 0);
	while (!started)
		sched_yield();
	for (unsigned int i = 0; i < TRIES && !fault; i++) {
		int ret = virtq_pop(q, &chain);

		if (ret == 1) {
			fault = chain_fault();
			virtq_unpop(q, 1);
		} else if (ret == -EPROTO && q->halted) {
			q->halted = false; /* once more */
		} else {
			fault = "neither a chain nor an error";
		}
	}
	stop = true;
	pthread_join(thread, NULL);
	if (fault)
		fail_msg("a chain that changed under the device: %s", fault);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_indirect_descriptor),
		TEST(test_direct_descriptor),
		TEST(test_loop_made_meanwhile),
		TEST(test_another_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
