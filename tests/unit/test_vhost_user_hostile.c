// SPDX-License-Identifier: BSD-2-Clause
/*
 * The vhost-user front end against a back end that does not do as it should: nothing that it answers, and not
 * its end, does more than make requests fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/syscall.h>
#include <time.h>

#include "tests/unit/vhost_user_rig.h"

/* A request of FUSE, numbered: what is to be read, and room for the answer. */
struct fuse {
	struct vrig_buf buf[2];
	uint64_t unique;
};

static struct fuse make_fuse(uint64_t unique)
{
	uint32_t in[12] = { sizeof(in), 3, (uint32_t)unique };

	return (struct fuse){ .buf = { vrig_out(&v, in, sizeof(in)), vrig_in(&v, 64) }, .unique = unique };
}

/* struct fuse_out_header: its length, the error -EIO, the request's number. */
static void assert_refused(const struct fuse *f)
{
	const uint32_t expected[4] = { 16, (uint32_t)-EIO, (uint32_t)f->unique };

	assert_memory_equal(vrig_host(&v, f->buf[1].addr, sizeof(expected)), expected, sizeof(expected));
}

static void assert_requests_fail(unsigned int index)
{
	struct fuse f = make_fuse(1234);

	vrig_send(&v, index, f.buf, 2);
	assert_int_equal(vrig_get(&v, index), 16);
	assert_refused(&f);
	assert_false(vrig_is_broken(&v));
}

static void lose(void *ctx)
{
	(void)ctx;
	lose_back_end();
}

static void test_end_of_the_back_end(void **state)
{
	(void)state;
	start(VIRTIO_ID_FS, 2);
	round_trip(0);
	assert_int_equal(fake_log_lines(lose, NULL,
					"share src: vhost-user: the back end closed the connection; "
					"from now on its requests fail"),
			 1);
	for (unsigned int i = 0; i < 40; i++)
		assert_requests_fail(i % 2);
	assert_int_equal(vrig_ack(&v) & VIRTIO_INT_USED, VIRTIO_INT_USED);
	for (unsigned int i = 0; i < 3; i++) {
		vrig_start(&v, 0);
		assert_requests_fail(0);
		assert_requests_fail(1);
	}
}

static void test_end_before_it_is_used(void **state)
{
	struct fuse f;

	(void)state;
	assert_int_equal(create(VIRTIO_ID_FS, 2, false), 0);
	lose_back_end();
	assert_true(vrig_negotiate(&v, VIRTIO_F_VERSION_1));
	vrig_queue(&v, 0, 8);
	vrig_queue(&v, 1, 8);
	f = make_fuse(1);
	vrig_add(&v, 1, f.buf, 2);
	vrig_driver_ok(&v);
	assert_int_equal(vrig_get(&v, 1), 16);
	assert_refused(&f);
}

/* Answers a request, as a back end would. */
static void answer(const struct fuse *f, uint16_t head)
{
	const uint32_t out[4] = { 16, 0, (uint32_t)f->unique }, entry[2] = { head, 16 };
	struct vrig_queue *q = &v.queue[1];

	memcpy(vrig_host(&v, f->buf[1].addr, sizeof(out)), out, sizeof(out));
	memcpy(q->used + 2 + 4 * (q->used[1] % q->size), entry, sizeof(entry));
	__atomic_store_n(&q->used[1], (uint16_t)(q->used[1] + 1), __ATOMIC_RELEASE);
}

/* Begins to answer it: the header is there. */
static void begin_answer(const struct fuse *f)
{
	const uint32_t out[4] = { 64, 0, (uint32_t)f->unique };

	memcpy(vrig_host(&v, f->buf[1].addr, sizeof(out)), out, sizeof(out));
}

/*
 * After `before` requests, the back end had taken `count` more, and had answered some of those, the last one
 * first, and begun to answer some: each that is not answered fails, and none is answered twice (vrig_get() checks).
 */
static void lose_with(unsigned int before, unsigned int count, uint32_t answered, uint32_t begun)
{
	struct fuse f[8];
	uint16_t head[8];

	be.works_at_the_end = true; /* it leaves all of this to the test */
	start(VIRTIO_ID_FS, 2);
	for (unsigned int i = 0; i < before; i++) {
		f[0] = make_fuse(1000 + i);
		answer(&f[0], vrig_add(&v, 1, f[0].buf, 2));
		vrig_get(&v, 1);
	}
	for (unsigned int i = 0; i < count; i++) {
		f[i] = make_fuse(i + 1);
		head[i] = vrig_add(&v, 1, f[i].buf, 2);
	}
	for (unsigned int i = count; i-- > 0;)
		if (answered & 1u << i)
			answer(&f[i], head[i]);
	for (unsigned int i = 0; i < count; i++)
		if (begun & 1u << i)
			begin_answer(&f[i]);
	lose_back_end();
	while (vrig_used(&v, 1))
		assert_int_equal(vrig_get(&v, 1), 16);
	assert_int_equal(v.queue[1].nr_free, v.queue[1].size);
	for (unsigned int i = 0; i < count; i++)
		if (!(answered & 1u << i))
			assert_refused(&f[i]);
	assert_requests_fail(1);
}

