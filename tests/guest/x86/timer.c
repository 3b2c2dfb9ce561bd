// SPDX-License-Identifier: BSD-2-Clause
/* The local APIC's timer (Intel SDM volume 3, section "APIC Timer"). */
#include "guest.h"

#define TICK VECTOR(5)

static volatile uint64_t when; /* TSC at the last tick */

static void on_tick(struct frame *f)
{
	(void)f;
	when = rdtsc();
	eoi();
}

static unsigned int expiries(void)
{
	return taken[0][TICK];
}

/* LAPIC timer ticks in 2^32 TSC ticks: at least and at most. */
struct rate {
	uint64_t least, most;
};

static struct rate rate;

/* Reads the count between two reads of the TSC: whatever may delay us, the true rate is in between. */
static struct rate measure(uint32_t divide)
{
	uint64_t before, after, end_before, end_after;
	uint32_t from, to;
	struct rate r;

	apic_write(APIC_TIMER_DIVIDE, divide);
	apic_write(APIC_LVT_TIMER, LVT_MASKED | TICK);
	apic_write(APIC_TIMER_INITIAL, 0xffffffff);
	before = rdtsc();
	from = apic_read(APIC_TIMER_CURRENT);
	after = rdtsc();
	delay(4 * MOMENT);
	end_before = rdtsc();
	to = apic_read(APIC_TIMER_CURRENT);
	end_after = rdtsc();
	apic_write(APIC_TIMER_INITIAL, 0);

	/* One tick of rounding at each end. */
	r.least = ((uint64_t)(from - to - 1) << 32) / (end_after - before);
	r.most = ((uint64_t)(from - to + 1) << 32) / (end_before - after);
	return r;
}

/* The rates are in the ratio of the divisors, but for 2% of error of clocks that this guest cannot see. */
static void check_divisor(const char *name, uint32_t divide, uint32_t divisor)
{
	struct rate r = measure(divide);

	check(name, r.least * divisor * 98 <= rate.most * 100 && rate.least * 98 <= r.most * divisor * 100);
}

static void divide_register(void)
{
	rate = measure(DIVIDE_BY_1);
	check("counts-down", rate.least > 0);
	check_divisor("divide-by-2", DIVIDE_BY_2, 2);
	check_divisor("divide-by-16", DIVIDE_BY_16, 16);
	check_divisor("divide-by-128", DIVIDE_BY_128, 128);
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
}

/* Timer ticks, at divisor 1, that take at least so many TSC ticks, and not many more. */
static uint32_t count_for(uint64_t tsc_ticks)
{
	return (uint32_t)(tsc_ticks * (rate.most >> 16) >> 16) + 1;
}

static void one_shot(void)
{
	uint32_t count = count_for(MOMENT);
	uint64_t begin = rdtsc();

	apic_write(APIC_LVT_TIMER, TICK);
	apic_write(APIC_TIMER_INITIAL, count);
	check("one-shot", wait_until(expiries() == 1));
	check_range("one-shot-not-early", when - begin, MOMENT / 100 * 98, UINT64_MAX);
	check_eq("one-shot-count-is-zero", apic_read(APIC_TIMER_CURRENT), 0);
	check_eq("one-shot-initial-is-kept", apic_read(APIC_TIMER_INITIAL), count);
	delay(3 * MOMENT);
	check_eq("one-shot-only-once", expiries(), 1);

	apic_write(APIC_TIMER_INITIAL, 1);
	check("one-tick", wait_until(expiries() == 2));
	apic_write(APIC_TIMER_INITIAL, count_for(4 * MOMENT));
	apic_write(APIC_TIMER_INITIAL, 0);
	check_eq("stopped-count", apic_read(APIC_TIMER_CURRENT), 0);
	delay(5 * MOMENT);
	check_eq("stopped", expiries(), 2);
}

