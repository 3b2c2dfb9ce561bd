// SPDX-License-Identifier: BSD-2-Clause
/* What the user is told about files that are no kernel. */
#include "tests/unit/boot_rig.h"

#include <elf.h>

#include "boot/identify.h"

static struct image memory_image(uint8_t *data, size_t size)
{
	return (struct image){ .path = "/some/file", .what = "kernel", .fd = -1, .data = data, .size = size };
}

static void expect_line(uint8_t *data, size_t size, const char *line)
{
	struct image img = memory_image(data, size);
	struct err err;

	assert_int_equal(identify_refuse(&img, "a kernel", &err), -EINVAL);
	assert_int_equal(err.kind, ERR_USER);
	assert_string_equal(err.text, line);
}

#define LINE(what) "kernel /some/file seems to be " what "; accepted is a kernel"

static void names_known_formats(void **state)
{
	static const struct {
		size_t at;
		const char *bytes;
		size_t size;
		const char *line;
	} known[] = {
		{ 0, "\x1f\x8b\x08", 3, LINE("a gzip file: unpack it with gunzip") },
		{ 0,
		  "\xfd"
		  "7zXZ\0",
		  6, LINE("an xz file: unpack it with unxz") },
		{ 0, "\x28\xb5\x2f\xfd", 4, LINE("a Zstandard file: unpack it with unzstd") },
		{ 0, "PK\x03\x04", 4, LINE("a zip archive: unpack it with unzip") },
		{ 0, "\x27\x05\x19\x56", 4, LINE("a U-Boot uImage: take the kernel out with dumpimage") },
		{ 0, "!<arch>\ndebian-binary", 21,
		  LINE("a Debian package or another ar archive: unpack it with dpkg -x") },
		{ 0, "MZ", 2, LINE("an EFI or Windows program") },
		{ 0x38, "ARM\x64", 4, LINE("an arm64 Linux kernel (Image)") },
		{ 0x202, "HdrS", 4, LINE("an x86 Linux kernel (bzImage)") },
		{ 4, "zimg", 4, LINE("a compressed Linux kernel for EFI (zboot)") },
		{ 257, "ustar", 5, LINE("a tar archive: unpack it with tar -x") },
		{ 0, "070701", 6, LINE("a cpio archive, such as an initrd") },
		{ 0, "\xd0\x0d\xfe\xed", 4, LINE("a device tree or a U-Boot FIT image") },
	};
	uint8_t data[2048];

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		memset(data, 0x80, sizeof(data));
		memcpy(data + known[i].at, known[i].bytes, known[i].size);
		expect_line(data, sizeof(data), known[i].line);
		/* also if that is all there is */
		expect_line(data, known[i].at + known[i].size, known[i].line);
	}
}

static void an_efi_image_is_called_by_its_kernel(void **state)
{
	uint8_t data[128] = "MZ";

	(void)state;
	memcpy(data + 0x38, "ARM\x64", 4);
	expect_line(data, sizeof(data), LINE("an arm64 Linux kernel (Image)"));
}

static void elf_files_are_called_by_their_machine(void **state)
{
	uint8_t data[64] = ELFMAG;

	(void)state;
	data[EI_DATA] = ELFDATA2LSB;
	put_le(data + 18, 2, EM_AARCH64);
	expect_line(data, sizeof(data), LINE("an ELF file for arm64"));
	put_le(data + 18, 2, EM_386);
	expect_line(data, sizeof(data), LINE("an ELF file for 32-bit x86"));
	put_le(data + 18, 2, 9999);
	expect_line(data, sizeof(data), LINE("an ELF file for machine 9999"));
	data[EI_DATA] = ELFDATA2MSB;
	data[18] = 0;
	data[19] = EM_S390;
	expect_line(data, sizeof(data), LINE("an ELF file for s390"));
	expect_line(data, 4, LINE("an ELF file for machine 0"));
}

static void the_rest_is_described(void **state)
{
	uint8_t zeroes[4096] = { 0 };
	uint8_t text[] = "#include <stdio.h>\n";
	uint8_t script[] = "#!/bin/sh\n";
	uint8_t noise[] = { 0x80, 0x01, 0x02, 0xff, 0x04 };
	uint8_t one[] = { 0x80 };

	(void)state;
	expect_line(zeroes, sizeof(zeroes), LINE("a file of zeroes"));
	expect_line(zeroes, 1, LINE("a file of zeroes"));
	expect_line(text, sizeof(text) - 1, LINE("a text file"));
	expect_line(script, sizeof(script) - 1, LINE("a script"));
	expect_line(noise, sizeof(noise), LINE("data of an unknown kind (beginning with 80 01 02 ff)"));
	expect_line(one, sizeof(one), LINE("data of an unknown kind (beginning with 80 00 00 00)"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_known_formats),
		cmocka_unit_test(an_efi_image_is_called_by_its_kernel),
		cmocka_unit_test(elf_files_are_called_by_their_machine),
		cmocka_unit_test(the_rest_is_described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
