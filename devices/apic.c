// SPDX-License-Identifier: BSD-2-Clause
#include "devices/apic.h"

#include <errno.h>
#include <stdlib.h>

#include "devices/ioapic.h"
#include "devices/machine.h"

/* True if `msg` is for LAPIC `i`. `sender` is an APIC id, or -1 from outside the LAPICs. */
static bool addressed(const struct apic *apic, unsigned int i, int sender, const struct apic_message *msg)
{
	switch (msg->shorthand) {
	case APIC_SELF:
		return (int)i == sender;
	case APIC_ALL:
		return true;
	case APIC_OTHERS:
		return (int)i != sender;
	default:
		return lapic_matches(&apic->lapic[i], msg);
	}
}

/* Lowest priority (Intel SDM volume 3, section "Lowest Priority Delivery Mode"); ties take turns. */
static bool deliver_lowest(struct apic *apic, int sender, const struct apic_message *msg)
{
	unsigned int nr = apic->nr_lapics;
	unsigned int start = atomic_fetch_add_explicit(&apic->turn, 1, memory_order_relaxed) % nr;
	struct lapic *best = NULL;

	for (unsigned int n = 0; n < nr; n++) {
		unsigned int i = (start + n) % nr;
		struct lapic *lapic = &apic->lapic[i];

		if (addressed(apic, i, sender, msg) && lapic_enabled(lapic) &&
		    (!best || lapic_priority(lapic) < lapic_priority(best)))
			best = lapic;
	}
	return best && lapic_accept(best, APIC_FIXED, msg->vector, msg->level);
}

/* The way of every interrupt message; true if a LAPIC took it. */
static bool route(struct apic *apic, int sender, const struct apic_message *msg)
{
	bool accepted = false;

	if (msg->delivery == APIC_LOWEST)
		return deliver_lowest(apic, sender, msg);

	for (unsigned int i = 0; i < apic->nr_lapics; i++)
		if (addressed(apic, i, sender, msg))
			accepted |= lapic_accept(&apic->lapic[i], msg->delivery, msg->vector, msg->level);
	return accepted;
}

static void send_ipi(void *bus, uint32_t sender, const struct apic_message *msg)
{
	route(bus, (int)sender, msg);
}

static void broadcast_eoi(void *bus, uint8_t vector)
{
	ioapic_eoi(((struct apic *)bus)->ioapic, vector);
}

static bool deliver_from_outside(void *ctx, const struct apic_message *msg)
{
	/* Only processors send startup IPIs; in an RTE and in MSI data the code is reserved. */
	return msg->delivery != APIC_STARTUP && route(ctx, -1, msg);
}

static void set_line(struct irqchip *chip, uint32_t line, bool level)
{
	ioapic_set_line(((struct apic *)chip)->ioapic, line, level);
}

/* Intel SDM volume 3, sections "Message Address Register Format" and "Message Data Register Format". */
static void send_msi(struct irqchip *chip, uint64_t addr, uint32_t data)
{
	struct apic_message msg = {
		.dest = addr >> 12 & 0xff,
		.logical = addr >> 2 & 1,
		.level = data >> 15 & 1,
		.delivery = data >> 8 & 7,
		.vector = (uint8_t)data,
	};

	if (addr >> 20 != 0xfee)
		return; /* no LAPIC listens there */
	if (msg.level && !(data >> 14 & 1))
		return; /* level de-assert carries nothing */
	/* The redirection hint: one of the destinations, the one of lowest priority. */
	if (msg.delivery == APIC_FIXED && (addr >> 3 & 1))
		msg.delivery = APIC_LOWEST;
	deliver_from_outside((struct apic *)chip, &msg);
}

static const struct irqchip_ops apic_ops = {
	.set_line = set_line,
	.send_msi = send_msi,
};

int apic_create(struct apic **out, unsigned int nr, const struct device_host *host, struct apic_rates rates,
		struct err *err)
{
	struct apic *apic = calloc(1, sizeof(*apic) + nr * sizeof(apic->lapic[0]));
	int ret;

	if (!apic)
		return err_host(err, ENOMEM, "interrupt controller for %u CPUs", nr);
	apic->chip.ops = &apic_ops;
	apic->nr_lapics = nr;

	ret = device_create(&apic->ioapic, &ioapic_class, host, (struct irq_line){ 0 }, err);
	if (ret < 0) {
		free(apic);
		return ret;
	}
	ioapic_connect(apic->ioapic, PC_IOAPIC_ID, deliver_from_outside, apic);

	for (unsigned int i = 0; i < nr; i++) {
		const struct lapic_host nobody = { .send = send_ipi, .eoi = broadcast_eoi, .bus = apic };

		lapic_init(&apic->lapic[i], i, i == 0, &nobody, host->clock, rates.timer_hz, rates.tsc_khz);
	}
	*out = apic;
	return 0;
}

void apic_destroy(struct apic *apic)
{
	if (!apic)
		return;
	device_destroy(apic->ioapic);
	free(apic);
}

struct lapic *apic_attach(struct apic *apic, unsigned int index, void (*kick)(void *cpu),
			  uint64_t (*read_tsc)(void *cpu), void *cpu)
{
	struct lapic *lapic = &apic->lapic[index];

	lapic->host.kick = kick;
	lapic->host.read_tsc = read_tsc;
	lapic->host.cpu = cpu;
	return lapic;
}
