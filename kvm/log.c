// SPDX-License-Identifier: BSD-2-Clause
#include "kvm/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kvm/hash.h"

#define TEXT_MAX 1000
#define LINE_MAX (TEXT_MAX * 6 + 256) /* each byte of it as \u00XX, and what stands around it */

#define ERASE_LINE "\r\033[K"

static const struct {
	const char *name;
	const char *colour; /* ECMA-48, "SGR - Select Graphic Rendition" */
	char priority;      /* syslog(3) */
} levels[] = {
	[LOG_ERROR] = { "error", "\033[1;31m", '3' },
	[LOG_WARN] = { "warn", "\033[33m", '4' },
	[LOG_INFO] = { "info", "\033[32m", '6' },
	[LOG_DEBUG] = { "debug", "\033[2m", '7' },
};

#define NR_LEVELS (sizeof(levels) / sizeof(levels[0]))

static const char *const areas[AREA_COUNT] = {
	[AREA_BOOT] = "boot", [AREA_CONSOLE] = "console", [AREA_DEVICE] = "device",
	[AREA_DISK] = "disk", [AREA_IRQ] = "irq",         [AREA_KVM] = "kvm",
	[AREA_NET] = "net",   [AREA_VIRTIO] = "virtio",   [AREA_VMM] = "vmm",
};

static struct log_levels most = { .of = { [0 ... AREA_COUNT - 1] = LOG_WARN } };
static bool is_json, is_coloured, is_journal, is_screen;
static _Atomic bool raw_terminal, status_shown;

/* --- levels --- */

void log_set_levels(const struct log_levels *new_levels)
{
	most = *new_levels;
}

void log_set_level(enum log_level level)
{
	for (int area = 0; area < AREA_COUNT; area++)
		most.of[area] = level;
}

/* Of `len` bytes at `name`; or -1. */
static int level_by_name(const char *name, size_t len)
{
	for (size_t i = 0; i < NR_LEVELS; i++)
		if (strlen(levels[i].name) == len && !memcmp(levels[i].name, name, len))
			return (int)i;
	return -1;
}

static int area_by_name(const char *name, size_t len)
{
	for (int i = 0; i < AREA_COUNT; i++)
		if (strlen(areas[i]) == len && !memcmp(areas[i], name, len))
			return i;
	return -1;
}

/* One word, of `len` bytes: a level for all areas, if it is the first one, or AREA=LEVEL. */
static int parse_word(struct log_levels *new_levels, bool is_given[AREA_COUNT], const char *word, size_t len,
		      bool is_first)
{
	const char *equals = memchr(word, '=', len);
	size_t name = equals ? (size_t)(equals - word) : 0, value = equals ? name + 1 : 0;
	int level = level_by_name(word + value, len - value), area;

	if (level < 0 || (!equals && !is_first))
		return -EINVAL;
	if (!equals) {
		for (area = 0; area < AREA_COUNT; area++)
			new_levels->of[area] = (enum log_level)level;
		return 0;
	}
	area = area_by_name(word, name);
	if (area < 0 || is_given[area])
		return -EINVAL;
	is_given[area] = true;
	new_levels->of[area] = (enum log_level)level;
	return 0;
}

int log_levels_parse(struct log_levels *new_levels, const char *text)
{
	bool is_given[AREA_COUNT] = { false };
	const char *word = text;
	int ret;

	for (int area = 0; area < AREA_COUNT; area++)
		new_levels->of[area] = LOG_WARN;
	for (;;) {
		size_t len = strcspn(word, ",");

		ret = parse_word(new_levels, is_given, word, len, word == text);
		if (ret < 0 || !word[len])
			return ret;
		word += len + 1;
	}
}

bool log_levels_ok(const char *text)
{
	struct log_levels ignored;

	return !log_levels_parse(&ignored, text);
}

/* --- what stderr is --- */

void log_set_format(enum log_format format)
{
	is_json = format == LOG_JSON;
}

/* systemd.exec(5), "$JOURNAL_STREAM": the device and the inode, in decimal. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;
	int end = 0;

	return stream && sscanf(stream, "%llu:%llu%n", &device, &inode, &end) == 2 && !stream[end] &&
	       !fstat(STDERR_FILENO, &st) && st.st_dev == device && st.st_ino == inode;
}

void log_look_at_stderr(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	is_journal = stderr_is_journal();
	is_screen = isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb");
	is_coloured = is_screen && !(no_color && *no_color);
}

void log_set_raw_terminal(bool raw)
{
	atomic_store(&raw_terminal, raw);
}

/* --- what a line looks like --- */

/* Bytes of the well-formed UTF-8 sequence at `s` (The Unicode Standard, table 3-7); 0: it is none. */
static size_t utf8_length(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return len;
}

