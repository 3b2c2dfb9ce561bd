/* SPDX-License-Identifier: BSD-2-Clause */
/* A chardev that keeps the end of what a guest says on its console, and shows it when the guest has failed. */
#ifndef VIREO_VMM_EXEC_TAIL_H
#define VIREO_VMM_EXEC_TAIL_H

#include <pthread.h>
#include <stdbool.h>

#include "devices/chardev.h"

#define EXEC_TAIL_SIZE 16384u /* bytes; a power of two */

struct exec_tail {
	struct chardev chr;   /* first */
	pthread_mutex_t lock; /* guards what follows; innermost */
	char ring[EXEC_TAIL_SIZE];
	uint32_t head; /* free-running */
	bool is_full;  /* `head` has gone round */
};

void exec_tail_init(struct exec_tail *tail);
void exec_tail_finish(struct exec_tail *tail);

/* Has the kernel said that it panics? `line` becomes what it said, from "Kernel panic" on, as far as it fits. */
bool exec_tail_has_panic(struct exec_tail *tail, char *line, size_t size);

/* Writes the last lines as log lines. */
void exec_tail_show(struct exec_tail *tail);

#endif
