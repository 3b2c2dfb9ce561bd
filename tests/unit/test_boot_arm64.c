// SPDX-License-Identifier: BSD-2-Clause
/* arm64 kernels, against Linux's "Booting AArch64 Linux" document, and the EFI zboot wrapping. */
#include "tests/unit/boot_rig.h"

#include "tests/unit/packer.h"

#define RAM         0x80000000ULL
#define IMAGE_BYTES 0x21000U /* in the file */
#define IMAGE_SIZE  0x300000ULL
#define PE_AT       0x40

static uint8_t image[IMAGE_BYTES];

static void make_image(void)
{
	fill_pattern(image, sizeof(image), 11);
	memset(image, 0, 64);
	put_le(image + 0, 4, 0x91005a4d);  /* code0, also "MZ" */
	put_le(image + 4, 4, 0x14000000);  /* code1 */
	put_le(image + 8, 8, 0);           /* text_offset */
	put_le(image + 16, 8, IMAGE_SIZE); /* image_size */
	put_le(image + 24, 8, 0xa);        /* flags: little-endian, 4K pages, anywhere */
	memcpy(image + 56, "ARM\x64", 4);
	put_le(image + 60, 4, PE_AT);
	/* PE header: two sections that reach to the file's end */
	memset(image + PE_AT, 0, 24 + 16 + 80);
	memcpy(image + PE_AT, "PE\0\0\x64\xaa", 6);
	put_le(image + PE_AT + 6, 2, 2);
	put_le(image + PE_AT + 20, 2, 16);
	put_le(image + PE_AT + 24 + 16 + 16, 4, 0x10000); /* size and offset in the file */
	put_le(image + PE_AT + 24 + 16 + 20, 4, 0x1000);
	put_le(image + PE_AT + 24 + 16 + 40 + 16, 4, 0x10000);
	put_le(image + PE_AT + 24 + 16 + 40 + 20, 4, 0x11000);
}

static int setup(void **state)
{
	int ret = rig_setup(state);

	if (ret)
		return ret;
	make_image();
	rig_machine(*state, PLATFORM_ARM, 32 * MIB, true);
	return 0;
}

static void load(struct rig *rig, bool with_initrd)
{
	if (rig_load(rig, with_initrd) != 0)
		fail_msg("%s", rig->err.text);
}

static void load_image(struct rig *rig)
{
	rig_file(rig->kernel, image, sizeof(image));
	load(rig, false);
}

static void refuse_image(struct rig *rig, const char *why)
{
	rig_file(rig->kernel, image, sizeof(image));
	rig_expect_refused(rig, false, why);
	make_image();
}

static void expect_kernel_at(const struct rig *rig, uint64_t address)
{
	assert_memory_equal(rig_ram(rig, address, IMAGE_BYTES), image, IMAGE_BYTES);
	assert_int_equal(rig->boot.kernel_start, address);
	assert_int_equal(rig->boot.entry, address);
}

/* --- raw Images --- */

static void an_image_lies_at_its_offset(void **state)
{
	struct rig *rig = *state;

	load_image(rig);
	expect_kernel_at(rig, RAM);
	assert_int_equal(rig->boot.kernel_end, RAM + IMAGE_SIZE);

	put_le(image + 8, 8, 0x80000);
	load_image(rig);
	expect_kernel_at(rig, RAM + 0x80000);
	assert_int_equal(rig->boot.kernel_end, RAM + 0x80000 + IMAGE_SIZE);
}

static void an_old_image_without_a_size_lies_at_0x80000(void **state)
{
	struct rig *rig = *state;

	put_le(image + 16, 8, 0);
	put_le(image + 8, 8, 0x0000080000000000); /* of unknown byte order then */
	load_image(rig);
	expect_kernel_at(rig, RAM + 0x80000);
	assert_int_equal(rig->boot.kernel_end, RAM + 0x80000 + IMAGE_BYTES);
}

static void images_of_any_flags_are_loaded(void **state)
{
	struct rig *rig = *state;

	for (unsigned int flags = 0; flags < 16; flags++) {
		put_le(image + 24, 8, flags);
		load_image(rig);
		expect_kernel_at(rig, RAM);
	}
}

