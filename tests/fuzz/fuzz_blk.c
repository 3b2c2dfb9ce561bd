// SPDX-License-Identifier: BSD-2-Clause
/*
 * The disk (VIRTIO 1.2, "Block Device"), with a host that does requests in any order, at any time, and
 * fails. Nothing outside of the disk and of guest memory is asked for, and no request is lost.
 */
#include <errno.h>

#include "devices/virtio/blk.h"
#include "tests/fuzz/virtio_fuzz.h"

#define SECTOR     512
#define DISK_BYTES 0x8000
#define IN_FLIGHT  256 /* as many as there can be */

static struct disk {
	struct blockdev bd;
	uint8_t data[DISK_BYTES];
	struct block_request *waiting[IN_FLIGHT];
	unsigned int count, uncommitted;
	unsigned int drained; /* so many, the first ones, are over and not told of */
	bool eager;           /* does what there is at once */
} disk;

/* --- the host's side --- */

static void submit(struct blockdev *bd, struct block_request *req)
{
	uint64_t bytes = 0;

	must(disk.count < IN_FLIGHT);
	must(!bd->read_only || req->op == BLOCK_READ || req->op == BLOCK_FLUSH);
	if (req->op != BLOCK_FLUSH) {
		must(req->length && req->length % SECTOR == 0 && req->offset % SECTOR == 0);
		must(req->offset < bd->size && req->length <= bd->size - req->offset);
	}
	if (req->op == BLOCK_READ || req->op == BLOCK_WRITE) {
		for (unsigned int i = 0; i < req->nr_iov; i++) {
			const struct vfuzz_piece *p = vfuzz_piece_of(req->iov[i].iov_base,
								     req->iov[i].iov_len);

			must(p && req->iov[i].iov_len && (req->op == BLOCK_WRITE || !p->read_only));
			bytes += req->iov[i].iov_len;
		}
		must(bytes == req->length);
	}
	disk.waiting[disk.count++] = req;
	disk.uncommitted++;
}

static void commit(struct blockdev *bd)
{
	(void)bd;
	disk.uncommitted = 0;
}

static void drain(struct blockdev *bd)
{
	(void)bd;
	disk.uncommitted = 0;
	disk.drained = disk.count;
}

static void set_writeback(struct blockdev *bd, bool writeback)
{
	(void)bd;
	(void)writeback;
}

static void destroy(struct blockdev *bd)
{
	(void)bd;
}

static void perform(const struct block_request *req)
{
	uint8_t *at = disk.data + req->offset;

	if (req->op == BLOCK_READ)
		must(iov_write(req->iov, req->nr_iov, 0, at, req->length) == req->length);
	else if (req->op == BLOCK_WRITE)
		must(iov_read(req->iov, req->nr_iov, 0, at, req->length) == req->length);
	else if (req->op != BLOCK_FLUSH)
		memset(at, 0, req->length);
}

/* One comes back. What a reset has cut off is not seen by anybody: its memory may be out of reach. */
static void complete(struct vfuzz *v, unsigned int index, int result)
{
	struct block_request *req = disk.waiting[index];
	bool is_late = index < disk.drained;

	must(!disk.uncommitted);
	memmove(&disk.waiting[index], &disk.waiting[index + 1],
		(disk.count - index - 1) * sizeof(disk.waiting[0]));
	disk.count--;
	disk.drained -= is_late;
	req->result = result;
	req->next = NULL;
	if (!result && !is_late)
		perform(req);
	disk.bd.done(disk.bd.ctx, req);
	vfuzz_run(v);
}

static void complete_all(struct vfuzz *v)
{
	while (disk.count)
		complete(v, 0, 0);
}

/* --- the target --- */

