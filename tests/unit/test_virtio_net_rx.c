// SPDX-License-Identifier: BSD-2-Clause
/* Network card: receiving (VIRTIO 1.2, "Network Device"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/net_rig.h"

/* "Feature bits", by their numbers in the specification. */
#define BIT(n) (1ULL << (n))

static uint64_t add_buffer(struct net_rig *n, uint32_t size)
{
	struct vrig_buf buf = vrig_in(&n->v, size);

	vrig_add(&n->v, NET_RX, &buf, 1);
	return buf.addr;
}

static uint16_t num_buffers(struct net_rig *n, uint64_t addr)
{
	uint16_t value;

	memcpy(&value, vrig_host(&n->v, addr + 10, 2), 2);
	return value;
}

static void test_frames_are_received_in_order(void **state)
{
	uint64_t addr[8];
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, 0, 0);
	vrig_start(&n.v, BIT(15));
	for (unsigned int i = 0; i < 8; i++)
		addr[i] = add_buffer(&n, 1536);
	vrig_notify(&n.v, NET_RX);
	vrig_run(&n.v);
	assert_true(n.host.wants[0]);
	assert_int_equal(vrig_used(&n.v, NET_RX), 0);

	for (unsigned int i = 0; i < 5; i++)
		net_input(&n, 0, 100 + i, i);
	net_deliver(&n);
	assert_int_equal(vrig_used(&n.v, NET_RX), 5);
	assert_int_equal(vrig_interrupts(&n.v), 1);
	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(vrig_get(&n.v, NET_RX), 100 + i);
		assert_int_equal(num_buffers(&n, addr[i]), 1);
		net_assert_frame(vrig_host(&n.v, addr[i], 1536), 100 + i, 100 + i, i);
		assert_int_equal(*(uint8_t *)vrig_host(&n.v, addr[i] + 100 + i, 1), 0xee);
	}
	/* The others are still there for the next. */
	net_input(&n, 0, 200, 9);
	net_deliver(&n);
	assert_int_equal(vrig_get(&n.v, NET_RX), 200);
	net_assert_frame(vrig_host(&n.v, addr[5], 1536), 200, 200, 9);
	net_teardown(&n);
}

/* "Processing of Incoming Packets": each buffer is filled before the next, num_buffers says how many. */
static void test_a_frame_over_several_buffers(void **state)
{
	uint8_t frame[4000];
	uint64_t addr[5];
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, NET_OFFLOADS, 1500);
	vrig_start(&n.v, BIT(1) | BIT(7) | BIT(15));
	for (unsigned int i = 0; i < 5; i++)
		addr[i] = add_buffer(&n, 1536);
	vrig_notify(&n.v, NET_RX);
	vrig_run(&n.v);
	net_input(&n, 0, 4000, 1);
	net_input(&n, 0, 60, 2);
	net_deliver(&n);
	assert_int_equal(vrig_used(&n.v, NET_RX), 4);
	assert_int_equal(vrig_get(&n.v, NET_RX), 1536);
	assert_int_equal(vrig_get(&n.v, NET_RX), 1536);
	assert_int_equal(vrig_get(&n.v, NET_RX), 4000 - 2 * 1536);
	assert_int_equal(vrig_get(&n.v, NET_RX), 60);
	assert_int_equal(num_buffers(&n, addr[0]), 3);
	assert_int_equal(num_buffers(&n, addr[3]), 1);
	memcpy(frame, vrig_host(&n.v, addr[0], 1536), 1536);
	memcpy(frame + 1536, vrig_host(&n.v, addr[1], 1536), 1536);
	memcpy(frame + 3072, vrig_host(&n.v, addr[2], 1536), 928);
	net_assert_frame(frame, sizeof(frame), 4000, 1);
	net_assert_frame(vrig_host(&n.v, addr[3], 60), 60, 60, 2);
	net_teardown(&n);
}

/* Buffers so small that not even the header is in one. */
static void test_a_frame_over_tiny_buffers(void **state)
{
	uint8_t frame[40];
	uint64_t addr[16];
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, 0, 0);
	vrig_start(&n.v, BIT(15));
	for (unsigned int i = 0; i < 16; i++)
		addr[i] = add_buffer(&n, 3);
	vrig_notify(&n.v, NET_RX);
	vrig_run(&n.v);
	net_input(&n, 0, 40, 5);
	net_deliver(&n);
	assert_int_equal(vrig_used(&n.v, NET_RX), 14);
	for (unsigned int i = 0; i < 14; i++) {
		assert_int_equal(vrig_get(&n.v, NET_RX), i < 13 ? 3 : 1);
		memcpy(frame + 3 * i, vrig_host(&n.v, addr[i], 3), i < 13 ? 3 : 1);
	}
	assert_int_equal(frame[10] | frame[11] << 8, 14);
	net_assert_frame(frame, 40, 40, 5);
	net_teardown(&n);
}

