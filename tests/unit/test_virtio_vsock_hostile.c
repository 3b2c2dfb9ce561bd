// SPDX-License-Identifier: BSD-2-Clause
/* The socket device under guests that keep no rules, and how much they can make it keep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/vsock_host_rig.h"

/* --- what no driver sends --- */

static void packets_of_no_connection_are_refused(void **state)
{
	static const uint16_t ops_without_request[] = { 0,  RESPONSE,      SHUTDOWN,
							RW, CREDIT_UPDATE, CREDIT_REQUEST,
							8,  0xffff };

	(void)state;
	guest_start(&r, 8);
	for (unsigned int i = 0; i < 8; i++) {
		guest_say(&r, ops_without_request[i], 1000, 52);
		guest_expect(&r, RST, 52, 1000);
	}
	guest_say(&r, RST, 1000, 52);
	assert_int_equal(guest_waiting(&r), 0);
	assert_int_equal(host.nr_streams, 0);
}

static void packets_to_others_are_refused(void **state)
{
	struct packet packet;

	(void)state;
	guest_start(&r, 8);
	packet = guest_packet(&r, REQUEST, 1000, 52);
	packet.dst_cid = 4;
	guest_send_packet(&r, &packet, NULL, 0);
	guest_take(&r);
	assert_int_equal(r.last.op, RST);
	assert_int_equal(r.last.src_cid, 4);
	assert_int_equal(r.last.dst_cid, CID);
	packet.dst_cid = 2 | 1ULL << 32;
	guest_send_packet(&r, &packet, NULL, 0);
	guest_take(&r);
	assert_int_equal(r.last.op, RST);
	assert_int_equal(r.last.src_cid, 2 | 1ULL << 32);
	assert_int_equal(host.nr_streams, 0);
}

static void packets_from_others_are_dropped(void **state)
{
	struct packet packet;

	(void)state;
	guest_start(&r, 8);
	packet = guest_packet(&r, REQUEST, 1000, 52);
	packet.src_cid = CID + 1;
	guest_send_packet(&r, &packet, NULL, 0);
	packet.src_cid = CID | 1ULL << 32;
	guest_send_packet(&r, &packet, NULL, 0);
	assert_int_equal(guest_waiting(&r), 0);
	assert_int_equal(host.nr_streams, 0);
}

/* "Device Operation": "with an unknown type value" there is RST for an answer. */
static void other_types_are_refused(void **state)
{
	struct packet packet;

	(void)state;
	guest_start(&r, 8);
	packet = guest_packet(&r, REQUEST, 1000, 52);
	packet.type = 2; /* seqpacket, which is not offered */
	guest_send_packet(&r, &packet, NULL, 0);
	guest_take(&r);
	assert_int_equal(r.last.op, RST);
	assert_int_equal(r.last.type, 2);
	assert_int_equal(r.last.src_port, 52);
	assert_int_equal(r.last.dst_port, 1000);
	assert_int_equal(host.nr_streams, 0);
}

static void operations_that_do_not_fit_end_the_connection(void **state)
{
	static const uint16_t wrong[] = { 0, REQUEST, RESPONSE, 8, 0xffff };

	(void)state;
	guest_start(&r, 8);
	for (unsigned int i = 0; i < 5; i++) {
		struct fake_stream *s = connected(52);

		guest_say(&r, wrong[i], 1000, 52);
		guest_expect(&r, RST, 52, 1000);
		assert_true(s->closed);
		assert_int_equal(guest_waiting(&r), 0);
	}
}

static void an_offer_wants_yes_or_no(void **state)
{
	static const uint16_t wrong[] = { 0, REQUEST, SHUTDOWN, RW, CREDIT_UPDATE, CREDIT_REQUEST };

	(void)state;
	guest_start(&r, 8);
	for (unsigned int i = 0; i < 6; i++) {
		struct fake_stream *s = offered(80);
		uint32_t port;

		guest_take(&r);
		port = r.last.src_port;
		guest_say(&r, wrong[i], 80, port);
		guest_expect(&r, RST, port, 80);
		assert_true(s->closed);
		assert_int_equal(s->accepted, 0);
	}
}

