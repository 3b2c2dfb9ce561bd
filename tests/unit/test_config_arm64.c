// SPDX-License-Identifier: BSD-2-Clause
/* What options and definitions are like on aarch64 only: above all, where the GIC may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/config_rig.h"

/* Expects a run of "Image" with these options to be accepted or refused. */
#define TAKES(...)                                                    \
	do {                                                          \
		struct vm_config taken_ = RUN("/Image", __VA_ARGS__); \
		assert_survives_dump(&taken_);                        \
		config_finish(&taken_);                               \
	} while (0)
#define REFUSES(part, ...) REFUSE(part, "/Image", __VA_ARGS__)

static void the_platform_is_arm(void **state)
{
	(void)state;
	assert_int_equal(host_platform, PLATFORM_ARM);
}

static void every_gic_option_is_taken(void **state)
{
	struct vm_config cfg = RUN("/Image", "--irqchip=gicv3", "--gic-irqs", "256", "--gic-dist",
				   "0x3ff00000", "--gic-cpu", "0x3fe00000", "--gic-redist", "805306368",
				   "--its", "on", "--gic-its", "0x20000000", "--gic-v2m", "0x20001000");

	(void)state;
	assert_int_equal(cfg.irqchip, CHOOSE_GICV3);
	assert_int_equal(cfg.gic_irqs, 256);
	assert_int_equal(cfg.gic_dist, 0x3ff00000);
	assert_int_equal(cfg.gic_cpu, 0x3fe00000);
	assert_true(cfg.have_gic_redist);
	assert_int_equal(cfg.gic_redist, 0x30000000);
	assert_int_equal(cfg.its, ITS_ON);
	assert_int_equal(cfg.gic_its, 0x20000000);
	assert_int_equal(cfg.gic_v2m, 0x20001000);
	assert_survives_dump(&cfg);
	config_finish(&cfg);

	cfg = accept_text(
		"[machine]\nirqchip = gicv2\ngic-irqs = 96\ngic-dist = 0X3FF01000\ngic-cpu = 0x3fe01000\n");
	assert_int_equal(cfg.irqchip, CHOOSE_GICV2);
	assert_int_equal(cfg.gic_irqs, 96);
	assert_int_equal(cfg.gic_dist, 0x3ff01000);
	assert_int_equal(cfg.gic_cpu, 0x3fe01000);
	assert_false(cfg.have_gic_redist);
	config_finish(&cfg);
	REFUSES("--irqchip: \"apic\" does not exist on aarch64; allowed here is auto, gicv3, gicv2, gicv2-user",
		"--irqchip", "apic");
}

/* As many as there are slots: the last ones' lines are beyond those of the smallest GIC. */
static void each_device_has_a_line(void **state)
{
	char text[2048] = "[machine]\ngic-irqs = 64\n", path[64];
	int fd;

	(void)state;
	for (unsigned int i = 0; i < 32; i++)
		sprintf(text + strlen(text), "[disk d%u]\npath = p\n", i);
	fd = hold_bytes(text, strlen(text), path);
	refuse_args(COMMAND_RUN, ":2: gic-irqs: 64 is not allowed; virtio-mmio at 0x",
		    ARGS("-f", path, "/Image"));
	TAKES("-f", path, "--gic-irqs", "96");
	close(fd);
}

static void a_kernel_may_be_flat(void **state)
{
	struct vm_config cfg = RUN("/Image");

	(void)state;
	assert_int_equal(cfg.kernel_format, KERNEL_AUTO);
	assert_survives_dump(&cfg);
	config_finish(&cfg);
	cfg = RUN("/test.flat", "--kernel-format", "flat");
	assert_int_equal(cfg.kernel_format, KERNEL_FLAT);
	assert_survives_dump(&cfg);
	config_finish(&cfg);
	REFUSE("--kernel-format: \"elf\" is not allowed; allowed is auto, flat", "Image",
	       "--kernel-format=elf");
	REFUSE("--debug-exit: exists on x86-64 only", "Image", "--debug-exit", "0xf4");
	REFUSE("--test-device: exists on x86-64 only", "Image", "--test-device");
}

