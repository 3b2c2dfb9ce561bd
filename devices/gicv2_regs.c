// SPDX-License-Identifier: BSD-2-Clause
/*
 * The GICv2's two register frames. One table for each, in offset order, is the source of what exists,
 * who may read and write it, with which widths, and which bits a write reaches. Sections "Distributor
 * register map" and "CPU interface register map" of IHI 0048B.
 *
 * Section "GIC register access": every register takes accesses of 32 bits; those of priorities,
 * targets and SGI sources take bytes as well. Here all other accesses read as zero and do nothing.
 */
#include <stddef.h>

#include "devices/gicv2.h"
#include "devices/gicv2_internal.h"
#include "devices/trace.h"

struct access {
	unsigned int cpu;
	uint32_t offset; /* of the register */
	unsigned int n;  /* which of the row's registers it is */
	uint32_t value;  /* what is written: writable bits only */
	uint32_t mask;   /* the bits the access covers */
};

/* With the GIC's lock held. */
typedef uint32_t read_fn(struct gicv2 *gic, const struct access *a);
typedef void write_fn(struct gicv2 *gic, const struct access *a);

struct gicv2_register {
	uint16_t offset;
	uint16_t count; /* consecutive registers */
	bool bytes;     /* may be accessed by bytes, too */
	uint32_t bits;  /* writable ones */
	uint32_t value; /* of a register that has no function to read it */
	read_fn *read;
	write_fn *write;
};

/* Implementer Arm (JEP106 0x43b), as every GICv2 says; product 'V', which no hardware has. */
#define IMPLEMENTER     0x43bu
#define GICD_IIDR_VALUE (0x56u << 24 | IMPLEMENTER)
#define GICC_IIDR_VALUE (0x560u << 20 | 2u << 16 | IMPLEMENTER)

/* --- distributor --- */

static uint32_t read_ctlr(struct gicv2 *gic, const struct access *a)
{
	(void)a;
	return gic->s.ctlr;
}

static void write_ctlr(struct gicv2 *gic, const struct access *a)
{
	gic->s.ctlr = a->value;
}

static uint32_t read_typer(struct gicv2 *gic, const struct access *a)
{
	(void)a;
	return (gic->nr_cpus - 1) << 5 | (gic->nr_irqs / 32 - 1);
}

/* The interrupts of word `n` that exist. */
static uint32_t implemented(const struct gicv2 *gic, unsigned int n)
{
	if (n >= gic->nr_irqs / 32)
		return 0;
	return n == GICV2_END / 32 ? (1u << GICV2_END % 32) - 1 : UINT32_MAX;
}

/* Registers with a bit for each interrupt, of which several show or change one property. */
static uint32_t read_bits(struct gicv2 *gic, const struct access *a)
{
	const struct gicv2_irqs *irqs;

	if (!implemented(gic, a->n))
		return 0;
	irqs = gicv2_irqs(gic, a->cpu, a->n);
	switch (a->offset - a->n * 4) {
	case GICD_IGROUPR:
		return irqs->group;
	case GICD_ISENABLER:
	case GICD_ICENABLER:
		return irqs->enabled;
	case GICD_ISPENDR:
	case GICD_ICPENDR:
		return gicv2_pending(irqs);
	default: /* GICD_ISACTIVER, GICD_ICACTIVER */
		return irqs->active;
	}
}

static void write_bits(struct gicv2 *gic, const struct access *a)
{
	uint32_t value = a->value & implemented(gic, a->n);
	/* SGIs become pending, and stop to be, by their sources alone. */
	uint32_t but_sgis = a->n ? value : value & ~SGI_BITS;
	struct gicv2_irqs *irqs;

	if (!implemented(gic, a->n))
		return;
	irqs = gicv2_irqs(gic, a->cpu, a->n);
	switch (a->offset - a->n * 4) {
	case GICD_IGROUPR:
		irqs->group = value;
		break;
	case GICD_ISENABLER:
		irqs->enabled |= value;
		break;
	case GICD_ICENABLER:
		irqs->enabled &= ~value;
		break;
	case GICD_ISPENDR:
		irqs->latch |= but_sgis;
		break;
	case GICD_ICPENDR:
		irqs->latch &= ~but_sgis;
		break;
	case GICD_ISACTIVER:
		irqs->active |= value;
		break;
	case GICD_ICACTIVER:
		irqs->active &= ~value;
		break;
	}
}

/* Registers with a byte for each interrupt: from INTID 4n on. */
static uint32_t read_priority(struct gicv2 *gic, const struct access *a)
{
	uint32_t value = 0;

	for (unsigned int i = 0; i < 4 && a->n * 4 < gicv2_end(gic); i++)
		value |= (uint32_t)*gicv2_priority(gic, a->cpu, a->n * 4 + i) << i * 8;
	return value;
}

