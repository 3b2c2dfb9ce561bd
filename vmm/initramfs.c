// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/initramfs.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot/cpio.h"
#include "boot/image.h"
#include "boot/modules.h"
#include "boot/release.h"
#include "boot/unpack.h"
#include "init/embed.h"
#include "kvm/log.h"

#define FILE_MAX (256ULL << 20) /* of one file in it, also unpacked */

static int no_memory(int ret, struct err *err)
{
	return ret ? err_host(err, -ret, "the built-in initramfs") : 0;
}

/* Reads the file as a whole; *data is malloc'ed. */
static int read_whole(uint8_t **data, size_t *size, const char *what, const char *path, struct err *err)
{
	struct image img;
	int ret = image_open(&img, what, path, FILE_MAX, err);

	if (ret)
		return ret;
	*size = (size_t)img.size;
	*data = NULL;
	if (img.size > FILE_MAX)
		ret = err_user(err, "%s %s: more than %llu MiB, all that is taken into the initramfs", what,
			       path, FILE_MAX >> 20);
	else if (!(*data = malloc(*size)))
		ret = err_host(err, ENOMEM, "read %s", path);
	else
		ret = image_read(&img, 0, *data, img.size, err);
	if (ret)
		free(*data);
	image_close(&img);
	return ret;
}

/* --- modules --- */

/* Its suffix says how a module is packed (kmod's tools go by it too). False: in a way that is not known here. */
static bool suffix_packing(const char *name, size_t *stem, enum packing *packing)
{
	static const struct {
		const char *suffix;
		enum packing packing;
	} known[] = {
		{ ".ko", PACKED_NOT },
		{ ".ko.gz", PACKED_GZIP },
		{ ".ko.xz", PACKED_XZ },
		{ ".ko.zst", PACKED_ZSTD },
	};
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t n = strlen(known[i].suffix);

		if (len < n || strcmp(name + len - n, known[i].suffix) != 0)
			continue;
		*stem = len - n;
		*packing = known[i].packing;
		return true;
	}
	return false;
}

/* Puts the unpacked module in the place of the packed one. */
static int unpack_module(uint8_t **data, size_t *size, enum packing packing, const char *path,
			 struct err *err)
{
	struct unpack_memory from = { .at = *data, .left = *size };
	const struct unpack_input in = { .fill = unpack_from_memory, .opaque = &from };
	struct unpack_result result;
	uint8_t *out = malloc(FILE_MAX); /* what is not written to costs nothing */
	int ret = out ? unpack_file(packing, &in, out, FILE_MAX, &result) : -ENOMEM;

	if (!ret) {
		uint8_t *fitting = realloc(out, result.size ? result.size : 1);

		free(*data);
		*data = fitting ? fitting : out;
		*size = result.size;
		return 0;
	}
	free(out);
	if (ret == -ENOMEM)
		return err_host(err, ENOMEM, "unpack the module %s", path);
	if (ret == -ENOSPC)
		return err_user(err,
				"module %s unpacks to more than %llu MiB, which no module is; install the "
				"kernel's modules again, or say where others are with --modules DIR",
				path, FILE_MAX >> 20);
	return err_user(err,
			"module %s is damaged or truncated, it cannot be unpacked: %s; install the kernel's "
			"modules again, or say where others are with --modules DIR",
			path, result.reason);
}

/* Where the guest finds a module, unpacked: below /lib, without its directory. */
static int module_name(char name[NAME_MAX + 1], enum packing *packing, const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	size_t stem;

	if (!suffix_packing(base, &stem, packing))
		return err_user(err,
				"module %s is packed in a way that is not known here; known are .ko, .ko.gz, "
				".ko.xz and .ko.zst",
				path);
	if ((size_t)snprintf(name, NAME_MAX + 1, "%.*s.ko", (int)stem, base) > NAME_MAX)
		return err_user(err, "module %s has too long a name", path);
	return 0;
}

static int add_module(struct cpio *cpio, const char *dir, const char *path, struct err *err)
{
	char file[PATH_MAX], name[NAME_MAX + 1], place[NAME_MAX + 8];
	enum packing packing;
	uint8_t *data;
	size_t size;
	int ret = module_name(name, &packing, path, err);

	if (ret)
		return ret;
	if ((size_t)snprintf(file, sizeof(file), "%s/%s", dir, path) >= sizeof(file))
		return err_user(err, "modules: \"%s/%s\" is too long a name", dir, path);
	snprintf(place, sizeof(place), "lib/%s", name);
	ret = read_whole(&data, &size, "module", file, err);
	if (ret)
		return ret;
	if (packing != PACKED_NOT)
		ret = unpack_module(&data, &size, packing, file, err);
	if (!ret)
		ret = no_memory(cpio_add_file(cpio, place, 0644, data, size), err);
	free(data);
	return ret;
}

