// SPDX-License-Identifier: BSD-2-Clause
/*
 * The trace as Chrome's JSON trace events ("Trace Event Format"), which Perfetto reads too. One track
 * for each vCPU and each device that has driven its line. docs/tracing.md says what each event means.
 *
 * The records say what happened, not which interrupt it happened to: that is found here, going through
 * them in the order of time. The steps of one interrupt are bound to each other by one flow.
 */
#include "vmm/trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

#include "devices/lapic.h"
#include "kvm/kvm.h"

/* Thread ids of the tracks. */
#define PROCESS    1
#define CPU_TRACK  1     /* and up, by vCPU */
#define MSI_TRACK  9999  /* messages from no line */
#define LINE_TRACK 10000 /* and up, by line */

#define MAX_LINES 1024

/* One interrupt between two of its steps. */
struct life {
	uint32_t flow;   /* 0: none */
	uint32_t number; /* of its bar ("async event"); 0: it has none */
};

struct cpu_state {
	uint32_t timer; /* flow from arming to expiry */
	struct life pending[TRACE_VECTORS], service[TRACE_VECTORS];
};

/* What a thread's next acceptance follows from. */
struct cause {
	uint32_t flow; /* 0: nothing known */
	bool ipi;
};

struct writer {
	FILE *out;
	const struct machine *m;
	uint64_t start, now;
	unsigned int cpus;
	struct cpu_state *cpu;
	struct cause *cause;      /* by thread */
	uint32_t line[MAX_LINES]; /* by line: the flow of its assertion */
	bool asserted[MAX_LINES];
	uint32_t flows, bars;
	bool any; /* an event has been written: a comma comes before the next */
};

static const char *const delivery_names[] = {
	[APIC_FIXED] = "fixed",  [APIC_LOWEST] = "lowest priority",
	[APIC_SMI] = "SMI",      [3] = "reserved",
	[APIC_NMI] = "NMI",      [APIC_INIT] = "INIT",
	[APIC_STARTUP] = "SIPI", [APIC_EXTINT] = "ExtINT",
};

static const char *delivery_name(const struct trace_record *r)
{
	return delivery_names[r->delivery & 7];
}

/* --- pieces of JSON --- */

/* Microseconds, to the nanosecond. */
static void put_time(struct writer *w, const char *key, uint64_t ns)
{
	fprintf(w->out, ",\"%s\":%" PRIu64 ".%03u", key, ns / 1000, (unsigned int)(ns % 1000));
}

/* The part that all events have; what follows is added, then end_event(). */
static void begin_event(struct writer *w, const char *name, const char *phase, unsigned int track,
			uint64_t time)
{
	fprintf(w->out, "%s\n{\"name\":\"%s\",\"ph\":\"%s\",\"pid\":%d,\"tid\":%u", w->any ? "," : "", name,
		phase, PROCESS, track);
	put_time(w, "ts", time > w->start ? time - w->start : 0);
	w->any = true;
}

static void end_event(struct writer *w, const char *args, ...) __attribute__((format(printf, 2, 3)));
static void end_event(struct writer *w, const char *args, ...)
{
	va_list ap;

	va_start(ap, args);
	fputs(",\"args\":{", w->out);
	vfprintf(w->out, args, ap);
	fputs("}}", w->out);
	va_end(ap);
}

/* A moment that is one step of an interrupt: a span without length, for flows bind to spans. */
static void begin_step(struct writer *w, const char *name, unsigned int track, uint32_t flow, bool first,
		       bool last)
{
	begin_event(w, name, "X", track, w->now);
	fputs(",\"cat\":\"interrupt\",\"dur\":0", w->out);
	if (flow)
		fprintf(w->out, ",\"bind_id\":\"0x%x\"%s%s", flow, first ? "" : ",\"flow_in\":true",
			last ? "" : ",\"flow_out\":true");
}

static void begin_moment(struct writer *w, const char *name, unsigned int track, char scope)
{
	begin_event(w, name, "i", track, w->now);
	fprintf(w->out, ",\"s\":\"%c\"", scope);
}

struct number {
	char text[32];
};

/* An interrupt's number as its architecture writes it, with its key. */
static struct number number_of(const struct writer *w, unsigned int vector)
{
	struct number n;

	snprintf(n.text, sizeof(n.text),
		 w->m->platform == PLATFORM_PC ? "\"vector\":\"0x%02x\"" : "\"intid\":%u", vector);
	return n;
}

static unsigned int line_track(const struct trace_record *r)
{
	return r->subject == TRACE_MSI ? MSI_TRACK : LINE_TRACK + r->subject;
}

