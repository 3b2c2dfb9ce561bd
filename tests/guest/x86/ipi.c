// SPDX-License-Identifier: BSD-2-Clause
/*
 * The interrupt command register, on as many CPUs as the word "cpus=N" says (3 or more): destinations from
 * every CPU, lowest priority, NMI, INIT, SIPI, modes that send nothing, illegal vectors (Intel SDM
 * volume 3, sections "Issuing Interprocessor Interrupts", "Determining IPI Destination", "Lowest Priority
 * Delivery Mode", "SELF IPI Register", "Error Handling", "MP Initialization").
 */
#include "guest.h"

#define WORK   VECTOR(6)
#define LOWEST VECTOR(10)
#define FAULT  VECTOR(7) /* the error LVT's */

#define ICR_EXTINT   0x700
#define ICR_RESERVED 0x300

/* --- a job for another CPU: send one IPI --- */

static volatile uint32_t job_dest, job_command;

static void send(void)
{
	ipi(job_dest, job_command);
}

/* CPU `from` sends. */
static void check_from(const char *name, unsigned int from, uint32_t dest, uint32_t command,
		       unsigned int expected)
{
	uint8_t vector = (command & ICR_STARTUP) == ICR_NMI ? NMI : (uint8_t)command;

	job_dest = dest;
	job_command = command;
	remember(vector);
	call_on(from, send);
	check_taken(named(name, from), vector, expected);
}

/* --- destinations --- */

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

static void set_tpr_on(unsigned int cpu, uint32_t value)
{
	tpr = value;
	call_on(cpu, set_tpr);
}

static void from_every_cpu(void)
{
	uint32_t broadcast = x2apic ? 0xffffffff : 0xff;

	for (unsigned int from = 0; from < nr_cpus; from++) {
		unsigned int next = (from + 1) % nr_cpus, others = all_cpus() & ~(1u << from);

		check_from("to-next-from", from, next, WORK, 1u << next);
		check_from("to-itself-from", from, from, WORK, 1u << from);
		check_from("self-from", from, next, ICR_SELF | WORK, 1u << from);
		check_from("all-from", from, next, ICR_ALL | WORK, all_cpus());
		check_from("others-from", from, from, ICR_OTHERS | WORK, others);
		check_from("broadcast-from", from, broadcast, WORK, all_cpus());
		check_from("nmi-next-from", from, next, ICR_NMI, 1u << next);
		check_from("nmi-others-from", from, from, ICR_OTHERS | ICR_NMI, others);
		check_from("nmi-broadcast-from", from, broadcast, ICR_NMI, all_cpus());
	}
}

/* Every set of four CPUs by one logical destination; `shift` and `cluster` place the bits. */
static void every_set(const char *name, uint32_t cluster)
{
	unsigned int wrong = 0;

	for (unsigned int set = 0; set < 16; set++) {
		remember(WORK);
		ipi(cluster | set, ICR_LOGICAL | WORK);
		(void)wait_until(takers(WORK) == (set & all_cpus()));
		settle();
		wrong += takers(WORK) != (set & all_cpus());
	}
	check_eq(name, wrong, 0);
}

static void flat(void)
{
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		dfr = 0xffffffff;
		ldr = 1u << cpu;
		call_on(cpu, set_logical);
	}
}

