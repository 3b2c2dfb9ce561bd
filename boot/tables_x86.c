// SPDX-License-Identifier: BSD-2-Clause
#include "boot/load_x86.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "boot/layout_x86.h"

void *layout_claim(const struct guest_mem *mem, uint64_t gpa, uint64_t size, struct err *err)
{
	void *host = guest_mem_load(mem, gpa, size);

	if (!host) {
		err_host_text(err, "no guest memory at 0x%" PRIx64 " for what the kernel needs to start",
			      gpa);
		return NULL;
	}
	return memset(host, 0, size);
}

struct memory_map memory_map(const struct machine *m)
{
	struct memory_map map = {
		.entry = {
			{ 0, LAYOUT_LOW_END, MEMORY_RAM },
			{ LAYOUT_LOW_END, LAYOUT_HIGH - LAYOUT_LOW_END, MEMORY_RESERVED },
			{ LAYOUT_HIGH, m->ram[0].size - LAYOUT_HIGH, MEMORY_RAM },
		},
		.count = 3,
	};

	for (unsigned int i = 1; i < m->nr_ram; i++, map.count++) {
		map.entry[map.count].base = m->ram[i].base;
		map.entry[map.count].size = m->ram[i].size;
		map.entry[map.count].type = MEMORY_RAM;
	}
	return map;
}

/*
 * Segment descriptors (Intel SDM volume 3, "Segment Descriptors" and "TSS Descriptor in 64-bit
 * mode"): present, ring 0, marked as accessed so that the processor need not write. Code and data
 * span 4 GiB from 0; the task state segment is 104 bytes at 0, and 64-bit mode takes the null entry
 * behind it as its upper half.
 */
#define SEGMENT_CODE32 0x00cf9b000000ffffULL
#define SEGMENT_CODE64 0x00af9b000000ffffULL
#define SEGMENT_DATA   0x00cf93000000ffffULL
#define SEGMENT_TSS    0x00008b0000000067ULL

static int build_gdt(const struct guest_mem *mem, enum boot_mode mode, struct err *err)
{
	uint64_t *gdt = layout_claim(mem, LAYOUT_GDT, LAYOUT_GDT_SIZE, err);

	if (!gdt)
		return -EIO;
	gdt[BOOT_X86_CS / 8] = mode == BOOT_X86_LONG64 ? SEGMENT_CODE64 : SEGMENT_CODE32;
	gdt[BOOT_X86_DS / 8] = SEGMENT_DATA;
	gdt[BOOT_X86_TR / 8] = SEGMENT_TSS;
	return 0;
}

/*
 * Paging structures (Intel SDM volume 3, "4-Level Paging and 5-Level Paging"): the low 4 GiB, mapped
 * to themselves by 2 MiB pages that may be read, written and executed.
 */
#define ENTRY_TABLE (1 << 0 | 1 << 1)          /* present, writable */
#define ENTRY_PAGE  (1 << 0 | 1 << 1 | 1 << 7) /* and a page of 2 MiB */
#define ENTRIES     512
#define PAGE_2M     0x200000ULL
#define DIRECTORIES 4 /* of 1 GiB each */

static int build_page_tables(const struct guest_mem *mem, struct err *err)
{
	uint64_t *pml4 = layout_claim(mem, LAYOUT_PAGE_TABLES, LAYOUT_PAGE_TABLES_SIZE, err);
	uint64_t pdpt_address = LAYOUT_PAGE_TABLES + ENTRIES * sizeof(*pml4);
	uint64_t *pdpt, *directory;

	_Static_assert(LAYOUT_PAGE_TABLES_SIZE == (2 + DIRECTORIES) * ENTRIES * sizeof(*pml4), "page tables");
	if (!pml4)
		return -EIO;
	pdpt = pml4 + ENTRIES;
	directory = pdpt + ENTRIES;
	pml4[0] = pdpt_address | ENTRY_TABLE;
	for (unsigned int i = 0; i < DIRECTORIES; i++)
		pdpt[i] = (pdpt_address + (i + 1) * ENTRIES * sizeof(*pml4)) | ENTRY_TABLE;
	for (unsigned int i = 0; i < DIRECTORIES * ENTRIES; i++)
		directory[i] = i * PAGE_2M | ENTRY_PAGE;
	return 0;
}

/*
 * A kernel that knows no better way to reboot jumps to the reset vector in real mode. There is no
 * firmware, so this asks the keyboard controller for the reset (command 0xfe, "pulse output line
 * 0") and waits.
 */
static int build_reset_stub(const struct guest_mem *mem, struct err *err)
{
	static const uint8_t stub[] = {
		0xb0, 0xfe, /* mov al, 0xfe */
		0xe6, 0x64, /* out 0x64, al */
		0xf4,       /* hlt */
		0xeb, 0xfd, /* jmp to the hlt */
	};
	void *host = layout_claim(mem, PC_RESET_VECTOR, LAYOUT_HIGH - PC_RESET_VECTOR, err);

	if (!host)
		return -EIO;
	memcpy(host, stub, sizeof(stub));
	return 0;
}

int tables_build(const struct guest_mem *mem, enum boot_mode mode, struct err *err)
{
	int ret = build_gdt(mem, mode, err);

	if (!ret && mode == BOOT_X86_LONG64)
		ret = build_page_tables(mem, err);
	if (!ret)
		ret = build_reset_stub(mem, err);
	return ret;
}
