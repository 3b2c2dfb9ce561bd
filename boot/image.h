/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file to load: random access to its bytes, whatever kind of file it is. Short reads and EINTR
 * are dealt with here.
 */
#ifndef VIREO_BOOT_IMAGE_H
#define VIREO_BOOT_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvm/err.h"

struct image {
	const char *path; /* for messages; not owned */
	const char *what; /* "kernel" or "initrd", for messages */
	int fd;           /* -1: the bytes are in `data` */
	uint8_t *data;    /* owned; pipes and decompressed images */
	uint64_t size;    /* bytes */
};

/*
 * Opens `path`. What is no regular file is read to its end, at most `max` bytes. A directory, an
 * unreadable or an empty file is err_user. On failure there is nothing to close.
 */
int image_open(struct image *img, const char *what, const char *path, uint64_t max, struct err *err);

/* Closes; a zeroed or closed image is fine. */
void image_close(struct image *img);

/*
 * Reads exactly [offset, offset + len) to `dst`. A range beyond the end is err_user ("truncated"),
 * a failing read err_host.
 */
int image_read(const struct image *img, uint64_t offset, void *dst, uint64_t len, struct err *err);

/*
 * While files are read, `progress` is called now and then, at least once a second also when a pipe gives nothing:
 * `done` of `size` bytes (0: not known) of the `what` at `path` are there. False: reading fails with -ECANCELED.
 * NULL: nothing is called. For the process as a whole; it is called in the thread that reads.
 */
typedef bool image_progress(void *ctx, const char *what, const char *path, uint64_t done, uint64_t size);
void image_set_progress(image_progress *progress, void *ctx);

#endif
