// SPDX-License-Identifier: BSD-2-Clause
/* The protocol of the control socket (docs/control.md), with a VM that is not started. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/virtio/blk.h"
#include "host/line_server.h"
#include "tests/unit/loop_turn.h"
#include "vmm/control.h"
#include "vmm/session.h"

static char dir[64], path[80];
static struct vm_config cfg;
static struct session s;
static struct session_ops session_ops;
static char typed[16];
static size_t nr_typed;

static int setup(void **state)
{
	struct err err;

	(void)state;
	strcpy(dir, "/tmp/vireo-control.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/c", dir);
	cfg = (struct vm_config){ .name = (char *)"web", .control = path, .memory = 64 << 20 };
	memset(&s, 0, sizeof(s));
	s.cfg = &cfg;
	session_ops = (struct session_ops){ 0 };
	s.ops = &session_ops;
	nr_typed = 0;
	assert_int_equal(loop_init(&s.loop, &err), 0);
	assert_int_equal(control_open(&s, &err), 0);
	assert_int_equal(control_connect(s.control, &err), 0);
	s.boots = 1;
	vm_init(&s.vm, &cfg, &s.loop, s.serial, s.hvc);
	control_boot(s.control);
	return 0;
}

static int teardown(void **state)
{
	struct stat st;

	(void)state;
	control_close(s.control);
	assert_null(s.control);
	loop_finish(&s.loop);
	assert_int_equal(stat(path, &st), -1);
	return rmdir(dir);
}

/* The next line; none: NULL. */
static json_t *hear(int fd)
{
	static char line[LINE_MAX_LENGTH];
	size_t len = 0;

	loop_turn(&s.loop);
	while (len < sizeof(line) && recv(fd, line + len, 1, 0) == 1)
		if (line[len++] == '\n')
			return json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	assert_int_equal(len, 0);
	return NULL;
}

static int client(void)
{
	int fd = unix_connect(path);
	json_t *hello;

	assert_true(fd >= 0);
	hello = hear(fd);
	assert_non_null(hello);
	assert_string_equal(json_string_value(json_object_get(hello, "name")), "web");
	assert_int_equal(json_integer_value(json_object_get(hello, "pid")), getpid());
	assert_int_equal(json_integer_value(json_object_get(hello, "protocol")), 1);
	json_decref(hello);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* The answer is {"id":..., "return":{}} with that id. */
static void is_done(int fd, int id)
{
	json_t *answer = hear(fd);

	assert_non_null(answer);
	if (!json_is_object(json_object_get(answer, "return")))
		fail_msg("%s", json_dumps(answer, 0));
	assert_int_equal(json_integer_value(json_object_get(answer, "id")), id);
	assert_int_equal(json_object_size(answer), 2);
	json_decref(answer);
}

/* It is an error of that kind, whose message says `what`. */
static void is_refused(int fd, const char *kind, const char *what)
{
	json_t *answer = hear(fd), *error = json_object_get(answer, "error");
	const char *message = json_string_value(json_object_get(error, "message"));

	assert_non_null(error);
	assert_string_equal(json_string_value(json_object_get(error, "kind")), kind);
	if (!strstr(message, what))
		fail_msg("\"%s\" does not say \"%s\"", message, what);
	assert_null(json_object_get(answer, "return"));
	json_decref(answer);
}

/* --- */

static void what_is_no_request_is_refused_and_no_more(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"{",
		"{}",
		"[]",
		"null",
		"\"status\"",
		"12",
		"{\"execute\":1}",
		"{\"execute\":null}",
		"{\"execute\":\"quit\",\"execute\":\"quit\"}",
		"{\"execute\":\"quit\",\"id\":[]}",
		"{\"execute\":\"quit\",\"id\":1.5}",
		"{\"execute\":\"quit\",\"arguments\":[]}",
		"{\"execute\":\"quit\",\"arguments\":null}",
		"{\"execute\":\"quit\",\"really\":true}",
		"{\"execute\":\"quit\"}x",
		"{\"execute\":\"quit\"}{\"execute\":\"quit\"}",
		"{\"execute\":\"\xff\"}",
		"{\"execute\":\"qu\\u0000it\"}",
		"{execute:\"quit\"}",
	};
	int fd = client();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		say(fd, bad[i]);
		say(fd, "\n");
		is_refused(fd, "request", "");
	}
	assert_int_equal(s.vm.why, VM_RUNNING);
	say(fd, "{\"execute\":\"resume\",\"id\":7}\r\n");
	is_done(fd, 7);
	close(fd);
}

