/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a tiny guest for aarch64 is built on: one program at EL1 with the MMU off, exceptions that are
 * counted, a GICv3 or GICv2 as the device tree says (Arm Generic Interrupt Controller Architecture
 * Specification, versions 3 and 2), PSCI by HVC, and further CPUs to run functions on. With the MMU off
 * there are no caches, hence no exclusive accesses: CPUs talk by plain loads and stores.
 */
#ifndef GUEST_ARM64_H
#define GUEST_ARM64_H

#include "layout.h"
#include "machine.h"

/* --- addresses: docs/machine.md --- */

#define UART        0x40000000ULL
#define RTC         0x40001000ULL
#define PVPANIC     0x40002000ULL
#define VIRTIO_SLOT 0x40010000ULL
#define NO_DEVICE   0x50000000ULL /* nothing is there */
#define GIC_DIST    0x3fff0000ULL
#define GIC_CPU     0x3ffd0000ULL /* GICv2 */
#define GIC_REDIST  0x20000ULL    /* GICv3: size of each; they end where the distributor begins */
#define GIC_ITS     0x3bfd0000ULL
#define GIC_V2M     0x3bfc0000ULL
#define RAM         0x80000000ULL

#define UART_SPI   32 /* INTID of SPI 0 */
#define SLOT_SPI   48 /* INTID of SPI 16 */
#define VTIMER_PPI 27

/* --- instructions --- */

#define read_sysreg(name)                                                      \
	({                                                                     \
		uint64_t value_;                                               \
		__asm__ volatile("mrs %0, " name : "=r"(value_) : : "memory"); \
		value_;                                                        \
	})
#define write_sysreg(name, value) \
	__asm__ volatile("msr " name ", %0; isb" : : "r"((uint64_t)(value)) : "memory")

#define ICC_IAR1    "S3_0_C12_C12_0"
#define ICC_EOIR1   "S3_0_C12_C12_1"
#define ICC_SGI1R   "S3_0_C12_C11_5"
#define ICC_PMR     "S3_0_C4_C6_0"
#define ICC_SRE     "S3_0_C12_C12_5"
#define ICC_IGRPEN1 "S3_0_C12_C12_7"

static inline void barrier(void)
{
	__asm__ volatile("dsb sy" : : : "memory");
}

/*
 * Device accesses as single loads and stores without write-back, which is what a VMM can be told of:
 * the compiler must not choose.
 */
static inline uint8_t read8(uint64_t addr)
{
	uint32_t value;

	__asm__ volatile("ldrb %w0, [%1]" : "=r"(value) : "r"(addr) : "memory");
	return (uint8_t)value;
}

static inline uint16_t read16(uint64_t addr)
{
	uint32_t value;

	__asm__ volatile("ldrh %w0, [%1]" : "=r"(value) : "r"(addr) : "memory");
	return (uint16_t)value;
}

static inline uint32_t read32(uint64_t addr)
{
	uint32_t value;

	__asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(addr) : "memory");
	return value;
}

static inline uint64_t read64(uint64_t addr)
{
	uint64_t value;

	__asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"(addr) : "memory");
	return value;
}

static inline void write8(uint64_t addr, uint8_t value)
{
	__asm__ volatile("strb %w0, [%1]" : : "r"((uint32_t)value), "r"(addr) : "memory");
}

static inline void write16(uint64_t addr, uint16_t value)
{
	__asm__ volatile("strh %w0, [%1]" : : "r"((uint32_t)value), "r"(addr) : "memory");
}

static inline void write32(uint64_t addr, uint32_t value)
{
	__asm__ volatile("str %w0, [%1]" : : "r"(value), "r"(addr) : "memory");
}

static inline void write64(uint64_t addr, uint64_t value)
{
	__asm__ volatile("str %0, [%1]" : : "r"(value), "r"(addr) : "memory");
}

static inline void wfi(void)
{
	__asm__ volatile("dsb sy; wfi" : : : "memory");
}

/* --- time --- */

static inline uint64_t now(void)
{
	__asm__ volatile("isb" : : : "memory");
	return read_sysreg("cntvct_el0");
}

uint64_t milliseconds(uint64_t n); /* in ticks of now() */
void delay(uint64_t ticks);

/*
 * The host may be busy, and let any of its threads, thus any CPU of this guest, stand still for seconds. No check may
 * depend on who is first, other than by what it has seen.
 */
