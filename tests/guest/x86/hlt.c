// SPDX-License-Identifier: BSD-2-Clause
/*
 * What ends HLT: interrupts that may be delivered, of every kind, and NMIs; what does not; and INIT of a CPU
 * that sleeps (Intel SDM volume 2, "HLT"; volume 3, "MP Initialization"). Two CPUs.
 */
#include "guest.h"

#define TICK VECTOR(5)
#define WAKE VECTOR(9)

#define PERIODS 50

/* The other CPU sends these after a while, when this one sleeps, or is about to: an interrupt waits for that. */

static void send_wake(void)
{
	delay(MOMENT);
	ipi(0, WAKE);
}

/* An NMI does not: who was late has taken it before, and would sleep for ever without a second one. */
static volatile unsigned int nmis_sent;
static volatile bool awake_again;

static void send_nmis(void)
{
	delay(MOMENT);
	while (!awake_again) {
		ipi(0, ICR_NMI);
		nmis_sent++;
		(void)wait_within(LATE, awake_again);
	}
}

static void sleep_with_if_0(void)
{
	cli();
	hlt();
}

static void sleep_with_if_1(void)
{
	sti_hlt();
	cli();
}

/*
 * Sleeps by `go` until an NMI of CPU 1 comes; returns how many came then, which is one, or 0 if something else has
 * woken this CPU.
 */
static unsigned int sleep_until_nmi(void (*go)(void))
{
	for (unsigned int tries = 0; tries < TRIES; tries++) {
		unsigned int before = taken[0][NMI];
		bool came;

		nmis_sent = 0;
		awake_again = false;
		run_on(1, send_nmis);
		go();
		came = taken[0][NMI] != before;
		awake_again = true;
		(void)wait_until(done_on(1));
		settle();
		if (!came)
			return 0;
		if (nmis_sent == 1)
			return taken[0][NMI] - before;
	}
	return 0;
}

/* HLT until `vector` has been taken once more; counts how often it came back. */
static unsigned int sleep_until(uint8_t vector)
{
	unsigned int before = taken[0][vector], wakes = 0;

	while (taken[0][vector] == before) {
		sleep_with_if_1();
		wakes++;
	}
	return wakes;
}

static void timer_wakes(void)
{
	apic_write(APIC_LVT_TIMER, TICK);
	apic_write(APIC_TIMER_INITIAL, 1000000);
	check_eq("timer-wakes", sleep_until(TICK), 1);
	/* Due before HLT begins: it must not sleep over it. */
	apic_write(APIC_TIMER_INITIAL, 1);
	(void)wait_until(apic_bit(APIC_IRR, TICK));
	check_eq("timer-before-hlt", sleep_until(TICK), 1);
}

static void periodic_timer_wakes(void)
{
	unsigned int before = taken[0][TICK], wakes = 0;

	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | TICK);
	apic_write(APIC_TIMER_INITIAL, 1000000);
	while (taken[0][TICK] < before + PERIODS)
		wakes += sleep_until(TICK);
	apic_write(APIC_TIMER_INITIAL, 0);
	check_range("periodic-timer-wakes", wakes, 1, PERIODS);
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	/* One more may have come before it was stopped: it is not for the next to wake by. */
	sti();
	settle();
	cli();
}

static void ipi_wakes(void)
{
	run_on(1, send_wake);
	check_eq("ipi-wakes", sleep_until(WAKE), 1);
	wait_until(done_on(1));
}

static void nmi_wakes(void)
{
	unsigned int wakes = taken[0][WAKE];

	cli();
	check_eq("nmi-wakes-with-if-0", sleep_until_nmi(sleep_with_if_0), 1);

	/* A held-back interrupt does not wake a CPU with IF=0: only the NMI after it does. */
	ipi(0, WAKE);
	check_eq("nmi-wakes-but-not-the-interrupt", sleep_until_nmi(sleep_with_if_0), 1);
	check_eq("interrupt-held-back", taken[0][WAKE], wakes);
	sti();
	check("interrupt-delivered-then", wait_until(taken[0][WAKE] == wakes + 1));
	cli();
}

