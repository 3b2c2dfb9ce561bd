/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a device is given in a unit test instead of a machine: a clock that stands still until it is
 * stepped, an interrupt controller that remembers the levels of its lines, a console that takes and
 * gives as much as it is told to, and a rig that puts one device on a bus among them.
 *
 * Include after <cmocka.h>.
 */
#ifndef VIREO_TESTS_UNIT_FAKE_H
#define VIREO_TESTS_UNIT_FAKE_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "devices/bus.h"
#include "devices/chardev.h"
#include "devices/clock.h"
#include "devices/device.h"
#include "devices/irqchip.h"
#include "kvm/log.h"

/* --- clock --- */

struct fake_clock {
	struct clock clock;
	uint64_t monotonic; /* ns */
	int64_t realtime;   /* ns; may be set at will */
	struct clock_timer *armed;
};

static inline uint64_t fake_clock_monotonic(struct clock *clock)
{
	return ((struct fake_clock *)clock)->monotonic;
}

static inline int64_t fake_clock_realtime(struct clock *clock)
{
	return ((struct fake_clock *)clock)->realtime;
}

static inline void fake_clock_timer_set(struct clock *clock, struct clock_timer *timer, uint64_t deadline)
{
	struct fake_clock *fake = (struct fake_clock *)clock;
	struct clock_timer **at = &fake->armed;

	while (*at && *at != timer)
		at = &(*at)->next;
	if (*at)
		*at = timer->next;
	timer->deadline = deadline;
	if (deadline != CLOCK_NEVER) {
		timer->next = fake->armed;
		fake->armed = timer;
	}
}

static inline void fake_clock_init(struct fake_clock *fake)
{
	static const struct clock_ops ops = {
		.monotonic = fake_clock_monotonic,
		.realtime = fake_clock_realtime,
		.timer_set = fake_clock_timer_set,
	};

	*fake = (struct fake_clock){ .clock.ops = &ops, .monotonic = 1000 };
}

/* The earliest armed timer, or NULL. */
static inline struct clock_timer *fake_clock_next(const struct fake_clock *fake)
{
	struct clock_timer *first = fake->armed;

	for (struct clock_timer *timer = fake->armed; timer; timer = timer->next)
		if (timer->deadline < first->deadline)
			first = timer;
	return first;
}

/* Lets `ns` pass, firing timers at their deadlines. Returns how many fired. */
static inline unsigned int fake_clock_step(struct fake_clock *fake, uint64_t ns)
{
	uint64_t end = fake->monotonic + ns;
	struct clock_timer *timer;
	unsigned int fired = 0;

	while ((timer = fake_clock_next(fake)) && timer->deadline <= end) {
		if (timer->deadline > fake->monotonic) {
			fake->realtime += (int64_t)(timer->deadline - fake->monotonic);
			fake->monotonic = timer->deadline;
		}
		fake_clock_timer_set(&fake->clock, timer, CLOCK_NEVER);
		timer->fire(timer->ctx);
		fired++;
	}
	fake->realtime += (int64_t)(end - fake->monotonic);
	fake->monotonic = end;
	return fired;
}

/* --- interrupt controller --- */

#define FAKE_LINES 64

struct fake_irqchip {
	struct irqchip chip;
	bool level[FAKE_LINES];
	unsigned int raised[FAKE_LINES]; /* how often it went from low to high */
	bool masked[FAKE_LINES];         /* what a device that asks is told */
	unsigned int messages;           /* MSIs */
	uint64_t msi_addr;               /* of the last one */
	uint32_t msi_data;
};

static inline void fake_irqchip_set_line(struct irqchip *chip, uint32_t line, bool level)
{
	struct fake_irqchip *fake = (struct fake_irqchip *)chip;

	assert_true(line < FAKE_LINES);
	if (level && !fake->level[line])
		fake->raised[line]++;
	fake->level[line] = level;
}

static inline bool fake_irqchip_unmasked(struct irqchip *chip, uint32_t line)
{
	return !((struct fake_irqchip *)chip)->masked[line];
}

