// SPDX-License-Identifier: BSD-2-Clause
/*
 * The interrupt system of several processors: guests at the registers of their LAPICs by both front
 * ends, at the I/O APICs and IA32_APIC_BASE, messages of every kind, lines, MSIs, and time. What must
 * hold of each LAPIC after every operation is from the Intel SDM, volume 3, chapter "Advanced
 * Programmable Interrupt Controller (APIC)".
 */
#include "devices/apic.h"
#include "tests/fuzz/fuzz.h"

#define CPUS    3
#define IOAPICS 2

#define BASE_FLAGS (APIC_BASE_ENABLE | APIC_BASE_X2APIC)

/* The 256 bits of IRR, ISR or TMR. */
struct vectors {
	uint32_t word[8];
};

/* A LAPIC as its processor sees it, and how the last operation left it. */
struct cpu {
	struct lapic *lapic;
	struct world *world;
	unsigned int kicks;
	uint64_t base;

	struct vectors irr;
	bool enabled;
	unsigned int kicks_before;
	bool foreign; /* its state is a stranger's: it may have more of a class in service */
};

struct world {
	struct input in;
	struct fuzz_clock clock;
	struct apic *apic;
	struct cpu cpu[CPUS];
	uint64_t tsc;
	uint32_t tsc_khz;
};

/* --- registers, by the front end that is on --- */

static bool present(const struct cpu *cpu)
{
	return cpu->base & APIC_BASE_ENABLE;
}

static bool x2apic(const struct cpu *cpu)
{
	return cpu->base & APIC_BASE_X2APIC;
}

static uint32_t reg(struct cpu *cpu, uint32_t offset)
{
	uint64_t value = 0;

	if (!x2apic(cpu))
		value = lapic_mmio_read(cpu->lapic, offset, 4);
	else
		must(lapic_msr_read(cpu->lapic, X2APIC_MSR_FIRST + offset / 16, &value));
	return (uint32_t)value;
}

static struct vectors vectors(struct cpu *cpu, uint32_t set)
{
	struct vectors v;

	for (uint32_t i = 0; i < 8; i++)
		v.word[i] = reg(cpu, set + 16 * i);
	return v;
}

static int highest(const struct vectors *v)
{
	for (int vector = 255; vector >= 0; vector--)
		if (v->word[vector / 32] >> vector % 32 & 1)
			return vector;
	return -1;
}

/* --- what must hold --- */

/* Section "Task and Processor Priorities". */
static void check_priorities(struct cpu *cpu, const struct vectors *irr, const struct vectors *isr)
{
	int irrv = highest(irr), isrv = highest(isr);
	uint32_t tpr = reg(cpu, LAPIC_TPR), ppr = reg(cpu, LAPIC_PPR);
	uint32_t served = isrv < 0 ? 0 : (uint32_t)isrv & 0xf0;

	must(ppr == ((tpr & 0xf0) >= served ? tpr : served));
	must(lapic_cr8(cpu->lapic) == tpr >> 4);
	must(lapic_priority(cpu->lapic) == ppr);
	must(lapic_pending(cpu->lapic) == (irrv >= 0 && (irrv & 0xf0) > (int)(ppr & 0xf0) ? irrv : -1));
}

/* Vectors 0 to 15 are illegal, and of each class at most one is in service. */
static void check_vectors(const struct cpu *cpu, const struct vectors *irr, const struct vectors *isr,
			  const struct vectors *tmr)
{
	must(((irr->word[0] | isr->word[0] | tmr->word[0]) & 0xffff) == 0);
	for (unsigned int n = 1; n < 16 && !cpu->foreign; n++)
		must(__builtin_popcount(isr->word[n / 2] >> n % 2 * 16 & 0xffff) <= 1);
}

/* Figures of the registers in the chapter: reserved bits, and status bits that are always idle. */
static void check_reserved_bits(struct cpu *cpu)
{
	static const struct {
		uint32_t offset, may_be_set;
	} bits[] = {
		{ LAPIC_TPR, 0xff },          { LAPIC_SVR, 0x13ff },        { LAPIC_ESR, 0xe0 },
		{ LAPIC_LVT_CMCI, 0x107ff },  { LAPIC_ICR_LOW, 0xccfff },   { LAPIC_LVT_TIMER, 0x700ff },
		{ LAPIC_LVT_THERM, 0x107ff }, { LAPIC_LVT_PERF, 0x107ff },  { LAPIC_LVT_LINT0, 0x1e7ff },
		{ LAPIC_LVT_LINT1, 0x1e7ff }, { LAPIC_LVT_ERROR, 0x100ff }, { LAPIC_TIMER_DCR, 0xb },
	};

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		must((reg(cpu, bits[i].offset) & ~bits[i].may_be_set) == 0);
	if (!cpu->world->tsc_khz)
		must((reg(cpu, LAPIC_LVT_TIMER) & 1u << 18) == 0);
}

