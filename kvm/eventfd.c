// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <sys/ioctl.h>

#include "kvm/kvm.h"

int kvm_vm_ioeventfd(const struct kvm_vm *vm, const struct kvm_doorbell *bell, bool on)
{
	struct kvm_ioeventfd ioevent = {
		.datamatch = bell->value,
		.addr = bell->addr,
		.len = bell->len,
		.fd = bell->fd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH | (on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN),
	};

	return ioctl(vm->fd, KVM_IOEVENTFD, &ioevent) < 0 ? -errno : 0;
}

int kvm_vm_irqfd(const struct kvm_vm *vm, uint32_t gsi, int fd, bool on)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)fd,
		.gsi = gsi,
		.flags = on ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	return ioctl(vm->fd, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}
