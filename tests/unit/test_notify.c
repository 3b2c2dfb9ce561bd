// SPDX-License-Identifier: BSD-2-Clause
/* What a service manager hears (sd_notify(3), "Notes"), by a socket that is one's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/notify.h"
#include "tests/unit/fake.h"

static char directory[] = "/tmp/vireo-notify.XXXXXX";
static char path[64];

static int make_directory(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/socket", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	return rmdir(directory);
}

/* A manager's socket; `name` is as in NOTIFY_SOCKET. */
static int manager(const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	memcpy(addr.sun_path, name, len);
	if (name[0] == '@')
		addr.sun_path[0] = '\0';
	assert_int_equal(
		bind(fd, (struct sockaddr *)&addr, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
		0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void hears(int fd, const char *expected)
{
	char text[1024];
	ssize_t len = recv(fd, text, sizeof(text) - 1, 0);

	assert_true(len >= 0);
	text[len] = '\0';
	assert_string_equal(text, expected);
}

static void hears_nothing(int fd)
{
	char text[16];

	assert_int_equal(recv(fd, text, sizeof(text), 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void tells(const char *name)
{
	int fd = manager(name);
	struct notify n;

	notify_init(&n);
	assert_null(getenv("NOTIFY_SOCKET")); /* children are not to speak for us */
	hears_nothing(fd);
	notify_send(&n, "READY=1\nSTATUS=%s %d", "boot", 1);
	notify_send(&n, "STOPPING=1");
	hears(fd, "READY=1\nSTATUS=boot 1");
	hears(fd, "STOPPING=1");
	hears_nothing(fd);
	notify_finish(&n);
	notify_finish(&n);
	close(fd);
}

static void by_a_path(void **state)
{
	(void)state;
	tells(path);
	unlink(path);
}

/* The name ends with its last byte: no NUL follows. */
static void by_an_abstract_name(void **state)
{
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "@vireo-test-notify-%d", (int)getpid());
	tells(name);
}

/* The longest names there are, and one byte more. */
static void by_a_long_name(void **state)
{
	char name[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct notify n;
	char longer[sizeof(name) + 1];

	(void)state;
	memset(name, 'x', sizeof(name));
	snprintf(name, sizeof(name), "@%d", (int)getpid());
	name[strlen(name)] = 'x';
	name[sizeof(name) - 1] = '\0';
	tells(name);

	memset(longer, 'x', sizeof(longer));
	longer[0] = '@';
	longer[sizeof(longer) - 1] = '\0';
	setenv("NOTIFY_SOCKET", longer, 1);
	log_set_level(LOG_ERROR);
	notify_init(&n);
	log_set_level(LOG_WARN);
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_int_equal(n.fd, -1);
}

static void nobody_wants_to_know(void **state)
{
	struct notify n;

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	notify_init(&n);
	assert_int_equal(n.fd, -1);
	notify_send(&n, "READY=1");
	notify_finish(&n);
}

static void talk(void *ctx)
{
	struct notify n;

	setenv("NOTIFY_SOCKET", ctx, 1);
	notify_init(&n);
	for (unsigned int i = 0; i < 3; i++)
		notify_send(&n, "READY=1");
	notify_finish(&n);
}

/* What cannot be used or does not answer is one line, however much there is to say. */
static void one_warning(void **state)
{
	static const char *const names[] = { "", "@", "/", "relative", "vsock:2:1234" };

	(void)state;
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(fake_log_lines(talk, (void *)(uintptr_t)names[i], ""), 1);
		assert_int_equal(fake_log_lines(talk, (void *)(uintptr_t)names[i], "NOTIFY_SOCKET"), 1);
	}
	assert_int_equal(fake_log_lines(talk, path, ""), 1); /* nobody is there */
	assert_int_equal(fake_log_lines(talk, path, "No such file"), 1);
}

/* A manager that is there and does not read costs a second, once. */
static void a_manager_that_sleeps(void **state)
{
	int fd = manager(path), sent = 0;
	struct notify n;

	(void)state;
	notify_init(&n);
	log_set_level(LOG_ERROR);
	while (n.fd >= 0 && sent++ < 100000)
		notify_send(&n, "STATUS=%d", sent);
	log_set_level(LOG_WARN);
	assert_in_range(sent, 2, 99999);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_a_path),      cmocka_unit_test(by_an_abstract_name),
		cmocka_unit_test(by_a_long_name), cmocka_unit_test(nobody_wants_to_know),
		cmocka_unit_test(one_warning),    cmocka_unit_test(a_manager_that_sleeps),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
