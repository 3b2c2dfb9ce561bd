// SPDX-License-Identifier: BSD-2-Clause
/*
 * For those who control a VM from outside: says a line every ten ticks of its CPU's timer, for ever, and what it
 * receives: keys, keys behind a BREAK, and NMIs.
 */
#include "machine.h"

enum {
	IER_LINE = 4,
};

static volatile bool broken;

static void serve(void)
{
	uint8_t lsr;

	while ((lsr = uart_read(UART_LSR) | uart_break) & LSR_DR) {
		uint8_t byte = uart_read(UART_DATA);

		uart_break = 0;
		if (!(lsr & LSR_BI))
			print(broken ? "SYSRQ %c\n" : "GOT %c\n", byte);
		broken = lsr & LSR_BI;
	}
}

void guest_main(void)
{
	unsigned int told = 0, seen = 0;

	on_uart(serve);
	uart_write(UART_IIR, FCR_FIFOS);
	uart_write(UART_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
	uart_write(UART_IER, IER_RX | IER_LINE);
	print("READY\n");
	start_ticks();
	for (;;) {
		sleep_until_interrupt();
		if (ticks() / 10 > told)
			print("TICKS %u\n", ++told * 10);
		for (; seen < nmis(); seen++)
			print("NMI\n");
	}
}
