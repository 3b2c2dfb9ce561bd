// SPDX-License-Identifier: BSD-2-Clause
/*
 * The GICv2's state machine: which interrupt is the most urgent, who is told, what acknowledging and
 * ending it does. Section titles are those of IHI 0048B.
 */
#include "devices/gicv2.h"

#include <errno.h>
#include <stdlib.h>

#include "devices/gicv2_internal.h"
#include "devices/trace.h"

/* What the distributor offers an interface. */
struct candidate {
	unsigned int id; /* GICV2_NO_INTERRUPT: nothing */
	uint8_t priority;
	bool group1;
};

static uint8_t targets(const struct gicv2 *gic, unsigned int id)
{
	/* Section "Interrupt Processor Targets Registers": with one processor, all are for it. */
	return gic->nr_cpus == 1 ? 1 : gic->s.spi_target[id - GICV2_FIRST_SPI];
}

/*
 * Section "Prioritization": the pending, enabled interrupt of the highest priority, of a group that
 * the distributor forwards; among equals the lowest INTID. Nothing is signalled twice: not what is
 * active already.
 */
static struct candidate highest(struct gicv2 *gic, unsigned int cpu)
{
	struct candidate best = { .id = GICV2_NO_INTERRUPT };

	for (unsigned int word = 0; word < gic->nr_irqs / 32; word++) {
		const struct gicv2_irqs *irqs = gicv2_irqs(gic, cpu, word);
		uint32_t ready = gicv2_pending(irqs) & irqs->enabled & ~irqs->active;

		if (!(gic->s.ctlr & GIC_ENABLE_GROUP0))
			ready &= irqs->group;
		if (!(gic->s.ctlr & GIC_ENABLE_GROUP1))
			ready &= ~irqs->group;
		for (; ready; ready &= ready - 1) {
			unsigned int bit = (unsigned int)__builtin_ctz(ready), id = word * 32 + bit;
			uint8_t priority = *gicv2_priority(gic, cpu, id);

			if (id >= GICV2_FIRST_SPI && !(targets(gic, id) >> cpu & 1))
				continue;
			if (best.id == GICV2_NO_INTERRUPT || priority < best.priority)
				best = (struct candidate){ id, priority, irqs->group >> bit & 1 };
		}
	}
	return best;
}

/* Section "Preemption": GICC_BPR n makes bits 7 to n + 1 the group priority, GICC_ABPR n bits 7 to n. */
static uint32_t group_priority_mask(const struct gicv2_interface *c, bool group1)
{
	if (group1 && !(c->ctlr & GICC_CTLR_CBPR))
		return 0xffu << c->abpr;
	return 0xffu << (c->bpr + 1);
}

uint32_t gicv2_running_priority(const struct gicv2_interface *c)
{
	uint32_t active = c->apr | c->nsapr;

	return active ? (uint32_t)__builtin_ctz(active) << PRIORITY_SHIFT : 0xff;
}

/* Section "Priority drop, preemption, masking": whether the interface passes it on to the processor. */
static bool is_signalled(const struct gicv2_interface *c, const struct candidate *next)
{
	uint32_t mask = group_priority_mask(c, next->group1);

	if (next->id == GICV2_NO_INTERRUPT)
		return false;
	if (!(c->ctlr & (next->group1 ? GIC_ENABLE_GROUP1 : GIC_ENABLE_GROUP0)))
		return false;
	if (next->priority >= c->pmr)
		return false;
	return !(c->apr | c->nsapr) || (next->priority & mask) < (gicv2_running_priority(c) & mask);
}

static void set_output(struct gicv2 *gic, unsigned int cpu, enum gicv2_signal signal, bool level)
{
	if (gic->output[cpu][signal] == level)
		return;
	gic->output[cpu][signal] = level;
	gic->host.set_cpu_line(gic->host.ctx, cpu, signal, level);
}

void gicv2_update(struct gicv2 *gic)
{
	for (unsigned int cpu = 0; cpu < gic->nr_cpus; cpu++) {
		const struct gicv2_interface *c = &gic->s.cpu[cpu];
		struct candidate next = highest(gic, cpu);
		bool any = is_signalled(c, &next);
		bool fiq = any && !next.group1 && (c->ctlr & GICC_CTLR_FIQEN);

		set_output(gic, cpu, GICV2_IRQ, any && !fiq);
		set_output(gic, cpu, GICV2_FIQ, fiq);
	}
}