/* The guest guesses the port and accepts before it was asked. */
static void an_answer_before_the_question(void **state)
{
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 0);
	s = offered(80);
	guest_say(&r, RESPONSE, 80, VSOCK_FIRST_PORT);
	assert_true(s->closed);
	assert_int_equal(s->accepted, 0);
	guest_post(&r);
	guest_expect(&r, RST, VSOCK_FIRST_PORT, 80);
}

static void data_after_the_end(void **state)
{
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 8);
	s = connected(52);
	guest_say_shutdown(&r, NO_SEND, 1000, 52);
	guest_send_text(&r, 1000, 52, "one more thing");
	guest_expect(&r, RST, 52, 1000);
	assert_true(s->closed);
	assert_int_equal(s->nr_got, 0);
}

static void a_header_cut_off_breaks_the_device(void **state)
{
	struct packet packet = guest_packet(&r, REQUEST, 1000, 52);
	struct vrig_buf buf = { .len = HEADER - 1 };

	(void)state;
	guest_start(&r, 8);
	buf.addr = vrig_put(&r.v, &packet, HEADER);
	vrig_send(&r.v, TX, &buf, 1);
	assert_true(vrig_is_broken(&r.v));
	guest_start(&r, 8);
	connected(52);
}

static void a_payload_cut_off_breaks_the_device(void **state)
{
	struct packet packet;
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 8);
	s = connected(52);
	packet = guest_packet(&r, RW, 1000, 52);
	packet.len = 11;
	guest_send_packet(&r, &packet, "ten bytes!", 10);
	assert_true(vrig_is_broken(&r.v));
	assert_int_equal(s->nr_got, 0);
	guest_start(&r, 8);
	connected(52);
	packet.len = UINT32_MAX;
	guest_send_packet(&r, &packet, "x", 1);
	assert_true(vrig_is_broken(&r.v));
}

static void more_bytes_than_the_header_says_are_not_sent(void **state)
{
	struct packet packet;
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 8);
	s = connected(52);
	packet = guest_packet(&r, RW, 1000, 52);
	packet.len = 3;
	guest_send_packet(&r, &packet, "ten bytes!", 10);
	assert_int_equal(s->nr_got, 3);
	assert_memory_equal(s->got, "ten", 3);
}

static void buffers_without_room_for_data_break_the_device(void **state)
{
	struct vrig_buf buf;

	(void)state;
	guest_start(&r, 0);
	buf = vrig_in(&r.v, HEADER);
	vrig_send(&r.v, RX, &buf, 1);
	assert_false(vrig_is_broken(&r.v)); /* nothing was to be sent */
	guest_say(&r, RW, 1000, 52);
	assert_true(vrig_is_broken(&r.v));
}

/* "Virtqueue Flow Control": without buffers for the answers, packets stay where they are, and none is lost. */
static void answers_without_buffers_are_bounded(void **state)
{
	unsigned int sent = 0, answers = 0;

	(void)state;
	guest_start(&r, 0);
	for (unsigned int i = 0; i < 200 && r.v.queue[TX].nr_free; i++) {
		struct packet packet = guest_packet(&r, RW, 2000 + i, 52);

		r.tx = vrig_alloc(&r.v, HEADER); /* the one before may still be waiting */
		guest_send_packet(&r, &packet, NULL, 0);
		sent++;
	}
	assert_true(sent < 200); /* the queue is full */
	while (answers < sent) {
		if (!guest_waiting(&r))
			guest_post(&r);
		guest_expect(&r, RST, 52, 2000 + answers++);
	}
	assert_int_equal(guest_waiting(&r), 0);
}

