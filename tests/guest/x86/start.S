/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the boot protocols to C: the first CPU by either entry point, the others from real mode; and
 * the stubs of the 256 interrupt vectors.
 */
#include "layout.h"

#define CR0_PE	 0x00000001
#define CR0_PG	 0x80000000
#define CR4_PAE	 0x20
#define MSR_EFER 0xc0000080
#define EFER_LME 0x100

/* Long mode with our own tables; the same text as 16-bit and as 32-bit code. */
.macro enter_long_mode
	movl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$pml4, %eax
	movl	%eax, %cr3
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$(CR0_PG | CR0_PE), %eax
	movl	%eax, %cr0
.endm

	.section .head, "ax"

/* Xen HVM start ABI ("PVH"): 32-bit protected mode, paging off, EBX: start info. */
	.code32
	.globl	entry_pvh
entry_pvh:
	movl	$ENTRY_PVH, %edi
	jmp	1f

/* GNU, "Multiboot Specification", "Machine state": the same, EBX: Multiboot information, EAX: magic. */
	.globl	entry_multiboot
entry_multiboot:
	movl	$ENTRY_MULTIBOOT, %edi
1:	cld
	movl	%eax, entry_eax
	movl	%ebx, %esi
	movl	%cs, %eax
	movl	%eax, entry_cs
	movl	%cr0, %eax
	movl	%eax, entry_cr0
	lgdtl	gdtr
	enter_long_mode
	ljmpl	$SEL_CODE, $first

/* Linux/x86 boot protocol, "64-bit boot protocol": at 0x200, RSI: boot_params. */
	.org	0x200
	.code64
	.globl	entry_long
entry_long:
	cld
	movl	$ENTRY_LONG, %edi
	movl	%cs, %eax
	movl	%eax, entry_cs
	movq	%cr0, %rax
	movl	%eax, entry_cr0
	lgdtq	gdtr
	movl	$pml4, %eax
	movq	%rax, %cr3
	movl	$(stacks + STACK_SIZE), %esp
	pushq	$SEL_CODE
	pushq	$first
	lretq

	.text
first:
	movl	$SEL_DATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%eax, %fs
	movl	%eax, %gs
	movl	$(stacks + STACK_SIZE), %esp
	movl	%edi, entry_kind
	movq	%rsi, entry_info
	call	guest_start
1:	cli
	hlt
	jmp	1b

/* Copied to TRAMPOLINE, where a startup IPI begins in real mode with CS = TRAMPOLINE >> 4, IP = 0. */
	.code16
	.globl	trampoline, trampoline_end
trampoline:
	cli
	cld
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	trampoline_gdtr - trampoline
	enter_long_mode
	ljmpl	$SEL_CODE, $other
	.balign 4
trampoline_gdtr:
	.word	gdt_end - gdt - 1
	.long	gdt
trampoline_end:

/*
 * Copied there too, and entered through SEL_CODE16 whose base it is: back to real mode, and on to where
 * a processor begins.
 */
	.code16
	.globl	to_reset_vector, to_reset_vector_end
to_reset_vector:
	movl	%cr0, %eax
	andl	$~CR0_PG, %eax
	movl	%eax, %cr0
	movl	$MSR_EFER, %ecx
	xorl	%eax, %eax
	xorl	%edx, %edx
	wrmsr
	movl	%cr0, %eax
	andl	$~CR0_PE, %eax
	movl	%eax, %cr0
	ljmpw	$0xf000, $0xfff0
to_reset_vector_end:

	.code64
other:
	movl	$SEL_DATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	%eax, %fs
	movl	%eax, %gs
	movl	$1, %eax
	cpuid
	shrl	$24, %ebx /* APIC id */
	movzbl	cpu_of_id(%rbx), %ebx
	incl	%ebx /* a stack ends where the next begins */
	imull	$STACK_SIZE, %ebx, %ebx
	leaq	stacks(%rbx), %rsp
	call	guest_start_other
1:	cli
	hlt
	jmp	1b

/* Vectors that push an error code: #DF, #TS, #NP, #SS, #GP, #PF, #AC. */
#define ERROR_CODES 0x27d00
	.balign 16
	.globl	vectors
vectors:
vector = 0
	.rept	256
	.balign 16
	.if	vector >= 32
	pushq	$0
	.elseif !(ERROR_CODES >> vector & 1)
	pushq	$0
	.endif
	.byte	0x68 /* pushq imm32 */
	.long	vector
	jmp	vector_common
vector = vector + 1
	.endr

/* struct frame in guest.h, from its end. */
vector_common:
	pushq	%r11
	pushq	%r10
	pushq	%r9
	pushq	%r8
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	%rax
	cld
	movq	%rsp, %rdi
	call	trap
	popq	%rax
	popq	%rcx
	popq	%rdx
	popq	%rsi
	popq	%rdi
	popq	%r8
	popq	%r9
	popq	%r10
	popq	%r11
	addq	$16, %rsp
	iretq

	.data
	.balign 8
	.globl	gdt
gdt:
	.quad	0
	.quad	0x00af9b000000ffff /* SEL_CODE: 64-bit */
	.quad	0x00cf93000000ffff /* SEL_DATA */
	.quad	0x00009b000000ffff | (TRAMPOLINE << 16) /* SEL_CODE16 */
gdt_end:
	.globl	gdtr
gdtr:
	.word	gdt_end - gdt - 1
	.quad	gdt

/* The low 4 GiB, one to one, in pages of 2 MiB. */
	.balign 4096
	.globl	pml4
pml4:
	.quad	pdpt + 3
	.fill	511, 8, 0
pdpt:
	.quad	pd + 0x0003, pd + 0x1003, pd + 0x2003, pd + 0x3003
	.fill	508, 8, 0
pd:
address = 0
	.rept	2048
	.quad	address + 0x83
address = address + 0x200000
	.endr

	.section .note.GNU-stack, "", @progbits
