// SPDX-License-Identifier: BSD-2-Clause
/*
 * The vhost-user front end against a back end of the test's own: what it says, in the words of QEMU's
 * "Vhost-user Protocol" (titles in quotes), and that a driver's buffers get there and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/un.h>

#include "tests/unit/vhost_user_rig.h"

static void assert_log(const uint32_t *expected, unsigned int count, unsigned int first)
{
	assert_int_equal(be.nr_log, first + count);
	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(be.log[first + i], expected[i]);
}

/* --- a back end that does as it should --- */

static void test_greeting(void **state)
{
	static const uint32_t expected[] = { M_GET_FEATURES, M_GET_PROTOCOL_FEATURES, M_SET_PROTOCOL_FEATURES,
					     M_GET_QUEUE_NUM, M_SET_OWNER };

	(void)state;
	be.protocol = UINT64_MAX;
	assert_int_equal(create(VIRTIO_ID_FS, 2, false), 0);
	assert_log(expected, 5, 0);
	/* Only what this front end speaks. */
	assert_int_equal(be.accepted_protocol, BE_MQ | BE_REPLY_ACK | BE_CONFIG | BE_RESET_DEVICE);
}

/* "VHOST_USER_F_PROTOCOL_FEATURES": to be asked for protocol features only by one that has them. */
static void test_greeting_of_an_old_one(void **state)
{
	static const uint32_t expected[] = { M_GET_FEATURES, M_SET_OWNER };

	(void)state;
	be.features = VIRTIO_F_TRANSPORT;
	start(VIRTIO_ID_FS, 2);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(be.log[i], expected[i]);
	assert_int_equal(be.accepted, VIRTIO_F_VERSION_1);
	round_trip(1);
	for (unsigned int i = 0; i < be.nr_log; i++) /* it would not know it */
		assert_int_not_equal(be.log[i], M_SET_VRING_ENABLE);
}

static void test_features(void **state)
{
	(void)state;
	be.features = VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | 1ULL << 34 | 1ULL << 35 | 1ULL << 33 |
		      1 << 5 | BE_PROTOCOL_FEATURES;
	assert_int_equal(create(VIRTIO_ID_FS, 2, false), 0);
	/* No indirect descriptors: the back end would not know them. None of the transport's from others. */
	assert_int_equal(vrig_offered(&v), VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | 1 << 5);
	vrig_start(&v, 1 << 5);
	assert_int_equal(be.accepted, VIRTIO_F_VERSION_1 | 1 << 5 | BE_PROTOCOL_FEATURES);
}

static void test_memory_table(void **state)
{
	(void)state;
	start(VIRTIO_ID_FS, 2);
	/* Not the page that the guest cannot write. */
	assert_int_equal(be.memory.memory.count, 1);
	assert_int_equal(be.memory.memory.region[0].guest, VRIG_RAM);
	assert_int_equal(be.memory.memory.region[0].size, VRIG_RAM_SIZE);
	assert_int_equal(be.memory.memory.region[0].offset, 0);
	memset(be.mem.range[0].host, 0x5a, 100);
	assert_int_equal(v.ram[99], 0x5a); /* the same memory */
}

static void test_offsets_in_the_file(void **state)
{
	struct guest_mem *mem = &v.mem;

	(void)state;
	mem->count = 0;
	assert_int_equal(guest_mem_add(mem, VRIG_RAM, VRIG_RAM_SIZE / 2, v.ram, false), 0);
	assert_int_equal(guest_mem_add(mem, 1ULL << 32, VRIG_RAM_SIZE / 2, v.ram + VRIG_RAM_SIZE / 2, false),
			 0);
	assert_int_equal(guest_mem_set_file(mem, VRIG_RAM, v.ram_fd, 0), 0);
	assert_int_equal(guest_mem_set_file(mem, 1ULL << 32, v.ram_fd, VRIG_RAM_SIZE / 2), 0);
	assert_int_equal(guest_mem_set_file(mem, 1, v.ram_fd, 0), -EINVAL);
	start(VIRTIO_ID_FS, 2);
	assert_int_equal(be.memory.memory.count, 2);
	assert_int_equal(be.memory.memory.region[1].guest, 1ULL << 32);
	assert_int_equal(be.memory.memory.region[1].size, VRIG_RAM_SIZE / 2);
	assert_int_equal(be.memory.memory.region[1].offset, VRIG_RAM_SIZE / 2);
	round_trip(0);
}

