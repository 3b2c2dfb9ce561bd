// SPDX-License-Identifier: BSD-2-Clause
/* The host's sides of a console port: a socket that clients come to and go from, and a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/port_file.h"
#include "host/port_socket.h"
#include "host/unix_listen.h"
#include "tests/unit/chardev_rig.h"
#include "tests/unit/descriptors_rig.h"
#include "tests/unit/fake.h"
#include "tests/unit/file_rig.h"
#include "tests/unit/loop_rig.h"

static struct loop loop;
static struct chardev *chr;
static char dir[64], path[80];
static struct chardev_rig told;

static int setup(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(loop_init(&loop, &err), 0);
	strcpy(dir, "/tmp/vireo-ports.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/port", dir);
	chr = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (chr)
		chr->ops->destroy(chr);
	loop_finish(&loop);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

static void run_loop(void)
{
	loop_rig_settle(&loop);
}

/* --- a socket --- */

static void listen_there(void)
{
	struct err err = { .text = "" };

	assert_int_equal(port_socket_create(&chr, path, &loop, &err), 0);
	chardev_rig_plug(&told, chr);
	assert_false(chr->connected);
}

/* A client that has been noticed. */
static int come(void)
{
	int fd = unix_connect(path);

	assert_true(fd >= 0);
	return fd;
}

