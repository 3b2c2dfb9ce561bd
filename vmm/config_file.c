// SPDX-License-Identifier: BSD-2-Clause
/*
 * The definition file:
 *
 *	# a comment, on a line of its own or after a value and a blank; it may begin with ; as well
 *	[section]
 *	key = value
 *	key = "a value with \" and \\ and # in it"
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/options.h"

#define MOST_BYTES      (256UL << 10) /* of a file; a definition is far smaller */
#define MOST_LINE       16384         /* bytes; the longest value fits even with all of it escaped */
#define BLANKS          " \t"
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

struct reader {
	struct vm_config *cfg;
	struct option_origin at;
	const char *section;         /* one of section_names[]; NULL before the first */
	unsigned int first_line[64]; /* where a key was given, by index in option_table; 0: not yet */
	struct err *err;
};

static int line_error(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int line_error(struct reader *r, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_user(r->err, "%s:%u: %s", quote_path(r->at.file).text, r->at.line, text);
}

static bool is_comment(char c)
{
	return c == '#' || c == ';';
}

static char *skip_blanks(char *text)
{
	return text + strspn(text, BLANKS);
}

static void trim_end(char *text)
{
	size_t len = strlen(text);

	while (len && strchr(BLANKS, text[len - 1]))
		len--;
	text[len] = '\0';
}

static int unknown_section(struct reader *r, const char *name)
{
	char all[64] = "";
	size_t len = 0;

	for (const char *const *section = section_names; *section; section++)
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s[%s]", len ? ", " : "", *section);
	return line_error(r, "section \"%s\": unknown; allowed are %s", quote(name).text, all);
}

static int take_section(struct reader *r, char *line)
{
	char *name = skip_blanks(line + 1), *close = strchr(name, ']'), *rest;

	if (!close)
		return line_error(r, "\"%s\": a section needs a closing ]", quote(line).text);
	rest = skip_blanks(close + 1);
	if (*rest && !is_comment(*rest))
		return line_error(r, "\"%s\": only a comment may follow a section", quote(rest).text);
	*close = '\0';
	trim_end(name);
	for (const char *const *section = section_names; *section; section++) {
		if (!strcmp(name, *section)) {
			r->section = *section;
			return 0;
		}
	}
	return unknown_section(r, name);
}

/* Takes the quotes off a value in place. */
static int unquote(struct reader *r, const char *key, char *value)
{
	char *to = value, *from = value + 1;

	while (*from && *from != '"') {
		if (*from == '\\' && from[1] != '"' && from[1] != '\\')
			return option_error(r->err, &r->at, key, "in quotes, \\ stands only before \" or \\");
		from += *from == '\\';
		*to++ = *from++;
	}
	if (!*from)
		return option_error(r->err, &r->at, key, "the closing \" is missing");
	from = skip_blanks(from + 1);
	if (*from && !is_comment(*from))
		return option_error(
			r->err, &r->at, key,
			"\"%s\" follows the closing \"; quote the whole value and write \\\" for a \" in it",
			quote(from).text);
	*to = '\0';
	return 0;
}

/* Takes the comment and the blanks off the end of a value that is not in quotes. */
static int take_bare(struct reader *r, const char *key, char *value)
{
	bool in_quotes = false;

	for (char *c = value; *c; c++) {
		if (is_comment(*c) && (c == value || strchr(BLANKS, c[-1]))) {
			*c = '\0';
			break;
		}
		in_quotes ^= *c == '"';
	}
	/* Also what a comment sign inside quotes comes to: better refused than silently cut. */
	if (in_quotes)
		return option_error(
			r->err, &r->at, key,
			"a \" has no partner; quote the whole value and write \\\" for a \" in it");
	trim_end(value);
	return 0;
}

static int set_key(struct reader *r, const struct option *opt, char *value)
{
	bool quoted = *value == '"';
	char allowed[OPTION_ALLOWED_MAX];
	int ret = quoted ? unquote(r, opt->name, value) : take_bare(r, opt->name, value);

	if (ret)
		return ret;
	if (!*value && !quoted) {
		option_allowed(opt, allowed);
		return option_error(r->err, &r->at, opt->name, "has no value; allowed is %s", allowed);
	}
	return option_set(r->cfg, opt, value, &r->at, r->err);
}

static int unknown_key(struct reader *r, const char *key)
{
	const char *near = option_nearest_key(key);
	struct quoted name = quote(key);

	if (near)
		return option_error(r->err, &r->at, name.text, "unknown; did you mean \"%s\"?", near);
	return option_error(r->err, &r->at, name.text,
			    "unknown; allowed are the long options that \"vireo help run\" gives a section");
}

static int take_key(struct reader *r, char *line)
{
	char *equals = strchr(line, '=');
	const struct option *opt;
	unsigned int *first_line;
	int ret;

	if (!equals)
		return line_error(r, "\"%s\": allowed are [section], key = value, and # comment",
				  quote(line).text);
	*equals = '\0';
	trim_end(line);
	opt = option_by_name(line);
	if (!opt || !opt->section)
		return unknown_key(r, line);
	if (!r->section)
		return option_error(r->err, &r->at, opt->name, "stands before any section; put it under [%s]",
				    opt->section);
	if (strcmp(opt->section, r->section))
		return option_error(r->err, &r->at, opt->name, "is not in section [%s]; put it under [%s]",
				    r->section, opt->section);
	first_line = &r->first_line[opt - option_table];
	if (*first_line)
		return option_error(r->err, &r->at, opt->name, "given before, in line %u; once is allowed",
				    *first_line);
	*first_line = r->at.line;
	ret = option_check_host(opt, &r->at, r->err);
	return ret ? ret : set_key(r, opt, skip_blanks(equals + 1));
}

/* One line, ended by a NUL; `len` bytes are before it. */
static int take_line(struct reader *r, char *line, size_t len)
{
	if (len > MOST_LINE)
		return line_error(r, "%zu bytes long; a line may have %d", len, MOST_LINE);
	if (len && line[len - 1] == '\r')
		line[--len] = '\0';
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)line[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return line_error(r, "control character 0x%02x; a definition file is plain text", c);
	}
	line = skip_blanks(line);
	trim_end(line);
	if (!*line || is_comment(*line))
		return 0;
	return *line == '[' ? take_section(r, line) : take_key(r, line);
}

