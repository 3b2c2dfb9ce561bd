// SPDX-License-Identifier: BSD-2-Clause
/* Network card: its control queue, and several queue pairs (VIRTIO 1.2, "Control Virtqueue"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/net_rig.h"

/* "Feature bits", by their numbers in the specification. */
#define BIT(n) (1ULL << (n))

#define F_GUEST_CSUM     BIT(1)
#define F_GUEST_OFFLOADS BIT(2)
#define F_GUEST_TSO4     BIT(7)
#define F_GUEST_TSO6     BIT(8)
#define F_MRG_RXBUF      BIT(15)
#define F_CTRL_VQ        BIT(17)
#define F_CTRL_RX        BIT(18)
#define F_MQ             BIT(22)
#define F_CTRL_MAC       BIT(23)

/* VIRTIO_NET_OK, VIRTIO_NET_ERR */
#define OK  0
#define ERR 1

/* Sends a command on queue `queue`; the device's answer. */
static unsigned int command(struct net_rig *n, unsigned int queue, uint8_t class, uint8_t cmd,
			    const void *data, uint32_t size)
{
	const uint8_t head[2] = { class, cmd };
	struct vrig_buf buf[3];
	unsigned int count = 0;

	buf[count++] = vrig_out(&n->v, head, 2);
	if (size)
		buf[count++] = vrig_out(&n->v, data, size);
	buf[count++] = vrig_in(&n->v, 1);
	vrig_send(&n->v, queue, buf, count);
	assert_int_equal(vrig_get(&n->v, queue), 1);
	return *(uint8_t *)vrig_host(&n->v, buf[count - 1].addr, 1);
}

static unsigned int set_pairs(struct net_rig *n, unsigned int queue, uint16_t pairs)
{
	return command(n, queue, 4, 0, &pairs, sizeof(pairs));
}

static unsigned int set_offloads(struct net_rig *n, uint64_t features)
{
	return command(n, NET_CTRL, 5, 0, &features, sizeof(features));
}

static void test_offloads(void **state)
{
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, NET_OFFLOADS, 1500);
	vrig_start(&n.v, F_GUEST_CSUM | F_GUEST_OFFLOADS | F_GUEST_TSO4 | F_CTRL_VQ);
	assert_int_equal(n.host.offloads, NETDEV_CSUM | NETDEV_TSO4);
	assert_int_equal(set_offloads(&n, 0), OK);
	assert_int_equal(n.host.offloads, 0);
	assert_int_equal(set_offloads(&n, F_GUEST_CSUM), OK);
	assert_int_equal(n.host.offloads, NETDEV_CSUM);
	/* Only of what was negotiated, and nothing but offloads. */
	assert_int_equal(set_offloads(&n, F_GUEST_CSUM | F_GUEST_TSO6), ERR);
	assert_int_equal(set_offloads(&n, F_GUEST_OFFLOADS), ERR);
	assert_int_equal(set_offloads(&n, F_CTRL_VQ), ERR);
	assert_int_equal(set_offloads(&n, ~0ULL), ERR);
	assert_int_equal(n.host.offloads, NETDEV_CSUM);
	assert_int_equal(set_offloads(&n, F_GUEST_CSUM | F_GUEST_TSO4), OK);
	assert_int_equal(n.host.offloads, NETDEV_CSUM | NETDEV_TSO4);
	assert_int_equal(command(&n, NET_CTRL, 5, 0, "\0\0\0\0\0\0\0", 7), ERR);
	assert_int_equal(command(&n, NET_CTRL, 5, 1, "\0\0\0\0\0\0\0\0", 8), ERR);
	net_teardown(&n);
}

static void test_mac_address(void **state)
{
	static const uint8_t mac[6] = { 0x52, 1, 2, 3, 4, 5 }, multicast[6] = { 0x53, 1, 2, 3, 4, 5 };
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, 0, 0);
	vrig_start(&n.v, F_CTRL_VQ | F_CTRL_MAC);
	assert_int_equal(command(&n, NET_CTRL, 1, 1, mac, 6), OK);
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(vrig_config(&n.v, i, 1), mac[i]);
	assert_int_equal(command(&n, NET_CTRL, 1, 1, multicast, 6), ERR);
	assert_int_equal(command(&n, NET_CTRL, 1, 1, mac, 5), ERR);
	assert_int_equal(vrig_config(&n.v, 0, 1), 0x52);
	/* The next driver finds the one that was configured. */
	vrig_reset(&n.v);
	for (unsigned int i = 0; i < 6; i++)
		assert_int_equal(vrig_config(&n.v, i, 1), net_rig_mac[i]);
	net_teardown(&n);
}

