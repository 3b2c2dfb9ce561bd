// SPDX-License-Identifier: BSD-2-Clause
/*
 * Linux, Documentation/arch/arm64/booting.rst, "Booting AArch64 Linux". From the bottom of RAM up:
 *
 *   the kernel, at the offset its header asks for
 *   free, as much as possible: old kernels do not say how much they need behind them
 *   the device tree, at most 512 MiB from the bottom (kernels before 4.2 map no more)
 *   the initrd, as high as possible
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "boot/kernel_arm64.h"
#include "boot/load.h"
#define LOG_AREA AREA_BOOT
#include "kvm/log.h"

#define MAX_CMDLINE   2047        /* COMMAND_LINE_SIZE less the NUL */
#define DTB_MAX_SIZE  0x200000ULL /* 2 MiB, and aligned so that no other 2 MiB block is touched */
#define DTB_WINDOW    0x20000000ULL
#define INITRD_WINDOW (32ULL << 30) /* from a 1 GiB boundary on, the kernel within */
#define GIB           (1ULL << 30)

/*
 * The highest place for the device tree below the initrd and in the window. A kernel that leaves no
 * room in the window is too large for those that need it; boot_load() keeps the place behind it free.
 */
static uint64_t place_dtb(const struct boot *boot, const struct machine *m)
{
	uint64_t lowest = align_up(boot->kernel_end, DTB_MAX_SIZE);
	uint64_t end = m->initrd.size ? m->initrd.base : low_ram_end(m);
	uint64_t window_end = m->ram[0].base + DTB_WINDOW;
	uint64_t highest = align_down(end < window_end ? end : window_end, DTB_MAX_SIZE) - DTB_MAX_SIZE;

	return highest > lowest ? highest : lowest;
}

int boot_load(struct boot *boot, const struct boot_request *req, struct machine *m,
	      const struct guest_mem *mem, struct err *err)
{
	uint64_t dtb_end;
	struct image img;
	int ret;

	*boot = (struct boot){ .mode = BOOT_ARM64, .cmdline_max = MAX_CMDLINE };
	ret = image_open(&img, "kernel", req->kernel, machine_ram_size(m), err);
	if (ret)
		return ret;
	if (req->format == KERNEL_FLAT)
		ret = arm64_flat_load(boot, &img, m, mem, err);
	else
		ret = arm64_kernel_load(boot, &img, m, mem, err);
	image_close(&img);
	if (ret)
		return ret;
	log_info("kernel %s: %s at 0x%" PRIx64, req->kernel,
		 req->format == KERNEL_FLAT ? "flat binary" : "arm64 Image", boot->entry);

	dtb_end = align_up(boot->kernel_end, DTB_MAX_SIZE) + DTB_MAX_SIZE;
	if (!range_fits(boot->kernel_start, dtb_end - boot->kernel_start, m->ram[0].base, low_ram_end(m)))
		return kernel_does_not_fit(req->kernel, boot->kernel_start, dtb_end - boot->kernel_start, m,
					   err);
	ret = initrd_load(req, dtb_end, align_down(boot->kernel_start, GIB) + INITRD_WINDOW, m, mem, err);
	if (ret)
		return ret;
	boot->dtb = place_dtb(boot, m);
	return 0;
}

int boot_finish(const struct boot *boot, const struct machine *m, const struct guest_mem *mem,
		const void *dtb, size_t dtb_size, struct boot_entry *entry, struct err *err)
{
	void *host;
	int ret;

	ret = cmdline_check(boot, m, err);
	if (ret)
		return ret;
	if (!dtb || dtb_size > DTB_MAX_SIZE)
		return err_host_text(err,
				     "a device tree of %zu bytes: an arm64 kernel wants one of at most 2 MiB",
				     dtb ? dtb_size : 0);
	host = guest_mem_load(mem, boot->dtb, DTB_MAX_SIZE);
	if (!host)
		return err_host_text(err, "no guest memory at 0x%" PRIx64 " for the device tree", boot->dtb);
	memcpy(host, dtb, dtb_size);

	*entry = (struct boot_entry){ .mode = boot->mode, .pc = boot->entry, .arg = boot->dtb };
	return 0;
}
