// SPDX-License-Identifier: BSD-2-Clause
/* vireo exec without a VM: what the guest is told, its streams, and a guest that is hostile on its ports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "host/port_fd.h"
#include "init/protocol.h"
#include "tests/unit/chardev_rig.h"
#include "tests/unit/fake.h"
#include "tests/unit/loop_rig.h"
#include "vmm/exec.h"
#include "vmm/exec_port.h"
#include "vmm/exec_tail.h"

static struct loop loop;
static struct err err;

static void run_loop(void)
{
	loop_rig_settle(&loop);
}

static int setup(void **state)
{
	(void)state;
	return loop_init(&loop, &err);
}

static int teardown(void **state)
{
	(void)state;
	loop_finish(&loop);
	return 0;
}

static size_t put(struct chardev *chr, const void *data, size_t len)
{
	return chr->ops->put(chr, data, len);
}

static struct chardev_rig told;
static unsigned int moved, closed;

static void on_moved(void *ctx)
{
	(void)ctx;
	moved++;
}

static void on_closed(void *ctx)
{
	(void)ctx;
	closed++;
}

static void connect_model(struct chardev *chr)
{
	chardev_rig_plug(&told, chr);
	moved = closed = 0;
}

/* --- users --- */

static void users(void **state)
{
	static const char *const wrong[] = {
		"",   "x",  "1:", ":1", "1:2:3", "-1", "4294967295", "1:4294967295", "99999999999999999999",
		"1 ", " 1", "0x1"
	};
	uint32_t uid, gid;

	(void)state;
	assert_true(exec_parse_user("1000", &uid, &gid));
	assert_int_equal(uid, 1000);
	assert_int_equal(gid, 1000);
	assert_true(exec_parse_user("0:4294967294", &uid, &gid));
	assert_int_equal(uid, 0);
	assert_int_equal(gid, 4294967294);
	for (unsigned int i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(exec_parse_user(wrong[i], &uid, &gid));
}

/* --- the job --- */

struct reader {
	const uint8_t *at, *end;
};

/* The next record of that kind, or NULL. */
static const char *read_record(struct reader *r, uint32_t kind, uint32_t *size)
{
	while (r->at < r->end) {
		struct exec_record record;
		const char *data;

		assert_true((size_t)(r->end - r->at) >= sizeof(record));
		memcpy(&record, r->at, sizeof(record));
		data = (const char *)r->at + sizeof(record);
		assert_true((size_t)(r->end - r->at) >= sizeof(record) + record.size);
		r->at += sizeof(record) + record.size;
		*size = record.size;
		if (record.kind == kind)
			return data;
	}
	return NULL;
}

static const char *find_record(const void *job, size_t job_size, uint32_t kind, unsigned int index,
			       uint32_t *size)
{
	struct reader r = { .at = job, .end = (const uint8_t *)job + job_size };
	const char *data = NULL;

	for (unsigned int i = 0; i <= index; i++)
		data = read_record(&r, kind, size);
	return data;
}

/* A thousand arguments, an environment of some hundred KiB, and what is told besides. */
static void a_large_job(void **state)
{
	const struct exec_tty tty = { .is_wanted = true, .with_stderr = true, .columns = 99, .rows = 33 };
	char *argument[1000], *variable[3], *rw[] = { "/a", "/b" };
	struct vm_config cfg = {
		.command = { argument, 1000 },
		.env = { variable, 3 },
		.rw = { rw, 2 },
		.directory = "/where",
		.user = "7:8",
	};
	struct exec_terminal terminal;
	struct exec_user user;
	size_t job_size;
	uint32_t size;
	void *job;
	bool path = false;

	(void)state;
	for (unsigned int i = 0; i < 1000; i++)
		assert_true(asprintf(&argument[i], "argument %u\n", i) > 0);
	for (unsigned int i = 0; i < 3; i++) {
		variable[i] = malloc(200001);
		memset(variable[i], 'a' + (int)i, 200000);
		memcpy(variable[i], i == 2 ? "PATH=" : i ? "HOME=" : "BIG0=", 5);
		variable[i][200000] = '\0';
	}
	assert_int_equal(exec_make_job(&job, &job_size, &cfg, &tty, &err), 0);
	for (unsigned int i = 0; i < 1000; i++) {
		assert_string_equal(find_record(job, job_size, EXEC_ARGUMENT, i, &size), argument[i]);
		assert_int_equal(size, strlen(argument[i]) + 1);
	}
	assert_null(find_record(job, job_size, EXEC_ARGUMENT, 1000, &size));
	/* What --env gives is given once, and nothing of ours beside it. */
	for (unsigned int i = 0; find_record(job, job_size, EXEC_ENVIRONMENT, i, &size); i++) {
		const char *text = find_record(job, job_size, EXEC_ENVIRONMENT, i, &size);

		if (!strncmp(text, "PATH=", 5)) {
			assert_false(path);
			path = true;
			assert_string_equal(text, variable[2]);
		}
	}
	assert_true(path);
	assert_string_equal(find_record(job, job_size, EXEC_DIRECTORY, 0, &size), "/where");
	assert_string_equal(find_record(job, job_size, EXEC_MOUNT, 1, &size), "/b");
	memcpy(&user, find_record(job, job_size, EXEC_USER, 0, &size), sizeof(user));
	assert_int_equal(user.uid, 7);
	assert_int_equal(user.gid, 8);
	memcpy(&terminal, find_record(job, job_size, EXEC_TERMINAL, 0, &size), sizeof(terminal));
	assert_int_equal(terminal.columns, 99);
	assert_int_equal(terminal.rows, 33);
	for (unsigned int i = 0; i < 1000; i++)
		free(argument[i]);
	for (unsigned int i = 0; i < 3; i++)
		free(variable[i]);
	free(job);
}

/* --- copies --- */

static struct text_list files;

/* The loader is asked, which is a program. */
static void need_pidfds(void)
{
	int fd = pidfd_open(getpid(), 0);

	if (fd < 0) {
		puts("SKIP copies: no pidfd_open() here (valgrind 3.19 does not know it)");
		skip();
	}
	close(fd);
}

static bool is_listed(const char *end)
{
	for (unsigned int i = 0; i < files.count; i++) {
		size_t len = strlen(files.text[i]);

		if (len >= strlen(end) && !strcmp(files.text[i] + len - strlen(end), end))
			return true;
	}
	return false;
}

static void list_files(const char *command, const char *directory)
{
	char *argv[] = { (char *)command };
	const struct vm_config cfg = { .command = { argv, 1 }, .directory = (char *)directory };

	text_list_clear(&files);
	assert_int_equal(exec_list_files(&files, &cfg, &err), 0);
}

/* A program of the base system, by its name alone: its file, its loader, and what it is linked to. */
static void copies_of_a_program(void **state)
{
	(void)state;
	need_pidfds();
	list_files("env", "/");
	assert_true(is_listed("/bin/env"));
	assert_true(is_listed("/libc.so.6"));
	assert_true(is_listed("/ld-linux-x86-64.so.2") || is_listed("/ld-linux-aarch64.so.1"));
	assert_true(is_listed("/etc/passwd"));
	list_files("no-such-command", "/");
	assert_false(is_listed("no-such-command")); /* it is the guest that says so */
}

static void copies_of_a_script(void **state)
{
	char dir[] = "/tmp/vireo-exec.XXXXXX", path[64];
	FILE *file;

	(void)state;
	need_pidfds();
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/script", dir);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("#!/usr/bin/env sh\nexit 3\n", file);
	assert_int_equal(fclose(file), 0);
	list_files("./script", dir);
	unlink(path);
	rmdir(dir);
	assert_true(is_listed("/script"));
	assert_true(is_listed("/usr/bin/env"));
	assert_true(is_listed("/bin/sh"));
	assert_true(is_listed("/libc.so.6"));
	text_list_clear(&files);
}

/* --- streams --- */

static void output_is_without_the_first_byte(void **state)
{
	struct exec_stream s;
	struct chardev *fd;
	char buf[64];
	int pair[2];

	(void)state;
	assert_int_equal(pipe(pair), 0);
	assert_int_equal(port_fd_create_output(&fd, pair[1], "stdout", &loop, &err), 0);
	exec_stream_init(&s, fd, false, NULL, &loop);
	s.moved = on_moved;
	s.closed = on_closed;
	connect_model(&s.chr);
	assert_int_equal(put(&s.chr, "\0", 1), 1);
	assert_int_equal(s.taken, 0);
	assert_int_equal(put(&s.chr, "a\0b", 3), 3);
	assert_int_equal(s.taken, 3);
	assert_int_equal(moved, 1);
	assert_int_equal(read(pair[0], buf, sizeof(buf)), 3);
	assert_memory_equal(buf, "a\0b", 3);
	/* Nobody reads any more: the guest is told, and what it writes then counts as taken. */
	close(pair[0]);
	run_loop();
	assert_int_equal(closed, 1);
	assert_int_equal(put(&s.chr, "more", 4), 4);
	assert_int_equal(s.taken, 7);
	run_loop();
	assert_int_equal(closed, 1);
	exec_stream_finish(&s);
	fd->ops->destroy(fd);
	close(pair[1]);
}

/* A slow reader makes the guest wait; nothing is lost. Flags of the descriptor stay as they are. */
static void output_waits_for_its_reader(void **state)
{
	static uint8_t big[300000], back[300000];
	size_t sent = 1, got = 0;
	struct chardev *fd;
	int pair[2];

	(void)state;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7);
	assert_int_equal(pipe(pair), 0);
	assert_int_equal(port_fd_create_output(&fd, pair[1], "stdout", &loop, &err), 0);
	assert_int_equal(fcntl(pair[1], F_GETFL) & O_NONBLOCK, 0);
	connect_model(fd);
	sent = put(fd, big, sizeof(big));
	assert_true(sent > 0 && sent < sizeof(big));
	run_loop();
	assert_int_equal(told.writable, 0);
	while (got < sizeof(big)) {
		ssize_t n = read(pair[0], back + got, sizeof(back) - got);

		assert_true(n > 0);
		got += (size_t)n;
		run_loop();
		if (sent < sizeof(big)) {
			assert_true(told.writable > 0);
			sent += put(fd, big + sent, sizeof(big) - sent);
		}
	}
	assert_memory_equal(big, back, sizeof(big));
	fd->ops->destroy(fd);
	close(pair[0]);
	close(pair[1]);
}

