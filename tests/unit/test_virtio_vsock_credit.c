// SPDX-License-Identifier: BSD-2-Clause
/* The socket device against VIRTIO 1.2, "Socket Device", "Buffer Space Management": no end sends what the other has no room for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/vsock_host_rig.h"

/* --- credit --- */

static void the_guest_is_told_of_room_in_time(void **state)
{
	static uint8_t block[32 << 10];
	struct fake_stream *s;
	uint32_t sent = 0, fwd = 0;

	(void)state;
	guest_start(&r, 8);
	s = connected(52);
	while (sent < 1000000) {
		/* A guest that never asks, and never sends more than it was given room for. */
		uint32_t room = BUFFER - (sent - fwd);
		uint32_t len = room < sizeof(block) ? room : sizeof(block);

		assert_true(len > 0);
		guest_send_bytes(&r, 1000, 52, block, len);
		sent += len;
		s->nr_got = 0;
		s->room = MAX_GOT;
		while (guest_waiting(&r)) {
			guest_expect(&r, CREDIT_UPDATE, 52, 1000);
			assert_int_equal(r.last.buf_alloc, BUFFER);
			fwd = r.last.fwd_cnt;
		}
	}
}

static void a_slow_program_uses_up_the_guests_credit(void **state)
{
	static uint8_t block[64 << 10];
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 8);
	s = connected(52);
	s->room = 1000;
	for (unsigned int i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)(i * 7 + i / 251);
	for (unsigned int i = 0; i < 4; i++)
		guest_send_bytes(&r, 1000, 52, block, sizeof(block));
	assert_int_equal(s->nr_got, 1000);
	assert_int_equal(guest_waiting(&r), 0);
	guest_say(&r, CREDIT_REQUEST, 1000, 52);
	guest_expect(&r, CREDIT_UPDATE, 52, 1000);
	assert_int_equal(r.last.fwd_cnt, 1000);
	/* Exactly what is left. */
	guest_send_bytes(&r, 1000, 52, block, 1000);
	assert_int_equal(guest_waiting(&r), 0);
	/* It takes all of it, in odd pieces: none is lost, none comes twice, the order is kept. */
	while (s->nr_got < 4 * sizeof(block) + 1000) {
		s->room = 77777;
		happens(s, VSOCK_WRITABLE);
	}
	for (unsigned int i = 0; i < 4; i++)
		assert_memory_equal(s->got + i * sizeof(block), block, sizeof(block));
	assert_memory_equal(s->got + 4 * sizeof(block), block, 1000);
	while (guest_waiting(&r))
		guest_expect(&r, CREDIT_UPDATE, 52, 1000);
}

/* Sends 100 KiB that its program does not take, closes, and does not wait for the answer: as Linux does after 8 s. */
static struct fake_stream *left_with_data(uint32_t port, const uint8_t *block)
{
	struct fake_stream *s = connected(port);

	s->room = 1000;
	guest_send_bytes(&r, 1000, port, block, 50 << 10);
	guest_send_bytes(&r, 1000, port, block + (50 << 10), 50 << 10);
	guest_say_shutdown(&r, NO_RECEIVE | NO_SEND, 1000, port);
	assert_int_equal(guest_waiting(&r), 0);
	guest_say(&r, RST, 1000, port);
	assert_false(s->closed);
	return s;
}

static void what_a_guest_sent_before_it_left_arrives(void **state)
{
	static uint8_t block[100 << 10];
	struct fake_stream *s, *next;

	(void)state;
	guest_start(&r, 8);
	for (unsigned int i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)(i * 7 + i / 251);
	s = left_with_data(52, block);
	/* The guest may use the same ports again. */
	next = connected(52);
	guest_send_text(&r, 1000, 52, "next");
	assert_int_equal(next->nr_got, 4);
	while (!s->closed) {
		s->room = 33333;
		happens(s, VSOCK_WRITABLE);
	}
	assert_int_equal(s->nr_got, sizeof(block));
	assert_memory_equal(s->got, block, sizeof(block));
	assert_int_equal(guest_waiting(&r), 0); /* it hears no more of that */
	guest_send_text(&r, 1000, 52, "!");
	assert_int_equal(next->nr_got, 5);
}

/* A program that has taken what was there, which nobody tells the device any more. */
static void what_a_guest_sent_before_the_vm_ends_arrives(void **state)
{
	static uint8_t block[50 << 10];
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 8);
	s = connected(52);
	s->room = 1000;
	guest_send_bytes(&r, 1000, 52, block, sizeof(block));
	assert_int_equal(s->nr_got, 1000);
	s->room = MAX_GOT - 1000;
	s->due = sizeof(block); /* see teardown() */
}

