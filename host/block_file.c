// SPDX-License-Identifier: BSD-2-Clause
/* Opening an image; requests coming in and going back. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "host/block_internal.h"
#include "host/image_lock.h"
#include "kvm/blockdev.h"
#define LOG_AREA AREA_DISK
#include "kvm/log.h"

#define SECTOR 512U

static struct block_file *file_of(struct blockdev *bd)
{
	return (struct block_file *)bd;
}

/* --- requests --- */

void block_finished(struct block_file *file, struct block_request *req, int result)
{
	req->result = result;
	req->next = NULL;
	*file->done_last = req;
	file->done_last = &req->next;
}

void block_wake(struct block_file *file)
{
	const uint64_t one = 1;

	(void)!write(file->wake.fd, &one, sizeof(one));
}

static void submit(struct blockdev *bd, struct block_request *req)
{
	struct block_file *file = file_of(bd);
	bool transfer = req->op == BLOCK_READ || req->op == BLOCK_WRITE;
	int ret = 0;

	req->progress = 0;
	req->bounce = false;
	pthread_mutex_lock(&file->lock);
	req->stable = !file->lazy && !file->unsafe;
	if (req->op == BLOCK_FLUSH && file->unsafe)
		block_finished(file, req, 0);
	else if (file->ring && (transfer ? req->length <= BLOCK_PIECE && block_is_aligned(file, req)
					 : req->op == BLOCK_FLUSH))
		block_ring_submit(file->ring, req);
	else
		ret = block_workers_submit(file, req);
	if (ret < 0)
		block_finished(file, req, ret);
	pthread_mutex_unlock(&file->lock);
}

static void commit(struct blockdev *bd)
{
	struct block_file *file = file_of(bd);

	pthread_mutex_lock(&file->lock);
	if (file->ring)
		block_ring_commit(file->ring);
	if (file->done || (file->ring && block_ring_has_done(file->ring)))
		loop_soon(file->loop, &file->wake);
	pthread_mutex_unlock(&file->lock);
}

/* The ring first: what it cannot do goes from there to the threads, and nothing the other way. */
static void drain(struct blockdev *bd)
{
	struct block_file *file = file_of(bd);

	pthread_mutex_lock(&file->lock);
	if (file->ring)
		block_ring_drain(file->ring);
	block_workers_drain(file);
	if (file->done)
		block_wake(file);
	pthread_mutex_unlock(&file->lock);
}

static void set_writeback(struct blockdev *bd, bool writeback)
{
	struct block_file *file = file_of(bd);

	pthread_mutex_lock(&file->lock);
	file->lazy = writeback;
	pthread_mutex_unlock(&file->lock);
}

static void cancel(struct blockdev *bd)
{
	file_of(bd)->cancelled = true;
}

/* One line for each errno that this disk ever failed with. */
static void log_failure(struct block_file *file, const struct block_request *req)
{
	static const char *const doing[] = {
		[BLOCK_READ] = "reading",       [BLOCK_WRITE] = "writing", [BLOCK_FLUSH] = "flushing",
		[BLOCK_DISCARD] = "discarding", [BLOCK_ZERO] = "zeroing",
	};
	unsigned int number = (unsigned int)-req->result % (sizeof(file->logged) * 8);
	uint64_t *word = &file->logged[number / 64], bit = 1ULL << number % 64;

	if (*word & bit)
		return;
	*word |= bit;
	log_error("%s: %s %s at %llu: %s; the guest gets an I/O error (later ones like it are not logged)",
		  file->name, doing[req->op], file->path, (unsigned long long)(req->offset + req->progress),
		  strerror(-req->result));
}

/* --- size --- */

static int get_size(const struct block_file *file, uint64_t *size)
{
	struct stat st;

	if (file->is_device)
		return blockdev_size(file->fd, size);
	if (fstat(file->fd, &st) < 0)
		return -errno;
	*size = (uint64_t)st.st_size;
	return 0;
}

/*
 * A guest sees whole sectors: the rest of a file's last one reads as zeroes. What it may write with O_DIRECT
 * ends with a whole block of the host: writing to a part of one would make the file longer.
 */
static uint64_t visible_size(const struct block_file *file, uint64_t size)
{
	if (file->direct && !file->bd.read_only)
		return size - size % file->align;
	return (size + SECTOR - 1) & ~(uint64_t)(SECTOR - 1);
}

void host_block_resized(struct blockdev *bd)
{
	struct block_file *file = file_of(bd);

	file->look_at_size = true;
	block_wake(file);
}

