// SPDX-License-Identifier: BSD-2-Clause
/*
 * The serial port against the data sheet of the PC16550D (section titles in quotes are its own):
 * registers, output, interrupts, loopback. test_serial_input.c has the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/serial_rig.h"

/* --- registers --- */

/* "Table III. UART Reset Configuration" */
static void test_reset_values(void **state)
{
	(void)state;
	assert_int_equal(in(IER), 0);
	assert_int_equal(in(IIR), 1);
	assert_int_equal(in(LCR), 0);
	assert_int_equal(in(MCR), 0);
	assert_int_equal(in(LSR), EMPTY);
	assert_int_equal(in(MSR), LINES_UP);
	assert_int_equal(in(SCR), 0);
	assert_false(rig_line(&rig));
	assert_int_equal(rig.bus.misses, 0);
}

static void test_bits_that_exist(void **state)
{
	(void)state;
	out(IER, 0xff);
	assert_int_equal(in(IER), 0x0f);
	out(MCR, 0xff);
	assert_int_equal(in(MCR), 0x1f);
	out(LCR, 0x7f);
	assert_int_equal(in(LCR), 0x7f);
	for (unsigned int value = 0; value < 256; value++) {
		out(SCR, (uint8_t)value);
		assert_int_equal(in(SCR), value);
	}
}

/* LSR and MSR: "writing to this register is not recommended". */
static void test_status_is_read_only(void **state)
{
	(void)state;
	out(LSR, 0x1f);
	assert_int_equal(in(LSR), EMPTY);
	out(MSR, 0x0f);
	assert_int_equal(in(MSR), LINES_UP);
	assert_int_equal(rig.bus.misses, 0);
}

static void test_divisor_latch(void **state)
{
	(void)state;
	out(IER, 0x05);
	out(LCR, 0x83);
	out(DLL, 0x0c);
	out(DLM, 0x34);
	assert_int_equal(in(DLL), 0x0c);
	assert_int_equal(in(DLM), 0x34);
	assert_output("");
	out(LCR, 0x03);
	assert_int_equal(in(IER), 0x05);
	assert_int_equal(in(RBR), 0);
	out(LCR, 0x83);
	assert_int_equal(in(DLL), 0x0c);
	/* One 16-bit access is two of 8 bits, the divisor's low byte first. */
	rig_write(&rig, DLL, 2, 0xabcd);
	assert_int_equal(in(DLL), 0xcd);
	assert_int_equal(in(DLM), 0xab);
	assert_int_equal(rig_read(&rig, DLL, 2), 0xabcd);
}

/* A window larger than the registers, as on Arm. */
static void test_beyond_the_registers(void **state)
{
	struct rig wide;

	(void)state;
	rig_init(&wide);
	rig_plug(&wide, &serial_class, 0x40000000, 0x1000, 0);
	assert_int_equal(rig_read(&wide, 7, 1), 0);
	assert_int_equal(wide.bus.misses, 0);
	assert_int_equal(rig_read(&wide, 8, 1), rig_unclaimed(1));
	rig_write(&wide, 0xfff, 1, 0);
	assert_int_equal(wide.bus.misses, 2);
	rig_finish(&wide);
}

/* --- output --- */

static void test_output(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		out(THR, (uint8_t)('a' + i % 26));
		assert_int_equal(in(LSR), EMPTY);
	}
	assert_int_equal(rig.console.out_len, 100);
	assert_int_equal(rig.console.out[99], 'a' + 99 % 26);
}

/* Line settings do not garble: the line has none. */
static void test_all_bytes_pass_in_any_setting(void **state)
{
	(void)state;
	for (unsigned int lcr = 0; lcr < 0x80; lcr++) {
		rig.console.out_len = 0;
		out(LCR, (uint8_t)lcr);
		out(THR, (uint8_t)(lcr | 0x80));
		assert_int_equal(rig.console.out_len, 1);
		assert_int_equal(rig.console.out[0], lcr | 0x80);
	}
}

static void test_no_console(void **state)
{
	struct rig mute;

	(void)state;
	rig_init(&mute);
	mute.host.console = NULL;
	rig_plug(&mute, &serial_class, 0x3f8, 8, 4);
	for (int i = 0; i < 100; i++) {
		rig_write(&mute, THR, 1, 'x');
		assert_int_equal(rig_read(&mute, LSR, 1), EMPTY);
	}
	rig_write(&mute, MCR, 1, DTR | RTS | OUT2);
	rig_write(&mute, IER, 1, ERBFI);
	assert_int_equal(rig_read(&mute, IIR, 1), 1);
	assert_int_equal(rig_read(&mute, RBR, 1), 0);
	rig_finish(&mute);
}

