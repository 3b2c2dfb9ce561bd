// SPDX-License-Identifier: BSD-2-Clause
/* Threads that do one request after the other. They are started when there is work, and stay. */
#include <stdlib.h>

#include "host/block_internal.h"
#include "host/worker.h"

void block_workers_init(struct block_workers *workers)
{
	workers->last = &workers->first;
	/* With default attributes neither can fail. */
	pthread_cond_init(&workers->work, NULL);
	pthread_cond_init(&workers->rest, NULL);
}

static struct block_request *wait_for_work(struct block_file *file)
{
	struct block_workers *workers = &file->workers;
	struct block_request *req;

	while (!workers->first && !workers->stop)
		pthread_cond_wait(&workers->work, &file->lock);
	req = workers->first;
	if (req) {
		workers->first = req->next;
		if (!workers->first)
			workers->last = &workers->first;
	}
	return req;
}

static void *work(void *ctx)
{
	struct block_file *file = ctx;
	struct block_workers *workers = &file->workers;
	struct block_request *req;
	void *bounce = NULL;

	pthread_mutex_lock(&file->lock);
	while ((req = wait_for_work(file))) {
		int result;
		bool first;

		pthread_mutex_unlock(&file->lock);
		result = block_perform(file, req, &bounce);
		pthread_mutex_lock(&file->lock);
		first = !file->done; /* else the loop was told, or the ring's owner is about to */
		block_finished(file, req, result);
		if (first)
			block_wake(file);
		if (!--workers->busy)
			pthread_cond_broadcast(&workers->rest);
	}
	pthread_mutex_unlock(&file->lock);
	free(bounce);
	return NULL;
}

static int start_one(struct block_file *file)
{
	struct block_workers *workers = &file->workers;
	struct err err;
	int ret = thread_start(&workers->thread[workers->count], file->name, work, file, &err);

	if (!ret)
		workers->count++;
	return ret;
}

int block_workers_submit(struct block_file *file, struct block_request *req)
{
	struct block_workers *workers = &file->workers;

	/* An idle one may have been woken for an earlier request and not have come to it yet. */
	if (workers->busy >= workers->count && workers->count < BLOCK_THREADS_MAX) {
		int ret = start_one(file);

		if (ret < 0 && !workers->count)
			return ret;
	}
	req->next = NULL;
	*workers->last = req;
	workers->last = &req->next;
	workers->busy++;
	pthread_cond_signal(&workers->work);
	return 0;
}

void block_workers_drain(struct block_file *file)
{
	while (file->workers.busy)
		pthread_cond_wait(&file->workers.rest, &file->lock);
}

void block_workers_finish(struct block_file *file)
{
	struct block_workers *workers = &file->workers;

	pthread_mutex_lock(&file->lock);
	workers->stop = true;
	pthread_cond_broadcast(&workers->work);
	pthread_mutex_unlock(&file->lock);
	for (unsigned int i = 0; i < workers->count; i++)
		pthread_join(workers->thread[i], NULL);
	pthread_cond_destroy(&workers->rest);
	pthread_cond_destroy(&workers->work);
}
