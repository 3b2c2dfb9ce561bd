// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/devices.h"
#include "vmm/options.h"

#define SOURCE_COLUMN 40 /* where the comments with the sources begin, if the line leaves room */

/* Ends a line of `column` bytes with where its value comes from. */
static void put_source(FILE *out, int column, const struct value_source *source)
{
	fprintf(out, "%*s# ", column < SOURCE_COLUMN ? SOURCE_COLUMN - column : 1, "");
	if (source->file && source->line)
		fprintf(out, "%s:%u\n", quote_path(source->file).text, source->line);
	else if (source->file)
		fprintf(out, "%s\n", quote_path(source->file).text);
	else
		fputs(source->command_line ? "command line\n" : "default\n", out);
}

static void put_string(FILE *out, const struct option *opt, const char *text,
		       const struct value_source *source)
{
	int column = fprintf(out, "%s = \"", opt->name);

	for (; *text; text++, column++) {
		if (*text == '"' || *text == '\\') {
			fputc('\\', out);
			column++;
		}
		fputc(*text, out);
	}
	fputc('"', out);
	put_source(out, column + 1, source);
}

/* What messages about the value call its place. */
static struct option_origin origin_of(const struct value_source *source, const char *kind)
{
	return (struct option_origin){ .file = source->file, .line = source->line, .kind = kind };
}

/* A relative path means something else wherever the text is read: make it absolute. */
static int put_relative(FILE *out, const struct option *opt, const char *value,
			const struct value_source *source, const char *kind, struct err *err)
{
	const struct option_origin origin = origin_of(source, kind);
	const char *path = option_path(opt, value);
	char *directory = getcwd(NULL, 0), *absolute;
	int len, ret = 0;

	if (!directory)
		return err_host(err, errno, "--%s: find the current directory, where \"%s\" is",
				kind ? kind : opt->name, quote(path).text);
	len = asprintf(&absolute, "%.*s%s%s%s", (int)(path - value), value, directory,
		       directory[1] ? "/" : "", path);
	free(directory);
	if (len < 0)
		return err_host(err, ENOMEM, "--%s", opt->name);
	if (option_string_ok(absolute))
		put_string(out, opt, absolute, source);
	else
		ret = option_error(
			err, &origin, opt->name,
			"\"%s\" cannot be written to a definition file: over %d bytes, or control characters",
			quote_path(absolute).text, OPTION_STRING_MAX);
	free(absolute);
	return ret;
}

/* `kind`: whose key it is; NULL: no device's. */
static int put_key(FILE *out, const void *base, const struct option *opt, const struct value_source *source,
		   const char *kind, struct err *err)
{
	char value[OPTION_VALUE_MAX];

	if (!option_has_value(base, opt)) {
		fprintf(out, "# %s =\n", opt->name);
	} else if (opt->type == OPTION_LIST) {
		for (unsigned int i = 0; i < option_list(base, opt)->count; i++)
			put_string(out, opt, option_list(base, opt)->text[i], source);
	} else if (!option_is_string(opt)) {
		option_format(base, opt, value);
		put_source(out, fprintf(out, "%s = %s", opt->name, value), source);
	} else {
		const char *text = option_text(base, opt), *path = option_path(opt, text);

		if (*path && *path != '/')
			return put_relative(out, opt, text, source, kind, err);
		put_string(out, opt, text, source);
	}
	return 0;
}

static int put_device(FILE *out, const struct device_config *dc, struct err *err)
{
	int ret = 0;

	fputc('\n', out);
	put_source(out, fprintf(out, "[%s %s]", dc->kind->name, dc->id), &dc->source);
	for (const struct option *key = dc->kind->keys; key->name && !ret; key++)
		if (option_is_for_host(key))
			ret = put_key(out, dc, key, &dc->values[key - dc->kind->keys], dc->kind->name, err);
	return ret;
}

static int put_definition(FILE *out, const struct vm_config *cfg, struct err *err)
{
	const char *section = "";
	int ret = 0;

	fputs("# Vireo VM definition\n", out);
	for (const struct option *opt = option_table; opt->name && !ret; opt++) {
		if (!opt->section || !option_is_for_host(opt))
			continue;
		if (strcmp(opt->section, section))
			fprintf(out, "\n[%s]\n", opt->section);
		section = opt->section;
		ret = put_key(out, cfg, opt, &cfg->source[opt - option_table], NULL, err);
	}
	for (const struct device_config *dc = cfg->devices; dc && !ret; dc = dc->next)
		ret = put_device(out, dc, err);
	return ret;
}

char *config_dump(const struct vm_config *cfg, struct err *err)
{
	struct vm_config complete = *cfg; /* borrows the strings of `cfg` */
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int ret, failed;

	if (!out) {
		err_host(err, errno, "definition");
		return NULL;
	}
	/* Said in full, so that the text keeps its meaning should the default ever change. */
	if (!cfg->cmdline)
		complete.cmdline = (char *)config_default_cmdline(cfg);
	ret = put_definition(out, &complete, err);
	failed = ferror(out);
	if ((fclose(out) || failed) && !ret)
		ret = err_host(err, ENOMEM, "definition");
	if (ret) {
		free(text);
		return NULL;
	}
	return text;
}
