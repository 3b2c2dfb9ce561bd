// SPDX-License-Identifier: BSD-2-Clause
/* Options of smoke, lists of texts, and definition files with several VMs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/config_rig.h"
#include "vmm/devices.h"
#include "vmm/smoke.h"

#define SMOKE(...)              accept_args(COMMAND_SMOKE, ARGS(__VA_ARGS__))
#define REFUSE_SMOKE(part, ...) refuse_args(COMMAND_SMOKE, part, ARGS(__VA_ARGS__))

static char path[64];

/* SMOKE with -f of a file that holds `text`. */
static struct vm_config smoke_file(const char *text, const char *const *args)
{
	const char *all[16] = { "-f", path };
	int fd = hold_bytes(text, strlen(text), path), n = 2;
	struct vm_config cfg;

	for (; *args; args++)
		all[n++] = *args;
	cfg = accept_args(COMMAND_SMOKE, all);
	close(fd);
	return cfg;
}

#define SMOKE_FILE(text, ...) smoke_file(text, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static void refuse_file(const char *text, const char *part, const char *const *args)
{
	const char *all[16] = { "-f", path };
	int fd = hold_bytes(text, strlen(text), path), n = 2;

	for (; *args; args++)
		all[n++] = *args;
	refuse_args(COMMAND_SMOKE, part, all);
	close(fd);
}

