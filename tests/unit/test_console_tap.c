// SPDX-License-Identifier: BSD-2-Clause
/* The tap between a device and a console: what goes through, and what is heard of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host/console_tap.h"
#include "tests/unit/chardev_rig.h"
#include "tests/unit/fake.h"
#include "tests/unit/loop_rig.h"
#include "tests/unit/loop_turn.h"

static struct loop loop;
static struct fake_chardev real;
static struct console_tap tap;
static char heard[2 * TAP_SIZE];
static size_t heard_len;
static struct chardev_rig told;
static size_t flood_left,
	flood_heard; /* bytes that the guest writes while it is listened to, as many at a time as were heard */

static void on_heard(void *ctx, const char *name, const uint8_t *bytes, size_t len)
{
	assert_ptr_equal(ctx, heard);
	assert_string_equal(name, "ttyS0");
	if (flood_left) {
		flood_heard += len;
		flood_left -= len < flood_left ? len : flood_left;
		assert_int_equal(tap.chr.ops->put(&tap.chr, bytes, len), len);
		return;
	}
	assert_true(len <= sizeof(heard) - heard_len);
	memcpy(heard + heard_len, bytes, len);
	heard_len += len;
}

static int setup(void **state)
{
	struct err err;

	(void)state;
	heard_len = flood_left = flood_heard = 0;
	fake_chardev_init(&real);
	assert_int_equal(loop_init(&loop, &err), 0);
	assert_int_equal(console_tap_init(&tap, &real.chr, "ttyS0", &loop, on_heard, heard, &err), 0);
	chardev_rig_plug(&told, &tap.chr);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	console_tap_finish(&tap);
	assert_null(real.chr.readable);
	assert_null(real.chr.ctx);
	loop_finish(&loop);
	return 0;
}

static void run_loop(void)
{
	loop_rig_settle(&loop);
}

static void all_passes_through(void **state)
{
	(void)state;
	assert_true(tap.chr.connected);
	assert_int_equal(chardev_rig_put(&tap.chr, "hello"), 5);
	assert_int_equal(real.out_len, 5);
	assert_int_equal(heard_len, 0); /* not on the device's thread */
	run_loop();
	assert_int_equal(heard_len, 5);
	assert_memory_equal(heard, "hello", 5);
	fake_chardev_type(&real, "typed");
	assert_int_equal(told.readable, 1);
	chardev_rig_gets(&tap.chr, "typed");
	real.chr.columns = 100;
	real.chr.rows = 30;
	real.chr.changed(real.chr.ctx);
	assert_int_equal(told.changed, 1);
	assert_true(tap.chr.columns == 100 && tap.chr.rows == 30);
	real.chr.broken(real.chr.ctx);
	assert_int_equal(told.broken, 1);
}

/* What the console refuses is heard when it is taken, not before. */
static void what_is_refused_is_not_heard(void **state)
{
	(void)state;
	real.room = 3;
	assert_int_equal(chardev_rig_put(&tap.chr, "hello"), 3);
	run_loop();
	assert_int_equal(heard_len, 3);
	fake_chardev_make_room(&real, 10);
	assert_int_equal(told.writable, 1);
	assert_int_equal(chardev_rig_put(&tap.chr, "lo"), 2);
	run_loop();
	assert_int_equal(heard_len, 5);
	assert_memory_equal(heard, "hello", 5);
}

/* The guest waits for the listener, and is told of room; the rest is heard at the end. */
static void a_full_tap(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < TAP_SIZE / 4; i++)
		assert_int_equal(chardev_rig_put(&tap.chr, "abcd"), 4);
	assert_int_equal(chardev_rig_put(&tap.chr, "x"), 0);
	assert_int_equal(told.writable, 0);
	run_loop();
	assert_int_equal(told.writable, 1);
	assert_int_equal(heard_len, TAP_SIZE);
	assert_int_equal(chardev_rig_put(&tap.chr, "last"), 4);
	console_tap_finish(&tap);
	assert_int_equal(heard_len, TAP_SIZE + 4);
	assert_memory_equal(heard + TAP_SIZE, "last", 4);
	assert_int_equal(
		console_tap_init(&tap, &real.chr, "ttyS0", &loop, on_heard, heard, &(struct err){ 0 }), 0);
}

/* It is not listened to for ever while the loop has other things to do. */
static void a_guest_that_goes_on_writing(void **state)
{
	char text[4096 + 1];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	flood_left = 100UL * TAP_SIZE;
	real.room = SIZE_MAX;
	assert_int_equal(chardev_rig_put(&tap.chr, text), sizeof(text) - 1);
	assert_true(loop_turn_once(&loop));
	assert_int_equal(flood_heard, TAP_SIZE);
	assert_true(loop_turn_once(&loop));
	assert_int_equal(flood_heard, 2 * TAP_SIZE);
	loop_turn(&loop);
	assert_int_equal(flood_left, 0);
	assert_int_equal(heard_len, sizeof(text) - 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_passes_through),
		TEST(what_is_refused_is_not_heard),
		TEST(a_full_tap),
		TEST(a_guest_that_goes_on_writing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
