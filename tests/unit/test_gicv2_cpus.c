// SPDX-License-Identifier: BSD-2-Clause
/*
 * A GICv2 with several processors: SGIs, targets; and its groups. Section titles in quotes are of Arm
 * IHI 0048B.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/gicv2_rig.h"

#define CPUS 4u
#define A    40u
#define B    41u
#define SGI  5u

static struct gicv2_rig rig;

static int setup(void **state)
{
	(void)state;
	gicv2_rig_init(&rig, CPUS, 64);
	open_all(&rig, GIC_ENABLE_GROUP0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gicv2_rig_finish(&rig);
	return 0;
}

/* Who has an interrupt to take: a bit for each. */
static uint32_t signalled(enum gicv2_signal signal)
{
	uint32_t cpus = 0;

	for (unsigned int i = 0; i < CPUS; i++)
		cpus |= (uint32_t)rig.input[i][signal] << i;
	return cpus;
}

static uint8_t sources(unsigned int of, unsigned int sgi)
{
	return (uint8_t)gicv2_dist_read(rig.gic, of, GICD_SPENDSGIR + sgi, 1);
}

/* --- SGIs --- */

/* "Software Generated Interrupt Register": the target list filter. */
static void test_sgi_filters(void **state)
{
	static const struct {
		uint32_t value, to; /* sent by processor 1 */
	} sent[] = {
		{ 0u << 24 | 0x0d << 16, 0xd }, { 0u << 24 | 0xff << 16, 0xf }, { 0u << 24, 0 },
		{ 1u << 24 | 0x02 << 16, 0xd }, { 2u << 24 | 0x0d << 16, 0x2 }, { 3u << 24 | 0xff << 16, 0 },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
		set_dist_of(&rig, 1, GICD_SGIR, sent[i].value | SGI);
		assert_int_equal(signalled(GICV2_IRQ), sent[i].to);
		for (unsigned int c = 0; c < CPUS; c++) {
			if (!(sent[i].to >> c & 1))
				continue;
			assert_int_equal(sources(c, SGI), 2);
			assert_int_equal(cpu_of(&rig, c, GICC_HPPIR), 1u << 10 | SGI);
			assert_int_equal(cpu_of(&rig, c, GICC_IAR), 1u << 10 | SGI);
			set_cpu_of(&rig, c, GICC_EOIR, 1u << 10 | SGI);
		}
		assert_int_equal(signalled(GICV2_IRQ), 0);
	}
}

/* "Interrupt identification": the same SGI of several senders is several interrupts. */
static void test_sgi_once_for_each_source(void **state)
{
	(void)state;
	for (unsigned int c = CPUS; c--;)
		for (unsigned int twice = 0; twice < 2; twice++)
			set_dist_of(&rig, c, GICD_SGIR, 1u << 16 | SGI);
	assert_int_equal(sources(0, SGI), 0xf);
	for (unsigned int c = 0; c < CPUS; c++) {
		assert_int_equal(cpu(&rig, GICC_IAR), c << 10 | SGI);
		assert_int_equal(sources(0, SGI), 0xf & ~((2u << c) - 1));
		assert_int_equal(bit_of(&rig, GICD_ISPENDR, SGI), c < CPUS - 1);
		assert_int_equal(cpu(&rig, GICC_IAR), GICV2_NO_INTERRUPT); /* not while active */
		set_cpu(&rig, GICC_EOIR, c << 10 | SGI);
	}
	assert_int_equal(cpu(&rig, GICC_IAR), GICV2_NO_INTERRUPT);
}

