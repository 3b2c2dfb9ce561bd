// SPDX-License-Identifier: BSD-2-Clause
/* Network card: features, sending (VIRTIO 1.2, "Network Device"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/net_rig.h"

/* "Feature bits", by their numbers in the specification. */
#define BIT(n) (1ULL << (n))

static void test_features_follow_the_host_side(void **state)
{
	const uint64_t always = BIT(5) | BIT(15) | BIT(16) | BIT(17) | BIT(18) | BIT(23);
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, 0, 0);
	assert_int_equal(vrig_read(&n.v, V_DEVICE_ID), 1);
	assert_int_equal(vrig_offered(&n.v), always | VIRTIO_F_TRANSPORT);
	net_teardown(&n);

	net_setup(&n, 1, NETDEV_CSUM, 1500);
	assert_int_equal(vrig_offered(&n.v), always | BIT(0) | BIT(1) | BIT(2) | BIT(3) | VIRTIO_F_TRANSPORT);
	net_teardown(&n);

	net_setup(&n, 4, NET_OFFLOADS, 9000);
	assert_int_equal(vrig_offered(&n.v), always | BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(7) | BIT(8) |
						     BIT(9) | BIT(10) | BIT(11) | BIT(12) | BIT(13) |
						     BIT(14) | BIT(22) | VIRTIO_F_TRANSPORT);
	net_teardown(&n);
}

/* "Device configuration layout". */
static void test_configuration_space(void **state)
{
	struct net_rig n;

	(void)state;
	net_setup(&n, 4, NET_OFFLOADS, 1400);
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(vrig_config(&n.v, i, 1), net_rig_mac[i]);
	assert_int_equal(vrig_config(&n.v, 6, 2), 1); /* VIRTIO_NET_S_LINK_UP */
	assert_int_equal(vrig_config(&n.v, 8, 2), 4);
	assert_int_equal(vrig_config(&n.v, 10, 2), 1400);
	net_teardown(&n);
}

static void test_offloads_that_the_driver_takes(void **state)
{
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, NET_OFFLOADS, 1500);
	assert_int_equal(n.host.offloads, 0);
	vrig_start(&n.v, BIT(1) | BIT(7) | BIT(9));
	assert_int_equal(n.host.offloads, NETDEV_CSUM | NETDEV_TSO4 | NETDEV_ECN);
	vrig_start(&n.v, BIT(0) | BIT(11)); /* what it sends says nothing of what it takes */
	assert_int_equal(n.host.offloads, 0);
	vrig_start(&n.v, BIT(1) | BIT(7) | BIT(8) | BIT(9) | BIT(10));
	assert_int_equal(n.host.offloads, NET_OFFLOADS);
	vrig_start(&n.v, BIT(7) | BIT(8)); /* not without checksums */
	assert_int_equal(n.host.offloads, 0);
	vrig_reset(&n.v);
	assert_int_equal(n.host.offloads, 0);
	net_teardown(&n);
}

static void test_link_goes_down(void **state)
{
	struct net_rig n;
	uint32_t generation;

	(void)state;
	net_setup(&n, 1, 0, 0);
	vrig_start(&n.v, BIT(16));
	generation = vrig_read(&n.v, V_CONFIG_GENERATION);
	n.host.nd.link_up = false;
	n.host.nd.link_changed(n.host.nd.ctx);
	assert_int_equal(vrig_config(&n.v, 6, 2), 0);
	assert_int_not_equal(vrig_read(&n.v, V_CONFIG_GENERATION), generation);
	assert_int_equal(vrig_ack(&n.v), VIRTIO_INT_CONFIG);
	/* It stays down for the next driver. */
	vrig_start(&n.v, BIT(16));
	assert_int_equal(vrig_config(&n.v, 6, 2), 0);
	net_teardown(&n);
}

/* --- sending --- */

static void test_frames_are_sent_in_order(void **state)
{
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, 0, 0);
	vrig_start(&n.v, BIT(15));
	for (unsigned int i = 0; i < 10; i++)
		net_add_frame(&n, NET_TX, 60 + 100 * i, i);
	vrig_notify(&n.v, NET_TX);
	vrig_run(&n.v);
	assert_int_equal(n.host.nr_sent, 10);
	assert_int_equal(vrig_used(&n.v, NET_TX), 10);
	for (unsigned int i = 0; i < 10; i++) {
		net_assert_frame(n.host.sent[i].data, n.host.sent[i].size, 60 + 100 * i, i);
		assert_int_equal(vrig_get(&n.v, NET_TX), 0);
	}
	assert_int_equal(vrig_interrupts(&n.v), 1); /* one for all */
	net_teardown(&n);
}

/* "Message Framing": a driver may cut header and frame anywhere. The header is passed on as it is. */
static void test_a_frame_in_pieces(void **state)
{
	static const uint32_t cut[] = { 1, 9, 5, 40, 45 };
	struct vrig_buf buf[5];
	uint8_t frame[100], *at = frame;
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, NET_OFFLOADS, 1500);
	vrig_start(&n.v, BIT(0) | BIT(11));
	net_make_frame(frame, sizeof(frame), 3);
	for (unsigned int i = 0; i < NETDEV_HEADER; i++)
		frame[i] = (uint8_t)(0xa0 + i);
	for (unsigned int i = 0; i < 5; at += cut[i++])
		buf[i] = vrig_out(&n.v, at, cut[i]);
	vrig_send(&n.v, NET_TX, buf, 5);
	assert_int_equal(n.host.nr_sent, 1);
	assert_int_equal(n.host.sent[0].size, sizeof(frame));
	assert_memory_equal(n.host.sent[0].data, frame, sizeof(frame));
	net_teardown(&n);
}

