/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The world of a virtio model that is fuzzed (virtio_fuzz.h): guest memory, the slot, time, and a driver
 * that keeps the rules.
 */
#ifndef VIREO_TESTS_FUZZ_VIRTIO_FUZZ_DRIVER_H
#define VIREO_TESTS_FUZZ_VIRTIO_FUZZ_DRIVER_H

#include <sys/mman.h>
#include <unistd.h>

#include "devices/classes.h"
#include "devices/guestmem.h"
#include "devices/virtio/virtio.h"
#include "kvm/log.h"
#include "tests/fuzz/fuzz.h"

/* Guest-physical addresses. The second piece of RAM follows the first, but is elsewhere on the host. */
#define VFUZZ_ROM       0x10000000ULL
#define VFUZZ_ROM_SIZE  0xa000ULL
#define VFUZZ_RAM       0x40000000ULL
#define VFUZZ_RAM_SIZE  0x10000ULL
#define VFUZZ_RAM2      (VFUZZ_RAM + VFUZZ_RAM_SIZE)
#define VFUZZ_RAM2_SIZE 0x2000ULL

/* What the good driver has where: rings of 16 in front, buffers behind. */
#define VFUZZ_RING    16u
#define VFUZZ_BUFFERS 0x8000ULL /* offset in ROM and RAM */

#define VFUZZ_OUT_MAX   1024u
#define VFUZZ_IN_MAX    0x4000u
#define VFUZZ_LOG_LINES 64u
#define VFUZZ_LINE      5u

/* "MMIO Device Register Layout" */
enum {
	VF_DEVICE_FEATURES = 0x010,
	VF_DEVICE_FEATURES_SEL = 0x014,
	VF_DRIVER_FEATURES = 0x020,
	VF_DRIVER_FEATURES_SEL = 0x024,
	VF_QUEUE_SEL = 0x030,
	VF_QUEUE_NUM_MAX = 0x034,
	VF_QUEUE_NUM = 0x038,
	VF_QUEUE_READY = 0x044,
	VF_QUEUE_NOTIFY = 0x050,
	VF_INTERRUPT_STATUS = 0x060,
	VF_INTERRUPT_ACK = 0x064,
	VF_STATUS = 0x070,
	VF_QUEUE_DESC_LOW = 0x080,
	VF_QUEUE_DRIVER_LOW = 0x090,
	VF_QUEUE_DEVICE_LOW = 0x0a0,
	VF_SHM_SEL = 0x0ac,
	VF_SHM_LEN_LOW = 0x0b0,
	VF_CONFIG_GENERATION = 0x0fc,
	VF_CONFIG = 0x100,
};

struct vfuzz;

/* What a driver sends: bytes for the device to read, and room for it to write. One of the two is not 0. */
struct vfuzz_request {
	uint8_t out[VFUZZ_OUT_MAX];
	uint32_t out_len, in_len;
};

struct vfuzz_target {
	/* Creates the device: v->vdev. */
	void (*create)(struct vfuzz *v);
	/* May be NULL: random bytes. A request to that queue by the rules of the device; `r` is zeroed. */
	void (*request)(struct vfuzz *v, unsigned int queue, struct vfuzz_request *r);
	/* May be NULL. What comes from the host side: something arrives, is done, fails. */
	void (*outside)(struct vfuzz *v);
	/* Whether the driver may be interrupted later than it is given something back, by a timer. */
	bool late_interrupts;
	/* May be NULL. What must hold of the model after each operation. */
	void (*check)(struct vfuzz *v);
	/* May be NULL. The device was reset and set up by the rules: it must serve (vfuzz_ask()). */
	void (*probe)(struct vfuzz *v);
	/* May be NULL. The device is gone: what create() made besides goes too. */
	void (*destroy)(struct vfuzz *v);
};

