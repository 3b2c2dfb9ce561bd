// SPDX-License-Identifier: BSD-2-Clause
/* The device tree, parsed back with libfdt and compared with the machine it was made from. */
#include "tests/unit/fdt_rig.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- both platforms --- */

static void root_node(void **state)
{
	struct machine machines[] = { make_pc(1, 256 * MIB), make_gicv3(1), make_gicv2(1) };

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		void *fdt = build(&machines[i]);
		int len;

		has_cells(fdt, "/", "#address-cells", 1, 2);
		has_cells(fdt, "/", "#size-cells", 1, 2);
		prop(fdt, "/", "model", &len);
		prop(fdt, "/", "compatible", &len);
		assert_int_equal(fdt_num_mem_rsv(fdt), 0);
		free(fdt);
	}
}

/* The root's interrupt-parent is the one interrupt controller. */
static void interrupt_parent(void **state)
{
	struct machine machines[] = { make_pc(1, 256 * MIB), make_gicv3(1), make_gicv2(1) };
	const char *const controller[] = { "/interrupt-controller@fec00000", "/interrupt-controller@3fff0000",
					   "/interrupt-controller@3fff0000" };

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		void *fdt = build(&machines[i]);
		int len;
		const fdt32_t *parent = prop(fdt, "/", "interrupt-parent", &len);

		assert_int_equal(len, 4);
		assert_int_equal(fdt_node_offset_by_phandle(fdt, fdt32_to_cpu(*parent)),
				 node(fdt, controller[i]));
		has_flag(fdt, controller[i], "interrupt-controller");
		free(fdt);
	}
}

static void chosen(void **state)
{
	struct machine machines[] = { make_pc(1, 256 * MIB), make_gicv3(1) };

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		void *fdt = build(&machines[i]);
		int len;

		has_string(fdt, "/chosen", "bootargs", "console=ttyS0 quiet");
		has_not(fdt, "/chosen", "linux,initrd-start");
		has_not(fdt, "/chosen", "linux,initrd-end");
		has_not(fdt, "/chosen", "rng-seed");
		has_not(fdt, "/chosen", "kaslr-seed");
		/* The console's node exists and is a 16550A. */
		assert_int_equal(
			fdt_node_check_compatible(fdt, node(fdt, prop(fdt, "/chosen", "stdout-path", &len)),
						  "ns16550a"),
			0);
		free(fdt);

		machines[i].cmdline = NULL;
		machines[i].initrd = (struct machine_range){ 0x180000000, 0x12345 };
		fdt = build(&machines[i]);
		has_not(fdt, "/chosen", "bootargs");
		has_u64(fdt, "/chosen", "linux,initrd-start", 0x180000000);
		has_u64(fdt, "/chosen", "linux,initrd-end", 0x180012345);
		free(fdt);
	}
}

static void seeds_on_arm_only(void **state)
{
	struct machine pc = make_pc(1, 256 * MIB), arm = make_gicv3(1);
	const void *seed;
	void *fdt;
	int len;

	(void)state;
	arm.have_seeds = pc.have_seeds = true;
	arm.kaslr_seed = 0x0123456789abcdef;
	for (uint8_t i = 0; i < 32; i++)
		arm.rng_seed[i] = (uint8_t)(i * 7 + 1);
	fdt = build(&arm);
	seed = prop(fdt, "/chosen", "rng-seed", &len);
	assert_int_equal(len, 32);
	assert_memory_equal(seed, arm.rng_seed, 32);
	has_u64(fdt, "/chosen", "kaslr-seed", 0x0123456789abcdef);
	free(fdt);

	fdt = build(&pc);
	has_not(fdt, "/chosen", "rng-seed");
	has_not(fdt, "/chosen", "kaslr-seed");
	free(fdt);
}

static void long_command_lines(void **state)
{
	static const size_t lengths[] = { 2047, 16 << 10, 100 << 10, 1 << 20 };
	struct machine m = make_gicv3(1);

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		char *cmdline = calloc(1, lengths[i] + 1);
		void *fdt;

		assert_non_null(cmdline);
		memset(cmdline, 'x', lengths[i]);
		m.cmdline = cmdline;
		fdt = build(&m);
		has_string(fdt, "/chosen", "bootargs", cmdline);
		free(fdt);
		free(cmdline);
	}
}

