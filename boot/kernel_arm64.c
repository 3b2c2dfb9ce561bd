// SPDX-License-Identifier: BSD-2-Clause
/*
 * Linux, Documentation/arch/arm64/booting.rst, "Booting AArch64 Linux", section 4 "Call the kernel
 * image"; for the zboot header drivers/firmware/efi/libstub/zboot-header.S.
 */
#include "boot/kernel_arm64.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "boot/identify.h"
#include "boot/load.h"
#include "boot/unpack.h"

#define ARM64_KERNELS "an arm64 Image, which may be packed with gzip, xz or zstd (Image.gz, EFI zboot, ...)"

#define IMAGE_MAGIC         0x644d5241 /* "ARM\x64" */
#define BASE_ALIGN          0x200000   /* of the address that text_offset counts from */
#define DEFAULT_TEXT_OFFSET 0x80000    /* of kernels before 3.17, which have image_size 0 */

struct arm64_header {
	uint32_t code[2];
	uint64_t text_offset;
	uint64_t image_size;
	uint64_t flags;
	uint64_t reserved[3];
	uint32_t magic;
	uint32_t pe_offset;
};

#define ZBOOT_MAGIC 0x676d697a /* "zimg" */

struct zboot_header {
	uint32_t mz;
	uint32_t magic;
	uint32_t payload_offset;
	uint32_t payload_size;
	uint32_t reserved[2];
	char compression[32]; /* a name, ended by a NUL if it is shorter */
	uint32_t pe_pointer_at_0x38;
	uint32_t pe_offset;
};

_Static_assert(sizeof(struct arm64_header) == 64, "arm64 Image header");
_Static_assert(sizeof(struct zboot_header) == 64, "zboot header");

/* The beginning of the PE header and of an entry of its section table, as far as they are used. */
struct pe_header {
	uint32_t signature; /* "PE\0\0" */
	uint16_t machine;
	uint16_t nr_sections;
	uint32_t unused[3];
	uint16_t optional_header_size;
	uint16_t characteristics;
};

struct pe_section {
	uint32_t unused[4];
	uint32_t file_size;
	uint32_t file_offset;
	uint32_t unused_too[4];
};

#define MZ_MAGIC 0x5a4d
#define PE_MAGIC 0x4550

_Static_assert(sizeof(struct pe_header) == 24, "PE header");
_Static_assert(sizeof(struct pe_section) == 40, "PE section");

/* Where in the file the kernel is. */
struct payload {
	const struct image *img;
	enum packing packing;
	uint64_t start, end;
};

/* --- unpacking --- */

struct source {
	const struct payload *payload;
	uint64_t at; /* offset in the file */
	struct err *err;
};

static long fill_from_image(void *opaque, uint8_t *buf, size_t size)
{
	struct source *src = opaque;
	int ret;

	if (size > src->payload->end - src->at)
		size = src->payload->end - src->at;
	ret = image_read(src->payload->img, src->at, buf, size, src->err);
	if (ret)
		return ret;
	src->at += size;
	return (long)size;
}

/* Unpacks to out[capacity]; `*size` becomes what was written. -ENOSPC leaves `err` alone. */
static int unpack(const struct payload *payload, void *out, uint64_t capacity, uint64_t *size,
		  struct err *err)
{
	struct source src = { .payload = payload, .at = payload->start, .err = err };
	struct unpack_input in = { .fill = fill_from_image, .opaque = &src };
	struct unpack_result result;
	int ret = unpack_file(payload->packing, &in, out, capacity, &result);

	*size = result.size;
	if (ret == 0 || ret == -ENOSPC)
		return ret;
	if (result.reason)
		return err_user(err, "kernel %s is damaged or truncated, it cannot be unpacked: %s",
				payload->img->path, result.reason);
	return ret == -ENOMEM ? err_host(err, ENOMEM, "unpack kernel %s", payload->img->path) : ret;
}

