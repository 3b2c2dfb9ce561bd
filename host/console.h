/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console on stdin and stdout: a chardev for the first serial port, and one for a virtio console. What
 * either puts comes out together; input goes to one of them.
 *
 * On a terminal in the foreground it is raw, with an escape key; it is restored by
 * console_finish(), when the process is suspended, and when it dies of a signal. Anything
 * else (pipes, files, /dev/null, a closed descriptor) passes bytes as they are.
 */
#ifndef VIREO_HOST_CONSOLE_H
#define VIREO_HOST_CONSOLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/chardev.h"
#include "host/loop.h"
#include "kvm/err.h"

#define CONSOLE_OUT_SIZE 65536u /* bytes kept for a reader that is slow; a power of two */
#define CONSOLE_IN_SIZE  4096u  /* bytes kept for a guest that is slow; a power of two */

#define CONSOLE_ESCAPE    0x01 /* Ctrl-A */
#define CONSOLE_NO_ESCAPE (-1)

struct console;

/* What a device is given. */
struct console_end {
	struct chardev chr; /* first */
	struct console *con;
	bool refused; /* under con->lock: the device waits for room */
};

struct console {
	struct console_end serial, virtio;
	struct console_end *input; /* who gets it; constant */
	struct loop *loop;
	void (*quit)(void *ctx); /* Ctrl-A x; the loop's thread */
	/* Ctrl-A p and s, which answer with a line for the user. NULL: there is no such key. Set after console_init(). */
	void (*power)(void *ctx, char *line, size_t size);
	void (*state)(void *ctx, char *line, size_t size);
	void *ctx;
	int escape_key; /* CONSOLE_ESCAPE; may be set after console_init() */
	bool no_break;  /* there is no Ctrl-A b; may be set after console_init() */

	struct loop_source in, out, work; /* work: an eventfd, something to do for the loop */
	bool in_is_file;                  /* cannot be waited for: always ready */
	bool in_done;                     /* end of input, or none at all */
	bool in_parked;                   /* input is not looked for until there is room */
	bool out_is_file, out_is_socket, out_is_own;
	bool in_background; /* stdin is a terminal whose foreground others have */
	bool out_waits;     /* the loop waits for EPOLLOUT */
	bool is_terminal;   /* stdin is, and we have or had it */
	bool escape;        /* the last byte typed was the escape key */

	pthread_mutex_t lock; /* guards what follows; innermost */
	uint8_t out_ring[CONSOLE_OUT_SIZE], in_ring[CONSOLE_IN_SIZE];
	uint32_t out_head, out_tail, in_head, in_tail; /* free-running */
	bool out_direct; /* set at the start: writing does not block, output may go at once */
	bool out_busy;   /* the loop is at it, or was told to be */
	bool out_begun;  /* the guest has said something */
	bool out_lost;   /* nobody reads any more: output is dropped */
	bool in_full;    /* input waits for room */
};

/*
 * Takes stdin and stdout; input goes to the virtio console, or to the serial port. `quit` is called when the
 * user asks to leave.
 */
int console_init(struct console *con, struct loop *loop, bool virtio_input, void (*quit)(void *ctx),
		 void *ctx, struct err *err);

/* Gives the terminal back as it was, and takes it again (SIGTSTP, SIGCONT). The loop's thread. */
void console_suspend(struct console *con);
void console_resume(struct console *con);

/* The terminal may have another size (SIGWINCH). The loop's thread. */
void console_resize(struct console *con);

/* Shows a status line (log_show_status()) as long as the guest has said nothing. False: it has. */
bool console_show_status(struct console *con, const char *text);

/*
 * Writes what is left (`patient`: waiting for the reader; else as much as goes at once) and
 * restores the terminal.
 */
void console_finish(struct console *con, bool patient);

/*
 * The escape key that `text` means: "none", or "^" and a letter or one of ]\\^_ that makes a control
 * character with Ctrl. -EINVAL: it means none.
 */
int console_escape_from_text(const char *text);

/*
 * The keys behind the escape key that `con` has (NULL: all there are), one to a line, as the user is told of them; the
 * escape key is called `escape` there.
 */
#define CONSOLE_HELP_MAX 1024
void console_help(const struct console *con, const char *escape, const char *indent, const char *end,
		  char text[CONSOLE_HELP_MAX]);

#endif
