// SPDX-License-Identifier: BSD-2-Clause
#include "host/vhost_net.h"

#include <errno.h>

#include "devices/virtio/net.h"
#include "kvm/vhost.h"

#define RINGS 2

static int set_running(struct vhost *vhost, bool running)
{
	struct vhost_net *vn = (struct vhost_net *)vhost;
	int ret = 0;

	for (unsigned int i = 0; i < RINGS && !ret; i++)
		ret = vhost_fd_net_set_backend(vhost->fd, i, running ? vn->tap : -1);
	if (ret < 0 && running)
		set_running(vhost, false);
	return ret;
}

int vhost_net_open(struct vhost_net *vn, struct loop *loop, struct err *err)
{
	int ret = vhost_open(&vn->vhost, "/dev/vhost-net", "vhost_net", RINGS, loop, err);

	if (ret < 0)
		return ret;
	/* Else frames of several buffers, which the card offers, could not be. */
	if (!(vn->vhost.features & VIRTIO_NET_F_MRG_RXBUF)) {
		vhost_close(&vn->vhost);
		err_host_text(err, "/dev/vhost-net knows no mergeable buffers; a newer kernel does");
		return -ENOTSUP;
	}
	vn->vhost.set_running = set_running;
	return 0;
}

void vhost_net_close(struct vhost_net *vn)
{
	vhost_close(&vn->vhost);
}

int vhost_net_start(struct vhost_net *vn, struct virtio_device *vdev, unsigned int pair, int tap,
		    struct err *err)
{
	/* The tap makes and takes the header, so VHOST_NET_F_VIRTIO_NET_HDR is not wanted. */
	const uint64_t features = VIRTIO_F_TRANSPORT | VIRTIO_NET_F_MRG_RXBUF;

	vn->tap = tap;
	return vhost_start(&vn->vhost, vdev, RINGS * pair, vdev->accepted & features, err);
}

void vhost_net_stop(struct vhost_net *vn)
{
	vhost_stop(&vn->vhost);
}
