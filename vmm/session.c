// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/session.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "boot/image.h"
#include "kvm/log.h"
#include "vmm/control.h"
#include "vmm/run.h"

static const int handled[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH };

static void on_timeout(void *ctx)
{
	struct session *s = ctx;

	vm_end(&s->vm, VM_TIMEOUT);
}

/* Of those handled here, whether it ends the VM where the command does nothing else with it. */
static bool is_for_good(uint8_t number)
{
	return number != SIGTSTP && number != SIGCONT && number != SIGWINCH;
}

static void on_signal(void *ctx, uint32_t events)
{
	struct session *s = ctx;
	uint8_t number;

	(void)events;
	if (read(s->signals.fd, &number, sizeof(number)) != sizeof(number))
		return;
	if (s->ops->signal && s->ops->signal(s, number))
		return;
	if (number == SIGTSTP)
		raise(SIGSTOP);
	else if (is_for_good(number))
		vm_end_by_signal(&s->vm, number);
}

/*
 * Handlers and a pipe, not a signalfd: every signal to any thread wakes whoever waits for a
 * signalfd, and vCPUs are kicked by signals.
 */
static int signal_pipe[2];

static void handle_signal(int number)
{
	uint8_t byte = (uint8_t)number;
	int saved = errno;

	(void)!write(signal_pipe[1], &byte, sizeof(byte));
	errno = saved;
}

