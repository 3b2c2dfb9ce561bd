// SPDX-License-Identifier: BSD-2-Clause
/*
 * Several smoke boots at once, each in a process of its own, which tells of itself through a pipe: a line of JSON for
 * each piece of news, the last one with the verdict. A process that ends without one has a verdict all the same.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kvm/log.h"
#include "vmm/options.h"
#include "vmm/outfile.h"
#include "vmm/outputs.h"
#include "vmm/run.h"
#include "vmm/smoke.h"
#include "vmm/smoke_show.h"

#define NEWS_MAX (4u << 20) /* bytes of a line; a verdict has fewer */

/* One of the VMs at once. */
struct slot {
	int pid; /* 0: nothing runs in it */
	int fd;
	unsigned int test; /* index in cfg->tests */
	char *news;        /* what has come of a line */
	size_t len;
	bool failed; /* it says what is no line */
};

struct matrix_run {
	const struct vm_config *cfg;
	struct smoke_show show;
	struct slot *slot;
	unsigned int slots, running;
	unsigned int next; /* the test to be started next */
	json_t **result;   /* by test */
	int signals;       /* a signalfd */
	sigset_t blocked, usual;
	int interrupted; /* the signal that ended it, or 0 */
};

static const char *name_of(const struct matrix_run *run, unsigned int test)
{
	const struct vm_config *cfg = &run->cfg->tests[test];

	return *cfg->test_name ? cfg->test_name : smoke_name(cfg);
}

/* --- the process of a VM --- */

