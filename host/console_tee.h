/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lets others watch a guest's console, and type on it: a character device between the model and what it is
 * connected to. What the guest puts goes on as ever, and to each client too; what clients type comes
 * besides the other input. A client that does not read as fast as the guest writes is closed; none
 * holds the guest up.
 *
 * All but the character device's operations is for the loop's thread.
 */
#ifndef VIREO_HOST_CONSOLE_TEE_H
#define VIREO_HOST_CONSOLE_TEE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/chardev.h"
#include "host/loop.h"
#include "kvm/err.h"

#define TEE_CLIENTS  8u
#define TEE_OUT_SIZE 262144u /* bytes that a client may be behind; a power of two */
#define TEE_IN_SIZE  4096u   /* bytes typed that the guest has not taken; a power of two */

struct tee_client;

struct console_tee {
	struct chardev chr;    /* for the model; first */
	struct chardev *inner; /* NULL: nothing, output vanishes */
	struct loop *loop;
	struct loop_source work; /* an eventfd: there is something to do */
	struct tee_client *client[TEE_CLIENTS];

	_Atomic unsigned int nr_clients;
	pthread_mutex_t lock; /* guards what follows; innermost */
	uint8_t out[TEE_OUT_SIZE], in[TEE_IN_SIZE];
	uint32_t out_head, in_head, in_tail; /* free-running */
	bool told;                           /* `work` is */
	bool in_full;                        /* somebody waits for room */
};

/* Puts it in front of `inner`, which outlives it and whose model it is from now on. */
int console_tee_init(struct console_tee *tee, struct chardev *inner, struct loop *loop, struct err *err);

/* Sends what goes at once, closes all clients; `inner` has no model any more. The model is gone. */
void console_tee_finish(struct console_tee *tee);

/*
 * A client at the other end of the non-blocking socket `fd`, which is the tee's from now on. `typed`: the first
 * `len` bytes that it has sent. -EUSERS: there are enough; -ENOMEM; then `fd` is still the caller's.
 */
int console_tee_attach(struct console_tee *tee, int fd, const uint8_t *typed, size_t len);

/* There are as many clients as there may be. */
bool console_tee_is_full(const struct console_tee *tee);

/* Types `len` bytes, all or none: false, if there is no room. */
bool console_tee_type(struct console_tee *tee, const uint8_t *bytes, size_t len);

/* Sends a BREAK, and types `byte` behind it. False: there is no room, or the model knows no BREAK. */
bool console_tee_break(struct console_tee *tee, uint8_t byte);

#endif
