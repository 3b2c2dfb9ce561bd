// SPDX-License-Identifier: BSD-2-Clause
/*
 * The split virtqueue (Virtual I/O Device (VIRTIO) Version 1.2, "Split Virtqueues"). All of it is
 * little-endian, as is every architecture that we run on.
 *
 * The driver is another CPU that writes while we read. Four places need an order, and each has its other
 * half in the driver ("Notification suppression" and "Supplying Buffers to The Device" tell what it does):
 *
 *   (A) the available index is loaded (acquire) before what it announces: entry, descriptors, buffers.
 *       The driver writes those first, then the index behind a write barrier.
 *   (B) used entries and buffers are written before the used index is stored (release). The driver reads
 *       the index first, then them behind a read barrier.
 *   (C) the used index is stored, then a full fence, then used_event (or the available ring's flags) is
 *       loaded. The driver stores used_event, then a full fence, then looks at the used index once more.
 *       One of the two sees the other: no interrupt is lost.
 *   (D) avail_event (or the used ring's flags) is stored, then a full fence, then the available index is
 *       loaded. The driver stores its index, then a full fence, then looks at avail_event. The same.
 */
#include "devices/virtio/queue.h"

#include <errno.h>
#include <string.h>

#define AVAIL_F_NO_INTERRUPT 1
#define USED_F_NO_NOTIFY     1

/* Places in the two rings, as elements of 16 bits: flags, index, `size` entries, event. */
enum {
	RING_FLAGS = 0,
	RING_INDEX = 1,
	RING_ENTRIES = 2,
};

struct used_entry {
	uint32_t id;
	uint32_t len;
};

#define USED_ENTRY_WORDS (sizeof(struct used_entry) / sizeof(uint16_t))

