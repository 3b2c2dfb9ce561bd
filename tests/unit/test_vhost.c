// SPDX-License-Identifier: BSD-2-Clause
/*
 * Virtqueues that the kernel works on: what it is told, in which order, and how the queues come back. The
 * kernel is the test: it defines the functions of kvm/vhost.h itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "host/vhost.h"
#include "kvm/vhost.h"
#include "tests/unit/virtio_echo.h"

#define FIRST 2 /* the device's queue that is ring 0 */

static struct vrig v;
static struct echo echo;
static struct loop loop;
static struct vhost vhost;

/* --- the kernel --- */

static uint64_t kernel_features = UINT64_MAX;
static int fails_at;        /* the n-th call from now on fails, with -ENOMEM; 0: none */
static unsigned int calls;  /* of all kinds */
static uint64_t features;   /* as they were set */
static unsigned int ranges; /* of memory */
static struct vhost_range range[4];
static struct vhost_ring ring[2];
static bool is_set[2], running;
static uint16_t stopped_at[2];

static int called_now(void)
{
	calls++;
	return fails_at && !--fails_at ? -ENOMEM : 0;
}

int vhost_fd_set_owner(int fd)
{
	(void)fd;
	return called_now();
}

int vhost_fd_get_features(int fd, uint64_t *value)
{
	(void)fd;
	*value = kernel_features;
	return called_now();
}

int vhost_fd_set_features(int fd, uint64_t value)
{
	(void)fd;
	assert_false(running);
	features = value;
	return called_now();
}

int vhost_fd_set_memory(int fd, const struct vhost_range *what, unsigned int count)
{
	(void)fd;
	assert_false(running);
	assert_in_range(count, 1, 4);
	ranges = count;
	memcpy(range, what, count * sizeof(*what));
	return called_now();
}

int vhost_fd_set_ring(int fd, unsigned int index, const struct vhost_ring *what)
{
	int ret = called_now();

	(void)fd;
	assert_true(index < 2 && !running && !is_set[index] && ranges);
	ring[index] = *what;
	is_set[index] = !ret;
	return ret;
}

int vhost_fd_clear_ring(int fd, unsigned int index, uint16_t *next_avail)
{
	(void)fd;
	assert_true(index < 2 && !running && is_set[index]);
	is_set[index] = false;
	*next_avail = stopped_at[index];
	return 0;
}

int vhost_fd_net_set_backend(int fd, unsigned int index, int tap)
{
	(void)fd;
	(void)index;
	(void)tap;
	return 0;
}

static int set_running(struct vhost *what, bool on)
{
	assert_ptr_equal(what, &vhost);
	assert_true(is_set[0] && is_set[1]);
	running = on;
	if (on && called_now() < 0) {
		running = false;
		return -ENOMEM;
	}
	return 0;
}

/* --- who runs the device --- */

static int kick[FIRST + 2] = { -1, -1, -1, -1 };
static bool taken[FIRST + 2];

static int take_queue(struct virtio_device *vdev, unsigned int index)
{
	(void)vdev;
	assert_in_range(index, FIRST, FIRST + 1);
	assert_false(taken[index]);
	taken[index] = true;
	return kick[index];
}

static void give_queue_back(struct virtio_device *vdev, unsigned int index)
{
	(void)vdev;
	assert_true(taken[index]);
	taken[index] = false;
}

