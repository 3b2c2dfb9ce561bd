/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host side of a disk, as the device model sees it: requests go down, and come back done.
 *
 * Locks: the model calls these operations with its own lock held. The host side calls the model back
 * from the event loop's thread of the device, with none of its own locks held.
 */
#ifndef VIREO_DEVICES_BLOCKDEV_H
#define VIREO_DEVICES_BLOCKDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum block_op {
	BLOCK_READ,
	BLOCK_WRITE,
	BLOCK_FLUSH,   /* everything written before is on stable storage when it is done */
	BLOCK_DISCARD, /* the range may read as anything until written again */
	BLOCK_ZERO,    /* the range reads as zeroes */
};

/* Embedded in the model's own request. */
struct block_request {
	enum block_op op;
	uint64_t offset, length; /* bytes; within the disk, checked by the model */
	/*
	 * READ, WRITE: `length` bytes; kept until it is done. The host side may change the elements; what is
	 * left in a READ that failed is what may not have been filled.
	 */
	struct iovec *iov;
	unsigned int nr_iov;
	bool may_unmap; /* ZERO: the range's storage may be given back */

	int result; /* when done: 0 or a negative errno; -EOPNOTSUPP: the host cannot do this to the range */
	struct block_request *next;

	/* The host side's while it has the request. */
	uint64_t progress; /* bytes that are done */
	bool stable;       /* it is done only when it is on stable storage */
	bool bounce;       /* not directly from guest memory */
};

struct blockdev;

struct blockdev_ops {
	/* Takes a request. It may wait for commit(). Never blocks, never calls done(). */
	void (*submit)(struct blockdev *bd, struct block_request *req);
	/* What was submitted is to be begun: once after a batch, by the thread of the device. */
	void (*commit)(struct blockdev *bd);
	/*
	 * Waits until nothing that was submitted touches memory or disk any more. The requests come back by
	 * done() all the same, maybe later.
	 */
	void (*drain)(struct blockdev *bd);
	/*
	 * Lazy or strict, for what is submitted from now on: with `writeback` false, a write is done only when
	 * it is on stable storage.
	 */
	void (*set_writeback)(struct blockdev *bd, bool writeback);
	/*
	 * May be NULL. The VM ends: what takes long is left off in the midst, with -ECANCELED, so that drain() and
	 * destroy() do not take long either. Any thread, without a lock.
	 */
	void (*cancel)(struct blockdev *bd);
	/* Waits like drain(); requests that did not come back never will. The loop does not run any more. */
	void (*destroy)(struct blockdev *bd);
};

struct blockdev {
	const struct blockdev_ops *ops;

	/*
	 * Facts, for the configuration space. `size` may change: the thread that does it then calls resized().
	 */
	_Atomic uint64_t size;   /* bytes, a multiple of 512 */
	uint32_t logical_block;  /* bytes, a power of two of at least 512: what requests are aligned to */
	uint32_t physical_block; /* bytes, a power of two */
	uint32_t minimum_io; /* bytes, a multiple of logical_block: better not less at a time; 0: unknown */
	uint32_t optimal_io; /* the same: what is best */
	uint32_t misaligned; /* bytes from the beginning to the first physical block's edge */
	uint32_t discard_granularity; /* bytes; 0: BLOCK_DISCARD is not possible */
	bool can_zero;                /* BLOCK_ZERO is possible */
	bool read_only;
	bool writeback; /* there is a volatile cache: a flush means something */

	/* Set by the model in its create(). */
	void (*done)(void *ctx, struct block_request *list); /* linked by `next` */
	void (*resized)(void *ctx);
	void *ctx;
};

#endif
