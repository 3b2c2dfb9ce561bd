// SPDX-License-Identifier: BSD-2-Clause
/* The help, and that it and docs/config.md leave out no option. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/config_rig.h"
#include "vmm/options.h"

static const char *const topics[] = { NULL, "run", "dump", "probe", "help" };

static void texts_fit_a_terminal(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
		const char *line = help_text(topics[i]);

		assert_non_null(line);
		assert_int_equal(strncmp(line, "Usage: vireo ", 13), 0);
		while (*line) {
			const char *end = strchr(line, '\n');

			assert_non_null(end);
			assert_true(end - line <= 80);
			assert_true(end == line || end[-1] != ' ');
			line = end + 1;
		}
	}
	assert_null(help_text("frobnicate"));
	assert_null(help_text(""));
}

static void the_overview_lists_the_commands(void **state)
{
	const char *text = help_text(NULL);

	(void)state;
	assert_contains(text, "\n  run [OPTIONS] [KERNEL] ");
	assert_contains(text, "\n  dump dtb|config [OPTIONS] ");
	assert_contains(text, "\n  probe [--json] ");
	assert_contains(text, "\n  help [COMMAND] ");
	assert_contains(text, "\n  --version ");
}

/* Expects the option at the beginning of a line, as "-c, --cpus N" or "--timeout SECONDS". */
static void assert_has_option(const char *text, const struct option *opt)
{
	char entry[64];

	if (opt->letter)
		snprintf(entry, sizeof(entry), "\n  -%c, --%s ", opt->letter, opt->name);
	else
		snprintf(entry, sizeof(entry), "\n      --%s ", opt->name);
	assert_contains(text, entry);
}

static void each_option_is_in_the_help_of_its_command(void **state)
{
	(void)state;
	for (const struct option *opt = option_table; opt->name; opt++) {
		if (option_is_for_command(opt, COMMAND_RUN))
			assert_has_option(help_text("run"), opt);
		else if (option_is_for_command(opt, COMMAND_DUMP))
			assert_has_option(help_text("dump"), opt);
		if (option_is_for_command(opt, COMMAND_PROBE))
			assert_has_option(help_text("probe"), opt);
	}
}

static void run_tells_defaults_statuses_and_keys(void **state)
{
	static const char *const said[] = {
		"(default 256M)",
		"(default 1)",
		"(default auto)",
		"(default exit)",
		"(default stdio)",
		"(default warn)",
		"(default 0x3fff0000)",
		"(default 0x3ffd0000)",
		"(default 128)",
		"auto|gicv3|gicv2|gicv2-user|apic",
		"exit|restart",
		"stdio|null",
		"--log LEVEL",
		"[boot]",
		"[machine]",
		"[console]",
		"\n    0  the guest powered off",
		"\n    1  ",
		"\n    2  usage or definition error",
		"\n   10  the guest asked for a reset",
		"\n   11  the guest panicked",
		"\n   12  the guest died",
		"\n  124  ",
		"\n  130  ",
		"\n  143  ",
		"Ctrl-A x ",
		"Ctrl-A h ",
		"Ctrl-A Ctrl-A ",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		assert_contains(help_text("run"), said[i]);
	assert_contains(help_text("run"), default_cmdline);
}

static char *read_doc(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 65536);
	size_t size;

	if (!file)
		fail_msg("%s: run this from the top of the source tree", path);
	assert_non_null(text);
	size = fread(text, 1, 65535, file);
	fclose(file);
	assert_true(size && size < 65535);
	return text;
}

/* The reference has a heading for each option, and the words that every message lists. */
static void each_option_is_in_the_reference(void **state)
{
	char *text = read_doc("docs/config.md");

	(void)state;
	for (const struct option *opt = option_table; opt->name; opt++) {
		char entry[64];

		if (opt->letter)
			snprintf(entry, sizeof(entry), "`-%c`, `--%s", opt->letter, opt->name);
		else
			snprintf(entry, sizeof(entry), "`--%s", opt->name);
		assert_contains(text, entry);
		if (opt->section) {
			snprintf(entry, sizeof(entry), "`[%s]`", opt->section);
			assert_contains(text, entry);
		}
		for (const struct option_choice *c = opt->choices; c && c->name; c++) {
			snprintf(entry, sizeof(entry), "`%s`", c->name);
			assert_contains(text, entry);
		}
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_fit_a_terminal),
		cmocka_unit_test(the_overview_lists_the_commands),
		cmocka_unit_test(each_option_is_in_the_help_of_its_command),
		cmocka_unit_test(run_tells_defaults_statuses_and_keys),
		cmocka_unit_test(each_option_is_in_the_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
