/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Decodes deflated data (RFC 1951, "DEFLATE Compressed Data Format Specification").
 *
 * The input is pulled in pieces, so that a large file is never held in memory as a whole; the
 * output goes straight to its place, which also is the window that matches are copied from. What
 * is read is hostile: it can cause nothing but an error.
 */
#ifndef VIREO_BOOT_INFLATE_H
#define VIREO_BOOT_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/unpack.h"

#define INFLATE_INPUT_SIZE   (64 * 1024)
#define INFLATE_MAX_CODE_LEN 15
#define INFLATE_MAX_SYMBOLS  288

/* Codes of up to this many bits are decoded by one look-up, the few longer ones bit by bit. */
#define INFLATE_FAST_BITS 10

/*
 * A canonical Huffman code (RFC 1951, section 3.2.2 "Use of Huffman coding in the 'deflate' format").
 * Codes of one length are consecutive numbers, so a code is found by comparing it with the first
 * code of its length.
 */
struct inflate_code {
	uint16_t fast[1 << INFLATE_FAST_BITS];    /* by the next bits: symbol << 4 | length; 0: longer */
	uint16_t count[INFLATE_MAX_CODE_LEN + 1]; /* codes of each length */
	uint16_t symbol[INFLATE_MAX_SYMBOLS];     /* in the order of their codes */
};

/* A decoder. Some 70 KiB: to be allocated. */
struct inflate {
	struct unpack_input in;
	uint8_t *out;
	size_t capacity, size; /* of the output; what is written so far */
	size_t start;          /* where the output of this deflate stream starts */
	const char *reason;    /* why the input was refused: some words, static */

	uint64_t bits; /* input not yet used, next bit lowest */
	unsigned int nr_bits;
	unsigned int past_end;     /* how many of the bytes in `bits` lie behind the input's end */
	const uint8_t *next, *end; /* in input[] */
	bool at_end;               /* fill() has nothing more */

	struct inflate_code litlen, dist, precode;
	uint8_t input[INFLATE_INPUT_SIZE];
};

/*
 * The functions below return 0, what fill() returned, or
 *   -EBADMSG  the input is corrupt; `reason` says how
 *   -ENODATA  the input ends too early
 *   -ENOSPC   the output does not fit; the first `capacity` bytes of it are in place
 */

/* Starts at the beginning of `in`. The decoder writes to out[capacity]. */
void inflate_init(struct inflate *z, const struct unpack_input *in, uint8_t *out, size_t capacity);

/* Decodes one deflate stream. The input is then used up to the stream's last bit. */
int inflate_stream(struct inflate *z);

/* Skips to the next byte boundary of the input. */
void inflate_align(struct inflate *z);

/* Reads `n` (0 to 32) bits of the input, first bit lowest. */
int inflate_bits(struct inflate *z, unsigned int n, uint32_t *value);

/* Records why the input is refused. Returns -EBADMSG. */
int inflate_corrupt(struct inflate *z, const char *reason);

#endif
