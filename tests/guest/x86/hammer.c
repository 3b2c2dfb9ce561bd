// SPDX-License-Identifier: BSD-2-Clause
/*
 * CPUs that do what no sane guest does: accesses of random kind, width, address and value to every device
 * and to the interrupt controllers, and IPIs of all kinds at each other. CPU 0 changes the mode and the
 * address of its APIC, of the others the odd ones are in x2APIC mode. The VMM must survive, and the
 * machine must still switch off. Left out is only what a guest may do to end itself: power-off, reset,
 * panic, vectors of exceptions, INIT for CPU 0.
 *
 * INIT is for the CPUs from number 2 on, the victims. Any CPU starts them again, at the trampoline;
 * there they have no handlers yet, so that NMIs are for CPUs 0 and 1.
 */
#include "hammer.h"

#define FIRST_VICTIM   2
#define STARTUP_VECTOR (TRAMPOLINE >> 12)
#define IOAPIC         0xfec00000ULL
#define IOAPICS        4 /* so many places for one */

static uint64_t clock_ticks(void)
{
	return rdtsc();
}

static uint8_t rtc_second(void)
{
	outb(0x70, 0);
	return inb(0x71);
}

/* The TSC's rate from a second of the real-time clock. */
static uint64_t clock_hz(void)
{
	uint8_t second = rtc_second();
	uint64_t begin;

	while (rtc_second() == second)
		;
	begin = rdtsc();
	second = rtc_second();
	while (rtc_second() == second)
		;
	return rdtsc() - begin;
}

static bool smi; /* unless "nosmi" is on the command line: a LAPIC that knows SMIs ends the guest by one */

/*
 * For registers with a vector: bit 5 makes it one of no exception, and a delivery mode is none of NMI,
 * INIT and startup.
 */