/* Section "Deriving Logical x2APIC ID from the Local x2APIC ID"; and what only the xAPIC has. */
static void check_identity(struct cpu *cpu)
{
	uint32_t id = (uint32_t)(cpu - cpu->world->cpu);

	if (x2apic(cpu)) {
		must(reg(cpu, LAPIC_ID) == id);
		must(reg(cpu, LAPIC_LDR) == ((id >> 4) << 16 | 1u << (id & 15)));
		return;
	}
	must((reg(cpu, LAPIC_ID) & 0x00ffffff) == 0);
	must((reg(cpu, LAPIC_LDR) & 0x00ffffff) == 0);
	must((reg(cpu, LAPIC_DFR) & 0x0fffffff) == 0x0fffffff);
	must((reg(cpu, LAPIC_ICR_HIGH) & 0x00ffffff) == 0);
}

/* Section "Local APIC State After It Has Been Software Disabled". */
static void check_disabled(struct cpu *cpu)
{
	if (reg(cpu, LAPIC_SVR) & LAPIC_SVR_ENABLE)
		return;
	must(reg(cpu, LAPIC_LVT_CMCI) & LAPIC_LVT_MASKED);
	for (uint32_t offset = LAPIC_LVT_TIMER; offset <= LAPIC_LVT_ERROR; offset += 16)
		must(reg(cpu, offset) & LAPIC_LVT_MASKED);
}

/* Section "APIC Timer". */
static void check_timer(struct cpu *cpu)
{
	struct world *w = cpu->world;
	uint64_t next = lapic_run_timer(cpu->lapic), tsc_deadline = 0;
	uint32_t lvt = reg(cpu, LAPIC_LVT_TIMER), mode = lvt >> 17 & 3;

	must(next > w->clock.now);
	must(!(lvt & LAPIC_LVT_MASKED) || next == CLOCK_NEVER);
	must(reg(cpu, LAPIC_TIMER_CCR) <= reg(cpu, LAPIC_TIMER_ICR));
	must(lapic_msr_read(cpu->lapic, LAPIC_MSR_TSC_DEADLINE, &tsc_deadline) == (w->tsc_khz != 0));
	if (mode == LAPIC_TIMER_DEADLINE)
		must(reg(cpu, LAPIC_TIMER_CCR) == 0);
	else
		must(tsc_deadline == 0);
}

/* What came was let in, and the processor heard of it. */
static void check_delivery(struct cpu *cpu, const struct vectors *irr)
{
	uint32_t came = 0;

	for (unsigned int i = 0; i < 8; i++)
		came |= irr->word[i] & ~cpu->irr.word[i];
	if (came) {
		must(cpu->enabled);
		must(cpu->kicks != cpu->kicks_before);
	}
	cpu->irr = *irr;
	cpu->enabled = lapic_enabled(cpu->lapic);
	cpu->kicks_before = cpu->kicks;
}

static void check(struct cpu *cpu)
{
	struct vectors irr, isr, tmr;

	must(cpu->lapic->base == cpu->base);
	if (!present(cpu)) {
		must(lapic_pending(cpu->lapic) < 0);
		must(!lapic_enabled(cpu->lapic));
		must(lapic_run_timer(cpu->lapic) == CLOCK_NEVER);
		cpu->irr = (struct vectors){ 0 };
		cpu->enabled = false;
		return;
	}
	check_timer(cpu); /* first, for it may raise an interrupt */
	irr = vectors(cpu, LAPIC_IRR);
	isr = vectors(cpu, LAPIC_ISR);
	tmr = vectors(cpu, LAPIC_TMR);
	check_vectors(cpu, &irr, &isr, &tmr);
	check_priorities(cpu, &irr, &isr);
	check_reserved_bits(cpu);
	check_identity(cpu);
	check_disabled(cpu);
	check_delivery(cpu, &irr);
}

