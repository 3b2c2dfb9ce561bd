/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine description: one structure that lists what a VM is made of. The device tree and the
 * ACPI tables are two renderings of it; the buses are filled from it. Nothing else knows addresses.
 */
#ifndef VIREO_DEVICES_MACHINE_H
#define VIREO_DEVICES_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/device.h"

enum platform {
	PLATFORM_PC,  /* x86-64 */
	PLATFORM_ARM, /* aarch64, AXI layout */
	PLATFORM_COUNT,
};

enum device_space {
	SPACE_NONE, /* the device does not exist on this platform */
	SPACE_PIO,
	SPACE_MMIO,
};

#define NO_LINE   (-1)
#define ALL_LINES (-2) /* no line of its own, but the controller: any line, and MSIs */

/* Where a device stands on one platform. */
struct placement {
	enum device_space space;
	uint64_t base; /* of the first instance */
	uint64_t size; /* bytes, of each instance; instances follow each other */
	int line;      /* of the first instance; the others follow; or NO_LINE or ALL_LINES. PC: GSI.
			* Arm: SPI from 0 */
};

/* What a machine has only when asked for it. */
enum machine_extra {
	EXTRA_NONE, /* always there */
	EXTRA_DEBUG_EXIT,
	EXTRA_TEST_DEVICE,
	EXTRA_VIRTIO,
};

/* One row of the table of all devices. */
struct device_row {
	const struct device_class *class;
	unsigned int instances;   /* EXTRA_VIRTIO: at most */
	enum machine_extra extra; /* what brings it; EXTRA_NONE: always there */
	struct placement on[PLATFORM_COUNT];
};

/* All device classes with their places; ends with a row whose class is NULL. devices/table.c. */
extern const struct device_row device_table[];

/* --- what the platforms fix (docs/machine.md draws the maps) --- */

/*
 * RAM in bytes. Less than the minimum boots no stock kernel and is most often a forgotten unit. The
 * maximum is well inside KVM's largest memory slot (2^31 - 1 pages); a host may allow less.
 */
#define MACHINE_MIN_RAM_SIZE (16ULL << 20)
#define MACHINE_MAX_RAM_SIZE (4ULL << 40)
#define MACHINE_PAGE_SIZE    4096ULL /* RAM comes in multiples of it */

#define PC_LOW_RAM_END  0xc0000000ULL /* RAM from 0 to here at most, the rest from 4 GiB */
#define PC_HIGH_RAM     0x100000000ULL
#define PC_IOAPIC_BASE  0xfec00000ULL /* of the first; the others follow, a page each */
#define PC_LAPIC_BASE   0xfee00000ULL /* after reset; the guest may move it */
#define PC_MAX_CPUS     1024          /* as many as KVM's default configuration has */
#define PC_XAPIC_IDS    255           /* APIC ids from here on are for x2APIC mode only: 255 is everyone */
#define PC_CMOS_CENTURY 0x32          /* index of the century in CMOS RAM */
#define PC_NR_PORTS     0x10000ULL
#define DEBUG_EXIT_SIZE 4             /* ports */
#define PC_RESET_VECTOR 0xffff0ULL    /* a real-mode stub that asks the i8042 for a reset */
#define PC_VMX_PAGES    0xfffbc000ULL /* four pages that VMX needs for real mode; not for the guest */

#define ARM_RAM_BASE      0x80000000ULL
#define ARM_GIC_DIST_BASE 0x3fff0000ULL
#define ARM_GIC_CPU_BASE  0x3ffd0000ULL
#define ARM_GIC_DIST_SIZE 0x10000ULL
#define ARM_GIC_CPU_SIZE  0x20000ULL
/* What a GICv2 puts into its windows; the rest of them stays empty. */
#define ARM_GICV2_DIST_SIZE 0x1000ULL
#define ARM_GICV2_CPU_SIZE  0x2000ULL
#define ARM_GIC_REDIST_SIZE 0x20000ULL /* per vCPU */
/* Below the redistributors of ARM_MAX_CPUS vCPUs. */
#define ARM_GIC_ITS_BASE   0x3bfd0000ULL
#define ARM_GIC_ITS_SIZE   0x20000ULL
#define ARM_GIC_V2M_BASE   0x3bfc0000ULL
#define ARM_GIC_V2M_SIZE   0x1000ULL
#define ARM_DEVICE_BASE    0x40000000ULL
#define ARM_DEVICE_END     0x80000000ULL
#define ARM_MAX_CPUS       512
#define ARM_GICV2_MAX_CPUS 8

