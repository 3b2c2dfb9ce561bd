// SPDX-License-Identifier: BSD-2-Clause
/*
 * The vhost-user front end with programs that others wrote: virtiofsd, which shares a directory, and
 * qemu-storage-daemon, which has a disk. The test is the driver of both devices. A program that is not
 * installed is skipped with its reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "host/daemon.h"
#include "host/vhost_user_device.h"
#include "host/virtiofsd.h"
#include "tests/unit/virtio_rig.h"

static struct vrig v;
static struct loop loop;
static struct err err;
static char dir[] = "/tmp/vireo-peer-XXXXXX", path[64];

static const char *in_dir(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/vireo-peer-XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(loop_init(&loop, &err), 0);
	vrig_init(&v);
	vrig_share(&v);
	return 0;
}

static int teardown(void **state)
{
	char command[64];

	(void)state;
	if (v.vdev) {
		vrig_finish(&v);
	} else {
		munmap(v.ram, VRIG_RAM_SIZE);
		close(v.ram_fd);
		free(v.rom);
	}
	loop_finish(&loop);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	return 0;
}

/* One event of the loop, which is there or will come. */
static void pump(void)
{
	struct loop_source *source;
	struct epoll_event ev;

	while (epoll_wait(loop.epoll_fd, &ev, 1, -1) != 1)
		;
	source = ev.data.ptr;
	source->ready(source->ctx, ev.events);
}

static void send_and_wait(unsigned int index, const struct vrig_buf *buf, unsigned int count)
{
	vrig_set_used_event(&v, index, 0);
	vrig_send(&v, index, buf, count);
	while (!vrig_used(&v, index))
		pump();
	vrig_get(&v, index);
}

static void need(const char *program)
{
	int self = pidfd_open(getpid(), 0);

	if (self < 0) {
		printf("SKIP %s: no pidfd_open() here (valgrind 3.19 does not know it)\n", program);
		skip();
	}
	close(self);
	if (daemon_find(path, sizeof(path), program) < 0) {
		printf("SKIP %s: not installed\n", program);
		skip();
	}
}

/* The only child of this program, and its own, which are in its process group. */
static void kill_back_end(void)
{
	FILE *file = fopen("/proc/thread-self/children", "r");
	int pid;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%d", &pid), 1);
	fclose(file);
	assert_int_equal(kill(-pid, SIGKILL), 0);
}

/* --- virtiofsd --- */

/* The protocol of FUSE, as far as it is needed here: operations, and what they send and get. */
enum {
	FUSE_LOOKUP = 1,
	FUSE_OPEN = 14,
	FUSE_READ = 15,
	FUSE_INIT = 26,
	FUSE_CREATE = 35,
	FUSE_ROOT = 1, /* node */
};

struct fuse_answer {
	uint32_t len;
	int32_t error;
	uint64_t unique;
	uint8_t bytes[4096];
};

/* Sends a request and returns the answer, in guest memory. */
static const struct fuse_answer *fuse(uint32_t opcode, uint64_t node, const void *arg, uint32_t len)
{
	static uint64_t unique;
	struct {
		uint32_t len, opcode;
		uint64_t unique, node;
		uint32_t uid, gid, pid, padding;
		uint8_t arg[256];
	} request = { .len = 40 + len, .opcode = opcode, .unique = unique += 2, .node = node };
	struct vrig_buf buf[2];
	const struct fuse_answer *answer;

	memcpy(request.arg, arg, len);
	buf[0] = vrig_out(&v, &request, request.len);
	buf[1] = vrig_in(&v, sizeof(struct fuse_answer));
	send_and_wait(1, buf, 2);
	answer = vrig_host(&v, buf[1].addr, sizeof(*answer));
	assert_int_equal(answer->unique, request.unique);
	return answer;
}

