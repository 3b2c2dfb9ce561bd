// SPDX-License-Identifier: BSD-2-Clause
/* The local APIC's timer (Intel SDM volume 3, section "APIC Timer"). */
#include "guest.h"

#define TICK VECTOR(5)

/* Until something expires that this guest means to be ahead of: see was_late(). */
#define A_WHILE (20 * MOMENT)

#define ATTEMPTS 20

/* The host waits by a clock that may run 500 ppm fast while it is being set right (adjtimex(2)). */
#define SLEWED(ticks) ((ticks) / 1000 * 999)

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

/*
 * Ends what has to be done in less than A_WHILE from `begin`: true if the machine was so busy that it may
 * have come too late, and is to be done again. Whatever it left to expire has expired then.
 */
static bool was_late(uint64_t begin)
{
	static unsigned int times;

	if (rdtsc() - begin < A_WHILE / 2 || times >= ATTEMPTS)
		return false;
	times++;
	delay(3 * A_WHILE);
	return true;
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
	/* Whoever stands still just when the count is read may take it for much faster than it is. */
	for (unsigned int tries = 0; tries < ATTEMPTS; tries++) {
		rate = measure(DIVIDE_BY_1);
		if (rate.most - rate.least < rate.least / 8)
			break;
	}
	check("counts-down", rate.least > 0);
	check_divisor("divide-by-2", DIVIDE_BY_2, 2);
	check_divisor("divide-by-4", DIVIDE_BY_4, 4);
	check_divisor("divide-by-8", DIVIDE_BY_8, 8);
	check_divisor("divide-by-16", DIVIDE_BY_16, 16);
	check_divisor("divide-by-32", DIVIDE_BY_32, 32);
	check_divisor("divide-by-64", DIVIDE_BY_64, 64);
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
	unsigned int before;

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
	do {
		before = expiries();
		begin = rdtsc();
		apic_write(APIC_TIMER_INITIAL, count_for(A_WHILE));
		apic_write(APIC_TIMER_INITIAL, 0);
	} while (was_late(begin));
	check_eq("stopped-count", apic_read(APIC_TIMER_CURRENT), 0);
	delay(A_WHILE + MOMENT);
	check_eq("stopped", expiries(), before);
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
	if (!left_out(kernel_lapic, "what-came-while-masked-is-lost", "KVM delivers what came while masked"))
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

/* --- the rate, and drift --- */

/* A count and when it was read: the TSC before and after. */
struct sample {
	uint64_t before, after;
	uint32_t count;
};

/* The best of some attempts: whatever delays this guest, it is not there all the time. */
static struct sample take_sample(void)
{
	struct sample best = { .after = UINT64_MAX };

	for (unsigned int i = 0; i < 20; i++) {
		struct sample s;

		s.before = rdtsc();
		s.count = apic_read(APIC_TIMER_CURRENT);
		s.after = rdtsc();
		if (s.after - s.before < best.after - best.before)
			best = s;
	}
	return best;
}

#define DRIFT_PERIODS 64

/*
 * A count that is reloaded at each expiry, and not when somebody notices the expiry, keeps its phase: after
 * any time it is where one division leaves it. N periods later a timer that begins anew with each expiry
 * is late by N times what it takes to notice. A look at several points, for it may be late by just a period.
 * Returns by how many ticks it was off at worst.
 */
static uint64_t drift(uint32_t period)
{
	struct sample first, at;
	uint64_t mean, worst = 0;

	/* The rate over the whole span, from a count that does not reload. */
	apic_write(APIC_LVT_TIMER, LVT_MASKED | TICK);
	apic_write(APIC_TIMER_INITIAL, 0xffffffff);
	first = take_sample();
	delay(DRIFT_PERIODS * MOMENT / 2);
	at = take_sample();
	mean = ((uint64_t)(first.count - at.count) << 24) / (at.before - first.before);

	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | TICK);
	apic_write(APIC_TIMER_INITIAL, period);
	first = take_sample();
	for (unsigned int n = 1; n <= DRIFT_PERIODS; n++) {
		uint64_t ticks, width;

		delay(MOMENT / 2);
		if (n % 9)
			continue;
		at = take_sample();
		ticks = (mean * (at.before - first.before) >> 24) + period - first.count;
		ticks = (ticks + at.count) % period; /* 0 if the count is where it should be */
		if (ticks > period - ticks)
			ticks = period - ticks;
		/* Where in the two samples the reads were is not known. */
		width = mean * (at.after - at.before + first.after - first.before) >> 24;
		if (ticks > width && ticks - width > worst)
			worst = ticks - width;
	}
	apic_write(APIC_TIMER_INITIAL, 0);
	return worst;
}

