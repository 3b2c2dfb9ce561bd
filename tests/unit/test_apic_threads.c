// SPDX-License-Identifier: BSD-2-Clause
/*
 * The interrupt system under several threads, as the program uses it: each LAPIC belongs to one that
 * takes and ends its interrupts and sleeps until it is kicked; others deliver. An interrupt or a kick
 * that got lost would show as work nobody saw, or as a test that never ends (the alarm in main()).
 * Built with -fsanitize=thread it shows data races, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <unistd.h>

#include "devices/apic.h"
#include "devices/ioapic.h"
#include "tests/unit/fake.h"

#define SVR_ON     (LAPIC_SVR_ENABLE | 0xff)
#define RTE_LEVEL  0x8000u
#define ROUNDS     3000
#define SENDERS    3
#define MAX_CPUS   2
#define PATIENCE_S 850

/* A processor: its LAPIC, how it is woken, and what its interrupts are for. */
struct cpu {
	struct lapic *lapic;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t woken;
	bool kicked; /* guarded by lock */
	void (*handler)(struct cpu *cpu, uint8_t vector);
	void (*on_events)(struct cpu *cpu, uint32_t events, uint8_t sipi_vector);
	_Atomic bool stop; /* set before the last kick */
	unsigned int taken[256];
};

static struct rig rig;
static struct apic *apic;
static struct cpu cpus[MAX_CPUS];

static void kick(void *arg)
{
	struct cpu *cpu = arg;

	pthread_mutex_lock(&cpu->lock);
	cpu->kicked = true;
	pthread_cond_signal(&cpu->woken);
	pthread_mutex_unlock(&cpu->lock);
}

static uint64_t read_tsc(void *arg)
{
	(void)arg;
	return 0;
}

static void sleep_until_kicked(struct cpu *cpu)
{
	pthread_mutex_lock(&cpu->lock);
	while (!cpu->kicked)
		pthread_cond_wait(&cpu->woken, &cpu->lock);
	cpu->kicked = false;
	pthread_mutex_unlock(&cpu->lock);
}

static void put(struct cpu *cpu, uint32_t offset, uint32_t value)
{
	lapic_mmio_write(cpu->lapic, offset, 4, value);
}

static void take_all(struct cpu *cpu)
{
	uint8_t sipi_vector = 0;
	uint32_t events = lapic_take_events(cpu->lapic, &sipi_vector);
	int vector;

	if (events && cpu->on_events)
		cpu->on_events(cpu, events, sipi_vector);
	while ((vector = lapic_pending(cpu->lapic)) >= 0) {
		lapic_acknowledge(cpu->lapic, (uint8_t)vector);
		cpu->taken[vector]++;
		cpu->handler(cpu, (uint8_t)vector);
		put(cpu, LAPIC_EOI, 0);
	}
}

static void *run_cpu(void *arg)
{
	struct cpu *cpu = arg;
	bool stop;

	do {
		sleep_until_kicked(cpu);
		stop = cpu->stop;          /* nothing is sent after it was set */
		put(cpu, LAPIC_TPR, 0xf0); /* interrupts wait for a while */
		take_all(cpu);
		put(cpu, LAPIC_TPR, 0);
		take_all(cpu);
	} while (!stop);
	return NULL;
}

static void start(unsigned int nr, void (*handler)(struct cpu *cpu, uint8_t vector))
{
	const struct apic_rates rates = { .timer_hz = 1000000000 };
	struct err err = { .text = "" };

	rig_init(&rig);
	assert_int_equal(apic_create(&apic, nr, 24, &rig.host, rates, &err), 0);
	for (unsigned int i = 0; i < nr; i++) {
		cpus[i] = (struct cpu){ .handler = handler };
		pthread_mutex_init(&cpus[i].lock, NULL);
		pthread_cond_init(&cpus[i].woken, NULL);
		cpus[i].lapic = apic_attach(apic, i, kick, read_tsc, &cpus[i]);
		put(&cpus[i], LAPIC_SVR, SVR_ON);
	}
}

