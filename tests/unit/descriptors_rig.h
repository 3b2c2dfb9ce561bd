/* SPDX-License-Identifier: BSD-2-Clause */
/* A host that has no descriptor left. Include after <cmocka.h>. */
#ifndef VIREO_TESTS_UNIT_DESCRIPTORS_RIG_H
#define VIREO_TESTS_UNIT_DESCRIPTORS_RIG_H

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "host/loop.h"

/*
 * Runs `turn` while no descriptor beyond `last`, which is open as all below it, can be had; then waits for the
 * loop's next timer, that of another try.
 */
static inline void files_run_out(int last, struct loop *loop, void (*turn)(void))
{
	const char *preload = getenv("LD_PRELOAD");
	struct rlimit before, none;
	struct pollfd timer = { .fd = loop->timer.fd, .events = POLLIN };

	if (preload && strstr(preload, "vgpreload")) {
		puts("SKIP a host without descriptors: the limit is valgrind's own, which closes what is beyond it");
		skip();
	}
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)last + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	turn();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	(void)poll(&timer, 1, 10000); /* not at all if it has fired already */
	turn();
}

#endif
