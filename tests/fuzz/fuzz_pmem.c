// SPDX-License-Identifier: BSD-2-Clause
/* The PMEM device (VIRTIO 1.2, "PMEM Device"): requests good and bad, flushes that end well, badly or late. */
#include <errno.h>

#include "devices/virtio/pmem.h"
#include "tests/fuzz/virtio_fuzz.h"

static struct {
	struct pmem_backend backend;
	bool under_way, destroyed;
} host;

static void flush(struct pmem_backend *backend)
{
	(void)backend;
	must(!host.under_way && !host.destroyed);
	host.under_way = true;
}

static void destroy_backend(struct pmem_backend *backend)
{
	(void)backend;
	must(!host.destroyed);
	host.destroyed = true;
}

static void create(struct vfuzz *v)
{
	static const struct pmem_backend_ops ops = { .flush = flush, .destroy = destroy_backend };
	struct err err;

	memset(&host, 0, sizeof(host));
	host.backend.ops = &ops;
	must(virtio_pmem_create(&v->vdev, &v->mem, "pmem pmem0", 1ULL << 32, 2 << 20, &host.backend, &err) ==
	     0);
}

static void request(struct vfuzz *v, unsigned int queue, struct vfuzz_request *r)
{
	uint8_t how = (uint8_t)take(&v->in, 1);

	(void)queue;
	r->out_len = how & 0x0f ? 4 : take_below(&v->in, 8);
	r->in_len = how & 0xf0 ? 4 : 1 + take_below(&v->in, 8);
	r->out[0] = how == 0xff;
}

static void end_flush(int result)
{
	if (!host.under_way)
		return;
	host.under_way = false;
	host.backend.flushed(host.backend.ctx, result);
}

static void outside(struct vfuzz *v)
{
	end_flush(take(&v->in, 1) & 1 ? 0 : -EIO);
}

static void probe(struct vfuzz *v)
{
	const uint32_t flush_request = 0, other_request = 7;
	uint32_t answer = 0, written;

	end_flush(0);
	must(vfuzz_ask(v, 0, &other_request, 4, &answer, 4, &written));
	must(written == 4 && answer == UINT32_MAX);
	/* It is answered when the host is done, and not before. */
	must(!vfuzz_ask(v, 0, &flush_request, 4, &answer, 4, &written));
	must(host.under_way);
	end_flush(0);
	vfuzz_collect(v);
	must(v->queue[0].nr_free == v->queue[0].size);
	must(!host.under_way && vfuzz_is_live(v));
}

static void destroyed(struct vfuzz *v)
{
	(void)v;
	must(host.destroyed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct vfuzz_target target = {
		.create = create,
		.request = request,
		.outside = outside,
		.probe = probe,
		.destroy = destroyed,
	};

	return vfuzz_one(&target, data, size);
}
