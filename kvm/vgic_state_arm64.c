// SPDX-License-Identifier: BSD-2-Clause
/*
 * One walk over all registers of a GIC serves for counting, saving and loading: its order is that of
 * the values in a state, and the one in which they may be loaded. Names and offsets of registers are
 * those of the Arm Generic Interrupt Controller Architecture Specifications, versions 2 and 3.
 */
#include "kvm/vgic_state_arm64.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
	GICD_CTLR = 0x0000,
	GICD_IIDR = 0x0008,
	GICD_STATUSR = 0x0010,
	GICD_IGROUPR = 0x0080,
	GICD_ISENABLER = 0x0100,
	GICD_ICENABLER = 0x0180,
	GICD_ISPENDR = 0x0200,
	GICD_ISACTIVER = 0x0300,
	GICD_ICACTIVER = 0x0380,
	GICD_IPRIORITYR = 0x0400,
	GICD_ITARGETSR = 0x0800, /* version 2 */
	GICD_ICFGR = 0x0c00,
	GICD_CPENDSGIR = 0x0f10, /* version 2 */
	GICD_SPENDSGIR = 0x0f20, /* version 2 */
	GICD_IROUTER = 0x6000,   /* version 3 */

	GICR_CTLR = 0x0000,
	GICR_STATUSR = 0x0010,
	GICR_WAKER = 0x0014,
	GICR_PROPBASER = 0x0070,
	GICR_PENDBASER = 0x0078,
	GICR_SGI = 0x10000, /* the page with the registers of SGIs and PPIs, as in the distributor */

	GICC_CTLR = 0x00,
	GICC_PMR = 0x04,
	GICC_BPR = 0x08,
	GICC_ABPR = 0x1c,
	GICC_APR = 0xd0, /* four */

	GITS_CTLR = 0x0000,
	GITS_IIDR = 0x0004,
	GITS_CBASER = 0x0080,
	GITS_CWRITER = 0x0088,
	GITS_CREADR = 0x0090,
	GITS_BASER = 0x0100, /* eight */

	IIDR_REVISION = 0xf000,
	CTLR_PRI_BITS_SHIFT = 8,    /* of ICC_CTLR_EL1: how many priority bits there are, minus one */
	SGIS = 0xffff,              /* INTIDs 0 to 15 of a register with a bit each */
	TIMERS = 1 << 27 | 1 << 30, /* the PPIs that KVM drives (vcpu.rst, "KVM_ARM_VCPU_TIMER_CTRL") */
};

/* The encoding of a system register in an attribute (arm-vgic-v3.rst). */
#define SYSREG(op0, op1, crn, crm, op2) ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))
#define ICC_PMR                         SYSREG(3, 0, 4, 6, 0)
#define ICC_BPR0                        SYSREG(3, 0, 12, 8, 3)
#define ICC_AP0R(n)                     SYSREG(3, 0, 12, 8, 4 + (n))
#define ICC_AP1R(n)                     SYSREG(3, 0, 12, 9, (n))
#define ICC_BPR1                        SYSREG(3, 0, 12, 12, 3)
#define ICC_CTLR                        SYSREG(3, 0, 12, 12, 4)
#define ICC_SRE                         SYSREG(3, 0, 12, 12, 5)
#define ICC_IGRPEN0                     SYSREG(3, 0, 12, 12, 6)
#define ICC_IGRPEN1                     SYSREG(3, 0, 12, 12, 7)

/* Beside KVM's groups of attributes: what vgic_set_spi() has been told, 32 lines a value. */
#define GROUP_LINES 0xffff

/* A register, as KVM is asked for it. */
struct reg {
	uint32_t group;
	uint64_t who;    /* the upper half of the attribute: which vCPU */
	uint32_t offset; /* the lower half */
	uint32_t clear;  /* offset of the register that clears what this one sets, or 0 */
};

struct walk {
	const struct vgic_shape *shape;
	int (*access)(struct walk *w, const struct reg *reg, uint64_t *value); /* NULL: only count */
	uint64_t *value;
	uint32_t next;
	unsigned int aprs; /* version 3: ICC_AP0Rn and ICC_AP1Rn that this host has */
	int ret;           /* the first failure; nothing is done after it */
	struct err *err;
};

/* --- the order --- */

static void visit(struct walk *w, struct reg reg)
{
	uint64_t *value = w->value ? &w->value[w->next] : NULL;

	w->next++;
	if (!w->ret && w->access)
		w->ret = w->access(w, &reg, value);
}

