// SPDX-License-Identifier: BSD-2-Clause
/*
 * A virtio-mmio slot, version 2 (Virtual I/O Device (VIRTIO) Version 1.2, "Virtio Over MMIO"). Without a
 * device DeviceID is 0, and drivers leave the slot alone without complaint ("MMIO Device Register Layout").
 *
 * Selectors and half-written addresses are the slot's, guarded by its lock, which the bus holds; what a
 * register does to the device is done with the device's lock as well. What registers show of the device's state is
 * read from the slot's page: whoever works on a queue has the device's lock, maybe while it waits for another
 * program, and a vCPU that reads does not wait with it. What a write does is there when the write is over, since the bus
 * has the slot's lock around both.
 */
#include "devices/classes.h"
#include "devices/virtio/mmio_page.h"

enum {
	MAGIC = 0x74726976, /* "virt" */
	VERSION = 2,
	NO_DEVICE = 0,
	VENDOR = 0x4f455256, /* "VREO" */
};

/* What a driver may set of the status; NEEDS_RESET is the device's. */
#define STATUS_OF_DRIVER                                                              \
	(VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_DRIVER_OK | \
	 VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_FAILED)

struct virtio_mmio {
	struct device dev;
	struct virtio_device *vdev; /* NULL: the slot is empty; constant. Not owned */

	uint32_t device_features_sel, driver_features_sel, queue_sel, shm_sel;
	bool unknown_features; /* the driver has accepted some above 63, where nobody offers any */
	uint32_t *page;        /* struct device_host, virtio_pages. Constant */

	/* Guarded by vdev->irq_lock. */
	uint32_t interrupt_status;
	bool has_interrupt_fd; /* somebody interrupts without our knowing */
};

static uint32_t low(uint64_t value)
{
	return (uint32_t)value;
}

static uint32_t high(uint64_t value)
{
	return (uint32_t)(value >> 32);
}

static void set_low(uint64_t *value, uint32_t half)
{
	*value = (*value & ~0xffffffffULL) | half;
}

static void set_high(uint64_t *value, uint32_t half)
{
	*value = (*value & 0xffffffffULL) | (uint64_t)half << 32;
}

/* --- interrupts --- */

/* With irq_lock held. */
static uint32_t shown_interrupts(const struct virtio_mmio *slot)
{
	return slot->interrupt_status | (slot->has_interrupt_fd ? VIRTIO_INT_USED : 0);
}

/*
 * In memory a driver finds a bit as it would by an exit: it is stored before the line pulses, and the pulse is what
 * makes the driver look.
 */
static void show_interrupts(struct virtio_mmio *slot)
{
	mmio_page_put(slot->page, REG_INTERRUPT_STATUS, shown_interrupts(slot));
}

/*
 * The line is edge-triggered: one pulse for each bit that gets set. A bit that is set already has had its
 * pulse, and the driver has not acknowledged it yet. It acknowledges before it looks at the ring (or the
 * configuration), and what this interrupt is about was put there before the bit was looked at here: the
 * driver will see it. Both sides take irq_lock between the two, which orders them.
 *
 * The pulse is sent with the lock held: two that overlap would be one edge, which the driver may have
 * dealt with before the second bit was there.
 */
static void mmio_interrupt(struct virtio_device *vdev, uint32_t bits)
{
	struct virtio_mmio *slot = vdev->transport_ctx;

	pthread_mutex_lock(&vdev->irq_lock);
	if (bits & ~slot->interrupt_status) {
		slot->interrupt_status |= bits;
		show_interrupts(slot);
		irq_line_pulse(&slot->dev.irq);
	}
	pthread_mutex_unlock(&vdev->irq_lock);
}

static int mmio_interrupt_fd(struct virtio_device *vdev)
{
	struct virtio_mmio *slot = vdev->transport_ctx;
	int fd = irq_line_eventfd(&slot->dev.irq);

	pthread_mutex_lock(&vdev->irq_lock);
	slot->has_interrupt_fd |= fd >= 0;
	show_interrupts(slot);
	pthread_mutex_unlock(&vdev->irq_lock);
	return fd;
}

