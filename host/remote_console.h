/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A console of the guest's at a pseudo-terminal, a Unix socket or a file: the chardev of a serial port or of
 * a virtio console. It lasts longer than the devices: a guest that is started again finds it as it was.
 *
 * The guest never waits for who is at a pseudo-terminal or a socket: the last REMOTE_OUT_SIZE bytes that
 * nobody has taken are kept, also for who comes later, and how many were lost before them stands in between.
 * To a file nothing is lost: the guest waits for it.
 *
 * All calls are the loop's thread's; those of the chardev as devices/chardev.h says.
 */
#ifndef VIREO_HOST_REMOTE_CONSOLE_H
#define VIREO_HOST_REMOTE_CONSOLE_H

#include "devices/chardev.h"
#include "host/loop.h"
#include "kvm/err.h"

#define REMOTE_OUT_SIZE 262144u /* a power of two */
#define REMOTE_IN_SIZE  4096u   /* a power of two */

/*
 * 0 and the chardev, which remote_console_destroy() frees; or a negative errno with a line. `name` ("ttyS0")
 * is for messages; it and `path` outlive the chardev.
 *
 * A pseudo-terminal is in raw mode; its path is said in one line of the log. A socket has one client at a
 * time: others are told so, and closed. A file is appended to, and made if it is not there; it may be a
 * FIFO that has a reader, or a character device.
 */
int remote_pty_create(struct chardev **out, const char *name, struct loop *loop, struct err *err);
int remote_socket_create(struct chardev **out, const char *name, const char *path, struct loop *loop,
			 struct err *err);
int remote_file_create(struct chardev **out, const char *name, const char *path, struct loop *loop,
		       struct err *err);

/* Of the terminal, the socket or the file: owned by the chardev. */
const char *remote_console_path(const struct chardev *chr);

/*
 * Writes what is left, as far as it goes without waiting; `patient`: to a file, all. No device has the
 * chardev any more.
 */
void remote_console_destroy(struct chardev *chr, bool patient);

#endif