/* --- what a processor can do --- */

static void access_page(struct cpu *cpu)
{
	struct world *w = cpu->world;
	uint8_t how = (uint8_t)take(&w->in, 1);
	uint32_t offset = how & 0x40 ? take_below(&w->in, LAPIC_PAGE_SIZE) : (how & 0x3f) * 16u;
	unsigned int size = how & 0x40 && how & 0x20 ? 1u + (how & 7) : 4;
	bool write = how & 0x80;
	uint64_t value;

	if (!lapic_at(cpu->lapic, cpu->base & APIC_BASE_ADDR)) {
		must(!present(cpu) || x2apic(cpu));
		return;
	}
	if (write) {
		lapic_mmio_write(cpu->lapic, offset, size, take_value(&w->in));
		return;
	}
	value = lapic_mmio_read(cpu->lapic, offset, size);
	must(size == 8 || value >> 8 * size == 0);
	if (size == 4 && offset % 16 < 4) /* the bytes it covers */
		must(value == lapic_mmio_read(cpu->lapic, offset & ~15u, 4) >> 8 * (offset % 16));
}

static void access_msr(struct cpu *cpu)
{
	struct world *w = cpu->world;
	uint8_t how = (uint8_t)take(&w->in, 1);
	uint32_t index = how & 0x40 ? (uint32_t)take(&w->in, 2) : X2APIC_MSR_FIRST + (how & 0x3f);
	uint64_t value = 0;
	bool allowed;

	if (how == 0x7f || how == 0xff)
		index = LAPIC_MSR_TSC_DEADLINE;
	if (how & 0x80) {
		value = take_value(&w->in);
		allowed = lapic_msr_write(cpu->lapic, index, value);
		/* Section "x2APIC Register Address Space": but for the ICR, bits 63:32 are reserved. */
		if (index >= X2APIC_MSR_FIRST && index != 0x830)
			must(!allowed || value >> 32 == 0);
	} else {
		allowed = lapic_msr_read(cpu->lapic, index, &value);
		if (index >= X2APIC_MSR_FIRST && index != 0x830)
			must(value >> 32 == 0);
	}
	if (index != LAPIC_MSR_TSC_DEADLINE)
		must(!allowed || x2apic(cpu));
}

/* A write to IA32_APIC_BASE that KVM lets pass: section "x2APIC State Transitions". */
static void change_base(struct cpu *cpu)
{
	uint8_t how = (uint8_t)take(&cpu->world->in, 1);
	uint64_t page = how & 0x80 ? 0xfee00000ULL : take(&cpu->world->in, 5) & APIC_BASE_ADDR;
	uint64_t flags = (how & 3) == 3 ? BASE_FLAGS : how & 1 ? APIC_BASE_ENABLE : 0;

	if (x2apic(cpu) && flags == APIC_BASE_ENABLE)
		return;
	if (!present(cpu) && flags == BASE_FLAGS)
		return;
	cpu->base = page | flags | (cpu->base & APIC_BASE_BSP);
	lapic_set_base(cpu->lapic, cpu->base);
}

/* Section "Interrupt Acceptance for Fixed Interrupts": from IRR to ISR. */
static void take_interrupt(struct cpu *cpu)
{
	int vector = lapic_pending(cpu->lapic);
	struct vectors irr, isr;

	if (vector < 0)
		return;
	lapic_acknowledge(cpu->lapic, (uint8_t)vector);
	irr = vectors(cpu, LAPIC_IRR);
	isr = vectors(cpu, LAPIC_ISR);
	must(!(irr.word[vector / 32] >> vector % 32 & 1));
	must(highest(&isr) == vector);
}

/* Section "Signaling Interrupt Servicing Completion": the highest bit of the ISR goes, no other. */
static void end_interrupt(struct cpu *cpu)
{
	struct vectors before, after;
	int vector;

	if (!present(cpu))
		return;
	before = vectors(cpu, LAPIC_ISR);
	vector = highest(&before);
	if (x2apic(cpu))
		must(lapic_msr_write(cpu->lapic, X2APIC_MSR_FIRST + LAPIC_EOI / 16, 0));
	else
		lapic_mmio_write(cpu->lapic, LAPIC_EOI, 4, 0);
	if (vector >= 0)
		before.word[vector / 32] &= ~(1u << vector % 32);
	after = vectors(cpu, LAPIC_ISR);
	must(memcmp(&before, &after, sizeof(before)) == 0);
}

