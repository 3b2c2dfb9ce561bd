// SPDX-License-Identifier: BSD-2-Clause
/* The VM's side of the control socket: requests in, answers out. docs/control.md is the protocol. */
#include "vmm/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kvm/log.h"
#include "vmm/control_commands.h"
#include "vmm/session.h"

/* --- answers --- */

json_t *control_string(const char *text)
{
	json_t *string;
	char *copy;

	if (!text)
		return json_null();
	string = json_string(text);
	if (string)
		return string;
	copy = strdup(text);
	if (!copy)
		return NULL;
	for (char *c = copy; *c; c++)
		if (*c & 0x80)
			*c = '?';
	string = json_string(copy);
	free(copy);
	return string;
}

/* One line; takes over `message`. Without memory the client is closed: it would wait for ever. */
static void send_message(struct line_client *client, json_t *message)
{
	char *text = message ? json_dumps(message, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15))
			     : NULL;
	size_t len = text ? strlen(text) : 0;

	json_decref(message);
	if (!text) {
		line_client_close(client);
		return;
	}
	text[len] = '\n'; /* in place of the NUL */
	line_client_send(client, text, len + 1);
	free(text);
}

void control_reply(struct line_client *client, json_t *id, json_t *result)
{
	send_message(client, json_pack("{s:O*,s:o}", "id", id, "return", result ? result : json_object()));
}

static void reply_error(struct line_client *client, json_t *id, const char *kind, const char *text)
{
	send_message(client, json_pack("{s:O*,s:{s:s,s:o}}", "id", id, "error", "kind", kind, "message",
				       control_string(text)));
}

/* --- requests --- */

static json_t *argument(const struct control_call *call, const char *name)
{
	return json_object_get(call->arguments, name);
}

const char *control_text(const struct control_call *call, const char *name)
{
	return json_string_value(argument(call, name));
}

uint64_t control_number(const struct control_call *call, const char *name, uint64_t otherwise)
{
	json_t *value = argument(call, name);

	return value ? (uint64_t)json_integer_value(value) : otherwise;
}

static bool has_type(const json_t *value, enum control_type type)
{
	switch (type) {
	case CONTROL_TEXT:
		return json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value);
	case CONTROL_NUMBER:
		return json_is_integer(value) && json_integer_value(value) >= 0 &&
		       json_integer_value(value) <= UINT32_MAX;
	case CONTROL_SIZE:
		return json_is_integer(value) && json_integer_value(value) >= 0;
	}
	return false;
}

/* Exactly what the command takes. */
static bool check_arguments(struct control_call *call, const struct control_command *command)
{
	static const char *const types[] = {
		[CONTROL_TEXT] = "a string",
		[CONTROL_NUMBER] = "a whole number from 0",
		[CONTROL_SIZE] = "a number of bytes",
	};
	size_t known = 0;

	call->kind = "argument";
	for (const struct control_argument *arg = command->argument; arg->name; arg++) {
		json_t *value = argument(call, arg->name);

		if (!value && arg->optional)
			continue;
		if (!value) {
			err_user(&call->err, "%s: \"%s\" is missing", command->name, arg->name);
			return false;
		}
		if (!has_type(value, arg->type)) {
			err_user(&call->err, "%s: \"%s\" must be %s", command->name, arg->name,
				 types[arg->type]);
			return false;
		}
		if (arg->ok && !arg->ok(json_string_value(value))) {
			err_user(&call->err, "%s: \"%s\" must be %s", command->name, arg->name, arg->allowed);
			return false;
		}
		known++;
	}
	if (known != json_object_size(call->arguments)) {
		err_user(&call->err, "%s: an argument that it does not take; it is %s", command->name,
			 control_usage(command).text);
		return false;
	}
	call->kind = NULL;
	return true;
}

static enum control_result run_command(struct control_call *call, const char *name)
{
	const struct control_command *command = control_command_by_name(name);

	if (!command) {
		call->kind = "command";
		err_user(&call->err, "there is no such command; `vireo help ctl` lists them");
		return CONTROL_FAILED;
	}
	if (!check_arguments(call, command))
		return CONTROL_FAILED;
	if (call->control->session->vm.ending) {
		err_user(&call->err, "the VM ends, or restarts, at this moment");
		return CONTROL_FAILED;
	}
	return command->run(call);
}

