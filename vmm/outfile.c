// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/outfile.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The option whose file this is, or NULL. */
static const char *input_of(const struct vm_config *cfg, const struct stat *file)
{
	const struct {
		const char *option, *path;
	} inputs[] = { { "kernel", cfg->kernel }, { "initrd", cfg->initrd }, { "config", cfg->config_file } };
	struct stat st;

	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++)
		if (inputs[i].path && !stat(inputs[i].path, &st) && st.st_dev == file->st_dev &&
		    st.st_ino == file->st_ino)
			return inputs[i].option;
	return NULL;
}

int outfile_open(struct outfile *out, const char *option, const char *path, const struct vm_config *cfg,
		 struct err *err)
{
	struct stat st;

	*out = (struct outfile){ .option = option, .path = path };
	if (!stat(path, &st) && S_ISREG(st.st_mode) && input_of(cfg, &st))
		return err_user(err,
				"%s %s: that is the file of --%s, which would be lost; name another file",
				option, path, input_of(cfg, &st));
	out->file = fopen(path, "we");
	if (!out->file)
		return err_user(
			err, "%s %s: cannot be written: %s; name a file in a directory that you may write to",
			option, path, strerrordesc_np(errno));
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
