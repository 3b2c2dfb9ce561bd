/* SPDX-License-Identifier: BSD-2-Clause */
/* A remote console, at whatever a test has, with its model. Include after <cmocka.h>. */
#ifndef VIREO_TESTS_UNIT_REMOTE_RIG_H
#define VIREO_TESTS_UNIT_REMOTE_RIG_H

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/remote_console.h"
#include "tests/unit/chardev_rig.h"
#include "tests/unit/loop_rig.h"

#define PATIENCE_MS 60000 /* for what must come; only a net */

static struct loop loop;
static struct chardev *chr;
static char dir[64], path[80];
static struct chardev_rig model;

static inline int setup(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(loop_init(&loop, &err), 0);
	strcpy(dir, "/tmp/vireo-remote.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/console", dir);
	chr = NULL;
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	if (chr)
		remote_console_destroy(chr, true);
	loop_finish(&loop);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

static inline void run_loop(void)
{
	loop_rig_settle(&loop);
}

/* A terminal hands on what is written by a thread of the kernel's. */
static inline void await_input(const char *text)
{
	struct clock_timer end = { .fire = loop_rig_stop, .ctx = &loop, .deadline = CLOCK_NEVER };
	unsigned int before = model.readable;
	struct err err;

	for (int ms = 0; model.readable == before && ms < PATIENCE_MS; ms++) {
		clock_timer_set(&loop.clock, &end, clock_monotonic(&loop.clock) + NSEC_PER_SEC / 1000);
		assert_int_equal(loop_run(&loop, &err), 0);
	}
	chardev_rig_gets(chr, text);
}

static inline void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* What `fd`, which does not block, has to read next. */
static inline void assert_heard(int fd, const char *text)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	char buf[512];

	/* What was written at once may come in pieces from a terminal. */
	while (len < strlen(text) && poll(&pfd, 1, PATIENCE_MS) > 0) {
		ssize_t n = read(fd, buf + len, sizeof(buf) - len);

		assert_true(n > 0);
		len += (size_t)n;
	}
	assert_int_equal(len, strlen(text));
	assert_memory_equal(buf, text, len);
}

/* Puts the alphabet, again and again, `size` bytes. */
static inline void put_alphabet(size_t size)
{
	for (size_t i = 0; i < size; i++)
		assert_int_equal(chr->ops->put(chr, (const uint8_t[]){ (uint8_t)('a' + i % 26) }, 1), 1);
}

/* Whether the loop sleeps for 200 ms, with nothing to do. */
static inline bool is_idle(void)
{
	struct clock_timer end = { .fire = loop_rig_stop, .ctx = &loop, .deadline = CLOCK_NEVER };
	struct timespec before, after;
	struct err err;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	clock_timer_set(&loop.clock, &end, clock_monotonic(&loop.clock) + NSEC_PER_SEC / 5);
	assert_int_equal(loop_run(&loop, &err), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	/* One that spins takes all of the time. */
	return (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 < 100;
}

/* One that spins never does. Where the processor itself is shared, what others had of it may be counted as ours. */
static inline void assert_idle(void)
{
	for (int tries = 0; tries < 20; tries++)
		if (is_idle())
			return;
	fail_msg("the loop does not sleep");
}

#endif
