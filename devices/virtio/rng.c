// SPDX-License-Identifier: BSD-2-Clause
/*
 * The entropy device (Virtual I/O Device (VIRTIO) Version 1.2, "Entropy Device"): one queue of buffers to
 * fill.
 *
 * The rate is limited by a token bucket that holds a second's worth. It is kept as one moment: what was
 * given until now is paid for by the time that passes until `paid`. A request for which time has not
 * passed yet waits in its queue. A reset does not change that moment.
 */
#include "devices/virtio/rng.h"

#include <errno.h>
#include <stdlib.h>

#define QUEUE_SIZE 64

/* "It MAY use less than the entire buffer": this much for a request, however large. */
#define MOST_BYTES 4096u

struct rng {
	struct virtio_device vdev;
	struct rng_source source;
	struct clock *clock;
	uint32_t rate; /* bytes a second; 0: any */

	uint64_t paid;            /* monotonic ns; under vdev.lock */
	struct clock_timer timer; /* armed while a request waits for its time */
};

/* When `bytes` more may be given, and have been paid for if they are. */
static uint64_t when_paid(const struct rng *rng, uint64_t now, uint64_t bytes)
{
	uint64_t full = now > NSEC_PER_SEC ? now - NSEC_PER_SEC : 0;

	if (!rng->rate)
		return 0;
	return (rng->paid > full ? rng->paid : full) + (bytes * NSEC_PER_SEC + rng->rate - 1) / rng->rate;
}

/* Fills one request. False: it cannot be now, and remains in the queue. */
static bool fill(struct rng *rng, struct virtq_chain *chain)
{
	struct virtq *q = &rng->vdev.queue[0];
	uint64_t now = clock_monotonic(rng->clock), when;
	uint8_t buf[MOST_BYTES];
	size_t len = chain->write_size < sizeof(buf) ? (size_t)chain->write_size : sizeof(buf);

	if (rng->rate && len > rng->rate)
		len = rng->rate; /* the bucket never holds more */
	when = when_paid(rng, now, len);
	if (when > now) {
		virtq_unpop(q, 1);
		clock_timer_set(rng->clock, &rng->timer, when);
		return false;
	}
	if (len) {
		len = rng->source.fill(rng->source.ctx, buf, len);
		if (!len) {
			virtio_broken(&rng->vdev, "the host gives no random bytes");
			return false;
		}
	}
	rng->paid = when_paid(rng, now, len);
	virtq_push(q, chain->head, (uint32_t)iov_write(chain_in(chain), chain->nr_write, 0, buf, len));
	return true;
}

/*
 * As many requests as the queue can hold, then others get their turn: a driver that always asks again
 * does not keep the worker. With the lock held.
 */
static void serve(struct rng *rng)
{
	struct iovec iov[QUEUE_SIZE];
	struct virtq_chain chain = { .iov = iov, .max_iov = QUEUE_SIZE };
	struct virtq *q = &rng->vdev.queue[0];
	unsigned int filled = 0;

	virtq_disable_notify(q);
	do {
		while (virtio_pop(&rng->vdev, 0, &chain)) {
			if (!fill(rng, &chain))
				goto out;
			if (++filled == QUEUE_SIZE) {
				rng->vdev.notify(&rng->vdev, 0);
				goto out;
			}
		}
	} while (virtio_is_live(&rng->vdev) && virtq_enable_notify(q));
out:
	if (filled)
		virtio_signal(&rng->vdev, 0);
}

static void rng_kick(struct virtio_device *vdev, unsigned int index)
{
	(void)index;
	serve((struct rng *)vdev);
}

static void on_timer(void *ctx)
{
	struct rng *rng = ctx;

	virtio_kick(&rng->vdev, 0);
}

static void rng_reset(struct virtio_device *vdev)
{
	struct rng *rng = (struct rng *)vdev;

	clock_timer_set(rng->clock, &rng->timer, CLOCK_NEVER);
}

static void rng_destroy(struct virtio_device *vdev)
{
	rng_reset(vdev);
	virtio_finish(vdev);
	free(vdev);
}

static const struct virtio_class rng_class = {
	.name = "virtio-rng",
	.id = VIRTIO_ID_ENTROPY,
	.kick = rng_kick,
	.reset = rng_reset,
	.destroy = rng_destroy,
};

int virtio_rng_create(struct virtio_device **out, const struct guest_mem *mem, const char *name,
		      const struct rng_source *source, uint32_t rate, struct clock *clock, struct err *err)
{
	struct rng *rng = calloc(1, sizeof(*rng));
	int ret;

	if (!rng)
		return err_host(err, ENOMEM, "%s", name);
	ret = virtio_init(&rng->vdev, &rng_class, mem, name, 0, 1, QUEUE_SIZE, 0, err);
	if (ret < 0) {
		free(rng);
		return ret;
	}
	rng->source = *source;
	rng->clock = clock;
	rng->rate = rate;
	rng->timer = (struct clock_timer){ .fire = on_timer, .ctx = rng, .deadline = CLOCK_NEVER };
	*out = &rng->vdev;
	return 0;
}
