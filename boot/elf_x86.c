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
 *
 * 32-bit files are loaded for Multiboot (boot/multiboot_x86.c), which knows how to enter them.
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
	Elf64_Ehdr header; /* of a 32-bit file: the same, widened */
	Elf64_Phdr segment[MAX_SEGMENTS];
	bool has_pvh;
	uint64_t pvh_entry;
	bool multiboot; /* by whose rules segments are placed */
};

static bool is_elf(const uint8_t head[X86_PROBE_SIZE], uint8_t class, uint16_t machine)
{
	uint16_t found;

	_Static_assert(offsetof(Elf64_Ehdr, e_machine) == offsetof(Elf32_Ehdr, e_machine), "ELF");
	memcpy(&found, head + offsetof(Elf64_Ehdr, e_machine), sizeof(found));
	return memcmp(head, ELFMAG, SELFMAG) == 0 && head[EI_CLASS] == class &&
	       head[EI_DATA] == ELFDATA2LSB && found == machine;
}

bool elf_probe(const uint8_t head[X86_PROBE_SIZE])
{
	return is_elf(head, ELFCLASS64, EM_X86_64);
}

bool elf32_probe(const uint8_t head[X86_PROBE_SIZE])
{
	return is_elf(head, ELFCLASS32, EM_386);
}

/* Checks what the ELF header says of itself and of the program headers, of `size` bytes each. */
static int check_header(const struct elf *elf, size_t size, struct err *err)
{
	const Elf64_Ehdr *h = &elf->header;
	const char *path = elf->img->path;

	if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
		return err_user(err, "kernel %s is an ELF file that cannot be run (type %u)", path,
				h->e_type);
	if (h->e_phentsize != size)
		return err_user(err, "kernel %s is damaged: ELF program headers cannot have %u bytes", path,
				h->e_phentsize);
	if (h->e_phnum == 0 || h->e_phnum > MAX_SEGMENTS)
		return err_user(err, "kernel %s has %u ELF program headers; allowed are 1 to %d", path,
				h->e_phnum, MAX_SEGMENTS);
	return 0;
}

static int read_headers(struct elf *elf, struct err *err)
{
	Elf64_Ehdr *h = &elf->header;
	int ret = image_read(elf->img, 0, h, sizeof(*h), err);

	if (!ret)
		ret = check_header(elf, sizeof(Elf64_Phdr), err);
	return ret ? ret
		   : image_read(elf->img, h->e_phoff, elf->segment, h->e_phnum * sizeof(Elf64_Phdr), err);
}

static int read_headers32(struct elf *elf, struct err *err)
{
	Elf32_Phdr segment[MAX_SEGMENTS];
	Elf32_Ehdr h;
	int ret = image_read(elf->img, 0, &h, sizeof(h), err);

	if (ret)
		return ret;
	elf->header = (Elf64_Ehdr){
		.e_type = h.e_type,
		.e_entry = h.e_entry,
		.e_phoff = h.e_phoff,
		.e_phentsize = h.e_phentsize,
		.e_phnum = h.e_phnum,
	};
	ret = check_header(elf, sizeof(Elf32_Phdr), err);
	if (!ret)
		ret = image_read(elf->img, h.e_phoff, segment, h.e_phnum * sizeof(Elf32_Phdr), err);
	for (unsigned int i = 0; !ret && i < h.e_phnum; i++)
		elf->segment[i] = (Elf64_Phdr){
			.p_type = segment[i].p_type,
			.p_offset = segment[i].p_offset,
			.p_paddr = segment[i].p_paddr,
			.p_filesz = segment[i].p_filesz,
			.p_memsz = segment[i].p_memsz,
		};
	return ret;
}

static bool is_loaded(const Elf64_Phdr *ph)
{
	return ph->p_type == PT_LOAD && ph->p_memsz > 0;
}

/* Where kernels that need no room below 1 MiB for themselves may lie. */
static int check_place(const char *path, unsigned int i, const Elf64_Phdr *ph, const struct machine *m,
		       struct err *err)
{
	if (ph->p_paddr < LAYOUT_HIGH)
		return err_user(err,
				"kernel %s wants ELF segment %u at 0x%" PRIx64
				"; the first MiB is not for kernels",
				path, i, ph->p_paddr);
	if (!range_fits(ph->p_paddr, ph->p_memsz, LAYOUT_HIGH, low_ram_end(m)))
		return kernel_does_not_fit(path, ph->p_paddr, ph->p_memsz, m, err);
	return 0;
}

/* Checks a segment by itself and against those before it, which are known to be in RAM. */
static int check_segment(const struct elf *elf, unsigned int i, const struct machine *m, struct err *err)
{
	const Elf64_Phdr *ph = &elf->segment[i];
	const char *path = elf->img->path;
	int ret;

	if (ph->p_filesz > ph->p_memsz)
		return err_user(err,
				"kernel %s is damaged: ELF segment %u has more bytes in the file (0x%" PRIx64
				") than in memory (0x%" PRIx64 ")",
				path, i, ph->p_filesz, ph->p_memsz);
	if (elf->multiboot)
		ret = multiboot_check_place(path, ph->p_paddr, ph->p_memsz, m, err);
	else
		ret = check_place(path, i, ph, m, err);
	if (ret)
		return ret;
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

/* Whether the entry point lies in a segment. */
static int check_entry(const struct elf *elf, const struct boot *boot, struct err *err)
{
	for (unsigned int i = 0; i < elf->header.e_phnum; i++) {
		const Elf64_Phdr *ph = &elf->segment[i];

		if (is_loaded(ph) && boot->entry - ph->p_paddr < ph->p_memsz)
			return 0;
	}
	return err_user(err,
			"kernel %s: its %s entry point, 0x%" PRIx64 ", is at no physical address it loads",
			elf->img->path, boot->mode == BOOT_X86_PVH ? "PVH" : "ELF", boot->entry);
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
	return check_entry(elf, boot, err);
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

int elf32_load(struct boot *boot, const struct image *img, const struct machine *m,
	       const struct guest_mem *mem, struct err *err)
{
	struct elf elf = { .img = img, .multiboot = true };
	int ret;

	ret = read_headers32(&elf, err);
	if (ret)
		return ret;
	boot->entry = elf.header.e_entry;
	ret = check_entry(&elf, boot, err);
	return ret ? ret : load_segments(&elf, boot, m, mem, err);
}