static int client(void)
{
	int fd = come();

	run_loop();
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void assert_heard(int fd, const char *text)
{
	char buf[256];

	assert_int_equal(recv(fd, buf, sizeof(buf), MSG_DONTWAIT), strlen(text));
	assert_memory_equal(buf, text, strlen(text));
}

static void test_a_client(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	listen_there();
	assert_int_equal(chardev_rig_put(chr, "nobody"), 0);
	chardev_rig_gets(chr, "");
	fd = client();
	assert_true(chr->connected);
	assert_int_equal(told.changed, 1);
	assert_int_equal(told.writable, 1);
	assert_int_equal(chardev_rig_put(chr, "hello"), 5);
	assert_heard(fd, "hello");

	say(fd, "ls\n");
	run_loop();
	assert_int_equal(told.readable, 1);
	run_loop();
	assert_int_equal(told.readable, 1); /* once, however long it is not taken */
	chardev_rig_gets(chr, "ls\n");
	chardev_rig_gets(chr, "");
	say(fd, "date\n");
	run_loop();
	assert_int_equal(told.readable, 2);
	chardev_rig_gets(chr, "date\n");

	close(fd);
	run_loop();
	chardev_rig_gets(chr, "");
	run_loop();
	assert_false(chr->connected);
	assert_int_equal(told.changed, 2);

	chr->ops->destroy(chr);
	chr = NULL;
	assert_int_equal(stat(path, &st), -1);
}

/* A client that sends and goes at once: it is read to its end before it counts as gone. */
static void test_a_client_that_goes(void **state)
{
	int fd, next;

	(void)state;
	listen_there();
	fd = client();
	say(fd, "last words");
	close(fd);
	next = client();
	assert_true(chr->connected);
	assert_int_equal(told.changed, 1);
	assert_int_equal(chardev_rig_put(chr, "for the next one"), 0);
	chardev_rig_gets(chr, "last words");
	run_loop();
	/* The next one has waited. */
	assert_true(chr->connected);
	assert_int_equal(told.changed, 3);
	assert_int_equal(chardev_rig_put(chr, "for the next one"), 16);
	assert_heard(next, "for the next one");
	close(next);
}

/* Nobody in the guest reads: a client that goes and has left nothing is gone all the same. */
static void test_a_client_that_nobody_reads(void **state)
{
	int fd, next;

	(void)state;
	listen_there();
	fd = client();
	assert_true(chr->connected);
	close(fd);
	run_loop();
	run_loop();
	assert_false(chr->connected);
	assert_int_equal(told.changed, 2);
	next = client();
	assert_true(chr->connected);
	assert_int_equal(chardev_rig_put(chr, "hello"), 5);
	assert_heard(next, "hello");
	close(next);
}

/* The host has no descriptor left for a client: it waits, and is served when there is one. */
static void test_out_of_descriptors(void **state)
{
	int fd;

	(void)state;
	listen_there();
	fd = come();
	files_run_out(fd, &loop, run_loop);
	assert_true(chr->connected);
	assert_int_equal(chardev_rig_put(chr, "hello"), 5);
	assert_heard(fd, "hello");
	close(fd);
	run_loop();
}

/* A client that has nothing more to say, and listens. */
static void test_half_closed(void **state)
{
	int fd;

	(void)state;
	listen_there();
	fd = client();
	say(fd, "question");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	run_loop();
	chardev_rig_gets(chr, "question");
	chardev_rig_gets(chr, "");
	run_loop();
	assert_true(chr->connected);
	assert_int_equal(chardev_rig_put(chr, "answer"), 6);
	assert_heard(fd, "answer");
	close(fd);
	run_loop();
	assert_false(chr->connected);
}

/* A client that does not read: what has no room is refused, and nothing of what was taken is lost. */
static void test_a_slow_client(void **state)
{
	static uint8_t block[4096], got[4096];
	size_t sent = 0, heard = 0, n;
	int fd;

	(void)state;
	listen_there();
	fd = client();
	told.writable = 0;
	do {
		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = (uint8_t)((sent + i) % 251);
		n = chr->ops->put(chr, block, sizeof(block));
		sent += n;
	} while (n == sizeof(block));
	run_loop();
	assert_int_equal(told.writable, 0);
	while (heard < sent) {
		ssize_t len = recv(fd, got, sizeof(got), MSG_DONTWAIT);

		assert_true(len > 0);
		for (ssize_t i = 0; i < len; i++)
			assert_int_equal(got[i], (heard + (size_t)i) % 251);
		heard += (size_t)len;
	}
	run_loop();
	assert_int_equal(told.writable, 1);
	assert_int_equal(chardev_rig_put(chr, "more"), 4);
	assert_heard(fd, "more");
	close(fd);
}

/* Much input in small pieces, and a model that takes less than there is. */
static void test_much_input(void **state)
{
	uint8_t buf[100];
	size_t total = 0, got;
	int fd;

	(void)state;
	listen_there();
	fd = client();
	for (int i = 0; i < 50; i++)
		say(fd, "0123456789012345678901234567890123456789");
	run_loop();
	assert_int_equal(told.readable, 1);
	while ((got = chr->ops->get(chr, buf, sizeof(buf))) > 0) {
		assert_int_equal(buf[0], '0' + total % 10);
		total += got;
	}
	assert_int_equal(total, 2000);
	close(fd);
}

static void test_destroyed_with_a_client(void **state)
{
	int fd;
	char byte;

	(void)state;
	listen_there();
	fd = client();
	say(fd, "unread");
	run_loop();
	chr->ops->destroy(chr);
	chr = NULL;
	assert_true(recv(fd, &byte, 1, MSG_DONTWAIT) <= 0);
	close(fd);
}

static void test_a_path_that_is_taken(void **state)
{
	struct chardev *other;
	struct err err;

	(void)state;
	listen_there();
	assert_int_equal(port_socket_create(&other, path, &loop, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, path));
	chr->ops->destroy(chr);
	chr = NULL;

	close(open(path, O_WRONLY | O_CREAT, 0600));
	assert_int_equal(port_socket_create(&other, path, &loop, &err), -EINVAL);
	assert_non_null(strstr(err.text, path));
}

/* --- a file --- */

static void open_there(void)
{
	struct err err = { .text = "" };

	assert_int_equal(port_file_create(&chr, path, &loop, &err), 0);
	chardev_rig_plug(&told, chr);
	assert_true(chr->connected);
}

/* What is there already stays. */
static void test_file(void **state)
{
	(void)state;
	open_there();
	assert_int_equal(chardev_rig_put(chr, "first\n"), 6);
	file_rig_holds(path, "first\n");
	chardev_rig_gets(chr, "");
	chr->ops->destroy(chr);
	open_there();
	assert_int_equal(chardev_rig_put(chr, "second\n"), 7);
	file_rig_holds(path, "first\nsecond\n");
}

static void test_no_such_file(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(port_file_create(&chr, "/nowhere/to/be/found", &loop, &err), -ENOENT);
	assert_int_equal(err.kind, ERR_USER);
	assert_non_null(strstr(err.text, "/nowhere/to/be/found"));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(port_file_create(&chr, path, &loop, &err), -ENXIO);
	assert_non_null(strstr(err.text, "FIFO"));
}

static void fill_up(void *ctx)
{
	static const uint8_t block[70];
	rlim_t before = file_rig_limit(1000);

	(void)ctx;
	for (int i = 0; i < 20; i++)
		assert_int_equal(chr->ops->put(chr, block, sizeof(block)), sizeof(block));
	file_rig_unlimit(before);
}

/* A full file system: the guest goes on, one line says what has become of its output. */
static void test_a_file_that_is_full(void **state)
{
	char said[128];
	struct stat st;

	(void)state;
	open_there();
	snprintf(said, sizeof(said), "%s cannot be written any more (File too large)", path);
	assert_int_equal(fake_log_lines(fill_up, NULL, said), 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 1000); /* as far as it went */
}

/* A FIFO that its reader does not empty makes the guest wait; one without a reader does not. */
static void test_fifo(void **state)
{
	static uint8_t block[4096];
	int fd;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	open_there();
	while (chr->ops->put(chr, block, sizeof(block)) > 0)
		;
	run_loop();
	assert_int_equal(told.writable, 0);
	while (read(fd, block, sizeof(block)) > 0)
		;
	run_loop();
	assert_int_equal(told.writable, 1);
	assert_int_equal(chardev_rig_put(chr, "more"), 4);

	/* Its reader is restarted. */
	close(fd);
	run_loop();
	fd = open(path, O_RDONLY | O_NONBLOCK);
	while (chr->ops->put(chr, block, sizeof(block)) > 0)
		;
	run_loop();
	told.writable = 0;
	while (read(fd, block, sizeof(block)) > 0)
		;
	run_loop();
	assert_int_equal(told.writable, 1);

	signal(SIGPIPE, SIG_IGN);
	close(fd);
	run_loop();
	assert_int_equal(chardev_rig_put(chr, "to nobody"), 9);
	run_loop();
	assert_int_equal(chardev_rig_put(chr, "to nobody"), 9);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_client),
		TEST(test_a_client_that_goes),
		TEST(test_a_client_that_nobody_reads),
		TEST(test_out_of_descriptors),
		TEST(test_half_closed),
		TEST(test_a_slow_client),
		TEST(test_much_input),
		TEST(test_destroyed_with_a_client),
		TEST(test_a_path_that_is_taken),
		TEST(test_file),
		TEST(test_no_such_file),
		TEST(test_a_file_that_is_full),
		TEST(test_fifo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
