// SPDX-License-Identifier: BSD-2-Clause
/*
 * The I/O APIC (Intel, 82093AA data sheet, "I/O Advanced Programmable Interrupt Controller"), with the
 * serial port's transmitter interrupt as its source: enabling it raises the line, reading IIR or
 * disabling it lowers it.
 */
#include "guest.h"

#define IOAPIC 0xfec00000ULL /* docs/machine.md */

#define REG_ID      0x00
#define REG_VERSION 0x01
#define REG_RTE(n)  (0x10 + 2 * (n))

#define RTE_MASKED     0x10000
#define RTE_LEVEL      0x08000
#define RTE_REMOTE_IRR 0x04000
#define RTE_LOGICAL    0x00800
#define RTE_LOWEST     0x00100

#define SERIAL_PIN 4

#define LINE VECTOR(6)

static uint32_t get(uint32_t reg)
{
	mmio_write(IOAPIC, reg);
	return mmio_read(IOAPIC + 0x10);
}

static void set(uint32_t reg, uint32_t value)
{
	mmio_write(IOAPIC, reg);
	mmio_write(IOAPIC + 0x10, value);
}

static void route(uint32_t dest, uint32_t low)
{
	set(REG_RTE(SERIAL_PIN) + 1, dest << 24);
	set(REG_RTE(SERIAL_PIN), low);
}

static uint32_t entry(void)
{
	return get(REG_RTE(SERIAL_PIN));
}

static void raise_line(void)
{
	uart_write(UART_IER, IER_THRE);
}

static void lower_line(void)
{
	uart_write(UART_IER, 0);
}

/* A word on the console would lower and raise the line: checks come after lower_line(). */

static void registers(void)
{
	uint32_t version = get(REG_VERSION), pins = (version >> 16 & 0xff) + 1;
	bool masked = true;

	check_range("version", version & 0xff, 0x11, 0x20);
	check_eq("pins", pins, 24);
	for (uint32_t pin = 0; pin < pins; pin++)
		masked &= get(REG_RTE(pin)) == RTE_MASKED;
	check("reset-masked", masked);
	set(REG_RTE(7) + 1, 0xffffffff);
	check_eq("entry-high", get(REG_RTE(7) + 1) & 0xff000000, 0xff000000);
	set(REG_RTE(7), 0xffffffff);
	if (!left_out(kernel_ioapic, "entry-low", "KVM's I/O APIC keeps reserved bits"))
		check_eq("entry-low", get(REG_RTE(7)), 0x1afff);
	set(REG_RTE(7), RTE_MASKED);
	set(REG_VERSION, 0);
	check_eq("version-read-only", get(REG_VERSION), version);
	set(REG_ID, 0x05000000);
	check_eq("id", get(REG_ID), 0x05000000);
	check_eq("id-in-arbitration", get(0x02), 0x05000000);
}

/* --- level-triggered: again and again until the line is low --- */

static unsigned int taken_here(void)
{
	return taken[0][LINE];
}

static unsigned int keep_high_for; /* this many more interrupts */
static volatile uint32_t entry_in_handler;
static volatile bool tmr_in_handler;

static void on_line(struct frame *f)
{
	(void)f;
	entry_in_handler = entry();
	tmr_in_handler = apic_bit(APIC_TMR, LINE);
	if (keep_high_for)
		keep_high_for--;
	else
		lower_line();
	eoi();
}

static void level(void)
{
	uint32_t after;

	handler[LINE] = on_line;
	route(0, RTE_LEVEL | LINE);
	sti();
	raise_line();
	(void)wait_until(taken_here() == 1);
	delay(MOMENT / 4);
	cli();
	after = entry();
	check_eq("level", taken_here(), 1);
	check_eq("remote-irr-in-handler", entry_in_handler, RTE_LEVEL | RTE_REMOTE_IRR | LINE);
	check("tmr-in-handler", tmr_in_handler);
	check_eq("remote-irr-after-eoi", after, RTE_LEVEL | LINE);

	keep_high_for = 3;
	sti();
	raise_line();
	(void)wait_until(taken_here() == 5);
	delay(MOMENT / 4);
	cli();
	check_eq("redelivered-while-high", taken_here(), 5);
}

