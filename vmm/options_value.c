// SPDX-License-Identifier: BSD-2-Clause
/* The values of options: text to field and back. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/unix_listen.h"
#include "vmm/options.h"

static const struct {
	char letter;
	unsigned int shift;
} units[] = { { 'T', 40 }, { 'G', 30 }, { 'M', 20 }, { 'K', 10 } };

#define NR_UNITS (sizeof(units) / sizeof(units[0]))

static void *field(void *base, size_t offset)
{
	return (char *)base + offset;
}

static const void *const_field(const void *base, size_t offset)
{
	return (const char *)base + offset;
}

bool option_is_string(const struct option *opt)
{
	return opt->type == OPTION_TEXT || opt->type == OPTION_FILE || opt->type == OPTION_PLACE;
}

static const char *const place_files[] = { "socket=", "file=" };

static bool is_word(const struct option *opt, const char *value)
{
	return opt->word && !strcmp(opt->word, value);
}

const char *option_path(const struct option *opt, const char *value)
{
	if (opt->type == OPTION_FILE && !is_word(opt, value))
		return value;
	for (size_t i = 0; opt->type == OPTION_PLACE && i < sizeof(place_files) / sizeof(place_files[0]); i++)
		if (!strncmp(value, place_files[i], strlen(place_files[i])))
			return value + strlen(place_files[i]);
	return value + strlen(value);
}

const char *option_text(const void *base, const struct option *opt)
{
	return *(char *const *)const_field(base, opt->offset);
}

const struct text_list *option_list(const void *base, const struct option *opt)
{
	return const_field(base, opt->offset);
}

bool option_has_value(const void *base, const struct option *opt)
{
	if (option_is_string(opt))
		return option_text(base, opt);
	if (opt->type == OPTION_LIST)
		return option_list(base, opt)->count;
	return !opt->given || *(const bool *)const_field(base, opt->given);
}

/* --- reading --- */

static int digit(char c, unsigned int base)
{
	const char *digits = "0123456789abcdef", *at;

	if (c >= 'A' && c <= 'F')
		c += 'a' - 'A';
	at = c ? strchr(digits, c) : NULL;
	return at && at < digits + base ? (int)(at - digits) : -1;
}

/* Digits and nothing else before them; `end` is set after the last one. False: none, or too many. */
static bool read_digits(const char *text, unsigned int base, uint64_t *value, const char **end)
{
	*value = 0;
	if (digit(*text, base) < 0)
		return false;
	for (; digit(*text, base) >= 0; text++)
		if (__builtin_mul_overflow(*value, base, value) ||
		    __builtin_add_overflow(*value, (uint64_t)digit(*text, base), value))
			return false;
	*end = text;
	return true;
}

static bool read_number(const char *text, uint64_t *value)
{
	const char *end;

	return read_digits(text, 10, value, &end) && !*end;
}

static bool read_address(const char *text, uint64_t *value)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *end;

	return read_digits(text + (hex ? 2 : 0), hex ? 16 : 10, value, &end) && !*end;
}

static bool read_size(const char *text, uint64_t *value)
{
	unsigned int shift = 20; /* a number alone is in MiB, as with other VMMs */
	const char *end;

	if (!read_digits(text, 10, value, &end))
		return false;
	for (size_t i = 0; *end && i < NR_UNITS; i++) {
		if ((*end & ~0x20) == units[i].letter) {
			shift = units[i].shift;
			end++;
			break;
		}
	}
	return !*end && !__builtin_mul_overflow(*value, 1ULL << shift, value);
}

/* One number of whatever kind, in the option's range. */
static bool read_ranged(const struct option *opt, const char *text, uint64_t *value)
{
	bool ok = opt->type == OPTION_SIZE      ? read_size(text, value)
		  : opt->type == OPTION_ADDRESS ? read_address(text, value)
						: read_number(text, value);

	return ok && *value >= opt->min && *value <= opt->max[host_platform] && !(*value % opt->step);
}

/* `why` may be empty. */
static int refused(const struct option *opt, const char *value, const char *why,
		   const struct option_origin *origin, struct err *err)
{
	char allowed[OPTION_ALLOWED_MAX];

	option_allowed(opt, allowed);
	return option_error(err, origin, opt->name, "\"%s\" is not allowed%s%s; allowed is %s",
			    quote(value).text, *why ? ": " : "", why, allowed);
}

bool option_string_ok(const char *text)
{
	const char *c;

	for (c = text; *c; c++)
		if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
			return false;
	return c - text <= OPTION_STRING_MAX;
}

/* In a definition file, a relative path starts from the directory the file is in. */
static size_t directory_length(const char *path, const struct option_origin *origin)
{
	const char *slash = origin->file && *path && *path != '/' ? strrchr(origin->file, '/') : NULL;

	return slash ? (size_t)(slash + 1 - origin->file) : 0;
}

/* A path may not be empty, and a place is one of its words or has a path. */
static bool string_is_complete(const struct option *opt, const char *value, const char *path)
{
	if (opt->type == OPTION_PLACE)
		return *path || !strcmp(value, "pty") || !strcmp(value, "null");
	return opt->type != OPTION_FILE || *path || is_word(opt, value);
}