#define MOMENT   milliseconds(20)    /* what is not there by then is hardly coming: see settle() */
#define PATIENCE milliseconds(60000) /* only a failing check waits so long */

#define wait_until(condition)                                                 \
	({                                                                    \
		uint64_t begin_ = now(), patience_ = PATIENCE;                \
		bool holds_;                                                  \
		while (!(holds_ = (condition)) && now() - begin_ < patience_) \
			;                                                     \
		holds_;                                                       \
	})

/* --- exceptions --- */

struct frame {
	uint64_t x[19], x30;
	uint64_t elr, spsr;
};

/* Interrupts are counted on the CPU that took them, then given to their handler if there is one, then ended. */
extern void (*volatile handler[1020])(void);
extern volatile unsigned int taken[MAX_CPUS][1020];
extern volatile unsigned int spurious;
extern volatile unsigned int fiqs; /* those of them that came as FIQ */

/*
 * Runs a statement that may raise a synchronous exception; returns its ESR_EL1, or 0. The instruction
 * that raised it is skipped.
 */
extern volatile uint64_t last_esr, last_far;
#define exception_of(statement)    \
	({                         \
		last_esr = 0;      \
		expecting = true;  \
		statement;         \
		barrier();         \
		expecting = false; \
		last_esr;          \
	})
extern volatile bool expecting; /* by CPU 0 only */

#define ESR_CLASS(esr)   ((esr) >> 26 & 0x3f)
#define CLASS_DATA_ABORT 0x25

static inline unsigned int this_cpu(void)
{
	return (unsigned int)read_sysreg("tpidr_el1");
}

/* --- GIC --- */

extern unsigned int gic_version; /* 3 or 2, by the device tree */

/* FIQs on or off; they begin off. */
void fast_interrupts(bool on);

/* Where an interrupt's registers are: SGIs and PPIs of this CPU may have their own. */
uint64_t bank(unsigned int intid);
/* GICv3: a CPU's redistributor. */
uint64_t redistributor(unsigned int cpu);

/* Interrupts from LPIs are counted apart. */
#define FIRST_LPI 8192
#define MAX_LPIS  64
extern volatile unsigned int lpis[MAX_CPUS][MAX_LPIS];

/* Of the SGIs and PPIs, this CPU's own; SPIs as level- or edge-triggered, to this CPU. */
void enable_interrupt(unsigned int intid);
void enable_edge(unsigned int intid);
void disable_interrupt(unsigned int intid);
bool is_pending(unsigned int intid);
void send_sgi(unsigned int intid, unsigned int cpu);

/* --- PSCI (Arm Power State Coordination Interface) --- */

enum {
	PSCI_VERSION = 0x84000000,
	PSCI_CPU_OFF = 0x84000002,
	PSCI_CPU_ON = 0xc4000003,
	PSCI_AFFINITY_INFO = 0xc4000004,
	PSCI_SYSTEM_OFF = 0x84000008,
	PSCI_SYSTEM_RESET = 0x84000009,
	PSCI_FEATURES = 0x8400000a,
	PSCI_SYSTEM_RESET2 = 0xc4000012,

	PSCI_SUCCESS = 0,
	PSCI_NOT_SUPPORTED = -1,
	PSCI_INVALID_PARAMETERS = -2,
	PSCI_ALREADY_ON = -4,
	PSCI_INVALID_ADDRESS = -9,
};

int64_t psci(uint64_t function, uint64_t a, uint64_t b, uint64_t c);

/* --- how the kernel was entered --- */

struct entry {
	uint64_t x0, x1, x2, x3, daif, sctlr;
};
extern struct entry entry;

/* The bytes of a property of the node at `path` (a name in the root, "/" for itself), or NULL. */
const void *fdt_property(const char *node, const char *property, uint32_t *size);
/* True if `text` is somewhere among the bytes of the device tree. */
bool fdt_has(const char *text);
uint64_t fdt_number(const void *cells, uint32_t size);

/* --- more CPUs: of number N, with the MPIDR affinity N; at most 8 --- */

int64_t start_cpu(unsigned int cpu);
bool is_up(unsigned int cpu);
void run_on(unsigned int cpu, void (*run)(void));
bool done_on(unsigned int cpu);
bool call_on(unsigned int cpu, void (*run)(void));
/*
 * Waits until every CPU that runs and has nothing to do has come out of its handlers, and has taken what was sent to
 * it before: what has not come by then is not coming. Fails the check "settled" if one does not
 * answer.
 */
void settle(void);

#endif
