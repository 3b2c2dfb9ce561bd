/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The split virtqueue, device side (Virtual I/O Device (VIRTIO) Version 1.2, "Split Virtqueues").
 *
 * What the driver writes is hostile: each descriptor is copied once, then checked, then used; every
 * buffer is bounded against guest memory; a chain has a bounded length. What breaks the format's rules
 * is -EPROTO with the cause as text, for virtio_broken() to tell; nothing else comes of it.
 *
 * Not for several threads: whoever owns the queue has a lock around every call (struct virtio_device).
 */
#ifndef VIREO_DEVICES_VIRTIO_QUEUE_H
#define VIREO_DEVICES_VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "devices/guestmem.h"

#define VIRTQ_MAX_SIZE 1024 /* descriptors; the most that any device here offers */

/* "The Virtqueue Descriptor Table": flags of a descriptor. */
#define VIRTQ_DESC_F_NEXT     1
#define VIRTQ_DESC_F_WRITE    2
#define VIRTQ_DESC_F_INDIRECT 4

struct virtq_desc {
	uint64_t addr; /* guest-physical */
	uint32_t len;  /* bytes */
	uint16_t flags;
	uint16_t next;
};

struct virtq {
	const struct guest_mem *mem;

	/* What the driver chose; constant while the queue is ready. */
	uint16_t size;     /* descriptors: a power of two, at most `max_size`, which it is at first */
	uint16_t max_size; /* constant */
	uint64_t desc, avail, used; /* guest-physical addresses of the three areas */
	bool ready;
	bool halted; /* its ring is malformed or its device broken: there is nothing to take any more */
	bool event_idx, indirect; /* negotiated features */

	/* Host addresses of the areas, whole lengths checked; NULL: not ready. */
	const struct virtq_desc *desc_area;
	const uint16_t *avail_area;
	uint16_t *used_area;

	uint16_t next_avail;  /* the next entry of the available ring to take; free-running */
	uint16_t next_used;   /* the next entry of the used ring to fill; free-running */
	uint16_t unsignalled; /* pushed since virtq_wants_interrupt(); 65535: so many or more */
	const char *problem;  /* what -EPROTO was about: one phrase, a constant text */
};

/*
 * One descriptor chain. The caller provides iov[] of `max_iov` elements; a chain that needs more is
 * malformed (devices offer limits in their configuration so that it cannot happen by accident). The
 * buffers the device may read come first, then those it may write: iov[0 .. nr_read) and
 * iov[nr_read .. nr_read + nr_write). They point into guest memory, which may change at any time.
 */
struct virtq_chain {
	struct iovec *iov;
	unsigned int max_iov;

	uint16_t head; /* index of the first descriptor: what virtq_push() gives back */
	unsigned int nr_read, nr_write;
	uint64_t read_size, write_size; /* bytes, at most 2^32 - 1 each */
};

/* Sets up a queue that is not ready, whose driver may choose up to `max_size` descriptors. */
void virtq_init(struct virtq *q, const struct guest_mem *mem, uint16_t max_size);

/* Back to the state after virtq_init(). */
void virtq_reset(struct virtq *q);

/*
 * Makes the queue ready: checks size, alignment and that the areas lie in guest memory. -EPROTO with
 * q->problem if not. The features must be set before.
 */
int virtq_start(struct virtq *q);

/*
 * Whether the driver has made chains available that were not taken. False if the queue is not ready or
 * halted: a loop that takes chains while there is work comes to its end.
 */
bool virtq_has_work(const struct virtq *q);

/* Takes the next chain. 1, 0 if there is none, or -EPROTO, which halts the queue. */
int virtq_pop(struct virtq *q, struct virtq_chain *chain);

/* Gives back the last `count` chains that were taken and not pushed, as if virtq_pop() had not been called. */
void virtq_unpop(struct virtq *q, unsigned int count);

/*
 * Puts chain `head` into the used ring, `written` bytes of it filled from the first writable byte on.
 * If the queue is not ready any more (the driver has stopped it), nothing happens.
 * virtq_push() shows it to the driver at once. Several may be filled in by virtq_fill(), each at
 * `ahead` (0, 1, ...) places behind what the driver sees, and then shown together by virtq_flush().
 */
void virtq_push(struct virtq *q, uint16_t head, uint32_t written);
void virtq_fill(struct virtq *q, unsigned int ahead, uint16_t head, uint32_t written);
void virtq_flush(struct virtq *q, unsigned int count);

/*
 * Whether the driver wants an interrupt for what has been pushed since this was last asked ("Used Buffer
 * Notification Suppression"). To be asked once after a batch of pushes.
 */
bool virtq_wants_interrupt(struct virtq *q);

/*
 * "Available Buffer Notification Suppression". While a queue is worked on, notifications are off;
 * virtq_enable_notify() turns them on and returns true if there is work that came before the driver
 * could know: then it is to be taken, or nobody will tell of it.
 */
void virtq_disable_notify(struct virtq *q);
bool virtq_enable_notify(struct virtq *q);

/* --- buffers of a chain, or of a part of one --- */

/* Copies up to `len` bytes from / to the buffers, beginning `offset` bytes in; returns how many. */
size_t iov_read(const struct iovec *iov, unsigned int count, uint64_t offset, void *dst, size_t len);
size_t iov_write(const struct iovec *iov, unsigned int count, uint64_t offset, const void *src, size_t len);

/* Fills up to `len` bytes with zeroes; returns how many. */
size_t iov_zero(const struct iovec *iov, unsigned int count, uint64_t offset, size_t len);

/* Bytes of all buffers together. */
uint64_t iov_size(const struct iovec *iov, unsigned int count);

/*
 * Makes `part` (room for `max` elements) the `len` bytes that begin `offset` bytes in; returns how many
 * elements, or 0 if there are not so many bytes or elements.
 */
unsigned int iov_slice(const struct iovec *iov, unsigned int count, uint64_t offset, uint64_t len,
		       struct iovec *part, unsigned int max);

/* The buffers of a chain that the device may read, or write. */
static inline const struct iovec *chain_in(const struct virtq_chain *chain)
{
	return chain->iov + chain->nr_read;
}

#endif
