// SPDX-License-Identifier: BSD-2-Clause
/* Consoles at a file or a FIFO. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tests/unit/fake.h"
#include "tests/unit/file_rig.h"
#include "tests/unit/flood_rig.h"
#include "tests/unit/remote_rig.h"

static void open_there(void)
{
	struct err err = { .text = "" };

	assert_int_equal(remote_file_create(&chr, "ttyS0", path, &loop, &err), 0);
	chardev_rig_plug(&model, chr);
}

static void test_file(void **state)
{
	(void)state;
	open_there();
	assert_int_equal(chardev_rig_put(chr, "first\n"), 6);
	run_loop();
	file_rig_holds(path, "first\n");
	chardev_rig_gets(chr, "");
	remote_console_destroy(chr, false);
	open_there();
	assert_int_equal(chardev_rig_put(chr, "second"), 6);
	remote_console_destroy(chr, false);
	chr = NULL;
	file_rig_holds(path, "first\nsecond");
}

/* A guest that is faster than the loop waits, and nothing is lost. */
static void test_much_for_a_file(void **state)
{
	struct stat st;

	(void)state;
	open_there();
	put_alphabet(REMOTE_OUT_SIZE);
	assert_int_equal(chardev_rig_put(chr, "no room"), 0);
	assert_int_equal(model.writable, 0);
	run_loop();
	assert_int_equal(model.writable, 1);
	assert_int_equal(chardev_rig_put(chr, "room"), 4);
	run_loop();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, REMOTE_OUT_SIZE + 4);
}

static void fill_up(void *ctx)
{
	rlim_t before = file_rig_limit(1000);

	(void)ctx;
	for (int i = 0; i < 20; i++) {
		put_alphabet(70);
		run_loop();
	}
	file_rig_unlimit(before);
}

/* The system call, and the guest goes on. */
ssize_t write(int fd, const void *buf, size_t len)
{
	ssize_t n = syscall(SYS_write, fd, buf, len);

	flood_goes_on(n);
	return n;
}

static void test_a_guest_that_goes_on_writing(void **state)
{
	(void)state;
	open_there();
	run_loop();
	flood_turns(&loop, chr, REMOTE_OUT_SIZE);
}

static void test_a_file_that_is_full(void **state)
{
	char said[160];
	struct stat st;

	(void)state;
	open_there();
	snprintf(said, sizeof(said), "ttyS0: %s cannot be written any more (File too large)", path);
	assert_int_equal(fake_log_lines(fill_up, NULL, said), 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 1000); /* as far as it went */
}

static void test_fifo(void **state)
{
	char buf[65536];
	struct err err;
	int fd;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(remote_file_create(&chr, "ttyS0", path, &loop, &err), -ENXIO);
	assert_non_null(strstr(err.text, "a FIFO that nobody reads"));
	fd = open(path, O_RDONLY | O_NONBLOCK);
	open_there();
	memset(buf, 'x', 1000);
	while (chr->ops->put(chr, (const uint8_t *)buf, 1000))
		run_loop();
	assert_int_equal(model.writable, 0);
	while (read(fd, buf, sizeof(buf)) > 0)
		run_loop();
	assert_true(model.writable > 0);
	signal(SIGPIPE, SIG_IGN);
	close(fd);
	run_loop();
	assert_int_equal(chardev_rig_put(chr, "to nobody"), 9);
	assert_idle();
	assert_int_equal(chardev_rig_put(chr, "to nobody"), 9);
}

static void fill(void)
{
	uint8_t buf[1000];

	memset(buf, 'x', sizeof(buf));
	while (chr->ops->put(chr, buf, sizeof(buf)))
		run_loop();
}

/* Its reader is killed while it is full: the guest goes on. */
static void test_fifo_that_is_full_loses_its_reader(void **state)
{
	int fd;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	open_there();
	fill();
	run_loop();
	assert_int_equal(model.writable, 0);
	close(fd);
	run_loop();
	assert_true(model.writable > 0);
	assert_int_equal(chardev_rig_put(chr, "to nobody"), 9);
	assert_idle();
}

/* Its reader is restarted while the guest says nothing. */
static void test_fifo_with_another_reader(void **state)
{
	char buf[65536];
	int fd;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	open_there();
	run_loop();
	close(fd);
	run_loop();
	fd = open(path, O_RDONLY | O_NONBLOCK);
	fill();
	run_loop();
	assert_int_equal(model.writable, 0);
	while (read(fd, buf, sizeof(buf)) > 0)
		run_loop();
	assert_true(model.writable > 0);
	assert_int_equal(chardev_rig_put(chr, "more"), 4);
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_file),
		TEST(test_much_for_a_file),
		TEST(test_a_guest_that_goes_on_writing),
		TEST(test_a_file_that_is_full),
		TEST(test_fifo),
		TEST(test_fifo_that_is_full_loses_its_reader),
		TEST(test_fifo_with_another_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