static void an_image_need_not_be_an_efi_program(void **state)
{
	struct rig *rig = *state;

	put_le(image, 4, 0xd503201f); /* a nop instead of "MZ" */
	put_le(image + 60, 4, 0xffffffff);
	load_image(rig);
	expect_kernel_at(rig, RAM);

	make_image();
	image[PE_AT] = 'X'; /* the PE header is none */
	load_image(rig);
	expect_kernel_at(rig, RAM);
}

static void a_file_larger_than_image_size_is_loaded_whole(void **state)
{
	struct rig *rig = *state;

	put_le(image + 16, 8, 0x1000);
	load_image(rig);
	expect_kernel_at(rig, RAM);
	assert_int_equal(rig->boot.kernel_end, RAM + IMAGE_BYTES);
}

static void truncated_images_are_noticed_by_their_sections(void **state)
{
	static const size_t sizes[] = {
		64, PE_AT + 23, PE_AT + 24 + 16 + 79, 0x1000, 0x11000, IMAGE_BYTES - 1
	};
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		rig_file(rig->kernel, image, sizes[i]);
		rig_expect_refused(rig, false, "truncated");
	}
	for (size_t size = 1; size < 60; size += 7) {
		rig_file(rig->kernel, image, size);
		rig_expect_refused(rig, false, "accepted is");
	}
}

static void hostile_headers_are_refused(void **state)
{
	struct rig *rig = *state;

	put_le(image + 8, 8, UINT64_MAX);
	refuse_image(rig, "text_offset");
	put_le(image + 8, 8, UINT64_MAX - RAM + 1); /* the sum is 0 */
	refuse_image(rig, "text_offset");
	put_le(image + 8, 8, UINT64_MAX - RAM);
	refuse_image(rig, "no RAM");
	put_le(image + 8, 8, 1ULL << 50);
	refuse_image(rig, "no RAM");
	put_le(image + 16, 8, UINT64_MAX);
	refuse_image(rig, "no RAM");
	put_le(image + 16, 8, UINT64_MAX - RAM + 1);
	refuse_image(rig, "no RAM");
	put_le(image + 8, 8, 32 * MIB - IMAGE_SIZE + 1);
	refuse_image(rig, "-m 33M");
	put_le(image + 8, 8, 32 * MIB - 0x1000); /* image_size fits, the file does not */
	put_le(image + 16, 8, 0x1000);
	refuse_image(rig, "-m 33M");
	put_le(image + PE_AT + 6, 2, 0xffff);
	refuse_image(rig, "truncated");
	put_le(image + PE_AT + 24 + 16 + 16, 4, 0xffffffff);
	refuse_image(rig, "truncated");
	put_le(image + PE_AT + 20, 2, 0xffff);
	put_le(image + 60, 4, IMAGE_BYTES - 24);
	memcpy(image + IMAGE_BYTES - 24, image + PE_AT, 24);
	refuse_image(rig, "truncated");
}

static void wrong_files_are_named(void **state)
{
	struct rig *rig = *state;
	uint8_t data[1024] = { 0 };

	memcpy(data + 0x202, "HdrS", 4);
	rig_file(rig->kernel, data, sizeof(data));
	rig_expect_refused(rig, false, "an x86 Linux kernel (bzImage)");
	assert_non_null(strstr(rig->err.text, "accepted is"));
	memcpy(data,
	       "\x7f"
	       "ELF\x02\x01",
	       6);
	data[18] = 183;
	rig_file(rig->kernel, data, sizeof(data));
	rig_expect_refused(rig, false, "an ELF file for arm64");
	rig_file(rig->kernel, "BZh91AY&SY", 10);
	rig_expect_refused(rig, false, "bunzip2");
}

/* --- packed Images --- */

#define PACKED_MAX    (IMAGE_BYTES + 1024)
#define ZBOOT_PAYLOAD 0x100

static uint8_t packed[ZBOOT_PAYLOAD + PACKED_MAX + 16];

static size_t make_zboot(const char *compression, enum packing packing, const uint8_t *data, size_t size)
{
	size_t payload_size = pack(packing, data, size, packed + ZBOOT_PAYLOAD, PACKED_MAX);

	memset(packed, 0, ZBOOT_PAYLOAD);
	memcpy(packed, "MZ\0\0zimg", 8);
	put_le(packed + 8, 4, ZBOOT_PAYLOAD);
	put_le(packed + 12, 4, payload_size);
	memcpy(packed + 24, compression, strlen(compression));
	put_le(packed + 0x38, 4, 0x818223cd);
	memset(packed + ZBOOT_PAYLOAD + payload_size, 0xdd, 16); /* the stub that unpacks it under EFI */
	return ZBOOT_PAYLOAD + payload_size + 16;
}

