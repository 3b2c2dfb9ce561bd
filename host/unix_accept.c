// SPDX-License-Identifier: BSD-2-Clause
#include "host/unix_accept.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "kvm/log.h"

#define WAIT (1 * NSEC_PER_SEC) /* until the next try */

static void try_again(void *ctx)
{
	struct unix_acceptor *a = ctx;

	if (a->is_wanted)
		loop_change(a->loop, &a->source, EPOLLIN);
}

int unix_acceptor_start(struct unix_acceptor *a, struct loop *loop, int fd, const char *name,
			void (*ready)(void *ctx, uint32_t events), void *ctx, struct err *err)
{
	int ret;

	*a = (struct unix_acceptor){
		.source = { .fd = fd, .ready = ready, .ctx = ctx },
		.again = { .fire = try_again, .ctx = a, .deadline = CLOCK_NEVER },
		.name = name,
		.is_wanted = true,
	};
	ret = loop_add(loop, &a->source, EPOLLIN, err);
	if (!ret)
		a->loop = loop;
	return ret;
}

void unix_acceptor_stop(struct unix_acceptor *a)
{
	if (!a->loop)
		return;
	clock_timer_set(&a->loop->clock, &a->again, CLOCK_NEVER);
	loop_remove(a->loop, &a->source);
	a->loop = NULL;
}

int unix_acceptor_take(struct unix_acceptor *a)
{
	int fd = accept4(a->source.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd >= 0) {
		a->has_failed = false;
		return fd;
	}
	/* The others are of one client that has gone again. */
	if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS)
		return -1;
	if (!a->has_failed)
		log_warn("%s: accepting a connection: %s; trying again", a->name, strerrordesc_np(errno));
	a->has_failed = true;
	loop_change(a->loop, &a->source, 0);
	clock_timer_set(&a->loop->clock, &a->again, clock_monotonic(&a->loop->clock) + WAIT);
	return -1;
}

void unix_acceptor_want(struct unix_acceptor *a, bool want)
{
	a->is_wanted = want;
	loop_change(a->loop, &a->source, want ? EPOLLIN : 0);
}
