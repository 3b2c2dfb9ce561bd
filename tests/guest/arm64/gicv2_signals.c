// SPDX-License-Identifier: BSD-2-Clause
/*
 * What comes into a GICv2 (the serial port's line, the CPU's timers) and what comes out of it: IRQs and
 * FIQs, nested, of both groups, to "cpus=N" CPUs.
 */
#include "gicv2.h"

static unsigned int cpus;

/* --- inputs: the serial port's line is high while "transmitter empty" is enabled --- */

static void raise(bool high)
{
	uart_write(UART_IER, high ? IER_THRE : 0);
	barrier();
}

static void inputs(void)
{
	fresh();
	uart_write(UART_MCR, MCR_OUT2);
	enable_interrupt(UART_SPI); /* level-triggered */
	set_priority(UART_SPI, 0x80);
	raise(true);
	check_eq("level-pending", bit(GICD_ISPENDR, UART_SPI), 1);
	set_bit(GICD_ICPENDR, UART_SPI);
	check_eq("level-not-cleared-by-write", bit(GICD_ISPENDR, UART_SPI), 1);
	check_eq("level-acknowledged", cpu(GICC_IAR), UART_SPI);
	check_eq("level-active-and-pending", bit(GICD_ISPENDR, UART_SPI) + bit(GICD_ISACTIVER, UART_SPI), 2);
	end(UART_SPI);
	(void)dist(GICD_TYPER); /* KVM's looks at the line again when the guest exits */
	check_eq("level-again", cpu(GICC_IAR), UART_SPI);
	raise(false);
	end(UART_SPI);
	check_eq("level-gone", cpu(GICC_IAR), NONE);
	raise(true);
	raise(false);
	check_eq("level-not-remembered", cpu(GICC_IAR), NONE);
	set_bit(GICD_ISPENDR, UART_SPI);
	check_eq("level-by-write", cpu(GICC_IAR), UART_SPI);
	end(UART_SPI);
	check_eq("level-by-write-once", cpu(GICC_IAR), NONE);

	disable_interrupt(UART_SPI);
	set_edge(UART_SPI, true);
	set_bit(GICD_ISENABLER, UART_SPI);
	raise(true);
	raise(false);
	check_eq("edge-remembered", bit(GICD_ISPENDR, UART_SPI), 1);
	raise(true);
	check_eq("edge-acknowledged", cpu(GICC_IAR), UART_SPI);
	check_eq("edge-no-longer-pending", bit(GICD_ISPENDR, UART_SPI), 0);
	end(UART_SPI);
	check_eq("edge-once-while-high", cpu(GICC_IAR), NONE);
	raise(false);
	disable_interrupt(UART_SPI);
	set_bit(GICD_ICPENDR, UART_SPI);
	set_edge(UART_SPI, false);
}

static void timer_of(const char *pends, const char *comes, const char *goes, unsigned int ppi, bool virt)
{
	uint32_t iar;

	set_priority(ppi, 0x80);
	enable_interrupt(ppi);
	if (virt) {
		write_sysreg("cntv_cval_el0", now());
		write_sysreg("cntv_ctl_el0", 1);
	} else {
		write_sysreg("cntp_cval_el0", read_sysreg("cntpct_el0"));
		write_sysreg("cntp_ctl_el0", 1);
	}
	check(pends, wait_until(bit(GICD_ISPENDR, ppi)));
	iar = cpu(GICC_IAR);
	check_eq(comes, iar, ppi);
	if (virt)
		write_sysreg("cntv_ctl_el0", 0);
	else
		write_sysreg("cntp_ctl_el0", 0);
	end(iar);
	check(goes, wait_until(!bit(GICD_ISPENDR, ppi)) && cpu(GICC_IAR) == NONE);
	disable_interrupt(ppi);
}

static void timers(void)
{
	fresh();
	timer_of("virtual-timer-pends", "virtual-timer", "virtual-timer-goes", VTIMER_PPI, true);
	timer_of("physical-timer-pends", "physical-timer", "physical-timer-goes", 30, false);
}

/* --- signals: what the CPU takes --- */

static void fiq(void)
{
	unsigned int before = fiqs;

	fresh();
	set_cpu(GICC_CTLR, CTLR_GROUP0 | CTLR_FIQEN);
	make_pending(A, 0x60);
	interrupts(true);
	delay(MOMENT);
	interrupts(false);
	check_eq("fiq-is-no-irq", taken[0][A], 0);
	fast_interrupts(true);
	check("fiq", wait_until(fiqs == before + 1));
	fast_interrupts(false);
	check_eq("fiq-taken", taken[0][A], 1);
	set_cpu(GICC_CTLR, CTLR_GROUP0);
	set_bit(GICD_ISPENDR, A);
	interrupts(true);
	check("irq-without-fiq-enable", wait_until(taken[0][A] == 2));
	interrupts(false);
	check_eq("irq-is-no-fiq", fiqs, before + 1);
}

static unsigned int nested_order;
static volatile unsigned int outer_at, inner_at;

static void inner(void)
{
	inner_at = ++nested_order;
}

/* While it is served, a more urgent one comes. */
static void outer(void)
{
	make_pending(B, 0x20);
	interrupts(true);
	(void)wait_until(inner_at);
	interrupts(false);
	outer_at = ++nested_order;
}

static void nested_handlers(void)
{
	fresh();
	handler[A] = outer;
	handler[B] = inner;
	make_pending(A, 0x80);
	interrupts(true);
	check("outer-handler", wait_until(outer_at));
	interrupts(false);
	check_eq("inner-handler-within", inner_at * 10 + outer_at, 12);
	handler[A] = NULL;
	handler[B] = NULL;
}

