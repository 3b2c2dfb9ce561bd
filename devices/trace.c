// SPDX-License-Identifier: BSD-2-Clause
#include "devices/trace.h"

#include <errno.h>
#include <stdlib.h>

#include "devices/clock.h"

/*
 * A slot of the ring. `ticket` is the number of the record that it holds, from 1: 0 is none yet, BUSY
 * one that is being written. A slot has one writer at a time: it takes the slot by making it BUSY, and
 * who comes while it is, or finds a later record there, was overtaken by a whole lap and gives up.
 */
struct slot {
	_Atomic uint64_t ticket;
	struct trace_record record;
};

#define BUSY UINT64_MAX

_Atomic unsigned int trace_wanted;

static struct {
	struct clock *clock;
	struct slot *slot;
	uint32_t size;
	struct trace_counts *counts;
	unsigned int threads;
} trace;

/* Tickets handed out. On a line of its own: every thread writes it. */
static _Alignas(64) _Atomic uint64_t tickets;

static __thread uint16_t this_thread;

int trace_start(const struct trace_setup *setup, struct err *err)
{
	trace.clock = setup->clock;
	trace.size = setup->records;
	trace.threads = setup->threads;
	atomic_store(&tickets, 0);
	if (setup->records) {
		trace.slot = calloc(setup->records, sizeof(*trace.slot));
		if (!trace.slot)
			return err_host(err, ENOMEM, "a trace of %u records", setup->records);
	}
	if (setup->count) {
		trace.counts = calloc(setup->threads, sizeof(*trace.counts));
		if (!trace.counts) {
			trace_stop();
			return err_host(err, ENOMEM, "the statistics of %u threads", setup->threads);
		}
	}
	trace_thread(0);
	atomic_store(&trace_wanted,
		     (setup->records ? TRACE_WANT_RECORDS : 0) | (setup->count ? TRACE_WANT_COUNTS : 0));
	return 0;
}

void trace_stop(void)
{
	atomic_store(&trace_wanted, 0);
	free(trace.slot);
	free(trace.counts);
	trace.slot = NULL;
	trace.counts = NULL;
}

void trace_thread(unsigned int thread)
{
	this_thread = (uint16_t)thread;
}

uint64_t trace_now(void)
{
	return clock_monotonic(trace.clock);
}

/* --- recording --- */

static void record(const struct trace_record *r)
{
	uint64_t ticket = atomic_fetch_add_explicit(&tickets, 1, memory_order_relaxed) + 1;
	struct slot *slot = &trace.slot[(ticket - 1) % trace.size];
	uint64_t old = atomic_load_explicit(&slot->ticket, memory_order_relaxed);
	uint64_t now = trace_now();

	if (old > ticket || !atomic_compare_exchange_strong_explicit(
				    &slot->ticket, &old, BUSY, memory_order_acquire, memory_order_relaxed))
		return;
	slot->record = *r;
	slot->record.thread = this_thread;
	if (r->event == TRACE_GUEST || r->event == TRACE_EXIT || r->event == TRACE_HALT)
		slot->record.span = now - r->time;
	else
		slot->record.time = now;
	atomic_store_explicit(&slot->ticket, ticket, memory_order_release);
}

/* By time; of the same time a longer span, which holds the others, first; free slots last. */
static int in_order(const void *a, const void *b)
{
	const struct slot *x = a, *y = b;
	uint64_t tx = x->ticket, ty = y->ticket;

	if (!tx || !ty)
		return (tx == 0) - (ty == 0);
	if (x->record.time != y->record.time)
		return x->record.time < y->record.time ? -1 : 1;
	if (x->record.span != y->record.span)
		return x->record.span > y->record.span ? -1 : 1;
	return tx < ty ? -1 : tx > ty;
}

size_t trace_sort(uint64_t *lost)
{
	/* Slots are used from the first one on: those never reached stay untouched memory. */
	size_t used = tickets < trace.size ? tickets : trace.size, count = 0;

	if (trace.slot)
		qsort(trace.slot, used, sizeof(*trace.slot), in_order);
	while (trace.slot && count < used && trace.slot[count].ticket)
		count++;
	*lost = trace.slot ? tickets - count : 0;
	return count;
}

const struct trace_record *trace_record(size_t index)
{
	return &trace.slot[index].record;
}

/* --- counting --- */

#define PROBES 8

/* Only the thread itself counts; others may read meanwhile: trace_counted(). */
static void add_one(uint64_t *n)
{
	__atomic_store_n(n, *n + 1, __ATOMIC_RELEASE);
}

/* An open-addressed table: a place is looked for in a few slots, and not beyond. */
static void count_place(struct trace_counts *counts, const struct trace_record *r)
{
	uint64_t hash = (r->arg * 2 + r->write) * 0x9e3779b97f4a7c15 + r->reason;

	hash ^= hash >> 32;
	for (unsigned int i = 0; i < PROBES; i++) {
		struct trace_place *place = &counts->place[(hash + i) % TRACE_PLACES];

		if (!place->count) {
			place->address = r->arg;
			place->reason = r->reason;
			place->write = r->write;
		}
		if (place->address == r->arg && place->reason == r->reason && place->write == r->write) {
			add_one(&place->count);
			return;
		}
	}
	add_one(&counts->elsewhere);
}

static void count(const struct trace_record *r)
{
	struct trace_counts *counts = &trace.counts[this_thread];
	unsigned int line = r->subject < TRACE_LINES ? r->subject : TRACE_LINES - 1;

	add_one(&counts->event[r->event]);
	switch (r->event) {
	case TRACE_LINE_RAISED:
		add_one(&counts->raised[line]);
		break;
	case TRACE_INJECTED:
		add_one(&counts->taken[r->vector % TRACE_VECTORS]);
		break;
	case TRACE_EXIT:
		add_one(&counts->exit[r->reason < TRACE_EXITS ? r->reason : TRACE_EXITS - 1]);
		if (r->access)
			count_place(counts, r);
		break;
	}
}

const struct trace_counts *trace_counts(unsigned int thread)
{
	return trace.counts ? &trace.counts[thread] : NULL;
}

void trace_put(const struct trace_record *r)
{
	unsigned int wanted = atomic_load_explicit(&trace_wanted, memory_order_relaxed);

	if (wanted & TRACE_WANT_COUNTS && this_thread < trace.threads)
		count(r);
	if (wanted & TRACE_WANT_RECORDS)
		record(r);
}