static inline void fake_irqchip_send_msi(struct irqchip *chip, uint64_t addr, uint32_t data, uint32_t devid)
{
	struct fake_irqchip *fake = (struct fake_irqchip *)chip;

	(void)devid;
	fake->messages++;
	fake->msi_addr = addr;
	fake->msi_data = data;
}

static inline void fake_irqchip_init(struct fake_irqchip *fake)
{
	static const struct irqchip_ops ops = {
		.set_line = fake_irqchip_set_line,
		.unmasked = fake_irqchip_unmasked,
		.send_msi = fake_irqchip_send_msi,
	};

	*fake = (struct fake_irqchip){ .chip.ops = &ops };
}

/* --- console --- */

#define FAKE_CHARDEV_SIZE 4096

struct fake_chardev {
	struct chardev chr;
	size_t room; /* bytes of output that are taken before the next is refused */
	uint8_t out[FAKE_CHARDEV_SIZE];
	size_t out_len;
	unsigned int refused;
	uint8_t in[FAKE_CHARDEV_SIZE];
	size_t in_len, in_taken;
	unsigned int asked; /* calls of get() */
};

static inline size_t fake_chardev_put(struct chardev *chr, const uint8_t *buf, size_t len)
{
	struct fake_chardev *fake = (struct fake_chardev *)chr;
	size_t taken = 0;

	while (taken < len && fake->room) {
		fake->room--;
		fake->out[fake->out_len++ % FAKE_CHARDEV_SIZE] = buf[taken++];
	}
	fake->refused += taken < len;
	return taken;
}

static inline size_t fake_chardev_get(struct chardev *chr, uint8_t *buf, size_t len)
{
	struct fake_chardev *fake = (struct fake_chardev *)chr;
	size_t left = fake->in_len - fake->in_taken;

	fake->asked++;
	if (len > left)
		len = left;
	memcpy(buf, fake->in + fake->in_taken, len);
	fake->in_taken += len;
	return len;
}

static inline void fake_chardev_init(struct fake_chardev *fake)
{
	static const struct chardev_ops ops = { .put = fake_chardev_put, .get = fake_chardev_get };

	memset(fake, 0, sizeof(*fake));
	fake->chr.ops = &ops;
	fake->chr.connected = true;
	fake->room = SIZE_MAX;
}

/* Input arrives, in addition to what is waiting, without a word to the model. */
static inline void fake_chardev_feed(struct fake_chardev *fake, const void *bytes, size_t len)
{
	memmove(fake->in, fake->in + fake->in_taken, fake->in_len - fake->in_taken);
	fake->in_len -= fake->in_taken;
	fake->in_taken = 0;
	assert_true(len <= sizeof(fake->in) - fake->in_len);
	memcpy(fake->in + fake->in_len, bytes, len);
	fake->in_len += len;
}

/* Input arrives and the model hears of it. */
static inline void fake_chardev_type(struct fake_chardev *fake, const char *text)
{
	fake_chardev_feed(fake, text, strlen(text));
	if (fake->chr.readable)
		fake->chr.readable(fake->chr.ctx);
}

/* There is room for `room` more bytes of output, and the model hears of it. */
static inline void fake_chardev_make_room(struct fake_chardev *fake, size_t room)
{
	fake->room = room;
	if (fake->chr.writable)
		fake->chr.writable(fake->chr.ctx);
}

static inline size_t fake_chardev_waiting(const struct fake_chardev *fake)
{
	return fake->in_len - fake->in_taken;
}

/* --- one device among them --- */

#define RIG_UNCLAIMED 0xfedcba9876543210ULL /* what the rig's bus reads where nothing answers */

struct rig {
	struct fake_clock clock;
	struct fake_irqchip irqchip;
	struct fake_chardev console;
	struct device_host host;
	unsigned int events[GUEST_PANIC + 1];
	unsigned int leaves; /* how often the guest wanted to end the run */
	uint8_t status;      /* the last time with this */

