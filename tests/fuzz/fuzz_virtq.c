// SPDX-License-Identifier: BSD-2-Clause
/*
 * The virtqueue and the virtio-mmio slot themselves, under a model that does little with what it takes: it
 * writes back what it reads, at once, in batches or later, and looks at every buffer it is given.
 */
#include "tests/fuzz/virtio_fuzz.h"

#define QUEUES  3
#define MAX_IOV 12
#define BATCH   4

enum mode {
	AT_ONCE,
	BATCHED,
	HELD,
	TWICE, /* put back and taken again */
	MODES,
};

struct held {
	uint16_t head[VIRTQ_MAX_SIZE];
	unsigned int count;
};

struct model {
	struct virtio_device vdev;
	enum mode mode;
	struct iovec iov[MAX_IOV];
	struct held held[QUEUES];
	bool active;
};

/* Each buffer lies in one piece of guest memory, one that may be written if it is to be. */
static void check_buffer(const struct iovec *iov, bool write)
{
	const struct vfuzz_piece *piece = vfuzz_piece_of(iov->iov_base, iov->iov_len);

	must(iov->iov_len > 0);
	must(piece && !(write && piece->read_only));
}

static void check_chain(const struct virtq *q, const struct virtq_chain *chain)
{
	unsigned int count = chain->nr_read + chain->nr_write;

	must(chain->head < q->size && count > 0 && count <= chain->max_iov);
	for (unsigned int i = 0; i < count; i++)
		check_buffer(&chain->iov[i], i >= chain->nr_read);
	must(iov_size(chain->iov, chain->nr_read) == chain->read_size);
	must(iov_size(chain_in(chain), chain->nr_write) == chain->write_size);
	must((uint16_t)(q->next_avail - q->next_used) <= q->size);
}

/* What is in the buffers to read goes into those to write, as far as there is room. */
static uint32_t echo(const struct virtq_chain *chain)
{
	uint8_t bounce[64];
	uint64_t done = 0;
	size_t part;

	do {
		part = iov_read(chain->iov, chain->nr_read, done, bounce, sizeof(bounce));
		part = iov_write(chain_in(chain), chain->nr_write, done, bounce, part);
		done += part;
	} while (part && done < 1024);
	must(done <= chain->read_size && done <= chain->write_size);
	return (uint32_t)done;
}

/* Slices of a chain are what they are of: the last bytes, and no more. */
static void check_slices(const struct virtq_chain *chain)
{
	unsigned int count = chain->nr_read + chain->nr_write, nr;
	uint64_t size = chain->read_size + chain->write_size, half = size / 2;
	struct iovec part[MAX_IOV];

	nr = iov_slice(chain->iov, count, half, size - half, part, MAX_IOV);
	must(nr > 0 && iov_size(part, nr) == size - half);
	must((uint8_t *)part[nr - 1].iov_base + part[nr - 1].iov_len ==
	     (uint8_t *)chain->iov[count - 1].iov_base + chain->iov[count - 1].iov_len);
	must(!iov_slice(chain->iov, count, half, size - half + 1, part, MAX_IOV));
}

static bool pop(struct model *m, unsigned int index, struct virtq_chain *chain)
{
	struct virtq *q = &m->vdev.queue[index];
	uint16_t head;

	if (!virtio_pop(&m->vdev, index, chain))
		return false;
	if (m->mode == TWICE) {
		head = chain->head;
		virtq_unpop(q, 1);
		must(virtio_pop(&m->vdev, index, chain) && chain->head == head);
	}
	check_chain(q, chain);
	check_slices(chain);
	return true;
}

static void kick(struct virtio_device *vdev, unsigned int index)
{
	struct model *m = (struct model *)vdev;
	struct virtq *q = &vdev->queue[index];
	struct held *held = &m->held[index];
	struct virtq_chain chain = { .iov = m->iov, .max_iov = MAX_IOV };
	unsigned int batch = 0;

	must(m->active && virtio_is_live(vdev) && q->ready);
	do {
		virtq_disable_notify(q);
		while (pop(m, index, &chain)) {
			if (m->mode == HELD) {
				must(held->count < q->size);
				held->head[held->count++] = chain.head;
			} else if (m->mode == BATCHED) {
				virtq_fill(q, batch++, chain.head, echo(&chain));
				if (batch == BATCH) {
					virtq_flush(q, batch);
					batch = 0;
				}
			} else {
				virtq_push(q, chain.head, echo(&chain));
			}
		}
	} while (virtq_enable_notify(q));
	virtq_flush(q, batch);
	virtio_signal(vdev, index);
}

static void activate(struct virtio_device *vdev)
{
	((struct model *)vdev)->active = true;
}

static void reset(struct virtio_device *vdev)
{
	struct model *m = (struct model *)vdev;

	m->active = false;
	for (unsigned int i = 0; i < QUEUES; i++)
		m->held[i].count = 0;
}

static void write_config(struct virtio_device *vdev, unsigned int offset, const void *data, unsigned int len)
{
	must((len == 1 || len == 2 || len == 4) && offset + len <= vdev->config_size);
	memcpy(vdev->config + offset, data, len);
}

static void destroy(struct virtio_device *vdev)
{
	virtio_finish(vdev);
	free(vdev);
}

static const struct virtio_class class = {
	.name = "virtio-fuzz",
	.id = VIRTIO_ID_ENTROPY,
	.write_config = write_config,
	.activate = activate,
	.kick = kick,
	.reset = reset,
	.destroy = destroy,
};

static void create(struct vfuzz *v)
{
	struct model *m = calloc(1, sizeof(*m));
	uint16_t size = (uint16_t)(1u << take_below(&v->in, 11));
	struct err err;

	must(m);
	m->mode = take_below(&v->in, MODES);
	must(virtio_init(&m->vdev, &class, &v->mem, "fuzz one", 0xff, QUEUES, size, 13, &err) == 0);
	m->vdev.shm = (struct virtio_shm){ .id = 1, .base = 1ULL << 40, .size = 1 << 20 };
	v->vdev = &m->vdev;
}

/* What was held comes back; the configuration changes; the backend is lost. */
static void outside(struct vfuzz *v)
{
	struct model *m = (struct model *)v->vdev;
	uint8_t how = (uint8_t)take(&v->in, 1);

	pthread_mutex_lock(&m->vdev.lock);
	m->mode = how % MODES;
	for (unsigned int i = 0; i < QUEUES; i++) {
		struct held *held = &m->held[i];

		while (held->count && (how & 0x40))
			virtq_push(&m->vdev.queue[i], held->head[--held->count], 0);
		virtio_signal(&m->vdev, i);
	}
	if (how & 0x80)
		virtio_config_changed(&m->vdev);
	if ((how & 0x3c) == 0x3c)
		virtio_broken(&m->vdev, "lost");
	pthread_mutex_unlock(&m->vdev.lock);
}

/* A driver that keeps the rules is never told that it does not, unless it sends more than a chain may be. */
static void probe(struct vfuzz *v)
{
	struct model *m = (struct model *)v->vdev;
	char in[8];
	uint32_t written;

	m->mode = AT_ONCE;
	for (unsigned int i = 0; i < QUEUES; i++) {
		must(vfuzz_ask(v, i, "hello", 5, in, sizeof(in), &written));
		must(written == 5 && !memcmp(in, "hello", 5));
	}
	must(vfuzz_is_live(v));
}

static const struct vfuzz_target target = {
	.create = create,
	.outside = outside,
	.probe = probe,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return vfuzz_one(&target, data, size);
}