static void create(struct vfuzz *v)
{
	static const struct blockdev_ops ops = {
		.submit = submit,
		.commit = commit,
		.drain = drain,
		.set_writeback = set_writeback,
		.destroy = destroy,
	};
	uint8_t how = (uint8_t)take(&v->in, 1);
	struct err err;

	memset(&disk, 0, sizeof(disk));
	disk.eager = how & 8;
	disk.bd = (struct blockdev){ .ops = &ops,
				     .size = DISK_BYTES,
				     .logical_block = SECTOR,
				     .physical_block = 4096,
				     .read_only = how & 1,
				     .discard_granularity = how & 1 ? 0 : 4096,
				     .can_zero = !(how & 1),
				     .writeback = !(how & 1) };
	must(virtio_blk_create(&v->vdev, &disk.bd, &v->mem, "disk", "fuzz", 1 + (how >> 1 & 3), v->clock,
			       &err) == 0);
}

struct header {
	uint32_t type, reserved;
	uint64_t sector;
};

struct range {
	uint64_t sector;
	uint32_t sectors, flags;
};

static void request(struct vfuzz *v, unsigned int queue, struct vfuzz_request *r)
{
	static const uint8_t types[] = { 0, 0, 1, 1, 4, 8, 11, 13 };
	uint8_t how = (uint8_t)take(&v->in, 1);
	struct header header = { .type = types[how & 7], .sector = take(&v->in, 1) % 72 };

	(void)queue;
	memcpy(r->out, &header, sizeof(header));
	r->out_len = sizeof(header);
	r->in_len = 1;
	if (header.type == 0) {
		r->in_len += SECTOR * (1 + (how >> 4));
	} else if (header.type == 1) {
		memset(r->out + r->out_len, how, SECTOR);
		r->out_len += SECTOR;
	} else if (header.type == 8) {
		r->in_len += 20;
	} else if (header.type > 8) {
		for (unsigned int left = 1 + (how >> 4); left; left--) {
			struct range range = { .sector = take(&v->in, 1) % 72 };

			range.sectors = (uint32_t)take(&v->in, 1) % 16;
			range.flags = how >> 3 & 1;
			memcpy(r->out + r->out_len, &range, sizeof(range));
			r->out_len += (uint32_t)sizeof(range);
		}
	}
}

static void outside(struct vfuzz *v)
{
	static const int results[] = { 0, 0, 0, 0, -EIO, -ENOSPC, -EOPNOTSUPP, -ENODEV };
	uint8_t how = (uint8_t)take(&v->in, 1);
	unsigned int left = how & 8 ? disk.count : 1;

	if ((how & 0xc7) == 0xc7) {
		/* What is on its way to the end of it, the host refuses. */
		while (disk.count)
			complete(v, 0, -EIO);
		disk.bd.size = DISK_BYTES >> (how >> 4 & 3);
		disk.bd.resized(disk.bd.ctx);
	}
	for (; left && disk.count; left--)
		complete(v, (how >> 4) % disk.count, results[how & 7]);
}

/* The disk as it is in the configuration space. */
static void check(struct vfuzz *v)
{
	if (disk.eager)
		complete_all(v);
	must(vfuzz_read(v, VF_CONFIG) == disk.bd.size / SECTOR && vfuzz_read(v, VF_CONFIG + 4) == 0);
	must(vfuzz_read(v, VF_CONFIG + 32) >> 16 == v->vdev->nr_queues);
	must((vfuzz_read(v, VF_CONFIG + 32) & 0xffff) <= 1);
}

/* Whatever became of the host's requests before, all come back, and it serves. */
static void probe(struct vfuzz *v)
{
	const struct header header = { .type = 8 };
	uint8_t in[21];
	uint32_t written;

	complete_all(v);
	must(vfuzz_ask(v, 0, &header, sizeof(header), in, sizeof(in), &written));
	must(written == sizeof(in) && !memcmp(in, "fuzz\0", 5) && in[20] == 0);
}

static const struct vfuzz_target target = {
	.create = create,
	.request = request,
	.outside = outside,
	.check = check,
	.probe = probe,
	.late_interrupts = true,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return vfuzz_one(&target, data, size);
}
