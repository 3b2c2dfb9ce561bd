// SPDX-License-Identifier: BSD-2-Clause
#include "boot/inflate.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define MAX_LITLEN_CODES INFLATE_MAX_SYMBOLS /* of which 286 and 287 never occur in valid data */
#define MAX_DIST_CODES   32                  /* of which 30 and 31 never occur in valid data */
#define NR_PRECODES      19
#define END_OF_BLOCK     256

int inflate_corrupt(struct inflate *z, const char *reason)
{
	z->reason = reason;
	return -EBADMSG;
}

/* --- input --- */

static int refill_input(struct inflate *z)
{
	long n;

	if (z->at_end)
		return 0;
	n = z->in.fill(z->in.opaque, z->input, sizeof(z->input));
	if (n < 0)
		return (int)n;
	z->at_end = n == 0;
	z->next = z->input;
	z->end = z->input + n;
	return 0;
}

/*
 * Tops up `bits` to at least 56. Behind the end of the input zeroes are fed, so that the decoder
 * need not ask before every symbol; overrun() tells whether it has used any of them.
 */
static int refill(struct inflate *z)
{
	if (z->end - z->next >= 8) {
		uint64_t word;
		unsigned int bytes = (63 - z->nr_bits) / 8;

		memcpy(&word, z->next, sizeof(word));
		z->bits |= le64toh(word) << z->nr_bits;
		z->next += bytes;
		z->nr_bits += bytes * 8;
		/* The last byte may be in partly: what is beyond nr_bits comes again next time. */
		z->bits &= ~0ULL >> (64 - z->nr_bits);
		return 0;
	}
	while (z->nr_bits < 56) {
		if (z->next == z->end) {
			int ret = refill_input(z);

			if (ret)
				return ret;
		}
		if (z->next < z->end)
			z->bits |= (uint64_t)*z->next++ << z->nr_bits;
		else
			z->past_end++;
		z->nr_bits += 8;
	}
	return 0;
}

static bool overrun(const struct inflate *z)
{
	return z->nr_bits < z->past_end * 8;
}

static int truncated(struct inflate *z)
{
	z->reason = "it ends too early";
	return -ENODATA;
}

static int no_room(struct inflate *z)
{
	z->reason = "what it unpacks to does not fit";
	return -ENOSPC;
}

/* The next `n` bits (0 to 48), which refill() has provided. */
static uint32_t take(struct inflate *z, unsigned int n)
{
	uint32_t value = (uint32_t)(z->bits & ((1ULL << n) - 1));

	z->bits >>= n;
	z->nr_bits -= n;
	return value;
}

int inflate_bits(struct inflate *z, unsigned int n, uint32_t *value)
{
	int ret = refill(z);

	if (ret)
		return ret;
	*value = take(z, n);
	return overrun(z) ? truncated(z) : 0;
}

void inflate_align(struct inflate *z)
{
	take(z, z->nr_bits & 7);
}

/* --- Huffman codes --- */

static unsigned int reverse_bits(unsigned int code, unsigned int len)
{
	unsigned int r = 0;

	while (len--) {
		r = r << 1 | (code & 1);
		code >>= 1;
	}
	return r;
}

/*
 * Builds the code in which symbol i has len[i] bits (0: does not occur). Refuses codes that hold
 * more than their lengths allow, and incomplete ones except those that RFC 1951 section 3.2.7
 * permits: no code at all, or a single one of one bit.
 */
static bool build(struct inflate_code *h, const uint8_t *len, unsigned int n)
{
	uint16_t first[INFLATE_MAX_CODE_LEN + 2] = { 0 }; /* index into symbol[] */
	uint16_t code[INFLATE_MAX_CODE_LEN + 2] = { 0 };
	int left = 1;

	memset(h->count, 0, sizeof(h->count));
	memset(h->fast, 0, sizeof(h->fast));
	for (unsigned int i = 0; i < n; i++)
		h->count[len[i]]++;
	h->count[0] = 0;
	for (unsigned int l = 1; l <= INFLATE_MAX_CODE_LEN; l++) {
		left = left * 2 - h->count[l];
		if (left < 0)
			return false;
		first[l + 1] = first[l] + h->count[l];
		code[l + 1] = (uint16_t)((code[l] + h->count[l]) << 1);
	}
	if (left > 0 && !(first[INFLATE_MAX_CODE_LEN + 1] == h->count[1] && h->count[1] <= 1))
		return false;

	for (unsigned int i = 0; i < n; i++) {
		unsigned int l = len[i];

		if (l == 0)
			continue;
		h->symbol[first[l]++] = (uint16_t)i;
		if (l <= INFLATE_FAST_BITS) {
			unsigned int r = reverse_bits(code[l], l);

			for (; r < 1u << INFLATE_FAST_BITS; r += 1u << l)
				h->fast[r] = (uint16_t)(i << 4 | l);
		}
		code[l]++;
	}
	return true;
}

