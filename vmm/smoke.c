// SPDX-License-Identifier: BSD-2-Clause
/* vireo smoke: one boot, whose consoles are watched, and its verdict. */
#include "vmm/smoke.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/console_log.h"
#include "host/console_watch.h"
#include "kvm/log.h"
#include "vmm/cmdline_words.h"
#include "vmm/initramfs.h"
#include "vmm/judge.h"
#include "vmm/options.h"
#include "vmm/outfile.h"
#include "vmm/progress.h"
#include "vmm/run.h"
#include "vmm/session.h"

/* How the kernel says that it starts init (Linux, init/main.c, run_init_process()). */
#define INIT_STARTED "Run .* as init process"

#define PROGRESS_NS (NSEC_PER_SEC / 5) /* not more often */

struct smoke {
	struct session session;
	struct console_watch watch;
	struct judge judge;
	const struct smoke_watcher *watcher;
	struct console_log *log;      /* NULL: none */
	int log_fd;                   /* -1: none */
	struct boot_initrd initramfs; /* the built-in one, if `has_initramfs` */
	bool has_initramfs;

	uint64_t begun, ended; /* of this attempt; 0: it has not ended */
	unsigned int attempt;
	uint64_t shown;                         /* when progress was told last */
	struct clock_timer crash_timer, second; /* judge.deadline; progress when nothing is said */
	bool log_failed;
	struct err log_err;
};

/* --- what is expected --- */

enum expectation {
	EXPECT_GIVEN,   /* --expect */
	EXPECT_BUILTIN, /* the line of the built-in init, which the guest is given */
	EXPECT_STARTED, /* the kernel's line about the init of the given initrd or root */
};

static enum expectation expectation(const struct vm_config *cfg, const char *cmdline)
{
	if (cfg->expect.count)
		return EXPECT_GIVEN;
	if (cfg->initrd || cmdline_has(cmdline, "root="))
		return EXPECT_STARTED;
	return EXPECT_BUILTIN;
}

static const char *expected_regex(enum expectation what)
{
	return what == EXPECT_BUILTIN ? INITRAMFS_REACHED : what == EXPECT_STARTED ? INIT_STARTED : NULL;
}

static int check_expectation(const struct vm_config *cfg, struct err *err)
{
	char *cmdline = config_cmdline(cfg);
	enum expectation what;
	struct judge *judge;
	const char *word = "";
	int ret, len;

	if (!cmdline)
		return err_host(err, ENOMEM, "the kernel's command line");
	what = expectation(cfg, cmdline);
	len = cmdline_hides_info(cmdline, &word);
	ret = 0;
	if (what == EXPECT_STARTED && len) {
		err_user(
			err,
			"\"%.*s\" hides the kernel's line on its init, which passes if there is no --expect: give "
			"--expect, or leave out %.*s",
			len, word, len, word);
		ret = source_error(err, config_source(cfg, cfg->append ? "append" : "cmdline"));
	}
	free(cmdline);
	if (ret)
		return ret;
	judge = malloc(sizeof(*judge));
	if (!judge)
		return err_host(err, ENOMEM, "the VM");
	ret = judge_init(judge, cfg, expected_regex(what), err);
	judge_finish(judge);
	free(judge);
	return ret;
}

static int refuse(const struct vm_config *cfg, const char *key, const char *why, struct err *err)
{
	err_user(err, "%s%s", key, why);
	return source_error(err, config_source(cfg, key));
}

int smoke_check(const struct vm_config *cfg, struct err *err)
{
	if (cfg->serial || cfg->hvc)
		return refuse(
			cfg, cfg->serial ? "serial" : "hvc",
			": a smoke boot watches the consoles; leave it out (--console says which there are)",
			err);
	if (cfg->console == CONSOLE_NULL)
		return refuse(cfg, "console",
			      " null: there is nothing to watch; allowed is serial, virtio or both", err);
	return check_expectation(cfg, err);
}

const char *smoke_name(const struct vm_config *cfg)
{
	const char *slash = strrchr(cfg->kernel, '/');

	return slash && slash[1] ? slash + 1 : cfg->kernel;
}

/* --- while it runs: the loop's thread --- */

static uint64_t now(const struct smoke *smoke)
{
	struct clock *clock = (struct clock *)&smoke->session.loop.clock;

	return clock_monotonic(clock);
}

