// SPDX-License-Identifier: BSD-2-Clause
/*
 * The device tree of the PC, for kernels that take one from setup data (SETUP_DTB in "The
 * Linux/x86 Boot Protocol"). Linux knows a PC's APICs by the names of the Intel CE4100, for
 * which that code was written (bindings "CE4100 Device Tree Bindings", "Interrupt chips").
 */
#include "devices/ioapic.h"
#include "devices/lapic.h"
#include "fdt/tree.h"

/*
 * Second cell of an interrupt. Linux's arch/x86/kernel/devicetree.c decides: 1 programs the IOAPIC
 * pin level-triggered and active high (the binding's text has high and low the other way round), 3
 * edge-triggered and active high.
 */
#define IOAPIC_LEVEL_HIGH  1
#define IOAPIC_EDGE_RISING 3

#define IO_PORTS 0x10000

/* A device has one interrupt parent: the I/O APIC whose pin its line is. */
static void write_interrupt(struct tree *t, const struct machine *m, int line, bool edge)
{
	const struct irqchip_desc *apic = &m->irqchip;

	for (unsigned int i = 0; i < apic->nr_ioapics; i++) {
		uint32_t pin = (uint32_t)line - apic->ioapic[i].gsi_base;
		const uint32_t cells[] = { pin, edge ? IOAPIC_EDGE_RISING : IOAPIC_LEVEL_HIGH };

		if (pin >= apic->ioapic[i].pins)
			continue;
		if (i)
			tree_u32(t, "interrupt-parent", PHANDLE_IRQCHIP + i);
		tree_cells(t, "interrupts", cells, 2);
	}
}

static void write_cpus(struct tree *t, const struct machine *m)
{
	tree_begin(t, "cpus");
	tree_u32(t, "#address-cells", 1);
	tree_u32(t, "#size-cells", 0);
	for (unsigned int i = 0; i < m->nr_cpus; i++) {
		uint64_t apic_id = machine_cpu_id(m, i);

		tree_begin_at(t, "cpu", apic_id);
		tree_string(t, "device_type", "cpu");
		tree_u32(t, "reg", (uint32_t)apic_id);
		tree_end(t);
	}
	tree_end(t);
}

static void write_apics(struct tree *t, const struct irqchip_desc *apic)
{
	const struct machine_range lapic = { apic->lapic_base, LAPIC_PAGE_SIZE };

	tree_begin_at(t, "lapic", lapic.base);
	tree_string(t, "compatible", "intel,ce4100-lapic");
	tree_ranges(t, "reg", &lapic, 1);
	/* There is no 8259 and no IMCR to switch it off with: interrupts reach the APIC by wire. */
	tree_flag(t, "intel,virtual-wire-mode");
	tree_end(t);

	/* In the order of their GSIs: Linux counts pins from one node to the next. */
	for (unsigned int i = 0; i < apic->nr_ioapics; i++) {
		const struct machine_range ioapic = { apic->ioapic[i].base, IOAPIC_WINDOW };

		tree_begin_at(t, "interrupt-controller", ioapic.base);
		tree_string(t, "compatible", "intel,ce4100-ioapic");
		tree_ranges(t, "reg", &ioapic, 1);
		tree_flag(t, "interrupt-controller");
		tree_u32(t, "#interrupt-cells", 2);
		tree_u32(t, "#address-cells", 0);
		tree_u32(t, "phandle", PHANDLE_IRQCHIP + i);
		tree_end(t);
	}
}

/*
 * Linux takes a node called "isa" for a bus whose addresses are {space, address}, and looks I/O
 * ports up through `ranges` as if they had an address in the parent; port N is at N there.
 */
static void write_isa(struct tree *t, const struct machine *m)
{
	static const uint32_t ranges[] = { 1, 0, 0, 0, IO_PORTS };

	tree_begin(t, TREE_ISA_NODE);
	tree_string(t, "compatible", "isa");
	tree_u32(t, "#address-cells", 2);
	tree_u32(t, "#size-cells", 1);
	tree_cells(t, "ranges", ranges, 5);
	tree_devices(t, m, SPACE_PIO);
	tree_end(t);
}

static void write_nodes(struct tree *t, const struct machine *m)
{
	write_cpus(t, m);
	write_apics(t, &m->irqchip);
	write_isa(t, m);
}

const struct fdt_platform fdt_pc = {
	.model = "Vireo PC",
	.compatible = "vireo,pc\0",
	.interrupt = write_interrupt,
	.nodes = write_nodes,
};
