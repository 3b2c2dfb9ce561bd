// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every register of the local APIC: which exist, who may read and write them, their reserved bits, and
 * their values after power-up (CPU 0) and after INIT (CPU 1). Intel SDM volume 3, tables "Local APIC
 * Register Address Map" and "Local APIC Register Address Map Supported by x2APIC", sections "Local APIC
 * State After Power-Up or Reset", "Local APIC State After an INIT Reset", "Reserved Bit Checking",
 * "Error Handling". Two CPUs.
 */
#include "guest.h"

#define WORK VECTOR(6)
#define GP   13

/* How an access ends. */
#define X_READ  1u
#define X_WRITE 2u
#define M_READ  4u
#define M_WRITE 8u
#define ALL     (X_READ | X_WRITE | M_READ | M_WRITE)
#define READ    (X_READ | M_READ)

#define ANY ~0u /* of a reset value: not looked at here */

static const struct reg {
	uint32_t offset;
	unsigned int count, access;
	uint32_t reset;       /* after power-up and after INIT */
	uint32_t writable;    /* what keeps a 1; 0 as well: not tried */
	uint64_t faulting;    /* x2APIC: bits that raise #GP */
	uint64_t not_checked; /* but these may or may not */
} table[] = {
	{ APIC_ID, 1, READ | X_WRITE, ANY, 0, 0, 0 },
	{ APIC_VERSION, 1, READ, ANY, 0, 0, 0 },
	{ APIC_TPR, 1, ALL, 0, 0xff, ~0xffULL, 0 },
	{ APIC_APR, 1, X_READ, 0, 0, 0, 0 },
	{ APIC_PPR, 1, READ, 0, 0, 0, 0 },
	{ APIC_EOI, 1, X_WRITE | M_WRITE, ANY, 0, ~0ULL, 0 },
	{ APIC_RRD, 1, X_READ, 0, 0, 0, 0 },
	{ APIC_LDR, 1, READ | X_WRITE, ANY, 0, 0, 0 },
	{ APIC_DFR, 1, X_READ | X_WRITE, 0xffffffff, 0, 0, 0 },
	{ APIC_SVR, 1, ALL, 0xff, 0x13ff, ~0x13ffULL, 0 },
	{ APIC_ISR, 8, READ, 0, 0, 0, 0 },
	{ APIC_TMR, 8, READ, 0, 0, 0, 0 },
	{ APIC_IRR, 8, READ, 0, 0, 0, 0 },
	{ APIC_ESR, 1, ALL, 0, 0, ~0ULL, 0 },
	{ APIC_LVT_CMCI, 1, ALL, LVT_MASKED, 0x107ff, ~0x117ffULL, 0 },
	/* Its bit 12 is reserved, but processors are known that ignore it as a status bit. */
	{ APIC_ICR, 1, ALL, 0, 0, 0xfff32000, 0x1000 },
	{ APIC_ICR_HIGH, 1, X_READ | X_WRITE, 0, 0, 0, 0 },
	{ APIC_LVT_TIMER, 1, ALL, LVT_MASKED, 0x300ff, ~0x710ffULL, LVT_DEADLINE },
	{ APIC_LVT_THERMAL, 1, ALL, LVT_MASKED, 0x107ff, ~0x117ffULL, 0 },
	{ APIC_LVT_PERF, 1, ALL, LVT_MASKED, 0x107ff, ~0x117ffULL, 0 },
	{ APIC_LVT_LINT0, 1, ALL, LVT_MASKED, 0x1a7ff, ~0x1f7ffULL, 0 },
	{ APIC_LVT_LINT1, 1, ALL, LVT_MASKED, 0x1a7ff, ~0x1f7ffULL, 0 },
	{ APIC_LVT_ERROR, 1, ALL, LVT_MASKED, 0x100ff, ~0x110ffULL, 0 },
	{ APIC_TIMER_INITIAL, 1, ALL, 0, 0xffffffff, ~0xffffffffULL, 0 },
	{ APIC_TIMER_CURRENT, 1, READ, 0, 0, 0, 0 },
	{ APIC_TIMER_DIVIDE, 1, ALL, 0, 0xb, ~0xbULL, 0 },
	{ APIC_SELF_IPI, 1, M_WRITE, ANY, 0, ~0xffULL, 0 },
};

#define REGISTERS (sizeof(table) / sizeof(table[0]))

