// SPDX-License-Identifier: BSD-2-Clause
/*
 * The local APIC's registers and their two front ends: that docs/interrupts.md says of each register
 * what accesses do, and the shapes of accesses. Section titles in quotes are of the Intel SDM, volume 3,
 * chapter "Advanced Programmable Interrupt Controller (APIC)".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/apic_fake.h"

#define ID       0x25u
#define LOGICAL  (2u << 16 | 1u << 5)
#define MAX_ROWS 64

static struct lapic_rig rig;

/* --- the table in docs/interrupts.md --- */

struct front_end {
	bool readable, writable, exists;
	uint64_t reset, bits; /* bits: what a write changes */
};

struct row {
	uint32_t offset;
	unsigned int count; /* consecutive registers */
	struct front_end xapic, x2apic;
	uint64_t no_effect;
	bool kept; /* by INIT */
};

static struct row table[MAX_ROWS];
static unsigned int nr_rows;

static uint64_t value_of(const char *word)
{
	if (!strcmp(word, "id << 24"))
		return ID << 24;
	if (!strcmp(word, "id"))
		return ID;
	if (!strcmp(word, "logical"))
		return LOGICAL;
	return !strcmp(word, "-") ? 0 : strtoull(word, NULL, 0);
}

static struct front_end front_end_of(const char *access, const char *reset, const char *bits)
{
	return (struct front_end){
		.readable = strchr(access, 'r'),
		.writable = strchr(access, 'w'),
		.exists = strcmp(access, "-") != 0,
		.reset = value_of(reset),
		.bits = value_of(bits),
	};
}

/* Cuts "| a | b |" into its words in place. Returns how many there are. */
static unsigned int cut(char *line, char *word[], unsigned int max)
{
	unsigned int count = 0;
	char *save, *part;

	for (part = strtok_r(line, "|", &save); part && count < max; part = strtok_r(NULL, "|", &save)) {
		size_t len;

		part += strspn(part, " ");
		for (len = strlen(part); len && (part[len - 1] == ' ' || part[len - 1] == '\n'); len--)
			part[len - 1] = '\0';
		if (*part)
			word[count++] = part;
	}
	return count;
}

static void add_row(char *line)
{
	struct row *row = &table[nr_rows++];
	uint32_t last;
	char *word[11], *to;

	assert_true(nr_rows < MAX_ROWS);
	assert_int_equal(cut(line, word, 11), 10);
	row->offset = (uint32_t)strtoul(word[0], &to, 0);
	last = strncmp(to, " to ", 4) ? row->offset : (uint32_t)strtoul(to + 4, NULL, 0);
	row->count = (last - row->offset) / 16 + 1;
	row->xapic = front_end_of(word[2], word[4], word[7]);
	row->x2apic = front_end_of(word[3], word[5], word[8]);
	row->kept = !strcmp(word[6], "kept");
	row->no_effect = value_of(word[9]);
}

static int read_table(void **state)
{
	FILE *f = fopen("docs/interrupts.md", "r");
	char line[256];

	(void)state;
	if (!f)
		return 0; /* need_table() skips */
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "| 0x", 4))
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

static const struct row *row_of(uint32_t offset)
{
	for (unsigned int i = 0; i < nr_rows; i++)
		if (offset >= table[i].offset && offset < table[i].offset + table[i].count * 16)
			return &table[i];
	return NULL;
}

/* A LAPIC at power-up in one of the modes; on request software-enabled, so that LVT masks can change. */
static void start(bool x2apic, bool enabled)
{
	lapic_rig_init_at(&rig, ID, false, 1000000000, 2000000);
	if (enabled)
		put(&rig, LAPIC_SVR, SVR_ON);
	if (x2apic)
		enable_x2apic(&rig);
}

static void expect(const char *what, uint32_t offset, uint64_t is, uint64_t said)
{
	if (is != said)
		print_error("register %#x, %s: is %#llx, docs/interrupts.md says %#llx\n", offset, what,
			    (unsigned long long)is, (unsigned long long)said);
	assert_true(is == said);
}

/* "Local APIC Register Address Map": every 16 bytes of the page. */
static void test_doc_xapic_reads(void **state)
{
	(void)state;
	need_table();
	for (uint32_t offset = 0; offset < LAPIC_PAGE_SIZE; offset += 16) {
		const struct row *row = row_of(offset);
		bool exists = row && row->xapic.exists;
		uint32_t error = exists ? 0 : LAPIC_ESR_ILLEGAL_REGISTER;

		start(false, false);
		expect("xAPIC reset", offset, get(&rig, offset), exists ? row->xapic.reset : 0);
		expect("ESR after an xAPIC read", offset, errors(&rig), error);
		put(&rig, offset, 0);
		expect("ESR after an xAPIC write", offset, errors(&rig) & LAPIC_ESR_ILLEGAL_REGISTER, error);
	}
}