/* The end of the input comes behind the last byte, and not before the guest listens. */
static void input_waits_for_the_guest_and_ends(void **state)
{
	struct exec_stream s;
	struct chardev *fd;
	uint8_t buf[64];
	int pair[2];

	(void)state;
	assert_int_equal(pipe(pair), 0);
	assert_int_equal(port_fd_create_input(&fd, pair[0], &loop, &err), 0);
	exec_stream_init(&s, fd, true, NULL, &loop);
	connect_model(&s.chr);
	assert_int_equal(write(pair[1], "in\0put", 6), 6);
	close(pair[1]);
	run_loop();
	assert_int_equal(told.readable, 0);
	assert_int_equal(s.chr.ops->get(&s.chr, buf, sizeof(buf)), 0);
	assert_true(s.chr.connected);
	assert_int_equal(put(&s.chr, "", 1), 1);
	run_loop();
	assert_int_equal(told.readable, 1);
	assert_int_equal(s.chr.ops->get(&s.chr, buf, 4), 4);
	assert_memory_equal(buf, "in\0p", 4);
	run_loop();
	assert_true(s.chr.connected);
	assert_int_equal(s.chr.ops->get(&s.chr, buf, sizeof(buf)), 2);
	run_loop();
	assert_false(s.chr.connected);
	assert_int_equal(told.changed, 1);
	/* What a guest writes there is nothing. */
	assert_int_equal(put(&s.chr, "junk", 4), 4);
	exec_stream_finish(&s);
	fd->ops->destroy(fd);
	close(pair[0]);
}

