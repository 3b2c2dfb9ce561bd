// SPDX-License-Identifier: BSD-2-Clause
/*
 * Firecracker's configuration file as a definition: the JSON of its option --config-file, whose objects are those of
 * its API ("firecracker.yaml", definitions). Each key becomes an option or a device's key of ours, or a mistake that
 * says why it does not; docs/config.md, "Firecracker's configuration", has the table.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "vmm/config_read.h"
#include "vmm/devices.h"

/* What a string of Firecracker's is called here. */
struct word {
	const char *theirs, *ours; /* ours NULL: nothing needs to be set */
};

enum rule_type {
	TAKE_TEXT,   /* a string as it is */
	TAKE_WORD,   /* a string that is one of `words` */
	TAKE_FLAG,   /* true or false */
	TAKE_NUMBER, /* a whole number, with `unit` behind it */
	TAKE_ID,     /* a string, the device's id */
	ONLY_FALSE,  /* false, which is what we do anyway; true is refused */
	NO_MATTER,   /* true or false: it changes nothing */
	LEFT,        /* looked at elsewhere */
	REFUSED,     /* whatever it is: we do not have that */
};

struct rule {
	const char *key;
	enum rule_type type;
	const char *to;   /* an option, or a key of the device */
	const char *unit; /* or NULL */
	const struct word *words;
	const char *why; /* of ONLY_FALSE and REFUSED: what to do instead */
	bool required;
};

struct json_reader {
	struct reading *file;
	struct vm_config *cfg;
	struct err *err;
	struct device_config *dc; /* whose object this is; NULL: options of the VM */
	char object[64];          /* "drives[0]" */
	bool flawed;              /* a mistake was told in this object */
	/* What the kernel's command line is made of. */
	const char *boot_args;
	char root[OPTION_STRING_MAX + 32], root_key[80];
};

#define NO_LIMITS "Vireo does not limit rates; leave it out, or limit with the host's cgroups or tc"

static const struct word caches[] = { { "Unsafe", "unsafe" }, { "Writeback", "writeback" }, { NULL, NULL } };
static const struct word engines[] = { { "Sync", "threads" }, { "Async", "io_uring" }, { NULL, NULL } };
static const struct word pages[] = { { "None", NULL }, { "2M", "hugetlb" }, { NULL, NULL } };
static const struct word no_template[] = { { "None", NULL }, { NULL, NULL } };
static const struct word only_writeback[] = { { "Writeback", NULL }, { NULL, NULL } };
static const struct word levels[] = {
	{ "Error", "error" }, { "Warning", "warn" }, { "Warn", "warn" },
	{ "Info", "info" },   { "Debug", "debug" },  { NULL, NULL },
};

static const struct rule boot_rules[] = {
	{ "kernel_image_path", TAKE_TEXT, .to = "kernel", .required = true },
	{ "initrd_path", TAKE_TEXT, .to = "initrd" },
	{ "boot_args", .type = LEFT },
	{ .key = NULL },
};

static const struct rule machine_rules[] = {
	{ "vcpu_count", TAKE_NUMBER, .to = "cpus", .required = true },
	{ "mem_size_mib", TAKE_NUMBER, .to = "memory", .unit = "M", .required = true },
	{ "smt", ONLY_FALSE, .why = "true is not allowed: each virtual CPU is a core of its own" },
	{ "track_dirty_pages", ONLY_FALSE,
	  .why = "true is not allowed: it is for snapshots, which Vireo does not make" },
	{ "huge_pages", TAKE_WORD, .to = "memory-backing", .words = pages },
	{ "cpu_template", TAKE_WORD, .words = no_template },
	{ .key = NULL },
};

static const struct rule logger_rules[] = {
	{ "level", TAKE_WORD, .to = "log", .words = levels },
	{ "show_level", .type = NO_MATTER },
	{ "show_log_origin", ONLY_FALSE,
	  .why = "true is not allowed: lines do not tell the place in the program" },
	{ "log_path", REFUSED, .why = "the log is standard error; leave it out, and redirect that" },
	{ "module", REFUSED, .why = "the log is not chosen by module" },
	{ .key = NULL },
};

static const struct rule drive_rules[] = {
	{ "drive_id", TAKE_ID, .required = true },
	{ "path_on_host", TAKE_TEXT, .to = "path", .required = true },
	{ "is_root_device", LEFT, .required = true },
	{ "partuuid", .type = LEFT },
	{ "is_read_only", TAKE_FLAG, .to = "ro" },
	{ "cache_type", TAKE_WORD, .to = "cache", .words = caches },
	{ "io_engine", TAKE_WORD, .to = "aio", .words = engines },
	{ "rate_limiter", REFUSED, .why = NO_LIMITS },
	{ "socket", .type = LEFT }, /* null: else vhost_user_rules are these */
	{ .key = NULL },
};

