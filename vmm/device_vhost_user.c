// SPDX-License-Identifier: BSD-2-Clause
/* --vhost-user-blk, --vhost-user-net: a disk and a network card that another program is behind. */
#include <errno.h>
#include <string.h>

#include "host/unix_listen.h"
#include "host/vhost_user_device.h"
#include "vmm/kinds.h"
#include "vmm/mac.h"
#include "vmm/vm.h"

#define QUEUE_SIZE 256u /* descriptors */

struct vhost_user_config {
	struct device_config dc;
	char *socket;
	uint32_t queues;
	char *mac; /* network card */
};

#define PLATFORMS (1u << PLATFORM_PC | 1u << PLATFORM_ARM)

#define KEY_SOCKET                                                                                    \
	{                                                                                             \
		.name = "socket", .type = OPTION_FILE, .placeholder = "PATH",                         \
		.socket = UNIX_PATH_MAX_LENGTH, .offset = offsetof(struct vhost_user_config, socket), \
		.platforms = PLATFORMS, .help = "the Unix socket that the program listens at",        \
	}

#define KEY_QUEUES(most, text)                                                                          \
	{                                                                                               \
		.name = "queues", .type = OPTION_NUMBER, .placeholder = "N",                            \
		.offset = offsetof(struct vhost_user_config, queues), .platforms = PLATFORMS, .min = 1, \
		.max = { [PLATFORM_PC] = (most), [PLATFORM_ARM] = (most) }, .step = 1, .help = text,    \
	}

static void one_queue(struct device_config *dc)
{
	((struct vhost_user_config *)dc)->queues = 1;
}

static int check_socket(const struct device_config *dc, struct err *err)
{
	if (!((const struct vhost_user_config *)dc)->socket)
		return device_error(err, dc, "needs socket=PATH");
	return 0;
}

/* Connects, and checks that the program can work on as many queues. */
static int open_back_end(struct vhost_user **vu, const struct device_config *dc,
			 const struct device_place *place, struct err *err)
{
	const struct vhost_user_config *vc = (const struct vhost_user_config *)dc;
	unsigned int allowed;
	int fd, ret;

	ret = vhost_user_connect(&fd, place->name, vc->socket, err);
	if (ret < 0)
		return ret;
	ret = vhost_user_open(vu, fd, place->name, err);
	if (ret < 0)
		return ret;
	allowed = (*vu)->max_queues ? (*vu)->max_queues : 1;
	if (vc->queues <= allowed)
		return 0;
	vhost_user_close(*vu);
	return device_error(err, dc, "queues: %u is not allowed; the program behind the socket has %u",
			    vc->queues, allowed);
}

/* --- a disk: everything about it is said by the program --- */

/* VIRTIO 1.2, "Block Device", "Feature bits" and "Device configuration layout". */
#define BLK_FEATURES                                                                                  \
	(1u << 1 /* SIZE_MAX */ | 1u << 2 /* SEG_MAX */ | 1u << 4 /* GEOMETRY */ | 1u << 5 /* RO */ | \
	 1u << 6 /* BLK_SIZE */ | 1u << 9 /* FLUSH */ | 1u << 10 /* TOPOLOGY */ |                     \
	 1u << 11 /* CONFIG_WCE */ | 1u << 12 /* MQ */ | 1u << 13 /* DISCARD */ |                     \
	 1u << 14 /* WRITE_ZEROES */)
#define BLK_CONFIG     60 /* bytes, up to write_zeroes_may_unmap and what fills it up */
#define BLK_NUM_QUEUES 34 /* offset */

static const struct option blk_keys[] = {
	KEY_SOCKET,
	KEY_QUEUES(16, "queues that the guest may use side by side"),
	{ .name = NULL },
};

