// SPDX-License-Identifier: BSD-2-Clause
/*
 * The console device against VIRTIO 1.2, "Console Device": a console by itself, and a set of ports.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/virtio/console.h"
#include "tests/unit/virtio_rig.h"

/* "Feature bits" */
#define F_SIZE      (1ULL << 0)
#define F_MULTIPORT (1ULL << 1)

/* "Virtqueues" */
enum {
	RX0 = 0,
	TX0 = 1,
	CONTROL_RX = 2,
	CONTROL_TX = 3,
	RX1 = 4,
	TX1 = 5,
	RX2 = 6,
	TX2 = 7,
};

/* "Multiport Device Operation" */
enum {
	DEVICE_READY = 0,
	DEVICE_ADD = 1,
	DEVICE_REMOVE = 2,
	PORT_READY = 3,
	CONSOLE_PORT = 4,
	RESIZE = 5,
	PORT_OPEN = 6,
	PORT_NAME = 7,
};

#define PORTS 3

static struct vrig v;
static struct fake_chardev chr[PORTS];

static void init(void)
{
	vrig_init(&v);
	for (int i = 0; i < PORTS; i++)
		fake_chardev_init(&chr[i]);
}

static int teardown(void **state)
{
	(void)state;
	vrig_finish(&v);
	for (int i = 0; i < PORTS; i++) {
		assert_null(chr[i].chr.readable);
		assert_null(chr[i].chr.writable);
		assert_null(chr[i].chr.ctx);
	}
	return 0;
}

static int console(void **state)
{
	struct err err;

	(void)state;
	init();
	chr[0].chr.columns = 132;
	chr[0].chr.rows = 43;
	assert_int_equal(virtio_console_create(&v.vdev, &v.mem, "console hvc0", &chr[0].chr, &err), 0);
	vrig_plug(&v);
	vrig_start(&v, F_SIZE);
	assert_int_equal(vrig_interrupts(&v), 1); /* for the driver to look at the size */
	assert_int_equal(vrig_ack(&v), VIRTIO_INT_CONFIG);
	return 0;
}

static void plug_ports(void)
{
	const struct console_port port[PORTS] = {
		{ "agent", &chr[0].chr },
		{ "log", &chr[1].chr },
		{ "org.example.third", &chr[2].chr },
	};
	struct err err;

	init();
	assert_int_equal(virtio_ports_create(&v.vdev, &v.mem, "port port0", port, PORTS, &err), 0);
	vrig_plug(&v);
}

static int ports(void **state)
{
	(void)state;
	plug_ports();
	vrig_start(&v, F_MULTIPORT);
	return 0;
}

static uint16_t write_text(unsigned int queue, const char *text)
{
	struct vrig_buf buf = vrig_out(&v, text, (uint32_t)strlen(text));

	return vrig_send(&v, queue, &buf, 1);
}

/* A buffer for input; returns where it is. */
static uint64_t give_buffer(unsigned int queue, uint32_t len)
{
	struct vrig_buf buf = vrig_in(&v, len);

	vrig_send(&v, queue, &buf, 1);
	return buf.addr;
}

static void assert_put(const struct fake_chardev *fake, const char *text)
{
	assert_int_equal(fake->out_len, strlen(text));
	assert_memory_equal(fake->out, text, strlen(text));
}

/* The next buffer of input has come, with that in it. */
static void assert_got(unsigned int queue, uint64_t addr, const char *text)
{
	assert_int_equal(vrig_get(&v, queue), strlen(text));
	assert_memory_equal(vrig_host(&v, addr, strlen(text)), text, strlen(text));
}

/* --- a console --- */

static void test_identity(void **state)
{
	(void)state;
	assert_int_equal(vrig_read(&v, V_DEVICE_ID), 3);
	assert_int_equal(vrig_offered(&v), VIRTIO_F_TRANSPORT | F_SIZE);
	vrig_write(&v, V_QUEUE_SEL, 2);
	assert_int_equal(vrig_read(&v, V_QUEUE_NUM_MAX), 0);
}

