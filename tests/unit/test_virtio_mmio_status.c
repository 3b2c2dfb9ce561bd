// SPDX-License-Identifier: BSD-2-Clause
/*
 * How a driver takes a device into use and gives it up, in the right order and in others (VIRTIO 1.2,
 * "Device Status Field", "Feature Bits", "Device Initialization").
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/virtio_echo.h"

#define ACKNOWLEDGE 1
#define DRIVER      2
#define DRIVER_OK   4
#define FEATURES_OK 8
#define NEEDS_RESET 64
#define FAILED      128

#define UP_TO_FEATURES (ACKNOWLEDGE | DRIVER | FEATURES_OK)
#define ALL            (UP_TO_FEATURES | DRIVER_OK)

static struct vrig v;
static struct echo echo;

static int setup(void **state)
{
	(void)state;
	echo_setup(&v, &echo, 2, 64);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vrig_finish(&v);
	return echo.destroyed != 1;
}

static uint32_t set_status(uint32_t value)
{
	vrig_write(&v, V_STATUS, value);
	return vrig_read(&v, V_STATUS);
}

/* Sends a request that works. */
static void expect_service(void)
{
	struct vrig_buf buf[2] = { vrig_out(&v, "hello", 5), vrig_in(&v, 16) };

	vrig_send(&v, 1, buf, 2);
	assert_int_equal(vrig_get(&v, 1), 5);
	assert_memory_equal(vrig_host(&v, buf[1].addr, 5), "hello", 5);
	vrig_interrupts(&v);
	vrig_ack(&v);
}

/* As it was created. */
static void expect_new(void)
{
	assert_int_equal(vrig_read(&v, V_STATUS), 0);
	assert_int_equal(vrig_read(&v, V_INTERRUPT_STATUS), 0);
	for (unsigned int i = 0; i < 2; i++) {
		vrig_write(&v, V_QUEUE_SEL, i);
		assert_int_equal(vrig_read(&v, V_QUEUE_READY), 0);
		assert_int_equal(vrig_read(&v, V_QUEUE_NUM_MAX), 64);
	}
}

/* --- step by step --- */

static void test_steps(void **state)
{
	(void)state;
	assert_int_equal(vrig_read(&v, V_STATUS), 0);
	assert_int_equal(set_status(ACKNOWLEDGE), ACKNOWLEDGE);
	assert_int_equal(set_status(ACKNOWLEDGE | DRIVER), ACKNOWLEDGE | DRIVER);
	vrig_accept(&v, VIRTIO_F_VERSION_1);
	assert_int_equal(set_status(UP_TO_FEATURES), UP_TO_FEATURES);
	vrig_queue(&v, 0, 16);
	vrig_queue(&v, 1, 16);
	assert_int_equal(echo.activated, 0);
	assert_int_equal(set_status(ALL), ALL);
	assert_int_equal(echo.activated, 1);
	assert_int_equal(set_status(ALL), ALL); /* again: it is nothing new */
	assert_int_equal(echo.activated, 1);
	expect_service();
	assert_int_equal(set_status(0), 0);
	assert_int_equal(echo.resets, 1);
	expect_new();
}

/* Bits stay set until a reset, whatever the driver writes; those that are not its own never come from it. */
static void test_bits_stay(void **state)
{
	(void)state;
	vrig_start(&v, 0);
	assert_int_equal(set_status(DRIVER_OK), ALL);
	assert_int_equal(set_status(0x100), ALL); /* not 0: no reset */
	assert_int_equal(set_status(0xffffff00), ALL);
	assert_int_equal(set_status(NEEDS_RESET | 16 | 32), ALL);
	assert_int_equal(echo.resets, 1); /* that of the start */
	expect_service();
}

/* --- features --- */

