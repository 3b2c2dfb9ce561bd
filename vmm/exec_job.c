// SPDX-License-Identifier: BSD-2-Clause
/* What the guest's init is told of the command, and which modules it loads. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "init/protocol.h"
#include "vmm/exec.h"
#include "vmm/kinds.h"

/* --- the file "exec" --- */

struct job {
	uint8_t *data;
	size_t size, capacity;
	bool failed; /* no memory */
};

static void add(struct job *job, enum exec_record_kind kind, const void *data, size_t size)
{
	const struct exec_record record = { .kind = kind, .size = (uint32_t)size };
	size_t end = job->size + sizeof(record) + size;

	if (end > job->capacity) {
		uint8_t *grown = realloc(job->data, 2 * end);

		if (!grown) {
			job->failed = true;
			return;
		}
		job->data = grown;
		job->capacity = 2 * end;
	}
	memcpy(job->data + job->size, &record, sizeof(record));
	memcpy(job->data + job->size + sizeof(record), data, size);
	job->size = end;
}

static void add_text(struct job *job, enum exec_record_kind kind, const char *text)
{
	add(job, kind, text, strlen(text) + 1);
}

/* Whether --env gives the variable of `text`, "K=V". */
static bool is_given(const struct vm_config *cfg, const char *text)
{
	size_t len = strcspn(text, "=") + 1;

	for (unsigned int i = 0; i < cfg->env.count; i++)
		if (!strncmp(cfg->env.text[i], text, len))
			return true;
	return false;
}

static void add_environment(struct job *job, const struct vm_config *cfg, const struct exec_tty *tty,
			    uint32_t uid)
{
	const char *const defaults[] = {
		"PATH=" EXEC_PATH,
		uid ? "HOME=/" : "HOME=/root",
	};
	const char *term = getenv("TERM");
	char text[80] = "TERM=";

	for (unsigned int i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		if (!is_given(cfg, defaults[i]))
			add_text(job, EXEC_ENVIRONMENT, defaults[i]);
	if (tty->is_wanted && term && strlen(term) < 64 && !is_given(cfg, text))
		add_text(job, EXEC_ENVIRONMENT, strcat(text, term));
	for (unsigned int i = 0; i < cfg->env.count; i++)
		add_text(job, EXEC_ENVIRONMENT, cfg->env.text[i]);
}

int exec_make_job(void **out, size_t *size, const struct vm_config *cfg, const struct exec_tty *tty,
		  struct err *err)
{
	const struct exec_terminal terminal = {
		.columns = tty->columns,
		.rows = tty->rows,
		.with_stderr = tty->with_stderr,
	};
	struct exec_user user = { 0 };
	struct job job = { 0 };

	if (cfg->user)
		exec_parse_user(cfg->user, &user.uid, &user.gid); /* it was looked at by exec_complete() */
	for (unsigned int i = 0; i < cfg->command.count; i++)
		add_text(&job, EXEC_ARGUMENT, cfg->command.text[i]);
	add_environment(&job, cfg, tty, user.uid);
	add_text(&job, EXEC_DIRECTORY, cfg->directory);
	for (unsigned int i = 0; i < cfg->rw.count; i++)
		add_text(&job, EXEC_MOUNT, cfg->rw.text[i]);
	add(&job, EXEC_USER, &user, sizeof(user));
	if (tty->is_wanted)
		add(&job, EXEC_TERMINAL, &terminal, sizeof(terminal));
	if (cfg->copies)
		add(&job, EXEC_COPIED, "", 1);
	if (geteuid() != 0)
		add(&job, EXEC_NO_ROOT, "", 1);
	if (job.failed) {
		free(job.data);
		return err_host(err, ENOMEM, "the command");
	}
	*out = job.data;
	*size = job.size;
	return 0;
}

/* --- modules --- */

/* What a driver of each kind of devices is called. */
static const struct {
	const char *kind, *module;
} drivers[] = {
	{ "disk", "virtio_blk" },
	{ "net", "virtio_net" },
	{ "rng", "virtio_rng" },
	{ "balloon", "virtio_balloon" },
	{ "vsock", "vmw_vsock_virtio_transport" },
	{ "pmem", "virtio_pmem" },
};

#define NR_DRIVERS (sizeof(drivers) / sizeof(drivers[0]))

static bool has_kind(const struct vm_config *cfg, const char *kind)
{
	for (const struct device_config *dc = cfg->devices; dc; dc = dc->next)
		if (!strcmp(dc->kind->name, kind))
			return true;
	return false;
}

const char *const *exec_modules(const struct vm_config *cfg)
{
	static const char *names[5 + NR_DRIVERS];
	unsigned int count = 0;

	names[count++] = "virtio_mmio";
	names[count++] = "virtio_console";
	if (!cfg->copies) {
		names[count++] = "virtiofs";
		names[count++] = "overlay";
	}
	for (unsigned int i = 0; i < NR_DRIVERS; i++)
		if (has_kind(cfg, drivers[i].kind))
			names[count++] = drivers[i].module;
	names[count] = NULL;
	return names;
}