/* The driver's side of a queue. */
struct vfuzz_queue {
	uint16_t size; /* 0: not set up by the good driver */
	uint64_t desc, avail, used;
	uint16_t next_avail, seen_used, nr_free;
	bool busy[VFUZZ_RING];         /* descriptors that the device has */
	uint8_t chain[VFUZZ_RING];     /* how many belong to that head */
	uint32_t writable[VFUZZ_RING]; /* bytes of them all */
	uint32_t written[VFUZZ_RING];  /* as the device said when it gave that head back last */
};

struct vfuzz {
	const struct vfuzz_target *target;
	void *ctx; /* the target's */
	struct input in;
	struct guest_mem mem;
	struct clock *clock;
	struct virtio_device *vdev;

	bool clean; /* since vfuzz_start() the rings were left to the good driver */

	/* The rig's own. */
	struct device *slot;
	struct device_host host;
	struct irqchip chip;
	struct fuzz_clock time;
	struct clock_timer *armed;
	bool level, exposed;
	struct vfuzz_queue queue[VIRTIO_MAX_QUEUES];
	bool notified[VIRTIO_MAX_QUEUES];
	uint32_t next_out, next_in; /* where the next buffers go */
	uint32_t page[VIRTIO_MMIO_PAGE / sizeof(uint32_t)];
};

/* --- the log: counted, not printed --- */

static unsigned int vfuzz_lines;

void log_line(enum log_area area, enum log_level level, const char *fmt, ...)
{
	char line[1024];
	va_list args;

	(void)area;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (level <= LOG_WARN)
		must(++vfuzz_lines <= VFUZZ_LOG_LINES);
}

/* --- memory: the driver's view of it, and the device's --- */

struct vfuzz_piece {
	uint64_t gpa, size;
	bool read_only;
	uint8_t *driver, *device;
};

static struct vfuzz_piece vfuzz_piece[] = {
	{ .gpa = VFUZZ_ROM, .size = VFUZZ_ROM_SIZE, .read_only = true },
	{ .gpa = VFUZZ_RAM, .size = VFUZZ_RAM_SIZE },
	{ .gpa = VFUZZ_RAM2, .size = VFUZZ_RAM2_SIZE },
};

#define VFUZZ_PIECES (sizeof(vfuzz_piece) / sizeof(vfuzz_piece[0]))
#define VFUZZ_GUARD  0x200000ULL

