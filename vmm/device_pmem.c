// SPDX-License-Identifier: BSD-2-Clause
/* --pmem: a file as memory of the guest's, above its RAM. */
#include <errno.h>
#include <sys/mman.h>

#include "host/pmem_file.h"
#include "vmm/kinds.h"
#include "vmm/vm.h"

struct pmem_config {
	struct device_config dc;
	char *path;
	bool read_only;
};

#define PLATFORMS (1u << PLATFORM_PC | 1u << PLATFORM_ARM)

/*
 * Guests manage memory by sections, of 128 MiB to 512 MiB by architecture and page size: one that is part
 * RAM and part device memory is what not all of them can do. And no page that the host may use is larger.
 */
#define WINDOW_ALIGN (1ULL << 30)

static const struct option pmem_keys[] = {
	{ .name = "path",
	  .type = OPTION_FILE,
	  .input = true,
	  .placeholder = "FILE",
	  .offset = offsetof(struct pmem_config, path),
	  .platforms = PLATFORMS,
	  .help = "a file or block device; its size is a multiple of 2 MiB, but with ro any" },
	{ .name = "ro",
	  .type = OPTION_FLAG,
	  .offset = offsetof(struct pmem_config, read_only),
	  .platforms = PLATFORMS,
	  .help = "the guest cannot write to it" },
	{ .name = NULL },
};

static int pmem_check(const struct device_config *dc, struct err *err)
{
	if (!((const struct pmem_config *)dc)->path)
		return device_error(err, dc, "path is missing: which file is it to be?");
	return 0;
}

static int pmem_create(struct virtio_device **out, const struct device_config *dc,
		       const struct device_place *place, struct err *err)
{
	const struct pmem_config *pc = (const struct pmem_config *)dc;
	struct pmem_backend *backend;
	struct pmem_mapping map;
	uint64_t base;
	int ret = pmem_file_open(&backend, &map, pc->path, pc->read_only, place->name, place->loop, err);

	if (ret < 0)
		return ret;
	ret = vm_add_window(place->vm, map.host, map.size, WINDOW_ALIGN, pc->read_only, &base, err);
	if (ret < 0) {
		backend->ops->destroy(backend);
		munmap(map.host, map.size);
		return device_failed(err, dc, ret);
	}
	guest_mem_set_file(&place->vm->mem, base, map.shared_fd, 0);
	ret = virtio_pmem_create(out, &place->vm->mem, place->name, base, map.size, backend, err);
	if (ret < 0)
		backend->ops->destroy(backend); /* the window is the VM's already */
	return ret;
}

const struct device_kind pmem_kind = {
	.name = "pmem",
	.value_key = "path",
	.help = "a file as persistent memory, which the guest uses in place (DAX)",
	.platforms = PLATFORMS,
	.config_size = sizeof(struct pmem_config),
	.keys = pmem_keys,
	.check = pmem_check,
	.create = pmem_create,
};
