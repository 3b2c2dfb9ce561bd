// SPDX-License-Identifier: BSD-2-Clause
#include "host/console.h"

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

#include "host/terminal.h"
#include "host/terminal_guard.h"
#define LOG_AREA AREA_CONSOLE
#include "kvm/log.h"
#include "kvm/winsize.h"

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
 * With nothing waiting, output goes straight out: a kernel's serial console is written a byte at a time,
 * and waking the loop for each would cost more than the write. What fails is left to the loop.
 */
static size_t put_at_once(const struct console *con, const uint8_t *buf, size_t len)
{
	ssize_t n = con->out_direct && !con->out_busy ? write_some(con, buf, len) : 0;

	return n > 0 ? (size_t)n : 0;
}

/* As much as there is room for; the loop will write it. */
static size_t put_into_ring(struct console *con, const uint8_t *buf, size_t len)
{
	size_t n = 0;

	while (n < len && con->out_head - con->out_tail < CONSOLE_OUT_SIZE)
		con->out_ring[con->out_head++ % CONSOLE_OUT_SIZE] = buf[n++];
	return n;
}

static size_t put(struct chardev *chr, const uint8_t *buf, size_t len)
{
	struct console_end *end = (struct console_end *)chr;
	struct console *con = end->con;
	size_t taken, kept;
	bool tell;

	pthread_mutex_lock(&con->lock);
	if (!con->out_begun)
		log_show_status(NULL);
	con->out_begun = true;
	taken = con->out_lost ? len : put_at_once(con, buf, len);
	kept = put_into_ring(con, buf + taken, len - taken);
	taken += kept;
	end->refused = taken < len;
	tell = kept && !con->out_busy;
	con->out_busy |= kept > 0;
	pthread_mutex_unlock(&con->lock);
	if (tell)
		tell_loop(con);
	return taken;
}

