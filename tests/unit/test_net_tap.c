// SPDX-License-Identifier: BSD-2-Clause
/*
 * Network card over a tap interface, in a network namespace of its own: the test is the host's network
 * stack's neighbour by a packet socket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/net_tap.h"
#include "kvm/tun.h"
#include "tests/unit/fake.h"
#include "tests/unit/netdev_rig.h"

/* "Local Experimental Ethertype 1" (IEEE 802): nobody but us sends such frames. */
#define ETHERTYPE 0x88b5

#define FRAME 200 /* bytes of the test's frames, without header */

static struct netdev_rig rig;

static int open_tap(struct netdev **nd, const char *ifname, unsigned int pairs, struct err *err)
{
	const struct net_tap_config config = {
		.name = "net test",
		.ifname = ifname,
		.pairs = pairs,
		.vhost = VHOST_OFF,
	};

	return net_tap_open(nd, &rig.loop, &config, err);
}

static void attach(const char *ifname, unsigned int pairs)
{
	struct netdev *nd;
	struct err err;

	if (open_tap(&nd, ifname, pairs, &err) < 0)
		fail_msg("%s", err.text);
	netdev_rig_attach(&rig, nd);
}

static int setup(void **state)
{
	(void)state;
	netdev_rig_init(&rig);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (rig.nd)
		netdev_rig_finish(&rig);
	else
		loop_finish(&rig.loop);
	return 0;
}

/* A socket for our frames on that interface. */
static int neighbour(const char *ifname)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETHERTYPE),
		.sll_ifindex = (int)if_nametoindex(ifname),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void make_frame(uint8_t frame[FRAME], unsigned int seed)
{
	netdev_rig_make(frame, FRAME, seed);
	memset(frame, 0xff, 6); /* to all */
	frame[6] = 2;
	frame[12] = ETHERTYPE >> 8;
	frame[13] = ETHERTYPE & 0xff;
}

/* The kernel has frames of its own to send; they are passed over. */
static void assert_received(unsigned int pair, unsigned int seed)
{
	uint8_t frame[FRAME];
	ssize_t n;

	make_frame(frame, seed);
	do {
		n = netdev_rig_receive(&rig, pair);
		if (n == -EAGAIN)
			netdev_rig_wait(&rig);
	} while (n < 0 || rig.frame[NETDEV_HEADER + 12] != ETHERTYPE >> 8 ||
		 rig.frame[NETDEV_HEADER + 13] != (ETHERTYPE & 0xff));
	assert_int_equal(n, NETDEV_HEADER + FRAME);
	assert_memory_equal(rig.frame + NETDEV_HEADER, frame, FRAME);
}

static void test_names(void **state)
{
	(void)state;
	assert_true(net_tap_name_ok("t"));
	assert_true(net_tap_name_ok("tap-a_b.1234567"));
	assert_false(net_tap_name_ok(""));
	assert_false(net_tap_name_ok("tap-a_b.12345678"));
	assert_false(net_tap_name_ok("tap%d"));
	assert_false(net_tap_name_ok("a/b"));
	assert_false(net_tap_name_ok("a b"));
	assert_false(net_tap_name_ok("a:b"));
	assert_false(net_tap_name_ok("."));
	assert_false(net_tap_name_ok(".."));
}

static void test_a_new_tap(void **state)
{
	(void)state;
	attach("vireo-test", 1);
	assert_string_equal(rig.nd->peer, "vireo-test");
	assert_int_not_equal(if_nametoindex("vireo-test"), 0);
	assert_int_equal(rig.nd->max_pairs, 1);
	assert_int_equal(rig.nd->mtu, 1500);
	assert_true(rig.nd->link_up);
	/* What every kernel since 2.6.27 can do. */
	assert_int_equal(rig.nd->offloads & (NETDEV_CSUM | NETDEV_TSO4 | NETDEV_TSO6 | NETDEV_ECN),
			 NETDEV_CSUM | NETDEV_TSO4 | NETDEV_TSO6 | NETDEV_ECN);
	netdev_rig_finish(&rig);
	assert_int_equal(if_nametoindex("vireo-test"), 0);
	netdev_rig_init(&rig);
}

static void test_a_name_that_is_free(void **state)
{
	struct netdev *other;
	struct err err;

	(void)state;
	attach(NULL, 1);
	assert_int_equal(open_tap(&other, NULL, 1, &err), 0);
	assert_string_not_equal(rig.nd->peer, other->peer);
	assert_int_not_equal(if_nametoindex(rig.nd->peer), 0);
	other->ops->destroy(other);
}

