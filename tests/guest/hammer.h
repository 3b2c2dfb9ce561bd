/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the hammer guests share. Each CPU, "cpus=N" of them, makes "count=N" accesses (20000 if nothing
 * is said) or goes on for "seconds=N"; what it does next is drawn from a sequence of its own, from
 * "seed=N".
 */
#ifndef GUEST_HAMMER_H
#define GUEST_HAMMER_H

#include "guest.h"

static unsigned int cpus;
static volatile bool finished[MAX_CPUS];

static uint64_t count, deadline; /* the latter in the clock's ticks; 0: none */
static uint64_t made[MAX_CPUS];  /* accesses */
static uint64_t sequence[MAX_CPUS];

/* Some clock that all CPUs see, and its rate: from the architecture. */
static uint64_t clock_ticks(void);
static uint64_t clock_hz(void);

static void hammer_init(void)
{
	uint64_t seed = option_number("seed", 1), seconds = option_number("seconds", 0);

	cpus = (unsigned int)option_number("cpus", 2);
	count = option_number("count", 20000);
	if (seconds)
		deadline = clock_ticks() + seconds * clock_hz();
	for (unsigned int cpu = 0; cpu < MAX_CPUS; cpu++)
		sequence[cpu] = (seed + cpu) * 0x9e3779b97f4a7c15ULL + 1;
}

static bool goes_on(void)
{
	return deadline ? clock_ticks() < deadline : made[this_cpu()]++ < count;
}

/* xorshift64* */
static uint32_t any(void)
{
	uint64_t *s = &sequence[this_cpu()];

	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return (uint32_t)((*s * 0x2545f4914f6cdd1dULL) >> 32);
}

static uint32_t below(uint32_t n)
{
	return any() % n;
}

/* Values that tend to mean something. */
static uint64_t some_value(void)
{
	switch (below(4)) {
	case 0:
		return 0;
	case 1:
		return 1ULL << below(64);
	case 2:
		return any() & 0xff;
	default:
		return (uint64_t)any() << 32 | any();
	}
}

/* The last check: the serial port, which was hammered too, can say so. */
static void survived(void)
{
	uart_write(UART_LCR, 3);
	uart_write(UART_IER, 0);
	uart_write(UART_MCR, 0);
	uart_write(UART_IIR, 0);
	print("\n");
	check("survived", true);
}

#endif
