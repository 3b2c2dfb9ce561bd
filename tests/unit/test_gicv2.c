// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a GICv2 does with interrupts: their states, inputs, priorities, preemption and ends. Section
 * titles in quotes are of Arm IHI 0048B.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/gicv2_rig.h"

#define A 40u
#define B 41u
#define C 42u

static struct gicv2_rig rig;

static int setup(void **state)
{
	(void)state;
	gicv2_rig_init(&rig, 2, 96);
	open_all(&rig, GIC_ENABLE_GROUP0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gicv2_rig_finish(&rig);
	return 0;
}

static uint32_t ack(void)
{
	return cpu(&rig, GICC_IAR);
}

static void end(uint32_t value)
{
	set_cpu(&rig, GICC_EOIR, value);
}

/* --- "Interrupt handling state machine" --- */

static void test_from_inactive_to_inactive(void **state)
{
	(void)state;
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
	make_pending(&rig, A, 0x60, 1);
	assert_true(rig.input[0][GICV2_IRQ]);
	assert_false(rig.input[0][GICV2_FIQ]);
	assert_false(rig.input[1][GICV2_IRQ]);
	assert_int_equal(cpu(&rig, GICC_HPPIR), A);
	assert_int_equal(ack(), A);
	assert_false(rig.input[0][GICV2_IRQ]);
	assert_true(bit_of(&rig, GICD_ISACTIVER, A));
	assert_false(bit_of(&rig, GICD_ISPENDR, A));
	assert_int_equal(cpu(&rig, GICC_RPR), 0x60);
	end(A);
	assert_false(bit_of(&rig, GICD_ISACTIVER, A));
	assert_int_equal(cpu(&rig, GICC_RPR), 0xff);
	assert_int_equal(rig.changes, 2);
}

static void test_active_and_pending_waits(void **state)
{
	(void)state;
	make_pending(&rig, A, 0x60, 1);
	assert_int_equal(ack(), A);
	set_bit(&rig, GICD_ISPENDR, A);
	assert_false(rig.input[0][GICV2_IRQ]);
	assert_int_equal(cpu(&rig, GICC_HPPIR), GICV2_NO_INTERRUPT);
	end(A);
	assert_true(rig.input[0][GICV2_IRQ]);
	assert_int_equal(ack(), A);
}

static void test_withdrawn_before_it_was_acknowledged(void **state)
{
	(void)state;
	make_pending(&rig, A, 0x60, 1);
	set_bit(&rig, GICD_ICPENDR, A);
	assert_false(rig.input[0][GICV2_IRQ]);
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
	set_bit(&rig, GICD_ISPENDR, A);
	set_bit(&rig, GICD_ICENABLER, A);
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
	assert_true(bit_of(&rig, GICD_ISPENDR, A)); /* disabled, it stays pending */
	set_bit(&rig, GICD_ISENABLER, A);
	assert_int_equal(ack(), A);
}

/* "Interrupt Acknowledge Register": the three reasons for 1023. */
static void test_forwarding_and_signalling_disabled(void **state)
{
	(void)state;
	make_pending(&rig, A, 0x60, 1);
	set_dist(&rig, GICD_CTLR, GIC_ENABLE_GROUP1);
	assert_false(rig.input[0][GICV2_IRQ]);
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
	set_dist(&rig, GICD_CTLR, GIC_ENABLE_GROUP0);
	set_cpu(&rig, GICC_CTLR, GIC_ENABLE_GROUP1);
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
	assert_int_equal(cpu(&rig, GICC_HPPIR), GICV2_NO_INTERRUPT);
	set_cpu(&rig, GICC_CTLR, GIC_ENABLE_GROUP0);
	set_cpu(&rig, GICC_PMR, 0x60); /* not higher than the mask */
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
	assert_int_equal(cpu(&rig, GICC_HPPIR), A); /* whatever the mask */
	set_cpu(&rig, GICC_PMR, 0x68);
	assert_true(rig.input[0][GICV2_IRQ]);
	assert_int_equal(ack(), A);
}

static void test_active_by_register(void **state)
{
	(void)state;
	make_pending(&rig, A, 0x60, 1);
	set_bit(&rig, GICD_ISACTIVER, A);
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
	assert_int_equal(cpu(&rig, GICC_RPR), 0xff); /* no priority becomes active by that */
	set_bit(&rig, GICD_ICACTIVER, A);
	assert_int_equal(ack(), A);
	set_bit(&rig, GICD_ICACTIVER, A);
	assert_int_equal(cpu(&rig, GICC_RPR), 0x60);
	end(A);
	assert_int_equal(cpu(&rig, GICC_RPR), 0xff);
}

/* --- inputs --- */

static void level_spi(void)
{
	set_priority(&rig, A, 0x60);
	set_target(&rig, A, 1);
	set_bit(&rig, GICD_ISENABLER, A);
}

static void test_level(void **state)
{
	(void)state;
	level_spi();
	gicv2_set_spi(rig.gic, A - 32, true);
	set_bit(&rig, GICD_ICPENDR, A);
	assert_true(bit_of(&rig, GICD_ISPENDR, A)); /* the input says so still */
	assert_int_equal(ack(), A);
	assert_true(bit_of(&rig, GICD_ISPENDR, A));
	end(A);
	assert_int_equal(ack(), A);
	gicv2_set_spi(rig.gic, A - 32, false);
	end(A);
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
	gicv2_set_spi(rig.gic, A - 32, true);
	gicv2_set_spi(rig.gic, A - 32, false);
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
}

/* "Interrupt Set-Pending Registers": a write makes a level-triggered one pending, until acknowledged. */
static void test_level_by_write(void **state)
{
	(void)state;
	level_spi();
	set_bit(&rig, GICD_ISPENDR, A);
	gicv2_set_spi(rig.gic, A - 32, true);
	gicv2_set_spi(rig.gic, A - 32, false);
	assert_int_equal(ack(), A);
	end(A);
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
	set_bit(&rig, GICD_ISPENDR, A);
	set_bit(&rig, GICD_ICPENDR, A);
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
}

static void test_edge(void **state)
{
	(void)state;
	level_spi();
	set_edge(&rig, A);
	gicv2_set_spi(rig.gic, A - 32, true);
	gicv2_set_spi(rig.gic, A - 32, true); /* no change, no edge */
	assert_int_equal(ack(), A);
	end(A);
	assert_int_equal(ack(), GICV2_NO_INTERRUPT); /* still high */
	gicv2_set_spi(rig.gic, A - 32, false);
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
	gicv2_set_spi(rig.gic, A - 32, true);
	gicv2_set_spi(rig.gic, A - 32, false);
	assert_true(bit_of(&rig, GICD_ISPENDR, A));
	set_bit(&rig, GICD_ICPENDR, A);
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
}

/* An edge while the interrupt is active is one more interrupt. */
static void test_edge_while_active(void **state)
{
	(void)state;
	level_spi();
	set_edge(&rig, A);
	for (unsigned int i = 0; i < 3; i++) {
		gicv2_set_spi(rig.gic, A - 32, true);
		gicv2_set_spi(rig.gic, A - 32, false);
		if (!i)
			assert_int_equal(ack(), A);
	}
	end(A);
	assert_int_equal(ack(), A);
	end(A);
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
}

static void test_ppis_are_each_processors_own(void **state)
{
	(void)state;
	set_dist_of(&rig, 1, GICD_ISENABLER, 1u << 27);
	gicv2_set_ppi(rig.gic, 0, 11, true);
	assert_int_equal(rig.changes, 0);
	gicv2_set_ppi(rig.gic, 1, 11, true);
	assert_true(rig.input[1][GICV2_IRQ]);
	assert_int_equal(cpu_of(&rig, 1, GICC_IAR), 27);
	assert_int_equal(cpu_of(&rig, 0, GICC_IAR), GICV2_NO_INTERRUPT);
	gicv2_set_ppi(rig.gic, 1, 11, false);
	set_cpu_of(&rig, 1, GICC_EOIR, 27);
	assert_false(rig.input[1][GICV2_IRQ]);
}

static void test_inputs_that_do_not_exist(void **state)
{
	struct gicv2_state before, after;

	(void)state;
	gicv2_save(rig.gic, &before);
	gicv2_set_spi(rig.gic, 64, true);
	gicv2_set_spi(rig.gic, UINT32_MAX, true);
	gicv2_set_ppi(rig.gic, 2, 0, true);
	gicv2_set_ppi(rig.gic, 0, 16, true);
	gicv2_set_ppi(rig.gic, UINT32_MAX, UINT32_MAX, true);
	gicv2_save(rig.gic, &after);
	assert_memory_equal(&before, &after, sizeof(before));
}

/* --- "Interrupt prioritization" --- */

static void test_highest_priority_first(void **state)
{
	(void)state;
	make_pending(&rig, A, 0x80, 1);
	make_pending(&rig, C, 0x40, 1);
	make_pending(&rig, B, 0x40, 1);
	assert_int_equal(ack(), B); /* of equals the lowest INTID */
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
	end(B);
	assert_int_equal(ack(), C);
	end(C);
	assert_int_equal(ack(), A);
}

static void test_lowest_priority_is_never_signalled(void **state)
{
	(void)state;
	make_pending(&rig, A, 0xf8, 1);
	set_cpu(&rig, GICC_PMR, 0xff); /* 0xf8 */
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
	set_priority(&rig, A, 0xf0);
	assert_int_equal(ack(), A);
}

static void test_preemption_nests(void **state)
{
	static const unsigned int id[] = { A, B, C };
	static const uint8_t priority[] = { 0xa0, 0x98, 0 };

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		make_pending(&rig, id[i], priority[i], 1);
		assert_true(rig.input[0][GICV2_IRQ]);
		assert_int_equal(ack(), id[i]);
		assert_int_equal(cpu(&rig, GICC_RPR), priority[i]);
	}
	assert_int_equal(cpu(&rig, GICC_APR), 1u | 1u << 19 | 1u << 20);
	make_pending(&rig, 50, 0xa0, 1);
	for (unsigned int i = 3; i--;) {
		assert_false(rig.input[0][GICV2_IRQ]); /* equal does not preempt */
		end(id[i]);
	}
	assert_int_equal(ack(), 50);
}

