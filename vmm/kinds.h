/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kinds of devices that a user adds: a disk, a network card, ... Each is one file vmm/device_NAME.c
 * that ends in one `const struct device_kind`, and one row in vmm/kinds.c. From that come the option
 * --NAME VALUE[,KEY=VALUE]..., the section [NAME ID] of a definition file with the same keys, the help,
 * and `vireo dump config`.
 */
#ifndef VIREO_VMM_KINDS_H
#define VIREO_VMM_KINDS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "devices/virtio/virtio.h"
#include "host/loop.h"
#include "kvm/err.h"
#include "vmm/options.h"

struct vm;
struct device_kind;

#define DEVICE_ID_MAX   32 /* bytes of an id, without the NUL: letters, digits, "-", "_" and "." */
#define DEVICE_KEYS_MAX 24 /* keys of a kind */

/* What one device was configured to be: the first member of each kind's own structure. */
struct device_config {
	const struct device_kind *kind;
	struct device_config *next; /* of any kind, in the order given: that of the virtio-mmio slots */
	/* NAME of [disk NAME] or id=NAME; unique in its kind. One without gets KIND0, KIND1, ... */
	char id[DEVICE_ID_MAX + 1];
	struct value_source source;                  /* of the whole */
	struct value_source values[DEVICE_KEYS_MAX]; /* of each key, by index in the kind's keys */
	unsigned int reading;   /* which of the definition files, in their order, has it; 0: none; or: */
#define DEVICE_OF_TEST UINT_MAX /* it is a test's own (vmm/matrix.h) */
	bool flawed;            /* a mistake in it was told already */
};

/* What a device is created with. */
struct device_place {
	struct vm *vm;     /* guest memory in vm->mem, guest RAM in vm->ram, the definition in vm->cfg */
	struct loop *loop; /* the device's worker: its own thread (kind->own_thread), else the main loop */
	const char *name;  /* "disk root": for virtio_init() and log lines */
};

struct device_kind {
	const char *name; /* "disk": --disk, [disk ID]; no option's and no other section's */
	/*
	 * The key of a first value without "KEY=", so that the option needs a value. NULL: there is none;
	 * the option stands alone, or is --NAME=KEY=VALUE[,KEY=VALUE]..., or a next argument that begins with
	 * KEY= is its value.
	 */
	const char *value_key;
	const char *help;   /* one line on the whole */
	bool single;        /* a VM has one at most; then its section may be without an ID */
	bool own_thread;    /* its queues are worked on by a thread of its own */
	bool shares_memory; /* another process works on guest memory: it must be a memfd */
	bool patient; /* which had better find several requests than be quick to find one (host/worker.h) */
	/*
	 * All devices of this kind are one virtio device: create() is called with the first of them, and finds
	 * the others behind it.
	 */
	bool joined;
	unsigned int platforms;

	size_t config_size; /* of the kind's structure, whose first member is struct device_config */
	/*
	 * Its keys, without "id". Fields: name, type, placeholder, offset (in the kind's structure; also
	 * `given`), platforms, min, max, step, choices, input, help; the others are not used. A flag is "ro" or
	 * "ro=on|off". Ends with an entry whose name is NULL. Texts and files are owned by the
	 * configuration and freed with it. None is mandatory by itself: that is for check() to say.
	 */
	const struct option *keys;
	/* May be NULL. Fills in what is not zero by default; no texts or files. */
	void (*defaults)(struct device_config *dc);
	/*
	 * May be NULL. What is missing, and what keys mean together, before anything on the host is touched:
	 * 0 or -EINVAL with a line made by device_error().
	 */
	int (*check)(const struct device_config *dc, struct err *err);
	/* May be NULL. The same for what its keys and the rest of the definition mean together. */
	int (*fits)(const struct device_config *dc, const struct vm_config *cfg, struct err *err);
	/*
	 * Opens what the device needs on the host and makes its model, to be owned by the caller. 0 or a
	 * negative errno with a line made by device_error(), device_host_error() or device_failed(); then
	 * nothing is left.
	 */
	int (*create)(struct virtio_device **out, const struct device_config *dc,
		      const struct device_place *place, struct err *err);
};

extern const struct device_kind *const device_kinds[]; /* ends with NULL; kinds.c */

/* The virtio console of --console virtio and both, which no section and no other option gives. */
extern const struct device_config hvc_device;

/* The ports of exec, likewise. */
extern const struct device_config exec_device;

/* "disk root: TEXT", for what the user got wrong (-EINVAL), or the host refused (`code`: an errno; -code). */
int device_error(struct err *err, const struct device_config *dc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int device_host_error(struct err *err, const struct device_config *dc, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Puts "disk root: " in front of what `err` says already. Returns `code`, a negative errno. */
int device_failed(struct err *err, const struct device_config *dc, int code);

#endif
