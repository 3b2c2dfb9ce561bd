// SPDX-License-Identifier: BSD-2-Clause
/*
 * notified FILE COMMAND [ARG...] runs COMMAND as a service manager does one that notifies it (sd_notify(3)):
 * with a socket's name in NOTIFY_SOCKET. What COMMAND sends there is added to FILE as it comes, a line behind
 * each datagram. Ends with its status.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	exit(125);
}

/* One the kernel names, in the abstract namespace. */
static int listen_anywhere(char name[128])
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sa_family_t);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) < 0)
		fail("a socket");
	len = sizeof(addr);
	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		fail("its name");
	len -= offsetof(struct sockaddr_un, sun_path);
	snprintf(name, 128, "@%.*s", (int)len - 1, addr.sun_path + 1);
	return fd;
}

static void take_notes(int socket_fd, int file)
{
	char text[4096];
	ssize_t len;

	while ((len = recv(socket_fd, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0) {
		text[len++] = '\n';
		if (write(file, text, (size_t)len) != len)
			fail("the notes");
	}
}

int main(int argc, char *argv[])
{
	char name[128];
	int socket_fd, file, status = 0;
	struct pollfd polled[2];
	pid_t child;

	if (argc < 3)
		return 125;
	socket_fd = listen_anywhere(name);
	file = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (file < 0)
		fail(argv[1]);
	child = fork();
	if (child == 0) {
		setenv("NOTIFY_SOCKET", name, 1);
		execvp(argv[2], argv + 2);
		fail(argv[2]);
	}
	polled[0] = (struct pollfd){ .fd = socket_fd, .events = POLLIN };
	polled[1] = (struct pollfd){ .fd = (int)syscall(SYS_pidfd_open, child, 0), .events = POLLIN };
	if (child < 0 || polled[1].fd < 0)
		fail("the command");
	do {
		if (poll(polled, 2, -1) < 0 && errno != EINTR)
			fail("poll");
		take_notes(socket_fd, file);
	} while (!(polled[1].revents & POLLIN));
	if (waitpid(child, &status, 0) < 0)
		fail("waitpid");
	take_notes(socket_fd, file);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
