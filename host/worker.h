/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker: a thread that runs an event loop of its own, so that a device's work neither waits for the
 * main loop's nor holds it up.
 */
#ifndef VIREO_HOST_WORKER_H
#define VIREO_HOST_WORKER_H

#include <pthread.h>
#include <stdbool.h>

#include "host/loop.h"

struct worker {
	struct loop loop; /* sources may be added as soon as it is initialised */
	pthread_t thread;
	bool is_running;
	bool is_patient; /* set before worker_start(): it does not push aside the vCPU that wakes it */
	/* The loop cannot go on: the worker's thread. */
	void (*failed)(void *ctx, const struct err *err);
	void *ctx;
};

/*
 * pthread_create() for a thread that takes no signals but those it causes itself: they are for the main
 * thread, or waited for. The name (for ps and debuggers) is cut to 15 bytes.
 */
int thread_start(pthread_t *thread, const char *name, void *(*run)(void *arg), void *arg, struct err *err);

/* Makes the loop; the thread is started later. On failure there is nothing to finish. */
int worker_init(struct worker *worker, struct err *err);

/* Starts the thread. */
int worker_start(struct worker *worker, const char *name, struct err *err);

/* Ends the thread, if it runs, and waits for it. Afterwards no callback runs any more. */
void worker_stop(struct worker *worker);

/* Frees the loop of a stopped worker. */
void worker_finish(struct worker *worker);

#endif
