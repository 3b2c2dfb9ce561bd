// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kvm/log.h"
#include "vmm/terminal.h"

#define ESCAPE_KEY 0x01 /* Ctrl-A */

/* A write of at most this many bytes to a pipe that polls writable does not block (PIPE_BUF). */
#define OUT_CHUNK 4096u

static void tell_loop(struct console *con)
{
	const uint64_t one = 1;

	(void)!write(con->work.fd, &one, sizeof(one));
}

/* --- the model's side: any thread --- */

/* One write that does not block; -1 with errno as write(2). */
static ssize_t write_some(const struct console *con, const uint8_t *buf, size_t len)
{
	return con->out_is_socket ? send(con->out.fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL)
				  : write(con->out.fd, buf, len);
}

/*
 * With nothing waiting, a byte goes straight out: a kernel's console is written a byte at a time,
 * and waking the loop for each would cost more than the write. What fails is left to the loop.
 */
static bool put_at_once(const struct console *con, uint8_t byte)
{
	return con->out_direct && !con->out_busy && write_some(con, &byte, 1) == 1;
}

static bool put(struct chardev *chr, uint8_t byte)
{
	struct console *con = (struct console *)chr;
	bool tell = false, taken = true;

	pthread_mutex_lock(&con->lock);
	if (con->out_lost || put_at_once(con, byte)) {
		/* gone, or dropped */
	} else if (con->out_head - con->out_tail == CONSOLE_OUT_SIZE) {
		con->out_refused = true;
		taken = false;
	} else {
		con->out_ring[con->out_head++ % CONSOLE_OUT_SIZE] = byte;
		tell = !con->out_busy;
		con->out_busy = true;
	}
	pthread_mutex_unlock(&con->lock);
	if (tell)
		tell_loop(con);
	return taken;
}

static size_t get(struct chardev *chr, uint8_t *buf, size_t len)
{
	struct console *con = (struct console *)chr;
	size_t n = 0;
	bool tell;

	pthread_mutex_lock(&con->lock);
	while (n < len && con->in_tail != con->in_head)
		buf[n++] = con->in_ring[con->in_tail++ % CONSOLE_IN_SIZE];
	tell = n && con->in_full;
	pthread_mutex_unlock(&con->lock);
	if (tell)
		tell_loop(con);
	return n;
}

static const struct chardev_ops console_ops = {
	.put = put,
	.get = get,
};

/* --- output: the loop's thread --- */

/* Copies the oldest output, up to `len` bytes, without taking it out. */
static size_t peek_output(struct console *con, uint8_t *buf, size_t len)
{
	size_t n = 0;

	pthread_mutex_lock(&con->lock);
	for (uint32_t i = con->out_tail; n < len && i != con->out_head; i++)
		buf[n++] = con->out_ring[i % CONSOLE_OUT_SIZE];
	if (!n)
		con->out_busy = false;
	pthread_mutex_unlock(&con->lock);
	return n;
}

static void lose_output(struct console *con, int code)
{
	log_warn("console: stdout cannot be written any more (%s); the guest's output is dropped",
		 strerrordesc_np(code));
	pthread_mutex_lock(&con->lock);
	con->out_lost = true;
	con->out_tail = con->out_head;
	con->out_busy = false;
	pthread_mutex_unlock(&con->lock);
}

/* Writes all there is. False: the reader has no room now. */
static bool drain(struct console *con)
{
	uint8_t buf[OUT_CHUNK];
	size_t len;

	while ((len = peek_output(con, buf, sizeof(buf))) > 0) {
		ssize_t n = write_some(con, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0) {
			lose_output(con, errno);
			break;
		}
		pthread_mutex_lock(&con->lock);
		con->out_tail += (uint32_t)n;
		pthread_mutex_unlock(&con->lock);
		/* A descriptor we could not make non-blocking: ask before each write. */
		if (!con->out_is_own && !con->out_is_file && !con->out_is_socket)
			return false;
	}
	return true;
}

static void serve_output(struct console *con)
{
	bool wait = !drain(con), refused;

	if (!con->out_is_file && wait != con->out_waits) {
		con->out_waits = wait;
		loop_change(con->loop, &con->out, wait ? EPOLLOUT : 0);
	}

	pthread_mutex_lock(&con->lock);
	refused = con->out_refused && con->out_head - con->out_tail < CONSOLE_OUT_SIZE;
	if (refused)
		con->out_refused = false;
	pthread_mutex_unlock(&con->lock);
	if (refused && con->chr.writable)
		con->chr.writable(con->chr.ctx);
}

static void out_ready(void *ctx, uint32_t events)
{
	struct console *con = ctx;

	/* An error shows in the write, if there is anything to write; else it must not spin here. */
	if (events & (EPOLLERR | EPOLLHUP) && !(events & EPOLLOUT)) {
		loop_remove(con->loop, &con->out);
		con->out_is_file = true;
	}
	serve_output(con);
}

/* --- input: the loop's thread --- */

static void show_keys(void)
{
	static const char help[] = "\r\nCtrl-A x        leave: end the VM at once\r\n"
				   "Ctrl-A h        show these keys\r\n"
				   "Ctrl-A Ctrl-A   send Ctrl-A to the guest\r\n";

	(void)!write(STDERR_FILENO, help, sizeof(help) - 1);
}

