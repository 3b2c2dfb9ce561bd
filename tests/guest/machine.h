/* SPDX-License-Identifier: BSD-2-Clause */
/* What guests for both architectures need of a machine, beyond a console to speak on. */
#ifndef GUEST_MACHINE_H
#define GUEST_MACHINE_H

#include "check.h"

/* Registers of the serial port, and their bits (National Semiconductor, PC16550D data sheet). */
enum {
	UART_DATA = 0,
	UART_IER = 1,
	UART_IIR = 2, /* FCR on write */
	UART_LCR = 3,
	UART_MCR = 4,
	UART_LSR = 5,
	UART_SCR = 7,

	IER_RX = 1,
	IER_THRE = 2,
	FCR_FIFOS = 0x01,
	FCR_TRIGGER_14 = 0xc0,
	MCR_DTR = 1,
	MCR_RTS = 2,
	MCR_OUT2 = 8, /* connects the interrupt */
	LSR_DR = 1,
	LSR_BI = 0x10,
	LSR_THRE = 0x20,
};

uint8_t uart_read(unsigned int reg);
void uart_write(unsigned int reg, uint8_t value);
/* `n` bytes to the transmitter, which must have room for them. */
void uart_send(const char *from, unsigned int n);

/* LSR_BI if put_char() has read it, which clears it: who receives bytes takes it for the next one's, and clears this. */
extern volatile uint8_t uart_break;

/* Has this CPU call `run` for each interrupt of the serial port, which is level-triggered. */
void on_uart(void (*run)(void));

/* Registers of the first virtio-mmio slot. */
uint32_t slot_read(uint32_t reg);
void slot_write(uint32_t reg, uint32_t value);

/* Has this CPU call `run` for each interrupt of that slot, which is edge-triggered. */
void on_slot(void (*run)(void));

/* What was written and read before comes before what is from here on, for devices too. */
void memory_order(void);

/* Turns interrupts on, sleeps until one has been served, and turns them off. */
void sleep_until_interrupt(void);

/* Interrupts on or off. */
void interrupts(bool on);

/* Begins, or ends, to count some milliseconds each, by interrupts of the CPU's own timer. */
void start_ticks(void);
void stop_ticks(void);
unsigned int ticks(void);

/* Non-maskable interrupts that this CPU has taken; 0 where there are none. */
unsigned int nmis(void);

#endif
