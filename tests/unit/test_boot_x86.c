// SPDX-License-Identifier: BSD-2-Clause
/*
 * bzImage kernels and all that is laid out around them, against Linux's "The Linux/x86 Boot Protocol"
 * and "Zero Page" documents. Offsets are written as those give them.
 */
#include "tests/unit/boot_rig.h"

#include <pthread.h>
#include <sys/stat.h>

#define PREF        0x1000000ULL
#define CODE_SIZE   0x6010U /* a multiple of 16 */
#define INIT_SIZE   0x500000ULL
#define SETUP_SECTS 3
#define SETUP_SIZE  ((SETUP_SECTS + 1) * 512)
#define HEADER_END  0x26c
#define BOOT_PARAMS 0x1000ULL
#define FILE_MAX    (129 * 512 + CODE_SIZE)

struct bzimage {
	uint8_t data[FILE_MAX];
	size_t size;
};

/* A kernel as Linux 6.1 would be, with noise wherever the loader has no business. */
static void make_bzimage(struct bzimage *bz)
{
	uint8_t *d = bz->data;

	fill_pattern(d, FILE_MAX, 77);
	memset(d + 0x1f1, 0, HEADER_END - 0x1f1);
	bz->size = SETUP_SIZE + CODE_SIZE;
	d[0x1f1] = SETUP_SECTS;
	put_le(d + 0x1f2, 2, 1);              /* root_flags */
	put_le(d + 0x1f4, 4, CODE_SIZE / 16); /* syssize */
	put_le(d + 0x1fe, 2, 0xaa55);         /* boot_flag */
	put_le(d + 0x200, 2, 0xeb | (HEADER_END - 0x202) << 8);
	memcpy(d + 0x202, "HdrS", 4);
	put_le(d + 0x206, 2, 0x20f);      /* version */
	d[0x211] = 0x01;                  /* loadflags: LOADED_HIGH */
	put_le(d + 0x214, 4, 0x100000);   /* code32_start */
	put_le(d + 0x22c, 4, 0x7fffffff); /* initrd_addr_max */
	put_le(d + 0x230, 4, 0x200000);   /* kernel_alignment */
	d[0x234] = 1;                     /* relocatable_kernel */
	d[0x235] = 21;                    /* min_alignment */
	put_le(d + 0x236, 2, 0x003f);     /* xloadflags */
	put_le(d + 0x238, 4, 2047);       /* cmdline_size */
	put_le(d + 0x248, 4, 0x2cc);      /* payload_offset */
	put_le(d + 0x24c, 4, 0x5000);     /* payload_length */
	put_le(d + 0x258, 8, PREF);       /* pref_address */
	put_le(d + 0x260, 4, INIT_SIZE);  /* init_size */
	put_le(d + 0x264, 4, 0x190);      /* handover_offset */
	put_le(d + 0x268, 4, 0x4000);     /* kernel_info_offset */
}

static struct bzimage bz; /* of the running test */

static int setup(void **state)
{
	int ret = rig_setup(state);

	if (ret)
		return ret;
	make_bzimage(&bz);
	rig_machine(*state, PLATFORM_PC, 64 * MIB, true);
	return 0;
}

static void write_kernel(struct rig *rig)
{
	rig_file(rig->kernel, bz.data, bz.size);
}

static void load(struct rig *rig, bool with_initrd)
{
	write_kernel(rig);
	if (rig_load(rig, with_initrd) != 0)
		fail_msg("%s", rig->err.text);
}

static void finish(struct rig *rig, const void *dtb, size_t dtb_size)
{
	if (boot_finish(&rig->boot, &rig->m, &rig->mem, dtb, dtb_size, &rig->entry, &rig->err) != 0)
		fail_msg("%s", rig->err.text);
}

static void refuse_field(struct rig *rig, size_t offset, unsigned int bytes, uint64_t value, const char *why)
{
	uint64_t before = get_le(bz.data + offset, bytes);

	put_le(bz.data + offset, bytes, value);
	write_kernel(rig);
	rig_expect_refused(rig, false, why);
	put_le(bz.data + offset, bytes, before);
}

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

/* --- boot_params --- */

