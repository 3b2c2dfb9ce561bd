// SPDX-License-Identifier: BSD-2-Clause
/* The test device: what test kernels expect of QEMU's pc-testdev, and docs/devices.md for the MSIs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/classes.h"
#include "tests/unit/fake.h"

static struct rig rig;

static int setup_irq(void **state)
{
	*state = &rig;
	rig_init(&rig);
	rig_plug(&rig, &test_irq_class, 0x2000, 0x2c, 0);
	return 0;
}

static int setup_scratch(void **state)
{
	*state = &rig;
	rig_init(&rig);
	rig_plug(&rig, &test_scratch_class, 0xe0, 0xc, 0);
	return 0;
}

static int setup_memory(void **state)
{
	*state = &rig;
	rig_init(&rig);
	rig_plug(&rig, &test_memory_class, 0xff000000, 0x10000, 0);
	return 0;
}

/* --- interrupts --- */

static void a_port_is_a_line(void **state)
{
	(void)state;
	for (unsigned int gsi = 0; gsi < 24; gsi++) {
		rig_write(&rig, gsi, 1, 1);
		for (unsigned int i = 0; i < FAKE_LINES; i++)
			assert_int_equal(rig.irqchip.level[i], i == gsi);
		rig_write(&rig, gsi, 1, 0x80); /* any value but 0 raises */
		assert_int_equal(rig.irqchip.raised[gsi], 1);
		rig_write(&rig, gsi, 1, 0);
		assert_false(rig.irqchip.level[gsi]);
	}
	assert_int_equal(rig.bus.misses, 0);
}

/* docs/tracing.md: "a device drove its line". */
static void a_line_is_seen_by_the_trace(void **state)
{
	const struct trace_setup setup = { .clock = &rig.clock.clock, .threads = 1, .count = true };
	struct err err;

	(void)state;
	assert_int_equal(trace_start(&setup, &err), 0);
	rig_write(&rig, 5, 1, 1);
	rig_write(&rig, 5, 1, 0);
	assert_int_equal(trace_counts(0)->raised[5], 1);
	assert_int_equal(trace_counts(0)->event[TRACE_LINE_LOWERED], 1);
	trace_stop();
}

static void a_line_takes_bytes_only(void **state)
{
	(void)state;
	rig_write(&rig, 0, 2, 0x0101);
	rig_write(&rig, 4, 4, 0x01010101);
	rig_write(&rig, 24, 1, 1);
	rig_write(&rig, 31, 1, 1);
	for (unsigned int i = 0; i < FAKE_LINES; i++)
		assert_int_equal(rig.irqchip.raised[i], 0);
	assert_int_equal(rig.bus.misses, 4);
	assert_int_equal(rig_read(&rig, 0, 1), rig_unclaimed(1));
}

static void the_data_sends_the_message(void **state)
{
	(void)state;
	rig_write(&rig, 0x20, 4, 0xfee01000);
	rig_write(&rig, 0x24, 4, 0x12345600);
	assert_int_equal(rig.irqchip.messages, 0);
	rig_write(&rig, 0x28, 4, 0x4041);
	assert_int_equal(rig.irqchip.messages, 1);
	assert_int_equal(rig.irqchip.msi_addr, 0x12345600fee01000);
	assert_int_equal(rig.irqchip.msi_data, 0x4041);
	rig_write(&rig, 0x28, 4, 0x42); /* the address stays */
	assert_int_equal(rig.irqchip.messages, 2);
	assert_int_equal(rig.irqchip.msi_addr, 0x12345600fee01000);
	assert_int_equal(rig.irqchip.msi_data, 0x42);
	assert_int_equal(rig_read(&rig, 0x20, 4), 0xfee01000);
	assert_int_equal(rig_read(&rig, 0x24, 4), 0x12345600);
	assert_int_equal(rig_read(&rig, 0x28, 4), rig_unclaimed(4));
}

