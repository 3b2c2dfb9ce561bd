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

/* Closes it without its end, and removes it if it is a regular file. */
void outfile_discard(struct outfile *out);

#endif
