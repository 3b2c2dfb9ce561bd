/* SPDX-License-Identifier: BSD-2-Clause */
/* System V ABI, AMD64 supplement, "Process Initialization" and "Linux Kernel Conventions". */
	.text
	.globl	_start
_start:
	xorl	%ebp, %ebp
	andq	$-16, %rsp
	call	init_main
	ud2

/* long sys_call(long number, long a, long b, long c, long d, long e, long f) */
	.globl	sys_call
sys_call:
	movq	%rdi, %rax
	movq	%rsi, %rdi
	movq	%rdx, %rsi
	movq	%rcx, %rdx
	movq	%r8, %r10
	movq	%r9, %r8
	movq	8(%rsp), %r9
	syscall
	ret

	.section .note.GNU-stack, "", %progbits
