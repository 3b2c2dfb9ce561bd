// SPDX-License-Identifier: BSD-2-Clause
/* What Linux says on its console of its crashes, in the formats of kernel/panic.c, lib/dump_stack.c, arch/x86 and arch/arm64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "vmm/crash.h"

static struct crash crash;

static int teardown(void **state)
{
	(void)state;
	crash_finish(&crash);
	return 0;
}

static void feed(const char *const *lines)
{
	for (; *lines; lines++)
		crash_line(&crash, *lines);
}

#define FEED(...) feed((const char *const[]){ __VA_ARGS__, NULL })

static void test_time_is_skipped(void **state)
{
	(void)state;
	assert_string_equal(crash_skip_time("[    1.234567] text"), "text");
	assert_string_equal(crash_skip_time("[12345.000001] text"), "text");
	assert_string_equal(crash_skip_time("[    0.000000][    T0] text"), "text");
	assert_string_equal(crash_skip_time("[    0.000000][   C12] text"), "text");
	assert_string_equal(crash_skip_time("<4>[    1.234567] text"), "text");
	assert_string_equal(crash_skip_time("<0>text"), "text");
	assert_string_equal(crash_skip_time("[  OK  ] Started"), "[  OK  ] Started");
	assert_string_equal(crash_skip_time("[ text"), "[ text");
	assert_string_equal(crash_skip_time("text"), "text");
	assert_string_equal(crash_skip_time(" text"), " text");
	assert_string_equal(crash_skip_time(""), "");
}

static void test_kinds(void **state)
{
	static const struct {
		enum crash_kind kind;
		const char *line;
	} all[] = {
		{ CRASH_PANIC,
		  "[    1.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100" },
		{ CRASH_PANIC, "Kernel panic - not syncing: Fatal exception in interrupt" },
		{ CRASH_OOPS, "[    1.0] BUG: kernel NULL pointer dereference, address: 0000000000000000" },
		{ CRASH_OOPS, "[    1.0] BUG: unable to handle page fault for address: ffffffffc0000000" },
		{ CRASH_OOPS, "[    1.0] general protection fault, probably for non-canonical address "
			      "0xdead000000000100: 0000 [#1] PREEMPT SMP NOPTI" },
		{ CRASH_OOPS, "[    1.0] Oops: general protection fault, probably for non-canonical address "
			      "0x6b6b6b6b6b6b6b6b: 0000 [#1] PREEMPT SMP" },
		{ CRASH_OOPS, "[    1.0] divide error: 0000 [#1] SMP PTI" },
		{ CRASH_OOPS, "[    1.0] invalid opcode: 0000 [#2] PREEMPT SMP" },
		{ CRASH_OOPS, "[    1.0] Unable to handle kernel NULL pointer dereference at virtual address "
			      "0000000000000000" },
		{ CRASH_OOPS,
		  "[    1.0] Unable to handle kernel paging request at virtual address dfff800000000000" },
		{ CRASH_OOPS, "[    1.0] Internal error: Oops: 0000000096000044 [#1] PREEMPT SMP" },
		{ CRASH_OOPS, "[    1.0] SError Interrupt on CPU1, code 0x00000000be000011 -- SError" },
		{ CRASH_BUG, "[    1.0] kernel BUG at mm/slub.c:305!" },
		{ CRASH_BUG, "[    1.0] Internal error: Oops - BUG: 00000000f2000800 [#1] SMP" },
		{ CRASH_BUG, "[    1.0] BUG: KASAN: use-after-free in foo+0x10/0x20" },
		{ CRASH_BUG, "[    1.0] BUG: scheduling while atomic: swapper/0/1/0x00000002" },
		{ CRASH_BUG,
		  "[    1.0] BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 33s!" },
		{ CRASH_SOFT_LOCKUP,
		  "[   28.0] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [swapper/0:1]" },
		{ CRASH_SOFT_LOCKUP, "[   28.0] BUG: soft lockup - CPU#0 stuck for 22s! [insmod:77]" },
		{ CRASH_HARD_LOCKUP, "[   28.0] NMI watchdog: Watchdog detected hard LOCKUP on cpu 3" },
		{ CRASH_HARD_LOCKUP, "[   28.0] watchdog: Watchdog detected hard LOCKUP on cpu 3" },
		{ CRASH_HUNG_TASK, "[  242.0] INFO: task kworker/0:1:11 blocked for more than 120 seconds." },
		{ CRASH_RCU_STALL, "[   21.0] rcu: INFO: rcu_preempt self-detected stall on CPU" },
		{ CRASH_RCU_STALL, "[   21.0] rcu: INFO: rcu_sched detected stalls on CPUs/tasks:" },
		{ CRASH_RCU_STALL,
		  "[   21.0] rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-... } "
		  "21 jiffies s: 33 root: 0x2/." },
		{ CRASH_RCU_STALL, "[   21.0] INFO: rcu_sched self-detected stall on CPU" },
		{ CRASH_NONE, "[    1.0] Linux version 6.1.0 (a@b) #1 SMP" },
		{ CRASH_NONE, "[    1.0] Kernel command line: console=ttyS0 panic=-1 oops=panic" },
		{ CRASH_NONE, "[    1.0] WARNING: CPU: 0 PID: 1 at init/main.c:1 start_kernel+0x1/0x2" },
		{ CRASH_NONE, "[    1.0] ------------[ cut here ]------------" },
		{ CRASH_NONE, "[    1.0] Spectre V2 : Mitigation: Retpolines" },
		{ CRASH_NONE, "[    1.0] rcu: Hierarchical RCU implementation." },
		{ CRASH_NONE, "[    1.0] acpi: BUGs: none" },
		{ CRASH_NONE, "a program says: Kernel panic is my band" },
		{ CRASH_NONE, "items: 12 [#1]" },
		{ CRASH_NONE, ": abcd [#" },
		{ CRASH_NONE, " [#1]" },
		{ CRASH_NONE, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (crash_recognise(all[i].line) != all[i].kind)
			fail_msg("taken for %d: %s", crash_recognise(all[i].line), all[i].line);
}

static void test_panic_x86(void **state)
{
	(void)state;
	FEED("[    0.9] List of all partitions:",
	     "[    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
	     "[    1.1] CPU: 0 PID: 1 Comm: swapper/0 Not tainted 6.1.0 #1",
	     "[    1.2] Call Trace:", "[    1.2]  <TASK>", "[    1.2]  dump_stack_lvl+0x44/0x5c",
	     "[    1.2]  panic+0x118/0x2ed", "[    1.2]  </TASK>",
	     "[    1.3] Kernel Offset: 0x1c00000 from 0xffffffff81000000");
	assert_int_equal(crash.kind, CRASH_PANIC);
	assert_false(crash.is_over);
	FEED("[    1.4] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0) ]---",
	     "[    2.0] not of it");
	assert_true(crash.is_over);
	assert_int_equal(crash.nr_lines, 9);
	assert_string_equal(crash.headline,
			    "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)");
	assert_string_equal(crash.panic, "");
	assert_string_equal(crash.line[5], "[    1.2]  panic+0x118/0x2ed");
}

/* An Oops that ends in a panic is a panic, but begins where the Oops does. */
static void test_oops_then_panic_x86(void **state)
{
	(void)state;
	FEED("[    3.0] BUG: kernel NULL pointer dereference, address: 0000000000000008",
	     "[    3.0] #PF: supervisor read access in kernel mode",
	     "[    3.0] Oops: 0000 [#1] PREEMPT SMP NOPTI", "[    3.0] RIP: 0010:do_bad+0x1f/0x40 [bad]",
	     "[    3.0] Call Trace:", "[    3.0]  init_module+0x10/0x1000 [bad]",
	     "[    3.0] RIP: 0033:0x7f2a1b2c3d4e", "[    3.1] ---[ end trace 0000000000000000 ]---");
	assert_int_equal(crash.kind, CRASH_OOPS);
	assert_false(crash.is_over);
	assert_string_equal(crash.where, "do_bad+0x1f/0x40");
	FEED("[    3.2] RIP: 0010:do_bad+0x1f/0x40 [bad]",
	     "[    3.3] Kernel panic - not syncing: Fatal exception",
	     "[    3.4] ---[ end Kernel panic - not syncing: Fatal exception ]---");
	assert_int_equal(crash.kind, CRASH_PANIC);
	assert_true(crash.is_over);
	assert_string_equal(crash.headline,
			    "BUG: kernel NULL pointer dereference, address: 0000000000000008");
	assert_string_equal(crash.panic, "Kernel panic - not syncing: Fatal exception");
	assert_int_equal(crash.nr_lines, 11);
}

