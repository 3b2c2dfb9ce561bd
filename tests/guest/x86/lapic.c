// SPDX-License-Identifier: BSD-2-Clause
/*
 * The local APIC's registers by the front end that the command line names, then what only one of the
 * two front ends does. Section titles are of the Intel SDM, volume 3, chapter "Advanced Programmable
 * Interrupt Controller (APIC)".
 */
#include "guest.h"

#define VECTOR_ERROR 0x71

/* Of KVM's local APIC. */
#define NO_ERRORS "KVM's local APIC reports no errors"
#define KEEPS     "KVM keeps the registers of a local APIC that IA32_APIC_BASE disables"

/* "Local APIC State After Power-Up or Reset". */
static void reset_state(void)
{
	check("base-enabled", rdmsr(MSR_APIC_BASE) & APIC_BASE_ENABLE);
	check("base-bootstrap-processor", rdmsr(MSR_APIC_BASE) & APIC_BASE_BSP);
	check_eq("base-address", rdmsr(MSR_APIC_BASE) & ~0xfffULL, APIC_PAGE);
	check_eq("id-is-that-of-cpuid", apic_id(), cpuid(1, 0).ebx >> 24);
	check_eq("reset-svr", apic_read(APIC_SVR), 0xff);
	check_eq("reset-tpr", apic_read(APIC_TPR), 0);
	check_eq("reset-ppr", apic_read(APIC_PPR), 0);
	for (uint32_t reg = APIC_LVT_TIMER; reg <= APIC_LVT_ERROR; reg += 0x10)
		if (!left_out(kernel_lapic && reg == APIC_LVT_LINT0, "reset-lint0",
			      "KVM begins with an LVT LINT0 for an 8259: 0x700"))
			check_eq("reset-lvt", apic_read(reg), LVT_MASKED);
	check_eq("reset-timer-initial", apic_read(APIC_TIMER_INITIAL), 0);
	check_eq("reset-timer-current", apic_read(APIC_TIMER_CURRENT), 0);
	check_eq("reset-timer-divide", apic_read(APIC_TIMER_DIVIDE), 0);
	for (uint32_t set = APIC_ISR; set < APIC_ESR; set += 0x10)
		if (apic_read(set))
			check_eq("reset-isr-tmr-irr", apic_read(set), 0);
}

/* "Local APIC Version Register": an integrated APIC, with an EOI broadcast suppression bit that is true. */
static void version(void)
{
	uint32_t is = apic_read(APIC_VERSION);

	check_range("version", is & 0xff, 0x10, 0x15);
	check_range("version-lvt-entries", (is >> 16 & 0xff) + 1, 4, 7);
	apic_write(APIC_SVR, SVR_ENABLE | SVR_NO_BROADCAST | SPURIOUS);
	check_eq("svr-suppression-as-announced", apic_read(APIC_SVR) >> 12 & 1, is >> 24 & 1);
	apic_write(APIC_SVR, SPURIOUS);
}

/* "Local APIC State After It Has Been Software Disabled". */
static void software_enable(void)
{
	apic_write(APIC_LVT_ERROR, 0x71);
	check_eq("disabled-keeps-mask", apic_read(APIC_LVT_ERROR), LVT_MASKED | 0x71);
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	check_eq("svr", apic_read(APIC_SVR), SVR_ENABLE | SPURIOUS);
	apic_write(APIC_LVT_ERROR, 0x71);
	check_eq("enabled-unmasks", apic_read(APIC_LVT_ERROR), 0x71);
	apic_write(APIC_SVR, SPURIOUS);
	check_eq("disabling-masks", apic_read(APIC_LVT_ERROR), LVT_MASKED | 0x71);
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	check_eq("enabling-leaves-masked", apic_read(APIC_LVT_ERROR), LVT_MASKED | 0x71);
}

/* "Task and Processor Priorities", "Interaction of Task Priorities between CR8 and APIC". */
static void priorities(void)
{
	apic_write(APIC_TPR, 0x57);
	if (!left_out(kernel_lapic, "tpr-subclass",
		      "KVM may keep the upper half only, where a CPU virtualizes CR8")) {
		check_eq("tpr", apic_read(APIC_TPR), 0x57);
		check_eq("ppr-follows-tpr", apic_read(APIC_PPR), 0x57);
	}
	check_eq("cr8-follows-tpr", read_cr8(), 5);
	write_cr8(9);
	check_eq("tpr-follows-cr8", apic_read(APIC_TPR), 0x90);
	check_eq("ppr-follows-cr8", apic_read(APIC_PPR), 0x90);
	write_cr8(0);
	check_eq("tpr-zero", apic_read(APIC_TPR), 0);
	apic_write(APIC_TPR, 0x20);
	apic_write(APIC_TPR, 0x00);
	check_eq("cr8-zero", read_cr8(), 0);
}

