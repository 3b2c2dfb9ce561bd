// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/terminal.h"

#include <signal.h>
#include <stdatomic.h>
#include <termios.h>
#include <unistd.h>

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
		tcsetattr(STDIN_FILENO, TCSANOW, &saved);
		log_set_raw_terminal(false);
	}
}

/* Installed with SA_RESETHAND: returning runs the faulting instruction again, now fatally. */
static void dying(int signal)
{
	terminal_restore();
	if (signal == SIGABRT)
		raise(signal);
}

void terminal_set_raw(void)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	struct sigaction sa = { .sa_handler = dying, .sa_flags = (int)SA_RESETHAND };
	struct termios raw;

	if (!atomic_exchange(&have_saved, true) && tcgetattr(STDIN_FILENO, &saved) < 0) {
		have_saved = false;
		return;
	}
	for (unsigned int i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &sa, NULL);

	raw = saved;
	cfmakeraw(&raw);
	is_raw = true;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
		is_raw = false;
	else
		log_set_raw_terminal(isatty(STDERR_FILENO));
}