static uint64_t count_of(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

static bool is_quiet(void)
{
	struct epoll_event event;

	return epoll_wait(loop.epoll_fd, &event, 1, 0) == 0;
}

/* One event of the loop. */
static void run_once(void)
{
	struct epoll_event event;
	struct loop_source *source;

	assert_int_equal(epoll_wait(loop.epoll_fd, &event, 1, 0), 1);
	source = event.data.ptr;
	source->ready(source->ctx, event.events);
}

static int start(void)
{
	struct err err = { .text = "" };
	int ret;

	pthread_mutex_lock(&echo.vdev.lock);
	ret = vhost_start(&vhost, &echo.vdev, FIRST, echo.vdev.accepted, &err);
	pthread_mutex_unlock(&echo.vdev.lock);
	if (ret < 0)
		assert_string_not_equal(err.text, "");
	return ret;
}

static void stop(void)
{
	pthread_mutex_lock(&echo.vdev.lock);
	vhost_stop(&vhost);
	pthread_mutex_unlock(&echo.vdev.lock);
}

static void halt(struct virtio_device *vdev)
{
	assert_ptr_equal(vdev, &echo.vdev);
	vhost_stop(&vhost);
}

static int setup(void **state)
{
	static struct virtio_class class;
	struct err err;

	(void)state;
	assert_int_equal(loop_init(&loop, &err), 0);
	echo_setup(&v, &echo, FIRST + 2, 64);
	class = echo_class;
	class.halt = halt;
	echo.vdev.class = &class;
	echo.vdev.take_queue = take_queue;
	echo.vdev.give_queue_back = give_queue_back;
	for (unsigned int i = FIRST; i < FIRST + 2; i++)
		kick[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	kernel_features = UINT64_MAX;
	fails_at = 0;
	calls = ranges = 0;
	stopped_at[0] = stopped_at[1] = 0;
	assert_int_equal(vhost_open(&vhost, "/dev/null", "vhost_test", 2, &loop, &err), 0);
	vhost.set_running = set_running;
	vrig_start(&v, VIRTIO_F_EVENT_IDX | ECHO_FEATURE);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stop();
	vhost_close(&vhost);
	loop_finish(&loop);
	vrig_finish(&v);
	for (unsigned int i = FIRST; i < FIRST + 2; i++)
		close(kick[i]);
	assert_false(running || is_set[0] || is_set[1] || taken[FIRST] || taken[FIRST + 1]);
	return 0;
}

/* --- the tests --- */

static void test_opening(void **state)
{
	struct vhost other;
	struct err err;

	(void)state;
	assert_int_equal(vhost_open(&other, "/nonexistent", "vhost_test", 2, &loop, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent"));
	assert_non_null(strstr(err.text, "modprobe vhost_test"));
	for (fails_at = 1; fails_at <= 2;) {
		int at = fails_at;

		assert_int_equal(vhost_open(&other, "/dev/null", "vhost_test", 2, &loop, &err), -ENOMEM);
		fails_at = at + 1;
	}
	fails_at = 0;
	/* What the card has offered its driver the kernel must know. */
	kernel_features = ~VIRTIO_F_EVENT_IDX;
	assert_int_equal(vhost_open(&other, "/dev/null", "vhost_test", 2, &loop, &err), -ENOTSUP);
	vhost_close(&other);
}

static void test_what_the_kernel_is_told(void **state)
{
	uint8_t *window = v.rom;

	(void)state;
	assert_int_equal(guest_mem_add_window(&v.mem, 1ULL << 32, VRIG_ROM_SIZE, window, true), 0);
	vhost.features = ~ECHO_FEATURE;
	echo.vdev.queue[FIRST].next_avail = 5;
	assert_int_equal(start(), 0);
	assert_true(running);
	assert_int_equal(features, VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX);
	/* All that the guest can write to, and what the kernel could not write to either. */
	assert_int_equal(ranges, 2);
	assert_int_equal(range[0].base, VRIG_RAM);
	assert_int_equal(range[0].size, VRIG_RAM_SIZE);
	assert_ptr_equal(range[0].host, v.ram);
	assert_int_equal(range[1].base, 1ULL << 32);
	assert_int_equal(range[1].size, VRIG_ROM_SIZE);
	assert_ptr_equal(range[1].host, window);
	for (unsigned int i = 0; i < 2; i++) {
		const struct vrig_queue *q = &v.queue[FIRST + i];

		assert_int_equal(ring[i].size, 16);
		assert_int_equal(ring[i].next_avail, i ? 0 : 5);
		assert_ptr_equal(ring[i].desc, q->desc);
		assert_ptr_equal(ring[i].avail, q->avail);
		assert_ptr_equal(ring[i].used, q->used);
		assert_int_equal(ring[i].kick, kick[FIRST + i]);
		/* Notifications of before reach it. */
		assert_int_equal(count_of(kick[FIRST + i]), 1);
	}
}

static void test_interrupts(void **state)
{
	const uint64_t one = 1;

	(void)state;
	assert_int_equal(start(), 0);
	for (unsigned int i = 0; i < 2; i++) {
		vrig_interrupts(&v);
		assert_int_equal(write(ring[i].call, &one, 8), 8);
		run_once();
		assert_int_equal(vrig_interrupts(&v), 1);
		assert_int_equal(vrig_ack(&v), VIRTIO_INT_USED);
		assert_true(is_quiet());
	}
	/* One that comes too late: the driver has reset the device. */
	assert_int_equal(write(ring[0].call, &one, 8), 8);
	stop();
	assert_true(is_quiet());
	assert_int_equal(vrig_interrupts(&v), 0);
	assert_int_equal(start(), 0);
	assert_true(is_quiet());
}

static int controller_fd;

static int interrupt_fd(struct virtio_device *vdev)
{
	(void)vdev;
	return controller_fd;
}

/* A controller in the kernel has its own eventfd. */
static void test_interrupts_in_the_kernel(void **state)
{
	const struct virtio_transport_ops ops = { .interrupt = echo.vdev.transport->interrupt,
						  .interrupt_fd = interrupt_fd };
	const struct virtio_transport_ops *before = echo.vdev.transport;

	(void)state;
	controller_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	echo.vdev.transport = &ops;
	assert_int_equal(start(), 0);
	assert_int_equal(ring[0].call, controller_fd);
	assert_int_equal(ring[1].call, controller_fd);
	stop();
	echo.vdev.transport = before;
	close(controller_fd);
}

static void test_queues_come_back(void **state)
{
	struct virtq *q = &echo.vdev.queue[FIRST];

	(void)state;
	assert_int_equal(start(), 0);
	assert_true(taken[FIRST] && taken[FIRST + 1]);
	v.queue[FIRST].used[1] = 9; /* chains that the kernel has given back */
	stopped_at[0] = 9;
	stop();
	assert_false(running || taken[FIRST] || taken[FIRST + 1]);
	assert_int_equal(q->next_avail, 9);
	assert_int_equal(q->next_used, 9);
	stop(); /* once more does no harm */
	assert_int_equal(start(), 0);
	assert_int_equal(ring[0].next_avail, 9);
}

static void test_a_ring_that_is_malformed(void **state)
{
	const uint64_t one = 1;

	(void)state;
	assert_int_equal(start(), 0);
	assert_int_equal(write(ring[1].error, &one, 8), 8);
	run_once();
	assert_true(vrig_is_broken(&v));
	assert_false(running);
	assert_true(is_quiet());
	vrig_start(&v, 0);
	assert_int_equal(start(), 0);
	assert_false(vrig_is_broken(&v));
}

static bool is_host_error(struct vhost *of)
{
	assert_ptr_equal(of, &vhost);
	return true;
}

static void test_a_host_that_fails(void **state)
{
	const uint64_t one = 1;

	(void)state;
	vhost.is_host_error = is_host_error;
	assert_int_equal(start(), 0);
	assert_int_equal(write(ring[0].error, &one, 8), 8);
	run_once();
	assert_false(vrig_is_broken(&v));
	assert_true(running);
	assert_true(is_quiet());
}

static void test_queues_that_are_not_ready(void **state)
{
	(void)state;
	vrig_negotiate(&v, VIRTIO_F_VERSION_1);
	vrig_queue(&v, FIRST, 16);
	vrig_driver_ok(&v);
	assert_int_equal(start(), -ENXIO);
	assert_false(taken[FIRST]);
}

/* Whatever the kernel refuses, everything is as before. */
static void test_what_can_fail(void **state)
{
	unsigned int before = calls, needed;

	(void)state;
	assert_int_equal(start(), 0);
	needed = calls - before;
	assert_true(needed >= 5);
	stop();
	for (unsigned int i = 1; i <= needed; i++) {
		fails_at = (int)i;
		assert_int_equal(start(), -ENOMEM);
		assert_false(running || is_set[0] || is_set[1] || taken[FIRST] || taken[FIRST + 1]);
		assert_true(is_quiet());
	}
	fails_at = 0;
	assert_int_equal(start(), 0);
}

/* Without eventfds there is nothing to take. */
static void test_a_device_that_nobody_runs(void **state)
{
	(void)state;
	echo.vdev.take_queue = NULL;
	assert_int_equal(start(), -ENOTSUP);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_opening),           test(test_what_the_kernel_is_told),
		test(test_interrupts),        test(test_interrupts_in_the_kernel),
		test(test_queues_come_back),  test(test_a_ring_that_is_malformed),
		test(test_a_host_that_fails), test(test_queues_that_are_not_ready),
		test(test_what_can_fail),     test(test_a_device_that_nobody_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
