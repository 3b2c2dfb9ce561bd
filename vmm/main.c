// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kvm/log.h"
#include "vmm/config.h"
#include "vmm/run.h"

int report(const struct err *err)
{
	log_error("%s", err->text);
	return err->kind == ERR_USER ? STATUS_USAGE : STATUS_HOST;
}

/* The table of commands; `help` and `--version` are dealt with in main(). */
static const struct command {
	const char *name;
	enum config_command id;
	int (*run)(const struct vm_config *cfg);
} commands[] = {
	{ "run", COMMAND_RUN, command_run },
	{ "dump", COMMAND_DUMP, command_dump },
	{ "probe", COMMAND_PROBE, command_probe },
};

static int command_help(int argc, char **argv)
{
	const char *topic = argc > 2 ? argv[2] : NULL;
	const char *text = help_text(topic);

	if (!text) {
		log_error("help: there is no command \"%s\"; `vireo help` lists them", topic);
		return STATUS_USAGE;
	}
	fputs(text, stdout);
	return 0;
}

static int run_command(const struct command *command, int argc, char **argv)
{
	struct vm_config cfg;
	struct err err;
	int status;

	if (config_parse(&cfg, command->id, argc - 2, argv + 2, &err) < 0) {
		status = report(&err);
	} else if (cfg.help) {
		fputs(help_text(command->name), stdout);
		status = 0;
	} else {
		log_set_level((enum log_level)cfg.log_level);
		status = command->run(&cfg);
	}
	config_finish(&cfg);
	return status;
}

/*
 * A descriptor 0, 1 or 2 that is closed would be given to the next file opened, and the guest's
 * output written there.
 */
static void open_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static int dispatch(int argc, char **argv)
{
	if (argc < 2) {
		fputs(help_text(NULL), stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return command_help(argc, argv);
	if (!strcmp(argv[1], "--version")) {
		printf("vireo %s\n", VIREO_VERSION);
		return 0;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return run_command(&commands[i], argc, argv);
	log_error("\"%s\" is no command; the commands are run, dump, probe and help (`vireo help`)", argv[1]);
	return STATUS_USAGE;
}

int main(int argc, char **argv)
{
	int status;

	open_standard_files();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* ulimit -f: the write says so */
	status = dispatch(argc, argv);
	/* What was printed must have arrived, or the status is a lie. */
	if (fflush(stdout) == EOF && status == 0) {
		log_error("writing stdout: %s", strerrordesc_np(errno));
		status = STATUS_HOST;
	}
	return status;
}
