// SPDX-License-Identifier: BSD-2-Clause
/*
 * The socket device with real sockets of AF_UNIX on the host: the protocol of host/vsock_unix.h between
 * programs of the host (here) and a guest (vsock_rig.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "host/vsock_unix.h"
#include "tests/unit/descriptors_rig.h"
#include "tests/unit/vsock_rig.h"

static char dir[] = "/tmp/vireo-vsock.XXXXXX";
static char path[64];
static struct loop loop;
static struct vsock_rig r;

/* Whatever the loop has to do now. */
static void turn(void)
{
	struct epoll_event ev;

	while (epoll_wait(loop.epoll_fd, &ev, 1, 0) == 1) {
		struct loop_source *source = ev.data.ptr;

		source->ready(source->ctx, ev.events);
		vrig_run(&r.v);
	}
}

static int setup(void **state)
{
	struct vsock_host *host;
	struct err err;

	(void)state;
	strcpy(dir, "/tmp/vireo-vsock.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/v", dir);
	assert_int_equal(loop_init(&loop, &err), 0);
	assert_int_equal(vsock_unix_open(&host, path, "vsock vsock0", &loop, &err), 0);
	vrig_init(&r.v);
	assert_int_equal(virtio_vsock_create(&r.v.vdev, &r.v.mem, "vsock vsock0", CID, host, &err), 0);
	vrig_plug(&r.v);
	return 0;
}

static int teardown(void **state)
{
	struct stat st;

	(void)state;
	vrig_finish(&r.v);
	loop_finish(&loop);
	assert_int_equal(stat(path, &st), -1); /* the socket's file goes with it */
	return rmdir(dir);
}

