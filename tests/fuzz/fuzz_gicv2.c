// SPDX-License-Identifier: BSD-2-Clause
/*
 * A userspace GICv2 with three processors: accesses of any width anywhere in both frames, lines, saved
 * states good and bad. What must hold is from Arm, "Generic Interrupt Controller Architecture
 * Specification, architecture version 2.0"; the sections named are its.
 */
#include "devices/gicv2.h"
#include "tests/fuzz/fuzz.h"

#define CPUS 3u
#define IRQS 96u

struct world {
	struct input in;
	struct gicv2 *gic;
	struct gicv2_state s; /* as the last operation left it */
	bool line[CPUS][2];   /* by enum gicv2_signal */
};

static void set_cpu_line(void *ctx, unsigned int cpu, enum gicv2_signal signal, bool level)
{
	struct world *w = ctx;

	must(cpu < CPUS);
	must(w->line[cpu][signal] != level); /* it is told of changes only */
	w->line[cpu][signal] = level;
}

/* --- the state, an interrupt at a time, as processor `cpu` sees it --- */

struct view {
	bool group1, enabled, pending, active;
	uint8_t priority;
};

static const struct gicv2_irqs *irqs_of(const struct gicv2_state *s, unsigned int cpu, uint32_t id)
{
	return id < GICV2_FIRST_SPI ? &s->banked[cpu] : &s->spi[id / 32 - 1];
}

static struct view view(const struct gicv2_state *s, unsigned int cpu, uint32_t id)
{
	const struct gicv2_irqs *irqs = irqs_of(s, cpu, id);
	uint32_t bit = 1u << id % 32;
	bool spi = id >= GICV2_FIRST_SPI;

	return (struct view){
		.group1 = irqs->group & bit,
		.enabled = irqs->enabled & bit,
		.pending = (irqs->latch & bit) || ((irqs->line & bit) && !(irqs->edge & bit)),
		.active = irqs->active & bit,
		.priority = spi ? s->spi_priority[id - GICV2_FIRST_SPI] : s->banked_priority[cpu][id],
	};
}

static bool is_target(const struct gicv2_state *s, unsigned int cpu, uint32_t id)
{
	return id < GICV2_FIRST_SPI || s->spi_target[id - GICV2_FIRST_SPI] >> cpu & 1;
}

/* Section "Prioritization": what the distributor forwards to `cpu`, or GICV2_NO_INTERRUPT. */
static uint32_t forwarded(const struct gicv2_state *s, unsigned int cpu, struct view *best)
{
	uint32_t found = GICV2_NO_INTERRUPT;

	for (uint32_t id = 0; id < IRQS; id++) {
		struct view v = view(s, cpu, id);

		if (!v.pending || !v.enabled || v.active || !is_target(s, cpu, id))
			continue;
		if (!(s->ctlr & (v.group1 ? GIC_ENABLE_GROUP1 : GIC_ENABLE_GROUP0)))
			continue;
		if (found == GICV2_NO_INTERRUPT || v.priority < best->priority) {
			found = id;
			*best = v;
		}
	}
	return found;
}

/* Section "Preemption": the bits that decide between two priorities. */
static uint8_t group_priority(const struct gicv2_interface *c, uint8_t priority, bool group1)
{
	unsigned int drop = group1 && !(c->ctlr & GICC_CTLR_CBPR) ? c->abpr : c->bpr + 1u;

	return (uint8_t)(priority >> drop << drop);
}

static uint8_t running(const struct gicv2_interface *c)
{
	for (unsigned int n = 0; n < 32; n++)
		if ((c->apr | c->nsapr) >> n & 1)
			return (uint8_t)(n << 3);
	return 0xff;
}

/* --- what must hold --- */