/* Held back by its priority, an interrupt does not wake either. */
static void low_priority_does_not_wake(void)
{
	unsigned int wakes = taken[0][WAKE];

	write_cr8(WAKE >> 4);
	ipi(0, WAKE);
	check_eq("held-by-cr8-does-not-wake", sleep_until_nmi(sleep_with_if_1), 1);
	check_eq("held-by-cr8", taken[0][WAKE], wakes);
	sti();
	lower_cr8(0);
	check("let-in-by-cr8", wait_until(taken[0][WAKE] == wakes + 1));
	cli();
}

/* --- each kind of wake-up --- */

#define COM1_PIN  4 /* docs/machine.md */
#define RTE_LEVEL 0x8000
#define FAULT     VECTOR(7)
#define LINE      VECTOR(6)

static volatile uint32_t send_dest, send_command;

static void send_later(void)
{
	delay(MOMENT);
	ipi(send_dest, send_command);
}

/* CPU 1 sends while this one sleeps. */
static void check_wake(const char *name, uint32_t dest, uint32_t command, uint8_t vector)
{
	send_dest = dest;
	send_command = command;
	run_on(1, send_later);
	check_eq(name, sleep_until(vector), 1);
	wait_until(done_on(1));
}

static void every_ipi_wakes(void)
{
	uint32_t broadcast = x2apic ? 0xffffffff : 0xff;

	if (!x2apic)
		apic_write(APIC_LDR, 1u << 24);
	check_wake("physical-wakes", 0, WAKE, WAKE);
	check_wake("broadcast-wakes", broadcast, WAKE, WAKE);
	check_wake("others-wakes", 0, ICR_OTHERS | WAKE, WAKE);
	check_wake("logical-wakes", 1, ICR_LOGICAL | WAKE, WAKE);
	check_wake("lowest-wakes", 1, ICR_LOGICAL | ICR_LOWEST | WAKE, WAKE);
	check_eq("nmi-wakes", sleep_until_nmi(sleep_with_if_1), 1);
}

/* An illegal vector is none, but the error it makes wakes. */
static void error_wakes(void)
{
	if (left_out(kernel_lapic, "error-wakes", "KVM's local APIC reports no errors"))
		return;
	apic_errors();
	apic_write(APIC_LVT_ERROR, FAULT);
	check_wake("error-wakes", 0, 3, FAULT);
	apic_write(APIC_LVT_ERROR, LVT_MASKED);
	check_eq("error-of-reception", apic_errors(), ESR_RECEIVE_ILLEGAL);
}

static void raise_line_later(void)
{
	delay(MOMENT);
	uart_write(UART_IER, IER_THRE);
}

static void lower_line(struct frame *f)
{
	(void)f;
	uart_write(UART_IER, 0);
	eoi();
}

static void line_wakes(void)
{
	unsigned int wakes;

	handler[LINE] = lower_line;
	uart_write(UART_MCR, MCR_OUT2);
	mmio_write(0xfec00000, 0x10 + 2 * COM1_PIN + 1);
	mmio_write(0xfec00010, 0);
	mmio_write(0xfec00000, 0x10 + 2 * COM1_PIN);
	mmio_write(0xfec00010, RTE_LEVEL | LINE);
	run_on(1, raise_line_later);
	wakes = sleep_until(LINE);
	wait_until(done_on(1));
	mmio_write(0xfec00010, LVT_MASKED);
	check_eq("line-wakes", wakes, 1);
}

static void deadline_wakes(void)
{
	if (!(cpuid(1, 0).ecx >> 24 & 1)) {
		skip("deadline-wakes", "CPUID offers no TSC-deadline mode");
		return;
	}
	apic_write(APIC_LVT_TIMER, LVT_DEADLINE | TICK);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + MOMENT);
	check_eq("deadline-wakes", sleep_until(TICK), 1);
	wrmsr(MSR_TSC_DEADLINE, 1);
	check_eq("past-deadline-wakes", sleep_until(TICK), 1);
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
}

