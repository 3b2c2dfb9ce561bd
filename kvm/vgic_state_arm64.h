/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole state of an in-kernel GIC, to be kept and given to another one: distributor,
 * redistributors, CPU interfaces, levels of the lines, and the ITS, whose tables and whose pending
 * LPIs KVM writes to guest RAM, where the guest has provided for them (Linux,
 * Documentation/virt/kvm/devices/arm-vgic.rst, arm-vgic-v3.rst and arm-vgic-its.rst).
 */
#ifndef VIREO_KVM_VGIC_STATE_ARM64_H
#define VIREO_KVM_VGIC_STATE_ARM64_H

#include <stddef.h>
#include <stdint.h>

#include "kvm/vgic.h"

#define VGIC_STATE_VERSION 1

/* One block of memory without pointers; of the host's byte order. */
struct vgic_state {
	uint32_t version; /* VGIC_STATE_VERSION */
	uint32_t gic;     /* 2 or 3 */
	uint32_t nr_irqs; /* INTIDs */
	uint32_t nr_vcpus;
	uint32_t its;   /* 1: there is one; else 0 */
	uint32_t count; /* of values */
	/* One for each register, in an order that follows from the fields above (vgic_state_arm64.c). */
	uint64_t value[];
};

/* Bytes of a state with `count` values. */
#define VGIC_STATE_SIZE(count) (sizeof(struct vgic_state) + (count) * sizeof(uint64_t))

/*
 * Which GIC: created and configured by vgic.h, with `nr_irqs` INTIDs and the vCPUs 0 to `nr_vcpus` - 1,
 * whose MPIDR affinities (bits 39:32 and 23:0 as in the register) are in `mpidr`.
 */
struct vgic_shape {
	struct vgic *vgic;
	const struct kvm_vm *vm;
	uint32_t nr_irqs;
	uint32_t nr_vcpus; /* at most 512 */
	const uint64_t *mpidr;
};

/*
 * Saves to *out, malloc'ed, which the caller frees. Writes to guest RAM, so that RAM is to be saved
 * afterwards. No vCPU runs, and none is in the middle of an access (kvm/arm64.h,
 * kvm_arm64_complete()).
 */
int vgic_save(const struct vgic_shape *shape, struct vgic_state **out, struct err *err);

/*
 * Loads `state`, of `size` bytes, into a GIC of the same shape none of whose vCPUs has run. Guest RAM
 * has been restored. A state that is not of this shape is -EINVAL and changes nothing; values that KVM
 * refuses are its error, and the GIC is then of no more use.
 *
 * Lines that are high stay so, until whoever drives them lowers them.
 */
int vgic_load(const struct vgic_shape *shape, const struct vgic_state *state, size_t size, struct err *err);

#endif
