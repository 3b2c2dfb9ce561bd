// SPDX-License-Identifier: BSD-2-Clause
/*
 * An x86-64 vCPU: registers at entry, INIT and SIPI, and the loop that takes an interrupt from its
 * LAPIC into the guest. What exits mean is in exit_x86.c.
 */
#include "vmm/vcpu_x86.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kvm/log.h"
#include "vmm/arch.h"

#define MSR_IA32_TSC          0x10
#define MSR_IA32_APIC_BASE    0x1b
#define MSR_IA32_MISC_ENABLE  0x1a0
#define MSR_IA32_MTRR_DEFTYPE 0x2ff

#define MISC_ENABLE_FAST_STRING 1ULL
#define MTRR_ENABLED_WRITEBACK  0x806ULL /* E flag, default type 6 */

#define CR0_PE   0x1ULL
#define CR0_ET   0x10ULL
#define CR0_PG   0x80000000ULL
#define CR4_PAE  0x20ULL
#define EFER_LME 0x100ULL
#define EFER_LMA 0x400ULL

static void kick(void *cpu)
{
	vcpu_kick(cpu);
}

static uint64_t read_tsc(void *cpu)
{
	struct vcpu *vcpu = cpu;
	struct err err;
	uint64_t tsc;

	/* Asked for each time: the guest may move its TSC, and KVM does not tell. */
	if (kvm_x86_get_msr(&vcpu->kvm, MSR_IA32_TSC, &tsc, &err) < 0) {
		vm_end_because(vcpu->vm, VM_FAILED, "%s", err.text);
		return 0;
	}
	return tsc;
}

static int attach_lapic(struct vcpu *vcpu, struct err *err)
{
	int ret = kvm_x86_save_state(&vcpu->kvm, &vcpu->arch->reset, err);

	if (ret < 0)
		return ret;
	/* Keeps run->s.regs.events up to date, so that an interrupt can be queued there. */
	vcpu->kvm.run->kvm_valid_regs = KVM_SYNC_X86_EVENTS;
	vcpu->arch->lapic = apic_attach(vcpu->vm->arch->apic, vcpu->index, kick, read_tsc, vcpu);
	lapic_allow_pv_eoi(vcpu->arch->lapic, &vcpu->vm->mem);
	return 0;
}

/*
 * Where some ids are beyond xAPIC mode, firmware hands over in x2APIC mode (Intel SDM volume 3, chapter
 * "Advanced Programmable Interrupt Controller (APIC)", section "Initialization by System Software").
 * Linux ignores those processors if the first one is not in it.
 */
static int enter_x2apic_mode(struct vcpu *vcpu, struct err *err)
{
	uint64_t base;
	int ret = kvm_x86_get_msr(&vcpu->kvm, MSR_IA32_APIC_BASE, &base, err);

	if (ret < 0)
		return ret;
	base |= APIC_BASE_X2APIC;
	ret = kvm_x86_set_msr(&vcpu->kvm, MSR_IA32_APIC_BASE, base, err);
	if (ret >= 0 && vcpu->arch->lapic)
		lapic_set_base(vcpu->arch->lapic, base);
	return ret;
}

int arch_vcpu_init(struct vcpu *vcpu, struct err *err)
{
	struct vcpu_arch *arch = calloc(1, sizeof(*arch));
	int ret;

	if (!arch)
		return err_host(err, ENOMEM, "vCPU %u", vcpu->index);
	arch->state = vcpu->index ? VCPU_WAIT_SIPI : VCPU_RUNNING;
	vcpu->arch = arch;

	ret = cpuid_apply(vcpu, err);
	if (ret >= 0)
		ret = kvm_x86_set_msr(&vcpu->kvm, MSR_IA32_MTRR_DEFTYPE, MTRR_ENABLED_WRITEBACK, err);
	if (ret >= 0)
		ret = kvm_x86_set_msr(&vcpu->kvm, MSR_IA32_MISC_ENABLE, MISC_ENABLE_FAST_STRING, err);
	if (ret >= 0 && vcpu->vm->arch->apic)
		ret = attach_lapic(vcpu, err);
	if (ret >= 0 && vcpu->vm->machine.nr_cpus > PC_XAPIC_IDS)
		ret = enter_x2apic_mode(vcpu, err);
	if (ret < 0)
		arch_vcpu_finish(vcpu);
	return ret < 0 ? ret : 0;
}

void arch_vcpu_finish(struct vcpu *vcpu)
{
	free(vcpu->arch);
	vcpu->arch = NULL;
}

