// SPDX-License-Identifier: BSD-2-Clause
/* Network card: its control queue (VIRTIO 1.2, "Network Device", "Control Virtqueue"). */
#include <string.h>

#include "devices/virtio/net_internal.h"

/* Commands in one go; a driver sends one at a time. */
#define BUDGET 16

/* Classes, and their commands. */
#define CTRL_RX         0
#define RX_PROMISC      0
#define RX_ALLMULTI     1
#define CTRL_MAC        1
#define MAC_TABLE_SET   0
#define MAC_ADDR_SET    1
#define CTRL_MQ         4
#define MQ_VQ_PAIRS_SET 0
#define CTRL_OFFLOADS   5
#define OFFLOADS_SET    0

#define CTRL_OK  0
#define CTRL_ERR 1

#define GUEST_OFFLOADS                                                                 \
	(VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6 | \
	 VIRTIO_NET_F_GUEST_ECN | VIRTIO_NET_F_GUEST_UFO)

/* A command's data: what follows the class and the command in the buffers the device reads. */
struct ctrl_data {
	const struct virtq_chain *chain;
	uint64_t offset;
};

static bool take(struct ctrl_data *data, void *dst, size_t len)
{
	if (iov_read(data->chain->iov, data->chain->nr_read, data->offset, dst, len) != len)
		return false;
	data->offset += len;
	return true;
}

unsigned int net_ctrl_index(const struct virtio_net *net)
{
	/* "Virtqueues": 2N, with N = 1 unless multiqueue is negotiated. */
	return virtio_has(&net->vdev, VIRTIO_NET_F_MQ) ? 2 * net->nd->max_pairs : 2;
}

void net_set_offloads(struct virtio_net *net, uint64_t features)
{
	static const struct {
		uint64_t feature;
		unsigned int offload;
	} table[] = {
		{ VIRTIO_NET_F_GUEST_TSO4, NETDEV_TSO4 },
		{ VIRTIO_NET_F_GUEST_TSO6, NETDEV_TSO6 },
		{ VIRTIO_NET_F_GUEST_UFO, NETDEV_UFO },
	};
	unsigned int offloads = 0;

	/* "Feature bit requirements": nothing without checksums, and ECN is about segments. */
	if (features & VIRTIO_NET_F_GUEST_CSUM) {
		offloads = NETDEV_CSUM;
		for (unsigned int i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
			if (features & table[i].feature)
				offloads |= table[i].offload;
		}
		if (features & VIRTIO_NET_F_GUEST_ECN && offloads & (NETDEV_TSO4 | NETDEV_TSO6))
			offloads |= NETDEV_ECN;
	}
	net->offloads = offloads;
	net->nd->ops->set_offloads(net->nd, offloads);
}

/* "Packet Receive Filtering", which is best effort: every frame is given to the driver. */
static bool set_rx(uint8_t command, struct ctrl_data *data)
{
	uint8_t on;

	return (command == RX_PROMISC || command == RX_ALLMULTI) && take(data, &on, sizeof(on));
}

/* "Setting MAC Address Filtering". Two tables, of unicast and of multicast addresses. */
static bool set_mac_tables(struct ctrl_data *data)
{
	uint64_t size = data->chain->read_size;
	uint32_t entries;

	for (unsigned int i = 0; i < 2; i++) {
		if (!take(data, &entries, sizeof(entries)) || entries > (size - data->offset) / 6)
			return false;
		data->offset += 6ull * entries;
	}
	return true;
}

static bool set_mac(struct virtio_net *net, struct ctrl_data *data)
{
	uint8_t mac[6];

	if (!take(data, mac, sizeof(mac)) || mac[0] & 1)
		return false;
	memcpy(net->vdev.config + NET_CONFIG_MAC, mac, sizeof(mac));
	virtio_changed(&net->vdev);
	return true;
}

static bool set_pairs(struct virtio_net *net, struct ctrl_data *data)
{
	uint16_t pairs;

	if (!take(data, &pairs, sizeof(pairs)) || pairs < 1 || pairs > net->nd->max_pairs)
		return false;
	net_use_pairs(net, pairs);
	return true;
}

/* "Offloads State Configuration": of those that were negotiated. */
static bool set_offloads(struct virtio_net *net, struct ctrl_data *data)
{
	uint64_t features;

	if (!take(data, &features, sizeof(features)) || features & ~(net->vdev.accepted & GUEST_OFFLOADS))
		return false;
	net_set_offloads(net, features);
	return true;
}

static bool run_command(struct virtio_net *net, uint8_t class, uint8_t command, struct ctrl_data *data)
{
	const struct virtio_device *vdev = &net->vdev;

	switch (class) {
	case CTRL_RX:
		return virtio_has(vdev, VIRTIO_NET_F_CTRL_RX) && set_rx(command, data);
	case CTRL_MAC:
		if (command == MAC_TABLE_SET)
			return virtio_has(vdev, VIRTIO_NET_F_CTRL_RX) && set_mac_tables(data);
		return command == MAC_ADDR_SET && virtio_has(vdev, VIRTIO_NET_F_CTRL_MAC_ADDR) &&
		       set_mac(net, data);
	case CTRL_MQ:
		return command == MQ_VQ_PAIRS_SET && virtio_has(vdev, VIRTIO_NET_F_MQ) &&
		       set_pairs(net, data);
	case CTRL_OFFLOADS:
		return command == OFFLOADS_SET && virtio_has(vdev, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) &&
		       set_offloads(net, data);
	default:
		return false;
	}
}

/* Takes and answers the next command. False: there is none, or the device is broken now. */
static bool next_command(struct virtio_net *net, unsigned int index)
{
	struct virtq_chain chain = { .iov = net->window.iov, .max_iov = VIRTIO_NET_QUEUE_SIZE };
	struct ctrl_data data = { .chain = &chain };
	uint8_t head[2], ack;

	if (!virtio_pop(&net->vdev, index, &chain))
		return false;
	if (!take(&data, head, sizeof(head)) || !chain.write_size) {
		virtio_broken(&net->vdev, "queue %u: a command without its header or a place for the answer",
			      index);
		return false;
	}
	ack = run_command(net, head[0], head[1], &data) ? CTRL_OK : CTRL_ERR;
	iov_write(chain_in(&chain), chain.nr_write, 0, &ack, sizeof(ack));
	virtq_push(&net->vdev.queue[index], chain.head, sizeof(ack));
	return true;
}

void net_run_ctrl(struct virtio_net *net)
{
	unsigned int index = net_ctrl_index(net), budget = BUDGET;

	if (!virtio_has(&net->vdev, VIRTIO_NET_F_CTRL_VQ))
		return;
	while (budget && (next_command(net, index) ||
			  (virtio_is_live(&net->vdev) && virtq_enable_notify(&net->vdev.queue[index]))))
		budget--;
	virtio_signal(&net->vdev, index);
	if (!budget)
		net->vdev.notify(&net->vdev, index);
}