static void look_at_size(struct block_file *file)
{
	uint64_t size;

	if (get_size(file, &size) < 0 || visible_size(file, size) == file->bd.size)
		return;
	log_info("%s: %s has %llu bytes now, after %llu", file->name, file->path, (unsigned long long)size,
		 (unsigned long long)file->bd.size);
	file->bd.size = visible_size(file, size);
	if (file->bd.resized)
		file->bd.resized(file->bd.ctx);
}

int host_block_grow(struct blockdev *bd, uint64_t size, struct err *err)
{
	struct block_file *file = file_of(bd);
	uint64_t now;
	int ret = get_size(file, &now);

	if (ret < 0)
		return err_host(err, -ret, "%s: %s", file->name, file->path);
	if (size % SECTOR)
		return err_user(err, "%s: %llu bytes are no whole number of sectors of %u bytes", file->name,
				(unsigned long long)size, SECTOR);
	if (file->direct && !bd->read_only && size % file->align)
		return err_user(
			err, "%s: %llu bytes are no multiple of the %u that cache=none needs here; %llu are",
			file->name, (unsigned long long)size, file->align,
			(unsigned long long)(size - size % file->align + file->align));
	if (size < now)
		return err_user(err, "%s: it has %llu bytes, and would lose some: a disk can only grow",
				file->name, (unsigned long long)now);
	if (size > now && bd->read_only)
		return err_user(err, "%s: it is read-only", file->name);
	if (size > now && file->is_device)
		return err_user(err, "%s: %s is a block device of %llu bytes; let it grow first", file->name,
				file->path, (unsigned long long)now);
	if (size > now && ftruncate(file->fd, (off_t)size) < 0)
		return err_host(err, errno, "%s: growing %s to %llu bytes", file->name, file->path,
				(unsigned long long)size);
	host_block_resized(bd);
	return 0;
}

/*
 * Somebody who had the image open for writing has closed it: truncate(1) and all others that make it longer
 * do. What we write ourselves raises no such event, and costs nothing. However many there were: one look.
 */
static void changes_ready(void *ctx, uint32_t events)
{
	struct block_file *file = ctx;
	char buffer[4096];

	(void)events;
	while (read(file->changes.fd, buffer, sizeof(buffer)) > 0)
		;
	look_at_size(file);
}

static void watch_size(struct block_file *file)
{
	struct err err;

	file->changes.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (file->changes.fd >= 0 && inotify_add_watch(file->changes.fd, file->path, IN_CLOSE_WRITE) >= 0 &&
	    loop_add(file->loop, &file->changes, EPOLLIN, &err) == 0)
		return;
	log_info("%s: another size of %s will not be noticed: no inotify watch is to be had", file->name,
		 file->path);
	if (file->changes.fd >= 0)
		close(file->changes.fd);
	file->changes.fd = -1;
}

/* --- the loop --- */

static void wake_ready(void *ctx, uint32_t events)
{
	struct block_file *file = ctx;
	struct block_request *list;

	(void)events;
	pthread_mutex_lock(&file->lock);
	if (file->ring)
		block_ring_reap(file->ring);
	list = file->done;
	file->done = NULL;
	file->done_last = &file->done;
	pthread_mutex_unlock(&file->lock);

	for (struct block_request *req = list; req; req = req->next)
		if (req->result < 0 && req->result != -EOPNOTSUPP && req->result != -ECANCELED)
			log_failure(file, req);
	if (list)
		file->bd.done(file->bd.ctx, list);
	if (atomic_exchange(&file->look_at_size, false))
		look_at_size(file);
}

/* --- opening --- */

static void release(struct block_file *file)
{
	if (file->ring)
		block_ring_destroy(file->ring);
	block_workers_finish(file);
	if (file->changes.fd >= 0) {
		loop_remove(file->loop, &file->changes);
		close(file->changes.fd);
	}
	if (file->wake.fd >= 0) {
		loop_remove(file->loop, &file->wake);
		close(file->wake.fd);
	}
	if (file->fd >= 0) {
		image_unlock(file->fd);
		close(file->fd);
	}
	pthread_mutex_destroy(&file->lock);
	pthread_mutex_destroy(&file->edge_lock);
	free(file->name);
	free(file->path);
	free(file);
}

static void destroy(struct blockdev *bd)
{
	drain(bd);
	release(file_of(bd));
}