/* A request is {"execute":NAME}, with "id" and "arguments" if need be, and nothing else. */
static const char *check_request(json_t *request)
{
	json_t *id = json_object_get(request, "id"), *arguments = json_object_get(request, "arguments");
	size_t known = (id != NULL) + (arguments != NULL) + 1;

	if (!json_is_object(request))
		return "a request is a JSON object";
	if (!json_is_string(json_object_get(request, "execute")))
		return "\"execute\" must be there, and the name of a command";
	if (id && !json_is_integer(id) && !json_is_string(id) && !json_is_null(id))
		return "\"id\" must be a number, a string or null";
	if (arguments && !json_is_object(arguments))
		return "\"arguments\" must be an object";
	if (known != json_object_size(request))
		return "a request has \"execute\", \"id\" and \"arguments\", and nothing else";
	return NULL;
}

static void answer_request(struct control *control, struct line_client *client, json_t *request)
{
	struct control_call call = {
		.control = control,
		.client = client,
		.arguments = json_object_get(request, "arguments"),
		.id = json_object_get(request, "id"),
	};

	switch (run_command(&call, json_string_value(json_object_get(request, "execute")))) {
	case CONTROL_DONE:
		control_reply(client, call.id, call.result);
		break;
	case CONTROL_FAILED:
		reply_error(client, call.id,
			    call.kind                   ? call.kind
			    : call.err.kind == ERR_USER ? "refused"
							: "host",
			    call.err.text);
		break;
	case CONTROL_LATER:
		line_client_set_data(client, call.id ? json_pack("{s:O}", "id", call.id) : json_object());
		line_client_hold(client, true);
		break;
	case CONTROL_TAKEN:
		break;
	}
}

static void take_line(void *ctx, struct line_client *client, char *line, size_t len)
{
	json_error_t error;
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	const char *wrong = request ? check_request(request) : error.text;
	json_t *id = json_object_get(request, "id");

	if (wrong)
		reply_error(client, json_is_integer(id) || json_is_string(id) ? id : NULL, "request", wrong);
	else
		answer_request(ctx, client, request);
	json_decref(request);
}

static void line_too_long(void *ctx, struct line_client *client)
{
	(void)ctx;
	reply_error(client, NULL, "request", "a line has at most 65536 bytes");
}

static void greet(void *ctx, struct line_client *client)
{
	struct control *control = ctx;
	const struct vm_config *cfg = control->session->cfg;

	send_message(client,
		     json_pack("{s:s,s:i,s:o,s:i}", "vireo", VIREO_VERSION, "protocol", CONTROL_PROTOCOL,
			       "name", control_string(cfg->name), "pid", (int)getpid()));
}

static void client_is_gone(void *ctx, struct line_client *client)
{
	(void)ctx;
	json_decref(line_client_data(client));
}

static const struct line_server_ops server_ops = {
	.opened = greet,
	.line = take_line,
	.too_long = line_too_long,
	.closed = client_is_gone,
};

/* --- pause: answered when the last vCPU has stopped --- */

/* Answers those that wait: `refusal` NULL: that it is so. */
static void answer_waiting(struct control *control, const char *refusal)
{
	for (unsigned int i = 0; i < LINE_CLIENTS; i++) {
		struct line_client *client = control->server.client[i];
		json_t *waiting = client ? line_client_data(client) : NULL;
		json_t *id = json_object_get(waiting, "id");

		if (!waiting)
			continue;
		line_client_set_data(client, NULL);
		if (refusal)
			reply_error(client, id, "refused", refusal);
		else
			control_reply(client, id, NULL);
		line_client_hold(client, false);
		json_decref(waiting);
	}
}

/* A vCPU's thread. */
static void all_rest(void *ctx)
{
	struct control *control = ctx;
	const uint64_t one = 1;

	(void)!write(control->rest.fd, &one, sizeof(one));
}

static void rest_ready(void *ctx, uint32_t events)
{
	struct control *control = ctx;
	uint64_t count;

	(void)events;
	(void)!read(control->rest.fd, &count, sizeof(count));
	if (vm_rest(&control->session->vm))
		answer_waiting(control, NULL);
}

enum control_result control_pause(struct control_call *call)
{
	struct vm *vm = &call->control->session->vm;

