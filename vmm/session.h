/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One VM in the foreground: the event loop, signals, the timeout, the trace and statistics, and as many
 * boots as its guest's resets make. What the guest's consoles are connected to is the command's: run,
 * smoke and exec each bring a struct session_ops.
 */
#ifndef VIREO_VMM_SESSION_H
#define VIREO_VMM_SESSION_H

#include <stdbool.h>

#include "devices/chardev.h"
#include "host/loop.h"
#include "vmm/config.h"
#include "vmm/trace.h"
#include "vmm/vm.h"

struct session;

/* All are called in the main thread; each may be NULL. */
struct session_ops {
	/*
	 * Connects the guest's consoles: session->serial and ->hvc (NULL: nothing). Once, before the first
	 * boot; the loop and the signals are there. On failure nothing is left to close.
	 */
	int (*open)(struct session *s, struct err *err);
	/* The VM of boot number s->boots (from 1) is initialised, and is about to start. */
	void (*boot)(struct session *s);
	/* The vCPUs of boot number s->boots run. */
	void (*started)(struct session *s);
	/* The kernel or initrd of this boot is being read: `done` of `size` bytes (0: not known) are there. */
	void (*loading)(struct session *s, const char *what, const char *path, uint64_t done, uint64_t size);
	/* A signal came. True: it is dealt with; else the default happens: SIGWINCH and SIGCONT none, others end the VM. */
	bool (*signal)(struct session *s, int number);
	/* After the last boot, while signals do not kill yet: gives the terminal back. */
	void (*suspend)(struct session *s);
	/* Undoes open(). `patient`: what is left of the output may be waited for; else nobody waits for it. */
	void (*close)(struct session *s, bool patient);
	const char *boots_once; /* why the guest must not be started again, in a line; NULL: it may be */
};

struct session {
	const struct vm_config *cfg;
	const struct session_ops *ops;
	void *ctx;                    /* the command's */
	struct chardev *serial, *hvc; /* open() sets them */
	struct control *control;      /* NULL: there is no control socket */
	unsigned int boots;
	bool restart; /* session_restart(): whatever on_reboot says */
	struct loop loop;
	struct loop_source signals;
	struct clock_timer timeout;
	struct observer observer;
	bool late_signal; /* one that would have ended the VM came when it had ended */
	int trace_status; /* a trace that could not be written: STATUS_HOST */
	bool is_open, ran;
	struct vm vm; /* of the last boot: why it ended, and its cause */
};

/*
 * Runs the VM to its end. 0: s->vm.why says how it ended; a negative errno with a line in `err`: it was not
 * started, or the host failed. `s` is the caller's, large (not for a stack), and needs no initialisation.
 * Afterwards s->vm.why, .number and .cause may be read; session_finish() is due either way.
 */
int session_run(struct session *s, const struct vm_config *cfg, const struct session_ops *ops, void *ctx,
		struct err *err);

/*
 * Ends this boot as a guest's reset does, and begins the next one; or -EINVAL with a line, for a guest that boots once.
 * The main thread, while the VM runs.
 */
int session_restart(struct session *s, struct err *err);

/* The exit status of a run that ended so (vmm/run.h), with its line in the log. */
int session_status(const struct session *s);

/* Prints the statistics, behind all that the command says. */
void session_finish(struct session *s);

#endif