static uint32_t interrupt_status(struct virtio_mmio *slot)
{
	uint32_t status;

	pthread_mutex_lock(&slot->vdev->irq_lock);
	status = shown_interrupts(slot);
	pthread_mutex_unlock(&slot->vdev->irq_lock);
	return status;
}

static void interrupt_ack(struct virtio_mmio *slot, uint32_t bits)
{
	pthread_mutex_lock(&slot->vdev->irq_lock);
	if ((slot->interrupt_status & bits & VIRTIO_INT_USED) && slot->vdev->class->acknowledged)
		slot->vdev->class->acknowledged(slot->vdev);
	slot->interrupt_status &= ~bits;
	show_interrupts(slot);
	pthread_mutex_unlock(&slot->vdev->irq_lock);
}

static void mmio_changed(struct virtio_device *vdev)
{
	struct virtio_mmio *slot = vdev->transport_ctx;

	mmio_page_put_state(slot->page, vdev);
}

static const struct virtio_transport_ops mmio_ops = {
	.interrupt = mmio_interrupt,
	.interrupt_fd = mmio_interrupt_fd,
	.changed = mmio_changed,
};

/* --- status ("Device Status Field", "Device Initialization") --- */

/* With the device's lock held, as what follows. Nothing touches guest memory any more. */
static void stop(struct virtio_device *vdev)
{
	if (vdev->class->reset)
		vdev->class->reset(vdev);
	for (unsigned int i = 0; i < vdev->nr_queues; i++)
		virtq_reset(&vdev->queue[i]);
}

static void reset(struct virtio_mmio *slot)
{
	struct virtio_device *vdev = slot->vdev;

	stop(vdev);
	vdev->status = 0;
	vdev->accepted = 0;
	vdev->generation++; /* the model may have put its configuration back */
	slot->device_features_sel = slot->driver_features_sel = slot->queue_sel = slot->shm_sel = 0;
	slot->unknown_features = false;

	pthread_mutex_lock(&vdev->irq_lock);
	slot->interrupt_status = 0;
	slot->has_interrupt_fd = false;
	show_interrupts(slot);
	pthread_mutex_unlock(&vdev->irq_lock);
}

static bool features_are_fine(const struct virtio_mmio *slot)
{
	const struct virtio_device *vdev = slot->vdev;

	return virtio_has(vdev, VIRTIO_F_VERSION_1) && !(vdev->accepted & ~vdev->offered) &&
	       !slot->unknown_features;
}

static void start(struct virtio_device *vdev)
{
	if (vdev->class->activate)
		vdev->class->activate(vdev);
	/* A driver may have made buffers available before, and need not tell again. */
	for (unsigned int i = 0; i < vdev->nr_queues; i++)
		if (vdev->queue[i].ready)
			vdev->notify(vdev, i);
}

/*
 * Bits only ever get added: by a write of 0 all are cleared, which is a reset. FEATURES_OK that does not
 * stay set tells the driver that its choice of features will not do; DRIVER_OK needs it, and a device that
 * can still be used.
 */
static void write_status(struct virtio_mmio *slot, uint32_t value)
{
	struct virtio_device *vdev = slot->vdev;
	uint8_t old = vdev->status;
	uint8_t added = (uint8_t)(value & STATUS_OF_DRIVER & ~old);

	if (!value) {
		reset(slot);
		return;
	}
	if ((added & VIRTIO_STATUS_FEATURES_OK) && !features_are_fine(slot))
		added &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
	if (!((old | added) & VIRTIO_STATUS_FEATURES_OK) ||
	    ((old | added) & (VIRTIO_STATUS_FAILED | VIRTIO_STATUS_NEEDS_RESET)))
		added &= (uint8_t)~VIRTIO_STATUS_DRIVER_OK;

	vdev->status = old | added;
	if (added & VIRTIO_STATUS_FAILED)
		stop(vdev);
	if (added & VIRTIO_STATUS_DRIVER_OK)
		start(vdev);
}

static void write_driver_features(struct virtio_mmio *slot, uint32_t value)
{
	struct virtio_device *vdev = slot->vdev;

	if (vdev->status & VIRTIO_STATUS_FEATURES_OK) /* they are final */
		return;
	switch (slot->driver_features_sel) {
	case 0:
		set_low(&vdev->accepted, value);
		break;
	case 1:
		set_high(&vdev->accepted, value);
		break;
	default:
		slot->unknown_features |= value != 0;
	}
}