/* The directory `name` in the test's own. */
static void share(const char *name, bool read_only, enum sandbox sandbox)
{
	char shared[64], hello[80];
	const struct virtiofsd_config config = {
		.name = "share src",
		.dir = shared,
		.read_only = read_only,
		.sandbox = sandbox,
		.loop = &loop,
	};
	const uint8_t space[40] = "src";
	struct vhost_user_device_config dc = {
		.name = "share src",
		.id = VIRTIO_ID_FS,
		.nr_queues = 2,
		.queue_size = 1024,
		.config = space,
		.config_size = sizeof(space),
		.mem = &v.mem,
		.loop = &loop,
	};
	struct vhost_user *vu;
	int fd;

	strcpy(shared, in_dir(name));
	assert_int_equal(mkdir(shared, 0755), 0);
	snprintf(hello, sizeof(hello), "%s/hello", shared);
	fd = open(hello, O_CREAT | O_WRONLY, 0644);
	assert_int_equal(write(fd, "Hello.\n", 7), 7);
	close(fd);
	if (virtiofsd_start(&vu, &dc.daemon, &config, &err) < 0) {
		printf("SKIP virtiofsd: %s\n", err.text);
		skip();
	}
	assert_int_equal(vhost_user_device_create(&v.vdev, vu, &dc, &err), 0);
	vrig_plug(&v);
}

/* Version 7.31, which all know. */
static void mount_it(void)
{
	const uint32_t init[4] = { 7, 31, 65536, 0 };

	vrig_start(&v, 0);
	assert_int_equal(fuse(FUSE_INIT, 0, init, sizeof(init))->error, 0);
}

static void assert_hello(void)
{
	const uint32_t how[2] = { O_RDONLY };
	const struct fuse_answer *answer = fuse(FUSE_LOOKUP, FUSE_ROOT, "hello", 6);
	struct {
		uint64_t file, offset;
		uint32_t size, flags;
		uint64_t owner;
		uint32_t open_flags, padding;
	} read_it = { .size = 100 };
	uint64_t node;

	assert_int_equal(answer->error, 0);
	memcpy(&node, answer->bytes, sizeof(node));
	answer = fuse(FUSE_OPEN, node, how, sizeof(how));
	assert_int_equal(answer->error, 0);
	memcpy(&read_it.file, answer->bytes, sizeof(read_it.file));
	answer = fuse(FUSE_READ, node, &read_it, sizeof(read_it));
	assert_int_equal(answer->error, 0);
	assert_int_equal(answer->len, 16 + 7);
	assert_memory_equal(answer->bytes, "Hello.\n", 7);
}

static int create_file(const char *name)
{
	struct {
		uint32_t flags, mode, umask, open_flags;
		char name[16];
	} create = { .flags = O_RDWR | O_CREAT, .mode = S_IFREG | 0644 };

	strcpy(create.name, name);
	return fuse(FUSE_CREATE, FUSE_ROOT, &create, 16 + (uint32_t)strlen(name) + 1)->error;
}

static void test_share(void **state)
{
	struct stat st;

	(void)state;
	need("virtiofsd");
	share("src", false, SANDBOX_AUTO);
	mount_it();
	assert_hello();
	assert_int_equal(create_file("new"), 0);
	assert_int_equal(stat(in_dir("src/new"), &st), 0);
	for (unsigned int i = 0; i < 5; i++) {
		vrig_reset(&v);
		mount_it();
		assert_hello();
	}
}

static void test_share_read_only(void **state)
{
	struct stat st;

	(void)state;
	need("virtiofsd");
	share("src", true, SANDBOX_AUTO);
	mount_it();
	assert_hello();
	assert_int_equal(create_file("new"), -EROFS);
	assert_int_equal(stat(in_dir("src/new"), &st), -1);
	close(open(in_dir("src/here"), O_CREAT | O_WRONLY, 0600)); /* on the host it is as before */
	assert_int_equal(stat(in_dir("src/here"), &st), 0);
}

static void test_share_by_chroot(void **state)
{
	(void)state;
	need("virtiofsd");
	share("src", true, SANDBOX_CHROOT);
	mount_it();
	assert_hello();
	assert_int_equal(create_file("new"), -EROFS);
	/* Nothing of the host is seen from there. */
	assert_int_equal(fuse(FUSE_LOOKUP, FUSE_ROOT, "etc", 4)->error, -ENOENT);
}

/* A comma and a backslash would mean something in an option of virtiofsd's. */
static void test_share_of_an_odd_name(void **state)
{
	(void)state;
	need("virtiofsd");
	share("a,b\\c", false, SANDBOX_AUTO);
	mount_it();
	assert_hello();
}

/* The guest's requests fail when it has gone. */
static void test_end_of_virtiofsd(void **state)
{
	(void)state;
	need("virtiofsd");
	share("src", false, SANDBOX_AUTO);
	mount_it();
	assert_hello();
	kill_back_end();
	while (fuse(FUSE_LOOKUP, FUSE_ROOT, "hello", 6)->error != -EIO)
		;
	assert_false(vrig_is_broken(&v));
}