/* Registers of 32 bits from that of INTID `first` to that of `end` - 1, with `bits` for each. */
static void visit_bits(struct walk *w, struct reg base, uint32_t first, uint32_t end, uint32_t bits)
{
	for (uint32_t at = first * bits / 8; at < end * bits / 8; at += 4) {
		struct reg reg = base;

		reg.offset += at;
		if (base.clear)
			reg.clear += at;
		visit(w, reg);
	}
}

/* What each interrupt has in both versions, but for pending bits: those need the configuration first. */
static void visit_interrupts(struct walk *w, uint32_t group, uint64_t who, uint32_t page, uint32_t first,
			     uint32_t end)
{
	struct reg reg = { .group = group, .who = who };

	reg.offset = page + GICD_IGROUPR;
	visit_bits(w, reg, first, end, 1);
	reg.offset = page + GICD_ICFGR;
	visit_bits(w, reg, first, end, 2);
	reg.offset = page + GICD_IPRIORITYR;
	visit_bits(w, reg, first, end, 8);
	reg.offset = page + GICD_ISENABLER;
	reg.clear = page + GICD_ICENABLER;
	visit_bits(w, reg, first, end, 1);
	reg.offset = page + GICD_ISACTIVER;
	reg.clear = page + GICD_ICACTIVER;
	visit_bits(w, reg, first, end, 1);
	reg.offset = page + GICD_ISPENDR;
	reg.clear = 0;
	visit_bits(w, reg, first, end, 1);
}

static void visit_levels(struct walk *w, uint64_t who, uint32_t first, uint32_t end)
{
	for (uint32_t intid = first; intid < end; intid += 32)
		visit(w, (struct reg){ .group = KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO,
				       .who = who,
				       .offset = VGIC_LEVEL_INFO_LINE_LEVEL << 10 | intid });
}

static void visit_list(struct walk *w, uint32_t group, uint64_t who, const uint32_t *offset,
		       unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		visit(w, (struct reg){ .group = group, .who = who, .offset = offset[i] });
}
#define VISIT(w, group, who, list) visit_list(w, group, who, list, sizeof(list) / sizeof((list)[0]))

/* Aff3 to Aff0, as attributes have them in their upper half. */
static uint64_t packed(uint64_t mpidr)
{
	return (mpidr >> 32 & 0xff) << 24 | (mpidr & 0xffffff);
}

static void walk_gicv3_vcpu(struct walk *w, uint64_t who)
{
	/* The tables of LPIs before LPIs are enabled. */
	static const uint32_t redist[] = { GICR_STATUSR,       GICR_WAKER,     GICR_PROPBASER,
					   GICR_PROPBASER + 4, GICR_PENDBASER, GICR_PENDBASER + 4,
					   GICR_CTLR };
	static const uint32_t cpu[] = { ICC_SRE,     ICC_CTLR,    ICC_IGRPEN0, ICC_IGRPEN1, ICC_PMR,
					ICC_BPR0,    ICC_BPR1,    ICC_AP0R(0), ICC_AP1R(0), ICC_AP0R(1),
					ICC_AP1R(1), ICC_AP0R(2), ICC_AP1R(2), ICC_AP0R(3), ICC_AP1R(3) };

	VISIT(w, KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, who, redist);
	visit_interrupts(w, KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, who, GICR_SGI, 0, 32);
	visit_levels(w, who, 0, 32);
	VISIT(w, KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, who, cpu);
}

static void walk_gicv3(struct walk *w)
{
	static const uint32_t dist[] = { GICD_IIDR, GICD_CTLR, GICD_STATUSR };
	const struct vgic_shape *shape = w->shape;

	VISIT(w, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 0, dist);
	visit_bits(w, (struct reg){ .group = KVM_DEV_ARM_VGIC_GRP_DIST_REGS, .offset = GICD_IROUTER }, 32,
		   shape->nr_irqs, 64);
	visit_interrupts(w, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 0, 0, 32, shape->nr_irqs);
	visit_levels(w, packed(shape->mpidr[0]), 32, shape->nr_irqs);
	for (uint32_t i = 0; i < shape->nr_vcpus; i++)
		walk_gicv3_vcpu(w, packed(shape->mpidr[i]));
}

