/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the consoles of `vireo run` are: --console, --serial, --hvc, --escape and --console-log together. */
#ifndef VIREO_VMM_CONSOLES_H
#define VIREO_VMM_CONSOLES_H

#include <stdbool.h>

#include "host/console.h"
#include "host/console_log.h"
#include "host/console_tap.h"
#include "host/loop.h"
#include "vmm/config.h"

/* One console of the guest's. */
struct console_place {
	const char *name;       /* "ttyS0" */
	struct chardev *remote; /* at a pseudo-terminal, a socket or a file; NULL: not there */
	struct chardev nowhere; /* takes all; for the log of a console that is nowhere else */
	struct console_tap tap; /* for the log */
	bool has_tap;
};

struct consoles {
	const struct vm_config *cfg;
	struct console stdio;
	bool has_stdio; /* else stdin, stdout and the terminal are left alone */
	struct console_place serial, hvc;
	int log_fd; /* -1: none */
	struct console_log *log;
};

/*
 * Connects them. 0, and what the VM is given in `serial` and `hvc` (NULL: nothing); or a negative errno with a
 * line, then nothing is left. The loop's thread.
 */
int consoles_open(struct consoles *c, const struct vm_config *cfg, struct loop *loop, void (*quit)(void *ctx),
		  void *ctx, struct chardev **serial, struct chardev **hvc, struct err *err);

/* Undoes that; `patient` as of console_finish(). A negative errno with a line: the log is not complete. */
int consoles_close(struct consoles *c, bool patient, struct err *err);

/* Where they are, in a few words. */
void consoles_describe(const struct consoles *c, char *text, size_t size);

#endif
