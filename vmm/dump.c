// SPDX-License-Identifier: BSD-2-Clause
/* vireo dump: what a run would use, without running it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kvm/log.h"
#include "vmm/outfile.h"
#include "vmm/run.h"
#include "vmm/vm.h"

static int write_all(int fd, const char *name, const void *data, size_t size, struct err *err)
{
	const char *p = data;

	while (size) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_host(err, errno, "writing %s", name);
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Writes to -o FILE or stdout. */
static int put_out(const struct vm_config *cfg, const void *data, size_t size, struct err *err)
{
	struct outfile out;
	int ret;

	if (!cfg->output)
		return write_all(STDOUT_FILENO, "stdout", data, size, err);
	ret = outfile_open(&out, "-o", cfg->output, cfg, err);
	if (ret < 0)
		return ret;
	fwrite(data, 1, size, out.file);
	return outfile_close(&out, err);
}

static int dump_config(const struct vm_config *cfg, struct err *err)
{
	char *text = config_dump(cfg, err);
	int ret;

	if (!text)
		return -EINVAL;
	ret = put_out(cfg, text, strlen(text), err);
	free(text);
	return ret;
}

static int dump_dtb(const struct vm_config *cfg, struct err *err)
{
	struct loop loop = { 0 };
	struct vm vm;
	size_t size;
	void *dtb;
	int ret;

	if (!cfg->output && isatty(STDOUT_FILENO))
		return err_user(
			err,
			"dump dtb: a device tree is binary; use -o FILE, or pipe it to `dtc -I dtb -O dts`");
	vm_init(&vm, cfg, &loop, NULL, NULL);
	ret = vm_describe(&vm, err);
	if (ret < 0)
		return ret;
	ret = vm_build_fdt(&vm, &dtb, &size, err);
	if (!ret) {
		ret = put_out(cfg, dtb, size, err);
		free(dtb);
	}
	vm_stop(&vm);
	return ret;
}

int command_dump(const struct vm_config *cfg)
{
	struct err err;
	int ret = cfg->dump == DUMP_CONFIG ? dump_config(cfg, &err) : dump_dtb(cfg, &err);

	return ret < 0 ? report(&err) : 0;
}
