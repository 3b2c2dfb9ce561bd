/* SPDX-License-Identifier: BSD-2-Clause */
/* What a command shows on a terminal while nothing else happens there: in one line, which goes away again. */
#ifndef VIREO_VMM_PROGRESS_H
#define VIREO_VMM_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

#include "host/console.h"
#include "host/loop.h"

struct progress {
	struct loop *loop;
	struct console *console; /* whose first output ends the waiting; NULL: progress_end() does */
	const char *until;       /* what is waited for; NULL: nothing */
	struct clock_timer timer;
	uint64_t since; /* ns: when what is shown has begun */
};

/*
 * A boot begins. The loop's thread, as all. `until` ("the guest to say something"), which outlives it, is what will be
 * waited for; NULL: nothing. `console` may be NULL.
 */
void progress_begin(struct progress *p, struct loop *loop, struct console *console, const char *until);

/* `done` of `size` bytes (0: not known) of the `what` at `path` are read. */
void progress_loading(struct progress *p, const char *what, const char *path, uint64_t done, uint64_t size);

/* The same in words, without showing it: "reading the kernel vmlinuz: 34%". `seconds` since the boot began. */
void progress_describe(char *text, size_t len, const char *what, const char *path, uint64_t done,
		       uint64_t size, uint64_t seconds);

/* The guest runs, and is waited for. */
void progress_waiting(struct progress *p);

/* Nothing is shown any more. What has not begun may be ended, if it is zeroed. */
void progress_end(struct progress *p);

#endif
