// SPDX-License-Identifier: BSD-2-Clause
/* The socket device's connections against VIRTIO 1.2, "Socket Device": how they begin and end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/vsock_host_rig.h"

/* --- the device --- */

static void identity(void **state)
{
	(void)state;
	assert_int_equal(vrig_read(&r.v, V_DEVICE_ID), 19);
	assert_int_equal(vrig_config(&r.v, 0, 8), CID);
	assert_int_equal(vrig_offered(&r.v) & 0xffffff, 1); /* VIRTIO_VSOCK_F_STREAM */
	assert_int_equal(r.v.vdev->nr_queues, 3);
}

/* --- connecting --- */

static void the_guest_connects(void **state)
{
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 8);
	s = connected(52);
	assert_int_equal(s->port, 52);
	assert_int_equal(r.last.buf_alloc, BUFFER);
	assert_int_equal(r.last.fwd_cnt, 0);
	guest_send_text(&r, 1000, 52, "hello");
	assert_int_equal(s->nr_got, 5);
	assert_memory_equal(s->got, "hello", 5);
	program_sends(s, "world");
	guest_expect_data(&r, 52, 1000, "world");
	assert_int_equal(r.last.fwd_cnt, 5);
	assert_int_equal(guest_waiting(&r), 0);
}

static void nobody_listens_on_the_host(void **state)
{
	(void)state;
	guest_start(&r, 8);
	host.refusal = -ECONNREFUSED;
	guest_say(&r, REQUEST, 1000, 52);
	guest_expect(&r, RST, 52, 1000);
	assert_int_equal(guest_waiting(&r), 0);
	host.refusal = 0;
	connected(52);
}

static void a_program_of_the_host_connects(void **state)
{
	struct fake_stream *s;
	uint32_t port;

	(void)state;
	guest_start(&r, 8);
	s = new_stream();
	s->text = "early";
	s->left = 5; /* it need not wait for the answer */
	assert_true(host.host.offer(host.host.ctx, &s->stream, 80));
	guest_take(&r);
	assert_int_equal(r.last.op, REQUEST);
	assert_int_equal(r.last.dst_port, 80);
	assert_int_equal(r.last.src_cid, 2);
	assert_int_equal(r.last.dst_cid, CID);
	assert_int_equal(guest_waiting(&r), 0);
	port = r.last.src_port;
	assert_true(port >= 1024);
	guest_say(&r, RESPONSE, 80, port);
	assert_int_equal(s->accepted, port);
	guest_expect_data(&r, port, 80, "early");
	guest_send_text(&r, 80, port, "hi");
	assert_memory_equal(s->got, "hi", 2);
}

static void nobody_listens_in_the_guest(void **state)
{
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 8);
	s = offered(80);
	guest_take(&r);
	guest_say(&r, RST, 80, r.last.src_port);
	assert_true(s->closed);
	assert_int_equal(s->accepted, 0);
	assert_int_equal(guest_waiting(&r), 0); /* RST is not answered */
}

static void ports_of_the_host_are_given_once(void **state)
{
	uint32_t first;

	(void)state;
	guest_start(&r, 8);
	offered(80);
	guest_take(&r);
	first = r.last.src_port;
	offered(80);
	guest_take(&r);
	assert_int_not_equal(r.last.src_port, first);
}

static void nobody_is_offered_to_a_device_that_is_not_in_use(void **state)
{
	struct fake_stream *s = new_stream();

	(void)state;
	assert_false(host.host.offer(host.host.ctx, &s->stream, 80));
	guest_start(&r, 8);
	vrig_reset(&r.v);
	assert_false(host.host.offer(host.host.ctx, &s->stream, 80));
	s->closed = true; /* it is still ours */
}

static void a_program_that_leaves_before_the_answer(void **state)
{
	struct fake_stream *s;
	uint32_t port;

	(void)state;
	guest_start(&r, 8);
	s = offered(80);
	guest_take(&r);
	port = r.last.src_port;
	happens(s, VSOCK_HANGUP);
	assert_true(s->closed);
	guest_expect(&r, RST, port, 80);
	guest_say(&r, RESPONSE, 80, port); /* on its way meanwhile */
	guest_expect(&r, RST, port, 80);
}

static void a_program_that_leaves_before_the_question(void **state)
{
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 0);
	s = offered(80);
	happens(s, VSOCK_HANGUP);
	assert_true(s->closed);
	guest_post(&r);
	assert_int_equal(guest_waiting(&r), 0); /* the guest never hears of it */
}

/* --- ends --- */

static void the_guest_closes(void **state)
{
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 8);
	s = connected(52);
	guest_send_text(&r, 1000, 52, "last words");
	guest_say_shutdown(&r, NO_RECEIVE | NO_SEND, 1000, 52);
	assert_memory_equal(s->got, "last words", 10);
	assert_true(s->closed);
	guest_expect(&r, RST, 52, 1000);
	assert_int_equal(guest_waiting(&r), 0);
}

static void the_guest_closes_while_the_program_is_slow(void **state)
{
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 8);
	s = connected(52);
	s->room = 4;
	guest_send_text(&r, 1000, 52, "last words");
	guest_say_shutdown(&r, NO_RECEIVE | NO_SEND, 1000, 52);
	assert_false(s->closed);
	assert_int_equal(guest_waiting(&r), 0);
	s->room = 100;
	happens(s, VSOCK_WRITABLE);
	assert_int_equal(s->nr_got, 10);
	assert_memory_equal(s->got, "last words", 10);
	assert_true(s->closed);
	guest_expect(&r, RST, 52, 1000);
}

