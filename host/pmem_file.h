/* SPDX-License-Identifier: BSD-2-Clause */
/* The host side of a PMEM device: a file or block device, mapped. */
#ifndef VIREO_HOST_PMEM_FILE_H
#define VIREO_HOST_PMEM_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio/pmem.h"
#include "host/loop.h"
#include "kvm/err.h"

/* What Linux needs begin and size of such a window to be multiples of (memremap_compat_align()). */
#define PMEM_ALIGN (2ULL << 20)

/* The mapping, for the guest. Owned by the caller, who unmaps it after the backend is destroyed. */
struct pmem_mapping {
	void *host;    /* at a multiple of PMEM_ALIGN */
	uint64_t size; /* bytes, a multiple of PMEM_ALIGN */
	int shared_fd; /* what another process can map for the same; -1 with read_only. The backend's */
};

/*
 * Maps the file and starts the thread that flushes it; `loop` is where the end of a flush is told.
 * `read_only`: nothing can be written, and what is missing to a multiple of PMEM_ALIGN reads as zeroes;
 * else the file's size must be one. `name` is for log lines: "pmem root". 0; -EINVAL for a file that
 * cannot be used; or another negative errno; with a line in `err` that begins with the name. -EBUSY: another VM has the file. Both outputs are
 * the caller's; the backend goes by its destroy().
 */
int pmem_file_open(struct pmem_backend **out, struct pmem_mapping *map, const char *path, bool read_only,
		   const char *name, struct loop *loop, struct err *err);

#endif
