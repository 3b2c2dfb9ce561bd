// SPDX-License-Identifier: BSD-2-Clause
/* The machine description, and that docs/machine.md tells the same story as the device table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/machine.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

static const char *const platform_name[PLATFORM_COUNT] = { "PC", "ARM" };

static struct machine make(enum platform platform, unsigned int cpus, uint64_t ram)
{
	struct machine m;
	struct err err;

	assert_int_equal(machine_init(&m, platform, cpus, ram, &err), 0);
	return m;
}

/* Expects a refusal in one line that contains `text`. */
static void refuse(enum platform platform, unsigned int cpus, uint64_t ram, const char *text)
{
	struct machine m;
	struct err err;

	assert_int_equal(machine_init(&m, platform, cpus, ram, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_USER);
	assert_non_null(strstr(err.text, text));
	assert_null(strchr(err.text, '\n'));
}

static void cpus_within_limits(void **state)
{
	(void)state;
	make(PLATFORM_PC, 1, 256 * MIB);
	make(PLATFORM_PC, 1024, 256 * MIB);
	make(PLATFORM_ARM, 512, 256 * MIB);
	refuse(PLATFORM_PC, 0, 256 * MIB, "1 to 1024");
	refuse(PLATFORM_PC, 1025, 256 * MIB, "1 to 1024");
	refuse(PLATFORM_ARM, 0, 256 * MIB, "1 to 512");
	refuse(PLATFORM_ARM, 1000, 256 * MIB, "1 to 512");
}

static void memory_within_limits(void **state)
{
	(void)state;
	for (enum platform p = 0; p < PLATFORM_COUNT; p++) {
		make(p, 1, 16 * MIB);
		make(p, 1, 4096 * GIB);
		refuse(p, 1, 0, "16M");
		refuse(p, 1, 256, "as in 256M");
		refuse(p, 1, 16 * MIB - 4096, "16M");
		refuse(p, 1, 4096 * GIB + 4096, "4096G");
		refuse(p, 1, UINT64_MAX & ~4095ULL, "4096G");
		refuse(p, 1, 256 * MIB + 512, "4096");
	}
}

static void arm_memory_is_one_range(void **state)
{
	struct machine m = make(PLATFORM_ARM, 1, 5 * GIB);

	(void)state;
	assert_int_equal(m.nr_ram, 1);
	assert_int_equal(m.ram[0].base, 0x80000000);
	assert_int_equal(m.ram[0].size, 5 * GIB);
	assert_int_equal(machine_ram_size(&m), 5 * GIB);
}

static void pc_memory_leaves_the_hole(void **state)
{
	struct machine m = make(PLATFORM_PC, 1, 3 * GIB);

	(void)state;
	assert_int_equal(m.nr_ram, 1);
	assert_int_equal(m.ram[0].base, 0);
	assert_int_equal(m.ram[0].size, 3 * GIB);

	m = make(PLATFORM_PC, 1, 3 * GIB + 4096);
	assert_int_equal(m.nr_ram, 2);
	assert_int_equal(m.ram[0].size, 3 * GIB);
	assert_int_equal(m.ram[1].base, 4 * GIB);
	assert_int_equal(m.ram[1].size, 4096);
	assert_int_equal(machine_ram_size(&m), 3 * GIB + 4096);
}

static void cpu_ids(void **state)
{
	struct machine pc = make(PLATFORM_PC, 1024, 256 * MIB);
	struct machine arm = make(PLATFORM_ARM, 512, 256 * MIB);

	(void)state;
	assert_int_equal(machine_cpu_id(&pc, 0), 0);
	assert_int_equal(machine_cpu_id(&pc, 255), 255); /* an id like any other in x2APIC mode */
	assert_int_equal(machine_cpu_id(&pc, 1023), 1023);
	/* Aff1.Aff0, sixteen to a cluster. */
	assert_int_equal(machine_cpu_id(&arm, 0), 0x0000);
	assert_int_equal(machine_cpu_id(&arm, 15), 0x000f);
	assert_int_equal(machine_cpu_id(&arm, 16), 0x0100);
	assert_int_equal(machine_cpu_id(&arm, 511), 0x1f0f);
}

static void instances_follow_each_other(void **state)
{
	(void)state;
	for (enum platform p = 0; p < PLATFORM_COUNT; p++) {
		struct machine m = make(p, 1, 256 * MIB);
		const struct machine_device *first;
		struct err err;

		assert_null(machine_find(&m, "virtio-mmio")); /* none was asked for */
		assert_int_equal(machine_add_virtio(&m, 33, &err), -EINVAL);
		assert_non_null(strstr(err.text, "room for 32"));
		assert_int_equal(machine_add_virtio(&m, 32, &err), 0);
		first = machine_find(&m, "virtio-mmio");
		assert_non_null(first);
		for (unsigned int i = 0; i < 32; i++) {
			assert_ptr_equal(first[i].class, first->class);
			assert_int_equal(first[i].instance, i);
			assert_int_equal(first[i].base, first->base + i * 0x1000);
			assert_int_equal(first[i].size, 0x1000);
			assert_int_equal(first[i].line, 16 + i);
		}
		assert_null(machine_find(&m, "no such class"));
	}
}

static void devices_of_one_platform_only(void **state)
{
	struct machine pc = make(PLATFORM_PC, 1, 256 * MIB);
	struct machine arm = make(PLATFORM_ARM, 1, 256 * MIB);

	(void)state;
	assert_non_null(machine_find(&pc, "cmos"));
	assert_null(machine_find(&arm, "cmos"));
	assert_non_null(machine_find(&arm, "pl031"));
	assert_null(machine_find(&pc, "pl031"));
	assert_int_equal(machine_find(&arm, "pvpanic")->line, NO_LINE);
}

static int overlap(uint64_t base, uint64_t size, uint64_t other_base, uint64_t other_size)
{
	return base < other_base + other_size && other_base < base + size;
}

/* Everything there can be. */
static struct machine make_full(enum platform platform, uint64_t ram)
{
	struct machine m = make(platform, 1, ram);
	struct err err;

	assert_int_equal(machine_add_extra(&m, EXTRA_TEST_DEVICE, 0, &err), 0);
	assert_int_equal(machine_add_extra(&m, EXTRA_DEBUG_EXIT, 0xf4, &err), 0);
	return m;
}

static void extras_are_there_when_asked_for(void **state)
{
	static const char *const extras[] = { "test-irq", "test-scratch", "test-memory", "fw-cfg",
					      "debug-exit" };
	struct machine plain = make(PLATFORM_PC, 1, 256 * MIB);
	struct machine full = make_full(PLATFORM_PC, 256 * MIB);
	struct machine arm = make_full(PLATFORM_ARM, 256 * MIB);

	(void)state;
	for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
		assert_null(machine_find(&plain, extras[i]));
		assert_non_null(machine_find(&full, extras[i]));
		assert_null(machine_find(&arm, extras[i]));
	}
	assert_int_equal(machine_find(&full, "debug-exit")->base, 0xf4);
	assert_int_equal(machine_find(&full, "debug-exit")->size, 4);
	assert_int_equal(machine_find(&full, "test-irq")->line, ALL_LINES);
	assert_int_equal(machine_nr_lines(&full), machine_nr_lines(&plain));
}

