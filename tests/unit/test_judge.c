// SPDX-License-Identifier: BSD-2-Clause
/* What a smoke boot makes of what its guest says: expectations, failures, prompts, crashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm/judge.h"

static struct vm_config cfg;
static struct judge judge;
static bool is_made;
static unsigned int seen;
static char typed[256]; /* all of it, each with its console before it */
static uint64_t now;

static void on_seen(void *ctx, const struct judge_rule *rule)
{
	assert_ptr_equal(ctx, &seen);
	assert_true(rule->is_seen);
	seen++;
}

static void on_type(void *ctx, enum watch_source source, const char *text, size_t len)
{
	assert_ptr_equal(ctx, &seen);
	snprintf(typed + strlen(typed), sizeof(typed) - strlen(typed), "%s<%.*s>", watch_names[source],
		 (int)len, text);
}

/* Up to four texts for each list, as the definition holds them. */
static struct text_list list(char **texts)
{
	struct text_list l = { .text = texts };

	while (l.count < 4 && texts[l.count])
		l.count++;
	return l;
}

static char *expects[5], *fails[5], *sends[5];

static int make(const char *expect, struct err *err)
{
	cfg.expect = list(expects);
	cfg.fail_on = list(fails);
	cfg.send = list(sends);
	is_made = true;
	return judge_init(&judge, &cfg, expect, err);
}

static void made(void)
{
	struct err err;

	if (make(NULL, &err))
		fail_msg("%s", err.text);
	judge.seen = on_seen;
	judge.type = on_type;
	judge.ctx = &seen;
}

static int setup(void **state)
{
	(void)state;
	memset(&cfg, 0, sizeof(cfg));
	memset(expects, 0, sizeof(expects));
	memset(fails, 0, sizeof(fails));
	memset(sends, 0, sizeof(sends));
	typed[0] = '\0';
	seen = 0;
	now = 1000;
	is_made = false;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (is_made)
		judge_finish(&judge);
	return 0;
}

static void say_on(enum watch_source source, const char *text)
{
	judge_put(&judge, source, (const uint8_t *)text, strlen(text), now);
}

static void say(const char *text)
{
	say_on(WATCH_SERIAL, text);
}

static void test_in_order(void **state)
{
	(void)state;
	expects[0] = "^one$", expects[1] = "t.o";
	made();
	say("two\n");
	assert_int_equal(seen, 0);
	say("one more\n");
	assert_int_equal(seen, 0);
	say("one\n");
	assert_int_equal(seen, 1);
	assert_int_equal(judge.finding, JUDGE_NOTHING);
	say("and two\n");
	assert_int_equal(seen, 2);
	assert_int_equal(judge.finding, JUDGE_PASSED);
	assert_string_equal(judge.expect.rule[1].line->text, "and two");
}

static void test_across_chunks(void **state)
{
	static const char text[] = "[    1.0] \x1b[1mlog\x1b[0min: \r\n";

	(void)state;
	expects[0] = "^\\[    1\\.0\\] login: $";
	made();
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		assert_int_equal(judge.finding, JUDGE_NOTHING);
		judge_put(&judge, WATCH_SERIAL, (const uint8_t *)text + i, 1, now);
	}
	assert_int_equal(judge.finding, JUDGE_PASSED);
}

/* Within a line one expectation comes behind the other; each match counts for one. */
static void test_several_in_a_line(void **state)
{
	(void)state;
	expects[0] = "a", expects[1] = "a", expects[2] = "^b";
	made();
	say("b a\n");
	assert_int_equal(seen, 1);
	say("ab\n");
	assert_int_equal(seen, 2);
	say("b\n");
	assert_int_equal(judge.finding, JUDGE_PASSED);
}

static void test_consoles_are_kept_apart(void **state)
{
	(void)state;
	expects[0] = "login:", expects[1] = "done";
	made();
	say_on(WATCH_SERIAL, "log");
	say_on(WATCH_HVC, "in:\n");
	assert_int_equal(seen, 0);
	say_on(WATCH_SERIAL, "in:\n");
	assert_int_equal(seen, 1);
	say_on(WATCH_HVC, "done\n");
	assert_int_equal(judge.finding, JUDGE_PASSED);
	assert_int_equal(judge.expect.rule[1].line->source, WATCH_HVC);
}

static void test_failure_beats(void **state)
{
	(void)state;
	expects[0] = "result";
	fails[0] = "FAIL", fails[1] = "result: bad";
	made();
	say("result: bad\n");
	assert_int_equal(judge.finding, JUDGE_FAILED);
	assert_string_equal(judge.failed_on->text, "result: bad");
	assert_string_equal(judge.failed_on->line->text, "result: bad");
	say("result: good\n");
	assert_int_equal(judge.finding, JUDGE_FAILED);
}

