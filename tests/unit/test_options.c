// SPDX-License-Identifier: BSD-2-Clause
/* The command line: how options are spelled, what values they take, what is refused and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/log.h"
#include "tests/unit/config_rig.h"
#include "vmm/options.h"

/* --- the table --- */

static bool is_section(const char *name)
{
	for (const char *const *section = section_names; *section; section++)
		if (!strcmp(*section, name))
			return true;
	return false;
}

static void table_is_consistent(void **state)
{
	(void)state;
	for (const struct option *opt = option_table; opt->name; opt++) {
		assert_ptr_equal(option_by_name(opt->name), opt);
		assert_true(strspn(opt->name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(opt->name));
		if (opt->letter)
			assert_ptr_equal(option_by_letter(opt->letter), opt);
		if (opt->section)
			assert_true(is_section(opt->section));
		assert_true(opt->commands);
		assert_true(opt->platforms);
		assert_non_null(opt->help);
		assert_true(strlen(opt->name) <= OPTION_NAME_MAX);
	}
}

/* --- spelling --- */

static void long_options_take_values_after_equals_or_as_the_next_argument(void **state)
{
	struct vm_config cfg = RUN("--kernel=bz=Image", "--cpus", "2", "--memory=1G");

	(void)state;
	assert_string_equal(cfg.kernel, "bz=Image");
	assert_int_equal(cfg.cpus, 2);
	assert_int_equal(cfg.memory, GIB);
	config_finish(&cfg);
}

static void short_options_take_values_joined_or_as_the_next_argument(void **state)
{
	struct vm_config cfg = RUN("-kvmlinuz", "-i", "initrd", "-c2", "-m", "1G", "-aquiet");

	(void)state;
	assert_string_equal(cfg.kernel, "vmlinuz");
	assert_string_equal(cfg.initrd, "initrd");
	assert_int_equal(cfg.cpus, 2);
	assert_int_equal(cfg.memory, GIB);
	assert_string_equal(cfg.append, "quiet");
	config_finish(&cfg);
}

static void every_option_of_run_is_taken(void **state)
{
	struct vm_config cfg = RUN("-k", "/k", "-i", "/i", "-a", "a", "--cmdline", "c", "-c", "2", "-m",
				   "64M", "--irqchip", "auto", "--timeout", "60", "--on-reboot", "restart",
				   "--console", "null", "--log", "debug", "--dry-run");

	(void)state;
	assert_string_equal(cfg.kernel, "/k");
	assert_string_equal(cfg.initrd, "/i");
	assert_string_equal(cfg.append, "a");
	assert_string_equal(cfg.cmdline, "c");
	assert_int_equal(cfg.cpus, 2);
	assert_int_equal(cfg.memory, 64 * MIB);
	assert_int_equal(cfg.irqchip, CHOOSE_AUTO);
	assert_int_equal(cfg.timeout, 60);
	assert_int_equal(cfg.on_reboot, ON_REBOOT_RESTART);
	assert_int_equal(cfg.console, CONSOLE_NULL);
	assert_string_equal(cfg.log, "debug");
	assert_true(cfg.dry_run);
	config_finish(&cfg);
}

static void defaults(void **state)
{
	struct vm_config cfg = RUN("vmlinuz");

	(void)state;
	assert_int_equal(cfg.cpus, 1);
	assert_int_equal(cfg.memory, 256 * MIB);
	assert_int_equal(cfg.irqchip, CHOOSE_AUTO);
	assert_int_equal(cfg.gic_irqs, 128);
	assert_int_equal(cfg.gic_dist, 0x3fff0000);
	assert_int_equal(cfg.gic_cpu, 0x3ffd0000);
	assert_int_equal(cfg.its, ITS_AUTO);
	assert_int_equal(cfg.gic_its, 0x3bfd0000);
	assert_int_equal(cfg.gic_v2m, 0x3bfc0000);
	assert_false(cfg.have_gic_redist);
	assert_int_equal(cfg.on_reboot, ON_REBOOT_EXIT);
	assert_int_equal(cfg.timeout, 0);
	assert_int_equal(cfg.stop_timeout, 90);
	assert_int_equal(cfg.console, CONSOLE_AUTO);
	assert_int_equal(config_console(&cfg), CONSOLE_SERIAL);
	assert_null(cfg.log);
	assert_null(cfg.initrd);
	assert_null(cfg.append);
	assert_null(cfg.cmdline);
	assert_false(cfg.dry_run || cfg.json || cfg.help);
	config_finish(&cfg);
}

static void double_dash_ends_the_options(void **state)
{
	struct vm_config cfg = RUN("-c2", "--", "--kernel");

	(void)state;
	assert_string_equal(cfg.kernel, "--kernel");
	config_finish(&cfg);
	cfg = RUN("--", "--");
	assert_string_equal(cfg.kernel, "--");
	config_finish(&cfg);
	REFUSE("no kernel", "--");
}

static void a_dash_alone_is_an_argument(void **state)
{
	struct vm_config cfg = RUN("-");

	(void)state;
	assert_string_equal(cfg.kernel, "-");
	config_finish(&cfg);
}

static void a_value_may_look_like_an_option(void **state)
{
	struct vm_config cfg = RUN("vmlinuz", "--append", "-- --verbose", "--cmdline=--");

	(void)state;
	assert_string_equal(cfg.append, "-- --verbose");
	assert_string_equal(cfg.cmdline, "--");
	config_finish(&cfg);
}

static void abbreviations_are_refused_with_a_hint(void **state)
{
	(void)state;
	REFUSE("unknown option \"--mem\"; did you mean --memory?", "vmlinuz", "--mem", "1G");
	REFUSE("did you mean --append?", "vmlinuz", "--app=x");
}

static void unknown_options_name_the_nearest(void **state)
{
	(void)state;
	REFUSE("did you mean --memory?", "vmlinuz", "--memroy", "1G");
	REFUSE("did you mean --memory?", "vmlinuz", "--Memory=1G");
	REFUSE("did you mean --cpus?", "vmlinuz", "--cpu", "2");
	REFUSE("did you mean --dry-run?", "vmlinuz", "--dryrun");
	REFUSE("did you mean --on-reboot?", "vmlinuz", "--on_reboot", "exit");
	REFUSE("did you mean --timeout?", "vmlinuz", "--time-out=1");
	/* Nothing is near; nor is what this command or this machine does not have. */
	REFUSE("unknown option \"--frobnicate\"; \"vireo help run\" lists", "vmlinuz", "--frobnicate");
	REFUSE("unknown option \"--jso\"; \"vireo help run\" lists", "vmlinuz", "--jso");
	REFUSE("unknown option \"--\?\?=x\"", "vmlinuz", "--\x01\n=x");
	REFUSE("unknown option \"-z\"", "vmlinuz", "-z");
	REFUSE("unknown option \"-hc\"", "vmlinuz", "-hc");
	REFUSE("unknown option", "vmlinuz",
	       "--a-name-much-longer-than-any-option-could-reasonably-have-in-this-program");
}

static void an_option_of_another_command_is_said_to_be_one(void **state)
{
	(void)state;
	REFUSE("--json: is not an option of \"vireo run\" but of \"vireo probe\"", "vmlinuz", "--json");
	REFUSE("--output: is not an option of \"vireo run\" but of \"vireo dump\"", "vmlinuz", "-o", "x");
	refuse_args(COMMAND_PROBE, "--cpus", ARGS("--cpus", "2"));
	refuse_args(COMMAND_DUMP, "--json", ARGS("dtb", "--json"));
}

static void an_option_given_twice_is_refused(void **state)
{
	(void)state;
	REFUSE("--cpus: given twice", "vmlinuz", "-c2", "--cpus", "2");
	REFUSE("--memory: given twice", "vmlinuz", "--memory=1G", "--memory=1G");
	REFUSE("--cmdline: given twice", "vmlinuz", "--cmdline=a", "--cmdline=b");
	REFUSE("--kernel: given twice", "vmlinuz", "-k", "other");
}

static void append_may_repeat_and_is_joined_by_blanks(void **state)
{
	struct vm_config cfg = RUN("vmlinuz", "-a", "quiet", "--append=a b", "-ac");

	(void)state;
	assert_string_equal(cfg.append, "quiet a b c");
	config_finish(&cfg);
	cfg = RUN("vmlinuz", "-a", "", "-a", "x", "-a", "");
	assert_string_equal(cfg.append, "x");
	config_finish(&cfg);
}

static void a_missing_value_is_named(void **state)
{
	(void)state;
	REFUSE("--cpus: needs a value: a whole number", "vmlinuz", "--cpus");
	REFUSE("--memory: needs a value: a size", "vmlinuz", "-m");
	REFUSE("--on-reboot: needs a value: exit, restart", "vmlinuz", "--on-reboot");
}

static void a_flag_takes_no_value(void **state)
{
	(void)state;
	REFUSE("--dry-run: takes no value, found \"yes\"", "vmlinuz", "--dry-run=yes");
}

static void one_argument_is_the_kernel_and_a_second_is_one_too_many(void **state)
{
	struct vm_config cfg = RUN("-c", "2", "vmlinuz", "-m1G");

	(void)state;
	assert_string_equal(cfg.kernel, "vmlinuz");
	config_finish(&cfg);
	REFUSE("\"second\": one argument too many", "first", "second");
	REFUSE("\"second\": one argument too many", "-k", "first", "second");
	REFUSE("no kernel", "-c", "2");
}

/* --- the other commands --- */

static void dump_says_what_then_takes_the_command_line_of_run(void **state)
{
	struct vm_config cfg = DUMP("dtb");

	(void)state;
	assert_int_equal(cfg.dump, DUMP_DTB);
	assert_null(cfg.kernel);
	assert_null(cfg.output);
	config_finish(&cfg);
	cfg = DUMP("-c2", "config", "vmlinuz", "-o", "file", "--dry-run");
	assert_int_equal(cfg.dump, DUMP_CONFIG);
	assert_string_equal(cfg.kernel, "vmlinuz");
	assert_string_equal(cfg.output, "file");
	assert_int_equal(cfg.cpus, 2);
	config_finish(&cfg);

	refuse_args(COMMAND_DUMP, "say what to dump: \"vireo dump dtb\" or \"vireo dump config\"",
		    ARGS("-c2"));
	refuse_args(COMMAND_DUMP, "\"vmlinuz\" cannot be dumped; allowed is dtb or config", ARGS("vmlinuz"));
	refuse_args(COMMAND_DUMP, "\"b\": one argument too many", ARGS("dtb", "a", "b"));
}

static void probe_takes_json_alone(void **state)
{
	struct vm_config cfg = accept_args(COMMAND_PROBE, ARGS("--json"));

	(void)state;
	assert_true(cfg.json);
	config_finish(&cfg);
	cfg = accept_args(COMMAND_PROBE, (const char *const[]){ NULL });
	assert_false(cfg.json);
	config_finish(&cfg);
	refuse_args(COMMAND_PROBE, "\"x\": \"vireo probe\" takes no argument", ARGS("x"));
}

static void help_ends_the_command_line(void **state)
{
	struct vm_config cfg = RUN("--help");

	(void)state;
	assert_true(cfg.help);
	config_finish(&cfg);
	cfg = RUN("-c", "0", "-f", "/no/such/file", "-h", "--frobnicate");
	assert_true(cfg.help);
	config_finish(&cfg);
	cfg = DUMP("-h");
	assert_true(cfg.help);
	config_finish(&cfg);
	cfg = accept_args(COMMAND_PROBE, ARGS("-h"));
	assert_true(cfg.help);
	config_finish(&cfg);
	/* A value or an argument is no option. */
	cfg = RUN("-a", "-h", "--", "-h");
	assert_false(cfg.help);
	assert_string_equal(cfg.kernel, "-h");
	config_finish(&cfg);
}

/* --- values --- */

static uint64_t memory_of(const char *size)
{
	struct vm_config cfg = RUN("vmlinuz", "-m", size);
	uint64_t memory = cfg.memory;

	config_finish(&cfg);
	return memory;
}

static void sizes(void **state)
{
	static const char *const refused[] = {
		"",
		"0",
		"15M",
		"16383K",
		"5T",
		"4097G",
		"256MB",
		"256MiB",
		"1.5G",
		"-1",
		"+256",
		" 256M",
		"256M ",
		"256 M",
		"0x100M",
		"1e3",
		"M",
		"G2",
		"256MM",
		"256B",
		"262145K",
		"65539K",
		"18446744073709551616",
		"18014398509481984K",
		"17592186044416M",
		"99999999999999999999999999G",
	};

	(void)state;
	assert_int_equal(memory_of("256M"), 256 * MIB);
	assert_int_equal(memory_of("512m"), 512 * MIB);
	assert_int_equal(memory_of("2G"), 2 * GIB);
	assert_int_equal(memory_of("2g"), 2 * GIB);
	assert_int_equal(memory_of("65540K"), 64 * MIB + 4096);
	assert_int_equal(memory_of("16384k"), 16 * MIB);
	assert_int_equal(memory_of("4T"), 4096 * GIB);
	assert_int_equal(memory_of("4t"), 4096 * GIB);
	/* A number alone is in MiB. */
	assert_int_equal(memory_of("16"), 16 * MIB);
	assert_int_equal(memory_of("1024"), GIB);
	assert_int_equal(memory_of("0256M"), 256 * MIB);

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		char part[64];

		snprintf(part, sizeof(part), "--memory: \"%s\" is not allowed; allowed is a size",
			 refused[i]);
		REFUSE(part, "vmlinuz", "-m", refused[i]);
	}
	REFUSE("from 16M to 4T, a multiple of 4K", "vmlinuz", "-m", "1");
}