/* How many bytes a path may have because it is a socket's; SIZE_MAX: it is none's. */
static size_t socket_length(const struct option *opt, const char *value)
{
	if (opt->type == OPTION_PLACE && !strncmp(value, "socket=", 7))
		return UNIX_PATH_MAX_LENGTH;
	return opt->socket && !is_word(opt, value) ? opt->socket : SIZE_MAX;
}

static int set_string(void *base, const struct option *opt, const char *value,
		      const struct option_origin *origin, struct err *err)
{
	const char *path = option_path(opt, value);
	size_t directory = directory_length(path, origin), most = socket_length(opt, value);
	char **string = field(base, opt->offset), *whole, why[OPTION_ALLOWED_MAX] = "";

	if (asprintf(&whole, "%.*s%.*s%s", (int)(path - value), value, (int)directory,
		     directory ? origin->file : "", path) < 0)
		return err_host(err, ENOMEM, "--%s", opt->name);
	if (!option_string_ok(whole) || !string_is_complete(opt, value, path) ||
	    (opt->is_ok && !opt->is_ok(whole, why))) {
		free(whole);
		return refused(opt, value, why, origin, err);
	}
	path = option_path(opt, whole);
	if (strlen(path) > most) {
		option_error(err, origin, opt->name,
			     "\"%s\" is too long; allowed is a path of at most %zu bytes",
			     quote_path(path).text, most);
		free(whole);
		return -EINVAL;
	}
	free(*string);
	*string = whole;
	return 0;
}

static int add_to_list(void *base, const struct option *opt, const char *value,
		       const struct option_origin *origin, struct err *err)
{
	struct text_list *list = field(base, opt->offset);
	char why[OPTION_ALLOWED_MAX] = "";

	if ((!opt->any_text && (!*value || !option_string_ok(value))) ||
	    (opt->is_ok && !opt->is_ok(value, why)))
		return refused(opt, value, why, origin, err);
	return text_list_add(list, value) ? 0 : err_host(err, ENOMEM, "--%s", opt->name);
}

static int set_choice(void *base, const struct option *opt, const char *value,
		      const struct option_origin *origin, struct err *err)
{
	const struct option_choice *choice = opt->choices;
	char allowed[OPTION_ALLOWED_MAX];

	while (choice->name && strcmp(choice->name, value))
		choice++;
	if (!choice->name)
		return refused(opt, value, "", origin, err);
	if (!(choice->platforms & 1u << host_platform)) {
		option_allowed(opt, allowed);
		return option_error(err, origin, opt->name, "\"%s\" does not exist on %s; allowed here is %s",
				    value, platform_names[host_platform], allowed);
	}
	*(unsigned int *)field(base, opt->offset) = choice->value;
	return 0;
}

static int set_number(void *base, const struct option *opt, const char *value,
		      const struct option_origin *origin, struct err *err)
{
	uint64_t number;

	if (!read_ranged(opt, value, &number))
		return refused(opt, value, "", origin, err);
	if (opt->type == OPTION_NUMBER)
		*(uint32_t *)field(base, opt->offset) = (uint32_t)number;
	else
		*(uint64_t *)field(base, opt->offset) = number;
	return 0;
}

static int set_flag(void *base, const struct option *opt, const char *value,
		    const struct option_origin *origin, struct err *err)
{
	if (value && strcmp(value, "on") && strcmp(value, "off"))
		return refused(opt, value, "", origin, err);
	*(bool *)field(base, opt->offset) = !value || !strcmp(value, "on");
	return 0;
}

static int set(void *base, const struct option *opt, const char *value, const struct option_origin *origin,
	       struct err *err)
{
	switch (opt->type) {
	case OPTION_FLAG:
		return set_flag(base, opt, value, origin, err);
	case OPTION_TEXT:
	case OPTION_FILE:
	case OPTION_PLACE:
		return set_string(base, opt, value, origin, err);
	case OPTION_LIST:
		return add_to_list(base, opt, value, origin, err);
	case OPTION_CHOICE:
		return set_choice(base, opt, value, origin, err);
	case OPTION_NUMBER:
	case OPTION_SIZE:
	case OPTION_ADDRESS:
		break;
	}
	return set_number(base, opt, value, origin, err);
}

int option_set(void *base, const struct option *opt, const char *value, const struct option_origin *origin,
	       struct err *err)
{
	int ret = set(base, opt, value, origin, err);

	if (!ret && opt->given)
		*(bool *)field(base, opt->given) = true;
	return ret;
}

void option_free_texts(void *base, const struct option *keys)
{
	for (const struct option *opt = keys; opt->name; opt++) {
		if (opt->type == OPTION_LIST)
			text_list_clear(field(base, opt->offset));
		if (option_is_string(opt)) {
			free(*(char **)field(base, opt->offset));
			*(char **)field(base, opt->offset) = NULL;
		}
	}
}