static int client(void)
{
	int fd = unix_connect(path);

	assert_true(fd >= 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	turn();
}

/* What has come is exactly that. */
static void hear(int fd, const char *text)
{
	char got[256];

	turn();
	assert_int_equal(recv(fd, got, sizeof(got), 0), strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

static bool is_closed(int fd)
{
	char byte;
	ssize_t got;

	turn();
	got = recv(fd, &byte, 1, 0);
	return got == 0 || (got < 0 && errno == ECONNRESET);
}

static bool is_open(int fd)
{
	char byte;

	turn();
	return recv(fd, &byte, 1, 0) < 0 && errno == EAGAIN;
}

/* A program of the host that is connected with port 80 of the guest; *port: its own. */
static int connected(uint32_t *port)
{
	char ok[32];
	int fd = client();

	say(fd, "CONNECT 80\n");
	guest_take(&r);
	assert_int_equal(r.last.op, REQUEST);
	assert_int_equal(r.last.dst_port, 80);
	*port = r.last.src_port;
	guest_say(&r, RESPONSE, 80, *port);
	snprintf(ok, sizeof(ok), "OK %u\n", *port);
	hear(fd, ok);
	return fd;
}

static void a_program_of_the_host_connects(void **state)
{
	uint32_t port;
	int fd;

	(void)state;
	guest_start(&r, 8);
	fd = connected(&port);
	say(fd, "ping");
	guest_expect_data(&r, port, 80, "ping");
	guest_send_text(&r, 80, port, "pong");
	hear(fd, "pong");
	close(fd);
	turn();
	guest_expect(&r, SHUTDOWN, port, 80);
	assert_int_equal(r.last.flags, NO_RECEIVE | NO_SEND);
	guest_say(&r, RST, 80, port);
	assert_int_equal(guest_waiting(&r), 0);
}

/* It need not wait for the answer before it sends; its bytes are not taken for the line's. */
static void data_may_follow_the_line_at_once(void **state)
{
	uint32_t port;
	int fd;

	(void)state;
	guest_start(&r, 8);
	fd = client();
	say(fd, "CONNECT 80\nGET /\n");
	shutdown(fd, SHUT_WR);
	turn();
	guest_take(&r);
	port = r.last.src_port;
	assert_int_equal(guest_waiting(&r), 0);
	guest_say(&r, RESPONSE, 80, port);
	guest_expect_data(&r, port, 80, "GET /\n");
	guest_expect(&r, SHUTDOWN, port, 80);
	assert_int_equal(r.last.flags, NO_SEND); /* it still listens */
	guest_send_text(&r, 80, port, "page");
	guest_say_shutdown(&r, NO_RECEIVE | NO_SEND, 80, port);
	guest_expect(&r, RST, port, 80);
	{
		char got[64];
		int len = (int)recv(fd, got, sizeof(got), 0);

		assert_true(len > 4);
		assert_memory_equal(got, "OK ", 3);
		assert_memory_equal(got + len - 5, "\npage", 5);
	}
	assert_true(is_closed(fd));
	close(fd);
}

static void the_line_may_come_in_pieces(void **state)
{
	int fd;

	(void)state;
	guest_start(&r, 8);
	fd = client();
	turn();
	for (const char *p = "CONNECT 80\n"; *p; p++) {
		assert_int_equal(guest_waiting(&r), 0);
		say(fd, (char[]){ *p, '\0' });
	}
	assert_int_equal(guest_waiting(&r), 1);
	close(fd);
	turn();
}

static void other_lines_are_refused(void **state)
{
	static const char *const wrong[] = {
		"CONNECT \n",
		"CONNECT\n",
		"\n",
		"connect 80\n",
		"CONNECT 80 \n",
		"CONNECT  80\n",
		"CONNECT -1\n",
		"CONNECT 0x50\n",
		"CONNECT 4294967295\n", /* "any port" */
		"CONNECT 4294967296\n",
		"CONNECT 99999999999\n",
		"CONNECT 80\r\n",
		"GET / HTTP/1.1\n",
		"CONNECT 000000000000000000000000000000000000080",
	};

	(void)state;
	guest_start(&r, 8);
	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int fd = client();

		say(fd, wrong[i]);
		if (!is_closed(fd))
			fail_msg("accepted: %s", wrong[i]);
		close(fd);
	}
	assert_int_equal(guest_waiting(&r), 0);
}

static void clients_that_leave_early(void **state)
{
	int fd;

	(void)state;
	guest_start(&r, 8);
	fd = client();
	turn();
	close(fd);
	turn();
	fd = client();
	say(fd, "CONN");
	shutdown(fd, SHUT_WR);
	assert_true(is_closed(fd));
	close(fd);
	fd = client();
	say(fd, "CONNECT 80\n");
	guest_take(&r);
	close(fd);
	turn();
	guest_expect(&r, RST, r.last.src_port, 80);
	assert_int_equal(guest_waiting(&r), 0);
}

static void nobody_listens_in_the_guest(void **state)
{
	int fd;

	(void)state;
	guest_start(&r, 8);
	fd = client();
	say(fd, "CONNECT 80\n");
	guest_take(&r);
	assert_true(is_open(fd));
	guest_say(&r, RST, 80, r.last.src_port);
	assert_true(is_closed(fd));
	close(fd);
}

static void there_is_no_driver_yet(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "CONNECT 80\n");
	assert_true(is_closed(fd));
	close(fd);
}

/* Many who say nothing: the oldest goes, and who knows what it wants is served all the same. */
static void silent_clients_are_bounded(void **state)
{
	int fd[VSOCK_UNIX_MAX_WAITING + 5];
	uint32_t port;

	(void)state;
	guest_start(&r, 8);
	for (unsigned int i = 0; i < VSOCK_UNIX_MAX_WAITING + 5; i++) {
		fd[i] = client();
		turn();
	}
	close(connected(&port));
	turn();
	for (unsigned int i = 0; i < VSOCK_UNIX_MAX_WAITING + 5; i++) {
		assert_int_equal(is_closed(fd[i]), i < 6);
		close(fd[i]);
	}
	turn();
}

/* --- from the guest --- */

static int program(uint32_t port, struct unix_listener *listener)
{
	char at[96];
	struct err err;

	snprintf(at, sizeof(at), "%s_%u", path, port);
	return unix_listen(listener, at, ACCESSPERMS, &err);
}

static void the_guest_connects(void **state)
{
	struct unix_listener listener;
	int fd;

	(void)state;
	assert_int_equal(program(52, &listener), 0);
	guest_start(&r, 8);
	guest_say(&r, REQUEST, 1000, 52);
	guest_expect(&r, RESPONSE, 52, 1000);
	fd = accept4(listener.fd, NULL, NULL, SOCK_NONBLOCK);
	assert_true(fd >= 0);
	guest_send_text(&r, 1000, 52, "hello");
	hear(fd, "hello"); /* no line before it */
	say(fd, "world");
	guest_expect_data(&r, 52, 1000, "world");
	/* Half a close each way. */
	guest_say_shutdown(&r, NO_SEND, 1000, 52);
	assert_true(is_closed(fd));
	say(fd, "more");
	guest_expect_data(&r, 52, 1000, "more");
	guest_say_shutdown(&r, NO_RECEIVE, 1000, 52);
	guest_expect(&r, RST, 52, 1000);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	close(fd);
	unix_unlisten(&listener);
}

static void nobody_listens_on_the_host(void **state)
{
	struct unix_listener listener;

	(void)state;
	guest_start(&r, 8);
	guest_say(&r, REQUEST, 1000, 52); /* no such file */
	guest_expect(&r, RST, 52, 1000);
	assert_int_equal(program(52, &listener), 0);
	close(listener.fd); /* a file that nobody listens at */
	guest_say(&r, REQUEST, 1000, 52);
	guest_expect(&r, RST, 52, 1000);
	listener.fd = open("/dev/null", O_RDONLY);
	unix_unlisten(&listener);
	guest_say(&r, REQUEST, 1000, UINT32_MAX); /* the longest name */
	guest_expect(&r, RST, UINT32_MAX, 1000);
}

/* More connections than the program's backlog takes: the guest is refused, nothing blocks. */
static void a_program_that_accepts_nobody(void **state)
{
	struct unix_listener listener;
	bool refused = false;

	(void)state;
	assert_int_equal(program(52, &listener), 0);
	guest_start(&r, 8);
	for (unsigned int i = 0; i < 200 && !refused; i++) {
		guest_say(&r, REQUEST, 1000 + i, 52);
		guest_take(&r);
		refused = r.last.op == RST;
	}
	assert_true(refused);
	unix_unlisten(&listener);
	turn();
}

static void a_program_that_is_slow(void **state)
{
	static uint8_t block[32 << 10], got[256 << 10];
	uint32_t port, sent = 0, fwd = 0;
	size_t received = 0;
	int fd;

	(void)state;
	for (unsigned int i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)(i * 13 + i / 257);
	guest_start(&r, 8);
	fd = connected(&port);
	/* The guest sends what its credit allows; the program reads only when that is used up. */
	for (unsigned int round = 0; round < 64;) {
		ssize_t len;

		if ((256 << 10) - (sent - fwd) >= sizeof(block)) {
			guest_send_bytes(&r, 80, port, block, sizeof(block));
			sent += sizeof(block);
			round++;
		} else {
			len = recv(fd, got, 100000, 0);
			assert_true(len > 0);
			for (ssize_t i = 0; i < len; i++)
				assert_int_equal(got[i], block[(received + (size_t)i) % sizeof(block)]);
			received += (size_t)len;
			turn();
		}
		while (guest_waiting(&r)) {
			guest_expect(&r, CREDIT_UPDATE, port, 80);
			fwd = r.last.fwd_cnt;
		}
	}
	guest_say_shutdown(&r, NO_SEND | NO_RECEIVE, 80, port);
	for (;;) {
		ssize_t len = recv(fd, got, sizeof(got), 0);

		if (len == 0)
			break;
		assert_true(len > 0 || errno == EAGAIN);
		received += len > 0 ? (size_t)len : 0;
		turn();
	}
	assert_int_equal(received, 64 * sizeof(block));
	while (guest_waiting(&r))
		guest_take(&r);
	assert_int_equal(r.last.op, RST);
	close(fd);
}

static void a_guest_that_is_slow(void **state)
{
	static uint8_t block[1 << 20];
	uint32_t port;
	size_t sent = 0, got = 0;
	int fd;

	(void)state;
	guest_start(&r, 4);
	r.alloc = 10000;
	fd = connected(&port);
	while (got < 300000) {
		ssize_t len = send(fd, block, sizeof(block), MSG_NOSIGNAL);

		assert_true(len > 0 || errno == EAGAIN);
		sent += len > 0 ? (size_t)len : 0;
		turn();
		while (guest_waiting(&r)) {
			guest_take(&r);
			got += r.last.len;
			assert_true(got - r.fwd <= r.alloc);
		}
		assert_true(sent < got + (4 << 20)); /* the program is held back */
		r.fwd = (uint32_t)got;
		guest_say(&r, CREDIT_UPDATE, 80, port);
	}
	close(fd);
	turn();
}

static void a_reset_closes_all(void **state)
{
	struct unix_listener listener;
	uint32_t port;
	int fd, other;

	(void)state;
	assert_int_equal(program(52, &listener), 0);
	guest_start(&r, 8);
	fd = connected(&port);
	guest_say(&r, REQUEST, 1000, 52);
	guest_expect(&r, RESPONSE, 52, 1000);
	other = accept4(listener.fd, NULL, NULL, SOCK_NONBLOCK);
	vrig_reset(&r.v);
	assert_true(is_closed(fd));
	assert_true(is_closed(other));
	guest_start(&r, 8);
	close(connected(&port));
	close(fd);
	close(other);
	unix_unlisten(&listener);
	turn();
}

/* The host has no descriptor left for a client: it waits, and the loop is not kept busy. */
static void out_of_descriptors(void **state)
{
	int fd;

	(void)state;
	guest_start(&r, 8);
	fd = client();
	files_run_out(fd, &loop, turn); /* each turn ends */
	assert_true(is_open(fd));
	say(fd, "CONNECT 81\n");
	guest_take(&r);
	assert_int_equal(r.last.dst_port, 81);
	close(fd);
	turn();
}

/* --- the listening socket --- */

static void a_live_socket_is_not_replaced(void **state)
{
	struct unix_listener listener;
	struct vsock_host *host;
	struct err err;
	int fd;

	(void)state;
	assert_int_equal(unix_listen(&listener, path, ACCESSPERMS, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(listener.fd, -1);
	unix_unlisten(&listener);
	assert_int_equal(vsock_unix_open(&host, path, "x", &loop, &err), -EADDRINUSE);
	turn();
	fd = client(); /* the first one's is still there */
	close(fd);
	turn();
}

static void a_stale_socket_is_replaced(void **state)
{
	struct unix_listener first, second;
	char at[96];
	struct err err;
	int fd;

	(void)state;
	snprintf(at, sizeof(at), "%s/stale", dir);
	assert_int_equal(unix_listen(&first, at, ACCESSPERMS, &err), 0);
	close(first.fd); /* as when a program is killed: the file stays */
	assert_int_equal(unix_connect(at), -ECONNREFUSED);
	assert_int_equal(unix_listen(&second, at, ACCESSPERMS, &err), 0);
	fd = unix_connect(at);
	assert_true(fd >= 0);
	close(fd);
	/* Whoever had it first does not remove the other's. */
	first.fd = open("/dev/null", O_RDONLY);
	first.ino++;
	unix_unlisten(&first);
	fd = unix_connect(at);
	assert_true(fd >= 0);
	close(fd);
	unix_unlisten(&second);
	assert_int_equal(unix_connect(at), -ENOENT);
}

static void what_is_no_socket_is_not_replaced(void **state)
{
	struct unix_listener listener;
	char at[96], too_long[200];
	struct vsock_host *host;
	struct err err;
	int fd;

	(void)state;
	snprintf(at, sizeof(at), "%s/file", dir);
	fd = open(at, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(unix_listen(&listener, at, ACCESSPERMS, &err), -EINVAL);
	assert_non_null(strstr(err.text, "no socket"));
	assert_int_equal(unlink(at), 0);
	snprintf(at, sizeof(at), "%s/none/x", dir);
	assert_int_equal(unix_listen(&listener, at, ACCESSPERMS, &err), -ENOENT);
	assert_int_equal(err.kind, ERR_USER); /* who named it can mend it */
	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	assert_int_equal(unix_listen(&listener, too_long, ACCESSPERMS, &err), -EINVAL);
	too_long[VSOCK_UNIX_PATH_MAX + 1] = '\0';
	assert_int_equal(vsock_unix_open(&host, too_long, "x", &loop, &err), -EINVAL);
	assert_non_null(strstr(err.text, "96 bytes"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_program_of_the_host_connects),
		TEST(data_may_follow_the_line_at_once),
		TEST(the_line_may_come_in_pieces),
		TEST(other_lines_are_refused),
		TEST(clients_that_leave_early),
		TEST(nobody_listens_in_the_guest),
		TEST(there_is_no_driver_yet),
		TEST(silent_clients_are_bounded),
		TEST(the_guest_connects),
		TEST(nobody_listens_on_the_host),
		TEST(a_program_that_accepts_nobody),
		TEST(a_program_that_is_slow),
		TEST(a_guest_that_is_slow),
		TEST(a_reset_closes_all),
		TEST(out_of_descriptors),
		TEST(a_live_socket_is_not_replaced),
		TEST(a_stale_socket_is_replaced),
		TEST(what_is_no_socket_is_not_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
