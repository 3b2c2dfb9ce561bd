/* SPDX-License-Identifier: BSD-2-Clause */
/* Do the files that a command writes to, of all its VMs, spare each other? */
#ifndef VIREO_VMM_OUTPUTS_H
#define VIREO_VMM_OUTPUTS_H

#include "kvm/err.h"
#include "vmm/config.h"

/*
 * Of console-log, trace, report, serial, hvc and the files of devices no two may be one file, by whatever name, for each would
 * destroy what the other writes. What is no regular file (a terminal, a FIFO, /dev/null) may be named as often as one likes,
 * and so may standard output and error where all add to them. -EINVAL with a line; nothing is changed.
 */
int outputs_check(const struct vm_config *cfg, struct err *err);

#endif
