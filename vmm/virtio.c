// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/virtio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/vhost_user.h"
#include "host/worker.h"
#include "kvm/log.h"
#include "vmm/arch.h"
#include "vmm/kinds.h"
#include "vmm/vm.h"

#define LAST_TURNS 64

struct runner;

/* How notifications of one queue arrive. */
struct queue_event {
	struct runner *runner;
	unsigned int index;
	struct loop_source source; /* its eventfd, edge-triggered: never read */
	_Atomic bool taken;        /* somebody else reads the eventfd; set with the device's lock held */
	bool has_bell;             /* KVM writes to it */
};

/* What a device runs on. */
struct runner {
	struct vm *vm;
	struct virtio_device *vdev;
	const struct machine_device *slot;
	struct loop *loop; /* its worker's, or the main one */
	struct worker worker;
	bool has_worker;
	char name[sizeof(((struct virtio_device *)0)->name)];
	struct queue_event *event; /* vdev->nr_queues of them, once it runs */
	unsigned int nr_events;
};

/* --- notifications --- */

/* The worker's thread. */
static void queue_ready(void *ctx, uint32_t events)
{
	struct queue_event *event = ctx;

	(void)events;
	if (!event->taken)
		virtio_kick(event->runner->vdev, event->index);
}

static struct queue_event *event_of(const struct virtio_device *vdev, unsigned int index)
{
	struct runner *runner = vdev->runner;

	return index < runner->nr_events ? &runner->event[index] : NULL;
}

static void notify(struct virtio_device *vdev, unsigned int index)
{
	struct queue_event *event = event_of(vdev, index);
	const uint64_t one = 1;

	if (event)
		(void)!write(event->source.fd, &one, sizeof(one)); /* a full counter wakes as well */
}

static int take_queue(struct virtio_device *vdev, unsigned int index)
{
	struct queue_event *event = event_of(vdev, index);

	if (!event)
		return -1;
	if (!event->taken)
		loop_change(event->runner->loop, &event->source, 0);
	event->taken = true;
	return event->source.fd;
}

static void give_queue_back(struct virtio_device *vdev, unsigned int index)
{
	struct queue_event *event = event_of(vdev, index);

	if (!event || !event->taken)
		return;
	event->taken = false;
	loop_change(event->runner->loop, &event->source, EPOLLIN | EPOLLET);
}

/* Without it each notification is an exit that ends in notify(). */
static int set_bell(struct queue_event *event, bool on, struct err *err)
{
	const struct runner *runner = event->runner;
	const struct kvm_doorbell bell = {
		.addr = runner->slot->base + VIRTIO_MMIO_QUEUE_NOTIFY,
		.len = 4,
		.value = event->index,
		.fd = event->source.fd,
	};
	int ret = kvm_vm_ioeventfd(&runner->vm->kvm_vm, &bell, on);

	if (ret < 0 && on)
		return err_host(err, -ret, "KVM_IOEVENTFD (notifications of %s, queue %u)", runner->name,
				event->index);
	event->has_bell = on;
	return 0;
}

static void close_event(struct queue_event *event)
{
	struct err err;

	if (event->has_bell)
		set_bell(event, false, &err);
	loop_remove(event->runner->loop, &event->source);
	close(event->source.fd);
}

static int open_event(struct runner *runner, unsigned int index, struct err *err)
{
	struct queue_event *event = &runner->event[index];
	int ret;

	*event = (struct queue_event){ .runner = runner, .index = index };
	event->source = (struct loop_source){ .ready = queue_ready, .ctx = event };
	event->source.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event->source.fd < 0)
		return err_host(err, errno, "eventfd for %s, queue %u", runner->name, index);
	ret = loop_add(runner->loop, &event->source, EPOLLIN | EPOLLET, err);
	if (ret < 0) {
		close(event->source.fd);
		return ret;
	}
	runner->nr_events = index + 1;
	return set_bell(event, true, err);
}

/*
 * What the vCPUs notified last, before they were stopped: a console's last words are among it. A device may
 * want more turns than one, but not without end.
 */
