// SPDX-License-Identifier: BSD-2-Clause
/*
 * A virtio-mmio device under several threads, as the program uses it: a worker that is told of notifications,
 * vCPUs at the registers, a backend that has news. A notification or an interrupt that got lost would show
 * as a test that never ends (the alarm in main()). Built with -fsanitize=thread it shows data races, too: the
 * driver's memory is its own again as soon as a reset is over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <unistd.h>

#include "tests/unit/virtio_echo.h"

#define QUEUES     2
#define SIZE       8
#define ROUNDS     150
#define BATCHES    40 /* of a round, at most */
#define PATIENCE_S 850

static struct vrig v;
static struct echo echo;
static _Atomic bool stop;

/* --- what a thread waits for: so many of something, since it looked last --- */

struct bell {
	pthread_mutex_t lock;
	pthread_cond_t rung;
	unsigned int count;
};

static struct bell worker_bell = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };
static struct bell irq_bell = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };

static void ring_bell(struct bell *bell)
{
	pthread_mutex_lock(&bell->lock);
	bell->count++;
	pthread_cond_signal(&bell->rung);
	pthread_mutex_unlock(&bell->lock);
}

static void wait_for(struct bell *bell)
{
	pthread_mutex_lock(&bell->lock);
	while (!bell->count)
		pthread_cond_wait(&bell->rung, &bell->lock);
	bell->count = 0;
	pthread_mutex_unlock(&bell->lock);
}

/* --- the program's side --- */

static _Atomic bool notified[QUEUES];

static void notify(struct virtio_device *vdev, unsigned int index)
{
	(void)vdev;
	notified[index] = true;
	ring_bell(&worker_bell);
}

static void *work(void *arg)
{
	(void)arg;
	while (!stop) {
		wait_for(&worker_bell);
		for (unsigned int i = 0; i < QUEUES; i++)
			if (atomic_exchange(&notified[i], false))
				virtio_kick(v.vdev, i);
	}
	return NULL;
}

static void pulse(struct irqchip *chip, uint32_t line)
{
	(void)chip;
	(void)line;
	ring_bell(&irq_bell);
}

/* The backend has news for the configuration space. */
static void have_news(void)
{
	for (unsigned int i = 0; i < 20; i++) {
		pthread_mutex_lock(&v.vdev->lock);
		v.vdev->config[0]++;
		virtio_config_changed(v.vdev);
		pthread_mutex_unlock(&v.vdev->lock);
	}
}

/* --- another vCPU --- */

static void look_around(void)
{
	static const uint32_t reg[] = { V_STATUS,        V_INTERRUPT_STATUS,  V_QUEUE_READY, V_DEVICE_ID,
					V_QUEUE_NUM_MAX, V_CONFIG_GENERATION, V_CONFIG,      V_SHM_LEN_LOW };

	for (unsigned int i = 0; i < 64; i++)
		vrig_read(&v, reg[i % 8]);
}

static void interfere(void)
{
	look_around();
	for (unsigned int i = 0; i <= QUEUES; i++)
		vrig_write(&v, V_QUEUE_NOTIFY, i);
	vrig_write(&v, V_INTERRUPT_ACK, VIRTIO_INT_CONFIG | VIRTIO_INT_USED);
	vrig_set_config(&v, 4, 4, 1);
}

/* A thread that does something each time the driver has sent requests. */
struct company {
	void (*act)(void);
	struct bell bell;
	pthread_t thread;
};

static void *keep_company(void *arg)
{
	struct company *company = arg;

	while (!stop) {
		wait_for(&company->bell);
		company->act();
	}
	return NULL;
}

static struct company company[2];

/* --- the driver, with what it shares with the device accessed as it must be --- */

static uint64_t buffer[QUEUES]; /* SIZE times 32 bytes */

static void start(uint64_t features)
{
	v.allocated = 0;
	memset(&v.queue, 0, sizeof(v.queue));
	vrig_write(&v, V_STATUS, 0);
	vrig_write(&v, V_STATUS, 3);
	vrig_accept(&v, features | VIRTIO_F_VERSION_1);
	vrig_write(&v, V_STATUS, 11);
	for (unsigned int i = 0; i < QUEUES; i++) {
		vrig_queue(&v, i, SIZE);
		v.queue[i].event_idx = features & VIRTIO_F_EVENT_IDX;
		buffer[i] = vrig_alloc(&v, SIZE * 32ULL);
	}
	vrig_write(&v, V_STATUS, 15);
}

