/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Message-signalled interrupts on aarch64: the ITS of an in-kernel GICv3, or a GICv2m frame for any
 * GIC that has none.
 */
#ifndef VIREO_VMM_MSI_ARM64_H
#define VIREO_VMM_MSI_ARM64_H

#include "devices/device.h"
#include "kvm/vgic.h"
#include "vmm/vm.h"

struct arm_msi {
	const struct kvm_vm *kvm_vm; /* has an ITS; or NULL */
	struct device *v2m;          /* or NULL */
	uint64_t doorbell;           /* of the frame */
};

/*
 * Creates what takes MSIs, describes it in vm->machine.irqchip and puts a GICv2m frame on the bus. The
 * machine has its devices and vm->machine.irqchip says which GIC there is. `vgic` is the in-kernel GIC
 * or NULL; `chip` is where the frame's lines lead. -EINVAL or the host's error if --its on cannot be.
 */
int arm_msi_init(struct arm_msi *msi, struct vm *vm, struct vgic *vgic, struct irqchip *chip,
		 struct err *err);
void arm_msi_finish(struct arm_msi *msi);

/* Describes what arm_msi_init() would create on a host that can do everything. */
void arm_msi_assume(struct vm *vm);

/* struct irqchip_ops, send_msi. */
void arm_msi_send(const struct arm_msi *msi, uint64_t addr, uint32_t data, uint32_t devid);

/*
 * Checks that the guest can reach a range that KVM does not see; `option` says where it is. KVM itself
 * checks what is its own. arch_arm64.c.
 */
int arm_check_reach(const struct vm *vm, const char *option, const struct machine_range *range,
		    struct err *err);

/* For a line of the log. */
const char *arm_msi_name(const struct arm_msi *msi);

#endif
