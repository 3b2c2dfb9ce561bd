// SPDX-License-Identifier: BSD-2-Clause
/* The device tree, parsed back with libfdt and compared with the machine it was made from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fdt/fdt.h"

#define MIB (1ULL << 20)

static struct machine make(enum platform platform, unsigned int cpus, uint64_t ram)
{
	struct machine m;
	struct err err;

	assert_int_equal(machine_init(&m, platform, cpus, ram, &err), 0);
	m.cmdline = "console=ttyS0 quiet";
	return m;
}

static struct machine make_pc(unsigned int cpus, uint64_t ram)
{
	struct machine m = make(PLATFORM_PC, cpus, ram);

	m.irqchip = (struct irqchip_desc){
		.kind = IRQCHIP_APIC, .lapic_base = 0xfee00000, .ioapic_base = 0xfec00000, .ioapic_pins = 24
	};
	return m;
}

static struct machine make_gicv3(unsigned int cpus)
{
	struct machine m = make(PLATFORM_ARM, cpus, 256 * MIB);

	m.irqchip = (struct irqchip_desc){ .kind = IRQCHIP_GICV3,
					   .dist = { 0x3fff0000, 0x10000 },
					   .redist = { { 0x3ffd0000, 0x20000 } },
					   .nr_redist = 1,
					   .nr_irqs = 64 };
	return m;
}

static struct machine make_gicv2(unsigned int cpus)
{
	struct machine m = make(PLATFORM_ARM, cpus, 256 * MIB);

	m.irqchip = (struct irqchip_desc){ .kind = IRQCHIP_GICV2,
					   .dist = { 0x3fff0000, 0x1000 },
					   .cpu = { 0x3ffd0000, 0x2000 },
					   .nr_irqs = 64 };
	return m;
}

/* The caller frees. */
static void *build(const struct machine *m)
{
	struct err err;
	void *fdt = NULL;
	size_t size = 0;

	assert_int_equal(fdt_build(m, &fdt, &size, &err), 0);
	assert_int_equal(fdt_check_full(fdt, size), 0);
	assert_int_equal(fdt_totalsize(fdt), size);
	return fdt;
}

static int node(const void *fdt, const char *path)
{
	int offset = fdt_path_offset(fdt, path);

	if (offset < 0)
		print_error("no node %s\n", path);
	assert_true(offset >= 0);
	return offset;
}

static const void *prop(const void *fdt, const char *path, const char *name, int *len)
{
	const void *value = fdt_getprop(fdt, node(fdt, path), name, len);

	if (!value)
		print_error("%s has no %s\n", path, name);
	assert_non_null(value);
	return value;
}

static void has_not(const void *fdt, const char *path, const char *name)
{
	assert_null(fdt_getprop(fdt, node(fdt, path), name, NULL));
}

static void has_flag(const void *fdt, const char *path, const char *name)
{
	int len;

	prop(fdt, path, name, &len);
	assert_int_equal(len, 0);
}

static void has_string(const void *fdt, const char *path, const char *name, const char *expected)
{
	int len;

	assert_string_equal(prop(fdt, path, name, &len), expected);
	assert_int_equal(len, strlen(expected) + 1);
}

/* `expected` is the value with the final NUL that the compiler adds. */
#define has_strings(fdt, path, name, expected)                           \
	do {                                                             \
		int len_;                                                \
		const void *value_ = prop(fdt, path, name, &len_);       \
		assert_int_equal(len_, sizeof(expected));                \
		assert_memory_equal(value_, expected, sizeof(expected)); \
	} while (0)

static void has_cells(const void *fdt, const char *path, const char *name, unsigned int count, ...)
{
	int len;
	const fdt32_t *cells = prop(fdt, path, name, &len);
	va_list ap;

	assert_int_equal(len, count * 4);
	va_start(ap, count);
	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(fdt32_to_cpu(cells[i]), va_arg(ap, unsigned int));
	va_end(ap);
}

static void has_u64(const void *fdt, const char *path, const char *name, uint64_t expected)
{
	has_cells(fdt, path, name, 2, (unsigned int)(expected >> 32), (unsigned int)expected);
}

