// SPDX-License-Identifier: BSD-2-Clause
/*
 * The local vector table by what a guest can do to it: the timer and errors are sources at hand; of CMCI,
 * thermal sensor, performance counters, LINT0 and LINT1 there are the registers. Intel SDM volume 3,
 * sections "Local Vector Table", "Error Handling", "Local APIC State After It Has Been Software Disabled".
 */
#include "guest.h"

#define TICK  VECTOR(5)
#define FAULT VECTOR(7)
#define OTHER VECTOR(9)

#define LVT_DELIVERY_STATUS 0x1000
#define LVT_LOW_ACTIVE      0x2000
#define LVT_REMOTE_IRR      0x4000
#define LVT_LEVEL           0x8000

#define MODE(n)    ((n) << 8)
#define MODE_FIXED MODE(0u)
#define MODE_SMI   MODE(2u)
#define MODE_NMI   MODE(4u)
#define MODE_INIT  MODE(5u)
#define MODE_EXT   MODE(7u)

static uint32_t read_back(uint32_t reg, uint32_t value)
{
	apic_write(reg, value);
	return apic_read(reg);
}

/* --- the entries as registers --- */

static const uint32_t modes[] = { MODE_FIXED, MODE_SMI, MODE_NMI, MODE_INIT, MODE_EXT };

/* What nothing drives may be unmasked: it stays idle. Status bits cannot be written. */
static void entry(const char *name, uint32_t reg, bool is_pin)
{
	uint32_t pin_bits = is_pin ? LVT_LOW_ACTIVE | LVT_LEVEL : 0;
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		wrong += read_back(reg, modes[i] | OTHER) != (modes[i] | OTHER);
		wrong += read_back(reg, LVT_MASKED | modes[i] | OTHER) != (LVT_MASKED | modes[i] | OTHER);
	}
	check_eq(named(name, 1), wrong, 0);
	if (is_pin)
		check_eq(named(name, 2), read_back(reg, LVT_MASKED | LVT_LEVEL | LVT_LOW_ACTIVE | OTHER),
			 LVT_MASKED | LVT_LEVEL | LVT_LOW_ACTIVE | OTHER);
	if (!left_out(kernel_lapic, named(name, 3), "KVM lets status bits be written"))
		check_eq(named(name, 3),
			 read_back(reg,
				   LVT_MASKED | LVT_DELIVERY_STATUS | (is_pin ? LVT_REMOTE_IRR : 0) | OTHER),
			 LVT_MASKED | OTHER);
	apic_write(reg, pin_bits | MODE_FIXED | OTHER);
	sti();
	delay(MOMENT / 20);
	cli();
	check_eq(named(name, 4), taken[0][OTHER], 0);
	apic_write(reg, LVT_MASKED);
}

static void entries(void)
{
	entry("lint0", APIC_LVT_LINT0, true);
	entry("lint1", APIC_LVT_LINT1, true);
	entry("thermal", APIC_LVT_THERMAL, false);
	entry("performance", APIC_LVT_PERF, false);
	if ((apic_read(APIC_VERSION) >> 16 & 0xff) >= 6)
		entry("cmci", APIC_LVT_CMCI, false);
	else
		skip("cmci", "this local APIC has six LVT entries");
	/* Fixed delivery only: their mode bits do not exist. */
	if (!x2apic) {
		check_eq("timer-has-no-mode", read_back(APIC_LVT_TIMER, LVT_MASKED | MODE_EXT | OTHER),
			 LVT_MASKED | OTHER);
		check_eq("error-has-no-mode", read_back(APIC_LVT_ERROR, LVT_MASKED | MODE_EXT | OTHER),
			 LVT_MASKED | OTHER);
	}
}

/* --- SVR's enable bit --- */

static void software_disable(void)
{
	static const uint32_t lvts[] = { APIC_LVT_TIMER, APIC_LVT_THERMAL, APIC_LVT_PERF, APIC_LVT_LINT0,
					 APIC_LVT_LINT1, APIC_LVT_ERROR,   APIC_LVT_CMCI };
	unsigned int n = (apic_read(APIC_VERSION) >> 16 & 0xff) >= 6 ? 7 : 6;

	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	for (unsigned int i = 0; i < n; i++)
		apic_write(lvts[i], OTHER + 1);
	apic_write(APIC_SVR, SPURIOUS);
	for (unsigned int i = 0; i < n; i++)
		check_eq(named("disabling-masks", lvts[i]), apic_read(lvts[i]), LVT_MASKED | (OTHER + 1));
	for (unsigned int i = 0; i < n; i++)
		check_eq(named("disabled-stays-masked", lvts[i]), read_back(lvts[i], OTHER),
			 LVT_MASKED | OTHER);
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	for (unsigned int i = 0; i < n; i++)
		check_eq(named("enabled-is-still-masked", lvts[i]), apic_read(lvts[i]), LVT_MASKED | OTHER);
}