static void test_end_with_requests_in_flight(void **state)
{
	static const struct {
		unsigned int before, count;
		uint32_t answered, begun;
	} cases[] = {
		{ 0, 1, 0, 0 },        { 0, 8, 0, 0 },      { 0, 8, 0x55, 0 },   { 0, 8, 0xf0, 0 },
		{ 0, 8, 0x0f, 0 },     { 0, 8, 0xff, 0 },   { 5, 8, 0x2, 0 },    { 100, 1, 0, 0 },
		{ 37, 8, 0x81, 0 },    { 37, 7, 0x3e, 0 },  { 0, 1, 0, 1 },      { 100, 1, 0, 1 },
		{ 0, 8, 0xfe, 1 },     { 100, 8, 0xfe, 1 }, { 700, 8, 0xfe, 1 }, { 700, 8, 0x5b, 0x24 },
		{ 255, 8, 0x7f, 128 }, { 300, 3, 0, 7 },    { 1000, 1, 0, 1 },
	};

	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		teardown(state);
		setup(state);
		lose_with(cases[i].before, cases[i].count, cases[i].answered, cases[i].begun);
	}
}

/* Indices that no driver makes: nothing happens but that. */
static void test_end_with_nonsense_in_the_rings(void **state)
{
	(void)state;
	start(VIRTIO_ID_FS, 2);
	v.queue[0].used[1] = 7;
	v.queue[1].avail[1] = 0xffff;
	lose_back_end();
	vrig_reset(&v);
	vrig_start(&v, 0);
	assert_requests_fail(1);
}

/* VIRTIO 1.2, "Block Device": VIRTIO_BLK_S_IOERR in the last byte. */
static void test_end_of_a_disk(void **state)
{
	const uint32_t header[4] = { 0, 0, 8, 0 };
	struct vrig_buf buf[3];

	(void)state;
	be.works_at_the_end = true;
	start(VIRTIO_ID_BLOCK, 1);
	/* The back end has these already. */
	for (unsigned int i = 0; i < 3; i++) {
		buf[0] = vrig_out(&v, header, sizeof(header));
		buf[1] = vrig_in(&v, 1);
		vrig_send(&v, 0, buf, 2);
	}
	lose_back_end();
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(vrig_get(&v, 0), 1);
	assert_int_equal(*(uint8_t *)vrig_host(&v, buf[1].addr, 1), 1);
	buf[0] = vrig_out(&v, header, sizeof(header));
	buf[1] = vrig_in(&v, 512);
	buf[2] = vrig_in(&v, 1);
	vrig_send(&v, 0, buf, 3);
	assert_int_equal(vrig_get(&v, 0), 513);
	assert_int_equal(*(uint8_t *)vrig_host(&v, buf[2].addr, 1), 1);
	assert_false(vrig_is_broken(&v));
}

/* VIRTIO 1.2, "Network Device", "Device configuration layout": the link is down. */
static void test_end_of_a_network(void **state)
{
	struct vrig_buf buf;

	(void)state;
	assert_int_equal(create(VIRTIO_ID_NET, 2, false), 0);
	vrig_start(&v, 0);
	assert_int_equal(vrig_config(&v, 6, 2), 1);
	lose_back_end();
	assert_int_equal(vrig_config(&v, 6, 2), 0);
	assert_int_equal(vrig_ack(&v) & VIRTIO_INT_CONFIG, VIRTIO_INT_CONFIG);
	assert_false(vrig_is_broken(&v));
	/* What is sent is lost, what is to be received is waited for. */
	buf = vrig_out(&v, "frame", 5);
	vrig_send(&v, 1, &buf, 1);
	assert_int_equal(vrig_get(&v, 1), 0);
	buf = vrig_in(&v, 1526);
	vrig_send(&v, 0, &buf, 1);
	assert_int_equal(vrig_used(&v, 0), 0);
	vrig_reset(&v);
	vrig_start(&v, 0);
	assert_int_equal(vrig_config(&v, 6, 2), 0);
}

/*
 * A driver whose ring never gets empty: the index of what is available goes on while the worker works. It is left after
 * a queueful, and comes again by a notification of its own.
 */