static void a_packed_file_is_unpacked(void **state)
{
	struct rig *rig = *state;

	put_le(image + 8, 8, 0x80000);
	for (enum packing p = PACKED_GZIP; p <= PACKED_ZSTD; p++) {
		rig_file(rig->kernel, packed, pack(p, image, sizeof(image), packed, sizeof(packed)));
		load(rig, false);
		expect_kernel_at(rig, RAM + 0x80000);
		assert_int_equal(rig->boot.kernel_end, RAM + 0x80000 + IMAGE_SIZE);
		/* libzstd may write some bytes more than it has. */
		assert_int_equal(rig_get(rig, RAM + 0x80000 + IMAGE_BYTES + (p == PACKED_ZSTD ? 64 : 0), 1),
				 0xa5);
	}
}

static void a_zboot_image_is_unpacked(void **state)
{
	static const struct {
		const char *name;
		enum packing packing;
	} known[] = { { "gzip", PACKED_GZIP },
		      { "xzkern", PACKED_XZ },
		      { "xz", PACKED_XZ },
		      { "zstd22", PACKED_ZSTD },
		      { "zstd", PACKED_ZSTD } };
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		rig_file(rig->kernel, packed,
			 make_zboot(known[i].name, known[i].packing, image, sizeof(image)));
		load(rig, false);
		expect_kernel_at(rig, RAM);
		assert_int_equal(rig->boot.kernel_end, RAM + IMAGE_SIZE);
	}
	/* What the name says counts. */
	rig_file(rig->kernel, packed, make_zboot("zstd22", PACKED_XZ, image, sizeof(image)));
	rig_expect_refused(rig, false, "no Zstandard file");
	rig_file(rig->kernel, packed, make_zboot("xzkern", PACKED_ZSTD, image, sizeof(image)));
	rig_expect_refused(rig, false, "no xz file");
}

static void other_compressions_are_named_with_the_way_out(void **state)
{
	static const struct {
		const char *name, *command;
	} known[] = { { "lzma", "| xz -d -F lzma > Image" },
		      { "lz4", "| lz4 -d > Image" },
		      { "lzo", "| lzop -d > Image" } };
	struct rig *rig = *state;
	char hint[160];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		rig_file(rig->kernel, packed, make_zboot(known[i].name, PACKED_GZIP, image, sizeof(image)));
		rig_expect_refused(rig, false, known[i].name);
		assert_non_null(strstr(rig->err.text, known[i].command));
		snprintf(hint, sizeof(hint), "tail -c +257 %s | head -c %zu |", rig->kernel,
			 pack(PACKED_GZIP, image, sizeof(image), packed, sizeof(packed)));
		assert_non_null(strstr(rig->err.text, hint));
	}
	rig_file(rig->kernel, packed, make_zboot("a\n\033b", PACKED_GZIP, image, sizeof(image)));
	rig_expect_refused(rig, false, "a??b");
	rig_file(rig->kernel, packed,
		 make_zboot("gzip-and-a-name-without-its-end!", PACKED_GZIP, image, sizeof(image)));
	rig_expect_refused(rig, false, "gzip-and-a-name-without-its-end!");
}

static void damaged_packed_kernels_are_refused(void **state)
{
	struct rig *rig = *state;
	size_t size = pack(PACKED_GZIP, image, sizeof(image), packed, sizeof(packed));
	static const size_t cuts[] = { 2, 9, 10, 14, 40, 80, 1000, 60000 };

	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		rig_file(rig->kernel, packed, cuts[i]);
		rig_expect_refused(rig, false, "truncated");
	}
	for (size_t cut = 1; cut < 9; cut++) {
		rig_file(rig->kernel, packed, size - cut);
		rig_expect_refused(rig, false, "ends too early");
	}
	packed[size - 1] ^= 1;
	rig_file(rig->kernel, packed, size);
	rig_expect_refused(rig, false, "length");
	packed[size - 1] ^= 1;
	packed[size / 2] ^= 1;
	rig_file(rig->kernel, packed, size);
	rig_expect_refused(rig, false, "CRC-32");
	packed[size / 2] ^= 1;

	image[56] = 'X';
	rig_file(rig->kernel, packed, pack(PACKED_GZIP, image, sizeof(image), packed, sizeof(packed)));
	rig_expect_refused(rig, false, "no arm64 Image");
	rig_file(rig->kernel, packed, pack(PACKED_GZIP, image, 10, packed, sizeof(packed)));
	rig_expect_refused(rig, false, "no arm64 Image");
}