static void test_frames_both_ways(void **state)
{
	uint8_t frame[FRAME], got[FRAME + 1];
	int fd;

	(void)state;
	attach("vireo-test", 1);
	fd = neighbour("vireo-test");
	rig.nd->ops->want_input(rig.nd, 0, true);
	for (unsigned int i = 0; i < 3; i++) {
		make_frame(frame, i);
		assert_int_equal(send(fd, frame, FRAME, 0), FRAME);
	}
	for (unsigned int i = 0; i < 3; i++)
		assert_received(0, i);
	for (unsigned int i = 0; i < 3; i++) {
		make_frame(frame, 10 + i);
		assert_int_equal(netdev_rig_send(&rig, 0, frame, FRAME), 0);
	}
	for (unsigned int i = 0; i < 3; i++) {
		make_frame(frame, 10 + i);
		assert_int_equal(recv(fd, got, sizeof(got), 0), FRAME);
		assert_memory_equal(got, frame, FRAME);
	}
	close(fd);
}

/* What the kernel refuses is lost, as frames may be. */
static void test_a_header_that_lies(void **state)
{
	uint8_t header[NETDEV_HEADER], frame[FRAME], got[FRAME + 1];
	struct iovec iov[2] = { { header, sizeof(header) }, { frame, FRAME } };
	int fd;

	(void)state;
	attach("vireo-test", 1);
	fd = neighbour("vireo-test");
	make_frame(frame, 1);
	memset(header, 0xff, sizeof(header));
	assert_int_equal(rig.nd->ops->send(rig.nd, 0, iov, 2), 0);
	make_frame(frame, 2);
	assert_int_equal(netdev_rig_send(&rig, 0, frame, FRAME), 0);
	assert_int_equal(recv(fd, got, sizeof(got), 0), FRAME);
	assert_memory_equal(got, frame, FRAME);
	close(fd);
}

static void test_several_queues(void **state)
{
	uint8_t frame[FRAME], got[FRAME + 1];
	int fd;

	(void)state;
	attach("vireo-test", 3);
	assert_int_equal(rig.nd->max_pairs, 3);
	fd = neighbour("vireo-test");
	for (unsigned int round = 0; round < 3; round++) {
		rig.nd->ops->set_pairs(rig.nd, 3);
		for (unsigned int pair = 0; pair < 3; pair++) {
			make_frame(frame, pair);
			assert_int_equal(netdev_rig_send(&rig, pair, frame, FRAME), 0);
			assert_int_equal(recv(fd, got, sizeof(got), 0), FRAME);
			assert_memory_equal(got, frame, FRAME);
		}
		/* With one in use, whatever comes arrives there. */
		rig.nd->ops->set_pairs(rig.nd, 1);
		rig.nd->ops->want_input(rig.nd, 0, true);
		for (unsigned int i = 0; i < 8; i++) {
			make_frame(frame, i);
			assert_int_equal(send(fd, frame, FRAME, 0), FRAME);
			assert_received(0, i);
		}
		rig.nd->ops->set_pairs(rig.nd, 0);
	}
	close(fd);
}

/* "ip link delete" */
static void delete (const char *ifname)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg body;
	} request = {
		.head = { .nlmsg_len = sizeof(request),
			  .nlmsg_type = RTM_DELLINK,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.body = { .ifi_index = (int)if_nametoindex(ifname) },
	};
	char answer[1024];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	assert_true(fd >= 0);
	assert_int_equal(send(fd, &request, sizeof(request), 0), sizeof(request));
	assert_true(recv(fd, answer, sizeof(answer), 0) > 0);
	close(fd);
	assert_int_equal(if_nametoindex(ifname), 0);
}

/* --- what can be wrong --- */

static void assert_refused(const char *ifname, unsigned int pairs, int code, const char *words)
{
	struct netdev *nd;
	struct err err;

	assert_int_equal(open_tap(&nd, ifname, pairs, &err), code);
	if (!strstr(err.text, words) || !strstr(err.text, "net test") || !strstr(err.text, ifname))
		fail_msg("%s", err.text);
}

static void test_what_is_not_a_tap(void **state)
{
	(void)state;
	assert_refused("lo", 1, -EINVAL, "not a tap");
	assert_refused("lo", 2, -EINVAL, "not a tap");
}

static void test_a_tap_in_use(void **state)
{
	(void)state;
	attach("vireo-test", 1);
	assert_refused("vireo-test", 1, -EBUSY, "used by another program");
}

/* One that stays when nobody has it open: "ip tuntap add". */
static void add_tap(const char *ifname, bool multi_queue)
{
	char name[TUN_NAME_MAX + 1] = "";
	int fd = open(TUN_PATH, O_RDWR | O_CLOEXEC);

	snprintf(name, sizeof(name), "%s", ifname);
	assert_int_equal(tun_attach(fd, name, multi_queue), 0);
	assert_int_equal(ioctl(fd, TUNSETPERSIST, 1), 0);
	close(fd);
}

