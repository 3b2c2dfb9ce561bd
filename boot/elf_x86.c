// SPDX-License-Identifier: BSD-2-Clause
/*
 * ELF kernels such as Linux's vmlinux (System V ABI, "Object Files" and "Program Loading and Dynamic
 * Linking"). Segments go to their physical addresses.
 *
 * There are two ways to enter one. With a note of the name "Xen" and the type PHYS32_ENTRY (Xen,
 * docs/misc/pvh.pandoc, "x86/HVM direct boot ABI") the file itself says that it has a PVH entry and
 * where: that is taken. Without the note the ELF entry point is taken for Linux's startup_64, which
 * has no magic number of its own but wants what the 64-bit boot protocol gives: boot_params.
 * PVH has no place for a device tree: a machine that is described by one alone takes the ELF entry
 * point, note or not.
 */
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "boot/layout_x86.h"
#include "boot/load.h"
#include "boot/load_x86.h"

#define MAX_SEGMENTS      64
#define MAX_NOTES_SIZE    0x10000 /* bytes, per segment */
#define NOTE_PVH_ENTRY    18      /* XEN_ELFNOTE_PHYS32_ENTRY */
#define LINUX_CMDLINE_MAX 2047    /* COMMAND_LINE_SIZE less the NUL */

struct elf {
	const struct image *img;
	Elf64_Ehdr header;
	Elf64_Phdr segment[MAX_SEGMENTS];
	bool has_pvh;
	uint64_t pvh_entry;
};

bool elf_probe(const uint8_t head[X86_PROBE_SIZE])
{
	uint16_t machine;

	memcpy(&machine, head + offsetof(Elf64_Ehdr, e_machine), sizeof(machine));
	return memcmp(head, ELFMAG, SELFMAG) == 0 && head[EI_CLASS] == ELFCLASS64 &&
	       head[EI_DATA] == ELFDATA2LSB && machine == EM_X86_64;
}

static int read_headers(struct elf *elf, struct err *err)
{
	const Elf64_Ehdr *h = &elf->header;
	const char *path = elf->img->path;
	int ret;

	ret = image_read(elf->img, 0, &elf->header, sizeof(elf->header), err);
	if (ret)
		return ret;
	if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
		return err_user(err, "kernel %s is an ELF file that cannot be run (type %u)", path,
				h->e_type);
	if (h->e_phentsize != sizeof(Elf64_Phdr))
		return err_user(err, "kernel %s is damaged: ELF program headers cannot have %u bytes", path,
				h->e_phentsize);
	if (h->e_phnum == 0 || h->e_phnum > MAX_SEGMENTS)
		return err_user(err, "kernel %s has %u ELF program headers; allowed are 1 to %d", path,
				h->e_phnum, MAX_SEGMENTS);
	return image_read(elf->img, h->e_phoff, elf->segment, h->e_phnum * sizeof(Elf64_Phdr), err);
}

static bool is_loaded(const Elf64_Phdr *ph)
{
	return ph->p_type == PT_LOAD && ph->p_memsz > 0;
}

/* Checks a segment by itself and against those before it, which are known to be in RAM. */
static int check_segment(const struct elf *elf, unsigned int i, const struct machine *m, struct err *err)
{
	const Elf64_Phdr *ph = &elf->segment[i];
	const char *path = elf->img->path;

	if (ph->p_filesz > ph->p_memsz)
		return err_user(err,
				"kernel %s is damaged: ELF segment %u has more bytes in the file (0x%" PRIx64
				") than in memory (0x%" PRIx64 ")",
				path, i, ph->p_filesz, ph->p_memsz);
	if (ph->p_paddr < LAYOUT_HIGH)
		return err_user(err,
				"kernel %s wants ELF segment %u at 0x%" PRIx64
				"; the first MiB is not for kernels",
				path, i, ph->p_paddr);
	if (!range_fits(ph->p_paddr, ph->p_memsz, LAYOUT_HIGH, low_ram_end(m)))
		return kernel_does_not_fit(path, ph->p_paddr, ph->p_memsz, m, err);
	for (unsigned int k = 0; k < i; k++) {
		const Elf64_Phdr *other = &elf->segment[k];

		if (is_loaded(other) && ph->p_paddr < other->p_paddr + other->p_memsz &&
		    other->p_paddr < ph->p_paddr + ph->p_memsz)
			return err_user(err, "kernel %s is damaged: ELF segments %u and %u overlap", path, k,
					i);
	}
	return 0;
}

