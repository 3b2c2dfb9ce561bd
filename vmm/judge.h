/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a smoke boot's consoles say, and what follows from it: it reads what the guest writes, looks for what is
 * expected, for what must not come and for a crashing kernel, and says what is to be typed.
 *
 * Expressions are POSIX extended ones for a part of a line, in lines as host/lines.h makes them, of any console. An
 * incomplete last line is searched too, when the guest pauses (a prompt); there "$" does not match. Expressions that
 * come one after the other, expectations and the REGEX of --send each among themselves, match behind each other also
 * within a line. No back-references: what a guest writes must not decide how long a search takes.
 */
#ifndef VIREO_VMM_JUDGE_H
#define VIREO_VMM_JUDGE_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/console_watch.h"
#include "host/lines.h"
#include "kvm/err.h"
#include "vmm/config.h"
#include "vmm/crash.h"
#include "vmm/options.h"

#define JUDGE_LAST_LINES 20
#define JUDGE_LINE_MAX   1024 /* bytes kept of each */

/* A crash is over when the guest has said nothing for so long, or after so long at most. */
#define JUDGE_CRASH_QUIET (NSEC_PER_SEC / 2)
#define JUDGE_CRASH_MOST  (5 * NSEC_PER_SEC)

struct judge_line {
	enum watch_source source;
	uint64_t when; /* ns, when its first byte came */
	char text[JUDGE_LINE_MAX + 1];
};

struct judge_rule {
	const char *text; /* the expression; not owned */
	regex_t regex;
	char *type; /* --send: what to type; owned */
	size_t type_len;
	bool is_seen;
	struct judge_line *line; /* where; owned */
};

/* Rules that wait for each other; `at`: where in each console's line the search goes on. */
struct judge_rules {
	struct judge_rule *rule;
	unsigned int count, next;
	size_t at[WATCH_SOURCES];
};

enum judge_finding {
	JUDGE_NOTHING, /* so far */
	JUDGE_PASSED,  /* all expectations were seen */
	JUDGE_FAILED,  /* judge->failed_on was */
	JUDGE_CRASHED, /* judge->crash */
};

struct judge_end {
	struct judge *judge;
	enum watch_source source;
	struct lines lines;
	size_t searched; /* bytes of the incomplete line that were searched in a pause */
};

struct judge {
	/* An expectation was seen, or text is to be typed. */
	void (*seen)(void *ctx, const struct judge_rule *expectation);
	void (*type)(void *ctx, enum watch_source source, const char *text, size_t len);
	void *ctx;

	bool ignore_crashes;
	bool expects_line; /* what is expected is no prompt: it is looked for when its line is over */
	struct judge_rules expect, send, fail_on;
	struct judge_end end[WATCH_SOURCES];

	enum judge_finding finding;
	const struct judge_rule *failed_on;
	struct crash crash;
	enum watch_source crash_source;
	uint64_t crash_begun, now;
	uint64_t deadline; /* of a crash whose trace is not over; else CLOCK_NEVER */

	struct judge_line last[JUDGE_LAST_LINES]; /* the newest is number nr_lines - 1 */
	uint64_t nr_lines;
};

extern const char *const watch_names[]; /* ttyS0, hvc0; by enum watch_source */

/* Is that an expression, or a TEXT after REGEX, that judge_init() takes? If not, why. */
bool judge_regex_ok(const char *regex, char why[OPTION_ALLOWED_MAX]);
bool judge_send_ok(const char *text, char why[OPTION_ALLOWED_MAX]);

#define JUDGE_REGEX_ALLOWED \
	"a POSIX extended regular expression of 1 to 4095 bytes, without back-references and control characters"
#define JUDGE_SEND_ALLOWED "TEXT after REGEX, 1 to 4095 bytes without control characters"

/*
 * By cfg->expect (NULL `expect` takes it; else it is the only expectation, and is looked for in lines that are over),
 * fail_on, send and on_crash, whose texts must outlive it. -ENOMEM, or -EINVAL for a text that is not as above.
 * judge_finish() is due either way.
 */
int judge_init(struct judge *judge, const struct vm_config *cfg, const char *expect, struct err *err);
void judge_finish(struct judge *judge);

/* Bytes of a console. `now` in ns, of one clock for all calls. */
void judge_put(struct judge *judge, enum watch_source source, const uint8_t *bytes, size_t len, uint64_t now);
/* The guest has paused. */
void judge_pause(struct judge *judge);
/* The deadline has come. */
void judge_time(struct judge *judge, uint64_t now);
/* Nothing more will come. */
void judge_end(struct judge *judge);

/* The i-th of the last lines, from the oldest, 0; NULL: there are not so many. */
const struct judge_line *judge_last_line(const struct judge *judge, unsigned int i);

#endif
