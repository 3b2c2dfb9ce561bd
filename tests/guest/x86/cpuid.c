// SPDX-License-Identifier: BSD-2-Clause
/* CPUID and MSRs as a guest's kernel reads them; the word "cpus=N" says how many CPUs there are. */
#include "guest.h"

#define ECX_MONITOR      3
#define ECX_X2APIC       21
#define ECX_TSC_DEADLINE 24
#define ECX_HYPERVISOR   31
#define EDX_APIC         9
#define EDX_HTT          28

#define KVM_BASE 0x40000000

static unsigned int cpus;

static unsigned int bit(uint32_t word, unsigned int n)
{
	return word >> n & 1;
}

/* Bits that number `n` things. */
static unsigned int bits_for(unsigned int n)
{
	unsigned int bits = 0;

	while (1u << bits < n)
		bits++;
	return bits;
}

static void features(void)
{
	struct cpuid one = cpuid(1, 0);

	check_eq("apic-id", one.ebx >> 24, 0);
	check_eq("hypervisor", bit(one.ecx, ECX_HYPERVISOR), 1);
	check_eq("no-monitor", bit(one.ecx, ECX_MONITOR), 0);
	check_eq("x2apic", bit(one.ecx, ECX_X2APIC), 1);
	check_eq("apic", bit(one.edx, EDX_APIC), 1);
	if (cpus > 1) {
		check_eq("htt", bit(one.edx, EDX_HTT), 1);
		check_range("addressable-ids", one.ebx >> 16 & 0xff, cpus < 255 ? cpus : 255, 255);
	}
}

/* "Extended Topology Enumeration": a level of threads, one per core, and a level of cores, all of them. */
static void topology(void)
{
	struct cpuid threads = cpuid(0xb, 0), cores = cpuid(0xb, 1), end = cpuid(0xb, 2);

	check_range("has-leaf-b", cpuid(0, 0).eax, 0xb, 0xff);
	check_eq("thread-level", threads.ecx, 0x100);
	check_eq("threads-per-core", threads.ebx & 0xffff, 1);
	check_eq("thread-bits", threads.eax, 0);
	check_eq("core-level", cores.ecx, 0x201);
	check_eq("cores", cores.ebx & 0xffff, cpus);
	check_eq("core-bits", cores.eax, bits_for(cpus));
	check_eq("x2apic-id", cores.edx, 0);
	check_eq("no-more-levels", end.ecx >> 8 & 0xff, 0);
}

/* What needs KVM's own local APIC must not be offered: it would be lost there. */
static void paravirtual(void)
{
	static const struct {
		const char *name;
		unsigned int bit;
	} absent[] = {
		{ "no-async-pf", 4 },     { "no-pv-unhalt", 7 },     { "no-async-pf-exit", 10 },
		{ "no-pv-send-ipi", 11 }, { "no-async-pf-int", 14 },
	};
	struct cpuid base = cpuid(KVM_BASE, 0);
	uint32_t offered;

	check("kvm-signature", base.ebx == 0x4b4d564b && base.ecx == 0x564b4d56 && base.edx == 0x4d);
	offered = cpuid(KVM_BASE + 1, 0).eax;
	for (unsigned int i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		check_eq(absent[i].name, bit(offered, absent[i].bit), 0);
	check_eq("pv-eoi", bit(offered, 6), 1);
	check_eq("destinations-of-15-bits", bit(offered, 15), 1);
}

static void msrs(void)
{
	static const uint32_t unknown[] = { 0x12345678, 0xc0012345, 0x40000071 };
	uint64_t value;

	for (unsigned int i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		check_eq("unknown-msr-read", rdmsr_try(unknown[i], &value), 13);
		check_eq("unknown-msr-write", wrmsr_try(unknown[i], 0), 13);
	}
	check_eq("known-msr-read", rdmsr_try(MSR_APIC_BASE, &value), 0);
	/* Ids beyond 8 bits: firmware hands over in x2APIC mode. */
	check_eq("x2apic-mode", value & APIC_BASE_X2APIC, cpus > 255 ? APIC_BASE_X2APIC : 0);
	check_eq("reserved-bits-of-apic-base", wrmsr_try(MSR_APIC_BASE, value | 1), 13);
	check_eq("deadline-msr-as-announced",
		 rdmsr_try(MSR_TSC_DEADLINE, &value) && bit(cpuid(1, 0).ecx, ECX_TSC_DEADLINE), 0);
	check_eq("mtrr-default-type", rdmsr(0x2ff) & 0xff, 6);
}

void guest_main(void)
{
	cpus = (unsigned int)option_number("cpus", 1);
	features();
	topology();
	paravirtual();
	msrs();
}