static void write_priority(struct gicv2 *gic, const struct access *a)
{
	for (unsigned int i = 0; i < 4 && a->n * 4 < gicv2_end(gic); i++)
		if (a->mask >> i * 8 & 0xff)
			*gicv2_priority(gic, a->cpu, a->n * 4 + i) = (uint8_t)(a->value >> i * 8);
}

/* Section "Interrupt Processor Targets Registers": of SGIs and PPIs, the reader; with one CPU, none. */
static uint32_t read_targets(struct gicv2 *gic, const struct access *a)
{
	uint32_t value = 0;

	if (gic->nr_cpus == 1)
		return 0;
	if (a->n * 4 < GICV2_FIRST_SPI)
		return 0x01010101u << a->cpu;
	for (unsigned int i = 0; i < 4 && a->n * 4 < gicv2_end(gic); i++)
		value |= (uint32_t)gic->s.spi_target[a->n * 4 + i - GICV2_FIRST_SPI] << i * 8;
	return value;
}

static void write_targets(struct gicv2 *gic, const struct access *a)
{
	uint32_t cpus = (1u << gic->nr_cpus) - 1;

	if (a->n * 4 < GICV2_FIRST_SPI || a->n * 4 >= gicv2_end(gic) || gic->nr_cpus == 1)
		return;
	for (unsigned int i = 0; i < 4; i++)
		if (a->mask >> i * 8 & 0xff)
			gic->s.spi_target[a->n * 4 + i - GICV2_FIRST_SPI] = (uint8_t)(a->value >> i * 8 &
										      cpus);
}

/* Two bits for each interrupt, the upper one says edge-triggered: from INTID 16n on. */
static uint32_t read_config(struct gicv2 *gic, const struct access *a)
{
	uint32_t edge, value = 0;

	if (!implemented(gic, a->n / 2))
		return 0;
	edge = gicv2_irqs(gic, a->cpu, a->n / 2)->edge >> a->n % 2 * 16;
	for (unsigned int i = 0; i < 16; i++)
		value |= (edge >> i & 1) << (2 * i + 1);
	return value;
}

static void write_config(struct gicv2 *gic, const struct access *a)
{
	uint32_t edge = 0, these = 0xffffu << a->n % 2 * 16;
	struct gicv2_irqs *irqs;

	/* SGIs are edge-triggered and PPIs level-triggered for good. */
	if (a->n < GICV2_FIRST_SPI / 16 || !implemented(gic, a->n / 2))
		return;
	for (unsigned int i = 0; i < 16; i++)
		edge |= (a->value >> (2 * i + 1) & 1) << (i + a->n % 2 * 16);
	irqs = gicv2_irqs(gic, a->cpu, a->n / 2);
	irqs->edge = (irqs->edge & ~these) | (edge & implemented(gic, a->n / 2));
}

/* Section "Software Generated Interrupt Register"; a filter of 3 is reserved and reaches nobody. */
static void write_sgir(struct gicv2 *gic, const struct access *a)
{
	uint32_t sgi = a->value & 0xf, self = 1u << a->cpu;
	const uint32_t filtered[] = { a->value >> 16 & 0xff, ~self, self, 0 };
	uint32_t to = filtered[a->value >> 24 & 3];

	trace_ipi(a->cpu, 0, sgi, to & ((1u << gic->nr_cpus) - 1));
	for (unsigned int i = 0; i < gic->nr_cpus; i++) {
		if (!(to >> i & 1))
			continue;
		trace_accept(i, 0, sgi);
		gicv2_set_sgi_sources(gic, i, sgi, (uint8_t)(gic->s.cpu[i].sgi_sources[sgi] | self));
	}
}

/* A byte for each SGI from 4n on, with a bit for each source. */
static uint32_t read_sources(struct gicv2 *gic, const struct access *a)
{
	uint32_t value = 0;

	for (unsigned int i = 0; i < 4; i++)
		value |= (uint32_t)gic->s.cpu[a->cpu].sgi_sources[a->n * 4 + i] << i * 8;
	return value;
}

static void write_sources(struct gicv2 *gic, const struct access *a)
{
	uint32_t cpus = (1u << gic->nr_cpus) - 1;
	bool set = a->offset >= GICD_SPENDSGIR;

	for (unsigned int i = 0; i < 4; i++) {
		uint32_t written = a->value >> i * 8 & cpus;
		uint32_t sources = gic->s.cpu[a->cpu].sgi_sources[a->n * 4 + i];

		sources = set ? sources | written : sources & ~written;
		gicv2_set_sgi_sources(gic, a->cpu, a->n * 4 + i, (uint8_t)sources);
	}
}

