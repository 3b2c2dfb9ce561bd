// SPDX-License-Identifier: BSD-2-Clause
#include "host/console_log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/lines.h"
#include "kvm/log.h"

#define SOURCES_MAX 4
#define BUFFER_SIZE 65536
#define PREFIX_MAX  96   /* of a line: the times and the source */
#define PATIENCE    1000 /* ms that a reader may take */

struct source {
	struct console_log *log;
	const char *name; /* NULL: free */
	struct lines lines;
	bool goes_on; /* the next line is the rest of one that was cut */
};

struct console_log {
	int fd;
	const char *path;
	bool is_file; /* a write does not wait for a reader */
	int failed;   /* errno; nothing is written any more */
	struct clock *clock;
	uint64_t opened;
	struct source source[SOURCES_MAX];
	char buffer[BUFFER_SIZE];
	size_t len;
};

static bool is_ready(const struct console_log *log)
{
	struct pollfd pfd = { .fd = log->fd, .events = POLLOUT };
	int ret;

	do
		ret = log->is_file ? 1 : poll(&pfd, 1, PATIENCE);
	while (ret < 0 && errno == EINTR);
	if (!ret)
		errno = ETIMEDOUT;
	return ret > 0;
}

/* Writes what is in the buffer, in pieces that a pipe which is ready takes without waiting. */
static void flush(struct console_log *log)
{
	size_t done = 0;

	while (!log->failed && done < log->len) {
		size_t piece = log->len - done;
		ssize_t n;

		if (!log->is_file && piece > PIPE_BUF)
			piece = PIPE_BUF;
		n = is_ready(log) ? write(log->fd, log->buffer + done, piece) : -1;
		if (n >= 0) {
			done += (size_t)n;
		} else if (errno != EINTR && errno != EAGAIN) {
			log->failed = errno;
			log_warn(
				"%s cannot be written any more (%s); what the guest says is not logged from here on",
				log->path, strerrordesc_np(errno));
		}
	}
	log->len = 0;
}

static void put_line(void *ctx, const char *text, size_t len, uint64_t begun, bool cut)
{
	struct source *source = ctx;
	struct console_log *log = source->log;
	int64_t real = clock_realtime(log->clock) - (int64_t)(clock_monotonic(log->clock) - begun);
	uint64_t since = begun - log->opened;
	time_t seconds = (time_t)(real / (int64_t)NSEC_PER_SEC);
	char date[32];
	struct tm tm;

	if (log->len + PREFIX_MAX + len + 1 > sizeof(log->buffer))
		flush(log);
	gmtime_r(&seconds, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	log->len += (size_t)snprintf(
		log->buffer + log->len, PREFIX_MAX, "%s.%03dZ [%5llu.%06llu] %.16s%c ", date,
		(int)(real % (int64_t)NSEC_PER_SEC / 1000000), (unsigned long long)(since / NSEC_PER_SEC),
		(unsigned long long)(since % NSEC_PER_SEC / 1000), source->name, source->goes_on ? '+' : ':');
	memcpy(log->buffer + log->len, text, len);
	log->len += len;
	log->buffer[log->len++] = '\n';
	source->goes_on = cut;
}

int console_log_open(struct console_log **out, int fd, const char *path, struct clock *clock, struct err *err)
{
	struct console_log *log = calloc(1, sizeof(*log));
	struct stat st;

	if (!log)
		return err_host(err, ENOMEM, "%s", path);
	log->fd = fd;
	log->path = path;
	log->is_file = !fstat(fd, &st) && S_ISREG(st.st_mode);
	log->clock = clock;
	log->opened = clock_monotonic(clock);
	*out = log;
	return 0;
}

static struct source *find_source(struct console_log *log, const char *name)
{
	for (struct source *source = log->source; source < log->source + SOURCES_MAX; source++) {
		if (!source->name) {
			source->log = log;
			source->name = name;
			lines_init(&source->lines, put_line, source);
		}
		if (!strcmp(source->name, name))
			return source;
	}
	return NULL;
}

void console_log_put(struct console_log *log, const char *source, const uint8_t *bytes, size_t len)
{
	struct source *from = find_source(log, source);

	if (!from || log->failed)
		return;
	lines_put(&from->lines, bytes, len, clock_monotonic(log->clock));
	flush(log);
}

int console_log_close(struct console_log *log, struct err *err)
{
	int failed;

	for (struct source *source = log->source; source < log->source + SOURCES_MAX; source++)
		if (source->name)
			lines_end(&source->lines);
	flush(log);
	failed = log->failed;
	if (failed)
		err_host(err, failed, "%s: the console's log is not complete", log->path);
	free(log);
	return -failed;
}
