// SPDX-License-Identifier: BSD-2-Clause
/* The values of options: text to field and back. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/options.h"

static const struct {
	char letter;
	unsigned int shift;
} units[] = { { 'T', 40 }, { 'G', 30 }, { 'M', 20 }, { 'K', 10 } };

#define NR_UNITS (sizeof(units) / sizeof(units[0]))

static void *field(struct vm_config *cfg, size_t offset)
{
	return (char *)cfg + offset;
}

static const void *const_field(const struct vm_config *cfg, size_t offset)
{
	return (const char *)cfg + offset;
}

const char *option_text(const struct vm_config *cfg, const struct option *opt)
{
	return *(char *const *)const_field(cfg, opt->offset);
}

bool option_has_value(const struct vm_config *cfg, const struct option *opt)
{
	if (opt->type == OPTION_TEXT || opt->type == OPTION_FILE)
		return option_text(cfg, opt);
	return !opt->given || *(const bool *)const_field(cfg, opt->given);
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

static int refused(const struct option *opt, const char *value, const struct option_origin *origin,
		   struct err *err)
{
	char allowed[OPTION_ALLOWED_MAX];

	option_allowed(opt, allowed);
	return option_error(err, origin, opt->name, "\"%s\" is not allowed; allowed is %s", quote(value).text,
			    allowed);
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
	const char *slash = origin->file && *path != '/' ? strrchr(origin->file, '/') : NULL;

	return slash ? (size_t)(slash + 1 - origin->file) : 0;
}

static int set_string(struct vm_config *cfg, const struct option *opt, const char *value,
		      const struct option_origin *origin, struct err *err)
{
	size_t directory = opt->type == OPTION_FILE ? directory_length(value, origin) : 0;
	char **string = field(cfg, opt->offset), *whole;

	if (asprintf(&whole, "%.*s%s", (int)directory, directory ? origin->file : "", value) < 0)
		return err_host(err, ENOMEM, "--%s", opt->name);
	if (!option_string_ok(whole) || (opt->type == OPTION_FILE && !*value)) {
		free(whole);
		return refused(opt, value, origin, err);
	}
	free(*string);
	*string = whole;
	return 0;
}

static int set_choice(struct vm_config *cfg, const struct option *opt, const char *value,
		      const struct option_origin *origin, struct err *err)
{
	const struct option_choice *choice = opt->choices;
	char allowed[OPTION_ALLOWED_MAX];

	while (choice->name && strcmp(choice->name, value))
		choice++;
	if (!choice->name)
		return refused(opt, value, origin, err);
	if (!(choice->platforms & 1u << host_platform)) {
		option_allowed(opt, allowed);
		return option_error(err, origin, opt->name, "\"%s\" does not exist on %s; allowed here is %s",
				    value, platform_names[host_platform], allowed);
	}
	*(unsigned int *)field(cfg, opt->offset) = choice->value;
	return 0;
}

static int set_number(struct vm_config *cfg, const struct option *opt, const char *value,
		      const struct option_origin *origin, struct err *err)
{
	uint64_t number;

	if (!read_ranged(opt, value, &number))
		return refused(opt, value, origin, err);
	if (opt->type == OPTION_NUMBER)
		*(uint32_t *)field(cfg, opt->offset) = (uint32_t)number;
	else
		*(uint64_t *)field(cfg, opt->offset) = number;
	if (opt->given)
		*(bool *)field(cfg, opt->given) = true;
	return 0;
}

static int set_flag(struct vm_config *cfg, const struct option *opt, const char *value,
		    const struct option_origin *origin, struct err *err)
{
	if (value && strcmp(value, "on") && strcmp(value, "off"))
		return refused(opt, value, origin, err);
	*(bool *)field(cfg, opt->offset) = !value || !strcmp(value, "on");
	return 0;
}

int option_set(struct vm_config *cfg, const struct option *opt, const char *value,
	       const struct option_origin *origin, struct err *err)
{
	switch (opt->type) {
	case OPTION_FLAG:
		return set_flag(cfg, opt, value, origin, err);
	case OPTION_TEXT:
	case OPTION_FILE:
		return set_string(cfg, opt, value, origin, err);
	case OPTION_CHOICE:
		return set_choice(cfg, opt, value, origin, err);
	case OPTION_NUMBER:
	case OPTION_SIZE:
	case OPTION_ADDRESS:
		break;
	}
	return set_number(cfg, opt, value, origin, err);
}

/* --- writing --- */

static void format_size(uint64_t bytes, char text[OPTION_VALUE_MAX])
{
	for (size_t i = 0; i < NR_UNITS; i++) {
		if (bytes % (1ULL << units[i].shift) == 0 || i == NR_UNITS - 1) {
			snprintf(text, OPTION_VALUE_MAX, "%" PRIu64 "%c", bytes >> units[i].shift,
				 units[i].letter);
			return;
		}
	}
}

void option_format(const struct vm_config *cfg, const struct option *opt, char text[OPTION_VALUE_MAX])
{
	const void *value = const_field(cfg, opt->offset);

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
	case OPTION_FILE:
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
	case OPTION_FILE:
		snprintf(text, OPTION_ALLOWED_MAX,
			 "the name of a file, at most %d bytes without control characters",
			 OPTION_STRING_MAX);
		break;
	case OPTION_FLAG:
		snprintf(text, OPTION_ALLOWED_MAX, opt->section ? "on, off" : "no value");
		break;
	}
}