static const struct gicv2_register distributor[] = {
	{ GICD_CTLR, 1, false, GICD_CTLR_BITS, 0, read_ctlr, write_ctlr },
	{ GICD_TYPER, 1, false, 0, 0, read_typer, NULL },
	{ GICD_IIDR, 1, false, 0, GICD_IIDR_VALUE, NULL, NULL },
	{ GICD_IGROUPR, 32, false, UINT32_MAX, 0, read_bits, write_bits },
	{ GICD_ISENABLER, 32, false, UINT32_MAX, 0, read_bits, write_bits },
	{ GICD_ICENABLER, 32, false, UINT32_MAX, 0, read_bits, write_bits },
	{ GICD_ISPENDR, 32, false, UINT32_MAX, 0, read_bits, write_bits },
	{ GICD_ICPENDR, 32, false, UINT32_MAX, 0, read_bits, write_bits },
	{ GICD_ISACTIVER, 32, false, UINT32_MAX, 0, read_bits, write_bits },
	{ GICD_ICACTIVER, 32, false, UINT32_MAX, 0, read_bits, write_bits },
	{ GICD_IPRIORITYR, 255, true, PRIORITY_BITS * 0x01010101u, 0, read_priority, write_priority },
	{ GICD_ITARGETSR, 255, true, UINT32_MAX, 0, read_targets, write_targets },
	{ GICD_ICFGR, 64, false, 0xaaaaaaaa, 0, read_config, write_config },
	{ GICD_NSACR, 64, false, 0, 0, NULL, NULL }, /* of the Security Extensions */
	{ GICD_SGIR, 1, false, 0x03ff000f, 0, NULL, write_sgir },
	{ GICD_CPENDSGIR, 4, true, UINT32_MAX, 0, read_sources, write_sources },
	{ GICD_SPENDSGIR, 4, true, UINT32_MAX, 0, read_sources, write_sources },
	/* Section "Identification registers": Arm's scheme; architecture revision 2 in PIDR2. */
	{ GICD_PIDR4, 1, false, 0, 0x04, NULL, NULL },
	{ GICD_PIDR0, 1, false, 0, 0x90, NULL, NULL },
	{ GICD_PIDR1, 1, false, 0, 0xb4, NULL, NULL },
	{ GICD_PIDR2, 1, false, 0, 0x2b, NULL, NULL },
	{ GICD_CIDR0, 1, false, 0, 0x0d, NULL, NULL },
	{ GICD_CIDR1, 1, false, 0, 0xf0, NULL, NULL },
	{ GICD_CIDR2, 1, false, 0, 0x05, NULL, NULL },
	{ GICD_CIDR3, 1, false, 0, 0xb1, NULL, NULL },
};

/* --- CPU interface --- */

static uint32_t read_interface(struct gicv2 *gic, const struct access *a)
{
	const struct gicv2_interface *c = &gic->s.cpu[a->cpu];

	switch (a->offset) {
	case GICC_CTLR:
		return c->ctlr;
	case GICC_PMR:
		return c->pmr;
	case GICC_BPR:
		return c->bpr;
	case GICC_ABPR:
		return c->abpr;
	case GICC_IAR:
	case GICC_AIAR:
		return gicv2_acknowledge(gic, a->cpu, a->offset == GICC_AIAR);
	case GICC_HPPIR:
	case GICC_AHPPIR:
		return gicv2_highest_pending(gic, a->cpu, a->offset == GICC_AHPPIR);
	case GICC_RPR:
		return gicv2_running_priority(c);
	case GICC_APR:
		return c->apr;
	default: /* GICC_NSAPR */
		return c->nsapr;
	}
}

static uint8_t at_least(uint32_t min, uint32_t value)
{
	return (uint8_t)(value < min ? min : value);
}

static void write_interface(struct gicv2 *gic, const struct access *a)
{
	struct gicv2_interface *c = &gic->s.cpu[a->cpu];

	switch (a->offset) {
	case GICC_CTLR:
		c->ctlr = a->value;
		break;
	case GICC_PMR:
		c->pmr = (uint8_t)a->value;
		break;
	case GICC_BPR: /* section "Binary Point Register": less than the minimum is the minimum */
		c->bpr = at_least(GICV2_MIN_BPR, a->value);
		break;
	case GICC_ABPR:
		c->abpr = at_least(GICV2_MIN_ABPR, a->value);
		break;
	case GICC_EOIR:
	case GICC_AEOIR:
		gicv2_end_of_interrupt(gic, a->cpu, a->value, a->offset == GICC_AEOIR);
		break;
	case GICC_APR:
		c->apr = a->value;
		break;
	case GICC_NSAPR:
		c->nsapr = a->value;
		break;
	case GICC_DIR:
		gicv2_deactivate(gic, a->cpu, a->value);
		break;
	}
}