/*
 * What the kernel's build calls each way to pack (drivers/firmware/efi/libstub/Makefile.zboot), and the Debian command
 * for those that are not known here.
 */
static const struct method {
	const char *name, *command;
	enum packing packing;
} methods[] = {
	{ "gzip", NULL, PACKED_GZIP },   { "xzkern", NULL, PACKED_XZ },
	{ "xz", NULL, PACKED_XZ },       { "zstd22", NULL, PACKED_ZSTD },
	{ "zstd", NULL, PACKED_ZSTD },   { "lzma", "xz -d -F lzma", PACKED_NOT },
	{ "lz4", "lz4 -d", PACKED_NOT }, { "lzo", "lzop -d", PACKED_NOT },
};

static const struct method *find_method(const char *name)
{
	static const struct method unknown = { NULL, "the program for it", PACKED_NOT };

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strcmp(name, methods[i].name) == 0)
			return &methods[i];
	}
	return &unknown;
}

static int find_zboot_payload(struct payload *payload, const struct zboot_header *header, struct err *err)
{
	uint64_t offset = le32toh(header->payload_offset), size = le32toh(header->payload_size);
	const char *path = payload->img->path;
	char name[sizeof(header->compression) + 1] = { 0 };
	const struct method *method;

	memcpy(name, header->compression, sizeof(header->compression));
	for (char *c = name; *c; c++) {
		if (!isgraph((unsigned char)*c))
			*c = '?';
	}
	if (!range_fits(offset, size, sizeof(*header), payload->img->size))
		return err_user(err,
				"kernel %s is truncated or damaged: its payload has %" PRIu64
				" bytes at offset %" PRIu64 ", the file has %" PRIu64 " bytes",
				path, size, offset, payload->img->size);
	method = find_method(name);
	if (method->packing == PACKED_NOT)
		return err_user(
			err,
			"kernel %s is packed with %s; gzip, xz and zstd are unpacked here, this with: "
			"tail -c +%" PRIu64 " %s | head -c %" PRIu64 " | %s > Image",
			path, name, offset + 1, path, size, method->command);
	payload->packing = method->packing;
	payload->start = offset;
	payload->end = offset + size;
	return 0;
}

static int find_payload(struct payload *payload, struct err *err)
{
	const struct image *img = payload->img;
	struct zboot_header header = { 0 };
	size_t size = img->size < sizeof(header) ? (size_t)img->size : sizeof(header);
	int ret;

	ret = image_read(img, 0, &header, size, err);
	if (ret)
		return ret;
	payload->packing = packing_of((const uint8_t *)&header, size);
	payload->start = 0;
	payload->end = img->size;
	if ((le32toh(header.mz) & 0xffff) == MZ_MAGIC && le32toh(header.magic) == ZBOOT_MAGIC)
		return find_zboot_payload(payload, &header, err);
	return 0;
}

/* --- the Image --- */

static int read_header(const struct payload *payload, struct arm64_header *header, struct err *err)
{
	const struct image *img = payload->img;
	uint64_t size = sizeof(*header);
	int ret;

	memset(header, 0, sizeof(*header));
	if (payload->packing)
		ret = unpack(payload, header, sizeof(*header), &size, err);
	else
		ret = image_read(img, 0, header, img->size < size ? img->size : size, err);
	if (ret && ret != -ENOSPC)
		return ret;
	if (le32toh(header->magic) == IMAGE_MAGIC)
		return 0;
	if (payload->packing)
		return err_user(
			err, "kernel %s: what is packed in it is no arm64 Image; accepted is " ARM64_KERNELS,
			img->path);
	return identify_refuse(img, ARM64_KERNELS, err);
}

/*
 * The Image header does not tell how long the file is to be. If the Image is an EFI program too, the
 * PE header's section table does (PE Format, "Section Table (Section Headers)").
 */