static const struct blockdev_ops file_ops = {
	.submit = submit,
	.commit = commit,
	.drain = drain,
	.set_writeback = set_writeback,
	.cancel = cancel,
	.destroy = destroy,
};

static int cannot_open(const struct block_file *file, int code, bool writing, struct err *err)
{
	switch (code) {
	case ENOENT:
		return err_user(err,
				"%s: there is no %s; truncate -s 10G %s makes an empty image of that size",
				file->name, file->path, file->path);
	case EACCES:
	case EPERM:
	case EROFS:
		return err_host(err, code, "%s: opening %s for %s%s", file->name, file->path,
				writing ? "writing" : "reading",
				writing ? " (a disk that may not be written: \"ro\")" : "");
	case EBUSY:
		return err_host(
			err, code,
			"%s: %s is in use on this host: mounted, by another VM, or as a part of something",
			file->name, file->path);
	default:
		return err_host(err, code, "%s: opening %s", file->name, file->path);
	}
}

static int open_image(struct block_file *file, const struct block_options *opt, struct err *err)
{
	int flags = O_CLOEXEC | O_NOCTTY | (opt->read_only ? O_RDONLY : O_RDWR);
	struct stat st;

	/* Looked at before it is opened: a FIFO would wait, and some devices act upon being opened. */
	if (stat(opt->path, &st) < 0)
		return cannot_open(file, errno, !opt->read_only, err);
	file->is_device = S_ISBLK(st.st_mode);
	if (!file->is_device && !S_ISREG(st.st_mode))
		return err_user(err, "%s: %s is %s; a disk is a regular file or a block device", file->name,
				file->path,
				S_ISDIR(st.st_mode) ? "a directory" : "neither a file nor a disk");
	file->direct = opt->cache == BLOCK_CACHE_NONE;
	if (file->direct)
		flags |= O_DIRECT;
	/* On a block device: not if the host has it mounted. */
	if (file->is_device && !opt->read_only)
		flags |= O_EXCL;
	file->fd = open(opt->path, flags);
	if (file->fd < 0 && errno == EINVAL && file->direct)
		return err_user(err,
				"%s: the file system of %s has no O_DIRECT, which cache=none is; use "
				"cache=writeback",
				file->name, file->path);
	if (file->fd < 0)
		return cannot_open(file, errno, !opt->read_only, err);
	return 0;
}

/* What a block device says in /sys of itself, or of the disk it is a part of; 0 if it says nothing. */
static uint64_t queue_attribute(const struct block_file *file, const char *name)
{
	static const char *const places[] = { "", "/.." };
	unsigned long long value = 0;
	struct stat st;

	if (fstat(file->fd, &st) < 0)
		return 0;
	for (unsigned int i = 0; i < 2; i++) {
		char path[128];
		FILE *attribute;

		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u%s/queue/%s", major(st.st_rdev),
			 minor(st.st_rdev), places[i], name);
		attribute = fopen(path, "re");
		if (!attribute)
			continue;
		if (fscanf(attribute, "%llu", &value) != 1)
			value = 0;
		fclose(attribute);
		break;
	}
	return value;
}

static int learn_device(struct block_file *file, struct err *err)
{
	struct blockdev *bd = &file->bd;
	struct blockdev_facts facts;
	int ret = blockdev_facts(file->fd, &facts);

	if (ret < 0)
		return err_host(err, -ret, "%s: what block device %s is", file->name, file->path);
	if (facts.read_only && !bd->read_only)
		return err_user(err, "%s: %s is read-only; add \"ro\"", file->name, file->path);
	bd->size = facts.size;
	bd->logical_block = file->host_block = facts.logical;
	bd->physical_block = facts.physical;
	bd->minimum_io = facts.minimum_io;
	bd->optimal_io = facts.optimal_io;
	bd->misaligned = facts.misaligned;
	if (!bd->read_only && queue_attribute(file, "discard_max_bytes"))
		bd->discard_granularity = (uint32_t)queue_attribute(file, "discard_granularity");
	return 0;
}

static int learn_file(struct block_file *file, struct err *err)
{
	struct blockdev *bd = &file->bd;
	struct stat st;

	if (fstat(file->fd, &st) < 0)
		return err_host(err, errno, "%s: what file %s is", file->name, file->path);
	bd->size = (uint64_t)st.st_size;
	/* Where partitions lie depends on it: an image's is 512, wherever the file is. */
	bd->logical_block = SECTOR;
	bd->physical_block = file->host_block = 4096;
	/* Punching holes beyond the end does nothing but tell whether it can be done. */
	if (!bd->read_only) {
		off_t beyond = (off_t)((bd->size | 0xfffff) + 1);

		if (fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, beyond, 4096) == 0)
			bd->discard_granularity = file->host_block;
	}
	return 0;
}

