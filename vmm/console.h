/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console on stdin and stdout: a chardev for the first serial port.
 *
 * On a terminal in the foreground it is raw, with Ctrl-A as the escape key; it is restored by
 * console_finish(), when the process is suspended, and when it dies of a fatal signal. Anything
 * else (pipes, files, /dev/null, a closed descriptor) passes bytes as they are.
 */
#ifndef VIREO_VMM_CONSOLE_H
#define VIREO_VMM_CONSOLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/chardev.h"
#include "kvm/err.h"
#include "vmm/loop.h"

#define CONSOLE_OUT_SIZE 65536u /* bytes kept for a reader that is slow; a power of two */
#define CONSOLE_IN_SIZE  4096u  /* bytes kept for a guest that is slow; a power of two */

struct console {
	struct chardev chr; /* first: what the serial port is given */
	struct loop *loop;
	void (*quit)(void *ctx); /* Ctrl-A x; the loop's thread */
	void *ctx;

	struct loop_source in, out, work; /* work: an eventfd, something to do for the loop */
	bool in_is_file;                  /* cannot be waited for: always ready */
	bool in_done;                     /* end of input, or none at all */
	bool out_is_file, out_is_socket, out_is_own;
	bool out_waits;   /* the loop waits for EPOLLOUT */
	bool is_terminal; /* stdin is, and we have it */
	bool escape;      /* the last byte typed was Ctrl-A */

	pthread_mutex_t lock; /* guards what follows; innermost */
	uint8_t out_ring[CONSOLE_OUT_SIZE], in_ring[CONSOLE_IN_SIZE];
	uint32_t out_head, out_tail, in_head, in_tail; /* free-running */
	bool out_direct;  /* set at the start: writing does not block, a byte may go at once */
	bool out_busy;    /* the loop is at it, or was told to be */
	bool out_lost;    /* nobody reads any more: output is dropped */
	bool out_refused; /* the model waits for room */
	bool in_full;     /* input waits for room */
};

/* Takes stdin and stdout. `quit` is called when the user asks to leave. */
int console_init(struct console *con, struct loop *loop, void (*quit)(void *ctx), void *ctx, struct err *err);

/* Gives the terminal back as it was, and takes it again (SIGTSTP, SIGCONT). */
void console_suspend(struct console *con);
void console_resume(struct console *con);

/*
 * Writes what is left (`patient`: waiting for the reader; else as much as goes at once) and
 * restores the terminal.
 */
void console_finish(struct console *con, bool patient);

#endif
