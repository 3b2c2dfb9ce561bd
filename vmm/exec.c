// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/exec.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/virtio/console.h"
#include "host/console.h"
#include "host/port_fd.h"
#include "host/terminal.h"
#include "kvm/log.h"
#include "kvm/winsize.h"
#include "vmm/exec_port.h"
#include "vmm/exec_tail.h"
#include "vmm/initramfs.h"
#include "vmm/outputs.h"
#include "vmm/progress.h"
#include "vmm/run.h"
#include "vmm/session.h"

enum { STREAM_STDIN, STREAM_STDOUT, STREAM_STDERR, NR_STREAMS };

struct exec {
	struct session session;
	struct boot_initrd initramfs;
	struct exec_tty tty;
	struct console console; /* with tty.is_wanted: the terminal */
	struct exec_tail tail;
	struct progress progress;
	struct chardev *fd[NR_STREAMS]; /* NULL: the console has it */
	struct exec_stream stream[NR_STREAMS];
	struct exec_control control;
	struct console_port port[NR_STREAMS + 1];

	uint64_t booted; /* ns: when the guest's boot began */
	bool guest_runs;
	bool is_started, has_exited, has_failed, was_told_to_end;
	bool has_lost_output;        /* after the end: it could not be written where it was to go */
	unsigned int status;         /* with has_exited */
	uint64_t expect[NR_STREAMS]; /* bytes that the command has written */
	int not_run;                 /* an errno: it could not be run */
};

/* --- what the guest says --- */

/* The status counts when all output is where it was to go. */
static void end_if_drained(void *ctx)
{
	struct exec *e = ctx;

	if (e->has_exited && e->stream[STREAM_STDOUT].taken >= e->expect[STREAM_STDOUT] &&
	    e->stream[STREAM_STDERR].taken >= e->expect[STREAM_STDERR])
		vm_end(&e->session.vm, VM_POWEROFF);
}

static void take_frame(void *ctx, const struct exec_frame *frame)
{
	struct exec *e = ctx;

	if (e->has_exited || e->has_failed)
		return;
	switch (frame->kind) {
	case EXEC_STARTED:
		e->is_started = true;
		progress_end(&e->progress);
		return;
	case EXEC_EXITED:
		e->has_exited = true;
		e->status = frame->value & 0xff;
		e->expect[STREAM_STDOUT] = frame->a;
		e->expect[STREAM_STDERR] = frame->b;
		end_if_drained(e);
		return;
	case EXEC_NOT_RUN:
		e->not_run = frame->value && frame->value < 4096 ? (int)frame->value : EIO;
		break;
	case EXEC_FAILED:
		break;
	default:
		log_debug_once("exec: a frame that means nothing: %u", frame->kind);
		return;
	}
	e->has_failed = true;
	vm_end(&e->session.vm, VM_POWEROFF);
}

static void stdout_closed(void *ctx)
{
	struct exec *e = ctx;

	exec_control_send(&e->control, EXEC_CLOSED, STDOUT_FILENO, 0, 0);
}

static void stderr_closed(void *ctx)
{
	struct exec *e = ctx;

	exec_control_send(&e->control, EXEC_CLOSED, STDERR_FILENO, 0, 0);
}

/* The terminal is the command's. */
static void output_begun(void *ctx)
{
	struct exec *e = ctx;

	progress_end(&e->progress);
}

/* --- the session --- */

static void on_quit(void *ctx)
{
	struct exec *e = ctx;

	vm_end(&e->session.vm, VM_QUIT);
}

/* It says so itself, but by another port than those of its output, which may be here sooner. */
static bool is_started(const struct exec *e)
{
	return e->is_started || e->stream[STREAM_STDOUT].taken || e->stream[STREAM_STDERR].taken;
}

