// SPDX-License-Identifier: BSD-2-Clause
/* The VM on x86-64. Who has the interrupt controllers, this program or KVM, is in irqchip_x86.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOG_AREA AREA_KVM
#include "kvm/log.h"
#include "vmm/arch.h"
#include "vmm/vcpu_x86.h"

/* The LAPIC timer's rate where KVM does not tell the TSC's. */
#define DEFAULT_LAPIC_HZ 1000000000u

/* Caches are coherent whatever memory type a guest's mapping has. */
const bool arch_reads_device_memory = true;

unsigned long arch_vm_type(const struct kvm *kvm)
{
	(void)kvm;
	return 0;
}

/* What a userspace LAPIC is built with; KVM's own needs none of it. */
static void learn_rates(struct vm *vm)
{
	struct vm_arch *arch = vm->arch;

	arch->tsc_khz = tsc_probe(&arch->tsc_probe, &vm->kvm, &arch->cpuid, &arch->tsc_deadline);
	/* An eighth of the TSC's: what the CPUID crystal says (cpuid_x86.c). */
	arch->lapic_hz = arch->tsc_khz ? arch->tsc_khz * 125 : DEFAULT_LAPIC_HZ;
	log_debug("TSC %u kHz, LAPIC timer %u Hz, TSC-deadline mode %s", arch->tsc_khz, arch->lapic_hz,
		  arch->tsc_deadline ? "offered" : "not offered: it does not work on this host");
}

static int create_apic(struct vm *vm, struct err *err)
{
	struct vm_arch *arch = vm->arch;
	const struct apic_rates rates = {
		.timer_hz = arch->lapic_hz,
		.tsc_khz = arch->tsc_deadline ? arch->tsc_khz : 0,
	};

	return apic_create(&arch->apic, vm->machine.nr_cpus, irqchip_lines(vm->cfg, &vm->machine),
			   &vm->device_host, rates, err);
}

int arch_vm_init(struct vm *vm, struct err *err)
{
	bool kernel_lapic = irqchip_kernel_lapic(vm);
	struct vm_arch *arch;
	int ret = kvm_x86_vm_setup(&vm->kvm_vm, PC_VMX_PAGES, err);

	if (ret < 0)
		return ret;
	arch = calloc(1, sizeof(*arch));
	if (!arch)
		return err_host(err, ENOMEM, "the VM");
	vm->arch = arch;
	arch->tsc_probe = (struct tsc_probe)TSC_PROBE_NONE;

	ret = kvm_x86_supported_cpuid(&vm->kvm, &arch->cpuid, err);
	if (ret >= 0)
		ret = irqchip_prepare(vm, err);
	if (ret >= 0 && kernel_lapic)
		arch->tsc_deadline = kvm_check(vm->kvm.fd, KVM_CAP_NAME(TSC_DEADLINE_TIMER));
	else if (ret >= 0)
		learn_rates(vm);
	if (ret >= 0)
		ret = cpuid_prepare(vm, err);
	if (ret >= 0 && !kernel_lapic)
		ret = create_apic(vm, err);
	if (ret < 0)
		arch_vm_finish(vm);
	return ret;
}

void arch_vm_finish(struct vm *vm)
{
	if (!vm->arch)
		return;
	irqchip_finish(vm);
	tsc_probe_finish(&vm->arch->tsc_probe);
	free(vm->arch);
	vm->arch = NULL;
}

unsigned int arch_address_bits(const struct vm *vm)
{
	return cpuid_address_bits(&vm->arch->cpuid);
}

void arch_vm_paused(struct vm *vm)
{
	(void)vm;
}

void arch_vm_resuming(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		int ret = kvm_x86_was_stopped(&vm->vcpu[i]->kvm);

		if (ret < 0 && ret != -EINVAL) /* that guest has no such clock, or not yet */
			log_warn("vCPU %u: KVM_KVMCLOCK_CTRL: %s; the guest may take the pause for a lockup",
				 i, strerrordesc_np(-ret));
	}
}

void arch_irqchip_assume(struct vm *vm)
{
	irqchip_describe(vm);
}

int arch_irqchip_init(struct vm *vm, struct err *err)
{
	irqchip_describe(vm);
	return irqchip_connect(vm, err);
}

void arch_irqchip_finish(struct vm *vm)
{
	vm->irqchip = NULL;
}
