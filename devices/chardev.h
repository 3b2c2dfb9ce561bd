/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host side of a character device (the console, a socket, a file), as the device model sees it.
 * Neither side ever blocks: output that finds no room is refused and the model is told when there is
 * room again; input waits on the host side until the model takes it.
 *
 * Locks: a model calls put() and get() with its own lock held, on any thread. The host side calls the
 * model back from the main loop's thread, with none of its own locks held.
 */
#ifndef VIREO_DEVICES_CHARDEV_H
#define VIREO_DEVICES_CHARDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chardev;

struct chardev_ops {
	/*
	 * Takes output, `len` bytes or as many of them as there is room for; returns how many. After fewer
	 * than `len`, `writable` will be called once there is room.
	 */
	size_t (*put)(struct chardev *chr, const uint8_t *buf, size_t len);
	/* Moves up to `len` bytes of waiting input to `buf`; returns how many. */
	size_t (*get)(struct chardev *chr, uint8_t *buf, size_t len);
	/* May be NULL: the model does not own it. Nothing calls back any more. */
	void (*destroy)(struct chardev *chr);
};

struct chardev {
	const struct chardev_ops *ops;

	/*
	 * Facts. They change on the main loop's thread only, which then calls changed(); a model reads them
	 * there, and in its create() before other threads run.
	 */
	bool connected;         /* somebody is at the other end; else output finds no room */
	uint16_t columns, rows; /* of the terminal at the other end; 0: it is none, or not known */

	/* Set by the model in its create(). */
	void (*readable)(void *ctx); /* input is waiting that was not there before */
	void (*writable)(void *ctx); /* put() would take something again */
	void (*changed)(void *ctx);  /* may be NULL */
	void (*broken)(void *ctx);   /* the other end sends a BREAK; NULL: the model knows none */
	void *ctx;
};

/*
 * For one that has only one direction, or none: put() that takes all output and drops it, get() that never
 * has input, and both together.
 */
size_t chardev_put_nowhere(struct chardev *chr, const uint8_t *buf, size_t len);
size_t chardev_get_nothing(struct chardev *chr, uint8_t *buf, size_t len);
extern const struct chardev_ops chardev_nowhere_ops;

#endif
