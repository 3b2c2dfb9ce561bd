/* SPDX-License-Identifier: BSD-2-Clause */
/* The host side of a network card that is a tap interface of the host. */
#ifndef VIREO_HOST_NET_TAP_H
#define VIREO_HOST_NET_TAP_H

#include <stdbool.h>

#include "devices/netdev.h"
#include "host/loop.h"
#include "kvm/err.h"

enum vhost_choice {
	VHOST_AUTO, /* used where /dev/vhost-net can be opened */
	VHOST_ON,   /* or it is an error */
	VHOST_OFF,
};

struct net_tap_config {
	const char *name;   /* "net lan": for messages */
	const char *ifname; /* checked by net_tap_name_ok(); NULL: a new tap with a name that is free */
	unsigned int pairs; /* of queues, 1 to NETDEV_MAX_PAIRS */
	enum vhost_choice vhost;
};

/* Can an interface be called that? */
bool net_tap_name_ok(const char *ifname);

/*
 * Attaches to the tap, or creates it and sets it up. The loop is where the card's queues are worked on.
 * 0 or a negative errno with a line in `err`.
 */
int net_tap_open(struct netdev **out, struct loop *loop, const struct net_tap_config *config,
		 struct err *err);

#endif