static void boot_params_hold_what_the_protocol_asks_for(void **state)
{
	struct rig *rig = *state;
	uint8_t expected[4096] = { 0 };
	const uint8_t *bp;

	put_le(bz.data + 0x250, 8, 0xdead0000beef); /* a setup_data list in the file is not ours */
	rig_file(rig->initrd, "initrd", 6);
	load(rig, true);
	finish(rig, NULL, 0);

	memcpy(expected + 0x1f1, bz.data + 0x1f1, HEADER_END - 0x1f1);
	put_le(expected + 0x070, 8, 0xe0000);         /* acpi_rsdp_addr */
	put_le(expected + 0x1fa, 2, 0xffff);          /* vid_mode: normal */
	expected[0x210] = 0xff;                       /* type_of_loader: undefined */
	expected[0x211] = 0x01;                       /* loadflags: no heap */
	put_le(expected + 0x214, 4, PREF);            /* code32_start */
	put_le(expected + 0x218, 4, 64 * MIB - 4096); /* ramdisk_image */
	put_le(expected + 0x21c, 4, 6);               /* ramdisk_size */
	put_le(expected + 0x228, 4, 0x10000);         /* cmd_line_ptr */
	put_le(expected + 0x250, 8, 0);               /* setup_data */
	expected[0x1e8] = 3;                          /* e820_entries */
	put_le(expected + 0x2d0, 8, 0);               /* e820_table */
	put_le(expected + 0x2d8, 8, 0x9fc00);
	put_le(expected + 0x2e0, 4, 1);
	put_le(expected + 0x2e4, 8, 0x9fc00);
	put_le(expected + 0x2ec, 8, 0x100000 - 0x9fc00);
	put_le(expected + 0x2f4, 4, 2);
	put_le(expected + 0x2f8, 8, 0x100000);
	put_le(expected + 0x300, 8, 63 * MIB);
	put_le(expected + 0x308, 4, 1);

	bp = rig_ram(rig, BOOT_PARAMS, sizeof(expected));
	for (size_t i = 0; i < sizeof(expected); i++) {
		if (bp[i] != expected[i])
			fail_msg("boot_params offset 0x%zx: 0x%02x instead of 0x%02x", i, bp[i], expected[i]);
	}
}

static void a_longer_setup_header_is_passed_on_whole(void **state)
{
	struct rig *rig = *state;

	bz.data[0x201] = 0x290 - 0x202; /* up to what follows in boot_params */
	load(rig, false);
	finish(rig, NULL, 0);
	assert_memory_equal(rig_ram(rig, BOOT_PARAMS + HEADER_END, 0x290 - HEADER_END), bz.data + HEADER_END,
			    0x290 - HEADER_END);
	assert_int_equal(rig_get(rig, BOOT_PARAMS + 0x290, 4), 0);
}

static void ram_above_4_gib_is_in_the_e820_map(void **state)
{
	struct rig *rig = *state;

	rig_machine(rig, PLATFORM_PC, 5 * GIB, false);
	load(rig, false);
	finish(rig, NULL, 0);
	assert_int_equal(rig_get(rig, BOOT_PARAMS + 0x1e8, 1), 4);
	assert_int_equal(rig_get(rig, BOOT_PARAMS + 0x2f8, 8), 1 * MIB);
	assert_int_equal(rig_get(rig, BOOT_PARAMS + 0x300, 8), 3 * GIB - 1 * MIB);
	assert_int_equal(rig_get(rig, BOOT_PARAMS + 0x308, 4), 1);
	assert_int_equal(rig_get(rig, BOOT_PARAMS + 0x30c, 8), 4 * GIB);
	assert_int_equal(rig_get(rig, BOOT_PARAMS + 0x314, 8), 2 * GIB);
	assert_int_equal(rig_get(rig, BOOT_PARAMS + 0x31c, 4), 1);
	assert_int_equal(rig_get(rig, BOOT_PARAMS + 0x320, 8), 0);
}

/* --- the list at setup_data: u64 next, u32 type, u32 len, data --- */

#define SETUP_DTB      2
#define SETUP_RNG_SEED 9

/* The node of that type, or 0. Each lies in RAM that Linux may be told to reserve, below 640 KiB. */
static uint64_t find_setup_data(const struct rig *rig, uint32_t type, uint32_t *len)
{
	uint64_t at = rig_get(rig, BOOT_PARAMS + 0x250, 8), found = 0;

	for (unsigned int nodes = 0; at; nodes++, at = rig_get(rig, at, 8)) {
		assert_true(nodes < 8);
		assert_true(at % 8 == 0);
		assert_true(at > BOOT_PARAMS && at + 16 + rig_get(rig, at + 12, 4) <= 0x9fc00);
		if (rig_get(rig, at + 8, 4) != type)
			continue;
		assert_int_equal(found, 0);
		found = at;
		*len = (uint32_t)rig_get(rig, at + 12, 4);
	}
	return found;
}

static void setup_data_bring_the_device_tree_and_the_seed(void **state)
{
	struct rig *rig = *state;
	static uint8_t dtb[100001];
	uint64_t node;
	uint32_t len;

	fill_pattern(dtb, sizeof(dtb), 3);
	fill_pattern(rig->m.rng_seed, sizeof(rig->m.rng_seed), 99);
	rig->m.have_seeds = true;
	load(rig, false);
	finish(rig, dtb, sizeof(dtb));

	node = find_setup_data(rig, SETUP_DTB, &len);
	assert_int_not_equal(node, 0);
	assert_int_equal(len, sizeof(dtb));
	assert_memory_equal(rig_ram(rig, node + 16, len), dtb, len);
	node = find_setup_data(rig, SETUP_RNG_SEED, &len);
	assert_int_not_equal(node, 0);
	assert_int_equal(len, 32);
	assert_memory_equal(rig_ram(rig, node + 16, len), rig->m.rng_seed, len);
}

