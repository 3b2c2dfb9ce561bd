// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/options.h"
#include "vmm/vcpu_x86.h"

const enum platform host_platform = PLATFORM_PC;

int platform_check(const struct vm_config *cfg, const struct machine *m, struct err *err)
{
	uint32_t lines = irqchip_lines(cfg, m);

	if (cfg->irqchip != CHOOSE_APIC_KERNEL || lines <= IOAPIC_PINS)
		return 0;
	err_user(
		err,
		"irqchip: apic-kernel has %d interrupt lines, and this machine %u; choose apic or apic-split",
		IOAPIC_PINS, lines);
	return source_error(err, config_source(cfg, "irqchip"));
}
