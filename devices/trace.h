/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tracepoints: what happens to interrupts and vCPUs, for --trace and --stats.
 *
 * A tracepoint is one of the inline functions below, called by the thread to which the thing happens.
 * It tests one word; nothing else is evaluated or called while nothing is wanted. If something is,
 * it counts the event in the calling thread's own counters, or puts a record into the ring, or both.
 *
 * The ring is one for all threads, without locks, and of fixed size: new records overwrite the oldest.
 *
 * Any thread may call a tracepoint, with any lock held. trace_counts() is for any moment between trace_start() and
 * trace_stop(), by trace_counted(); trace_start(), trace_stop(), trace_sort() and trace_record() are for one thread, while no other is at a tracepoint: before
 * vCPU threads are started or after they have ended.
 */
#ifndef VIREO_DEVICES_TRACE_H
#define VIREO_DEVICES_TRACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvm/err.h"

struct clock;

enum trace_event {
	TRACE_LINE_RAISED,  /* subject: line */
	TRACE_LINE_LOWERED, /* subject: line */
	TRACE_ROUTED,       /* subject: line, or TRACE_MSI; vector, delivery; arg: destination */
	TRACE_ACCEPTED,     /* subject: vCPU; vector, delivery */
	TRACE_INJECTED,     /* subject: vCPU; vector */
	TRACE_EOI,          /* subject: vCPU; vector */
	TRACE_IPI,          /* subject: vCPU that sends; vector, delivery; arg: destination */
	TRACE_TIMER_ARMED,  /* subject: vCPU; arg: monotonic ns at which it is due */
	TRACE_TIMER_FIRED,  /* subject: vCPU; vector */
	TRACE_KICK,         /* subject: vCPU that is kicked */
	TRACE_GUEST,        /* subject: vCPU; span */
	TRACE_EXIT,         /* subject: vCPU; span; reason, and the access if it was one */
	TRACE_HALT,         /* subject: vCPU; span */
	TRACE_BOOT,         /* a VM starts */
	TRACE_EVENTS,
};

#define TRACE_MSI 0xffff /* in place of a line */

/* The exit that a vCPU's run ended with. */
struct trace_exit {
	uint16_t reason;  /* KVM's number of it, below TRACE_EXITS, or the last of those */
	uint8_t access;   /* bytes accessed; 0: it is no access */
	bool write;       /* an access that writes */
	uint64_t address; /* port, guest-physical address or number of an MSR */
};

struct trace_record {
	uint64_t time; /* monotonic ns; of a span its beginning */
	uint64_t span; /* ns */
	uint64_t arg;  /* by event; exits: the address */
	uint16_t subject;
	uint16_t thread;  /* that this happened in: see trace_thread() */
	uint16_t vector;  /* of a GIC: the INTID */
	uint8_t event;    /* enum trace_event */
	uint8_t delivery; /* enum apic_delivery; 0 where there is a vector or INTID only */
	uint16_t reason;  /* exits, as the next two: see struct trace_exit */
	uint8_t access;
	bool write;
};

#define TRACE_EXITS   64 /* reasons that are told apart; the last stands for all beyond */
#define TRACE_LINES   64 /* lines that are, likewise */
#define TRACE_VECTORS 1024
#define TRACE_PLACES  256 /* addresses for each thread; the guest chooses them, so they are bounded */

/* An address that exits were caused at, and how. */
struct trace_place {
	uint64_t count; /* 0: this place is free */
	uint64_t address;
	uint16_t reason;
	bool write;
};

/* What one thread has counted. */
struct trace_counts {
	uint64_t event[TRACE_EVENTS];
	uint64_t exit[TRACE_EXITS];    /* by reason */
	uint64_t raised[TRACE_LINES];  /* by line */
	uint64_t taken[TRACE_VECTORS]; /* TRACE_INJECTED by vector */
	struct trace_place place[TRACE_PLACES];
	uint64_t elsewhere; /* exits with an address that found no place */
};

/* --- for the program --- */

struct trace_setup {
	struct clock *clock;  /* outlives the trace */
	unsigned int threads; /* 1 for the event loop's, and one for each vCPU; at most 65535 */
	uint32_t records;     /* of the ring; 0: nothing is recorded */
	bool count;
};

/* Wakes the tracepoints. Returns 0, or -ENOMEM with a line. Nothing is left to stop on failure. */
int trace_start(const struct trace_setup *setup, struct err *err);
/* Puts them to sleep and frees everything; does nothing if they sleep. */
void trace_stop(void);

/* Says that the calling thread is number `thread`: 0 the event loop's, 1 and up those of vCPUs. */
void trace_thread(unsigned int thread);

/* Puts the records into the order of time; returns how many there are, and how many were lost. */
size_t trace_sort(uint64_t *lost);
/* After trace_sort(): record `index`. */
const struct trace_record *trace_record(size_t index);

/* What thread number `thread` has counted; NULL if nothing is counted. */
const struct trace_counts *trace_counts(unsigned int thread);

/* One of its numbers, as it is now. What else is in a struct trace_place whose count is not 0 does not change. */
static inline uint64_t trace_counted(const uint64_t *n)
{
	return __atomic_load_n(n, __ATOMIC_ACQUIRE);
}