/* --- an interrupt's bar: from acceptance to EOI, in two parts --- */

static void put_bar(struct writer *w, const char *phase, const char *part, unsigned int cpu,
		    unsigned int vector, const struct life *life)
{
	char name[64];

	if (part)
		snprintf(name, sizeof(name), "%s", part);
	else if (w->m->platform == PLATFORM_PC)
		snprintf(name, sizeof(name), "vCPU %u vector 0x%02x", cpu, vector);
	else
		snprintf(name, sizeof(name), "vCPU %u INTID %u", cpu, vector);
	begin_event(w, name, phase, CPU_TRACK + cpu, w->now);
	fprintf(w->out, ",\"cat\":\"interrupt\",\"id\":\"0x%x\"", life->number);
	end_event(w, "%s", "");
}

static void begin_bar(struct writer *w, const char *part, unsigned int cpu, unsigned int vector,
		      struct life *life)
{
	life->number = ++w->bars;
	put_bar(w, "b", NULL, cpu, vector, life);
	put_bar(w, "b", part, cpu, vector, life);
}

static void end_bar(struct writer *w, const char *part, unsigned int cpu, unsigned int vector,
		    struct life *life)
{
	if (life->number) {
		put_bar(w, "e", part, cpu, vector, life);
		put_bar(w, "e", NULL, cpu, vector, life);
	}
	*life = (struct life){ 0 };
}

/* A vCPU that is reset, or is no more, has nothing pending. */
static void forget(struct writer *w, unsigned int cpu)
{
	for (unsigned int vector = 0; vector < TRACE_VECTORS; vector++) {
		end_bar(w, "pending", cpu, vector, &w->cpu[cpu].pending[vector]);
		end_bar(w, "in service", cpu, vector, &w->cpu[cpu].service[vector]);
	}
	w->cpu[cpu].timer = 0;
}

/* --- events --- */

static void put_line(struct writer *w, const struct trace_record *r)
{
	unsigned int line = r->subject % MAX_LINES, track = line_track(r);
	bool raised = r->event == TRACE_LINE_RAISED;

	if (raised == w->asserted[line]) {
		/* driven to the level that it has, or what came before is lost */
	} else if (raised) {
		begin_event(w, "asserted", "B", track, w->now);
		end_event(w, "%s", "");
	} else {
		begin_event(w, "asserted", "E", track, w->now);
		end_event(w, "%s", "");
	}
	w->asserted[line] = raised;
	if (raised) {
		w->line[line] = ++w->flows;
		begin_step(w, "line raised", track, w->line[line], true, false);
	} else {
		begin_moment(w, "line lowered", track, 't');
	}
	end_event(w, "\"line\":%u", r->subject);
}

static void put_routed(struct writer *w, const struct trace_record *r)
{
	bool first = r->subject == TRACE_MSI || !w->line[r->subject % MAX_LINES];
	uint32_t flow = first ? ++w->flows : w->line[r->subject % MAX_LINES];

	if (r->subject != TRACE_MSI)
		w->line[r->subject % MAX_LINES] = flow;
	w->cause[r->thread] = (struct cause){ .flow = flow };
	begin_step(w, r->subject == TRACE_MSI ? "MSI" : "routed", line_track(r), flow, first, false);
	end_event(w, "%s,\"delivery\":\"%s\",\"destination\":\"0x%" PRIx64 "\"", number_of(w, r->vector).text,
		  delivery_name(r), r->arg);
}

static void put_ipi(struct writer *w, const struct trace_record *r)
{
	w->cause[r->thread] = (struct cause){ .flow = ++w->flows, .ipi = true };
	begin_step(w, "IPI sent", CPU_TRACK + r->subject, w->flows, true, false);
	end_event(w, "%s,\"delivery\":\"%s\",\"destination\":\"0x%" PRIx64 "\"", number_of(w, r->vector).text,
		  delivery_name(r), r->arg);
}

static void put_timer(struct writer *w, const struct trace_record *r)
{
	uint32_t *flow = &w->cpu[r->subject].timer;
	bool first;

	if (r->event == TRACE_TIMER_ARMED) {
		*flow = ++w->flows;
		begin_step(w, "timer armed", CPU_TRACK + r->subject, *flow, true, false);
		end_event(w, "\"ns\":%" PRIu64, r->arg > r->time ? r->arg - r->time : 0);
		return;
	}
	first = !*flow;
	w->cause[r->thread] = (struct cause){ .flow = first ? ++w->flows : *flow };
	*flow = 0;
	begin_step(w, "timer fired", CPU_TRACK + r->subject, w->cause[r->thread].flow, first, false);
	end_event(w, "%s", number_of(w, r->vector).text);
}

