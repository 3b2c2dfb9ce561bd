// SPDX-License-Identifier: BSD-2-Clause
/*
 * The I/O APIC's pins, driven by the test device (--test-device): edge and level, masks, remote IRR, EOI
 * (82093AA data sheet; version 0x20 with its EOI register: Intel I/O Controller Hub data sheets, "I/O APIC";
 * Intel SDM volume 3, "Signaling Interrupt Servicing Completion"). What entries send to whom is in routes.c.
 * "ioapics=N" on the command line: so many of them.
 */
#include "lines.h"

#define PIN   20 /* no device's (docs/machine.md) */
#define PIN2  21
#define LINE  VECTOR(6)
#define LINE2 VECTOR(8)

static unsigned int ioapics;

static void end(struct frame *f)
{
	(void)f;
	eoi();
}

/* --- registers --- */

static void registers(unsigned int n)
{
	uint32_t version = ioapic_read(n, IOAPIC_VERSION);
	unsigned int wrong = 0;

	check_eq(named("pins", n), (version >> 16 & 0xff) + 1, NR_PINS);
	if (!left_out(kernel_ioapic, "version", "KVM's I/O APIC is version 0x11")) {
		check_eq(named("version", n), version & 0xff, 0x20);
		check_eq(named("version-reserved", n), version & 0xff00ff00, 0);
	}
	mmio_write(IOAPIC_SELECT(n), 0x10);
	check_eq(named("select-reads-back", n), mmio_read(IOAPIC_SELECT(n)) & 0xff, 0x10);
	for (unsigned int pin = 0; pin < NR_PINS; pin++)
		wrong += ioapic_read(n, IOAPIC_ENTRY(pin)) != RTE_MASKED;
	check_eq(named("reset-masked", n), wrong, 0);
	ioapic_write(n, IOAPIC_ID, 0x0a000000);
	check_eq(named("id", n), ioapic_read(n, IOAPIC_ID), 0x0a000000);
	check_eq(named("id-in-arbitration", n), ioapic_read(n, IOAPIC_ARBITRATION) & 0x0f000000, 0x0a000000);
	ioapic_write(n, IOAPIC_ID, n << 24);
	ioapic_write(n, IOAPIC_VERSION, 0);
	check_eq(named("version-read-only", n), ioapic_read(n, IOAPIC_VERSION), version);

	if (left_out(kernel_ioapic, "entry-reserved-bits", "KVM's I/O APIC keeps them"))
		return;
	for (unsigned int pin = 0; pin < NR_PINS; pin++) {
		ioapic_write(n, IOAPIC_ENTRY(pin) + 1, 0xffffffff);
		ioapic_write(n, IOAPIC_ENTRY(pin), 0xffffffff);
		/* Bits 23:17 of the upper half may be more of the destination, where a hypervisor says so. */
		wrong += (ioapic_read(n, IOAPIC_ENTRY(pin) + 1) & ~0x00fe0000u) != 0xff000000;
		wrong += ioapic_read(n, IOAPIC_ENTRY(pin)) != 0x1afff; /* not remote IRR, delivery status */
		ioapic_write(n, IOAPIC_ENTRY(pin), RTE_MASKED);
		ioapic_write(n, IOAPIC_ENTRY(pin) + 1, 0);
		wrong += ioapic_read(n, IOAPIC_ENTRY(pin)) != RTE_MASKED;
	}
	check_eq(named("entry-bits", n), wrong, 0);
}

/* --- counting on CPU 0 --- */

static unsigned int before;

static void begin(void)
{
	before = taken[0][LINE];
	sti();
}

static unsigned int came(void)
{
	return taken[0][LINE] - before;
}

/* Waits until it has come `n` times, and a moment for more. */
static void check_came(const char *name, unsigned int n)
{
	(void)wait_until(came() == n);
	delay(MOMENT / 10);
	check_eq(name, came(), n);
}

static unsigned int keep_high_for; /* so many more interrupts */
static volatile uint32_t entry_in_handler;
static volatile bool tmr_in_handler;

static void lower_and_end(struct frame *f)
{
	entry_in_handler = entry(PIN);
	tmr_in_handler = apic_bit(APIC_TMR, (uint8_t)f->vector);
	if (keep_high_for)
		keep_high_for--;
	else
		set_line(PIN, false);
	eoi();
}

/* --- every line --- */

static unsigned int this_line;

static void lower_this(struct frame *f)
{
	(void)f;
	set_line(this_line, false);
	eoi();
}

