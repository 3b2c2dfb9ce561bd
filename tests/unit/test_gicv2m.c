// SPDX-License-Identifier: BSD-2-Clause
/* The GICv2m frame: registers and messages (Arm Server Base System Architecture, "GICv2m Architecture"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "devices/gicv2m.h"
#include "tests/unit/fake.h"

#define BASE 0x3bfc0000ULL

/* Lines 24 to 31: INTIDs 56 to 63. */
#define FIRST 24
#define COUNT 8

enum { MSI_TYPER = 0x008, MSI_SETSPI_NS = 0x040, MSI_IIDR = 0xfcc };

static struct rig rig;

static int setup(void **state)
{
	*state = &rig;
	rig_init(&rig);
	rig_plug(&rig, &gicv2m_class, BASE, 0x1000, FIRST);
	gicv2m_set_lines(rig.dev, COUNT);
	return 0;
}

/* All messages so far, and that no line has been left high. */
static unsigned int all_raised(void)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < FAKE_LINES; i++) {
		assert_false(rig.irqchip.level[i]);
		sum += rig.irqchip.raised[i];
	}
	return sum;
}

static void typer_tells_the_range(void **state)
{
	(void)state;
	/* Bits 25:16 the first INTID, 9:0 how many. */
	assert_int_equal(rig_read(&rig, MSI_TYPER, 4), 56 << 16 | 8);
	rig_write(&rig, MSI_TYPER, 4, 0xffffffff);
	assert_int_equal(rig_read(&rig, MSI_TYPER, 4), 56 << 16 | 8);
}

static void the_largest_range(void **state)
{
	(void)state;
	gicv2m_set_lines(rig.dev, 963);
	assert_int_equal(rig_read(&rig, MSI_TYPER, 4), 56 << 16 | 963);
}

static void iidr_is_a_v2m(void **state)
{
	uint64_t iidr = rig_read(&rig, MSI_IIDR, 4);

	(void)state;
	assert_int_equal(iidr & 0xfff, 0x43b);  /* implementer: Arm */
	assert_int_equal(iidr >> 16 & 0xf, 0);  /* architecture: GICv2m */
	assert_int_not_equal(iidr, 0x06000170); /* what Linux takes for frames with errata */
	assert_int_not_equal(iidr, 0x0000013f);
}

static void a_message_is_an_edge(void **state)
{
	(void)state;
	for (unsigned int intid = 56; intid < 64; intid++) {
		rig_write(&rig, MSI_SETSPI_NS, 4, intid);
		assert_int_equal(rig.irqchip.raised[intid - 32], 1);
	}
	rig_write(&rig, MSI_SETSPI_NS, 4, 60);
	assert_int_equal(rig.irqchip.raised[28], 2);
	assert_int_equal(all_raised(), 9);
}

static void messages_of_16_bits(void **state)
{
	(void)state;
	rig_write(&rig, MSI_SETSPI_NS, 2, 57);
	assert_int_equal(rig.irqchip.raised[25], 1);
	rig_write(&rig, MSI_SETSPI_NS, 1, 57);
	rig_write(&rig, MSI_SETSPI_NS + 2, 2, 57);
	assert_int_equal(all_raised(), 1);
}

/* Bits 31:10 are reserved. */
static void the_intid_has_10_bits(void **state)
{
	(void)state;
	rig_write(&rig, MSI_SETSPI_NS, 4, 0xfffffc00 | 57);
	assert_int_equal(rig.irqchip.raised[25], 1);
}

static void others_interrupts_are_not_touched(void **state)
{
	static const uint32_t not_ours[] = {
		0, 1, 24, 31, 32, 55, 64, 65, 127, 1019, 1020, 1023, 0xffffffff
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(not_ours) / sizeof(not_ours[0]); i++)
		rig_write(&rig, MSI_SETSPI_NS, 4, not_ours[i]);
	assert_int_equal(all_raised(), 0);
}

static void a_frame_without_lines_is_silent(void **state)
{
	(void)state;
	gicv2m_set_lines(rig.dev, 0);
	for (uint32_t intid = 0; intid < 1024; intid++)
		rig_write(&rig, MSI_SETSPI_NS, 4, intid);
	assert_int_equal(all_raised(), 0);
}

static void sent_from_inside(void **state)
{
	(void)state;
	gicv2m_send(rig.dev, 63);
	gicv2m_send(rig.dev, 64);
	assert_int_equal(rig.irqchip.raised[31], 1);
	assert_int_equal(all_raised(), 1);
}

/* --- the same message from a guest and from a device at once: each is an edge of its own --- */

#define ROUNDS 20000

static _Atomic bool high;
static _Atomic unsigned int edges, lost;

static void count_edges(struct irqchip *chip, uint32_t line, bool level)
{
	(void)chip;
	(void)line;
	if (atomic_exchange(&high, level) == level)
		atomic_fetch_add(&lost, 1);
	else if (level)
		atomic_fetch_add(&edges, 1);
	sched_yield();
}

static void *send_all(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < ROUNDS; i++)
		gicv2m_send(rig.dev, 60);
	return NULL;
}

static void messages_do_not_merge_on_their_way(void **state)
{
	static const struct irqchip_ops ops = { .set_line = count_edges };
	pthread_t device;

	(void)state;
	rig.irqchip.chip.ops = &ops;
	assert_int_equal(pthread_create(&device, NULL, send_all, NULL), 0);
	for (unsigned int i = 0; i < ROUNDS; i++)
		rig_write(&rig, MSI_SETSPI_NS, 4, 60);
	pthread_join(device, NULL);
	assert_int_equal(lost, 0);
	assert_int_equal(edges, 2 * ROUNDS);
	assert_false(high);
}

static void the_rest_is_reserved(void **state)
{
	(void)state;
	for (uint64_t offset = 0; offset < 0x1000; offset += 4) {
		if (offset == MSI_TYPER || offset == MSI_IIDR)
			continue;
		if (offset != MSI_SETSPI_NS)
			rig_write(&rig, offset, 4, 57);
		assert_int_equal(rig_read(&rig, offset, 4), 0);
	}
	assert_int_equal(rig_read(&rig, MSI_TYPER, 1), 0);
	assert_int_equal(rig_read(&rig, MSI_TYPER, 2), 0);
	assert_int_equal(all_raised(), 0);
	assert_int_equal(rig.bus.misses, 0);
}

static void anything_goes(void **state)
{
	uint64_t seed = 0x76326d;

	(void)state;
	for (unsigned int i = 0; i < 200000; i++)
		rig_poke(&rig, &seed);
	assert_int_equal(rig_read(&rig, MSI_TYPER, 4), 56 << 16 | 8);
	for (unsigned int i = 0; i < FAKE_LINES; i++)
		assert_true(rig.irqchip.raised[i] == 0 || (i >= FIRST && i < FIRST + COUNT));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(typer_tells_the_range),
		TEST(the_largest_range),
		TEST(iidr_is_a_v2m),
		TEST(a_message_is_an_edge),
		TEST(messages_of_16_bits),
		TEST(the_intid_has_10_bits),
		TEST(others_interrupts_are_not_touched),
		TEST(a_frame_without_lines_is_silent),
		TEST(sent_from_inside),
		TEST(messages_do_not_merge_on_their_way),
		TEST(the_rest_is_reserved),
		TEST(anything_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
