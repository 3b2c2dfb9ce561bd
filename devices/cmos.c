// SPDX-License-Identifier: BSD-2-Clause
/*
 * The PC's real-time clock and its RAM (Motorola, "MC146818A Real-Time Clock Plus RAM (RTC)"; section
 * titles below are of that data sheet), behind an index and a data port, with 128 bytes instead of 64
 * and the century at 0x32 as PCs have it. docs/devices.md lists the registers and what is left out.
 *
 * Nothing runs while nobody looks: the time is the host's plus an offset, and flags that would have
 * been set since the last look are worked out at the next. Only an interrupt that the guest enabled,
 * and that is not pending already, arms the timer; so a guest is never interrupted more often than it
 * acknowledges, and periods it missed are one.
 */
#include "devices/classes.h"
#include "devices/clock.h"
#include "devices/machine.h"

enum {
	PORT_INDEX = 0,
	PORT_DATA = 1,
	INDEX_MASK = 0x7f, /* bit 7 masks the NMI, which this machine does not have */

	REG_SECONDS = 0x00,
	REG_SECONDS_ALARM = 0x01,
	REG_MINUTES = 0x02,
	REG_MINUTES_ALARM = 0x03,
	REG_HOURS = 0x04,
	REG_HOURS_ALARM = 0x05,
	REG_DAY_OF_WEEK = 0x06, /* 1: Sunday */
	REG_DAY = 0x07,
	REG_MONTH = 0x08,
	REG_YEAR = 0x09,
	REG_A = 0x0a,
	REG_B = 0x0b,
	REG_C = 0x0c,
	REG_D = 0x0d,
	REG_CENTURY = PC_CMOS_CENTURY,
	RAM_SIZE = 128,

	A_UIP = 0x80,
	A_DIVIDER_RESET = 0x60, /* both bits: the divider chain is held in reset */
	A_RATE = 0x0f,
	A_MASK = 0x7f,

	B_SET = 0x80,
	B_UIE = 0x10,
	B_BINARY = 0x04, /* DM */
	B_24H = 0x02,

	/* Register C; PIE, AIE and UIE are the same bits of register B. */
	FLAG_IRQF = 0x80,
	FLAG_PERIODIC = 0x40,
	FLAG_ALARM = 0x20,
	FLAG_UPDATE = 0x10,
	FLAGS = FLAG_PERIODIC | FLAG_ALARM | FLAG_UPDATE,

	D_VRT = 0x80, /* the battery never runs out */

	HOUR_PM = 0x80,
	ALARM_ANY = 0xc0,           /* "don't care" from here up */
	ALARM_STEPS = 60 + 60 + 24, /* once around the seconds, the minutes and the hours */

	DAY_SECONDS = 86400,
	TICKS_PER_SECOND = 32768, /* of the time base */
};

#define EPOCH_SECONDS 62167219200LL /* from 0000-01-01, where this file counts from, to 1970-01-01 */
#define UIP_NS        2228000ULL    /* "Update Cycle": t_BUC 244 us before it and t_UC 1984 us */
#define NEVER         UINT64_MAX

/* The guest's time. `ns` is the state of the divider chain. */
struct moment {
	int64_t s; /* since 0000-01-01 00:00 of the Gregorian calendar, not negative */
	uint32_t ns;
};

struct cmos {
	struct device dev;
	struct clock_timer timer;
	bool armed;
	bool line; /* level driven on dev.irq */

	uint8_t index;
	uint8_t flags; /* register C without IRQF */
	/* Registers A, B, the alarm and the general RAM; the time only while it stands still. */
	uint8_t ram[RAM_SIZE];

	int64_t offset_s; /* the guest's time minus the host's */
	uint32_t offset_ns;
	struct moment seen; /* flags account for everything up to then */
};

/* --- calendar --- */

static int64_t days_before_year(int64_t year)
{
	return 365 * year + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
}

static int days_in_month(int64_t year, int month)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && days_before_year(year + 1) - days_before_year(year) == 366);
}

static uint8_t encode(const struct cmos *c, int value)
{
	value %= 100;
	return c->ram[REG_B] & B_BINARY ? value : value / 10 << 4 | value % 10;
}

static int decode(const struct cmos *c, uint8_t byte)
{
	return c->ram[REG_B] & B_BINARY ? byte : (byte >> 4) * 10 + (byte & 0x0f);
}