void gicv2_set_sgi_sources(struct gicv2 *gic, unsigned int cpu, unsigned int sgi, uint8_t sources)
{
	struct gicv2_irqs *irqs = &gic->s.banked[cpu];

	gic->s.cpu[cpu].sgi_sources[sgi] = sources;
	if (sources)
		irqs->latch |= 1u << sgi;
	else
		irqs->latch &= ~(1u << sgi);
}

/* The INTID that a read of an acknowledge or highest-pending register gives: not always the candidate's. */
static uint32_t visible_id(const struct gicv2_interface *c, const struct candidate *next, bool alias)
{
	if (next->id == GICV2_NO_INTERRUPT || (alias && !next->group1))
		return GICV2_NO_INTERRUPT;
	if (!alias && next->group1 && !(c->ctlr & GICC_CTLR_ACKCTL))
		return GICV2_OTHER_GROUP;
	return next->id;
}

static unsigned int first_source(const struct gicv2_interface *c, unsigned int sgi)
{
	return (unsigned int)__builtin_ctz(c->sgi_sources[sgi]);
}

/*
 * Sections "Interrupt Acknowledge Register" and "Aliased Interrupt Acknowledge Register" (`alias`).
 * An SGI that several processors sent is acknowledged once for each of them.
 */
uint32_t gicv2_acknowledge(struct gicv2 *gic, unsigned int cpu, bool alias)
{
	struct gicv2_interface *c = &gic->s.cpu[cpu];
	struct candidate next = highest(gic, cpu);
	struct gicv2_irqs *irqs;
	uint32_t id, bit, source = 0;

	if (!is_signalled(c, &next))
		return GICV2_NO_INTERRUPT;
	id = visible_id(c, &next, alias);
	if (id != next.id)
		return id;

	trace_inject(cpu, id);
	irqs = gicv2_irqs(gic, cpu, id / 32);
	if (id < NR_SGIS) {
		source = first_source(c, id);
		gicv2_set_sgi_sources(gic, cpu, id, c->sgi_sources[id] & ~(1u << source));
	} else {
		irqs->latch &= ~(1u << id % 32);
	}
	irqs->active |= 1u << id % 32;
	bit = 1u << ((next.priority & group_priority_mask(c, next.group1)) >> PRIORITY_SHIFT);
	if (next.group1)
		c->nsapr |= bit;
	else
		c->apr |= bit;
	gicv2_update(gic);
	return source << 10 | id;
}

/* Section "Highest Priority Pending Interrupt Register": neither mask nor running priority matters. */
uint32_t gicv2_highest_pending(struct gicv2 *gic, unsigned int cpu, bool alias)
{
	const struct gicv2_interface *c = &gic->s.cpu[cpu];
	struct candidate next = highest(gic, cpu);
	uint32_t id;

	if (!(c->ctlr & (next.group1 ? GIC_ENABLE_GROUP1 : GIC_ENABLE_GROUP0)))
		return GICV2_NO_INTERRUPT;
	id = visible_id(c, &next, alias);
	return id < NR_SGIS ? first_source(c, id) << 10 | id : id;
}

static void make_inactive(struct gicv2 *gic, unsigned int cpu, uint32_t id)
{
	struct gicv2_irqs *irqs = gicv2_irqs(gic, cpu, id / 32);
	uint32_t bit = 1u << id % 32;

	if (irqs->active & bit)
		trace_eoi(cpu, id);
	irqs->active &= ~bit;
}

/*
 * Section "End of Interrupt Register". What it calls unpredictable does nothing here if it names the
 * other group's interrupt; else the highest active priority of the group is dropped, in whatever order
 * interrupts are ended, and the source of an SGI is not compared.
 */
