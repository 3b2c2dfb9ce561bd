/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host side of a character device (a console, later a socket or file), as the device model
 * sees it. Neither side ever blocks: output that finds no room is refused and the model is told
 * when there is room again; input waits on the host side until the model takes it.
 *
 * Locks: a model calls put() and get() with its own lock held. The host side calls the model back
 * with none of its own locks held.
 */
#ifndef VIREO_DEVICES_CHARDEV_H
#define VIREO_DEVICES_CHARDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chardev;

struct chardev_ops {
	/* Takes one byte of output. False: no room; `writable` will be called once there is some. */
	bool (*put)(struct chardev *chr, uint8_t byte);
	/* Moves up to `len` bytes of waiting input to `buf`; returns how many. */
	size_t (*get)(struct chardev *chr, uint8_t *buf, size_t len);
};

struct chardev {
	const struct chardev_ops *ops;

	/* Set by the model in its create(): called from the event loop's thread. */
	void (*readable)(void *ctx); /* input is waiting that was not there before */
	void (*writable)(void *ctx); /* put() would succeed again */
	void *ctx;
};

#endif
