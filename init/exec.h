/* SPDX-License-Identifier: BSD-2-Clause */
/* One command for the guest: job.c reads what it is and makes its root, exec.c runs it. */
#ifndef VIREO_INIT_EXEC_H
#define VIREO_INIT_EXEC_H

#include "init/init.h"
#include "init/protocol.h"

struct exec_job {
	char **argv, **envp; /* end with NULL */
	const char *directory;
	struct exec_user user;
	const struct exec_terminal *terminal; /* NULL: none */
};

/* Says what went wrong ("WHAT WHOM: WHY") on the console and to the host, which ends the VM. */
void fail(const char *what, const char *whom, long code) __attribute__((noreturn));

/* ports.c: opens the port of that name when it is there. */
int exec_find_port(const char *name);

/* Opens the ports, in the initramfs's /dev. From then on the host is told of failures. */
void exec_connect(void);
void exec_failed(void) __attribute__((noreturn));

/* Runs the command in the directory and the root that this process is in; sends its status to the host. */
void exec_run(struct exec_job *job) __attribute__((noreturn));

/* job.c: reads the file, makes the root, and runs the command. */
void job_run(const char *file) __attribute__((noreturn));

#endif