/* arm64 takes no device tree over 2 MiB. */
static void too_long_a_command_line(void **state)
{
	struct machine m = make_gicv3(1);
	size_t len = 2 << 20;
	char *cmdline = calloc(1, len + 1);
	struct err err;
	size_t size;
	void *fdt;

	(void)state;
	assert_non_null(cmdline);
	memset(cmdline, 'x', len);
	m.cmdline = cmdline;
	assert_int_equal(fdt_build(&m, &fdt, &size, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_USER);
	assert_non_null(strstr(err.text, "bootargs"));
	assert_non_null(strstr(err.text, "2M"));
	free(cmdline);
}

static void memory(void **state)
{
	struct machine arm = make_gicv3(1);
	struct machine pc = make_pc(1, 5ULL << 30);
	void *fdt;

	(void)state;
	fdt = build(&arm);
	has_string(fdt, "/memory@80000000", "device_type", "memory");
	has_cells(fdt, "/memory@80000000", "reg", 4, 0, 0x80000000, 0, 0x10000000);
	free(fdt);

	fdt = build(&pc);
	has_string(fdt, "/memory@0", "device_type", "memory");
	has_cells(fdt, "/memory@0", "reg", 8, 0, 0, 0, 0xc0000000, 1, 0, 0, 0x80000000);
	free(fdt);
}

/* --- devices --- */

static void check_props(const void *fdt, const char *path, const struct device_class *class)
{
	for (const struct device_prop *p = class->props; p && p->name; p++) {
		const fdt32_t *clock;
		char clock_path[64];
		int len, offset;

		switch (p->kind) {
		case PROP_U32:
			has_cells(fdt, path, p->name, 1, p->value);
			break;
		case PROP_STRING:
			has_string(fdt, path, p->name, p->text);
			break;
		case PROP_FLAG:
			has_flag(fdt, path, p->name);
			break;
		case PROP_CLOCK:
			has_string(fdt, path, "clock-names", p->text);
			clock = prop(fdt, path, "clocks", &len);
			assert_int_equal(len, 4);
			offset = fdt_node_offset_by_phandle(fdt, fdt32_to_cpu(*clock));
			assert_true(offset >= 0);
			assert_int_equal(fdt_get_path(fdt, offset, clock_path, sizeof(clock_path)), 0);
			has_string(fdt, clock_path, "compatible", "fixed-clock");
			has_cells(fdt, clock_path, "#clock-cells", 1, 0);
			has_cells(fdt, clock_path, "clock-frequency", 1, p->value);
			break;
		case PROP_POWER: /* a_power_key() */
			break;
		}
	}
}

static void check_compatible(const void *fdt, const char *path, const char *list)
{
	int len, used = 0;
	const char *value = prop(fdt, path, "compatible", &len);

	for (const char *c = list; *c; c += strlen(c) + 1) {
		assert_true(used < len);
		assert_string_equal(value + used, c);
		used += (int)strlen(c) + 1;
	}
	assert_int_equal(used, len);
}

/* Every device with a compatible has a node that says its address, interrupt and identity. */
static void check_devices(const struct machine *m)
{
	void *fdt = build(m);

	for (unsigned int i = 0; i < m->nr_devices; i++) {
		const struct machine_device *dev = &m->device[i];
		char path[96];

		snprintf(path, sizeof(path), dev->space == SPACE_PIO ? "/isa@i0/%s@i%llx" : "/%s@%llx",
			 dev->class->name, (unsigned long long)dev->base);
		if (!dev->class->compatible) {
			assert_true(fdt_path_offset(fdt, path) < 0);
			continue;
		}
		check_compatible(fdt, path, dev->class->compatible);
		if (dev->space == SPACE_PIO)
			has_cells(fdt, path, "reg", 3, 1, (unsigned int)dev->base, (unsigned int)dev->size);
		else
			has_cells(fdt, path, "reg", 4, 0, (unsigned int)dev->base, 0,
				  (unsigned int)dev->size);
		if (dev->line == NO_LINE)
			has_not(fdt, path, "interrupts");
		else if (m->platform == PLATFORM_PC) /* active high in both: rising edge, or level */
			has_cells(fdt, path, "interrupts", 2, dev->line, dev->class->edge ? 3 : 1);
		else
			has_cells(fdt, path, "interrupts", 3, 0, dev->line, dev->class->edge ? 1 : 4);
		check_props(fdt, path, dev->class);
	}
	assert_int_equal(count_compatible(fdt, "virtio,mmio"), 8);
	assert_int_equal(count_compatible(fdt, "ns16550a"), 1);
	free(fdt);
}

static void devices_pc(void **state)
{
	struct machine m = make_pc(2, 256 * MIB);

	(void)state;
	check_devices(&m);
}

static void devices_arm(void **state)
{
	struct machine v3 = make_gicv3(2), v2 = make_gicv2(2);

	(void)state;
	check_devices(&v3);
	check_devices(&v2);
}

/* What a stock kernel's drivers look for, spelled out. */
static void known_nodes(void **state)
{
	struct machine pc = make_pc(1, 256 * MIB), arm = make_gicv3(1);
	void *fdt;

	(void)state;
	fdt = build(&arm);
	assert_int_equal(fdt_node_check_compatible(fdt, node(fdt, "/serial@40000000"), "ns16550a"), 0);
	has_cells(fdt, "/serial@40000000", "interrupts", 3, 0, 0, 4);
	assert_int_equal(fdt_node_check_compatible(fdt, node(fdt, "/pl031@40001000"), "arm,primecell"), 0);
	has_string(fdt, "/pl031@40001000", "clock-names", "apb_pclk");
	has_cells(fdt, "/virtio-mmio@40017000", "reg", 4, 0, 0x40017000, 0, 0x1000);
	has_cells(fdt, "/virtio-mmio@40017000", "interrupts", 3, 0, 23, 1);
	has_flag(fdt, "/virtio-mmio@40017000", "dma-coherent");
	free(fdt);

	fdt = build(&pc);
	assert_int_equal(fdt_node_check_compatible(fdt, node(fdt, "/isa@i0/serial@i3f8"), "ns16550a"), 0);
	has_cells(fdt, "/isa@i0/serial@i3f8", "interrupts", 2, 4, 1);
	assert_int_equal(fdt_node_check_compatible(fdt, node(fdt, "/isa@i0/cmos@i70"), "motorola,mc146818"),
			 0);
	has_cells(fdt, "/virtio-mmio@d0007000", "interrupts", 2, 23, 3);
	free(fdt);
}

/*
 * Bindings "ARM PL061 GPIO controller" (what it requires) and "GPIO attached keys": pin 3, active high, is
 * Linux's KEY_POWER.
 */
static void a_power_key(void **state)
{
	struct machine arm = make_gicv2(1), pc = make_pc(1, 256 * MIB);
	const fdt32_t *gpios;
	void *fdt = build(&arm);
	int len;

	(void)state;
	assert_int_equal(fdt_node_check_compatible(fdt, node(fdt, "/pl061@40003000"), "arm,pl061"), 0);
	assert_int_equal(fdt_node_check_compatible(fdt, node(fdt, "/pl061@40003000"), "arm,primecell"), 0);
	has_cells(fdt, "/pl061@40003000", "reg", 4, 0, 0x40003000, 0, 0x1000);
	has_cells(fdt, "/pl061@40003000", "interrupts", 3, 0, 2, 4);
	has_string(fdt, "/pl061@40003000", "clock-names", "apb_pclk");
	has_flag(fdt, "/pl061@40003000", "gpio-controller");
	has_cells(fdt, "/pl061@40003000", "#gpio-cells", 1, 2);
	has_flag(fdt, "/pl061@40003000", "interrupt-controller");
	has_cells(fdt, "/pl061@40003000", "#interrupt-cells", 1, 2);

	has_string(fdt, "/gpio-keys", "compatible", "gpio-keys");
	has_cells(fdt, "/gpio-keys/power", "linux,code", 1, 116);
	gpios = prop(fdt, "/gpio-keys/power", "gpios", &len);
	assert_int_equal(len, 3 * 4);
	assert_int_equal(fdt_node_offset_by_phandle(fdt, fdt32_to_cpu(gpios[0])),
			 node(fdt, "/pl061@40003000"));
	assert_int_equal(fdt32_to_cpu(gpios[1]), 3);
	assert_int_equal(fdt32_to_cpu(gpios[2]), 0);
	free(fdt);

	/* Linux takes no such thing from a PC's tree. */
	fdt = build(&pc);
	assert_true(fdt_path_offset(fdt, "/gpio-keys") < 0);
	free(fdt);
}

/* Two devices of the same frequency share a clock, a third with another has its own. */
static void clocks_are_shared(void **state)
{
	static const struct device_prop slow[] = { { "clocks", PROP_CLOCK, 1000, "a" }, { 0 } };
	static const struct device_prop fast[] = { { "clocks", PROP_CLOCK, 2000, "b" }, { 0 } };
	static const struct device_class class[] = {
		{ .name = "x", .compatible = "test,x\0", .props = slow },
		{ .name = "y", .compatible = "test,y\0", .props = fast },
		{ .name = "z", .compatible = "test,z\0", .props = slow },
	};
	struct machine m = make_gicv3(1);
	void *fdt;

	(void)state;
	m.nr_devices = 3;
	for (unsigned int i = 0; i < 3; i++)
		m.device[i] = (struct machine_device){ .class = &class[i],
						       .space = SPACE_MMIO,
						       .base = 0x50000000 + i * 0x1000,
						       .size = 0x1000,
						       .line = NO_LINE };
	fdt = build(&m);
	assert_int_equal(count_compatible(fdt, "fixed-clock"), 2);
	check_props(fdt, "/x@50000000", &class[0]);
	check_props(fdt, "/y@50001000", &class[1]);
	check_props(fdt, "/z@50002000", &class[2]);
	free(fdt);
}

/* --- dtc --- */

/* The device tree compiler takes the tree and finds nothing to warn about. */
static void accepted_by_dtc(const struct machine *m)
{
	void *fdt = build(m);
	int fd = memfd_create("dtb", 0);
	char command[128], said[512];
	size_t len;
	FILE *dtc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, fdt, fdt_totalsize(fdt)), fdt_totalsize(fdt));
	snprintf(command, sizeof(command), "dtc -I dtb -O dts -o /dev/null /proc/self/fd/%d 2>&1", fd);
	dtc = popen(command, "r");
	assert_non_null(dtc);
	len = fread(said, 1, sizeof(said) - 1, dtc);
	said[len] = '\0';
	assert_int_equal(pclose(dtc), 0);
	assert_string_equal(said, "");
	close(fd);
	free(fdt);
}