static void setup_data_hold_only_what_there_is(void **state)
{
	struct rig *rig = *state;
	uint32_t len;

	load(rig, false);
	finish(rig, "tree", 4);
	assert_int_not_equal(find_setup_data(rig, SETUP_DTB, &len), 0);
	assert_int_equal(find_setup_data(rig, SETUP_RNG_SEED, &len), 0);

	rig->m.have_seeds = true;
	finish(rig, NULL, 0);
	assert_int_equal(find_setup_data(rig, SETUP_DTB, &len), 0);
	assert_int_not_equal(find_setup_data(rig, SETUP_RNG_SEED, &len), 0);
}

static void a_device_tree_that_does_not_fit_is_an_error(void **state)
{
	struct rig *rig = *state;
	size_t max = 256 * KIB - 16;
	uint8_t *dtb = calloc(1, max + 1);

	load(rig, false);
	finish(rig, dtb, max);
	assert_true(boot_finish(&rig->boot, &rig->m, &rig->mem, dtb, max + 1, &rig->entry, &rig->err) < 0);
	assert_int_equal(rig->err.kind, ERR_HOST);
	assert_true(boot_finish(&rig->boot, &rig->m, &rig->mem, dtb, SIZE_MAX, &rig->entry, &rig->err) < 0);
	free(dtb);
}

/* --- the command line --- */

static void the_command_line_is_placed(void **state)
{
	struct rig *rig = *state;

	rig->m.cmdline = "console=ttyS0 panic=-1";
	load(rig, false);
	finish(rig, NULL, 0);
	assert_string_equal((const char *)rig_ram(rig, 0x10000, 2048), rig->m.cmdline);
	rig->m.cmdline = NULL;
	finish(rig, NULL, 0);
	assert_string_equal((const char *)rig_ram(rig, 0x10000, 2048), "");
	assert_int_equal(rig_get(rig, BOOT_PARAMS + 0x228, 4), 0x10000);
}

static void the_command_line_may_have_cmdline_size_characters(void **state)
{
	struct rig *rig = *state;
	char line[2049];

	memset(line, 'x', sizeof(line));
	line[2047] = '\0';
	rig->m.cmdline = line;
	load(rig, false);
	finish(rig, NULL, 0);
	assert_string_equal((const char *)rig_ram(rig, 0x10000, 2048), line);

	line[2047] = 'x';
	line[2048] = '\0';
	assert_int_equal(boot_finish(&rig->boot, &rig->m, &rig->mem, NULL, 0, &rig->entry, &rig->err),
			 -EINVAL);
	assert_int_equal(rig->err.kind, ERR_USER);
	assert_non_null(strstr(rig->err.text, "2048"));
	assert_non_null(strstr(rig->err.text, "2047"));
}

