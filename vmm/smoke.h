/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of `vireo smoke`: one boot and its verdict (smoke.c), the verdict as a JSON object (smoke_result.c), how it is
 * reported (smoke_report.c) and shown (smoke_show.c), several VMs at once (smoke_matrix.c).
 *
 * A verdict is a JSON object with these members; those that do not apply are left out:
 *
 *   name          of the test
 *   verdict       "passed", "failed", "timeout", "error" (not the guest's fault) or "interrupted"
 *   kind          why: enum smoke_kind, as smoke_kinds[] names it
 *   message       one line
 *   status        the exit status that it amounts to
 *   seconds       from the start to the verdict, of the last attempt; attempts: how many there were
 *   kernel, cpus, memory (bytes)
 *   expected      [{ regex, seen: bool, and if so: seconds, console, line }]
 *   failed_on     { regex, seconds, console, line }
 *   trace         [line]: what the kernel said of its crash; where: the function it was in; crash_seconds: when
 *   host          what the host, KVM or this program says of the end
 *   last_lines    [{ seconds, console, line }]
 *   console_log   its file
 */
#ifndef VIREO_VMM_SMOKE_H
#define VIREO_VMM_SMOKE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "kvm/err.h"
#include "vmm/config.h"

struct smoke;

/* The beginning is the same as of enum crash_kind. */
enum smoke_kind {
	SMOKE_PASSED,
	SMOKE_PANIC,
	SMOKE_OOPS,
	SMOKE_BUG,
	SMOKE_SOFT_LOCKUP,
	SMOKE_HARD_LOCKUP,
	SMOKE_HUNG_TASK,
	SMOKE_RCU_STALL,
	SMOKE_FAIL_ON,  /* an expression of --fail-on */
	SMOKE_POWEROFF, /* before all was seen, as the next ones */
	SMOKE_RESET,
	SMOKE_LEFT, /* by --debug-exit */
	SMOKE_DIED, /* triple fault */
	SMOKE_TIMEOUT,
	SMOKE_HOST,  /* the host or the VMM failed */
	SMOKE_USAGE, /* a kernel or initrd that cannot be used */
	SMOKE_SIGNAL,
};

extern const char *const smoke_kinds[];

/* Who hears of a boot while it goes on; members may be NULL. In the loop's thread. */
struct smoke_watcher {
	/* What is going on: the guest's last line, or "". At most some ten times a second, and each second. */
	void (*progress)(void *ctx, double seconds, const char *line);
	/* One of the expectations was seen, which number so many. */
	void (*seen)(void *ctx, double seconds, const char *regex, unsigned int number, unsigned int of);
	void *ctx;
};

/* Is what the definition and the command line say of a smoke boot possible? -EINVAL with a line. */
int smoke_check(const struct vm_config *cfg, struct err *err);

/* The name of a VM that has none: that of its kernel's file. */
const char *smoke_name(const struct vm_config *cfg);

/* Boots, with all attempts. NULL: there is no memory for a verdict. */
json_t *smoke_boot(const struct vm_config *cfg, const char *name, const struct smoke_watcher *watcher);

/* --- smoke_result.c --- */

/* A text as a JSON string, whatever its bytes. */
json_t *smoke_text(const char *text);

json_t *smoke_seconds(uint64_t ns);

/* A verdict without a boot. */
json_t *smoke_result_plain(const struct vm_config *cfg, const char *name, enum smoke_kind kind, int status,
			   const char *message);

/* A verdict of `passed` becomes one of `error`, for what went wrong on the host after it. */
void smoke_result_spoil(json_t *result, const char *why);

/* Members of a verdict; "" and 0 if there are none. */
const char *smoke_string(const json_t *result, const char *member);
int smoke_status(const json_t *result);

/* The exit status of all: a usage error before a signal, a failure, a timeout. */
int smoke_status_of_all(const json_t *results);

/* --- smoke_report.c --- */

/* Does each FILE of --report have a known suffix, and can it be written? -EINVAL with a line. */
int smoke_check_reports(const struct vm_config *cfg, struct err *err);

/* Writes all of --report. `started`: seconds since 1970. A negative errno with a line. */
int smoke_write_reports(const struct vm_config *cfg, const json_t *results, int64_t started, double seconds,
			struct err *err);

/* The report of a format (xml, json, tap), malloc'ed; NULL: no memory. For tests too. */
char *smoke_report_text(const char *format, const json_t *results, int64_t started, double seconds);

/* --- smoke_matrix.c --- */

/* Runs all of cfg->tests; the process's exit status. */
int smoke_matrix(const struct vm_config *cfg);

#endif
