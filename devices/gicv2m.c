// SPDX-License-Identifier: BSD-2-Clause
#include "devices/gicv2m.h"

#define LOG_AREA AREA_IRQ
#include "kvm/log.h"

/* Offsets of the registers; all others are reserved: they read as zero and ignore writes. */
enum {
	MSI_TYPER = 0x008,     /* read-only */
	MSI_SETSPI_NS = 0x040, /* write-only */
	MSI_IIDR = 0xfcc,      /* read-only */

	TYPER_FIRST_SHIFT = 16, /* INTID of the first interrupt; how many there are is in the low bits */
	SETSPI_INTID = 0x3ff,

	FIRST_SPI = 32, /* INTID of line 0 */
};

_Static_assert(MSI_SETSPI_NS == GICV2M_SETSPI, "the doorbell");

/*
 * Product 0x56, architecture version 0 (GICv2m), revision 0, and Arm's JEP106 code, like the registers
 * of the same name in KVM's GIC.
 */
#define IIDR_VALUE 0x5600043bu

struct gicv2m {
	struct device dev;
	uint32_t count;
	/*
	 * Held from an edge's rise to its fall: of two messages for one line, the second must not find it
	 * high. Not the device's own lock, with which a guest's message comes; taken after that.
	 */
	pthread_mutex_t edge;
};

static int gicv2m_create(struct device *dev, const struct device_host *host, struct err *err)
{
	(void)host;
	(void)err;
	pthread_mutex_init(&((struct gicv2m *)dev)->edge, NULL);
	return 0;
}

static void gicv2m_destroy(struct device *dev)
{
	pthread_mutex_destroy(&((struct gicv2m *)dev)->edge);
}

void gicv2m_set_lines(struct device *dev, uint32_t count)
{
	((struct gicv2m *)dev)->count = count;
}

void gicv2m_send(struct device *dev, uint32_t data)
{
	struct gicv2m *frame = (struct gicv2m *)dev;
	struct irq_line line = dev->irq;
	uint32_t intid = data & SETSPI_INTID;

	/* "INTID - first" of one below the first is a huge number. */
	if (intid - (FIRST_SPI + line.line) >= frame->count) {
		log_debug_once("gicv2m: a message for INTID %u, which is not of this frame", intid);
		return;
	}
	line.line = intid - FIRST_SPI;
	pthread_mutex_lock(&frame->edge);
	irq_line_set(&line, true);
	irq_line_set(&line, false);
	pthread_mutex_unlock(&frame->edge);
}

static bool gicv2m_read(struct device *dev, uint64_t offset, unsigned int size, uint64_t *value)
{
	const struct gicv2m *frame = (const struct gicv2m *)dev;

	*value = 0;
	if (size != 4)
		return true;
	if (offset == MSI_TYPER)
		*value = (FIRST_SPI + dev->irq.line) << TYPER_FIRST_SHIFT | frame->count;
	else if (offset == MSI_IIDR)
		*value = IIDR_VALUE;
	return true;
}

static bool gicv2m_write(struct device *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	/* A message has 32 bits or, from conventional PCI, 16. */
	if (offset == MSI_SETSPI_NS && size >= 2)
		gicv2m_send(dev, (uint32_t)value);
	return true;
}

const struct device_class gicv2m_class = {
	.name = "gicv2m",
	.size = sizeof(struct gicv2m),
	.access_max = 4,
	.create = gicv2m_create,
	.destroy = gicv2m_destroy,
	.read = gicv2m_read,
	.write = gicv2m_write,
};