/* Section "The effect of interrupt grouping on interrupt signaling": who is told, and by which signal. */
static void check_signals(const struct world *w, unsigned int cpu)
{
	const struct gicv2_interface *c = &w->s.cpu[cpu];
	struct view next = { 0 };
	uint32_t id = forwarded(&w->s, cpu, &next);
	bool told = id != GICV2_NO_INTERRUPT && next.priority < c->pmr &&
		    (c->ctlr & (next.group1 ? GIC_ENABLE_GROUP1 : GIC_ENABLE_GROUP0)) &&
		    (running(c) == 0xff || group_priority(c, next.priority, next.group1) <
						   group_priority(c, running(c), next.group1));
	bool fiq = told && !next.group1 && (c->ctlr & GICC_CTLR_FIQEN);

	must(w->line[cpu][GICV2_FIQ] == fiq);
	must(w->line[cpu][GICV2_IRQ] == (told && !fiq));
}

/* SGIs are pending by their sources; what there is not is 0. */
static void check_interface(const struct world *w, unsigned int cpu)
{
	const struct gicv2_interface *c = &w->s.cpu[cpu];
	uint32_t sgis = 0;

	must((c->pmr & 7) == 0 && c->bpr >= 2 && c->bpr <= 7 && c->abpr >= 3 && c->abpr <= 7);
	for (unsigned int sgi = 0; sgi < 16; sgi++) {
		must(c->sgi_sources[sgi] >> CPUS == 0);
		sgis |= c->sgi_sources[sgi] ? 1u << sgi : 0;
	}
	must((w->s.banked[cpu].latch & 0xffff) == sgis);
	must((w->s.banked[cpu].line & 0xffff) == 0);
	must((w->s.banked[cpu].edge & 0xffff) == 0xffff);
	must(gicv2_cpu_read(w->gic, cpu, GICC_RPR, 4) == running(c));
}

/* Registers say what the state is: sections "Interrupt Set-Pending Registers" and the like. */
static void check_registers(const struct world *w, unsigned int cpu)
{
	for (uint32_t word = 0; word < IRQS / 32; word++) {
		const struct gicv2_irqs *irqs = irqs_of(&w->s, cpu, word * 32);
		uint32_t pending = irqs->latch | (irqs->line & ~irqs->edge), at = 4 * word;

		must(gicv2_dist_read(w->gic, cpu, GICD_ISPENDR + at, 4) == pending);
		must(gicv2_dist_read(w->gic, cpu, GICD_ICPENDR + at, 4) == pending);
		must(gicv2_dist_read(w->gic, cpu, GICD_ISENABLER + at, 4) == irqs->enabled);
		must(gicv2_dist_read(w->gic, cpu, GICD_ICENABLER + at, 4) == irqs->enabled);
		must(gicv2_dist_read(w->gic, cpu, GICD_ISACTIVER + at, 4) == irqs->active);
		must(gicv2_dist_read(w->gic, cpu, GICD_ICACTIVER + at, 4) == irqs->active);
		must(gicv2_dist_read(w->gic, cpu, GICD_IGROUPR + at, 4) == irqs->group);
	}
	must(gicv2_dist_read(w->gic, cpu, GICD_TYPER, 4) == ((CPUS - 1) << 5 | (IRQS / 32 - 1)));
}

static bool same(const struct gicv2_state *a, const struct gicv2_state *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static void check(struct world *w)
{
	struct gicv2_state again;
	struct err err;

	gicv2_save(w->gic, &w->s);
	for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
		check_signals(w, cpu);
		check_interface(w, cpu);
		check_registers(w, cpu);
	}
	/* Reading did nothing; and whatever state a GIC is in, it can be loaded. */
	gicv2_save(w->gic, &again);
	must(same(&w->s, &again));
	must(gicv2_load(w->gic, &again, &err) == 0);
	gicv2_save(w->gic, &again);
	must(same(&w->s, &again));
}

/* --- what a processor can do --- */

static unsigned int some_width(struct input *in, uint8_t how)
{
	return how & 0x40 ? 1u << take_below(in, 4) : 4;
}

