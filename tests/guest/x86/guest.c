// SPDX-License-Identifier: BSD-2-Clause
#include "guest.h"

/* docs/machine.md */
#define COM1          0x3f8
#define COM1_PIN      4
#define SLOT_PIN      16
#define VIRTIO_SLOT   0xd0000000ULL
#define IOAPIC        0xfec00000ULL
#define SLEEP_CONTROL 0x600
#define SLEEP_S5      (5 << 2 | 0x20)

struct gate {
	uint16_t offset_low, selector, type, offset_middle;
	uint32_t offset_high, reserved;
};

extern const uint8_t vectors[256][16];
extern const uint8_t trampoline[], trampoline_end[];

uint8_t stacks[MAX_CPUS][STACK_SIZE] __attribute__((aligned(STACK_SIZE)));
uint8_t cpu_of_id[256] = { 0, 1, 2, 3, 4, 5, 6, 7 };
uint32_t entry_kind, entry_cs, entry_cr0, entry_eax;
uint64_t entry_info, entry_flags;
const char *cmdline;
bool x2apic, pvm, kernel_lapic, kernel_ioapic;
unsigned int nr_cpus, unheard;
volatile unsigned int turns;
void (*volatile before_start)(void);

void (*volatile handler[256])(struct frame *);
volatile unsigned int taken[MAX_CPUS][256];
volatile unsigned int trace_length;
volatile uint8_t trace[64];

volatile uint8_t uart_break;

static struct gate idt[256] __attribute__((aligned(16)));
static void (*volatile job[MAX_CPUS])(void);
static volatile bool started[MAX_CPUS];
static unsigned int taken_before[MAX_CPUS];

void guest_start(void);
void guest_start_other(void);
void trap(struct frame *f);

static uint8_t line_status(void)
{
	uint8_t lsr = inb(COM1 + UART_LSR);

	uart_break |= lsr & LSR_BI;
	return lsr;
}

void put_char(char c)
{
	while (!(line_status() & LSR_THRE))
		pause();
	outb(COM1, (uint8_t)c);
}

void power_off(void)
{
	outb(SLEEP_CONTROL, SLEEP_S5);
	for (;;) {
		cli();
		hlt();
	}
}

/* --- interrupts and exceptions --- */

static bool is_msr_access(uint64_t rip)
{
	const uint8_t *code = (const uint8_t *)rip;

	return code[0] == 0x0f && (code[1] == 0x30 || code[1] == 0x32);
}

static void __attribute__((noreturn)) unexpected(const struct frame *f)
{
	print("\n");
	print("FAIL exception: vector %u, error 0x%lx, rip 0x%lx, cpu %u\n", (unsigned int)f->vector,
	      f->error, f->rip, this_cpu());
	power_off();
}

void trap(struct frame *f)
{
	unsigned int vector = (unsigned int)f->vector;
	void (*run)(struct frame * f) = handler[vector]; /* once: who waits for `taken` may change it then */

	if (vector == 13 && is_msr_access(f->rip)) {
		f->rip += 2;
		f->rsi = 13;
		return;
	}
	if (vector < 32 && vector != NMI && !run)
		unexpected(f);

	taken[this_cpu()][vector]++;
	if (!this_cpu() && trace_length < sizeof(trace))
		trace[trace_length++] = (uint8_t)vector;
	if (run)
		run(f);
	else if (vector != NMI && vector != SPURIOUS)
		eoi();
}

static void load_idt(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) idtr = { sizeof(idt) - 1, (uint64_t)idt };

	__asm__ volatile("lidt %0" : : "m"(idtr));
}

static void fill_idt(void)
{
	for (unsigned int i = 0; i < 256; i++) {
		uint64_t to = (uint64_t)vectors[i];

		idt[i].offset_low = (uint16_t)to;
		idt[i].offset_middle = (uint16_t)(to >> 16);
		idt[i].selector = SEL_CODE;
		idt[i].type = 0x8e00; /* present, 64-bit interrupt gate */
	}
}

/* --- local APIC --- */

uint32_t apic_read(uint32_t reg)
{
	return x2apic ? (uint32_t)rdmsr(MSR_X2APIC + reg / 16) : mmio_read(APIC_PAGE + reg);
}

void apic_write(uint32_t reg, uint32_t value)
{
	if (x2apic)
		wrmsr(MSR_X2APIC + reg / 16, value);
	else
		mmio_write(APIC_PAGE + reg, value);
}

bool apic_bit(uint32_t set, uint8_t vector)
{
	return apic_read(set + vector / 32 * 16) >> vector % 32 & 1;
}

uint32_t apic_id(void)
{
	uint32_t id = apic_read(APIC_ID);

	return x2apic ? id : id >> 24;
}

