/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The arm64 kernel image in its three wrappings: raw, gzip, EFI zboot.
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

#endif
