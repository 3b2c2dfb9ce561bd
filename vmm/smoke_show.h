/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `vireo smoke` shows on standard error: lines that stay, and on a terminal below them a line for each VM that
 * runs, which is written anew as it goes on.
 */
#ifndef VIREO_VMM_SMOKE_SHOW_H
#define VIREO_VMM_SMOKE_SHOW_H

#include <jansson.h>
#include <stdbool.h>

#define SHOW_ROW_MAX 512 /* bytes */

struct smoke_show {
	bool is_terminal;
	unsigned int slots, drawn; /* lines below, that there are and that stand there */
	char (*row)[SHOW_ROW_MAX]; /* "": nothing runs in this slot */
};

/* `slots`: VMs at once. -ENOMEM. */
int show_init(struct smoke_show *show, unsigned int slots);
/* Leaves the lines that stay. */
void show_finish(struct smoke_show *show);

/* What the VM in this slot does: "" when it is over. Nothing without a terminal. */
void show_row(struct smoke_show *show, unsigned int slot, const char *name, double seconds, const char *line);

/* A line that stays. */
void show_line(struct smoke_show *show, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The verdict of a VM: one line, and before it what tells why, if it has not passed. */
void show_result(struct smoke_show *show, const json_t *result);

#endif