static void numbers(void **state)
{
	static const char *const refused[] = {
		"",   "-1",  "+1",  "5x",         "x",          " 5",
		"5 ", "0x5", "1.0", "2147483648", "4294967297", "18446744073709551617",
	};
	struct vm_config cfg = RUN("vmlinuz", "--timeout", "2147483647");

	(void)state;
	assert_int_equal(cfg.timeout, 2147483647);
	config_finish(&cfg);
	cfg = RUN("vmlinuz", "--timeout", "0");
	assert_int_equal(cfg.timeout, 0);
	config_finish(&cfg);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		char part[96];

		snprintf(part, sizeof(part),
			 "--timeout: \"%s\" is not allowed; allowed is a whole number from 0 to 2147483647",
			 refused[i]);
		REFUSE(part, "vmlinuz", "--timeout", refused[i]);
	}
}

static void cpus_are_at_least_one(void **state)
{
	(void)state;
	REFUSE("--cpus: \"0\" is not allowed; allowed is a whole number from 1 to", "vmlinuz", "-c", "0");
	REFUSE("--cpus: \"9999\" is not allowed; allowed is a whole number from 1 to", "vmlinuz", "-c",
	       "9999");
}

static void choices(void **state)
{
	struct vm_config cfg = RUN("vmlinuz", "--log-format=json", "--log=info,net=debug");

	(void)state;
	assert_int_equal(cfg.log_format, LOG_JSON);
	assert_string_equal(cfg.log, "info,net=debug");
	config_finish(&cfg);
	REFUSE("--log: \"loud\" is not allowed; allowed is LEVEL[,AREA=LEVEL]... with the levels error, warn, info, "
	       "debug and the areas boot, console,",
	       "vmlinuz", "--log", "loud");
	REFUSE("--log-format: \"xml\" is not allowed; allowed is text, json", "vmlinuz", "--log-format",
	       "xml");
	REFUSE("--console: \"\" is not allowed; allowed is auto, serial, virtio, both, null", "vmlinuz",
	       "--console=");
	REFUSE("--on-reboot: \"Exit\" is not allowed; allowed is exit, restart", "vmlinuz", "--on-reboot",
	       "Exit");
	REFUSE("--irqchip: \"gic\" is not allowed; allowed is auto", "vmlinuz", "--irqchip", "gic");
}