/* Both directions have one chardev: each model is told of its own, whichever stream is there first. */
static void a_terminal_has_two_directions(void **state)
{
	(void)state;
	for (unsigned int first = 0; first < 2; first++) {
		struct chardev terminal = { .ops = &chardev_nowhere_ops, .connected = true };
		struct exec_stream s[2]; /* input, output */
		struct chardev_rig model[2] = { 0 };

		for (unsigned int i = 0; i < 2; i++) {
			unsigned int which = i ^ first;

			exec_stream_init(&s[which], &terminal, which == 0, &s[!which], &loop);
		}
		for (unsigned int i = 0; i < 2; i++) {
			chardev_rig_plug(&model[i], &s[i].chr);
			put(&s[i].chr, "", 1);
		}
		run_loop();
		model[0].readable = model[1].readable = 0;
		terminal.readable(terminal.ctx);
		assert_int_equal(model[0].readable, 1);
		assert_int_equal(model[1].readable, 0);
		terminal.writable(terminal.ctx);
		assert_int_equal(model[0].writable, 0);
		assert_int_equal(model[1].writable, 1);
		for (unsigned int i = 0; i < 2; i++)
			exec_stream_finish(&s[i]);
	}
}

static void input_of_a_file(void **state)
{
	char name[] = "/tmp/vireo-exec.XXXXXX";
	struct chardev *fd;
	uint8_t buf[64];
	int file = mkstemp(name);

	(void)state;
	assert_true(file >= 0);
	unlink(name);
	assert_int_equal(write(file, "12345", 5), 5);
	assert_int_equal(lseek(file, 2, SEEK_SET), 2); /* it goes on where it is */
	assert_int_equal(port_fd_create_input(&fd, file, &loop, &err), 0);
	connect_model(fd);
	assert_int_equal(fd->ops->get(fd, buf, sizeof(buf)), 3);
	assert_memory_equal(buf, "345", 3);
	run_loop();
	assert_false(fd->connected);
	fd->ops->destroy(fd);
	close(file);
}