static void masked(void)
{
	unsigned int before = expiries();

	apic_write(APIC_LVT_TIMER, LVT_MASKED | TICK);
	apic_write(APIC_TIMER_INITIAL, count_for(MOMENT));
	delay(3 * MOMENT);
	check_eq("masked-does-not-interrupt", expiries(), before);
	check_eq("masked-counts-all-the-same", apic_read(APIC_TIMER_CURRENT), 0);
	apic_write(APIC_LVT_TIMER, TICK);
	delay(MOMENT);
	check_eq("what-came-while-masked-is-lost", expiries(), before);
}

#define PERIODS 20

static void periodic(void)
{
	unsigned int before = expiries();
	uint64_t begin = rdtsc();
	uint32_t count = count_for(MOMENT);

	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | TICK);
	apic_write(APIC_TIMER_INITIAL, count);
	check("periodic", wait_until(expiries() >= before + PERIODS));
	check_range("periodic-not-early", when - begin, PERIODS * MOMENT / 100 * 98, UINT64_MAX);
	check_range("periodic-count", apic_read(APIC_TIMER_CURRENT), 0, count);
	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | LVT_MASKED | TICK);
	before = expiries();
	delay(3 * MOMENT);
	check_eq("periodic-masked", expiries(), before);
	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | TICK);
	check("periodic-goes-on", wait_until(expiries() >= before + 2));
	apic_write(APIC_TIMER_INITIAL, 0);
	before = expiries();
	delay(3 * MOMENT);
	check_eq("periodic-stopped", expiries(), before);
}

static void deadline(void)
{
	unsigned int before = expiries();
	uint64_t begin;

	apic_write(APIC_LVT_TIMER, LVT_DEADLINE | TICK);
	begin = rdtsc();
	wrmsr(MSR_TSC_DEADLINE, begin + MOMENT);
	check_eq("deadline-armed", rdmsr(MSR_TSC_DEADLINE), begin + MOMENT);
	check("deadline", wait_until(expiries() == before + 1));
	check_range("deadline-not-early", when - begin, MOMENT, UINT64_MAX);
	check_eq("deadline-disarmed", rdmsr(MSR_TSC_DEADLINE), 0);
	wrmsr(MSR_TSC_DEADLINE, 1);
	check("deadline-in-the-past", wait_until(expiries() == before + 2));
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + 2 * MOMENT);
	wrmsr(MSR_TSC_DEADLINE, 0);
	delay(4 * MOMENT);
	check_eq("deadline-cancelled", expiries(), before + 2);
	apic_write(APIC_TIMER_INITIAL, count_for(MOMENT));
	check_eq("deadline-ignores-count", apic_read(APIC_TIMER_CURRENT), 0);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + 2 * MOMENT);
	apic_write(APIC_LVT_TIMER, TICK);
	check_eq("deadline-ends-with-the-mode", rdmsr(MSR_TSC_DEADLINE), 0);
	delay(4 * MOMENT);
	check_eq("deadline-does-not-outlive-the-mode", expiries(), before + 2);
}

/* Not offered: the mode's bit is reserved, and the MSR is not there. */
static void no_deadline(void)
{
	uint64_t value;

	apic_write(APIC_LVT_TIMER, LVT_MASKED | TICK);
	if (x2apic)
		check_eq("no-deadline-mode", wrmsr_try(MSR_X2APIC + APIC_LVT_TIMER / 16, LVT_DEADLINE | TICK),
			 13);
	else
		apic_write(APIC_LVT_TIMER, LVT_MASKED | LVT_DEADLINE | TICK);
	check_eq("no-deadline-bit", apic_read(APIC_LVT_TIMER), LVT_MASKED | TICK);
	/* KVM may keep the MSR to itself; then it must not seem to work. */
	if (!rdmsr_try(MSR_TSC_DEADLINE, &value))
		check_eq("no-deadline-msr", value, 0);
}

void guest_main(void)
{
	handler[TICK] = on_tick;
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	divide_register();
	sti();
	one_shot();
	masked();
	periodic();
	if (cpuid(1, 0).ecx >> 24 & 1)
		deadline();
	else
		no_deadline();
}