/* As the inside of a JSON string (RFC 8259, "Strings"); what is no UTF-8 becomes U+FFFD. Returns the length. */
static size_t escape(char *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	char *to = out;

	while (*s) {
		size_t len = utf8_length(s);

		if (*s == '"' || *s == '\\')
			to += sprintf(to, "\\%c", *s);
		else if (*s < 0x20 || *s == 0x7f)
			to += sprintf(to, "\\u%04x", *s);
		else if (!len)
			to += sprintf(to, "\\ufffd");
		else
			to = mempcpy(to, s, len);
		s += len ? len : 1;
	}
	return (size_t)(to - out);
}

static size_t format_json(char *line, enum log_area area, enum log_level level, const char *text)
{
	struct timespec now;
	struct tm utc;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	len = strftime(line, LINE_MAX, "{\"time\":\"%Y-%m-%dT%H:%M:%S", &utc);
	len += (size_t)sprintf(line + len, ".%06ldZ\",\"level\":\"%s\",\"area\":\"%s\",\"message\":\"",
			       now.tv_nsec / 1000, levels[level].name, areas[area]);
	len += escape(line + len, text);
	return len + (size_t)sprintf(line + len, "\"}");
}

static size_t format_text(char *line, enum log_level level, const char *text)
{
	/* The journal has program and level beside the text. */
	if (is_journal)
		return (size_t)sprintf(line, "%s", text);
	if (is_coloured)
		return (size_t)sprintf(line, "vireo: %s%s:\033[0m %s", levels[level].colour,
				       levels[level].name, text);
	return (size_t)sprintf(line, "vireo: %s: %s", levels[level].name, text);
}

/* A log that cannot be written has nobody to complain to. */
static void write_stderr(const char *line, size_t len)
{
	while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
		;
}

/* --- repeats --- */

static struct {
	pthread_mutex_t lock;
	uint64_t hash[LOG_REMEMBERED]; /* of texts that were said */
	unsigned int count;
	bool hold;
} said = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Is it to be said? It has been, from then on. */
static bool is_news(const char *text)
{
	uint64_t hash = hash_text(HASH_BASIS, text);
	bool is_known = false, news;

	pthread_mutex_lock(&said.lock);
	for (unsigned int i = 0; i < said.count && !is_known; i++)
		is_known = said.hash[i] == hash;
	news = !said.hold || (!is_known && said.count < LOG_REMEMBERED);
	if (!is_known && said.count < LOG_REMEMBERED)
		said.hash[said.count++] = hash;
	pthread_mutex_unlock(&said.lock);
	return news;
}

void log_hold_repeats(void)
{
	pthread_mutex_lock(&said.lock);
	said.hold = true;
	pthread_mutex_unlock(&said.lock);
}

void log_forget(void)
{
	pthread_mutex_lock(&said.lock);
	said.hold = false;
	said.count = 0;
	pthread_mutex_unlock(&said.lock);
}

/* --- lines --- */

static void print(enum log_area area, enum log_level level, const char *text)
{
	char line[LINE_MAX];
	size_t len = 0;

	if (atomic_exchange(&status_shown, false))
		len = (size_t)sprintf(line, ERASE_LINE);
	if (is_journal) /* sd-daemon(3), "<N>" */
		len += (size_t)sprintf(line + len, "<%c>", levels[level].priority);
	len += is_json ? format_json(line + len, area, level, text) : format_text(line + len, level, text);
	len += (size_t)sprintf(line + len, "%s", atomic_load(&raw_terminal) ? "\r\n" : "\n");
	write_stderr(line, len);
}

/* `always`: also what was said before. */
static void say(enum log_area area, enum log_level level, bool always, const char *fmt, va_list ap)
{
	char text[TEXT_MAX + 1];
	int saved = errno;

	vsnprintf(text, sizeof(text), fmt, ap);
	if (always || is_news(text))
		print(area, level, text);
	errno = saved;
}

void log_line(enum log_area area, enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > most.of[area])
		return;
	va_start(ap, fmt);
	say(area, level, level == LOG_ERROR, fmt, ap);
	va_end(ap);
}

void log_line_always(enum log_area area, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(area, LOG_INFO, true, fmt, ap);
	va_end(ap);
}

/* --- the status line --- */

bool log_can_show_status(void)
{
	return is_screen && !is_json;
}

void log_show_status(const char *text)
{
	char line[256];
	int len;

	if (!log_can_show_status() || (!text && !atomic_load(&status_shown)))
		return;
	len = snprintf(line, sizeof(line), ERASE_LINE "%.200s", text ? text : "");
	atomic_store(&status_shown, text != NULL);
	write_stderr(line, (size_t)len);
}
