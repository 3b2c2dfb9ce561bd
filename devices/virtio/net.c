// SPDX-License-Identifier: BSD-2-Clause
/*
 * Network card (Virtual I/O Device (VIRTIO) Version 1.2, "Network Device"). Pairs of a receive and a
 * transmit queue, and the control queue behind them (net_ctrl.c).
 *
 * Frames go from guest memory to the host side and back without a copy. A frame that the driver has too
 * few buffers for stays in the pair's `spare` memory until there are more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/net_internal.h"

/* Frames worked on in one go; then the other queues have their turn. */
#define BUDGET 64

/* Chains given back in one go: what the driver sees at once. */
#define BATCH 64

#define ETHERNET_HEADER 14u

/* "Device Operation": num_buffers in the header. */
#define HDR_NUM_BUFFERS 10

static struct virtio_net *to_net(struct virtio_device *vdev)
{
	return (struct virtio_net *)vdev;
}

/* "Virtqueues": receiveq1 is 0, transmitq1 is 1, receiveq2 is 2, ... */
static unsigned int rx_index(const struct net_pair *pair)
{
	return 2 * pair->index;
}

static unsigned int tx_index(const struct net_pair *pair)
{
	return 2 * pair->index + 1;
}

static bool is_ours(const struct virtio_net *net, const struct net_pair *pair)
{
	return pair->index < net->pairs && !(net->nd->taken & 1u << pair->index);
}

/* --- receiving --- */

/*
 * The most that the next frame may have, with header. Without offloads it is a frame of the MTU, with
 * room for a VLAN tag; the driver need not have more buffers than for that.
 */
static uint32_t frame_limit(const struct virtio_net *net, const struct net_pair *pair)
{
	if (pair->waiting)
		return pair->waiting;
	if (!net->nd->mtu || net->offloads & (NETDEV_TSO4 | NETDEV_TSO6 | NETDEV_UFO))
		return NETDEV_MAX_FRAME;
	return NETDEV_HEADER + ETHERNET_HEADER + 4 + net->nd->mtu;
}

/* No more can be added to the window: what does not fit now never will. */
static bool window_is_full(const struct virtio_net *net, const struct virtq *q)
{
	const struct net_window *w = &net->window;

	if (!virtio_has(&net->vdev, VIRTIO_NET_F_MRG_RXBUF))
		return w->nr_chains;
	return w->nr_chains == NET_WINDOW_CHAINS || w->nr_chains >= q->size ||
	       w->nr_iov + VIRTIO_NET_QUEUE_SIZE > NET_WINDOW_IOV;
}

/* Takes buffers until the largest frame fits, or there are no more. False: the device is broken. */
static bool fill_window(struct virtio_net *net, const struct net_pair *pair)
{
	struct net_window *w = &net->window;
	uint32_t limit = frame_limit(net, pair);

	while (w->size < limit && !window_is_full(net, &net->vdev.queue[rx_index(pair)])) {
		struct virtq_chain chain = { .iov = w->iov + w->nr_iov, .max_iov = VIRTIO_NET_QUEUE_SIZE };
		struct net_chain *taken = &w->chain[w->nr_chains];

		if (!virtio_pop(&net->vdev, rx_index(pair), &chain))
			return virtio_is_live(&net->vdev);
		if (chain.nr_read || !chain.write_size) {
			virtio_broken(&net->vdev, "queue %u: a receive buffer that cannot be written to",
				      rx_index(pair));
			return false;
		}
		taken->head = chain.head;
		taken->nr_iov = (uint16_t)chain.nr_write;
		/* More than a frame is never filled. */
		taken->size = chain.write_size < NETDEV_MAX_FRAME ? (uint32_t)chain.write_size
								  : NETDEV_MAX_FRAME;
		w->size += chain.write_size;
		w->nr_iov += chain.nr_write;
		w->nr_chains++;
	}
	return true;
}