static int take_text(struct reader *r, char *text, size_t size)
{
	char *end = text + size;
	int ret = 0;

	if (size >= 3 && !memcmp(text, BYTE_ORDER_MARK, 3))
		text += 3;
	while (text < end && !ret) {
		char *newline = memchr(text, '\n', (size_t)(end - text));
		char *stop = newline ? newline : end;

		*stop = '\0';
		r->at.line++;
		ret = take_line(r, text, (size_t)(stop - text));
		text = stop + 1;
	}
	return ret;
}

/* Reads to the end, whatever kind of file it is; `text` has room for MOST_BYTES and one more. */
static int read_all(int fd, const char *path, char *text, size_t *size, struct err *err)
{
	*size = 0;
	while (*size <= MOST_BYTES) {
		ssize_t got = read(fd, text + *size, MOST_BYTES + 1 - *size);

		if (!got)
			return 0;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_user(err, "definition file \"%s\": %s", quote_path(path).text,
					strerrordesc_np(errno));
		*size += (size_t)got;
	}
	return err_user(err, "definition file \"%s\": larger than %lu bytes, which none needs to be",
			quote_path(path).text, MOST_BYTES);
}

static int read_text(const char *path, char *text, size_t *size, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return err_user(err, "definition file \"%s\": %s", quote_path(path).text,
				strerrordesc_np(errno));
	ret = read_all(fd, path, text, size, err);
	close(fd);
	return ret;
}

int config_read_file(struct vm_config *cfg, const char *path, struct err *err)
{
	struct reader r = { .cfg = cfg, .at.file = path, .err = err };
	char *text = malloc(MOST_BYTES + 1);
	size_t size = 0;
	int ret;

	if (!text)
		return err_host(err, ENOMEM, "definition file \"%s\"", quote_path(path).text);
	ret = read_text(path, text, &size, err);
	if (!ret)
		ret = take_text(&r, text, size);
	free(text);
	return ret;
}