/* Nothing but an SGI changes what is another processor's own. */
static void access_distributor(struct world *w, unsigned int cpu)
{
	uint8_t how = (uint8_t)take(&w->in, 1);
	uint32_t offset = take_below(&w->in, GICV2_DIST_SIZE);
	unsigned int size = some_width(&w->in, how);
	struct gicv2_state now;

	if (offset + size > GICV2_DIST_SIZE)
		return;
	if (how & 0x80) {
		uint64_t value = gicv2_dist_read(w->gic, cpu, offset, size);

		must(size == 8 || value >> 8 * size == 0);
	} else {
		gicv2_dist_write(w->gic, cpu, offset, size, take_value(&w->in));
	}
	gicv2_save(w->gic, &now);
	if (how & 0x80)
		must(same(&now, &w->s));
	if (offset / 8 == GICD_SGIR / 8)
		return;
	for (unsigned int other = 0; other < CPUS; other++) {
		if (other == cpu)
			continue;
		must(!memcmp(&now.banked[other], &w->s.banked[other], sizeof(now.banked[other])));
		must(!memcmp(&now.cpu[other], &w->s.cpu[other], sizeof(now.cpu[other])));
	}
}

/* Registers by their number rather than their offset, which few inputs would hit. */
static void write_register(struct world *w, unsigned int cpu)
{
	static const uint16_t sets[] = { GICD_IGROUPR, GICD_ISENABLER, GICD_ICENABLER, GICD_ISPENDR,
					 GICD_ICPENDR, GICD_ISACTIVER, GICD_ICACTIVER };
	uint32_t n = take_below(&w->in, 16), word = take_below(&w->in, IRQS / 32);
	uint64_t value = take_value(&w->in);

	if (n < 7)
		gicv2_dist_write(w->gic, cpu, sets[n] + 4 * word, 4, value);
	else if (n < 9)
		gicv2_dist_write(w->gic, cpu, GICD_IPRIORITYR + (uint32_t)(value >> 8) % IRQS, 1,
				 value & 0xff);
	else if (n < 11)
		gicv2_dist_write(w->gic, cpu, GICD_ITARGETSR + (uint32_t)(value >> 8) % IRQS, 1,
				 value & 0xff);
	else if (n < 12)
		gicv2_dist_write(w->gic, cpu, GICD_ICFGR + 4 * (uint32_t)(value >> 32) % (IRQS / 16), 4,
				 value);
	else if (n < 14)
		gicv2_dist_write(w->gic, cpu, GICD_SGIR, 4, value);
	else
		gicv2_dist_write(w->gic, cpu, GICD_CTLR, 4, value);
}

static void access_interface(struct world *w, unsigned int cpu)
{
	uint8_t how = (uint8_t)take(&w->in, 1);
	uint32_t offset = how & 0x20 ? take_below(&w->in, GICV2_CPU_SIZE) : (how & 15) * 4u;
	unsigned int size = some_width(&w->in, how);

	if (offset + size > GICV2_CPU_SIZE)
		return;
	if (how & 0x80) {
		uint64_t value = gicv2_cpu_read(w->gic, cpu, offset, size);

		must(size == 8 || value >> 8 * size == 0);
	} else {
		gicv2_cpu_write(w->gic, cpu, offset, size, take_value(&w->in));
	}
}

/* Section "Interrupt Acknowledge Register": only what was signalled, and then it is active. */
static void acknowledge(struct world *w, unsigned int cpu)
{
	bool alias = take(&w->in, 1) & 1;
	bool told = w->line[cpu][GICV2_IRQ] || w->line[cpu][GICV2_FIQ];
	uint32_t iar = (uint32_t)gicv2_cpu_read(w->gic, cpu, alias ? GICC_AIAR : GICC_IAR, 4);
	uint32_t id = iar & 0x3ff, source = iar >> 10;
	struct gicv2_state now;
	struct view before, after;

	gicv2_save(w->gic, &now);
	if (id >= IRQS) {
		must(iar == GICV2_NO_INTERRUPT || (iar == GICV2_OTHER_GROUP && told));
		must(same(&now, &w->s));
		return;
	}
	before = view(&w->s, cpu, id);
	after = view(&now, cpu, id);
	must(told && before.pending && before.enabled && !before.active && after.active);
	must(!alias || before.group1);
	must(running(&now.cpu[cpu]) < running(&w->s.cpu[cpu]));
	if (id < 16)
		must(source < CPUS && w->s.cpu[cpu].sgi_sources[id] >> source & 1);
	else
		must(source == 0);
}