static void logical_xapic(void)
{
	flat();
	every_set("flat-every-set", 0);
	every_set("flat-and-bits-of-nobody", 0xf0);
	check_takers("flat-all", 0xff, ICR_LOGICAL | WORK, all_cpus());
	check_takers("flat-nmi", 0x05, ICR_LOGICAL | ICR_NMI, 0x05 & all_cpus());
	ldr = 0x06;
	call_on(1, set_logical);
	check_takers("flat-two-bits", 0x02, ICR_LOGICAL | WORK, 2);
	if (!left_out(kernel_lapic, "flat-shared-bit", "KVM may know one CPU for each bit"))
		check_takers("flat-shared-bit", 0x04, ICR_LOGICAL | WORK, 6);
	ldr = 0;
	call_on(1, set_logical);
	check_takers("flat-no-bit", 0x7f, ICR_LOGICAL | WORK, all_cpus() & ~2u);

	/* All in cluster 5, then one moves to 6: the upper half must be equal, the lower overlap. */
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		dfr = 0x0fffffff;
		ldr = 0x50 | 1u << cpu;
		call_on(cpu, set_logical);
	}
	every_set("cluster-every-set", 0x50);
	check_takers("cluster-other", 0x4f, ICR_LOGICAL | WORK, 0);
	check_takers("cluster-all", 0xff, ICR_LOGICAL | WORK, all_cpus());
	if (!left_out(kernel_lapic, "cluster-15-is-no-broadcast", "KVM knows the broadcast only as 0xff"))
		check_takers("cluster-15-is-no-broadcast", 0xf1, ICR_LOGICAL | WORK, 0);
	ldr = 0x61;
	call_on(1, set_logical);
	check_takers("cluster-moved", 0x61, ICR_LOGICAL | WORK, 2);
	check_takers("cluster-moved-away", 0x5f, ICR_LOGICAL | WORK, all_cpus() & ~2u);
	flat();
}

static void logical_x2apic(void)
{
	every_set("x2-every-set", 0);
	every_set("x2-and-bits-of-nobody", 0xff00);
	check_takers("x2-all", 0xffffffff, ICR_LOGICAL | WORK, all_cpus());
	check_takers("x2-nmi", 0x05, ICR_LOGICAL | ICR_NMI, 0x05 & all_cpus());
	check_takers("x2-other-cluster", 0x1000f, ICR_LOGICAL | WORK, 0);
	check_takers("x2-last-cluster", 0xffff000f, ICR_LOGICAL | WORK, 0);
	check_takers("x2-no-bit", 0, ICR_LOGICAL | WORK, 0);
	check_takers("x2-physical-not-logical", 0x00010001, WORK, 0);
	check_takers("x2-8-bit-broadcast-is-an-id", 0xff, WORK, 0);
}

/* --- lowest priority --- */

static uint32_t everyone(void)
{
	return x2apic ? 0xffff : 0xff;
}

static void send_lowest(unsigned int n, uint32_t dest)
{
	remember(LOWEST);
	for (unsigned int sent = 1; sent <= n; sent++) {
		ipi(dest, ICR_LOGICAL | ICR_LOWEST | LOWEST);
		if (!wait_until(taken_by_all(LOWEST) == sent))
			break;
		settle(); /* who is in its handler still would be passed over */
	}
}

static volatile unsigned int busy;

static void stay_busy(struct frame *f)
{
	(void)f;
	busy = 1;
	sti();
	while (busy)
		pause();
	cli();
	eoi();
}

#define ROUNDS 8 /* as many messages for each CPU */

static void lowest_ties(void)
{
	unsigned int least = ~0u;

	send_lowest(ROUNDS * nr_cpus, everyone());
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		if (taken_by(cpu, LOWEST) < least)
			least = taken_by(cpu, LOWEST);
	check_eq("lowest-each-to-one", taken_by_all(LOWEST), ROUNDS * nr_cpus);
	if (left_out(kernel_lapic, "lowest-ties-take-turns", "KVM may choose by the vector"))
		return;
	check_range("lowest-ties-take-turns", least, ROUNDS / 4, ROUNDS);
	send_lowest(ROUNDS, 6);
	check_eq("lowest-of-a-set", taken_by(1, LOWEST) + taken_by(2, LOWEST), ROUNDS);
	check_range("lowest-turns-in-a-set", taken_by(1, LOWEST), 1, ROUNDS - 1);
}

