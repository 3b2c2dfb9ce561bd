// SPDX-License-Identifier: BSD-2-Clause
/*
 * An aarch64 vCPU. PSCI and WFI are KVM's, and so are interrupts, but for a GICv2 in userspace; what
 * comes here is device accesses.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kvm/arm64.h"
#define LOG_AREA AREA_KVM
#include "kvm/log.h"
#include "vmm/arch.h"
#include "vmm/gicv2_user_arm64.h"

int arch_vcpu_init(struct vcpu *vcpu, struct err *err)
{
	uint64_t mpidr, expected = machine_cpu_id(&vcpu->vm->machine, vcpu->index);
	int ret = kvm_arm64_vcpu_init(&vcpu->kvm, &vcpu->vm->kvm_vm, vcpu->index != 0, err);

	if (ret >= 0)
		ret = kvm_arm64_mpidr(&vcpu->kvm, &mpidr, err);
	if (ret < 0)
		return ret;
	/* The device tree names CPUs by MPIDR: it must be KVM's. */
	if (mpidr != expected)
		return err_host_text(err, "vCPU %u has MPIDR %#llx, where %#llx was expected", vcpu->index,
				     (unsigned long long)mpidr, (unsigned long long)expected);
	return 0;
}

void arch_vcpu_finish(struct vcpu *vcpu)
{
	(void)vcpu;
}

int arch_vcpu_set_entry(struct vcpu *vcpu, const struct boot_entry *entry, struct err *err)
{
	return kvm_arm64_set_entry(&vcpu->kvm, entry->pc, entry->arg, err);
}

static void memory_access(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->kvm.run;
	uint64_t value = 0;

	if (gicv2_user_access(vcpu))
		return;
	if (run->mmio.is_write) {
		memcpy(&value, run->mmio.data, run->mmio.len);
		bus_write(&vcpu->vm->mmio, run->mmio.phys_addr, run->mmio.len, value);
	} else {
		value = bus_read(&vcpu->vm->mmio, run->mmio.phys_addr, run->mmio.len);
		memcpy(run->mmio.data, &value, run->mmio.len);
	}
}

/* An access without a syndrome (LDP, write-back addressing): what a bus would answer, an abort. */
static void undecoded_access(struct vcpu *vcpu)
{
	struct err err;

	log_debug_once("cpu %u: an access to %#llx that the CPU does not describe (such as LDP): data abort",
		       vcpu->index, (unsigned long long)vcpu->kvm.run->arm_nisv.fault_ipa);
	if (kvm_arm64_inject_abort(&vcpu->kvm, &err) < 0)
		vm_end_because(vcpu->vm, VM_FAILED, "%s", err.text);
}

static void system_event(struct vcpu *vcpu)
{
	switch (vcpu->kvm.run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		vm_end(vcpu->vm, VM_POWEROFF);
		break;
	case KVM_SYSTEM_EVENT_RESET:
		vm_end(vcpu->vm, VM_RESET);
		break;
	case KVM_SYSTEM_EVENT_CRASH:
		vm_end(vcpu->vm, VM_PANIC);
		break;
	default:
		log_debug_once("cpu %u: system event %u means nothing here", vcpu->index,
			       vcpu->kvm.run->system_event.type);
	}
}

/* The instruction at `pc` as text: only where it is a physical address (before the MMU is on). */
static void format_code(struct vcpu *vcpu, uint64_t pc, char *text, size_t size)
{
	uint32_t insn;

	if (guest_mem_read(&vcpu->vm->mem, pc, &insn, sizeof(insn)) < 0)
		snprintf(text, size, "not readable");
	else
		snprintf(text, size, "%08x", insn);
}

static void guest_died(struct vcpu *vcpu, const char *what)
{
	uint64_t pc = kvm_arm64_pc(&vcpu->kvm);
	char code[16];

	format_code(vcpu, pc, code, sizeof(code));
	vm_end_because(vcpu->vm, VM_DIED, "the guest died on cpu %u: %s at PC %#llx, code %s", vcpu->index,
		       what, (unsigned long long)pc, code);
}

static void handle_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->kvm.run;
	char what[VCPU_FAILURE_MAX];

	switch (run->exit_reason) {
	case KVM_EXIT_MMIO:
		memory_access(vcpu);
		break;
	case KVM_EXIT_ARM_NISV:
		undecoded_access(vcpu);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		system_event(vcpu);
		break;
	case KVM_EXIT_INTR:
		break;
	default:
		vcpu_describe_failure(vcpu, what);
		guest_died(vcpu, what);
	}
}

void arch_vcpu_loop(struct vcpu *vcpu)
{
	vcpu_run_exits(vcpu, gicv2_user_enter, gicv2_user_look, handle_exit);
}
