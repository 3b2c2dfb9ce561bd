/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands of the control socket: one table for the VM's side and for `vireo ctl`. */
#ifndef VIREO_VMM_CONTROL_COMMANDS_H
#define VIREO_VMM_CONTROL_COMMANDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "host/console_tee.h"
#include "host/line_server.h"
#include "kvm/err.h"
#include "vmm/control_path.h"

#define CONTROL_PROTOCOL 1

enum control_type {
	CONTROL_TEXT,   /* a string */
	CONTROL_NUMBER, /* an integer from 0 to 2^32 - 1 */
	CONTROL_SIZE,   /* an integer, bytes; for `vireo ctl` as of an option: 256M */
};

struct control_argument {
	const char *name; /* NULL: that was the last */
	enum control_type type;
	bool optional;
	bool (*ok)(const char *text); /* of a CONTROL_TEXT: not any will do, but what `allowed` says */
	const char *allowed;
};

#define CONTROL_ARGUMENTS 3

struct control_call;

/* How a command went. */
enum control_result {
	CONTROL_DONE,   /* call->result is the answer; NULL: {} */
	CONTROL_LATER,  /* control_answer_waiting() will be */
	CONTROL_FAILED, /* call->err; call->kind, NULL: as err.kind says */
	CONTROL_TAKEN,  /* it is answered, and the client is no client of the control socket any more */
};

struct control_command {
	const char *name;
	const char *help;
	struct control_argument argument[CONTROL_ARGUMENTS];
	enum control_result (*run)(struct control_call *call);
	bool shows; /* `vireo ctl` prints the answer */
};

extern const struct control_command control_commands[]; /* ends with a NULL name */

const struct control_command *control_command_by_name(const char *name);

/* "resize-disk DISK SIZE": a command with its arguments, as help and messages show it. */
struct control_usage {
	char text[80];
};
struct control_usage control_usage(const struct control_command *command);

/* --- the VM's side --- */

/* vmm/control.c's, and its commands'. */
struct control {
	struct session *session;
	struct control_path path;
	struct line_server server;
	struct loop_source rest; /* an eventfd: all vCPUs rest */
	struct console_tee serial, hvc;
	bool is_connected, has_hvc; /* the consoles; there is a hvc */
	uint64_t booted;            /* monotonic ns */
};

struct control_call {
	struct control *control;
	struct line_client *client;
	json_t *arguments; /* an object: exactly what the command takes, of the right types */
	json_t *id;
	json_t *result; /* given to the caller */
	const char *kind;
	struct err err;
};

/* Arguments that are there; or NULL, `otherwise`. */
const char *control_text(const struct control_call *call, const char *name);
uint64_t control_number(const struct control_call *call, const char *name, uint64_t otherwise);

/* A JSON string of `text` (NULL: null), in which what is no UTF-8 becomes "?". */
json_t *control_string(const char *text);

/* Answers the request `id` of `client`: takes over `result` (NULL: {}). */
void control_reply(struct line_client *client, json_t *id, json_t *result);

/* Commands that are not in control_commands.c: control.c, control_status.c, control_devices.c. */
enum control_result control_status(struct control_call *call);
enum control_result control_stats(struct control_call *call);
enum control_result control_pause(struct control_call *call);
enum control_result control_resume(struct control_call *call);
enum control_result control_console(struct control_call *call);
enum control_result control_resize_disk(struct control_call *call);
enum control_result control_balloon(struct control_call *call);
enum control_result control_sysrq(struct control_call *call);

#endif
