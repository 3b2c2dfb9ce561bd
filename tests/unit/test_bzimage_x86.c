// SPDX-License-Identifier: BSD-2-Clause
/* Loading bzImage kernels and initrds: where they go, and what is refused. */
#include "tests/unit/bzimage_rig.h"

#include <pthread.h>
#include <sys/stat.h>

/* --- placing the kernel --- */

static void the_kernel_is_read_to_its_preferred_address(void **state)
{
	struct rig *rig = *state;

	load(rig, false);
	assert_memory_equal(rig_ram(rig, PREF, CODE_SIZE), bz.data + SETUP_SIZE, CODE_SIZE);
	assert_int_equal(rig->boot.kernel_start, PREF);
	assert_int_equal(rig->boot.kernel_end, PREF + INIT_SIZE);
	assert_int_equal(rig->m.initrd.size, 0);
	/* nothing around it */
	assert_int_equal(rig_get(rig, PREF - 8, 8), 0xa5a5a5a5a5a5a5a5);
	assert_int_equal(rig_get(rig, PREF + CODE_SIZE, 8), 0xa5a5a5a5a5a5a5a5);

	finish(rig, NULL, 0);
	assert_int_equal(rig->entry.mode, BOOT_X86_LONG64);
	assert_int_equal(rig->entry.pc, PREF + 0x200);
	assert_int_equal(rig->entry.arg, BOOT_PARAMS);
}

static void a_signature_behind_the_kernel_is_left_out(void **state)
{
	struct rig *rig = *state;

	bz.size += 1472;
	load(rig, false);
	assert_int_equal(rig_get(rig, PREF + CODE_SIZE, 8), 0xa5a5a5a5a5a5a5a5);
}

static void no_setup_sectors_means_four(void **state)
{
	struct rig *rig = *state;

	bz.data[0x1f1] = 0;
	bz.size = 5 * 512 + CODE_SIZE;
	load(rig, false);
	assert_memory_equal(rig_ram(rig, PREF, CODE_SIZE), bz.data + 5 * 512, CODE_SIZE);
}

static void there_may_be_many_setup_sectors(void **state)
{
	struct rig *rig = *state;

	bz.data[0x1f1] = 127;
	bz.size = 128 * 512 + CODE_SIZE;
	load(rig, false);
	assert_memory_equal(rig_ram(rig, PREF, CODE_SIZE), bz.data + 128 * 512, CODE_SIZE);
}

static void a_relocatable_kernel_is_aligned(void **state)
{
	struct rig *rig = *state;

	put_le(bz.data + 0x258, 8, PREF + 0x1000);
	load(rig, false);
	assert_int_equal(rig->boot.kernel_start, PREF + 0x200000);

	/* one that is not runs where it says */
	bz.data[0x234] = 0;
	load(rig, false);
	assert_int_equal(rig->boot.kernel_start, PREF + 0x1000);
}

static void without_a_preference_the_kernel_lies_above_1_mib(void **state)
{
	struct rig *rig = *state;

	put_le(bz.data + 0x258, 8, 0);
	load(rig, false);
	assert_int_equal(rig->boot.kernel_start, 0x200000);
	bz.data[0x234] = 0;
	load(rig, false);
	assert_int_equal(rig->boot.kernel_start, 0x100000);
}

static void code_may_be_larger_than_init_size(void **state)
{
	struct rig *rig = *state;

	put_le(bz.data + 0x260, 4, 0);
	load(rig, false);
	assert_int_equal(rig->boot.kernel_end, PREF + CODE_SIZE);
}

static void too_little_memory_is_refused_with_the_size_that_does(void **state)
{
	struct rig *rig = *state;

	rig_machine(rig, PLATFORM_PC, 20 * MIB, false);
	write_kernel(rig);
	rig_expect_refused(rig, false, "RAM ends at 0x1400000");
	assert_int_equal(rig_memory_asked_for(rig), 21 * MIB);
	rig_machine(rig, PLATFORM_PC, 21 * MIB, false);
	assert_int_equal(rig_load(rig, false), 0);
}

/* --- the initrd --- */

static void write_initrd(struct rig *rig, size_t size, uint8_t *data)
{
	fill_pattern(data, size, 200);
	rig_file(rig->initrd, data, size);
}

static void the_initrd_lies_high_on_a_page(void **state)
{
	static const size_t sizes[] = { 1, 4095, 4096, 4097, 1000000 };
	static uint8_t data[1000000];
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t pages = (sizes[i] + 4095) / 4096;

		write_initrd(rig, sizes[i], data);
		load(rig, true);
		assert_int_equal(rig->m.initrd.base, 64 * MIB - pages * 4096);
		assert_int_equal(rig->m.initrd.size, sizes[i]);
		assert_memory_equal(rig_ram(rig, rig->m.initrd.base, sizes[i]), data, sizes[i]);
	}
}

