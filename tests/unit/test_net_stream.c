// SPDX-License-Identifier: BSD-2-Clause
/* Network card over a stream socket: frames behind their lengths, in whatever pieces they come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/net_stream.h"
#include "tests/unit/netdev_rig.h"

static struct netdev_rig rig;
static int peer;

static int setup(void **state)
{
	struct netdev *nd;
	struct err err;
	int fd[2];

	(void)state;
	netdev_rig_init(&rig);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	peer = fd[1];
	assert_int_equal(net_stream_new(&nd, &rig.loop, fd[0], "net test", "the test", &err), 0);
	netdev_rig_attach(&rig, nd);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	netdev_rig_finish(&rig);
	if (peer >= 0)
		close(peer);
	return 0;
}

static void put(const void *data, size_t size)
{
	assert_int_equal(write(peer, data, size), size);
}

static void put_frame(size_t size, unsigned int seed)
{
	uint8_t *data = malloc(4 + size);
	uint32_t length = htonl((uint32_t)size);

	memcpy(data, &length, 4);
	netdev_rig_make(data + 4, size, seed);
	put(data, 4 + size);
	free(data);
}

/* The next frame is that one, behind a header of zeroes. */
static void assert_received(size_t size, unsigned int seed)
{
	static const uint8_t zeroes[NETDEV_HEADER];
	uint8_t *data = malloc(size + 1);

	assert_int_equal(netdev_rig_receive(&rig, 0), NETDEV_HEADER + size);
	netdev_rig_make(data, size, seed);
	assert_memory_equal(rig.frame, zeroes, NETDEV_HEADER);
	assert_memory_equal(rig.frame + NETDEV_HEADER, data, size);
	free(data);
}

static void read_all(void *data, size_t size)
{
	assert_int_equal(recv(peer, data, size, MSG_WAITALL), size);
}

static void assert_sent(size_t size, unsigned int seed)
{
	uint8_t *data = malloc(2 * size + 1);
	uint32_t length;

	read_all(&length, 4);
	assert_int_equal(ntohl(length), size);
	read_all(data, size);
	netdev_rig_make(data + size, size, seed);
	assert_memory_equal(data, data + size, size);
	free(data);
}

static void test_what_it_is(void **state)
{
	(void)state;
	assert_int_equal(rig.nd->max_pairs, 1);
	assert_int_equal(rig.nd->offloads, 0); /* a header would have no place in the stream */
	assert_int_equal(rig.nd->mtu, 0);
	assert_true(rig.nd->link_up);
}

static void test_frames_come_in(void **state)
{
	(void)state;
	assert_int_equal(netdev_rig_receive(&rig, 0), -EAGAIN);
	rig.nd->ops->want_input(rig.nd, 0, true);
	put_frame(60, 1);
	put_frame(1514, 2);
	put_frame(65550, 3);
	netdev_rig_wait(&rig);
	assert_int_equal(rig.readable, 1);
	assert_received(60, 1);
	assert_received(1514, 2);
	assert_received(65550, 3);
	assert_int_equal(netdev_rig_receive(&rig, 0), -EAGAIN);
}

static void test_byte_by_byte(void **state)
{
	uint8_t data[4 + 30] = { 0, 0, 0, 30 };

	(void)state;
	netdev_rig_make(data + 4, 30, 7);
	for (size_t i = 0; i < sizeof(data); i++) {
		assert_int_equal(netdev_rig_receive(&rig, 0), -EAGAIN);
		put(data + i, 1);
	}
	assert_received(30, 7);
}

/* Much more than is read at once, frames of all sizes. */
static void test_many_frames(void **state)
{
	unsigned int next = 0, last = 0;

	(void)state;
	fcntl(peer, F_SETFL, O_NONBLOCK);
	while (next < 3000) {
		uint8_t data[4 + 700];
		uint32_t size = 14 + next % 600, length = htonl(size);

		memcpy(data, &length, 4);
		netdev_rig_make(data + 4, size, next);
		if (next < 3000 && write(peer, data, 4 + size) == (ssize_t)(4 + size)) {
			next++;
			continue;
		}
		assert_true(last < next);
		for (; last < next; last++)
			assert_received(14 + last % 600, last);
	}
	for (; last < next; last++)
		assert_received(14 + last % 600, last);
	assert_int_equal(netdev_rig_receive(&rig, 0), -EAGAIN);
}

/* As receive() promises: what does not fit is cut off, and the next frame is where it should be. */
static void test_a_frame_longer_than_the_buffers(void **state)
{
	uint8_t small[100];
	struct iovec iov = { small, sizeof(small) };

	(void)state;
	put_frame(1000, 1);
	put_frame(60, 2);
	assert_int_equal(rig.nd->ops->receive(rig.nd, 0, &iov, 1), 100);
	assert_received(60, 2);
}

