// SPDX-License-Identifier: BSD-2-Clause
/* xz and Zstandard files: pieces, limits, and files that are wrong. What gzip has besides is in test_gzip. */
#include "tests/unit/packer.h"

#include <stdio.h>

#define TEXT_SIZE 5000u

static uint8_t text[TEXT_SIZE], packed[TEXT_SIZE + 1000], out[2 * TEXT_SIZE];
static const enum packing both[] = { PACKED_XZ, PACKED_ZSTD };

#define FOR_BOTH(p) for (const enum packing *p = both; p < both + 2; p++)

/* Some of it can be compressed, some cannot. */
static int setup(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++) {
		seed = seed * 1664525 + 1013904223;
		text[i] = i % 1000 < 300 ? (uint8_t)(seed >> 16) : (uint8_t) "ninety-nine vireos "[i % 19];
	}
	return 0;
}

static int run(enum packing packing, size_t size, size_t piece, size_t capacity, struct unpack_result *result)
{
	struct source s = { .data = packed, .size = size, .piece = piece };
	const struct unpack_input in = { .fill = fill, .opaque = &s };

	return unpack_file(packing, &in, out, capacity, result);
}

static void known_by_their_first_bytes(void **state)
{
	(void)state;
	for (enum packing p = PACKED_GZIP; p <= PACKED_ZSTD; p++) {
		size_t size = pack(p, text, sizeof(text), packed, sizeof(packed));

		assert_int_equal(packing_of(packed, size), p);
		assert_int_equal(packing_of(packed, 6), p);
		assert_int_equal(packing_of(packed, 1), PACKED_NOT);
		assert_int_equal(packing_of(packed, 0), PACKED_NOT);
	}
	assert_int_equal(packing_of((const uint8_t *)"\177ELF\2\1", 6), PACKED_NOT);
}

static void unpacked_from_pieces_of_any_size(void **state)
{
	struct unpack_result result;

	(void)state;
	FOR_BOTH(p)
	{
		static const size_t sizes[] = { 0, 1, 100, TEXT_SIZE };

		for (size_t i = 0; i < 4; i++) {
			size_t size = pack(*p, text, sizes[i], packed, sizeof(packed));

			for (size_t piece = 1; piece <= size; piece += piece < 20 ? 1 : 97) {
				assert_int_equal(run(*p, size, piece, sizeof(out), &result), 0);
				assert_int_equal(result.size, sizes[i]);
				assert_memory_equal(out, text, sizes[i]);
			}
		}
	}
}

static void never_writes_beyond_the_capacity(void **state)
{
	struct unpack_result result;

	(void)state;
	FOR_BOTH(p)
	{
		size_t size = pack(*p, text, sizeof(text), packed, sizeof(packed));

		for (size_t capacity = 0; capacity < sizeof(text); capacity += capacity < 100 ? 1 : 49) {
			memset(out, 0xee, sizeof(out));
			assert_int_equal(run(*p, size, SIZE_MAX, capacity, &result), -ENOSPC);
			assert_int_equal(result.size, capacity);
			assert_memory_equal(out, text, capacity);
			assert_int_equal(out[capacity], 0xee);
		}
		/* What just fits does. */
		assert_int_equal(run(*p, size, SIZE_MAX, sizeof(text), &result), 0);
		assert_int_equal(result.size, sizeof(text));
	}
}

static void what_inflates_without_end_ends_at_the_capacity(void **state)
{
	static uint8_t bomb[6 + 4 * 8192];
	struct unpack_memory from = { .at = bomb, .left = make_zstd_zeroes(8192, bomb, sizeof(bomb)) };
	const struct unpack_input in = { .fill = unpack_from_memory, .opaque = &from };
	struct unpack_result result;

	(void)state;
	assert_int_equal(unpack_file(PACKED_ZSTD, &in, out, sizeof(out), &result), -ENOSPC);
	assert_int_equal(result.size, sizeof(out));
}

static void truncation_is_noticed_at_every_byte(void **state)
{
	struct unpack_result result;

	(void)state;
	FOR_BOTH(p)
	{
		size_t size = pack(*p, text, sizeof(text), packed, sizeof(packed));

		for (size_t cut = 0; cut < size; cut++) {
			assert_int_equal(run(*p, cut, SIZE_MAX, sizeof(out), &result), -ENODATA);
			assert_string_equal(result.reason, "it ends too early");
		}
		/* Also where all of the output is there, and fits just so. */
		assert_int_equal(run(*p, size - 1, SIZE_MAX, sizeof(text), &result), -ENODATA);
	}
}