static void the_initrd_stays_below_initrd_addr_max(void **state)
{
	static uint8_t data[10000];
	struct rig *rig = *state;

	write_initrd(rig, sizeof(data), data);
	put_le(bz.data + 0x22c, 4, 0x37ffff8); /* the highest byte that may be used */
	load(rig, true);
	assert_int_equal(rig->m.initrd.base, 0x37fd000);
	assert_memory_equal(rig_ram(rig, rig->m.initrd.base, sizeof(data)), data, sizeof(data));
}

static void the_initrd_may_fill_all_behind_the_kernel(void **state)
{
	struct rig *rig = *state;
	uint64_t room = 64 * MIB - (PREF + INIT_SIZE);

	write_kernel(rig);
	rig_hole(rig->initrd, room);
	load(rig, true);
	assert_int_equal(rig->m.initrd.base, PREF + INIT_SIZE);

	rig_hole(rig->initrd, room + 1);
	rig_expect_refused(rig, true, "more memory");
	assert_int_equal(rig_memory_asked_for(rig), 65 * MIB);
	rig_machine(rig, PLATFORM_PC, 65 * MIB, false);
	load(rig, true);
	assert_true(rig->m.initrd.base >= PREF + INIT_SIZE);
}

static void an_initrd_that_can_never_fit_is_refused(void **state)
{
	struct rig *rig = *state;

	write_kernel(rig);
	rig_hole(rig->initrd, 10 * MIB);
	put_le(bz.data + 0x22c, 4, PREF + INIT_SIZE + 10 * MIB - 2);
	write_kernel(rig);
	rig_expect_refused(rig, true, "only");
	assert_null(strstr(rig->err.text, "(-m"));
	put_le(bz.data + 0x22c, 4, PREF + INIT_SIZE + 10 * MIB - 1);
	load(rig, true);
	put_le(bz.data + 0x22c, 4, 0);
	write_kernel(rig);
	rig_expect_refused(rig, true, "only");

	put_le(bz.data + 0x22c, 4, 0xffffffff);
	write_kernel(rig);
	rig_hole(rig->initrd, 3 * GIB);
	rig_expect_refused(rig, true, "only");
	rig_hole(rig->initrd, 1ULL << 42);
	rig_expect_refused(rig, true, "only");
}

static void a_missing_initrd_is_refused(void **state)
{
	struct rig *rig = *state;

	write_kernel(rig);
	rig_expect_refused(rig, true, "No such file");
	rig_file(rig->initrd, "", 0);
	rig_expect_refused(rig, true, "empty");
}

/* --- kernels that are wrong --- */

static void refuse_field(struct rig *rig, size_t offset, unsigned int bytes, uint64_t value, const char *why)
{
	uint64_t before = get_le(bz.data + offset, bytes);

	put_le(bz.data + offset, bytes, value);
	write_kernel(rig);
	rig_expect_refused(rig, false, why);
	put_le(bz.data + offset, bytes, before);
}

static void other_kinds_of_bzimage_are_refused(void **state)
{
	struct rig *rig = *state;

	refuse_field(rig, 0x206, 2, 0x20b, "protocol 2.11");
	refuse_field(rig, 0x206, 2, 0, "protocol 0.00");
	refuse_field(rig, 0x236, 2, 0x003e, "32-bit");
	refuse_field(rig, 0x211, 1, 0x00, "zImage");
	refuse_field(rig, 0x202, 4, 0x12345678, "accepted is");
	refuse_field(rig, 0x1fe, 2, 0, "accepted is");
}

static void hostile_headers_are_refused(void **state)
{
	struct rig *rig = *state;

	refuse_field(rig, 0x201, 1, 0, "setup header");
	refuse_field(rig, 0x201, 1, 0x61, "setup header"); /* ends before 2.12's last field */
	refuse_field(rig, 0x201, 1, 0xff, "setup header");
	refuse_field(rig, 0x201, 1, 0x8f, "setup header"); /* runs into what follows in boot_params */
	refuse_field(rig, 0x1f4, 4, 0, "size");
	refuse_field(rig, 0x1f4, 4, 0x20, "size"); /* nothing at the entry point, 0x200 */
	refuse_field(rig, 0x1f4, 4, 0xffffffff, "no RAM");
	refuse_field(rig, 0x1f4, 4, CODE_SIZE / 16 + 1, "truncated");
	refuse_field(rig, 0x1f1, 1, 255, "truncated");
	refuse_field(rig, 0x230, 4, 0, "alignment");
	refuse_field(rig, 0x230, 4, 3, "alignment");
	refuse_field(rig, 0x230, 4, 0x80000000, "alignment");
	refuse_field(rig, 0x260, 4, 0xffffffff, "no RAM");
	refuse_field(rig, 0x258, 8, 0x1000, "0x1000");
	refuse_field(rig, 0x258, 8, 0xc0000000, "0xc0000000");
	refuse_field(rig, 0x258, 8, 5 * GIB, "0x140000000");
	refuse_field(rig, 0x258, 8, UINT64_MAX, "0xffffffffffffffff");
	refuse_field(rig, 0x258, 8, 0xbfffffff, "no RAM"); /* aligned up, it leaves the range */
	write_kernel(rig);
	assert_int_equal(rig_load(rig, false), 0); /* the file is sound without those */
}