static void test_an_empty_frame(void **state)
{
	(void)state;
	put_frame(0, 0);
	put_frame(60, 2);
	assert_int_equal(netdev_rig_receive(&rig, 0), NETDEV_HEADER);
	assert_received(60, 2);
}

static void test_frames_go_out(void **state)
{
	uint8_t data[65550];

	(void)state;
	netdev_rig_make(data, sizeof(data), 1);
	assert_int_equal(netdev_rig_send(&rig, 0, data, 60), 0);
	assert_int_equal(netdev_rig_send(&rig, 0, data, 65550), 0);
	assert_sent(60, 1);
	assert_sent(65550, 1);
	/* Nothing that could not be a frame. */
	assert_int_equal(netdev_rig_send(&rig, 0, data, 0), 0);
	assert_int_equal(netdev_rig_send(&rig, 0, data, 14), 0);
	assert_sent(14, 1);
}

/* A peer that does not read: -EAGAIN at some point, and afterwards every frame that was taken is whole. */
static void test_no_room(void **state)
{
	uint8_t data[9000];
	unsigned int sent = 0;

	(void)state;
	for (;; sent++) {
		netdev_rig_make(data, sizeof(data), sent);
		if (netdev_rig_send(&rig, 0, data, sizeof(data)) == -EAGAIN)
			break;
		assert_true(sent < 10000);
	}
	assert_int_equal(netdev_rig_send(&rig, 0, data, sizeof(data)), -EAGAIN);
	assert_true(sent > 0);
	/* The last may be there in part only until the loop has run. */
	for (unsigned int i = 0; i + 1 < sent; i++)
		assert_sent(sizeof(data), i);
	netdev_rig_wait(&rig);
	assert_int_equal(rig.writable, 1);
	assert_sent(sizeof(data), sent - 1);
	netdev_rig_make(data, sizeof(data), 77);
	assert_int_equal(netdev_rig_send(&rig, 0, data, sizeof(data)), 0);
	assert_sent(sizeof(data), 77);
}

static void assert_lost(void)
{
	uint8_t data[60] = { 0 };

	while (!rig.link_changed)
		netdev_rig_wait(&rig);
	assert_false(rig.nd->link_up);
	assert_int_equal(rig.link_changed, 1);
	/* All goes into nothing, and nothing waits. */
	assert_int_equal(netdev_rig_send(&rig, 0, data, sizeof(data)), 0);
	assert_int_equal(netdev_rig_receive(&rig, 0), -EAGAIN);
	rig.nd->ops->want_input(rig.nd, 0, true);
	/* Also for the next driver. */
	rig.nd->ops->set_pairs(rig.nd, 0);
	rig.nd->ops->set_pairs(rig.nd, 1);
	assert_int_equal(netdev_rig_send(&rig, 0, data, sizeof(data)), 0);
	assert_int_equal(netdev_rig_receive(&rig, 0), -EAGAIN);
	assert_false(rig.nd->link_up);
	assert_true(netdev_rig_is_quiet(&rig));
}

/* The rest of a frame that went in part goes, whatever the driver does meanwhile. */
static void test_a_reset_while_there_is_no_room(void **state)
{
	uint8_t data[9000];
	unsigned int sent = 0;

	(void)state;
	netdev_rig_make(data, sizeof(data), 1);
	while (netdev_rig_send(&rig, 0, data, sizeof(data)) != -EAGAIN)
		sent++;
	rig.nd->ops->set_pairs(rig.nd, 0);
	rig.nd->ops->set_pairs(rig.nd, 1);
	for (unsigned int i = 0; i + 1 < sent; i++)
		assert_sent(sizeof(data), 1);
	while (!netdev_rig_is_quiet(&rig))
		netdev_rig_wait(&rig);
	assert_sent(sizeof(data), 1);
	assert_int_equal(netdev_rig_send(&rig, 0, data, sizeof(data)), 0);
	assert_sent(sizeof(data), 1);
}

static void test_a_peer_that_takes_no_frames(void **state)
{
	uint8_t data[60] = { 0 };

	(void)state;
	shutdown(peer, SHUT_RD);
	assert_int_equal(netdev_rig_send(&rig, 0, data, sizeof(data)), 0);
	assert_lost();
}

