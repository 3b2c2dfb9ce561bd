// SPDX-License-Identifier: BSD-2-Clause
#include "devices/virtio/mmio_page.h"

#include <string.h>

void mmio_page_put(uint32_t *page, uint64_t offset, uint32_t value)
{
	__atomic_store_n(&page[offset / sizeof(value)], value, __ATOMIC_RELEASE);
}

uint32_t mmio_page_get(const uint32_t *page, uint64_t offset)
{
	return __atomic_load_n(&page[offset / sizeof(*page)], __ATOMIC_ACQUIRE);
}

/*
 * While words of the configuration change, ConfigGeneration is one that never was: a driver that has read across
 * the beginning or the end of that reads again ("Device Configuration Space"). One that has read wholly in between
 * may have a new half and an old one, which a generation cannot tell it; the configuration interrupt, which comes
 * after the change, has it read again.
 */
void mmio_page_put_state(uint32_t *page, const struct virtio_device *vdev)
{
	/* In whole words: config[] has zeroes behind the device's own part. */
	for (unsigned int at = 0; at < vdev->config_size; at += sizeof(uint32_t)) {
		uint32_t word;

		memcpy(&word, vdev->config + at, sizeof(word));
		if (page[(REG_CONFIG + at) / sizeof(word)] == word)
			continue;
		mmio_page_put(page, REG_CONFIG_GENERATION, ~vdev->generation);
		mmio_page_put(page, REG_CONFIG + at, word);
	}
	mmio_page_put(page, REG_CONFIG_GENERATION, vdev->generation);
	mmio_page_put(page, REG_STATUS, vdev->status);
}
