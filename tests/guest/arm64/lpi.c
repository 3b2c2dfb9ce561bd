// SPDX-License-Identifier: BSD-2-Clause
#include "lpi.h"

enum {
	GICR_CTLR = 0x0000,
	GICR_PROPBASER = 0x0070,
	GICR_PENDBASER = 0x0078,

	LPI_ID_BITS = 16,
	QUEUE_SIZE = 0x10000,
};

#define PROPERTIES   LPI_TABLES /* a byte for each LPI */
#define PENDING(cpu) (LPI_TABLES + 0x10000 + (cpu)*0x10000)
#define DEVICES      (LPI_TABLES + 0x100000)
#define COLLECTIONS  (LPI_TABLES + 0x110000)
#define ITT(device)  (LPI_TABLES + 0x120000 + ((device)&0xff) * 0x400)

#define VALID (1ULL << 63)

/* With the MMU off this CPU writes to memory, while the host reads through its caches. */
static void written(uint64_t addr)
{
	__asm__ volatile("dc civac, %0; dsb sy" : : "r"(addr) : "memory");
}

static void clear(uint64_t addr, uint64_t size)
{
	for (uint64_t end = addr + size; addr < end; addr += 8)
		*(volatile uint64_t *)addr = 0;
	for (addr -= size; size; size -= 64, addr += 64)
		written(addr);
}

bool its_command(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	uint64_t at = read64(GIC_ITS + GITS_CWRITER) & 0xfffe0;
	volatile uint64_t *slot = (volatile uint64_t *)(ITS_QUEUE + at);

	slot[0] = a;
	slot[1] = b;
	slot[2] = c;
	slot[3] = d;
	written((uint64_t)slot);
	at = (at + 32) % QUEUE_SIZE;
	write64(GIC_ITS + GITS_CWRITER, at);
	return wait_until((read64(GIC_ITS + GITS_CREADR) & 0xfffe0) == at);
}

bool its_map_device(uint32_t device, bool valid)
{
	if (valid)
		clear(ITT(device), 0x400);
	return its_command((uint64_t)device << 32 | ITS_MAPD, 4, (valid ? VALID : 0) | ITT(device), 0);
}

bool its_map_event(uint32_t device, uint32_t event, unsigned int n, unsigned int cpu)
{
	return its_command((uint64_t)device << 32 | ITS_MAPTI, (uint64_t)(FIRST_LPI + n) << 32 | event, cpu,
			   0);
}

bool its_event(unsigned int command, uint32_t device, uint32_t event)
{
	return its_command((uint64_t)device << 32 | command, event, 0, 0);
}

bool its_move_event(uint32_t device, uint32_t event, unsigned int cpu)
{
	return its_command((uint64_t)device << 32 | ITS_MOVI, event, cpu, 0);
}

void configure_lpi(unsigned int n, bool enabled)
{
	*(volatile uint8_t *)(PROPERTIES + n) = 0xa0 | enabled;
	written(PROPERTIES + n);
}

void start_lpis(unsigned int cpus)
{
	clear(LPI_TABLES, 0x210000);
	for (unsigned int cpu = 0; cpu < cpus; cpu++) {
		uint64_t base = redistributor(cpu);

		write64(base + GICR_PROPBASER, PROPERTIES | (LPI_ID_BITS - 1));
		write64(base + GICR_PENDBASER, PENDING(cpu));
		write32(base + GICR_CTLR, 1);
	}
	/* One page of 64 KiB each. */
	write64(GIC_ITS + GITS_BASER, VALID | DEVICES | 2 << 8);
	write64(GIC_ITS + GITS_BASER + 8, VALID | COLLECTIONS | 2 << 8);
	write64(GIC_ITS + GITS_CBASER, VALID | ITS_QUEUE | (QUEUE_SIZE / 0x1000 - 1));
	write64(GIC_ITS + GITS_CWRITER, 0);
	write32(GIC_ITS + GITS_CTLR, 1);
	for (unsigned int cpu = 0; cpu < cpus; cpu++)
		its_command(ITS_MAPC, 0, VALID | (uint64_t)cpu << 16 | cpu, 0);
}
