// SPDX-License-Identifier: BSD-2-Clause
/*
 * CPUID: what KVM supports, less what needs an in-kernel LAPIC where there is none, plus the topology of this VM: one
 * package of single-threaded cores whose APIC ids are their numbers. Leaves as in the Intel SDM,
 * volume 2, "CPUID—CPU Identification", and the AMD APM, volume 3, appendix "Obtaining Processor
 * Information Via the CPUID Instruction".
 */
#include <errno.h>
#include <string.h>

#include <asm/kvm_para.h>

#include "vmm/vcpu_x86.h"

/* Leaf 1 */
#define ECX1_MONITOR      (1u << 3)
#define ECX1_X2APIC       (1u << 21)
#define ECX1_TSC_DEADLINE (1u << 24)
#define ECX1_HYPERVISOR   (1u << 31)
#define EDX1_HTT          (1u << 28)

/* Leaf 0x80000001 */
#define ECX81_CMP_LEGACY (1u << 1)
#define ECX81_PERFCTR    (1u << 23 | 1u << 24 | 1u << 28) /* core, northbridge, last-level cache */

/*
 * Paravirtual features that only work with KVM's own LAPIC: their hypercalls and MSRs are handled
 * in the kernel, where there is none, and would be lost.
 */
#define PV_NEEDS_KERNEL_LAPIC                                                                              \
	(1u << KVM_FEATURE_ASYNC_PF | 1u << KVM_FEATURE_ASYNC_PF_VMEXIT | 1u << KVM_FEATURE_ASYNC_PF_INT | \
	 1u << KVM_FEATURE_PV_UNHALT | 1u << KVM_FEATURE_PV_SEND_IPI)

/* Levels in leaf 0xb's ECX bits 15:8. */
#define LEVEL_SMT  (1u << 8)
#define LEVEL_CORE (2u << 8)

/* What counts processors in 8 bits says this if there are more. */
#define MOST_IN_8_BITS 255u

static struct kvm_cpuid_entry2 *find(struct kvm_x86_cpuid *cpuid, uint32_t leaf, uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->count; i++)
		if (cpuid->entry[i].function == leaf && cpuid->entry[i].index == index)
			return &cpuid->entry[i];
	return NULL;
}

static void remove_leaf(struct kvm_x86_cpuid *cpuid, uint32_t leaf)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < cpuid->count; i++)
		if (cpuid->entry[i].function != leaf)
			cpuid->entry[kept++] = cpuid->entry[i];
	cpuid->count = kept;
}

static int add(struct kvm_x86_cpuid *cpuid, struct kvm_cpuid_entry2 entry, struct err *err)
{
	if (cpuid->count == KVM_X86_MAX_CPUID)
		return err_host_text(err, "KVM_GET_SUPPORTED_CPUID fills the table of %u entries",
				     KVM_X86_MAX_CPUID);
	cpuid->entry[cpuid->count++] = entry;
	return 0;
}

static void raise_max_leaf(struct kvm_x86_cpuid *cpuid, uint32_t leaf)
{
	struct kvm_cpuid_entry2 *e = find(cpuid, 0, 0);

	if (e && e->eax < leaf)
		e->eax = leaf;
}

static bool vendor_is(struct kvm_x86_cpuid *cpuid, const char *vendor)
{
	struct kvm_cpuid_entry2 *e = find(cpuid, 0, 0);
	char name[12];

	if (!e)
		return false;
	memcpy(name, &e->ebx, 4);
	memcpy(name + 4, &e->edx, 4);
	memcpy(name + 8, &e->ecx, 4);
	return !memcmp(name, vendor, sizeof(name));
}

/* Bits that number `n` things. */
static uint32_t id_bits(uint32_t n)
{
	return n > 1 ? 32 - (uint32_t)__builtin_clz(n - 1) : 0;
}

static uint32_t at_most(uint32_t n, uint32_t most)
{
	return n < most ? n : most;
}

