// SPDX-License-Identifier: BSD-2-Clause
/* vireo check: what is wrong with definition files, all of it, without a host. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/devices.h"
#include "vmm/run.h"

/* As compilers do, for editors to follow: FILE:LINE: TEXT, and nothing in front of it. */
static void found(const char *text)
{
	fprintf(stderr, "%s\n", text);
}

/* Several VMs have much in common: each warning is told once. */
static void warn(struct text_list *told, const char *text)
{
	if (text_list_has(told, text))
		return;
	(void)text_list_add(told, text); /* without memory it is told twice */
	found(text);
}

/* Whether the files are there is for the host that runs the VM to say: this may be another one. */
static void warn_of_absent(struct text_list *told, const void *base, const struct option *opt,
			   const struct value_source *source)
{
	const char *path = opt->input && source->file ? option_text(base, opt) : NULL;
	struct err err;

	if (!path || !access(path, F_OK))
		return;
	err_user(&err, "warning: key \"%s\": \"%s\": %s; it has to be there when the VM starts", opt->name,
		 quote_path(path).text, strerrordesc_np(errno));
	source_error(&err, source);
	warn(told, err.text);
}

/* What the definition of a VM has to get from elsewhere. */
static void warn_of_missing(struct text_list *told, const struct vm_config *cfg, const char *file)
{
	const struct value_source whole = { .file = file };
	struct err err;

	if (!cfg->kernel) {
		err_user(&err, "warning: no kernel; the command line has to name one (--kernel)");
		source_error(&err, &whole);
		warn(told, err.text);
	}
	for (const struct option *opt = option_table; opt->name; opt++)
		warn_of_absent(told, cfg, opt, &cfg->source[opt - option_table]);
	for (const struct device_config *dc = cfg->devices; dc; dc = dc->next)
		for (const struct option *key = dc->kind->keys; key->name; key++)
			warn_of_absent(told, dc, key, &dc->values[key - dc->kind->keys]);
}

/* How many warnings there were. */
static unsigned int warn_of_all_missing(const struct vm_config *cfg, const char *file)
{
	struct text_list told = { 0 };
	unsigned int count;

	if (!cfg->nr_tests)
		warn_of_missing(&told, cfg, file);
	for (unsigned int i = 0; i < cfg->nr_tests; i++)
		warn_of_missing(&told, &cfg->tests[i], file);
	count = told.count;
	text_list_clear(&told);
	return count;
}

static int check_file(const char *path)
{
	struct mistakes mistakes = { .found = found };
	struct vm_config cfg;
	struct err err;
	int status = 0;

	if (config_check_file(&cfg, path, &mistakes, &err) < 0)
		status = report(&err);
	else if (mistakes.count)
		status = STATUS_USAGE;
	else if (!warn_of_all_missing(&cfg, path))
		printf("%s: ok\n", path);
	config_finish(&cfg);
	return status;
}

int command_check(const struct vm_config *cfg)
{
	int worst = 0;

	for (unsigned int i = 0; i < cfg->nr_files; i++) {
		int status = check_file(cfg->files[i]);

		if (status == STATUS_HOST || !worst)
			worst = status;
	}
	return worst;
}
