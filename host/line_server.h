/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A socket whose clients send lines and are answered with lines, one request after the other. Clients are
 * hostile and slow: how many there are, how long a line is and how much is kept for each are bounded, the
 * loop never waits for one, and each has one line taken at a turn, so that others have theirs. While a client
 * has not taken its answers, nothing more is read from it: what it does not read costs one answer.
 *
 * All is for the loop's thread.
 */
#ifndef VIREO_HOST_LINE_SERVER_H
#define VIREO_HOST_LINE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/loop.h"
#include "host/unix_accept.h"
#include "host/unix_listen.h"
#include "kvm/err.h"

#define LINE_MAX_LENGTH 65536u /* bytes of a line, with its newline */
#define LINE_CLIENTS    16u

struct line_client;

struct line_server_ops {
	/* A client has come: line_client_send() may greet it. */
	void (*opened)(void *ctx, struct line_client *client);
	/*
	 * A line of `len` bytes without its newline, any bytes at all; valid during the call, in which the
	 * client may be answered, held, handed over or closed.
	 */
	void (*line)(void *ctx, struct line_client *client, char *line, size_t len);
	/* A line has no end within LINE_MAX_LENGTH. It may be answered; then the client is closed. */
	void (*too_long)(void *ctx, struct line_client *client);
	/* The client is gone, and must not be used any more. */
	void (*closed)(void *ctx, struct line_client *client);
};

struct line_server {
	const struct line_server_ops *ops;
	void *ctx;
	struct loop *loop;
	struct unix_listener listener;
	struct unix_acceptor
		acceptor; /* while there is a place: those without wait in the listener's queue */
	struct line_client *client[LINE_CLIENTS];
};

/* Listens at `path`, for its owner alone (mode 0600). Errors as of unix_listen(). */
int line_server_open(struct line_server *server, const char *path, struct loop *loop,
		     const struct line_server_ops *ops, void *ctx, struct err *err);

/* Sends what goes at once, closes all clients without a word to ops->closed(), and removes the socket. */
void line_server_close(struct line_server *server);

/* Sends `len` bytes, of which those that find no room now are kept. Without memory the client is closed soon. */
void line_client_send(struct line_client *client, const void *data, size_t len);

/* While a client is held, no line is taken from it. */
void line_client_hold(struct line_client *client, bool on);

/* Has it been closed at its other end, or for want of memory? Then ops->closed() follows. */
void line_client_close(struct line_client *client);

/*
 * Within ops->line(): the connection is the caller's from now on, and the server knows this client no more
 * (ops->closed() is not called). Returns its descriptor; what came behind the line is copied to `rest`,
 * which has LINE_MAX_LENGTH bytes. -1: the client has not taken its answers; it remains as it is.
 */
int line_client_hand_over(struct line_client *client, uint8_t *rest, size_t *len);

/* Something of the owner's; NULL at first. */
void line_client_set_data(struct line_client *client, void *data);
void *line_client_data(const struct line_client *client);

#endif
