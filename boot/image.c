// SPDX-License-Identifier: BSD-2-Clause
#include "boot/image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STREAM_FIRST_ALLOCATION (1u << 20)

#define PIECE       (8u << 20) /* bytes between two reports of how far it is */
#define PATIENCE_MS 1000

static image_progress *progress_fn;
static void *progress_ctx;

void image_set_progress(image_progress *progress, void *ctx)
{
	progress_fn = progress;
	progress_ctx = ctx;
}

/* 0: go on. */
static int tell_progress(const struct image *img, uint64_t done, uint64_t size, struct err *err)
{
	if (!progress_fn || progress_fn(progress_ctx, img->what, img->path, done, size))
		return 0;
	return err_host(err, ECANCELED, "read the %s %s", img->what, img->path);
}

/* Failures that lie in the path the user gave; all others are the host's. */
static bool is_user_mistake(int code)
{
	switch (code) {
	case ENOENT:
	case EACCES:
	case EPERM:
	case ENOTDIR:
	case EISDIR:
	case ELOOP:
	case ENAMETOOLONG:
	case ENXIO:
	case ENODEV:
		return true;
	default:
		return false;
	}
}

static int open_failed(const struct image *img, int code, struct err *err)
{
	if (is_user_mistake(code))
		return err_user(err, "%s %s: %s", img->what, img->path, strerrordesc_np(code));
	return err_host(err, code, "open the %s %s", img->what, img->path);
}

static int too_large(const struct image *img, uint64_t max, struct err *err)
{
	return err_user(err,
			"%s %s: more than %" PRIu64 " MiB, all that the guest's memory could hold; "
			"give the guest more memory (-m)",
			img->what, img->path, max >> 20);
}

static ssize_t read_some(int fd, void *buf, size_t len)
{
	ssize_t n;

	do {
		n = read(fd, buf, len);
	} while (n < 0 && errno == EINTR);
	return n;
}

/* Until there is something to read, or its end. A signal is a reason to ask whether to go on. */
static int wait_for_input(const struct image *img, int fd, struct err *err)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int ret = 0;

	while (!ret && poll(&pfd, 1, progress_fn ? PATIENCE_MS : -1) <= 0)
		ret = tell_progress(img, img->size, 0, err);
	return ret ? ret : tell_progress(img, img->size, 0, err);
}

/* Makes room for more bytes in img->data, one byte over `max` at most: it tells too long from full. */
static int grow(struct image *img, uint64_t *capacity, uint64_t max, struct err *err)
{
	uint64_t wanted = *capacity ? *capacity * 2 : STREAM_FIRST_ALLOCATION;
	uint8_t *data;

	if (wanted > max)
		wanted = max + 1;
	data = realloc(img->data, wanted);
	if (!data)
		return err_host(err, ENOMEM, "read the %s %s", img->what, img->path);
	img->data = data;
	*capacity = wanted;
	return 0;
}

static int read_stream(struct image *img, int fd, uint64_t max, struct err *err)
{
	uint64_t capacity = 0;
	ssize_t n;
	int ret;

	if (max >= SIZE_MAX / 2)
		max = SIZE_MAX / 2 - 1;
	for (;;) {
		if (img->size == capacity) {
			ret = grow(img, &capacity, max, err);
			if (ret)
				return ret;
		}
		ret = wait_for_input(img, fd, err);
		if (ret)
			return ret;
		n = read_some(fd, img->data + img->size, capacity - img->size);
		if (n == 0)
			return 0;
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0 && is_user_mistake(errno))
			return open_failed(img, errno, err);
		if (n < 0)
			return err_host(err, errno, "read the %s %s", img->what, img->path);
		img->size += (uint64_t)n;
		if (img->size > max)
			return too_large(img, max, err);
	}
}

/* Takes over `fd`, or reads it to its end. The caller closes `fd` if img->fd is not set. */
static int take(struct image *img, int fd, uint64_t max, struct err *err)
{
	struct stat st;
	int ret;

	if (fstat(fd, &st) < 0)
		return err_host(err, errno, "stat the %s %s", img->what, img->path);
	if (S_ISDIR(st.st_mode))
		return err_user(err, "%s %s is a directory; give the file itself", img->what, img->path);

	/* Files of no size may still have contents: those of /proc and /sys do. */
	if (S_ISREG(st.st_mode) && st.st_size > 0) {
		img->fd = fd;
		img->size = (uint64_t)st.st_size;
		return 0;
	}
	ret = read_stream(img, fd, max, err);
	if (ret)
		return ret;
	if (img->size == 0)
		return err_user(err, "%s %s is empty", img->what, img->path);
	return 0;
}

int image_open(struct image *img, const char *what, const char *path, uint64_t max, struct err *err)
{
	int fd, ret;

	*img = (struct image){ .path = path, .what = what, .fd = -1 };
	do {
		/* A FIFO is not waited for here, where nothing but a signal would end it. */
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return open_failed(img, errno, err);

	ret = take(img, fd, max, err);
	if (img->fd < 0)
		close(fd);
	if (ret)
		image_close(img);
	return ret;
}

void image_close(struct image *img)
{
	/* A zeroed image has no path: its descriptor 0 is not ours. */
	if (img->path && img->fd >= 0)
		close(img->fd);
	free(img->data);
	*img = (struct image){ .fd = -1 };
}

int image_read(const struct image *img, uint64_t offset, void *dst, uint64_t len, struct err *err)
{
	uint8_t *to = dst;
	uint64_t done = 0;
	int ret;

	if (offset > img->size || len > img->size - offset)
		return err_user(err,
				"%s %s is truncated: %" PRIu64 " bytes at offset %" PRIu64
				" are needed, the file has %" PRIu64 " bytes",
				img->what, img->path, len, offset, img->size);
	if (img->fd < 0) {
		if (len)
			memcpy(dst, img->data + offset, len);
		return 0;
	}
	while (len) {
		ssize_t n = pread(img->fd, to, len < PIECE ? len : PIECE, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_host(err, errno, "read the %s %s", img->what, img->path);
		if (n == 0)
			return err_user(err, "%s %s became shorter while it was read", img->what, img->path);
		to += n;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
		done += (uint64_t)n;
		ret = tell_progress(img, done, done + len, err);
		if (ret)
			return ret;
	}
	return 0;
}