static uint16_t load(const uint16_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void store(uint16_t *word, uint16_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* The driver's: up to where it wants no interrupt. */
static const uint16_t *used_event(const struct virtq *q)
{
	return q->avail_area + RING_ENTRIES + q->size;
}

/* Ours: up to where we want no notification. */
static uint16_t *avail_event(const struct virtq *q)
{
	return q->used_area + RING_ENTRIES + q->size * USED_ENTRY_WORDS;
}

/* --- the queue --- */

void virtq_init(struct virtq *q, const struct guest_mem *mem, uint16_t max_size)
{
	*q = (struct virtq){ .mem = mem, .max_size = max_size, .size = max_size };
}

void virtq_reset(struct virtq *q)
{
	virtq_init(q, q->mem, q->max_size);
}

static int malformed(struct virtq *q, const char *problem)
{
	q->problem = problem;
	q->halted = true;
	return -EPROTO;
}

/* "Virtqueues", the table of alignments and sizes; both rings with their event field. */
int virtq_start(struct virtq *q)
{
	uint64_t desc_len = (uint64_t)q->size * sizeof(struct virtq_desc);
	uint64_t avail_len = (RING_ENTRIES + q->size + 1ULL) * sizeof(uint16_t);
	uint64_t used_len = (RING_ENTRIES + q->size * USED_ENTRY_WORDS + 1ULL) * sizeof(uint16_t);
	const void *desc, *avail;
	void *used;

	if (!q->size || q->size > q->max_size || (q->size & (q->size - 1)))
		return malformed(q, "its size is not a power of two up to the maximum");
	if (q->desc % sizeof(struct virtq_desc) || q->avail % sizeof(uint16_t) || q->used % sizeof(uint32_t))
		return malformed(q, "an area is not aligned");

	desc = guest_mem_ptr_read(q->mem, q->desc, desc_len);
	avail = guest_mem_ptr_read(q->mem, q->avail, avail_len);
	used = guest_mem_ptr_write(q->mem, q->used, used_len);
	if (!desc || !avail || !used)
		return malformed(q, "an area does not lie in guest memory");

	q->desc_area = desc;
	q->avail_area = avail;
	q->used_area = used;
	q->next_avail = q->next_used = q->unsignalled = 0;
	q->ready = true;
	q->halted = false;
	return 0;
}

bool virtq_has_work(const struct virtq *q)
{
	return q->ready && !q->halted && load(&q->avail_area[RING_INDEX]) != q->next_avail;
}

/* --- taking a chain --- */

/* A table of descriptors: that of the queue, or an indirect one. */
struct table {
	const struct virtq_desc *desc;
	uint32_t count; /* at least 1 */
	uint32_t limit; /* how many of them a chain may have */
	bool indirect;
};

/* The one look at a descriptor: what the driver does to it from now on goes unseen. */
static struct virtq_desc copy_descriptor(const struct virtq_desc *shared)
{
	struct virtq_desc desc;

	memcpy(&desc, shared, sizeof(desc)); /* an indirect table is not always aligned */
	/* Or the compiler could load a field from there again instead of keeping the copy. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return desc;
}

/*
 * "Indirect Descriptors". A chain may not be longer than the queue, but drivers in use build indirect
 * tables that are when a queue is small: the bound for those is the longest queue there can be.
 */
static int enter_indirect(struct virtq *q, struct table *table, const struct virtq_desc *desc)
{
	if (!q->indirect)
		return malformed(q, "an indirect descriptor, which was not negotiated");
	if (table->indirect)
		return malformed(q, "an indirect descriptor in an indirect table");
	if (desc->flags & VIRTQ_DESC_F_NEXT)
		return malformed(q, "an indirect descriptor that has a next one");
	if (!desc->len || desc->len % sizeof(*desc))
		return malformed(q, "an indirect table whose length is not a multiple of 16, or 0");

	table->desc = guest_mem_ptr_read(q->mem, desc->addr, desc->len);
	if (!table->desc)
		return malformed(q, "an indirect table that does not lie in guest memory");
	table->count = desc->len / (uint32_t)sizeof(*desc);
	table->limit = table->count < VIRTQ_MAX_SIZE ? table->count : VIRTQ_MAX_SIZE;
	table->indirect = true;
	return 0;
}

static int add_buffer(struct virtq *q, struct virtq_chain *chain, const struct virtq_desc *desc)
{
	bool write = desc->flags & VIRTQ_DESC_F_WRITE;
	uint64_t *size = write ? &chain->write_size : &chain->read_size;
	unsigned int at = chain->nr_read + chain->nr_write;
	/* The model only reads from what the device may only read. */
	void *host = write ? guest_mem_ptr_write(q->mem, desc->addr, desc->len)
			   : (void *)(uintptr_t)guest_mem_ptr_read(q->mem, desc->addr, desc->len);

	if (!desc->len)
		return malformed(q, "a buffer of no bytes");
	if (!host)
		return malformed(q, "a buffer that does not lie in guest memory");
	if (!write && chain->nr_write)
		return malformed(q, "a buffer to read behind one to write");
	if (at == chain->max_iov)
		return malformed(q, "a chain of more buffers than the device takes");
	if (*size + desc->len > UINT32_MAX)
		return malformed(q, "a chain of 4 GiB or more");

	chain->iov[at] = (struct iovec){ .iov_base = host, .iov_len = desc->len };
	*size += desc->len;
	if (write)
		chain->nr_write++;
	else
		chain->nr_read++;
	return 0;
}

static int walk(struct virtq *q, struct virtq_chain *chain)
{
	struct table table = { .desc = q->desc_area, .count = q->size, .limit = q->size };
	uint32_t index = chain->head;
	int ret;

	for (uint32_t seen = 0;;) {
		struct virtq_desc desc;

		if (index >= table.count)
			return malformed(q, table.indirect
						    ? "a descriptor beyond the end of its indirect table"
						    : "a descriptor beyond the end of the table");
		if (seen++ == table.limit)
			return malformed(q, "a chain longer than the queue or its table: a loop");
		desc = copy_descriptor(&table.desc[index]);

		if (desc.flags & VIRTQ_DESC_F_INDIRECT) {
			ret = enter_indirect(q, &table, &desc);
			index = seen = 0;
		} else {
			ret = add_buffer(q, chain, &desc);
			index = desc.next;
		}
		if (ret < 0)
			return ret;
		if (!(desc.flags & (VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_INDIRECT)))
			return 1;
	}
}

int virtq_pop(struct virtq *q, struct virtq_chain *chain)
{
	uint16_t available;
	int ret;

	if (!q->ready || q->halted)
		return 0;
	available = __atomic_load_n(&q->avail_area[RING_INDEX], __ATOMIC_ACQUIRE); /* (A) */
	if (available == q->next_avail)
		return 0;
	/*
	 * A chain has a descriptor at least: there are never more of them than the queue is long, neither
	 * waiting nor with those that were taken and not given back. That bounds what a device has in flight.
	 */
	if ((uint16_t)(available - q->next_avail) > q->size || (uint16_t)(available - q->next_used) > q->size)
		return malformed(q, "more available chains than the queue is long");

	chain->head = load(&q->avail_area[RING_ENTRIES + (q->next_avail & (q->size - 1))]);
	chain->nr_read = chain->nr_write = 0;
	chain->read_size = chain->write_size = 0;
	ret = walk(q, chain);
	if (ret > 0)
		q->next_avail++;
	return ret;
}

void virtq_unpop(struct virtq *q, unsigned int count)
{
	if (q->ready)
		q->next_avail -= (uint16_t)count;
}

/* --- giving back --- */

void virtq_fill(struct virtq *q, unsigned int ahead, uint16_t head, uint32_t written)
{
	uint16_t slot = (uint16_t)(q->next_used + ahead) & (q->size - 1);
	struct used_entry entry = { .id = head, .len = written };

	if (q->ready)
		memcpy(q->used_area + RING_ENTRIES + slot * USED_ENTRY_WORDS, &entry, sizeof(entry));
}

void virtq_flush(struct virtq *q, unsigned int count)
{
	unsigned int unsignalled = q->unsignalled + count;

	if (!q->ready)
		return;
	q->next_used += (uint16_t)count;
	q->unsignalled = unsignalled < UINT16_MAX ? (uint16_t)unsignalled : UINT16_MAX;
	__atomic_store_n(&q->used_area[RING_INDEX], q->next_used, __ATOMIC_RELEASE); /* (B) */
}

void virtq_push(struct virtq *q, uint16_t head, uint32_t written)
{
	virtq_fill(q, 0, head, written);
	virtq_flush(q, 1);
}

/* --- notifications --- */

bool virtq_wants_interrupt(struct virtq *q)
{
	uint16_t pushed = q->unsignalled;

	if (!q->ready || !pushed)
		return false;
	q->unsignalled = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* (C) */
	if (!q->event_idx)
		return !(load(&q->avail_area[RING_FLAGS]) & AVAIL_F_NO_INTERRUPT);
	/*
	 * The driver waits for the entry after its event: is it among the last `pushed`? As distances. If those
	 * are all that 16 bits can tell apart, only the one that comes next is not.
	 */
	return (uint16_t)(q->next_used - load(used_event(q)) - 1) < pushed;
}

void virtq_disable_notify(struct virtq *q)
{
	/* With EVENT_IDX the driver tells once for each avail_event: it stays quiet until there is a new one. */
	if (q->ready && !q->event_idx)
		store(&q->used_area[RING_FLAGS], USED_F_NO_NOTIFY);
}

bool virtq_enable_notify(struct virtq *q)
{
	if (!q->ready)
		return false;
	if (q->event_idx)
		store(avail_event(q), q->next_avail);
	else
		store(&q->used_area[RING_FLAGS], 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* (D) */
	return virtq_has_work(q);
}

/* --- buffers --- */

/*
 * Finds the piece of at most `len` bytes at `*at`, which is taken off the elements until it lies in one;
 * NULL behind the last.
 */
static uint8_t *piece(const struct iovec **iov, unsigned int *count, uint64_t *at, uint64_t *len)
{
	for (; *count; (*iov)++, (*count)--) {
		if (*at < (*iov)->iov_len) {
			if (*len > (*iov)->iov_len - *at)
				*len = (*iov)->iov_len - *at;
			return (uint8_t *)(*iov)->iov_base + *at;
		}
		*at -= (*iov)->iov_len;
	}
	return NULL;
}

size_t iov_read(const struct iovec *iov, unsigned int count, uint64_t offset, void *dst, size_t len)
{
	size_t done = 0;

	while (done < len) {
		uint64_t part = len - done;
		const uint8_t *src = piece(&iov, &count, &offset, &part);

		if (!src)
			break;
		memcpy((uint8_t *)dst + done, src, part);
		done += part;
		offset += part;
	}
	return done;
}

/* Copies from `src`, or zeroes if that is NULL. */
static size_t fill(const struct iovec *iov, unsigned int count, uint64_t offset, const void *src, size_t len)
{
	size_t done = 0;

	while (done < len) {
		uint64_t part = len - done;
		uint8_t *dst = piece(&iov, &count, &offset, &part);

		if (!dst)
			break;
		if (src)
			memcpy(dst, (const uint8_t *)src + done, part);
		else
			memset(dst, 0, part);
		done += part;
		offset += part;
	}
	return done;
}

size_t iov_write(const struct iovec *iov, unsigned int count, uint64_t offset, const void *src, size_t len)
{
	return fill(iov, count, offset, src, len);
}

size_t iov_zero(const struct iovec *iov, unsigned int count, uint64_t offset, size_t len)
{
	return fill(iov, count, offset, NULL, len);
}

uint64_t iov_size(const struct iovec *iov, unsigned int count)
{
	uint64_t size = 0;

	for (unsigned int i = 0; i < count; i++)
		size += iov[i].iov_len;
	return size;
}

unsigned int iov_slice(const struct iovec *iov, unsigned int count, uint64_t offset, uint64_t len,
		       struct iovec *part, unsigned int max)
{
	unsigned int nr = 0;

	while (len) {
		uint64_t size = len;
		uint8_t *base = piece(&iov, &count, &offset, &size);

		if (!base || nr == max)
			return 0;
		part[nr++] = (struct iovec){ .iov_base = base, .iov_len = size };
		len -= size;
		offset += size;
	}
	return nr;
}
