// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/smoke_show.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kvm/winsize.h"
#include "vmm/smoke.h"

int show_init(struct smoke_show *show, unsigned int slots)
{
	const char *term = getenv("TERM");

	*show = (struct smoke_show){ .slots = slots, .row = calloc(slots, sizeof(*show->row)) };
	show->is_terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb");
	return show->row ? 0 : -ENOMEM;
}

/* A line as wide as the terminal at most; what is not ASCII may be of any width. */
static void put_row(FILE *out, const char *text, unsigned int columns)
{
	for (unsigned int i = 0; text[i] && i + 1 < columns; i++)
		fputc((unsigned char)text[i] < 0x20 || (unsigned char)text[i] >= 0x7f ? '?' : text[i], out);
	fputc('\n', out);
}

static void erase_rows(struct smoke_show *show, FILE *out)
{
	if (show->drawn)
		fprintf(out, "\r\033[%uA\033[J", show->drawn);
	show->drawn = 0;
}

static void draw_rows(struct smoke_show *show, FILE *out)
{
	uint16_t columns = 0, rows = 0;

	if (!show->is_terminal)
		return;
	winsize_get(STDERR_FILENO, &columns, &rows);
	for (unsigned int i = 0; i < show->slots && show->drawn + 2u < (rows ? rows : 24u); i++) {
		if (!*show->row[i])
			continue;
		put_row(out, show->row[i], columns ? columns : 80);
		show->drawn++;
	}
}

/* What was put comes out in one piece. */
static void write_out(FILE *out, char **text, const size_t *size)
{
	if (!fclose(out)) {
		size_t done = 0;

		while (done < *size) {
			ssize_t n = write(STDERR_FILENO, *text + done, *size - done);

			if (n < 0 && errno != EINTR)
				break;
			done += n > 0 ? (size_t)n : 0;
		}
	}
	free(*text);
}

void show_row(struct smoke_show *show, unsigned int slot, const char *name, double seconds, const char *line)
{
	char *text = NULL;
	size_t size;
	FILE *out;

	if (!show->is_terminal)
		return;
	out = open_memstream(&text, &size);
	if (!out)
		return;
	if (*name)
		snprintf(show->row[slot], SHOW_ROW_MAX, "%s %.0f s: %.400s", name, seconds, line);
	else
		show->row[slot][0] = '\0';
	erase_rows(show, out);
	draw_rows(show, out);
	write_out(out, &text, &size);
}

static void put_details(FILE *out, const json_t *result)
{
	const json_t *trace = json_object_get(result, "trace"), *last = json_object_get(result, "last_lines");
	json_t *line;
	size_t i;

	if (json_array_size(trace))
		fprintf(out, "--- %s: what the kernel said of it\n", smoke_string(result, "name"));
	json_array_foreach(trace, i, line) fprintf(out, "  | %s\n", json_string_value(line));
	if (json_array_size(trace))
		return;
	if (json_array_size(last))
		fprintf(out, "--- %s: the last lines of the console\n", smoke_string(result, "name"));
	json_array_foreach(last, i, line)
		fprintf(out, "  | [%9.3f] %s: %s\n", json_number_value(json_object_get(line, "seconds")),
			smoke_string(line, "console"), smoke_string(line, "line"));
}

static void put_verdict(FILE *out, const json_t *result)
{
	json_int_t attempts = json_integer_value(json_object_get(result, "attempts"));
	const char *kind = smoke_string(result, "kind");

	if (!smoke_status(result))
		fprintf(out, "PASS %s: ", smoke_string(result, "name"));
	else
		fprintf(out, "FAIL %s: %s: ", smoke_string(result, "name"), kind);
	fprintf(out, "%s (%.3f s", smoke_string(result, "message"),
		json_number_value(json_object_get(result, "seconds")));
	if (attempts > 1)
		fprintf(out, ", attempt %lld", (long long)attempts);
	fputs(")\n", out);
}

void show_result(struct smoke_show *show, const json_t *result)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return;
	erase_rows(show, out);
	if (smoke_status(result))
		put_details(out, result);
	put_verdict(out, result);
	draw_rows(show, out);
	write_out(out, &text, &size);
}

void show_line(struct smoke_show *show, const char *fmt, ...)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	va_list ap;

	if (!out)
		return;
	erase_rows(show, out);
	va_start(ap, fmt);
	vfprintf(out, fmt, ap);
	va_end(ap);
	fputc('\n', out);
	draw_rows(show, out);
	write_out(out, &text, &size);
}

void show_finish(struct smoke_show *show)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (out) {
		erase_rows(show, out);
		write_out(out, &text, &size);
	}
	free(show->row);
}
