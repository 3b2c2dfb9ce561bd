// SPDX-License-Identifier: BSD-2-Clause
/* What is the device tree's own on each platform: processors, interrupt controllers, timer, PSCI. */
#include "tests/unit/fdt_rig.h"

#include <stdio.h>

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
	for (unsigned int n = 2; n <= 17; n++) {
		unsigned int cpus = n / 2;
		struct machine m = make_gicv2(cpus);
		void *fdt;
		/* bits 15:8: one for each CPU */
		uint32_t flags = 4 | (0xff00U >> (8 - cpus) & 0xff00);

		/* The one in userspace looks the same. */
		if (n % 2)
			m.irqchip.kind = IRQCHIP_GICV2_USER;
		fdt = build(&m);
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

/* Addresses of a child translate one to one, with two cells each. */
static void has_msi_child(const void *fdt, const char *gic)
{
	has_cells(fdt, gic, "#address-cells", 1, 2);
	has_cells(fdt, gic, "#size-cells", 1, 2);
	has_flag(fdt, gic, "ranges");
}

static void arm_its(void **state)
{
	struct machine m = make_gicv3(512);
	const char *gic = "/interrupt-controller@3fff0000";
	const char *its = "/interrupt-controller@3fff0000/msi-controller@3bfd0000";
	void *fdt;

	(void)state;
	m.irqchip.its = (struct machine_range){ 0x3bfd0000, 0x20000 };
	fdt = build(&m);
	has_msi_child(fdt, gic);
	has_string(fdt, its, "compatible", "arm,gic-v3-its");
	has_flag(fdt, its, "msi-controller");
	has_cells(fdt, its, "#msi-cells", 1, 1);
	has_cells(fdt, its, "reg", 4, 0, 0x3bfd0000, 0, 0x20000);
	assert_int_equal(count_compatible(fdt, "arm,gic-v2m-frame"), 0);
	free(fdt);
}

static void arm_gicv2m(void **state)
{
	struct machine machines[] = { make_gicv2(8), make_gicv3(1) };
	const char *gic = "/interrupt-controller@3fff0000";
	const char *v2m = "/interrupt-controller@3fff0000/v2m@1003bfc0000";

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		void *fdt;

		machines[i].irqchip.v2m = (struct machine_range){ 0x1003bfc0000, 0x1000 };
		fdt = build(&machines[i]);
		has_msi_child(fdt, gic);
		has_string(fdt, v2m, "compatible", "arm,gic-v2m-frame");
		has_flag(fdt, v2m, "msi-controller");
		has_cells(fdt, v2m, "reg", 4, 0x100, 0x3bfc0000, 0, 0x1000);
		assert_int_equal(count_compatible(fdt, "arm,gic-v3-its"), 0);
		free(fdt);
	}
}

static void arm_without_msis(void **state)
{
	struct machine m = make_gicv3(1);
	void *fdt = build(&m);

	(void)state;
	has_cells(fdt, "/interrupt-controller@3fff0000", "#address-cells", 1, 0);
	assert_int_equal(count_compatible(fdt, "arm,gic-v3-its"), 0);
	assert_int_equal(count_compatible(fdt, "arm,gic-v2m-frame"), 0);
	free(fdt);
}

/* --- PC --- */

static void pc_cpus(void **state)
{
	static const unsigned int counts[] = { 1, 2, 1024 };

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

/* Each I/O APIC has a node, in the order of GSIs; a device names the one that has its line. */
static void pc_several_ioapics(void **state)
{
	struct machine m = make_pc(1, 256 * MIB);
	const fdt32_t *parent;
	void *fdt;
	int len;

	(void)state;
	m.irqchip.nr_ioapics = 3;
	m.irqchip.ioapic[1] = (struct ioapic_desc){ 0xfec01000, 1, 24, 24 };
	m.irqchip.ioapic[2] = (struct ioapic_desc){ 0xfec02000, 2, 48, 24 };
	for (unsigned int i = 0; i < m.nr_devices; i++)
		if (m.device[i].base == 0xd0001000)
			m.device[i].line = 50;
	fdt = build(&m);
	assert_int_equal(count_compatible(fdt, "intel,ce4100-ioapic"), 3);
	assert_true(node(fdt, "/interrupt-controller@fec00000") <
		    node(fdt, "/interrupt-controller@fec01000"));
	assert_true(node(fdt, "/interrupt-controller@fec01000") <
		    node(fdt, "/interrupt-controller@fec02000"));
	has_not(fdt, "/virtio-mmio@d0000000", "interrupt-parent");
	has_cells(fdt, "/virtio-mmio@d0000000", "interrupts", 2, 16, 3);
	has_cells(fdt, "/virtio-mmio@d0001000", "interrupts", 2, 2, 3);
	parent = prop(fdt, "/virtio-mmio@d0001000", "interrupt-parent", &len);
	assert_int_equal(len, 4);
	assert_int_equal(fdt_node_offset_by_phandle(fdt, fdt32_to_cpu(*parent)),
			 node(fdt, "/interrupt-controller@fec02000"));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arm_cpus),
		cmocka_unit_test(arm_psci),
		cmocka_unit_test(arm_gicv3),
		cmocka_unit_test(arm_gicv3_regions),
		cmocka_unit_test(arm_gicv2),
		cmocka_unit_test(arm_its),
		cmocka_unit_test(arm_gicv2m),
		cmocka_unit_test(arm_without_msis),
		cmocka_unit_test(pc_cpus),
		cmocka_unit_test(pc_apics),
		cmocka_unit_test(pc_several_ioapics),
		cmocka_unit_test(pc_io_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
