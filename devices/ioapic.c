// SPDX-License-Identifier: BSD-2-Clause
#include "devices/ioapic.h"

/* Offsets in the window (82093AA, section "I/O APIC Registers"). */
#define IOREGSEL 0x00
#define IOWIN    0x10
#define IOEOI    0x40

/* Indirect registers. */
#define REG_ID     0x00
#define REG_VER    0x01
#define REG_ARB    0x02
#define REG_REDTBL 0x10 /* two 32-bit halves per pin */

#define VERSION 0x20

/* Redirection table entry (section "I/O Redirection Table Registers"). */
#define RTE_VECTOR     0xffULL
#define RTE_DELIVERY   (7ULL << 8) /* enum apic_delivery */
#define RTE_LOGICAL    (1ULL << 11)
#define RTE_REMOTE_IRR (1ULL << 14)
#define RTE_LEVEL      (1ULL << 15)
#define RTE_MASKED     (1ULL << 16)
#define RTE_WRITABLE   0xff0000000001afffULL /* but remote IRR and delivery status, always idle */

struct ioapic {
	struct device dev;
	bool (*deliver)(void *ctx, const struct apic_message *msg);
	void *ctx;

	uint32_t select; /* IOREGSEL */
	uint32_t id;
	uint32_t lines; /* bit per pin: asserted */
	uint64_t rte[IOAPIC_PINS];
};

static enum apic_delivery delivery(uint64_t rte)
{
	return (enum apic_delivery)((rte & RTE_DELIVERY) >> 8);
}

/* Modes without a vector, which no EOI would ever match, are edge-triggered whatever the RTE says. */
static bool is_level(uint64_t rte)
{
	return (rte & RTE_LEVEL) && (delivery(rte) == APIC_FIXED || delivery(rte) == APIC_LOWEST);
}

static bool send(struct ioapic *io, uint64_t rte)
{
	struct apic_message msg = {
		.dest = (uint32_t)(rte >> 56),
		.logical = rte & RTE_LOGICAL,
		.level = is_level(rte),
		.delivery = (uint8_t)delivery(rte),
		.vector = rte & RTE_VECTOR,
	};

	return io->deliver && io->deliver(io->ctx, &msg);
}

/* Delivers a level-triggered pin that is asserted, unless it is masked or still in service. */
static void service_level(struct ioapic *io, unsigned int pin)
{
	uint64_t *rte = &io->rte[pin];

	if (!is_level(*rte) || (*rte & (RTE_MASKED | RTE_REMOTE_IRR)) || !(io->lines >> pin & 1))
		return;
	/* Only what a LAPIC accepted can be ended there; what none took waits for the next look. */
	if (send(io, *rte))
		*rte |= RTE_REMOTE_IRR;
}

static void end_of_interrupt(struct ioapic *io, uint8_t vector)
{
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		if ((io->rte[pin] & RTE_VECTOR) != vector || !(io->rte[pin] & RTE_REMOTE_IRR))
			continue;
		io->rte[pin] &= ~RTE_REMOTE_IRR;
		service_level(io, pin);
	}
}

void ioapic_set_line(struct device *dev, uint32_t pin, bool level)
{
	struct ioapic *io = (struct ioapic *)dev;

	if (pin >= IOAPIC_PINS)
		return;
	pthread_mutex_lock(&dev->lock);
	if (level != (io->lines >> pin & 1)) {
		io->lines ^= 1u << pin;
		service_level(io, pin);
		if (level && !is_level(io->rte[pin]) && !(io->rte[pin] & RTE_MASKED))
			send(io, io->rte[pin]); /* an edge on a masked pin is lost */
	}
	pthread_mutex_unlock(&dev->lock);
}

void ioapic_eoi(struct device *dev, uint8_t vector)
{
	pthread_mutex_lock(&dev->lock);
	end_of_interrupt((struct ioapic *)dev, vector);
	pthread_mutex_unlock(&dev->lock);
}

void ioapic_connect(struct device *dev, uint32_t id,
		    bool (*deliver)(void *ctx, const struct apic_message *msg), void *ctx)
{
	struct ioapic *io = (struct ioapic *)dev;

	io->id = id & 0xff; /* the data sheet has 4 bits; an xAPIC's id has 8 */
	io->deliver = deliver;
	io->ctx = ctx;
}

static uint32_t read_indirect(const struct ioapic *io)
{
	unsigned int half = io->select - REG_REDTBL;

	switch (io->select) {
	case REG_ID:
	case REG_ARB:
		return io->id << 24;
	case REG_VER:
		return VERSION | (IOAPIC_PINS - 1) << 16;
	}
	if (half < 2 * IOAPIC_PINS)
		return (uint32_t)(io->rte[half / 2] >> (half % 2 * 32));
	return 0xffffffff;
}

static void write_indirect(struct ioapic *io, uint32_t value)
{
	unsigned int half = io->select - REG_REDTBL, shift = half % 2 * 32;
	uint64_t *rte, mask;

	if (io->select == REG_ID)
		io->id = value >> 24;
	if (half >= 2 * IOAPIC_PINS)
		return;

	rte = &io->rte[half / 2];
	mask = (0xffffffffULL << shift) & RTE_WRITABLE;
	*rte = (*rte & ~mask) | ((uint64_t)value << shift & mask);
	/* An edge-triggered entry has no remote IRR: kernels switch a stuck pin to edge and back. */
	if (!is_level(*rte))
		*rte &= ~RTE_REMOTE_IRR;
	service_level(io, half / 2);
}

static bool ioapic_read(struct device *dev, uint64_t offset, unsigned int size, uint64_t *value)
{
	struct ioapic *io = (struct ioapic *)dev;

	if (size != 4)
		return false;
	if (offset == IOREGSEL)
		*value = io->select;
	else if (offset == IOWIN)
		*value = read_indirect(io);
	else
		return false;
	return true;
}

static bool ioapic_write(struct device *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct ioapic *io = (struct ioapic *)dev;

	/* IOREGSEL has 8 bits that count: a byte write selects as well. */
	if (offset == IOREGSEL && (size == 4 || size == 1))
		io->select = value & 0xff;
	else if (offset == IOWIN && size == 4)
		write_indirect(io, (uint32_t)value);
	else if (offset == IOEOI && size == 4)
		end_of_interrupt(io, (uint8_t)value);
	else
		return false;
	return true;
}

static int ioapic_create(struct device *dev, const struct device_host *host, struct err *err)
{
	struct ioapic *io = (struct ioapic *)dev;

	(void)host;
	(void)err;
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++)
		io->rte[pin] = RTE_MASKED;
	return 0;
}

const struct device_class ioapic_class = {
	.name = "ioapic",
	.size = sizeof(struct ioapic),
	.access_max = 8, /* wider accesses come here whole and are refused: no side effects of halves */
	.create = ioapic_create,
	.read = ioapic_read,
	.write = ioapic_write,
};
