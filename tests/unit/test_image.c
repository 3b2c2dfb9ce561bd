// SPDX-License-Identifier: BSD-2-Clause
/* Files to load: regular ones, pipes, and what cannot be loaded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/image.h"

#define MIB 1048576ULL

static char dir[] = P_tmpdir "/vireo-image-XXXXXX";
static char path[64];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/file", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void make_file(const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	assert_int_equal(close(fd), 0);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Asserts that `p` cannot be opened: one line that names the file and says `why`. */
static void expect_refused(const char *p, uint64_t max, enum err_kind kind, const char *why)
{
	struct image img;
	struct err err;
	int before = open_fds();

	assert_int_not_equal(image_open(&img, "kernel", p, max, &err), 0);
	assert_int_equal(err.kind, kind);
	assert_non_null(strstr(err.text, p));
	assert_non_null(strstr(err.text, "kernel"));
	assert_non_null(strstr(err.text, why));
	assert_null(strchr(err.text, '\n'));
	assert_int_equal(open_fds(), before);
	image_close(&img); /* harmless */
}

static void reads_any_part_of_a_regular_file(void **state)
{
	static const char digits[] = "0123456789";
	struct image img;
	struct err err;
	char buf[16];

	(void)state;
	make_file(digits, 10);
	assert_int_equal(image_open(&img, "kernel", path, 1, &err), 0); /* the limit is for streams */
	assert_int_equal(img.size, 10);
	for (uint64_t at = 0; at <= 10; at++) {
		for (uint64_t len = 0; at + len <= 10; len++) {
			memset(buf, '-', sizeof(buf));
			assert_int_equal(image_read(&img, at, buf, len, &err), 0);
			assert_memory_equal(buf, digits + at, len);
			assert_int_equal(buf[len], '-');
		}
	}
	image_close(&img);
	image_close(&img);
}

static void expect_truncated(const struct image *img, uint64_t offset, uint64_t len)
{
	struct err err;
	char buf[16];

	assert_int_equal(image_read(img, offset, buf, len, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_USER);
	assert_non_null(strstr(err.text, "truncated"));
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, "10 bytes"));
}

static void a_range_beyond_the_end_is_truncation(void **state)
{
	struct image img;
	struct err err;

	(void)state;
	make_file("0123456789", 10);
	assert_int_equal(image_open(&img, "initrd", path, MIB, &err), 0);
	expect_truncated(&img, 0, 11);
	expect_truncated(&img, 10, 1);
	expect_truncated(&img, 11, 0);
	expect_truncated(&img, 1, UINT64_MAX);
	expect_truncated(&img, UINT64_MAX, 1);
	expect_truncated(&img, UINT64_MAX, UINT64_MAX);
	expect_truncated(&img, UINT64_MAX - 4, 8);
	image_close(&img);
}

static void a_file_that_shrinks_is_noticed(void **state)
{
	struct image img;
	struct err err;
	char buf[16];

	(void)state;
	make_file("0123456789", 10);
	assert_int_equal(image_open(&img, "kernel", path, MIB, &err), 0);
	assert_int_equal(truncate(path, 4), 0);
	assert_int_equal(image_read(&img, 0, buf, 4, &err), 0);
	assert_int_equal(image_read(&img, 0, buf, 10, &err), -EINVAL);
	assert_non_null(strstr(err.text, "shorter"));
	image_close(&img);
}

static void refuses_what_is_no_file_to_load(void **state)
{
	char sub[96];

	(void)state;
	expect_refused(path, MIB, ERR_USER, "No such file");
	expect_refused(dir, MIB, ERR_USER, "directory");
	make_file("", 0);
	expect_refused(path, MIB, ERR_USER, "empty");
	snprintf(sub, sizeof(sub), "%s/sub", path);
	expect_refused(sub, MIB, ERR_USER, "Not a directory");
	expect_refused("/dev/null", MIB, ERR_USER, "empty");
	expect_refused("/dev/zero", 3 * MIB, ERR_USER, "more than 3 MiB");
	expect_refused("", MIB, ERR_USER, "No such file");
}