static unsigned int count_compatible(const void *fdt, const char *compatible)
{
	unsigned int count = 0;

	for (int n = fdt_node_offset_by_compatible(fdt, -1, compatible); n >= 0;
	     n = fdt_node_offset_by_compatible(fdt, n, compatible))
		count++;
	return count;
}

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
		else if (m->platform == PLATFORM_PC) /* level-triggered, active high, in both */
			has_cells(fdt, path, "interrupts", 2, dev->line, 1);
		else
			has_cells(fdt, path, "interrupts", 3, 0, dev->line, 4);
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
	has_cells(fdt, "/virtio-mmio@40017000", "interrupts", 3, 0, 23, 4);
	has_flag(fdt, "/virtio-mmio@40017000", "dma-coherent");
	free(fdt);

	fdt = build(&pc);
	assert_int_equal(fdt_node_check_compatible(fdt, node(fdt, "/isa@i0/serial@i3f8"), "ns16550a"), 0);
	has_cells(fdt, "/isa@i0/serial@i3f8", "interrupts", 2, 4, 1);
	assert_int_equal(fdt_node_check_compatible(fdt, node(fdt, "/isa@i0/cmos@i70"), "motorola,mc146818"),
			 0);
	has_cells(fdt, "/virtio-mmio@d0007000", "interrupts", 2, 23, 1);
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

/* --- Arm --- */

static void arm_cpus(void **state)
{
	static const unsigned int counts[] = { 1, 2, 16, 17, 512 };

	(void)state;
	for (unsigned int c = 0; c < 5; c++) {
		struct machine m = make_gicv3(counts[c]);
		void *fdt = build(&m);
		unsigned int seen = 0;
		int n;

		has_cells(fdt, "/cpus", "#address-cells", 1, 2);
		has_cells(fdt, "/cpus", "#size-cells", 1, 0);
		fdt_for_each_subnode(n, fdt, node(fdt, "/cpus"))
		{
			char path[64];
			uint32_t mpidr = (seen & 0xf) | seen >> 4 << 8;

			assert_int_equal(fdt_get_path(fdt, n, path, sizeof(path)), 0);
			has_string(fdt, path, "device_type", "cpu");
			has_string(fdt, path, "compatible", "arm,armv8");
			has_string(fdt, path, "enable-method", "psci");
			has_cells(fdt, path, "reg", 2, 0, mpidr);
			seen++;
		}
		assert_int_equal(seen, counts[c]);
		free(fdt);
	}
}

static void arm_psci(void **state)
{
	struct machine m = make_gicv3(1);
	void *fdt = build(&m);

	(void)state;
	has_strings(fdt, "/psci", "compatible", "arm,psci-1.0\0arm,psci-0.2");
	has_string(fdt, "/psci", "method", "hvc");
	free(fdt);
}

static void arm_gicv3(void **state)
{
	struct machine m = make_gicv3(1);
	const char *gic = "/interrupt-controller@3fff0000";
	void *fdt = build(&m);

	(void)state;
	has_string(fdt, gic, "compatible", "arm,gic-v3");
	has_cells(fdt, gic, "#interrupt-cells", 1, 3);
	has_cells(fdt, gic, "#redistributor-regions", 1, 1);
	has_cells(fdt, gic, "reg", 8, 0, 0x3fff0000, 0, 0x10000, 0, 0x3ffd0000, 0, 0x20000);
	/* secure, non-secure, virtual, hypervisor: PPI, number, level and active high */
	has_cells(fdt, "/timer", "interrupts", 12, 1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4);
	has_string(fdt, "/timer", "compatible", "arm,armv8-timer");
	has_flag(fdt, "/timer", "always-on");
	free(fdt);
}

static void arm_gicv3_regions(void **state)
{
	struct machine m = make_gicv3(512);
	const char *gic = "/interrupt-controller@3fff0000";
	void *fdt;

	(void)state;
	m.irqchip.redist[0] = (struct machine_range){ 0x3fe00000, 0x1f0000 };
	m.irqchip.redist[1] = (struct machine_range){ 0x100000000, 0x2000000 };
	m.irqchip.redist[2] = (struct machine_range){ 0x200000000, 0x20000 };
	m.irqchip.redist[3] = (struct machine_range){ 0x300000000, 0x40000 };
	m.irqchip.nr_redist = 4;
	fdt = build(&m);
	has_cells(fdt, gic, "#redistributor-regions", 1, 4);
	has_cells(fdt, gic, "reg", 20, 0, 0x3fff0000, 0, 0x10000, 0, 0x3fe00000, 0, 0x1f0000, 1, 0, 0,
		  0x2000000, 2, 0, 0, 0x20000, 3, 0, 0, 0x40000);
	free(fdt);
}