static uint32_t device_features(const struct virtio_mmio *slot)
{
	switch (slot->device_features_sel) {
	case 0:
		return low(slot->vdev->offered);
	case 1:
		return high(slot->vdev->offered);
	default:
		return 0;
	}
}

/* --- queues ("Virtqueue Configuration") --- */

/* The selected one, or NULL: there is none of that number. */
static struct virtq *selected(const struct virtio_mmio *slot)
{
	return slot->queue_sel < slot->vdev->nr_queues ? &slot->vdev->queue[slot->queue_sel] : NULL;
}

static void start_queue(struct virtio_mmio *slot, struct virtq *q)
{
	struct virtio_device *vdev = slot->vdev;

	/* Features must be final; and queues are set up before the device is used. */
	if (q->ready || !(vdev->status & VIRTIO_STATUS_FEATURES_OK) ||
	    (vdev->status & (VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_FAILED | VIRTIO_STATUS_NEEDS_RESET)))
		return;
	q->event_idx = virtio_has(vdev, VIRTIO_F_EVENT_IDX);
	q->indirect = virtio_has(vdev, VIRTIO_F_INDIRECT_DESC);
	if (virtq_start(q) < 0)
		virtio_broken(vdev, "queue %u cannot be used: %s", slot->queue_sel, q->problem);
}

/*
 * The device must let go of the queue's memory before the write returns. One queue cannot be stopped by
 * itself while others of the device are in use (that is feature RING_RESET, which is not offered): then
 * all stand still, and the driver is told to reset the device. A driver that stops the only one in use,
 * as Linux's for persistent memory does before it resets the device, has done nothing wrong.
 */
static void stop_queue(struct virtio_mmio *slot, struct virtq *q)
{
	struct virtio_device *vdev = slot->vdev;
	bool others = false;

	if (!q->ready)
		return;
	if (!(vdev->status & VIRTIO_STATUS_DRIVER_OK)) {
		virtq_reset(q);
		return;
	}
	for (unsigned int i = 0; i < vdev->nr_queues; i++)
		others |= i != slot->queue_sel && vdev->queue[i].ready;
	stop(vdev);
	if (others)
		virtio_broken(vdev, "queue %u was taken away while others were in use", slot->queue_sel);
}

/* Size and addresses of a queue that is not ready; else they stay as they are. `q` may be NULL. */
static void write_queue(struct virtq *q, uint64_t offset, uint32_t value)
{
	if (!q || q->ready)
		return;
	switch (offset) {
	case REG_QUEUE_NUM:
		q->size = value <= q->max_size ? (uint16_t)value : 0; /* 0: refused when it is to be ready */
		break;
	case REG_QUEUE_DESC_LOW:
		set_low(&q->desc, value);
		break;
	case REG_QUEUE_DESC_HIGH:
		set_high(&q->desc, value);
		break;
	case REG_QUEUE_DRIVER_LOW:
		set_low(&q->avail, value);
		break;
	case REG_QUEUE_DRIVER_HIGH:
		set_high(&q->avail, value);
		break;
	case REG_QUEUE_DEVICE_LOW:
		set_low(&q->used, value);
		break;
	case REG_QUEUE_DEVICE_HIGH:
		set_high(&q->used, value);
		break;
	default:
		break;
	}
}

/* --- configuration space ("Device Configuration Space") --- */

/* The whole rest of the window; behind the device's own part it reads as zeroes and ignores what is written. */
static uint64_t read_config(const struct virtio_mmio *slot, uint64_t offset, unsigned int size)
{
	uint64_t word = mmio_page_get(slot->page, offset & ~3ULL) >> 8 * (offset & 3);

	return word & (UINT64_MAX >> (64 - 8 * size));
}

static void write_config(struct virtio_device *vdev, uint64_t offset, unsigned int size, uint64_t value)
{
	uint8_t data[4];

	if (!vdev->class->write_config || offset + size > vdev->config_size)
		return;
	for (unsigned int i = 0; i < size; i++)
		data[i] = (uint8_t)(value >> 8 * i);
	vdev->class->write_config(vdev, (unsigned int)offset, data, size);
}

