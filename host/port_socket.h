/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A chardev at a listening socket of AF_UNIX: one client at a time is the other end, the next ones wait
 * until it is gone.
 *
 * What a client has sent is read to its end, also when it has closed the connection meanwhile. What it has
 * not taken when it goes is lost with it, up to what a socket holds; the rest is for the next one.
 */
#ifndef VIREO_HOST_PORT_SOCKET_H
#define VIREO_HOST_PORT_SOCKET_H

#include "devices/chardev.h"
#include "host/loop.h"
#include "kvm/err.h"

/*
 * Listens at `path`. 0, and a chardev to be destroyed by its owner; or what unix_listen() says. All calls
 * are the loop's thread's.
 */
int port_socket_create(struct chardev **out, const char *path, struct loop *loop, struct err *err);

#endif
