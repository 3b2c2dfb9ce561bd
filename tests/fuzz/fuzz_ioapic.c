// SPDX-License-Identifier: BSD-2-Clause
/*
 * One I/O APIC with everything around it: a guest at its registers, lines, EOIs, LAPICs that take a
 * message or do not, saved states good and bad (Intel 82093AA data sheet, section "I/O APIC Registers").
 */
#include "devices/ioapic.h"
#include "tests/fuzz/fuzz.h"

#define RTE_MODE       0x0700ULL
#define RTE_REMOTE_IRR 0x4000ULL
#define RTE_LEVEL      0x8000ULL
#define RTE_MASKED     0x10000ULL
#define RTE_RESERVED   0x0001fffffffe1000ULL /* and delivery status: no message is ever on its way */

struct world {
	struct device *dev;
	struct input in;
	bool lapics_take; /* whether a message finds a LAPIC that takes it */
	unsigned int sent;
	uint64_t lines;
	bool routed[IOAPIC_PINS];
	struct apic_message route[IOAPIC_PINS];
};

static bool same_message(const struct apic_message *a, const struct apic_message *b)
{
	return a->dest == b->dest && a->logical == b->logical && a->wide == b->wide && a->level == b->level &&
	       a->delivery == b->delivery && a->vector == b->vector && a->shorthand == b->shorthand;
}

/* Whatever is sent was announced as the route of a pin. */
static bool deliver(void *ctx, const struct apic_message *msg)
{
	struct world *w = ctx;
	bool known = false;

	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++)
		known |= w->routed[pin] && same_message(msg, &w->route[pin]);
	must(known);
	must(msg->delivery != APIC_STARTUP && msg->delivery != APIC_RESERVED);
	must(msg->shorthand == APIC_DEST_FIELD && !msg->wide && msg->dest < 0x8000);
	w->sent++;
	return w->lapics_take;
}

static void routed(void *ctx, uint32_t gsi, const struct apic_message *msg)
{
	struct world *w = ctx;

	must(gsi >= 48 && gsi < 48 + IOAPIC_PINS);
	w->routed[gsi - 48] = msg;
	if (msg)
		w->route[gsi - 48] = *msg;
}

static uint32_t read_indirect(struct world *w, uint32_t index)
{
	uint64_t select = 0, value = 0;

	must(ioapic_class.read(w->dev, 0, 4, &select));
	must(ioapic_class.write(w->dev, 0, 4, index));
	must(ioapic_class.read(w->dev, 0x10, 4, &value));
	must(ioapic_class.write(w->dev, 0, 4, select));
	must(value >> 32 == 0);
	return (uint32_t)value;
}

static uint64_t read_entry(struct world *w, unsigned int pin)
{
	return read_indirect(w, 0x10 + 2 * pin) | (uint64_t)read_indirect(w, 0x11 + 2 * pin) << 32;
}

static void check(struct world *w)
{
	must(read_indirect(w, 1) == (0x20 | (IOAPIC_PINS - 1) << 16));
	must((read_indirect(w, 0) & ~0x0f000000u) == 0);
	must(read_indirect(w, 2) == read_indirect(w, 0));
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		uint64_t rte = read_entry(w, pin);
		unsigned int mode = (rte & RTE_MODE) >> 8;

		must((rte & RTE_RESERVED) == 0);
		if (rte & RTE_REMOTE_IRR)
			must((rte & RTE_LEVEL) && mode <= APIC_LOWEST);
		/* A masked pin has a route only while the EOI of what it sent is awaited. */
		if ((rte & RTE_MASKED) && !(rte & RTE_REMOTE_IRR))
			must(!w->routed[pin]);
		if (!(rte & RTE_MASKED) && mode != APIC_STARTUP && mode != APIC_RESERVED)
			must(w->routed[pin] && w->route[pin].vector == (rte & 0xff));
	}
}

static void access_registers(struct world *w)
{
	static const uint16_t offsets[] = { 0x00, 0x10, 0x40 };
	uint8_t how = (uint8_t)take(&w->in, 1);
	uint64_t offset = how & 0x40 ? take_below(&w->in, IOAPIC_WINDOW) : offsets[how % 3];
	unsigned int size = how & 0x20 ? 1u << (how >> 2 & 3) : 4;
	uint64_t value = 0;

	if (offset + size > IOAPIC_WINDOW)
		return;
	if (how & 0x80) {
		if (ioapic_class.read(w->dev, offset, size, &value))
			must(size == 8 || value >> 8 * size == 0);
	} else {
		ioapic_class.write(w->dev, offset, size, take_value(&w->in));
	}
}

