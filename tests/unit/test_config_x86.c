// SPDX-License-Identifier: BSD-2-Clause
/* What options and definitions are like on x86-64 only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/config_rig.h"

static void the_platform_is_a_pc(void **state)
{
	(void)state;
	assert_int_equal(host_platform, PLATFORM_PC);
}

static void at_most_1024_cpus(void **state)
{
	struct vm_config cfg = RUN("vmlinuz", "-c1024");

	(void)state;
	assert_int_equal(cfg.cpus, 1024);
	config_finish(&cfg);
	REFUSE("--cpus: \"1025\" is not allowed; allowed is a whole number from 1 to 1024", "vmlinuz",
	       "-c1025");
}

static void the_interrupt_controller_is_an_apic(void **state)
{
	struct vm_config cfg = RUN("/vmlinuz", "--irqchip", "apic");

	(void)state;
	assert_int_equal(cfg.irqchip, CHOOSE_APIC);
	assert_survives_dump(&cfg);
	config_finish(&cfg);
	REFUSE("--irqchip: \"gicv3\" does not exist on x86-64; allowed here is auto, apic", "vmlinuz",
	       "--irqchip", "gicv3");
	REFUSE("--irqchip: \"gicv2\" does not exist on x86-64; allowed here is auto, apic", "vmlinuz",
	       "--irqchip=gicv2");
	refuse_text("[machine]\nirqchip = gicv3\n", 2,
		    "key \"irqchip\": \"gicv3\" does not exist on x86-64; allowed here is auto, apic");
}

static void one_to_eight_ioapics(void **state)
{
	struct vm_config cfg = RUN("/vmlinuz", "--ioapics", "8");

	(void)state;
	assert_int_equal(cfg.ioapics, 8);
	assert_survives_dump(&cfg);
	config_finish(&cfg);
	REFUSE("--ioapics: \"0\" is not allowed; allowed is a whole number from 1 to 8", "vmlinuz",
	       "--ioapics", "0");
	REFUSE("--ioapics: \"9\" is not allowed", "vmlinuz", "--ioapics=9");
}

static void a_debug_exit_is_at_a_port(void **state)
{
	struct vm_config cfg = RUN("/vmlinuz");

	(void)state;
	assert_false(cfg.have_debug_exit);
	assert_survives_dump(&cfg);
	config_finish(&cfg);
	cfg = RUN("/vmlinuz", "--debug-exit", "0xf4");
	assert_true(cfg.have_debug_exit);
	assert_int_equal(cfg.debug_exit, 0xf4);
	assert_survives_dump(&cfg);
	config_finish(&cfg);
	cfg = RUN("/vmlinuz", "--debug-exit=65532"); /* the last four ports */
	assert_int_equal(cfg.debug_exit, 0xfffc);
	config_finish(&cfg);
	REFUSE("--debug-exit: \"0xfffd\" is not allowed; allowed is a port such as 0xf4, from 0 to 0xfffc",
	       "vmlinuz", "--debug-exit", "0xfffd");
	REFUSE("--debug-exit: \"f4\" is not allowed", "vmlinuz", "--debug-exit", "f4");
	REFUSE("--debug-exit", "vmlinuz", "--debug-exit");
	REFUSE("debug-exit: port 0x3f8 to 0x3fb overlaps serial", "vmlinuz", "--debug-exit", "0x3f8");
	REFUSE("debug-exit: port 0xe0 to 0xe3 overlaps test-scratch", "vmlinuz", "--test-device",
	       "--debug-exit", "0xe0");
}

static void found(const char *text)
{
	assert_true(is_one_line(text));
}

/* How many mistakes does vireo check find, and has it those that run names with FILE:LINE? */
static void check_finds(const char *text, unsigned int count, const char *part)
{
	struct mistakes m = { .found = found };
	struct vm_config cfg;
	struct err err;
	char path[64];
	int fd = hold_bytes(text, strlen(text), path);

	assert_int_equal(config_check_file(&cfg, path, &m, &err), 0);
	config_finish(&cfg);
	assert_int_equal(m.count, count);
	if (part)
		refuse_args(COMMAND_SMOKE, part, ARGS("-f", path, "-k", "k"));
	close(fd);
}

