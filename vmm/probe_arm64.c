// SPDX-License-Identifier: BSD-2-Clause
#include "devices/machine.h"
#include "kvm/arm64.h"
#include "kvm/vgic.h"
#include "vmm/probe.h"

/* `its`: set to whether that GIC can have an ITS. */
static bool try_gic(const struct kvm *kvm, unsigned int version, bool *its, struct err *err)
{
	struct kvm_vm vm;
	struct vgic vgic;
	bool ok;

	*its = false;
	if (kvm_vm_create(&vm, kvm, kvm_arm64_vm_type(kvm), err) < 0)
		return false;
	ok = vgic_create(&vgic, &vm, version, err) >= 0;
	*its = ok && vgic_create_its(&vgic, &vm, ARM_GIC_ITS_BASE, err) >= 0;
	vgic_destroy(&vgic);
	kvm_vm_destroy(&vm);
	return ok;
}

void probe_arch(struct probe *probe, const struct kvm *kvm)
{
	int bits = kvm_check(kvm->fd, KVM_CAP_NAME(ARM_VM_IPA_SIZE));
	struct err err;
	bool v3, v2, user, its, no_its;

	probe_add_cap(probe, "psci", kvm->fd, KVM_CAP_NAME(ARM_PSCI_0_2), true, "PSCI 0.2 or later");
	probe_add_cap(probe, "nisv", kvm->fd, KVM_CAP_NAME(ARM_NISV_TO_USER), true,
		      "device accesses without a syndrome");
	probe_add(probe, "address-bits", true, false, NULL, "%d bits of guest-physical address", bits ?: 40);

	v3 = try_gic(kvm, 3, &its, &err);
	probe_add(probe, "gicv3", v3, false, "use --irqchip auto", "in-kernel GICv3");
	probe_add(probe, "its", its, false, "nothing: MSIs go through a GICv2m frame instead",
		  "in-kernel ITS of the GICv3");
	v2 = try_gic(kvm, 2, &no_its, &err);
	probe_add(probe, "gicv2", v2, false, "use --irqchip auto", "in-kernel GICv2, up to 8 vCPUs");
	user = kvm_check(kvm->fd, KVM_CAP_NAME(ARM_USER_IRQ)) > 0;
	probe_add(probe, "user-irq", user, false, "use --irqchip auto",
		  "userspace GICv2, up to 8 vCPUs (KVM_CAP_ARM_USER_IRQ)");
	probe_add(probe, "gic", v3 || v2 || user, true,
		  "use a host whose GIC has virtualization extensions, or a newer kernel", "any GIC");
	probe->stock_kernels = v3 || v2 || user;
}
