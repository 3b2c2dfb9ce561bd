// SPDX-License-Identifier: BSD-2-Clause
/* Consoles that are watched: what devices put comes out in the loop, in order; what is typed comes in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "host/console_watch.h"
#include "tests/unit/chardev_rig.h"

static struct loop loop;
static struct console_watch *watch;
static char got[WATCH_SOURCES][1 << 18];
static size_t got_len[WATCH_SOURCES];
static unsigned int pauses;
static struct chardev_rig told;

static void on_output(void *ctx, enum watch_source source, const uint8_t *bytes, size_t len)
{
	assert_ptr_equal(ctx, &loop);
	assert_true(got_len[source] + len <= sizeof(got[source]));
	memcpy(got[source] + got_len[source], bytes, len);
	got_len[source] += len;
}

static void on_pause(void *ctx)
{
	assert_ptr_equal(ctx, &loop);
	pauses++;
	loop_stop(&loop);
}

static int setup(void **state)
{
	struct err err;

	(void)state;
	memset(got_len, 0, sizeof(got_len));
	pauses = 0;
	watch = malloc(sizeof(*watch));
	assert_non_null(watch);
	assert_int_equal(loop_init(&loop, &err), 0);
	assert_int_equal(console_watch_init(watch, &loop, on_output, on_pause, &loop, &err), 0);
	for (int i = 0; i < WATCH_SOURCES; i++)
		chardev_rig_plug(&told, &watch->end[i].chr);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	console_watch_finish(watch);
	free(watch);
	loop_finish(&loop);
	return 0;
}

static size_t put(enum watch_source source, const void *bytes, size_t len)
{
	struct chardev *chr = &watch->end[source].chr;

	return chr->ops->put(chr, bytes, len);
}

static size_t get(enum watch_source source, void *bytes, size_t len)
{
	struct chardev *chr = &watch->end[source].chr;

	return chr->ops->get(chr, bytes, len);
}

static void run_to_pause(void)
{
	struct err err;

	assert_int_equal(loop_run(&loop, &err), 0);
}

static void test_output(void **state)
{
	(void)state;
	for (int round = 0; round < 2; round++) {
		got_len[WATCH_SERIAL] = got_len[WATCH_HVC] = 0;
		for (const char *c = "login: "; *c; c++)
			assert_int_equal(put(WATCH_SERIAL, c, 1), 1);
		assert_int_equal(put(WATCH_HVC, "hello\n", 6), 6);
		run_to_pause();
		assert_int_equal(pauses, round + 1);
		assert_int_equal(got_len[WATCH_SERIAL], 7);
		assert_memory_equal(got[WATCH_SERIAL], "login: ", 7);
		assert_int_equal(got_len[WATCH_HVC], 6);
	}
}

static void test_full_ring_is_back_pressure(void **state)
{
	static uint8_t much[WATCH_SIZE + 100];
	size_t taken;

	(void)state;
	for (size_t i = 0; i < sizeof(much); i++)
		much[i] = (uint8_t)(i * 7);
	taken = put(WATCH_SERIAL, much, sizeof(much));
	assert_int_equal(taken, WATCH_SIZE);
	assert_int_equal(put(WATCH_SERIAL, much, 1), 0);
	run_to_pause();
	assert_int_equal(told.writable, 1);
	assert_int_equal(put(WATCH_SERIAL, much + taken, sizeof(much) - taken), sizeof(much) - taken);
	run_to_pause();
	assert_int_equal(got_len[WATCH_SERIAL], sizeof(much));
	assert_memory_equal(got[WATCH_SERIAL], much, sizeof(much));
}

static void test_what_is_left_at_the_end(void **state)
{
	(void)state;
	put(WATCH_SERIAL, "bye", 3);
	console_watch_finish(watch);
	assert_int_equal(got_len[WATCH_SERIAL], 3);
	assert_int_equal(pauses, 0);
	free(watch);
	loop_finish(&loop);
	setup(NULL); /* for the teardown */
}

static void test_typing(void **state)
{
	char buf[16];

	(void)state;
	assert_int_equal(get(WATCH_SERIAL, buf, sizeof(buf)), 0);
	assert_int_equal(console_watch_type(watch, WATCH_SERIAL, "root\n", 5), 0);
	assert_int_equal(told.readable, 1);
	assert_int_equal(get(WATCH_HVC, buf, sizeof(buf)), 0);
	assert_int_equal(get(WATCH_SERIAL, buf, 2), 2);
	assert_memory_equal(buf, "ro", 2);
	assert_int_equal(console_watch_type(watch, WATCH_SERIAL, "id", 2), 0);
	assert_int_equal(get(WATCH_SERIAL, buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "ot\nid", 5);
	assert_int_equal(get(WATCH_SERIAL, buf, sizeof(buf)), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_output),
		TEST(test_full_ring_is_back_pressure),
		TEST(test_what_is_left_at_the_end),
		TEST(test_typing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