static void on_state(void *ctx, char *line, size_t size)
{
	struct exec *e = ctx;
	const struct vm_config *cfg = e->session.cfg;
	uint64_t seconds = (clock_monotonic(&e->session.loop.clock) - e->booted) / NSEC_PER_SEC;

	snprintf(line, size, "%s; its guest runs for %" PRIu64 " s on %u CPUs with %" PRIu64 " MiB",
		 e->has_exited   ? "the command has ended"
		 : is_started(e) ? "the command runs"
				 : "the command has not begun yet",
		 seconds, cfg->cpus, cfg->memory >> 20);
}

static void close_streams(struct exec *e, bool patient)
{
	for (unsigned int i = 0; i < NR_STREAMS; i++) {
		if (e->stream[i].loop)
			exec_stream_finish(&e->stream[i]);
		if (!e->fd[i])
			continue;
		e->has_lost_output |= port_fd_has_failed(e->fd[i]);
		e->fd[i]->ops->destroy(e->fd[i]);
		e->fd[i] = NULL;
	}
	exec_control_finish(&e->control);
	if (e->tty.is_wanted)
		console_finish(&e->console, patient);
}

static int open_fds(struct exec *e, struct loop *loop, struct err *err)
{
	int ret = 0;

	if (!e->tty.is_wanted) {
		ret = port_fd_create_input(&e->fd[STREAM_STDIN], STDIN_FILENO, loop, err);
		if (!ret)
			ret = port_fd_create_output(&e->fd[STREAM_STDOUT], STDOUT_FILENO, "stdout", loop,
						    err);
	}
	if (!ret)
		ret = port_fd_create_output(&e->fd[STREAM_STDERR], STDERR_FILENO, "stderr", loop, err);
	return ret;
}

static void init_ports(struct exec *e, struct loop *loop)
{
	static const char *const names[] = { EXEC_PORT_STDIN, EXEC_PORT_STDOUT, EXEC_PORT_STDERR };

	for (unsigned int i = 0; i < NR_STREAMS; i++) {
		struct exec_stream *stream = &e->stream[i];
		bool is_input = i == STREAM_STDIN;

		if (e->fd[i])
			exec_stream_init(stream, e->fd[i], is_input, NULL, loop);
		else
			exec_stream_init(stream, &e->console.virtio.chr, is_input,
					 &e->stream[is_input ? STREAM_STDOUT : STREAM_STDIN], loop);
		stream->begun = output_begun;
		stream->moved = end_if_drained;
		stream->closed = i == STREAM_STDOUT ? stdout_closed : stderr_closed;
		stream->ctx = e;
		e->port[i] = (struct console_port){ .name = names[i], .chr = &stream->chr };
	}
	e->port[NR_STREAMS] = (struct console_port){ .name = EXEC_PORT_CONTROL, .chr = &e->control.chr };
}

static int exec_open(struct session *s, struct err *err)
{
	struct exec *e = s->ctx;
	int ret = 0;

	exec_control_init(&e->control, &s->loop);
	e->control.frame = take_frame;
	e->control.ctx = e;
	if (e->tty.is_wanted) {
		ret = console_init(&e->console, &s->loop, true, on_quit, e, err);
		if (ret < 0)
			e->tty.is_wanted = false; /* there is none to finish */
		else if (s->cfg->escape)
			e->console.escape_key = console_escape_from_text(s->cfg->escape);
		/* The command's terminal is no serial port, and our init heeds no power button. */
		e->console.no_break = true;
		e->console.state = on_state;
	}
	if (!ret)
		ret = open_fds(e, &s->loop, err);
	if (ret < 0) {
		close_streams(e, false);
		return ret;
	}
	init_ports(e, &s->loop);
	s->serial = &e->tail.chr;
	return 0;
}

/* While files are read nobody reads the keys: Ctrl-C must be a signal. */
static void exec_boot(struct session *s)
{
	struct exec *e = s->ctx;

	if (e->tty.is_wanted)
		console_suspend(&e->console);
	progress_begin(&e->progress, &s->loop, NULL, "the command to begin");
	e->booted = clock_monotonic(&s->loop.clock);
	s->vm.initrd = &e->initramfs;
	s->vm.ports = e->port;
	s->vm.nr_ports = NR_STREAMS + 1;
}

