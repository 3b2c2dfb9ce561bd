// SPDX-License-Identifier: BSD-2-Clause
/* A console that others watch and type on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/console_tee.h"
#include "tests/unit/chardev_rig.h"
#include "tests/unit/flood_rig.h"
#include "tests/unit/loop_turn.h"

static struct loop loop;
static struct console_tee con;

/* What is behind it. */
static char shown[64];
static size_t nr_shown, room;
static const char *input;

static size_t inner_put(struct chardev *chr, const uint8_t *buf, size_t len)
{
	size_t n = len < room ? len : room;

	(void)chr;
	memcpy(shown + nr_shown, buf, n);
	nr_shown += n;
	room -= n;
	return n;
}

static size_t inner_get(struct chardev *chr, uint8_t *buf, size_t len)
{
	size_t n = strnlen(input, len);

	(void)chr;
	memcpy(buf, input, n);
	input += n;
	return n;
}

static const struct chardev_ops inner_ops = { .put = inner_put, .get = inner_get };
static struct chardev inner;

static struct chardev_rig model;

static int setup(void **state)
{
	struct err err;

	(void)state;
	nr_shown = 0;
	room = sizeof(shown);
	input = "";
	inner = (struct chardev){ .ops = &inner_ops, .connected = true, .columns = 80, .rows = 24 };
	assert_int_equal(loop_init(&loop, &err), 0);
	assert_int_equal(console_tee_init(&con, &inner, &loop, &err), 0);
	chardev_rig_plug(&model, &con.chr);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	console_tee_finish(&con);
	assert_null(inner.readable);
	loop_finish(&loop);
	return 0;
}

static int attach_with(const char *typed)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_int_equal(console_tee_attach(&con, fd[1], (const uint8_t *)typed, strlen(typed)), 0);
	return fd[0];
}

static int attach(void)
{
	return attach_with("");
}

static void model_gets(const char *text)
{
	loop_turn(&loop);
	chardev_rig_gets(&con.chr, text);
}

