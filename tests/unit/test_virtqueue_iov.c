// SPDX-License-Identifier: BSD-2-Clause
/* The bytes of a chain, wherever its buffers begin and end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/virtio/queue.h"
#include "tests/unit/fake.h"

#define TOTAL 64
#define PARTS 8

/* Bytes 0 to 63 in pieces of these lengths, with a gap of 3 behind each. */
static const unsigned int cut[PARTS] = { 1, 16, 0, 7, 2, 30, 0, 8 };

static uint8_t room[TOTAL + 3 * PARTS];
static struct iovec iov[PARTS];

static int setup(void **state)
{
	uint8_t *at = room, value = 0;

	(void)state;
	memset(room, 0xee, sizeof(room));
	for (unsigned int i = 0; i < PARTS; i++) {
		iov[i] = (struct iovec){ at, cut[i] };
		for (unsigned int k = 0; k < cut[i]; k++)
			*at++ = value++;
		at += 3;
	}
	return 0;
}

/* What is in the pieces, and that nothing else was touched. */
static void gather(uint8_t *flat)
{
	const uint8_t *at = room;

	for (unsigned int i = 0; i < PARTS; i++) {
		memcpy(flat, at, cut[i]);
		flat += cut[i];
		at += cut[i];
		for (unsigned int k = 0; k < 3; k++)
			assert_int_equal(*at++, 0xee);
	}
}

static size_t expected_part(unsigned int offset, unsigned int len)
{
	if (offset >= TOTAL)
		return 0;
	return len < TOTAL - offset ? len : TOTAL - offset;
}

static void test_size(void **state)
{
	const struct iovec most[3] = { { room, UINT32_MAX }, { room, UINT32_MAX }, { room, 2 } };

	(void)state;
	assert_int_equal(iov_size(iov, PARTS), TOTAL);
	assert_int_equal(iov_size(iov, 0), 0);
	assert_int_equal(iov_size(iov, 2), 17);
	assert_int_equal(iov_size(most, 3), 1ULL << 33);
}

/* Every offset and length, the end and what is behind it included. */
static void test_read(void **state)
{
	(void)state;
	for (unsigned int offset = 0; offset < TOTAL + 3; offset++) {
		for (unsigned int len = 0; len < TOTAL + 3; len++) {
			size_t part = expected_part(offset, len);
			uint8_t buf[TOTAL + 3];

			memset(buf, 0xaa, sizeof(buf));
			assert_int_equal(iov_read(iov, PARTS, offset, buf, len), part);
			for (unsigned int i = 0; i < sizeof(buf); i++)
				assert_int_equal(buf[i], i < part ? offset + i : 0xaa);
		}
	}
}

static void test_write_and_zero(void **state)
{
	uint8_t flat[TOTAL], data[TOTAL + 3];

	memset(data, 0x99, sizeof(data));
	for (unsigned int zero = 0; zero < 2; zero++) {
		for (unsigned int offset = 0; offset < TOTAL + 3; offset++) {
			for (unsigned int len = 0; len < TOTAL + 3; len++) {
				size_t part = expected_part(offset, len), done;

				setup(state);
				done = zero ? iov_zero(iov, PARTS, offset, len)
					    : iov_write(iov, PARTS, offset, data, len);
				assert_int_equal(done, part);
				gather(flat);
				for (unsigned int i = 0; i < TOTAL; i++) {
					bool in = i >= offset && i - offset < part;

					assert_int_equal(flat[i], in ? (zero ? 0 : 0x99) : i);
				}
			}
		}
	}
}

/* A slice has those bytes and no others, in pieces that are not empty. */
static void test_slice(void **state)
{
	(void)state;
	for (unsigned int offset = 0; offset < TOTAL + 3; offset++) {
		for (unsigned int len = 1; len < TOTAL + 3; len++) {
			struct iovec part[PARTS];
			unsigned int nr = iov_slice(iov, PARTS, offset, len, part, PARTS);
			uint8_t buf[TOTAL + 3];

			if (expected_part(offset, len) < len) {
				assert_int_equal(nr, 0); /* all or nothing */
				continue;
			}
			assert_true(nr > 0);
			for (unsigned int i = 0; i < nr; i++)
				assert_true(part[i].iov_len > 0);
			assert_int_equal(iov_size(part, nr), len);
			assert_int_equal(iov_read(part, nr, 0, buf, sizeof(buf)), len);
			for (unsigned int i = 0; i < len; i++)
				assert_int_equal(buf[i], offset + i);
		}
	}
}

static void test_slice_without_room(void **state)
{
	struct iovec part[PARTS];

	(void)state;
	assert_int_equal(iov_slice(iov, PARTS, 0, 24, part, 3), 3); /* 1 + 16 + 7 */
	assert_int_equal(iov_slice(iov, PARTS, 0, 25, part, 3), 0);
	assert_int_equal(iov_slice(iov, PARTS, 0, 24, part, 2), 0);
	assert_int_equal(iov_slice(iov, PARTS, 0, 1, part, 0), 0);
	assert_int_equal(iov_slice(iov, PARTS, 0, 0, part, PARTS), 0);
}

/* Offsets and lengths of 64 bits. */
static void test_far_away(void **state)
{
	struct iovec part[PARTS];
	uint8_t buf[1];

	(void)state;
	assert_int_equal(iov_read(iov, PARTS, UINT64_MAX, buf, 1), 0);
	assert_int_equal(iov_write(iov, PARTS, 1ULL << 32, buf, 1), 0);
	assert_int_equal(iov_zero(iov, PARTS, 1ULL << 63, SIZE_MAX), 0);
	assert_int_equal(iov_slice(iov, PARTS, 1, UINT64_MAX, part, PARTS), 0);
	assert_int_equal(iov_slice(iov, PARTS, UINT64_MAX, UINT64_MAX, part, PARTS), 0);
	assert_int_equal(iov_zero(iov, PARTS, 60, SIZE_MAX), 4);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_size),
		TEST(test_read),
		TEST(test_write_and_zero),
		TEST(test_slice),
		TEST(test_slice_without_room),
		TEST(test_far_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
