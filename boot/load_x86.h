/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of the x86-64 loader. All of them write to guest memory at the places that
 * boot/layout_x86.h gives.
 */
#ifndef VIREO_BOOT_LOAD_X86_H
#define VIREO_BOOT_LOAD_X86_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/boot.h"
#include "boot/image.h"

/* What the loader accepts, for messages. */
#define X86_KERNELS                                                                   \
	"a 64-bit x86 bzImage (vmlinuz), an x86-64 ELF kernel (vmlinux) or a 32-bit " \
	"Multiboot kernel"

/* The first bytes of a file that tell its format; zeroes where it is shorter. */
#define X86_PROBE_SIZE 8192

/*
 * Asked in this order. A file with a Multiboot header in it that also is a bzImage or an ELF file for
 * x86-64 is taken for that: those are entered in 64-bit mode or by PVH.
 */
bool bzimage_probe(const uint8_t head[X86_PROBE_SIZE]);
bool elf_probe(const uint8_t head[X86_PROBE_SIZE]);
bool multiboot_probe(const uint8_t head[X86_PROBE_SIZE]);

/*
 * Read the kernel into guest memory and fill in `boot`; `initrd_ceiling` becomes the address that
 * an initrd must end at or before.
 */
int bzimage_load(struct boot *boot, const struct image *img, const struct machine *m,
		 const struct guest_mem *mem, uint64_t *initrd_ceiling, struct err *err);
int elf_load(struct boot *boot, const struct image *img, const struct machine *m, const struct guest_mem *mem,
	     uint64_t *initrd_ceiling, struct err *err);
int multiboot_load(struct boot *boot, const struct image *img, const uint8_t head[X86_PROBE_SIZE],
		   const struct machine *m, const struct guest_mem *mem, uint64_t *initrd_ceiling,
		   struct err *err);

/*
 * For Multiboot: whether a file is ELF for 32-bit x86; loads its segments, by the rules that
 * multiboot_check_place() gives, and fills in entry, kernel_start and kernel_end of `boot`.
 */
bool elf32_probe(const uint8_t head[X86_PROBE_SIZE]);
int elf32_load(struct boot *boot, const struct image *img, const struct machine *m,
	       const struct guest_mem *mem, struct err *err);

/* Refuses a part of a Multiboot kernel that is not wholly in RAM that is free for it. */
int multiboot_check_place(const char *path, uint64_t start, uint64_t size, const struct machine *m,
			  struct err *err);

/*
 * Guest memory at one of the layout's places, zeroed, or NULL with the cause in `err`: RAM ends below
 * it, which machine_init() does not let happen.
 */
void *layout_claim(const struct guest_mem *mem, uint64_t gpa, uint64_t size, struct err *err);

/* The memory map that both boot protocols report, with their common numbers for the types. */
enum memory_type {
	MEMORY_RAM = 1,
	MEMORY_RESERVED = 2,
};

#define MEMORY_MAP_MAX (MACHINE_MAX_RAM + 2)

struct memory_map {
	struct {
		uint64_t base, size; /* bytes */
		enum memory_type type;
	} entry[MEMORY_MAP_MAX];
	unsigned int count;
};

struct memory_map memory_map(const struct machine *m);

/* Segment descriptors, the reset stub, page tables. */
int tables_build(const struct guest_mem *mem, enum boot_mode mode, struct err *err);

/* What the 64-bit entry takes: boot_params with everything that hangs on it but ACPI and the command line. */
int boot_params_build(const struct boot *boot, const struct machine *m, const struct guest_mem *mem,
		      const void *dtb, size_t dtb_size, struct err *err);

/* What the PVH entry takes: the start info with everything that hangs on it but ACPI and the command line. */
int pvh_build(const struct machine *m, const struct guest_mem *mem, struct err *err);

/* What a Multiboot kernel takes: the Multiboot information with all that hangs on it, command line too. */
int multiboot_build(const struct boot *boot, const struct machine *m, const struct guest_mem *mem,
		    struct err *err);

#endif
