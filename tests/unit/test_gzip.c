// SPDX-License-Identifier: BSD-2-Clause
/* The gzip decoder: files made by gzip, headers of every kind, and files that are wrong. */
#include "tests/unit/gzip_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* "Vireo, vireo, vireo!\n", by gzip -9n: one block with the fixed codes */
static const char fixed_text[] = "Vireo, vireo, vireo!\n";
static const uint8_t fixed_gz[] = { 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x0b,
				    0xcb, 0x2c, 0x4a, 0xcd, 0xd7, 0x51, 0x28, 0x43, 0xa2, 0x14, 0xb9,
				    0x00, 0x8c, 0x40, 0x7e, 0x92, 0x15, 0x00, 0x00, 0x00 };

/* The squares of 0 to 59, one per line, by gzip -9n: one block with dynamic codes */
static const uint8_t dynamic_gz[] = {
	0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x15, 0x8e, 0xc1, 0x01, 0xc0, 0x30, 0x08,
	0x02, 0xff, 0x4c, 0xa3, 0xc6, 0x9a, 0xb8, 0xff, 0x62, 0x3d, 0x5e, 0x24, 0x0a, 0x78, 0xa1, 0x54, 0x6b,
	0x95, 0xa3, 0xfa, 0x74, 0x46, 0xbd, 0x9a, 0xd6, 0x4b, 0x65, 0x84, 0xb2, 0xd0, 0x6e, 0xb6, 0x38, 0x16,
	0x0b, 0x9e, 0xfa, 0xd0, 0xb7, 0x3a, 0xd5, 0xf8, 0x49, 0xe3, 0xeb, 0x46, 0x5f, 0xeb, 0xab, 0xd5, 0x77,
	0x47, 0x83, 0x6f, 0xd0, 0xcb, 0xff, 0x32, 0x7f, 0xec, 0x17, 0xdf, 0x8e, 0x7b, 0x09, 0x66, 0xd0, 0x90,
	0x49, 0x55, 0xba, 0x33, 0x8b, 0xf2, 0x3c, 0xbe, 0xd2, 0x3e, 0xf7, 0xf9, 0xee, 0x18, 0x60, 0x4c, 0x72,
	0x21, 0xca, 0xd7, 0x66, 0x80, 0xb0, 0xc2, 0x14, 0x69, 0xe2, 0x8a, 0x55, 0x9d, 0x68, 0x55, 0x47, 0x42,
	0x46, 0xa2, 0xc6, 0xaf, 0xeb, 0xd9, 0xf3, 0x76, 0xf1, 0x1d, 0x27, 0x0e, 0xfd, 0x86, 0x86, 0xfc, 0xd0,
	0x77, 0x9a, 0xe6, 0x1f, 0xc5, 0x9d, 0xca, 0xc2, 0xfe, 0x00, 0x00, 0x00
};

static size_t dynamic_text(char *text, size_t size)
{
	size_t len = 0;

	for (int i = 0; i < 60; i++)
		len += (size_t)snprintf(text + len, size - len, "%d\n", i * i);
	return len;
}

static void unpacks_fixed_codes(void **state)
{
	struct unpack_result result;
	uint8_t out[100];

	(void)state;
	assert_int_equal(unpack(fixed_gz, sizeof(fixed_gz), out, sizeof(out), &result), 0);
	assert_int_equal(result.size, strlen(fixed_text));
	assert_memory_equal(out, fixed_text, result.size);
}

static void unpacks_dynamic_codes_from_pieces_of_any_size(void **state)
{
	struct unpack_result result;
	char text[512];
	size_t len = dynamic_text(text, sizeof(text));

	(void)state;
	for (size_t piece = 1; piece <= sizeof(dynamic_gz); piece++) {
		uint8_t out[512];

		assert_int_equal(
			unpack_pieces(dynamic_gz, sizeof(dynamic_gz), piece, out, sizeof(out), &result), 0);
		assert_int_equal(result.size, len);
		assert_memory_equal(out, text, len);
	}
}

static void skips_every_optional_header_field(void **state)
{
	(void)state;
	for (unsigned int flags = 0; flags < 0x20; flags++) {
		struct writer w = { 0 };

		put_header(&w, (uint8_t)flags); /* bit 0, FTEXT, is a hint */
		if (flags & 0x04)
			put_bytes(&w, "\x05\x00\0\0\0\0\0", 7);
		if (flags & 0x08)
			put_bytes(&w, "name", 5);
		if (flags & 0x10)
			put_bytes(&w, "a comment", 10);
		if (flags & 0x02)
			put_bytes(&w, "\x12\x34", 2);
		put_stored(&w, "text", 4, true);
		put_trailer(&w, "text", 4);
		expect_text(&w, "text");
	}
}

