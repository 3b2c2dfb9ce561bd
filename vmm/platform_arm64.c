// SPDX-License-Identifier: BSD-2-Clause
/*
 * The checks that an Arm definition needs before KVM sees it: GIC addresses aligned as the GIC
 * wants them, and nothing on top of anything else.
 */
#include <inttypes.h>
#include <string.h>

#include "vmm/options.h"

const enum platform host_platform = PLATFORM_ARM;

/* The most an Arm physical address can have (Arm Architecture Reference Manual, "Address size"). */
#define ADDRESS_BITS 52

struct span {
	const char
		*name; /* an option's, for those that may be refused; what is behind a blank does not count */
	uint64_t base, size; /* bytes */
};

static uint64_t last(const struct span *span)
{
	return span->base + span->size - 1;
}

/* Where the user gave a span its place; NULL: not in a file. */
static const struct value_source *place_of(const struct vm_config *cfg, const struct span *span)
{
	char name[OPTION_NAME_MAX + 1] = "";
	const struct option *opt;

	memcpy(name, span->name, strcspn(span->name, " "));
	opt = option_by_name(name);
	return opt && cfg->source[opt - option_table].file ? &cfg->source[opt - option_table] : NULL;
}

/* Ends beyond the address space, or overlaps one of those before it. */
static int check_span(const struct vm_config *cfg, const struct span *spans, unsigned int index,
		      struct err *err)
{
	static const struct value_source nowhere;
	const struct span *this = &spans[index];

	if (!this->size)
		return 0;
	if (this->base > (1ULL << ADDRESS_BITS) - this->size) {
		err_user(err,
			 "%s: at 0x%" PRIx64 " its 0x%" PRIx64 " bytes end beyond the %d-bit address space",
			 this->name, this->base, this->size, ADDRESS_BITS);
		return source_error(err, place_of(cfg, this) ?: &nowhere);
	}
	for (const struct span *other = spans; other < this; other++) {
		if (!other->size || this->base > last(other) || other->base > last(this))
			continue;
		err_user(err,
			 "%s: 0x%" PRIx64 " to 0x%" PRIx64 " overlaps %s, 0x%" PRIx64 " to 0x%" PRIx64
			 "; choose another address",
			 this->name, this->base, last(this), other->name, other->base, last(other));
		return source_error(err, place_of(cfg, this) ?: place_of(cfg, other) ?: &nowhere);
	}
	return 0;
}

static int check_aligned(const struct vm_config *cfg, const char *name, uint64_t address, uint64_t align,
			 const char *gic, struct err *err)
{
	if (!(address % align))
		return 0;
	err_user(err, "%s: 0x%" PRIx64 " is not allowed; a %s needs a multiple of 0x%" PRIx64, name, address,
		 gic, align);
	return source_error(err, config_source(cfg, name));
}

/* Where the redistributors go: where the user says, or as many as fit just below the distributor. */
static struct span redistributors(const struct vm_config *cfg)
{
	uint64_t size = cfg->cpus * ARM_GIC_REDIST_SIZE;

	if (cfg->have_gic_redist)
		return (struct span){ "gic-redist", cfg->gic_redist, size };
	if (size > cfg->gic_dist)
		size = cfg->gic_dist - cfg->gic_dist % ARM_GIC_REDIST_SIZE;
	return (struct span){ "gic-redist (by default below gic-dist)", cfg->gic_dist - size, size };
}

/* `second`: what this GIC has beside its distributor; `msi`: what takes MSIs. */
static int check_gic(const struct vm_config *cfg, struct span second, struct span msi, struct err *err)
{
	const struct span spans[] = {
		{ "RAM", ARM_RAM_BASE, cfg->memory },
		{ "the devices", ARM_DEVICE_BASE, ARM_DEVICE_END - ARM_DEVICE_BASE },
		{ "gic-dist", cfg->gic_dist, ARM_GIC_DIST_SIZE },
		second,
		msi,
	};
	int ret = 0;

	for (unsigned int i = 2; i < sizeof(spans) / sizeof(spans[0]) && !ret; i++)
		ret = check_span(cfg, spans, i, err);
	return ret;
}

static int check_gicv3(const struct vm_config *cfg, struct err *err)
{
	const struct span its = { "gic-its", cfg->gic_its, ARM_GIC_ITS_SIZE };
	const struct span v2m = { "gic-v2m", cfg->gic_v2m, ARM_GIC_V2M_SIZE };
	int ret = check_aligned(cfg, "gic-dist", cfg->gic_dist, GICV3_ALIGN, "GICv3", err);

	/* With its auto it may become either. */
	if (!ret && cfg->its != ITS_OFF)
		ret = check_gic(cfg, redistributors(cfg), its, err);
	if (!ret && cfg->its != ITS_ON)
		ret = check_gic(cfg, redistributors(cfg), v2m, err);
	return ret;
}

static int check_gicv2(const struct vm_config *cfg, struct err *err)
{
	const struct span cpu = { "gic-cpu", cfg->gic_cpu, ARM_GIC_CPU_SIZE };
	const struct span v2m = { "gic-v2m", cfg->gic_v2m, ARM_GIC_V2M_SIZE };

	return check_gic(cfg, cpu, v2m, err);
}

static bool is_gicv2(enum irqchip_choice choice)
{
	return choice == CHOOSE_GICV2 || choice == CHOOSE_GICV2_USER;
}

/* INTIDs from 1020 on are special, so the last four of 1024 are no lines. */
static int check_lines(const struct vm_config *cfg, const struct machine *m, struct err *err)
{
	uint32_t irqs = cfg->gic_irqs < 1020 ? cfg->gic_irqs : 1020;

	for (unsigned int i = 0; i < m->nr_devices; i++) {
		const struct machine_device *dev = &m->device[i];

		if (dev->line < (int)irqs - 32)
			continue;
		err_user(err,
			 "gic-irqs: %" PRIu32 " is not allowed; %s at 0x%" PRIx64
			 " has SPI %d, INTID %d, and needs more",
			 cfg->gic_irqs, dev->class->name, dev->base, dev->line, dev->line + 32);
		return source_error(err, config_source(cfg, "gic-irqs"));
	}
	return 0;
}

int platform_check(const struct vm_config *cfg, const struct machine *m, struct err *err)
{
	int ret = check_lines(cfg, m, err);

	if (ret)
		return ret;

	if (is_gicv2(cfg->irqchip) && cfg->cpus > ARM_GICV2_MAX_CPUS) {
		err_user(err,
			 "cpus: %" PRIu32 " is not allowed; a GICv2 serves 1 to %d: choose irqchip gicv3",
			 cfg->cpus, ARM_GICV2_MAX_CPUS);
		return source_error(err, config_source(cfg, "cpus"));
	}
	if (is_gicv2(cfg->irqchip) && cfg->its == ITS_ON) {
		err_user(err, "its: on is not allowed; only a GICv3 has an ITS: choose irqchip gicv3, or its "
			      "off to have a GICv2m frame");
		return source_error(err, config_source(cfg, "its"));
	}
	/* auto may become either. */
	if (!is_gicv2(cfg->irqchip))
		ret = check_gicv3(cfg, err);
	if (!ret && cfg->irqchip != CHOOSE_GICV3)
		ret = check_gicv2(cfg, err);
	return ret;
}
