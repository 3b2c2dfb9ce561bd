/* SPDX-License-Identifier: BSD-2-Clause */
/* What assembly and C share. */
#ifndef GUEST_LAYOUT_H
#define GUEST_LAYOUT_H

#define SEL_CODE   0x08
#define SEL_DATA   0x10
#define SEL_CODE16 0x18 /* base TRAMPOLINE */

#define ENTRY_PVH       1
#define ENTRY_LONG      2
#define ENTRY_MULTIBOOT 3

#define MAX_CPUS   8
#define STACK_SIZE 0x4000  /* and alignment: a CPU finds its number at the bottom of its stack */
#define TRAMPOLINE 0x60000 /* below 1 MiB, where the loader leaves nothing */

#endif
