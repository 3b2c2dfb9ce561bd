// SPDX-License-Identifier: BSD-2-Clause
/*
 * A guest that tries everything: accesses of every width at every offset and MSR, messages of every
 * kind, lines, time and modes in pseudo-random order, the same in every run. After each step what the
 * manuals promise of every state must hold (Intel SDM, volume 3, chapter "Advanced Programmable
 * Interrupt Controller (APIC)"; Intel 82093AA data sheet).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/apic.h"
#include "devices/ioapic.h"
#include "tests/unit/fake.h"

#define CPUS  4
#define STEPS 8000

#define RTE_DELIVERY   0x0700u
#define RTE_REMOTE_IRR 0x4000u
#define RTE_LEVEL      0x8000u

#define BASE_FLAGS (APIC_BASE_ENABLE | APIC_BASE_X2APIC)

static struct rig rig;
static struct apic *apic;
static uint64_t tsc, base[CPUS];
static uint64_t state_of_chance;

static uint32_t any(uint32_t below)
{
	return (uint32_t)((fake_random(&state_of_chance) >> 16) % below);
}

/* A value: anything, few bits, or one bit. */
static uint64_t any_value(void)
{
	uint64_t value = fake_random(&state_of_chance);

	switch (any(4)) {
	case 0:
		return value;
	case 1:
		return value & 0xff;
	case 2:
		return 1ULL << any(64);
	default:
		return value & 0x000fffff;
	}
}

static void kick(void *cpu)
{
	(void)cpu;
}

static uint64_t read_tsc(void *cpu)
{
	(void)cpu;
	return tsc;
}

/* --- what must hold --- */

static uint32_t reg(struct lapic *lapic, uint32_t offset)
{
	return (uint32_t)lapic_mmio_read(lapic, offset, 4);
}

static int highest(struct lapic *lapic, uint32_t set)
{
	for (int i = 7; i >= 0; i--)
		for (int bit = 31; bit >= 0; bit--)
			if (reg(lapic, set + 16 * (uint32_t)i) >> bit & 1)
				return 32 * i + bit;
	return -1;
}

static void check_priorities(struct lapic *lapic)
{
	int irrv = highest(lapic, LAPIC_IRR), isrv = highest(lapic, LAPIC_ISR);
	uint32_t tpr = reg(lapic, LAPIC_TPR), ppr = reg(lapic, LAPIC_PPR);
	uint32_t in_service = isrv < 0 ? 0 : (uint32_t)isrv & 0xf0;
	bool present = lapic->base & APIC_BASE_ENABLE;

	assert_int_equal(reg(lapic, LAPIC_IRR) & 0xffff, 0);
	assert_int_equal(reg(lapic, LAPIC_ISR) & 0xffff, 0);
	assert_int_equal(ppr & 0xf0, (tpr & 0xf0) > in_service ? tpr & 0xf0 : in_service);
	assert_true((ppr & 0xf) == 0 || ppr == tpr);
	assert_int_equal(lapic_cr8(lapic), tpr >> 4);
	assert_int_equal(lapic_pending(lapic),
			 present && irrv >= 0 && (irrv & 0xf0) > (int)(ppr & 0xf0) ? irrv : -1);
}

static void check_timer(struct lapic *lapic)
{
	uint64_t next = lapic_run_timer(lapic);

	assert_true(next > rig.clock.monotonic);
	if (reg(lapic, LAPIC_LVT_TIMER) & LAPIC_LVT_MASKED)
		assert_true(next == CLOCK_NEVER);
	assert_true(reg(lapic, LAPIC_TIMER_CCR) <= reg(lapic, LAPIC_TIMER_ICR));
}

/* Software-disabled, every LVT entry is masked. */
static void check_lvts(struct lapic *lapic)
{
	if (reg(lapic, LAPIC_SVR) & LAPIC_SVR_ENABLE)
		return;
	assert_true(reg(lapic, LAPIC_LVT_CMCI) & LAPIC_LVT_MASKED);
	for (uint32_t offset = LAPIC_LVT_TIMER; offset <= LAPIC_LVT_ERROR; offset += 16)
		assert_true(reg(lapic, offset) & LAPIC_LVT_MASKED);
}