#define NOT_WITH_SOCKET "not with socket: it is for the program behind that"

static const struct rule vhost_user_rules[] = {
	{ "drive_id", TAKE_ID, .required = true },
	{ "socket", TAKE_TEXT, .to = "socket" },
	{ "is_root_device", LEFT, .required = true },
	{ "partuuid", .type = LEFT },
	{ "cache_type", TAKE_WORD, .words = only_writeback },
	{ "path_on_host", REFUSED, .why = NOT_WITH_SOCKET },
	{ "is_read_only", REFUSED, .why = NOT_WITH_SOCKET },
	{ "io_engine", REFUSED, .why = NOT_WITH_SOCKET },
	{ "rate_limiter", REFUSED, .why = NOT_WITH_SOCKET },
	{ .key = NULL },
};

static const struct rule net_rules[] = {
	{ "iface_id", TAKE_ID, .required = true },
	{ "host_dev_name", TAKE_TEXT, .to = "tap", .required = true },
	{ "guest_mac", TAKE_TEXT, .to = "mac" },
	{ "rx_rate_limiter", REFUSED, .why = NO_LIMITS },
	{ "tx_rate_limiter", REFUSED, .why = NO_LIMITS },
	{ "mtu", REFUSED, .why = "Vireo leaves the MTU to the guest; leave it out" },
	{ .key = NULL },
};

static const struct rule pmem_rules[] = {
	{ "id", TAKE_ID, .required = true },
	{ "path_on_host", TAKE_TEXT, .to = "path", .required = true },
	{ "root_device", .type = LEFT },
	{ "read_only", TAKE_FLAG, .to = "ro" },
	{ "rate_limiter", REFUSED, .why = NO_LIMITS },
	{ .key = NULL },
};

static const struct rule vsock_rules[] = {
	{ "guest_cid", TAKE_NUMBER, .to = "cid", .required = true },
	{ "uds_path", TAKE_TEXT, .to = "path", .required = true },
	{ "vsock_id", .type = TAKE_ID },
	{ .key = NULL },
};

static const struct rule balloon_rules[] = {
	{ "amount_mib", TAKE_NUMBER, .to = "target", .unit = "M", .required = true },
	{ "deflate_on_oom", TAKE_FLAG, .to = "deflate-on-oom", .required = true },
	{ "stats_polling_interval_s", TAKE_NUMBER, .to = "stats" },
	{ "free_page_reporting", TAKE_FLAG, .to = "free-page-reporting" },
	{ "free_page_hinting", ONLY_FALSE,
	  .why = "true is not allowed: Vireo's balloon reports free pages instead (free_page_reporting)" },
	{ .key = NULL },
};

static const struct rule entropy_rules[] = {
	{ "rate_limiter", REFUSED, .why = "leave it out, and give the rate as \"--rng rate=BYTES\"" },
	{ .key = NULL },
};

/* What Firecracker does where a key is not there, and ours does not do by itself. */
struct preset {
	const char *key, *value;
};

static const struct preset no_presets[] = { { NULL, NULL } };
static const struct preset drive_presets[] = { { "cache", "unsafe" }, { "aio", "threads" }, { NULL, NULL } };
static const struct preset balloon_presets[] = { { "free-page-reporting", "off" }, { NULL, NULL } };
static const struct preset entropy_presets[] = { { "rate", "0" }, { NULL, NULL } };

/* The keys at the top. */
static const struct top {
	const char *key;
	const struct rule *rules; /* NULL: refused */
	const char *kind;         /* of a device; NULL: options of the VM */
	bool list;                /* of objects */
	const struct preset *presets;
	const char *why; /* it is refused */
} tops[] = {
	{ "boot-source", boot_rules, .presets = no_presets },
	{ "machine-config", machine_rules, .presets = no_presets },
	{ "drives", drive_rules, "disk", true, .presets = drive_presets },
	{ "network-interfaces", net_rules, "net", true, .presets = no_presets },
	{ "pmem", pmem_rules, "pmem", true, .presets = no_presets },
	{ "vsock", vsock_rules, "vsock", .presets = no_presets },
	{ "balloon", balloon_rules, "balloon", .presets = balloon_presets },
	{ "entropy", entropy_rules, "rng", .presets = entropy_presets },
	{ "logger", logger_rules, .presets = no_presets },
	{ "cpu-config", .why = "Vireo has no CPU templates; leave it out" },
	{ "metrics", .why = "Vireo counts exits and interrupts with --stats; leave it out" },
	{ "mmds-config", .why = "Vireo has no metadata service; leave it out" },
	{ "memory-hotplug", .why = "Vireo adds no memory to a running guest; leave it out" },
	{ "serial", .why = "the serial port is set by --console; leave it out" },
	{ .key = NULL },
};