static void never_empty(unsigned int index, unsigned int most)
{
	struct vrig_queue *q = &v.queue[index];
	struct vrig_buf buf[] = { vrig_out(&v, "\4\0\1", 4), vrig_in(&v, 64) };
	unsigned int taken;
	uint16_t head;

	head = vrig_add(&v, index, buf, 2);
	for (unsigned int i = 0; i < q->size; i++)
		q->avail[2 + i] = head;
	__atomic_store_n(&q->avail[1], (uint16_t)(q->used[1] + q->size), __ATOMIC_RELEASE);
	taken = q->used[1];
	v.notified[index] = 0;
	virtio_kick(v.vdev, index);
	taken = (uint16_t)(q->used[1] - taken);
	assert_int_equal(taken, most);
	assert_int_equal(v.notified[index], 1);
	assert_false(vrig_is_broken(&v));
}

static void test_a_driver_that_never_rests(void **state)
{
	(void)state;
	assert_int_equal(create(VIRTIO_ID_NET, 4, true), 0);
	vrig_start(&v, 1ULL << 17);
	never_empty(4, 16);
	lose_back_end();
	never_empty(1, v.queue[1].size);
}

/* Of a back end that sends a byte every three seconds; then they pass here. */
static bool is_slow;
static time_t passed;

ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	bool slow = is_slow && fd != be.fd;

	if (slow)
		passed += 3;
	return recvfrom(fd, buf, slow ? 1 : len, flags, NULL, NULL);
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int ret = (int)syscall(SYS_clock_gettime, id, ts);

	ts->tv_sec += passed;
	return ret;
}

static void test_slow_at_the_start(void **state)
{
	(void)state;
	is_slow = true;
	assert_int_equal(create(VIRTIO_ID_FS, 2, false), -ETIMEDOUT);
	is_slow = false;
	assert_true(passed < 30);
	assert_non_null(strstr(err.text, "share src: vhost-user: no whole answer to GET_FEATURES"));
}

static void test_error_of_a_queue(void **state)
{
	const uint64_t one = 1;

	(void)state;
	start(VIRTIO_ID_FS, 2);
	assert_int_equal(write(be.queue[1].err, &one, sizeof(one)), sizeof(one));
	pump();
	assert_true(vrig_is_broken(&v));
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(be.queue[i].kick, -1); /* it has given the queues back */
	vrig_reset(&v);
	vrig_start(&v, 0);
	assert_false(vrig_is_broken(&v));
	round_trip(1);
}

/* Every wrong answer to every message: refused at once, or the device is out of use; nothing is leaked. */
static void wrong_answer(uint32_t request, enum wrong wrong)
{
	uint8_t config[60];
	struct vhost_user *vu;
	bool greeting = request <= M_SET_OWNER ||
			(request >= M_GET_PROTOCOL_FEATURES && request <= M_GET_QUEUE_NUM);
	int ret;

	be.wrong_request = request;
	be.wrong = wrong;
	be.protocol |= BE_RESET_DEVICE;
	if (request == M_GET_CONFIG || request == M_SET_CONFIG) {
		be_start(&be);
		assert_int_equal(vhost_user_open(&vu, be.front, "disk root", &err), 0);
		ret = request == M_GET_CONFIG ? vhost_user_get_config(vu, config, sizeof(config), &err)
					      : vhost_user_set_config(vu, 32, "\1", 1, &err);
		assert_true(ret < 0);
		assert_true(vu->dead);
		assert_int_equal(vhost_user_get_config(vu, config, sizeof(config), &err), -EPIPE);
		vhost_user_close(vu);
		return;
	}
	ret = create(VIRTIO_ID_FS, 2, false);
	if (greeting && request != M_SET_FEATURES) {
		assert_true(ret < 0);
		assert_non_null(strstr(err.text, "share src: vhost-user: "));
		return;
	}
	assert_int_equal(ret, 0);
	vrig_start(&v, 0);
	if (request == M_GET_VRING_BASE || request == M_RESET_DEVICE) {
		vrig_reset(&v); /* it does not answer: the driver is not kept waiting */
		assert_int_equal(vrig_read(&v, V_STATUS), 0);
		vrig_start(&v, 0);
	}
	assert_requests_fail(0);
	assert_requests_fail(1);
	vrig_reset(&v);
}