/* Buffers may lie in a file that the guest has mapped; what it cannot write nobody can map. */
static void test_windows(void **state)
{
	struct guest_mem *mem = &v.mem;
	int fd = memfd_create("window", MFD_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, VRIG_ROM_SIZE), 0);
	assert_int_equal(pwrite(fd, "file", 4, 0), 4);
	assert_int_equal(guest_mem_add_window(mem, 1ULL << 32, VRIG_ROM_SIZE, v.rom, false), 0);
	assert_int_equal(guest_mem_set_file(mem, 1ULL << 32, fd, 0), 0);
	assert_int_equal(guest_mem_add_window(mem, 2ULL << 32, VRIG_ROM_SIZE, v.rom, true), 0);
	assert_int_equal(guest_mem_set_file(mem, 2ULL << 32, fd, 0), 0);
	start(VIRTIO_ID_FS, 2);
	assert_int_equal(be.memory.memory.count, 2);
	assert_int_equal(be.memory.memory.region[1].guest, 1ULL << 32);
	assert_int_equal(be.memory.memory.region[1].size, VRIG_ROM_SIZE);
	assert_int_equal(be.memory.memory.region[1].offset, 0);
	assert_memory_equal(be.mem.range[1].host, "file", 4);
	round_trip(0);
	close(fd);
}

/* The protocol's table has eight places; whatever is not for the back end needs none. */
static void test_too_many_windows(void **state)
{
	struct guest_mem *mem = &v.mem;

	(void)state;
	for (uint64_t i = 1; i <= 16; i++) {
		bool read_only = i % 2;

		assert_int_equal(vhost_user_check_memory(mem, "share work", &err), 0);
		assert_int_equal(guest_mem_add_window(mem, i << 32, VRIG_ROM_SIZE, v.rom, read_only), 0);
		assert_int_equal(guest_mem_set_file(mem, i << 32, v.ram_fd, 0), 0);
	}
	assert_int_equal(vhost_user_check_memory(mem, "share work", &err), -EINVAL);
	assert_int_equal(err.kind, ERR_USER);
	assert_string_equal(err.text,
			    "share work: the program behind it can see 8 pieces of memory at most, and here "
			    "are 9: 1 of RAM and 8 with --pmem; at most 7 may be without \"ro\"");
}

/* Memory that nobody else can map: the device is out of use, with a reason. */
static void test_private_memory(void **state)
{
	(void)state;
	v.mem.range[0].fd = -1;
	assert_int_equal(create(VIRTIO_ID_FS, 2, false), 0);
	vrig_start(&v, 0);
	assert_true(vrig_is_broken(&v));
}

static void test_queues(void **state)
{
	(void)state;
	start(VIRTIO_ID_FS, 3);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(be.queue[i].vq.size, 16);
		assert_int_equal(be.queue[i].base, 0);
		assert_int_equal(be.queue[i].vq.desc, v.queue[i].desc_addr);
		assert_int_equal(be.queue[i].vq.avail, v.queue[i].avail_addr);
		assert_int_equal(be.queue[i].vq.used, v.queue[i].used_addr);
		assert_int_equal(be.queue[i].enabled, 1);
		round_trip(i);
	}
	for (unsigned int i = 0; i < 100; i++)
		round_trip(i % 3);
}

/* A driver that uses only some of the queues. */
static void test_a_queue_less(void **state)
{
	(void)state;
	assert_int_equal(create(VIRTIO_ID_FS, 3, false), 0);
	assert_true(vrig_negotiate(&v, VIRTIO_F_VERSION_1));
	vrig_queue(&v, 1, 8);
	vrig_driver_ok(&v);
	round_trip(1);
	vrig_notify(&v, 0);
	vrig_notify(&v, 2);
	vrig_run(&v);
	assert_int_equal(be.queue[0].vq.size, 0);
	vrig_reset(&v);
	assert_int_equal(be.last[M_GET_VRING_BASE].state.index, 1);
}

/* What the driver made available before DRIVER_OK. */
static void test_work_from_before(void **state)
{
	struct vrig_buf buf;

	(void)state;
	assert_int_equal(create(VIRTIO_ID_FS, 2, false), 0);
	assert_true(vrig_negotiate(&v, VIRTIO_F_VERSION_1));
	vrig_queue(&v, 0, 8);
	vrig_queue(&v, 1, 8);
	buf = vrig_in(&v, 16);
	vrig_add(&v, 1, &buf, 1);
	vrig_driver_ok(&v);
	pump_until_interrupt(1);
	assert_int_equal(vrig_get(&v, 1), 4);
}