static void a_flipped_bit_never_changes_the_output_unnoticed(void **state)
{
	struct unpack_result result;

	(void)state;
	FOR_BOTH(p)
	{
		size_t size = pack(*p, text, sizeof(text), packed, sizeof(packed));

		for (size_t bit = 0; bit < size * 8; bit += bit < 500 || bit > (size - 60) * 8 ? 1 : 13) {
			int ret;

			packed[bit / 8] ^= (uint8_t)(1 << bit % 8);
			ret = run(*p, size, SIZE_MAX, sizeof(out), &result);
			packed[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (ret) {
				assert_true(ret == -ENOSPC || result.reason);
				continue;
			}
			assert_int_equal(result.size, sizeof(text));
			assert_memory_equal(out, text, sizeof(text));
		}
	}
}

static void files_are_joined_and_nothing_else_may_follow(void **state)
{
	struct unpack_result result;

	(void)state;
	FOR_BOTH(p)
	{
		size_t size = pack(*p, "one, ", 5, packed, sizeof(packed));

		size += pack(*p, "two", 3, packed + size, sizeof(packed) - size);
		assert_int_equal(run(*p, size, 1, sizeof(out), &result), 0);
		assert_int_equal(result.size, 8);
		assert_memory_equal(out, "one, two", 8);
		memcpy(packed + size, "and so on and on", 16);
		assert_int_equal(run(*p, size + 16, SIZE_MAX, sizeof(out), &result), -EBADMSG);
		assert_non_null(result.reason);
	}
}

static void an_error_of_the_input_is_passed_on(void **state)
{
	struct unpack_result result;

	(void)state;
	FOR_BOTH(p)
	{
		struct source s = { .data = packed, .size = 40, .piece = 7, .error = -EIO };
		const struct unpack_input in = { .fill = fill, .opaque = &s };

		pack(*p, text, sizeof(text), packed, sizeof(packed));
		assert_int_equal(unpack_file(*p, &in, out, sizeof(out), &result), -EIO);
		assert_null(result.reason);
	}
}

static void refuses_what_is_another_file(void **state)
{
	struct unpack_result result;

	(void)state;
	memcpy(packed, "\177ELF and so on and so on", 25);
	assert_int_equal(run(PACKED_XZ, 25, SIZE_MAX, sizeof(out), &result), -EBADMSG);
	assert_string_equal(result.reason, "it is no xz file");
	assert_int_equal(run(PACKED_ZSTD, 25, SIZE_MAX, sizeof(out), &result), -EBADMSG);
	assert_string_equal(result.reason, "it is no Zstandard file");
}

/* A dictionary, or a window, of a gigabyte and more; nothing of that size is allocated. */
static void refuses_what_wants_much_memory(void **state)
{
	struct unpack_result result;
	size_t size = pack(PACKED_XZ, text, sizeof(text), packed, sizeof(packed)), header;
	uint8_t *filter;

	(void)state;
	/* The xz file format, 3.1 "Block Header" and 5.3.1 "LZMA2": filter 0x21 with one byte, the dictionary's size. */
	header = (packed[12] + 1) * 4u;
	filter = memmem(packed + 12, header, "\x21\x01", 2);
	assert_non_null(filter);
	filter[2] = 38; /* 2 GiB */
	packer_le(packed + 12 + header - 4, 4, lzma_crc32(packed + 12, header - 4, 0));
	assert_int_equal(run(PACKED_XZ, size, SIZE_MAX, sizeof(out), &result), -EBADMSG);
	assert_non_null(strstr(result.reason, "192 MiB"));

	size = make_zstd_zeroes(1, packed, sizeof(packed));
	packed[5] = 20 << 3; /* RFC 8878, 3.1.1.1.2 "Window Descriptor": 1 GiB */
	assert_int_equal(run(PACKED_ZSTD, size, SIZE_MAX, sizeof(out), &result), -EBADMSG);
	assert_non_null(strstr(result.reason, "128 MiB"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_by_their_first_bytes),
		cmocka_unit_test(unpacked_from_pieces_of_any_size),
		cmocka_unit_test(never_writes_beyond_the_capacity),
		cmocka_unit_test(what_inflates_without_end_ends_at_the_capacity),
		cmocka_unit_test(truncation_is_noticed_at_every_byte),
		cmocka_unit_test(a_flipped_bit_never_changes_the_output_unnoticed),
		cmocka_unit_test(files_are_joined_and_nothing_else_may_follow),
		cmocka_unit_test(an_error_of_the_input_is_passed_on),
		cmocka_unit_test(refuses_what_is_another_file),
		cmocka_unit_test(refuses_what_wants_much_memory),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