/* Forgets the first chains of the window, which have been filled. */
static void shift_window(struct net_window *w, unsigned int chains)
{
	unsigned int nr_iov = 0;

	for (unsigned int i = 0; i < chains; i++)
		nr_iov += w->chain[i].nr_iov;
	w->nr_chains -= chains;
	w->nr_iov -= nr_iov;
	memmove(w->chain, w->chain + chains, w->nr_chains * sizeof(w->chain[0]));
	memmove(w->iov, w->iov + nr_iov, w->nr_iov * sizeof(w->iov[0]));
	w->size = iov_size(w->iov, w->nr_iov);
}

/*
 * Puts the next frame into the window: its bytes; -EAGAIN: there is none; -ENOBUFS: there is, and it needs
 * more buffers.
 */
static ssize_t receive_frame(struct virtio_net *net, struct net_pair *pair)
{
	struct net_window *w = &net->window;
	unsigned int count = w->nr_iov;
	ssize_t n;

	if (pair->waiting) {
		if (w->size < pair->waiting)
			return -ENOBUFS;
		n = (ssize_t)iov_write(w->iov, w->nr_iov, 0, pair->spare, pair->waiting);
		pair->waiting = 0;
		return n;
	}
	if (!w->nr_chains)
		return -ENOBUFS;

	/* The rest of a frame that does not fit goes to its place in the spare memory. */
	if (w->size < NETDEV_MAX_FRAME)
		w->iov[count++] = (struct iovec){ pair->spare + w->size, NETDEV_MAX_FRAME - w->size };
	n = net->nd->ops->receive(net->nd, pair->index, w->iov, count);
	if (n <= 0 || (uint64_t)n <= w->size)
		return n;
	iov_read(w->iov, w->nr_iov, 0, pair->spare, w->size);
	pair->waiting = (uint32_t)n;
	return -ENOBUFS;
}

/* The first `size` bytes of the window are a frame: its chains are used. Returns how many they are. */
static unsigned int use_chains(struct virtio_net *net, struct virtq *q, uint32_t size, unsigned int ahead)
{
	struct net_window *w = &net->window;
	uint16_t chains = 0;

	do {
		uint32_t part = size < w->chain[chains].size ? size : w->chain[chains].size;

		virtq_fill(q, ahead + chains, w->chain[chains].head, part);
		size -= part;
		chains++;
	} while (size);
	/* "Processing of Incoming Packets": 1 also without mergeable buffers. */
	iov_write(w->iov, w->nr_iov, HDR_NUM_BUFFERS, &chains, sizeof(chains));
	shift_window(w, chains);
	return chains;
}

static void run_rx(struct virtio_net *net, struct net_pair *pair)
{
	struct virtq *q = &net->vdev.queue[rx_index(pair)];
	struct net_window *w = &net->window;
	unsigned int filled = 0, budget = BUDGET;
	bool used = false;

	w->nr_chains = w->nr_iov = 0;
	w->size = 0;
	virtq_disable_notify(q);
	for (; budget; budget--) {
		ssize_t n;

		if (!fill_window(net, pair))
			return;
		n = receive_frame(net, pair);
		if (n == -ENOBUFS && pair->waiting && window_is_full(net, q)) {
			pair->waiting = 0; /* no way to deliver it */
			continue;
		}
		if (n == -ENOBUFS) {
			if (virtq_enable_notify(q)) {
				virtq_disable_notify(q);
				continue;
			}
			net->nd->ops->want_input(net->nd, pair->index, false);
			break;
		}
		if (n < 0) {
			net->nd->ops->want_input(net->nd, pair->index, true);
			break;
		}
		if (n < (ssize_t)(NETDEV_HEADER + ETHERNET_HEADER) || (uint64_t)n > w->size)
			continue;
		filled += use_chains(net, q, (uint32_t)n, filled);
		if (filled >= BATCH) {
			virtq_flush(q, filled);
			filled = 0;
			used = true;
		}
	}
	if (filled)
		virtq_flush(q, filled);
	virtq_unpop(q, w->nr_chains);
	if (filled || used)
		virtio_signal(&net->vdev, rx_index(pair));
	if (!budget)
		net->vdev.notify(&net->vdev, rx_index(pair));
}

/* --- transmitting --- */

