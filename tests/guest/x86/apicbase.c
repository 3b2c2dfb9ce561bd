// SPDX-License-Identifier: BSD-2-Clause
/*
 * IA32_APIC_BASE (Intel SDM volume 3, sections "Local APIC Status and Location", "Enabling or Disabling
 * the Local APIC", "x2APIC State Transitions"). Two CPUs, which start in xAPIC mode; the mode changes
 * are made here, by hand.
 */
#include "guest.h"

#define ELSEWHERE 0xfed00000ULL /* nothing is there (docs/machine.md) */
#define NOTHING   0xffffffff

#define WORK VECTOR(6)

#define MODE_BITS (APIC_BASE_X2APIC | APIC_BASE_ENABLE)
#define DISABLED  0
#define INVALID   APIC_BASE_X2APIC
#define XAPIC     APIC_BASE_ENABLE
#define X2APIC    (APIC_BASE_X2APIC | APIC_BASE_ENABLE)

#define GP 13

static uint64_t base; /* what CPU 0 had at first */

static unsigned int try_mode(uint64_t mode)
{
	return wrmsr_try(MSR_APIC_BASE, (rdmsr(MSR_APIC_BASE) & ~(uint64_t)MODE_BITS) | mode);
}

static uint64_t mode(void)
{
	return rdmsr(MSR_APIC_BASE) & MODE_BITS;
}

/* From any mode to any other by legal steps alone. */
static void go_to(uint64_t to)
{
	try_mode(DISABLED);
	if (to != DISABLED)
		try_mode(XAPIC);
	if (to == X2APIC)
		try_mode(X2APIC);
}

static unsigned int try_msr(uint32_t reg)
{
	uint64_t value;

	return rdmsr_try(MSR_X2APIC + reg / 16, &value);
}

static uint32_t page(uint32_t reg)
{
	return mmio_read(APIC_PAGE + reg);
}

static void set_page(uint32_t reg, uint32_t value)
{
	mmio_write(APIC_PAGE + reg, value);
}

/* --- at first --- */

static void power_up(void)
{
	base = rdmsr(MSR_APIC_BASE);
	check_eq("power-up", base, APIC_PAGE | APIC_BASE_ENABLE | APIC_BASE_BSP);
}

/* Bits 7:0, 9, and those above the physical address width. */
static void reserved_bits(void)
{
	unsigned int width = cpuid(0x80000000, 0).eax >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;
	uint64_t faults = 0, reserved = 0x2ff | ~((1ULL << width) - 1);

	for (unsigned int bit = 0; bit < 64; bit++)
		if ((reserved >> bit & 1) && wrmsr_try(MSR_APIC_BASE, base | 1ULL << bit) == GP)
			faults |= 1ULL << bit;
	check_eq("reserved-bits", faults, reserved);
	check_eq("reserved-bits-change-nothing", rdmsr(MSR_APIC_BASE), base);
}

/* --- the state diagram --- */

static const struct transition {
	const char *name;
	uint64_t from, to;
	bool legal;
} transitions[] = {
	{ "xapic-to-xapic", XAPIC, XAPIC, true },
	{ "xapic-to-x2apic", XAPIC, X2APIC, true },
	{ "xapic-to-disabled", XAPIC, DISABLED, true },
	{ "xapic-to-invalid", XAPIC, INVALID, false },
	{ "x2apic-to-x2apic", X2APIC, X2APIC, true },
	{ "x2apic-to-disabled", X2APIC, DISABLED, true },
	{ "x2apic-to-xapic", X2APIC, XAPIC, false },
	{ "x2apic-to-invalid", X2APIC, INVALID, false },
	{ "disabled-to-disabled", DISABLED, DISABLED, true },
	{ "disabled-to-xapic", DISABLED, XAPIC, true },
	{ "disabled-to-x2apic", DISABLED, X2APIC, false },
	{ "disabled-to-invalid", DISABLED, INVALID, false },
};

/* The mode is what the page, the MSRs and CPUID say as well. */
static bool mode_shows(uint64_t is)
{
	return (page(APIC_VERSION) != NOTHING) == (is == XAPIC) &&
	       (try_msr(APIC_VERSION) == 0) == (is == X2APIC) &&
	       (cpuid(1, 0).edx >> 9 & 1) == (is != DISABLED) && (cpuid(1, 0).ecx >> 21 & 1);
}

static void state_diagram(void)
{
	for (unsigned int i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++) {
		const struct transition *t = &transitions[i];
		unsigned int fault;
		uint64_t is;
		bool shows;

		go_to(t->from);
		fault = try_mode(t->to);
		is = mode();
		shows = mode_shows(is);
		check_eq(t->name, fault, t->legal ? 0 : GP);
		check_eq(named(t->name, 1), is, t->legal ? t->to : t->from);
		check(named(t->name, 2), shows);
	}
	go_to(XAPIC);
}

