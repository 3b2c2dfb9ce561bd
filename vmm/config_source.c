// SPDX-License-Identifier: BSD-2-Clause
/* Where the values of a definition come from, and what is told of mistakes in it. */
#include <errno.h>
#include <stdio.h>

#include "vmm/devices.h"
#include "vmm/options.h"

struct value_source option_source(const struct option_origin *origin)
{
	return (struct value_source){
		.file = origin->file,
		.line = origin->file ? origin->line : 0,
		.command_line = !origin->file,
	};
}

int config_set(struct vm_config *cfg, const struct option *opt, const char *value,
	       const struct option_origin *origin, struct err *err)
{
	int ret = option_set(cfg, opt, value, origin, err);

	if (!ret)
		cfg->source[opt - option_table] = option_source(origin);
	return ret;
}

void config_unset(struct vm_config *cfg, const struct option *opt)
{
	const struct option only[] = { *opt, { .name = NULL } };

	option_free_texts(cfg, only);
	cfg->source[opt - option_table] = (struct value_source){ 0 };
}

int config_copy(struct vm_config *to, const struct vm_config *from, struct err *err)
{
	int texts, names, devices;

	*to = *from;
	to->matrix = NULL;
	to->tests = NULL;
	to->nr_tests = 0;
	to->test_name = NULL;
	to->files = NULL;
	to->nr_files = 0;
	texts = option_copy_texts(to, option_table);
	names = text_list_copy(&to->names) | text_list_copy(&to->command);
	devices = devices_copy(to);
	return texts || names || devices ? err_host(err, ENOMEM, "the definition") : 0;
}

const char *config_name(struct vm_config *cfg, const char *path)
{
	return text_list_add(&cfg->names, path);
}

const struct value_source *config_source(const struct vm_config *cfg, const char *name)
{
	return &cfg->source[option_by_name(name) - option_table];
}

int source_error(struct err *err, const struct value_source *source)
{
	const struct err cause = *err;

	if (source->file && source->line)
		err_user(err, "%s:%u: %s", quote_path(source->file).text, source->line, cause.text);
	else if (source->file)
		err_user(err, "%s: %s", quote_path(source->file).text, cause.text);
	return -EINVAL;
}

int mistake(struct mistakes *m, int ret, const struct err *err)
{
	char text[sizeof(err->text)];

	if (!ret || !m || ret == -ENOMEM)
		return ret;
	if (m->test) {
		if (text_list_has(&m->told, err->text))
			return 0;
		(void)text_list_add(&m->told, err->text); /* without memory it is told twice */
	}
	if (m->test && *m->test)
		snprintf(text, sizeof(text), "%.500s (test \"%s\")", err->text, m->test);
	else
		snprintf(text, sizeof(text), "%s", err->text);
	m->count++;
	m->found(text);
	return 0;
}
