// SPDX-License-Identifier: BSD-2-Clause
/* The balloon (VIRTIO 1.2, "Traditional Memory Balloon Device"): what is released is the guest's, whole. */
#include <errno.h>

#include "devices/virtio/balloon.h"
#include "tests/fuzz/virtio_fuzz.h"

#define INFLATE 0
#define DEFLATE 1
#define STATS   2

#define STAT_SIZE 10

/* What is released reads as zeroes from then on: rings, too, if the driver gives those away. */
static ssize_t release(void *ctx, void *addr, size_t len)
{
	struct vfuzz *v = ctx;
	const struct vfuzz_piece *piece = vfuzz_piece_of(addr, len);
	uint64_t offset;

	must(piece && !piece->read_only);
	offset = (uint64_t)((uint8_t *)addr - piece->device);
	if (offset / BALLOON_PAGE % 2) /* of every other page the host says no */
		return -EINVAL;
	if (piece->gpa == VFUZZ_RAM && offset < VFUZZ_BUFFERS)
		v->clean = false;
	memset(addr, 0, len);
	return (ssize_t)len;
}

static void create(struct vfuzz *v)
{
	uint8_t how = (uint8_t)take(&v->in, 1);
	const struct balloon_setup setup = {
		.host = { .release = release, .ctx = v },
		.clock = v->clock,
		.target = 4ULL * BALLOON_PAGE,
		.deflate_on_oom = how & 1,
		.reporting = how & 2,
		.stats_interval = how & 4 ? 3 : 0,
	};
	struct err err;

	must(virtio_balloon_create(&v->vdev, &v->mem, "balloon", &setup, &err) == 0);
}

/* Mostly one of those that buffers are in, or of the RAM behind them. */
static uint32_t page_number(struct vfuzz *v)
{
	uint8_t how = (uint8_t)take(&v->in, 1);

	if (how >= 0xe0)
		return (uint32_t)take_value(&v->in);
	return (uint32_t)((VFUZZ_RAM + VFUZZ_BUFFERS) / BALLOON_PAGE + how % 10);
}

static void request(struct vfuzz *v, unsigned int queue, struct vfuzz_request *r)
{
	unsigned int count = 1 + take_below(&v->in, 16);

	if (queue == INFLATE || queue == DEFLATE) {
		for (unsigned int i = 0; i < count; i++) {
			uint32_t number = page_number(v);

			memcpy(r->out + i * sizeof(number), &number, sizeof(number));
		}
		r->out_len = count * (uint32_t)sizeof(uint32_t);
	} else if (queue == STATS) {
		for (unsigned int i = 0; i < count; i++) {
			uint16_t tag = (uint16_t)take_below(&v->in, BALLOON_STATS + 2);
			uint64_t value = take_value(&v->in);

			memcpy(r->out + i * STAT_SIZE, &tag, sizeof(tag));
			memcpy(r->out + i * STAT_SIZE + sizeof(tag), &value, sizeof(value));
		}
		r->out_len = count * STAT_SIZE;
	} else {
		r->in_len = 1 + take_below(&v->in, VFUZZ_IN_MAX); /* free memory */
	}
}

static void outside(struct vfuzz *v)
{
	balloon_set_target(v->vdev, take(&v->in, 3) * BALLOON_PAGE);
}

static void check(struct vfuzz *v)
{
	struct balloon_info info;

	balloon_get_info(v->vdev, &info);
	must(info.target % BALLOON_PAGE == 0 && info.actual % BALLOON_PAGE == 0);
	must(info.known >> BALLOON_STATS == 0);
}

static void probe(struct vfuzz *v)
{
	const uint32_t number = VFUZZ_RAM2 / BALLOON_PAGE;
	struct balloon_info before, after;
	uint32_t written;

	balloon_get_info(v->vdev, &before);
	for (unsigned int queue = INFLATE; queue <= DEFLATE; queue++) {
		must(vfuzz_ask(v, queue, &number, sizeof(number), NULL, 0, &written));
		must(written == 0);
	}
	balloon_get_info(v->vdev, &after);
	must(after.released == before.released + BALLOON_PAGE);
}

static const struct vfuzz_target target = {
	.create = create,
	.request = request,
	.outside = outside,
	.check = check,
	.probe = probe,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return vfuzz_one(&target, data, size);
}
