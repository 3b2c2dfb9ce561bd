// SPDX-License-Identifier: BSD-2-Clause
/* --balloon: memory that the guest does without goes back to the host. */
#include <errno.h>

#include "devices/virtio/balloon.h"
#define LOG_AREA AREA_VIRTIO
#include "kvm/log.h"
#include "vmm/devices.h"
#include "vmm/kinds.h"
#include "vmm/vm.h"

struct balloon_config {
	struct device_config dc;
	uint64_t target; /* bytes */
	bool deflate_on_oom, reporting;
	uint32_t stats; /* s */
};

#define PLATFORMS   (1u << PLATFORM_PC | 1u << PLATFORM_ARM)
#define UP_TO(most) .max = { [PLATFORM_PC] = (most), [PLATFORM_ARM] = (most) }

static const struct option balloon_keys[] = {
	{ .name = "target",
	  .type = OPTION_SIZE,
	  .placeholder = "SIZE",
	  .offset = offsetof(struct balloon_config, target),
	  .platforms = PLATFORMS,
	  UP_TO(MACHINE_MAX_RAM_SIZE),
	  .step = BALLOON_PAGE,
	  .help = "how much of its RAM the guest is asked to do without" },
	{ .name = "deflate-on-oom",
	  .type = OPTION_FLAG,
	  .offset = offsetof(struct balloon_config, deflate_on_oom),
	  .platforms = PLATFORMS,
	  .help = "the guest may take some of that back before it kills processes for want of memory" },
	{ .name = "free-page-reporting",
	  .type = OPTION_FLAG,
	  .offset = offsetof(struct balloon_config, reporting),
	  .platforms = PLATFORMS,
	  .help = "the guest tells which pages it has free, and these too go back to the host" },
	{ .name = "stats",
	  .type = OPTION_NUMBER,
	  .placeholder = "SECONDS",
	  .offset = offsetof(struct balloon_config, stats),
	  .platforms = PLATFORMS,
	  UP_TO(86400),
	  .step = 1,
	  .help = "ask the guest for statistics of its memory so often, and show them with --log info; 0: never" },
	{ .name = NULL },
};

static void balloon_defaults(struct device_config *dc)
{
	struct balloon_config *bc = (struct balloon_config *)dc;

	bc->deflate_on_oom = true;
	bc->reporting = true;
}

static int balloon_fits(const struct device_config *dc, const struct vm_config *cfg, struct err *err)
{
	const struct balloon_config *bc = (const struct balloon_config *)dc;

	if (bc->target > cfg->memory) {
		char target[OPTION_VALUE_MAX];

		option_format(bc, device_key(dc->kind, "target"), target);
		return device_error(err, dc,
				    "target: %s is not allowed; allowed is at most the guest's memory, %lluM",
				    target, (unsigned long long)(cfg->memory >> 20));
	}
	return 0;
}

static ssize_t release(void *ctx, void *addr, size_t len)
{
	struct vm *vm = ctx;

	return kvm_ram_release(&vm->ram, addr, len);
}

static int balloon_create(struct virtio_device **out, const struct device_config *dc,
			  const struct device_place *place, struct err *err)
{
	const struct balloon_config *bc = (const struct balloon_config *)dc;
	bool huge = config_memory_backing(place->vm->cfg) == KVM_RAM_HUGETLB;
	const struct balloon_setup setup = {
		.host = { .release = release, .ctx = place->vm },
		.clock = &place->loop->clock,
		.target = bc->target,
		.deflate_on_oom = bc->deflate_on_oom,
		.reporting = bc->reporting && !huge,
		.stats_interval = bc->stats,
	};

	if (huge)
		log_warn(
			"%s: with --memory-backing hugetlb, memory is reserved for the guest and does not go "
			"back to the host",
			place->name);
	return virtio_balloon_create(out, &place->vm->mem, place->name, &setup, err);
}

const struct device_kind balloon_kind = {
	.name = "balloon",
	.help = "memory that the guest does without goes back to the host",
	.single = true,
	.platforms = PLATFORMS,
	.config_size = sizeof(struct balloon_config),
	.keys = balloon_keys,
	.defaults = balloon_defaults,
	.fits = balloon_fits,
	.create = balloon_create,
};