static void test_without_mergeable_buffers(void **state)
{
	struct vrig_buf buf[3];
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, NET_OFFLOADS, 1500);
	vrig_start(&n.v, BIT(1) | BIT(7));
	buf[0] = vrig_in(&n.v, 12);
	buf[1] = vrig_in(&n.v, 30000);
	buf[2] = vrig_in(&n.v, 40000);
	vrig_add(&n.v, NET_RX, buf, 3);
	vrig_notify(&n.v, NET_RX);
	vrig_run(&n.v);
	net_input(&n, 0, NETDEV_MAX_FRAME, 1);
	net_deliver(&n);
	assert_int_equal(vrig_get(&n.v, NET_RX), NETDEV_MAX_FRAME);
	assert_int_equal(num_buffers(&n, buf[0].addr), 1);
	net_teardown(&n);
}

/* Such a frame cannot be delivered; the buffer stays for the next. */
static void test_a_frame_longer_than_its_only_buffer(void **state)
{
	struct net_rig n;
	uint64_t addr;

	(void)state;
	net_setup(&n, 1, 0, 0);
	vrig_start(&n.v, 0);
	addr = add_buffer(&n, 200);
	add_buffer(&n, 2000);
	vrig_notify(&n.v, NET_RX);
	vrig_run(&n.v);
	net_input(&n, 0, 201, 1);
	net_input(&n, 0, 200, 2);
	net_deliver(&n);
	assert_int_equal(vrig_used(&n.v, NET_RX), 1);
	assert_int_equal(vrig_get(&n.v, NET_RX), 200);
	net_assert_frame(vrig_host(&n.v, addr, 200), 200, 200, 2);
	net_teardown(&n);
}

static void test_a_driver_without_buffers(void **state)
{
	struct net_rig n;
	uint64_t addr;

	(void)state;
	for (unsigned int event_idx = 0; event_idx < 2; event_idx++) {
		net_setup(&n, 1, 0, 0);
		vrig_start(&n.v, BIT(15) | (event_idx ? VIRTIO_F_EVENT_IDX : 0));
		net_input(&n, 0, 100, 1);
		assert_false(n.host.wants[0]);
		addr = add_buffer(&n, 1536);
		assert_true(vrig_is_wanted(&n.v, NET_RX, 1));
		vrig_notify(&n.v, NET_RX);
		vrig_run(&n.v);
		assert_int_equal(vrig_get(&n.v, NET_RX), 100);
		net_assert_frame(vrig_host(&n.v, addr, 100), 100, 100, 1);
		assert_false(n.host.wants[0]); /* none is left */
		add_buffer(&n, 1536);
		assert_true(vrig_is_wanted(&n.v, NET_RX, 1));
		net_teardown(&n);
	}
}

/* What has come already is not lost: it waits for the rest of its buffers. */
static void test_a_frame_waits_for_buffers(void **state)
{
	uint8_t frame[4000];
	uint64_t addr[3];
	struct net_rig n;

	(void)state;
	for (unsigned int event_idx = 0; event_idx < 2; event_idx++) {
		net_setup(&n, 1, NET_OFFLOADS, 1500);
		vrig_start(&n.v, BIT(1) | BIT(7) | BIT(15) | (event_idx ? VIRTIO_F_EVENT_IDX : 0));
		addr[0] = add_buffer(&n, 1536);
		addr[1] = add_buffer(&n, 1536);
		vrig_notify(&n.v, NET_RX);
		vrig_run(&n.v);
		net_input(&n, 0, 4000, 1);
		net_input(&n, 0, 100, 2);
		net_deliver(&n);
		assert_int_equal(vrig_used(&n.v, NET_RX), 0);
		assert_false(n.host.wants[0]);
		/* The driver may write to its buffers while they are the device's, to no avail. */
		memset(vrig_host(&n.v, addr[0], 1536), 0x55, 1536);

		addr[2] = add_buffer(&n, 1536);
		assert_true(vrig_is_wanted(&n.v, NET_RX, 1));
		vrig_notify(&n.v, NET_RX);
		vrig_run(&n.v);
		assert_int_equal(vrig_used(&n.v, NET_RX), 3);
		memcpy(frame, vrig_host(&n.v, addr[0], 1536), 1536);
		memcpy(frame + 1536, vrig_host(&n.v, addr[1], 1536), 1536);
		memcpy(frame + 3072, vrig_host(&n.v, addr[2], 1536), 928);
		net_assert_frame(frame, sizeof(frame), 4000, 1);
		assert_int_equal(num_buffers(&n, addr[0]), 3);
		for (unsigned int i = 0; i < 3; i++)
			vrig_get(&n.v, NET_RX);
		add_buffer(&n, 1536);
		vrig_notify(&n.v, NET_RX);
		vrig_run(&n.v);
		assert_int_equal(vrig_get(&n.v, NET_RX), 100);
		net_teardown(&n);
	}
}

