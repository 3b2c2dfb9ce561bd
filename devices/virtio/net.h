/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network card (Virtual I/O Device (VIRTIO) Version 1.2, "Network Device") over a struct netdev.
 */
#ifndef VIREO_DEVICES_VIRTIO_NET_H
#define VIREO_DEVICES_VIRTIO_NET_H

#include <stdint.h>

#include "devices/netdev.h"
#include "devices/virtio/virtio.h"
#include "kvm/err.h"

#define VIRTIO_NET_QUEUE_SIZE 256 /* descriptors of each queue */

/* "Feature bits" of a network card. */
#define VIRTIO_NET_F_CSUM                (1ULL << 0)
#define VIRTIO_NET_F_GUEST_CSUM          (1ULL << 1)
#define VIRTIO_NET_F_CTRL_GUEST_OFFLOADS (1ULL << 2)
#define VIRTIO_NET_F_MTU                 (1ULL << 3)
#define VIRTIO_NET_F_MAC                 (1ULL << 5)
#define VIRTIO_NET_F_GUEST_TSO4          (1ULL << 7)
#define VIRTIO_NET_F_GUEST_TSO6          (1ULL << 8)
#define VIRTIO_NET_F_GUEST_ECN           (1ULL << 9)
#define VIRTIO_NET_F_GUEST_UFO           (1ULL << 10)
#define VIRTIO_NET_F_HOST_TSO4           (1ULL << 11)
#define VIRTIO_NET_F_HOST_TSO6           (1ULL << 12)
#define VIRTIO_NET_F_HOST_ECN            (1ULL << 13)
#define VIRTIO_NET_F_HOST_UFO            (1ULL << 14)
#define VIRTIO_NET_F_MRG_RXBUF           (1ULL << 15)
#define VIRTIO_NET_F_STATUS              (1ULL << 16)
#define VIRTIO_NET_F_CTRL_VQ             (1ULL << 17)
#define VIRTIO_NET_F_CTRL_RX             (1ULL << 18)
#define VIRTIO_NET_F_MQ                  (1ULL << 22)
#define VIRTIO_NET_F_CTRL_MAC_ADDR       (1ULL << 23)

/*
 * Makes a card with that address (unicast), which owns `nd` from then on. On failure, 0 or -ENOMEM with a
 * line in `err`, `nd` is still the caller's.
 */
int virtio_net_create(struct virtio_device **out, const struct guest_mem *mem, const char *name,
		      const uint8_t mac[6], struct netdev *nd, struct err *err);

#endif
