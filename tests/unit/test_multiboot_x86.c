// SPDX-License-Identifier: BSD-2-Clause
/* Multiboot kernels: GNU, "Multiboot Specification version 0.6.96". */
#include "tests/unit/boot_rig.h"

#include <elf.h>

#define TEXT      0x400000ULL
#define TEXT_AT   0x1000
#define TEXT_SIZE 0x2000ULL
#define DATA      0x500000ULL
#define DATA_AT   0x3000
#define DATA_SIZE 0x1234ULL
#define BSS_SIZE  0x5000ULL
#define ENTRY     (TEXT + 0x40)
#define HEADER_AT (TEXT_AT + 0x10)
#define FILE_SIZE 0x5000

#define MAGIC     0x1badb002
#define ADDRESSES 0x10000

/* Offsets in the Multiboot information. */
enum {
	FLAGS = 0,
	MEM_LOWER = 4,
	MEM_UPPER = 8,
	CMDLINE = 16,
	MODS_COUNT = 20,
	MODS_ADDR = 24,
	MMAP_LENGTH = 44,
	MMAP_ADDR = 48,
	LOADER_NAME = 64,
};

static struct {
	uint8_t data[FILE_SIZE];
	Elf32_Ehdr *header;
	Elf32_Phdr *segment;
} elf;

static void put_header(size_t at, uint32_t flags)
{
	put_le(elf.data + at, 4, MAGIC);
	put_le(elf.data + at + 4, 4, flags);
	put_le(elf.data + at + 8, 4, 0U - MAGIC - flags);
}

static void make_elf(void)
{
	fill_pattern(elf.data, sizeof(elf.data), 5);
	elf.header = (Elf32_Ehdr *)elf.data;
	elf.segment = (Elf32_Phdr *)(elf.data + sizeof(Elf32_Ehdr));
	*elf.header = (Elf32_Ehdr){
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_386,
		.e_version = EV_CURRENT,
		.e_entry = ENTRY,
		.e_phoff = sizeof(Elf32_Ehdr),
		.e_ehsize = sizeof(Elf32_Ehdr),
		.e_phentsize = sizeof(Elf32_Phdr),
		.e_phnum = 2,
	};
	elf.segment[0] = (Elf32_Phdr){ .p_type = PT_LOAD,
				       .p_offset = TEXT_AT,
				       .p_vaddr = 0xc0400000,
				       .p_paddr = TEXT,
				       .p_filesz = TEXT_SIZE,
				       .p_memsz = TEXT_SIZE };
	elf.segment[1] = (Elf32_Phdr){ .p_type = PT_LOAD,
				       .p_offset = DATA_AT,
				       .p_vaddr = 0xc0500000,
				       .p_paddr = DATA,
				       .p_filesz = DATA_SIZE,
				       .p_memsz = DATA_SIZE + BSS_SIZE };
	put_header(HEADER_AT, 0);
}

/* The address fields for a file that is loaded from `from` in the file on to TEXT. */
static void put_addresses(size_t at, uint32_t header_addr, uint32_t load, uint32_t load_end, uint32_t bss_end,
			  uint32_t entry)
{
	put_header(at, ADDRESSES);
	put_le(elf.data + at + 12, 4, header_addr);
	put_le(elf.data + at + 16, 4, load);
	put_le(elf.data + at + 20, 4, load_end);
	put_le(elf.data + at + 24, 4, bss_end);
	put_le(elf.data + at + 28, 4, entry);
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

static const char *text_at(const struct rig *rig, uint64_t gpa)
{
	return (const char *)rig_ram(rig, gpa, 64);
}

/* --- ELF files --- */

static void an_elf_file_is_loaded_and_entered(void **state)
{
	static const uint8_t zeroes[BSS_SIZE];
	struct rig *rig = *state;

	load(rig, false);
	assert_memory_equal(rig_ram(rig, TEXT, TEXT_SIZE), elf.data + TEXT_AT, TEXT_SIZE);
	assert_memory_equal(rig_ram(rig, DATA, DATA_SIZE), elf.data + DATA_AT, DATA_SIZE);
	assert_memory_equal(rig_ram(rig, DATA + DATA_SIZE, BSS_SIZE), zeroes, BSS_SIZE);
	assert_int_equal(rig_get(rig, DATA + DATA_SIZE + BSS_SIZE, 1), 0xa5);
	assert_int_equal(rig->boot.kernel_start, TEXT);
	assert_int_equal(rig->boot.kernel_end, DATA + DATA_SIZE + BSS_SIZE);
	assert_int_equal(rig->entry.mode, BOOT_X86_MULTIBOOT);
	assert_int_equal(rig->entry.pc, ENTRY);

	/* "Machine state": CS and DS span 4 GiB from 0, 32-bit. */
	assert_int_equal(rig_get(rig, rig->entry.gdt + 0x10, 8), 0x00cf9b000000ffff);
	assert_int_equal(rig_get(rig, rig->entry.gdt + 0x18, 8), 0x00cf93000000ffff);
}

static void the_header_may_be_anywhere_in_8_kib(void **state)
{
	struct rig *rig = *state;
	static const size_t places[] = { 0x80, 0x84, 0x1000, 8192 - 12 };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		make_elf();
		put_header(HEADER_AT, 0);
		elf.data[HEADER_AT] = 0;
		put_header(places[i], 3);
		load(rig, false);
		assert_int_equal(rig->entry.mode, BOOT_X86_MULTIBOOT);
	}
}

