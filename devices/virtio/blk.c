// SPDX-License-Identifier: BSD-2-Clause
/*
 * The disk (Virtual I/O Device (VIRTIO) Version 1.2, "Block Device").
 *
 * A request is taken from its queue, checked, and given to the host side; it comes back done, maybe much
 * later, and only then into the used ring. There are so many requests and no more: a queue that finds none
 * free is worked on again when one is.
 *
 * A reset waits until the host side touches guest memory no more, but the requests come back after that
 * as well. Each knows the epoch it was taken in; those of an earlier one are put away unseen.
 */
#include "devices/virtio/blk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/blk_layout.h"
#include "devices/virtio/moderation.h"

#define QUEUE_SIZE    256
#define REQUESTS      256                   /* in flight, of all queues together */
#define SEG_MAX       (QUEUE_SIZE - 2)      /* what is left beside header and status */
#define MAX_RANGES    32                    /* of a request to discard or to write zeroes */
#define RANGE_SECTORS ((1U << 30) / SECTOR) /* of one range */

struct request {
	struct block_request io; /* first: they come back as these */
	struct request *next_free;
	uint32_t epoch;
	uint16_t queue, head;
	bool is_urgent; /* the driver is sure to wait for the answer */

	uint8_t *status;    /* in guest memory, as what the two iovecs tell of */
	struct iovec *in;   /* what the device may write before it ... */
	unsigned int nr_in; /* elements */
	uint32_t writable;  /* ... and with it, bytes */

	struct range range[MAX_RANGES];
	unsigned int nr_ranges, at_range;
	struct iovec iov[QUEUE_SIZE];
};

struct blk {
	struct virtio_device vdev;
	struct blockdev *bd;
	char serial[VIRTIO_BLK_ID_BYTES];

	/* What follows is guarded by vdev.lock. */
	struct config config;
	uint32_t epoch;
	uint64_t starved; /* bits of queues that found no free request */

	/* Used entries that are filled in and not shown yet, by queue; the bits say where there are any. */
	uint16_t filled[VIRTIO_MAX_QUEUES];
	uint64_t to_show;
	/* Shown, and the driver was not interrupted. */
	uint64_t to_signal;
	bool is_urgent;
	struct moderation moderation;
	struct clock_timer timer; /* its */

	struct request *free;
	unsigned int nr_used; /* of the pool; the rest was never needed */
	struct request *pool; /* REQUESTS */
};

static struct blk *blk_of(struct virtio_device *vdev)
{
	return (struct blk *)vdev;
}

/* --- the pool --- */

static struct request *get_request(struct blk *blk)
{
	struct request *req = blk->free;

	if (req)
		blk->free = req->next_free;
	else if (blk->nr_used < REQUESTS)
		req = &blk->pool[blk->nr_used++];
	return req;
}

static void put_request(struct blk *blk, struct request *req)
{
	req->next_free = blk->free;
	blk->free = req;
}

/* --- answers --- */

/*
 * The request is over. `filled` bytes of what it may write, from the first on, hold an answer; what is
 * left up to the status byte is filled with zeroes, for the used length counts from the first byte on.
 */
static void finish(struct blk *blk, struct request *req, enum request_status status, uint64_t filled)
{
	if (req->nr_in)
		iov_zero(req->in, req->nr_in, filled, req->writable);
	*req->status = (uint8_t)status;
	virtq_fill(&blk->vdev.queue[req->queue], blk->filled[req->queue]++, req->head, req->writable);
	blk->to_show |= 1ULL << req->queue;
	blk->is_urgent |= req->is_urgent;
	put_request(blk, req);
}

static void interrupt(struct blk *blk)
{
	bool is_sent = false;

	moderation_sending(&blk->moderation);
	for (; blk->to_signal; blk->to_signal &= blk->to_signal - 1)
		is_sent |= virtio_signal(&blk->vdev, (unsigned int)__builtin_ctzll(blk->to_signal));
	if (!is_sent)
		moderation_not_sent(&blk->moderation);
}

/* Shows the driver what was finished; one interrupt, at the right time, for all of it. */
static void show(struct blk *blk)
{
	unsigned int count = 0;

	blk->to_signal |= blk->to_show;
	for (; blk->to_show; blk->to_show &= blk->to_show - 1) {
		unsigned int index = (unsigned int)__builtin_ctzll(blk->to_show);

		virtq_flush(&blk->vdev.queue[index], blk->filled[index]);
		count += blk->filled[index];
		blk->filled[index] = 0;
	}
	if (count && moderation_done(&blk->moderation, count, blk->is_urgent))
		interrupt(blk);
	blk->is_urgent = false;
}

static void hold_is_over(void *ctx)
{
	struct blk *blk = ctx;

	pthread_mutex_lock(&blk->vdev.lock);
	if (moderation_expired(&blk->moderation))
		interrupt(blk);
	pthread_mutex_unlock(&blk->vdev.lock);
}