static void check_knows_the_machine(void **state)
{
	(void)state;
	check_finds("[machine]\ndebug-exit = 0x3f8\n", 1,
		    ":2: debug-exit: port 0x3f8 to 0x3fb overlaps serial");
	check_finds("[matrix]\ndebug-exit = 0xf4, 0x3f8, 0x3f9\n", 2, ":2: debug-exit: port 0x3f8");
	check_finds("[machine]\nirqchip = apic-kernel\nioapics = 2\n", 1,
		    ":2: irqchip: apic-kernel has 24 interrupt lines, and this machine 48");
	check_finds("[matrix]\nirqchip = apic, apic-kernel, apic-split\nioapics = 1, 2\n", 1,
		    ":2: irqchip: ");
	check_finds("[machine]\nirqchip = apic-kernel\ndebug-exit = 0xf4\n", 0, NULL);
}

static void the_test_device_is_on_or_off(void **state)
{
	struct vm_config cfg = RUN("/vmlinuz");

	(void)state;
	assert_false(cfg.test_device);
	assert_survives_dump(&cfg);
	config_finish(&cfg);
	cfg = RUN("/vmlinuz", "--test-device");
	assert_true(cfg.test_device);
	assert_survives_dump(&cfg);
	config_finish(&cfg);
	REFUSE("--test-device: takes no value", "vmlinuz", "--test-device=on");
	cfg = accept_text("[machine]\ntest-device = on\n");
	assert_true(cfg.test_device);
	config_finish(&cfg);
	cfg = accept_text("[machine]\ntest-device = off\n");
	assert_false(cfg.test_device);
	config_finish(&cfg);
	refuse_text("[machine]\ntest-device = yes\n", 2,
		    "key \"test-device\": \"yes\" is not allowed; allowed is on, off");
	refuse_text("[machine]\ntest-device =\n", 2, "has no value; allowed is on, off");
}

static void the_kernel_tells_its_format(void **state)
{
	(void)state;
	REFUSE("kernel-format", "vmlinuz", "--kernel-format", "flat");
}

static void gic_options_are_said_to_be_for_aarch64(void **state)
{
	static const char *const names[] = { "gic-irqs", "gic-dist", "gic-cpu", "gic-redist",
					     "its",      "gic-its",  "gic-v2m" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char option[32], text[64], part[96];

		snprintf(option, sizeof(option), "--%s", names[i]);
		snprintf(part, sizeof(part), "--%s: exists on aarch64 only; this vireo is for x86-64",
			 names[i]);
		REFUSE(part, "vmlinuz", option, "0x10000");

		snprintf(text, sizeof(text), "[machine]\n%s = 64\n", names[i]);
		snprintf(part, sizeof(part), "key \"%s\": exists on aarch64 only", names[i]);
		refuse_text(text, 2, part);
	}
}

static void a_dump_says_nothing_of_a_gic(void **state)
{
	struct vm_config cfg = RUN("/vmlinuz");
	struct err err;
	char *text = config_dump(&cfg, &err);

	(void)state;
	assert_non_null(text);
	assert_null(strstr(text, "gic"));
	free(text);
	config_finish(&cfg);
}

static void the_example_is_a_definition(void **state)
{
	struct vm_config cfg = RUN("-f", "configs/x86_64.conf");

	(void)state;
	assert_int_equal(cfg.cpus, 2);
	assert_int_equal(cfg.memory, 512 * MIB);
	assert_int_equal(cfg.irqchip, CHOOSE_APIC);
	assert_string_equal(cfg.kernel, "/vmlinuz");
	assert_string_equal(cfg.initrd, "/initrd.img");
	assert_string_equal(cfg.append, "quiet");
	assert_survives_dump(&cfg);
	config_finish(&cfg);
	/* That of the other architecture is refused for its first key that is not here. */
	REFUSE("configs/aarch64.conf:8: key \"gic-irqs\": exists on aarch64 only", "-f",
	       "configs/aarch64.conf");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_platform_is_a_pc),
		cmocka_unit_test(at_most_1024_cpus),
		cmocka_unit_test(the_interrupt_controller_is_an_apic),
		cmocka_unit_test(one_to_eight_ioapics),
		cmocka_unit_test(a_debug_exit_is_at_a_port),
		cmocka_unit_test(check_knows_the_machine),
		cmocka_unit_test(the_test_device_is_on_or_off),
		cmocka_unit_test(the_kernel_tells_its_format),
		cmocka_unit_test(gic_options_are_said_to_be_for_aarch64),
		cmocka_unit_test(a_dump_says_nothing_of_a_gic),
		cmocka_unit_test(the_example_is_a_definition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