static void test_console_belongs_to_the_first_port(void **state)
{
	struct irq_line none = { NULL, 0 };
	struct device *second;
	struct err err;

	(void)state;
	assert_int_equal(device_create(&second, &serial_class, &rig.host, none, 1, &err), 0);
	assert_int_equal(bus_add(&rig.bus, 0x2f8, 8, second), 0);
	bus_write(&rig.bus, 0x2f8, 1, '2');
	assert_output("");
	out(THR, '1');
	assert_output("1");
	device_destroy(second);
	out(THR, '!');
	assert_output("1!");
	assert_non_null(rig.console.chr.readable);
}

/* The host takes no more: nothing blocks, nothing is lost, and the guest can see it. */
static void test_back_pressure(void **state)
{
	(void)state;
	out(FCR, FIFO_ON);
	rig.console.room = 3;
	write_text("0123456789abcdef");
	assert_output("012");
	assert_false(in(LSR)&EMPTY);
	assert_int_equal(rig.console.refused, 1); /* and not asked again for every byte */

	fake_chardev_make_room(&rig.console, 5);
	assert_output("01234567");
	assert_false(in(LSR)&EMPTY);
	write_text("ghi"); /* 8 waiting, 3 more */
	fake_chardev_make_room(&rig.console, 11);
	assert_output("0123456789abcdefghi");
	assert_int_equal(in(LSR)&EMPTY, EMPTY);
}

static void test_back_pressure_of_one_byte(void **state)
{
	(void)state;
	rig.console.room = 0;
	out(THR, 'A');
	assert_int_equal(in(LSR), 0);
	fake_chardev_make_room(&rig.console, 0);
	assert_int_equal(in(LSR), 0);
	fake_chardev_make_room(&rig.console, 1);
	assert_int_equal(in(LSR), EMPTY);
	assert_output("A");
}

/* A guest that does not look at THRE loses what did not fit, as with the real chip; not the rest. */
static void test_guest_overruns_the_transmitter(void **state)
{
	(void)state;
	rig.console.room = 0;
	write_text("AB"); /* one holding register: the later byte replaces the earlier */
	fake_chardev_make_room(&rig.console, SIZE_MAX);
	assert_output("B");

	out(FCR, FIFO_ON);
	rig.console.room = 0;
	write_text("0123456789abcdefXYZ");
	fake_chardev_make_room(&rig.console, SIZE_MAX);
	assert_output("B0123456789abcdef");
	assert_int_equal(in(LSR), EMPTY);
}

static void write_16_bytes(void *ctx)
{
	(void)ctx;
	write_text("0123456789abcdef");
}

/* And it is said, once: a guest cannot fill the log. */
static void test_lost_output_is_logged_once(void **state)
{
	(void)state;
	out(FCR, FIFO_ON);
	rig.console.room = 0;
	assert_int_equal(fake_log_lines(write_16_bytes, NULL, ""), 0);
	assert_int_equal(fake_log_lines(write_16_bytes, NULL, "serial"), 1);
	assert_int_equal(fake_log_lines(write_16_bytes, NULL, ""), 0);
}

static void test_waiting_output_is_offered_at_the_end(void **state)
{
	struct rig last;

	(void)state;
	rig_init(&last);
	rig_plug(&last, &serial_class, 0, 8, 0);
	last.console.room = 0;
	rig_write(&last, THR, 1, '.');
	last.console.room = 1;
	rig_finish(&last);
	assert_int_equal(last.console.out_len, 1);
	assert_null(last.console.chr.readable);
	assert_null(last.console.chr.writable);
	assert_null(last.console.chr.ctx);
}

/* --- transmitter interrupt --- */

/* "Interrupt Control Functions": set by THR empty, reset by reading IIR (if source) or writing THR. */
static void test_thre_interrupt(void **state)
{
	(void)state;
	out(MCR, OUT2);
	assert_false(rig_line(&rig));
	out(IER, ETBEI);
	assert_true(rig_line(&rig));
	assert_int_equal(in(IIR), 0x02);
	assert_false(rig_line(&rig));
	assert_int_equal(in(IIR), 0x01);
	out(THR, 'x');
	assert_true(rig_line(&rig)); /* it went out at once: empty again */
	assert_int_equal(in(IIR), 0x02);
	assert_false(rig_line(&rig));
	in(LSR);
	out(IER, ETBEI); /* enabling what is enabled is no event */
	assert_int_equal(in(IIR), 0x01);
}

