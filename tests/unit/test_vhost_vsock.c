// SPDX-License-Identifier: BSD-2-Clause
/* The socket device by the host's kernel: what is said where it cannot be, and the device where it can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "host/vhost_vsock.h"
#include "tests/unit/virtio_rig.h"

#define CID 0x7654321u /* nobody's, most likely */

static struct loop loop;
static struct vrig v;

static int setup(void **state)
{
	struct err err;

	(void)state;
	vrig_init(&v);
	return loop_init(&loop, &err);
}

static int teardown(void **state)
{
	(void)state;
	loop_finish(&loop);
	free(v.ram);
	free(v.rom);
	return 0;
}

static void a_host_without_the_module(void **state)
{
	struct err err;

	(void)state;
	if (!access("/dev/vhost-vsock", F_OK)) {
		puts("SKIP a host without vhost-vsock: this one has it");
		skip();
	}
	assert_int_equal(vhost_vsock_create(&v.vdev, &v.mem, "vsock vsock0", CID, &loop, &err), -ENOENT);
	assert_int_equal(err.kind, ERR_HOST);
	assert_non_null(strstr(err.text, "modprobe vhost_vsock"));
	assert_non_null(strstr(err.text, "path="));
}

static void a_host_with_the_module(void **state)
{
	struct virtio_device *second;
	struct err err;

	(void)state;
	if (access("/dev/vhost-vsock", R_OK | W_OK)) {
		puts("SKIP a host with vhost-vsock: there is no /dev/vhost-vsock that may be opened");
		skip();
	}
	assert_int_equal(vhost_vsock_create(&v.vdev, &v.mem, "vsock vsock0", CID, &loop, &err), 0);
	assert_int_equal(vhost_vsock_create(&second, &v.mem, "vsock vsock0", CID, &loop, &err), -EINVAL);
	assert_int_equal(err.kind, ERR_USER);
	assert_non_null(strstr(err.text, "another VM's"));
	vrig_plug(&v);
	assert_int_equal(vrig_read(&v, V_DEVICE_ID), 19);
	assert_int_equal(vrig_config(&v, 0, 8), CID);
	/* No eventfd of notifications here: the device cannot be used, and says so. */
	vrig_start(&v, 0);
	assert_true(vrig_is_broken(&v));
	vrig_reset(&v);
	device_destroy(v.rig.dev);
	virtio_destroy(v.vdev);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_host_without_the_module),
		TEST(a_host_with_the_module),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
