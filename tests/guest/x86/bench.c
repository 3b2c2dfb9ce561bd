// SPDX-License-Identifier: BSD-2-Clause
/*
 * What interrupts cost, for tests/bench/irq: "INFO name N" lines, N in TSC ticks, the median of "count=N"
 * single measurements (at most MAX_SAMPLES), less what reading the TSC takes.
 *
 *   nothing        two reads of the TSC, which is what was subtracted
 *   timer          arm the timer for the next tick, take its interrupt and end it
 *   timer-halted   the same asleep in HLT
 *   ipi-self       send it, take it and end it
 *   ipi-spinning   send one to a CPU that spins, until it is seen to have taken it
 *   ipi-halted     the same to a CPU that sleeps in HLT
 *   eoi            the write that ends an edge-triggered interrupt
 */
#include "guest.h"

#define MAX_SAMPLES 1000
#define TICK        VECTOR(5)
#define SELF        VECTOR(6)
#define OTHER       VECTOR(7)
#define ASLEEP      2000000ULL /* TSC ticks in which a CPU that has nothing to do has come to rest */

static uint64_t samples[MAX_SAMPLES], overhead;
static unsigned int count, nr;

static void add(uint64_t begin, uint64_t end)
{
	if (nr < count)
		samples[nr++] = end - begin;
}

static uint64_t median(void)
{
	for (unsigned int i = 1; i < nr; i++) {
		uint64_t sample = samples[i];
		unsigned int at = i;

		for (; at && samples[at - 1] > sample; at--)
			samples[at] = samples[at - 1];
		samples[at] = sample;
	}
	return nr ? samples[nr / 2] : 0;
}

static void report(const char *name)
{
	uint64_t ticks = median();

	print("INFO %s %u\n", name, (unsigned int)(ticks > overhead ? ticks - overhead : 0));
	nr = 0;
}

static void nothing(void)
{
	for (unsigned int i = 0; i < count; i++) {
		uint64_t begin = rdtsc();

		add(begin, rdtsc());
	}
	overhead = median();
	print("INFO nothing %u\n", (unsigned int)overhead);
	nr = 0;
}

static void wait_for(unsigned int cpu, uint8_t vector, unsigned int before)
{
	while (taken[cpu][vector] == before)
		pause();
}

static void timer(void)
{
	apic_write(APIC_LVT_TIMER, TICK);
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	for (unsigned int i = 0; i < count; i++) {
		unsigned int before = taken[0][TICK];
		uint64_t begin = rdtsc();

		apic_write(APIC_TIMER_INITIAL, 1);
		wait_for(0, TICK, before);
		add(begin, rdtsc());
	}
	report("timer");
}

static void timer_halted(void)
{
	cli();
	for (unsigned int i = 0; i < count; i++) {
		unsigned int before = taken[0][TICK];
		uint64_t begin = rdtsc();

		apic_write(APIC_TIMER_INITIAL, 1);
		while (taken[0][TICK] == before) {
			sti_hlt();
			cli();
		}
		add(begin, rdtsc());
	}
	sti();
	report("timer-halted");
}

static void ipi_self(void)
{
	for (unsigned int i = 0; i < count; i++) {
		unsigned int before = taken[0][SELF];
		uint64_t begin = rdtsc();

		apic_write(APIC_ICR, ICR_SELF | SELF);
		wait_for(0, SELF, before);
		add(begin, rdtsc());
	}
	report("ipi-self");
}

static void end_and_measure(struct frame *f)
{
	uint64_t begin;

	(void)f;
	begin = rdtsc();
	eoi();
	add(begin, rdtsc());
}

static void end_of_interrupt(void)
{
	handler[SELF] = end_and_measure;
	for (unsigned int i = 0; i < count; i++) {
		unsigned int before = nr;

		apic_write(APIC_ICR, ICR_SELF | SELF);
		while (*(volatile unsigned int *)&nr == before)
			pause();
	}
	handler[SELF] = NULL;
	report("eoi");
}

static volatile bool stop;

static void spin(void)
{
	while (!stop)
		pause();
}

static void sleep(void)
{
	while (!stop) {
		cli();
		if (!stop)
			sti_hlt();
	}
	sti();
}

static void ipi_other(const char *name, void (*other)(void))
{
	stop = false;
	run_on(1, other);
	for (unsigned int i = 0; i < count; i++) {
		unsigned int before = taken[1][OTHER];
		uint64_t begin;

		delay(ASLEEP);
		begin = rdtsc();
		ipi(1, OTHER);
		wait_for(1, OTHER, before);
		add(begin, rdtsc());
	}
	stop = true;
	ipi(1, OTHER);
	while (!done_on(1))
		pause();
	report(name);
}

void guest_main(void)
{
	count = (unsigned int)option_number("count", 100);
	if (count > MAX_SAMPLES)
		count = MAX_SAMPLES;
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	check("second-cpu", start_cpu(1));
	sti();
	nothing();
	timer();
	timer_halted();
	ipi_self();
	end_of_interrupt();
	ipi_other("ipi-spinning", spin);
	ipi_other("ipi-halted", sleep);
}