static void what_is_no_header_does_not_count(void **state)
{
	struct rig *rig = *state;
	static const size_t places[] = { 0x82, 0x1011, 8192 - 11, 8192 - 8, 8192 };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		elf.data[HEADER_AT] = 0;
		put_header(places[i], 0);
		refuse(rig, "an ELF file for 32-bit x86");
	}
	elf.data[HEADER_AT + 8]++; /* the checksum */
	refuse(rig, "Multiboot");
	/* Address fields that are not wholly in the first 8 KiB. */
	elf.data[HEADER_AT] = 0;
	put_addresses(8192 - 28, TEXT, TEXT, 0, 0, TEXT);
	refuse(rig, "an ELF file for 32-bit x86");
}

static void a_wrong_header_before_the_right_one_does_no_harm(void **state)
{
	struct rig *rig = *state;

	put_header(0x100, 0x4);
	elf.data[0x108]++;
	load(rig, false);
	assert_int_equal(rig->entry.mode, BOOT_X86_MULTIBOOT);
}

static void demands_that_cannot_be_met_are_refused(void **state)
{
	struct rig *rig = *state;

	put_header(HEADER_AT, 4);
	refuse(rig, "video mode");
	put_header(HEADER_AT, 7);
	refuse(rig, "video mode");
	for (unsigned int bit = 3; bit < 16; bit++) {
		put_header(HEADER_AT, 1U << bit);
		refuse(rig, "demands");
	}
	/* "Bits 16-31 indicate optional features". */
	put_header(HEADER_AT, 0xfffe0003);
	load(rig, false);
}

static void a_kernel_may_lie_below_1_mib_where_it_is_free(void **state)
{
	struct rig *rig = *state;
	static const uint32_t taken[] = { 0,       0x1000,  0x2000, 0x202c, 0x90000 - 0xfff,
					  0x90000, 0x9fc00, 0xe0000 };

	elf.segment[0].p_paddr = 0x4000;
	elf.header->e_entry = 0x4000;
	load(rig, false);
	assert_memory_equal(rig_ram(rig, 0x4000, TEXT_SIZE), elf.data + TEXT_AT, TEXT_SIZE);
	assert_int_equal(rig->entry.arg >= 0x90000 && rig->entry.arg < 0xa0000, 1);

	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		make_elf();
		elf.segment[1].p_paddr = taken[i];
		refuse(rig, "below 1 MiB");
	}
}

static void an_initrd_never_goes_below_1_mib(void **state)
{
	struct rig *rig = *state;

	elf.segment[0].p_paddr = 0x4000;
	elf.segment[1].p_paddr = 0x10000;
	elf.header->e_entry = 0x4000;
	rig_file(rig->kernel, elf.data, sizeof(elf.data));
	rig_hole(rig->initrd, 31 * MIB);
	assert_int_equal(rig_load(rig, true), 0);
	assert_int_equal(rig->m.initrd.base, 1 * MIB);
	rig_hole(rig->initrd, 31 * MIB + 1);
	rig_expect_refused(rig, true, "more memory");
}

/* --- the address fields --- */