static void test_without_acknowledgements(void **state)
{
	(void)state;
	be.protocol = BE_MQ;
	start(VIRTIO_ID_FS, 2);
	/* All that was sent has arrived when the queues are in use. */
	assert_int_equal(be.log[be.nr_log - 1], M_GET_FEATURES);
	round_trip(0);
	vrig_reset(&v);
	vrig_start(&v, 0);
	round_trip(1);
}

static int taken[4] = { -1, -1, -1, -1 };
static unsigned int given_back;

static int fake_take(struct virtio_device *vdev, unsigned int index)
{
	(void)vdev;
	taken[index] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return taken[index];
}

static void fake_give_back(struct virtio_device *vdev, unsigned int index)
{
	(void)vdev;
	be_close(&taken[index]);
	given_back++;
}

/* The guest's notifications reach the back end without this program. */
static void test_notifications_past_the_worker(void **state)
{
	const uint64_t one = 1;
	struct vrig_buf buf;

	(void)state;
	given_back = 0;
	assert_int_equal(create(VIRTIO_ID_FS, 2, false), 0);
	v.vdev->take_queue = fake_take;
	v.vdev->give_queue_back = fake_give_back;
	vrig_start(&v, 0);
	buf = vrig_in(&v, 16);
	vrig_add(&v, 1, &buf, 1);
	assert_int_equal(write(taken[1], &one, sizeof(one)), sizeof(one));
	pump_until_interrupt(1);
	assert_int_equal(vrig_get(&v, 1), 4);
	vrig_reset(&v);
	assert_int_equal(given_back, 2);
}

/* --- reset --- */

static void test_reset(void **state)
{
	static const uint32_t expected[] = { M_GET_VRING_BASE, M_GET_VRING_BASE };
	unsigned int before;

	(void)state;
	start(VIRTIO_ID_FS, 2);
	round_trip(0);
	before = be.nr_log;
	vrig_reset(&v);
	assert_log(expected, 2, before);
	vrig_reset(&v); /* again: there is nothing to stop */
	assert_log(expected, 2, before);
	for (unsigned int i = 0; i < 20; i++) {
		vrig_start(&v, 0);
		round_trip(i % 2);
		vrig_reset(&v);
	}
}

static void test_reset_device(void **state)
{
	(void)state;
	be.protocol |= BE_RESET_DEVICE;
	start(VIRTIO_ID_FS, 2);
	vrig_reset(&v);
	assert_int_equal(be.resets, 1);
	vrig_start(&v, 0);
	round_trip(0);
}

/* What the back end has taken comes back before the reset is over, and nothing after. */
static void test_reset_waits_for_what_is_in_flight(void **state)
{
	struct vrig_buf buf;

	(void)state;
	be.works_at_the_end = true;
	start(VIRTIO_ID_FS, 2);
	buf = vrig_in(&v, 16);
	vrig_send(&v, 1, &buf, 1);
	assert_int_equal(vrig_used(&v, 1), 0);
	vrig_write(&v, V_STATUS, 0);
	assert_int_equal(vrig_get(&v, 1), 4);
	assert_memory_equal(vrig_host(&v, buf.addr, 4), "done", 4);
}

/* An interrupt that was on its way to the driver of before is not told to the one after. */
static void test_no_interrupt_after_a_reset(void **state)
{
	struct vrig_buf buf;

	(void)state;
	be.works_at_the_end = true;
	start(VIRTIO_ID_FS, 1);
	buf = vrig_in(&v, 16);
	vrig_send(&v, 0, &buf, 1);
	vrig_write(&v, V_STATUS, 0);
	vrig_interrupts(&v);
	pump();
	assert_int_equal(vrig_interrupts(&v), 0);
}

static void test_destroyed_in_use(void **state)
{
	(void)state;
	start(VIRTIO_ID_FS, 2);
	round_trip(0);
}

/* --- configuration space --- */

