// SPDX-License-Identifier: BSD-2-Clause
/* What ends a boot: the first reason, once, and nothing of the next one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/loop_rig.h"
#include "vmm/progress.h"
#include "vmm/vm.h"

static const struct vm_config cfg;
static struct loop loop;
static struct vm vm;
static unsigned int fired;
static struct err err;

static int setup(void **state)
{
	(void)state;
	fired = 0;
	return loop_init(&loop, &err);
}

static int teardown(void **state)
{
	(void)state;
	loop_finish(&loop);
	return 0;
}

static void boot(void)
{
	vm_init(&vm, &cfg, &loop, NULL, NULL);
}

static void fire(void *ctx)
{
	fired++;
	loop_rig_stop(ctx);
}

static void test_one_that_is_late_is_not_for_the_next_boot(void **state)
{
	struct clock_timer timer = { .fire = fire, .ctx = &loop, .deadline = CLOCK_NEVER };

	(void)state;
	boot();
	vm_end(&vm, VM_RESET);
	assert_int_equal(loop_run(&loop, &err), 0);
	/* Another vCPU, before it has heard of that. */
	vm_end(&vm, VM_RESET);
	boot();
	clock_timer_set(&loop.clock, &timer, clock_monotonic(&loop.clock));
	assert_int_equal(loop_run(&loop, &err), 0);
	assert_int_equal(fired, 1);
	assert_int_equal(vm.why, VM_RUNNING);
}

static void test_the_first_reason_counts(void **state)
{
	(void)state;
	boot();
	vm_end(&vm, VM_POWEROFF);
	vm_end(&vm, VM_RESET);
	vm_end(&vm, VM_TIMEOUT);
	assert_int_equal(vm.why, VM_POWEROFF);
}

/* It would begin another boot. */
static void test_a_reset_gives_way(void **state)
{
	static const enum vm_end ends[] = { VM_QUIT, VM_TIMEOUT };

	(void)state;
	for (unsigned int i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		boot();
		vm_end(&vm, VM_RESET);
		vm_end(&vm, ends[i]);
		assert_int_equal(vm.why, ends[i]);
	}
	boot();
	vm_end(&vm, VM_RESET);
	vm_end_by_signal(&vm, 15);
	assert_int_equal(vm.why, VM_SIGNAL);
	assert_int_equal(vm.number, 15);
	boot();
	vm_end(&vm, VM_RESET);
	vm_end(&vm, VM_POWEROFF);
	assert_int_equal(vm.why, VM_RESET);
}

/* The line that says what a boot waits for goes with it, and with no other timer of the loop. */
static void test_progress_of_the_next_boot(void **state)
{
	struct clock_timer timer = { .fire = fire, .ctx = &loop, .deadline = CLOCK_NEVER };
	struct progress p = { 0 };

	(void)state;
	for (unsigned int boots = 0; boots < 2; boots++) {
		progress_begin(&p, &loop, NULL, "the guest");
		clock_timer_set(&loop.clock, &p.timer, 1);
		if (!boots)
			clock_timer_set(&loop.clock, &timer, 2);
	}
	clock_timer_set(&loop.clock, &p.timer, CLOCK_NEVER);
	assert_int_equal(loop_run(&loop, &err), 0);
	assert_int_equal(fired, 1);
	progress_end(&p);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_that_is_late_is_not_for_the_next_boot),
		TEST(test_the_first_reason_counts),
		TEST(test_a_reset_gives_way),
		TEST(test_progress_of_the_next_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