/* "cols and rows": 16 bits each, and the driver hears of changes. */
static void test_size(void **state)
{
	uint32_t generation = vrig_read(&v, V_CONFIG_GENERATION);

	(void)state;
	assert_int_equal(vrig_config(&v, 0, 2), 132);
	assert_int_equal(vrig_config(&v, 2, 2), 43);
	chr[0].chr.columns = 80;
	chr[0].chr.rows = 24;
	chr[0].chr.changed(chr[0].chr.ctx);
	assert_int_equal(vrig_config(&v, 0, 4), 80 | 24 << 16);
	assert_int_not_equal(vrig_read(&v, V_CONFIG_GENERATION), generation);
	assert_int_equal(vrig_ack(&v), VIRTIO_INT_CONFIG);
	vrig_interrupts(&v);

	chr[0].chr.changed(chr[0].chr.ctx); /* to the same */
	assert_int_equal(vrig_interrupts(&v), 0);
	vrig_set_config(&v, 0, 2, 1);
	assert_int_equal(vrig_config(&v, 0, 2), 80);
	vrig_reset(&v);
	assert_int_equal(vrig_config(&v, 0, 2), 80);
}

static void test_output(void **state)
{
	struct vrig_buf buf[3];

	(void)state;
	write_text(TX0, "hello, ");
	assert_int_equal(vrig_get(&v, TX0), 0);
	assert_int_equal(vrig_interrupts(&v), 1);
	buf[0] = vrig_out(&v, "wo", 2);
	buf[1] = vrig_out(&v, "rld", 3);
	buf[2] = vrig_in(&v, 5); /* not the driver's to give here */
	vrig_send(&v, TX0, buf, 3);
	assert_int_equal(vrig_get(&v, TX0), 0);
	assert_put(&chr[0], "hello, world");
}

/* The host takes a few bytes at a time: nothing is lost or said twice, and what has gone is acknowledged. */
static void test_output_waits_for_room(void **state)
{
	(void)state;
	chr[0].room = 3;
	write_text(TX0, "abcdef");
	write_text(TX0, "ghi");
	assert_put(&chr[0], "abc");
	assert_int_equal(chr[0].refused, 1); /* and is not asked again with each notification */
	assert_int_equal(vrig_used(&v, TX0), 0);
	assert_false(vrig_is_wanted(&v, TX0, 1));

	fake_chardev_make_room(&chr[0], 4);
	assert_put(&chr[0], "abcdefg");
	assert_int_equal(vrig_used(&v, TX0), 1);
	fake_chardev_make_room(&chr[0], 0);
	assert_int_equal(vrig_used(&v, TX0), 1);
	fake_chardev_make_room(&chr[0], SIZE_MAX);
	assert_put(&chr[0], "abcdefghi");
	assert_int_equal(vrig_used(&v, TX0), 2);
	assert_true(vrig_is_wanted(&v, TX0, 1));
}

/* A reset while output waits: the next driver's begins at its beginning. */
static void test_reset_while_output_waits(void **state)
{
	(void)state;
	chr[0].room = 3;
	write_text(TX0, "abcdef");
	vrig_start(&v, 0);
	fake_chardev_make_room(&chr[0], SIZE_MAX);
	assert_put(&chr[0], "abc");
	write_text(TX0, "xyz");
	assert_put(&chr[0], "abcxyz");
}

static void test_much_output(void **state)
{
	struct vrig_buf buf[8];

	(void)state;
	for (int i = 0; i < 8; i++)
		buf[i] = (struct vrig_buf){ .addr = VRIG_RAM + (2 << 20), .len = 1 << 20 };
	memset(vrig_host(&v, VRIG_RAM + (2 << 20), 1 << 20), 'x', 1 << 20);
	vrig_add(&v, TX0, buf, 8);
	vrig_notify(&v, TX0);
	assert_true(vrig_run(&v) > 8); /* others had their turn */
	assert_int_equal(chr[0].out_len, 8 << 20);
	assert_int_equal(vrig_get(&v, TX0), 0);
}

