// SPDX-License-Identifier: BSD-2-Clause
#include "host/vhost.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/guestmem.h"
#include "kvm/vhost.h"

static void drain(int fd)
{
	uint64_t count;

	(void)!read(fd, &count, sizeof(count));
}

/* A ring has used buffers, and nobody but this program can tell the guest. */
static void called(void *ctx, uint32_t events)
{
	struct vhost *vhost = ctx;
	struct virtio_device *vdev = vhost->vdev;

	(void)events;
	pthread_mutex_lock(&vdev->lock);
	for (unsigned int i = 0; i < vhost->nr_rings; i++)
		drain(vhost->call[i].fd);
	if (vhost->running)
		vdev->transport->interrupt(vdev, VIRTIO_INT_USED);
	pthread_mutex_unlock(&vdev->lock);
}

static void failed(void *ctx, uint32_t events)
{
	struct vhost *vhost = ctx;
	struct virtio_device *vdev = vhost->vdev;
	bool running;

	(void)events;
	pthread_mutex_lock(&vdev->lock);
	drain(vhost->error.fd);
	running = vhost->running;
	pthread_mutex_unlock(&vdev->lock);
	if (!running || (vhost->is_host_error && vhost->is_host_error(vhost)))
		return;

	pthread_mutex_lock(&vdev->lock);
	if (vhost->running)
		virtio_broken(vdev, "the host kernel (vhost) cannot use what the driver put into its rings");
	pthread_mutex_unlock(&vdev->lock);
}

static int open_device(struct vhost *vhost, const char *path, const char *module, struct err *err)
{
	int ret;

	vhost->fd = open(path, O_RDWR | O_CLOEXEC);
	if (vhost->fd < 0) {
		switch (errno) {
		case ENOENT:
		case ENODEV:
		case ENXIO:
			return err_host(err, errno, "no %s; load the module %s (modprobe %s)", path, module,
					module);
		case EACCES:
		case EPERM:
			return err_host(err, errno, "%s is not accessible; join its group or run as root",
					path);
		default:
			return err_host(err, errno, "open %s", path);
		}
	}
	ret = vhost_fd_set_owner(vhost->fd);
	if (ret < 0)
		return err_host(err, -ret, "VHOST_SET_OWNER on %s", path);
	ret = vhost_fd_get_features(vhost->fd, &vhost->features);
	if (ret < 0)
		return err_host(err, -ret, "VHOST_GET_FEATURES on %s", path);
	if ((vhost->features & VIRTIO_F_TRANSPORT) != VIRTIO_F_TRANSPORT) {
		err_host_text(err, "%s knows too little of virtio 1; a newer kernel knows more", path);
		return -ENOTSUP;
	}
	return 0;
}

int vhost_open(struct vhost *vhost, const char *path, const char *module, unsigned int nr_rings,
	       struct loop *loop, struct err *err)
{
	int ret;

	*vhost = (struct vhost){ .fd = -1, .loop = loop, .nr_rings = nr_rings };
	vhost->error = (struct loop_source){ .fd = -1, .ready = failed, .ctx = vhost };
	for (unsigned int i = 0; i < nr_rings; i++)
		vhost->call[i] = (struct loop_source){ .fd = -1, .ready = called, .ctx = vhost };

	ret = open_device(vhost, path, module, err);
	if (ret < 0)
		goto fail;
	vhost->error.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = vhost->error.fd < 0 ? -errno : 0;
	for (unsigned int i = 0; i < nr_rings && !ret; i++) {
		vhost->call[i].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ret = vhost->call[i].fd < 0 ? -errno : 0;
	}
	if (!ret)
		return 0;
	err_host(err, -ret, "eventfd for %s", path);
fail:
	vhost_close(vhost);
	return ret;
}

void vhost_close(struct vhost *vhost)
{
	if (!vhost->loop)
		return;
	for (unsigned int i = 0; i < vhost->nr_rings; i++) {
		if (vhost->call[i].fd >= 0)
			close(vhost->call[i].fd);
	}
	if (vhost->error.fd >= 0)
		close(vhost->error.fd);
	if (vhost->fd >= 0)
		close(vhost->fd);
	*vhost = (struct vhost){ .fd = -1 };
}

static int set_memory(struct vhost *vhost)
{
	const struct guest_mem *mem = vhost->vdev->mem;
	struct vhost_range range[GUEST_MEM_MAX_RANGES];
	unsigned int count = 0;

	/*
	 * What the guest must not write, its devices must not either. The kernel knows no ranges like that, but
	 * it cannot write to the mapping of a window that is one, and may read from it.
	 */
	for (unsigned int i = 0; i < mem->count; i++) {
		if (!mem->range[i].read_only || mem->range[i].is_window)
			range[count++] = (struct vhost_range){
				.base = mem->range[i].base,
				.size = mem->range[i].size,
				.host = mem->range[i].host,
			};
	}
	return vhost_fd_set_memory(vhost->fd, range, count);
}