static void test_wrong_answers(void **state)
{
	static const uint32_t requests[] = {
		M_GET_FEATURES,
		M_SET_FEATURES,
		M_SET_OWNER,
		M_SET_MEM_TABLE,
		M_SET_VRING_NUM,
		M_SET_VRING_ADDR,
		M_SET_VRING_BASE,
		M_GET_VRING_BASE,
		M_SET_VRING_KICK,
		M_SET_VRING_CALL,
		M_SET_VRING_ERR,
		M_GET_PROTOCOL_FEATURES,
		M_SET_PROTOCOL_FEATURES,
		M_GET_QUEUE_NUM,
		M_SET_VRING_ENABLE,
		M_GET_CONFIG,
		M_SET_CONFIG,
		M_RESET_DEVICE,
	};

	for (unsigned int i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		for (enum wrong wrong = WRONG_REQUEST; wrong < WRONG_SILENT; wrong++) {
			uint32_t request = requests[i];

			/* All features, all protocol features, many queues: allowed. */
			if (wrong == WRONG_VALUE &&
			    (request == M_GET_FEATURES || request == M_GET_PROTOCOL_FEATURES ||
			     request == M_GET_QUEUE_NUM))
				continue;
			/* Sent before acknowledgements are agreed on: there is no answer to it. */
			if (request == M_SET_PROTOCOL_FEATURES)
				continue;
			teardown(state);
			setup(state);
			v.vdev = NULL;
			wrong_answer(request, wrong);
		}
	}
}

/* Descriptors that nobody asked for are not kept: setup() and teardown() count. */
static void test_extra_descriptors(void **state)
{
	(void)state;
	be.extra_fds = true;
	start(VIRTIO_ID_FS, 2);
	round_trip(0);
	vrig_reset(&v);
}

static void *cancel_when_silent(void *ctx)
{
	(void)ctx;
	while (sem_wait(&be.silent) < 0)
		;
	v.vdev->class->cancel(v.vdev);
	return NULL;
}

/* The VM ends while something waits for an answer that never comes. */
static void cancel(uint32_t request)
{
	pthread_t thread;

	be.wrong_request = request;
	be.wrong = WRONG_SILENT;
	assert_int_equal(create(VIRTIO_ID_FS, 2, false), 0);
	assert_int_equal(pthread_create(&thread, NULL, cancel_when_silent, NULL), 0);
	vrig_start(&v, 0);
	vrig_reset(&v);
	pthread_join(thread, NULL);
}

static void test_cancel_a_start(void **state)
{
	(void)state;
	cancel(M_SET_MEM_TABLE);
}

static void test_cancel_a_reset(void **state)
{
	(void)state;
	cancel(M_GET_VRING_BASE);
}

static void *work(void *ctx)
{
	(void)ctx;
	vrig_run(&v);
	return NULL;
}

/*
 * The back end is silent when the queues are handed to it. What Linux reads behind DRIVER_OK is answered all the same (the
 * test would not end): the status, and of a network card its own.
 */
static void test_reads_while_it_is_waited_for(void **state)
{
	pthread_t worker;

	(void)state;
	be.wrong_request = M_SET_MEM_TABLE;
	be.wrong = WRONG_SILENT;
	assert_int_equal(create(VIRTIO_ID_NET, 2, false), 0);
	assert_true(vrig_negotiate(&v, VIRTIO_F_VERSION_1));
	vrig_queue(&v, 0, 16);
	vrig_queue(&v, 1, 16);
	vrig_write(&v, V_STATUS, 15);
	assert_int_equal(pthread_create(&worker, NULL, work, NULL), 0);
	while (sem_wait(&be.silent) < 0)
		;
	assert_int_equal(vrig_read(&v, V_STATUS), 15);
	assert_int_equal(vrig_config(&v, 6, 2), 1);
	assert_int_equal(vrig_ack(&v), 0);
	v.vdev->class->cancel(v.vdev);
	pthread_join(worker, NULL);
}

static void test_too_old(void **state)
{
	(void)state;
	be.features = BE_PROTOCOL_FEATURES;
	assert_true(create(VIRTIO_ID_FS, 2, false) < 0);
	assert_non_null(strstr(err.text, "virtio 1.0"));
}

static void test_no_queues(void **state)
{
	(void)state;
	be.nr_queues = 0;
	assert_true(create(VIRTIO_ID_FS, 2, false) < 0);
	assert_non_null(strstr(err.text, "no queues"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_end_of_the_back_end),
		TEST(test_end_before_it_is_used),
		TEST(test_end_with_requests_in_flight),
		TEST(test_end_with_nonsense_in_the_rings),
		TEST(test_end_of_a_disk),
		TEST(test_end_of_a_network),
		TEST(test_a_driver_that_never_rests),
		TEST(test_slow_at_the_start),
		TEST(test_error_of_a_queue),
		TEST(test_wrong_answers),
		TEST(test_extra_descriptors),
		TEST(test_cancel_a_start),
		TEST(test_cancel_a_reset),
		TEST(test_reads_while_it_is_waited_for),
		TEST(test_too_old),
		TEST(test_no_queues),
	};

	log_set_level(LOG_ERROR); /* a warning for each that is lost */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
