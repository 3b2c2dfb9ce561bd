// SPDX-License-Identifier: BSD-2-Clause
#include "boot/release.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "boot/image.h"
#include "boot/unpack.h"

#define FILE_MAX     (1ULL << 30)
#define UNPACKED_MAX (256u << 20)

#define BANNER "Linux version "

/* Linux, Documentation/arch/x86/boot.rst, "Details of Header Fields". */
#define SETUP_MAGIC          0x202
#define SETUP_KERNEL_VERSION 0x20e
#define SETUP_END            0x210

/* Linux, drivers/firmware/efi/libstub/zboot-header.S */
#define ZBOOT_MAGIC  4
#define ZBOOT_OFFSET 8
#define ZBOOT_SIZE   12
#define ZBOOT_END    16

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

/* The word at `text`, of which `len` bytes are there. False: it is none that a release could be. */
static bool take_word(const uint8_t *text, size_t len, char release[RELEASE_MAX + 1])
{
	size_t n = 0;

	while (n < len && n < RELEASE_MAX && isgraph(text[n]) && text[n] != '/')
		n++;
	if (n == len || (text[n] && text[n] != ' ') || !isdigit(text[0]))
		return false;
	memcpy(release, text, n);
	release[n] = '\0';
	return true;
}

static bool find_banner(const uint8_t *data, size_t size, char release[RELEASE_MAX + 1])
{
	const uint8_t *at = data, *end = data + size;

	while ((at = memmem(at, (size_t)(end - at), BANNER, strlen(BANNER)))) {
		at += strlen(BANNER);
		/* The format that others are printed with is there, too: "Linux version %s". */
		if (take_word(at, (size_t)(end - at), release))
			return true;
	}
	return false;
}

static bool find_in_setup(const uint8_t *data, size_t size, char release[RELEASE_MAX + 1])
{
	size_t at;

	if (size < SETUP_END || memcmp(data + SETUP_MAGIC, "HdrS", 4) != 0)
		return false;
	at = (size_t)data[SETUP_KERNEL_VERSION] | (size_t)data[SETUP_KERNEL_VERSION + 1] << 8;
	return at && at + 0x200 < size && take_word(data + at + 0x200, size - at - 0x200, release);
}

static bool find_packed(const uint8_t *data, size_t size, char release[RELEASE_MAX + 1])
{
	struct unpack_memory src = { .at = data, .left = size };
	struct unpack_input in = { .fill = unpack_from_memory, .opaque = &src };
	struct unpack_result result;
	enum packing packing;
	uint8_t *out;
	bool found;

	/* An EFI zboot image has the packed kernel somewhere within. */
	if (size >= ZBOOT_END && !memcmp(data + ZBOOT_MAGIC, "zimg", 4)) {
		uint64_t offset = get32(data + ZBOOT_OFFSET), len = get32(data + ZBOOT_SIZE);

		if (offset > size || len > size - offset)
			return false;
		src = (struct unpack_memory){ .at = data + offset, .left = (size_t)len };
	}
	packing = packing_of(src.at, src.left);
	if (packing == PACKED_NOT)
		return false;
	out = malloc(UNPACKED_MAX);
	if (!out)
		return false;
	unpack_file(packing, &in, out, UNPACKED_MAX,
		    &result); /* whether it can be booted is for the loader to say */
	found = find_banner(out, result.size, release);
	free(out);
	return found;
}

static int read_release(const struct image *img, char release[RELEASE_MAX + 1], struct err *err)
{
	uint8_t *data = malloc(img->size);
	int ret;

	if (!data)
		return err_host(err, ENOMEM, "read the kernel %s", img->path);
	ret = image_read(img, 0, data, img->size, err);
	if (!ret && !find_in_setup(data, img->size, release) && !find_packed(data, img->size, release) &&
	    !find_banner(data, img->size, release))
		ret = err_user(
			err,
			"kernel %s does not say which version of Linux it is, and so not which modules "
			"are its own; if it needs none, say --modules none",
			img->path);
	free(data);
	return ret;
}

int kernel_release(const char *path, char release[RELEASE_MAX + 1], struct err *err)
{
	struct image img;
	int ret = image_open(&img, "kernel", path, FILE_MAX, err);

	if (ret)
		return ret;
	if (img.size > FILE_MAX)
		ret = err_user(err, "kernel %s: larger than 1 GiB", path);
	else
		ret = read_release(&img, release, err);
	image_close(&img);
	return ret;
}