/* "SGI Set-Pending Registers", "SGI Clear-Pending Registers" */
static void test_sgi_pending_by_register(void **state)
{
	(void)state;
	set_dist_of(&rig, 2, GICD_SPENDSGIR + 4, 0x00ff0a00);
	assert_int_equal(signalled(GICV2_IRQ), 4);
	assert_int_equal(dist_of(&rig, 2, GICD_CPENDSGIR + 4), 0x000f0a00); /* processors there are */
	assert_int_equal(dist_of(&rig, 2, GICD_ISPENDR), 1u << 5 | 1u << 6);
	assert_int_equal(dist_of(&rig, 1, GICD_CPENDSGIR + 4), 0);
	gicv2_dist_write(rig.gic, 2, GICD_CPENDSGIR + 5, 1, 0xf2);
	assert_int_equal(sources(2, 5), 0x08);
	assert_int_equal(cpu_of(&rig, 2, GICC_IAR), 3u << 10 | 5);
	set_cpu_of(&rig, 2, GICC_EOIR, 3u << 10 | 5);
	set_dist_of(&rig, 2, GICD_CPENDSGIR + 4, 0x00ff0000);
	assert_int_equal(signalled(GICV2_IRQ), 0);
}

static void test_sgi_not_by_pending_registers(void **state)
{
	(void)state;
	set_dist(&rig, GICD_ISPENDR, 0xffff);
	assert_int_equal(signalled(GICV2_IRQ), 0);
	set_dist(&rig, GICD_SGIR, 2u << 24 | SGI);
	set_dist(&rig, GICD_ICPENDR, 0xffff);
	assert_int_equal(cpu(&rig, GICC_IAR), SGI);
}

static void test_sgi_disabled(void **state)
{
	(void)state;
	set_dist_of(&rig, 1, GICD_ICENABLER, 1u << SGI);
	set_dist(&rig, GICD_SGIR, 0xfu << 16 | SGI);
	assert_int_equal(signalled(GICV2_IRQ), 0xd);
	set_dist_of(&rig, 1, GICD_ISENABLER, 1u << SGI);
	assert_int_equal(signalled(GICV2_IRQ), 0xf);
}

/* --- targets --- */

static void test_spi_goes_to_its_targets(void **state)
{
	(void)state;
	for (uint32_t cpus = 0; cpus < 16; cpus++) {
		make_pending(&rig, A, 0x60, (uint8_t)cpus);
		assert_int_equal(signalled(GICV2_IRQ), cpus);
	}
	set_target(&rig, A, 0xf0); /* processors that do not exist */
	assert_int_equal(signalled(GICV2_IRQ), 0);
}

/* "Models for handling interrupts": the 1-N model. */
static void test_one_of_n_takes_an_spi(void **state)
{
	(void)state;
	make_pending(&rig, A, 0x60, 0xf);
	assert_int_equal(cpu_of(&rig, 2, GICC_IAR), A);
	assert_int_equal(signalled(GICV2_IRQ), 0);
	for (unsigned int c = 0; c < CPUS; c++)
		assert_int_equal(cpu_of(&rig, c, GICC_IAR), GICV2_NO_INTERRUPT);
	set_bit(&rig, GICD_ISPENDR, A);
	assert_int_equal(signalled(GICV2_IRQ), 0);
	set_cpu_of(&rig, 2, GICC_EOIR, A);
	assert_int_equal(signalled(GICV2_IRQ), 0xf);
	assert_int_equal(cpu_of(&rig, 3, GICC_IAR), A);
	set_cpu_of(&rig, 3, GICC_EOIR, A);
}

/* Each interface has its own mask and running priority. */
static void test_busy_targets(void **state)
{
	(void)state;
	set_cpu_of(&rig, 3, GICC_PMR, 0x60);
	make_pending(&rig, B, 0x20, 1);
	assert_int_equal(cpu(&rig, GICC_IAR), B);
	make_pending(&rig, A, 0x60, 0xf);
	assert_int_equal(signalled(GICV2_IRQ), 0x6);
}

/* --- "Interrupt grouping" --- */

