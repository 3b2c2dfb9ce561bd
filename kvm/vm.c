// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm/kvm.h"

int kvm_vm_create(struct kvm_vm *vm, const struct kvm *kvm, unsigned long type, struct err *err)
{
	vm->kvm = kvm;
	/* KVM_CREATE_VM is interruptible while it waits for resources. */
	do
		vm->fd = ioctl(kvm->fd, KVM_CREATE_VM, type);
	while (vm->fd < 0 && errno == EINTR);
	if (vm->fd < 0)
		return err_host(err, errno, "KVM_CREATE_VM (creating the VM, type %#lx)", type);
	return 0;
}

void kvm_vm_destroy(struct kvm_vm *vm)
{
	if (vm->fd >= 0)
		close(vm->fd);
	vm->fd = -1;
}

int kvm_vm_enable_cap(const struct kvm_vm *vm, struct kvm_cap cap, uint64_t arg0, const char *purpose,
		      struct err *err)
{
	struct kvm_enable_cap enable = { .cap = (uint32_t)cap.number, .args = { arg0 } };

	if (ioctl(vm->fd, KVM_ENABLE_CAP, &enable) < 0)
		return err_host(err, errno, "KVM_ENABLE_CAP %s (%s)", cap.name, purpose);
	return 0;
}

int kvm_vm_set_memory(const struct kvm_vm *vm, uint32_t slot, uint64_t gpa, uint64_t size, void *host,
		      bool read_only, struct err *err)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = read_only ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uint64_t)(uintptr_t)host,
	};

	if (read_only) {
		int ret = kvm_require(vm->fd, KVM_CAP_NAME(READONLY_MEM), "for memory the guest cannot write",
				      err);

		if (ret < 0)
			return ret;
	}
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return err_host(err, errno, "KVM_SET_USER_MEMORY_REGION (%llu MiB of guest memory at %#llx)",
				(unsigned long long)(size >> 20), (unsigned long long)gpa);
	return 0;
}
