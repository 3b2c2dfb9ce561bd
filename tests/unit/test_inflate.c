// SPDX-License-Identifier: BSD-2-Clause
/* The deflate decoder: blocks of every kind made bit by bit, and blocks that are wrong. */
#include "tests/unit/gzip_writer.h"

static void unpacks_stored_blocks(void **state)
{
	struct writer w = { 0 };
	char text[300];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memcpy(text, "stored", 6);
	put_header(&w, 0);
	put_stored(&w, text, 100, false);
	put_stored(&w, text, 0, false);
	put_stored(&w, text + 100, 199, true);
	put_trailer(&w, text, 299);
	expect_text(&w, text);
}

static void matches_may_overlap_themselves(void **state)
{
	struct writer w = { 0 };

	(void)state;
	put_header(&w, 0);
	put(&w, 1, 1);
	put(&w, 1, 2);
	put_fixed(&w, 'a');
	put_fixed(&w, 257 + 4); /* length 7 */
	put_code(&w, 0, 5);     /* distance 1 */
	put_fixed(&w, 'b');
	put_fixed(&w, 257 + 6);  /* length 9 */
	put_code(&w, 1, 5);      /* distance 2 */
	put_fixed(&w, 257 + 28); /* length 258 */
	put_code(&w, 7, 5);      /* distance 13 + 2 extra bits */
	put(&w, 3, 2);
	put_fixed(&w, 256);

	char text[8 + 1 + 9 + 258 + 1] = "aaaaaaaabababababa";

	for (size_t i = 18; i < sizeof(text) - 1; i++)
		text[i] = text[i - 16];
	put_trailer(&w, text, sizeof(text) - 1);
	expect_text(&w, text);
}

/*
 * Lengths 1, 2, ... 14, 15, 15 for sixteen literals (the last for the end of the block): codes
 * longer than any table for quick look-up. Code i is i ones and a zero; the last is all ones.
 */
static void put_long_codes(struct writer *w, const char *text)
{
	static const uint8_t order[19] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 };

	put(w, 1, 1);
	put(w, 2, 2);
	put(w, 0, 5);  /* 257 literals and lengths */
	put(w, 0, 5);  /* 1 distance */
	put(w, 15, 4); /* 19 code length codes */
	for (int i = 0; i < 19; i++) {
		/* 0 to 15 have 5 bits, 18 has 1 bit: complete (16/32 + 1/2) */
		put(w, order[i] == 18 ? 1 : order[i] < 16 ? 5 : 0, 3);
	}
	/* Canonical: 18 is 0, length n is 16 + n. */
	put_code(w, 0, 1);
	put(w, 'A' - 11, 7); /* 65 zeroes */
	for (uint32_t i = 1; i <= 15; i++)
		put_code(w, 16 + i, 5);
	put_code(w, 0, 1);
	put(w, 138 - 11, 7);
	put_code(w, 0, 1);
	put(w, 256 - 'A' - 15 - 138 - 11, 7);
	put_code(w, 16 + 15, 5); /* end of block */
	put_code(w, 16, 5);      /* no distance code */

	for (; *text; text++) {
		unsigned int i = (unsigned int)(*text - 'A');

		put_code(w, (1u << (i + 1)) - 2, i + 1);
	}
	put_code(w, 0x7fff, 15);
}

static void decodes_codes_of_every_length(void **state)
{
	static const char text[] = "ABCDEFGHIJKLMNOONMLKJIHGFEDCBAONOAAOJLKM";
	struct writer w = { 0 };

	(void)state;
	put_header(&w, 0);
	put_long_codes(&w, text);
	put_trailer(&w, text, strlen(text));
	expect_text(&w, text);
}

static void stored_blocks_respect_the_capacity(void **state)
{
	struct unpack_result result;
	struct writer w = { 0 };
	uint8_t out[16];

	(void)state;
	put_stored_member(&w, "0123456789abcdef");
	for (size_t capacity = 0; capacity < 16; capacity++) {
		memset(out, 'z', sizeof(out));
		assert_int_equal(unpack(w.data, w.bits / 8, out, capacity, &result), -ENOSPC);
		assert_int_equal(result.size, capacity);
		assert_memory_equal(out, "0123456789abcdef", capacity);
		assert_int_equal(out[capacity], 'z');
	}
}

static void truncated_stored_blocks_are_noticed(void **state)
{
	struct unpack_result result;
	struct writer w = { 0 };
	uint8_t out[64];

	(void)state;
	put_stored_member(&w, "stored, not compressed at all");
	for (size_t piece = 1; piece <= 64; piece *= 2) {
		for (size_t size = 2; size < w.bits / 8; size++)
			assert_int_equal(unpack_pieces(w.data, size, piece, out, sizeof(out), &result),
					 -ENODATA);
	}
}

static void refuses_an_unknown_block_type(void **state)
{
	struct writer w = { 0 };

	(void)state;
	put_header(&w, 0);
	put(&w, 1, 1);
	put(&w, 3, 2);
	put(&w, 0, 32);
	expect_corrupt(&w, "an unknown type of block");
}

static void refuses_a_stored_block_of_the_wrong_length(void **state)
{
	struct writer w = { 0 };

	(void)state;
	put_stored_member(&w, "text");
	w.data[13] ^= 0x80;
	expect_corrupt(&w, "the length of a stored block is wrong");
}

static struct writer fixed_block_with(unsigned int symbol, uint32_t dist)
{
	struct writer w = { 0 };

	put_header(&w, 0);
	put(&w, 1, 1);
	put(&w, 1, 2);
	put_fixed(&w, 'a');
	put_fixed(&w, symbol);
	put_code(&w, dist, 5);
	put(&w, 0, 64 - 32);
	put(&w, 0, 32);
	return w;
}

