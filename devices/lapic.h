/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The local APIC of one vCPU: a pure state machine (Intel SDM volume 3, chapter "Advanced
 * Programmable Interrupt Controller (APIC)"). The xAPIC page and the x2APIC MSRs are two front
 * ends of one register file.
 *
 * Who may touch what. A LAPIC belongs to its vCPU's thread: every function here is for that thread
 * alone, but for lapic_accept(), lapic_set_lint(), lapic_matches() and lapic_priority(), which any
 * thread may call to deliver or to arbitrate. Those touch only atomics (IRR, TMR, the pending bits) and read
 * registers that are atomics for that reason. So an interrupt from a device line reaches a vCPU
 * without a lock of the LAPIC's own: set a bit, then kick.
 */
#ifndef VIREO_DEVICES_LAPIC_H
#define VIREO_DEVICES_LAPIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "devices/clock.h"
#include "kvm/err.h"

#define LAPIC_PAGE_SIZE 0x1000ULL

/* Register offsets in the xAPIC page; the x2APIC MSR is 0x800 + offset / 16. */
#define LAPIC_ID        0x020
#define LAPIC_VERSION   0x030
#define LAPIC_TPR       0x080
#define LAPIC_APR       0x090
#define LAPIC_PPR       0x0a0
#define LAPIC_EOI       0x0b0
#define LAPIC_RRD       0x0c0
#define LAPIC_LDR       0x0d0
#define LAPIC_DFR       0x0e0
#define LAPIC_SVR       0x0f0
#define LAPIC_ISR       0x100 /* eight registers */
#define LAPIC_TMR       0x180 /* eight registers */
#define LAPIC_IRR       0x200 /* eight registers */
#define LAPIC_ESR       0x280
#define LAPIC_LVT_CMCI  0x2f0
#define LAPIC_ICR_LOW   0x300 /* in x2APIC mode the whole 64-bit ICR */
#define LAPIC_ICR_HIGH  0x310
#define LAPIC_LVT_TIMER 0x320
#define LAPIC_LVT_THERM 0x330
#define LAPIC_LVT_PERF  0x340
#define LAPIC_LVT_LINT0 0x350
#define LAPIC_LVT_LINT1 0x360
#define LAPIC_LVT_ERROR 0x370
#define LAPIC_TIMER_ICR 0x380 /* initial count */
#define LAPIC_TIMER_CCR 0x390 /* current count */
#define LAPIC_TIMER_DCR 0x3e0 /* divide configuration */
#define LAPIC_SELF_IPI  0x3f0 /* x2APIC only */

#define X2APIC_MSR_FIRST       0x800
#define X2APIC_MSR_LAST        0x8ff
#define LAPIC_MSR_TSC_DEADLINE 0x6e0
#define LAPIC_MSR_PV_EOI       0x4b564d04 /* lapic_pv.c */

#define APIC_BASE_BSP    (1u << 8)
#define APIC_BASE_X2APIC (1u << 10)
#define APIC_BASE_ENABLE (1u << 11)
#define APIC_BASE_ADDR   0xffffffffff000ULL

#define LAPIC_SVR_ENABLE           (1u << 8)
#define LAPIC_SVR_NO_BROADCAST     (1u << 12)
#define LAPIC_VERSION_NO_BROADCAST (1u << 24)

/* ESR bits. */
#define LAPIC_ESR_SEND_ILLEGAL     (1u << 5)
#define LAPIC_ESR_RECV_ILLEGAL     (1u << 6)
#define LAPIC_ESR_ILLEGAL_REGISTER (1u << 7)

/* LVT fields. */
#define LAPIC_LVT_MASKED (1u << 16)

/* Delivery modes, as in the ICR, the LVT, the IOAPIC and MSI data. */
enum apic_delivery {
	APIC_FIXED = 0,
	APIC_LOWEST = 1,
	APIC_SMI = 2,
	APIC_RESERVED = 3,
	APIC_NMI = 4,
	APIC_INIT = 5,
	APIC_STARTUP = 6,
	APIC_EXTINT = 7,
};

enum apic_shorthand {
	APIC_DEST_FIELD,
	APIC_SELF,
	APIC_ALL,
	APIC_OTHERS,
};

/* An interrupt message on its way to one or more LAPICs. */
struct apic_message {
	uint32_t dest;
	bool logical;     /* dest is a logical destination */
	bool wide;        /* dest has 32 bits (an x2APIC sender); else 8, from I/O APIC and MSI 15 */
	bool level;       /* level-triggered: the EOI is to be broadcast to the IOAPIC */
	uint8_t delivery; /* enum apic_delivery */
	uint8_t vector;
	uint8_t shorthand; /* enum apic_shorthand; relative to the sender */
};

struct guest_mem;

/* What a LAPIC asks of the world. All are mandatory. */
struct lapic_host {
	/* The vCPU has something new to look at. Any thread; must not block. */
	void (*kick)(void *cpu);
	/* The guest's time-stamp counter now. The vCPU's thread. */
	uint64_t (*read_tsc)(void *cpu);
	void *cpu;

	/* Sends an IPI from the LAPIC of APIC id `sender`. The vCPU's thread. */
	void (*send)(void *bus, uint32_t sender, const struct apic_message *msg);
	/* A level-triggered interrupt was ended. The vCPU's thread. */
	void (*eoi)(void *bus, uint8_t vector);
	void *bus;
};

/* What is pending besides interrupts: bits for lapic_take_events(). */
#define LAPIC_EVENT_NMI  (1u << 0)
#define LAPIC_EVENT_INIT (1u << 1)
#define LAPIC_EVENT_SIPI (1u << 2)

enum lapic_timer_mode {
	LAPIC_TIMER_ONESHOT = 0,
	LAPIC_TIMER_PERIODIC = 1,
	LAPIC_TIMER_DEADLINE = 2,
};

/*
 * The shortest period of a periodic timer. A guest that asks for less gets this: otherwise it
 * would keep its vCPU busy with expiries alone.
 */
#define LAPIC_MIN_PERIOD_NS 50000

struct lapic_timer {
	uint64_t deadline;     /* monotonic ns of the next expiry; CLOCK_NEVER: stopped */
	uint64_t start;        /* one-shot and periodic: monotonic ns from where ticks are counted */
	uint64_t due;          /* ticks from `start` to the next expiry */
	uint64_t tsc_deadline; /* IA32_TSC_DEADLINE while armed, else 0 */
};

struct lapic {
	struct lapic_host host;
	struct clock *clock;
	uint32_t initial_id; /* CPUID's x2APIC id */
	uint32_t timer_hz;   /* count rate at divisor 1, 1 Hz to 1 GHz */
	uint32_t tsc_khz;    /* rate of read_tsc(); 0: unknown, no TSC-deadline mode */

	_Atomic uint64_t base;    /* IA32_APIC_BASE; written by the owner */
	_Atomic uint32_t reg[64]; /* the register page, one per 16 bytes; written by the owner,
				    * IRR and TMR by every sender too */
	_Atomic uint32_t events;  /* LAPIC_EVENT_*; set by senders, cleared by the owner */
	_Atomic uint32_t errors;  /* ESR bits since the guest last wrote ESR */
	_Atomic uint32_t lint;    /* local interrupt pins: levels and edges not yet seen (lapic_lvt.c) */
	struct lapic_timer timer;

	/* Paravirtual EOI (lapic_pv.c); the owner's. */
	const struct guest_mem *mem; /* NULL: not offered */
	uint64_t pv_eoi;             /* the MSR */
	bool eoi_offered;            /* the guest may end the interrupt in service by clearing a bit */
};

/*
 * Sets up the LAPIC in its power-up state. `id` is its APIC id; `bsp` says whether it is the
 * bootstrap processor's. `host` is copied; `clock` must outlive the LAPIC. Nothing to finish.
 */
void lapic_init(struct lapic *lapic, uint32_t id, bool bsp, const struct lapic_host *host,
		struct clock *clock, uint32_t timer_hz, uint32_t tsc_khz);

/* Back to the state after INIT: registers reset, IA32_APIC_BASE and the id kept. */
void lapic_init_reset(struct lapic *lapic);

/*
 * Follows a write to IA32_APIC_BASE that was already checked (KVM refuses illegal transitions).
 */
void lapic_set_base(struct lapic *lapic, uint64_t base);

/*
 * True if the guest may write `base` to IA32_APIC_BASE now: each transition that section "x2APIC State
 * Transitions" allows, and no reserved bit. False: #GP. A processor's physical addresses may have fewer
 * than the 52 bits that pass here.
 */
bool lapic_base_allowed(const struct lapic *lapic, uint64_t base);

/* True if the page is where a physical access to `addr` would find it (xAPIC mode only). */
bool lapic_at(const struct lapic *lapic, uint64_t addr);

/* xAPIC: an access to the register page. `offset` < 4096, `size` 1 to 8. */
uint64_t lapic_mmio_read(struct lapic *lapic, uint32_t offset, unsigned int size);
void lapic_mmio_write(struct lapic *lapic, uint32_t offset, unsigned int size, uint64_t value);

/* x2APIC MSRs, IA32_TSC_DEADLINE, and the MSR of paravirtual EOI. False: the access is to raise #GP. */
bool lapic_msr_read(struct lapic *lapic, uint32_t msr, uint64_t *value);
bool lapic_msr_write(struct lapic *lapic, uint32_t msr, uint64_t value);

/*
 * The highest vector that may be delivered now (above the PPR), or -1. What was accepted before the
 * guest cleared the SVR's enable bit still counts.
 */
int lapic_pending(const struct lapic *lapic);

/* Moves `vector`, which lapic_pending() gave, from IRR to ISR: it is being delivered. */
void lapic_acknowledge(struct lapic *lapic, uint8_t vector);

/*
 * Paravirtual EOI: the guest may end an interrupt by clearing a bit in its memory, without leaving. For a
 * LAPIC whose guest is told of it; `mem` outlives the LAPIC. lapic_offer_eoi() is due just before the guest
 * is entered, when no more of the LAPIC will be asked, lapic_take_eoi() as soon as it has left, before
 * anything is.
 */
void lapic_allow_pv_eoi(struct lapic *lapic, const struct guest_mem *mem);
void lapic_offer_eoi(struct lapic *lapic);
void lapic_take_eoi(struct lapic *lapic);

/* CR8 and the TPR are one. Bits 3:0 of the TPR survive a write of the CR8 they already equal. */
uint8_t lapic_cr8(const struct lapic *lapic);
void lapic_set_cr8(struct lapic *lapic, uint8_t cr8);

/* Takes and clears LAPIC_EVENT_*. `*sipi_vector` is valid with LAPIC_EVENT_SIPI. */
uint32_t lapic_take_events(struct lapic *lapic, uint8_t *sipi_vector);

/*
 * A local interrupt source comes up: `lvt` is the offset of its entry (LAPIC_LVT_*), which says
 * whether and how it is delivered. LINT0 and LINT1 are pins: lapic_set_lint().
 */
void lapic_local_interrupt(struct lapic *lapic, uint32_t lvt);

/* Expires the timer if its deadline has come; returns the next deadline that can interrupt. */
uint64_t lapic_run_timer(struct lapic *lapic);

/* --- for any thread --- */

/* True if `msg`'s destination names this LAPIC (shorthands aside). */
bool lapic_matches(const struct lapic *lapic, const struct apic_message *msg);

/* True if it takes fixed interrupts: enabled by IA32_APIC_BASE and by the SVR. */
bool lapic_enabled(const struct lapic *lapic);

/* The processor priority, for lowest-priority arbitration. */
uint8_t lapic_priority(const struct lapic *lapic);

/*
 * Delivers, and kicks the vCPU. Returns false if the LAPIC ignored it: everything while
 * IA32_APIC_BASE disables it, fixed interrupts while the SVR does, illegal vectors (noted in ESR),
 * SMI and ExtINT. An INIT withdraws an NMI or SIPI not yet taken; of several SIPIs the first counts.
 */
bool lapic_accept(struct lapic *lapic, enum apic_delivery delivery, uint8_t vector, bool level);

/*
 * Drives pin LINT0 or LINT1 (`pin` 0 or 1) and kicks the vCPU, which looks at it in
 * lapic_take_events(). "Asserted" or not: the polarity bit of the entry has no effect.
 */
void lapic_set_lint(struct lapic *lapic, unsigned int pin, bool asserted);

/* --- saved state (lapic_state.c) --- */

#define LAPIC_STATE_VERSION 2

struct lapic_state {
	uint32_t version;  /* LAPIC_STATE_VERSION */
	uint32_t id;       /* the initial APIC id */
	uint32_t timer_hz; /* count rate at divisor 1 */
	uint32_t events, errors, lint;
	uint64_t base;    /* IA32_APIC_BASE */
	uint32_t reg[64]; /* the register page */
	/* The running timer in one-shot and periodic mode; `ticks_left` 0: it is stopped. */
	uint64_t ticks_left;   /* whole ticks to the next expiry, counted from ... */
	uint64_t tick_ns;      /* ... so many ns ago; less than a tick */
	uint64_t tsc_deadline; /* the guest's TSC value, 0: not armed */
	uint64_t pv_eoi;       /* MSR_KVM_PV_EOI_EN; its bit in guest memory is clear */
};

/*
 * Saves and loads everything but the connection to the world. Nothing else may run. A save brings the
 * timer up to date first. A load is for a LAPIC of the same id and timer rate, with its host attached;
 * -EINVAL with the cause for a state that no LAPIC can be in; then nothing has changed.
 */
void lapic_save(struct lapic *lapic, struct lapic_state *state);
int lapic_check(const struct lapic *lapic, const struct lapic_state *state, struct err *err);
int lapic_load(struct lapic *lapic, const struct lapic_state *state, struct err *err);

#endif