/* A ring that all of is too little. */
static void test_a_frame_that_never_fits(void **state)
{
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, NET_OFFLOADS, 1500);
	vrig_start_size(&n.v, BIT(1) | BIT(7) | BIT(15), 4);
	for (unsigned int i = 0; i < 4; i++)
		add_buffer(&n, 1000);
	vrig_notify(&n.v, NET_RX);
	vrig_run(&n.v);
	net_input(&n, 0, 4001, 1);
	net_input(&n, 0, 4000, 2);
	net_deliver(&n);
	assert_int_equal(vrig_used(&n.v, NET_RX), 4);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(vrig_get(&n.v, NET_RX), 1000);
	net_teardown(&n);
}

static void test_a_frame_that_waits_is_forgotten_by_a_reset(void **state)
{
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, 0, 0);
	vrig_start(&n.v, BIT(15));
	add_buffer(&n, 100);
	vrig_notify(&n.v, NET_RX);
	vrig_run(&n.v);
	net_input(&n, 0, 200, 1);
	net_deliver(&n);
	vrig_start(&n.v, BIT(15));
	add_buffer(&n, 1000);
	vrig_notify(&n.v, NET_RX);
	vrig_run(&n.v);
	assert_int_equal(vrig_used(&n.v, NET_RX), 0);
	net_teardown(&n);
}

static void test_frames_shorter_than_their_headers(void **state)
{
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, 0, 0);
	vrig_start(&n.v, BIT(15));
	add_buffer(&n, 1536);
	vrig_notify(&n.v, NET_RX);
	vrig_run(&n.v);
	net_input(&n, 0, 12, 1);
	net_input(&n, 0, 25, 2);
	net_input(&n, 0, 26, 3);
	net_deliver(&n);
	assert_int_equal(vrig_used(&n.v, NET_RX), 1);
	assert_int_equal(vrig_get(&n.v, NET_RX), 26);
	net_teardown(&n);
}

static void test_a_busy_host_side(void **state)
{
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, 0, 0);
	vrig_start_size(&n.v, BIT(15), 256);
	for (unsigned int i = 0; i < 250; i++)
		add_buffer(&n, 100);
	for (unsigned int i = 0; i < 200; i++)
		net_input(&n, 0, 60, i);
	virtio_kick(n.v.vdev, NET_RX);
	assert_in_range(vrig_used(&n.v, NET_RX), 1, 100);
	assert_int_equal(n.v.notified[NET_RX], 1);
	vrig_run(&n.v);
	assert_int_equal(vrig_used(&n.v, NET_RX), 200);
	assert_true(n.host.wants[0]);
	net_teardown(&n);
}

static void test_a_buffer_that_cannot_be_written(void **state)
{
	struct vrig_buf buf[2];
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, 0, 0);
	vrig_start(&n.v, BIT(15));
	net_input(&n, 0, 100, 1);
	buf[0] = vrig_out(&n.v, "abc", 3);
	buf[1] = vrig_in(&n.v, 1536);
	vrig_send(&n.v, NET_RX, buf, 2);
	assert_true(vrig_is_broken(&n.v));
	/* And it works again after a reset. */
	vrig_start(&n.v, BIT(15));
	vrig_send(&n.v, NET_RX, &buf[1], 1);
	assert_int_equal(vrig_get(&n.v, NET_RX), 100);
	net_teardown(&n);
}

/* Nothing is done with queues that the host side works on. */
static void test_queues_that_are_taken(void **state)
{
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, 0, 0);
	n.host.takes = true;
	vrig_start(&n.v, BIT(15));
	net_input(&n, 0, 100, 1);
	add_buffer(&n, 1536);
	net_add_frame(&n, NET_TX, 100, 1);
	virtio_kick(n.v.vdev, NET_RX);
	virtio_kick(n.v.vdev, NET_TX);
	n.host.nd.readable(n.host.nd.ctx, 0);
	n.host.nd.writable(n.host.nd.ctx, 0);
	assert_int_equal(vrig_used(&n.v, NET_RX), 0);
	assert_int_equal(vrig_used(&n.v, NET_TX), 0);
	assert_int_equal(n.host.nr_sent, 0);
	net_teardown(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_are_received_in_order),
		cmocka_unit_test(test_a_frame_over_several_buffers),
		cmocka_unit_test(test_a_frame_over_tiny_buffers),
		cmocka_unit_test(test_without_mergeable_buffers),
		cmocka_unit_test(test_a_frame_longer_than_its_only_buffer),
		cmocka_unit_test(test_a_driver_without_buffers),
		cmocka_unit_test(test_a_frame_waits_for_buffers),
		cmocka_unit_test(test_a_frame_that_never_fits),
		cmocka_unit_test(test_a_frame_that_waits_is_forgotten_by_a_reset),
		cmocka_unit_test(test_frames_shorter_than_their_headers),
		cmocka_unit_test(test_a_busy_host_side),
		cmocka_unit_test(test_a_buffer_that_cannot_be_written),
		cmocka_unit_test(test_queues_that_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