/* --- what a change of mode keeps --- */

static uint32_t msr(uint32_t reg)
{
	return (uint32_t)rdmsr(MSR_X2APIC + reg / 16);
}

/* To x2APIC: registers that both modes have are kept, but for the id and the logical id. */
static void to_x2apic_keeps(void)
{
	go_to(XAPIC);
	set_page(APIC_SVR, SVR_ENABLE | SPURIOUS);
	set_page(APIC_TPR, 0x30);
	set_page(APIC_LVT_LINT0, 0x700);
	set_page(APIC_LDR, 0x80000000);
	set_page(APIC_ICR, ICR_SELF | WORK); /* interrupts are off: it stays in IRR */
	try_mode(X2APIC);
	check_eq("to-x2apic-svr", msr(APIC_SVR), SVR_ENABLE | SPURIOUS);
	check_eq("to-x2apic-tpr", msr(APIC_TPR), 0x30);
	check_eq("to-x2apic-lint0", msr(APIC_LVT_LINT0), 0x700);
	check_eq("to-x2apic-irr", msr(APIC_IRR + WORK / 32 * 16), 1u << WORK % 32);
	check_eq("to-x2apic-id", msr(APIC_ID), cpuid(0xb, 0).edx);
	check_eq("to-x2apic-ldr", msr(APIC_LDR), 1);
	go_to(DISABLED);
}