	struct bus bus;
	struct device *dev;
	uint64_t base, size;
	uint32_t line;
};

static inline void rig_event(void *ctx, enum guest_event event)
{
	((struct rig *)ctx)->events[event]++;
}

static inline void rig_leave(void *ctx, uint8_t status)
{
	((struct rig *)ctx)->leaves++;
	((struct rig *)ctx)->status = status;
}

/* Prepares everything but the device. */
static inline void rig_init(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	fake_clock_init(&rig->clock);
	fake_irqchip_init(&rig->irqchip);
	fake_chardev_init(&rig->console);
	bus_init(&rig->bus, "rig", RIG_UNCLAIMED);
	rig->host.clock = &rig->clock.clock;
	rig->host.console = &rig->console.chr;
	rig->host.event = rig_event;
	rig->host.leave = rig_leave;
	rig->host.ctx = rig;
}

/* Plugs in a device of `class`. */
static inline void rig_plug(struct rig *rig, const struct device_class *class, uint64_t base, uint64_t size,
			    uint32_t line)
{
	struct err err = { .text = "" };
	struct irq_line irq = { .chip = &rig->irqchip.chip, .line = line };

	rig->base = base;
	rig->size = size;
	rig->line = line;
	assert_int_equal(device_create(&rig->dev, class, &rig->host, irq, 0, &err), 0);
	assert_int_equal(bus_add(&rig->bus, base, size, rig->dev), 0);
}

/* Takes the device out; it must leave nothing armed. */
static inline void rig_finish(struct rig *rig)
{
	device_destroy(rig->dev);
	assert_null(rig->clock.armed);
}

/* rig_finish() for cmocka, if setup has left the rig at *state. */
static inline int rig_teardown(void **state)
{
	rig_finish(*state);
	return 0;
}

static inline bool rig_line(const struct rig *rig)
{
	return rig->irqchip.level[rig->line];
}

static inline uint64_t rig_read(struct rig *rig, uint64_t offset, unsigned int size)
{
	return bus_read(&rig->bus, rig->base + offset, size);
}

static inline void rig_write(struct rig *rig, uint64_t offset, unsigned int size, uint64_t value)
{
	bus_write(&rig->bus, rig->base + offset, size, value);
}

/* The low `size` bytes of what the rig's bus reads where nothing answers. */
static inline uint64_t rig_unclaimed(unsigned int size)
{
	return size < 8 ? RIG_UNCLAIMED & ((1ULL << 8 * size) - 1) : RIG_UNCLAIMED;
}

/* --- log --- */

/* Runs `body` with the log at debug level caught; returns how many lines say `text`. */
static inline unsigned int fake_log_lines(void (*body)(void *ctx), void *ctx, const char *text)
{
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	unsigned int lines = 0;
	char line[256];

	assert_non_null(file);
	assert_true(saved >= 0);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	log_set_level(LOG_DEBUG);
	body(ctx);
	log_set_level(LOG_WARN);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);

	rewind(file);
	while (fgets(line, sizeof(line), file))
		lines += strstr(line, text) != NULL;
	fclose(file);
	return lines;
}

/* --- a guest that tries everything --- */

/* A pseudo-random sequence that is the same in every run (xorshift64). Seed with anything but 0. */
static inline uint64_t fake_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/*
 * One access of any width, in or around the device's window, half of the values being small. The
 * value of a read must be zero-extended.
 */
static inline void rig_poke(struct rig *rig, uint64_t *state)
{
	uint64_t random = fake_random(state), value = fake_random(state);
	unsigned int size = 1 + random % 8;
	uint64_t offset = (random >> 8) % (rig->size + 16) - 8;

	if (random >> 40 & 1)
		value &= 0xff;
	if (random >> 41 & 1) {
		rig_write(rig, offset, size, value);
	} else {
		value = rig_read(rig, offset, size);
		assert_true(size == 8 || value >> 8 * size == 0);
	}
}

#endif