static void a_program_that_goes_when_the_guest_has_left(void **state)
{
	static uint8_t block[100 << 10];
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 8);
	s = left_with_data(52, block);
	s->gone = true;
	happens(s, VSOCK_HANGUP);
	assert_true(s->closed);
	assert_int_equal(guest_waiting(&r), 0);
	/* And one that is still there when the driver is reset. */
	s = left_with_data(53, block);
	vrig_reset(&r.v);
	assert_true(s->closed);
}

static void a_guest_that_sends_more_than_it_may(void **state)
{
	static uint8_t block[64 << 10];
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 8);
	s = connected(52);
	s->room = 0;
	for (unsigned int i = 0; i < 4; i++)
		guest_send_bytes(&r, 1000, 52, block, sizeof(block));
	assert_int_equal(guest_waiting(&r), 0);
	guest_send_bytes(&r, 1000, 52, block, 1);
	guest_expect(&r, RST, 52, 1000);
	assert_true(s->closed);
	assert_false(vrig_is_broken(&r.v));
}

static void the_guests_room_is_respected(void **state)
{
	struct fake_stream *s;
	uint32_t got = 0;

	(void)state;
	guest_start(&r, 8);
	r.alloc = 10000;
	s = connected(52);
	s->left = 50000;
	happens(s, VSOCK_READABLE);
	while (guest_waiting(&r)) {
		guest_take(&r);
		if (r.last.op == RW)
			got += r.last.len;
		else
			assert_int_equal(r.last.op, CREDIT_REQUEST);
	}
	assert_int_equal(got, 10000);
	/* "None yet" is an answer; it is not asked again, or the two would never stop. */
	guest_say(&r, CREDIT_UPDATE, 1000, 52);
	assert_int_equal(guest_waiting(&r), 0);
	r.fwd = 4000;
	guest_say(&r, CREDIT_UPDATE, 1000, 52);
	while (guest_waiting(&r)) {
		guest_take(&r);
		got += r.last.len;
	}
	assert_int_equal(got, 14000);
	/* A buffer that shrinks below what is in it has no room. */
	r.alloc = 100;
	guest_say(&r, CREDIT_UPDATE, 1000, 52);
	while (guest_waiting(&r)) {
		guest_take(&r);
		assert_int_equal(r.last.len, 0);
	}
	/* Nor has one that got more than was sent. */
	r.fwd = 20000;
	r.alloc = 10000;
	guest_say(&r, CREDIT_UPDATE, 1000, 52);
	while (guest_waiting(&r)) {
		guest_take(&r);
		assert_int_equal(r.last.len, 0);
	}
	assert_int_equal(s->left, 50000 - got);
}

static void data_waits_for_buffers(void **state)
{
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 1);
	s = connected(52);
	s->left = 3 * RX_SIZE;
	happens(s, VSOCK_READABLE);
	assert_int_equal(guest_waiting(&r), 1);
	assert_int_equal(s->left, 3 * RX_SIZE - (RX_SIZE - HEADER));
	for (unsigned int i = 0; i < 3; i++) {
		guest_expect(&r, RW, 52, 1000);
		assert_int_equal(r.last.len, RX_SIZE - HEADER);
	}
	guest_expect(&r, RW, 52, 1000);
	assert_int_equal(r.last.len, 3 * HEADER);
	assert_int_equal(guest_waiting(&r), 0);
}

static void connections_take_turns(void **state)
{
	struct fake_stream *a, *b;
	unsigned int of_a = 0;

	(void)state;
	guest_start(&r, 8);
	a = connected(52);
	guest_say(&r, REQUEST, 1000, 53);
	guest_expect(&r, RESPONSE, 53, 1000);
	b = newest();
	a->left = b->left = 100000;
	happens(a, VSOCK_READABLE);
	happens(b, VSOCK_READABLE);
	for (unsigned int i = 0; i < 8; i++) /* given to the first while it was alone */
		guest_take(&r);
	for (unsigned int i = 0; i < 10; i++) {
		guest_take(&r);
		of_a += r.last.src_port == 52;
	}
	assert_int_equal(of_a, 5);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_guest_is_told_of_room_in_time),
		TEST(a_slow_program_uses_up_the_guests_credit),
		TEST(what_a_guest_sent_before_it_left_arrives),
		TEST(what_a_guest_sent_before_the_vm_ends_arrives),
		TEST(a_program_that_goes_when_the_guest_has_left),
		TEST(a_guest_that_sends_more_than_it_may),
		TEST(the_guests_room_is_respected),
		TEST(data_waits_for_buffers),
		TEST(connections_take_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
