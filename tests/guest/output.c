// SPDX-License-Identifier: BSD-2-Clause
/*
 * Writes "lines=N" numbered lines of 64 bytes as fast as the transmitter takes them, in chunks of its
 * FIFO, while a timer ticks: a reader who is slow must not stop the guest. Says how many ticks it
 * has seen while the transmitter was full.
 */
#include "machine.h"

#define FIFO   16
#define LINE   64
#define DIGITS 8

static char line[LINE + 1] = "00000000 The five boxing wizards jump quickly; how vexingly so!\n";

static void count_up(void)
{
	for (unsigned int i = DIGITS; i-- && line[i]++ == '9';)
		line[i] = '0';
}

void guest_main(void)
{
	uint64_t lines = option_number("lines", 16);
	unsigned int blocked = 0;

	uart_write(UART_IIR, FCR_FIFOS);
	start_ticks();
	interrupts(true);
	for (uint64_t i = 0; i < lines; i++) {
		for (unsigned int at = 0; at < LINE; at += FIFO) {
			unsigned int before = ticks();

			while (!(uart_read(UART_LSR) & LSR_THRE))
				;
			blocked += ticks() - before;
			uart_send(line + at, FIFO);
		}
		count_up();
	}
	interrupts(false);
	stop_ticks();
	print("INFO ticks-while-blocked %u\n", blocked);
}
