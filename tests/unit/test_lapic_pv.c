// SPDX-License-Identifier: BSD-2-Clause
/*
 * Paravirtual EOI of the local APIC (Linux, "KVM-specific MSRs", MSR_KVM_PV_EOI_EN): when the bit is set,
 * and what has ended when the guest has cleared it, or not.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "devices/guestmem.h"
#include "tests/unit/apic_fake.h"

#define RAM 0x100000ULL
#define ROM 0x200000ULL
#define AT  (RAM + 0xffc) /* the last four bytes of a page */

static struct lapic_rig rig;
static struct guest_mem mem;
static uint8_t ram[4096], rom[4096];
static uint8_t *const byte = &ram[0xffc];

static int setup(void **state)
{
	(void)state;
	lapic_rig_init(&rig);
	memset(&mem, 0, sizeof(mem));
	memset(ram, 0, sizeof(ram));
	assert_int_equal(guest_mem_add(&mem, RAM, sizeof(ram), ram, false), 0);
	assert_int_equal(guest_mem_add(&mem, ROM, sizeof(rom), rom, true), 0);
	lapic_allow_pv_eoi(&rig.lapic, &mem);
	put(&rig, LAPIC_SVR, SVR_ON);
	return 0;
}

static bool write_msr(uint64_t value)
{
	return lapic_msr_write(&rig.lapic, LAPIC_MSR_PV_EOI, value);
}

static uint64_t read_msr(void)
{
	uint64_t value = ~0ULL;

	assert_true(lapic_msr_read(&rig.lapic, LAPIC_MSR_PV_EOI, &value));
	return value;
}

/* The guest runs: it may clear the bit, and does if it is set and `end`. True: it was set. */
static bool run(bool end)
{
	bool was;

	lapic_offer_eoi(&rig.lapic);
	was = *byte & 1;
	if (end)
		*byte &= 0xfe;
	lapic_take_eoi(&rig.lapic);
	return was;
}

static void test_what_the_msr_takes(void **state)
{
	(void)state;
	assert_int_equal(read_msr(), 0);
	assert_true(write_msr(AT | 1));
	assert_int_equal(read_msr(), AT | 1);
	assert_false(write_msr(AT | 2 | 1)); /* reserved */
	assert_false(write_msr(RAM + 4096 + 1));
	assert_false(write_msr(ROM + 1));
	assert_false(write_msr(~3ULL | 1));
	assert_int_equal(read_msr(), AT | 1);
	assert_true(write_msr(0));
	assert_int_equal(read_msr(), 0);
}

static void test_absent_if_not_allowed(void **state)
{
	uint64_t value;

	(void)state;
	lapic_allow_pv_eoi(&rig.lapic, NULL);
	assert_false(write_msr(AT | 1));
	assert_false(write_msr(0));
	assert_false(lapic_msr_read(&rig.lapic, LAPIC_MSR_PV_EOI, &value));
}

static void test_an_edge_ends_by_the_bit(void **state)
{
	(void)state;
	assert_true(write_msr(AT | 1));
	assert_false(run(false)); /* nothing is in service */
	deliver(&rig, 0x51);
	assert_int_equal(take(&rig), 0x51);
	assert_true(run(true));
	assert_false(in_set(&rig, LAPIC_ISR, 0x51));
	assert_int_equal(get(&rig, LAPIC_PPR), 0);
	assert_false(run(true));
	assert_int_equal(rig.nr_ended, 0); /* an edge's end is nobody else's business */
}

static void test_not_ended_if_the_bit_stays(void **state)
{
	(void)state;
	assert_true(write_msr(AT | 1));
	deliver(&rig, 0x51);
	assert_int_equal(take(&rig), 0x51);
	assert_true(run(false));
	assert_int_equal(*byte, 0); /* while the guest is out there is no offer */
	assert_true(in_set(&rig, LAPIC_ISR, 0x51));
	assert_true(run(false)); /* again on its next way in */
	eoi(&rig);
	assert_false(in_set(&rig, LAPIC_ISR, 0x51));
	assert_false(run(false));
}

static void test_no_offer_for_a_level(void **state)
{
	(void)state;
	assert_true(write_msr(AT | 1));
	lapic_accept(&rig.lapic, APIC_FIXED, 0x51, true);
	assert_int_equal(take(&rig), 0x51);
	assert_false(run(true));
	assert_true(in_set(&rig, LAPIC_ISR, 0x51));
	eoi(&rig);
	assert_int_equal(rig.ended[0x51], 1);
}

