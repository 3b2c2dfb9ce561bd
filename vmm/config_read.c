// SPDX-License-Identifier: BSD-2-Clause
/* Definition files: opened, told apart by what is in them, and read with what they include. */
#include "vmm/config_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/devices.h"

#define MOST_BYTES      (256UL << 10) /* of a file; a definition is far smaller */
#define MOST_FILES      64            /* of one definition */
#define MOST_DEPTH      8             /* of includes */
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

int reading_mistake(struct reading *r, int ret)
{
	if (ret == -EINVAL && r->from && !r->told) {
		const struct err cause = *r->err;

		err_user(r->err, "%s (included in %s:%u)", cause.text, quote_path(r->from->path).text,
			 r->from_line);
	}
	if (ret && r->told)
		return ret;
	return mistake(r->mistakes, ret, r->err);
}

/* What is wrong with the file itself: told where it is included, or else by its name. */
static int file_error(const struct reading *r, const char *text)
{
	const struct option_origin at = { .file = r->from ? r->from->path : NULL, .line = r->from_line };

	if (r->from)
		return option_error(r->err, &at, "include", "\"%s\": %s", quote_path(r->path).text, text);
	return err_user(r->err, "definition file \"%s\": %s", quote_path(r->path).text, text);
}

/* Is the file among those that are being read? */
static bool is_open(const struct reading *r)
{
	for (const struct reading *from = r->from; from; from = from->from)
		if (from->stat.st_dev == r->stat.st_dev && from->stat.st_ino == r->stat.st_ino)
			return true;
	return false;
}

/* Reads to the end, whatever kind of file it is; `text` has room for MOST_BYTES and one more. */
static int read_all(const struct reading *r, int fd, char *text, size_t *size)
{
	char large[64];

	*size = 0;
	while (*size <= MOST_BYTES) {
		ssize_t got = read(fd, text + *size, MOST_BYTES + 1 - *size);

		if (!got)
			return 0;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return file_error(r, strerrordesc_np(errno));
		*size += (size_t)got;
	}
	snprintf(large, sizeof(large), "larger than %lu bytes, which none needs to be", MOST_BYTES);
	return file_error(r, large);
}

static int read_text(struct reading *r, char *text, size_t *size)
{
	int fd = open(r->path, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0 || fstat(fd, &r->stat) < 0)
		ret = file_error(r, strerrordesc_np(errno));
	else if (S_ISDIR(r->stat.st_mode))
		ret = file_error(r, "is a directory; give the file itself");
	else if (is_open(r))
		ret = file_error(r, "is being read already: it includes itself");
	else
		ret = read_all(r, fd, text, size);
	if (fd >= 0)
		close(fd);
	return ret;
}

/* JSON begins with a brace, which no definition of ours does. */
static bool is_json(const char *text)
{
	return text[strspn(text, " \t\r\n")] == '{';
}

/* What is wrong with the file as a whole is the includer's mistake; what is in it was told by its own. */
static int read_file(struct reading *r, bool *opened)
{
	char *text = malloc(MOST_BYTES + 2), *begin = text;
	size_t size = 0, len = strlen(r->path);
	int ret;

	if (!text)
		return err_host(r->err, ENOMEM, "definition file \"%s\"", quote_path(r->path).text);
	ret = read_text(r, text, &size);
	*opened = !ret;
	if (!ret) {
		text[size] = '\0';
		if (size >= 3 && !memcmp(text, BYTE_ORDER_MARK, 3)) {
			begin += 3;
			size -= 3;
		}
		ret = is_json(begin) || (len > 5 && !strcmp(r->path + len - 5, ".json"))
			      ? config_read_firecracker(r, begin, size)
			      : config_read_text(r, begin, size);
	}
	devices_give_ids(r->cfg);
	free(text);
	return ret;
}

int reading_include(struct reading *from, const struct option_origin *at, const char *path)
{
	struct reading r = {
		.cfg = from->cfg,
		.path = config_name(from->cfg, path),
		.mistakes = from->mistakes,
		.from = from,
		.from_line = at->line,
		.number = ++*from->opened,
		.opened = from->opened,
		.err = from->err,
	};
	unsigned int depth = 0;
	bool opened = false;
	int ret;

	if (!r.path)
		return err_host(r.err, ENOMEM, "include");
	for (const struct reading *up = from; up; up = up->from)
		depth++;
	if (depth > MOST_DEPTH || r.number > MOST_FILES)
		return option_error(r.err, at, "include",
				    "a definition may consist of %d files, which include each other %d deep",
				    MOST_FILES, MOST_DEPTH);
	ret = read_file(&r, &opened);
	from->told = ret && opened;
	return ret;
}

int config_read(struct vm_config *cfg, const char *path, struct mistakes *m, struct err *err)
{
	unsigned int count = 1;
	struct reading r = {
		.cfg = cfg,
		.path = config_name(cfg, path),
		.mistakes = m,
		.number = 1,
		.opened = &count,
		.err = err,
	};
	bool opened;
	int ret;

	if (!r.path)
		return err_host(err, ENOMEM, "definition file \"%s\"", quote_path(path).text);
	ret = read_file(&r, &opened);
	return opened ? ret : mistake(m, ret, err);
}

int config_read_file(struct vm_config *cfg, const char *path, struct err *err)
{
	return config_read(cfg, path, NULL, err);
}
