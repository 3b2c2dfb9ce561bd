/* SPDX-License-Identifier: BSD-2-Clause */
/* What `vireo probe` asks of the host. Each architecture adds its own items. */
#ifndef VIREO_VMM_PROBE_H
#define VIREO_VMM_PROBE_H

#include <stdbool.h>

#include "kvm/kvm.h"

#define PROBE_MAX_ITEMS 24

struct probe_item {
	const char *key; /* stable, for --json */
	bool ok;
	bool needed;        /* without it no VM runs */
	char detail[192];   /* what was found */
	const char *advice; /* what to do about it, where it is not ok; or NULL */
};

struct probe {
	struct probe_item item[PROBE_MAX_ITEMS];
	unsigned int count;
	bool stock_kernels; /* distribution kernels run, not only small test guests */
};

/* Adds an item. `advice` is kept by reference. */
void probe_add(struct probe *probe, const char *key, bool ok, bool needed, const char *advice,
	       const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/* Adds a capability of `fd`. */
void probe_add_cap(struct probe *probe, const char *key, int fd, struct kvm_cap cap, bool needed,
		   const char *what);

/* The architecture's items; sets stock_kernels. probe_x86.c, probe_arm64.c. */
void probe_arch(struct probe *probe, const struct kvm *kvm);

#endif
