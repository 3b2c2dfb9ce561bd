// SPDX-License-Identifier: BSD-2-Clause
#include "host/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOG_AREA AREA_VIRTIO
#include "kvm/log.h"

#define STOP_MS   2000  /* from SIGTERM to SIGKILL */
#define ANSWER_MS 30000 /* for daemon_ask(); also on a machine that is very busy */
#define MAX_LINES 200   /* that one daemon may log */
#define MAX_LINE  240   /* bytes of one of them; the rest is cut */

struct daemon {
	char name[48];
	struct loop *loop;
	pid_t pid;
	struct loop_source end;    /* a pidfd; -1: it is reaped */
	struct loop_source output; /* the reading end of a pipe; -1: closed */
	void (*exited)(void *ctx, int wait_status);
	const char *loss;
	void *ctx;

	char line[MAX_LINE + 1]; /* the beginning of a line that is not complete */
	size_t line_len;
	char last[MAX_LINE + 1]; /* its last words */
	unsigned int nr_lines;
	_Atomic bool end_is_expected;
};

/* Where distributions put programs that others start; see not_found(). */
static const char *const directories[] = { "/usr/lib/qemu", "/usr/libexec", "/usr/lib", "/usr/sbin" };

/* 1: `directory`/`program` can be run. */
static int try(char *path, size_t size, const char *directory, size_t length, const char *program)
{
	int n = length ? snprintf(path, size, "%.*s/%s", (int)length, directory, program)
		       : snprintf(path, size, "%s", program);

	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	return access(path, X_OK) == 0;
}

int daemon_find(char *path, size_t size, const char *program)
{
	const char *list = getenv("PATH") ?: "/usr/local/bin:/usr/bin:/bin";
	int ret;

	if (strchr(program, '/')) {
		ret = try(path, size, "", 0, program);
		return ret > 0 ? 0 : ret ?: -ENOENT;
	}
	for (const char *end; *list; list = *end ? end + 1 : end) {
		end = strchrnul(list, ':');
		if (end == list) /* would be the working directory */
			continue;
		ret = try(path, size, list, (size_t)(end - list), program);
		if (ret)
			return ret > 0 ? 0 : ret;
	}
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		ret = try(path, size, directories[i], strlen(directories[i]), program);
		if (ret)
			return ret > 0 ? 0 : ret;
	}
	return -ENOENT;
}

static int not_found(const struct daemon_config *config, int code, struct err *err)
{
	if (code != -ENOENT)
		return err_host(err, -code, "%s: %s", config->name, config->argv[0]);
	err_host_text(
		err,
		"%s: cannot find the program %s (in PATH, /usr/lib/qemu, /usr/libexec, /usr/lib, /usr/sbin)%s%s",
		config->name, config->argv[0], config->hint ? "; " : "", config->hint ?: "");
	return -ENOENT;
}

/* --- a new process --- */

/* What the child needs, all of it prepared by its parent. */
struct child {
	const char *path;
	char *const *argv;
	pid_t parent;
	int null_fd, output_fd, keep_fd;
	int report_fd;           /* takes a struct failure if it could not be run; closed by success */
	char uids[32], gids[32]; /* maps of a user namespace; "": none */
	const char *read_only;
};

/* Why it could not be run. */
struct failure {
	int code;
	const char *step; /* a constant text */
};

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	int code = errno;

	if (fd >= 0)
		close(fd);
	errno = code;
	return done;
}

/*
 * setgroups() does nothing, and says that it has done it. virtiofsd in C drops its groups and ends if it cannot: here
 * it keeps those of this program's user.
 */
static bool ignore_setgroups(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setgroups, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };

	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* user_namespaces(7): groups cannot be mapped without giving up setgroups(). */
static bool become_root(const struct child *c)
{
	return unshare(CLONE_NEWUSER) == 0 && put("/proc/self/setgroups", "deny") &&
	       put("/proc/self/uid_map", c->uids) && put("/proc/self/gid_map", c->gids) && ignore_setgroups();
}

/* In a mount namespace of its own, the directory and what is mounted below it are mounted again. */
static bool make_read_only(const char *path)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       (!strcmp(path, "/") || mount(path, path, NULL, MS_BIND | MS_REC, NULL) == 0) &&
	       mount_setattr(AT_FDCWD, path, AT_RECURSIVE, &attr, sizeof(attr)) == 0;
}

/*
 * The child. It runs in its parent's memory, while other threads run on and may hold any lock: only
 * system calls, no allocation, nothing of the C library that has state. All signals are blocked.
 */