static uint8_t encode_hour(const struct cmos *c, int hour)
{
	if (c->ram[REG_B] & B_24H)
		return encode(c, hour);
	return encode(c, hour % 12 ? hour % 12 : 12) | (hour < 12 ? 0 : HOUR_PM);
}

static int decode_hour(const struct cmos *c, uint8_t byte)
{
	if (c->ram[REG_B] & B_24H)
		return decode(c, byte);
	return decode(c, byte & ~HOUR_PM) % 12 + (byte & HOUR_PM ? 12 : 0);
}

/* Writes the time into the registers, in the format that register B asks for. */
static void time_to_registers(const struct cmos *c, int64_t s, uint8_t ram[RAM_SIZE])
{
	int64_t day = s / DAY_SECONDS;
	int64_t year = day * 400 / days_before_year(400);
	int second = s % DAY_SECONDS, month = 1;

	ram[REG_SECONDS] = encode(c, second % 60);
	ram[REG_MINUTES] = encode(c, second / 60 % 60);
	ram[REG_HOURS] = encode_hour(c, second / 3600);
	ram[REG_DAY_OF_WEEK] = (day + 6) % 7 + 1; /* 0000-01-01 was a Saturday */

	/* The quotient above is right or, at the turn of the year, one off. */
	if (days_before_year(year) > day)
		year--;
	else if (days_before_year(year + 1) <= day)
		year++;
	day -= days_before_year(year);
	for (; day >= days_in_month(year, month); month++)
		day -= days_in_month(year, month);
	ram[REG_DAY] = encode(c, day + 1);
	ram[REG_MONTH] = encode(c, month);
	ram[REG_YEAR] = encode(c, year % 100);
	ram[REG_CENTURY] = encode(c, year / 100);
}

/* The time the registers hold. Whatever a guest wrote is some time: what is too large carries over. */
static int64_t time_from_registers(const struct cmos *c)
{
	const uint8_t *ram = c->ram;
	int64_t year = decode(c, ram[REG_CENTURY]) * 100 + decode(c, ram[REG_YEAR]);
	int months = decode(c, ram[REG_MONTH]) + 11; /* since the January before */
	int64_t days, seconds;

	year += months / 12 - 1;
	days = days_before_year(year) + decode(c, ram[REG_DAY]) - 1;
	for (int month = 1; month <= months % 12; month++)
		days += days_in_month(year, month);
	seconds = days * DAY_SECONDS + decode_hour(c, ram[REG_HOURS]) * 3600 +
		  decode(c, ram[REG_MINUTES]) * 60 + decode(c, ram[REG_SECONDS]);
	return seconds < 0 ? 0 : seconds;
}

static bool is_time_register(uint8_t index)
{
	switch (index) {
	case REG_SECONDS:
	case REG_MINUTES:
	case REG_HOURS:
	case REG_DAY_OF_WEEK:
	case REG_DAY:
	case REG_MONTH:
	case REG_YEAR:
	case REG_CENTURY:
		return true;
	default:
		return false;
	}
}

/* --- the passing of time --- */

static bool divider_runs(const struct cmos *c)
{
	return (c->ram[REG_A] & A_DIVIDER_RESET) != A_DIVIDER_RESET;
}

static bool time_runs(const struct cmos *c)
{
	return divider_runs(c) && !(c->ram[REG_B] & B_SET);
}

static void host_time(const struct cmos *c, int64_t *s, uint32_t *ns)
{
	int64_t host = clock_realtime(c->dev.host->clock);
	int64_t part = host % (int64_t)NSEC_PER_SEC;

	if (part < 0)
		part += NSEC_PER_SEC;
	*s = (host - part) / (int64_t)NSEC_PER_SEC;
	*ns = part;
}

/* The guest's time. Only meaningful while the divider runs. */
static struct moment now(const struct cmos *c)
{
	struct moment t;

	host_time(c, &t.s, &t.ns);
	t.s += c->offset_s;
	t.ns += c->offset_ns;
	if (t.ns >= NSEC_PER_SEC) {
		t.ns -= NSEC_PER_SEC;
		t.s++;
	}
	if (t.s < 0) /* the host's clock was set back while the guest's stood at the year 0 */
		t.s = 0;
	return t;
}