int option_copy_texts(void *base, const struct option *keys)
{
	int ret = 0;

	for (const struct option *opt = keys; opt->name; opt++) {
		if (opt->type == OPTION_LIST && text_list_copy(field(base, opt->offset)) < 0)
			ret = -ENOMEM;
		if (option_is_string(opt)) {
			char **text = field(base, opt->offset);
			bool has_one = *text;

			*text = has_one ? strdup(*text) : NULL;
			ret = has_one && !*text ? -ENOMEM : ret;
		}
	}
	return ret;
}

/* --- writing --- */

static void format_size(uint64_t bytes, char text[OPTION_VALUE_MAX])
{
	if (!bytes)
		snprintf(text, OPTION_VALUE_MAX, "0");
	for (size_t i = 0; bytes && i < NR_UNITS; i++) {
		if (bytes % (1ULL << units[i].shift) == 0 || i == NR_UNITS - 1) {
			snprintf(text, OPTION_VALUE_MAX, "%" PRIu64 "%c", bytes >> units[i].shift,
				 units[i].letter);
			return;
		}
	}
}

void option_format(const void *base, const struct option *opt, char text[OPTION_VALUE_MAX])
{
	const void *value = const_field(base, opt->offset);

	text[0] = '\0';
	switch (opt->type) {
	case OPTION_NUMBER:
		snprintf(text, OPTION_VALUE_MAX, "%" PRIu32, *(const uint32_t *)value);
		break;
	case OPTION_SIZE:
		format_size(*(const uint64_t *)value, text);
		break;
	case OPTION_ADDRESS:
		snprintf(text, OPTION_VALUE_MAX, "0x%" PRIx64, *(const uint64_t *)value);
		break;
	case OPTION_CHOICE:
		for (const struct option_choice *c = opt->choices; c->name; c++)
			if (c->value == *(const unsigned int *)value)
				snprintf(text, OPTION_VALUE_MAX, "%s", c->name);
		break;
	case OPTION_FLAG:
		snprintf(text, OPTION_VALUE_MAX, "%s", *(const bool *)value ? "on" : "off");
		break;
	case OPTION_TEXT:
	case OPTION_LIST:
	case OPTION_FILE:
	case OPTION_PLACE:
		break;
	}
}

static void list_choices(const struct option *opt, char text[OPTION_ALLOWED_MAX])
{
	size_t len = 0;

	text[0] = '\0';
	for (const struct option_choice *c = opt->choices; c->name; c++)
		if (c->platforms & 1u << host_platform)
			len += (size_t)snprintf(text + len, OPTION_ALLOWED_MAX - len, "%s%s", len ? ", " : "",
						c->name);
}

void option_allowed(const struct option *opt, char text[OPTION_ALLOWED_MAX])
{
	char min[OPTION_VALUE_MAX], max[OPTION_VALUE_MAX], step[OPTION_VALUE_MAX];
	uint64_t most = opt->max[host_platform];

	if (opt->allowed) {
		snprintf(text, OPTION_ALLOWED_MAX, "%s", opt->allowed);
		return;
	}
	switch (opt->type) {
	case OPTION_NUMBER:
		if (opt->step > 1)
			snprintf(text, OPTION_ALLOWED_MAX,
				 "a whole number from %" PRIu64 " to %" PRIu64 ", a multiple of %" PRIu64,
				 opt->min, most, opt->step);
		else
			snprintf(text, OPTION_ALLOWED_MAX, "a whole number from %" PRIu64 " to %" PRIu64,
				 opt->min, most);
		break;
	case OPTION_SIZE:
		format_size(opt->min, min);
		format_size(most, max);
		format_size(opt->step, step);
		snprintf(
			text, OPTION_ALLOWED_MAX,
			"a size such as 256M or 2G, from %s to %s, a multiple of %s (a number alone is in MiB)",
			min, max, step);
		break;
	case OPTION_ADDRESS:
		if (most <= UINT16_MAX)
			snprintf(text, OPTION_ALLOWED_MAX, "a port such as 0xf4, from 0 to 0x%" PRIx64, most);
		else
			snprintf(text, OPTION_ALLOWED_MAX,
				 "an address such as 0x3fff0000, from 0 to 0x%" PRIx64
				 ", a multiple of 0x%" PRIx64,
				 most, opt->step);
		break;
	case OPTION_CHOICE:
		list_choices(opt, text);
		break;
	case OPTION_TEXT:
		snprintf(text, OPTION_ALLOWED_MAX, "a text of at most %d bytes without control characters",
			 OPTION_STRING_MAX);
		break;
	case OPTION_LIST:
		snprintf(text, OPTION_ALLOWED_MAX, "a text of 1 to %d bytes without control characters",
			 OPTION_STRING_MAX);
		break;
	case OPTION_FILE:
		snprintf(text, OPTION_ALLOWED_MAX,
			 "the name of a file, at most %d bytes without control characters",
			 OPTION_STRING_MAX);
		break;
	case OPTION_PLACE:
		snprintf(
			text, OPTION_ALLOWED_MAX,
			"pty, socket=PATH, file=PATH, null (--console says what is on standard input and output)");
		break;
	case OPTION_FLAG:
		snprintf(text, OPTION_ALLOWED_MAX, "on, off");
		break;
	}
}
