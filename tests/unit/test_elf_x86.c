// SPDX-License-Identifier: BSD-2-Clause
/*
 * ELF kernels: System V ABI, "Object Files"; the PVH entry and its start info: Xen, docs/misc/pvh.pandoc
 * and xen/include/public/arch-x86/hvm/start_info.h.
 */
#include "tests/unit/boot_rig.h"

#include <elf.h>

#define TEXT      0x1000000ULL
#define TEXT_SIZE 0x3000ULL
#define DATA      0x1400000ULL
#define DATA_SIZE 0x1234ULL
#define BSS_SIZE  0x5000ULL
#define ENTRY     (TEXT + 0x40)
#define PVH_ENTRY (TEXT + 0x80)
#define TEXT_AT   0x1000
#define DATA_AT   0x4000
#define NOTES_AT  0x6000
#define FILE_SIZE 0x7000

enum { PH_TEXT, PH_DATA, PH_NOTE, PH_COUNT };

/* A small vmlinux: text, data with bss, and room for notes. */
static struct {
	uint8_t data[FILE_SIZE];
	Elf64_Ehdr *header;
	Elf64_Phdr *segment;
	uint64_t notes_size;
} elf;

static void make_elf(void)
{
	fill_pattern(elf.data, sizeof(elf.data), 5);
	elf.header = (Elf64_Ehdr *)elf.data;
	elf.segment = (Elf64_Phdr *)(elf.data + sizeof(Elf64_Ehdr));
	*elf.header = (Elf64_Ehdr){
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = ENTRY,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = PH_COUNT,
	};
	elf.segment[PH_TEXT] = (Elf64_Phdr){ .p_type = PT_LOAD,
					     .p_offset = TEXT_AT,
					     .p_vaddr = 0xffffffff81000000,
					     .p_paddr = TEXT,
					     .p_filesz = TEXT_SIZE,
					     .p_memsz = TEXT_SIZE };
	elf.segment[PH_DATA] = (Elf64_Phdr){ .p_type = PT_LOAD,
					     .p_offset = DATA_AT,
					     .p_vaddr = 0xffffffff81400000,
					     .p_paddr = DATA,
					     .p_filesz = DATA_SIZE,
					     .p_memsz = DATA_SIZE + BSS_SIZE };
	elf.segment[PH_NOTE] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = NOTES_AT, .p_align = 4 };
	elf.notes_size = 0;
}

/* Appends a note; name and description are padded to 4 bytes. */
static void add_note(const char *name, uint32_t type, const void *desc, uint32_t size)
{
	uint8_t *p = elf.data + NOTES_AT + elf.notes_size;
	uint32_t name_size = (uint32_t)strlen(name) + 1;

	put_le(p, 4, name_size);
	put_le(p + 4, 4, size);
	put_le(p + 8, 4, type);
	memcpy(p + 12, name, name_size);
	memcpy(p + 12 + (name_size + 3) / 4 * 4, desc, size);
	elf.notes_size += 12 + (name_size + 3) / 4 * 4 + (size + 3) / 4 * 4;
	elf.segment[PH_NOTE].p_filesz = elf.segment[PH_NOTE].p_memsz = elf.notes_size;
}

static void add_pvh_note(unsigned int size)
{
	uint8_t entry[16] = { 0 };

	put_le(entry, 8, PVH_ENTRY);
	add_note("Xen", 18, entry, size);
}

static int setup(void **state)
{
	int ret = rig_setup(state);

	if (ret)
		return ret;
	make_elf();
	rig_machine(*state, PLATFORM_PC, 32 * MIB, true);
	return 0;
}

static void load(struct rig *rig, bool with_initrd)
{
	rig_file(rig->kernel, elf.data, sizeof(elf.data));
	rig_boot(rig, with_initrd);
}

static void refuse(struct rig *rig, const char *why)
{
	rig_file(rig->kernel, elf.data, sizeof(elf.data));
	rig_expect_refused(rig, false, why);
	make_elf();
}

/* --- loading --- */

