// SPDX-License-Identifier: BSD-2-Clause
#include "devices/machine.h"

#include <errno.h>
#include <string.h>

static int set_cpus(struct machine *m, unsigned int nr_cpus, struct err *err)
{
	unsigned int most = m->platform == PLATFORM_PC ? PC_MAX_CPUS : ARM_MAX_CPUS;

	if (nr_cpus < 1 || nr_cpus > most)
		return err_user(err, "cpus: %u is not possible: this machine has 1 to %u", nr_cpus, most);
	m->nr_cpus = nr_cpus;
	return 0;
}

static void add_ram(struct machine *m, uint64_t base, uint64_t size)
{
	m->ram[m->nr_ram++] = (struct machine_range){ .base = base, .size = size };
}

static int set_ram(struct machine *m, uint64_t size, struct err *err)
{
	if (size < MACHINE_MIN_RAM_SIZE || size > MACHINE_MAX_RAM_SIZE)
		return err_user(err,
				"memory: %llu bytes are not possible: this machine has %lluM to %lluG "
				"(write the unit, as in 256M)",
				(unsigned long long)size, MACHINE_MIN_RAM_SIZE >> 20,
				MACHINE_MAX_RAM_SIZE >> 30);
	if (size % MACHINE_PAGE_SIZE)
		return err_user(err, "memory: %llu bytes are not a multiple of the page size, %llu bytes",
				(unsigned long long)size, MACHINE_PAGE_SIZE);

	if (m->platform == PLATFORM_ARM) {
		add_ram(m, ARM_RAM_BASE, size);
		return 0;
	}
	add_ram(m, 0, size < PC_LOW_RAM_END ? size : PC_LOW_RAM_END);
	if (size > PC_LOW_RAM_END)
		add_ram(m, PC_HIGH_RAM, size - PC_LOW_RAM_END);
	return 0;
}

/* The device that has any of these addresses, or NULL. */
static const struct machine_device *device_at(const struct machine *m, enum device_space space, uint64_t base,
					      uint64_t size)
{
	for (unsigned int i = 0; i < m->nr_devices; i++) {
		const struct machine_device *dev = &m->device[i];

		if (dev->space == space && base < dev->base + dev->size && dev->base < base + size)
			return dev;
	}
	return NULL;
}

static int add_device(struct machine *m, const struct device_row *row, unsigned int instance, struct err *err)
{
	const struct placement *place = &row->on[m->platform];
	struct machine_device *dev;

	if (m->nr_devices == MACHINE_MAX_DEVICES)
		return err_user(err, "device %s: a machine has room for %d devices only", row->class->name,
				MACHINE_MAX_DEVICES);
	dev = &m->device[m->nr_devices++];
	dev->class = row->class;
	dev->instance = instance;
	dev->space = place->space;
	dev->base = place->base + instance * place->size;
	dev->size = place->size;
	dev->line = place->line < 0 ? place->line : place->line + (int)instance;
	return 0;
}

static int set_devices(struct machine *m, struct err *err)
{
	for (const struct device_row *row = device_table; row->class; row++) {
		if (row->on[m->platform].space == SPACE_NONE || row->extra != EXTRA_NONE)
			continue;
		for (unsigned int i = 0; i < row->instances; i++) {
			int ret = add_device(m, row, i, err);

			if (ret)
				return ret;
		}
	}
	return 0;
}

int machine_init(struct machine *m, enum platform platform, unsigned int nr_cpus, uint64_t ram_size,
		 struct err *err)
{
	int ret;

	memset(m, 0, sizeof(*m));
	m->platform = platform;
	ret = set_cpus(m, nr_cpus, err);
	if (!ret)
		ret = set_ram(m, ram_size, err);
	if (!ret)
		ret = set_devices(m, err);
	return ret;
}

int machine_add_extra(struct machine *m, enum machine_extra extra, uint64_t base, struct err *err)
{
	for (const struct device_row *row = device_table; row->class; row++) {
		struct device_row moved = *row;
		struct placement *place = &moved.on[m->platform];
		const struct machine_device *other;
		int ret;

		if (row->extra != extra || place->space == SPACE_NONE)
			continue;
		if (extra == EXTRA_DEBUG_EXIT)
			place->base = base;
		other = device_at(m, place->space, place->base, place->size);
		if (other)
			return err_user(
				err, "%s: %s 0x%llx to 0x%llx overlaps %s, 0x%llx to 0x%llx; choose another",
				row->class->name, place->space == SPACE_PIO ? "port" : "address",
				(unsigned long long)place->base,
				(unsigned long long)(place->base + place->size - 1), other->class->name,
				(unsigned long long)other->base,
				(unsigned long long)(other->base + other->size - 1));
		ret = add_device(m, &moved, 0, err);
		if (ret)
			return ret;
	}
	return 0;
}

