// SPDX-License-Identifier: BSD-2-Clause
/*
 * The PMEM device (Virtual I/O Device (VIRTIO) Version 1.2, "PMEM Device"): the window is the guest's to
 * read and write without a word; the one queue has requests to flush.
 *
 * One flush of the host's serves all requests that were there when it began: those in `covered`. What
 * comes meanwhile waits for the next one, because nobody knows whether the one under way has already
 * passed what was written before it.
 */
#include "devices/virtio/pmem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_SIZE 64
#define MAX_IOV    8 /* type and answer are four bytes each */

#define REQUEST_FLUSH 0

/* "Device Operation", the answer. */
#define ANSWER_OK     0u
#define ANSWER_FAILED UINT32_MAX /* -1 */

struct config {
	uint64_t start, size;
};

struct request {
	uint16_t head;
	struct iovec answer[MAX_IOV];
	unsigned int nr_answer;
};

struct pmem {
	struct virtio_device vdev;
	struct pmem_backend *backend;

	/* Guarded by vdev.lock. */
	bool flushing; /* the host is at it: outlasts a reset */
	struct request covered[QUEUE_SIZE], waiting[QUEUE_SIZE];
	unsigned int nr_covered, nr_waiting;
};

static void answer(struct pmem *pmem, const struct request *req, uint32_t value)
{
	size_t len = iov_write(req->answer, req->nr_answer, 0, &value, sizeof(value));

	virtq_push(&pmem->vdev.queue[0], req->head, (uint32_t)len);
}

static void begin(struct pmem *pmem)
{
	if (pmem->flushing || !pmem->nr_waiting)
		return;
	memcpy(pmem->covered, pmem->waiting, pmem->nr_waiting * sizeof(pmem->waiting[0]));
	pmem->nr_covered = pmem->nr_waiting;
	pmem->nr_waiting = 0;
	pmem->flushing = true;
	pmem->backend->ops->flush(pmem->backend);
}

/* True: the request was answered at once. */
static bool accept_request(struct pmem *pmem, const struct virtq_chain *chain)
{
	struct request *req = &pmem->waiting[pmem->nr_waiting];
	uint32_t type = 0;

	req->head = chain->head;
	req->nr_answer = chain->nr_write;
	memcpy(req->answer, chain_in(chain), chain->nr_write * sizeof(req->answer[0]));
	iov_read(chain->iov, chain->nr_read, 0, &type, sizeof(type));
	if (type != REQUEST_FLUSH) {
		answer(pmem, req, ANSWER_FAILED);
		return true;
	}
	pmem->nr_waiting++;
	return false;
}

/*
 * No more requests than the queue holds: a driver that always sends another does not keep the worker. Nor
 * are there ever more than that which were not answered (virtq_pop()).
 */
static void serve(struct pmem *pmem)
{
	struct virtio_device *vdev = &pmem->vdev;
	struct iovec iov[MAX_IOV];
	struct virtq_chain chain = { .iov = iov, .max_iov = MAX_IOV };
	struct virtq *q = &vdev->queue[0];
	unsigned int taken = 0;
	bool answered = false;

	virtq_disable_notify(q);
	do {
		while (virtio_pop(vdev, 0, &chain)) {
			if (chain.read_size < sizeof(uint32_t) || chain.write_size < sizeof(uint32_t)) {
				virtio_broken(vdev, "a request of %llu bytes with room for an answer of %llu",
					      (unsigned long long)chain.read_size,
					      (unsigned long long)chain.write_size);
				return;
			}
			answered |= accept_request(pmem, &chain);
			if (++taken == QUEUE_SIZE) {
				vdev->notify(vdev, 0);
				goto out;
			}
		}
	} while (virtio_is_live(vdev) && virtq_enable_notify(q));
out:
	if (answered)
		virtio_signal(vdev, 0);
	if (virtio_is_live(vdev))
		begin(pmem);
}

static void pmem_kick(struct virtio_device *vdev, unsigned int index)
{
	(void)index;
	serve((struct pmem *)vdev);
}

static void flushed(void *ctx, int result)
{
	struct pmem *pmem = ctx;
	struct virtio_device *vdev = &pmem->vdev;

	pthread_mutex_lock(&vdev->lock);
	pmem->flushing = false;
	if (virtio_is_live(vdev)) {
		/* None, if the driver has reset the device meanwhile. */
		for (unsigned int i = 0; i < pmem->nr_covered; i++)
			answer(pmem, &pmem->covered[i], result ? ANSWER_FAILED : ANSWER_OK);
		if (pmem->nr_covered)
			virtio_signal(vdev, 0);
		pmem->nr_covered = 0;
		begin(pmem);
	}
	pthread_mutex_unlock(&vdev->lock);
}

static void pmem_reset(struct virtio_device *vdev)
{
	struct pmem *pmem = (struct pmem *)vdev;

	pmem->nr_covered = pmem->nr_waiting = 0;
}

static void pmem_destroy(struct virtio_device *vdev)
{
	struct pmem *pmem = (struct pmem *)vdev;

	pmem->backend->ops->destroy(pmem->backend);
	virtio_finish(vdev);
	free(pmem);
}

static const struct virtio_class pmem_class = {
	.name = "virtio-pmem",
	.id = VIRTIO_ID_PMEM,
	.kick = pmem_kick,
	.reset = pmem_reset,
	.destroy = pmem_destroy,
};

int virtio_pmem_create(struct virtio_device **out, const struct guest_mem *mem, const char *name,
		       uint64_t base, uint64_t size, struct pmem_backend *backend, struct err *err)
{
	const struct config config = { .start = base, .size = size };
	struct pmem *pmem = calloc(1, sizeof(*pmem));
	int ret;

	if (!pmem)
		return err_host(err, ENOMEM, "%s", name);
	ret = virtio_init(&pmem->vdev, &pmem_class, mem, name, 0, 1, QUEUE_SIZE, sizeof(config), err);
	if (ret < 0) {
		free(pmem);
		return ret;
	}
	memcpy(pmem->vdev.config, &config, sizeof(config));
	pmem->vdev.shm = (struct virtio_shm){ .id = 0, .base = base, .size = size };
	pmem->backend = backend;
	backend->flushed = flushed;
	backend->ctx = pmem;
	*out = &pmem->vdev;
	return 0;
}
