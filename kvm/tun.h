/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ioctls of tap interfaces (<linux/if_tun.h>; Linux, Documentation/networking/tuntap.rst). `fd` is
 * /dev/net/tun, open. All return 0 or a negative errno, and may be called by any thread.
 */
#ifndef VIREO_KVM_TUN_H
#define VIREO_KVM_TUN_H

#include <stdbool.h>
#include <stdint.h>

#define TUN_PATH     "/dev/net/tun"
#define TUN_NAME_MAX 15 /* bytes of an interface's name, without the NUL */

/*
 * Makes `fd` a queue of the tap `name`, each of whose frames has a virtio header before it. The tap is
 * created if there is none of that name; a "%d" in it becomes the first number that is free. `name` is
 * then the real one. -EINVAL: `name` is something else, or has been made with another `multi_queue`.
 */
int tun_attach(int fd, char name[TUN_NAME_MAX + 1], bool multi_queue);

/* The header's size in bytes. */
int tun_set_header(int fd, int size);

/* What frames that come from the tap may leave to the reader: bits TUN_F_*. */
int tun_set_offloads(int fd, unsigned int flags);

/* Of a tap with several queues: whether this one is used. */
int tun_use_queue(int fd, bool used);

/* Of the interface of that name: its MTU in bytes, or a negative errno; and setting it up. */
int tun_get_mtu(const char *name);
int tun_set_up(const char *name);

#endif