static void connections_are_bounded(void **state)
{
	unsigned int open = 0;

	(void)state;
	guest_start(&r, 8);
	for (unsigned int i = 0; i < VSOCK_MAX_CONNS + 10; i++) {
		guest_say(&r, REQUEST, 1000 + i, 52);
		guest_take(&r);
		open += r.last.op == RESPONSE;
		assert_int_equal(r.last.op, i < VSOCK_MAX_CONNS ? RESPONSE : RST);
	}
	assert_int_equal(open, VSOCK_MAX_CONNS);
	{
		struct fake_stream *s = new_stream();

		assert_false(host.host.offer(host.host.ctx, &s->stream, 80));
		s->closed = true;
	}
	/* One that is over for its program, and that the guest never says good-bye to, gives its place. */
	host.stream[7]->eof = true;
	happens(host.stream[7], VSOCK_READABLE | VSOCK_HANGUP);
	guest_expect(&r, SHUTDOWN, 52, 1007);
	guest_say(&r, REQUEST, 999, 52);
	guest_expect(&r, RESPONSE, 52, 999);
	guest_send_text(&r, 1007, 52, "x");
	guest_expect(&r, RST, 52, 1007);
	/* So does one whose last bytes nobody takes, and that the guest has forgotten. */
	host.stream[8]->room = 0;
	guest_send_text(&r, 1008, 52, "x");
	guest_say_shutdown(&r, NO_RECEIVE | NO_SEND, 1008, 52);
	guest_say(&r, RST, 1008, 52);
	assert_false(host.stream[8]->closed);
	guest_say(&r, REQUEST, 998, 52);
	guest_expect(&r, RESPONSE, 52, 998);
	assert_true(host.stream[8]->closed);
}

/* Random packets at random connections: it goes on, and says nothing that is not in order. */
static void hostile_guest(void **state)
{
	uint64_t seed = 0x76736f636b;

	(void)state;
	guest_start(&r, 8);
	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t random = fake_random(&seed);
		struct packet packet = guest_packet(
			&r, random % 9, 1000 + (random >> 8) % 4,
			(random >> 12) % 4 ? 52 : VSOCK_FIRST_PORT + (random >> 16) % 4);
		uint32_t len = (random >> 20) % 8 ? 0 : (uint32_t)(random >> 24) % 5000;
		static uint8_t block[5000];

		packet.len = len;
		packet.flags = (random >> 40) & 3;
		packet.buf_alloc = (uint32_t)(random >> 42) % 4 ? 100000 : (uint32_t)random;
		packet.fwd_cnt = (uint32_t)fake_random(&seed) % 100;
		guest_send_packet(&r, &packet, block, len);
		if (host.nr_streams && !newest()->closed) {
			struct fake_stream *s = newest();

			s->nr_got = 0;
			s->room = (random >> 50) % 8000;
			s->left = (random >> 30) % 8000;
			s->eof = !((random >> 33) % 16);
			happens(s, (random >> 36) & 7);
		}
		if (!((random >> 44) % 64) && host.nr_streams < MAX_STREAMS - 10) {
			struct fake_stream *s = new_stream();

			s->closed = !host.host.offer(host.host.ctx, &s->stream, 1000);
		}
		if (host.nr_streams > MAX_STREAMS - 20)
			host.refusal = -ECONNREFUSED;
		vrig_run(&r.v);
		while (guest_waiting(&r)) {
			guest_take(&r);
			assert_true(r.last.op >= REQUEST && r.last.op <= CREDIT_REQUEST);
			assert_int_equal(r.last.dst_cid, CID);
		}
		assert_false(vrig_is_broken(&r.v));
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(packets_of_no_connection_are_refused),
		TEST(packets_to_others_are_refused),
		TEST(packets_from_others_are_dropped),
		TEST(other_types_are_refused),
		TEST(operations_that_do_not_fit_end_the_connection),
		TEST(an_offer_wants_yes_or_no),
		TEST(an_answer_before_the_question),
		TEST(data_after_the_end),
		TEST(a_header_cut_off_breaks_the_device),
		TEST(a_payload_cut_off_breaks_the_device),
		TEST(more_bytes_than_the_header_says_are_not_sent),
		TEST(buffers_without_room_for_data_break_the_device),
		TEST(answers_without_buffers_are_bounded),
		TEST(connections_are_bounded),
		TEST(hostile_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