static void test_a_tap_of_one_queue(void **state)
{
	(void)state;
	add_tap("vireo-test", false);
	assert_refused("vireo-test", 2, -EINVAL, "one queue only");
	attach("vireo-test", 1);
	netdev_rig_finish(&rig);
	assert_int_not_equal(if_nametoindex("vireo-test"), 0);
	delete ("vireo-test");
	netdev_rig_init(&rig);
}

/* Whoever has made it with several queues, may be used with one. */
static void test_one_queue_of_several(void **state)
{
	uint8_t frame[FRAME], got[FRAME + 1];
	int fd;

	(void)state;
	add_tap("vireo-test", true);
	assert_int_equal(tun_set_up("vireo-test"), 0);
	attach("vireo-test", 1);
	fd = neighbour("vireo-test");
	make_frame(frame, 5);
	assert_int_equal(netdev_rig_send(&rig, 0, frame, FRAME), 0);
	assert_int_equal(recv(fd, got, sizeof(got), 0), FRAME);
	close(fd);
	delete ("vireo-test");
}

static void change_pairs(void *ctx)
{
	(void)ctx;
	for (unsigned int i = 0; i < 10; i++) {
		rig.nd->ops->set_pairs(rig.nd, 3);
		rig.nd->ops->set_pairs(rig.nd, 1);
	}
}

/* The driver goes on asking for queues that cannot be had: one line. */
static void test_queues_that_cannot_be_had(void **state)
{
	(void)state;
	attach("vireo-test", 3);
	rig.nd->ops->set_pairs(rig.nd, 1);
	delete ("vireo-test");
	assert_int_equal(fake_log_lines(change_pairs, NULL, "of tap vireo-test is not used"), 1);
	rig.nd->ops->set_pairs(rig.nd, 0);
}

static void test_a_tap_that_is_deleted(void **state)
{
	uint8_t frame[FRAME];

	(void)state;
	for (unsigned int round = 0; round < 4; round++) {
		const unsigned int pairs = round & 1 ? 3 : 1;

		attach("vireo-test", pairs);
		rig.nd->ops->set_pairs(rig.nd, pairs);
		/* Also while the driver has no buffers, or its queues are worked on by the kernel. */
		rig.nd->ops->want_input(rig.nd, 0, round & 2);
		delete ("vireo-test");
		while (!rig.link_changed)
			netdev_rig_wait(&rig);
		assert_int_equal(rig.link_changed, 1);
		assert_false(rig.nd->link_up);
		make_frame(frame, 1);
		assert_int_equal(netdev_rig_send(&rig, 0, frame, FRAME), 0);
		assert_int_equal(netdev_rig_receive(&rig, 0), -EAGAIN);
		/* No event comes again and again. */
		assert_true(netdev_rig_is_quiet(&rig));
		rig.nd->ops->set_pairs(rig.nd, 0);
		rig.nd->ops->set_pairs(rig.nd, pairs);
		rig.nd->ops->set_offloads(rig.nd, 0);
		assert_int_equal(netdev_rig_send(&rig, 0, frame, FRAME), 0);
		assert_true(netdev_rig_is_quiet(&rig));
		assert_int_equal(rig.link_changed, 1);
		netdev_rig_finish(&rig);
		netdev_rig_init(&rig);
	}
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Why the tests cannot be, or NULL. */
static const char *why_not(void)
{
	char name[TUN_NAME_MAX + 1] = "vireo-test";
	int fd, ret;

	if (geteuid() != 0)
		return "to be created they need root";
	if (unshare(CLONE_NEWNET) < 0)
		return "no network namespace of its own";
	fd = open(TUN_PATH, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return "no " TUN_PATH;
	ret = tun_attach(fd, name, true);
	close(fd);
	return ret < 0 ? "no tap can be created" : NULL;
}

static void test_taps(void **state)
{
	(void)state;
	skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),         test(test_a_new_tap),
		test(test_a_name_that_is_free),       test(test_frames_both_ways),
		test(test_a_header_that_lies),        test(test_several_queues),
		test(test_what_is_not_a_tap),         test(test_a_tap_in_use),
		test(test_a_tap_of_one_queue),        test(test_one_queue_of_several),
		test(test_queues_that_cannot_be_had), test(test_a_tap_that_is_deleted),
	};

	const struct CMUnitTest without[] = { cmocka_unit_test(test_names), cmocka_unit_test(test_taps) };
	const char *reason = why_not();

	if (!reason)
		return cmocka_run_group_tests(tests, NULL, NULL);
	printf("SKIP taps: %s\n", reason);
	return cmocka_run_group_tests(without, NULL, NULL);
}