static void texts_and_file_names_stay_one_line(void **state)
{
	char longest[4097];

	(void)state;
	REFUSE("--kernel: \"\" is not allowed; allowed is the name of a file", "-k", "");
	REFUSE("--kernel: \"a?b\" is not allowed", "a\nb");
	REFUSE("--append: \"a?b\" is not allowed", "vmlinuz", "-a",
	       "a\x1b"
	       "b");
	memset(longest, 'x', 4096);
	longest[4096] = '\0';
	REFUSE("at most 4095 bytes", "vmlinuz", "-a", longest);
	REFUSE("at most 4095 bytes", longest);
	REFUSE("at most 4095 bytes", "vmlinuz", "-a", longest + 1, "-a", "y");
	longest[4095] = '\0';
	struct vm_config cfg = RUN("vm\xc3\xa4linuz", "-a", longest);

	assert_string_equal(cfg.append, longest);
	assert_string_equal(cfg.kernel, "vm\xc3\xa4linuz");
	config_finish(&cfg);
}

/* --- the kernel's command line --- */

static void expect_cmdline(struct vm_config cfg, const char *expected)
{
	char *cmdline = config_cmdline(&cfg);

	assert_string_equal(cmdline, expected);
	free(cmdline);
	config_finish(&cfg);
}

