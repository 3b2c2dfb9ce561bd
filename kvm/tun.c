// SPDX-License-Identifier: BSD-2-Clause
#include "kvm/tun.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(TUN_NAME_MAX + 1 == IFNAMSIZ, "an interface's name");

int tun_attach(int fd, char name[TUN_NAME_MAX + 1], bool multi_queue)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	if (multi_queue)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	memcpy(ifr.ifr_name, name, IFNAMSIZ);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return -errno;
	memcpy(name, ifr.ifr_name, IFNAMSIZ);
	name[TUN_NAME_MAX] = 0;
	return 0;
}

int tun_set_header(int fd, int size)
{
	return ioctl(fd, TUNSETVNETHDRSZ, &size) < 0 ? -errno : 0;
}

int tun_set_offloads(int fd, unsigned int flags)
{
	return ioctl(fd, TUNSETOFFLOAD, (unsigned long)flags) < 0 ? -errno : 0;
}

int tun_use_queue(int fd, bool used)
{
	struct ifreq ifr = { .ifr_flags = used ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	return ioctl(fd, TUNSETQUEUE, &ifr) < 0 ? -errno : 0;
}

/* An ioctl of the interface, by any socket. */
static int of_interface(const char *name, unsigned long request, struct ifreq *ifr)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret;

	if (fd < 0)
		return -errno;
	strncpy(ifr->ifr_name, name, IFNAMSIZ - 1);
	ret = ioctl(fd, request, ifr) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

int tun_get_mtu(const char *name)
{
	struct ifreq ifr = { 0 };
	int ret = of_interface(name, SIOCGIFMTU, &ifr);

	return ret < 0 ? ret : ifr.ifr_mtu;
}

int tun_set_up(const char *name)
{
	struct ifreq ifr = { 0 };
	int ret = of_interface(name, SIOCGIFFLAGS, &ifr);

	if (ret < 0)
		return ret;
	ifr.ifr_flags |= IFF_UP;
	return of_interface(name, SIOCSIFFLAGS, &ifr);
}
