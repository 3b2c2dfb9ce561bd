// SPDX-License-Identifier: BSD-2-Clause
/*
 * Interrupts of a virtio-mmio device (VIRTIO 1.2, "Notifications From The Device" of "Virtio Over MMIO"): its
 * line pulses, once for each bit of InterruptStatus that gets set; or an eventfd does it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/eventfd.h>

#include "tests/unit/virtio_echo.h"

static struct vrig v;
static struct echo echo;

/* An interrupt controller that pulses lines by itself, and may have an eventfd for them. */
static unsigned int pulses;
static int eventfd_of_line;

static void count_pulse(struct irqchip *chip, uint32_t line)
{
	(void)chip;
	assert_int_equal(line, VRIG_LINE);
	/* The driver may look at once. */
	assert_int_not_equal(v.page[V_INTERRUPT_STATUS / 4], 0);
	pulses++;
}

static int give_eventfd(struct irqchip *chip, uint32_t line)
{
	(void)chip;
	assert_int_equal(line, VRIG_LINE);
	return eventfd_of_line;
}

static const struct irqchip_ops pulsing_ops = {
	.set_line = fake_irqchip_set_line,
	.send_msi = fake_irqchip_send_msi,
	.pulse = count_pulse,
	.eventfd = give_eventfd,
};

static int setup(void **state)
{
	(void)state;
	echo_setup(&v, &echo, 2, 64);
	pulses = 0;
	eventfd_of_line = -1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vrig_finish(&v);
	if (eventfd_of_line >= 0)
		close(eventfd_of_line);
	return 0;
}

static void send_one(unsigned int index)
{
	struct vrig_buf buf = vrig_out(&v, "abc", 3);

	vrig_send(&v, index, &buf, 1);
	vrig_get(&v, index);
}

static void change_config(void)
{
	pthread_mutex_lock(&v.vdev->lock);
	virtio_config_changed(v.vdev);
	pthread_mutex_unlock(&v.vdev->lock);
}

static uint32_t causes(void)
{
	return vrig_read(&v, V_INTERRUPT_STATUS);
}

/* --- the line --- */

/* Two queues, one cause; until it is acknowledged there is no need to say it again. */
static void test_used_buffers(void **state)
{
	(void)state;
	vrig_start(&v, 0);
	assert_int_equal(causes(), 0);
	send_one(0);
	assert_int_equal(vrig_interrupts(&v), 1);
	assert_false(rig_line(&v.rig)); /* a pulse */
	assert_int_equal(causes(), VIRTIO_INT_USED);
	send_one(0);
	send_one(1);
	assert_int_equal(vrig_interrupts(&v), 0);
	vrig_write(&v, V_INTERRUPT_ACK, VIRTIO_INT_USED);
	assert_int_equal(causes(), 0);
	send_one(1);
	assert_int_equal(vrig_interrupts(&v), 1);
}

static void test_config_change(void **state)
{
	(void)state;
	vrig_start(&v, 0);
	change_config();
	assert_int_equal(vrig_interrupts(&v), 1);
	assert_int_equal(causes(), VIRTIO_INT_CONFIG);
	change_config();
	assert_int_equal(vrig_interrupts(&v), 0);
	vrig_write(&v, V_INTERRUPT_ACK, VIRTIO_INT_CONFIG);
	change_config();
	assert_int_equal(vrig_interrupts(&v), 1);
}

/* Each cause by itself: the second has a pulse of its own, and is acknowledged for itself. */
static void test_both_causes(void **state)
{
	(void)state;
	vrig_start(&v, 0);
	send_one(0);
	change_config();
	assert_int_equal(vrig_interrupts(&v), 2);
	assert_int_equal(causes(), VIRTIO_INT_USED | VIRTIO_INT_CONFIG);
	vrig_write(&v, V_INTERRUPT_ACK, VIRTIO_INT_USED);
	assert_int_equal(causes(), VIRTIO_INT_CONFIG);
	send_one(0);
	assert_int_equal(vrig_interrupts(&v), 1);
	vrig_write(&v, V_INTERRUPT_ACK, VIRTIO_INT_CONFIG);
	assert_int_equal(causes(), VIRTIO_INT_USED);
}

/* Only bits that are set in what is written, and none that there are not. */
static void test_acknowledge(void **state)
{
	(void)state;
	vrig_start(&v, 0);
	vrig_write(&v, V_INTERRUPT_ACK, UINT32_MAX);
	assert_int_equal(causes(), 0);
	send_one(0);
	vrig_write(&v, V_INTERRUPT_ACK, 0);
	vrig_write(&v, V_INTERRUPT_ACK, ~(uint32_t)VIRTIO_INT_USED);
	assert_int_equal(causes(), VIRTIO_INT_USED);
	vrig_write(&v, V_INTERRUPT_ACK, UINT32_MAX);
	assert_int_equal(causes(), 0);
	assert_int_equal(vrig_interrupts(&v), 1); /* that of the request */
}