static void tell(int fd, json_t *news)
{
	char *text = news ? json_dumps(news, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
	size_t len = text ? strlen(text) : 0;

	if (text)
		text[len++] = '\n'; /* in the place of the NUL */
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, text + done, len - done);

		if (n < 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	free(text);
	json_decref(news);
}

static void tell_progress(void *ctx, double seconds, const char *line)
{
	tell(*(int *)ctx, json_pack("{s:f, s:s}", "seconds", seconds, "line", line));
}

/* What is left of the parent, which nobody else may use here. */
static void leave_parent(struct matrix_run *run)
{
	setpgid(0, 0); /* Ctrl-C is for the parent to pass on */
	close(run->signals);
	for (unsigned int i = 0; i < run->slots; i++)
		if (run->slot[i].pid)
			close(run->slot[i].fd);
	sigprocmask(SIG_SETMASK, &run->usual, NULL);
}

static int be_child(struct matrix_run *run, unsigned int test, int fd, int parent)
{
	const struct smoke_watcher watcher = { .progress = tell_progress, .ctx = &fd };
	const struct vm_config *cfg = &run->cfg->tests[test];
	json_t *result;
	int status = STATUS_HOST;

	leave_parent(run);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		return STATUS_HOST; /* it is gone already */
	result = smoke_boot(cfg, name_of(run, test), &watcher);
	if (result) {
		status = smoke_status(result);
		tell(fd, json_pack("{s:O}", "result", result));
	}
	json_decref(result);
	return status;
}

/* --- the parent --- */

static struct slot *free_slot(struct matrix_run *run)
{
	struct slot *slot = run->slot;

	while (slot->pid)
		slot++;
	return slot;
}

static void settle(struct matrix_run *run, unsigned int test, json_t *result)
{
	run->result[test] = result;
	if (result)
		show_result(&run->show, result);
}

static json_t *plain(const struct matrix_run *run, unsigned int test, enum smoke_kind kind, int status,
		     const char *message)
{
	return smoke_result_plain(&run->cfg->tests[test], name_of(run, test), kind, status, message);
}

/* Starts the next one. 1: this is its process; *status is what it has come to. */
static int start_next(struct matrix_run *run, int *status)
{
	unsigned int test = run->next++;
	struct slot *slot = free_slot(run);
	int fds[2] = { -1, -1 }, parent = getpid(), pid = -1;
	char why[128];

	if (pipe2(fds, O_CLOEXEC) == 0)
		pid = fork();
	if (pid < 0) {
		snprintf(why, sizeof(why), "a process for the VM: %s", strerrordesc_np(errno));
		if (fds[0] >= 0) {
			close(fds[0]);
			close(fds[1]);
		}
		settle(run, test, plain(run, test, SMOKE_HOST, STATUS_HOST, why));
		return 0;
	}
	if (!pid) {
		close(fds[0]);
		*status = be_child(run, test, fds[1], parent);
		close(fds[1]);
		return 1;
	}
	close(fds[1]);
	*slot = (struct slot){ .pid = pid, .fd = fds[0], .test = test };
	run->running++;
	if (run->show.is_terminal)
		show_row(&run->show, (unsigned int)(slot - run->slot), name_of(run, test), 0, "");
	else
		show_line(&run->show, "start %s", name_of(run, test));
	return 0;
}

static void take_news(struct matrix_run *run, struct slot *slot, const char *line, size_t len)
{
	json_t *news = json_loadb(line, len, 0, NULL), *result = json_object_get(news, "result");

	if (result && !run->result[slot->test])
		run->result[slot->test] = json_incref(result);
	else if (!result)
		show_row(&run->show, (unsigned int)(slot - run->slot), name_of(run, slot->test),
			 json_number_value(json_object_get(news, "seconds")), smoke_string(news, "line"));
	json_decref(news);
}

/* Takes the whole lines out of what has come. */
static void take_lines(struct matrix_run *run, struct slot *slot)
{
	char *from = slot->news, *end = slot->news + slot->len, *newline;

	while ((newline = memchr(from, '\n', (size_t)(end - from)))) {
		take_news(run, slot, from, (size_t)(newline - from));
		from = newline + 1;
	}
	slot->len = (size_t)(end - from);
	memmove(slot->news, from, slot->len);
}

/* What a process that has said nothing of its end has come to. */
static json_t *verdict_of_process(const struct matrix_run *run, unsigned int test, int wait_status)
{
	char why[128];

	if (run->interrupted)
		return plain(run, test, SMOKE_SIGNAL, STATUS_SIGNAL + run->interrupted,
			     "ended with all others");
	if (WIFSIGNALED(wait_status))
		snprintf(why, sizeof(why), "the VM's process was ended by signal %d (%s)",
			 WTERMSIG(wait_status), sigdescr_np(WTERMSIG(wait_status)) ?: "?");
	else
		snprintf(why, sizeof(why), "the VM's process ended with status %d and without a verdict",
			 WEXITSTATUS(wait_status));
	return plain(run, test, SMOKE_HOST, STATUS_HOST, why);
}

static void finish_slot(struct matrix_run *run, struct slot *slot)
{
	json_t *result = run->result[slot->test];
	int wait_status = 0;

	close(slot->fd);
	while (waitpid(slot->pid, &wait_status, 0) < 0 && errno == EINTR)
		;
	show_row(&run->show, (unsigned int)(slot - run->slot), "", 0, "");
	settle(run, slot->test, result ? result : verdict_of_process(run, slot->test, wait_status));
	free(slot->news);
	*slot = (struct slot){ 0 };
	run->running--;
}

static void serve_slot(struct matrix_run *run, struct slot *slot)
{
	char *more = slot->len < NEWS_MAX ? realloc(slot->news, slot->len + 65536) : NULL;
	ssize_t n = 0;

	if (more) {
		slot->news = more;
		do
			n = read(slot->fd, slot->news + slot->len, 65536);
		while (n < 0 && errno == EINTR);
	} else {
		kill(slot->pid, SIGKILL);
	}
	if (n <= 0) {
		finish_slot(run, slot);
		return;
	}
	slot->len += (size_t)n;
	take_lines(run, slot);
}

/* The first signal ends all VMs, the second one without waiting for them. */
static void serve_signal(struct matrix_run *run)
{
	struct signalfd_siginfo info;

	if (read(run->signals, &info, sizeof(info)) != sizeof(info))
		return;
	for (unsigned int i = 0; i < run->slots; i++)
		if (run->slot[i].pid)
			kill(run->slot[i].pid, run->interrupted ? SIGKILL : (int)info.ssi_signo);
	if (!run->interrupted)
		run->interrupted = (int)info.ssi_signo;
}

/* Waits for news and takes them. */
static void serve(struct matrix_run *run, struct pollfd *pfd)
{
	pfd[0] = (struct pollfd){ .fd = run->signals, .events = POLLIN };
	for (unsigned int i = 0; i < run->slots; i++)
		pfd[i + 1] = (struct pollfd){ .fd = run->slot[i].pid ? run->slot[i].fd : -1,
					      .events = POLLIN };
	if (poll(pfd, run->slots + 1, -1) < 0)
		return;
	if (pfd[0].revents)
		serve_signal(run);
	for (unsigned int i = 0; i < run->slots; i++)
		if (pfd[i + 1].revents)
			serve_slot(run, &run->slot[i]);
}

/* 1: this is a VM's process. */
static int run_all(struct matrix_run *run, struct pollfd *pfd, int *status)
{
	unsigned int all = run->cfg->nr_tests;

	while (run->running || (run->next < all && !run->interrupted)) {
		while (run->running < run->slots && run->next < all && !run->interrupted)
			if (start_next(run, status))
				return 1;
		if (run->running)
			serve(run, pfd);
	}
	for (unsigned int i = run->next; i < all; i++)
		run->result[i] = plain(run, i, SMOKE_SIGNAL, STATUS_SIGNAL + run->interrupted, "not started");
	return 0;
}

/* `unwritten`: what is wrong with a report, NULL if nothing is. */
static void show_summary(struct matrix_run *run, const json_t *results, const struct err *unwritten,
			 double seconds)
{
	char names[512] = "";
	size_t i, len = 0, bad = 0;
	json_t *result;

	json_array_foreach(results, i, result)
	{
		if (!smoke_status(result))
			continue;
		bad++;
		if (len < sizeof(names))
			len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", len ? "; " : "",
						smoke_string(result, "name"));
	}
	if (bad)
		show_line(&run->show, "FAIL %zu of %u: %s%s (%.3f s)", bad, run->cfg->nr_tests, names,
			  len >= sizeof(names) ? "..." : "", seconds);
	else if (unwritten)
		show_line(&run->show, "FAIL all %u passed, but %s (%.3f s)", run->cfg->nr_tests,
			  unwritten->text, seconds);
	else
		show_line(&run->show, "PASS all %u (%.3f s)", run->cfg->nr_tests, seconds);
}