static void message_registers_have_32_bits(void **state)
{
	(void)state;
	rig_write(&rig, 0x20, 4, 0xfee00000);
	rig_write(&rig, 0x20, 1, 0xff);
	rig_write(&rig, 0x22, 2, 0xffff);
	rig_write(&rig, 0x28, 2, 0x41);
	rig_write(&rig, 0x29, 1, 0x41);
	assert_int_equal(rig.irqchip.messages, 0);
	assert_int_equal(rig_read(&rig, 0x20, 4), 0xfee00000);
	assert_int_equal(rig_read(&rig, 0x20, 2), rig_unclaimed(2));
}

static void any_access_is_harmless(void **state)
{
	uint64_t seed = 0x2000;

	(void)state;
	for (int i = 0; i < 20000; i++)
		rig_poke(&rig, &seed);
}

/* --- scratch --- */

static void scratch_reads_back_in_all_widths(void **state)
{
	(void)state;
	assert_int_equal(rig_read(&rig, 0, 4), 0);
	rig_write(&rig, 0, 4, 0x12345678);
	assert_int_equal(rig_read(&rig, 0, 4), 0x12345678);
	assert_int_equal(rig_read(&rig, 0, 2), 0x5678);
	assert_int_equal(rig_read(&rig, 2, 2), 0x1234);
	assert_int_equal(rig_read(&rig, 1, 1), 0x56);
	rig_write(&rig, 3, 1, 0xab);
	rig_write(&rig, 0, 2, 0xcdef);
	assert_int_equal(rig_read(&rig, 0, 4), 0xab34cdef);
	assert_int_equal(rig.bus.misses, 0);
}

static void the_bytes_are_there_twice(void **state)
{
	(void)state;
	rig_write(&rig, 0, 4, 0x12345678);
	assert_int_equal(rig_read(&rig, 8, 4), 0x12345678);
	rig_write(&rig, 9, 1, 0xff);
	assert_int_equal(rig_read(&rig, 0, 4), 0x1234ff78);
}

static void a_flush_does_nothing(void **state)
{
	(void)state;
	rig_write(&rig, 0, 4, 0x12345678);
	rig_write(&rig, 4, 4, 0xffffffff);
	assert_int_equal(rig.bus.misses, 0);
	rig_write(&rig, 4, 1, 0);
	rig_write(&rig, 6, 2, 0);
	assert_int_equal(rig.bus.misses, 2);
	assert_int_equal(rig_read(&rig, 4, 4), rig_unclaimed(4));
	rig_write(&rig, 2, 4, 0); /* over the edge */
	assert_int_equal(rig_read(&rig, 0, 4), 0x12345678);
}

/* --- memory --- */

static void memory_reads_back_in_all_widths(void **state)
{
	(void)state;
	rig_write(&rig, 0, 8, 0x1122334455667788);
	assert_int_equal(rig_read(&rig, 0, 8), 0x1122334455667788);
	assert_int_equal(rig_read(&rig, 3, 1), 0x55);
	assert_int_equal(rig_read(&rig, 1, 4), 0x44556677);
	rig_write(&rig, 0xffff, 1, 0xab);
	assert_int_equal(rig_read(&rig, 0xfffe, 2), 0xab00);
	assert_int_equal(rig.bus.misses, 0);
	/* Half of it behind the end. */
	assert_int_equal(rig_read(&rig, 0xffff, 2), rig_unclaimed(1) << 8 | 0xab);
}

#define TEST(f, kind) cmocka_unit_test_setup_teardown(f, setup_##kind, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_port_is_a_line, irq),
		TEST(a_line_is_seen_by_the_trace, irq),
		TEST(a_line_takes_bytes_only, irq),
		TEST(the_data_sends_the_message, irq),
		TEST(message_registers_have_32_bits, irq),
		TEST(any_access_is_harmless, irq),
		TEST(scratch_reads_back_in_all_widths, scratch),
		TEST(the_bytes_are_there_twice, scratch),
		TEST(a_flush_does_nothing, scratch),
		TEST(any_access_is_harmless, scratch),
		TEST(memory_reads_back_in_all_widths, memory),
		TEST(any_access_is_harmless, memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
