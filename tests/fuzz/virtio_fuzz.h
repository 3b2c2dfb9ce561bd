/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile driver for any virtio model: a device in a virtio-mmio slot, the guest memory around it, and
 * operations on both (Virtual I/O Device (VIRTIO) Version 1.2, "Virtio Over MMIO", "Split Virtqueues").
 * About half of them are a driver that keeps the rules and sends requests, maybe with some bytes changed, so
 * that an input gets deep into a model; the others write anything anywhere. A target is a few lines:
 *
 *	static void create(struct vfuzz *v)  // with v->mem and v->clock; options may come from v->in
 *	{
 *		must(model_create(&v->vdev, ..., &v->mem, ...) == 0);
 *	}
 *	static void request(struct vfuzz *v, unsigned int queue, struct vfuzz_request *r)
 *	{
 *		... r->out[], r->out_len, r->in_len: as a driver sends it; choices come from v->in ...
 *	}
 *	static const struct vfuzz_target target = { .create = create, .request = request, ... };
 *	int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
 *	{
 *		return vfuzz_one(&target, data, size);
 *	}
 * Time passes between operations, and in probe() by vfuzz_pass(). A hook of the host side that is handed
 * addresses checks them by vfuzz_piece_of(); one that changes memory in which rings may be sets v->clean to
 * false. Rings are below VFUZZ_BUFFERS.
 *
 * What must hold after each operation:
 *   - The model has not touched anything but guest memory: that stands alone, with inaccessible pages on
 *     all sides. Nor has it written what the driver only lets it read: half of that is in pages that can
 *     only be read, as are the descriptors and the available rings.
 *   - It has not touched guest memory at all while it had no business there: before DRIVER_OK, after a reset
 *     and after the driver has given it up, all of it is inaccessible.
 *   - It gives back what it was given, once, having written no more than there was room for, and its driver
 *     is interrupted for it (while no operation has broken the rings).
 *   - It interrupts only while DRIVER_OK is set, by pulses of its line.
 *   - It has written a bounded number of warnings, and come to an end with its work.
 *   - At the end of the input it is reset, and works as a new one.
 * Runs are deterministic: the worker is the target itself, time passes when the input says so.
 */
#ifndef VIREO_TESTS_FUZZ_VIRTIO_FUZZ_H
#define VIREO_TESTS_FUZZ_VIRTIO_FUZZ_H

#include "tests/fuzz/virtio_fuzz_driver.h"

/* --- for targets --- */

static inline bool vfuzz_is_live(const struct vfuzz *v)
{
	return (v->vdev->status & VIRTIO_STATUS_DRIVER_OK) &&
	       !(v->vdev->status & (VIRTIO_STATUS_NEEDS_RESET | VIRTIO_STATUS_FAILED));
}

/*
 * For a probe: sends a request to a device that the good driver runs and works on it. Whether it came back;
 * `in` may be NULL, else it gets the `in_len` bytes. `*written` is as the used entry says.
 */
static inline bool vfuzz_ask(struct vfuzz *v, unsigned int index, const void *out, uint32_t out_len, void *in,
			     uint32_t in_len, uint32_t *written)
{
	const struct vfuzz_cut cut = { .nr_out = 1, .nr_in = 1, .indirect = v->queue[index].nr_free < 2 };
	struct vfuzz_request r = { .out_len = out_len, .in_len = in_len };
	uint64_t to;
	int head;

	must(v->clean && out_len <= VFUZZ_OUT_MAX && in_len <= VFUZZ_IN_MAX);
	memcpy(r.out, out, out_len);
	head = vfuzz_add(v, index, &r, &cut, &to);
	must(head >= 0);
	vfuzz_write(v, VF_QUEUE_NOTIFY, index);
	vfuzz_run(v);
	vfuzz_collect(v);
	if (v->queue[index].busy[head])
		return false;
	if (in)
		memcpy(in, vfuzz_at(to, in_len), in_len);
	*written = v->queue[index].written[head];
	return true;
}

/* --- operations --- */

static inline unsigned int vfuzz_some_queue(struct vfuzz *v)
{
	return take_below(&v->in, v->vdev->nr_queues);
}

/* Any register, at any width. */
static inline void vfuzz_poke(struct vfuzz *v)
{
	uint8_t how = (uint8_t)take(&v->in, 1);
	uint64_t offset = take_below(&v->in, how & 0x40 ? 0x1000 : 0x200);
	unsigned int size = 1u << how % 3;

	if (offset + size > 0x1000)
		return;
	if (how & 0x80) {
		vfuzz_read_sized(v, offset, size);
	} else {
		v->clean = false;
		vfuzz_write_sized(v, offset, size, take_value(&v->in) & (0xffffffffu >> (32 - 8 * size)));
	}
}

