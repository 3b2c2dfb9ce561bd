// SPDX-License-Identifier: BSD-2-Clause
/*
 * The memory balloon (Virtual I/O Device (VIRTIO) Version 1.2, "Traditional Memory Balloon Device").
 *
 * What the driver puts into the inflate queue, and what it reports to be free, is given back to the host
 * at once. Nothing has to be done for it to have a page again: touching it is enough. So the deflate
 * queue is only answered, and VIRTIO_BALLOON_F_MUST_TELL_HOST is not offered.
 */
#include "devices/virtio/balloon.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LOG_AREA AREA_VIRTIO
#include "kvm/log.h"

/* "Feature bits". */
#define F_STATS_VQ       (1ULL << 1)
#define F_DEFLATE_ON_OOM (1ULL << 2)
#define F_PAGE_REPORTING (1ULL << 5)

/* "Device configuration layout": two numbers of pages. */
enum {
	CONFIG_NUM_PAGES = 0, /* asked for; the driver's to read */
	CONFIG_ACTUAL = 4,    /* given; the driver's to write */
	CONFIG_SIZE = 8,
};

/*
 * "Virtqueues". Number 3 is for free page hints, which are not offered here. A driver that numbers only
 * the queues it uses, as Linux 6.1 does, has its reports there, so both take reports.
 */
enum {
	QUEUE_INFLATE = 0,
	QUEUE_DEFLATE = 1,
	QUEUE_STATS = 2,
	QUEUE_REPORTING = 4,
};

#define QUEUE_SIZE 128 /* Linux reports only if 32 ranges find room */

/* Page numbers that are taken together, sorted and joined to ranges. */
#define PIECE 1024

/*
 * Pages, ranges and chains that are dealt with before others get their turn: a driver may put all of
 * its memory into one chain, many times over.
 */
#define TURN 4096u

/* "Memory Statistics": of each a tag and a value, packed. */
#define STAT_SIZE  10
#define MOST_STATS 32

struct balloon {
	struct virtio_device vdev;
	struct balloon_host host;
	struct clock *clock;
	uint32_t stats_interval; /* s */

	/* Under vdev.lock. */
	uint64_t inflated; /* bytes of the first chain of the inflate queue that are dealt with */
	uint64_t released; /* bytes, since the start */
	bool failure_is_logged;
	bool stats_held;  /* the driver's buffer for statistics is ours until we ask again */
	bool stats_asked; /* and an answer has not come yet */
	uint16_t stats_head;
	struct clock_timer stats_timer; /* armed while the buffer is held */
	uint32_t known;
	uint64_t stat[BALLOON_STATS];
};

static uint32_t config_get(const struct balloon *b, unsigned int offset)
{
	uint32_t value;

	memcpy(&value, b->vdev.config + offset, sizeof(value));
	return value;
}

static void config_set(struct balloon *b, unsigned int offset, uint32_t value)
{
	memcpy(b->vdev.config + offset, &value, sizeof(value));
}

static void release(struct balloon *b, void *addr, size_t len)
{
	ssize_t ret = b->host.release(b->host.ctx, addr, len);

	if (ret >= 0) {
		b->released += (uint64_t)ret;
	} else if (ret == -EFAULT) {
		log_debug_once("%s: pages that are not RAM, ignored", b->vdev.name);
	} else if (!b->failure_is_logged) {
		b->failure_is_logged = true;
		log_warn("%s: memory cannot be given back to the host: %s", b->vdev.name,
			 strerrordesc_np((int)-ret));
	}
}

/* --- the queues of pages. Each returns whether the chain is finished, and takes from `turn` --- */

static int by_address(const void *a, const void *b)
{
	const uint8_t *const *x = a, *const *y = b;

	return (*x > *y) - (*x < *y);
}

/* Releases pages at those host addresses, neighbours together. */
static void release_pages(struct balloon *b, uint8_t **page, size_t count)
{
	size_t first = 0;

	qsort(page, count, sizeof(*page), by_address);
	for (size_t i = 1; i <= count; i++) {
		/* The same page twice is no gap. */
		if (i < count && (size_t)(page[i] - page[i - 1]) <= BALLOON_PAGE)
			continue;
		release(b, page[first], (size_t)(page[i - 1] - page[first]) + BALLOON_PAGE);
		first = i;
	}
}

