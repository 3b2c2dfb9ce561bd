/* SPDX-License-Identifier: BSD-2-Clause */
/* What net_stream.c and net_user.c share; nobody else includes this. */
#ifndef VIREO_HOST_NET_STREAM_INTERNAL_H
#define VIREO_HOST_NET_STREAM_INTERNAL_H

#include "host/daemon.h"
#include "host/net_stream.h"

/* The peer is this daemon, which ends with the card. */
void net_stream_own_daemon(struct netdev *nd, struct daemon *daemon);

#endif
