// SPDX-License-Identifier: BSD-2-Clause
/*
 * Arm's GPIO controller ("ARM PrimeCell General Purpose Input/Output (PL061) Technical Reference Manual",
 * DDI 0190; section titles below are of that manual). docs/devices.md lists the registers.
 *
 * One of its eight pins is connected: to the power button.
 */
#include "devices/classes.h"
#include "devices/clock.h"

enum {
	GPIODATA = 0x000, /* to 0x3fc: bits 9:2 of the address are a mask */
	GPIODIR = 0x400,
	GPIOIS = 0x404,
	GPIOIBE = 0x408,
	GPIOIEV = 0x40c,
	GPIOIE = 0x410,
	GPIORIS = 0x414,
	GPIOMIS = 0x418,
	GPIOIC = 0x41c,
	GPIOAFSEL = 0x420,
	GPIOPERIPHID0 = 0xfe0, /* four of one byte each, then four of GPIOPCellID */

	POWER_PIN = 3,
	POWER = 1 << POWER_PIN,
};

/* As long as a finger does: drivers look at a pin again some milliseconds after its edge. */
#define HOLD_NS (NSEC_PER_SEC / 10)

/* "Peripheral Identification Registers" and "PrimeCell Identification Registers". */
static const uint8_t identification[] = { 0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

/* All have a bit per pin. */
struct pl061 {
	struct device dev;
	bool line; /* level driven on dev.irq */

	uint8_t in;  /* what drives the pins from outside */
	uint8_t out; /* what the guest drives those with that are outputs */
	uint8_t direction;
	uint8_t sense, both, event, enabled; /* GPIOIS, GPIOIBE, GPIOIEV, GPIOIE */
	uint8_t function;                    /* GPIOAFSEL: kept, no pin has another function */
	uint8_t level;                       /* of the pins, when last looked at */
	uint8_t edges;                       /* detected, not cleared */

	/* The button is up again when it was down for its time and the guest has seen it down. */
	struct clock_timer hold;
	bool holding, seen;
};

/* "Data Register": an output's bit is what was written, an input's is the pin. */
static uint8_t pins(const struct pl061 *p)
{
	return (p->out & p->direction) | (p->in & ~p->direction);
}

/* "Raw Interrupt Status Register": levels show as they are, edges until they are cleared. */
static uint8_t raw_status(const struct pl061 *p)
{
	return (p->sense & ~(p->level ^ p->event)) | (p->edges & ~p->sense);
}

/* Detects edges and drives the line. After every change of state. */
static void update(struct pl061 *p)
{
	uint8_t level = pins(p);
	uint8_t wanted = p->both | (uint8_t) ~(level ^ p->event);
	bool line;

	p->edges = (p->edges | ((level ^ p->level) & wanted)) & ~p->sense;
	p->level = level;
	line = raw_status(p) & p->enabled;
	if (line != p->line) {
		p->line = line;
		irq_line_set(&p->dev.irq, line);
	}
}

static void release_if_due(struct pl061 *p)
{
	if (p->holding || !p->seen)
		return;
	p->in &= ~POWER;
	update(p);
}

static void hold_is_over(void *ctx)
{
	struct pl061 *p = ctx;

	pthread_mutex_lock(&p->dev.lock);
	p->holding = false;
	release_if_due(p);
	pthread_mutex_unlock(&p->dev.lock);
}

static bool pl061_press(struct device *dev)
{
	struct pl061 *p = (struct pl061 *)dev;
	bool heard;

	pthread_mutex_lock(&dev->lock);
	heard = p->enabled & ~p->direction & POWER;
	if (heard) {
		p->in &= ~POWER; /* should nobody have seen the last time */
		update(p);
		p->in |= POWER;
		p->holding = true;
		p->seen = false;
		update(p);
		clock_timer_set(dev->host->clock, &p->hold, clock_monotonic(dev->host->clock) + HOLD_NS);
	}
	pthread_mutex_unlock(&dev->lock);
	return heard;
}

static uint8_t read_data(struct pl061 *p, uint8_t mask)
{
	uint8_t data = pins(p) & mask;

	if (data & p->in & ~p->direction & POWER) {
		p->seen = true;
		release_if_due(p);
	}
	return data;
}

/* The register that is simply kept, or NULL. */
static uint8_t *kept(struct pl061 *p, uint64_t offset)
{
	switch (offset) {
	case GPIODIR:
		return &p->direction;
	case GPIOIS:
		return &p->sense;
	case GPIOIBE:
		return &p->both;
	case GPIOIEV:
		return &p->event;
	case GPIOIE:
		return &p->enabled;
	case GPIOAFSEL:
		return &p->function;
	}
	return NULL;
}

static bool pl061_read(struct device *dev, uint64_t offset, unsigned int size, uint64_t *value)
{
	struct pl061 *p = (struct pl061 *)dev;
	const uint8_t *reg = kept(p, offset);

	(void)size; /* registers have 8 bits, whatever reads them */
	if (offset % 4)
		return false;
	if (reg)
		*value = *reg;
	else if (offset < GPIODIR)
		*value = read_data(p, (uint8_t)(offset >> 2));
	else if (offset == GPIORIS)
		*value = raw_status(p);
	else if (offset == GPIOMIS)
		*value = raw_status(p) & p->enabled;
	else if (offset >= GPIOPERIPHID0)
		*value = identification[(offset - GPIOPERIPHID0) / 4];
	else
		return false;
	return true;
}

static bool pl061_write(struct device *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	struct pl061 *p = (struct pl061 *)dev;
	uint8_t *reg = kept(p, offset), mask = (uint8_t)(offset >> 2) & p->direction;

	(void)size;
	if (offset % 4)
		return false;
	if (reg)
		*reg = (uint8_t)value;
	else if (offset < GPIODIR) /* an input's bit keeps what it was as an output */
		p->out = (p->out & ~mask) | ((uint8_t)value & mask);
	else if (offset == GPIOIC)
		p->edges &= (uint8_t)~value;
	else
		return false;
	update(p);
	return true;
}

static int pl061_create(struct device *dev, const struct device_host *host, struct err *err)
{
	struct pl061 *p = (struct pl061 *)dev;

	(void)host;
	(void)err;
	p->hold = (struct clock_timer){ .fire = hold_is_over, .ctx = p, .deadline = CLOCK_NEVER };
	return 0;
}

static void pl061_destroy(struct device *dev)
{
	struct pl061 *p = (struct pl061 *)dev;

	if (p->holding)
		clock_timer_set(dev->host->clock, &p->hold, CLOCK_NEVER);
}

static const struct device_prop pl061_props[] = {
	{ "clocks", PROP_CLOCK, 24000000, "apb_pclk" }, { "gpio-controller", PROP_FLAG, 0, NULL },
	{ "#gpio-cells", PROP_U32, 2, NULL },           { "interrupt-controller", PROP_FLAG, 0, NULL },
	{ "#interrupt-cells", PROP_U32, 2, NULL },      { "#address-cells", PROP_U32, 0, NULL },
	{ "phandle", PROP_POWER, POWER_PIN, NULL },     { .name = NULL },
};

const struct device_class pl061_class = {
	.name = "pl061",
	.compatible = "arm,pl061\0arm,primecell\0",
	.props = pl061_props,
	.size = sizeof(struct pl061),
	.access_max = 4,
	.create = pl061_create,
	.destroy = pl061_destroy,
	.read = pl061_read,
	.write = pl061_write,
	.press_power = pl061_press,
};
