// SPDX-License-Identifier: BSD-2-Clause
#include "devices/apic.h"

#include <errno.h>
#include <stdlib.h>

#include "devices/trace.h"

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
	ioapics_eoi(&((struct apic *)bus)->ioapics, vector);
}

static bool deliver_from_outside(void *ctx, const struct apic_message *msg)
{
	return route(ctx, -1, msg);
}

static void set_line(struct irqchip *chip, uint32_t line, bool level)
{
	ioapics_set_line(&((struct apic *)chip)->ioapics, line, level);
}

/*
 * Intel SDM volume 3, sections "Message Address Register Format" and "Message Data Register Format".
 * Bits 11:5 of the address, reserved there, are bits 14:8 of the destination for guests that were
 * told so (Linux, "KVM CPUID bits", KVM_FEATURE_MSI_EXT_DEST_ID).
 */
#define MSI_BASE     0xfee00000u
#define MSI_HINT     (1u << 3) /* redirection hint: one of the destinations, that of lowest priority */
#define MSI_LOGICAL  (1u << 2)
#define DATA_LEVEL   (1u << 15)
#define DATA_ASSERT  (1u << 14)
#define DATA_MODE(n) ((n) >> 8 & 7)

bool apic_message_from_msi(uint64_t addr, uint32_t data, struct apic_message *msg)
{
	if (addr >> 20 != MSI_BASE >> 20)
		return false; /* no LAPIC listens there */
	if ((data & DATA_LEVEL) && !(data & DATA_ASSERT))
		return false; /* level de-assert carries nothing */
	if (DATA_MODE(data) == APIC_STARTUP || DATA_MODE(data) == APIC_RESERVED)
		return false; /* reserved: only processors send startup IPIs */
	*msg = (struct apic_message){
		.dest = (uint32_t)((addr >> 12 & 0xff) | (addr >> 5 & 0x7f) << 8),
		.logical = addr & MSI_LOGICAL,
		.level = data & DATA_LEVEL,
		.delivery = DATA_MODE(data),
		.vector = (uint8_t)data,
	};
	if (msg->delivery == APIC_FIXED && (addr & MSI_HINT))
		msg->delivery = APIC_LOWEST;
	return true;
}

void apic_message_to_msi(const struct apic_message *msg, uint64_t *addr, uint32_t *data)
{
	*addr = MSI_BASE | (msg->dest & 0xff) << 12 | (msg->dest >> 8 & 0x7f) << 5 |
		(msg->delivery == APIC_LOWEST ? MSI_HINT : 0) | (msg->logical ? MSI_LOGICAL : 0);
	*data = msg->vector | (uint32_t)msg->delivery << 8 | (msg->level ? DATA_LEVEL | DATA_ASSERT : 0);
}

static void send_msi(struct irqchip *chip, uint64_t addr, uint32_t data, uint32_t devid)
{
	struct apic_message msg;

	(void)devid; /* there is no interrupt remapping */
	if (!apic_message_from_msi(addr, data, &msg))
		return;
	trace_route(TRACE_MSI, msg.delivery, msg.vector, msg.dest);
	deliver_from_outside(chip, &msg);
}

static bool unmasked(struct irqchip *chip, uint32_t line)
{
	return ioapics_unmasked(&((struct apic *)chip)->ioapics, line);
}

static const struct irqchip_ops apic_ops = {
	.set_line = set_line,
	.unmasked = unmasked,
	.send_msi = send_msi,
};

int apic_create(struct apic **out, unsigned int nr, uint32_t nr_gsis, const struct device_host *host,
		struct apic_rates rates, struct err *err)
{
	struct apic *apic = calloc(1, sizeof(*apic) + nr * sizeof(apic->lapic[0]));
	const struct ioapic_bus bus = { .deliver = deliver_from_outside, .ctx = apic };
	int ret;

	if (!apic)
		return err_host(err, ENOMEM, "interrupt controller for %u CPUs", nr);
	apic->chip.ops = &apic_ops;
	apic->nr_lapics = nr;

	ret = ioapics_create(&apic->ioapics, nr_gsis, host, &bus, err);
	if (ret < 0) {
		apic_destroy(apic);
		return ret;
	}

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
	ioapics_destroy(&apic->ioapics);
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

/* --- saved state --- */

size_t apic_state_size(unsigned int nr_lapics)
{
	return sizeof(struct apic_state) + nr_lapics * sizeof(struct lapic_state);
}

void apic_save(struct apic *apic, struct apic_state *state)
{
	*state = (struct apic_state){
		.version = APIC_STATE_VERSION,
		.nr_lapics = apic->nr_lapics,
		.nr_ioapics = apic->ioapics.nr,
		.turn = atomic_load(&apic->turn),
	};
	for (unsigned int i = 0; i < apic->nr_lapics; i++)
		lapic_save(&apic->lapic[i], &state->lapic[i]);
	for (unsigned int i = 0; i < apic->ioapics.nr; i++)
		ioapic_save(apic->ioapics.dev[i], &state->ioapic[i]);
}

static int check_state(const struct apic *apic, const struct apic_state *state, struct err *err)
{
	int ret = 0;

	if (state->version != APIC_STATE_VERSION)
		return err_user(err, "interrupt controller state: version %u is unknown; allowed is %d",
				state->version, APIC_STATE_VERSION);
	if (state->nr_lapics != apic->nr_lapics || state->nr_ioapics != apic->ioapics.nr)
		return err_user(err,
				"interrupt controller state: of %u LAPICs and %u I/O APICs; allowed are %u "
				"and %u, as this machine has them",
				state->nr_lapics, state->nr_ioapics, apic->nr_lapics, apic->ioapics.nr);
	for (unsigned int i = 0; !ret && i < apic->nr_lapics; i++)
		ret = lapic_check(&apic->lapic[i], &state->lapic[i], err);
	for (unsigned int i = 0; !ret && i < apic->ioapics.nr; i++)
		ret = ioapic_check(&state->ioapic[i], err);
	return ret;
}

int apic_load(struct apic *apic, const struct apic_state *state, struct err *err)
{
	int ret = check_state(apic, state, err);

	if (!ret)
		atomic_store(&apic->turn, state->turn);
	for (unsigned int i = 0; !ret && i < apic->nr_lapics; i++)
		ret = lapic_load(&apic->lapic[i], &state->lapic[i], err);
	for (unsigned int i = 0; !ret && i < apic->ioapics.nr; i++)
		ret = ioapic_load(apic->ioapics.dev[i], &state->ioapic[i], err);
	return ret;
}