static void hear(int fd, const char *text)
{
	char got[256];

	loop_turn(&loop);
	assert_int_equal(recv(fd, got, sizeof(got), 0), strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

/* --- */

static void without_clients_all_passes(void **state)
{
	(void)state;
	assert_true(con.chr.connected);
	assert_int_equal(con.chr.columns, 80);
	assert_int_equal(chardev_rig_put(&con.chr, "hello"), 5);
	assert_int_equal(nr_shown, 5);
	input = "typed";
	inner.readable(inner.ctx);
	assert_int_equal(model.readable, 1);
	model_gets("typed");
	inner.writable(inner.ctx);
	assert_int_equal(model.writable, 1);
	inner.broken(inner.ctx);
	assert_int_equal(model.broken, 1);
	inner.columns = 132;
	inner.changed(inner.ctx);
	assert_int_equal(model.changed, 1);
	assert_int_equal(con.chr.columns, 132);
}

static void clients_hear_what_is_taken(void **state)
{
	int a = attach(), b = attach();

	(void)state;
	room = 3;
	assert_int_equal(chardev_rig_put(&con.chr, "hello"), 3);
	hear(a, "hel");
	hear(b, "hel");
	close(a);
	loop_turn(&loop);
	room = 2;
	assert_int_equal(chardev_rig_put(&con.chr, "lo"), 2);
	hear(b, "lo");
	close(b);
}

static void clients_type(void **state)
{
	int a = attach_with("first,"), b = attach();

	(void)state;
	assert_int_equal(send(b, "second", 6, MSG_NOSIGNAL), 6);
	input = "own";
	model_gets("first,secondown");
	assert_true(model.readable > 0);
	close(a);
	close(b);
}

static void what_is_typed_last_is_typed(void **state)
{
	int a = attach();

	(void)state;
	assert_int_equal(send(a, "poweroff", 8, MSG_NOSIGNAL), 8);
	close(a);
	model_gets("poweroff");
}

static void more_than_fits_is_typed_in_order(void **state)
{
	static uint8_t typed[20 * TEE_IN_SIZE], got[sizeof(typed)];
	size_t sent = 0, taken = 0;
	int a = attach();

	(void)state;
	for (size_t i = 0; i < sizeof(typed); i++)
		typed[i] = (uint8_t)(i * 7 + i / 256);
	while (taken < sizeof(typed)) {
		ssize_t n = send(a, typed + sent, sizeof(typed) - sent, MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		loop_turn(&loop);
		taken += con.chr.ops->get(&con.chr, got + taken, 100);
	}
	assert_memory_equal(got, typed, sizeof(typed));
	close(a);
}

static void who_does_not_read_is_closed_and_others_are_not(void **state)
{
	static uint8_t much[4096];
	int slow = attach(), fast = attach();
	char got[8192];

	(void)state;
	inner.ops = NULL; /* not used any more */
	con.inner = NULL; /* as with --console null */
	for (size_t sent = 0; sent < 4 * TEE_OUT_SIZE; sent += sizeof(much)) {
		assert_int_equal(con.chr.ops->put(&con.chr, much, sizeof(much)), sizeof(much));
		loop_turn(&loop);
		assert_int_equal(recv(fast, got, sizeof(got), 0), sizeof(much));
	}
	assert_int_equal(con.nr_clients, 1);
	while (recv(slow, got, sizeof(got), 0) > 0)
		;
	assert_int_equal(recv(slow, got, sizeof(got), 0), 0);
	close(slow);
	close(fast);
	con.inner = &inner;
}

static void there_are_so_many_clients_at_most(void **state)
{
	int fd[TEE_CLIENTS];

	(void)state;
	for (unsigned int i = 0; i < TEE_CLIENTS; i++) {
		assert_false(console_tee_is_full(&con));
		fd[i] = attach();
	}
	assert_true(console_tee_is_full(&con));
	assert_int_equal(console_tee_attach(&con, 0, NULL, 0), -EUSERS);
	close(fd[0]);
	loop_turn(&loop);
	assert_false(console_tee_is_full(&con));
	for (unsigned int i = 1; i < TEE_CLIENTS; i++)
		close(fd[i]);
}

static void who_has_no_more_to_type_still_hears(void **state)
{
	int a = attach();

	(void)state;
	shutdown(a, SHUT_WR);
	chardev_rig_put(&con.chr, "one");
	hear(a, "one");
	chardev_rig_put(&con.chr, "two");
	hear(a, "two");
	close(a);
	loop_turn(&loop);
	assert_int_equal(con.nr_clients, 0);
}

static void a_break_comes_before_its_key(void **state)
{
	uint8_t byte;

	(void)state;
	input = "x";
	assert_true(console_tee_break(&con, 't'));
	assert_int_equal(model.broken, 1);
	assert_int_equal(con.chr.ops->get(&con.chr, &byte, 1), 1);
	assert_int_equal(byte, 't'); /* not what waited before */
	con.chr.broken = NULL;
	assert_false(console_tee_break(&con, 't'));
}

static void without_a_model_nothing_is_called(void **state)
{
	int a = attach();

	(void)state;
	con.chr.readable = con.chr.writable = con.chr.changed = con.chr.broken = NULL;
	inner.readable(inner.ctx);
	inner.writable(inner.ctx);
	inner.changed(inner.ctx);
	inner.broken(inner.ctx);
	assert_int_equal(send(a, "early", 5, MSG_NOSIGNAL), 5);
	loop_turn(&loop);
	chardev_rig_plug(&model, &con.chr);
	model_gets("early");
	close(a);
}

static int reader;

/* The system call; the client reads it at once, and the guest goes on. */
ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	ssize_t n = sendto(fd, buf, len, flags, NULL, 0);
	uint8_t read_by_the_client[4096];

	if (flood.left)
		recv(reader, read_by_the_client, sizeof(read_by_the_client), 0);
	flood_goes_on(n);
	return n;
}

static void a_guest_that_goes_on_writing(void **state)
{
	(void)state;
	reader = attach();
	con.inner = NULL;
	flood_turns(&loop, &con.chr, TEE_OUT_SIZE);
	con.inner = &inner;
	close(reader);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(without_clients_all_passes),
		TEST(clients_hear_what_is_taken),
		TEST(clients_type),
		TEST(what_is_typed_last_is_typed),
		TEST(more_than_fits_is_typed_in_order),
		TEST(who_does_not_read_is_closed_and_others_are_not),
		TEST(there_are_so_many_clients_at_most),
		TEST(who_has_no_more_to_type_still_hears),
		TEST(a_guest_that_goes_on_writing),
		TEST(a_break_comes_before_its_key),
		TEST(without_a_model_nothing_is_called),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