static void test_receive_filters(void **state)
{
	uint8_t tables[4 + 12 + 4 + 6] = { 2 };
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, 0, 0);
	vrig_start(&n.v, F_CTRL_VQ | F_CTRL_RX);
	assert_int_equal(command(&n, NET_CTRL, 0, 0, "\1", 1), OK);
	assert_int_equal(command(&n, NET_CTRL, 0, 1, "\0", 1), OK);
	assert_int_equal(command(&n, NET_CTRL, 0, 0, NULL, 0), ERR);
	assert_int_equal(command(&n, NET_CTRL, 0, 2, "\1", 1), ERR); /* VIRTIO_NET_F_CTRL_RX_EXTRA */
	tables[16] = 1;
	assert_int_equal(command(&n, NET_CTRL, 1, 0, tables, sizeof(tables)), OK);
	assert_int_equal(command(&n, NET_CTRL, 1, 0, "\0\0\0\0\0\0\0\0", 8), OK);
	/* Tables cut off, and lengths that wrap around in 32 bits. */
	assert_int_equal(command(&n, NET_CTRL, 1, 0, tables, sizeof(tables) - 1), ERR);
	assert_int_equal(command(&n, NET_CTRL, 1, 0, tables, 16), ERR);
	memcpy(tables, "\xab\xaa\xaa\x2a", 4);
	assert_int_equal(command(&n, NET_CTRL, 1, 0, tables, sizeof(tables)), ERR);
	memcpy(tables, "\xff\xff\xff\xff", 4);
	assert_int_equal(command(&n, NET_CTRL, 1, 0, tables, sizeof(tables)), ERR);
	net_teardown(&n);
}

static void test_what_was_not_negotiated(void **state)
{
	const uint8_t mac[6] = { 2 };
	struct net_rig n;

	(void)state;
	net_setup(&n, 2, NET_OFFLOADS, 1500);
	vrig_start(&n.v, F_CTRL_VQ | F_GUEST_CSUM);
	assert_int_equal(command(&n, NET_CTRL, 0, 0, "\1", 1), ERR);
	assert_int_equal(command(&n, NET_CTRL, 1, 0, "\0\0\0\0\0\0\0\0", 8), ERR);
	assert_int_equal(command(&n, NET_CTRL, 1, 1, mac, 6), ERR);
	assert_int_equal(set_pairs(&n, NET_CTRL, 1), ERR);
	assert_int_equal(set_offloads(&n, F_GUEST_CSUM), ERR);
	assert_int_equal(command(&n, NET_CTRL, 2, 0, "\0\0", 2), ERR); /* VLAN filters */
	assert_int_equal(command(&n, NET_CTRL, 99, 0, "\0\0", 2), ERR);
	assert_int_equal(vrig_interrupts(&n.v) > 0, 1);
	net_teardown(&n);
}

/* A command cut anywhere, and one in a single buffer. */
static void test_framing(void **state)
{
	struct vrig_buf buf[6];
	struct net_rig n;

	(void)state;
	net_setup(&n, 4, 0, 0);
	vrig_start(&n.v, F_CTRL_VQ | F_MQ);
	buf[0] = vrig_out(&n.v, "\4", 1);
	buf[1] = vrig_out(&n.v, "\0\3", 2);
	buf[2] = vrig_out(&n.v, "\0", 1);
	buf[3] = vrig_in(&n.v, 1);
	vrig_send(&n.v, 8, buf, 4);
	assert_int_equal(vrig_get(&n.v, 8), 1);
	assert_int_equal(*(uint8_t *)vrig_host(&n.v, buf[3].addr, 1), OK);
	assert_int_equal(n.host.pairs, 3);
	net_teardown(&n);
}

