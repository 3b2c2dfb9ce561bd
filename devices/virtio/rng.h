/* SPDX-License-Identifier: BSD-2-Clause */
/* The entropy device: random bytes of the host's for the guest, so many in a second. */
#ifndef VIREO_DEVICES_VIRTIO_RNG_H
#define VIREO_DEVICES_VIRTIO_RNG_H

#include <stddef.h>
#include <stdint.h>

#include "devices/clock.h"
#include "devices/virtio/virtio.h"

/* Where the bytes come from. */
struct rng_source {
	/* Fills up to `len` bytes (at least 1) of buf; returns how many; 0: the host has none. Never blocks. */
	size_t (*fill)(void *ctx, void *buf, size_t len);
	void *ctx;
};

/*
 * Creates the device, to be owned by the caller. It gives `rate` bytes a second at most, and a second's
 * worth at once; 0: as fast as the guest asks. The clock and the source outlive the device. 0 or -ENOMEM.
 */
int virtio_rng_create(struct virtio_device **out, const struct guest_mem *mem, const char *name,
		      const struct rng_source *source, uint32_t rate, struct clock *clock, struct err *err);

#endif
