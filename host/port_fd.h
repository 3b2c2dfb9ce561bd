/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A chardev of one direction at a descriptor that this program was started with: input comes from it, or
 * output goes to it. Pipes, files, terminals and sockets; bytes pass as they are.
 *
 * `connected` becomes false at the end of the input, after all of it was taken; and when output cannot be written
 * any more: then it is dropped.
 */
#ifndef VIREO_HOST_PORT_FD_H
#define VIREO_HOST_PORT_FD_H

#include "devices/chardev.h"
#include "host/loop.h"
#include "kvm/err.h"

/*
 * `fd` stays the caller's, with its flags as they are, for others share them. 0, and a chardev to be destroyed by its
 * owner; or a negative errno with a line. All calls are the loop's thread's. The second one is for output; `what`
 * ("stdout"), a constant, is for log lines.
 */
int port_fd_create_input(struct chardev **out, int fd, struct loop *loop, struct err *err);
int port_fd_create_output(struct chardev **out, int fd, const char *what, struct loop *loop, struct err *err);

/* Was output dropped because it could not be written, for another cause than a reader who has enough (EPIPE)? */
bool port_fd_has_failed(const struct chardev *chr);

#endif
