/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A chardev between a device and a console's own: all passes through, and what the device puts is also handed
 * to a listener in the loop's thread. A listener that is slower than the guest makes it wait.
 */
#ifndef VIREO_HOST_CONSOLE_TAP_H
#define VIREO_HOST_CONSOLE_TAP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/chardev.h"
#include "host/loop.h"
#include "kvm/err.h"

#define TAP_SIZE 65536u /* bytes that wait for the listener; a power of two */

struct console_tap {
	struct chardev chr; /* first; for the device */
	struct chardev *real;
	struct loop *loop;
	struct loop_source work; /* an eventfd: there is something to hear */
	const char *name;
	void (*heard)(void *ctx, const char *name, const uint8_t *bytes, size_t len);
	void *ctx;

	pthread_mutex_t lock; /* guards what follows; taken before the real chardev's own */
	uint8_t ring[TAP_SIZE];
	uint32_t head, tail; /* free-running */
	bool busy;           /* the loop is at it, or was told to be */
	bool refused;        /* for want of room here */
};

/*
 * Listens to what is put to `real` ("ttyS0" is a `name`; both outlive the tap): `heard` is called in the loop's
 * thread. 0; or a negative errno with a line, then nothing is left.
 */
int console_tap_init(struct console_tap *tap, struct chardev *real, const char *name, struct loop *loop,
		     void (*heard)(void *ctx, const char *name, const uint8_t *bytes, size_t len), void *ctx,
		     struct err *err);

/* Lets the listener hear the rest. No device has the chardev any more; the loop's thread. */
void console_tap_finish(struct console_tap *tap);

#endif
