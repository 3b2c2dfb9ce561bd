/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The front end of vhost-user: a virtio device whose queues are worked on by another process (the back
 * end), which maps guest memory and is told about the queues over a Unix socket. QEMU's "Vhost-user
 * Protocol" describes it; titles in quotes are that document's.
 *
 * The back end is a stranger: what it answers is bounded and checked. After the first answer that is
 * wrong, or none, the connection is dead: its socket is shut down, every call returns -EPIPE.
 *
 * Not for several threads: whoever owns it has a lock around every call but vhost_user_cancel().
 */
#ifndef VIREO_HOST_VHOST_USER_H
#define VIREO_HOST_VHOST_USER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/guestmem.h"
#include "devices/virtio/queue.h"
#include "kvm/err.h"

#define VHOST_USER_MAX_CONFIG 256 /* bytes of configuration space that a back end may have */

struct vhost_user {
	char name[48];
	int fd;
	uint64_t features;       /* that the back end offers */
	uint64_t protocol;       /* bits VHOST_USER_PROTOCOL_*: what both sides know */
	unsigned int max_queues; /* that the back end can work on; 0: it did not say */
	bool started;            /* the VM runs: an answer may take as long as the host's disk does */
	bool dead;
	_Atomic bool cancelled;
};

/* "Protocol features". */
#define VHOST_USER_PROTOCOL_MQ           (1ULL << 0)
#define VHOST_USER_PROTOCOL_REPLY_ACK    (1ULL << 3)
#define VHOST_USER_PROTOCOL_CONFIG       (1ULL << 9)
#define VHOST_USER_PROTOCOL_RESET_DEVICE (1ULL << 13)

/* A connected socket to the back end that listens at `path`. 0 or a negative errno with one line. */
int vhost_user_connect(int *fd, const char *name, const char *path, struct err *err);

/*
 * Greets the back end at the other end of `fd`, a connected socket that is taken over also on failure,
 * and learns what it offers. `name` begins every error. The back end has 10 s for each answer until
 * vhost_user_start() is called.
 */
int vhost_user_open(struct vhost_user **out, int fd, const char *name, struct err *err);
void vhost_user_close(struct vhost_user *vu);

/* The first `size` bytes of the configuration space. The back end must have VHOST_USER_PROTOCOL_CONFIG. */
int vhost_user_get_config(struct vhost_user *vu, void *config, unsigned int size, struct err *err);
/* When this returns 0 the back end has taken them. */
int vhost_user_set_config(struct vhost_user *vu, unsigned int offset, const void *data, unsigned int len,
			  struct err *err);

/* Whether a back end can be given guest memory: -EINVAL with a line if it is in too many pieces. */
int vhost_user_check_memory(const struct guest_mem *mem, const char *name, struct err *err);

/* One queue, as the back end is to see it. */
struct vhost_user_queue {
	const struct virtq *vq; /* ready */
	int kick_fd, call_fd, err_fd;
	bool disabled; /* begins so: see vhost_user_enable() */
};

/*
 * Hands over guest memory (the ranges that have a file and that a guest may write), the features that the
 * driver has accepted, and the queues: those with vq != NULL. The back end works on them when this returns.
 */
int vhost_user_start(struct vhost_user *vu, const struct guest_mem *mem, uint64_t accepted,
		     const struct vhost_user_queue *queues, unsigned int count, struct err *err);

/*
 * Takes the queues back: waits until the back end is done with what it has taken from them. It touches
 * guest memory no more when this returns 0.
 */
int vhost_user_stop(struct vhost_user *vu, const struct vhost_user_queue *queues, unsigned int count,
		    struct err *err);

/* Enables or disables one queue that has been started. */
int vhost_user_enable(struct vhost_user *vu, unsigned int index, bool enable, struct err *err);

/* Lets a call that waits for the back end return soon, and all later ones fail. Any thread. */
void vhost_user_cancel(struct vhost_user *vu);

#endif
