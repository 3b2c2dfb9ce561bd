/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a tiny guest for x86-64 is built on: one program in 64-bit mode, the low 4 GiB mapped one to
 * one, an IDT whose vectors count, the local APIC by either front end, and further CPUs to run
 * functions on. Registers and their bits: Intel SDM volume 3, chapter "Advanced Programmable Interrupt
 * Controller (APIC)".
 */
#ifndef GUEST_X86_H
#define GUEST_X86_H

#include "layout.h"
#include "machine.h"

/* --- instructions --- */

static inline void outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void outw(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void outl(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline uint16_t inw(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline uint32_t inl(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

/* RDMSR and WRMSR return the vector of the exception they raised (13), or 0. See trap(). */
static inline unsigned int rdmsr_try(uint32_t msr, uint64_t *value)
{
	uint32_t low = 0, high = 0, fault = 0;

	__asm__ volatile("rdmsr" : "+a"(low), "+d"(high), "+S"(fault) : "c"(msr) : "memory");
	*value = (uint64_t)high << 32 | low;
	return fault;
}

static inline unsigned int wrmsr_try(uint32_t msr, uint64_t value)
{
	uint32_t fault = 0;

	__asm__ volatile("wrmsr"
			 : "+S"(fault)
			 : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(msr)
			 : "memory");
	return fault;
}

static inline uint64_t rdmsr(uint32_t msr)
{
	uint64_t value;

	rdmsr_try(msr, &value);
	return value;
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	wrmsr_try(msr, value);
}

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid r = { .eax = leaf, .ecx = subleaf };

	__asm__ volatile("cpuid" : "+a"(r.eax), "=b"(r.ebx), "+c"(r.ecx), "=d"(r.edx));
	return r;
}

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static inline uint64_t read_cr8(void)
{
	uint64_t value;

	__asm__ volatile("movq %%cr8, %0" : "=r"(value) : : "memory");
	return value;
}

static inline void write_cr8(uint64_t value)
{
	__asm__ volatile("movq %0, %%cr8" : : "r"(value) : "memory");
}

static inline uint64_t flags(void)
{
	uint64_t value;

	__asm__ volatile("pushfq; popq %0" : "=r"(value) : : "memory");
	return value;
}

#define FLAG_IF 0x200

static inline void cli(void)
{
	__asm__ volatile("cli" : : : "memory");
}

/* With an instruction after it, so that pending interrupts have been taken when it is done. */
static inline void sti(void)
{
	__asm__ volatile("sti; nop; nop" : : : "memory");
}

/* Sleeps with interrupts on, without a gap between the two in which one could slip through. */
static inline void sti_hlt(void)
{
	__asm__ volatile("sti; hlt" : : : "memory");
}

static inline void hlt(void)
{
	__asm__ volatile("hlt" : : : "memory");
}

static inline void pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

static inline uint32_t mmio_read(uint64_t addr)
{
	return *(volatile uint32_t *)addr;
}

static inline void mmio_write(uint64_t addr, uint32_t value)
{
	*(volatile uint32_t *)addr = value;
}

/* --- time: some thousand million TSC ticks make a second on every machine this may run on --- */

/*
 * The host may be busy, and let any of its threads, thus any CPU of this guest, stand still for seconds. No check may
 * depend on who is first, other than by what it has seen; where it has to, it finds out that it was late, and tries
 * again, at most TRIES times.
 */
#define PATIENCE 80000000000ULL /* most of a minute: only a failing check waits so long */
#define MOMENT   20000000ULL /* some milliseconds: what is not there by then is hardly coming: see settle() */
#define LATE     (20 * MOMENT) /* who is not there by then is late */
#define TRIES    10

#define wait_within(ticks, condition)                                         \
	({                                                                    \
		uint64_t begin_ = rdtsc();                                    \
		bool holds_;                                                  \
		while (!(holds_ = (condition)) && rdtsc() - begin_ < (ticks)) \
			pause();                                              \
		holds_;                                                       \
	})
#define wait_until(condition) wait_within(PATIENCE, condition)

static inline void delay(uint64_t ticks)
{
	uint64_t begin = rdtsc();

	while (rdtsc() - begin < ticks)
		pause();
}

/* --- interrupts and exceptions --- */

struct frame {
	uint64_t rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

/*
 * Interrupts of vectors from 32 and NMIs are counted, on the CPU that took them, then given to the
 * vector's handler if it has one; else ended (EOI). A #GP of RDMSR or WRMSR skips it, with 13 in RSI. Any
 * other exception fails the guest.
 */
extern void (*volatile handler[256])(struct frame *);
extern volatile unsigned int taken[MAX_CPUS][256];

/* The vectors that CPU 0 has taken, in order; set trace_length to 0 to begin anew. */
extern volatile unsigned int trace_length;
extern volatile uint8_t trace[64];

#define NMI           2
#define SPURIOUS      0xff
#define VECTOR(class) ((class) << 4 | 1)

/* --- the CPU this runs on, from 0 --- */

static inline unsigned int this_cpu(void)
{
	uint64_t sp;

	__asm__ volatile("movq %%rsp, %0" : "=r"(sp));
	return *(unsigned int *)(sp & ~(STACK_SIZE - 1ULL));
}

/* --- local APIC --- */

enum {
	APIC_ID = 0x20,
	APIC_VERSION = 0x30,
	APIC_TPR = 0x80,
	APIC_APR = 0x90,
	APIC_PPR = 0xa0,
	APIC_EOI = 0xb0,
	APIC_RRD = 0xc0,
	APIC_LDR = 0xd0,
	APIC_DFR = 0xe0,
	APIC_SVR = 0xf0,
	APIC_ISR = 0x100,
	APIC_TMR = 0x180,
	APIC_IRR = 0x200,
	APIC_ESR = 0x280,
	APIC_LVT_CMCI = 0x2f0,
	APIC_ICR = 0x300,
	APIC_ICR_HIGH = 0x310,
	APIC_LVT_TIMER = 0x320,
	APIC_LVT_THERMAL = 0x330,
	APIC_LVT_PERF = 0x340,
	APIC_LVT_LINT0 = 0x350,
	APIC_LVT_LINT1 = 0x360,
	APIC_LVT_ERROR = 0x370,
	APIC_TIMER_INITIAL = 0x380,
	APIC_TIMER_CURRENT = 0x390,
	APIC_TIMER_DIVIDE = 0x3e0,
	APIC_SELF_IPI = 0x3f0,

	SVR_ENABLE = 0x100,
	SVR_FOCUS_OFF = 0x200,
	SVR_NO_BROADCAST = 0x1000,
	ESR_SEND_ILLEGAL = 0x20,
	ESR_RECEIVE_ILLEGAL = 0x40,
	ESR_ILLEGAL_REGISTER = 0x80,
	LVT_MASKED = 0x10000,
	LVT_PERIODIC = 0x20000,
	LVT_DEADLINE = 0x40000,

	ICR_MODE = 0x700,
	ICR_LOWEST = 0x100,
	ICR_SMI = 0x200,
	ICR_NMI = 0x400,
	ICR_INIT = 0x500,
	ICR_STARTUP = 0x600,
	ICR_LOGICAL = 0x800,
	ICR_ASSERT = 0x4000,
	ICR_LEVEL = 0x8000,
	ICR_SELF = 0x40000,
	ICR_ALL = 0x80000,
	ICR_OTHERS = 0xc0000,

	DIVIDE_BY_1 = 0xb,
	DIVIDE_BY_2 = 0x0,
	DIVIDE_BY_4 = 0x1,
	DIVIDE_BY_8 = 0x2,
	DIVIDE_BY_16 = 0x3,
	DIVIDE_BY_32 = 0x8,
	DIVIDE_BY_64 = 0x9,
	DIVIDE_BY_128 = 0xa,
};

#define MSR_APIC_BASE    0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC       0x800
#define APIC_PAGE        0xfee00000ULL
#define APIC_BASE_BSP    0x100
#define APIC_BASE_X2APIC 0x400
#define APIC_BASE_ENABLE 0x800

/* The front end in use: that of the word "x2apic" on the command line, on every CPU. */
extern bool x2apic;

uint32_t apic_read(uint32_t reg);
void apic_write(uint32_t reg, uint32_t value);
bool apic_bit(uint32_t set, uint8_t vector); /* in APIC_ISR, APIC_TMR or APIC_IRR */
uint32_t apic_id(void);

/* `dest`: an APIC id or logical destination, without shift. */
void ipi(uint32_t dest, uint32_t command);

static inline void eoi(void)
{
	apic_write(APIC_EOI, 0);
}

/* What came up since the last write of ESR. */
uint32_t apic_errors(void);

/*
 * True with the word "pvm" on the command line. kvm_pvm runs guest kernels by emulation, many
 * instructions in one go, and looks for a pending interrupt only before and after: an interrupt comes
 * some instructions after STI, and lowering CR8 is not noticed before the guest's next access to a
 * device.
 */
extern bool pvm;

/* Lowers CR8, and sees to it that it is noticed. */
void lower_cr8(uint64_t value);

/*
 * True with the words "kernel-lapic" and "kernel-ioapic": they are KVM's own, which differ from the
 * manuals here and there. What is known is not checked on them.
 */
extern bool kernel_lapic, kernel_ioapic;

/* If `deviates`, says that the check `name` is not made, for `reason`. */
bool left_out(bool deviates, const char *name, const char *reason);

/* "prefix-n" with `n` in hexadecimal; good until the next call. */
const char *named(const char *prefix, unsigned int n);

/* --- how the kernel was entered --- */

extern uint32_t entry_kind, entry_cs, entry_cr0, entry_eax; /* EAX not with ENTRY_LONG */
extern uint64_t entry_info, entry_flags; /* start info, Multiboot information or boot_params; RFLAGS */

/* --- more CPUs --- */

/* As many as the word "cpus=N" says; 1 without. Their APIC ids are their numbers, but for cpu_of_id. */
extern unsigned int nr_cpus;
/* Their numbers by the low 8 bits of their APIC ids; to be changed for one of a high id. */
extern uint8_t cpu_of_id[256];

static inline unsigned int all_cpus(void)
{
	return (1u << nr_cpus) - 1;
}

/* Starts CPU `cpu` (its APIC id) with INIT and SIPI; it then serves run_on(). */
bool start_cpu(unsigned int cpu);
/* Prepares the start of CPU `cpu` by a SIPI of vector STARTUP_VECTOR. */
void prepare_start(unsigned int cpu);
/* Called on a CPU that a SIPI starts, before it touches its local APIC; NULL: nothing is. */
extern void (*volatile before_start)(void);
#define STARTUP_VECTOR (TRAMPOLINE >> 12)
/* Has `cpu` call `run` with interrupts on; done_on() tells when it has come back. */
void run_on(unsigned int cpu, void (*run)(void));
bool done_on(unsigned int cpu);
/* Both, and waits. CPU 0 just calls. */
bool call_on(unsigned int cpu, void (*run)(void));

/*
 * Waits until every CPU that runs has come out of its handlers, and has taken what was sent to it before: what has
 * not come by then is not coming. Fails the check "settled" if one does not answer. CPUs that have something to do
 * are not waited for, nor those in `unheard`.
 */
void settle(void);
extern unsigned int unheard;

/*
 * True if CPU `cpu` runs in circles, and stops when `stop` has sent it an INIT; it then waits for a startup IPI. If
 * it is late to stop, it is tried again.
 */
bool stops(unsigned int cpu, void (*stop)(void));
/* Has it run in circles, which are counted. */
bool turns_on(unsigned int cpu);
extern volatile unsigned int turns;

/* --- who takes an interrupt, as bit masks of CPUs --- */

/* Begins to count those of `vector`. */
void remember(uint8_t vector);
/* The CPUs that took it exactly once since; all bits if one took it more often. */
unsigned int takers(uint8_t vector);
/* How often it was taken since, by `cpu` and by all. */
unsigned int taken_by(unsigned int cpu, uint8_t vector);
unsigned int taken_by_all(uint8_t vector);
/* How many interrupts and NMIs of all vectors all CPUs have taken so far. */
unsigned int all_taken(void);

/* Sends an IPI, waits until those `expected` have taken it, and until all have settled. */
void check_takers(const char *name, uint32_t dest, uint32_t command, unsigned int expected);
/* Waits like this for what has been sent by other means since remember(). */
void check_taken(const char *name, uint8_t vector, unsigned int expected);

#endif