/* What the driver does not want to hear of is not in InterruptStatus either. */
static void test_suppressed(void **state)
{
	(void)state;
	vrig_start(&v, 0);
	v.queue[0].avail[0] = 1; /* NO_INTERRUPT */
	send_one(0);
	assert_int_equal(vrig_interrupts(&v), 0);
	assert_int_equal(causes(), 0);
	send_one(1); /* the other queue is another matter */
	assert_int_equal(vrig_interrupts(&v), 1);

	vrig_start(&v, VIRTIO_F_EVENT_IDX);
	vrig_set_used_event(&v, 0, 1);
	send_one(0);
	assert_int_equal(vrig_interrupts(&v), 0);
	send_one(0);
	assert_int_equal(vrig_interrupts(&v), 1);
	change_config(); /* of configuration changes the ring says nothing */
	assert_int_equal(vrig_interrupts(&v), 1);
}

/* No driver, no interrupt; and none that was meant for the last one. */
static void test_none_without_a_driver(void **state)
{
	(void)state;
	change_config();
	assert_int_equal(causes(), 0);
	assert_true(vrig_negotiate(&v, VIRTIO_F_VERSION_1));
	change_config();
	assert_int_equal(causes(), 0);
	vrig_start(&v, 0);
	assert_int_equal(causes(), 0);
	send_one(0);
	change_config();
	vrig_write(&v, V_STATUS, VIRTIO_STATUS_FAILED);
	vrig_interrupts(&v);
	change_config();
	assert_int_equal(vrig_interrupts(&v), 0);
	vrig_reset(&v);
	assert_int_equal(causes(), 0);
	vrig_start(&v, 0);
	assert_int_equal(vrig_interrupts(&v), 0);
	send_one(0);
	assert_int_equal(vrig_interrupts(&v), 1);
}

/* A controller that can pulse a line is asked for that. */
static void test_pulse(void **state)
{
	(void)state;
	v.rig.irqchip.chip.ops = &pulsing_ops;
	vrig_start(&v, 0);
	send_one(0);
	assert_int_equal(pulses, 1);
	change_config();
	assert_int_equal(pulses, 2);
	send_one(0);
	assert_int_equal(pulses, 2);
	assert_int_equal(vrig_interrupts(&v), 0); /* never by level */
}

/* The slot is gone, as when the VM ends, and the backend does not know yet. */
static void test_without_a_slot(void **state)
{
	(void)state;
	vrig_start(&v, 0);
	device_destroy(v.rig.dev);
	v.rig.dev = NULL;
	change_config();
	assert_int_equal(vrig_interrupts(&v), 0);
}

/* --- the eventfd --- */

static int ask_for_fd(void)
{
	return v.vdev->transport->interrupt_fd(v.vdev);
}

static void test_no_eventfd(void **state)
{
	(void)state;
	vrig_start(&v, 0);
	assert_int_equal(ask_for_fd(), -1);
	v.rig.irqchip.chip.ops = &pulsing_ops; /* it could have one, but this line has none */
	assert_int_equal(ask_for_fd(), -1);
	assert_int_equal(causes(), 0);
}

/*
 * Somebody else writes to it, and InterruptStatus cannot follow: it always shows a used buffer then, or a
 * driver would take such an interrupt for somebody else's. What the device itself says still works.
 */
static void test_eventfd(void **state)
{
	(void)state;
	v.rig.irqchip.chip.ops = &pulsing_ops;
	eventfd_of_line = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(eventfd_of_line >= 0);
	vrig_start(&v, 0);
	assert_int_equal(causes(), 0);
	assert_int_equal(ask_for_fd(), eventfd_of_line);
	assert_int_equal(ask_for_fd(), eventfd_of_line);
	assert_int_equal(causes(), VIRTIO_INT_USED);
	vrig_write(&v, V_INTERRUPT_ACK, VIRTIO_INT_USED);
	assert_int_equal(causes(), VIRTIO_INT_USED);
	assert_int_equal(pulses, 0);

	change_config();
	assert_int_equal(pulses, 1);
	assert_int_equal(causes(), VIRTIO_INT_USED | VIRTIO_INT_CONFIG);
	vrig_write(&v, V_INTERRUPT_ACK, 3);
	assert_int_equal(causes(), VIRTIO_INT_USED);
	/* A queue that is worked on here all the same (a control queue). */
	send_one(0);
	assert_int_equal(pulses, 2);
	vrig_write(&v, V_INTERRUPT_ACK, 3);
	send_one(0);
	assert_int_equal(pulses, 3);

	/* Until a reset. */
	vrig_reset(&v);
	assert_int_equal(causes(), 0);
	vrig_start(&v, 0);
	assert_int_equal(causes(), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_used_buffers), TEST(test_config_change),  TEST(test_both_causes),
		TEST(test_acknowledge),  TEST(test_suppressed),     TEST(test_none_without_a_driver),
		TEST(test_pulse),        TEST(test_without_a_slot), TEST(test_no_eventfd),
		TEST(test_eventfd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
