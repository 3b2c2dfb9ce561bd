/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The GICv2 in userspace (devices/gicv2.h) between KVM's vCPUs and the machine: accesses to its two
 * frames, which the bus does not see because it knows no processors; the vCPUs' own timers; and
 * the interrupt inputs of the vCPUs.
 */
#ifndef VIREO_VMM_GICV2_USER_ARM64_H
#define VIREO_VMM_GICV2_USER_ARM64_H

#include "vmm/vcpu.h"
#include "vmm/vm.h"

struct gicv2_user;

/*
 * Creates it as vm->machine.irqchip describes it. The vCPUs exist and have not run. -ENOSYS, with the
 * cause, where KVM cannot run a VM without a GIC of its own.
 */
int gicv2_user_create(struct gicv2_user **out, struct vm *vm, struct err *err);
/* NULL is fine. */
void gicv2_user_destroy(struct gicv2_user *user);
/* Drives SPI `line`. Any thread. */
void gicv2_user_set_line(struct gicv2_user *user, uint32_t line, bool level);

/* The VM's, or NULL: it has an in-kernel GIC. arch_arm64.c. */
struct gicv2_user *gicv2_user_of(const struct vm *vm);

/* --- the vCPU's thread; all do nothing in a VM with an in-kernel GIC --- */

/* Before each KVM_RUN: the GIC's signals to KVM. */
void gicv2_user_enter(struct vcpu *vcpu);

/* After each KVM_RUN, before its exit is handled: timers to the GIC. */
void gicv2_user_look(struct vcpu *vcpu);

/* Serves an exit of kind KVM_EXIT_MMIO if it is for the GIC; else returns false. */
bool gicv2_user_access(struct vcpu *vcpu);

#endif
