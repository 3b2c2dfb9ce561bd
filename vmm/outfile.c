// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/kinds.h"

static bool is_file(const char *path, const struct stat *file)
{
	struct stat st;

	return path && !stat(path, &st) && st.st_dev == file->st_dev && st.st_ino == file->st_ino;
}

static bool has_file(const struct device_config *dc, const struct stat *file)
{
	for (const struct option *key = dc->kind->keys; key->name; key++)
		if (key->type == OPTION_FILE && is_file(option_text(dc, key), file))
			return true;
	return false;
}

/* The option whose file this is, or NULL. */
static const char *input_of(const struct vm_config *cfg, const struct stat *file)
{
	const struct {
		const char *option, *path;
	} inputs[] = { { "kernel", cfg->kernel }, { "initrd", cfg->initrd } };

	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
		if (is_file(inputs[i].path, file))
			return inputs[i].option;
	for (unsigned int i = 0; i < cfg->names.count; i++)
		if (is_file(cfg->names.text[i], file))
			return "config";
	for (const struct device_config *dc = cfg->devices; dc; dc = dc->next)
		if (has_file(dc, file))
			return dc->kind->name;
	return NULL;
}

static int is_input(const char *option, const char *path, const char *input, struct err *err)
{
	return err_user(err, "%s %s: that is the file of --%s, which would be lost; name another file",
			option, path, input);
}

static int unwritable(const char *option, const char *path, int code, struct err *err)
{
	return err_user(err, "%s %s: cannot be written: %s; name a file in a directory that you may write to",
			option, path, strerrordesc_np(code));
}

#define NO_READER "%s %s: a FIFO that nobody reads; start its reader first"

/* What open() with O_NONBLOCK fails with then; and for a socket, too. */
static bool has_no_reader(const char *path, int code)
{
	struct stat st;

	return code == ENXIO && !stat(path, &st) && S_ISFIFO(st.st_mode);
}

static int unopened(const char *option, const char *path, int code, struct err *err)
{
	return has_no_reader(path, code) ? err_user(err, NO_READER, option, path)
					 : unwritable(option, path, code, err);
}

int outfile_open(struct outfile *out, const char *option, const char *path, const struct vm_config *cfg,
		 struct err *err)
{
	struct stat st;
	int fd;

	*out = (struct outfile){ .option = option, .path = path };
	if (!stat(path, &st) && S_ISREG(st.st_mode) && input_of(cfg, &st))
		return is_input(option, path, input_of(cfg, &st), err);
	/* A FIFO is not waited for: what waits in open() hears no signal. Written to it is as to any other file. */
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
	if (fd < 0)
		return unopened(option, path, errno, err);
	out->file = fcntl(fd, F_SETFL, 0) < 0 ? NULL : fdopen(fd, "w");
	if (!out->file) {
		int ret = unwritable(option, path, errno, err);

		close(fd);
		return ret;
	}
	return 0;
}

static int failed(const struct outfile *out, int code, struct err *err)
{
	err_host_text(err, "%s %s: cannot be written: %s; make room there or name another file", out->option,
		      out->path, strerrordesc_np(code));
	return -code;
}

int outfile_flush(struct outfile *out, struct err *err)
{
	errno = EIO; /* should an earlier write have failed, its cause is gone */
	return fflush(out->file) || ferror(out->file) ? failed(out, errno, err) : 0;
}

/* A device or a pipe is not ours to remove. */
static bool is_regular(const struct outfile *out)
{
	struct stat st;

	return !fstat(fileno(out->file), &st) && S_ISREG(st.st_mode);
}

int outfile_close(struct outfile *out, struct err *err)
{
	int ret = outfile_flush(out, err);
	bool regular = is_regular(out);

	if (fclose(out->file) && !ret)
		ret = failed(out, errno, err);
	out->file = NULL;
	if (ret < 0 && regular)
		unlink(out->path);
	return ret;
}

void outfile_discard(struct outfile *out)
{
	if (is_regular(out))
		unlink(out->path);
	fclose(out->file);
	out->file = NULL;
}

/* --- all at once --- */

/* May a file be made beside `path`? */
static bool directory_is_writable(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	bool ok = directory && !access(directory, W_OK | X_OK);

	free(directory);
	return ok;
}

/* `replace`: a new file is to take the place of one that is there. */
static int check(const char *option, const char *path, bool replace, const struct vm_config *cfg,
		 struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT && directory_is_writable(path) ? 0
								      : unwritable(option, path, errno, err);
	if (S_ISDIR(st.st_mode))
		return unwritable(option, path, EISDIR, err);
	if (S_ISREG(st.st_mode) && input_of(cfg, &st))
		return is_input(option, path, input_of(cfg, &st), err);
	if (access(path, W_OK) < 0 || (replace && S_ISREG(st.st_mode) && !directory_is_writable(path)))
		return unwritable(option, path, errno, err);
	return 0;
}

int outfile_check(const char *option, const char *path, const struct vm_config *cfg, struct err *err)
{
	return check(option, path, true, cfg, err);
}

int outfile_check_append(const char *option, const char *path, const struct vm_config *cfg, struct err *err)
{
	return check(option, path, false, cfg, err);
}

int outfile_open_append(const char *option, const char *path, struct err *err)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);

	return fd < 0 ? unopened(option, path, errno, err) : fd;
}

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* Of a new file, as open() would have made it. */
static mode_t usual_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

/* Into a new file that then takes the place of `path`. */
static int replace(const char *path, mode_t mode, const void *bytes, size_t len)
{
	char *temporary;
	int fd, ret;

	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkostemp(temporary, O_CLOEXEC);
	ret = fd < 0 ? -errno : 0;
	if (!ret) {
		ret = write_all(fd, bytes, len);
		if (!ret && fchmod(fd, mode) < 0)
			ret = -errno;
		if (close(fd) < 0 && !ret)
			ret = -errno;
		if (!ret && rename(temporary, path) < 0)
			ret = -errno;
		if (ret)
			unlink(temporary);
	}
	free(temporary);
	return ret;
}

static int write_in_place(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = fcntl(fd, F_SETFL, 0) < 0 ? -errno : write_all(fd, bytes, len);
	if (close(fd) < 0 && !ret)
		ret = -errno;
	return ret;
}

int outfile_replace(const char *option, const char *path, const void *bytes, size_t len, struct err *err)
{
	const struct outfile out = { .option = option, .path = path };
	bool exists;
	struct stat st;
	char *real;
	int ret;

	exists = !stat(path, &st);
	/* A symbolic link stays one. */
	real = exists ? realpath(path, NULL) : NULL;
	if (exists && !S_ISREG(st.st_mode))
		ret = write_in_place(path, bytes, len);
	else
		ret = replace(real ? real : path, exists ? st.st_mode & 07777 : usual_mode(), bytes, len);
	free(real);
	if (has_no_reader(path, -ret)) {
		err_host_text(err, NO_READER, option, path);
		return ret;
	}
	return ret < 0 ? failed(&out, -ret, err) : 0;
}