/* By an IPI, "IPI received"; else as the register that it sets a bit in is called. */
static void put_accepted(struct writer *w, const struct trace_record *r)
{
	struct life *life = &w->cpu[r->subject].pending[r->vector % TRACE_VECTORS];
	bool by_ipi = w->cause[r->thread].ipi;
	const char *name = by_ipi ? "IPI received" : w->m->platform == PLATFORM_PC ? "IRR" : "pending";
	bool fixed = r->delivery == APIC_FIXED || r->delivery == APIC_LOWEST;
	uint32_t flow = w->cause[r->thread].flow;
	bool first = !flow, merged = fixed && life->number;

	if (r->delivery == APIC_INIT)
		forget(w, r->subject);
	if (first)
		flow = ++w->flows;
	begin_step(w, fixed || by_ipi ? name : delivery_name(r), CPU_TRACK + r->subject, flow, first,
		   !fixed || merged);
	end_event(w, "%s,\"delivery\":\"%s\"%s", number_of(w, r->vector).text, delivery_name(r),
		  merged ? ",\"merged\":true" : "");
	if (!fixed || merged)
		return;
	life->flow = flow;
	begin_bar(w, "pending", r->subject, r->vector, life);
}

static void put_injected(struct writer *w, const struct trace_record *r)
{
	unsigned int vector = r->vector % TRACE_VECTORS;
	struct life *pending = &w->cpu[r->subject].pending[vector],
		    *service = &w->cpu[r->subject].service[vector];
	bool first = !pending->flow;

	if (first)
		pending->flow = ++w->flows;
	begin_step(w, "injected", CPU_TRACK + r->subject, pending->flow, first, false);
	end_event(w, "%s", number_of(w, r->vector).text);
	*service = *pending;
	*pending = (struct life){ 0 };
	if (service->number) {
		put_bar(w, "e", "pending", r->subject, vector, service);
		put_bar(w, "b", "in service", r->subject, vector, service);
	} else {
		begin_bar(w, "in service", r->subject, vector, service);
	}
}

static void put_eoi(struct writer *w, const struct trace_record *r)
{
	unsigned int vector = r->vector % TRACE_VECTORS;
	struct life *service = &w->cpu[r->subject].service[vector];

	begin_step(w, "EOI", CPU_TRACK + r->subject, service->flow, false, true);
	end_event(w, "%s", number_of(w, r->vector).text);
	end_bar(w, "in service", r->subject, vector, service);
}

static void put_span(struct writer *w, const struct trace_record *r)
{
	const char *name = r->event == TRACE_GUEST  ? "guest"
			   : r->event == TRACE_HALT ? "halt"
						    : kvm_exit_name(r->reason);
	const char *place = r->reason == KVM_EXIT_IO     ? "port"
			    : r->reason == KVM_EXIT_MMIO ? "address"
							 : "msr";

	begin_event(w, name, "X", CPU_TRACK + r->subject, r->time);
	put_time(w, "dur", r->span);
	fprintf(w->out, ",\"cat\":\"%s\"", r->event == TRACE_EXIT ? "exit" : "vcpu");
	if (r->event == TRACE_EXIT && r->access)
		end_event(w, "\"%s\":\"0x%" PRIx64 "\",\"access\":\"%s\",\"bytes\":%u,\"at\":\"%s\"", place,
			  r->arg, r->write ? "write" : "read", r->access,
			  trace_name_at(w->m, r->reason, r->arg).text);
	else
		end_event(w, "%s", "");
}

static void put_boot(struct writer *w)
{
	for (unsigned int cpu = 0; cpu < w->cpus; cpu++)
		forget(w, cpu);
	begin_moment(w, "boot", CPU_TRACK, 'g');
	end_event(w, "%s", "");
}

