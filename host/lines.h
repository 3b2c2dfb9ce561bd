/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest writes to a console, cut into lines that may be shown, searched and stored anywhere: valid
 * UTF-8 without control characters but the tab.
 *
 * A line ends at a line feed, at a carriage return that no line feed follows (a progress meter), and after
 * LINE_MAX_BYTES, whatever it is made of. Sequences that control a terminal (ECMA-48, "Control sequences" and
 * "Control strings": colours, titles) are left out; every other control character and every byte that is no
 * UTF-8 becomes \xNN.
 */
#ifndef VIREO_HOST_LINES_H
#define VIREO_HOST_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_MAX_BYTES 4096 /* of a line's text as it is handed out */

struct lines {
	/*
	 * A line is over: `text` is `len` bytes and a NUL, and lives until the call returns. `begun` is the
	 * time at which its first byte came. `cut`: it goes on in the next one, for it was too long.
	 */
	void (*line)(void *ctx, const char *text, size_t len, uint64_t begun, bool cut);
	void *ctx;

	/* What is there of the next line; may be read between calls. */
	char text[LINE_MAX_BYTES + 1];
	size_t len;
	uint64_t begun; /* of the first byte, where there is one */

	enum lines_state {
		LINES_TEXT,
		LINES_ESCAPE, /* behind ESC */
		LINES_INTERMEDIATE,
		LINES_CONTROL, /* behind ESC [ */
		LINES_STRING,  /* behind ESC ] and the like */
		LINES_STRING_ESCAPE,
	} state;
	bool is_begun, is_returned;       /* something came; the last byte was a carriage return */
	unsigned int sequence;            /* bytes of the control sequence or string, which ends some time */
	uint8_t utf8[4];                  /* a character that is not complete */
	unsigned int utf8_len, utf8_want; /* bytes that are there, and that it has */
};

void lines_init(struct lines *l,
		void (*line)(void *ctx, const char *text, size_t len, uint64_t begun, bool cut), void *ctx);

/* `now`: the time these bytes came at, in whatever unit `begun` is wanted in. */
void lines_put(struct lines *l, const uint8_t *bytes, size_t len, uint64_t now);

/* Nothing more will come: what there is of a last line is handed out. */
void lines_end(struct lines *l);

/* How many bytes of a line's text may be kept, `most` at most, without cutting a character. */
size_t lines_cut(const char *text, size_t most);

#endif
