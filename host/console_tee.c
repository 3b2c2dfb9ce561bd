// SPDX-License-Identifier: BSD-2-Clause
#include "host/console_tee.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK 4096u

struct tee_client {
	struct console_tee *tee;
	struct loop_source source;
	uint32_t out_tail; /* what it has been sent */
	bool ended;        /* it types no more */
	/* Typed, and not yet in the ring: [typed_at, typed_length). */
	size_t typed_at, typed_length;
	uint8_t typed[];
};

static void tell_loop(struct console_tee *tee)
{
	const uint64_t one = 1;

	(void)!write(tee->work.fd, &one, sizeof(one));
}

/* --- the model's side: any thread --- */

static void copy_to_clients(struct console_tee *tee, const uint8_t *buf, size_t len)
{
	bool tell;

	pthread_mutex_lock(&tee->lock);
	for (size_t i = 0; i < len; i++)
		tee->out[tee->out_head++ % TEE_OUT_SIZE] = buf[i];
	tell = !tee->told;
	tee->told = true;
	pthread_mutex_unlock(&tee->lock);
	if (tell)
		tell_loop(tee);
}

static size_t put(struct chardev *chr, const uint8_t *buf, size_t len)
{
	struct console_tee *tee = (struct console_tee *)chr;
	size_t taken = tee->inner ? tee->inner->ops->put(tee->inner, buf, len) : len;

	if (taken && tee->nr_clients)
		copy_to_clients(tee, buf, taken);
	return taken;
}

static size_t get(struct chardev *chr, uint8_t *buf, size_t len)
{
	struct console_tee *tee = (struct console_tee *)chr;
	size_t n = 0;
	bool tell;

	pthread_mutex_lock(&tee->lock);
	while (n < len && tee->in_tail != tee->in_head)
		buf[n++] = tee->in[tee->in_tail++ % TEE_IN_SIZE];
	tell = tee->in_full && tee->in_head - tee->in_tail < TEE_IN_SIZE;
	if (tell)
		tee->in_full = false;
	pthread_mutex_unlock(&tee->lock);
	if (tell)
		tell_loop(tee);
	if (tee->inner)
		n += tee->inner->ops->get(tee->inner, buf + n, len - n);
	return n;
}

static const struct chardev_ops tee_ops = {
	.put = put,
	.get = get,
};

/* --- from what is behind it: the loop's thread --- */

static void readable(void *ctx)
{
	struct console_tee *tee = ctx;

	if (tee->chr.readable)
		tee->chr.readable(tee->chr.ctx);
}

static void writable(void *ctx)
{
	struct console_tee *tee = ctx;

	if (tee->chr.writable)
		tee->chr.writable(tee->chr.ctx);
}

static void broken(void *ctx)
{
	struct console_tee *tee = ctx;

	if (tee->chr.broken)
		tee->chr.broken(tee->chr.ctx);
}

static void copy_facts(struct console_tee *tee)
{
	tee->chr.connected = tee->inner->connected;
	tee->chr.columns = tee->inner->columns;
	tee->chr.rows = tee->inner->rows;
}

static void changed(void *ctx)
{
	struct console_tee *tee = ctx;

	copy_facts(tee);
	if (tee->chr.changed)
		tee->chr.changed(tee->chr.ctx);
}

/* --- clients --- */

static size_t push_typed(struct console_tee *tee, const uint8_t *bytes, size_t len)
{
	size_t n = 0;

	pthread_mutex_lock(&tee->lock);
	while (n < len && tee->in_head - tee->in_tail < TEE_IN_SIZE)
		tee->in[tee->in_head++ % TEE_IN_SIZE] = bytes[n++];
	tee->in_full |= n < len;
	pthread_mutex_unlock(&tee->lock);
	return n;
}

static void drop(struct tee_client *client)
{
	struct console_tee *tee = client->tee;

	for (unsigned int i = 0; i < TEE_CLIENTS; i++)
		if (tee->client[i] == client)
			tee->client[i] = NULL;
	tee->nr_clients--;
	loop_remove(tee->loop, &client->source);
	close(client->source.fd);
	free(client);
}

/* What the client has not been sent yet, up to `len` bytes; -1: some of it is lost. */
static int peek_output(struct tee_client *client, uint8_t *buf, size_t len)
{
	struct console_tee *tee = client->tee;
	size_t n = 0;
	bool lost;

	pthread_mutex_lock(&tee->lock);
	lost = tee->out_head - client->out_tail > TEE_OUT_SIZE;
	for (uint32_t i = client->out_tail; !lost && n < len && i != tee->out_head; i++)
		buf[n++] = tee->out[i % TEE_OUT_SIZE];
	pthread_mutex_unlock(&tee->lock);
	return lost ? -1 : (int)n;
}

/*
 * 1: all is sent, 0: some waits; -1: the client is to be closed. No more than the ring holds: a guest that goes on
 * writing to a client that goes on reading does not keep the loop from all else.
 */
