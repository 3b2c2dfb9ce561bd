// SPDX-License-Identifier: BSD-2-Clause
/*
 * The test device and fw_cfg (docs/devices.md; --test-device). On the command line: memory=MIB, cpus=N;
 * exit=N: at the end a debug exit with that value at port 0xf4.
 */
#include "guest.h"

/* docs/machine.md */
#define LINES       0x2000
#define MSI_LOW     0x2020
#define MSI_HIGH    0x2024
#define MSI_DATA    0x2028
#define SCRATCH     0xe0
#define FLUSH       0xe4
#define BYTES       0xe8
#define TEST_MEMORY 0xff000000ULL
#define FW_CFG      0x510
#define DEBUG_EXIT  0xf4
#define IOAPIC      0xfec00000ULL

#define RTE_LEVEL 0x8000
#define NR_LINES  24

#define EDGE     VECTOR(5)
#define LEVEL    VECTOR(6)
#define MESSAGE  VECTOR(7)
#define HIGHER   VECTOR(9)
#define FREE_PIN 14 /* no device has it */

static void route(unsigned int pin, uint32_t low)
{
	mmio_write(IOAPIC, 0x11 + 2 * pin);
	mmio_write(IOAPIC + 0x10, apic_id() << 24);
	mmio_write(IOAPIC, 0x10 + 2 * pin);
	mmio_write(IOAPIC + 0x10, low);
}

static unsigned int count(uint8_t vector)
{
	return taken[0][vector];
}

static bool comes(uint8_t vector, unsigned int times)
{
	return wait_until(count(vector) >= times) && count(vector) == times;
}

/* --- lines --- */

static void edges(void)
{
	route(FREE_PIN, EDGE);
	sti();
	outb(LINES + FREE_PIN, 1);
	check("edge", comes(EDGE, 1));
	outb(LINES + FREE_PIN, 1); /* it was high */
	delay(MOMENT / 4);
	check_eq("edge-needs-a-rise", count(EDGE), 1);
	outb(LINES + FREE_PIN, 0);
	outb(LINES + FREE_PIN, 0xff);
	check("edge-again", comes(EDGE, 2));
	outb(LINES + FREE_PIN, 0);
	cli();
}

static void lower(struct frame *f)
{
	(void)f;
	outb(LINES + FREE_PIN, 0);
	eoi();
}

static void level(void)
{
	handler[LEVEL] = lower;
	route(FREE_PIN, RTE_LEVEL | LEVEL);
	sti();
	outb(LINES + FREE_PIN, 1);
	check("level", comes(LEVEL, 1));
	delay(MOMENT / 4);
	cli();
	check_eq("level-once", count(LEVEL), 1);
}

/* The port is that of the pin, for every pin. */
static void every_pin(void)
{
	bool all = true;

	for (unsigned int pin = 0; pin < NR_LINES; pin++) {
		unsigned int before = count(EDGE);

		route(pin, EDGE);
		sti();
		outb((uint16_t)(LINES + pin), 0); /* the serial port may hold its own high */
		outb((uint16_t)(LINES + pin), 1);
		all &= comes(EDGE, before + 1);
		outb((uint16_t)(LINES + pin), 0);
		cli();
		route(pin, 0x10000);
	}
	check("every-line", all);
}

/* Two at once: the higher vector first. */
static void two_at_once(void)
{
	trace_length = 0;
	route(FREE_PIN, MESSAGE);
	route(FREE_PIN + 1, HIGHER);
	outb(LINES + FREE_PIN, 1);
	outb(LINES + FREE_PIN + 1, 1);
	outb(LINES + FREE_PIN, 0);
	outb(LINES + FREE_PIN + 1, 0);
	sti();
	(void)wait_until(trace_length == 2);
	cli();
	check_eq("higher-first", trace[0], HIGHER);
	check_eq("lower-second", trace[1], MESSAGE);
}

/* --- messages: Intel SDM volume 3, "Message Signalled Interrupts" --- */

static void messages(void)
{
	unsigned int before = count(MESSAGE);

	outl(MSI_LOW, 0xfee00000 | apic_id() << 12);
	outl(MSI_HIGH, 0);
	check_eq("msi-address", inl(MSI_LOW), 0xfee00000 | apic_id() << 12);
	sti();
	outl(MSI_DATA, MESSAGE);
	check("msi", comes(MESSAGE, before + 1));
	outl(MSI_DATA, MESSAGE);
	check("msi-again", comes(MESSAGE, before + 2));
	outl(MSI_LOW, 0xfed00000);
	outl(MSI_DATA, MESSAGE);
	delay(MOMENT / 4);
	cli();
	check_eq("msi-elsewhere", count(MESSAGE), before + 2);
}

/* --- scratch and memory --- */

static void scratch(void)
{
	outl(SCRATCH, 0x12345678);
	check_eq("scratch-32", inl(SCRATCH), 0x12345678);
	check_eq("scratch-16", inw(SCRATCH + 2), 0x1234);
	check_eq("scratch-8", inb(SCRATCH), 0x78);
	outb(SCRATCH, 0x9a);
	outw(SCRATCH + 2, 0xbcde);
	check_eq("scratch-mixed", inl(SCRATCH), 0xbcde569a);
	check_eq("scratch-bytes", inl(BYTES), 0xbcde569a);
	outl(FLUSH, 0x1000);
	check_eq("flush", inl(SCRATCH), 0xbcde569a);
}

static void memory(void)
{
	volatile uint64_t *wide = (volatile uint64_t *)TEST_MEMORY;
	volatile uint8_t *last = (volatile uint8_t *)(TEST_MEMORY + 0xffff);

	check_eq("memory-zero", wide[0], 0);
	wide[0] = 0x1122334455667788;
	check_eq("memory-64", wide[0], 0x1122334455667788);
	check_eq("memory-8", *(volatile uint8_t *)(TEST_MEMORY + 1), 0x77);
	*last = 0x5a;
	check_eq("memory-last", *last, 0x5a);
}

/* --- fw_cfg --- */

static uint64_t item(uint16_t key, unsigned int bytes)
{
	uint64_t value = 0;

	outw(FW_CFG, key);
	for (unsigned int i = 0; i < bytes; i++)
		value |= (uint64_t)inb(FW_CFG + 1) << 8 * i;
	return value;
}

static void fw_cfg(void)
{
	check_eq("fw-cfg-signature", item(0, 4), 0x554d4551);
	check_eq("fw-cfg-cpus", item(5, 2), option_number("cpus", 1));
	check_eq("fw-cfg-most-cpus", item(15, 2), option_number("cpus", 1));
	check_eq("fw-cfg-memory", item(3, 8), option_number("memory", 0) << 20);
	check_eq("fw-cfg-unknown", item(0x19, 4), 0);
}

void guest_main(void)
{
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	edges();
	level();
	every_pin();
	two_at_once();
	messages();
	scratch();
	memory();
	fw_cfg();
	if (option("exit")) {
		print("INFO debug exit\n");
		outl(DEBUG_EXIT, (uint32_t)option_number("exit", 0));
	}
}