/* Never to one whose priority is higher than another's, by TPR or by what is in service. */
static void lowest_by_priority(void)
{
	uint8_t above = VECTOR(12);

	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		set_tpr_on(cpu, 0x10 * (4 - (cpu + 1) % nr_cpus));
	check_takers("lowest-is-who-has-least", everyone(), ICR_LOGICAL | ICR_LOWEST | LOWEST,
		     1u << (nr_cpus - 2));
	check_takers("lowest-among-the-addressed", 1 | 1u << (nr_cpus - 1), ICR_LOGICAL | ICR_LOWEST | LOWEST,
		     1);
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		set_tpr_on(cpu, 0);

	/* In service on CPU 1: class 12. All others have TPR 0x50, which is less. */
	handler[above] = stay_busy;
	ipi(1, above);
	check("in-service", wait_until(busy));
	unheard = 2;
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		if (cpu != 1)
			set_tpr_on(cpu, 0x50);
	send_lowest(ROUNDS, everyone());
	check_eq("lowest-not-to-the-busy", taken_by(1, LOWEST), 0);
	check_eq("lowest-to-the-others", taken_by_all(LOWEST), ROUNDS);
	check_takers("lowest-only-the-busy", 2, ICR_LOGICAL | ICR_LOWEST | LOWEST, 0);
	remember(LOWEST);
	unheard = 0;
	busy = 0;
	check_taken("lowest-waits-there", LOWEST, 2);
	handler[above] = NULL;
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		set_tpr_on(cpu, 0);
}

static void turn_off(void)
{
	apic_write(APIC_SVR, SPURIOUS);
}

static void turn_on(void)
{
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	if (!x2apic)
		set_logical();
}

/* A local APIC that SVR disables takes no part, but NMIs and its own sending. */
static void software_disabled(void)
{
	call_on(1, turn_off);
	if (!left_out(kernel_lapic, "lowest-to-the-enabled",
		      "KVM may choose by the vector, and then nobody")) {
		send_lowest(ROUNDS, everyone());
		check_eq("lowest-not-to-the-disabled", taken_by(1, LOWEST), 0);
		check_eq("lowest-to-the-enabled", taken_by_all(LOWEST), ROUNDS);
	}
	check_takers("disabled-takes-none", 1, WORK, 0);
	check_takers("disabled-takes-no-broadcast", 0, ICR_OTHERS | WORK, all_cpus() & ~3u);
	check_takers("disabled-takes-nmi", 1, ICR_NMI, 2);
	check_from("disabled-sends-from", 1, 0, WORK, 1);
	dfr = 0xffffffff;
	ldr = 2;
	call_on(1, turn_on);
	remember(WORK);
	check_taken("disabled-kept-none", WORK, 0);
}

static void lowest_priority(void)
{
	lowest_ties();
	check_takers("lowest-physical", 2, ICR_LOWEST | LOWEST, 4);
	software_disabled();
	if (!left_out(kernel_lapic, "lowest-by-priority", "KVM looks at no priorities"))
		lowest_by_priority();
}

/* --- what sends nothing --- */

static void check_nothing(const char *name, uint32_t command)
{
	unsigned int before = all_taken();

	ipi(1, command);
	delay(MOMENT / 4);
	settle();
	check_eq(name, all_taken(), before);
	check_takers(name, 1, WORK, 2); /* and CPU 1 is well */
}

static void sends_nothing(void)
{
	if (!left_out(kernel_lapic, "smi", "KVM enters system management mode, where there is no code"))
		check_nothing("smi", ICR_SMI);
	check_nothing("extint", ICR_EXTINT | 0x41);
	check_nothing("reserved-mode", ICR_RESERVED | 0x41);
	check_nothing("init-deassert", ICR_INIT | ICR_LEVEL);
	check_nothing("init-deassert-all", ICR_ALL | ICR_INIT | ICR_LEVEL);
}

/* --- NMI --- */

static volatile unsigned int nested_nmis;

/* NMIs are held until IRET; of those that come meanwhile, one is kept. */
static void nmi_in_nmi(struct frame *f)
{
	unsigned int before = taken[0][NMI];

	(void)f;
	if (nested_nmis)
		return;
	nested_nmis = 1;
	ipi(0, ICR_NMI);
	ipi(0, ICR_NMI);
	ipi(0, ICR_NMI);
	delay(MOMENT / 4);
	if (taken[0][NMI] != before)
		nested_nmis = 2;
}

static void nmi_nesting(void)
{
	unsigned int before = taken[0][NMI];

	handler[NMI] = nmi_in_nmi;
	ipi(0, ICR_NMI);
	check("nmi", wait_until(taken[0][NMI] >= before + 2));
	delay(MOMENT / 4);
	check_eq("nmi-not-in-nmi", nested_nmis, 1);
	check_eq("nmi-one-is-kept", taken[0][NMI] - before, 2);
	handler[NMI] = NULL;
}

