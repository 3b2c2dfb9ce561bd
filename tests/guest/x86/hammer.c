// SPDX-License-Identifier: BSD-2-Clause
/*
 * Two CPUs do what no sane guest does: accesses of random kind, width, address and value to every
 * device and to the interrupt controllers, "count=N" each, from "seed=N". CPU 0 has its APIC in xAPIC
 * mode, CPU 1 in x2APIC mode. The VMM must survive, and the machine must still switch off. Left out
 * is only what a guest may do to end itself: power-off, reset, panic, INIT, vectors of exceptions.
 */
#include "guest.h"

static uint64_t count;
static uint64_t state[2];

/* xorshift64* */
static uint32_t any(void)
{
	uint64_t *s = &state[this_cpu()];

	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return (uint32_t)((*s * 0x2545f4914f6cdd1dULL) >> 32);
}

static uint32_t below(uint32_t n)
{
	return any() % n;
}

/*
 * Values that tend to mean something. Bit 5 makes every interrupt vector one of no exception; without
 * bits 8 and 10 a delivery mode is fixed or SMI, or reserved: no INIT, startup or NMI.
 */
static uint32_t some_value(void)
{
	switch (below(4)) {
	case 0:
		return 0;
	case 1:
		return 1u << below(32);
	case 2:
		return any() & 0xff;
	default:
		return any();
	}
}

static uint32_t some_apic_value(void)
{
	return (some_value() & ~0x500u) | 0x20;
}

/* --- ports --- */

static const struct {
	uint16_t base, size;
} ports[] = {
	{ 0x3f8, 8 }, { 0x70, 2 },  { 0x60, 5 }, { 0x600, 3 },
	{ 0x505, 1 }, { 0xcf8, 8 }, { 0x20, 2 }, { 0x40, 4 },
};

static uint16_t some_port(void)
{
	unsigned int which = below(sizeof(ports) / sizeof(ports[0]) + 1);

	if (which == sizeof(ports) / sizeof(ports[0]))
		return (uint16_t)any();
	return (uint16_t)(ports[which].base - 3 + below(ports[which].size + 3u));
}

static bool overlaps(uint32_t first, uint32_t size, uint32_t from, uint32_t to)
{
	return first < to && from < first + size;
}

/* A written 0 ends nothing anywhere. */
static bool could_end(uint32_t port, uint32_t size)
{
	return overlaps(port, size, 0x60, 0x65) || overlaps(port, size, 0x600, 0x603) ||
	       overlaps(port, size, 0x505, 0x506);
}

static void port_access(void)
{
	uint16_t port = some_port();
	uint32_t value = some_value(), size = 1u << below(3);

	if (could_end(port, size))
		value = 0;
	switch (below(6)) {
	case 0:
		(void)inb(port);
		break;
	case 1:
		(void)inw(port);
		break;
	case 2:
		(void)inl(port);
		break;
	default:
		if (size == 1)
			outb(port, (uint8_t)value);
		else if (size == 2)
			outw(port, (uint16_t)value);
		else
			outl(port, value);
	}
}

static bool strings; /* unless "nostrings" is on the command line */

static void string_access(void)
{
	static uint8_t buffer[2][256];
	uint8_t *at = buffer[this_cpu()];
	uint64_t n = below(sizeof(buffer[0]) / 4);
	uint16_t port = some_port();

	if (!strings)
		return;
	if (below(2) && !could_end(port, 4))
		__asm__ volatile("rep outsw" : "+S"(at), "+c"(n) : "d"(port) : "memory");
	else
		__asm__ volatile("rep insl" : "+D"(at), "+c"(n) : "d"(port) : "memory");
}

/* --- memory --- */

static void memory_access(uint64_t addr, uint64_t value)
{
	switch (below(10)) {
	case 0:
		(void)*(volatile uint8_t *)addr;
		break;
	case 1:
		(void)*(volatile uint16_t *)addr;
		break;
	case 2:
		(void)*(volatile uint32_t *)addr;
		break;
	case 3:
		(void)*(volatile uint64_t *)addr;
		break;
	case 4:
		*(volatile uint8_t *)addr = (uint8_t)value;
		break;
	case 5:
		*(volatile uint16_t *)addr = (uint16_t)value;
		break;
	case 6:
		*(volatile uint64_t *)addr = value;
		break;
	default:
		*(volatile uint32_t *)addr = (uint32_t)value;
	}
}

