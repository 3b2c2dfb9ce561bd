// SPDX-License-Identifier: BSD-2-Clause
/*
 * The GICv2m frame: a write of an INTID is an edge on that SPI. "irqs=N" says how many INTIDs the GIC
 * has.
 */
#include "guest.h"

enum {
	MSI_TYPER = 0x008,
	MSI_SETSPI_NS = 0x040,
	MSI_IIDR = 0xfcc,

	DEVICES_END = 32 + 3, /* the first INTID after those of the machine's devices */
};

static unsigned int first, count;

static unsigned int all_taken(void)
{
	unsigned int sum = 0;

	for (unsigned int i = 32; i < 1020; i++)
		sum += taken[0][i];
	return sum;
}

static void registers(void)
{
	uint32_t typer = read32(GIC_V2M + MSI_TYPER);
	unsigned int irqs = (unsigned int)option_number("irqs", 0);

	first = typer >> 16 & 0x3ff;
	count = typer & 0x3ff;
	check("in-the-device-tree", fdt_has("arm,gic-v2m-frame") && !fdt_has("arm,gic-v3-its"));
	check_eq("first-interrupt", first, DEVICES_END);
	check_eq("last-interrupt", first + count, irqs < 1019 ? irqs : 1019);
	check_eq("typer-has-no-other-bits", typer & ~0x3ff03ffu, 0);
	check_eq("iidr", read32(GIC_V2M + MSI_IIDR) & 0xf0fff, 0x0043b);
	check_eq("doorbell-reads-as-zero", read32(GIC_V2M + MSI_SETSPI_NS), 0);
}

static void send(uint32_t intid)
{
	write32(GIC_V2M + MSI_SETSPI_NS, intid);
}

static void messages(void)
{
	unsigned int last = first + count - 1;

	enable_edge(first);
	enable_edge(last);
	send(first);
	delay(MOMENT);
	check_eq("held-back-while-masked", taken[0][first], 0);
	check("pending", is_pending(first));
	interrupts(true);
	check("arrives", wait_until(taken[0][first] == 1));
	delay(MOMENT);
	check_eq("arrives-once", taken[0][first], 1);
	check("not-pending", !is_pending(first));
	send(last);
	check("last-arrives", wait_until(taken[0][last] == 1));
	for (unsigned int i = 0; i < 50; i++) {
		send(first);
		(void)wait_until(taken[0][first] == 2 + i);
	}
	delay(MOMENT);
	check_eq("each-arrives-once", taken[0][first], 51);

	write16(GIC_V2M + MSI_SETSPI_NS, (uint16_t)first);
	check("of-16-bits", wait_until(taken[0][first] == 52));
	send(0xfffffc00 | first);
	check("upper-bits-are-nothing", wait_until(taken[0][first] == 53));

	interrupts(false);
	send(first);
	send(first);
	send(first);
	interrupts(true);
	delay(MOMENT);
	check_eq("several-are-one-while-pending", taken[0][first], 54);

	disable_interrupt(first);
	send(first);
	delay(MOMENT);
	check_eq("disabled", taken[0][first], 54);
	enable_edge(first);
	check("enabled-again", wait_until(taken[0][first] == 55));
}

static void others(void)
{
	unsigned int before = all_taken();

	for (unsigned int intid = 32; intid < first; intid++)
		enable_edge(intid);
	for (unsigned int intid = 0; intid < 1024; intid++)
		if (intid < first || intid >= first + count)
			send(intid);
	write8(GIC_V2M + MSI_SETSPI_NS, (uint8_t)first);
	for (uint64_t at = 0; at < 0x1000; at += 4)
		if (at != MSI_SETSPI_NS)
			write32(GIC_V2M + at, first);
	delay(MOMENT);
	check_eq("nothing-else-arrives", all_taken(), before);
	for (unsigned int intid = 0; intid < 32; intid++)
		before += taken[0][intid];
	check_eq("no-sgi-or-ppi", before, all_taken());
	check_eq("none-spurious", spurious, 0);
}

void guest_main(void)
{
	registers();
	messages();
	others();
	interrupts(false);
}
