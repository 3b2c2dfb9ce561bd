/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device in a virtio-mmio slot, with guest memory, and the driver's side of it: what a test of a
 * model needs to be its driver. The worker is the test itself: what was notified is remembered, and
 * vrig_run() does the work.
 *
 *	vrig_init(&v);                                     // memory: v.mem, for the model's create()
 *	model_create(&v.vdev, ..., &v.mem, ...);
 *	vrig_plug(&v);
 *	vrig_start(&v, FEATURE_A);                         // VERSION_1 as well; all queues, DRIVER_OK
 *	struct vrig_buf buf[] = { vrig_out(&v, "abc", 3), vrig_in(&v, 512) };
 *	vrig_send(&v, 0, buf, 2);                          // make available, notify, run
 *	assert_int_equal(vrig_get(&v, 0), 512);            // the used entry: bytes written
 *	... vrig_host(&v, buf[1].addr, 512) ...
 *	assert_int_equal(vrig_interrupts(&v), 1);          // since asked last
 *	vrig_finish(&v);                                   // slot, model and memory
 *
 * Include after <cmocka.h>.
 */
#ifndef VIREO_TESTS_UNIT_VIRTIO_RIG_H
#define VIREO_TESTS_UNIT_VIRTIO_RIG_H

#include <stdlib.h>
#include <sys/mman.h>

#include "devices/classes.h"
#include "devices/guestmem.h"
#include "devices/virtio/virtio.h"
#include "tests/unit/fake.h"

#define VRIG_RAM      0x40000000ULL /* guest-physical */
#define VRIG_RAM_SIZE (4ULL << 20)
#define VRIG_ROM      0x10000000ULL /* a page that the guest cannot write */
#define VRIG_ROM_SIZE 4096ULL
#define VRIG_LINE     16

/* "MMIO Device Register Layout" */
enum {
	V_MAGIC = 0x000,
	V_VERSION = 0x004,
	V_DEVICE_ID = 0x008,
	V_VENDOR_ID = 0x00c,
	V_DEVICE_FEATURES = 0x010,
	V_DEVICE_FEATURES_SEL = 0x014,
	V_DRIVER_FEATURES = 0x020,
	V_DRIVER_FEATURES_SEL = 0x024,
	V_QUEUE_SEL = 0x030,
	V_QUEUE_NUM_MAX = 0x034,
	V_QUEUE_NUM = 0x038,
	V_QUEUE_READY = 0x044,
	V_QUEUE_NOTIFY = 0x050,
	V_INTERRUPT_STATUS = 0x060,
	V_INTERRUPT_ACK = 0x064,
	V_STATUS = 0x070,
	V_QUEUE_DESC_LOW = 0x080,
	V_QUEUE_DRIVER_LOW = 0x090,
	V_QUEUE_DEVICE_LOW = 0x0a0,
	V_SHM_SEL = 0x0ac,
	V_SHM_LEN_LOW = 0x0b0,
	V_SHM_LEN_HIGH = 0x0b4,
	V_SHM_BASE_LOW = 0x0b8,
	V_SHM_BASE_HIGH = 0x0bc,
	V_CONFIG_GENERATION = 0x0fc,
	V_CONFIG = 0x100,
};

/* One buffer of a chain. */
struct vrig_buf {
	uint64_t addr; /* guest-physical */
	uint32_t len;
	bool write; /* by the device */
};

/* The driver's side of a queue. The three areas may be scribbled on by a test at will. */
struct vrig_queue {
	uint16_t size;
	uint64_t desc_addr, avail_addr, used_addr; /* guest-physical */
	struct virtq_desc *desc;
	uint16_t *avail, *used; /* flags, index, entries, event */

	uint16_t next_avail; /* the index of what is available */
	uint16_t seen_used;  /* used entries taken so far */
	uint16_t last_head;  /* of the used entry taken last, as the device gave it back */
	uint16_t nr_free;
	bool busy[VIRTQ_MAX_SIZE];      /* descriptors that the device has */
	uint16_t chain[VIRTQ_MAX_SIZE]; /* how many descriptors of the table belong to that head */
	bool event_idx;
};

struct vrig {
	struct rig rig; /* the slot and its bus; rig.clock for models that need one */
	struct guest_mem mem;
	uint8_t *ram, *rom;
	int ram_fd;         /* 0: nobody else can map the RAM */
	uint64_t allocated; /* bytes of RAM */

