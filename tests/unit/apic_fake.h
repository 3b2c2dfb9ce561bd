/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One LAPIC and the world around it: what it asks of its host is recorded, its clock and its TSC
 * stand still until they are stepped. Registers by both front ends, with the front end as argument.
 *
 * Include after <cmocka.h>.
 */
#ifndef VIREO_TESTS_UNIT_APIC_FAKE_H
#define VIREO_TESTS_UNIT_APIC_FAKE_H

#include "devices/lapic.h"
#include "tests/unit/fake.h"

#define LAPIC_BASE_AT_RESET 0xfee00000ULL
#define MS                  1000000ULL

#define SVR_ON (LAPIC_SVR_ENABLE | 0xff)

#define ICR_LOGICAL          (1u << 11)
#define ICR_ASSERT           (1u << 14)
#define ICR_LEVEL            (1u << 15)
#define ICR_MODE(delivery)   ((uint32_t)(delivery) << 8)
#define ICR_SHORT(shorthand) ((uint32_t)(shorthand) << 18)

#define SENT_MAX 8

struct lapic_rig {
	struct fake_clock clock;
	struct lapic lapic;
	uint64_t tsc;
	uint64_t tsc_takes; /* ns, before it is read */

	unsigned int kicks;
	struct apic_message sent[SENT_MAX];
	uint32_t sender; /* of the last message */
	unsigned int nr_sent;
	unsigned int ended[256]; /* EOIs broadcast, by vector */
	unsigned int nr_ended;
};

static inline void lapic_rig_kick(void *cpu)
{
	((struct lapic_rig *)cpu)->kicks++;
}

static inline uint64_t lapic_rig_tsc(void *cpu)
{
	struct lapic_rig *rig = cpu;

	fake_clock_step(&rig->clock, rig->tsc_takes);
	rig->tsc += rig->tsc_takes * 2; /* 2 GHz */
	return rig->tsc;
}

static inline void lapic_rig_send(void *bus, uint32_t sender, const struct apic_message *msg)
{
	struct lapic_rig *rig = bus;

	rig->sender = sender;
	rig->sent[rig->nr_sent++ % SENT_MAX] = *msg;
}

static inline void lapic_rig_eoi(void *bus, uint8_t vector)
{
	struct lapic_rig *rig = bus;

	rig->ended[vector]++;
	rig->nr_ended++;
}

static inline void lapic_rig_init_at(struct lapic_rig *rig, uint32_t id, bool bsp, uint32_t timer_hz,
				     uint32_t tsc_khz)
{
	const struct lapic_host host = {
		.kick = lapic_rig_kick,
		.read_tsc = lapic_rig_tsc,
		.cpu = rig,
		.send = lapic_rig_send,
		.eoi = lapic_rig_eoi,
		.bus = rig,
	};

	memset(rig, 0, sizeof(*rig));
	fake_clock_init(&rig->clock);
	lapic_init(&rig->lapic, id, bsp, &host, &rig->clock.clock, timer_hz, tsc_khz);
}

/* Powered up: id 5, not the bootstrap processor, timer at 1 GHz, TSC at 2 GHz. */
static inline void lapic_rig_init(struct lapic_rig *rig)
{
	lapic_rig_init_at(rig, 5, false, 1000000000, 2000000);
}

/* --- registers --- */

static inline uint32_t get(struct lapic_rig *rig, uint32_t offset)
{
	return (uint32_t)lapic_mmio_read(&rig->lapic, offset, 4);
}

static inline void put(struct lapic_rig *rig, uint32_t offset, uint32_t value)
{
	lapic_mmio_write(&rig->lapic, offset, 4, value);
}

static inline uint32_t msr_of(uint32_t offset)
{
	return 0x800 + offset / 16;
}

static inline void enable_x2apic(struct lapic_rig *rig)
{
	lapic_set_base(&rig->lapic, LAPIC_BASE_AT_RESET | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
}

/* An MSR access that must not fault. */
static inline uint64_t get_msr(struct lapic_rig *rig, uint32_t offset)
{
	uint64_t value = 0;

	assert_true(lapic_msr_read(&rig->lapic, msr_of(offset), &value));
	return value;
}

static inline void put_msr(struct lapic_rig *rig, uint32_t offset, uint64_t value)
{
	assert_true(lapic_msr_write(&rig->lapic, msr_of(offset), value));
}

/* "Error Handling": a write of ESR shows what came up since the last one. */
static inline uint32_t errors(struct lapic_rig *rig)
{
	put(rig, LAPIC_ESR, 0);
	return get(rig, LAPIC_ESR);
}

/* --- interrupts --- */

static inline bool in_set(struct lapic_rig *rig, uint32_t set, unsigned int vector)
{
	return get(rig, set + vector / 32 * 16) >> (vector % 32) & 1;
}

/* An edge-triggered interrupt from outside. */
static inline bool deliver(struct lapic_rig *rig, uint8_t vector)
{
	return lapic_accept(&rig->lapic, APIC_FIXED, vector, false);
}

/* The processor takes an interrupt: the vector, or -1 if none may be delivered. */
static inline int take(struct lapic_rig *rig)
{
	int vector = lapic_pending(&rig->lapic);

	if (vector >= 0)
		lapic_acknowledge(&rig->lapic, (uint8_t)vector);
	return vector;
}

static inline void eoi(struct lapic_rig *rig)
{
	put(rig, LAPIC_EOI, 0);
}

/* Lets `ns` pass; the owner looks at the timer. Returns when it is to look again. */
static inline uint64_t pass(struct lapic_rig *rig, uint64_t ns)
{
	fake_clock_step(&rig->clock, ns);
	return lapic_run_timer(&rig->lapic);
}

#endif
