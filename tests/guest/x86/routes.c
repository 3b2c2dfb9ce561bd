// SPDX-License-Identifier: BSD-2-Clause
/*
 * What entries of the I/O APIC send to whom, on four CPUs: destinations, lowest priority, delivery modes
 * (82093AA data sheet, "I/O Redirection Table Registers"; Intel SDM volume 3, "Determining IPI
 * Destination", "Lowest Priority Delivery Mode"). A line of the test device (--test-device) is the source.
 */
#include "lines.h"

#define PIN   20 /* no device's (docs/machine.md) */
#define LINE  VECTOR(6)
#define FAULT VECTOR(7)
#define TURN  VECTOR(4)

static void end(struct frame *f)
{
	(void)f;
	eoi();
}

/* --- destinations --- */

static void lower_anywhere(struct frame *f)
{
	(void)f;
	set_line(PIN, false);
	eoi();
}

/* A level to `dest`, ended by those who take it. */
static void check_dest(const char *name, uint32_t dest, uint32_t mode, unsigned int expected)
{
	route(PIN, dest, mode | RTE_LEVEL | LINE);
	remember(LINE);
	sti();
	set_line(PIN, true);
	check_taken(name, LINE, expected);
	check_eq(named(name, dest), entry(PIN), mode | RTE_LEVEL | LINE);
	cli();
}

static void set_flat(void)
{
	apic_write(APIC_DFR, 0xffffffff);
	apic_write(APIC_LDR, 1u << this_cpu() << 24);
}

static void set_cluster(void)
{
	apic_write(APIC_DFR, 0x0fffffff);
	apic_write(APIC_LDR, (uint32_t)(0x20 | 1u << this_cpu()) << 24);
}

static void on_all(void (*run)(void))
{
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		call_on(cpu, run);
}

static void edge_to_all(const char *name, uint32_t dest, uint32_t mode, unsigned int expected)
{
	route(PIN, dest, mode | LINE);
	remember(LINE);
	sti();
	set_line(PIN, true);
	check_taken(name, LINE, expected);
	set_line(PIN, false);
	cli();
}

static volatile uint32_t tpr;

static void set_tpr(void)
{
	apic_write(APIC_TPR, tpr);
}

static void lowest(void)
{
	unsigned int most = 0;

	handler[LINE] = end;
	route(PIN, all_cpus(), RTE_LOGICAL | RTE_LOWEST | LINE);
	remember(LINE);
	sti();
	for (unsigned int n = 1; n <= 4 * nr_cpus; n++) {
		set_line(PIN, true);
		set_line(PIN, false);
		(void)wait_until(taken_by_all(LINE) == n);
		settle(); /* who is in its handler still would be passed over */
	}
	check_eq("lowest-each-to-one", taken_by_all(LINE), 4 * nr_cpus);
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		if (taken_by(cpu, LINE) > most)
			most = taken_by(cpu, LINE);
	cli();
	if (left_out(kernel_lapic, "lowest-by-priority",
		     "KVM looks at no priorities, but may choose by the vector"))
		return;
	check_range("lowest-takes-turns", most, 1, 3 * nr_cpus);
	tpr = 0x40;
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		if (cpu != 2)
			call_on(cpu, set_tpr);
	handler[LINE] = lower_anywhere;
	check_dest("lowest-by-priority", all_cpus(), RTE_LOGICAL | RTE_LOWEST, 4);
	tpr = 0;
	on_all(set_tpr);
}

