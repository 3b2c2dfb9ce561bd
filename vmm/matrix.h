/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several VMs in one definition file, for `vireo smoke`:
 *
 *	[test NAME]        keys of any section but devices', which beat those of the sections;
 *	kernel = a/Image   and devices as the command line has them
 *	disk = a/root.img,ro
 *	[matrix]           lists of values: each test, or the definition itself if there is none, with
 *	cpus = 1, 2, 4     each combination of them
 */
#ifndef VIREO_VMM_MATRIX_H
#define VIREO_VMM_MATRIX_H

#include "kvm/err.h"
#include "vmm/options.h"

#define MATRIX_TESTS_MAX 1000 /* tests and combinations */
#define MATRIX_NAME_MAX  256  /* bytes of a test's name, with the NUL */

struct matrix;
struct device_kind;

/* Each returns 0; -EINVAL or -ENOMEM with a line. The matrix of `cfg` is made with its first section. */
int matrix_begin_test(struct vm_config *cfg, const char *name, const struct option_origin *at,
		      struct err *err);
int matrix_begin_lists(struct vm_config *cfg, const struct option_origin *at, struct err *err);
/* A key of the section that was begun last. */
int matrix_add(struct vm_config *cfg, const struct option *opt, const char *value,
	       const struct option_origin *at, struct err *err);
/* A device in the section that was begun last: `value` is what its option takes, or "on" where that takes nothing. */
int matrix_add_device(struct vm_config *cfg, const struct device_kind *kind, const char *value,
		      const struct option_origin *at, struct err *err);

/* How many tests it comes to, at least one; -EINVAL with a line: more than MATRIX_TESTS_MAX, or keys that contradict. */
int matrix_count(const struct matrix *m, struct err *err);
/* The name of test `i`: "NAME cpus=2 irqchip=apic". */
void matrix_name(const struct matrix *m, unsigned int i, char name[MATRIX_NAME_MAX]);
/* Sets in `cfg`, which holds what the sections say, what test `i` says. */
int matrix_apply(const struct matrix *m, unsigned int i, struct vm_config *cfg, struct err *err);
/* Is the option one of the lists? */
bool matrix_has_list(const struct matrix *m, const struct option *opt);

void matrix_free(struct matrix *m);

#endif