static void __attribute__((noinline, noreturn)) become(const struct child *c)
{
	struct sigaction act = { .sa_handler = SIG_DFL };
	struct failure failure = { .step = "starting" };
	sigset_t none;

	/* Handlers would run in the parent's memory, and what is ignored would stay ignored. */
	for (int i = 1; i < NSIG; i++)
		sigaction(i, &act, NULL); /* fails for a few, which have neither */
	if (c->uids[0] && !become_root(c)) {
		failure.step = "making a user namespace for";
		goto fail;
	}
	if (c->read_only && !make_read_only(c->read_only)) {
		failure.step = "mounting the directory read-only for";
		goto fail;
	}
	setsid(); /* not a part of the terminal's job: Ctrl-C is for this program, which ends it in its turn */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
		goto fail;
	if (getppid() != c->parent) { /* it ended before that call */
		errno = ECHILD;
		goto fail;
	}
	if (dup2(c->null_fd, STDIN_FILENO) < 0 || dup2(c->output_fd, STDOUT_FILENO) < 0 ||
	    dup2(c->output_fd, STDERR_FILENO) < 0)
		goto fail;
	/* Also what this program itself has inherited from whoever started it. */
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	if (c->keep_fd >= 0 && fcntl(c->keep_fd, F_SETFD, 0) < 0)
		goto fail;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(c->path, c->argv);
fail:
	failure.code = errno;
	(void)!write(c->report_fd, &failure, sizeof(failure));
	_Exit(127); /* ends the child only */
}

/*
 * vfork(), because a copy of this process would have to copy the page tables of guest memory, and would
 * make every page that a vCPU writes meanwhile a fault.
 */
