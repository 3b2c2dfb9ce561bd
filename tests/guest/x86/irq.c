// SPDX-License-Identifier: BSD-2-Clause
/*
 * Acceptance and delivery on one CPU: IPIs to itself, RFLAGS.IF and the STI shadow, priorities, EOI,
 * NMI (Intel SDM volume 3, sections "Issuing Interprocessor Interrupts", "Handling Interrupts",
 * "Interrupt, Task, and Processor Priority", "Masking Maskable Hardware Interrupts").
 */
#include "guest.h"

#define LOW     VECTOR(4)
#define MIDDLE  VECTOR(8)
#define HIGH    VECTOR(12)
#define HIGHER2 (HIGH + 2) /* the same class as HIGH */

/* The trace as a number: its vectors' classes, the first on the left. */
static unsigned int order(void)
{
	unsigned int digits = 0;

	for (unsigned int i = 0; i < trace_length; i++)
		digits = digits << 4 | trace[i] >> 4;
	return digits;
}

static unsigned int taken_since(uint8_t vector, unsigned int before)
{
	return taken[0][vector] - before;
}

/* Sends to itself by `command` and checks how often it arrives. */
static void check_send(const char *name, uint32_t dest, uint32_t command, unsigned int expected)
{
	uint8_t vector = (uint8_t)command;
	unsigned int before = taken[0][vector];

	ipi(dest, command);
	(void)wait_until(taken_since(vector, before) == expected);
	delay(MOMENT / 10);
	check_eq(name, taken_since(vector, before), expected);
}

static void self_ipis(void)
{
	uint32_t me = apic_id();

	sti();
	check_send("self", 0, ICR_SELF | LOW, 1);
	check_send("all", 0, ICR_ALL | LOW, 1);
	check_send("others", 0, ICR_OTHERS | LOW, 0);
	check_send("physical", me, LOW, 1);
	check_send("physical-not-there", me + 7, LOW, 0);
	check_send("physical-broadcast", x2apic ? 0xffffffff : 0xff, LOW, 1);
	if (!x2apic)
		apic_write(APIC_LDR, 1u << 24);
	check_send("logical", 1, ICR_LOGICAL | LOW, 1);
	check_send("logical-not-us", 2, ICR_LOGICAL | LOW, 0);
	check_send("lowest", 1, ICR_LOGICAL | ICR_LOWEST | LOW, 1);
	if (x2apic) {
		unsigned int before = taken[0][LOW];

		apic_write(APIC_SELF_IPI, LOW);
		check("self-ipi-register", wait_until(taken_since(LOW, before) == 1));
	}
	cli();
}

/* IRR collects while IF is 0: one bit per vector; then the higher vector first. */
static void interrupt_flag(void)
{
	unsigned int before = taken[0][LOW];

	trace_length = 0;
	ipi(0, ICR_SELF | LOW);
	ipi(0, ICR_SELF | LOW);
	ipi(0, ICR_SELF | HIGH);
	ipi(0, ICR_SELF | MIDDLE);
	delay(MOMENT / 10);
	check_eq("held-while-if-is-0", trace_length, 0);
	check("irr-shows-it",
	      apic_bit(APIC_IRR, LOW) && apic_bit(APIC_IRR, MIDDLE) && apic_bit(APIC_IRR, HIGH));
	check("tmr-says-edge", !apic_bit(APIC_TMR, LOW));
	check("isr-does-not", !apic_bit(APIC_ISR, LOW));
	sti();
	check("delivered-with-if", wait_until(trace_length == 3));
	cli();
	check_eq("highest-first", order(), 0xc84);
	check_eq("two-of-a-kind-are-one", taken_since(LOW, before), 1);
	check("irr-is-clear", !apic_bit(APIC_IRR, LOW));
}

static volatile uint64_t after_sti; /* instructions run behind STI when the interrupt came */

static void look_at_counter(struct frame *f)
{
	after_sti = f->rcx;
	eoi();
}

/* STI holds interrupts off until the end of the next instruction. RCX counts those behind it. */
static void sti_shadow(void)
{
	uint64_t count = 0;

	handler[LOW] = look_at_counter;
	if (pvm) {
		skip("after-the-shadow", "kvm_pvm delivers an interrupt some instructions later");
	} else {
		after_sti = 99;
		ipi(0, ICR_SELF | LOW);
		__asm__ volatile("sti; incq %0; incq %0; incq %0; incq %0; cli" : "+c"(count) : : "memory");
		check_eq("after-the-shadow", after_sti, 1);
	}

	after_sti = 99;
	ipi(0, ICR_SELF | LOW);
	__asm__ volatile("sti; cli" : : : "memory");
	delay(MOMENT / 10);
	check_eq("sti-cli-lets-none-in", after_sti, 99);
	sti();
	check("then-delivered", wait_until(after_sti != 99));
	cli();
	handler[LOW] = NULL;
}

#define FLAG_TF 0x100

static volatile unsigned int steps;