static double seconds(uint64_t ns)
{
	return (double)ns / (double)NSEC_PER_SEC;
}

static void note(struct smoke *smoke, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A line of ours in the console's log. */
static void note(struct smoke *smoke, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int len;

	if (!smoke->log)
		return;
	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text) - 1, fmt, ap);
	va_end(ap);
	if (len > (int)sizeof(text) - 2)
		len = sizeof(text) - 2;
	text[len] = '\n';
	console_log_put(smoke->log, "vireo", (const uint8_t *)text, (size_t)len + 1);
}

static void tell_progress(struct smoke *smoke)
{
	const struct judge_line *line;
	unsigned int i = 0;
	uint64_t when = now(smoke);

	clock_timer_set(&smoke->session.loop.clock, &smoke->second, when + NSEC_PER_SEC);
	if (!smoke->watcher->progress || when - smoke->shown < PROGRESS_NS)
		return;
	smoke->shown = when;
	while (judge_last_line(&smoke->judge, i))
		i++;
	line = i ? judge_last_line(&smoke->judge, i - 1) : NULL;
	smoke->watcher->progress(smoke->watcher->ctx, seconds(when - smoke->begun), line ? line->text : "");
}

static void on_second(void *ctx)
{
	tell_progress(ctx);
}

/* Ends the VM if there is a verdict, and else has the loop come back when the trace of a crash is over. */
static void consider(struct smoke *smoke)
{
	clock_timer_set(&smoke->session.loop.clock, &smoke->crash_timer, smoke->judge.deadline);
	if (smoke->judge.finding == JUDGE_NOTHING || smoke->ended)
		return;
	smoke->ended = now(smoke);
	vm_end(&smoke->session.vm, VM_QUIT);
}

static void on_crash_time(void *ctx)
{
	struct smoke *smoke = ctx;

	judge_time(&smoke->judge, now(smoke));
	consider(smoke);
}

static void on_output(void *ctx, enum watch_source source, const uint8_t *bytes, size_t len)
{
	struct smoke *smoke = ctx;

	if (smoke->log)
		console_log_put(smoke->log, watch_names[source], bytes, len);
	judge_put(&smoke->judge, source, bytes, len, now(smoke));
	consider(smoke);
	tell_progress(smoke);
}

static void on_pause(void *ctx)
{
	struct smoke *smoke = ctx;

	judge_pause(&smoke->judge);
	consider(smoke);
}

static void on_seen(void *ctx, const struct judge_rule *rule)
{
	struct smoke *smoke = ctx;
	unsigned int number = (unsigned int)(rule - smoke->judge.expect.rule) + 1;

	note(smoke, "seen: %s", rule->text);
	if (smoke->watcher->seen)
		smoke->watcher->seen(smoke->watcher->ctx, seconds(now(smoke) - smoke->begun), rule->text,
				     number, smoke->judge.expect.count);
}

static void on_type(void *ctx, enum watch_source source, const char *text, size_t len)
{
	struct smoke *smoke = ctx;

	note(smoke, "typed %zu bytes on %s", len, watch_names[source]);
	if (console_watch_type(&smoke->watch, source, text, len) < 0)
		vm_end_because(&smoke->session.vm, VM_FAILED, "out of memory for --send");
}

/* --- the session --- */

static int open_log(struct smoke *smoke, struct err *err)
{
	const struct vm_config *cfg = smoke->session.cfg;
	int ret;

	if (smoke->log_fd < 0)
		return 0;
	ret = console_log_open(&smoke->log, smoke->log_fd, cfg->console_log, &smoke->session.loop.clock, err);
	if (!ret && cfg->retries)
		note(smoke, "booting %s, attempt %u", cfg->kernel, smoke->attempt);
	else if (!ret)
		note(smoke, "booting %s", cfg->kernel);
	return ret;
}

