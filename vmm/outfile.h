/* SPDX-License-Identifier: BSD-2-Clause */
/* A file that the user has named for output. What cannot be written whole is not left behind. */
#ifndef VIREO_VMM_OUTFILE_H
#define VIREO_VMM_OUTFILE_H

#include <stdio.h>

#include "kvm/err.h"
#include "vmm/config.h"

struct outfile {
	FILE *file;         /* to be written with stdio, whose errors outfile_close() sees; NULL: not open */
	const char *option; /* that named it, for messages */
	const char *path;   /* not owned */
};

/*
 * Opens and empties it. -EINVAL with a line that names the option, the file and the cause; also for one
 * of `cfg`'s own inputs (kernel, initrd, definition), which is left as it was.
 */
int outfile_open(struct outfile *out, const char *option, const char *path, const struct vm_config *cfg,
		 struct err *err);

/* Has what was written so far reached the file? A negative errno with a line if not. */
int outfile_flush(struct outfile *out, struct err *err);

/* Closes it; on any failure to write, now or before, it is removed if it is a regular file. */
int outfile_close(struct outfile *out, struct err *err);

/*
 * For what is written all at once in the end: could it be? -EINVAL with a line as of outfile_open(); nothing is
 * changed. A FIFO is not asked for its reader, who would take that for the end.
 */
int outfile_check(const char *option, const char *path, const struct vm_config *cfg, struct err *err);

/* The same for what is added to as it comes: a file that is there need not be replaced. */
int outfile_check_append(const char *option, const char *path, const struct vm_config *cfg, struct err *err);

/* Opens it for that, at the end and with O_NONBLOCK: the descriptor, or -EINVAL with a line as of outfile_open(). */
int outfile_open_append(const char *option, const char *path, struct err *err);

/*
 * Writes `len` bytes: a regular file has all of them or is as it was before (a new file takes its place). A negative
 * errno with a line.
 */
int outfile_replace(const char *option, const char *path, const void *bytes, size_t len, struct err *err);

/* Closes it without its end, and removes it if it is a regular file. */
void outfile_discard(struct outfile *out);

#endif