static void test_features(void **state)
{
	static const struct {
		uint64_t features;
		bool fine;
	} choice[] = {
		{ VIRTIO_F_VERSION_1, true },
		{ VIRTIO_F_VERSION_1 | ECHO_FEATURE, true },
		{ VIRTIO_F_VERSION_1 | ECHO_HIGH_FEATURE, true },
		{ VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC, true },
		{ 0, false },
		{ ECHO_FEATURE, false }, /* a driver of before version 1 */
		{ VIRTIO_F_VERSION_1 | 1, false },
		{ VIRTIO_F_VERSION_1 | 1ULL << 40 | 1ULL << 41, false },
		{ VIRTIO_F_VERSION_1 | 1ULL << 63, false },
		{ VIRTIO_F_VERSION_1 | 1ULL << 34, false }, /* RING_PACKED */
		{ UINT64_MAX, false },
	};

	(void)state;
	for (unsigned int i = 0; i < sizeof(choice) / sizeof(choice[0]); i++) {
		assert_int_equal(vrig_negotiate(&v, choice[i].features), choice[i].fine);
		/* What is refused leads to no use of the device. */
		assert_int_equal(set_status(ALL) & DRIVER_OK, choice[i].fine ? DRIVER_OK : 0);
	}
}

/* None are offered there: a driver that accepts one is refused. */
static void test_features_above_63(void **state)
{
	(void)state;
	vrig_reset(&v);
	set_status(ACKNOWLEDGE | DRIVER);
	vrig_accept(&v, VIRTIO_F_VERSION_1);
	vrig_write(&v, V_DRIVER_FEATURES_SEL, 2);
	vrig_write(&v, V_DRIVER_FEATURES, 0); /* none: that is fine */
	assert_int_equal(set_status(UP_TO_FEATURES), UP_TO_FEATURES);

	vrig_reset(&v);
	set_status(ACKNOWLEDGE | DRIVER);
	vrig_accept(&v, VIRTIO_F_VERSION_1);
	vrig_write(&v, V_DRIVER_FEATURES_SEL, 3);
	vrig_write(&v, V_DRIVER_FEATURES, 1);
	assert_int_equal(set_status(UP_TO_FEATURES), ACKNOWLEDGE | DRIVER);

	assert_true(vrig_negotiate(&v, VIRTIO_F_VERSION_1)); /* forgotten with a reset */
}

/* A driver that was refused may choose once more. */
static void test_another_choice(void **state)
{
	(void)state;
	assert_false(vrig_negotiate(&v, VIRTIO_F_VERSION_1 | 2));
	vrig_accept(&v, VIRTIO_F_VERSION_1);
	assert_int_equal(set_status(UP_TO_FEATURES), UP_TO_FEATURES);
}

/* "The driver MUST NOT accept new feature bits after" FEATURES_OK: they change nothing any more. */
static void test_features_are_final(void **state)
{
	(void)state;
	assert_true(vrig_negotiate(&v, VIRTIO_F_VERSION_1 | ECHO_FEATURE));
	vrig_accept(&v, VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX);
	assert_true(v.vdev->accepted == (VIRTIO_F_VERSION_1 | ECHO_FEATURE));
	vrig_queue(&v, 0, 16);
	vrig_queue(&v, 1, 16);
	vrig_driver_ok(&v);
	vrig_accept(&v, 0);
	assert_true(v.vdev->accepted == (VIRTIO_F_VERSION_1 | ECHO_FEATURE));
	v.queue[1].event_idx = false;
	expect_service();
}

/* --- out of order --- */

static void test_driver_ok_without_features(void **state)
{
	(void)state;
	set_status(ACKNOWLEDGE | DRIVER);
	vrig_accept(&v, VIRTIO_F_VERSION_1);
	assert_int_equal(set_status(ACKNOWLEDGE | DRIVER | DRIVER_OK), ACKNOWLEDGE | DRIVER);
	assert_int_equal(echo.activated, 0);
	/* Both at once are as good as one after the other. */
	assert_int_equal(set_status(ALL), ALL);
	assert_int_equal(echo.activated, 1);
}

