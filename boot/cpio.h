/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cpio archive in memory, in the "newc" format that the kernel unpacks an initramfs from (Linux,
 * Documentation/driver-api/early-userspace/buffer-format.rst).
 */
#ifndef VIREO_BOOT_CPIO_H
#define VIREO_BOOT_CPIO_H

#include <stddef.h>
#include <stdint.h>

struct cpio {
	uint8_t *data; /* malloc'ed; the caller's */
	size_t size, capacity;
	uint32_t inode;
};

/*
 * Each adds an entry behind what is there, owned by root, to a cpio that begins as all zeroes; directories
 * before what is in them. `name` is without "/" at its beginning; `mode` are permission bits. 0, -ENOMEM,
 * or -EFBIG: a file of 4 GiB. On failure the archive is as it was before.
 */
int cpio_add_directory(struct cpio *cpio, const char *name, unsigned int mode);
int cpio_add_file(struct cpio *cpio, const char *name, unsigned int mode, const void *data, size_t size);
int cpio_add_char_device(struct cpio *cpio, const char *name, unsigned int mode, unsigned int major,
			 unsigned int minor);

/* Adds the entry that ends the archive. */
int cpio_end(struct cpio *cpio);

#endif
