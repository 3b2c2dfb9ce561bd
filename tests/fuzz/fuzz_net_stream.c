// SPDX-License-Identifier: BSD-2-Clause
/*
 * The network card over a stream socket: a peer that sends whatever it likes in whatever pieces, and reads
 * when it likes. What comes out must be what a simple reader of the same bytes finds in them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/virtio/queue.h"
#include "host/net_stream.h"
#include "kvm/log.h"
#include "tests/fuzz/fuzz.h"

#define MAX_FRAME (NETDEV_MAX_FRAME - NETDEV_HEADER)
#define STREAM    (1u << 20)

static struct input in;
static struct loop loop;
static struct netdev *nd;
static int peer;
static bool wanted, waits, down;
static unsigned int lines;

static uint8_t sent[STREAM]; /* by the peer */
static size_t nr_sent, nr_seen;
static uint8_t expected[STREAM]; /* by the peer */
static size_t nr_expected, nr_got;
static uint8_t frame[NETDEV_MAX_FRAME];

void log_line(enum log_area area, enum log_level level, const char *fmt, ...)
{
	(void)area;
	(void)level;
	(void)fmt;
	must(++lines == 1); /* that it is lost */
}

/* --- the card --- */

/* The next frame is the next in what the peer has sent. */
static bool receive(void)
{
	struct iovec iov[2] = { { frame, 100 }, { frame + 100, sizeof(frame) - 100 } };
	ssize_t n = nd->ops->receive(nd, 0, iov, 2);
	uint32_t length;

	if (n < 0) {
		must(n == -EAGAIN);
		return false;
	}
	must(nr_sent - nr_seen >= 4);
	memcpy(&length, sent + nr_seen, 4);
	length = ntohl(length);
	must(length <= MAX_FRAME && nr_sent - nr_seen - 4 >= length);
	must((size_t)n == NETDEV_HEADER + length);
	must(!memcmp(frame + NETDEV_HEADER, sent + nr_seen + 4, length));
	nr_seen += 4 + length;
	return true;
}

static void readable(void *ctx, unsigned int pair)
{
	must(!ctx && !pair && wanted);
	if (!receive()) {
		wanted = false;
		nd->ops->want_input(nd, 0, false);
	}
}

static void writable(void *ctx, unsigned int pair)
{
	must(!ctx && !pair);
	waits = false;
}

static void link_changed(void *ctx)
{
	must(!ctx && !down && !nd->link_up);
	down = true;
}

static void send_frame(void)
{
	uint32_t size = take_below(&in, 20000), length = htonl(size);
	uint8_t header[NETDEV_HEADER] = { 0xff }, seed = (uint8_t)take(&in, 1);
	struct iovec iov[3] = { { header, sizeof(header) },
				{ frame, size / 3 },
				{ frame + size / 3, size - size / 3 } };
	int ret;

	if (waits || nr_expected + 4 + size > sizeof(expected))
		return;
	memset(frame, seed, size);
	ret = nd->ops->send(nd, 0, iov, 3);
	must(ret == 0 || ret == -EAGAIN);
	waits = ret == -EAGAIN;
	if (ret || !size || down)
		return;
	memcpy(expected + nr_expected, &length, 4);
	memset(expected + nr_expected + 4, seed, size);
	nr_expected += 4 + size;
}

/* --- the peer --- */

static void put(const void *data, size_t size)
{
	ssize_t n;

	if (size > sizeof(sent) - nr_sent)
		return;
	n = send(peer, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n <= 0)
		return;
	memcpy(sent + nr_sent, data, (size_t)n);
	nr_sent += (size_t)n;
}

static void put_frame(void)
{
	static uint8_t data[4 + MAX_FRAME];
	uint32_t size = take_below(&in, 65536), length = htonl(size);

	size = size < MAX_FRAME ? size : MAX_FRAME;
	memcpy(data, &length, 4);
	memset(data + 4, (uint8_t)take(&in, 1), size);
	put(data, 4 + size);
}

static void put_bytes(void)
{
	uint8_t data[16];
	uint32_t size = take_below(&in, sizeof(data) + 1);

	for (uint32_t i = 0; i < size; i++)
		data[i] = (uint8_t)take(&in, 1);
	put(data, size);
}

/* What comes are the frames that were sent, whole. */
static void get(size_t size)
{
	static uint8_t data[65536];
	ssize_t n = recv(peer, data, size, MSG_DONTWAIT);

	if (n <= 0)
		return;
	must((size_t)n <= nr_expected - nr_got);
	must(!memcmp(data, expected + nr_got, (size_t)n));
	nr_got += (size_t)n;
}

/* --- the whole --- */

/* The event loop, until nothing is ready; that must come soon. */
static void run(void)
{
	struct epoll_event event;

	for (unsigned int left = 100000; epoll_wait(loop.epoll_fd, &event, 1, 0) == 1; left--) {
		struct loop_source *source = event.data.ptr;

		must(left);
		source->ready(source->ctx, event.events);
	}
}

/* All of the frames that have come complete are received, unless the peer is lost. */
static void receive_all(void)
{
	uint32_t length;

	while (receive())
		;
	if (nr_sent - nr_seen < 4)
		return;
	memcpy(&length, sent + nr_seen, 4);
	if (ntohl(length) <= nr_sent - nr_seen - 4) {
		run();
		must(down);
	}
}

static void step(void)
{
	switch (take_below(&in, 11)) {
	case 0:
		put_bytes();
		break;
	case 1:
	case 2:
		put_frame();
		break;
	case 3:
	case 4:
		send_frame();
		break;
	case 5:
		get(1 + take_below(&in, 65536));
		break;
	case 6:
		wanted = take(&in, 1) & 1;
		nd->ops->want_input(nd, 0, wanted);
		break;
	case 7:
		receive_all();
		break;
	case 8: /* the driver resets the card */
		nd->ops->set_pairs(nd, 0);
		wanted = waits = false;
		nd->ops->set_pairs(nd, 1);
		break;
	case 9:
		if (take(&in, 1) < 8)
			shutdown(peer, (int)take_below(&in, 3));
		break;
	default:
		run();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err;
	int fd[2];

	in = (struct input){ data, size };
	wanted = waits = down = false;
	nr_sent = nr_seen = nr_expected = nr_got = 0;
	lines = 0;
	must(loop_init(&loop, &err) == 0);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0);
	peer = fd[1];
	must(net_stream_new(&nd, &loop, fd[0], "net", "peer", &err) == 0);
	nd->readable = readable;
	nd->writable = writable;
	nd->link_changed = link_changed;
	nd->ops->set_pairs(nd, 1);
	while (in.left)
		step();
	run();
	receive_all();
	/* Once the peer reads, nothing is held back. */
	for (size_t before = nr_got + 1; before != nr_got && !down;) {
		before = nr_got;
		get(65536);
		run();
	}
	must(down || nr_got == nr_expected);
	close(peer);
	run();
	must(down && !waits);
	nd->ops->destroy(nd);
	loop_finish(&loop);
	return 0;
}
