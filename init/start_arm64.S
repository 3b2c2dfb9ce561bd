/* SPDX-License-Identifier: BSD-2-Clause */
/* Linux, arch/arm64/kernel/syscall.c: the number in x8, arguments in x0 to x5, the result in x0. */
	.text
	.globl	_start
_start:
	mov	x29, #0
	mov	x30, #0
	bl	init_main
	brk	#0

/* long sys_call(long number, long a, long b, long c, long d, long e, long f) */
	.globl	sys_call
sys_call:
	mov	x8, x0
	mov	x0, x1
	mov	x1, x2
	mov	x2, x3
	mov	x3, x4
	mov	x4, x5
	mov	x5, x6
	svc	#0
	ret

	.section .note.GNU-stack, "", %progbits