static struct kvm_segment flat_segment(uint16_t selector, bool code, bool long_mode)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = code ? 0xb : 0x3, /* execute/read or read/write, accessed */
		.present = 1,
		.s = 1,
		.l = code && long_mode,
		.db = !(code && long_mode),
		.g = 1,
	};
}

int arch_vcpu_set_entry(struct vcpu *vcpu, const struct boot_entry *entry, struct err *err)
{
	bool long_mode = entry->mode == BOOT_X86_LONG64;
	struct kvm_regs regs = { .rip = entry->pc, .rflags = 2 };
	struct kvm_sregs sregs;
	int ret = kvm_x86_get_sregs(&vcpu->kvm, &sregs, err);

	if (ret < 0)
		return ret;
	sregs.cs = flat_segment(BOOT_X86_CS, true, long_mode);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat_segment(BOOT_X86_DS, false, long_mode);
	sregs.tr = (struct kvm_segment){ .selector = BOOT_X86_TR, .limit = 0x67, .type = 0xb, .present = 1 };
	sregs.gdt = (struct kvm_dtable){ .base = entry->gdt, .limit = entry->gdt_size - 1 };
	sregs.idt = (struct kvm_dtable){ 0 };
	sregs.cr0 = CR0_PE | CR0_ET;
	if (long_mode) {
		sregs.cr0 |= CR0_PG;
		sregs.cr3 = entry->page_table;
		sregs.cr4 = CR4_PAE;
		sregs.efer = EFER_LME | EFER_LMA;
		regs.rsi = entry->arg;
	} else {
		regs.rax = entry->mode == BOOT_X86_MULTIBOOT ? BOOT_X86_MULTIBOOT_MAGIC : 0;
		regs.rbx = entry->arg;
	}
	ret = kvm_x86_set_sregs(&vcpu->kvm, &sregs, err);
	return ret < 0 ? ret : kvm_x86_set_regs(&vcpu->kvm, &regs, err);
}

/* --- entering the guest --- */

/*
 * One KVM_RUN and what follows from it. With `complete`, only to complete the instruction that caused
 * the last exit; that may take another exit, after which it is `unfinished` still.
 */
static void enter(struct vcpu *vcpu, bool complete)
{
	struct kvm_run *run = vcpu->kvm.run;
	struct vcpu_arch *arch = vcpu->arch;
	int ret;

	run->cr8 = lapic_cr8(arch->lapic);
	run->immediate_exit = complete;
	if (!complete)
		lapic_offer_eoi(arch->lapic);
	ret = vcpu_run(vcpu);
	lapic_take_eoi(arch->lapic);
	run->immediate_exit = 0;
	arch->unfinished = false;
	if (ret && ret != -EINTR && ret != -EAGAIN) {
		vcpu_run_failed(vcpu, ret);
		return;
	}
	if (ret && !complete)
		vcpu_take_kick(vcpu);

	/* Raising CR8 does not exit, and the APIC base is KVM's: follow both first. */
	lapic_set_cr8(arch->lapic, (uint8_t)run->cr8);
	lapic_set_base(arch->lapic, run->apic_base);
	if (!ret)
		vcpu_handle_exit(vcpu);
}

/* --- events from the LAPIC --- */

/* KVM's clock and steal time, which KVM's own reset of a vCPU switches off too. */
#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01
#define MSR_KVM_STEAL_TIME      0x4b564d03

/* A string instruction may take many exits, but an INIT need not wait for a guest that has no end. */
#define MAX_COMPLETIONS 1000

/* INIT: to the reset state, then wait for a startup IPI. */
static int take_init(struct vcpu *vcpu, struct err *err)
{
	struct err ignored; /* a guest that was not offered these features has not switched them on */
	int ret;

	if (!vcpu->index) {
		/* The bootstrap processor would start the firmware, which resets the machine. */
		vm_end(vcpu->vm, VM_RESET);
		return 0;
	}
	/* A register file set now would be overwritten by the completion of the last exit. */
	for (int i = 0; vcpu->arch->unfinished && i < MAX_COMPLETIONS; i++)
		enter(vcpu, true);
	ret = kvm_x86_restore_state(&vcpu->kvm, &vcpu->arch->reset, err);
	if (ret < 0)
		return ret;
	kvm_x86_set_msr(&vcpu->kvm, MSR_KVM_SYSTEM_TIME_NEW, 0, &ignored);
	kvm_x86_set_msr(&vcpu->kvm, MSR_KVM_STEAL_TIME, 0, &ignored);
	lapic_init_reset(vcpu->arch->lapic);
	vcpu->arch->state = VCPU_WAIT_SIPI;
	/* What the last exit said of interrupts was of the state before. */
	vcpu->kvm.run->if_flag = 0;
	vcpu->kvm.run->ready_for_interrupt_injection = 0;
	return 0;
}