static const struct gicv2_register interface[] = {
	{ GICC_CTLR, 1, false, GICC_CTLR_BITS, 0, read_interface, write_interface },
	{ GICC_PMR, 1, false, PRIORITY_BITS, 0, read_interface, write_interface },
	{ GICC_BPR, 1, false, BPR_BITS, 0, read_interface, write_interface },
	{ GICC_IAR, 1, false, 0, 0, read_interface, NULL },
	{ GICC_EOIR, 1, false, 0x1fff, 0, NULL, write_interface },
	{ GICC_RPR, 1, false, 0, 0, read_interface, NULL },
	{ GICC_HPPIR, 1, false, 0, 0, read_interface, NULL },
	{ GICC_ABPR, 1, false, BPR_BITS, 0, read_interface, write_interface },
	{ GICC_AIAR, 1, false, 0, 0, read_interface, NULL },
	{ GICC_AEOIR, 1, false, 0x1fff, 0, NULL, write_interface },
	{ GICC_AHPPIR, 1, false, 0, 0, read_interface, NULL },
	/* 32 group priorities fit into the first of four each; Group 1's have the second kind. */
	{ GICC_APR, 1, false, UINT32_MAX, 0, read_interface, write_interface },
	{ GICC_NSAPR, 1, false, UINT32_MAX, 0, read_interface, write_interface },
	{ GICC_IIDR, 1, false, 0, GICC_IIDR_VALUE, NULL, NULL },
	{ GICC_DIR, 1, false, 0x1fff, 0, NULL, write_interface },
};

/* --- accesses --- */

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

/* The row of the register at `offset`, if an access of that shape is one to it. */
static const struct gicv2_register *find(const struct gicv2 *gic, const struct gicv2_register *rows,
					 size_t count, unsigned int cpu, uint64_t offset, unsigned int size)
{
	if (cpu >= gic->nr_cpus || (size != 4 && size != 1) || offset % size)
		return NULL;
	for (const struct gicv2_register *r = rows; r < rows + count; r++)
		if (offset >= r->offset && offset < r->offset + 4u * r->count)
			return size == 4 || r->bytes ? r : NULL;
	return NULL;
}

static struct access describe(const struct gicv2_register *r, unsigned int cpu, uint64_t offset,
			      unsigned int size)
{
	return (struct access){
		.cpu = cpu,
		.offset = (uint32_t)offset & ~3u,
		.n = ((uint32_t)offset - r->offset) / 4,
		.mask = size == 4 ? UINT32_MAX : 0xffu << offset % 4 * 8,
	};
}

static uint64_t frame_read(struct gicv2 *gic, const struct gicv2_register *rows, size_t count,
			   unsigned int cpu, uint64_t offset, unsigned int size)
{
	const struct gicv2_register *r = find(gic, rows, count, cpu, offset, size);
	struct access a;
	uint32_t value;

	if (!r)
		return 0;
	if (!r->read)
		return r->value;
	a = describe(r, cpu, offset, size);
	pthread_mutex_lock(&gic->lock);
	value = r->read(gic, &a);
	pthread_mutex_unlock(&gic->lock);
	return (value & a.mask) >> offset % 4 * 8;
}

static void frame_write(struct gicv2 *gic, const struct gicv2_register *rows, size_t count, unsigned int cpu,
			uint64_t offset, unsigned int size, uint64_t value)
{
	const struct gicv2_register *r = find(gic, rows, count, cpu, offset, size);
	struct access a;

	if (!r || !r->write)
		return;
	a = describe(r, cpu, offset, size);
	a.value = (uint32_t)value << offset % 4 * 8 & a.mask & r->bits;
	pthread_mutex_lock(&gic->lock);
	r->write(gic, &a);
	gicv2_update(gic);
	pthread_mutex_unlock(&gic->lock);
}

uint64_t gicv2_dist_read(struct gicv2 *gic, unsigned int cpu, uint64_t offset, unsigned int size)
{
	return frame_read(gic, distributor, ROWS(distributor), cpu, offset, size);
}

void gicv2_dist_write(struct gicv2 *gic, unsigned int cpu, uint64_t offset, unsigned int size, uint64_t value)
{
	frame_write(gic, distributor, ROWS(distributor), cpu, offset, size, value);
}

uint64_t gicv2_cpu_read(struct gicv2 *gic, unsigned int cpu, uint64_t offset, unsigned int size)
{
	return frame_read(gic, interface, ROWS(interface), cpu, offset, size);
}

void gicv2_cpu_write(struct gicv2 *gic, unsigned int cpu, uint64_t offset, unsigned int size, uint64_t value)
{
	frame_write(gic, interface, ROWS(interface), cpu, offset, size, value);
}