static void address_fields_beat_elf(void **state)
{
	struct rig *rig = *state;

	/* From the file's offset 0x1000 to 0x300000, 0x1800 bytes, and some bss. */
	put_addresses(HEADER_AT, 0x300010, 0x300000, 0x301800, 0x303000, 0x300020);
	load(rig, false);
	assert_int_equal(rig->entry.pc, 0x300020);
	assert_memory_equal(rig_ram(rig, 0x300000, 0x1800), elf.data + 0x1000, 0x1800);
	assert_int_equal(rig_get(rig, 0x301800, 8), 0);
	assert_int_equal(rig_get(rig, 0x302ff8, 8), 0);
	assert_int_equal(rig_get(rig, 0x303000, 1), 0xa5);
	assert_int_equal(rig_get(rig, TEXT, 1), 0xa5);
	assert_int_equal(rig->boot.kernel_start, 0x300000);
	assert_int_equal(rig->boot.kernel_end, 0x303000);
}

static void with_address_fields_any_file_will_do(void **state)
{
	struct rig *rig = *state;

	memset(elf.data, 0x90, 64);
	/* load_end_addr 0: to the file's end; bss_end_addr 0: no bss. */
	put_addresses(0x40, 0x100040, 0x100000, 0, 0, 0x100000);
	load(rig, false);
	assert_int_equal(rig->entry.mode, BOOT_X86_MULTIBOOT);
	assert_memory_equal(rig_ram(rig, 0x100000, FILE_SIZE), elf.data, FILE_SIZE);
	assert_int_equal(rig_get(rig, 0x100000 + FILE_SIZE, 1), 0xa5);

	/* Without them it is no kernel. */
	put_header(0x40, 0);
	refuse(rig, "accepted is");
}

static void hostile_address_fields_are_refused(void **state)
{
	struct rig *rig = *state;
	static const struct {
		uint32_t header_addr, load, load_end, bss_end, entry;
		const char *why;
	} wrong[] = {
		{ 0x300010, 0x300011, 0, 0, 0x300020, "load_addr" },            /* behind the header */
		{ 0x301011, 0x300000, 0, 0, 0x300020, "load_addr" },            /* before the file */
		{ 0xffffffff, 0, 0, 0, 0, "load_addr" },                        /* far before it */
		{ 0, 0xffffffff, 0, 0, 0, "load_addr" },                        /* */
		{ 0x300010, 0x300000, 0x2fffff, 0, 0x300000, "behind" },        /* ends before it begins */
		{ 0x300010, 0x300000, 0x301800, 0x3017ff, 0x300000, "behind" }, /* bss in the data */
		{ 0x300010, 0x300000, 0, 0x300001, 0x300000, "behind" },        /* */
		{ 0x300010, 0x300000, 0x308000, 0, 0x300000, "truncated" },     /* more than there is */
		{ 0x300010, 0x300000, 0, 0, 0x2fffff, "entry point" },          /* */
		{ 0x300010, 0x300000, 0x301000, 0, 0x301000, "entry point" },   /* */
		{ 0x300010, 0x300000, 0x301000, 0xffffffff, 0x300000, "no RAM" },
		{ 0x300010, 0x300000, 0x301000, 0x4000000, 0x300000, "-m 64M" },
		{ 0xfffff010, 0xfffff000, 0, 0, 0xfffff000, "no RAM" },
		{ 0x10, 0, 0, 0, 0, "below 1 MiB" },
		{ 0xff010, 0xff000, 0, 0, 0xff000, "below 1 MiB" },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		put_addresses(HEADER_AT, wrong[i].header_addr, wrong[i].load, wrong[i].load_end,
			      wrong[i].bss_end, wrong[i].entry);
		refuse(rig, wrong[i].why);
	}
}

/* --- the information --- */

static void check_map(struct rig *rig, uint64_t info)
{
	static const struct {
		uint64_t base, size, type;
	} expected[] = {
		{ 0, 0x9fc00, 1 },
		{ 0x9fc00, 0x60400, 2 },
		{ 1 * MIB, 3 * GIB - 1 * MIB, 1 },
		{ 4 * GIB, 1 * GIB, 1 },
	};
	uint64_t at = rig_get(rig, info + MMAP_ADDR, 4), end = at + rig_get(rig, info + MMAP_LENGTH, 4);

	for (unsigned int i = 0; i < 4; i++) {
		assert_true(at < end);
		assert_int_equal(rig_get(rig, at + 4, 8), expected[i].base);
		assert_int_equal(rig_get(rig, at + 12, 8), expected[i].size);
		assert_int_equal(rig_get(rig, at + 20, 4), expected[i].type);
		at += rig_get(rig, at, 4) + 4; /* "size" does not count itself */
	}
	assert_int_equal(at, end);
}

