// SPDX-License-Identifier: BSD-2-Clause
/*
 * Multiboot kernels (GNU, "Multiboot Specification version 0.6.96"): a header among the first bytes of
 * the file says what the kernel wants. The file is ELF for 32-bit x86, or of any format if the header
 * has the address fields, which beat ELF's.
 *
 * The initrd becomes the one module. Its string is the file's name without directory. The command line
 * begins with the kernel's file name, as a kernel finds it that takes the first word for its own name.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "boot/layout_x86.h"
#include "boot/load.h"
#include "boot/load_x86.h"

#define LOADER_NAME "vireo"
#define NAME_ROOM   256 /* a file name has 255 bytes at most */

/* --- the header: section "OS image format" --- */

#define HEADER_MAGIC  0x1badb002
#define HEADER_ALIGN  4
#define HEADER_WINDOW 8192 /* all of the header lies in that much of the file's beginning */

/* Bits 0 to 15 are demands: what is not known cannot be met. The others may be ignored. */
#define DEMANDS        0x0000ffff
#define DEMAND_ALIGNED 0x00000001 /* modules on page boundaries */
#define DEMAND_MEMORY  0x00000002
#define DEMAND_VIDEO   0x00000004
#define HAS_ADDRESSES  0x00010000

struct header {
	uint32_t magic, flags, checksum;
	/* With HAS_ADDRESSES: */
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr;
};

#define SHORT_HEADER offsetof(struct header, header_addr)

_Static_assert(sizeof(struct header) == 32 && SHORT_HEADER == 12, "Multiboot");
_Static_assert(X86_PROBE_SIZE == HEADER_WINDOW, "Multiboot");

/* Finds the header. Returns its offset in the file, or -1. */
static long find_header(const uint8_t head[X86_PROBE_SIZE], struct header *header)
{
	for (size_t at = 0; at + SHORT_HEADER <= HEADER_WINDOW; at += HEADER_ALIGN) {
		size_t room = HEADER_WINDOW - at;

		memset(header, 0, sizeof(*header));
		memcpy(header, head + at, room < sizeof(*header) ? room : sizeof(*header));
		if (header->magic != HEADER_MAGIC || header->magic + header->flags + header->checksum != 0)
			continue;
		if (!(header->flags & HAS_ADDRESSES) || room >= sizeof(*header))
			return (long)at;
	}
	return -1;
}

bool multiboot_probe(const uint8_t head[X86_PROBE_SIZE])
{
	struct header header;

	return find_header(head, &header) >= 0 && (elf32_probe(head) || (header.flags & HAS_ADDRESSES));
}

static int check_demands(const char *path, const struct header *header, struct err *err)
{
	uint32_t unmet = header->flags & DEMANDS & ~(DEMAND_ALIGNED | DEMAND_MEMORY);

	if (!unmet)
		return 0;
	if (unmet == DEMAND_VIDEO)
		return err_user(err,
				"kernel %s demands a video mode (bit 2 of its Multiboot header's flags); "
				"there is no display",
				path);
	return err_user(err,
			"kernel %s demands what its Multiboot header has flags 0x%" PRIx32
			" for; only bits 0 and 1 can be met",
			path, unmet);
}

/* --- loading --- */

int multiboot_check_place(const char *path, uint64_t start, uint64_t size, const struct machine *m,
			  struct err *err)
{
	if (start >= LAYOUT_HIGH) {
		if (range_fits(start, size, LAYOUT_HIGH, low_ram_end(m)))
			return 0;
		return kernel_does_not_fit(path, start, size, m, err);
	}
	if (range_fits(start, size, LAYOUT_GDT + LAYOUT_GDT_SIZE, LAYOUT_MULTIBOOT))
		return 0;
	return err_user(err,
			"kernel %s wants 0x%" PRIx64 " bytes at 0x%" PRIx64
			"; below 1 MiB only 0x%x to 0x%x is free for a Multiboot kernel",
			path, size, start, LAYOUT_GDT + LAYOUT_GDT_SIZE, LAYOUT_MULTIBOOT);
}

/* Section "The address fields of Multiboot header": one piece of the file, and zeroes behind it. */
static int load_by_addresses(struct boot *boot, const struct image *img, const struct header *h, uint64_t at,
			     const struct machine *m, const struct guest_mem *mem, struct err *err)
{
	uint64_t before = (uint64_t)h->header_addr - h->load_addr; /* bytes of the header's file offset */
	uint64_t from = at - before, size, end;
	uint8_t *host;
	int ret;

	if (h->load_addr > h->header_addr || before > at)
		return err_user(err,
				"kernel %s is damaged: by its Multiboot header, which is at offset %" PRIu64
				", load_addr cannot be 0x%" PRIx32 " with header_addr 0x%" PRIx32,
				img->path, at, h->load_addr, h->header_addr);
	size = h->load_end_addr ? (uint64_t)h->load_end_addr - h->load_addr : img->size - from;
	end = h->bss_end_addr ? h->bss_end_addr : h->load_addr + size;
	if ((h->load_end_addr && h->load_end_addr < h->load_addr) || end < h->load_addr + size)
		return err_user(
			err,
			"kernel %s is damaged: load_end_addr and bss_end_addr of its Multiboot header "
			"are not behind each other",
			img->path);
	if (h->entry_addr < h->load_addr || h->entry_addr >= end)
		return err_user(
			err, "kernel %s: its Multiboot entry point, 0x%" PRIx32 ", is at no address it loads",
			img->path, h->entry_addr);
	ret = multiboot_check_place(img->path, h->load_addr, end - h->load_addr, m, err);
	if (ret)
		return ret;
	host = guest_mem_load(mem, h->load_addr, end - h->load_addr);
	if (!host)
		return err_host_text(err, "no guest memory at 0x%" PRIx32 " for the kernel", h->load_addr);
	ret = image_read(img, from, host, size, err);
	if (ret)
		return ret;
	memset(host + size, 0, end - h->load_addr - size);
	boot->kernel_start = h->load_addr;
	boot->kernel_end = end;
	boot->entry = h->entry_addr;
	return 0;
}

