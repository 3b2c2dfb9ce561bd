/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts a kernel, an initrd and a command line into guest RAM and says what the first vCPU's
 * registers must be. One implementation per architecture: load_x86.c, load_arm64.c.
 *
 * Two steps, because the device tree names where the initrd lies and the kernel must be told where
 * the device tree lies: boot_load(), then fdt_build(), then boot_finish().
 *
 * Images are input from a stranger: every offset and length in them is checked before use. A wrong
 * image is the user's mistake (err_user: which file, what is wrong with it, what is accepted).
 */
#ifndef VIREO_BOOT_BOOT_H
#define VIREO_BOOT_BOOT_H

#include <stddef.h>
#include <stdint.h>

#include "devices/guestmem.h"
#include "devices/machine.h"
#include "kvm/err.h"

enum kernel_format {
	KERNEL_AUTO, /* what the file shows itself to be */
	KERNEL_FLAT, /* arm64: bytes to be put at a fixed place and entered at the first */
};

/* An initrd in memory, the caller's. */
struct boot_initrd {
	void *data;
	size_t size;
};

struct boot_request {
	const char *kernel;                /* path; regular file, or anything readable to its end (a pipe) */
	const char *initrd;                /* path or NULL */
	const struct boot_initrd *builtin; /* with no path: this one; or NULL */
	enum kernel_format format;
};

/* How the first vCPU enters the kernel. The register values of each mode are the vCPU's business. */
enum boot_mode {
	BOOT_X86_LONG64,    /* 64-bit mode, paging on with `page_table` identity-mapping the low 4 GiB,
			  * flat segments per `gdt`, RSI = arg (boot_params), interrupts off */
	BOOT_X86_PVH,       /* 32-bit protected mode, paging off, flat segments, EBX = arg (start info) */
	BOOT_X86_MULTIBOOT, /* the same with EBX = arg (Multiboot information) and its magic in EAX */
	BOOT_ARM64,         /* EL1h, MMU off, interrupts masked, X0 = arg (device tree), X1-X3 = 0 */
};

struct boot_entry {
	enum boot_mode mode;
	uint64_t pc;
	uint64_t arg;
	uint64_t page_table; /* BOOT_X86_LONG64: guest-physical address for CR3 */
	uint64_t gdt;        /* x86: guest-physical address of the descriptor table */
	uint16_t gdt_size;   /* x86: bytes */
};

/*
 * Selectors in the table at boot_entry.gdt, for all x86 modes: 0x10 is the code segment
 * (64-bit for LONG64, else 32-bit), 0x18 the data segment, 0x20 a busy TSS.
 */
#define BOOT_X86_CS 0x10
#define BOOT_X86_DS 0x18
#define BOOT_X86_TR 0x20

/* In EAX, tells a Multiboot kernel that its loader is one (Multiboot Specification, "Machine state"). */
#define BOOT_X86_MULTIBOOT_MAGIC 0x2badb002

/* The setup header of a bzImage, from its place in boot_params (0x1f1) to what follows there (0x290). */
#define BOOT_X86_HEADER_MAX (0x290 - 0x1f1)

/* What boot_load() remembers for boot_finish(). Nothing to free; the request's paths must last. */
struct boot {
	enum boot_mode mode;
	uint64_t kernel_start, kernel_end; /* guest-physical, RAM the kernel occupies until it runs */
	uint64_t entry;
	uint32_t cmdline_max; /* longest command line the kernel takes, without the NUL */
	uint32_t header_size; /* bzImage: bytes of setup header kept in setup_header[]; else 0 */
	uint8_t setup_header[BOOT_X86_HEADER_MAX]; /* bzImage: the file's setup header */
	uint64_t dtb;                              /* arm64: where the device tree will lie */
	const char *kernel_name, *initrd_name; /* Multiboot: without directory, not owned; NULL: no initrd */
};

/*
 * Loads the kernel and the initrd and records the initrd in m->initrd. Returns 0 or a negative
 * errno with the cause in `err`.
 */
int boot_load(struct boot *boot, const struct boot_request *req, struct machine *m,
	      const struct guest_mem *mem, struct err *err);

/*
 * Places the device tree `dtb` (copied; may be NULL on x86), the command line m->cmdline and
 * whatever else the boot protocol wants (boot_params, e820, ACPI tables, page tables, reset stub),
 * and fills in `entry`.
 */
int boot_finish(const struct boot *boot, const struct machine *m, const struct guest_mem *mem,
		const void *dtb, size_t dtb_size, struct boot_entry *entry, struct err *err);

#endif
