// SPDX-License-Identifier: BSD-2-Clause
/* Requests to raw images on the host, each test by io_uring and by threads. */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "tests/unit/block_rig.h"
#include "tests/unit/file_rig.h"

/* --- reading and writing --- */

static void what_is_written_is_in_the_file_and_is_read(void **state)
{
	struct world *w = world_setup(state);
	static uint8_t data[12288], back[12288];
	struct iovec parts[3] = { { data, 512 }, { data + 512, 4096 }, { data + 4608, 7680 } };
	struct block_request req = {
		.op = BLOCK_WRITE, .offset = 1536, .length = 12288, .iov = parts, .nr_iov = 3
	};

	make_file(w->path, MIB);
	must_open(w, &(struct block_options){ 0 });
	assert_int_equal(w->bd->size, MIB);
	pattern(data, sizeof(data), 1);
	assert_int_equal(perform(w, &req), 0);
	read_file(w->path, back, sizeof(back), 1536);
	assert_memory_equal(back, data, sizeof(data));
	memset(back, 0, sizeof(back));
	assert_int_equal(transfer(w, BLOCK_READ, 1536, back, sizeof(back)), 0);
	assert_memory_equal(back, data, sizeof(data));
	assert_int_equal(without_data(w, BLOCK_FLUSH, 0, 0, false), 0);
	world_free(w);
}

/* More than any queue of the host's takes, and more than it can complete, at once. */
static void a_thousand_requests_at_once(void **state)
{
	enum { COUNT = 1000 };
	struct world *w = world_setup(state);
	static struct block_request req[COUNT];
	static struct iovec iov[COUNT];
	static uint8_t data[COUNT][512], back[COUNT][512];

	make_file(w->path, MIB);
	must_open(w, &(struct block_options){ 0 });
	pattern(data[0], sizeof(data), 2);
	for (unsigned int i = 0; i < COUNT; i++) {
		iov[i] = (struct iovec){ data[i], 512 };
		req[i] = (struct block_request){
			.op = BLOCK_WRITE, .offset = 512ULL * i, .length = 512, .iov = &iov[i], .nr_iov = 1
		};
		submit(w, &req[i]);
	}
	run(w);
	for (unsigned int i = 0; i < COUNT; i++) {
		assert_int_equal(req[i].result, 0);
		iov[i] = (struct iovec){ back[i], 512 };
		req[i] = (struct block_request){
			.op = BLOCK_READ, .offset = 512ULL * i, .length = 512, .iov = &iov[i], .nr_iov = 1
		};
		submit(w, &req[i]);
	}
	run(w);
	assert_memory_equal(back, data, sizeof(data));
	world_free(w);
}

/* drain() waits; what came back meanwhile is told by the loop afterwards, not by drain(). */
static void drained_requests_come_back_later(void **state)
{
	enum { COUNT = 64 };
	struct world *w = world_setup(state);
	static struct block_request req[COUNT];
	static struct iovec iov[COUNT];
	static uint8_t data[COUNT][4096], back[COUNT][4096];
	struct err err;

	make_file(w->path, MIB);
	must_open(w, &(struct block_options){ 0 });
	pattern(data[0], sizeof(data), 3);
	for (unsigned int i = 0; i < COUNT; i++) {
		iov[i] = (struct iovec){ data[i], 4096 };
		req[i] = (struct block_request){
			.op = BLOCK_WRITE, .offset = 4096ULL * i, .length = 4096, .iov = &iov[i], .nr_iov = 1
		};
		submit(w, &req[i]);
	}
	w->bd->ops->drain(w->bd); /* without a commit() */
	assert_int_equal(w->awaited, COUNT);
	read_file(w->path, back, sizeof(back), 0);
	assert_memory_equal(back, data, sizeof(data));
	assert_int_equal(loop_run(&w->loop, &err), 0);
	assert_int_equal(w->awaited, 0);
	world_free(w);
}

/* The VM ends while requests are in flight: they touch nothing afterwards, and nothing leaks. */
static void destroyed_with_requests_in_flight(void **state)
{
	struct world *w = world_setup(state);
	static uint8_t data[8][65536];
	static struct block_request req[8];
	static struct iovec iov[8];

	make_file(w->path, MIB);
	must_open(w, &(struct block_options){ 0 });
	for (unsigned int i = 0; i < 8; i++) {
		iov[i] = (struct iovec){ data[i], sizeof(data[i]) };
		req[i] = (struct block_request){
			.op = BLOCK_READ, .offset = 65536ULL * i, .length = 65536, .iov = &iov[i], .nr_iov = 1
		};
		submit(w, &req[i]);
	}
	w->bd->ops->commit(w->bd);
	world_free(w);
}

