// SPDX-License-Identifier: BSD-2-Clause
#include "guest.h"
#include "gicd.h"

extern const uint8_t start_other[];

uint8_t stacks[MAX_CPUS][STACK_SIZE] __attribute__((aligned(16)));
struct entry entry __attribute__((section(".data"))) = { 0 };
const char *cmdline;

void (*volatile handler[1020])(void);
volatile unsigned int taken[MAX_CPUS][1020];
volatile unsigned int lpis[MAX_CPUS][MAX_LPIS];
volatile unsigned int spurious;
volatile unsigned int fiqs;
volatile uint64_t last_esr, last_far;
volatile bool expecting;
unsigned int gic_version;

volatile uint8_t uart_break;

static unsigned int cpus;
static void (*volatile job[MAX_CPUS])(void);
static volatile bool up[MAX_CPUS];

void guest_start(void);
void guest_start_other(void);
void trap(struct frame *f, uint64_t kind);

uint8_t uart_read(unsigned int reg)
{
	return read8(UART + reg);
}

void uart_write(unsigned int reg, uint8_t value)
{
	write8(UART + reg, value);
}

static uint8_t line_status(void)
{
	uint8_t lsr = uart_read(UART_LSR);

	uart_break |= lsr & LSR_BI;
	return lsr;
}

void put_char(char c)
{
	while (!(line_status() & LSR_THRE))
		;
	uart_write(UART_DATA, (uint8_t)c);
}

int64_t psci(uint64_t function, uint64_t a, uint64_t b, uint64_t c)
{
	register uint64_t x0 __asm__("x0") = function;
	register uint64_t x1 __asm__("x1") = a;
	register uint64_t x2 __asm__("x2") = b;
	register uint64_t x3 __asm__("x3") = c;

	/* SMC Calling Convention, "Register use in AArch64 SMC and HVC calls". */
	__asm__ volatile("hvc #0"
			 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
			 :
			 : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
			   "x16", "x17", "memory");
	/* A function of 32 bits returns 32 of them. */
	return function >> 30 & 1 ? (int64_t)x0 : (int32_t)x0;
}

void power_off(void)
{
	psci(PSCI_SYSTEM_OFF, 0, 0, 0);
	for (;;)
		wfi();
}

/* --- time --- */

uint64_t milliseconds(uint64_t n)
{
	return read_sysreg("cntfrq_el0") * n / 1000;
}

void delay(uint64_t wait)
{
	uint64_t begin = now();

	while (now() - begin < wait)
		;
}

/* --- device tree (Devicetree Specification, "Flattened Devicetree (DTB) Format") --- */