static void exec_loading(struct session *s, const char *what, const char *path, uint64_t done, uint64_t size)
{
	struct exec *e = s->ctx;

	progress_loading(&e->progress, what, path, done, size);
}

static void exec_guest_runs(struct session *s)
{
	struct exec *e = s->ctx;

	e->guest_runs = true;
	if (e->tty.is_wanted)
		console_resume(&e->console);
	progress_waiting(&e->progress);
}

static bool tell_window(struct exec *e)
{
	if (!e->tty.is_wanted)
		return true;
	console_resize(&e->console);
	exec_control_send(&e->control, EXEC_WINDOW, 0, e->console.virtio.chr.columns,
			  e->console.virtio.chr.rows);
	return true;
}

/*
 * Signals are the command's. Before it runs and after its end they end the VM; and so does a second one that
 * tells it to end: nobody must wait for a guest that hangs.
 */
static bool exec_signal(struct session *s, int number)
{
	struct exec *e = s->ctx;
	bool to_end = number == SIGTERM || number == SIGHUP;

	if (!e->guest_runs) /* while files are read there is nobody to be told, and the terminal is not raw */
		return false;
	switch (number) {
	case SIGTSTP:
		if (e->tty.is_wanted)
			console_suspend(&e->console);
		raise(SIGSTOP);
		if (e->tty.is_wanted)
			console_resume(&e->console);
		return true;
	case SIGCONT:
		if (e->tty.is_wanted)
			console_resume(&e->console);
		return tell_window(e);
	case SIGWINCH:
		return tell_window(e);
	}
	if (!is_started(e) || e->has_exited || (to_end && e->was_told_to_end)) {
		vm_end_by_signal(&s->vm, number);
		return true;
	}
	e->was_told_to_end |= to_end;
	exec_control_send(&e->control, EXEC_SIGNAL, (uint32_t)number, 0, 0);
	return true;
}

static void exec_suspend(struct session *s)
{
	struct exec *e = s->ctx;

	if (e->tty.is_wanted)
		console_suspend(&e->console);
}

static void exec_close(struct session *s, bool patient)
{
	struct exec *e = s->ctx;

	progress_end(&e->progress);
	close_streams(e, patient);
}

static const struct session_ops exec_ops = {
	.open = exec_open,
	.boot = exec_boot,
	.loading = exec_loading,
	.started = exec_guest_runs,
	.signal = exec_signal,
	.suspend = exec_suspend,
	.close = exec_close,
	.boots_once = "vireo exec starts its guest once, for the command would run again; \"quit\" ends it",
};

/* --- the command --- */

/* A terminal on both ends is one for the command, too; else each stream is a pipe of its own. */
static void look_for_terminal(struct exec_tty *tty)
{
	tty->is_wanted = terminal_is_ours(STDIN_FILENO) && isatty(STDOUT_FILENO);
	if (!tty->is_wanted)
		return;
	tty->with_stderr = isatty(STDERR_FILENO);
	winsize_get(STDOUT_FILENO, &tty->columns, &tty->rows);
}

static int make_initramfs(struct exec *e, const struct vm_config *cfg, struct err *err)
{
	bool none = cfg->modules && !strcmp(cfg->modules, "none");
	struct initramfs_request req = {
		.kernel = cfg->kernel,
		.modules = none ? NULL : exec_modules(cfg),
		.modules_dir = cfg->modules,
	};
	struct text_list files = { 0 };
	void *job = NULL;
	int ret = exec_make_job(&job, &req.job_size, cfg, &e->tty, err);

	if (!ret && cfg->copies) {
		req.files = &files;
		ret = exec_list_files(&files, cfg, err);
		if (!ret)
			log_warn(
				"virtiofsd is not installed: the guest has copies of %s and what it is linked to, "
				"%u files, and nothing else of this system",
				cfg->command.text[0], files.count);
	}
	req.job = job;
	if (!ret)
		ret = initramfs_build(&e->initramfs, &req, err);
	text_list_clear(&files);
	free(job);
	return ret;
}