/* A guest whose TSC stood still for a moment may think that it saw a drift, but not again and again. */
static void no_drift(void)
{
	uint32_t period = count_for(MOMENT / 2);
	uint64_t least = UINT64_MAX;

	/* A share of the period, for the error of the rate. */
	for (unsigned int i = 0; i < ATTEMPTS && least > period / 20; i++) {
		uint64_t worst = drift(period);

		if (worst < least)
			least = worst;
	}
	check_range("no-drift", least, 0, period / 20);
}

/* --- changes while it runs --- */

static void wait_ticks(unsigned int n)
{
	unsigned int before = expiries();

	(void)wait_until(expiries() >= before + n);
}

static void mode_changes(void)
{
	uint32_t count = count_for(A_WHILE);
	unsigned int before;
	uint64_t begin;

	/* One-shot to periodic, before it is over: the same count, then reloaded. */
	do {
		apic_write(APIC_LVT_TIMER, TICK);
		before = expiries();
		begin = rdtsc();
		apic_write(APIC_TIMER_INITIAL, count);
		apic_write(APIC_LVT_TIMER, LVT_PERIODIC | TICK);
	} while (was_late(begin));
	check_eq("to-periodic-keeps-initial", apic_read(APIC_TIMER_INITIAL), count);
	check("to-periodic", wait_until(expiries() >= before + 3));
	apic_write(APIC_TIMER_INITIAL, count_for(MOMENT));
	/* And back: it ends with the next expiry, at zero. */
	apic_write(APIC_LVT_TIMER, TICK);
	check("to-one-shot-ends", wait_until(apic_read(APIC_TIMER_CURRENT) == 0));
	before = expiries();
	delay(A_WHILE);
	check_range("to-one-shot", expiries(), before, before + 1); /* the last may have been on its way */
	before = expiries();
	/* Over is over: to go on, somebody has to write the count. */
	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | TICK);
	delay(3 * MOMENT);
	if (!left_out(kernel_lapic, "to-periodic-when-over", "KVM begins a new period"))
		check_eq("to-periodic-when-over", expiries(), before);
	apic_write(APIC_LVT_TIMER, TICK);
	apic_write(APIC_TIMER_INITIAL, 0);
}

static void rewritten(void)
{
	unsigned int before;
	uint32_t count = count_for(A_WHILE);
	uint64_t first, begin;

	/* A new count begins anew, and only that one expires. */
	apic_write(APIC_LVT_TIMER, TICK);
	do {
		before = expiries();
		first = rdtsc();
		apic_write(APIC_TIMER_INITIAL, count);
		delay(MOMENT);
		begin = rdtsc();
		apic_write(APIC_TIMER_INITIAL, count);
	} while (was_late(first));
	check_range("count-begins-anew", apic_read(APIC_TIMER_CURRENT), 0, count);
	check("new-count-expires", wait_until(expiries() == before + 1));
	check_range("new-count-not-early", when - begin, A_WHILE / 100 * 98, UINT64_MAX);

	/* A divisor for the rest: what would take 128 times as long is over soon. */
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_128);
	apic_write(APIC_TIMER_INITIAL, 0xffffffff);
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	check_range("divisor-keeps-count", apic_read(APIC_TIMER_CURRENT), 1, 0xffffffff);
	apic_write(APIC_TIMER_INITIAL, 0);
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_128);
	before = expiries();
	begin = rdtsc();
	apic_write(APIC_TIMER_INITIAL, count_for(A_WHILE));
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	check("divisor-for-the-rest", wait_until(expiries() == before + 1));
	check_range("divisor-not-early", when - begin, A_WHILE / 100 * 98, 100 * A_WHILE);
	apic_write(APIC_TIMER_INITIAL, 0);
}

