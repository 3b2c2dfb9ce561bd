// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm/kvm.h"

static int cannot_open(int code, struct err *err)
{
	switch (code) {
	case EACCES:
	case EPERM:
		return err_host(err, code,
				KVM_DEVICE_PATH
				" is not accessible; join its group (usermod -aG kvm $USER, then "
				"log in again) or run as root");
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return err_host(err, code,
				"no " KVM_DEVICE_PATH
				"; enable virtualization in the firmware or for this VM, "
				"and load the kvm_intel or kvm_amd module on x86-64");
	default:
		return err_host(err, code, "open " KVM_DEVICE_PATH);
	}
}

int kvm_open(struct kvm *kvm, struct err *err)
{
	int version, size, ret;

	kvm->fd = open(KVM_DEVICE_PATH, O_RDWR | O_CLOEXEC);
	if (kvm->fd < 0)
		return cannot_open(errno, err);

	version = ioctl(kvm->fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION) {
		if (version < 0)
			ret = err_host(err, errno, "KVM_GET_API_VERSION (is " KVM_DEVICE_PATH " KVM?)");
		else
			ret = err_host_text(err, "KVM's API version is %d; vireo needs %d", version,
					    KVM_API_VERSION);
		goto fail;
	}

	size = ioctl(kvm->fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run)) {
		ret = size < 0
			      ? err_host(err, errno, "KVM_GET_VCPU_MMAP_SIZE (sizing the vCPU's shared page)")
			      : err_host_text(err, "KVM_GET_VCPU_MMAP_SIZE gives %d bytes, too few", size);
		goto fail;
	}
	kvm->run_size = (size_t)size;
	return 0;

fail:
	kvm_close(kvm);
	return ret;
}

void kvm_close(struct kvm *kvm)
{
	if (kvm->fd >= 0)
		close(kvm->fd);
	kvm->fd = -1;
}

int kvm_check(int fd, struct kvm_cap cap)
{
	int ret = ioctl(fd, KVM_CHECK_EXTENSION, (unsigned long)cap.number);

	return ret < 0 ? 0 : ret;
}

int kvm_require(int fd, struct kvm_cap cap, const char *why, struct err *err)
{
	if (kvm_check(fd, cap))
		return 0;
	err_host_text(err, "this host's KVM has no %s, which is needed %s; a newer kernel has it", cap.name,
		      why);
	return -ENOSYS;
}

int kvm_ioctl_named(int fd, unsigned long request, unsigned long arg, const char *name, const char *purpose,
		    struct err *err)
{
	int ret = ioctl(fd, request, arg);

	if (ret < 0)
		return err_host(err, errno, "%s (%s)", name, purpose);
	return ret;
}

int kvm_device_create(const struct kvm_vm *vm, uint32_t type)
{
	struct kvm_create_device create = { .type = type };

	if (ioctl(vm->fd, KVM_CREATE_DEVICE, &create) < 0)
		return -errno;
	return (int)create.fd;
}

int kvm_device_set(int fd, uint32_t group, uint64_t attr, const void *value)
{
	struct kvm_device_attr set = {
		.group = group,
		.attr = attr,
		.addr = (uint64_t)(uintptr_t)value,
	};

	return ioctl(fd, KVM_SET_DEVICE_ATTR, &set) < 0 ? -errno : 0;
}

int kvm_device_get(int fd, uint32_t group, uint64_t attr, void *value)
{
	struct kvm_device_attr get = {
		.group = group,
		.attr = attr,
		.addr = (uint64_t)(uintptr_t)value,
	};

	return ioctl(fd, KVM_GET_DEVICE_ATTR, &get) < 0 ? -errno : 0;
}
