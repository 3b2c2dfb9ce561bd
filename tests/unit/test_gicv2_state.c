// SPDX-License-Identifier: BSD-2-Clause
/*
 * A GICv2's state: out of one and into another in the middle of things, what is refused; and guests
 * that write anything anywhere.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/gicv2_rig.h"

#define CPUS 4u
#define IRQS 128u
#define A    40u
#define B    41u

/* xorshift64* */
static uint32_t any(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)((*state * 0x2545f4914f6cdd1dULL) >> 32);
}

static void expect_same(struct gicv2_rig *a, struct gicv2_rig *b)
{
	struct gicv2_state in_a, in_b;

	gicv2_save(a->gic, &in_a);
	gicv2_save(b->gic, &in_b);
	assert_memory_equal(&in_a, &in_b, sizeof(in_a));
	assert_memory_equal(a->input, b->input, sizeof(a->input));
}

/* Something that a guest or a device does, mostly to registers that exist. What a read gave. */
static uint64_t anything(struct gicv2 *gic, uint64_t *state)
{
	static const unsigned int sizes[] = { 1, 2, 4, 4, 4, 4, 4, 8 };
	uint32_t what = any(state), value = any(state), offset = any(state);
	unsigned int size = sizes[what >> 8 & 7], from = what >> 12 & 3;

	if (value >> 28 < 6)
		value = 1u << (value & 31);
	switch (what % 10) {
	case 0:
		gicv2_set_spi(gic, offset % IRQS, value & 1);
		return 0;
	case 1:
		gicv2_set_ppi(gic, offset % 9, what >> 16 & 0x1f, value & 1);
		return 0;
	case 2:
		return gicv2_dist_read(gic, from, offset % 0x1010, size);
	case 3:
	case 4:
		gicv2_dist_write(gic, from, offset % 0x1010, size, value);
		return 0;
	case 5: /* SGIs to all */
		gicv2_dist_write(gic, from, GICD_SGIR, 4, value | 0x000f0000);
		return 0;
	case 6:
		return gicv2_cpu_read(gic, from, (offset % 11) * 4, 4);
	case 7:
		gicv2_cpu_write(gic, from, (offset % 11) * 4, 4, value);
		return 0;
	case 8:
		return gicv2_cpu_read(gic, from, offset % 0x2010, size);
	default:
		gicv2_cpu_write(gic, from, offset % 0x2010, size, value);
		return 0;
	}
}

/* Interrupts nested on one processor, of both groups, an SGI of two senders, a level and an edge. */
static void nest(struct gicv2_rig *rig)
{
	gicv2_rig_init(rig, CPUS, IRQS);
	open_all(rig, GIC_ENABLE_GROUP0 | GIC_ENABLE_GROUP1 | GICC_CTLR_FIQEN);
	make_pending(rig, A, 0xa0, 1);
	set_group1(rig, A);
	assert_int_equal(cpu(rig, GICC_AIAR), A);
	set_dist(rig, GICD_IPRIORITYR + 4, 0x00006000);
	set_dist_of(rig, 3, GICD_SGIR, 1u << 16 | 5);
	set_dist_of(rig, 2, GICD_SGIR, 1u << 16 | 5);
	assert_int_equal(cpu(rig, GICC_IAR), 2u << 10 | 5);
	set_priority(rig, B, 0x20);
	set_target(rig, B, 3);
	set_bit(rig, GICD_ISENABLER, B);
	gicv2_set_spi(rig->gic, B - 32, true);
	gicv2_set_ppi(rig->gic, 1, 11, true);
}

static void test_in_the_middle_of_nested_interrupts(void **state)
{
	struct gicv2_state saved;
	struct gicv2_rig a, b;
	struct err err;

	(void)state;
	nest(&a);
	gicv2_save(a.gic, &saved);
	gicv2_rig_init(&b, CPUS, IRQS);
	assert_int_equal(gicv2_load(b.gic, &saved, &err), 0);
	expect_same(&a, &b);
	assert_true(b.input[0][GICV2_FIQ]); /* signalled by the load itself */
	assert_true(b.input[1][GICV2_FIQ]);

	/* The second goes on as the first would. */
	assert_int_equal(cpu(&b, GICC_IAR), B);
	gicv2_set_spi(b.gic, B - 32, false);
	set_cpu(&b, GICC_EOIR, B);
	assert_int_equal(cpu(&b, GICC_RPR), 0x60);
	set_cpu(&b, GICC_EOIR, 2u << 10 | 5);
	assert_int_equal(cpu(&b, GICC_IAR), 3u << 10 | 5);
	set_cpu(&b, GICC_EOIR, 3u << 10 | 5);
	assert_int_equal(cpu(&b, GICC_RPR), 0xa0);
	set_cpu(&b, GICC_AEOIR, A);
	assert_int_equal(cpu(&b, GICC_RPR), 0xff);
	gicv2_rig_finish(&a);
	gicv2_rig_finish(&b);
}