/* A program of that name, first in PATH, which answers --help so and else repeats its options and ends. */
static const char *start_impostor(const char *help, enum sandbox sandbox, enum submounts submounts)
{
	const struct virtiofsd_config config = {
		.name = "share src", .dir = "/", .sandbox = sandbox, .submounts = submounts, .loop = &loop
	};
	char *before = strdup(getenv("PATH")), new[300];
	struct daemon *daemon;
	struct vhost_user *vu;
	FILE *file;

	file = fopen(in_dir("virtiofsd"), "w");
	fprintf(file, "#!/bin/sh\nif [ $1 = --help ]; then echo '%s'; else shift; echo \"$@\"; fi\n", help);
	fclose(file);
	assert_int_equal(chmod(path, 0700), 0);
	snprintf(new, sizeof(new), "%s:%s", dir, before);
	setenv("PATH", new, 1);
	assert_true(virtiofsd_start(&vu, &daemon, &config, &err) < 0);
	setenv("PATH", before, 1);
	free(before);
	return err.text;
}

static void assert_ends(const char *text, const char *end)
{
	assert_true(strlen(text) >= strlen(end));
	assert_string_equal(text + strlen(text) - strlen(end), end);
}

static void test_options_of_either(void **state)
{
	(void)state;
	need("sh");
	assert_non_null(strstr(start_impostor("  --shared-dir <DIR>", SANDBOX_NAMESPACE, SUBMOUNTS_AUTO),
			       "its last words: --shared-dir / --sandbox namespace --log-level warn"));
	assert_non_null(strstr(start_impostor("  --shared-dir <DIR>", SANDBOX_AUTO, SUBMOUNTS_AUTO),
			       "--sandbox chroot"));
	assert_non_null(strstr(start_impostor("  -o source=PATH", SANDBOX_NAMESPACE, SUBMOUNTS_AUTO),
			       "its last words: -o source=/ -o sandbox=namespace -o log_level=warn"));
	assert_non_null(strstr(start_impostor("usage: whatever", SANDBOX_AUTO, SUBMOUNTS_AUTO),
			       "another program of that name?"));
}

/* Which options end with what, for each virtiofsd: by itself that in C announces none, and the later one in Rust all. */
static void test_announced_mount_points(void **state)
{
	static const struct {
		const char *help;
		const char *on, *off; /* the last of the options */
	} known[] = {
		{ "  -o source=PATH", " -oannounce_submounts", " log_level=warn" },
		{ "  --shared-dir <DIR>", " --announce-submounts", " --log-level warn" },
		{ "  --shared-dir <DIR> --no-announce-submounts", " --log-level warn",
		  " --no-announce-submounts" },
	};

	(void)state;
	need("sh");
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const char *help = known[i].help;

		assert_ends(start_impostor(help, SANDBOX_CHROOT, SUBMOUNTS_ON), known[i].on);
		assert_ends(start_impostor(help, SANDBOX_CHROOT, SUBMOUNTS_OFF), known[i].off);
		assert_ends(start_impostor(help, SANDBOX_CHROOT, SUBMOUNTS_AUTO), "warn");
	}
}

static void test_share_of_nothing(void **state)
{
	struct virtiofsd_config config = { .name = "share src", .loop = &loop };
	struct vhost_user *vu;
	struct daemon *daemon;

	(void)state;
	config.dir = "/nonexistent";
	assert_int_equal(virtiofsd_start(&vu, &daemon, &config, &err), -EINVAL);
	assert_string_equal(err.text, "share src: there is no directory /nonexistent");
	config.dir = "/dev/null";
	assert_int_equal(virtiofsd_start(&vu, &daemon, &config, &err), -EINVAL);
	assert_string_equal(err.text, "share src: /dev/null is no directory; what is shared is one");
}

/* --- qemu-storage-daemon --- */

#define SECTOR 512u

/* VIRTIO 1.2, "Block Device", "Device Operation". */
static uint8_t request(unsigned int index, uint32_t type, uint64_t sector, void *data, uint32_t len)
{
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} header = { .type = type, .sector = sector };
	struct vrig_buf buf[3] = { vrig_out(&v, &header, sizeof(header)) };
	unsigned int n = 1;

	if (len)
		buf[n++] = type ? vrig_out(&v, data, len) : vrig_in(&v, len);
	buf[n++] = vrig_in(&v, 1);
	send_and_wait(index, buf, n);
	if (len && !type)
		memcpy(data, vrig_host(&v, buf[1].addr, len), len);
	return *(uint8_t *)vrig_host(&v, buf[n - 1].addr, 1);
}