static void deep_nesting_is_refused(void **state)
{
	static char deep[60000];
	int fd = client();

	(void)state;
	for (int brace = 0; brace < 2; brace++) {
		memset(deep, '[', sizeof(deep) - 1);
		for (size_t i = 0; brace && i + 5 < sizeof(deep); i += 5)
			memcpy(deep + i, "{\"a\":", 5);
		say(fd, deep);
		say(fd, "\n");
		is_refused(fd, "request", "depth");
	}
	close(fd);
}

static void a_line_of_a_megabyte_closes(void **state)
{
	static char line[1 << 20];
	int fd = client();

	(void)state;
	memset(line, ' ', sizeof(line));
	assert_true(send(fd, line, sizeof(line), MSG_NOSIGNAL) > 65536);
	is_refused(fd, "request", "65536");
	loop_turn(&s.loop);
	assert_true(recv(fd, line, 1, 0) <= 0);
	close(fd);
}

static void commands_and_arguments_are_checked(void **state)
{
	static const struct {
		const char *request, *kind, *says;
	} bad[] = {
		{ "{\"execute\":\"fly\"}", "command", "no such command" },
		{ "{\"execute\":\"Quit\"}", "command", "no such command" },
		{ "{\"execute\":\"\"}", "command", "no such command" },
		{ "{\"execute\":\"pause\",\"arguments\":{\"now\":true}}", "argument", "does not take" },
		{ "{\"execute\":\"balloon\"}", "argument", "\"size\" is missing" },
		{ "{\"execute\":\"balloon\",\"arguments\":{\"size\":\"1G\"}}", "argument",
		  "number of bytes" },
		{ "{\"execute\":\"balloon\",\"arguments\":{\"size\":-1}}", "argument", "number of bytes" },
		{ "{\"execute\":\"balloon\",\"arguments\":{\"size\":1.5}}", "argument", "number of bytes" },
		{ "{\"execute\":\"balloon\",\"arguments\":{\"size\":0,\"x\":0}}", "argument",
		  "balloon SIZE" },
		{ "{\"execute\":\"balloon\",\"arguments\":{\"size\":4096}}", "refused", "no balloon" },
		{ "{\"execute\":\"resize-disk\",\"arguments\":{\"size\":4096}}", "argument", "disk" },
		{ "{\"execute\":\"resize-disk\",\"arguments\":{\"disk\":\"a\",\"size\":512}}", "refused",
		  "no disk \"a\"" },
		{ "{\"execute\":\"nmi\",\"arguments\":{\"cpu\":0}}", "refused", "no vCPU 0" },
		{ "{\"execute\":\"nmi\",\"arguments\":{\"cpu\":4294967296}}", "argument", "whole number" },
		{ "{\"execute\":\"sysrq\",\"arguments\":{\"key\":\"\"}}", "argument", "one character" },
		{ "{\"execute\":\"sysrq\",\"arguments\":{\"key\":\"tt\"}}", "argument", "one character" },
		{ "{\"execute\":\"sysrq\",\"arguments\":{\"key\":\"\\u0000\"}}", "request", "" },
		{ "{\"execute\":\"sysrq\",\"arguments\":{\"key\":\"\\u00e9\"}}", "argument",
		  "one character" },
		{ "{\"execute\":\"console\",\"arguments\":{\"console\":\"tty\"}}", "argument",
		  "serial or hvc" },
		{ "{\"execute\":\"console\",\"arguments\":{\"console\":\"hvc\"}}", "refused", "no hvc" },
	};
	int fd = client();

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		say(fd, bad[i].request);
		say(fd, "\n");
		is_refused(fd, bad[i].kind, bad[i].says);
	}
	close(fd);
}

