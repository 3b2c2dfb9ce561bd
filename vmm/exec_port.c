// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/exec_port.h"

#include <string.h>

#include "kvm/log.h"

static void fire_soon(struct loop *loop, struct clock_timer *timer)
{
	clock_timer_set(&loop->clock, timer, clock_monotonic(&loop->clock));
}

/* --- streams --- */

static size_t stream_put(struct chardev *chr, const uint8_t *buf, size_t len)
{
	struct exec_stream *s = (struct exec_stream *)chr;
	size_t first = !s->is_ready && len, n;

	if (first) {
		s->is_ready = true;
		fire_soon(s->loop, &s->begin);
	}
	if (s->is_input || len == first)
		return len;
	if (!s->taken && s->begun)
		s->begun(s->ctx);
	n = s->inner->ops->put(s->inner, buf + first, len - first);
	s->taken += n;
	if (n && s->moved)
		s->moved(s->ctx);
	return first + n;
}

static size_t stream_get(struct chardev *chr, uint8_t *buf, size_t len)
{
	struct exec_stream *s = (struct exec_stream *)chr;

	return s->is_input && s->is_ready ? s->inner->ops->get(s->inner, buf, len) : 0;
}

static void stream_readable(void *ctx)
{
	struct exec_stream *s = ctx;

	if (s->is_ready && s->chr.readable)
		s->chr.readable(s->chr.ctx);
}

static void stream_writable(void *ctx)
{
	struct exec_stream *s = ctx;

	if (s->output)
		s = s->output;
	if (s->chr.writable)
		s->chr.writable(s->chr.ctx);
}

static void stream_changed(void *ctx)
{
	struct exec_stream *s = ctx;

	if (!s->is_ready || s->inner->connected)
		return;
	if (s->is_input) {
		s->chr.connected = false;
		if (s->chr.changed)
			s->chr.changed(s->chr.ctx);
	} else if (s->closed) {
		s->closed(s->ctx);
	}
}

static void stream_begin(void *ctx)
{
	stream_readable(ctx);
	stream_changed(ctx);
}

static const struct chardev_ops stream_ops = { .put = stream_put, .get = stream_get };

void exec_stream_init(struct exec_stream *s, struct chardev *inner, bool is_input, struct exec_stream *peer,
		      struct loop *loop)
{
	*s = (struct exec_stream){
		.chr = { .ops = &stream_ops, .connected = true },
		.inner = inner,
		.output = is_input ? peer : NULL,
		.loop = loop,
		.begin = { .fire = stream_begin, .ctx = s, .deadline = CLOCK_NEVER },
		.is_input = is_input,
	};
	inner->ctx = !is_input && peer ? peer : s;
	if (is_input)
		inner->readable = stream_readable;
	else
		inner->writable = stream_writable;
	if (!peer)
		inner->changed = stream_changed;
}

void exec_stream_finish(struct exec_stream *s)
{
	clock_timer_set(&s->loop->clock, &s->begin, CLOCK_NEVER);
}

/* --- control --- */

static size_t control_put(struct chardev *chr, const uint8_t *buf, size_t len)
{
	struct exec_control *c = (struct exec_control *)chr;
	struct exec_frame frame;

	for (size_t i = 0; i < len; i++) {
		if (!c->is_ready) {
			c->is_ready = true;
			fire_soon(c->loop, &c->begin);
			continue;
		}
		c->in[c->in_size++] = buf[i];
		if (c->in_size < sizeof(c->in))
			continue;
		c->in_size = 0;
		memcpy(&frame, c->in, sizeof(frame));
		c->frame(c->ctx, &frame);
	}
	return len;
}

static size_t control_get(struct chardev *chr, uint8_t *buf, size_t len)
{
	struct exec_control *c = (struct exec_control *)chr;

	if (!c->is_ready)
		return 0;
	if (len > c->out_size)
		len = c->out_size;
	memcpy(buf, c->out, len);
	c->out_size -= len;
	memmove(c->out, c->out + len, c->out_size);
	return len;
}

static void control_begin(void *ctx)
{
	struct exec_control *c = ctx;

	if (c->out_size && c->chr.readable)
		c->chr.readable(c->chr.ctx);
}

static const struct chardev_ops control_ops = { .put = control_put, .get = control_get };

void exec_control_init(struct exec_control *c, struct loop *loop)
{
	*c = (struct exec_control){
		.chr = { .ops = &control_ops, .connected = true },
		.loop = loop,
		.begin = { .fire = control_begin, .ctx = c, .deadline = CLOCK_NEVER },
	};
}

void exec_control_finish(struct exec_control *c)
{
	clock_timer_set(&c->loop->clock, &c->begin, CLOCK_NEVER);
}

void exec_control_send(struct exec_control *c, enum exec_frame_kind kind, uint32_t value, uint64_t a,
		       uint64_t b)
{
	const struct exec_frame frame = { .kind = kind, .value = value, .a = a, .b = b };

	if (sizeof(c->out) - c->out_size < sizeof(frame)) {
		if (!c->is_deaf)
			log_warn("the guest takes nothing that it is sent: signals and sizes are lost");
		c->is_deaf = true;
		return;
	}
	memcpy(c->out + c->out_size, &frame, sizeof(frame));
	c->out_size += sizeof(frame);
	if (c->is_ready && c->chr.readable)
		c->chr.readable(c->chr.ctx);
}