/* All but the ICR, whose random writes would be IPIs of any kind: those are random_ipi()'s. */
static void apic_access(void)
{
	uint32_t offset = below(8) ? below(0x40) * 16 : below(0x1000);

	if (overlaps(offset, 8, 0x300, 0x304))
		offset = 0;
	if (this_cpu()) {
		uint64_t value = some_apic_value();
		uint32_t msr = MSR_X2APIC + offset / 16;

		if (!below(8))
			value |= (uint64_t)any() << 32;
		if (below(2))
			rdmsr_try(msr, &value);
		else
			wrmsr_try(msr, value);
		return;
	}
	memory_access(APIC_PAGE + offset, some_apic_value());
}

static void random_ipi(void)
{
	uint32_t command = some_apic_value() | (below(4) ? 0 : ICR_NMI);
	uint32_t dest = below(4) ? below(4) : any();

	if (this_cpu())
		wrmsr_try(MSR_X2APIC + APIC_ICR / 16, (uint64_t)dest << 32 | command);
	else
		memory_access(APIC_PAGE + 0x300, command), mmio_write(APIC_PAGE + 0x310, dest << 24);
}

static void ioapic_access(void)
{
	static const uint16_t offsets[] = { 0, 0x10, 0x40 };
	uint32_t offset = below(8) ? offsets[below(3)] : below(0x1000);

	if (offset == 0)
		memory_access(0xfec00000, below(0x48));
	else
		memory_access(0xfec00000 + offset, some_apic_value());
}

static void device_memory_access(void)
{
	switch (below(3)) {
	case 0:
		memory_access(0xd0000000 + below(0x9000), some_value());
		break;
	case 1:
		memory_access(0xd0000000 + below(8) * 0x1000 + below(0x40) * 4, some_value());
		break;
	default: /* from the end of the slots to the end of the address space */
		memory_access(0xd0009000 + below(0x2ec00000 - 0x100000), some_value());
	}
}

static void processor_access(void)
{
	uint64_t value;

	switch (below(4)) {
	case 0:
		write_cr8(below(16));
		break;
	case 1:
		(void)cpuid(any() & 0xc000001f, below(4));
		break;
	case 2:
		rdmsr_try(any() & 0xc0001fff, &value);
		break;
	default:
		wrmsr_try(MSR_TSC_DEADLINE, below(2) ? rdtsc() + any() : 0);
	}
}

static void (*const kinds[])(void) = {
	port_access, string_access, apic_access,          apic_access,
	random_ipi,  ioapic_access, device_memory_access, processor_access,
};

/*
 * An interrupt that nobody serves, or that comes faster than it is served, would leave the CPU no time
 * for anything else: quiet every source.
 */
static void quiet(struct frame *f)
{
	(void)f;
	uart_write(UART_LCR, 3);
	uart_write(UART_IER, 0);
	outb(0x70, 0x0b);
	outb(0x71, 2);
	outb(0x70, 0x0c);
	(void)inb(0x71);
	if (this_cpu()) {
		wrmsr_try(MSR_X2APIC + APIC_TIMER_INITIAL / 16, 0);
		wrmsr_try(MSR_X2APIC + APIC_EOI / 16, 0);
	} else {
		mmio_write(APIC_PAGE + APIC_TIMER_INITIAL, 0);
		mmio_write(APIC_PAGE + APIC_EOI, 0);
	}
}

static void hammer(void)
{
	sti();
	for (uint64_t i = 0; i < count; i++)
		kinds[below(sizeof(kinds) / sizeof(kinds[0]))]();
	cli();
}

static void hammer_by_msr(void)
{
	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	hammer();
}

void guest_main(void)
{
	uint64_t seed = option_number("seed", 1);

	count = option_number("count", 10000);
	strings = !option("nostrings");
	if (!strings)
		skip("strings", "QEMU's emulated SVM loses its way in many of them");
	state[0] = seed * 0x9e3779b97f4a7c15ULL + 1;
	state[1] = ~state[0];
	for (unsigned int vector = 32; vector < 256; vector++)
		handler[vector] = quiet;
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	check("second-cpu", start_cpu(1));
	run_on(1, hammer_by_msr);
	hammer();
	while (!done_on(1))
		pause();

	/* The serial port as it was. */
	uart_write(UART_LCR, 3);
	uart_write(UART_IER, 0);
	uart_write(UART_MCR, 0);
	uart_write(UART_IIR, 0);
	print("\n");
	check("survived", true);
}
