/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio devices of a VM, run: what the definition lists is created; each queue gets an eventfd that
 * KVM writes to when the guest notifies it; the device's worker watches that and works on the queue.
 */
#ifndef VIREO_VMM_VIRTIO_H
#define VIREO_VMM_VIRTIO_H

#include "kvm/err.h"

struct vm;
struct vm_config;

/* How many virtio-mmio slots the devices of the definition take. */
unsigned int virtio_slots(const struct vm_config *cfg);

/* Creates them: vm->device_host.virtio. Undone by virtio_destroy_all(). */
int virtio_create_all(struct vm *vm, struct err *err);
void virtio_destroy_all(struct vm *vm);

/* From now on notifications reach the workers, until virtio_stop(). */
int virtio_start(struct vm *vm, struct err *err);
void virtio_stop(struct vm *vm);

/* The VM ends: whatever of a device makes a vCPU wait lets it go. Any thread. */
void virtio_cancel(struct vm *vm);

#endif