/* One request of 4 bytes that are to come back, in descriptors 2 * slot and the next. */
static void send(unsigned int index, uint32_t value)
{
	struct vrig_queue *ring = &v.queue[index];
	uint16_t slot = value % (SIZE / 2), before = ring->next_avail;
	uint64_t at = buffer[index] + 32ULL * slot;
	bool wanted;

	memcpy(vrig_host(&v, at, 4), &value, 4);
	memset(vrig_host(&v, at + 16, 4), 0, 4);
	ring->desc[2 * slot] = (struct virtq_desc){ at, 4, VIRTQ_DESC_F_NEXT, (uint16_t)(2 * slot + 1) };
	ring->desc[2 * slot + 1] = (struct virtq_desc){ at + 16, 4, VIRTQ_DESC_F_WRITE, 0 };
	vrig_make_available(&v, index, 2 * slot);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (ring->event_idx)
		wanted = __atomic_load_n(&ring->used[2 + 4 * SIZE], __ATOMIC_RELAXED) == before;
	else
		wanted = !(__atomic_load_n(&ring->used[0], __ATOMIC_RELAXED) & 1);
	if (wanted)
		vrig_notify(&v, index);
}

/* Takes what has come back; returns how many. Then an interrupt is wanted for the next, unless it is there. */
static unsigned int collect(unsigned int index)
{
	struct vrig_queue *ring = &v.queue[index];
	unsigned int taken = 0;

	for (;;) {
		for (; vrig_used(&v, index); ring->seen_used++, taken++) {
			uint32_t entry[2], out, in;
			uint64_t at;

			memcpy(entry, ring->used + 2 + 4 * (ring->seen_used % SIZE), sizeof(entry));
			assert_true(entry[0] < SIZE && entry[0] % 2 == 0);
			assert_int_equal(entry[1], 4);
			at = buffer[index] + 16ULL * entry[0];
			memcpy(&out, vrig_host(&v, at, 4), 4);
			memcpy(&in, vrig_host(&v, at + 16, 4), 4);
			assert_int_equal(in, out);
		}
		__atomic_store_n(&ring->avail[2 + SIZE], ring->seen_used, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (!vrig_used(&v, index))
			return taken;
	}
}

/* As many chains as there are descriptors for, so many times; the last are left to themselves if so wished. */
static void drive(unsigned int times, bool leave)
{
	uint32_t value = 1;

	while (times) {
		unsigned int waiting = 0;

		for (unsigned int i = 0; i < QUEUES; i++) {
			for (unsigned int k = 0; k < SIZE / 2; k++)
				send(i, value + k);
			waiting += SIZE / 2;
		}
		for (unsigned int i = 0; i < 2; i++)
			ring_bell(&company[i].bell);
		value += SIZE / 2;
		times--;
		if (leave && !times)
			return;
		while (waiting) {
			wait_for(&irq_bell);
			vrig_ack(&v);
			for (unsigned int i = 0; i < QUEUES; i++)
				waiting -= collect(i);
		}
	}
}

static void run_with(void (*one)(void), void (*other)(void))
{
	static const struct irqchip_ops ops = {
		.set_line = fake_irqchip_set_line,
		.send_msi = fake_irqchip_send_msi,
		.pulse = pulse,
	};
	pthread_t worker;

	echo_setup(&v, &echo, QUEUES, SIZE);
	v.is_shared = true;
	v.vdev->notify = notify;
	v.rig.irqchip.chip.ops = &ops;
	stop = false;
	company[0].act = one;
	company[1].act = other;
	assert_int_equal(pthread_create(&worker, NULL, work, NULL), 0);
	for (unsigned int i = 0; i < 2; i++) {
		pthread_mutex_init(&company[i].bell.lock, NULL);
		pthread_cond_init(&company[i].bell.rung, NULL);
		assert_int_equal(pthread_create(&company[i].thread, NULL, keep_company, &company[i]), 0);
	}
	for (unsigned int i = 0; i < ROUNDS; i++) {
		start(i % 2 ? VIRTIO_F_EVENT_IDX : 0);
		drive(1 + i % 5 * (BATCHES / 4), i % 3 == 0);
	}
	vrig_write(&v, V_STATUS, 0);
	stop = true;
	ring_bell(&worker_bell);
	pthread_join(worker, NULL);
	for (unsigned int i = 0; i < 2; i++) {
		ring_bell(&company[i].bell);
		pthread_join(company[i].thread, NULL);
	}
	assert_int_equal(echo.vdev.nr_broken, 0);
	vrig_finish(&v);
}

/* Nobody else notifies or interrupts: what gets lost is lost. */
static void test_nothing_gets_lost(void **state)
{
	(void)state;
	run_with(look_around, look_around);
}

static void test_everybody(void **state)
{
	(void)state;
	run_with(interfere, have_news);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_gets_lost),
		cmocka_unit_test(test_everybody),
	};

	alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
