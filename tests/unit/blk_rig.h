/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk in a virtio rig, whose host side is an array and does requests only when a test says so.
 *
 * Include after <cmocka.h>.
 */
#ifndef VIREO_TESTS_UNIT_BLK_RIG_H
#define VIREO_TESTS_UNIT_BLK_RIG_H

#include <errno.h>

#include "devices/virtio/blk.h"
#include "tests/unit/virtio_rig.h"

#define DISK_SECTORS 256U
#define DISK_BYTES   (DISK_SECTORS * 512U)

/* "Block Device", "Feature bits" and "Device Operation". */
#define BLK_F_SEG_MAX      (1ULL << 2)
#define BLK_F_RO           (1ULL << 5)
#define BLK_F_BLK_SIZE     (1ULL << 6)
#define BLK_F_FLUSH        (1ULL << 9)
#define BLK_F_TOPOLOGY     (1ULL << 10)
#define BLK_F_CONFIG_WCE   (1ULL << 11)
#define BLK_F_MQ           (1ULL << 12)
#define BLK_F_DISCARD      (1ULL << 13)
#define BLK_F_WRITE_ZEROES (1ULL << 14)
#define BLK_F_ALL          (BLK_F_FLUSH | BLK_F_CONFIG_WCE | BLK_F_DISCARD | BLK_F_WRITE_ZEROES)

enum {
	IN = 0,
	OUT = 1,
	FLUSH = 4,
	GET_ID = 8,
	GET_LIFETIME = 10,
	DISCARD = 11,
	WRITE_ZEROES = 13,
	SECURE_ERASE = 14
};
enum { OK = 0, IOERR = 1, UNSUPP = 2 };

struct blk_header {
	uint32_t type, reserved;
	uint64_t sector;
};

struct blk_range {
	uint64_t sector;
	uint32_t sectors, flags;
};

struct fake_disk {
	struct blockdev bd; /* its facts may be changed before brig_start() */
	uint8_t data[DISK_BYTES];
	bool manual;    /* requests wait for fake_disk_run() */
	int error;      /* what requests end with */
	bool writeback; /* as set */
	bool cancelled; /* the VM ends */
	struct block_request *first, **last;
	unsigned int submitted, uncommitted, in_flight, commits, drains;
	enum block_op last_op;
	bool last_may_unmap;
};

struct brig {
	struct vrig v;
	struct fake_disk disk;
};

static inline struct fake_disk *fake_disk_of(struct blockdev *bd)
{
	return (struct fake_disk *)bd;
}

static inline void fake_disk_submit(struct blockdev *bd, struct block_request *req)
{
	struct fake_disk *disk = fake_disk_of(bd);
	bool transfer = req->op == BLOCK_READ || req->op == BLOCK_WRITE;

	/* What the model promises. */
	if (req->op != BLOCK_FLUSH) {
		assert_true(req->length > 0 && req->length % 512 == 0 && req->offset % 512 == 0);
		assert_true(req->offset <= bd->size && req->length <= bd->size - req->offset);
	}
	if (transfer)
		assert_int_equal(iov_size(req->iov, req->nr_iov), req->length);
	if (bd->read_only)
		assert_true(req->op == BLOCK_READ || req->op == BLOCK_FLUSH);
	req->next = NULL;
	*disk->last = req;
	disk->last = &req->next;
	disk->submitted++;
	disk->uncommitted++;
	disk->in_flight++;
	disk->last_op = req->op;
	disk->last_may_unmap = req->may_unmap;
}

static inline void fake_disk_do(struct fake_disk *disk, struct block_request *req)
{
	uint8_t *at = disk->data + req->offset;

	req->result = disk->error;
	if (disk->error)
		return;
	if (req->op == BLOCK_READ)
		assert_int_equal(iov_write(req->iov, req->nr_iov, 0, at, req->length), req->length);
	else if (req->op == BLOCK_WRITE)
		assert_int_equal(iov_read(req->iov, req->nr_iov, 0, at, req->length), req->length);
	else if (req->op == BLOCK_ZERO || req->op == BLOCK_DISCARD)
		memset(at, req->op == BLOCK_ZERO ? 0 : 0xdd, req->length);
}

/* The host's event loop: what was submitted is done, and comes back all at once. How many there were. */
static inline unsigned int fake_disk_run(struct fake_disk *disk)
{
	struct block_request *list = disk->first;
	unsigned int count = 0;

	assert_int_equal(disk->uncommitted, 0); /* or nobody would ever have begun them */
	disk->first = NULL;
	disk->last = &disk->first;
	for (struct block_request *req = list; req; req = req->next, count++)
		if (req->result == -EINPROGRESS)
			fake_disk_do(disk, req);
	disk->in_flight -= count;
	if (list)
		disk->bd.done(disk->bd.ctx, list);
	return count;
}