static void walk_gicv2(struct walk *w)
{
	static const uint32_t dist[] = { GICD_IIDR, GICD_CTLR };
	static const uint32_t cpu[] = { GICC_CTLR, GICC_PMR,     GICC_BPR,     GICC_ABPR,
					GICC_APR,  GICC_APR + 4, GICC_APR + 8, GICC_APR + 12 };
	const uint32_t group = KVM_DEV_ARM_VGIC_GRP_DIST_REGS;
	uint32_t irqs = w->shape->nr_irqs;

	VISIT(w, group, 0, dist);
	visit_bits(w, (struct reg){ .group = group, .offset = GICD_ITARGETSR }, 32, irqs, 8);
	visit_interrupts(w, group, 0, 0, 32, irqs);
	visit_bits(w, (struct reg){ .group = GROUP_LINES }, 32, irqs, 1);
	for (uint32_t i = 0; i < w->shape->nr_vcpus; i++) {
		struct reg sgi = {
			.group = group, .who = i, .offset = GICD_SPENDSGIR, .clear = GICD_CPENDSGIR
		};

		visit_interrupts(w, group, i, 0, 0, 32);
		visit_bits(w, sgi, 0, 16, 8);
		VISIT(w, KVM_DEV_ARM_VGIC_GRP_CPU_REGS, i, cpu);
	}
}

static void walk_gic(struct walk *w)
{
	if (w->shape->vgic->version == 3)
		walk_gicv3(w);
	else
		walk_gicv2(w);
}

/* arm-vgic-its.rst, "ITS Restore Sequence": what comes before the tables, and what after. */
static void walk_its(struct walk *w)
{
	static const uint32_t before[] = { GITS_CBASER, GITS_IIDR, GITS_CREADR, GITS_CWRITER };

	VISIT(w, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, 0, before);
	for (uint32_t i = 0; i < 8; i++)
		visit(w,
		      (struct reg){ .group = KVM_DEV_ARM_VGIC_GRP_ITS_REGS, .offset = GITS_BASER + 8 * i });
}

static void walk_its_control(struct walk *w)
{
	visit(w, (struct reg){ .group = KVM_DEV_ARM_VGIC_GRP_ITS_REGS, .offset = GITS_CTLR });
}

static uint32_t count_values(const struct vgic_shape *shape)
{
	struct walk w = { .shape = shape };

	walk_gic(&w);
	if (shape->vgic->its_fd >= 0) {
		walk_its(&w);
		walk_its_control(&w);
	}
	return w.next;
}

/* --- one register --- */

static bool is_wide(uint32_t group)
{
	return group == KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS || group == KVM_DEV_ARM_VGIC_GRP_ITS_REGS;
}

static int device_of(const struct walk *w, uint32_t group)
{
	return group == KVM_DEV_ARM_VGIC_GRP_ITS_REGS ? w->shape->vgic->its_fd : w->shape->vgic->fd;
}

static int failed(struct walk *w, const struct reg *reg, const char *what, int ret)
{
	static const char *const names[] = {
		[KVM_DEV_ARM_VGIC_GRP_DIST_REGS] = "distributor register",
		[KVM_DEV_ARM_VGIC_GRP_CPU_REGS] = "CPU interface register",
		[KVM_DEV_ARM_VGIC_GRP_REDIST_REGS] = "redistributor register",
		[KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS] = "CPU interface register",
		[KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO] = "line levels",
		[KVM_DEV_ARM_VGIC_GRP_ITS_REGS] = "ITS register",
	};

	return err_host(w->err, -ret, "GIC state: %s %s %#x of CPU %#llx", what, names[reg->group],
			reg->offset, (unsigned long long)reg->who);
}

static int get(struct walk *w, const struct reg *reg, uint32_t offset, uint64_t *value)
{
	uint32_t narrow = 0;
	int ret;

	*value = 0;
	if (is_wide(reg->group)) {
		ret = kvm_device_get(device_of(w, reg->group), reg->group, reg->who << 32 | offset, value);
	} else {
		ret = kvm_device_get(w->shape->vgic->fd, reg->group, reg->who << 32 | offset, &narrow);
		*value = narrow;
	}
	return ret < 0 ? failed(w, reg, "reading", ret) : 0;
}

static int set(struct walk *w, const struct reg *reg, uint32_t offset, uint64_t value)
{
	uint32_t narrow = (uint32_t)value;
	int ret = kvm_device_set(device_of(w, reg->group), reg->group, reg->who << 32 | offset,
				 is_wide(reg->group) ? (const void *)&value : &narrow);

	return ret < 0 ? failed(w, reg, "writing", ret) : 0;
}

/* ICC_AP0Rn and ICC_AP1Rn beyond what the number of priority bits needs do not exist. */
static bool is_absent(const struct walk *w, const struct reg *reg)
{
	if (reg->group != KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS)
		return false;
	for (unsigned int i = w->aprs; i < 4; i++)
		if (reg->offset == ICC_AP0R(i) || reg->offset == ICC_AP1R(i))
			return true;
	return false;
}

