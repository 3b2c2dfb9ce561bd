// SPDX-License-Identifier: BSD-2-Clause
/* Ports of virtio consoles by their names, which the driver learns some time after it was loaded. */
#include <linux/netlink.h>

#include "init/exec.h"

#define CLASS "/sys/class/virtio-ports"

struct linux_dirent64 { /* getdents(2) */
	uint64_t inode, offset;
	uint16_t size;
	uint8_t type;
	char name[];
};

static bool is_called(const char *device, const char *name)
{
	struct text path = { .len = 0 };
	char found[128];
	long n;
	int fd;

	text_add(&path, CLASS "/");
	text_add(&path, device);
	text_add(&path, "/name");
	fd = sys_open(path.bytes, O_RDONLY);
	if (fd < 0)
		return false;
	n = sys_read(fd, found, sizeof(found));
	sys_close(fd);
	return n == (long)strlen(name) + 1 && !memcmp(found, name, strlen(name)); /* a newline ends it */
}

/* Opens it if it is there; -ENOENT. */
static int find(const char *name)
{
	char buf[2048] __attribute__((aligned(8)));
	int dir = sys_open(CLASS, O_RDONLY | O_DIRECTORY), fd = -ENOENT;
	long n;

	while (dir >= 0 && (n = SYS3(getdents64, dir, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n; at += ((struct linux_dirent64 *)(buf + at))->size) {
			const struct linux_dirent64 *d = (struct linux_dirent64 *)(buf + at);
			struct text path = { .len = 0 };

			if (d->name[0] == '.' || !is_called(d->name, name))
				continue;
			text_add(&path, "/dev/");
			text_add(&path, d->name);
			fd = sys_open(path.bytes, O_RDWR);
		}
	}
	if (dir >= 0)
		sys_close(dir);
	return fd;
}

int exec_find_port(const char *name)
{
	const struct sockaddr_nl addr = { .nl_family = 16 /* AF_NETLINK */, .nl_groups = 1 };
	int events = (int)SYS3(socket, 16, 2 /* SOCK_DGRAM */ | O_CLOEXEC, NETLINK_KOBJECT_UEVENT), fd;
	char event[4096];

	if (events < 0 || SYS3(bind, events, &addr, sizeof(addr)) < 0)
		fail("cannot listen to the kernel's events", NULL, events);
	while ((fd = find(name)) == -ENOENT)
		sys_read(events, event, sizeof(event));
	if (fd < 0)
		fail("cannot open the port", name, fd);
	sys_close(events);
	return fd;
}
