// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/options.h"

static void put_string(FILE *out, const struct option *opt, const char *text)
{
	fprintf(out, "%s = \"", opt->name);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
	fputs("\"\n", out);
}

/* A relative path means something else wherever the text is read: make it absolute. */
static int put_relative(FILE *out, const struct option *opt, const char *path, struct err *err)
{
	char *directory = getcwd(NULL, 0), *absolute;
	int len, ret = 0;

	if (!directory)
		return err_host(err, errno, "--%s: find the current directory, where \"%s\" is", opt->name,
				quote(path).text);
	len = asprintf(&absolute, "%s%s%s", directory, directory[1] ? "/" : "", path);
	free(directory);
	if (len < 0)
		return err_host(err, ENOMEM, "--%s", opt->name);
	if (option_string_ok(absolute))
		put_string(out, opt, absolute);
	else
		ret = err_user(
			err,
			"--%s: \"%s\" cannot be written to a definition file: over %d bytes, or control characters",
			opt->name, quote_path(absolute).text, OPTION_STRING_MAX);
	free(absolute);
	return ret;
}

static int put_key(FILE *out, const struct vm_config *cfg, const struct option *opt, struct err *err)
{
	bool is_string = opt->type == OPTION_TEXT || opt->type == OPTION_FILE;
	char value[OPTION_VALUE_MAX];

	if (!option_has_value(cfg, opt)) {
		fprintf(out, "# %s =\n", opt->name);
	} else if (!is_string) {
		option_format(cfg, opt, value);
		fprintf(out, "%s = %s\n", opt->name, value);
	} else {
		const char *text = option_text(cfg, opt);

		if (opt->type == OPTION_FILE && *text != '/')
			return put_relative(out, opt, text, err);
		put_string(out, opt, text);
	}
	return 0;
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
		ret = put_key(out, cfg, opt, err);
	}
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
		complete.cmdline = (char *)default_cmdline;
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