#define REFUSE_FILE(text, part, ...) \
	refuse_file(text, part, (const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

static void assert_list(const struct text_list *list, const char *want)
{
	char got[512] = "";

	for (unsigned int i = 0; i < list->count; i++) {
		strcat(got, list->text[i]);
		strcat(got, "|");
	}
	assert_string_equal(got, want);
}

/* What the kernel is told must leave it the line on its init; the last word counts, and init's own do not. */
static void test_hidden_line(void **state)
{
	static const struct {
		const char *cmdline;
		const char *word; /* NULL: it is shown */
	} cases[] = {
		{ "quiet", "\"quiet\"" },
		{ "ro loglevel=6 x", "\"loglevel=6\"" },
		{ "loglevel=0x3", "\"loglevel=0x3\"" },
		{ "debug quiet", "\"quiet\"" },
		{ "loglevel=7 loglevel=4", "\"loglevel=4\"" },
		{ "", NULL },
		{ "loglevel=7", NULL },
		{ "loglevel=10", NULL },
		{ "loglevel=", NULL },
		{ "loglevel=low", NULL },
		{ "quiet loglevel=7", NULL },
		{ "quiet debug", NULL },
		{ "quiet ignore_loglevel", NULL },
		{ "quieter myloglevel=3", NULL },
		{ "ro -- quiet", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vm_config cfg = {
			.initrd = (char *)"i",
			.kernel = (char *)"k",
			.cmdline = (char *)cases[i].cmdline,
		};
		struct err err;
		int ret = smoke_check(&cfg, &err);

		if (!cases[i].word != !ret)
			fail_msg("\"%s\": %d", cases[i].cmdline, ret);
		if (cases[i].word && !strstr(err.text, cases[i].word))
			fail_msg("\"%s\": %s", cases[i].cmdline, err.text);
	}
}

static void test_defaults(void **state)
{
	struct vm_config cfg = SMOKE("vmlinuz");

	(void)state;
	assert_int_equal(cfg.timeout, 300);
	assert_int_equal(cfg.retries, 0);
	assert_int_equal(cfg.on_crash, ON_CRASH_FAIL);
	assert_int_equal(cfg.expect.count, 0);
	assert_null(cfg.tests);
	config_finish(&cfg);
	/* What the user says of the time holds, never included. */
	cfg = SMOKE("vmlinuz", "--timeout", "0");
	assert_int_equal(cfg.timeout, 0);
	config_finish(&cfg);
	cfg = SMOKE_FILE("[machine]\ntimeout = 0\n", "vmlinuz");
	assert_int_equal(cfg.timeout, 0);
	config_finish(&cfg);
	cfg = RUN("vmlinuz");
	assert_int_equal(cfg.timeout, 0);
	config_finish(&cfg);
}

static void test_lists(void **state)
{
	struct vm_config cfg = SMOKE("vmlinuz", "--expect", "a, b", "--expect=^c$", "--report", "r.xml",
				     "--report", "r.tap");

	(void)state;
	assert_list(&cfg.expect, "a, b|^c$|");
	assert_list(&cfg.report, "r.xml|r.tap|");
	config_finish(&cfg);
	REFUSE_SMOKE("--expect", "vmlinuz", "--expect", "");
	refuse_args(COMMAND_RUN, "--expect: is not an option of \"vireo run\" but of \"vireo smoke\"",
		    ARGS("--expect", "a", "vmlinuz"));
}

static void test_lists_in_files(void **state)
{
	static const char text[] =
		"[smoke]\nexpect = one  # the first\nexpect = \"t\\\"w#o\"\nfail-on = bad\n";
	struct vm_config cfg = SMOKE_FILE(text, "vmlinuz");

	(void)state;
	assert_list(&cfg.expect, "one|t\"w#o|");
	assert_list(&cfg.fail_on, "bad|");
	config_finish(&cfg);
	/* The command line's takes the place of the whole list. */
	cfg = SMOKE_FILE(text, "vmlinuz", "--expect", "x");
	assert_list(&cfg.expect, "x|");
	assert_list(&cfg.fail_on, "bad|");
	config_finish(&cfg);
}

static void test_send(void **state)
{
	struct vm_config cfg = SMOKE("vmlinuz", "--send", "root\\n", "after", "login: ", "--send",
				     "a after b", "after", "c", "--send=x after y", "--send", "p after q",
				     "--expect", "e");

	(void)state;
	assert_list(&cfg.send, "root\\n after login: |a\\x20after b after c|x after y|p after q|");
	assert_list(&cfg.expect, "e|");
	config_finish(&cfg);
	REFUSE_SMOKE("--send TEXT after REGEX", "vmlinuz", "--send", "root");
	REFUSE_SMOKE("--send TEXT after REGEX", "vmlinuz", "--send", "root", "after");
	REFUSE_SMOKE("--send", "vmlinuz", "--send");
}

static void test_dump_and_back(void **state)
{
	struct vm_config cfg = SMOKE("/vmlinuz", "--expect", "a\"\\b", "--expect", "# c", "--send", " x",
				     "after", "y", "--retries", "3", "--on-crash", "ignore");
	struct err err;
	char *text = config_dump(&cfg, &err);
	struct vm_config back;

	(void)state;
	assert_non_null(text);
	back = accept_text(text);
	assert_list(&back.expect, "a\"\\b|# c|");
	assert_list(&back.send, " x after y|");
	assert_int_equal(back.retries, 3);
	assert_int_equal(back.on_crash, ON_CRASH_IGNORE);
	free(text);
	config_finish(&cfg);
	config_finish(&back);
}

/* --- several VMs --- */

static const char tests[] = "[boot]\nkernel = /boot/common\nappend = quiet\n[smoke]\nexpect = all\n"
			    "[test one]\nappend = one\n"
			    "[test two]\nkernel = /boot/own\nexpect = a\nexpect = b\ncmdline = mine\n";

static void test_tests(void **state)
{
	struct vm_config cfg = SMOKE_FILE(tests);

	(void)state;
	assert_int_equal(cfg.nr_tests, 2);
	assert_string_equal(cfg.tests[0].test_name, "one");
	assert_string_equal(cfg.tests[0].kernel, "/boot/common");
	assert_string_equal(cfg.tests[0].append, "one");
	assert_list(&cfg.tests[0].expect, "all|");
	assert_string_equal(cfg.tests[1].test_name, "two");
	assert_string_equal(cfg.tests[1].kernel, "/boot/own");
	assert_string_equal(cfg.tests[1].cmdline, "mine");
	assert_null(cfg.tests[1].append);
	assert_list(&cfg.tests[1].expect, "a|b|");
	config_finish(&cfg);
	/* The command line beats them all. */
	cfg = SMOKE_FILE(tests, "-k", "/boot/x", "--expect", "z", "--timeout", "9", "-a", "debug");
	for (unsigned int i = 0; i < 2; i++) {
		assert_string_equal(cfg.tests[i].kernel, "/boot/x");
		assert_list(&cfg.tests[i].expect, "z|");
		assert_int_equal(cfg.tests[i].timeout, 9);
		assert_string_equal(cfg.tests[i].append, "debug");
	}
	config_finish(&cfg);
}

/* The devices in their order: "KIND ID FILE" each; FILE for disks. */
static void assert_devices(const struct vm_config *cfg, const char *want)
{
	char got[512] = "";
	size_t len = 0;

	for (const struct device_config *dc = cfg->devices; dc; dc = dc->next) {
		const struct option *key = device_key(dc->kind, "path");

		len += (size_t)snprintf(got + len, sizeof(got) - len, "%s %s %s|", dc->kind->name, dc->id,
					key ? option_text(dc, key) : "");
	}
	assert_string_equal(got, want);
}

/* A file's relative paths start from its directory, which is that of hold_bytes(). */
static void test_devices(void **state)
{
	static const char text[] = "[boot]\nkernel = k\n[disk root]\npath = /common.img\n[rng]\n"
				   "[test one]\ndisk = own.img,id=root,ro\ndisk = /a,,b\n"
				   "[test two]\nrng = on\nnet = \"user\"\n[test three]\nrng = rate=4096\n";
	struct vm_config cfg = SMOKE_FILE(text);

	(void)state;
	assert_int_equal(cfg.nr_tests, 3);
	assert_devices(&cfg.tests[0], "disk root /proc/self/fd/own.img|rng rng0 |disk disk0 /a,b|");
	assert_devices(&cfg.tests[1], "disk root /common.img|rng rng0 |net net0 |");
	assert_devices(&cfg.tests[2], "disk root /common.img|rng rng0 |");
	assert_int_equal(cfg.tests[0].devices->source.line, 7);
	assert_int_equal(cfg.tests[2].devices->next->source.line, 13);
	config_finish(&cfg);
	/* The command line beats them. */
	cfg = SMOKE_FILE(text, "--disk", "/c,id=root", "--rng");
	assert_devices(&cfg.tests[0], "disk root /c|rng rng0 |disk disk0 /a,b|");
	assert_devices(&cfg.tests[1], "disk root /c|rng rng0 |net net0 |");
	config_finish(&cfg);
}

static void test_mistakes_in_devices(void **state)
{
	(void)state;
	REFUSE_FILE("[test a]\ndisk = x,speed=1\n", ":2: key \"disk\": key \"speed\" in its value: unknown");
	REFUSE_FILE("[test a]\ndisk = x,ro=maybe\n", ":2: key \"disk\": key \"ro\" in its value: \"maybe\"");
	REFUSE_FILE("[test a]\ndisk = x,\n", ":2: key \"disk\": nothing between two commas");
	REFUSE_FILE("[test a]\ndisk =\n", ":2: key \"disk\": has no value; allowed is what --disk takes");
	REFUSE_FILE("[test a]\nrng =\n", "or \"on\"");
	REFUSE_FILE("[test a]\nrng = on\nrng = on\n", ":3: key \"rng\": given twice");
	REFUSE_FILE("[test a]\ndisk = x,id=d\ndisk = y,id=d\n",
		    ":3: key \"disk\": key \"id\" in its value: \"d\"");
	REFUSE_FILE("[test a]\nnet = mac=52:54:00:12:34:56\n", ":2: net net0: ");
	REFUSE_FILE("[matrix]\ndisk = a, b\n", ":2: key \"disk\": is a device");
	REFUSE_FILE("[test a]\nreport = r.xml\n", ":2: key \"report\": is for all of the VMs together");
	REFUSE_FILE("[test a]\njobs = 2\n", ":2: key \"jobs\": is for all of the VMs together");
}

static void test_matrix(void **state)
{
	struct vm_config cfg = SMOKE_FILE(
		"[boot]\nkernel = k\n[matrix]\ncpus = 1, 2,4\nmemory = 64M ,128M\n");
	static const char *const names[] = {
		"cpus=1 memory=64M",  "cpus=1 memory=128M", "cpus=2 memory=64M",
		"cpus=2 memory=128M", "cpus=4 memory=64M",  "cpus=4 memory=128M"
	};

	(void)state;
	assert_int_equal(cfg.nr_tests, 6);
	for (unsigned int i = 0; i < 6; i++) {
		assert_string_equal(cfg.tests[i].test_name, names[i]);
		assert_int_equal(cfg.tests[i].cpus, i < 2 ? 1 : i < 4 ? 2 : 4);
		assert_int_equal(cfg.tests[i].memory, i % 2 ? 128 * MIB : 64 * MIB);
		assert_int_equal(cfg.tests[i].timeout, 300);
	}
	config_finish(&cfg);
}

static void test_tests_by_matrix(void **state)
{
	struct vm_config cfg = SMOKE_FILE("[matrix]\nappend = a,, b, c\nkernel = /x/Image, /y/vmlinuz\n"
					  "[test p]\ncpus = 2\n[test q]\n");

	(void)state;
	assert_int_equal(cfg.nr_tests, 8);
	assert_string_equal(cfg.tests[0].test_name, "p append=a, b kernel=Image");
	assert_string_equal(cfg.tests[0].append, "a, b");
	assert_string_equal(cfg.tests[7].test_name, "q append=c kernel=vmlinuz");
	assert_string_equal(cfg.tests[7].kernel, "/y/vmlinuz");
	assert_int_equal(cfg.tests[3].cpus, 2);
	assert_int_equal(cfg.tests[4].cpus, 1);
	config_finish(&cfg);
	/* Files that would have the same name have their whole one. */
	cfg = SMOKE_FILE("[matrix]\nkernel = /x/Image, /y/Image\n");
	assert_string_equal(cfg.tests[1].test_name, "kernel=/y/Image");
	config_finish(&cfg);
}

static void test_only(void **state)
{
	static const char text[] = "[boot]\nkernel = k\n[test a]\n[test b]\n[matrix]\ncpus = 1, 2\n";
	struct vm_config cfg = SMOKE_FILE(text, "--only", "* cpus=2");

	(void)state;
	assert_int_equal(cfg.nr_tests, 2);
	assert_string_equal(cfg.tests[0].test_name, "a cpus=2");
	assert_string_equal(cfg.tests[1].test_name, "b cpus=2");
	config_finish(&cfg);
	REFUSE_FILE(text, "--only \"c*\": no test", "--only", "c*");
	REFUSE_FILE("[boot]\nkernel = k\n", "--only", "--only", "c*");
	REFUSE_FILE("[boot]\nkernel = k\n", "--jobs", "--jobs", "2");
}

static void test_files_of_each(void **state)
{
	struct vm_config cfg = SMOKE_FILE("[boot]\nkernel = k\n[matrix]\nkernel = x/a, x/b\n",
					  "--console-log", "logs/{name}.log", "--trace", "{name}");

	(void)state;
	assert_string_equal(cfg.tests[0].console_log, "logs/kernel=a.log");
	assert_string_equal(cfg.tests[1].console_log, "logs/kernel=b.log");
	assert_string_equal(cfg.tests[1].trace, "kernel=b");
	config_finish(&cfg);
	cfg = SMOKE_FILE("[matrix]\nkernel = x/a, y/a\n", "--console-log", "{name}");
	assert_string_equal(cfg.tests[0].console_log + strlen(cfg.tests[0].console_log) - 4, "=x-a");
	config_finish(&cfg);
	REFUSE_FILE("[boot]\nkernel = k\n[test a]\n", "{name}", "--console-log", "log");
	REFUSE_FILE("[boot]\nkernel = k\n[test a]\n", "{name}", "--trace", "t");
}

static void test_mistakes(void **state)
{
	(void)state;
	REFUSE_FILE("[test a]\n[test a]\n", ":2: ");
	REFUSE_FILE("[test a b]\n", ":1: ");
	REFUSE_FILE("[test]\n", ":1: ");
	REFUSE_FILE("[test a]\ncpus = 1\ncpus = 2\n", ":3: key \"cpus\": given before, in line 2");
	REFUSE_FILE("[test a]\n\ncpus = none\n", ":3: key \"cpus\"");
	REFUSE_FILE("[test a]\nspeed = 1\n", ":2: key \"speed\": unknown");
	REFUSE_FILE("[matrix]\ncpus = 1, x\n", ":2: key \"cpus\": \"x\" is not allowed");
	REFUSE_FILE("[matrix]\ncpus = 1,\n", ":2: key \"cpus\"");
	REFUSE_FILE("[matrix]\ncpus = 1, 1\n", ":2: key \"cpus\": \"1\" stands there twice");
	REFUSE_FILE("[matrix]\nexpect = a, b\n", ":2: key \"expect\"");
	REFUSE_FILE("[matrix]\ncpus = 1\ncpus = 2\n", ":3: key \"cpus\"");
	REFUSE_FILE("[matrix]\ncpus = 1, 2\n[test a]\ncpus = 4\n", ":4: key \"cpus\"");
	REFUSE_FILE("[test a]\n", "test \"a\": no kernel");
	REFUSE_FILE("[boot]\nkernel = k\n[matrix]\ncpus = 1, 2\n", "--cpus: is one of the lists", "-c", "2");
	REFUSE_FILE(
		"[boot]\nkernel = k\n[matrix]\n"
		"cpus = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\nmemory = 16M, 17M, 18M, 19M, 20M, 21M, 22M, 23M, 24M, 25M\n"
		"append = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10\n",
		"more than 1000");
	refuse_text("[test a]\n", 1, "only \"vireo smoke\"");
	refuse_text("[matrix]\n", 1, "only \"vireo smoke\"");
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_hidden_line),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_lists_in_files),
		cmocka_unit_test(test_send),
		cmocka_unit_test(test_dump_and_back),
		cmocka_unit_test(test_tests),
		cmocka_unit_test(test_matrix),
		cmocka_unit_test(test_tests_by_matrix),
		cmocka_unit_test(test_only),
		cmocka_unit_test(test_files_of_each),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_mistakes_in_devices),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