static void test_preemption_by_changed_priority(void **state)
{
	(void)state;
	make_pending(&rig, A, 0x60, 1);
	make_pending(&rig, B, 0x80, 1);
	assert_int_equal(ack(), A);
	set_priority(&rig, A, 0xf0); /* the running one stays what it was */
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
	set_priority(&rig, B, 0x58);
	assert_true(rig.input[0][GICV2_IRQ]);
}

/* "Priority grouping": GICC_BPR 5 leaves two bits that preempt, 7 none. */
static void test_binary_point(void **state)
{
	(void)state;
	set_cpu(&rig, GICC_BPR, 5);
	make_pending(&rig, A, 0x78, 1);
	assert_int_equal(ack(), A);
	assert_int_equal(cpu(&rig, GICC_RPR), 0x40);
	make_pending(&rig, B, 0x40, 1);
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
	make_pending(&rig, C, 0x38, 1);
	assert_int_equal(ack(), C);
	end(C);
	end(A);
	assert_int_equal(ack(), B);
	end(B);

	/* The whole priority chooses among those that wait. */
	make_pending(&rig, A, 0x48, 1);
	make_pending(&rig, B, 0x40, 1);
	assert_int_equal(ack(), B);
	end(B);
	assert_int_equal(ack(), A);
	end(A);
	set_cpu(&rig, GICC_BPR, 7);
	make_pending(&rig, A, 0xf0, 1);
	assert_int_equal(ack(), A);
	make_pending(&rig, B, 0, 1);
	assert_false(rig.input[0][GICV2_IRQ]);
	end(A);
	assert_int_equal(ack(), B);
}