/* What comes behind the last expectation changes nothing. */
static void test_first_decision_stays(void **state)
{
	(void)state;
	expects[0] = "ok";
	fails[0] = "FAIL";
	made();
	say("ok\nFAIL\nKernel panic - not syncing: late\n");
	assert_int_equal(judge.finding, JUDGE_PASSED);
}

static void test_prompt(void **state)
{
	(void)state;
	expects[0] = "# $", expects[1] = "uid=0";
	sends[0] = "root\\n after login: ", sends[1] = "a\\tb\\x41\\\\\\n after # ", sends[2] = "x after uid";
	made();
	say("host login: ");
	assert_string_equal(typed, "");
	judge_pause(&judge);
	assert_string_equal(typed, "ttyS0<root\n>");
	judge_pause(&judge);
	say("root\r\n~ # ");
	judge_pause(&judge);
	assert_string_equal(typed, "ttyS0<root\n>ttyS0<a\tbA\\\n>");
	/* "$" is the end of a line, which this is not yet. */
	assert_int_equal(seen, 0);
	say("id\r\nprompt # \r\n");
	assert_int_equal(seen, 1);
	say_on(WATCH_HVC, "uid=0\r\n");
	assert_int_equal(judge.finding, JUDGE_PASSED);
}

/* The same prompt twice in a line, once in a pause: each --send has its own. */
static void test_send_waits_for_the_next_prompt(void **state)
{
	(void)state;
	expects[0] = "never";
	sends[0] = "1 after > ", sends[1] = "2 after > ";
	made();
	say("> ");
	judge_pause(&judge);
	judge_pause(&judge);
	say("1");
	judge_pause(&judge);
	assert_string_equal(typed, "ttyS0<1>");
	say("\n> ");
	judge_pause(&judge);
	assert_string_equal(typed, "ttyS0<1>ttyS0<2>");
}

/* Whoever reads the verdict gets all of the line on init. */
static void test_line_of_init_is_awaited(void **state)
{
	struct err err;

	(void)state;
	fails[0] = "trouble";
	assert_int_equal(make("reached, Linux ", &err), 0);
	say("init: reached, Linux 6");
	judge_pause(&judge);
	assert_int_equal(judge.finding, JUDGE_NOTHING);
	say(".1\r\n");
	assert_int_equal(judge.finding, JUDGE_PASSED);
	assert_string_equal(judge.expect.rule[0].line->text, "init: reached, Linux 6.1");
}

static void test_failure_while_a_line_is_awaited(void **state)
{
	struct err err;

	(void)state;
	fails[0] = "trouble";
	assert_int_equal(make("reached", &err), 0);
	say("reached with trouble");
	judge_pause(&judge);
	assert_int_equal(judge.finding, JUDGE_FAILED);
}

static void test_line_of_init_without_end(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(make("reached", &err), 0);
	say("reached");
	judge_end(&judge);
	assert_int_equal(judge.finding, JUDGE_PASSED);
}

static void test_failure_in_a_pause(void **state)
{
	(void)state;
	expects[0] = "never";
	fails[0] = "Give root password";
	made();
	say("Give root password for maintenance: ");
	judge_pause(&judge);
	assert_int_equal(judge.finding, JUDGE_FAILED);
}

static void test_last_line_without_end(void **state)
{
	(void)state;
	expects[0] = "^bye$";
	made();
	say("bye");
	judge_end(&judge);
	assert_int_equal(judge.finding, JUDGE_PASSED);
}

static void test_panic(void **state)
{
	(void)state;
	expects[0] = "never";
	made();
	say("[    1.0] Kernel panic - not syncing: test\n");
	assert_int_equal(judge.finding, JUDGE_NOTHING);
	assert_int_equal(judge.deadline, now + JUDGE_CRASH_QUIET);
	now += 1000;
	say("[    1.1] Call Trace:\n");
	assert_int_equal(judge.deadline, now + JUDGE_CRASH_QUIET);
	/* Another console says it all again. */
	say_on(WATCH_HVC, "[    1.0] Kernel panic - not syncing: test\n");
	say("[    1.2] ---[ end Kernel panic - not syncing: test ]---\n");
	assert_int_equal(judge.finding, JUDGE_CRASHED);
	assert_int_equal(judge.deadline, CLOCK_NEVER);
	assert_int_equal(judge.crash.nr_lines, 3);
}

static void test_crash_ends_when_nothing_more_comes(void **state)
{
	(void)state;
	expects[0] = "after";
	made();
	say("[   28.0] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [swapper/0:1]\n");
	say("after\n");
	judge_time(&judge, now + JUDGE_CRASH_QUIET - 1);
	assert_int_equal(judge.finding, JUDGE_NOTHING);
	judge_time(&judge, now + JUDGE_CRASH_QUIET);
	assert_int_equal(judge.finding, JUDGE_CRASHED);
	assert_int_equal(judge.crash.kind, CRASH_SOFT_LOCKUP);
}

