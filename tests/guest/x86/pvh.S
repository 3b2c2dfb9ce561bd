/* SPDX-License-Identifier: BSD-2-Clause */
/* The ELF note that asks for the PVH entry (Xen, "x86/HVM direct boot ABI": XEN_ELFNOTE_PHYS32_ENTRY). */
	.section .note.Xen, "a", @note
	.balign	4
	.long	4 /* size of the name */
	.long	4 /* size of the value */
	.long	18
	.asciz	"Xen"
	.long	entry_pvh

	.section .note.GNU-stack, "", @progbits