static void damaged_kernels_of_the_libraries_too(void **state)
{
	struct rig *rig = *state;

	for (enum packing p = PACKED_XZ; p <= PACKED_ZSTD; p++) {
		size_t size = pack(p, image, sizeof(image), packed, sizeof(packed));

		/* As far as the Image's header and beyond it. */
		rig_file(rig->kernel, packed, 10);
		rig_expect_refused(rig, false, "truncated");
		rig_file(rig->kernel, packed, size / 2);
		rig_expect_refused(rig, false, "ends too early");
		packed[size / 2] ^= 1;
		rig_file(rig->kernel, packed, size);
		rig_expect_refused(rig, false, "it cannot be unpacked");
		packed[size / 2] ^= 1;
		rig_file(rig->kernel, packed, pack(p, "no Image at all", 16, packed, sizeof(packed)));
		rig_expect_refused(rig, false, "no arm64 Image");
	}
}

static void hostile_zboot_headers_are_refused(void **state)
{
	static const struct {
		uint32_t offset, size;
	} hostile[] = { { 0, 100 },
			{ 63, 100 },
			{ 0xffffffff, 1 },
			{ 1, 0xffffffff },
			{ 0x80, 0xffffffff },
			{ 0xffffffff, 0xffffffff },
			{ IMAGE_BYTES * 2, 0 } };
	struct rig *rig = *state;
	size_t size = make_zboot("gzip", PACKED_GZIP, image, sizeof(image));

	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		put_le(packed + 8, 4, hostile[i].offset);
		put_le(packed + 12, 4, hostile[i].size);
		rig_file(rig->kernel, packed, size);
		rig_expect_refused(rig, false, "payload");
	}
	put_le(packed + 8, 4, ZBOOT_PAYLOAD);
	put_le(packed + 12, 4, 0);
	rig_file(rig->kernel, packed, size);
	rig_expect_refused(rig, false, "unpacked");
	put_le(packed + 8, 4, ZBOOT_PAYLOAD + 1);
	put_le(packed + 12, 4, 1000);
	rig_file(rig->kernel, packed, size);
	rig_expect_refused(rig, false, "no gzip file");
}

static void what_unpacks_to_more_than_ram_is_refused(void **state)
{
	struct rig *rig = *state;

	put_le(image + 8, 8, 32 * MIB - 0x1000);
	put_le(image + 16, 8, 0x1000);
	rig_file(rig->kernel, packed, pack(PACKED_GZIP, image, sizeof(image), packed, sizeof(packed)));
	rig_expect_refused(rig, false, "unpacks to more");
	assert_non_null(strstr(rig->err.text, "(-m)"));
}

/* --- initrd, device tree, command line --- */

/* Checks what the document asks of the three places. */
static void check_places(const struct rig *rig, size_t dtb_size)
{
	const struct machine_range *initrd = &rig->m.initrd;
	uint64_t dtb = rig->entry.arg, end = RAM + rig->m.ram[0].size;

	assert_int_equal(dtb % 8, 0);
	/* in 2 MiB blocks of its own: it is mapped by such */
	assert_true(dtb / (2 * MIB) > (rig->boot.kernel_end - 1) / (2 * MIB));
	assert_true(dtb + dtb_size <= end);
	assert_true(dtb + dtb_size <= RAM + 512 * MIB);
	if (!initrd->size)
		return;
	assert_int_equal(initrd->base % 4096, 0);
	assert_true(initrd->base >= rig->boot.kernel_end);
	assert_true(initrd->base + initrd->size <= end);
	assert_true(initrd->base + initrd->size <= RAM + 32 * GIB);
	assert_true(dtb + dtb_size <= initrd->base || dtb >= initrd->base + initrd->size);
}