static void test_doc_xapic_writes(void **state)
{
	(void)state;
	need_table();
	for (uint32_t offset = 0; offset < LAPIC_PAGE_SIZE; offset += 16) {
		const struct row *row = row_of(offset);
		uint32_t bits = 0, ones, zeros;

		if (offset == LAPIC_SELF_IPI || !row || !row->xapic.readable)
			continue;
		/* One bit at a time; only what a write of that very bit changes counts. */
		for (unsigned int bit = 0; bit < 32; bit++) {
			start(false, true);
			put(&rig, offset, 0);
			zeros = get(&rig, offset);
			put(&rig, LAPIC_SVR, SVR_ON);
			put(&rig, offset, 1u << bit);
			ones = get(&rig, offset);
			if ((zeros ^ ones) & 1u << bit)
				bits |= 1u << bit;
		}
		expect("xAPIC writable bits", offset, bits, row->xapic.bits);
		assert_true(row->xapic.writable || !row->xapic.bits);
	}
}

/* "Local APIC State After an INIT Reset": as after power-up, but for what is kept. */
static void test_doc_init(void **state)
{
	(void)state;
	need_table();
	for (uint32_t offset = 0; offset < LAPIC_PAGE_SIZE; offset += 16) {
		const struct row *row = row_of(offset);
		uint32_t before;

		if (!row || !row->xapic.readable)
			continue;
		start(false, true);
		put(&rig, offset, 0x40000);
		put(&rig, offset, 0x30000033);
		before = get(&rig, offset);
		lapic_init_reset(&rig.lapic);
		expect("xAPIC INIT", offset, get(&rig, offset), row->kept ? before : row->xapic.reset);
	}
	for (uint32_t offset = 0; offset < 0x1000; offset += 16) {
		const struct row *row = row_of(offset);

		if (!row || !row->x2apic.readable)
			continue;
		start(true, true);
		lapic_msr_write(&rig.lapic, msr_of(offset), 0x23);
		lapic_init_reset(&rig.lapic);
		expect("x2APIC INIT", offset, get_msr(&rig, offset), row->x2apic.reset);
	}
}

/* "Local APIC Register Address Map Supported by x2APIC": all 256 MSRs. */
static void test_doc_x2apic_reads(void **state)
{
	(void)state;
	need_table();
	for (uint32_t offset = 0; offset < 0x1000; offset += 16) {
		const struct row *row = row_of(offset);
		uint64_t value = 0;

		start(true, false);
		expect("x2APIC readable", offset, lapic_msr_read(&rig.lapic, msr_of(offset), &value),
		       row && row->x2apic.readable);
		expect("x2APIC reset", offset, value, row && row->x2apic.readable ? row->x2apic.reset : 0);
		put_msr(&rig, LAPIC_ESR, 0);
		assert_int_equal(get_msr(&rig, LAPIC_ESR), 0); /* a fault is no error besides */
	}
}

/* "Reserved Bit Checking": which bits fault, and which keep what is written. */
static void test_doc_x2apic_writes(void **state)
{
	(void)state;
	need_table();
	for (uint32_t offset = 0; offset < 0x1000; offset += 16) {
		const struct row *row = row_of(offset);
		bool writable = row && row->x2apic.writable;
		uint64_t allowed = 0, kept = 0;

		start(true, true);
		expect("x2APIC writable", offset, lapic_msr_write(&rig.lapic, msr_of(offset), 0), writable);
		for (unsigned int bit = 0; bit < 64; bit++) {
			uint64_t value = 1ULL << bit;

			start(true, true);
			if (lapic_msr_write(&rig.lapic, msr_of(offset), value))
				allowed |= value;
			if (row && row->x2apic.readable && (get_msr(&rig, offset) & value)) {
				lapic_msr_write(&rig.lapic, msr_of(LAPIC_SVR), SVR_ON);
				lapic_msr_write(&rig.lapic, msr_of(offset), 0);
				kept |= get_msr(&rig, offset) & value ? 0 : value;
			}
		}
		expect("x2APIC bits that do not fault", offset, allowed,
		       writable ? row->x2apic.bits | row->no_effect : 0);
		if (writable && row->x2apic.readable)
			expect("x2APIC writable bits", offset, kept, row->x2apic.bits);
	}
}

/* "Logical Destination Mode": the reserved bits of the DFR read as ones. */
static void test_reserved_bits_of_the_dfr(void **state)
{
	(void)state;
	start(false, true);
	put(&rig, LAPIC_DFR, 0);
	assert_int_equal(get(&rig, LAPIC_DFR), 0x0fffffff);
	put(&rig, LAPIC_DFR, 0xf0000000);
	assert_int_equal(get(&rig, LAPIC_DFR), 0xffffffff);
}