/* --- INIT and SIPI --- */

#define OTHER_PAGE 0x70000

static volatile unsigned int starts;

static void count_start(void)
{
	starts++;
}

/* The second SIPI comes when the CPU no longer waits for one; so does any to a CPU that runs. */
static void startup(void)
{
	before_start = count_start;
	prepare_start(1);
	ipi(1, ICR_INIT | ICR_LEVEL | ICR_ASSERT);
	ipi(1, ICR_STARTUP | STARTUP_VECTOR);
	check("one-sipi-starts", wait_until(done_on(1)));
	ipi(1, ICR_STARTUP | STARTUP_VECTOR);
	ipi(1, ICR_STARTUP | STARTUP_VECTOR);
	settle();
	check_eq("later-ones-do-not", starts, 1);
	check_takers("started-takes", 1, WORK, 2);

	/* INIT by edge is one too. The vector says where: the trampoline runs anywhere. */
	prepare_start(1);
	memcpy((void *)OTHER_PAGE, (void *)TRAMPOLINE, 0x1000);
	memset((void *)TRAMPOLINE, 0xf4, 16); /* HLT: who begins here does not arrive */
	ipi(1, ICR_INIT | ICR_ASSERT);
	ipi(1, ICR_STARTUP | OTHER_PAGE >> 12);
	if (!left_out(kernel_lapic, "of-two-the-first", "KVM takes the second if the CPU has not looked yet"))
		ipi(1, ICR_STARTUP | STARTUP_VECTOR);
	check("sipi-vector-is-the-page", wait_until(done_on(1)));
	check_eq("started-once", starts, 2);

	/* All others at once, by shorthand: they start where their stacks say, so one at a time is let on. */
	unheard = all_cpus() & ~1u;
	ipi(0, ICR_OTHERS | ICR_INIT | ICR_LEVEL | ICR_ASSERT);
	delay(MOMENT / 4);
	check_takers("init-others", 0, ICR_OTHERS | WORK, 0);
	check_takers("init-others-nmi", 0, ICR_OTHERS | ICR_NMI, 0);
	unheard = 0;
	for (unsigned int cpu = 1; cpu < nr_cpus; cpu++)
		check("started-again", start_cpu(cpu));
	check_eq("each-once", starts, 2 + nr_cpus - 1);
	check_takers("all-take", 0, ICR_OTHERS | WORK, all_cpus() & ~1u);
	before_start = NULL;
}

/* INIT finds a CPU in its handler, with interrupts off, and none of what was in service is left. */
static volatile unsigned int stuck;
static volatile uint32_t service_after;

static void stick(struct frame *f)
{
	(void)f;
	stuck = 1;
	for (;;)
		pause();
}

static void look_at_service(void)
{
	for (unsigned int i = 0; i < 8; i++)
		service_after |= apic_read(APIC_ISR + 16 * i) | apic_read(APIC_IRR + 16 * i);
}

static void init_in_handler(void)
{
	handler[WORK] = stick;
	ipi(1, WORK);
	check("stuck", wait_until(stuck));
	ipi(1, VECTOR(4));
	handler[WORK] = NULL;
	check("init-frees", start_cpu(1));
	call_on(1, look_at_service);
	check_eq("init-clears-isr-and-irr", service_after, 0);
	if (!x2apic)
		flat();
}

/* --- illegal vectors --- */

static volatile uint32_t errors_there;

static void set_error_lvt(void)
{
	apic_errors();
	apic_write(APIC_LVT_ERROR, FAULT);
}

static void read_errors(void)
{
	errors_there = apic_errors();
	apic_write(APIC_LVT_ERROR, LVT_MASKED);
}

/* Sends `command` to CPU 1 or to itself; who notices, and by which bits? */
static void check_illegal(const char *name, uint32_t dest, uint32_t command, uint32_t errors_0,
			  uint32_t errors_1)
{
	call_on(1, set_error_lvt);
	set_error_lvt();
	remember(FAULT);
	ipi(dest, command);
	check_taken(name, FAULT, (errors_0 ? 1 : 0) | (errors_1 ? 2 : 0));
	call_on(1, read_errors);
	check_eq(named(name, 1), errors_there, errors_1);
	read_errors();
	check_eq(named(name, 0), errors_there, errors_0);
}

