// SPDX-License-Identifier: BSD-2-Clause
/* What an exit of an x86-64 vCPU asks for. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "devices/lapic.h"
#define LOG_AREA AREA_KVM
#include "kvm/log.h"
#include "vmm/vcpu_x86.h"

#define MSR_IA32_APIC_BASE 0x1b

/* Port accesses: `count` items of `size` bytes (REP INS and OUTS come in batches). */
static void port_access(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->kvm.run;
	struct bus *bus = &vcpu->vm->pio;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		uint64_t value = 0;

		if (run->io.direction == KVM_EXIT_IO_OUT) {
			memcpy(&value, data, run->io.size);
			bus_write(bus, run->io.port, run->io.size, value);
		} else {
			value = bus_read(bus, run->io.port, run->io.size);
			memcpy(data, &value, run->io.size);
		}
	}
}

static void memory_access(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->kvm.run;
	struct lapic *lapic = vcpu->arch->lapic;
	uint64_t addr = run->mmio.phys_addr, value = 0;
	uint32_t len = run->mmio.len;
	uint32_t offset = (uint32_t)(addr % LAPIC_PAGE_SIZE);
	bool at_lapic = lapic && lapic_at(lapic, addr);

	if (run->mmio.is_write) {
		memcpy(&value, run->mmio.data, len);
		if (at_lapic)
			lapic_mmio_write(lapic, offset, len, value);
		else
			bus_write(&vcpu->vm->mmio, addr, len, value);
	} else {
		value = at_lapic ? lapic_mmio_read(lapic, offset, len) : bus_read(&vcpu->vm->mmio, addr, len);
		memcpy(run->mmio.data, &value, len);
	}
}

/* Guests probe for MSRs; who looks at why a guest fails wants to see which, but not without end. */
static void log_unknown_msr(struct vcpu *vcpu, const char *access)
{
	static _Atomic unsigned int lines;

	if (lines < 64 && lines++ < 64)
		log_debug("cpu %u: %s of MSR %#x, which is not there: #GP", vcpu->index, access,
			  vcpu->kvm.run->msr.index);
}

/*
 * KVM keeps IA32_APIC_BASE, and CPUID with it, but tells only what it is at the next exit: a guest that
 * disables its LAPIC and enables it again would not be noticed. So writes come here first. KVM refuses
 * addresses beyond the processor's.
 */
static bool write_apic_base(struct vcpu *vcpu, uint64_t value)
{
	struct lapic *lapic = vcpu->arch->lapic;
	struct err ignored;

	if (!lapic_base_allowed(lapic, value) ||
	    kvm_x86_set_msr(&vcpu->kvm, MSR_IA32_APIC_BASE, value, &ignored) < 0)
		return false;
	lapic_set_base(lapic, value);
	return true;
}

/*
 * The loop has followed CR8, but could not tell a write of what it was from none. This one clears the
 * TPR's lower half all the same (Intel SDM volume 3, "Interaction of Task Priorities between CR8 and APIC").
 */
static void write_cr8(struct vcpu *vcpu)
{
	struct lapic *lapic = vcpu->arch->lapic;

	lapic_mmio_write(lapic, LAPIC_TPR, 4, (uint64_t)lapic_cr8(lapic) << 4);
}

static void msr_access(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->kvm.run;
	struct lapic *lapic = vcpu->arch->lapic;
	uint64_t value = 0;
	bool ok;

	if (run->exit_reason == KVM_EXIT_X86_WRMSR) {
		ok = run->msr.index == MSR_IA32_APIC_BASE
			     ? write_apic_base(vcpu, run->msr.data)
			     : lapic_msr_write(lapic, run->msr.index, run->msr.data);
		if (!ok)
			log_unknown_msr(vcpu, "a write");
	} else {
		ok = lapic_msr_read(lapic, run->msr.index, &value);
		run->msr.data = value;
		if (!ok)
			log_unknown_msr(vcpu, "a read");
	}
	run->msr.error = !ok;
}

/* --- a guest that cannot go on --- */

#define MAX_INSN_BYTES 15

/* The bytes at the instruction pointer as text, from guest memory. */
static void format_code(struct vcpu *vcpu, const struct kvm_regs *regs, const struct kvm_sregs *sregs,
			char *text, size_t size)
{
	uint64_t linear = sregs->cs.base + regs->rip;
	size_t used = 0;

	text[0] = '\0';
	for (int i = 0; i < MAX_INSN_BYTES; i++) {
		int64_t gpa = kvm_x86_translate(&vcpu->kvm, linear + (uint64_t)i);
		uint8_t byte;

		if (gpa < 0 || guest_mem_read(&vcpu->vm->mem, (uint64_t)gpa, &byte, 1) < 0)
			break;
		used += (size_t)snprintf(text + used, size - used, "%s%02x", i ? " " : "", byte);
	}
	if (!used)
		snprintf(text, size, "not readable");
}

bool software_kvm(void)
{
	return !access("/sys/module/kvm_pvm", F_OK);
}

static void guest_died(struct vcpu *vcpu, const char *what)
{
	struct kvm_regs regs = { 0 };
	struct kvm_sregs sregs = { 0 };
	char code[MAX_INSN_BYTES * 3 + 1];
	struct err ignored;

	kvm_x86_get_regs(&vcpu->kvm, &regs, &ignored);
	kvm_x86_get_sregs(&vcpu->kvm, &sregs, &ignored);
	format_code(vcpu, &regs, &sregs, code, sizeof(code));
	vm_end_because(vcpu->vm, VM_DIED, "the guest died on cpu %u: %s at RIP %#llx (CS %#x), code %s%s",
		       vcpu->index, what, (unsigned long long)regs.rip, sregs.cs.selector, code,
		       software_kvm() ? "; this host's KVM is kvm_pvm, which runs guest kernels in software "
					"and not all instructions: stock kernels need VMX or SVM"
				      : "");
}

void vcpu_handle_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->kvm.run;
	char what[VCPU_FAILURE_MAX];

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		port_access(vcpu);
		vcpu->arch->unfinished = true;
		break;
	case KVM_EXIT_MMIO:
		memory_access(vcpu);
		vcpu->arch->unfinished = true;
		break;
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		msr_access(vcpu);
		vcpu->arch->unfinished = true;
		break;
	case KVM_EXIT_HLT:
		vcpu->arch->state = VCPU_HALTED;
		break;
	case KVM_EXIT_IOAPIC_EOI:
		trace_eoi(vcpu->index, run->eoi.vector);
		irqchip_eoi(vcpu->vm, run->eoi.vector);
		break;
	case KVM_EXIT_SET_TPR:
		write_cr8(vcpu);
		break;
	case KVM_EXIT_IRQ_WINDOW_OPEN: /* the loop injects */
	case KVM_EXIT_INTR:
		break;
	case KVM_EXIT_SHUTDOWN:
		guest_died(vcpu, "triple fault");
		break;
	default:
		vcpu_describe_failure(vcpu, what);
		guest_died(vcpu, what);
	}
}