/* Arm generic timer PPIs (INTID - 16), as KVM wires them and the device tree says. */
#define ARM_PPI_SECURE_TIMER 13
#define ARM_PPI_PHYS_TIMER   14
#define ARM_PPI_VIRT_TIMER   11
#define ARM_PPI_HYP_TIMER    10

enum irqchip_kind {
	IRQCHIP_APIC,
	IRQCHIP_GICV3,
	IRQCHIP_GICV2,
	IRQCHIP_GICV2_USER, /* looks to the guest like a GICv2 */
};

struct machine_range {
	uint64_t base, size; /* bytes */
};

#define MACHINE_MAX_REDIST  4
#define MACHINE_MAX_DEVICES 64
#define MACHINE_MAX_RAM     2
#define MACHINE_MAX_IOAPICS 8
#define MACHINE_MAX_WINDOWS 32

struct ioapic_desc {
	uint64_t base;
	uint32_t id;
	uint32_t gsi_base; /* of its first pin */
	uint32_t pins;
};

/* The interrupt controller that was really created. */
struct irqchip_desc {
	enum irqchip_kind kind;
	/* APIC */
	uint64_t lapic_base;
	struct ioapic_desc ioapic[MACHINE_MAX_IOAPICS]; /* their GSIs follow each other from 0 */
	unsigned int nr_ioapics;
	/* GIC: GICv3 has redist[], GICv2 has cpu */
	struct machine_range dist, cpu;
	struct machine_range redist[MACHINE_MAX_REDIST];
	unsigned int nr_redist;
	uint32_t nr_irqs; /* INTIDs, SGIs and PPIs included */
	/* Who takes MSIs: a GICv3's ITS, or a GICv2m frame. Size 0: it is not there. */
	struct machine_range its, v2m;
};

struct machine_device {
	const struct device_class *class;
	unsigned int instance; /* of its class, from 0 */
	enum device_space space;
	uint64_t base, size;
	int line; /* or NO_LINE or ALL_LINES; all lines are level-triggered, active high */
};

struct machine {
	enum platform platform;
	unsigned int nr_cpus;
	struct machine_range ram[MACHINE_MAX_RAM]; /* ascending */
	unsigned int nr_ram;
	struct machine_range window[MACHINE_MAX_WINDOWS]; /* memory that devices bring, above RAM */
	unsigned int nr_windows;
	struct irqchip_desc irqchip;
	struct machine_device device[MACHINE_MAX_DEVICES];
	unsigned int nr_devices;

	/* What the boot loader leaves for the kernel. */
	const char *cmdline;         /* not owned */
	struct machine_range initrd; /* size 0: none */
	uint8_t rng_seed[32];
	uint64_t kaslr_seed;
	bool have_seeds;
	bool no_acpi; /* PC: the kernel is to find no ACPI tables */
};

/*
 * Fills in platform, vCPUs, RAM layout and every device of the table. `ram_size` in bytes, a
 * multiple of MACHINE_PAGE_SIZE. The irqchip and boot fields are left zero. Returns 0, or -EINVAL
 * with the cause (no or too many CPUs, too little or too much memory, too many devices).
 */
int machine_init(struct machine *m, enum platform platform, unsigned int nr_cpus, uint64_t ram_size,
		 struct err *err);

/*
 * Adds what `extra` brings. `base`: where, for EXTRA_DEBUG_EXIT; others have their place. Returns 0, or
 * -EINVAL with the cause (it overlaps another device; too many devices).
 */
int machine_add_extra(struct machine *m, enum machine_extra extra, uint64_t base, struct err *err);

/* Adds `count` virtio-mmio slots. Returns 0, or -EINVAL with the cause (more than there is room for). */
int machine_add_virtio(struct machine *m, unsigned int count, struct err *err);

/*
 * Finds the lowest free place above RAM (on the PC not below 4 GiB) for `size` bytes, not 0, at a multiple
 * of `align`, a power of two, and keeps it: *base. Guest-physical addresses have `address_bits` bits. The
 * interrupt controller must have its place. 0; or -EINVAL with the cause (no room below the last
 * address; too many windows).
 */
int machine_add_window(struct machine *m, uint64_t size, uint64_t align, unsigned int address_bits,
		       uint64_t *base, struct err *err);

/* The firmware's id of vCPU `index`: its APIC id on the PC, MPIDR affinity bits on Arm. */
uint64_t machine_cpu_id(const struct machine *m, unsigned int index);

/* How many lines, counted from 0, the devices of the machine need. */
uint32_t machine_nr_lines(const struct machine *m);

/* Total RAM in bytes. */
uint64_t machine_ram_size(const struct machine *m);

/* The first device of that class name, or NULL. */
const struct machine_device *machine_find(const struct machine *m, const char *class_name);

#endif
