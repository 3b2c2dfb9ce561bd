/* SPDX-License-Identifier: BSD-2-Clause */
/* What the x86-64 files of vmm/ share. */
#ifndef VIREO_VMM_VCPU_X86_H
#define VIREO_VMM_VCPU_X86_H

#include "devices/apic.h"
#include "kvm/x86.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

/* The throw-away VM of tsc_x86.c. */
struct tsc_probe {
	struct kvm_ram ram;
	struct kvm_vm vm;
	struct kvm_vcpu vcpu;
};
#define TSC_PROBE_NONE                                   \
	{                                                \
		.ram.fd = -1, .vm.fd = -1, .vcpu.fd = -1 \
	}

struct vm_arch {
	/* The interrupt controllers: one of the two (irqchip_x86.c). */
	struct apic *apic;               /* all of them in this program */
	struct kernel_chip *kernel_chip; /* KVM has a part */
	struct kvm_x86_cpuid cpuid;      /* what every vCPU gets, but for its own id */
	struct tsc_probe tsc_probe;      /* kept to the end only to spare the start its closing */
	uint32_t tsc_khz;                /* 0: KVM does not tell, or need not */
	uint32_t lapic_hz;               /* the rate of this program's LAPIC timers at divisor 1 */
	bool tsc_deadline;               /* offered to the guest: works on this host */
};

enum vcpu_state {
	VCPU_RUNNING,
	VCPU_HALTED,    /* after HLT: until an interrupt, NMI or INIT */
	VCPU_WAIT_SIPI, /* after INIT: until a startup IPI */
};

struct vcpu_arch {
	struct lapic *lapic; /* owned by vm_arch.apic; NULL: KVM has it, and nothing below counts */
	enum vcpu_state state;
	bool unfinished;            /* the next entry completes the instruction that caused the last exit */
	struct kvm_x86_state reset; /* for INIT */
};

/* --- irqchip_x86.c: who has the interrupt controllers --- */

/* Whether KVM has the LAPICs. */
bool irqchip_kernel_lapic(const struct vm *vm);

/* Whether KVM has the I/O APIC too. */
bool irqchip_kernel_ioapic(const struct vm *vm);

/* The interrupt lines of the machine: what its devices need or the user asked for, whole I/O APICs. */
uint32_t irqchip_lines(const struct vm_config *cfg, const struct machine *m);

/* Fills in vm->machine.irqchip. */
void irqchip_describe(struct vm *vm);

/*
 * Before the first vCPU: sets KVM up for cfg->irqchip and creates what KVM does not have, but for what
 * apic_create() does. irqchip_finish() undoes both, done or not.
 */
int irqchip_prepare(struct vm *vm, struct err *err);
void irqchip_finish(struct vm *vm);

/* Puts the program's I/O APICs on the bus and sets vm->irqchip; vm->machine.irqchip is filled in. */
int irqchip_connect(struct vm *vm, struct err *err);

/* KVM's LAPICs have ended a level-triggered interrupt that the program's I/O APICs sent. Any thread. */
void irqchip_eoi(struct vm *vm, uint8_t vector);

/* cpuid_x86.c: makes the VM's table out of what KVM supports; `vm->arch` is otherwise set. */
int cpuid_prepare(struct vm *vm, struct err *err);
/* The width of physical addresses that the table tells the guest. */
unsigned int cpuid_address_bits(const struct kvm_x86_cpuid *cpuid);
/* Gives a vCPU its own copy: ids and topology filled in. */
int cpuid_apply(struct vcpu *vcpu, struct err *err);

/*
 * tsc_x86.c: asks a throw-away VM about its TSC. Returns the rate in kHz, 0 where KVM does not tell.
 * `*deadline`: a guest's write of IA32_TSC_DEADLINE reaches the program on this host (some kernels swallow
 * it in a fast path), and KVM tells the guest's TSC right. `cpuid` is what the VM's vCPU gets. Needs tsc_probe_finish() in any
 * case, which waits for grace periods in the kernel and so is better put off.
 */
uint32_t tsc_probe(struct tsc_probe *probe, const struct kvm *kvm, const struct kvm_x86_cpuid *cpuid,
		   bool *deadline);
void tsc_probe_finish(struct tsc_probe *probe);

/* exit_x86.c: acts on run->exit_reason. */
void vcpu_handle_exit(struct vcpu *vcpu);

/* exit_x86.c: true where KVM is kvm_pvm, which runs guest kernels in software. */
bool software_kvm(void);

#endif
