/* SPDX-License-Identifier: BSD-2-Clause */
/* What assembly and C share. */
#ifndef GUEST_LAYOUT_H
#define GUEST_LAYOUT_H

#define MAX_CPUS   8
#define STACK_SIZE 0x4000
#define FRAME_SIZE 176

#endif
