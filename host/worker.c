// SPDX-License-Identifier: BSD-2-Clause
#include "host/worker.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>

int worker_init(struct worker *worker, struct err *err)
{
	worker->is_running = worker->is_patient = false;
	return loop_init(&worker->loop, err);
}

static void *thread_main(void *arg)
{
	static const struct sched_param none = { 0 };
	struct worker *worker = arg;
	struct err err;

	/*
	 * Where a processor is idle, a worker runs as soon as it is woken. Where there is none, a patient one does not
	 * push the vCPU aside that has just told it of one request and is about to make the next: the
	 * requests would be worked on, and their interrupts come, one by one. A refusal costs only that.
	 */
	if (worker->is_patient)
		pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
	if (loop_run(&worker->loop, &err) < 0)
		worker->failed(worker->ctx, &err);
	return NULL;
}

int thread_start(pthread_t *thread, const char *name, void *(*run)(void *arg), void *arg, struct err *err)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	sigset_t all, old;
	char short_name[16];
	int ret;

	sigfillset(&all);
	for (unsigned int i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigdelset(&all, fatal[i]);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret)
		return err_host(err, ret, "starting the thread of %s", name);
	snprintf(short_name, sizeof(short_name), "%s", name);
	pthread_setname_np(*thread, short_name);
	return 0;
}

int worker_start(struct worker *worker, const char *name, struct err *err)
{
	int ret = thread_start(&worker->thread, name, thread_main, worker, err);

	worker->is_running = !ret;
	return ret;
}

void worker_stop(struct worker *worker)
{
	if (!worker->is_running)
		return;
	loop_stop(&worker->loop);
	pthread_join(worker->thread, NULL);
	worker->is_running = false;
}

void worker_finish(struct worker *worker)
{
	loop_finish(&worker->loop);
}
