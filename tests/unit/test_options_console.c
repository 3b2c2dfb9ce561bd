// SPDX-License-Identifier: BSD-2-Clause
/* Where consoles are: --console, --serial, --hvc, and what the kernel's command line makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/config_rig.h"

/* What is on standard input and output, whether there is an hvc0, and where the rest is. */
static void consoles(void **state)
{
	static const char *const twice[] = { "both", "serial", "virtio" };
	struct vm_config cfg = RUN("vmlinuz", "--serial=socket=a/b", "--hvc", "pty", "--escape=^]",
				   "--console-log=log");

	(void)state;
	assert_string_equal(cfg.serial, "socket=a/b");
	assert_string_equal(cfg.hvc, "pty");
	assert_string_equal(cfg.escape, "^]");
	assert_string_equal(cfg.console_log, "log");
	assert_int_equal(config_console(&cfg), CONSOLE_NULL);
	assert_true(config_has_hvc(&cfg));
	config_finish(&cfg);
	cfg = RUN("vmlinuz", "--hvc=file=x");
	assert_int_equal(config_console(&cfg), CONSOLE_SERIAL);
	assert_true(config_has_hvc(&cfg));
	config_finish(&cfg);
	cfg = RUN("vmlinuz", "--console=null", "--serial=null");
	assert_int_equal(config_console(&cfg), CONSOLE_NULL);
	assert_false(config_has_hvc(&cfg));
	config_finish(&cfg);

	for (int i = 0; i < 2; i++)
		REFUSE("serial: the serial port is on standard input and output already; choose virtio or null",
		       "vmlinuz", "--serial=pty", "--console", twice[i]);
	for (int i = 0; i < 3; i += 2)
		REFUSE("hvc: hvc0 is on standard input and output already; choose serial or null", "vmlinuz",
		       "--hvc=pty", "--console", twice[i]);
	REFUSE("--serial: \"stdio\" is not allowed; allowed is pty, socket=PATH, file=PATH, null (--console says",
	       "vmlinuz", "--serial=stdio");
	REFUSE("--serial: \"file=\" is not allowed", "vmlinuz", "--serial=file=");
	REFUSE("--hvc: \"\" is not allowed", "vmlinuz", "--hvc=");
	REFUSE("--hvc: \"ptyx\" is not allowed", "vmlinuz", "--hvc=ptyx");
	REFUSE("--escape: \"^[\" is not allowed; allowed is ^ and a letter", "vmlinuz", "--escape=^[");
}

static void expect_cmdline(struct vm_config cfg, const char *expected)
{
	char *cmdline = config_cmdline(&cfg);

	assert_string_equal(cmdline, expected);
	free(cmdline);
	config_finish(&cfg);
}

/* Linux has the last one as /dev/console. */
static void the_default_command_line_names_consoles(void **state)
{
	(void)state;
	expect_cmdline(RUN("vmlinuz", "--serial=pty"), "console=ttyS0");
	expect_cmdline(RUN("vmlinuz", "--hvc=pty"), "console=hvc0 console=ttyS0");
	expect_cmdline(RUN("vmlinuz", "--hvc=null"), "console=ttyS0");
	expect_cmdline(RUN("vmlinuz", "--serial=pty", "--hvc=pty"), "console=ttyS0 console=hvc0");
	expect_cmdline(RUN("vmlinuz", "--console=virtio", "--serial=file=log"), "console=ttyS0 console=hvc0");
	expect_cmdline(RUN("vmlinuz", "--console=virtio", "--serial=null"), "console=hvc0");
	expect_cmdline(RUN("vmlinuz", "--console=null", "--hvc=socket=s"), "console=hvc0");
}

/* A path is relative to the definition file; a dump means the same from anywhere. */
static void places_in_a_definition(void **state)
{
	struct vm_config cfg = accept_text("[console]\nserial = socket=a.sock\nhvc = \"file=/b c\"\n"
					   "console-log = log\nescape = ^]\n");
	struct vm_config again;
	struct err err;
	char *text;

	(void)state;
	/* The file of a test is one of /proc/self/fd. */
	assert_string_equal(cfg.serial, "socket=/proc/self/fd/a.sock");
	assert_string_equal(cfg.hvc, "file=/b c");
	assert_string_equal(cfg.console_log, "/proc/self/fd/log");
	config_finish(&cfg);

	cfg = RUN("/vmlinuz", "--serial=socket=a.sock", "--hvc=pty", "--console-log=log", "--escape=none");
	text = config_dump(&cfg, &err);
	assert_non_null(text);
	again = accept_text(text);
	free(text);
	text = getcwd(NULL, 0);
	assert_non_null(text);
	assert_memory_equal(again.serial, "socket=/", 8);
	assert_memory_equal(again.serial + 7, text, strlen(text));
	assert_string_equal(again.serial + 7 + strlen(text), "/a.sock");
	assert_string_equal(again.hvc, "pty");
	assert_string_equal(again.escape, "none");
	free(text);
	assert_int_equal(config_console(&again), CONSOLE_NULL);
	config_finish(&again);
	config_finish(&cfg);
	refuse_text("[console]\nserial = stdio\n", 2, "allowed is pty, socket=PATH, file=PATH, null");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(consoles),
		cmocka_unit_test(the_default_command_line_names_consoles),
		cmocka_unit_test(places_in_a_definition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
