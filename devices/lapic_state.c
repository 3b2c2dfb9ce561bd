// SPDX-License-Identifier: BSD-2-Clause
/*
 * A local APIC's complete state, saved and loaded. What is loaded comes from a stranger: nothing is
 * taken over that a guest's and senders' doings could not have left.
 */
#include <errno.h>
#include <inttypes.h>

#include "devices/lapic.h"
#include "devices/lapic_internal.h"

#define ESR_BITS  (LAPIC_ESR_SEND_ILLEGAL | LAPIC_ESR_RECV_ILLEGAL | LAPIC_ESR_ILLEGAL_REGISTER)
#define LINT_BITS 0x303u

void lapic_save(struct lapic *lapic, struct lapic_state *state)
{
	*state = (struct lapic_state){
		.version = LAPIC_STATE_VERSION,
		.id = lapic->initial_id,
		.timer_hz = lapic->timer_hz,
	};
	lapic_timer_save(lapic, state); /* first: what is due goes to the IRR */
	state->events = atomic_load(&lapic->events);
	state->errors = atomic_load(&lapic->errors);
	state->lint = atomic_load(&lapic->lint);
	state->base = atomic_load(&lapic->base);
	state->pv_eoi = lapic->pv_eoi;
	for (unsigned int i = 0; i < 64; i++)
		state->reg[i] = lapic_get(lapic, i * 16);
}

static int wrong(struct err *err, const char *field, uint64_t value, const char *allowed)
{
	return err_user(err, "LAPIC state: %s is 0x%" PRIx64 "; allowed is %s", field, value, allowed);
}

static bool state_x2apic(const struct lapic_state *state)
{
	return state->base & APIC_BASE_X2APIC;
}

/* What bits of a register are free, and what the others must be. */
static void expect(const struct lapic *lapic, const struct lapic_state *state, const struct lapic_register *r,
		   uint32_t n, uint32_t *free, uint32_t *fixed)
{
	uint32_t id = lapic->initial_id;

	*free = r->writable;
	*fixed = r->power_up == LAPIC_RESET_VALUE ? r->value & ~r->writable : 0;
	switch (r->offset) {
	case LAPIC_ID:
		if (state_x2apic(state))
			*free = 0, *fixed = id;
		break;
	case LAPIC_LDR:
		if (state_x2apic(state))
			*free = 0, *fixed = lapic_logical_id(id);
		break;
	case LAPIC_PPR:
		*fixed = lapic_compute_ppr(&state->reg[LAPIC_ISR >> 4], state->reg[LAPIC_TPR >> 4]);
		break;
	case LAPIC_ISR:
	case LAPIC_TMR:
	case LAPIC_IRR:
		*free = n ? 0xffffffff : 0xffff0000; /* vectors below 16 are illegal */
		break;
	case LAPIC_ESR:
		*free = ESR_BITS;
		break;
	case LAPIC_ICR_HIGH:
		if (state_x2apic(state))
			*free = 0xffffffff;
		break;
	case LAPIC_LVT_TIMER:
		*free = lapic_writable(lapic, r);
		break;
	case LAPIC_LVT_LINT0:
		if (lapic_lvt_is_level(r->offset, state->reg[LAPIC_LVT_LINT0 >> 4]))
			*free |= LVT_REMOTE_IRR;
		break;
	case LAPIC_EOI:
	case LAPIC_SELF_IPI: /* write-only: nothing is kept */
		*free = 0;
		break;
	}
	if (lapic_is_lvt(r->offset) && !(state->reg[LAPIC_SVR >> 4] & LAPIC_SVR_ENABLE))
		*free &= ~LAPIC_LVT_MASKED, *fixed |= LAPIC_LVT_MASKED;
	else if (lapic_is_lvt(r->offset))
		*fixed &= ~LAPIC_LVT_MASKED;
}

static int check_registers(const struct lapic *lapic, const struct lapic_state *state, struct err *err)
{
	for (unsigned int i = 0; i < 64; i++) {
		const struct lapic_register *r = lapic_find_register(i * 16);
		uint32_t free = 0, fixed = 0, value = state->reg[i];

		if (r)
			expect(lapic, state, r, i - (r->offset >> 4), &free, &fixed);
		if ((value & ~free) != fixed)
			return err_user(err,
					"LAPIC state: register 0x%03x (%s) is 0x%" PRIx32
					"; allowed is 0x%" PRIx32 " with any of the bits 0x%" PRIx32,
					i * 16, r ? r->name : "absent", value, fixed, free);
	}
	return 0;
}

