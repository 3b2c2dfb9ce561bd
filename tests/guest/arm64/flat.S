/* SPDX-License-Identifier: BSD-2-Clause */
/* In front of the Image header, so that it is none: a binary that is entered at its first byte. */
	.section .head, "ax"
	b	start
	.fill	63 * 4, 1, 0

	.section .note.GNU-stack, "", %progbits