/* Section "Local APIC State After It Receives an INIT Reset". */
static void check_reset(struct cpu *cpu)
{
	const struct vectors none = { 0 };
	struct vectors irr = vectors(cpu, LAPIC_IRR), isr = vectors(cpu, LAPIC_ISR);

	must(memcmp(&irr, &none, sizeof(none)) == 0 && memcmp(&isr, &none, sizeof(none)) == 0);
	must(reg(cpu, LAPIC_SVR) == 0xff && reg(cpu, LAPIC_TPR) == 0 && reg(cpu, LAPIC_ESR) == 0);
	must(reg(cpu, LAPIC_TIMER_ICR) == 0 && reg(cpu, LAPIC_TIMER_CCR) == 0);
	must(reg(cpu, LAPIC_LVT_TIMER) == LAPIC_LVT_MASKED);
	if (!x2apic(cpu))
		must(reg(cpu, LAPIC_LDR) == 0 && reg(cpu, LAPIC_DFR) == 0xffffffff);
}

static void take_events(struct cpu *cpu)
{
	uint8_t vector = 0;
	uint32_t events = lapic_take_events(cpu->lapic, &vector);

	must((events & ~(uint32_t)(LAPIC_EVENT_NMI | LAPIC_EVENT_INIT | LAPIC_EVENT_SIPI)) == 0);
	must(lapic_take_events(cpu->lapic, &vector) == 0);
	if ((events & LAPIC_EVENT_INIT) && present(cpu)) {
		lapic_init_reset(cpu->lapic);
		check_reset(cpu);
	}
}

static void set_cr8(struct cpu *cpu)
{
	uint8_t cr8 = take(&cpu->world->in, 1) & 15;

	lapic_set_cr8(cpu->lapic, cr8);
	must(lapic_cr8(cpu->lapic) == cr8);
}

/* A round trip changes nothing; a broken state is refused without a trace, or as good as any. */
static void save_and_load(struct cpu *cpu)
{
	struct input *in = &cpu->world->in;
	struct lapic_state state, again;
	struct err err;
	int ret;

	lapic_save(cpu->lapic, &state);
	must(lapic_load(cpu->lapic, &state, &err) == 0);
	lapic_save(cpu->lapic, &again);
	/* The TSC may have been moved past the deadline since it was armed; a load sees that. */
	must(!memcmp(&state, &again, sizeof(state)) ||
	     (state.tsc_deadline && state.tsc_deadline <= cpu->world->tsc));

	for (uint32_t n = take_below(in, 4); n; n--) {
		uint32_t at = take_below(in, sizeof(state));

		((uint8_t *)&state)[at] ^= (uint8_t)take(in, 1);
	}
	ret = lapic_load(cpu->lapic, &state, &err);
	if (ret) {
		lapic_save(cpu->lapic, &state);
		must(!memcmp(&state, &again, sizeof(state)));
	} else if (memcmp(&state, &again, sizeof(state))) {
		cpu->foreign = true;
		cpu->base = cpu->lapic->base;
		cpu->enabled = lapic_enabled(cpu->lapic);
		cpu->irr = present(cpu) ? vectors(cpu, LAPIC_IRR) : (struct vectors){ 0 };
	}
}

/* --- what comes from outside --- */

/* A message straight to one LAPIC. */
static void accept(struct cpu *cpu)
{
	uint8_t how = (uint8_t)take(&cpu->world->in, 1), vector = (uint8_t)take(&cpu->world->in, 1);
	enum apic_delivery delivery = how & 7;
	bool enabled = lapic_enabled(cpu->lapic), accepted;

	accepted = lapic_accept(cpu->lapic, delivery, vector, how & 8);
	if (!present(cpu)) {
		must(!accepted);
	} else if (delivery == APIC_FIXED || delivery == APIC_LOWEST) {
		must(accepted == (enabled && vector >= 16));
		if (accepted)
			must(reg(cpu, LAPIC_IRR + vector / 32 * 16) >> vector % 32 & 1);
		if (accepted)
			must((reg(cpu, LAPIC_TMR + vector / 32 * 16) >> vector % 32 & 1) == !!(how & 8));
	} else {
		must(accepted == (delivery >= APIC_NMI && delivery <= APIC_STARTUP));
	}
}

