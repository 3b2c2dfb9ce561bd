/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a disk and its driver have in common: the parts of Virtual I/O Device (VIRTIO) Version 1.2, "Block Device", as they are
 * in memory. For blk.c alone.
 */
#ifndef VIREO_DEVICES_VIRTIO_BLK_LAYOUT_H
#define VIREO_DEVICES_VIRTIO_BLK_LAYOUT_H

#include <stdint.h>

#define SECTOR 512U /* bytes; the protocol's unit, whatever the disk's own is */

/* "Feature bits". */
#define F_SEG_MAX      (1ULL << 2)
#define F_RO           (1ULL << 5)
#define F_BLK_SIZE     (1ULL << 6)
#define F_FLUSH        (1ULL << 9)
#define F_TOPOLOGY     (1ULL << 10)
#define F_CONFIG_WCE   (1ULL << 11)
#define F_MQ           (1ULL << 12)
#define F_DISCARD      (1ULL << 13)
#define F_WRITE_ZEROES (1ULL << 14)

/* "Device configuration layout". Every field is aligned to its size, little-endian as the host is. */
struct config {
	uint64_t capacity; /* sectors */
	uint32_t size_max, seg_max;
	uint16_t cylinders;
	uint8_t heads, sectors;
	uint32_t blk_size; /* bytes; the unit of the next four, the first of which is a power of two of it */
	uint8_t physical_block_exp, alignment_offset;
	uint16_t min_io_size;
	uint32_t opt_io_size;
	uint8_t writeback, unused0;
	uint16_t num_queues;
	uint32_t max_discard_sectors, max_discard_seg, discard_sector_alignment;
	uint32_t max_write_zeroes_sectors, max_write_zeroes_seg;
	uint8_t write_zeroes_may_unmap, unused1[3];
	uint32_t max_secure_erase_sectors, max_secure_erase_seg, secure_erase_sector_alignment;
};
_Static_assert(sizeof(struct config) == 72, "the layout of the configuration space");

/* "Device Operation". */
enum request_type {
	T_IN = 0,
	T_OUT = 1,
	T_FLUSH = 4,
	T_GET_ID = 8,
	T_DISCARD = 11,
	T_WRITE_ZEROES = 13,
};

enum request_status {
	S_OK = 0,
	S_IOERR = 1,
	S_UNSUPP = 2,
};

struct header {
	uint32_t type, reserved;
	uint64_t sector;
};

#define RANGE_UNMAP 1u

struct range {
	uint64_t sector;
	uint32_t sectors, flags;
};

#endif
