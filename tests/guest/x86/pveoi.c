/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Paravirtual EOI (Linux, "KVM-specific MSRs", MSR_KVM_PV_EOI_EN): a bit in memory that may be cleared
 * instead of writing the EOI register, and that is only set when nobody waits for that EOI.
 */
#include "guest.h"

#define MSR_PV_EOI 0x4b564d04
#define ENABLE     1
#define RESERVED   2
#define PENDING    1u
#define KVM_BASE   0x40000000

#define LOW    VECTOR(4)
#define MIDDLE VECTOR(5)
#define HIGH   VECTOR(6)

static volatile uint32_t word;

/* As Linux does it: one instruction, which needs no lock, for the host looks only while this CPU is out. */
static bool end_by_bit(void)
{
	uint8_t was;

	__asm__ volatile("btrl $0, %0; setc %1" : "+m"(word), "=q"(was) : : "memory");
	return was;
}

static void end(void)
{
	if (!end_by_bit())
		eoi();
}

static void self(uint8_t vector)
{
	ipi(0, ICR_SELF | vector);
}

static unsigned int in_service(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < 8; i++)
		for (uint32_t bits = apic_read(APIC_ISR + 16 * i); bits; bits &= bits - 1)
			n++;
	return n;
}

static unsigned int served, by_bit;

static void count_and_end(struct frame *f)
{
	(void)f;
	served++;
	if (end_by_bit())
		by_bit++;
	else
		eoi();
}

static void msr(void)
{
	uint64_t at = (uint64_t)&word, value;

	check_eq("announced", cpuid(KVM_BASE + 1, 0).eax >> 6 & 1, 1);
	check_eq("off-at-first", rdmsr_try(MSR_PV_EOI, &value) || value, 0);
	check_eq("reserved-bit", wrmsr_try(MSR_PV_EOI, at | RESERVED | ENABLE), 13);
	check_eq("where-nothing-is", wrmsr_try(MSR_PV_EOI, (1ULL << 40) | ENABLE), 13);
	check_eq("refused-is-off", rdmsr_try(MSR_PV_EOI, &value) || value, 0);
	check_eq("on", wrmsr_try(MSR_PV_EOI, at | ENABLE), 0);
	check_eq("reads-back", rdmsr_try(MSR_PV_EOI, &value) ? 0 : value, at | ENABLE);
}

static void one_after_the_other(void)
{
	handler[LOW] = count_and_end;
	served = by_bit = 0;
	sti();
	for (unsigned int i = 1; i <= 100; i++) {
		self(LOW);
		(void)wait_until(served == i);
	}
	cli();
	check_eq("all-served", served, 100);
	/* KVM's own LAPIC does not offer again what its host's interrupts took back. */
	check_range("ended-by-the-bit", by_bit, kernel_lapic ? 50 : 100, 100);
	check_eq("none-in-service", in_service(), 0);
	check_eq("ppr-is-zero", apic_read(APIC_PPR), 0);
	check_eq("bit-is-clear", word, 0);
}

/* Two at once: the second waits for the first one's EOI, which must be seen. */
static void another_waits(void)
{
	handler[HIGH] = handler[LOW] = count_and_end;
	served = by_bit = 0;
	cli();
	self(LOW);
	self(HIGH);
	sti();
	check("both-served", wait_until(served == 2));
	cli();
	check_range("only-the-last-by-the-bit", by_bit, kernel_lapic ? 0 : 1, 1);
	check_eq("none-in-service-of-two", in_service(), 0);
}

/* One that comes while the bit is set takes it back. */
static bool bit_at_first, bit_after_request;

static void request_another(struct frame *f)
{
	(void)f;
	bit_at_first = word & PENDING;
	self(LOW);
	bit_after_request = word & PENDING;
	end();
}

static void one_comes(void)
{
	handler[HIGH] = request_another;
	handler[LOW] = count_and_end;
	served = 0;
	bit_at_first = false;
	sti();
	for (unsigned int tries = 1; tries <= 20 && !bit_at_first; tries++) {
		self(HIGH);
		check("served-behind", wait_until(served == tries));
	}
	cli();
	check_eq("bit-while-alone", bit_at_first, 1);
	check_eq("no-bit-with-another", bit_after_request, 0);
}

/* The bit of an interrupt that interrupts another one's handler is not that one's. */
static bool outer_stayed, inner_gone;

/* In MIDDLE's handler. */
static void let_high_in(void)
{
	sti();
	self(HIGH);
	(void)wait_until(served == 1);
	cli();
	outer_stayed = apic_bit(APIC_ISR, MIDDLE);
}

static void nest(struct frame *f)
{
	(void)f;
	let_high_in();
	inner_gone = !apic_bit(APIC_ISR, HIGH);
	end();
}

static void interrupt_both(void (*middle)(struct frame *f), void (*high)(struct frame *f))
{
	handler[MIDDLE] = middle;
	handler[HIGH] = high;
	served = 0;
	sti();
	self(MIDDLE);
	cli();
}

static void nested(void)
{
	interrupt_both(nest, count_and_end);
	check_eq("outer-in-service", outer_stayed, 1);
	check_eq("inner-ended", inner_gone, 1);
	check_eq("none-in-service-of-nested", in_service(), 0);
}

/* Who has the bit may write the register all the same: that ends one interrupt, not two. */
static void nest_and_write(struct frame *f)
{
	(void)f;
	let_high_in();
	eoi();
}

static void just_write(struct frame *f)
{
	(void)f;
	served++;
	eoi();
}

static void by_register(void)
{
	interrupt_both(nest_and_write, just_write);
	check_eq("outer-in-service-by-register", outer_stayed, 1);
	check_eq("none-in-service-by-register", in_service(), 0);
	check_eq("bit-is-clear-by-register", word & PENDING, 0);
}

static void off(void)
{
	check_eq("off", wrmsr_try(MSR_PV_EOI, 0), 0);
	word = 0;
	handler[LOW] = count_and_end;
	served = by_bit = 0;
	sti();
	self(LOW);
	check("served-when-off", wait_until(served == 1));
	cli();
	check_eq("no-bit-when-off", by_bit, 0);
	check_eq("none-in-service-when-off", in_service(), 0);
}

void guest_main(void)
{
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	msr();
	one_after_the_other();
	another_waits();
	one_comes();
	nested();
	by_register();
	off();
}
