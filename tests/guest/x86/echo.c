// SPDX-License-Identifier: BSD-2-Clause
/* Sends back what it receives, by interrupt and asleep in between, up to an ASCII EOT. */
#include "guest.h"

#define IOAPIC     0xfec00000ULL /* docs/machine.md */
#define SERIAL_PIN 4
#define RTE_LEVEL  0x8000

#define COM1     0x3f8
#define COM1_IER 0x3f9
#define COM1_FCR 0x3fa
#define COM1_MCR 0x3fc
#define COM1_LSR 0x3fd

#define IER_RX 1
#define FCR_ON 0xc1 /* FIFOs, an interrupt at 14 bytes or after a pause */
#define MCR_ON 0x0b /* DTR, RTS, OUT2 */
#define LSR_DR 1
#define END    4 /* EOT */

#define LINE VECTOR(6)

static volatile bool done;
static volatile unsigned int received;

static void on_line(struct frame *f)
{
	(void)f;
	while (!done && (inb(COM1_LSR) & LSR_DR)) {
		char c = (char)inb(COM1);

		if (c == END) {
			done = true;
			outb(COM1_IER, 0);
		} else {
			received++;
			put_char(c);
		}
	}
	eoi();
}

void guest_main(void)
{
	handler[LINE] = on_line;
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	mmio_write(IOAPIC, 0x10 + 2 * SERIAL_PIN + 1);
	mmio_write(IOAPIC + 0x10, 0);
	mmio_write(IOAPIC, 0x10 + 2 * SERIAL_PIN);
	mmio_write(IOAPIC + 0x10, RTE_LEVEL | LINE);
	outb(COM1_FCR, FCR_ON);
	outb(COM1_MCR, MCR_ON);
	print("READY\n");
	outb(COM1_IER, IER_RX);
	while (!done) {
		sti_hlt();
		cli();
	}
	print("\nINFO received %u\n", received);
	check("by-interrupt", taken[0][LINE] > 0);
}
