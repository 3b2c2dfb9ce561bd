// SPDX-License-Identifier: BSD-2-Clause
#include "host/vhost_user_lost.h"

#include <stdlib.h>
#include <string.h>

#define MAX_IOV 1024 /* of one chain: no driver in use makes longer ones */

/* VIRTIO 1.2, "Block Device", "Device Operation": what a request begins with, and ends with. */
#define BLK_S_IOERR   1
#define BLK_LAST_TYPE 14 /* VIRTIO_BLK_T_SECURE_ERASE */

struct blk_header {
	uint32_t type, reserved;
	uint64_t sector;
};

/* "File System Device", "Device Operation": what requests and answers of FUSE begin with. */
#define FUSE_EIO (-5)

struct fuse_in {
	uint32_t len, opcode;
	uint64_t unique;
	uint64_t nodeid;
	uint32_t uid, gid, pid, padding;
};

struct fuse_out {
	uint32_t len;
	int32_t error;
	uint64_t unique;
};

static bool read_fuse(const struct virtq_chain *chain, struct fuse_in *in)
{
	return iov_read(chain->iov, chain->nr_read, 0, in, sizeof(*in)) == sizeof(*in) && in->unique &&
	       in->len == chain->read_size;
}

static bool is_blk(const struct virtq_chain *chain)
{
	struct blk_header header;

	return iov_read(chain->iov, chain->nr_read, 0, &header, sizeof(header)) == sizeof(header) &&
	       header.type <= BLK_LAST_TYPE && chain->write_size &&
	       chain_in(chain)[chain->nr_write - 1].iov_len == 1;
}

/* Writes the answer "I/O error", and no more; returns the bytes. */
static uint32_t refuse(enum virtio_id id, const struct virtq_chain *chain)
{
	const struct iovec *iov = chain_in(chain);
	struct fuse_out out = { .len = sizeof(out), .error = FUSE_EIO };
	const uint8_t ioerr = BLK_S_IOERR;
	struct fuse_in in;

	if (id == VIRTIO_ID_FS && chain->write_size && read_fuse(chain, &in)) {
		out.unique = in.unique;
		return (uint32_t)iov_write(iov, chain->nr_write, 0, &out, sizeof(out));
	}
	if (id == VIRTIO_ID_BLOCK && chain->write_size) {
		iov_write(iov, chain->nr_write, chain->write_size - 1, &ioerr, sizeof(ioerr));
		return (uint32_t)chain->write_size;
	}
	return 0;
}

/* What is received by a network card stays with the driver's buffers: there is nothing more to come. */
static bool is_for_input(const struct virtio_device *vdev, unsigned int index)
{
	return vdev->class->id == VIRTIO_ID_NET && index % 2 == 0;
}

/* --- what was on its way --- */

enum progress {
	NO_REQUEST,
	PENDING,
	BEGUN, /* an answer to it was begun, and maybe given back */
};

/*
 * How far is the request? One of FUSE shows it, if there is room for an answer; of others it is only certain that they
 * look like requests.
 */
static enum progress progress_of(enum virtio_id id, const struct virtq_chain *chain)
{
	struct fuse_out out;
	struct fuse_in in;

	switch (id) {
	case VIRTIO_ID_FS:
		if (!read_fuse(chain, &in))
			return NO_REQUEST;
		if (!chain->write_size)
			return PENDING;
		if (iov_read(chain_in(chain), chain->nr_write, 0, &out, sizeof(out)) != sizeof(out))
			return NO_REQUEST;
		return out.unique == in.unique ? BEGUN : PENDING;
	case VIRTIO_ID_BLOCK:
		return is_blk(chain) ? PENDING : NO_REQUEST;
	default:
		return PENDING;
	}
}

/* What the two rings say of a descriptor. */
struct history {
	uint16_t ago; /* how far before index `used` it was last given back; 0: farther than the ring tells */
	int16_t balance; /* how much oftener it was made available than given back, from the same index on */
	bool is_seen;
};

static void note_history(const struct virtq *q, uint16_t available, uint16_t used, struct history *history)
{
	uint16_t common = q->size - (uint16_t)(available - used); /* used entries from that index on */

	for (uint16_t back = q->size; back; back--) {
		uint16_t at_avail = (uint16_t)(available - back) & (q->size - 1);
		uint16_t at_used = (uint16_t)(used - back) & (q->size - 1);
		uint16_t made = __atomic_load_n(&q->avail_area[2 + at_avail], __ATOMIC_RELAXED);
		uint16_t given = __atomic_load_n(&q->used_area[2 + 4 * at_used], __ATOMIC_RELAXED);

		if (made < q->size)
			history[made].balance++;
		if (given >= q->size)
			continue;
		history[given].ago = back;
		if (back <= common)
			history[given].balance--;
	}
}