/* A file of 700 bytes has two sectors, the second of them 188 bytes long and then zeroes. */
static void the_last_sector_is_filled_up_with_zeroes(void **state)
{
	struct world *w = world_setup(state);
	uint8_t data[700], back[1024];

	pattern(data, sizeof(data), 4);
	write_file(w->path, data, sizeof(data));
	must_open(w, &(struct block_options){ 0 });
	assert_int_equal(w->bd->size, 1024);
	memset(back, 0xee, sizeof(back));
	assert_int_equal(transfer(w, BLOCK_READ, 0, back, 1024), 0);
	assert_memory_equal(back, data, 700);
	assert_true(is_filled_with(back + 700, 324, 0));
	memset(back, 0xee, sizeof(back));
	assert_int_equal(transfer(w, BLOCK_READ, 512, back, 512), 0);
	assert_memory_equal(back, data + 512, 188);
	assert_true(is_filled_with(back + 188, 324, 0));
	assert_int_equal(transfer(w, BLOCK_WRITE, 512, data, 512), 0);
	read_file(w->path, back, 1024, 0);
	assert_memory_equal(back + 512, data, 512);
	world_free(w);
}

/* --- failures of the host --- */

struct failing {
	struct world *w;
	uint64_t at;
	int expected;
	unsigned int times;
};

static void fail_to_read(void *ctx)
{
	struct failing *f = ctx;
	uint8_t data[512];

	for (unsigned int i = 0; i < f->times; i++)
		assert_int_equal(transfer(f->w, BLOCK_READ, f->at, data, sizeof(data)), f->expected);
}

static void fail_to_write(void *ctx)
{
	struct failing *f = ctx;
	uint8_t data[512] = { 0 };

	for (unsigned int i = 0; i < f->times; i++)
		assert_int_equal(transfer(f->w, BLOCK_WRITE, f->at, data, sizeof(data)), f->expected);
}

static void a_file_cut_short_is_an_error_with_one_log_line(void **state)
{
	struct world *w = world_setup(state);
	struct failing f = { .w = w, .at = MIB / 2, .expected = -EIO, .times = 5 };
	uint8_t data[512];

	make_file(w->path, MIB);
	must_open(w, &(struct block_options){ 0 });
	assert_int_equal(truncate(w->path, 4096), 0);
	assert_int_equal(fake_log_lines(fail_to_read, &f, "error: disk t: reading"), 1);
	assert_int_equal(transfer(w, BLOCK_READ, 0, data, sizeof(data)), 0);
	world_free(w);
}

/* What the host refuses to write; each errno has its line. */
static void a_write_that_the_host_refuses_is_an_error_with_one_log_line(void **state)
{
	struct world *w = world_setup(state);
	rlim_t before;
	struct failing f = { .w = w, .at = 8 * MIB, .expected = -EFBIG, .times = 5 };

	make_file(w->path, 16 * MIB);
	must_open(w, &(struct block_options){ 0 });
	before = file_rig_limit(MIB);
	assert_int_equal(fake_log_lines(fail_to_write, &f, "File too large"), 1);
	f.at = 0;
	f.expected = 0;
	fail_to_write(&f);
	file_rig_unlimit(before);
	world_free(w);
}

/* A file that is longer than its file system has room for. */
static void a_full_file_system_is_an_error_with_one_log_line(void **state)
{
	struct world *w = world_setup(state);
	struct failing f = { .w = w, .at = MIB, .expected = -ENOSPC, .times = 5 };
	uint8_t data[512] = { 1 };

	/* In a mount namespace of this program's own, which ends with it. */
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", w->dir, "tmpfs", 0, "size=64k") < 0) {
		printf("SKIP full file system: no tmpfs can be mounted here: %s\n", strerror(errno));
		world_free(w);
		leave_out();
	}
	make_file(w->path, 4 * MIB);
	must_open(w, &(struct block_options){ 0 });
	for (uint64_t at = 0; transfer(w, BLOCK_WRITE, at, data, sizeof(data)) == 0; at += 4096)
		assert_true(at < MIB);
	assert_int_equal(fake_log_lines(fail_to_write, &f, "No space left"), 0); /* it was logged already */
	world_close(w);
	unlink(w->path);
	assert_int_equal(umount2(w->dir, MNT_DETACH), 0); /* io_uring may let go of the file a moment later */
	world_free(w);
}