static void interrupts(void **state)
{
	static const char *const refused[] = { "0", "32", "63", "65", "80", "1025", "1056", "0x40", "-64" };

	(void)state;
	TAKES("--gic-irqs=64");
	TAKES("--gic-irqs=96");
	TAKES("--gic-irqs=1024");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		REFUSES("allowed is a whole number from 64 to 1024, a multiple of 32", "--gic-irqs",
			refused[i]);
}

static void addresses(void **state)
{
	static const char *const refused[] = {
		"",
		"0x",
		"x",
		"0x3fff000g",
		"3fff0000",
		"-0x1000",
		" 0x1000",
		"0x10000000000000000",
		"0x10000000000000",
		"0x1001",
		"0x3fff0800",
		"1G",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		char part[96];

		snprintf(part, sizeof(part),
			 "--gic-dist: \"%s\" is not allowed; allowed is an address such as 0x", refused[i]);
		REFUSES(part, "--irqchip=gicv2", "--gic-dist", refused[i]);
	}
}

static void cpus_of_each_gic(void **state)
{
	(void)state;
	TAKES("-c8", "--irqchip=gicv2");
	TAKES("-c8", "--irqchip=gicv2-user", "--gic-dist=0x3ff01000");
	TAKES("-c9", "--irqchip=gicv3");
	TAKES("-c9");
	TAKES("-c512", "--irqchip=gicv3");
	REFUSES("cpus: 9 is not allowed; a GICv2 serves 1 to 8", "-c9", "--irqchip=gicv2");
	REFUSES("cpus: 9 is not allowed; a GICv2 serves 1 to 8", "-c9", "--irqchip=gicv2-user");
	REFUSES("--cpus: \"513\" is not allowed; allowed is a whole number from 1 to 512", "-c513");
}

/* GICv2 wants 4 KiB, GICv3 64 KiB; auto may become either. */
static void alignment(void **state)
{
	(void)state;
	TAKES("--irqchip=gicv2", "--gic-dist=0x3ff01000");
	TAKES("--irqchip=gicv2", "--gic-cpu=0x3ff01000", "--gic-dist=0x3fe01000");
	REFUSES("gic-dist: 0x3ff01000 is not allowed; a GICv3 needs a multiple of 0x10000", "--irqchip=gicv3",
		"--gic-dist=0x3ff01000");
	REFUSES("gic-dist: 0x3ff01000 is not allowed; a GICv3 needs", "--gic-dist=0x3ff01000");
	REFUSES("--gic-cpu: \"0x3ff00800\" is not allowed", "--gic-cpu=0x3ff00800");
	REFUSES("--gic-redist: \"0x3ff01000\" is not allowed", "--gic-redist=0x3ff01000");
	TAKES("--gic-redist=0x3ff00000");
}

