// SPDX-License-Identifier: BSD-2-Clause
/*
 * The PC's keyboard controller (IBM, "Personal System/2 Hardware Interface Technical Reference",
 * "Keyboard and Auxiliary Device Controller") with nothing plugged in. It is there for its output
 * port, whose bit 0 resets the machine. Every command that asks something is answered, so that a
 * guest that looks for a keyboard or a mouse finds out that there is none without waiting.
 */
#include "devices/classes.h"

enum {
	PORT_DATA = 0,    /* 0x60 */
	PORT_COMMAND = 4, /* 0x64; status on read */

	STATUS_OUTPUT_FULL = 0x01,
	STATUS_SYSTEM = 0x04,   /* the same bit of the command byte */
	STATUS_COMMAND = 0x08,  /* the last byte written was a command */
	STATUS_UNLOCKED = 0x10, /* no keyboard lock */
	STATUS_TIMEOUT = 0x40,  /* the device did not answer */
	/* Bit 1, input buffer full, is never set: every byte is dealt with when it is written. */

	COMMAND_BYTE_SYSTEM = 0x04,
	COMMAND_BYTE_KEYBOARD_OFF = 0x10,
	COMMAND_BYTE_AUX_OFF = 0x20,

	READ_COMMAND_BYTE = 0x20,
	WRITE_COMMAND_BYTE = 0x60,
	AUX_DISABLE = 0xa7,
	AUX_ENABLE = 0xa8,
	AUX_TEST = 0xa9,
	SELF_TEST = 0xaa,
	KEYBOARD_TEST = 0xab,
	KEYBOARD_DISABLE = 0xad,
	KEYBOARD_ENABLE = 0xae,
	READ_OUTPUT_PORT = 0xd0,
	WRITE_OUTPUT_PORT = 0xd1,
	WRITE_KEYBOARD_BUFFER = 0xd2,
	WRITE_AUX_BUFFER = 0xd3,
	WRITE_AUX_DEVICE = 0xd4,
	PULSE_OUTPUT_PORT = 0xf0, /* to 0xff: the low bits that are 0 are pulsed low */

	OUTPUT_PORT_RUN = 0x01, /* low: the processor is reset */

	SELF_TEST_PASSED = 0x55,
	CLOCK_STUCK_LOW = 0x01, /* interface test: nothing there */
	DEVICE_TIMED_OUT = 0xfe,
};

struct i8042 {
	struct device dev;
	uint8_t status; /* the changing bits: OUTPUT_FULL, COMMAND, TIMEOUT */
	uint8_t output; /* the output buffer */
	uint8_t command_byte;
	uint8_t output_port;
	uint8_t waiting; /* the command that the next data byte belongs to, or 0: for the keyboard */
};

static void answer(struct i8042 *k, uint8_t byte)
{
	k->output = byte;
	k->status = (k->status & ~STATUS_TIMEOUT) | STATUS_OUTPUT_FULL;
}

static void set_output_port(struct i8042 *k, uint8_t value)
{
	if (!(value & OUTPUT_PORT_RUN))
		k->dev.host->event(k->dev.host->ctx, GUEST_RESET);
	k->output_port = value | OUTPUT_PORT_RUN;
}

static void command(struct i8042 *k, uint8_t value)
{
	k->waiting = 0;
	switch (value) {
	case READ_COMMAND_BYTE:
		answer(k, k->command_byte);
		break;
	case AUX_DISABLE:
		k->command_byte |= COMMAND_BYTE_AUX_OFF;
		break;
	case AUX_ENABLE:
		k->command_byte &= ~COMMAND_BYTE_AUX_OFF;
		break;
	case KEYBOARD_DISABLE:
		k->command_byte |= COMMAND_BYTE_KEYBOARD_OFF;
		break;
	case KEYBOARD_ENABLE:
		k->command_byte &= ~COMMAND_BYTE_KEYBOARD_OFF;
		break;
	case SELF_TEST:
		answer(k, SELF_TEST_PASSED);
		break;
	case AUX_TEST:
	case KEYBOARD_TEST:
		answer(k, CLOCK_STUCK_LOW);
		break;
	case READ_OUTPUT_PORT:
		answer(k, k->output_port);
		break;
	case WRITE_COMMAND_BYTE:
	case WRITE_OUTPUT_PORT:
	case WRITE_KEYBOARD_BUFFER:
	case WRITE_AUX_BUFFER:
	case WRITE_AUX_DEVICE:
		k->waiting = value;
		break;
	default:
		if (value >= PULSE_OUTPUT_PORT && !(value & OUTPUT_PORT_RUN))
			k->dev.host->event(k->dev.host->ctx, GUEST_RESET);
	}
}

static void data(struct i8042 *k, uint8_t value)
{
	uint8_t to = k->waiting;

	k->waiting = 0;
	switch (to) {
	case WRITE_COMMAND_BYTE:
		k->command_byte = value;
		break;
	case WRITE_OUTPUT_PORT:
		set_output_port(k, value);
		break;
	case WRITE_KEYBOARD_BUFFER:
	case WRITE_AUX_BUFFER: /* there is no auxiliary port: the byte is not marked as its */
		answer(k, value);
		break;
	default:
		answer(k, DEVICE_TIMED_OUT);
		k->status |= STATUS_TIMEOUT;
	}
}

static bool i8042_read(struct device *dev, uint64_t offset, unsigned int size, uint64_t *value)
{
	struct i8042 *k = (struct i8042 *)dev;

	(void)size; /* always 1 */
	switch (offset) {
	case PORT_DATA:
		*value = k->output;
		k->status &= ~(STATUS_OUTPUT_FULL | STATUS_TIMEOUT);
		return true;
	case PORT_COMMAND:
		*value = k->status | STATUS_UNLOCKED |
			 (k->command_byte & COMMAND_BYTE_SYSTEM ? STATUS_SYSTEM : 0);
		return true;
	default:
		return false;
	}
}

static bool i8042_write(struct device *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct i8042 *k = (struct i8042 *)dev;

	(void)size; /* always 1 */
	switch (offset) {
	case PORT_DATA:
		k->status &= ~STATUS_COMMAND;
		data(k, value);
		return true;
	case PORT_COMMAND:
		k->status |= STATUS_COMMAND;
		command(k, value);
		return true;
	default:
		return false;
	}
}

static int i8042_create(struct device *dev, const struct device_host *host, struct err *err)
{
	struct i8042 *k = (struct i8042 *)dev;

	(void)host;
	(void)err;
	k->command_byte = COMMAND_BYTE_SYSTEM | COMMAND_BYTE_KEYBOARD_OFF | COMMAND_BYTE_AUX_OFF;
	k->output_port = OUTPUT_PORT_RUN | 0x02; /* bit 1: address line 20 is enabled */
	return 0;
}

const struct device_class i8042_class = {
	.name = "i8042",
	.size = sizeof(struct i8042),
	.access_max = 1,
	.create = i8042_create,
	.read = i8042_read,
	.write = i8042_write,
};
