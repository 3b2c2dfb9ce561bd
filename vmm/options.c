// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/options.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct option_origin command_line = { .file = NULL };

static struct quoted cut(const char *text, size_t most)
{
	struct quoted q;
	size_t i;

	for (i = 0; text[i] && i < most; i++)
		q.text[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
	snprintf(q.text + i, sizeof(q.text) - i, "%s", text[i] ? "..." : "");
	return q;
}

struct quoted quote(const char *text)
{
	return cut(text, 120);
}

struct quoted quote_path(const char *path)
{
	return cut(path, 300);
}

int option_error(struct err *err, const struct option_origin *origin, const char *name, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (origin->file)
		return err_user(err, "%s:%u: key \"%s\": %s", quote_path(origin->file).text, origin->line,
				name, text);
	return err_user(err, "--%s: %s", name, text);
}

int option_check_host(const struct option *opt, const struct option_origin *origin, struct err *err)
{
	unsigned int other = 0;

	if (option_is_for_host(opt))
		return 0;
	while (!(opt->platforms & 1u << other))
		other++;
	return option_error(err, origin, opt->name, "exists on %s only; this vireo is for %s",
			    platform_names[other], platform_names[host_platform]);
}

const struct option *option_by_name(const char *name)
{
	for (const struct option *opt = option_table; opt->name; opt++)
		if (!strcmp(opt->name, name))
			return opt;
	return NULL;
}

const struct option *option_by_letter(char letter)
{
	for (const struct option *opt = option_table; opt->name; opt++)
		if (opt->letter && opt->letter == letter)
			return opt;
	return NULL;
}

bool option_is_for_command(const struct option *opt, enum config_command command)
{
	return opt->commands & 1u << command;
}

bool option_is_for_host(const struct option *opt)
{
	return opt->platforms & 1u << host_platform;
}

/* No option is longer; what the user typed may be, and is then like none of them. */
#define NAME_MAX_LENGTH 24

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * How many letters must be inserted, removed, replaced or swapped with their neighbour to make
 * `a` of `b` ("optimal string alignment" distance). Both are at most NAME_MAX_LENGTH long.
 */
static size_t distance(const char *a, const char *b)
{
	size_t d[NAME_MAX_LENGTH + 1][NAME_MAX_LENGTH + 1];
	size_t la = strlen(a), lb = strlen(b);

	for (size_t i = 0; i <= la; i++)
		d[i][0] = i;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = j;
	for (size_t i = 1; i <= la; i++) {
		for (size_t j = 1; j <= lb; j++) {
			size_t replaced = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			d[i][j] = least(replaced, least(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = least(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[la][lb];
}

static const char *nearest(const char *name, bool keys, enum config_command command)
{
	char typed[NAME_MAX_LENGTH + 1];
	size_t len = strlen(name), best_distance;
	const char *best = NULL;

	if (!len || len > NAME_MAX_LENGTH)
		return NULL;
	for (size_t i = 0; i <= len; i++)
		typed[i] = (char)tolower((unsigned char)name[i]);

	/* Near is: what begins so, or about one letter in three off. */
	best_distance = (len + 2) / 3 + 1;
	for (const struct option *opt = option_table; opt->name; opt++) {
		size_t off;

		if (!option_is_for_host(opt) ||
		    !(keys ? !!opt->section : option_is_for_command(opt, command)))
			continue;
		off = strncmp(opt->name, typed, len) ? distance(typed, opt->name) : 0;
		if (off < best_distance) {
			best_distance = off;
			best = opt->name;
		}
	}
	return best;
}

const char *option_nearest(const char *name, enum config_command command)
{
	return nearest(name, false, command);
}

const char *option_nearest_key(const char *name)
{
	return nearest(name, true, COMMAND_RUN);
}

/* A value that follows in the same argument or is the next one. */
static int take_value(struct option_scan *scan, struct option_word *word, const char *joined, struct err *err)
{
	char allowed[OPTION_ALLOWED_MAX];

	if (joined) {
		word->value = joined;
		return 1;
	}
	if (scan->next == scan->argc) {
		option_allowed(word->option, allowed);
		return err_user(err, "--%s: needs a value: %s", word->option->name, allowed);
	}
	word->value = scan->argv[scan->next++];
	return 1;
}

static int unknown_option(const struct option_scan *scan, const char *typed, const char *name,
			  struct err *err)
{
	const char *near = name ? option_nearest(name, scan->command) : NULL;
	const char *command = command_names[scan->command];

	if (near)
		return err_user(err, "unknown option \"%s\"; did you mean --%s?", quote(typed).text, near);
	return err_user(err, "unknown option \"%s\"; \"vireo help %s\" lists them all", quote(typed).text,
			command);
}

/* Is the option, however it was spelled, one for this command and this platform? */
static int check_place(const struct option_scan *scan, const struct option *opt, struct err *err)
{
	if (!option_is_for_command(opt, scan->command)) {
		unsigned int other = 0;

		while (!option_is_for_command(opt, (enum config_command)other))
			other++;
		return err_user(err, "--%s: is not an option of \"vireo %s\" but of \"vireo %s\"", opt->name,
				command_names[scan->command], command_names[other]);
	}
	return option_check_host(opt, &command_line, err);
}

static int long_option(struct option_scan *scan, const char *arg, struct option_word *word, struct err *err)
{
	const char *equals = strchrnul(arg + 2, '=');
	size_t len = (size_t)(equals - arg - 2);
	char name[NAME_MAX_LENGTH + 1] = "";
	int ret;

	if (len < sizeof(name))
		memcpy(name, arg + 2, len);
	word->option = option_by_name(name);
	if (!word->option)
		return unknown_option(scan, arg, name, err);
	ret = check_place(scan, word->option, err);
	if (ret)
		return ret;
	if (word->option->type != OPTION_FLAG)
		return take_value(scan, word, *equals ? equals + 1 : NULL, err);
	if (*equals)
		return err_user(err, "--%s: takes no value, found \"%s\"", name, quote(equals + 1).text);
	return 1;
}

static int short_option(struct option_scan *scan, const char *arg, struct option_word *word, struct err *err)
{
	int ret;

	word->option = option_by_letter(arg[1]);
	if (!word->option || (word->option->type == OPTION_FLAG && arg[2]))
		return unknown_option(scan, arg, arg + 1, err);
	ret = check_place(scan, word->option, err);
	if (ret)
		return ret;
	if (word->option->type == OPTION_FLAG)
		return 1;
	return take_value(scan, word, arg[2] ? arg + 2 : NULL, err);
}

int option_next(struct option_scan *scan, struct option_word *word, struct err *err)
{
	const char *arg;

	*word = (struct option_word){ 0 };
	if (scan->next == scan->argc)
		return 0;
	arg = scan->argv[scan->next++];
	if (!scan->options_over && !strcmp(arg, "--")) {
		scan->options_over = true;
		return option_next(scan, word, err);
	}
	if (scan->options_over || arg[0] != '-' || !arg[1]) {
		word->value = arg;
		return 1;
	}
	if (arg[1] == '-')
		return long_option(scan, arg, word, err);
	return short_option(scan, arg, word, err);
}
