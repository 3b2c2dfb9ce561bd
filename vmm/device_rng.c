// SPDX-License-Identifier: BSD-2-Clause
/* --rng: an entropy device that hands on what getrandom() gives. */
#include <errno.h>
#include <sys/random.h>

#include "devices/virtio/rng.h"
#include "vmm/kinds.h"
#include "vmm/vm.h"

struct rng_config {
	struct device_config dc;
	uint32_t rate; /* bytes a second; 0: any */
};

#define PLATFORMS (1u << PLATFORM_PC | 1u << PLATFORM_ARM)

static const struct option rng_keys[] = {
	{ .name = "rate",
	  .type = OPTION_NUMBER,
	  .placeholder = "BYTES",
	  .offset = offsetof(struct rng_config, rate),
	  .platforms = PLATFORMS,
	  .max = { [PLATFORM_PC] = UINT32_MAX, [PLATFORM_ARM] = UINT32_MAX },
	  .step = 1,
	  .help = "so many bytes a second at most; 0: as many as the guest asks for" },
	{ .name = NULL },
};

static void rng_defaults(struct device_config *dc)
{
	((struct rng_config *)dc)->rate = 1 << 20;
}

static size_t fill(void *ctx, void *buf, size_t len)
{
	ssize_t got = getrandom(buf, len, GRND_NONBLOCK);

	(void)ctx;
	return got < 0 ? 0 : (size_t)got;
}

static int rng_create(struct virtio_device **out, const struct device_config *dc,
		      const struct device_place *place, struct err *err)
{
	const struct rng_config *rc = (const struct rng_config *)dc;
	const struct rng_source source = { .fill = fill };
	uint8_t byte;

	/* On a host that has just started, wait for its generator now, that no request ever has to. */
	if (getrandom(&byte, 1, 0) < 0)
		return device_host_error(err, dc, errno, "getrandom");
	return virtio_rng_create(out, &place->vm->mem, place->name, &source, rc->rate, &place->loop->clock,
				 err);
}

const struct device_kind rng_kind = {
	.name = "rng",
	.help = "random numbers of the host's",
	.single = true,
	.platforms = PLATFORMS,
	.config_size = sizeof(struct rng_config),
	.keys = rng_keys,
	.defaults = rng_defaults,
	.create = rng_create,
};
