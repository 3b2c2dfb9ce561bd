// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/devices.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct device_kind *device_kind_by_name(const char *name)
{
	for (const struct device_kind *const *kind = device_kinds; *kind; kind++)
		if (!strcmp((*kind)->name, name))
			return *kind;
	return NULL;
}

const struct option *device_key(const struct device_kind *kind, const char *name)
{
	for (const struct option *key = kind->keys; key->name; key++)
		if (!strcmp(key->name, name))
			return key;
	return NULL;
}

/* --- errors --- */

int device_error(struct err *err, const struct device_config *dc, const char *fmt, ...)
{
	char text[sizeof(err->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_user(err, "%s %s: %s", dc->kind->name, dc->id, text);
}

int device_host_error(struct err *err, const struct device_config *dc, int code, const char *fmt, ...)
{
	char text[sizeof(err->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_host(err, code, "%s %s: %s", dc->kind->name, dc->id, text);
}

int device_failed(struct err *err, const struct device_config *dc, int code)
{
	const struct err cause = *err;

	if (cause.kind == ERR_USER)
		err_user(err, "%s %s: %s", dc->kind->name, dc->id, cause.text);
	else
		err_host_text(err, "%s %s: %s", dc->kind->name, dc->id, cause.text);
	return code;
}

int device_unknown_key(const struct device_kind *kind, const char *name, const struct option_origin *origin,
		       struct err *err)
{
	const char *near = option_nearest_of(name, kind->keys);
	const char *comma = !origin->kind ? "" : "; a comma in a value is written \",,\"";
	char all[256] = "";
	size_t len = 0;

	for (const struct option *key = kind->keys; key->name && len < sizeof(all); key++)
		if (option_is_for_host(key))
			len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", len ? ", " : "",
						key->name);
	/* In a section of a definition file, the id stands in its first line. */
	if (origin->kind && len < sizeof(all))
		snprintf(all + len, sizeof(all) - len, "%sid", len ? ", " : "");
	if (near)
		return option_error(err, origin, quote(name).text,
				    "unknown; did you mean \"%s\"? Allowed are %s%s", near, all, comma);
	return option_error(err, origin, quote(name).text, "unknown; allowed are %s%s", *all ? all : "none",
			    comma);
}

/* --- one device --- */

struct device_config *device_config_new(const struct device_kind *kind)
{
	struct device_config *dc = calloc(1, kind->config_size);

	if (!dc)
		return NULL;
	dc->kind = kind;
	if (kind->defaults)
		kind->defaults(dc);
	return dc;
}

void device_config_free(struct device_config *dc)
{
	if (dc)
		option_free_texts(dc, dc->kind->keys);
	free(dc);
}

int device_set(struct device_config *dc, const struct option *key, const char *value,
	       const struct option_origin *origin, struct err *err)
{
	int ret = option_set(dc, key, value, origin, err);

	if (!ret)
		dc->values[key - dc->kind->keys] = option_source(origin);
	return ret;
}

bool device_id_ok(const char *id)
{
	size_t len = strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");

	return len && len <= DEVICE_ID_MAX && !id[len];
}

/* --- the value of an option: VALUE[,KEY=VALUE]... --- */

struct parser {
	struct device_config *dc;
	struct option_origin at;
	bool given[DEVICE_KEYS_MAX]; /* by index in the kind's keys */
	struct err *err;
};

/* Cuts off what is before the next comma, in place; two commas stand for one. NULL: nothing is left. */
static char *next_piece(char **rest)
{
	char *piece = *rest, *from = piece, *to = piece;

	if (!piece)
		return NULL;
	for (; *from && (*from != ',' || from[1] == ','); from++) {
		from += *from == ',';
		*to++ = *from;
	}
	*rest = *from ? from + 1 : NULL;
	*to = '\0';
	return piece;
}

/* About the option as a whole. */
static int whole_error(const struct option_origin *at, const struct device_kind *kind, struct err *err,
		       const char *text)
{
	const struct option_origin whole = { .file = at->file, .line = at->line };

	return option_error(err, &whole, kind->name, "%s", text);
}

static int take_id(struct parser *p, const char *id)
{
	if (*p->dc->id)
		return option_error(p->err, &p->at, "id", "given twice; once is allowed");
	if (!id)
		return option_error(p->err, &p->at, "id", "needs a value: " DEVICE_ID_ALLOWED);
	if (!device_id_ok(id))
		return option_error(p->err, &p->at, "id",
				    "\"%s\" is not allowed; allowed is " DEVICE_ID_ALLOWED, quote(id).text);
	memcpy(p->dc->id, id, strlen(id) + 1);
	return 0;
}

static int take_key(struct parser *p, const struct option *key, const char *value)
{
	bool *given = &p->given[key - p->dc->kind->keys];
	char allowed[OPTION_ALLOWED_MAX];
	int ret = option_check_host(key->name, key->platforms, &p->at, p->err);

	if (ret)
		return ret;
	if (*given)
		return option_error(p->err, &p->at, key->name, "given twice; once is allowed");
	*given = true;
	if (!value && key->type != OPTION_FLAG) {
		option_allowed(key, allowed);
		return option_error(p->err, &p->at, key->name, "needs a value: %s", allowed);
	}
	return device_set(p->dc, key, value, &p->at, p->err);
}

/* KEY=VALUE or a flag; the first one may be the value of the kind's value_key alone. */
static int take_piece(struct parser *p, char *piece, bool first)
{
	const struct device_kind *kind = p->dc->kind;
	char *equals = strchr(piece, '=');
	const struct option *key;
	int len = (int)(equals ? equals - piece : 0);
	char name[OPTION_NAME_MAX + 1] = "";

	if (len < (int)sizeof(name))
		memcpy(name, piece, (size_t)len);
	if (first && kind->value_key && !(device_key(kind, name) || !strcmp(name, "id")))
		return take_key(p, device_key(kind, kind->value_key), piece);
	if (!*piece)
		return whole_error(&p->at, kind, p->err,
				   "nothing between two commas or at an end; a comma in a value is written "
				   "\",,\"");
	if (equals)
		*equals = '\0';
	if (!strcmp(piece, "id"))
		return take_id(p, equals ? equals + 1 : NULL);
	key = device_key(kind, piece);
	if (!key)
		return device_unknown_key(kind, piece, &p->at, p->err);
	return take_key(p, key, equals ? equals + 1 : NULL);
}

static int parse(struct device_config *dc, const char *value, const struct option_origin *at, struct err *err)
{
	struct parser p = { .dc = dc,
			    .at = { .file = at->file, .line = at->line, .kind = dc->kind->name },
			    .err = err };
	char *copy = strdup(value), *rest = copy, *piece;
	int ret = 0;

	if (!copy)
		return err_host(err, ENOMEM, "--%s", dc->kind->name);
	for (bool first = true; !ret && (piece = next_piece(&rest)); first = false)
		ret = take_piece(&p, piece, first);
	free(copy);
	return ret;
}

/* --- the list --- */

static struct device_config **find(struct device_config **list, const struct device_kind *kind,
				   const char *id)
{
	for (; *list; list = &(*list)->next)
		if ((*list)->kind == kind && (kind->single || !strcmp((*list)->id, id)))
			break;
	return list;
}

struct device_config *devices_find(const struct vm_config *cfg, const struct device_kind *kind,
				   const char *id)
{
	struct device_config *list = cfg->devices;

	return *find(&list, kind, id);
}

void devices_add(struct vm_config *cfg, struct device_config *dc)
{
	struct device_config **end = &cfg->devices;

	while (*end)
		end = &(*end)->next;
	*end = dc;
}

void devices_put(struct vm_config *cfg, struct device_config *dc)
{
	struct device_config **place = find(&cfg->devices, dc->kind, dc->id), *old = *place;

	if (!old || (!dc->kind->single && !*dc->id)) {
		devices_add(cfg, dc);
		return;
	}
	dc->next = old->next;
	*place = dc;
	device_config_free(old);
}

/* One of the command line's, or of a test's. */
static int put(struct vm_config *cfg, struct device_config *dc, const struct option_origin *at,
	       struct err *err)
{
	const struct device_config *old = devices_find(cfg, dc->kind, dc->id);
	const struct option_origin id = { .file = at->file, .line = at->line, .kind = dc->kind->name };

	dc->reading = at->file ? DEVICE_OF_TEST : 0;
	if (old && old->reading == dc->reading && dc->kind->single)
		return whole_error(at, dc->kind, err, "given twice; once is allowed");
	if (old && old->reading == dc->reading && *dc->id)
		return option_error(err, &id, "id", "\"%s\" given twice; each %s has an id of its own",
				    dc->id, dc->kind->name);
	dc->source = option_source(at);
	devices_put(cfg, dc);
	return 0;
}

int devices_add_option(struct vm_config *cfg, const struct device_kind *kind, const char *value,
		       const struct option_origin *at, struct err *err)
{
	struct device_config *dc = device_config_new(kind);
	int ret;

	if (!dc)
		return err_host(err, ENOMEM, "--%s", kind->name);
	ret = value ? parse(dc, value, at, err) : 0;
	if (!ret)
		ret = put(cfg, dc, at, err);
	if (ret)
		device_config_free(dc);
	return ret;
}

void devices_give_ids(struct vm_config *cfg)
{
	for (struct device_config *dc = cfg->devices; dc; dc = dc->next) {
		char id[DEVICE_ID_MAX + 1];

		if (*dc->id)
			continue;
		for (unsigned int n = 0;; n++) {
			snprintf(id, sizeof(id), "%s%u", dc->kind->name, n);
			if (dc->kind->single || !devices_find(cfg, dc->kind, id))
				break;
		}
		memcpy(dc->id, id, sizeof(id));
	}
}

const struct device_config *devices_sharing_memory(const struct vm_config *cfg)
{
	for (const struct device_config *dc = cfg->devices; dc; dc = dc->next)
		if (dc->kind->shares_memory)
			return dc;
	return NULL;
}

int devices_check(const struct vm_config *cfg, struct mistakes *m, struct err *err)
{
	const struct device_config *sharing = devices_sharing_memory(cfg);
	const struct value_source *backing = config_source(cfg, "memory-backing");

	for (const struct device_config *dc = cfg->devices; dc; dc = dc->next) {
		int ret = dc->kind->check && !dc->flawed ? dc->kind->check(dc, err) : 0;

		ret = ret == -EINVAL ? source_error(err, &dc->source) : ret;
		ret = mistake(m, ret, err);
		if (ret)
			return ret;
	}
	if (!sharing || cfg->memory_backing != BACKING_ANONYMOUS)
		return 0;
	err_user(err,
		 "memory-backing: anonymous is not allowed with %s %s, which shares the guest's "
		 "memory with another process; choose auto, memfd or hugetlb",
		 sharing->kind->name, sharing->id);
	return mistake(m, source_error(err, backing->file ? backing : &sharing->source), err);
}

int devices_fit(const struct vm_config *cfg, struct mistakes *m, struct err *err)
{
	int ret = 0;

	for (const struct device_config *dc = cfg->devices; dc && !ret; dc = dc->next) {
		ret = dc->kind->fits ? dc->kind->fits(dc, cfg, err) : 0;
		ret = mistake(m, ret == -EINVAL ? source_error(err, &dc->source) : ret, err);
	}
	return ret;
}

int devices_copy(struct vm_config *cfg)
{
	int ret = 0;

	for (struct device_config **dc = &cfg->devices; *dc; dc = &(*dc)->next) {
		struct device_config *copy = malloc((*dc)->kind->config_size);

		if (!copy) {
			*dc = NULL;
			return -ENOMEM;
		}
		memcpy(copy, *dc, (*dc)->kind->config_size);
		if (option_copy_texts(copy, copy->kind->keys) < 0)
			ret = -ENOMEM;
		*dc = copy;
	}
	return ret;
}

void devices_finish(struct vm_config *cfg)
{
	while (cfg->devices) {
		struct device_config *dc = cfg->devices;

		cfg->devices = dc->next;
		device_config_free(dc);
	}
}
