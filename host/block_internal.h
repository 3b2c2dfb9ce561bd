/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files host/block_*.c share: an open image, and two ways to work on it.
 *
 *   block_file.c     opening, facts, requests coming in and going back
 *   block_format.c   it is a raw image
 *   block_io.c       one request from beginning to end, in the calling thread
 *   block_threads.c  threads that do that
 *   block_uring.c    reading, writing and flushing by io_uring
 *
 * What the ring cannot do, the threads do. Both put what is done on one list (block_finished()). The loop
 * hears of it by the ring's own descriptor, and by an eventfd.
 */
#ifndef VIREO_HOST_BLOCK_INTERNAL_H
#define VIREO_HOST_BLOCK_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "host/block.h"

#define BLOCK_THREADS_MAX 16

/*
 * Bytes that are read or written at once. A request may have 4 GiB, whatever the guest's memory: one that is longer than
 * this is none for the ring, and may be left off between two such pieces.
 */
#define BLOCK_PIECE 0x400000UL

/* Threads. All but the constants is guarded by block_file.lock. */
struct block_workers {
	pthread_t thread[BLOCK_THREADS_MAX];
	unsigned int count;
	unsigned int busy; /* requests that wait or are worked on */
	bool stop;
	struct block_request *first, **last; /* waiting */
	pthread_cond_t work;                 /* there is some, or stop */
	pthread_cond_t rest;                 /* busy is 0 */
};

struct block_ring;

struct block_file {
	struct blockdev bd;
	char *name, *path;
	int fd;
	bool is_device, unsafe;
	bool direct;         /* O_DIRECT */
	uint32_t align;      /* bytes: what offset and length must be multiples of if `direct` */
	uint32_t align_at;   /* the same of addresses */
	uint32_t host_block; /* bytes: what discarding on a block device is in multiples of */

	/* The host has said that it cannot; not asked again. */
	atomic_bool no_punch, no_zero_range;
	pthread_mutex_t
		edge_lock; /* what changes a piece smaller than `align`, by reading and writing it or by zeroing; innermost */

	atomic_bool cancelled; /* the VM ends */

	struct loop *loop;
	struct loop_source wake;    /* an eventfd of the threads, edge-triggered: never read */
	struct loop_source changes; /* inotify; fd -1: there is none */
	atomic_bool look_at_size;
	uint64_t logged[4]; /* by errno, bits: failures that have had their line; the loop's thread only */

	pthread_mutex_t lock; /* guards what follows */
	bool lazy;            /* a write may be done before it is on stable storage */
	struct block_request *done, **done_last;
	struct block_workers workers;
	struct block_ring *ring; /* constant; NULL: threads do everything */
};

/* --- block_file.c; with file->lock held --- */

/* The request is over. The loop will hear of it when block_wake() is called. */
void block_finished(struct block_file *file, struct block_request *req, int result);

/* --- any lock --- */

void block_wake(struct block_file *file);

/* --- block_format.c --- */

/* -EINVAL with a line if the image is of a format that is not ours. 0: it may be a raw one. */
int block_check_format(const struct block_file *file, struct err *err);

/* --- block_io.c --- */

/* Whether offset, length and addresses suit O_DIRECT, if that is what the image is open with. */
bool block_is_aligned(const struct block_file *file, const struct block_request *req);

/* `done` more bytes of a read or write are done: takes them off the request's beginning. */
void block_advance(struct block_request *req, uint64_t done);

/*
 * A read found the end of the file before that of the request: the rest of the last block reads as zeroes.
 * 0, or -EIO if more than that is missing.
 */
int block_read_past_end(const struct block_file *file, struct block_request *req);

/*
 * Does what is left of a request and waits for it. `*bounce` is a buffer that this thread keeps, NULL at
 * first, to be freed by it. 0 or a negative errno.
 */
int block_perform(struct block_file *file, struct block_request *req, void **bounce);

/* --- block_threads.c; with file->lock held unless it is said otherwise --- */

void block_workers_init(struct block_workers *workers);
/* Starts a thread if there are fewer than there is work for. 0 or a negative errno: there is none at all. */
int block_workers_submit(struct block_file *file, struct block_request *req);
/* Waits until nothing waits or is worked on; lets go of the lock meanwhile. */
void block_workers_drain(struct block_file *file);
/* Without the lock. Ends all threads; nothing waits or is worked on. */
void block_workers_finish(struct block_file *file);

/* --- block_uring.c; with file->lock held unless it is said otherwise --- */

/* Without the lock. 0 or a negative errno without a line: -ENOSYS, -EPERM: the host does not permit it. */
int block_ring_create(struct block_file *file);
/* Reads, writes and flushes only. */
void block_ring_submit(struct block_ring *ring, struct block_request *req);
void block_ring_commit(struct block_ring *ring);
/* Whether there is something to take out: what the kernel has at hand is done as soon as it is begun. */
bool block_ring_has_done(const struct block_ring *ring);
/* Takes what is done out of the ring. */
void block_ring_reap(struct block_ring *ring);
/* Waits until nothing is in it. */
void block_ring_drain(struct block_ring *ring);
/* Without the lock; it is empty. */
void block_ring_destroy(struct block_ring *ring);

#endif
