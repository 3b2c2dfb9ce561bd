// SPDX-License-Identifier: BSD-2-Clause
/* What the control socket tells of a VM. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "devices/virtio/balloon.h"
#include "devices/virtio/blk.h"
#include "vmm/arch.h"
#include "vmm/control_commands.h"
#include "vmm/session.h"
#include "vmm/vcpu.h"

static const char *state_name(const struct vm *vm)
{
	return vm->is_paused ? "paused" : vm->pausing ? "pausing" : "running";
}

/* Seconds, to the millisecond. */
static json_t *seconds(uint64_t ns)
{
	return json_real((double)(ns / 1000000) / 1000);
}

enum control_result control_status(struct control_call *call)
{
	const struct session *s = call->control->session;
	uint64_t now = clock_monotonic(&call->control->session->loop.clock);

	call->result = json_pack("{s:o,s:i,s:s,s:i,s:o,s:o,s:i,s:I,s:s,s:s,s:o}", "name",
				 control_string(s->cfg->name), "pid", (int)getpid(), "state",
				 state_name(&s->vm), "boots", (int)s->boots, "uptime",
				 seconds(now - call->control->booted), "kernel",
				 control_string(s->cfg->kernel), "cpus", (int)s->vm.nr_vcpus, "memory",
				 (json_int_t)s->cfg->memory, "irqchip", arch_irqchip_name(&s->vm), "version",
				 VIREO_VERSION, "control", control_string(call->control->path.socket));
	return CONTROL_DONE;
}

/* --- stats --- */

/* What --stats json prints, so far; null where nothing is counted. */
static json_t *counters(const struct session *s)
{
	json_t *result = NULL;
	char *text = NULL;
	size_t size;
	FILE *out;

	if (s->cfg->stats == STATS_OFF)
		return json_null();
	out = open_memstream(&text, &size);
	if (!out)
		return NULL;
	stats_write_json(out, s->observer.threads, &s->vm.machine);
	if (!fclose(out))
		result = json_loadb(text, size, 0, NULL);
	free(text);
	return result;
}

static uint64_t cpu_time(clockid_t clock)
{
	struct timespec ts = { 0 };

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static json_t *vcpus(const struct vm *vm)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		clockid_t clock;

		if (!pthread_getcpuclockid(vm->vcpu[i]->thread, &clock))
			json_array_append_new(list, json_pack("{s:o}", "cpu_time", seconds(cpu_time(clock))));
	}
	return list;
}

static json_t *balloon_stats(struct virtio_device *vdev)
{
	static const char *const names[BALLOON_STATS] = {
		[BALLOON_SWAP_IN] = "swap_in",
		[BALLOON_SWAP_OUT] = "swap_out",
		[BALLOON_MAJOR_FAULTS] = "major_faults",
		[BALLOON_MINOR_FAULTS] = "minor_faults",
		[BALLOON_FREE] = "free",
		[BALLOON_TOTAL] = "total",
		[BALLOON_AVAILABLE] = "available",
		[BALLOON_CACHES] = "caches",
		[BALLOON_HUGE_ALLOCATED] = "huge_allocated",
		[BALLOON_HUGE_FAILED] = "huge_failed",
	};
	struct balloon_info info;
	json_t *guest = json_object();

	balloon_get_info(vdev, &info);
	for (unsigned int i = 0; i < BALLOON_STATS; i++)
		if (info.known & 1u << i)
			json_object_set_new(guest, names[i], json_integer((json_int_t)info.stat[i]));
	return json_pack("{s:I,s:I,s:I,s:o}", "target", (json_int_t)info.target, "actual",
			 (json_int_t)info.actual, "released", (json_int_t)info.released, "guest", guest);
}

/*
 * "Device configuration layout" of a block device: its capacity, in sectors of 512 bytes, comes first. That of a back end
 * does not change.
 */
static json_t *disk_size(struct virtio_device *vdev)
{
	const struct blockdev *bd = virtio_blk_backend(vdev);
	uint64_t capacity;

	if (bd)
		return json_integer((json_int_t)bd->size);
	memcpy(&capacity, vdev->config, sizeof(capacity));
	return json_integer((json_int_t)(capacity * 512));
}

/* Without the lock of a disk or a share: a reset holds it as long as a host's disk, or a back end, does not answer. */
static json_t *device(struct virtio_device *vdev)
{
	size_t kind = strcspn(vdev->name, " ");
	json_t *one;

	one = json_pack("{s:s%,s:s,s:s,s:b}", "kind", vdev->name, kind, "id",
			vdev->name + kind + (vdev->name[kind] == ' '), "device", vdev->class->name, "in_use",
			virtio_is_live(vdev));
	if (vdev->class->id == VIRTIO_ID_BALLOON)
		json_object_set_new(one, "balloon", balloon_stats(vdev));
	if (vdev->class->id == VIRTIO_ID_BLOCK)
		json_object_set_new(one, "size", disk_size(vdev));
	return one;
}

static json_t *devices(const struct vm *vm)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < vm->device_host.nr_virtio; i++)
		json_array_append_new(list, device(vm->device_host.virtio[i]));
	return list;
}

enum control_result control_stats(struct control_call *call)
{
	const struct session *s = call->control->session;

	call->result = json_pack("{s:o,s:o,s:o,s:o}", "cpu_time", seconds(cpu_time(CLOCK_PROCESS_CPUTIME_ID)),
				 "vcpus", vcpus(&s->vm), "devices", devices(&s->vm), "counters", counters(s));
	if (call->result)
		return CONTROL_DONE;
	err_host(&call->err, ENOMEM, "the statistics");
	return CONTROL_FAILED;
}