static void test_every_binary_point(void **state)
{
	(void)state;
	for (uint32_t bpr = 2; bpr < 8; bpr++) {
		uint32_t step = 1u << (bpr + 1); /* between group priorities */

		set_cpu(&rig, GICC_BPR, bpr);
		for (uint32_t running = 0; running < 0xf8; running += 8) {
			for (uint32_t next = 0; next < 0xf8; next += 8) {
				make_pending(&rig, A, (uint8_t)running, 1);
				assert_int_equal(ack(), A);
				make_pending(&rig, B, (uint8_t)next, 1);
				assert_int_equal(rig.input[0][GICV2_IRQ], next / step < running / step);
				set_bit(&rig, GICD_ICPENDR, B);
				end(A);
			}
		}
	}
}

/* --- ends --- */

/* "Priority drop and interrupt deactivation" */
static void test_eoi_mode(void **state)
{
	(void)state;
	set_cpu(&rig, GICC_CTLR, GIC_ENABLE_GROUP0 | GICC_CTLR_EOIMODE);
	make_pending(&rig, A, 0x60, 1);
	assert_int_equal(ack(), A);
	set_bit(&rig, GICD_ISPENDR, A);
	end(A);
	assert_int_equal(cpu(&rig, GICC_RPR), 0xff);
	assert_true(bit_of(&rig, GICD_ISACTIVER, A));
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
	make_pending(&rig, B, 0xe0, 1); /* of any priority */
	assert_int_equal(ack(), B);
	end(B);
	set_cpu(&rig, GICC_DIR, A);
	assert_int_equal(ack(), A);
	end(A);
	/* Another processor may deactivate. */
	set_cpu_of(&rig, 1, GICC_CTLR, GIC_ENABLE_GROUP0 | GICC_CTLR_EOIMODE);
	set_cpu_of(&rig, 1, GICC_DIR, A);
	assert_false(bit_of(&rig, GICD_ISACTIVER, A));
}

