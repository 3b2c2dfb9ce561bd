// SPDX-License-Identifier: BSD-2-Clause
/*
 * CPUs that do what no sane guest does: accesses of random kind, width, address and value to every device
 * and to the GIC, with interrupts off. The VMM must survive, and the machine must still switch off. Left
 * out is only what a guest may do to end itself: panic.
 */
#include "hammer.h"

static uint64_t clock_ticks(void)
{
	return now();
}

static uint64_t clock_hz(void)
{
	return read_sysreg("cntfrq_el0");
}

/* With the MMU off accesses must be aligned. */
static void access(uint64_t addr, uint64_t value)
{
	switch (below(8)) {
	case 0:
		(void)read8(addr);
		break;
	case 1:
		(void)read16(addr & ~1ULL);
		break;
	case 2:
		(void)read32(addr & ~3ULL);
		break;
	case 3:
		(void)read64(addr & ~7ULL);
		break;
	case 4:
		write8(addr, (uint8_t)value);
		break;
	case 5:
		write16(addr & ~1ULL, (uint16_t)value);
		break;
	case 6:
		write32(addr & ~3ULL, (uint32_t)value);
		break;
	default:
		write64(addr & ~7ULL, value);
	}
}

static uint64_t some_address(void)
{
	switch (below(10)) {
	case 0:
		return UART + below(16);
	case 1:
		return RTC + below(0x20);
	case 2:
		return VIRTIO_SLOT + below(8) * 0x1000 + below(0x110);
	case 3:
		return UART + below(0x20000);
	case 4:
		return GIC_DIST + below(below(8) ? 0x1000 : 0x10000);
	case 5:
		return gic_version == 2 ? GIC_CPU + below(0x2000)
					: GIC_DIST - (1 + below(cpus)) * GIC_REDIST + below(GIC_REDIST);
	case 6: /* below the GIC */
		return GIC_DIST - 0xf0000 + below(0xf0000 - cpus * GIC_REDIST);
	case 7:
		return GIC_V2M + (below(4) ? 0x40 : below(0x1000));
	case 8:
		return GIC_ITS + below(2) * 0x10000 + below(0x200);
	default:
		return 0x40020000 + below(0x3ffe0000);
	}
}

static void undescribed(uint64_t addr)
{
	uint64_t a, b;

	if (!this_cpu())
		exception_of(__asm__ volatile("ldp %0, %1, [%2]"
					      : "=r"(a), "=r"(b)
					      : "r"(addr & ~15ULL)
					      : "memory"));
}

static void hammer(void)
{
	interrupts(false); /* there may be some without end */
	while (goes_on()) {
		uint64_t addr = some_address();

		if ((addr & ~7ULL) == PVPANIC)
			addr += 0x100;
		if (below(64))
			access(addr, some_value());
		else
			undescribed(addr);
	}
}

void guest_main(void)
{
	hammer_init();
	for (unsigned int cpu = 1; cpu < cpus; cpu++) {
		check_eq("another-cpu", (uint64_t)start_cpu(cpu), PSCI_SUCCESS);
		check("started", wait_until(is_up(cpu)));
	}
	for (unsigned int cpu = 1; cpu < cpus; cpu++)
		run_on(cpu, hammer);
	hammer();
	for (unsigned int cpu = 1; cpu < cpus; cpu++)
		while (!done_on(cpu))
			;
	survived();
}