static void every_line(unsigned int first, unsigned int n)
{
	for (unsigned int gsi = first; gsi < first + n; gsi++) {
		this_line = gsi;
		handler[LINE] = end;
		route(gsi, 0, LINE);
		begin();
		set_line(gsi, true);
		check_came(named("edge-line", gsi), 1);
		set_line(gsi, false);
		check_came(named("edge-fall", gsi), 1);
		handler[LINE] = lower_this;
		route(gsi, 0, RTE_LEVEL | LINE);
		begin();
		set_line(gsi, true);
		check_came(named("level-line", gsi), 1);
		cli();
		set_entry(gsi, RTE_MASKED);
	}
}

/* --- edges --- */

static void edge(void)
{
	handler[LINE] = end;
	route(PIN, 0, LINE);
	begin();
	set_line(PIN, true);
	check_came("edge", 1);
	check("edge-tmr", !apic_bit(APIC_TMR, LINE));
	check_eq("edge-no-remote-irr", entry(PIN), LINE);
	set_line(PIN, true);
	set_entry(PIN, LINE);
	check_came("edge-not-while-high", 1);
	set_line(PIN, false);
	set_line(PIN, true);
	check_came("edge-again", 2);
	set_line(PIN, false);

	/* On a masked pin it is lost, whether the line is high still or not. */
	set_entry(PIN, RTE_MASKED | LINE);
	set_line(PIN, true);
	set_entry(PIN, LINE);
	check_came("edge-masked-is-lost", 2);
	set_line(PIN, false);
	set_line(PIN, true);
	check_came("edge-after-unmasking", 3);
	set_line(PIN, false);
	cli();
	/* Two while interrupts are off are one; each of two pins counts. */
	handler[LINE2] = end;
	route(PIN2, 0, LINE2);
	remember(LINE2);
	set_line(PIN, true);
	set_line(PIN2, true);
	set_line(PIN, false);
	set_line(PIN, true);
	sti();
	check_came("edges-held-back-are-one", 4);
	check_eq("edge-of-the-other-pin", taken_by(0, LINE2), 1);
	set_line(PIN, false);
	set_line(PIN2, false);
	cli();
	set_entry(PIN2, RTE_MASKED);
}

/* --- levels --- */

static void level(void)
{
	handler[LINE] = lower_and_end;
	route(PIN, 0, RTE_LEVEL | LINE);
	cli();
	set_line(PIN, true);
	check_eq("remote-irr-when-accepted", entry(PIN), RTE_LEVEL | RTE_REMOTE_IRR | LINE);
	check("level-in-irr", apic_bit(APIC_IRR, LINE) && apic_bit(APIC_TMR, LINE));
	begin();
	check_came("level", 1);
	check_eq("remote-irr-in-handler", entry_in_handler, RTE_LEVEL | RTE_REMOTE_IRR | LINE);
	check("tmr-in-handler", tmr_in_handler);
	check_eq("remote-irr-after-eoi", entry(PIN), RTE_LEVEL | LINE);
	keep_high_for = 5;
	set_line(PIN, true);
	check_came("redelivered-while-high", 7);
	cli();

	/* Low again before anybody looks: it was accepted, so it comes, once. */
	set_line(PIN, true);
	set_line(PIN, false);
	begin();
	check_came("short-level-comes-once", 1);
	check_eq("short-level-is-over", entry(PIN), RTE_LEVEL | LINE);
	cli();
}

static void polarity(void)
{
	handler[LINE] = lower_and_end;
	route(PIN, 0, RTE_LEVEL | RTE_LOW_ACTIVE | LINE);
	begin();
	check_came("polarity-idle", 0);
	set_line(PIN, true); /* asserted, whatever that is in volts */
	check_came("polarity", 1);
	check_eq("polarity-kept", entry(PIN), RTE_LEVEL | RTE_LOW_ACTIVE | LINE);
	cli();
}

static void mask_and_end(struct frame *f)
{
	(void)f;
	set_entry(PIN, RTE_MASKED | RTE_LEVEL | LINE);
	entry_in_handler = entry(PIN);
	eoi();
}