int machine_add_virtio(struct machine *m, unsigned int count, struct err *err)
{
	for (const struct device_row *row = device_table; row->class; row++) {
		if (row->extra != EXTRA_VIRTIO)
			continue;
		if (count > row->instances)
			return err_user(err, "%u virtio devices: a machine has room for %u", count,
					row->instances);
		for (unsigned int i = 0; i < count; i++) {
			int ret = add_device(m, row, i, err);

			if (ret)
				return ret;
		}
	}
	return 0;
}

/* The first byte behind `range` if that has any of [base, base + size); else 0. */
static uint64_t end_if_overlap(const struct machine_range *range, uint64_t base, uint64_t size)
{
	if (!range->size || base >= range->base + range->size || range->base >= base + size)
		return 0;
	return range->base + range->size;
}

/* Where something else ends that has any of [base, base + size); 0: the place is free. */
static uint64_t blocked_until(const struct machine *m, uint64_t base, uint64_t size)
{
	const struct irqchip_desc *chip = &m->irqchip;
	const struct machine_range *const single[] = { &chip->dist, &chip->cpu, &chip->its, &chip->v2m };
	const struct machine_device *dev = device_at(m, SPACE_MMIO, base, size);
	uint64_t end = dev ? dev->base + dev->size : 0;

	for (unsigned int i = 0; i < m->nr_ram && !end; i++)
		end = end_if_overlap(&m->ram[i], base, size);
	for (unsigned int i = 0; i < m->nr_windows && !end; i++)
		end = end_if_overlap(&m->window[i], base, size);
	for (unsigned int i = 0; i < chip->nr_redist && !end; i++)
		end = end_if_overlap(&chip->redist[i], base, size);
	for (unsigned int i = 0; i < sizeof(single) / sizeof(single[0]) && !end; i++)
		end = end_if_overlap(single[i], base, size);
	return end;
}

int machine_add_window(struct machine *m, uint64_t size, uint64_t align, unsigned int address_bits,
		       uint64_t *base, struct err *err)
{
	const struct machine_range *ram = &m->ram[m->nr_ram - 1];
	uint64_t top = 1ULL << address_bits, at = ram->base + ram->size;

	if (m->platform == PLATFORM_PC && at < PC_HIGH_RAM)
		at = PC_HIGH_RAM;
	if (m->nr_windows == MACHINE_MAX_WINDOWS)
		return err_user(err, "a machine has room for %d windows of device memory only",
				MACHINE_MAX_WINDOWS);
	for (uint64_t end = at; end; end = blocked_until(m, at, size)) {
		at = (end + align - 1) & ~(align - 1);
		if (size > top || at > top - size)
			return err_user(
				err,
				"%llu MiB find no place above the guest's RAM: its physical addresses "
				"have %u bits on this host",
				(unsigned long long)(size >> 20), address_bits);
	}
	m->window[m->nr_windows++] = (struct machine_range){ .base = at, .size = size };
	*base = at;
	return 0;
}

uint64_t machine_cpu_id(const struct machine *m, unsigned int index)
{
	uint64_t id = index;

	if (m->platform == PLATFORM_PC)
		return id;
	/*
	 * The MPIDR_EL1 affinity that KVM gives a vCPU: at most 16 share an Aff0 level, because the
	 * target list of a GICv3 SGI has 16 bits (GIC Architecture Specification, "ICC_SGI1R_EL1").
	 */
	return (id & 0xf) | (id >> 4 & 0xff) << 8 | (id >> 12 & 0xff) << 16;
}

uint32_t machine_nr_lines(const struct machine *m)
{
	int last = NO_LINE;

	for (unsigned int i = 0; i < m->nr_devices; i++)
		if (m->device[i].line > last)
			last = m->device[i].line;
	return (uint32_t)(last + 1);
}

uint64_t machine_ram_size(const struct machine *m)
{
	uint64_t size = 0;

	for (unsigned int i = 0; i < m->nr_ram; i++)
		size += m->ram[i].size;
	return size;
}

const struct machine_device *machine_find(const struct machine *m, const char *class_name)
{
	for (unsigned int i = 0; i < m->nr_devices; i++)
		if (!strcmp(m->device[i].class->name, class_name))
			return &m->device[i];
	return NULL;
}
