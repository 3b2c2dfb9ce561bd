// SPDX-License-Identifier: BSD-2-Clause
/* vireo ctl: one command for a VM that runs. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/clock.h"
#include "kvm/log.h"
#include "vmm/control_client.h"
#include "vmm/control_commands.h"
#include "vmm/options.h"
#include "vmm/run.h"

#define PATIENCE (2 * NSEC_PER_SEC) /* then the user is told what is waited for */

struct ctl {
	const struct vm_config *cfg;
	const char *who; /* as the user called the VM */
	const struct control_command *command;
	struct control_client client;
	pid_t pid;
};

/* --- what the user says --- */

static int usage(struct err *err, const struct control_command *command, const char *what)
{
	return err_user(err, "%s; it is: vireo ctl NAME %s", what, control_usage(command).text);
}

static json_t *read_argument(const struct control_argument *arg, const char *text, struct err *err)
{
	static const enum option_type types[] = {
		[CONTROL_NUMBER] = OPTION_NUMBER,
		[CONTROL_SIZE] = OPTION_SIZE,
	};
	const uint64_t max = arg->type == CONTROL_NUMBER ? UINT32_MAX : INT64_MAX >> 20 << 20;
	const struct option opt = {
		.name = arg->name,
		.type = types[arg->type],
		.max = { [PLATFORM_PC] = max, [PLATFORM_ARM] = max },
		.step = 1,
	};
	struct {
		uint64_t size;
		uint32_t number;
	} value = { 0 };

	if (arg->type == CONTROL_TEXT && arg->ok && !arg->ok(text)) {
		err_user(err, "%s: \"%s\" is not allowed; allowed is %s", arg->name, quote(text).text,
			 arg->allowed);
		return NULL;
	}
	if (arg->type == CONTROL_TEXT)
		return control_string(text);
	if (option_set(arg->type == CONTROL_SIZE ? (void *)&value.size : &value.number, &opt, text,
		       &command_line, err) < 0) {
		err_user(err, "%s: \"%s\" is not allowed; allowed is %s", arg->name, quote(text).text,
			 arg->type == CONTROL_SIZE ? "a size such as 512M or 2G (a number alone is in MiB)"
						   : "a whole number from 0");
		return NULL;
	}
	return json_integer((json_int_t)(arg->type == CONTROL_SIZE ? value.size : value.number));
}

/* The words behind the command. NULL: they are wrong. */
static json_t *read_arguments(const struct ctl *ctl, struct err *err)
{
	json_t *arguments = json_object();
	unsigned int next = 2;

	for (const struct control_argument *arg = ctl->command->argument; arg->name; arg++) {
		json_t *value;

		if (next == ctl->cfg->nr_operands && arg->optional)
			break;
		if (next == ctl->cfg->nr_operands) {
			usage(err, ctl->command, "an argument is missing");
			goto fail;
		}
		value = read_argument(arg, ctl->cfg->operand[next++], err);
		if (!value || json_object_set_new(arguments, arg->name, value) < 0)
			goto fail;
	}
	if (next == ctl->cfg->nr_operands)
		return arguments;
	usage(err, ctl->command, "an argument too many");
fail:
	json_decref(arguments);
	return NULL;
}

static int find_command(struct ctl *ctl, struct err *err)
{
	char all[256] = "";
	size_t len = 0;

	if (ctl->cfg->nr_operands < 2)
		return err_user(err,
				"say which VM, and what it is to do: vireo ctl NAME|PATH COMMAND [ARG...]; "
				"\"vireo help ctl\" lists the commands");
	ctl->who = ctl->cfg->operand[0];
	ctl->command = control_command_by_name(ctl->cfg->operand[1]);
	if (ctl->command)
		return 0;
	for (const struct control_command *c = control_commands; c->name; c++)
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", len ? ", " : "", c->name);
	return err_user(err, "\"%s\" is no command of a VM; they are %s", quote(ctl->cfg->operand[1]).text,
			all);
}

/* --- finding the VM --- */

static int cannot_connect(const struct ctl *ctl, int ret, struct err *err)
{
	struct stat st;

	/* connect(2) asks first whether the file may be written, then what it is. */
	if ((ret == -ECONNREFUSED || ret == -EACCES) && !stat(ctl->client.path, &st) && !S_ISSOCK(st.st_mode))
		return err_user(err, "%s is no socket; give a VM's name, or the path of its control socket",
				quote_path(ctl->client.path).text);
	if (ret == -ENOENT || ret == -ECONNREFUSED)
		return err_host_text(err, "no VM listens at %s", quote_path(ctl->client.path).text);
	if (ret == -EAGAIN)
		return err_host_text(err, "too many wait already at %s", ctl->client.path);
	if (ret == -EACCES)
		return err_host(err, -ret, "%s (a VM's control socket is for its owner, and for root)",
				quote_path(ctl->client.path).text);
	return err_host(err, -ret, "%s", quote_path(ctl->client.path).text);
}

/* A name is looked for in all directories: it may be in two of them, of two users. */
static int connect_by_name(struct ctl *ctl, struct err *err)
{
	char directory[CONTROL_DIRECTORIES][UNIX_PATH_MAX_LENGTH + 1], first[sizeof(ctl->client.path)];
	unsigned int count = control_directories(directory);
	bool found = false;
	int ret;

	for (unsigned int i = 0; i < count; i++) {
		struct control_client other = { .fd = -1 };
		int len = snprintf(other.path, sizeof(other.path), "%s/%s" CONTROL_SUFFIX, directory[i],
				   ctl->who);

		if ((size_t)len >= sizeof(other.path))
			continue;
		ret = control_client_connect(&other);
		if (ret == -ENOENT || ret == -ECONNREFUSED || ret == -ENOTDIR)
			continue;
		if (found) {
			control_client_close(&other);
			return err_user(err, "there are two VMs named %s; give the path: %s or %s", ctl->who,
					first, other.path);
		}
		memcpy(first, other.path, sizeof(first));
		ctl->client = other;
		if (ret < 0)
			return cannot_connect(ctl, ret, err);
		found = true;
	}
	if (found)
		return 0;
	return err_host_text(err, "no VM named %s is running (looked for in %s%s%s); \"vireo ps\" lists them",
			     ctl->who, directory[0], count > 1 ? " and " : "", count > 1 ? directory[1] : "");
}