static void send_msi(struct world *w)
{
	uint8_t how = (uint8_t)take(&w->in, 1);
	uint64_t addr = how & 0x80 ? take(&w->in, 8) : 0xfee00000ULL | (how & 0x0c) | take(&w->in, 1) << 12;

	w->apic->chip.ops->send_msi(&w->apic->chip, addr, (uint32_t)take(&w->in, how & 0x40 ? 4 : 2), 0);
}

static void access_ioapic(struct world *w)
{
	static const uint16_t offsets[] = { 0x00, 0x10, 0x10, 0x40 };
	uint8_t how = (uint8_t)take(&w->in, 1);
	struct device *dev = w->apic->ioapics.dev[how & 1];
	uint64_t value;

	if (how & 0x80)
		ioapic_class.write(dev, offsets[how >> 1 & 3], 4, take_value(&w->in));
	else
		ioapic_class.read(dev, offsets[how >> 1 & 3], 4, &value);
}

/* An entry in one operation: vector and mode, flags, destination. */
static void write_entry(struct world *w)
{
	uint32_t pin = take_below(&w->in, IOAPICS * IOAPIC_PINS);
	struct device *dev = w->apic->ioapics.dev[pin / IOAPIC_PINS];
	uint32_t index = 0x10 + 2 * (pin % IOAPIC_PINS);

	ioapic_class.write(dev, 0, 4, index + 1);
	ioapic_class.write(dev, 0x10, 4, take(&w->in, 1) << 24);
	ioapic_class.write(dev, 0, 4, index);
	ioapic_class.write(dev, 0x10, 4, take(&w->in, 2));
}

static void set_line(struct world *w)
{
	uint8_t how = (uint8_t)take(&w->in, 1);

	w->apic->chip.ops->set_line(&w->apic->chip, how & 0x7f, how & 0x80);
}

static void pass_time(struct world *w)
{
	w->tsc += 2 * fuzz_clock_step(&w->clock, &w->in);
}

static void step(struct world *w)
{
	uint8_t what = (uint8_t)take(&w->in, 1);
	struct cpu *cpu = &w->cpu[(what >> 4) % CPUS];

	switch (what & 15) {
	case 0:
		set_line(w);
		break;
	case 1:
		send_msi(w);
		break;
	case 2:
		accept(cpu);
		break;
	case 3:
		access_ioapic(w);
		break;
	case 4:
		write_entry(w);
		break;
	case 5:
		pass_time(w);
		break;
	case 6:
		set_cr8(cpu);
		break;
	case 7:
		take_interrupt(cpu);
		break;
	case 8:
		take_events(cpu);
		break;
	case 9:
		end_interrupt(cpu);
		break;
	case 10:
		change_base(cpu);
		break;
	case 11:
		access_msr(cpu);
		break;
	case 12:
		save_and_load(cpu);
		break;
	default:
		access_page(cpu);
	}
}

/* --- the machine --- */

static void kick(void *arg)
{
	((struct cpu *)arg)->kicks++;
}

static uint64_t read_tsc(void *arg)
{
	return ((struct cpu *)arg)->world->tsc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct apic_rates rates[] = {
		{ 325000000, 2600000 }, { 1000000000, 0 }, { 1, 1 }, { 1000000000, UINT32_MAX }
	};
	struct world w = { .in = { data, size } };
	const struct apic_rates *rate = &rates[take(&w.in, 1) & 3];
	struct device_host host = { .clock = &w.clock.clock };
	struct err err;

	fuzz_clock_init(&w.clock);
	w.tsc_khz = rate->tsc_khz;
	must(apic_create(&w.apic, CPUS, IOAPICS * IOAPIC_PINS, &host, *rate, &err) == 0);
	for (unsigned int i = 0; i < CPUS; i++) {
		struct cpu *cpu = &w.cpu[i];

		cpu->world = &w;
		cpu->lapic = apic_attach(w.apic, i, kick, read_tsc, cpu);
		cpu->base = cpu->lapic->base;
		check_reset(cpu);
	}
	while (w.in.left) {
		step(&w);
		for (unsigned int i = 0; i < CPUS; i++)
			check(&w.cpu[i]);
	}
	apic_destroy(w.apic);
	return 0;
}
