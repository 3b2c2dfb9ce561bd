// SPDX-License-Identifier: BSD-2-Clause
/* Sends back what it receives, by interrupt and asleep in between, up to an ASCII EOT. */
#include "machine.h"

#define END_OF_TRANSMISSION 4

static volatile bool done;
static volatile unsigned int received, interrupted;

static void serve(void)
{
	interrupted++;
	while (!done && (uart_read(UART_LSR) & LSR_DR)) {
		uint8_t byte = uart_read(UART_DATA);

		if (byte == END_OF_TRANSMISSION) {
			done = true;
			uart_write(UART_IER, 0);
		} else {
			received++;
			put_char((char)byte);
		}
	}
}

void guest_main(void)
{
	on_uart(serve);
	uart_write(UART_IIR, FCR_FIFOS | FCR_TRIGGER_14);
	uart_write(UART_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
	print("READY\n");
	uart_write(UART_IER, IER_RX);
	while (!done)
		sleep_until_interrupt();
	print("\nINFO received %u\n", received);
	check("by-interrupt", interrupted > 0);
}
