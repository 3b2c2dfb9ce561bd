/* SPDX-License-Identifier: BSD-2-Clause */
/* The PMEM device: a window of memory that lasts, and requests to make what was written to it last. */
#ifndef VIREO_DEVICES_VIRTIO_PMEM_H
#define VIREO_DEVICES_VIRTIO_PMEM_H

#include <stdint.h>

#include "devices/virtio/virtio.h"

/*
 * What stands behind the window. The model calls the operations with its own lock held; the host side
 * calls the model back from the event loop's thread of the device, with none of its own locks held.
 */
struct pmem_backend;

struct pmem_backend_ops {
	/*
	 * Begins to put everything that was written before onto stable storage; flushed() follows. Never
	 * blocks. The model has one flush under way at a time.
	 */
	void (*flush)(struct pmem_backend *backend);
	void (*destroy)(struct pmem_backend *backend); /* may wait for a flush that is under way */
};

struct pmem_backend {
	const struct pmem_backend_ops *ops;

	/* Set by the model in its create(). */
	void (*flushed)(void *ctx, int result); /* 0 or a negative errno */
	void *ctx;
};

/*
 * Creates the device, to be owned by the caller, which shows the window at [base, base + size) of
 * guest-physical addresses. The backend is owned by the device from then on, unless this fails: -ENOMEM.
 */
int virtio_pmem_create(struct virtio_device **out, const struct guest_mem *mem, const char *name,
		       uint64_t base, uint64_t size, struct pmem_backend *backend, struct err *err);

#endif
