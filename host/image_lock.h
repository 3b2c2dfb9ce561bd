/* SPDX-License-Identifier: BSD-2-Clause */
/* Locks on images, so that no two VMs write one, or write one that another reads. */
#ifndef VIREO_HOST_IMAGE_LOCK_H
#define VIREO_HOST_IMAGE_LOCK_H

#include <stdbool.h>

#include "kvm/err.h"

/*
 * Locks the open file `fd`: for itself, or with `read_only` together with others that only read. It holds
 * until image_unlock(), or until every copy of the descriptor is closed. `name` is the device's, for
 * messages. 0, also with a warning where the file system has no locks; or -EBUSY with a line in `err` that
 * begins with the name and says who has it.
 */
int image_lock(int fd, const char *path, const char *name, bool read_only, struct err *err);
void image_unlock(int fd);

#endif
