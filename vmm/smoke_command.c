// SPDX-License-Identifier: BSD-2-Clause
/* vireo smoke: the command. */
#include <errno.h>
#include <time.h>

#include "vmm/options.h"
#include "vmm/outfile.h"
#include "vmm/outputs.h"
#include "vmm/run.h"
#include "vmm/smoke.h"
#include "vmm/smoke_show.h"

static void on_progress(void *ctx, double seconds, const char *line)
{
	struct smoke_show *show = ctx;

	show_row(show, 0, "smoke", seconds, line);
}

static void on_seen(void *ctx, double seconds, const char *regex, unsigned int number, unsigned int of)
{
	/* The only one's is told by the verdict. */
	if (of > 1)
		show_line(ctx, "seen after %.3f s, %u of %u: %s", seconds, number, of, quote(regex).text);
}

static double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int run_one(const struct vm_config *cfg, struct smoke_show *show)
{
	const struct smoke_watcher watcher = { .progress = on_progress, .seen = on_seen, .ctx = show };
	double began = seconds_now();
	time_t started = time(NULL);
	json_t *results, *result = smoke_boot(cfg, smoke_name(cfg), &watcher);
	struct err err;
	int status;

	show_row(show, 0, "", 0, "");
	if (!result) {
		err_host(&err, ENOMEM, "the verdict");
		return report(&err);
	}
	status = smoke_status(result);
	results = json_array();
	json_array_append(results, result);
	/* A mistake is one line, and a verdict's line is the last one. */
	if (status == STATUS_USAGE) {
		err_user(&err, "%s", smoke_string(result, "message"));
		report(&err);
	} else if (!cfg->dry_run &&
		   smoke_write_reports(cfg, results, started, seconds_now() - began, &err) < 0) {
		if (status)
			report(&err);
		else
			smoke_result_spoil(result, err.text);
		status = smoke_status(result);
	}
	if (status != STATUS_USAGE && !cfg->dry_run)
		show_result(show, result);
	json_decref(results);
	json_decref(result);
	return status;
}

int command_smoke(const struct vm_config *cfg)
{
	struct smoke_show show;
	struct err err;
	int ret, status;

	if (cfg->tests)
		return smoke_matrix(cfg);
	ret = outputs_check(cfg, &err);
	if (!ret && cfg->console_log)
		ret = outfile_check_append("console-log", cfg->console_log, cfg, &err);
	if (!ret)
		ret = smoke_check_reports(cfg, &err);
	if (!ret && show_init(&show, 1) < 0)
		ret = err_host(&err, ENOMEM, "the command");
	if (ret < 0)
		return report(&err);
	status = run_one(cfg, &show);
	show_finish(&show);
	return status;
}