static double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Reports on all; the exit status. */
static int conclude(struct matrix_run *run, time_t started, double seconds)
{
	json_t *results = json_array();
	struct err err;
	int status;

	for (unsigned int i = 0; i < run->cfg->nr_tests; i++)
		if (json_array_append(results, run->result[i]) < 0)
			break;
	if (json_array_size(results) < run->cfg->nr_tests) {
		err_host(&err, ENOMEM, "the verdicts");
		status = report(&err);
	} else {
		bool unwritten = !run->cfg->dry_run &&
				 smoke_write_reports(run->cfg, results, started, seconds, &err) < 0;

		status = smoke_status_of_all(results);
		if (unwritten && status)
			report(&err);
		show_summary(run, results, unwritten ? &err : NULL, seconds);
		if (unwritten && !status)
			status = STATUS_HOST;
	}
	json_decref(results);
	return status;
}

static unsigned int default_jobs(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) < 0 ? 1 : (unsigned int)CPU_COUNT(&set);
}

/* Can what they say be written, each into a file of its own? */
static int check_files(const struct vm_config *cfg, struct err *err)
{
	int ret = outputs_check(cfg, err);

	for (unsigned int i = 0; i < cfg->nr_tests && !ret; i++)
		if (cfg->tests[i].console_log)
			ret = outfile_check_append("console-log", cfg->tests[i].console_log, &cfg->tests[i],
						   err);
	return ret ? ret : smoke_check_reports(cfg, err);
}

static int prepare(struct matrix_run *run, struct pollfd **pfd, struct err *err)
{
	unsigned int all = run->cfg->nr_tests, jobs = run->cfg->jobs ? run->cfg->jobs : default_jobs();
	int ret = check_files(run->cfg, err);

	if (ret < 0)
		return ret;
	run->slots = jobs < all ? jobs : all;
	run->slot = calloc(run->slots, sizeof(*run->slot));
	run->result = calloc(all, sizeof(json_t *));
	*pfd = calloc(run->slots + 1, sizeof(struct pollfd));
	if (!run->slot || !run->result || !*pfd || show_init(&run->show, run->slots) < 0)
		return err_host(err, ENOMEM, "the command");
	sigemptyset(&run->blocked);
	for (int i = 0; i < 4; i++)
		sigaddset(&run->blocked, ((const int[]){ SIGINT, SIGTERM, SIGHUP, SIGQUIT })[i]);
	sigprocmask(SIG_BLOCK, &run->blocked, &run->usual);
	run->signals = signalfd(-1, &run->blocked, SFD_CLOEXEC);
	if (run->signals < 0) {
		sigprocmask(SIG_SETMASK, &run->usual, NULL);
		return err_host(err, errno, "a signalfd");
	}
	return 0;
}

int smoke_matrix(const struct vm_config *cfg)
{
	struct matrix_run run = { .cfg = cfg, .signals = -1 };
	double began = seconds_now();
	time_t started = time(NULL);
	struct pollfd *pfd = NULL;
	struct err err;
	int status = 0, is_child = 0;

	if (prepare(&run, &pfd, &err) < 0) {
		status = report(&err);
	} else {
		is_child = run_all(&run, pfd, &status);
		if (!is_child) {
			/* Who reads a report may let us wait: a signal ends that. */
			close(run.signals);
			sigprocmask(SIG_SETMASK, &run.usual, NULL);
			status = conclude(&run, started, seconds_now() - began);
		}
	}
	for (unsigned int i = 0; run.slot && i < run.slots; i++)
		free(run.slot[i].news);
	for (unsigned int i = 0; run.result && i < cfg->nr_tests; i++)
		json_decref(run.result[i]);
	if (run.show.row && !is_child)
		show_finish(&run.show);
	else
		free(run.show.row);
	free(run.slot);
	free(run.result);
	free(pfd);
	return status;
}