static enum request_status status_of(int result)
{
	if (!result)
		return S_OK;
	return result == -EOPNOTSUPP ? S_UNSUPP : S_IOERR;
}

/* --- requests --- */

static bool is_on_disk(const struct blk *blk, uint64_t sector, uint64_t sectors)
{
	return sectors && sector <= blk->config.capacity && sectors <= blk->config.capacity - sector;
}

static void submit(struct blk *blk, struct request *req, enum block_op op, uint64_t sector, uint64_t length)
{
	req->io.op = op;
	req->io.offset = sector * SECTOR;
	req->io.length = length;
	req->is_urgent = op == BLOCK_FLUSH;
	blk->bd->ops->submit(blk->bd, &req->io);
}

static void read_or_write(struct blk *blk, struct request *req, const struct virtq_chain *chain,
			  const struct header *header)
{
	bool write = header->type == T_OUT;
	uint64_t length = write ? chain->read_size - sizeof(*header) : chain->write_size - 1;

	if ((write && blk->bd->read_only) || length % SECTOR ||
	    !is_on_disk(blk, header->sector, length / SECTOR)) {
		finish(blk, req, S_IOERR, 0);
		return;
	}
	if (write) {
		uint64_t skip = sizeof(*header);

		req->io.iov = chain->iov;
		req->io.nr_iov = chain->nr_read;
		for (; skip >= req->io.iov->iov_len; req->io.iov++, req->io.nr_iov--)
			skip -= req->io.iov->iov_len;
		req->io.iov->iov_base = (uint8_t *)req->io.iov->iov_base + skip;
		req->io.iov->iov_len -= skip;
	} else {
		req->io.iov = req->in;
		req->io.nr_iov = req->nr_in;
	}
	submit(blk, req, write ? BLOCK_WRITE : BLOCK_READ, header->sector, length);
}

static void submit_range(struct blk *blk, struct request *req)
{
	const struct range *range = &req->range[req->at_range];

	submit(blk, req, req->io.op, range->sector, (uint64_t)range->sectors * SECTOR);
}

/* What is wrong with a range, or S_OK. */
static enum request_status check_range(const struct blk *blk, const struct range *range, bool discard)
{
	if (range->flags & ~(discard ? 0 : RANGE_UNMAP))
		return S_UNSUPP;
	if (range->sectors > RANGE_SECTORS || !is_on_disk(blk, range->sector, range->sectors))
		return S_IOERR;
	return S_OK;
}

/* All ranges are checked before the first is touched. They are done one after the other. */
static void discard_or_zero(struct blk *blk, struct request *req, const struct virtq_chain *chain,
			    const struct header *header)
{
	bool discard = header->type == T_DISCARD, unmap = true;
	uint64_t length = chain->read_size - sizeof(*header);
	enum request_status status = S_OK;

	if (blk->bd->read_only) {
		finish(blk, req, S_IOERR, 0);
		return;
	}
	if (!virtio_has(&blk->vdev, discard ? F_DISCARD : F_WRITE_ZEROES)) {
		finish(blk, req, S_UNSUPP, 0);
		return;
	}
	if (!length || length % sizeof(struct range) || length > sizeof(req->range)) {
		finish(blk, req, S_IOERR, 0);
		return;
	}
	req->nr_ranges = (unsigned int)(length / sizeof(struct range));
	iov_read(chain->iov, chain->nr_read, sizeof(*header), req->range, length);
	for (unsigned int i = 0; i < req->nr_ranges && status == S_OK; i++) {
		status = check_range(blk, &req->range[i], discard);
		unmap &= req->range[i].flags & RANGE_UNMAP;
	}
	if (status != S_OK) {
		finish(blk, req, status, 0);
		return;
	}
	/* To keep storage that may be given back is always right: one flag does for all ranges. */
	req->io.may_unmap = unmap;
	req->io.op = discard ? BLOCK_DISCARD : BLOCK_ZERO;
	submit_range(blk, req);
}

static void get_id(struct blk *blk, struct request *req)
{
	if (req->writable - 1 < sizeof(blk->serial)) {
		finish(blk, req, S_IOERR, 0);
		return;
	}
	iov_write(req->in, req->nr_in, 0, blk->serial, sizeof(blk->serial));
	finish(blk, req, S_OK, sizeof(blk->serial));
}

/* Takes the last byte that the device may write, the status, off the chain's end. */
static void split_off_status(struct request *req, const struct virtq_chain *chain)
{
	struct iovec *last = &chain->iov[chain->nr_read + chain->nr_write - 1];

	req->writable = (uint32_t)chain->write_size;
	req->status = (uint8_t *)last->iov_base + --last->iov_len;
	req->in = chain->iov + chain->nr_read;
	req->nr_in = chain->nr_write - !last->iov_len;
}

