// SPDX-License-Identifier: BSD-2-Clause
/* The entropy device (VIRTIO 1.2, "Entropy Device"), with and without a limit to its rate. */
#include "devices/virtio/rng.h"
#include "tests/fuzz/virtio_fuzz.h"

#define RATE   5000 /* bytes a second, if it is limited */
#define SECOND NSEC_PER_SEC
#define FILL   0x5a

static uint64_t given; /* bytes */
static bool limited;

static size_t fill(void *ctx, void *buf, size_t len)
{
	const struct vfuzz *v = ctx;

	must(len > 0);
	memset(buf, FILL, len);
	given += len;
	/* What has been given was due: a second's worth at first, and RATE each second. */
	must(!limited || given <= RATE + (v->time.now - SECOND) / 1000 * RATE / (SECOND / 1000) + 1);
	return len;
}

static void create(struct vfuzz *v)
{
	const struct rng_source source = { .fill = fill, .ctx = v };
	struct err err;

	given = 0;
	limited = take(&v->in, 1) & 1;
	must(virtio_rng_create(&v->vdev, &v->mem, "rng", &source, limited ? RATE : 0, v->clock, &err) == 0);
}

static void request(struct vfuzz *v, unsigned int queue, struct vfuzz_request *r)
{
	must(queue == 0);
	r->in_len = 1 + take_below(&v->in, VFUZZ_IN_MAX);
}

/* Whatever was taken before, two seconds are enough for a little. */
static void probe(struct vfuzz *v)
{
	uint8_t in[64];
	uint32_t written;

	vfuzz_pass(v, 2 * SECOND);
	must(vfuzz_ask(v, 0, "", 0, in, sizeof(in), &written));
	must(written == sizeof(in));
	for (unsigned int i = 0; i < sizeof(in); i++)
		must(in[i] == FILL);
}

static const struct vfuzz_target target = {
	.create = create,
	.request = request,
	.probe = probe,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return vfuzz_one(&target, data, size);
}