void gicv2_end_of_interrupt(struct gicv2 *gic, unsigned int cpu, uint32_t value, bool alias)
{
	struct gicv2_interface *c = &gic->s.cpu[cpu];
	uint32_t id = value & 0x3ff;
	struct gicv2_irqs *irqs;
	bool group1;

	if (id >= gicv2_end(gic))
		return;
	irqs = gicv2_irqs(gic, cpu, id / 32);
	group1 = irqs->group >> id % 32 & 1;
	if (alias ? !group1 : group1 && !(c->ctlr & GICC_CTLR_ACKCTL))
		return;
	if (group1)
		c->nsapr &= c->nsapr - 1;
	else
		c->apr &= c->apr - 1;
	if (!(c->ctlr & GICC_CTLR_EOIMODE))
		make_inactive(gic, cpu, id);
}

/* Section "Deactivate Interrupt Register": by any processor, and only where ending does not do it. */
void gicv2_deactivate(struct gicv2 *gic, unsigned int cpu, uint32_t value)
{
	uint32_t id = value & 0x3ff;

	if (id < gicv2_end(gic) && (gic->s.cpu[cpu].ctlr & GICC_CTLR_EOIMODE))
		make_inactive(gic, cpu, id);
}

/* --- inputs --- */

/* An input goes up. An SPI of several targets is shown at the first of them: who will take it is open. */
static void trace_input(const struct gicv2 *gic, unsigned int cpu, unsigned int id)
{
	uint8_t to;

	if (id < GICV2_FIRST_SPI) {
		trace_timer_fire(cpu, id);
		trace_accept(cpu, 0, id);
		return;
	}
	to = targets(gic, id);
	trace_route(id - GICV2_FIRST_SPI, 0, id, to);
	if (to)
		trace_accept((uint32_t)__builtin_ctz(to), 0, id);
}

static void set_input(struct gicv2 *gic, unsigned int cpu, unsigned int id, bool level)
{
	struct gicv2_irqs *irqs = gicv2_irqs(gic, cpu, id / 32);
	uint32_t bit = 1u << id % 32;

	pthread_mutex_lock(&gic->lock);
	if (level != !!(irqs->line & bit)) {
		irqs->line ^= bit;
		if (level) {
			irqs->latch |= bit & irqs->edge;
			trace_input(gic, cpu, id);
		}
		gicv2_update(gic);
	}
	pthread_mutex_unlock(&gic->lock);
}

void gicv2_set_spi(struct gicv2 *gic, uint32_t spi, bool level)
{
	if (spi < gicv2_end(gic) - GICV2_FIRST_SPI)
		set_input(gic, 0, GICV2_FIRST_SPI + spi, level);
}

void gicv2_set_ppi(struct gicv2 *gic, unsigned int cpu, uint32_t ppi, bool level)
{
	if (cpu < gic->nr_cpus && ppi < GICV2_FIRST_SPI - GICV2_FIRST_PPI)
		set_input(gic, cpu, GICV2_FIRST_PPI + ppi, level);
}

/* --- life --- */

int gicv2_create(struct gicv2 **out, unsigned int nr_cpus, unsigned int nr_irqs,
		 const struct gicv2_host *host, struct err *err)
{
	struct gicv2 *gic;

	if (!nr_cpus || nr_cpus > GICV2_MAX_CPUS)
		return err_user(err, "a GICv2 serves 1 to %u vCPUs, not %u", GICV2_MAX_CPUS, nr_cpus);
	if (nr_irqs % 32 || nr_irqs < GICV2_MIN_IRQS || nr_irqs > GICV2_MAX_IRQS)
		return err_user(err, "a GICv2 has %u to %u interrupts, a multiple of 32, not %u",
				GICV2_MIN_IRQS, GICV2_MAX_IRQS, nr_irqs);
	gic = calloc(1, sizeof(*gic));
	if (!gic)
		return err_host(err, ENOMEM, "the GICv2");
	gic->host = *host;
	gic->nr_cpus = nr_cpus;
	gic->nr_irqs = nr_irqs;
	pthread_mutex_init(&gic->lock, NULL);
	gicv2_reset(gic);
	*out = gic;
	return 0;
}

void gicv2_destroy(struct gicv2 *gic)
{
	if (!gic)
		return;
	pthread_mutex_destroy(&gic->lock);
	free(gic);
}
