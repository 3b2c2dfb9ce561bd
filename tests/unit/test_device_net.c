// SPDX-License-Identifier: BSD-2-Clause
/* --net: what is asked for, what is refused and how, and the address that a card gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "host/loop.h"
#include "tests/unit/config_rig.h"
#include "vmm/kinds.h"
#include "vmm/vm.h"

static void test_what_it_is_connected_to(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		static const char *const value[] = { "tap", "tap=vm0,queues=16,vhost=on", "user,vhost=off",
						     "socket=/run/net,mac=52:54:00:12:34:56" };
		struct vm_config cfg = RUN("vmlinuz", "--net", value[i]);

		assert_string_equal(cfg.devices->kind->name, "net");
		assert_string_equal(cfg.devices->id, "net0");
		config_finish(&cfg);
	}
}

static void test_what_is_refused(void **state)
{
#define ONE "net net0: needs exactly one of tap, tap=NAME, user and socket=PATH"
#define MAC                                                                                                   \
	"is not allowed; allowed is an address of one card such as 52:54:00:12:34:56, whose first number is " \
	"even"
	(void)state;
	REFUSE(ONE, "k", "--net", "mac=52:54:00:12:34:56");
	REFUSE(ONE, "k", "--net", "tap,tap=vm0");
	REFUSE(ONE, "k", "--net", "user,socket=/run/net");
	REFUSE("--net: key \"type\": \"slirp\" is not allowed; allowed is tap, user", "k", "--net", "slirp");
	REFUSE("net net0: tap: \"a-name-too-long-\" is not allowed; allowed is 1 to 15 printable characters but "
	       "\"/\", \":\" and \"%\"",
	       "k", "--net", "tap=a-name-too-long-");
	REFUSE("--net: key \"mac\": \"52:54:00:12:34\" " MAC, "k", "--net", "tap,id=lan,mac=52:54:00:12:34");
	REFUSE("--net: key \"mac\": \"53:54:00:12:34:56\" " MAC, "k", "--net", "tap,mac=53:54:00:12:34:56");
	REFUSE("--net: key \"mac\": \"00:00:00:00:00:00\" " MAC, "k", "--net", "tap,mac=00:00:00:00:00:00");
	REFUSE("--net: key \"mac\": \"52:54:00:12:34:5g\" " MAC, "k", "--net", "tap,mac=52:54:00:12:34:5g");
	REFUSE("--net: key \"mac\": \"52-54-00-12-34-56\" " MAC, "k", "--net", "tap,mac=52-54-00-12-34-56");
	REFUSE("net net0: queues: 2 is not allowed; allowed is 1 without a tap", "k", "--net",
	       "user,queues=2");
	REFUSE("net net0: vhost: on is not allowed; allowed are auto, off without a tap", "k", "--net",
	       "socket=/run/net,vhost=on");
}

/* --- the card's address --- */

static char directory[] = "/tmp/vireo-test-XXXXXX";
static char path[2][64];
static char here[100], there[100], named[120]; /* a card there; elsewhere; with an id of its own */
static int listener[2];

static void listen_at(unsigned int i)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(path[i], sizeof(path[i]), "%s/net%u", directory, i);
	memcpy(address.sun_path, path[i], strlen(path[i]) + 1);
	listener[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener[i], (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener[i], 16), 0);
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(directory));
	listen_at(0);
	listen_at(1);
	snprintf(here, sizeof(here), "socket=%s", path[0]);
	snprintf(there, sizeof(there), "socket=%s", path[1]);
	snprintf(named, sizeof(named), "socket=%s,id=lan", path[0]);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		close(listener[i]);
		unlink(path[i]);
	}
	return rmdir(directory);
}

/* The address of a card with that --net in a VM with that kernel: its first six bytes of configuration. */
static uint64_t address_in(const char *name, const char *kernel, const char *value)
{
	struct vm_config cfg = name ? RUN(kernel, "--net", value, "--name", name)
				    : RUN(kernel, "--net", value);
	struct vm vm = { .cfg = &cfg };
	struct virtio_device *vdev;
	struct loop loop;
	struct device_place place = { .vm = &vm, .loop = &loop, .name = "net test" };
	uint64_t mac = 0;
	struct err err;

	assert_int_equal(loop_init(&loop, &err), 0);
	if (cfg.devices->kind->create(&vdev, cfg.devices, &place, &err) < 0)
		fail_msg("%s", err.text);
	memcpy(&mac, vdev->config, 6);
	virtio_destroy(vdev);
	loop_finish(&loop);
	config_finish(&cfg);
	return mac;
}

static uint64_t address(const char *kernel, const char *value)
{
	return address_in(NULL, kernel, value);
}

static void test_an_address_that_is_given(void **state)
{
	char value[100];

	(void)state;
	snprintf(value, sizeof(value), "socket=%s,mac=52:54:00:Ab:cD:ef", path[0]);
	assert_int_equal(address("vmlinuz", value), 0xefcdab005452);
}

static void test_an_address_that_is_made_up(void **state)
{
	uint64_t mac;

	(void)state;
	mac = address("vmlinuz", here);
	assert_int_equal(mac & 3, 2); /* of one card, locally administered */
	assert_int_equal(address("vmlinuz", here), mac);
	/* Not that of another VM, connection, or card. */
	assert_int_not_equal(address("Image", here), mac);
	assert_int_not_equal(address("vmlinuz", there), mac);
	assert_int_not_equal(address("vmlinuz", named), mac);
}

/* A VM with a name has its addresses whatever it boots, and wherever its cards are connected. */
static void test_an_address_of_a_vm_with_a_name(void **state)
{
	uint64_t mac;

	(void)state;
	mac = address_in("web", "vmlinuz", here);
	assert_int_equal(mac & 3, 2);
	assert_int_equal(address_in("web", "Image", there), mac);
	assert_int_not_equal(address_in("web2", "vmlinuz", here), mac);
	assert_int_not_equal(address_in("web", "vmlinuz", named), mac);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_it_is_connected_to),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_an_address_that_is_given),
		cmocka_unit_test(test_an_address_that_is_made_up),
		cmocka_unit_test(test_an_address_of_a_vm_with_a_name),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
