// SPDX-License-Identifier: BSD-2-Clause
/*
 * A VM that is saved in the middle of everything and goes on in another process, twice: for the program
 * of tests/restore, whose device it drives. Four CPUs: 0 ticks, 1 is in nested handlers with more to
 * come, 2 waits for what is pending or yet to come, 3 is off.
 *
 * What each interrupt of CPU 1 has for its priority (0 is the highest) decides the order in which they
 * must come: only what is higher than the one in service interrupts it.
 */
#include "gicd.h"
#include "lpi.h"

#define DEVICE 0x4f000000ULL /* tests/restore/restore.c */
enum { REG_SAVE = 0, REG_RAISE = 4, REG_LOWER = 8, REG_MSI = 12 };

#define CPUS 4

enum {
	SGI_DISABLED = 3, /* CPU 2: pending, but not enabled */
	SGI_OUTER = 5,    /* CPU 1, priority 0xc0: the first, in service */
	SGI_SELF = 6,     /* 0x40 */
	SGI_TWICE = 7,    /* 0x30: from CPUs 0 and 1 */
	EDGE_INNER = 41,  /* 0x80: interrupts SGI_OUTER, in service */
	EDGE_LATER = 42,  /* 0x90: waits for EDGE_INNER to end */
	LEVEL_SOON = 43,  /* 0x60 */
	LEVEL_LATER = 44, /* 0xa0: waits for EDGE_INNER to end */
	EDGE_HIGH = 45,   /* CPU 0: has come, and its line is still high */

	END = 100, /* in the log: that handler ends */

	DEV = 3, /* of the ITS */
	LPI_READY = 0,
	LPI_DISABLED = 1,
	LPI_LATER = 2,
	LPI_BEFORE = 3, /* CPU 0: comes before all is saved, by a command that must not be taken again */
};

static volatile unsigned int log_of[CPUS][64], logged[CPUS];
static volatile bool ready, go, timer_armed;

static void note(unsigned int what)
{
	unsigned int cpu = this_cpu();

	log_of[cpu][logged[cpu]++ % 64] = what;
}

static void raise(unsigned int intid)
{
	write32(DEVICE + REG_RAISE, intid - 32);
}

static void lower(unsigned int intid)
{
	write32(DEVICE + REG_LOWER, intid - 32);
}

static void edge(unsigned int intid)
{
	raise(intid);
	lower(intid);
}

/* --- CPU 1 --- */

static void in_outer(void)
{
	note(SGI_OUTER);
	edge(EDGE_INNER);
	interrupts(true); /* EDGE_INNER comes here, then what waits for its end */
	(void)wait_until(taken[1][LEVEL_LATER]);
	interrupts(false);
	note(END + SGI_OUTER);
}

static void in_inner(void)
{
	note(EDGE_INNER);
	edge(EDGE_LATER);
	raise(LEVEL_LATER);
	raise(LEVEL_SOON);
	send_sgi(SGI_SELF, 1);
	send_sgi(SGI_TWICE, 1);
	write_sysreg("cntv_cval_el0", now());
	write_sysreg("cntv_ctl_el0", 1);
	ready = true;
	while (!go)
		;
	interrupts(true);
	(void)wait_until(taken[1][LEVEL_SOON]);
	interrupts(false);
	note(END + EDGE_INNER);
}

static void in_twice(void)
{
	note(SGI_TWICE);
}

static void in_self(void)
{
	note(SGI_SELF);
}

static void in_later(void)
{
	note(EDGE_LATER);
}

static void in_level_soon(void)
{
	note(LEVEL_SOON);
	lower(LEVEL_SOON);
}

static void in_level_later(void)
{
	note(LEVEL_LATER);
	lower(LEVEL_LATER);
}

static void in_timer(void)
{
	if (this_cpu() == 0) {
		write_sysreg("cntv_tval_el0", milliseconds(5));
		return;
	}
	note(VTIMER_PPI);
	write_sysreg("cntv_ctl_el0", 0);
}

static void prepare_1(void)
{
	static const struct {
		unsigned int intid;
		uint8_t priority;
		bool level;
		void (*run)(void);
	} all[] = {
		{ SGI_OUTER, 0xc0, false, in_outer },        { SGI_SELF, 0x40, false, in_self },
		{ SGI_TWICE, 0x30, false, in_twice },        { EDGE_INNER, 0x80, false, in_inner },
		{ EDGE_LATER, 0x90, false, in_later },       { LEVEL_SOON, 0x60, true, in_level_soon },
		{ LEVEL_LATER, 0xa0, true, in_level_later }, { VTIMER_PPI, 0xd0, true, in_timer },
	};

	interrupts(false);
	for (unsigned int i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		handler[all[i].intid] = all[i].run;
		if (all[i].level)
			enable_interrupt(all[i].intid);
		else
			enable_edge(all[i].intid);
		write8(bank(all[i].intid) + GICD_IPRIORITYR + all[i].intid, all[i].priority);
	}
}