static int smoke_open(struct session *s, struct err *err)
{
	struct smoke *smoke = s->ctx;
	int ret;

	smoke->crash_timer =
		(struct clock_timer){ .fire = on_crash_time, .ctx = smoke, .deadline = CLOCK_NEVER };
	smoke->second = (struct clock_timer){ .fire = on_second, .ctx = smoke, .deadline = CLOCK_NEVER };
	smoke->begun = now(smoke);
	ret = open_log(smoke, err);
	if (ret < 0)
		return ret;
	ret = console_watch_init(&smoke->watch, &s->loop, on_output, on_pause, smoke, err);
	if (ret < 0) {
		struct err ignored;

		if (smoke->log)
			console_log_close(smoke->log, &ignored);
		return ret;
	}
	s->serial = &smoke->watch.end[WATCH_SERIAL].chr;
	s->hvc = config_has_hvc(s->cfg) ? &smoke->watch.end[WATCH_HVC].chr : NULL;
	tell_progress(smoke);
	return 0;
}

static void smoke_before_boot(struct session *s)
{
	struct smoke *smoke = s->ctx;

	if (smoke->has_initramfs)
		s->vm.initrd = &smoke->initramfs;
	if (s->boots > 1)
		note(smoke, "booting again");
}

/* The loop does not run meanwhile. */
static void smoke_loading(struct session *s, const char *what, const char *path, uint64_t done, uint64_t size)
{
	struct smoke *smoke = s->ctx;
	uint64_t when = now(smoke);
	double passed = seconds(when - smoke->begun);
	char line[160];

	if (!smoke->watcher->progress || when - smoke->shown < PROGRESS_NS)
		return;
	smoke->shown = when;
	progress_describe(line, sizeof(line), what, path, done, size, (uint64_t)passed);
	smoke->watcher->progress(smoke->watcher->ctx, passed, line);
}

static void smoke_suspend(struct session *s)
{
	struct smoke *smoke = s->ctx;

	clock_timer_set(&s->loop.clock, &smoke->crash_timer, CLOCK_NEVER);
	clock_timer_set(&s->loop.clock, &smoke->second, CLOCK_NEVER);
	if (!smoke->ended)
		smoke->ended = now(smoke);
}

static void smoke_close(struct session *s, bool patient)
{
	struct smoke *smoke = s->ctx;

	(void)patient;
	console_watch_finish(&smoke->watch);
	judge_end(&smoke->judge);
	clock_timer_set(&s->loop.clock, &smoke->crash_timer, CLOCK_NEVER);
	clock_timer_set(&s->loop.clock, &smoke->second, CLOCK_NEVER);
	if (smoke->log)
		smoke->log_failed = console_log_close(smoke->log, &smoke->log_err) < 0;
	smoke->log = NULL;
}

static const struct session_ops smoke_ops = {
	.open = smoke_open,
	.boot = smoke_before_boot,
	.loading = smoke_loading,
	.suspend = smoke_suspend,
	.close = smoke_close,
};

/* --- the verdict --- */

static const char *next_expected(const struct smoke *smoke)
{
	const struct judge_rules *expect = &smoke->judge.expect;

	return expect->next < expect->count ? expect->rule[expect->next].text : "";
}

struct verdict {
	enum smoke_kind kind;
	int status;
	char message[2048];
};

