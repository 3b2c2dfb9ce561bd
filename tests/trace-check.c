// SPDX-License-Identifier: BSD-2-Clause
/*
 * trace-check FILE [STEP...] says whether FILE is a trace as docs/tracing.md describes it: it is JSON;
 * time does not go back; spans nest, and what begins ends; every track has a name; and there is an
 * interrupt whose steps are STEP... in this order without others in between. Prints a line for each
 * finding. Status 1 if there is any, else 0.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/json.h"

#define MAX_TRACKS 1024
#define MAX_NESTED 16

struct track {
	long id;
	int named;
	uint64_t end[MAX_NESTED]; /* of the spans that are open; UINT64_MAX until an E event */
	int open;
};

static struct track tracks[MAX_TRACKS];
static int nr_tracks;
static int *flow_done, *bar_open; /* by id */
static size_t ids;
static int findings;

static void finding(const char *line, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void finding(const char *line, const char *fmt, ...)
{
	va_list ap;

	if (findings++ > 10)
		return;
	printf("trace-check: ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("%s%.200s\n", line ? ": " : "", line ? line : "");
}

/* The text after "KEY": in the event on this line, or NULL. */
static const char *value(const char *line, const char *key)
{
	char pattern[32];
	const char *at;

	snprintf(pattern, sizeof(pattern), "\"%s\":", key);
	at = strstr(line, pattern);
	return at ? at + strlen(pattern) : NULL;
}

static int is(const char *text, const char *word)
{
	return text && *text == '"' && !strncmp(text + 1, word, strlen(word)) &&
	       text[1 + strlen(word)] == '"';
}

/* Microseconds with three decimals, in ns. */
static uint64_t nanoseconds(const char *text)
{
	char *end;
	uint64_t us = strtoull(text, &end, 10);

	return us * 1000 + (*end == '.' ? strtoull(end + 1, NULL, 10) : 0);
}

static size_t id_of(const char *text)
{
	size_t id = strtoul(text + 1, NULL, 16);

	if (id < ids)
		return id;
	finding(NULL, "there are fewer events than the id %zu", id);
	return 0;
}

static struct track *track_of(const char *line)
{
	const char *text = value(line, "tid");
	long id = text ? strtol(text, NULL, 10) : -1;

	for (int i = 0; i < nr_tracks; i++)
		if (tracks[i].id == id)
			return &tracks[i];
	if (nr_tracks == MAX_TRACKS)
		nr_tracks--;
	tracks[nr_tracks] = (struct track){ .id = id };
	return &tracks[nr_tracks++];
}

static void open_span(struct track *t, uint64_t begin, uint64_t end, const char *line)
{
	while (t->open && t->end[t->open - 1] <= begin)
		t->open--;
	if (t->open == MAX_NESTED || (t->open && end > t->end[t->open - 1] && end != UINT64_MAX))
		finding(line, "a span does not nest");
	else
		t->end[t->open++] = end;
}

static void close_span(struct track *t, uint64_t now, const char *line)
{
	while (t->open && t->end[t->open - 1] <= now)
		t->open--;
	if (!t->open || t->end[t->open - 1] != UINT64_MAX)
		finding(line, "ends what has not begun");
	else
		t->open--;
}

static void follow_flow(const char *line, char *const steps[], int nr_steps, int *found)
{
	const char *flow = value(line, "bind_id");
	int *done = flow ? &flow_done[id_of(flow)] : NULL;

	if (!done || !nr_steps)
		return;
	if (!is(value(line, "name"), steps[*done]))
		*done = 0;
	if (is(value(line, "name"), steps[*done]) && ++*done == nr_steps) {
		*done = 0;
		++*found;
	}
}

static void event(const char *line, char *const steps[], int nr_steps, int *found)
{
	static uint64_t now;
	const char *phase = value(line, "ph"), *ts = value(line, "ts"), *dur = value(line, "dur");
	struct track *t = track_of(line);

	if (is(phase, "M")) {
		t->named |= is(value(line, "name"), "thread_name");
		return;
	}
	if (!t->named)
		finding(line, "a track without a name");
	if (!ts || nanoseconds(ts) < now)
		finding(line, "time goes back");
	else
		now = nanoseconds(ts);
	if (is(phase, "X"))
		open_span(t, now, now + (dur ? nanoseconds(dur) : 0), line);
	else if (is(phase, "B"))
		open_span(t, now, UINT64_MAX, line);
	else if (is(phase, "E"))
		close_span(t, now, line);
	else if (is(phase, "b"))
		bar_open[id_of(value(line, "id"))]++;
	else if (is(phase, "e"))
		bar_open[id_of(value(line, "id"))]--;
	else if (!is(phase, "i"))
		finding(line, "an event of no known kind");
	follow_flow(line, steps, nr_steps, found);
}

static char *read_all(const char *path)
{
	FILE *in = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (!in || getdelim(&text, &size, '\0', in) < 0) {
		printf("trace-check: %s: %s\n", path, in ? "empty" : strerror(errno));
		exit(1);
	}
	fclose(in);
	return text;
}

int main(int argc, char **argv)
{
	char *text, *line, *next;
	int found = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: trace-check FILE [STEP...]\n");
		return 2;
	}
	text = read_all(argv[1]);
	if (!json_valid(text))
		finding(NULL, "%s is not JSON", argv[1]);
	for (const char *p = text; *p; p++)
		ids += *p == '\n';
	flow_done = calloc(ids + 1, sizeof(int));
	bar_open = calloc(ids + 1, sizeof(int));
	if (!flow_done || !bar_open)
		return 1;
	for (line = text; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (!strncmp(line, "{\"name\":", 8))
			event(line, argv + 2, argc - 2, &found);
	}
	for (int i = 0; i < nr_tracks; i++)
		if (tracks[i].open && tracks[i].end[tracks[i].open - 1] == UINT64_MAX)
			finding(NULL, "a span on track %ld does not end", tracks[i].id);
	for (size_t i = 0; i < ids; i++)
		if (bar_open[i])
			finding(NULL, "bar 0x%zx does not end", i);
	if (argc > 2 && !found)
		finding(NULL, "no interrupt goes the way asked for");
	free(text);
	free(flow_done);
	free(bar_open);
	return findings != 0;
}