/* A full disk loses output, and that is said; the guest does not wait for ever. */
static void output_to_a_full_device(void **state)
{
	int full = open("/dev/full", O_WRONLY);
	struct chardev *fd;

	(void)state;
	assert_true(full >= 0);
	assert_int_equal(port_fd_create_output(&fd, full, "stdout", &loop, &err), 0);
	connect_model(fd);
	assert_false(port_fd_has_failed(fd));
	assert_int_equal(put(fd, "text", 4), 4);
	run_loop();
	assert_false(fd->connected);
	assert_true(port_fd_has_failed(fd));
	fd->ops->destroy(fd);
	close(full);
}

/* --- control --- */

static struct exec_frame frames[8];
static unsigned int nr_frames;

static void on_frame(void *ctx, const struct exec_frame *frame)
{
	(void)ctx;
	frames[nr_frames++ % 8] = *frame;
}

static void open_control(struct exec_control *c)
{
	exec_control_init(c, &loop);
	c->frame = on_frame;
	nr_frames = 0;
	connect_model(&c->chr);
}

static void frames_in_any_pieces(void **state)
{
	const struct exec_frame sent[2] = { { EXEC_EXITED, 42, 1ULL << 40, 7 }, { EXEC_NOT_RUN, 2, 0, 0 } };
	struct exec_control c;

	(void)state;
	for (size_t piece = 1; piece <= sizeof(sent) + 1; piece++) {
		uint8_t bytes[1 + sizeof(sent)] = { 0 };

		open_control(&c);
		memcpy(bytes + 1, sent, sizeof(sent));
		for (size_t at = 0; at < sizeof(bytes); at += piece)
			put(&c.chr, bytes + at, sizeof(bytes) - at < piece ? sizeof(bytes) - at : piece);
		assert_int_equal(nr_frames, 2);
		assert_memory_equal(frames, sent, sizeof(sent));
		exec_control_finish(&c);
	}
}

