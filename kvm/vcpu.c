// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm/kvm.h"

int kvm_vcpu_create(struct kvm_vcpu *vcpu, const struct kvm_vm *vm, unsigned int id, struct err *err)
{
	void *run;

	*vcpu = (struct kvm_vcpu){ .fd = -1, .id = id, .run_size = vm->kvm->run_size };
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)id);
	if (vcpu->fd < 0)
		return err_host(err, errno, "KVM_CREATE_VCPU (creating vCPU %u)", id);

	run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (run == MAP_FAILED) {
		int ret = err_host(err, errno, "mmap of vCPU %u's shared page", id);

		kvm_vcpu_destroy(vcpu);
		return ret;
	}
	vcpu->run = run;
	return 0;
}

void kvm_vcpu_destroy(struct kvm_vcpu *vcpu)
{
	if (vcpu->run)
		munmap(vcpu->run, vcpu->run_size);
	if (vcpu->run_size && vcpu->fd >= 0)
		close(vcpu->fd);
	*vcpu = (struct kvm_vcpu){ .fd = -1 };
}

int kvm_vcpu_set_kick_signal(const struct kvm_vcpu *vcpu, int signal, struct err *err)
{
	/* The kernel's sigset_t has 64 bits; struct kvm_signal_mask ends in a flexible array. */
	struct {
		uint32_t len;
		uint8_t set[sizeof(uint64_t)];
	} mask = { .len = sizeof(uint64_t) };
	uint64_t blocked = ~(1ULL << (signal - 1));

	_Static_assert(offsetof(struct kvm_signal_mask, sigset) == sizeof(uint32_t),
		       "layout of kvm_signal_mask");
	memcpy(mask.set, &blocked, sizeof(blocked));
	return KVM_IOCTL(vcpu->fd, KVM_SET_SIGNAL_MASK, &mask, "letting a signal interrupt the guest", err);
}

int kvm_vcpu_run(const struct kvm_vcpu *vcpu)
{
	return ioctl(vcpu->fd, KVM_RUN, 0) < 0 ? -errno : 0;
}