	struct virtio_device *vdev; /* set before vrig_plug(); owned from then on */
	struct vrig_queue queue[VIRTIO_MAX_QUEUES];
	unsigned int notified[VIRTIO_MAX_QUEUES]; /* since the queue was kicked last */
	unsigned int interrupts_seen;

	/* What a guest reads in place of the registers. vrig_read() compares. */
	uint32_t page[VIRTIO_MMIO_PAGE / sizeof(uint32_t)];
	bool is_shared; /* registers change while they are read: it takes what the page shows */
};

/* --- memory --- */

/* Host address of guest memory that is there. */
static inline void *vrig_host(const struct vrig *v, uint64_t gpa, uint64_t len)
{
	assert_true(gpa >= VRIG_RAM && gpa - VRIG_RAM <= VRIG_RAM_SIZE &&
		    len <= VRIG_RAM_SIZE - (gpa - VRIG_RAM));
	return v->ram + (gpa - VRIG_RAM);
}

/* Guest memory that nobody has used yet, filled with 0xee, aligned to 4096 if it is long, else to 16. */
static inline uint64_t vrig_alloc(struct vrig *v, uint64_t len)
{
	uint64_t align = len >= 4096 ? 4096 : 16;
	uint64_t at = (v->allocated + align - 1) & ~(align - 1);

	assert_true(at + len <= VRIG_RAM_SIZE);
	v->allocated = at + len;
	memset(v->ram + at, 0xee, len);
	return VRIG_RAM + at;
}

/* A copy of `data` in guest memory. */
static inline uint64_t vrig_put(struct vrig *v, const void *data, uint64_t len)
{
	uint64_t gpa = vrig_alloc(v, len);

	memcpy(vrig_host(v, gpa, len), data, len);
	return gpa;
}

/* A buffer for the device to read, with those bytes, or to write. */
static inline struct vrig_buf vrig_out(struct vrig *v, const void *data, uint32_t len)
{
	return (struct vrig_buf){ .addr = vrig_put(v, data, len), .len = len };
}

static inline struct vrig_buf vrig_in(struct vrig *v, uint32_t len)
{
	return (struct vrig_buf){ .addr = vrig_alloc(v, len), .len = len, .write = true };
}

/* --- registers --- */

static inline uint32_t vrig_read(struct vrig *v, uint64_t reg)
{
	uint32_t shown = __atomic_load_n(&v->page[reg / sizeof(shown)], __ATOMIC_ACQUIRE);
	uint32_t value = (uint32_t)rig_read(&v->rig, reg, 4);

	if (v->is_shared)
		return shown;
	if (value != (uint32_t)rig_unclaimed(4))
		assert_int_equal(shown, value);
	return value;
}

static inline void vrig_write(struct vrig *v, uint64_t reg, uint32_t value)
{
	rig_write(&v->rig, reg, 4, value);
}

/* Both halves of a 64-bit address. */
static inline void vrig_write_address(struct vrig *v, uint64_t reg_low, uint64_t value)
{
	vrig_write(v, reg_low, (uint32_t)value);
	vrig_write(v, reg_low + 4, (uint32_t)(value >> 32));
}

/* Configuration space: up to 8 bytes at any offset that suits the size. */
static inline uint64_t vrig_config(struct vrig *v, unsigned int offset, unsigned int size)
{
	uint64_t value = rig_read(&v->rig, V_CONFIG + offset, size);

	if (!v->is_shared && offset % size == 0)
		assert_memory_equal((uint8_t *)v->page + V_CONFIG + offset, &value, size);
	return value;
}

static inline void vrig_set_config(struct vrig *v, unsigned int offset, unsigned int size, uint64_t value)
{
	rig_write(&v->rig, V_CONFIG + offset, size, value);
}

static inline uint64_t vrig_offered(struct vrig *v)
{
	uint64_t features;

	vrig_write(v, V_DEVICE_FEATURES_SEL, 0);
	features = vrig_read(v, V_DEVICE_FEATURES);
	vrig_write(v, V_DEVICE_FEATURES_SEL, 1);
	return features | (uint64_t)vrig_read(v, V_DEVICE_FEATURES) << 32;
}

/* --- the driver, step by step ("Device Initialization") --- */

/* Resets the device; what the driver knew of queues and notifications is forgotten. */
static inline void vrig_reset(struct vrig *v)
{
	vrig_write(v, V_STATUS, 0);
	memset(v->queue, 0, sizeof(v->queue));
	memset(v->notified, 0, sizeof(v->notified));
}