/* It takes nothing, for ever: what is for it is bounded, and then dropped. */
static void a_guest_that_does_not_listen(void **state)
{
	struct exec_control c;
	struct exec_frame frame;
	uint8_t buf[sizeof(c.out) + 64];

	(void)state;
	open_control(&c);
	for (uint32_t i = 0; i < 10 * EXEC_FRAMES_MAX; i++)
		exec_control_send(&c, EXEC_SIGNAL, i, 0, 0);
	assert_int_equal(told.readable, 0);
	assert_int_equal(c.chr.ops->get(&c.chr, buf, sizeof(buf)), 0);
	put(&c.chr, "", 1);
	run_loop();
	assert_int_equal(told.readable, 1);
	/* In pieces of a size that fits nothing; the first ones came first. */
	assert_int_equal(c.chr.ops->get(&c.chr, buf, 5), 5);
	assert_int_equal(c.chr.ops->get(&c.chr, buf + 5, sizeof(buf) - 5),
			 EXEC_FRAMES_MAX * sizeof(frame) - 5);
	for (uint32_t i = 0; i < EXEC_FRAMES_MAX; i++) {
		memcpy(&frame, buf + i * sizeof(frame), sizeof(frame));
		assert_int_equal(frame.kind, EXEC_SIGNAL);
		assert_int_equal(frame.value, i);
	}
	exec_control_send(&c, EXEC_WINDOW, 0, 80, 25);
	assert_int_equal(told.readable, 2);
	exec_control_finish(&c);
}

/* Whatever it writes, it is taken, and nothing grows. */
static void a_guest_that_writes_junk(void **state)
{
	struct exec_control c;
	uint8_t junk[977];

	(void)state;
	open_control(&c);
	srand(5);
	for (unsigned int round = 0; round < 1000; round++) {
		for (size_t i = 0; i < sizeof(junk); i++)
			junk[i] = (uint8_t)rand();
		assert_int_equal(put(&c.chr, junk, sizeof(junk)), sizeof(junk));
	}
	assert_int_equal(nr_frames, (977 * 1000 - 1) / sizeof(struct exec_frame));
	exec_control_finish(&c);
}

/* --- the end of the console --- */

static void a_panic_is_found_in_what_is_kept(void **state)
{
	struct exec_tail *tail = malloc(sizeof(*tail));
	char line[100] = "";

	(void)state;
	exec_tail_init(tail);
	assert_false(exec_tail_has_panic(tail, line, sizeof(line)));
	for (unsigned int i = 0; i < 5000; i++)
		put(&tail->chr, "a line\r\n", 8);
	put(&tail->chr, "[ 1.0] Kernel panic - not syncing: \033[1mwhy\r\nmore\r\n", 51);
	assert_true(exec_tail_has_panic(tail, line, sizeof(line)));
	assert_string_equal(line, "Kernel panic - not syncing: ?[1mwhy"); /* nothing for the terminal */
	for (unsigned int i = 0; i < 5000; i++)
		put(&tail->chr, "a line\r\n", 8);
	assert_false(exec_tail_has_panic(tail, line, sizeof(line)));
	exec_tail_finish(tail);
	free(tail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users),
		cmocka_unit_test(a_large_job),
		cmocka_unit_test(copies_of_a_program),
		cmocka_unit_test(copies_of_a_script),
		cmocka_unit_test_setup_teardown(output_is_without_the_first_byte, setup, teardown),
		cmocka_unit_test_setup_teardown(output_waits_for_its_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(input_waits_for_the_guest_and_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(a_terminal_has_two_directions, setup, teardown),
		cmocka_unit_test_setup_teardown(input_of_a_file, setup, teardown),
		cmocka_unit_test_setup_teardown(output_to_a_full_device, setup, teardown),
		cmocka_unit_test_setup_teardown(frames_in_any_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(a_guest_that_does_not_listen, setup, teardown),
		cmocka_unit_test_setup_teardown(a_guest_that_writes_junk, setup, teardown),
		cmocka_unit_test(a_panic_is_found_in_what_is_kept),
	};

	signal(SIGPIPE, SIG_IGN); /* as main() does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
