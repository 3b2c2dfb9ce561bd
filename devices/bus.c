// SPDX-License-Identifier: BSD-2-Clause
#include "devices/bus.h"

#include <errno.h>
#include <inttypes.h>

#define LOG_AREA AREA_DEVICE
#include "kvm/log.h"

void bus_init(struct bus *bus, const char *name, uint64_t unclaimed)
{
	bus->name = name;
	bus->unclaimed = unclaimed;
	bus->count = 0;
	atomic_init(&bus->misses, 0);
	for (unsigned int i = 0; i < BUS_LOGGED_MISSES; i++)
		atomic_init(&bus->logged[i], 0);
}

/* The number of regions that start at or below `addr`: those before it in the sorted table. */
static unsigned int regions_up_to(const struct bus *bus, uint64_t addr)
{
	unsigned int low = 0, high = bus->count;

	while (low < high) {
		unsigned int mid = low + (high - low) / 2;

		if (bus->region[mid].base <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int bus_add(struct bus *bus, uint64_t base, uint64_t size, struct device *dev)
{
	unsigned int at = regions_up_to(bus, base);

	if (!size || base + (size - 1) < base)
		return -EINVAL;
	if (at > 0 && base - bus->region[at - 1].base < bus->region[at - 1].size)
		return -EINVAL;
	if (at < bus->count && bus->region[at].base - base < size)
		return -EINVAL;
	if (bus->count == BUS_MAX_REGIONS)
		return -ENOSPC;

	for (unsigned int i = bus->count; i > at; i--)
		bus->region[i] = bus->region[i - 1];
	bus->region[at] = (struct bus_region){ .base = base, .size = size, .dev = dev };
	bus->count++;
	return 0;
}

/* One part of a guest's access: all of it in one device, in a size the device takes, or in none. */
struct part {
	struct device *dev; /* NULL: nothing is there */
	uint64_t offset;    /* in the device's window */
	unsigned int size;
};

/* The part that an access of `size` bytes to `addr` begins with. */
static struct part first_part(const struct bus *bus, uint64_t addr, unsigned int size)
{
	unsigned int next = regions_up_to(bus, addr);
	const struct bus_region *below = next > 0 ? &bus->region[next - 1] : NULL;
	struct part part = { .size = size };

	if (below && addr - below->base < below->size) {
		uint64_t left = below->size - (addr - below->base);

		part.dev = below->dev;
		part.offset = addr - below->base;
		if (part.size > left)
			part.size = left;
		if (part.size > part.dev->class->access_max)
			part.size = part.dev->class->access_max;
		while (part.size & (part.size - 1)) /* round down to a power of two */
			part.size &= part.size - 1;
	} else if (next < bus->count && bus->region[next].base - addr < part.size) {
		part.size = bus->region[next].base - addr;
	}
	return part;
}

/* Counts an access that nothing answered; logs the first at each address, for so many addresses. */
static void miss(struct bus *bus, uint64_t addr, unsigned int size, const char *what)
{
	uint64_t key = addr + 1; /* 0 is a free place; no guest-physical address is UINT64_MAX */

	atomic_fetch_add_explicit(&bus->misses, 1, memory_order_relaxed);
	for (unsigned int i = 0; i < BUS_LOGGED_MISSES; i++) {
		uint64_t seen = atomic_load_explicit(&bus->logged[i], memory_order_relaxed);

		if (seen == 0 &&
		    atomic_compare_exchange_strong_explicit(&bus->logged[i], &seen, key, memory_order_relaxed,
							    memory_order_relaxed)) {
			log_debug("%s: nothing at 0x%" PRIx64 " (%s of %u bytes)", bus->name, addr, what,
				  size);
			return;
		}
		if (seen == key) /* also when another thread was quicker */
			return;
	}
}

static uint64_t low_bytes(uint64_t value, unsigned int size)
{
	return size < 8 ? value & ((1ULL << 8 * size) - 1) : value;
}

uint64_t bus_read(struct bus *bus, uint64_t addr, unsigned int size)
{
	uint64_t result = 0;
	struct part part;

	for (unsigned int done = 0; done < size; done += part.size) {
		uint64_t value = 0;
		bool answered = false;

		part = first_part(bus, addr + done, size - done);
		if (part.dev) {
			pthread_mutex_lock(&part.dev->lock);
			answered = part.dev->class->read(part.dev, part.offset, part.size, &value);
			pthread_mutex_unlock(&part.dev->lock);
		}
		if (!answered) {
			miss(bus, addr + done, part.size, "read");
			value = bus->unclaimed;
		}
		result |= low_bytes(value, part.size) << 8 * done;
	}
	return result;
}

void bus_write(struct bus *bus, uint64_t addr, unsigned int size, uint64_t value)
{
	struct part part;

	for (unsigned int done = 0; done < size; done += part.size) {
		bool answered = false;

		part = first_part(bus, addr + done, size - done);
		if (part.dev) {
			uint64_t bytes = low_bytes(value >> 8 * done, part.size);

			pthread_mutex_lock(&part.dev->lock);
			answered = part.dev->class->write(part.dev, part.offset, part.size, bytes);
			pthread_mutex_unlock(&part.dev->lock);
		}
		if (!answered)
			miss(bus, addr + done, part.size, "write");
	}
}