static inline void vfuzz_write_named(struct vfuzz *v)
{
	static const uint16_t reg[] = {
		VF_DEVICE_FEATURES_SEL,
		VF_DRIVER_FEATURES,
		VF_DRIVER_FEATURES_SEL,
		VF_QUEUE_SEL,
		VF_QUEUE_NUM,
		VF_QUEUE_READY,
		VF_QUEUE_NOTIFY,
		VF_INTERRUPT_ACK,
		VF_STATUS,
		VF_QUEUE_DESC_LOW,
		VF_QUEUE_DESC_LOW + 4,
		VF_QUEUE_DRIVER_LOW,
		VF_QUEUE_DEVICE_LOW,
		VF_QUEUE_DRIVER_LOW + 4,
		VF_QUEUE_DEVICE_LOW + 4,
		VF_SHM_SEL,
	};

	v->clean = false;
	vfuzz_write(v, reg[take_below(&v->in, 16)], (uint32_t)take_value(&v->in));
}

/* Any driver may, at any time. */
static inline void vfuzz_access_config(struct vfuzz *v)
{
	uint8_t how = (uint8_t)take(&v->in, 1);
	unsigned int size = 1u << how % 3;
	uint64_t offset = take_below(&v->in, v->vdev->config_size + 4) / size * size;

	if (how & 0x80)
		vfuzz_read_sized(v, VF_CONFIG + offset, size);
	else
		vfuzz_write_sized(v, VF_CONFIG + offset, size,
				  take_value(&v->in) & (0xffffffffu >> (32 - 8 * size)));
}

/* A queue of any size anywhere; taken away first if there is one. */
static inline void vfuzz_place_queue(struct vfuzz *v)
{
	unsigned int index = vfuzz_some_queue(v);
	uint8_t how = (uint8_t)take(&v->in, 1);

	v->clean = false;
	v->queue[index].size = 0;
	vfuzz_write(v, VF_QUEUE_SEL, index);
	if (how & 0x80)
		vfuzz_write(v, VF_QUEUE_READY, 0);
	vfuzz_write(v, VF_QUEUE_NUM, how & 0x40 ? (uint32_t)take(&v->in, 2) : 1u << how % 12);
	vfuzz_write_address(v, VF_QUEUE_DESC_LOW, vfuzz_address(v));
	vfuzz_write_address(v, VF_QUEUE_DRIVER_LOW, vfuzz_address(v));
	vfuzz_write_address(v, VF_QUEUE_DEVICE_LOW, vfuzz_address(v));
	vfuzz_write(v, VF_QUEUE_READY, how & 0x20 ? (uint32_t)take(&v->in, 1) : 1);
}

/* Memory as the driver likes it: also that which the device just writes, or has taken to read. */
static inline void vfuzz_scribble(struct vfuzz *v)
{
	uint64_t gpa = vfuzz_address(v);

	v->clean = false;
	for (unsigned int left = 1 + take_below(&v->in, 16); left && v->in.left; left--, gpa++) {
		uint8_t *at = vfuzz_at(gpa, 1);

		if (at)
			*at = (uint8_t)take(&v->in, 1);
	}
}

/* Some fields of a descriptor of a queue of the good driver, and more of them in the available ring. */
static inline void vfuzz_change_rings(struct vfuzz *v)
{
	struct vfuzz_queue *q = &v->queue[vfuzz_some_queue(v)];
	uint8_t how = (uint8_t)take(&v->in, 1);
	struct virtq_desc *desc;
	uint16_t *avail;

	if (!q->size)
		return;
	v->clean = false;
	desc = vfuzz_at(q->desc + 16ULL * (how % q->size), 16);
	avail = vfuzz_at(q->avail, 64);
	if (how & 0x10)
		desc->addr = vfuzz_address(v);
	if (how & 0x20)
		desc->len = (uint32_t)take_value(&v->in);
	if (how & 0x40)
		desc->flags = (uint16_t)take_value(&v->in);
	if (how & 0x80)
		desc->next = (uint16_t)take_value(&v->in);
	how = (uint8_t)take(&v->in, 1);
	if (how & 0x10)
		avail[2 + how % q->size] = (uint16_t)take(&v->in, how & 0x20 ? 2 : 1);
	if (how & 0x40)
		avail[0] = (uint16_t)take(&v->in, 1);
	if (how & 0x80)
		avail[2 + q->size] = (uint16_t)take(&v->in, 2);
	q->next_avail += how & 0x0f ? 1 : (uint16_t)take(&v->in, 2);
	avail[1] = q->next_avail;
}