static void finish(struct rig *rig, const void *dtb, size_t dtb_size)
{
	if (boot_finish(&rig->boot, &rig->m, &rig->mem, dtb, dtb_size, &rig->entry, &rig->err) != 0)
		fail_msg("%s", rig->err.text);
	assert_int_equal(rig->entry.mode, BOOT_ARM64);
	assert_int_equal(rig->entry.pc, rig->boot.kernel_start);
	assert_memory_equal(rig_ram(rig, rig->entry.arg, dtb_size), dtb, dtb_size);
}

static void the_device_tree_and_the_initrd_lie_apart(void **state)
{
	static const uint64_t memory[] = { 16 * MIB, 17 * MIB, 31 * MIB, 700 * MIB };
	static const size_t sizes[] = { 1, 4096, 4097, 1000000 };
	static uint8_t initrd[1000000], dtb[2 * MIB];
	struct rig *rig = *state;

	fill_pattern(initrd, sizeof(initrd), 1);
	fill_pattern(dtb, sizeof(dtb), 2);
	rig_file(rig->kernel, image, sizeof(image));
	for (size_t i = 0; i < 4 * sizeof(memory) / sizeof(memory[0]); i++) {
		size_t size = sizes[i % 4];

		rig_machine(rig, PLATFORM_ARM, memory[i / 4], false);
		rig_file(rig->initrd, initrd, size);
		load(rig, true);
		finish(rig, dtb, sizeof(dtb));
		check_places(rig, sizeof(dtb));
		assert_int_equal(rig->m.initrd.size, size);
		assert_int_equal(rig->m.initrd.base, RAM + memory[i / 4] - (size + 4095) / 4096 * 4096);
		assert_memory_equal(rig_ram(rig, rig->m.initrd.base, size), initrd, size);
		expect_kernel_at(rig, RAM);
		load(rig, false);
		finish(rig, dtb, 100);
		check_places(rig, 100);
		assert_int_equal(rig->m.initrd.size, 0);
	}
}

