// SPDX-License-Identifier: BSD-2-Clause
/*
 * The console on standard input and output, of which a serial port and a virtio console each have an end.
 * Both descriptors are replaced by pipes or by a terminal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "host/console.h"
#include "tests/unit/chardev_rig.h"
#include "tests/unit/flood_rig.h"
#include "tests/unit/loop_rig.h"

static struct loop loop;
static struct console con;
static int saved[2], to_us, from_us; /* the user's ends */
static struct chardev_rig serial, virtio;
static unsigned int quits;

static void quit(void *ctx)
{
	(void)ctx;
	quits++;
}

static void open_console(bool virtio_input)
{
	struct err err;

	quits = 0;
	assert_int_equal(loop_init(&loop, &err), 0);
	assert_int_equal(console_init(&con, &loop, virtio_input, quit, NULL, &err), 0);
	chardev_rig_plug(&serial, &con.serial.chr);
	chardev_rig_plug(&virtio, &con.virtio.chr);
}

static void replace(int in, int out)
{
	for (int fd = 0; fd < 2; fd++)
		saved[fd] = dup(fd);
	assert_true(dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0);
}

static void on_pipes(bool virtio_input)
{
	int in[2], out[2];

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	replace(in[0], out[1]);
	close(in[0]);
	close(out[1]);
	to_us = in[1];
	from_us = out[0];
	assert_int_equal(fcntl(from_us, F_SETFL, O_NONBLOCK), 0);
	open_console(virtio_input);
}

static int teardown(void **state)
{
	(void)state;
	console_finish(&con, false);
	loop_finish(&loop);
	for (int fd = 0; fd < 2; fd++) {
		dup2(saved[fd], fd);
		close(saved[fd]);
	}
	close(to_us);
	if (from_us != to_us)
		close(from_us);
	return 0;
}

static void run_loop(void)
{
	loop_rig_settle(&loop);
}

static size_t get(struct console_end *end, char *buf, size_t len)
{
	return end->chr.ops->get(&end->chr, (uint8_t *)buf, len);
}

static void test_output_of_both(void **state)
{
	char buf[64];

	(void)state;
	on_pipes(true);
	assert_int_equal(chardev_rig_put(&con.serial.chr, "early, "), 7);
	assert_int_equal(chardev_rig_put(&con.virtio.chr, "late"), 4);
	assert_int_equal(chardev_rig_put(&con.serial.chr, "!"), 1);
	run_loop();
	assert_int_equal(read(from_us, buf, sizeof(buf)), 12);
	assert_memory_equal(buf, "early, late!", 12);
}

/* More than the guest takes was written by a program that has ended: the loop sleeps until the guest takes it. */
static void test_input_of_a_program_that_ends(void **state)
{
	char buf[CONSOLE_IN_SIZE + 100];
	struct epoll_event ev[4];
	size_t taken = 0, n;

	(void)state;
	on_pipes(false);
	memset(buf, 'i', sizeof(buf));
	assert_int_equal(write(to_us, buf, sizeof(buf)), sizeof(buf));
	close(to_us);
	to_us = from_us;
	run_loop();
	for (int i = epoll_wait(loop.epoll_fd, ev, 4, 0); i > 0;
	     i--) /* the timer that has ended run_loop() may be */
		assert_ptr_not_equal(ev[i - 1].data.ptr, &con.in);
	while ((n = get(&con.serial, buf, 1000)) > 0) {
		taken += n;
		run_loop();
	}
	assert_int_equal(taken, sizeof(buf));
}

