// SPDX-License-Identifier: BSD-2-Clause
/* The GICv2's state after reset, and its way out of and into the model. */
#include <string.h>

#include "devices/gicv2.h"
#include "devices/gicv2_internal.h"

/* Chapter "Programmers' Model", the reset values of the registers. SGIs are enabled, as a GIC-400's are. */
void gicv2_reset(struct gicv2 *gic)
{
	gic->s = (struct gicv2_state){
		.version = GICV2_STATE_VERSION,
		.nr_cpus = gic->nr_cpus,
		.nr_irqs = gic->nr_irqs,
	};
	for (unsigned int cpu = 0; cpu < gic->nr_cpus; cpu++) {
		gic->s.banked[cpu].enabled = SGI_BITS;
		gic->s.banked[cpu].edge = SGI_BITS;
		gic->s.cpu[cpu].bpr = GICV2_MIN_BPR;
		gic->s.cpu[cpu].abpr = GICV2_MIN_ABPR;
	}
}

void gicv2_save(struct gicv2 *gic, struct gicv2_state *state)
{
	pthread_mutex_lock(&gic->lock);
	*state = gic->s;
	pthread_mutex_unlock(&gic->lock);
}

static int refuse(struct err *err, const char *field, unsigned int index, const char *allowed)
{
	return err_user(err, "GICv2 state: %s of %u is not allowed; allowed is %s", field, index, allowed);
}

static bool has_only(const struct gicv2_irqs *irqs, uint32_t allowed)
{
	return !((irqs->group | irqs->enabled | irqs->latch | irqs->line | irqs->active | irqs->edge) &
		 ~allowed);
}

static int check_interface(const struct gicv2_state *s, unsigned int cpu, struct err *err)
{
	const struct gicv2_interface *c = &s->cpu[cpu];
	uint32_t cpus = (1u << s->nr_cpus) - 1, pending = 0;

	if (c->ctlr & ~GICC_CTLR_BITS)
		return refuse(err, "ctlr", cpu, "what GICC_CTLR can hold");
	if (c->pmr & ~PRIORITY_BITS)
		return refuse(err, "pmr", cpu, "a multiple of 8");
	if (c->bpr < GICV2_MIN_BPR || c->bpr > BPR_BITS)
		return refuse(err, "bpr", cpu, "2 to 7");
	if (c->abpr < GICV2_MIN_ABPR || c->abpr > BPR_BITS)
		return refuse(err, "abpr", cpu, "3 to 7");
	if (c->zero)
		return refuse(err, "zero", cpu, "0");
	for (unsigned int sgi = 0; sgi < NR_SGIS; sgi++) {
		if (c->sgi_sources[sgi] & ~cpus)
			return refuse(err, "sgi_sources", cpu, "a set of the processors there are");
		pending |= c->sgi_sources[sgi] ? 1u << sgi : 0;
	}
	if ((s->banked[cpu].latch & SGI_BITS) != pending)
		return refuse(err, "latch", cpu, "SGIs that have a source, and all of them");
	/* SGIs have no input; PPIs are never edge-triggered. */
	if (s->banked[cpu].line & SGI_BITS)
		return refuse(err, "line", cpu, "0 for SGIs");
	if (s->banked[cpu].edge != SGI_BITS)
		return refuse(err, "edge", cpu, "1 for SGIs and 0 for PPIs");
	for (unsigned int i = 0; i < 32; i++)
		if (s->banked_priority[cpu][i] & ~PRIORITY_BITS)
			return refuse(err, "banked_priority", cpu, "multiples of 8");
	return 0;
}

static int check_spis(const struct gicv2_state *s, struct err *err)
{
	/* Processors that a register could name: with only one of them, there is no such register. */
	uint32_t cpus = s->nr_cpus == 1 ? 0 : (1u << s->nr_cpus) - 1;

	for (unsigned int word = 1; word < GICV2_MAX_IRQS / 32; word++) {
		uint32_t exist = word >= s->nr_irqs / 32  ? 0
				 : word == GICV2_END / 32 ? (1u << GICV2_END % 32) - 1
							  : UINT32_MAX;

		if (!has_only(&s->spi[word - 1], exist))
			return refuse(err, "spi", word * 32, "interrupts below nr_irqs and 1020");
	}
	for (unsigned int id = GICV2_FIRST_SPI; id < GICV2_MAX_IRQS; id++) {
		bool exists = id < s->nr_irqs && id < GICV2_END;

		if (s->spi_priority[id - GICV2_FIRST_SPI] & (exists ? ~PRIORITY_BITS : 0xff))
			return refuse(err, "spi_priority", id, "a multiple of 8, and 0 from nr_irqs on");
		if (s->spi_target[id - GICV2_FIRST_SPI] & (exists ? ~cpus : 0xff))
			return refuse(err, "spi_target", id,
				      "a set of the processors there are, and 0 from nr_irqs on");
	}
	return 0;
}

/* What no processor has stays as it is after reset: zero. */
static int check_absent(const struct gicv2_state *s, unsigned int cpu, struct err *err)
{
	static const struct gicv2_irqs none;
	static const struct gicv2_interface nothing;
	static const uint8_t zero[32];

	if (memcmp(&s->banked[cpu], &none, sizeof(none)) || memcmp(&s->cpu[cpu], &nothing, sizeof(nothing)) ||
	    memcmp(s->banked_priority[cpu], zero, sizeof(zero)))
		return refuse(err, "processor", cpu, "0 in all that no processor has");
	return 0;
}

int gicv2_load(struct gicv2 *gic, const struct gicv2_state *state, struct err *err)
{
	int ret;

	if (state->version != GICV2_STATE_VERSION)
		return err_user(err, "GICv2 state: version %u is not allowed; allowed is %d", state->version,
				GICV2_STATE_VERSION);
	if (state->nr_cpus != gic->nr_cpus)
		return err_user(err, "GICv2 state: nr_cpus %u is not allowed; allowed is %u, as the VM has",
				state->nr_cpus, gic->nr_cpus);
	if (state->nr_irqs != gic->nr_irqs)
		return err_user(err, "GICv2 state: nr_irqs %u is not allowed; allowed is %u, as the VM has",
				state->nr_irqs, gic->nr_irqs);
	if (state->ctlr & ~GICD_CTLR_BITS)
		return err_user(err, "GICv2 state: ctlr %#x is not allowed; allowed is 0 to 3", state->ctlr);
	ret = check_spis(state, err);
	for (unsigned int cpu = 0; cpu < GICV2_MAX_CPUS && !ret; cpu++)
		ret = cpu < gic->nr_cpus ? check_interface(state, cpu, err) : check_absent(state, cpu, err);
	if (ret)
		return ret;

	pthread_mutex_lock(&gic->lock);
	gic->s = *state;
	gicv2_update(gic);
	pthread_mutex_unlock(&gic->lock);
	return 0;
}