static void segments_go_to_their_physical_addresses(void **state)
{
	static const uint8_t zeroes[BSS_SIZE];
	struct rig *rig = *state;

	load(rig, false);
	assert_memory_equal(rig_ram(rig, TEXT, TEXT_SIZE), elf.data + TEXT_AT, TEXT_SIZE);
	assert_memory_equal(rig_ram(rig, DATA, DATA_SIZE), elf.data + DATA_AT, DATA_SIZE);
	assert_memory_equal(rig_ram(rig, DATA + DATA_SIZE, BSS_SIZE), zeroes, BSS_SIZE);
	assert_int_equal(rig_get(rig, DATA + DATA_SIZE + BSS_SIZE, 1), 0xa5);
	assert_int_equal(rig_get(rig, TEXT + TEXT_SIZE, 1), 0xa5);
	assert_int_equal(rig->boot.kernel_start, TEXT);
	assert_int_equal(rig->boot.kernel_end, DATA + DATA_SIZE + BSS_SIZE);
}

static void without_a_note_the_entry_is_the_64_bit_one(void **state)
{
	struct rig *rig = *state;
	uint64_t bp;

	rig->m.cmdline = "quiet";
	rig_file(rig->initrd, "initrd", 6);
	load(rig, true);
	assert_int_equal(rig->entry.mode, BOOT_X86_LONG64);
	assert_int_equal(rig->entry.pc, ENTRY);
	assert_int_not_equal(rig->entry.page_table, 0);

	/* There is no setup header in the file: one is made up of what startup_64 looks at. */
	bp = rig->entry.arg;
	assert_int_equal(rig_get(rig, bp + 0x1f1, 1), 0);
	assert_int_equal(rig_get(rig, bp + 0x1fe, 2), 0xaa55);
	assert_memory_equal(rig_ram(rig, bp + 0x202, 4), "HdrS", 4);
	assert_true(rig_get(rig, bp + 0x206, 2) >= 0x20c);
	assert_int_equal(rig_get(rig, bp + 0x210, 1), 0xff);
	assert_int_equal(rig_get(rig, bp + 0x211, 1), 1);
	assert_int_equal(rig_get(rig, bp + 0x218, 4), 32 * MIB - 4096);
	assert_int_equal(rig_get(rig, bp + 0x21c, 4), 6);
	assert_string_equal((const char *)rig_ram(rig, rig_get(rig, bp + 0x228, 4), 16), "quiet");
	assert_int_equal(rig_get(rig, bp + 0x238, 4), 2047);
	assert_int_equal(rig_get(rig, bp + 0x1e8, 1), 3);
}

static void position_independent_files_are_loaded_as_they_are(void **state)
{
	struct rig *rig = *state;

	elf.header->e_type = ET_DYN;
	load(rig, false);
	assert_int_equal(rig->entry.pc, ENTRY);
}

static void empty_segments_and_other_types_are_skipped(void **state)
{
	struct rig *rig = *state;

	elf.header->e_phnum = PH_COUNT + 2;
	elf.segment[PH_COUNT] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_paddr = 0, .p_offset = UINT64_MAX };
	elf.segment[PH_COUNT + 1] = (Elf64_Phdr){ .p_type = PT_GNU_STACK, .p_memsz = UINT64_MAX };
	load(rig, false);
}

/* --- PVH --- */

