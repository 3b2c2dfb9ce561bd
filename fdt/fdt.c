// SPDX-License-Identifier: BSD-2-Clause
#include "fdt/fdt.h"

#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fdt/tree.h"

/*
 * A tree is rendered again into a buffer of twice the size until it fits. The most it may have is
 * what Linux takes on arm64 ("Booting AArch64 Linux", "Setup the device tree").
 */
#define FIRST_SIZE ((size_t)16 << 10)
#define MAX_SIZE   ((size_t)2 << 20)

static const struct fdt_platform *const platforms[PLATFORM_COUNT] = {
	[PLATFORM_PC] = &fdt_pc,
	[PLATFORM_ARM] = &fdt_arm,
};

/* The fixed clock that `class` is fed with, or NULL. A class names one clock at most. */
static const struct device_prop *clock_of(const struct device_class *class)
{
	for (const struct device_prop *prop = class->props; prop && prop->name; prop++)
		if (prop->kind == PROP_CLOCK)
			return prop;
	return NULL;
}

/* Devices fed with the same frequency share the clock of the first such device; it has its number. */
static unsigned int clock_index(const struct machine *m, uint32_t hz)
{
	unsigned int i;

	for (i = 0; i < m->nr_devices; i++) {
		const struct device_prop *clock = clock_of(m->device[i].class);

		if (clock && clock->value == hz)
			break;
	}
	return i;
}

/* Devicetree binding "fixed-clock". */
static void write_clocks(struct tree *t, const struct machine *m)
{
	for (unsigned int i = 0; i < m->nr_devices; i++) {
		const struct device_prop *clock = clock_of(m->device[i].class);
		char name[32];

		if (!clock || clock_index(m, clock->value) != i)
			continue;
		snprintf(name, sizeof(name), "clock-%u", clock->value);
		tree_begin(t, name);
		tree_string(t, "compatible", "fixed-clock");
		tree_u32(t, "#clock-cells", 0);
		tree_u32(t, "clock-frequency", clock->value);
		tree_u32(t, "phandle", PHANDLE_CLOCK + i);
		tree_end(t);
	}
}

/*
 * Binding "GPIO attached keys"; a flag of 0 is GPIO_ACTIVE_HIGH, 116 is KEY_POWER of Linux's input
 * event codes.
 */
static void write_power_key(struct tree *t, uint32_t gpio, uint32_t pin)
{
	const uint32_t cells[] = { gpio, pin, 0 };

	tree_begin(t, "gpio-keys");
	tree_string(t, "compatible", "gpio-keys");
	tree_begin(t, "power");
	tree_string(t, "label", "power button");
	tree_u32(t, "linux,code", 116);
	tree_cells(t, "gpios", cells, 3);
	tree_end(t);
	tree_end(t);
}

static void write_keys(struct tree *t, const struct machine *m)
{
	for (unsigned int i = 0; i < m->nr_devices; i++)
		for (const struct device_prop *prop = m->device[i].class->props; prop && prop->name; prop++)
			if (prop->kind == PROP_POWER)
				write_power_key(t, PHANDLE_GPIO + i, prop->value);
}

static void write_prop(struct tree *t, const struct machine *m, const struct machine_device *dev,
		       const struct device_prop *prop)
{
	switch (prop->kind) {
	case PROP_U32:
		tree_u32(t, prop->name, prop->value);
		break;
	case PROP_STRING:
		tree_string(t, prop->name, prop->text);
		break;
	case PROP_FLAG:
		tree_flag(t, prop->name);
		break;
	case PROP_CLOCK:
		tree_u32(t, "clocks", PHANDLE_CLOCK + clock_index(m, prop->value));
		tree_string(t, "clock-names", prop->text);
		break;
	case PROP_POWER:
		tree_u32(t, "phandle", PHANDLE_GPIO + (uint32_t)(dev - m->device));
		break;
	}
}

/* An I/O port's text form has an i in front ("ISA/EISA/ISA-PnP Binding to IEEE Std 1275-1994"). */
static void node_name(char *name, size_t size, const struct machine_device *dev)
{
	snprintf(name, size, "%s@%s%llx", dev->class->name, dev->space == SPACE_PIO ? "i" : "",
		 (unsigned long long)dev->base);
}