static int not_run(const struct exec *e, const struct vm_config *cfg)
{
	const char *name = cfg->command.text[0];

	if (e->not_run == ENOENT) {
		log_error("%s: not found in the guest", name);
		return EXEC_STATUS_NOT_FOUND;
	}
	log_error("%s: cannot be executed in the guest: %s", name, strerrordesc_np(e->not_run));
	return EXEC_STATUS_NOT_EXECUTABLE;
}

/* The guest ended, but not because the command did. */
static int failed(struct exec *e, const char *how)
{
	char line[200] = "it did not say why";
	bool panic = exec_tail_has_panic(&e->tail, line, sizeof(line)) || e->session.vm.why == VM_PANIC;

	if (panic)
		log_error("the guest panicked: %s", line);
	else
		log_error("%s", how);
	exec_tail_show(&e->tail);
	return panic ? EXEC_STATUS_PANIC : EXEC_STATUS_FAILED;
}

/* That the command takes too long is its own affair; that it does not begin, the guest's, as a panic is. */
static int timed_out(struct exec *e)
{
	char line[200];
	int status = session_status(&e->session);

	if (exec_tail_has_panic(&e->tail, line, sizeof(line)))
		log_error("the guest has panicked");
	else if (!is_started(e))
		log_error("the command has not begun");
	else
		return status;
	exec_tail_show(&e->tail);
	return status;
}

static int status_of(struct exec *e, const struct vm_config *cfg)
{
	const struct vm *vm = &e->session.vm;

	if (vm->why == VM_POWEROFF && e->has_exited && !e->status)
		return e->session.trace_status || e->has_lost_output ? EXEC_STATUS_FAILED : 0;
	if (vm->why == VM_POWEROFF && e->has_exited)
		return (int)e->status;
	if (vm->why == VM_POWEROFF && e->not_run)
		return not_run(e, cfg);
	switch (vm->why) {
	case VM_TIMEOUT:
		return timed_out(e);
	case VM_RUNNING: /* a dry run */
	case VM_SIGNAL:
	case VM_QUIT:
		return session_status(&e->session);
	case VM_POWEROFF:
		return failed(e, e->has_failed ? "the guest cannot run the command"
					       : "the guest switched off before the command had ended");
	case VM_RESET:
		return failed(e, "the guest reset before the command had ended");
	case VM_LEFT:
		return failed(e, "the guest left (--debug-exit) before the command had ended");
	case VM_PANIC:
	case VM_DIED:
	case VM_FAILED:
		break;
	}
	return failed(e, vm->cause.text);
}

static int run(struct exec *e, const struct vm_config *cfg)
{
	struct err err;
	int ret, status;

	look_for_terminal(&e->tty);
	exec_tail_init(&e->tail); /* it is asked after the session's end */
	ret = make_initramfs(e, cfg, &err);
	if (!ret)
		ret = session_run(&e->session, cfg, &exec_ops, e, &err);
	if (ret < 0)
		status = report(&err) == STATUS_USAGE ? STATUS_USAGE : EXEC_STATUS_FAILED;
	else
		status = status_of(e, cfg);
	session_finish(&e->session);
	exec_tail_finish(&e->tail);
	initramfs_free(&e->initramfs);
	return status;
}

int command_exec(const struct vm_config *cfg)
{
	struct exec *e;
	struct err err;
	int status;

	if (outputs_check(cfg, &err) < 0)
		return report(&err) == STATUS_USAGE ? STATUS_USAGE : EXEC_STATUS_FAILED;
	e = calloc(1, sizeof(*e));
	if (!e) {
		err_host(&err, ENOMEM, "the VM");
		report(&err);
		return EXEC_STATUS_FAILED;
	}
	status = run(e, cfg);
	free(e);
	return status;
}
