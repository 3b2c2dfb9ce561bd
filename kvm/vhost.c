// SPDX-License-Identifier: BSD-2-Clause
#include "kvm/vhost.h"

#include <errno.h>
#include <linux/vhost.h>
#include <stdlib.h>
#include <sys/ioctl.h>

static int call(int fd, unsigned long request, const void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

int vhost_fd_set_owner(int fd)
{
	return call(fd, VHOST_SET_OWNER, NULL);
}

int vhost_fd_get_features(int fd, uint64_t *features)
{
	__u64 value = 0;
	int ret = call(fd, VHOST_GET_FEATURES, &value);

	*features = value;
	return ret;
}

int vhost_fd_set_features(int fd, uint64_t features)
{
	__u64 value = features;

	return call(fd, VHOST_SET_FEATURES, &value);
}

int vhost_fd_set_memory(int fd, const struct vhost_range *range, unsigned int count)
{
	struct vhost_memory *table = calloc(1, sizeof(*table) + count * sizeof(table->regions[0]));
	int ret;

	if (!table)
		return -ENOMEM;
	table->nregions = count;
	for (unsigned int i = 0; i < count; i++) {
		table->regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = range[i].base,
			.memory_size = range[i].size,
			.userspace_addr = (uintptr_t)range[i].host,
		};
	}
	ret = call(fd, VHOST_SET_MEM_TABLE, table);
	free(table);
	return ret;
}

static int set_file(int fd, unsigned long request, unsigned int ring, int file)
{
	struct vhost_vring_file what = { .index = ring, .fd = file };

	return call(fd, request, &what);
}

int vhost_fd_set_ring(int fd, unsigned int ring, const struct vhost_ring *what)
{
	struct vhost_vring_state size = { .index = ring, .num = what->size };
	struct vhost_vring_state base = { .index = ring, .num = what->next_avail };
	struct vhost_vring_addr areas = {
		.index = ring,
		.desc_user_addr = (uintptr_t)what->desc,
		.avail_user_addr = (uintptr_t)what->avail,
		.used_user_addr = (uintptr_t)what->used,
	};
	int ret = call(fd, VHOST_SET_VRING_NUM, &size);

	if (!ret)
		ret = call(fd, VHOST_SET_VRING_BASE, &base);
	if (!ret)
		ret = call(fd, VHOST_SET_VRING_ADDR, &areas);
	if (!ret)
		ret = set_file(fd, VHOST_SET_VRING_ERR, ring, what->error);
	if (!ret)
		ret = set_file(fd, VHOST_SET_VRING_CALL, ring, what->call);
	if (!ret)
		ret = set_file(fd, VHOST_SET_VRING_KICK, ring, what->kick);
	return ret;
}

int vhost_fd_clear_ring(int fd, unsigned int ring, uint16_t *next_avail)
{
	struct vhost_vring_state base = { .index = ring };
	int ret = call(fd, VHOST_GET_VRING_BASE, &base);

	*next_avail = (uint16_t)base.num;
	set_file(fd, VHOST_SET_VRING_KICK, ring, VHOST_FILE_UNBIND);
	set_file(fd, VHOST_SET_VRING_CALL, ring, VHOST_FILE_UNBIND);
	set_file(fd, VHOST_SET_VRING_ERR, ring, VHOST_FILE_UNBIND);
	return ret;
}

int vhost_fd_net_set_backend(int fd, unsigned int ring, int tap)
{
	return set_file(fd, VHOST_NET_SET_BACKEND, ring, tap);
}

int vhost_fd_vsock_set_cid(int fd, uint64_t cid)
{
	__u64 value = cid;

	return call(fd, VHOST_VSOCK_SET_GUEST_CID, &value);
}

int vhost_fd_vsock_set_running(int fd, bool running)
{
	int value = running;

	return call(fd, VHOST_VSOCK_SET_RUNNING, &value);
}
