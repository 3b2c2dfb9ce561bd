// SPDX-License-Identifier: BSD-2-Clause
/*
 * IA32_APIC_BASE. Section titles in quotes are of the Intel SDM, volume 3, chapter "Advanced
 * Programmable Interrupt Controller (APIC)".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/apic_fake.h"

#define DISABLED LAPIC_BASE_AT_RESET
#define XAPIC    (LAPIC_BASE_AT_RESET | APIC_BASE_ENABLE)
#define X2APIC   (LAPIC_BASE_AT_RESET | APIC_BASE_ENABLE | APIC_BASE_X2APIC)
#define INVALID  (LAPIC_BASE_AT_RESET | APIC_BASE_X2APIC)

static struct lapic_rig rig;

static void start_in(uint64_t base)
{
	lapic_rig_init(&rig);
	if (base == X2APIC)
		lapic_set_base(&rig.lapic, XAPIC);
	lapic_set_base(&rig.lapic, base);
}

/* "x2APIC State Transitions", the figure "Local x2APIC State Transitions with IA32_APIC_BASE, INIT, and
 * Reset". */
static void test_every_transition(void **state)
{
	static const struct {
		uint64_t from, to;
		bool allowed;
	} arrows[] = {
		{ DISABLED, DISABLED, true }, { DISABLED, XAPIC, true }, { DISABLED, X2APIC, false },
		{ DISABLED, INVALID, false }, { XAPIC, DISABLED, true }, { XAPIC, XAPIC, true },
		{ XAPIC, X2APIC, true },      { XAPIC, INVALID, false }, { X2APIC, DISABLED, true },
		{ X2APIC, XAPIC, false },     { X2APIC, X2APIC, true },  { X2APIC, INVALID, false },
	};

	(void)state;
	for (unsigned int i = 0; i < 12; i++) {
		start_in(arrows[i].from);
		assert_int_equal(lapic_base_allowed(&rig.lapic, arrows[i].to), arrows[i].allowed);
		/* Neither the page's place nor the bootstrap processor's bit makes a difference. */
		assert_int_equal(lapic_base_allowed(&rig.lapic, (arrows[i].to ^ 0x1000) | APIC_BASE_BSP),
				 arrows[i].allowed);
		assert_true(rig.lapic.base == arrows[i].from); /* a question only */
	}
}

/* "Local APIC Status and Location": bits 7:0, 9 and what is beyond a physical address. */
static void test_reserved_bits(void **state)
{
	(void)state;
	start_in(XAPIC);
	for (unsigned int bit = 0; bit < 64; bit++) {
		bool reserved = bit < 8 || bit == 9 || bit >= 52;

		if (bit == 11)
			continue;
		assert_int_equal(lapic_base_allowed(&rig.lapic, XAPIC | 1ULL << bit), !reserved);
	}
}

/* "Enabling or Disabling the Local APIC": from x2APIC mode there is a way back, and it loses all. */
static void test_from_x2apic_by_way_of_disabled(void **state)
{
	(void)state;
	start_in(X2APIC);
	put_msr(&rig, LAPIC_SVR, SVR_ON);
	put_msr(&rig, LAPIC_TPR, 0x30);
	lapic_set_base(&rig.lapic, DISABLED);
	lapic_set_base(&rig.lapic, XAPIC);
	assert_int_equal(get(&rig, LAPIC_ID), 5u << 24);
	assert_int_equal(get(&rig, LAPIC_LDR), 0);
	assert_int_equal(get(&rig, LAPIC_TPR), 0);
	assert_int_equal(get(&rig, LAPIC_SVR), 0xff);
}

/* "State Changes From xAPIC Mode to x2APIC Mode": these three are not preserved. */
static void test_what_x2apic_mode_does_not_keep(void **state)
{
	(void)state;
	start_in(XAPIC);
	put(&rig, LAPIC_ID, 0x3c000000);
	put(&rig, LAPIC_LDR, 0x42000000);
	put(&rig, LAPIC_ICR_HIGH, 0x99000000);
	put(&rig, LAPIC_ICR_LOW, 0x41);
	lapic_set_base(&rig.lapic, X2APIC);
	assert_int_equal(get_msr(&rig, LAPIC_ID), 5);
	assert_int_equal(get_msr(&rig, LAPIC_LDR), 1 << 5);
	assert_int_equal(get_msr(&rig, LAPIC_ICR_LOW), 0x41);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_transition),
		cmocka_unit_test(test_reserved_bits),
		cmocka_unit_test(test_from_x2apic_by_way_of_disabled),
		cmocka_unit_test(test_what_x2apic_mode_does_not_keep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
