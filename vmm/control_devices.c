// SPDX-License-Identifier: BSD-2-Clause
/* What the control socket does to devices. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "devices/virtio/balloon.h"
#include "devices/virtio/blk.h"
#include "host/block.h"
#include "vmm/control_commands.h"
#include "vmm/session.h"

#define HVC_SYSRQ \
	0x0f /* Ctrl-O: what Linux's hvc console takes for the SysRq key (Documentation/admin-guide/sysrq.rst) */

static struct virtio_device *find_device(const struct vm *vm, enum virtio_id id, const char *name)
{
	for (unsigned int i = 0; i < vm->device_host.nr_virtio; i++) {
		struct virtio_device *vdev = vm->device_host.virtio[i];

		if (vdev->class->id == id && (!name || !strcmp(vdev->name, name)))
			return vdev;
	}
	return NULL;
}

enum control_result control_resize_disk(struct control_call *call)
{
	const char *id = control_text(call, "disk");
	uint64_t size = control_number(call, "size", 0);
	struct virtio_device *vdev;
	char name[sizeof(vdev->name)];
	int len = snprintf(name, sizeof(name), "disk %s", id);

	vdev = (size_t)len < sizeof(name) ? find_device(&call->control->session->vm, VIRTIO_ID_BLOCK, name)
					  : NULL;
	if (!vdev) {
		err_user(&call->err, "there is no disk \"%.40s\"; `vireo ctl NAME stats` lists what there is",
			 id);
		return CONTROL_FAILED;
	}
	return host_block_grow(virtio_blk_backend(vdev), size, &call->err) < 0 ? CONTROL_FAILED
									       : CONTROL_DONE;
}

enum control_result control_balloon(struct control_call *call)
{
	const struct vm *vm = &call->control->session->vm;
	struct virtio_device *vdev = find_device(vm, VIRTIO_ID_BALLOON, NULL);
	uint64_t size = control_number(call, "size", 0);

	if (!vdev)
		err_user(&call->err, "this VM has no balloon (--balloon)");
	else if (size > vm->cfg->memory || size % BALLOON_PAGE)
		err_user(
			&call->err,
			"%llu bytes are not allowed; allowed is a multiple of %u up to the guest's RAM, %llu bytes",
			(unsigned long long)size, BALLOON_PAGE, (unsigned long long)vm->cfg->memory);
	else
		balloon_set_target(vdev, size);
	return *call->err.text ? CONTROL_FAILED : CONTROL_DONE;
}

/* The kernel listens on the console that it was told of: config_default_cmdline(). */
enum control_result control_sysrq(struct control_call *call)
{
	const struct vm *vm = &call->control->session->vm;
	const char *key = control_text(call, "key");
	const uint8_t keys[] = { HVC_SYSRQ, (uint8_t)*key };
	bool taken;

	if (!strstr(config_default_cmdline(vm->cfg), "ttyS0"))
		taken = call->control->has_hvc && console_tee_type(&call->control->hvc, keys, sizeof(keys));
	else
		taken = console_tee_break(&call->control->serial, (uint8_t)*key);
	if (!taken)
		err_user(&call->err, "the guest has not taken what was typed before");
	return taken ? CONTROL_DONE : CONTROL_FAILED;
}
