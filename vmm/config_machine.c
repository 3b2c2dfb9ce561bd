// SPDX-License-Identifier: BSD-2-Clause
/* The machine that a definition describes: what there is of it without a host. */
#include "vmm/kinds.h"
#include "vmm/options.h"
#include "vmm/virtio.h"

static int add_debug_exit(const struct vm_config *cfg, struct machine *m, struct err *err)
{
	int ret = machine_add_extra(m, EXTRA_DEBUG_EXIT, cfg->debug_exit, err);

	return ret ? source_error(err, config_source(cfg, "debug-exit")) : 0;
}

/* One too many is told at the last one. */
static int add_virtio(const struct vm_config *cfg, struct machine *m, struct err *err)
{
	static const struct value_source nowhere;
	const struct value_source *source = &nowhere;
	int ret = machine_add_virtio(m, virtio_slots(cfg), err);

	for (const struct device_config *dc = cfg->devices; dc; dc = dc->next)
		source = &dc->source;
	return ret ? source_error(err, source) : 0;
}

int config_machine(const struct vm_config *cfg, struct machine *m, struct err *err)
{
	int ret = machine_init(m, host_platform, cfg->cpus, cfg->memory, err);

	/* The test device first: what overlaps is the port that the user chose. */
	if (!ret && cfg->test_device)
		ret = machine_add_extra(m, EXTRA_TEST_DEVICE, 0, err);
	if (!ret && cfg->have_debug_exit)
		ret = add_debug_exit(cfg, m, err);
	if (!ret)
		ret = add_virtio(cfg, m, err);
	return ret;
}
