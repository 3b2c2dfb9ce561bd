// SPDX-License-Identifier: BSD-2-Clause
/* One request from beginning to end. No lock is held. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/block_internal.h"
#include "kvm/blockdev.h"

#define BOUNCE_BYTES 0x40000U
#define ZERO_BYTES   0x10000U

bool block_is_aligned(const struct block_file *file, const struct block_request *req)
{
	uint64_t bits = req->offset + req->progress;
	uintptr_t addresses = 0;

	if (!file->direct)
		return true;
	for (unsigned int i = 0; i < req->nr_iov; i++) {
		bits |= req->iov[i].iov_len;
		addresses |= (uintptr_t)req->iov[i].iov_base;
	}
	return !(bits & (file->align - 1)) && !(addresses & (file->align_at - 1));
}

void block_advance(struct block_request *req, uint64_t done)
{
	req->progress += done;
	while (req->nr_iov && done >= req->iov->iov_len) {
		done -= req->iov->iov_len;
		req->iov++;
		req->nr_iov--;
	}
	if (done) {
		req->iov->iov_base = (uint8_t *)req->iov->iov_base + done;
		req->iov->iov_len -= done;
	}
}

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) & ~(to - 1);
}

int block_read_past_end(const struct block_file *file, struct block_request *req)
{
	uint64_t at = req->offset + req->progress, end = req->offset + req->length;
	struct stat st;

	if (file->is_device || fstat(file->fd, &st) < 0)
		return -EIO;
	if (at < (uint64_t)st.st_size || end > round_up((uint64_t)st.st_size, file->bd.logical_block))
		return -EIO;
	for (unsigned int i = 0; i < req->nr_iov; i++)
		memset(req->iov[i].iov_base, 0, req->iov[i].iov_len);
	req->progress = req->length;
	return 0;
}

/* --- reading and writing --- */

static int advance_by_result(const struct block_file *file, struct block_request *req, ssize_t n)
{
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0)
		return req->op == BLOCK_READ ? block_read_past_end(file, req) : -EIO;
	block_advance(req, (uint64_t)n);
	return 0;
}

/* A piece at a time. Its end may be within an element, which is cut for as long. */
static int transfer_directly(const struct block_file *file, struct block_request *req)
{
	off_t at = (off_t)(req->offset + req->progress);
	struct iovec *last = req->iov;
	size_t left = BLOCK_PIECE, rest;
	int count = 1;
	ssize_t n;

	for (; last->iov_len < left && count < (int)req->nr_iov && count < IOV_MAX; last++, count++)
		left -= last->iov_len;
	rest = last->iov_len > left ? last->iov_len - left : 0;
	last->iov_len -= rest;
	n = req->op == BLOCK_READ ? preadv(file->fd, req->iov, count, at)
				  : pwritev(file->fd, req->iov, count, at);
	last->iov_len += rest;
	return advance_by_result(file, req, n);
}

