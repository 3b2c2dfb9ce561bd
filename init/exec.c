// SPDX-License-Identifier: BSD-2-Clause
/* Runs one command: its streams and signals come by the ports of protocol.h. */
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <asm/signal.h>
#include <asm/termios.h>
#include <linux/mman.h>
#include <linux/signalfd.h>

#include "init/exec.h"
#include "init/protocol.h"

#define PIECE     32768     /* what virtio_console takes in one write */
#define PIPE_MOST (1 << 20) /* what a pipe can be made to hold: pipe(7), "Pipe capacity" */

/* Everything here is one of a kind. */
static struct {
	int stdin, stdout, stderr, control; /* ports */
	int terminal;                       /* the master of the command's, or -1 */
	int signals;                        /* a signalfd of SIGCHLD */
	int pid;
	bool is_over; /* the command has ended, with this status: */
	unsigned int status;
	struct exec_frame frame; /* that comes in */
	size_t frame_size;       /* as far as it is here */
} run;

/* Bytes on their way from one descriptor to another. Both are -1 when that is over. */
struct relay {
	int from, to;
	size_t at, end; /* of what is in buf */
	uint64_t total; /* bytes written */
	uint64_t most;  /* bytes that may yet be read */
	bool at_end;    /* of `from` */
	char buf[PIECE];
};

static struct relay in, out, err;

static void send_frame(unsigned int kind, unsigned int value, uint64_t a, uint64_t b)
{
	const struct exec_frame frame = { .kind = kind, .value = value, .a = a, .b = b };
	struct pollfd pfd = { .fd = run.control, .events = POLLOUT };

	while (sys_write(run.control, &frame, sizeof(frame)) == -EAGAIN)
		sys_poll(&pfd, 1);
}

void exec_failed(void)
{
	send_frame(EXEC_FAILED, 0, 0, 0);
	for (;;) /* the host ends the VM */
		sys_poll(NULL, 0);
}

/* --- the child --- */

static void set_signals(int how, uint64_t mask)
{
	SYS6(rt_sigprocmask, how, &mask, NULL, sizeof(mask), 0, 0);
}

/* As a shell finds it: a name without "/" is looked for in PATH. Returns an errno. */
static long run_program(struct exec_job *job)
{
	const char *path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	const char *name = job->argv[0];
	long result = ENOENT;

	for (const char *c = name; *c; c++)
		if (*c == '/')
			return -SYS3(execve, name, job->argv, job->envp);
	for (char **e = job->envp; *e; e++)
		if (!memcmp(*e, "PATH=", 5))
			path = *e + 5;
	for (;;) {
		char file[4096];
		size_t dir = 0, len = strlen(name) + 1;
		long code;

		while (path[dir] && path[dir] != ':')
			dir++;
		if (dir + 1 + len <= sizeof(file)) {
			memcpy(file, dir ? path : ".", dir ? dir : 1);
			file[dir ? dir : 1] = '/';
			memcpy(file + (dir ? dir : 1) + 1, name, len);
			code = -SYS3(execve, file, job->argv, job->envp);
			if (code == EACCES)
				result = EACCES; /* and the next one may do */
			else if (code != ENOENT && code != ENOTDIR)
				return code;
		}
		if (!path[dir])
			return result;
		path += dir + 1;
	}
}

static void __attribute__((noreturn)) become(struct exec_job *job, const int fd[3], int report)
{
	long code;

	SYS3(setsid, 0, 0, 0);
	if (run.terminal >= 0)
		SYS3(ioctl, fd[0], TIOCSCTTY, 0);
	for (int i = 0; i < 3; i++)
		SYS3(dup3, fd[i], i, 0);
	set_signals(SIG_SETMASK, 0);
	SYS3(setgroups, 0, NULL, 0);
	SYS3(setresgid, job->user.gid, job->user.gid, job->user.gid);
	SYS3(setresuid, job->user.uid, job->user.uid, job->user.uid);
	code = run_program(job);
	sys_write(report, &code, sizeof(code));
	for (;;)
		SYS3(exit_group, 127, 0, 0);
}

/* --- the streams --- */

static void make_pipe(int fd[2])
{
	if (SYS3(pipe2, fd, O_CLOEXEC, 0) < 0)
		fail("cannot make a pipe", NULL, -EMFILE);
}