/* A driver's test for chips that do not raise it again when it is enabled again. */
static void test_thre_interrupt_reappears_when_enabled_again(void **state)
{
	(void)state;
	out(IER, ETBEI);
	assert_int_equal(in(IIR), 0x02);
	out(IER, 0);
	assert_int_equal(in(IIR), 0x01);
	out(IER, ETBEI);
	assert_int_equal(in(IIR), 0x02);
}

static void test_thre_interrupt_under_back_pressure(void **state)
{
	(void)state;
	out(MCR, OUT2);
	out(FCR, FIFO_ON);
	out(IER, ETBEI);
	assert_true(rig_line(&rig));
	rig.console.room = 0;
	write_text("ab"); /* writing THR resets it, and now THR stays full */
	assert_false(rig_line(&rig));
	assert_int_equal(in(IIR), 0xc1);
	out(IER, 0);
	out(IER, ETBEI); /* enabled while THR is not empty */
	assert_false(rig_line(&rig));
	fake_chardev_make_room(&rig.console, 1);
	assert_false(rig_line(&rig)); /* one of two gone */
	fake_chardev_make_room(&rig.console, 1);
	assert_true(rig_line(&rig));
	assert_int_equal(in(IIR), 0xc2);
	assert_output("ab");
}

static void test_thre_interrupt_needs_enabling(void **state)
{
	(void)state;
	out(MCR, OUT2);
	out(THR, 'x');
	assert_int_equal(in(IIR), 0x01);
	assert_false(rig_line(&rig));
}

/* --- loopback and modem lines --- */

static void test_loopback_data(void **state)
{
	(void)state;
	out(MCR, LOOP);
	out(THR, 0xa5);
	assert_int_equal(in(LSR), EMPTY | DR);
	assert_int_equal(in(RBR), 0xa5);
	assert_int_equal(in(LSR), EMPTY);
	assert_output("");
	out(MCR, 0);
	out(THR, '!');
	assert_output("!");
}

/* The line is disconnected: the host's input waits. */
static void test_loopback_keeps_input_out(void **state)
{
	(void)state;
	out(FCR, FIFO_ON);
	out(MCR, LOOP | DTR | RTS);
	fake_chardev_type(&rig.console, "later");
	assert_false(in(LSR)&DR);
	out(THR, 'L');
	assert_int_equal(in(RBR), 'L');
	out(MCR, DTR | RTS);
	assert_input("later");
}

/* "Modem Control Register" bit 4: DTR, RTS, OUT1, OUT2 are seen as DSR, CTS, RI, DCD. */
static void test_loopback_modem_lines(void **state)
{
	(void)state;
	for (uint8_t mcr = 0; mcr < 16; mcr++) {
		uint8_t lines = (mcr & RTS ? 0x10 : 0) | (mcr & DTR ? 0x20 : 0) | (mcr & OUT1 ? 0x40 : 0) |
				(mcr & OUT2 ? 0x80 : 0);

		out(MCR, LOOP | mcr);
		assert_int_equal(in(MSR)&0xf0, lines);
	}
	out(MCR, 0x0f);
	assert_int_equal(in(MSR)&0xf0, LINES_UP);
}

/* "Modem Status Register": DCTS, DDSR and DDCD on any change, TERI when RI goes away; reset by reading. */
static void test_modem_status_changes(void **state)
{
	(void)state;
	out(MCR, LOOP);
	assert_int_equal(in(MSR), 0x0b); /* the three lines that were up went down */
	assert_int_equal(in(MSR), 0x00);
	out(MCR, LOOP | RTS);
	assert_int_equal(in(MSR), 0x11);
	out(MCR, LOOP | RTS | DTR);
	out(MCR, LOOP | DTR);
	assert_int_equal(in(MSR), 0x23); /* both changes are remembered */
	out(MCR, LOOP | DTR | OUT1);
	assert_int_equal(in(MSR), 0x60); /* ring begins: no event */
	out(MCR, LOOP | DTR);
	assert_int_equal(in(MSR), 0x24); /* ring ends */
	out(MCR, LOOP | DTR | OUT2);
	assert_int_equal(in(MSR), 0xa8);
}

static void test_modem_status_interrupt(void **state)
{
	(void)state;
	out(MCR, LOOP | DTR | RTS | OUT2);
	in(MSR);
	out(IER, EDSSI);
	assert_int_equal(in(IIR), 0x01);
	out(MCR, LOOP | DTR | RTS);
	assert_int_equal(in(IIR), 0x00);
	assert_false(rig_line(&rig)); /* loopback disconnects OUT2 and with it the line */
	out(MCR, OUT2);
	assert_true(rig_line(&rig));
	assert_int_equal(in(MSR), LINES_UP | 0x08);
	assert_false(rig_line(&rig));
	assert_int_equal(in(IIR), 0x01);
}