static inline void vrig_accept(struct vrig *v, uint64_t features)
{
	vrig_write(v, V_DRIVER_FEATURES_SEL, 0);
	vrig_write(v, V_DRIVER_FEATURES, (uint32_t)features);
	vrig_write(v, V_DRIVER_FEATURES_SEL, 1);
	vrig_write(v, V_DRIVER_FEATURES, (uint32_t)(features >> 32));
}

/* Up to FEATURES_OK, after a reset; accepts exactly `features`. Whether the device agreed. */
static inline bool vrig_negotiate(struct vrig *v, uint64_t features)
{
	vrig_reset(v);
	vrig_write(v, V_STATUS, VIRTIO_STATUS_ACKNOWLEDGE);
	vrig_write(v, V_STATUS, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
	vrig_accept(v, features);
	vrig_write(v, V_STATUS, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_FEATURES_OK);
	return vrig_read(v, V_STATUS) & VIRTIO_STATUS_FEATURES_OK;
}

/* Rings of `size` in fresh memory; the device knows nothing of them yet. */
static inline void vrig_make_rings(struct vrig *v, unsigned int index, uint16_t size)
{
	struct vrig_queue *q = &v->queue[index];

	memset(q, 0, sizeof(*q));
	q->size = q->nr_free = size;
	q->desc_addr = vrig_alloc(v, 16ULL * size);
	q->avail_addr = vrig_alloc(v, 6 + 2ULL * size);
	q->used_addr = vrig_alloc(v, 6 + 8ULL * size);
	q->desc = memset(vrig_host(v, q->desc_addr, 16ULL * size), 0, 16ULL * size);
	q->avail = memset(vrig_host(v, q->avail_addr, 6 + 2ULL * size), 0, 6 + 2ULL * size);
	q->used = memset(vrig_host(v, q->used_addr, 6 + 8ULL * size), 0, 6 + 8ULL * size);
	q->event_idx = v->vdev->accepted & VIRTIO_F_EVENT_IDX;
}

/* Tells the device of them. Whether the queue is ready. */
static inline bool vrig_set_queue(struct vrig *v, unsigned int index)
{
	const struct vrig_queue *q = &v->queue[index];

	vrig_write(v, V_QUEUE_SEL, index);
	vrig_write(v, V_QUEUE_NUM, q->size);
	vrig_write_address(v, V_QUEUE_DESC_LOW, q->desc_addr);
	vrig_write_address(v, V_QUEUE_DRIVER_LOW, q->avail_addr);
	vrig_write_address(v, V_QUEUE_DEVICE_LOW, q->used_addr);
	vrig_write(v, V_QUEUE_READY, 1);
	return vrig_read(v, V_QUEUE_READY) == 1;
}

static inline void vrig_queue(struct vrig *v, unsigned int index, uint16_t size)
{
	vrig_make_rings(v, index, size);
	assert_true(vrig_set_queue(v, index));
}

/* The worker. Kicks every queue that was notified until none is; returns how many kicks that took. */
static inline unsigned int vrig_run(struct vrig *v)
{
	unsigned int kicks = 0;
	bool again = true;

	while (again) {
		again = false;
		for (unsigned int i = 0; i < v->vdev->nr_queues; i++) {
			if (!v->notified[i])
				continue;
			v->notified[i] = 0;
			virtio_kick(v->vdev, i);
			kicks++;
			again = true;
		}
	}
	return kicks;
}

static inline void vrig_driver_ok(struct vrig *v)
{
	vrig_write(v, V_STATUS, vrig_read(v, V_STATUS) | VIRTIO_STATUS_DRIVER_OK);
	assert_true(vrig_read(v, V_STATUS) & VIRTIO_STATUS_DRIVER_OK);
	vrig_run(v);
}

/* All of it: VERSION_1 and `features`, every queue of `size` or of what the device allows if that is less. */
static inline void vrig_start_size(struct vrig *v, uint64_t features, uint16_t size)
{
	assert_true(vrig_negotiate(v, features | VIRTIO_F_VERSION_1));
	for (unsigned int i = 0; i < v->vdev->nr_queues; i++) {
		uint16_t max = v->vdev->queue[i].max_size;

		vrig_queue(v, i, size < max ? size : max);
	}
	vrig_driver_ok(v);
}

static inline void vrig_start(struct vrig *v, uint64_t features)
{
	vrig_start_size(v, features, 16);
}

/* --- chains --- */

/* A descriptor that the device does not have; which one is up to the driver. */
static inline uint16_t vrig_take_desc(struct vrig_queue *q)
{
	for (uint16_t i = 0; i < q->size; i++) {
		if (!q->busy[i]) {
			q->busy[i] = true;
			q->nr_free--;
			return i;
		}
	}
	fail_msg("the test has no free descriptor left");
	return 0;
}

/* Puts a chain that lies in the table into the available ring. */
static inline void vrig_make_available(struct vrig *v, unsigned int index, uint16_t head)
{
	struct vrig_queue *q = &v->queue[index];

	q->avail[2 + q->next_avail % q->size] = head;
	q->next_avail++;
	__atomic_store_n(&q->avail[1], q->next_avail, __ATOMIC_RELEASE);
}

/* Adds a chain of `count` buffers, one descriptor of the table for each. Its head. */
static inline uint16_t vrig_add(struct vrig *v, unsigned int index, const struct vrig_buf *buf,
				unsigned int count)
{
	struct vrig_queue *q = &v->queue[index];
	uint16_t head = 0, at, before = 0;

	for (unsigned int i = 0; i < count; i++, before = at) {
		at = vrig_take_desc(q);
		q->desc[at] = (struct virtq_desc){ .addr = buf[i].addr,
						   .len = buf[i].len,
						   .flags = buf[i].write ? VIRTQ_DESC_F_WRITE : 0 };
		if (i) {
			q->desc[before].next = at;
			q->desc[before].flags |= VIRTQ_DESC_F_NEXT;
		} else {
			head = at;
		}
	}
	q->chain[head] = (uint16_t)count;
	vrig_make_available(v, index, head);
	return head;
}

/* The same with the buffers in an indirect table, whose address goes into `*table` (may be NULL). */
static inline uint16_t vrig_add_indirect(struct vrig *v, unsigned int index, const struct vrig_buf *buf,
					 unsigned int count, uint64_t *table)
{
	struct vrig_queue *q = &v->queue[index];
	uint64_t addr = vrig_alloc(v, 16ULL * count);
	struct virtq_desc *desc = vrig_host(v, addr, 16ULL * count);
	uint16_t head = vrig_take_desc(q);

	for (unsigned int i = 0; i < count; i++) {
		desc[i] = (struct virtq_desc){ .addr = buf[i].addr, .len = buf[i].len };
		desc[i].flags = buf[i].write ? VIRTQ_DESC_F_WRITE : 0;
		if (i + 1 < count) {
			desc[i].flags |= VIRTQ_DESC_F_NEXT;
			desc[i].next = (uint16_t)(i + 1);
		}
	}
	q->desc[head] =
		(struct virtq_desc){ .addr = addr, .len = 16 * count, .flags = VIRTQ_DESC_F_INDIRECT };
	q->chain[head] = 1;
	if (table)
		*table = addr;
	vrig_make_available(v, index, head);
	return head;
}

/* Notifies, whether the device wants it or not. */
static inline void vrig_notify(struct vrig *v, unsigned int index)
{
	vrig_write(v, V_QUEUE_NOTIFY, index);
}

/* Whether the device wants to hear of the last `added` chains ("Available Buffer Notification Suppression"). */
static inline bool vrig_is_wanted(const struct vrig *v, unsigned int index, uint16_t added)
{
	const struct vrig_queue *q = &v->queue[index];
	uint16_t event = q->used[2 + 4 * q->size];

	if (!q->event_idx)
		return !(q->used[0] & 1);
	return (uint16_t)(q->next_avail - event - 1) < added;
}

/* Adds a chain, notifies and lets the worker run. */
static inline uint16_t vrig_send(struct vrig *v, unsigned int index, const struct vrig_buf *buf,
				 unsigned int count)
{
	uint16_t head = vrig_add(v, index, buf, count);

	vrig_notify(v, index);
	vrig_run(v);
	return head;
}

/* --- what comes back --- */

/* Used entries that were not taken yet. */
static inline unsigned int vrig_used(const struct vrig *v, unsigned int index)
{
	const struct vrig_queue *q = &v->queue[index];

	return (uint16_t)(__atomic_load_n(&q->used[1], __ATOMIC_ACQUIRE) - q->seen_used);
}

/* Takes the next used entry, which must be there: the bytes that the device has written. */
static inline uint32_t vrig_get(struct vrig *v, unsigned int index)
{
	struct vrig_queue *q = &v->queue[index];
	uint32_t entry[2];
	uint16_t at;

	assert_true(vrig_used(v, index) > 0);
	memcpy(entry, q->used + 2 + 4 * (q->seen_used % q->size), sizeof(entry));
	q->seen_used++;
	assert_true(entry[0] < q->size);
	assert_true(q->busy[entry[0]]); /* the device gives back what it was given, and once */
	at = q->last_head = (uint16_t)entry[0];
	for (uint16_t left = q->chain[at]; left; left--) {
		q->busy[at] = false;
		q->nr_free++;
		at = q->desc[at].next;
	}
	return entry[1];
}

/* With EVENT_IDX: the driver wants an interrupt for the used entry that comes behind `ahead` others. */
static inline void vrig_set_used_event(struct vrig *v, unsigned int index, uint16_t ahead)
{
	struct vrig_queue *q = &v->queue[index];

	q->avail[2 + q->size] = (uint16_t)(q->seen_used + ahead);
}

/* How often the line was raised since this was last asked. */
static inline unsigned int vrig_interrupts(struct vrig *v)
{
	unsigned int new = v->rig.irqchip.raised[VRIG_LINE] - v->interrupts_seen;

	v->interrupts_seen += new;
	return new;
}

/* The driver's interrupt handler up to the acknowledgement: which causes there were. */
static inline uint32_t vrig_ack(struct vrig *v)
{
	uint32_t status = vrig_read(v, V_INTERRUPT_STATUS);

	vrig_write(v, V_INTERRUPT_ACK, status);
	return status;
}

static inline bool vrig_is_broken(struct vrig *v)
{
	return vrig_read(v, V_STATUS) & VIRTIO_STATUS_NEEDS_RESET;
}

/* --- the whole --- */

/* Memory, before there is a model. */
static inline void vrig_init(struct vrig *v)
{
	memset(v, 0, sizeof(*v));
	rig_init(&v->rig);
	v->ram = aligned_alloc(4096, VRIG_RAM_SIZE);
	v->rom = aligned_alloc(4096, VRIG_ROM_SIZE);
	assert_non_null(v->ram);
	assert_non_null(v->rom);
	memset(v->ram, 0, VRIG_RAM_SIZE);
	memset(v->rom, 0, VRIG_ROM_SIZE);
	assert_int_equal(guest_mem_add(&v->mem, VRIG_RAM, VRIG_RAM_SIZE, v->ram, false), 0);
	assert_int_equal(guest_mem_add(&v->mem, VRIG_ROM, VRIG_ROM_SIZE, v->rom, true), 0);
	v->rig.host.mem = &v->mem;
}

/* After vrig_init(), where another process (or another mapping) is to work on the same RAM. */
static inline void vrig_share(struct vrig *v)
{
	free(v->ram);
	v->ram_fd = memfd_create("vrig", MFD_CLOEXEC);
	assert_true(v->ram_fd > 0);
	assert_int_equal(ftruncate(v->ram_fd, (off_t)VRIG_RAM_SIZE), 0);
	v->ram = mmap(NULL, VRIG_RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, v->ram_fd, 0);
	assert_ptr_not_equal(v->ram, MAP_FAILED);
	v->mem.range[0].host = v->ram;
	assert_int_equal(guest_mem_set_file(&v->mem, VRIG_RAM, v->ram_fd, 0), 0);
}

/* The device's own `notify`; virtio_device.runner is the rig. */
static inline void vrig_was_notified(struct virtio_device *vdev, unsigned int index)
{
	struct vrig *v = vdev->runner;

	assert_true(index < vdev->nr_queues);
	v->notified[index]++;
}

/* Plugs v->vdev in. */
static inline void vrig_plug(struct vrig *v)
{
	v->vdev->notify = vrig_was_notified;
	v->vdev->runner = v;
	v->rig.host.virtio = &v->vdev;
	v->rig.host.nr_virtio = 1;
	v->rig.host.virtio_pages = v->page;
	rig_plug(&v->rig, &virtio_mmio_class, 0xd0000000, 0x1000, VRIG_LINE);
}

static inline void vrig_finish(struct vrig *v)
{
	device_destroy(v->rig.dev);
	virtio_destroy(v->vdev);
	assert_null(v->rig.clock.armed);
	if (v->ram_fd) {
		munmap(v->ram, VRIG_RAM_SIZE);
		close(v->ram_fd);
	} else {
		free(v->ram);
	}
	free(v->rom);
}

#endif