static const struct reg *find(uint32_t offset)
{
	for (unsigned int i = 0; i < REGISTERS; i++)
		if (offset >= table[i].offset && offset < table[i].offset + table[i].count * 16)
			return &table[i];
	return NULL;
}

/* The CMCI entry is the seventh of the LVT, which not all have. */
static bool is_here(uint32_t offset)
{
	return find(offset) && (offset != APIC_LVT_CMCI || (apic_read(APIC_VERSION) >> 16 & 0xff) >= 6);
}

static bool may(uint32_t offset, unsigned int access)
{
	return is_here(offset) && (find(offset)->access & access);
}

/* --- values after reset --- */

static volatile uint32_t snapshot[64];

/* On CPU 1 before anything else; the front end is what INIT has left. */
static void take_snapshot(void)
{
	for (uint32_t offset = 0; offset < 0x400; offset += 16)
		if (may(offset, x2apic ? M_READ : X_READ))
			snapshot[offset / 16] = apic_read(offset);
}

static void check_snapshot(const char *name)
{
	for (uint32_t offset = 0; offset < 0x400; offset += 16)
		if (may(offset, x2apic ? M_READ : X_READ) && find(offset)->reset != ANY &&
		    !left_out(kernel_lapic && offset == APIC_LVT_LINT0, name,
			      "KVM begins with an LVT LINT0 for an 8259: 0x700"))
			check_eq(named(name, offset), snapshot[offset / 16], find(offset)->reset);
}

static void check_identity(unsigned int cpu)
{
	uint32_t logical = x2apic ? (cpu >> 4) << 16 | 1u << (cpu & 15) : 0;

	check_eq("reset-id", snapshot[APIC_ID / 16], x2apic ? cpu : cpu << 24);
	check_eq("reset-ldr", snapshot[APIC_LDR / 16], logical);
	check_range("version", snapshot[APIC_VERSION / 16] & 0xff, 0x10, 0x15);
	check_eq("version-reserved", snapshot[APIC_VERSION / 16] & 0xfe00ff00, 0);
}

/* Leaves nothing of its local APIC as it was. */
static void disorder(void)
{
	cli();
	apic_write(APIC_SVR, SVR_ENABLE | 0xf0);
	apic_write(APIC_TPR, 0x25);
	if (!x2apic) {
		apic_write(APIC_LDR, 0x42000000);
		apic_write(APIC_DFR, 0x0fffffff);
	}
	for (unsigned int i = 0; i < REGISTERS; i++)
		if (table[i].reset == LVT_MASKED && is_here(table[i].offset))
			apic_write(table[i].offset, WORK);
	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | LVT_MASKED | WORK);
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	apic_write(APIC_TIMER_INITIAL, 0xfffffff0);
	ipi(1, 5); /* illegal: an error */
	apic_write(APIC_ESR, 0);
	ipi(1, 5); /* and one not yet shown */
	ipi(1, WORK);
	ipi(1, VECTOR(14));
}

static volatile uint32_t late_errors;
static volatile unsigned int in_service;

/* In the handler, of an interrupt of higher priority, which is never ended. */
static void disorder_in_service(struct frame *f)
{
	(void)f;
	disorder();
	in_service = apic_bit(APIC_ISR, VECTOR(15) - 1);
	for (;;)
		pause();
}

static void read_errors(void)
{
	late_errors = apic_errors();
}

static void reset_values(void)
{
	take_snapshot();
	check_snapshot("power-up");
	check_identity(0);

	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	before_start = take_snapshot;
	check("second-cpu", start_cpu(1));
	if (!x2apic) { /* it begins in xAPIC mode */
		check_snapshot("first-init");
		check_identity(1);
	}

	handler[VECTOR(15) - 1] = disorder_in_service;
	ipi(1, VECTOR(15) - 1);
	check("disorder", wait_until(in_service));
	check("restarted", start_cpu(1));
	check_snapshot("init");
	check_identity(1);
	before_start = NULL;
	remember(WORK);
	call_on(1, read_errors);
	if (!left_out(kernel_lapic, "init-forgets-errors", "KVM's local APIC reports no errors"))
		check_eq("init-forgets-errors", late_errors, 0);
	check_taken("init-forgets-interrupts", WORK, 0);
}

/* --- xAPIC: absent registers, directions, reserved bits --- */