static void do_not_block(int fd)
{
	SYS3(fcntl, fd, F_SETFL, SYS3(fcntl, fd, F_GETFL, 0) | O_NONBLOCK);
}

/* Opens the command's terminal: the master here, the other end as 0, 1 and perhaps 2. */
static int open_terminal(const struct exec_terminal *t)
{
	const struct winsize size = { .ws_col = t->columns, .ws_row = t->rows };
	int unlock = 0, fd;

	run.terminal = sys_open("/dev/ptmx", O_RDWR | O_NOCTTY);
	if (run.terminal < 0)
		fail("cannot open", "/dev/ptmx", run.terminal);
	SYS3(ioctl, run.terminal, TIOCSPTLCK, &unlock);
	SYS3(ioctl, run.terminal, TIOCSWINSZ, &size);
	fd = (int)SYS3(ioctl, run.terminal, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		fail("cannot open", "a terminal", fd);
	return fd;
}

/* Connects fd[0..2] of the command with the ports. */
static void connect_streams(const struct exec_job *job, int fd[3])
{
	int pair[2];

	run.terminal = -1;
	in.most = out.most = err.most = UINT64_MAX;
	in.from = run.stdin;
	out.to = run.stdout;
	err.to = run.stderr;
	if (job->terminal) {
		fd[0] = fd[1] = fd[2] = open_terminal(job->terminal);
		in.to = out.from = run.terminal;
		do_not_block(run.terminal);
	} else {
		make_pipe(pair);
		fd[0] = pair[0];
		in.to = pair[1];
		do_not_block(in.to);
		make_pipe(pair);
		fd[1] = pair[1];
		out.from = pair[0];
		do_not_block(out.from);
	}
	if (job->terminal && job->terminal->with_stderr) {
		err.from = err.to = -1;
		return;
	}
	make_pipe(pair);
	fd[2] = pair[1];
	err.from = pair[0];
	do_not_block(err.from);
}

/* The terminal's descriptor serves two relays: it stays open. */
static void close_end(int *fd)
{
	if (*fd >= 0 && *fd != run.terminal && *fd != run.stdout && *fd != run.stderr)
		sys_close(*fd);
	*fd = -1;
}

static void end_relay(struct relay *r)
{
	close_end(&r->from);
	close_end(&r->to);
}

/* Reads what is there now: a port gives a page at a time, which is little for a pipe. False: there is nothing yet. */
static bool fill(struct relay *r)
{
	r->at = r->end = 0;
	while (r->end < sizeof(r->buf) && r->most) {
		size_t room = sizeof(r->buf) - r->end;
		long n = sys_read(r->from, r->buf + r->end, r->most < room ? r->most : room);

		if (n == -EAGAIN || n == -EINTR)
			break;
		if (n <= 0) { /* a terminal that nobody has open gives EIO */
			r->at_end = true;
			break;
		}
		r->end += (size_t)n;
		r->most -= (uint64_t)n;
	}
	return r->end || r->at_end;
}

/* Moves what can be moved now. */
static void serve(struct relay *r)
{
	while (r->to >= 0) {
		long n;

		if (r->at < r->end) {
			n = sys_write(r->to, r->buf + r->at, r->end - r->at);
			if (n == -EAGAIN || n == -EINTR)
				return;
			if (n < 0) { /* the command does not read its input any more */
				end_relay(r);
				return;
			}
			r->at += (size_t)n;
			r->total += (uint64_t)n;
			continue;
		}
		if (r->at_end) {
			end_relay(r);
			return;
		}
		if (!fill(r))
			return;
	}
}

/* What it waits for now. */
static void watch(const struct relay *r, struct pollfd *pfd)
{
	bool full = r->at < r->end;

	pfd->fd = full ? r->to : r->from;
	pfd->events = full ? POLLOUT : POLLIN;
	pfd->revents = 0;
}

/* --- the host's frames --- */

static void obey(const struct exec_frame *f)
{
	struct winsize size = { .ws_col = (unsigned short)f->a, .ws_row = (unsigned short)f->b };

	switch (f->kind) {
	case EXEC_SIGNAL:
		/* As here: what a terminal sends is for all of its job, other signals for one process. */
		if (!run.is_over)
			SYS3(kill, f->value == SIGTERM ? run.pid : -run.pid, f->value, 0);
		break;
	case EXEC_WINDOW:
		if (run.terminal >= 0)
			SYS3(ioctl, run.terminal, TIOCSWINSZ, &size);
		break;
	case EXEC_CLOSED:
		end_relay(f->value == 1 ? &out : &err);
		break;
	}
}

static void serve_control(void)
{
	for (;;) {
		long n = sys_read(run.control, (char *)&run.frame + run.frame_size,
				  sizeof(run.frame) - run.frame_size);

		if (n <= 0)
			return;
		run.frame_size += (size_t)n;
		if (run.frame_size == sizeof(run.frame)) {
			run.frame_size = 0;
			obey(&run.frame);
		}
	}
}

/* --- the whole --- */

static void reap(void)
{
	struct signalfd_siginfo info;
	int status;
	long pid;

	while (sys_read(run.signals, &info, sizeof(info)) > 0)
		;
	while ((pid = SYS6(wait4, -1, &status, 1 /* WNOHANG */, 0, 0, 0)) > 0) {
		if (pid != run.pid)
			continue;
		run.is_over = true;
		run.status = status & 0x7f ? 128 + (unsigned int)(status & 0x7f)
					   : (unsigned int)(status >> 8 & 0xff);
	}
}

/* Blocks until something can be done, and does it. */
static void turn(void)
{
	struct pollfd pfd[5] = {
		{ .fd = run.control, .events = POLLIN },
		{ .fd = run.signals, .events = POLLIN },
	};

	watch(&in, &pfd[2]);
	watch(&out, &pfd[3]);
	watch(&err, &pfd[4]);
	sys_poll(pfd, 5);
	if (pfd[1].revents)
		reap();
	if (pfd[0].revents)
		serve_control();
	if (pfd[2].revents)
		serve(&in);
	if (pfd[3].revents)
		serve(&out);
	if (pfd[4].revents)
		serve(&err);
}

/*
 * What the command has left in its pipes. A process that it left behind may hold them open, and write for ever:
 * what a pipe can hold is all that the command itself can have left.
 */
static void drain(struct relay *r)
{
	r->most = PIPE_MOST;
	serve(r);
	while (r->to >= 0 && r->at < r->end) {
		turn();
		serve(r);
	}
}

/* Waits until the host's end of the port is open. */
static int open_port(const char *name)
{
	int fd = exec_find_port(name);

	write_all(fd, "", 1);
	do_not_block(fd);
	return fd;
}

static void open_ports(void)
{
	run.control = open_port(EXEC_PORT_CONTROL);
	run.stdin = open_port(EXEC_PORT_STDIN);
	run.stdout = open_port(EXEC_PORT_STDOUT);
	run.stderr = open_port(EXEC_PORT_STDERR);
}

static void start(struct exec_job *job)
{
	int fd[3], report[2];
	long code = 0;

	connect_streams(job, fd);
	make_pipe(report);
	set_signals(SIG_BLOCK, 1ULL << (SIGCHLD - 1));
	run.pid = (int)SYS6(clone, SIGCHLD, 0, 0, 0, 0, 0);
	if (run.pid < 0)
		fail("cannot make a process", NULL, run.pid);
	if (!run.pid)
		become(job, fd, report[1]);
	sys_close(fd[0]);
	if (fd[1] != fd[0])
		sys_close(fd[1]);
	if (fd[2] != fd[0])
		sys_close(fd[2]);
	sys_close(report[1]);
	if (sys_read(report[0], &code, sizeof(code)) == sizeof(code)) {
		send_frame(EXEC_NOT_RUN, (unsigned int)code, 0, 0);
		for (;;)
			sys_poll(NULL, 0);
	}
	sys_close(report[0]);
}

void exec_connect(void)
{
	open_ports();
}

void exec_run(struct exec_job *job)
{
	const uint64_t mask = 1ULL << (SIGCHLD - 1);

	start(job);
	run.signals = (int)SYS6(signalfd4, -1, &mask, sizeof(mask), O_CLOEXEC | O_NONBLOCK, 0, 0);
	send_frame(EXEC_STARTED, 0, 0, 0);
	reap(); /* it may have ended before somebody listened */
	while (!run.is_over)
		turn();
	drain(&out);
	drain(&err);
	SYS3(sync, 0, 0, 0);
	send_frame(EXEC_EXITED, run.status, out.total, err.total);
	for (;;) /* the host ends the VM when it has all of the output */
		sys_poll(NULL, 0);
}