static void test_input(void **state)
{
	uint64_t first, second;

	(void)state;
	first = give_buffer(RX0, 100);
	second = give_buffer(RX0, 4);
	fake_chardev_type(&chr[0], "ls\n");
	assert_got(RX0, first, "ls\n");
	assert_int_equal(vrig_interrupts(&v), 1);
	vrig_ack(&v);
	fake_chardev_type(&chr[0], "date\n");
	assert_got(RX0, second, "date");
	assert_int_equal(fake_chardev_waiting(&chr[0]), 1);
	first = give_buffer(RX0, 100);
	assert_got(RX0, first, "\n");
}

/* What came before the driver was there waits until it has said something, so that it is surely there. */
static void test_early_input(void **state)
{
	uint64_t buffer;

	(void)state;
	vrig_reset(&v);
	fake_chardev_type(&chr[0], "early");
	assert_int_equal(fake_chardev_waiting(&chr[0]), 5);
	vrig_start(&v, 0);
	assert_int_equal(fake_chardev_waiting(&chr[0]), 5);
	buffer = give_buffer(RX0, 100);
	assert_int_equal(vrig_used(&v, RX0), 0);
	write_text(TX0, "login: ");
	assert_got(RX0, buffer, "early");

	/* Or until somebody types. */
	vrig_reset(&v);
	fake_chardev_type(&chr[0], "early, ");
	vrig_start(&v, 0);
	buffer = give_buffer(RX0, 100);
	assert_int_equal(vrig_used(&v, RX0), 0);
	fake_chardev_type(&chr[0], "late");
	assert_got(RX0, buffer, "early, late");
}

/* Without input nobody needs to hear of buffers; with input and no buffers, everybody. */
static void test_input_notifications(void **state)
{
	(void)state;
	give_buffer(RX0, 1);
	assert_false(vrig_is_wanted(&v, RX0, 1));
	fake_chardev_type(&chr[0], "ab");
	assert_true(vrig_is_wanted(&v, RX0, 1));
	give_buffer(RX0, 10);
	assert_int_equal(vrig_used(&v, RX0), 2);
	assert_false(vrig_is_wanted(&v, RX0, 1));
}

/* A buffer that cannot take input comes back empty; input stays. */
static void test_input_buffers_for_nothing(void **state)
{
	uint64_t buffer;

	(void)state;
	fake_chardev_type(&chr[0], "a");
	write_text(RX0, "not writable");
	assert_int_equal(vrig_get(&v, RX0), 0);
	buffer = give_buffer(RX0, 10);
	assert_got(RX0, buffer, "a");
}

/* --- ports --- */

struct control {
	uint32_t id;
	uint16_t event, value;
} __attribute__((packed));

static void send_control(uint32_t id, uint16_t event, uint16_t value)
{
	struct control c = { id, event, value };
	struct vrig_buf buf = vrig_out(&v, &c, sizeof(c));

	vrig_send(&v, CONTROL_TX, &buf, 1);
	assert_int_equal(vrig_get(&v, CONTROL_TX), 0);
}

/* Gives a buffer for a control message, which must be that one, with `text` behind it. */
static void expect_control(uint32_t id, uint16_t event, uint16_t value, const char *text)
{
	uint64_t buffer = give_buffer(CONTROL_RX, 128);
	struct control c;

	assert_int_equal(vrig_get(&v, CONTROL_RX), sizeof(c) + strlen(text));
	memcpy(&c, vrig_host(&v, buffer, sizeof(c)), sizeof(c));
	assert_int_equal(c.id, id);
	assert_int_equal(c.event, event);
	if (event == PORT_OPEN)
		assert_int_equal(c.value, value);
	assert_memory_equal(vrig_host(&v, buffer + sizeof(c), strlen(text)), text, strlen(text));
}

static bool expects_control(void)
{
	/* A message comes at once if there is one. */
	give_buffer(CONTROL_RX, 128);
	return vrig_used(&v, CONTROL_RX);
}