static void joins_members_and_ignores_what_follows_them(void **state)
{
	struct writer w = { 0 };

	(void)state;
	put_stored_member(&w, "one, ");
	put_stored_member(&w, "");
	put_stored_member(&w, "two");
	expect_text(&w, "one, two");
	put(&w, 0x1f, 8);
	expect_text(&w, "one, two");
	put_bytes(&w, "\0\0\0padding", 10);
	expect_text(&w, "one, two");
}

static void an_empty_file_is_no_error(void **state)
{
	struct writer w = { 0 };

	(void)state;
	put_stored_member(&w, "");
	expect_text(&w, "");
}

static void never_writes_beyond_the_capacity(void **state)
{
	struct unpack_result result;
	char text[512];
	size_t len = dynamic_text(text, sizeof(text));

	(void)state;
	for (size_t capacity = 0; capacity < len; capacity++) {
		/* A buffer of that very size: the sanitizer and valgrind watch its end. */
		uint8_t *out = malloc(capacity + !capacity);

		assert_int_equal(unpack(dynamic_gz, sizeof(dynamic_gz), out, capacity, &result), -ENOSPC);
		assert_int_equal(result.size, capacity);
		assert_memory_equal(out, text, capacity);
		free(out);
	}
}

static void truncation_is_noticed_at_every_byte(void **state)
{
	struct unpack_result result;
	uint8_t out[512];

	(void)state;
	for (size_t size = 2; size < sizeof(dynamic_gz); size++) {
		assert_int_equal(unpack(dynamic_gz, size, out, sizeof(out), &result), -ENODATA);
		assert_string_equal(result.reason, "it ends too early");
	}
	for (size_t size = 2; size < sizeof(fixed_gz); size++)
		assert_int_equal(unpack(fixed_gz, size, out, sizeof(out), &result), -ENODATA);
	for (size_t size = 0; size < 2; size++)
		assert_int_equal(unpack(fixed_gz, size, out, sizeof(out), &result), -EBADMSG);
}

/* The CRC finds every flipped bit that is not in a field without meaning (time, flags of the packer). */
static void a_flipped_bit_never_changes_the_output_unnoticed(void **state)
{
	struct unpack_result result;
	uint8_t data[sizeof(dynamic_gz)], out[512];
	char text[512];
	size_t len = dynamic_text(text, sizeof(text));

	(void)state;
	for (size_t bit = 0; bit < sizeof(data) * 8; bit++) {
		int ret;

		memcpy(data, dynamic_gz, sizeof(data));
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ret = unpack(data, sizeof(data), out, sizeof(out), &result);
		if (bit / 8 >= 4 && bit / 8 < 10) {
			assert_int_equal(ret, 0);
		} else if (ret == 0) {
			assert_int_equal(result.size, len);
			assert_memory_equal(out, text, len);
		} else {
			assert_non_null(result.reason);
		}
		if (bit / 8 >= sizeof(data) - 8)
			assert_int_equal(ret, -EBADMSG);
	}
}

static void an_error_of_the_input_is_passed_on(void **state)
{
	struct source s = { .data = dynamic_gz, .size = 40, .piece = 7, .error = -EIO };
	struct unpack_input in = { .fill = fill, .opaque = &s };
	struct unpack_result result;
	uint8_t out[512];

	(void)state;
	assert_int_equal(gunzip(&in, out, sizeof(out), &result), -EIO);
	assert_null(result.reason);
}

static void refuses_what_is_no_gzip_file(void **state)
{
	struct writer w = { 0 };

	(void)state;
	put_bytes(&w,
		  "\x7f"
		  "ELF and so on and so on",
		  24);
	expect_corrupt(&w, "it is no gzip file");
}

static void refuses_other_methods_and_unknown_flags(void **state)
{
	struct writer w = { 0 };

	(void)state;
	put_stored_member(&w, "text");
	w.data[2] = 7;
	expect_corrupt(&w, "an unknown compression method");
	w.data[2] = 8;
	for (unsigned int flag = 0x20; flag < 0x100; flag <<= 1) {
		w.data[3] = (uint8_t)flag;
		expect_corrupt(&w, "unknown header flags");
	}
}