static bool is_gicv2_pending(const struct walk *w, const struct reg *reg)
{
	return w->shape->vgic->version == 2 && reg->group == KVM_DEV_ARM_VGIC_GRP_DIST_REGS &&
	       reg->offset >= GICD_ISPENDR && reg->offset < GICD_ISPENDR + 0x80;
}

/* Which of 32 interrupts are level-triggered: two bits each in two registers, of which the upper is "edge". */
static int level_triggered(struct walk *w, uint64_t who, uint32_t first, uint32_t *level)
{
	struct reg reg = { .group = KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
			   .who = who,
			   .offset = GICD_ICFGR + first / 4 };
	uint64_t config[2];
	int ret = get(w, &reg, reg.offset, &config[0]);

	if (!ret)
		ret = get(w, &reg, reg.offset + 4, &config[1]);
	*level = 0;
	for (unsigned int i = 0; i < 32 && !ret; i++)
		*level |= (~config[i / 16] >> (i % 16 * 2 + 1) & 1) << i;
	return ret;
}

/*
 * A GICv2 says "pending" of a level-triggered interrupt for its line and for its latch (a write of
 * ISPENDR) alike, and a write sets the latch, which would outlast the line. So what may be the line's
 * is left out: lines are loaded by themselves. SGIs are in SPENDSGIR, with their senders.
 */
static int get_gicv2_pending(struct walk *w, const struct reg *reg, uint64_t *value)
{
	uint32_t first = (reg->offset - GICD_ISPENDR) * 8, level;
	uint32_t lines = first ? atomic_load(&w->shape->vgic->level[first / 32]) : TIMERS;
	int ret = level_triggered(w, reg->who, first, &level);

	if (!ret)
		ret = get(w, reg, reg->offset, value);
	*value &= ~(uint64_t)(level & lines);
	if (!first)
		*value &= ~(uint64_t)SGIS;
	return ret;
}

static int save(struct walk *w, const struct reg *reg, uint64_t *value)
{
	*value = 0;
	if (reg->group == GROUP_LINES)
		*value = atomic_load(&w->shape->vgic->level[reg->offset / 4]);
	else if (is_gicv2_pending(w, reg))
		return get_gicv2_pending(w, reg, value);
	else if (!is_absent(w, reg))
		return get(w, reg, reg->offset, value);
	return 0;
}

/* Raises the lines that were high: an edge is none, it is among the pending bits. */
static int load_lines(struct walk *w, const struct reg *reg, uint64_t value)
{
	uint32_t spi = reg->offset * 8 - 32, level;
	int ret = level_triggered(w, 0, 32 + spi, &level);

	for (unsigned int i = 0; i < 32 && !ret; i++)
		if ((value & level) >> i & 1)
			ret = vgic_set_spi(w->shape->vgic, w->shape->vm, spi + i, true);
	if (ret < 0)
		return err_host(w->err, -ret, "GIC state: raising lines from SPI %u on", spi);
	atomic_store(&w->shape->vgic->level[reg->offset / 4], (uint32_t)value);
	return 0;
}

static int load(struct walk *w, const struct reg *reg, uint64_t *value)
{
	int ret = 0;

	if (reg->group == GROUP_LINES)
		return load_lines(w, reg, *value);
	if (is_absent(w, reg))
		return 0;
	if (reg->clear)
		ret = set(w, reg, reg->clear, UINT32_MAX);
	return ret ? ret : set(w, reg, reg->offset, *value);
}

/* --- the whole --- */

/* A command without a value. */
static int control(int fd, uint64_t attr, const char *what, struct err *err)
{
	int ret = kvm_device_set(fd, KVM_DEV_ARM_VGIC_GRP_CTRL, attr, NULL);

	return ret < 0 ? err_host(err, -ret, "GIC state: %s", what) : 0;
}

static int start(struct walk *w, const struct vgic_shape *shape, uint64_t *value, struct err *err)
{
	struct reg ctlr = { .group = KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS, .offset = ICC_CTLR };
	unsigned int bits;
	uint64_t is;
	int ret;

	*w = (struct walk){ .shape = shape, .value = value, .err = err };
	if (shape->vgic->version != 3)
		return 0;
	ctlr.who = packed(shape->mpidr[0]);
	ret = get(w, &ctlr, ctlr.offset, &is);
	if (ret < 0)
		return ret;
	/* One register holds 32 preemption levels (GIC Architecture Specification, "ICC_AP0R<n>_EL1"). */
	bits = (is >> CTLR_PRI_BITS_SHIFT & 7) + 1;
	w->aprs = bits <= 5 ? 1 : bits == 6 ? 2 : 4;
	return 0;
}