/* From here on the guest's time is `s`, `ns`. */
static void set_time(struct cmos *c, int64_t s, uint32_t ns)
{
	int64_t host_s;
	uint32_t host_ns;

	host_time(c, &host_s, &host_ns);
	c->offset_s = s - host_s - (ns < host_ns);
	c->offset_ns = ns + (ns < host_ns ? NSEC_PER_SEC : 0) - host_ns;
	c->seen.s = s;
	c->seen.ns = ns;
}

/* Ticks of the time base from one periodic interrupt to the next ("Register A", table of rates); 0: none. */
static uint32_t period(const struct cmos *c)
{
	unsigned int rate = c->ram[REG_A] & A_RATE;

	if (rate == 0)
		return 0;
	return rate < 3 ? 1u << (rate + 6) : 1u << (rate - 1);
}

static uint64_t ticks(struct moment t)
{
	return (uint64_t)t.s * TICKS_PER_SECOND + (uint64_t)t.ns * TICKS_PER_SECOND / NSEC_PER_SEC;
}

/* ns from `t` to the next periodic interrupt. */
static uint64_t periodic_delay(const struct cmos *c, struct moment t)
{
	uint64_t tick = (uint64_t)t.ns * TICKS_PER_SECOND / NSEC_PER_SEC;
	uint64_t next;

	next = (tick / period(c) + 1) * period(c); /* a second is a whole number of periods */
	return (next * NSEC_PER_SEC + TICKS_PER_SECOND - 1) / TICKS_PER_SECOND - t.ns;
}

/* Seconds from `s` to the next one after it whose time of day the alarm registers match. */
static uint64_t alarm_seconds(const struct cmos *c, int64_t s)
{
	uint8_t second = c->ram[REG_SECONDS_ALARM];
	uint8_t minute = c->ram[REG_MINUTES_ALARM];
	uint8_t hour = c->ram[REG_HOURS_ALARM];
	int64_t t = s + 1;

	for (int step = 0; step < ALARM_STEPS; step++) {
		if (hour < ALARM_ANY && encode_hour(c, t / 3600 % 24) != hour)
			t += 3600 - t % 3600;
		else if (minute < ALARM_ANY && encode(c, t / 60 % 60) != minute)
			t += 60 - t % 60;
		else if (second < ALARM_ANY && encode(c, t % 60) != second)
			t++;
		else
			return t - s;
	}
	return NEVER;
}

/* Sets the flags of what happened since the last look. */
static void catch_up(struct cmos *c)
{
	struct moment t = now(c);

	if (period(c) && divider_runs(c) && ticks(t) / period(c) > ticks(c->seen) / period(c))
		c->flags |= FLAG_PERIODIC;
	if (time_runs(c) && t.s > c->seen.s) {
		c->flags |= FLAG_UPDATE;
		if (!(c->flags & FLAG_ALARM) && alarm_seconds(c, c->seen.s) <= (uint64_t)(t.s - c->seen.s))
			c->flags |= FLAG_ALARM;
	}
	c->seen = t;
}

/* The flags whose interrupt is enabled. */
static uint8_t pending(const struct cmos *c)
{
	return c->flags & c->ram[REG_B] & FLAGS;
}

/* ns from `t` to the next interrupt that is enabled. */
static uint64_t interrupt_delay(const struct cmos *c, struct moment t)
{
	uint8_t enabled = c->ram[REG_B];
	uint64_t seconds = NEVER;

	/* The others come at full seconds, which are ends of a period too. */
	if ((enabled & FLAG_PERIODIC) && period(c) && divider_runs(c))
		return periodic_delay(c, t);
	if ((enabled & FLAG_UPDATE) && time_runs(c))
		seconds = 1;
	else if ((enabled & FLAG_ALARM) && time_runs(c))
		seconds = alarm_seconds(c, t.s);
	return seconds == NEVER ? NEVER : seconds * NSEC_PER_SEC - t.ns;
}

/* Drives the line and arms the timer for what is next. After every change of state. */
static void update(struct cmos *c)
{
	struct clock *clock = c->dev.host->clock;
	bool level = pending(c) != 0;
	uint64_t delay = level ? NEVER : interrupt_delay(c, c->seen);

	if (level != c->line) {
		c->line = level;
		irq_line_set(&c->dev.irq, level);
	}
	if (delay != NEVER)
		clock_timer_set(clock, &c->timer, clock_monotonic(clock) + delay);
	else if (c->armed)
		clock_timer_set(clock, &c->timer, CLOCK_NEVER);
	c->armed = delay != NEVER;
}

