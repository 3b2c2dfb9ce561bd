// SPDX-License-Identifier: BSD-2-Clause
/*
 * Message signalled interrupts, sent by the test device (--test-device), on four CPUs (Intel SDM volume 3,
 * "Message Signalled Interrupts": "Message Address Register Format", "Message Data Register Format").
 */
#include "lines.h"

#define WORK  VECTOR(6)
#define TURN  VECTOR(4)
#define FAULT VECTOR(7)

#define MSI_ADDRESS 0xfee00000u
#define MSI_HINT    0x8u
#define MSI_LOGICAL 0x4u
#define MSI_DEST(n) ((n) << 12)
#define MSI_EXT(n)  ((n) << 5) /* bits 14:8 of the destination, where a hypervisor says so */

#define DATA_LOWEST 0x0100u
#define DATA_SMI    0x0200u
#define DATA_NMI    0x0400u
#define DATA_INIT   0x0500u
#define DATA_EXTINT 0x0700u
#define DATA_ASSERT 0x4000u
#define DATA_LEVEL  0x8000u

static void check_msi(const char *name, uint64_t addr, uint32_t data, unsigned int expected)
{
	uint8_t vector = (data & 0x700) == DATA_NMI ? NMI : (uint8_t)data;

	remember(vector);
	send_msi(addr, data);
	check_taken(name, vector, expected);
}

static void physical(void)
{
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		check_msi(named("physical", cpu), MSI_ADDRESS | MSI_DEST(cpu), WORK, 1u << cpu);
	check_msi("physical-nobody", MSI_ADDRESS | MSI_DEST(77), WORK, 0);
	if (!x2apic)
		check_msi("physical-broadcast", MSI_ADDRESS | MSI_DEST(0xff), WORK, all_cpus());
	/* Without the hint, the mode of the destination is of no account in physical mode; bits 1:0 never. */
	check_msi("low-address-bits", MSI_ADDRESS | MSI_DEST(1) | 3, WORK, 2);
	check_msi("hint-physical", MSI_ADDRESS | MSI_DEST(1) | MSI_HINT, WORK, 2);
	check_msi("reserved-data-bits", MSI_ADDRESS | MSI_DEST(1), 0xffff3800 | WORK, 2);
	/* Bits 14:8 of a destination make it another one. */
	check_msi("extended-destination", MSI_ADDRESS | MSI_DEST(1) | MSI_EXT(1), WORK, 0);
	check_msi("extended-destination-all", MSI_ADDRESS | MSI_DEST(1) | MSI_EXT(0x7f), WORK, 0);
}

static void elsewhere(void)
{
	check_msi("not-the-address", 0xfed00000u | MSI_DEST(1), WORK, 0);
	check_msi("not-the-address-either", 0xfef00000u | MSI_DEST(1), WORK, 0);
	check_msi("not-below-4-gib", 0x100000000ULL | MSI_ADDRESS | MSI_DEST(1), WORK, 0);
}