static void the_guest_sends_no_more(void **state)
{
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 8);
	s = connected(52);
	s->room = 2;
	guest_send_text(&r, 1000, 52, "question");
	guest_say_shutdown(&r, NO_SEND, 1000, 52);
	assert_false(s->send_ended); /* not before the rest has arrived */
	s->room = 100;
	happens(s, VSOCK_WRITABLE);
	assert_true(s->send_ended);
	assert_false(s->closed);
	program_sends(s, "answer");
	guest_expect_data(&r, 52, 1000, "answer");
	s->eof = true;
	happens(s, VSOCK_READABLE | VSOCK_HANGUP);
	guest_expect(&r, SHUTDOWN, 52, 1000);
	assert_int_equal(r.last.flags, NO_RECEIVE | NO_SEND);
	guest_say(&r, RST, 1000, 52);
	assert_int_equal(guest_waiting(&r), 0);
}

static void the_guest_receives_no_more(void **state)
{
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 8);
	s = connected(52);
	guest_say_shutdown(&r, NO_RECEIVE, 1000, 52);
	assert_true(s->receive_ended);
	assert_false(s->closed);
	program_sends(s, "nobody hears");
	assert_int_equal(guest_waiting(&r), 0);
	guest_send_text(&r, 1000, 52, "still here");
	assert_int_equal(s->nr_got, 10);
	guest_say_shutdown(&r, NO_SEND, 1000, 52);
	guest_expect(&r, RST, 52, 1000);
	assert_true(s->closed);
}

static void the_program_sends_no_more(void **state)
{
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 8);
	s = connected(52);
	s->eof = true;
	program_sends(s, "question");
	guest_expect_data(&r, 52, 1000, "question");
	guest_expect(&r, SHUTDOWN, 52, 1000);
	assert_int_equal(r.last.flags, NO_SEND);
	assert_false(s->closed);
	guest_send_text(&r, 1000, 52, "answer");
	assert_memory_equal(s->got, "answer", 6);
	guest_say_shutdown(&r, NO_RECEIVE | NO_SEND, 1000, 52);
	guest_expect(&r, RST, 52, 1000);
	assert_true(s->closed);
}

/* What it had sent is delivered, however late the guest has room. */
static void the_program_is_gone(void **state)
{
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 8);
	r.alloc = 3;
	s = connected(52);
	s->text = "legacy";
	s->left = 6;
	s->eof = s->gone = true;
	happens(s, VSOCK_READABLE | VSOCK_WRITABLE | VSOCK_HANGUP);
	guest_expect_data(&r, 52, 1000, "leg");
	guest_expect(&r, CREDIT_REQUEST, 52, 1000);
	assert_int_equal(guest_waiting(&r), 0);
	r.fwd = 3;
	guest_say(&r, CREDIT_UPDATE, 1000, 52);
	guest_expect_data(&r, 52, 1000, "acy");
	r.fwd = 6;
	guest_say(&r, CREDIT_UPDATE, 1000, 52);
	while (guest_waiting(&r))
		guest_take(&r);
	assert_int_equal(r.last.op, SHUTDOWN);
	assert_int_equal(r.last.flags, NO_RECEIVE | NO_SEND);
	assert_true(s->closed);
	/* What the guest sends goes nowhere, and it still has credit for it. */
	guest_send_text(&r, 1000, 52, "too late");
	guest_say(&r, CREDIT_REQUEST, 1000, 52);
	guest_expect(&r, CREDIT_UPDATE, 52, 1000);
	assert_int_equal(r.last.fwd_cnt, 8);
	guest_say(&r, RST, 1000, 52);
	assert_int_equal(guest_waiting(&r), 0);
	guest_send_text(&r, 1000, 52, "x");
	guest_expect(&r, RST, 52, 1000);
}

static void a_program_that_takes_no_more(void **state)
{
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 8);
	s = connected(52);
	s->gone = true;
	s->eof = true;
	guest_send_text(&r, 1000, 52, "anybody there?");
	guest_expect(&r, SHUTDOWN, 52, 1000);
	assert_int_equal(r.last.flags, NO_RECEIVE | NO_SEND);
	assert_true(s->closed);
}

static void the_guest_resets(void **state)
{
	struct fake_stream *s;

	(void)state;
	guest_start(&r, 8);
	s = connected(52);
	guest_say(&r, RST, 1000, 52);
	assert_true(s->closed);
	assert_int_equal(guest_waiting(&r), 0);
	connected(52);
}

static void a_reset_of_the_device_closes_all(void **state)
{
	struct fake_stream *first, *second, *third;

	(void)state;
	guest_start(&r, 8);
	first = connected(52);
	second = accepted(80);
	first->room = 0;
	guest_send_text(&r, 1000, 52, "unsent");
	third = offered(81);
	vrig_reset(&r.v);
	assert_true(first->closed);
	assert_true(second->closed);
	assert_true(third->closed);
	guest_start(&r, 8);
	guest_send_text(&r, 1000, 52, "x");
	guest_expect(&r, RST, 52, 1000);
	connected(52);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identity),
		TEST(the_guest_connects),
		TEST(nobody_listens_on_the_host),
		TEST(a_program_of_the_host_connects),
		TEST(nobody_listens_in_the_guest),
		TEST(ports_of_the_host_are_given_once),
		TEST(nobody_is_offered_to_a_device_that_is_not_in_use),
		TEST(a_program_that_leaves_before_the_answer),
		TEST(a_program_that_leaves_before_the_question),
		TEST(the_guest_closes),
		TEST(the_guest_closes_while_the_program_is_slow),
		TEST(the_guest_sends_no_more),
		TEST(the_guest_receives_no_more),
		TEST(the_program_sends_no_more),
		TEST(the_program_is_gone),
		TEST(a_program_that_takes_no_more),
		TEST(the_guest_resets),
		TEST(a_reset_of_the_device_closes_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
