// SPDX-License-Identifier: BSD-2-Clause
/* Port and memory accesses: widths, strings, addresses where nothing is, and the small devices of the PC. */
#include "guest.h"

#define COM1_SCR 0x3ff

#define NO_PORT   0x1234        /* nothing is there, nor in the 16 ports behind it */
#define NO_DEVICE 0xd8000000ULL /* nor here, between the virtio slots and the I/O APIC */

static void widths(void)
{
	outb(COM1_SCR, 0x5a);
	check_eq("8-bit", inb(COM1_SCR), 0x5a);
	outw(COM1_SCR - 1, 0xa500); /* the upper byte is for the scratch register */
	check_eq("16-bit-write", inb(COM1_SCR), 0xa5);
	check_eq("16-bit-read", inw(COM1_SCR - 1) >> 8, 0xa5);
	outl(COM1_SCR - 3, 0x3c000000);
	check_eq("32-bit-write", inb(COM1_SCR), 0x3c);
	check_eq("32-bit-read", inl(COM1_SCR - 3) >> 24, 0x3c);
	check_eq("across-the-end", inw(COM1_SCR), 0xff3c);
	check_eq("32-bit-across-the-end", inl(COM1_SCR), 0xffffff3c);
	outl(COM1_SCR, 0x12345678);
	check_eq("write-across-the-end", inb(COM1_SCR), 0x78);
}

static void unclaimed_ports(void)
{
	uint8_t bytes[16] = { 0 };
	void *to = bytes;
	uint64_t count = sizeof(bytes);
	bool ones = true;

	check_eq("nothing-8", inb(NO_PORT), 0xff);
	check_eq("nothing-16", inw(NO_PORT), 0xffff);
	check_eq("nothing-32", inl(NO_PORT), 0xffffffff);
	outb(NO_PORT, 1);
	outw(NO_PORT, 2);
	outl(NO_PORT, 3);
	__asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"((uint16_t)NO_PORT) : "memory");
	for (unsigned int i = 0; i < sizeof(bytes); i++)
		ones &= bytes[i] == 0xff;
	check("rep-ins", ones);
	check_eq("rep-ins-count", count, 0);
	check_eq("rep-ins-pointer", (uint64_t)to, (uint64_t)(bytes + sizeof(bytes)));
	check_eq("last-port", inl(0xffff), 0xffffffff);
}

/* The runner looks for this line. */
static void string_output(void)
{
	static const char text[] = "INFO string The quick brown fox jumps over the lazy dog 0123456789\n";
	const char *from = text;
	uint64_t count = sizeof(text) - 1;

	__asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"((uint16_t)0x3f8) : "memory");
	check_eq("rep-outs-count", count, 0);
	check_eq("rep-outs-pointer", (uint64_t)from, (uint64_t)(text + sizeof(text) - 1));
}

static void unclaimed_memory(void)
{
	check_eq("memory-8", *(volatile uint8_t *)NO_DEVICE, 0xff);
	check_eq("memory-16", *(volatile uint16_t *)NO_DEVICE, 0xffff);
	check_eq("memory-32", *(volatile uint32_t *)NO_DEVICE, 0xffffffff);
	check_eq("memory-64", *(volatile uint64_t *)NO_DEVICE, UINT64_MAX);
	check_eq("memory-unaligned", *(volatile uint32_t *)(NO_DEVICE + 0xffe), 0xffffffff);
	*(volatile uint8_t *)NO_DEVICE = 1;
	*(volatile uint64_t *)NO_DEVICE = 2;
	check_eq("memory-write-is-ignored", *(volatile uint32_t *)NO_DEVICE, 0xffffffff);
	__asm__ volatile("lock addl $1, %0" : "+m"(*(volatile uint32_t *)NO_DEVICE));
	check("memory-read-modify-write", true);
}

static uint8_t cmos(uint8_t reg)
{
	outb(0x70, reg);
	return inb(0x71);
}

static unsigned int cmos_number(uint8_t reg)
{
	uint8_t value = cmos(reg);

	return cmos(0x0b) & 4 ? value : (unsigned int)(value >> 4) * 10 + (value & 15);
}

/* The runner compares the date with its own. */
static void clock(void)
{
	unsigned int day, month, year, second;

	do {
		second = cmos_number(0);
		day = cmos_number(7);
		month = cmos_number(8);
		year = cmos_number(0x32) * 100 + cmos_number(9);
	} while (second != cmos_number(0)); /* an update came between */
	check_range("clock-second", second, 0, 59);
	check_range("clock-minute", cmos_number(2), 0, 59);
	check("clock-valid", cmos(0x0d) & 0x80);
	check("clock-goes", wait_until(cmos_number(0) != second));
	print("INFO date %u-%u%u-%u%u\n", year, month / 10, month % 10, day / 10, day % 10);

	outb(0x70, 0x40);
	outb(0x71, 0x99);
	check_eq("cmos-ram", cmos(0x40), 0x99);
}

static void small_devices(void)
{
	check_eq("i8042-status", inb(0x64) & 3, 0);
	outb(0x64, 0xaa);
	check("i8042-answers", inb(0x64) & 1);
	check_eq("i8042-self-test", inb(0x60), 0x55);
	check("pvpanic-knows-panicked", inb(0x505) & 1);
	check_eq("sleep-status", inb(0x601), 0);
}

void guest_main(void)
{
	widths();
	unclaimed_ports();
	string_output();
	unclaimed_memory();
	clock();
	small_devices();
}
