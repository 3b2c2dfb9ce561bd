/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An initramfs with the built-in init program (init/), for guests that bring none.
 *
 * By itself the init program says one line on the console and switches off:
 *
 *   vireo-init: reached, Linux 6.1.0-18-cloud-amd64 x86_64, 2 CPUs
 */
#ifndef VIREO_VMM_INITRAMFS_H
#define VIREO_VMM_INITRAMFS_H

#include "boot/boot.h"
#include "kvm/err.h"
#include "vmm/config.h"

/* How the line begins that says that init was reached. */
#define INITRAMFS_REACHED "vireo-init: reached, Linux "

/* What else is in it. */
struct initramfs_request {
	/*
	 * Modules to be loaded, by name, and what they depend on; ends with NULL. They are those of the kernel in
	 * the file `kernel`, from the directory `modules_dir`: NULL means that of its version in /lib/modules.
	 */
	const char *const *modules; /* NULL: none */
	const char *kernel, *modules_dir;
	/* Files of the host's, by absolute paths, below /root. NULL: none. */
	const struct text_list *files;
	/* The file "exec" (init/protocol.h): a command to run. NULL: none */
	const void *job;
	size_t job_size;
};

/*
 * Makes one, with what `req` wants besides (NULL: nothing): out->data is malloc'ed, to be freed with
 * initramfs_free(). 0 or a negative errno with a line; then there is nothing to free. For a VM: struct vm's
 * `initrd`, set between vm_init() and vm_start().
 */
int initramfs_build(struct boot_initrd *out, const struct initramfs_request *req, struct err *err);

void initramfs_free(struct boot_initrd *initramfs);

#endif