static int check_sections(const struct image *img, const struct arm64_header *header, struct err *err)
{
	uint64_t at = le32toh(header->pe_offset);
	struct pe_header pe;
	int ret;

	if ((le32toh(header->code[0]) & 0xffff) != MZ_MAGIC)
		return 0;
	ret = image_read(img, at, &pe, sizeof(pe), err);
	if (ret || le32toh(pe.signature) != PE_MAGIC)
		return ret;
	at += sizeof(pe) + le16toh(pe.optional_header_size);
	for (unsigned int i = 0; i < le16toh(pe.nr_sections); i++, at += sizeof(struct pe_section)) {
		struct pe_section section;
		uint64_t end;

		ret = image_read(img, at, &section, sizeof(section), err);
		if (ret)
			return ret;
		end = (uint64_t)le32toh(section.file_offset) + le32toh(section.file_size);
		if (end > img->size)
			return err_user(err,
					"kernel %s is truncated: it should have %" PRIu64
					" bytes or more, it has %" PRIu64,
					img->path, end, img->size);
	}
	return 0;
}

/*
 * The kernel lies text_offset bytes from a 2 MiB boundary. The lowest one suits all kernels: those
 * that cannot use the memory below themselves lose none.
 */
static int place(struct boot *boot, const struct image *img, const struct arm64_header *header,
		 const struct machine *m, struct err *err)
{
	uint64_t base = align_up(m->ram[0].base, BASE_ALIGN);
	uint64_t size = le64toh(header->image_size);
	uint64_t offset = size ? le64toh(header->text_offset) : DEFAULT_TEXT_OFFSET;

	if (offset > UINT64_MAX - base)
		return err_user(err, "kernel %s is damaged: its text_offset cannot be 0x%" PRIx64, img->path,
				offset);
	if (!range_fits(base + offset, size, base, low_ram_end(m)))
		return kernel_does_not_fit(img->path, base + offset, size, m, err);
	boot->kernel_start = base + offset;
	boot->kernel_end = base + offset + size;
	boot->entry = boot->kernel_start;
	return 0;
}

/* Puts the bytes in their place: fewer or more than image_size says. */
static int load(struct boot *boot, const struct payload *payload, const struct machine *m,
		const struct guest_mem *mem, struct err *err)
{
	const struct image *img = payload->img;
	uint64_t start = boot->kernel_start, room = low_ram_end(m) - start, size = img->size;
	void *host;
	int ret;

	if (!payload->packing && size > room)
		return kernel_does_not_fit(img->path, start, size, m, err);
	host = guest_mem_load(mem, start, payload->packing ? room : size);
	if (!host)
		return err_host_text(err, "no guest memory at 0x%" PRIx64 " for the kernel", start);
	if (payload->packing)
		ret = unpack(payload, host, room, &size, err);
	else
		ret = image_read(img, 0, host, size, err);
	if (ret == -ENOSPC)
		return err_user(err,
				"kernel %s unpacks to more than the 0x%" PRIx64 " bytes from 0x%" PRIx64
				" to the end of RAM; give the guest more memory (-m)",
				img->path, room, start);
	if (boot->kernel_end < start + size)
		boot->kernel_end = start + size;
	return ret;
}

int arm64_kernel_load(struct boot *boot, const struct image *img, const struct machine *m,
		      const struct guest_mem *mem, struct err *err)
{
	struct payload payload = { .img = img };
	struct arm64_header header;
	int ret;

	ret = find_payload(&payload, err);
	if (!ret)
		ret = read_header(&payload, &header, err);
	if (!ret && !payload.packing)
		ret = check_sections(img, &header, err);
	if (!ret)
		ret = place(boot, img, &header, m, err);
	if (!ret)
		ret = load(boot, &payload, m, mem, err);
	return ret;
}

int arm64_flat_load(struct boot *boot, const struct image *img, const struct machine *m,
		    const struct guest_mem *mem, struct err *err)
{
	static const struct arm64_header silent; /* image_size 0: an old Image */
	struct payload payload = { .img = img, .end = img->size };
	int ret = place(boot, img, &silent, m, err);

	return ret ? ret : load(boot, &payload, m, mem, err);
}
