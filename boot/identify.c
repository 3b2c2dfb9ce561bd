// SPDX-License-Identifier: BSD-2-Clause
#include "boot/identify.h"

#include <ctype.h>
#include <elf.h>
#include <endian.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define HEAD_SIZE 1024

/* A file's first bytes; zeroes where the file is shorter. */
struct head {
	uint8_t byte[HEAD_SIZE];
	size_t size;
};

struct signature {
	uint16_t offset;
	uint8_t size;
	const char *bytes;
	const char *what;
	const char *advice; /* or NULL */
};

#define AT(offset, bytes) offset, sizeof(bytes) - 1, bytes

static const struct signature signatures[] = {
	{ AT(0x38, "ARM\x64"), "an arm64 Linux kernel (Image)", NULL },
	{ AT(0x38, "RSC\x05"), "a RISC-V Linux kernel (Image)", NULL },
	{ AT(0x24, "\x18\x28\x6f\x01"), "a 32-bit Arm Linux kernel (zImage)", NULL },
	{ AT(0x04, "zimg"), "a compressed Linux kernel for EFI (zboot)", NULL },
	{ AT(0x202, "HdrS"), "an x86 Linux kernel (bzImage)", NULL },
	{ AT(0, "\x1f\x8b"), "a gzip file", "unpack it with gunzip" },
	{ AT(0, "\xfd\x37zXZ"), "an xz file", "unpack it with unxz" },
	{ AT(0, "\x28\xb5\x2f\xfd"), "a Zstandard file", "unpack it with unzstd" },
	{ AT(0, "BZh"), "a bzip2 file", "unpack it with bunzip2" },
	{ AT(0, "\x04\x22\x4d\x18"), "an LZ4 file", "unpack it with unlz4" },
	{ AT(0, "\x02\x21\x4c\x18"), "an LZ4 file", "unpack it with unlz4" },
	{ AT(0, "\x89LZO"), "an lzop file", "unpack it with lzop -d" },
	{ AT(0, "\x5d\0\0"), "an LZMA file", "unpack it with unlzma" },
	{ AT(0, "PK\x03\x04"), "a zip archive", "unpack it with unzip" },
	{ AT(0, "!<arch>\n"), "a Debian package or another ar archive", "unpack it with dpkg -x" },
	{ AT(0, "\xed\xab\xee\xdb"), "an RPM package", "unpack it with rpm2cpio" },
	{ AT(257, "ustar"), "a tar archive", "unpack it with tar -x" },
	{ AT(0, "070701"), "a cpio archive, such as an initrd", NULL },
	{ AT(0, "\x27\x05\x19\x56"), "a U-Boot uImage", "take the kernel out with dumpimage" },
	{ AT(0, "\xd0\x0d\xfe\xed"), "a device tree or a U-Boot FIT image", NULL },
	{ AT(0, "ANDROID!"), "an Android boot image", NULL },
	{ AT(0, "QFI\xfb"), "a qcow2 disk image", NULL },
	{ AT(0, "hsqs"), "a squashfs file system", NULL },
	{ AT(0, "#!"), "a script", NULL },
	{ AT(0, "MZ"), "an EFI or Windows program", NULL },
};

static const struct {
	uint16_t machine;
	const char *name;
} elf_machines[] = {
	{ EM_386, "32-bit x86" }, { EM_X86_64, "x86-64" }, { EM_ARM, "32-bit Arm" }, { EM_AARCH64, "arm64" },
	{ EM_PPC64, "PowerPC" },  { EM_S390, "s390" },     { EM_RISCV, "RISC-V" },   { EM_MIPS, "MIPS" },
};

/* ELF files name their machine in the byte order that they name before it. */
static void describe_elf(const struct head *head, char *text, size_t size)
{
	uint16_t machine;

	memcpy(&machine, head->byte + offsetof(Elf64_Ehdr, e_machine), sizeof(machine));
	machine = head->byte[EI_DATA] == ELFDATA2MSB ? be16toh(machine) : le16toh(machine);
	for (size_t i = 0; i < sizeof(elf_machines) / sizeof(elf_machines[0]); i++) {
		if (elf_machines[i].machine == machine) {
			snprintf(text, size, "an ELF file for %s", elf_machines[i].name);
			return;
		}
	}
	snprintf(text, size, "an ELF file for machine %u", machine);
}

static bool is_text(const struct head *head)
{
	for (size_t i = 0; i < head->size; i++) {
		if (!isprint(head->byte[i]) && !isspace(head->byte[i]))
			return false;
	}
	return true;
}

/* Describes the file in text[size]. Returns what to do about it, or NULL. */
static const char *describe(const struct head *head, char *text, size_t size)
{
	static const uint8_t zeroes[HEAD_SIZE];

	if (memcmp(head->byte, ELFMAG, SELFMAG) == 0) {
		describe_elf(head, text, size);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
		const struct signature *s = &signatures[i];

		if (memcmp(head->byte + s->offset, s->bytes, s->size) == 0) {
			snprintf(text, size, "%s", s->what);
			return s->advice;
		}
	}
	if (memcmp(head->byte, zeroes, HEAD_SIZE) == 0)
		snprintf(text, size, "a file of zeroes");
	else if (is_text(head))
		snprintf(text, size, "a text file");
	else
		snprintf(text, size, "data of an unknown kind (beginning with %02x %02x %02x %02x)",
			 head->byte[0], head->byte[1], head->byte[2], head->byte[3]);
	return NULL;
}

int identify_refuse(const struct image *img, const char *accepted, struct err *err)
{
	struct head head = { 0 };
	const char *advice;
	char what[80];
	int ret;

	head.size = img->size < HEAD_SIZE ? (size_t)img->size : HEAD_SIZE;
	ret = image_read(img, 0, head.byte, head.size, err);
	if (ret)
		return ret;
	advice = describe(&head, what, sizeof(what));
	return err_user(err, "%s %s seems to be %s%s%s; accepted is %s", img->what, img->path, what,
			advice ? ": " : "", advice ? advice : "", accepted);
}
