/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One serial port with a console, as its tests use it. Registers and bits are named as in the data
 * sheet of the PC16550D.
 */
#ifndef VIREO_TESTS_UNIT_SERIAL_RIG_H
#define VIREO_TESTS_UNIT_SERIAL_RIG_H

#include "devices/classes.h"
#include "tests/unit/fake.h"

/* "Table II. Summary of Registers" */
enum {
	RBR = 0,
	THR = 0,
	DLL = 0,
	IER = 1,
	DLM = 1,
	IIR = 2,
	FCR = 2,
	LCR = 3,
	MCR = 4,
	LSR = 5,
	MSR = 6,
	SCR = 7,

	ERBFI = 1,
	ETBEI = 2,
	ELSI = 4,
	EDSSI = 8,

	FIFO_ON = 0x01,
	RX_RESET = 0x02,
	TX_RESET = 0x04,

	DTR = 0x01,
	RTS = 0x02,
	OUT1 = 0x04,
	OUT2 = 0x08,
	LOOP = 0x10,

	DR = 0x01,
	OE = 0x02,
	EMPTY = 0x60, /* THRE and TEMT */

	LINES_UP = 0xb0, /* DCD, DSR, CTS: the console is always there */
};

static struct rig rig; /* one test program each, one port at a time */

static inline uint8_t in(unsigned int reg)
{
	return (uint8_t)rig_read(&rig, reg, 1);
}

static inline void out(unsigned int reg, uint8_t value)
{
	rig_write(&rig, reg, 1, value);
}

static inline int setup(void **state)
{
	(void)state;
	rig_init(&rig);
	rig_plug(&rig, &serial_class, 0x3f8, 8, 4);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	rig_finish(&rig);
	return 0;
}

static inline void assert_output(const char *text)
{
	assert_int_equal(rig.console.out_len, strlen(text));
	assert_memory_equal(rig.console.out, text, strlen(text));
}

static inline void write_text(const char *text)
{
	while (*text)
		out(THR, (uint8_t)*text++);
}

/* Reads while LSR says there is data. */
static inline void assert_input(const char *text)
{
	for (; *text; text++) {
		assert_true(in(LSR)&DR);
		assert_int_equal(in(RBR), *text);
	}
	assert_false(in(LSR)&DR);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
