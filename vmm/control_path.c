// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/control_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/options.h"

#define SYSTEM_DIRECTORY "/run/vireo"
#define LOCK_SIZE_MAX    32 /* bytes: a process id and a newline */

/* NULL where it is not set; XDG Base Directory Specification: a path that is not absolute is to be ignored. */
static const char *user_directory(void)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");

	return xdg && *xdg == '/' ? xdg : NULL;
}

unsigned int control_directories(char directory[CONTROL_DIRECTORIES][UNIX_PATH_MAX_LENGTH + 1])
{
	const size_t size = UNIX_PATH_MAX_LENGTH + 1;
	const char *user = user_directory();
	unsigned int count = 0;

	if (user && (size_t)snprintf(directory[count], size, "%s/vireo", user) < size)
		count++;
	snprintf(directory[count++], size, SYSTEM_DIRECTORY);
	return count;
}

/* Nobody but us and root may put something in our place. */
static int check_directory(const char *path, struct err *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return err_host(err, errno, "%s, the directory of control sockets", path);
	if (!S_ISDIR(st.st_mode))
		return err_user(
			err,
			"%s is to be the directory of control sockets, but is none; remove it, or choose "
			"--control PATH",
			path);
	if ((st.st_uid && st.st_uid != geteuid()) || st.st_mode & (S_IWGRP | S_IWOTH))
		return err_user(
			err,
			"%s, the directory of control sockets, may be written by others; make it yours alone, "
			"or choose --control PATH",
			path);
	return 0;
}

static const char *option_of(const struct vm_config *cfg)
{
	return cfg->control ? "--control" : "--name";
}

/* What to do where there can be no socket. */
static const char *other_place(const struct vm_config *cfg)
{
	return cfg->control       ? "choose another path, or none"
	       : user_directory() ? "choose --control PATH, or none"
				  : "set XDG_RUNTIME_DIR, or choose --control PATH, or none";
}

static int make_directory(char *path, size_t size, const struct vm_config *cfg, struct err *err)
{
	const char *user = user_directory();

	if ((size_t)snprintf(path, size, "%s", user ? user : SYSTEM_DIRECTORY) >= size ||
	    (user && (size_t)snprintf(path, size, "%s/vireo", user) >= size))
		return err_user(
			err, "XDG_RUNTIME_DIR is too long for the path of a socket; choose --control PATH");
	if (mkdir(path, user ? 0700 : 0755) < 0 && errno != EEXIST)
		return err_place(err, errno, other_place(cfg), "%s: making %s for the control socket",
				 option_of(cfg), path);
	return check_directory(path, err);
}

static int find_place(struct control_path *path, const struct vm_config *cfg, struct err *err)
{
	char directory[UNIX_PATH_MAX_LENGTH + 1];
	size_t size = sizeof(path->socket), len;
	int ret;

	if (cfg->control) {
		len = (size_t)snprintf(path->socket, size, "%s", cfg->control);
	} else {
		ret = make_directory(directory, sizeof(directory), cfg, err);
		if (ret < 0)
			return ret;
		len = (size_t)snprintf(path->socket, size, "%s/%s" CONTROL_SUFFIX, directory, cfg->name);
	}
	if (len >= size)
		return err_user(err,
				"%s: the path of a socket has at most %zu bytes, and that of \"%s\" has %zu",
				option_of(cfg), size - 1,
				quote_path(cfg->control ? cfg->control : cfg->name).text, len);
	snprintf(path->lock, sizeof(path->lock), "%s.lock", path->socket);
	return 0;
}

static pid_t read_pid(int fd)
{
	char text[LOCK_SIZE_MAX + 1];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return (pid_t)strtol(text, NULL, 10);
}

static int in_use(const struct control_path *path, const struct vm_config *cfg, struct err *err)
{
	pid_t pid = read_pid(path->lock_fd);

	if (cfg->name && !cfg->control)
		err_user(err, "--name %s: a VM of that name is running: process %d, control socket %s",
			 cfg->name, pid, path->socket);
	else
		err_user(err, "--control %s: a VM that is running has it: process %d",
			 quote_path(path->socket).text, pid);
	return -EADDRINUSE;
}

/* 1: it is locked, and what its name stands for; 0: to be tried again, its last owner has just removed it. */
static int try_lock(struct control_path *path, const struct vm_config *cfg, struct err *err)
{
	struct stat ours, named;

	path->lock_fd = open(path->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (path->lock_fd < 0)
		return err_place(err, errno, other_place(cfg), "%s: the lock file %s", option_of(cfg),
				 quote_path(path->lock).text);
	if (fstat(path->lock_fd, &ours) < 0 || !S_ISREG(ours.st_mode) || ours.st_size > LOCK_SIZE_MAX)
		return err_user(err, "%s: %s is there already and is no lock file; choose another path",
				option_of(cfg), quote_path(path->lock).text);
	if (flock(path->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? in_use(path, cfg, err)
					    : err_host(err, errno, "locking %s", quote_path(path->lock).text);
	if (!lstat(path->lock, &named) && named.st_dev == ours.st_dev && named.st_ino == ours.st_ino)
		return 1;
	close(path->lock_fd);
	path->lock_fd = -1;
	return 0;
}

static int write_pid(const struct control_path *path, struct err *err)
{
	char text[LOCK_SIZE_MAX];
	int len = snprintf(text, sizeof(text), "%d\n", getpid());

	if (ftruncate(path->lock_fd, 0) < 0 || pwrite(path->lock_fd, text, (size_t)len, 0) != len)
		return err_host(err, errno, "writing %s", quote_path(path->lock).text);
	return 0;
}

int control_path_take(struct control_path *path, const struct vm_config *cfg, struct err *err)
{
	int ret;

	path->lock_fd = -1;
	if (cfg->control ? !strcmp(cfg->control, CONTROL_NONE) : !cfg->name)
		return 0;
	ret = find_place(path, cfg, err);
	if (ret < 0)
		return ret;
	do
		ret = try_lock(path, cfg, err);
	while (!ret);
	if (ret < 0 && path->lock_fd >= 0) {
		close(path->lock_fd);
		path->lock_fd = -1;
	}
	if (ret < 0)
		return ret;
	ret = write_pid(path, err);
	if (ret < 0)
		control_path_release(path);
	return ret < 0 ? ret : 1;
}

void control_path_release(struct control_path *path)
{
	if (path->lock_fd < 0)
		return;
	unlink(path->lock); /* while it is locked: who waits for nothing finds it gone, and makes another */
	close(path->lock_fd);
	path->lock_fd = -1;
}

pid_t control_owner(const char *socket)
{
	char lock[UNIX_PATH_MAX_LENGTH + 1 + sizeof(".lock")];
	pid_t pid;
	int fd;

	snprintf(lock, sizeof(lock), "%s.lock", socket);
	fd = open(lock, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return 0;
	pid = read_pid(fd);
	close(fd);
	return pid;
}
