// SPDX-License-Identifier: BSD-2-Clause
/* --disk: a raw image, a file or a block device, as the guest's disk. */
#include <errno.h>
#include <string.h>

#include "devices/virtio/blk.h"
#include "host/block.h"
#include "vmm/kinds.h"
#include "vmm/vm.h"

struct disk_config {
	struct device_config dc;
	char *path, *serial;
	bool read_only;
	int cache, aio; /* enum block_cache, block_aio */
	uint32_t queues;
	uint32_t block_size; /* bytes; 0: the image's own */
};

#define PLATFORMS   (1u << PLATFORM_PC | 1u << PLATFORM_ARM)
#define UP_TO(most) .max = { [PLATFORM_PC] = (most), [PLATFORM_ARM] = (most) }

static const struct option_choice caches[] = {
	{ "writeback", BLOCK_CACHE_WRITEBACK, PLATFORMS },
	{ "none", BLOCK_CACHE_NONE, PLATFORMS },
	{ "unsafe", BLOCK_CACHE_UNSAFE, PLATFORMS },
	{ NULL, 0, 0 },
};

static const struct option_choice aios[] = {
	{ "auto", BLOCK_AIO_AUTO, PLATFORMS },
	{ "io_uring", BLOCK_AIO_URING, PLATFORMS },
	{ "threads", BLOCK_AIO_THREADS, PLATFORMS },
	{ NULL, 0, 0 },
};

static const struct option disk_keys[] = {
	{ .name = "path",
	  .type = OPTION_FILE,
	  .input = true,
	  .placeholder = "FILE",
	  .offset = offsetof(struct disk_config, path),
	  .platforms = PLATFORMS,
	  .help = "the raw image: a regular file or a block device" },
	{ .name = "ro",
	  .type = OPTION_FLAG,
	  .offset = offsetof(struct disk_config, read_only),
	  .platforms = PLATFORMS,
	  .help = "the guest cannot write to it; several VMs may share it then" },
	{ .name = "cache",
	  .type = OPTION_CHOICE,
	  .offset = offsetof(struct disk_config, cache),
	  .platforms = PLATFORMS,
	  .choices = caches,
	  .help = "writeback: the host's page cache; none: O_DIRECT, past it; unsafe: as writeback, and what the "
		  "guest has synced is lost if the host fails" },
	{ .name = "queues",
	  .type = OPTION_NUMBER,
	  .placeholder = "N",
	  .offset = offsetof(struct disk_config, queues),
	  .platforms = PLATFORMS,
	  .min = 1,
	  UP_TO(VIRTIO_MAX_QUEUES),
	  .step = 1,
	  .help = "request queues" },
	{ .name = "aio",
	  .type = OPTION_CHOICE,
	  .offset = offsetof(struct disk_config, aio),
	  .platforms = PLATFORMS,
	  .choices = aios,
	  .help = "what does the work on the host; auto: io_uring where it is permitted, else threads" },
	{ .name = "serial",
	  .type = OPTION_TEXT,
	  .placeholder = "TEXT",
	  .offset = offsetof(struct disk_config, serial),
	  .platforms = PLATFORMS,
	  .help = "its serial number, up to 20 bytes; without it, its id" },
	{ .name = "block-size",
	  .type = OPTION_NUMBER,
	  .placeholder = "N",
	  .offset = offsetof(struct disk_config, block_size),
	  .platforms = PLATFORMS,
	  UP_TO(4096),
	  .step = 512,
	  .help = "bytes of a logical block, 512 to 4096; 0: 512 for a file, its own for a block device" },
	{ .name = NULL },
};

static void disk_defaults(struct device_config *dc)
{
	((struct disk_config *)dc)->queues = 1;
}

static int disk_check(const struct device_config *dc, struct err *err)
{
	const struct disk_config *cfg = (const struct disk_config *)dc;

	if (!cfg->path || !*cfg->path)
		return device_error(err, dc, "path is missing: the image, a regular file or a block device");
	if (cfg->serial && strlen(cfg->serial) > VIRTIO_BLK_ID_BYTES)
		return device_error(err, dc, "serial: \"%s\" is too long; allowed are up to %d bytes",
				    quote(cfg->serial).text, VIRTIO_BLK_ID_BYTES);
	if (cfg->block_size & (cfg->block_size - 1))
		return device_error(err, dc, "block-size: %u is no power of two; allowed are 512 to 4096",
				    cfg->block_size);
	return 0;
}

static int disk_create(struct virtio_device **out, const struct device_config *dc,
		       const struct device_place *place, struct err *err)
{
	const struct disk_config *cfg = (const struct disk_config *)dc;
	const struct block_options opt = {
		.name = place->name,
		.path = cfg->path,
		.read_only = cfg->read_only,
		.cache = (enum block_cache)cfg->cache,
		.aio = (enum block_aio)cfg->aio,
		.block_size = cfg->block_size,
	};
	struct blockdev *bd;
	int ret = block_open(&bd, &opt, place->loop, err);

	if (ret < 0)
		return ret;
	ret = virtio_blk_create(out, bd, &place->vm->mem, place->name, cfg->serial ?: dc->id, cfg->queues,
				&place->loop->clock, err);
	if (ret < 0)
		bd->ops->destroy(bd);
	return ret;
}

const struct device_kind disk_kind = {
	.name = "disk",
	.value_key = "path",
	.help = "a raw image as a disk",
	.own_thread = true,
	.patient = true,
	.platforms = PLATFORMS,
	.config_size = sizeof(struct disk_config),
	.keys = disk_keys,
	.defaults = disk_defaults,
	.check = disk_check,
	.create = disk_create,
};
