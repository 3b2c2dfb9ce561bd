// SPDX-License-Identifier: BSD-2-Clause
/*
 * Buses and the common part of devices: who answers where, how odd accesses are cut up, what happens
 * where nothing is, and that the table of all devices fits together.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>

#include "devices/classes.h"
#include "devices/machine.h"
#include "tests/unit/fake.h"

/* --- a device that remembers what it was asked --- */

#define MAX_ACCESSES 16

struct access {
	bool write;
	uint64_t offset;
	unsigned int size;
	uint64_t value;
};

struct probe {
	struct device dev;
	struct access access[MAX_ACCESSES];
	unsigned int count;
	uint64_t deaf_from; /* offsets from here on are not answered */
};

static struct access *note(struct probe *p, bool write, uint64_t offset, unsigned int size, uint64_t value)
{
	struct access *a = &p->access[p->count++ % MAX_ACCESSES];

	/* The bus took the lock. */
	assert_int_equal(pthread_mutex_trylock(&p->dev.lock), EBUSY);
	*a = (struct access){ write, offset, size, value };
	return a;
}

/* Byte n of the window reads as 0x10 + n; what is above the asked-for size must be cut by the bus. */
static bool probe_read(struct device *dev, uint64_t offset, unsigned int size, uint64_t *value)
{
	struct probe *p = (struct probe *)dev;

	note(p, false, offset, size, 0);
	if (offset >= p->deaf_from)
		return false;
	*value = 0;
	for (unsigned int i = 0; i < 8; i++)
		*value |= (uint64_t)(0x10 + offset + i) << 8 * i;
	return true;
}

static bool probe_write(struct device *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct probe *p = (struct probe *)dev;

	note(p, true, offset, size, value);
	return offset < p->deaf_from;
}

static int probe_create(struct device *dev, const struct device_host *host, struct err *err)
{
	struct probe *p = (struct probe *)dev;

	(void)host;
	(void)err;
	assert_int_equal(p->count, 0); /* zeroed */
	p->deaf_from = UINT64_MAX;
	return 0;
}

static unsigned int destroyed;

static void probe_destroy(struct device *dev)
{
	(void)dev;
	destroyed++;
}

#define PROBE_CLASS(widest)                                                                                \
	{                                                                                                  \
		.name = "probe", .size = sizeof(struct probe), .access_max = (widest),                     \
		.create = probe_create, .destroy = probe_destroy, .read = probe_read, .write = probe_write \
	}

static const struct device_class byte_class = PROBE_CLASS(1);
static const struct device_class word_class = PROBE_CLASS(2);
static const struct device_class dword_class = PROBE_CLASS(4);
static const struct device_class qword_class = PROBE_CLASS(8);

static struct probe *rig_probe(struct rig *rig, const struct device_class *class, uint64_t base,
			       uint64_t size)
{
	rig_init(rig);
	rig_plug(rig, class, base, size, 5);
	return (struct probe *)rig->dev;
}

static void assert_access(const struct probe *p, unsigned int i, uint64_t offset, unsigned int size)
{
	assert_true(i < p->count);
	assert_int_equal(p->access[i].offset, offset);
	assert_int_equal(p->access[i].size, size);
}

/* --- devices --- */

static void test_device_life(void **state)
{
	struct rig rig;
	struct probe *p = rig_probe(&rig, &byte_class, 0x100, 8);

	(void)state;
	assert_ptr_equal(p->dev.class, &byte_class);
	assert_ptr_equal(p->dev.host, &rig.host);
	irq_line_set(&p->dev.irq, true);
	assert_true(rig.irqchip.level[5]);
	destroyed = 0;
	rig_finish(&rig);
	assert_int_equal(destroyed, 1);
	device_destroy(NULL);
}

static int failing_create(struct device *dev, const struct device_host *host, struct err *err)
{
	(void)dev;
	(void)host;
	return err_host_text(err, "no luck");
}

static void test_device_create_fails(void **state)
{
	static const struct device_class class = {
		.name = "unlucky",
		.size = sizeof(struct device),
		.create = failing_create,
		.destroy = probe_destroy,
	};
	struct device *dev = NULL;
	struct err err;

	(void)state;
	destroyed = 0;
	assert_int_equal(device_create(&dev, &class, NULL, (struct irq_line){ NULL, 0 }, 0, &err), -EIO);
	assert_null(dev);
	assert_string_equal(err.text, "no luck");
	assert_int_equal(destroyed, 0);
}

