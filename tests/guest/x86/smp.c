// SPDX-License-Identifier: BSD-2-Clause
/*
 * IPIs between CPUs, as many as the word "cpus=N" says (at least 2): Intel SDM volume 3, sections
 * "Issuing Interprocessor Interrupts", "Determining IPI Destination", "MP Initialization".
 */
#include "guest.h"

#define WORK   VECTOR(6)
#define REPLY  VECTOR(7)
#define LOWEST VECTOR(10)

/* A set of CPUs as a bit mask. */
static unsigned int all_but(unsigned int cpu)
{
	return all_cpus() & ~(1u << cpu);
}

/* --- who is there --- */

static volatile uint32_t seen_id, seen_cpuid_1, seen_cpuid_b, seen_bsp;

static void look_at_self(void)
{
	seen_id = apic_id();
	seen_cpuid_1 = cpuid(1, 0).ebx >> 24;
	seen_cpuid_b = cpuid(0xb, 0).edx;
	seen_bsp = rdmsr(MSR_APIC_BASE) & APIC_BASE_BSP ? 1 : 0;
}

static void start_all(void)
{
	for (unsigned int cpu = 1; cpu < nr_cpus; cpu++) {
		check("started", start_cpu(cpu));
		check("calls", call_on(cpu, look_at_self));
		check_eq("its-apic-id", seen_id, cpu);
		check_eq("its-cpuid-1", seen_cpuid_1, cpu);
		check_eq("its-cpuid-b", seen_cpuid_b, cpu);
		check_eq("its-not-the-bsp", seen_bsp, 0);
	}
}

/* --- who gets it --- */

static void physical(void)
{
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		check_takers("physical", cpu, WORK, 1u << cpu);
	check_takers("physical-nobody", nr_cpus + 20, WORK, 0);
	check_takers("physical-broadcast", x2apic ? 0xffffffff : 0xff, WORK, all_cpus());
	check_takers("shorthand-others", 0, ICR_OTHERS | WORK, all_but(0));
	check_takers("shorthand-all", 0, ICR_ALL | WORK, all_cpus());
	check_takers("shorthand-self", 1, ICR_SELF | WORK, 1);
	check_takers("nmi", 1, ICR_NMI, 2);
	check_takers("nmi-others", 0, ICR_OTHERS | ICR_NMI, all_but(0));
}

static void reply(struct frame *f)
{
	(void)f;
	eoi();
	ipi(0, REPLY);
}

static void send_to_others(void)
{
	ipi(0, ICR_OTHERS | WORK);
}

/* There and back again, the answer sent by the handler on the other CPU. */
static void both_directions(void)
{
	remember(REPLY);
	handler[WORK] = reply;
	for (unsigned int i = 1; i <= 20; i++) {
		ipi(1, WORK);
		if (!wait_until(taken_by(0, REPLY) == i))
			break;
	}
	check_eq("there-and-back", taken_by(0, REPLY), 20);
	handler[WORK] = NULL;

	remember(WORK);
	check("sends", call_on(1, send_to_others));
	(void)wait_until(takers(WORK) == all_but(1));
	check_eq("others-of-cpu-1", takers(WORK), all_but(1));
}

/* --- logical destinations --- */

static volatile uint32_t ldr, dfr, tpr;

static void set_logical(void)
{
	apic_write(APIC_DFR, dfr);
	apic_write(APIC_LDR, ldr << 24);
}

static void set_tpr(void)
{
	apic_write(APIC_TPR, tpr);
}

/* xAPIC, flat model: one bit per CPU. */
static void flat(void)
{
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		dfr = 0xffffffff;
		ldr = 1u << cpu;
		call_on(cpu, set_logical);
	}
	check_takers("flat-one", 2, ICR_LOGICAL | WORK, 2);
	check_takers("flat-two", 3, ICR_LOGICAL | WORK, 3);
	check_takers("flat-odd", 0xaa, ICR_LOGICAL | WORK, 0xaa & all_cpus());
	check_takers("flat-nobody", 0x80, ICR_LOGICAL | WORK, 0);
	check_takers("flat-broadcast", 0xff, ICR_LOGICAL | WORK, all_cpus());
}

