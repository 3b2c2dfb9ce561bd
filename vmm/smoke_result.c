// SPDX-License-Identifier: BSD-2-Clause
#include <string.h>

#include "devices/clock.h"
#include "host/lines.h"
#include "vmm/run.h"
#include "vmm/smoke.h"

const char *const smoke_kinds[] = {
	[SMOKE_PASSED] = "passed",
	[SMOKE_PANIC] = "panic",
	[SMOKE_OOPS] = "oops",
	[SMOKE_BUG] = "bug",
	[SMOKE_SOFT_LOCKUP] = "soft-lockup",
	[SMOKE_HARD_LOCKUP] = "hard-lockup",
	[SMOKE_HUNG_TASK] = "hung-task",
	[SMOKE_RCU_STALL] = "rcu-stall",
	[SMOKE_FAIL_ON] = "fail-on",
	[SMOKE_POWEROFF] = "poweroff",
	[SMOKE_RESET] = "reset",
	[SMOKE_LEFT] = "debug-exit",
	[SMOKE_DIED] = "died",
	[SMOKE_TIMEOUT] = "timeout",
	[SMOKE_HOST] = "host",
	[SMOKE_USAGE] = "usage",
	[SMOKE_SIGNAL] = "signal",
};

static void take_line(void *ctx, const char *text, size_t len, uint64_t begun, bool cut)
{
	(void)begun;
	(void)cut;
	memcpy(ctx, text, len + 1);
}

json_t *smoke_text(const char *text)
{
	char fit[LINE_MAX_BYTES + 1] = "";
	struct lines lines;

	lines_init(&lines, take_line, fit);
	lines_put(&lines, (const uint8_t *)text, lines_cut(text, LINE_MAX_BYTES / 4), 0);
	lines_end(&lines);
	return json_string(fit);
}

/* To the millisecond. */
json_t *smoke_seconds(uint64_t ns)
{
	return json_real((double)(ns / (NSEC_PER_SEC / 1000)) / 1000);
}

static const char *verdict_of(enum smoke_kind kind)
{
	switch (kind) {
	case SMOKE_PASSED:
		return "passed";
	case SMOKE_TIMEOUT:
		return "timeout";
	case SMOKE_HOST:
	case SMOKE_USAGE:
		return "error";
	case SMOKE_SIGNAL:
		return "interrupted";
	default:
		return "failed";
	}
}

json_t *smoke_result_plain(const struct vm_config *cfg, const char *name, enum smoke_kind kind, int status,
			   const char *message)
{
	json_t *result = json_object();

	json_object_set_new(result, "name", smoke_text(name));
	json_object_set_new(result, "verdict", json_string(verdict_of(kind)));
	json_object_set_new(result, "kind", json_string(smoke_kinds[kind]));
	json_object_set_new(result, "message", smoke_text(message));
	json_object_set_new(result, "status", json_integer(status));
	json_object_set_new(result, "kernel", smoke_text(cfg->kernel));
	json_object_set_new(result, "cpus", json_integer(cfg->cpus));
	json_object_set_new(result, "memory", json_integer((json_int_t)cfg->memory));
	if (cfg->console_log)
		json_object_set_new(result, "console_log", smoke_text(cfg->console_log));
	return result;
}

void smoke_result_spoil(json_t *result, const char *why)
{
	struct err whole;

	err_user(&whole, "it passed, but %s", why);
	json_object_set_new(result, "verdict", json_string(verdict_of(SMOKE_HOST)));
	json_object_set_new(result, "kind", json_string(smoke_kinds[SMOKE_HOST]));
	json_object_set_new(result, "message", smoke_text(whole.text));
	json_object_set_new(result, "status", json_integer(STATUS_HOST));
}

const char *smoke_string(const json_t *result, const char *member)
{
	const char *text = json_string_value(json_object_get(result, member));

	return text ? text : "";
}

int smoke_status(const json_t *result)
{
	return (int)json_integer_value(json_object_get(result, "status"));
}

/* What weighs more. */
static int weight(int status)
{
	return status == STATUS_USAGE     ? 4
	       : status > STATUS_TIMEOUT  ? 3
	       : status == STATUS_TIMEOUT ? 1
	       : status                   ? 2
					  : 0;
}

int smoke_status_of_all(const json_t *results)
{
	int all = 0;
	size_t i;
	json_t *result;

	json_array_foreach(results, i, result) if (weight(smoke_status(result)) > weight(all))
		all = smoke_status(result);
	return all;
}
