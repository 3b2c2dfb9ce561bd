/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's end of the ports of init/protocol.h: streams, and control. What the guest sends is hostile.
 */
#ifndef VIREO_VMM_EXEC_PORT_H
#define VIREO_VMM_EXEC_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/chardev.h"
#include "host/loop.h"
#include "init/protocol.h"

/*
 * A stream between the guest and another chardev, without the guest's first byte. Until that is here, the guest is
 * not told of input or of its end.
 */
struct exec_stream {
	struct chardev chr; /* first: for the model, which does not own it */
	struct chardev *inner;
	struct exec_stream *output; /* input of a terminal: the stream of its other direction */
	struct loop *loop;
	struct clock_timer begin; /* fires at once after the first byte */
	bool is_input, is_ready;
	uint64_t taken; /* bytes that the other chardev has taken, or dropped because nobody reads it */
	void (*begun)(
		void *ctx); /* output: its first byte comes; may be called several times, and as moved() */
	void (*moved)(void *ctx);  /* `taken` has grown; may be called with the model's lock held */
	void (*closed)(void *ctx); /* output: nobody reads it any more */
	void *ctx;
};

/*
 * `inner` outlives it. It has no other user (`peer` NULL), and then its end is this stream's; or it is a terminal, and
 * `peer` is the stream of its other direction, initialised before or after. All calls are the loop's thread's, without
 * the model's lock.
 */
void exec_stream_init(struct exec_stream *stream, struct chardev *inner, bool is_input,
		      struct exec_stream *peer, struct loop *loop);
void exec_stream_finish(struct exec_stream *stream);

#define EXEC_FRAMES_MAX 64 /* for the guest, that it has not taken; more are dropped */

struct exec_control {
	struct chardev chr; /* first */
	struct loop *loop;
	struct clock_timer begin;
	bool is_ready;
	bool is_deaf;                          /* it did not take what it was sent, and that was said */
	uint8_t in[sizeof(struct exec_frame)]; /* the frame that comes in, so far */
	size_t in_size;
	uint8_t out[EXEC_FRAMES_MAX * sizeof(struct exec_frame)];
	size_t out_size;
	void (*frame)(void *ctx,
		      const struct exec_frame *frame); /* may be called with the model's lock held */
	void *ctx;
};

void exec_control_init(struct exec_control *control, struct loop *loop);
void exec_control_finish(struct exec_control *control);

/* Sends a frame when the guest takes it. The loop's thread, without the model's lock. */
void exec_control_send(struct exec_control *control, enum exec_frame_kind kind, uint32_t value, uint64_t a,
		       uint64_t b);

#endif
