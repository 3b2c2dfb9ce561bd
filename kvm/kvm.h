/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Raw KVM (Linux, Documentation/virt/kvm/api.rst, "The Definitive KVM (Kernel-based Virtual
 * Machine) API Documentation"). This room issues every ioctl of the program. Functions return 0 or
 * a negative errno; where they take a struct err they leave one line there that names the ioctl
 * and what it was for.
 */
#ifndef VIREO_KVM_KVM_H
#define VIREO_KVM_KVM_H

#include <linux/kvm.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "kvm/err.h"

#define KVM_DEVICE_PATH "/dev/kvm"

/* --- the system: /dev/kvm --- */

struct kvm {
	int fd;
	size_t run_size; /* bytes to mmap of each vCPU fd */
};

/* Opens /dev/kvm, checks the API version. On failure there is nothing to close. */
int kvm_open(struct kvm *kvm, struct err *err);
void kvm_close(struct kvm *kvm);

/* A capability as the kernel header names it, for messages: KVM_CAP_NAME(SYNC_REGS). */
struct kvm_cap {
	int number;
	const char *name;
};
#define KVM_CAP_NAME(cap) ((struct kvm_cap){ KVM_CAP_##cap, "KVM_CAP_" #cap })

/* KVM_CHECK_EXTENSION on any of the two kinds of fd: 0 means absent, else what the API says. */
int kvm_check(int fd, struct kvm_cap cap);

/* -ENOSYS with a line naming the capability and why it is needed, unless it is there. */
int kvm_require(int fd, struct kvm_cap cap, const char *why, struct err *err);

/* An ioctl that must succeed; `purpose` completes "KVM_X (purpose): strerror". */
#define KVM_IOCTL(fd, request, arg, purpose, err) \
	kvm_ioctl_named((fd), (request), (unsigned long)(arg), #request, (purpose), (err))
int kvm_ioctl_named(int fd, unsigned long request, unsigned long arg, const char *name, const char *purpose,
		    struct err *err);

/* --- guest RAM --- */

enum kvm_ram_backing {
	KVM_RAM_ANONYMOUS, /* private memory, transparent huge pages where the host gives them */
	KVM_RAM_MEMFD,     /* shareable with another process */
	KVM_RAM_HUGETLB,   /* a memfd of huge pages, reserved at once */
};

struct kvm_ram {
	uint8_t *host;
	size_t size; /* bytes */
	int fd;      /* memfd, or -1 */
	enum kvm_ram_backing backing;
};

/*
 * Maps `size` bytes (a multiple of the page size). Nothing is reserved or touched but for
 * KVM_RAM_HUGETLB. kvm_ram_unmap() takes a zeroed struct too.
 */
int kvm_ram_map(struct kvm_ram *ram, size_t size, enum kvm_ram_backing backing, struct err *err);
void kvm_ram_unmap(struct kvm_ram *ram);

/*
 * Gives the host's pages that lie within [addr, addr + len) back to the host; they read as zeroes when they
 * are touched again. Returns how many bytes that were: none of KVM_RAM_HUGETLB, whose reservation must last.
 * -EFAULT if it is not all guest RAM, or what the host says. Any thread.
 */
ssize_t kvm_ram_release(const struct kvm_ram *ram, void *addr, size_t len);

/* --- a VM --- */

struct kvm_vm {
	const struct kvm *kvm;
	int fd;
};

/* `type` is the machine type word of KVM_CREATE_VM (0 on x86-64). */
int kvm_vm_create(struct kvm_vm *vm, const struct kvm *kvm, unsigned long type, struct err *err);
void kvm_vm_destroy(struct kvm_vm *vm);

int kvm_vm_enable_cap(const struct kvm_vm *vm, struct kvm_cap cap, uint64_t arg0, const char *purpose,
		      struct err *err);

/*
 * Slot `slot` shows the guest [gpa, gpa + size) at `host`. Its writes to a read-only slot come as
 * KVM_EXIT_MMIO; -ENOSYS with a line where KVM has no such slots.
 */
int kvm_vm_set_memory(const struct kvm_vm *vm, uint32_t slot, uint64_t gpa, uint64_t size, void *host,
		      bool read_only, struct err *err);

/* A guest's write of `len` bytes of `value` to `addr` (MMIO) that is to become a write to eventfd `fd`. */
struct kvm_doorbell {
	uint64_t addr;
	uint32_t len; /* bytes */
	uint32_t value;
	int fd;
};

/* Such writes end in KVM from now on, or no more. 0 or a negative errno (no message). */
int kvm_vm_ioeventfd(const struct kvm_vm *vm, const struct kvm_doorbell *bell, bool on);

/*
 * Writes to eventfd `fd` pulse the in-kernel controller's line `gsi` (on aarch64 the SPI, counted from 0)
 * from now on, or no more. 0 or a negative errno (no message); -EINVAL where there is no controller in
 * the kernel.
 */
int kvm_vm_irqfd(const struct kvm_vm *vm, uint32_t gsi, int fd, bool on);

/* --- a vCPU --- */

struct kvm_vcpu {
	int fd;
	unsigned int id;
	struct kvm_run *run; /* shared with the kernel while in kvm_vcpu_run() */
	size_t run_size;
};

int kvm_vcpu_create(struct kvm_vcpu *vcpu, const struct kvm_vm *vm, unsigned int id, struct err *err);
void kvm_vcpu_destroy(struct kvm_vcpu *vcpu);

/*
 * Makes `signal` interrupt kvm_vcpu_run(). The vCPU's thread keeps it blocked otherwise, so that
 * a signal sent at any moment is either seen by KVM or still pending at the next entry: no wake-up
 * is lost.
 */
int kvm_vcpu_set_kick_signal(const struct kvm_vcpu *vcpu, int signal, struct err *err);

/* Enters the guest. 0: see run->exit_reason; -EINTR: a signal is pending; else a failure. */
int kvm_vcpu_run(const struct kvm_vcpu *vcpu);

/* The name of KVM_EXIT_`reason` ("IO"), or "other" for one that this program knows nothing of. */
const char *kvm_exit_name(unsigned int reason);

/* --- in-kernel devices --- */

/* Creates a device of KVM_DEV_TYPE_*; returns its fd or a negative errno (no message). */
int kvm_device_create(const struct kvm_vm *vm, uint32_t type);

/* Sets attribute `attr` of `group` from *value (NULL for attributes without one). No message. */
int kvm_device_set(int fd, uint32_t group, uint64_t attr, const void *value);

/* Reads attribute `attr` of `group` into *value, which has the attribute's size. No message. */
int kvm_device_get(int fd, uint32_t group, uint64_t attr, void *value);

#endif