/* --- mistakes --- */

/* `key`: "object.key". Any mistake in an object is told, and the next key looked at where all are wanted. */
static int tell(struct json_reader *r, int ret)
{
	if (!ret)
		return 0;
	r->flawed = true;
	return reading_mistake(r->file, ret);
}

static int refuse(struct json_reader *r, const char *key, const char *text)
{
	const struct option_origin at = { .file = r->file->path };

	return tell(r, option_error(r->err, &at, quote(key).text, "%s", text));
}

static void path_of(const struct json_reader *r, const char *key, char path[80])
{
	snprintf(path, 80, "%s.%s", r->object, key);
}

static int refuse_in(struct json_reader *r, const char *key, const char *text)
{
	char path[80];

	path_of(r, key, path);
	return refuse(r, path, text);
}

static int wrong_type(struct json_reader *r, const char *key, const json_t *value, const char *allowed)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
		[JSON_STRING] = "a string",  [JSON_INTEGER] = "a whole number",
		[JSON_REAL] = "a fraction",  [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",      [JSON_NULL] = "null",
	};
	char text[160];

	snprintf(text, sizeof(text), "%s is not allowed; allowed is %s", names[json_typeof(value)], allowed);
	return refuse(r, key, text);
}

/* --- values --- */

/* Sets the option or key that `rule` or a preset names. */
static int set(struct json_reader *r, const char *path, const char *to, const char *value)
{
	const struct option_origin at = { .file = r->file->path, .key = path };

	if (r->dc)
		return device_set(r->dc, device_key(r->dc->kind, to), value, &at, r->err);
	return config_set(r->cfg, option_by_name(to), value, &at, r->err);
}

static int take_word(struct json_reader *r, const struct rule *rule, const char *path, const char *value)
{
	char text[320];
	int len = snprintf(text, sizeof(text), "\"%s\" is not allowed; allowed is", quote(value).text);

	for (const struct word *word = rule->words; word->theirs; word++) {
		if (!strcasecmp(word->theirs, value))
			return word->ours ? tell(r, set(r, path, rule->to, word->ours)) : 0;
		len += snprintf(text + len, sizeof(text) - (size_t)len, "%s \"%s\"",
				word == rule->words ? "" : ",", word->theirs);
	}
	return refuse(r, path, text);
}

static int take_id(struct json_reader *r, const char *path, const char *id)
{
	char text[400];

	if (device_id_ok(id)) {
		memcpy(r->dc->id, id, strlen(id) + 1);
		return 0;
	}
	snprintf(text, sizeof(text), "\"%s\" is not allowed; allowed is " DEVICE_ID_ALLOWED, quote(id).text);
	return refuse(r, path, text);
}

static int take_number(struct json_reader *r, const struct rule *rule, const char *path, const json_t *value)
{
	char text[40];

	snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT "%s", json_integer_value(value),
		 rule->unit ? rule->unit : "");
	return tell(r, set(r, path, rule->to, text));
}

static int take(struct json_reader *r, const struct rule *rule, const json_t *value)
{
	char path[80];

	path_of(r, rule->key, path);
	switch (rule->type) {
	case LEFT:
		return 0;
	case REFUSED:
		return refuse(r, path, rule->why);
	case TAKE_NUMBER:
		return json_is_integer(value) ? take_number(r, rule, path, value)
					      : wrong_type(r, path, value, "a whole number");
	case ONLY_FALSE:
	case NO_MATTER:
	case TAKE_FLAG:
		if (!json_is_boolean(value))
			return wrong_type(r, path, value, "true or false");
		if (rule->type == TAKE_FLAG)
			return tell(r, set(r, path, rule->to, json_is_true(value) ? "on" : "off"));
		return rule->type == ONLY_FALSE && json_is_true(value) ? refuse(r, path, rule->why) : 0;
	case TAKE_TEXT:
	case TAKE_WORD:
	case TAKE_ID:
		break;
	}
	if (!json_is_string(value))
		return wrong_type(r, path, value, "a string");
	if (rule->type == TAKE_WORD)
		return take_word(r, rule, path, json_string_value(value));
	if (rule->type == TAKE_ID)
		return take_id(r, path, json_string_value(value));
	return tell(r, set(r, path, rule->to, json_string_value(value)));
}

