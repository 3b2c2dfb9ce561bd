// SPDX-License-Identifier: BSD-2-Clause
#include "host/line_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct line_client {
	struct line_server *server;
	struct loop_source source;
	void *data;

	char in[LINE_MAX_LENGTH];
	size_t in_length;
	uint8_t *out; /* what waits to be sent: [out_sent, out_length); malloc'ed, NULL: nothing */
	size_t out_sent, out_length;

	bool held;    /* by its owner */
	bool ended;   /* it sends no more */
	bool deaf;    /* it reads no more: answers are dropped, what it has sent is dealt with all the same */
	bool broken;  /* to be closed as soon as nobody looks at it */
	bool in_line; /* ops->line() has it */
	bool handed_over;
};

/* The server forgets it; the descriptor is left open. */
static void forget(struct line_client *client)
{
	struct line_server *server = client->server;

	for (unsigned int i = 0; i < LINE_CLIENTS; i++)
		if (server->client[i] == client)
			server->client[i] = NULL;
	loop_remove(server->loop, &client->source);
	free(client->out);
	client->out = NULL;
	unix_acceptor_want(&server->acceptor, true); /* there is a place */
}

static void drop(struct line_client *client)
{
	client->server->ops->closed(client->server->ctx, client);
	forget(client);
	close(client->source.fd);
	free(client);
}

/* --- output --- */

/* Sends what waits, as far as it goes. */
static void flush(struct line_client *client)
{
	while (client->out_sent < client->out_length && !client->deaf) {
		ssize_t n = send(client->source.fd, client->out + client->out_sent,
				 client->out_length - client->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			client->deaf = true;
		else
			client->out_sent += (size_t)n;
	}
	free(client->out);
	client->out = NULL;
	client->out_sent = client->out_length = 0;
}

void line_client_send(struct line_client *client, const void *data, size_t len)
{
	uint8_t *grown;

	if (client->broken || client->deaf)
		return;
	grown = realloc(client->out, client->out_length + len);
	if (!grown) {
		line_client_close(client);
		return;
	}
	memcpy(grown + client->out_length, data, len);
	client->out = grown;
	client->out_length += len;
	flush(client);
	/* Soon, not now: the caller has the client in its hands. */
	loop_soon(client->server->loop, &client->source);
}

void line_client_close(struct line_client *client)
{
	client->broken = true;
	loop_soon(client->server->loop, &client->source);
}

/* --- input --- */

/* False: there is nothing now. */
static bool read_some(struct line_client *client)
{
	ssize_t n;

	do
		n = recv(client->source.fd, client->in + client->in_length,
			 sizeof(client->in) - client->in_length, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		client->in_length += (size_t)n;
	else if (n == 0)
		client->ended = true;
	else if (errno != EAGAIN)
		client->broken = true;
	return n > 0;
}

static char *find_end(struct line_client *client)
{
	return memchr(client->in, '\n', client->in_length);
}

/* One line, if there is one. False: there is none, or the client is somebody else's now, and freed. */
static bool take_line(struct line_client *client)
{
	struct line_server *server = client->server;
	char *end = find_end(client);
	size_t len;

	if (!end) {
		if (client->in_length < sizeof(client->in))
			return false;
		server->ops->too_long(server->ctx, client);
		flush(client);
		client->broken = true;
		return false;
	}
	len = (size_t)(end - client->in);
	client->in_line = true;
	server->ops->line(server->ctx, client, client->in, len);
	client->in_line = false;
	if (client->handed_over) {
		free(client);
		return true;
	}
	client->in_length -= len + 1;
	memmove(client->in, end + 1, client->in_length);
	return false;
}

/* What to wait for next; a client that is held or has not read is not listened to. */
static void wait_for_more(struct line_client *client)
{
	bool listens = !client->held && !client->out && !client->ended;

	loop_change(client->server->loop, &client->source,
		    (listens ? EPOLLIN : 0) | (client->out ? EPOLLOUT : 0));
	if (!client->held && !client->out && find_end(client))
		loop_soon(client->server->loop, &client->source);
}

static void client_ready(void *ctx, uint32_t events)
{
	struct line_client *client = ctx;

	if (events & (EPOLLHUP | EPOLLERR)) {
		client->deaf = true;
		client->broken |= client->held; /* it would be told again and again */
	}
	flush(client);
	/* Without a line in store there is room for more. */
	if (!client->broken && !client->held && !client->out) {
		if (!client->ended && !find_end(client))
			read_some(client);
		if (!client->broken && take_line(client))
			return;
	}
	if (client->ended && !client->held && !client->out && !find_end(client))
		client->broken = true;
	if (client->broken)
		drop(client);
	else
		wait_for_more(client);
}

/* --- clients come and go --- */

static struct line_client **free_place(struct line_server *server)
{
	for (unsigned int i = 0; i < LINE_CLIENTS; i++)
		if (!server->client[i])
			return &server->client[i];
	return NULL;
}

static void add_client(struct line_server *server, struct line_client **place, int fd)
{
	struct line_client *client = calloc(1, sizeof(*client));
	struct err ignored;

	if (!client) {
		close(fd);
		return;
	}
	client->server = server;
	client->source = (struct loop_source){ .fd = fd, .ready = client_ready, .ctx = client };
	if (loop_add(server->loop, &client->source, EPOLLIN, &ignored) < 0) {
		close(fd);
		free(client);
		return;
	}
	*place = client;
	server->ops->opened(server->ctx, client);
}

static void listener_ready(void *ctx, uint32_t events)
{
	struct line_server *server = ctx;
	struct line_client **place;

	(void)events;
	while ((place = free_place(server))) {
		int fd = unix_acceptor_take(&server->acceptor);

		if (fd < 0)
			return;
		add_client(server, place, fd);
	}
	unix_acceptor_want(&server->acceptor, false);
}

void line_client_hold(struct line_client *client, bool on)
{
	client->held = on;
	loop_soon(client->server->loop, &client->source);
}

int line_client_hand_over(struct line_client *client, uint8_t *rest, size_t *len)
{
	char *end = find_end(client);

	if (!client->in_line || !end || client->out || client->broken)
		return -1;
	*len = client->in_length - (size_t)(end + 1 - client->in);
	memcpy(rest, end + 1, *len);
	forget(client);
	client->handed_over = true;
	return client->source.fd;
}

void line_client_set_data(struct line_client *client, void *data)
{
	client->data = data;
}

void *line_client_data(const struct line_client *client)
{
	return client->data;
}

int line_server_open(struct line_server *server, const char *path, struct loop *loop,
		     const struct line_server_ops *ops, void *ctx, struct err *err)
{
	int ret;

	*server = (struct line_server){ .ops = ops, .ctx = ctx, .loop = loop };
	ret = unix_listen(&server->listener, path, 0600, err);
	if (ret < 0)
		return ret;
	ret = unix_acceptor_start(&server->acceptor, loop, server->listener.fd, server->listener.path,
				  listener_ready, server, err);
	if (ret < 0)
		unix_unlisten(&server->listener);
	return ret;
}

void line_server_close(struct line_server *server)
{
	for (unsigned int i = 0; i < LINE_CLIENTS; i++) {
		struct line_client *client = server->client[i];

		if (!client)
			continue;
		flush(client);
		forget(client);
		close(client->source.fd);
		free(client);
	}
	unix_acceptor_stop(&server->acceptor);
	unix_unlisten(&server->listener);
}