static void set_handlers(void (*handler)(int))
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART }, old;

	for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
		/* What the caller had us ignore (nohup, a shell's background job) stays ignored. */
		if (!sigaction(handled[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(handled[i], &sa, NULL);
}

static int open_signals(struct session *s, struct err *err)
{
	int ret;

	if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_host(err, errno, "a pipe for signals");
	s->signals = (struct loop_source){ .fd = signal_pipe[0], .ready = on_signal, .ctx = s };
	ret = loop_add(&s->loop, &s->signals, EPOLLIN, err);
	if (ret < 0) {
		close(signal_pipe[0]);
		close(signal_pipe[1]);
		return ret;
	}
	set_handlers(handle_signal);
	return 0;
}

/* So that the last output may be waited for without taking away Ctrl-C. One that came too late for the VM is noted. */
static void close_signals(struct session *s)
{
	uint8_t number;

	set_handlers(SIG_DFL);
	while (read(signal_pipe[0], &number, sizeof(number)) == sizeof(number))
		s->late_signal |= is_for_good(number);
	loop_remove(&s->loop, &s->signals);
	close(signal_pipe[0]);
	close(signal_pipe[1]);
}

/*
 * The loop does not run while files are read, which takes long from a pipe that somebody has forgotten to fill:
 * signals and the timeout are looked for here.
 */
static bool go_on_loading(void *ctx, const char *what, const char *path, uint64_t done, uint64_t size)
{
	struct session *s = ctx;

	on_signal(s, 0);
	if (clock_monotonic(&s->loop.clock) >= s->timeout.deadline)
		on_timeout(s);
	if (s->ops->loading)
		s->ops->loading(s, what, path, done, size);
	return s->vm.why == VM_RUNNING;
}

/* One boot, to its end. */
static int boot_once(struct session *s, struct err *err)
{
	int ret;

	trace_boot();
	if (s->boots++ && !s->restart)
		log_hold_repeats();
	s->restart = false;
	vm_init(&s->vm, s->cfg, &s->loop, s->serial, s->hvc);
	control_boot(s->control);
	if (s->ops->boot)
		s->ops->boot(s);
	image_set_progress(go_on_loading, s);
	ret = vm_start(&s->vm, err);
	image_set_progress(NULL, NULL);
	if (ret < 0)
		return s->vm.why == VM_RUNNING ? ret
					       : 0; /* what has ended it while it started is no failure */
	if (!s->cfg->dry_run) {
		if (s->ops->started)
			s->ops->started(s);
		ret = loop_run(&s->loop, err);
	}
	vm_stop(&s->vm);
	return ret;
}

int session_restart(struct session *s, struct err *err)
{
	if (s->ops->boots_once)
		return err_user(err, "%s", s->ops->boots_once);
	log_forget();
	s->restart = true;
	vm_end(&s->vm, VM_RESET);
	return 0;
}

static int boot_until_end(struct session *s, struct err *err)
{
	bool again;
	int ret;

	do {
		ret = boot_once(s, err);
		again = !ret && s->vm.why == VM_RESET &&
			(s->restart || s->cfg->on_reboot == ON_REBOOT_RESTART);
		if (again)
			log_info("%s a reset: starting it again",
				 s->restart ? "vireo ctl asked for" : "the guest asked for");
	} while (again);
	return ret;
}

/* The guest's end may have been a good one: that its trace is missing is a failure all the same. */
static void write_trace(struct session *s)
{
	struct err err;

	if (observe_write_trace(&s->observer, &s->vm.machine, &err) < 0)
		s->trace_status = report(&err);
}

/* The command's consoles and the timeout around the boots. */
static int run_connected(struct session *s, struct err *err)
{
	int ret = s->ops->open ? s->ops->open(s, err) : 0;

	if (ret < 0)
		return ret;
	s->is_open = true;
	s->timeout = (struct clock_timer){ .fire = on_timeout, .ctx = s, .deadline = CLOCK_NEVER };
	if (s->cfg->timeout)
		clock_timer_set(&s->loop.clock, &s->timeout,
				clock_monotonic(&s->loop.clock) + s->cfg->timeout * NSEC_PER_SEC);
	ret = control_connect(s->control, err);
	if (!ret)
		ret = boot_until_end(s, err);
	clock_timer_set(&s->loop.clock, &s->timeout, CLOCK_NEVER);
	if (s->ops->suspend)
		s->ops->suspend(s); /* before a signal may kill */
	return ret;
}

/* Signals and the trace around that. */
static int run_observed(struct session *s, struct err *err)
{
	bool patient;
	int ret = open_signals(s, err);

	if (ret < 0)
		return ret;
	ret = observe_start(&s->observer, s->cfg, &s->loop.clock, err);
	if (!ret) {
		ret = control_open(s, err);
		if (!ret)
			ret = run_connected(s, err);
		control_close(s->control);
		write_trace(s); /* while a signal does not kill yet: half a trace is none */
	}
	close_signals(s);
	/* Who was told to go, goes; who ended by itself leaves no output behind. */
	patient = !s->late_signal && s->vm.why != VM_SIGNAL && s->vm.why != VM_QUIT &&
		  s->vm.why != VM_TIMEOUT;
	if (s->is_open && s->ops->close)
		s->ops->close(s, patient);
	return ret;
}

int session_run(struct session *s, const struct vm_config *cfg, const struct session_ops *ops, void *ctx,
		struct err *err)
{
	int ret;

	memset(s, 0, sizeof(*s));
	s->cfg = cfg;
	s->ops = ops;
	s->ctx = ctx;
	log_forget();
	ret = loop_init(&s->loop, err);
	if (!ret) {
		ret = run_observed(s, err);
		loop_finish(&s->loop);
	}
	s->ran = !ret;
	return ret;
}

static int status_of(const struct vm *vm)
{
	switch (vm->why) {
	case VM_RUNNING: /* a dry run */
	case VM_POWEROFF:
		return STATUS_POWEROFF;
	case VM_RESET:
		log_info("the guest asked for a reset");
		return STATUS_RESET;
	case VM_PANIC:
		log_error("the guest panicked");
		return STATUS_PANIC;
	case VM_LEFT:
		log_info("the guest ended the run with status %d (--debug-exit)", vm->number);
		return vm->number;
	case VM_DIED:
		log_error("%s", vm->cause.text);
		return STATUS_DIED;
	case VM_TIMEOUT:
		log_error("the guest did not end within %u seconds (--timeout)", vm->cfg->timeout);
		return STATUS_TIMEOUT;
	case VM_SIGNAL:
		return STATUS_SIGNAL + vm->number;
	case VM_QUIT:
		return STATUS_SIGNAL + SIGINT;
	case VM_FAILED:
		break;
	}
	log_error("%s", vm->cause.text);
	return STATUS_HOST;
}

int session_status(const struct session *s)
{
	int status = status_of(&s->vm);

	return status ? status : s->trace_status;
}

void session_finish(struct session *s)
{
	if (s->ran)
		observe_print_stats(&s->observer, s->cfg->stats, &s->vm.machine);
	observe_finish();
}