static void nest(void)
{
	send_sgi(SGI_OUTER, 1);
	interrupts(true);
	(void)wait_until(taken[1][VTIMER_PPI]);
	delay(MOMENT);
	interrupts(false);
}

static void check_order(void)
{
	static const unsigned int expected[] = {
		SGI_OUTER,        EDGE_INNER, SGI_TWICE,   SGI_SELF,        LEVEL_SOON,
		END + EDGE_INNER, EDGE_LATER, LEVEL_LATER, END + SGI_OUTER, VTIMER_PPI,
	};
	unsigned int at = 0;
	bool as_expected = true;

	for (unsigned int i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		as_expected &= log_of[1][at++] == expected[i];
		/* A GICv2 keeps an SGI for each sender. */
		if (expected[i] == SGI_TWICE && gic_version == 2)
			as_expected &= log_of[1][at++] == SGI_TWICE;
	}
	check("nested-in-the-right-order", as_expected);
	check_eq("nested-each-once", logged[1], at);
	if (as_expected && logged[1] == at)
		return;
	print("INFO order");
	for (unsigned int i = 0; i < logged[1]; i++)
		print(" %u", log_of[1][i]);
	print("\n");
}

/* --- CPU 2 --- */

static void prepare_2(void)
{
	interrupts(false);
	disable_interrupt(SGI_DISABLED);
	handler[VTIMER_PPI] = in_timer;
	enable_interrupt(VTIMER_PPI);
	write_sysreg("cntv_tval_el0", milliseconds(1000));
	write_sysreg("cntv_ctl_el0", 1);
	timer_armed = true;
}

static void wait_2(void)
{
	while (!go)
		;
	interrupts(true);
	(void)wait_until(taken[2][VTIMER_PPI]);
}

static void enable_late(void)
{
	enable_interrupt(SGI_DISABLED);
	delay(MOMENT);
}

/*
 * What the GIC says of itself, as far as CPU 0 sees it. Not what is pending: of an edge that another CPU
 * is about to take, KVM says nothing while that CPU runs. That they come, once, is seen later.
 */

static uint32_t before[2048];

static unsigned int look(bool compare)
{
	static const struct {
		unsigned int reg, bits;
	} regs[] = {
		{ GICD_IGROUPR, 1 }, { GICD_ISENABLER, 1 }, { GICD_ISACTIVER, 1 }, { GICD_IPRIORITYR, 8 },
		{ GICD_ICFGR, 2 },   { GICD_ITARGETSR, 8 }, { GICD_IROUTER, 64 },
	};
	/* Of a redistributor. */
	static const unsigned int own[] = {
		GICD_IGROUPR,         GICD_ISENABLER,       GICD_ISACTIVER,       GICD_IPRIORITYR,
		GICD_IPRIORITYR + 4,  GICD_IPRIORITYR + 8,  GICD_IPRIORITYR + 12, GICD_IPRIORITYR + 16,
		GICD_IPRIORITYR + 20, GICD_IPRIORITYR + 24, GICD_IPRIORITYR + 28, GICD_ICFGR,
		GICD_ICFGR + 4,
	};
	unsigned int n = 0, different = 0;

	for (unsigned int i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
		unsigned int first = gic_version == 3 ? 32 : 0;

		if (gic_version == 2 && regs[i].reg == GICD_IROUTER)
			break;
		for (unsigned int at = first * regs[i].bits / 8; at < 96 * regs[i].bits / 8; at += 4) {
			uint32_t is = read32(GIC_DIST + regs[i].reg + at);

			different += compare && is != before[n];
			before[n++] = is;
		}
	}
	for (unsigned int cpu = 0; gic_version == 3 && cpu < CPUS; cpu++)
		for (unsigned int i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
			uint32_t is = read32(redistributor(cpu) + 0x10000 + own[i]);

			different += compare && is != before[n];
			before[n++] = is;
		}
	return different;
}

/* --- LPIs, of a GICv3 with an ITS --- */

static bool have_its;

static void prepare_lpis(void)
{
	have_its = fdt_has("arm,gic-v3-its");
	if (!have_its) {
		skip("lpis", "this GIC has no ITS");
		return;
	}
	start_lpis(CPUS - 1);
	its_map_device(DEV, true);
	for (unsigned int n = LPI_READY; n <= LPI_BEFORE; n++) {
		configure_lpi(n, n != LPI_DISABLED);
		its_map_event(DEV, n, n, n == LPI_BEFORE ? 0 : 2);
		its_event(ITS_INV, DEV, n);
	}
	its_event(ITS_INT, DEV, LPI_READY);
	its_event(ITS_INT, DEV, LPI_DISABLED);
	its_event(ITS_INT, DEV, LPI_BEFORE);
	check("lpi", wait_until(lpis[0][LPI_BEFORE] == 1));
}

static unsigned int lpis_on_2(void)
{
	return lpis[2][LPI_READY] + lpis[2][LPI_DISABLED] + lpis[2][LPI_LATER];
}