/* Once: the same pages are mapped twice. */
static inline void vfuzz_map(void)
{
	uint8_t *room = mmap(NULL, (VFUZZ_PIECES + 1) * 2 * VFUZZ_GUARD, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(room != MAP_FAILED);
	for (unsigned int i = 0; i < VFUZZ_PIECES; i++) {
		struct vfuzz_piece *p = &vfuzz_piece[i];
		int fd = memfd_create("fuzz", MFD_CLOEXEC);

		must(fd >= 0 && ftruncate(fd, (off_t)p->size) == 0);
		p->driver = mmap(NULL, p->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		p->device = mmap(room + (2 * i + 1) * VFUZZ_GUARD, p->size, PROT_NONE, MAP_SHARED | MAP_FIXED,
				 fd, 0);
		must(p->driver != MAP_FAILED && p->device != MAP_FAILED);
		close(fd);
	}
}

/* Whether the device can get at guest memory. */
static inline void vfuzz_expose(struct vfuzz *v, bool on)
{
	if (v->exposed == on)
		return;
	v->exposed = on;
	for (unsigned int i = 0; i < VFUZZ_PIECES; i++) {
		const struct vfuzz_piece *p = &vfuzz_piece[i];
		int prot = p->read_only ? PROT_READ : PROT_READ | PROT_WRITE;

		must(mprotect(p->device, p->size, on ? prot : PROT_NONE) == 0);
	}
}

/* The driver's view of `len` bytes, or NULL if not all of them are there. */
static inline void *vfuzz_at(uint64_t gpa, uint64_t len)
{
	for (unsigned int i = 0; i < VFUZZ_PIECES; i++) {
		const struct vfuzz_piece *p = &vfuzz_piece[i];

		if (gpa - p->gpa < p->size && len <= p->size - (gpa - p->gpa))
			return p->driver + (gpa - p->gpa);
	}
	return NULL;
}

/* For hooks of a target that get host addresses: the piece in which all of it lies, as the device sees it, or NULL. */
static inline const struct vfuzz_piece *vfuzz_piece_of(const void *addr, uint64_t len)
{
	for (unsigned int i = 0; i < VFUZZ_PIECES; i++) {
		const struct vfuzz_piece *p = &vfuzz_piece[i];
		uint64_t offset = (uint64_t)((uintptr_t)addr - (uintptr_t)p->device);

		if (offset < p->size && len <= p->size - offset)
			return p;
	}
	return NULL;
}

/* An address that a hostile driver may come up with: in memory, at its borders, anything. */
static inline uint64_t vfuzz_address(struct vfuzz *v)
{
	uint8_t how = (uint8_t)take(&v->in, 1);

	switch (how & 7) {
	case 0:
		return take_value(&v->in);
	case 1:
		return 0 - take(&v->in, 2);
	case 2:
		return VFUZZ_RAM2 - (how >> 3);
	case 3:
		return VFUZZ_RAM2 + VFUZZ_RAM2_SIZE - (how >> 3);
	case 4:
		return VFUZZ_ROM + take_below(&v->in, VFUZZ_ROM_SIZE);
	default:
		return VFUZZ_RAM +
		       take_below(&v->in, VFUZZ_RAM_SIZE) / (how & 8 ? 1 : 16) * (how & 8 ? 1 : 16);
	}
}

/* --- what the model is given: lines, time, notifications --- */

static inline void vfuzz_set_line(struct irqchip *chip, uint32_t line, bool level)
{
	struct vfuzz *v = (struct vfuzz *)((char *)chip - offsetof(struct vfuzz, chip));

	must(line == VFUZZ_LINE && level != v->level);
	/* "Device Status Field": no "used buffer notifications to the driver before DRIVER_OK" */
	must(v->vdev->status & VIRTIO_STATUS_DRIVER_OK);
	v->level = level;
}

static inline void vfuzz_send_msi(struct irqchip *chip, uint64_t addr, uint32_t data, uint32_t devid)
{
	(void)chip;
	(void)addr;
	(void)data;
	(void)devid;
	must(!"a message from a device that has a line");
}

static inline void vfuzz_timer_set(struct clock *clock, struct clock_timer *timer, uint64_t deadline)
{
	struct vfuzz *v = (struct vfuzz *)((char *)clock - offsetof(struct vfuzz, time.clock));
	struct clock_timer **at = &v->armed;

	while (*at && *at != timer)
		at = &(*at)->next;
	if (*at)
		*at = timer->next;
	timer->deadline = deadline;
	if (deadline != CLOCK_NEVER) {
		timer->next = v->armed;
		v->armed = timer;
	}
}

/* Lets time pass. Each timer fires once at most. */
static inline void vfuzz_pass(struct vfuzz *v, uint64_t ns)
{
	struct clock_timer *due = NULL, *timer, **at = &v->armed;

	v->time.now += ns;
	while ((timer = *at)) {
		if (timer->deadline > v->time.now) {
			at = &timer->next;
			continue;
		}
		*at = timer->next;
		timer->next = due;
		due = timer;
	}
	while ((timer = due)) {
		due = timer->next;
		timer->deadline = CLOCK_NEVER;
		timer->fire(timer->ctx);
	}
}

static inline void vfuzz_notify(struct virtio_device *vdev, unsigned int index)
{
	struct vfuzz *v = vdev->runner;

	must(index < vdev->nr_queues);
	v->notified[index] = true;
}

/* The worker: until nothing is to be done. */
static inline void vfuzz_run(struct vfuzz *v)
{
	unsigned int turns = 0;
	bool again = true;

	while (again) {
		again = false;
		for (unsigned int i = 0; i < v->vdev->nr_queues; i++) {
			if (!v->notified[i])
				continue;
			v->notified[i] = false;
			virtio_kick(v->vdev, i);
			again = true;
			must(++turns < 100000);
		}
	}
}

/* --- registers --- */

static inline uint64_t vfuzz_read_sized(struct vfuzz *v, uint64_t reg, unsigned int size)
{
	uint64_t value = 0;
	bool answered;

	pthread_mutex_lock(&v->slot->lock);
	answered = virtio_mmio_class.read(v->slot, reg, size, &value);
	pthread_mutex_unlock(&v->slot->lock);
	must(!answered || value >> 8 * size == 0);
	return value;
}

/* A write to the status may begin or end the time in which the device has to do with guest memory. */
static inline void vfuzz_write_sized(struct vfuzz *v, uint64_t reg, unsigned int size, uint64_t value)
{
	const struct virtio_device *vdev = v->vdev;
	bool in_use = false;

	if (reg == VF_STATUS && (value & VIRTIO_STATUS_DRIVER_OK))
		vfuzz_expose(v, true);
	pthread_mutex_lock(&v->slot->lock);
	virtio_mmio_class.write(v->slot, reg, size, value);
	pthread_mutex_unlock(&v->slot->lock);

	for (unsigned int i = 0; i < vdev->nr_queues; i++)
		in_use |= vdev->queue[i].ready;
	vfuzz_expose(v, in_use && (vdev->status & VIRTIO_STATUS_DRIVER_OK) &&
				!(vdev->status & VIRTIO_STATUS_FAILED));
}

static inline uint32_t vfuzz_read(struct vfuzz *v, uint64_t reg)
{
	return (uint32_t)vfuzz_read_sized(v, reg, 4);
}

static inline void vfuzz_write(struct vfuzz *v, uint64_t reg, uint32_t value)
{
	vfuzz_write_sized(v, reg, 4, value);
}

static inline void vfuzz_write_address(struct vfuzz *v, uint64_t reg_low, uint64_t value)
{
	vfuzz_write(v, reg_low, (uint32_t)value);
	vfuzz_write(v, reg_low + 4, (uint32_t)(value >> 32));
}

/* --- the good driver --- */

static inline void vfuzz_reset(struct vfuzz *v)
{
	vfuzz_write(v, VF_STATUS, 0);
	must(vfuzz_read(v, VF_STATUS) == 0 && vfuzz_read(v, VF_INTERRUPT_STATUS) == 0);
	must(v->vdev->accepted == 0);
	for (unsigned int i = 0; i < v->vdev->nr_queues; i++)
		must(!v->vdev->queue[i].ready);
	memset(v->queue, 0, sizeof(v->queue));
	v->clean = false;
}

static inline void vfuzz_start_queue(struct vfuzz *v, unsigned int index, bool in_ram)
{
	struct vfuzz_queue *q = &v->queue[index];
	uint64_t rings = (in_ram ? VFUZZ_RAM + 160 * VIRTIO_MAX_QUEUES : VFUZZ_ROM) + 320ULL * index;
	uint16_t *avail;

	vfuzz_write(v, VF_QUEUE_SEL, index);
	q->size = (uint16_t)vfuzz_read(v, VF_QUEUE_NUM_MAX);
	must(q->size && q->size <= VIRTQ_MAX_SIZE && !(q->size & (q->size - 1)));
	if (q->size > VFUZZ_RING)
		q->size = VFUZZ_RING;
	q->nr_free = q->size;
	q->desc = rings;
	q->avail = rings + 256;
	q->used = VFUZZ_RAM + 160ULL * index;
	memset(vfuzz_at(q->desc, 320), 0, 320);
	memset(vfuzz_at(q->used, 160), 0, 160);
	avail = vfuzz_at(q->avail, 64);
	avail[2 + q->size] = 0; /* used_event: for the first */

	vfuzz_write(v, VF_QUEUE_NUM, q->size);
	vfuzz_write_address(v, VF_QUEUE_DESC_LOW, q->desc);
	vfuzz_write_address(v, VF_QUEUE_DRIVER_LOW, q->avail);
	vfuzz_write_address(v, VF_QUEUE_DEVICE_LOW, q->used);
	vfuzz_write(v, VF_QUEUE_READY, 1);
	must(vfuzz_read(v, VF_QUEUE_READY) == 1);
}

static inline uint64_t vfuzz_offered(struct vfuzz *v)
{
	uint64_t low;

	vfuzz_write(v, VF_DEVICE_FEATURES_SEL, 0);
	low = vfuzz_read(v, VF_DEVICE_FEATURES);
	vfuzz_write(v, VF_DEVICE_FEATURES_SEL, 1);
	return low | (uint64_t)vfuzz_read(v, VF_DEVICE_FEATURES) << 32;
}

/* "Device Initialization", with what of `features` is offered and VERSION_1; where the rings are. */
static inline void vfuzz_start(struct vfuzz *v, uint64_t features, bool in_ram)
{
	uint32_t status = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER;

	vfuzz_reset(v);
	vfuzz_write(v, VF_STATUS, status);
	features = (features | VIRTIO_F_VERSION_1) & vfuzz_offered(v);
	vfuzz_write(v, VF_DRIVER_FEATURES_SEL, 0);
	vfuzz_write(v, VF_DRIVER_FEATURES, (uint32_t)features);
	vfuzz_write(v, VF_DRIVER_FEATURES_SEL, 1);
	vfuzz_write(v, VF_DRIVER_FEATURES, (uint32_t)(features >> 32));
	status |= VIRTIO_STATUS_FEATURES_OK;
	vfuzz_write(v, VF_STATUS, status);
	must(vfuzz_read(v, VF_STATUS) == status);
	for (unsigned int i = 0; i < v->vdev->nr_queues; i++)
		vfuzz_start_queue(v, i, in_ram);
	v->clean = true;
	vfuzz_write(v, VF_STATUS, status | VIRTIO_STATUS_DRIVER_OK);
	vfuzz_run(v);
}

/* A used entry: true if it is one of a chain that the device has. */
static inline bool vfuzz_take_back(struct vfuzz_queue *q, uint32_t head, uint32_t written)
{
	struct virtq_desc desc[VFUZZ_RING];

	if (head >= q->size || !q->busy[head] || !q->chain[head])
		return false;
	memcpy(desc, vfuzz_at(q->desc, sizeof(desc)), sizeof(desc));
	q->written[head] = written;
	for (uint8_t left = q->chain[head]; left; left--) {
		q->busy[head] = false;
		q->nr_free++;
		head = desc[head].next % q->size;
	}
	return true;
}

static inline void vfuzz_collect_queue(struct vfuzz *v, unsigned int index, bool interrupted)
{
	struct vfuzz_queue *q = &v->queue[index];
	uint16_t *used = vfuzz_at(q->used, 160), *avail = vfuzz_at(q->avail, 64);
	uint16_t news = (uint16_t)(used[1] - q->seen_used);

	if (!v->clean)
		return;
	must(news <= q->size - q->nr_free);
	must(!news || interrupted || (v->vdev->status & VIRTIO_STATUS_NEEDS_RESET) ||
	     (v->target->late_interrupts && v->armed));
	for (; news; news--, q->seen_used++) {
		uint32_t entry[2];

		memcpy(entry, used + 2 + 4 * (q->seen_used % q->size), sizeof(entry));
		must(vfuzz_take_back(q, entry[0], entry[1]));
		must(entry[1] <= q->writable[entry[0]]);
	}
	avail[2 + q->size] = q->seen_used; /* an interrupt for the next, please */
}

/* The driver's interrupt handler. */
static inline void vfuzz_collect(struct vfuzz *v)
{
	uint32_t status = vfuzz_read(v, VF_INTERRUPT_STATUS);

	must(!(status & ~(uint32_t)(VIRTIO_INT_USED | VIRTIO_INT_CONFIG)));
	vfuzz_write(v, VF_INTERRUPT_ACK, status);
	for (unsigned int i = 0; i < v->vdev->nr_queues; i++)
		if (v->queue[i].size)
			vfuzz_collect_queue(v, i, status & VIRTIO_INT_USED);
}

static inline uint16_t vfuzz_take_desc(struct vfuzz_queue *q)
{
	uint16_t i = 0;

	while (q->busy[i])
		i++;
	q->busy[i] = true;
	q->nr_free--;
	return i;
}

/* Room for `len` bytes among the buffers of a piece; it may overlap one that is in use. */
static inline uint64_t vfuzz_room(uint64_t base, uint64_t size, uint32_t *next, uint32_t len)
{
	uint32_t room = (uint32_t)(size - VFUZZ_BUFFERS), at = *next;

	if (len > room - at)
		at = 0;
	*next = at + len;
	return base + VFUZZ_BUFFERS + at;
}

/* How a request is cut into descriptors. */
struct vfuzz_cut {
	unsigned int nr_out, nr_in; /* as many as there are bytes, at most */
	bool out_in_ram, indirect;
};

/* Appends `len` bytes at `addr` as `pieces` descriptors of about the same length. */
static inline unsigned int vfuzz_cut_up(struct virtq_desc *desc, uint64_t addr, uint32_t len,
					unsigned int pieces, bool write)
{
	unsigned int nr = 0;

	for (; len && nr < pieces; nr++) {
		uint32_t part = nr + 1 == pieces ? len : (len + pieces - 1) / pieces;

		part = part < len ? part : len;
		desc[nr] = (struct virtq_desc){ .addr = addr, .len = part };
		desc[nr].flags = VIRTQ_DESC_F_NEXT | (write ? VIRTQ_DESC_F_WRITE : 0);
		addr += part;
		len -= part;
	}
	return nr;
}

/*
 * Makes a request available. Its head, or -1: there is no room for it. `in` is where the device is to write
 * to.
 */
static inline int vfuzz_add(struct vfuzz *v, unsigned int index, const struct vfuzz_request *r,
			    const struct vfuzz_cut *cut, uint64_t *in)
{
	struct vfuzz_queue *q = &v->queue[index];
	struct virtq_desc chain[8], *table = vfuzz_at(q->desc, 256);
	uint64_t out = cut->out_in_ram ? vfuzz_room(VFUZZ_RAM, VFUZZ_RAM_SIZE, &v->next_in, r->out_len)
				       : vfuzz_room(VFUZZ_ROM, VFUZZ_ROM_SIZE, &v->next_out, r->out_len);
	unsigned int count;
	uint16_t *avail = vfuzz_at(q->avail, 64), head = 0, at = 0, before = 0;

	*in = vfuzz_room(VFUZZ_RAM, VFUZZ_RAM_SIZE, &v->next_in, r->in_len);
	memcpy(vfuzz_at(out, r->out_len), r->out, r->out_len);
	count = vfuzz_cut_up(chain, out, r->out_len, cut->nr_out, false);
	count += vfuzz_cut_up(chain + count, *in, r->in_len, cut->nr_in, true);
	if (!count || !q->size || q->nr_free < (cut->indirect ? 1 : count))
		return -1;

	if (cut->indirect) {
		uint64_t indirect = vfuzz_room(VFUZZ_ROM, VFUZZ_ROM_SIZE, &v->next_out, 16 * count);

		for (uint16_t i = 0; i < count; i++)
			chain[i].next = i + 1;
		chain[count - 1].flags &= (uint16_t)~VIRTQ_DESC_F_NEXT;
		memcpy(vfuzz_at(indirect, 16ULL * count), chain, 16ULL * count);
		chain[0] = (struct virtq_desc){ .addr = indirect,
						.len = 16 * count,
						.flags = VIRTQ_DESC_F_INDIRECT };
		count = 1;
	} else {
		chain[count - 1].flags &= (uint16_t)~VIRTQ_DESC_F_NEXT;
	}
	for (unsigned int i = 0; i < count; i++, before = at) {
		at = vfuzz_take_desc(q);
		table[at] = chain[i];
		if (i)
			table[before].next = at;
		else
			head = at;
	}
	q->chain[head] = (uint8_t)count;
	q->writable[head] = r->in_len;
	avail[2 + q->next_avail % q->size] = head;
	avail[1] = ++q->next_avail;
	return head;
}

#endif
