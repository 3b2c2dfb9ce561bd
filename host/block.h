/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Raw disk images: a file or a block device as a struct blockdev. Requests go through io_uring, or
 * through threads where that is not permitted; they come back in the event loop's thread.
 */
#ifndef VIREO_HOST_BLOCK_H
#define VIREO_HOST_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/blockdev.h"
#include "host/loop.h"
#include "kvm/err.h"

enum block_cache {
	BLOCK_CACHE_WRITEBACK, /* the host's page cache; a flush is an fdatasync() */
	BLOCK_CACHE_NONE,      /* O_DIRECT; a flush is an fdatasync() */
	BLOCK_CACHE_UNSAFE,    /* the host's page cache; a flush does nothing, nor is any write waited for */
};

enum block_aio {
	BLOCK_AIO_AUTO, /* io_uring, or threads where the host does not permit that */
	BLOCK_AIO_URING,
	BLOCK_AIO_THREADS,
};

struct block_options {
	const char *name; /* "disk root": of log lines and errors; copied, as is `path` */
	const char *path;
	bool read_only;
	enum block_cache cache;
	enum block_aio aio;
	uint32_t
		block_size; /* bytes, the logical block of the disk: a power of two of at least 512; 0: the host's */
};

/*
 * Opens an image and locks it: for itself if it is to be written, together with others that read if not.
 * 0 or a negative errno with a line that begins with opt->name. `loop` must outlive the disk.
 */
int block_open(struct blockdev **out, const struct block_options *opt, struct loop *loop, struct err *err);

/*
 * The image may have another size now: the loop's thread looks, and tells the model if so. Any thread. For
 * changes that nobody tells of; a program that closes the image after it has written to it does.
 */
void host_block_resized(struct blockdev *bd);

/*
 * Makes the image's file `size` bytes long, and the model is told, as above. -EINVAL with a line where that would cut
 * something off, is no whole number of sectors, or the image is read-only or no file (a block device is resized
 * by other means: then a call with the size that it has tells the model at once); or what the host says. Any thread.
 */
int host_block_grow(struct blockdev *bd, uint64_t size, struct err *err);

#endif