static size_t get(struct chardev *chr, uint8_t *buf, size_t len)
{
	struct console_end *end = (struct console_end *)chr;
	struct console *con = end->con;
	size_t n = 0;
	bool tell;

	if (end != con->input)
		return 0;
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

/*
 * Writes what there is, but no more than the ring holds: a guest that goes on writing does not keep the loop from all
 * else. False: the reader has no room now.
 */
static bool drain(struct console *con)
{
	struct pollfd pfd = { .fd = con->out.fd, .events = POLLOUT };
	uint8_t buf[OUT_CHUNK];
	size_t len, all = 0;

	while (all < CONSOLE_OUT_SIZE && (len = peek_output(con, buf, sizeof(buf))) > 0) {
		ssize_t n;

		/* A descriptor we could not make non-blocking: ask before each write. */
		if (!con->out_is_own && !con->out_is_file && !con->out_is_socket && poll(&pfd, 1, 0) == 0)
			return false;
		n = write_some(con, buf, len);
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
		all += (size_t)n;
	}
	if (all >= CONSOLE_OUT_SIZE)
		tell_loop(con);
	return true;
}

/* Tells a device that waits for room that there is some. */
static void tell_room(struct console *con, struct console_end *end)
{
	bool waits;

	pthread_mutex_lock(&con->lock);
	waits = end->refused && con->out_head - con->out_tail < CONSOLE_OUT_SIZE;
	if (waits)
		end->refused = false;
	pthread_mutex_unlock(&con->lock);
	if (waits && end->chr.writable)
		end->chr.writable(end->chr.ctx);
}

static void serve_output(struct console *con)
{
	bool wait = !drain(con);
	struct err ignored;

	if (wait &&
	    con->out_is_file) { /* a FIFO that had lost its reader has another one, which has no room now */
		con->out_is_file = loop_add(con->loop, &con->out, EPOLLOUT, &ignored) < 0;
		con->out_waits = true;
	} else if (!con->out_is_file && wait != con->out_waits) {
		con->out_waits = wait;
		loop_change(con->loop, &con->out, wait ? EPOLLOUT : 0);
	}
	tell_room(con, &con->serial);
	tell_room(con, &con->virtio);
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

/* To the user, who may have stderr elsewhere. What the terminal does not take at once is lost. */
static void tell_user(const char *text)
{
	int fd = open("/dev/tty", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	log_show_status(NULL);
	(void)!write(fd < 0 ? STDERR_FILENO : fd, text, strlen(text));
	if (fd >= 0)
		close(fd);
}

static void leave(struct console *con)
{
	con->quit(con->ctx);
}

static void send_break(struct console *con)
{
	struct chardev *chr = &con->input->chr;

	if (con->input == &con->virtio)
		tell_user("\r\nvireo: hvc0 knows no BREAK; its magic SysRq key is Ctrl-O\r\n");
	else if (chr->broken)
		chr->broken(chr->ctx);
}

/* What the program answers to a key. */
static void ask(struct console *con, void (*answer)(void *ctx, char *line, size_t size))
{
	char text[256] = "", line[300];

	answer(con->ctx, text, sizeof(text));
	snprintf(line, sizeof(line), "\r\nvireo: %s\r\n", text);
	tell_user(line);
}

static void press_power(struct console *con)
{
	ask(con, con->power);
}

static void show_state(struct console *con)
{
	ask(con, con->state);
}

static void show_keys(struct console *con);

static bool has_break(const struct console *con)
{
	return !con->no_break;
}

static bool has_power(const struct console *con)
{
	return con->power;
}

static bool has_state(const struct console *con)
{
	return con->state;
}

static const struct {
	char key, other; /* either; 0: there is no other */
	const char *help;
	void (*act)(struct console *con);
	bool (*is_there)(const struct console *con); /* NULL: always */
} keys[] = {
	{ 'x', 'X', "leave: end the VM at once", leave, NULL },
	{ 'b', 0, "send a BREAK to the serial port (Linux: magic SysRq)", send_break, has_break },
	{ 'p', 0, "press the power button: the guest shuts down", press_power, has_power },
	{ 's', 0, "show the state of the VM", show_state, has_state },
	{ 'h', '?', "list these keys", show_keys, NULL },
};

#define NR_KEYS (sizeof(keys) / sizeof(keys[0]))

static bool is_there(const struct console *con, size_t index)
{
	return !keys[index].is_there || keys[index].is_there(con);
}

void console_help(const struct console *con, const char *escape, const char *indent, const char *end,
		  char text[CONSOLE_HELP_MAX])
{
	size_t len = 0;

	for (size_t i = 0; i < NR_KEYS; i++)
		if (!con || is_there(con, i))
			len += (size_t)snprintf(text + len, CONSOLE_HELP_MAX - len, "%s%s %c       %s%s",
						indent, escape, keys[i].key, keys[i].help, end);
	snprintf(text + len, CONSOLE_HELP_MAX - len, "%s%s %s  send one %s to the guest%s", indent, escape,
		 escape, escape, end);
}

static void show_keys(struct console *con)
{
	char name[16], text[CONSOLE_HELP_MAX + 8] = "\r\n";

	snprintf(name, sizeof(name), "Ctrl-%c", con->escape_key + '@');
	console_help(con, name, "", "\r\n", text + 2);
	tell_user(text);
}

int console_escape_from_text(const char *text)
{
	char key = text[0] == '^' && text[1] && !text[2] ? text[1] : 0;

	if (!strcmp(text, "none"))
		return CONSOLE_NO_ESCAPE;
	if (key >= 'a' && key <= 'z')
		key += 'A' - 'a';
	/* ^[ is the first byte of what the cursor keys send. */
	return key > '@' && key <= '_' && key != '[' ? key - '@' : -EINVAL;
}

/* What `key` does behind the escape key. True: the guest gets the escape key. */
static bool act(struct console *con, uint8_t key)
{
	for (size_t i = 0; i < NR_KEYS; i++) {
		if (key == keys[i].key || (keys[i].other && key == keys[i].other)) {
			if (is_there(con, i))
				keys[i].act(con);
			return false;
		}
	}
	/* Ctrl-A a is as good as Ctrl-A Ctrl-A. */
	return key == con->escape_key || (key | 0x20) == (con->escape_key | 0x60);
}

/* The escape key. Keeps in buf[] what is for the guest; returns how much. */
static size_t filter_keys(struct console *con, uint8_t *buf, size_t len)
{
	size_t kept = 0;

	for (size_t i = 0; i < len; i++) {
		uint8_t key = buf[i];
		bool is_command = con->escape;

		con->escape = !is_command && key == con->escape_key;
		if (is_command ? act(con, key) : !con->escape)
			buf[kept++] = is_command ? (uint8_t)con->escape_key : key;
	}
	return kept;
}

static void end_input(struct console *con)
{
	con->in_done = true;
	if (!con->in_is_file)
		loop_remove(con->loop, &con->in);
}

/* Until there is room. The end of input cannot be masked: it is told once, and not again and again. */
static void park_input(struct console *con)
{
	if (!con->in_is_file && !con->in_parked)
		loop_change(con->loop, &con->in, EPOLLET);
	con->in_parked = true;
}

static void listen_to_input(struct console *con)
{
	if (!con->in_is_file && con->in_parked)
		loop_change(con->loop, &con->in, EPOLLIN);
	con->in_parked = false;
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
		park_input(con);
		return;
	}
	listen_to_input(con);

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
	if (n && con->input->chr.readable)
		con->input->chr.readable(con->input->chr.ctx);
}

/* The terminal is in the foreground: ours, and raw. */
static void take_terminal(struct console *con)
{
	con->is_terminal = true;
	if (con->in_background)
		loop_change(con->loop, &con->in, EPOLLIN);
	con->in_background = con->in_parked = false;
	terminal_set_raw();
}

/*
 * In the background, where reading the terminal would stop us, what is typed is for others. Each time that
 * something comes we look whether it is for us, for a shell's "fg" does not tell.
 */
static void leave_terminal(struct console *con)
{
	con->in_background = true;
	con->in_parked = false;
	loop_change(con->loop, &con->in, EPOLLIN | EPOLLET);
}

static void in_ready(void *ctx, uint32_t events)
{
	struct console *con = ctx;

	(void)events;
	if (con->in_background && terminal_is_ours(STDIN_FILENO))
		take_terminal(con);
	if (!con->in_background)
		serve_input(con);
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
	if (!more_input || con->in_done || con->in_background)
		return;
	listen_to_input(con); /* in_ready() reads, if there is anything: somebody else may have taken it */
	if (con->in_is_file)
		serve_input(con);
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

	ret = loop_add(con->loop, &con->in, EPOLLIN, err);
	if (ret == -EPERM) {
		con->in_is_file = true;
		con->in_full = true; /* the model's first look for input begins the reading */
		ret = 0;
	}
	if (!ret && isatty(STDIN_FILENO)) {
		terminal_guard_start();
		if (terminal_is_ours(STDIN_FILENO))
			take_terminal(con);
		else
			leave_terminal(con);
	}
	return ret;
}

static void init_end(struct console_end *end, struct console *con)
{
	end->chr = (struct chardev){ .ops = &console_ops, .connected = true };
	end->con = con;
	winsize_get(STDOUT_FILENO, &end->chr.columns, &end->chr.rows);
}

int console_init(struct console *con, struct loop *loop, bool virtio_input, void (*quit)(void *ctx),
		 void *ctx, struct err *err)
{
	int ret;

	memset(con, 0, sizeof(*con));
	init_end(&con->serial, con);
	init_end(&con->virtio, con);
	con->input = virtio_input ? &con->virtio : &con->serial;
	con->loop = loop;
	con->quit = quit;
	con->ctx = ctx;
	con->escape_key = CONSOLE_ESCAPE;
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
	if (isatty(STDIN_FILENO) && !con->in_done) {
		if (terminal_is_ours(STDIN_FILENO))
			take_terminal(con);
		else if (!con->in_background)
			leave_terminal(con);
	}
	console_resize(con);
}

/* A serial port cannot tell its guest of it. */
void console_resize(struct console *con)
{
	struct chardev *chr = &con->virtio.chr;

	winsize_get(STDOUT_FILENO, &chr->columns, &chr->rows);
	if (chr->changed)
		chr->changed(chr->ctx);
}

bool console_show_status(struct console *con, const char *text)
{
	bool silent;

	pthread_mutex_lock(&con->lock);
	silent = !con->out_begun;
	if (silent)
		log_show_status(text);
	pthread_mutex_unlock(&con->lock);
	return silent;
}

void console_finish(struct console *con, bool patient)
{
	struct pollfd pfd = { .fd = con->out.fd, .events = POLLOUT };

	if (con->is_terminal)
		terminal_restore();
	terminal_guard_stop();
	while (!drain(con) && patient)
		poll(&pfd, 1, -1);
	if (con->out_is_own)
		close(con->out.fd);
	close(con->work.fd);
	pthread_mutex_destroy(&con->lock);
}
