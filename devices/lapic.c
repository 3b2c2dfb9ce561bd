// SPDX-License-Identifier: BSD-2-Clause
/*
 * The local APIC: acceptance, priorities, end of interrupt, IPIs. The register file is in
 * lapic_regs.c, the timer in lapic_timer.c. Sections cited are of the Intel SDM, volume 3, chapter
 * "Advanced Programmable Interrupt Controller (APIC)".
 */
#include "devices/lapic.h"

#include "devices/lapic_internal.h"
#include "devices/trace.h"
#define LOG_AREA AREA_IRQ
#include "kvm/log.h"

#define ICR_LOGICAL (1u << 11)
#define ICR_ASSERT  (1u << 14)
#define ICR_LEVEL   (1u << 15)

bool lapic_bit(const struct lapic *lapic, uint32_t set, uint8_t vector)
{
	return lapic_get(lapic, set + (vector / 32) * 16) >> (vector % 32) & 1;
}

int lapic_highest(const struct lapic *lapic, uint32_t set)
{
	for (int i = 7; i >= 0; i--) {
		uint32_t bits = atomic_load_explicit(&lapic->reg[(set >> 4) + i], memory_order_acquire);

		if (bits)
			return i * 32 + 31 - __builtin_clz(bits);
	}
	return -1;
}

/* Section "Task and Processor Priorities". `isr`: the eight registers. */
uint32_t lapic_compute_ppr(const uint32_t *isr, uint32_t tpr)
{
	for (uint32_t i = 8; i-- > 0;) {
		uint32_t isrv = isr[i] ? (i * 32 + 31 - (uint32_t)__builtin_clz(isr[i])) & 0xf0 : 0;

		if (isr[i])
			return (tpr & 0xf0) >= isrv ? tpr : isrv;
	}
	return tpr;
}

static void update_ppr(struct lapic *lapic)
{
	uint32_t isr[8];

	for (uint32_t i = 0; i < 8; i++)
		isr[i] = lapic_get(lapic, LAPIC_ISR + 16 * i);
	lapic_set(lapic, LAPIC_PPR, lapic_compute_ppr(isr, lapic_get(lapic, LAPIC_TPR)));
}

/* Section "Deriving Logical x2APIC ID from the Local x2APIC ID". */
uint32_t lapic_logical_id(uint32_t id)
{
	return id >> 4 << 16 | 1u << (id & 15);
}

static void reset(struct lapic *lapic, bool init)
{
	lapic_timer_stop(lapic);
	lapic_reset_registers(lapic, init);
	atomic_store(&lapic->errors, 0);
}

void lapic_init(struct lapic *lapic, uint32_t id, bool bsp, const struct lapic_host *host,
		struct clock *clock, uint32_t timer_hz, uint32_t tsc_khz)
{
	*lapic = (struct lapic){
		.host = *host,
		.clock = clock,
		.initial_id = id,
		.timer_hz = timer_hz,
		.tsc_khz = tsc_khz,
		.base = 0xfee00000 | APIC_BASE_ENABLE | (bsp ? APIC_BASE_BSP : 0),
	};
	reset(lapic, false);
}

void lapic_init_reset(struct lapic *lapic)
{
	reset(lapic, true);
	lapic->pv_eoi = 0; /* as KVM's own LAPIC has it */
}

/* Who sees the value, by get_published(), sees all that was done before. */
static void set_published(struct lapic *lapic, uint32_t offset, uint32_t value)
{
	atomic_store_explicit(&lapic->reg[offset >> 4], value, memory_order_release);
}

static uint32_t get_published(const struct lapic *lapic, uint32_t offset)
{
	return atomic_load_explicit(&lapic->reg[offset >> 4], memory_order_acquire);
}