/* Also one of lower priority: it is the EOI that it waits for. */
static void test_no_offer_while_another_waits(void **state)
{
	(void)state;
	assert_true(write_msr(AT | 1));
	deliver(&rig, 0x51);
	assert_int_equal(take(&rig), 0x51);
	deliver(&rig, 0x32);
	assert_false(run(true));
	eoi(&rig);
	assert_int_equal(take(&rig), 0x32);
	assert_true(run(true));
	assert_false(in_set(&rig, LAPIC_ISR, 0x32));
}

static void test_one_that_comes_meanwhile(void **state)
{
	(void)state;
	assert_true(write_msr(AT | 1));
	deliver(&rig, 0x51);
	assert_int_equal(take(&rig), 0x51);

	/* Before the guest has ended the first one ... */
	lapic_offer_eoi(&rig.lapic);
	deliver(&rig, 0x52);
	lapic_take_eoi(&rig.lapic);
	assert_int_equal(take(&rig), -1);
	eoi(&rig);
	assert_int_equal(take(&rig), 0x52);

	/* ... and after. */
	lapic_offer_eoi(&rig.lapic);
	*byte = 0;
	deliver(&rig, 0x53);
	lapic_take_eoi(&rig.lapic);
	assert_int_equal(take(&rig), 0x53);
}

static void test_nested(void **state)
{
	(void)state;
	assert_true(write_msr(AT | 1));
	deliver(&rig, 0x41);
	assert_int_equal(take(&rig), 0x41);
	assert_true(run(false));
	deliver(&rig, 0x61);
	assert_int_equal(take(&rig), 0x61);
	assert_true(run(true));
	assert_true(in_set(&rig, LAPIC_ISR, 0x41));
	assert_false(in_set(&rig, LAPIC_ISR, 0x61));
	assert_true(run(true));
	assert_false(in_set(&rig, LAPIC_ISR, 0x41));
}

/* The other bits of the byte, and the bytes around it, are the guest's. */
static void test_nothing_else_is_touched(void **state)
{
	(void)state;
	memset(ram, 0xee, sizeof(ram));
	assert_true(write_msr(AT | 1));
	deliver(&rig, 0x51);
	assert_int_equal(take(&rig), 0x51);
	lapic_offer_eoi(&rig.lapic);
	assert_int_equal(*byte, 0xef);
	lapic_take_eoi(&rig.lapic);
	for (size_t i = 0; i < sizeof(ram); i++)
		assert_int_equal(ram[i], 0xee);
}

static void test_off(void **state)
{
	(void)state;
	assert_true(write_msr(AT | 1));
	assert_true(write_msr(AT));
	deliver(&rig, 0x51);
	assert_int_equal(take(&rig), 0x51);
	assert_false(run(true));
	assert_true(in_set(&rig, LAPIC_ISR, 0x51));
}

static void test_init_switches_it_off(void **state)
{
	(void)state;
	assert_true(write_msr(AT | 1));
	lapic_init_reset(&rig.lapic);
	assert_int_equal(read_msr(), 0);
}

static void test_saved_and_loaded(void **state)
{
	struct lapic_state saved, spoiled;
	struct err err;

	(void)state;
	assert_true(write_msr(AT | 1));
	lapic_save(&rig.lapic, &saved);
	assert_true(write_msr(0));
	assert_int_equal(lapic_load(&rig.lapic, &saved, &err), 0);
	assert_int_equal(read_msr(), AT | 1);

	spoiled = saved;
	spoiled.pv_eoi = ROM | 1;
	assert_int_equal(lapic_load(&rig.lapic, &spoiled, &err), -EINVAL);
	assert_non_null(strstr(err.text, "MSR_KVM_PV_EOI_EN is 0x200001"));
	lapic_allow_pv_eoi(&rig.lapic, NULL);
	assert_int_equal(lapic_load(&rig.lapic, &saved, &err), -EINVAL);
	saved.pv_eoi = 0;
	assert_int_equal(lapic_load(&rig.lapic, &saved, &err), 0);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_the_msr_takes),       TEST(test_absent_if_not_allowed),
		TEST(test_an_edge_ends_by_the_bit),  TEST(test_not_ended_if_the_bit_stays),
		TEST(test_no_offer_for_a_level),     TEST(test_no_offer_while_another_waits),
		TEST(test_one_that_comes_meanwhile), TEST(test_nested),
		TEST(test_nothing_else_is_touched),  TEST(test_off),
		TEST(test_init_switches_it_off),     TEST(test_saved_and_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
