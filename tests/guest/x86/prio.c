// SPDX-License-Identifier: BSD-2-Clause
/*
 * IRR, ISR, PPR, TPR and CR8 as one truth, for every class and every vector; nested interrupts and the
 * order of their ends (Intel SDM volume 3, sections "Interrupt, Task, and Processor Priority",
 * "Interrupt Acceptance for Fixed Interrupts", "Signaling Interrupt Servicing Completion", "Task Priority
 * in IA-32e Mode").
 */
#include "guest.h"

#define FIRST 32 /* vectors below are exceptions' */
#define LAST  254

static uint32_t classes(uint32_t set)
{
	uint32_t found = 0;

	for (unsigned int i = 0; i < 8; i++) {
		uint32_t bits = apic_read(set + 16 * i);

		found |= (bits & 0xffff ? 1u : 0) << 2 * i | (bits >> 16 ? 1u : 0) << (2 * i + 1);
	}
	return found;
}

static unsigned int count(uint32_t set)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < 8; i++)
		for (uint32_t bits = apic_read(set + 16 * i); bits; bits &= bits - 1)
			n++;
	return n;
}

static void self(uint8_t vector)
{
	ipi(0, ICR_SELF | vector);
}

/* --- every vector once --- */

static unsigned int last, served, disordered, lost;

static void in_order(struct frame *f)
{
	unsigned int vector = (unsigned int)f->vector;

	disordered += vector >= last;
	lost += !apic_bit(APIC_ISR, (uint8_t)vector) || apic_bit(APIC_IRR, (uint8_t)vector);
	last = vector;
	served++;
	eoi();
}

/* All in IRR at once, then one after the other from the top; each goes from IRR to ISR to nowhere. */
static void every_vector(void)
{
	cli();
	for (unsigned int vector = FIRST; vector <= LAST; vector++) {
		handler[vector] = in_order;
		self((uint8_t)vector);
	}
	check_eq("all-requested", count(APIC_IRR), LAST - FIRST + 1);
	check_eq("none-in-service", count(APIC_ISR), 0);
	last = 256;
	sti();
	(void)wait_until(served == LAST - FIRST + 1);
	cli();
	check_eq("all-served", served, LAST - FIRST + 1);
	check_eq("from-the-top", disordered, 0);
	check_eq("from-irr-to-isr", lost, 0);
	check_eq("none-left", count(APIC_IRR) + count(APIC_ISR), 0);
	check_eq("ppr-is-zero", apic_read(APIC_PPR), 0);
	for (unsigned int vector = FIRST; vector <= LAST; vector++)
		handler[vector] = NULL;
}

/* Vectors 16 to 31 belong to exceptions, but the local APIC delivers them: only those below 16 are illegal. */
static void lowest_class(void)
{
	handler[31] = in_order;
	served = 0;
	last = 256;
	apic_write(APIC_TPR, 0x10);
	sti();
	self(31);
	delay(MOMENT / 10);
	check_eq("class-1-held-back", served, 0);
	apic_write(APIC_TPR, 0x0f);
	check("class-1-above-class-0", wait_until(served == 1));
	cli();
	apic_write(APIC_TPR, 0);
	handler[31] = NULL;
}

/* --- TPR and CR8 --- */

/* Task priority n holds back class n and lets in class n + 1, by either register. */
static void every_class(void)
{
	for (unsigned int class = 2; class <= 15; class ++) {
		uint8_t vector = VECTOR(class);
		unsigned int before = taken[0][vector], held, let_in;

		sti();
		apic_write(APIC_TPR, class << 4);
		self(vector);
		delay(MOMENT / 20);
		held = taken[0][vector] - before;
		apic_write(APIC_TPR, class << 4 | 15);
		delay(MOMENT / 20);
		held += taken[0][vector] - before;
		lower_cr8(class - 1);
		(void)wait_until(taken[0][vector] == before + 1);
		let_in = taken[0][vector] - before;
		cli();
		check_eq(named("class-held-back", class), held, 0);
		check_eq(named("class-let-in", class), let_in, 1);
	}
	apic_write(APIC_TPR, 0);
}

