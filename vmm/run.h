/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands. Each returns the process's exit status, as `vireo help run` lists them. */
#ifndef VIREO_VMM_RUN_H
#define VIREO_VMM_RUN_H

#include "vmm/config.h"

enum exit_status {
	STATUS_POWEROFF = 0,
	STATUS_HOST = 1,   /* host or VMM failure */
	STATUS_USAGE = 2,  /* usage or definition error */
	STATUS_RESET = 10, /* the guest asked for a reset */
	STATUS_PANIC = 11,
	STATUS_DIED = 12,
	STATUS_TIMEOUT = 124,
	STATUS_SIGNAL = 128, /* plus the signal's number */
};

/* Prints `err` as one line and gives the status of its kind. */
int report(const struct err *err);

/* vireo run. */
int command_run(const struct vm_config *cfg);
/* vireo smoke. */
int command_smoke(const struct vm_config *cfg);
/* vireo dump dtb|config. */
int command_dump(const struct vm_config *cfg);
/* vireo check FILE... 0 if there is no mistake in any, else STATUS_USAGE. */
int command_check(const struct vm_config *cfg);
/* vireo probe. 0 if this host can run VMs, else STATUS_HOST. */
int command_probe(const struct vm_config *cfg);

#endif