static void refuses_wrong_sums(void **state)
{
	struct writer w = { 0 };

	(void)state;
	put_stored_member(&w, "text");
	w.data[w.bits / 8 - 1] ^= 1;
	expect_corrupt(&w, "the length is not the one it names");
	w.data[w.bits / 8 - 1] ^= 1;
	w.data[w.bits / 8 - 5] ^= 1;
	expect_corrupt(&w, "the CRC-32 does not match");
}

/* Packs data[size] with the system's gzip into *packed, malloc'ed. Returns 0, or 127 without gzip. */
static int run_gzip(const char *level, const uint8_t *data, size_t size, uint8_t **packed,
		    size_t *packed_size)
{
	FILE *from = tmpfile(), *to = tmpfile();
	int status;
	pid_t pid;

	assert_non_null(from);
	assert_non_null(to);
	assert_int_equal(fwrite(data, 1, size, from), size);
	assert_int_equal(fflush(from), 0);
	rewind(from);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (dup2(fileno(from), 0) == 0 && dup2(fileno(to), 1) == 1)
			execlp("gzip", "gzip", level, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 0) {
		assert_int_equal(fseek(to, 0, SEEK_END), 0);
		*packed_size = (size_t)ftell(to);
		*packed = malloc(*packed_size);
		assert_non_null(*packed);
		rewind(to);
		assert_int_equal(fread(*packed, 1, *packed_size, to), *packed_size);
	}
	fclose(from);
	fclose(to);
	return WEXITSTATUS(status);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Noise, text, long runs, skewed frequencies (long codes), far repeats: more than one window of each. */
static size_t mixed_data(uint8_t *data, size_t size)
{
	uint32_t seed = 1;
	size_t at = 0;

	while (at < size) {
		uint32_t kind = next_random(&seed) % 5;
		size_t n = next_random(&seed) % 60000;

		for (; n && at < size; n--, at++) {
			uint32_t r = next_random(&seed);

			switch (kind) {
			case 0:
				data[at] = (uint8_t)r;
				break;
			case 1:
				data[at] = (uint8_t) "etaoin shrdlu\n"[r % 14];
				break;
			case 2:
				data[at] = 0;
				break;
			case 3:
				data[at] = (uint8_t)(r ? __builtin_ctz(r) * 7 : 200);
				break;
			default:
				data[at] = at > 32768 ? data[at - 32768] : 1;
			}
		}
	}
	return at;
}

static void unpacks_what_gzip_packs(void **state)
{
	static const char *const levels[] = { "-1", "-6", "-9" };
	static const size_t sizes[] = { 0, 1, 2, 3, 257, 65535, 65536, 1000000 };
	uint8_t *data = malloc(1000000), *out = malloc(1000001);

	(void)state;
	mixed_data(data, 1000000);
	for (size_t i = 0; i < 3 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct unpack_result result;
		size_t size = sizes[i / 3], packed_size = 0;
		uint8_t *packed = NULL;
		int status = run_gzip(levels[i % 3], data, size, &packed, &packed_size);

		if (status == 127) {
			print_message("no gzip on this machine\n");
			free(data);
			free(out);
			skip();
		}
		assert_int_equal(status, 0);
		memset(out, 0xee, size + 1);
		assert_int_equal(unpack(packed, packed_size, out, size, &result), 0);
		assert_int_equal(result.size, size);
		assert_memory_equal(out, data, size);
		assert_int_equal(out[size], 0xee);
		free(packed);
	}
	free(data);
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unpacks_fixed_codes),
		cmocka_unit_test(unpacks_dynamic_codes_from_pieces_of_any_size),
		cmocka_unit_test(skips_every_optional_header_field),
		cmocka_unit_test(joins_members_and_ignores_what_follows_them),
		cmocka_unit_test(an_empty_file_is_no_error),
		cmocka_unit_test(never_writes_beyond_the_capacity),
		cmocka_unit_test(truncation_is_noticed_at_every_byte),
		cmocka_unit_test(a_flipped_bit_never_changes_the_output_unnoticed),
		cmocka_unit_test(an_error_of_the_input_is_passed_on),
		cmocka_unit_test(refuses_what_is_no_gzip_file),
		cmocka_unit_test(refuses_other_methods_and_unknown_flags),
		cmocka_unit_test(refuses_wrong_sums),
		cmocka_unit_test(unpacks_what_gzip_packs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
