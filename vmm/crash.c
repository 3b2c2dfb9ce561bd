// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/crash.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/lines.h"

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* "[", blanks, digits or a T or C with digits, with a point or not, "]"; NULL: it is none. */
static const char *skip_bracket(const char *c)
{
	if (*c++ != '[')
		return NULL;
	while (*c == ' ')
		c++;
	if (*c == 'T' || *c == 'C')
		c++;
	if (!isdigit((unsigned char)*c))
		return NULL;
	while (isdigit((unsigned char)*c) || *c == '.')
		c++;
	return *c == ']' ? c + 1 : NULL;
}

const char *crash_skip_time(const char *line)
{
	const char *c = line, *next;

	if (*c == '<' && isdigit((unsigned char)c[1])) {
		next = c + 1 + strspn(c + 1, "0123456789");
		c = *next == '>' ? next + 1 : c;
	}
	for (int i = 0; i < 2 && (next = skip_bracket(c)); i++)
		c = next;
	return *c == ' ' && c != line ? c + 1 : c;
}

/* An x86 kernel's die(): "general protection fault: 0000 [#1] PREEMPT SMP". */
static bool is_die(const char *text)
{
	const char *at = strstr(text, " [#");
	size_t digits = 0;

	if (!at)
		return false;
	while (at - digits > text && isxdigit((unsigned char)at[-1 - (long)digits]))
		digits++;
	return digits >= 4 && at - digits - 2 >= text && !strncmp(at - digits - 2, ": ", 2) &&
	       isdigit((unsigned char)at[3]);
}

static bool is_rcu_stall(const char *text)
{
	return (begins(text, "rcu: INFO: ") || begins(text, "INFO: rcu")) && strstr(text, "detected") &&
	       strstr(text, "stall");
}

enum crash_kind crash_recognise(const char *line)
{
	const char *text = crash_skip_time(line);

	if (begins(text, "Kernel panic - not syncing"))
		return CRASH_PANIC;
	if (begins(text, "watchdog: BUG: soft lockup") || begins(text, "BUG: soft lockup"))
		return CRASH_SOFT_LOCKUP;
	if (strstr(text, "atchdog detected hard LOCKUP"))
		return CRASH_HARD_LOCKUP;
	if (begins(text, "INFO: task ") && strstr(text, " blocked for more than "))
		return CRASH_HUNG_TASK;
	if (is_rcu_stall(text))
		return CRASH_RCU_STALL;
	if (begins(text, "kernel BUG at "))
		return CRASH_BUG;
	if (begins(text, "Internal error: "))
		return strstr(text, "Oops - BUG") ? CRASH_BUG : CRASH_OOPS;
	if (begins(text, "BUG: unable to handle ") || begins(text, "BUG: kernel NULL pointer dereference") ||
	    begins(text, "Unable to handle kernel ") || begins(text, "SError Interrupt on CPU") ||
	    is_die(text))
		return CRASH_OOPS;
	return begins(text, "BUG: ") ? CRASH_BUG : CRASH_NONE;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/*
 * Where it happened: x86 says "RIP: 0010:symbol+0x1/0x2", and 0033 for a program; arm64 "pc : symbol+0x1/0x2". The
 * first one counts: what follows is how it got there.
 */
static void find_where(struct crash *crash, const char *text)
{
	const char *at = begins(text, "RIP: 0010:") ? text + 10 : begins(text, "pc : ") ? text + 5 : NULL;

	if (at && !*crash->where)
		snprintf(crash->where, sizeof(crash->where), "%.*s",
			 (int)lines_cut(at, least(strcspn(at, " "), sizeof(crash->where) - 1)), at);
}

static void keep(struct crash *crash, const char *line)
{
	char *copy;

	if (asprintf(&copy, "%.*s", (int)lines_cut(line, CRASH_LINE_MAX), line) >= 0)
		crash->line[crash->nr_lines++] = copy;
	crash->is_over = crash->nr_lines == CRASH_LINES_MAX;
}

static void copy(char to[CRASH_LINE_MAX], const char *text)
{
	snprintf(to, CRASH_LINE_MAX, "%.*s", (int)lines_cut(text, CRASH_LINE_MAX - 1), text);
}

static void begin(struct crash *crash, enum crash_kind kind, const char *text)
{
	crash->kind = kind;
	copy(crash->headline, text);
	if (crash->is_cut)
		keep(crash, "------------[ cut here ]------------");
}

void crash_line(struct crash *crash, const char *line)
{
	const char *text = crash_skip_time(line);
	enum crash_kind kind = crash_recognise(line);

	if (crash->is_over)
		return;
	if (!crash->kind && !kind) {
		crash->is_cut = begins(text, "------------[ cut here ]");
		return;
	}
	if (!crash->kind) {
		begin(crash, kind, text);
	} else if (kind == CRASH_PANIC && crash->kind != CRASH_PANIC) {
		crash->kind = CRASH_PANIC;
		copy(crash->panic, text);
	}
	find_where(crash, text);
	keep(crash, line);
	if (begins(text, "---[ end Kernel panic"))
		crash->is_over = true;
}

void crash_finish(struct crash *crash)
{
	while (crash->nr_lines)
		free(crash->line[--crash->nr_lines]);
	memset(crash, 0, sizeof(*crash));
}