static pid_t __attribute__((noinline)) launch(const struct child *c)
{
	sigset_t all, before;
	pid_t pid;
	int saved;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = vfork();
	if (pid == 0)
		become(c);
	saved = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return pid;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void reap(pid_t pid, int *status)
{
	*status = 0;
	while (waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
}

/* Runs the program: a pidfd of it, and the end of the pipe that its output comes from. */
static int spawn(const struct daemon_config *config, pid_t *pid, int *pidfd, int *output, struct err *err)
{
	int pipes[2] = { -1, -1 }, report[2] = { -1, -1 }, status, ret;
	struct failure failure;
	char path[4096];
	struct child c = {
		.path = path,
		.argv = config->argv,
		.parent = getpid(),
		.keep_fd = config->keep_fd,
		.read_only = config->read_only,
	};

	*pidfd = *output = -1;
	ret = daemon_find(path, sizeof(path), config->argv[0]);
	if (ret < 0)
		return not_found(config, ret, err);
	if (config->fake_root) {
		snprintf(c.uids, sizeof(c.uids), "0 %u 1", (unsigned int)geteuid());
		snprintf(c.gids, sizeof(c.gids), "0 %u 1", (unsigned int)getegid());
	}
	c.null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (c.null_fd < 0 || pipe2(pipes, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0) {
		ret = err_host(err, errno, "%s: starting %s", config->name, path);
		goto out;
	}
	c.output_fd = pipes[1];
	c.report_fd = report[1];
	*pid = launch(&c);
	if (*pid < 0) {
		ret = err_host(err, errno, "%s: starting %s", config->name, path);
		goto out;
	}
	close_fd(&report[1]);
	while ((ret = (int)read(report[0], &failure, sizeof(failure))) < 0 && errno == EINTR)
		;
	if (ret == sizeof(failure)) {
		reap(*pid, &status);
		ret = err_host(err, failure.code, "%s: %s %s", config->name, failure.step, path);
		goto out;
	}
	*pidfd = pidfd_open(*pid, 0);
	if (*pidfd < 0) {
		ret = err_host(err, errno, "%s: pidfd_open of %s", config->name, path);
		kill(*pid, SIGKILL);
		reap(*pid, &status);
		goto out;
	}
	*output = pipes[0];
	pipes[0] = -1;
	fcntl(*output, F_SETFL, O_NONBLOCK);
	ret = 0;
out:
	close_fd(&c.null_fd);
	close_fd(&pipes[0]);
	close_fd(&pipes[1]);
	close_fd(&report[0]);
	close_fd(&report[1]);
	return ret;
}

/* --- what it says --- */

static void end_line(struct daemon *d)
{
	if (!d->line_len)
		return;
	d->line[d->line_len] = '\0';
	memcpy(d->last, d->line, d->line_len + 1);
	d->line_len = 0;
	if (d->nr_lines < MAX_LINES)
		log_info("%s: %s", d->name, d->last);
	else if (d->nr_lines == MAX_LINES)
		log_info("%s: has said %u lines; no more of them are shown", d->name, MAX_LINES);
	else
		return;
	d->nr_lines++;
}

static void take_output(struct daemon *d, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)text[i];

		if (byte == '\n' || byte == '\r')
			end_line(d);
		else if (d->line_len < MAX_LINE) /* no escape sequences for the user's terminal */
			d->line[d->line_len++] = (char)(byte < 0x20 || byte == 0x7f ? '?' : byte);
	}
}

static void close_output(struct daemon *d)
{
	if (d->output.fd < 0)
		return;
	loop_remove(d->loop, &d->output);
	close_fd(&d->output.fd);
	end_line(d);
}

/* Takes what is there, but not for ever: a daemon can write as fast as this reads. */
static void drain_output(struct daemon *d)
{
	char buf[4096];
	ssize_t n = -1;

	for (unsigned int i = 0; d->output.fd >= 0 && i < 16; i++) {
		n = read(d->output.fd, buf, sizeof(buf));
		if (n <= 0)
			break;
		take_output(d, buf, (size_t)n);
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_output(d);
}

static void output_ready(void *ctx, uint32_t events)
{
	(void)events;
	drain_output(ctx);
}

/* --- its end --- */

/* It has ended, or was killed. What it may have left behind in its process group goes with it. */
static void collect(struct daemon *d, int *status)
{
	kill(-d->pid, SIGKILL); /* not reaped: the number is still its own */
	loop_remove(d->loop, &d->end);
	close_fd(&d->end.fd);
	reap(d->pid, status);
}

static void end_ready(void *ctx, uint32_t events)
{
	struct daemon *d = ctx;
	char how[80];
	int status;

	(void)events;
	collect(d, &status);
	drain_output(d);
	close_output(d); /* a child of its own may have the pipe still open */
	if (d->end_is_expected)
		return;
	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "was ended by signal %d (%s)", WTERMSIG(status),
			 sigdescr_np(WTERMSIG(status)) ?: "unknown");
	else
		snprintf(how, sizeof(how), "has ended with status %d", WEXITSTATUS(status));
	log_warn("%s: its program %s%s%s%s%s", d->name, how, d->loss ? "; " : "", d->loss ?: "",
		 d->last[0] ? "; its last words: " : "", d->last);
	if (d->exited)
		d->exited(d->ctx, status);
}

void daemon_expect_end(struct daemon *d)
{
	if (d)
		d->end_is_expected = true;
}

const char *daemon_last_words(struct daemon *d)
{
	drain_output(d);
	end_line(d);
	return d->last;
}

/* Waits until the process has ended, or `ms` milliseconds have gone. */
static bool wait_end(int pidfd, int ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	struct timespec now;
	int64_t end, left;
	int n;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end = now.tv_sec * 1000LL + now.tv_nsec / 1000000 + ms;
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
		left = end - (now.tv_sec * 1000LL + now.tv_nsec / 1000000);
		n = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	return n == 1;
}

void daemon_stop(struct daemon *d)
{
	int status;

	if (!d)
		return;
	if (d->end.fd >= 0) {
		/* A full pipe must not keep it from ending; what it says now is of no interest. */
		close_output(d);
		kill(-d->pid, SIGTERM);
		if (!wait_end(d->end.fd, STOP_MS))
			log_info("%s: its program does not end by SIGTERM", d->name);
		collect(d, &status);
	}
	close_output(d);
	free(d);
}

int daemon_start(struct daemon **out, struct loop *loop, const struct daemon_config *config, struct err *err)
{
	struct daemon *d = calloc(1, sizeof(*d));
	int ret, status;

	if (!d)
		return err_host(err, ENOMEM, "%s", config->name);
	d->loop = loop;
	d->exited = config->exited;
	d->loss = config->loss;
	d->ctx = config->ctx;
	d->end = (struct loop_source){ .fd = -1, .ready = end_ready, .ctx = d };
	d->output = (struct loop_source){ .fd = -1, .ready = output_ready, .ctx = d };
	snprintf(d->name, sizeof(d->name), "%s", config->name);
	ret = spawn(config, &d->pid, &d->end.fd, &d->output.fd, err);
	if (ret < 0) {
		free(d);
		return ret;
	}
	ret = loop_add(loop, &d->output, EPOLLIN, err);
	if (!ret)
		ret = loop_add(loop, &d->end, EPOLLIN, err);
	if (ret < 0) {
		collect(d, &status);
		close_output(d);
		free(d);
		return ret;
	}
	log_debug("%s: %s runs as process %d", config->name, config->argv[0], (int)d->pid);
	*out = d;
	return 0;
}

int daemon_ask(const struct daemon_config *config, char *answer, size_t size, struct err *err)
{
	int pidfd, output, status, ret;
	size_t len = 0;
	char buf[4096];
	bool ended;
	pid_t pid;

	ret = spawn(config, &pid, &pidfd, &output, err);
	if (ret < 0)
		return ret;
	/* More than a pipe takes would never end by itself; nothing that is asked for is so long. */
	ended = wait_end(pidfd, ANSWER_MS);
	if (!ended)
		kill(pid, SIGKILL);
	reap(pid, &status);
	for (ssize_t n; (n = read(output, buf, sizeof(buf))) > 0 && len < size - 1;) {
		if ((size_t)n > size - 1 - len)
			n = (ssize_t)(size - 1 - len);
		memcpy(answer + len, buf, (size_t)n);
		len += (size_t)n;
	}
	answer[len] = '\0';
	close_fd(&output);
	close_fd(&pidfd);
	if (!ended) {
		err_host(err, ETIMEDOUT, "%s: %s %s", config->name, config->argv[0], config->argv[1] ?: "");
		return -ETIMEDOUT;
	}
	return 0;
}