/* The whole conversation, up to where the guest has all ports open. */
static void open_all(void)
{
	send_control(UINT32_MAX, DEVICE_READY, 1);
	for (uint32_t i = 0; i < PORTS; i++)
		expect_control(i, DEVICE_ADD, 0, "");
	for (uint32_t i = 0; i < PORTS; i++)
		send_control(i, PORT_READY, 1);
	for (uint32_t i = 0; i < PORTS; i++) {
		expect_control(i, PORT_NAME, 1, ((const char *[]){ "agent", "log", "org.example.third" })[i]);
		if (chr[i].chr.connected)
			expect_control(i, PORT_OPEN, 1, "");
	}
	for (uint32_t i = 0; i < PORTS; i++)
		send_control(i, PORT_OPEN, 1);
}

static void test_ports_identity(void **state)
{
	(void)state;
	assert_int_equal(vrig_read(&v, V_DEVICE_ID), 3);
	assert_int_equal(vrig_offered(&v), VIRTIO_F_TRANSPORT | F_MULTIPORT);
	assert_int_equal(vrig_config(&v, 4, 4), PORTS);
	vrig_write(&v, V_QUEUE_SEL, TX2);
	assert_int_not_equal(vrig_read(&v, V_QUEUE_NUM_MAX), 0);
	vrig_write(&v, V_QUEUE_SEL, TX2 + 1);
	assert_int_equal(vrig_read(&v, V_QUEUE_NUM_MAX), 0);
}

/* "the device sends DEVICE_ADD for each port" once the driver is ready; names and openness follow. */
static void test_conversation(void **state)
{
	(void)state;
	chr[1].chr.connected = false;
	chr[1].chr.changed(chr[1].chr.ctx);
	open_all();
	assert_false(expects_control());
}

/* A port that has nobody at the other end is not open; each beginning and end is told, in order. */
static void test_connections(void **state)
{
	(void)state;
	open_all();
	chr[1].chr.connected = false;
	chr[1].chr.changed(chr[1].chr.ctx);
	expect_control(1, PORT_OPEN, 0, "");
	chr[1].chr.connected = true;
	chr[1].chr.changed(chr[1].chr.ctx);
	expect_control(1, PORT_OPEN, 1, "");

	/* A client that goes, and two that come, while the driver has no buffers. */
	for (int i = 0; i < 2; i++) {
		chr[1].chr.connected = false;
		chr[1].chr.changed(chr[1].chr.ctx);
		chr[1].chr.connected = true;
		chr[1].chr.changed(chr[1].chr.ctx);
	}
	expect_control(1, PORT_OPEN, 0, "");
	expect_control(1, PORT_OPEN, 1, "");

	/* One that came and went: nobody needs to know. */
	chr[2].chr.connected = false;
	chr[2].chr.changed(chr[2].chr.ctx);
	expect_control(2, PORT_OPEN, 0, "");
	chr[2].chr.connected = true;
	chr[2].chr.changed(chr[2].chr.ctx);
	chr[2].chr.connected = false;
	chr[2].chr.changed(chr[2].chr.ctx);
	assert_false(expects_control());
}

static void test_data(void **state)
{
	uint64_t buffer;

	(void)state;
	open_all();
	write_text(TX0, "to agent");
	write_text(TX1, "to log");
	write_text(TX2, "to third");
	assert_put(&chr[0], "to agent");
	assert_put(&chr[1], "to log");
	assert_put(&chr[2], "to third");
	buffer = give_buffer(RX2, 64);
	fake_chardev_type(&chr[2], "from third");
	assert_got(RX2, buffer, "from third");
	assert_int_equal(vrig_used(&v, RX1), 0);
}

/* One port that waits does not hold up another. */
static void test_one_port_waits(void **state)
{
	(void)state;
	open_all();
	chr[0].room = 0;
	write_text(TX0, "stuck");
	write_text(TX1, "goes");
	assert_put(&chr[0], "");
	assert_put(&chr[1], "goes");
	fake_chardev_make_room(&chr[0], SIZE_MAX);
	assert_put(&chr[0], "stuck");
}