/* --- discarding and zeroing --- */

static uint64_t allocated(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void zeroed_ranges_read_as_zeroes_and_nothing_else_does(void **state)
{
	struct world *w = world_setup(state);
	static uint8_t data[MIB], back[MIB];

	for (unsigned int unmap = 0; unmap < 2; unmap++) {
		memset(data, 0x55, sizeof(data));
		write_file(w->path, data, sizeof(data));
		must_open(w, &(struct block_options){ 0 });
		assert_true(w->bd->can_zero);
		assert_int_equal(without_data(w, BLOCK_ZERO, 1536, 300 * 512, unmap), 0);
		read_file(w->path, back, sizeof(back), 0);
		assert_true(is_filled_with(back, 1536, 0x55));
		assert_true(is_filled_with(back + 1536, 300 * 512, 0));
		assert_true(is_filled_with(back + 1536 + 300 * 512, MIB - 1536 - 300 * 512, 0x55));
		world_close(w);
	}
	world_free(w);
}

static void discarded_ranges_are_given_back_to_the_host(void **state)
{
	struct world *w = world_setup(state);
	static uint8_t data[MIB], back[MIB];
	uint64_t before;

	memset(data, 0x55, sizeof(data));
	write_file(w->path, data, sizeof(data));
	must_open(w, &(struct block_options){ 0 });
	if (!w->bd->discard_granularity) {
		puts("SKIP discarding: the file system of /tmp has no holes");
		world_free(w);
		leave_out();
	}
	assert_int_equal(without_data(w, BLOCK_FLUSH, 0, 0, false), 0);
	before = allocated(w->path);
	assert_int_equal(without_data(w, BLOCK_DISCARD, MIB / 4, MIB / 2, false), 0);
	assert_true(allocated(w->path) <= before - MIB / 2);
	assert_int_equal(without_data(w, BLOCK_ZERO, 0, MIB / 8, true), 0);
	assert_true(allocated(w->path) <= before - MIB / 2 - MIB / 8);
	read_file(w->path, back, sizeof(back), 0);
	assert_true(is_filled_with(back + MIB / 8, MIB / 8, 0x55));
	assert_true(is_filled_with(back + MIB / 4 * 3, MIB / 4, 0x55));
	world_free(w);
}

/* ZERO_RANGE is not for tmpfs: zeroes are written there. */
static void zeroes_are_written_where_the_file_system_cannot(void **state)
{
	struct world *w;
	static uint8_t data[200000], back[200000];

	if (access("/dev/shm", W_OK) < 0) {
		puts("SKIP zeroes by writing: there is no /dev/shm to write to");
		leave_out();
	}
	w = world_new(state, "/dev/shm");
	memset(data, 0x55, sizeof(data));
	write_file(w->path, data, sizeof(data));
	must_open(w, &(struct block_options){ 0 });
	assert_int_equal(without_data(w, BLOCK_ZERO, 512, 150 * 1024, false), 0);
	read_file(w->path, back, sizeof(back), 0);
	assert_true(is_filled_with(back, 512, 0x55));
	assert_true(is_filled_with(back + 512, 150 * 1024, 0));
	assert_true(is_filled_with(back + 512 + 150 * 1024, sizeof(back) - 512 - 150 * 1024, 0x55));
	world_free(w);
}

/* --- cache modes --- */

static void all_cache_modes_write_and_flush(void **state)
{
	struct world *w = world_setup(state);
	static _Alignas(4096) uint8_t data[8192], back[8192];

	for (int cache = BLOCK_CACHE_WRITEBACK; cache <= BLOCK_CACHE_UNSAFE; cache++) {
		make_file(w->path, MIB);
		must_open(w, &(struct block_options){ .cache = (enum block_cache)cache });
		pattern(data, sizeof(data), 5 + (uint64_t)cache);
		for (int lazy = 1; lazy >= 0; lazy--) {
			w->bd->ops->set_writeback(w->bd, lazy);
			assert_int_equal(transfer(w, BLOCK_WRITE, 65536, data, sizeof(data)), 0);
			assert_int_equal(without_data(w, BLOCK_ZERO, 0, 4096, false), 0);
			assert_int_equal(without_data(w, BLOCK_FLUSH, 0, 0, false), 0);
			read_file(w->path, back, sizeof(back), 65536);
			assert_memory_equal(back, data, sizeof(data));
		}
		world_close(w);
	}
	world_free(w);
}

/* As on a disk of blocks of 4096 bytes, whatever the host's is. */
static void open_direct(struct world *w)
{
	must_open(w, &(struct block_options){ .cache = BLOCK_CACHE_NONE });
	((struct block_file *)w->bd)->align = 4096;
}

/* O_DIRECT: any address, any sector, any length; neighbours keep what they have. */
static void o_direct_takes_what_is_not_aligned(void **state)
{
	struct world *w = world_setup(state);
	static uint8_t model[MIB], back[MIB];
	static _Alignas(4096) uint8_t buffer[600 * 1024 + 8];
	uint64_t random = 6;

	pattern(model, sizeof(model), 7);
	write_file(w->path, model, sizeof(model));
	open_direct(w);
	for (unsigned int i = 0; i < 60; i++) {
		uint64_t sectors = 1 + fake_random(&random) % (i % 8 ? 20 : 1100);
		uint64_t at = fake_random(&random) % (MIB / 512 - sectors) * 512;
		uint8_t *data = buffer + fake_random(&random) % 8;

		if (i % 2) {
			pattern(data, sectors * 512, i);
			memcpy(model + at, data, sectors * 512);
			assert_int_equal(transfer(w, BLOCK_WRITE, at, data, sectors * 512), 0);
		} else {
			assert_int_equal(transfer(w, BLOCK_READ, at, data, sectors * 512), 0);
			assert_memory_equal(data, model + at, sectors * 512);
		}
	}
	read_file(w->path, back, sizeof(back), 0);
	assert_memory_equal(back, model, sizeof(model));
	world_free(w);
}

/* Writes of single sectors of one block, all at once. */
static void o_direct_sectors_of_one_block_do_not_undo_each_other(void **state)
{
	struct world *w = world_setup(state);
	static uint8_t data[64][512], back[64][512];
	static uint8_t unaligned[64 * 512 + 1];
	static struct block_request req[64];
	static struct iovec iov[64];

	make_file(w->path, MIB);
	open_direct(w);
	pattern(data[0], sizeof(data), 8);
	memcpy(unaligned + 1, data, sizeof(data));
	for (unsigned int i = 0; i < 64; i++) {
		iov[i] = (struct iovec){ unaligned + 1 + 512 * i, 512 };
		req[i] = (struct block_request){
			.op = BLOCK_WRITE, .offset = 512ULL * i, .length = 512, .iov = &iov[i], .nr_iov = 1
		};
		submit(w, &req[i]);
	}
	run(w);
	read_file(w->path, back, sizeof(back), 0);
	assert_memory_equal(back, data, sizeof(data));
	world_free(w);
}

static struct block_file *watched; /* by fallocate() */
static unsigned int zeroed, zeroed_alone;

/* In place of the C library's. */
int fallocate(int fd, int mode, off_t offset, off_t len)
{
	if (watched) {
		int ret = pthread_mutex_trylock(&watched->edge_lock);

		zeroed++;
		zeroed_alone += ret == EBUSY;
		if (!ret)
			pthread_mutex_unlock(&watched->edge_lock);
	}
	return (int)syscall(SYS_fallocate, fd, mode, offset, len);
}

/*
 * A write to one sector of a block reads the others, and writes them again: none of them may be zeroed
 * meanwhile. Whole blocks may; what writes to those at the same time has no reason to expect anything.
 */
static void o_direct_zeroing_within_a_block_is_not_undone(void **state)
{
	static const struct {
		uint64_t at, len;
		bool alone;
	} ranges[] = {
		{ 5 * 512, 512, true }, { 0, 4096 + 512, true },     { 512, 4096 - 512, true },
		{ 512, 4096, true },    { 4096, MIB - 4096, false }, { 8192, 4096, false },
	};
	struct world *w = world_setup(state);
	static uint8_t data[MIB];

	write_file(w->path, data, sizeof(data));
	open_direct(w);
	watched = (struct block_file *)w->bd;
	for (unsigned int i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		for (unsigned int unmap = 0; unmap < 2; unmap++) {
			zeroed = zeroed_alone = 0;
			assert_int_equal(without_data(w, BLOCK_ZERO, ranges[i].at, ranges[i].len, unmap), 0);
			assert_true(zeroed);
			assert_int_equal(zeroed_alone, ranges[i].alone ? zeroed : 0);
		}
	}
	watched = NULL;
	world_free(w);
}

/* --- size --- */

static void await_resize(struct world *w)
{
	struct err err;

	w->stop_when_resized = true;
	assert_int_equal(loop_run(&w->loop, &err), 0);
	w->stop_when_resized = false;
}

static void truncate_1_makes_the_disk_longer(void **state)
{
	struct world *w = world_setup(state);
	uint8_t data[512];

	make_file(w->path, MIB);
	must_open(w, &(struct block_options){ 0 });
	pattern(data, sizeof(data), 9);
	make_file(w->path, 2 * MIB); /* opens it, sets the size, closes it */
	await_resize(w);
	assert_int_equal(w->bd->size, 2 * MIB);
	assert_int_equal(w->resized, 1);
	assert_int_equal(transfer(w, BLOCK_WRITE, 2 * MIB - 512, data, sizeof(data)), 0);
	assert_int_equal(w->resized, 1);

	/* Without anybody closing it: for those who tell. */
	assert_int_equal(truncate(w->path, 3 * MIB), 0);
	host_block_resized(w->bd);
	await_resize(w);
	assert_int_equal(w->bd->size, 3 * MIB);
	assert_int_equal(w->resized, 2);
	world_free(w);
}

/* Nobody makes an image that the next start would refuse, nor one that grows as the guest writes its end. */
static void o_direct_shows_whole_blocks(void **state)
{
	struct world *w = world_setup(state);
	static uint8_t data[4096];
	struct err err = { .text = "" };
	struct stat st;

	make_file(w->path, MIB);
	open_direct(w);
	assert_int_equal(host_block_grow(w->bd, MIB + 512, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_USER);
	assert_string_equal(err.text,
			    "disk t: 1049088 bytes are no multiple of the 4096 that cache=none needs "
			    "here; 1052672 are");
	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_size, MIB);
	assert_int_equal(host_block_grow(w->bd, MIB + 4096, &err), 0);
	await_resize(w);
	assert_int_equal(w->bd->size, MIB + 4096);

	make_file(w->path, MIB + 8192 + 512); /* another program's doing */
	await_resize(w);
	assert_int_equal(w->bd->size, MIB + 8192);
	assert_int_equal(transfer(w, BLOCK_WRITE, w->bd->size - 512, data, 512), 0);
	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_size, MIB + 8192 + 512);
	world_free(w);
}

