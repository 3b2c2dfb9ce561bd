/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What --trace and --stats show of a run, over the guest's resets. The main thread's; vCPU threads
 * run only between observe_start() and the functions that show.
 */
#ifndef VIREO_VMM_TRACE_H
#define VIREO_VMM_TRACE_H

#include <stdio.h>

#include "devices/clock.h"
#include "devices/machine.h"
#include "devices/trace.h"
#include "vmm/config.h"
#include "vmm/outfile.h"

struct observer {
	struct outfile trace; /* file is NULL: no trace is wanted */
	uint64_t start;       /* monotonic ns, the trace's zero */
	unsigned int threads;
};

/*
 * Opens the trace's file and wakes the tracepoints, as far as `cfg` wants them. Returns 0, or a
 * negative errno with a line; nothing is left to finish then. `clock` outlives the observer.
 */
int observe_start(struct observer *o, const struct vm_config *cfg, struct clock *clock, struct err *err);

/* Writes the trace and closes its file. `m` has been a machine of the run; it names the devices. */
int observe_write_trace(struct observer *o, const struct machine *m, struct err *err);

/* Prints the statistics on standard error. */
void observe_print_stats(const struct observer *o, enum stats_choice format, const struct machine *m);

/* Puts the tracepoints to sleep. */
void observe_finish(void);

/* --- the parts: trace.c and stats.c --- */

/* Completes the JSON object that trace_begin_json() began; false: there is no memory. */
void trace_begin_json(FILE *out);
bool trace_write_json(FILE *out, uint64_t start, unsigned int threads, const struct machine *m);
void stats_write_table(FILE *out, unsigned int threads, const struct machine *m);
void stats_write_json(FILE *out, unsigned int threads, const struct machine *m);

/* The device at an address that exits had, or on a line; "" if it is not known. */
struct trace_name {
	char text[32];
};
struct trace_name trace_name_at(const struct machine *m, unsigned int reason, uint64_t address);
struct trace_name trace_name_of_line(const struct machine *m, unsigned int line);

#endif