static void destinations(void)
{
	handler[LINE] = lower_anywhere;
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		check_dest("physical", cpu, 0, 1u << cpu);
	if (!x2apic)
		on_all(set_flat);
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		check_dest("logical", 1u << cpu, RTE_LOGICAL, 1u << cpu);
	handler[LINE] = end;
	edge_to_all("logical-two", 6, RTE_LOGICAL, 6);
	edge_to_all("logical-all", all_cpus(), RTE_LOGICAL, all_cpus());
	edge_to_all("physical-nobody", 77, 0, 0);
	lowest();
	handler[LINE] = end;
	if (x2apic)
		return;
	edge_to_all("physical-broadcast", 0xff, 0, all_cpus());
	edge_to_all("logical-broadcast", 0xff, RTE_LOGICAL, all_cpus());
	on_all(set_cluster);
	edge_to_all("cluster-two", 0x26, RTE_LOGICAL, 6);
	edge_to_all("cluster-other", 0x16, RTE_LOGICAL, 0);
	on_all(set_flat);
}

/* --- delivery modes --- */

static void check_nothing(const char *name, uint32_t low)
{
	unsigned int all = all_taken();

	route(PIN, 1, low);
	set_line(PIN, true);
	delay(MOMENT / 4);
	settle();
	check_eq(name, all_taken(), all);
	check_eq(named(name, 1), entry(PIN) & RTE_REMOTE_IRR, 0);
	set_line(PIN, false);
	set_entry(PIN, RTE_MASKED);
	check_takers(name, 1, TURN, 2); /* CPU 1 is well */
}

static void check_nmi(const char *name, uint32_t low)
{
	route(PIN, 1, low);
	remember(NMI);
	set_line(PIN, true);
	check_taken(name, NMI, 2);
	check_eq(named(name, 1), entry(PIN) & RTE_REMOTE_IRR, 0);
	set_line(PIN, false);
	remember(NMI);
	set_line(PIN, true);
	check_taken(named(name, 2), NMI, 2);
	set_line(PIN, false);
	set_entry(PIN, RTE_MASKED);
}

static void send_init(void)
{
	set_line(PIN, false);
	route(PIN, 1, RTE_INIT);
	set_line(PIN, true);
}

static void init(void)
{
	check("init-stops", stops(1, send_init));
	set_line(PIN, false);
	set_entry(PIN, RTE_MASKED);
	check("init-then-startup", start_cpu(1));
	check_takers("init-all-well", 1, TURN, 2);
	if (!x2apic)
		call_on(1, set_flat);
}

static volatile uint32_t errors_there;

static void arm_error(void)
{
	apic_errors();
	apic_write(APIC_LVT_ERROR, FAULT);
}

static void read_errors(void)
{
	errors_there = apic_errors();
	apic_write(APIC_LVT_ERROR, LVT_MASKED);
}

static void illegal_vector(void)
{
	if (left_out(kernel_lapic, "illegal-vector", "KVM's local APIC reports no errors"))
		return;
	call_on(1, arm_error);
	remember(FAULT);
	route(PIN, 1, 5);
	set_line(PIN, true);
	check_taken("illegal-vector", FAULT, 2);
	set_line(PIN, false);
	set_entry(PIN, RTE_MASKED);
	call_on(1, read_errors);
	check_eq("illegal-vector-bits", errors_there, ESR_RECEIVE_ILLEGAL);
}

static void delivery_modes(void)
{
	check_nmi("nmi", RTE_NMI);
	if (!left_out(kernel_ioapic, "nmi-by-level-is-by-edge",
		      "KVM waits for an EOI, which an NMI does not have"))
		check_nmi("nmi-by-level-is-by-edge", RTE_LEVEL | RTE_NMI | LINE);
	check_nothing("extint", RTE_EXTINT | LINE);
	check_nothing("reserved-mode-3", 0x300 | LINE);
	check_nothing("reserved-mode-6", 0x600 | LINE);
	if (!left_out(kernel_lapic, "smi", "KVM enters system management mode, where there is no code"))
		check_nothing("smi", RTE_SMI);
	init();
	illegal_vector();
}

void guest_main(void)
{
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	for (unsigned int cpu = 1; cpu < nr_cpus; cpu++)
		check("started", start_cpu(cpu));
	destinations();
	sti();
	delivery_modes();
	cli();
}
