// SPDX-License-Identifier: BSD-2-Clause
/*
 * Requests that are longer than any driver makes them: a guest may ask for 4 GiB at once, hundreds of times, and the VM
 * must come to its end all the same. What reaches the host is counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/syscall.h>

#include "tests/unit/block_rig.h"

#define DISK (64 * MIB)
#define LONG (20 * MIB)

static struct {
	_Atomic unsigned int calls;
	_Atomic size_t longest;  /* bytes */
	struct blockdev *cancel; /* by the first call */
} host;

static ssize_t count(ssize_t n)
{
	host.calls++;
	if (n > 0 && (size_t)n > host.longest)
		host.longest = (size_t)n;
	if (host.cancel)
		host.cancel->ops->cancel(host.cancel);
	return n;
}

ssize_t preadv(int fd, const struct iovec *iov, int nr, off_t at)
{
	return count(syscall(SYS_preadv, fd, iov, nr, at, 0));
}

ssize_t pwritev(int fd, const struct iovec *iov, int nr, off_t at)
{
	return count(syscall(SYS_pwritev, fd, iov, nr, at, 0));
}

static struct world *open_long(void **state)
{
	struct world *w = world_setup(state);

	memset(&host, 0, sizeof(host));
	make_file(w->path, DISK);
	must_open(w, &(struct block_options){ 0 });
	return w;
}

/* The ends of pieces are not those of the buffers. */
static int transfer_long(struct world *w, enum block_op op, uint8_t *data)
{
	struct iovec iov[4] = {
		{ data, 512 },
		{ data + 512, 9 * MIB },
		{ data + 512 + 9 * MIB, 1536 },
		{ data + 2048 + 9 * MIB, LONG - 9 * MIB - 2048 },
	};
	struct block_request req = { .op = op, .offset = MIB, .length = LONG, .iov = iov, .nr_iov = 4 };

	return perform(w, &req);
}

static void they_are_done_in_pieces(void **state)
{
	struct world *w = open_long(state);
	uint8_t *data = malloc(LONG), *again = calloc(1, LONG);

	assert_true(data && again);
	pattern(data, LONG, 1234);
	assert_int_equal(transfer_long(w, BLOCK_WRITE, data), 0);
	assert_int_equal(host.calls, LONG / BLOCK_PIECE);
	assert_int_equal(host.longest, BLOCK_PIECE);
	assert_int_equal(transfer_long(w, BLOCK_READ, again), 0);
	assert_int_equal(host.longest, BLOCK_PIECE);
	assert_memory_equal(data, again, LONG);
	read_file(w->path, again, LONG, MIB);
	assert_memory_equal(data, again, LONG);
	free(again);
	free(data);
	world_free(w);
}

static void write_and_be_cancelled(void *ctx)
{
	struct world *w = ctx;
	uint8_t *data = calloc(1, LONG);

	assert_non_null(data);
	host.cancel = w->bd;
	assert_int_equal(transfer_long(w, BLOCK_WRITE, data), -ECANCELED);
	assert_int_equal(host.calls, 1);
	/* One that comes later too, and those that are not long as ever. */
	assert_int_equal(transfer_long(w, BLOCK_READ, data), -ECANCELED);
	assert_int_equal(host.calls, 2);
	assert_int_equal(transfer(w, BLOCK_WRITE, 0, data, MIB), 0);
	free(data);
}

static void they_end_soon_when_the_vm_ends(void **state)
{
	struct world *w = open_long(state);

	assert_int_equal(fake_log_lines(write_and_be_cancelled, w, "disk t: "), 0);
	world_free(w);
}

/* Where no file system does it, zeroes are written. */
static void zeroes_end_soon_too(void **state)
{
	struct world *w = open_long(state);
	struct block_file *file = (struct block_file *)w->bd;

	file->no_punch = file->no_zero_range = true;
	w->bd->ops->cancel(w->bd);
	assert_int_equal(without_data(w, BLOCK_ZERO, 0, LONG, true), -ECANCELED);
	assert_true(host.calls * 65536 <= BLOCK_PIECE);
	assert_int_equal(without_data(w, BLOCK_ZERO, 0, MIB, true), 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		both(they_are_done_in_pieces),
		both(they_end_soon_when_the_vm_ends),
		both(zeroes_end_soon_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