static inline void fake_disk_commit(struct blockdev *bd)
{
	struct fake_disk *disk = fake_disk_of(bd);

	for (struct block_request *req = disk->first; req; req = req->next)
		req->result = -EINPROGRESS;
	disk->commits += disk->uncommitted != 0;
	disk->uncommitted = 0;
}

/* They are done now, and come back when the test lets the loop run. */
static inline void fake_disk_drain(struct blockdev *bd)
{
	struct fake_disk *disk = fake_disk_of(bd);

	disk->drains++;
	disk->uncommitted = 0;
	for (struct block_request *req = disk->first; req; req = req->next)
		fake_disk_do(disk, req);
}

static inline void fake_disk_set_writeback(struct blockdev *bd, bool writeback)
{
	fake_disk_of(bd)->writeback = writeback;
}

static inline void fake_disk_cancel(struct blockdev *bd)
{
	fake_disk_of(bd)->cancelled = true;
}

static inline void fake_disk_destroy(struct blockdev *bd)
{
	(void)bd;
}

/* The machine without the disk: its facts may be changed before brig_create(). */
static inline void brig_init(struct brig *b)
{
	static const struct blockdev_ops ops = {
		.submit = fake_disk_submit,
		.commit = fake_disk_commit,
		.drain = fake_disk_drain,
		.set_writeback = fake_disk_set_writeback,
		.cancel = fake_disk_cancel,
		.destroy = fake_disk_destroy,
	};

	vrig_init(&b->v);
	memset(&b->disk, 0, sizeof(b->disk));
	b->disk.bd = (struct blockdev){
		.ops = &ops,
		.size = DISK_BYTES,
		.logical_block = 512,
		.physical_block = 4096,
		.discard_granularity = 4096,
		.can_zero = true,
		.writeback = true,
	};
	b->disk.last = &b->disk.first;
	b->disk.writeback = true;
	for (unsigned int i = 0; i < DISK_BYTES; i++)
		b->disk.data[i] = (uint8_t)(i / 512 + 1);
}

static inline void brig_create(struct brig *b, unsigned int queues)
{
	struct err err = { .text = "" };

	assert_int_equal(virtio_blk_create(&b->v.vdev, &b->disk.bd, &b->v.mem, "disk t", "serial-42", queues,
					   &b->v.rig.clock.clock, &err),
			 0);
	vrig_plug(&b->v);
}

/* All of it, with those features. */
static inline void brig_start(struct brig *b, uint64_t features)
{
	brig_init(b);
	brig_create(b, 1);
	vrig_start_size(&b->v, features, 64);
}

static inline void brig_finish(struct brig *b)
{
	if (b->disk.first)
		fake_disk_run(&b->disk);
	vrig_finish(&b->v);
}

static inline struct vrig_buf brig_header(struct brig *b, uint32_t type, uint64_t sector)
{
	struct blk_header header = { .type = type, .sector = sector };

	return vrig_out(&b->v, &header, sizeof(header));
}

static inline uint8_t brig_byte(struct brig *b, const struct vrig_buf *buf)
{
	return *(uint8_t *)vrig_host(&b->v, buf->addr, 1);
}

/*
 * Sends a chain whose last buffer has the status as its last byte, and lets it be done. The status; the used
 * length must be that of everything the device may write.
 */
static inline uint8_t brig_send(struct brig *b, struct vrig_buf *buf, unsigned int count)
{
	struct vrig_buf *last = &buf[count - 1];
	uint32_t writable = 0;

	for (unsigned int i = 0; i < count; i++)
		writable += buf[i].write ? buf[i].len : 0;
	vrig_send(&b->v, 0, buf, count);
	if (!b->disk.manual)
		while (fake_disk_run(&b->disk))
			;
	assert_false(vrig_is_broken(&b->v));
	assert_int_equal(vrig_get(&b->v, 0), writable);
	assert_int_equal(vrig_used(&b->v, 0), 0);
	return *(uint8_t *)vrig_host(&b->v, last->addr + last->len - 1, 1);
}

/* A request with `len` bytes behind its header to read, or to write. */
static inline uint8_t brig_out(struct brig *b, uint32_t type, uint64_t sector, const void *data, uint32_t len)
{
	struct vrig_buf buf[3] = { brig_header(b, type, sector) };
	unsigned int count = 1;

	if (len)
		buf[count++] = vrig_out(&b->v, data, len);
	buf[count++] = vrig_in(&b->v, 1);
	return brig_send(b, buf, count);
}

static inline uint8_t brig_in(struct brig *b, uint32_t type, uint64_t sector, void *data, uint32_t len)
{
	struct vrig_buf buf[3] = { brig_header(b, type, sector) };
	unsigned int count = 1;
	uint8_t status;

	if (len)
		buf[count++] = vrig_in(&b->v, len);
	buf[count++] = vrig_in(&b->v, 1);
	status = brig_send(b, buf, count);
	if (data)
		memcpy(data, vrig_host(&b->v, buf[1].addr, len), len);
	return status;
}

#endif