static void arm_gicv2(void **state)
{
	const char *gic = "/interrupt-controller@3fff0000";

	(void)state;
	for (unsigned int cpus = 1; cpus <= 8; cpus++) {
		struct machine m = make_gicv2(cpus);
		void *fdt = build(&m);
		/* bits 15:8: one for each CPU */
		uint32_t flags = 4 | (0xff00U >> (8 - cpus) & 0xff00);

		has_string(fdt, gic, "compatible", "arm,cortex-a15-gic");
		has_cells(fdt, gic, "#interrupt-cells", 1, 3);
		has_cells(fdt, gic, "reg", 8, 0, 0x3fff0000, 0, 0x1000, 0, 0x3ffd0000, 0, 0x2000);
		has_not(fdt, gic, "#redistributor-regions");
		has_cells(fdt, "/timer", "interrupts", 12, 1, 13, flags, 1, 14, flags, 1, 11, flags, 1, 10,
			  flags);
		assert_int_equal(count_compatible(fdt, "arm,gic-v3"), 0);
		free(fdt);
	}
}

/* --- PC --- */

static void pc_cpus(void **state)
{
	static const unsigned int counts[] = { 1, 2, 254 };

	(void)state;
	for (unsigned int c = 0; c < 3; c++) {
		struct machine m = make_pc(counts[c], 256 * MIB);
		void *fdt = build(&m);
		unsigned int seen = 0;
		int n;

		has_cells(fdt, "/cpus", "#address-cells", 1, 1);
		has_cells(fdt, "/cpus", "#size-cells", 1, 0);
		fdt_for_each_subnode(n, fdt, node(fdt, "/cpus"))
		{
			char path[64];

			assert_int_equal(fdt_get_path(fdt, n, path, sizeof(path)), 0);
			has_string(fdt, path, "device_type", "cpu");
			has_cells(fdt, path, "reg", 1, seen++);
		}
		assert_int_equal(seen, counts[c]);
		free(fdt);
	}
}

static void pc_apics(void **state)
{
	struct machine m = make_pc(2, 256 * MIB);
	void *fdt = build(&m);

	(void)state;
	has_string(fdt, "/lapic@fee00000", "compatible", "intel,ce4100-lapic");
	has_cells(fdt, "/lapic@fee00000", "reg", 4, 0, 0xfee00000, 0, 0x1000);
	has_flag(fdt, "/lapic@fee00000", "intel,virtual-wire-mode");
	has_string(fdt, "/interrupt-controller@fec00000", "compatible", "intel,ce4100-ioapic");
	has_cells(fdt, "/interrupt-controller@fec00000", "reg", 4, 0, 0xfec00000, 0, 0x1000);
	has_cells(fdt, "/interrupt-controller@fec00000", "#interrupt-cells", 1, 2);
	free(fdt);
}

/* I/O port N is looked up as address {1, N} and must translate to N through a non-empty `ranges`. */
static void pc_io_ports(void **state)
{
	struct machine m = make_pc(1, 256 * MIB);
	void *fdt = build(&m);

	(void)state;
	has_string(fdt, "/isa@i0", "compatible", "isa");
	has_cells(fdt, "/isa@i0", "#address-cells", 1, 2);
	has_cells(fdt, "/isa@i0", "#size-cells", 1, 1);
	has_cells(fdt, "/isa@i0", "ranges", 5, 1, 0, 0, 0, 0x10000);
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
	struct machine machines[] = { make_pc(1, 256 * MIB), make_pc(254, 5ULL << 30), make_gicv3(512),
				      make_gicv3(1), make_gicv2(8) };

	(void)state;
	if (system("command -v dtc >/dev/null") != 0) {
		print_message("skipped: dtc is not installed (package device-tree-compiler)\n");
		skip();
	}
	for (unsigned int i = 0; i < 5; i++) {
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
		cmocka_unit_test(clocks_are_shared),
		cmocka_unit_test(arm_cpus),
		cmocka_unit_test(arm_psci),
		cmocka_unit_test(arm_gicv3),
		cmocka_unit_test(arm_gicv3_regions),
		cmocka_unit_test(arm_gicv2),
		cmocka_unit_test(pc_cpus),
		cmocka_unit_test(pc_apics),
		cmocka_unit_test(pc_io_ports),
		cmocka_unit_test(dtc_has_no_warnings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