static void ids_come_back(void **state)
{
	json_t *answer;
	int fd = client();

	(void)state;
	say(fd, "{\"execute\":\"resume\",\"id\":\"a \\\"b\\\"\"}\n");
	answer = hear(fd);
	assert_string_equal(json_string_value(json_object_get(answer, "id")), "a \"b\"");
	json_decref(answer);
	say(fd, "{\"execute\":\"resume\"}\n");
	answer = hear(fd);
	assert_non_null(json_object_get(answer, "return"));
	assert_null(json_object_get(answer, "id"));
	json_decref(answer);
	say(fd, "{\"execute\":\"fly\",\"id\":9}\n");
	answer = hear(fd);
	assert_int_equal(json_integer_value(json_object_get(answer, "id")), 9);
	json_decref(answer);
	close(fd);
}

static void thousands_of_requests_are_answered(void **state)
{
	int fd = client();

	(void)state;
	for (int i = 0; i < 3000; i += 10) {
		for (int k = i; k < i + 10; k++) {
			char request[64];

			snprintf(request, sizeof(request), "{\"execute\":\"resume\",\"id\":%d}\n", k);
			say(fd, request);
		}
		for (int k = i; k < i + 10; k++)
			is_done(fd, k);
	}
	close(fd);
}

static void quit_is_answered_and_ends(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "{\"execute\":\"quit\",\"id\":1}\n{\"execute\":\"resume\",\"id\":2}\n");
	is_done(fd, 1);
	assert_int_equal(s.vm.why, VM_QUIT);
	is_refused(fd, "refused", "ends");
	close(fd);
}

static void reset_restarts_whatever_on_reboot_says(void **state)
{
	int fd = client();

	(void)state;
	say(fd, "{\"execute\":\"reset\",\"id\":1}\n");
	is_done(fd, 1);
	assert_int_equal(s.vm.why, VM_RESET);
	assert_true(s.restart);
	close(fd);
}

static void reset_is_refused_to_who_boots_once(void **state)
{
	int fd = client();

	(void)state;
	session_ops.boots_once = "it boots once";
	say(fd, "{\"execute\":\"reset\",\"id\":1}\n");
	is_refused(fd, "refused", "it boots once");
	assert_int_equal(s.vm.why, VM_RUNNING);
	assert_false(s.restart);
	close(fd);
}

/* A VM of two vCPUs; one of them has stopped, when it is told to, after the other. */
static void begin_pause(int fd)
{
	s.vm.nr_vcpus = 0; /* none to be kicked */
	s.vm.nr_resting = 1;
	say(fd, "{\"execute\":\"pause\",\"id\":1}\n{\"execute\":\"resume\",\"id\":2}\n");
	assert_null(hear(fd));
	assert_true(s.vm.pausing);
}

static void all_vcpus_rest(void)
{
	s.vm.nr_resting = 0;
	s.vm.resting(s.vm.resting_ctx);
}

static void pause_is_answered_when_all_vcpus_rest(void **state)
{
	int fd = client(), other = client();

	(void)state;
	begin_pause(fd);
	say(other, "{\"execute\":\"fly\"}\n");
	is_refused(other, "command", "");
	/* Until then nobody else's pause is, and nothing behind it in the same connection. */
	say(other, "{\"execute\":\"pause\",\"id\":3}\n");
	assert_null(hear(other));
	all_vcpus_rest();
	is_done(fd, 1);
	is_done(other, 3);
	assert_true(!s.vm.pausing); /* the resume behind it */
	is_done(fd, 2);
	close(fd);
	close(other);
}

