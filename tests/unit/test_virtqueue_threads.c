// SPDX-License-Identifier: BSD-2-Clause
/*
 * A virtqueue between two threads and no lock: one is the driver, the other the device, and each goes to sleep
 * when the other has said that it need not be told (VIRTIO 1.2, "Notification suppression"). A barrier that is
 * missing on either side shows as a test that never ends (the alarm in main()), as a wrong byte, or as two that
 * did not see each other. Built with -fsanitize=thread it shows data races, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "tests/unit/virtio_echo.h"

#define SIZE       64
#define CHAINS     50000
#define PATIENCE_S 850

static struct vrig v;
static struct echo echo;
static struct virtq *q;
static struct vrig_queue *ring;
static uint64_t buffer; /* SIZE times 16 bytes */

/* What a thread sleeps on. */
struct bell {
	pthread_mutex_t lock;
	pthread_cond_t rung;
	bool is_rung;
};

static struct bell for_device = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };
static struct bell for_driver = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };

static void ring_bell(struct bell *bell)
{
	pthread_mutex_lock(&bell->lock);
	bell->is_rung = true;
	pthread_cond_signal(&bell->rung);
	pthread_mutex_unlock(&bell->lock);
}

static void wait_for(struct bell *bell)
{
	pthread_mutex_lock(&bell->lock);
	while (!bell->is_rung)
		pthread_cond_wait(&bell->rung, &bell->lock);
	bell->is_rung = false;
	pthread_mutex_unlock(&bell->lock);
}

/* --- the device: adds 1 to what it reads --- */

static void serve(struct virtq_chain *chain)
{
	uint32_t value = 0;

	iov_read(chain->iov, chain->nr_read, 0, &value, sizeof(value));
	value++;
	virtq_push(q, chain->head,
		   (uint32_t)iov_write(chain_in(chain), chain->nr_write, 0, &value, sizeof(value)));
}

static void *be_device(void *arg)
{
	struct iovec iov[2];
	struct virtq_chain chain = { .iov = iov, .max_iov = 2 };
	unsigned int served = 0;

	(void)arg;
	while (served < CHAINS) {
		virtq_disable_notify(q);
		while (virtq_pop(q, &chain) == 1) {
			serve(&chain);
			served++;
			if (virtq_wants_interrupt(q))
				ring_bell(&for_driver);
		}
		if (q->halted)
			break;
		if (served < CHAINS && !virtq_enable_notify(q))
			wait_for(&for_device);
	}
	return NULL;
}

/* --- the driver, with the other half of each barrier --- */

/* Chain `number`: a word to read and the next to write, both in descriptors of their own. */
static void add(uint32_t number)
{
	uint16_t first = number % (SIZE / 2) * 2, before = ring->next_avail;
	uint64_t at = buffer + 16ULL * first;
	bool wanted;

	memcpy(vrig_host(&v, at, 4), &number, 4);
	memset(vrig_host(&v, at + 16, 4), 0, 4);
	ring->desc[first] = (struct virtq_desc){ at, 4, VIRTQ_DESC_F_NEXT, (uint16_t)(first + 1) };
	ring->desc[first + 1] = (struct virtq_desc){ at + 16, 4, VIRTQ_DESC_F_WRITE, 0 };
	vrig_make_available(&v, 0, first);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (ring->event_idx)
		wanted = __atomic_load_n(&ring->used[2 + 4 * SIZE], __ATOMIC_RELAXED) == before;
	else
		wanted = !(__atomic_load_n(&ring->used[0], __ATOMIC_RELAXED) & 1);
	if (wanted)
		ring_bell(&for_device);
}

static void take(uint32_t number)
{
	uint32_t entry[2], value;

	memcpy(entry, ring->used + 2 + 4 * (ring->seen_used % SIZE), sizeof(entry));
	ring->seen_used++;
	assert_int_equal(entry[0], number % (SIZE / 2) * 2);
	assert_int_equal(entry[1], 4);
	memcpy(&value, vrig_host(&v, buffer + 16ULL * entry[0] + 16, 4), 4);
	assert_int_equal(value, number + 1);
}

/* Asks for an interrupt, and sleeps if there is still nothing. */
static void wait_for_used(void)
{
	if (ring->event_idx)
		__atomic_store_n(&ring->avail[2 + SIZE], ring->seen_used, __ATOMIC_RELAXED);
	else
		__atomic_store_n(&ring->avail[0], 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!vrig_used(&v, 0))
		wait_for(&for_driver);
	if (!ring->event_idx)
		__atomic_store_n(&ring->avail[0], 1, __ATOMIC_RELAXED);
}

static void pass_chains(uint64_t features)
{
	uint32_t added = 0, taken = 0;
	pthread_t device;

	echo_setup(&v, &echo, 1, SIZE);
	q = &echo.vdev.queue[0];
	ring = &v.queue[0];
	vrig_start_size(&v, features, SIZE);
	buffer = vrig_alloc(&v, 16 * SIZE);
	assert_int_equal(pthread_create(&device, NULL, be_device, NULL), 0);
	while (taken < CHAINS) {
		for (; added < CHAINS && added - taken < SIZE / 2; added++)
			add(added);
		if (!vrig_used(&v, 0))
			wait_for_used();
		for (; vrig_used(&v, 0); taken++)
			take(taken);
	}
	pthread_join(device, NULL);
	assert_false(q->halted);
	vrig_finish(&v);
}