static void append_adds_and_cmdline_replaces(void **state)
{
	(void)state;
	expect_cmdline(RUN("vmlinuz"), "console=ttyS0");
	expect_cmdline(RUN("vmlinuz", "--console=virtio"), "console=hvc0");
	expect_cmdline(RUN("vmlinuz", "--console=both", "-a", "quiet"), "console=ttyS0 console=hvc0 quiet");
	expect_cmdline(RUN("vmlinuz", "--console=null"), "console=ttyS0");
	expect_cmdline(RUN("vmlinuz", "--console=virtio", "--cmdline", "quiet"), "quiet");
	expect_cmdline(RUN("vmlinuz", "-a", "quiet"), "console=ttyS0 quiet");
	expect_cmdline(RUN("vmlinuz", "-a", ""), "console=ttyS0");
	expect_cmdline(RUN("vmlinuz", "--cmdline", "root=/dev/vda"), "root=/dev/vda");
	expect_cmdline(RUN("vmlinuz", "--cmdline", ""), "");
	expect_cmdline(RUN("vmlinuz", "--cmdline", "", "-a", "x"), "x");
	/* Whatever their order. */
	expect_cmdline(RUN("vmlinuz", "-a", "x", "--cmdline", "a b", "-a", "y"), "a b x y");
}