static void let_go(unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		assert_int_equal(pthread_create(&cpus[i].thread, NULL, run_cpu, &cpus[i]), 0);
}

static void stop(unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		cpus[i].stop = true;
		kick(&cpus[i]);
		pthread_join(cpus[i].thread, NULL);
		pthread_cond_destroy(&cpus[i].woken);
		pthread_mutex_destroy(&cpus[i].lock);
	}
}

static void finish(void)
{
	apic_destroy(apic);
	apic = NULL;
}

/* --- several senders, one LAPIC --- */

#define SHARED 0x51 /* everybody's vector; each sender also has one of its own above it */

static _Atomic unsigned int work[256]; /* posted, by vector; its order is the interrupt's matter */
static unsigned int seen[256];         /* the owner's: what it knew of when it served the vector */

static void see_work(struct cpu *cpu, uint8_t vector)
{
	(void)cpu;
	seen[vector] = atomic_load_explicit(&work[vector], memory_order_relaxed);
}

static void post(uint8_t vector, bool level)
{
	atomic_fetch_add_explicit(&work[vector], 1, memory_order_relaxed);
	lapic_accept(cpus[0].lapic, APIC_FIXED, vector, level);
}

static void *send_edges(void *arg)
{
	uint8_t own = (uint8_t)(SHARED + 0x20 + (uintptr_t)arg);

	for (unsigned int i = 0; i < ROUNDS; i++) {
		post(own, false);
		post(SHARED, i & 1); /* the trigger mode does not matter to delivery */
	}
	return NULL;
}

/* Interrupts that meet one pending merge, but the last one is always served after it was sent. */
static void test_no_edge_is_lost(void **state)
{
	pthread_t senders[SENDERS];

	(void)state;
	start(1, see_work);
	memset(seen, 0, sizeof(seen));
	for (unsigned int vector = 0; vector < 256; vector++)
		work[vector] = 0;
	let_go(1);
	for (uintptr_t i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_create(&senders[i], NULL, send_edges, (void *)i), 0);
	for (unsigned int i = 0; i < SENDERS; i++)
		pthread_join(senders[i], NULL);
	stop(1);

	for (unsigned int vector = 0; vector < 256; vector++) {
		assert_int_equal(seen[vector], work[vector]);
		assert_true(cpus[0].taken[vector] <= work[vector]);
	}
	assert_int_equal(work[SHARED], SENDERS * ROUNDS);
	finish();
}

/* --- senders that wait for each single one --- */

#define FIRST 0x71 /* of a vector per sender, all in one register of the IRR */

static pthread_mutex_t serving_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t serving = PTHREAD_COND_INITIALIZER;
static unsigned int wanted[256], served[256]; /* guarded by serving_lock */

/* What was wanted when the interrupt came is served by it. */
static void serve(struct cpu *cpu, uint8_t vector)
{
	(void)cpu;
	pthread_mutex_lock(&serving_lock);
	served[vector] = wanted[vector];
	pthread_cond_broadcast(&serving);
	pthread_mutex_unlock(&serving_lock);
}

static void serve_nmi(struct cpu *cpu, uint32_t events, uint8_t sipi_vector)
{
	(void)sipi_vector;
	if (events & LAPIC_EVENT_NMI)
		serve(cpu, 2);
}

static void want(enum apic_delivery delivery, uint8_t vector)
{
	unsigned int ticket;

	pthread_mutex_lock(&serving_lock);
	ticket = ++wanted[vector];
	pthread_mutex_unlock(&serving_lock);
	lapic_accept(cpus[0].lapic, delivery, vector, false);

	pthread_mutex_lock(&serving_lock);
	while (served[vector] < ticket)
		pthread_cond_wait(&serving, &serving_lock);
	pthread_mutex_unlock(&serving_lock);
}