static void truncation_is_noticed_everywhere(void **state)
{
	static const size_t sizes[] = { 1,     2,     0x1f1, 0x1ff, 0x202,          0x206,     0x236,
					0x264, 0x26c, 0x28f, 0x290, SETUP_SIZE - 1, SETUP_SIZE };
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		bz.size = sizes[i];
		write_kernel(rig);
		rig_expect_refused(rig, false, sizes[i] < 0x206 ? "accepted is" : "truncated");
	}
	for (size_t size = SETUP_SIZE + 1; size < SETUP_SIZE + CODE_SIZE; size += 997) {
		bz.size = size;
		write_kernel(rig);
		rig_expect_refused(rig, false, "truncated");
	}
}

static void wrong_files_are_named(void **state)
{
	struct rig *rig = *state;
	uint8_t data[1024] = { 0 };

	memcpy(data + 0x38, "ARM\x64", 4);
	rig_file(rig->kernel, data, sizeof(data));
	rig_expect_refused(rig, false, "an arm64 Linux kernel");
	assert_non_null(strstr(rig->err.text, "accepted is"));
	rig_file(rig->kernel, "\x1f\x8b\x08", 3);
	rig_expect_refused(rig, false, "gunzip");
	rig_file(rig->kernel, "hello\n", 6);
	rig_expect_refused(rig, false, "a text file");
	memcpy(data,
	       "\x7f"
	       "ELF\x01\x01",
	       6);
	data[18] = 3;
	rig_file(rig->kernel, data, sizeof(data));
	rig_expect_refused(rig, false, "an ELF file for 32-bit x86");
}

/* Whatever the header says, what is loaded lies in RAM above 1 MiB and apart. */
static void random_headers_do_no_harm(void **state)
{
	struct rig *rig = *state;
	uint32_t seed = 12345;

	rig_file(rig->initrd, "initrd", 6);
	for (int round = 0; round < 2000; round++) {
		make_bzimage(&bz);
		for (uint32_t n = rig_random(&seed) % 4 + 1; n; n--) {
			static const uint8_t special[] = { 0, 1, 0x7f, 0x80, 0xff };
			uint32_t value = rig_random(&seed);
			size_t at = 0x1f1 + rig_random(&seed) % (HEADER_END - 0x1f1);

			bz.data[at] = value & 0x100 ? special[value % 5] : (uint8_t)value;
		}
		write_kernel(rig);
		if (rig_load(rig, true) != 0) {
			assert_int_equal(rig->err.kind, ERR_USER);
			continue;
		}
		assert_in_range(rig->boot.kernel_start, 1 * MIB, 64 * MIB);
		assert_in_range(rig->boot.kernel_end, rig->boot.kernel_start, 64 * MIB);
		assert_in_range(rig->boot.entry, rig->boot.kernel_start, rig->boot.kernel_end - 1);
		assert_in_range(rig->m.initrd.base, rig->boot.kernel_end, 64 * MIB - 6);
		finish(rig, "tree", 4);
	}
}

static void *write_to_pipe(void *path)
{
	int fd = open(path, O_WRONLY);
	ssize_t n = write(fd, bz.data, bz.size);

	close(fd);
	return n == (ssize_t)bz.size ? path : NULL;
}

static void a_kernel_may_come_from_a_pipe(void **state)
{
	struct rig *rig = *state;
	pthread_t writer;
	void *written;

	assert_int_equal(mkfifo(rig->kernel, 0600), 0);
	assert_int_equal(pthread_create(&writer, NULL, write_to_pipe, rig->kernel), 0);
	assert_int_equal(rig_load(rig, false), 0);
	assert_int_equal(pthread_join(writer, &written), 0);
	assert_non_null(written);
	assert_memory_equal(rig_ram(rig, PREF, CODE_SIZE), bz.data + SETUP_SIZE, CODE_SIZE);
}

int main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, bzimage_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		test(the_kernel_is_read_to_its_preferred_address),
		test(a_signature_behind_the_kernel_is_left_out),
		test(no_setup_sectors_means_four),
		test(there_may_be_many_setup_sectors),
		test(a_relocatable_kernel_is_aligned),
		test(without_a_preference_the_kernel_lies_above_1_mib),
		test(code_may_be_larger_than_init_size),
		test(too_little_memory_is_refused_with_the_size_that_does),
		test(the_initrd_lies_high_on_a_page),
		test(the_initrd_stays_below_initrd_addr_max),
		test(the_initrd_may_fill_all_behind_the_kernel),
		test(an_initrd_that_can_never_fit_is_refused),
		test(a_missing_initrd_is_refused),
		test(other_kinds_of_bzimage_are_refused),
		test(hostile_headers_are_refused),
		test(truncation_is_noticed_everywhere),
		test(wrong_files_are_named),
		test(random_headers_do_no_harm),
		test(a_kernel_may_come_from_a_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