static void count_step(struct frame *f)
{
	(void)f;
	steps++;
}

/*
 * An interrupt that comes while a device access is single-stepped: the access makes an exit, the trap
 * (#DB) follows it, and the interrupt must outlive both.
 */
static void single_stepped_access(void)
{
	unsigned int before = taken[0][LOW];

	steps = 0;
	handler[1] = count_step;
	sti();
	__asm__ volatile("pushfq; orl %0, (%%rsp); popfq" : : "i"(FLAG_TF) : "memory");
	ipi(0, ICR_SELF | LOW);
	__asm__ volatile("pushfq; andl %0, (%%rsp); popfq" : : "i"(~FLAG_TF) : "memory");
	(void)wait_until(taken_since(LOW, before) == 1);
	cli();
	check("single-stepped", steps > 1);
	check_eq("single-stepped-access", taken_since(LOW, before), 1);
	handler[1] = NULL;
}

/* TPR and CR8 hold back their class and those below. */
static void task_priority(void)
{
	trace_length = 0;
	sti();
	write_cr8(8);
	ipi(0, ICR_SELF | LOW);
	ipi(0, ICR_SELF | MIDDLE);
	ipi(0, ICR_SELF | HIGH);
	delay(MOMENT / 10);
	check_eq("cr8-holds-back", order(), 0xc);
	lower_cr8(7);
	check("lower-cr8-lets-in", wait_until(order() == 0xc8));
	delay(MOMENT / 10);
	check_eq("and-no-more", order(), 0xc8);
	apic_write(APIC_TPR, 0);
	check("tpr-lets-in", wait_until(order() == 0xc84));
	apic_write(APIC_TPR, 0xf0);
	ipi(0, ICR_SELF | HIGH);
	delay(MOMENT / 10);
	check_eq("tpr-holds-back", order(), 0xc84);
	lower_cr8(0);
	check("cr8-lets-in", wait_until(order() == 0xc84c));
	cli();
}

static bool in_service, pending_in_handler;
static uint32_t priority_in_handler;

/* MIDDLE in service: HIGH may interrupt, LOW must wait for its end. */
static void nest(struct frame *f)
{
	(void)f;
	in_service = apic_bit(APIC_ISR, MIDDLE);
	pending_in_handler = apic_bit(APIC_IRR, MIDDLE);
	priority_in_handler = apic_read(APIC_PPR);
	ipi(0, ICR_SELF | LOW);
	ipi(0, ICR_SELF | HIGH);
	sti();
	(void)wait_until(trace_length == 2);
	delay(MOMENT / 10);
	cli();
	trace[trace_length++] = 0x10; /* the end, to see it in order() */
	eoi();
}

static void nesting(void)
{
	handler[MIDDLE] = nest;
	trace_length = 0;
	ipi(0, ICR_SELF | MIDDLE);
	sti();
	check("nested", wait_until(trace_length == 4));
	cli();
	check_eq("nested-order", order(), 0x8c14);
	check("isr-in-handler", in_service);
	check("irr-in-handler", !pending_in_handler);
	check_eq("ppr-in-handler", priority_in_handler, MIDDLE & 0xf0);
	check_eq("ppr-after", apic_read(APIC_PPR), 0);
	check("isr-after", !apic_bit(APIC_ISR, MIDDLE) && !apic_bit(APIC_ISR, LOW));
	handler[MIDDLE] = NULL;
}

static void without_eoi(struct frame *f)
{
	(void)f;
}

/* Two of one class: the second waits for the EOI of the first, higher or not. */
static void same_class(void)
{
	handler[HIGH] = without_eoi;
	trace_length = 0;
	sti();
	ipi(0, ICR_SELF | HIGH);
	check("in-service", wait_until(trace_length == 1));
	ipi(0, ICR_SELF | HIGHER2);
	delay(MOMENT / 10);
	check_eq("same-class-waits", trace_length, 1);
	eoi();
	check("eoi-lets-it-in", wait_until(trace_length == 2));
	cli();
	handler[HIGH] = NULL;
}

static void disabled(void)
{
	apic_write(APIC_SVR, SPURIOUS);
	sti();
	check_send("disabled-takes-none", 0, ICR_SELF | LOW, 0);
	cli();
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	check("and-keeps-none", !apic_bit(APIC_IRR, LOW));
}

static void nmi(void)
{
	unsigned int before = taken[0][NMI];

	ipi(apic_id(), ICR_NMI);
	check("nmi-with-if-0", wait_until(taken_since(NMI, before) == 1));
	ipi(x2apic ? 0xffffffff : 0xff, ICR_NMI | 0xaa); /* the vector is ignored */
	check("nmi-again", wait_until(taken_since(NMI, before) == 2));
}

void guest_main(void)
{
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	self_ipis();
	interrupt_flag();
	single_stepped_access();
	sti_shadow();
	task_priority();
	nesting();
	same_class();
	disabled();
	nmi();
}
