/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One GICv2 and the processors around it: the levels of their inputs are recorded. Registers by short
 * names, for processor 0 unless another is named.
 *
 * Include after <cmocka.h>.
 */
#ifndef VIREO_TESTS_UNIT_GICV2_RIG_H
#define VIREO_TESTS_UNIT_GICV2_RIG_H

#include <string.h>

#include "devices/gicv2.h"

struct gicv2_rig {
	struct gicv2 *gic;
	bool input[GICV2_MAX_CPUS][2]; /* by enum gicv2_signal */
	unsigned int changes;
};

static inline void gicv2_rig_input(void *ctx, unsigned int cpu, enum gicv2_signal signal, bool level)
{
	struct gicv2_rig *rig = ctx;

	/* "Only on change" is part of the contract. */
	assert_true(cpu < GICV2_MAX_CPUS);
	assert_int_not_equal(rig->input[cpu][signal], level);
	rig->input[cpu][signal] = level;
	rig->changes++;
}

static inline void gicv2_rig_init(struct gicv2_rig *rig, unsigned int cpus, unsigned int irqs)
{
	struct gicv2_host host = { .set_cpu_line = gicv2_rig_input, .ctx = rig };
	struct err err;

	memset(rig, 0, sizeof(*rig));
	assert_int_equal(gicv2_create(&rig->gic, cpus, irqs, &host, &err), 0);
}

static inline void gicv2_rig_finish(struct gicv2_rig *rig)
{
	gicv2_destroy(rig->gic);
	rig->gic = NULL;
}

static inline uint32_t dist_of(struct gicv2_rig *rig, unsigned int cpu, uint32_t offset)
{
	return (uint32_t)gicv2_dist_read(rig->gic, cpu, offset, 4);
}

static inline void set_dist_of(struct gicv2_rig *rig, unsigned int cpu, uint32_t offset, uint32_t value)
{
	gicv2_dist_write(rig->gic, cpu, offset, 4, value);
}

static inline uint32_t cpu_of(struct gicv2_rig *rig, unsigned int cpu, uint32_t offset)
{
	return (uint32_t)gicv2_cpu_read(rig->gic, cpu, offset, 4);
}

static inline void set_cpu_of(struct gicv2_rig *rig, unsigned int cpu, uint32_t offset, uint32_t value)
{
	gicv2_cpu_write(rig->gic, cpu, offset, 4, value);
}

static inline uint32_t dist(struct gicv2_rig *rig, uint32_t offset)
{
	return dist_of(rig, 0, offset);
}

static inline void set_dist(struct gicv2_rig *rig, uint32_t offset, uint32_t value)
{
	set_dist_of(rig, 0, offset, value);
}

static inline uint32_t cpu(struct gicv2_rig *rig, uint32_t offset)
{
	return cpu_of(rig, 0, offset);
}

static inline void set_cpu(struct gicv2_rig *rig, uint32_t offset, uint32_t value)
{
	set_cpu_of(rig, 0, offset, value);
}

/* In the registers with a bit for each interrupt. */
static inline bool bit_of(struct gicv2_rig *rig, uint32_t offset, unsigned int id)
{
	return dist(rig, offset + id / 32 * 4) >> id % 32 & 1;
}

static inline void set_bit(struct gicv2_rig *rig, uint32_t offset, unsigned int id)
{
	set_dist(rig, offset + id / 32 * 4, 1u << id % 32);
}

static inline void set_priority(struct gicv2_rig *rig, unsigned int id, uint8_t priority)
{
	gicv2_dist_write(rig->gic, 0, GICD_IPRIORITYR + id, 1, priority);
}

static inline void set_target(struct gicv2_rig *rig, unsigned int id, uint8_t cpus)
{
	gicv2_dist_write(rig->gic, 0, GICD_ITARGETSR + id, 1, cpus);
}

static inline void set_edge(struct gicv2_rig *rig, unsigned int id)
{
	uint32_t at = GICD_ICFGR + id / 16 * 4;

	set_dist(rig, at, dist(rig, at) | 2u << id % 16 * 2);
}

static inline void set_group1(struct gicv2_rig *rig, unsigned int id)
{
	uint32_t at = GICD_IGROUPR + id / 32 * 4;

	set_dist(rig, at, dist(rig, at) | 1u << id % 32);
}

/* Edge-triggered, enabled, for `cpus`, pending. */
static inline void make_pending(struct gicv2_rig *rig, unsigned int id, uint8_t priority, uint8_t cpus)
{
	set_edge(rig, id);
	set_priority(rig, id, priority);
	set_target(rig, id, cpus);
	set_bit(rig, GICD_ISENABLER, id);
	set_bit(rig, GICD_ISPENDR, id);
}

/* Forwarding, and all interfaces open with `ctlr`. */
static inline void open_all(struct gicv2_rig *rig, uint32_t ctlr)
{
	set_dist(rig, GICD_CTLR, GIC_ENABLE_GROUP0 | GIC_ENABLE_GROUP1);
	for (unsigned int i = 0; i < GICV2_MAX_CPUS; i++) {
		set_cpu_of(rig, i, GICC_PMR, 0xff);
		set_cpu_of(rig, i, GICC_CTLR, ctlr);
	}
}

#endif
