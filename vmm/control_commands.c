// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/control_commands.h"

#include <stdio.h>
#include <string.h>

#include "vmm/arch.h"
#include "vmm/session.h"

static enum control_result powerbutton(struct control_call *call)
{
	return vm_press_power_button(&call->control->session->vm, &call->err) < 0 ? CONTROL_FAILED
										  : CONTROL_DONE;
}

static enum control_result reset(struct control_call *call)
{
	return session_restart(call->control->session, &call->err) < 0 ? CONTROL_FAILED : CONTROL_DONE;
}

static enum control_result quit(struct control_call *call)
{
	vm_end(&call->control->session->vm, VM_QUIT);
	return CONTROL_DONE;
}

/* To all, if no vCPU is named; those that take none matter only if it is named. */
static enum control_result nmi(struct control_call *call)
{
	struct vm *vm = &call->control->session->vm;
	uint64_t one = control_number(call, "cpu", UINT64_MAX);
	unsigned int taken = 0;

	if (one != UINT64_MAX && one >= vm->nr_vcpus) {
		err_user(&call->err, "there is no vCPU %llu; allowed is 0 to %u", (unsigned long long)one,
			 vm->nr_vcpus - 1);
		return CONTROL_FAILED;
	}
	for (unsigned int i = 0; i < vm->nr_vcpus; i++)
		if (one == UINT64_MAX || one == i)
			taken += !arch_nmi(vm, i, &call->err);
	return taken ? CONTROL_DONE : CONTROL_FAILED;
}

static bool console_ok(const char *name)
{
	return !strcmp(name, "serial") || !strcmp(name, "hvc");
}

static bool sysrq_ok(const char *key)
{
	return *key > ' ' && *key <= '~' && !key[1];
}

const struct control_command control_commands[] = {
	{ .name = "status",
	  .help = "what the VM is, and what it does",
	  .run = control_status,
	  .shows = true },
	{ .name = "pause", .help = "stop the vCPUs, until resume", .run = control_pause },
	{ .name = "resume", .help = "let the vCPUs go on", .run = control_resume },
	{ .name = "powerbutton",
	  .help = "press the power button: the guest may shut down",
	  .run = powerbutton },
	{ .name = "reset", .help = "restart the VM, whatever --on-reboot says", .run = reset },
	{ .name = "quit", .help = "end the VM at once, with status 130", .run = quit },
	{ .name = "stats",
	  .help = "what vCPUs and devices have done so far",
	  .run = control_stats,
	  .shows = true },
	{ .name = "console",
	  .help = "attach to serial or hvc; Ctrl-A d detaches",
	  .argument = { { .name = "console",
			  .type = CONTROL_TEXT,
			  .optional = true,
			  .ok = console_ok,
			  .allowed = "serial or hvc" } },
	  .run = control_console },
	{ .name = "resize-disk",
	  .help = "make a disk's image so large, and tell the guest",
	  .argument = { { .name = "disk", .type = CONTROL_TEXT }, { .name = "size", .type = CONTROL_SIZE } },
	  .run = control_resize_disk },
	{ .name = "balloon",
	  .help = "ask the guest to do without so much of its memory",
	  .argument = { { .name = "size", .type = CONTROL_SIZE } },
	  .run = control_balloon },
	{ .name = "nmi",
	  .help = "x86-64: an NMI for all vCPUs, or for one",
	  .argument = { { .name = "cpu", .type = CONTROL_NUMBER, .optional = true } },
	  .run = nmi },
	{ .name = "sysrq",
	  .help = "a magic SysRq key for the kernel, such as t",
	  .argument = { { .name = "key",
			  .type = CONTROL_TEXT,
			  .ok = sysrq_ok,
			  .allowed = "one character, such as t; h lists them" } },
	  .run = control_sysrq },
	{ .name = NULL },
};

const struct control_command *control_command_by_name(const char *name)
{
	for (const struct control_command *command = control_commands; command->name; command++)
		if (!strcmp(command->name, name))
			return command;
	return NULL;
}

struct control_usage control_usage(const struct control_command *command)
{
	struct control_usage usage;
	size_t len = (size_t)snprintf(usage.text, sizeof(usage.text), "%s", command->name);

	for (const struct control_argument *arg = command->argument; arg->name; arg++) {
		len += (size_t)snprintf(usage.text + len, sizeof(usage.text) - len,
					arg->optional ? " [%s]" : " %s", arg->name);
		for (char *c = usage.text + len - strlen(arg->name) - arg->optional; *c; c++)
			if (*c >= 'a' && *c <= 'z')
				*c -= 'a' - 'A';
	}
	return usage;
}
