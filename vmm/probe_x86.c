// SPDX-License-Identifier: BSD-2-Clause
#include <unistd.h>

#include "kvm/x86.h"
#include "vmm/probe.h"
#include "vmm/vcpu_x86.h"

void probe_arch(struct probe *probe, const struct kvm *kvm)
{
	bool software = software_kvm(), deadline = false;
	struct tsc_probe tsc = TSC_PROBE_NONE;
	struct kvm_x86_cpuid cpuid;
	uint32_t khz = 0;
	struct err err;

	probe_add_cap(probe, "user-msr", kvm->fd, KVM_CAP_NAME(X86_USER_SPACE_MSR), true,
		      "x2APIC registers in userspace");
	probe_add_cap(probe, "msr-filter", kvm->fd, KVM_CAP_NAME(X86_MSR_FILTER), true,
		      "IA32_TSC_DEADLINE in userspace");
	probe_add_cap(probe, "sync-regs", kvm->fd, KVM_CAP_NAME(SYNC_REGS), true,
		      "interrupts handed over without a system call");

	probe_add_cap(probe, "apic-split", kvm->fd, KVM_CAP_NAME(SPLIT_IRQCHIP), false,
		      "KVM's LAPICs with userspace I/O APICs");
	probe_add_cap(probe, "apic-kernel", kvm->fd, KVM_CAP_NAME(IRQCHIP), false,
		      "KVM's LAPICs and I/O APIC");

	if (kvm_x86_supported_cpuid(kvm, &cpuid, &err) >= 0)
		khz = tsc_probe(&tsc, kvm, &cpuid, &deadline);
	probe_add(probe, "tsc", khz != 0, false,
		  "guests will measure the rates of their timers by themselves", "TSC at %u kHz", khz);
	probe_add(probe, "tsc-deadline", deadline, false,
		  "nothing: guests use the one-shot and periodic LAPIC timer instead",
		  "IA32_TSC_DEADLINE %s with a userspace LAPIC", deadline ? "works" : "does not work");
	probe_add(probe, "hardware", !software, false,
		  "enable VMX or SVM (nested virtualization, if this is a VM) and load kvm_intel or kvm_amd",
		  software ? "kvm_pvm runs guest kernels in software" : "guests run on VMX or SVM");
	probe->stock_kernels = !software;
	tsc_probe_finish(&tsc);
}
