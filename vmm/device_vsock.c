// SPDX-License-Identifier: BSD-2-Clause
/* --vsock: sockets between guest and host, by the host kernel's vhost-vsock or by sockets of AF_UNIX. */
#include <errno.h>
#include <string.h>

#include "devices/virtio/vsock.h"
#include "host/vhost_vsock.h"
#include "host/vsock_unix.h"
#include "vmm/kinds.h"
#include "vmm/vm.h"

struct vsock_config {
	struct device_config dc;
	uint32_t cid;
	bool have_cid;
	char *path; /* NULL: vhost-vsock */
};

#define PLATFORMS (1u << PLATFORM_PC | 1u << PLATFORM_ARM)

static const struct option vsock_keys[] = {
	{ .name = "cid",
	  .type = OPTION_NUMBER,
	  .placeholder = "CID",
	  .offset = offsetof(struct vsock_config, cid),
	  .given = offsetof(struct vsock_config, have_cid),
	  .platforms = PLATFORMS,
	  .min = VSOCK_MIN_CID,
	  .max = { [PLATFORM_PC] = VSOCK_MAX_CID, [PLATFORM_ARM] = VSOCK_MAX_CID },
	  .step = 1,
	  .help = "the guest's context id; the host's is 2" },
	{ .name = "path",
	  .type = OPTION_FILE,
	  .placeholder = "PATH",
	  .offset = offsetof(struct vsock_config, path),
	  .socket = VSOCK_UNIX_PATH_MAX, /* and PATH_PORT is one's, too */
	  .platforms = PLATFORMS,
	  .help = "the host reaches the guest by the socket PATH, the guest port P of the host by PATH_P; "
		  "without it by the host's own AF_VSOCK" },
	{ .name = NULL },
};

static int vsock_check(const struct device_config *dc, struct err *err)
{
	const struct vsock_config *vc = (const struct vsock_config *)dc;

	if (!vc->have_cid)
		return device_error(err, dc, "cid is missing: 3 or more, each guest of a host its own");
	return 0;
}

static int vsock_create(struct virtio_device **out, const struct device_config *dc,
			const struct device_place *place, struct err *err)
{
	const struct vsock_config *vc = (const struct vsock_config *)dc;
	struct vsock_host *host;
	int ret;

	if (!vc->path) {
		ret = vhost_vsock_create(out, &place->vm->mem, place->name, vc->cid, place->loop, err);
		return ret < 0 ? device_failed(err, dc, ret) : 0;
	}
	ret = vsock_unix_open(&host, vc->path, place->name, place->loop, err);
	if (ret < 0)
		return device_failed(err, dc, ret);
	ret = virtio_vsock_create(out, &place->vm->mem, place->name, vc->cid, host, err);
	if (ret < 0)
		host->ops->destroy(host);
	return ret;
}

const struct device_kind vsock_kind = {
	.name = "vsock",
	.value_key = "cid",
	.help = "sockets between programs of the guest and of the host (AF_VSOCK)",
	.single = true,
	.platforms = PLATFORMS,
	.config_size = sizeof(struct vsock_config),
	.keys = vsock_keys,
	.check = vsock_check,
	.create = vsock_create,
};
