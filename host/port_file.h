/* SPDX-License-Identifier: BSD-2-Clause */
/* A chardev that appends all output to a file, and has no input. */
#ifndef VIREO_HOST_PORT_FILE_H
#define VIREO_HOST_PORT_FILE_H

#include "devices/chardev.h"
#include "host/loop.h"
#include "kvm/err.h"

/*
 * Opens `path`, which outlives the chardev, for appending; a file that is not there is made. It may be a
 * FIFO that has a reader, or a character device. 0, and a chardev to be destroyed by its owner; or a negative
 * errno with a line. All calls are the loop's thread's.
 */
int port_file_create(struct chardev **out, const char *path, struct loop *loop, struct err *err);

#endif
