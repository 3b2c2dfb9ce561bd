/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a VM's consoles said, line by line, with the host's time:
 *
 *	2026-11-21T09:30:00.250Z [    0.250113] ttyS0: Linux version 6.1.0
 *
 * That is when the first byte of the line came, in UTC, and the seconds since the log was opened. Lines are as
 * host/lines.h makes them; where one had to be cut, the rest follows behind "ttyS0+" instead of "ttyS0:".
 * All calls are those of one thread, which may wait for the file.
 */
#ifndef VIREO_HOST_CONSOLE_LOG_H
#define VIREO_HOST_CONSOLE_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "devices/clock.h"
#include "kvm/err.h"

struct console_log;

/*
 * A log that is written to `fd`, which stays the caller's; `path`, not owned, is its name in messages. Should it
 * be a pipe or a terminal that takes nothing for a second, it is given up, as after a failing write.
 */
int console_log_open(struct console_log **out, int fd, const char *path, struct clock *clock,
		     struct err *err);

/* Bytes that the console `source` ("ttyS0", "hvc0") has put; the name is not copied. Complete lines are written at once. */
void console_log_put(struct console_log *log, const char *source, const uint8_t *bytes, size_t len);

/* Writes what there is of the last lines and frees the log. A negative errno with a line if not all could be written. */
int console_log_close(struct console_log *log, struct err *err);

#endif
