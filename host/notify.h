/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tells a service manager how the service is: the protocol of sd_notify(3), "Notes", a datagram of lines to
 * the socket that NOTIFY_SOCKET names.
 */
#ifndef VIREO_HOST_NOTIFY_H
#define VIREO_HOST_NOTIFY_H

#include <sys/socket.h>
#include <sys/un.h>

struct notify {
	int fd; /* -1: nobody wants to know */
	struct sockaddr_un address;
	socklen_t address_len;
};

/*
 * Takes NOTIFY_SOCKET out of the environment, so that daemons this program starts do not speak for it: before
 * other threads are there. Without one, or if it is not to be used (one warning), nobody is told anything.
 */
void notify_init(struct notify *n);

/*
 * Sends lines such as "READY=1\nSTATUS=running". Waits at most a second for a manager that does not read. What
 * cannot be sent is one warning, and the last that was tried. One thread at a time.
 */
void notify_send(struct notify *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void notify_finish(struct notify *n);

#endif
