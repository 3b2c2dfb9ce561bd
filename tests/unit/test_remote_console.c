// SPDX-License-Identifier: BSD-2-Clause
/* Consoles at a pseudo-terminal and a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

#include "host/unix_listen.h"
#include "tests/unit/descriptors_rig.h"
#include "tests/unit/fake.h"
#include "tests/unit/remote_rig.h"

/* --- a pseudo-terminal --- */

static void make_pty(void *ctx)
{
	struct err err = { .text = "" };

	(void)ctx;
	assert_int_equal(remote_pty_create(&chr, "ttyS0", &loop, &err), 0);
	chardev_rig_plug(&model, chr);
}

static int open_terminal(void)
{
	int fd = open(remote_console_path(chr), O_RDWR | O_NOCTTY | O_NONBLOCK);

	assert_true(fd >= 0);
	run_loop();
	return fd;
}

static void test_pty(void **state)
{
	struct termios mode;
	int fd;

	(void)state;
	assert_int_equal(fake_log_lines(make_pty, NULL, "ttyS0 is at /dev/pts/"), 1);
	assert_int_equal(chardev_rig_put(chr, "before, "), 8);
	run_loop();
	fd = open_terminal();
	assert_int_equal(tcgetattr(fd, &mode), 0);
	assert_false(mode.c_lflag & (ECHO | ICANON | ISIG));
	assert_int_equal(chardev_rig_put(chr, "after\n"), 6);
	run_loop();
	assert_heard(fd, "before, after\n");
	say(fd, "ls\r");
	await_input("ls\r");
	close(fd);
}

/* Nobody has it open, or no more: the guest goes on, the loop sleeps, and who comes back goes on reading. */
static void test_pty_left_and_opened_again(void **state)
{
	int fd, other;

	(void)state;
	make_pty(NULL);
	assert_idle();
	fd = open_terminal();
	assert_int_equal(chardev_rig_put(chr, "one"), 3);
	run_loop();
	assert_heard(fd, "one");
	say(fd, "last words");
	close(fd);
	await_input("last words");
	assert_idle();
	assert_int_equal(chardev_rig_put(chr, "two"), 3);
	fd = open_terminal();
	assert_heard(fd, "two");
	say(fd, "back");
	await_input("back");

	/* One of two leaves: the other one stays connected. */
	other = open_terminal();
	close(fd);
	run_loop();
	assert_int_equal(chardev_rig_put(chr, "three"), 5);
	run_loop();
	assert_heard(other, "three");

	/* Closed and opened before the loop looks. */
	close(other);
	fd = open(remote_console_path(chr), O_RDWR | O_NOCTTY | O_NONBLOCK);
	run_loop();
	say(fd, "again");
	await_input("again");
	close(fd);
}

/* Whoever was there before has left more input than the guest takes: that is no matter of who comes next. */
static void test_pty_left_with_input_and_opened_again(void **state)
{
	static char typed[2000];
	int fd;

	(void)state;
	make_pty(NULL);
	fd = open_terminal();
	memset(typed, 'k', sizeof(typed) - 1);
	while (write(fd, typed, sizeof(typed) - 1) > 0)
		run_loop();
	close(fd);
	run_loop();
	fd = open_terminal();
	while (chr->ops->get(chr, (uint8_t *)typed, sizeof(typed)) > 0)
		run_loop();
	assert_int_equal(chardev_rig_put(chr, "hello"), 5);
	run_loop();
	assert_heard(fd, "hello");
	say(fd, "back");
	await_input("back");
	close(fd);
}

/* Who comes late gets the last of it, and how much is missing. */
static void test_pty_that_nobody_opens(void **state)
{
	static char text[REMOTE_OUT_SIZE + 4096];
	struct pollfd pfd = { .events = POLLIN };
	size_t got = 0;
	char *at;
	int fd;

	(void)state;
	make_pty(NULL);
	put_alphabet(2 * REMOTE_OUT_SIZE + 3);
	assert_int_equal(model.writable, 0);
	fd = open_terminal();
	pfd.fd = fd;
	snprintf(path, sizeof(path), "\r\n[vireo: %u bytes lost]\r\n", REMOTE_OUT_SIZE + 3);
	while (poll(&pfd, 1, got < strlen(path) + REMOTE_OUT_SIZE ? PATIENCE_MS : 0) > 0) {
		ssize_t n = read(fd, text + got, sizeof(text) - 1 - got);

		assert_true(n > 0);
		got += (size_t)n;
		run_loop();
	}
	text[got] = '\0';
	at = strstr(text, path);
	assert_ptr_equal(at, text);
	at += strlen(path);
	assert_int_equal(text + got - at, REMOTE_OUT_SIZE);
	for (size_t i = 0; i < REMOTE_OUT_SIZE; i++)
		assert_int_equal(at[i], 'a' + (REMOTE_OUT_SIZE + 3 + i) % 26);
	snprintf(path, sizeof(path), "%s/console", dir);
	close(fd);
}

/* --- a socket --- */

static void listen_there(void)
{
	struct err err = { .text = "" };

	assert_int_equal(remote_socket_create(&chr, "hvc0", path, &loop, &err), 0);
	chardev_rig_plug(&model, chr);
}