static void serve_last(struct runner *runner)
{
	bool again = true;

	for (unsigned int turn = 0; again && turn < LAST_TURNS; turn++) {
		again = false;
		for (unsigned int i = 0; i < runner->nr_events; i++) {
			struct queue_event *event = &runner->event[i];
			uint64_t count;

			if (event->taken || read(event->source.fd, &count, sizeof(count)) != sizeof(count))
				continue;
			virtio_kick(runner->vdev, event->index);
			again = true;
		}
	}
}

static void stop_runner(struct runner *runner)
{
	if (runner->has_worker)
		worker_stop(&runner->worker);
	else
		serve_last(runner);
	while (runner->nr_events)
		close_event(&runner->event[--runner->nr_events]);
	free(runner->event);
	runner->event = NULL;
}

static int start_runner(struct runner *runner, struct err *err)
{
	int ret = 0;

	runner->event = calloc(runner->vdev->nr_queues, sizeof(*runner->event));
	if (!runner->event)
		return err_host(err, ENOMEM, "%s", runner->name);
	for (unsigned int i = 0; i < runner->vdev->nr_queues && !ret; i++)
		ret = open_event(runner, i, err);
	if (!ret && runner->has_worker)
		ret = worker_start(&runner->worker, runner->name, err);
	if (ret < 0)
		stop_runner(runner);
	return ret;
}

/* --- creation --- */

/* Of a kind whose devices are one, the first has the slot. */
static bool has_slot(const struct vm_config *cfg, const struct device_config *dc)
{
	const struct device_config *first = cfg->devices;

	while (dc->kind->joined && first->kind != dc->kind)
		first = first->next;
	return !dc->kind->joined || first == dc;
}

/* The one that no section and no option gives, or NULL. */
static const struct device_config *builtin_device(const struct vm_config *cfg)
{
	if (cfg->command.count)
		return &exec_device;
	return config_has_hvc(cfg) ? &hvc_device : NULL;
}

/* What has a slot: the one behind `dc`, or the first for NULL; NULL: that was the last. */
static const struct device_config *next_device(const struct vm_config *cfg, const struct device_config *dc)
{
	if (dc == &hvc_device || dc == &exec_device)
		return NULL;
	for (dc = dc ? dc->next : cfg->devices; dc && !has_slot(cfg, dc); dc = dc->next)
		;
	return dc ? dc : builtin_device(cfg);
}

unsigned int virtio_slots(const struct vm_config *cfg)
{
	const struct device_config *dc = NULL;
	unsigned int count = 0;

	while ((dc = next_device(cfg, dc)))
		count++;
	return count;
}

static void worker_failed(void *ctx, const struct err *err)
{
	struct runner *runner = ctx;

	vm_end_because(runner->vm, VM_FAILED, "%s: %s", runner->name, err->text);
}

static void destroy_runner(struct runner *runner)
{
	virtio_destroy(runner->vdev);
	if (runner->has_worker)
		worker_finish(&runner->worker);
	free(runner);
}

static int create_runner(struct vm *vm, const struct device_config *dc, struct virtio_device **out,
			 struct err *err)
{
	struct runner *runner = calloc(1, sizeof(*runner));
	struct device_place place = { .vm = vm, .loop = vm->loop };
	int ret = 0;

	if (!runner)
		return err_host(err, ENOMEM, "%s %s", dc->kind->name, dc->id);
	runner->vm = vm;
	snprintf(runner->name, sizeof(runner->name), "%s %s", dc->kind->name, dc->id);
	if (dc->kind->own_thread) {
		ret = worker_init(&runner->worker, err);
		if (ret < 0)
			goto fail;
		runner->has_worker = true;
		runner->worker.is_patient = dc->kind->patient;
		runner->worker.failed = worker_failed;
		runner->worker.ctx = runner;
		place.loop = &runner->worker.loop;
	}
	runner->loop = place.loop;
	place.name = runner->name;
	ret = dc->kind->create(out, dc, &place, err);
	if (ret < 0)
		goto fail;
	runner->vdev = *out;
	runner->vdev->notify = notify;
	runner->vdev->take_queue = take_queue;
	runner->vdev->give_queue_back = give_queue_back;
	runner->vdev->runner = runner;
	return 0;

fail:
	if (runner->has_worker)
		worker_finish(&runner->worker);
	free(runner);
	return ret;
}