static int check_timer(const struct lapic *lapic, const struct lapic_state *state, struct err *err)
{
	uint32_t initial = state->reg[LAPIC_TIMER_ICR >> 4];
	bool deadline = (state->reg[LAPIC_LVT_TIMER >> 4] >> 17 & 3) == LAPIC_TIMER_DEADLINE;

	if (state->timer_hz != lapic->timer_hz)
		return err_user(err,
				"LAPIC state: its timer counts at %" PRIu32
				" Hz; allowed is the rate here, %" PRIu32 " Hz",
				state->timer_hz, lapic->timer_hz);
	if (state->tsc_deadline && !deadline)
		return wrong(err, "the TSC deadline", state->tsc_deadline, "0 outside of TSC-deadline mode");
	/* A periodic timer that is asked for too short a period has a longer one. */
	if (state->ticks_left > (initial > LAPIC_MIN_PERIOD_NS ? initial : LAPIC_MIN_PERIOD_NS))
		return wrong(err, "the timer's count", state->ticks_left, "the initial count at most");
	if (state->ticks_left && (deadline || !initial))
		return wrong(err, "the timer's count", state->ticks_left, "0 while the timer is stopped");
	if (state->tick_ns > 128 * NSEC_PER_SEC)
		return wrong(err, "the time since the timer's last tick", state->tick_ns, "128 s at most");
	return 0;
}

int lapic_check(const struct lapic *lapic, const struct lapic_state *state, struct err *err)
{
	uint64_t mode = state->base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	int ret;

	if (state->version != LAPIC_STATE_VERSION)
		return err_user(err, "LAPIC state: version %" PRIu32 " is unknown; allowed is %d",
				state->version, LAPIC_STATE_VERSION);
	if (state->id != lapic->initial_id)
		return err_user(
			err, "LAPIC state: of APIC id %" PRIu32 "; allowed is that of this LAPIC, %" PRIu32,
			state->id, lapic->initial_id);
	if (mode == APIC_BASE_X2APIC ||
	    (state->base & ~(APIC_BASE_ADDR | APIC_BASE_BSP | APIC_BASE_ENABLE | APIC_BASE_X2APIC)))
		return wrong(err, "IA32_APIC_BASE", state->base,
			     "a page's address, bits 8 and 11, and bit 10 only with bit 11");
	if (state->events & ~LAPIC_EVENT_BITS)
		return wrong(err, "the set of pending events", state->events,
			     "NMI, INIT, SIPI and its vector");
	if (!(state->events & LAPIC_EVENT_SIPI) && (state->events & 0xffu << LAPIC_EVENT_SIPI_SHIFT))
		return wrong(err, "the set of pending events", state->events, "a vector only with a SIPI");
	if (state->errors & ~ESR_BITS)
		return wrong(err, "the set of errors", state->errors, "bits 5 to 7");
	if (state->lint & ~LINT_BITS)
		return wrong(err, "the set of local pins", state->lint, "bits 0, 1, 8 and 9");
	if (state->pv_eoi && !lapic_pv_eoi_valid(lapic, state->pv_eoi))
		return wrong(
			err, "MSR_KVM_PV_EOI_EN", state->pv_eoi,
			"an address in guest memory, a multiple of 4, and bit 0; 0 where it is not offered");
	ret = check_registers(lapic, state, err);
	return ret ? ret : check_timer(lapic, state, err);
}

int lapic_load(struct lapic *lapic, const struct lapic_state *state, struct err *err)
{
	int ret = lapic_check(lapic, state, err);

	if (ret)
		return ret;
	atomic_store(&lapic->base, state->base);
	atomic_store(&lapic->events, state->events);
	atomic_store(&lapic->errors, state->errors);
	atomic_store(&lapic->lint, state->lint);
	for (unsigned int i = 0; i < 64; i++)
		lapic_set(lapic, i * 16, state->reg[i]);
	lapic->pv_eoi = state->pv_eoi;
	lapic_timer_load(lapic, state);
	return 0;
}