/* Distributor 64 KiB, CPU interface 128 KiB, devices from 1 GiB, RAM from 2 GiB. */
static void a_gicv2_overlaps_nothing(void **state)
{
	(void)state;
	TAKES("--irqchip=gicv2", "--gic-dist=0", "--gic-cpu=0x10000");
	TAKES("--irqchip=gicv2", "--gic-dist=0x3fff0000", "--gic-cpu=0x3ffd0000");
	REFUSES("gic-cpu: 0x3ffd1000 to 0x3fff0fff overlaps gic-dist, 0x3fff0000 to 0x3fffffff",
		"--irqchip=gicv2", "--gic-cpu=0x3ffd1000");
	REFUSES("gic-dist: 0x3fff1000 to 0x40000fff overlaps the devices, 0x40000000 to 0x7fffffff",
		"--irqchip=gicv2", "--gic-dist=0x3fff1000");
	REFUSES("gic-dist: 0x7fff0000 to 0x7fffffff overlaps the devices", "--irqchip=gicv2",
		"--gic-dist=0x7fff0000");
	REFUSES("gic-cpu: 0x80000000 to 0x8001ffff overlaps RAM, 0x80000000 to 0x8fffffff", "--irqchip=gicv2",
		"--gic-cpu=0x80000000");
	/* Just beyond RAM. */
	TAKES("--irqchip=gicv2", "--gic-cpu=0x90000000");
	REFUSES("overlaps RAM", "--irqchip=gicv2", "--gic-cpu=0x90000000", "-m", "257M");
	/* A GICv2 has no redistributors. */
	TAKES("--irqchip=gicv2", "--gic-redist=0x80000000");
	REFUSES("gic-dist: at 0xffffffffff000 its 0x10000 bytes end beyond", "--irqchip=gicv2",
		"--gic-dist=0xffffffffff000");
	TAKES("--irqchip=gicv2", "--gic-dist=0xffffffff0000");
}

/* Redistributors are 128 KiB for each CPU. */
static void a_gicv3_overlaps_nothing(void **state)
{
	(void)state;
	TAKES("--irqchip=gicv3", "-c4", "--gic-redist=0x3ff70000");
	REFUSES("gic-redist: 0x3ff80000 to 0x3fffffff overlaps gic-dist", "--irqchip=gicv3", "-c4",
		"--gic-redist=0x3ff80000");
	REFUSES("gic-redist: 0x7ffe0000 to 0x8001ffff overlaps RAM", "--irqchip=gicv3", "-c2",
		"--gic-redist=0x7ffe0000");
	REFUSES("gic-redist: 0x40000000 to 0x4001ffff overlaps the devices", "--irqchip=gicv3",
		"--gic-redist=0x40000000");
	REFUSES("gic-redist: at 0xfffffffff0000 its 0x20000 bytes end beyond the 52-bit", "--irqchip=gicv3",
		"--gic-redist=0xfffffffff0000");
	/* Above RAM there is room for the distributor, but not below it. */
	REFUSES("gic-redist (by default below gic-dist): 0x8ffe0000 to 0x8fffffff overlaps RAM",
		"--irqchip=gicv3", "--gic-dist=0x90000000");
	TAKES("--irqchip=gicv3", "--gic-dist=0x90020000");
	TAKES("--irqchip=gicv3", "--gic-dist=0x90000000", "--gic-redist=0x90010000");
	/* What does not fit below the distributor goes elsewhere by itself. */
	TAKES("--irqchip=gicv3", "--gic-dist=0");
	TAKES("--irqchip=gicv3", "--gic-dist=0x30000", "-c4");
	/* A GICv3 has no GICv2's CPU interface. */
	TAKES("--irqchip=gicv3", "--gic-cpu=0x80000000");
}

