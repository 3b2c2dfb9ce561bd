/* SPDX-License-Identifier: BSD-2-Clause */
/* The arm64 Image header, the way into C for every CPU, and the exception vectors. */
#include "layout.h"

/* Linux, Documentation/arch/arm64/booting.rst, "Call the kernel image". */
	.section .head, "ax"
	b	start
	.long	0
	.quad	0x80000		/* text_offset: see image.lds */
	.quad	run_size	/* image_size */
	.quad	0xa		/* flags: little-endian, pages of 4 KiB, anywhere in memory */
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0

	.text
	.globl	start
start:
	adrp	x9, entry
	add	x9, x9, :lo12:entry
	stp	x0, x1, [x9]
	stp	x2, x3, [x9, #16]
	mrs	x10, daif
	mrs	x11, sctlr_el1
	stp	x10, x11, [x9, #32]
	mov	x0, #0
	bl	prepare
	bl	guest_start
1:	wfi
	b	1b

/* Where PSCI CPU_ON begins, with the CPU's number in X0. */
	.globl	start_other
start_other:
	bl	prepare
	bl	guest_start_other
1:	wfi
	b	1b

/* Stack and vectors of CPU X0. */
prepare:
	msr	tpidr_el1, x0
	adrp	x9, stacks
	add	x9, x9, :lo12:stacks
	add	x10, x0, #1
	mov	x11, #STACK_SIZE
	madd	x9, x10, x11, x9
	mov	sp, x9
	adrp	x9, vectors
	add	x9, x9, :lo12:vectors
	msr	vbar_el1, x9
	isb
	ret

/* struct frame in guest.h. */
.macro vector kind
	.balign 128
	sub	sp, sp, #FRAME_SIZE
	stp	x0, x1, [sp, #0]
	mov	x1, #\kind
	b	vector_common
.endm

	.balign 2048
vectors:
	.irp	kind, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vector	\kind
	.endr

vector_common:
	stp	x2, x3, [sp, #16]
	stp	x4, x5, [sp, #32]
	stp	x6, x7, [sp, #48]
	stp	x8, x9, [sp, #64]
	stp	x10, x11, [sp, #80]
	stp	x12, x13, [sp, #96]
	stp	x14, x15, [sp, #112]
	stp	x16, x17, [sp, #128]
	stp	x18, x30, [sp, #144]
	mrs	x2, elr_el1
	mrs	x3, spsr_el1
	stp	x2, x3, [sp, #160]
	mov	x0, sp
	bl	trap
	ldp	x2, x3, [sp, #160]
	msr	elr_el1, x2
	msr	spsr_el1, x3
	ldp	x2, x3, [sp, #16]
	ldp	x4, x5, [sp, #32]
	ldp	x6, x7, [sp, #48]
	ldp	x8, x9, [sp, #64]
	ldp	x10, x11, [sp, #80]
	ldp	x12, x13, [sp, #96]
	ldp	x14, x15, [sp, #112]
	ldp	x16, x17, [sp, #128]
	ldp	x18, x30, [sp, #144]
	ldp	x0, x1, [sp, #0]
	add	sp, sp, #FRAME_SIZE
	eret

	.section .note.GNU-stack, "", %progbits
