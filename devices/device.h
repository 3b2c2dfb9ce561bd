/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device: one .c file that ends in one `const struct device_class`, and one row in
 * devices/table.c that says where it stands on each platform.
 */
#ifndef VIREO_DEVICES_DEVICE_H
#define VIREO_DEVICES_DEVICE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/irqchip.h"
#include "kvm/err.h"

struct chardev;
struct clock;
struct guest_mem;
struct machine;
struct virtio_device;

/* What a guest can ask of the program, or let it know. */
enum guest_event {
	GUEST_POWEROFF,
	GUEST_RESET,
	GUEST_PANIC,
};

/*
 * What the program hands to every device. Outlives the devices. Pointers that a device may find
 * NULL are marked so.
 */
struct device_host {
	struct clock *clock;
	struct guest_mem *mem;
	struct chardev *console; /* for the first serial port; may be NULL: output vanishes, no input */
	/* Any thread, any lock held; returns at once (the program acts later, the vCPU goes on). */
	void (*event)(void *ctx, enum guest_event event);
	/* The guest ends the run with that exit status of the program; as event(). */
	void (*leave)(void *ctx, uint8_t status);
	void *ctx;
	const struct machine *machine; /* the description, complete */
	/* What is plugged into the virtio-mmio slots; NULL, or behind the last: the slot is empty. Not owned. */
	struct virtio_device **virtio;
	unsigned int nr_virtio;
	/*
	 * Pages of 4 KiB, one for each slot, with what its registers show. A guest may read them in place of the
	 * registers; what it writes comes as ever. Zeroed; NULL: as `virtio`. Not owned.
	 */
	void *virtio_pages;
};

/* A property beyond reg, interrupts and compatible, for the device tree. */
enum device_prop_kind {
	PROP_U32,    /* name = <value> */
	PROP_STRING, /* name = "text" */
	PROP_FLAG,   /* name; */
	PROP_CLOCK,  /* clocks = <fixed clock of `value` Hz>; clock-names = "text" */
	PROP_POWER,  /* phandle = <...>, and a gpio-keys node whose power key is pin `value` of the device */
};

struct device_prop {
	const char *name; /* NULL ends a list */
	enum device_prop_kind kind;
	uint32_t value;
	const char *text;
};

struct device;

struct device_class {
	const char *name; /* as in logs, and the device tree's node name: "serial" */
	/*
	 * Identity. `compatible` is a list of strings each ended by NUL, the list by one more NUL
	 * ("arm,pl031\0arm,primecell\0"), as C string literals naturally give; NULL: the device is
	 * not in the device tree. `hid`: NULL: the device is not in the ACPI namespace.
	 */
	const char *compatible;
	const char *hid;
	const struct device_prop *props; /* may be NULL */
	bool edge;                       /* its line pulses (irq_line_pulse()): edge-triggered */

	size_t size;        /* of the device's own structure, whose first member is struct device */
	uint8_t access_max; /* widest access in bytes (1, 2, 4, 8); the bus splits wider ones, low
			     * address first */

	/* May be NULL. `dev` is zeroed but for the common part. On failure destroy is not called. */
	int (*create)(struct device *dev, const struct device_host *host, struct err *err);
	/* May be NULL. No other call runs or follows. */
	void (*destroy)(struct device *dev);
	/*
	 * Mandatory; called with dev->lock held. `offset` + `size` lies within the device's window;
	 * `size` is 1, 2, 4 or 8, at most access_max. False: nothing answers there; the bus does
	 * what the platform does for unclaimed addresses. `*value` is zero-extended.
	 */
	bool (*read)(struct device *dev, uint64_t offset, unsigned int size, uint64_t *value);
	bool (*write)(struct device *dev, uint64_t offset, unsigned int size, uint64_t value);
	/*
	 * NULL but for the device that the machine's power button hangs on. Presses and releases it; false:
	 * nothing happened, for the guest has not (yet) made the button interrupt it. Takes the lock.
	 * Any thread.
	 */
	bool (*press_power)(struct device *dev);
};

/* The common part of every device. */
struct device {
	const struct device_class *class;
	const struct device_host *host;
	pthread_mutex_t lock; /* guards the device's own state; taken before any irqchip lock */
	struct irq_line irq;
	unsigned int instance; /* of its class, from 0 */
};

/*
 * Creates device number `instance` of `class`. `irq` is copied. Returns 0 and the device, owned by the caller; or
 * a negative errno with the cause in `err`.
 */
int device_create(struct device **out, const struct device_class *class, const struct device_host *host,
		  struct irq_line irq, unsigned int instance, struct err *err);

/* Destroys a device; NULL is fine. */
void device_destroy(struct device *dev);

#endif
