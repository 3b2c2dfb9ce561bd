// SPDX-License-Identifier: BSD-2-Clause
#include "devices/virtio/moderation.h"

#define MOST       64U /* requests to an interrupt */
#define TRUST      32U
#define MOST_DOUBT 65536U

/* How long nothing may happen, in spacings. */
#define GAP 8

/* How long an interrupt may be held back, in times of what one costs; and how many requests must be worth it. */
#define COSTS 8
#define WORTH 3

#define SHORTEST_GAP  20000ULL    /* ns */
#define FIRST_SPACING 50000ULL    /* ns */
#define LONGEST_HOLD  10000000ULL /* ns, whatever a guest's interrupts cost */

static uint64_t longest_hold(const struct moderation *m)
{
	uint64_t ns = m->cost * COSTS;

	return ns < LONGEST_HOLD ? ns : LONGEST_HOLD;
}

static uint64_t gap(const struct moderation *m)
{
	uint64_t ns = m->spacing * GAP;

	return ns < SHORTEST_GAP ? SHORTEST_GAP : ns;
}

static void arm(struct moderation *m, uint64_t deadline)
{
	m->is_armed = deadline != CLOCK_NEVER;
	clock_timer_set(m->clock, m->timer, deadline);
}

void moderation_init(struct moderation *m, struct clock *clock, struct clock_timer *timer)
{
	*m = (struct moderation){ .clock = clock, .timer = timer };
	moderation_reset(m);
}

void moderation_reset(struct moderation *m)
{
	if (m->is_armed)
		arm(m, CLOCK_NEVER);
	*m = (struct moderation){
		.clock = m->clock, .timer = m->timer, .target = 1, .doubt = TRUST, .spacing = FIRST_SPACING
	};
}

void moderation_came(struct moderation *m, unsigned int count)
{
	uint64_t at = clock_monotonic(m->clock), each = (at - m->came) / count;

	/* A pause says nothing of how fast requests come when they do: it counts as twice the usual. */
	if (each < m->spacing)
		m->spacing -= (m->spacing - each) / 8;
	else
		m->spacing += (each < 2 * m->spacing ? each - m->spacing : m->spacing) / 8;
	m->came = m->last = at;
}

bool moderation_done(struct moderation *m, unsigned int count, bool urgent)
{
	uint64_t at, end;

	if (m->spacing * WORTH > longest_hold(m)) {
		m->held = 0;
		m->target = 1;
		return true;
	}
	/* Several at once: there is something to gain. */
	if (count > 1 && m->target == 1)
		m->trust = 0;
	m->held += count;
	if (m->held >= m->target) {
		if (m->trust)
			m->trust--;
		else if (m->target < MOST)
			m->target *= 2;
		m->held = 0;
		return true;
	}
	if (urgent) {
		m->held = 0;
		return true;
	}
	at = m->last = clock_monotonic(m->clock);
	if (m->held == count)
		m->held_since = at;
	end = m->held_since + longest_hold(m);
	if (!m->is_armed)
		arm(m, at + gap(m) < end ? at + gap(m) : end);
	return false;
}

bool moderation_expired(struct moderation *m)
{
	uint64_t at = clock_monotonic(m->clock), due = m->last + gap(m),
		 end = m->held_since + longest_hold(m);

	m->is_armed = false;
	if (!m->held)
		return false;
	if (end < due)
		due = end;
	if (at < due) {
		arm(m, due);
		return false;
	}
	if (m->held == 1 && m->doubt < MOST_DOUBT)
		m->doubt *= 2;
	else if (m->held > 1)
		m->doubt = TRUST;
	m->target = m->held - m->held / 8;
	m->trust = m->doubt;
	m->held = 0;
	return true;
}

void moderation_sending(struct moderation *m)
{
	if (!m->sent_at)
		m->sent_at = clock_monotonic(m->clock);
}

void moderation_not_sent(struct moderation *m)
{
	m->sent_at = 0;
}

void moderation_acknowledged(struct moderation *m)
{
	uint64_t sent_at = atomic_exchange(&m->sent_at, 0), cost = m->cost, took;

	if (!sent_at)
		return;
	took = clock_monotonic(m->clock) - sent_at;
	/* A vCPU that had something else to do took longer: the shortest is the cost, until that is long ago. */
	if (!cost || took < cost)
		m->cost = took;
	else
		m->cost = cost + ((took < 2 * cost ? took : 2 * cost) - cost) / 64;
}
