// SPDX-License-Identifier: BSD-2-Clause
#include "kvm/blockdev.h"

#include <errno.h>
#include <linux/fs.h>
#include <stddef.h>
#include <sys/ioctl.h>

int blockdev_size(int fd, uint64_t *size)
{
	return ioctl(fd, BLKGETSIZE64, size) < 0 ? -errno : 0;
}

int blockdev_facts(int fd, struct blockdev_facts *facts)
{
	int logical, read_only, misaligned;
	unsigned int value;
	int ret;

	*facts = (struct blockdev_facts){ 0 };
	ret = blockdev_size(fd, &facts->size);
	if (ret < 0)
		return ret;
	if (ioctl(fd, BLKSSZGET, &logical) < 0)
		return -errno;
	facts->logical = (uint32_t)logical;
	facts->physical = ioctl(fd, BLKPBSZGET, &value) < 0 ? facts->logical : value;
	facts->minimum_io = ioctl(fd, BLKIOMIN, &value) < 0 ? 0 : value;
	facts->optimal_io = ioctl(fd, BLKIOOPT, &value) < 0 ? 0 : value;
	/* -1: the device does not know. */
	if (ioctl(fd, BLKALIGNOFF, &misaligned) == 0 && misaligned > 0)
		facts->misaligned = (uint32_t)misaligned;
	facts->read_only = ioctl(fd, BLKROGET, &read_only) == 0 && read_only;
	return 0;
}

int blockdev_discard(int fd, uint64_t offset, uint64_t length)
{
	uint64_t range[2] = { offset, length };

	return ioctl(fd, BLKDISCARD, range) < 0 ? -errno : 0;
}