static void a_hostile_cmdline_size_does_not_reach_the_device_tree(void **state)
{
	struct rig *rig = *state;
	static char line[0x10001];

	memset(line, 'x', sizeof(line) - 1);
	line[0xffff] = '\0';
	rig->m.cmdline = line;
	put_le(bz.data + 0x238, 4, 0xffffffff);
	load(rig, false);
	finish(rig, "tree", 4);
	assert_string_equal((const char *)rig_ram(rig, 0x10000, 0x10000), line);
	line[0xffff] = 'x';
	assert_int_equal(boot_finish(&rig->boot, &rig->m, &rig->mem, NULL, 0, &rig->entry, &rig->err),
			 -EINVAL);
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
	assert_null(strstr(rig->err.text, "-m"));
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

/* --- processor tables --- */

/* The physical address that `va` is mapped to, or UINT64_MAX; by the book (Intel SDM, 4-level paging). */
static uint64_t translate(const struct rig *rig, uint64_t va)
{
	uint64_t table = rig->entry.page_table;

	for (int level = 4; level > 1; level--) {
		uint64_t entry = rig_get(rig, table + (va >> (12 + 9 * (level - 1)) & 511) * 8, 8);

		if ((entry & 3) != 3) /* present and writable */
			return UINT64_MAX;
		assert_int_equal(entry >> 52, 0);
		if (entry & 0x80) { /* a page */
			uint64_t size = 1ULL << (12 + 9 * (level - 1));

			assert_int_equal(entry & (size - 1) & ~0xfffULL, 0);
			return (entry & ~0xfffULL) + (va & (size - 1));
		}
		table = entry & ~0xfffULL;
	}
	return UINT64_MAX;
}

static void the_low_4_gib_are_mapped_to_themselves(void **state)
{
	struct rig *rig = *state;

	load(rig, false);
	finish(rig, NULL, 0);
	assert_int_equal(rig->entry.page_table % 4096, 0);
	for (uint64_t va = 0; va < 4 * GIB; va += 2 * MIB) {
		assert_int_equal(translate(rig, va), va);
		assert_int_equal(translate(rig, va + 0x1fffff), va + 0x1fffff);
	}
	assert_int_equal(translate(rig, 4 * GIB), UINT64_MAX);
	assert_int_equal(translate(rig, 1ULL << 39), UINT64_MAX);
	assert_int_equal(translate(rig, 0xffffffff80000000), UINT64_MAX);
}

static void segments_are_flat(void **state)
{
	struct rig *rig = *state;
	uint64_t code, data, tss;

	load(rig, false);
	finish(rig, NULL, 0);
	assert_true(rig->entry.gdt_size >= 0x30); /* the TSS descriptor has 16 bytes in 64-bit mode */
	assert_int_equal(rig_get(rig, rig->entry.gdt, 8), 0);
	code = rig_get(rig, rig->entry.gdt + 0x10, 8);
	data = rig_get(rig, rig->entry.gdt + 0x18, 8);
	tss = rig_get(rig, rig->entry.gdt + 0x20, 8);
	/* base 0, limit 0xfffff pages; present, ring 0; code is L without D, execute/read */
	assert_int_equal(code & 0xff00ff00ffffffff, 0x00009b000000ffff);
	assert_int_equal(code >> 48 & 0xff, 0xaf);
	assert_int_equal(data & 0xff00ff00ffffffff, 0x000093000000ffff);
	assert_int_equal(data >> 48 & 0xff, 0xcf);
	/* busy TSS of 104 bytes at 0 */
	assert_int_equal(tss, 0x00008b0000000067);
	assert_int_equal(rig_get(rig, rig->entry.gdt + 0x28, 8), 0);
}

static void the_reset_vector_asks_for_a_reset(void **state)
{
	static const uint8_t code[] = { 0xb0, 0xfe, 0xe6, 0x64, 0xf4, 0xeb, 0xfd };
	struct rig *rig = *state;

	load(rig, false);
	finish(rig, NULL, 0);
	assert_memory_equal(rig_ram(rig, 0xffff0, sizeof(code)), code, sizeof(code));
}

static void the_rsdp_is_where_boot_params_say(void **state)
{
	struct rig *rig = *state;
	uint64_t rsdp;
	uint8_t sum = 0;

	load(rig, false);
	finish(rig, NULL, 0);
	rsdp = rig_get(rig, BOOT_PARAMS + 0x70, 8);
	assert_memory_equal(rig_ram(rig, rsdp, 8), "RSD PTR ", 8);
	for (unsigned int i = 0; i < 36; i++)
		sum = (uint8_t)(sum + rig_get(rig, rsdp + i, 1));
	assert_int_equal(sum, 0);
}

/* --- kernels that are wrong --- */

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
#define test(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		test(the_kernel_is_read_to_its_preferred_address),
		test(a_signature_behind_the_kernel_is_left_out),
		test(no_setup_sectors_means_four),
		test(there_may_be_many_setup_sectors),
		test(a_relocatable_kernel_is_aligned),
		test(without_a_preference_the_kernel_lies_above_1_mib),
		test(code_may_be_larger_than_init_size),
		test(too_little_memory_is_refused_with_the_size_that_does),
		test(boot_params_hold_what_the_protocol_asks_for),
		test(a_longer_setup_header_is_passed_on_whole),
		test(ram_above_4_gib_is_in_the_e820_map),
		test(setup_data_bring_the_device_tree_and_the_seed),
		test(setup_data_hold_only_what_there_is),
		test(a_device_tree_that_does_not_fit_is_an_error),
		test(the_command_line_is_placed),
		test(the_command_line_may_have_cmdline_size_characters),
		test(a_hostile_cmdline_size_does_not_reach_the_device_tree),
		test(the_initrd_lies_high_on_a_page),
		test(the_initrd_stays_below_initrd_addr_max),
		test(the_initrd_may_fill_all_behind_the_kernel),
		test(an_initrd_that_can_never_fit_is_refused),
		test(a_missing_initrd_is_refused),
		test(the_low_4_gib_are_mapped_to_themselves),
		test(segments_are_flat),
		test(the_reset_vector_asks_for_a_reset),
		test(the_rsdp_is_where_boot_params_say),
		test(other_kinds_of_bzimage_are_refused),
		test(hostile_headers_are_refused),
		test(truncation_is_noticed_everywhere),
		test(wrong_files_are_named),
		test(random_headers_do_no_harm),
		test(a_kernel_may_come_from_a_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