static void test_groups_are_forwarded_apart(void **state)
{
	(void)state;
	open_all(&rig, GIC_ENABLE_GROUP0 | GIC_ENABLE_GROUP1);
	make_pending(&rig, A, 0x60, 1);
	make_pending(&rig, B, 0x60, 2);
	set_group1(&rig, B);
	assert_int_equal(signalled(GICV2_IRQ), 3);
	set_dist(&rig, GICD_CTLR, GIC_ENABLE_GROUP0);
	assert_int_equal(signalled(GICV2_IRQ), 1);
	set_dist(&rig, GICD_CTLR, GIC_ENABLE_GROUP1);
	assert_int_equal(signalled(GICV2_IRQ), 2);
	set_dist(&rig, GICD_CTLR, 3);
	open_all(&rig, GIC_ENABLE_GROUP1);
	assert_int_equal(signalled(GICV2_IRQ), 2);
}

/* "Interrupt Acknowledge Register", "Aliased Interrupt Acknowledge Register" and their ends. */
static void test_group1_by_its_aliases(void **state)
{
	(void)state;
	open_all(&rig, GIC_ENABLE_GROUP0 | GIC_ENABLE_GROUP1);
	make_pending(&rig, A, 0x60, 1);
	set_group1(&rig, A);
	assert_int_equal(cpu(&rig, GICC_HPPIR), GICV2_OTHER_GROUP);
	assert_int_equal(cpu(&rig, GICC_AHPPIR), A);
	assert_int_equal(cpu(&rig, GICC_IAR), GICV2_OTHER_GROUP);
	assert_true(bit_of(&rig, GICD_ISPENDR, A));
	assert_int_equal(cpu(&rig, GICC_AIAR), A);
	assert_int_equal(cpu(&rig, GICC_NSAPR), 1u << 12);
	assert_int_equal(cpu(&rig, GICC_APR), 0);
	set_cpu(&rig, GICC_EOIR, A); /* not its register */
	assert_int_equal(cpu(&rig, GICC_RPR), 0x60);
	set_cpu(&rig, GICC_AEOIR, A);
	assert_int_equal(cpu(&rig, GICC_RPR), 0xff);
	assert_false(bit_of(&rig, GICD_ISACTIVER, A));

	make_pending(&rig, B, 0x60, 1);
	assert_int_equal(cpu(&rig, GICC_AHPPIR), GICV2_NO_INTERRUPT);
	assert_int_equal(cpu(&rig, GICC_AIAR), GICV2_NO_INTERRUPT);
	assert_int_equal(cpu(&rig, GICC_IAR), B);
}

static void test_group1_with_ackctl(void **state)
{
	(void)state;
	open_all(&rig, GIC_ENABLE_GROUP0 | GIC_ENABLE_GROUP1 | GICC_CTLR_ACKCTL);
	make_pending(&rig, A, 0x60, 1);
	set_group1(&rig, A);
	assert_int_equal(cpu(&rig, GICC_HPPIR), A);
	assert_int_equal(cpu(&rig, GICC_IAR), A);
	set_cpu(&rig, GICC_EOIR, A);
	assert_int_equal(cpu(&rig, GICC_RPR), 0xff);
}

static void test_group0_as_fiq(void **state)
{
	(void)state;
	open_all(&rig, GIC_ENABLE_GROUP0 | GIC_ENABLE_GROUP1 | GICC_CTLR_FIQEN);
	make_pending(&rig, A, 0x60, 3);
	assert_int_equal(signalled(GICV2_FIQ), 3);
	assert_int_equal(signalled(GICV2_IRQ), 0);
	set_cpu_of(&rig, 1, GICC_CTLR, GIC_ENABLE_GROUP0 | GIC_ENABLE_GROUP1);
	assert_int_equal(signalled(GICV2_FIQ), 1);
	assert_int_equal(signalled(GICV2_IRQ), 2);
	make_pending(&rig, B, 0x40, 1); /* now more urgent, and of the other group */
	set_group1(&rig, B);
	assert_int_equal(signalled(GICV2_FIQ), 0);
	assert_int_equal(signalled(GICV2_IRQ), 3);
	assert_int_equal(cpu(&rig, GICC_AIAR), B);
	set_cpu(&rig, GICC_AEOIR, B);
	assert_int_equal(signalled(GICV2_FIQ), 1);
	assert_int_equal(cpu(&rig, GICC_IAR), A);
	assert_int_equal(signalled(GICV2_FIQ) | signalled(GICV2_IRQ), 0);
}

