/* SPDX-License-Identifier: BSD-2-Clause */
/* The Multiboot header (GNU, "Multiboot Specification version 0.6.96", "OS image format"). */
#define MAGIC	0x1badb002
#define FLAGS	0x3 /* modules on page boundaries, memory information */

	.section .multiboot, "a"
	.balign	4
	.long	MAGIC
	.long	FLAGS
	.long	-(MAGIC + FLAGS)

	.section .note.GNU-stack, "", @progbits