/* A value that is looked at elsewhere; NULL: it is not there, or null. */
static const json_t *get(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_null(value) ? NULL : value;
}

/* --- objects --- */

static int unknown(struct json_reader *r, const char *key, const struct rule *rules)
{
	char text[400];
	int head = snprintf(text, sizeof(text), "unknown; allowed are"), len = head;

	for (const struct rule *rule = rules; rule->key && len < (int)sizeof(text); rule++)
		if (rule->type != REFUSED)
			len += snprintf(text + len, sizeof(text) - (size_t)len, "%s %s",
					len == head ? "" : ",", rule->key);
	if (len == head)
		snprintf(text + len, sizeof(text) - (size_t)len, " none");
	return refuse_in(r, key, text);
}

static int take_object(struct json_reader *r, const struct rule *rules, const struct preset *presets,
		       json_t *object)
{
	const char *key;
	json_t *value;
	int ret = 0;

	for (const struct preset *preset = presets; preset->key && !ret; preset++)
		if (device_key(r->dc->kind, preset->key))
			ret = set(r, preset->key, preset->key, preset->value);
	json_object_foreach(object, key, value)
	{
		const struct rule *rule = rules;

		while (rule->key && strcmp(rule->key, key))
			rule++;
		if (!ret && !rule->key)
			ret = unknown(r, key, rules);
		else if (!ret && !json_is_null(value))
			ret = take(r, rule, value);
	}
	for (const struct rule *rule = rules; rule->key && !ret; rule++)
		if (rule->required && !get(object, rule->key))
			ret = refuse_in(r, rule->key, "is missing");
	return ret;
}

/* Is there a disk already, which would be /dev/vda? */
static bool has_disk(const struct vm_config *cfg)
{
	for (const struct device_config *dc = cfg->devices; dc; dc = dc->next)
		if (!strcmp(dc->kind->name, "disk") || !strcmp(dc->kind->name, "vhost-user-blk"))
			return true;
	return false;
}

static bool is_partuuid(const json_t *value)
{
	const char *text = json_is_string(value) ? json_string_value(value) : "";

	return *text && option_string_ok(text) && !strpbrk(text, " \t\"");
}

/* The kernel is told of the root device, as Firecracker tells it. `device`: what it is called in the guest. */
static int take_root(struct json_reader *r, const char *key, const json_t *object, const char *device,
		     bool read_only)
{
	const json_t *is_root = get(object, key), *partuuid = get(object, "partuuid");
	char path[80];

	path_of(r, key, path);
	if (is_root && !json_is_boolean(is_root))
		return wrong_type(r, path, is_root, "true or false");
	if (partuuid && !is_partuuid(partuuid))
		return refuse_in(r, "partuuid", "allowed is what the kernel takes behind root=PARTUUID=");
	if (!json_is_true(is_root))
		return 0;
	if (*r->root)
		return refuse(r, path, "there is a root device already; there can be one");
	snprintf(r->root, sizeof(r->root), "root=%s%s %s", partuuid ? "PARTUUID=" : "",
		 partuuid ? json_string_value(partuuid) : device, read_only ? "ro" : "rw");
	memcpy(r->root_key, path, sizeof(path));
	return 0;
}

static int put_device(struct json_reader *r)
{
	const struct device_config *same = devices_find(r->cfg, r->dc->kind, r->dc->id);

	if (same && *r->dc->id && same->reading == r->file->number) {
		device_config_free(r->dc);
		return refuse(r, r->object, "its id was given before; each has an id of its own");
	}
	r->dc->reading = r->file->number;
	r->dc->source = (struct value_source){ .file = r->file->path };
	r->dc->flawed = r->flawed;
	devices_put(r->cfg, r->dc);
	return 0;
}

/* An object that is a device, `index` of those of its list. */
static int take_device(struct json_reader *r, const struct top *top, json_t *object, size_t index)
{
	bool vhost_user = top->rules == drive_rules && get(object, "socket");
	const struct device_kind *kind = device_kind_by_name(vhost_user ? "vhost-user-blk" : top->kind);
	char device[24];
	int ret;

	r->flawed = false;
	r->dc = device_config_new(kind);
	if (!r->dc)
		return err_host(r->err, ENOMEM, "%s", r->object);
	ret = take_object(r, vhost_user ? vhost_user_rules : top->rules,
			  vhost_user ? no_presets : top->presets, object);
	snprintf(device, sizeof(device), "/dev/pmem%zu", index);
	if (!ret && top->rules == drive_rules)
		ret = take_root(r, "is_root_device", object, "/dev/vda",
				json_is_true(get(object, "is_read_only")));
	else if (!ret && top->rules == pmem_rules)
		ret = take_root(r, "root_device", object, device, json_is_true(get(object, "read_only")));
	if (!ret)
		ret = put_device(r);
	else
		device_config_free(r->dc);
	r->dc = NULL;
	return ret;
}

