// SPDX-License-Identifier: BSD-2-Clause
/*
 * Two CPUs do what no sane guest does: accesses of random kind, width, address and value to every
 * device, "count=N" each, from "seed=N". The VMM must survive, and the machine must still switch off.
 * Left out is only what a guest may do to end itself: panic.
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
	switch (below(8)) {
	case 0:
		return UART + below(16);
	case 1:
		return RTC + below(0x20);
	case 2:
		return VIRTIO_SLOT + below(8) * 0x1000 + below(0x110);
	case 3:
		return UART + below(0x20000);
	case 4:
		return GIC_DIST + 0x10000 - 0x100000 +
		       below(0x100000 - 0x30000); /* below the GIC of two CPUs */
	case 5:
		return GIC_V2M + (below(4) ? 0x40 : below(0x1000));
	case 6:
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
	for (uint64_t i = 0; i < count; i++) {
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
	uint64_t seed = option_number("seed", 1);

	count = option_number("count", 10000);
	state[0] = seed * 0x9e3779b97f4a7c15ULL + 1;
	state[1] = ~state[0];
	check_eq("second-cpu", (uint64_t)start_cpu(1), PSCI_SUCCESS);
	check("started", wait_until(is_up(1)));
	run_on(1, hammer);
	hammer();
	while (!done_on(1))
		;

	/* The serial port as it was. */
	uart_write(UART_LCR, 3);
	uart_write(UART_IER, 0);
	uart_write(UART_MCR, 0);
	uart_write(UART_IIR, 0);
	print("\n");
	check("survived", true);
}