static int send_frame(struct virtio_net *net, const struct net_pair *pair, const struct virtq_chain *chain)
{
	if (chain->read_size < NETDEV_HEADER + ETHERNET_HEADER || chain->read_size > NETDEV_MAX_FRAME)
		return 0;
	return net->nd->ops->send(net->nd, pair->index, chain->iov, chain->nr_read);
}

static void run_tx(struct virtio_net *net, struct net_pair *pair)
{
	struct virtq *q = &net->vdev.queue[tx_index(pair)];
	unsigned int sent = 0, budget = BUDGET;

	virtq_disable_notify(q);
	for (; budget; budget--) {
		struct virtq_chain chain = { .iov = net->window.iov, .max_iov = VIRTIO_NET_QUEUE_SIZE };

		if (!virtio_pop(&net->vdev, tx_index(pair), &chain)) {
			if (!virtio_is_live(&net->vdev))
				return;
			if (!virtq_enable_notify(q))
				break;
			virtq_disable_notify(q);
			continue;
		}
		if (send_frame(net, pair, &chain) == -EAGAIN) {
			virtq_unpop(q, 1);
			pair->blocked = true;
			break;
		}
		virtq_fill(q, sent++, chain.head, 0);
	}
	if (sent) {
		virtq_flush(q, sent);
		virtio_signal(&net->vdev, tx_index(pair));
	}
	if (!budget)
		net->vdev.notify(&net->vdev, tx_index(pair));
}

static void net_kick(struct virtio_device *vdev, unsigned int index)
{
	struct virtio_net *net = to_net(vdev);
	struct net_pair *pair = &net->pair[index / 2];

	if (index == net_ctrl_index(net)) {
		net_run_ctrl(net);
		return;
	}
	if (index >= 2 * net->nd->max_pairs || !is_ours(net, pair))
		return;
	if (index == rx_index(pair))
		run_rx(net, pair);
	else if (!pair->blocked)
		run_tx(net, pair);
}

/* --- the host side's calls --- */

static void net_readable(void *ctx, unsigned int index)
{
	struct virtio_net *net = ctx;
	struct net_pair *pair = &net->pair[index];

	pthread_mutex_lock(&net->vdev.lock);
	if (virtio_is_live(&net->vdev) && is_ours(net, pair))
		run_rx(net, pair);
	else
		net->nd->ops->want_input(net->nd, index, false);
	pthread_mutex_unlock(&net->vdev.lock);
}

static void net_writable(void *ctx, unsigned int index)
{
	struct virtio_net *net = ctx;
	struct net_pair *pair = &net->pair[index];

	pthread_mutex_lock(&net->vdev.lock);
	pair->blocked = false;
	if (virtio_is_live(&net->vdev) && is_ours(net, pair))
		run_tx(net, pair);
	pthread_mutex_unlock(&net->vdev.lock);
}

static void set_link_status(struct virtio_net *net)
{
	uint16_t status = net->nd->link_up ? NET_STATUS_LINK_UP : 0;

	memcpy(net->vdev.config + NET_CONFIG_STATUS, &status, sizeof(status));
}

static void net_link_changed(void *ctx)
{
	struct virtio_net *net = ctx;

	pthread_mutex_lock(&net->vdev.lock);
	set_link_status(net);
	virtio_config_changed(&net->vdev);
	pthread_mutex_unlock(&net->vdev.lock);
}

/* --- life --- */

void net_use_pairs(struct virtio_net *net, unsigned int pairs)
{
	unsigned int before = net->pairs;

	for (unsigned int i = pairs; i < net->nd->max_pairs; i++) {
		net->pair[i].waiting = 0;
		net->pair[i].blocked = false;
	}
	net->pairs = pairs;
	net->nd->ops->set_pairs(net->nd, pairs);
	/* Buffers that are there already. */
	for (unsigned int i = before; i < pairs; i++) {
		net->vdev.notify(&net->vdev, rx_index(&net->pair[i]));
		net->vdev.notify(&net->vdev, tx_index(&net->pair[i]));
	}
}

static void net_activate(struct virtio_device *vdev)
{
	struct virtio_net *net = to_net(vdev);

	net_set_offloads(net, vdev->accepted);
	net_use_pairs(net, 1);
}

