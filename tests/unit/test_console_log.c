// SPDX-License-Identifier: BSD-2-Clause
/* What a guest says, cut into lines that may be shown anywhere, and the file they are logged to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "host/console_log.h"
#include "host/lines.h"
#include "tests/unit/fake.h"

static struct lines lines;
static char got[65536]; /* the lines, each with a newline, or with "+\n" if it was cut */
static uint64_t begun[64];
static unsigned int nr_lines;

static void on_line(void *ctx, const char *text, size_t len, uint64_t when, bool cut)
{
	assert_ptr_equal(ctx, got);
	assert_int_equal(strlen(text), len);
	assert_true(len <= LINE_MAX_BYTES);
	strcat(got, text);
	strcat(got, cut ? "+\n" : "\n");
	begun[nr_lines++ % 64] = when;
}

static int setup(void **state)
{
	(void)state;
	got[0] = '\0';
	nr_lines = 0;
	lines_init(&lines, on_line, got);
	return 0;
}

static void put(const void *bytes, size_t len, uint64_t now)
{
	lines_put(&lines, bytes, len, now);
}

#define PUT(text, now) put(text, sizeof(text) - 1, now)

/* The same whether the bytes come at once or one by one. */
static void expect_lines(const char *bytes, size_t len, const char *want)
{
	for (int one_by_one = 0; one_by_one < 2; one_by_one++) {
		setup(NULL);
		for (size_t i = 0; one_by_one && i < len; i++)
			put(bytes + i, 1, i);
		if (!one_by_one)
			put(bytes, len, 0);
		lines_end(&lines);
		assert_string_equal(got, want);
	}
}

#define EXPECT(bytes, want) expect_lines(bytes, sizeof(bytes) - 1, want)

static void test_line_ends(void **state)
{
	(void)state;
	EXPECT("", "");
	EXPECT("a\nb\n", "a\nb\n");
	EXPECT("a\r\nb\r\r\n", "a\nb\n");
	EXPECT("\n\r\n", "\n\n");
	EXPECT("no end", "no end\n");
	EXPECT("10%\r20%\rdone\n", "10%\n20%\ndone\n");
	EXPECT("\rafter\n", "after\n");
}

static void test_terminal_controls_are_left_out(void **state)
{
	(void)state;
	EXPECT("[\x1b[0;1;32m  OK  \x1b[0m] Started\n", "[  OK  ] Started\n");
	EXPECT("\x1b]0;a title\x07text\n", "text\n");
	EXPECT("\x1b]0;a title\x1b\\text\n", "text\n");
	EXPECT("\x1b(Btext\x1b=\n", "text\n");
	EXPECT("10%\r\x1b[K20%\n", "10%\n20%\n");
	/* One that does not end takes no line with it. */
	EXPECT("a\x1b[12\nb\n", "a\nb\n");
	EXPECT("a\x1b]title\nb\n", "a\nb\n");
}

/* A string without an end hides so many bytes, not all that follow. */
static void test_endless_control_string(void **state)
{
	char bytes[1000];

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes, "\x1b]", 2);
	put(bytes, sizeof(bytes), 0);
	lines_end(&lines);
	assert_true(strlen(got) > 700);
}