static void a_resume_answers_who_waits(void **state)
{
	int fd = client(), other = client();

	(void)state;
	begin_pause(fd);
	say(other, "{\"execute\":\"resume\",\"id\":4}\n");
	is_done(other, 4);
	is_refused(fd, "refused", "resumed");
	is_done(fd, 2);
	assert_false(s.vm.pausing);
	close(fd);
	close(other);
}

static void who_waits_may_go(void **state)
{
	int fd = client();

	(void)state;
	begin_pause(fd);
	close(fd);
	loop_turn(&s.loop);
	all_vcpus_rest();
	loop_turn(&s.loop);
	assert_true(s.vm.is_paused);
}

static void a_reset_answers_who_waits(void **state)
{
	int fd = client();

	(void)state;
	begin_pause(fd);
	control_boot(s.control);
	is_refused(fd, "refused", "reset");
	close(fd);
}

static void no_disk(struct blockdev *bd)
{
	(void)bd;
}

/* A disk whose host does not answer: a reset waits for it, with the device's lock held. Nobody else does. */
static void stats_wait_for_no_device(void **state)
{
	static const struct blockdev_ops ops = { .destroy = no_disk };
	struct blockdev bd = { .ops = &ops, .size = 1 << 20, .logical_block = 512, .physical_block = 512 };
	struct guest_mem mem = { 0 };
	struct virtio_device *disk;
	json_t *answer, *one;
	struct err err;
	int fd = client();

	(void)state;
	assert_int_equal(virtio_blk_create(&disk, &bd, &mem, "disk root", "", 1, &s.loop.clock, &err), 0);
	s.vm.device_host.virtio = &disk;
	s.vm.device_host.nr_virtio = 1;
	pthread_mutex_lock(&disk->lock);
	say(fd, "{\"execute\":\"stats\"}\n");
	answer = hear(fd);
	pthread_mutex_unlock(&disk->lock);
	one = json_array_get(json_object_get(json_object_get(answer, "return"), "devices"), 0);
	assert_string_equal(json_string_value(json_object_get(one, "id")), "root");
	assert_true(json_is_false(json_object_get(one, "in_use")));
	assert_int_equal(json_integer_value(json_object_get(one, "size")), 1 << 20);
	json_decref(answer);
	s.vm.device_host.virtio = NULL;
	s.vm.device_host.nr_virtio = 0;
	virtio_destroy(disk);
	close(fd);
}

static void consoles_are_attached_to(void **state)
{
	char text[16];
	json_t *answer;
	int fd = client();

	(void)state;
	/* What is typed may come with the request. */
	say(fd, "{\"execute\":\"console\",\"id\":5}\nls\n");
	answer = hear(fd);
	assert_string_equal(json_string_value(json_object_get(json_object_get(answer, "return"), "console")),
			    "serial");
	json_decref(answer);
	assert_int_equal(s.serial->ops->put(s.serial, (const uint8_t *)"{\"a\":1}\n", 8), 8);
	nr_typed = s.serial->ops->get(s.serial, (uint8_t *)typed, sizeof(typed));
	assert_int_equal(nr_typed, 3);
	assert_memory_equal(typed, "ls\n", 3);
	loop_turn(&s.loop);
	assert_int_equal(recv(fd, text, sizeof(text), 0), 8);
	assert_memory_equal(text, "{\"a\":1}\n", 8);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_no_request_is_refused_and_no_more),
		TEST(deep_nesting_is_refused),
		TEST(a_line_of_a_megabyte_closes),
		TEST(commands_and_arguments_are_checked),
		TEST(ids_come_back),
		TEST(thousands_of_requests_are_answered),
		TEST(quit_is_answered_and_ends),
		TEST(reset_restarts_whatever_on_reboot_says),
		TEST(reset_is_refused_to_who_boots_once),
		TEST(pause_is_answered_when_all_vcpus_rest),
		TEST(a_resume_answers_who_waits),
		TEST(who_waits_may_go),
		TEST(a_reset_answers_who_waits),
		TEST(stats_wait_for_no_device),
		TEST(consoles_are_attached_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
