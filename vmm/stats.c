// SPDX-License-Identifier: BSD-2-Clause
/* What --stats prints: the threads' counters, added up. docs/tracing.md says what each number is. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kvm/kvm.h"
#include "vmm/trace.h"

#define TABLE_PLACES 20  /* addresses in the table, the most frequent ones */
#define JSON_PLACES  256 /* in JSON */

/* What is shown of each thread, and of all together. */
static const struct {
	const char *key, *title;
	enum trace_event event;
} columns[] = {
	{ "exits", "exits", TRACE_EXIT },
	{ "injected", "injected", TRACE_INJECTED },
	{ "eoi", "EOI", TRACE_EOI },
	{ "ipis_sent", "IPIs sent", TRACE_IPI },
	{ "timer_fired", "timer", TRACE_TIMER_FIRED },
	{ "halts", "halts", TRACE_HALT },
	{ "kicks_sent", "kicks sent", TRACE_KICK },
	{ "lines_raised", "lines raised", TRACE_LINE_RAISED },
};

#define NR_COLUMNS (sizeof(columns) / sizeof(columns[0]))

struct sums {
	const struct machine *m;
	unsigned int threads;
	struct trace_counts all; /* `place` is not used */
	struct trace_place *place;
	size_t places;
};

static int by_place(const void *a, const void *b)
{
	const struct trace_place *x = a, *y = b;

	if (x->reason != y->reason)
		return x->reason < y->reason ? -1 : 1;
	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->write - y->write;
}

static int by_count(const void *a, const void *b)
{
	const struct trace_place *x = a, *y = b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return by_place(a, b);
}

/* Every thread's places, the same ones joined, the most frequent first. Without memory: none. */
static void sum_places(struct sums *s)
{
	size_t n = 0, kept = 0;

	s->place = calloc(s->threads, sizeof(s->all.place));
	if (!s->place)
		return;
	for (unsigned int i = 0; i < s->threads; i++) {
		for (unsigned int k = 0; k < TRACE_PLACES; k++) {
			const struct trace_place *place = &trace_counts(i)->place[k];
			uint64_t count = trace_counted(&place->count);

			if (!count)
				continue;
			s->place[n] = (struct trace_place){
				.count = count,
				.address = place->address,
				.reason = place->reason,
				.write = place->write,
			};
			n++;
		}
	}
	qsort(s->place, n, sizeof(*s->place), by_place);
	for (size_t i = 0; i < n; i++) {
		if (kept && !by_place(&s->place[kept - 1], &s->place[i]))
			s->place[kept - 1].count += s->place[i].count;
		else
			s->place[kept++] = s->place[i];
	}
	qsort(s->place, kept, sizeof(*s->place), by_count);
	s->places = kept;
}

static void add(uint64_t *to, const uint64_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] += trace_counted(&from[i]);
}

static struct sums sum_up(unsigned int threads, const struct machine *m)
{
	struct sums s = { .m = m, .threads = threads };

	for (unsigned int i = 0; i < threads; i++) {
		const struct trace_counts *c = trace_counts(i);

		add(s.all.event, c->event, TRACE_EVENTS);
		add(s.all.exit, c->exit, TRACE_EXITS);
		add(s.all.raised, c->raised, TRACE_LINES);
		add(s.all.taken, c->taken, TRACE_VECTORS);
		s.all.elsewhere += trace_counted(&c->elsewhere);
	}
	sum_places(&s);
	return s;
}

/* Exits at addresses that are not among the first `most`, and those that found no place. */
static uint64_t rest(const struct sums *s, size_t most)
{
	uint64_t n = s->all.elsewhere;

	for (size_t i = most; i < s->places; i++)
		n += s->place[i].count;
	return n;
}

/* --- as a table --- */

static void table_of_threads(FILE *out, const struct sums *s)
{
	fprintf(out, "%-10s", "vCPU");
	for (size_t i = 0; i < NR_COLUMNS; i++)
		fprintf(out, " %12s", columns[i].title);
	fputc('\n', out);
	for (unsigned int t = 0; t <= s->threads; t++) {
		const struct trace_counts *c = t < s->threads ? trace_counts(t) : &s->all;
		char name[16];

		snprintf(name, sizeof(name), "%u", t - 1);
		fprintf(out, "%-10s", !t ? "event loop" : t < s->threads ? name : "all");
		for (size_t i = 0; i < NR_COLUMNS; i++)
			fprintf(out, " %12" PRIu64, trace_counted(&c->event[columns[i].event]));
		fputc('\n', out);
	}
}

static void table_of_places(FILE *out, const struct sums *s)
{
	size_t most = s->places < TABLE_PLACES ? s->places : TABLE_PLACES;

	fprintf(out, "\n%12s  exits by address, port or MSR\n", "");
	for (size_t i = 0; i < most; i++) {
		const struct trace_place *p = &s->place[i];

		fprintf(out, "%12" PRIu64 "  %-10s %-5s 0x%-12" PRIx64 " %s\n", p->count,
			kvm_exit_name(p->reason), p->write ? "write" : "read", p->address,
			trace_name_at(s->m, p->reason, p->address).text);
	}
	if (rest(s, most))
		fprintf(out, "%12" PRIu64 "  elsewhere\n", rest(s, most));
}