static int connect_to(struct ctl *ctl, struct err *err)
{
	int ret;

	if (!strchr(ctl->who, '/')) {
		if (!config_name_ok(ctl->who))
			return err_user(err, "\"%s\" is no name of a VM; a path has a \"/\"",
					quote(ctl->who).text);
		return connect_by_name(ctl, err);
	}
	if (strlen(ctl->who) >= sizeof(ctl->client.path))
		return err_user(err, "%s: the path of a socket has at most %zu bytes",
				quote_path(ctl->who).text, sizeof(ctl->client.path) - 1);
	strcpy(ctl->client.path, ctl->who);
	ret = control_client_connect(&ctl->client);
	return ret < 0 ? cannot_connect(ctl, ret, err) : 0;
}

/* --- asking --- */

/* The next message; says so if that takes long. NULL with a line; `*status` is the exit status then. */
static json_t *next_message(struct ctl *ctl, char **line, uint64_t end, int *status)
{
	uint64_t told = control_client_now() + PATIENCE;
	int ret = control_client_line(&ctl->client, told < end ? told : end, line);
	json_t *message = NULL;

	if (ret == -ETIMEDOUT && told < end) {
		log_warn("%s does not answer yet (process %d); Ctrl-C gives up", ctl->who, ctl->pid);
		ret = control_client_line(&ctl->client, end, line);
	}
	if (!ret)
		message = json_loads(*line, 0, NULL);
	if (message)
		return message;
	*status = ret == -ETIMEDOUT ? STATUS_TIMEOUT : STATUS_HOST;
	if (ret == -ETIMEDOUT)
		log_error("%s: no answer within %u seconds (--wait)", ctl->who, ctl->cfg->wait);
	else if (ret == -EPIPE)
		log_error("%s: the VM ended before it answered", ctl->who);
	else
		log_error("%s: what answers is no VM of Vireo's", ctl->who);
	return NULL;
}

static void show_status(const json_t *status)
{
	static const char *const keys[] = { "name", "state",  "pid",     "uptime",  "boots",  "kernel",
					    "cpus", "memory", "irqchip", "version", "control" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const json_t *value = json_object_get(status, keys[i]);

		if (json_is_string(value))
			printf("%-8s %s\n", keys[i], quote_path(json_string_value(value)).text);
		else if (json_is_real(value))
			printf("%-8s %.3f s\n", keys[i], json_real_value(value));
		else if (json_is_integer(value) && !strcmp(keys[i], "memory"))
			printf("%-8s %" JSON_INTEGER_FORMAT " MiB\n", keys[i],
			       json_integer_value(value) >> 20);
		else if (json_is_integer(value))
			printf("%-8s %" JSON_INTEGER_FORMAT "\n", keys[i], json_integer_value(value));
	}
}

static int show_answer(const struct ctl *ctl, const json_t *answer, const char *line)
{
	const json_t *error = json_object_get(answer, "error"), *result = json_object_get(answer, "return");

	if (ctl->cfg->json)
		puts(line);
	if (error) {
		log_error("%s: %s: %s", ctl->who, ctl->command->name,
			  quote_path(json_string_value(json_object_get(error, "message")) ?: "refused").text);
		return STATUS_HOST;
	}
	if (ctl->cfg->json || !ctl->command->shows)
		return 0;
	if (!strcmp(ctl->command->name, "status")) {
		show_status(result);
	} else {
		json_dumpf(result, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
		putchar('\n');
	}
	return 0;
}

static int ask(struct ctl *ctl, json_t *arguments)
{
	uint64_t end = ctl->cfg->wait ? control_client_now() + ctl->cfg->wait * NSEC_PER_SEC : CLOCK_NEVER;
	json_t *message;
	char *line;
	int status, sent = control_client_send(&ctl->client, ctl->command->name, arguments);

	ctl->pid = control_owner(ctl->client.path);
	if (sent < 0) {
		log_error("%s: the VM ended before it was asked", ctl->who);
		return STATUS_HOST;
	}
	message = next_message(ctl, &line, end, &status); /* the greeting */
	if (!message)
		return status;
	json_decref(message);
	message = next_message(ctl, &line, end, &status);
	if (!message)
		return status;
	status = show_answer(ctl, message, line);
	json_decref(message);
	if (!status && !strcmp(ctl->command->name, "console"))
		status = ctl_console(&ctl->client);
	return status;
}

int command_ctl(const struct vm_config *cfg)
{
	struct ctl ctl = { .cfg = cfg, .client = { .fd = -1 } };
	json_t *arguments;
	struct err err;
	int status;

	if (find_command(&ctl, &err) < 0)
		return report(&err);
	arguments = read_arguments(&ctl, &err);
	if (!arguments)
		return report(&err);
	if (connect_to(&ctl, &err) < 0) {
		json_decref(arguments);
		status = report(&err);
	} else {
		status = ask(&ctl, arguments);
	}
	control_client_close(&ctl.client);
	return status;
}
