// SPDX-License-Identifier: BSD-2-Clause
/* Several VMs of one definition: [test NAME] and [matrix]. And `vireo check`, which looks at all of them. */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm/err.h"
#include "vmm/config_parse.h"
#include "vmm/config_read.h"
#include "vmm/matrix.h"
#include "vmm/smoke.h"

#define NAME_FIELD "{name}"

/* Writes the test's name for {name}; what is no plain character of a file's name becomes "-". */
static int name_file(struct vm_config *test, char **path, const char *option, struct err *err)
{
	const char *field = *path ? strstr(*path, NAME_FIELD) : NULL, *name = test->test_name;
	char *whole;
	size_t at;

	if (!*path)
		return 0;
	if (!field) {
		err_user(err,
			 "--%s %s: several VMs would write to it; let its name have \"" NAME_FIELD "\" in it",
			 option, quote_path(*path).text);
		return source_error(err, config_source(test, option));
	}
	at = (size_t)(field - *path);
	if (asprintf(&whole, "%.*s%s%s", (int)at, *path, name, field + strlen(NAME_FIELD)) < 0)
		return err_host(err, ENOMEM, "--%s", option);
	for (size_t i = at; i < at + strlen(name); i++)
		if (!isalnum((unsigned char)whole[i]) && !strchr("._=+-", whole[i]))
			whole[i] = '-';
	free(*path);
	*path = whole;
	return 0;
}

/* What only one VM at a time may have. */
static int check_alone(const struct vm_config *a, const struct vm_config *b, struct err *err)
{
	if (a->name && b->name && !strcmp(a->name, b->name)) {
		err_user(err,
			 "--name %s: would be that of two tests; give each [test] a name of its own, or none",
			 a->name);
		return source_error(err, config_source(a, "name"));
	}
	if (a->control && b->control && strcmp(a->control, CONTROL_NONE) && !strcmp(a->control, b->control)) {
		err_user(err,
			 "--control %s: would be that of two tests; give each [test] a path of its own, or "
			 "none",
			 quote_path(a->control).text);
		return source_error(err, config_source(a, "control"));
	}
	return 0;
}

/* Where several VMs come from. */
struct tests {
	const struct vm_config *base; /* what the files say, without the tests */
	const struct matrix *matrix;
	struct words *words;
	enum config_command command;
	struct mistakes *m; /* NULL, or who hears of all mistakes */
};

/* The files' definition, what test `index` says, then the command line. */
static int make_test(struct vm_config *test, const struct tests *from, unsigned int index, const char *name,
		     struct err *err)
{
	int ret = config_copy(test, from->base, err);

	if (ret)
		return ret;
	test->test_name = strdup(name);
	if (!test->test_name)
		return err_host(err, ENOMEM, "the definition");
	ret = matrix_apply(from->matrix, index, test, err);
	return ret ? ret : config_use_words(test, from->words, err);
}

static int check_test(struct vm_config *test, const struct tests *from, const struct vm_config *before,
		      struct err *err)
{
	int ret = mistake(from->m, name_file(test, &test->console_log, "console-log", err), err);

	if (!ret)
		ret = mistake(from->m, name_file(test, &test->trace, "trace", err), err);
	for (; before < test && !ret; before++)
		ret = mistake(from->m, check_alone(test, before, err), err);
	if (ret || from->command != COMMAND_CHECK)
		return ret ? ret : config_check_complete(test, from->command, from->words, err);
	ret = config_check_whole(test, from->m, err);
	return ret ? ret : mistake(from->m, smoke_check(test, err), err);
}

/* Each VM of a matrix is a definition of its own: cfg->tests[]. */
static int make_tests(struct vm_config *cfg, const struct tests *from, struct err *err)
{
	int count = matrix_count(from->matrix, err), ret = 0;
	char name[MATRIX_NAME_MAX];
	struct err cause;

	if (count < 0)
		return mistake(from->m, count, err);
	cfg->tests = calloc((size_t)count, sizeof(*cfg->tests));
	if (!cfg->tests)
		return err_host(err, ENOMEM, "%d VMs", count);
	for (int i = 0; i < count && !ret; i++) {
		struct vm_config *test = &cfg->tests[cfg->nr_tests];

		matrix_name(from->matrix, (unsigned int)i, name);
		if (cfg->only && fnmatch(cfg->only, name, 0))
			continue;
		cfg->nr_tests++;
		if (from->m)
			from->m->test = name;
		ret = make_test(test, from, (unsigned int)i, name, &cause);
		if (!ret)
			ret = check_test(test, from, cfg->tests, &cause);
	}
	if (from->m)
		from->m->test = NULL;
	if (ret) {
		*err = cause;
		snprintf(err->text, sizeof(err->text), "test \"%s\": %.500s", name, cause.text);
	}
	return ret;
}

/* `base`: what the definition file says, without the command line. */
static int make_chosen_tests(struct vm_config *cfg, const struct vm_config *base, enum config_command command,
			     struct words *words, struct err *err)
{
	const struct tests from = { .base = base, .matrix = cfg->matrix, .words = words, .command = command };
	int ret;

	for (const struct option *opt = option_table; opt->name; opt++)
		if (words->given[opt - option_table] && matrix_has_list(cfg->matrix, opt))
			return err_user(err, "--%s: is one of the lists of [matrix]; leave one out",
					opt->name);
	ret = make_tests(cfg, &from, err);
	if (!ret && !cfg->nr_tests)
		ret = err_user(err, "--only \"%s\": no test has such a name", quote(cfg->only).text);
	return ret;
}

/* Does it ask for what only smoke has a use for? A dumped one has all keys, most with what they are by default. */
static bool is_for_smoke(const struct vm_config *cfg)
{
	struct vm_config none;

	config_init(&none);
	for (const struct option *opt = option_table; opt->name; opt++) {
		char value[OPTION_VALUE_MAX], by_default[OPTION_VALUE_MAX];

		if (!opt->section || strcmp(opt->section, "smoke") != 0 || !option_has_value(cfg, opt))
			continue;
		if (opt->type == OPTION_LIST)
			return true;
		option_format(cfg, opt, value);
		option_format(&none, opt, by_default);
		if (strcmp(value, by_default) != 0)
			return true;
	}
	return false;
}

/* A definition of one VM. */
static int check_one(const struct vm_config *cfg, struct mistakes *m, struct err *err)
{
	int ret = config_check_whole(cfg, m, err);

	return !ret && is_for_smoke(cfg) ? mistake(m, smoke_check(cfg, err), err) : ret;
}

int config_check_file(struct vm_config *cfg, const char *path, struct mistakes *m, struct err *err)
{
	struct words none = { .count = 0 };
	struct tests from = { .base = cfg, .words = &none, .command = COMMAND_CHECK, .m = m };
	int ret;

	config_init(cfg);
	cfg->takes_tests = true;
	ret = config_read(cfg, path, m, err);
	/* Where a value was refused, the tests are not those that were meant. */
	if (!ret && cfg->matrix && !m->count) {
		from.matrix = cfg->matrix;
		ret = make_tests(cfg, &from, err);
	} else if (!ret) {
		ret = check_one(cfg, m, err);
	}
	text_list_clear(&m->told);
	return ret;
}

int config_parse_tests(struct vm_config *cfg, enum config_command command, struct words *words,
		       struct err *err)
{
	struct vm_config base;
	int ret = config_copy(&base, cfg, err);

	if (!ret)
		ret = config_use_words(cfg, words, err);
	if (!ret)
		ret = make_chosen_tests(cfg, &base, command, words, err);
	config_finish(&base);
	return ret;
}