static void timer_fired(void *ctx)
{
	struct cmos *c = ctx;

	pthread_mutex_lock(&c->dev.lock);
	c->armed = false;
	catch_up(c);
	update(c);
	pthread_mutex_unlock(&c->dev.lock);
}

/* --- registers --- */

/*
 * Registers A and B. While SET is on or the divider is held in reset the time stands still in the
 * registers. A divider let out of reset begins in the middle of a second ("Register A", DV bits).
 */
static void write_control(struct cmos *c, uint8_t a, uint8_t b)
{
	bool time_ran = time_runs(c), divider_ran = divider_runs(c);

	if (time_ran)
		time_to_registers(c, c->seen.s, c->ram);
	c->ram[REG_A] = a;
	c->ram[REG_B] = b;
	if (divider_runs(c) && !divider_ran)
		set_time(c, time_from_registers(c), NSEC_PER_SEC / 2);
	else if (time_runs(c) && !time_ran)
		set_time(c, time_from_registers(c), c->seen.ns);
}

static void write_register(struct cmos *c, uint8_t index, uint8_t value)
{
	catch_up(c);
	switch (index) {
	case REG_A:
		write_control(c, value & A_MASK, c->ram[REG_B]);
		break;
	case REG_B:
		if (value & B_SET) /* "Register B", UIE: cleared by SET */
			value &= ~B_UIE;
		write_control(c, c->ram[REG_A], value);
		break;
	case REG_C:
	case REG_D:
		break;
	default:
		if (is_time_register(index) && time_runs(c)) {
			time_to_registers(c, c->seen.s, c->ram);
			c->ram[index] = value;
			set_time(c, time_from_registers(c), c->seen.ns);
		} else {
			c->ram[index] = value;
		}
	}
	update(c);
}

static uint8_t read_flags(struct cmos *c)
{
	uint8_t value;

	catch_up(c);
	value = c->flags | (pending(c) ? FLAG_IRQF : 0);
	c->flags = 0;
	update(c);
	return value;
}

static uint8_t read_register(struct cmos *c, uint8_t index)
{
	uint8_t ram[RAM_SIZE];

	switch (index) {
	case REG_A:
		return c->ram[REG_A] | (time_runs(c) && now(c).ns >= NSEC_PER_SEC - UIP_NS ? A_UIP : 0);
	case REG_C:
		return read_flags(c);
	case REG_D:
		return D_VRT;
	default:
		if (!is_time_register(index) || !time_runs(c))
			return c->ram[index];
		time_to_registers(c, now(c).s, ram);
		return ram[index];
	}
}

static bool cmos_read(struct device *dev, uint64_t offset, unsigned int size, uint64_t *value)
{
	struct cmos *c = (struct cmos *)dev;

	(void)size;              /* always 1 */
	if (offset != PORT_DATA) /* the index cannot be read back */
		return false;
	*value = read_register(c, c->index);
	return true;
}

static bool cmos_write(struct device *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct cmos *c = (struct cmos *)dev;

	(void)size; /* always 1 */
	if (offset == PORT_INDEX)
		c->index = value & INDEX_MASK;
	else
		write_register(c, c->index, value);
	return true;
}

static int cmos_create(struct device *dev, const struct device_host *host, struct err *err)
{
	struct cmos *c = (struct cmos *)dev;

	(void)host;
	(void)err;
	c->timer.fire = timer_fired;
	c->timer.ctx = c;
	c->timer.deadline = CLOCK_NEVER;
	c->ram[REG_A] = 0x26; /* 32.768 kHz, 1024 Hz: what a PC's firmware leaves */
	c->ram[REG_B] = B_24H;
	c->offset_s = EPOCH_SECONDS;
	c->seen = now(c);
	return 0;
}

static void cmos_destroy(struct device *dev)
{
	struct cmos *c = (struct cmos *)dev;

	if (c->armed)
		clock_timer_set(dev->host->clock, &c->timer, CLOCK_NEVER);
}

const struct device_class cmos_class = {
	.name = "cmos",
	.compatible = "motorola,mc146818\0",
	.hid = "PNP0B00",
	.size = sizeof(struct cmos),
	.access_max = 1,
	.create = cmos_create,
	.destroy = cmos_destroy,
	.read = cmos_read,
	.write = cmos_write,
};