/* --- tracepoints --- */

#define TRACE_WANT_RECORDS 1u
#define TRACE_WANT_COUNTS  2u

extern _Atomic unsigned int trace_wanted;

/* Records and counts what is wanted; `record` has no time (but of a span) and no thread yet. */
void trace_put(const struct trace_record *record);
/* The moment a span begins. */
uint64_t trace_now(void);

static inline bool trace_on(void)
{
	return __builtin_expect(atomic_load_explicit(&trace_wanted, memory_order_relaxed) != 0, 0);
}

/* The beginning of what may become a span; 0 if none is recorded. */
static inline uint64_t trace_begin(void)
{
	unsigned int wanted = atomic_load_explicit(&trace_wanted, memory_order_relaxed);

	return __builtin_expect(wanted & TRACE_WANT_RECORDS, 0) ? trace_now() : 0;
}

#define TRACE_PUT(...)                                                    \
	do {                                                              \
		if (trace_on())                                           \
			trace_put(&(struct trace_record){ __VA_ARGS__ }); \
	} while (0)

/* A device drives its line. */
static inline void trace_line(uint32_t line, bool level)
{
	TRACE_PUT(.event = level ? TRACE_LINE_RAISED : TRACE_LINE_LOWERED, .subject = (uint16_t)line);
}

/*
 * An interrupt controller sends a line's interrupt (or with TRACE_MSI a message) on its way. `delivery`
 * is enum apic_delivery; a GIC passes 0 and the INTID as `vector`. `dest` is as the guest wrote it.
 */
static inline void trace_route(uint32_t line, unsigned int delivery, unsigned int vector, uint32_t dest)
{
	TRACE_PUT(.event = TRACE_ROUTED, .subject = (uint16_t)line, .delivery = (uint8_t)delivery,
		  .vector = (uint16_t)vector, .arg = dest);
}

/*
 * An interrupt becomes pending on a vCPU (IRR; a GIC: forwarded to its CPU interface). To be called
 * before the vCPU can see it, and by the thread that has just routed it, sent it as an IPI, or seen
 * the timer fire: that is how the writer knows where it came from.
 */
static inline void trace_accept(uint32_t cpu, unsigned int delivery, unsigned int vector)
{
	TRACE_PUT(.event = TRACE_ACCEPTED, .subject = (uint16_t)cpu, .delivery = (uint8_t)delivery,
		  .vector = (uint16_t)vector);
}

/* The vCPU takes it: IRR to ISR, or a GIC's pending to active. The vCPU's thread, as the next ones. */
static inline void trace_inject(uint32_t cpu, unsigned int vector)
{
	TRACE_PUT(.event = TRACE_INJECTED, .subject = (uint16_t)cpu, .vector = (uint16_t)vector);
}

/* The guest ends it; a GIC: when it becomes inactive. */
static inline void trace_eoi(uint32_t cpu, unsigned int vector)
{
	TRACE_PUT(.event = TRACE_EOI, .subject = (uint16_t)cpu, .vector = (uint16_t)vector);
}

/* The guest sends an IPI; a GIC: a SGI. */
static inline void trace_ipi(uint32_t cpu, unsigned int delivery, unsigned int vector, uint32_t dest)
{
	TRACE_PUT(.event = TRACE_IPI, .subject = (uint16_t)cpu, .delivery = (uint8_t)delivery,
		  .vector = (uint16_t)vector, .arg = dest);
}

static inline void trace_timer_arm(uint32_t cpu, uint64_t deadline)
{
	TRACE_PUT(.event = TRACE_TIMER_ARMED, .subject = (uint16_t)cpu, .arg = deadline);
}

/* Before the interrupt that this causes is accepted. */
static inline void trace_timer_fire(uint32_t cpu, unsigned int vector)
{
	TRACE_PUT(.event = TRACE_TIMER_FIRED, .subject = (uint16_t)cpu, .vector = (uint16_t)vector);
}

/* A signal is sent to a vCPU. */
static inline void trace_kick(uint32_t cpu)
{
	TRACE_PUT(.event = TRACE_KICK, .subject = (uint16_t)cpu);
}

/* The vCPU was in KVM_RUN from `begin` (trace_begin()) until now. */
static inline void trace_guest(uint32_t cpu, uint64_t begin)
{
	TRACE_PUT(.event = TRACE_GUEST, .subject = (uint16_t)cpu, .time = begin);
}

/* An exit that came at `begin` is dealt with now. */
static inline void trace_exit(uint32_t cpu, uint64_t begin, const struct trace_exit *exit)
{
	TRACE_PUT(.event = TRACE_EXIT, .subject = (uint16_t)cpu, .time = begin, .arg = exit->address,
		  .reason = exit->reason, .access = exit->access, .write = exit->write);
}

/* The vCPU slept from `begin` until now. */
static inline void trace_halt(uint32_t cpu, uint64_t begin)
{
	TRACE_PUT(.event = TRACE_HALT, .subject = (uint16_t)cpu, .time = begin);
}

/* A VM is about to start. */
static inline void trace_boot(void)
{
	TRACE_PUT(.event = TRACE_BOOT);
}

#endif