static uint32_t be32(const void *at)
{
	const uint8_t *b = at;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static bool same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static uint32_t length(const char *s)
{
	uint32_t n = 0;

	while (s[n])
		n++;
	return n;
}

const void *fdt_property(const char *node, const char *property, uint32_t *size)
{
	const uint8_t *fdt = (const uint8_t *)entry.x0;
	const uint8_t *at = fdt + be32(fdt + 8);
	const char *strings = (const char *)fdt + be32(fdt + 12);
	int depth = 0, inside = 0;

	for (;;) {
		uint32_t token = be32(at), n;

		at += 4;
		switch (token) {
		case 1: /* FDT_BEGIN_NODE */
			depth++;
			if (depth == (*node == '/' ? 1 : 2) && (*node == '/' || same((const char *)at, node)))
				inside = depth;
			at += (length((const char *)at) + 4) & ~3u;
			break;
		case 2: /* FDT_END_NODE */
			if (inside == depth)
				inside = 0;
			depth--;
			break;
		case 3: /* FDT_PROP */
			n = be32(at);
			if (inside == depth && same(strings + be32(at + 4), property)) {
				*size = n;
				return at + 8;
			}
			at += 8 + ((n + 3) & ~3u);
			break;
		case 4: /* FDT_NOP */
			break;
		default:
			return NULL;
		}
	}
}

uint64_t fdt_number(const void *cells, uint32_t size)
{
	const uint8_t *at = cells;
	uint64_t n = 0;

	while (size--)
		n = n << 8 | *at++;
	return n;
}

bool fdt_has(const char *text)
{
	const char *at = (const char *)entry.x0;
	uint32_t n = length(text);

	for (const char *end = at + be32(at + 4) - n; at < end; at++)
		if (*at == *text && !memcmp(at, text, n))
			return true;
	return false;
}

/* --- GIC --- */

enum {
	GICR_SGI_BASE = 0x10000, /* the second page of a redistributor has the registers of SGIs and PPIs */

	GICC_CTLR = 0x00,
	GICC_PMR = 0x04,
	GICC_IAR = 0x0c,
	GICC_EOIR = 0x10,
};

uint64_t redistributor(unsigned int cpu)
{
	return GIC_DIST - (cpus - cpu) * GIC_REDIST;
}

uint64_t bank(unsigned int intid)
{
	if (gic_version == 3 && intid < 32)
		return redistributor(this_cpu()) + GICR_SGI_BASE;
	return GIC_DIST;
}

static void enable(unsigned int intid, uint32_t trigger)
{
	uint64_t base = bank(intid);
	uint32_t bit = 1u << intid % 32;

	if (gic_version == 3) {
		write32(base + GICD_IGROUPR + intid / 32 * 4,
			read32(base + GICD_IGROUPR + intid / 32 * 4) | bit);
		if (intid >= 32)
			write64(base + GICD_IROUTER + intid * 8, this_cpu());
	} else if (intid >= 32) {
		write8(base + GICD_ITARGETSR + intid, (uint8_t)(1u << this_cpu()));
	}
	if (intid >= 32) {
		uint64_t config = base + GICD_ICFGR + intid / 16 * 4;

		write32(config, (read32(config) & ~(3u << intid % 16 * 2)) | trigger << intid % 16 * 2);
	}
	write32(base + GICD_ISENABLER + intid / 32 * 4, bit);
}

void enable_interrupt(unsigned int intid)
{
	enable(intid, 0);
}

void enable_edge(unsigned int intid)
{
	enable(intid, 2);
}

void disable_interrupt(unsigned int intid)
{
	write32(bank(intid) + GICD_ICENABLER + intid / 32 * 4, 1u << intid % 32);
	barrier();
}

bool is_pending(unsigned int intid)
{
	return read32(bank(intid) + GICD_ISPENDR + intid / 32 * 4) >> intid % 32 & 1;
}

void send_sgi(unsigned int intid, unsigned int cpu)
{
	barrier();
	if (gic_version == 3)
		write_sysreg(ICC_SGI1R, (uint64_t)intid << 24 | 1u << cpu);
	else
		write32(GIC_DIST + GICD_SGIR, 1u << (16 + cpu) | intid);
}

static void start_gic(void)
{
	if (gic_version == 3) {
		if (!this_cpu())
			write32(GIC_DIST + GICD_CTLR, 0x12); /* affinity routing, group 1 */
		write_sysreg(ICC_SRE, 7);
		write_sysreg(ICC_PMR, 0xf0);
		write_sysreg(ICC_IGRPEN1, 1);
	} else {
		if (!this_cpu())
			write32(GIC_DIST + GICD_CTLR, 1);
		write32(GIC_CPU + GICC_PMR, 0xf0);
		write32(GIC_CPU + GICC_CTLR, 1);
	}
}

static void take_interrupt(void)
{
	uint32_t iar = gic_version == 3 ? (uint32_t)read_sysreg(ICC_IAR1) : read32(GIC_CPU + GICC_IAR);
	uint32_t intid = iar & (gic_version == 3 ? 0xffffff : 0x3ff);

	if (intid >= 1020 && intid < FIRST_LPI) {
		spurious++;
		return;
	}
	if (intid < 1020) {
		void (*run)(void) = handler[intid]; /* once: who waits for `taken` may change it then */

		taken[this_cpu()][intid]++;
		if (run)
			run();
	} else if (intid - FIRST_LPI < MAX_LPIS) {
		lpis[this_cpu()][intid - FIRST_LPI]++;
	} else {
		spurious++;
	}
	barrier();
	if (gic_version == 3)
		write_sysreg(ICC_EOIR1, iar);
	else
		write32(GIC_CPU + GICC_EOIR, iar); /* with the sender of an SGI */
}

/* `kind`: the number of the vector; the second four are those of EL1 with its own stack. */
void trap(struct frame *f, uint64_t kind)
{
	uint64_t esr = read_sysreg("esr_el1");

	if (kind == 5 || kind == 6) {
		fiqs += kind == 6;
		take_interrupt();
	} else if (kind == 4 && expecting && !this_cpu()) {
		last_esr = esr;
		last_far = read_sysreg("far_el1");
		f->elr += 4;
	} else {
		print("\nFAIL exception: vector %u, esr 0x%lx, elr 0x%lx, far 0x%lx, cpu %u\n",
		      (unsigned int)kind, esr, f->elr, read_sysreg("far_el1"), this_cpu());
		power_off();
	}
}

/* --- CPUs --- */

static unsigned int count_cpus(void)
{
	return (unsigned int)option_number("cpus", 1);
}

void guest_start(void)
{
	uint32_t size;

	cmdline = fdt_property("chosen", "bootargs", &size);
	gic_version = fdt_has("arm,gic-v3") ? 3 : 2;
	cpus = count_cpus();
	start_gic();
	guest_main();
	finish();
}

void guest_start_other(void)
{
	unsigned int cpu = this_cpu();

	start_gic();
	up[cpu] = true;
	interrupts(true);
	for (;;) {
		while (!job[cpu])
			;
		barrier();
		job[cpu]();
		barrier();
		job[cpu] = NULL;
	}
}

int64_t start_cpu(unsigned int cpu)
{
	up[cpu] = false;
	job[cpu] = NULL;
	barrier();
	return psci(PSCI_CPU_ON, cpu, (uint64_t)start_other, cpu);
}

bool is_up(unsigned int cpu)
{
	return up[cpu];
}

bool done_on(unsigned int cpu)
{
	return !job[cpu];
}

void run_on(unsigned int cpu, void (*run)(void))
{
	barrier();
	job[cpu] = run;
	barrier();
}

bool call_on(unsigned int cpu, void (*run)(void))
{
	run_on(cpu, run);
	return wait_until(done_on(cpu));
}

/* An exit, behind which the host looks for interrupts before this CPU goes on. */
static void make_exit(void)
{
	(void)uart_read(UART_SCR);
}

void settle(void)
{
	unsigned int asked = 0;

	for (unsigned int cpu = 1; cpu < cpus; cpu++) {
		if (!up[cpu] || job[cpu])
			continue;
		run_on(cpu, make_exit);
		asked |= 1u << cpu;
	}
	make_exit();
	for (unsigned int cpu = 1; cpu < cpus; cpu++)
		if (asked >> cpu & 1 && !wait_until(done_on(cpu)))
			check("settled", false);
}

void fast_interrupts(bool on)
{
	if (on)
		__asm__ volatile("msr daifclr, #1; isb" : : : "memory");
	else
		__asm__ volatile("msr daifset, #1; isb" : : : "memory");
}

/* --- machine.h --- */

void interrupts(bool on)
{
	if (on)
		__asm__ volatile("msr daifclr, #2; isb" : : : "memory");
	else
		__asm__ volatile("msr daifset, #2; isb" : : : "memory");
}

void sleep_until_interrupt(void)
{
	wfi();
	interrupts(true);
	interrupts(false);
}

void uart_send(const char *from, unsigned int n)
{
	while (n--)
		uart_write(UART_DATA, (uint8_t)*from++);
}

void on_uart(void (*run)(void))
{
	handler[UART_SPI] = run;
	enable_interrupt(UART_SPI);
}

uint32_t slot_read(uint32_t reg)
{
	return read32(VIRTIO_SLOT + reg);
}

void slot_write(uint32_t reg, uint32_t value)
{
	write32(VIRTIO_SLOT + reg, value);
}

void on_slot(void (*run)(void))
{
	handler[SLOT_SPI] = run;
	enable_edge(SLOT_SPI);
}

void memory_order(void)
{
	barrier();
}

static void next_tick(void)
{
	write_sysreg("cntv_tval_el0", milliseconds(5));
}

void start_ticks(void)
{
	handler[VTIMER_PPI] = next_tick;
	enable_interrupt(VTIMER_PPI);
	next_tick();
	write_sysreg("cntv_ctl_el0", 1);
}

void stop_ticks(void)
{
	write_sysreg("cntv_ctl_el0", 0);
	handler[VTIMER_PPI] = NULL;
}

unsigned int nmis(void)
{
	return 0;
}

unsigned int ticks(void)
{
	return taken[this_cpu()][VTIMER_PPI];
}