static int come(void)
{
	int fd = unix_connect(path);

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static int client(void)
{
	int fd = come();

	run_loop();
	return fd;
}

static void test_socket(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	listen_there();
	assert_true(chr->connected);
	assert_int_equal(chardev_rig_put(chr, "before, "), 8);
	fd = client();
	assert_int_equal(chardev_rig_put(chr, "after"), 5);
	run_loop();
	assert_heard(fd, "before, after");
	say(fd, "ls\n");
	run_loop();
	chardev_rig_gets(chr, "ls\n");
	/* One that has nothing more to say still listens. */
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	run_loop();
	assert_int_equal(chardev_rig_put(chr, "more"), 4);
	run_loop();
	assert_heard(fd, "more");
	close(fd);
	run_loop();
	assert_int_equal(chardev_rig_put(chr, "for the next one"), 16);
	fd = client();
	assert_heard(fd, "for the next one");
	close(fd);
	remote_console_destroy(chr, true);
	chr = NULL;
	assert_int_equal(stat(path, &st), -1);
}

static void test_second_client_is_told(void **state)
{
	int first, second;
	char buf[128] = "";

	(void)state;
	listen_there();
	first = client();
	second = client();
	assert_true(read(second, buf, sizeof(buf) - 1) > 0);
	assert_non_null(strstr(buf, "has a client already"));
	assert_int_equal(read(second, buf, sizeof(buf)), 0);
	close(second);
	assert_int_equal(chardev_rig_put(chr, "mine"), 4);
	run_loop();
	assert_heard(first, "mine");
	close(first);
	run_loop();
	second = client();
	assert_int_equal(chardev_rig_put(chr, "and mine"), 8);
	run_loop();
	assert_heard(second, "and mine");
	close(second);
}

/* The host has no descriptor left for a client: it waits, and is served when there is one. */
static void test_out_of_descriptors(void **state)
{
	int fd;

	(void)state;
	listen_there();
	fd = come();
	files_run_out(fd, &loop, run_loop);
	assert_int_equal(chardev_rig_put(chr, "hello"), 5);
	run_loop();
	assert_heard(fd, "hello");
	close(fd);
}

/* More input than there is room for, from a client that is gone: the guest gets all of it. */
static void test_client_that_goes(void **state)
{
	uint8_t buf[100];
	size_t total = 0, got;
	int fd;

	(void)state;
	listen_there();
	fd = client();
	for (int i = 0; i < 200; i++)
		say(fd, "01234567890123456789012345678901234567890123456789");
	close(fd);
	run_loop();
	for (int round = 0; round < 1000 && total < 10000; round++) {
		while ((got = chr->ops->get(chr, buf, sizeof(buf))) > 0) {
			assert_int_equal(buf[0], '0' + total % 10);
			total += got;
		}
		run_loop();
	}
	assert_int_equal(total, 10000);
	fd = client();
	assert_int_equal(chardev_rig_put(chr, "next"), 4);
	run_loop();
	assert_heard(fd, "next");
	close(fd);
}

/* The guest does not wait for a client that does not read. */
static void test_client_that_does_not_read(void **state)
{
	char buf[4096];
	size_t total = 0;
	bool told = false;
	ssize_t n;
	int fd;

	(void)state;
	listen_there();
	fd = client();
	for (int i = 0; i < 40; i++) {
		put_alphabet(65536);
		run_loop();
	}
	assert_int_equal(model.writable, 0);
	for (int round = 0; round < 1000; round++) {
		while ((n = read(fd, buf, sizeof(buf))) > 0) {
			told |= memmem(buf, (size_t)n, " bytes lost]", 12) != NULL;
			total += (size_t)n;
		}
		run_loop();
	}
	assert_true(told);
	assert_in_range(total, REMOTE_OUT_SIZE, 40 * 65536 - 1);
	assert_int_equal(chardev_rig_put(chr, "!"), 1);
	run_loop();
	assert_heard(fd, "!");
	close(fd);
}

static void test_places_that_are_none(void **state)
{
	struct chardev *other;
	struct err err;

	(void)state;
	assert_int_equal(remote_file_create(&other, "ttyS0", "/nowhere/to/be", &loop, &err), -ENOENT);
	assert_int_equal(err.kind, ERR_USER);
	assert_non_null(strstr(err.text, "ttyS0: /nowhere/to/be"));
	assert_int_equal(remote_socket_create(&other, "ttyS0", "/nowhere/to/be", &loop, &err), -ENOENT);
	assert_int_equal(err.kind, ERR_USER);
	assert_non_null(strstr(err.text, "/nowhere/to/be"));
	listen_there();
	assert_int_equal(remote_socket_create(&other, "ttyS0", path, &loop, &err), -EADDRINUSE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pty),
		TEST(test_pty_left_and_opened_again),
		TEST(test_pty_left_with_input_and_opened_again),
		TEST(test_pty_that_nobody_opens),
		TEST(test_socket),
		TEST(test_second_client_is_told),
		TEST(test_out_of_descriptors),
		TEST(test_client_that_goes),
		TEST(test_client_that_does_not_read),
		TEST(test_places_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
