/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kinds of remote consoles share: who is at the other end, and what waits in either direction. */
#ifndef VIREO_HOST_REMOTE_INTERNAL_H
#define VIREO_HOST_REMOTE_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "host/remote_console.h"
#include "host/unix_accept.h"
#include "host/unix_listen.h"

struct remote {
	struct chardev chr; /* first */
	const char *name, *path;
	struct loop *loop;
	struct loop_source work; /* an eventfd: something to do for the loop */

	/* The peer; the loop's thread. */
	struct loop_source peer; /* fd -1: nobody is there */
	uint32_t watched;        /* events */
	bool is_socket, is_lossless;
	bool is_ready;  /* always: cannot be waited for, or not any more */
	bool hung_up;   /* is not watched any more; it may have input left */
	bool in_done;   /* has nothing more to say */
	bool out_waits; /* for EPOLLOUT */
	char notice[64];
	size_t notice_len, notice_sent;

	/* Of a pseudo-terminal: the open master, which is the peer while somebody has the terminal open. */
	int master;
	struct loop_source opened; /* an inotify descriptor: who opens the terminal */
	char terminal[64];

	/* Of a socket. */
	struct unix_listener listener;
	struct unix_acceptor acceptor;

	pthread_mutex_t lock; /* guards what follows; innermost */
	uint8_t out[REMOTE_OUT_SIZE], in[REMOTE_IN_SIZE];
	uint64_t out_head, out_tail, in_head, in_tail; /* bytes since the start */
	uint64_t lost; /* bytes that were dropped, and nobody was told of yet */
	bool there;    /* somebody takes output */
	bool out_busy; /* the loop is at it, or was told to be */
	bool refused;  /* the device waits for room */
	bool dead;     /* nothing is written any more */
	bool in_full;  /* input waits for room */
};

/* A remote console with nobody at it, or NULL with a line in `err`. */
struct remote *remote_new(const char *name, struct loop *loop, struct err *err);

/* `fd` is at the other end from now on. 0, or a negative errno with a line: then nothing has changed. */
int remote_attach(struct remote *r, int fd, struct err *err);

/* Writes what there is to whoever is there. */
void remote_write(struct remote *r);

/* Nobody is there any more; the descriptor is the caller's again. */
void remote_detach(struct remote *r);

#endif
