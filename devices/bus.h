/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bus: what answers at which address. One for memory-mapped I/O; on the PC another for ports.
 *
 * Filled before the vCPUs run and constant from then on; lookups take no lock. A guest access to
 * nothing is counted, logged once per address at debug level (for a bounded number of addresses),
 * reads as `unclaimed` and is ignored when written.
 */
#ifndef VIREO_DEVICES_BUS_H
#define VIREO_DEVICES_BUS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/device.h"

#define BUS_MAX_REGIONS   96
#define BUS_LOGGED_MISSES 64

struct bus_region {
	uint64_t base, size; /* bytes */
	struct device *dev;  /* not owned */
};

struct bus {
	const char *name;                          /* "mmio" or "pio", for logs */
	uint64_t unclaimed;                        /* what a read of nothing gives, cut to the access size */
	struct bus_region region[BUS_MAX_REGIONS]; /* sorted by base */
	unsigned int count;

	_Atomic uint64_t misses;                    /* accesses nothing answered */
	_Atomic uint64_t logged[BUS_LOGGED_MISSES]; /* address + 1 of misses already logged */
};

/* Empties the bus. */
void bus_init(struct bus *bus, const char *name, uint64_t unclaimed);

/* Adds a window. 0; -EINVAL if it is empty, wraps or overlaps; -ENOSPC if the bus is full. */
int bus_add(struct bus *bus, uint64_t base, uint64_t size, struct device *dev);

/*
 * A guest access of `size` bytes (1 to 8). Accesses wider than the device allows, or of odd sizes
 * (3, 5, 6, 7), are split into legal ones, low address first. Any thread; takes the device's lock.
 */
uint64_t bus_read(struct bus *bus, uint64_t addr, unsigned int size);
void bus_write(struct bus *bus, uint64_t addr, unsigned int size, uint64_t value);

#endif
