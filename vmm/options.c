// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/options.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vmm/devices.h"

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
	if (origin->key)
		name = origin->key;
	if (origin->file && origin->kind)
		return err_user(err, "%s:%u: key \"%s\": key \"%s\" in its value: %s",
				quote_path(origin->file).text, origin->line, origin->kind, name, text);
	if (origin->file && origin->line)
		return err_user(err, "%s:%u: key \"%s\": %s", quote_path(origin->file).text, origin->line,
				name, text);
	if (origin->file)
		return err_user(err, "%s: key \"%s\": %s", quote_path(origin->file).text, name, text);
	if (origin->kind)
		return err_user(err, "--%s: key \"%s\": %s", origin->kind, name, text);
	return err_user(err, "--%s: %s", name, text);
}

const char *platform_first(unsigned int platforms)
{
	return platform_names[__builtin_ctz(platforms)];
}

int option_check_host(const char *name, unsigned int platforms, const struct option_origin *origin,
		      struct err *err)
{
	if (platforms & 1u << host_platform)
		return 0;
	return option_error(err, origin, name, "exists on %s only; this vireo is for %s",
			    platform_first(platforms), platform_names[host_platform]);
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

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * How many letters must be inserted, removed, replaced or swapped with their neighbour to make
 * `a` of `b` ("optimal string alignment" distance). Both are at most OPTION_NAME_MAX long.
 */
static size_t distance(const char *a, const char *b)
{
	size_t d[OPTION_NAME_MAX + 1][OPTION_NAME_MAX + 1];
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

/* The search for what a mistyped name meant. */
struct search {
	char typed[OPTION_NAME_MAX + 1]; /* in small letters; empty: like nothing */
	size_t best_distance;
	const char *best;
};

static struct search search_for(const char *name)
{
	struct search s = { .typed = "" };
	size_t len = strlen(name);

	/* A name that is longer than any option's is like none of them. */
	for (size_t i = 0; len <= OPTION_NAME_MAX && i < len; i++)
		s.typed[i] = (char)tolower((unsigned char)name[i]);
	/* Near is: what begins so, or about one letter in three off. */
	s.best_distance = (len + 2) / 3 + 1;
	return s;
}

static void consider(struct search *s, const char *name)
{
	size_t off;

	if (!*s->typed)
		return;
	off = strncmp(name, s->typed, strlen(s->typed)) ? distance(s->typed, name) : 0;
	if (off < s->best_distance) {
		s->best_distance = off;
		s->best = name;
	}
}

const char *option_nearest(const char *name, enum config_command command)
{
	struct search s = search_for(name);

	for (const struct option *opt = option_table; opt->name; opt++)
		if (option_is_for_host(opt) && option_is_for_command(opt, command))
			consider(&s, opt->name);
	for (const struct device_kind *const *kind = device_kinds; *kind; kind++)
		if ((*kind)->platforms & 1u << host_platform && DEVICE_COMMANDS & 1u << command)
			consider(&s, (*kind)->name);
	return s.best;
}

const char *option_nearest_key(const char *name)
{
	struct search s = search_for(name);

	for (const struct option *opt = option_table; opt->name; opt++)
		if (option_is_for_host(opt) && opt->section)
			consider(&s, opt->name);
	return s.best;
}

const char *option_nearest_of(const char *name, const struct option *keys)
{
	struct search s = search_for(name);

	for (const struct option *opt = keys; opt->name; opt++)
		if (option_is_for_host(opt))
			consider(&s, opt->name);
	return s.best;
}

/* A value that follows in the same argument or is the next one; if there is none, what `opt` allows is told. */
static int take_value(struct option_scan *scan, struct option_word *word, const char *name,
		      const char *joined, const struct option *opt, struct err *err)
{
	char allowed[OPTION_ALLOWED_MAX];

	if (joined) {
		word->value = joined;
		return 1;
	}
	if (scan->next == scan->argc) {
		option_allowed(opt, allowed);
		return err_user(err, "--%s: needs a value: %s", name, allowed);
	}
	word->value = scan->argv[scan->next++];
	return 1;
}

/* --send TEXT after REGEX: three words, of which `word` has the first one. */
static int take_after(struct option_scan *scan, struct option_word *word, struct err *err)
{
	if (scan->next + 1 < scan->argc && !strcmp(scan->argv[scan->next], "after")) {
		word->after = scan->argv[scan->next + 1];
		scan->next += 2;
	} else if (!strstr(word->value, " after ")) {
		return err_user(err,
				"--send \"%s\": needs two words more: --send TEXT after REGEX, such as "
				"--send 'root\\n' after 'login: '",
				quote(word->value).text);
	}
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

/* Is what is called `name` one for this command and this platform? */
static int check_place(const struct option_scan *scan, const char *name, unsigned int commands,
		       unsigned int platforms, struct err *err)
{
	if (!(commands & 1u << scan->command))
		return err_user(err, "--%s: is not an option of \"vireo %s\" but of \"vireo %s\"", name,
				command_names[scan->command], command_names[__builtin_ctz(commands)]);
	return option_check_host(name, platforms, &command_line, err);
}

/* Whether the text is KEY=... with a key of that kind. */
static bool begins_with_key(const struct device_kind *kind, const char *text)
{
	size_t len = strcspn(text, "=");
	char name[OPTION_NAME_MAX + 1] = "";

	if (!text[len] || len >= sizeof(name))
		return false;
	memcpy(name, text, len);
	return device_key(kind, name) || !strcmp(name, "id");
}

/*
 * --KIND: a device. One whose kind has no first value takes what is joined to it, or the next argument if that
 * can be nothing else.
 */
static int device_option(struct option_scan *scan, const struct device_kind *kind, const char *joined,
			 struct option_word *word, struct err *err)
{
	int ret = check_place(scan, kind->name, DEVICE_COMMANDS, kind->platforms, err);

	if (ret)
		return ret;
	word->kind = kind;
	word->value = joined;
	if (!kind->value_key) {
		if (!joined && scan->next < scan->argc && begins_with_key(kind, scan->argv[scan->next]))
			word->value = scan->argv[scan->next++];
		return 1;
	}
	return take_value(scan, word, kind->name, joined, device_key(kind, kind->value_key), err);
}

static int long_option(struct option_scan *scan, const char *arg, struct option_word *word, struct err *err)
{
	const char *equals = strchrnul(arg + 2, '='), *joined = *equals ? equals + 1 : NULL;
	size_t len = (size_t)(equals - arg - 2);
	char name[OPTION_NAME_MAX + 1] = "";
	const struct device_kind *kind;
	int ret;

	if (len < sizeof(name))
		memcpy(name, arg + 2, len);
	kind = device_kind_by_name(name);
	if (kind)
		return device_option(scan, kind, joined, word, err);
	word->option = option_by_name(name);
	if (!word->option)
		return unknown_option(scan, arg, name, err);
	ret = check_place(scan, name, word->option->commands, word->option->platforms, err);
	if (ret)
		return ret;
	if (word->option->type != OPTION_FLAG) {
		ret = take_value(scan, word, name, joined, word->option, err);
		return ret > 0 && word->option->is_send ? take_after(scan, word, err) : ret;
	}
	if (joined)
		return err_user(err, "--%s: takes no value, found \"%s\"", name, quote(joined).text);
	return 1;
}

static int short_option(struct option_scan *scan, const char *arg, struct option_word *word, struct err *err)
{
	const struct option *opt = option_by_letter(arg[1]);
	int ret;

	if (!opt || (opt->type == OPTION_FLAG && arg[2]))
		return unknown_option(scan, arg, arg + 1, err);
	word->option = opt;
	ret = check_place(scan, opt->name, opt->commands, opt->platforms, err);
	if (ret)
		return ret;
	if (opt->type == OPTION_FLAG)
		return 1;
	return take_value(scan, word, opt->name, arg[2] ? arg + 2 : NULL, opt, err);
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
