// SPDX-License-Identifier: BSD-2-Clause
/* What ends HLT: interrupts that may be delivered and NMIs, from the timer and from another CPU. */
#include "guest.h"

#define TICK VECTOR(5)
#define WAKE VECTOR(9)

#define PERIODS 50

/* The other CPU sends these after a while, when this one sleeps. */

static void send_wake(void)
{
	delay(MOMENT);
	ipi(0, WAKE);
}

static void send_nmi(void)
{
	delay(MOMENT);
	ipi(0, ICR_NMI);
}

/* HLT until `vector` has been taken once more; counts how often it came back. */
static unsigned int sleep_until(uint8_t vector)
{
	unsigned int before = taken[0][vector], wakes = 0;

	while (taken[0][vector] == before) {
		sti_hlt();
		wakes++;
		cli();
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
	delay(MOMENT);
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
}

static void ipi_wakes(void)
{
	run_on(1, send_wake);
	check_eq("ipi-wakes", sleep_until(WAKE), 1);
	wait_until(done_on(1));
}

static void nmi_wakes(void)
{
	unsigned int nmis = taken[0][NMI], wakes = taken[0][WAKE];

	run_on(1, send_nmi);
	cli();
	hlt();
	check_eq("nmi-wakes-with-if-0", taken[0][NMI], nmis + 1);

	/* A held-back interrupt does not wake a CPU with IF=0: only the NMI after it does. */
	wait_until(done_on(1));
	ipi(0, WAKE);
	run_on(1, send_nmi);
	hlt();
	check_eq("nmi-wakes-but-not-the-interrupt", taken[0][NMI], nmis + 2);
	check_eq("interrupt-held-back", taken[0][WAKE], wakes);
	wait_until(done_on(1));
	sti();
	check("interrupt-delivered-then", wait_until(taken[0][WAKE] == wakes + 1));
	cli();
}

/* Held back by its priority, an interrupt does not wake either. */
static void low_priority_does_not_wake(void)
{
	unsigned int nmis = taken[0][NMI], wakes = taken[0][WAKE];

	write_cr8(WAKE >> 4);
	ipi(0, WAKE);
	run_on(1, send_nmi);
	sti_hlt();
	cli();
	check_eq("held-by-cr8-does-not-wake", taken[0][NMI] - nmis, 1);
	check_eq("held-by-cr8", taken[0][WAKE], wakes);
	sti();
	lower_cr8(0);
	check("let-in-by-cr8", wait_until(taken[0][WAKE] == wakes + 1));
	cli();
	wait_until(done_on(1));
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
}
