/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The seam between the program and the architecture it was built for. Each function is implemented
 * once in vmm/arch_x86.c or vmm/vcpu_x86.c, and once in their _arm64 twins.
 */
#ifndef VIREO_VMM_ARCH_H
#define VIREO_VMM_ARCH_H

#include "kvm/err.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

/* --- the VM --- */

/* The machine type word for KVM_CREATE_VM. */
unsigned long arch_vm_type(const struct kvm *kvm);

/* What the VM needs before memory and vCPUs. Creates vm->arch; arch_vm_finish() takes NULL there. */
int arch_vm_init(struct vm *vm, struct err *err);
void arch_vm_finish(struct vm *vm);

/* How many bits the guest's physical addresses have; after arch_vm_init(). */
unsigned int arch_address_bits(const struct vm *vm);

/* The interrupt controller, with all vCPUs created: sets vm->irqchip, describes it in vm->machine. */
int arch_irqchip_init(struct vm *vm, struct err *err);
void arch_irqchip_finish(struct vm *vm);

/*
 * Whether guests may be shown read-only memory where a device's registers are: a driver that maps those as a
 * device's reads what this program has written to its memory.
 */
extern const bool arch_reads_device_memory;

/*
 * Describes in vm->machine.irqchip what arch_irqchip_init() would create, without KVM; where the
 * host decides (auto), its first choice.
 */
void arch_irqchip_assume(struct vm *vm);

/* All vCPUs rest, in their threads: see vm_rest(). What fails here costs the guest's time only, and is logged. */
void arch_vm_paused(struct vm *vm);
void arch_vm_resuming(struct vm *vm);

/*
 * A non-maskable interrupt for vCPU `index`. Any thread; -EINVAL with a line where the architecture has
 * none.
 */
int arch_nmi(struct vm *vm, unsigned int index, struct err *err);

/* The interrupt controller of a started VM, as --irqchip names it. */
const char *arch_irqchip_name(const struct vm *vm);

/* --- a vCPU --- */

/* After kvm_vcpu_create(): what the architecture adds. Sets vcpu->arch. */
int arch_vcpu_init(struct vcpu *vcpu, struct err *err);
void arch_vcpu_finish(struct vcpu *vcpu);

/* Sets the first vCPU's registers to enter the kernel. */
int arch_vcpu_set_entry(struct vcpu *vcpu, const struct boot_entry *entry, struct err *err);

/* Runs the guest until vm->ending. The vCPU's thread. */
void arch_vcpu_loop(struct vcpu *vcpu);

#endif
