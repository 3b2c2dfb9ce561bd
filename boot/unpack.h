/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unpacks files that are compressed as a whole: gzip by gzip.c, xz and Zstandard by their libraries.
 */
#ifndef VIREO_BOOT_UNPACK_H
#define VIREO_BOOT_UNPACK_H

#include <stddef.h>
#include <stdint.h>

enum packing { PACKED_NOT, PACKED_GZIP, PACKED_XZ, PACKED_ZSTD };

struct unpack_input {
	/*
	 * Fills up to `size` bytes at `buf`. Returns how many; 0 at the end of the input; or a negative
	 * errno, which the decoder returns unchanged.
	 */
	long (*fill)(void *opaque, uint8_t *buf, size_t size);
	void *opaque;
};

/* Bytes in memory as such an input: `fill` is unpack_from_memory, `opaque` this. */
struct unpack_memory {
	const uint8_t *at;
	size_t left;
};

long unpack_from_memory(void *opaque, uint8_t *buf, size_t size);

struct unpack_result {
	size_t size;        /* bytes written to the output, on failure too */
	const char *reason; /* on failure: what is wrong, some words, static; NULL if fill() failed */
};

/* What a file that begins with head[size] is packed with; six bytes do. */
enum packing packing_of(const uint8_t *head, size_t size);

/*
 * Unpacks a whole file to out[capacity], of which what lies behind the output may change too, and checks the sums
 * in it. Returns 0, what in->fill() returned, or
 *   -EBADMSG  the input is corrupt, or not packed in that way
 *   -ENODATA  the input ends too early
 *   -ENOSPC   the output does not fit; the first `capacity` bytes of it are in place
 *   -ENOMEM   no memory for the decoder's state
 */
int unpack_file(enum packing packing, const struct unpack_input *in, uint8_t *out, size_t capacity,
		struct unpack_result *result);

#endif