/* --- the top --- */

/* The root device first, that it is /dev/vda: Firecracker does the same. */
static bool comes_first(const struct top *top, const json_t *object)
{
	return top->rules == drive_rules && json_is_true(get(object, "is_root_device"));
}

static int take_list(struct json_reader *r, const struct top *top, json_t *list)
{
	size_t index;
	json_t *object;
	int ret = 0;

	if (top->rules == drive_rules && has_disk(r->cfg))
		json_array_foreach(list, index, object) if (!ret && comes_first(top, object))
			ret = refuse(r, top->key,
				     "an included file has disks already: the root device would not be "
				     "/dev/vda");
	for (int round = 0; round < 2; round++) {
		json_array_foreach(list, index, object)
		{
			if (ret || comes_first(top, object) == round)
				continue;
			snprintf(r->object, sizeof(r->object), "%s[%zu]", top->key, index);
			ret = json_is_object(object) ? take_device(r, top, object, index)
						     : wrong_type(r, r->object, object, "an object");
		}
	}
	return ret;
}

static int take_options(struct json_reader *r, const struct top *top, json_t *object)
{
	const json_t *args = top->rules == boot_rules ? get(object, "boot_args") : NULL;

	int ret = 0;

	if (args && !json_is_string(args))
		ret = wrong_type(r, "boot-source.boot_args", args, "a string");
	else if (args)
		r->boot_args = json_string_value(args);
	return ret ? ret : take_object(r, top->rules, top->presets, object);
}

static int take_top(struct json_reader *r, const char *key, json_t *value)
{
	const struct top *top = tops;

	while (top->key && strcmp(top->key, key))
		top++;
	if (!top->key)
		return refuse(r, key,
			      "unknown; allowed are boot-source, machine-config, drives, network-interfaces, "
			      "pmem, vsock, balloon, entropy, logger");
	if (json_is_null(value))
		return 0;
	if (!top->rules)
		return refuse(r, key, top->why);
	snprintf(r->object, sizeof(r->object), "%s", key);
	if (top->list)
		return json_is_array(value) ? take_list(r, top, value)
					    : wrong_type(r, key, value, "an array of objects");
	if (!json_is_object(value))
		return wrong_type(r, key, value, "an object");
	return top->kind ? take_device(r, top, value, 0) : take_options(r, top, value);
}

/* What the file gives as arguments, or else our default, and the root device. */
static int set_cmdline(struct json_reader *r)
{
	char *cmdline;
	int ret;

	if (!r->boot_args && !*r->root)
		return 0;
	config_unset(r->cfg, option_by_name("append"));
	if (asprintf(&cmdline, "%s%s%s", r->boot_args ? r->boot_args : config_default_cmdline(r->cfg),
		     *r->root ? " " : "", r->root) < 0)
		return err_host(r->err, ENOMEM, "boot_args");
	ret = tell(r, set(r, r->boot_args ? "boot-source.boot_args" : r->root_key, "cmdline", cmdline));
	free(cmdline);
	return ret;
}

/* Without a machine-config, Firecracker's has one CPU, as ours, and 128 MiB. */
static int take_all(struct json_reader *r, json_t *root)
{
	const char *key;
	json_t *value;
	int ret = 0;

	if (!json_is_object(root))
		return wrong_type(r, "", root, "an object, as Firecracker's --config-file");
	if (!get(root, "machine-config"))
		ret = set(r, "machine-config", "memory", "128M");
	json_object_foreach(root, key, value) if (!ret) ret = take_top(r, key, value);
	return ret ? ret : set_cmdline(r);
}

int config_read_firecracker(struct reading *file, const char *text, size_t size)
{
	struct json_reader *r = calloc(1, sizeof(*r));
	json_error_t error;
	json_t *root;
	int ret;

	if (!r)
		return err_host(file->err, ENOMEM, "%s", quote_path(file->path).text);
	r->file = file;
	r->cfg = file->cfg;
	r->err = file->err;
	root = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (root) {
		ret = take_all(r, root);
		json_decref(root);
	} else if (json_error_code(&error) == json_error_out_of_memory) {
		ret = err_host(file->err, ENOMEM, "%s", quote_path(file->path).text);
	} else {
		err_user(file->err, "%s:%d: no valid JSON: %s (column %d)", quote_path(file->path).text,
			 error.line, quote(error.text).text, error.column);
		ret = reading_mistake(file, -EINVAL);
	}
	free(r);
	return ret;
}