/* --- registers --- */

/* Registers that show what never changes, or what the slot's own lock guards. */
static bool read_constant(struct virtio_mmio *slot, uint64_t offset, uint32_t *value)
{
	const struct virtio_device *vdev = slot->vdev;
	const struct virtio_shm *shm = &vdev->shm;
	bool has_shm = shm->size && slot->shm_sel == shm->id;
	const struct virtq *q = selected(slot);

	switch (offset) {
	case REG_DEVICE_FEATURES:
		*value = device_features(slot);
		return true;
	case REG_QUEUE_NUM_MAX:
		*value = q ? q->max_size : 0;
		return true;
	case REG_INTERRUPT_STATUS:
		*value = interrupt_status(slot);
		return true;
	/* "Shared Memory Regions": a region that is not there has the length and the address ~0. */
	case REG_SHM_LEN_LOW:
		*value = low(has_shm ? shm->size : UINT64_MAX);
		return true;
	case REG_SHM_LEN_HIGH:
		*value = high(has_shm ? shm->size : UINT64_MAX);
		return true;
	case REG_SHM_BASE_LOW:
		*value = low(has_shm ? shm->base : UINT64_MAX);
		return true;
	case REG_SHM_BASE_HIGH:
		*value = high(has_shm ? shm->base : UINT64_MAX);
		return true;
	default:
		return false;
	}
}

/* Registers that show the device's state: what was last said of it. */
static bool read_state(const struct virtio_mmio *slot, uint64_t offset, uint32_t *value)
{
	if (offset != REG_QUEUE_READY && offset != REG_STATUS && offset != REG_CONFIG_GENERATION)
		return false;
	*value = mmio_page_get(slot->page, offset);
	return true;
}

/* Registers that show what the slot is. */
static bool read_identity(const struct virtio_mmio *slot, uint64_t offset, uint32_t *value)
{
	switch (offset) {
	case REG_MAGIC:
		*value = MAGIC;
		return true;
	case REG_VERSION:
		*value = VERSION;
		return true;
	case REG_DEVICE_ID:
		*value = slot->vdev ? slot->vdev->class->id : NO_DEVICE;
		return true;
	case REG_VENDOR_ID:
		*value = VENDOR;
		return true;
	default:
		return false;
	}
}

/* The whole page but for InterruptStatus. With the device's lock held. */
static void show_registers(struct virtio_mmio *slot)
{
	const struct virtq *q = selected(slot);

	mmio_page_put(slot->page, REG_QUEUE_READY, q && q->ready);
	for (uint64_t offset = 0; offset < REG_CONFIG_GENERATION; offset += sizeof(uint32_t)) {
		uint32_t value;

		if (offset == REG_INTERRUPT_STATUS || read_state(slot, offset, &value))
			continue;
		/* Nothing answers there: as on the bus of the only platform that has such pages. */
		if (!read_identity(slot, offset, &value) && !read_constant(slot, offset, &value))
			value = UINT32_MAX;
		mmio_page_put(slot->page, offset, value);
	}
	mmio_page_put_state(slot->page, slot->vdev);
}

static bool virtio_mmio_read(struct device *dev, uint64_t offset, unsigned int size, uint64_t *value)
{
	struct virtio_mmio *slot = (struct virtio_mmio *)dev;
	struct virtio_device *vdev = slot->vdev;
	uint32_t word;

	if (offset % size)
		return false;
	if (vdev && offset >= REG_CONFIG) {
		*value = read_config(slot, offset, size);
		return true;
	}
	if (size != 4) /* the registers take aligned accesses of 32 bits only */
		return false;
	if (!read_identity(slot, offset, &word) &&
	    (!vdev || (!read_constant(slot, offset, &word) && !read_state(slot, offset, &word))))
		return false;
	*value = word;
	return true;
}

