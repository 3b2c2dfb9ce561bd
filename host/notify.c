// SPDX-License-Identifier: BSD-2-Clause
#include "host/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kvm/log.h"

/* "An AF_UNIX socket": a path, or a name in the abstract namespace, which has @ for its first byte, NUL. */
static int set_address(struct notify *n, const char *name)
{
	size_t len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || len < 2)
		return -EINVAL;
	if (len >= sizeof(n->address.sun_path))
		return -ENAMETOOLONG;
	n->address.sun_family = AF_UNIX;
	memcpy(n->address.sun_path, name, len + 1);
	n->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (name[0] == '@')
		n->address.sun_path[0] = '\0';
	else
		n->address_len++;
	return 0;
}

static int open_socket(struct notify *n)
{
	const struct timeval patience = { .tv_sec = 1 };

	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (n->fd < 0)
		return -errno;
	if (setsockopt(n->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	return 0;
}

void notify_init(struct notify *n)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int ret;

	memset(n, 0, sizeof(*n));
	n->fd = -1;
	if (!name)
		return;
	ret = set_address(n, name);
	if (!ret)
		ret = open_socket(n);
	if (ret < 0) {
		log_warn("NOTIFY_SOCKET \"%s\": %s; the service manager is told nothing", name,
			 strerrordesc_np(-ret));
		notify_finish(n);
	}
	unsetenv("NOTIFY_SOCKET");
}

void notify_send(struct notify *n, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	ssize_t sent;

	if (n->fd < 0)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	do
		sent = sendto(n->fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&n->address,
			      n->address_len);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return;
	log_warn("NOTIFY_SOCKET: %s; the service manager is told nothing more", strerrordesc_np(errno));
	notify_finish(n);
}

void notify_finish(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}