/* A descriptor of a chain: most of them are fine. */
static inline struct virtq_desc vfuzz_descriptor(struct vfuzz *v, uint16_t index, bool last)
{
	uint8_t how = (uint8_t)take(&v->in, 1);
	struct virtq_desc desc = { .addr = VFUZZ_RAM + VFUZZ_BUFFERS + 64ULL * index, .len = 16 };

	desc.flags = (last ? 0 : VIRTQ_DESC_F_NEXT) | (how & 1 ? VIRTQ_DESC_F_WRITE : 0);
	desc.next = index + 1;
	if ((how >> 1 & 3) == 3)
		desc.addr = vfuzz_address(v);
	else if ((how >> 1 & 3) == 2)
		desc.addr = VFUZZ_ROM + VFUZZ_BUFFERS;
	if ((how >> 3 & 3) == 3)
		desc.len = (uint32_t)take_value(&v->in);
	else if ((how >> 3 & 3) == 2)
		desc.len = (uint32_t)take(&v->in, 1);
	if (how >> 5 == 7)
		desc.next = (uint16_t)take(&v->in, 2);
	else if (how >> 5 == 6)
		desc.next = index;
	else if (how >> 5 == 5)
		desc.flags = (uint16_t)take(&v->in, 1);
	return desc;
}

/* A chain that may break any rule, in the queue's table or an indirect one, made available and told of. */
static inline void vfuzz_send_chain(struct vfuzz *v)
{
	unsigned int index = vfuzz_some_queue(v);
	struct vfuzz_queue *q = &v->queue[index];
	uint8_t how = (uint8_t)take(&v->in, 1);
	uint16_t count = (uint16_t)(1 + take_below(&v->in, how & 1 ? 32 : 4));
	struct virtq_desc desc[32], *table;
	uint16_t *avail;

	if (!vfuzz_is_live(v) || !q->size)
		vfuzz_start(v, UINT64_MAX, how & 0x40);
	v->clean = false;
	for (uint16_t i = 0; i < count; i++)
		desc[i] = vfuzz_descriptor(v, i, i + 1 == count);
	table = vfuzz_at(q->desc, 256);
	avail = vfuzz_at(q->avail, 64);
	if (how & 2) {
		uint64_t at = how & 4 ? VFUZZ_ROM + VFUZZ_BUFFERS + (how >> 3 & 3)
				      : VFUZZ_RAM + VFUZZ_BUFFERS;

		memcpy(vfuzz_at(at, sizeof(desc)), desc, sizeof(desc));
		table[0] = (struct virtq_desc){ .addr = at, .len = 16u * count };
		table[0].flags = VIRTQ_DESC_F_INDIRECT;
	} else {
		memcpy(table, desc, 16ULL * (count < q->size ? count : q->size));
	}
	avail[2 + q->next_avail % q->size] = 0;
	avail[1] = ++q->next_avail;
	vfuzz_write(v, VF_QUEUE_NOTIFY, index);
	vfuzz_run(v);
}

static inline void vfuzz_random_request(struct vfuzz *v, struct vfuzz_request *r)
{
	r->out_len = take_below(&v->in, 64);
	r->in_len = take_below(&v->in, 256);
	for (uint32_t i = 0; i < r->out_len; i++)
		r->out[i] = (uint8_t)take(&v->in, 1);
}

/* A request that is not quite what it was. The rings are as they should be all the same. */
static inline void vfuzz_mutate(struct vfuzz *v, struct vfuzz_request *r)
{
	uint8_t how = (uint8_t)take(&v->in, 1);

	if (how & 0x40)
		return;
	for (unsigned int left = how & 3; left && r->out_len; left--) {
		uint32_t at = take_below(&v->in, r->out_len);

		r->out[at] ^= (uint8_t)take(&v->in, 1);
	}
	if (how & 4)
		r->out_len = take_below(&v->in, r->out_len + 1);
	if (how & 8)
		r->in_len = take_below(&v->in, r->in_len + 1);
	if (how & 16)
		r->in_len = take_below(&v->in, VFUZZ_IN_MAX);
}