static void net_reset(struct virtio_device *vdev)
{
	struct virtio_net *net = to_net(vdev);

	net_use_pairs(net, 0);
	net_set_offloads(net, 0);
	memcpy(vdev->config + NET_CONFIG_MAC, net->mac, sizeof(net->mac));
}

/* Nobody moves frames any more, vhost neither. */
static void net_halt(struct virtio_device *vdev)
{
	net_use_pairs(to_net(vdev), 0);
}

static void free_net(struct virtio_net *net)
{
	for (unsigned int i = 0; i < NETDEV_MAX_PAIRS; i++)
		free(net->pair[i].spare);
	virtio_finish(&net->vdev);
	free(net);
}

static void net_destroy(struct virtio_device *vdev)
{
	struct virtio_net *net = to_net(vdev);

	net->nd->ops->destroy(net->nd);
	free_net(net);
}

static const struct virtio_class net_class = {
	.name = "virtio-net",
	.id = VIRTIO_ID_NET,
	.activate = net_activate,
	.kick = net_kick,
	.reset = net_reset,
	.halt = net_halt,
	.destroy = net_destroy,
};

static uint64_t offered_features(const struct netdev *nd)
{
	uint64_t offered = VIRTIO_NET_F_MAC | VIRTIO_NET_F_STATUS | VIRTIO_NET_F_MRG_RXBUF |
			   VIRTIO_NET_F_CTRL_VQ | VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_MAC_ADDR;

	if (nd->mtu)
		offered |= VIRTIO_NET_F_MTU;
	if (nd->max_pairs > 1)
		offered |= VIRTIO_NET_F_MQ;
	if (!(nd->offloads & NETDEV_CSUM))
		return offered;
	offered |= VIRTIO_NET_F_CSUM | VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;
	if (nd->offloads & NETDEV_TSO4)
		offered |= VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_GUEST_TSO4;
	if (nd->offloads & NETDEV_TSO6)
		offered |= VIRTIO_NET_F_HOST_TSO6 | VIRTIO_NET_F_GUEST_TSO6;
	if (nd->offloads & NETDEV_ECN)
		offered |= VIRTIO_NET_F_HOST_ECN | VIRTIO_NET_F_GUEST_ECN;
	if (nd->offloads & NETDEV_UFO)
		offered |= VIRTIO_NET_F_HOST_UFO | VIRTIO_NET_F_GUEST_UFO;
	return offered;
}

int virtio_net_create(struct virtio_device **out, const struct guest_mem *mem, const char *name,
		      const uint8_t mac[6], struct netdev *nd, struct err *err)
{
	struct virtio_net *net = calloc(1, sizeof(*net));
	uint16_t max_pairs = (uint16_t)nd->max_pairs;
	int ret;

	if (!net)
		return err_host(err, ENOMEM, "%s", name);
	ret = virtio_init(&net->vdev, &net_class, mem, name, offered_features(nd), 2 * nd->max_pairs + 1,
			  VIRTIO_NET_QUEUE_SIZE, NET_CONFIG_SIZE, err);
	if (ret < 0) {
		free(net);
		return ret;
	}
	for (unsigned int i = 0; i < nd->max_pairs; i++) {
		net->pair[i].index = i;
		net->pair[i].spare = malloc(NETDEV_MAX_FRAME);
		if (!net->pair[i].spare) {
			free_net(net);
			return err_host(err, ENOMEM, "%s", name);
		}
	}
	net->nd = nd;
	memcpy(net->mac, mac, sizeof(net->mac));
	memcpy(net->vdev.config + NET_CONFIG_MAC, mac, sizeof(net->mac));
	memcpy(net->vdev.config + NET_CONFIG_MAX_PAIRS, &max_pairs, sizeof(max_pairs));
	memcpy(net->vdev.config + NET_CONFIG_MTU, &nd->mtu, sizeof(nd->mtu));
	set_link_status(net);

	nd->readable = net_readable;
	nd->writable = net_writable;
	nd->link_changed = net_link_changed;
	nd->ctx = net;
	nd->vdev = &net->vdev;
	*out = &net->vdev;
	return 0;
}