static void illegal_vectors(void)
{
	unsigned int bad = 0;

	check_illegal("illegal-0", 1, 0, ESR_SEND_ILLEGAL, ESR_RECEIVE_ILLEGAL);
	check_illegal("illegal-15", 1, 15, ESR_SEND_ILLEGAL, ESR_RECEIVE_ILLEGAL);
	check_illegal("illegal-others", 0, ICR_OTHERS | 3, ESR_SEND_ILLEGAL, ESR_RECEIVE_ILLEGAL);
	check_illegal("illegal-self", 0, ICR_SELF | 3, ESR_SEND_ILLEGAL | ESR_RECEIVE_ILLEGAL, 0);
	check_illegal("illegal-to-itself", 0, 3, ESR_SEND_ILLEGAL | ESR_RECEIVE_ILLEGAL, 0);
	check_illegal("illegal-lowest", 2, ICR_LOGICAL | ICR_LOWEST | 3, ESR_SEND_ILLEGAL,
		      ESR_RECEIVE_ILLEGAL);
	check_illegal("illegal-to-nobody", 77, 3, ESR_SEND_ILLEGAL, 0);
	/* An NMI has no vector; a SIPI's is a page. */
	check_illegal("nmi-vector-is-none", 1, ICR_NMI | 3, 0, 0);
	check_illegal("sipi-vector-is-none", 1, ICR_STARTUP | 3, 0, 0);
	if (x2apic) {
		set_error_lvt();
		remember(FAULT);
		apic_write(APIC_SELF_IPI, 9);
		check_taken("illegal-self-ipi", FAULT, 1);
		read_errors();
		check_eq("illegal-self-ipi-bits", errors_there, ESR_SEND_ILLEGAL | ESR_RECEIVE_ILLEGAL);
	}
	for (unsigned int vector = 0; vector < 16; vector++) {
		ipi(0, ICR_SELF | vector);
		bad += apic_errors() != (ESR_SEND_ILLEGAL | ESR_RECEIVE_ILLEGAL);
	}
	check_eq("illegal-each", bad, 0);
	check_eq("illegal-never-in-irr", apic_read(APIC_IRR) & 0xffff, 0);
	/* 16 is the first that is legal; with interrupts off, it is seen in IRR. */
	cli();
	ipi(0, ICR_SELF | 16);
	check_eq("legal-16", apic_errors(), 0);
	check("legal-16-in-irr", apic_bit(APIC_IRR, 16));
	apic_write(APIC_TPR, 0x10);
	sti();
	delay(MOMENT / 20);
	cli();
	check("legal-16-of-class-1", apic_bit(APIC_IRR, 16));
}

/* ICR keeps what was sent; delivery is over when the write is. */
static void read_back(void)
{
	check_takers("icr", 1, ICR_ASSERT | WORK, 2);
	check_eq("icr-keeps", apic_read(APIC_ICR), ICR_ASSERT | WORK);
	if (!x2apic)
		check_eq("icr-high-keeps", apic_read(APIC_ICR_HIGH), 1u << 24);
}

/* ICR high alone sends nothing. */
static void high_half(void)
{
	remember(WORK);
	apic_write(APIC_ICR_HIGH, 2u << 24);
	check_taken("icr-high-sends-nothing", WORK, 0);
	apic_write(APIC_ICR, WORK);
	check_taken("icr-low-sends", WORK, 4);
}

void guest_main(void)
{
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	for (unsigned int cpu = 1; cpu < nr_cpus; cpu++)
		check("started", start_cpu(cpu));
	sti();
	read_back();
	if (!x2apic)
		high_half();
	from_every_cpu();
	if (x2apic)
		logical_x2apic();
	else
		logical_xapic();
	lowest_priority();
	sends_nothing();
	nmi_nesting();
	startup();
	init_in_handler();
	if (!left_out(kernel_lapic, "illegal-vectors", "KVM's local APIC reports no errors"))
		illegal_vectors();
}