/* Input waits until somebody in the guest has the port open, and again when nobody has any more. */
static void test_input_waits_for_the_guest(void **state)
{
	uint64_t buffer;

	(void)state;
	open_all();
	send_control(1, PORT_OPEN, 0);
	buffer = give_buffer(RX1, 64);
	fake_chardev_type(&chr[1], "question");
	assert_int_equal(vrig_used(&v, RX1), 0);
	assert_int_equal(fake_chardev_waiting(&chr[1]), 8);
	send_control(1, PORT_OPEN, 1);
	assert_got(RX1, buffer, "question");
}

/* It knows of one console only, which is not here. */
static void test_a_driver_without_multiport(void **state)
{
	(void)state;
	vrig_start(&v, 0);
	write_text(TX0, "who is there?");
	fake_chardev_type(&chr[0], "nobody");
	give_buffer(RX0, 64);
	write_text(CONTROL_TX, "control");
	assert_put(&chr[0], "");
	assert_int_equal(fake_chardev_waiting(&chr[0]), 6);
}

/* Messages that mean nothing, out of order, for ports that are not there, cut short. */
static void test_hostile_control(void **state)
{
	struct control c = { 0, PORT_READY, 1 };
	struct vrig_buf buf;

	(void)state;
	send_control(0, PORT_READY, 1); /* before DEVICE_READY */
	send_control(0, PORT_OPEN, 1);
	send_control(0, DEVICE_READY, 0);
	assert_false(expects_control());
	vrig_start(&v, F_MULTIPORT);

	for (uint16_t event = 0; event < 20; event++)
		for (uint32_t id = PORTS; id < PORTS + 3; id++)
			if (event != DEVICE_READY)
				send_control(id, event, 1);
	send_control(UINT32_MAX, PORT_OPEN, 1);
	buf = vrig_out(&v, &c, 7);
	vrig_send(&v, CONTROL_TX, &buf, 1);
	assert_int_equal(vrig_get(&v, CONTROL_TX), 0);
	buf = vrig_in(&v, 8);
	vrig_send(&v, CONTROL_TX, &buf, 1);
	assert_int_equal(vrig_get(&v, CONTROL_TX), 0);
	assert_false(expects_control());

	/* Ready again and again: each port is added once. */
	vrig_start(&v, F_MULTIPORT);
	for (int i = 0; i < 1000; i++)
		send_control(0, DEVICE_READY, 1);
	open_all();
	for (int i = 0; i < 1000; i++)
		send_control(0, PORT_READY, 1);
	assert_false(expects_control());
}

static void test_no_room_for_a_message(void **state)
{
	(void)state;
	send_control(0, DEVICE_READY, 1);
	give_buffer(CONTROL_RX, 7);
	assert_true(vrig_is_broken(&v));
	vrig_start(&v, F_MULTIPORT);
	open_all();
}

static void test_reset(void **state)
{
	(void)state;
	open_all();
	chr[0].room = 0;
	write_text(TX0, "stuck");
	vrig_start(&v, F_MULTIPORT);
	fake_chardev_make_room(&chr[0], SIZE_MAX);
	assert_false(expects_control()); /* it has to say that it is ready */
	vrig_start(&v, F_MULTIPORT);
	open_all();
	write_text(TX0, "again");
	assert_put(&chr[0], "again");
}

#define CONSOLE(f) cmocka_unit_test_setup_teardown(f, console, teardown)
#define PORT(f)    cmocka_unit_test_setup_teardown(f, ports, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONSOLE(test_identity),
		CONSOLE(test_size),
		CONSOLE(test_output),
		CONSOLE(test_output_waits_for_room),
		CONSOLE(test_reset_while_output_waits),
		CONSOLE(test_much_output),
		CONSOLE(test_input),
		CONSOLE(test_early_input),
		CONSOLE(test_input_notifications),
		CONSOLE(test_input_buffers_for_nothing),
		PORT(test_ports_identity),
		PORT(test_conversation),
		PORT(test_connections),
		PORT(test_data),
		PORT(test_one_port_waits),
		PORT(test_input_waits_for_the_guest),
		PORT(test_a_driver_without_multiport),
		PORT(test_hostile_control),
		PORT(test_no_room_for_a_message),
		PORT(test_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
