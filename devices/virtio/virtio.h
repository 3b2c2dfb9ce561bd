/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device (Virtual I/O Device (VIRTIO) Version 1.2) as its model sees it: one .c file that ends
 * in one `const struct virtio_class`. The transport (mmio.c) has the registers, the status machine and
 * the interrupt; a model has features, configuration space and queues.
 *
 * Threads and locks. Registers are accessed by vCPU threads; queues are worked on by the device's
 * worker (an event loop's thread), never by a vCPU's. `virtio_device.lock` guards the device's state,
 * its queues and its configuration space. Every operation of the class is called with it held, except
 * where it is said otherwise. Order: struct device's lock, then this one, then a backend's own, then
 * `irq_lock`, then the interrupt controller's.
 */
#ifndef VIREO_DEVICES_VIRTIO_VIRTIO_H
#define VIREO_DEVICES_VIRTIO_VIRTIO_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/device.h"
#include "devices/virtio/queue.h"
#include "kvm/err.h"

/* "Device Types". */
enum virtio_id {
	VIRTIO_ID_NET = 1,
	VIRTIO_ID_BLOCK = 2,
	VIRTIO_ID_CONSOLE = 3,
	VIRTIO_ID_ENTROPY = 4,
	VIRTIO_ID_BALLOON = 5,
	VIRTIO_ID_VSOCK = 19,
	VIRTIO_ID_FS = 26,
	VIRTIO_ID_PMEM = 27,
};

/* "Reserved Feature Bits": what the transport offers for every device. */
#define VIRTIO_F_INDIRECT_DESC (1ULL << 28)
#define VIRTIO_F_EVENT_IDX     (1ULL << 29)
#define VIRTIO_F_VERSION_1     (1ULL << 32)
#define VIRTIO_F_TRANSPORT     (VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1)

/* "Device Status Field". */
#define VIRTIO_STATUS_ACKNOWLEDGE 1
#define VIRTIO_STATUS_DRIVER      2
#define VIRTIO_STATUS_DRIVER_OK   4
#define VIRTIO_STATUS_FEATURES_OK 8
#define VIRTIO_STATUS_NEEDS_RESET 64
#define VIRTIO_STATUS_FAILED      128

/* "MMIO Device Register Layout", InterruptStatus. */
#define VIRTIO_INT_USED   1
#define VIRTIO_INT_CONFIG 2

/* Bytes of a slot. */
#define VIRTIO_MMIO_PAGE 4096u

/* The same, QueueNotify: where KVM watches for notifications. */
#define VIRTIO_MMIO_QUEUE_NOTIFY 0x050

#define VIRTIO_MAX_QUEUES 64
#define VIRTIO_CONFIG_MAX 256 /* bytes of configuration space */

struct virtio_device;

struct virtio_class {
	const char *name; /* "virtio-blk": for logs */
	enum virtio_id id;

	/*
	 * May be NULL. The driver has written `len` bytes (1, 2 or 4) to the configuration space at
	 * `offset`; all of it lies inside. What the model takes of it, it puts into vdev->config.
	 */
	void (*write_config)(struct virtio_device *vdev, unsigned int offset, const void *data,
			     unsigned int len);
	/* May be NULL. DRIVER_OK was set: vdev->accepted is final, the queues that are ready can be used. */
	void (*activate)(struct virtio_device *vdev);
	/*
	 * Mandatory. Queue `index` is ready and was notified, or may have work for another reason (the
	 * worker asks once after DRIVER_OK). The worker's thread; the device is live (virtio_is_live()).
	 */
	void (*kick)(struct virtio_device *vdev, unsigned int index);
	/*
	 * May be NULL. After it returns, nothing of this device touches guest memory any more and the model
	 * is as it was created; called for every reset, at any moment, on any thread, also when it was
	 * never activated, and when the driver gives the device up (FAILED) or stops one queue of a device
	 * that is in use. It may wait for what is in flight on the host.
	 */
	void (*reset)(struct virtio_device *vdev);
	/*
	 * May be NULL. The driver has acknowledged an interrupt for used buffers. Any thread, with the transport's lock
	 * held: it takes none.
	 */
	void (*acknowledged)(struct virtio_device *vdev);
	/*
	 * May be NULL, if nobody but kick() takes from the queues. The device is broken, kick() is not called any more:
	 * takes back what others work on (the kernel, another process), as reset() does, and may wait as that. Called
	 * by virtio_broken(), so maybe in the midst of the model's work on another queue.
	 */
	void (*halt)(struct virtio_device *vdev);
	/*
	 * May be NULL. Makes whatever waits in another operation of this device return soon with an error:
	 * the VM ends. Any thread, no lock held.
	 */
	void (*cancel)(struct virtio_device *vdev);
	/* Mandatory: frees the model, its backend and at last calls virtio_finish(). No other call runs. */
	void (*destroy)(struct virtio_device *vdev);
};

/*
 * What carries a device: the transport. Not called with vdev->lock held by others than the device
 * itself; all may be called from any thread.
 */
struct virtio_transport_ops {
	/* Sets bits VIRTIO_INT_* and interrupts the guest. Never blocks. */
	void (*interrupt)(struct virtio_device *vdev, uint32_t bits);
	/*
	 * An eventfd whose writes interrupt the guest without this program (the controller is in the kernel):
	 * from then on, until the device is reset, InterruptStatus always shows a used buffer; so it is to be
	 * asked for in each activate(). -1: there is none; interrupt() must be called. Owned by the controller.
	 */
	int (*interrupt_fd)(struct virtio_device *vdev);
	/*
	 * May be NULL. Status, configuration or its generation has changed, other than by an access to a register.
	 * Called with the lock held.
	 */
	void (*changed)(struct virtio_device *vdev);
};

/* A range of guest-physical addresses that a device shows ("Shared Memory Regions"). */
struct virtio_shm {
	uint8_t id;
	uint64_t base, size; /* bytes */
};

/* The common part of every virtio device; embedded as the model's first member. */
struct virtio_device {
	const struct virtio_class *class;
	char name[48]; /* "disk root": for log lines */
	const struct guest_mem *mem;

	pthread_mutex_t lock;   /* guards what follows, up to irq_lock */
	uint64_t offered;       /* features; constant after creation */
	uint64_t accepted;      /* by the driver, final with FEATURES_OK */
	_Atomic uint8_t status; /* changed with the lock held; who only tells of it reads it without */
	uint32_t generation;    /* ConfigGeneration */
	uint8_t config[VIRTIO_CONFIG_MAX];
	unsigned int config_size; /* bytes; constant after creation */
	struct virtq *queue;      /* nr_queues of them */
	unsigned int nr_queues;   /* constant */
	struct virtio_shm shm;    /* size 0: none; constant after creation */
	unsigned int nr_broken;   /* log lines on that so far */

	/*
	 * Set by whoever runs the device before it is plugged in: tells the worker that queue `index` was
	 * notified, so that class->kick() is called soon. Any thread.
	 */
	void (*notify)(struct virtio_device *vdev, unsigned int index);
	/*
	 * For models whose queues are worked on elsewhere (vhost, vhost-user): the eventfd that notifications
	 * of queue `index` arrive at; whoever calls this takes the queue over until virtio_give_queue_back().
	 * -1: there is none (tests). May be NULL.
	 */
	int (*take_queue)(struct virtio_device *vdev, unsigned int index);
	void (*give_queue_back)(struct virtio_device *vdev, unsigned int index);
	void *runner; /* theirs */

	/* Set by the transport. */
	const struct virtio_transport_ops *transport;
	void *transport_ctx;

	pthread_mutex_t irq_lock; /* the transport's: guards interrupt status and line */
};

/*
 * Initialises the common part of a zeroed model. `offered` are the model's own feature bits; those of
 * the transport are added. `queue_size` is the most descriptors of each queue, a power of two up to
 * VIRTQ_MAX_SIZE. The name is "KIND ID" as a user knows it. 0 or -ENOMEM.
 */
int virtio_init(struct virtio_device *vdev, const struct virtio_class *class, const struct guest_mem *mem,
		const char *name, uint64_t offered, unsigned int nr_queues, uint16_t queue_size,
		unsigned int config_size, struct err *err);
void virtio_finish(struct virtio_device *vdev);

/* Destroys a device; NULL is fine. */
void virtio_destroy(struct virtio_device *vdev);

/*
 * DRIVER_OK is set and the device is neither broken nor given up by its driver. With the lock held; or without, for somebody
 * who must not wait for the host, as a device may with its lock held, and may hear what has just changed.
 */
bool virtio_is_live(const struct virtio_device *vdev);

/* The driver has accepted that feature. With the lock held. */
static inline bool virtio_has(const struct virtio_device *vdev, uint64_t feature)
{
	return vdev->accepted & feature;
}

/* --- for models, with the lock held --- */

/*
 * Takes the next chain of queue `index`. True: `chain` is filled in. False: there is none, or the ring is
 * malformed and the device is broken now.
 */
bool virtio_pop(struct virtio_device *vdev, unsigned int index, struct virtq_chain *chain);

/* Interrupts the driver if it wants to know what was pushed to the queue, and has whether. Once after a batch. */
bool virtio_signal(struct virtio_device *vdev, unsigned int index);

/*
 * The device cannot go on until its driver resets it: no queue is worked on any more, then NEEDS_RESET and a
 * configuration interrupt tell the driver, and one log line the cause. For what a guest did wrong, and for
 * backends that are lost for good.
 */
void virtio_broken(struct virtio_device *vdev, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * The configuration space has been changed as the driver wished, other than by write_config(): of that it need not
 * be told.
 */
void virtio_changed(struct virtio_device *vdev);

/* The configuration space has been changed: a new generation and an interrupt, if a driver is there. */
void virtio_config_changed(struct virtio_device *vdev);

/* --- for the transport and for whoever runs the device --- */

/* The worker was told of queue `index`: calls class->kick() if the device is live. Takes the lock. */
void virtio_kick(struct virtio_device *vdev, unsigned int index);

#endif