/*
 * The chains between the indices `used` and `available` of the two rings are without an answer, if all were
 * answered in their order. If not, some of those are answered and some before are not. So: from the youngest
 * back, as many as there must be of those that may be pending. A descriptor that the available ring tells of
 * twice is that of the later chain; one that was given back at an index not below its own is answered.
 *
 * virtiofsd writes the beginning of an answer, reads the file, and then gives the request back. Those that it had
 * begun so are told from those that the driver has back by how often the rings have their descriptors. What the driver
 * has back may be anything by now and must not be written to: they count only if the sum is right.
 *
 * Fills in their places in the available ring; returns how many were found.
 */
static unsigned int find_pending(enum virtio_id id, struct virtq *q, uint16_t available, uint16_t used,
				 struct iovec *iov, uint16_t *found)
{
	struct virtq_chain chain = { .iov = iov, .max_iov = MAX_IOV };
	unsigned int count = (uint16_t)(available - used), n = 0, nr_begun = 0;
	struct history history[VIRTQ_MAX_SIZE] = { 0 };
	uint16_t begun[VIRTQ_MAX_SIZE];

	note_history(q, available, used, history);
	for (unsigned int back = 1; back <= q->size && n < count; back++) {
		uint16_t at = (uint16_t)(available - back);
		enum progress progress;
		struct history *h;

		q->next_avail = q->next_used = at;
		if (virtq_pop(q, &chain) != 1) {
			q->halted = false; /* long answered, and something else now */
			continue;
		}
		h = &history[chain.head];
		if (h->is_seen)
			continue;
		h->is_seen = true;
		if (h->ago && (int16_t)(used - h->ago - at) >= 0)
			continue;
		progress = progress_of(id, &chain);
		if (progress == PENDING)
			found[n++] = at;
		else if (progress == BEGUN && h->balance > 0)
			begun[nr_begun++] = at;
	}
	if (n + nr_begun == count) {
		memcpy(found + n, begun, nr_begun * sizeof(*begun));
		n = count;
	}
	return n;
}

void vhost_user_lost_take(struct virtio_device *vdev, unsigned int index)
{
	struct virtq *q = &vdev->queue[index];
	uint16_t available = __atomic_load_n(&q->avail_area[1], __ATOMIC_ACQUIRE);
	uint16_t used = __atomic_load_n(&q->used_area[1], __ATOMIC_ACQUIRE);
	struct iovec *iov = calloc(MAX_IOV, sizeof(*iov));
	unsigned int n = 0;
	struct virtq_chain chain = { .iov = iov, .max_iov = MAX_IOV };
	uint16_t found[VIRTQ_MAX_SIZE];

	if (iov && !is_for_input(vdev, index) && (uint16_t)(available - used) <= q->size)
		n = find_pending(vdev->class->id, q, available, used, iov, found);
	q->next_used = used;
	while (n) {
		/* Taken once more, and looked at once more: the guest may have changed it. */
		uint16_t at = found[--n], next_used = q->next_used;
		bool taken;

		q->next_avail = q->next_used = at;
		taken = virtq_pop(q, &chain) == 1;
		q->halted = false;
		q->next_used = next_used;
		if (taken)
			virtq_push(q, chain.head, refuse(vdev->class->id, &chain));
	}
	q->next_avail = available;
	free(iov);

	/* What the back end has done may wait for an interrupt, and may have been told to nobody. */
	vdev->transport->interrupt(vdev, VIRTIO_INT_USED);
	if (!is_for_input(vdev, index))
		vhost_user_lost_kick(vdev, index);
}

/* A queueful at most, as long as the driver sends more: then it is the turn of what else the worker has to do. */
void vhost_user_lost_kick(struct virtio_device *vdev, unsigned int index)
{
	struct virtq *q = &vdev->queue[index];
	unsigned int left = q->size;
	struct iovec *iov;
	struct virtq_chain chain;

	if (is_for_input(vdev, index))
		return;
	iov = calloc(MAX_IOV, sizeof(*iov));
	if (!iov)
		return;
	chain = (struct virtq_chain){ .iov = iov, .max_iov = MAX_IOV };
	do {
		for (; left && virtio_pop(vdev, index, &chain); left--)
			virtq_push(q, chain.head, refuse(vdev->class->id, &chain));
	} while (left && virtio_is_live(vdev) && virtq_enable_notify(q));
	virtio_signal(vdev, index);
	if (!left)
		vdev->notify(vdev, index);
	free(iov);
}