static void x_directions(void)
{
	for (uint32_t offset = 0; offset < 0x400; offset += 16) {
		const struct reg *r = is_here(offset) ? find(offset) : NULL;
		uint32_t value, error,
			expected = r && (r->access & (X_READ | X_WRITE)) ? 0 : ESR_ILLEGAL_REGISTER;

		apic_errors();
		value = apic_read(offset);
		error = apic_errors();
		check_eq(named("read-error", offset), error, expected);
		if (expected)
			check_eq(named("absent-reads", offset), value, 0);
		/* Those that can be written are for x_reserved_bits(). */
		if (r && (r->access & X_WRITE))
			continue;
		apic_errors();
		mmio_write(APIC_PAGE + offset, ~value);
		error = apic_errors();
		check_eq(named("write-error", offset), error, expected);
		if (r && offset != APIC_TIMER_CURRENT)
			check_eq(named("read-only", offset), apic_read(offset), value);
	}
}

/* Both cumulate: bits of one write, and what is cleared by the next. */
static void x_error_status(void)
{
	apic_errors();
	check_eq("esr-cleared", apic_errors(), 0);
	(void)apic_read(0x3d0);
	check_eq("esr-waits-for-a-write", apic_read(APIC_ESR), 0);
	ipi(200, 3); /* send illegal vector */
	apic_write(APIC_ESR, 0xffffffff);
	check_eq("esr-has-all", apic_read(APIC_ESR), ESR_ILLEGAL_REGISTER | ESR_SEND_ILLEGAL);
	check_eq("esr-stays", apic_read(APIC_ESR), ESR_ILLEGAL_REGISTER | ESR_SEND_ILLEGAL);
	check_eq("esr-cleared-again", apic_errors(), 0);
}

static uint32_t read_back(uint32_t offset, uint32_t value)
{
	apic_write(offset, value);
	return apic_read(offset);
}

/* The timer is stopped, and interrupts are off: a vector in an unmasked LVT entry does no harm. */
static void reserved_bits_drop(void)
{
	for (unsigned int i = 0; i < REGISTERS; i++) {
		const struct reg *r = &table[i];
		uint32_t before, deadline = 0;

		if (!r->writable || !is_here(r->offset) || r->offset == APIC_SVR)
			continue;
		before = apic_read(r->offset);
		if (r->offset == APIC_LVT_TIMER && (cpuid(1, 0).ecx >> 24 & 1))
			deadline = LVT_DEADLINE;
		check_eq(named("writable-ones", r->offset), read_back(r->offset, 0xffffffff),
			 r->writable | deadline);
		check_eq(named("writable-zeros", r->offset), read_back(r->offset, 0), 0);
		apic_write(r->offset, before);
		apic_write(APIC_TIMER_INITIAL, 0);
	}
}

static void x_reserved_bits(void)
{
	if (!left_out(kernel_lapic, "reserved-bits", "KVM lets status bits of LVT and ICR be written"))
		reserved_bits_drop();
	check_eq("id-writable", read_back(APIC_ID, 0xffffffff) & 0x00ffffff, 0);
	apic_write(APIC_ID, 0);
	check_eq("ldr-ones", read_back(APIC_LDR, 0xffffffff), 0xff000000);
	check_eq("ldr-zeros", read_back(APIC_LDR, 0), 0);
	check_eq("dfr-cluster", read_back(APIC_DFR, 0), 0x0fffffff);
	check_eq("dfr-flat", read_back(APIC_DFR, 0xf0000000), 0xffffffff);
	check_eq("icr-high-ones", read_back(APIC_ICR_HIGH, 0xffffffff), 0xff000000);
	check_eq("icr-high-zeros", read_back(APIC_ICR_HIGH, 0), 0);
	if (kernel_lapic)
		return;
	/* To itself, which does not take it: bits 12, 13, 17:16, 31:20 are status or reserved. */
	apic_write(APIC_SVR, SPURIOUS);
	check_eq("icr-low", read_back(APIC_ICR, 0xfff77000 | WORK), 0x44000 | WORK);
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
}

/* --- x2APIC: the same by #GP --- */

static unsigned int try_read(uint32_t offset)
{
	uint64_t value;

	return rdmsr_try(MSR_X2APIC + offset / 16, &value);
}

static unsigned int try_write(uint32_t offset, uint64_t value)
{
	return wrmsr_try(MSR_X2APIC + offset / 16, value);
}

