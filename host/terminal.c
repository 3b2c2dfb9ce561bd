// SPDX-License-Identifier: BSD-2-Clause
#include "host/terminal.h"

#include <signal.h>
#include <stdatomic.h>
#include <termios.h>
#include <unistd.h>

#include "host/terminal_guard.h"
#define LOG_AREA AREA_CONSOLE
#include "kvm/log.h"

static struct termios saved;
static _Atomic bool have_saved, is_raw;

bool terminal_is_ours(int fd)
{
	return isatty(fd) && tcgetpgrp(fd) == getpgrp();
}

void terminal_restore(void)
{
	if (atomic_exchange(&is_raw, false)) {
		/* In the background the terminal's mode is somebody else's, and to set it would stop us. */
		if (terminal_is_ours(STDIN_FILENO))
			tcsetattr(STDIN_FILENO, TCSANOW, &saved);
		log_set_raw_terminal(false);
	}
}

/*
 * Installed with SA_RESETHAND: the second one, which comes when the handler returns, kills. Returning alone would
 * not do, for a signal that another process has sent.
 */
static void dying(int number)
{
	terminal_restore();
	raise(number);
}

/* All that end a process, but those that this program handles or ignores: what has a handler keeps it. */
static void catch_deaths(void)
{
	static const int deadly[] = {
		SIGSEGV, SIGBUS,  SIGILL,  SIGFPE,    SIGABRT, SIGTRAP, SIGSYS, SIGXCPU,
		SIGXFSZ, SIGPIPE, SIGALRM, SIGVTALRM, SIGPROF, SIGUSR2, SIGIO,  SIGPWR
	};
	struct sigaction sa = { .sa_handler = dying, .sa_flags = (int)SA_RESETHAND }, old;

	for (unsigned int i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		if (!sigaction(deadly[i], NULL, &old) && old.sa_handler == SIG_DFL)
			sigaction(deadly[i], &sa, NULL);
}

void terminal_set_raw(void)
{
	struct termios raw;

	if (!atomic_exchange(&have_saved, true) && tcgetattr(STDIN_FILENO, &saved) < 0) {
		have_saved = false;
		return;
	}
	catch_deaths();

	raw = saved;
	cfmakeraw(&raw);
	is_raw = true;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0) {
		is_raw = false;
		return;
	}
	if (!tcgetattr(STDIN_FILENO, &raw))
		terminal_guard_tell(&saved, &raw);
	log_set_raw_terminal(isatty(STDERR_FILENO));
}