/* Decodes a code that fast[] does not know: longer than INFLATE_FAST_BITS, or none at all. */
static int decode_slow(struct inflate *z, const struct inflate_code *h)
{
	unsigned int code = 0, first = 0, index = 0;

	for (unsigned int l = 1; l <= INFLATE_MAX_CODE_LEN; l++) {
		code |= (unsigned int)(z->bits >> (l - 1)) & 1;
		if (code - first < h->count[l]) {
			take(z, l);
			return h->symbol[index + (code - first)];
		}
		index += h->count[l];
		first = (first + h->count[l]) << 1;
		code <<= 1;
	}
	return -1;
}

/* Decodes one symbol of at most 15 bits, which refill() has provided. -1: no such code. */
static int decode(struct inflate *z, const struct inflate_code *h)
{
	unsigned int entry = h->fast[z->bits & ((1 << INFLATE_FAST_BITS) - 1)];

	if (!entry)
		return decode_slow(z, h);
	take(z, entry & 15);
	return (int)(entry >> 4);
}

/* --- blocks --- */

static int stored_block(struct inflate *z)
{
	uint32_t len, complement;
	int ret;

	inflate_align(z);
	ret = inflate_bits(z, 16, &len);
	if (!ret)
		ret = inflate_bits(z, 16, &complement);
	if (ret)
		return ret;
	if (len != (complement ^ 0xffff))
		return inflate_corrupt(z, "the length of a stored block is wrong");

	/* First the bytes that are in the bit buffer already, then straight from the input. */
	for (; len && z->nr_bits; len--) {
		if (z->size == z->capacity)
			return no_room(z);
		z->out[z->size++] = (uint8_t)take(z, 8);
		if (overrun(z))
			return truncated(z);
	}
	while (len) {
		size_t n = (size_t)(z->end - z->next);
		size_t room = z->capacity - z->size;

		if (n == 0) {
			ret = refill_input(z);
			if (ret)
				return ret;
			if (z->at_end)
				return truncated(z);
			continue;
		}
		if (room == 0)
			return no_room(z);
		n = n < len ? n : len;
		n = n < room ? n : room;
		memcpy(z->out + z->size, z->next, n);
		z->size += n;
		z->next += n;
		len -= (uint32_t)n;
	}
	return 0;
}

/* RFC 1951, section 3.2.5 "Compressed blocks (length and distance codes)": base and extra bits. */
static const uint16_t length_base[29] = { 3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
					  31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258 };
static const uint8_t length_extra[29] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
					  2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0 };
static const uint16_t dist_base[30] = { 1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
					33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
					1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577 };
static const uint8_t dist_extra[30] = { 0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
					6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13 };

static int copy_match(struct inflate *z, size_t len, size_t dist)
{
	uint8_t *to = z->out + z->size;
	size_t room = z->capacity - z->size;
	int ret = 0;

	if (dist > z->size - z->start)
		return inflate_corrupt(z, "a match reaches back before the beginning");
	if (len > room) {
		len = room;
		ret = no_room(z);
	}
	z->size += len;
	/* A match may overlap the bytes it makes: then it repeats the last `dist` of them. */
	if (dist >= len) {
		memcpy(to, to - dist, len);
	} else if (dist == 1) {
		memset(to, to[-1], len);
	} else {
		for (; len; len--, to++)
			*to = *(to - dist);
	}
	return ret;
}

/* The rest of a match whose length symbol was `symbol`. At most 33 bits more are used. */
static int match(struct inflate *z, int symbol)
{
	size_t len, dist;

	symbol -= END_OF_BLOCK + 1;
	if (symbol >= 29)
		return inflate_corrupt(z, "an invalid length code");
	len = length_base[symbol] + take(z, length_extra[symbol]);
	symbol = decode(z, &z->dist);
	if (symbol < 0 || symbol >= 30)
		return inflate_corrupt(z, "an invalid distance code");
	dist = dist_base[symbol] + take(z, dist_extra[symbol]);
	if (overrun(z))
		return truncated(z);
	return copy_match(z, len, dist);
}