/* --- the information: section "Boot information format" --- */

enum {
	INFO_MEMORY = 1 << 0,
	INFO_CMDLINE = 1 << 2,
	INFO_MODULES = 1 << 3,
	INFO_MEMORY_MAP = 1 << 6,
	INFO_LOADER_NAME = 1 << 9,
};

struct info {
	uint32_t flags;
	uint32_t mem_lower, mem_upper; /* KiB from 0 and from 1 MiB on */
	uint32_t boot_device;
	uint32_t cmdline;
	uint32_t mods_count, mods_addr;
	uint32_t syms[4];
	uint32_t mmap_length, mmap_addr;
	uint32_t drives_length, drives_addr;
	uint32_t config_table;
	uint32_t boot_loader_name;
	uint32_t apm_table;
	uint32_t vbe[4];
};

struct module {
	uint32_t start, end; /* the first byte, and that behind the last */
	uint32_t string;
	uint32_t reserved;
};

struct map_entry {
	uint32_t size; /* of what follows in the entry */
	uint64_t base, length;
	uint32_t type;
} __attribute__((packed));

_Static_assert(sizeof(struct info) == 88, "Multiboot");
_Static_assert(sizeof(struct map_entry) == 24, "Multiboot");

/* All that the information refers to, but the module itself, in one piece. */
struct block {
	struct info info;
	struct module module;
	struct map_entry map[MEMORY_MAP_MAX];
	char loader_name[sizeof(LOADER_NAME)];
	char module_string[NAME_ROOM];
	char cmdline[LAYOUT_MULTIBOOT_SIZE - 1024];
};

_Static_assert(sizeof(struct block) <= LAYOUT_MULTIBOOT_SIZE, "layout");

#define ADDRESS_OF(field) (LAYOUT_MULTIBOOT + (uint32_t)offsetof(struct block, field))

static void fill_map(struct block *block, const struct machine *m)
{
	struct memory_map map = memory_map(m);

	for (unsigned int i = 0; i < map.count; i++)
		block->map[i] = (struct map_entry){
			.size = sizeof(struct map_entry) - sizeof(block->map[i].size),
			.base = map.entry[i].base,
			.length = map.entry[i].size,
			.type = map.entry[i].type,
		};
	block->info.mmap_addr = ADDRESS_OF(map);
	block->info.mmap_length = map.count * (uint32_t)sizeof(struct map_entry);
	block->info.mem_lower = LAYOUT_LOW_END >> 10;
	block->info.mem_upper = (uint32_t)((low_ram_end(m) - LAYOUT_HIGH) >> 10);
}

/* Copies text to a place that has room for all of it but what no file system gives a name. */
static void put_name(char to[NAME_ROOM], const char *name)
{
	size_t len = strnlen(name, NAME_ROOM - 1);

	memcpy(to, name, len);
	to[len] = '\0';
}

int multiboot_build(const struct boot *boot, const struct machine *m, const struct guest_mem *mem,
		    struct err *err)
{
	struct block *block = layout_claim(mem, LAYOUT_MULTIBOOT, LAYOUT_MULTIBOOT_SIZE, err);

	if (!block)
		return -EIO;
	fill_map(block, m);
	put_name(block->cmdline, boot->kernel_name);
	if (m->cmdline && *m->cmdline) {
		strcat(block->cmdline, " ");
		strcat(block->cmdline, m->cmdline); /* not longer than cmdline_max */
	}
	block->info.cmdline = ADDRESS_OF(cmdline);
	memcpy(block->loader_name, LOADER_NAME, sizeof(LOADER_NAME));
	block->info.boot_loader_name = ADDRESS_OF(loader_name);
	if (m->initrd.size) {
		put_name(block->module_string, boot->initrd_name);
		block->module.start = (uint32_t)m->initrd.base;
		block->module.end = (uint32_t)(m->initrd.base + m->initrd.size);
		block->module.string = ADDRESS_OF(module_string);
		block->info.mods_count = 1;
		block->info.mods_addr = ADDRESS_OF(module);
	}
	block->info.flags = INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MEMORY_MAP | INFO_LOADER_NAME;
	return 0;
}

int multiboot_load(struct boot *boot, const struct image *img, const uint8_t head[X86_PROBE_SIZE],
		   const struct machine *m, const struct guest_mem *mem, uint64_t *initrd_ceiling,
		   struct err *err)
{
	struct header header;
	long at = find_header(head, &header);
	int ret = check_demands(img->path, &header, err);

	if (ret)
		return ret;
	boot->mode = BOOT_X86_MULTIBOOT;
	boot->cmdline_max = sizeof(((struct block *)0)->cmdline) - NAME_ROOM - 1;
	*initrd_ceiling = PC_LOW_RAM_END;
	if (header.flags & HAS_ADDRESSES)
		return load_by_addresses(boot, img, &header, (uint64_t)at, m, mem, err);
	return elf32_load(boot, img, m, mem, err);
}
