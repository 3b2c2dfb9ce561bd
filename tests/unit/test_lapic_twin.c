// SPDX-License-Identifier: BSD-2-Clause
/*
 * Two LAPICs live through the same: one goes on undisturbed, the other is saved over and over, in the
 * middle of whatever goes on, and loaded into a new one whose clock shows another time. After every
 * step nothing may tell them apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/lapic_internal.h"
#include "tests/unit/apic_fake.h"

#define ID    0x25u
#define STEPS 60000

static struct lapic_rig twin[2];
static uint64_t chance;

static uint32_t any(uint32_t limit)
{
	return (uint32_t)(fake_random(&chance) >> 32) % limit;
}

/* The second one moves house. */
static void move(uint32_t timer_hz, uint32_t tsc_khz)
{
	static struct lapic_state state;
	struct err err = { .text = "" };
	struct lapic_rig old;

	lapic_save(&twin[1].lapic, &state);
	old = twin[1];
	lapic_rig_init_at(&twin[1], ID, false, timer_hz, tsc_khz);
	twin[1].clock.monotonic = 1000000000000ULL + fake_random(&chance) % 1000000000000ULL;
	twin[1].tsc = old.tsc;
	twin[1].nr_sent = old.nr_sent;
	memcpy(twin[1].sent, old.sent, sizeof(old.sent));
	memcpy(twin[1].ended, old.ended, sizeof(old.ended));
	if (lapic_load(&twin[1].lapic, &state, &err))
		fail_msg("%s", err.text);
}

static void compare(void)
{
	struct lapic *a = &twin[0].lapic, *b = &twin[1].lapic;

	assert_true(a->base == b->base);
	assert_int_equal(lapic_pending(a), lapic_pending(b));
	assert_int_equal(lapic_cr8(a), lapic_cr8(b));
	assert_int_equal(a->errors, b->errors);
	for (uint32_t offset = 0; offset < 0x400; offset += 16) {
		uint64_t va = 0, vb = 0;

		if (a->base & APIC_BASE_X2APIC) {
			assert_int_equal(lapic_msr_read(a, msr_of(offset), &va),
					 lapic_msr_read(b, msr_of(offset), &vb));
		} else {
			va = get(&twin[0], offset);
			vb = get(&twin[1], offset);
		}
		if (va != vb)
			print_error("register %#x: %#llx and %#llx\n", offset, (unsigned long long)va,
				    (unsigned long long)vb);
		assert_true(va == vb);
	}
	assert_int_equal(twin[0].nr_sent, twin[1].nr_sent);
	assert_memory_equal(twin[0].sent, twin[1].sent, sizeof(twin[0].sent));
	assert_memory_equal(twin[0].ended, twin[1].ended, sizeof(twin[0].ended));
}

/* A register of the guest's, written with something it often has. */
static void write_register(void)
{
	static const uint32_t offsets[] = {
		LAPIC_TPR,       LAPIC_EOI,       LAPIC_EOI,       LAPIC_EOI,       LAPIC_LDR,
		LAPIC_DFR,       LAPIC_ESR,       LAPIC_LVT_CMCI,  LAPIC_ICR_LOW,   LAPIC_ICR_HIGH,
		LAPIC_LVT_TIMER, LAPIC_LVT_TIMER, LAPIC_LVT_PERF,  LAPIC_LVT_LINT0, LAPIC_LVT_LINT1,
		LAPIC_LVT_ERROR, LAPIC_TIMER_ICR, LAPIC_TIMER_ICR, LAPIC_TIMER_DCR, LAPIC_SELF_IPI
	};
	uint32_t offset = offsets[any(20)], value = (uint32_t)fake_random(&chance);

	if (offset == LAPIC_TPR)
		value &= 0x7f;
	if (offset == LAPIC_TIMER_ICR)
		value &= 0xfffff;
	if (offset >= LAPIC_LVT_TIMER && offset <= LAPIC_LVT_ERROR)
		value &= any(4) ? ~(uint32_t)LAPIC_LVT_MASKED : UINT32_MAX;
	/* In x2APIC mode mostly without reserved bits, which would be a fault and no write. */
	if ((twin[0].lapic.base & APIC_BASE_X2APIC) && any(8))
		value &= lapic_find_register(offset)->writable;
	for (unsigned int i = 0; i < 2; i++) {
		if (twin[i].lapic.base & APIC_BASE_X2APIC)
			lapic_msr_write(&twin[i].lapic, msr_of(offset), value);
		else
			put(&twin[i], offset, value);
	}
}