static void one_register(void)
{
	unsigned int wrong = 0;

	for (unsigned int tpr = 0; tpr < 256; tpr += 5) {
		apic_write(APIC_TPR, tpr);
		wrong += read_cr8() != tpr >> 4;
		wrong += apic_read(APIC_PPR) >> 4 != tpr >> 4;
	}
	check_eq("cr8-is-tpr", wrong, 0);
	wrong = 0;
	for (unsigned int cr8 = 0; cr8 < 16; cr8++) {
		write_cr8(cr8);
		wrong += apic_read(APIC_TPR) != cr8 << 4 || apic_read(APIC_PPR) != cr8 << 4;
		wrong += read_cr8() != cr8;
	}
	check_eq("tpr-is-cr8", wrong, 0);
	if (!left_out(kernel_lapic, "tpr-subclass",
		      "KVM may keep the upper half only, where a CPU virtualizes CR8")) {
		apic_write(APIC_TPR, 0x57);
		check_eq("tpr-subclass", apic_read(APIC_TPR), 0x57);
		check_eq("ppr-subclass", apic_read(APIC_PPR), 0x57);
	}
	if (!left_out(pvm, "cr8-clears-subclass", "kvm_pvm does not tell that CR8 was written")) {
		write_cr8(6);
		write_cr8(5);
		check_eq("cr8-clears-subclass", apic_read(APIC_TPR), 0x50);
	}
	write_cr8(0);
}

/* NMIs have no priority. */
static void nmi_passes(void)
{
	unsigned int before = taken[0][NMI];

	apic_write(APIC_TPR, 0xff);
	sti();
	self(VECTOR(15));
	ipi(0, ICR_NMI);
	check("nmi-passes-tpr", wait_until(taken[0][NMI] == before + 1));
	check("class-15-does-not", apic_bit(APIC_IRR, VECTOR(15)));
	before = taken[0][VECTOR(15)];
	lower_cr8(0);
	check("class-15-then", wait_until(taken[0][VECTOR(15)] == before + 1));
	cli();
}

/* --- PPR --- */

static uint32_t ppr_expected(uint32_t tpr, uint32_t isrv)
{
	return (tpr & 0xf0) >= (isrv & 0xf0) ? tpr & 0xf0 : isrv & 0xf0;
}

static unsigned int ppr_wrong, pprs;

/* In service: all task priorities. Bits 3:0 are those of TPR, 0, or (in the same class) either. */
static void try_task_priorities(struct frame *f)
{
	uint32_t isrv = (uint32_t)f->vector;

	for (uint32_t tpr = 0; tpr < 256; tpr += 23) {
		uint32_t is;

		apic_write(APIC_TPR, tpr);
		is = apic_read(APIC_PPR);
		ppr_wrong += (is & 0xf0) != ppr_expected(tpr, isrv);
		if (tpr >> 4 < isrv >> 4)
			ppr_wrong += is & 15;
		pprs++;
	}
	apic_write(APIC_TPR, 0);
	ppr_wrong += apic_read(APIC_PPR) != (isrv & 0xf0);
	eoi();
}

static void processor_priority(void)
{
	for (unsigned int class = 2; class <= 15; class ++) {
		uint8_t vector = VECTOR(class) + 3;
		unsigned int before = pprs;

		handler[vector] = try_task_priorities;
		sti();
		self(vector);
		(void)wait_until(pprs > before && !apic_bit(APIC_ISR, vector));
		cli();
		handler[vector] = NULL;
	}
	check_eq("ppr-computed", pprs, 14 * 12);
	check_eq("ppr", ppr_wrong, 0);
}

/* --- nesting --- */

static unsigned int depth;
static volatile uint32_t isr_at_depth[16], isr_after_end[16], ppr_after_end[16];

/* Each brings the next class, until all are in service; then the highest ends first, whoever asks. */
static void nest(struct frame *f)
{
	unsigned int class = (unsigned int)f->vector >> 4;

	isr_at_depth[class] = classes(APIC_ISR);
	depth++;
	if (class < 15) {
		self(VECTOR(class + 1));
		self(VECTOR(2)); /* must wait for the end of all */
		sti();
		(void)wait_until(isr_after_end[class + 1]);
		cli();
	}
	eoi();
	isr_after_end[class] = classes(APIC_ISR) | 1; /* class 0 does not occur: it says "done" */
	ppr_after_end[class] = apic_read(APIC_PPR);
}