/* The files, and the list of them in the order to load them in. */
static int add_modules(struct cpio *cpio, const struct modules *m, const char *dir, struct err *err)
{
	int ret = no_memory(cpio_add_directory(cpio, "lib", 0755), err);
	char *list = NULL;
	size_t size;
	FILE *file;

	for (unsigned int i = 0; i < m->path.count && !ret; i++)
		ret = add_module(cpio, dir, m->path.text[i], err);
	if (ret)
		return ret;
	file = open_memstream(&list, &size);
	if (!file)
		return no_memory(-ENOMEM, err);
	for (unsigned int i = 0; i < m->path.count; i++) {
		char name[NAME_MAX + 1];
		enum packing packing;

		module_name(name, &packing, m->path.text[i], err); /* add_module() has found it right */
		fprintf(file, "%s\n", name);
	}
	ret = fclose(file) ? -ENOMEM : cpio_add_file(cpio, "modules", 0644, list, size);
	free(list);
	return no_memory(ret, err);
}

static int find_modules(struct cpio *cpio, const struct initramfs_request *req, struct err *err)
{
	char release[RELEASE_MAX + 1], dir[sizeof("/lib/modules/") + RELEASE_MAX];
	struct modules modules = { 0 };
	int ret = kernel_release(req->kernel, release, err);

	if (ret)
		return ret;
	snprintf(dir, sizeof(dir), "/lib/modules/%s", release);
	for (unsigned int i = 0; req->modules[i] && !ret; i++)
		ret = modules_add(&modules, req->modules_dir ? req->modules_dir : dir, release,
				  req->modules[i], err);
	if (!ret) {
		log_info("kernel %s: Linux %s, %u modules of %s", req->kernel, release, modules.path.count,
			 req->modules_dir ? req->modules_dir : dir);
		ret = add_modules(cpio, &modules, req->modules_dir ? req->modules_dir : dir, err);
	}
	modules_finish(&modules);
	return ret;
}

/* --- copies of files --- */

/* The directories above `path`, "root/..."; that some are there already does no harm. */
static int add_directories(struct cpio *cpio, const char *path)
{
	char name[PATH_MAX];
	int ret = 0;

	for (const char *slash = strchr(path, '/'); slash && !ret; slash = strchr(slash + 1, '/')) {
		snprintf(name, sizeof(name), "%.*s", (int)(slash - path), path);
		ret = cpio_add_directory(cpio, name, 0755);
	}
	return ret;
}

static int add_copy(struct cpio *cpio, const char *path, struct err *err)
{
	char name[PATH_MAX];
	uint8_t *data;
	size_t size;
	int ret;

	if ((size_t)snprintf(name, sizeof(name), "root%s", path) >= sizeof(name))
		return err_host(err, ENAMETOOLONG, "%s", path);
	ret = read_whole(&data, &size, "file", path, err);
	if (ret)
		return ret;
	ret = no_memory(add_directories(cpio, name), err);
	if (!ret)
		ret = no_memory(cpio_add_file(cpio, name, access(path, X_OK) ? 0644 : 0755, data, size), err);
	free(data);
	return ret;
}

static int add_root(struct cpio *cpio, const struct initramfs_request *req, struct err *err)
{
	int ret = cpio_add_directory(cpio, "root", 0755);

	if (!ret)
		ret = cpio_add_directory(cpio, "root/tmp", 01777);
	ret = no_memory(ret, err);
	for (unsigned int i = 0; i < req->files->count && !ret; i++)
		ret = add_copy(cpio, req->files->text[i], err);
	return ret;
}

/* --- the whole --- */

static int fill(struct cpio *cpio, const struct initramfs_request *req, struct err *err)
{
	int ret = cpio_add_directory(cpio, "dev", 0755);

	if (!ret) /* Linux, Documentation/admin-guide/devices.txt */
		ret = cpio_add_char_device(cpio, "dev/console", 0600, 5, 1);
	if (!ret)
		ret = cpio_add_file(cpio, "init", 0755, init_program,
				    (size_t)(init_program_end - init_program));
	if (!ret && req && req->job)
		ret = cpio_add_file(cpio, "exec", 0600, req->job, req->job_size);
	ret = no_memory(ret, err);
	if (!ret && req && req->files)
		ret = add_root(cpio, req, err);
	if (!ret && req && req->modules)
		ret = find_modules(cpio, req, err);
	return ret ? ret : no_memory(cpio_end(cpio), err);
}

int initramfs_build(struct boot_initrd *out, const struct initramfs_request *req, struct err *err)
{
	struct cpio cpio = { 0 };
	int ret = fill(&cpio, req, err);

	if (ret < 0) {
		free(cpio.data);
		return ret;
	}
	*out = (struct boot_initrd){ .data = cpio.data, .size = cpio.size };
	return 0;
}

void initramfs_free(struct boot_initrd *initramfs)
{
	free(initramfs->data);
	*initramfs = (struct boot_initrd){ 0 };
}