static void the_information_tells_of_the_machine(void **state)
{
	struct rig *rig = *state;
	uint64_t info, module;

	rig_machine(rig, PLATFORM_PC, 4 * GIB, false);
	rig->m.cmdline = "a b=c";
	rig_file(rig->initrd, "NR_CPUS=2\n", 10);
	load(rig, true);
	info = rig->entry.arg;
	assert_int_equal(rig_get(rig, info + FLAGS, 4), 1 << 0 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9);
	assert_int_equal(rig_get(rig, info + MEM_LOWER, 4), 0x9fc00 / 1024);
	assert_int_equal(rig_get(rig, info + MEM_UPPER, 4), (3 * GIB - 1 * MIB) / 1024);
	assert_string_equal(text_at(rig, rig_get(rig, info + CMDLINE, 4)), "kernel a b=c");
	assert_string_equal(text_at(rig, rig_get(rig, info + LOADER_NAME, 4)), "vireo");
	check_map(rig, info);

	assert_int_equal(rig_get(rig, info + MODS_COUNT, 4), 1);
	module = rig_get(rig, info + MODS_ADDR, 4);
	assert_int_equal(rig_get(rig, module, 4), rig->m.initrd.base);
	assert_int_equal(rig_get(rig, module + 4, 4), rig->m.initrd.base + 10);
	assert_int_equal(rig->m.initrd.base % 4096, 0);
	assert_true(rig->m.initrd.base + 10 <= 3 * GIB);
	assert_memory_equal(rig_ram(rig, rig->m.initrd.base, 10), "NR_CPUS=2\n", 10);
	assert_string_equal(text_at(rig, rig_get(rig, module + 8, 4)), "initrd");
	assert_int_equal(rig_get(rig, module + 12, 4), 0);

	/* The ACPI tables are where a kernel looks for them: on a 16-byte boundary from 0xe0000 on. */
	assert_memory_equal(rig_ram(rig, 0xe0000, 8), "RSD PTR ", 8);
}

static void without_initrd_and_words_there_is_nothing_to_tell(void **state)
{
	struct rig *rig = *state;
	uint64_t info;

	rig->m.cmdline = "";
	load(rig, false);
	info = rig->entry.arg;
	assert_int_equal(rig_get(rig, info + MODS_COUNT, 4), 0);
	assert_string_equal(text_at(rig, rig_get(rig, info + CMDLINE, 4)), "kernel");
	rig->m.cmdline = NULL;
	load(rig, false);
	assert_string_equal(text_at(rig, rig_get(rig, info + CMDLINE, 4)), "kernel");
}

static void a_long_command_line_is_whole_or_refused(void **state)
{
	struct rig *rig = *state;
	char *line = calloc(1, 1 << 17);
	uint64_t at;

	assert_non_null(line);
	rig->m.cmdline = line;
	load(rig, false);
	memset(line, 'x', rig->boot.cmdline_max);
	load(rig, false);
	at = rig_get(rig, rig->entry.arg + CMDLINE, 4);
	assert_memory_equal(rig_ram(rig, at + 7, rig->boot.cmdline_max), line, rig->boot.cmdline_max);
	assert_int_equal(rig_get(rig, at + 7 + rig->boot.cmdline_max, 1), 0);
	line[rig->boot.cmdline_max] = 'x';
	assert_int_equal(boot_finish(&rig->boot, &rig->m, &rig->mem, NULL, 0, &rig->entry, &rig->err),
			 -EINVAL);
	assert_non_null(strstr(rig->err.text, "command line"));
	free(line);
}

/* --- files that are wrong --- */

static void hostile_elf_headers_are_refused(void **state)
{
	struct rig *rig = *state;

	elf.header->e_type = ET_REL;
	refuse(rig, "cannot be run");
	elf.header->e_phentsize = 56;
	refuse(rig, "56 bytes");
	elf.header->e_phnum = 0;
	refuse(rig, "0 ELF program headers");
	elf.header->e_phnum = 0xffff;
	refuse(rig, "65535 ELF program headers");
	elf.header->e_phoff = UINT32_MAX;
	refuse(rig, "truncated");
	elf.header->e_entry = TEXT + TEXT_SIZE;
	refuse(rig, "entry point");
	elf.header->e_entry = 0xc0400040; /* virtual */
	refuse(rig, "entry point");
	elf.segment[1].p_filesz = elf.segment[1].p_memsz + 1;
	refuse(rig, "more bytes in the file");
	elf.segment[1].p_paddr = TEXT + TEXT_SIZE - 1;
	refuse(rig, "overlap");
	elf.segment[1].p_paddr = 32 * MIB - 0x1000;
	refuse(rig, "-m 33M");
	elf.segment[1].p_paddr = UINT32_MAX;
	refuse(rig, "no RAM");
	elf.segment[1].p_memsz = UINT32_MAX;
	refuse(rig, "no RAM");
	elf.segment[1].p_offset = FILE_SIZE - DATA_SIZE + 1;
	refuse(rig, "truncated");
	elf.header->e_machine = EM_ARM;
	refuse(rig, "32-bit Arm");
}

