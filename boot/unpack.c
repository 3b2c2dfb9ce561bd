// SPDX-License-Identifier: BSD-2-Clause
#include "boot/unpack.h"

#include <errno.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "boot/gzip.h"

/*
 * What a decoder may allocate: a hostile file can ask for gigabytes. Linux is packed with xz dictionaries of at most
 * 128 MiB (scripts/xz_wrap.sh); libzstd itself refuses windows of more than 128 MiB.
 */
#define XZ_MEMORY_MAX (192ULL << 20)

#define INPUT_SIZE 65536u

long unpack_from_memory(void *opaque, uint8_t *buf, size_t size)
{
	struct unpack_memory *memory = opaque;

	if (size > memory->left)
		size = memory->left;
	if (size)
		memcpy(buf, memory->at, size);
	memory->at += size;
	memory->left -= size;
	return (long)size;
}

enum packing packing_of(const uint8_t *head, size_t size)
{
	/* The xz file format, 2.1.1.1 "Header Magic Bytes"; RFC 8878, section 3.1.1 "Zstandard Frames". */
	static const uint8_t xz[] = { 0xfd, '7', 'z', 'X', 'Z', 0 }, zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };

	if (size >= 2 && head[0] == (GZIP_MAGIC & 0xff) && head[1] == GZIP_MAGIC >> 8)
		return PACKED_GZIP;
	if (size >= sizeof(xz) && !memcmp(head, xz, sizeof(xz)))
		return PACKED_XZ;
	if (size >= sizeof(zstd) && !memcmp(head, zstd, sizeof(zstd)))
		return PACKED_ZSTD;
	return PACKED_NOT;
}

static int corrupt(struct unpack_result *result, const char *reason)
{
	result->reason = reason;
	return -EBADMSG;
}

static int too_short(struct unpack_result *result)
{
	result->reason = "it ends too early";
	return -ENODATA;
}

/* --- xz --- */

static int xz_error(lzma_ret code, struct unpack_result *result)
{
	switch (code) {
	case LZMA_MEM_ERROR:
		return -ENOMEM;
	case LZMA_FORMAT_ERROR:
		return corrupt(result, "it is no xz file");
	case LZMA_MEMLIMIT_ERROR:
		return corrupt(result, "it wants more than 192 MiB of memory to be unpacked");
	case LZMA_OPTIONS_ERROR:
		return corrupt(result, "it uses a filter or an option that liblzma does not know");
	default:
		return corrupt(result, "its data is damaged");
	}
}

/* All streams of the file. */
static int xz_file(lzma_stream *z, const struct unpack_input *in, uint8_t *buf, struct unpack_result *result)
{
	bool at_end = false, is_full = false;
	uint8_t over;

	for (;;) {
		lzma_ret code;

		if (!z->avail_in && !at_end) {
			long n = in->fill(in->opaque, buf, INPUT_SIZE);

			if (n < 0)
				return (int)n;
			at_end = !n;
			z->next_in = buf;
			z->avail_in = (size_t)n;
		}
		/* Whether there is more than fits shows in one byte more. */
		if (!z->avail_out) {
			if (is_full)
				return -ENOSPC;
			is_full = true;
			z->next_out = &over;
			z->avail_out = 1;
		}
		code = lzma_code(z, at_end ? LZMA_FINISH : LZMA_RUN);
		if (code == LZMA_STREAM_END)
			return is_full && !z->avail_out ? -ENOSPC : 0;
		if (code == LZMA_BUF_ERROR) /* there is room, so it lacks input */
			return too_short(result);
		if (code != LZMA_OK)
			return xz_error(code, result);
	}
}

static int unxz(const struct unpack_input *in, uint8_t *buf, uint8_t *out, size_t capacity,
		struct unpack_result *result)
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_ret code = lzma_stream_decoder(&z, XZ_MEMORY_MAX, LZMA_CONCATENATED);
	int ret;

	if (code != LZMA_OK)
		return xz_error(code, result);
	z.next_out = out;
	z.avail_out = capacity;
	ret = xz_file(&z, in, buf, result);
	result->size = z.total_out < capacity ? (size_t)z.total_out : capacity;
	lzma_end(&z);
	return ret;
}

/* --- Zstandard --- */

static int zstd_error(size_t code, bool is_first, struct unpack_result *result)
{
	switch (ZSTD_getErrorCode(code)) {
	case ZSTD_error_memory_allocation:
		return -ENOMEM;
	case ZSTD_error_prefix_unknown:
		return corrupt(result, is_first ? "it is no Zstandard file"
						: "what follows its end is no Zstandard data");
	case ZSTD_error_frameParameter_windowTooLarge:
		return corrupt(result, "it wants more than 128 MiB of memory to be unpacked");
	case ZSTD_error_dictionary_wrong:
		return corrupt(result, "it cannot be unpacked without a dictionary");
	case ZSTD_error_checksum_wrong:
		return corrupt(result, "the checksum does not match");
	default:
		return corrupt(result, "its data is damaged");
	}
}

/* All frames of the file. */
static int zstd_file(ZSTD_DStream *z, const struct unpack_input *in, uint8_t *buf, ZSTD_outBuffer *to,
		     struct unpack_result *result)
{
	uint8_t byte;
	ZSTD_inBuffer from = { .src = buf };
	ZSTD_outBuffer over = { .dst = &byte, .size = 1 }; /* whether there is more than fits */
	bool at_end = false, is_first = true;
	size_t left = 1; /* 0: between two frames */

	for (;;) {
		size_t before = to->pos;

		if (from.pos == from.size) {
			long n = in->fill(in->opaque, buf, INPUT_SIZE);

			if (n < 0)
				return (int)n;
			at_end = !n;
			from = (ZSTD_inBuffer){ .src = buf, .size = (size_t)n };
		}
		if (at_end && !left)
			return 0;
		left = ZSTD_decompressStream(z, to->pos < to->size ? to : &over, &from);
		if (ZSTD_isError(left))
			return zstd_error(left, is_first, result);
		if (over.pos)
			return -ENOSPC;
		if (!left)
			is_first = false;
		else if (at_end && to->pos == before)
			return too_short(result);
	}
}

static int unzstd(const struct unpack_input *in, uint8_t *buf, uint8_t *out, size_t capacity,
		  struct unpack_result *result)
{
	ZSTD_outBuffer to = { .dst = out, .size = capacity };
	ZSTD_DStream *z = ZSTD_createDStream();
	int ret;

	if (!z)
		return -ENOMEM;
	ret = zstd_file(z, in, buf, &to, result);
	result->size = to.pos;
	ZSTD_freeDStream(z);
	return ret;
}

/* --- all of them --- */

int unpack_file(enum packing packing, const struct unpack_input *in, uint8_t *out, size_t capacity,
		struct unpack_result *result)
{
	uint8_t *buf;
	int ret;

	if (packing == PACKED_GZIP)
		return gunzip(in, out, capacity, result);
	*result = (struct unpack_result){ 0 };
	buf = malloc(INPUT_SIZE);
	if (!buf)
		return -ENOMEM;
	ret = packing == PACKED_XZ ? unxz(in, buf, out, capacity, result)
				   : unzstd(in, buf, out, capacity, result);
	free(buf);
	return ret;
}
