// SPDX-License-Identifier: BSD-2-Clause
/* Lines over a socket, from clients that are hostile, slow, or gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/line_server.h"
#include "tests/unit/descriptors_rig.h"
#include "tests/unit/loop_turn.h"

#define LONG_ANSWER (1u << 20)

static char dir[64], path[80];
static struct loop loop;
static struct line_server server;
static unsigned int opened, closed, lines, too_long;
static char last[LINE_MAX_LENGTH];
static size_t last_length;
static struct line_client *last_client;
static int handed_over;
static uint8_t rest[LINE_MAX_LENGTH];
static size_t rest_length;

static void on_opened(void *ctx, struct line_client *client)
{
	(void)ctx;
	opened++;
	line_client_send(client, "hello\n", 6);
}

/* Answers with the same line; "hold" is not answered, "long" at length, "take" takes the connection over. */
static void on_line(void *ctx, struct line_client *client, char *line, size_t len)
{
	static char answer[LONG_ANSWER];

	(void)ctx;
	lines++;
	last_client = client;
	last_length = len;
	memcpy(last, line, len);
	if (len == 4 && !memcmp(line, "hold", 4)) {
		line_client_hold(client, true);
	} else if (len == 4 && !memcmp(line, "take", 4)) {
		handed_over = line_client_hand_over(client, rest, &rest_length);
	} else if (len == 4 && !memcmp(line, "long", 4)) {
		memset(answer, 'x', sizeof(answer));
		line_client_send(client, answer, sizeof(answer));
	} else {
		line_client_send(client, line, len);
		line_client_send(client, "\n", 1);
	}
}

static void on_too_long(void *ctx, struct line_client *client)
{
	(void)ctx;
	too_long++;
	line_client_send(client, "too long\n", 9);
}

static void on_closed(void *ctx, struct line_client *client)
{
	(void)ctx;
	(void)client;
	closed++;
}

static const struct line_server_ops ops = {
	.opened = on_opened,
	.line = on_line,
	.too_long = on_too_long,
	.closed = on_closed,
};

static int setup(void **state)
{
	struct err err;

	(void)state;
	strcpy(dir, "/tmp/vireo-lines.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/s", dir);
	opened = closed = lines = too_long = 0;
	handed_over = -2;
	assert_int_equal(loop_init(&loop, &err), 0);
	assert_int_equal(line_server_open(&server, path, &loop, &ops, NULL, &err), 0);
	return 0;
}

static int teardown(void **state)
{
	struct stat st;

	(void)state;
	line_server_close(&server);
	loop_finish(&loop);
	assert_int_equal(stat(path, &st), -1);
	return rmdir(dir);
}

static void say_bytes(int fd, const void *bytes, size_t len)
{
	const char *at = bytes;

	while (len) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			loop_turn(&loop);
			continue;
		}
		at += n;
		len -= (size_t)n;
	}
	loop_turn(&loop);
}

static void say(int fd, const char *text)
{
	say_bytes(fd, text, strlen(text));
}

/* What has come is exactly that. */
static void hear(int fd, const char *text)
{
	char got[256];

	loop_turn(&loop);
	assert_int_equal(recv(fd, got, sizeof(got), 0), strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

static bool is_closed(int fd)
{
	char byte;

	loop_turn(&loop);
	return recv(fd, &byte, 1, 0) == 0;
}

static int client(void)
{
	int fd = unix_connect(path);

	assert_true(fd >= 0);
	hear(fd, "hello\n");
	return fd;
}

/* --- */

static void only_the_owner_may_connect(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & ACCESSPERMS, 0600);
}

static void lines_are_answered_in_order(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "one\ntwo\n\nthree\n");
	hear(fd, "one\ntwo\n\nthree\n");
	assert_int_equal(lines, 4);
	close(fd);
	loop_turn(&loop);
	assert_int_equal(closed, 1);
}

static void a_line_may_come_in_pieces(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "o");
	say(fd, "n");
	assert_int_equal(lines, 0);
	say(fd, "e\ntw");
	hear(fd, "one\n");
	say(fd, "o\n");
	hear(fd, "two\n");
	close(fd);
}

static void any_bytes_are_a_line(void **state)
{
	const char bytes[] = "\0\xff\r\0\n";
	int fd = client();

	(void)state;
	say_bytes(fd, bytes, 5);
	assert_int_equal(lines, 1);
	assert_int_equal(last_length, 4);
	assert_memory_equal(last, bytes, 4);
	close(fd);
}