/* 128 KiB and a page. Only one of them is ever there. */
static void who_takes_msis_overlaps_nothing(void **state)
{
	(void)state;
	TAKES("--irqchip=gicv3", "--its=on", "-c512");
	TAKES("--irqchip=gicv3", "--its=on", "--gic-its=0x3ffb0000", "-c1");
	REFUSES("gic-its: 0x3ffc0000 to 0x3ffdffff overlaps gic-redist (by default below gic-dist), "
		"0x3ffd0000 to 0x3ffeffff",
		"--irqchip=gicv3", "--gic-its=0x3ffc0000");
	REFUSES("gic-its: 0x3fff0000 to 0x4000ffff overlaps the devices", "--its=on", "--gic-dist=0x10000000",
		"--gic-its=0x3fff0000");
	REFUSES("gic-its: 0x80000000 to 0x8001ffff overlaps RAM", "--gic-its=0x80000000");
	REFUSES("--gic-its: \"0x20001000\" is not allowed", "--gic-its=0x20001000");
	REFUSES("gic-its: at 0xfffffffff0000 its 0x20000 bytes end beyond", "--gic-its=0xfffffffff0000");
	TAKES("--its=off", "--gic-its=0x80000000");
	TAKES("--irqchip=gicv2", "--gic-its=0x80000000");

	REFUSES("gic-v2m: 0x3fff0000 to 0x3fff0fff overlaps gic-dist", "--its=off", "--gic-v2m=0x3fff0000");
	REFUSES("gic-v2m: 0x3ffd0000 to 0x3ffd0fff overlaps gic-cpu", "--irqchip=gicv2",
		"--gic-v2m=0x3ffd0000");
	REFUSES("gic-v2m: 0x40003000 to 0x40003fff overlaps the devices", "--gic-v2m=0x40003000");
	REFUSES("gic-v2m: 0x80000000 to 0x80000fff overlaps RAM", "--gic-v2m=0x80000000");
	REFUSES("--gic-v2m: \"0x20000800\" is not allowed", "--gic-v2m=0x20000800");
	TAKES("--irqchip=gicv3", "--its=on", "--gic-v2m=0x80000000");
	TAKES("--gic-v2m=0x3bfd0000");
}

static void only_a_gicv3_has_an_its(void **state)
{
	(void)state;
	TAKES("--irqchip=gicv3", "--its=on");
	TAKES("--its=on");
	TAKES("--irqchip=gicv2", "--its=auto");
	TAKES("--irqchip=gicv2", "--its=off");
	REFUSES("its: on is not allowed; only a GICv3 has an ITS: choose irqchip gicv3, or its off",
		"--irqchip=gicv2", "--its=on");
	REFUSES("--its: \"yes\" is not allowed; allowed is auto, on, off", "--its=yes");
}

static void auto_must_suit_both(void **state)
{
	(void)state;
	TAKES("--gic-dist=0x3fd00000");
	/* The CPU interface and the redistributors never are there together. */
	TAKES("--gic-cpu=0x3ffd0000", "--gic-redist=0x3ffd0000");
	REFUSES("gic-cpu: 0x80000000", "--gic-cpu=0x80000000");
	REFUSES("gic-redist: 0x80000000", "--gic-redist=0x80000000");
}

static void the_example_is_a_definition(void **state)
{
	struct vm_config cfg = RUN("-f", "configs/aarch64.conf"), defaults;

	(void)state;
	config_init(&defaults);
	assert_int_equal(cfg.cpus, 2);
	assert_int_equal(cfg.memory, 512 * MIB);
	assert_int_equal(cfg.irqchip, CHOOSE_AUTO);
	assert_int_equal(cfg.gic_irqs, defaults.gic_irqs);
	assert_int_equal(cfg.gic_dist, defaults.gic_dist);
	assert_int_equal(cfg.gic_cpu, defaults.gic_cpu);
	assert_false(cfg.have_gic_redist);
	assert_string_equal(cfg.kernel, "/vmlinuz");
	assert_survives_dump(&cfg);
	config_finish(&cfg);
	REFUSE("configs/x86_64.conf:7: key \"irqchip\": \"apic\" does not exist on aarch64", "-f",
	       "configs/x86_64.conf");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_platform_is_arm),
		cmocka_unit_test(every_gic_option_is_taken),
		cmocka_unit_test(each_device_has_a_line),
		cmocka_unit_test(a_kernel_may_be_flat),
		cmocka_unit_test(interrupts),
		cmocka_unit_test(addresses),
		cmocka_unit_test(cpus_of_each_gic),
		cmocka_unit_test(alignment),
		cmocka_unit_test(a_gicv2_overlaps_nothing),
		cmocka_unit_test(a_gicv3_overlaps_nothing),
		cmocka_unit_test(who_takes_msis_overlaps_nothing),
		cmocka_unit_test(only_a_gicv3_has_an_its),
		cmocka_unit_test(auto_must_suit_both),
		cmocka_unit_test(the_example_is_a_definition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