/* --- registers as memory --- */

/* The slot that the machine has for device `index`. */
static const struct machine_device *slot_of(const struct machine *m, unsigned int index)
{
	const struct machine_device *slot = machine_find(m, "virtio-mmio");

	return slot ? slot + index : NULL; /* they follow each other: machine_add_virtio() */
}

/*
 * The memory that the registers of all devices are shown in. Where the architecture has the guest read such memory as it
 * is, it reads them from there: slots follow each other, so that one read-only memory slot of KVM's has them all. What is
 * written there is an exit still, or an eventfd's.
 */
static int show_registers(struct vm *vm, unsigned int slots, struct err *err)
{
	size_t size = (size_t)slots * VIRTIO_MMIO_PAGE;
	void *pages;

	pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		return err_host(err, errno, "memory for the registers of %u virtio devices", slots);
	vm->device_host.virtio_pages = pages;
	if (!arch_reads_device_memory)
		return 0;
	/* RAM and windows have the KVM slots below. */
	return kvm_vm_set_memory(&vm->kvm_vm, GUEST_MEM_MAX_RANGES, slot_of(&vm->machine, 0)->base, size,
				 pages, true, err);
}

static void hide_registers(struct vm *vm, unsigned int slots)
{
	if (vm->device_host.virtio_pages)
		munmap(vm->device_host.virtio_pages, (size_t)slots * VIRTIO_MMIO_PAGE);
	vm->device_host.virtio_pages = NULL;
}

/* --- all of them --- */

void virtio_destroy_all(struct vm *vm)
{
	hide_registers(vm, virtio_slots(vm->cfg));
	while (vm->device_host.nr_virtio)
		destroy_runner(vm->device_host.virtio[--vm->device_host.nr_virtio]->runner);
	free(vm->device_host.virtio);
	vm->device_host.virtio = NULL;
}

/* Those that another process is behind, once all windows are there. */
static int check_shared_memory(const struct vm *vm, struct err *err)
{
	const struct device_config *dc = NULL;
	int ret = 0;

	for (unsigned int i = 0; !ret && (dc = next_device(vm->cfg, dc)); i++) {
		if (dc->kind->shares_memory)
			ret = vhost_user_check_memory(&vm->mem, vm->device_host.virtio[i]->name, err);
	}
	return ret;
}

int virtio_create_all(struct vm *vm, struct err *err)
{
	unsigned int count = virtio_slots(vm->cfg);
	const struct device_config *dc = NULL;
	int ret;

	if (!count)
		return 0;
	vm->device_host.virtio = calloc(count, sizeof(*vm->device_host.virtio));
	if (!vm->device_host.virtio)
		return err_host(err, ENOMEM, "%u devices", count);
	ret = show_registers(vm, count, err);
	while (ret >= 0 && (dc = next_device(vm->cfg, dc))) {
		unsigned int index = vm->device_host.nr_virtio;
		struct runner *runner;

		ret = create_runner(vm, dc, &vm->device_host.virtio[index], err);
		if (ret < 0)
			break;
		runner = vm->device_host.virtio[index]->runner;
		runner->slot = slot_of(&vm->machine, index);
		vm->device_host.nr_virtio++;
	}
	if (ret >= 0)
		ret = check_shared_memory(vm, err);
	if (ret < 0)
		virtio_destroy_all(vm);
	return ret;
}

void virtio_stop(struct vm *vm)
{
	for (unsigned int i = vm->device_host.nr_virtio; i; i--)
		stop_runner(vm->device_host.virtio[i - 1]->runner);
}

int virtio_start(struct vm *vm, struct err *err)
{
	for (unsigned int i = 0; i < vm->device_host.nr_virtio; i++) {
		int ret = start_runner(vm->device_host.virtio[i]->runner, err);

		if (ret < 0) {
			virtio_stop(vm);
			return ret;
		}
	}
	return 0;
}

void virtio_cancel(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->device_host.nr_virtio; i++) {
		struct virtio_device *vdev = vm->device_host.virtio[i];

		if (vdev->class->cancel)
			vdev->class->cancel(vdev);
	}
}