/* The timer runs when disabled, but nothing comes of it, then or later. */
static void timer_while_disabled(void)
{
	uint32_t count = 1000000;
	unsigned int before;

	if (left_out(kernel_lapic, "disabled-timer", "KVM delivers what came while masked"))
		return;
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	do { /* again if it was over before the local APIC was disabled */
		apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
		sti();
		settle();
		cli();
		before = taken[0][TICK];
		apic_write(APIC_LVT_TIMER, TICK);
		apic_write(APIC_TIMER_INITIAL, count);
		apic_write(APIC_SVR, SPURIOUS);
		count *= 2;
	} while (!apic_read(APIC_TIMER_CURRENT) && count);
	sti();
	(void)wait_until(apic_read(APIC_TIMER_CURRENT) == 0);
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	delay(MOMENT / 4);
	cli();
	check_eq("disabled-timer", taken[0][TICK], before);
	check_eq("disabled-timer-stays-masked", apic_read(APIC_LVT_TIMER), LVT_MASKED | TICK);
}

/* --- the timer's entry --- */

static void timer_entry(void)
{
	unsigned int first, second;
	uint32_t count = 10000000;

	sti();
	/* The vector is that at expiry. */
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	do { /* again if it was over before the vector was another one */
		apic_write(APIC_TIMER_INITIAL, 0);
		settle();
		first = taken[0][TICK];
		second = taken[0][OTHER];
		apic_write(APIC_LVT_TIMER, TICK);
		apic_write(APIC_TIMER_INITIAL, count);
		apic_write(APIC_LVT_TIMER, OTHER);
		count *= 2;
	} while (!apic_read(APIC_TIMER_CURRENT) && count < 0x80000000);
	check("timer-vector-at-expiry", wait_until(taken[0][OTHER] == second + 1));
	check_eq("timer-not-the-old-vector", taken[0][TICK], first);
	cli();
	/* Held back, it is a request like any other, and edge-triggered. */
	apic_write(APIC_LVT_TIMER, TICK);
	apic_write(APIC_TIMER_INITIAL, 1);
	check("timer-in-irr", wait_until(apic_bit(APIC_IRR, TICK)));
	check("timer-tmr", !apic_bit(APIC_TMR, TICK));
	apic_write(APIC_LVT_TIMER, LVT_MASKED | TICK);
	check("masking-keeps-requests", apic_bit(APIC_IRR, TICK));
	sti();
	check("timer-then-delivered", wait_until(taken[0][TICK] == first + 1));
	cli();
}

/* --- errors --- */

static void fault(void)
{
	ipi(200, 5); /* to nobody, with an illegal vector */
}

static void error_entry(void)
{
	unsigned int before = taken[0][FAULT];

	apic_errors();
	apic_write(APIC_LVT_ERROR, LVT_MASKED | FAULT);
	sti();
	fault();
	check_eq("masked-error-is-noted", apic_errors(), ESR_SEND_ILLEGAL);
	apic_write(APIC_LVT_ERROR, FAULT);
	delay(MOMENT / 10);
	check_eq("masked-error-is-lost", taken[0][FAULT], before);

	fault();
	check("error-interrupts", wait_until(taken[0][FAULT] == before + 1));
	fault();
	fault();
	delay(MOMENT / 10);
	check_eq("once-until-esr-is-written", taken[0][FAULT], before + 1);
	apic_write(APIC_ESR, 0);
	fault();
	check("esr-write-arms-again", wait_until(taken[0][FAULT] == before + 2));
	cli();
	apic_errors();
	apic_errors();
	apic_write(APIC_LVT_ERROR, LVT_MASKED);
}

/* "in an interrupt generated locally from the local vector table": received, not sent. */
static void illegal_vectors(void)
{
	unsigned int before = taken[0][FAULT];

	apic_errors();
	apic_write(APIC_LVT_ERROR, FAULT);
	sti();
	apic_write(APIC_LVT_TIMER, 0x0e);
	apic_write(APIC_TIMER_INITIAL, 1);
	check("illegal-timer-vector", wait_until(taken[0][FAULT] == before + 1));
	cli();
	check_eq("illegal-timer-vector-bits", apic_errors(), ESR_RECEIVE_ILLEGAL);
	check_eq("illegal-timer-vector-not-in-irr", apic_read(APIC_IRR) & 0xffff, 0);
	apic_write(APIC_LVT_TIMER, LVT_MASKED);

	/* The error entry's own: it cannot report itself, and does no harm. */
	apic_errors();
	apic_write(APIC_LVT_ERROR, 0x0e);
	sti();
	fault();
	delay(MOMENT / 20);
	cli();
	check_eq("illegal-error-vector", apic_errors() & ESR_SEND_ILLEGAL, ESR_SEND_ILLEGAL);
	check_eq("illegal-error-vector-not-in-irr", apic_read(APIC_IRR) & 0xffff, 0);
	apic_write(APIC_LVT_ERROR, LVT_MASKED);
}

void guest_main(void)
{
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	entries();
	software_disable();
	timer_while_disabled();
	timer_entry();
	if (left_out(kernel_lapic, "errors", "KVM's local APIC reports no errors"))
		return;
	error_entry();
	illegal_vectors();
}