static void masked(void)
{
	handler[LINE] = lower_and_end;
	route(PIN, 0, RTE_MASKED | RTE_LEVEL | LINE);
	begin();
	set_line(PIN, true);
	check_came("masked", 0);
	check_eq("masked-no-remote-irr", entry(PIN), RTE_MASKED | RTE_LEVEL | LINE);
	set_entry(PIN, RTE_LEVEL | LINE);
	check_came("unmasked-while-high", 1);

	set_entry(PIN, RTE_MASKED | RTE_LEVEL | LINE);
	set_line(PIN, true);
	set_line(PIN, false);
	set_entry(PIN, RTE_LEVEL | LINE);
	check_came("unmasked-when-low", 1);

	/* Masked in the handler, as drivers' threads do: the EOI clears remote IRR, unmasking delivers. */
	handler[LINE] = mask_and_end;
	set_line(PIN, true);
	check_came("masked-in-handler", 2);
	if (!left_out(kernel_ioapic, "masked-keeps-remote-irr",
		      "KVM keeps it, but this guest's write may race"))
		check_eq("masked-keeps-remote-irr", entry_in_handler,
			 RTE_MASKED | RTE_LEVEL | RTE_REMOTE_IRR | LINE);
	check_eq("masked-eoi-clears", entry(PIN), RTE_MASKED | RTE_LEVEL | LINE);
	handler[LINE] = lower_and_end;
	set_entry(PIN, RTE_LEVEL | LINE);
	check_came("unmasked-later", 3);
	cli();
}

/* Remote IRR is not to be written, and holds back the pin until an EOI. */
static void remote_irr(void)
{
	handler[LINE] = lower_and_end;
	route(PIN, 0, RTE_LEVEL | LINE);
	set_entry(PIN, RTE_LEVEL | RTE_REMOTE_IRR | LINE);
	check_eq("remote-irr-not-set-by-writing", entry(PIN), RTE_LEVEL | LINE);
	cli();
	set_line(PIN, true);
	set_entry(PIN, RTE_LEVEL | LINE);
	check_eq("remote-irr-not-cleared-by-writing", entry(PIN), RTE_LEVEL | RTE_REMOTE_IRR | LINE);
	begin();
	check_came("remote-irr-one-interrupt", 1);
	cli();
}

/* --- switching between edge and level --- */

static void switching(void)
{
	/* High since an edge that was served: as a level it is a request. */
	handler[LINE] = end;
	route(PIN, 0, LINE);
	begin();
	set_line(PIN, true);
	check_came("switch-edge", 1);
	handler[LINE] = lower_and_end;
	set_entry(PIN, RTE_LEVEL | LINE);
	check_came("switch-to-level-while-high", 2);
	cli();

	/* Stuck, for its EOI never comes: to edge and back clears remote IRR (as kernels do it). */
	set_line(PIN, true);
	set_entry(PIN, RTE_MASKED | LINE);
	check_eq("switch-to-edge-clears", entry(PIN), RTE_MASKED | LINE);
	set_entry(PIN, RTE_MASKED | RTE_LEVEL | LINE);
	check_eq("switch-back", entry(PIN), RTE_MASKED | RTE_LEVEL | LINE);
	set_entry(PIN, RTE_LEVEL | LINE);
	check_eq("switched-back-delivers", entry(PIN), RTE_LEVEL | RTE_REMOTE_IRR | LINE);
	begin();
	check_came("switched-back-once", 1); /* both were one request */
	cli();

	/* A new vector for a pin in service. */
	set_line(PIN, true);
	remember(LINE2);
	handler[LINE2] = lower_and_end;
	set_entry(PIN, RTE_LEVEL | LINE2);
	handler[LINE] = end;
	begin();
	check_came("old-vector", 1);
	if (!left_out(kernel_lapic, "eoi-of-the-old-vector", "KVM keeps note of what is pending, to be kind"))
		check_eq("eoi-of-the-old-vector", entry(PIN), RTE_LEVEL | RTE_REMOTE_IRR | LINE2);
	set_entry(PIN, RTE_MASKED | LINE2);
	set_entry(PIN, RTE_LEVEL | LINE2);
	check("new-vector", wait_until(taken_by(0, LINE2) >= 1));
	cli();
	set_line(PIN, false);
	set_entry(PIN, RTE_MASKED);
}

/* --- end of interrupt --- */

/* TMR says of each vector how its last request came: by it the EOI is broadcast or not. */
static void trigger_mode(void)
{
	handler[LINE] = lower_and_end;
	route(PIN, 0, RTE_LEVEL | LINE);
	begin();
	set_line(PIN, true);
	check_came("tmr-level", 1);
	check("tmr-set", tmr_in_handler);
	set_entry(PIN, LINE);
	set_line(PIN, true);
	check_came("tmr-edge", 2);
	check("tmr-cleared", !tmr_in_handler);
	cli();
}