static void *want_edges(void *arg)
{
	for (unsigned int i = 0; i < ROUNDS; i++)
		want(APIC_FIXED, (uint8_t)(FIRST + (uintptr_t)arg));
	return NULL;
}

static void *want_nmis(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < ROUNDS; i++)
		want(APIC_NMI, 2);
	return NULL;
}

static void *send_others(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		lapic_accept(cpus[0].lapic, APIC_STARTUP, 0x9a, false);
		lapic_accept(cpus[0].lapic, APIC_FIXED, 3, false); /* an error */
	}
	return NULL;
}

static void run_senders(void *(*const sender[SENDERS])(void *))
{
	pthread_t threads[SENDERS];

	memset(wanted, 0, sizeof(wanted));
	memset(served, 0, sizeof(served));
	let_go(1);
	for (uintptr_t i = 0; i < SENDERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sender[i], (void *)i), 0);
	for (unsigned int i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	stop(1);
}

static void test_every_edge_arrives(void **state)
{
	static void *(*const senders[SENDERS])(void *) = { want_edges, want_edges, want_edges };

	(void)state;
	start(1, serve);
	run_senders(senders);
	for (unsigned int i = 0; i < SENDERS; i++)
		assert_int_equal(cpus[0].taken[FIRST + i], ROUNDS);
	finish();
}

static void test_every_nmi_arrives_among_other_events(void **state)
{
	static void *(*const senders[SENDERS])(void *) = { want_nmis, want_nmis, send_others };

	(void)state;
	start(1, serve);
	cpus[0].on_events = serve_nmi;
	put(&cpus[0], LAPIC_LVT_ERROR, 0xe0);
	run_senders(senders);
	assert_int_equal(served[2], 2 * ROUNDS);
	assert_int_equal(cpus[0].taken[0xe0], 1); /* ESR was never written: one error interrupt */
	put(&cpus[0], LAPIC_ESR, 0);
	assert_int_equal(lapic_mmio_read(cpus[0].lapic, LAPIC_ESR, 4), LAPIC_ESR_RECV_ILLEGAL);
	finish();
}

/* --- a LAPIC that changes its mode --- */

static pthread_barrier_t both_there;
static _Atomic bool changed;

static void *change_mode(void *arg)
{
	pthread_barrier_wait(&both_there);
	lapic_set_base(arg, 0xfee00000 | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
	changed = true;
	return NULL;
}

/* Who is sent a message while it goes to x2APIC mode has its id before, after and meanwhile, and no other. */
static void test_an_id_holds_while_the_mode_changes(void **state)
{
	const struct apic_message to_it = { .dest = 1 }, to_other = { .dest = 0 };

	(void)state;
	pthread_barrier_init(&both_there, NULL, 2);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		bool wrong = false;
		pthread_t thread;

		start(2, NULL);
		changed = false;
		assert_int_equal(pthread_create(&thread, NULL, change_mode, cpus[1].lapic), 0);
		pthread_barrier_wait(&both_there);
		do {
			wrong |= !lapic_matches(cpus[1].lapic, &to_it);
			wrong |= lapic_matches(cpus[1].lapic, &to_other);
		} while (!changed);
		pthread_join(thread, NULL);
		finish();
		assert_false(wrong);
	}
	pthread_barrier_destroy(&both_there);
}

/* --- IPIs back and forth --- */

static unsigned int ball; /* no atomic: the IPI alone says whose turn it is */
static _Atomic bool game_over;
static pthread_mutex_t over_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t over = PTHREAD_COND_INITIALIZER;

static void hit_back(struct cpu *cpu, uint8_t vector)
{
	unsigned int other = cpu == &cpus[0];

	if (++ball == ROUNDS) {
		pthread_mutex_lock(&over_lock);
		game_over = true;
		pthread_cond_signal(&over);
		pthread_mutex_unlock(&over_lock);
		return;
	}
	put(cpu, LAPIC_ICR_HIGH, other << 24);
	put(cpu, LAPIC_ICR_LOW, vector == 0xf1 ? 0x31 : vector + 0x10u); /* every class in turn */
}

