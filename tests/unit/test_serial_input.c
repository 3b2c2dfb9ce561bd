// SPDX-License-Identifier: BSD-2-Clause
/*
 * What the serial port receives, against the data sheet of the PC16550D (section titles in quotes are
 * its own) and against what drivers do: nothing that the host has is lost on the way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/serial_rig.h"

/* --- input --- */

static void test_input_one_byte_at_a_time(void **state)
{
	(void)state;
	out(MCR, DTR | RTS | OUT2);
	out(IER, ERBFI);
	fake_chardev_type(&rig.console, "abc");
	assert_true(rig_line(&rig));
	assert_int_equal(fake_chardev_waiting(&rig.console), 2); /* no FIFO: the rest waits in the host */
	assert_int_equal(in(IIR), 0x04);
	assert_int_equal(in(IIR), 0x04); /* reading IIR does not reset it */
	assert_true(in(LSR)&DR);
	assert_int_equal(in(RBR), 'a');
	assert_true(rig_line(&rig));
	assert_int_equal(in(RBR), 'b');
	assert_int_equal(in(RBR), 'c');
	assert_false(rig_line(&rig));
	assert_int_equal(in(IIR), 0x01);
	assert_int_equal(in(RBR), 0);
	assert_false(in(LSR) & (DR | OE));
}

/* "FIFO Control Register": trigger levels of 1, 4, 8 and 14 bytes. */
static void test_trigger_levels(void **state)
{
	static const unsigned int level[] = { 1, 4, 8, 14 };

	(void)state;
	out(MCR, DTR | RTS | OUT2);
	out(IER, ERBFI);
	for (unsigned int i = 0; i < 4; i++) {
		out(FCR, (uint8_t)(FIFO_ON | RX_RESET | i << 6));
		for (unsigned int n = 1; n <= 16; n++) {
			fake_chardev_type(&rig.console, "x");
			assert_int_equal(in(IIR), n >= level[i] ? 0xc4 : 0xcc);
			assert_true(rig_line(&rig));
		}
		for (unsigned int n = 16; n-- > 0;) {
			assert_int_equal(in(RBR), 'x');
			assert_int_equal(in(IIR), n >= level[i] ? 0xc4 : n ? 0xcc : 0xc1);
			assert_int_equal(rig_line(&rig), n > 0);
		}
	}
}

/* Much more than fits: nothing is lost, nothing is taken before there is room. */
static void test_input_waits_in_the_host(void **state)
{
	(void)state;
	out(FCR, FIFO_ON);
	out(MCR, DTR | RTS);
	fake_chardev_type(&rig.console, "0123456789abcdefghijklmnopqrstuvwxyzABCD");
	assert_int_equal(fake_chardev_waiting(&rig.console), 24);
	assert_int_equal(in(RBR), '0');
	assert_int_equal(fake_chardev_waiting(&rig.console), 23);
	assert_input("123456789abcdefghijklmnopqrstuvwxyzABCD");
	assert_false(in(LSR)&OE);
}

/* The host is not asked again and again for input it does not have. */
static void test_idle_polling_is_cheap(void **state)
{
	unsigned int asked;

	(void)state;
	out(MCR, DTR | RTS);
	in(LSR);
	asked = rig.console.asked;
	for (int i = 0; i < 100; i++) {
		in(LSR);
		in(RBR);
	}
	assert_int_equal(rig.console.asked, asked);
	fake_chardev_type(&rig.console, "y");
	assert_input("y");
}

static void test_handshake(void **state)
{
	(void)state;
	out(FCR, FIFO_ON);
	out(MCR, DTR);
	out(IER, ERBFI);
	fake_chardev_type(&rig.console, "hello");
	assert_false(in(LSR)&DR); /* not ready to receive */
	assert_int_equal(in(IIR), 0xc1);
	out(MCR, DTR | RTS);
	assert_int_equal(in(IIR), 0xc4);
	assert_input("hello");
	out(MCR, 0);
	fake_chardev_type(&rig.console, "again");
	assert_false(in(LSR)&DR);
	assert_int_equal(fake_chardev_waiting(&rig.console), 5);
	out(MCR, RTS);
	assert_input("again");
}

/* A guest that knows nothing of DTR and RTS and polls. */
static void test_no_handshake_polling(void **state)
{
	(void)state;
	fake_chardev_type(&rig.console, "hi");
	out(FCR, FIFO_ON | RX_RESET);
	assert_int_equal(fake_chardev_waiting(&rig.console), 2);
	assert_input("hi");
}

