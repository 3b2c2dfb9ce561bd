// SPDX-License-Identifier: BSD-2-Clause
/* What several keys of a definition mean together, and what each command needs. */
#include "kvm/err.h"
#include "vmm/config_parse.h"
#include "vmm/devices.h"
#include "vmm/smoke.h"

/* A console cannot be in two places. `here`: it is on standard input and output. */
static int check_place(const struct vm_config *cfg, const char *name, const char *what, const char *place,
		       bool here, const char *instead, struct err *err)
{
	if (!place || !here)
		return 0;
	err_user(
		err,
		"%s: %s is on standard input and output already; choose %s or null for \"console\" as well, or leave "
		"out \"%s\"",
		name, what, instead, name);
	return source_error(err, config_source(cfg, name));
}

static int check_consoles(const struct vm_config *cfg, struct mistakes *m, struct err *err)
{
	enum console_choice console = config_console(cfg);
	bool serial = console == CONSOLE_SERIAL || console == CONSOLE_BOTH;
	bool hvc = console == CONSOLE_VIRTIO || console == CONSOLE_BOTH;
	int ret = check_place(cfg, "serial", "the serial port", cfg->serial, serial, "virtio", err);

	ret = mistake(m, ret, err);
	if (ret)
		return ret;
	return mistake(m, check_place(cfg, "hvc", "hvc0", cfg->hvc, hvc, "serial", err), err);
}

/* The machine as a whole, which is another one than was meant where a value was refused. */
static int check_machine(const struct vm_config *cfg, struct mistakes *m, struct err *err)
{
	struct machine machine;
	int ret = config_machine(cfg, &machine, err);

	if (!ret)
		ret = platform_check(cfg, &machine, err);
	ret = mistake(m, ret, err);
	return ret ? ret : devices_fit(cfg, m, err);
}

int config_check_whole(const struct vm_config *cfg, struct mistakes *m, struct err *err)
{
	bool refused = m && m->count && !m->test;
	int ret = check_consoles(cfg, m, err);

	if (!ret)
		ret = devices_check(cfg, m, err);
	return ret || refused ? ret : check_machine(cfg, m, err);
}

int config_check_complete(const struct vm_config *cfg, enum config_command command, const struct words *words,
			  struct err *err)
{
	int ret;

	if (command == COMMAND_PROBE || command == COMMAND_PS || command == COMMAND_CTL)
		return 0;
	if (command == COMMAND_CHECK)
		return cfg->nr_files ? 0 : err_user(err, "name the definition files to check");
	if (command == COMMAND_DUMP && !words->positionals)
		return err_user(err, "say what to dump: \"vireo dump dtb\" or \"vireo dump config\"");
	if (command == COMMAND_EXEC && !cfg->command.count)
		return err_user(err,
				"no command; name one behind the options: vireo exec -- COMMAND [ARG...]");
	if (command != COMMAND_DUMP && !cfg->kernel)
		return err_user(
			err,
			"no kernel; name one as the argument, with --kernel, or as the key \"kernel\" of a "
			"definition file");
	ret = config_check_whole(cfg, NULL, err);
	return !ret && command == COMMAND_SMOKE ? smoke_check(cfg, err) : ret;
}