static void read_back(void)
{
	static const struct {
		const char *name;
		uint32_t reg, value;
	} some[] = {
		{ "lvt-lint0", APIC_LVT_LINT0, 0x1a7f1 },
		{ "lvt-lint1", APIC_LVT_LINT1, 0x00400 },
		{ "lvt-timer", APIC_LVT_TIMER, 0x300ef },
		{ "timer-divide", APIC_TIMER_DIVIDE, DIVIDE_BY_128 },
		{ "timer-initial", APIC_TIMER_INITIAL, 0xfffffffe },
	};

	for (unsigned int i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		apic_write(some[i].reg, some[i].value);
		check_eq(some[i].name, apic_read(some[i].reg), some[i].value);
	}
	apic_write(APIC_TIMER_INITIAL, 0);
	check_eq("timer-stopped", apic_read(APIC_TIMER_CURRENT), 0);
	apic_write(APIC_LVT_LINT0, LVT_MASKED);
	apic_write(APIC_LVT_LINT1, LVT_MASKED);
	apic_write(APIC_LVT_TIMER, LVT_MASKED);
	eoi();
	check("eoi-of-nothing", true);
}

/* "Error Handling". */
static void illegal_vectors(void)
{
	if (left_out(kernel_lapic, "illegal-vectors", NO_ERRORS))
		return;
	apic_errors();
	check_eq("esr-clear", apic_errors(), 0);
	ipi(apic_id() + 1, 5);
	check_eq("esr-before-write", apic_read(APIC_ESR), 0);
	check_eq("esr-send-illegal", apic_errors(), ESR_SEND_ILLEGAL);
	check_eq("esr-cleared", apic_errors(), 0);

	apic_write(APIC_LVT_ERROR, VECTOR_ERROR);
	sti();
	ipi(apic_id(), 5);
	check("error-interrupt", wait_until(taken[0][VECTOR_ERROR] == 1));
	cli();
	apic_write(APIC_LVT_ERROR, LVT_MASKED);
	apic_errors();
}

/* --- xAPIC only --- */

static void xapic_registers(void)
{
	check_eq("reset-ldr", apic_read(APIC_LDR), 0);
	check_eq("reset-dfr", apic_read(APIC_DFR), 0xffffffff);
	apic_write(APIC_LDR, 0xa5ffffff);
	check_eq("ldr-reserved-bits", apic_read(APIC_LDR), 0xa5000000);
	apic_write(APIC_LDR, 0);
	apic_write(APIC_DFR, 0);
	check_eq("dfr-reserved-bits", apic_read(APIC_DFR), 0x0fffffff);
	apic_write(APIC_DFR, 0xffffffff);
	apic_write(APIC_VERSION, 0);
	check_range("version-read-only", apic_read(APIC_VERSION) & 0xff, 0x10, 0x15);
	if (left_out(kernel_lapic, "absent-register", NO_ERRORS))
		return;
	apic_errors();
	check_eq("absent-register", apic_read(0x40), 0);
	check_eq("esr-absent-read", apic_errors(), ESR_ILLEGAL_REGISTER);
	apic_write(0x50, 1);
	check_eq("esr-absent-write", apic_errors(), ESR_ILLEGAL_REGISTER);
}

static void xapic_has_no_msrs(void)
{
	uint64_t value;

	check_eq("msr-read-in-xapic-mode", rdmsr_try(MSR_X2APIC + APIC_ID / 16, &value), 13);
	check_eq("msr-write-in-xapic-mode", wrmsr_try(MSR_X2APIC + APIC_EOI / 16, 0), 13);
}

/* "Local APIC Status and Location", "Enabling or Disabling the Local APIC". */
static void xapic_moves(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	wrmsr(MSR_APIC_BASE, base - 0x100000);
	check_eq("moved", mmio_read(APIC_PAGE - 0x100000 + APIC_VERSION) & 0xf0, 0x10);
	check_eq("nothing-where-it-was", mmio_read(APIC_PAGE + APIC_VERSION), 0xffffffff);
	wrmsr(MSR_APIC_BASE, base);
	check_eq("moved-back", apic_read(APIC_VERSION) & 0xf0, 0x10);

	wrmsr(MSR_APIC_BASE, base & ~(uint64_t)APIC_BASE_ENABLE);
	check_eq("disabled-page", mmio_read(APIC_PAGE + APIC_VERSION), 0xffffffff);
	check_eq("disabled-cpuid", cpuid(1, 0).edx >> 9 & 1, 0);
	check_eq("disabled-to-x2apic", wrmsr_try(MSR_APIC_BASE, base | APIC_BASE_X2APIC), 13);
	wrmsr(MSR_APIC_BASE, base);
	if (!left_out(kernel_lapic, "enabled-again-is-reset", KEEPS))
		check_eq("enabled-again-is-reset", apic_read(APIC_SVR), 0xff);
	check_eq("enabled-again-cpuid", cpuid(1, 0).edx >> 9 & 1, 1);
}

