/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest memory: the only way from a guest-physical address to host memory.
 *
 * Every function checks the whole length against the ranges, without wrap-around. An access must
 * lie within one range. The table is filled before the guest runs and is constant from then on, so
 * no lock is needed. The host memory is owned by whoever mapped it.
 *
 * A guest may change memory at any time: what is read for a decision is copied out once
 * (guest_mem_read), then checked, then used.
 */
#ifndef VIREO_DEVICES_GUESTMEM_H
#define VIREO_DEVICES_GUESTMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_MEM_MAX_RANGES 40 /* RAM, and the windows of devices */

struct guest_range {
	uint64_t base; /* guest-physical, bytes */
	uint64_t size; /* bytes, not 0 */
	uint8_t *host;
	bool read_only; /* to the guest; the program itself may write through guest_mem_load() */
	/* What another process can map to see the same memory; -1: nothing. Not owned. */
	int fd;
	uint64_t offset; /* in that file, bytes */
	bool is_window;  /* a device's memory, no RAM: guest_mem_load() does not see it */
};

struct guest_mem {
	struct guest_range range[GUEST_MEM_MAX_RANGES];
	unsigned int count;
};

/*
 * Adds a range. Returns 0; -EINVAL if it is empty, wraps around or overlaps another; -ENOSPC if
 * the table is full.
 */
int guest_mem_add(struct guest_mem *mem, uint64_t base, uint64_t size, void *host, bool read_only);

/* Says that the range which begins at `base` is the file's memory from `offset` on. 0 or -EINVAL: no such range. */
int guest_mem_set_file(struct guest_mem *mem, uint64_t base, int fd, uint64_t offset);

/* guest_mem_add() for memory that a device brings (struct machine, window[]). */
int guest_mem_add_window(struct guest_mem *mem, uint64_t base, uint64_t size, void *host, bool read_only);

/* The host address of [gpa, gpa + len) for reading, or NULL. len 0 gives NULL. */
const void *guest_mem_ptr_read(const struct guest_mem *mem, uint64_t gpa, uint64_t len);

/* The same for writing: NULL in read-only ranges as well. */
void *guest_mem_ptr_write(const struct guest_mem *mem, uint64_t gpa, uint64_t len);

/* Copies out of guest memory. 0 or -EFAULT (nothing copied). len 0 is always fine. */
int guest_mem_read(const struct guest_mem *mem, uint64_t gpa, void *dst, uint64_t len);

/* Copies into guest memory on behalf of the guest. 0 or -EFAULT (nothing copied). */
int guest_mem_write(const struct guest_mem *mem, uint64_t gpa, const void *src, uint64_t len);

/* The host address of [gpa, gpa + len) for loading images before the guest runs, or NULL. */
void *guest_mem_load(const struct guest_mem *mem, uint64_t gpa, uint64_t len);

#endif
