// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/net_stream_internal.h"

/*
 * passt(1). In the foreground, so that it is our child and ends with us; --fd implies that it ends when the
 * socket is closed. The MTU is what its DHCP offers: the largest, for there is no segmentation offload.
 */
static int start(struct daemon **daemon, struct loop *loop, int fd, const char *name, struct err *err)
{
	char number[16];
	char *argv[] = { "passt", "--foreground", "--mtu", "65520", "--fd", number, NULL };
	struct daemon_config config = {
		.name = name,
		.argv = argv,
		.loss = "its link is down",
		.hint = "install it (apt install passt), or give tap or socket=PATH",
		.keep_fd = fd,
	};

	snprintf(number, sizeof(number), "%d", fd);
	return daemon_start(daemon, loop, &config, err);
}

int net_user_open(struct netdev **out, struct loop *loop, const char *name, struct err *err)
{
	struct daemon *daemon;
	int fd[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) < 0)
		return err_host(err, errno, "%s: socketpair", name);
	ret = start(&daemon, loop, fd[1], name, err);
	close(fd[1]);
	if (ret < 0) {
		close(fd[0]);
		return ret;
	}
	ret = net_stream_new(out, loop, fd[0], name, "passt", err);
	if (ret < 0)
		daemon_stop(daemon);
	else
		net_stream_own_daemon(*out, daemon);
	return ret;
}