	if (vm->is_paused)
		return CONTROL_DONE;
	vm_pause(vm, all_rest, call->control);
	return CONTROL_LATER;
}

enum control_result control_resume(struct control_call *call)
{
	vm_resume(&call->control->session->vm);
	answer_waiting(call->control, "the VM was resumed meanwhile");
	return CONTROL_DONE;
}

/* --- console --- */

static void reply_console(struct control_call *call, const char *name)
{
	control_reply(call->client, call->id, json_pack("{s:s}", "console", name));
}

enum control_result control_console(struct control_call *call)
{
	struct control *control = call->control;
	const char *name = control_text(call, "console");
	static uint8_t typed[LINE_MAX_LENGTH];
	struct console_tee *tee;
	size_t len;
	int fd;

	if (!name)
		name = control->has_hvc ? "hvc" : "serial";
	tee = !strcmp(name, "hvc") ? &control->hvc : &control->serial;
	if (tee == &control->hvc && !control->has_hvc) {
		err_user(&call->err, "this VM has no hvc console (--console virtio, or both); it has serial");
		return CONTROL_FAILED;
	}
	if (console_tee_is_full(tee)) {
		err_user(&call->err, "%u clients are attached already; that is all there may be",
			 TEE_CLIENTS);
		return CONTROL_FAILED;
	}
	reply_console(call, name);
	fd = line_client_hand_over(call->client, typed, &len);
	if (fd < 0)
		line_client_close(call->client); /* it does not read */
	else if (console_tee_attach(tee, fd, typed, len) < 0)
		close(fd);
	return CONTROL_TAKEN;
}

/* --- start and end --- */

void control_boot(struct control *control)
{
	if (!control)
		return;
	answer_waiting(control, "the VM was reset meanwhile");
	control->booted = clock_monotonic(&control->session->loop.clock);
}

static int open_rest(struct control *control, struct err *err)
{
	int ret;

	control->rest = (struct loop_source){ .ready = rest_ready, .ctx = control };
	control->rest.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (control->rest.fd < 0)
		return err_host(err, errno, "eventfd for the control socket");
	ret = loop_add(&control->session->loop, &control->rest, EPOLLIN, err);
	if (ret < 0)
		close(control->rest.fd);
	return ret;
}

static void close_rest(struct control *control)
{
	loop_remove(&control->session->loop, &control->rest);
	close(control->rest.fd);
}

int control_open(struct session *session, struct err *err)
{
	struct control *control = calloc(1, sizeof(*control));
	int ret;

	if (!control)
		return err_host(err, ENOMEM, "the control socket");
	control->session = session;
	ret = control_path_take(&control->path, session->cfg, err);
	if (ret <= 0)
		goto none;
	ret = open_rest(control, err);
	if (ret < 0)
		goto fail_path;
	ret = line_server_open(&control->server, control->path.socket, &session->loop, &server_ops, control,
			       err);
	if (ret < 0)
		goto fail_rest;
	log_info("control socket %s", control->path.socket);
	session->control = control;
	return 0;

fail_rest:
	close_rest(control);
fail_path:
	control_path_release(&control->path);
none:
	free(control);
	return ret;
}

int control_connect(struct control *control, struct err *err)
{
	struct session *session;
	int ret;

	if (!control)
		return 0;
	session = control->session;
	ret = console_tee_init(&control->serial, session->serial, &session->loop, err);
	if (ret < 0)
		return ret;
	if (session->hvc) {
		ret = console_tee_init(&control->hvc, session->hvc, &session->loop, err);
		if (ret < 0) {
			console_tee_finish(&control->serial);
			return ret;
		}
		control->has_hvc = true;
		session->hvc = &control->hvc.chr;
	}
	session->serial = &control->serial.chr;
	control->is_connected = true;
	return 0;
}

void control_close(struct control *control)
{
	struct session *session;

	if (!control)
		return;
	session = control->session;
	if (control->has_hvc) {
		session->hvc = control->hvc.inner;
		console_tee_finish(&control->hvc);
	}
	if (control->is_connected) {
		session->serial = control->serial.inner;
		console_tee_finish(&control->serial);
	}
	answer_waiting(control, "the VM ended meanwhile");
	line_server_close(&control->server);
	close_rest(control);
	control_path_release(&control->path);
	session->control = NULL;
	free(control);
}