/* Reads as much as there is, into *got; the rest of the buffer is filled with zeroes. */
static int read_all(int fd, uint8_t *buf, size_t len, uint64_t at, size_t *got)
{
	*got = 0;
	while (*got < len) {
		ssize_t n = pread(fd, buf + *got, len - *got, (off_t)(at + *got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		*got += (size_t)n;
	}
	memset(buf + *got, 0, len - *got);
	return 0;
}

static int write_all(int fd, const uint8_t *buf, size_t len, uint64_t at)
{
	while (len) {
		ssize_t n = pwrite(fd, buf, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		buf += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* Copies between the request's beginning and `buf`, and advances. */
static void copy(struct block_request *req, uint8_t *buf, size_t len)
{
	while (len) {
		size_t piece = req->iov->iov_len < len ? req->iov->iov_len : len;

		if (req->op == BLOCK_READ)
			memcpy(req->iov->iov_base, buf, piece);
		else
			memcpy(buf, req->iov->iov_base, piece);
		block_advance(req, piece);
		buf += piece;
		len -= piece;
	}
}

/*
 * A piece of the request through `buf`, whole blocks of the host at a time. Where the request ends within
 * a block, that is read first. Two such writes to one block must not cross each other; one that covers the
 * block as a whole covers the other's part of it too, and the guest has made those two at once itself.
 */
static int transfer_bounced(struct block_file *file, struct block_request *req, uint8_t *buf)
{
	uint64_t at = req->offset + req->progress, from = at & ~((uint64_t)file->align - 1);
	uint64_t end = req->offset + req->length, to;
	bool whole;
	size_t got;
	int ret = 0;

	if (end > from + BOUNCE_BYTES)
		end = from + BOUNCE_BYTES;
	to = round_up(end, file->align);
	whole = from == at && to == end;

	if (req->op == BLOCK_READ) {
		ret = read_all(file->fd, buf, to - from, from, &got);
		if (ret < 0)
			return ret;
		if (from + got > at)
			copy(req, buf + (at - from), (from + got < end ? from + got : end) - at);
		return from + got < end ? block_read_past_end(file, req) : 0;
	}
	if (!whole) {
		pthread_mutex_lock(&file->edge_lock);
		ret = read_all(file->fd, buf, to - from, from, &got);
	}
	if (!ret) {
		copy(req, buf + (at - from), end - at);
		ret = write_all(file->fd, buf, to - from, from);
	}
	if (!whole)
		pthread_mutex_unlock(&file->edge_lock);
	return ret;
}

static int transfer(struct block_file *file, struct block_request *req, void **bounce)
{
	int ret = 0;

	while (!ret && req->progress < req->length) {
		if (req->progress && file->cancelled)
			return -ECANCELED;
		if (!req->bounce && block_is_aligned(file, req)) {
			ret = transfer_directly(file, req);
			/* A file system may want more than it has told of. */
			if (ret == -EINVAL && file->direct) {
				req->bounce = true;
				ret = 0;
			}
			continue;
		}
		if (!*bounce &&
		    posix_memalign(bounce, file->align > 4096 ? file->align : 4096, BOUNCE_BYTES)) {
			*bounce = NULL;
			return -ENOMEM;
		}
		ret = transfer_bounced(file, req, *bounce);
	}
	return ret;
}

/* --- discarding and zeroing --- */

static bool is_refusal(int error)
{
	return error == EOPNOTSUPP || error == ENOSYS || error == EINVAL || error == ENOTTY;
}

/* 0, -EOPNOTSUPP if the host cannot, or a negative errno. */
static int allocate(const struct block_file *file, int mode, const struct block_request *req)
{
	int ret;

	do {
		ret = fallocate(file->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)req->offset, (off_t)req->length);
	} while (ret < 0 && errno == EINTR);
	if (ret == 0)
		return 0;
	return is_refusal(errno) ? -EOPNOTSUPP : -errno;
}

static int punch(struct block_file *file, const struct block_request *req)
{
	int ret = file->no_punch ? -EOPNOTSUPP : allocate(file, FALLOC_FL_PUNCH_HOLE, req);

	/* A block device also says so to what is not a multiple of its blocks. */
	if (ret == -EOPNOTSUPP && !file->is_device)
		file->no_punch = true;
	return ret;
}

static int discard(struct block_file *file, const struct block_request *req)
{
	uint64_t from = round_up(req->offset, file->host_block);
	uint64_t to = (req->offset + req->length) & ~((uint64_t)file->host_block - 1);
	int ret;

	if (!file->is_device)
		return punch(file, req);
	if (from >= to)
		return 0; /* less than a block: it may read as anything, and as before too */
	ret = blockdev_discard(file->fd, from, to - from);
	return ret < 0 && is_refusal(-ret) ? -EOPNOTSUPP : ret;
}

/* What is left of a file's last block, beyond its end, is zeroes already and not written. */
static int write_zeroes(struct block_file *file, struct block_request *req, void **bounce)
{
	static const uint8_t zeroes[ZERO_BYTES];
	struct block_request part = { .op = BLOCK_WRITE, .bounce = file->direct };
	struct iovec iov;
	int ret = 0;

	for (uint64_t at = 0; !ret && at < req->length; at += part.length) {
		if (at >= BLOCK_PIECE && file->cancelled)
			return -ECANCELED;
		part.length = req->length - at < ZERO_BYTES ? req->length - at : ZERO_BYTES;
		part.offset = req->offset + at;
		part.progress = 0;
		iov = (struct iovec){ .iov_base = (void *)(uintptr_t)zeroes, .iov_len = part.length };
		part.iov = &iov;
		part.nr_iov = 1;
		ret = transfer(file, &part, bounce);
	}
	return ret;
}

/* Without writing zeroes. */
static int convert(struct block_file *file, const struct block_request *req)
{
	int ret = -EOPNOTSUPP;

	if (req->may_unmap)
		ret = punch(file, req);
	if (ret == -EOPNOTSUPP && !file->no_zero_range) {
		ret = allocate(file, FALLOC_FL_ZERO_RANGE, req);
		if (ret == -EOPNOTSUPP && !file->is_device)
			file->no_zero_range = true;
	}
	return ret;
}

/* A write through a buffer must not put back what it has read of this range before, see transfer_bounced(). */
static int zero(struct block_file *file, struct block_request *req, void **bounce)
{
	bool whole = !file->direct || !((req->offset | req->length) & (file->align - 1));
	int ret;

	if (!whole)
		pthread_mutex_lock(&file->edge_lock);
	ret = convert(file, req);
	if (!whole)
		pthread_mutex_unlock(&file->edge_lock);
	if (ret == -EOPNOTSUPP)
		ret = write_zeroes(file, req, bounce);
	return ret;
}

int block_perform(struct block_file *file, struct block_request *req, void **bounce)
{
	bool sync = req->stable && req->op != BLOCK_READ;
	int ret = 0;

	switch (req->op) {
	case BLOCK_READ:
	case BLOCK_WRITE:
		ret = transfer(file, req, bounce);
		break;
	case BLOCK_FLUSH:
		sync = true;
		break;
	case BLOCK_DISCARD:
		ret = discard(file, req);
		break;
	case BLOCK_ZERO:
		ret = zero(file, req, bounce);
		break;
	}
	if (!ret && sync && fdatasync(file->fd) < 0)
		ret = -errno;
	return ret;
}
