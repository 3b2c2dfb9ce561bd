// SPDX-License-Identifier: BSD-2-Clause
#include <stddef.h>
#include <sys/ioctl.h>

#include "kvm/arm64.h"

#define CORE_REG(field) (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(field))
#define MPIDR_EL1       ARM64_SYS_REG(3, 0, 0, 0, 5)

/* PSTATE at entry: EL1h, debug, SError, IRQ and FIQ masked (Linux, Documentation/arm64/booting.rst). */
#define PSTATE_ENTRY 0x3c5ULL

#define DEFAULT_ADDRESS_BITS 40 /* of machine type 0 */

unsigned int kvm_arm64_address_bits(const struct kvm *kvm)
{
	int bits = kvm_check(kvm->fd, KVM_CAP_NAME(ARM_VM_IPA_SIZE));

	return bits > 0 && bits < DEFAULT_ADDRESS_BITS ? (unsigned int)bits : DEFAULT_ADDRESS_BITS;
}

unsigned long kvm_arm64_vm_type(const struct kvm *kvm)
{
	unsigned int bits = kvm_arm64_address_bits(kvm);

	return bits < DEFAULT_ADDRESS_BITS ? bits : 0;
}

int kvm_arm64_vm_setup(const struct kvm_vm *vm, struct err *err)
{
	return kvm_vm_enable_cap(vm, KVM_CAP_NAME(ARM_NISV_TO_USER), 0,
				 "device accesses that carry no syndrome", err);
}

int kvm_arm64_check_user_irq(const struct kvm *kvm, struct err *err)
{
	return kvm_require(kvm->fd, KVM_CAP_NAME(ARM_USER_IRQ), "timers without an in-kernel GIC", err);
}

void kvm_arm64_set_input(const struct kvm_vm *vm, unsigned int vcpu, bool fiq, bool level)
{
	struct kvm_irq_level irq = {
		.irq = KVM_ARM_IRQ_TYPE_CPU << KVM_ARM_IRQ_TYPE_SHIFT | vcpu << KVM_ARM_IRQ_VCPU_SHIFT |
		       (fiq ? KVM_ARM_IRQ_CPU_FIQ : KVM_ARM_IRQ_CPU_IRQ),
		.level = level,
	};

	/* Refused only for a vCPU that does not exist. */
	(void)ioctl(vm->fd, KVM_IRQ_LINE, &irq);
}

uint64_t kvm_arm64_outputs(const struct kvm_vcpu *vcpu)
{
	return vcpu->run->s.regs.device_irq_level;
}

int kvm_arm64_vcpu_init(const struct kvm_vcpu *vcpu, const struct kvm_vm *vm, bool powered_off,
			struct err *err)
{
	struct kvm_vcpu_init init;
	int ret;

	ret = KVM_IOCTL(vm->fd, KVM_ARM_PREFERRED_TARGET, &init, "asking for the vCPU model", err);
	if (ret < 0)
		return ret;
	init.features[0] = 1u << KVM_ARM_VCPU_PSCI_0_2;
	if (powered_off)
		init.features[0] |= 1u << KVM_ARM_VCPU_POWER_OFF;
	ret = KVM_IOCTL(vcpu->fd, KVM_ARM_VCPU_INIT, &init, "initialising a vCPU", err);
	return ret < 0 ? ret : 0;
}

static int set_reg(const struct kvm_vcpu *vcpu, uint64_t id, uint64_t value, const char *purpose,
		   struct err *err)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uint64_t)(uintptr_t)&value };

	return KVM_IOCTL(vcpu->fd, KVM_SET_ONE_REG, &reg, purpose, err);
}

int kvm_arm64_set_entry(const struct kvm_vcpu *vcpu, uint64_t pc, uint64_t x0, struct err *err)
{
	int ret = set_reg(vcpu, CORE_REG(regs.pstate), PSTATE_ENTRY, "PSTATE at kernel entry", err);

	if (ret >= 0)
		ret = set_reg(vcpu, CORE_REG(regs.regs[0]), x0, "X0 at kernel entry", err);
	if (ret >= 0)
		ret = set_reg(vcpu, CORE_REG(regs.pc), pc, "PC at kernel entry", err);
	return ret < 0 ? ret : 0;
}

int kvm_arm64_get_counter(const struct kvm_vcpu *vcpu, uint64_t *counter, struct err *err)
{
	struct kvm_one_reg reg = { .id = KVM_REG_ARM_TIMER_CNT, .addr = (uint64_t)(uintptr_t)counter };

	return KVM_IOCTL(vcpu->fd, KVM_GET_ONE_REG, &reg, "reading the guest's counter", err);
}

int kvm_arm64_set_counter(const struct kvm_vcpu *vcpu, uint64_t counter, struct err *err)
{
	struct kvm_one_reg reg = { .id = KVM_REG_ARM_TIMER_CNT, .addr = (uint64_t)(uintptr_t)&counter };

	return KVM_IOCTL(vcpu->fd, KVM_SET_ONE_REG, &reg, "setting the guest's counter", err);
}

uint64_t kvm_arm64_pc(const struct kvm_vcpu *vcpu)
{
	uint64_t pc = 0;
	struct kvm_one_reg reg = { .id = CORE_REG(regs.pc), .addr = (uint64_t)(uintptr_t)&pc };

	return ioctl(vcpu->fd, KVM_GET_ONE_REG, &reg) < 0 ? 0 : pc;
}

int kvm_arm64_mpidr(const struct kvm_vcpu *vcpu, uint64_t *mpidr, struct err *err)
{
	struct kvm_one_reg reg = { .id = MPIDR_EL1, .addr = (uint64_t)(uintptr_t)mpidr };
	int ret = KVM_IOCTL(vcpu->fd, KVM_GET_ONE_REG, &reg, "reading a vCPU's MPIDR", err);

	/* Arm Architecture Reference Manual, "MPIDR_EL1": Aff3 is bits 39:32, Aff2-Aff0 23:0. */
	*mpidr &= 0xff00ffffffULL;
	return ret < 0 ? ret : 0;
}

int kvm_arm64_inject_abort(const struct kvm_vcpu *vcpu, struct err *err)
{
	struct kvm_vcpu_events events = { .exception.ext_dabt_pending = 1 };

	return KVM_IOCTL(vcpu->fd, KVM_SET_VCPU_EVENTS, &events, "injecting a data abort", err);
}