static void reading_iir_lowers(struct frame *f)
{
	(void)f;
	(void)uart_read(UART_IIR);
	eoi();
}

static void level_by_iir(void)
{
	unsigned int before = taken_here();

	handler[LINE] = reading_iir_lowers;
	sti();
	raise_line();
	(void)wait_until(taken_here() == before + 1);
	delay(MOMENT / 4);
	cli();
	lower_line();
	check_eq("iir-lowers-the-line", taken_here(), before + 1);
	handler[LINE] = on_line;
}

static void masked(void)
{
	unsigned int before = taken_here(), while_masked;

	route(0, RTE_MASKED | RTE_LEVEL | LINE);
	sti();
	raise_line();
	delay(MOMENT / 4);
	while_masked = taken_here() - before;
	set(REG_RTE(SERIAL_PIN), RTE_LEVEL | LINE);
	(void)wait_until(taken_here() == before + 1);
	cli();
	check_eq("masked", while_masked, 0);
	check_eq("unmasked-while-high", taken_here(), before + 1);
}

/* Without the EOI broadcast the I/O APIC waits for its own EOI register (version 0x20). */
static void directed_eoi(void)
{
	unsigned int before = taken_here(), again;
	uint32_t suppressed;

	if (left_out(kernel_lapic, "directed-eoi",
		     "KVM broadcasts all EOIs, or does not offer to suppress them"))
		return;
	if (!(apic_read(APIC_VERSION) >> 24 & 1) || (get(REG_VERSION) & 0xff) < 0x20)
		return;
	apic_write(APIC_SVR, SVR_ENABLE | 0x1000 | SPURIOUS);
	keep_high_for = 1;
	sti();
	raise_line();
	(void)wait_until(taken_here() == before + 1);
	delay(MOMENT / 4);
	suppressed = entry();
	again = taken_here() - before;
	mmio_write(IOAPIC + 0x40, LINE);
	(void)wait_until(taken_here() == before + 2);
	cli();
	mmio_write(IOAPIC + 0x40, LINE);
	check_eq("broadcast-suppressed", suppressed, RTE_LEVEL | RTE_REMOTE_IRR | LINE);
	check_eq("not-again-before-directed-eoi", again, 1);
	check_eq("directed-eoi", taken_here(), before + 2);
	check_eq("directed-eoi-clears", entry(), RTE_LEVEL | LINE);
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
}

/* --- edge-triggered: once for each rise --- */

static void edge(void)
{
	unsigned int before = taken_here(), held, again;

	handler[LINE] = NULL;
	route(0, LINE);
	sti();
	raise_line();
	(void)wait_until(taken_here() == before + 1);
	delay(MOMENT / 4);
	held = taken_here() - before;
	lower_line();
	raise_line();
	(void)wait_until(taken_here() == before + 2);
	again = taken_here() - before;
	lower_line();
	cli();
	check_eq("edge-once-while-high", held, 1);
	check_eq("edge-again", again, 2);
}

static void destinations(void)
{
	unsigned int before = taken_here(), other;

	handler[LINE] = on_line;
	if (!x2apic)
		apic_write(APIC_LDR, 1u << 24);
	route(1, RTE_LEVEL | RTE_LOGICAL | RTE_LOWEST | LINE);
	sti();
	raise_line();
	(void)wait_until(taken_here() == before + 1);
	cli();
	check_eq("logical-lowest", taken_here(), before + 1);

	if (!start_cpu(1)) {
		check("second-cpu", false);
		return;
	}
	other = taken[1][LINE];
	before = taken_here();
	route(1, RTE_LEVEL | LINE);
	sti();
	raise_line();
	(void)wait_until(taken[1][LINE] == other + 1);
	settle(); /* both use the I/O APIC's select register */
	cli();
	check_eq("to-cpu-1", taken[1][LINE], other + 1);
	check_eq("not-to-cpu-0", taken_here(), before);
}

void guest_main(void)
{
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	uart_write(UART_MCR, MCR_OUT2);
	registers();
	level();
	level_by_iir();
	masked();
	directed_eoi();
	edge();
	destinations();
	route(0, RTE_MASKED);
}
