// SPDX-License-Identifier: BSD-2-Clause
/*
 * The GICv2's registers: that docs/interrupts.md says of each what accesses do, at every offset of both
 * frames and with every width. Section titles in quotes are of Arm IHI 0048B.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/gicv2_rig.h"

#define CPUS     3u
#define SELF     2u
#define IRQS     GICV2_MAX_IRQS
#define MAX_ROWS 64

static struct gicv2_rig rig;

/* --- the table in docs/interrupts.md --- */

enum access {
	READ_ONLY,
	WRITE_ONLY,
	READ_WRITE,
	ONES_SET,
	ONES_CLEAR,
};

struct row {
	char name[32];
	bool interface;
	uint32_t first, last; /* offsets */
	enum access access;
	bool bytes;
	uint32_t reset, bits;
};

static struct row table[MAX_ROWS];
static unsigned int nr_rows;

static uint32_t value_of(const char *word)
{
	if (!strcmp(word, "CPUs and INTIDs"))
		return (CPUS - 1) << 5 | (IRQS / 32 - 1);
	if (!strcmp(word, "self"))
		return 0x01010101u << SELF;
	if (!strcmp(word, "CPUs"))
		return ((1u << CPUS) - 1) * 0x01010101u;
	return (uint32_t)strtoul(word, NULL, 0); /* "-": 0 */
}

static enum access access_of(const char *word)
{
	static const char *const words[] = { "r", "w", "rw", "set", "clear" };

	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(word, words[i]))
			return (enum access)i;
	fail_msg("docs/interrupts.md: what is the access \"%s\"?", word);
	return READ_ONLY;
}

static void add_row(char *line)
{
	struct row *row = &table[nr_rows++];
	char *word[8], *save, *to;
	unsigned int count = 0;

	assert_true(nr_rows < MAX_ROWS);
	for (char *part = strtok_r(line, "|\n", &save); part && count < 8;
	     part = strtok_r(NULL, "|\n", &save)) {
		part += strspn(part, " ");
		for (size_t len = strlen(part); len && part[len - 1] == ' '; len--)
			part[len - 1] = '\0';
		if (*part)
			word[count++] = part;
	}
	assert_int_equal(count, 6);
	snprintf(row->name, sizeof(row->name), "%s", word[0]);
	row->interface = !strncmp(word[0], "GICC", 4);
	row->first = (uint32_t)strtoul(word[1], &to, 0);
	row->last = strncmp(to, " to ", 4) ? row->first : (uint32_t)strtoul(to + 4, NULL, 0);
	row->access = access_of(word[2]);
	row->bytes = !strcmp(word[3], "8, 32");
	row->reset = value_of(word[4]);
	row->bits = value_of(word[5]);
}

static int read_table(void **state)
{
	FILE *f = fopen("docs/interrupts.md", "r");
	char line[256];

	(void)state;
	if (!f)
		return 0; /* need_table() skips */
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "| GICD_", 7) || !strncmp(line, "| GICC_", 7))
			add_row(line);
	fclose(f);
	return 0;
}

static void need_table(void)
{
	if (!nr_rows) {
		print_message("skipped: docs/interrupts.md not found; run from the top of the tree\n");
		skip();
	}
}

static const struct row *row_of(bool interface, uint32_t offset)
{
	for (unsigned int i = 0; i < nr_rows; i++)
		if (table[i].interface == interface && offset >= table[i].first && offset <= table[i].last)
			return &table[i];
	return NULL;
}

/* "Interrupt IDs": 1020 to 1023 are no interrupts, so their bits are reserved. */
static uint32_t existing(const struct row *row, uint32_t offset)
{
	if (!row->interface && offset >= GICD_IGROUPR && offset < GICD_IPRIORITYR)
		return offset % 0x80 == 0x7c ? 0x0fffffff : UINT32_MAX;
	if (!row->interface && offset == GICD_ICFGR + 0xfc)
		return 0x00ffffff;
	return UINT32_MAX;
}