/* What is requested before HLT ends it at once; STI's shadow covers HLT, so it cannot come between. */
static void requested_before(void)
{
	unsigned int before = taken[0][WAKE];

	cli();
	ipi(0, ICR_SELF | WAKE);
	sti_hlt();
	cli();
	check_eq("requested-before-hlt", taken[0][WAKE], before + 1);
	/* Both are taken, whichever of them ended HLT. */
	ipi(0, ICR_SELF | WAKE);
	ipi(0, ICR_SELF | (WAKE + 1));
	before = taken[0][WAKE] + taken[0][WAKE + 1];
	sti_hlt();
	(void)wait_until(taken[0][WAKE] + taken[0][WAKE + 1] == before + 2);
	cli();
	check_eq("two-before-hlt", taken[0][WAKE] + taken[0][WAKE + 1], before + 2);
}

/* What may not be delivered does not wake: the NMI that follows finds it still sleeping. */
static void does_not_wake(const char *name, uint8_t vector)
{
	unsigned int before = taken[0][vector];

	check_eq(name, sleep_until_nmi(sleep_with_if_1), 1);
	check_eq(named(name, 1), taken[0][vector], before);
}

static void what_does_not_wake(void)
{
	apic_write(APIC_LVT_TIMER, LVT_MASKED | TICK);
	apic_write(APIC_TIMER_INITIAL, 1000);
	does_not_wake("masked-timer", TICK);
	apic_write(APIC_TIMER_INITIAL, 0);

	apic_write(APIC_SVR, SPURIOUS);
	ipi(0, ICR_SELF | WAKE);
	does_not_wake("software-disabled", WAKE);
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
}

/* --- another CPU sleeps --- */

static volatile unsigned int asleep, awake;

static void sleep_for_ever(void)
{
	cli();
	asleep++;
	for (;;) {
		hlt();
		awake++;
	}
}

static void go_to_sleep(void)
{
	unsigned int before = asleep;

	run_on(1, sleep_for_ever);
	(void)wait_until(asleep == before + 1);
	delay(MOMENT);
}

static void init_while_halted(void)
{
	unsigned int before = taken[1][WAKE];

	go_to_sleep();
	ipi(1, WAKE);
	if (!left_out(kernel_lapic, "startup-ipi-while-halted",
		      "any startup IPI ends HLT with KVM's local APIC"))
		ipi(1, ICR_STARTUP | STARTUP_VECTOR);
	ipi(1, ICR_INIT | ICR_LEVEL); /* de-assert */
	delay(MOMENT);
	check_eq("sleeps-with-if-0", awake, 0);
	check_eq("sleeps-undisturbed", taken[1][WAKE], before);
	/* One that came before it slept woke nobody. */
	for (unsigned int tries = 0; tries < TRIES && !awake; tries++) {
		unsigned int nmis = taken[1][NMI];

		ipi(1, ICR_NMI);
		if (wait_until(taken[1][NMI] != nmis))
			(void)wait_within(LATE, awake);
	}
	check("nmi-wakes-the-other", awake);
	delay(MOMENT);
	check("init-while-halted", start_cpu(1));
	settle();
	check_eq("init-forgets-the-request", taken[1][WAKE], before);
	check_wake("restarted-sends", 0, WAKE, WAKE);

	/* Waiting for a startup IPI, it is deaf to all else; what comes meanwhile is not kept. */
	go_to_sleep();
	ipi(1, ICR_INIT | ICR_LEVEL | ICR_ASSERT);
	delay(MOMENT);
	awake = 0;
	remember(NMI);
	ipi(1, ICR_NMI);
	ipi(1, WAKE);
	delay(MOMENT);
	check_eq("waits-for-startup", awake + taken_by(1, NMI), 0);
	check("started-then", start_cpu(1));
	settle();
	check_eq("nmi-before-startup", taken_by(1, NMI), 0);
	check_eq("interrupt-before-startup", taken[1][WAKE], before);
}

void guest_main(void)
{
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	timer_wakes();
	periodic_timer_wakes();
	check("second-cpu", start_cpu(1));
	ipi_wakes();
	nmi_wakes();
	low_priority_does_not_wake();
	every_ipi_wakes();
	error_wakes();
	line_wakes();
	deadline_wakes();
	requested_before();
	what_does_not_wake();
	init_while_halted();
}
