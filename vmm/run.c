// SPDX-License-Identifier: BSD-2-Clause
/* vireo run: one VM in the foreground, its consoles where the user wants them. */
#include "vmm/run.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/notify.h"
#include "kvm/log.h"
#include "vmm/consoles.h"
#include "vmm/outputs.h"
#include "vmm/progress.h"
#include "vmm/session.h"
#include "vmm/stop.h"

struct run {
	struct session session;
	struct consoles consoles;
	struct progress progress;
	struct stop stop;
	struct notify notify;
	uint64_t started; /* ns: when this boot's vCPUs did; 0: not yet */
	bool log_failed;
};

static void on_quit(void *ctx)
{
	struct session *s = ctx;

	vm_end(&s->vm, VM_QUIT);
}

static void on_state(void *ctx, char *line, size_t size)
{
	struct session *s = ctx;
	struct run *run = s->ctx;
	char where[160];
	uint64_t seconds = (clock_monotonic(&s->loop.clock) - run->started) / NSEC_PER_SEC;

	consoles_describe(&run->consoles, where, sizeof(where));
	snprintf(line, size, "boot %u runs for %" PRIu64 " s on %u CPUs with %" PRIu64 " MiB; %s", s->boots,
		 seconds, s->cfg->cpus, s->cfg->memory >> 20, where);
}

static void on_power(void *ctx, char *line, size_t size)
{
	struct session *s = ctx;
	struct err err;

	if (vm_press_power_button(&s->vm, &err) < 0)
		snprintf(line, size, "%s", err.text);
	else
		snprintf(line, size, "the power button was pressed");
}

static int run_open(struct session *s, struct err *err)
{
	struct run *run = s->ctx;
	int ret;

	stop_init(&run->stop, s);
	ret = consoles_open(&run->consoles, s->cfg, &s->loop, on_quit, s, &s->serial, &s->hvc, err);
	run->consoles.stdio.power = on_power;
	run->consoles.stdio.state = on_state;
	return ret;
}

/* While files are read nobody reads the keys: Ctrl-C must be a signal. */
static void run_boot(struct session *s)
{
	struct run *run = s->ctx;
	bool has_stdio = run->consoles.has_stdio;

	run->started = 0;
	if (has_stdio)
		console_suspend(&run->consoles.stdio);
	progress_begin(&run->progress, &s->loop, has_stdio ? &run->consoles.stdio : NULL,
		       has_stdio ? "the guest to say something" : NULL);
}

static void run_loading(struct session *s, const char *what, const char *path, uint64_t done, uint64_t size)
{
	struct run *run = s->ctx;

	progress_loading(&run->progress, what, path, done, size);
}

static void run_started(struct session *s)
{
	struct run *run = s->ctx;

	run->started = clock_monotonic(&s->loop.clock);
	if (run->consoles.has_stdio)
		console_resume(&run->consoles.stdio);
	progress_waiting(&run->progress);
	if (s->boots == 1)
		notify_send(&run->notify, "READY=1\nSTATUS=The guest runs.");
}

/* The manager's patience is to last a little longer than the guest is given. */
static bool run_sigterm(struct run *run)
{
	unsigned int seconds = run->session.cfg->stop_timeout;

	if (!stop_gently(&run->stop))
		return false;
	notify_send(&run->notify, "STOPPING=1\nSTATUS=The guest was asked to power off.");
	if (seconds)
		notify_send(&run->notify, "EXTEND_TIMEOUT_USEC=%llu", (seconds + 10) * 1000000ULL);
	return true;
}

static bool run_signal(struct session *s, int number)
{
	struct run *run = s->ctx;
	struct console *console = run->consoles.has_stdio ? &run->consoles.stdio : NULL;

	if (!run->started) /* while files are read there is no guest to be asked, and the terminal is not raw */
		return false;
	switch (number) {
	case SIGTERM:
		return run_sigterm(run);
	case SIGTSTP:
		if (console)
			console_suspend(console);
		raise(SIGSTOP);
		if (console)
			console_resume(console);
		return true;
	case SIGCONT:
		if (console)
			console_resume(console);
		return true;
	case SIGWINCH:
		if (console)
			console_resize(console);
		return true;
	}
	return false;
}

static void run_suspend(struct session *s)
{
	struct run *run = s->ctx;

	notify_send(&run->notify, "STOPPING=1\nSTATUS=The guest has ended.");
	progress_end(&run->progress);
	if (run->consoles.has_stdio)
		console_suspend(&run->consoles.stdio);
}

static void run_close(struct session *s, bool patient)
{
	struct run *run = s->ctx;
	struct err err;

	stop_finish(&run->stop);
	if (consoles_close(&run->consoles, patient, &err) >= 0)
		return;
	report(&err);
	run->log_failed = true;
}

static const struct session_ops run_ops = {
	.open = run_open,
	.boot = run_boot,
	.started = run_started,
	.loading = run_loading,
	.signal = run_signal,
	.suspend = run_suspend,
	.close = run_close,
};

int command_run(const struct vm_config *cfg)
{
	struct run *run;
	struct err err;
	int ret, status;

	if (outputs_check(cfg, &err) < 0)
		return report(&err);
	run = calloc(1, sizeof(*run));
	if (!run) {
		err_host(&err, ENOMEM, "the VM");
		return report(&err);
	}
	notify_init(&run->notify);
	ret = session_run(&run->session, cfg, &run_ops, run, &err);
	status = ret < 0 ? report(&err) : session_status(&run->session);
	if (!status && run->log_failed)
		status = STATUS_HOST;
	notify_finish(&run->notify);
	session_finish(&run->session);
	free(run);
	return status;
}
