/* SPDX-License-Identifier: BSD-2-Clause */
/* Packs what tests unpack: gzip by hand, xz and Zstandard with their libraries. */
#ifndef VIREO_TESTS_PACKER_H
#define VIREO_TESTS_PACKER_H

#include "tests/unit/gzip_writer.h"

#include <lzma.h>
#include <stdlib.h>
#include <zstd.h>

#include "boot/unpack.h"

static inline void packer_le(uint8_t *at, unsigned int bytes, uint64_t value)
{
	for (unsigned int i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

/* gzip without compressing: stored blocks. Returns the size. */
static inline size_t make_gzip(const uint8_t *data, size_t size, uint8_t *out)
{
	static const uint8_t header[10] = { 0x1f, 0x8b, 8 };
	size_t at = sizeof(header);

	memcpy(out, header, sizeof(header));
	for (size_t done = 0; done < size;) {
		size_t n = size - done < 50000 ? size - done : 50000;

		out[at] = done + n == size;
		packer_le(out + at + 1, 2, n);
		packer_le(out + at + 3, 2, ~n);
		memcpy(out + at + 5, data + done, n);
		at += 5 + n;
		done += n;
	}
	packer_le(out + at, 4, reference_crc(data, size));
	packer_le(out + at + 4, 4, size);
	return at + 8;
}

static inline size_t make_xz(const void *data, size_t size, uint8_t *out, size_t room)
{
	size_t at = 0;

	assert_int_equal(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, data, size, out, &at, room),
			 LZMA_OK);
	return at;
}

static inline size_t make_zstd(const void *data, size_t size, uint8_t *out, size_t room)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();
	size_t n;

	assert_non_null(z);
	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	n = ZSTD_compress2(z, out, room, data, size);
	assert_false(ZSTD_isError(n));
	ZSTD_freeCCtx(z);
	return n;
}

/* Returns the size of what is in out[room] then. */
static inline size_t pack(enum packing packing, const void *data, size_t size, uint8_t *out, size_t room)
{
	switch (packing) {
	case PACKED_GZIP:
		assert_true(room > size + 100);
		return make_gzip(data, size, out);
	case PACKED_XZ:
		return make_xz(data, size, out, room);
	case PACKED_ZSTD:
		return make_zstd(data, size, out, room);
	default:
		assert_true(size <= room);
		memcpy(out, data, size);
		return size;
	}
}

/* A Zstandard file that unpacks to so many times 128 KiB of zeroes (RFC 8878, 3.1.1.2 "Blocks": RLE_Block). */
static inline size_t make_zstd_zeroes(unsigned int times, uint8_t *out, size_t room)
{
	size_t at = 6;

	assert_true(room >= 6 + 4 * (size_t)times);
	memcpy(out, "\x28\xb5\x2f\xfd\x00\x38", 6); /* a window of 128 KiB, no sums */
	for (unsigned int i = 0; i < times; i++, at += 4)
		packer_le(out + at, 4, (128u << 10) << 3 | 1 << 1 | (i + 1 == times));
	return at;
}

#endif
