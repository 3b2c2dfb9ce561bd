/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Recognises what a Linux kernel says on its console when it panics, or finds itself in a state that it should
 * not be in, and keeps the trace that follows.
 */
#ifndef VIREO_VMM_CRASH_H
#define VIREO_VMM_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum crash_kind {
	CRASH_NONE,
	CRASH_PANIC,
	CRASH_OOPS,
	CRASH_BUG,
	CRASH_SOFT_LOCKUP,
	CRASH_HARD_LOCKUP,
	CRASH_HUNG_TASK,
	CRASH_RCU_STALL,
};

#define CRASH_LINES_MAX 256  /* of a trace */
#define CRASH_LINE_MAX  1024 /* bytes kept of each */

/* All zeroes at the beginning. */
struct crash {
	enum crash_kind kind;          /* a panic that an Oops leads to is a panic */
	char headline[CRASH_LINE_MAX]; /* what was said first, without the kernel's time */
	char panic[CRASH_LINE_MAX];    /* the panic's line, if an Oops or the like came first; else "" */
	char where[256];             /* the function and offset that the kernel was at; "": it did not say */
	char *line[CRASH_LINES_MAX]; /* the trace, owned; from the headline on */
	unsigned int nr_lines;
	bool is_over; /* nothing more belongs to it */
	bool is_cut;  /* the last line was "cut here", which may begin one */
};

/* What the line begins, CRASH_NONE for any other. */
enum crash_kind crash_recognise(const char *line);

/*
 * One more whole line of the console on which the crash began. Before crash->kind is set, that is any line; from
 * then on those that follow, until it is_over.
 */
void crash_line(struct crash *crash, const char *line);

void crash_finish(struct crash *crash);

/* The text behind the time, and the level and caller, that the kernel puts before each line ("[    1.234567] "). */
const char *crash_skip_time(const char *line);

#endif