/* --- the page: "The Local APIC Block Diagram" asks for 32-bit accesses on 128-bit boundaries --- */

static int setup(void **state)
{
	(void)state;
	start(false, true);
	return 0;
}

static void test_narrow_and_wide_reads(void **state)
{
	static const uint32_t value = 0x01060014; /* the version register */

	(void)state;
	for (unsigned int size = 1; size <= 8; size++) {
		for (uint32_t byte = 0; byte < 16; byte++) {
			uint64_t expected = byte < 4 ? value >> 8 * byte : 0;

			if (size < 4)
				expected &= (1ULL << 8 * size) - 1;
			assert_true(lapic_mmio_read(&rig.lapic, LAPIC_VERSION + byte, size) == expected);
		}
	}
	assert_int_equal(errors(&rig), 0);
}

static void test_narrow_and_misaligned_writes_do_nothing(void **state)
{
	(void)state;
	put(&rig, LAPIC_TPR, 0x20);
	for (uint32_t byte = 0; byte < 16; byte++)
		for (unsigned int size = 1; size <= 8; size++)
			if (byte || size < 4)
				lapic_mmio_write(&rig.lapic, LAPIC_TPR + byte, size, 0x55);
	assert_int_equal(get(&rig, LAPIC_TPR), 0x20);
	lapic_mmio_write(&rig.lapic, LAPIC_TPR, 8, 0x7700000030ULL);
	assert_int_equal(get(&rig, LAPIC_TPR), 0x30);
	lapic_mmio_write(&rig.lapic, LAPIC_EOI + 4, 4, 0);
	assert_int_equal(errors(&rig), 0);
}

static void test_the_last_bytes_of_the_page(void **state)
{
	(void)state;
	assert_true(lapic_mmio_read(&rig.lapic, 0xfff, 8) == 0);
	lapic_mmio_write(&rig.lapic, 0xfff, 8, UINT64_MAX);
	assert_int_equal(errors(&rig), LAPIC_ESR_ILLEGAL_REGISTER);
}

/* --- MSRs --- */

/* "x2APIC Register Address Space": the MSRs are there in x2APIC mode only. */
static void test_msrs_fault_outside_x2apic_mode(void **state)
{
	static const uint64_t bases[] = { LAPIC_BASE_AT_RESET, LAPIC_BASE_AT_RESET | APIC_BASE_ENABLE };

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		lapic_set_base(&rig.lapic, bases[i]);
		for (uint32_t msr = X2APIC_MSR_FIRST; msr <= X2APIC_MSR_LAST; msr++) {
			uint64_t value;

			assert_false(lapic_msr_read(&rig.lapic, msr, &value));
			assert_false(lapic_msr_write(&rig.lapic, msr, 0));
		}
	}
}

static void test_msrs_of_others_fault(void **state)
{
	static const uint32_t msrs[] = { 0,     0x10,       0x1b,       0x6df,      0x6e1,     0x7ff,
					 0x900, 0x10000802, 0xc0000080, 0xfffff800, UINT32_MAX };

	(void)state;
	enable_x2apic(&rig);
	for (unsigned int i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		uint64_t value;

		assert_false(lapic_msr_read(&rig.lapic, msrs[i], &value));
		assert_false(lapic_msr_write(&rig.lapic, msrs[i], 0));
	}
}

static void test_a_faulting_write_changes_nothing(void **state)
{
	(void)state;
	enable_x2apic(&rig);
	put_msr(&rig, LAPIC_TPR, 0x30);
	assert_false(lapic_msr_write(&rig.lapic, msr_of(LAPIC_TPR), 0x140));
	assert_false(lapic_msr_write(&rig.lapic, msr_of(LAPIC_TPR), 1ULL << 32));
	assert_int_equal(get_msr(&rig, LAPIC_TPR), 0x30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doc_xapic_reads),
		cmocka_unit_test(test_doc_xapic_writes),
		cmocka_unit_test(test_doc_init),
		cmocka_unit_test(test_doc_x2apic_reads),
		cmocka_unit_test(test_doc_x2apic_writes),
		cmocka_unit_test(test_reserved_bits_of_the_dfr),
		cmocka_unit_test_setup(test_narrow_and_wide_reads, setup),
		cmocka_unit_test_setup(test_narrow_and_misaligned_writes_do_nothing, setup),
		cmocka_unit_test_setup(test_the_last_bytes_of_the_page, setup),
		cmocka_unit_test_setup(test_msrs_fault_outside_x2apic_mode, setup),
		cmocka_unit_test_setup(test_msrs_of_others_fault, setup),
		cmocka_unit_test_setup(test_a_faulting_write_changes_nothing, setup),
	};

	return cmocka_run_group_tests(tests, read_table, NULL);
}
