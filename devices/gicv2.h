/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A GICv2: distributor and CPU interfaces as a pure state machine (Arm, "Generic Interrupt Controller
 * Architecture Specification, architecture version 2.0", IHI 0048B). Without the Security Extensions,
 * with both interrupt groups; 32 priorities. docs/interrupts.md lists the registers.
 *
 * One lock guards all of it; every function may be called from any thread, with a device's lock held
 * or none. Nothing is called with the lock held but host.set_cpu_line().
 */
#ifndef VIREO_DEVICES_GICV2_H
#define VIREO_DEVICES_GICV2_H

#include <stdbool.h>
#include <stdint.h>

#include "kvm/err.h"

#define GICV2_DIST_SIZE 0x1000u /* bytes of the two register frames */
#define GICV2_CPU_SIZE  0x2000u

#define GICV2_MAX_CPUS 8u
#define GICV2_MIN_IRQS 64u
#define GICV2_MAX_IRQS 1024u /* INTIDs; a multiple of 32. 1020 to 1023 are never interrupts */

/* INTIDs. */
#define GICV2_FIRST_PPI    16u
#define GICV2_FIRST_SPI    32u
#define GICV2_END          1020u /* the first that is no interrupt */
#define GICV2_OTHER_GROUP  1022u /* acknowledged: the interrupt is in Group 1 */
#define GICV2_NO_INTERRUPT 1023u

/* Distributor registers. */
#define GICD_CTLR       0x000u
#define GICD_TYPER      0x004u
#define GICD_IIDR       0x008u
#define GICD_IGROUPR    0x080u
#define GICD_ISENABLER  0x100u
#define GICD_ICENABLER  0x180u
#define GICD_ISPENDR    0x200u
#define GICD_ICPENDR    0x280u
#define GICD_ISACTIVER  0x300u
#define GICD_ICACTIVER  0x380u
#define GICD_IPRIORITYR 0x400u
#define GICD_ITARGETSR  0x800u
#define GICD_ICFGR      0xc00u
#define GICD_NSACR      0xe00u
#define GICD_SGIR       0xf00u
#define GICD_CPENDSGIR  0xf10u
#define GICD_SPENDSGIR  0xf20u
#define GICD_PIDR4      0xfd0u
#define GICD_PIDR0      0xfe0u
#define GICD_PIDR1      0xfe4u
#define GICD_PIDR2      0xfe8u
#define GICD_CIDR0      0xff0u
#define GICD_CIDR1      0xff4u
#define GICD_CIDR2      0xff8u
#define GICD_CIDR3      0xffcu

/* CPU interface registers. */
#define GICC_CTLR   0x0000u
#define GICC_PMR    0x0004u
#define GICC_BPR    0x0008u
#define GICC_IAR    0x000cu
#define GICC_EOIR   0x0010u
#define GICC_RPR    0x0014u
#define GICC_HPPIR  0x0018u
#define GICC_ABPR   0x001cu
#define GICC_AIAR   0x0020u
#define GICC_AEOIR  0x0024u
#define GICC_AHPPIR 0x0028u
#define GICC_APR    0x00d0u
#define GICC_NSAPR  0x00e0u
#define GICC_IIDR   0x00fcu
#define GICC_DIR    0x1000u

/* Bits of GICD_CTLR and GICC_CTLR. */
#define GIC_ENABLE_GROUP0 (1u << 0)
#define GIC_ENABLE_GROUP1 (1u << 1)
#define GICC_CTLR_ACKCTL  (1u << 2)
#define GICC_CTLR_FIQEN   (1u << 3)
#define GICC_CTLR_CBPR    (1u << 4)
#define GICC_CTLR_EOIMODE (1u << 9)

#define GICV2_MIN_BPR 2u /* of GICC_BPR: each of the 32 priorities preempts */

struct gicv2;

enum gicv2_signal {
	GICV2_IRQ,
	GICV2_FIQ,
};

struct gicv2_host {
	/*
	 * The interrupt input `signal` of a vCPU has changed to `level`; they begin low. Any thread, with
	 * the GIC's lock held, so that changes come in order: must not block nor call the GIC.
	 */
	void (*set_cpu_line)(void *ctx, unsigned int cpu, enum gicv2_signal signal, bool level);
	void *ctx;
};

/*
 * Creates a GIC in its state after reset for 1 to GICV2_MAX_CPUS processors, with `nr_irqs` INTIDs: a
 * multiple of 32 from GICV2_MIN_IRQS to GICV2_MAX_IRQS. `host` is
 * copied. 0; -EINVAL or -ENOMEM with the cause.
 */
int gicv2_create(struct gicv2 **out, unsigned int nr_cpus, unsigned int nr_irqs,
		 const struct gicv2_host *host, struct err *err);
/* NULL is fine. Devices and vCPUs must be gone. */
void gicv2_destroy(struct gicv2 *gic);

/*
 * An access of processor `cpu` at `offset` of the frame; `size` 1 to 8 bytes. Whatever is no access
 * to a register reads as zero and does nothing.
 */
uint64_t gicv2_dist_read(struct gicv2 *gic, unsigned int cpu, uint64_t offset, unsigned int size);
void gicv2_dist_write(struct gicv2 *gic, unsigned int cpu, uint64_t offset, unsigned int size,
		      uint64_t value);
uint64_t gicv2_cpu_read(struct gicv2 *gic, unsigned int cpu, uint64_t offset, unsigned int size);
void gicv2_cpu_write(struct gicv2 *gic, unsigned int cpu, uint64_t offset, unsigned int size, uint64_t value);

/* Drives an interrupt input: SPI `spi` (INTID 32 + spi), or `ppi` (INTID 16 + ppi) of `cpu`. */
void gicv2_set_spi(struct gicv2 *gic, uint32_t spi, bool level);
void gicv2_set_ppi(struct gicv2 *gic, unsigned int cpu, uint32_t ppi, bool level);

/* --- saved state --- */

#define GICV2_STATE_VERSION 1

/* 32 interrupts, a bit for each. */
struct gicv2_irqs {
	uint32_t group;   /* 1: Group 1 */
	uint32_t enabled; /* forwarding */
	uint32_t latch;   /* made pending by an edge, by a write, or (SGIs) by any source */
	uint32_t line;    /* level of the input */
	uint32_t active;
	uint32_t edge; /* edge-triggered; SGIs are, PPIs are not */
};

struct gicv2_interface {
	uint32_t ctlr;
	uint32_t apr, nsapr; /* active priorities of Group 0 and 1: bit n is the group priority n << 3 */
	uint8_t pmr, bpr, abpr, zero;
	uint8_t sgi_sources[16]; /* per SGI, a bit for each processor from which one is pending */
};

struct gicv2_state {
	uint32_t version;
	uint32_t nr_cpus, nr_irqs;
	uint32_t ctlr;                                          /* GICD_CTLR */
	struct gicv2_irqs banked[GICV2_MAX_CPUS];               /* SGIs and PPIs of each processor */
	struct gicv2_irqs spi[GICV2_MAX_IRQS / 32 - 1];         /* from INTID 32 on */
	uint8_t banked_priority[GICV2_MAX_CPUS][32];            /* of SGIs and PPIs */
	uint8_t spi_priority[GICV2_MAX_IRQS - GICV2_FIRST_SPI]; /* from INTID 32 on, as the next */
	uint8_t spi_target[GICV2_MAX_IRQS - GICV2_FIRST_SPI];   /* a bit for each processor */
	struct gicv2_interface cpu[GICV2_MAX_CPUS];
};

void gicv2_save(struct gicv2 *gic, struct gicv2_state *state);
/* Signals to processors follow at once. -EINVAL: `state` is not one of a GIC like this. */
int gicv2_load(struct gicv2 *gic, const struct gicv2_state *state, struct err *err);

#endif