/* Remote IRR is for level-triggered entries that an EOI can end. */
static void check_ioapic(void)
{
	uint64_t select = 0, low = 0;

	assert_true(ioapic_class.read(apic->ioapics.dev[0], 0, 4, &select));
	for (uint32_t pin = 0; pin < IOAPIC_PINS; pin++) {
		assert_true(ioapic_class.write(apic->ioapics.dev[0], 0, 4, 0x10 + 2 * pin));
		assert_true(ioapic_class.read(apic->ioapics.dev[0], 0x10, 4, &low));
		if (low & RTE_REMOTE_IRR) {
			assert_true(low & RTE_LEVEL);
			assert_true((low & RTE_DELIVERY) >> 8 <= APIC_LOWEST);
		}
		assert_int_equal(low & ~0x1efffULL, 0);
	}
	assert_true(ioapic_class.write(apic->ioapics.dev[0], 0, 4, select));
}

/* --- what the guest and the machine around it can do --- */

/* As KVM lets it: from xAPIC to x2APIC mode, from each to disabled, from there back to xAPIC mode. */
static void change_mode(unsigned int cpu)
{
	uint64_t page = any(8) ? 0xfee00000 : any_value() & APIC_BASE_ADDR;

	switch (base[cpu] & BASE_FLAGS) {
	case 0:
		base[cpu] = page | APIC_BASE_ENABLE;
		break;
	case APIC_BASE_ENABLE:
		base[cpu] = page | (any(2) ? BASE_FLAGS : any(2) ? APIC_BASE_ENABLE : 0);
		break;
	default:
		base[cpu] = page | (any(2) ? BASE_FLAGS : 0);
	}
	lapic_set_base(&apic->lapic[cpu], base[cpu]);
}

static void access_page(struct lapic *lapic)
{
	uint32_t offset = any(3) ? any(0x40) * 16 : any(LAPIC_PAGE_SIZE);
	unsigned int size = any(3) ? 4 : 1 + any(8);

	if (!lapic_at(lapic, lapic->base & APIC_BASE_ADDR))
		return;
	if (any(3)) {
		lapic_mmio_write(lapic, offset, size, any_value());
	} else {
		uint64_t value = lapic_mmio_read(lapic, offset, size);

		assert_true(size == 8 || value >> 8 * size == 0);
	}
}

static void access_msr(struct lapic *lapic)
{
	uint32_t msr = any(4) ? 0x800 + any(0x40) : any(2) ? LAPIC_MSR_TSC_DEADLINE : (uint32_t)any_value();
	uint64_t value = 0;

	if (any(3))
		lapic_msr_write(lapic, msr, any_value());
	else if (lapic_msr_read(lapic, msr, &value) && msr != LAPIC_MSR_TSC_DEADLINE && msr != 0x830)
		assert_true(value >> 32 == 0);
}

static void access_ioapic(void)
{
	static const uint32_t offsets[] = { 0x00, 0x10, 0x10, 0x40 };
	uint64_t offset = any(4) ? offsets[any(4)] : any(IOAPIC_WINDOW);
	unsigned int size = any(4) ? 4 : 1 + any(8);

	if (any(3))
		bus_write(&rig.bus, 0xfec00000 + offset, size, any_value());
	else
		bus_read(&rig.bus, 0xfec00000 + offset, size);
}

static void take_interrupts(struct lapic *lapic)
{
	uint8_t vector;
	uint32_t events = lapic_take_events(lapic, &vector);
	int pending = lapic_pending(lapic);

	assert_int_equal(events & ~(uint32_t)(LAPIC_EVENT_NMI | LAPIC_EVENT_INIT | LAPIC_EVENT_SIPI), 0);
	if (events & LAPIC_EVENT_INIT && !any(4))
		lapic_init_reset(lapic);
	if (pending >= 0 && lapic_pending(lapic) == pending)
		lapic_acknowledge(lapic, (uint8_t)pending);
}

static void pass_time(void)
{
	uint64_t ns = any_value() & (any(8) ? 0xffffff : 0xffffffffff);

	fake_clock_step(&rig.clock, ns);
	tsc += 2 * ns + any(2);
}

