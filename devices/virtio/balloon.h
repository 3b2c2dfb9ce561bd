/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory balloon: guest memory that the guest does without goes back to the host, because it was asked
 * to (the balloon's size) or because it has pages free (free page reporting).
 */
#ifndef VIREO_DEVICES_VIRTIO_BALLOON_H
#define VIREO_DEVICES_VIRTIO_BALLOON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "devices/clock.h"
#include "devices/virtio/virtio.h"

#define BALLOON_PAGE 4096u /* bytes that a page number stands for, whatever the guest's pages are */

/* Whoever has the guest's memory. Called with the device's lock held. */
struct balloon_host {
	/*
	 * The guest does without [addr, addr + len), which is guest memory and not aligned to anything: what
	 * pages of the host's are in it may be given back, and read as zeroes if the guest touches them
	 * again. Returns the bytes given back, or a negative errno; then the guest's memory is as it was. -EFAULT:
	 * it is not all RAM (persistent memory is no balloon's).
	 */
	ssize_t (*release)(void *ctx, void *addr, size_t len);
	void *ctx;
};

/* "Memory Statistics Tags". */
enum balloon_stat {
	BALLOON_SWAP_IN,      /* bytes */
	BALLOON_SWAP_OUT,     /* bytes */
	BALLOON_MAJOR_FAULTS, /* a count */
	BALLOON_MINOR_FAULTS, /* a count */
	BALLOON_FREE,         /* bytes, and the next ones */
	BALLOON_TOTAL,
	BALLOON_AVAILABLE, /* without swapping */
	BALLOON_CACHES,
	BALLOON_HUGE_ALLOCATED, /* a count */
	BALLOON_HUGE_FAILED,    /* a count */
	BALLOON_STATS,
};

/* What is known of the guest's memory. */
struct balloon_info {
	uint64_t target;   /* bytes that the guest was asked for */
	uint64_t actual;   /* bytes that it says it has given */
	uint64_t released; /* bytes given back to the host since the start, by balloon and reports */
	/* As the guest has told last; `known` has a bit 1 << enum balloon_stat for each value that it told. */
	uint32_t known;
	uint64_t stat[BALLOON_STATS];
};

struct balloon_setup {
	struct balloon_host host;
	struct clock *clock;
	uint64_t target;         /* bytes, a multiple of BALLOON_PAGE, below 2^44 */
	bool deflate_on_oom;     /* the guest may take pages back before it kills processes for memory */
	bool reporting;          /* the guest may tell of free pages */
	uint32_t stats_interval; /* seconds between two questions for statistics; 0: none are asked */
};

/* Creates the device, to be owned by the caller. What `setup` points to outlives it. 0 or -ENOMEM. */
int virtio_balloon_create(struct virtio_device **out, const struct guest_mem *mem, const char *name,
			  const struct balloon_setup *setup, struct err *err);

/* Asks the guest for `bytes` of its memory in all, as in balloon_setup.target. Any thread. */
void balloon_set_target(struct virtio_device *vdev, uint64_t bytes);

/* Any thread. */
void balloon_get_info(struct virtio_device *vdev, struct balloon_info *info);

#endif
