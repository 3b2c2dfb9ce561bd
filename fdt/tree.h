/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device tree while it is being written, for the files of this room only.
 *
 * The first libfdt error sticks in `error` together with the name it happened at; every later call
 * does nothing. So a renderer is a plain sequence of calls and the error is looked at once, at the
 * end. Cells are given in the host's byte order.
 */
#ifndef VIREO_FDT_TREE_H
#define VIREO_FDT_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "devices/machine.h"

struct tree;

/* What differs between platforms. pc.c and arm.c. */
struct fdt_platform {
	const char *model;
	const char *compatible; /* a list as in struct device_class */
	/* Adds the `interrupts` property for `line`, active high, triggered by level or edge, and its parent. */
	void (*interrupt)(struct tree *t, const struct machine *m, int line, bool edge);
	/* Adds the nodes below the root, but for /chosen, /memory and MMIO devices. */
	void (*nodes)(struct tree *t, const struct machine *m);
};

extern const struct fdt_platform fdt_pc;
extern const struct fdt_platform fdt_arm;

struct tree {
	const struct fdt_platform *platform;
	void *fdt;
	int error;      /* of libfdt, negative; 0: none so far */
	char where[64]; /* the node or property the error happened at */
};

/* The first interrupt controller is the interrupt parent of whatever names no other. */
#define PHANDLE_IRQCHIP 1
#define PHANDLE_CLOCK   0x100 /* first of the fixed clocks' */
#define PHANDLE_GPIO    0x200 /* first of the GPIO controllers', by their place among the devices */

/* Port I/O hangs below this node on the PC. */
#define TREE_ISA_NODE "isa@i0"

/* Opens a node; the second form names it "name@address". Closed with tree_end(). */
void tree_begin(struct tree *t, const char *name);
void tree_begin_at(struct tree *t, const char *name, uint64_t address);
void tree_end(struct tree *t);

/* Properties of the node that is open. */
void tree_flag(struct tree *t, const char *name);
void tree_u32(struct tree *t, const char *name, uint32_t value);
void tree_u64(struct tree *t, const char *name, uint64_t value);
void tree_string(struct tree *t, const char *name, const char *text);
void tree_strings(struct tree *t, const char *name, const char *list); /* list as in struct device_class */
void tree_bytes(struct tree *t, const char *name, const void *bytes, size_t len);
void tree_cells(struct tree *t, const char *name, const uint32_t *cells, unsigned int count);
/* At most TREE_MAX_RANGES addresses and sizes, two cells each, as nodes directly below the root want. */
#define TREE_MAX_RANGES (1 + MACHINE_MAX_REDIST)
void tree_ranges(struct tree *t, const char *name, const struct machine_range *range, unsigned int count);

/* Nodes for all devices of the machine that are in `space` and have a `compatible`. */
void tree_devices(struct tree *t, const struct machine *m, enum device_space space);

#endif
