// SPDX-License-Identifier: BSD-2-Clause
/* vireo run: one VM in the foreground. */
#include "vmm/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "kvm/log.h"
#include "vmm/console.h"
#include "vmm/loop.h"
#include "vmm/trace.h"
#include "vmm/vm.h"

/* What lasts over a guest's resets. */
struct session {
	const struct vm_config *cfg;
	struct loop loop;
	struct console console;
	bool console_is_open;
	struct loop_source signals;
	struct clock_timer timeout;
	struct observer observer;
	int trace_status; /* a trace that could not be written: STATUS_HOST */
	struct vm vm;
};

static const int handled[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT };

static void on_timeout(void *ctx)
{
	struct session *s = ctx;

	vm_end(&s->vm, VM_TIMEOUT);
}

static void on_quit(void *ctx)
{
	struct session *s = ctx;

	vm_end(&s->vm, VM_QUIT);
}

static void on_signal(void *ctx, uint32_t events)
{
	struct session *s = ctx;
	uint8_t number;

	(void)events;
	if (read(s->signals.fd, &number, sizeof(number)) != sizeof(number))
		return;
	switch (number) {
	case SIGTSTP:
		console_suspend(&s->console);
		raise(SIGSTOP);
		console_resume(&s->console);
		break;
	case SIGCONT:
		console_resume(&s->console);
		break;
	default:
		vm_end_by_signal(&s->vm, number);
	}
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

/* So that the last output may be waited for without taking away Ctrl-C. */
static void close_signals(struct session *s)
{
	set_handlers(SIG_DFL);
	loop_remove(&s->loop, &s->signals);
	close(signal_pipe[0]);
	close(signal_pipe[1]);
}

/* Without one, stdin, stdout and the terminal are left alone. */
static bool has_console(const struct session *s)
{
	return s->cfg->console == CONSOLE_STDIO && !s->cfg->dry_run;
}

/* One boot, to its end. */
static int boot_once(struct session *s, struct err *err)
{
	struct chardev *chr = has_console(s) ? &s->console.chr : NULL;
	int ret;

	trace_boot();
	vm_init(&s->vm, s->cfg, &s->loop, chr);
	ret = vm_start(&s->vm, err);
	if (ret < 0)
		return ret;
	if (!s->cfg->dry_run)
		ret = loop_run(&s->loop, err);
	vm_stop(&s->vm);
	return ret;
}

static int boot_until_end(struct session *s, struct err *err)
{
	int ret;

	do {
		ret = boot_once(s, err);
		if (!ret && s->vm.why == VM_RESET && s->cfg->on_reboot == ON_REBOOT_RESTART)
			log_info("the guest asked for a reset: starting it again");
	} while (!ret && s->vm.why == VM_RESET && s->cfg->on_reboot == ON_REBOOT_RESTART);
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

/* The guest's end may have been a good one: that its trace is missing is a failure all the same. */
static void write_trace(struct session *s)
{
	struct err err;

	if (observe_write_trace(&s->observer, &s->vm.machine, &err) < 0)
		s->trace_status = report(&err);
}

/* Console and timeout around the boots. */
static int run_with_console(struct session *s, struct err *err)
{
	int ret = has_console(s) ? console_init(&s->console, &s->loop, on_quit, s, err) : 0;

	if (ret < 0)
		return ret;
	s->timeout = (struct clock_timer){ .fire = on_timeout, .ctx = s, .deadline = CLOCK_NEVER };
	if (s->cfg->timeout)
		clock_timer_set(&s->loop.clock, &s->timeout,
				clock_monotonic(&s->loop.clock) + s->cfg->timeout * NSEC_PER_SEC);
	ret = boot_until_end(s, err);
	clock_timer_set(&s->loop.clock, &s->timeout, CLOCK_NEVER);
	console_suspend(&s->console); /* before a signal may kill */
	s->console_is_open = has_console(s);
	return ret;
}

/* Signals and the trace around that. */
static int run(struct session *s, struct err *err)
{
	bool patient;
	int ret = open_signals(s, err);

	if (ret < 0)
		return ret;
	ret = observe_start(&s->observer, s->cfg, &s->loop.clock, err);
	if (!ret) {
		ret = run_with_console(s, err);
		write_trace(s); /* while a signal does not kill yet: half a trace is none */
	}
	close_signals(s);
	/* Who was told to go, goes; who ended by itself leaves no output behind. */
	patient = s->vm.why != VM_SIGNAL && s->vm.why != VM_QUIT && s->vm.why != VM_TIMEOUT;
	if (s->console_is_open)
		console_finish(&s->console, patient);
	return ret;
}

int command_run(const struct vm_config *cfg)
{
	struct session *s = calloc(1, sizeof(*s));
	struct err err;
	int ret, status;

	if (!s) {
		err_host(&err, ENOMEM, "the VM");
		return report(&err);
	}
	s->cfg = cfg;
	ret = loop_init(&s->loop, &err);
	if (!ret) {
		ret = run(s, &err);
		loop_finish(&s->loop);
	}
	status = ret < 0 ? report(&err) : status_of(&s->vm);
	if (!status)
		status = s->trace_status;
	if (!ret)
		observe_print_stats(&s->observer, cfg->stats, &s->vm.machine);
	observe_finish();
	free(s);
	return status;
}
