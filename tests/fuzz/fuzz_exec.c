// SPDX-License-Identifier: BSD-2-Clause
/*
 * The host's end of the ports that a command's guest talks through (vmm/exec_port.h), where the guest is no init program of
 * ours: bytes in any pieces, before and after the host has something to say. A frame is what its bytes are, each once and
 * in order; frames for the guest are whole; a stream is the guest's bytes without the first; and nothing is kept without
 * end.
 */
#include "host/loop.h"
#include "kvm/log.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/exec_port.h"

#define BYTES_MAX 4096

static struct loop loop;
static struct clock_timer *armed;

/* --- time: a timer fires when the loop has its turn --- */

static uint64_t monotonic(struct clock *clock)
{
	(void)clock;
	return NSEC_PER_SEC;
}

static void timer_set(struct clock *clock, struct clock_timer *timer, uint64_t deadline)
{
	struct clock_timer **at = &armed;

	(void)clock;
	while (*at && *at != timer)
		at = &(*at)->next;
	if (*at)
		*at = timer->next;
	timer->deadline = deadline;
	if (deadline == CLOCK_NEVER)
		return;
	timer->next = armed;
	armed = timer;
}

static const struct clock_ops clock_ops = { .monotonic = monotonic, .timer_set = timer_set };

static void turn(void)
{
	while (armed) {
		struct clock_timer *timer = armed;

		armed = timer->next;
		timer->deadline = CLOCK_NEVER;
		timer->fire(timer->ctx);
	}
}

/* --- what is behind a stream --- */

struct end {
	struct chardev chr; /* first */
	size_t room, input;
	uint8_t last;    /* byte that it took */
	uint64_t taken;  /* bytes */
	uint64_t closed; /* times that the stream said so */
};

static size_t end_put(struct chardev *chr, const uint8_t *buf, size_t len)
{
	struct end *end = (struct end *)chr;
	size_t n = len < end->room ? len : end->room;

	end->room -= n;
	end->taken += n;
	if (n)
		end->last = buf[n - 1];
	return n;
}

static size_t end_get(struct chardev *chr, uint8_t *buf, size_t len)
{
	struct end *end = (struct end *)chr;
	size_t n = len < end->input ? len : end->input;

	memset(buf, 'i', n);
	end->input -= n;
	return n;
}

static const struct chardev_ops end_ops = { .put = end_put, .get = end_get };

static struct end in_end, out_end;
static struct exec_stream in_stream, out_stream;
static struct exec_control control;

static void on_closed(void *ctx)
{
	(void)ctx;
	out_end.closed++;
	must(!out_end.chr.connected && out_stream.is_ready);
}

/* --- frames --- */

static uint8_t said[65536]; /* by the guest on the control port, but for the first byte */
static size_t nr_said, nr_frames, nr_sent, nr_heard;
static bool has_begun;

static void on_frame(void *ctx, const struct exec_frame *frame)
{
	(void)ctx;
	must((nr_frames + 1) * sizeof(*frame) <= nr_said);
	must(!memcmp(frame, said + nr_frames * sizeof(*frame), sizeof(*frame)));
	nr_frames++;
}

static void guest_says(struct input *in)
{
	static uint8_t bytes[BYTES_MAX];
	size_t len = take_below(in, 2 * sizeof(struct exec_frame)), first = !has_begun && len;

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)take(in, 1);
	if (nr_said + len > sizeof(said))
		return;
	has_begun |= first;
	memcpy(said + nr_said, bytes + first, len - first);
	nr_said += len - first;
	must(control.chr.ops->put(&control.chr, bytes, len) == len);
	must(nr_frames == nr_said / sizeof(struct exec_frame));
}

/* In pieces of any length: the frames that were kept, in order. */
static void guest_hears(struct input *in)
{
	static uint8_t piece[BYTES_MAX];
	static struct exec_frame frame;
	size_t n = control.chr.ops->get(&control.chr, piece, take_below(in, sizeof(piece)));

	must(!n || has_begun);
	for (size_t i = 0; i < n; i++, nr_heard++) {
		((uint8_t *)&frame)[nr_heard % sizeof(frame)] = piece[i];
		if (nr_heard % sizeof(frame) == sizeof(frame) - 1)
			must(frame.kind == EXEC_SIGNAL && frame.a == nr_heard / sizeof(frame));
	}
	must(nr_heard <= nr_sent * sizeof(struct exec_frame));
}

static void host_sends(void)
{
	size_t before = control.out_size;

	exec_control_send(&control, EXEC_SIGNAL, 15, nr_sent, 0);
	must(control.out_size <= sizeof(control.out));
	if (control.out_size > before)
		nr_sent++;
	else
		must(before + sizeof(struct exec_frame) > sizeof(control.out));
}

/* --- streams --- */

static void guest_writes(struct exec_stream *s, struct end *end, struct input *in)
{
	static uint8_t bytes[BYTES_MAX];
	size_t len = take_below(in, sizeof(bytes)), n, first = !s->is_ready && len, room = end->room;
	uint64_t taken = end->taken;

	memset(bytes, (int)take(in, 1), sizeof(bytes));
	n = s->chr.ops->put(&s->chr, bytes, len);
	must(n <= len);
	if (s->is_input) {
		must(n == len && end->taken == taken);
		return;
	}
	must(end->taken - taken == n - first && s->taken == end->taken);
	must(n == len || n - first == room);
}

static void step(struct input *in)
{
	static uint8_t bytes[BYTES_MAX];
	size_t n;

	switch (take_below(in, 10)) {
	case 0:
		guest_says(in);
		break;
	case 1:
		guest_hears(in);
		break;
	case 2:
		host_sends();
		break;
	case 3:
		guest_writes(&out_stream, &out_end, in);
		break;
	case 4:
		guest_writes(&in_stream, &in_end, in);
		break;
	case 5:
		n = in_stream.chr.ops->get(&in_stream.chr, bytes, take_below(in, sizeof(bytes)));
		must(!n || in_stream.is_ready);
		must(!out_stream.chr.ops->get(&out_stream.chr, bytes, sizeof(bytes)));
		break;
	case 6:
		out_end.room = take_below(in, 8192);
		out_end.chr.writable(out_end.chr.ctx);
		break;
	case 7:
		in_end.input = take_below(in, 8192);
		in_end.chr.readable(in_end.chr.ctx);
		break;
	case 8:
		(take(in, 1) & 1 ? &in_end : &out_end)->chr.connected = false;
		in_end.chr.changed(in_end.chr.ctx);
		if (!out_end.chr.connected)
			out_end.chr.changed(out_end.chr.ctx);
		break;
	default:
		turn();
	}
	must(in_stream.chr.connected || (!in_end.chr.connected && in_stream.is_ready));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	log_set_level(LOG_ERROR);
	loop = (struct loop){ .clock.ops = &clock_ops };
	armed = NULL;
	nr_said = nr_frames = nr_sent = nr_heard = 0;
	has_begun = false;
	in_end = out_end = (struct end){ .chr = { .ops = &end_ops, .connected = true } };
	exec_stream_init(&in_stream, &in_end.chr, true, NULL, &loop);
	exec_stream_init(&out_stream, &out_end.chr, false, NULL, &loop);
	out_stream.closed = on_closed;
	exec_control_init(&control, &loop);
	control.frame = on_frame;
	while (in.left)
		step(&in);
	turn();
	exec_control_finish(&control);
	exec_stream_finish(&in_stream);
	exec_stream_finish(&out_stream);
	must(!armed);
	return 0;
}