/* --- priorities --- */

/* "Table IV. Interrupt Control Functions": all four at once, each reset in its own way. */
static void test_priorities(void **state)
{
	(void)state;
	out(FCR, FIFO_ON | 0x40); /* trigger at 4 */
	out(MCR, LOOP);
	write_text("0123456789abcdef-");
	out(MCR, DTR | OUT2);
	assert_false(rig_line(&rig));
	out(IER, 0x0f);
	assert_true(rig_line(&rig));

	assert_int_equal(in(IIR), 0xc6);
	assert_int_equal(in(IIR), 0xc6); /* and the others are not reset by reading this one */
	assert_int_equal(in(LSR), EMPTY | DR | OE);
	assert_int_equal(in(IIR), 0xc4);
	for (int i = 0; i < 13; i++)
		in(RBR);
	assert_int_equal(in(IIR), 0xcc);
	for (int i = 0; i < 3; i++)
		in(RBR);
	assert_int_equal(in(IIR), 0xc2);
	assert_int_equal(in(IIR), 0xc0);
	assert_true(rig_line(&rig));
	in(MSR);
	assert_int_equal(in(IIR), 0xc1);
	assert_false(rig_line(&rig));
}

static void test_out2_connects_the_line(void **state)
{
	(void)state;
	out(IER, ETBEI);
	assert_false(rig_line(&rig));
	out(MCR, OUT2);
	assert_true(rig_line(&rig));
	out(MCR, OUT2 | LOOP);
	assert_false(rig_line(&rig));
	out(MCR, OUT2);
	assert_true(rig_line(&rig));
	out(MCR, 0);
	assert_false(rig_line(&rig));
	assert_int_equal(in(IIR), 0x02); /* the chip's own state is the same all along */
}

/* --- any guest --- */

/* Whatever a guest does: the line is what the registers say, and the host's bytes are accounted for. */
static void test_fuzz(void **state)
{
	uint64_t seed = 0x16550a16550a16;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		uint64_t random = fake_random(&seed);

		if (random % 64 == 0)
			fake_chardev_make_room(&rig.console, (random >> 8) % 40);
		if (random % 64 == 1 && fake_chardev_waiting(&rig.console) < 1000)
			fake_chardev_type(&rig.console, "the quick brown fox");
		rig_poke(&rig, &seed);
		if (random % 4 == 0) {
			bool line = rig_line(&rig);
			uint8_t mcr = in(MCR);
			bool pending = !(in(IIR)&1);

			assert_int_equal(line, pending && (mcr & (OUT2 | LOOP)) == OUT2);
			assert_int_equal(in(LSR)&0x9c, 0);
			assert_int_equal(mcr & ~0x1f, 0);
		}
	}
	/* Still a serial port: everything that can wait gets out and input comes in. */
	fake_chardev_make_room(&rig.console, SIZE_MAX);
	rig.console.in_taken = rig.console.in_len;
	rig.console.out_len = 0;
	out(LCR, 3);
	out(FCR, 0);
	out(FCR, FIFO_ON);
	out(MCR, DTR | RTS);
	in(LSR);
	write_text("fine");
	assert_output("fine");
	fake_chardev_type(&rig.console, "fine");
	assert_input("fine");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reset_values),
		TEST(test_bits_that_exist),
		TEST(test_status_is_read_only),
		TEST(test_divisor_latch),
		TEST(test_beyond_the_registers),
		TEST(test_output),
		TEST(test_all_bytes_pass_in_any_setting),
		TEST(test_no_console),
		TEST(test_console_belongs_to_the_first_port),
		TEST(test_back_pressure),
		TEST(test_back_pressure_of_one_byte),
		TEST(test_guest_overruns_the_transmitter),
		TEST(test_lost_output_is_logged_once),
		TEST(test_waiting_output_is_offered_at_the_end),
		TEST(test_thre_interrupt),
		TEST(test_thre_interrupt_reappears_when_enabled_again),
		TEST(test_thre_interrupt_under_back_pressure),
		TEST(test_thre_interrupt_needs_enabling),
		TEST(test_loopback_data),
		TEST(test_loopback_keeps_input_out),
		TEST(test_loopback_modem_lines),
		TEST(test_modem_status_changes),
		TEST(test_modem_status_interrupt),
		TEST(test_priorities),
		TEST(test_out2_connects_the_line),
		TEST(test_fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