static void test_crash_of_a_guest_that_does_not_stop(void **state)
{
	uint64_t begun = now;

	(void)state;
	expects[0] = "never";
	made();
	say("BUG: test\n");
	for (int i = 0; i < 20; i++) {
		now += JUDGE_CRASH_QUIET / 2;
		assert_true(judge.deadline <= begun + JUDGE_CRASH_MOST);
		judge_time(&judge, now);
		say("more\n");
	}
	assert_int_equal(judge.finding, JUDGE_CRASHED);
}

static void test_crash_when_the_guest_ends(void **state)
{
	(void)state;
	expects[0] = "never";
	made();
	say("Kernel panic - not syncing: test");
	judge_end(&judge);
	assert_int_equal(judge.finding, JUDGE_CRASHED);
}

static void test_crashes_are_ignored(void **state)
{
	(void)state;
	cfg.on_crash = ON_CRASH_IGNORE;
	expects[0] = "RIP";
	made();
	say("BUG: test\nOops: 0000 [#1] SMP\n");
	assert_int_equal(judge.deadline, CLOCK_NEVER);
	say("RIP: 0010:f+0x1/0x2\n");
	assert_int_equal(judge.finding, JUDGE_PASSED);
}

/* What the user expects is no crash. */
static void test_expected_crash(void **state)
{
	(void)state;
	expects[0] = "Kernel panic .*: as planned";
	made();
	say("[    1.0] Kernel panic - not syncing: as planned\n");
	assert_int_equal(judge.finding, JUDGE_PASSED);
}

static void test_last_lines(void **state)
{
	char text[32];

	(void)state;
	expects[0] = "never";
	made();
	assert_null(judge_last_line(&judge, 0));
	for (int i = 0; i < 50; i++) {
		snprintf(text, sizeof(text), "line %d\n", i);
		say(text);
	}
	assert_string_equal(judge_last_line(&judge, 0)->text, "line 30");
	assert_string_equal(judge_last_line(&judge, 19)->text, "line 49");
	assert_null(judge_last_line(&judge, 20));
}

static void test_hostile_bytes(void **state)
{
	static uint8_t noise[100000];
	uint32_t random = 1;

	(void)state;
	expects[0] = "(a|b)*never", expects[1] = ".*x.*y";
	fails[0] = "([a-z]+[0-9]+)+!never";
	made();
	for (size_t i = 0; i < sizeof(noise); i++) {
		random = random * 1664525 + 1013904223;
		noise[i] = (uint8_t)(random >> 24);
	}
	judge_put(&judge, WATCH_SERIAL, noise, sizeof(noise), now);
	memset(noise, 'a', sizeof(noise));
	judge_put(&judge, WATCH_SERIAL, noise, sizeof(noise), now);
	judge_pause(&judge);
	judge_end(&judge);
	assert_int_equal(judge.finding, JUDGE_NOTHING);
}

static void refuse(const char *part)
{
	struct err err;

	assert_int_equal(make(NULL, &err), -EINVAL);
	if (!strstr(err.text, part))
		fail_msg("\"%s\" is not in: %s", part, err.text);
	assert_int_equal(err.kind, ERR_USER);
	judge_finish(&judge);
	setup(NULL);
}

static void test_mistakes(void **state)
{
	(void)state;
	expects[0] = "ok", expects[1] = "(";
	refuse("--expect: \"(\"");
	fails[0] = "[a";
	refuse("--fail-on: \"[a\"");
	fails[0] = "(a)\\1";
	refuse("back-reference");
	sends[0] = "text";
	refuse("it has no \" after \"");
	sends[0] = "text after *[";
	refuse("--send");
	sends[0] = "\\q after a";
	refuse("--send");
	sends[0] = "\\x4 after a";
	refuse("--send");
}

/* No back-references: a backslash and a digit in brackets, an escaped backslash. */
static void test_no_back_references(void **state)
{
	(void)state;
	expects[0] = "[]\\1]x\\\\1", expects[1] = "[[:digit:]\\1]";
	made();
	say("1x\\1\n1\n");
	assert_int_equal(judge.finding, JUDGE_PASSED);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_in_order),
		TEST(test_across_chunks),
		TEST(test_several_in_a_line),
		TEST(test_consoles_are_kept_apart),
		TEST(test_failure_beats),
		TEST(test_first_decision_stays),
		TEST(test_prompt),
		TEST(test_send_waits_for_the_next_prompt),
		TEST(test_line_of_init_is_awaited),
		TEST(test_failure_while_a_line_is_awaited),
		TEST(test_line_of_init_without_end),
		TEST(test_failure_in_a_pause),
		TEST(test_last_line_without_end),
		TEST(test_panic),
		TEST(test_crash_ends_when_nothing_more_comes),
		TEST(test_crash_of_a_guest_that_does_not_stop),
		TEST(test_crash_when_the_guest_ends),
		TEST(test_crashes_are_ignored),
		TEST(test_expected_crash),
		TEST(test_last_lines),
		TEST(test_hostile_bytes),
		TEST(test_mistakes),
		TEST(test_no_back_references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