void stats_write_table(FILE *out, unsigned int threads, const struct machine *m)
{
	struct sums s = sum_up(threads, m);
	const char *vector = m->platform == PLATFORM_PC ? "vector 0x%02x\n" : "INTID %u\n";

	table_of_threads(out, &s);
	fprintf(out, "\n%12s  exits by reason\n", "");
	for (unsigned int i = 0; i < TRACE_EXITS; i++)
		if (s.all.exit[i])
			fprintf(out, "%12" PRIu64 "  %s\n", s.all.exit[i], kvm_exit_name(i));
	table_of_places(out, &s);
	if (s.all.event[TRACE_INJECTED])
		fprintf(out, "\n%12s  interrupts taken\n", "");
	for (unsigned int i = 0; i < TRACE_VECTORS; i++) {
		if (!s.all.taken[i])
			continue;
		fprintf(out, "%12" PRIu64 "  ", s.all.taken[i]);
		fprintf(out, vector, i);
	}
	if (s.all.event[TRACE_LINE_RAISED])
		fprintf(out, "\n%12s  interrupt lines raised\n", "");
	for (unsigned int i = 0; i < TRACE_LINES; i++)
		if (s.all.raised[i])
			fprintf(out, "%12" PRIu64 "  line %u %s\n", s.all.raised[i], i,
				trace_name_of_line(m, i).text);
	free(s.place);
}

/* --- as JSON --- */

static void json_exits(FILE *out, const uint64_t *exit)
{
	const char *comma = "";

	fputs("\"exits_by_reason\":{", out);
	for (unsigned int i = 0; i < TRACE_EXITS; i++) {
		uint64_t count = trace_counted(&exit[i]);

		if (!count)
			continue;
		/* Reasons without a name are told apart by their number. */
		if (strcmp(kvm_exit_name(i), "other"))
			fprintf(out, "%s\"%s\":%" PRIu64, comma, kvm_exit_name(i), count);
		else
			fprintf(out, "%s\"%u\":%" PRIu64, comma, i, count);
		comma = ",";
	}
	fputs("}", out);
}

static void json_interrupts(FILE *out, const uint64_t *taken, enum platform platform)
{
	const char *comma = "";

	fprintf(out, ",\"%s\":{", platform == PLATFORM_PC ? "injected_by_vector" : "injected_by_intid");
	for (unsigned int i = 0; i < TRACE_VECTORS; i++) {
		uint64_t count = trace_counted(&taken[i]);

		if (!count)
			continue;
		fprintf(out, platform == PLATFORM_PC ? "%s\"0x%02x\":%" PRIu64 : "%s\"%u\":%" PRIu64, comma,
			i, count);
		comma = ",";
	}
	fputs("}", out);
}

static void json_counts(FILE *out, const struct trace_counts *c, enum platform platform)
{
	for (size_t i = 0; i < NR_COLUMNS; i++)
		fprintf(out, "\"%s\":%" PRIu64 ",", columns[i].key,
			trace_counted(&c->event[columns[i].event]));
	json_exits(out, c->exit);
	json_interrupts(out, c->taken, platform);
}

static void json_places(FILE *out, const struct sums *s)
{
	size_t most = s->places < JSON_PLACES ? s->places : JSON_PLACES;

	fputs(",\"exits_by_address\":[", out);
	for (size_t i = 0; i < most; i++) {
		const struct trace_place *p = &s->place[i];

		fprintf(out,
			"%s{\"exit\":\"%s\",\"access\":\"%s\",\"address\":\"0x%" PRIx64
			"\",\"at\":\"%s\",\"count\":%" PRIu64 "}",
			i ? "," : "", kvm_exit_name(p->reason), p->write ? "write" : "read", p->address,
			trace_name_at(s->m, p->reason, p->address).text, p->count);
	}
	fprintf(out, "],\"exits_elsewhere\":%" PRIu64, rest(s, most));
}

static void json_lines(FILE *out, const struct sums *s)
{
	const char *comma = "";

	fputs(",\"lines\":[", out);
	for (unsigned int i = 0; i < TRACE_LINES; i++) {
		if (!s->all.raised[i])
			continue;
		fprintf(out, "%s{\"line\":%u,\"device\":\"%s\",\"raised\":%" PRIu64 "}", comma, i,
			trace_name_of_line(s->m, i).text, s->all.raised[i]);
		comma = ",";
	}
	fputs("]", out);
}

void stats_write_json(FILE *out, unsigned int threads, const struct machine *m)
{
	struct sums s = sum_up(threads, m);

	fputs("{\"all\":{", out);
	json_counts(out, &s.all, m->platform);
	fputs("}", out);
	json_places(out, &s);
	json_lines(out, &s);
	fputs(",\"event_loop\":{", out);
	json_counts(out, trace_counts(0), m->platform);
	fputs("},\"vcpus\":[", out);
	for (unsigned int i = 1; i < threads; i++) {
		fputs(i > 1 ? ",{" : "{", out);
		json_counts(out, trace_counts(i), m->platform);
		fputs("}", out);
	}
	fputs("]}\n", out);
	free(s.place);
}
