// SPDX-License-Identifier: BSD-2-Clause
#include "host/unix_listen.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 64

static int make_address(struct sockaddr_un *address, const char *path)
{
	if (strlen(path) > UNIX_PATH_MAX_LENGTH)
		return -ENAMETOOLONG;
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strcpy(address->sun_path, path);
	return 0;
}

static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

int unix_connect(const char *path)
{
	struct sockaddr_un address;
	int fd, ret = make_address(&address, path);

	if (ret < 0)
		return ret;
	fd = new_socket();
	if (fd < 0)
		return fd;
	do
		ret = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	while (ret == -EINTR);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	return fd;
}

/* 0: what was left at `path` by a program that is gone has been removed. */
static int remove_stale(const char *path, struct err *err)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_host(err, errno, "%s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_user(err, "%s is there already and is no socket; choose another path", path);
	fd = unix_connect(path);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || fd == -EAGAIN) {
		err_user(err, "another program listens at %s; choose another path", path);
		return -EADDRINUSE;
	}
	if (fd != -ECONNREFUSED && fd != -ENOENT)
		return err_host(err, -fd, "%s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_place(err, errno, NULL, "removing the socket %s, which nobody listens at", path);
	return 0;
}

static int bind_to(int fd, const char *path, struct err *err)
{
	struct sockaddr_un address;
	int ret = make_address(&address, path);

	if (ret < 0)
		return err_user(err, "%s: the path of a socket has at most %zu bytes", path,
				UNIX_PATH_MAX_LENGTH);
	if (!bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return 0;
	if (errno != EADDRINUSE)
		return err_place(err, errno, NULL, "a socket at %s", path);
	ret = remove_stale(path, err);
	if (ret < 0)
		return ret;
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_place(err, errno, NULL, "a socket at %s", path);
	return 0;
}

int unix_listen(struct unix_listener *listener, const char *path, mode_t mode, struct err *err)
{
	struct stat st;
	int ret, fd = new_socket();

	*listener = (struct unix_listener){ .fd = -1 };
	if (fd < 0)
		return err_host(err, -fd, "a socket for %s", path);
	/* unix(7): the file gets the socket's own mode, so that it never has another. */
	ret = fchmod(fd, mode) < 0 ? err_host(err, errno, "the mode of the socket %s", path)
				   : bind_to(fd, path, err);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	strcpy(listener->path, path);
	listener->fd = fd;
	if (listen(fd, BACKLOG) < 0 || lstat(path, &st) < 0) {
		ret = err_host(err, errno, "listening at %s", path);
		unlink(path);
		close(fd);
		listener->fd = -1;
		return ret;
	}
	listener->dev = st.st_dev;
	listener->ino = st.st_ino;
	return 0;
}

void unix_unlisten(struct unix_listener *listener)
{
	struct stat st;

	if (listener->fd < 0)
		return;
	if (!lstat(listener->path, &st) && st.st_dev == listener->dev && st.st_ino == listener->ino)
		unlink(listener->path);
	close(listener->fd);
	listener->fd = -1;
}