/* Registers that change the device's state, or what the others show. */
static bool write_state(struct virtio_mmio *slot, uint64_t offset, uint32_t value)
{
	struct virtio_device *vdev = slot->vdev;
	struct virtq *q = selected(slot);
	bool answered = true;

	pthread_mutex_lock(&vdev->lock);
	switch (offset) {
	case REG_DEVICE_FEATURES_SEL:
		slot->device_features_sel = value;
		break;
	case REG_DRIVER_FEATURES_SEL:
		slot->driver_features_sel = value;
		break;
	case REG_QUEUE_SEL:
		slot->queue_sel = value;
		break;
	case REG_SHM_SEL:
		slot->shm_sel = value;
		break;
	case REG_DRIVER_FEATURES:
		write_driver_features(slot, value);
		break;
	case REG_QUEUE_NUM:
	case REG_QUEUE_DESC_LOW:
	case REG_QUEUE_DESC_HIGH:
	case REG_QUEUE_DRIVER_LOW:
	case REG_QUEUE_DRIVER_HIGH:
	case REG_QUEUE_DEVICE_LOW:
	case REG_QUEUE_DEVICE_HIGH:
		write_queue(q, offset, value);
		break;
	case REG_QUEUE_READY:
		if (q && value == 1)
			start_queue(slot, q);
		else if (q && value == 0)
			stop_queue(slot, q);
		break;
	case REG_STATUS:
		write_status(slot, value);
		break;
	default:
		answered = false;
	}
	show_registers(slot);
	pthread_mutex_unlock(&vdev->lock);
	return answered;
}

static bool write_register(struct virtio_mmio *slot, uint64_t offset, uint32_t value)
{
	struct virtio_device *vdev = slot->vdev;

	switch (offset) {
	case REG_QUEUE_NOTIFY:
		if (value < vdev->nr_queues)
			vdev->notify(vdev, value);
		return true;
	case REG_INTERRUPT_ACK:
		interrupt_ack(slot, value);
		return true;
	default:
		return write_state(slot, offset, value);
	}
}

static bool virtio_mmio_write(struct device *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct virtio_mmio *slot = (struct virtio_mmio *)dev;
	struct virtio_device *vdev = slot->vdev;

	if (!vdev || offset % size) /* what a slot without a device has is read-only */
		return false;
	if (offset >= REG_CONFIG) {
		pthread_mutex_lock(&vdev->lock);
		write_config(vdev, offset - REG_CONFIG, size, value);
		mmio_page_put_state(slot->page, vdev);
		pthread_mutex_unlock(&vdev->lock);
		return true;
	}
	return size == 4 && write_register(slot, offset, (uint32_t)value);
}

static int virtio_mmio_create(struct device *dev, const struct device_host *host, struct err *err)
{
	struct virtio_mmio *slot = (struct virtio_mmio *)dev;

	(void)err;
	if (!host->virtio || dev->instance >= host->nr_virtio || !host->virtio[dev->instance])
		return 0;
	slot->vdev = host->virtio[dev->instance];
	slot->vdev->transport_ctx = slot;
	slot->page = (uint32_t *)host->virtio_pages +
		     dev->instance * (VIRTIO_MMIO_PAGE / sizeof(*slot->page));
	pthread_mutex_lock(&slot->vdev->lock);
	show_registers(slot);
	pthread_mutex_unlock(&slot->vdev->lock);
	slot->vdev->transport = &mmio_ops;
	return 0;
}

static void virtio_mmio_destroy(struct device *dev)
{
	struct virtio_device *vdev = ((struct virtio_mmio *)dev)->vdev;

	if (!vdev)
		return;
	pthread_mutex_lock(&vdev->lock);
	vdev->transport = NULL;
	pthread_mutex_unlock(&vdev->lock);
}

static const struct device_prop virtio_mmio_props[] = {
	{ .name = "dma-coherent", .kind = PROP_FLAG },
	{ .name = NULL },
};

const struct device_class virtio_mmio_class = {
	.name = "virtio-mmio",
	.compatible = "virtio,mmio\0",
	.hid = "LNRO0005",
	.props = virtio_mmio_props,
	.edge = true,
	.size = sizeof(struct virtio_mmio),
	.access_max = 4,
	.create = virtio_mmio_create,
	.destroy = virtio_mmio_destroy,
	.read = virtio_mmio_read,
	.write = virtio_mmio_write,
};