/* "The device MUST NOT consume buffers or send any used buffer notifications ... before DRIVER_OK." */
static void test_nothing_before_driver_ok(void **state)
{
	struct vrig_buf buf;

	(void)state;
	assert_true(vrig_negotiate(&v, VIRTIO_F_VERSION_1));
	vrig_queue(&v, 0, 16);
	vrig_queue(&v, 1, 16);
	buf = vrig_out(&v, "abc", 3);
	vrig_send(&v, 1, &buf, 1);
	virtio_kick(v.vdev, 1);
	assert_int_equal(echo.kicked, 0);
	assert_int_equal(vrig_used(&v, 1), 0);
	assert_int_equal(vrig_interrupts(&v), 0);
	/* It does not have to tell again. */
	vrig_driver_ok(&v);
	assert_int_equal(vrig_used(&v, 1), 1);
	assert_int_equal(vrig_interrupts(&v), 1);
}

/* --- giving it up --- */

static void test_failed(void **state)
{
	struct vrig_buf buf;

	(void)state;
	vrig_start(&v, 0);
	buf = vrig_out(&v, "abc", 3);
	vrig_add(&v, 0, &buf, 1);
	vrig_notify(&v, 0);
	assert_int_equal(set_status(ALL | FAILED), ALL | FAILED);
	assert_int_equal(echo.resets, 2); /* nothing of it touches guest memory any more */
	vrig_run(&v);
	virtio_kick(v.vdev, 0);
	assert_int_equal(echo.chains, 0);
	assert_int_equal(vrig_used(&v, 0), 0);
	assert_int_equal(vrig_read(&v, V_QUEUE_READY), 0);
	/* There is no way on, only back to the start. */
	assert_int_equal(set_status(ALL), ALL | FAILED);
	assert_false(vrig_set_queue(&v, 0));
	vrig_start(&v, 0);
	expect_service();
}

/* A driver that fails before it is ready, even in the write that would make it so. */
static void test_failed_early(void **state)
{
	static const uint32_t before[] = { 0, ACKNOWLEDGE, ACKNOWLEDGE | DRIVER, UP_TO_FEATURES };

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		set_status(0);
		vrig_accept(&v, VIRTIO_F_VERSION_1);
		set_status(before[i] ? before[i] : 16);
		assert_int_equal(set_status(before[i] | FAILED), before[i] | FAILED);
		assert_int_equal(set_status(ALL | FAILED) & DRIVER_OK, 0);
	}
	set_status(0);
	vrig_accept(&v, VIRTIO_F_VERSION_1);
	assert_int_equal(set_status(ALL | FAILED), UP_TO_FEATURES | FAILED);
	assert_int_equal(echo.activated, 0);
}

/* --- reset at any moment --- */

/* Stops after so many steps of an initialisation and a request. */
static void go_so_far(unsigned int steps)
{
	struct vrig_buf buf[2];

	vrig_reset(&v);
	v.allocated = 0;
	for (unsigned int step = 0; step < steps; step++) {
		switch (step) {
		case 0:
			set_status(ACKNOWLEDGE);
			break;
		case 1:
			set_status(ACKNOWLEDGE | DRIVER);
			break;
		case 2:
			vrig_accept(&v, VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | ECHO_FEATURE);
			break;
		case 3:
			set_status(UP_TO_FEATURES);
			break;
		case 4:
		case 5:
			vrig_queue(&v, step - 4, 16);
			break;
		case 6:
			set_status(ALL);
			break;
		case 7:
			buf[0] = vrig_out(&v, "abc", 3);
			buf[1] = vrig_in(&v, 8);
			vrig_add(&v, 1, buf, 2);
			break;
		case 8:
			vrig_notify(&v, 1);
			break;
		case 9:
			vrig_run(&v);
			break;
		default:
			vrig_interrupts(&v);
			vrig_read(&v, V_INTERRUPT_STATUS);
		}
	}
}

static void test_reset_at_any_moment(void **state)
{
	(void)state;
	for (unsigned int steps = 0; steps <= 11; steps++) {
		unsigned int resets;
		uint16_t *used;

		go_so_far(steps);
		resets = echo.resets;
		used = v.queue[1].used;
		assert_int_equal(set_status(0), 0);
		assert_int_equal(echo.resets, resets + 1);
		expect_new();
		assert_true(v.vdev->accepted == 0);
		/* The memory is the driver's again: a worker that comes late finds nothing to do. */
		if (used)
			memset(used, 0xcc, 134);
		vrig_interrupts(&v);
		vrig_run(&v);
		virtio_kick(v.vdev, 1);
		for (unsigned int i = 0; used && i < 67; i++)
			assert_int_equal(used[i], 0xcccc);
		assert_int_equal(vrig_interrupts(&v), 0);
		vrig_start(&v, 0);
		expect_service();
	}
}