/* Both halves at once, in the order that kernels use. */
static void write_entry(struct world *w)
{
	uint32_t index = 0x10 + 2 * take_below(&w->in, IOAPIC_PINS);
	uint64_t low = take(&w->in, 3), high = take(&w->in, 1) << 24;

	ioapic_class.write(w->dev, 0, 4, index + 1);
	ioapic_class.write(w->dev, 0x10, 4, high);
	ioapic_class.write(w->dev, 0, 4, index);
	ioapic_class.write(w->dev, 0x10, 4, low);
}

static void set_line(struct world *w)
{
	uint8_t how = (uint8_t)take(&w->in, 1);
	uint32_t pin = how & 31;
	uint64_t before = pin < IOAPIC_PINS ? read_entry(w, pin) : RTE_MASKED;
	unsigned int sent = w->sent;
	bool level = how & 0x80, was = w->lines >> pin & 1;

	ioapic_set_line(w->dev, pin, level);
	w->lines = (w->lines & ~(1ULL << pin)) | (uint64_t)level << pin;

	/* A message at most, and none without a rising line, of a masked pin, or before the EOI. */
	must(w->sent - sent <= 1);
	if (!level || was || (before & (RTE_MASKED | RTE_REMOTE_IRR)))
		must(w->sent == sent);
}

static void end_of_interrupt(struct world *w)
{
	uint8_t vector = (uint8_t)take(&w->in, 1);
	uint64_t before[IOAPIC_PINS];
	unsigned int sent = w->sent;

	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++)
		before[pin] = read_entry(w, pin);
	ioapic_eoi(w->dev, vector);
	for (unsigned int pin = 0; pin < IOAPIC_PINS; pin++) {
		uint64_t after = read_entry(w, pin);
		bool ended = (before[pin] & RTE_REMOTE_IRR) && (before[pin] & 0xff) == vector;
		bool again = ended && !(before[pin] & RTE_MASKED) && (w->lines >> pin & 1);

		/* Sent again while the line is high; all other pins are as they were. */
		must(after == (!ended                    ? before[pin]
			       : again && w->lapics_take ? before[pin]
							 : before[pin] & ~RTE_REMOTE_IRR));
		sent += again;
	}
	must(w->sent == sent);
}

static void save_and_load(struct world *w)
{
	struct ioapic_state state, again;
	struct err err;
	unsigned int sent = w->sent;

	ioapic_save(w->dev, &state);
	must(state.lines == (w->lines & ((1u << IOAPIC_PINS) - 1)));
	must(ioapic_load(w->dev, &state, &err) == 0);
	ioapic_save(w->dev, &again);
	must(memcmp(&state, &again, sizeof(state)) == 0);

	/* A state from a stranger: refused and nothing has changed, or taken and as good as any. */
	for (uint32_t n = take_below(&w->in, 4); n; n--) {
		uint32_t at = take_below(&w->in, sizeof(state));

		((uint8_t *)&state)[at] ^= (uint8_t)take(&w->in, 1);
	}
	if (ioapic_load(w->dev, &state, &err) == 0) {
		w->lines = state.lines;
		ioapic_save(w->dev, &again);
		must(memcmp(&state, &again, sizeof(state)) == 0);
	} else {
		ioapic_save(w->dev, &state);
		must(memcmp(&state, &again, sizeof(state)) == 0);
	}
	must(w->sent == sent);
}

static void step(struct world *w)
{
	switch (take_below(&w->in, 8)) {
	case 0:
	case 1:
		access_registers(w);
		break;
	case 2:
		write_entry(w);
		break;
	case 3:
	case 4:
		set_line(w);
		break;
	case 5:
		end_of_interrupt(w);
		break;
	case 6:
		w->lapics_take = take(&w->in, 1) & 3;
		break;
	default:
		save_and_load(w);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ioapic_desc place = { .base = 0xfec02000, .id = 2, .gsi_base = 48, .pins = IOAPIC_PINS };
	struct world w = { .in = { data, size }, .lapics_take = true };
	const struct ioapic_bus bus = { .deliver = deliver, .routed = routed, .ctx = &w };
	struct fuzz_clock clock;
	struct device_host host = { .clock = &clock.clock };
	struct err err;

	fuzz_clock_init(&clock);
	must(device_create(&w.dev, &ioapic_class, &host, (struct irq_line){ 0 }, 0, &err) == 0);
	ioapic_connect(w.dev, &place, &bus);
	check(&w);
	while (w.in.left) {
		step(&w);
		check(&w);
	}
	device_destroy(w.dev);
	return 0;
}