/* Two pins of one vector: one EOI is for both. */
static void shared_vector(void)
{
	handler[LINE] = end;
	route(PIN, 0, RTE_LEVEL | LINE);
	route(PIN2, 0, RTE_LEVEL | LINE);
	cli();
	set_line(PIN, true);
	set_line(PIN2, true);
	check_eq("shared-first", entry(PIN) & RTE_REMOTE_IRR, RTE_REMOTE_IRR);
	check_eq("shared-second", entry(PIN2) & RTE_REMOTE_IRR, RTE_REMOTE_IRR);
	set_line(PIN, false);
	set_line(PIN2, false);
	begin();
	check_came("shared-one-interrupt", 1);
	cli();
	check_eq("shared-eoi-first", entry(PIN), RTE_LEVEL | LINE);
	check_eq("shared-eoi-second", entry(PIN2), RTE_LEVEL | LINE);
	set_entry(PIN2, RTE_MASKED);
}

static void directed_eoi(void)
{
	if (left_out(kernel_lapic, "directed-eoi",
		     "KVM broadcasts all EOIs, or does not offer to suppress them"))
		return;
	check_eq("suppression-offered", apic_read(APIC_VERSION) >> 24 & 1, 1);
	handler[LINE] = end;
	route(PIN, 0, RTE_LEVEL | LINE);
	apic_write(APIC_SVR, SVR_ENABLE | SVR_NO_BROADCAST | SPURIOUS);
	begin();
	set_line(PIN, true);
	check_came("suppressed", 1);
	check_eq("suppressed-remote-irr", entry(PIN), RTE_LEVEL | RTE_REMOTE_IRR | LINE);
	check("suppressed-ends-isr", !apic_bit(APIC_ISR, LINE));
	mmio_write(IOAPIC_EOI(0), LINE2);
	check_came("eoi-of-another-vector", 1);
	mmio_write(IOAPIC_EOI(0), LINE);
	check_came("directed-eoi-redelivers", 2);
	set_line(PIN, false);
	check_eq("directed-eoi-once-more", entry(PIN), RTE_LEVEL | RTE_REMOTE_IRR | LINE);
	mmio_write(IOAPIC_EOI(0), LINE);
	check_eq("directed-eoi-clears", entry(PIN), RTE_LEVEL | LINE);
	/* What counts is the bit at the time of the EOI. */
	cli();
	set_line(PIN, true);
	set_line(PIN, false);
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	begin();
	check_came("broadcast-again", 1);
	check_eq("broadcast-clears", entry(PIN), RTE_LEVEL | LINE);
	/* Nor does the register mind EOIs of nothing, or of an edge. */
	mmio_write(IOAPIC_EOI(0), LINE);
	mmio_write(IOAPIC_EOI(0), 0xffffff00 | LINE);
	check_came("eoi-of-nothing", 1);
	cli();
}

/* --- several I/O APICs --- */

static void several(void)
{
	unsigned int lines = (unsigned int)option_number("lines", NR_PINS);

	for (unsigned int n = 1; n < ioapics; n++)
		registers(n);
	if (ioapics < 2)
		return;
	/* Each has its own registers, and its own select. */
	mmio_write(IOAPIC_SELECT(0), IOAPIC_ENTRY(3));
	mmio_write(IOAPIC_SELECT(1), IOAPIC_ENTRY(5));
	mmio_write(IOAPIC_WINDOW(0), RTE_MASKED | 0x61);
	mmio_write(IOAPIC_WINDOW(1), RTE_MASKED | 0x62);
	check_eq("own-entry-0", entry(3), RTE_MASKED | 0x61);
	check_eq("own-entry-1", entry(NR_PINS + 5), RTE_MASKED | 0x62);
	check_eq("not-the-other-0", entry(5), RTE_MASKED);
	check_eq("not-the-other-1", entry(NR_PINS + 3), RTE_MASKED);
	check_eq("none-beyond", mmio_read(IOAPIC_SELECT(ioapics)), 0xffffffff);
	if (lines > NR_PINS)
		every_line(NR_PINS, lines - NR_PINS);
	else
		skip("lines-beyond-23", "the test device has 24 lines");
}

void guest_main(void)
{
	ioapics = (unsigned int)option_number("ioapics", 1);
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	registers(0);
	every_line(0, NR_PINS);
	edge();
	level();
	polarity();
	masked();
	remote_irr();
	switching();
	trigger_mode();
	shared_vector();
	directed_eoi();
	several();
}