static int send_output(struct tee_client *client)
{
	uint8_t buf[CHUNK];
	size_t all = 0;
	int len;

	while ((len = peek_output(client, buf, sizeof(buf))) > 0) {
		ssize_t n = send(client->source.fd, buf, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		client->out_tail += (uint32_t)n;
		all += (size_t)n;
		if (all >= TEE_OUT_SIZE)
			return 0;
	}
	return len < 0 ? -1 : 1;
}

/* One reading at most. False: the client is to be closed. */
static bool take_input(struct tee_client *client)
{
	bool had = client->typed_length > 0;

	if (!client->typed_length && !client->ended) {
		ssize_t n = recv(client->source.fd, client->typed, CHUNK, MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		client->ended = n == 0;
		client->typed_length = n > 0 ? (size_t)n : 0;
		had = n > 0;
	}
	client->typed_at += push_typed(client->tee, client->typed + client->typed_at,
				       client->typed_length - client->typed_at);
	if (client->typed_at == client->typed_length)
		client->typed_at = client->typed_length = 0;
	if (had)
		readable(client->tee);
	return true;
}

static void serve(struct tee_client *client)
{
	int sent = send_output(client);

	if (sent < 0 || !take_input(client)) {
		drop(client);
		return;
	}
	loop_change(client->tee->loop, &client->source,
		    (sent ? 0 : EPOLLOUT) | (client->typed_length || client->ended ? 0 : EPOLLIN));
}

static void client_ready(void *ctx, uint32_t events)
{
	struct tee_client *client = ctx;

	if (!(events & (EPOLLHUP | EPOLLERR))) {
		serve(client);
		return;
	}
	/* What it typed last is for the guest, as far as there is room. */
	for (unsigned int i = 0; i <= TEE_IN_SIZE / CHUNK; i++)
		if (!take_input(client) || client->typed_length || client->ended)
			break;
	drop(client);
}

static void work_ready(void *ctx, uint32_t events)
{
	struct console_tee *tee = ctx;
	uint64_t count;

	(void)events;
	(void)!read(tee->work.fd, &count, sizeof(count));
	pthread_mutex_lock(&tee->lock);
	tee->told = false;
	pthread_mutex_unlock(&tee->lock);
	for (unsigned int i = 0; i < TEE_CLIENTS; i++)
		if (tee->client[i])
			serve(tee->client[i]);
}

int console_tee_attach(struct console_tee *tee, int fd, const uint8_t *typed, size_t len)
{
	struct tee_client *client, **place = NULL;
	struct err ignored;

	for (unsigned int i = 0; i < TEE_CLIENTS && !place; i++)
		if (!tee->client[i])
			place = &tee->client[i];
	if (!place)
		return -EUSERS;
	client = calloc(1, sizeof(*client) + (len > CHUNK ? len : CHUNK));
	if (!client)
		return -ENOMEM;
	client->tee = tee;
	client->source = (struct loop_source){ .fd = fd, .ready = client_ready, .ctx = client };
	memcpy(client->typed, typed, len);
	client->typed_length = len;
	if (loop_add(tee->loop, &client->source, EPOLLIN, &ignored) < 0) {
		free(client);
		return -ENOMEM;
	}
	pthread_mutex_lock(&tee->lock);
	client->out_tail = tee->out_head;
	tee->nr_clients++;
	pthread_mutex_unlock(&tee->lock);
	*place = client;
	serve(client);
	return 0;
}

bool console_tee_is_full(const struct console_tee *tee)
{
	return tee->nr_clients == TEE_CLIENTS;
}

bool console_tee_type(struct console_tee *tee, const uint8_t *bytes, size_t len)
{
	bool room;

	pthread_mutex_lock(&tee->lock);
	room = TEE_IN_SIZE - (tee->in_head - tee->in_tail) >= len;
	pthread_mutex_unlock(&tee->lock);
	if (!room)
		return false;
	push_typed(tee, bytes, len);
	readable(tee);
	return true;
}

bool console_tee_break(struct console_tee *tee, uint8_t byte)
{
	if (!tee->chr.broken)
		return false;
	broken(tee);
	return console_tee_type(tee, &byte, 1);
}

int console_tee_init(struct console_tee *tee, struct chardev *inner, struct loop *loop, struct err *err)
{
	int ret;

	memset(tee, 0, sizeof(*tee));
	tee->chr = (struct chardev){ .ops = &tee_ops, .connected = true };
	tee->inner = inner;
	tee->loop = loop;
	tee->work = (struct loop_source){ .ready = work_ready, .ctx = tee };
	tee->work.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (tee->work.fd < 0)
		return err_host(err, errno, "eventfd for clients of the console");
	ret = loop_add(loop, &tee->work, EPOLLIN, err);
	if (ret < 0) {
		close(tee->work.fd);
		return ret;
	}
	pthread_mutex_init(&tee->lock, NULL);
	if (inner) {
		inner->readable = readable;
		inner->writable = writable;
		inner->changed = changed;
		inner->broken = broken;
		inner->ctx = tee;
		copy_facts(tee);
	}
	return 0;
}

void console_tee_finish(struct console_tee *tee)
{
	for (unsigned int i = 0; i < TEE_CLIENTS; i++) {
		if (!tee->client[i])
			continue;
		send_output(tee->client[i]);
		drop(tee->client[i]);
	}
	if (tee->inner) {
		tee->inner->readable = NULL;
		tee->inner->writable = NULL;
		tee->inner->changed = NULL;
		tee->inner->broken = NULL;
		tee->inner->ctx = NULL;
	}
	loop_remove(tee->loop, &tee->work);
	close(tee->work.fd);
	pthread_mutex_destroy(&tee->lock);
}
