// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm/x86.h"

int kvm_x86_vm_setup(const struct kvm_vm *vm, uint64_t tss, struct err *err)
{
	uint64_t identity = tss + 0x3000;
	int ret;

	ret = KVM_IOCTL(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity, "a page table for real mode", err);
	if (ret >= 0)
		ret = KVM_IOCTL(vm->fd, KVM_SET_TSS_ADDR, tss, "a task state segment for real mode", err);
	return ret < 0 ? ret : 0;
}

int kvm_x86_supported_cpuid(const struct kvm *kvm, struct kvm_x86_cpuid *cpuid, struct err *err)
{
	memset(cpuid, 0, sizeof(*cpuid));
	cpuid->count = KVM_X86_MAX_CPUID;
	return KVM_IOCTL(kvm->fd, KVM_GET_SUPPORTED_CPUID, cpuid, "asking what the CPU can do", err);
}

int kvm_x86_set_cpuid(const struct kvm_vcpu *vcpu, const struct kvm_x86_cpuid *cpuid, struct err *err)
{
	return KVM_IOCTL(vcpu->fd, KVM_SET_CPUID2, cpuid, "giving a vCPU its CPUID", err);
}

int kvm_x86_get_regs(const struct kvm_vcpu *vcpu, struct kvm_regs *regs, struct err *err)
{
	return KVM_IOCTL(vcpu->fd, KVM_GET_REGS, regs, "reading a vCPU's registers", err);
}

int kvm_x86_set_regs(const struct kvm_vcpu *vcpu, const struct kvm_regs *regs, struct err *err)
{
	return KVM_IOCTL(vcpu->fd, KVM_SET_REGS, regs, "setting a vCPU's registers", err);
}

int kvm_x86_get_sregs(const struct kvm_vcpu *vcpu, struct kvm_sregs *sregs, struct err *err)
{
	return KVM_IOCTL(vcpu->fd, KVM_GET_SREGS, sregs, "reading a vCPU's system registers", err);
}

int kvm_x86_set_sregs(const struct kvm_vcpu *vcpu, const struct kvm_sregs *sregs, struct err *err)
{
	return KVM_IOCTL(vcpu->fd, KVM_SET_SREGS, sregs, "setting a vCPU's system registers", err);
}

/* struct kvm_msrs with room for one entry. */
struct one_msr {
	uint32_t nmsrs, pad;
	struct kvm_msr_entry entry;
};

int kvm_x86_get_msr(const struct kvm_vcpu *vcpu, uint32_t index, uint64_t *value, struct err *err)
{
	struct one_msr msr = { .nmsrs = 1, .entry.index = index };
	int done = KVM_IOCTL(vcpu->fd, KVM_GET_MSRS, &msr, "reading an MSR", err);

	if (done < 0)
		return done;
	if (done != 1)
		return err_host_text(err, "KVM_GET_MSRS: this KVM has no MSR %#x", index);
	*value = msr.entry.data;
	return 0;
}

int kvm_x86_set_msr(const struct kvm_vcpu *vcpu, uint32_t index, uint64_t value, struct err *err)
{
	struct one_msr msr = { .nmsrs = 1, .entry = { .index = index, .data = value } };
	int done = KVM_IOCTL(vcpu->fd, KVM_SET_MSRS, &msr, "setting an MSR", err);

	if (done < 0)
		return done;
	if (done != 1)
		return err_host_text(err, "KVM_SET_MSRS: MSR %#x does not take %#llx", index,
				     (unsigned long long)value);
	return 0;
}

int kvm_x86_nmi(const struct kvm_vcpu *vcpu, struct err *err)
{
	return KVM_IOCTL(vcpu->fd, KVM_NMI, 0, "an NMI", err);
}

int kvm_x86_was_stopped(const struct kvm_vcpu *vcpu)
{
	return ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0) < 0 ? -errno : 0;
}

uint32_t kvm_x86_tsc_khz(const struct kvm_vcpu *vcpu)
{
	int khz = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);

	return khz > 0 ? (uint32_t)khz : 0;
}

int kvm_x86_save_state(const struct kvm_vcpu *vcpu, struct kvm_x86_state *state, struct err *err)
{
	const char *purpose = "keeping a vCPU's reset state";
	int ret = KVM_IOCTL(vcpu->fd, KVM_GET_REGS, &state->regs, purpose, err);

	if (ret >= 0)
		ret = KVM_IOCTL(vcpu->fd, KVM_GET_SREGS, &state->sregs, purpose, err);
	if (ret >= 0)
		ret = KVM_IOCTL(vcpu->fd, KVM_GET_FPU, &state->fpu, purpose, err);
	if (ret >= 0)
		ret = KVM_IOCTL(vcpu->fd, KVM_GET_DEBUGREGS, &state->debugregs, purpose, err);
	if (ret >= 0)
		ret = KVM_IOCTL(vcpu->fd, KVM_GET_VCPU_EVENTS, &state->events, purpose, err);
	if (ret < 0)
		return ret;
	/* Absent on hosts without XSAVE. */
	state->have_xcrs = ioctl(vcpu->fd, KVM_GET_XCRS, &state->xcrs) == 0;
	return 0;
}

int kvm_x86_restore_state(const struct kvm_vcpu *vcpu, const struct kvm_x86_state *state, struct err *err)
{
	const char *purpose = "resetting a vCPU on INIT";
	struct kvm_sregs sregs;
	int ret = KVM_IOCTL(vcpu->fd, KVM_GET_SREGS, &sregs, purpose, err);
	uint64_t apic_base = sregs.apic_base;

	if (ret < 0)
		return ret;
	sregs = state->sregs;
	sregs.apic_base = apic_base;
	ret = KVM_IOCTL(vcpu->fd, KVM_SET_SREGS, &sregs, purpose, err);
	if (ret >= 0)
		ret = KVM_IOCTL(vcpu->fd, KVM_SET_REGS, &state->regs, purpose, err);
	if (ret >= 0)
		ret = KVM_IOCTL(vcpu->fd, KVM_SET_FPU, &state->fpu, purpose, err);
	if (ret >= 0)
		ret = KVM_IOCTL(vcpu->fd, KVM_SET_DEBUGREGS, &state->debugregs, purpose, err);
	if (ret >= 0)
		ret = KVM_IOCTL(vcpu->fd, KVM_SET_VCPU_EVENTS, &state->events, purpose, err);
	if (ret >= 0 && state->have_xcrs)
		ret = KVM_IOCTL(vcpu->fd, KVM_SET_XCRS, &state->xcrs, purpose, err);
	return ret < 0 ? ret : 0;
}

int64_t kvm_x86_translate(const struct kvm_vcpu *vcpu, uint64_t linear)
{
	struct kvm_translation tr = { .linear_address = linear };

	if (ioctl(vcpu->fd, KVM_TRANSLATE, &tr) < 0 || !tr.valid)
		return -1;
	return (int64_t)tr.physical_address;
}
