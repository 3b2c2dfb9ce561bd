// SPDX-License-Identifier: BSD-2-Clause
/*
 * The definition file:
 *
 *	# a comment, on a line of its own or after a value and a blank; it may begin with ; as well
 *	[section]
 *	key = value
 *	[kind of device id]
 *	key = "a value with \" and \\ and # in it"
 *
 * [test NAME] and [matrix]: vmm/matrix.h.
 *
 * Before the first section may stand include = FILE.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/config_read.h"
#include "vmm/devices.h"
#include "vmm/matrix.h"

#define MOST_LINE 16384 /* bytes; the longest value fits even with all of it escaped */
#define BLANKS    " \t"

struct reader {
	struct reading *file;
	struct vm_config *cfg;
	struct option_origin at;
	const char *section;          /* one of section_names[]; NULL before the first, and in a device's */
	struct device_config *device; /* whose section this is; NULL: no device's */
	/* Where a key was given, by index in option_table and in the device's keys; 0: not yet. */
	unsigned int first_line[OPTIONS_MAX], device_line[DEVICE_KEYS_MAX];
	bool in_tests;   /* this is [test NAME] or [matrix] */
	bool in_section; /* also in one that was refused */
	bool skip;       /* one that was refused: its keys are not looked at */
	struct err *err;
};

/* What an include is read into: a path like that of any other key. */
struct include {
	char *file;
};

static const struct option include_key = {
	.name = "include",
	.type = OPTION_FILE,
	.offset = offsetof(struct include, file),
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
	char all[400] = "";
	size_t len = 0;

	for (const char *const *section = section_names; *section; section++)
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s[%s]", len ? ", " : "", *section);
	for (const struct device_kind *const *kind = device_kinds; *kind && len < sizeof(all); kind++)
		len += (size_t)snprintf(all + len, sizeof(all) - len, ", [%s%s]", (*kind)->name,
					(*kind)->single ? "" : " ID");
	return line_error(r, "section \"%s\": unknown; allowed are %s%s", quote(name).text, all,
			  r->cfg->takes_tests ? ", [test NAME], [matrix]" : "");
}

/* [KIND ID] or [KIND] */
static int take_device(struct reader *r, const struct device_kind *kind, const char *id)
{
	struct device_config *same = devices_find(r->cfg, kind, id);
	char name[OPTION_NAME_MAX + DEVICE_ID_MAX + 2];

	if (!(kind->platforms & 1u << host_platform))
		return line_error(r, "section [%s]: exists on %s only; this vireo is for %s", kind->name,
				  platform_first(kind->platforms), platform_names[host_platform]);
	if (*id && !device_id_ok(id))
		return line_error(r, "section [%s ID]: \"%s\" is not allowed; allowed is " DEVICE_ID_ALLOWED,
				  kind->name, quote(id).text);
	snprintf(name, sizeof(name), "%s%s%s", kind->name, *id ? " " : "", id);
	if (same && same->reading == r->file->number) {
		same->flawed = true; /* what it lacks may stand here */
		return line_error(r, "section [%s]: given before, in line %u; %s", name, same->source.line,
				  kind->single ? "a VM has one at most"
				  : *id        ? "each has an ID of its own"
					       : "give each an ID, as in [disk root]");
	}
	r->device = device_config_new(kind);
	if (!r->device)
		return err_host(r->err, ENOMEM, "section [%s]", name);
	memcpy(r->device->id, id, strlen(id) + 1);
	r->device->source = option_source(&r->at);
	r->device->reading = r->file->number;
	devices_put(r->cfg, r->device);
	memset(r->device_line, 0, sizeof(r->device_line));
	r->section = NULL;
	return 0;
}

/* What stands between the brackets. */
static int enter_section(struct reader *r, char *name)
{
	char *blank = name + strcspn(name, BLANKS), *id = skip_blanks(blank), after = *blank;
	const struct device_kind *kind;

	for (const char *const *section = section_names; *section; section++) {
		if (!strcmp(name, *section)) {
			r->section = *section;
			r->device = NULL;
			return 0;
		}
	}
	r->in_tests = !strcmp(name, "matrix") || (!strncmp(name, "test", 4) && blank == name + 4);
	if (r->in_tests)
		return *name == 'm' ? matrix_begin_lists(r->cfg, &r->at, r->err)
				    : matrix_begin_test(r->cfg, id, &r->at, r->err);
	*blank = '\0';
	kind = device_kind_by_name(name);
	*blank = after;
	return kind ? take_device(r, kind, id) : unknown_section(r, name);
}