static void test_at_any_moment(void **state)
{
	uint64_t seed_a = 1, seed_b;
	struct gicv2_state saved;
	struct gicv2_rig a, b;
	struct err err;

	(void)state;
	nest(&a);
	for (unsigned int moment = 0; moment < 100; moment++) {
		for (unsigned int i = any(&seed_a) % 100; i--;)
			anything(a.gic, &seed_a);
		gicv2_save(a.gic, &saved);
		gicv2_rig_init(&b, CPUS, IRQS);
		assert_int_equal(gicv2_load(b.gic, &saved, &err), 0);
		expect_same(&a, &b);
		seed_b = seed_a;
		for (unsigned int i = 0; i < 200; i++)
			assert_true(anything(a.gic, &seed_a) == anything(b.gic, &seed_b));
		expect_same(&a, &b);
		gicv2_rig_finish(&b);
	}
	gicv2_rig_finish(&a);
}

/* Loading over another state: what was signalled before and is no more goes low. */
static void test_load_withdraws_signals(void **state)
{
	struct gicv2_state idle;
	struct gicv2_rig a;
	struct err err;

	(void)state;
	gicv2_rig_init(&a, CPUS, IRQS);
	gicv2_save(a.gic, &idle);
	gicv2_rig_finish(&a);
	nest(&a);
	assert_true(a.input[0][GICV2_FIQ]);
	assert_int_equal(gicv2_load(a.gic, &idle, &err), 0);
	assert_false(a.input[0][GICV2_FIQ]);
	gicv2_rig_finish(&a);
}

static struct gicv2_rig refuser;

static void refuse(const struct gicv2_state *bad, const char *field)
{
	struct gicv2_state before, after;
	struct err err;

	gicv2_save(refuser.gic, &before);
	assert_int_equal(gicv2_load(refuser.gic, bad, &err), -EINVAL);
	if (!strstr(err.text, field))
		print_error("%s: not named in: %s\n", field, err.text);
	assert_non_null(strstr(err.text, field));
	assert_non_null(strstr(err.text, "allowed is"));
	gicv2_save(refuser.gic, &after);
	assert_memory_equal(&before, &after, sizeof(before));
}

#define REFUSE(field, change, named)     \
	do {                             \
		struct gicv2_state bad_; \
		bad_ = good;             \
		bad_.field change;       \
		refuse(&bad_, named);    \
	} while (0)

static void test_refuses_what_no_gic_has(void **state)
{
	struct gicv2_state good;
	struct err err;

	(void)state;
	nest(&refuser);
	gicv2_save(refuser.gic, &good);
	REFUSE(version, = 0, "version");
	REFUSE(version, = GICV2_STATE_VERSION + 1, "version");
	REFUSE(nr_cpus, = CPUS - 1, "nr_cpus");
	REFUSE(nr_cpus, = UINT32_MAX, "nr_cpus");
	REFUSE(nr_irqs, = 1024, "nr_irqs");
	REFUSE(ctlr, = 4, "ctlr");
	REFUSE(cpu[1].ctlr, |= 0x400, "ctlr");
	REFUSE(cpu[0].pmr, = 0x84, "pmr");
	REFUSE(cpu[0].bpr, = 1, "bpr");
	REFUSE(cpu[0].bpr, = 8, "bpr");
	REFUSE(cpu[0].abpr, = 2, "abpr");
	REFUSE(cpu[3].abpr, = 255, "abpr");
	REFUSE(cpu[0].zero, = 1, "zero");
	REFUSE(cpu[0].sgi_sources[5], |= 0x10, "sgi_sources");
	REFUSE(cpu[0].sgi_sources[5], = 0, "latch");
	REFUSE(cpu[0].sgi_sources[6], = 1, "latch");
	REFUSE(banked[0].latch, |= 1, "latch");
	REFUSE(banked[1].line, |= 1, "line");
	REFUSE(banked[1].edge, |= 1u << 27, "edge");
	REFUSE(banked[1].edge, &= ~1u, "edge");
	REFUSE(banked_priority[2][31], = 1, "banked_priority");
	REFUSE(banked[CPUS].enabled, = 1, "processor");
	REFUSE(cpu[CPUS].bpr, = 2, "processor");
	REFUSE(banked_priority[7][0], = 8, "processor");
	REFUSE(spi[IRQS / 32 - 1].active, = 1, "spi");
	REFUSE(spi_priority[0], = 4, "spi_priority");
	REFUSE(spi_priority[IRQS - 32], = 8, "spi_priority");
	REFUSE(spi_target[A - 32], = 0x10, "spi_target");
	REFUSE(spi_target[IRQS - 32], = 1, "spi_target");
	assert_int_equal(gicv2_load(refuser.gic, &good, &err), 0);
	gicv2_rig_finish(&refuser);
}