/* Each command is noticed by a driver that notifies only when it is wanted, and each answer interrupts it. */
static void test_notifications(void **state)
{
	struct net_rig n;

	(void)state;
	for (unsigned int event_idx = 0; event_idx < 2; event_idx++) {
		net_setup(&n, 1, 0, 0);
		vrig_start(&n.v, F_CTRL_VQ | F_CTRL_RX | (event_idx ? VIRTIO_F_EVENT_IDX : 0));
		for (unsigned int i = 0; i < 40; i++) {
			struct vrig_buf buf[2] = { vrig_out(&n.v, "\0\0\1", 3), vrig_in(&n.v, 1) };

			vrig_set_used_event(&n.v, NET_CTRL, 0);
			vrig_add(&n.v, NET_CTRL, buf, 2);
			assert_true(vrig_is_wanted(&n.v, NET_CTRL, 1));
			vrig_notify(&n.v, NET_CTRL);
			vrig_run(&n.v);
			assert_int_equal(vrig_get(&n.v, NET_CTRL), 1);
			assert_int_equal(vrig_ack(&n.v), VIRTIO_INT_USED);
		}
		net_teardown(&n);
	}
}

/* More of them than are worked on in one go. */
static void test_many_commands(void **state)
{
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, 0, 0);
	vrig_start_size(&n.v, F_CTRL_VQ | F_CTRL_RX, 256);
	for (unsigned int i = 0; i < 100; i++) {
		struct vrig_buf buf[2] = { vrig_out(&n.v, "\0\0\1", 3), vrig_in(&n.v, 1) };

		vrig_add(&n.v, NET_CTRL, buf, 2);
	}
	vrig_notify(&n.v, NET_CTRL);
	assert_in_range(vrig_run(&n.v), 2, 100);
	assert_int_equal(vrig_used(&n.v, NET_CTRL), 100);
	net_teardown(&n);
}

static void test_malformed_commands(void **state)
{
	struct vrig_buf buf[2];
	struct net_rig n;

	(void)state;
	net_setup(&n, 1, 0, 0);
	/* Without a place for the answer. What vhost has of the card is taken from it. */
	n.host.takes = true;
	vrig_start(&n.v, F_CTRL_VQ | F_CTRL_RX);
	assert_int_equal(n.host.pairs, 1);
	assert_int_equal(n.host.nd.taken, 1);
	buf[0] = vrig_out(&n.v, "\0\0\1", 3);
	vrig_send(&n.v, NET_CTRL, buf, 1);
	assert_true(vrig_is_broken(&n.v));
	assert_int_equal(n.host.pairs, 0);
	assert_int_equal(n.host.nd.taken, 0);
	/* Without a command. */
	vrig_start(&n.v, F_CTRL_VQ | F_CTRL_RX);
	buf[0] = vrig_out(&n.v, "\0", 1);
	buf[1] = vrig_in(&n.v, 1);
	vrig_send(&n.v, NET_CTRL, buf, 2);
	assert_true(vrig_is_broken(&n.v));
	vrig_start(&n.v, F_CTRL_VQ | F_CTRL_RX);
	assert_int_equal(command(&n, NET_CTRL, 0, 0, "\1", 1), OK);
	net_teardown(&n);
}

/* "Virtqueues": without VIRTIO_NET_F_CTRL_VQ there is no control queue. */
static void test_no_control_queue(void **state)
{
	struct vrig_buf buf[2];
	struct net_rig n;

	(void)state;
	net_setup(&n, 2, 0, 0);
	vrig_start(&n.v, 0);
	buf[0] = vrig_out(&n.v, "\0\0\1", 3);
	buf[1] = vrig_in(&n.v, 1);
	for (unsigned int queue = 2; queue < 5; queue++) {
		vrig_send(&n.v, queue, buf, 2);
		assert_int_equal(vrig_used(&n.v, queue), 0);
	}
	assert_false(vrig_is_broken(&n.v));
	net_teardown(&n);
}

static void test_number_of_pairs(void **state)
{
	struct net_rig n;

	(void)state;
	net_setup(&n, 4, 0, 0);
	assert_int_equal(n.host.pairs, 0);
	vrig_start(&n.v, F_CTRL_VQ | F_MQ);
	assert_int_equal(n.host.pairs, 1); /* until the driver says otherwise */
	assert_int_equal(set_pairs(&n, 8, 4), OK);
	assert_int_equal(n.host.pairs, 4);
	assert_int_equal(set_pairs(&n, 8, 0), ERR);
	assert_int_equal(set_pairs(&n, 8, 5), ERR);
	assert_int_equal(set_pairs(&n, 8, 0x8000), ERR);
	assert_int_equal(n.host.pairs, 4);
	assert_int_equal(set_pairs(&n, 8, 2), OK);
	assert_int_equal(n.host.pairs, 2);
	vrig_reset(&n.v);
	assert_int_equal(n.host.pairs, 0);
	net_teardown(&n);
}

