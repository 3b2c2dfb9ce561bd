// SPDX-License-Identifier: BSD-2-Clause
/*
 * bzImage: Documentation/arch/x86/boot.rst of the Linux kernel, "The Linux/x86 Boot Protocol". The file
 * begins with setup code for the real mode, of which only the setup header is used; behind it comes
 * the kernel proper, entered in 64-bit mode ("64-bit Boot Protocol").
 */
#include <asm/bootparam.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "boot/layout_x86.h"
#include "boot/load.h"
#include "boot/load_x86.h"

#define HEADER_OFFSET   offsetof(struct boot_params, hdr)
#define HEADER_MAGIC    0x53726448 /* "HdrS" */
#define BOOT_FLAG       0xaa55
#define MIN_VERSION     0x020c /* 2.12, the first with xloadflags */
#define SECTOR_SIZE     512
#define PARAGRAPH_SIZE  16
#define ENTRY_64_OFFSET 0x200
#define MAX_ALIGNMENT   0x40000000

_Static_assert(HEADER_OFFSET == 0x1f1, "boot protocol");
_Static_assert(offsetof(struct setup_header, kernel_info_offset) + HEADER_OFFSET == 0x268, "boot protocol");

bool bzimage_probe(const uint8_t head[X86_PROBE_SIZE])
{
	uint16_t boot_flag;
	uint32_t magic;

	memcpy(&boot_flag, head + HEADER_OFFSET + offsetof(struct setup_header, boot_flag),
	       sizeof(boot_flag));
	memcpy(&magic, head + HEADER_OFFSET + offsetof(struct setup_header, header), sizeof(magic));
	return boot_flag == BOOT_FLAG && magic == HEADER_MAGIC;
}

/*
 * Keeps the file's setup header in `boot` and copies what of it is known here to `hdr`. A longer one
 * is passed on to the kernel as it is.
 */
static int read_header(const struct image *img, struct boot *boot, struct setup_header *hdr, struct err *err)
{
	int ret = image_read(img, HEADER_OFFSET, boot->setup_header, sizeof(boot->setup_header), err);

	if (ret)
		return ret;
	memcpy(hdr, boot->setup_header, sizeof(*hdr));
	if (hdr->version < MIN_VERSION)
		return err_user(err,
				"kernel %s has boot protocol %u.%02u; needed is 2.12 (Linux 3.8) or later",
				img->path, hdr->version >> 8, hdr->version & 0xff);
	/* The jump instruction over the header tells where it ends. */
	boot->header_size = 0x202 - HEADER_OFFSET + (hdr->jump >> 8);
	if (boot->header_size < offsetof(struct setup_header, handover_offset) ||
	    boot->header_size > sizeof(boot->setup_header))
		return err_user(err, "kernel %s is damaged: its setup header cannot have %u bytes", img->path,
				boot->header_size);
	if (!(hdr->xloadflags & XLF_KERNEL_64))
		return err_user(err, "kernel %s is a 32-bit x86 bzImage; accepted is " X86_KERNELS,
				img->path);
	if (!(hdr->loadflags & LOADED_HIGH))
		return err_user(err, "kernel %s is a zImage; accepted is " X86_KERNELS, img->path);
	return 0;
}

/*
 * Where the kernel is to run. It could be loaded at any aligned address if it is relocatable, but
 * 64-bit Linux moves itself up to pref_address if it is loaded lower, so no lower place would do.
 */
static int runtime_start(const struct image *img, const struct setup_header *hdr, uint64_t *start,
			 struct err *err)
{
	uint64_t align = hdr->relocatable_kernel ? hdr->kernel_alignment : 1;

	if (align == 0 || (align & (align - 1)) != 0 || align > MAX_ALIGNMENT)
		return err_user(err, "kernel %s is damaged: an alignment of 0x%" PRIx64 " is impossible",
				img->path, align);
	*start = hdr->pref_address ? hdr->pref_address : LAYOUT_HIGH;
	if (*start < LAYOUT_HIGH || *start >= PC_LOW_RAM_END)
		return err_user(
			err, "kernel %s wants to be loaded at 0x%" PRIx64 "; only 0x%x to 0x%llx can be RAM",
			img->path, *start, LAYOUT_HIGH, PC_LOW_RAM_END);
	*start = align_up(*start, align);
	return 0;
}

/* Reads the kernel proper straight to where it runs. */
static int read_code(const struct image *img, const struct setup_header *hdr, uint64_t start, uint64_t *end,
		     const struct machine *m, const struct guest_mem *mem, struct err *err)
{
	unsigned int setup_sects = hdr->setup_sects ? hdr->setup_sects : 4;
	uint64_t offset = (setup_sects + 1) * SECTOR_SIZE;
	uint64_t size = (uint64_t)hdr->syssize * PARAGRAPH_SIZE;
	uint64_t needed = size > hdr->init_size ? size : hdr->init_size;
	void *host;

	if (size <= ENTRY_64_OFFSET)
		return err_user(err, "kernel %s is damaged: its size cannot be %" PRIu64 " bytes", img->path,
				size);
	if (!range_fits(start, needed, LAYOUT_HIGH, low_ram_end(m)))
		return kernel_does_not_fit(img->path, start, needed, m, err);
	host = guest_mem_load(mem, start, needed);
	if (!host)
		return err_host_text(err, "no guest memory at 0x%" PRIx64 " for the kernel", start);
	*end = start + needed;
	return image_read(img, offset, host, size, err);
}

int bzimage_load(struct boot *boot, const struct image *img, const struct machine *m,
		 const struct guest_mem *mem, uint64_t *initrd_ceiling, struct err *err)
{
	struct setup_header hdr;
	int ret;

	ret = read_header(img, boot, &hdr, err);
	if (!ret)
		ret = runtime_start(img, &hdr, &boot->kernel_start, err);
	if (!ret)
		ret = read_code(img, &hdr, boot->kernel_start, &boot->kernel_end, m, mem, err);
	if (ret)
		return ret;
	boot->mode = BOOT_X86_LONG64;
	boot->entry = boot->kernel_start + ENTRY_64_OFFSET;
	boot->cmdline_max = hdr.cmdline_size < LAYOUT_CMDLINE_SIZE - 1 ? hdr.cmdline_size
								       : LAYOUT_CMDLINE_SIZE - 1;
	*initrd_ceiling = (uint64_t)hdr.initrd_addr_max + 1;
	return 0;
}