static void test_oops_arm64(void **state)
{
	(void)state;
	FEED("[    2.0] Unable to handle kernel NULL pointer dereference at virtual address 0000000000000000",
	     "[    2.0] Mem abort info:", "[    2.0]   ESR = 0x0000000096000044",
	     "[    2.1] Internal error: Oops: 0000000096000044 [#1] SMP",
	     "[    2.1] CPU: 1 PID: 99 Comm: sh Not tainted 6.1.0-arm64 #1",
	     "[    2.1] pstate: 60400005 (nZCv daif +PAN -UAO -TCO -DIT -SSBS BTYPE=--)",
	     "[    2.1] pc : sysrq_handle_crash+0x24/0x30", "[    2.1] lr : __handle_sysrq+0x8c/0x1a4",
	     "[    2.2] Call trace:", "[    2.2]  sysrq_handle_crash+0x24/0x30",
	     "[    2.3] Code: d503201f 52800020 b9000001 d65f03c0 (39000020)",
	     "[    2.3] ---[ end trace 0000000000000000 ]---");
	assert_int_equal(crash.kind, CRASH_OOPS);
	assert_string_equal(crash.where, "sysrq_handle_crash+0x24/0x30");
	assert_int_equal(crash.nr_lines, 12);
}

static void test_bug_with_its_cut_line(void **state)
{
	(void)state;
	FEED("[    2.0] ------------[ cut here ]------------", "[    2.0] kernel BUG at lib/bug.c:1!",
	     "[    2.0] invalid opcode: 0000 [#1] SMP");
	assert_int_equal(crash.kind, CRASH_BUG);
	assert_int_equal(crash.nr_lines, 3);
	assert_non_null(strstr(crash.line[0], "cut here"));
	assert_string_equal(crash.headline, "kernel BUG at lib/bug.c:1!");
}

/* A guest that goes on for ever is cut, and so are its lines, at whole characters. */
static void test_endless(void **state)
{
	static char line[2 * CRASH_LINE_MAX];
	unsigned int rounds = 0;

	(void)state;
	strcpy(line, "BUG: ");
	while (strlen(line) < sizeof(line) - 3)
		strcat(line, "\xc3\xa4");
	while (!crash.is_over && rounds++ < 100000)
		crash_line(&crash, line);
	assert_true(crash.is_over);
	assert_int_equal(crash.nr_lines, CRASH_LINES_MAX);
	for (unsigned int i = 0; i < crash.nr_lines; i++) {
		size_t len = strlen(crash.line[i]);

		assert_true(len <= CRASH_LINE_MAX && len > CRASH_LINE_MAX - 3);
		assert_int_equal((uint8_t)crash.line[i][len - 1], 0xa4);
	}
	assert_true(strlen(crash.headline) < sizeof(crash.headline));
}

#define TEST(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_time_is_skipped), TEST(test_kinds),
		TEST(test_panic_x86),       TEST(test_oops_then_panic_x86),
		TEST(test_oops_arm64),      TEST(test_bug_with_its_cut_line),
		TEST(test_endless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
