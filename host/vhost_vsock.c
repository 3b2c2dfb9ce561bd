// SPDX-License-Identifier: BSD-2-Clause
/*
 * The socket device (Virtual I/O Device (VIRTIO) Version 1.2, "Socket Device") whose packets the host kernel
 * takes and makes: /dev/vhost-vsock has the two queues of packets. The third, for events, has none.
 */
#include "host/vhost_vsock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/vsock.h"
#include "host/vhost.h"
#include "kvm/vhost.h"

#define VHOST_VSOCK "/dev/vhost-vsock"

/* "Feature bits" */
#define VIRTIO_VSOCK_F_STREAM    (1ULL << 0)
#define VIRTIO_VSOCK_F_SEQPACKET (1ULL << 1)

struct vhost_vsock {
	struct virtio_device vdev;
	struct vhost vhost;
};

static int set_running(struct vhost *vhost, bool running)
{
	return vhost_fd_vsock_set_running(vhost->fd, running);
}

static void activate(struct virtio_device *vdev)
{
	struct vhost_vsock *v = (struct vhost_vsock *)vdev;
	struct err err;

	if (vhost_start(&v->vhost, vdev, 0, vdev->accepted, &err) < 0)
		virtio_broken(vdev, "%s", err.text);
}

/* Only the queue of events is left to this program, and there are none. */
static void kick(struct virtio_device *vdev, unsigned int index)
{
	(void)vdev;
	(void)index;
}

static void reset(struct virtio_device *vdev)
{
	vhost_stop(&((struct vhost_vsock *)vdev)->vhost);
}

static void destroy(struct virtio_device *vdev)
{
	struct vhost_vsock *v = (struct vhost_vsock *)vdev;

	vhost_stop(&v->vhost);
	vhost_close(&v->vhost);
	virtio_finish(vdev);
	free(v);
}

static const struct virtio_class vhost_vsock_class = {
	.name = "vhost-vsock",
	.id = VIRTIO_ID_VSOCK,
	.activate = activate,
	.kick = kick,
	.reset = reset,
	.halt = reset,
	.destroy = destroy,
};

static int open_kernel(struct vhost *vhost, uint32_t cid, struct loop *loop, struct err *err)
{
	int ret = vhost_open(vhost, VHOST_VSOCK, "vhost_vsock", 2, loop, err);

	if (ret < 0) {
		const struct err cause = *err;

		err_host_text(err, "%s; or use path=, which needs no module", cause.text);
		return ret;
	}
	vhost->set_running = set_running;
	ret = vhost_fd_vsock_set_cid(vhost->fd, cid);
	if (!ret)
		return 0;
	vhost_close(vhost);
	if (ret == -EADDRINUSE)
		return err_user(err, "cid: %lu is another VM's on this host already; choose another",
				(unsigned long)cid);
	return err_host(err, -ret, "VHOST_VSOCK_SET_GUEST_CID %lu", (unsigned long)cid);
}

int vhost_vsock_create(struct virtio_device **out, const struct guest_mem *mem, const char *name,
		       uint32_t cid, struct loop *loop, struct err *err)
{
	struct vhost_vsock *v = calloc(1, sizeof(*v));
	const uint64_t guest_cid = cid;
	int ret;

	if (!v)
		return err_host(err, ENOMEM, "%s", name);
	ret = open_kernel(&v->vhost, cid, loop, err);
	if (!ret) {
		uint64_t offered = VIRTIO_VSOCK_F_STREAM | (v->vhost.features & VIRTIO_VSOCK_F_SEQPACKET);

		ret = virtio_init(&v->vdev, &vhost_vsock_class, mem, name, offered, VSOCK_QUEUES,
				  VSOCK_QUEUE_SIZE, sizeof(guest_cid), err);
		if (ret < 0)
			vhost_close(&v->vhost);
	}
	if (ret < 0) {
		free(v);
		return ret;
	}
	memcpy(v->vdev.config, &guest_cid, sizeof(guest_cid));
	*out = &v->vdev;
	return 0;
}