static void the_initrd_stays_in_the_32_gib_window(void **state)
{
	struct rig *rig = *state;
	uint64_t window_end = RAM + 32 * GIB;
	void *low = NULL, *high = NULL;

	/* Of 64 GiB of RAM only what is used is there. */
	rig_machine(rig, PLATFORM_ARM, 16 * MIB, false);
	low = rig->mem.range[0].host;
	high = mmap(NULL, 1 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_non_null(low);
	assert_ptr_not_equal(high, MAP_FAILED);
	assert_int_equal(guest_mem_add(&rig->mem, window_end - 1 * MIB, 1 * MIB, high, false), 0);
	rig->m.ram[0].size = 64 * GIB;
	rig_file(rig->initrd, "initrd", 6);
	rig_file(rig->kernel, image, sizeof(image));
	load(rig, true);
	assert_int_equal(rig->m.initrd.base, window_end - 4096);
	assert_true(rig->boot.dtb + 2 * MIB <= RAM + 512 * MIB);
}

static void a_very_large_kernel_keeps_its_device_tree_apart(void **state)
{
	struct rig *rig = *state;

	rig_machine(rig, PLATFORM_ARM, 700 * MIB, false);
	put_le(image + 16, 8, 600 * MIB + 1);
	load_image(rig);
	assert_int_equal(rig->boot.dtb, RAM + 602 * MIB);
}

static void too_little_memory_is_refused_with_the_size_that_does(void **state)
{
	struct rig *rig = *state;

	put_le(image + 16, 8, 40 * MIB);
	rig_file(rig->kernel, image, sizeof(image));
	rig_expect_refused(rig, false, "more memory");
	assert_int_equal(rig_memory_asked_for(rig), 40 * MIB);
	rig_machine(rig, PLATFORM_ARM, 40 * MIB, false); /* but the device tree needs room too */
	rig_expect_refused(rig, false, "more memory");
	assert_int_equal(rig_memory_asked_for(rig), 42 * MIB);
	rig_machine(rig, PLATFORM_ARM, 42 * MIB, false);
	load(rig, false);
	finish(rig, "tree", 4);

	rig_hole(rig->initrd, 5 * MIB + 1);
	rig_expect_refused(rig, true, "more memory");
	assert_int_equal(rig_memory_asked_for(rig), 48 * MIB);
	rig_machine(rig, PLATFORM_ARM, 48 * MIB, false);
	load(rig, true);
	finish(rig, "tree", 4);
	check_places(rig, 2 * MIB);

	rig_hole(rig->initrd, 33 * GIB);
	rig_expect_refused(rig, true, "only");
}

static void the_device_tree_has_at_most_2_mib(void **state)
{
	struct rig *rig = *state;
	uint8_t *dtb = calloc(1, 2 * MIB + 1);

	load_image(rig);
	finish(rig, dtb, 2 * MIB);
	assert_true(boot_finish(&rig->boot, &rig->m, &rig->mem, dtb, 2 * MIB + 1, &rig->entry, &rig->err) <
		    0);
	assert_true(boot_finish(&rig->boot, &rig->m, &rig->mem, NULL, 0, &rig->entry, &rig->err) < 0);
	free(dtb);
}

static void the_command_line_has_at_most_2047_characters(void **state)
{
	struct rig *rig = *state;
	char line[2049];

	memset(line, 'x', sizeof(line));
	line[2047] = '\0';
	rig->m.cmdline = line;
	load_image(rig);
	finish(rig, "tree", 4);
	line[2047] = 'x';
	line[2048] = '\0';
	assert_int_equal(boot_finish(&rig->boot, &rig->m, &rig->mem, "tree", 4, &rig->entry, &rig->err),
			 -EINVAL);
	assert_int_equal(rig->err.kind, ERR_USER);
	assert_non_null(strstr(rig->err.text, "2048"));
	assert_non_null(strstr(rig->err.text, "2047"));
}

static void random_headers_do_no_harm(void **state)
{
	struct rig *rig = *state;
	uint32_t seed = 99;

	rig_file(rig->initrd, "initrd", 6);
	for (int round = 0; round < 1000; round++) {
		size_t size;

		make_image();
		for (uint32_t n = rig_random(&seed) % 3 + 1; n; n--) {
			static const uint8_t special[] = { 0, 1, 0x7f, 0x80, 0xff };
			uint32_t value = rig_random(&seed);

			image[rig_random(&seed) % 200] = value & 0x100 ? special[value % 5] : (uint8_t)value;
		}
		size = round % 2 ? make_zboot("gzip", PACKED_GZIP, image, sizeof(image)) : sizeof(image);
		if (round % 2 && round % 4 == 1)
			packed[rig_random(&seed) % 400] = (uint8_t)rig_random(&seed);
		rig_file(rig->kernel, round % 2 ? packed : image, size);
		if (rig_load(rig, true) != 0) {
			assert_int_equal(rig->err.kind, ERR_USER);
			continue;
		}
		finish(rig, "tree", 4);
		check_places(rig, 4);
		assert_in_range(rig->boot.kernel_start, RAM, RAM + 32 * MIB);
		assert_in_range(rig->boot.kernel_end, rig->boot.kernel_start, RAM + 32 * MIB);
	}
}

int main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		test(an_image_lies_at_its_offset),
		test(an_old_image_without_a_size_lies_at_0x80000),
		test(images_of_any_flags_are_loaded),
		test(an_image_need_not_be_an_efi_program),
		test(a_file_larger_than_image_size_is_loaded_whole),
		test(truncated_images_are_noticed_by_their_sections),
		test(hostile_headers_are_refused),
		test(wrong_files_are_named),
		test(a_packed_file_is_unpacked),
		test(a_zboot_image_is_unpacked),
		test(other_compressions_are_named_with_the_way_out),
		test(damaged_packed_kernels_are_refused),
		test(damaged_kernels_of_the_libraries_too),
		test(hostile_zboot_headers_are_refused),
		test(what_unpacks_to_more_than_ram_is_refused),
		test(the_device_tree_and_the_initrd_lie_apart),
		test(the_initrd_stays_in_the_32_gib_window),
		test(a_very_large_kernel_keeps_its_device_tree_apart),
		test(too_little_memory_is_refused_with_the_size_that_does),
		test(the_device_tree_has_at_most_2_mib),
		test(the_command_line_has_at_most_2047_characters),
		test(random_headers_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
