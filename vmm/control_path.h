/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where control sockets are. A socket PATH has a lock file PATH.lock, which its VM holds locked as long as it lives
 * and which says its process id: so a socket that a dead VM left behind is known without a race, and
 * replaced. Both are removed with the VM.
 */
#ifndef VIREO_VMM_CONTROL_PATH_H
#define VIREO_VMM_CONTROL_PATH_H

#include <sys/types.h>

#include "host/unix_listen.h"
#include "kvm/err.h"
#include "vmm/config.h"

#define CONTROL_DIRECTORIES 2
#define CONTROL_SUFFIX      ".sock"

struct control_path {
	char socket[UNIX_PATH_MAX_LENGTH + 1];
	char lock[UNIX_PATH_MAX_LENGTH + 1 + sizeof(".lock")];
	int lock_fd; /* -1: not ours */
};

/*
 * Finds the place that `cfg` says, makes the directory of named VMs if need be, and takes the lock. 1: it is ours;
 * 0: there is to be no control socket; -EINVAL with a line if a live VM has it, or another negative errno.
 */
int control_path_take(struct control_path *path, const struct vm_config *cfg, struct err *err);

/* Removes the lock file. The socket must be gone. */
void control_path_release(struct control_path *path);

/*
 * The directories where sockets of named VMs are looked for, $XDG_RUNTIME_DIR/vireo and /run/vireo. Returns how
 * many there are; they need not exist.
 */
unsigned int control_directories(char directory[CONTROL_DIRECTORIES][UNIX_PATH_MAX_LENGTH + 1]);

/* The process that the lock file of `socket`, where a VM listens, names; 0: not known. */
pid_t control_owner(const char *socket);

#endif
