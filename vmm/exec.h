/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vireo exec: one command in a guest whose root is a directory of the host's. exec_config.c makes a complete
 * definition of what was asked for, exec_job.c tells the guest's init (init/) of the command, exec_port.c is the
 * host's end of its streams, exec.c runs it.
 */
#ifndef VIREO_VMM_EXEC_H
#define VIREO_VMM_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvm/err.h"
#include "vmm/config.h"

/* Exit statuses beside the command's own, as env(1) and timeout(1) have them. */
enum exec_status {
	EXEC_STATUS_FAILED = 125, /* Vireo, or the guest before the command ran */
	EXEC_STATUS_NOT_EXECUTABLE = 126,
	EXEC_STATUS_NOT_FOUND = 127,
	EXEC_STATUS_PANIC = 255,
};

/* Fills in what exec has by default and adds the shares; part of config_parse(). */
int exec_complete(struct vm_config *cfg, struct err *err);

/* "UID[:GID]" as numbers. False: it is none. */
bool exec_parse_user(const char *text, uint32_t *uid, uint32_t *gid);

/* The terminal that the command is to have. */
struct exec_tty {
	bool is_wanted, with_stderr;
	uint16_t columns, rows;
};

/* The initramfs's file "exec" (init/protocol.h): malloc'ed, the caller's. 0 or a negative errno with a line. */
int exec_make_job(void **job, size_t *size, const struct vm_config *cfg, const struct exec_tty *tty,
		  struct err *err);

/* Where a command is looked for that has no "/" in it, if --env does not say. */
#define EXEC_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/*
 * With cfg->copies: adds the files, by absolute paths, that the command is made of to `files`, which the caller frees. 0 or a
 * negative errno with a line.
 */
int exec_list_files(struct text_list *files, const struct vm_config *cfg, struct err *err);

/* What the guest loads, beside what the devices of `cfg` want: ends with NULL. */
const char *const *exec_modules(const struct vm_config *cfg);

/* vireo exec. */
int command_exec(const struct vm_config *cfg);

#endif
