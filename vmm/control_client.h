/* SPDX-License-Identifier: BSD-2-Clause */
/* The other side of a control socket: what `vireo ctl` and `vireo ps` have of it. */
#ifndef VIREO_VMM_CONTROL_CLIENT_H
#define VIREO_VMM_CONTROL_CLIENT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "host/unix_listen.h"
#include "vmm/config.h"

struct control_client {
	char path[UNIX_PATH_MAX_LENGTH + 1];
	int fd; /* -1: there is none */
	char *in;
	size_t length, size; /* of `in`: what has come, and the room there is */
	size_t taken;        /* of it: lines that are done with */
};

/* Connects to the socket at client->path. 0 or a negative errno: what unix_connect() says. */
int control_client_connect(struct control_client *client);
void control_client_close(struct control_client *client);

/* Sends {"execute":`command`,"arguments":`arguments`}; takes over `arguments` (NULL: none). 0 or a negative errno. */
int control_client_send(struct control_client *client, const char *command, json_t *arguments);

/*
 * The next line, without its newline and ended by a NUL; valid until the next call. -ETIMEDOUT at `deadline`
 * (monotonic ns, CLOCK_NEVER: none); -EPIPE: the VM has closed the connection; -EMSGSIZE; -ENOMEM.
 */
int control_client_line(struct control_client *client, uint64_t deadline, char **line);

/* Monotonic ns. */
uint64_t control_client_now(void);

/* The commands. `vireo ps`: the live VMs; `vireo ctl NAME|PATH COMMAND`. */
int command_ps(const struct vm_config *cfg);
int command_ctl(const struct vm_config *cfg);

/* Attached to a console over `client`, until the user detaches or the VM closes it; an exit status. ctl_console.c. */
int ctl_console(struct control_client *client);

#endif