static uint64_t get(bool interface, uint32_t offset, unsigned int size)
{
	return interface ? gicv2_cpu_read(rig.gic, SELF, offset, size)
			 : gicv2_dist_read(rig.gic, SELF, offset, size);
}

static void put(bool interface, uint32_t offset, unsigned int size, uint64_t value)
{
	if (interface)
		gicv2_cpu_write(rig.gic, SELF, offset, size, value);
	else
		gicv2_dist_write(rig.gic, SELF, offset, size, value);
}

static void start(void)
{
	if (rig.gic)
		gicv2_rig_finish(&rig);
	gicv2_rig_init(&rig, CPUS, IRQS);
}

static void expect(const char *what, bool interface, uint32_t offset, uint64_t is, uint64_t said)
{
	if (is != said)
		print_error("%s %#x, %s: is %#llx, docs/interrupts.md says %#llx\n",
			    interface ? "interface" : "distributor", offset, what, (unsigned long long)is,
			    (unsigned long long)said);
	assert_true(is == said);
}

/* Calls `check` for every word of both frames. */
static void each_word(void (*check)(bool interface, uint32_t offset, const struct row *row))
{
	need_table();
	for (uint32_t offset = 0; offset < GICV2_DIST_SIZE; offset += 4)
		check(false, offset, row_of(false, offset));
	for (uint32_t offset = 0; offset < GICV2_CPU_SIZE; offset += 4)
		check(true, offset, row_of(true, offset));
	gicv2_rig_finish(&rig);
}

static void check_reset(bool interface, uint32_t offset, const struct row *row)
{
	if (!offset)
		start(); /* what is read after reset changes nothing */
	expect("reset", interface, offset, get(interface, offset, 4), row ? row->reset : 0);
}

static void test_reset_values(void **state)
{
	(void)state;
	each_word(check_reset);
}

/* The register through which what a `set` or `clear` register does is undone. */
static uint32_t opposite(uint32_t offset, enum access access)
{
	if (offset >= GICD_CPENDSGIR)
		return access == ONES_SET ? offset - 0x10 : offset + 0x10;
	return access == ONES_SET ? offset + 0x80 : offset - 0x80;
}

/* One bit at a time, against zero: which the register takes. */
static void check_bits(bool interface, uint32_t offset, const struct row *row)
{
	uint32_t bits = 0, zeros, ones;

	if (!row || row->access == READ_ONLY || row->access == WRITE_ONLY)
		return;
	start();
	for (unsigned int bit = 0; bit < 32; bit++) {
		if (row->access == READ_WRITE)
			put(interface, offset, 4, 0);
		else
			put(interface, opposite(offset, row->access), 4, UINT32_MAX);
		zeros = (uint32_t)get(interface, offset, 4);
		put(interface, offset, 4, 1u << bit);
		ones = (uint32_t)get(interface, offset, 4);
		if (row->access == ONES_CLEAR ? zeros & ~ones & 1u << bit : ones & ~zeros & 1u << bit)
			bits |= 1u << bit;
		/* Nothing else changes, but for the minimum of the binary points. */
		if (row->access != READ_WRITE)
			assert_int_equal((zeros ^ ones) & ~(1u << bit), 0);
	}
	if (interface && (offset == GICC_BPR || offset == GICC_ABPR))
		bits |= 3; /* below the minimum: tested elsewhere */
	expect("writable bits", interface, offset, bits, row->bits & existing(row, offset));
}

static void test_writable_bits(void **state)
{
	(void)state;
	each_word(check_bits);
}

static void expect_no_change(const char *what, bool interface, uint32_t offset, unsigned int size)
{
	struct gicv2_state before, after;

	gicv2_save(rig.gic, &before);
	for (unsigned int byte = 0; byte < 4; byte++) {
		put(interface, offset + byte, size, 0);
		put(interface, offset + byte, size, UINT64_MAX);
	}
	gicv2_save(rig.gic, &after);
	expect(what, interface, offset, (uint64_t)memcmp(&before, &after, sizeof(before)), 0);
}