int vgic_save(const struct vgic_shape *shape, struct vgic_state **out, struct err *err)
{
	const struct vgic *vgic = shape->vgic;
	uint32_t count = count_values(shape);
	struct vgic_state *state = calloc(1, VGIC_STATE_SIZE(count));
	struct walk w;
	int ret;

	if (!state)
		return err_host(err, ENOMEM, "GIC state: %u values", count);
	*state = (struct vgic_state){
		.version = VGIC_STATE_VERSION,
		.gic = vgic->version,
		.nr_irqs = shape->nr_irqs,
		.nr_vcpus = shape->nr_vcpus,
		.its = vgic->its_fd >= 0,
		.count = count,
	};
	ret = start(&w, shape, state->value, err);
	if (!ret && vgic->version == 3)
		ret = control(vgic->fd, KVM_DEV_ARM_VGIC_SAVE_PENDING_TABLES,
			      "writing pending LPIs to guest RAM", err);
	if (!ret && state->its)
		ret = control(vgic->its_fd, KVM_DEV_ARM_ITS_SAVE_TABLES,
			      "writing the ITS's tables to guest RAM", err);
	if (!ret) {
		w.access = save;
		walk_gic(&w);
		if (state->its) {
			walk_its(&w);
			walk_its_control(&w);
		}
		ret = w.ret;
	}
	if (ret < 0) {
		free(state);
		return ret;
	}
	*out = state;
	return 0;
}

static int check_field(const char *name, uint64_t is, uint64_t allowed, struct err *err)
{
	if (is == allowed)
		return 0;
	return err_user(err, "GIC state: %s is %llu; allowed here is %llu", name, (unsigned long long)is,
			(unsigned long long)allowed);
}

static int check_state(const struct vgic_shape *shape, const struct vgic_state *state, size_t size,
		       struct err *err)
{
	if (size < sizeof(*state))
		return err_user(err, "GIC state: %zu bytes are too few", size);
	if (check_field("the version", state->version, VGIC_STATE_VERSION, err) ||
	    check_field("the GIC's version", state->gic, shape->vgic->version, err) ||
	    check_field("the number of interrupts", state->nr_irqs, shape->nr_irqs, err) ||
	    check_field("the number of vCPUs", state->nr_vcpus, shape->nr_vcpus, err) ||
	    check_field("the number of ITSs", state->its, shape->vgic->its_fd >= 0, err) ||
	    check_field("the number of values", state->count, count_values(shape), err) ||
	    check_field("the size", size, VGIC_STATE_SIZE(state->count), err))
		return -EINVAL;
	return 0;
}

/* Values of 32-bit registers have no more bits. */
static int check_width(struct walk *w, const struct reg *reg, uint64_t *value)
{
	if (is_wide(reg->group) || *value <= UINT32_MAX)
		return 0;
	return err_user(w->err, "GIC state: register %#x of CPU %#llx is %#llx; allowed are 32 bits",
			reg->offset, (unsigned long long)reg->who, (unsigned long long)*value);
}

/* The first value is the distributor's IIDR: who made it, and the revision of how it behaves. */
static int check_iidr(struct walk *w, uint64_t value)
{
	const struct reg iidr = { .group = KVM_DEV_ARM_VGIC_GRP_DIST_REGS, .offset = GICD_IIDR };
	uint64_t here;
	int ret = get(w, &iidr, GICD_IIDR, &here);

	if (ret < 0)
		return ret;
	if ((value ^ here) & ~(uint64_t)IIDR_REVISION)
		return err_user(w->err, "GIC state: GICD_IIDR is %#llx; this host's KVM is %#llx",
				(unsigned long long)value, (unsigned long long)here);
	return 0;
}

int vgic_load(const struct vgic_shape *shape, const struct vgic_state *state, size_t size, struct err *err)
{
	int ret = check_state(shape, state, size, err);
	struct walk w;

	if (!ret)
		ret = start(&w, shape, (uint64_t *)state->value, err);
	if (!ret)
		ret = check_iidr(&w, state->value[0]);
	if (ret < 0)
		return ret;
	w.access = check_width;
	walk_gic(&w);

	w.next = 0;
	w.access = load;
	walk_gic(&w);
	if (state->its) {
		walk_its(&w);
		if (!w.ret)
			w.ret = control(shape->vgic->its_fd, KVM_DEV_ARM_ITS_RESTORE_TABLES,
					"reading the ITS's tables from guest RAM", err);
		walk_its_control(&w);
	}
	return w.ret;
}