static void input_goes_to(struct console_end *mine, struct console_end *other)
{
	char buf[64];

	assert_int_equal(write(to_us, "typed", 5), 5);
	run_loop();
	assert_int_equal(get(other, buf, sizeof(buf)), 0);
	assert_int_equal(get(mine, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "typed", 5);
	assert_int_equal(get(mine, buf, sizeof(buf)), 0);
}

static void test_input_of_the_serial_port(void **state)
{
	(void)state;
	on_pipes(false);
	input_goes_to(&con.serial, &con.virtio);
	assert_true(serial.readable == 1 && virtio.readable == 0);
}

static void test_input_of_the_virtio_console(void **state)
{
	(void)state;
	on_pipes(true);
	input_goes_to(&con.virtio, &con.serial);
	assert_true(serial.readable == 0 && virtio.readable == 1);
}

/* A reader that sleeps: both ends are refused, both hear of room, and every byte comes, once and in order. */
static void test_a_slow_reader(void **state)
{
	static uint8_t block[1000], got[65536];
	size_t sent = 0, heard = 0, n;
	ssize_t len;

	(void)state;
	on_pipes(true);
	do {
		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = (uint8_t)((sent + i) % 251);
		n = con.virtio.chr.ops->put(&con.virtio.chr, block, sizeof(block));
		sent += n;
	} while (n == sizeof(block));
	assert_true(sent >= CONSOLE_OUT_SIZE);
	assert_int_equal(chardev_rig_put(&con.serial.chr, "x"), 0);
	run_loop();
	assert_true(!serial.writable && !virtio.writable);
	for (int round = 0; heard < sent && round < 1000; round++) {
		while ((len = read(from_us, got, sizeof(got))) > 0) {
			for (ssize_t i = 0; i < len; i++)
				assert_int_equal(got[i], (heard + (size_t)i) % 251);
			heard += (size_t)len;
		}
		run_loop();
	}
	assert_int_equal(heard, sent);
	assert_true(serial.writable == 1 && virtio.writable == 1);
}

/* A terminal that this process has, for it leads a session. */
static void on_terminal(bool virtio_input)
{
	struct winsize size = { .ws_col = 100, .ws_row = 30 };
	int master = posix_openpt(O_RDWR | O_NOCTTY), terminal;

	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	terminal = open(ptsname(master), O_RDWR); /* becomes the controlling one of a session leader */
	assert_true(terminal >= 0);
	assert_int_equal(ioctl(master, TIOCSWINSZ, &size), 0);
	replace(terminal, terminal);
	close(terminal);
	to_us = from_us = master;
	open_console(virtio_input);
}

static void test_size(void **state)
{
	struct winsize size = { .ws_col = 80, .ws_row = 30 };

	(void)state;
	on_terminal(true);
	assert_true(con.virtio.chr.columns == 100 && con.virtio.chr.rows == 30);
	assert_int_equal(ioctl(to_us, TIOCSWINSZ, &size), 0);
	console_resize(&con);
	assert_int_equal(virtio.changed, 1);
	assert_true(con.virtio.chr.columns == 80 && con.virtio.chr.rows == 30);
}

static void test_no_size(void **state)
{
	(void)state;
	on_pipes(true);
	assert_true(con.virtio.chr.columns == 0 && con.virtio.chr.rows == 0);
	console_resize(&con);
	assert_true(con.virtio.chr.columns == 0 && con.virtio.chr.rows == 0);
}

/* --- keys --- */

static void type(const char *keys)
{
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };

	assert_int_equal(write(to_us, keys, strlen(keys)), strlen(keys));
	assert_int_equal(poll(&pfd, 1, 60000), 1); /* a terminal hands it on by a thread of the kernel's */
	run_loop();
}

/* What the guest gets of `keys`. */
static void assert_typed(const char *keys, const char *expected)
{
	char buf[64];
	size_t n;

	type(keys);
	n = get(con.input, buf, sizeof(buf));
	assert_int_equal(n, strlen(expected));
	assert_memory_equal(buf, expected, n);
}

static void test_keys(void **state)
{
	(void)state;
	on_terminal(false);
	assert_true(con.is_terminal);
	assert_typed("ls\r\x03\x1a\x1c", "ls\r\x03\x1a\x1c"); /* raw: none of them is ours */
	assert_typed("a\x01\x01"
		     "b\x01"
		     "ac",
		     "a\x01"
		     "b\x01"
		     "c");
	assert_typed("a\x01zb", "ab"); /* no such key */
	assert_int_equal(quits + serial.broken, 0);
	assert_typed("\x01"
		     "bh",
		     "h");
	assert_true(serial.broken == 1 && virtio.broken == 0);
	assert_typed("a\x01", "a");
	assert_typed("xb", "b");
	assert_int_equal(quits, 1);
}

