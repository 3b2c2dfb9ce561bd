// SPDX-License-Identifier: BSD-2-Clause
#include "host/pmem_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/file_memory.h"
#include "host/image_lock.h"
#include "host/worker.h"
#define LOG_AREA AREA_DISK
#include "kvm/log.h"

struct pmem_file {
	struct pmem_backend backend;
	char name[48];
	int fd;
	int shared_fd; /* without the locks of `fd`: who has a copy of it may keep that for longer than we do */
	uint64_t size; /* bytes of the file, when it was opened */
	void *host;    /* where it is mapped */
	struct loop *loop;
	struct loop_source done; /* an eventfd: a flush has ended */

	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	bool wanted; /* a flush is to be made */
	bool stop;
	int result;      /* of the last one */
	bool has_failed; /* one line until one succeeds */
};

static struct pmem_file *file_of(struct pmem_backend *backend)
{
	return (struct pmem_file *)backend;
}

/* What the guest has written behind the end of a file that has become shorter is lost. */
static int flush_now(const struct pmem_file *file)
{
	if (fdatasync(file->fd) < 0)
		return -errno;
	file_memory_mend();
	return file_memory_is_lost(file->host) ? -EIO : 0;
}

static void *flush_thread(void *ctx)
{
	const uint64_t one = 1;
	struct pmem_file *file = ctx;

	pthread_mutex_lock(&file->lock);
	while (!file->stop) {
		int result;

		if (!file->wanted) {
			pthread_cond_wait(&file->wake, &file->lock);
			continue;
		}
		file->wanted = false;
		pthread_mutex_unlock(&file->lock);
		result = flush_now(file);
		pthread_mutex_lock(&file->lock);
		file->result = result;
		(void)!write(file->done.fd, &one, sizeof(one));
	}
	pthread_mutex_unlock(&file->lock);
	return NULL;
}

static void flush(struct pmem_backend *backend)
{
	struct pmem_file *file = file_of(backend);

	pthread_mutex_lock(&file->lock);
	file->wanted = true;
	pthread_cond_signal(&file->wake);
	pthread_mutex_unlock(&file->lock);
}

