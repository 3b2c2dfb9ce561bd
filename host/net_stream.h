/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host side of a network card that is a stream socket: each frame behind its length as a 32-bit
 * big-endian number, both ways. passt speaks that, and QEMU's "-netdev stream".
 */
#ifndef VIREO_HOST_NET_STREAM_H
#define VIREO_HOST_NET_STREAM_H

#include "devices/netdev.h"
#include "host/loop.h"
#include "kvm/err.h"

/*
 * Makes the host side of a connected socket, which it owns from then on: on failure, 0 or a negative
 * errno with a line in `err`, it has closed it. `name` is the card's ("net lan") and `peer` who is at the
 * other end, both for messages. The loop is where the card's queues are worked on.
 */
int net_stream_new(struct netdev **out, struct loop *loop, int fd, const char *name, const char *peer,
		   struct err *err);

/* Connects to the Unix stream socket `path`. */
int net_stream_connect(struct netdev **out, struct loop *loop, const char *path, const char *name,
		       struct err *err);

/*
 * Starts passt with a socket to it, and ends it with the card: the host's network as a user without rights
 * has it.
 */
int net_user_open(struct netdev **out, struct loop *loop, const char *name, struct err *err);

#endif