static void change_mode(void)
{
	static const uint64_t bases[] = { 0xfee00800, 0xfee00c00, 0xfee00000, 0xfee00800 };
	uint64_t base = bases[any(4)];

	if (!lapic_base_allowed(&twin[0].lapic, base))
		return;
	for (unsigned int i = 0; i < 2; i++) {
		lapic_set_base(&twin[i].lapic, base);
		put(&twin[i], LAPIC_SVR, SVR_ON);
		lapic_msr_write(&twin[i].lapic, msr_of(LAPIC_SVR), SVR_ON);
	}
}

static void step(void)
{
	uint32_t what = any(12), a = any(8), b = any(256), c = any(2);
	uint64_t ns = any(4) ? any(200000) : any(100000000);
	uint32_t events[2] = { 0 };
	uint8_t vector[2] = { 0 };

	if (what == 0)
		return write_register();
	if (what == 1 && !any(100))
		return change_mode();
	for (unsigned int i = 0; i < 2; i++) {
		struct lapic *lapic = &twin[i].lapic;

		switch (what) {
		case 2:
		case 3:
			lapic_accept(lapic, a < 4 ? APIC_FIXED : a, (uint8_t)b, c);
			break;
		case 4:
			lapic_set_lint(lapic, a & 1, c);
			break;
		case 5:
			lapic_local_interrupt(lapic, a & 1 ? LAPIC_LVT_CMCI : LAPIC_LVT_PERF);
			break;
		case 6:
			events[i] = lapic_take_events(lapic, &vector[i]);
			if (i) {
				assert_int_equal(events[0], events[1]);
				assert_int_equal(vector[0], vector[1]);
			}
			if (events[i] & LAPIC_EVENT_INIT && !(b & 0xf))
				lapic_init_reset(lapic);
			break;
		case 7:
			lapic_set_cr8(lapic, b & 3);
			break;
		case 8:
			take(&twin[i]);
			break;
		case 9:
			if (!(b & 0x1f))
				lapic_msr_write(lapic, LAPIC_MSR_TSC_DEADLINE, twin[i].tsc + 2 * ns);
			break;
		default: /* time passes */
			fake_clock_step(&twin[i].clock, ns);
			twin[i].tsc += 2 * ns;
			lapic_run_timer(lapic);
		}
	}
}

static void test_a_moved_one_is_the_same(void **state)
{
	unsigned int nested = 0, pending = 0, running = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		chance = seed;
		for (unsigned int i = 0; i < 2; i++) {
			lapic_rig_init_at(&twin[i], ID, false, 1000000000, 2000000);
			put(&twin[i], LAPIC_SVR, SVR_ON);
		}
		for (unsigned int n = 0; n < STEPS; n++) {
			unsigned int in_service = 0;

			step();
			if (any(4))
				continue;
			for (unsigned int i = 0; i < 8; i++)
				in_service += (unsigned int)__builtin_popcount(twin[1].lapic.reg[0x10 + i]);
			nested += in_service >= 2;
			pending += in_service >= 2 && lapic_pending(&twin[1].lapic) >= 0;
			running += in_service >= 2 && twin[1].lapic.timer.deadline != CLOCK_NEVER;
			lapic_run_timer(&twin[0].lapic); /* the save does it, too */
			move(1000000000, 2000000);
			compare();
		}
	}
	/* It was in the middle of something often enough. */
	assert_true(nested > 1000);
	assert_true(pending > 100);
	assert_true(running > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_moved_one_is_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