static uint32_t some_apic_value(void)
{
	uint32_t value = (uint32_t)some_value() | 0x20;

	if ((value & ICR_MODE) >= ICR_NMI && (value & ICR_MODE) <= ICR_STARTUP)
		value &= ~(uint32_t)ICR_NMI;
	if ((value & ICR_MODE) == ICR_SMI && !smi)
		value &= ~(uint32_t)ICR_SMI;
	return value;
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
	uint32_t value = (uint32_t)some_value(), size = 1u << below(3);

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
	static uint8_t buffer[MAX_CPUS][256];
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

/* --- local APICs --- */

static uint64_t apic_base(void)
{
	return rdmsr(MSR_APIC_BASE);
}

static uint64_t apic_page(void)
{
	return apic_base() & 0xffffff000;
}

/* All but the ICR, whose random writes would be IPIs of any kind: those are in random_ipi(). */
static void apic_access(void)
{
	uint32_t offset = below(8) ? below(0x40) * 16 : below(0x1000);
	uint64_t value = some_apic_value();

	if (overlaps(offset, 8, APIC_ICR, APIC_ICR + 4))
		offset = 0;
	if (apic_base() & APIC_BASE_X2APIC) {
		uint32_t msr = MSR_X2APIC + offset / 16;

		if (!below(8))
			value |= (uint64_t)any() << 32;
		if (below(2))
			rdmsr_try(msr, &value);
		else
			wrmsr_try(msr, value);
		return;
	}
	if (overlaps(offset, 8, APIC_ID, APIC_ID + 4))
		value |= 0x40000000; /* an id that nobody has: what is for the victims is for them alone */
	memory_access(apic_page() + offset, value);
}

/* CPU 0: from each mode to each, the illegal ways included, and the page elsewhere. */
static void change_mode(void)
{
	uint64_t page = below(8) ? APIC_PAGE : 0xfed00000 + below(16) * 0x1000;

	if (!this_cpu() && !below(16))
		wrmsr_try(MSR_APIC_BASE, page | APIC_BASE_BSP | below(4) * APIC_BASE_X2APIC);
}

static void write_icr(uint32_t dest, uint32_t command)
{
	if (apic_base() & APIC_BASE_X2APIC) {
		wrmsr_try(MSR_X2APIC + APIC_ICR / 16, (uint64_t)dest << 32 | command);
	} else {
		mmio_write(apic_page() + APIC_ICR_HIGH, dest << 24);
		mmio_write(apic_page() + APIC_ICR, command);
	}
}

static void init_or_startup(void)
{
	uint32_t victim = FIRST_VICTIM + below(MAX_CPUS - FIRST_VICTIM);

	switch (below(5)) {
	case 0:
		write_icr(victim, ICR_INIT | (below(2) ? ICR_LEVEL | ICR_ASSERT : ICR_ASSERT));
		break;
	case 1:
		if (this_cpu() >= FIRST_VICTIM)
			write_icr(0, ICR_SELF | ICR_INIT | ICR_ASSERT);
		break;
	case 2: /* de-assert, for anyone */
		write_icr(below(MAX_CPUS), ICR_INIT | ICR_LEVEL);
		break;
	case 3:
		write_icr(victim, ICR_STARTUP | STARTUP_VECTOR);
		break;
	default:
		write_icr(0, ICR_OTHERS | ICR_STARTUP | STARTUP_VECTOR);
	}
}

static void random_ipi(void)
{
	uint32_t command = some_apic_value(), dest = below(4) ? below(4) : any();

	if (!below(8))
		init_or_startup();
	else if (!below(8))
		write_icr(below(FIRST_VICTIM), ICR_NMI | (command & 0xff));
	else if (below(2) || (apic_base() & APIC_BASE_X2APIC))
		write_icr(dest, command);
	else
		memory_access(apic_page() + APIC_ICR, command);
}

/* --- I/O APICs --- */

static void ioapic_access(void)
{
	static const uint16_t offsets[] = { 0, 0x10, 0x40 };
	uint32_t offset = below(8) ? offsets[below(3)] : below(0x1000);

	uint64_t base = IOAPIC + below(IOAPICS) * 0x1000;

	if (offset == 0)
		memory_access(base, below(0x48));
	else
		memory_access(base + offset, some_apic_value());
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
	port_access, string_access, apic_access,          apic_access,      change_mode,
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
	if (apic_base() & APIC_BASE_X2APIC) {
		wrmsr_try(MSR_X2APIC + APIC_TIMER_INITIAL / 16, 0);
		wrmsr_try(MSR_X2APIC + APIC_EOI / 16, 0);
	} else {
		mmio_write(apic_page() + APIC_TIMER_INITIAL, 0);
		mmio_write(apic_page() + APIC_EOI, 0);
	}
}

static void hammer(void);

static unsigned int restarts;

/* Victims that have been started again go on; those that wait for that are started. */
static void tend_victims(void)
{
	for (unsigned int cpu = FIRST_VICTIM; cpu < cpus; cpu++) {
		if (!finished[cpu] && done_on(cpu)) {
			restarts++;
			run_on(cpu, hammer);
		}
	}
	write_icr(0, ICR_OTHERS | ICR_STARTUP | STARTUP_VECTOR);
}

static void hammer(void)
{
	if (this_cpu() % 2)
		wrmsr_try(MSR_APIC_BASE, apic_base() | APIC_BASE_X2APIC);
	sti();
	while (goes_on()) {
		kinds[below(sizeof(kinds) / sizeof(kinds[0]))]();
		if (!this_cpu() && !below(64))
			tend_victims();
	}
	cli();
	finished[this_cpu()] = true;
}

static bool all_finished(void)
{
	for (unsigned int cpu = 0; cpu < cpus; cpu++)
		if (!finished[cpu])
			return false;
	return true;
}

void guest_main(void)
{
	hammer_init();
	smi = !option("nosmi");
	strings = !option("nostrings");
	if (!strings)
		skip("strings", "QEMU's emulated SVM loses its way in many of them");
	for (unsigned int vector = 32; vector < 256; vector++)
		handler[vector] = quiet;
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	for (unsigned int cpu = 1; cpu < cpus; cpu++)
		check("another-cpu", start_cpu(cpu));
	for (unsigned int cpu = 1; cpu < cpus; cpu++)
		run_on(cpu, hammer);
	hammer();

	/* By way of "disabled", which every mode can be left to. */
	wrmsr(MSR_APIC_BASE, APIC_PAGE | APIC_BASE_BSP);
	wrmsr(MSR_APIC_BASE, APIC_PAGE | APIC_BASE_BSP | APIC_BASE_ENABLE);
	while (!all_finished()) {
		tend_victims();
		pause();
	}
	survived();
	print("INFO %u restarts by INIT\n", restarts);
}
