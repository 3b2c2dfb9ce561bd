/* SPDX-License-Identifier: BSD-2-Clause */
/* What KVM has on aarch64 only. Errors as in kvm/kvm.h. */
#ifndef VIREO_KVM_ARM64_H
#define VIREO_KVM_ARM64_H

#include "kvm/kvm.h"

/*
 * The machine type word for KVM_CREATE_VM: the width of guest-physical addresses. 0 (40 bits) where
 * the host can, else the widest it has.
 */
unsigned long kvm_arm64_vm_type(const struct kvm *kvm);

/* How many bits guest-physical addresses have in a VM of that type. */
unsigned int kvm_arm64_address_bits(const struct kvm *kvm);

/* KVM_CAP_ARM_NISV_TO_USER: aborts that KVM cannot decode come to the program, not to an error. */
int kvm_arm64_vm_setup(const struct kvm_vm *vm, struct err *err);

/*
 * KVM_CAP_ARM_USER_IRQ: the VM may do without an in-kernel GIC. -ENOSYS with a line where it may not.
 */
int kvm_arm64_check_user_irq(const struct kvm *kvm, struct err *err);

/*
 * Without an in-kernel GIC: drives the IRQ or FIQ input of a vCPU. The vCPU's own thread, between two
 * KVM_RUN: KVM may lose what another one sets while it loads the vCPU onto a CPU.
 */
void kvm_arm64_set_input(const struct kvm_vm *vm, unsigned int vcpu, bool fiq, bool level);

/*
 * Without an in-kernel GIC: the levels of the vCPU's own interrupt outputs at its last exit, a set of
 * KVM_ARM_DEV_EL1_*. A change ends KVM_RUN. The vCPU's thread.
 */
uint64_t kvm_arm64_outputs(const struct kvm_vcpu *vcpu);

/*
 * KVM_ARM_VCPU_INIT with PSCI 0.2 or later; `powered_off`: waits in KVM_RUN for PSCI CPU_ON.
 */
int kvm_arm64_vcpu_init(const struct kvm_vcpu *vcpu, const struct kvm_vm *vm, bool powered_off,
			struct err *err);

/* Core registers (Documentation/virt/kvm/api.rst, "KVM_SET_ONE_REG", the arm64 list). */
int kvm_arm64_set_entry(const struct kvm_vcpu *vcpu, uint64_t pc, uint64_t x0, struct err *err);

/*
 * The virtual counter of all vCPUs, and setting it, by any one of them; none may be in kvm_vcpu_run()
 * (api.rst, "KVM_SET_ONE_REG", the arm64 list: the timer registers).
 */
int kvm_arm64_get_counter(const struct kvm_vcpu *vcpu, uint64_t *counter, struct err *err);
int kvm_arm64_set_counter(const struct kvm_vcpu *vcpu, uint64_t counter, struct err *err);

/* The program counter, or 0 where it cannot be read. For diagnostics. */
uint64_t kvm_arm64_pc(const struct kvm_vcpu *vcpu);

/* The MPIDR affinity bits KVM gave the vCPU. */
int kvm_arm64_mpidr(const struct kvm_vcpu *vcpu, uint64_t *mpidr, struct err *err);

/* Gives the guest a synchronous external data abort instead of the access it is waiting for. */
int kvm_arm64_inject_abort(const struct kvm_vcpu *vcpu, struct err *err);

#endif