void ipi(uint32_t dest, uint32_t command)
{
	if (x2apic) {
		wrmsr(MSR_X2APIC + APIC_ICR / 16, (uint64_t)dest << 32 | command);
		return;
	}
	apic_write(APIC_ICR_HIGH, dest << 24);
	apic_write(APIC_ICR, command);
}

uint32_t apic_errors(void)
{
	apic_write(APIC_ESR, 0);
	return apic_read(APIC_ESR);
}

void lower_cr8(uint64_t value)
{
	write_cr8(value);
	if (pvm)
		(void)apic_read(APIC_ID);
}

bool left_out(bool deviates, const char *name, const char *reason)
{
	if (deviates)
		skip(name, reason);
	return deviates;
}

const char *named(const char *prefix, unsigned int n)
{
	static char name[64];
	unsigned int at = 0;

	while (*prefix && at < sizeof(name) - 6)
		name[at++] = *prefix++;
	name[at++] = '-';
	for (int shift = n < 0x10 ? 0 : n < 0x100 ? 4 : n < 0x1000 ? 8 : 12; shift >= 0; shift -= 4)
		name[at++] = "0123456789abcdef"[n >> shift & 15];
	name[at] = '\0';
	return name;
}

static void choose_front_end(void)
{
	if (x2apic)
		wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
}

/* --- the first CPU --- */

/* Offsets in the start info (Xen, "x86/HVM direct boot ABI"), the Multiboot information and boot_params. */
static const char *find_cmdline(void)
{
	if (entry_kind == ENTRY_PVH)
		return *(const char **)(entry_info + 24);
	return (const char *)(uint64_t) * (uint32_t *)(entry_info + (entry_kind == ENTRY_LONG ? 0x228 : 16));
}

void guest_start(void)
{
	entry_flags = flags();
	fill_idt();
	load_idt();
	cmdline = find_cmdline();
	x2apic = option("x2apic");
	pvm = option("pvm");
	kernel_lapic = option("kernel-lapic");
	kernel_ioapic = option("kernel-ioapic");
	nr_cpus = (unsigned int)option_number("cpus", 1);
	choose_front_end();
	guest_main();
	finish();
}

/* --- further CPUs --- */

void guest_start_other(void)
{
	unsigned int cpu = this_cpu();

	load_idt();
	if (before_start)
		before_start();
	choose_front_end();
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	started[cpu] = true;
	sti();
	for (;;) {
		while (!job[cpu])
			pause();
		job[cpu]();
		job[cpu] = NULL;
	}
}

bool done_on(unsigned int cpu)
{
	return started[cpu] && !job[cpu];
}

void run_on(unsigned int cpu, void (*run)(void))
{
	job[cpu] = run;
}

bool call_on(unsigned int cpu, void (*run)(void))
{
	if (!cpu) {
		run();
		return true;
	}
	run_on(cpu, run);
	return wait_until(done_on(cpu));
}

void prepare_start(unsigned int cpu)
{
	memcpy((void *)TRAMPOLINE, trampoline, (size_t)(trampoline_end - trampoline));
	*(unsigned int *)stacks[cpu] = cpu;
	job[cpu] = NULL;
	started[cpu] = false;
}

bool start_cpu(unsigned int cpu)
{
	prepare_start(cpu);
	/* Section "MP Initialization Protocol Algorithm for MP Systems", but for its delays. */
	ipi(cpu, ICR_INIT | ICR_LEVEL | ICR_ASSERT);
	ipi(cpu, ICR_INIT | ICR_LEVEL);
	ipi(cpu, ICR_STARTUP | STARTUP_VECTOR);
	ipi(cpu, ICR_STARTUP | STARTUP_VECTOR);
	return wait_until(done_on(cpu));
}

/* An exit, behind which the host looks for interrupts before this CPU goes on. */
static void make_exit(void)
{
	(void)apic_read(APIC_ID);
}

void settle(void)
{
	unsigned int asked = 0;

	for (unsigned int cpu = 1; cpu < nr_cpus; cpu++) {
		if (unheard >> cpu & 1 || !done_on(cpu))
			continue;
		run_on(cpu, make_exit);
		asked |= 1u << cpu;
	}
	make_exit();
	for (unsigned int cpu = 1; cpu < nr_cpus; cpu++)
		if (asked >> cpu & 1 && !wait_until(done_on(cpu)))
			check("settled", false);
}

static void turn(void)
{
	for (;;)
		turns++;
}

bool turns_on(unsigned int cpu)
{
	unsigned int before = turns;

	run_on(cpu, turn);
	return wait_until(turns != before);
}