static int blk_create(struct virtio_device **out, const struct device_config *dc,
		      const struct device_place *place, struct err *err)
{
	const struct vhost_user_config *vc = (const struct vhost_user_config *)dc;
	uint8_t space[BLK_CONFIG];
	const struct vhost_user_device_config config = {
		.name = place->name,
		.id = VIRTIO_ID_BLOCK,
		.features = BLK_FEATURES,
		.nr_queues = vc->queues,
		.queue_size = QUEUE_SIZE,
		.config = space,
		.config_size = sizeof(space),
		.mem = &place->vm->mem,
		.loop = place->loop,
	};
	struct vhost_user *vu;
	int ret = open_back_end(&vu, dc, place, err);

	if (ret < 0)
		return ret;
	ret = vhost_user_get_config(vu, space, sizeof(space), err);
	if (ret < 0) {
		vhost_user_close(vu);
		return ret;
	}
	space[BLK_NUM_QUEUES] = (uint8_t)vc->queues;
	space[BLK_NUM_QUEUES + 1] = 0;
	return vhost_user_device_create(out, vu, &config, err);
}

const struct device_kind vhost_user_blk_kind = {
	.name = "vhost-user-blk",
	.value_key = "socket",
	.help = "a disk that a vhost-user program is behind",
	.own_thread = true,
	.platforms = PLATFORMS,
	.config_size = sizeof(struct vhost_user_config),
	.keys = blk_keys,
	.defaults = one_queue,
	.check = check_socket,
	.shares_memory = true,
	.create = blk_create,
};

/* --- a network card: the program moves frames, what the card is like is said here --- */

/* VIRTIO 1.2, "Network Device", "Feature bits". */
#define NET_FEATURES                                                                     \
	(1u << 0 /* CSUM */ | 1u << 1 /* GUEST_CSUM */ | 1u << 7 /* GUEST_TSO4 */ |      \
	 1u << 8 /* GUEST_TSO6 */ | 1u << 9 /* GUEST_ECN */ | 1u << 10 /* GUEST_UFO */ | \
	 1u << 11 /* HOST_TSO4 */ | 1u << 12 /* HOST_TSO6 */ | 1u << 13 /* HOST_ECN */ | \
	 1u << 14 /* HOST_UFO */ | 1u << 15 /* MRG_RXBUF */)
#define NET_F_MAC     (1u << 5)
#define NET_F_STATUS  (1u << 16)
#define NET_F_CTRL_VQ (1u << 17)
#define NET_F_MQ      (1u << 22)
#define NET_S_LINK_UP 1

static const struct option net_keys[] = {
	KEY_SOCKET,
	{ .name = "mac",
	  .type = OPTION_TEXT,
	  .placeholder = "MAC",
	  .offset = offsetof(struct vhost_user_config, mac),
	  .is_ok = mac_ok,
	  .allowed = MAC_ALLOWED,
	  .platforms = PLATFORMS,
	  .help = "the card's address; if not given, one that stays the same for the same VM" },
	KEY_QUEUES(16, "pairs of queues that the guest may use side by side"),
	{ .name = NULL },
};

static int net_create(struct virtio_device **out, const struct device_config *dc,
		      const struct device_place *place, struct err *err)
{
	const struct vhost_user_config *vc = (const struct vhost_user_config *)dc;
	bool many = vc->queues > 1;
	struct {
		uint8_t mac[6];
		uint16_t status, max_pairs;
	} space = { .status = NET_S_LINK_UP, .max_pairs = (uint16_t)vc->queues };
	const struct vhost_user_device_config config = {
		.name = place->name,
		.id = VIRTIO_ID_NET,
		.features = NET_FEATURES,
		.own_features = NET_F_MAC | NET_F_STATUS | (many ? NET_F_CTRL_VQ | NET_F_MQ : 0),
		.nr_queues = 2 * vc->queues,
		.has_control = many,
		.queue_size = QUEUE_SIZE,
		.config = &space,
		.config_size = sizeof(space),
		.mem = &place->vm->mem,
		.loop = place->loop,
	};
	struct vhost_user *vu;
	int ret = open_back_end(&vu, dc, place, err);

	if (ret < 0)
		return ret;
	mac_choose(space.mac, vc->mac, place->vm->cfg, dc->id, vc->socket);
	return vhost_user_device_create(out, vu, &config, err);
}

const struct device_kind vhost_user_net_kind = {
	.name = "vhost-user-net",
	.value_key = "socket",
	.help = "a network card that a vhost-user program is behind",
	.own_thread = true,
	.platforms = PLATFORMS,
	.config_size = sizeof(struct vhost_user_config),
	.keys = net_keys,
	.defaults = one_queue,
	.check = check_socket,
	.shares_memory = true,
	.create = net_create,
};
