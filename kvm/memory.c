// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm/kvm.h"

/*
 * Its size is sealed: it is handed to other processes (vhost-user), and one that made it shorter would have this one,
 * and the guest, end in a SIGBUS. Holes can still be punched, which is what the balloon does.
 */
static int create_memfd(struct kvm_ram *ram, enum kvm_ram_backing backing, struct err *err)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING | (backing == KVM_RAM_HUGETLB ? MFD_HUGETLB : 0);

	ram->fd = memfd_create("guest-ram", flags);
	if (ram->fd < 0)
		return err_host(err, errno, "memfd_create for guest RAM");
	if (ftruncate(ram->fd, (off_t)ram->size) < 0)
		return err_host(err, errno, "guest RAM of %zu MiB", ram->size >> 20);
	if (fcntl(ram->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return err_host(err, errno, "sealing the size of guest RAM");
	return 0;
}

#define HUGE_PAGE (2UL << 20)

/*
 * KVM gives the guest a huge page only where one begins at the same offset in guest-physical and in host
 * addresses, and ranges of guest RAM begin at multiples of one.
 */
static void *map_aligned(size_t size, int flags, int fd)
{
	uint8_t *room, *host;
	size_t before;

	room = mmap(NULL, size + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return MAP_FAILED;
	before = -(uintptr_t)room & (HUGE_PAGE - 1);
	host = mmap(room + before, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);
	if (host == MAP_FAILED) {
		int saved = errno;

		munmap(room, size + HUGE_PAGE);
		errno = saved;
		return MAP_FAILED;
	}
	if (before)
		munmap(room, before);
	munmap(host + size, HUGE_PAGE - before);
	return host;
}

int kvm_ram_map(struct kvm_ram *ram, size_t size, enum kvm_ram_backing backing, struct err *err)
{
	int flags = backing == KVM_RAM_ANONYMOUS ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *host;
	int ret;

	*ram = (struct kvm_ram){ .size = size, .fd = -1, .backing = backing };
	if (backing != KVM_RAM_ANONYMOUS) {
		ret = create_memfd(ram, backing, err);
		if (ret < 0)
			goto fail;
	}
	/*
	 * Reserved huge pages are aligned as they are, and taken now: without enough of them the guest would die
	 * of SIGBUS later.
	 */
	if (backing == KVM_RAM_HUGETLB)
		host = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, ram->fd, 0);
	else
		host = map_aligned(size, flags | MAP_NORESERVE, ram->fd);
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

ssize_t kvm_ram_release(const struct kvm_ram *ram, void *addr, size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), first, last;
	int ret;

	if ((uint8_t *)addr < ram->host || (size_t)((uint8_t *)addr - ram->host) > ram->size ||
	    len > ram->size - (size_t)((uint8_t *)addr - ram->host))
		return -EFAULT;
	first = (size_t)((uint8_t *)addr - ram->host);
	last = (first + len) & ~(page - 1);
	first = (first + page - 1) & ~(page - 1);
	if (first >= last || ram->backing == KVM_RAM_HUGETLB)
		return 0;
	/* A memfd's pages are the file's: unmapping them alone would keep them. */
	if (ram->backing == KVM_RAM_MEMFD)
		ret = fallocate(ram->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)first,
				(off_t)(last - first));
	else
		ret = madvise(ram->host + first, last - first, MADV_DONTNEED);
	return ret < 0 ? -errno : (ssize_t)(last - first);
}
