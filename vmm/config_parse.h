/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a command line and definition files to what is to run: what config.c (one VM), config_tests.c (several) and
 * config_check.c (whether it is all there and goes together) share.
 */
#ifndef VIREO_VMM_CONFIG_PARSE_H
#define VIREO_VMM_CONFIG_PARSE_H

#include <stdbool.h>

#include "vmm/options.h"

/* The words of one command line, and what is remembered about them. */
struct words {
	struct option_word *word;
	unsigned int count;
	unsigned int positionals;
	bool given[OPTIONS_MAX]; /* by index in option_table */
};

/* The command line beats what `cfg` has from files. 0, or a negative errno with a line in `err`, as all of these. */
int config_use_words(struct vm_config *cfg, struct words *words, struct err *err);

/* What several keys mean together. `m`: NULL, or who hears of all mistakes. */
int config_check_whole(const struct vm_config *cfg, struct mistakes *m, struct err *err);

/* The same, and whether `command` has what it needs. */
int config_check_complete(const struct vm_config *cfg, enum config_command command, const struct words *words,
			  struct err *err);

/* Fills in cfg->tests: `cfg` holds what the files say, with a matrix, and `words` is still to be applied. */
int config_parse_tests(struct vm_config *cfg, enum config_command command, struct words *words,
		       struct err *err);

#endif
