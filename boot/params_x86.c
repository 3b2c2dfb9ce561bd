// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a kernel finds at its entry: boot_params for the 64-bit entry (Linux, Documentation/arch/x86/,
 * "The Linux/x86 Boot Protocol" and "Zero Page"), the start info for PVH (Xen, docs/misc/pvh.pandoc,
 * and xen/include/public/arch-x86/hvm/start_info.h).
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "boot/layout_x86.h"
#include "boot/load_x86.h"

#define LOADER_UNDEFINED 0xff
#define VIDEO_NORMAL     0xffff
#define BOOT_FLAG        0xaa55
#define HEADER_MAGIC     0x53726448 /* "HdrS" */
#define VERSION_2_12     0x020c

_Static_assert(sizeof(struct boot_params) == LAYOUT_BOOT_PARAMS_SIZE, "boot protocol");
_Static_assert(offsetof(struct boot_params, hdr) == 0x1f1, "boot protocol");
_Static_assert(offsetof(struct boot_params, acpi_rsdp_addr) == 0x70, "boot protocol");
_Static_assert(offsetof(struct boot_params, e820_table) == 0x2d0, "boot protocol");

/* Adds a setup_data node at `gpa` in front of the list. */
static int add_setup_data(struct boot_params *bp, const struct guest_mem *mem, uint64_t gpa, uint64_t room,
			  uint32_t type, const void *data, size_t size, struct err *err)
{
	struct setup_data *node;

	if (size > room - sizeof(*node))
		return err_host_text(err, "setup data of type %u have %zu bytes; there is room for %zu", type,
				     size, room - sizeof(*node));
	node = layout_claim(mem, gpa, sizeof(*node) + size, err);
	if (!node)
		return -EIO;
	node->next = bp->hdr.setup_data;
	node->type = type;
	node->len = (uint32_t)size;
	memcpy(node->data, data, size);
	bp->hdr.setup_data = gpa;
	return 0;
}

static void fill_e820(struct boot_params *bp, const struct machine *m)
{
	struct memory_map map = memory_map(m);

	bp->e820_entries = (uint8_t)map.count;
	for (unsigned int i = 0; i < map.count; i++) {
		bp->e820_table[i].addr = map.entry[i].base;
		bp->e820_table[i].size = map.entry[i].size;
		bp->e820_table[i].type = map.entry[i].type;
	}
}

/* The setup header: the file's own if it had one, then what the loader has to say. */
static void fill_header(struct boot_params *bp, const struct boot *boot, const struct machine *m)
{
	struct setup_header *hdr = &bp->hdr;

	/* It may be longer than struct setup_header; what follows that in boot_params has room for it. */
	memcpy((uint8_t *)bp + offsetof(struct boot_params, hdr), boot->setup_header, boot->header_size);
	if (!boot->header_size) {
		hdr->boot_flag = BOOT_FLAG;
		hdr->header = HEADER_MAGIC;
		hdr->version = VERSION_2_12;
		hdr->cmdline_size = boot->cmdline_max;
	}
	hdr->vid_mode = VIDEO_NORMAL;
	hdr->type_of_loader = LOADER_UNDEFINED;
	hdr->loadflags |= LOADED_HIGH;
	hdr->loadflags &= (uint8_t)~CAN_USE_HEAP;
	hdr->code32_start = (uint32_t)boot->kernel_start;
	hdr->ramdisk_image = (uint32_t)m->initrd.base;
	hdr->ramdisk_size = (uint32_t)m->initrd.size;
	hdr->cmd_line_ptr = LAYOUT_CMDLINE;
	hdr->setup_data = 0;
}

int boot_params_build(const struct boot *boot, const struct machine *m, const struct guest_mem *mem,
		      const void *dtb, size_t dtb_size, struct err *err)
{
	struct boot_params *bp = layout_claim(mem, LAYOUT_BOOT_PARAMS, LAYOUT_BOOT_PARAMS_SIZE, err);
	int ret = 0;

	if (!bp)
		return -EIO;
	fill_header(bp, boot, m);
	fill_e820(bp, m);
	bp->acpi_rsdp_addr = m->no_acpi ? 0 : LAYOUT_ACPI;
	if (dtb)
		ret = add_setup_data(bp, mem, LAYOUT_DTB, LAYOUT_DTB_SIZE, SETUP_DTB, dtb, dtb_size, err);
	if (!ret && m->have_seeds)
		ret = add_setup_data(bp, mem, LAYOUT_SEED, LAYOUT_SEED_SIZE, SETUP_RNG_SEED, m->rng_seed,
				     sizeof(m->rng_seed), err);
	return ret;
}

/* --- PVH --- */

#define PVH_MAGIC   0x336ec578
#define PVH_VERSION 1

struct pvh_start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist_paddr;
	uint64_t cmdline_paddr;
	uint64_t rsdp_paddr;
	uint64_t memmap_paddr;
	uint32_t memmap_entries;
	uint32_t reserved;
};

struct pvh_module {
	uint64_t paddr;
	uint64_t size;
	uint64_t cmdline_paddr;
	uint64_t reserved;
};

struct pvh_memmap_entry {
	uint64_t addr;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

/* All that a start info refers to by itself, in one piece. */
struct pvh_block {
	struct pvh_start_info info;
	struct pvh_module initrd;
	struct pvh_memmap_entry map[MEMORY_MAP_MAX];
};

_Static_assert(sizeof(struct pvh_start_info) == 56, "PVH ABI");
_Static_assert(sizeof(struct pvh_module) == 32, "PVH ABI");
_Static_assert(sizeof(struct pvh_memmap_entry) == 24, "PVH ABI");
_Static_assert(sizeof(struct pvh_block) <= LAYOUT_PVH_SIZE, "layout");

int pvh_build(const struct machine *m, const struct guest_mem *mem, struct err *err)
{
	struct pvh_block *block = layout_claim(mem, LAYOUT_PVH, LAYOUT_PVH_SIZE, err);
	struct memory_map map = memory_map(m);

	if (!block)
		return -EIO;
	block->info.magic = PVH_MAGIC;
	block->info.version = PVH_VERSION;
	block->info.cmdline_paddr = LAYOUT_CMDLINE;
	block->info.rsdp_paddr = m->no_acpi ? 0 : LAYOUT_ACPI;
	block->info.memmap_paddr = LAYOUT_PVH + offsetof(struct pvh_block, map);
	block->info.memmap_entries = map.count;
	for (unsigned int i = 0; i < map.count; i++) {
		block->map[i].addr = map.entry[i].base;
		block->map[i].size = map.entry[i].size;
		block->map[i].type = map.entry[i].type;
	}
	if (m->initrd.size) {
		block->info.nr_modules = 1;
		block->info.modlist_paddr = LAYOUT_PVH + offsetof(struct pvh_block, initrd);
		block->initrd.paddr = m->initrd.base;
		block->initrd.size = m->initrd.size;
	}
	return 0;
}
