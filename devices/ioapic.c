// SPDX-License-Identifier: BSD-2-Clause
#include "devices/ioapic.h"

#include <string.h>

#include "devices/trace.h"

/* Offsets in the window (82093AA, section "I/O APIC Registers"). */
#define IOREGSEL 0x00
#define IOWIN    0x10
#define IOEOI    0x40

/* Indirect registers. */
#define REG_ID     0x00
#define REG_VER    0x01
#define REG_ARB    0x02
#define REG_REDTBL 0x10 /* two 32-bit halves per pin */

#define VERSION  0x20
#define ID_SHIFT 24
#define ID_MASK  0xfu

/* Redirection table entry (section "I/O Redirection Table Registers"). */
#define RTE_VECTOR     0xffULL
#define RTE_DELIVERY   (7ULL << 8) /* enum apic_delivery */
#define RTE_LOGICAL    (1ULL << 11)
#define RTE_REMOTE_IRR (1ULL << 14)
#define RTE_LEVEL      (1ULL << 15)
#define RTE_MASKED     (1ULL << 16)
/*
 * Bits 63:56 are the destination. Bits 55:49, reserved in the data sheet, are its bits 14:8 for guests
 * that were told so (Linux, "KVM CPUID bits", KVM_FEATURE_MSI_EXT_DEST_ID). Remote IRR and delivery
 * status, always idle, are read-only.
 */
#define RTE_WRITABLE 0xfffe00000001afffULL

/* What a change of makes a pin send something else. */
#define RTE_MESSAGE 0xfffe000000008fffULL

struct ioapic {
	struct device dev;
	struct ioapic_bus bus;
	uint32_t gsi_base;

	uint32_t select; /* IOREGSEL */
	uint32_t id;
	uint32_t lines; /* bit per pin: asserted */
	uint64_t rte[IOAPIC_PINS];
	uint64_t routed[IOAPIC_PINS]; /* RTE_MESSAGE bits last told to the bus; RTE_MASKED: nothing */
};

static enum apic_delivery delivery(uint64_t rte)
{
	return (enum apic_delivery)((rte & RTE_DELIVERY) >> 8);
}

/* The other two codes are reserved: only processors send startup IPIs. */
static bool sends_anything(uint64_t rte)
{
	return delivery(rte) != APIC_STARTUP && delivery(rte) != APIC_RESERVED;
}

/* Modes without a vector, which no EOI would ever match, are edge-triggered whatever the RTE says. */
static bool is_level(uint64_t rte)
{
	return (rte & RTE_LEVEL) && (delivery(rte) == APIC_FIXED || delivery(rte) == APIC_LOWEST);
}

static struct apic_message message(uint64_t rte)
{
	return (struct apic_message){
		.dest = (uint32_t)(rte >> 56 | (rte >> 49 & 0x7f) << 8),
		.logical = rte & RTE_LOGICAL,
		.level = is_level(rte),
		.delivery = (uint8_t)delivery(rte),
		.vector = rte & RTE_VECTOR,
	};
}

static bool send(struct ioapic *io, unsigned int pin)
{
	struct apic_message msg = message(io->rte[pin]);

	if (!io->bus.deliver || !sends_anything(io->rte[pin]))
		return false;
	trace_route(io->gsi_base + pin, msg.delivery, msg.vector, msg.dest);
	return io->bus.deliver(io->bus.ctx, &msg);
}

/* Lets the bus know if the pin now sends something else than it was told. */
static void tell_route(struct ioapic *io, unsigned int pin)
{
	uint64_t rte = io->rte[pin];
	bool silent = !sends_anything(rte) || (rte & (RTE_MASKED | RTE_REMOTE_IRR)) == RTE_MASKED;
	uint64_t route = silent ? RTE_MASKED : rte & RTE_MESSAGE;
	struct apic_message msg = message(rte);

	if (route == io->routed[pin])
		return;
	io->routed[pin] = route;
	if (io->bus.routed)
		io->bus.routed(io->bus.ctx, io->gsi_base + pin, silent ? NULL : &msg);
}

/* Delivers a level-triggered pin that is asserted, unless it is masked or still in service. */
static void service_level(struct ioapic *io, unsigned int pin)
{
	uint64_t *rte = &io->rte[pin];

	if (!is_level(*rte) || (*rte & (RTE_MASKED | RTE_REMOTE_IRR)) || !(io->lines >> pin & 1))
		return;
	/* Only what a LAPIC accepted can be ended there; what none took waits for the next look. */
	if (send(io, pin))
		*rte |= RTE_REMOTE_IRR;
}

