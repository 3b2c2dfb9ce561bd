/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A raw image in a directory of its own, its event loop, and requests that come back.
 *
 * Include after <cmocka.h>.
 */
#ifndef VIREO_TESTS_UNIT_BLOCK_RIG_H
#define VIREO_TESTS_UNIT_BLOCK_RIG_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/block_internal.h"
#include "tests/unit/fake.h"

#define MIB 0x100000UL

/* skip(), which does not return, as compilers can tell. */
static inline _Noreturn void leave_out(void)
{
	skip();
	__builtin_unreachable();
}

/* --- a disk, its loop, and requests that come back --- */

struct world {
	enum block_aio aio;
	char dir[64], path[96];
	struct loop loop;
	struct blockdev *bd;
	unsigned int awaited;   /* requests that have not come back */
	unsigned int resized;   /* calls */
	bool stop_when_resized; /* else when all are back */
};

/* valgrind does not see what the kernel does to the rings' memory and to buffers. */
static inline bool is_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

static inline void on_done(void *ctx, struct block_request *list)
{
	struct world *w = ctx;

	for (; list; list = list->next) {
		assert_true(w->awaited > 0);
		w->awaited--;
	}
	if (!w->awaited && !w->stop_when_resized)
		loop_stop(&w->loop);
}

static inline void on_resized(void *ctx)
{
	struct world *w = ctx;

	w->resized++;
	if (w->stop_when_resized)
		loop_stop(&w->loop);
}

static inline void make_file(const char *path, uint64_t size)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	close(fd);
}

static inline void write_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static inline void read_file(const char *path, void *data, size_t len, uint64_t at)
{
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, data, len, (off_t)at), len);
	close(fd);
}

static inline int world_open(struct world *w, const struct block_options *how, struct err *err)
{
	struct block_options opt = *how;
	int ret;

	opt.name = "disk t";
	opt.path = w->path;
	opt.aio = w->aio;
	ret = block_open(&w->bd, &opt, &w->loop, err);
	if (ret < 0) {
		w->bd = NULL;
		return ret;
	}
	w->bd->done = on_done;
	w->bd->resized = on_resized;
	w->bd->ctx = w;
	return 0;
}

static inline void must_open(struct world *w, const struct block_options *how)
{
	struct err err = { .text = "" };

	if (world_open(w, how, &err) < 0)
		fail_msg("%s", err.text);
}

/* A directory and a loop; `prestate` says which way is tested. The directory may be given by a test. */
static inline struct world *world_new(void **state, const char *parent)
{
	const struct world *how = *state;
	struct world *w = calloc(1, sizeof(*w));
	struct err err = { .text = "" };

	assert_non_null(w);
	w->aio = how ? how->aio : BLOCK_AIO_THREADS;
	snprintf(w->dir, sizeof(w->dir), "%s/vireo-block.XXXXXX", parent);
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->path, sizeof(w->path), "%s/image", w->dir);
	assert_int_equal(loop_init(&w->loop, &err), 0);
	return w;
}

static inline void world_close(struct world *w)
{
	if (w->bd)
		w->bd->ops->destroy(w->bd);
	w->bd = NULL;
}

static inline void world_free(struct world *w)
{
	world_close(w);
	loop_finish(&w->loop);
	unlink(w->path);
	rmdir(w->dir);
	free(w);
}

static inline void say_once(const char *reason)
{
	static bool said;

	if (!said)
		printf("SKIP all tests by io_uring: %s\n", reason);
	said = true;
}

static inline struct world *world_setup(void **state)
{
	const struct world *how = *state;
	struct world *w;

	if (how && how->aio == BLOCK_AIO_URING && is_valgrind()) {
		say_once("valgrind does not see what the kernel writes");
		leave_out();
	}
	w = world_new(state, "/tmp");
	if (w->aio == BLOCK_AIO_URING) {
		struct err err = { .text = "" };

		make_file(w->path, MIB);
		if (world_open(w, &(struct block_options){ 0 }, &err) < 0) {
			say_once(err.text);
			world_free(w);
			leave_out();
		}
		world_close(w);
	}
	return w;
}

static inline void submit(struct world *w, struct block_request *req)
{
	w->awaited++;
	w->bd->ops->submit(w->bd, req);
}

/* Begins what was submitted, and waits until it is all back. */
static inline void run(struct world *w)
{
	struct err err = { .text = "" };

	w->bd->ops->commit(w->bd);
	if (w->awaited)
		assert_int_equal(loop_run(&w->loop, &err), 0);
	assert_int_equal(w->awaited, 0);
}

static inline int perform(struct world *w, struct block_request *req)
{
	submit(w, req);
	run(w);
	return req->result;
}

static inline int transfer(struct world *w, enum block_op op, uint64_t at, void *data, size_t len)
{
	struct iovec iov = { .iov_base = data, .iov_len = len };
	struct block_request req = { .op = op, .offset = at, .length = len, .iov = &iov, .nr_iov = 1 };

	return perform(w, &req);
}

static inline int without_data(struct world *w, enum block_op op, uint64_t at, uint64_t len, bool may_unmap)
{
	struct block_request req = { .op = op, .offset = at, .length = len, .may_unmap = may_unmap };

	return perform(w, &req);
}

static inline void pattern(uint8_t *data, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)fake_random(&seed);
}

static inline bool is_filled_with(const uint8_t *data, size_t len, uint8_t value)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != value)
			return false;
	return true;
}

/* A test by io_uring and by threads: two entries of the list of tests. */
static const struct world uring_world = { .aio = BLOCK_AIO_URING };
static const struct world threads_world = { .aio = BLOCK_AIO_THREADS };

#define both(test)                                                                     \
	{ #test ": io_uring", test, NULL, NULL, (void *)(uintptr_t)&uring_world },     \
	{                                                                              \
#test ": threads", test, NULL, NULL, (void *)(uintptr_t)&threads_world \
	}

#endif
