/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first megabyte of an x86-64 guest, as the loader leaves it:
 *
 *   0x00000            real-mode interrupt vectors and BIOS data: zeroes
 *   0x01000  boot_params, the "zero page"          (64-bit entry)
 *   0x02000  GDT
 *   0x03000  PVH start info, module list, memory map (PVH entry)
 *   0x04000  page tables: PML4, PDPT, four page directories (64-bit entry)
 *   0x0a000  setup_data: seed for the random number generator
 *   0x10000  command line
 *   0x20000  setup_data: device tree
 *   0x60000            free, for the kernel's real-mode trampolines
 *   0x90000  Multiboot information, module list, memory map, strings (Multiboot kernels)
 *   0x9fc00            reserved from here on to 1 MiB
 *   0xe0000  ACPI tables, RSDP first
 *   0xffff0  reset vector: asks for a reset
 *
 * The kernel lies above 1 MiB and above it, as high as possible, the initrd. A Multiboot kernel may also
 * use what is free for it below: nothing lies between the GDT and the Multiboot information. The kernel is done with
 * all of this, or has copied or reserved it, before it gives memory away: setup_data by the boot
 * protocol, the tables because no RAM is reported where they are, the rest because it is used
 * before memory management starts.
 */
#ifndef VIREO_BOOT_LAYOUT_X86_H
#define VIREO_BOOT_LAYOUT_X86_H

#include "devices/machine.h"

#define LAYOUT_BOOT_PARAMS      0x1000
#define LAYOUT_BOOT_PARAMS_SIZE 0x1000
#define LAYOUT_GDT              0x2000
#define LAYOUT_GDT_SIZE         0x30
#define LAYOUT_PVH              0x3000
#define LAYOUT_PVH_SIZE         0x1000
#define LAYOUT_PAGE_TABLES      0x4000
#define LAYOUT_PAGE_TABLES_SIZE 0x6000
#define LAYOUT_SEED             0xa000
#define LAYOUT_SEED_SIZE        0x1000
#define LAYOUT_CMDLINE          0x10000
#define LAYOUT_CMDLINE_SIZE     0x10000 /* with the NUL */
#define LAYOUT_DTB              0x20000
#define LAYOUT_DTB_SIZE         0x40000 /* as much as Linux maps while it reads the tree */
#define LAYOUT_MULTIBOOT        0x90000
#define LAYOUT_MULTIBOOT_SIZE   0xf000
#define LAYOUT_LOW_END          0x9fc00 /* of RAM below 1 MiB */
#define LAYOUT_ACPI             0xe0000
#define LAYOUT_ACPI_SIZE        (PC_RESET_VECTOR - LAYOUT_ACPI)
#define LAYOUT_HIGH             0x100000 /* the kernel lies above */

#define LAYOUT_DISJOINT(first, second)                                            \
	_Static_assert(LAYOUT_##first + LAYOUT_##first##_SIZE <= LAYOUT_##second, \
		       #first " runs into " #second)

LAYOUT_DISJOINT(BOOT_PARAMS, GDT);
LAYOUT_DISJOINT(GDT, PVH);
LAYOUT_DISJOINT(PVH, PAGE_TABLES);
LAYOUT_DISJOINT(PAGE_TABLES, SEED);
LAYOUT_DISJOINT(SEED, CMDLINE);
LAYOUT_DISJOINT(CMDLINE, DTB);
LAYOUT_DISJOINT(DTB, MULTIBOOT);
LAYOUT_DISJOINT(MULTIBOOT, LOW_END);
LAYOUT_DISJOINT(ACPI, HIGH);

#endif
