// SPDX-License-Identifier: BSD-2-Clause
/* The VM on x86-64: no in-kernel interrupt controller, a userspace LAPIC and I/O APIC. */
#include <errno.h>
#include <stdlib.h>

#include "devices/ioapic.h"
#include "kvm/log.h"
#include "vmm/arch.h"
#include "vmm/vcpu_x86.h"

/* The LAPIC timer's rate where KVM does not tell the TSC's. */
#define DEFAULT_LAPIC_HZ 1000000000u

/* The interrupt lines of the machine: what its devices need, and what was asked for. */
static uint32_t nr_gsis(const struct vm *vm)
{
	uint32_t needed = machine_nr_lines(&vm->machine), asked = vm->cfg->ioapics * IOAPIC_PINS;

	return needed > asked ? needed : asked;
}

unsigned long arch_vm_type(const struct kvm *kvm)
{
	(void)kvm;
	return 0;
}

int arch_vm_init(struct vm *vm, struct err *err)
{
	struct vm_arch *arch;
	struct apic_rates rates;
	int ret;

	ret = kvm_require(vm->kvm_vm.fd, KVM_CAP_NAME(SYNC_REGS), "to hand interrupts to the guest", err);
	if (!ret)
		ret = kvm_x86_vm_setup(&vm->kvm_vm, PC_VMX_PAGES, err);
	if (ret < 0)
		return ret;

	arch = calloc(1, sizeof(*arch));
	if (!arch)
		return err_host(err, ENOMEM, "the VM");
	vm->arch = arch;
	arch->tsc_probe = (struct tsc_probe)TSC_PROBE_NONE;
	ret = kvm_x86_supported_cpuid(&vm->kvm, &arch->cpuid, err);
	if (ret < 0)
		goto fail;

	arch->tsc_khz = tsc_probe(&arch->tsc_probe, &vm->kvm, &arch->cpuid, &arch->tsc_deadline);
	/* An eighth of the TSC's: what the CPUID crystal says (cpuid_x86.c). */
	arch->lapic_hz = arch->tsc_khz ? arch->tsc_khz * 125 : DEFAULT_LAPIC_HZ;
	log_debug("TSC %u kHz, LAPIC timer %u Hz, TSC-deadline mode %s", arch->tsc_khz, arch->lapic_hz,
		  arch->tsc_deadline ? "offered" : "not offered: its MSR does not arrive on this host");
	ret = cpuid_prepare(vm, err);
	if (ret < 0)
		goto fail;

	rates = (struct apic_rates){
		.timer_hz = arch->lapic_hz,
		.tsc_khz = arch->tsc_deadline ? arch->tsc_khz : 0,
	};
	ret = apic_create(&arch->apic, vm->machine.nr_cpus, nr_gsis(vm), &vm->device_host, rates, err);
	if (ret < 0)
		goto fail;
	return 0;

fail:
	arch_vm_finish(vm);
	return ret;
}

void arch_vm_finish(struct vm *vm)
{
	if (!vm->arch)
		return;
	apic_destroy(vm->arch->apic);
	tsc_probe_finish(&vm->arch->tsc_probe);
	free(vm->arch);
	vm->arch = NULL;
}

int arch_irqchip_assume(struct vm *vm, struct err *err)
{
	(void)err;
	vm->machine.irqchip = (struct irqchip_desc){ .kind = IRQCHIP_APIC, .lapic_base = PC_LAPIC_BASE };
	vm->machine.irqchip.nr_ioapics = ioapics_place(nr_gsis(vm), vm->machine.irqchip.ioapic);
	return 0;
}

int arch_irqchip_init(struct vm *vm, struct err *err)
{
	const struct irqchip_desc *desc = &vm->machine.irqchip;
	struct apic *apic = vm->arch->apic;
	int ret = arch_irqchip_assume(vm, err);

	for (unsigned int i = 0; !ret && i < desc->nr_ioapics; i++) {
		ret = bus_add(&vm->mmio, desc->ioapic[i].base, IOAPIC_WINDOW, apic->ioapics.dev[i]);
		if (ret < 0)
			err_host(err, -ret, "I/O APIC %u on the MMIO bus", i);
	}
	if (ret < 0)
		return ret;
	vm->irqchip = &apic->chip;
	log_info("irqchip apic: userspace LAPICs and %u I/O APIC%s, no in-kernel interrupt controller",
		 desc->nr_ioapics, desc->nr_ioapics > 1 ? "s" : "");
	return 0;
}

void arch_irqchip_finish(struct vm *vm)
{
	vm->irqchip = NULL;
}
