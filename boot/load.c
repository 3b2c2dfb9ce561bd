// SPDX-License-Identifier: BSD-2-Clause
#include "boot/load.h"

#include <inttypes.h>
#include <string.h>

#include "boot/image.h"

#define PAGE_SIZE 4096
#define MIB       (1ULL << 20)

/* Where the first RAM range ends in the largest machine. */
static uint64_t low_ram_limit(const struct machine *m)
{
	return m->platform == PLATFORM_PC ? PC_LOW_RAM_END : ARM_RAM_BASE + MACHINE_MAX_RAM_SIZE;
}

/* The size to give with -m, in MiB, for RAM from ram[0].base to `end`. */
static uint64_t memory_option(const struct machine *m, uint64_t end)
{
	return (end - m->ram[0].base + (MIB - 1)) / MIB;
}

int kernel_does_not_fit(const char *path, uint64_t start, uint64_t size, const struct machine *m,
			struct err *err)
{
	if (!range_fits(start, size, m->ram[0].base, low_ram_limit(m)))
		return err_user(err,
				"kernel %s wants 0x%" PRIx64 " bytes of memory at 0x%" PRIx64
				", where no RAM can be",
				path, size, start);
	return err_user(err,
			"kernel %s needs memory up to 0x%" PRIx64 ", but RAM ends at 0x%" PRIx64
			"; give the guest more memory (-m %" PRIu64 "M at least)",
			path, start + size, low_ram_end(m), memory_option(m, start + size));
}

/* The highest page boundary in [floor, end) with `size` bytes before `end`. */
static bool highest_place(uint64_t size, uint64_t floor, uint64_t end, uint64_t *start)
{
	if (size > end)
		return false;
	*start = align_down(end - size, PAGE_SIZE);
	return *start >= floor;
}

static int place_initrd(const struct image *img, uint64_t floor, uint64_t ceiling, struct machine *m,
			const struct guest_mem *mem, struct err *err)
{
	uint64_t end = low_ram_end(m), start;
	void *host;

	if (ceiling > low_ram_limit(m))
		ceiling = low_ram_limit(m);
	if (!highest_place(img->size, floor, ceiling, &start))
		return err_user(err,
				"initrd %s has %" PRIu64
				" bytes, but this kernel takes one between 0x%" PRIx64 " and 0x%" PRIx64
				" only",
				img->path, img->size, floor, ceiling);
	if (!highest_place(img->size, floor, end < ceiling ? end : ceiling, &start))
		return err_user(
			err,
			"initrd %s has %" PRIu64 " bytes, but only 0x%" PRIx64 " to 0x%" PRIx64
			" is free; give the guest more memory (-m %" PRIu64 "M at least)",
			img->path, img->size, floor, end,
			memory_option(m, align_up(floor, PAGE_SIZE) + align_up(img->size, PAGE_SIZE)));
	host = guest_mem_load(mem, start, img->size);
	if (!host)
		return err_host_text(err, "no guest memory at 0x%" PRIx64 " for the initrd", start);

	m->initrd = (struct machine_range){ .base = start, .size = img->size };
	return image_read(img, 0, host, img->size, err);
}

static int load_builtin(const struct boot_initrd *builtin, uint64_t floor, uint64_t ceiling,
			struct machine *m, const struct guest_mem *mem, struct err *err)
{
	const struct image img = {
		.path = "(the built-in one)",
		.what = "initrd",
		.fd = -1,
		.data = builtin->data,
		.size = builtin->size,
	};

	return place_initrd(&img, floor, ceiling, m, mem, err);
}

int initrd_load(const struct boot_request *req, uint64_t floor, uint64_t ceiling, struct machine *m,
		const struct guest_mem *mem, struct err *err)
{
	struct image img;
	int ret;

	m->initrd = (struct machine_range){ 0 };
	if (!req->initrd)
		return req->builtin ? load_builtin(req->builtin, floor, ceiling, m, mem, err) : 0;
	ret = image_open(&img, "initrd", req->initrd, machine_ram_size(m), err);
	if (ret)
		return ret;
	ret = place_initrd(&img, floor, ceiling, m, mem, err);
	image_close(&img);
	return ret;
}

int cmdline_check(const struct boot *boot, const struct machine *m, struct err *err)
{
	size_t len = m->cmdline ? strlen(m->cmdline) : 0;

	if (len > boot->cmdline_max)
		return err_user(err,
				"the kernel command line has %zu characters, this kernel takes %u at most; "
				"shorten --append or give a shorter one with --cmdline",
				len, boot->cmdline_max);
	return 0;
}