/* --- the mask counts at expiry, and only then --- */

static void mask_at_expiry(void)
{
	unsigned int before;
	uint32_t left = 0;
	uint64_t begin;

	do {
		before = expiries();
		begin = rdtsc();
		apic_write(APIC_LVT_TIMER, LVT_MASKED | TICK);
		apic_write(APIC_TIMER_INITIAL, count_for(A_WHILE));
		apic_write(APIC_LVT_TIMER, TICK);
	} while (was_late(begin));
	check("unmasked-before-expiry", wait_until(expiries() == before + 1));
	do {
		before = expiries();
		begin = rdtsc();
		apic_write(APIC_LVT_TIMER, TICK);
		apic_write(APIC_TIMER_INITIAL, count_for(A_WHILE));
		apic_write(APIC_LVT_TIMER, LVT_MASKED | TICK);
	} while (was_late(begin));
	check("masked-expires", wait_until(apic_read(APIC_TIMER_CURRENT) == 0));
	delay(MOMENT / 10);
	apic_write(APIC_LVT_TIMER, TICK);
	delay(MOMENT);
	if (!left_out(kernel_lapic, "masked-at-expiry", "KVM delivers what came while masked"))
		check_eq("masked-at-expiry", expiries(), before);
	before = expiries();
	/* Periodic: the expiries go on, and the next one after unmasking counts. */
	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | LVT_MASKED | TICK);
	apic_write(APIC_TIMER_INITIAL, count_for(MOMENT));
	delay(3 * MOMENT);
	/* It may be at its end just now, but not for long. */
	check("periodic-masked-counts", wait_until((left = apic_read(APIC_TIMER_CURRENT)) != 0));
	check_range("periodic-masked-count", left, 1, count_for(MOMENT));
	check_eq("periodic-masked-silent", expiries(), before);
	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | TICK);
	wait_ticks(2);
	check_range("periodic-unmasked", expiries(), before + 2, UINT64_MAX);
	apic_write(APIC_TIMER_INITIAL, 0);
	delay(MOMENT / 10);
}

/* --- the current count in every state --- */

static void current_count(void)
{
	uint32_t some = 0x40000000, a, b;

	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_128); /* some minutes */
	apic_write(APIC_LVT_TIMER, LVT_MASKED | TICK);
	apic_write(APIC_TIMER_INITIAL, some);
	a = apic_read(APIC_TIMER_CURRENT);
	delay(MOMENT);
	b = apic_read(APIC_TIMER_CURRENT);
	check_range("count-one-shot-begins", a, 1, some);
	check("count-one-shot-falls", b < a);
	check_eq("count-keeps-initial", apic_read(APIC_TIMER_INITIAL), some);
	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | LVT_MASKED | TICK);
	check_range("count-goes-on-in-periodic", apic_read(APIC_TIMER_CURRENT), 1, b);
	apic_write(APIC_TIMER_INITIAL, 0);
	check_eq("count-periodic-stopped", apic_read(APIC_TIMER_CURRENT), 0);
	delay(MOMENT / 10);
	check_eq("count-stays-stopped", apic_read(APIC_TIMER_CURRENT), 0);
	apic_write(APIC_LVT_TIMER, LVT_MASKED | TICK);
	apic_write(APIC_TIMER_INITIAL, 1);
	delay(MOMENT / 10);
	check_eq("count-expired", apic_read(APIC_TIMER_CURRENT), 0);
	apic_write(APIC_TIMER_INITIAL, 0);
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
}