static void test_frames_of_impossible_size_are_dropped(void **state)
{
	static const uint32_t sizes[] = { 1, 12, 25, 26, NETDEV_MAX_FRAME, NETDEV_MAX_FRAME + 1, 1 << 20 };
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, 0, 0);
	vrig_start(&n.v, 0);
	for (unsigned int i = 0; i < 7; i++) {
		net_add_frame(&n, NET_TX, sizes[i], i);
		vrig_notify(&n.v, NET_TX);
		vrig_run(&n.v);
		assert_int_equal(vrig_get(&n.v, NET_TX), 0);
	}
	assert_int_equal(n.host.nr_sent, 2);
	assert_int_equal(n.host.sent[0].size, 26);
	assert_int_equal(n.host.sent[1].size, NETDEV_MAX_FRAME);
	assert_false(vrig_is_broken(&n.v));
	net_teardown(&n);
}

static void test_a_host_side_without_room(void **state)
{
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, 0, 0);
	vrig_start(&n.v, 0);
	n.host.room = 2;
	for (unsigned int i = 0; i < 5; i++)
		net_add_frame(&n, NET_TX, 100, i);
	vrig_notify(&n.v, NET_TX);
	vrig_run(&n.v);
	assert_int_equal(vrig_used(&n.v, NET_TX), 2);
	/* Nothing is tried until there is room. */
	n.host.room = 10;
	vrig_notify(&n.v, NET_TX);
	vrig_run(&n.v);
	assert_int_equal(n.host.nr_sent, 2);
	n.host.nd.writable(n.host.nd.ctx, 0);
	vrig_run(&n.v);
	assert_int_equal(n.host.nr_sent, 5);
	for (unsigned int i = 0; i < 5; i++)
		net_assert_frame(n.host.sent[i].data, n.host.sent[i].size, 100, i);
	assert_int_equal(vrig_used(&n.v, NET_TX), 5);
	net_teardown(&n);
}

static void test_no_room_is_forgotten_by_a_reset(void **state)
{
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, 0, 0);
	vrig_start(&n.v, 0);
	n.host.room = 0;
	net_add_frame(&n, NET_TX, 100, 1);
	vrig_notify(&n.v, NET_TX);
	vrig_run(&n.v);
	vrig_start(&n.v, 0);
	n.host.nd.writable(n.host.nd.ctx, 0); /* of the time before */
	n.host.room = 1;
	net_add_frame(&n, NET_TX, 100, 2);
	vrig_notify(&n.v, NET_TX);
	vrig_run(&n.v);
	assert_int_equal(n.host.nr_sent, 1);
	net_assert_frame(n.host.sent[0].data, n.host.sent[0].size, 100, 2);
	net_teardown(&n);
}

/* One that always has frames gets its turn, and then others do. */
static void test_a_busy_sender(void **state)
{
	struct net_rig n;
	unsigned int kicks;

	(void)state;
	net_setup(&n, 1, 0, 0);
	vrig_start_size(&n.v, 0, 256);
	for (unsigned int i = 0; i < 200; i++)
		net_add_frame(&n, NET_TX, 60, i);
	virtio_kick(n.v.vdev, NET_TX);
	assert_in_range(n.host.nr_sent, 1, 100);
	assert_int_equal(n.v.notified[NET_TX], 1); /* it will go on by itself */
	kicks = vrig_run(&n.v);
	assert_in_range(kicks, 2, 200);
	assert_int_equal(n.host.nr_sent, 200);
	net_teardown(&n);
}

static void test_notifications_are_wanted_when_idle(void **state)
{
	struct net_rig n;

	(void)state;
	for (unsigned int event_idx = 0; event_idx < 2; event_idx++) {
		net_setup(&n, 1, 0, 0);
		vrig_start(&n.v, event_idx ? VIRTIO_F_EVENT_IDX : 0);
		for (unsigned int i = 0; i < 5; i++) {
			net_add_frame(&n, NET_TX, 60, i);
			assert_true(vrig_is_wanted(&n.v, NET_TX, 1));
			vrig_notify(&n.v, NET_TX);
			vrig_run(&n.v);
		}
		/* While the host side has no room, none helps. */
		n.host.room = 0;
		net_add_frame(&n, NET_TX, 60, 0);
		vrig_notify(&n.v, NET_TX);
		vrig_run(&n.v);
		net_add_frame(&n, NET_TX, 60, 0);
		assert_false(vrig_is_wanted(&n.v, NET_TX, 1));
		net_teardown(&n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_features_follow_the_host_side),
		cmocka_unit_test(test_configuration_space),
		cmocka_unit_test(test_offloads_that_the_driver_takes),
		cmocka_unit_test(test_link_goes_down),
		cmocka_unit_test(test_frames_are_sent_in_order),
		cmocka_unit_test(test_a_frame_in_pieces),
		cmocka_unit_test(test_frames_of_impossible_size_are_dropped),
		cmocka_unit_test(test_a_host_side_without_room),
		cmocka_unit_test(test_no_room_is_forgotten_by_a_reset),
		cmocka_unit_test(test_a_busy_sender),
		cmocka_unit_test(test_notifications_are_wanted_when_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
