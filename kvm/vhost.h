/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ioctls of the kernel's own virtio devices, /dev/vhost-net and others (<linux/vhost.h>). `fd` is
 * such a device, open; `ring` counts its virtqueues from 0. All return 0 or a negative errno, and may
 * be called by any thread, one at a time. host/vhost.h is what the rest of the program uses.
 */
#ifndef VIREO_KVM_VHOST_H
#define VIREO_KVM_VHOST_H

#include <stdbool.h>
#include <stdint.h>

/* The worker thread in the kernel belongs to this process from now on. First of all, and once. */
int vhost_fd_set_owner(int fd);

/* Feature bits of virtio, of those that concern the rings, and of vhost itself. */
int vhost_fd_get_features(int fd, uint64_t *features);
int vhost_fd_set_features(int fd, uint64_t features);

/* Guest memory as the kernel finds it in this process; base and size are multiples of 4096. */
struct vhost_range {
	uint64_t base; /* guest-physical */
	uint64_t size; /* bytes */
	const void *host;
};
int vhost_fd_set_memory(int fd, const struct vhost_range *range, unsigned int count);

/* A ring that is not running. The three areas are host addresses. */
struct vhost_ring {
	uint16_t size;       /* descriptors */
	uint16_t next_avail; /* the next entry of the available ring to take */
	const void *desc, *avail;
	void *used;
	int kick, call, error; /* eventfds; the kernel has its own references */
};
int vhost_fd_set_ring(int fd, unsigned int ring, const struct vhost_ring *what);

/* Lets go of the eventfds of a ring that was stopped; `next_avail` is where it stopped. */
int vhost_fd_clear_ring(int fd, unsigned int ring, uint16_t *next_avail);

/* vhost-net: the ring sends to or receives from that tap's descriptor; -1 stops it and waits. */
int vhost_fd_net_set_backend(int fd, unsigned int ring, int tap);

/* vhost-vsock: the guest's context id; -EADDRINUSE: another VM of this host has it. */
int vhost_fd_vsock_set_cid(int fd, uint64_t cid);

/* vhost-vsock: lets both rings run, or stops them and waits. */
int vhost_fd_vsock_set_running(int fd, bool running);

#endif
