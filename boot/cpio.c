// SPDX-License-Identifier: BSD-2-Clause
#include "boot/cpio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define HEADER_SIZE 110 /* "070701" and 13 fields of 8 hexadecimal digits */
#define ALIGN       4   /* names and contents begin and end at multiples of it */

static size_t padded(size_t size)
{
	return (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static int reserve(struct cpio *cpio, size_t more)
{
	size_t capacity = cpio->capacity ? cpio->capacity : 65536;
	uint8_t *data;

	while (capacity - cpio->size < more)
		if (__builtin_mul_overflow(capacity, 2, &capacity))
			return -ENOMEM;
	if (capacity == cpio->capacity)
		return 0;
	data = realloc(cpio->data, capacity);
	if (!data)
		return -ENOMEM;
	cpio->data = data;
	cpio->capacity = capacity;
	return 0;
}

/* Copies `len` bytes, and zeroes up to the next boundary. */
static void put(struct cpio *cpio, const void *bytes, size_t len)
{
	size_t end = padded(cpio->size + len);

	if (len)
		memcpy(cpio->data + cpio->size, bytes, len);
	memset(cpio->data + cpio->size + len, 0, end - cpio->size - len);
	cpio->size = end;
}

static int add(struct cpio *cpio, const char *name, unsigned int mode, const void *data, size_t size,
	       unsigned int major, unsigned int minor)
{
	size_t name_size = strlen(name) + 1;
	char header[HEADER_SIZE + 1];
	int ret;

	if (size > UINT32_MAX)
		return -EFBIG;
	ret = reserve(cpio, HEADER_SIZE + name_size + size + (size_t)2 * ALIGN);
	if (ret < 0)
		return ret;
	/* magic, inode, mode, uid, gid, links, mtime, size, device, device of a node, name's size, checksum */
	snprintf(header, sizeof(header), "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		 cpio->inode++, mode, 0, 0, S_ISDIR(mode) ? 2 : 1, 0, (unsigned int)size, 0, 0, major, minor,
		 (unsigned int)name_size, 0);
	/* No padding between header and name. */
	memcpy(cpio->data + cpio->size, header, HEADER_SIZE);
	cpio->size += HEADER_SIZE;
	put(cpio, name, name_size);
	put(cpio, data, size);
	return 0;
}

int cpio_add_directory(struct cpio *cpio, const char *name, unsigned int mode)
{
	return add(cpio, name, S_IFDIR | mode, NULL, 0, 0, 0);
}

int cpio_add_file(struct cpio *cpio, const char *name, unsigned int mode, const void *data, size_t size)
{
	return add(cpio, name, S_IFREG | mode, data, size, 0, 0);
}

int cpio_add_char_device(struct cpio *cpio, const char *name, unsigned int mode, unsigned int major,
			 unsigned int minor)
{
	return add(cpio, name, S_IFCHR | mode, NULL, 0, major, minor);
}

int cpio_end(struct cpio *cpio)
{
	return add(cpio, "TRAILER!!!", 0, NULL, 0, 0, 0);
}