void lapic_set_base(struct lapic *lapic, uint64_t base)
{
	uint64_t old = atomic_exchange_explicit(&lapic->base, base, memory_order_relaxed);

	if (base == old)
		return;

	/* Section "Enabling or Disabling the Local APIC": a global disable loses all state. */
	if ((old & APIC_BASE_ENABLE) && !(base & APIC_BASE_ENABLE)) {
		reset(lapic, false);
		return;
	}

	/*
	 * Section "x2APIC State Transitions": ID, LDR and the high half of the ICR are not kept, the rest
	 * of the state is.
	 */
	if (!(old & APIC_BASE_X2APIC) && (base & APIC_BASE_X2APIC)) {
		set_published(lapic, LAPIC_ID, lapic->initial_id);
		set_published(lapic, LAPIC_LDR, lapic_logical_id(lapic->initial_id));
		lapic_set(lapic, LAPIC_ICR_HIGH, 0);
	}
}

bool lapic_base_allowed(const struct lapic *lapic, uint64_t base)
{
	const uint64_t modes = APIC_BASE_ENABLE | APIC_BASE_X2APIC;
	uint64_t from = atomic_load(&lapic->base) & modes, to = base & modes;

	if (base & ~(APIC_BASE_ADDR | APIC_BASE_BSP | modes))
		return false;
	if (to == APIC_BASE_X2APIC)
		return false; /* a mode that is not there */
	if (from == modes && to == APIC_BASE_ENABLE)
		return false;       /* out of x2APIC mode only by being disabled */
	return from || to != modes; /* and into it only from xAPIC mode */
}

bool lapic_at(const struct lapic *lapic, uint64_t addr)
{
	uint64_t base = atomic_load_explicit(&lapic->base, memory_order_relaxed);

	return (base & APIC_BASE_ENABLE) && !(base & APIC_BASE_X2APIC) &&
	       addr - (base & APIC_BASE_ADDR) < LAPIC_PAGE_SIZE;
}

bool lapic_enabled(const struct lapic *lapic)
{
	return lapic_present(lapic) && (lapic_get(lapic, LAPIC_SVR) & LAPIC_SVR_ENABLE);
}

uint8_t lapic_priority(const struct lapic *lapic)
{
	return (uint8_t)lapic_get(lapic, LAPIC_PPR);
}

int lapic_pending(const struct lapic *lapic)
{
	int vector;

	/* Section "Local APIC State After It Has Been Software Disabled": the SVR keeps new
	 * interrupts out; those that were accepted before still go to the processor. */
	if (!lapic_present(lapic))
		return -1;
	vector = lapic_highest(lapic, LAPIC_IRR);
	if (vector < 0 || ((uint32_t)vector & 0xf0) <= (lapic_get(lapic, LAPIC_PPR) & 0xf0))
		return -1;
	return vector;
}

void lapic_acknowledge(struct lapic *lapic, uint8_t vector)
{
	uint32_t bit = 1u << (vector % 32);
	unsigned int word = vector / 32;

	trace_inject(lapic->initial_id, vector);
	atomic_fetch_and(&lapic->reg[(LAPIC_IRR >> 4) + word], ~bit);
	lapic_set(lapic, LAPIC_ISR + word * 16, lapic_get(lapic, LAPIC_ISR + word * 16) | bit);
	update_ppr(lapic);
}

/* Section "Signaling Interrupt Servicing Completion". */
void lapic_end_of_interrupt(struct lapic *lapic)
{
	int vector = lapic_highest(lapic, LAPIC_ISR);
	uint32_t offset;

	if (vector < 0)
		return;
	trace_eoi(lapic->initial_id, (uint8_t)vector);
	offset = LAPIC_ISR + ((uint32_t)vector / 32) * 16;
	lapic_set(lapic, offset, lapic_get(lapic, offset) & ~(1u << (vector % 32)));
	update_ppr(lapic);

	if (!lapic_bit(lapic, LAPIC_TMR, (uint8_t)vector))
		return;
	lapic_lvt_eoi(lapic, (uint8_t)vector);
	if (!(lapic_get(lapic, LAPIC_SVR) & LAPIC_SVR_NO_BROADCAST))
		lapic->host.eoi(lapic->host.bus, (uint8_t)vector);
}

uint8_t lapic_cr8(const struct lapic *lapic)
{
	return (uint8_t)(lapic_get(lapic, LAPIC_TPR) >> 4);
}

void lapic_set_cr8(struct lapic *lapic, uint8_t cr8)
{
	if (cr8 != lapic_cr8(lapic))
		lapic_set(lapic, LAPIC_TPR, (uint32_t)(cr8 & 15) << 4);
	update_ppr(lapic);
}

