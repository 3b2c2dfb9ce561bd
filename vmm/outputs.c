// SPDX-License-Identifier: BSD-2-Clause
#include "vmm/outputs.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/kinds.h"
#include "vmm/options.h"

#define MOST_LINKS 40 /* as many as the kernel follows */

struct output {
	const char *option, *path;
	const struct value_source *source;
	const struct vm_config *of; /* whose it is */
	bool adds;                  /* to what is there; else it takes its place */
	bool is_stream;             /* standard output or error: the shell has opened it */
	bool is_file;               /* regular, or not there yet; else nothing that follows holds */
	dev_t dev;
	ino_t ino;  /* its own, or its directory's: */
	char *name; /* of what is not there yet; NULL: it is there */
};

struct outputs {
	struct output *output;
	unsigned int count;
};

/* The descriptor's own names; what they lead to has others. */
static bool is_stream(const char *path)
{
	return !strncmp(path, "/dev/std", 8) || !strncmp(path, "/dev/fd/", 8) ||
	       !strncmp(path, "/proc/self/fd/", 14);
}

/* Puts what a link that leads nowhere says in the place of `path`; false: it is no link. */
static bool follow(char path[PATH_MAX])
{
	char to[PATH_MAX];
	ssize_t len = readlink(path, to, sizeof(to) - 1);
	char *slash = strrchr(path, '/');
	size_t before = slash ? (size_t)(slash - path) + 1 : 0;

	if (len <= 0)
		return false;
	to[len] = '\0';
	if (*to == '/')
		before = 0;
	if (before + (size_t)len >= PATH_MAX)
		return false;
	memcpy(path + before, to, (size_t)len + 1);
	return true;
}

/* Which file is it? What cannot be found out is none: opening it says why. */
static int identify(struct output *o)
{
	char path[PATH_MAX], *slash;
	struct stat st;

	if (strlen(o->path) >= sizeof(path))
		return 0;
	memcpy(path, o->path, strlen(o->path) + 1);
	if (!stat(path, &st)) {
		o->is_file = S_ISREG(st.st_mode);
		o->dev = st.st_dev;
		o->ino = st.st_ino;
		return 0;
	}
	for (unsigned int i = 0; i < MOST_LINKS && follow(path); i++)
		;
	slash = strrchr(path, '/');
	o->name = strdup(slash ? slash + 1 : path);
	if (!o->name)
		return -ENOMEM;
	if (slash)
		slash[1] = '\0';
	o->is_file = !stat(slash ? path : ".", &st);
	o->dev = st.st_dev;
	o->ino = st.st_ino;
	return 0;
}

static bool is_same(const struct output *a, const struct output *b)
{
	if (!a->is_file || !b->is_file || a->dev != b->dev || a->ino != b->ino)
		return false;
	if (a->adds && b->adds && a->is_stream && b->is_stream)
		return false;
	return a->name && b->name ? !strcmp(a->name, b->name) : !a->name && !b->name;
}

static int add(struct outputs *all, const struct output *output, struct err *err)
{
	struct output *grown;

	if (!output->path)
		return 0;
	grown = reallocarray(all->output, all->count + 1, sizeof(*grown));
	if (!grown)
		return err_host(err, ENOMEM, "the outputs");
	all->output = grown;
	grown[all->count] = *output;
	grown[all->count].is_stream = is_stream(output->path);
	return identify(&grown[all->count++]) < 0 ? err_host(err, ENOMEM, "the outputs") : 0;
}

static int add_option(struct outputs *all, const struct vm_config *cfg, const char *option, const char *path,
		      bool adds, struct err *err)
{
	const struct output output = {
		.option = option, .path = path, .source = config_source(cfg, option), .of = cfg, .adds = adds
	};

	return add(all, &output, err);
}

/* The file of "file=PATH". */
static const char *place_file(const char *place)
{
	return place && !strncmp(place, "file=", 5) ? place + 5 : NULL;
}

static int add_devices(struct outputs *all, const struct vm_config *cfg, struct err *err)
{
	int ret = 0;

	for (const struct device_config *dc = cfg->devices; dc; dc = dc->next) {
		for (const struct option *key = dc->kind->keys; key->name && !ret; key++) {
			const struct output output = { .option = dc->kind->name,
						       .path = key->output ? option_text(dc, key) : NULL,
						       .source = &dc->source,
						       .of = cfg,
						       .adds = true };

			ret = add(all, &output, err);
		}
	}
	return ret;
}

/* Those of one VM. */
static int add_vm(struct outputs *all, const struct vm_config *cfg, struct err *err)
{
	int ret = add_option(all, cfg, "serial", place_file(cfg->serial), true, err);

	if (!ret)
		ret = add_option(all, cfg, "hvc", place_file(cfg->hvc), true, err);
	if (!ret)
		ret = add_option(all, cfg, "console-log", cfg->console_log, true, err);
	if (!ret)
		ret = add_option(all, cfg, "trace", cfg->trace, false, err);
	return ret ? ret : add_devices(all, cfg, err);
}

static int add_all(struct outputs *all, const struct vm_config *cfg, struct err *err)
{
	int ret = cfg->tests ? 0 : add_vm(all, cfg, err);

	for (unsigned int i = 0; i < cfg->nr_tests && !ret; i++)
		ret = add_vm(all, &cfg->tests[i], err);
	for (unsigned int i = 0; i < cfg->report.count && !ret; i++)
		ret = add_option(all, cfg, "report", cfg->report.text[i], false, err);
	return ret;
}

static int refuse(const struct output *o, const struct output *before, struct err *err)
{
	const struct quoted path = quote_path(o->path);

	if (o->of != before->of && !strcmp(o->option, before->option))
		err_user(err, "--%s %s: would be that of two tests", o->option, path.text);
	else if (!strcmp(o->option, before->option))
		err_user(err, "--%s %s: given twice", o->option, path.text);
	else
		err_user(err, "--%s %s: that is the file of --%s, too; name another one for one of them",
			 o->option, path.text, before->option);
	return source_error(err, o->source);
}

int outputs_check(const struct vm_config *cfg, struct err *err)
{
	struct outputs all = { 0 };
	int ret = add_all(&all, cfg, err);

	for (unsigned int i = 0; i < all.count && !ret; i++)
		for (unsigned int j = 0; j < i && !ret; j++)
			if (is_same(&all.output[i], &all.output[j]))
				ret = refuse(&all.output[i], &all.output[j], err);
	for (unsigned int i = 0; i < all.count; i++)
		free(all.output[i].name);
	free(all.output);
	return ret;
}
