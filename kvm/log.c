// SPDX-License-Identifier: BSD-2-Clause
#include "kvm/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

static _Atomic int max_level = LOG_WARN;
static _Atomic bool raw_terminal;

void log_set_level(enum log_level level)
{
	atomic_store(&max_level, level);
}

void log_set_raw_terminal(bool raw)
{
	atomic_store(&raw_terminal, raw);
}

int log_level_from_name(const char *name)
{
	for (int i = 0; i < (int)(sizeof(level_names) / sizeof(level_names[0])); i++)
		if (!strcmp(name, level_names[i]))
			return i;
	return -1;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	const char *end = atomic_load(&raw_terminal) ? "\r\n" : "\n";
	size_t room = sizeof(line) - 2, len;
	int saved = errno;
	va_list ap;

	if ((int)level > atomic_load(&max_level))
		return;

	len = (size_t)snprintf(line, room, "vireo: %s: ", level_names[level]);
	va_start(ap, fmt);
	len += (size_t)vsnprintf(line + len, room - len, fmt, ap);
	va_end(ap);
	if (len > room - 1)
		len = room - 1;
	memcpy(line + len, end, strlen(end));
	len += strlen(end);

	/* A log that cannot be written has nobody to complain to. */
	while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
		;
	errno = saved;
}