static void test_each_pair_has_its_queues(void **state)
{
	struct net_rig n;

	(void)state;
	net_setup(&n, 3, 0, 0);
	vrig_start(&n.v, F_CTRL_VQ | F_MQ | F_MRG_RXBUF);
	assert_int_equal(set_pairs(&n, 6, 3), OK);
	for (unsigned int pair = 0; pair < 3; pair++) {
		struct vrig_buf buf = vrig_in(&n.v, 1536);

		net_add_frame(&n, 2 * pair + 1, 100 + pair, pair);
		vrig_notify(&n.v, 2 * pair + 1);
		vrig_add(&n.v, 2 * pair, &buf, 1);
		vrig_notify(&n.v, 2 * pair);
	}
	vrig_run(&n.v);
	assert_int_equal(n.host.nr_sent, 3);
	for (unsigned int pair = 0; pair < 3; pair++) {
		assert_int_equal(n.host.sent[pair].pair, pair);
		assert_int_equal(n.host.sent[pair].size, 100 + pair);
		net_input(&n, pair, 200 + pair, pair);
	}
	net_deliver(&n);
	for (unsigned int pair = 0; pair < 3; pair++)
		assert_int_equal(vrig_get(&n.v, 2 * pair), 200 + pair);
	net_teardown(&n);
}

/* Buffers that were there before the pair was used are found when it is. */
static void test_a_pair_comes_into_use(void **state)
{
	struct vrig_buf buf;
	struct net_rig n;

	(void)state;
	net_setup(&n, 2, 0, 0);
	vrig_start(&n.v, F_CTRL_VQ | F_MQ | F_MRG_RXBUF);
	buf = vrig_in(&n.v, 1536);
	vrig_send(&n.v, 2, &buf, 1);
	net_input(&n, 1, 300, 1);
	assert_false(n.host.wants[1]);
	net_deliver(&n);
	assert_int_equal(vrig_used(&n.v, 2), 0);
	assert_int_equal(set_pairs(&n, 4, 2), OK);
	assert_int_equal(vrig_get(&n.v, 2), 300);
	/* And goes out of it: nothing is received there any more. */
	buf = vrig_in(&n.v, 1536);
	vrig_send(&n.v, 2, &buf, 1);
	assert_true(n.host.wants[1]);
	assert_int_equal(set_pairs(&n, 4, 1), OK);
	assert_false(n.host.wants[1]);
	net_input(&n, 1, 300, 1);
	n.host.nd.readable(n.host.nd.ctx, 1);
	vrig_notify(&n.v, 2);
	vrig_run(&n.v);
	assert_int_equal(vrig_used(&n.v, 2), 0);
	net_teardown(&n);
}

/* A driver that does not know of several pairs has its control queue at 2. */
static void test_several_pairs_not_accepted(void **state)
{
	struct net_rig n;

	(void)state;
	net_setup(&n, NETDEV_MAX_PAIRS, 0, 0);
	vrig_start(&n.v, F_CTRL_VQ | F_CTRL_RX);
	assert_int_equal(command(&n, 2, 0, 0, "\1", 1), OK);
	for (unsigned int queue = 3; queue <= 2 * NETDEV_MAX_PAIRS; queue++) {
		net_add_frame(&n, queue, 100, 1);
		vrig_notify(&n.v, queue);
	}
	vrig_run(&n.v);
	assert_int_equal(n.host.nr_sent, 0);
	net_teardown(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offloads),
		cmocka_unit_test(test_mac_address),
		cmocka_unit_test(test_receive_filters),
		cmocka_unit_test(test_what_was_not_negotiated),
		cmocka_unit_test(test_framing),
		cmocka_unit_test(test_notifications),
		cmocka_unit_test(test_many_commands),
		cmocka_unit_test(test_malformed_commands),
		cmocka_unit_test(test_no_control_queue),
		cmocka_unit_test(test_number_of_pairs),
		cmocka_unit_test(test_each_pair_has_its_queues),
		cmocka_unit_test(test_a_pair_comes_into_use),
		cmocka_unit_test(test_several_pairs_not_accepted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