static struct daemon *storage;

static void start_storage(unsigned int queues)
{
	char blockdev[128], export[160], listening[64];
	char *argv[] = { "qemu-storage-daemon", "--blockdev", blockdev, "--export", export, NULL };
	const struct daemon_config config = { .name = "storage", .argv = argv, .keep_fd = -1 };
	int fd;

	fd = open(in_dir("disk"), O_CREAT | O_RDWR, 0600);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	close(fd);
	snprintf(blockdev, sizeof(blockdev), "driver=file,filename=%s,node-name=d", in_dir("disk"));
	snprintf(listening, sizeof(listening), "%s", in_dir("socket"));
	snprintf(export, sizeof(export),
		 "type=vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path=%s,writable=on,num-queues=%u",
		 listening, queues);
	assert_int_equal(daemon_start(&storage, &loop, &config, &err), 0);
}

static void connect_storage(unsigned int queues)
{
	uint8_t space[60];
	struct vhost_user_device_config dc = {
		.name = "disk root",
		.id = VIRTIO_ID_BLOCK,
		.features = (1u << 15) - 1,
		.nr_queues = queues,
		.queue_size = 128,
		.config = space,
		.config_size = sizeof(space),
		.mem = &v.mem,
		.loop = &loop,
		.daemon = storage,
	};
	struct vhost_user *vu;
	int fd;

	/* It listens when it is ready, and says so to nobody. */
	while (vhost_user_connect(&fd, "disk root", in_dir("socket"), &err) < 0)
		assert_int_equal(waitpid(-1, NULL, WNOHANG), 0);
	assert_int_equal(vhost_user_open(&vu, fd, "disk root", &err), 0);
	assert_int_equal(vu->max_queues, queues);
	assert_int_equal(vhost_user_get_config(vu, space, sizeof(space), &err), 0);
	assert_int_equal(vhost_user_device_create(&v.vdev, vu, &dc, &err), 0);
	vrig_plug(&v);
}

static void test_disk(void **state)
{
	uint8_t data[4096], back[4096];
	int fd;

	(void)state;
	need("qemu-storage-daemon");
	start_storage(2);
	connect_storage(2);
	assert_int_equal(vrig_config(&v, 0, 8), (1 << 20) / SECTOR);
	for (unsigned int reset = 0; reset < 5; reset++) {
		vrig_start(&v, 1u << 9 | VIRTIO_F_EVENT_IDX);
		for (unsigned int i = 0; i < 20; i++) {
			memset(data, (int)(reset * 20 + i + 1), sizeof(data));
			assert_int_equal(request(i % 2, 1, i * 8, data, sizeof(data)), 0);
			assert_int_equal(request((i + 1) % 2, 0, i * 8, back, sizeof(back)), 0);
			assert_memory_equal(data, back, sizeof(data));
		}
		assert_int_equal(request(0, 4, 0, NULL, 0), 0);            /* FLUSH */
		assert_int_equal(request(0, 0, 1 << 20, back, SECTOR), 1); /* beyond its end */
	}
	fd = open(in_dir("disk"), O_RDONLY);
	assert_int_equal(pread(fd, back, sizeof(back), 19L * 4096), (ssize_t)sizeof(back));
	close(fd);
	assert_memory_equal(data, back, sizeof(data));
}

static void test_end_of_the_disk(void **state)
{
	uint8_t back[SECTOR];

	(void)state;
	need("qemu-storage-daemon");
	start_storage(1);
	connect_storage(1);
	vrig_start(&v, 0);
	assert_int_equal(request(0, 0, 0, back, SECTOR), 0);
	kill_back_end();
	while (!request(0, 0, 0, back, SECTOR))
		;
	assert_int_equal(request(0, 0, 0, back, SECTOR), 1);
	assert_false(vrig_is_broken(&v));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_share),
		TEST(test_share_read_only),
		TEST(test_share_by_chroot),
		TEST(test_share_of_an_odd_name),
		TEST(test_end_of_virtiofsd),
		TEST(test_options_of_either),
		TEST(test_announced_mount_points),
		TEST(test_share_of_nothing),
		TEST(test_disk),
		TEST(test_end_of_the_disk),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
