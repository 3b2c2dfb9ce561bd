// SPDX-License-Identifier: BSD-2-Clause
/* The help, and that it and docs/config.md leave out no option. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/config_rig.h"
#include "vmm/control_commands.h"
#include "vmm/options.h"

static const char *const topics[] = { NULL,    "run",   "smoke", "exec", "dump",
				      "check", "probe", "ps",    "ctl",  "help" };

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
	assert_contains(text, "\n  smoke [OPTIONS] [KERNEL] ");
	assert_contains(text, "\n  exec [OPTIONS] -- COMMAND... ");
	assert_contains(text, "\n  dump dtb|config [OPTIONS] ");
	assert_contains(text, "\n  check FILE... ");
	assert_contains(text, "\n  probe [--json] ");
	assert_contains(text, "\n  ps [--json] ");
	assert_contains(text, "\n  ctl NAME|PATH COMMAND [ARG...] ");
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
		else if (option_is_for_command(opt, COMMAND_SMOKE))
			assert_has_option(help_text("smoke"), opt);
		if (option_is_for_command(opt, COMMAND_EXEC) && !option_is_for_command(opt, COMMAND_RUN))
			assert_has_option(help_text("exec"), opt);
		if (option_is_for_command(opt, COMMAND_PROBE))
			assert_has_option(help_text("probe"), opt);
		if (option_is_for_command(opt, COMMAND_PS))
			assert_has_option(help_text("ps"), opt);
		if (option_is_for_command(opt, COMMAND_CTL))
			assert_has_option(help_text("ctl"), opt);
	}
}

static void run_tells_defaults_statuses_and_keys(void **state)
{
	static const char *const said[] = {
		"(default 256M)",
		"(default 1)",
		"(default auto)",
		"(default exit)",
		"(default auto)",
		"(default text)",
		"(default 0x3fff0000)",
		"(default 0x3ffd0000)",
		"(default 128)",
		"auto|gicv3|gicv2|gicv2-user|apic",
		"exit|restart",
		"auto|serial|virtio|both|null",
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
	assert_contains(help_text("run"), "console=ttyS0");
}

#define DOC_SIZE (256 << 10)

/* The reference has a heading for each option, and the words that every message lists. */
static char *read_doc(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, DOC_SIZE);
	size_t size;

	if (!file)
		fail_msg("%s: run this from the top of the source tree", path);
	assert_non_null(text);
	size = fread(text, 1, DOC_SIZE - 1, file);
	fclose(file);
	assert_true(size && size < DOC_SIZE - 1);
	return text;
}

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

static void each_command_of_ctl_is_in_its_help_and_the_documentation(void **state)
{
	char *text = read_doc("docs/control.md");

	(void)state;
	for (const struct control_command *command = control_commands; command->name; command++) {
		char entry[96];

		snprintf(entry, sizeof(entry), "\n  %s ", control_usage(command).text);
		assert_contains(help_text("ctl"), entry);
		snprintf(entry, sizeof(entry), "`%s", command->name);
		assert_contains(text, entry);
		for (const struct control_argument *arg = command->argument; arg->name; arg++) {
			snprintf(entry, sizeof(entry), "`%s`", arg->name);
			assert_contains(text, entry);
		}
	}
	free(text);
}

/* The part of the reference under a kind's heading, "### `[disk ID]`", cut off from the rest. */
static char *part_of(char *text, const struct device_kind *kind)
{
	char heading[64], *part, *end;

	snprintf(heading, sizeof(heading), "\n### `[%s%s]`\n", kind->name, kind->single ? "" : " ID");
	assert_contains(text, heading);
	part = strdup(strstr(text, heading) + 1);
	assert_non_null(part);
	end = strstr(part, "\n#");
	if (end)
		*end = '\0';
	return part;
}

static void each_kind_of_devices_is_in_the_reference(void **state)
{
	char *text = read_doc("docs/config.md");

	(void)state;
	for (const struct device_kind *const *kind = device_kinds; *kind; kind++) {
		char *part = part_of(text, *kind), entry[64];

		snprintf(entry, sizeof(entry), "`--%s", (*kind)->name);
		assert_contains(part, entry);
		for (const struct option *key = (*kind)->keys; key->name; key++) {
			snprintf(entry, sizeof(entry), "\n| `%s`", key->name);
			assert_contains(part, entry);
			for (const struct option_choice *c = key->choices; c && c->name; c++) {
				snprintf(entry, sizeof(entry), "`%s`", c->name);
				assert_contains(part, entry);
			}
		}
		free(part);
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
		cmocka_unit_test(each_command_of_ctl_is_in_its_help_and_the_documentation),
		cmocka_unit_test(each_option_is_in_the_reference),
		cmocka_unit_test(each_kind_of_devices_is_in_the_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