static void test_device_without_line(void **state)
{
	struct irq_line none = { NULL, 0 };

	(void)state;
	irq_line_set(&none, true); /* does nothing, quietly */
}

/* --- regions --- */

static void test_add_refuses(void **state)
{
	struct device dev = { .class = &byte_class };
	struct bus bus;

	(void)state;
	bus_init(&bus, "test", 0);
	assert_int_equal(bus_add(&bus, 0x1000, 0, &dev), -EINVAL);
	assert_int_equal(bus_add(&bus, UINT64_MAX, 2, &dev), -EINVAL);
	assert_int_equal(bus_add(&bus, 1, UINT64_MAX, &dev), 0);
	assert_int_equal(bus_add(&bus, 0, 2, &dev), -EINVAL);
	assert_int_equal(bus_add(&bus, 0, 1, &dev), 0);

	bus_init(&bus, "test", 0);
	assert_int_equal(bus_add(&bus, 0x1000, 0x100, &dev), 0);
	assert_int_equal(bus_add(&bus, 0x1000, 0x100, &dev), -EINVAL); /* the same */
	assert_int_equal(bus_add(&bus, 0xfff, 2, &dev), -EINVAL);      /* over its start */
	assert_int_equal(bus_add(&bus, 0x10ff, 1, &dev), -EINVAL);     /* its last byte */
	assert_int_equal(bus_add(&bus, 0x1080, 8, &dev), -EINVAL);     /* within */
	assert_int_equal(bus_add(&bus, 0, 0x10000, &dev), -EINVAL);    /* around */
	assert_int_equal(bus_add(&bus, 0, UINT64_MAX, &dev), -EINVAL);
	assert_int_equal(bus_add(&bus, 0x1100, 1, &dev), 0); /* next to */
	assert_int_equal(bus_add(&bus, 0xfff, 1, &dev), 0);
	assert_int_equal(bus_add(&bus, UINT64_MAX, 1, &dev), 0);
	assert_int_equal(bus.count, 4);
}

static void test_add_full(void **state)
{
	struct device dev = { .class = &byte_class };
	struct bus bus;

	(void)state;
	bus_init(&bus, "test", 0);
	/* Downwards, so that each is put in front. */
	for (unsigned int i = 0; i < BUS_MAX_REGIONS; i++)
		assert_int_equal(bus_add(&bus, 0x10000 - 0x10 * i, 0x10, &dev), 0);
	assert_int_equal(bus_add(&bus, 0x20000, 0x10, &dev), -ENOSPC);
	for (unsigned int i = 1; i < BUS_MAX_REGIONS; i++)
		assert_true(bus.region[i - 1].base < bus.region[i].base);
}

/* Every address reaches the right one of many regions, added in no order. */
static void test_lookup(void **state)
{
	static const unsigned int order[] = { 5, 0, 3, 7, 1, 6, 2, 4 };
	struct device *dev[8];
	struct device_host host = { 0 };
	struct err err;
	struct bus bus;

	(void)state;
	bus_init(&bus, "test", UINT64_MAX);
	for (unsigned int i = 0; i < 8; i++) {
		unsigned int at = order[i];

		assert_int_equal(
			device_create(&dev[at], &byte_class, &host, (struct irq_line){ NULL, 0 }, 0, &err),
			0);
		assert_int_equal(bus_add(&bus, 0x40 * at + 0x10, 4 + at, dev[at]), 0);
	}
	for (unsigned int addr = 0; addr < 0x240; addr++) {
		unsigned int at = addr / 0x40, offset = addr % 0x40 - 0x10;
		bool hit = at < 8 && addr % 0x40 >= 0x10 && offset < 4 + at;
		struct probe *p = hit ? (struct probe *)dev[at] : NULL;

		if (p)
			p->count = 0;
		assert_int_equal(bus_read(&bus, addr, 1), hit ? 0x10 + offset : 0xff);
		if (p)
			assert_access(p, 0, offset, 1);
	}
	for (unsigned int i = 0; i < 8; i++)
		device_destroy(dev[i]);
}

/* --- accesses --- */

