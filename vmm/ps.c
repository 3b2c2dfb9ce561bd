// SPDX-License-Identifier: BSD-2-Clause
/* vireo ps: the VMs that run and have a name. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/clock.h"
#include "kvm/log.h"
#include "vmm/control_client.h"
#include "vmm/control_commands.h"
#include "vmm/options.h"
#include "vmm/run.h"

#define PATIENCE (2 * NSEC_PER_SEC) /* for all of them together */

struct ps {
	struct control_client *client;
	size_t count;
};

/* Asks the VM at that socket, if there is one: a socket that nobody listens at is no VM. */
static int ask(struct ps *ps, const char *directory, const char *file)
{
	struct control_client client = { .fd = -1 }, *grown;
	int len = snprintf(client.path, sizeof(client.path), "%s/%s", directory, file), ret;

	if ((size_t)len >= sizeof(client.path))
		return 0;
	ret = control_client_connect(&client);
	if (ret < 0 && ret != -EACCES && ret != -EAGAIN)
		return 0;
	grown = realloc(ps->client, (ps->count + 1) * sizeof(*grown));
	if (!grown) {
		control_client_close(&client);
		return -ENOMEM;
	}
	ps->client = grown;
	/* If that fails, so will the reading. */
	if (!ret)
		control_client_send(&client, "status", NULL);
	ps->client[ps->count++] = client;
	return 0;
}

static bool is_socket_name(const char *file)
{
	size_t len = strlen(file), suffix = strlen(CONTROL_SUFFIX);

	return len > suffix && !strcmp(file + len - suffix, CONTROL_SUFFIX);
}

static int ask_all_in(struct ps *ps, const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	int ret = 0;

	if (!dir && errno != ENOENT && errno != ENOTDIR)
		log_warn("%s cannot be read, and what runs there is not listed: %s", directory,
			 strerrordesc_np(errno));
	if (!dir)
		return 0;
	while (!ret && (entry = readdir(dir)))
		if (is_socket_name(entry->d_name))
			ret = ask(ps, directory, entry->d_name);
	closedir(dir);
	return ret;
}

/* What is known of a VM that says nothing. */
static json_t *silent(const struct control_client *client, const char *state)
{
	const char *name = strrchr(client->path, '/') + 1;
	pid_t pid = control_owner(client->path);
	json_t *vm = json_pack("{s:o,s:s,s:o}", "name",
			       json_stringn(name, strlen(name) - strlen(CONTROL_SUFFIX)), "state", state,
			       "control", control_string(client->path));

	if (pid)
		json_object_set_new(vm, "pid", json_integer(pid));
	return vm;
}

/* Its status; NULL: it is gone. */
static json_t *hear(struct control_client *client, uint64_t deadline)
{
	json_t *answer, *status;
	char *line;
	int ret;

	if (client->fd < 0)
		return silent(client, "no access");
	ret = control_client_line(client, deadline, &line); /* the greeting */
	if (!ret)
		ret = control_client_line(client, deadline, &line);
	if (ret == -ETIMEDOUT)
		return silent(client, "no answer");
	if (ret < 0)
		return NULL;
	answer = json_loads(line, 0, NULL);
	status = json_incref(json_object_get(answer, "return"));
	json_decref(answer);
	return status ? status : silent(client, "ending");
}

static int by_name(const void *a, const void *b)
{
	const struct control_client *x = a, *y = b;

	return strcmp(strrchr(x->path, '/'), strrchr(y->path, '/'));
}

/* --- the table --- */

struct cell {
	char text[32];
};

static struct cell number(const json_t *vm, const char *key)
{
	const json_t *value = json_object_get(vm, key);
	struct cell cell = { "-" };

	if (json_is_integer(value))
		snprintf(cell.text, sizeof(cell.text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return cell;
}

static struct cell memory(const json_t *vm)
{
	json_int_t mib = json_integer_value(json_object_get(vm, "memory")) >> 20;
	struct cell cell = { "-" };

	if (mib)
		snprintf(cell.text, sizeof(cell.text), "%" JSON_INTEGER_FORMAT "M", mib);
	return cell;
}

static struct cell uptime(const json_t *vm)
{
	const json_t *value = json_object_get(vm, "uptime");
	uint64_t s = (uint64_t)json_real_value(value);
	struct cell cell = { "-" };

	if (!json_is_real(value))
		return cell;
	if (s < 86400)
		snprintf(cell.text, sizeof(cell.text), "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, s / 3600,
			 s / 60 % 60, s % 60);
	else
		snprintf(cell.text, sizeof(cell.text), "%" PRIu64 "d%02" PRIu64 "h", s / 86400,
			 s / 3600 % 24);
	return cell;
}

static const char *text(const json_t *vm, const char *key)
{
	const char *value = json_string_value(json_object_get(vm, key));

	return value ? value : "-";
}

static void print_table(const json_t *list)
{
	const json_t *vm;
	size_t i;

	printf("%-20s %8s %-9s %9s %4s %8s %s\n", "NAME", "PID", "STATE", "UPTIME", "CPUS", "MEMORY",
	       "CONTROL");
	json_array_foreach(list, i, vm)
		/* Anything may listen at a socket, and say what it likes. */
		printf("%-20s %8s %-9s %9s %4s %8s %s\n", quote(text(vm, "name")).text,
		       number(vm, "pid").text, quote(text(vm, "state")).text, uptime(vm).text,
		       number(vm, "cpus").text, memory(vm).text, quote_path(text(vm, "control")).text);
}

int command_ps(const struct vm_config *cfg)
{
	char directory[CONTROL_DIRECTORIES][UNIX_PATH_MAX_LENGTH + 1];
	unsigned int count = control_directories(directory);
	uint64_t deadline = control_client_now() + PATIENCE;
	json_t *list = json_array();
	struct ps ps = { 0 };
	struct err err;
	int ret = list ? 0 : -ENOMEM;

	for (unsigned int i = 0; i < count && !ret; i++)
		ret = ask_all_in(&ps, directory[i]);
	if (ps.count)
		qsort(ps.client, ps.count, sizeof(*ps.client), by_name);
	for (size_t i = 0; i < ps.count; i++) {
		json_t *vm = ret ? NULL : hear(&ps.client[i], deadline);

		if (vm && json_array_append_new(list, vm) < 0)
			ret = -ENOMEM;
		control_client_close(&ps.client[i]);
	}
	free(ps.client);
	if (!ret && cfg->json) {
		json_dumpf(list, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
		putchar('\n');
	} else if (!ret) {
		print_table(list);
	}
	json_decref(list);
	if (ret < 0) {
		err_host(&err, -ret, "the list of VMs");
		return report(&err);
	}
	return 0;
}