/* INTIDs 1020 to 1023 exist in no state, and targets in none of a single processor. */
static void test_refuses_at_the_limits(void **state)
{
	struct gicv2_state good;

	(void)state;
	gicv2_rig_init(&refuser, 1, 1024);
	gicv2_save(refuser.gic, &good);
	REFUSE(spi[30].enabled, = 1u << 28, "spi");
	REFUSE(spi_priority[1020 - 32], = 8, "spi_priority");
	REFUSE(spi_target[0], = 1, "spi_target");
	gicv2_rig_finish(&refuser);
}

/* Bytes from anywhere: refused, or a GIC that works. */
static void test_damaged_states(void **state)
{
	struct gicv2_state saved, bad;
	uint64_t seed = 3;
	struct gicv2_rig rig;
	unsigned int taken = 0;
	struct err err;

	(void)state;
	nest(&rig);
	gicv2_save(rig.gic, &saved);
	for (unsigned int i = 0; i < 3000; i++) {
		bad = saved;
		((uint8_t *)&bad)[any(&seed) % sizeof(bad)] = (uint8_t)any(&seed);
		if (gicv2_load(rig.gic, &bad, &err) < 0)
			continue;
		taken++;
		for (unsigned int n = 0; n < 20; n++)
			anything(rig.gic, &seed);
	}
	assert_true(taken > 0 && taken < 3000);
	gicv2_rig_finish(&rig);
}

/* --- guests that write anything anywhere --- */

static void test_hostile(void **state)
{
	static const unsigned int irqs[] = { 64, 96, 1024 };

	(void)state;
	for (unsigned int round = 0; round < 6; round++) {
		uint64_t seed = round + 7;
		struct gicv2_rig rig;
		struct gicv2_state saved;
		struct err err;

		gicv2_rig_init(&rig, round & 1 ? 8 : 1 + round / 2, irqs[round % 3]);
		open_all(&rig, GIC_ENABLE_GROUP0 | GIC_ENABLE_GROUP1);
		for (unsigned int i = 0; i < 20000; i++) {
			anything(rig.gic, &seed);
			for (unsigned int c = 0; c < GICV2_MAX_CPUS; c++)
				assert_false(rig.input[c][GICV2_IRQ] && rig.input[c][GICV2_FIQ]);
			if (i % 100)
				continue;
			/* Whatever was written, it is a state that a GIC can have. */
			gicv2_save(rig.gic, &saved);
			assert_int_equal(gicv2_load(rig.gic, &saved, &err), 0);
		}
		gicv2_rig_finish(&rig);
	}
}

static struct gicv2_rig shared;

static void *hammer(void *arg)
{
	uint64_t seed = 11 + (uintptr_t)arg;

	for (unsigned int i = 0; i < 20000; i++)
		anything(shared.gic, &seed);
	return NULL;
}

static void test_several_threads(void **state)
{
	pthread_t thread[4];
	struct gicv2_state saved;
	struct err err;

	(void)state;
	nest(&shared);
	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, hammer, (void *)i), 0);
	for (unsigned int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	gicv2_save(shared.gic, &saved);
	assert_int_equal(gicv2_load(shared.gic, &saved, &err), 0);
	gicv2_rig_finish(&shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_the_middle_of_nested_interrupts),
		cmocka_unit_test(test_at_any_moment),
		cmocka_unit_test(test_load_withdraws_signals),
		cmocka_unit_test(test_refuses_what_no_gic_has),
		cmocka_unit_test(test_refuses_at_the_limits),
		cmocka_unit_test(test_damaged_states),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_several_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