static int load_segments(const struct elf *elf, struct boot *boot, const struct machine *m,
			 const struct guest_mem *mem, struct err *err)
{
	boot->kernel_start = UINT64_MAX;
	boot->kernel_end = 0;
	for (unsigned int i = 0; i < elf->header.e_phnum; i++) {
		const Elf64_Phdr *ph = &elf->segment[i];
		uint8_t *host;
		int ret;

		if (!is_loaded(ph))
			continue;
		ret = check_segment(elf, i, m, err);
		if (ret)
			return ret;
		host = guest_mem_load(mem, ph->p_paddr, ph->p_memsz);
		if (!host)
			return err_host_text(err, "no guest memory at 0x%" PRIx64 " for the kernel",
					     ph->p_paddr);
		ret = image_read(elf->img, ph->p_offset, host, ph->p_filesz, err);
		if (ret)
			return ret;
		memset(host + ph->p_filesz, 0, ph->p_memsz - ph->p_filesz);
		if (ph->p_paddr < boot->kernel_start)
			boot->kernel_start = ph->p_paddr;
		if (ph->p_paddr + ph->p_memsz > boot->kernel_end)
			boot->kernel_end = ph->p_paddr + ph->p_memsz;
	}
	return 0;
}

/*
 * Looks for the PVH entry among notes[size] (System V ABI, "Note Section"; as everywhere, aligned to
 * 4 bytes in 64-bit files too).
 */
static int scan_notes(struct elf *elf, const uint8_t *notes, uint64_t size, struct err *err)
{
	uint64_t at = 0;

	while (at < size && size - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;
		uint64_t name_at = at + sizeof(note), desc_at;

		memcpy(&note, notes + at, sizeof(note));
		/* The sizes have 32 bits, the rest is small: no sum overflows. */
		desc_at = align_up(name_at + note.n_namesz, 4);
		at = align_up(desc_at + note.n_descsz, 4);
		if (desc_at + note.n_descsz > size)
			return err_user(err, "kernel %s is damaged: an ELF note reaches beyond its segment",
					elf->img->path);
		if (note.n_type != NOTE_PVH_ENTRY || note.n_namesz != sizeof("Xen") ||
		    memcmp(notes + name_at, "Xen", sizeof("Xen")) != 0)
			continue;
		if (note.n_descsz != 4 && note.n_descsz != 8)
			return err_user(err, "kernel %s is damaged: its PVH note has %u bytes, not 4 or 8",
					elf->img->path, note.n_descsz);
		elf->has_pvh = true;
		elf->pvh_entry = 0;
		memcpy(&elf->pvh_entry, notes + desc_at, note.n_descsz);
		return 0;
	}
	return 0;
}

static int read_notes(struct elf *elf, const Elf64_Phdr *ph, struct err *err)
{
	uint8_t *notes;
	int ret;

	if (ph->p_filesz > MAX_NOTES_SIZE)
		return err_user(err, "kernel %s has ELF notes of %" PRIu64 " bytes; allowed are %d",
				elf->img->path, ph->p_filesz, MAX_NOTES_SIZE);
	notes = malloc(ph->p_filesz);
	if (!notes)
		return err_host(err, ENOMEM, "read the notes of kernel %s", elf->img->path);
	ret = image_read(elf->img, ph->p_offset, notes, ph->p_filesz, err);
	if (!ret)
		ret = scan_notes(elf, notes, ph->p_filesz, err);
	free(notes);
	return ret;
}

/* Finds the entry point and its kind. */
static int find_entry(struct elf *elf, struct boot *boot, const struct machine *m, struct err *err)
{
	bool pvh;

	for (unsigned int i = 0; i < elf->header.e_phnum && !elf->has_pvh; i++) {
		const Elf64_Phdr *ph = &elf->segment[i];
		int ret;

		if (ph->p_type != PT_NOTE || ph->p_filesz == 0)
			continue;
		ret = read_notes(elf, ph, err);
		if (ret)
			return ret;
	}
	pvh = elf->has_pvh && !m->no_acpi;
	boot->mode = pvh ? BOOT_X86_PVH : BOOT_X86_LONG64;
	boot->entry = pvh ? elf->pvh_entry : elf->header.e_entry;

	for (unsigned int i = 0; i < elf->header.e_phnum; i++) {
		const Elf64_Phdr *ph = &elf->segment[i];

		if (is_loaded(ph) && boot->entry - ph->p_paddr < ph->p_memsz)
			return 0;
	}
	return err_user(err,
			"kernel %s: its %s entry point, 0x%" PRIx64 ", is at no physical address it loads",
			elf->img->path, pvh ? "PVH" : "ELF", boot->entry);
}

int elf_load(struct boot *boot, const struct image *img, const struct machine *m, const struct guest_mem *mem,
	     uint64_t *initrd_ceiling, struct err *err)
{
	struct elf elf = { .img = img };
	int ret;

	ret = read_headers(&elf, err);
	if (!ret)
		ret = find_entry(&elf, boot, m, err);
	if (!ret)
		ret = load_segments(&elf, boot, m, mem, err);
	if (ret)
		return ret;
	boot->cmdline_max = LINUX_CMDLINE_MAX;
	*initrd_ceiling = PC_LOW_RAM_END;
	return 0;
}