static void dtc_has_no_warnings(void **state)
{
	struct machine machines[] = { make_pc(1, 256 * MIB), make_pc(1024, 5ULL << 30),
				      make_gicv3(512),       make_gicv3(1),
				      make_gicv2(8),         make_gicv3(2),
				      make_gicv2(1) };

	(void)state;
	if (system("command -v dtc >/dev/null") != 0) {
		print_message("skipped: dtc is not installed (package device-tree-compiler)\n");
		skip();
	}
	machines[5].irqchip.its = (struct machine_range){ 0x3bfd0000, 0x20000 };
	machines[6].irqchip.v2m = (struct machine_range){ 0x3bfc0000, 0x1000 };
	for (unsigned int i = 0; i < 7; i++) {
		accepted_by_dtc(&machines[i]);
		machines[i].initrd = (struct machine_range){ 0x88000000, 0x1000 };
		machines[i].have_seeds = true;
		accepted_by_dtc(&machines[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_node),
		cmocka_unit_test(interrupt_parent),
		cmocka_unit_test(chosen),
		cmocka_unit_test(seeds_on_arm_only),
		cmocka_unit_test(long_command_lines),
		cmocka_unit_test(too_long_a_command_line),
		cmocka_unit_test(memory),
		cmocka_unit_test(devices_pc),
		cmocka_unit_test(devices_arm),
		cmocka_unit_test(known_nodes),
		cmocka_unit_test(a_power_key),
		cmocka_unit_test(clocks_are_shared),
		cmocka_unit_test(dtc_has_no_warnings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