static bool inflate(struct balloon *b, const struct virtq_chain *chain, unsigned int *turn)
{
	uint32_t number[PIECE];
	uint8_t *page[PIECE];
	size_t most = *turn < PIECE ? *turn : PIECE, got, count = 0;

	got = iov_read(chain->iov, chain->nr_read, b->inflated, number, most * sizeof(*number)) /
	      sizeof(*number);
	for (size_t i = 0; i < got; i++) {
		page[count] = guest_mem_ptr_write(b->vdev.mem, (uint64_t)number[i] * BALLOON_PAGE,
						  BALLOON_PAGE);
		count += page[count] != NULL;
	}
	if (count < got)
		log_debug_once("%s: page numbers that are not RAM, ignored", b->vdev.name);
	if (count)
		release_pages(b, page, count);
	*turn -= (unsigned int)got;
	b->inflated += got * sizeof(*number);
	if (b->inflated + sizeof(*number) <= chain->read_size)
		return false;
	b->inflated = 0;
	return true;
}

static bool deflate(struct balloon *b, const struct virtq_chain *chain, unsigned int *turn)
{
	(void)b;
	(void)chain;
	(void)turn;
	return true;
}

/* "Free Page Reporting": the buffers that the device may write are the free pages. */
static bool take_report(struct balloon *b, const struct virtq_chain *chain, unsigned int *turn)
{
	for (unsigned int i = 0; i < chain->nr_write; i++)
		if (chain_in(chain)[i].iov_len)
			release(b, chain_in(chain)[i].iov_base, chain_in(chain)[i].iov_len);
	*turn -= chain->nr_write < *turn ? chain->nr_write : *turn;
	return true;
}

static void serve_pages(struct balloon *b, unsigned int index,
			bool (*handle)(struct balloon *, const struct virtq_chain *, unsigned int *turn))
{
	struct iovec iov[QUEUE_SIZE];
	struct virtq_chain chain = { .iov = iov, .max_iov = QUEUE_SIZE };
	struct virtq *q = &b->vdev.queue[index];
	unsigned int turn = TURN;
	bool any = false;

	virtq_disable_notify(q);
	do {
		while (turn && virtio_pop(&b->vdev, index, &chain)) {
			turn--;
			if (!handle(b, &chain, &turn)) {
				virtq_unpop(q, 1);
				continue;
			}
			virtq_push(q, chain.head, 0);
			any = true;
		}
	} while (turn && virtio_is_live(&b->vdev) && virtq_enable_notify(q));
	if (any)
		virtio_signal(&b->vdev, index);
	if (!turn)
		b->vdev.notify(&b->vdev, index);
}

/* --- statistics: the driver's one buffer is kept until new ones are wanted --- */

static unsigned int mib(uint64_t bytes)
{
	return (unsigned int)(bytes >> 20);
}

static void log_stats(const struct balloon *b)
{
	log_info("%s: %u MiB of %u MiB given; the guest has %u MiB in all, %u MiB available, %u MiB free",
		 b->vdev.name, mib((uint64_t)config_get(b, CONFIG_ACTUAL) * BALLOON_PAGE),
		 mib((uint64_t)config_get(b, CONFIG_NUM_PAGES) * BALLOON_PAGE), mib(b->stat[BALLOON_TOTAL]),
		 mib(b->stat[BALLOON_AVAILABLE]), mib(b->stat[BALLOON_FREE]));
}

static void read_stats(struct balloon *b, const struct virtq_chain *chain)
{
	uint8_t raw[MOST_STATS * STAT_SIZE];
	size_t len = iov_read(chain->iov, chain->nr_read, 0, raw, sizeof(raw));

	for (size_t at = 0; at + STAT_SIZE <= len; at += STAT_SIZE) {
		uint16_t tag;

		memcpy(&tag, raw + at, sizeof(tag));
		if (tag >= BALLOON_STATS)
			continue;
		memcpy(&b->stat[tag], raw + at + sizeof(tag), sizeof(b->stat[tag]));
		b->known |= 1u << tag;
	}
}

static void serve_stats(struct balloon *b)
{
	struct iovec iov[QUEUE_SIZE];
	struct virtq_chain chain = { .iov = iov, .max_iov = QUEUE_SIZE };

	if (b->stats_held || !virtio_pop(&b->vdev, QUEUE_STATS, &chain))
		return;
	read_stats(b, &chain);
	b->stats_head = chain.head;
	b->stats_held = true;
	if (b->stats_asked)
		log_stats(b);
	b->stats_asked = false;
	if (b->stats_interval)
		clock_timer_set(b->clock, &b->stats_timer,
				clock_monotonic(b->clock) + b->stats_interval * NSEC_PER_SEC);
}

