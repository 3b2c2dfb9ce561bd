// SPDX-License-Identifier: BSD-2-Clause
/*
 * Arm's real-time clock ("ARM PrimeCell Real Time Clock (PL031) Technical Reference Manual", DDI 0224;
 * section titles below are of that manual). docs/devices.md lists the registers.
 *
 * The counter is the host's time in seconds plus an offset. It is looked at when the guest looks;
 * only an unmasked alarm that is still to come arms the timer.
 */
#include "devices/classes.h"
#include "devices/clock.h"

enum {
	RTCDR = 0x000,
	RTCMR = 0x004,
	RTCLR = 0x008,
	RTCCR = 0x00c,
	RTCIMSC = 0x010,
	RTCRIS = 0x014,
	RTCMIS = 0x018,
	RTCICR = 0x01c,
	RTCPERIPHID0 = 0xfe0, /* four of one byte each, then four of RTCPCellID */

	CR_ENABLED = 1,
	INTERRUPT = 1, /* the one bit of RTCIMSC, RTCRIS and RTCMIS */
};

/* "Peripheral Identification Registers" and "PrimeCell Identification Registers". */
static const uint8_t identification[] = { 0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

struct pl031 {
	struct device dev;
	struct clock_timer timer;
	bool armed;
	bool line; /* level driven on dev.irq */

	uint32_t match, load;
	bool enabled; /* RTCIMSC: set means the interrupt is let through */
	bool raised;  /* RTCRIS */

	int64_t offset;   /* counter minus the host's seconds since 1970 */
	int64_t seen;     /* the counter when it was last compared; its low 32 bits are RTCDR */
	uint32_t seen_ns; /* and how far into that second it was */
};

/* The host's time in seconds; `*ns` is the rest. */
static int64_t host_seconds(const struct pl031 *p, uint32_t *ns)
{
	int64_t host = clock_realtime(p->dev.host->clock);
	int64_t part = host % (int64_t)NSEC_PER_SEC;

	if (part < 0)
		part += NSEC_PER_SEC;
	*ns = part;
	return (host - part) / (int64_t)NSEC_PER_SEC;
}

/* Moves the counter to the present, and raises the interrupt if it met the match register on its way. */
static void catch_up(struct pl031 *p)
{
	int64_t count = host_seconds(p, &p->seen_ns) + p->offset;

	if (count > p->seen && p->match - (uint32_t)p->seen - 1 < (uint64_t)(count - p->seen))
		p->raised = true;
	p->seen = count;
}

/* Drives the line and arms the timer for the match to come. After every change of state. */
static void update(struct pl031 *p)
{
	struct clock *clock = p->dev.host->clock;
	bool level = p->raised && p->enabled;
	bool arm = p->enabled && !p->raised;

	if (level != p->line) {
		p->line = level;
		irq_line_set(&p->dev.irq, level);
	}
	if (arm) {
		uint32_t to_go = p->match - (uint32_t)p->seen; /* 0: once around */
		uint64_t seconds = to_go ? to_go : 1ULL << 32;

		clock_timer_set(clock, &p->timer,
				clock_monotonic(clock) + seconds * NSEC_PER_SEC - p->seen_ns);
	} else if (p->armed) {
		clock_timer_set(clock, &p->timer, CLOCK_NEVER);
	}
	p->armed = arm;
}

static void timer_fired(void *ctx)
{
	struct pl031 *p = ctx;

	pthread_mutex_lock(&p->dev.lock);
	p->armed = false;
	catch_up(p);
	update(p);
	pthread_mutex_unlock(&p->dev.lock);
}

static bool pl031_read(struct device *dev, uint64_t offset, unsigned int size, uint64_t *value)
{
	struct pl031 *p = (struct pl031 *)dev;

	if (size != 4 || offset % 4)
		return false;
	if (offset >= RTCPERIPHID0) {
		*value = identification[(offset - RTCPERIPHID0) / 4];
		return true;
	}

	catch_up(p);
	switch (offset) {
	case RTCDR:
		*value = (uint32_t)p->seen;
		break;
	case RTCMR:
		*value = p->match;
		break;
	case RTCLR:
		*value = p->load;
		break;
	case RTCCR:
		*value = CR_ENABLED;
		break;
	case RTCIMSC:
		*value = p->enabled ? INTERRUPT : 0;
		break;
	case RTCRIS:
		*value = p->raised ? INTERRUPT : 0;
		break;
	case RTCMIS:
		*value = p->raised && p->enabled ? INTERRUPT : 0;
		break;
	default:
		return false;
	}
	update(p);
	return true;
}

static bool pl031_write(struct device *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct pl031 *p = (struct pl031 *)dev;

	if (size != 4 || offset % 4)
		return false;

	catch_up(p);
	switch (offset) {
	case RTCMR:
		p->match = value;
		if (p->match == (uint32_t)p->seen)
			p->raised = true;
		break;
	case RTCLR:
		p->load = value;
		p->offset += p->load - p->seen;
		p->seen = p->load;
		if (p->match == p->load)
			p->raised = true;
		break;
	case RTCCR: /* "Control Register": once enabled, writes have no effect */
		break;
	case RTCIMSC:
		p->enabled = value & INTERRUPT;
		break;
	case RTCICR: /* "Real Time Clock overview": any data value clears */
		p->raised = false;
		break;
	default:
		return false;
	}
	update(p);
	return true;
}

static int pl031_create(struct device *dev, const struct device_host *host, struct err *err)
{
	struct pl031 *p = (struct pl031 *)dev;

	(void)host;
	(void)err;
	p->timer.fire = timer_fired;
	p->timer.ctx = p;
	p->timer.deadline = CLOCK_NEVER;
	p->seen = host_seconds(p, &p->seen_ns);
	return 0;
}

static void pl031_destroy(struct device *dev)
{
	struct pl031 *p = (struct pl031 *)dev;

	if (p->armed)
		clock_timer_set(dev->host->clock, &p->timer, CLOCK_NEVER);
}

static const struct device_prop pl031_props[] = {
	{ "clocks", PROP_CLOCK, 24000000, "apb_pclk" },
	{ .name = NULL },
};

const struct device_class pl031_class = {
	.name = "pl031",
	.compatible = "arm,pl031\0arm,primecell\0",
	.props = pl031_props,
	.size = sizeof(struct pl031),
	.access_max = 4,
	.create = pl031_create,
	.destroy = pl031_destroy,
	.read = pl031_read,
	.write = pl031_write,
};
