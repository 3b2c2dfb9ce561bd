// SPDX-License-Identifier: BSD-2-Clause
/*
 * What is not a raw image is told by its first bytes, so that nobody boots a qcow2 header. Only formats
 * that exist to hold a disk: whatever else a file begins with may well be what a guest wants to read.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "host/block_internal.h"

struct format {
	const char *name;  /* to people */
	const char *qemu;  /* to `qemu-img convert -f` */
	unsigned int at;   /* bytes from the beginning */
	const char *magic; /* may contain NULs */
	unsigned int len;
};

#define MAGIC(at, text) at, text, sizeof(text) - 1

static const struct format formats[] = {
	{ "qcow2", "qcow2", MAGIC(0, "QFI\xfb\0\0\0\x02") },
	{ "qcow2", "qcow2", MAGIC(0, "QFI\xfb\0\0\0\x03") },
	{ "qcow", "qcow", MAGIC(0, "QFI\xfb\0\0\0\x01") },
	{ "QED", "qed", MAGIC(0, "QED\0") },
	{ "VMDK", "vmdk", MAGIC(0, "KDMV") },
	{ "VMDK", "vmdk", MAGIC(0, "COWD") },
	{ "VMDK", "vmdk", MAGIC(0, "# Disk DescriptorFile") },
	{ "VHDX", "vhdx", MAGIC(0, "vhdxfile") },
	{ "VHD", "vpc", MAGIC(0, "conectix") },
	{ "VDI", "vdi", MAGIC(64, "\x7f\x10\xda\xbe") },
	{ "Parallels", "parallels", MAGIC(0, "WithoutFreeSpace") },
	{ "Parallels", "parallels", MAGIC(0, "WithouFreSpacExt") },
};

int block_check_format(const struct block_file *file, struct err *err)
{
	_Alignas(4096) uint8_t head[4096]; /* as O_DIRECT wants it */
	ssize_t len = pread(file->fd, head, sizeof(head), 0);

	if (len < 0)
		return err_host(err, errno, "%s: reading %s", file->name, file->path);
	for (unsigned int i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		const struct format *f = &formats[i];

		if ((size_t)len >= f->at + f->len && !memcmp(head + f->at, f->magic, f->len))
			return err_user(
				err,
				"%s: %s is a %s image, and only raw ones can be used; convert it: qemu-img "
				"convert -f %s -O raw %s %s.raw",
				file->name, file->path, f->name, f->qemu, file->path, file->path);
	}
	return 0;
}
