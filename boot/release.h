/* SPDX-License-Identifier: BSD-2-Clause */
/* Which kernel a file is: what `uname -r` says in it, and what its modules' directory is called. */
#ifndef VIREO_BOOT_RELEASE_H
#define VIREO_BOOT_RELEASE_H

#include "kvm/err.h"

#define RELEASE_MAX 64 /* bytes, without the NUL: Linux, include/uapi/linux/utsname.h */

/*
 * A bzImage says it in its header (Linux, Documentation/arch/x86/boot.rst, "kernel_version"); an ELF file and an
 * arm64 Image, also a packed one, by their banner "Linux version ...". 0, or a negative errno with a line.
 */
int kernel_release(const char *path, char release[RELEASE_MAX + 1], struct err *err);

#endif
