/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients that come to a listening socket, one at a time. Where the host has no descriptor or no memory left for one, it
 * waits: some will be free again.
 */
#ifndef VIREO_HOST_UNIX_ACCEPT_H
#define VIREO_HOST_UNIX_ACCEPT_H

#include <stdbool.h>

#include "host/loop.h"
#include "kvm/err.h"

struct unix_acceptor {
	struct loop *loop; /* NULL: it was not started */
	struct loop_source source;
	struct clock_timer again;
	const char *name;
	bool is_wanted;
	bool has_failed; /* one line until it works again */
};

/*
 * ready() is called when there is a client at the listening socket `fd`, which remains the caller's; from the start on
 * there may be. `name`, which outlives it, begins log lines. 0, or a negative errno with a line.
 */
int unix_acceptor_start(struct unix_acceptor *a, struct loop *loop, int fd, const char *name,
			void (*ready)(void *ctx, uint32_t events), void *ctx, struct err *err);
/* What was not started may be stopped, if it is zeroed. */
void unix_acceptor_stop(struct unix_acceptor *a);

/* For ready(): the client's socket, which does not block; -1: none, for now. */
int unix_acceptor_take(struct unix_acceptor *a);

/* Clients are wanted, or to wait. */
void unix_acceptor_want(struct unix_acceptor *a, bool want);

#endif
