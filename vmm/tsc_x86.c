// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whether IA32_TSC_DEADLINE can be trusted to reach a userspace LAPIC. The MSR filter diverts it,
 * but kernels with a fast path for this very MSR take it before the filter is looked at, and drop
 * it where there is no in-kernel LAPIC: a guest that was offered the mode would wait for ever. So
 * it is tried, in 64-bit mode with paging as a kernel would do it, for the fast path is one of
 * guests that run natively.
 */
#include <errno.h>
#include <string.h>

#include "devices/lapic.h"
#include "vmm/vcpu_x86.h"

#define MSR_IA32_TSC 0x10

/* The throw-away guest's memory: three page tables, then code, at guest-physical 0. */
#define PML4 0x0000
#define PDPT 0x1000
#define PD   0x2000
#define CODE 0x3000
#define SIZE 0x4000

#define PTE_PRESENT_WRITE 3ULL
#define PTE_LARGE         0x80ULL

static const uint8_t code[] = {
	0xb9, 0xe0, 0x06, 0x00, 0x00, /* mov ecx, 0x6e0 */
	0x0f, 0x31,                   /* rdtsc */
	0x0f, 0x30,                   /* wrmsr */
	0xf4,                         /* hlt */
};

static void put_u64(uint8_t *memory, uint32_t offset, uint64_t value)
{
	memcpy(memory + offset, &value, sizeof(value));
}

static int set_registers(const struct kvm_vcpu *vcpu, struct err *err)
{
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs sregs;
	int ret = kvm_x86_get_sregs(vcpu, &sregs, err);

	if (ret < 0)
		return ret;
	sregs.cs = (struct kvm_segment){
		.limit = 0xffffffff, .selector = 8, .type = 0xb, .present = 1, .s = 1, .l = 1, .g = 1
	};
	sregs.ss = sregs.ds = sregs.es = sregs.fs = sregs.gs = (struct kvm_segment){
		.limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1
	};
	sregs.cr0 = 0x80000011; /* PG, ET, PE */
	sregs.cr3 = PML4;
	sregs.cr4 = 0x20;   /* PAE */
	sregs.efer = 0x500; /* LMA, LME */
	ret = kvm_x86_set_sregs(vcpu, &sregs, err);
	return ret < 0 ? ret : kvm_x86_set_regs(vcpu, &regs, err);
}

/*
 * The MSR arrives, and the TSC that the guest has just read is not ahead of what KVM says that it is: by
 * that a deadline becomes a time.
 */
static bool try_it(const struct kvm_vcpu *vcpu, const struct kvm_x86_cpuid *cpuid, struct err *err)
{
	uint64_t tsc;
	int ret;

	if (kvm_x86_set_cpuid(vcpu, cpuid, err) < 0 || set_registers(vcpu, err) < 0)
		return false;
	do
		ret = kvm_vcpu_run(vcpu);
	while (ret == -EINTR || ret == -EAGAIN);
	return !ret && vcpu->run->exit_reason == KVM_EXIT_X86_WRMSR &&
	       vcpu->run->msr.index == LAPIC_MSR_TSC_DEADLINE &&
	       kvm_x86_get_msr(vcpu, MSR_IA32_TSC, &tsc, err) >= 0 && vcpu->run->msr.data <= tsc;
}

uint32_t tsc_probe(struct tsc_probe *probe, const struct kvm *kvm, const struct kvm_x86_cpuid *cpuid,
		   bool *deadline)
{
	struct err err; /* any failure is a no */
	uint32_t khz;

	*probe = (struct tsc_probe)TSC_PROBE_NONE;
	*deadline = false;
	if (kvm_ram_map(&probe->ram, SIZE, KVM_RAM_ANONYMOUS, &err) < 0)
		return 0;
	put_u64(probe->ram.host, PML4, PDPT | PTE_PRESENT_WRITE);
	put_u64(probe->ram.host, PDPT, PD | PTE_PRESENT_WRITE);
	put_u64(probe->ram.host, PD, PTE_PRESENT_WRITE | PTE_LARGE);
	memcpy(probe->ram.host + CODE, code, sizeof(code));

	if (kvm_vm_create(&probe->vm, kvm, 0, &err) < 0 ||
	    kvm_x86_vm_setup(&probe->vm, PC_VMX_PAGES, &err) < 0 ||
	    kvm_x86_userspace_lapic(&probe->vm, &err) < 0 ||
	    kvm_vm_set_memory(&probe->vm, 0, 0, SIZE, probe->ram.host, false, &err) < 0 ||
	    kvm_vcpu_create(&probe->vcpu, &probe->vm, 0, &err) < 0)
		return 0;
	khz = kvm_x86_tsc_khz(&probe->vcpu);
	*deadline = khz && try_it(&probe->vcpu, cpuid, &err);
	return khz;
}

void tsc_probe_finish(struct tsc_probe *probe)
{
	kvm_vcpu_destroy(&probe->vcpu);
	kvm_vm_destroy(&probe->vm);
	kvm_ram_unmap(&probe->ram);
}