static void test_another_escape_key(void **state)
{
	(void)state;
	on_terminal(false);
	con.escape_key = console_escape_from_text("^]");
	assert_typed("\x01x\x1d\x1d", "\x01x\x1d");
	assert_int_equal(quits, 0);
	assert_typed("\x1dx", "");
	assert_int_equal(quits, 1);
	con.escape_key = console_escape_from_text("none");
	assert_typed("\x1dx\x01x", "\x1dx\x01x");
	assert_int_equal(quits, 1);
}

static void test_names_of_escape_keys(void **state)
{
	static const char *const bad[] = { "", "a", "^", "^[", "^@", "^1", "^AB", "A^", "None", "^?" };

	(void)state;
	on_pipes(false);
	assert_int_equal(console_escape_from_text("^A"), 1);
	assert_int_equal(console_escape_from_text("^a"), 1);
	assert_int_equal(console_escape_from_text("^Z"), 26);
	assert_int_equal(console_escape_from_text("^_"), 31);
	assert_int_equal(console_escape_from_text("none"), CONSOLE_NO_ESCAPE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(console_escape_from_text(bad[i]), -22);
}

/* A pipe has no escape key: bytes are bytes. */
static void test_no_keys_on_a_pipe(void **state)
{
	(void)state;
	on_pipes(false);
	assert_typed("\x01x\x01h", "\x01x\x01h");
	assert_int_equal(quits, 0);
}

static void test_terminal_given_back(void **state)
{
	struct termios before, raw, after;

	(void)state;
	on_terminal(false);
	assert_int_equal(tcgetattr(STDIN_FILENO, &raw), 0);
	assert_false(raw.c_lflag & (ICANON | ECHO | ISIG));
	console_suspend(&con);
	assert_int_equal(tcgetattr(STDIN_FILENO, &before), 0);
	assert_true(before.c_lflag & ICANON && before.c_lflag & ECHO && before.c_lflag & ISIG);
	console_resume(&con);
	assert_int_equal(tcgetattr(STDIN_FILENO, &after), 0);
	assert_true(raw.c_iflag == after.c_iflag && raw.c_oflag == after.c_oflag);
	assert_true(raw.c_lflag == after.c_lflag && raw.c_cflag == after.c_cflag);
	console_suspend(&con);
}

/* The system call, and the guest goes on. */
ssize_t write(int fd, const void *buf, size_t len)
{
	ssize_t n = syscall(SYS_write, fd, buf, len);

	flood_goes_on(n);
	return n;
}

/* To a file, which takes all that it is given. */
static void test_a_guest_that_goes_on_writing(void **state)
{
	int in[2], out = memfd_create("stdout", MFD_CLOEXEC);

	(void)state;
	assert_true(out >= 0 && !pipe(in));
	replace(in[0], out);
	close(in[0]);
	to_us = in[1];
	from_us = out;
	open_console(false);
	flood_turns(&loop, &con.serial.chr, CONSOLE_OUT_SIZE);
	run_loop();
	assert_int_equal(con.out_head, con.out_tail);
	assert_false(con.out_busy);
}

#define TEST(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_output_of_both),
		TEST(test_input_of_a_program_that_ends),
		TEST(test_input_of_the_serial_port),
		TEST(test_input_of_the_virtio_console),
		TEST(test_a_slow_reader),
		TEST(test_a_guest_that_goes_on_writing),
		TEST(test_size),
		TEST(test_no_size),
		TEST(test_keys),
		TEST(test_another_escape_key),
		TEST(test_names_of_escape_keys),
		TEST(test_no_keys_on_a_pipe),
		TEST(test_terminal_given_back),
	};

	/* To have a terminal takes the leader of a session, which the leader of a group, a shell's job, cannot become. */
	if (setsid() < 0) {
		pid_t pid = fork();
		int status = 1;

		if (pid) {
			waitpid(pid, &status, 0);
			return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		}
		setsid();
	}
	signal(SIGHUP, SIG_IGN); /* comes with the end of each terminal */

	return cmocka_run_group_tests(tests, NULL, NULL);
}
