/* SPDX-License-Identifier: BSD-2-Clause */
/* A listening socket of AF_UNIX, whose file is removed with it. */
#ifndef VIREO_HOST_UNIX_LISTEN_H
#define VIREO_HOST_UNIX_LISTEN_H

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>

#include "kvm/err.h"

#define UNIX_PATH_MAX_LENGTH (sizeof(((struct sockaddr_un *)0)->sun_path) - 1) /* bytes, without the NUL */

struct unix_listener {
	int fd; /* non-blocking; -1: none */
	char path[UNIX_PATH_MAX_LENGTH + 1];
	dev_t dev; /* of the socket's file: only that one is removed */
	ino_t ino;
};

/*
 * Listens at `path`, whose file gets `mode`, less what the umask takes (ACCESSPERMS: that alone decides). A socket
 * that nobody listens at any more is replaced. -EINVAL for a path that is too long or has something else;
 * -EADDRINUSE where another program listens; or another negative errno; with a line in `err`.
 */
int unix_listen(struct unix_listener *listener, const char *path, mode_t mode, struct err *err);

/* Closes it and removes the file, if it is still ours. */
void unix_unlisten(struct unix_listener *listener);

/* Connects to `path`: a non-blocking socket, or a negative errno (-EAGAIN: too many wait there already). */
int unix_connect(const char *path);

#endif