static void check_start_info(struct rig *rig, bool with_initrd)
{
	uint64_t info = rig->entry.arg, map, module;

	assert_int_equal(rig_get(rig, info, 4), 0x336ec578); /* magic */
	assert_int_equal(rig_get(rig, info + 4, 4), 1);      /* version */
	assert_int_equal(rig_get(rig, info + 8, 4), 0);      /* flags: not the initial domain */
	assert_int_equal(rig_get(rig, info + 12, 4), with_initrd);
	module = rig_get(rig, info + 16, 8);
	if (with_initrd) {
		assert_int_equal(rig_get(rig, module, 8), rig->m.initrd.base);
		assert_int_equal(rig_get(rig, module + 8, 8), rig->m.initrd.size);
		assert_int_equal(rig_get(rig, module + 16, 8), 0);
		assert_int_equal(rig_get(rig, module + 24, 8), 0);
	} else {
		assert_int_equal(module, 0);
	}
	assert_string_equal((const char *)rig_ram(rig, rig_get(rig, info + 24, 8), 16), "quiet");
	assert_memory_equal(rig_ram(rig, rig_get(rig, info + 32, 8), 8), "RSD PTR ", 8);

	map = rig_get(rig, info + 40, 8);
	assert_int_equal(rig_get(rig, info + 48, 4), 4);
	assert_int_equal(rig_get(rig, info + 52, 4), 0);
	static const struct {
		uint64_t base, size, type;
	} expected[] = {
		{ 0, 0x9fc00, 1 },
		{ 0x9fc00, 0x60400, 2 },
		{ 1 * MIB, 3 * GIB - 1 * MIB, 1 },
		{ 4 * GIB, 1 * GIB, 1 },
	};
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(rig_get(rig, map + 24 * i, 8), expected[i].base);
		assert_int_equal(rig_get(rig, map + 24 * i + 8, 8), expected[i].size);
		assert_int_equal(rig_get(rig, map + 24 * i + 16, 8), expected[i].type);
	}
}

static void the_note_gives_the_pvh_entry_and_the_start_info(void **state)
{
	struct rig *rig = *state;

	rig_machine(rig, PLATFORM_PC, 4 * GIB, false);
	rig->m.cmdline = "quiet";
	rig_file(rig->initrd, "initrd", 6);
	add_note("Linux", 0x101, "6.1", 4);
	add_note("Xen", 6, "linux", 6);
	add_pvh_note(8);
	load(rig, true);
	assert_int_equal(rig->entry.mode, BOOT_X86_PVH);
	assert_int_equal(rig->entry.pc, PVH_ENTRY);
	check_start_info(rig, true);
	load(rig, false);
	check_start_info(rig, false);

	/* 32-bit flat code, data, and the TSS that the ABI asks for */
	assert_int_equal(rig_get(rig, rig->entry.gdt + 0x10, 8), 0x00cf9b000000ffff);
	assert_int_equal(rig_get(rig, rig->entry.gdt + 0x18, 8), 0x00cf93000000ffff);
	assert_int_equal(rig_get(rig, rig->entry.gdt + 0x20, 8), 0x00008b0000000067);
	assert_true(rig->entry.gdt_size >= 0x28);
}

static void without_acpi_the_note_is_left_aside(void **state)
{
	struct rig *rig = *state;

	add_pvh_note(8);
	rig->m.no_acpi = true; /* a device tree can be passed by the 64-bit entry only */
	load(rig, false);
	assert_int_equal(rig->entry.mode, BOOT_X86_LONG64);
	assert_int_equal(rig->entry.pc, ENTRY);
}

static void the_note_may_hold_32_bits(void **state)
{
	struct rig *rig = *state;

	add_pvh_note(4);
	elf.header->e_entry = 0; /* not used then */
	load(rig, false);
	assert_int_equal(rig->entry.mode, BOOT_X86_PVH);
	assert_int_equal(rig->entry.pc, PVH_ENTRY);
}

static void other_notes_do_not_count(void **state)
{
	struct rig *rig = *state;

	add_note("Xen", 17, "12345678", 8);
	add_note("XEN", 18, "12345678", 8);
	add_note("Xenon", 18, "12345678", 8);
	add_note("GNU", 18, "12345678", 8);
	add_note("", 18, "12345678", 8);
	load(rig, false);
	assert_int_equal(rig->entry.mode, BOOT_X86_LONG64);
}

static void the_note_may_be_in_any_note_segment(void **state)
{
	struct rig *rig = *state;

	add_pvh_note(8);
	elf.header->e_phnum = PH_COUNT + 1;
	elf.segment[PH_COUNT] = elf.segment[PH_NOTE];
	elf.segment[PH_NOTE].p_filesz = 0;
	load(rig, false);
	assert_int_equal(rig->entry.mode, BOOT_X86_PVH);
}

