/* SPDX-License-Identifier: BSD-2-Clause */
/* The terminal on stdin, and how it gets back what it was. There is one per process. */
#ifndef VIREO_HOST_TERMINAL_H
#define VIREO_HOST_TERMINAL_H

#include <stdbool.h>

/* True if `fd` is a terminal and this process is in its foreground. */
bool terminal_is_ours(int fd);

/*
 * Sets the terminal on stdin to raw mode, and sees to it that a signal that kills (SIGSEGV and its
 * like) restores it on the way out. Does nothing if it cannot.
 */
void terminal_set_raw(void);

/* Restores what the first terminal_set_raw() found. Async-signal-safe; may be called at any time. */
void terminal_restore(void);

#endif