static void begin(struct blk *blk, struct request *req, const struct virtq_chain *chain)
{
	struct header header;

	if (!chain->nr_write) {
		put_request(blk, req);
		virtio_broken(&blk->vdev, "a request without room for its status");
		return;
	}
	split_off_status(req, chain);
	if (iov_read(chain->iov, chain->nr_read, 0, &header, sizeof(header)) < sizeof(header)) {
		finish(blk, req, S_IOERR, 0);
		return;
	}
	switch (header.type) {
	case T_IN:
	case T_OUT:
		read_or_write(blk, req, chain, &header);
		break;
	case T_FLUSH:
		if (virtio_has(&blk->vdev, F_FLUSH))
			submit(blk, req, BLOCK_FLUSH, 0, 0);
		else
			finish(blk, req, S_UNSUPP, 0);
		break;
	case T_GET_ID:
		get_id(blk, req);
		break;
	case T_DISCARD:
	case T_WRITE_ZEROES:
		discard_or_zero(blk, req, chain, &header);
		break;
	default:
		finish(blk, req, S_UNSUPP, 0);
	}
}

/* --- the queues --- */

/*
 * Takes what is there. A driver that adds requests as fast as they are answered does not keep the worker
 * here: after a queueful it is asked to come back.
 */
static void work_on(struct blk *blk, unsigned int index)
{
	struct virtio_device *vdev = &blk->vdev;
	struct virtq *q = &vdev->queue[index];
	unsigned int left = q->size, begun = 0;

	do {
		virtq_disable_notify(q);
		for (; left; left--) {
			struct request *req = get_request(blk);
			struct virtq_chain chain;

			if (!req) {
				blk->starved |= 1ULL << index;
				goto out;
			}
			chain = (struct virtq_chain){ .iov = req->iov, .max_iov = QUEUE_SIZE };
			if (!virtio_pop(vdev, index, &chain)) {
				put_request(blk, req);
				break;
			}
			req->epoch = blk->epoch;
			req->queue = (uint16_t)index;
			req->head = chain.head;
			req->nr_ranges = req->at_range = 0;
			req->is_urgent = true;
			begin(blk, req, &chain);
			begun++;
		}
		if (!left) {
			vdev->notify(vdev, index);
			goto out;
		}
	} while (virtio_is_live(vdev) && virtq_enable_notify(q));
out:
	if (begun)
		moderation_came(&blk->moderation, begun);
}

static void blk_kick(struct virtio_device *vdev, unsigned int index)
{
	struct blk *blk = blk_of(vdev);

	work_on(blk, index);
	blk->bd->ops->commit(blk->bd);
	show(blk);
}

static void done(void *ctx, struct block_request *list)
{
	struct blk *blk = ctx;
	struct virtio_device *vdev = &blk->vdev;
	uint64_t starved;

	pthread_mutex_lock(&vdev->lock);
	while (list) {
		struct request *req = (struct request *)list;

		list = list->next;
		if (req->epoch != blk->epoch || !virtio_is_live(vdev))
			put_request(blk, req);
		else if (!req->io.result && ++req->at_range < req->nr_ranges)
			submit_range(blk, req);
		else
			finish(blk, req, status_of(req->io.result),
			       req->io.op == BLOCK_READ && !req->io.result ? req->writable : 0);
	}
	show(blk);

	starved = virtio_is_live(vdev) ? blk->starved : 0;
	for (blk->starved = 0; starved; starved &= starved - 1)
		work_on(blk, (unsigned int)__builtin_ctzll(starved));
	blk->bd->ops->commit(blk->bd);
	show(blk);
	pthread_mutex_unlock(&vdev->lock);
}

/* --- configuration --- */

static void show_config(struct blk *blk)
{
	memcpy(blk->vdev.config, &blk->config, sizeof(blk->config));
}

static void resized(void *ctx)
{
	struct blk *blk = ctx;

	pthread_mutex_lock(&blk->vdev.lock);
	blk->config.capacity = blk->bd->size / SECTOR;
	show_config(blk);
	virtio_config_changed(&blk->vdev);
	pthread_mutex_unlock(&blk->vdev.lock);
}

static void set_writeback(struct blk *blk, bool writeback)
{
	blk->config.writeback = writeback;
	show_config(blk);
	blk->bd->ops->set_writeback(blk->bd, writeback);
}

static void blk_write_config(struct virtio_device *vdev, unsigned int offset, const void *data,
			     unsigned int len)
{
	uint8_t value = *(const uint8_t *)data;

	/* "Device configuration layout": `writeback` is the only field that a driver may write. */
	if (offset == offsetof(struct config, writeback) && len == 1 && value <= 1 &&
	    virtio_has(vdev, F_CONFIG_WCE))
		set_writeback(blk_of(vdev), value);
}