static void test_config(void **state)
{
	struct vhost_user *vu;
	uint8_t config[60];

	(void)state;
	for (unsigned int i = 0; i < 60; i++)
		be.config[i] = (uint8_t)(i * 3);
	be_start(&be);
	assert_int_equal(vhost_user_open(&vu, be.front, "disk root", &err), 0);
	assert_int_equal(vhost_user_get_config(vu, config, sizeof(config), &err), 0);
	assert_memory_equal(config, be.config, sizeof(config));
	assert_int_equal(vhost_user_set_config(vu, 32, "\1", 1, &err), 0);
	assert_int_equal(be.config[32], 1);
	assert_int_equal(be.last[M_SET_CONFIG].word[2], 0); /* "flags": for a writable field */
	vhost_user_close(vu);
}

/* The driver relies on what it has written as soon as that is over. */
static void test_config_without_acknowledgements(void **state)
{
	struct vhost_user *vu;

	(void)state;
	be.protocol = BE_CONFIG;
	be_start(&be);
	assert_int_equal(vhost_user_open(&vu, be.front, "disk root", &err), 0);
	assert_int_equal(vhost_user_set_config(vu, 32, "\1", 1, &err), 0);
	assert_int_equal(be.log[be.nr_log - 1], M_GET_FEATURES);
	assert_int_equal(be.log[be.nr_log - 2], M_SET_CONFIG);
	assert_int_equal(be.config[32], 1);
	vhost_user_close(vu);
}

static void test_config_is_not_offered(void **state)
{
	struct vhost_user *vu;
	uint8_t config[60];

	(void)state;
	be.protocol = BE_REPLY_ACK;
	be_start(&be);
	assert_int_equal(vhost_user_open(&vu, be.front, "disk root", &err), 0);
	assert_int_equal(vhost_user_get_config(vu, config, sizeof(config), &err), -EPROTO);
	assert_non_null(strstr(err.text, "disk root: "));
	vhost_user_close(vu);
}

/* VIRTIO 1.2, "Block Device": the driver writes one field, and only with CONFIG_WCE. */
static void test_config_of_a_disk(void **state)
{
	(void)state;
	be.features |= 1 << 11;
	assert_int_equal(create(VIRTIO_ID_BLOCK, 1, false), 0);
	vrig_start(&v, 0);
	vrig_set_config(&v, 32, 1, 1);
	assert_int_equal(be.last[M_SET_CONFIG].request, 0);
	vrig_start(&v, 1 << 11);
	vrig_set_config(&v, 32, 1, 1);
	assert_int_equal(be.last[M_SET_CONFIG].word[0], 32);
	assert_int_equal(be.config[32], 1);
	assert_int_equal(vrig_config(&v, 32, 1), 1);
	vrig_set_config(&v, 0, 4, 99); /* the capacity */
	assert_int_equal(vrig_config(&v, 0, 4), 0);
	assert_int_equal(be.config[0], 0);
}

/* --- a network card's control queue --- */

static uint8_t command(const void *bytes, uint32_t len)
{
	struct vrig_buf buf[] = { vrig_out(&v, bytes, len), vrig_in(&v, 1) };
	uint8_t ack;

	vrig_send(&v, 4, buf, 2);
	assert_int_equal(vrig_get(&v, 4), 1);
	assert_int_equal(vrig_ack(&v), VIRTIO_INT_USED);
	memcpy(&ack, vrig_host(&v, buf[1].addr, 1), 1);
	return ack;
}

/* VIRTIO 1.2, "Automatic receive steering in multiqueue mode": one pair until the driver says more. */
static void test_queue_pairs(void **state)
{
	(void)state;
	assert_int_equal(create(VIRTIO_ID_NET, 4, true), 0);
	vrig_start(&v, 1ULL << 17);
	assert_int_equal(be.queue[0].enabled, 1);
	assert_int_equal(be.queue[1].enabled, 1);
	assert_int_equal(be.queue[2].enabled, 0);
	assert_int_equal(be.queue[3].enabled, 0);
	assert_false(be.accepted & 1ULL << 17); /* it did not offer it */
	round_trip(1);

	assert_int_equal(command("\4\0\2\0", 4), 0);
	assert_int_equal(be.queue[2].enabled, 1);
	assert_int_equal(be.queue[3].enabled, 1);
	round_trip(3);
	assert_int_equal(command("\4\0\1\0", 4), 0);
	assert_int_equal(be.queue[0].enabled, 1);
	assert_int_equal(be.queue[2].enabled, 0);

	assert_int_equal(command("\4\0\0\0", 4), 1);
	assert_int_equal(command("\4\0\3\0", 4), 1);
	assert_int_equal(command("\4\0\377\377", 4), 1);
	assert_int_equal(command("\4\0\1", 3), 1);
	assert_int_equal(command("\4\1\1\0", 4), 1);
	assert_int_equal(command("\0\0\1\0", 4), 1);
	assert_false(vrig_is_broken(&v));
}

