// SPDX-License-Identifier: BSD-2-Clause
#include "boot/gzip.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct gunzip {
	struct inflate inflate;
	uint32_t crc_table[8][256];
};

/*
 * RFC 1952, section 8 "Appendix: Sample CRC Code", extended to take eight bytes at a time: table k
 * gives what a byte contributes when k more bytes follow it.
 */
static void crc_init(struct gunzip *g)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
		g->crc_table[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++) {
		for (int k = 1; k < 8; k++) {
			uint32_t c = g->crc_table[k - 1][i];

			g->crc_table[k][i] = g->crc_table[0][c & 0xff] ^ c >> 8;
		}
	}
}

static uint32_t crc32(const struct gunzip *g, const uint8_t *p, size_t len)
{
	const uint32_t(*t)[256] = g->crc_table;
	uint32_t c = 0xffffffff;

	for (; len >= 8; len -= 8, p += 8) {
		uint64_t w;

		memcpy(&w, p, sizeof(w));
		w = le64toh(w) ^ c;
		c = t[7][w & 0xff] ^ t[6][w >> 8 & 0xff] ^ t[5][w >> 16 & 0xff] ^ t[4][w >> 24 & 0xff] ^
		    t[3][w >> 32 & 0xff] ^ t[2][w >> 40 & 0xff] ^ t[1][w >> 48 & 0xff] ^ t[0][w >> 56];
	}
	while (len--)
		c = t[0][(c ^ *p++) & 0xff] ^ c >> 8;
	return ~c;
}

/* RFC 1952, section 2.3 "Member format": the flags. */
#define FHCRC     0x02
#define FEXTRA    0x04
#define FNAME     0x08
#define FCOMMENT  0x10
#define FRESERVED 0xe0

static int skip_string(struct inflate *z)
{
	uint32_t byte;
	int ret;

	do {
		ret = inflate_bits(z, 8, &byte);
	} while (!ret && byte);
	return ret;
}

/*
 * What follows the magic number: method, flags, time, extra flags, system and optional fields, which
 * are skipped (section 2.3.1.2 "Compliance" asks no more).
 */
static int gzip_header(struct inflate *z)
{
	uint32_t method_flags, value, flags;
	int ret;

	ret = inflate_bits(z, 16, &method_flags);
	if (!ret)
		ret = inflate_bits(z, 32, &value); /* MTIME */
	if (!ret)
		ret = inflate_bits(z, 16, &value); /* XFL, OS */
	if (ret)
		return ret;
	flags = method_flags >> 8;
	if ((method_flags & 0xff) != 8)
		return inflate_corrupt(z, "an unknown compression method");
	if (flags & FRESERVED)
		return inflate_corrupt(z, "unknown header flags");

	if (flags & FEXTRA) {
		uint32_t len;

		ret = inflate_bits(z, 16, &len);
		while (!ret && len--)
			ret = inflate_bits(z, 8, &value);
	}
	if (!ret && flags & FNAME)
		ret = skip_string(z);
	if (!ret && flags & FCOMMENT)
		ret = skip_string(z);
	if (!ret && flags & FHCRC)
		ret = inflate_bits(z, 16, &value);
	return ret;
}

static int gzip_member(struct gunzip *g)
{
	struct inflate *z = &g->inflate;
	uint32_t crc, isize;
	size_t size;
	int ret;

	ret = gzip_header(z);
	if (!ret)
		ret = inflate_stream(z);
	if (ret)
		return ret;

	inflate_align(z);
	ret = inflate_bits(z, 32, &crc);
	if (!ret)
		ret = inflate_bits(z, 32, &isize);
	if (ret)
		return ret;
	size = z->size - z->start;
	if (isize != (uint32_t)size)
		return inflate_corrupt(z, "the length is not the one it names");
	if (crc != crc32(g, z->out + z->start, size))
		return inflate_corrupt(z, "the CRC-32 does not match");
	return 0;
}

/* Whether a member begins here. At the input's end there is none. */
static int gzip_magic(struct inflate *z, bool *found)
{
	uint32_t magic;
	int ret = inflate_bits(z, 16, &magic);

	*found = !ret && magic == GZIP_MAGIC;
	return ret == -ENODATA ? 0 : ret;
}

static int gzip_file(struct gunzip *g)
{
	bool found;
	int ret = gzip_magic(&g->inflate, &found);

	if (!ret && !found)
		return inflate_corrupt(&g->inflate, "it is no gzip file");
	while (!ret && found) {
		ret = gzip_member(g);
		if (!ret)
			ret = gzip_magic(&g->inflate, &found);
	}
	return ret;
}

int gunzip(const struct unpack_input *in, uint8_t *out, size_t capacity, struct unpack_result *result)
{
	struct gunzip *g = malloc(sizeof(*g));
	int ret;

	*result = (struct unpack_result){ 0 };
	if (!g)
		return -ENOMEM;
	inflate_init(&g->inflate, in, out, capacity);
	crc_init(g);

	ret = gzip_file(g);
	result->size = g->inflate.size;
	if (ret)
		result->reason = g->inflate.reason;
	free(g);
	return ret;
}