/* Input from before the port was there, of which nobody told it. */
static void test_input_before_the_port(void **state)
{
	struct rig late;

	(void)state;
	rig_init(&late);
	fake_chardev_feed(&late.console, "!", 1);
	rig_plug(&late, &serial_class, 0, 8, 0);
	assert_int_equal(rig_read(&late, LSR, 1), EMPTY | DR);
	assert_int_equal(rig_read(&late, RBR, 1), '!');
	rig_finish(&late);
}

/* The same as by polling, with interrupts. */
static void test_no_handshake_interrupt(void **state)
{
	(void)state;
	fake_chardev_type(&rig.console, "hi");
	out(MCR, OUT2);
	out(IER, ETBEI | ELSI);
	assert_int_equal(in(RBR), 0);
	assert_int_equal(fake_chardev_waiting(&rig.console), 2); /* nobody has looked yet */
	out(IER, ERBFI);
	assert_true(rig_line(&rig));
	assert_int_equal(in(IIR), 0x04);
	assert_int_equal(in(RBR), 'h');
	assert_int_equal(in(RBR), 'i');
	assert_int_equal(in(RBR), 0);
}

/*
 * What Linux does to the port from the first console message to a shell that reads. Whatever was
 * piped in before must come out whole, though the driver clears the receiver more than once.
 */
static void test_piped_input_survives_driver_start(void **state)
{
	(void)state;
	fake_chardev_type(&rig.console, "echo piped; poweroff\n");
	/* the console: line settings, DTR, output by polling */
	out(LCR, 0x13);
	out(FCR, FIFO_ON);
	out(FCR, FIFO_ON | 0x80);
	out(MCR, DTR);
	while (!(in(LSR)&EMPTY))
		;
	out(THR, '#');
	/* the probe: loopback, identification */
	out(MCR, LOOP | RTS | OUT2);
	assert_int_equal(in(MSR)&0xf0, 0x90);
	out(MCR, DTR);
	out(FCR, FIFO_ON);
	assert_int_equal(in(IIR) >> 6, 3);
	out(FCR, FIFO_ON | RX_RESET | TX_RESET);
	out(FCR, 0);
	in(RBR);
	/* opening the port */
	out(FCR, FIFO_ON);
	out(FCR, FIFO_ON | RX_RESET | TX_RESET);
	out(FCR, 0);
	in(LSR);
	in(RBR);
	in(IIR);
	in(MSR);
	out(LCR, 3);
	out(MCR, DTR | OUT2);
	out(IER, ETBEI);
	in(LSR);
	in(IIR);
	out(IER, 0);
	in(LSR);
	in(RBR);
	out(IER, ERBFI | ELSI);
	out(FCR, FIFO_ON);
	out(FCR, FIFO_ON | 0x80);
	out(MCR, DTR | OUT2);
	assert_false(rig_line(&rig));
	out(MCR, DTR | RTS | OUT2);
	assert_true(rig_line(&rig));
	assert_input("echo piped; poweroff\n");
	assert_output("#");
}

/* --- FIFO control --- */

static void test_fifo_bits_need_bit_0(void **state)
{
	(void)state;
	out(MCR, DTR | RTS);
	fake_chardev_type(&rig.console, "a");
	out(FCR, 0xc0 | RX_RESET | TX_RESET); /* "must be a 1 when other FCR bits are written to" */
	assert_int_equal(in(IIR), 0x01);
	assert_input("a");
}

static void test_fifo_switch_clears_both(void **state)
{
	(void)state;
	for (int mode = 1; mode >= 0; mode--) {
		out(FCR, (uint8_t)!mode);
		rig.console.room = 0;
		out(THR, 'x');
		out(MCR, LOOP);
		out(THR, 'y'); /* received */
		out(MCR, 0);
		assert_true(in(LSR)&DR);
		assert_false(in(LSR)&EMPTY);
		out(FCR, (uint8_t)mode);
		assert_int_equal(in(LSR), EMPTY);
		fake_chardev_make_room(&rig.console, SIZE_MAX);
		assert_output("");
	}
}

static void test_fifo_resets(void **state)
{
	(void)state;
	out(MCR, DTR | RTS | OUT2);
	out(FCR, FIFO_ON);
	out(IER, ETBEI);
	in(IIR);
	rig.console.room = 0;
	write_text("lost");
	fake_chardev_type(&rig.console, "kept");
	assert_false(rig_line(&rig));
	out(FCR, FIFO_ON | 0x40); /* neither */
	assert_int_equal(in(LSR), DR);

	out(FCR, FIFO_ON | TX_RESET);
	assert_int_equal(in(LSR), EMPTY | DR);
	assert_true(rig_line(&rig)); /* THR became empty */
	assert_int_equal(in(IIR), 0xc2);
	fake_chardev_make_room(&rig.console, SIZE_MAX);
	assert_output("");

	out(FCR, FIFO_ON | TX_RESET); /* it was empty already: no event */
	assert_int_equal(in(IIR), 0xc1);
	out(FCR, FIFO_ON | RX_RESET);
	assert_int_equal(in(LSR), EMPTY);
}