static void check_lpis(void)
{
	if (!have_its)
		return;
	check("lpi-pending", wait_until(lpis[2][LPI_READY] == 1));
	delay(MOMENT);
	settle();
	check_eq("lpi-pending-once", lpis_on_2(), 1);
	configure_lpi(LPI_DISABLED, true);
	its_event(ITS_INV, DEV, LPI_DISABLED);
	check("lpi-pending-once-enabled", wait_until(lpis[2][LPI_DISABLED] == 1));
	write32(DEVICE + REG_MSI, DEV << 16 | LPI_LATER);
	check("lpi-of-a-device", wait_until(lpis[2][LPI_LATER] == 1));
	its_event(ITS_INT, DEV, LPI_LATER);
	check("lpi-of-a-command", wait_until(lpis[2][LPI_LATER] == 2));
	its_move_event(DEV, LPI_LATER, 0);
	write32(DEVICE + REG_MSI, DEV << 16 | LPI_LATER);
	check("lpi-moved", wait_until(lpis[0][LPI_LATER] == 1));
	write32(DEVICE + REG_MSI, (DEV + 1) << 16 | LPI_LATER);
	write32(DEVICE + REG_MSI, DEV << 16 | 9);
	delay(MOMENT);
	settle();
	check_eq("lpis-each-once", lpis_on_2(), 4);
	check_eq("commands-are-not-taken-again", lpis[0][LPI_BEFORE], 1);
}

/* --- CPU 0 --- */

static void save(void)
{
	static const uint64_t pattern[2]
		__attribute__((aligned(16))) = { 0x0123456789abcdef, 0xfedcba9876543210 };
	uint64_t vector[2] __attribute__((aligned(16))), thread;

	write_sysreg("cpacr_el1", 3 << 20); /* the vector registers may be used */
	write_sysreg("tpidr_el0", pattern[1]);
	__asm__ volatile("ldr q31, [%1]\n\t"
			 "str %w2, [%3]\n\t"
			 "str q31, [%0]\n\t"
			 :
			 : "r"(vector), "r"(pattern), "r"(1), "r"(DEVICE + REG_SAVE)
			 : "memory");
	thread = read_sysreg("tpidr_el0");
	check("vector-register", vector[0] == pattern[0] && vector[1] == pattern[1]);
	check_eq("system-register", thread, pattern[1]);
}

static void save_and_go_on(const char *unchanged, const char *ticking, const char *counting)
{
	unsigned int before_ticks;
	uint64_t when;

	interrupts(false);
	(void)look(false);
	when = now();
	save();
	check_eq(unchanged, look(true), 0);
	check(counting, now() > when);
	before_ticks = taken[0][VTIMER_PPI];
	interrupts(true);
	check(ticking, wait_until(taken[0][VTIMER_PPI] >= before_ticks + 10));
}

void guest_main(void)
{
	handler[VTIMER_PPI] = in_timer;
	enable_interrupt(VTIMER_PPI);
	write_sysreg("cntv_tval_el0", milliseconds(5));
	write_sysreg("cntv_ctl_el0", 1);
	enable_edge(EDGE_HIGH);
	interrupts(true);
	raise(EDGE_HIGH);
	check("edge", wait_until(taken[0][EDGE_HIGH] == 1));
	for (unsigned int cpu = 1; cpu < CPUS - 1; cpu++)
		check("cpu-on", start_cpu(cpu) == PSCI_SUCCESS && wait_until(is_up(cpu)));
	check("prepared", call_on(1, prepare_1) && call_on(2, prepare_2));
	prepare_lpis();
	send_sgi(SGI_DISABLED, 2);
	run_on(2, wait_2);
	run_on(1, nest);
	check("nested", wait_until(ready));
	send_sgi(SGI_TWICE, 1);
	check("ticks", wait_until(taken[0][VTIMER_PPI] >= 10));

	save_and_go_on("gic-unchanged", "goes-on-ticking", "counter-goes-on");
	save_and_go_on("gic-unchanged-again", "goes-on-ticking-again", "counter-goes-on-again");
	go = true;
	check("cpu-1-ends", wait_until(done_on(1)));
	check_order();
	check("cpu-2-ends", wait_until(done_on(2)));
	check_eq("timer-of-cpu-2-once", taken[2][VTIMER_PPI], 1);
	check_eq("sgi-while-disabled", taken[2][SGI_DISABLED], 0);
	check("late", call_on(2, enable_late));
	check_eq("sgi-once-enabled", taken[2][SGI_DISABLED], 1);
	check_lpis();
	lower(EDGE_HIGH);
	delay(MOMENT);
	check_eq("edge-does-not-come-again", taken[0][EDGE_HIGH], 1);
	edge(EDGE_HIGH);
	check("next-edge", wait_until(taken[0][EDGE_HIGH] == 2));
	check_eq("cpu-3-is-off", (uint64_t)psci(PSCI_AFFINITY_INFO, 3, 0, 0), 1);
	check("cpu-3-on", start_cpu(3) == PSCI_SUCCESS && wait_until(is_up(3)));
	check_eq("none-spurious", spurious, 0);
	interrupts(false);
}
