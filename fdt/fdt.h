/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Renders the machine description as a flattened device tree (Devicetree Specification v0.4,
 * chapter 5 "Flattened Devicetree (DTB) Format").
 */
#ifndef VIREO_FDT_FDT_H
#define VIREO_FDT_FDT_H

#include <stddef.h>

#include "devices/machine.h"
#include "kvm/err.h"

/*
 * Builds the tree. On success `*out` is a malloc'ed blob of `*size` bytes that the caller frees.
 * Returns 0 or a negative errno with the cause in `err`.
 */
int fdt_build(const struct machine *m, void **out, size_t *size, struct err *err);

#endif