static void m_directions(void)
{
	unsigned int beyond = 0;

	for (uint32_t offset = 0; offset < 0x400; offset += 16) {
		check_eq(named("read", offset), try_read(offset), may(offset, M_READ) ? 0 : GP);
		if (!may(offset, M_WRITE))
			check_eq(named("write", offset), try_write(offset, 0), GP);
	}
	for (uint32_t offset = 0x400; offset < 0x1000; offset += 0x10)
		beyond += (try_read(offset) == GP) + (try_write(offset, 0) == GP);
	check_eq("reserved-msrs", beyond, 2 * 0xc0);
}

/* A write of 0 is legal everywhere; each bit alone then says whether it is reserved. */
static uint64_t faulting_bits(uint32_t offset)
{
	uint64_t faults = 0;

	for (unsigned int bit = 0; bit < 64; bit++)
		if (try_write(offset, 1ULL << bit) == GP)
			faults |= 1ULL << bit;
	return faults;
}

/* With the local APIC disabled by SVR: what single bits of ICR and SELF IPI send comes to nothing. */
static void m_reserved_bits(void)
{
	for (unsigned int i = 0; i < REGISTERS; i++) {
		const struct reg *r = &table[i];
		uint64_t faults;

		if (!may(r->offset, M_WRITE))
			continue;
		check_eq(named("zero", r->offset), try_write(r->offset, 0), 0);
		faults = faulting_bits(r->offset);
		apic_write(APIC_SVR, SPURIOUS);
		check_eq(named("reserved", r->offset), faults & ~r->not_checked,
			 r->faulting & ~r->not_checked);
	}
	apic_errors();
	apic_write(APIC_TPR, 0);
	apic_write(APIC_TIMER_INITIAL, 0);
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
}

/* A refused write changes nothing, not even the part that would be legal. */
static void m_refused(void)
{
	apic_write(APIC_TPR, 0x20);
	apic_write(APIC_ICR, ICR_SELF | WORK);
	check_eq("refused-tpr", try_write(APIC_TPR, 0x130), GP);
	check_eq("refused-tpr-kept", apic_read(APIC_TPR), 0x20);
	check_eq("refused-icr", try_write(APIC_ICR, 1ULL << 20 | ICR_SELF | VECTOR(7)), GP);
	check_eq("refused-icr-kept", apic_read(APIC_ICR), ICR_SELF | WORK);
	check("refused-icr-sends-nothing", !apic_bit(APIC_IRR, VECTOR(7)));
	apic_write(APIC_TPR, 0);
	wrmsr(MSR_X2APIC + APIC_ICR / 16, 0xfeedfeed00000000 | WORK);
	check_eq("icr-64-bits", rdmsr(MSR_X2APIC + APIC_ICR / 16), 0xfeedfeed00000000 | WORK);
}

/* --- SVR --- */

/* "Spurious-Interrupt Vector Register": vector, enable, focus checking, EOI broadcast suppression. */
static void spurious(void)
{
	uint32_t suppression = apic_read(APIC_VERSION) >> 24 & 1 ? SVR_NO_BROADCAST : 0;

	check_eq("svr-focus", read_back(APIC_SVR, SVR_ENABLE | SVR_FOCUS_OFF | SPURIOUS),
		 SVR_ENABLE | SVR_FOCUS_OFF | SPURIOUS);
	check_eq("svr-vector", read_back(APIC_SVR, SVR_ENABLE | 0x50), SVR_ENABLE | 0x50);
	check_eq("svr-suppression", read_back(APIC_SVR, SVR_ENABLE | SVR_NO_BROADCAST | SPURIOUS),
		 SVR_ENABLE | suppression | SPURIOUS);
	if (!x2apic)
		check_eq("svr-reserved", read_back(APIC_SVR, 0xffffffff), 0x3ff | suppression);
	check_eq("svr-off", read_back(APIC_SVR, 0), 0);
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
}

void guest_main(void)
{
	reset_values();
	spurious();
	if (!x2apic) {
		x_reserved_bits();
		if (!left_out(kernel_lapic, "xapic-errors", "KVM's local APIC reports no errors")) {
			x_directions();
			x_error_status();
		}
	} else if (
		!left_out(
			kernel_lapic, "x2apic-reserved-bits",
			"KVM drops most reserved bits, and which registers it lacks depends on its version")) {
		m_directions();
		m_reserved_bits();
		m_refused();
	}
}
