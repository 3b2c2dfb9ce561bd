/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small process that outlives this one by a moment: it gives the terminal on stdin its mode back if this
 * process was killed without having done so (SIGKILL, the kernel's want of memory). There is one per process.
 */
#ifndef VIREO_HOST_TERMINAL_GUARD_H
#define VIREO_HOST_TERMINAL_GUARD_H

#include <termios.h>

/*
 * Starts it. It is a copy of this process: call before there are other threads and guest memory. Where that
 * fails there is none, and nothing is said: the terminal is restored in all other cases.
 */
void terminal_guard_start(void);

/* The terminal had the mode `before`, and has `now`: back to `before` if it is found so. */
void terminal_guard_tell(const struct termios *before, const struct termios *now);

/* Ends it. The terminal has its mode. */
void terminal_guard_stop(void);

#endif