/* "Device Requirements: Device Initialization": a driver that cannot flush gets a disk that has no need of it. */
static void blk_activate(struct virtio_device *vdev)
{
	if (!virtio_has(vdev, F_FLUSH))
		set_writeback(blk_of(vdev), false);
}

static void blk_reset(struct virtio_device *vdev)
{
	struct blk *blk = blk_of(vdev);

	blk->bd->ops->drain(blk->bd);
	blk->epoch++;
	blk->starved = blk->to_signal = 0;
	moderation_reset(&blk->moderation);
	set_writeback(blk, blk->bd->writeback);
}

static void blk_acknowledged(struct virtio_device *vdev)
{
	moderation_acknowledged(&blk_of(vdev)->moderation);
}

static void blk_cancel(struct virtio_device *vdev)
{
	struct blockdev *bd = blk_of(vdev)->bd;

	if (bd->ops->cancel)
		bd->ops->cancel(bd);
}

static void blk_destroy(struct virtio_device *vdev)
{
	struct blk *blk = blk_of(vdev);

	blk->bd->ops->destroy(blk->bd);
	moderation_reset(&blk->moderation);
	virtio_finish(vdev);
	free(blk->pool);
	free(blk);
}

static const struct virtio_class blk_class = {
	.name = "virtio-blk",
	.id = VIRTIO_ID_BLOCK,
	.write_config = blk_write_config,
	.activate = blk_activate,
	.kick = blk_kick,
	.reset = blk_reset,
	.acknowledged = blk_acknowledged,
	.cancel = blk_cancel,
	.destroy = blk_destroy,
};

static uint64_t offered(const struct blockdev *bd, unsigned int queues)
{
	uint64_t features = F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_TOPOLOGY | F_CONFIG_WCE;

	if (queues > 1)
		features |= F_MQ;
	if (bd->read_only)
		return features | F_RO;
	if (bd->discard_granularity)
		features |= F_DISCARD;
	if (bd->can_zero)
		features |= F_WRITE_ZEROES;
	return features;
}

static void fill_config(struct blk *blk, unsigned int queues)
{
	const struct blockdev *bd = blk->bd;
	struct config *config = &blk->config;

	*config = (struct config){
		.capacity = bd->size / SECTOR,
		.seg_max = SEG_MAX,
		.blk_size = bd->logical_block,
		.alignment_offset = (uint8_t)(bd->misaligned / bd->logical_block),
		.min_io_size = (uint16_t)(bd->minimum_io / bd->logical_block),
		.opt_io_size = bd->optimal_io / bd->logical_block,
		.writeback = bd->writeback,
		.num_queues = (uint16_t)queues,
	};

	while (bd->physical_block >> config->physical_block_exp > bd->logical_block)
		config->physical_block_exp++;
	if (blk->vdev.offered & F_DISCARD) {
		config->max_discard_sectors = RANGE_SECTORS;
		config->max_discard_seg = MAX_RANGES;
		config->discard_sector_alignment = bd->discard_granularity / SECTOR ?: 1;
	}
	if (blk->vdev.offered & F_WRITE_ZEROES) {
		config->max_write_zeroes_sectors = RANGE_SECTORS;
		config->max_write_zeroes_seg = MAX_RANGES;
		config->write_zeroes_may_unmap = bd->discard_granularity != 0;
	}
	show_config(blk);
}

int virtio_blk_create(struct virtio_device **out, struct blockdev *bd, const struct guest_mem *mem,
		      const char *name, const char *serial, unsigned int queues, struct clock *clock,
		      struct err *err)
{
	struct blk *blk = calloc(1, sizeof(*blk));
	int ret;

	if (blk)
		blk->pool = calloc(REQUESTS, sizeof(*blk->pool));
	if (!blk || !blk->pool) {
		ret = err_host(err, ENOMEM, "%s: %d requests", name, REQUESTS);
		goto fail;
	}
	ret = virtio_init(&blk->vdev, &blk_class, mem, name, offered(bd, queues), queues, QUEUE_SIZE,
			  sizeof(struct config), err);
	if (ret < 0)
		goto fail;
	blk->bd = bd;
	memcpy(blk->serial, serial, strnlen(serial, sizeof(blk->serial)));
	fill_config(blk, queues);
	blk->timer = (struct clock_timer){ .fire = hold_is_over, .ctx = blk, .deadline = CLOCK_NEVER };
	moderation_init(&blk->moderation, clock, &blk->timer);
	bd->done = done;
	bd->resized = resized;
	bd->ctx = blk;
	*out = &blk->vdev;
	return 0;
fail:
	if (blk)
		free(blk->pool);
	free(blk);
	return ret;
}

struct blockdev *virtio_blk_backend(struct virtio_device *vdev)
{
	return vdev->class == &blk_class ? blk_of(vdev)->bd : NULL;
}