/*
 * Section "Error Handling". The first error since the guest last wrote ESR interrupts; that write arms
 * it anew.
 */
void lapic_error(struct lapic *lapic, uint32_t bits)
{
	if (!atomic_fetch_or(&lapic->errors, bits))
		lapic_local_interrupt(lapic, LAPIC_LVT_ERROR);
}

uint32_t lapic_take_events(struct lapic *lapic, uint8_t *sipi_vector)
{
	uint32_t events;

	if (!atomic_load_explicit(&lapic->events, memory_order_relaxed))
		return 0;
	/* Pins and errors first: what they cause may be an event itself. */
	if (atomic_fetch_and(&lapic->events, ~LAPIC_EVENT_LINT) & LAPIC_EVENT_LINT)
		lapic_lvt_look(lapic);
	if (atomic_fetch_and(&lapic->events, ~LAPIC_EVENT_ERROR) & LAPIC_EVENT_ERROR)
		lapic_local_interrupt(lapic, LAPIC_LVT_ERROR);
	/* Not all of it: senders may have come meanwhile with what the owner has yet to look at. */
	events = atomic_fetch_and(&lapic->events, LAPIC_EVENT_LINT | LAPIC_EVENT_ERROR);
	*sipi_vector = (uint8_t)(events >> LAPIC_EVENT_SIPI_SHIFT);
	return events & (LAPIC_EVENT_NMI | LAPIC_EVENT_INIT | LAPIC_EVENT_SIPI);
}

/* As lapic_error(), from any thread: the error LVT is for the owner's thread to look at. */
static void report_illegal_vector(struct lapic *lapic)
{
	if (atomic_fetch_or(&lapic->errors, LAPIC_ESR_RECV_ILLEGAL))
		return;
	atomic_fetch_or(&lapic->events, LAPIC_EVENT_ERROR);
	lapic->host.kick(lapic->host.cpu);
}

static bool accept_fixed(struct lapic *lapic, uint8_t vector, bool level)
{
	unsigned int word = vector / 32;
	uint32_t bit = 1u << (vector % 32);

	if (!lapic_enabled(lapic))
		return false;
	if (vector < 16) {
		report_illegal_vector(lapic);
		return false;
	}

	/* TMR before IRR: who sees the request must see how it was triggered. */
	if (level)
		atomic_fetch_or(&lapic->reg[(LAPIC_TMR >> 4) + word], bit);
	else
		atomic_fetch_and(&lapic->reg[(LAPIC_TMR >> 4) + word], ~bit);

	trace_accept(lapic->initial_id, APIC_FIXED, vector);
	/* A bit that was set already has its kick under way. */
	if (!(atomic_fetch_or(&lapic->reg[(LAPIC_IRR >> 4) + word], bit) & bit))
		lapic->host.kick(lapic->host.cpu);
	return true;
}

static void post_init(struct lapic *lapic)
{
	uint32_t old = atomic_load(&lapic->events);

	while (!atomic_compare_exchange_weak(&lapic->events, &old,
					     (old & LAPIC_EVENT_LINT) | LAPIC_EVENT_INIT))
		;
}

/* Of several SIPIs the first one starts the processor. */
static void post_sipi(struct lapic *lapic, uint8_t vector)
{
	uint32_t sipi = LAPIC_EVENT_SIPI | (uint32_t)vector << LAPIC_EVENT_SIPI_SHIFT;
	uint32_t old = atomic_load(&lapic->events);

	while (!(old & LAPIC_EVENT_SIPI) && !atomic_compare_exchange_weak(&lapic->events, &old, old | sipi))
		;
}

bool lapic_accept(struct lapic *lapic, enum apic_delivery delivery, uint8_t vector, bool level)
{
	if (!lapic_present(lapic))
		return false;

	switch (delivery) {
	case APIC_FIXED:
	case APIC_LOWEST:
		return accept_fixed(lapic, vector, level);
	case APIC_NMI:
		atomic_fetch_or(&lapic->events, LAPIC_EVENT_NMI);
		break;
	case APIC_INIT:
		/* A reset forgets what came before, but not what the pins have to say. */
		post_init(lapic);
		break;
	case APIC_STARTUP:
		post_sipi(lapic, vector);
		break;
	case APIC_SMI:    /* there is no system management mode here */
	case APIC_EXTINT: /* there is no 8259A to fetch a vector from */
	default:
		return false;
	}
	trace_accept(lapic->initial_id, delivery, vector);
	lapic->host.kick(lapic->host.cpu);
	return true;
}