/* Time for new ones: the buffer goes back, and comes again filled. */
static void on_stats_timer(void *ctx)
{
	struct balloon *b = ctx;
	struct virtq *q = &b->vdev.queue[QUEUE_STATS];

	pthread_mutex_lock(&b->vdev.lock);
	if (virtio_is_live(&b->vdev) && b->stats_held) {
		b->stats_held = false;
		b->stats_asked = true;
		/* Before it has the buffer: what it notifies of is the next one. It may have sent more than that one. */
		if (virtq_enable_notify(q))
			b->vdev.notify(&b->vdev, QUEUE_STATS);
		virtq_push(q, b->stats_head, 0);
		virtio_signal(&b->vdev, QUEUE_STATS);
	}
	pthread_mutex_unlock(&b->vdev.lock);
}

/* --- the class --- */

static void balloon_kick(struct virtio_device *vdev, unsigned int index)
{
	struct balloon *b = (struct balloon *)vdev;

	if (index == QUEUE_INFLATE)
		serve_pages(b, index, inflate);
	else if (index == QUEUE_DEFLATE)
		serve_pages(b, index, deflate);
	else if (index == QUEUE_STATS && virtio_has(vdev, F_STATS_VQ))
		serve_stats(b);
	else if (virtio_has(vdev, F_PAGE_REPORTING))
		serve_pages(b, index, take_report);
}

static void balloon_write_config(struct virtio_device *vdev, unsigned int offset, const void *data,
				 unsigned int len)
{
	for (unsigned int i = 0; i < len; i++)
		if (offset + i >= CONFIG_ACTUAL)
			vdev->config[offset + i] = ((const uint8_t *)data)[i];
}

static void balloon_reset(struct virtio_device *vdev)
{
	struct balloon *b = (struct balloon *)vdev;

	clock_timer_set(b->clock, &b->stats_timer, CLOCK_NEVER);
	b->inflated = 0;
	b->stats_held = b->stats_asked = false;
	b->known = 0;
	config_set(b, CONFIG_ACTUAL, 0);
}

static void balloon_destroy(struct virtio_device *vdev)
{
	balloon_reset(vdev);
	virtio_finish(vdev);
	free(vdev);
}

static const struct virtio_class balloon_class = {
	.name = "virtio-balloon",
	.id = VIRTIO_ID_BALLOON,
	.write_config = balloon_write_config,
	.kick = balloon_kick,
	.reset = balloon_reset,
	.destroy = balloon_destroy,
};

int virtio_balloon_create(struct virtio_device **out, const struct guest_mem *mem, const char *name,
			  const struct balloon_setup *setup, struct err *err)
{
	uint64_t features = F_STATS_VQ | (setup->deflate_on_oom ? F_DEFLATE_ON_OOM : 0) |
			    (setup->reporting ? F_PAGE_REPORTING : 0);
	struct balloon *b = calloc(1, sizeof(*b));
	int ret;

	if (!b)
		return err_host(err, ENOMEM, "%s", name);
	ret = virtio_init(&b->vdev, &balloon_class, mem, name, features,
			  (setup->reporting ? QUEUE_REPORTING : QUEUE_STATS) + 1, QUEUE_SIZE, CONFIG_SIZE,
			  err);
	if (ret < 0) {
		free(b);
		return ret;
	}
	b->host = setup->host;
	b->clock = setup->clock;
	b->stats_interval = setup->stats_interval;
	b->stats_timer = (struct clock_timer){ .fire = on_stats_timer, .ctx = b, .deadline = CLOCK_NEVER };
	config_set(b, CONFIG_NUM_PAGES, (uint32_t)(setup->target / BALLOON_PAGE));
	*out = &b->vdev;
	return 0;
}

void balloon_set_target(struct virtio_device *vdev, uint64_t bytes)
{
	struct balloon *b = (struct balloon *)vdev;

	pthread_mutex_lock(&vdev->lock);
	config_set(b, CONFIG_NUM_PAGES, (uint32_t)(bytes / BALLOON_PAGE));
	virtio_config_changed(vdev);
	pthread_mutex_unlock(&vdev->lock);
}

void balloon_get_info(struct virtio_device *vdev, struct balloon_info *info)
{
	struct balloon *b = (struct balloon *)vdev;

	pthread_mutex_lock(&vdev->lock);
	info->target = (uint64_t)config_get(b, CONFIG_NUM_PAGES) * BALLOON_PAGE;
	info->actual = (uint64_t)config_get(b, CONFIG_ACTUAL) * BALLOON_PAGE;
	info->released = b->released;
	info->known = b->known;
	memcpy(info->stat, b->stat, sizeof(info->stat));
	pthread_mutex_unlock(&vdev->lock);
}
