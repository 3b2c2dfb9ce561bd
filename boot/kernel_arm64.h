/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The arm64 kernel image raw, packed with gzip, xz or zstd, and the same as EFI zboot; and flat binaries.
 */
#ifndef VIREO_BOOT_KERNEL_ARM64_H
#define VIREO_BOOT_KERNEL_ARM64_H

#include "boot/boot.h"
#include "boot/image.h"

/*
 * Puts the kernel into guest memory and fills in kernel_start, kernel_end and entry of `boot`.
 * Compressed kernels are unpacked straight into guest memory.
 */
int arm64_kernel_load(struct boot *boot, const struct image *img, const struct machine *m,
		      const struct guest_mem *mem, struct err *err);

/*
 * The same for a file without any header, which is put, as it is, where an Image that says nothing lies:
 * 0x80000 bytes into RAM. What it needs behind its last byte nobody knows: the device tree and the
 * initrd lie as far away as possible.
 */
int arm64_flat_load(struct boot *boot, const struct image *img, const struct machine *m,
		    const struct guest_mem *mem, struct err *err);

#endif
