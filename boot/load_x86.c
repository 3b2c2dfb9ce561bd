// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "boot/acpi.h"
#include "boot/identify.h"
#include "boot/layout_x86.h"
#include "boot/load.h"
#include "boot/load_x86.h"
#define LOG_AREA AREA_BOOT
#include "kvm/log.h"

static const char *const mode_names[] = {
	[BOOT_X86_LONG64] = "64-bit",
	[BOOT_X86_PVH] = "PVH",
	[BOOT_X86_MULTIBOOT] = "Multiboot",
};

/* A path without its directory. */
static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int load_kernel(struct boot *boot, const struct image *img, const struct machine *m,
		       const struct guest_mem *mem, uint64_t *initrd_ceiling, struct err *err)
{
	uint8_t head[X86_PROBE_SIZE] = { 0 };
	int ret;

	ret = image_read(img, 0, head, img->size < sizeof(head) ? img->size : sizeof(head), err);
	if (ret)
		return ret;
	if (bzimage_probe(head))
		return bzimage_load(boot, img, m, mem, initrd_ceiling, err);
	if (elf_probe(head))
		return elf_load(boot, img, m, mem, initrd_ceiling, err);
	if (multiboot_probe(head))
		return multiboot_load(boot, img, head, m, mem, initrd_ceiling, err);
	return identify_refuse(img, X86_KERNELS, err);
}

int boot_load(struct boot *boot, const struct boot_request *req, struct machine *m,
	      const struct guest_mem *mem, struct err *err)
{
	uint64_t initrd_ceiling;
	struct image img;
	int ret;

	*boot = (struct boot){ 0 };
	ret = image_open(&img, "kernel", req->kernel, machine_ram_size(m), err);
	if (ret)
		return ret;
	ret = load_kernel(boot, &img, m, mem, &initrd_ceiling, err);
	image_close(&img);
	if (ret)
		return ret;
	boot->kernel_name = base_name(req->kernel);
	boot->initrd_name = req->initrd ? base_name(req->initrd) : req->builtin ? "initramfs" : NULL;
	log_info("kernel %s: %s entry at 0x%llx", req->kernel, mode_names[boot->mode],
		 (unsigned long long)boot->entry);
	return initrd_load(req, boot->kernel_end > LAYOUT_HIGH ? boot->kernel_end : LAYOUT_HIGH,
			   initrd_ceiling, m, mem, err);
}

static int build_acpi(const struct machine *m, const struct guest_mem *mem, struct err *err)
{
	void *host = guest_mem_load(mem, LAYOUT_ACPI, LAYOUT_ACPI_SIZE);
	long used;

	if (!host)
		return err_host_text(err, "no guest memory for the ACPI tables");
	used = acpi_build(m, LAYOUT_ACPI, host, LAYOUT_ACPI_SIZE, err);
	return used < 0 ? (int)used : 0;
}

static int place_cmdline(const struct machine *m, const struct guest_mem *mem, struct err *err)
{
	const char *cmdline = m->cmdline ? m->cmdline : "";
	char *host;

	host = layout_claim(mem, LAYOUT_CMDLINE, strlen(cmdline) + 1, err);
	if (!host)
		return -EIO;
	strcpy(host, cmdline);
	return 0;
}

/* What the kernel is handed by its boot protocol; `*arg` becomes the address of it. */
static int build_arg(const struct boot *boot, const struct machine *m, const struct guest_mem *mem,
		     const void *dtb, size_t dtb_size, uint64_t *arg, struct err *err)
{
	int ret;

	if (boot->mode == BOOT_X86_MULTIBOOT) {
		*arg = LAYOUT_MULTIBOOT;
		return multiboot_build(boot, m, mem, err);
	}
	ret = place_cmdline(m, mem, err);
	if (ret)
		return ret;
	if (boot->mode == BOOT_X86_PVH) {
		*arg = LAYOUT_PVH;
		return pvh_build(m, mem, err);
	}
	*arg = LAYOUT_BOOT_PARAMS;
	return boot_params_build(boot, m, mem, dtb, dtb_size, err);
}

int boot_finish(const struct boot *boot, const struct machine *m, const struct guest_mem *mem,
		const void *dtb, size_t dtb_size, struct boot_entry *entry, struct err *err)
{
	uint64_t arg;
	int ret;

	ret = cmdline_check(boot, m, err);
	if (!ret && !m->no_acpi)
		ret = build_acpi(m, mem, err);
	if (!ret)
		ret = tables_build(mem, boot->mode, err);
	if (!ret)
		ret = build_arg(boot, m, mem, dtb, dtb_size, &arg, err);
	if (ret)
		return ret;

	*entry = (struct boot_entry){
		.mode = boot->mode,
		.pc = boot->entry,
		.arg = arg,
		.page_table = boot->mode == BOOT_X86_LONG64 ? LAYOUT_PAGE_TABLES : 0,
		.gdt = LAYOUT_GDT,
		.gdt_size = LAYOUT_GDT_SIZE,
	};
	return 0;
}