static void test_input_that_is_not_wanted(void **state)
{
	(void)state;
	rig.nd->ops->want_input(rig.nd, 0, true);
	rig.nd->ops->want_input(rig.nd, 0, false);
	put_frame(60, 1);
	assert_true(netdev_rig_is_quiet(&rig));
	rig.nd->ops->want_input(rig.nd, 0, true);
	netdev_rig_wait(&rig);
	assert_int_equal(rig.readable, 1);
	assert_received(60, 1);
}

static void test_the_peer_goes(void **state)
{
	(void)state;
	close(peer);
	peer = -1;
	assert_lost();
}

static void test_the_peer_goes_while_input_is_wanted(void **state)
{
	(void)state;
	rig.nd->ops->want_input(rig.nd, 0, true);
	put("\0\0", 2);
	close(peer);
	peer = -1;
	netdev_rig_wait(&rig); /* there is something to read */
	assert_int_equal(netdev_rig_receive(&rig, 0), -EAGAIN);
	assert_lost();
}

static void test_the_peer_goes_while_there_is_no_room(void **state)
{
	uint8_t data[9000] = { 0 };

	(void)state;
	while (netdev_rig_send(&rig, 0, data, sizeof(data)) != -EAGAIN)
		;
	close(peer);
	peer = -1;
	assert_lost();
	assert_true(rig.writable > 0); /* what waits for room goes on */
}

static void test_the_peer_closes_one_direction(void **state)
{
	(void)state;
	put_frame(60, 1);
	shutdown(peer, SHUT_WR);
	assert_received(60, 1);
	assert_int_equal(netdev_rig_receive(&rig, 0), -EAGAIN);
	assert_lost();
}

static void test_the_peer_speaks_something_else(void **state)
{
	(void)state;
	put_frame(60, 1);
	put("GET / HTTP/1.1\r\n", 16);
	assert_received(60, 1);
	assert_int_equal(netdev_rig_receive(&rig, 0), -EAGAIN);
	assert_lost();
}

static void test_a_length_beyond_the_largest_frame(void **state)
{
	uint32_t length = htonl(NETDEV_MAX_FRAME - NETDEV_HEADER + 1);

	(void)state;
	put(&length, 4);
	assert_int_equal(netdev_rig_receive(&rig, 0), -EAGAIN);
	assert_lost();
}

static void test_the_peer_goes_before_there_is_a_driver(void **state)
{
	(void)state;
	rig.nd->ops->set_pairs(rig.nd, 0);
	close(peer);
	peer = -1;
	assert_true(netdev_rig_is_quiet(&rig));
	rig.nd->ops->set_pairs(rig.nd, 1);
	assert_lost();
}

/* --- by path --- */

static void test_connect(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct netdev_rig other;
	struct netdev *nd;
	struct err err;
	char directory[] = "/tmp/vireo-test-XXXXXX";
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	uint32_t length;

	(void)state;
	netdev_rig_init(&other);
	assert_non_null(mkdtemp(directory));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/net", directory);
	assert_int_equal(net_stream_connect(&nd, &other.loop, address.sun_path, "net lan", &err), -ENOENT);
	assert_non_null(strstr(err.text, "net lan: "));
	assert_non_null(strstr(err.text, address.sun_path));

	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(net_stream_connect(&nd, &other.loop, address.sun_path, "net lan", &err),
			 -ECONNREFUSED);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(net_stream_connect(&nd, &other.loop, address.sun_path, "net lan", &err), 0);
	fd = accept(listener, NULL, NULL);
	netdev_rig_attach(&other, nd);
	assert_int_equal(netdev_rig_send(&other, 0, "frame of twenty byte", 20), 0);
	assert_int_equal(read(fd, &length, 4), 4);
	assert_int_equal(ntohl(length), 20);
	netdev_rig_finish(&other);
	close(fd);
	close(listener);
	unlink(address.sun_path);
	rmdir(directory);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_what_it_is),
		test(test_frames_come_in),
		test(test_byte_by_byte),
		test(test_many_frames),
		test(test_a_frame_longer_than_the_buffers),
		test(test_an_empty_frame),
		test(test_frames_go_out),
		test(test_no_room),
		test(test_a_reset_while_there_is_no_room),
		test(test_a_peer_that_takes_no_frames),
		test(test_input_that_is_not_wanted),
		test(test_the_peer_goes),
		test(test_the_peer_goes_while_input_is_wanted),
		test(test_the_peer_goes_while_there_is_no_room),
		test(test_the_peer_closes_one_direction),
		test(test_the_peer_speaks_something_else),
		test(test_a_length_beyond_the_largest_frame),
		test(test_the_peer_goes_before_there_is_a_driver),
		cmocka_unit_test(test_connect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