/* xAPIC, cluster model: clusters of two, the cluster's number in the upper half. */
static void cluster(void)
{
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		dfr = 0x0fffffff;
		ldr = (cpu / 2 + 1) << 4 | 1u << cpu % 2;
		call_on(cpu, set_logical);
	}
	check_takers("cluster-one", 0x12, ICR_LOGICAL | WORK, 2);
	check_takers("cluster-both", 0x13, ICR_LOGICAL | WORK, 3);
	check_takers("cluster-other", 0x23, ICR_LOGICAL | WORK, nr_cpus > 2 ? 0xc & all_cpus() : 0);
	check_takers("cluster-nobody", 0x31, ICR_LOGICAL | WORK, 0);
	check_takers("cluster-broadcast", 0xff, ICR_LOGICAL | WORK, all_cpus());
}

/* x2APIC: cluster 0 with one bit per CPU, fixed by the ids. */
static void x2_logical(void)
{
	check_takers("x2-one", 2, ICR_LOGICAL | WORK, 2);
	check_takers("x2-two", 3, ICR_LOGICAL | WORK, 3);
	check_takers("x2-odd", 0xaaaa, ICR_LOGICAL | WORK, 0xaaaa & all_cpus());
	check_takers("x2-other-cluster", 0x10001, ICR_LOGICAL | WORK, 0);
	check_takers("x2-broadcast", 0xffffffff, ICR_LOGICAL | WORK, all_cpus());
}

/* Each message to exactly one CPU, and never to one of higher priority than another. */
static void lowest_priority(void)
{
	uint32_t everyone = x2apic ? 0xffff : 0xff;
	if (!x2apic)
		flat();
	remember(LOWEST);
	for (unsigned int sent = 1; sent <= 8; sent++) {
		ipi(everyone, ICR_LOGICAL | ICR_LOWEST | LOWEST);
		if (!wait_until(taken_by_all(LOWEST) == sent))
			break;
	}
	settle();
	check_eq("lowest-each-to-one", taken_by_all(LOWEST), 8);

	tpr = 0x40;
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		if (cpu != 1)
			call_on(cpu, set_tpr);
	check_takers("lowest-is-cpu-1", everyone, ICR_LOGICAL | ICR_LOWEST | LOWEST, 2);
	check_takers("lowest-of-two", 3, ICR_LOGICAL | ICR_LOWEST | LOWEST, 2);
	tpr = 0;
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		call_on(cpu, set_tpr);
}

/* --- INIT again --- */

static void send_init(void)
{
	ipi(1, ICR_INIT | ICR_LEVEL | ICR_ASSERT);
}

static void send_init_and_more(void)
{
	send_init();
	delay(MOMENT);
	ipi(1, WORK);
	ipi(1, ICR_NMI);
}

static void init_again(void)
{
	unsigned int before;

	check("runs", turns_on(1));
	ipi(1, ICR_STARTUP | TRAMPOLINE >> 12);
	before = turns;
	check("startup-ipi-does-nothing-to-who-runs", wait_until(turns > before + 1));
	check("restarted", start_cpu(1));
	check("init-stops", stops(1, send_init));
	check("restarted-again", start_cpu(1));
	check("only-a-startup-ipi-wakes-it", stops(1, send_init_and_more));
	check("restarted-then", start_cpu(1));
	check("calls-again", call_on(1, look_at_self));
	check_eq("its-apic-id-again", seen_id, 1);
	check_takers("ipi-after-restart", 1, WORK, 2);
}

void guest_main(void)
{
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	start_all();
	sti();
	physical();
	both_directions();
	if (x2apic) {
		x2_logical();
	} else {
		flat();
		cluster();
	}
	lowest_priority();
	init_again();
}