static void flush_ended(void *ctx, uint32_t events)
{
	struct pmem_file *file = ctx;
	uint64_t count;
	bool is_new;
	int result;

	(void)events;
	if (read(file->done.fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&file->lock);
	result = file->result;
	is_new = result && !file->has_failed;
	file->has_failed = result;
	pthread_mutex_unlock(&file->lock);
	if (is_new)
		log_warn("%s: flush: %s; the guest is told of an error", file->name, strerror(-result));
	file->backend.flushed(file->backend.ctx, result);
}

static void close_file(struct pmem_file *file)
{
	if (file->done.fd >= 0)
		close(file->done.fd);
	if (file->shared_fd >= 0)
		close(file->shared_fd);
	if (file->fd >= 0)
		close(file->fd);
	free(file);
}

static void destroy(struct pmem_backend *backend)
{
	struct pmem_file *file = file_of(backend);

	loop_remove(file->loop, &file->done);
	pthread_mutex_lock(&file->lock);
	file->stop = true;
	pthread_cond_signal(&file->wake);
	pthread_mutex_unlock(&file->lock);
	pthread_join(file->thread, NULL);
	pthread_mutex_destroy(&file->lock);
	pthread_cond_destroy(&file->wake);
	file_memory_remove(file->host);
	close_file(file);
}

static const struct pmem_backend_ops ops = { .flush = flush, .destroy = destroy };

static uint64_t round_up(uint64_t size)
{
	return (size + PMEM_ALIGN - 1) & ~(PMEM_ALIGN - 1);
}

static int open_file(struct pmem_file *file, const char *path, bool read_only, struct err *err)
{
	int flags = (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY;
	struct stat st;
	off_t end;
	int ret;

	/* Looked at before it is opened: a FIFO would wait, and some devices act upon being opened. */
	if (stat(path, &st) < 0)
		return errno == ENOENT
			       ? err_user(
					 err,
					 "%s: there is no %s; truncate -s 1G %s makes an empty file of that size",
					 file->name, path, path)
			       : err_host(err, errno, "%s: %s", file->name, path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_user(err, "%s: %s is %s; persistent memory is a regular file or a block device",
				file->name, path,
				S_ISDIR(st.st_mode) ? "a directory" : "neither a file nor a disk");
	/* As for disks: a block device that the host has mounted is not written by a guest, too. */
	if (S_ISBLK(st.st_mode) && !read_only)
		flags |= O_EXCL;
	file->fd = open(path, flags);
	if (file->fd < 0 && errno == EBUSY)
		return err_host(
			err, EBUSY,
			"%s: %s is in use on this host: mounted, by another VM, or as a part of something",
			file->name, path);
	if (file->fd < 0)
		return err_host(err, errno, "%s: opening %s for %s%s", file->name, path,
				read_only ? "reading" : "writing",
				read_only ? "" : " (a file that may not be written: \"ro\")");
	ret = image_lock(file->fd, path, file->name, read_only, err);
	if (ret < 0)
		return ret;
	end = lseek(file->fd, 0, SEEK_END);
	if (end < 0)
		return err_host(err, errno, "%s: %s", file->name, path);
	if (!end)
		return err_user(err, "%s: %s is empty", file->name, path);
	file->size = (uint64_t)end;
	if (read_only || !(file->size % PMEM_ALIGN))
		return 0;
	return err_user(err,
			"%s: %s has %llu bytes, and guests need a multiple of 2 MiB; make it larger "
			"(truncate -s %lluM), or use it read-only (ro)",
			file->name, path, (unsigned long long)file->size,
			(unsigned long long)(round_up(file->size) >> 20));
}

/* One that cannot be written has none: programs of vhost-user map all memory for writing. */
static int open_shared(struct pmem_file *file, const char *path, struct err *err)
{
	struct stat st, shared;

	file->shared_fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (file->shared_fd < 0 || fstat(file->fd, &st) < 0 || fstat(file->shared_fd, &shared) < 0)
		return err_host(err, errno, "%s: opening %s", file->name, path);
	if (st.st_dev == shared.st_dev && st.st_ino == shared.st_ino)
		return 0;
	return err_host_text(err, "%s: another file has just taken the place of %s", file->name, path);
}

/*
 * The file in the midst of a reservation, at a multiple of PMEM_ALIGN so that the host may use huge pages;
 * what is behind the file's last page stays anonymous memory.
 */
static int map_file(struct pmem_file *file, struct pmem_mapping *map, bool read_only, const char *path,
		    struct err *err)
{
	int prot = read_only ? PROT_READ : PROT_READ | PROT_WRITE;
	uint64_t size = round_up(file->size), before;
	uint8_t *space;

	space = mmap(NULL, size + PMEM_ALIGN, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (space == MAP_FAILED)
		return err_host(err, errno, "%s: address space for %llu MiB", file->name,
				(unsigned long long)(size >> 20));
	before = round_up((uintptr_t)space) - (uintptr_t)space;
	if (before)
		munmap(space, before);
	munmap(space + before + size, PMEM_ALIGN - before);
	space += before;
	if (mmap(space, file->size, prot, MAP_SHARED | MAP_FIXED, file->fd, 0) == MAP_FAILED) {
		bool cannot = errno == EINVAL || errno == ENODEV;
		int ret = err_host(err, errno, "%s: mapping %s%s", file->name, path,
				   cannot ? " (its file system may have no shared mappings)" : "");

		munmap(space, size);
		return ret;
	}
	(void)madvise(space, size, MADV_DONTDUMP);
	*map = (struct pmem_mapping){ .host = space, .size = size, .shared_fd = file->shared_fd };
	file->host = space;
	return 0;
}

static int start(struct pmem_file *file, struct err *err)
{
	int ret = file_memory_add(file->host, file->size, file->fd, file->name, err);

	if (ret < 0)
		return ret;
	ret = loop_add(file->loop, &file->done, EPOLLIN, err);
	if (ret < 0)
		goto fail;
	pthread_mutex_init(&file->lock, NULL);
	pthread_cond_init(&file->wake, NULL);
	ret = thread_start(&file->thread, file->name, flush_thread, file, err);
	if (!ret)
		return 0;
	loop_remove(file->loop, &file->done);
fail:
	file_memory_remove(file->host);
	return ret;
}

int pmem_file_open(struct pmem_backend **out, struct pmem_mapping *map, const char *path, bool read_only,
		   const char *name, struct loop *loop, struct err *err)
{
	struct pmem_file *file = calloc(1, sizeof(*file));
	int ret;

	if (!file)
		return err_host(err, ENOMEM, "%s", path);
	snprintf(file->name, sizeof(file->name), "%s", name);
	file->backend.ops = &ops;
	file->loop = loop;
	file->fd = file->shared_fd = -1;
	file->done = (struct loop_source){
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.ready = flush_ended,
		.ctx = file,
	};
	ret = file->done.fd < 0 ? err_host(err, errno, "eventfd for %s", name) : 0;
	if (!ret)
		ret = open_file(file, path, read_only, err);
	if (!ret && !read_only)
		ret = open_shared(file, path, err);
	if (!ret)
		ret = map_file(file, map, read_only, path, err);
	if (!ret) {
		ret = start(file, err);
		if (ret < 0)
			munmap(map->host, map->size);
	}
	if (ret < 0) {
		close_file(file);
		return ret;
	}
	*out = &file->backend;
	return 0;
}