static void damaged_notes_are_refused(void **state)
{
	struct rig *rig = *state;
	static const uint32_t sizes[] = { 0x7fffffff, 0x80000000, 0xfffffff0, 0xfffffffc, 0xffffffff };
	static const unsigned int wrong[] = { 0, 1, 3, 5, 7, 9, 16 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		add_pvh_note(8);
		put_le(elf.data + NOTES_AT, 4, sizes[i]);
		refuse(rig, "note");
		add_pvh_note(8);
		put_le(elf.data + NOTES_AT + 4, 4, sizes[i]);
		refuse(rig, "note");
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		add_pvh_note(wrong[i]);
		refuse(rig, "PVH note");
	}
	for (uint64_t size = 12; size < 24; size++) { /* cut within the note */
		add_pvh_note(8);
		elf.segment[PH_NOTE].p_filesz = size;
		refuse(rig, "note");
	}
	add_pvh_note(8);
	elf.segment[PH_NOTE].p_filesz = 0x10001;
	refuse(rig, "notes");
	elf.segment[PH_NOTE].p_filesz = UINT64_MAX;
	refuse(rig, "notes");
	elf.segment[PH_NOTE].p_filesz = 100;
	elf.segment[PH_NOTE].p_offset = UINT64_MAX - 50;
	refuse(rig, "truncated");
}

/* --- files that are wrong --- */

static void an_entry_outside_the_kernel_is_refused(void **state)
{
	struct rig *rig = *state;
	static const uint64_t entries[] = {
		0, TEXT - 1, TEXT + TEXT_SIZE, DATA + DATA_SIZE + BSS_SIZE, 0xffffffff81000000, UINT64_MAX
	};

	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		elf.header->e_entry = entries[i];
		refuse(rig, "ELF entry point");
		add_pvh_note(8);
		put_le(elf.data + NOTES_AT + 16, 8, entries[i]);
		refuse(rig, "PVH entry point");
	}
}

static void hostile_segments_are_refused(void **state)
{
	struct rig *rig = *state;

	elf.segment[PH_DATA].p_filesz = elf.segment[PH_DATA].p_memsz + 1;
	refuse(rig, "more bytes in the file");
	elf.segment[PH_DATA].p_paddr = 0;
	refuse(rig, "first MiB");
	elf.segment[PH_DATA].p_paddr = 0xfffff;
	refuse(rig, "first MiB");
	elf.segment[PH_DATA].p_paddr = 3 * GIB;
	refuse(rig, "no RAM");
	elf.segment[PH_DATA].p_paddr = UINT64_MAX;
	refuse(rig, "no RAM");
	elf.segment[PH_DATA].p_memsz = UINT64_MAX;
	refuse(rig, "no RAM");
	elf.segment[PH_DATA].p_memsz = UINT64_MAX - DATA + 1; /* the sum is 0 */
	refuse(rig, "no RAM");
	elf.segment[PH_DATA].p_paddr = 32 * MIB - 0x1000;
	refuse(rig, "-m 33M");
	elf.segment[PH_DATA].p_offset = UINT64_MAX;
	refuse(rig, "truncated");
	elf.segment[PH_DATA].p_offset = UINT64_MAX - DATA_SIZE + 1;
	refuse(rig, "truncated");
	elf.segment[PH_DATA].p_offset = FILE_SIZE - DATA_SIZE + 1;
	refuse(rig, "truncated");
}

static void overlapping_segments_are_refused(void **state)
{
	struct rig *rig = *state;

	elf.segment[PH_DATA].p_paddr = TEXT;
	refuse(rig, "overlap");
	elf.segment[PH_DATA].p_paddr = TEXT + TEXT_SIZE - 1;
	refuse(rig, "overlap");
	elf.segment[PH_DATA].p_paddr = TEXT - (DATA_SIZE + BSS_SIZE) + 1;
	refuse(rig, "overlap");
	elf.segment[PH_DATA].p_paddr = TEXT + TEXT_SIZE; /* side by side is fine */
	load(rig, false);
}

