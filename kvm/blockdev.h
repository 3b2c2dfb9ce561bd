/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What only ioctls tell of a block device and do to it (<linux/fs.h>). `fd` is the device, open. Any
 * thread.
 */
#ifndef VIREO_KVM_BLOCKDEV_H
#define VIREO_KVM_BLOCKDEV_H

#include <stdbool.h>
#include <stdint.h>

struct blockdev_facts {
	uint64_t size;       /* bytes */
	uint32_t logical;    /* bytes: what an access is a multiple of */
	uint32_t physical;   /* bytes: what it had better be */
	uint32_t minimum_io; /* bytes; 0: unknown */
	uint32_t optimal_io; /* bytes; 0: unknown */
	uint32_t misaligned; /* bytes from the beginning to the first physical block's edge */
	bool read_only;
};

/* 0 or a negative errno. Only size and logical block size are sure to be known by every device. */
int blockdev_facts(int fd, struct blockdev_facts *facts);

/* The size in bytes into `size`. 0 or a negative errno. */
int blockdev_size(int fd, uint64_t *size);

/* Discards a range, in bytes, multiples of the logical block. 0 or a negative errno; -EOPNOTSUPP. */
int blockdev_discard(int fd, uint64_t offset, uint64_t length);

#endif
