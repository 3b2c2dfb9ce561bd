// SPDX-License-Identifier: BSD-2-Clause
/*
 * One CPU of a high APIC id, that of the word "id=N"; the CPUs in between are never started. Destinations of
 * more than four bits, of other x2APIC clusters, and of more than eight bits (Intel SDM volume 3,
 * "Determining IPI Destination", "Deriving Logical x2APIC ID from the Local x2APIC ID"; Linux, "KVM CPUID
 * bits", KVM_FEATURE_MSI_EXT_DEST_ID). Needs --test-device.
 */
#include "lines.h"

#define PIN   20 /* no device's (docs/machine.md) */
#define WORK  VECTOR(6)
#define OTHER 2u /* as a set of CPUs */

#define KVM_FEATURES    0x40000001
#define KVM_EXT_DEST_ID 15

static unsigned int id;

static volatile uint32_t seen_id, seen_ldr, seen_leaf_b;

static void look(void)
{
	seen_id = apic_id();
	seen_ldr = apic_read(APIC_LDR);
	seen_leaf_b = cpuid(0xb, 0).edx;
}

static void start(void)
{
	cpu_of_id[id & 0xff] = 1;
	prepare_start(1);
	ipi(id, ICR_INIT | ICR_LEVEL | ICR_ASSERT);
	ipi(id, ICR_STARTUP | STARTUP_VECTOR);
	check("started", wait_until(done_on(1)));
	call_on(1, look);
	check_eq("its-id", seen_id, id);
	check_eq("its-leaf-b", seen_leaf_b, id);
	if (x2apic)
		check_eq("its-logical-id", seen_ldr, (id >> 4) << 16 | 1u << (id & 15));
}

static void answer(void)
{
	ipi(0, WORK);
}

static void ipis(void)
{
	check_takers("physical", id, WORK, OTHER);
	check_takers("physical-nmi", id, ICR_NMI, OTHER);
	check_takers("broadcast", x2apic ? 0xffffffff : 0xff, WORK, OTHER | 1);
	check_takers("others", 0, ICR_OTHERS | WORK, OTHER);
	/* Those in between wait for a startup IPI. */
	for (unsigned int bit = 1; bit < id; bit <<= 1)
		check_takers(named("physical-not", bit), id ^ bit, WORK, id == bit ? 1 : 0);
	remember(WORK);
	call_on(1, answer);
	check_taken("answers", WORK, 1);
}

static void x2_clusters(void)
{
	uint32_t cluster = (id >> 4) << 16;

	check_takers("cluster", cluster | 1u << (id & 15), ICR_LOGICAL | WORK, OTHER);
	check_takers("cluster-all", cluster | 0xffff, ICR_LOGICAL | WORK, id >> 4 ? OTHER : OTHER | 1);
	check_takers("cluster-not-the-bit", cluster | (0xfffeu & ~(1u << (id & 15))), ICR_LOGICAL | WORK, 0);
	check_takers("cluster-next", cluster + 0x10000 + 0xffff, ICR_LOGICAL | WORK, 0);
	check_takers("cluster-0", 1, ICR_LOGICAL | WORK, 1);
	if (!left_out(kernel_lapic, "cluster-lowest", "KVM may choose by the vector, and then nobody"))
		check_takers("cluster-lowest", cluster | 0xfffe, ICR_LOGICAL | ICR_LOWEST | WORK, OTHER);
	check_takers("logical-broadcast", 0xffffffff, ICR_LOGICAL | WORK, OTHER | 1);
}

static void from_outside(void)
{
	uint32_t high = id >> 8;

	if (high && !(cpuid(KVM_FEATURES, 0).eax >> KVM_EXT_DEST_ID & 1)) {
		skip("extended-destination", "not offered: KVM_FEATURE_MSI_EXT_DEST_ID");
		return;
	}
	remember(WORK);
	send_msi(0xfee00000u | (id & 0xff) << 12 | high << 5, WORK);
	check_taken("msi", WORK, OTHER);
	remember(WORK);
	send_msi(0xfee00000u | (id & 0xff) << 12 | (high ^ 1) << 5, WORK);
	check_taken("msi-not-the-upper-bits", WORK, 0);

	set_entry(PIN, RTE_MASKED);
	ioapic_write(0, IOAPIC_ENTRY(PIN) + 1, (id & 0xff) << 24 | high << 17);
	set_entry(PIN, WORK);
	remember(WORK);
	set_line(PIN, true);
	check_taken("line", WORK, OTHER);
	set_line(PIN, false);
	set_entry(PIN, RTE_MASKED);
}

void guest_main(void)
{
	id = (unsigned int)option_number("id", 1);
	nr_cpus = 2; /* those that run */
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	start();
	sti();
	ipis();
	if (x2apic)
		x2_clusters();
	from_outside();
}