static void write_device(struct tree *t, const struct machine *m, const struct machine_device *dev)
{
	char name[48];

	node_name(name, sizeof(name), dev);
	tree_begin(t, name);
	tree_strings(t, "compatible", dev->class->compatible);
	if (dev->space == SPACE_PIO) {
		/* The same binding: an address has two cells, the first of which is 1 for an I/O port. */
		const uint32_t reg[] = { 1, (uint32_t)dev->base, (uint32_t)dev->size };

		tree_cells(t, "reg", reg, 3);
	} else {
		const struct machine_range reg = { .base = dev->base, .size = dev->size };

		tree_ranges(t, "reg", &reg, 1);
	}
	if (dev->line != NO_LINE)
		t->platform->interrupt(t, m, dev->line, dev->class->edge);
	for (const struct device_prop *prop = dev->class->props; prop && prop->name; prop++)
		write_prop(t, m, dev, prop);
	tree_end(t);
}

void tree_devices(struct tree *t, const struct machine *m, enum device_space space)
{
	for (unsigned int i = 0; i < m->nr_devices; i++)
		if (m->device[i].space == space && m->device[i].class->compatible)
			write_device(t, m, &m->device[i]);
}

static void write_memory(struct tree *t, const struct machine *m)
{
	tree_begin_at(t, "memory", m->ram[0].base);
	tree_string(t, "device_type", "memory");
	tree_ranges(t, "reg", m->ram, m->nr_ram);
	tree_end(t);
}

static void write_stdout_path(struct tree *t, const struct machine *m)
{
	const struct machine_device *serial = machine_find(m, "serial");
	char name[48], path[64];

	if (!serial || !serial->class->compatible)
		return;
	node_name(name, sizeof(name), serial);
	snprintf(path, sizeof(path), "%s/%s", serial->space == SPACE_PIO ? "/" TREE_ISA_NODE : "", name);
	tree_string(t, "stdout-path", path);
}

/*
 * Devicetree Specification, "/chosen Node"; the names with a comma and the seeds are Linux's. On the
 * PC Linux takes its seed from setup data; here nothing would wipe it and everyone could read it.
 */
static void write_chosen(struct tree *t, const struct machine *m)
{
	tree_begin(t, "chosen");
	if (m->cmdline)
		tree_string(t, "bootargs", m->cmdline);
	write_stdout_path(t, m);
	if (m->initrd.size) {
		tree_u64(t, "linux,initrd-start", m->initrd.base);
		tree_u64(t, "linux,initrd-end", m->initrd.base + m->initrd.size);
	}
	if (m->have_seeds && m->platform == PLATFORM_ARM) {
		tree_bytes(t, "rng-seed", m->rng_seed, sizeof(m->rng_seed));
		tree_u64(t, "kaslr-seed", m->kaslr_seed);
	}
	tree_end(t);
}

static void render(struct tree *t, const struct machine *m)
{
	tree_begin(t, "");
	tree_u32(t, "#address-cells", 2);
	tree_u32(t, "#size-cells", 2);
	tree_u32(t, "interrupt-parent", PHANDLE_IRQCHIP);
	tree_strings(t, "compatible", t->platform->compatible);
	tree_string(t, "model", t->platform->model);
	write_chosen(t, m);
	write_memory(t, m);
	t->platform->nodes(t, m);
	write_clocks(t, m);
	tree_devices(t, m, SPACE_MMIO);
	write_keys(t, m);
	tree_end(t);
}

/* Renders the whole tree into buf[size]. 0 or libfdt's error, with t->where set. */
static int render_into(struct tree *t, const struct machine *m, void *buf, size_t size)
{
	*t = (struct tree){ .platform = platforms[m->platform], .fdt = buf, .where = "header" };

	t->error = fdt_create(buf, (int)size);
	if (!t->error)
		t->error = fdt_finish_reservemap(buf);
	render(t, m);
	if (!t->error) {
		snprintf(t->where, sizeof(t->where), "end of tree");
		t->error = fdt_finish(buf);
	}
	return t->error;
}

int fdt_build(const struct machine *m, void **out, size_t *size, struct err *err)
{
	struct tree t;

	for (size_t room = FIRST_SIZE; room <= MAX_SIZE; room *= 2) {
		void *buf = malloc(room);
		int ret;

		if (!buf)
			return err_host(err, ENOMEM, "device tree: %zu bytes", room);
		ret = render_into(&t, m, buf, room);
		if (!ret) {
			*out = buf;
			*size = fdt_totalsize(buf);
			return 0;
		}
		free(buf);
		if (ret != -FDT_ERR_NOSPACE)
			return err_host_text(err, "device tree: %s: %s", t.where, fdt_strerror(ret));
	}
	return err_user(err, "device tree: %s does not fit: a kernel takes a device tree of at most %zuM",
			t.where, MAX_SIZE >> 20);
}