/* --- overrun --- */

/* "Line Status Register" bit 1, with one register: the new character destroys the old. */
static void test_overrun_without_fifo(void **state)
{
	(void)state;
	out(MCR, LOOP);
	write_text("ab");
	assert_int_equal(in(LSR), EMPTY | DR | OE);
	assert_int_equal(in(LSR), EMPTY | DR); /* reset by reading */
	assert_int_equal(in(RBR), 'b');
}

/* With FIFOs: only when it is full; what is in it stays, the new character is lost. */
static void test_overrun_with_fifo(void **state)
{
	(void)state;
	out(FCR, FIFO_ON);
	out(MCR, LOOP);
	write_text("0123456789abcdef");
	assert_int_equal(in(LSR), EMPTY | DR);
	write_text("XY");
	assert_int_equal(in(LSR), EMPTY | DR | OE);
	assert_input("0123456789abcdef");
}

/* --- BREAK: "Line Status Register", bits 4 and 7 --- */

enum {
	BI = 0x10,
	ERROR_IN_FIFO = 0x80,
};

static void send_break(void)
{
	rig.console.chr.broken(rig.console.chr.ctx);
}

static void test_break(void **state)
{
	(void)state;
	out(MCR, DTR | RTS | OUT2);
	out(IER, ELSI);
	send_break();
	assert_true(rig_line(&rig));
	assert_int_equal(in(IIR), 0x06); /* "Interrupt Control Functions": receiver line status */
	assert_int_equal(in(LSR), EMPTY | DR | BI);
	assert_false(rig_line(&rig));
	assert_int_equal(in(LSR), EMPTY | DR); /* told once */
	assert_int_equal(in(RBR), 0);
	assert_int_equal(in(LSR), EMPTY);
}

/* It is told when its zero character is the next one: "at the top of the FIFO". */
static void test_break_among_input(void **state)
{
	(void)state;
	out(FCR, FIFO_ON);
	out(MCR, DTR | RTS | OUT2);
	fake_chardev_type(&rig.console, "a");
	send_break();
	fake_chardev_type(&rig.console, "h");
	assert_int_equal(in(LSR), EMPTY | DR | ERROR_IN_FIFO);
	assert_int_equal(in(RBR), 'a');
	assert_int_equal(in(LSR), EMPTY | DR | BI | ERROR_IN_FIFO);
	assert_int_equal(in(RBR), 0);
	assert_int_equal(in(LSR), EMPTY | DR);
	assert_int_equal(in(RBR), 'h');
}

static void test_break_that_nobody_looks_at(void **state)
{
	(void)state;
	out(FCR, FIFO_ON);
	out(MCR, DTR | RTS | OUT2);
	send_break();
	assert_int_equal(in(RBR), 0);
	assert_int_equal(in(LSR), EMPTY);
	send_break();
	out(FCR, FIFO_ON | RX_RESET);
	assert_int_equal(in(LSR), EMPTY);
	for (int i = 0; i < 20; i++) /* more than there is room for */
		send_break();
	assert_int_equal(in(LSR), EMPTY | DR | BI | OE | ERROR_IN_FIFO);
	out(FCR, FIFO_ON | RX_RESET);
	out(MCR, LOOP); /* "the receiver Serial Input is disconnected" */
	send_break();
	assert_int_equal(in(LSR), EMPTY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_input_one_byte_at_a_time),
		TEST(test_trigger_levels),
		TEST(test_input_waits_in_the_host),
		TEST(test_idle_polling_is_cheap),
		TEST(test_handshake),
		TEST(test_no_handshake_polling),
		TEST(test_input_before_the_port),
		TEST(test_no_handshake_interrupt),
		TEST(test_piped_input_survives_driver_start),
		TEST(test_fifo_bits_need_bit_0),
		TEST(test_fifo_switch_clears_both),
		TEST(test_fifo_resets),
		TEST(test_overrun_without_fifo),
		TEST(test_overrun_with_fifo),
		TEST(test_break),
		TEST(test_break_among_input),
		TEST(test_break_that_nobody_looks_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
