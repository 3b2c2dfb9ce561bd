// SPDX-License-Identifier: BSD-2-Clause
/* What an event loop calls, and in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "host/loop.h"

/* Some sources, each of which writes its letter down when it is called. */
struct rig {
	struct loop loop;
	struct source {
		struct loop_source source;
		struct rig *rig;
		char letter;
		unsigned int again; /* how often it asks to be called again */
		struct source *ask; /* whom it asks to be called, twice */
		struct source *remove;
	} a, b, fd;
	char log[32];
	unsigned int stop_after; /* letters */
};

static void called(void *ctx, uint32_t events)
{
	struct source *s = ctx;
	struct rig *r = s->rig;
	uint64_t count;

	r->log[strlen(r->log)] = s->letter;
	if (events)
		assert_int_equal(read(s->source.fd, &count, sizeof(count)), sizeof(count));
	if (s->ask) {
		loop_soon(&r->loop, &s->ask->source);
		loop_soon(&r->loop, &s->ask->source);
	}
	if (s->again) {
		s->again--;
		loop_soon(&r->loop, &s->source);
	}
	if (s->remove)
		loop_remove(&r->loop, &s->remove->source);
	if (strlen(r->log) >= r->stop_after)
		loop_stop(&r->loop);
}

static void init_source(struct rig *r, struct source *s, char letter)
{
	*s = (struct source){ .rig = r, .letter = letter };
	s->source = (struct loop_source){ .fd = -1, .ready = called, .ctx = s };
}

static void setup(struct rig *r, unsigned int stop_after)
{
	struct err err;

	memset(r, 0, sizeof(*r));
	assert_int_equal(loop_init(&r->loop, &err), 0);
	init_source(r, &r->a, 'a');
	init_source(r, &r->b, 'b');
	init_source(r, &r->fd, 'f');
	r->fd.source.fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(r->fd.source.fd >= 0);
	assert_int_equal(loop_add(&r->loop, &r->fd.source, EPOLLIN, &err), 0);
	r->stop_after = stop_after;
}

/* Runs the loop until so many were called, and looks who. */
static void expect(struct rig *r, const char *letters)
{
	struct err err;

	assert_int_equal(loop_run(&r->loop, &err), 0);
	assert_string_equal(r->log, letters);
	loop_finish(&r->loop);
	close(r->fd.source.fd);
}

static void soon_is_once(void **state)
{
	struct rig r;

	(void)state;
	setup(&r, 3);
	r.fd.ask = &r.a;
	r.a.ask = &r.b;
	expect(&r, "fab");
}

/* Each in turn, and descriptors come in between. */
static void soon_again_starves_nobody(void **state)
{
	struct rig r;

	(void)state;
	setup(&r, 6);
	r.a.again = r.b.again = 2;
	loop_soon(&r.loop, &r.a.source);
	loop_soon(&r.loop, &r.b.source);
	expect(&r, "afbaba");
}

static void removed_is_not_called(void **state)
{
	struct rig r;

	(void)state;
	setup(&r, 3);
	r.a.remove = &r.b;
	r.a.again = 1;
	loop_soon(&r.loop, &r.a.source);
	loop_soon(&r.loop, &r.b.source);
	expect(&r, "afa");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(soon_is_once),
		cmocka_unit_test(soon_again_starves_nobody),
		cmocka_unit_test(removed_is_not_called),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
