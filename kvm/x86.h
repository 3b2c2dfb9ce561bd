/* SPDX-License-Identifier: BSD-2-Clause */
/* What KVM has on x86-64 only. Errors as in kvm/kvm.h. */
#ifndef VIREO_KVM_X86_H
#define VIREO_KVM_X86_H

#include "kvm/kvm.h"

#define KVM_X86_MAX_CPUID 256

/* A CPUID table; struct kvm_cpuid2 with room. */
struct kvm_x86_cpuid {
	uint32_t count;
	uint32_t padding;
	struct kvm_cpuid_entry2 entry[KVM_X86_MAX_CPUID];
};

/* A vCPU's registers as KVM makes them at creation (the state after RESET), to go back to on INIT. */
struct kvm_x86_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	struct kvm_debugregs debugregs;
	struct kvm_vcpu_events events;
	struct kvm_xcrs xcrs;
	bool have_xcrs;
};

/*
 * What every VM needs: the pages VMX wants for real mode are put at `tss` (four pages of
 * guest-physical space that hold nothing else).
 */
int kvm_x86_vm_setup(const struct kvm_vm *vm, uint64_t tss, struct err *err);

/* --- interrupt controllers: one of these three, before the first vCPU --- */

/*
 * No in-kernel LAPIC: MSR accesses that KVM refuses, writes of IA32_APIC_BASE, and IA32_TSC_DEADLINE, come
 * to the program. A VM without a call of the other two has none either.
 */
int kvm_x86_userspace_lapic(const struct kvm_vm *vm, struct err *err);

/*
 * KVM's LAPICs alone. Level-triggered interrupts of the first `pins` routes are ended by
 * KVM_EXIT_IOAPIC_EOI.
 */
int kvm_x86_split_irqchip(const struct kvm_vm *vm, unsigned int pins, struct err *err);

/*
 * KVM's LAPICs and I/O APIC, whose `pins` pins are the GSIs from 0 on. Its 8259s are there but no
 * line leads to them. No PIT.
 */
int kvm_x86_kernel_irqchip(const struct kvm_vm *vm, unsigned int pins, struct err *err);

/* Drives a pin of KVM's I/O APIC. Any thread. */
int kvm_x86_set_line(const struct kvm_vm *vm, uint32_t gsi, bool level);

/* Whether the guest has unmasked a pin of KVM's I/O APIC. Any thread. */
bool kvm_x86_line_unmasked(const struct kvm_vm *vm, uint32_t gsi);

/*
 * A message to KVM's LAPICs, its destination's bits from the 9th on in the upper half of `addr` (bits
 * 63:40; KVM_CAP_X2APIC_API). The number of LAPICs that took it, or a negative errno. Any thread.
 */
int kvm_x86_send_msi(const struct kvm_vm *vm, uint64_t addr, uint32_t data);

/* What a pin of the program's I/O APIC sends, for a split irqchip; data 0: nothing. */
struct kvm_x86_route {
	uint64_t addr; /* as for kvm_x86_send_msi() */
	uint32_t data;
};

/* Replaces the routes of pins 0 to `count` - 1. Any thread; the caller sees to the order. */
#define KVM_X86_MAX_ROUTES 256
int kvm_x86_set_routes(const struct kvm_vm *vm, const struct kvm_x86_route *route, unsigned int count);

/* What CPUID this host's KVM can give. */
int kvm_x86_supported_cpuid(const struct kvm *kvm, struct kvm_x86_cpuid *cpuid, struct err *err);
int kvm_x86_set_cpuid(const struct kvm_vcpu *vcpu, const struct kvm_x86_cpuid *cpuid, struct err *err);

int kvm_x86_get_regs(const struct kvm_vcpu *vcpu, struct kvm_regs *regs, struct err *err);
int kvm_x86_set_regs(const struct kvm_vcpu *vcpu, const struct kvm_regs *regs, struct err *err);
int kvm_x86_get_sregs(const struct kvm_vcpu *vcpu, struct kvm_sregs *sregs, struct err *err);
int kvm_x86_set_sregs(const struct kvm_vcpu *vcpu, const struct kvm_sregs *sregs, struct err *err);

int kvm_x86_get_msr(const struct kvm_vcpu *vcpu, uint32_t index, uint64_t *value, struct err *err);
int kvm_x86_set_msr(const struct kvm_vcpu *vcpu, uint32_t index, uint64_t value, struct err *err);

/* Queues an NMI. The vCPU's thread. */
int kvm_x86_nmi(const struct kvm_vcpu *vcpu, struct err *err);

/*
 * The guest's clock (kvmclock) tells it that it was stopped by the host. 0; -EINVAL where the guest has no such
 * clock; or another negative errno. No message. The vCPU must not be in kvm_vcpu_run().
 */
int kvm_x86_was_stopped(const struct kvm_vcpu *vcpu);

/* The guest's TSC rate in kHz, or 0 where KVM does not tell. */
uint32_t kvm_x86_tsc_khz(const struct kvm_vcpu *vcpu);

int kvm_x86_save_state(const struct kvm_vcpu *vcpu, struct kvm_x86_state *state, struct err *err);
/* Restores all of `state` but for IA32_APIC_BASE, which INIT leaves alone. */
int kvm_x86_restore_state(const struct kvm_vcpu *vcpu, const struct kvm_x86_state *state, struct err *err);

/* The linear address translated, or -1 where it is not mapped. For diagnostics. */
int64_t kvm_x86_translate(const struct kvm_vcpu *vcpu, uint64_t linear);

#endif
