// SPDX-License-Identifier: BSD-2-Clause
/*
 * Says on its console what the word "say=WHAT" names, and what "then=END" does (halts, if there is none): what
 * `vireo smoke` is to make of it.
 */
#include "machine.h"

#define END_OF_TRANSMISSION 4

/* As kernel/panic.c and lib/dump_stack.c of Linux put it. */
static const char *const panic[] = {
	"[    0.900000] List of all partitions:",
	"[    1.000000] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
	"[    1.000001] CPU: 0 PID: 1 Comm: swapper/0 Not tainted 6.1.0 #1",
	"[    1.000002] Call Trace:",
	"[    1.000003]  dump_stack_lvl+0x44/0x5c",
	"[    1.000004]  panic+0x118/0x2ed",
	"[    1.000005]  mount_block_root+0x14e/0x1e6",
	"[    1.000006] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0) ]---",
	NULL,
};

/* arch/x86/mm/fault.c, arch/x86/kernel/dumpstack.c */
static const char *const oops_x86[] = {
	"[    2.000000] BUG: kernel NULL pointer dereference, address: 0000000000000008",
	"[    2.000001] #PF: supervisor read access in kernel mode",
	"[    2.000002] Oops: 0000 [#1] PREEMPT SMP NOPTI",
	"[    2.000003] RIP: 0010:do_bad+0x1f/0x40",
	"[    2.000004] Call Trace:",
	"[    2.000005]  init_bad+0x10/0x20",
	"[    2.000006] ---[ end trace 0000000000000000 ]---",
	NULL,
};

/* arch/arm64/mm/fault.c, arch/arm64/kernel/traps.c */
static const char *const oops_arm64[] = {
	"[    2.000000] Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008",
	"[    2.000001] Mem abort info:",
	"[    2.000002] Internal error: Oops: 0000000096000004 [#1] SMP",
	"[    2.000003] pc : do_bad+0x1c/0x30",
	"[    2.000004] Call trace:",
	"[    2.000005]  do_bad+0x1c/0x30",
	"[    2.000006] ---[ end trace 0000000000000000 ]---",
	NULL,
};

static const char *const lockup[] = {
	"[   28.000000] watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [swapper/0:1]",
	"[   28.000001] RIP: 0010:spin+0x2/0x10",
	NULL,
};

static const char *const tests[] = {
	"\033[0;32mTest 1: ok\033[0m",
	"Test 2: FAILED: 3 is not 4",
	"Test 3: ok",
	NULL,
};

/* What is no text, and what a report must not take for its own. */
static const char *const noise[] = {
	"\001\002\177\377\376\200 \303\244 \355\240\200 \357\277\277",
	"</failure></testcase> ]]> & \" ' <!-- #",
	"not ok 1 - forged\r1..7",
	"done",
	NULL,
};

static void say(const char *const *lines)
{
	for (; *lines; lines++)
		print("%s\r\n", *lines);
}

static char get_char(void)
{
	while (!(uart_read(UART_LSR) & LSR_DR))
		;
	return (char)uart_read(UART_DATA);
}

/* Takes a line and echoes it, as a terminal would. */
static void read_line(char *line, unsigned int size)
{
	unsigned int len = 0;
	char c;

	while ((c = get_char()) != '\n' && c != END_OF_TRANSMISSION) {
		put_char(c);
		if (len + 1 < size)
			line[len++] = c;
	}
	line[len] = '\0';
	print("\r\n");
}

static void login(void)
{
	char name[32], command[32];

	print("guest login: ");
	read_line(name, sizeof(name));
	print("Welcome, %s.\r\n# ", name);
	read_line(command, sizeof(command));
	print("you said '%s'\r\n# ", command);
}

/* For ever, and as fast as it can. */
static void flood(void)
{
	for (uint64_t i = 0;; i++)
		print("%u The five boxing wizards jump quickly; how vexingly so!\r\n", (unsigned int)i);
}

static const struct {
	const char *what;
	const char *const *lines;
	void (*talk)(void);
} texts[] = {
	{ "panic", panic, NULL },   { "oops-x86", oops_x86, NULL }, { "oops-arm64", oops_arm64, NULL },
	{ "lockup", lockup, NULL }, { "tests", tests, NULL },       { "noise", noise, NULL },
	{ "login", NULL, login },   { "flood", NULL, flood },
};

void guest_main(void)
{
	for (unsigned int i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (!option_is("say", texts[i].what))
			continue;
		if (texts[i].lines)
			say(texts[i].lines);
		else
			texts[i].talk();
	}
	if (option_is("then", "poweroff"))
		power_off();
	for (;;)
		sleep_until_interrupt();
}