static void every_vector(void)
{
	unsigned int wrong = 0;

	for (unsigned int vector = 32; vector < 255; vector++) {
		remember((uint8_t)vector);
		send_msi(MSI_ADDRESS, vector);
		wrong += !wait_until(taken_by(0, (uint8_t)vector) == 1);
	}
	check_eq("every-vector", wrong, 0);
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

static volatile uint32_t tpr;

static void set_tpr(void)
{
	apic_write(APIC_TPR, tpr);
}

static void on_all(void (*run)(void))
{
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		call_on(cpu, run);
}

static void check_one_each(const char *name, uint64_t addr, uint32_t data)
{
	unsigned int n, most = 0;

	remember(WORK);
	for (n = 1; n <= 4 * nr_cpus; n++) {
		send_msi(addr, data);
		if (!wait_until(taken_by_all(WORK) == n))
			break;
		settle(); /* who is in its handler still would be passed over */
	}
	check_eq(name, taken_by_all(WORK), 4 * nr_cpus);
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		if (taken_by(cpu, WORK) > most)
			most = taken_by(cpu, WORK);
	if (!kernel_lapic)
		check_range(named(name, 1), most, 1, 3 * nr_cpus);
}

static void logical(void)
{
	if (!x2apic)
		on_all(set_flat);
	for (unsigned int set = 0; set < 16; set++)
		check_msi(named("logical", set), MSI_ADDRESS | MSI_LOGICAL | MSI_DEST(set), WORK,
			  set & all_cpus());
	if (!x2apic) {
		check_msi("logical-broadcast", MSI_ADDRESS | MSI_LOGICAL | MSI_DEST(0xff), WORK, all_cpus());
		on_all(set_cluster);
		check_msi("cluster", MSI_ADDRESS | MSI_LOGICAL | MSI_DEST(0x26), WORK, 6);
		check_msi("cluster-other", MSI_ADDRESS | MSI_LOGICAL | MSI_DEST(0x36), WORK, 0);
		on_all(set_flat);
	}
	/* One of them: by the hint, or by the delivery mode. */
	check_one_each("hint", MSI_ADDRESS | MSI_LOGICAL | MSI_HINT | MSI_DEST(all_cpus()), WORK);
	check_one_each("lowest", MSI_ADDRESS | MSI_LOGICAL | MSI_HINT | MSI_DEST(all_cpus()),
		       DATA_LOWEST | WORK);
	check_msi("hint-to-one", MSI_ADDRESS | MSI_LOGICAL | MSI_HINT | MSI_DEST(4), WORK, 4);
	if (left_out(kernel_lapic, "hint-by-priority",
		     "KVM looks at no priorities, but may choose by the vector"))
		return;
	tpr = 0x40;
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		if (cpu != 2)
			call_on(cpu, set_tpr);
	check_msi("hint-by-priority", MSI_ADDRESS | MSI_LOGICAL | MSI_HINT | MSI_DEST(all_cpus()), WORK, 4);
	check_msi("lowest-by-priority", MSI_ADDRESS | MSI_LOGICAL | MSI_HINT | MSI_DEST(all_cpus()),
		  DATA_LOWEST | WORK, 4);
	tpr = 0;
	on_all(set_tpr);
}

/* Level and assert: TMR is set; de-assert is no interrupt. No I/O APIC waits for the EOI. */
static volatile bool tmr_seen;

static void look_at_tmr(struct frame *f)
{
	tmr_seen = apic_bit(APIC_TMR, (uint8_t)f->vector);
	eoi();
}

static void trigger(void)
{
	handler[WORK] = look_at_tmr;
	check_msi("edge", MSI_ADDRESS | MSI_DEST(1), WORK, 2);
	check("edge-tmr", !tmr_seen);
	check_msi("edge-assert-is-ignored", MSI_ADDRESS | MSI_DEST(1), DATA_ASSERT | WORK, 2);
	check_msi("level", MSI_ADDRESS | MSI_DEST(1), DATA_LEVEL | DATA_ASSERT | WORK, 2);
	check("level-tmr", tmr_seen);
	check_msi("level-again", MSI_ADDRESS | MSI_DEST(1), DATA_LEVEL | DATA_ASSERT | WORK, 2);
	check_msi("level-deassert", MSI_ADDRESS | MSI_DEST(1), DATA_LEVEL | WORK, 0);
	check_msi("edge-after-level", MSI_ADDRESS | MSI_DEST(1), WORK, 2);
	check("edge-tmr-again", !tmr_seen);
	handler[WORK] = NULL;
}

static void check_nothing(const char *name, uint32_t data)
{
	unsigned int all = all_taken();

	send_msi(MSI_ADDRESS | MSI_DEST(1), data);
	delay(MOMENT / 4);
	settle();
	check_eq(name, all_taken(), all);
	check_takers(name, 1, TURN, 2); /* CPU 1 is well */
}

static void send_init(void)
{
	send_msi(MSI_ADDRESS | MSI_DEST(1), DATA_INIT);
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

static void delivery_modes(void)
{
	check_msi("nmi", MSI_ADDRESS | MSI_DEST(1), DATA_NMI | WORK, 2);
	check_msi("nmi-logical", MSI_ADDRESS | MSI_LOGICAL | MSI_DEST(6), DATA_NMI, 6);
	check_nothing("extint", DATA_EXTINT | WORK);
	check_nothing("reserved-mode-3", 0x300 | WORK);
	check_nothing("reserved-mode-6", 0x600 | WORK);
	if (!left_out(kernel_lapic, "smi", "KVM enters system management mode, where there is no code"))
		check_nothing("smi", DATA_SMI);
	if (!left_out(kernel_lapic, "illegal-vector", "KVM's local APIC reports no errors")) {
		call_on(1, arm_error);
		remember(FAULT);
		send_msi(MSI_ADDRESS | MSI_DEST(1), 9);
		check_taken("illegal-vector", FAULT, 2);
		call_on(1, read_errors);
		check_eq("illegal-vector-bits", errors_there, ESR_RECEIVE_ILLEGAL);
	}

	check("init-stops", stops(1, send_init));
	check("init-then-startup", start_cpu(1));
	check_msi("init-then-startup-takes", MSI_ADDRESS | MSI_DEST(1), WORK, 2);
}

void guest_main(void)
{
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	for (unsigned int cpu = 1; cpu < nr_cpus; cpu++)
		check("started", start_cpu(cpu));
	sti();
	physical();
	elsewhere();
	every_vector();
	logical();
	trigger();
	delivery_modes();
}
