// SPDX-License-Identifier: BSD-2-Clause
#include "host/terminal_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct modes {
	struct termios before, now;
};

static int told_by = -1; /* the end of a pipe, which this process alone has */
static pid_t guard;

static bool same(const struct termios *a, const struct termios *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
	       a->c_lflag == b->c_lflag;
}

/*
 * Until the pipe ends, which is when this program does, however that comes. A shell may have set a mode of its own
 * by then: that stays.
 */
static void watch(int pipe_fd)
{
	struct termios found;
	struct modes modes;
	bool is_told = false;
	ssize_t n;

	do {
		n = read(pipe_fd, &modes, sizeof(modes)); /* whole ones: less than PIPE_BUF */
		is_told |= n == sizeof(modes);
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (is_told && !tcgetattr(STDIN_FILENO, &found) && same(&found, &modes.now))
		tcsetattr(STDIN_FILENO, TCSANOW, &modes.before);
}

/* In the child. */
static void become_guard(int pipe_fd)
{
	prctl(PR_SET_NAME, "vireo-terminal");
	setsid(); /* what kills the terminal's job does not kill it; and it may always set the terminal's mode */
	dup2(pipe_fd, STDOUT_FILENO);
	close_range(STDERR_FILENO, ~0U, 0);
	watch(STDOUT_FILENO);
	_Exit(0); /* ends the child only */
}

void terminal_guard_start(void)
{
	sigset_t all, before;
	int ends[2];

	if (told_by >= 0 || pipe2(ends, O_CLOEXEC) < 0)
		return;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* the child's stays so */
	guard = fork();
	if (guard == 0) {
		close(ends[1]);
		become_guard(ends[0]);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(ends[0]);
	if (guard < 0)
		close(ends[1]);
	else
		told_by = ends[1];
}

void terminal_guard_tell(const struct termios *before, const struct termios *now)
{
	const struct modes modes = { .before = *before, .now = *now };

	if (told_by >= 0)
		(void)!write(told_by, &modes, sizeof(modes));
}

void terminal_guard_stop(void)
{
	if (told_by < 0)
		return;
	close(told_by);
	told_by = -1;
	while (waitpid(guard, NULL, 0) < 0 && errno == EINTR)
		;
}
