// SPDX-License-Identifier: BSD-2-Clause
/* Definitions of several files, all mistakes of one, and where each value comes from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/unit/devices_rig.h"

/* --- a directory with files, which is the current one --- */

static char home[512], place[256];

static int enter(void **state)
{
	(void)state;
	snprintf(place, sizeof(place), "%s/vireo-test-XXXXXX", P_tmpdir);
	return !getcwd(home, sizeof(home)) || !mkdtemp(place) || chdir(place);
}

static int leave(void **state)
{
	char command[300];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", place);
	return chdir(home) || system(command);
}

static void put(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void refuse(const char *name, const char *line)
{
	struct vm_config cfg;
	struct err err;

	config_init(&cfg);
	assert_int_equal(config_read_file(&cfg, name, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_USER);
	assert_true(is_one_line(err.text));
	assert_string_equal(err.text, line);
	config_finish(&cfg);
}

/* All that is found in a file, each with a newline behind it. */
static char all[4096];

static void found(const char *text)
{
	assert_true(is_one_line(text));
	assert_true(strlen(all) + strlen(text) + 2 < sizeof(all));
	strcat(all, text);
	strcat(all, "\n");
}

static unsigned int check(const char *name)
{
	struct mistakes m = { .found = found };
	struct vm_config cfg;
	struct err err;

	*all = '\0';
	assert_int_equal(config_check_file(&cfg, name, &m, &err), 0);
	config_finish(&cfg);
	return m.count;
}

/* --- what beats what --- */

static void the_file_beats_what_it_includes(void **state)
{
	struct vm_config cfg;

	(void)state;
	put("one", "[machine]\ncpus = 1\nmemory = 1G\ntimeout = 1\n");
	put("two", "[machine]\ncpus = 2\nmemory = 2G\n");
	put("vm", "# a machine\ninclude = one\ninclude = \"two\" # it, too\n[machine]\ncpus = 3\n");
	cfg = RUN("-f", "vm", "k");
	assert_int_equal(cfg.cpus, 3);
	assert_int_equal(cfg.memory, 2 * GIB);
	assert_int_equal(cfg.timeout, 1);
	config_finish(&cfg);
	cfg = RUN("-f", "vm", "k", "-m", "3G");
	assert_int_equal(cfg.memory, 3 * GIB);
	config_finish(&cfg);
}

static void the_kernel_s_command_line_is_the_last_one_s(void **state)
{
	static const struct {
		const char *base, *over, *cmdline;
	} cases[] = {
		{ "append = a\n", "append = b\n", "console=ttyS0 b" },
		{ "append = a\n", "", "console=ttyS0 a" },
		{ "append = a\n", "cmdline = b\n", "b" },
		{ "append = a\n", "cmdline = b\nappend = c\n", "b c" },
		{ "append = a\n", "append = c\ncmdline = b\n", "b c" },
		{ "cmdline = a\n", "append = b\n", "a b" },
		{ "cmdline = a\nappend = b\n", "cmdline = c\n", "c" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vm_config cfg;
		char text[128], *cmdline;

		snprintf(text, sizeof(text), "[boot]\n%s", cases[i].base);
		put("base", text);
		snprintf(text, sizeof(text), "include = base\n[boot]\n%s", cases[i].over);
		put("vm", text);
		cfg = RUN("-f", "vm", "k");
		cmdline = config_cmdline(&cfg);
		assert_string_equal(cmdline, cases[i].cmdline);
		free(cmdline);
		config_finish(&cfg);
	}
}

static void devices_take_the_place_of_the_base_s(void **state)
{
	const struct disk *disk;
	struct vm_config cfg;

	(void)state;
	put("base", "[disk root]\npath = a\nro = on\n[disk]\npath = plain\n[rng]\nrate = 5\n");
	put("vm", "include = base\n[disk]\npath = more\n[rng mine]\nrate = 6\n[disk root]\npath = b\n");
	cfg = RUN("-f", "vm", "k");
	disk = (const struct disk *)devices_find(&cfg, &disk_kind, "root");
	assert_ptr_equal(&disk->dc, cfg.devices);
	assert_string_equal(disk->path, "b");
	assert_false(disk->ro);
	disk = (const struct disk *)disk->dc.next;
	assert_string_equal(disk->dc.id, "disk0");
	assert_string_equal(disk->path, "plain");
	assert_string_equal(disk->dc.next->id, "mine");
	assert_int_equal(((const struct rng *)disk->dc.next)->rate, 6);
	disk = (const struct disk *)disk->dc.next->next;
	assert_string_equal(disk->dc.id, "disk1");
	assert_string_equal(disk->path, "more");
	assert_null(disk->dc.next);
	config_finish(&cfg);
	put("twice", "include = base\n[disk root]\n[disk root]\n");
	refuse("twice", "twice:3: section [disk root]: given before, in line 2; each has an ID of its own");
}

static void paths_start_from_the_file_that_has_them(void **state)
{
	struct vm_config cfg;

	(void)state;
	assert_int_equal(mkdir("sub", 0700), 0);
	put("sub/base", "include = more\n[boot]\nkernel = k\n");
	put("sub/more", "[boot]\ninitrd = i\n");
	put("vm", "include = sub/base\n[log]\ntrace = t\n");
	cfg = RUN("-f", "vm");
	assert_string_equal(cfg.kernel, "sub/k");
	assert_string_equal(cfg.initrd, "sub/i");
	assert_string_equal(cfg.trace, "t");
	config_finish(&cfg);
}

/* --- refusals --- */

static void circles_and_depths_are_refused(void **state)
{
	char name[16], text[64];

	(void)state;
	put("self", "\ninclude = self\n");
	refuse("self", "self:2: key \"include\": \"self\": is being read already: it includes itself");
	put("a", "include = b\n");
	put("b", "\n\ninclude = ./a\n");
	refuse("a", "b:3: key \"include\": \"./a\": is being read already: it includes itself "
		    "(included in a:1)");
	put("twice", "include = ok\ninclude = ok\n");
	put("ok", "[machine]\ncpus = 2\n");
	assert_int_equal(check("twice"), 0);
	for (int i = 0; i < 11; i++) {
		snprintf(name, sizeof(name), "deep%d", i);
		snprintf(text, sizeof(text), "include = deep%d\n", i + 1);
		put(name, text);
	}
	put("deep11", "");
	assert_int_equal(check("deep3"), 0);
	refuse("deep2", "deep10:1: key \"include\": a definition may consist of 64 files, which include each "
			"other 8 deep (included in deep9:1)");
	/* Each includes the next one twice: it is not read 2^8 times. */
	for (int i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "deep%d", i);
		snprintf(text, sizeof(text), "include = deep%d\ninclude = deep%d\n", i + 1, i + 1);
		put(name, text);
	}
	put("deep8", "");
	assert_true(check("deep0") > 0);
	assert_contains(all, "may consist of 64 files");
}

static void includes_that_are_refused(void **state)
{
	(void)state;
	put("vm", "include = none\n");
	refuse("vm", "vm:1: key \"include\": \"none\": No such file or directory");
	put("vm", "include = .\n");
	refuse("vm", "vm:1: key \"include\": \".\": is a directory; give the file itself");
}

static void an_include_has_a_place_and_a_value(void **state)
{
	(void)state;
	put("ok", "");
	put("vm", "[machine]\ninclude = ok\n");
	refuse("vm", "vm:2: key \"include\": stands in a section; includes come before the first one");
	put("vm", "[disk x]\ninclude = ok\n");
	refuse("vm", "vm:2: key \"include\": stands in a section; includes come before the first one");
	put("vm", "include =\n");
	refuse("vm", "vm:1: key \"include\": has no value; allowed is the name of a file, at most 4095 bytes "
		     "without control characters");
	put("vm", "include = \"ok\n");
	refuse("vm", "vm:1: key \"include\": the closing \" is missing");
	put("base", "[machine]\ncpus = 0\n");
	put("vm", "\ninclude = base\n");
	refuse("vm", "base:2: key \"cpus\": \"0\" is not allowed; allowed is a whole number from 1 to "
#ifdef __x86_64__
		     "1024"
#else
		     "512"
#endif
		     " (included in vm:2)");
}

/* --- all mistakes at once --- */

static void all_mistakes_are_told(void **state)
{
	(void)state;
	put("base", "[machine]\ncpus = none\n");
	put("vm", "include = base\n"
		  "include = absent\n"
		  "[boots]\n"
		  "kernel = in a section that is none\n"
		  "[boot]\n"
		  "tea = green\n"
		  "kernel = k\n"
		  "kernel = k\n"
		  "[disk good]\n"
		  "path = p\n"
		  "[disk bad]\n"
		  "pat = p\n"
		  "[disk worse]\n"
		  "[machine]\n"
		  "memory-backing = anonymous\n"
		  "[share s]\n"
		  "dir = d\n");
	assert_int_equal(check("vm"), 8);
	assert_contains(all, "base:2: key \"cpus\": \"none\" is not allowed");
	assert_contains(all, "\nvm:2: key \"include\": \"absent\": No such file or directory\n");
	assert_contains(all, "\nvm:3: section \"boots\": unknown");
	assert_contains(all, "\nvm:6: key \"tea\": unknown");
	assert_contains(all, "\nvm:8: key \"kernel\": given before, in line 7");
	assert_contains(all, "\nvm:12: key \"pat\": unknown; did you mean \"path\"?");
	assert_contains(all, "\nvm:13: disk worse: no path");
	put("vm", "[machine]\nmemory-backing = anonymous\n[share s]\ndir = d\n");
	assert_int_equal(check("vm"), 1);
	assert_contains(all, "vm:2: memory-backing: anonymous is not allowed with share s");
	assert_int_equal(check("absent"), 1);
	assert_string_equal(all, "definition file \"absent\": No such file or directory\n");
}

/* --- where values come from --- */

static void a_dump_says_where_values_come_from(void **state)
{
	struct vm_config cfg, again;
	struct err err;
	char *text, *first;

	(void)state;
	put("base", "[machine]\ncpus = 2\ntimeout = 9\n[disk root]\nro = on\npath = /a\n");
	put("vm", "include = base\n[machine]\n\ncpus = 3 # better\n");
	cfg = RUN("-f", "vm", "/k", "-m", "1G", "--rng", "rate=7");
	text = config_dump(&cfg, &err);
	assert_non_null(text);
	assert_contains(text, "\ncpus = 3                                # vm:4\n");
	assert_contains(text, "\ntimeout = 9                             # base:3\n");
	assert_contains(text, "\nmemory = 1G                             # command line\n");
	assert_contains(text, "\non-reboot = exit                        # default\n");
	assert_contains(text, "\nkernel = \"/k\"                           # command line\n");
	assert_contains(text, "\n[disk root]                             # base:4\n");
	assert_contains(text, "\nro = on                                 # base:5\n");
	assert_contains(text, "\nqueues = 4                              # default\n");
	assert_contains(text, "\n[rng rng0]                              # command line\n");
	again = accept_text(text);
	assert_same_vm(&cfg, &again);
	config_finish(&again);
	/* Where it comes from is all that changes when it is read. */
	put("dump", text);
	again = RUN("-f", "dump");
	first = without_sources(text);
	free(text);
	text = config_dump(&again, &err);
	assert_non_null(text);
	assert_contains(text, "# dump:4\n");
	assert_null(strstr(text, "command line"));
	config_finish(&again);
	{
		char *second = without_sources(text);

		assert_string_equal(first, second);
		free(second);
	}
	free(first);
	free(text);
	config_finish(&cfg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_file_beats_what_it_includes, enter, leave),
		cmocka_unit_test_setup_teardown(the_kernel_s_command_line_is_the_last_one_s, enter, leave),
		cmocka_unit_test_setup_teardown(devices_take_the_place_of_the_base_s, enter, leave),
		cmocka_unit_test_setup_teardown(paths_start_from_the_file_that_has_them, enter, leave),
		cmocka_unit_test_setup_teardown(circles_and_depths_are_refused, enter, leave),
		cmocka_unit_test_setup_teardown(includes_that_are_refused, enter, leave),
		cmocka_unit_test_setup_teardown(an_include_has_a_place_and_a_value, enter, leave),
		cmocka_unit_test_setup_teardown(all_mistakes_are_told, enter, leave),
		cmocka_unit_test_setup_teardown(a_dump_says_where_values_come_from, enter, leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
