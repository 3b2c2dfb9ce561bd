// SPDX-License-Identifier: BSD-2-Clause
/* --net: a network card whose other end is a tap, passt, or a socket. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/net.h"
#include "host/net_stream.h"
#include "host/net_tap.h"
#include "host/unix_listen.h"
#define LOG_AREA AREA_NET
#include "kvm/log.h"
#include "kvm/tun.h"
#include "vmm/kinds.h"
#include "vmm/mac.h"
#include "vmm/vm.h"

enum net_type {
	NET_TAP,
	NET_USER,
};

struct net_config {
	struct device_config dc;
	unsigned int type; /* enum net_type */
	bool have_type;
	char *tap;    /* the interface's name */
	char *socket; /* path */
	char *mac;
	uint32_t queues;    /* pairs */
	unsigned int vhost; /* enum vhost_choice */
};

#define PLATFORMS (1u << PLATFORM_PC | 1u << PLATFORM_ARM)

static const struct option_choice types[] = {
	{ "tap", NET_TAP, PLATFORMS },
	{ "user", NET_USER, PLATFORMS },
	{ NULL, 0, 0 },
};

static const struct option_choice vhost_choices[] = {
	{ "auto", VHOST_AUTO, PLATFORMS },
	{ "on", VHOST_ON, PLATFORMS },
	{ "off", VHOST_OFF, PLATFORMS },
	{ NULL, 0, 0 },
};

static const struct option net_keys[] = {
	{ .name = "type",
	  .type = OPTION_CHOICE,
	  .offset = offsetof(struct net_config, type),
	  .given = offsetof(struct net_config, have_type),
	  .platforms = PLATFORMS,
	  .choices = types,
	  .allowed = "tap, user (the keys instead of it: tap=NAME, socket=PATH)",
	  .help = "tap: a new tap interface; user: the host's network through passt, without any rights" },
	{ .name = "tap",
	  .type = OPTION_TEXT,
	  .placeholder = "NAME",
	  .offset = offsetof(struct net_config, tap),
	  .platforms = PLATFORMS,
	  .help = "the tap interface of that name, which is created if there is none" },
	{ .name = "socket",
	  .type = OPTION_FILE,
	  .placeholder = "PATH",
	  .offset = offsetof(struct net_config, socket),
	  .socket = UNIX_PATH_MAX_LENGTH,
	  .platforms = PLATFORMS,
	  .help = "a Unix stream socket that takes and gives frames, each behind its length" },
	{ .name = "mac",
	  .type = OPTION_TEXT,
	  .placeholder = "MAC",
	  .offset = offsetof(struct net_config, mac),
	  .is_ok = mac_ok,
	  .allowed = MAC_ALLOWED,
	  .platforms = PLATFORMS,
	  .help = "the card's address, such as 52:54:00:12:34:56; else it is made up, the same in each run" },
	{ .name = "queues",
	  .type = OPTION_NUMBER,
	  .placeholder = "N",
	  .offset = offsetof(struct net_config, queues),
	  .platforms = PLATFORMS,
	  .min = 1,
	  .max = { [PLATFORM_PC] = NETDEV_MAX_PAIRS, [PLATFORM_ARM] = NETDEV_MAX_PAIRS },
	  .step = 1,
	  .help = "pairs of queues, for as many CPUs; more than one with a tap only" },
	{ .name = "vhost",
	  .type = OPTION_CHOICE,
	  .offset = offsetof(struct net_config, vhost),
	  .platforms = PLATFORMS,
	  .choices = vhost_choices,
	  .help = "whether the host's kernel moves a tap's frames (/dev/vhost-net); auto: if it can" },
	{ .name = NULL },
};

static void net_defaults(struct device_config *dc)
{
	((struct net_config *)dc)->queues = 1;
}

static int net_check(const struct device_config *dc, struct err *err)
{
	const struct net_config *nc = (const struct net_config *)dc;
	bool tap = nc->tap || (nc->have_type && nc->type == NET_TAP);

	if (nc->have_type + !!nc->tap + !!nc->socket != 1)
		return device_error(err, dc, "needs exactly one of tap, tap=NAME, user and socket=PATH");
	if (nc->tap && !net_tap_name_ok(nc->tap))
		return device_error(err, dc,
				    "tap: \"%s\" is not allowed; allowed is 1 to %d printable characters but "
				    "\"/\", \":\" and \"%%\"",
				    quote(nc->tap).text, TUN_NAME_MAX);
	if (nc->queues > 1 && !tap)
		return device_error(err, dc, "queues: %u is not allowed; allowed is 1 without a tap",
				    nc->queues);
	if (nc->vhost == VHOST_ON && !tap)
		return device_error(err, dc, "vhost: on is not allowed; allowed are auto, off without a tap");
	return 0;
}

static int open_host_side(struct netdev **nd, const struct net_config *nc, const struct device_place *place,
			  struct err *err)
{
	const struct net_tap_config tap = {
		.name = place->name,
		.ifname = nc->tap,
		.pairs = nc->queues,
		.vhost = nc->vhost,
	};

	if (nc->socket)
		return net_stream_connect(nd, place->loop, nc->socket, place->name, err);
	if (nc->have_type && nc->type == NET_USER)
		return net_user_open(nd, place->loop, place->name, err);
	return net_tap_open(nd, place->loop, &tap, err);
}

static int net_create(struct virtio_device **out, const struct device_config *dc,
		      const struct device_place *place, struct err *err)
{
	const struct net_config *nc = (const struct net_config *)dc;
	struct netdev *nd;
	uint8_t mac[6];
	int ret = open_host_side(&nd, nc, place, err);

	if (ret < 0)
		return ret;
	mac_choose(mac, nc->mac, place->vm->cfg, dc->id, nd->peer);
	log_info("%s: address %02x:%02x:%02x:%02x:%02x:%02x", place->name, mac[0], mac[1], mac[2], mac[3],
		 mac[4], mac[5]);
	ret = virtio_net_create(out, &place->vm->mem, place->name, mac, nd, err);
	if (ret < 0)
		nd->ops->destroy(nd);
	return ret;
}

const struct device_kind net_kind = {
	.name = "net",
	.value_key = "type",
	.help = "a network card: tap, tap=NAME, user or socket=PATH",
	.own_thread = true,
	.platforms = PLATFORMS,
	.config_size = sizeof(struct net_config),
	.keys = net_keys,
	.defaults = net_defaults,
	.check = net_check,
	.create = net_create,
};
