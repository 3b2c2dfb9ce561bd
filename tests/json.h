/* SPDX-License-Identifier: BSD-2-Clause */
/* Is a text one JSON value (RFC 8259, "JSON Grammar")? For what the program writes. */
#ifndef VIREO_TESTS_JSON_H
#define VIREO_TESTS_JSON_H

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define JSON_DEPTH 32

static inline const char *json_blanks(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

static inline const char *json_string(const char *p)
{
	for (p++; *p != '"'; p++) {
		if ((unsigned char)*p < 0x20)
			return NULL;
		if (*p != '\\')
			continue;
		p++;
		if (*p == 'u') {
			for (int i = 0; i < 4; i++)
				if (!isxdigit((unsigned char)*++p))
					return NULL;
		} else if (!*p || !strchr("\"\\/bfnrt", *p)) {
			return NULL;
		}
	}
	return p + 1;
}

static inline const char *json_digits(const char *p)
{
	size_t n = strspn(p, "0123456789");

	return n ? p + n : NULL;
}

static inline const char *json_number(const char *p)
{
	p += *p == '-';
	if (*p == '0' && isdigit((unsigned char)p[1]))
		return NULL;
	p = json_digits(p);
	if (p && *p == '.')
		p = json_digits(p + 1);
	if (p && (*p == 'e' || *p == 'E')) {
		p++;
		p = json_digits(p + (*p == '+' || *p == '-'));
	}
	return p;
}

static inline const char *json_value(const char *p, int depth);

/* An object or an array, from its bracket on. */
static inline const char *json_members(const char *p, int depth)
{
	bool object = *p == '{';
	char end = object ? '}' : ']';

	p = json_blanks(p + 1);
	if (*p == end)
		return p + 1;
	for (;;) {
		if (object) {
			p = *p == '"' ? json_string(p) : NULL;
			p = p ? json_blanks(p) : NULL;
			if (!p || *p != ':')
				return NULL;
			p = json_blanks(p + 1);
		}
		p = json_value(p, depth + 1);
		if (!p)
			return NULL;
		p = json_blanks(p);
		if (*p == end)
			return p + 1;
		if (*p != ',')
			return NULL;
		p = json_blanks(p + 1);
	}
}

/* The end of the value that begins at `p`, or NULL. */
static inline const char *json_value(const char *p, int depth)
{
	static const char *const words[] = { "true", "false", "null" };

	if (depth > JSON_DEPTH)
		return NULL;
	if (*p == '{' || *p == '[')
		return json_members(p, depth);
	if (*p == '"')
		return json_string(p);
	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strncmp(p, words[i], strlen(words[i])))
			return p + strlen(words[i]);
	return json_number(p);
}

static inline bool json_valid(const char *text)
{
	const char *end = json_value(json_blanks(text), 0);

	return end && !*json_blanks(end);
}

#endif
