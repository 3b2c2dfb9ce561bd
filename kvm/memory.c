// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm/kvm.h"

static int create_memfd(struct kvm_ram *ram, enum kvm_ram_backing backing, struct err *err)
{
	unsigned int flags = MFD_CLOEXEC | (backing == KVM_RAM_HUGETLB ? MFD_HUGETLB : 0);

	ram->fd = memfd_create("guest-ram", flags);
	if (ram->fd < 0)
		return err_host(err, errno, "memfd_create for guest RAM");
	if (ftruncate(ram->fd, (off_t)ram->size) < 0)
		return err_host(err, errno, "guest RAM of %zu MiB", ram->size >> 20);
	return 0;
}

int kvm_ram_map(struct kvm_ram *ram, size_t size, enum kvm_ram_backing backing, struct err *err)
{
	int flags = backing == KVM_RAM_ANONYMOUS ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *host;
	int ret;

	*ram = (struct kvm_ram){ .size = size, .fd = -1 };
	if (backing != KVM_RAM_ANONYMOUS) {
		ret = create_memfd(ram, backing, err);
		if (ret < 0)
			goto fail;
	}
	/* Huge pages are reserved now: without enough of them the guest would die of SIGBUS later. */
	if (backing != KVM_RAM_HUGETLB)
		flags |= MAP_NORESERVE;
	host = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, ram->fd, 0);
	if (host == MAP_FAILED) {
		ret = err_host(err, errno, "mapping %zu MiB of guest RAM%s", size >> 20,
			       backing == KVM_RAM_HUGETLB
				       ? " in huge pages (reserve them in /proc/sys/vm/nr_hugepages)"
				       : "");
		goto fail;
	}
	ram->host = host;

	/* Advice: a host without transparent huge pages refuses it, and that is fine. */
	(void)madvise(host, size, MADV_HUGEPAGE);
	(void)madvise(host, size, MADV_DONTDUMP);
	return 0;

fail:
	kvm_ram_unmap(ram);
	return ret;
}

void kvm_ram_unmap(struct kvm_ram *ram)
{
	if (ram->host)
		munmap(ram->host, ram->size);
	if (ram->size && ram->fd >= 0)
		close(ram->fd);
	*ram = (struct kvm_ram){ .fd = -1 };
}
