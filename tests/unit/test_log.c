// SPDX-License-Identifier: BSD-2-Clause
/* Log lines: levels by area, JSON, and what they look like on a terminal and in the journal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define LOG_AREA AREA_NET
#include "kvm/log.h"

static int saved, reader; /* where stderr was; where what is written to it comes out */

static void replace_stderr(int fd)
{
	saved = dup(STDERR_FILENO);
	assert_true(saved >= 0 && dup2(fd, STDERR_FILENO) >= 0);
	close(fd);
	log_look_at_stderr();
}

static void on_pipe(void)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	reader = ends[0];
	replace_stderr(ends[1]);
}

static void on_terminal(void)
{
	struct termios raw;
	int terminal;

	reader = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_true(reader >= 0 && !grantpt(reader) && !unlockpt(reader));
	terminal = open(ptsname(reader), O_RDWR | O_NOCTTY);
	assert_true(terminal >= 0);
	assert_int_equal(tcgetattr(terminal, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(terminal, TCSANOW, &raw), 0);
	replace_stderr(terminal);
}

static int setup(void **state)
{
	(void)state;
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	unsetenv("JOURNAL_STREAM");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(reader);
	log_set_level(LOG_WARN);
	log_set_format(LOG_TEXT);
	log_set_raw_terminal(false);
	log_forget();
	setup(state);
	log_look_at_stderr();
	return 0;
}

/* All of it: a terminal hands on each write by a thread of the kernel's; only a read that finds nothing waits for that. */
static const char *written(void)
{
	static char text[16384];
	size_t len = 0;
	ssize_t n;

	while ((n = read(reader, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return text;
}

static void a_plain_line(void **state)
{
	(void)state;
	on_pipe();
	log_warn("net %s: the %s", "net0", "link is down");
	assert_string_equal(written(), "vireo: warn: net net0: the link is down\n");
	log_info("not asked for");
	assert_string_equal(written(), "");
	log_always("ttyS0 is at %s", "/dev/pts/7");
	assert_string_equal(written(), "vireo: info: ttyS0 is at /dev/pts/7\n");
	log_show_status("nobody sees this");
	assert_string_equal(written(), "");
}

/* Each of the areas has its own level, the others the first one. */
static void levels_by_area(void **state)
{
	struct log_levels levels;

	(void)state;
	on_pipe();
	assert_int_equal(log_levels_parse(&levels, "error,net=info,irq=debug"), 0);
	log_set_levels(&levels);
	log_info("a");
	log_debug("b");
	log_line(AREA_IRQ, LOG_DEBUG, "c");
	log_line(AREA_VMM, LOG_WARN, "d");
	log_line(AREA_VMM, LOG_ERROR, "e");
	assert_string_equal(written(), "vireo: info: a\nvireo: debug: c\nvireo: error: e\n");
	assert_int_equal(log_levels_parse(&levels, "boot=debug"), 0);
	assert_int_equal(levels.of[AREA_BOOT], LOG_DEBUG);
	assert_int_equal(levels.of[AREA_DISK], LOG_WARN);
}

static void levels_that_are_none(void **state)
{
	static const char *const bad[] = { "",
					   "loud",
					   "warn,",
					   "net=",
					   "=warn",
					   "net=warn,info",
					   "Net=warn",
					   "nets=warn",
					   "warn net=info",
					   "net=warn,net=info" };
	static const char *const areas[] = { "boot", "console", "device", "disk", "irq",
					     "kvm",  "net",     "virtio", "vmm" };
	struct log_levels levels;

	(void)state;
	on_pipe();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(log_levels_parse(&levels, bad[i]), -22);
		assert_false(log_levels_ok(bad[i]));
	}
	/* What is allowed, as the user is told, is. */
	for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
		char text[32];

		assert_non_null(strstr(LOG_LEVELS_ALLOWED, areas[i]));
		snprintf(text, sizeof(text), "%s=debug", areas[i]);
		assert_int_equal(log_levels_parse(&levels, text), 0);
	}
}

/* The line behind its time, which is 2026-11-21T12:34:56.123456Z. */
static const char *json_line(void)
{
	const char *line = written(), *at = line + strlen("{\"time\":\"");
	unsigned int year, month, day, hour, minute, second, micro;
	int len = 0;

	assert_int_equal(sscanf(at, "%4u-%2u-%2uT%2u:%2u:%2u.%6uZ%n", &year, &month, &day, &hour, &minute,
				&second, &micro, &len),
			 7);
	assert_int_equal(len, 27);
	return at + len;
}

static void json(void **state)
{
	(void)state;
	on_pipe();
	log_set_format(LOG_JSON);
	log_warn("%s", "plain");
	assert_string_equal(json_line(), "\",\"level\":\"warn\",\"area\":\"net\",\"message\":\"plain\"}\n");
	log_error("a \"b\" \\ c\n\td\x01\x7f");
	assert_string_equal(json_line(), "\",\"level\":\"error\",\"area\":\"net\",\"message\":"
					 "\"a \\\"b\\\" \\\\ c\\u000a\\u0009d\\u0001\\u007f\"}\n");
	/* UTF-8 stays; what is none of it, or too long for what it means, or a surrogate, does not. */
	log_error("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\xa6 \xff \xc0\x80 \xed\xa0\x80 \xe2\x82");
	assert_string_equal(json_line(), "\",\"level\":\"error\",\"area\":\"net\",\"message\":"
					 "\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\xa6 \\ufffd \\ufffd\\ufffd "
					 "\\ufffd\\ufffd\\ufffd \\ufffd\\ufffd\"}\n");
}

/* However long a text is, it is one line, and JSON to its end. */
static void a_long_line_is_cut(void **state)
{
	static char text[5000];
	const char *line;

	(void)state;
	on_pipe();
	memset(text, 1, sizeof(text) - 1);
	log_warn("%s", text);
	line = written();
	assert_in_range(strlen(line), 900, 1100);
	assert_int_equal(line[strlen(line) - 1], '\n');
	log_set_format(LOG_JSON);
	log_warn("%s", text);
	line = json_line();
	assert_string_equal(line + strlen(line) - 9, "\\u0001\"}\n");
}

static void colours_on_a_terminal(void **state)
{
	(void)state;
	on_terminal();
	log_error("x");
	assert_string_equal(written(), "vireo: \033[1;31merror:\033[0m x\n");
	log_set_raw_terminal(true);
	log_warn("y");
	assert_string_equal(written(), "vireo: \033[33mwarn:\033[0m y\r\n");
}

static void no_colours(const char *name, const char *value)
{
	setenv(name, value, 1);
	on_terminal();
	log_error("x");
	assert_string_equal(written(), "vireo: error: x\n");
}

static void no_colours_with_no_color(void **state)
{
	(void)state;
	no_colours("NO_COLOR", "1");
}

static void no_colours_on_a_dumb_terminal(void **state)
{
	(void)state;
	no_colours("TERM", "dumb");
	log_show_status("it could not be erased");
	assert_string_equal(written(), "");
}

/* no-color.org: "when present and not an empty string". */
static void an_empty_no_color_is_none(void **state)
{
	(void)state;
	setenv("NO_COLOR", "", 1);
	on_terminal();
	log_error("x");
	assert_string_equal(written(), "vireo: \033[1;31merror:\033[0m x\n");
}

static void a_status_line_goes_when_a_line_comes(void **state)
{
	(void)state;
	setenv("NO_COLOR", "1", 1);
	on_terminal();
	log_show_status("loading");
	assert_string_equal(written(), "\r\033[Kloading");
	log_show_status("loaded");
	assert_string_equal(written(), "\r\033[Kloaded");
	log_warn("x");
	assert_string_equal(written(), "\r\033[Kvireo: warn: x\n");
	log_warn("y");
	assert_string_equal(written(), "vireo: warn: y\n");
	log_show_status("waiting");
	log_show_status(NULL);
	assert_string_equal(written(), "\r\033[Kwaiting\r\033[K");
	log_show_status(NULL);
	assert_string_equal(written(), "");
}

static void set_journal_stream(int inode_off)
{
	char stream[64];
	struct stat st;

	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino + inode_off);
	setenv("JOURNAL_STREAM", stream, 1);
	log_look_at_stderr();
}

/* sd-daemon(3): SD_ERR is <3>, SD_WARNING <4>, SD_INFO <6>, SD_DEBUG <7>. */
static void priorities_in_the_journal(void **state)
{
	(void)state;
	on_pipe();
	set_journal_stream(0);
	log_set_level(LOG_DEBUG);
	log_error("a");
	log_warn("b");
	log_info("c");
	log_debug("d");
	assert_string_equal(written(), "<3>a\n<4>b\n<6>c\n<7>d\n");
	log_set_format(LOG_JSON);
	log_error("e");
	assert_memory_equal(written(), "<3>{\"time\":", 11);
}

/* systemd.exec(5): where stderr was redirected since, it is something else than the journal. */
static void another_stderr_than_the_journal(void **state)
{
	(void)state;
	on_pipe();
	set_journal_stream(1);
	log_error("a");
	setenv("JOURNAL_STREAM", "nonsense", 1);
	log_look_at_stderr();
	log_error("b");
	assert_string_equal(written(), "vireo: error: a\nvireo: error: b\n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* --- a guest that starts again and again --- */

static void what_was_said_is_not_said_again(void **state)
{
	(void)state;
	on_pipe();
	log_forget();
	log_warn("net0: no vhost-net");
	log_warn("net0: no vhost-net");
	assert_string_equal(written(), "vireo: warn: net0: no vhost-net\nvireo: warn: net0: no vhost-net\n");
	log_hold_repeats();
	log_warn("net0: no vhost-net");
	log_info("not asked for");
	assert_string_equal(written(), "");
	log_warn("net0: tap vm0 is gone");
	log_warn("net0: tap vm0 is gone");
	assert_string_equal(written(), "vireo: warn: net0: tap vm0 is gone\n");
	/* Errors, and what somebody asked for, are said whenever they are. */
	for (int i = 0; i < 2; i++) {
		log_error("out of memory");
		log_always("ttyS0 is at /dev/pts/7");
	}
	assert_string_equal(written(), "vireo: error: out of memory\nvireo: info: ttyS0 is at /dev/pts/7\n"
				       "vireo: error: out of memory\nvireo: info: ttyS0 is at /dev/pts/7\n");
	log_set_level(LOG_INFO);
	log_info("not asked for");
	assert_string_equal(written(), "vireo: info: not asked for\n");
	log_forget();
	log_warn("net0: no vhost-net");
	log_warn("net0: no vhost-net");
	assert_string_equal(written(), "vireo: warn: net0: no vhost-net\nvireo: warn: net0: no vhost-net\n");
}

static void new_lines_have_an_end(void **state)
{
	unsigned int lines = 0;

	(void)state;
	on_pipe();
	log_forget();
	log_hold_repeats();
	for (int i = 0; i < 2 * LOG_REMEMBERED; i++) {
		log_warn("disk0: descriptor %d", i);
		lines += *written() != '\0';
	}
	assert_int_equal(lines, LOG_REMEMBERED);
	log_error("the guest panicked");
	assert_string_equal(written(), "vireo: error: the guest panicked\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_plain_line),
		TEST(levels_by_area),
		TEST(levels_that_are_none),
		TEST(json),
		TEST(a_long_line_is_cut),
		TEST(colours_on_a_terminal),
		TEST(no_colours_with_no_color),
		TEST(no_colours_on_a_dumb_terminal),
		TEST(an_empty_no_color_is_none),
		TEST(a_status_line_goes_when_a_line_comes),
		TEST(priorities_in_the_journal),
		TEST(another_stderr_than_the_journal),
		TEST(what_was_said_is_not_said_again),
		TEST(new_lines_have_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