static void xapic(void)
{
	xapic_registers();
	xapic_has_no_msrs();
	xapic_moves();
}

/* --- x2APIC only: "Extended XAPIC (x2APIC)" --- */

static unsigned int try_read(uint32_t reg)
{
	uint64_t value;

	return rdmsr_try(MSR_X2APIC + reg / 16, &value);
}

static unsigned int try_write(uint32_t reg, uint64_t value)
{
	return wrmsr_try(MSR_X2APIC + reg / 16, value);
}

static void x2apic_faults(void)
{
	check_eq("absent-read", try_read(0x40), 13);
	check_eq("absent-write", try_write(0x40, 0), 13);
	check_eq("dfr-read", try_read(APIC_DFR), 13);
	check_eq("icr-high-read", try_read(APIC_ICR_HIGH), 13);
	check_eq("icr-high-write", try_write(APIC_ICR_HIGH, 0), 13);
	check_eq("beyond-read", try_read(0xff0), 13);
	check_eq("id-write", try_write(APIC_ID, 0), 13);
	check_eq("version-write", try_write(APIC_VERSION, 0), 13);
	check_eq("ppr-write", try_write(APIC_PPR, 0), 13);
	check_eq("ldr-write", try_write(APIC_LDR, 0), 13);
	check_eq("isr-write", try_write(APIC_ISR, 0), 13);
	check_eq("current-count-write", try_write(APIC_TIMER_CURRENT, 0), 13);
	check_eq("eoi-read", try_read(APIC_EOI), 13);
	check_eq("self-ipi-read", try_read(APIC_SELF_IPI), 13);
	check_eq("icr-reserved", try_write(APIC_ICR, 0x80000000), 13);
	check_eq("self-ipi-reserved", try_write(APIC_SELF_IPI, 0x100), 13);
	if (left_out(kernel_lapic, "reserved-bits", "KVM drops most reserved bits in x2APIC mode"))
		return;
	check_eq("eoi-nonzero", try_write(APIC_EOI, 1), 13);
	check_eq("esr-nonzero", try_write(APIC_ESR, 1), 13);
	check_eq("tpr-reserved", try_write(APIC_TPR, 0x100), 13);
	check_eq("tpr-high-half", try_write(APIC_TPR, 1ULL << 32), 13);
	check_eq("svr-reserved", try_write(APIC_SVR, 0x80000000), 13);
	check_eq("lvt-reserved", try_write(APIC_LVT_TIMER, 0x80000000), 13);
	check_eq("divide-reserved", try_write(APIC_TIMER_DIVIDE, 0x4), 13);
	check_eq("tpr-unharmed", apic_read(APIC_TPR), 0);
}

static void x2apic_only(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE);

	x2apic_faults();
	check_eq("ldr-is-derived", apic_read(APIC_LDR), (apic_id() >> 4) << 16 | 1u << (apic_id() & 15));
	check_eq("page-is-gone", mmio_read(APIC_PAGE + APIC_VERSION), 0xffffffff);
	check_eq("x2apic-to-xapic", wrmsr_try(MSR_APIC_BASE, base & ~(uint64_t)APIC_BASE_X2APIC), 13);
	check_eq("still-x2apic", rdmsr(MSR_APIC_BASE), base);
	wrmsr(MSR_APIC_BASE, base & ~(uint64_t)(APIC_BASE_X2APIC | APIC_BASE_ENABLE));
	check_eq("disabled-msr", try_read(APIC_ID), 13);
	wrmsr(MSR_APIC_BASE, base & ~(uint64_t)APIC_BASE_X2APIC);
	if (!left_out(kernel_lapic, "xapic-again", KEEPS))
		check_eq("xapic-again", mmio_read(APIC_PAGE + APIC_SVR), 0xff);
	wrmsr(MSR_APIC_BASE, base);
	check_eq("x2apic-again", apic_id(), cpuid(0xb, 0).edx);
}

void guest_main(void)
{
	reset_state();
	version();
	software_enable();
	priorities();
	read_back();
	illegal_vectors();
	if (x2apic)
		x2apic_only();
	else
		xapic();
}
