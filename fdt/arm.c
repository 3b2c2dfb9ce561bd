// SPDX-License-Identifier: BSD-2-Clause
/* The device tree of the Arm platform. */
#include <string.h>

#include "fdt/tree.h"

/* First and third cell of an interrupt (binding "arm,gic", property interrupts). */
#define GIC_SPI           0
#define GIC_PPI           1
#define IRQ_EDGE_RISING   1
#define IRQ_LEVEL_HIGH    4
#define GICV2_PPI_CPUS(n) (((1U << (n)) - 1) << 8) /* n: 1 to ARM_GICV2_MAX_CPUS */

static void write_interrupt(struct tree *t, const struct machine *m, int line, bool edge)
{
	const uint32_t cells[] = { GIC_SPI, (uint32_t)line, edge ? IRQ_EDGE_RISING : IRQ_LEVEL_HIGH };

	(void)m;
	tree_cells(t, "interrupts", cells, 3);
}

/* Binding "ARM CPUs"; KVM starts vCPUs by PSCI only. */
static void write_cpus(struct tree *t, const struct machine *m)
{
	tree_begin(t, "cpus");
	tree_u32(t, "#address-cells", 2);
	tree_u32(t, "#size-cells", 0);
	for (unsigned int i = 0; i < m->nr_cpus; i++) {
		uint64_t mpidr = machine_cpu_id(m, i);

		tree_begin_at(t, "cpu", mpidr);
		tree_string(t, "device_type", "cpu");
		tree_string(t, "compatible", "arm,armv8");
		tree_u64(t, "reg", mpidr);
		tree_string(t, "enable-method", "psci");
		tree_end(t);
	}
	tree_end(t);
}

/*
 * Binding "Power State Coordination Interface (PSCI)". Not "arm,psci": that stands for version 0.1,
 * whose function numbers KVM does not serve to a vCPU with the PSCI_0_2 feature.
 */
static void write_psci(struct tree *t)
{
	tree_begin(t, "psci");
	tree_strings(t, "compatible", "arm,psci-1.0\0arm,psci-0.2\0");
	tree_string(t, "method", "hvc");
	tree_end(t);
}

/* Binding "ARM architected timer": secure, non-secure, virtual, hypervisor. */
static void write_timer(struct tree *t, const struct machine *m)
{
	static const uint32_t ppi[] = {
		ARM_PPI_SECURE_TIMER,
		ARM_PPI_PHYS_TIMER,
		ARM_PPI_VIRT_TIMER,
		ARM_PPI_HYP_TIMER,
	};
	uint32_t flags = IRQ_LEVEL_HIGH;
	uint32_t cells[4 * 3];

	if (m->irqchip.kind != IRQCHIP_GICV3)
		flags |= GICV2_PPI_CPUS(m->nr_cpus < ARM_GICV2_MAX_CPUS ? m->nr_cpus : ARM_GICV2_MAX_CPUS);
	for (unsigned int i = 0; i < 4; i++) {
		cells[3 * i] = GIC_PPI;
		cells[3 * i + 1] = ppi[i];
		cells[3 * i + 2] = flags;
	}
	tree_begin(t, "timer");
	tree_string(t, "compatible", "arm,armv8-timer");
	tree_cells(t, "interrupts", cells, 4 * 3);
	tree_flag(t, "always-on");
	tree_end(t);
}

/*
 * Who takes MSIs, as a child of the GIC. Bindings "ARM Generic Interrupt Controller, version 3" (the
 * ITS) and "... v1 and v2" (the GICv2m frame, which says itself what interrupts it has).
 */
static void write_msi(struct tree *t, const struct irqchip_desc *gic)
{
	bool its = gic->its.size;
	const struct machine_range *reg = its ? &gic->its : &gic->v2m;

	tree_begin_at(t, its ? "msi-controller" : "v2m", reg->base);
	tree_string(t, "compatible", its ? "arm,gic-v3-its" : "arm,gic-v2m-frame");
	tree_ranges(t, "reg", reg, 1);
	tree_flag(t, "msi-controller");
	if (its)
		tree_u32(t, "#msi-cells", 1);
	tree_end(t);
}

/* Bindings "ARM Generic Interrupt Controller v1 and v2" and "... version 3". */
static void write_gic(struct tree *t, const struct irqchip_desc *gic)
{
	struct machine_range reg[TREE_MAX_RANGES] = { gic->dist };

	tree_begin_at(t, "interrupt-controller", gic->dist.base);
	if (gic->kind == IRQCHIP_GICV3) {
		memcpy(&reg[1], gic->redist, gic->nr_redist * sizeof(reg[0]));
		tree_string(t, "compatible", "arm,gic-v3");
		tree_ranges(t, "reg", reg, 1 + gic->nr_redist);
		tree_u32(t, "#redistributor-regions", gic->nr_redist);
	} else {
		reg[1] = gic->cpu;
		tree_string(t, "compatible", "arm,cortex-a15-gic");
		tree_ranges(t, "reg", reg, 2);
	}
	tree_flag(t, "interrupt-controller");
	tree_u32(t, "#interrupt-cells", 3);
	tree_u32(t, "phandle", PHANDLE_IRQCHIP);
	if (gic->its.size || gic->v2m.size) {
		tree_u32(t, "#address-cells", 2);
		tree_u32(t, "#size-cells", 2);
		tree_flag(t, "ranges");
		write_msi(t, gic);
	} else {
		tree_u32(t, "#address-cells", 0);
	}
	tree_end(t);
}

static void write_nodes(struct tree *t, const struct machine *m)
{
	write_cpus(t, m);
	write_psci(t);
	write_timer(t, m);
	write_gic(t, &m->irqchip);
}

/* Linux's name for a machine that is nothing but its device tree. */
const struct fdt_platform fdt_arm = {
	.model = "Vireo AXI",
	.compatible = "linux,dummy-virt\0",
	.interrupt = write_interrupt,
	.nodes = write_nodes,
};