/* Leaves 0xb and 0x1f, "Extended Topology Enumeration"; EDX is each vCPU's own. */
static int set_topology_leaves(struct kvm_x86_cpuid *cpuid, uint32_t nr_cpus, struct err *err)
{
	static const uint32_t leaves[] = { 0xb, 0x1f };
	int ret = 0;

	for (int i = 0; i < 2; i++) {
		bool wanted = leaves[i] == 0xb || find(cpuid, leaves[i], 0);
		struct kvm_cpuid_entry2 smt = {
			.function = leaves[i],
			.index = 0,
			.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			.ebx = 1,
			.ecx = LEVEL_SMT | 0,
		};
		struct kvm_cpuid_entry2 core = {
			.function = leaves[i],
			.index = 1,
			.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			.eax = id_bits(nr_cpus),
			.ebx = nr_cpus,
			.ecx = LEVEL_CORE | 1,
		};

		remove_leaf(cpuid, leaves[i]);
		if (!wanted)
			continue;
		raise_max_leaf(cpuid, leaves[i]);
		ret = add(cpuid, smt, err);
		if (!ret)
			ret = add(cpuid, core, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

/* Leaf 4 (Intel) and 0x8000001d (AMD): the last-level cache is shared by all, the others by none. */
static void share_caches(struct kvm_cpuid_entry2 *e, uint32_t nr_cpus)
{
	uint32_t level = e->eax >> 5 & 7;
	uint32_t sharing = level >= 3 ? (1u << id_bits(nr_cpus)) - 1 : 0;

	if (!(e->eax & 0x1f))
		return; /* no such cache */
	e->eax = (e->eax & ~(0xfffu << 14)) | sharing << 14;
	if (e->function == 4)
		e->eax = (e->eax & ~(0x3fu << 26)) | (((1u << id_bits(nr_cpus)) - 1) & 0x3f) << 26;
}

/*
 * Leaf 0x15, "Time Stamp Counter and Nominal Core Crystal Clock": from it an Intel guest knows the
 * rates of TSC and LAPIC timer without a PIT to measure them by. A crystal of an eighth of the TSC
 * keeps the kernel's 32-bit product of crystal kHz and multiplier in range.
 */
static int set_crystal(struct kvm_x86_cpuid *cpuid, uint32_t hz, struct err *err)
{
	struct kvm_cpuid_entry2 crystal = { .function = 0x15, .eax = 1, .ebx = 8, .ecx = hz };

	remove_leaf(cpuid, 0x15);
	raise_max_leaf(cpuid, 0x15);
	return add(cpuid, crystal, err);
}

/* Performance counters interrupt through the LAPIC, which KVM does not have here. */
static void clear_pmu(struct kvm_cpuid_entry2 *e)
{
	if (e->function == 0xa || e->function == 0x80000022)
		e->eax = e->ebx = e->ecx = e->edx = 0;
	if (e->function == 0x80000001)
		e->ecx &= ~ECX81_PERFCTR;
}

/* As many as the ids that `n` processors take up, a power of two. */
static uint32_t addressable_ids(uint32_t n)
{
	return at_most(1u << id_bits(n), MOST_IN_8_BITS);
}

/*
 * Destinations of 15 bits in MSIs and I/O APIC entries are for the program to say. KVM's I/O APIC
 * knows 8 bits.
 */
static void offer_paravirtual(const struct vm *vm, struct kvm_cpuid_entry2 *e)
{
	if (!irqchip_kernel_lapic(vm)) {
		e->eax &= ~PV_NEEDS_KERNEL_LAPIC;
		e->eax |= 1u << KVM_FEATURE_PV_EOI; /* lapic_allow_pv_eoi() */
	}
	e->eax &= ~(1u << KVM_FEATURE_MSI_EXT_DEST_ID);
	if (!irqchip_kernel_ioapic(vm))
		e->eax |= 1u << KVM_FEATURE_MSI_EXT_DEST_ID;
}

static void adjust(struct vm *vm, struct kvm_cpuid_entry2 *e, bool amd)
{
	uint32_t n = vm->machine.nr_cpus;

	if (!irqchip_kernel_lapic(vm))
		clear_pmu(e);
	switch (e->function) {
	case 1:
		e->ecx &= ~(ECX1_MONITOR | ECX1_TSC_DEADLINE);
		e->ecx |= ECX1_HYPERVISOR | ECX1_X2APIC | (vm->arch->tsc_deadline ? ECX1_TSC_DEADLINE : 0);
		e->ebx = (e->ebx & 0xff00) | addressable_ids(n) << 16;
		e->edx = n > 1 ? e->edx | EDX1_HTT : e->edx & ~EDX1_HTT;
		break;
	case 4:
	case 0x8000001d:
		share_caches(e, n);
		break;
	case KVM_CPUID_FEATURES:
		offer_paravirtual(vm, e);
		break;
	case 0x80000001:
		if (amd)
			e->ecx = n > 1 ? e->ecx | ECX81_CMP_LEGACY : e->ecx & ~ECX81_CMP_LEGACY;
		break;
	case 0x80000008:
		if (amd)
			e->ecx = id_bits(n) << 12 | at_most(n - 1, MOST_IN_8_BITS);
		break;
	}
}

int cpuid_prepare(struct vm *vm, struct err *err)
{
	struct kvm_x86_cpuid *cpuid = &vm->arch->cpuid;
	bool intel = vendor_is(cpuid, "GenuineIntel");
	bool amd = vendor_is(cpuid, "AuthenticAMD") || vendor_is(cpuid, "HygonGenuine");
	int ret;

	for (uint32_t i = 0; i < cpuid->count; i++)
		adjust(vm, &cpuid->entry[i], amd);
	ret = set_topology_leaves(cpuid, vm->machine.nr_cpus, err);
	/* KVM's LAPICs have a rate of their own, which its crystal cannot say. */
	if (irqchip_kernel_lapic(vm))
		remove_leaf(cpuid, 0x15);
	else if (!ret && intel && vm->arch->tsc_khz)
		ret = set_crystal(cpuid, vm->arch->lapic_hz, err);
	return ret;
}

unsigned int cpuid_address_bits(const struct kvm_x86_cpuid *cpuid)
{
	/* Leaf 0x80000008, EAX bits 7:0; 36 without it (Intel SDM volume 3, "Enumeration of Paging Features"). */
	for (uint32_t i = 0; i < cpuid->count; i++)
		if (cpuid->entry[i].function == 0x80000008 && (cpuid->entry[i].eax & 0xff))
			return cpuid->entry[i].eax & 0xff;
	return 36;
}

int cpuid_apply(struct vcpu *vcpu, struct err *err)
{
	struct kvm_x86_cpuid cpuid = vcpu->vm->arch->cpuid;
	uint32_t id = vcpu->index;

	for (uint32_t i = 0; i < cpuid.count; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid.entry[i];

		switch (e->function) {
		case 1:
			e->ebx |= id << 24; /* its low 8 bits; leaf 0xb has all */
			break;
		case 0xb:
		case 0x1f:
			e->edx = id;
			break;
		case 0x8000001e:
			e->eax = id;
			e->ebx = id & 0xff; /* core id; one thread per core */
			e->ecx = 0;         /* one node */
			break;
		}
	}
	return kvm_x86_set_cpuid(&vcpu->kvm, &cpuid, err);
}
