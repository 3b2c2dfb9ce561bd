// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kvm/log.h"
#include "vmm/config.h"
#include "vmm/control_client.h"
#include "vmm/exec.h"
#include "vmm/options.h"
#include "vmm/run.h"

/* The table of commands; `help` and `--version` are dealt with in main(). */
static const struct command {
	const char *name;
	enum config_command id;
	int (*run)(const struct vm_config *cfg);
} commands[] = {
	{ "run", COMMAND_RUN, command_run },       { "smoke", COMMAND_SMOKE, command_smoke },
	{ "dump", COMMAND_DUMP, command_dump },    { "probe", COMMAND_PROBE, command_probe },
	{ "check", COMMAND_CHECK, command_check }, { "exec", COMMAND_EXEC, command_exec },
	{ "ps", COMMAND_PS, command_ps },          { "ctl", COMMAND_CTL, command_ctl },
};

static int command_help(int argc, char **argv)
{
	const char *topic = argc > 2 ? argv[2] : NULL;
	const char *text = help_text(topic);

	if (!text) {
		log_error("help: there is no command \"%s\"; `vireo help` lists them", quote(topic).text);
		return STATUS_USAGE;
	}
	fputs(text, stdout);
	return 0;
}

static void set_log(const struct vm_config *cfg)
{
	struct log_levels levels;

	if (cfg->log && !log_levels_parse(&levels, cfg->log))
		log_set_levels(&levels);
	log_set_format((enum log_format)cfg->log_format);
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
		set_log(&cfg);
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
	log_error(
		"\"%s\" is no command; the commands are run, smoke, exec, dump, check, probe, ps, ctl and help "
		"(`vireo help`)",
		quote(argv[1]).text);
	return STATUS_USAGE;
}

/*
 * What was printed must have arrived, or the status is a lie; but a reader that has seen enough, such as head(1), is
 * no failure that anybody has to be told of.
 */
static int finish_stdout(int status)
{
	struct pollfd reader = { .fd = STDOUT_FILENO };
	const char *cause = "not all of it could be written";

	/* Whose cause is gone, that was an earlier write of several. */
	if (fflush(stdout) == EOF)
		cause = strerrordesc_np(errno);
	else if (!ferror(stdout))
		return status;
	if (poll(&reader, 1, 0) < 1 || !(reader.revents & POLLERR))
		log_error("writing stdout: %s", cause);
	return status ? status : STATUS_HOST;
}

int main(int argc, char **argv)
{
	int status;

	open_standard_files();
	log_look_at_stderr();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* ulimit -f: the write says so */
	status = dispatch(argc, argv);
	return finish_stdout(status);
}
