/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Consoles that nobody sits at: what a serial port and a virtio console put is handed to a watcher in the loop's
 * thread, some milliseconds' worth at a time, and each can be typed to.
 *
 * What the watcher has not had yet is bounded: a guest that writes faster finds no room and waits.
 */
#ifndef VIREO_HOST_CONSOLE_WATCH_H
#define VIREO_HOST_CONSOLE_WATCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/chardev.h"
#include "host/loop.h"
#include "kvm/err.h"

#define WATCH_SIZE 65536u /* bytes that wait for the watcher, of each console; a power of two */

enum watch_source {
	WATCH_SERIAL,
	WATCH_HVC,
	WATCH_SOURCES,
};

struct console_watch;

/* What a device is given. */
struct watch_end {
	struct chardev chr; /* first */
	struct console_watch *watch;
	/* Under watch->lock: */
	uint8_t ring[WATCH_SIZE];
	uint32_t head, tail; /* free-running */
	bool refused;        /* the device waits for room */
	char *input;         /* malloc'ed: what was typed and the guest has not taken yet */
	size_t input_len, input_taken;
};

struct console_watch {
	struct watch_end end[WATCH_SOURCES];
	struct loop *loop;
	void (*output)(void *ctx, enum watch_source source, const uint8_t *bytes, size_t len);
	void (*pause)(void *ctx);
	void *ctx;

	struct loop_source work;  /* an eventfd: there is output, after a pause, or much of it */
	struct clock_timer later; /* looks for what has come meanwhile */

	pthread_mutex_t lock; /* innermost */
	bool busy;            /* under lock: the loop is at it, or was told to be */
	bool hurry;           /* under lock: it was told that there is much */
};

/*
 * `output` gets what the guest writes, `pause` is called when it has written nothing for some 20 ms after that;
 * both in the loop's thread.
 */
int console_watch_init(struct console_watch *watch, struct loop *loop,
		       void (*output)(void *ctx, enum watch_source source, const uint8_t *bytes, size_t len),
		       void (*pause)(void *ctx), void *ctx, struct err *err);

/* Types `len` bytes, which are copied. The loop's thread. -ENOMEM: there is no memory for them. */
int console_watch_type(struct console_watch *watch, enum watch_source source, const char *text, size_t len);

/* Hands over what is left, when no device puts any more. */
void console_watch_finish(struct console_watch *watch);

#endif
