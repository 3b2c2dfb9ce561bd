/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading definition files: what those that know a format (config_file.c, config_firecracker.c) share with what
 * opens the files and follows includes (config_read.c).
 */
#ifndef VIREO_VMM_CONFIG_READ_H
#define VIREO_VMM_CONFIG_READ_H

#include <stddef.h>
#include <sys/stat.h>

#include "vmm/options.h"

/* One file that is being read. */
struct reading {
	struct vm_config *cfg;
	const char *path;           /* the config's own copy (config_name()) */
	struct mistakes *mistakes;  /* who hears of all of them; NULL: the first one ends it */
	const struct reading *from; /* the file that includes this one, in line from_line; NULL: none does */
	unsigned int from_line;
	unsigned int number;  /* of the file, in the order in which they are opened, from 1 */
	unsigned int *opened; /* how many there are by now */
	bool told;            /* the mistake in `err` is one of an included file, with its own place */
	struct stat stat;     /* which file it is */
	struct err *err;
};

/*
 * Reads `path` over what `cfg` holds. `m`: NULL, or who hears of all mistakes. Returns 0; -EINVAL (without `m`) or
 * -ENOMEM with a line in `err`.
 */
int config_read(struct vm_config *cfg, const char *path, struct mistakes *m, struct err *err);

/* Reads the file `path`, which `from` includes at `at`. */
int reading_include(struct reading *from, const struct option_origin *at, const char *path);

/* What becomes of the mistake in r->err that `ret` tells of, if it does: mistake(), and by whom the file is included. */
int reading_mistake(struct reading *r, int ret);

/*
 * The formats: `size` bytes of text with a NUL behind them, which they may change. Each mistake goes through
 * reading_mistake().
 */
int config_read_text(struct reading *r, char *text, size_t size);
int config_read_firecracker(struct reading *r, const char *text, size_t size);

#endif