/* Re-enabled, it is as after power-up. */
static void disabling_resets(void)
{
	static const uint32_t lvts[] = { APIC_LVT_TIMER, APIC_LVT_THERMAL, APIC_LVT_PERF,
					 APIC_LVT_LINT0, APIC_LVT_LINT1,   APIC_LVT_ERROR };
	uint32_t bits = 0;
	bool masked = true;

	go_to(XAPIC);
	if (left_out(kernel_lapic, "re-enabled-is-reset",
		     "KVM keeps the registers of a local APIC that IA32_APIC_BASE disables"))
		return;
	set_page(APIC_SVR, SVR_ENABLE | SPURIOUS);
	set_page(APIC_TPR, 0x30);
	set_page(APIC_LDR, 0x80000000);
	set_page(APIC_DFR, 0x0fffffff);
	set_page(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	set_page(APIC_TIMER_INITIAL, 0xffffffff);
	set_page(APIC_ESR, 0);
	for (unsigned int i = 0; i < sizeof(lvts) / sizeof(lvts[0]); i++)
		set_page(lvts[i], WORK);
	set_page(APIC_ICR, ICR_SELF | WORK);
	try_mode(DISABLED);
	try_mode(XAPIC);
	for (unsigned int i = 0; i < sizeof(lvts) / sizeof(lvts[0]); i++)
		masked &= page(lvts[i]) == LVT_MASKED;
	for (uint32_t reg = APIC_ISR; reg < APIC_ESR; reg += 16)
		bits |= page(reg);
	check_eq("re-enabled-svr", page(APIC_SVR), 0xff);
	check_eq("re-enabled-tpr", page(APIC_TPR), 0);
	check_eq("re-enabled-cr8", read_cr8(), 0);
	check_eq("re-enabled-ldr", page(APIC_LDR), 0);
	check_eq("re-enabled-dfr", page(APIC_DFR), 0xffffffff);
	check_eq("re-enabled-timer-divide", page(APIC_TIMER_DIVIDE), 0);
	check_eq("re-enabled-timer-initial", page(APIC_TIMER_INITIAL), 0);
	check_eq("re-enabled-timer-current", page(APIC_TIMER_CURRENT), 0);
	check("re-enabled-lvts", masked);
	check_eq("re-enabled-isr-tmr-irr", bits, 0);
	check_eq("re-enabled-icr", page(APIC_ICR), 0);
	check_eq("re-enabled-id", page(APIC_ID), 0);
}

/* --- relocation --- */

static void relocation(void)
{
	static const uint64_t places[] = { ELSEWHERE, APIC_PAGE + 0x1000, 0xd0000000 };

	go_to(XAPIC);
	set_page(APIC_SVR, SVR_ENABLE | SPURIOUS);
	for (unsigned int i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		unsigned int n = (unsigned int)(places[i] >> 12 & 0xffff);

		wrmsr(MSR_APIC_BASE, (base & 0xfff) | places[i]);
		check_eq(named("moved-reads", n), mmio_read(places[i] + APIC_SVR), SVR_ENABLE | SPURIOUS);
		mmio_write(places[i] + APIC_TPR, 0x40 + 16 * i);
		check_eq(named("moved-writes", n), mmio_read(places[i] + APIC_TPR), 0x40 + 16 * i);
		mmio_write(places[i] + APIC_TIMER_DIVIDE, DIVIDE_BY_128);
		check_eq(named("moved-timer-divide", n), mmio_read(places[i] + APIC_TIMER_DIVIDE),
			 DIVIDE_BY_128);
		check_eq(named("moved-away", n), page(APIC_SVR), NOTHING);
		set_page(APIC_TPR, 0x90);
		check_eq(named("moved-away-writes", n), mmio_read(places[i] + APIC_TPR), 0x40 + 16 * i);
		wrmsr(MSR_APIC_BASE, base);
		check_eq(named("moved-back", n), page(APIC_TPR), 0x40 + 16 * i);
		check_eq(named("nothing-there-any-more", n), mmio_read(places[i] + APIC_SVR), NOTHING);
	}
	set_page(APIC_TPR, 0);
}

/* --- per CPU --- */

static volatile uint64_t seen_base;
static volatile uint32_t seen_there, seen_here;
static volatile bool seen_cpuid;

static void look(void)
{
	seen_base = rdmsr(MSR_APIC_BASE);
	seen_there = mmio_read(ELSEWHERE + APIC_VERSION);
	seen_here = page(APIC_VERSION);
	seen_cpuid = cpuid(1, 0).edx >> 9 & 1;
}

static void move_away(void)
{
	wrmsr(MSR_APIC_BASE, (rdmsr(MSR_APIC_BASE) & 0xfff) | ELSEWHERE);
}

static void move_back(void)
{
	wrmsr(MSR_APIC_BASE, (rdmsr(MSR_APIC_BASE) & 0xfff) | APIC_PAGE);
	set_page(APIC_SVR, SVR_ENABLE | SPURIOUS);
}

static void turn_off(void)
{
	try_mode(DISABLED);
}

static void turn_on(void)
{
	try_mode(XAPIC);
	set_page(APIC_SVR, SVR_ENABLE | SPURIOUS);
}

static void to_x2apic(void)
{
	try_mode(X2APIC);
}

static void own_place(void)
{
	call_on(1, move_away);
	call_on(1, look);
	check_eq("cpu-1-moved", seen_there & 0xf0, 0x10);
	check_eq("cpu-1-not-here", seen_here, NOTHING);
	look();
	check_eq("cpu-0-not-there", seen_there, NOTHING);
	check_eq("cpu-0-here", seen_here & 0xf0, 0x10);
	check_eq("cpu-0-base", seen_base, base);
}

/* INIT is no reset of this MSR: neither the place nor the mode changes. */
static void after_init(void)
{
	check("restarted-elsewhere", start_cpu(1));
	call_on(1, look);
	check_eq("init-keeps-base", seen_base, ELSEWHERE | APIC_BASE_ENABLE);
	check_eq("init-keeps-place", seen_there & 0xf0, 0x10);
	call_on(1, move_back);

	call_on(1, to_x2apic);
	check("restarted-in-x2apic", start_cpu(1));
	call_on(1, look);
	check_eq("init-keeps-x2apic", seen_base, APIC_PAGE | X2APIC);
	check_eq("init-keeps-page-away", seen_here, NOTHING);
	call_on(1, turn_off);
	call_on(1, turn_on);
}

/* Off, it takes nothing, and what is sent meanwhile is lost. The CPU runs on. */
static void off(void)
{
	call_on(1, turn_off);
	call_on(1, look);
	check_eq("off-cpuid", seen_cpuid, false);
	check_eq("off-page", seen_here, NOTHING);
	look();
	check_eq("cpu-0-cpuid", seen_cpuid, true);
	check_takers("off-takes-none", 1, WORK, 0);
	check_takers("off-takes-no-nmi", 1, ICR_NMI, 0);
	sti();
	check_takers("off-takes-no-broadcast", 0, ICR_ALL | WORK, 1);
	cli();
	remember(WORK);
	call_on(1, turn_on);
	call_on(1, look);
	check_taken("off-keeps-none", WORK, 0);
	check_eq("on-cpuid", seen_cpuid, true);
	check_takers("on-takes", 1, WORK, 2);
	check_takers("on-takes-nmi", 1, ICR_NMI, 2);
}

void guest_main(void)
{
	power_up();
	reserved_bits();
	state_diagram();
	to_x2apic_keeps();
	disabling_resets();
	relocation();
	go_to(XAPIC);
	set_page(APIC_SVR, SVR_ENABLE | SPURIOUS);
	check("second-cpu", start_cpu(1));
	call_on(1, look);
	check_eq("cpu-1-power-up", seen_base, APIC_PAGE | APIC_BASE_ENABLE);
	own_place();
	after_init();
	off();
}