static void test_flags(void **state)
{
	(void)state;
	pass_chains(0);
}

static void test_event_idx(void **state)
{
	(void)state;
	pass_chains(VIRTIO_F_EVENT_IDX);
}

/* --- both at the same moment, very often: one of the two sees the other --- */

#define PLACES  1024 /* queues of two descriptors, each used once in a turn */
#define TURNS   150
#define NOT_YET 0x8000 /* an event that is far away */

/* Words of the areas of a place. */
#define AVAIL 16
#define USED  24

struct place {
	struct virtq q;
	uint16_t *area; /* 48 words: table, available ring, used ring */
	bool device_saw, driver_saw;
};

struct meeting {
	bool event_idx;
	bool (*device)(struct place *place);
	bool (*driver)(struct place *place, bool event_idx);
};

static struct place places[PLACES];
static const struct meeting *meeting;
static pthread_barrier_t turn_begins, turn_ends;
static _Atomic unsigned int arrived; /* after the barrier: both are awake */

static void arrive(unsigned int turn)
{
	pthread_barrier_wait(&turn_begins);
	arrived++;
	while (arrived < 2 * (turn + 1))
		sched_yield();
}

static void *meet_driver(void *arg)
{
	(void)arg;
	for (unsigned int turn = 0; turn < TURNS; turn++) {
		arrive(turn);
		for (unsigned int i = 0; i < PLACES; i++)
			places[i].device_saw = meeting->device(&places[i]);
		pthread_barrier_wait(&turn_ends);
	}
	return NULL;
}

static bool push(struct place *place)
{
	virtq_push(&place->q, 0, 0);
	return virtq_wants_interrupt(&place->q);
}

static bool wait_for_interrupt(struct place *place, bool event_idx)
{
	if (event_idx)
		__atomic_store_n(&place->area[AVAIL + 4], 0, __ATOMIC_RELAXED);
	else
		__atomic_store_n(&place->area[AVAIL], 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&place->area[USED + 1], __ATOMIC_RELAXED) == 1;
}

static bool wait_for_work(struct place *place)
{
	return virtq_enable_notify(&place->q);
}

static bool make_available(struct place *place, bool event_idx)
{
	__atomic_store_n(&place->area[AVAIL + 1], 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (event_idx)
		return __atomic_load_n(&place->area[USED + 10], __ATOMIC_RELAXED) == 0;
	return __atomic_load_n(&place->area[USED], __ATOMIC_RELAXED) == 0;
}

static void prepare(unsigned int i)
{
	struct place *place = &places[i];
	uint64_t at = VRIG_RAM + 128ULL * i;

	place->area = memset(vrig_host(&v, at, 96), 0, 96);
	if (meeting->event_idx)
		place->area[AVAIL + 4] = place->area[USED + 10] = NOT_YET;
	else
		place->area[AVAIL] = place->area[USED] = 1; /* NO_INTERRUPT, NO_NOTIFY */
	virtq_init(&place->q, &v.mem, 2);
	place->q.desc = at;
	place->q.avail = at + 2 * AVAIL;
	place->q.used = at + 2 * USED;
	place->q.event_idx = meeting->event_idx;
	assert_int_equal(virtq_start(&place->q), 0);
}

static void meet(const struct meeting *which)
{
	pthread_t device;

	vrig_init(&v);
	meeting = which;
	arrived = 0;
	pthread_barrier_init(&turn_begins, NULL, 2);
	pthread_barrier_init(&turn_ends, NULL, 2);
	assert_int_equal(pthread_create(&device, NULL, meet_driver, NULL), 0);
	for (unsigned int turn = 0; turn < TURNS; turn++) {
		for (unsigned int i = 0; i < PLACES; i++)
			prepare(i);
		arrive(turn);
		for (unsigned int i = 0; i < PLACES; i++)
			places[i].driver_saw = meeting->driver(&places[i], meeting->event_idx);
		pthread_barrier_wait(&turn_ends);
		for (unsigned int i = 0; i < PLACES; i++)
			assert_true(places[i].device_saw || places[i].driver_saw);
	}
	pthread_join(device, NULL);
	pthread_barrier_destroy(&turn_begins);
	pthread_barrier_destroy(&turn_ends);
	free(v.ram);
	free(v.rom);
}

static void test_used_and_waiting_for_it(void **state)
{
	(void)state;
	meet(&(struct meeting){ false, push, wait_for_interrupt });
	meet(&(struct meeting){ true, push, wait_for_interrupt });
}

static void test_available_and_waiting_for_it(void **state)
{
	(void)state;
	meet(&(struct meeting){ false, wait_for_work, make_available });
	meet(&(struct meeting){ true, wait_for_work, make_available });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_event_idx),
		cmocka_unit_test(test_used_and_waiting_for_it),
		cmocka_unit_test(test_available_and_waiting_for_it),
	};

	alarm(PATIENCE_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