static void refuses_files_it_may_not_read(void **state)
{
	bool root = geteuid() == 0;

	(void)state;
	make_file("secret", 6);
	assert_int_equal(chmod(path, 0), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	expect_refused(path, MIB, ERR_USER, "Permission denied");
	if (root)
		assert_int_equal(seteuid(0), 0);
}

/* --- pipes --- */

static void ignore_signal(int signal)
{
	(void)signal;
}

/* Writes to the FIFO at `path` in odd pieces, and disturbs the reader with signals meanwhile. */
struct writer {
	pthread_t thread, reader;
	size_t size;
};

static void *write_pipe(void *opaque)
{
	const struct writer *w = opaque;
	int fd = open(path, O_WRONLY);
	uint8_t buf[4099];
	size_t at = 0;

	while (at < w->size) {
		size_t n = w->size - at < sizeof(buf) ? w->size - at : sizeof(buf);

		for (size_t i = 0; i < n; i++)
			buf[i] = (uint8_t)((at + i) * 7 + (at + i) / 256);
		pthread_kill(w->reader, SIGUSR1);
		if (write(fd, buf, n) != (ssize_t)n)
			break;
		at += n;
	}
	close(fd);
	return NULL;
}

static void start_writer(struct writer *w, size_t size)
{
	struct sigaction disturb = { .sa_handler = ignore_signal }; /* no SA_RESTART */

	assert_int_equal(sigaction(SIGUSR1, &disturb, NULL), 0);
	assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	assert_int_equal(mkfifo(path, 0600), 0);
	w->reader = pthread_self();
	w->size = size;
	assert_int_equal(pthread_create(&w->thread, NULL, write_pipe, w), 0);
}

static void reads_a_pipe_to_its_end(void **state)
{
	static const size_t size = 3 * MIB + 17;
	static uint8_t copy[3 * MIB + 17];
	struct writer writer;
	struct image img;
	struct err err;

	(void)state;
	start_writer(&writer, size);
	assert_int_equal(image_open(&img, "initrd", path, size, &err), 0);
	assert_int_equal(pthread_join(writer.thread, NULL), 0);

	assert_int_equal(img.size, size);
	assert_int_equal(image_read(&img, 0, copy, size, &err), 0);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(copy[i], (uint8_t)(i * 7 + i / 256));
	assert_int_equal(image_read(&img, size - 1, copy, 1, &err), 0);
	assert_int_equal(copy[0], (uint8_t)((size - 1) * 7 + (size - 1) / 256));
	assert_int_equal(image_read(&img, size, copy, 1, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_USER);
	image_close(&img);
}

static void a_pipe_may_not_be_longer_than_the_limit(void **state)
{
	struct writer writer;
	struct image img;
	struct err err;

	(void)state;
	start_writer(&writer, 2 * MIB + 1);
	assert_int_equal(image_open(&img, "kernel", path, 2 * MIB, &err), -EINVAL);
	assert_int_equal(pthread_join(writer.thread, NULL), 0);
	assert_int_equal(err.kind, ERR_USER);
	assert_non_null(strstr(err.text, "more than 2 MiB"));
}

static void an_empty_pipe_is_an_empty_file(void **state)
{
	struct writer writer;
	struct image img;
	struct err err;

	(void)state;
	start_writer(&writer, 0);
	assert_int_equal(image_open(&img, "initrd", path, MIB, &err), -EINVAL);
	assert_int_equal(pthread_join(writer.thread, NULL), 0);
	assert_int_equal(err.kind, ERR_USER);
	assert_non_null(strstr(err.text, "empty"));
}

static void files_of_unknown_size_are_streams(void **state)
{
	struct image img;
	struct err err;
	char buf[7];

	(void)state;
	/* regular, and of size 0 until it is read */
	assert_int_equal(image_open(&img, "kernel", "/proc/version", MIB, &err), 0);
	assert_int_equal(image_read(&img, 0, buf, sizeof(buf), &err), 0);
	assert_memory_equal(buf, "Linux v", sizeof(buf));
	image_close(&img);
}

static void closing_a_zeroed_image_closes_nothing(void **state)
{
	struct image img = { 0 };
	int before = open_fds();

	(void)state;
	image_close(&img);
	assert_int_equal(open_fds(), before);
}

/* --- progress --- */

static struct {
	unsigned int calls, most;
	uint64_t done, size;
} seen;

static bool look(void *ctx, const char *what, const char *path_, uint64_t done, uint64_t size)
{
	assert_ptr_equal(ctx, &seen);
	assert_string_equal(what, "kernel");
	assert_string_equal(path_, path);
	assert_true(done >= seen.done);
	seen.done = done;
	seen.size = size;
	return ++seen.calls <= seen.most;
}

static void watch(unsigned int most)
{
	memset(&seen, 0, sizeof(seen));
	seen.most = most;
	image_set_progress(look, &seen);
}

static void tells_how_far_it_is(void **state)
{
	static uint8_t data[20 * MIB];
	struct image img;
	struct err err;

	(void)state;
	make_file(data, sizeof(data));
	watch(1000);
	assert_int_equal(image_open(&img, "kernel", path, 64 * MIB, &err), 0);
	assert_int_equal(image_read(&img, 0, data, sizeof(data), &err), 0);
	assert_true(seen.calls > 1);
	assert_true(seen.done == sizeof(data) && seen.size == sizeof(data));
	watch(1);
	assert_int_equal(image_read(&img, 0, data, sizeof(data), &err), -ECANCELED);
	image_close(&img);
	image_set_progress(NULL, NULL);
}

/* A FIFO that nobody writes to: it is asked again and again whether to go on. */
static void a_pipe_that_gives_nothing_can_be_left(void **state)
{
	struct image img;
	struct err err;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	watch(1);
	assert_int_equal(image_open(&img, "kernel", path, MIB, &err), -ECANCELED);
	assert_int_equal(seen.calls, 2);
	assert_true(seen.done == 0 && seen.size == 0);
	image_set_progress(NULL, NULL);
}

int main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)
	const struct CMUnitTest tests[] = {
		test(reads_any_part_of_a_regular_file),
		test(a_range_beyond_the_end_is_truncation),
		test(a_file_that_shrinks_is_noticed),
		test(refuses_what_is_no_file_to_load),
		test(refuses_files_it_may_not_read),
		test(reads_a_pipe_to_its_end),
		test(a_pipe_may_not_be_longer_than_the_limit),
		test(an_empty_pipe_is_an_empty_file),
		test(files_of_unknown_size_are_streams),
		test(closing_a_zeroed_image_closes_nothing),
		test(tells_how_far_it_is),
		test(a_pipe_that_gives_nothing_can_be_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