static void decide(struct verdict *v, enum smoke_kind kind, int status, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void decide(struct verdict *v, enum smoke_kind kind, int status, const char *fmt, ...)
{
	va_list ap;

	v->kind = kind;
	v->status = status;
	va_start(ap, fmt);
	vsnprintf(v->message, sizeof(v->message), fmt, ap);
	va_end(ap);
}

static void decide_by_crash(struct verdict *v, const struct crash *crash)
{
	_Static_assert((int)SMOKE_PANIC == (int)CRASH_PANIC && (int)SMOKE_RCU_STALL == (int)CRASH_RCU_STALL,
		       "the same order");

	decide(v, (enum smoke_kind)crash->kind, STATUS_HOST, "%.800s%s%s%s%.800s", crash->headline,
	       *crash->where ? ", at " : "", crash->where, *crash->panic ? "; " : "", crash->panic);
}

static void decide_by_end(struct verdict *v, const struct smoke *smoke)
{
	const struct vm *vm = &smoke->session.vm;
	const char *next = next_expected(smoke);

	switch (vm->why) {
	case VM_RUNNING:
		decide(v, SMOKE_PASSED, 0, "a dry run: all but the boot");
		break;
	case VM_POWEROFF:
		decide(v, SMOKE_POWEROFF, STATUS_HOST, "the guest powered off before this was seen: \"%s\"",
		       next);
		break;
	case VM_RESET:
		decide(v, SMOKE_RESET, STATUS_HOST,
		       "the guest asked for a reset before this was seen: \"%s\"", next);
		break;
	case VM_LEFT:
		decide(v, SMOKE_LEFT, STATUS_HOST,
		       "the guest ended the run with status %d (--debug-exit) before this was seen: \"%s\"",
		       vm->number, next);
		break;
	case VM_PANIC:
		decide(v, SMOKE_PANIC, STATUS_HOST, "the guest panicked, as its pvpanic device says");
		break;
	case VM_DIED:
		decide(v, SMOKE_DIED, STATUS_HOST, "%s", vm->cause.text);
		break;
	case VM_TIMEOUT:
		decide(v, SMOKE_TIMEOUT, STATUS_TIMEOUT, "not seen within %u s (--timeout): \"%s\"",
		       smoke->session.cfg->timeout, next);
		break;
	case VM_SIGNAL:
		decide(v, SMOKE_SIGNAL, STATUS_SIGNAL + vm->number, "ended by signal %d (%s)", vm->number,
		       sigdescr_np(vm->number) ?: "?");
		break;
	case VM_QUIT:
		decide(v, SMOKE_SIGNAL, STATUS_SIGNAL + SIGINT, "ended by vireo ctl quit");
		break;
	case VM_FAILED:
		decide(v, SMOKE_HOST, STATUS_HOST, "%s", vm->cause.text);
	}
}

static void decide_by_finding(struct verdict *v, const struct smoke *smoke)
{
	const struct judge *judge = &smoke->judge;
	const struct judge_rule *last = &judge->expect.rule[judge->expect.count - 1];
	const struct judge_rule *bad = judge->failed_on;

	if (judge->finding == JUDGE_PASSED)
		decide(v, SMOKE_PASSED, 0, "%s", last->line ? crash_skip_time(last->line->text) : last->text);
	else if (judge->finding == JUDGE_FAILED)
		decide(v, SMOKE_FAIL_ON, STATUS_HOST, "--fail-on \"%.400s\": %s", bad->text,
		       bad->line ? crash_skip_time(bad->line->text) : "");
	else
		decide_by_crash(v, &judge->crash);
}

/* `ret`: what session_run() returned. What the guest said beats how it ended; that the host failed, both. */
static void find_verdict(struct verdict *v, const struct smoke *smoke, int ret, const struct err *err)
{
	if (ret < 0)
		decide(v, err->kind == ERR_USER ? SMOKE_USAGE : SMOKE_HOST,
		       err->kind == ERR_USER ? STATUS_USAGE : STATUS_HOST, "%s", err->text);
	else if (smoke->judge.finding != JUDGE_NOTHING && smoke->session.vm.why != VM_FAILED)
		decide_by_finding(v, smoke);
	else
		decide_by_end(v, smoke);
	if (v->status)
		return;
	/* That its trace or its log is missing is a failure all the same. */
	if (smoke->session.trace_status)
		decide(v, SMOKE_HOST, STATUS_HOST, "it passed, but --trace could not be written");
	else if (smoke->log_failed)
		decide(v, SMOKE_HOST, STATUS_HOST, "it passed, but %s", smoke->log_err.text);
}

/* --- the verdict in full --- */

static json_t *line_json(const struct smoke *smoke, const struct judge_line *line)
{
	json_t *o = json_object();

	json_object_set_new(o, "seconds", smoke_seconds(line->when - smoke->begun));
	json_object_set_new(o, "console", json_string(watch_names[line->source]));
	json_object_set_new(o, "line", json_string(line->text));
	return o;
}

static json_t *rule_json(const struct smoke *smoke, const struct judge_rule *rule)
{
	json_t *o = rule->line ? line_json(smoke, rule->line) : json_object();

	json_object_set_new(o, "regex", smoke_text(rule->text));
	json_object_set_new(o, "seen", json_boolean(rule->is_seen));
	return o;
}

static json_t *result_of(const struct smoke *smoke, const char *name, const struct verdict *v)
{
	const struct vm_config *cfg = smoke->session.cfg;
	json_t *result = smoke_result_plain(cfg, name, v->kind, v->status, v->message);
	const struct judge *judge = &smoke->judge;
	const struct judge_line *line;
	json_t *list = json_array();

	json_object_set_new(result, "seconds", smoke_seconds(smoke->ended ? smoke->ended - smoke->begun : 0));
	json_object_set_new(result, "attempts", json_integer(smoke->attempt));
	for (unsigned int i = 0; i < judge->expect.count; i++)
		json_array_append_new(list, rule_json(smoke, &judge->expect.rule[i]));
	json_object_set_new(result, "expected", list);
	if (judge->failed_on)
		json_object_set_new(result, "failed_on", rule_json(smoke, judge->failed_on));
	if (judge->crash.kind) {
		list = json_array();
		for (unsigned int i = 0; i < judge->crash.nr_lines; i++)
			json_array_append_new(list, json_string(judge->crash.line[i]));
		json_object_set_new(result, "trace", list);
		json_object_set_new(result, "crash_seconds",
				    smoke_seconds(judge->crash_begun - smoke->begun));
		if (*judge->crash.where)
			json_object_set_new(result, "where", json_string(judge->crash.where));
	}
	if (*smoke->session.vm.cause.text)
		json_object_set_new(result, "host", smoke_text(smoke->session.vm.cause.text));
	list = json_array();
	for (unsigned int i = 0; (line = judge_last_line(judge, i)); i++)
		json_array_append_new(list, line_json(smoke, line));
	json_object_set_new(result, "last_lines", list);
	return result;
}

/* --- attempts --- */

/* One attempt; NULL without memory for a verdict. */
static json_t *attempt(struct smoke *smoke, const struct vm_config *cfg, const char *name)
{
	char *cmdline = config_cmdline(cfg);
	enum expectation what = cmdline ? expectation(cfg, cmdline) : EXPECT_GIVEN;
	struct verdict v;
	json_t *result;
	struct err err;
	int ret;

	free(cmdline);
	smoke->ended = 0;
	smoke->log_failed = false;
	ret = judge_init(&smoke->judge, cfg, expected_regex(what), &err);
	smoke->judge.seen = on_seen;
	smoke->judge.type = on_type;
	smoke->judge.ctx = smoke;
	smoke->has_initramfs = !ret && what == EXPECT_BUILTIN;
	if (smoke->has_initramfs)
		ret = initramfs_build(&smoke->initramfs, NULL, &err);
	smoke->session.cfg = cfg;
	if (!ret) {
		ret = session_run(&smoke->session, cfg, &smoke_ops, smoke, &err);
		session_finish(&smoke->session);
	}
	find_verdict(&v, smoke, ret, &err);
	result = result_of(smoke, name, &v);
	if (smoke->has_initramfs)
		initramfs_free(&smoke->initramfs);
	judge_finish(&smoke->judge);
	return result;
}

/* Another attempt is no help against a mistake, nor what somebody wants who ends the program. */
static bool may_retry(const json_t *result)
{
	int status = smoke_status(result);

	return status == STATUS_HOST || status == STATUS_TIMEOUT;
}

static json_t *host_failure(const struct vm_config *cfg, const char *name, const struct err *err)
{
	bool usage = err->kind == ERR_USER;

	return smoke_result_plain(cfg, name, usage ? SMOKE_USAGE : SMOKE_HOST,
				  usage ? STATUS_USAGE : STATUS_HOST, err->text);
}

/* It may be a pipe, or a terminal, or have the log of another boot in it already. */
static int open_log_file(struct smoke *smoke, const struct vm_config *cfg, struct err *err)
{
	smoke->log_fd = -1;
	if (!cfg->console_log || cfg->dry_run)
		return 0;
	smoke->log_fd = outfile_open_append("console-log", cfg->console_log, err);
	return smoke->log_fd < 0 ? smoke->log_fd : 0;
}

json_t *smoke_boot(const struct vm_config *cfg, const char *name, const struct smoke_watcher *watcher)
{
	struct smoke *smoke = calloc(1, sizeof(*smoke));
	json_t *result = NULL;
	struct err err;

	if (!smoke)
		return NULL;
	if (open_log_file(smoke, cfg, &err) < 0) {
		free(smoke);
		return host_failure(cfg, name, &err);
	}
	smoke->watcher = watcher;
	do {
		smoke->attempt++;
		json_decref(result);
		result = attempt(smoke, cfg, name);
	} while (result && may_retry(result) && !smoke->session.late_signal &&
		 smoke->attempt <= cfg->retries);
	if (smoke->log_fd >= 0)
		close(smoke->log_fd);
	free(smoke);
	return result;
}
