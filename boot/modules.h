/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which files of a directory of modules must be loaded, in which order, as its modules.dep and modules.builtin say
 * (depmod(8), modules.dep(5)).
 */
#ifndef VIREO_BOOT_MODULES_H
#define VIREO_BOOT_MODULES_H

#include "boot/text_list.h"
#include "kvm/err.h"

struct modules {
	char *dep, *builtin;   /* the two files */
	struct text_list path; /* in the order to load them in, relative to the directory */
};

/*
 * Finds `name` ("-" and "_" are the same), and all that it depends on, in the directory `dir` of a kernel of `release`,
 * and adds what is not there yet. What the kernel has built in needs no file. `modules` begins as all zeroes and needs
 * modules_finish() either way; `dir` is the same in all calls. 0, or a negative errno with a line.
 */
int modules_add(struct modules *modules, const char *dir, const char *release, const char *name,
		struct err *err);

void modules_finish(struct modules *modules);

#endif