/* --- rubbish --- */

static const char *const vocabulary[] = {
	"run",
	"dtb",
	"config",
	"vmlinuz",
	"-",
	"--",
	"-k",
	"-i",
	"-a",
	"-c",
	"-m",
	"-o",
	"-h",
	"-c2",
	"-m1G",
	"--kernel",
	"--kernel=",
	"--cpus",
	"--cpus=3",
	"--memory",
	"--memory=64M",
	"--irqchip",
	"--irqchip=auto",
	"--gic-irqs",
	"--gic-dist=0x1000",
	"--timeout",
	"--timeout=5",
	"--on-reboot=exit",
	"--console=null",
	"--log",
	"--log=info",
	"--dry-run",
	"--json",
	"--append=quiet",
	"--cmdline",
	"--help=",
	"--output=x",
	"0",
	"1",
	"256M",
	"auto",
	"",
	"=",
	"--=",
	"---",
	"0x10000",
	"\x7f",
	"\xff\xfe",
};

/* One argument: a word, a word with a byte changed, or bytes. */
static void make_argument(struct rubbish *r, char arg[32])
{
	uint32_t kind = rubbish_below(r, 8);
	size_t len;

	snprintf(arg, 32, "%s", vocabulary[rubbish_below(r, sizeof(vocabulary) / sizeof(vocabulary[0]))]);
	len = strlen(arg);
	if (kind == 0 && len)
		arg[rubbish_below(r, (uint32_t)len)] = (char)(1 + rubbish_below(r, 255));
	if (kind == 1) {
		len = rubbish_below(r, 31);
		for (size_t i = 0; i < len; i++)
			arg[i] = (char)(1 + rubbish_below(r, 255));
		arg[len] = '\0';
	}
}

static void any_command_line_is_taken_or_refused_in_one_line(void **state)
{
	struct rubbish r = { .state = 0x5649524f454f5054 };
	struct tally t = { 0 };

	(void)state;
	for (int round = 0; round < 5000; round++) {
		char arg[8][32];
		const char *args[9] = { NULL };
		struct vm_config cfg;
		struct err err;
		uint32_t count = rubbish_below(&r, 9);

		for (uint32_t i = 0; i < count; i++) {
			make_argument(&r, arg[i]);
			args[i] = arg[i];
		}
		tally(&t, parse_args(&cfg, (enum config_command)rubbish_below(&r, 3), args, &err), &err);
		config_finish(&cfg);
	}
	assert_many_of_both(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_consistent),
		cmocka_unit_test(long_options_take_values_after_equals_or_as_the_next_argument),
		cmocka_unit_test(short_options_take_values_joined_or_as_the_next_argument),
		cmocka_unit_test(every_option_of_run_is_taken),
		cmocka_unit_test(defaults),
		cmocka_unit_test(double_dash_ends_the_options),
		cmocka_unit_test(a_dash_alone_is_an_argument),
		cmocka_unit_test(a_value_may_look_like_an_option),
		cmocka_unit_test(abbreviations_are_refused_with_a_hint),
		cmocka_unit_test(unknown_options_name_the_nearest),
		cmocka_unit_test(an_option_of_another_command_is_said_to_be_one),
		cmocka_unit_test(an_option_given_twice_is_refused),
		cmocka_unit_test(append_may_repeat_and_is_joined_by_blanks),
		cmocka_unit_test(a_missing_value_is_named),
		cmocka_unit_test(a_flag_takes_no_value),
		cmocka_unit_test(one_argument_is_the_kernel_and_a_second_is_one_too_many),
		cmocka_unit_test(dump_says_what_then_takes_the_command_line_of_run),
		cmocka_unit_test(probe_takes_json_alone),
		cmocka_unit_test(help_ends_the_command_line),
		cmocka_unit_test(sizes),
		cmocka_unit_test(numbers),
		cmocka_unit_test(cpus_are_at_least_one),
		cmocka_unit_test(choices),
		cmocka_unit_test(texts_and_file_names_stay_one_line),
		cmocka_unit_test(append_adds_and_cmdline_replaces),
		cmocka_unit_test(any_command_line_is_taken_or_refused_in_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