static void hostile_headers_are_refused(void **state)
{
	struct rig *rig = *state;

	elf.header->e_type = ET_REL;
	refuse(rig, "cannot be run");
	elf.header->e_type = ET_CORE;
	refuse(rig, "cannot be run");
	elf.header->e_phentsize = 32;
	refuse(rig, "32 bytes");
	elf.header->e_phnum = 0;
	refuse(rig, "0 ELF program headers");
	elf.header->e_phnum = 0xffff;
	refuse(rig, "65535 ELF program headers");
	elf.header->e_phoff = UINT64_MAX;
	refuse(rig, "truncated");
	elf.header->e_phoff = FILE_SIZE - PH_COUNT * sizeof(Elf64_Phdr) + 1;
	refuse(rig, "truncated");
	elf.segment[PH_TEXT].p_type = elf.segment[PH_DATA].p_type = PT_NULL;
	refuse(rig, "entry point");
}

static void files_for_other_machines_are_named(void **state)
{
	struct rig *rig = *state;

	elf.header->e_machine = EM_AARCH64;
	refuse(rig, "an ELF file for arm64");
	elf.header->e_ident[EI_CLASS] = ELFCLASS32;
	elf.header->e_machine = EM_386;
	refuse(rig, "an ELF file for 32-bit x86");
	elf.header->e_ident[EI_CLASS] = ELFCLASS32; /* x32 */
	refuse(rig, "accepted is");
	elf.header->e_ident[EI_DATA] = ELFDATA2MSB;
	refuse(rig, "accepted is");
}

static void truncation_is_noticed_everywhere(void **state)
{
	static const size_t sizes[] = { 1,
					4,
					18,
					20,
					63,
					64,
					65,
					64 + 56 * 3 - 1,
					64 + 56 * 3,
					TEXT_AT,
					TEXT_AT + TEXT_SIZE - 1,
					DATA_AT,
					DATA_AT + DATA_SIZE - 1,
					NOTES_AT,
					NOTES_AT + 11,
					NOTES_AT + 23 };
	struct rig *rig = *state;

	add_pvh_note(8);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		rig_file(rig->kernel, elf.data, sizes[i]);
		rig_expect_refused(rig, false, sizes[i] < 20 ? "accepted is" : "truncated");
	}
	rig_file(rig->kernel, elf.data, NOTES_AT + 24);
	assert_int_equal(rig_load(rig, false), 0);
}

static void random_headers_do_no_harm(void **state)
{
	struct rig *rig = *state;
	uint32_t seed = 4711;

	for (int round = 0; round < 2000; round++) {
		make_elf();
		add_note("Linux", 0x101, "6.1", 4);
		add_pvh_note(8);
		for (uint32_t n = rig_random(&seed) % 4 + 1; n; n--) {
			static const uint8_t special[] = { 0, 1, 0x7f, 0x80, 0xff };
			size_t at = rig_random(&seed) % (64 + 56 * PH_COUNT + elf.notes_size);
			uint32_t value = rig_random(&seed);

			at = at < 64 + 56 * PH_COUNT ? at : at - (64 + 56 * PH_COUNT) + NOTES_AT;
			elf.data[at] = value & 0x100 ? special[value % 5] : (uint8_t)value;
		}
		rig_file(rig->kernel, elf.data, sizeof(elf.data));
		if (rig_load(rig, false) != 0) {
			assert_int_equal(rig->err.kind, ERR_USER);
			continue;
		}
		assert_in_range(rig->boot.kernel_start, 1 * MIB, 32 * MIB);
		assert_in_range(rig->boot.kernel_end, rig->boot.kernel_start, 32 * MIB);
		assert_in_range(rig->boot.entry, rig->boot.kernel_start, rig->boot.kernel_end - 1);
	}
}

int main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		test(segments_go_to_their_physical_addresses),
		test(without_a_note_the_entry_is_the_64_bit_one),
		test(position_independent_files_are_loaded_as_they_are),
		test(empty_segments_and_other_types_are_skipped),
		test(the_note_gives_the_pvh_entry_and_the_start_info),
		test(without_acpi_the_note_is_left_aside),
		test(the_note_may_hold_32_bits),
		test(other_notes_do_not_count),
		test(the_note_may_be_in_any_note_segment),
		test(damaged_notes_are_refused),
		test(an_entry_outside_the_kernel_is_refused),
		test(hostile_segments_are_refused),
		test(overlapping_segments_are_refused),
		test(hostile_headers_are_refused),
		test(files_for_other_machines_are_named),
		test(truncation_is_noticed_everywhere),
		test(random_headers_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