/* "GIC register access": what is not allowed reads as zero and changes nothing. */
static void check_widths(bool interface, uint32_t offset, const struct row *row)
{
	static const unsigned int sizes[] = { 2, 3, 5, 6, 7, 8 };

	if (!offset) {
		start();
		for (uint32_t id = 32; id < 1020; id += 3)
			make_pending(&rig, id, 0x48, 5);
	}
	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (unsigned int byte = 0; byte < 4; byte++)
			expect("odd widths", interface, offset, get(interface, offset + byte, sizes[i]), 0);
		expect_no_change("odd widths", interface, offset, sizes[i]);
	}
	for (unsigned int byte = 1; byte < 4; byte++) {
		expect("unaligned", interface, offset, get(interface, offset + byte, 4), 0);
		put(interface, offset + byte, 4, 0);
	}
	if (!row || !row->bytes) {
		for (unsigned int byte = 0; byte < 4; byte++)
			expect("bytes", interface, offset, get(interface, offset + byte, 1), 0);
		expect_no_change("bytes", interface, offset, 1);
	}
	if (!row || row->access == READ_ONLY)
		expect_no_change("read-only", interface, offset, 4);
}

static void test_widths(void **state)
{
	(void)state;
	each_word(check_widths);
}

static void check_bytes(bool interface, uint32_t offset, const struct row *row)
{
	if (!row || !row->bytes || row->access == READ_ONLY)
		return;
	start();
	if (row->access == ONES_CLEAR)
		put(interface, opposite(offset, row->access), 4, UINT32_MAX);
	for (unsigned int byte = 0; byte < 4; byte++) {
		uint32_t before = (uint32_t)get(interface, offset, 4), changed;

		put(interface, offset + byte, 1, UINT64_MAX);
		changed = before ^ (uint32_t)get(interface, offset, 4);
		expect("one byte", interface, offset, changed, row->bits & 0xffu << byte * 8);
		expect("a byte read", interface, offset, get(interface, offset + byte, 1),
		       (uint8_t)(get(interface, offset, 4) >> byte * 8));
	}
}

static void test_bytes(void **state)
{
	(void)state;
	each_word(check_bytes);
}

/* --- what a table cannot say --- */

/* "Binary Point Register": "the minimum value" is what a smaller one becomes. */
static void test_binary_points_have_a_minimum(void **state)
{
	(void)state;
	start();
	for (uint32_t value = 0; value < 8; value++) {
		set_cpu(&rig, GICC_BPR, value);
		set_cpu(&rig, GICC_ABPR, value);
		assert_int_equal(cpu(&rig, GICC_BPR), value < 2 ? 2 : value);
		assert_int_equal(cpu(&rig, GICC_ABPR), value < 3 ? 3 : value);
	}
	gicv2_rig_finish(&rig);
}

/* "Interrupt Processor Targets Registers": RAZ/WI in a uniprocessor implementation. */
static void test_no_targets_with_one_processor(void **state)
{
	(void)state;
	gicv2_rig_init(&rig, 1, 96);
	for (uint32_t offset = GICD_ITARGETSR; offset < GICD_ICFGR; offset += 4) {
		set_dist(&rig, offset, UINT32_MAX);
		assert_int_equal(dist(&rig, offset), 0);
	}
	assert_int_equal(dist(&rig, GICD_TYPER), 2);
	gicv2_rig_finish(&rig);
}

/* "Distributor register map": interrupts beyond ITLinesNumber are RAZ/WI. */
static void test_absent_interrupts(void **state)
{
	static const uint32_t per_bit[] = { GICD_IGROUPR, GICD_ISENABLER, GICD_ISPENDR, GICD_ISACTIVER };

	(void)state;
	gicv2_rig_init(&rig, 2, 96);
	for (unsigned int id = 64; id < 1024; id += 32) {
		bool exists = id < 96;

		for (unsigned int i = 0; i < 4; i++) {
			uint32_t at = per_bit[i] + id / 8;

			set_dist(&rig, at, UINT32_MAX);
			assert_int_equal(dist(&rig, at), exists ? UINT32_MAX : 0);
		}
		set_dist(&rig, GICD_ICFGR + id / 4, UINT32_MAX);
		assert_int_equal(dist(&rig, GICD_ICFGR + id / 4), exists ? 0xaaaaaaaa : 0);
		set_dist(&rig, GICD_IPRIORITYR + id, UINT32_MAX);
		assert_int_equal(dist(&rig, GICD_IPRIORITYR + id), exists ? 0xf8f8f8f8 : 0);
		set_dist(&rig, GICD_ITARGETSR + id, UINT32_MAX);
		assert_int_equal(dist(&rig, GICD_ITARGETSR + id), exists ? 0x03030303 : 0);
	}
	gicv2_rig_finish(&rig);
}