static void test_bytes_that_are_no_text(void **state)
{
	(void)state;
	EXPECT("a\tb\n", "a\tb\n");
	EXPECT("nul \0 bell \a del \x7f\n", "nul \\x00 bell \\x07 del \\x7f\n");
	EXPECT("\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa6\n", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa6\n");
	EXPECT("\xff\xfe\n", "\\xff\\xfe\n");
	EXPECT("\xc3\n", "\\xc3\n");
	EXPECT("\xe2\x82x\n", "\\xe2\\x82x\n");
	EXPECT("\xc0\x80\n", "\\xc0\\x80\n");                   /* not the shortest form */
	EXPECT("\xed\xa0\x80\n", "\\xed\\xa0\\x80\n");          /* a surrogate */
	EXPECT("\xf4\x90\x80\x80\n", "\\xf4\\x90\\x80\\x80\n"); /* beyond U+10FFFF */
	EXPECT("\xc2\x9b"
	       "1m\n",
	       "\\xc2\\x9b"
	       "1m\n");                                /* the control character CSI */
	EXPECT("\xef\xbf\xbf\n", "\\xef\\xbf\\xbf\n"); /* no character */
	EXPECT("\xe2\x82", "\\xe2\\x82\n");
}

static void test_long_lines_are_cut(void **state)
{
	static char bytes[2 * LINE_MAX_BYTES + 10];

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	bytes[sizeof(bytes) - 1] = '\n';
	put(bytes, sizeof(bytes), 5);
	assert_int_equal(nr_lines, 3);
	assert_int_equal(strlen(got), sizeof(bytes) + 4);
	assert_string_equal(got + strlen(got) - 11, "\nxxxxxxxxx\n");
}

static void test_when_a_line_began(void **state)
{
	(void)state;
	PUT("fir", 10);
	PUT("st\n", 20);
	PUT("second\nthi", 30);
	PUT("rd\n", 40);
	PUT("\n", 50);
	assert_int_equal(nr_lines, 4);
	assert_int_equal(begun[0], 10);
	assert_int_equal(begun[1], 30);
	assert_int_equal(begun[2], 30);
	assert_int_equal(begun[3], 50);
}

/* --- the log --- */

static void test_log(void **state)
{
	char name[] = "/tmp/vireo-log.XXXXXX", text[1024];
	int fd = mkstemp(name);
	struct console_log *log;
	struct fake_clock clock;
	struct err err;
	ssize_t n;

	(void)state;
	fake_clock_init(&clock);
	clock.realtime = 1700000000LL * 1000000000LL; /* 2023-11-14 22:13:20 */
	assert_int_equal(console_log_open(&log, fd, name, &clock.clock, &err), 0);
	fake_clock_step(&clock, 1500000000);
	console_log_put(log, "ttyS0", (const uint8_t *)"one", 3);
	fake_clock_step(&clock, 1000000000);
	console_log_put(log, "hvc0", (const uint8_t *)"two\r\n", 5);
	console_log_put(log, "ttyS0", (const uint8_t *)" line\r\nprompt: ", 15);
	assert_int_equal(console_log_close(log, &err), 0);
	n = pread(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "2023-11-14T22:13:22.500Z [    2.500000] hvc0: two\n"
				  "2023-11-14T22:13:21.500Z [    1.500000] ttyS0: one line\n"
				  "2023-11-14T22:13:22.500Z [    2.500000] ttyS0: prompt: \n");
	close(fd);
	unlink(name);
}

static void test_log_that_cannot_be_written(void **state)
{
	int fd = open("/dev/full", O_WRONLY);
	struct console_log *log;
	struct fake_clock clock;
	struct err err;

	(void)state;
	fake_clock_init(&clock);
	log_set_level(LOG_ERROR);
	assert_int_equal(console_log_open(&log, fd, "/dev/full", &clock.clock, &err), 0);
	console_log_put(log, "ttyS0", (const uint8_t *)"one\ntwo\n", 8);
	console_log_put(log, "ttyS0", (const uint8_t *)"three\n", 6);
	assert_int_equal(console_log_close(log, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "/dev/full"));
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_line_ends, setup),
		cmocka_unit_test_setup(test_terminal_controls_are_left_out, setup),
		cmocka_unit_test_setup(test_endless_control_string, setup),
		cmocka_unit_test_setup(test_bytes_that_are_no_text, setup),
		cmocka_unit_test_setup(test_long_lines_are_cut, setup),
		cmocka_unit_test_setup(test_when_a_line_began, setup),
		cmocka_unit_test(test_log),
		cmocka_unit_test(test_log_that_cannot_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