static void test_selectors_after_a_reset(void **state)
{
	(void)state;
	vrig_write(&v, V_DEVICE_FEATURES_SEL, 1);
	vrig_write(&v, V_DRIVER_FEATURES_SEL, 1);
	vrig_write(&v, V_QUEUE_SEL, 7);
	set_status(0);
	assert_int_equal(vrig_read(&v, V_DEVICE_FEATURES), (uint32_t)(ECHO_FEATURE | 3U << 28));
	assert_int_equal(vrig_read(&v, V_QUEUE_NUM_MAX), 64);
	vrig_write(&v, V_DRIVER_FEATURES, ECHO_FEATURE);
	assert_true(v.vdev->accepted == ECHO_FEATURE);
}

/* --- a device that cannot go on --- */

static void lose_backend(void *ctx)
{
	(void)ctx;
	pthread_mutex_lock(&v.vdev->lock);
	virtio_broken(v.vdev, "the %s is gone", "backend");
	virtio_broken(v.vdev, "and once more");
	pthread_mutex_unlock(&v.vdev->lock);
}

static void test_needs_reset(void **state)
{
	struct vrig_buf buf;

	(void)state;
	vrig_start(&v, 0);
	assert_int_equal(fake_log_lines(lose_backend, NULL, "echo one: the backend is gone"), 1);
	assert_int_equal(vrig_read(&v, V_STATUS), ALL | NEEDS_RESET);
	/* "If DRIVER_OK is set ... the device MUST send a device configuration change notification" */
	assert_int_equal(vrig_interrupts(&v), 1);
	assert_int_equal(vrig_ack(&v), VIRTIO_INT_CONFIG);
	buf = vrig_out(&v, "abc", 3);
	vrig_send(&v, 0, &buf, 1);
	assert_int_equal(echo.chains, 0);
	assert_int_equal(vrig_interrupts(&v), 0);
	assert_int_equal(set_status(ALL), ALL | NEEDS_RESET);
	vrig_start(&v, 0);
	assert_int_equal(vrig_read(&v, V_STATUS), ALL);
	expect_service();
}

/* Before the driver is ready it is not told; then it cannot become so. */
static void test_broken_before_driver_ok(void **state)
{
	(void)state;
	assert_true(vrig_negotiate(&v, VIRTIO_F_VERSION_1));
	assert_int_equal(fake_log_lines(lose_backend, NULL, ""), 1);
	assert_int_equal(vrig_interrupts(&v), 0);
	assert_int_equal(vrig_read(&v, V_STATUS), UP_TO_FEATURES | NEEDS_RESET);
	assert_int_equal(set_status(ALL), UP_TO_FEATURES | NEEDS_RESET);
	assert_int_equal(echo.activated, 0);
	vrig_start(&v, 0);
	expect_service();
}

static void activate(void *ctx)
{
	(void)ctx;
	set_status(ALL);
	vrig_run(&v);
}

static void test_activation_fails(void **state)
{
	(void)state;
	assert_true(vrig_negotiate(&v, VIRTIO_F_VERSION_1));
	vrig_queue(&v, 0, 16);
	echo.fails = true;
	assert_int_equal(fake_log_lines(activate, NULL, "the echo is gone"), 1);
	assert_int_equal(vrig_read(&v, V_STATUS), ALL | NEEDS_RESET);
	assert_int_equal(vrig_interrupts(&v), 1);
	assert_int_equal(echo.kicked, 0);
	echo.fails = false;
	vrig_start(&v, 0);
	expect_service();
}

static void break_it_often(void *ctx)
{
	(void)ctx;
	for (unsigned int i = 0; i < 1000; i++) {
		v.allocated = 0;
		vrig_start(&v, 0);
		vrig_make_available(&v, 0, 999);
		vrig_notify(&v, 0);
		vrig_run(&v);
		assert_true(vrig_is_broken(&v));
	}
}