static void refuses_symbols_that_do_not_exist(void **state)
{
	struct writer w;

	(void)state;
	w = fixed_block_with(286, 0);
	expect_corrupt(&w, "an invalid length code");
	w = fixed_block_with(287, 0);
	expect_corrupt(&w, "an invalid length code");
	w = fixed_block_with(257, 30);
	expect_corrupt(&w, "an invalid distance code");
	w = fixed_block_with(257, 31);
	expect_corrupt(&w, "an invalid distance code");
}

static void refuses_matches_before_the_beginning(void **state)
{
	struct writer w = fixed_block_with(257, 1);

	(void)state;
	expect_corrupt(&w, "a match reaches back before the beginning");

	/* nor may a member reach into the one before it */
	struct writer two = { 0 };

	put_stored_member(&two, "first");
	w = fixed_block_with(257, 1);
	put_bytes(&two, w.data, w.bits / 8);
	expect_corrupt(&two, "a match reaches back before the beginning");
}

/* The head of a dynamic block whose code length codes are all of 0 bits but those given. */
static struct writer dynamic_block(unsigned int nr_litlen, unsigned int nr_dist, const uint8_t precode[19])
{
	static const uint8_t order[19] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 };
	struct writer w = { 0 };

	put_header(&w, 0);
	put(&w, 1, 1);
	put(&w, 2, 2);
	put(&w, nr_litlen - 257, 5);
	put(&w, nr_dist - 1, 5);
	put(&w, 15, 4);
	for (int i = 0; i < 19; i++)
		put(&w, precode[order[i]], 3);
	return w;
}

static void refuses_impossible_codes(void **state)
{
	static const uint8_t ones[19] = { [0] = 1, [18] = 1 }; /* 0 is "0", 18 is "1" */
	static const uint8_t eights[19] = { [8] = 1, [18] = 1 };
	static const uint8_t full[19] = { [0] = 1, [1] = 1, [2] = 1 };
	static const uint8_t gap[19] = { [0] = 2, [1] = 2, [2] = 2 };
	static const uint8_t again[19] = { [16] = 1, [18] = 1 };
	static const uint8_t single[19] = { [1] = 1, [18] = 1 };
	struct writer w;

	(void)state;
	w = dynamic_block(287, 1, ones);
	put(&w, 0, 32);
	expect_corrupt(&w, "too many length or distance codes");
	w = dynamic_block(257, 31, ones);
	put(&w, 0, 32);
	expect_corrupt(&w, "too many length or distance codes");

	w = dynamic_block(257, 1, full); /* three codes of one bit */
	put(&w, 0, 32);
	expect_corrupt(&w, "an impossible code for code lengths");
	w = dynamic_block(257, 1, gap); /* a fourth code of two bits is missing */
	put(&w, 0, 32);
	expect_corrupt(&w, "an impossible code for code lengths");

	w = dynamic_block(257, 1, again); /* "repeat the previous length" comes first */
	put(&w, 0, 32);
	expect_corrupt(&w, "a repeated code length without one before it");

	w = dynamic_block(257, 1, ones); /* 138 zeroes and 138 zeroes are too many */
	put(&w, 0xffff, 16);
	put(&w, 0, 32);
	expect_corrupt(&w, "too many code lengths");

	w = dynamic_block(257, 1, ones); /* 138 + 120 zeroes */
	put(&w, 1 | 127 << 1 | 1 << 8 | 109 << 9, 16);
	put(&w, 0, 32);
	expect_corrupt(&w, "a block without an end");

	w = dynamic_block(257, 1, eights); /* 257 codes of 8 bits: one too many */
	for (int i = 0; i < 257 + 1; i++)
		put(&w, 0, 1);
	put(&w, 0, 32);
	expect_corrupt(&w, "an impossible code for literals and lengths");

	/* only the end of the block has a code, of one bit; so do three distances */
	w = dynamic_block(257, 3, single);
	put(&w, 1 | 127 << 1 | 1 << 8 | 107 << 9, 16); /* 138 + 118 zeroes */
	put(&w, 0, 4);
	put(&w, 0, 32);
	expect_corrupt(&w, "an impossible code for distances");
}

static void a_code_may_have_a_single_symbol(void **state)
{
	static const uint8_t single[19] = { [1] = 1, [18] = 1 };
	struct writer w = dynamic_block(257, 1, single);

	(void)state;
	put(&w, 1 | 127 << 1 | 1 << 8 | 107 << 9, 16); /* 138 + 118 zeroes */
	put(&w, 0, 2);                                 /* end of block and distance 1: one bit each */
	put(&w, 0, 1);                                 /* end of block */
	put_trailer(&w, "", 0);
	expect_text(&w, "");

	/* the other bit is no code */
	w = dynamic_block(257, 1, single);
	put(&w, 1 | 127 << 1 | 1 << 8 | 107 << 9, 16);
	put(&w, 0, 2);
	put(&w, 1, 1);
	put(&w, 0, 32);
	put(&w, 0, 32);
	expect_corrupt(&w, "an invalid literal or length code");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unpacks_stored_blocks),
		cmocka_unit_test(matches_may_overlap_themselves),
		cmocka_unit_test(decodes_codes_of_every_length),
		cmocka_unit_test(stored_blocks_respect_the_capacity),
		cmocka_unit_test(truncated_stored_blocks_are_noticed),
		cmocka_unit_test(refuses_an_unknown_block_type),
		cmocka_unit_test(refuses_a_stored_block_of_the_wrong_length),
		cmocka_unit_test(refuses_symbols_that_do_not_exist),
		cmocka_unit_test(refuses_matches_before_the_beginning),
		cmocka_unit_test(refuses_impossible_codes),
		cmocka_unit_test(a_code_may_have_a_single_symbol),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