static void wait_for_the_end(void)
{
	pthread_mutex_lock(&over_lock);
	while (!game_over)
		pthread_cond_wait(&over, &over_lock);
	pthread_mutex_unlock(&over_lock);
}

static void test_ipis_between_two_processors(void **state)
{
	(void)state;
	ball = 0;
	game_over = false;
	start(2, hit_back);
	let_go(2);
	lapic_accept(cpus[0].lapic, APIC_FIXED, 0x31, false);
	wait_for_the_end();
	stop(2);
	assert_int_equal(ball, ROUNDS);
	finish();
}

/* --- devices with level-triggered lines --- */

#define DEVICES 2

/* A device that wants to be served again and again. Its lock guards it; it drives its line under it. */
struct fake_device {
	pthread_mutex_t lock;
	pthread_cond_t served;
	struct irq_line line;
	bool wants;
	unsigned int services;
};

static struct fake_device devs[DEVICES];

/* Both devices are on one vector: whoever wants service gets it. */
static void serve_devices(struct cpu *cpu, uint8_t vector)
{
	(void)cpu;
	(void)vector;
	for (unsigned int i = 0; i < DEVICES; i++) {
		struct fake_device *dev = &devs[i];

		pthread_mutex_lock(&dev->lock);
		if (dev->wants) {
			dev->wants = false;
			dev->services++;
			irq_line_set(&dev->line, false);
			pthread_cond_signal(&dev->served);
		}
		pthread_mutex_unlock(&dev->lock);
	}
}

static void *run_device(void *arg)
{
	struct fake_device *dev = arg;

	pthread_mutex_lock(&dev->lock);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		dev->wants = true;
		irq_line_set(&dev->line, true);
		while (dev->wants)
			pthread_cond_wait(&dev->served, &dev->lock);
	}
	pthread_mutex_unlock(&dev->lock);
	return NULL;
}

static void set_entry(unsigned int pin, uint32_t low)
{
	pthread_mutex_lock(&apic->ioapics.dev[0]->lock);
	assert_true(ioapic_class.write(apic->ioapics.dev[0], 0, 4, 0x10 + 2 * pin));
	assert_true(ioapic_class.write(apic->ioapics.dev[0], 0x10, 4, low));
	pthread_mutex_unlock(&apic->ioapics.dev[0]->lock);
}

static void test_level_triggered_devices(void **state)
{
	pthread_t threads[DEVICES];

	(void)state;
	start(1, serve_devices);
	for (unsigned int i = 0; i < DEVICES; i++) {
		devs[i] = (struct fake_device){ .line = { .chip = &apic->chip, .line = 4 + i } };
		pthread_mutex_init(&devs[i].lock, NULL);
		pthread_cond_init(&devs[i].served, NULL);
		set_entry(4 + i, RTE_LEVEL | 0x71);
	}
	let_go(1);
	for (unsigned int i = 0; i < DEVICES; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_device, &devs[i]), 0);
	for (unsigned int i = 0; i < DEVICES; i++)
		pthread_join(threads[i], NULL);
	stop(1);
	for (unsigned int i = 0; i < DEVICES; i++) {
		assert_int_equal(devs[i].services, ROUNDS);
		pthread_cond_destroy(&devs[i].served);
		pthread_mutex_destroy(&devs[i].lock);
	}
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_edge_is_lost),
		cmocka_unit_test(test_every_edge_arrives),
		cmocka_unit_test(test_every_nmi_arrives_among_other_events),
		cmocka_unit_test(test_an_id_holds_while_the_mode_changes),
		cmocka_unit_test(test_ipis_between_two_processors),
		cmocka_unit_test(test_level_triggered_devices),
	};

	alarm(PATIENCE_S); /* no test waits for it: it ends the program if an interrupt got lost */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
