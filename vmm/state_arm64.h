/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processors and the GIC of a stopped VM as one block of bytes, from which a VM of the same
 * definition in another process goes on. Guest RAM and the device models are not in it.
 */
#ifndef VIREO_VMM_STATE_ARM64_H
#define VIREO_VMM_STATE_ARM64_H

#include <stddef.h>

#include "kvm/err.h"
#include "kvm/vgic.h"
#include "vmm/vm.h"

/*
 * After vm_halt(). Writes to guest RAM (pending LPIs, tables of the ITS): RAM is saved after this.
 * *block is malloc'ed; the caller frees it.
 */
int state_arm64_save(struct vm *vm, void **block, size_t *size, struct err *err);

/*
 * After vm_prepare(), when RAM has been loaded, and before vm_start(). The block may come from anyone:
 * -EINVAL names what is wrong with it. After a failure the VM can only be stopped.
 */
int state_arm64_load(struct vm *vm, const void *block, size_t size, struct err *err);

/* The in-kernel GIC. arch_arm64.c. */
struct vgic *arch_vgic(struct vm *vm);

#endif