static void step(void)
{
	unsigned int cpu = any(CPUS);
	struct lapic *lapic = &apic->lapic[cpu];

	switch (any(12)) {
	case 0:
		apic->chip.ops->set_line(&apic->chip, any(26), any(2));
		break;
	case 1:
		apic->chip.ops->send_msi(&apic->chip, 0xfee00000 | (any_value() & 0xfffff),
					 (uint32_t)any_value(), (uint32_t)any_value());
		break;
	case 2:
		lapic_accept(lapic, any(8), (uint8_t)any_value(), any(2));
		break;
	case 3:
		access_ioapic();
		break;
	case 4:
		pass_time();
		break;
	case 5:
		lapic_set_cr8(lapic, (uint8_t)any(16));
		break;
	case 6:
	case 7:
		take_interrupts(lapic);
		break;
	case 8:
		if (!any(8))
			change_mode(cpu);
		break;
	case 9:
		access_msr(lapic);
		break;
	default:
		access_page(lapic);
		access_msr(lapic);
	}
	check_timer(lapic);
	check_priorities(lapic);
	check_lvts(lapic);
}

static void try_everything(uint64_t seed, uint32_t timer_hz, uint32_t tsc_khz)
{
	const struct apic_rates rates = { .timer_hz = timer_hz, .tsc_khz = tsc_khz };
	struct err err = { .text = "" };

	state_of_chance = seed;
	tsc = 0;
	rig_init(&rig);
	assert_int_equal(apic_create(&apic, CPUS, 24, &rig.host, rates, &err), 0);
	assert_int_equal(bus_add(&rig.bus, 0xfec00000, IOAPIC_WINDOW, apic->ioapics.dev[0]), 0);
	for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
		apic_attach(apic, cpu, kick, read_tsc, NULL);
		base[cpu] = apic->lapic[cpu].base;
	}
	for (unsigned int i = 0; i < STEPS; i++) {
		step();
		if (i % 16 == 0)
			check_ioapic();
	}
	for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
		check_priorities(&apic->lapic[cpu]);
		check_timer(&apic->lapic[cpu]);
	}
	apic_destroy(apic);
}

static void test_usual_rates(void **state)
{
	(void)state;
	try_everything(1, 325000000, 2600000);
	try_everything(2, 1000000000, 0);
}

static void test_extreme_rates(void **state)
{
	(void)state;
	try_everything(3, 1, 1);
	try_everything(4, 1000000000, UINT32_MAX);
}

/* Every offset of the page and every MSR, each width, all ones and zero, both modes. */
static void test_every_address(void **state)
{
	const struct apic_rates rates = { .timer_hz = 325000000, .tsc_khz = 2600000 };
	struct err err = { .text = "" };
	struct lapic *lapic;

	(void)state;
	rig_init(&rig);
	assert_int_equal(apic_create(&apic, 1, 24, &rig.host, rates, &err), 0);
	lapic = apic_attach(apic, 0, kick, read_tsc, NULL);
	for (uint32_t offset = 0; offset < LAPIC_PAGE_SIZE; offset++) {
		for (unsigned int size = 1; size <= 8; size++) {
			lapic_mmio_write(lapic, offset, size, UINT64_MAX);
			lapic_mmio_write(lapic, offset, size, 0);
			assert_true(size == 8 || lapic_mmio_read(lapic, offset, size) >> 8 * size == 0);
		}
		check_timer(lapic);
		check_priorities(lapic);
		check_lvts(lapic);
	}
	lapic_set_base(lapic, 0xfee00000 | BASE_FLAGS);
	for (uint32_t msr = 0; msr < 0x2000; msr++) {
		uint64_t value;

		lapic_msr_read(lapic, msr, &value);
		lapic_msr_write(lapic, msr, UINT64_MAX);
		lapic_msr_write(lapic, msr, 0);
		check_timer(lapic);
		check_priorities(lapic);
		check_lvts(lapic);
	}
	apic_destroy(apic);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual_rates),
		cmocka_unit_test(test_extreme_rates),
		cmocka_unit_test(test_every_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