/* --- groups --- */

static void group1(unsigned int intid, bool in)
{
	uint32_t at = GICD_IGROUPR + intid / 32 * 4, mask = 1u << intid % 32;

	set_dist(at, in ? dist(at) | mask : dist(at) & ~mask);
}

static void groups(void)
{
	unsigned int before = fiqs;

	if (is_kvm()) {
		skip("groups", "KVM's GICv2 keeps all interrupts in Group 0");
		return;
	}
	fresh();
	group1(A, true);
	check_eq("group", bit(GICD_IGROUPR, A), 1);
	make_pending(A, 0x60);
	check_eq("group-1-not-forwarded", cpu(GICC_IAR), NONE);
	set_dist(GICD_CTLR, CTLR_GROUP0 | CTLR_GROUP1);
	check_eq("group-1-not-signalled", cpu(GICC_IAR), NONE);
	set_cpu(GICC_CTLR, CTLR_GROUP0 | CTLR_GROUP1);
	check_eq("group-1-pending", cpu(GICC_HPPIR), OTHER_GROUP);
	check_eq("group-1-pending-alias", cpu(GICC_AHPPIR), A);
	check_eq("group-1-not-by-iar", cpu(GICC_IAR), OTHER_GROUP);
	check_eq("group-1-by-alias", cpu(GICC_AIAR), A);
	end(A);
	check_eq("group-1-not-by-eoir", cpu(GICC_RPR), 0x60);
	set_cpu(GICC_AEOIR, A);
	check_eq("group-1-ended-by-alias", cpu(GICC_RPR), IDLE);
	make_pending(B, 0x60);
	check_eq("group-0-not-by-alias", cpu(GICC_AIAR), NONE);
	check_eq("group-0-by-iar", cpu(GICC_IAR), B);
	end(B);
	set_cpu(GICC_CTLR, CTLR_GROUP0 | CTLR_GROUP1 | CTLR_ACKCTL);
	make_pending(A, 0x60);
	check_eq("group-1-by-ackctl", cpu(GICC_IAR), A);
	end(A);
	check_eq("group-1-ended-by-ackctl", cpu(GICC_RPR), IDLE);

	/* Group 0 as FIQ, Group 1 as IRQ. */
	set_cpu(GICC_CTLR, CTLR_GROUP0 | CTLR_GROUP1 | CTLR_ACKCTL | CTLR_FIQEN);
	make_pending(A, 0x60);
	make_pending(B, 0x60);
	interrupts(true);
	fast_interrupts(true);
	check("group-1-as-irq", wait_until(taken[0][A] == 4 && taken[0][B] == 2));
	fast_interrupts(false);
	interrupts(false);
	check_eq("group-0-as-fiq", fiqs, before + 1);
	group1(A, false);
}

/* --- several CPUs --- */

static volatile uint32_t seen;

static void look_at_banked(void)
{
	set_bit(GICD_ISENABLER, SGI);
	set_bit(GICD_ICENABLER, VTIMER_PPI);
	write8(GIC_DIST + GICD_IPRIORITYR + SGI, 0x50);
	seen = dist(GICD_ITARGETSR);
}

static unsigned int on_all(unsigned int intid)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < cpus; i++)
		n += taken[i][intid];
	return n;
}

static void several(void)
{
	unsigned int self = taken[0][SGI], before;

	fresh();
	for (unsigned int i = 1; i < cpus; i++) {
		check_eq("cpu-on", (uint64_t)start_cpu(i), PSCI_SUCCESS);
		check("cpu-up", wait_until(is_up(i)));
		set_bit(GICD_ISENABLER, VTIMER_PPI);
		set_priority(SGI, 0x40);
		check("banked", call_on(i, look_at_banked));
		check_eq("banked-targets", seen, 0x01010101u << i);
		check_eq("banked-enable", bit(GICD_ISENABLER, VTIMER_PPI), 1);
		check_eq("banked-priority", read8(GIC_DIST + GICD_IPRIORITYR + SGI), 0x40);
	}
	disable_interrupt(VTIMER_PPI);

	interrupts(true);
	set_dist(GICD_SGIR, 1u << 24 | SGI);
	check("sgi-to-others", wait_until(on_all(SGI) - taken[0][SGI] == cpus - 1));
	delay(MOMENT);
	check_eq("sgi-not-to-self", taken[0][SGI], self);

	write8(GIC_DIST + GICD_ITARGETSR + B, 2);
	before = taken[1][B];
	set_bit(GICD_ISPENDR, B);
	check("spi-on-its-target", wait_until(taken[1][B] == before + 1));

	/* For all of them: one takes it. */
	write8(GIC_DIST + GICD_ITARGETSR + C, (uint8_t)((1u << cpus) - 1));
	before = on_all(C);
	for (unsigned int i = 1; i <= 200; i++) {
		set_bit(GICD_ISPENDR, C);
		if (!wait_until(on_all(C) == before + i && !bit(GICD_ISACTIVER, C)))
			break;
	}
	delay(MOMENT);
	settle();
	interrupts(false);
	check_eq("spi-on-one-of-all", on_all(C), before + 200);
	check_eq("spi-taken-once", bit(GICD_ISPENDR, C), 0);
}

void guest_main(void)
{
	cpus = (unsigned int)option_number("cpus", 1);
	print("INFO %s\n", is_kvm() ? "KVM's GICv2" : "GICv2 in userspace");
	inputs();
	timers();
	fiq();
	nested_handlers();
	groups();
	if (cpus > 1)
		several();
}
