/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the loaders of both architectures share.
 */
#ifndef VIREO_BOOT_LOAD_H
#define VIREO_BOOT_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "boot/boot.h"

/* `align` is a power of two. align_up() of an address in the topmost `align` bytes wraps to 0. */
static inline uint64_t align_down(uint64_t addr, uint64_t align)
{
	return addr & ~(align - 1);
}

static inline uint64_t align_up(uint64_t addr, uint64_t align)
{
	return align_down(addr + (align - 1), align);
}

/* Whether [addr, addr + size) lies in [start, end). */
static inline bool range_fits(uint64_t addr, uint64_t size, uint64_t start, uint64_t end)
{
	return addr >= start && addr <= end && size <= end - addr;
}

/* The end of the first RAM range, in which all that is loaded lies. */
static inline uint64_t low_ram_end(const struct machine *m)
{
	return m->ram[0].base + m->ram[0].size;
}

/*
 * Loads the initrd of `req` on a page boundary, as high as possible: not below `floor`, not at or above
 * `ceiling` whatever the size of RAM, and within the first RAM range. Records it in m->initrd; with
 * none records that.
 */
int initrd_load(const struct boot_request *req, uint64_t floor, uint64_t ceiling, struct machine *m,
		const struct guest_mem *mem, struct err *err);

/* Checks m->cmdline (NULL: none) against boot->cmdline_max. */
int cmdline_check(const struct boot *boot, const struct machine *m, struct err *err);

/*
 * Refuses a kernel for which the memory in [start, start + size) is needed but is no RAM; says how
 * much memory would do. The sum may overflow.
 */
int kernel_does_not_fit(const char *path, uint64_t start, uint64_t size, const struct machine *m,
			struct err *err);

#endif