/* The escape key. Keeps in buf[] what is for the guest; returns how much. */
static size_t filter_keys(struct console *con, uint8_t *buf, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t key = buf[i];

		if (!con->escape) {
			if (key == ESCAPE_KEY)
				con->escape = true;
			else
				buf[kept++] = key;
			continue;
		}
		con->escape = false;
		if (key == 'x' || key == 'X')
			con->quit(con->ctx);
		else if (key == 'h' || key == '?')
			show_keys();
		else if (key == ESCAPE_KEY || key == 'a')
			buf[kept++] = ESCAPE_KEY;
	}
	return kept;
}

static void end_input(struct console *con)
{
	con->in_done = true;
	if (!con->in_is_file)
		loop_remove(con->loop, &con->in);
}

static void serve_input(struct console *con)
{
	uint8_t buf[CONSOLE_IN_SIZE];
	uint32_t room;
	ssize_t n;

	pthread_mutex_lock(&con->lock);
	room = CONSOLE_IN_SIZE - (con->in_head - con->in_tail);
	con->in_full = !room;
	pthread_mutex_unlock(&con->lock);
	if (!room) {
		if (!con->in_is_file)
			loop_change(con->loop, &con->in, 0);
		return;
	}

	n = read(con->in.fd, buf, room);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		end_input(con);
		return;
	}
	if (con->is_terminal)
		n = (ssize_t)filter_keys(con, buf, (size_t)n);

	pthread_mutex_lock(&con->lock);
	for (ssize_t i = 0; i < n; i++)
		con->in_ring[con->in_head++ % CONSOLE_IN_SIZE] = buf[i];
	/* A file is read on as the guest takes it. */
	con->in_full = con->in_is_file;
	pthread_mutex_unlock(&con->lock);
	if (n && con->chr.readable)
		con->chr.readable(con->chr.ctx);
}

static void in_ready(void *ctx, uint32_t events)
{
	(void)events;
	serve_input(ctx);
}

/* The model has put output, or made room for input. */
static void work_ready(void *ctx, uint32_t events)
{
	struct console *con = ctx;
	uint64_t count;
	bool more_input;

	(void)events;
	(void)!read(con->work.fd, &count, sizeof(count));
	serve_output(con);

	pthread_mutex_lock(&con->lock);
	more_input = con->in_full && con->in_head - con->in_tail < CONSOLE_IN_SIZE;
	pthread_mutex_unlock(&con->lock);
	if (more_input && !con->in_done) {
		if (!con->in_is_file)
			loop_change(con->loop, &con->in, EPOLLIN);
		serve_input(con);
	}
}

/* --- start and end --- */

/*
 * Writing must not block, and O_NONBLOCK on the descriptor we were given would change it for
 * everyone who shares it (the shell, for one): so a new description of the same file is opened.
 */
static int open_output(struct console *con, struct err *err)
{
	struct stat st;
	int own, ret;

	con->out.fd = STDOUT_FILENO;
	if (fstat(STDOUT_FILENO, &st) < 0 || S_ISREG(st.st_mode)) {
		con->out_is_file = true;
		return 0;
	}
	con->out_is_socket = S_ISSOCK(st.st_mode);
	if (!con->out_is_socket) {
		own = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (own >= 0) {
			con->out.fd = own;
			con->out_is_own = true;
		}
	}
	con->out_direct = con->out_is_own || con->out_is_socket;
	ret = loop_add(con->loop, &con->out, 0, err);
	if (ret == -EPERM) {
		con->out_is_file = true;
		ret = 0;
	}
	return ret;
}

static int open_input(struct console *con, struct err *err)
{
	int ret;

	con->is_terminal = terminal_is_ours(STDIN_FILENO);
	/* A terminal in whose background we run would stop us for reading it. */
	if (isatty(STDIN_FILENO) && !con->is_terminal) {
		con->in_done = true;
		return 0;
	}
	ret = loop_add(con->loop, &con->in, EPOLLIN, err);
	if (ret == -EPERM) {
		con->in_is_file = true;
		con->in_full = true; /* the model's first look for input begins the reading */
		ret = 0;
	}
	if (!ret && con->is_terminal)
		terminal_set_raw();
	return ret;
}

int console_init(struct console *con, struct loop *loop, void (*quit)(void *ctx), void *ctx, struct err *err)
{
	int ret;

	memset(con, 0, sizeof(*con));
	con->chr.ops = &console_ops;
	con->loop = loop;
	con->quit = quit;
	con->ctx = ctx;
	con->in = (struct loop_source){ .fd = STDIN_FILENO, .ready = in_ready, .ctx = con };
	con->out = (struct loop_source){ .fd = STDOUT_FILENO, .ready = out_ready, .ctx = con };
	con->work = (struct loop_source){ .ready = work_ready, .ctx = con };
	pthread_mutex_init(&con->lock, NULL);

	con->work.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (con->work.fd < 0)
		return err_host(err, errno, "eventfd for the console");
	ret = loop_add(loop, &con->work, EPOLLIN, err);
	if (!ret)
		ret = open_output(con, err);
	if (!ret)
		ret = open_input(con, err);
	if (ret < 0)
		console_finish(con, false);
	else if (con->in_is_file)
		tell_loop(con);
	return ret;
}

void console_suspend(struct console *con)
{
	if (con->is_terminal)
		terminal_restore();
}

void console_resume(struct console *con)
{
	if (con->is_terminal && terminal_is_ours(STDIN_FILENO))
		terminal_set_raw();
}

void console_finish(struct console *con, bool patient)
{
	struct pollfd pfd = { .fd = con->out.fd, .events = POLLOUT };

	if (con->is_terminal)
		terminal_restore();
	while (!drain(con) && patient)
		poll(&pfd, 1, -1);
	if (con->out_is_own)
		close(con->out.fd);
	close(con->work.fd);
	pthread_mutex_destroy(&con->lock);
}