/* Each of two halves of 32 has its own register. */
static void test_configuration_by_halves(void **state)
{
	(void)state;
	start();
	set_dist(&rig, GICD_ICFGR + 8, 0x80000002);
	set_dist(&rig, GICD_ICFGR + 12, 0x00000008);
	assert_int_equal(dist(&rig, GICD_ICFGR + 8), 0x80000002);
	assert_int_equal(dist(&rig, GICD_ICFGR + 12), 0x00000008);
	set_dist(&rig, GICD_ICFGR + 8, 0);
	assert_int_equal(dist(&rig, GICD_ICFGR + 12), 0x00000008);
	gicv2_rig_finish(&rig);
}

/* "Banking": SGIs and PPIs have their registers once for each processor. */
static void test_banked_registers(void **state)
{
	(void)state;
	start();
	set_dist_of(&rig, 0, GICD_ISENABLER, 0x00010000);
	set_dist_of(&rig, 1, GICD_IPRIORITYR + 16, 0x50);
	set_dist_of(&rig, 2, GICD_IGROUPR, 7);
	assert_int_equal(dist_of(&rig, 0, GICD_ISENABLER), 0x0001ffff);
	assert_int_equal(dist_of(&rig, 1, GICD_ISENABLER), 0x0000ffff);
	assert_int_equal(dist_of(&rig, 0, GICD_IPRIORITYR + 16), 0);
	assert_int_equal(dist_of(&rig, 1, GICD_IPRIORITYR + 16), 0x50);
	assert_int_equal(dist_of(&rig, 1, GICD_IGROUPR), 0);
	assert_int_equal(dist_of(&rig, 2, GICD_IGROUPR), 7);
	assert_int_equal(dist_of(&rig, 1, GICD_ITARGETSR), 0x02020202);
	gicv2_rig_finish(&rig);
}

static void test_no_such_processor_or_offset(void **state)
{
	(void)state;
	start();
	assert_int_equal(gicv2_dist_read(rig.gic, CPUS, GICD_TYPER, 4), 0);
	assert_int_equal(gicv2_cpu_read(rig.gic, UINT32_MAX, GICC_IIDR, 4), 0);
	gicv2_dist_write(rig.gic, CPUS, GICD_CTLR, 4, 1);
	gicv2_dist_write(rig.gic, 0, UINT64_MAX - 3, 4, 1);
	gicv2_cpu_write(rig.gic, 0, 1ULL << 32, 4, 1);
	assert_int_equal(gicv2_dist_read(rig.gic, 0, 1ULL << 32 | GICD_TYPER, 4), 0);
	assert_int_equal(dist(&rig, GICD_CTLR) | cpu(&rig, GICC_CTLR), 0);
	assert_int_equal(gicv2_dist_read(rig.gic, 0, GICD_TYPER, 0), 0);
	gicv2_rig_finish(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reset_values),
		cmocka_unit_test(test_writable_bits),
		cmocka_unit_test(test_widths),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_binary_points_have_a_minimum),
		cmocka_unit_test(test_no_targets_with_one_processor),
		cmocka_unit_test(test_absent_interrupts),
		cmocka_unit_test(test_configuration_by_halves),
		cmocka_unit_test(test_banked_registers),
		cmocka_unit_test(test_no_such_processor_or_offset),
	};

	return cmocka_run_group_tests(tests, read_table, NULL);
}