/* SIPI: real mode at vector * 4 KiB (Intel SDM volume 3, "MP Initialization Protocol"). */
static int take_sipi(struct vcpu *vcpu, uint8_t vector, struct err *err)
{
	struct kvm_regs regs = vcpu->arch->reset.regs;
	struct kvm_sregs sregs;
	int ret;

	if (vcpu->arch->state != VCPU_WAIT_SIPI)
		return 0; /* the second of the two that system software sends */
	ret = kvm_x86_get_sregs(&vcpu->kvm, &sregs, err);
	if (ret < 0)
		return ret;
	sregs.cs.selector = (uint16_t)(vector << 8);
	sregs.cs.base = (uint64_t)vector << 12;
	regs.rip = 0;
	ret = kvm_x86_set_sregs(&vcpu->kvm, &sregs, err);
	if (ret >= 0)
		ret = kvm_x86_set_regs(&vcpu->kvm, &regs, err);
	vcpu->arch->state = VCPU_RUNNING;
	return ret;
}

static int take_events(struct vcpu *vcpu, struct err *err)
{
	uint8_t vector;
	uint32_t events = lapic_take_events(vcpu->arch->lapic, &vector);
	int ret = 0;

	if (events & LAPIC_EVENT_INIT) {
		events &= ~LAPIC_EVENT_NMI; /* gone with the state it would have interrupted */
		ret = take_init(vcpu, err);
	}
	if (ret >= 0 && (events & LAPIC_EVENT_SIPI))
		ret = take_sipi(vcpu, vector, err);
	if (ret >= 0 && (events & LAPIC_EVENT_NMI) && vcpu->arch->state != VCPU_WAIT_SIPI) {
		ret = kvm_x86_nmi(&vcpu->kvm, err);
		vcpu->arch->state = VCPU_RUNNING;
	}
	return ret;
}

/*
 * Queues the highest interrupt if the guest can take it at its very next instruction, else asks
 * for an exit when it can. Only then: KVM delivers what is queued without looking at RFLAGS.IF.
 */
static void inject(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->kvm.run;
	struct lapic *lapic = vcpu->arch->lapic;
	int vector = lapic_pending(lapic);

	if (vector >= 0 && run->ready_for_interrupt_injection && run->if_flag) {
		lapic_acknowledge(lapic, (uint8_t)vector);
		run->s.regs.events.interrupt.injected = 1;
		run->s.regs.events.interrupt.nr = (uint8_t)vector;
		run->s.regs.events.interrupt.soft = 0;
		run->s.regs.events.flags = 0;
		run->kvm_dirty_regs = KVM_SYNC_X86_EVENTS;
		vector = lapic_pending(lapic);
	}
	run->request_interrupt_window = vector >= 0;
}

/* True if the vCPU is to enter the guest; false if it has slept, and must look again. */
static bool may_enter(struct vcpu *vcpu, uint64_t next_timer)
{
	struct vcpu_arch *arch = vcpu->arch;

	if (arch->state == VCPU_HALTED && lapic_pending(arch->lapic) >= 0 && vcpu->kvm.run->if_flag)
		arch->state = VCPU_RUNNING;
	vcpu_arm(vcpu, next_timer);
	if (arch->state == VCPU_RUNNING)
		return true;
	vcpu_wait(vcpu);
	return false;
}

static void run_with_lapic(struct vcpu *vcpu)
{
	struct lapic *lapic = vcpu->arch->lapic;
	struct err err;

	while (!vcpu->vm->ending) {
		uint64_t next_timer;

		vcpu_rest(vcpu);
		next_timer = lapic_run_timer(lapic);
		if (take_events(vcpu, &err) < 0) {
			vm_end_because(vcpu->vm, VM_FAILED, "%s", err.text);
			return;
		}
		if (!may_enter(vcpu, next_timer))
			continue;

		/*
		 * An interrupt queued together with an unfinished instruction is lost if that raises an
		 * exception (#GP of an MSR, #DB of single-stepping): the instruction first, then look.
		 */
		if (vcpu->arch->unfinished && vcpu->kvm.run->if_flag && lapic_pending(lapic) >= 0) {
			enter(vcpu, true);
			continue;
		}
		inject(vcpu);
		enter(vcpu, false);
	}
}

void arch_vcpu_loop(struct vcpu *vcpu)
{
	if (vcpu->arch->lapic)
		run_with_lapic(vcpu);
	else
		vcpu_run_exits(vcpu, NULL, NULL, vcpu_handle_exit);
}
