// SPDX-License-Identifier: BSD-2-Clause
/*
 * The console device (VIRTIO 1.2, "Console Device"), in both shapes, with hosts that are slow, talkative, come
 * and go.
 */
#include "devices/virtio/console.h"
#include "tests/fuzz/virtio_fuzz.h"

#define PORTS 3

struct end {
	struct chardev chr; /* first */
	size_t room, waiting;
	bool refused;
};

static struct end end[PORTS];
static unsigned int nr_ports;
static bool multiport;

static size_t put(struct chardev *chr, const uint8_t *buf, size_t len)
{
	struct end *e = (struct end *)chr;
	size_t taken = len < e->room ? len : e->room;
	uint8_t copy[8192];

	must(len > 0);
	must(taken <= sizeof(copy));
	memcpy(copy, buf, taken); /* all of it can be read */
	e->room -= taken;
	e->refused = taken < len;
	return taken;
}

static size_t get(struct chardev *chr, uint8_t *buf, size_t len)
{
	struct end *e = (struct end *)chr;
	size_t got = len < e->waiting ? len : e->waiting;

	must(len > 0);
	memset(buf, 'i', got);
	e->waiting -= got;
	return got;
}

static void create(struct vfuzz *v)
{
	static const struct chardev_ops ops = { .put = put, .get = get };
	struct console_port port[PORTS] = { { "a", &end[0].chr },
					    { "b", &end[1].chr },
					    { "c", &end[2].chr } };
	struct err err;

	for (unsigned int i = 0; i < PORTS; i++)
		end[i] = (struct end){ .chr = { .ops = &ops, .connected = true }, .room = SIZE_MAX };
	nr_ports = take_below(&v->in, PORTS + 1);
	multiport = nr_ports > 0;
	if (multiport) {
		must(virtio_ports_create(&v->vdev, &v->mem, "port port0", port, nr_ports, &err) == 0);
	} else {
		nr_ports = 1;
		must(virtio_console_create(&v->vdev, &v->mem, "console hvc0", &end[0].chr, &err) == 0);
	}
}

/* A control message, something to say, or a buffer to be filled. */
static void request(struct vfuzz *v, unsigned int queue, struct vfuzz_request *r)
{
	if (multiport && queue == 3) {
		r->out_len = 8;
		r->out[0] = (uint8_t)take_below(&v->in, nr_ports + 1);
		r->out[4] = (uint8_t)take_below(&v->in, 9);
		r->out[6] = (uint8_t)take_below(&v->in, 2);
	} else if (queue % 2) {
		r->out_len = 1 + take_below(&v->in, VFUZZ_OUT_MAX);
	} else {
		r->in_len = 1 + take_below(&v->in, 256);
	}
}

static void outside(struct vfuzz *v)
{
	struct end *e = &end[take_below(&v->in, nr_ports)];
	uint8_t how = (uint8_t)take(&v->in, 1);

	switch (how & 3) {
	case 0:
		e->waiting += how;
		e->chr.readable(e->chr.ctx);
		break;
	case 1:
		e->room = take_below(&v->in, 2000);
		e->refused = false;
		e->chr.writable(e->chr.ctx);
		break;
	case 2:
		e->chr.connected = how & 4;
		e->chr.changed(e->chr.ctx);
		break;
	default:
		e->chr.columns = how;
		e->chr.changed(e->chr.ctx);
	}
}

/* After a reset, and with room, output goes through. */
static void probe(struct vfuzz *v)
{
	uint32_t written;
	size_t before;

	for (unsigned int i = 0; i < nr_ports; i++) {
		end[i].room = 1000;
		end[i].chr.writable(end[i].chr.ctx);
		before = end[i].room;
		must(vfuzz_ask(v, i ? 2 * i + 3 : 1, "hello", 5, NULL, 0, &written) && written == 0);
		must(end[i].room == before - 5);
	}
	must(vfuzz_is_live(v));
}

static void destroy(struct vfuzz *v)
{
	(void)v;
	for (unsigned int i = 0; i < nr_ports; i++)
		must(!end[i].chr.ctx && !end[i].chr.readable && !end[i].chr.writable && !end[i].chr.changed);
}

static const struct vfuzz_target target = {
	.create = create,
	.request = request,
	.outside = outside,
	.probe = probe,
	.destroy = destroy,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return vfuzz_one(&target, data, size);
}
