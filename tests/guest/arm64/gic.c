// SPDX-License-Identifier: BSD-2-Clause
/*
 * Interrupts on one CPU: SGIs, the virtual timer's PPI, the serial port's SPI, which is level-triggered.
 * "irqs=N" says how many INTIDs there are.
 */
#include "guest.h"

#define SGI 5

static unsigned int count(unsigned int intid)
{
	return taken[0][intid];
}

static void identification(void)
{
	uint32_t typer = read32(GIC_DIST + 4);

	check_eq("number-of-interrupts", ((typer & 0x1f) + 1) * 32, option_number("irqs", 0));
	check_eq("implementer-is-arm", read32(GIC_DIST + 8) & 0xfff, 0x43b);
}

static void self_sgi(void)
{
	enable_interrupt(SGI);
	send_sgi(SGI, 0);
	delay(MOMENT);
	check_eq("sgi-held-back-while-masked", count(SGI), 0);
	check("sgi-pending", is_pending(SGI));
	interrupts(true);
	check("sgi", wait_until(count(SGI) == 1));
	interrupts(false);
	check("sgi-not-pending", !is_pending(SGI));
	disable_interrupt(SGI);
	send_sgi(SGI, 0);
	interrupts(true);
	delay(MOMENT);
	check_eq("sgi-disabled", count(SGI), 1);
	enable_interrupt(SGI);
	check("sgi-enabled-again", wait_until(count(SGI) == 2));
	interrupts(false);
}

static volatile uint64_t when;

static void stop_timer(void)
{
	when = now();
	write_sysreg("cntv_ctl_el0", 0);
}

static void timer(void)
{
	uint64_t begin = now();

	handler[VTIMER_PPI] = stop_timer;
	enable_interrupt(VTIMER_PPI);
	write_sysreg("cntv_cval_el0", begin + MOMENT);
	write_sysreg("cntv_ctl_el0", 1);
	while (!count(VTIMER_PPI))
		sleep_until_interrupt();
	check_range("timer-not-early", when - begin, MOMENT, UINT64_MAX);
	check_eq("timer-once", count(VTIMER_PPI), 1);

	/* Masked at the timer: it ticks silently. */
	write_sysreg("cntv_cval_el0", now());
	write_sysreg("cntv_ctl_el0", 3);
	interrupts(true);
	delay(MOMENT);
	check_eq("timer-masked", count(VTIMER_PPI), 1);
	check_eq("timer-status", read_sysreg("cntv_ctl_el0"), 7);
	write_sysreg("cntv_ctl_el0", 1);
	check("timer-unmasked", wait_until(count(VTIMER_PPI) == 2));
	interrupts(false);
}

static void many_ticks(void)
{
	unsigned int before = ticks();

	start_ticks();
	while (ticks() < before + 50)
		sleep_until_interrupt();
	stop_ticks();
	check("wfi-woken-by-50-ticks", true);
}

/* --- the serial port: its line is high while "transmitter empty" is enabled and not looked at --- */

static unsigned int keep_high_for;

static void lower_line(void)
{
	if (keep_high_for)
		keep_high_for--;
	else
		uart_write(UART_IER, 0);
}

static void raise_line(void)
{
	uart_write(UART_IER, IER_THRE);
}

static void spi(void)
{
	unsigned int masked;

	on_uart(lower_line);
	uart_write(UART_MCR, MCR_OUT2);
	interrupts(true);
	raise_line();
	(void)wait_until(count(UART_SPI) == 1);
	delay(MOMENT);
	check_eq("spi", count(UART_SPI), 1);

	keep_high_for = 3;
	raise_line();
	(void)wait_until(count(UART_SPI) == 5);
	delay(MOMENT);
	check_eq("spi-again-while-high", count(UART_SPI), 5);

	disable_interrupt(UART_SPI);
	raise_line();
	delay(MOMENT);
	masked = count(UART_SPI);
	enable_interrupt(UART_SPI);
	(void)wait_until(count(UART_SPI) == 6);
	interrupts(false);
	check_eq("spi-disabled", masked, 5);
	check_eq("spi-enabled-while-high", count(UART_SPI), 6);

	raise_line();
	wfi(); /* wakes with interrupts masked, too */
	uart_write(UART_IER, 0);
	interrupts(true);
	delay(MOMENT);
	interrupts(false);
	check_eq("spi-gone-before-it-was-taken", count(UART_SPI), 6);
}

void guest_main(void)
{
	identification();
	self_sgi();
	timer();
	many_ticks();
	spi();
}
