// SPDX-License-Identifier: BSD-2-Clause
#include "host/lines.h"

#include <stdio.h>
#include <string.h>

#define ESC          0x1b
#define BEL          0x07
#define DEL          0x7f
#define SEQUENCE_MAX 256 /* bytes; what is longer is no sequence that anyone means */

void lines_init(struct lines *l,
		void (*line)(void *ctx, const char *text, size_t len, uint64_t begun, bool cut), void *ctx)
{
	memset(l, 0, sizeof(*l));
	l->line = line;
	l->ctx = ctx;
}

static void hand_out(struct lines *l, bool cut)
{
	l->text[l->len] = '\0';
	l->line(l->ctx, l->text, l->len, l->begun, cut);
	l->len = 0;
	l->is_begun = cut;
}

static void add(struct lines *l, const char *bytes, size_t len, uint64_t now)
{
	if (l->len + len > LINE_MAX_BYTES) {
		hand_out(l, true);
		l->begun = now;
	}
	memcpy(l->text + l->len, bytes, len);
	l->len += len;
}

static void add_escaped(struct lines *l, uint8_t byte, uint64_t now)
{
	char text[8];

	add(l, text, (size_t)snprintf(text, sizeof(text), "\\x%02x", byte), now);
}

/* What looked like the beginning of a character was none. */
static void drop_utf8(struct lines *l, uint64_t now)
{
	unsigned int len = l->utf8_len;

	l->utf8_len = l->utf8_want = 0;
	for (unsigned int i = 0; i < len; i++)
		add_escaped(l, l->utf8[i], now);
}

/* Bytes of a character that begins so; 0: none does (Unicode, "Well-Formed UTF-8 Byte Sequences"). */
static unsigned int utf8_length(uint8_t first)
{
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	if (first >= 0xf0 && first <= 0xf4)
		return 4;
	return 0;
}

/* May this byte stand behind what there is of a character? */
static bool utf8_goes_on(const struct lines *l, uint8_t byte)
{
	if (l->utf8_len == 1) {
		switch (l->utf8[0]) {
		case 0xe0:
			return byte >= 0xa0 && byte <= 0xbf;
		case 0xed:
			return byte >= 0x80 && byte <= 0x9f; /* no surrogates */
		case 0xf0:
			return byte >= 0x90 && byte <= 0xbf;
		case 0xf4:
			return byte >= 0x80 && byte <= 0x8f;
		}
	}
	return byte >= 0x80 && byte <= 0xbf;
}

/* Control characters U+0080 to U+009F, and the two of each plane that are no characters, which XML refuses. */
static bool is_unfit(const struct lines *l)
{
	if (l->utf8_len == 2)
		return l->utf8[0] == 0xc2 && l->utf8[1] < 0xa0;
	return l->utf8_len == 3 && l->utf8[0] == 0xef && l->utf8[1] == 0xbf && l->utf8[2] >= 0xbe;
}

static void take_utf8(struct lines *l, uint8_t byte, uint64_t now)
{
	l->utf8[l->utf8_len++] = byte;
	if (l->utf8_len < l->utf8_want)
		return;
	if (is_unfit(l)) {
		drop_utf8(l, now);
		return;
	}
	add(l, (const char *)l->utf8, l->utf8_len, now);
	l->utf8_len = l->utf8_want = 0;
}

static void take_plain(struct lines *l, uint8_t byte, uint64_t now)
{
	if (l->utf8_len && utf8_goes_on(l, byte)) {
		take_utf8(l, byte, now);
		return;
	}
	drop_utf8(l, now);
	if (byte == ESC) {
		l->state = LINES_ESCAPE;
		l->sequence = 0;
	} else if (byte < 0x80 && ((byte >= 0x20 && byte != DEL) || byte == '\t')) {
		add(l, (const char *)&byte, 1, now);
	} else if (utf8_length(byte)) {
		l->utf8_want = utf8_length(byte);
		take_utf8(l, byte, now);
	} else {
		add_escaped(l, byte, now);
	}
}

static void after_escape(struct lines *l, uint8_t byte)
{
	if (byte == '[')
		l->state = LINES_CONTROL;
	else if (byte == ']' || byte == 'P' || byte == 'X' || byte == '^' || byte == '_')
		l->state = LINES_STRING;
	else if (byte >= 0x20 && byte <= 0x2f)
		l->state = LINES_INTERMEDIATE;
	else
		l->state = LINES_TEXT; /* ESC and one more byte */
}

/* Inside of what controls a terminal: whether `byte` belongs to it. */
static bool in_sequence(struct lines *l, uint8_t byte)
{
	bool is_string = l->state == LINES_STRING || l->state == LINES_STRING_ESCAPE;

	/* A control character ends any but a string; so does the length that none has. */
	if (++l->sequence > SEQUENCE_MAX || (byte < 0x20 && byte != ESC && !(is_string && byte == BEL))) {
		l->state = LINES_TEXT;
		return false;
	}
	switch (l->state) {
	case LINES_ESCAPE:
		after_escape(l, byte);
		break;
	case LINES_INTERMEDIATE:
		if (byte >= 0x30)
			l->state = LINES_TEXT;
		break;
	case LINES_CONTROL:
		if (byte >= 0x40)
			l->state = LINES_TEXT;
		break;
	case LINES_STRING:
		if (byte == BEL)
			l->state = LINES_TEXT;
		else if (byte == ESC)
			l->state = LINES_STRING_ESCAPE;
		break;
	case LINES_STRING_ESCAPE:
		l->state = byte == '\\' ? LINES_TEXT : LINES_STRING;
		break;
	case LINES_TEXT:
		break;
	}
	return true;
}

static void take(struct lines *l, uint8_t byte, uint64_t now)
{
	bool returned = l->is_returned;

	if (l->state != LINES_TEXT && in_sequence(l, byte))
		return;
	l->is_returned = byte == '\r';
	if (byte == '\r')
		return;
	if (byte == '\n') {
		drop_utf8(l, now);
		if (!l->is_begun)
			l->begun = now;
		hand_out(l, false);
		return;
	}
	if (returned && (l->len || l->utf8_len)) {
		drop_utf8(l, now);
		hand_out(l, false);
	}
	if (!l->is_begun) {
		l->is_begun = true;
		l->begun = now;
	}
	take_plain(l, byte, now);
}

void lines_put(struct lines *l, const uint8_t *bytes, size_t len, uint64_t now)
{
	for (size_t i = 0; i < len; i++)
		take(l, bytes[i], now);
	l->text[l->len] = '\0';
}

void lines_end(struct lines *l)
{
	drop_utf8(l, l->begun);
	if (l->len)
		hand_out(l, false);
	l->is_begun = l->is_returned = false;
	l->state = LINES_TEXT;
}

size_t lines_cut(const char *text, size_t most)
{
	size_t len = strnlen(text, most + 1);

	if (len <= most)
		return len;
	while (most && ((uint8_t)text[most] & 0xc0) == 0x80)
		most--;
	return most;
}