static void put_record(struct writer *w, const struct trace_record *r)
{
	w->now = r->time;
	switch ((enum trace_event)r->event) {
	case TRACE_LINE_RAISED:
	case TRACE_LINE_LOWERED:
		put_line(w, r);
		break;
	case TRACE_ROUTED:
		put_routed(w, r);
		break;
	case TRACE_ACCEPTED:
		put_accepted(w, r);
		break;
	case TRACE_INJECTED:
		put_injected(w, r);
		break;
	case TRACE_EOI:
		put_eoi(w, r);
		break;
	case TRACE_IPI:
		put_ipi(w, r);
		break;
	case TRACE_TIMER_ARMED:
	case TRACE_TIMER_FIRED:
		put_timer(w, r);
		break;
	case TRACE_KICK:
		begin_moment(w, "kick", CPU_TRACK + r->subject, 't');
		end_event(w, "%s", "");
		break;
	case TRACE_GUEST:
	case TRACE_EXIT:
	case TRACE_HALT:
		put_span(w, r);
		break;
	case TRACE_BOOT:
		put_boot(w);
		break;
	case TRACE_EVENTS:
		break;
	}
}

/* --- tracks --- */

static void name_track(struct writer *w, unsigned int track, const char *name)
{
	fprintf(w->out,
		"%s\n{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":%d,\"tid\":%u,\"args\":{\"name\":\"%s\"}},\n"
		"{\"name\":\"thread_sort_index\",\"ph\":\"M\",\"pid\":%d,\"tid\":%u,\"args\":{\"sort_index\":%u}}",
		w->any ? "," : "", PROCESS, track, name, PROCESS, track, track);
	w->any = true;
}

static void name_tracks(struct writer *w, size_t count)
{
	bool seen[MAX_LINES] = { false }, msi = false;
	struct trace_name dev;
	char name[64];

	fprintf(w->out, "\n{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%d,\"args\":{\"name\":\"vireo\"}}",
		PROCESS);
	w->any = true;
	for (unsigned int cpu = 0; cpu < w->cpus; cpu++) {
		snprintf(name, sizeof(name), "vCPU %u", cpu);
		name_track(w, CPU_TRACK + cpu, name);
	}
	for (size_t i = 0; i < count; i++) {
		const struct trace_record *r = trace_record(i);

		if (r->event > TRACE_ROUTED)
			continue;
		if (r->subject == TRACE_MSI)
			msi = true;
		else
			seen[r->subject % MAX_LINES] = true;
	}
	if (msi)
		name_track(w, MSI_TRACK, "MSI");
	for (unsigned int line = 0; line < MAX_LINES; line++) {
		if (!seen[line])
			continue;
		dev = trace_name_of_line(w->m, line);
		snprintf(name, sizeof(name), "%s%sline %u", dev.text, *dev.text ? ", " : "", line);
		name_track(w, LINE_TRACK + line, name);
	}
}

/* --- all of it --- */

void trace_begin_json(FILE *out)
{
	fputs("{\"displayTimeUnit\":\"ns\",\n", out);
}

/* Lines that are up at the end, so that every span that was begun is ended. */
static void finish_lines(struct writer *w)
{
	for (unsigned int line = 0; line < MAX_LINES; line++) {
		if (!w->asserted[line])
			continue;
		begin_event(w, "asserted", "E", LINE_TRACK + line, w->now);
		end_event(w, "%s", "");
	}
}

static void write_events(struct writer *w)
{
	uint64_t lost, end = w->now;
	size_t count = trace_sort(&lost);

	fprintf(w->out,
		"\"otherData\":{\"program\":\"vireo %s\",\"records\":%zu,\"lost\":%" PRIu64
		"},\n\"traceEvents\":[",
		VIREO_VERSION, count, lost);
	name_tracks(w, count);
	for (size_t i = 0; i < count; i++) {
		const struct trace_record *r = trace_record(i);

		put_record(w, r);
		/* Each cause is followed by its acceptances at once; what comes after has another. */
		if (r->event == TRACE_INJECTED || r->event == TRACE_EOI || r->event == TRACE_EXIT)
			w->cause[r->thread] = (struct cause){ 0 };
		if (r->time + r->span > end)
			end = r->time + r->span;
	}
	w->now = end;
	for (unsigned int cpu = 0; cpu < w->cpus; cpu++)
		forget(w, cpu);
	finish_lines(w);
	fputs("\n]}\n", w->out);
}

bool trace_write_json(FILE *out, uint64_t start, unsigned int threads, const struct machine *m)
{
	struct writer *w = calloc(1, sizeof(*w));
	bool ok = false;

	if (!w)
		return false;
	*w = (struct writer){ .out = out, .m = m, .start = start, .now = start, .cpus = threads - 1 };
	w->cpu = calloc(w->cpus, sizeof(*w->cpu));
	w->cause = calloc(threads, sizeof(*w->cause));
	if (w->cpu && w->cause) {
		write_events(w);
		ok = true;
	}
	free(w->cpu);
	free(w->cause);
	free(w);
	return ok;
}
