/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of an in-kernel interrupt controller that are pulsed by writing to an eventfd: one each, made
 * when it is first asked for. vhost gets the eventfd itself.
 */
#ifndef VIREO_VMM_IRQFDS_H
#define VIREO_VMM_IRQFDS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "kvm/kvm.h"

#define IRQFDS_LINES 1024 /* the most lines that any controller has */

struct irqfds {
	const struct kvm_vm *kvm_vm;
	pthread_mutex_t lock;         /* guards the making of one */
	_Atomic int fd[IRQFDS_LINES]; /* eventfd + 1; 0: not made */
};

void irqfds_init(struct irqfds *irqfds, const struct kvm_vm *kvm_vm);
/* Takes a zeroed struct too. */
void irqfds_finish(struct irqfds *irqfds);

/* The eventfd of `line`, or -1 where the host has none to give. Any thread; owned by `irqfds`. */
int irqfds_get(struct irqfds *irqfds, uint32_t line);

/* Pulses `line`; false: there is no eventfd for it. Any thread. */
bool irqfds_pulse(struct irqfds *irqfds, uint32_t line);

#endif