static void unwatch(struct vhost *vhost)
{
	loop_remove(vhost->loop, &vhost->error);
	drain(vhost->error.fd);
	for (unsigned int i = 0; i < vhost->nr_rings; i++) {
		loop_remove(vhost->loop, &vhost->call[i]);
		drain(vhost->call[i].fd);
	}
}

static int watch(struct vhost *vhost, bool calls, struct err *err)
{
	int ret = loop_add(vhost->loop, &vhost->error, EPOLLIN, err);

	for (unsigned int i = 0; i < vhost->nr_rings && calls && !ret; i++)
		ret = loop_add(vhost->loop, &vhost->call[i], EPOLLIN, err);
	return ret;
}

/* Queue `i` of ours goes to the kernel; `kick` is where its notifications arrive. */
static int hand_over(struct vhost *vhost, unsigned int i, int call, int *kick)
{
	struct virtio_device *vdev = vhost->vdev;
	const struct virtq *q = &vdev->queue[vhost->first + i];
	struct vhost_ring ring = {
		.size = q->size,
		.next_avail = q->next_avail,
		.desc = q->desc_area,
		.avail = q->avail_area,
		.used = q->used_area,
		.call = call >= 0 ? call : vhost->call[i].fd,
		.error = vhost->error.fd,
	};
	int ret;

	*kick = vdev->take_queue ? vdev->take_queue(vdev, vhost->first + i) : -1;
	if (*kick < 0)
		return -ENOTSUP;
	ring.kick = *kick;
	ret = vhost_fd_set_ring(vhost->fd, i, &ring);
	if (ret < 0)
		vdev->give_queue_back(vdev, vhost->first + i);
	return ret;
}

/* The kernel has stopped: what it did to the ring is what the queue's owner goes on with. */
static void take_back(struct vhost *vhost, unsigned int i)
{
	struct virtio_device *vdev = vhost->vdev;
	struct virtq *q = &vdev->queue[vhost->first + i];
	uint16_t next_avail;

	if (!vhost_fd_clear_ring(vhost->fd, i, &next_avail) && q->ready) {
		/* "The Virtqueue Used Ring": the index is the second word. Every chain taken was given back. */
		q->next_avail = next_avail;
		q->next_used = *(const volatile uint16_t *)(q->used_area + 1);
		q->unsignalled = 0;
	}
	vdev->give_queue_back(vdev, vhost->first + i);
}

int vhost_start(struct vhost *vhost, struct virtio_device *vdev, unsigned int first, uint64_t features,
		struct err *err)
{
	const uint64_t one = 1;
	int call = vdev->transport->interrupt_fd ? vdev->transport->interrupt_fd(vdev) : -1;
	int kick[VHOST_MAX_RINGS];
	unsigned int given = 0;
	int ret;

	for (unsigned int i = 0; i < vhost->nr_rings; i++) {
		if (!vdev->queue[first + i].ready) {
			err_host(err, ENXIO, "vhost: queue %u is not ready", first + i);
			return -ENXIO;
		}
	}
	if (!vhost->vdev)
		vhost->vdev = vdev;
	vhost->first = first;

	ret = vhost_fd_set_features(vhost->fd, features & vhost->features);
	if (ret < 0)
		return err_host(err, -ret, "VHOST_SET_FEATURES");
	ret = set_memory(vhost);
	if (ret < 0)
		return err_host(err, -ret, "VHOST_SET_MEM_TABLE");
	ret = watch(vhost, call < 0, err);
	if (ret < 0)
		goto fail;
	for (; given < vhost->nr_rings; given++) {
		ret = hand_over(vhost, given, call, &kick[given]);
		if (ret < 0) {
			err_host(err, -ret, "vhost: setting up the ring of queue %u", first + given);
			goto fail;
		}
	}
	ret = vhost->set_running(vhost, true);
	if (ret < 0) {
		err_host(err, -ret, "vhost: starting the rings");
		goto fail;
	}
	vhost->running = true;
	/* Whatever was notified before the kernel listened. */
	for (unsigned int i = 0; i < vhost->nr_rings; i++)
		(void)!write(kick[i], &one, sizeof(one));
	return 0;

fail:
	while (given)
		take_back(vhost, --given);
	unwatch(vhost);
	return ret;
}

void vhost_stop(struct vhost *vhost)
{
	if (!vhost->running)
		return;
	vhost->running = false;
	vhost->set_running(vhost, false);
	for (unsigned int i = 0; i < vhost->nr_rings; i++)
		take_back(vhost, i);
	unwatch(vhost);
}