/* The driver sends a command, and waits for its answer without a rest: it must be able to tell of each one. */
static void test_commands_are_waited_for(void **state)
{
	(void)state;
	assert_int_equal(create(VIRTIO_ID_NET, 4, true), 0);
	vrig_start(&v, 1ULL << 17 | VIRTIO_F_EVENT_IDX);
	for (unsigned int i = 0; i < 8; i++) {
		struct vrig_buf buf[] = { vrig_out(&v, "\4\0\2", 4), vrig_in(&v, 1) };

		vrig_add(&v, 4, buf, 2);
		assert_true(vrig_is_wanted(&v, 4, 1));
		vrig_notify(&v, 4);
		vrig_run(&v);
		assert_int_equal(vrig_get(&v, 4), 1);
	}
}

/* The device stands still: the back end gives its queues back, notifications do not reach it any more. */
static void test_a_broken_control_queue(void **state)
{
	unsigned int before;
	struct vrig_buf buf;

	(void)state;
	given_back = 0;
	assert_int_equal(create(VIRTIO_ID_NET, 4, true), 0);
	v.vdev->take_queue = fake_take;
	v.vdev->give_queue_back = fake_give_back;
	vrig_start(&v, 1ULL << 17);
	before = be.nr_log;
	buf = (struct vrig_buf){ .addr = 0, .len = 4 }; /* no memory */
	vrig_send(&v, 4, &buf, 1);
	assert_true(vrig_is_broken(&v));
	assert_int_equal(be.nr_log, before + 4);
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(be.log[before + i], M_GET_VRING_BASE);
		assert_int_equal(be.queue[i].kick, -1);
	}
	assert_int_equal(given_back, 4);
	buf = vrig_in(&v, 16);
	vrig_send(&v, 1, &buf, 1);
	assert_int_equal(vrig_used(&v, 1), 0);
	vrig_start(&v, 1ULL << 17);
	round_trip(1);
	vrig_reset(&v);
}

/* --- connecting --- */

static void test_connect(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char dir[] = "/tmp/vireo-vhost-XXXXXX", longer[200];
	int fd, listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/socket", dir);
	assert_int_equal(vhost_user_connect(&fd, "share src", addr.sun_path, &err), -ENOENT);
	assert_non_null(strstr(err.text, "share src: "));
	assert_non_null(strstr(err.text, addr.sun_path));
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(vhost_user_connect(&fd, "share src", addr.sun_path, &err), -ECONNREFUSED);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(vhost_user_connect(&fd, "share src", addr.sun_path, &err), 0);
	close(fd);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(vhost_user_connect(&fd, "share src", longer, &err), -EINVAL);
	assert_non_null(strstr(err.text, "107 bytes"));
	close(listener);
	unlink(addr.sun_path);
	rmdir(dir);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_greeting),
		TEST(test_greeting_of_an_old_one),
		TEST(test_features),
		TEST(test_memory_table),
		TEST(test_offsets_in_the_file),
		TEST(test_windows),
		TEST(test_too_many_windows),
		TEST(test_private_memory),
		TEST(test_queues),
		TEST(test_a_queue_less),
		TEST(test_work_from_before),
		TEST(test_without_acknowledgements),
		TEST(test_notifications_past_the_worker),
		TEST(test_reset),
		TEST(test_reset_device),
		TEST(test_reset_waits_for_what_is_in_flight),
		TEST(test_no_interrupt_after_a_reset),
		TEST(test_destroyed_in_use),
		TEST(test_config),
		TEST(test_config_without_acknowledgements),
		TEST(test_config_is_not_offered),
		TEST(test_config_of_a_disk),
		TEST(test_queue_pairs),
		TEST(test_commands_are_waited_for),
		TEST(test_a_broken_control_queue),
		cmocka_unit_test(test_connect),
	};

	log_set_level(LOG_ERROR); /* a warning for each that is lost */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