/* What O_DIRECT wants: as the host says (statx(2), since Linux 6.1), or what suits every disk there is. */
static void learn_alignment(struct block_file *file)
{
	struct statx stx = { 0 };

	file->align = file->is_device ? file->host_block : 4096;
	file->align_at = file->align;
#ifdef STATX_DIOALIGN
	if (statx(file->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
	    (stx.stx_mask & STATX_DIOALIGN) && stx.stx_dio_offset_align) {
		file->align = stx.stx_dio_offset_align;
		file->align_at = stx.stx_dio_mem_align;
	}
#endif
}

static int learn(struct block_file *file, const struct block_options *opt, struct err *err)
{
	struct blockdev *bd = &file->bd;
	int ret = file->is_device ? learn_device(file, err) : learn_file(file, err);

	if (ret < 0)
		return ret;
	if (!bd->size)
		return err_user(err, "%s: %s is empty; truncate -s 10G %s makes it an image of that size",
				file->name, file->path, file->path);
	if (file->direct) {
		learn_alignment(file);
		if (!bd->read_only && bd->size % file->align)
			return err_user(
				err,
				"%s: %s has %llu bytes, no multiple of the %u that cache=none needs here; "
				"use cache=writeback",
				file->name, file->path, (unsigned long long)bd->size, file->align);
	}
	bd->size = visible_size(file, bd->size);
	if (opt->block_size)
		bd->logical_block = opt->block_size;
	if (bd->physical_block < bd->logical_block)
		bd->physical_block = bd->logical_block;
	bd->can_zero = bd->writeback = !bd->read_only;
	return 0;
}

static int start_aio(struct block_file *file, enum block_aio aio, struct err *err)
{
	int ret = 0;

	file->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (file->wake.fd < 0)
		return err_host(err, errno, "%s: an eventfd", file->name);
	ret = loop_add(file->loop, &file->wake, EPOLLIN | EPOLLET, err);
	if (ret < 0)
		return ret;
	if (aio != BLOCK_AIO_THREADS)
		ret = block_ring_create(file);
	if (ret < 0 && aio == BLOCK_AIO_URING)
		return err_host(err, -ret, "%s: io_uring cannot be used here; use aio=threads", file->name);
	log_info("%s: %s, %llu bytes, by %s%s%s", file->name, file->path, (unsigned long long)file->bd.size,
		 file->ring ? "io_uring" : "threads", ret < 0 ? ", for there is no io_uring: " : "",
		 ret < 0 ? strerror(-ret) : "");
	return 0;
}

int block_open(struct blockdev **out, const struct block_options *opt, struct loop *loop, struct err *err)
{
	struct block_file *file = calloc(1, sizeof(*file));
	int ret;

	if (!file)
		return err_host(err, ENOMEM, "%s: opening %s", opt->name, opt->path);
	file->bd.ops = &file_ops;
	file->bd.read_only = opt->read_only;
	file->unsafe = opt->cache == BLOCK_CACHE_UNSAFE;
	file->lazy = true;
	file->loop = loop;
	file->fd = -1;
	file->wake = (struct loop_source){ .fd = -1, .ready = wake_ready, .ctx = file };
	file->changes = (struct loop_source){ .fd = -1, .ready = changes_ready, .ctx = file };
	file->done_last = &file->done;
	/* With default attributes neither can fail. */
	pthread_mutex_init(&file->lock, NULL);
	pthread_mutex_init(&file->edge_lock, NULL);
	block_workers_init(&file->workers);
	file->name = strdup(opt->name);
	file->path = strdup(opt->path);
	if (!file->name || !file->path) {
		ret = err_host(err, ENOMEM, "%s: opening %s", opt->name, opt->path);
		goto fail;
	}

	ret = open_image(file, opt, err);
	if (!ret)
		ret = image_lock(file->fd, opt->path, opt->name, opt->read_only, err);
	if (!ret)
		ret = block_check_format(file, err);
	if (!ret)
		ret = learn(file, opt, err);
	if (!ret)
		ret = start_aio(file, opt->aio, err);
	if (ret < 0)
		goto fail;
	watch_size(file);
	*out = &file->bd;
	return 0;
fail:
	release(file);
	return ret;
}
