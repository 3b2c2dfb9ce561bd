/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests of the device tree: machines to make one from, and what is expected in it. */
#ifndef VIREO_TESTS_FDT_RIG_H
#define VIREO_TESTS_FDT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include "fdt/fdt.h"

#define MIB (1ULL << 20)

static inline struct machine make(enum platform platform, unsigned int cpus, uint64_t ram)
{
	struct machine m;
	struct err err;

	assert_int_equal(machine_init(&m, platform, cpus, ram, &err), 0);
	assert_int_equal(machine_add_virtio(&m, 8, &err), 0);
	m.cmdline = "console=ttyS0 quiet";
	return m;
}

static inline struct machine make_pc(unsigned int cpus, uint64_t ram)
{
	struct machine m = make(PLATFORM_PC, cpus, ram);

	m.irqchip = (struct irqchip_desc){
		.kind = IRQCHIP_APIC,
		.lapic_base = 0xfee00000,
		.ioapic = { { .base = 0xfec00000, .pins = 24 } },
		.nr_ioapics = 1,
	};
	return m;
}

static inline struct machine make_gicv3(unsigned int cpus)
{
	struct machine m = make(PLATFORM_ARM, cpus, 256 * MIB);

	m.irqchip = (struct irqchip_desc){ .kind = IRQCHIP_GICV3,
					   .dist = { 0x3fff0000, 0x10000 },
					   .redist = { { 0x3ffd0000, 0x20000 } },
					   .nr_redist = 1,
					   .nr_irqs = 64 };
	return m;
}

static inline struct machine make_gicv2(unsigned int cpus)
{
	struct machine m = make(PLATFORM_ARM, cpus, 256 * MIB);

	m.irqchip = (struct irqchip_desc){ .kind = IRQCHIP_GICV2,
					   .dist = { 0x3fff0000, 0x1000 },
					   .cpu = { 0x3ffd0000, 0x2000 },
					   .nr_irqs = 64 };
	return m;
}

/* The caller frees. */
static inline void *build(const struct machine *m)
{
	struct err err;
	void *fdt = NULL;
	size_t size = 0;

	assert_int_equal(fdt_build(m, &fdt, &size, &err), 0);
	assert_int_equal(fdt_check_full(fdt, size), 0);
	assert_int_equal(fdt_totalsize(fdt), size);
	return fdt;
}

static inline int node(const void *fdt, const char *path)
{
	int offset = fdt_path_offset(fdt, path);

	if (offset < 0)
		print_error("no node %s\n", path);
	assert_true(offset >= 0);
	return offset;
}

static inline const void *prop(const void *fdt, const char *path, const char *name, int *len)
{
	const void *value = fdt_getprop(fdt, node(fdt, path), name, len);

	if (!value)
		print_error("%s has no %s\n", path, name);
	assert_non_null(value);
	return value;
}

static inline void has_not(const void *fdt, const char *path, const char *name)
{
	assert_null(fdt_getprop(fdt, node(fdt, path), name, NULL));
}

static inline void has_flag(const void *fdt, const char *path, const char *name)
{
	int len;

	prop(fdt, path, name, &len);
	assert_int_equal(len, 0);
}

static inline void has_string(const void *fdt, const char *path, const char *name, const char *expected)
{
	int len;

	assert_string_equal(prop(fdt, path, name, &len), expected);
	assert_int_equal(len, strlen(expected) + 1);
}

/* `expected` is the value with the final NUL that the compiler adds. */
#define has_strings(fdt, path, name, expected)                           \
	do {                                                             \
		int len_;                                                \
		const void *value_ = prop(fdt, path, name, &len_);       \
		assert_int_equal(len_, sizeof(expected));                \
		assert_memory_equal(value_, expected, sizeof(expected)); \
	} while (0)

static inline void has_cells(const void *fdt, const char *path, const char *name, unsigned int count, ...)
{
	int len;
	const fdt32_t *cells = prop(fdt, path, name, &len);
	va_list ap;

	assert_int_equal(len, count * 4);
	va_start(ap, count);
	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(fdt32_to_cpu(cells[i]), va_arg(ap, unsigned int));
	va_end(ap);
}

static inline void has_u64(const void *fdt, const char *path, const char *name, uint64_t expected)
{
	has_cells(fdt, path, name, 2, (unsigned int)(expected >> 32), (unsigned int)expected);
}

static inline unsigned int count_compatible(const void *fdt, const char *compatible)
{
	unsigned int count = 0;

	for (int n = fdt_node_offset_by_compatible(fdt, -1, compatible); n >= 0;
	     n = fdt_node_offset_by_compatible(fdt, n, compatible))
		count++;
	return count;
}

#endif
