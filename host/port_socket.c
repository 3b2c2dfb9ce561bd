// SPDX-License-Identifier: BSD-2-Clause
#include "host/port_socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/unix_accept.h"
#include "host/unix_listen.h"
#define LOG_AREA AREA_CONSOLE
#include "kvm/log.h"

struct port_socket {
	struct chardev chr; /* first */
	struct loop *loop;
	struct unix_listener listener;
	struct unix_acceptor acceptor; /* while there is no client */
	struct loop_source client;     /* fd -1: there is none */
	uint32_t events;               /* that the client is watched for */
	bool hung_up;            /* it does not read any more, and is not watched; it may have input left */
	bool in_done;            /* all that it has sent was read */
	struct clock_timer drop; /* fires at once: the client is to be dropped, from the loop */
};

static struct port_socket *socket_of(struct chardev *chr)
{
	return (struct port_socket *)chr;
}

static void watch(struct port_socket *ps, uint32_t events)
{
	if (events == ps->events || ps->hung_up)
		return;
	ps->events = events;
	loop_change(ps->loop, &ps->client, events);
}

/* The model's lock is held where the client's end is seen; it is told later. */
static void drop_soon(struct port_socket *ps)
{
	clock_timer_set(&ps->loop->clock, &ps->drop, clock_monotonic(&ps->loop->clock));
}

/* --- the model's side --- */

static size_t put(struct chardev *chr, const uint8_t *buf, size_t len)
{
	struct port_socket *ps = socket_of(chr);
	size_t sent = 0;

	while (ps->client.fd >= 0 && !ps->hung_up && sent < len) {
		ssize_t n = send(ps->client.fd, buf + sent, len - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n >= 0) {
			sent += (size_t)n;
		} else if (errno == EAGAIN) {
			watch(ps, ps->events | EPOLLOUT);
			break;
		} else if (errno != EINTR) {
			break; /* it does not read any more: the rest is for the next client */
		}
	}
	return sent;
}

/* Less than asked for only if no more is there now. */
static size_t get(struct chardev *chr, uint8_t *buf, size_t len)
{
	struct port_socket *ps = socket_of(chr);
	size_t got = 0;

	while (ps->client.fd >= 0 && !ps->in_done && got < len) {
		ssize_t n = recv(ps->client.fd, buf + got, len - got, MSG_DONTWAIT);

		if (n > 0) {
			got += (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			watch(ps, ps->events | EPOLLIN);
			break;
		} else if (n == 0 || errno != EINTR) {
			ps->in_done = true;
			if (ps->hung_up)
				drop_soon(ps);
		}
	}
	return got;
}

/* --- the loop's side --- */

static void drop_client(void *ctx)
{
	struct port_socket *ps = ctx;

	if (!ps->hung_up)
		loop_remove(ps->loop, &ps->client);
	close(ps->client.fd);
	ps->client.fd = -1;
	ps->chr.connected = false;
	if (ps->chr.changed)
		ps->chr.changed(ps->chr.ctx);
	unix_acceptor_want(&ps->acceptor, true);
}

/* Of a client that has hung up: the model may not ask for its input for a long time, if nobody in the guest reads. */
static bool has_left_input(const struct port_socket *ps)
{
	uint8_t byte;
	ssize_t n;

	do
		n = recv(ps->client.fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
	while (n < 0 && errno == EINTR);
	return n > 0;
}

static void client_ready(void *ctx, uint32_t events)
{
	struct port_socket *ps = ctx;

	if (events & EPOLLIN) /* until the model has taken it */
		watch(ps, ps->events & ~(uint32_t)EPOLLIN);
	if (events & EPOLLOUT)
		watch(ps, ps->events & ~(uint32_t)EPOLLOUT);
	if (events & (EPOLLHUP | EPOLLERR)) {
		loop_remove(ps->loop, &ps->client);
		ps->hung_up = true;
		if (!has_left_input(ps)) {
			ps->in_done = true;
			drop_soon(ps);
		}
	}
	if ((events & EPOLLOUT) && ps->chr.writable)
		ps->chr.writable(ps->chr.ctx);
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && ps->chr.readable)
		ps->chr.readable(ps->chr.ctx);
}

static void take_client(void *ctx, uint32_t events)
{
	struct port_socket *ps = ctx;
	struct err err;
	int fd = unix_acceptor_take(&ps->acceptor);

	(void)events;
	if (fd < 0)
		return;
	ps->client = (struct loop_source){ .fd = fd, .ready = client_ready, .ctx = ps };
	ps->events = EPOLLIN;
	if (loop_add(ps->loop, &ps->client, EPOLLIN, &err) < 0) {
		log_warn("%s: %s", ps->listener.path, err.text);
		close(fd);
		ps->client.fd = -1;
		return;
	}
	unix_acceptor_want(&ps->acceptor, false);
	ps->hung_up = ps->in_done = false;
	ps->chr.connected = true;
	if (ps->chr.changed)
		ps->chr.changed(ps->chr.ctx);
	if (ps->chr.writable)
		ps->chr.writable(ps->chr.ctx);
}

static void destroy(struct chardev *chr)
{
	struct port_socket *ps = socket_of(chr);

	clock_timer_set(&ps->loop->clock, &ps->drop, CLOCK_NEVER);
	if (ps->client.fd >= 0) {
		if (!ps->hung_up)
			loop_remove(ps->loop, &ps->client);
		close(ps->client.fd);
	}
	unix_acceptor_stop(&ps->acceptor);
	unix_unlisten(&ps->listener);
	free(ps);
}

static const struct chardev_ops socket_ops = {
	.put = put,
	.get = get,
	.destroy = destroy,
};

int port_socket_create(struct chardev **out, const char *path, struct loop *loop, struct err *err)
{
	struct port_socket *ps = calloc(1, sizeof(*ps));
	int ret;

	if (!ps)
		return err_host(err, ENOMEM, "%s", path);
	ret = unix_listen(&ps->listener, path, ACCESSPERMS, err);
	if (ret < 0)
		goto fail;
	ps->chr.ops = &socket_ops;
	ps->loop = loop;
	ps->client.fd = -1;
	ps->drop = (struct clock_timer){ .fire = drop_client, .ctx = ps, .deadline = CLOCK_NEVER };
	ret = unix_acceptor_start(&ps->acceptor, loop, ps->listener.fd, ps->listener.path, take_client, ps,
				  err);
	if (ret < 0) {
		unix_unlisten(&ps->listener);
		goto fail;
	}
	*out = &ps->chr;
	return 0;

fail:
	free(ps);
	return ret;
}