static void test_split_by_width(void **state)
{
	/* Size of access, widest of the device, the parts, low address first. */
	static const struct {
		const struct device_class *class;
		unsigned int size;
		unsigned int parts[8];
	} cases[] = {
		{ &byte_class, 1, { 1 } },       { &byte_class, 2, { 1, 1 } },
		{ &byte_class, 3, { 1, 1, 1 } }, { &byte_class, 8, { 1, 1, 1, 1, 1, 1, 1, 1 } },
		{ &word_class, 1, { 1 } },       { &word_class, 4, { 2, 2 } },
		{ &word_class, 5, { 2, 2, 1 } }, { &dword_class, 3, { 2, 1 } },
		{ &dword_class, 4, { 4 } },      { &dword_class, 5, { 4, 1 } },
		{ &dword_class, 6, { 4, 2 } },   { &dword_class, 7, { 4, 2, 1 } },
		{ &dword_class, 8, { 4, 4 } },   { &qword_class, 7, { 4, 2, 1 } },
		{ &qword_class, 8, { 8 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned int size = cases[i].size, offset = 0, part = 0;
		uint64_t expected = 0, pattern = 0x8877665544332211;
		struct rig rig;
		struct probe *p = rig_probe(&rig, cases[i].class, 0x1000, 0x100);

		for (unsigned int byte = 0; byte < size; byte++)
			expected |= (uint64_t)(0x10 + 3 + byte) << 8 * byte;
		assert_int_equal(rig_read(&rig, 3, size), expected);
		rig_write(&rig, 3, size, pattern);
		for (; part < 8 && cases[i].parts[part]; part++)
			;
		assert_int_equal(p->count, 2 * part);
		for (unsigned int j = 0; j < part; j++) {
			unsigned int bytes = cases[i].parts[j];
			uint64_t value = pattern >> 8 * offset;

			if (bytes < 8)
				value &= (1ULL << 8 * bytes) - 1;
			assert_access(p, j, 3 + offset, bytes);
			assert_access(p, part + j, 3 + offset, bytes);
			assert_true(p->access[part + j].write);
			assert_int_equal(p->access[part + j].value, value);
			offset += bytes;
		}
		assert_int_equal(rig.bus.misses, 0);
		rig_finish(&rig);
	}
}

/* An access that hangs over an edge of the window: the device sees its part, nothing has the rest. */
static void test_split_at_edges(void **state)
{
	struct rig rig;
	struct probe *p = rig_probe(&rig, &qword_class, 0x1000, 6);

	(void)state;
	assert_int_equal(bus_read(&rig.bus, 0x1004, 8), rig_unclaimed(6) << 16 | 0x1514);
	assert_int_equal(p->count, 1);
	assert_access(p, 0, 4, 2);
	assert_int_equal(rig.bus.misses, 1);
	assert_int_equal(rig.bus.logged[0], 0x1006 + 1); /* the first address without an answer */

	p->count = 0;
	assert_int_equal(bus_read(&rig.bus, 0xffd, 8), (0x1413121110ULL << 24) | rig_unclaimed(3));
	assert_int_equal(p->count, 2);
	assert_access(p, 0, 0, 4);
	assert_access(p, 1, 4, 1);
	assert_int_equal(rig.bus.misses, 2);

	p->count = 0;
	bus_write(&rig.bus, 0x1005, 4, 0x44332211);
	assert_int_equal(p->count, 1);
	assert_access(p, 0, 5, 1);
	assert_int_equal(p->access[0].value, 0x11);
	assert_int_equal(rig.bus.logged[1], 0xffd + 1);
	assert_int_equal(rig.bus.misses, 3); /* at 0x1006 once more */
	bus_write(&rig.bus, 0xfff, 2, 0x2211);
	assert_access(p, 1, 0, 1);
	assert_int_equal(p->access[1].value, 0x22);
	assert_int_equal(rig.bus.logged[2], 0xfff + 1);
	rig_finish(&rig);
}

static void test_two_neighbours_in_one_access(void **state)
{
	struct rig left, right;
	struct probe *l = rig_probe(&left, &dword_class, 0x10, 4);
	struct probe *r = rig_probe(&right, &byte_class, 0x14, 2);

	(void)state;
	assert_int_equal(bus_add(&left.bus, 0x14, 2, right.dev), 0);
	assert_int_equal(bus_read(&left.bus, 0x12, 4), 0x11101312);
	assert_access(l, 0, 2, 2);
	assert_access(r, 0, 0, 1);
	assert_access(r, 1, 1, 1);
	rig_finish(&left);
	rig_finish(&right);
}

static void test_top_of_the_address_space(void **state)
{
	struct rig rig;
	struct probe *p = rig_probe(&rig, &byte_class, UINT64_MAX - 1, 2);

	(void)state;
	/* There is no address after the last; what comes there is address 0, where nothing is. */
	assert_int_equal(bus_read(&rig.bus, UINT64_MAX, 2), rig_unclaimed(1) << 8 | 0x11);
	assert_int_equal(p->count, 1);
	assert_int_equal(rig.bus.misses, 1);
	bus_init(&rig.bus, "empty", 0x55);
	assert_int_equal(bus_read(&rig.bus, UINT64_MAX, 8), 0x55);
	bus_write(&rig.bus, UINT64_MAX, 8, 0);
	assert_int_equal(rig.bus.misses, 2);
	rig_finish(&rig);
}

/* --- what nothing answers --- */

static void test_unclaimed_value(void **state)
{
	struct bus bus;

	(void)state;
	bus_init(&bus, "pio", UINT64_MAX);
	assert_int_equal(bus_read(&bus, 0x80, 1), 0xff);
	assert_int_equal(bus_read(&bus, 0x80, 2), 0xffff);
	assert_int_equal(bus_read(&bus, 0x80, 3), 0xffffff);
	assert_int_equal(bus_read(&bus, 0x80, 4), 0xffffffff);
	assert_int_equal(bus_read(&bus, 0x80, 8), UINT64_MAX);
	bus_write(&bus, 0x80, 4, 1);
	assert_int_equal(bus.misses, 6);

	bus_init(&bus, "mmio", 0);
	assert_int_equal(bus_read(&bus, 0x1234567890, 8), 0);
	assert_int_equal(bus.misses, 1);
}

static void test_device_does_not_answer(void **state)
{
	struct rig rig;
	struct probe *p = rig_probe(&rig, &word_class, 0x200, 16);

	(void)state;
	p->deaf_from = 2;
	assert_int_equal(rig_read(&rig, 0, 4), rig_unclaimed(2) << 16 | 0x1110);
	assert_int_equal(rig.bus.misses, 1);
	rig_write(&rig, 0, 4, 0);
	assert_int_equal(rig.bus.misses, 2);
	rig_finish(&rig);
}

static void miss_one_address(void *ctx)
{
	struct bus *bus = ctx;

	for (int i = 0; i < 10; i++) {
		bus_read(bus, 0xcf8, 4);
		bus_write(bus, 0xcf8, 4, 0);
		bus_read(bus, 0, 1); /* address 0 is one like any other */
	}
}

static void miss_everywhere(void *ctx)
{
	struct bus *bus = ctx;

	for (int round = 0; round < 3; round++)
		for (uint64_t addr = 0; addr < 100 * BUS_LOGGED_MISSES; addr += 7)
			bus_write(bus, addr, 1, 0);
}

static void test_misses_are_logged_once(void **state)
{
	struct bus bus;

	(void)state;
	bus_init(&bus, "pio", UINT64_MAX);
	assert_int_equal(fake_log_lines(miss_one_address, &bus, "0xcf8"), 1);
	assert_int_equal(bus.misses, 30);
	bus_init(&bus, "pio", UINT64_MAX);
	assert_int_equal(fake_log_lines(miss_one_address, &bus, "pio: "), 2);
}

static void test_log_is_bounded(void **state)
{
	struct bus bus;

	(void)state;
	bus_init(&bus, "pio", UINT64_MAX);
	assert_int_equal(fake_log_lines(miss_everywhere, &bus, ""), BUS_LOGGED_MISSES);
	assert_int_equal(bus.misses, 3 * ((100 * BUS_LOGGED_MISSES + 6) / 7));
}

/* --- many vCPUs --- */

#define THREADS    4
#define ITERATIONS 2000

static void *vcpu(void *arg)
{
	struct rig *rig = arg;

	for (uint64_t i = 0; i < ITERATIONS; i++) {
		bus_write(&rig->bus, 0x9000 + i % 40, 1, i);
		bus_write(&rig->bus, 0x100, 4, i);
	}
	return NULL;
}

static bool count_write(struct device *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	(void)offset;
	(void)size;
	(void)value;
	((struct probe *)dev)->count++; /* safe by the lock that the bus takes */
	return true;
}

static void test_threads(void **state)
{
	static const struct device_class class = {
		.name = "counter",
		.size = sizeof(struct probe),
		.access_max = 4,
		.read = probe_read,
		.write = count_write,
	};
	struct rig rig;
	struct probe *p = rig_probe(&rig, &class, 0x100, 4);
	pthread_t thread[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, vcpu, &rig), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(thread[i], NULL), 0);
	assert_int_equal(p->count, THREADS * ITERATIONS);
	assert_int_equal(rig.bus.misses, THREADS * ITERATIONS);
	/* Each of the 40 addresses was noted, and none twice. */
	for (uint64_t addr = 0x9000; addr < 0x9000 + 40; addr++) {
		unsigned int found = 0;

		for (int i = 0; i < BUS_LOGGED_MISSES; i++)
			found += rig.bus.logged[i] == addr + 1;
		assert_int_equal(found, 1);
	}
	rig_finish(&rig);
}

/* --- the table of all devices --- */

static void test_table_fits(void **state)
{
	(void)state;
	for (int platform = 0; platform < PLATFORM_COUNT; platform++) {
		bool used[FAKE_LINES] = { false };
		unsigned int devices = 0;
		struct bus pio, mmio;
		struct device dev = { .class = &byte_class };

		bus_init(&pio, "pio", 0);
		bus_init(&mmio, "mmio", 0);
		for (const struct device_row *row = device_table; row->class; row++) {
			const struct placement *at = &row->on[platform];

			for (unsigned int i = 0; at->space != SPACE_NONE && i < row->instances; i++) {
				struct bus *bus = at->space == SPACE_PIO ? &pio : &mmio;

				assert_int_equal(bus_add(bus, at->base + i * at->size, at->size, &dev), 0);
				devices++;
				if (at->line < 0)
					continue;
				assert_in_range(at->line + i, 0, FAKE_LINES - 1);
				assert_false(used[at->line + i]);
				used[at->line + i] = true;
			}
		}
		assert_in_range(devices, 1, MACHINE_MAX_DEVICES);
		for (unsigned int i = 0; i < pio.count; i++)
			assert_true(pio.region[i].base + pio.region[i].size <= 0x10000);
		assert_true(platform == PLATFORM_PC || pio.count == 0);
		for (unsigned int i = 0; i < mmio.count; i++) {
			const struct bus_region *r = &mmio.region[i];

			if (platform == PLATFORM_PC)
				assert_true(
					(r->base >= PC_LOW_RAM_END && r->base + r->size <= PC_IOAPIC_BASE) ||
					(r->base >= PC_LAPIC_BASE + (1 << 20) && /* MSIs go to this MiB */
					 r->base + r->size <= PC_VMX_PAGES));
			else
				assert_true(r->base >= ARM_DEVICE_BASE &&
					    r->base + r->size <= ARM_DEVICE_END);
		}
	}
}

static void test_table_classes_are_complete(void **state)
{
	(void)state;
	for (const struct device_row *row = device_table; row->class; row++) {
		const struct device_class *class = row->class;

		assert_non_null(class->name);
		assert_non_null(class->read);
		assert_non_null(class->write);
		assert_true(class->size >= sizeof(struct device));
		assert_true(class->access_max == 1 || class->access_max == 2 || class->access_max == 4 ||
			    class->access_max == 8);
		assert_true(row->instances > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device_life),
		cmocka_unit_test(test_device_create_fails),
		cmocka_unit_test(test_device_without_line),
		cmocka_unit_test(test_add_refuses),
		cmocka_unit_test(test_add_full),
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_split_by_width),
		cmocka_unit_test(test_split_at_edges),
		cmocka_unit_test(test_two_neighbours_in_one_access),
		cmocka_unit_test(test_top_of_the_address_space),
		cmocka_unit_test(test_unclaimed_value),
		cmocka_unit_test(test_device_does_not_answer),
		cmocka_unit_test(test_misses_are_logged_once),
		cmocka_unit_test(test_log_is_bounded),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_table_fits),
		cmocka_unit_test(test_table_classes_are_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