static int take_section(struct reader *r, char *line)
{
	char *name = skip_blanks(line + 1), *close = strchr(name, ']'), *rest;
	int ret;

	r->in_section = r->skip = true;
	r->in_tests = false;
	r->section = NULL;
	r->device = NULL;
	if (!close)
		return line_error(r, "\"%s\": a section needs a closing ]", quote(line).text);
	rest = skip_blanks(close + 1);
	if (*rest && !is_comment(*rest))
		return line_error(r, "\"%s\": only a comment may follow a section", quote(rest).text);
	*close = '\0';
	trim_end(name);
	ret = enter_section(r, name);
	r->skip = ret != 0;
	return ret;
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

/* The value of `key` as it is meant: without quotes, comment, and blanks around it. 1: nothing is left, nor was quoted. */
static int strip_value(struct reader *r, const char *key, char *value)
{
	bool quoted = *value == '"';
	int ret = quoted ? unquote(r, key, value) : take_bare(r, key, value);

	return ret ? ret : !*value && !quoted;
}

static int take_value(struct reader *r, const struct option *opt, char *value)
{
	char allowed[OPTION_ALLOWED_MAX];
	int ret = strip_value(r, opt->name, value);

	if (ret <= 0)
		return ret;
	option_allowed(opt, allowed);
	return option_error(r->err, &r->at, opt->name, "has no value; allowed is %s", allowed);
}

/* One of the keys that belong here; `first_line` is where it was given before. */
static int set_key(struct reader *r, const struct option *opt, char *value, unsigned int *first_line)
{
	int ret;

	if (*first_line && opt->type != OPTION_LIST)
		return option_error(r->err, &r->at, opt->name, "given before, in line %u; once is allowed",
				    *first_line);
	/* A list of this file takes the place of one that a file has which it includes. */
	if (opt->type == OPTION_LIST && !*first_line && !r->in_tests)
		config_unset(r->cfg, opt);
	*first_line = r->at.line;
	ret = option_check_host(opt->name, opt->platforms, &r->at, r->err);
	if (!ret)
		ret = take_value(r, opt, value);
	if (ret)
		return ret;
	if (r->device)
		return device_set(r->device, opt, value, &r->at, r->err);
	if (r->in_tests)
		return matrix_add(r->cfg, opt, value, &r->at, r->err);
	/* As --cmdline does: it drops what a file that this one includes would add. */
	if (opt->offset == offsetof(struct vm_config, cmdline) &&
	    !r->first_line[option_by_name("append") - option_table])
		config_unset(r->cfg, option_by_name("append"));
	return config_set(r->cfg, opt, value, &r->at, r->err);
}

static int take_include(struct reader *r, char *value)
{
	struct include include = { 0 };
	int ret;

	if (r->in_section)
		return option_error(r->err, &r->at, include_key.name,
				    "stands in a section; includes come before the first one");
	ret = take_value(r, &include_key, value);
	if (!ret)
		ret = option_set(&include, &include_key, value, &r->at, r->err);
	if (!ret)
		ret = reading_include(r->file, &r->at, include.file);
	free(include.file);
	return ret;
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

/* A key of the device whose section this is. */
static int take_device_key(struct reader *r, const char *name, char *value)
{
	const struct device_kind *kind = r->device->kind;
	const struct option *key = device_key(kind, name), *other = option_by_name(name);

	if (key)
		return set_key(r, key, value, &r->device_line[key - kind->keys]);
	if (!strcmp(name, "id"))
		return option_error(r->err, &r->at, name, "stands in the section's line: [%s ID]",
				    kind->name);
	if (other && other->section)
		return option_error(r->err, &r->at, name, "is not in section [%s ID]; put it under [%s]",
				    kind->name, other->section);
	return device_unknown_key(kind, name, &r->at, r->err);
}

/* In [test NAME] or [matrix]: a device as its option has it. */
static int take_test_device(struct reader *r, const struct device_kind *kind, char *value)
{
	int ret = option_check_host(kind->name, kind->platforms, &r->at, r->err);

	if (!ret)
		ret = strip_value(r, kind->name, value);
	if (ret > 0)
		ret = option_error(r->err, &r->at, kind->name, "has no value; allowed is what --%s takes%s",
				   kind->name, kind->value_key ? "" : ", or \"on\"");
	return ret ? ret : matrix_add_device(r->cfg, kind, value, &r->at, r->err);
}

/* A key of [test NAME] or [matrix]. */
static int take_test_key(struct reader *r, const char *name, char *value)
{
	const struct device_kind *kind = device_kind_by_name(name);
	const struct option *opt = option_by_name(name);
	unsigned int anywhere = 0; /* matrix_add() looks for keys that come twice */

	if (kind)
		return take_test_device(r, kind, value);
	if (opt && !opt->section && option_is_for_command(opt, COMMAND_SMOKE))
		return option_error(r->err, &r->at, name,
				    "is for all of the VMs together; give it on the command line");
	if (!opt || !opt->section)
		return unknown_key(r, name);
	return set_key(r, opt, value, &anywhere);
}

static int take_key(struct reader *r, char *line)
{
	char *equals = strchr(line, '='), *value;
	const struct option *opt;

	if (!equals)
		return line_error(r, "\"%s\": allowed are [section], key = value, and # comment",
				  quote(line).text);
	*equals = '\0';
	value = skip_blanks(equals + 1);
	trim_end(line);
	if (!strcmp(line, include_key.name))
		return take_include(r, value);
	if (r->device)
		return take_device_key(r, line, value);
	if (r->in_tests)
		return take_test_key(r, line, value);
	opt = option_by_name(line);
	if (!opt || !opt->section)
		return unknown_key(r, line);
	if (!r->section)
		return option_error(r->err, &r->at, opt->name, "stands before any section; put it under [%s]",
				    opt->section);
	if (strcmp(opt->section, r->section))
		return option_error(r->err, &r->at, opt->name, "is not in section [%s]; put it under [%s]",
				    r->section, opt->section);
	return set_key(r, opt, value, &r->first_line[opt - option_table]);
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
	if (*line == '[')
		return take_section(r, line);
	return r->skip ? 0 : take_key(r, line);
}

static int take_lines(struct reader *r, char *text, size_t size)
{
	char *end = text + size;
	int ret = 0;

	while (text < end && !ret) {
		char *newline = memchr(text, '\n', (size_t)(end - text));
		char *stop = newline ? newline : end;

		*stop = '\0';
		r->at.line++;
		ret = take_line(r, text, (size_t)(stop - text));
		if (ret && r->device)
			r->device->flawed = true;
		ret = reading_mistake(r->file, ret);
		text = stop + 1;
	}
	return ret;
}

int config_read_text(struct reading *file, char *text, size_t size)
{
	struct reader r = { .file = file, .cfg = file->cfg, .at.file = file->path, .err = file->err };

	return take_lines(&r, text, size);
}