static inline void vfuzz_send(struct vfuzz *v)
{
	struct vfuzz_request r = { 0 };
	unsigned int index = vfuzz_some_queue(v);
	uint8_t how = (uint8_t)take(&v->in, 1);
	struct vfuzz_cut cut = {
		.nr_out = 1 + (how & 3),
		.nr_in = 1 + (how >> 2 & 3),
		.out_in_ram = how & 0x10,
		.indirect = (how & 0x20) && virtio_has(v->vdev, VIRTIO_F_INDIRECT_DESC),
	};
	uint64_t in;

	if (!vfuzz_is_live(v) || !v->queue[index].size)
		vfuzz_start(v, UINT64_MAX, how & 0x40);
	if (v->target->request)
		v->target->request(v, index, &r);
	else
		vfuzz_random_request(v, &r);
	must(r.out_len <= VFUZZ_OUT_MAX && r.in_len <= VFUZZ_IN_MAX);
	vfuzz_mutate(v, &r);
	if (vfuzz_add(v, index, &r, &cut, &in) < 0 && !v->clean)
		vfuzz_start(v, UINT64_MAX, how & 0x40); /* its rings are lost */
	if (how & 0x80)
		return; /* later, with others */
	vfuzz_write(v, VF_QUEUE_NOTIFY, index);
	vfuzz_run(v);
}

static inline void vfuzz_step(struct vfuzz *v)
{
	switch (take_below(&v->in, 20)) {
	case 0:
		vfuzz_poke(v);
		break;
	case 1:
		vfuzz_write_named(v);
		break;
	case 2:
		vfuzz_access_config(v);
		break;
	case 3:
		v->clean = false;
		vfuzz_write(v, VF_STATUS, (uint32_t)take(&v->in, 1));
		break;
	case 4:
		vfuzz_place_queue(v);
		break;
	case 5:
		virtio_kick(v->vdev, (unsigned int)take(&v->in, 1)); /* KVM may tell of it without a reason */
		break;
	case 6:
		vfuzz_run(v);
		break;
	case 7:
		vfuzz_scribble(v);
		break;
	case 8:
		vfuzz_change_rings(v);
		break;
	case 9:
		vfuzz_send_chain(v);
		break;
	case 10:
		vfuzz_start(v, take_value(&v->in) ^ UINT64_MAX, take(&v->in, 1) & 1);
		break;
	case 11:
		vfuzz_reset(v);
		break;
	case 12:
	case 13:
		vfuzz_pass(v, take_value(&v->in) & 0xffffffffffULL);
		if (v->target->outside)
			v->target->outside(v);
		break;
	default:
		vfuzz_send(v);
	}
}

static inline void vfuzz_check(struct vfuzz *v)
{
	must(!v->level); /* a pulse is over */
	vfuzz_collect(v);
	if (v->target->check)
		v->target->check(v);
}

/* --- the whole --- */

static inline void vfuzz_create(struct vfuzz *v)
{
	static const struct irqchip_ops chip_ops = { .set_line = vfuzz_set_line, .send_msi = vfuzz_send_msi };
	static const struct clock_ops clock_ops = {
		.monotonic = fuzz_clock_monotonic,
		.realtime = fuzz_clock_realtime,
		.timer_set = vfuzz_timer_set,
	};
	struct err err;

	if (!vfuzz_piece[0].driver)
		vfuzz_map();
	for (unsigned int i = 0; i < VFUZZ_PIECES; i++) {
		const struct vfuzz_piece *p = &vfuzz_piece[i];

		memset(p->driver, 0, p->size);
		must(guest_mem_add(&v->mem, p->gpa, p->size, p->device, p->read_only) == 0);
	}
	vfuzz_lines = 0;
	v->chip.ops = &chip_ops;
	v->time = (struct fuzz_clock){ .clock.ops = &clock_ops, .now = NSEC_PER_SEC };
	v->clock = &v->time.clock;

	v->target->create(v);
	v->vdev->notify = vfuzz_notify;
	v->vdev->runner = v;
	v->host = (struct device_host){
		.clock = v->clock, .mem = &v->mem, .virtio = &v->vdev, .nr_virtio = 1, .virtio_pages = v->page
	};
	must(device_create(&v->slot, &virtio_mmio_class, &v->host,
			   (struct irq_line){ .chip = &v->chip, .line = VFUZZ_LINE }, 0, &err) == 0);
}

static inline void vfuzz_destroy(struct vfuzz *v)
{
	vfuzz_expose(v, false);
	device_destroy(v->slot);
	virtio_destroy(v->vdev);
	must(!v->armed);
	if (v->target->destroy)
		v->target->destroy(v);
}

static inline int vfuzz_one(const struct vfuzz_target *target, const uint8_t *data, size_t size)
{
	static struct vfuzz v;

	v = (struct vfuzz){ .target = target, .in = { data, size } };
	vfuzz_create(&v);
	if (take(&v.in, 1) & 1)
		vfuzz_start(&v, UINT64_MAX, false);
	while (v.in.left) {
		vfuzz_step(&v);
		vfuzz_check(&v);
	}
	vfuzz_start(&v, UINT64_MAX, false);
	vfuzz_check(&v);
	if (target->probe)
		target->probe(&v);
	vfuzz_destroy(&v);
	return 0;
}

#endif