/* The groups preempt each other, and each end drops its own group's priority. */
static void test_groups_nest(void **state)
{
	(void)state;
	open_all(&rig, GIC_ENABLE_GROUP0 | GIC_ENABLE_GROUP1);
	make_pending(&rig, A, 0x80, 1);
	set_group1(&rig, A);
	assert_int_equal(cpu(&rig, GICC_AIAR), A);
	make_pending(&rig, B, 0x80, 1);
	assert_int_equal(cpu(&rig, GICC_IAR), GICV2_NO_INTERRUPT);
	set_priority(&rig, B, 0x78);
	assert_int_equal(cpu(&rig, GICC_IAR), B);
	assert_int_equal(cpu(&rig, GICC_RPR), 0x78);
	set_cpu(&rig, GICC_EOIR, B);
	assert_int_equal(cpu(&rig, GICC_RPR), 0x80);
	set_cpu(&rig, GICC_AEOIR, A);
	assert_int_equal(cpu(&rig, GICC_RPR), 0xff);
}

/* "Aliased Binary Point Register": Group 1's, unless GICC_CTLR.CBPR; n leaves bits 7 to n. */
static void test_binary_point_of_group1(void **state)
{
	(void)state;
	open_all(&rig, GIC_ENABLE_GROUP0 | GIC_ENABLE_GROUP1);
	set_group1(&rig, A);
	set_group1(&rig, B);
	for (unsigned int cbpr = 0; cbpr < 2; cbpr++) {
		set_cpu(&rig, GICC_CTLR, 3 | (cbpr ? GICC_CTLR_CBPR : 0));
		for (uint32_t point = 3; point < 8; point++) {
			/* The other one must not matter. */
			uint32_t step = cbpr ? 2u << point : 1u << point;

			set_cpu(&rig, cbpr ? GICC_BPR : GICC_ABPR, point);
			set_cpu(&rig, cbpr ? GICC_ABPR : GICC_BPR, 10 - point);
			for (uint32_t next = 0; next < 0xc0; next += 8) {
				make_pending(&rig, A, 0xc0, 1);
				assert_int_equal(cpu(&rig, GICC_AIAR), A);
				make_pending(&rig, B, (uint8_t)next, 1);
				assert_int_equal(rig.input[0][GICV2_IRQ], next / step < 0xc0 / step);
				set_bit(&rig, GICD_ICPENDR, B);
				set_cpu(&rig, GICC_AEOIR, A);
			}
		}
	}
}

static void test_sgi_in_group1(void **state)
{
	(void)state;
	open_all(&rig, GIC_ENABLE_GROUP0 | GIC_ENABLE_GROUP1);
	set_dist_of(&rig, 3, GICD_IGROUPR, 1u << SGI);
	set_dist_of(&rig, 2, GICD_SGIR, 8u << 16 | SGI);
	assert_int_equal(cpu_of(&rig, 3, GICC_AHPPIR), 2u << 10 | SGI);
	assert_int_equal(cpu_of(&rig, 3, GICC_AIAR), 2u << 10 | SGI);
	set_cpu_of(&rig, 3, GICC_AEOIR, 2u << 10 | SGI);
	assert_int_equal(cpu_of(&rig, 3, GICC_RPR), 0xff);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sgi_filters),
		TEST(test_sgi_once_for_each_source),
		TEST(test_sgi_pending_by_register),
		TEST(test_sgi_not_by_pending_registers),
		TEST(test_sgi_disabled),
		TEST(test_spi_goes_to_its_targets),
		TEST(test_one_of_n_takes_an_spi),
		TEST(test_busy_targets),
		TEST(test_groups_are_forwarded_apart),
		TEST(test_group1_by_its_aliases),
		TEST(test_group1_with_ackctl),
		TEST(test_group0_as_fiq),
		TEST(test_groups_nest),
		TEST(test_binary_point_of_group1),
		TEST(test_sgi_in_group1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