/* Section "End of Interrupt Register": the running priority drops, or stays. */
static void end_of_interrupt(struct world *w, unsigned int cpu)
{
	uint8_t how = (uint8_t)take(&w->in, 1);
	uint32_t offset = how & 0x80 ? GICC_EOIR : how & 0x40 ? GICC_AEOIR : GICC_DIR;
	struct gicv2_state now;

	gicv2_cpu_write(w->gic, cpu, offset, 4, take(&w->in, 2));
	gicv2_save(w->gic, &now);
	must(running(&now.cpu[cpu]) >= running(&w->s.cpu[cpu]));
	if (offset == GICC_DIR)
		must(running(&now.cpu[cpu]) == running(&w->s.cpu[cpu]));
}

/* --- what comes from outside --- */

static void set_line(struct world *w, unsigned int cpu)
{
	uint8_t how = (uint8_t)take(&w->in, 1);

	if (how & 0x40)
		gicv2_set_ppi(w->gic, cpu, how & 0x1f, how & 0x80);
	else
		gicv2_set_spi(w->gic, take_below(&w->in, 80), how & 0x80);
}

/* A state from a stranger: refused and nothing has changed, or taken and as good as any. */
static void load_broken(struct world *w)
{
	struct gicv2_state state = w->s, again;
	struct err err;
	int ret;

	for (uint32_t how = (uint8_t)take(&w->in, 1), n = 1 + how % 4; n; n--) {
		uint32_t at = how & 0x80 ? offsetof(struct gicv2_state, cpu) +
						   take_below(&w->in, sizeof(state.cpu[0]))
					 : take_below(&w->in, sizeof(state));

		((uint8_t *)&state)[at] ^= (uint8_t)take(&w->in, 1);
	}
	ret = gicv2_load(w->gic, &state, &err);
	gicv2_save(w->gic, &again);
	must(same(&again, ret ? &w->s : &state));
}

static void step(struct world *w)
{
	uint8_t what = (uint8_t)take(&w->in, 1);
	unsigned int cpu = (what >> 4) % CPUS;

	switch (what & 15) {
	case 0:
	case 1:
		access_distributor(w, cpu);
		break;
	case 2:
	case 3:
	case 4:
	case 5:
		write_register(w, cpu);
		break;
	case 6:
	case 7:
		access_interface(w, cpu);
		break;
	case 8:
	case 9:
		acknowledge(w, cpu);
		break;
	case 10:
	case 11:
		end_of_interrupt(w, cpu);
		break;
	case 12:
	case 13:
		set_line(w, cpu);
		break;
	case 14:
		load_broken(w);
		break;
	default: /* on, with everything let through */
		gicv2_dist_write(w->gic, cpu, GICD_CTLR, 4, GIC_ENABLE_GROUP0 | GIC_ENABLE_GROUP1);
		gicv2_cpu_write(w->gic, cpu, GICC_CTLR, 4, take(&w->in, 2));
		gicv2_cpu_write(w->gic, cpu, GICC_PMR, 4, 0xff);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .in = { data, size } };
	const struct gicv2_host host = { .set_cpu_line = set_cpu_line, .ctx = &w };
	struct err err;

	must(gicv2_create(&w.gic, CPUS, IRQS, &host, &err) == 0);
	check(&w);
	while (w.in.left) {
		step(&w);
		check(&w);
	}
	gicv2_destroy(w.gic);
	return 0;
}