static int compressed_block(struct inflate *z)
{
	for (;;) {
		int symbol, ret;

		/* One refill carries a whole match: 15 + 5 bits of length, 15 + 13 of distance. */
		ret = refill(z);
		if (ret)
			return ret;
		symbol = decode(z, &z->litlen);
		if (overrun(z))
			return truncated(z);
		if (symbol < 0)
			return inflate_corrupt(z, "an invalid literal or length code");
		if (symbol == END_OF_BLOCK)
			return 0;
		if (symbol < END_OF_BLOCK) {
			if (z->size == z->capacity)
				return no_room(z);
			z->out[z->size++] = (uint8_t)symbol;
			continue;
		}
		ret = match(z, symbol);
		if (ret)
			return ret;
	}
}

/* RFC 1951, section 3.2.6 "Compression with fixed Huffman codes". */
static int fixed_block(struct inflate *z)
{
	uint8_t len[MAX_LITLEN_CODES];

	memset(len, 8, 144);
	memset(len + 144, 9, 112);
	memset(len + 256, 7, 24);
	memset(len + 280, 8, 8);
	build(&z->litlen, len, MAX_LITLEN_CODES);
	memset(len, 5, MAX_DIST_CODES);
	build(&z->dist, len, MAX_DIST_CODES);
	return compressed_block(z);
}

/* Reads `n` code lengths, themselves compressed with the code `precode`. */
static int read_code_lengths(struct inflate *z, uint8_t *len, unsigned int n)
{
	unsigned int i = 0;

	while (i < n) {
		unsigned int repeat = 1;
		uint8_t value;
		int symbol, ret;

		ret = refill(z);
		if (ret)
			return ret;
		symbol = decode(z, &z->precode);
		value = (uint8_t)symbol;
		if (symbol < 0)
			return inflate_corrupt(z, "an invalid code for a code length");
		if (symbol >= 16) {
			value = 0;
			if (symbol == 16 && i == 0)
				return inflate_corrupt(z, "a repeated code length without one before it");
			if (symbol == 16) {
				value = len[i - 1];
				repeat = 3 + take(z, 2);
			} else if (symbol == 17) {
				repeat = 3 + take(z, 3);
			} else {
				repeat = 11 + take(z, 7);
			}
		}
		if (overrun(z))
			return truncated(z);
		if (repeat > n - i)
			return inflate_corrupt(z, "too many code lengths");
		memset(len + i, value, repeat);
		i += repeat;
	}
	return 0;
}

/* RFC 1951, section 3.2.7 "Compression with dynamic Huffman codes". */
static int dynamic_block(struct inflate *z)
{
	static const uint8_t order[NR_PRECODES] = { 16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
						    11, 4,  12, 3, 13, 2, 14, 1, 15 };
	uint8_t len[MAX_LITLEN_CODES + MAX_DIST_CODES] = { 0 };
	uint32_t header, value, nr_litlen, nr_dist, nr_precode;
	int ret;

	ret = inflate_bits(z, 14, &header);
	if (ret)
		return ret;
	nr_litlen = (header & 31) + 257;
	nr_dist = (header >> 5 & 31) + 1;
	nr_precode = (header >> 10) + 4;
	if (nr_litlen > 286 || nr_dist > 30)
		return inflate_corrupt(z, "too many length or distance codes");

	for (unsigned int i = 0; i < nr_precode; i++) {
		ret = inflate_bits(z, 3, &value);
		if (ret)
			return ret;
		len[order[i]] = (uint8_t)value;
	}
	if (!build(&z->precode, len, NR_PRECODES))
		return inflate_corrupt(z, "an impossible code for code lengths");

	ret = read_code_lengths(z, len, nr_litlen + nr_dist);
	if (ret)
		return ret;
	if (len[END_OF_BLOCK] == 0)
		return inflate_corrupt(z, "a block without an end");
	if (!build(&z->litlen, len, nr_litlen))
		return inflate_corrupt(z, "an impossible code for literals and lengths");
	if (!build(&z->dist, len + nr_litlen, nr_dist))
		return inflate_corrupt(z, "an impossible code for distances");
	return compressed_block(z);
}

int inflate_stream(struct inflate *z)
{
	uint32_t header;
	int ret;

	z->start = z->size;
	do {
		ret = inflate_bits(z, 3, &header);
		if (ret)
			return ret;
		switch (header >> 1) {
		case 0:
			ret = stored_block(z);
			break;
		case 1:
			ret = fixed_block(z);
			break;
		case 2:
			ret = dynamic_block(z);
			break;
		default:
			return inflate_corrupt(z, "an unknown type of block");
		}
		if (ret)
			return ret;
	} while (!(header & 1));
	return 0;
}

void inflate_init(struct inflate *z, const struct unpack_input *in, uint8_t *out, size_t capacity)
{
	/* Not the large tables behind: they are filled before they are used. */
	memset(z, 0, offsetof(struct inflate, litlen));
	z->in = *in;
	z->out = out;
	z->capacity = capacity;
	z->next = z->end = z->input;
}
