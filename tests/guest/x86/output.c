// SPDX-License-Identifier: BSD-2-Clause
/*
 * Writes "lines=N" numbered lines of 64 bytes as fast as the transmitter takes them, in chunks of its
 * FIFO, while a timer ticks: a reader who is slow must not stop the guest. Says how many ticks it
 * has seen while the transmitter was full.
 */
#include "guest.h"

#define COM1     0x3f8
#define COM1_FCR 0x3fa
#define COM1_LSR 0x3fd
#define LSR_THRE 0x20
#define FIFO     16
#define LINE     64
#define DIGITS   8

#define TICK VECTOR(5)

static char line[LINE + 1] = "00000000 The five boxing wizards jump quickly; how vexingly so!\n";

static void count_up(void)
{
	for (unsigned int i = DIGITS; i-- && line[i]++ == '9';)
		line[i] = '0';
}

static void send(const char *from)
{
	uint64_t count = FIFO;

	__asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"((uint16_t)COM1) : "memory");
}

void guest_main(void)
{
	uint64_t lines = option_number("lines", 16);
	unsigned int blocked = 0;

	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | TICK);
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	apic_write(APIC_TIMER_INITIAL, 5000000);
	outb(COM1_FCR, 1);
	sti();
	for (uint64_t i = 0; i < lines; i++) {
		for (unsigned int at = 0; at < LINE; at += FIFO) {
			unsigned int before = taken[0][TICK];

			while (!(inb(COM1_LSR) & LSR_THRE))
				pause();
			blocked += taken[0][TICK] - before;
			send(line + at);
		}
		count_up();
	}
	apic_write(APIC_TIMER_INITIAL, 0);
	print("INFO ticks-while-blocked %u\n", blocked);
}