static void deadline(void)
{
	unsigned int before = expiries();
	uint64_t begin;

	apic_write(APIC_LVT_TIMER, LVT_DEADLINE | TICK);
	begin = rdtsc();
	wrmsr(MSR_TSC_DEADLINE, begin + PATIENCE);
	check_eq("deadline-armed", rdmsr(MSR_TSC_DEADLINE), begin + PATIENCE);
	begin = rdtsc();
	wrmsr(MSR_TSC_DEADLINE, begin + MOMENT);
	check("deadline", wait_until(expiries() == before + 1));
	check_range("deadline-not-early", when - begin, SLEWED(MOMENT), UINT64_MAX);
	check_eq("deadline-disarmed", rdmsr(MSR_TSC_DEADLINE), 0);
	wrmsr(MSR_TSC_DEADLINE, 1);
	check("deadline-in-the-past", wait_until(expiries() == before + 2));
	do {
		before = expiries();
		begin = rdtsc();
		wrmsr(MSR_TSC_DEADLINE, begin + A_WHILE);
		wrmsr(MSR_TSC_DEADLINE, 0);
	} while (was_late(begin));
	delay(A_WHILE + MOMENT);
	check_eq("deadline-cancelled", expiries(), before);
	apic_write(APIC_TIMER_INITIAL, count_for(MOMENT));
	check_eq("deadline-ignores-count", apic_read(APIC_TIMER_CURRENT), 0);
	do {
		apic_write(APIC_LVT_TIMER, LVT_DEADLINE | TICK);
		before = expiries();
		begin = rdtsc();
		wrmsr(MSR_TSC_DEADLINE, begin + A_WHILE);
		apic_write(APIC_LVT_TIMER, TICK);
	} while (was_late(begin));
	check_eq("deadline-ends-with-the-mode", rdmsr(MSR_TSC_DEADLINE), 0);
	delay(A_WHILE + MOMENT);
	check_eq("deadline-does-not-outlive-the-mode", expiries(), before);
}

static void deadline_changes(void)
{
	unsigned int before;
	uint64_t begin;

	/* Outside of its mode the MSR reads as zero and takes nothing. */
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + MOMENT);
	check_eq("deadline-outside-its-mode", rdmsr(MSR_TSC_DEADLINE), 0);

	/* A running count ends with its mode; a deadline that has not come gives way to the next. */
	do {
		apic_write(APIC_LVT_TIMER, TICK);
		before = expiries();
		begin = rdtsc();
		apic_write(APIC_TIMER_INITIAL, count_for(A_WHILE));
		apic_write(APIC_LVT_TIMER, LVT_DEADLINE | TICK);
	} while (was_late(begin));
	check_eq("deadline-mode-has-no-count", apic_read(APIC_TIMER_CURRENT), 0);
	delay(A_WHILE + MOMENT);
	check_eq("count-does-not-outlive-its-mode", expiries(), before);
	do {
		before = expiries();
		begin = rdtsc();
		wrmsr(MSR_TSC_DEADLINE, begin + A_WHILE);
		wrmsr(MSR_TSC_DEADLINE, begin + 2 * A_WHILE);
	} while (was_late(begin));
	check("deadline-later", wait_until(expiries() == before + 1));
	check_range("deadline-later-not-early", when - begin, SLEWED(2 * A_WHILE), UINT64_MAX);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + PATIENCE);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + MOMENT);
	check("deadline-earlier", wait_until(expiries() == before + 2));
	wrmsr(MSR_TSC_DEADLINE, UINT64_MAX);
	delay(MOMENT);
	check_eq("deadline-never", expiries(), before + 2);

	/* Masked at expiry: disarmed, and nothing comes of it. */
	apic_write(APIC_LVT_TIMER, LVT_DEADLINE | LVT_MASKED | TICK);
	wrmsr(MSR_TSC_DEADLINE, rdtsc() + MOMENT / 10);
	delay(MOMENT);
	if (!left_out(kernel_lapic, "deadline-masked", "KVM delivers what came while masked")) {
		check_eq("deadline-masked-disarms", rdmsr(MSR_TSC_DEADLINE), 0);
		apic_write(APIC_LVT_TIMER, LVT_DEADLINE | TICK);
		delay(MOMENT);
		check_eq("deadline-masked", expiries(), before + 2);
	}
	apic_write(APIC_LVT_TIMER, TICK);
	apic_write(APIC_TIMER_INITIAL, 0);
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
	mode_changes();
	rewritten();
	mask_at_expiry();
	current_count();
	if (!left_out(kernel_lapic, "no-drift", "KVM's count stands still while its host is late"))
		no_drift();
	if (cpuid(1, 0).ecx >> 24 & 1) {
		deadline();
		deadline_changes();
	} else {
		no_deadline();
	}
}
