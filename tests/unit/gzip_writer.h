/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the gzip decoder share: input from memory, and a writer of gzip files bit by bit. */
#ifndef VIREO_TESTS_GZIP_WRITER_H
#define VIREO_TESTS_GZIP_WRITER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "boot/gzip.h"

/* --- input from memory, in pieces --- */

struct source {
	const uint8_t *data;
	size_t size, at, piece;
	int error; /* to return at the end instead of 0 */
};

static inline long fill(void *opaque, uint8_t *buf, size_t size)
{
	struct source *s = opaque;
	size_t n = s->size - s->at;

	n = n < size ? n : size;
	n = n < s->piece ? n : s->piece;
	if (n == 0)
		return s->error;
	memcpy(buf, s->data + s->at, n);
	s->at += n;
	return (long)n;
}

static inline int unpack_pieces(const uint8_t *data, size_t size, size_t piece, uint8_t *out, size_t capacity,
				struct unpack_result *result)
{
	struct source s = { .data = data, .size = size, .piece = piece };
	struct unpack_input in = { .fill = fill, .opaque = &s };

	return gunzip(&in, out, capacity, result);
}

static inline int unpack(const uint8_t *data, size_t size, uint8_t *out, size_t capacity,
			 struct unpack_result *result)
{
	return unpack_pieces(data, size, SIZE_MAX, out, capacity, result);
}

/* --- output bit by bit --- */

struct writer {
	uint8_t data[4096];
	size_t bits;
};

/* Packs `n` bits, the lowest first (RFC 1951, section 3.1.1 "Packing into bytes"). */
static inline void put(struct writer *w, uint32_t value, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++, w->bits++) {
		assert_true(w->bits / 8 < sizeof(w->data));
		if (value >> i & 1)
			w->data[w->bits / 8] |= (uint8_t)(1 << w->bits % 8);
	}
}

/* Huffman codes are packed with their highest bit first. */
static inline void put_code(struct writer *w, uint32_t code, unsigned int n)
{
	while (n--)
		put(w, code >> n & 1, 1);
}

/* Section 3.2.6: the fixed code of a literal or length symbol. */
static inline void put_fixed(struct writer *w, unsigned int symbol)
{
	if (symbol < 144)
		put_code(w, 0x30 + symbol, 8);
	else if (symbol < 256)
		put_code(w, 0x190 + symbol - 144, 9);
	else if (symbol < 280)
		put_code(w, symbol - 256, 7);
	else
		put_code(w, 0xc0 + symbol - 280, 8);
}

static inline void align(struct writer *w)
{
	w->bits = (w->bits + 7) & ~(size_t)7;
}

static inline void put_bytes(struct writer *w, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++)
		put(w, p[i], 8);
}

static inline void put_header(struct writer *w, uint8_t flags)
{
	const uint8_t header[10] = { 0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 255 };

	put_bytes(w, header, sizeof(header));
}

/* The CRC-32 of RFC 1952 section 8, bit by bit. */
static inline uint32_t reference_crc(const uint8_t *p, size_t n)
{
	uint32_t c = 0xffffffff;

	while (n--) {
		c ^= *p++;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
	}
	return ~c;
}

static inline void put_trailer(struct writer *w, const void *text, size_t len)
{
	align(w);
	put(w, reference_crc(text, len), 32);
	put(w, (uint32_t)len, 32);
}

static inline void put_stored(struct writer *w, const void *text, uint16_t len, bool last)
{
	put(w, last, 1);
	put(w, 0, 2);
	align(w);
	put(w, len, 16);
	put(w, (uint16_t)~len, 16);
	put_bytes(w, text, len);
}

static inline void put_stored_member(struct writer *w, const char *text)
{
	put_header(w, 0);
	put_stored(w, text, (uint16_t)strlen(text), true);
	put_trailer(w, text, strlen(text));
}

static inline void expect_text(const struct writer *w, const char *text)
{
	struct unpack_result result;
	uint8_t out[1024];

	assert_int_equal(unpack(w->data, (w->bits + 7) / 8, out, sizeof(out), &result), 0);
	assert_int_equal(result.size, strlen(text));
	assert_memory_equal(out, text, result.size);
}

static inline void expect_corrupt(const struct writer *w, const char *reason)
{
	struct unpack_result result;
	uint8_t out[1024];

	assert_int_equal(unpack(w->data, (w->bits + 7) / 8, out, sizeof(out), &result), -EBADMSG);
	assert_string_equal(result.reason, reason);
}

#endif