static void a_file_for_64_bits_is_not_taken_for_multiboot(void **state)
{
	struct rig *rig = *state;
	Elf64_Ehdr header = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_entry = ENTRY,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 1,
	};
	Elf64_Phdr segment = { .p_type = PT_LOAD,
			       .p_offset = TEXT_AT,
			       .p_paddr = TEXT,
			       .p_filesz = TEXT_SIZE,
			       .p_memsz = TEXT_SIZE };

	memcpy(elf.data, &header, sizeof(header));
	memcpy(elf.data + sizeof(header), &segment, sizeof(segment));
	load(rig, false);
	assert_int_equal(rig->entry.mode, BOOT_X86_LONG64);
	make_elf();
}

static void truncation_is_noticed_everywhere(void **state)
{
	static const size_t sizes[] = { HEADER_AT + 12, TEXT_AT + TEXT_SIZE - 1, DATA_AT,
					DATA_AT + DATA_SIZE - 1 };
	struct rig *rig = *state;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		rig_file(rig->kernel, elf.data, sizes[i]);
		rig_expect_refused(rig, false, "truncated");
	}
	rig_file(rig->kernel, elf.data, HEADER_AT + 11);
	rig_expect_refused(rig, false, "accepted is");
	rig_file(rig->kernel, elf.data, DATA_AT + DATA_SIZE);
	assert_int_equal(rig_load(rig, false), 0);
}

static void random_headers_do_no_harm(void **state)
{
	struct rig *rig = *state;
	uint32_t seed = 4711;

	for (int round = 0; round < 4000; round++) {
		make_elf();
		if (round & 1)
			put_addresses(0x100, 0x300100, 0x300000, 0x301800, 0x303000, 0x300020);
		for (uint32_t n = rig_random(&seed) % 4 + 1; n; n--) {
			static const uint8_t special[] = { 0, 1, 0x7f, 0x80, 0xff };
			uint32_t at = rig_random(&seed) % (52 + 32 * 2 + 20), value = rig_random(&seed);

			/* In the ELF headers and in the address fields. */
			at = at < 52 + 32 * 2 ? at : at - (52 + 32 * 2) + 0x10c;
			elf.data[at] = value & 0x100 ? special[value % 5] : (uint8_t)value;
		}
		rig_file(rig->kernel, elf.data, sizeof(elf.data));
		if (rig_load(rig, false) != 0) {
			assert_int_equal(rig->err.kind, ERR_USER);
			continue;
		}
		assert_in_range(rig->boot.kernel_start, 0x2030, 32 * MIB);
		assert_in_range(rig->boot.kernel_end, rig->boot.kernel_start, 32 * MIB);
		assert_in_range(rig->boot.entry, rig->boot.kernel_start, rig->boot.kernel_end - 1);
		assert_int_equal(boot_finish(&rig->boot, &rig->m, &rig->mem, NULL, 0, &rig->entry, &rig->err),
				 0);
	}
}

int main(void)
{
#define test(f) cmocka_unit_test_setup_teardown(f, setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		test(an_elf_file_is_loaded_and_entered),
		test(the_header_may_be_anywhere_in_8_kib),
		test(what_is_no_header_does_not_count),
		test(a_wrong_header_before_the_right_one_does_no_harm),
		test(demands_that_cannot_be_met_are_refused),
		test(a_kernel_may_lie_below_1_mib_where_it_is_free),
		test(an_initrd_never_goes_below_1_mib),
		test(address_fields_beat_elf),
		test(with_address_fields_any_file_will_do),
		test(hostile_address_fields_are_refused),
		test(the_information_tells_of_the_machine),
		test(without_initrd_and_words_there_is_nothing_to_tell),
		test(a_long_command_line_is_whole_or_refused),
		test(hostile_elf_headers_are_refused),
		test(a_file_for_64_bits_is_not_taken_for_multiboot),
		test(truncation_is_noticed_everywhere),
		test(random_headers_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