static void nesting(void)
{
	unsigned int below = taken[0][VECTOR(2)];

	for (unsigned int class = 3; class <= 15; class ++)
		handler[VECTOR(class)] = nest;
	self(VECTOR(3));
	sti();
	(void)wait_until(isr_after_end[3]);
	(void)wait_until(taken[0][VECTOR(2)] != below);
	cli();
	check_eq("nested-all", depth, 13);
	for (unsigned int class = 3; class <= 15; class ++) {
		uint32_t lower = ((1u << class) - 1) & ~7u;

		check_eq(named("nested-isr", class), isr_at_depth[class], lower | 1u << class);
		check_eq(named("ended-isr", class), isr_after_end[class], lower | 1);
		check_eq(named("ended-ppr", class), ppr_after_end[class], class == 3 ? 0 : (class - 1) << 4);
		handler[VECTOR(class)] = NULL;
	}
	check_eq("the-lowest-last-and-once", taken[0][VECTOR(2)] - below, 1);
}

static void no_end(struct frame *f)
{
	(void)f;
}

/* EOI ends the highest in service, not the one that came last or is being handled. */
static void end_order(void)
{
	handler[VECTOR(5)] = handler[VECTOR(9)] = handler[VECTOR(12)] = no_end;
	sti();
	self(VECTOR(5));
	(void)wait_until(apic_bit(APIC_ISR, VECTOR(5)));
	self(VECTOR(9));
	(void)wait_until(apic_bit(APIC_ISR, VECTOR(9)));
	self(VECTOR(12));
	(void)wait_until(apic_bit(APIC_ISR, VECTOR(12)));
	cli();
	check_eq("three-in-service", classes(APIC_ISR), 0x1220);
	check_eq("ppr-of-the-highest", apic_read(APIC_PPR), 0xc0);
	eoi();
	check_eq("end-of-the-highest", classes(APIC_ISR), 0x220);
	check_eq("ppr-of-the-second", apic_read(APIC_PPR), 0x90);
	eoi();
	check_eq("end-of-the-second", classes(APIC_ISR), 0x20);
	eoi();
	check_eq("end-of-the-third", classes(APIC_ISR), 0);
	eoi();
	check_eq("end-of-nothing", classes(APIC_ISR) | apic_read(APIC_PPR), 0);
	handler[VECTOR(5)] = handler[VECTOR(9)] = handler[VECTOR(12)] = NULL;
}

/* One in service and one requested of the same vector: there is room for no more. */
static void two_of_a_kind(void)
{
	unsigned int before = taken[0][VECTOR(7)];

	handler[VECTOR(7)] = no_end;
	sti();
	self(VECTOR(7));
	(void)wait_until(taken[0][VECTOR(7)] == before + 1);
	self(VECTOR(7));
	self(VECTOR(7));
	self(VECTOR(7));
	delay(MOMENT / 10);
	check_eq("second-waits", taken[0][VECTOR(7)] - before, 1);
	check("in-both", apic_bit(APIC_ISR, VECTOR(7)) && apic_bit(APIC_IRR, VECTOR(7)));
	eoi();
	check("second-after-the-end", wait_until(taken[0][VECTOR(7)] == before + 2));
	eoi();
	delay(MOMENT / 10);
	cli();
	check_eq("no-third", taken[0][VECTOR(7)] - before, 2);
	handler[VECTOR(7)] = NULL;
}

/* "Local APIC State After It Has Been Software Disabled": what was accepted before is still there. */
static void software_disabled(void)
{
	unsigned int before = taken[0][VECTOR(8)], high = taken[0][VECTOR(14)];

	cli();
	self(VECTOR(8));
	apic_write(APIC_SVR, SPURIOUS);
	self(VECTOR(14));
	check("disabled-keeps-irr", apic_bit(APIC_IRR, VECTOR(8)));
	check("disabled-accepts-none", !apic_bit(APIC_IRR, VECTOR(14)));
	handler[VECTOR(8)] = no_end;
	sti();
	check("disabled-still-delivers", wait_until(taken[0][VECTOR(8)] == before + 1));
	cli();
	check("disabled-keeps-isr", apic_bit(APIC_ISR, VECTOR(8)));
	check_eq("disabled-keeps-ppr", apic_read(APIC_PPR), 0x80);
	eoi();
	check("disabled-takes-eoi", !apic_bit(APIC_ISR, VECTOR(8)));
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	sti();
	delay(MOMENT / 10);
	cli();
	check_eq("enabled-again-brings-nothing", taken[0][VECTOR(14)], high);
	handler[VECTOR(8)] = NULL;
}

void guest_main(void)
{
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	every_vector();
	lowest_class();
	every_class();
	one_register();
	nmi_passes();
	processor_priority();
	nesting();
	end_order();
	two_of_a_kind();
	software_disabled();
}