/* Section "Determining IPI Destination". */
bool lapic_matches(const struct lapic *lapic, const struct apic_message *msg)
{
	uint32_t dest = msg->dest;
	/* Before the mode: what belongs to a mode yet to be seen must not be taken by the rules of the last. */
	uint32_t id = get_published(lapic, LAPIC_ID);
	uint32_t ldr = get_published(lapic, LAPIC_LDR);
	bool x2apic = lapic_x2apic(lapic);

	/* To an x2APIC, 255 is an id like any other. */
	if (dest == (msg->wide ? 0xffffffff : 0xff) && (msg->wide || !x2apic))
		return true;

	if (x2apic) {
		/* Its registers may not be there yet; they follow from the initial id. */
		if (!msg->logical)
			return lapic->initial_id == dest;
		ldr = lapic_logical_id(lapic->initial_id);
		return (ldr >> 16) == (dest >> 16) && (ldr & dest & 0xffff);
	}

	/*
	 * An xAPIC has 8 bits to compare: a wider destination is not among them. A processor whose id does
	 * not fit has no xAPIC id, or two would answer to one; its own id reaches it in xAPIC mode too, for
	 * an x2APIC has to start it.
	 */
	if (!msg->logical && lapic->initial_id >= 0xff)
		return dest == lapic->initial_id;
	if (dest > 0xff)
		return false;
	if (!msg->logical)
		return (id >> 24) == dest;
	ldr >>= 24;
	if (lapic_get(lapic, LAPIC_DFR) >> 28 == 0xf) /* flat model */
		return ldr & dest;
	return (ldr >> 4) == (dest >> 4) && (ldr & dest & 0xf);
}

/* Section "Issuing Interprocessor Interrupts". */
void lapic_send_ipi(struct lapic *lapic, uint32_t low, uint32_t high)
{
	bool x2apic = lapic_x2apic(lapic);
	struct apic_message msg = {
		.dest = x2apic ? high : high >> 24,
		.logical = low & ICR_LOGICAL,
		.wide = x2apic,
		.delivery = low >> 8 & 7,
		.vector = (uint8_t)low,
		.shorthand = low >> 18 & 3,
	};

	/* INIT level de-assert only synchronised arbitration ids, which no longer exist. */
	if (msg.delivery == APIC_INIT && (low & ICR_LEVEL) && !(low & ICR_ASSERT))
		return;
	/* Section "Error Handling": noted here and, for the message is sent, by who receives it. */
	if ((msg.delivery == APIC_FIXED || msg.delivery == APIC_LOWEST) && msg.vector < 16)
		lapic_error(lapic, LAPIC_ESR_SEND_ILLEGAL);
	/* Table "Valid Combinations for the Pentium 4 and Intel Xeon Processors' Local xAPIC ICR". */
	if ((msg.delivery == APIC_INIT || msg.delivery == APIC_STARTUP) &&
	    (msg.shorthand == APIC_SELF || msg.shorthand == APIC_ALL)) {
		log_debug_once("an INIT or startup IPI to its own sender was asked for; ignored");
		return;
	}
	if (msg.delivery == APIC_SMI)
		log_debug_once("an SMI was asked for; there is no system management mode, ignored");
	trace_ipi(lapic->initial_id, msg.delivery, msg.vector, msg.dest);
	lapic->host.send(lapic->host.bus, lapic->initial_id, &msg);
}

void lapic_self_ipi(struct lapic *lapic, uint8_t vector)
{
	if (vector < 16)
		lapic_error(lapic, LAPIC_ESR_SEND_ILLEGAL);
	trace_ipi(lapic->initial_id, APIC_FIXED, vector, lapic->initial_id);
	lapic_accept(lapic, APIC_FIXED, vector, false);
}
