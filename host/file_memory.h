/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files that are mapped into the guest, and what happens when another program makes one shorter, or the host
 * cannot read it any more. A thread of this program that touches what is missing gets SIGBUS, the guest makes
 * KVM_RUN fail with -EFAULT. Here that is mended: the guest finds memory with zeroes in the place of what
 * is missing, and everything goes on. What it writes there is lost, as file_memory_is_lost() tells.
 */
#ifndef VIREO_HOST_FILE_MEMORY_H
#define VIREO_HOST_FILE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm/err.h"

#define FILE_MEMORY_MAX 32 /* mappings at a time */

/*
 * Watches over the first `size` bytes at `host`, on a page, which are a shared mapping of the file `fd` from its
 * beginning; `name` is for a log line. The descriptor must stay open. 0, or -ENOSPC with a line in `err`: too
 * many. From the first call on SIGBUS is handled here.
 */
int file_memory_add(void *host, uint64_t size, int fd, const char *name, struct err *err);
void file_memory_remove(const void *host);

/*
 * Looks for files that have become shorter and mends them. How many times something was mended since the
 * program began. For a vCPU after -EFAULT: if that is more than it was, trying again helps. Any thread.
 */
unsigned int file_memory_mend(void);

/*
 * Where that does not help: tries whether the host can give what the files have, which reads them, until some is
 * found that it cannot, and mends that; or else, whether it has room for what they do not have yet: the holes.
 * Returns what file_memory_mend() does. This may take long; it is left off when `*give_up` is set. Any thread.
 */
unsigned int file_memory_search(const _Atomic bool *give_up);

/* Whether a part of that mapping is no longer the file's. Any thread. */
bool file_memory_is_lost(const void *host);

#endif
