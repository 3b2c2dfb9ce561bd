/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by gicv2.c, gicv2_regs.c and gicv2_state.c only. */
#ifndef VIREO_DEVICES_GICV2_INTERNAL_H
#define VIREO_DEVICES_GICV2_INTERNAL_H

#include <pthread.h>

#include "devices/gicv2.h"

#define NR_SGIS        16u
#define SGI_BITS       0xffffu /* of the first 32 interrupts */
#define PRIORITY_BITS  0xf8u   /* the implemented ones */
#define PRIORITY_SHIFT 3       /* from a priority to its bit in an active priorities register */
#define GICD_CTLR_BITS 0x3u    /* the writable ones */
#define GICC_CTLR_BITS 0x3ffu  /* with the bypass bits, which have nothing to disable here */
#define BPR_BITS       0x7u
#define GICV2_MIN_ABPR (GICV2_MIN_BPR + 1)

struct gicv2 {
	struct gicv2_host host;
	unsigned int nr_cpus, nr_irqs; /* constant, and equal to the state's */

	pthread_mutex_t lock; /* guards what follows; innermost */
	struct gicv2_state s;
	bool output[GICV2_MAX_CPUS][2]; /* by enum gicv2_signal */
};

/* All of these: with the lock held. `id` is below nr_irqs, `word` below nr_irqs / 32. */

static inline struct gicv2_irqs *gicv2_irqs(struct gicv2 *gic, unsigned int cpu, unsigned int word)
{
	return word ? &gic->s.spi[word - 1] : &gic->s.banked[cpu];
}

static inline uint8_t *gicv2_priority(struct gicv2 *gic, unsigned int cpu, unsigned int id)
{
	return id < GICV2_FIRST_SPI ? &gic->s.banked_priority[cpu][id]
				    : &gic->s.spi_priority[id - GICV2_FIRST_SPI];
}

/* Section "Interrupt handling state machine": a level-triggered one is pending by its input, too. */
static inline uint32_t gicv2_pending(const struct gicv2_irqs *irqs)
{
	return irqs->latch | (irqs->line & ~irqs->edge);
}

static inline unsigned int gicv2_end(const struct gicv2 *gic)
{
	return gic->nr_irqs < GICV2_END ? gic->nr_irqs : GICV2_END;
}

/* gicv2.c */
void gicv2_update(struct gicv2 *gic); /* after any change: signals what is to be signalled */
void gicv2_set_sgi_sources(struct gicv2 *gic, unsigned int cpu, unsigned int sgi, uint8_t sources);
uint32_t gicv2_acknowledge(struct gicv2 *gic, unsigned int cpu, bool alias);
uint32_t gicv2_highest_pending(struct gicv2 *gic, unsigned int cpu, bool alias);
uint32_t gicv2_running_priority(const struct gicv2_interface *c);
void gicv2_end_of_interrupt(struct gicv2 *gic, unsigned int cpu, uint32_t value, bool alias);
void gicv2_deactivate(struct gicv2 *gic, unsigned int cpu, uint32_t value);

/* gicv2_state.c */
void gicv2_reset(struct gicv2 *gic);

#endif