static void test_ends_that_end_nothing(void **state)
{
	(void)state;
	make_pending(&rig, A, 0x60, 1);
	assert_int_equal(ack(), A);
	end(GICV2_NO_INTERRUPT);
	end(GICV2_OTHER_GROUP);
	end(96);                      /* does not exist */
	set_cpu(&rig, GICC_DIR, A);   /* EOImode is 0 */
	set_cpu(&rig, GICC_AEOIR, A); /* the other group's */
	assert_true(bit_of(&rig, GICD_ISACTIVER, A));
	assert_int_equal(cpu(&rig, GICC_RPR), 0x60);
	set_cpu(&rig, GICC_CTLR, GIC_ENABLE_GROUP0 | GICC_CTLR_EOIMODE);
	set_cpu(&rig, GICC_DIR, 1023);
	set_cpu(&rig, GICC_DIR, 96);
	assert_true(bit_of(&rig, GICD_ISACTIVER, A));
	set_cpu(&rig, GICC_CTLR, GIC_ENABLE_GROUP0);
	end(A);
	end(A);
	assert_int_equal(cpu(&rig, GICC_RPR), 0xff);
}

static void test_ends_out_of_order(void **state)
{
	(void)state;
	make_pending(&rig, A, 0xa0, 1);
	assert_int_equal(ack(), A);
	make_pending(&rig, B, 0x60, 1);
	assert_int_equal(ack(), B);
	end(A);
	assert_int_equal(cpu(&rig, GICC_RPR), 0xa0);
	assert_true(bit_of(&rig, GICD_ISACTIVER, B));
	assert_false(bit_of(&rig, GICD_ISACTIVER, A));
	end(B);
	assert_int_equal(cpu(&rig, GICC_RPR), 0xff);
	assert_false(bit_of(&rig, GICD_ISACTIVER, B));
}

/* "Active Priorities Registers": an operating system that stops a processor puts them back. */
static void test_active_priorities_written(void **state)
{
	(void)state;
	set_cpu(&rig, GICC_APR, 1u << 12);
	assert_int_equal(cpu(&rig, GICC_RPR), 0x60);
	make_pending(&rig, A, 0x60, 1);
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
	set_cpu(&rig, GICC_APR, 0);
	set_cpu(&rig, GICC_NSAPR, 1u << 13);
	assert_int_equal(cpu(&rig, GICC_RPR), 0x68);
	assert_int_equal(ack(), A);
}

/* --- life --- */

static void test_create_refuses(void **state)
{
	static const unsigned int bad_cpus[] = { 0, 9, UINT32_MAX }, bad_irqs[] = { 0, 32, 63, 65, 1056 };
	struct gicv2_host host = { .set_cpu_line = gicv2_rig_input };
	struct gicv2 *gic;
	struct err err;

	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(gicv2_create(&gic, bad_cpus[i], 64, &host, &err), -EINVAL);
	assert_non_null(strstr(err.text, "1 to 8"));
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(gicv2_create(&gic, 1, bad_irqs[i], &host, &err), -EINVAL);
	assert_non_null(strstr(err.text, "64 to 1024"));
	gicv2_destroy(NULL);
}

/* The last interrupts there can be. */
static void test_interrupt_1019(void **state)
{
	(void)state;
	teardown(NULL);
	gicv2_rig_init(&rig, 1, 1024);
	open_all(&rig, GIC_ENABLE_GROUP0);
	for (unsigned int id = 1016; id < 1024; id++) {
		set_bit(&rig, GICD_ISENABLER, id);
		gicv2_set_spi(rig.gic, id - 32, true);
	}
	for (unsigned int id = 1016; id < 1020; id++) {
		assert_int_equal(ack(), id);
		gicv2_set_spi(rig.gic, id - 32, false);
		end(id);
	}
	assert_int_equal(ack(), GICV2_NO_INTERRUPT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_from_inactive_to_inactive),
		TEST(test_active_and_pending_waits),
		TEST(test_withdrawn_before_it_was_acknowledged),
		TEST(test_forwarding_and_signalling_disabled),
		TEST(test_active_by_register),
		TEST(test_level),
		TEST(test_level_by_write),
		TEST(test_edge),
		TEST(test_edge_while_active),
		TEST(test_ppis_are_each_processors_own),
		TEST(test_inputs_that_do_not_exist),
		TEST(test_highest_priority_first),
		TEST(test_lowest_priority_is_never_signalled),
		TEST(test_preemption_nests),
		TEST(test_preemption_by_changed_priority),
		TEST(test_binary_point),
		TEST(test_every_binary_point),
		TEST(test_eoi_mode),
		TEST(test_ends_that_end_nothing),
		TEST(test_ends_out_of_order),
		TEST(test_active_priorities_written),
		TEST(test_create_refuses),
		TEST(test_interrupt_1019),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