static void another_size_is_not_seen_where_there_is_none(void **state)
{
	struct world *w = world_setup(state);
	int fd;

	make_file(w->path, MIB);
	must_open(w, &(struct block_options){ 0 });
	fd = open(w->path, O_WRONLY);
	assert_true(fd >= 0);
	close(fd);
	host_block_resized(w->bd);
	assert_int_equal(without_data(w, BLOCK_FLUSH, 0, 0, false), 0);
	assert_int_equal(without_data(w, BLOCK_FLUSH, 0, 0, false), 0);
	assert_int_equal(w->resized, 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		both(what_is_written_is_in_the_file_and_is_read),
		both(a_thousand_requests_at_once),
		both(drained_requests_come_back_later),
		both(destroyed_with_requests_in_flight),
		both(the_last_sector_is_filled_up_with_zeroes),
		both(a_file_cut_short_is_an_error_with_one_log_line),
		both(a_write_that_the_host_refuses_is_an_error_with_one_log_line),
		both(a_full_file_system_is_an_error_with_one_log_line),
		both(zeroed_ranges_read_as_zeroes_and_nothing_else_does),
		both(discarded_ranges_are_given_back_to_the_host),
		both(all_cache_modes_write_and_flush),
		both(o_direct_takes_what_is_not_aligned),
		both(o_direct_sectors_of_one_block_do_not_undo_each_other),
		both(o_direct_zeroing_within_a_block_is_not_undone),
		both(truncate_1_makes_the_disk_longer),
		both(o_direct_shows_whole_blocks),
		both(another_size_is_not_seen_where_there_is_none),
		cmocka_unit_test(zeroes_are_written_where_the_file_system_cannot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