static void the_longest_line_is_taken(void **state)
{
	static char line[LINE_MAX_LENGTH];
	int fd = client();

	(void)state;
	memset(line, 'a', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	say_bytes(fd, line, sizeof(line));
	assert_int_equal(lines, 1);
	assert_int_equal(last_length, sizeof(line) - 1);
	close(fd);
}

static void a_line_without_end_closes(void **state)
{
	static char line[LINE_MAX_LENGTH];
	int fd = client();

	(void)state;
	memset(line, 'a', sizeof(line));
	say_bytes(fd, line, sizeof(line));
	hear(fd, "too long\n");
	assert_true(is_closed(fd));
	assert_int_equal(too_long, 1);
	assert_int_equal(lines, 0);
	assert_int_equal(closed, 1);
	close(fd);
}

static void thousands_of_lines_at_once_leave_others_their_turn(void **state)
{
	static char many[60000], got[60000];
	int fd = client(), other = client();
	size_t heard = 0;

	(void)state;
	memset(many, '\n', sizeof(many));
	assert_int_equal(send(fd, many, sizeof(many), MSG_NOSIGNAL), sizeof(many));
	assert_int_equal(send(other, "x\n", 2, MSG_NOSIGNAL), 2);
	/* A few turns are enough for the other one, whatever waits before it. */
	for (int i = 0; i < 20; i++)
		loop_turn_once(&loop);
	assert_int_equal(recv(other, got, sizeof(got), 0), 2);
	while (heard < sizeof(many)) {
		ssize_t n;

		loop_turn(&loop);
		n = recv(fd, got, sizeof(got), 0);
		assert_true(n > 0);
		heard += (size_t)n;
	}
	assert_int_equal(lines, sizeof(many) + 1);
	close(fd);
	close(other);
}

static void who_does_not_read_is_not_read(void **state)
{
	int deaf = client(), fd = client();
	unsigned int taken;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(send(deaf, "long\n", 5, MSG_NOSIGNAL), 5);
	loop_turn(&loop);
	taken = lines;
	assert_in_range(taken, 1, 2); /* one answer finds no room, and that is all there is kept */
	say(fd, "x\n");
	hear(fd, "x\n");
	assert_int_equal(lines, taken + 1);
	close(deaf);
	close(fd);
	loop_turn(&loop);
	assert_int_equal(closed, 2);
}

static void what_was_sent_before_it_went_is_dealt_with(void **state)
{
	int fd = unix_connect(path);

	(void)state;
	assert_int_equal(send(fd, "one\ntwo\nthr", 11, MSG_NOSIGNAL), 11);
	close(fd);
	loop_turn(&loop);
	assert_int_equal(lines, 2);
	assert_int_equal(closed, 1);
}

static void who_shuts_its_side_is_still_answered(void **state)
{
	int fd = client();

	(void)state;
	assert_int_equal(send(fd, "one\n", 4, MSG_NOSIGNAL), 4);
	shutdown(fd, SHUT_WR);
	hear(fd, "one\n");
	assert_true(is_closed(fd));
	close(fd);
}

static void a_held_client_waits(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "hold\none\n");
	assert_int_equal(lines, 1);
	line_client_send(last_client, "later\n", 6);
	line_client_hold(last_client, false);
	hear(fd, "later\none\n");
	close(fd);
}

static void a_held_client_may_go(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "hold\n");
	close(fd);
	loop_turn(&loop);
	assert_int_equal(closed, 1);
}

static void more_clients_wait_for_a_place(void **state)
{
	int fd[LINE_CLIENTS], more;

	(void)state;
	for (unsigned int i = 0; i < LINE_CLIENTS; i++)
		fd[i] = client();
	more = unix_connect(path);
	assert_true(more >= 0);
	say(more, "one\n");
	assert_int_equal(opened, LINE_CLIENTS);
	close(fd[3]);
	hear(more, "hello\none\n");
	for (unsigned int i = 0; i < LINE_CLIENTS; i++)
		if (i != 3)
			close(fd[i]);
	close(more);
	loop_turn(&loop);
	assert_int_equal(closed, LINE_CLIENTS + 1);
}

static void turn(void)
{
	loop_turn(&loop);
}

static void clients_wait_for_a_descriptor(void **state)
{
	int fd = unix_connect(path);

	(void)state;
	assert_true(fd >= 0);
	files_run_out(fd, &loop, turn);
	hear(fd, "hello\n");
	say(fd, "one\n");
	hear(fd, "one\n");
	close(fd);
}

static void a_connection_may_be_taken_over(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "take\nraw");
	assert_true(handed_over >= 0);
	assert_int_equal(rest_length, 3);
	assert_memory_equal(rest, "raw", 3);
	assert_int_equal(closed, 0);
	assert_int_equal(send(handed_over, "mine", 4, MSG_NOSIGNAL), 4);
	hear(fd, "mine");
	say(fd, "x\n"); /* the server does not listen to it any more */
	assert_int_equal(lines, 1);
	close(handed_over);
	close(fd);
}

static void closing_says_what_was_to_be_said(void **state)
{
	struct err err;
	int fd = client();

	(void)state;
	say(fd, "hold\n");
	line_client_send(last_client, "bye\n", 4);
	line_server_close(&server);
	hear(fd, "bye\n");
	assert_true(is_closed(fd));
	close(fd);
	assert_int_equal(line_server_open(&server, path, &loop, &ops, NULL, &err), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(only_the_owner_may_connect),
		TEST(lines_are_answered_in_order),
		TEST(a_line_may_come_in_pieces),
		TEST(any_bytes_are_a_line),
		TEST(the_longest_line_is_taken),
		TEST(a_line_without_end_closes),
		TEST(thousands_of_lines_at_once_leave_others_their_turn),
		TEST(who_does_not_read_is_not_read),
		TEST(what_was_sent_before_it_went_is_dealt_with),
		TEST(who_shuts_its_side_is_still_answered),
		TEST(a_held_client_waits),
		TEST(a_held_client_may_go),
		TEST(more_clients_wait_for_a_place),
		TEST(clients_wait_for_a_descriptor),
		TEST(a_connection_may_be_taken_over),
		TEST(closing_says_what_was_to_be_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