/* A guest cannot fill the host's log. */
static void test_bounded_log(void **state)
{
	(void)state;
	assert_int_equal(fake_log_lines(break_it_often, NULL, ""), 16);
	vrig_start(&v, 0);
	expect_service();
}

static unsigned int halts;

static void count_halt(struct virtio_device *vdev)
{
	halts++;
	for (unsigned int i = 0; i < vdev->nr_queues; i++)
		assert_true(vdev->queue[i].halted);
	/* The driver does not hear of it yet. */
	assert_int_equal(v.page[V_STATUS / sizeof(v.page[0])], ALL);
	assert_int_equal(vrig_interrupts(&v), 0);
}

/* Who else works on the queues stops before the driver sees that the device stands still. */
static void test_it_stands_still(void **state)
{
	struct virtio_class class = echo_class;

	(void)state;
	class.halt = count_halt;
	echo.vdev.class = &class;
	halts = 0;
	vrig_start(&v, 0);
	lose_backend(NULL);
	assert_int_equal(halts, 1);
	assert_true(vrig_is_broken(&v));
	assert_int_equal(vrig_interrupts(&v), 1);
	lose_backend(NULL);
	assert_int_equal(halts, 1);
	echo.vdev.class = &echo_class;
}

/* --- who waits for whom --- */

/* Who has the device may wait for the host: a vCPU that reads does not (the test would not end). */
static void test_reads_wait_for_nobody(void **state)
{
	(void)state;
	vrig_start(&v, 0);
	vrig_write(&v, V_QUEUE_SEL, 1);
	pthread_mutex_lock(&echo.vdev.lock);
	assert_int_equal(vrig_read(&v, V_STATUS), ALL);
	assert_int_equal(vrig_read(&v, V_QUEUE_READY), 1);
	assert_int_equal(vrig_read(&v, V_INTERRUPT_STATUS), 0);
	assert_int_equal(vrig_read(&v, V_CONFIG_GENERATION), echo.vdev.generation);
	assert_int_equal(vrig_config(&v, 0, 4), 0xc3c2c1c0);
	/* What it finds out is there at once. */
	echo.vdev.config[0] = 1;
	virtio_config_changed(&echo.vdev);
	assert_int_equal(vrig_config(&v, 0, 1), 1);
	assert_int_equal(vrig_read(&v, V_CONFIG_GENERATION), echo.vdev.generation);
	virtio_broken(&echo.vdev, "a word from the host");
	assert_int_equal(vrig_read(&v, V_STATUS), ALL | NEEDS_RESET);
	pthread_mutex_unlock(&echo.vdev.lock);
}

static uint32_t shown_in_reset;

static void look_in_reset(struct virtio_device *vdev)
{
	(void)vdev;
	shown_in_reset = v.page[V_STATUS / sizeof(v.page[0])];
}

/* "Device Status Field": a driver that reads 0 has all of its memory back. */
static void test_zero_is_the_end_of_a_reset(void **state)
{
	struct virtio_class class = echo_class;

	(void)state;
	class.reset = look_in_reset;
	echo.vdev.class = &class;
	vrig_start(&v, 0);
	assert_int_equal(set_status(0), 0);
	assert_int_equal(shown_in_reset, ALL);
	echo.vdev.class = &echo_class;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_steps),
		TEST(test_bits_stay),
		TEST(test_features),
		TEST(test_features_above_63),
		TEST(test_another_choice),
		TEST(test_features_are_final),
		TEST(test_driver_ok_without_features),
		TEST(test_nothing_before_driver_ok),
		TEST(test_failed),
		TEST(test_failed_early),
		TEST(test_reset_at_any_moment),
		TEST(test_selectors_after_a_reset),
		TEST(test_needs_reset),
		TEST(test_broken_before_driver_ok),
		TEST(test_activation_fails),
		TEST(test_bounded_log),
		TEST(test_it_stands_still),
		TEST(test_reads_wait_for_nobody),
		TEST(test_zero_is_the_end_of_a_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