bool stops(unsigned int cpu, void (*stop)(void))
{
	for (unsigned int tries = 0; tries < TRIES; tries++) {
		unsigned int before;

		if ((tries && !start_cpu(cpu)) || !turns_on(cpu))
			return false;
		stop();
		delay(MOMENT);
		before = turns;
		delay(MOMENT);
		if (turns == before)
			return true;
	}
	return false;
}

/* --- who takes an interrupt --- */

void remember(uint8_t vector)
{
	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		taken_before[cpu] = taken[cpu][vector];
}

unsigned int taken_by(unsigned int cpu, uint8_t vector)
{
	return taken[cpu][vector] - taken_before[cpu];
}

unsigned int taken_by_all(uint8_t vector)
{
	unsigned int n = 0;

	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		n += taken_by(cpu, vector);
	return n;
}

unsigned int all_taken(void)
{
	unsigned int n = 0;

	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++)
		for (unsigned int vector = 0; vector < 256; vector++)
			n += taken[cpu][vector];
	return n;
}

unsigned int takers(uint8_t vector)
{
	unsigned int set = 0;

	for (unsigned int cpu = 0; cpu < nr_cpus; cpu++) {
		unsigned int n = taken_by(cpu, vector);

		if (n > 1)
			return ~0u;
		set |= n << cpu;
	}
	return set;
}

void check_taken(const char *name, uint8_t vector, unsigned int expected)
{
	(void)wait_until(takers(vector) == expected);
	delay(MOMENT / 4);
	settle();
	check_eq(name, takers(vector), expected);
}

void check_takers(const char *name, uint32_t dest, uint32_t command, unsigned int expected)
{
	uint8_t vector = (command & ICR_STARTUP) == ICR_NMI ? NMI : (uint8_t)command;

	remember(vector);
	ipi(dest, command);
	check_taken(name, vector, expected);
}

/* --- machine.h --- */

#define VECTOR_UART VECTOR(6)
#define VECTOR_SLOT VECTOR(7)
#define VECTOR_TICK VECTOR(5)
#define RTE_LEVEL   0x8000

static void (*uart_run)(void);

uint8_t uart_read(unsigned int reg)
{
	return inb((uint16_t)(COM1 + reg));
}

void uart_write(unsigned int reg, uint8_t value)
{
	outb((uint16_t)(COM1 + reg), value);
}

void uart_send(const char *from, unsigned int n)
{
	uint64_t count = n;

	__asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"((uint16_t)COM1) : "memory");
}

static void serve_uart(struct frame *f)
{
	(void)f;
	uart_run();
	eoi();
}

void on_uart(void (*run)(void))
{
	uart_run = run;
	handler[VECTOR_UART] = serve_uart;
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	mmio_write(IOAPIC, 0x10 + 2 * COM1_PIN + 1);
	mmio_write(IOAPIC + 0x10, apic_id() << 24);
	mmio_write(IOAPIC, 0x10 + 2 * COM1_PIN);
	mmio_write(IOAPIC + 0x10, RTE_LEVEL | VECTOR_UART);
}

uint32_t slot_read(uint32_t reg)
{
	return mmio_read(VIRTIO_SLOT + reg);
}

void slot_write(uint32_t reg, uint32_t value)
{
	mmio_write(VIRTIO_SLOT + reg, value);
}

static void (*slot_run)(void);

static void serve_slot(struct frame *f)
{
	(void)f;
	slot_run();
	eoi();
}

void on_slot(void (*run)(void))
{
	slot_run = run;
	handler[VECTOR_SLOT] = serve_slot;
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	mmio_write(IOAPIC, 0x10 + 2 * SLOT_PIN + 1);
	mmio_write(IOAPIC + 0x10, apic_id() << 24);
	mmio_write(IOAPIC, 0x10 + 2 * SLOT_PIN);
	mmio_write(IOAPIC + 0x10, VECTOR_SLOT);
}

void memory_order(void)
{
	__asm__ volatile("mfence" : : : "memory");
}

void sleep_until_interrupt(void)
{
	sti_hlt();
	cli();
}

void interrupts(bool on)
{
	if (on)
		sti();
	else
		cli();
}

void start_ticks(void)
{
	apic_write(APIC_SVR, SVR_ENABLE | SPURIOUS);
	apic_write(APIC_LVT_TIMER, LVT_PERIODIC | VECTOR_TICK);
	apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
	apic_write(APIC_TIMER_INITIAL, 5000000);
}

void stop_ticks(void)
{
	apic_write(APIC_TIMER_INITIAL, 0);
}

unsigned int nmis(void)
{
	return taken[this_cpu()][NMI];
}

unsigned int ticks(void)
{
	return taken[this_cpu()][VECTOR_TICK];
}
