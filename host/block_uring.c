// SPDX-License-Identifier: BSD-2-Clause
/*
 * Reading, writing and flushing by io_uring (io_uring_setup(2), io_uring_enter(2)).
 *
 * Never more is in the ring than fits into its completion queue, so that this cannot overflow; the rest
 * waits in a list. The kernel works on behalf of the thread that submitted, the loop's or one that waits for
 * the ring to be empty: the ring has none of the flags that would make it wait for that thread's next call.
 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "host/block_internal.h"

#define RING_ENTRIES 256

/* Flags of kernel 5.6: completions are never dropped, and there are reads and writes of one buffer. */
#define NEEDED (IORING_FEAT_NODROP | IORING_FEAT_RW_CUR_POS)

struct block_ring {
	struct io_uring uring;
	struct block_file *file;
	struct loop_source source;           /* readable while something is to be taken out */
	unsigned int inside;                 /* prepared, and not completed */
	struct block_request *first, **last; /* waiting for room */
};

int block_ring_create(struct block_file *file)
{
	struct block_ring *ring = calloc(1, sizeof(*ring));
	struct err err;
	int ret;

	if (!ring)
		return -ENOMEM;
	ring->file = file;
	ring->last = &ring->first;
	ret = io_uring_queue_init(RING_ENTRIES, &ring->uring, 0);
	if (ret < 0) {
		free(ring);
		return ret;
	}
	ring->source = file->wake;
	ring->source.fd = ring->uring.ring_fd;
	ret = (ring->uring.features & NEEDED) == NEEDED ? 0 : -ENOSYS;
	if (!ret)
		ret = loop_add(file->loop, &ring->source, EPOLLIN, &err);
	if (ret < 0) {
		io_uring_queue_exit(&ring->uring);
		free(ring);
		return ret;
	}
	file->ring = ring;
	return 0;
}

void block_ring_destroy(struct block_ring *ring)
{
	loop_remove(ring->file->loop, &ring->source);
	io_uring_queue_exit(&ring->uring);
	free(ring);
}

/*
 * The file is not registered with the ring: the kernel dismantles rings late, and would keep it open, and
 * locked, for a while after this program has ended.
 */
static void prepare(int fd, struct io_uring_sqe *sqe, struct block_request *req)
{
	uint64_t at = req->offset + req->progress;
	int flags = req->stable ? RWF_DSYNC : 0;

	switch (req->op) {
	case BLOCK_READ:
		/* A length in an iovec has 64 bits, that of an SQE 32. */
		if (req->nr_iov == 1 && req->iov->iov_len <= UINT32_MAX)
			io_uring_prep_read(sqe, fd, req->iov->iov_base, (unsigned int)req->iov->iov_len, at);
		else
			io_uring_prep_readv(sqe, fd, req->iov, req->nr_iov, at);
		break;
	case BLOCK_WRITE:
		io_uring_prep_writev2(sqe, fd, req->iov, req->nr_iov, at, flags);
		break;
	default:
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
	}
	io_uring_sqe_set_data(sqe, req);
}

/* What does not fit is tried again when something has come out of the ring. */
static void enter(struct block_ring *ring)
{
	while (io_uring_sq_ready(&ring->uring)) {
		int ret = io_uring_submit(&ring->uring);

		if (ret < 0 && ret != -EINTR) {
			/* The kernel is short of memory. Without anything inside it nothing would come out. */
			if (ring->inside == io_uring_sq_ready(&ring->uring))
				block_wake(ring->file);
			return;
		}
	}
}

static bool prepare_next(struct block_ring *ring)
{
	struct block_request *req = ring->first;
	struct io_uring_sqe *sqe;

	if (!req || ring->inside == *ring->uring.cq.kring_entries)
		return false;
	sqe = io_uring_get_sqe(&ring->uring);
	if (!sqe)
		return false;
	ring->first = req->next;
	if (!ring->first)
		ring->last = &ring->first;
	prepare(ring->file->fd, sqe, req);
	ring->inside++;
	return true;
}

void block_ring_submit(struct block_ring *ring, struct block_request *req)
{
	req->next = NULL;
	*ring->last = req;
	ring->last = &req->next;
}

void block_ring_commit(struct block_ring *ring)
{
	do {
		while (prepare_next(ring))
			;
		enter(ring);
		/* More, if the submission queue was what was full. */
	} while (ring->first && !io_uring_sq_ready(&ring->uring) &&
		 ring->inside < *ring->uring.cq.kring_entries);
}

bool block_ring_has_done(const struct block_ring *ring)
{
	return io_uring_cq_ready(&ring->uring);
}

/* To be gone on with after it was cut short, as a rule by the ring. */
static void go_on(struct block_ring *ring, struct block_request *req)
{
	int ret;

	if (!req->bounce && block_is_aligned(ring->file, req)) {
		block_ring_submit(ring, req);
		return;
	}
	ret = block_workers_submit(ring->file, req);
	if (ret < 0)
		block_finished(ring->file, req, ret);
}

static void completed(struct block_ring *ring, struct block_request *req, int res)
{
	struct block_file *file = ring->file;

	if (res == -EINTR) {
		go_on(ring, req);
	} else if (res == -EAGAIN || (res == -EINVAL && file->direct)) {
		/* It would have to wait where it must not, or is not aligned as the file system wants it. */
		req->bounce = file->direct;
		if (block_workers_submit(file, req) < 0)
			block_finished(file, req, res);
	} else if (res < 0 || req->op == BLOCK_FLUSH) {
		block_finished(file, req, res);
	} else if (res == 0) {
		block_finished(file, req, req->op == BLOCK_READ ? block_read_past_end(file, req) : -EIO);
	} else {
		block_advance(req, (uint64_t)res);
		if (req->progress < req->length)
			go_on(ring, req);
		else
			block_finished(file, req, 0);
	}
}

void block_ring_reap(struct block_ring *ring)
{
	struct io_uring_cqe *cqe;

	while (io_uring_peek_cqe(&ring->uring, &cqe) == 0) {
		struct block_request *req = io_uring_cqe_get_data(cqe);
		int res = cqe->res;

		io_uring_cqe_seen(&ring->uring, cqe);
		ring->inside--;
		completed(ring, req, res);
	}
	block_ring_commit(ring);
}

void block_ring_drain(struct block_ring *ring)
{
	struct io_uring_cqe *cqe;

	block_ring_reap(ring);
	while (ring->inside || ring->first) {
		if (ring->inside > io_uring_sq_ready(&ring->uring))
			io_uring_wait_cqe(&ring->uring, &cqe);
		block_ring_reap(ring);
	}
}
