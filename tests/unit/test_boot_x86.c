// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a kernel finds at its 64-bit entry, against Linux's "The Linux/x86 Boot Protocol" and "Zero
 * Page" documents. Offsets are written as those give them.
 */
#include "tests/unit/bzimage_rig.h"

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
	/* base 0, limit 0xfffff pages; present, ring 0, accessed; code is L without D */
	assert_int_equal(code, 0x00af9b000000ffff);
	assert_int_equal(data, 0x00cf93000000ffff);
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

static void without_acpi_there_is_no_rsdp_to_find(void **state)
{
	struct rig *rig = *state;

	rig->m.no_acpi = true;
	load(rig, false);
	finish(rig, "tree", 4);
	assert_int_equal(rig_get(rig, BOOT_PARAMS + 0x70, 8), 0);
	for (uint64_t at = 0xe0000; at < 0x100000; at += 16) /* where Linux looks then */
		assert_memory_not_equal(rig_ram(rig, at, 8), "RSD PTR ", 8);
}

int main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, bzimage_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		test(boot_params_hold_what_the_protocol_asks_for),
		test(a_longer_setup_header_is_passed_on_whole),
		test(ram_above_4_gib_is_in_the_e820_map),
		test(setup_data_bring_the_device_tree_and_the_seed),
		test(setup_data_hold_only_what_there_is),
		test(a_device_tree_that_does_not_fit_is_an_error),
		test(the_command_line_is_placed),
		test(the_command_line_may_have_cmdline_size_characters),
		test(a_hostile_cmdline_size_does_not_reach_the_device_tree),
		test(the_low_4_gib_are_mapped_to_themselves),
		test(segments_are_flat),
		test(the_reset_vector_asks_for_a_reset),
		test(the_rsdp_is_where_boot_params_say),
		test(without_acpi_there_is_no_rsdp_to_find),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