static void end_of_interrupt(struct ioapic *io, uint8_t vector)
{
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		if ((io->rte[pin] & RTE_VECTOR) != vector || !(io->rte[pin] & RTE_REMOTE_IRR))
			continue;
		io->rte[pin] &= ~RTE_REMOTE_IRR;
		service_level(io, pin);
		tell_route(io, pin);
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
			send(io, pin); /* an edge on a masked pin is lost */
	}
	pthread_mutex_unlock(&dev->lock);
}

bool ioapic_unmasked(struct device *dev, uint32_t pin)
{
	bool unmasked;

	pthread_mutex_lock(&dev->lock);
	unmasked = pin < IOAPIC_PINS && !(((struct ioapic *)dev)->rte[pin] & RTE_MASKED);
	pthread_mutex_unlock(&dev->lock);
	return unmasked;
}

void ioapic_eoi(struct device *dev, uint8_t vector)
{
	pthread_mutex_lock(&dev->lock);
	end_of_interrupt((struct ioapic *)dev, vector);
	pthread_mutex_unlock(&dev->lock);
}

void ioapic_connect(struct device *dev, const struct ioapic_desc *place, const struct ioapic_bus *bus)
{
	struct ioapic *io = (struct ioapic *)dev;

	io->id = place->id & ID_MASK;
	io->gsi_base = place->gsi_base;
	io->bus = *bus;
}

static uint32_t read_indirect(const struct ioapic *io)
{
	unsigned int half = io->select - REG_REDTBL;

	switch (io->select) {
	case REG_ID:
	case REG_ARB:
		return io->id << ID_SHIFT;
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
		io->id = value >> ID_SHIFT & ID_MASK;
	if (half >= 2 * IOAPIC_PINS)
		return;

	rte = &io->rte[half / 2];
	mask = (0xffffffffULL << shift) & RTE_WRITABLE;
	*rte = (*rte & ~mask) | ((uint64_t)value << shift & mask);
	/* An edge-triggered entry has no remote IRR: kernels switch a stuck pin to edge and back. */
	if (!is_level(*rte))
		*rte &= ~RTE_REMOTE_IRR;
	tell_route(io, half / 2); /* before anything is sent that way */
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
		io->rte[pin] = io->routed[pin] = RTE_MASKED;
	return 0;
}

/* --- saved state --- */

void ioapic_save(struct device *dev, struct ioapic_state *state)
{
	struct ioapic *io = (struct ioapic *)dev;

	pthread_mutex_lock(&dev->lock);
	*state = (struct ioapic_state){
		.version = IOAPIC_STATE_VERSION,
		.select = io->select,
		.id = io->id,
		.lines = io->lines,
	};
	memcpy(state->rte, io->rte, sizeof(state->rte));
	pthread_mutex_unlock(&dev->lock);
}

int ioapic_check(const struct ioapic_state *state, struct err *err)
{
	if (state->version != IOAPIC_STATE_VERSION)
		return err_user(err, "I/O APIC state: version %u is unknown; allowed is %u", state->version,
				IOAPIC_STATE_VERSION);
	if (state->select > 0xff)
		return err_user(err, "I/O APIC state: IOREGSEL %#x is not possible; allowed is up to 0xff",
				state->select);
	if (state->id > ID_MASK)
		return err_user(err, "I/O APIC state: id %#x is not possible; allowed is up to %#x",
				state->id, ID_MASK);
	if (state->lines >> IOAPIC_PINS)
		return err_user(err, "I/O APIC state: lines %#x are not possible; there are %d pins",
				state->lines, IOAPIC_PINS);
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		uint64_t rte = state->rte[pin];

		if (rte & ~(RTE_WRITABLE | RTE_REMOTE_IRR))
			return err_user(err, "I/O APIC state: entry %u is %#llx, but bits %#llx must be 0",
					pin, (unsigned long long)rte,
					(unsigned long long)~(RTE_WRITABLE | RTE_REMOTE_IRR));
		if ((rte & RTE_REMOTE_IRR) && !is_level(rte))
			return err_user(err,
					"I/O APIC state: entry %u is %#llx: remote IRR is allowed in a "
					"level-triggered entry only",
					pin, (unsigned long long)rte);
	}
	return 0;
}

int ioapic_load(struct device *dev, const struct ioapic_state *state, struct err *err)
{
	struct ioapic *io = (struct ioapic *)dev;
	int ret = ioapic_check(state, err);

	if (ret < 0)
		return ret;
	pthread_mutex_lock(&dev->lock);
	io->select = state->select;
	io->id = state->id;
	io->lines = state->lines;
	memcpy(io->rte, state->rte, sizeof(io->rte));
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++)
		tell_route(io, pin);
	pthread_mutex_unlock(&dev->lock);
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