/* The debug exit takes any four ports that nobody has. */
static void the_debug_exit_overlaps_nothing(void **state)
{
	static const struct {
		uint64_t port;
		const char *whose; /* NULL: it fits */
	} places[] = {
		{ 0x3f8, "serial, 0x3f8 to 0x3ff" },
		{ 0x3f5, "serial" },
		{ 0x3ff, "serial" },
		{ 0x3f4, NULL },
		{ 0x400, NULL },
		{ 0x70, "cmos" },
		{ 0x5d, "i8042" },
		{ 0x505, "pvpanic" },
		{ 0x602, "acpi-power" },
		{ 0xe0, "test-scratch" },
		{ 0xec, NULL },
		{ 0x50d, "fw-cfg" },
		{ 0x2000, "test-irq" },
		{ 0x202b, "test-irq" },
		{ 0x202c, NULL },
		{ 0, NULL },
		{ 0xfffc, NULL },
		{ 0xf4, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct machine m = make(PLATFORM_PC, 1, 256 * MIB);
		unsigned int before;
		struct err err;
		int ret;

		assert_int_equal(machine_add_extra(&m, EXTRA_TEST_DEVICE, 0, &err), 0);
		before = m.nr_devices;
		ret = machine_add_extra(&m, EXTRA_DEBUG_EXIT, places[i].port, &err);
		assert_int_equal(ret, places[i].whose ? -EINVAL : 0);
		assert_int_equal(m.nr_devices, before + !places[i].whose);
		if (!places[i].whose)
			continue;
		assert_int_equal(err.kind, ERR_USER);
		assert_non_null(strstr(err.text, "debug-exit"));
		if (!strstr(err.text, places[i].whose))
			fail_msg("\"%s\" does not say \"%s\"", err.text, places[i].whose);
	}
}

/* Nothing in the table may lie on anything else, however much memory there is. */
static void nothing_overlaps(void **state)
{
	static const struct machine_range fixed[PLATFORM_COUNT][3] = {
		[PLATFORM_PC] = { { PC_IOAPIC_BASE, MACHINE_MAX_IOAPICS * 0x1000 },
				  { PC_LAPIC_BASE, 0x1000 },
				  { PC_VMX_PAGES, 0x4000 } },
		[PLATFORM_ARM] = { { 0, ARM_DEVICE_BASE }, { ARM_DEVICE_END, ARM_DEVICE_END } },
	};

	(void)state;
	for (enum platform p = 0; p < PLATFORM_COUNT; p++) {
		struct machine m = make_full(p, 64 * GIB);

		for (unsigned int i = 0; i < m.nr_devices; i++) {
			const struct machine_device *d = &m.device[i];

			assert_true(d->size > 0);
			for (unsigned int j = 0; j < i; j++) {
				const struct machine_device *o = &m.device[j];

				if (d->space == o->space)
					assert_false(overlap(d->base, d->size, o->base, o->size));
				assert_true(d->line < 0 || d->line != o->line);
			}
			if (d->space != SPACE_MMIO)
				continue;
			for (unsigned int j = 0; j < m.nr_ram; j++)
				assert_false(overlap(d->base, d->size, m.ram[j].base, m.ram[j].size));
			for (unsigned int j = 0; j < 3; j++)
				assert_false(overlap(d->base, d->size, fixed[p][j].base, fixed[p][j].size));
		}
	}
}

static void lines_exist(void **state)
{
	struct machine pc = make(PLATFORM_PC, 1, 256 * MIB);
	struct machine arm = make(PLATFORM_ARM, 1, 256 * MIB);

	(void)state;
	for (unsigned int i = 0; i < pc.nr_devices; i++)
		assert_true(pc.device[i].line < MACHINE_MAX_IOAPICS * 24);
	/* The smallest GIC KVM makes has 64 INTIDs, the first 32 of which are no SPIs. */
	for (unsigned int i = 0; i < arm.nr_devices; i++)
		assert_true(arm.device[i].line < 64 - 32);
}

/* --- docs/machine.md --- */

static char *read_doc(void)
{
	FILE *f = fopen("docs/machine.md", "r");
	char *text;
	size_t len;

	if (!f)
		return NULL;
	text = calloc(1, 1 << 17);
	assert_non_null(text);
	len = fread(text, 1, (1 << 17) - 1, f);
	assert_true(len > 0 && len < (1 << 17) - 1);
	fclose(f);
	return text;
}

/* The rows of the table of devices in the section "## NAME", cut out of `text` in place. */
static char *device_rows(char *text, const char *name)
{
	char heading[32];
	char *start, *end;

	snprintf(heading, sizeof(heading), "\n## %s\n", name);
	start = strstr(text, heading);
	assert_non_null(start);
	start = strstr(start, "\n| Device |");
	assert_non_null(start);
	start = strstr(start, "\n|---|");
	assert_non_null(start);
	start = strstr(start, "\n| ");
	assert_non_null(start);
	end = strstr(start, "\n\n");
	assert_non_null(end);
	end[1] = '\0';
	return start;
}

/* The row a device has in the documentation. */
static void expected_row(char *row, size_t size, const struct device_row *dev, enum platform p)
{
	const struct placement *place = &dev->on[p];
	char line[32] = "none", base[24] = "`--debug-exit`";
	unsigned int last = dev->instances - 1;

	if (dev->extra != EXTRA_DEBUG_EXIT)
		snprintf(base, sizeof(base), "0x%llx", (unsigned long long)place->base);
	if (place->line == ALL_LINES)
		snprintf(line, sizeof(line), "all");
	else if (place->line != NO_LINE && last == 0)
		snprintf(line, sizeof(line), "%s %d", p == PLATFORM_PC ? "GSI" : "SPI", place->line);
	else if (place->line != NO_LINE)
		snprintf(line, sizeof(line), "%s %d to %d", p == PLATFORM_PC ? "GSI" : "SPI", place->line,
			 place->line + (int)last);
	snprintf(row, size, "\n| %s | %u | %s | %s | 0x%llx | %s | ", dev->class->name, dev->instances,
		 place->space == SPACE_PIO ? "port" : "memory", base, (unsigned long long)place->size, line);
}

/* The rest of the row: the names the device goes by in the device tree and the ACPI namespace. */
static void expected_identity(char *row, size_t size, const struct device_class *class, enum platform p)
{
	char compatible[128] = "none";
	size_t used = 0;

	for (const char *c = class->compatible; c && *c; c += strlen(c) + 1)
		used += (size_t)snprintf(compatible + used, sizeof(compatible) - used, "%s`%s`",
					 used ? ", " : "", c);
	if (p == PLATFORM_PC && class->hid)
		snprintf(row, size, "%s | `%s` |\n", compatible, class->hid);
	else if (p == PLATFORM_PC)
		snprintf(row, size, "%s | none |\n", compatible);
	else
		snprintf(row, size, "%s |\n", compatible);
}

static unsigned int count_rows(const char *rows)
{
	unsigned int count = 0;

	for (; (rows = strstr(rows, "\n| ")); rows++)
		count++;
	return count;
}

static void doc_agrees_with_table(enum platform p)
{
	char *text = read_doc();
	unsigned int rows = 0;
	char *part;

	if (!text) {
		print_message("skipped: docs/machine.md not found; run from the top of the tree\n");
		skip();
	}
	part = device_rows(text, platform_name[p]);
	for (const struct device_row *dev = device_table; dev->class; dev++) {
		char row[512], *found;

		if (dev->on[p].space == SPACE_NONE)
			continue;
		rows++;
		expected_row(row, sizeof(row), dev, p);
		expected_identity(row + strlen(row), sizeof(row) - strlen(row), dev->class, p);
		found = strstr(part, row);
		if (!found)
			print_error("docs/machine.md, section %s, lacks the row:%s", platform_name[p], row);
		assert_non_null(found);
	}
	assert_int_equal(count_rows(part), rows);
	free(text);
}

static uint64_t add_window(struct machine *m, uint64_t size, uint64_t align, unsigned int bits)
{
	struct err err;
	uint64_t base;

	assert_int_equal(machine_add_window(m, size, align, bits, &base, &err), 0);
	assert_int_equal(base % align, 0);
	return base;
}

static void windows_are_above_ram(void **state)
{
	struct machine small = make(PLATFORM_PC, 1, 256 * MIB), big = make(PLATFORM_PC, 1, 5 * GIB);
	struct machine arm = make(PLATFORM_ARM, 1, 256 * MIB);

	(void)state;
	/* A PC has its RAM up to 3 GiB and from 4 GiB on, and no window between. */
	assert_int_equal(add_window(&small, 2 * MIB, 2 * MIB, 36), 4 * GIB);
	assert_int_equal(add_window(&small, 2 * MIB, 2 * MIB, 36), 4 * GIB + 2 * MIB);
	assert_int_equal(add_window(&small, 6 * MIB, GIB, 36), 5 * GIB);
	assert_int_equal(small.nr_windows, 3);
	assert_int_equal(small.window[2].base, 5 * GIB);
	assert_int_equal(small.window[2].size, 6 * MIB);

	assert_int_equal(add_window(&big, 2 * MIB, 2 * MIB, 36), 6 * GIB);
	assert_int_equal(add_window(&arm, 2 * MIB, 2 * MIB, 40), 2 * GIB + 256 * MIB);
	assert_int_equal(add_window(&arm, 2 * MIB, GIB, 40), 3 * GIB);
}

/* An Arm machine's GIC may have been moved above RAM. */
static void windows_make_way_for_the_interrupt_controller(void **state)
{
	struct machine m = make(PLATFORM_ARM, 1, 1 * GIB);

	(void)state;
	m.irqchip.dist = (struct machine_range){ 3 * GIB, ARM_GIC_DIST_SIZE };
	m.irqchip.redist[0] = (struct machine_range){ 3 * GIB + 4 * MIB, ARM_GIC_REDIST_SIZE };
	m.irqchip.nr_redist = 1;
	assert_int_equal(add_window(&m, 4 * MIB, 2 * MIB, 40), 3 * GIB + 6 * MIB);
	assert_int_equal(add_window(&m, 2 * MIB, 2 * MIB, 40), 3 * GIB + 2 * MIB);
}

static void windows_end_where_addresses_end(void **state)
{
	struct machine m = make(PLATFORM_PC, 1, 256 * MIB);
	uint64_t base = 0x1234;
	struct err err;

	(void)state;
	assert_int_equal(machine_add_window(&m, 60 * GIB + 2 * MIB, 2 * MIB, 36, &base, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_USER);
	assert_non_null(strstr(err.text, "36 bits"));
	assert_int_equal(machine_add_window(&m, UINT64_MAX - 2 * MIB + 1, 2 * MIB, 36, &base, &err), -EINVAL);
	assert_int_equal(machine_add_window(&m, GIB, GIB, 32, &base, &err), -EINVAL);
	assert_int_equal(base, 0x1234);
	assert_int_equal(m.nr_windows, 0);
	assert_int_equal(add_window(&m, 60 * GIB, 2 * MIB, 36), 4 * GIB);
	assert_int_equal(machine_add_window(&m, 2 * MIB, 2 * MIB, 36, &base, &err), -EINVAL);
}

static void windows_are_bounded(void **state)
{
	struct machine m = make(PLATFORM_ARM, 1, 256 * MIB);
	uint64_t base;
	struct err err;

	(void)state;
	for (unsigned int i = 0; i < MACHINE_MAX_WINDOWS; i++)
		add_window(&m, 2 * MIB, 2 * MIB, 40);
	assert_int_equal(machine_add_window(&m, 2 * MIB, 2 * MIB, 40, &base, &err), -EINVAL);
	assert_int_equal(m.nr_windows, MACHINE_MAX_WINDOWS);
}

static void doc_agrees_on_pc(void **state)
{
	(void)state;
	doc_agrees_with_table(PLATFORM_PC);
}

static void doc_agrees_on_arm(void **state)
{
	(void)state;
	doc_agrees_with_table(PLATFORM_ARM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpus_within_limits),
		cmocka_unit_test(memory_within_limits),
		cmocka_unit_test(arm_memory_is_one_range),
		cmocka_unit_test(pc_memory_leaves_the_hole),
		cmocka_unit_test(cpu_ids),
		cmocka_unit_test(instances_follow_each_other),
		cmocka_unit_test(devices_of_one_platform_only),
		cmocka_unit_test(extras_are_there_when_asked_for),
		cmocka_unit_test(the_debug_exit_overlaps_nothing),
		cmocka_unit_test(nothing_overlaps),
		cmocka_unit_test(lines_exist),
		cmocka_unit_test(windows_are_above_ram),
		cmocka_unit_test(windows_make_way_for_the_interrupt_controller),
		cmocka_unit_test(windows_end_where_addresses_end),
		cmocka_unit_test(windows_are_bounded),
		cmocka_unit_test(doc_agrees_on_pc),
		cmocka_unit_test(doc_agrees_on_arm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
