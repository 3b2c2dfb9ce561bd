/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host side of a socket device by sockets of AF_UNIX, without any module of the host kernel's:
 *
 * - A program of the host connects to PATH and sends "CONNECT PORT\n", PORT in decimal. When a program of
 *   the guest has accepted at that port it gets "OK PORT\n" with the port that the guest sees as its own,
 *   and from then on the connection is that with the guest. Else it is closed.
 * - A program of the guest that connects to port P of the host is connected to PATH_P, where a program of
 *   the host listens.
 */
#ifndef VIREO_HOST_VSOCK_UNIX_H
#define VIREO_HOST_VSOCK_UNIX_H

#include "devices/vsockdev.h"
#include "host/loop.h"
#include "host/unix_listen.h"
#include "kvm/err.h"

/* "_" and a port behind PATH. */
#define VSOCK_UNIX_PATH_MAX (UNIX_PATH_MAX_LENGTH - 11)

/* Clients that have not said yet what they want; one more drops the one that has been there longest. */
#define VSOCK_UNIX_MAX_WAITING 64

/*
 * Listens at `path`, of at most VSOCK_UNIX_PATH_MAX bytes; `name` is for log lines: "vsock vsock0". The host
 * side is the caller's, and goes by its destroy(). Errors as of unix_listen().
 */
int vsock_unix_open(struct vsock_host **out, const char *path, const char *name, struct loop *loop,
		    struct err *err);

#endif
